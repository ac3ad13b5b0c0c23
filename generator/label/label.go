// Package label is the metadata that every object of ours bears: recommended labels, ours, and the annotations that
// lead back to the spec.
//
// Invariants: the recommended labels are those of the Kubernetes documentation ("Recommended Labels"); a selector is
// made of zave.io/ labels alone, which never change for a workload; annotations never stand in a pod template, where
// they would restart pods.
package label

import (
	"github.com/zavestudios/zave/generator/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GeneratorVersion is the version of the output: it moves when the same specs compile to something else.
const GeneratorVersion = "0.1"

// Labels and annotations.
const (
	Tenant   = "zave.io/tenant"
	Workload = "zave.io/workload"
	Team     = "zave.io/team"
	Class    = "zave.io/class"

	SpecHash    = "zave.io/spec-hash"
	Generator   = "zave.io/generator-version"
	Source      = "zave.io/source"
	Description = "zave.io/description"
	Contact     = "zave.io/contact"

	Name      = "app.kubernetes.io/name"
	Instance  = "app.kubernetes.io/instance"
	Component = "app.kubernetes.io/component"
	PartOf    = "app.kubernetes.io/part-of"
	Version   = "app.kubernetes.io/version"
	ManagedBy = "app.kubernetes.io/managed-by"
)

// The components of pods that work on databases, beside the database service: network policies know them by these.
const (
	DatabaseInstance  = "database-instance"  // prepares the instance
	DatabaseBootstrap = "database-bootstrap" // prepares a tenant's database
	DatabaseBackup    = "database-backup"    // backs it up
	DatabaseRestore   = "database-restore"   // restores a backup to see whether that can be done
)

// Kept has Flux leave an object where it is when it goes from the tree (Flux, "Kustomization: prune"). It is for what
// must outlive a mistake: the namespace, and what confines those who are still in it.
func Kept(meta metav1.ObjectMeta) metav1.ObjectMeta {
	meta.Annotations["kustomize.toolkit.fluxcd.io/prune"] = "disabled"
	return meta
}

// Annotations lead from an object to the part of the spec that caused it.
func Annotations(s model.Subject) map[string]string {
	return map[string]string{
		SpecHash:  s.Hash,
		Generator: GeneratorVersion,
		Source:    s.Origin.Place(),
	}
}

// ForTenant is the metadata of an object that belongs to a tenant as a whole, in its own namespace.
func ForTenant(p *model.Placement, s model.Subject, name string) metav1.ObjectMeta {
	return ForTenantIn(p, s, p.Namespace(), name)
}

// ForTenantIn is the same in another namespace, or in none.
func ForTenantIn(p *model.Placement, s model.Subject, namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:      name,
		Namespace: namespace,
		Labels: map[string]string{
			Name:      p.Tenant.Name,
			PartOf:    p.Tenant.Name,
			ManagedBy: "zave",
			Tenant:    p.Tenant.Name,
		},
		Annotations: Annotations(s),
	}
}

// ForWorkload is the metadata of an object that belongs to one workload, and that a part of it caused.
func ForWorkload(w *model.Workload, s model.Subject) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:        w.Name,
		Namespace:   w.Placement.Namespace(),
		Labels:      workload(w),
		Annotations: Annotations(s),
	}
}

// Running is the labels of what runs a workload's image, its pods first: these know the version.
func Running(w *model.Workload) map[string]string {
	l := workload(w)
	if w.Image.Tag != "" {
		l[Version] = versionValue(w.Image.Tag)
	}
	return l
}

// Select selects a workload's pods within the tenant's namespace.
func Select(w *model.Workload) map[string]string {
	return map[string]string{Workload: w.Name}
}

func workload(w *model.Workload) map[string]string {
	return map[string]string{
		Name:      w.Name,
		Instance:  w.Placement.Tenant.Name,
		PartOf:    w.Placement.Tenant.Name,
		ManagedBy: "zave",
		Tenant:    w.Placement.Tenant.Name,
		Workload:  w.Name,
	}
}

// versionValue makes a label value of an image tag: a tag may be 128 characters long and end in "." or "-", a label
// value has at most 63 and ends in a letter or a digit (Kubernetes, "Labels and Selectors").
func versionValue(tag string) string {
	if len(tag) > 63 {
		tag = tag[:63]
	}
	for tag != "" {
		switch tag[len(tag)-1] {
		case '.', '-', '_':
			tag = tag[:len(tag)-1]
			continue
		}
		break
	}
	for tag != "" && tag[0] == '_' {
		tag = tag[1:]
	}
	return tag
}

// ForService is the metadata of an object that belongs to a platform service.
func ForService(s *model.Service, namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:      name,
		Namespace: namespace,
		Labels: map[string]string{
			Name:      s.Name,
			PartOf:    s.Cluster.Platform.Name,
			ManagedBy: "zave",
		},
		Annotations: Annotations(s.Subject),
	}
}
