package check

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	utilvalidation "k8s.io/apimachinery/pkg/util/validation"

	"github.com/zavestudios/zave/internal/check/schemas"
)

// The rules in this file and in pod.go are the API server's own, those of them that a wrong spec or a bug of ours can
// break. Where a comment gives a function, it is in k8s.io/kubernetes v1.36.3, pkg/apis/<group>/validation. Values
// that are empty have defaults there, and are left alone.

// meaning gives what the API server would refuse in an object that its schema accepts. Of a kind that has no rules
// here it looks at the metadata alone. The text is JSON.
func meaning(k schemas.Kind, text []byte) (field.ErrorList, error) {
	switch k.APIVersion() + "/" + k.Kind {
	case "v1/Namespace":
		return typed(k, text, namespace)
	case "v1/ServiceAccount", "v1/Secret":
		return typed(k, text, func(*metav1.PartialObjectMetadata) field.ErrorList { return nil })
	case "v1/ConfigMap":
		return typed(k, text, configMap)
	case "v1/Service":
		return typed(k, text, service)
	case "v1/ResourceQuota":
		return typed(k, text, resourceQuota)
	case "v1/LimitRange":
		return typed(k, text, limitRange)
	case "v1/PersistentVolumeClaim":
		return typed(k, text, volumeClaim)
	case "v1/Pod":
		return typed(k, text, func(o *corev1.Pod) field.ErrorList {
			return podSpec(&o.Spec, []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}, field.NewPath("spec"))
		})
	case "apps/v1/Deployment":
		return typed(k, text, deployment)
	case "apps/v1/StatefulSet":
		return typed(k, text, func(o *appsv1.StatefulSet) field.ErrorList {
			return append(notNegative(o.Spec.Replicas, specPath("replicas")), selected(o.Spec.Selector, &o.Spec.Template)...)
		})
	case "apps/v1/DaemonSet":
		return typed(k, text, func(o *appsv1.DaemonSet) field.ErrorList { return selected(o.Spec.Selector, &o.Spec.Template) })
	case "batch/v1/Job":
		return typed(k, text, func(o *batchv1.Job) field.ErrorList {
			if o.Spec.Completions == nil && o.Spec.Parallelism == nil { // SetDefaults_Job; a CronJob's has no defaults
				one := int32(1)
				o.Spec.Completions = &one
			}
			return append(nameAtMost(o.Name, 63, "its pods bear it as a label"), jobSpec(&o.Spec, field.NewPath("spec"))...)
		})
	case "batch/v1/CronJob":
		return typed(k, text, cronJob)
	case "autoscaling/v2/HorizontalPodAutoscaler":
		return typed(k, text, autoscaler)
	case "policy/v1/PodDisruptionBudget":
		return typed(k, text, disruptionBudget)
	case "networking.k8s.io/v1/NetworkPolicy":
		return typed(k, text, networkPolicy)
	case "rbac.authorization.k8s.io/v1/Role":
		return typed(k, text, func(o *rbacv1.Role) field.ErrorList { return policyRules(o.Rules, true) })
	case "rbac.authorization.k8s.io/v1/ClusterRole":
		return typed(k, text, func(o *rbacv1.ClusterRole) field.ErrorList { return policyRules(o.Rules, false) })
	case "rbac.authorization.k8s.io/v1/RoleBinding":
		return typed(k, text, func(o *rbacv1.RoleBinding) field.ErrorList {
			return binding(o.RoleRef, o.Subjects, true)
		})
	case "rbac.authorization.k8s.io/v1/ClusterRoleBinding":
		return typed(k, text, func(o *rbacv1.ClusterRoleBinding) field.ErrorList {
			return binding(o.RoleRef, o.Subjects, false)
		})
	}
	switch k.Group + "/" + k.Kind {
	case "helm.toolkit.fluxcd.io/HelmRelease":
		return decoded(k, text, helmRelease)
	case "source.toolkit.fluxcd.io/GitRepository":
		return decoded(k, text, gitRepository)
	case "security.istio.io/AuthorizationPolicy":
		return decoded(k, text, authorizationPolicy)
	case "security.istio.io/PeerAuthentication":
		return decoded(k, text, peerAuthentication)
	case "networking.istio.io/VirtualService":
		return decoded(k, text, virtualService)
	case "networking.istio.io/Gateway":
		return decoded(k, text, gateway)
	}
	return decoded(k, text, func(*metav1.PartialObjectMetadata) field.ErrorList { return nil })
}

