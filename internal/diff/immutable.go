package diff

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/zavestudios/zave/internal/diff/typed"
)

// immutable tells whether the API server refuses to change a field of an object that is there, so that the object must
// be deleted and created anew. Sources: the validation that the Kubernetes API reference names for each kind
// (ValidateDeploymentUpdate and its like), and the CEL rules of the definitions.
func immutable(x *change, f typed.Field) bool {
	at := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if rest, ok := strings.CutPrefix(f.Shape, p); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				return true
			}
		}
		return false
	}
	switch key := x.Group + "/" + x.Kind; key {
	case "apps/Deployment", "apps/DaemonSet", "apps/ReplicaSet":
		return at("spec.selector")
	case "apps/StatefulSet":
		return at("spec") && !at("spec.replicas", "spec.ordinals", "spec.template", "spec.updateStrategy",
			"spec.revisionHistoryLimit", "spec.persistentVolumeClaimRetentionPolicy", "spec.minReadySeconds")
	case "batch/Job":
		return at("spec.template", "spec.selector", "spec.completionMode", "spec.podFailurePolicy", "spec.successPolicy",
			"spec.backoffLimitPerIndex", "spec.managedBy", "spec.podReplacementPolicy", "spec.manualSelector") ||
			at("spec.completions") && !indexed(x)
	case "/Pod":
		return at("spec") && !strings.HasSuffix(f.Shape, "ontainers[].image") &&
			!at("spec.activeDeadlineSeconds", "spec.tolerations", "spec.terminationGracePeriodSeconds")
	case "/Service":
		// A cluster's address may be given up for a Service of another type, and is otherwise the Service's for good.
		return at("spec.clusterIP", "spec.clusterIPs") && f.Before != nil && f.After != nil
	case "/PersistentVolumeClaim":
		switch {
		case at("spec.resources.requests.storage"):
			return shrinks(f)
		case at("spec.resources", "spec.volumeAttributesClassName"):
			return false
		}
		return at("spec")
	case "/PersistentVolume":
		switch {
		case at("spec.capacity", "spec.accessModes", "spec.persistentVolumeReclaimPolicy", "spec.claimRef",
			"spec.mountOptions", "spec.storageClassName", "spec.volumeAttributesClassName"):
			return false
		case at("spec.nodeAffinity"):
			return f.Before != nil
		}
		return at("spec")
	case "storage.k8s.io/StorageClass":
		return at("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")
	case "/ConfigMap", "/Secret":
		if x.b["immutable"] == true {
			return at("data", "binaryData", "stringData", "immutable")
		}
		return x.Kind == "Secret" && at("type")
	case "rbac.authorization.k8s.io/RoleBinding", "rbac.authorization.k8s.io/ClusterRoleBinding":
		return at("roleRef")
	case "scheduling.k8s.io/PriorityClass":
		return at("value", "preemptionPolicy")
	case "networking.k8s.io/IngressClass":
		return at("spec.controller")
	case "node.k8s.io/RuntimeClass":
		return at("handler")
	case "storage.k8s.io/CSIDriver":
		return at("spec.attachRequired", "spec.volumeLifecycleModes")
	case "storage.k8s.io/VolumeAttributesClass":
		return at("driverName", "parameters")
	case "apiextensions.k8s.io/CustomResourceDefinition":
		return at("spec.scope", "spec.group", "spec.names.kind", "spec.names.plural")
	case "coordination.k8s.io/Lease", "apiregistration.k8s.io/APIService":
		return at("spec.group", "spec.version")
	case "certificates.k8s.io/CertificateSigningRequest":
		return at("spec")
	case "discovery.k8s.io/EndpointSlice":
		return at("addressType")
	case "networking.k8s.io/ServiceCIDR":
		return at("spec.cidrs")
	case "helm.toolkit.fluxcd.io/HelmRelease":
		// Not refused, but the controller uninstalls the release of the old name and installs one of the new (Flux,
		// "HelmRelease: release name", "target namespace", "storage namespace").
		return at("spec.releaseName", "spec.targetNamespace", "spec.storageNamespace")
	}
	return false
}

// indexed tells whether a Job is Indexed, whose completions may change along with its parallelism.
func indexed(x *change) bool {
	mode, _ := dig(x.b, "spec", "completionMode").(string)
	return mode == "Indexed"
}

// shrinks tells whether a quantity becomes less: a volume only grows.
func shrinks(f typed.Field) bool {
	b, err := resource.ParseQuantity(textOf(f.Before))
	if err != nil {
		return false
	}
	a, err := resource.ParseQuantity(textOf(f.After))
	return err == nil && a.Cmp(b) < 0
}

// dig gives the value at a path of names; nil where it is not there.
func dig(v any, path ...string) any {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// textOf gives a string as it is, and another value as JSON; nothing for nil.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return typed.Text(v)
}
