// Package tenancy emits what makes a namespace a tenant's: the Namespace itself and the bounds of what may run in it.
//
// Invariants: pure and total on a linked model; nothing here is ever pruned, so that no mistake in a spec can delete what
// lives in the namespace, or unbind it.
package tenancy

import (
	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/object"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Emit gives the Namespace, the ResourceQuota and the LimitRange.
func Emit(p *model.Placement) []unit.Unit {
	return []unit.Unit{{
		Key:    unit.Key{Cluster: p.Cluster.Name, Part: unit.Tenancy, Name: p.Tenant.Name},
		Origin: p.Origin,
		Hash:   p.Hash,
		Needs:  needs(p),
		Objects: []object.Object{
			object.New(p.Cluster.Name, Namespace(p), p.About.Origin),
			object.New(p.Cluster.Name, Quota(p), p.Bounds.Origin),
			object.New(p.Cluster.Name, LimitRange(p), p.Bounds.Origin),
		},
	}}
}

// needs are the services that admit what is in the unit. What the tenant's pods reach is not among them: a failing Redis
// must not keep a policy from being changed.
func needs(p *model.Placement) []unit.Key {
	var out []unit.Key
	for _, s := range []*model.Service{p.Cluster.Mesh, p.Cluster.Secrets} {
		if s != nil {
			out = append(out, unit.Key{Cluster: p.Cluster.Name, Part: unit.Service, Name: s.Name})
		}
	}
	return out
}

// Namespace has Pod Security pinned to the cluster's minor version, so that an upgrade of the control plane changes no
// tenant (Kubernetes, "Pod Security Admission").
func Namespace(p *model.Placement) *corev1.Namespace {
	meta := label.ForTenantIn(p, p.About, "", p.Namespace())
	meta.Labels[label.Team] = p.Tenant.Team
	meta.Labels[label.Class] = p.Tenant.Class
	meta.Labels["istio-injection"] = "enabled"
	for _, mode := range []string{"enforce", "audit", "warn"} {
		meta.Labels["pod-security.kubernetes.io/"+mode] = "restricted"
		meta.Labels["pod-security.kubernetes.io/"+mode+"-version"] = "v" + p.Cluster.Minor
	}
	meta.Annotations[label.Description] = p.Tenant.Description
	meta.Annotations[label.Contact] = p.Tenant.Contact
	return &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: label.Kept(meta)}
}

// Quota is the tier, or nothing at all for a tenant that is retired: what is kept must not be able to run again
// (Kubernetes, "Resource Quotas").
func Quota(p *model.Placement) *corev1.ResourceQuota {
	t := p.Tier
	count := func(n int64) resource.Quantity { return *resource.NewQuantity(n, resource.DecimalSI) }
	hard := corev1.ResourceList{
		corev1.ResourceRequestsCPU:            t.Requests.CPU,
		corev1.ResourceRequestsMemory:         t.Requests.Memory,
		corev1.ResourceLimitsCPU:              t.Limits.CPU,
		corev1.ResourceLimitsMemory:           t.Limits.Memory,
		corev1.ResourceRequestsStorage:        t.Storage,
		corev1.ResourcePods:                   count(t.Pods),
		corev1.ResourceServices:               count(t.Services),
		corev1.ResourceServicesLoadBalancers:  count(0),
		corev1.ResourceServicesNodePorts:      count(0),
		corev1.ResourceConfigMaps:             count(t.ConfigMaps),
		corev1.ResourceSecrets:                count(t.Secrets),
		corev1.ResourcePersistentVolumeClaims: count(t.PersistentVolumeClaims),
	}
	if p.State == model.Retired {
		for _, name := range []corev1.ResourceName{
			corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory, corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory,
			corev1.ResourcePods, corev1.ResourceServices,
		} {
			hard[name] = count(0)
		}
	}
	return &corev1.ResourceQuota{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ResourceQuota"},
		ObjectMeta: label.Kept(label.ForTenant(p, p.Bounds, "quota")),
		Spec:       corev1.ResourceQuotaSpec{Hard: hard},
	}
}

// LimitRange gives containers that name no resources some, without which the quota would refuse them, and bounds the
// single container and the single volume claim (Kubernetes, "Limit Ranges").
func LimitRange(p *model.Placement) *corev1.LimitRange {
	list := func(c model.Compute) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: c.CPU, corev1.ResourceMemory: c.Memory}
	}
	return &corev1.LimitRange{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "LimitRange"},
		ObjectMeta: label.Kept(label.ForTenant(p, p.Bounds, "limits")),
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
			{
				Type:           corev1.LimitTypeContainer,
				Default:        list(p.Tier.Default),
				DefaultRequest: list(p.Tier.DefaultRequest),
				Max:            list(p.Tier.Max),
			},
			{
				Type: corev1.LimitTypePersistentVolumeClaim,
				Max:  corev1.ResourceList{corev1.ResourceStorage: p.Tier.Storage},
			},
		}},
	}
}
