package typed

import "strings"

// sets gives a function that tells which lists of a kind, among those that server-side apply replaces as a whole, mean
// the same in any order. Each is so by what the API reference says of it: a union of rules, peers or subjects, or a
// conjunction of requirements.
func sets(group, kind string) func(shape string) bool {
	own := ""
	switch group + "/" + kind {
	case "networking.k8s.io/NetworkPolicy":
		own = "spec.policyTypes spec.ingress spec.ingress[].from spec.ingress[].ports spec.ingress[].from[].ipBlock.except " +
			"spec.egress spec.egress[].to spec.egress[].ports spec.egress[].to[].ipBlock.except"
	case "rbac.authorization.k8s.io/Role", "rbac.authorization.k8s.io/ClusterRole":
		own = "rules rules[].apiGroups rules[].resources rules[].resourceNames rules[].verbs rules[].nonResourceURLs " +
			"aggregationRule.clusterRoleSelectors"
	case "rbac.authorization.k8s.io/RoleBinding", "rbac.authorization.k8s.io/ClusterRoleBinding":
		own = "subjects"
	case "/ServiceAccount":
		own = "imagePullSecrets secrets"
	case "/Service":
		own = "spec.externalIPs spec.loadBalancerSourceRanges"
	case "/LimitRange":
		own = "spec.limits"
	case "/PersistentVolumeClaim", "/PersistentVolume":
		own = "spec.accessModes"
	case "security.istio.io/AuthorizationPolicy":
		own = "spec.rules spec.rules[].from spec.rules[].to spec.rules[].when spec.rules[].when[].values spec.rules[].when[].notValues"
		for _, f := range []string{"principals", "namespaces", "requestPrincipals", "ipBlocks", "remoteIpBlocks", "serviceAccounts"} {
			own += " spec.rules[].from[].source." + f + " spec.rules[].from[].source.not" + strings.ToUpper(f[:1]) + f[1:]
		}
		for _, f := range []string{"hosts", "ports", "methods", "paths"} {
			own += " spec.rules[].to[].operation." + f + " spec.rules[].to[].operation.not" + strings.ToUpper(f[:1]) + f[1:]
		}
	case "networking.istio.io/Gateway":
		own = "spec.servers spec.servers[].hosts"
	case "networking.istio.io/VirtualService":
		own = "spec.hosts spec.gateways spec.exportTo"
	case "networking.istio.io/ServiceEntry":
		own = "spec.hosts spec.addresses spec.exportTo spec.subjectAltNames"
	case "networking.istio.io/Sidecar":
		own = "spec.egress[].hosts"
	case "argoproj.io/AppProject":
		own = "spec.sourceRepos spec.sourceNamespaces spec.destinations spec.clusterResourceWhitelist " +
			"spec.clusterResourceBlacklist spec.namespaceResourceWhitelist spec.namespaceResourceBlacklist " +
			"spec.roles spec.roles[].policies spec.roles[].groups spec.signatureKeys spec.destinationServiceAccounts"
	case "argoproj.io/Application":
		own = "spec.syncPolicy.syncOptions spec.ignoreDifferences spec.ignoreDifferences[].jsonPointers"
	case "kustomize.toolkit.fluxcd.io/Kustomization", "helm.toolkit.fluxcd.io/HelmRelease":
		own = "spec.dependsOn"
	case "external-secrets.io/ExternalSecret":
		own = "spec.data" // each item writes a key of its own
	case "policy/PodDisruptionBudget", "monitoring.coreos.com/ServiceMonitor", "monitoring.coreos.com/PodMonitor":
		own = "spec.namespaceSelector.matchNames"
	}
	lists := map[string]bool{}
	for _, s := range strings.Fields(own) {
		lists[s] = true
	}
	return func(shape string) bool {
		switch shape[strings.LastIndexByte(shape, '.')+1:] {
		case "finalizers", "matchExpressions", "tolerations", "matchLabelKeys":
			return true
		case "values":
			return strings.HasSuffix(shape, "matchExpressions[].values")
		case "add", "drop":
			return strings.HasSuffix(shape, "capabilities."+shape[strings.LastIndexByte(shape, '.')+1:])
		}
		return lists[shape]
	}
}