// typed is decoded for the kinds that are built in, whose finalizers may not be any word (core ValidateObjectMeta,
// validateKubeFinalizerName).
func typed[T any, P interface {
	*T
	metav1.Object
}](k schemas.Kind, text []byte, rules func(*T) field.ErrorList) (field.ErrorList, error) {
	return decoded[T, P](k, text, func(o *T) field.ErrorList {
		return append(finalizers(P(o).GetFinalizers(), field.NewPath("metadata", "finalizers")), rules(o)...)
	})
}

// finalizers refuses those that have neither a domain nor a meaning of old (core standardFinalizers).
func finalizers[T ~string](names []T, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, name := range names {
		if !strings.Contains(string(name), "/") && !slices.Contains([]T{"kubernetes", metav1.FinalizerOrphanDependents, metav1.FinalizerDeleteDependents}, name) {
			errs = append(errs, field.Invalid(at.Index(i), name, "must begin with a domain, as in example.com/name"))
		}
	}
	return errs
}

// decoded decodes an object, and applies the rules for all metadata and then those for its kind.
func decoded[T any, P interface {
	*T
	metav1.Object
}](k schemas.Kind, text []byte, rules func(*T) field.ErrorList) (field.ErrorList, error) {
	var o T
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, err
	}
	errs := validation.ValidateObjectMetaAccessor(P(&o), k.Namespaced, nameRule(k), field.NewPath("metadata"))
	return append(errs, rules(&o)...), nil
}

// nameRule gives the form of a kind's names. Everything that has none of its own, custom resources included, is named
// by DNS subdomains (core: ValidateNamespaceName, ValidateServiceName; rbac: ValidateRBACName).
func nameRule(k schemas.Kind) validation.ValidateNameFunc {
	switch {
	case k.Group == "rbac.authorization.k8s.io":
		return pathSegment
	case k.Group == "" && k.Kind == "Namespace":
		return validation.NameIsDNSLabel
	case k.Group == "" && k.Kind == "Service":
		return validation.NameIsDNS1035Label
	}
	return validation.NameIsDNSSubdomain
}

// pathSegment: the names of RBAC objects may hold colons and capitals, and stand in URLs (apimachinery
// pkg/api/validation/path).
func pathSegment(name string, _ bool) []string {
	if name == "." || name == ".." || strings.ContainsAny(name, "/%") {
		return []string{"must not be . or .., or hold / or %"}
	}
	return nil
}

// namespace is checked by the PodSecurity admission plugin, too (pod-security-admission: ValidatePodSecurityLabels
// in api/helpers.go).
func namespace(o *corev1.Namespace) field.ErrorList {
	errs := finalizers(o.Spec.Finalizers, specPath("finalizers"))
	for _, mode := range []string{"enforce", "audit", "warn"} {
		key := "pod-security.kubernetes.io/" + mode
		at := field.NewPath("metadata", "labels")
		if level, ok := o.Labels[key]; ok {
			errs = append(errs, oneOf(level, at.Key(key), "privileged", "baseline", "restricted")...)
		}
		version, ok := o.Labels[key+"-version"]
		if minor, isMinor := strings.CutPrefix(version, "v1."); ok && version != "latest" && (!isMinor || !digits(minor)) {
			errs = append(errs, field.Invalid(at.Key(key+"-version"), version, `must be "latest" or like "v1.34"`))
		}
	}
	return errs
}

