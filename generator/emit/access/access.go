// Package access emits who may do what in a tenant's namespace: an identity for each workload, and the owner team's
// rights.
//
// Invariants: no token is mounted anywhere; nothing here lets a tenant read a Secret or change a quota, a limit, a
// policy or a right.
package access

import (
	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/object"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TeamRole is the name of the owner team's Role and of its RoleBinding.
const TeamRole = "owner-team"

// Emit gives the ServiceAccounts, the Role and the RoleBinding.
func Emit(p *model.Placement) []unit.Unit {
	objects := []object.Object{
		object.New(p.Cluster.Name, account(p, label.ForTenant(p, p.Subject, "default"), false), p.Origin),
		object.New(p.Cluster.Name, role(p), p.Rights.Origin),
		object.New(p.Cluster.Name, binding(p), p.Rights.Origin),
	}
	for _, w := range p.Workloads {
		objects = append(objects, object.New(p.Cluster.Name, account(p, label.ForWorkload(w, w.Identity), true), w.Identity.Origin))
	}
	return []unit.Unit{{
		Key:     unit.Key{Cluster: p.Cluster.Name, Part: unit.Tenancy, Name: p.Tenant.Name},
		Objects: objects,
	}}
}

// account mounts no token; a workload's own may pull from the platform's registry.
func account(p *model.Placement, meta metav1.ObjectMeta, pulls bool) *corev1.ServiceAccount {
	no := false
	out := &corev1.ServiceAccount{
		TypeMeta:                     metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta:                   meta,
		AutomountServiceAccountToken: &no,
	}
	if pulls {
		out.ImagePullSecrets = []corev1.LocalObjectReference{{Name: p.Tenant.Platform.PullSecret.Name}}
	}
	return out
}

// role lets the team read and debug what runs. A shell in a pod is not part of it: with one, a team could read every
// Secret that is mounted there.
func role(p *model.Placement) *rbacv1.Role {
	read := []string{"get", "list", "watch"}
	return &rbacv1.Role{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role"},
		ObjectMeta: label.ForTenant(p, p.Rights, TeamRole),
		Rules: []rbacv1.PolicyRule{
			{
				APIGroups: []string{""},
				Resources: []string{"configmaps", "endpoints", "events", "limitranges", "persistentvolumeclaims", "pods", "pods/log", "pods/status", "resourcequotas", "serviceaccounts", "services"},
				Verbs:     read,
			},
			{APIGroups: []string{"apps"}, Resources: []string{"deployments", "replicasets"}, Verbs: read},
			{APIGroups: []string{"batch"}, Resources: []string{"cronjobs", "jobs"}, Verbs: read},
			{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: read},
			{APIGroups: []string{"policy"}, Resources: []string{"poddisruptionbudgets"}, Verbs: read},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: read},
			{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: read},
			{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"}, Verbs: read},
			{APIGroups: []string{"networking.istio.io"}, Resources: []string{"virtualservices"}, Verbs: read},
			{APIGroups: []string{"security.istio.io"}, Resources: []string{"authorizationpolicies", "peerauthentications"}, Verbs: read},
			{APIGroups: []string{"external-secrets.io"}, Resources: []string{"externalsecrets"}, Verbs: read},
			{APIGroups: []string{"monitoring.coreos.com"}, Resources: []string{"prometheusrules", "servicemonitors"}, Verbs: read},
			{APIGroups: []string{"metrics.k8s.io"}, Resources: []string{"pods"}, Verbs: []string{"get", "list"}},
			// To debug: reach a pod's port from one's own machine, and have a stuck pod replaced.
			{APIGroups: []string{""}, Resources: []string{"pods/portforward"}, Verbs: []string{"create", "get"}},
			{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"delete"}},
		},
	}
}

func binding(p *model.Placement) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding"},
		ObjectMeta: label.ForTenant(p, p.Rights, TeamRole),
		Subjects:   []rbacv1.Subject{{Kind: "Group", APIGroup: "rbac.authorization.k8s.io", Name: p.Tenant.Group}},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: TeamRole},
	}
}
