// Package unit is the smallest thing that Flux or Argo CD reconciles alone: a set of objects that become ready
// together.
//
// Invariants: a unit has one owner, and an object one unit; unit names are unique within a cluster, because the part
// before the first "-" is a word of ours that holds none; the fields Chart and Overlay are empty once a renderer has
// replaced them by the objects they stand for.
package unit

import (
	"encoding/json"
	"strings"

	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/source"
)

// Part says what a unit holds, and with that who owns it and where it stands in the tree.
type Part string

const (
	Service   Part = "service"   // a platform service, by Flux
	Instance  Part = "instance"  // the database service's instance, bootstrapped once for all tenants, by Flux
	Tenancy   Part = "tenancy"   // a tenant's namespace, policies, rights and secrets, by Flux
	Database  Part = "database"  // a tenant's database bootstrap, by Flux
	Delivery  Part = "delivery"  // a tenant's Argo CD project and application, by Flux
	Workloads Part = "workloads" // what Argo CD deploys for a tenant
	Entry     Part = "entry"     // what Flux begins with on a cluster
)

// The names of a cluster's entry units.
const (
	EntryCluster  = "cluster"  // the source, and the unit of all units
	EntryPlatform = "platform" // the units of the services
	EntryTenants  = "tenants"  // the units of the tenants
)

// Key is a unit's identity.
type Key struct {
	Cluster string
	Part    Part
	Name    string // the tenant's or the service's
}

// String is the unit's name within its cluster: "tenancy-panchito".
func (k Key) String() string { return string(k.Part) + "-" + k.Name }

// Compare orders keys by cluster, name, then the order in which a tenant's parts become ready.
func (k Key) Compare(o Key) int {
	if c := strings.Compare(k.Cluster, o.Cluster); c != 0 {
		return c
	}
	if c := strings.Compare(k.Name, o.Name); c != 0 {
		return c
	}
	return k.Part.rank() - o.Part.rank()
}

func (p Part) rank() int {
	return strings.Index("entry service instance tenancy database delivery workloads", string(p))
}

// Unit is a set of objects, or what a renderer makes objects of.
type Unit struct {
	Key
	Origin  source.Span
	Hash    string   // of the part of the spec it comes from
	Needs   []Key    // units that must be ready before, beside those that provide its objects' definitions
	Groups  []string // API groups that what it deploys uses, beside those of Objects
	Timeout string   // how long it may take to become ready; empty for the default

	Objects []object.Object
	Chart   *Chart
	Overlay *Overlay
}

// Dir is the directory of a unit in the tree, slash-separated: where Flux or Argo CD looks for it.
func (k Key) Dir() string {
	switch k.Part {
	case Entry:
		if k.Name == EntryCluster {
			return "clusters/" + k.Cluster
		}
		return "clusters/" + k.Cluster + "/" + k.Name
	case Service:
		return "platform/" + k.Cluster + "/" + k.Name
	case Instance:
		return "databases/" + k.Cluster + "/" + k.Name
	case Workloads:
		return "tenants/" + k.Cluster + "/" + k.Name + "/app"
	default:
		return "tenants/" + k.Cluster + "/" + k.Name + "/platform/" + string(k.Part)
	}
}

// ByFlux tells whether Flux owns the unit; otherwise Argo CD does.
func (u Unit) ByFlux() bool { return u.Part != Workloads }

// Chart is a Helm chart to render.
type Chart struct {
	Repository, Name, Version string
	Namespace                 string
	Values                    json.RawMessage
}

// Overlay is a Kustomize overlay to build.
type Overlay struct {
	Path string
}
