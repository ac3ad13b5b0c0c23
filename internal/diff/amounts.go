package diff

import "k8s.io/apimachinery/pkg/api/resource"

// amountKey is one sum of a cluster.
type amountKey struct{ cluster, what string }

type amount struct{ before, after resource.Quantity }
