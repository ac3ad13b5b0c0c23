package reach

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// builtin gives the rules of the ClusterRoles that every cluster has for people (Kubernetes, "Using RBAC Authorization:
// User-facing roles"); whether there is one of that name.
func builtin(name string) ([]rbacv1.PolicyRule, bool) {
	const read, write = "get list watch", "create update patch delete deletecollection"
	const both = read + " " + write
	rule := func(group, resources, verbs string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: strings.Fields(resources), Verbs: strings.Fields(verbs)}
	}
	view := []rbacv1.PolicyRule{
		rule("", `bindings configmaps endpoints events limitranges namespaces namespaces/status persistentvolumeclaims
			persistentvolumeclaims/status pods pods/log pods/status replicationcontrollers replicationcontrollers/scale
			replicationcontrollers/status resourcequotas resourcequotas/status serviceaccounts services services/status`, read),
		rule("discovery.k8s.io", "endpointslices", read),
		rule("apps", `controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets
			replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status`, read),
		rule("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status", read),
		rule("batch", "cronjobs cronjobs/status jobs jobs/status", read),
		rule("extensions", `daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status
			networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale`, read),
		rule("policy", "poddisruptionbudgets poddisruptionbudgets/status", read),
		rule("networking.k8s.io", "ingresses ingresses/status networkpolicies", read),
	}
	edit := []rbacv1.PolicyRule{
		rule("", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy", both),
		rule("", `configmaps events persistentvolumeclaims pods replicationcontrollers replicationcontrollers/scale serviceaccounts
			services`, write),
		rule("", "serviceaccounts", "impersonate"),
		rule("", "pods/eviction serviceaccounts/token", "create"),
		rule("apps", `daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets
			statefulsets/scale`, write),
		rule("autoscaling", "horizontalpodautoscalers", write),
		rule("batch", "cronjobs jobs", write),
		rule("extensions", `daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets
			replicasets/scale replicationcontrollers/scale`, write),
		rule("policy", "poddisruptionbudgets", write),
		rule("networking.k8s.io", "ingresses networkpolicies", write),
		rule("coordination.k8s.io", "leases", both),
	}
	switch name {
	case "view":
		return view, true
	case "edit":
		return slices.Concat(view, edit), true
	case "admin":
		return slices.Concat(view, edit, []rbacv1.PolicyRule{
			rule("authorization.k8s.io", "localsubjectaccessreviews", "create"),
			rule("rbac.authorization.k8s.io", "rolebindings roles", both),
		}), true
	case "cluster-admin":
		all := []string{"*"}
		return []rbacv1.PolicyRule{{APIGroups: all, Resources: all, Verbs: all}, {NonResourceURLs: all, Verbs: all}}, true
	}
	return nil, false
}

// aggregates gives the labels by which ClusterRoles add to a built-in one.
func aggregates(name string) []string {
	const key = "rbac.authorization.k8s.io/aggregate-to-"
	switch name {
	case "view":
		return []string{key + "view"}
	case "edit":
		return []string{key + "view", key + "edit"}
	case "admin":
		return []string{key + "view", key + "edit", key + "admin"}
	}
	return nil
}

// escalation is a right that leads to more than it says.
type escalation struct {
	group     string
	resources string // separated by spaces
	verbs     string // likewise; "*" stands for any
	why       string
}

// escalations lists them, by "Role Based Access Control Good Practices" of Kubernetes, and by what the controllers of this
// estate do for whoever may write their objects.
func escalations() []escalation {
	const write = "create update patch"
	return []escalation{
		{"", "secrets", "get list watch", "a Secret holds what others log in with, and listing shows the values as well"},
		{"", "serviceaccounts/token", "create", "a token makes whoever has it that ServiceAccount"},
		{"", "users groups serviceaccounts", "impersonate", "whoever acts as another has all rights of the other"},
		{"authentication.k8s.io", "userextras uids", "impersonate", "whoever acts as another has all rights of the other"},
		{"rbac.authorization.k8s.io", "roles clusterroles", "escalate", "with it one gives oneself any right"},
		{"rbac.authorization.k8s.io", "roles clusterroles", "bind", "with it one binds oneself to rights that one does not have"},
		{"", "pods/exec pods/attach pods/ephemeralcontainers", "create get update patch",
			"a shell in a pod reads its Secrets and its token, and is where the pod is in the network"},
		{"", "pods replicationcontrollers", write,
			"a pod that one makes mounts any Secret, and runs as any ServiceAccount, of its namespace"},
		{"apps", "deployments daemonsets statefulsets replicasets", write,
			"a pod that one makes mounts any Secret, and runs as any ServiceAccount, of its namespace"},
		{"batch", "jobs cronjobs", write, "a pod that one makes mounts any Secret, and runs as any ServiceAccount, of its namespace"},
		{"", "nodes/proxy", "*", "the kubelet runs commands in every pod of the node, past admission and audit"},
		{"", "persistentvolumes", "create", "a volume of the node's own file system reads and writes all that is on the node"},
		{"", "namespaces", "update patch", "a namespace's labels decide what its pods may do to the node"},
		{"certificates.k8s.io", "certificatesigningrequests/approval", "update patch",
			"a signed certificate makes whoever has it anyone it names"},
		{"certificates.k8s.io", "signers", "approve sign", "a signed certificate makes whoever has it anyone it names"},
		{"admissionregistration.k8s.io", `mutatingwebhookconfigurations validatingwebhookconfigurations mutatingadmissionpolicies
			mutatingadmissionpolicybindings`, write, "what stands at admission reads and changes everything that is written"},
		{"external-secrets.io", "externalsecrets clusterexternalsecrets secretstores clustersecretstores", write,
			"the operator reads any path of the secret store for whoever may write these"},
		{"kustomize.toolkit.fluxcd.io", "kustomizations", write, "the controller applies with its own rights, which are all"},
		{"helm.toolkit.fluxcd.io", "helmreleases", write, "the controller applies with its own rights, which are all"},
		{"argoproj.io", "applications applicationsets appprojects", write, "Argo CD applies with its own rights, which are all"},
	}
}

// escalates gives why a rule of one verb and one resource leads to more than it says; empty: it does not.
func escalates(r rbacv1.PolicyRule) string {
	if len(r.NonResourceURLs) > 0 || r.Verbs[0] == unknownRole {
		return ""
	}
	group, resource, verb := r.APIGroups[0], r.Resources[0], r.Verbs[0]
	if group == "*" && resource == "*" && verb == "*" {
		return "it is all that can be done, and what is added later as well"
	}
	for _, e := range escalations() {
		if group != "*" && group != e.group || e.verbs != "*" && verb != "*" && !slices.Contains(strings.Fields(e.verbs), verb) {
			continue
		}
		if slices.ContainsFunc(strings.Fields(e.resources), func(x string) bool {
			_, sub, _ := strings.Cut(x, "/")
			return resource == x || resource == "*" || sub != "" && resource == "*/"+sub
		}) {
			return e.why
		}
	}
	if group == "*" || resource == "*" || verb == "*" {
		return "a wildcard holds for what is added later as well"
	}
	return ""
}
