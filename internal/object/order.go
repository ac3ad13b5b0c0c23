package object

import (
	"reflect"
	"slices"
	"strings"
)

// order gives the keys of a type in the order in which a person reads them: who it is, what it is in a word, and what
// is long last. Without an entry here keys stand as the Go type declares them, which for some types is alphabetical and
// for some historical. Words before "*" come first, words behind it last.
func order(t reflect.Type) string {
	switch t.PkgPath() + "." + t.Name() {
	case "k8s.io/apimachinery/pkg/apis/meta/v1.ObjectMeta":
		return metadataOrder
	case "k8s.io/api/apps/v1.DeploymentSpec":
		return "replicas revisionHistoryLimit strategy selector * template"
	case "k8s.io/api/autoscaling/v2.ContainerResourceMetricSource":
		return "name container target"
	case "k8s.io/api/autoscaling/v2.CrossVersionObjectReference":
		return "apiVersion kind name"
	case "k8s.io/api/batch/v1.CronJobSpec":
		return "schedule timeZone suspend concurrencyPolicy startingDeadlineSeconds successfulJobsHistoryLimit failedJobsHistoryLimit * jobTemplate"
	case "k8s.io/api/batch/v1.JobSpec":
		return "backoffLimit activeDeadlineSeconds ttlSecondsAfterFinished * template"
	case "k8s.io/api/core/v1.Container":
		return "name image imagePullPolicy command args ports env envFrom resources startupProbe readinessProbe livenessProbe securityContext volumeMounts *"
	case "k8s.io/api/core/v1.LimitRangeItem":
		return "type defaultRequest default max *"
	case "k8s.io/api/core/v1.PodSecurityContext":
		return "runAsNonRoot runAsUser runAsGroup fsGroup *"
	case "k8s.io/api/core/v1.PodSpec":
		return "serviceAccountName automountServiceAccountToken enableServiceLinks imagePullSecrets restartPolicy securityContext topologySpreadConstraints * initContainers containers volumes"
	case "k8s.io/api/core/v1.ResourceRequirements":
		return "requests limits *"
	case "k8s.io/api/core/v1.SecurityContext":
		return "allowPrivilegeEscalation readOnlyRootFilesystem * capabilities"
	case "k8s.io/api/core/v1.ServiceSpec":
		return "type selector ports *"
	case "k8s.io/api/core/v1.VolumeMount":
		return "name mountPath *"
	case "k8s.io/api/networking/v1.NetworkPolicyEgressRule":
		return "to ports"
	case "k8s.io/api/networking/v1.NetworkPolicyIngressRule":
		return "from ports"
	case "k8s.io/api/networking/v1.NetworkPolicyPeer":
		return "namespaceSelector podSelector ipBlock"
	case "k8s.io/api/networking/v1.NetworkPolicySpec":
		return "podSelector policyTypes ingress egress"
	case "k8s.io/api/rbac/v1.PolicyRule":
		return "apiGroups resources resourceNames nonResourceURLs verbs"
	case "k8s.io/api/rbac/v1.RoleBinding":
		return "* roleRef subjects"
	case "k8s.io/api/rbac/v1.RoleRef", "k8s.io/api/rbac/v1.Subject":
		return "apiGroup kind name *"
	case "github.com/fluxcd/helm-controller/api/v2.HelmReleaseSpec":
		return "chart chartRef releaseName interval timeout maxHistory install upgrade * values"
	case "github.com/fluxcd/helm-controller/api/v2.Install", "github.com/fluxcd/helm-controller/api/v2.Upgrade":
		return "crds * remediation"
	case "github.com/fluxcd/kustomize-controller/api/v1.KustomizationSpec":
		return "sourceRef path interval retryInterval timeout prune wait * dependsOn"
	case "github.com/fluxcd/source-controller/api/v1.GitRepositorySpec":
		return "url ref secretRef interval *"
	}
	return "*"
}

// rootOrder and metadataOrder are the keys that come first in every object and in its metadata.
const (
	rootOrder     = "apiVersion kind metadata *"
	metadataOrder = "name namespace labels annotations *"
)

// arrange sorts fields by an order of words.
func arrange(fields []field, order string) {
	slices.SortStableFunc(fields, func(a, b field) int { return rank(order, a.name) - rank(order, b.name) })
}

// rank gives a key's place in an order of words; keys that are not in it stand at its "*", all alike.
func rank(order, key string) int {
	i, star := 0, -1
	for word := range strings.SplitSeq(order, " ") {
		switch word {
		case key:
			return i
		case "*":
			star = i
		}
		i++
	}
	if star < 0 {
		return i
	}
	return star
}