// configMap: core ValidateConfigMap; MaxSecretSize in core/types.go is the limit of both kinds.
func configMap(o *corev1.ConfigMap) field.ErrorList {
	const most = 1 << 20 // bytes
	var errs field.ErrorList
	size := 0
	for _, key := range sortedKeys(o.Data) {
		errs = append(errs, invalid(key, utilvalidation.IsConfigMapKey(key), field.NewPath("data").Key(key))...)
		size += len(o.Data[key])
	}
	for _, key := range sortedKeys(o.BinaryData) {
		errs = append(errs, invalid(key, utilvalidation.IsConfigMapKey(key), field.NewPath("binaryData").Key(key))...)
		if _, both := o.Data[key]; both {
			errs = append(errs, field.Duplicate(field.NewPath("binaryData").Key(key), key))
		}
		size += len(o.BinaryData[key])
	}
	if size > most {
		errs = append(errs, field.Forbidden(field.NewPath("data"), fmt.Sprintf("holds %d bytes, and a ConfigMap at most %d", size, most)))
	}
	return errs
}

func specPath(names ...string) *field.Path { return field.NewPath("spec", names...) }

// oneOf refuses a value that is neither empty nor one of those allowed.
func oneOf[T ~string](v T, at *field.Path, allowed ...T) field.ErrorList {
	if v == "" || slices.Contains(allowed, v) {
		return nil
	}
	return field.ErrorList{field.NotSupported(at, v, allowed)}
}

// invalid wraps the messages of apimachinery's helpers about one value.
func invalid(v any, messages []string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, m := range messages {
		errs = append(errs, field.Invalid(at, v, m))
	}
	return errs
}

func notNegative[T int32 | int64](v *T, at *field.Path) field.ErrorList {
	if v == nil {
		return nil
	}
	return validation.ValidateNonnegativeField(int64(*v), at)
}

func between(v, least, most int32, at *field.Path) field.ErrorList {
	if least <= v && v <= most {
		return nil
	}
	return field.ErrorList{field.Invalid(at, v, fmt.Sprintf("must be between %d and %d", least, most))}
}

func address(ip string, at *field.Path) field.ErrorList {
	if _, err := netip.ParseAddr(ip); err != nil {
		return field.ErrorList{field.Invalid(at, ip, "is not an IP address")}
	}
	return nil
}

func nameAtMost(name string, most int, why string) field.ErrorList {
	if len(name) <= most {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "name"), name, fmt.Sprintf("has %d characters, and may have %d: %s", len(name), most, why))}
}

func quantity(q resource.Quantity, at *field.Path) field.ErrorList {
	if q.Sign() >= 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(at, q.String(), "must not be negative")}
}

func portNumber(port int32, at *field.Path) field.ErrorList {
	return invalid(port, utilvalidation.IsValidPortNum(int(port)), at)
}

func portOrName(port intstr.IntOrString, at *field.Path) field.ErrorList {
	if port.Type == intstr.Int {
		return portNumber(port.IntVal, at)
	}
	return invalid(port.StrVal, utilvalidation.IsValidPortName(port.StrVal), at)
}

func protocol(p corev1.Protocol, at *field.Path) field.ErrorList {
	return oneOf(p, at, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
}

// numberOrPercent: apps ValidatePositiveIntOrPercent, IsNotMoreThan100Percent.
func numberOrPercent(v *intstr.IntOrString, at *field.Path) field.ErrorList {
	switch {
	case v == nil:
		return nil
	case v.Type == intstr.Int:
		return validation.ValidateNonnegativeField(int64(v.IntVal), at)
	}
	if messages := utilvalidation.IsValidPercent(v.StrVal); len(messages) > 0 {
		return invalid(v.StrVal, messages, at)
	}
	if n, err := strconv.Atoi(strings.TrimSuffix(v.StrVal, "%")); err != nil || n > 100 {
		return field.ErrorList{field.Invalid(at, v.StrVal, "must not be more than 100%")}
	}
	return nil
}

func zero(v *intstr.IntOrString) bool {
	return v != nil && (v.Type == intstr.Int && v.IntVal == 0 || v.Type == intstr.String && v.StrVal == "0%")
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
