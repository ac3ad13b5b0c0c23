// Package flux emits how Flux reconciles the tree: a Kustomization for each unit it owns, in an order computed from what
// the units need, and the source and the root that it begins with.
//
// Invariants: a unit waits for the units it names, and for whichever service provides the definitions of its objects; a
// Kustomization waits for its objects to be ready, so that order means something; the result has no cycle, because
// services have none, tenants need services only, and a tenant's parts need each other in one direction.
package flux

import (
	"slices"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/object"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// Namespace is where Flux and its objects live.
	Namespace = "flux-system"
	// Root is the name of the source and of the root Kustomization. It is not flux-system, which `flux bootstrap` makes
	// and owns: the two stand side by side.
	Root = "platform-gitops"

	interval = 10 * time.Minute
	retry    = time.Minute
	timeout  = 5 * time.Minute
)

// Emit gives the entry units of a cluster whose other units are given.
func Emit(c *model.Cluster, units []unit.Unit) []unit.Unit {
	entry := func(name string) unit.Unit {
		return unit.Unit{Key: unit.Key{Cluster: c.Name, Part: unit.Entry, Name: name}, Origin: c.Origin, Hash: c.Hash}
	}
	root, platform, tenants := entry(unit.EntryCluster), entry(unit.EntryPlatform), entry(unit.EntryTenants)
	root.Objects = []object.Object{
		object.New(c.Name, source(c), c.Origin),
		object.New(c.Name, kustomization(c, root, c.Name, nil), c.Origin),
	}
	provider := map[string]unit.Key{}
	for _, s := range c.Services {
		for _, g := range s.CRDs {
			provider[g] = unit.Key{Cluster: c.Name, Part: unit.Service, Name: s.Name}
		}
	}
	for _, u := range units {
		if !u.ByFlux() {
			continue
		}
		o := object.New(c.Name, kustomization(c, u, u.Name, dependencies(u, provider)), u.Origin)
		if u.Part == unit.Service || u.Part == unit.Instance {
			platform.Objects = append(platform.Objects, o)
		} else {
			tenants.Objects = append(tenants.Objects, o)
		}
	}
	out := []unit.Unit{root}
	for _, u := range []unit.Unit{platform, tenants} {
		if len(u.Objects) > 0 {
			out = append(out, u)
		}
	}
	return out
}

// dependencies are the names of the units that must be ready before u, sorted.
func dependencies(u unit.Unit, provider map[string]unit.Key) []string {
	var out []string
	add := func(k unit.Key) {
		if k != u.Key {
			out = append(out, k.String())
		}
	}
	for _, k := range u.Needs {
		add(k)
	}
	groups := slices.Clone(u.Groups)
	for _, o := range u.Objects {
		groups = append(groups, o.Group)
	}
	for _, g := range groups {
		if k, ok := provider[g]; ok {
			add(k)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// metadata of a Flux object names the unit's subject, which is a tenant, a service or the cluster.
func metadata(u unit.Unit, name, subject string) metav1.ObjectMeta {
	labels := map[string]string{
		label.Name:      subject,
		label.Component: string(u.Part),
		label.ManagedBy: "zave",
	}
	switch u.Part {
	case unit.Tenancy, unit.Database, unit.Delivery:
		labels[label.Tenant] = subject
	}
	return metav1.ObjectMeta{
		Name: name, Namespace: Namespace, Labels: labels,
		Annotations: label.Annotations(model.Subject{Origin: u.Origin, Hash: u.Hash}),
	}
}

func source(c *model.Cluster) *sourcev1.GitRepository {
	g := c.Platform.GitOps
	out := &sourcev1.GitRepository{
		TypeMeta:   metav1.TypeMeta{APIVersion: sourcev1.GroupVersion.String(), Kind: sourcev1.GitRepositoryKind},
		ObjectMeta: metadata(unit.Unit{Key: unit.Key{Part: unit.Entry}, Origin: c.Origin, Hash: c.Hash}, Root, c.Name),
		Spec: sourcev1.GitRepositorySpec{
			URL:       g.URL,
			Interval:  metav1.Duration{Duration: time.Minute},
			Reference: &sourcev1.GitRepositoryRef{Branch: g.Branch},
		},
	}
	if g.Secret != "" {
		out.Spec.SecretRef = &meta.LocalObjectReference{Name: g.Secret}
	}
	return out
}

func kustomization(c *model.Cluster, u unit.Unit, subject string, needs []string) *kustomizev1.Kustomization {
	name := u.String()
	if u.Part == unit.Entry {
		name = Root
	}
	limit := metav1.Duration{Duration: timeout}
	if d, err := time.ParseDuration(u.Timeout); err == nil {
		// What Flux waits for has this long itself, and is only then known to have failed.
		limit.Duration = max(timeout, d+time.Minute)
	}
	out := &kustomizev1.Kustomization{
		TypeMeta:   metav1.TypeMeta{APIVersion: kustomizev1.GroupVersion.String(), Kind: kustomizev1.KustomizationKind},
		ObjectMeta: metadata(u, name, subject),
		Spec: kustomizev1.KustomizationSpec{
			Interval:      metav1.Duration{Duration: interval},
			RetryInterval: &metav1.Duration{Duration: retry},
			Timeout:       &limit,
			Path:          "./" + u.Dir(),
			Prune:         true,
			Wait:          true,
			SourceRef:     kustomizev1.CrossNamespaceSourceReference{Kind: sourcev1.GitRepositoryKind, Name: Root},
		},
	}
	if u.Part == unit.Entry {
		// The root only applies the other Kustomizations; each waits for itself, and a slow tenant must not make the root
		// look broken.
		out.Spec.Wait = false
	}
	for _, n := range needs {
		out.Spec.DependsOn = append(out.Spec.DependsOn, kustomizev1.DependencyReference{Name: n})
	}
	return out
}
