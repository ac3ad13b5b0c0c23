package check

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // so that time zones do not depend on the machine

	"github.com/robfig/cron/v3"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
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

// service: core ValidateService.
func service(o *corev1.Service) field.ErrorList {
	errs := oneOf(o.Spec.Type, specPath("type"), corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeExternalName)
	if len(o.Spec.Ports) == 0 && o.Spec.ClusterIP != corev1.ClusterIPNone && o.Spec.Type != corev1.ServiceTypeExternalName {
		errs = append(errs, field.Required(specPath("ports"), ""))
	}
	errs = append(errs, serviceType(o)...)
	names := map[string]bool{}
	for i, p := range o.Spec.Ports {
		at := specPath("ports").Index(i)
		errs = append(errs, portNumber(p.Port, at.Child("port"))...)
		if p.AppProtocol != nil {
			errs = append(errs, invalid(*p.AppProtocol, utilvalidation.IsQualifiedName(*p.AppProtocol), at.Child("appProtocol"))...)
		}
		errs = append(errs, protocol(p.Protocol, at.Child("protocol"))...)
		if p.TargetPort != (intstr.IntOrString{}) {
			errs = append(errs, portOrName(p.TargetPort, at.Child("targetPort"))...)
		}
		switch {
		case p.Name == "" && len(o.Spec.Ports) > 1:
			errs = append(errs, field.Required(at.Child("name"), "a service with several ports names each"))
		case p.Name != "":
			errs = append(errs, invalid(p.Name, utilvalidation.IsDNS1123Label(p.Name), at.Child("name"))...)
			if names[p.Name] {
				errs = append(errs, field.Duplicate(at.Child("name"), p.Name))
			}
			names[p.Name] = true
		}
	}
	return append(errs, metavalidation.ValidateLabels(o.Spec.Selector, specPath("selector"))...)
}

// serviceType checks the fields that go with one type of service only, and those with few values (core
// ValidateService, validateServiceExternalTrafficPolicy, ValidateServiceClusterIPsRelatedFields).
func serviceType(o *corev1.Service) field.ErrorList {
	var errs field.ErrorList
	sp := &o.Spec
	typ := sp.Type
	if typ == "" {
		typ = corev1.ServiceTypeClusterIP // the default
	}
	forbid := func(set bool, name string) {
		if set {
			errs = append(errs, field.Forbidden(specPath(name), "does not go with the type "+string(typ)))
		}
	}
	forbid(sp.LoadBalancerClass != nil && typ != corev1.ServiceTypeLoadBalancer, "loadBalancerClass")
	forbid(len(sp.LoadBalancerSourceRanges) > 0 && typ != corev1.ServiceTypeLoadBalancer, "loadBalancerSourceRanges")
	forbid(sp.ExternalTrafficPolicy != "" && typ != corev1.ServiceTypeLoadBalancer && typ != corev1.ServiceTypeNodePort && len(sp.ExternalIPs) == 0, "externalTrafficPolicy")
	for i, p := range sp.Ports {
		if p.NodePort != 0 && typ == corev1.ServiceTypeClusterIP {
			errs = append(errs, field.Forbidden(specPath("ports").Index(i).Child("nodePort"), "does not go with the type ClusterIP"))
		}
	}

	switch {
	case typ == corev1.ServiceTypeExternalName:
		forbid(sp.ClusterIP != "", "clusterIP")
		if name := strings.TrimSuffix(sp.ExternalName, "."); name == "" {
			errs = append(errs, field.Required(specPath("externalName"), "goes with the type ExternalName"))
		} else {
			errs = append(errs, invalid(sp.ExternalName, utilvalidation.IsDNS1123Subdomain(name), specPath("externalName"))...)
		}
	case sp.ClusterIP == corev1.ClusterIPNone:
		forbid(typ != corev1.ServiceTypeClusterIP, "clusterIP")
	case sp.ClusterIP != "":
		errs = append(errs, address(sp.ClusterIP, specPath("clusterIP"))...)
	}
	for i, ip := range sp.ExternalIPs {
		at := specPath("externalIPs").Index(i)
		if bad := address(ip, at); len(bad) > 0 {
			errs = append(errs, bad...)
		} else if a := netip.MustParseAddr(ip); a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() {
			errs = append(errs, field.Invalid(at, ip, "must be an address that others can reach"))
		}
	}
	for i, f := range sp.IPFamilies {
		errs = append(errs, oneOf(f, specPath("ipFamilies").Index(i), corev1.IPv4Protocol, corev1.IPv6Protocol)...)
	}

	errs = append(errs, oneOf(sp.ExternalTrafficPolicy, specPath("externalTrafficPolicy"), corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal)...)
	if sp.InternalTrafficPolicy != nil {
		errs = append(errs, oneOf(*sp.InternalTrafficPolicy, specPath("internalTrafficPolicy"), corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceInternalTrafficPolicyLocal)...)
	}
	if sp.TrafficDistribution != nil {
		errs = append(errs, oneOf(*sp.TrafficDistribution, specPath("trafficDistribution"), corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode)...)
	}
	errs = append(errs, oneOf(sp.SessionAffinity, specPath("sessionAffinity"), corev1.ServiceAffinityClientIP, corev1.ServiceAffinityNone)...)
	if c := sp.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		const most = 86400 // MaxClientIPServiceAffinitySeconds
		errs = append(errs, between(*c.ClientIP.TimeoutSeconds, 1, most, specPath("sessionAffinityConfig", "clientIP", "timeoutSeconds"))...)
	}
	return errs
}

// resourceQuota: core ValidateResourceQuota; the names are standardQuotaResources in core/helper.
func resourceQuota(o *corev1.ResourceQuota) field.ErrorList {
	amounts := []corev1.ResourceName{"cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage",
		"requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage"}
	counts := []corev1.ResourceName{"pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "persistentvolumeclaims",
		"configmaps", "services.nodeports", "services.loadbalancers"}
	var errs field.ErrorList
	for _, name := range sortedKeys(o.Spec.Hard) {
		at, q := specPath("hard").Key(string(name)), o.Spec.Hard[name]
		if !strings.Contains(string(name), "/") && !slices.Contains(amounts, name) && !slices.Contains(counts, name) &&
			!strings.Contains(string(name), "hugepages-") {
			errs = append(errs, field.Forbidden(at, "is not a resource that quotas count"))
		}
		if strings.Contains(string(name), "/") {
			errs = append(errs, invalid(name, utilvalidation.IsQualifiedName(string(name)), at)...)
		}
		errs = append(errs, quantity(q, at)...)
		if slices.Contains(counts, name) && q.MilliValue()%1000 != 0 {
			errs = append(errs, field.Invalid(at, q.String(), "must be a whole number"))
		}
	}
	return append(errs, quotaScopes(o)...)
}

// quotaScopes: core validateResourceQuotaScopes; which resources go with which scope is
// IsResourceQuotaScopeValidForResource in core/helper.
func quotaScopes(o *corev1.ResourceQuota) field.ErrorList {
	pods := []corev1.ResourceName{"pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}
	claims := []corev1.ResourceName{"persistentvolumeclaims", "requests.storage"}
	goesWith := map[corev1.ResourceQuotaScope][]corev1.ResourceName{
		corev1.ResourceQuotaScopeTerminating: pods, corev1.ResourceQuotaScopeNotTerminating: pods,
		corev1.ResourceQuotaScopeBestEffort: {"pods"}, corev1.ResourceQuotaScopeNotBestEffort: pods,
		corev1.ResourceQuotaScopePriorityClass: pods, corev1.ResourceQuotaScopeCrossNamespacePodAffinity: pods,
		corev1.ResourceQuotaScopeVolumeAttributesClass: claims,
	}
	var errs field.ErrorList
	for i, scope := range o.Spec.Scopes {
		at := specPath("scopes").Index(i)
		counted, ok := goesWith[scope]
		if !ok {
			errs = append(errs, field.NotSupported(at, scope, sortedKeys(goesWith)))
			continue
		}
		for _, name := range sortedKeys(o.Spec.Hard) {
			if !strings.Contains(string(name), "/") && !slices.Contains(counted, name) {
				errs = append(errs, field.Forbidden(at, fmt.Sprintf("is %s, and does not go with %s in spec.hard", scope, name)))
			}
		}
	}
	for _, pair := range [][2]corev1.ResourceQuotaScope{
		{corev1.ResourceQuotaScopeBestEffort, corev1.ResourceQuotaScopeNotBestEffort},
		{corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotTerminating},
	} {
		if slices.Contains(o.Spec.Scopes, pair[0]) && slices.Contains(o.Spec.Scopes, pair[1]) {
			errs = append(errs, field.Forbidden(specPath("scopes"), fmt.Sprintf("may not hold both %s and %s", pair[0], pair[1])))
		}
	}
	return errs
}

// limitRange: core ValidateLimitRange.
func limitRange(o *corev1.LimitRange) field.ErrorList {
	var errs field.ErrorList
	types := map[corev1.LimitType]bool{}
	for i, l := range o.Spec.Limits {
		at := specPath("limits").Index(i)
		if l.Type == "" {
			errs = append(errs, field.Required(at.Child("type"), ""))
		} else if !strings.Contains(string(l.Type), "/") {
			errs = append(errs, oneOf(l.Type, at.Child("type"), corev1.LimitTypeContainer, corev1.LimitTypePod, corev1.LimitTypePersistentVolumeClaim)...)
		}
		if types[l.Type] {
			errs = append(errs, field.Duplicate(at.Child("type"), l.Type))
		}
		types[l.Type] = true
		if l.Type == corev1.LimitTypePod && len(l.Default)+len(l.DefaultRequest) > 0 {
			errs = append(errs, field.Forbidden(at.Child("default"), "does not go with the type Pod"))
		}
		if l.Type == corev1.LimitTypePersistentVolumeClaim {
			_, least := l.Min[corev1.ResourceStorage]
			if _, most := l.Max[corev1.ResourceStorage]; !least && !most {
				errs = append(errs, field.Required(at.Child("max"), "the type PersistentVolumeClaim needs min or max of storage"))
			}
		}
		errs = append(errs, limitNames(&l, at)...)
		// Each of these amounts is at most the next.
		steps := []struct {
			name string
			list corev1.ResourceList
		}{{"min", l.Min}, {"defaultRequest", l.DefaultRequest}, {"default", l.Default}, {"max", l.Max}}
		for i, low := range steps {
			for _, name := range sortedKeys(low.list) {
				q := low.list[name]
				for _, high := range steps[i+1:] {
					if most, ok := high.list[name]; ok && q.Cmp(most) > 0 {
						errs = append(errs, field.Invalid(at.Child(low.name).Key(string(name)), q.String(), "is more than "+high.name+", which is "+most.String()))
					}
				}
			}
		}
	}
	return errs
}

// limitNames: core validateLimitRangeResourceName; the ratio of a limit to a request is at least one.
func limitNames(l *corev1.LimitRangeItem, at *field.Path) field.ErrorList {
	known := []corev1.ResourceName{"cpu", "memory", "ephemeral-storage"}
	if l.Type != corev1.LimitTypePod && l.Type != corev1.LimitTypeContainer {
		known = append(known, "storage")
	}
	var errs field.ErrorList
	for _, part := range []struct {
		name string
		list corev1.ResourceList
	}{{"min", l.Min}, {"defaultRequest", l.DefaultRequest}, {"default", l.Default}, {"max", l.Max}, {"maxLimitRequestRatio", l.MaxLimitRequestRatio}} {
		for _, name := range sortedKeys(part.list) {
			at := at.Child(part.name).Key(string(name))
			if strings.Contains(string(name), "/") {
				errs = append(errs, invalid(name, utilvalidation.IsQualifiedName(string(name)), at)...)
			} else if !slices.Contains(known, name) && !strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) {
				errs = append(errs, field.NotSupported(at, name, known))
			}
			if q := part.list[name]; part.name == "maxLimitRequestRatio" && q.Cmp(resource.MustParse("1")) < 0 {
				errs = append(errs, field.Invalid(at, q.String(), "must not be less than 1"))
			}
		}
	}
	return errs
}

// volumeClaim: core ValidatePersistentVolumeClaimSpec.
func volumeClaim(o *corev1.PersistentVolumeClaim) field.ErrorList {
	var errs field.ErrorList
	if len(o.Spec.AccessModes) == 0 {
		errs = append(errs, field.Required(specPath("accessModes"), ""))
	}
	for i, m := range o.Spec.AccessModes {
		errs = append(errs, oneOf(m, specPath("accessModes").Index(i), corev1.ReadWriteOnce, corev1.ReadOnlyMany, corev1.ReadWriteMany, corev1.ReadWriteOncePod)...)
	}
	at := specPath("resources", "requests").Key("storage")
	if q, ok := o.Spec.Resources.Requests[corev1.ResourceStorage]; !ok {
		errs = append(errs, field.Required(at, ""))
	} else if q.Sign() <= 0 {
		errs = append(errs, field.Invalid(at, q.String(), "must be more than zero"))
	}
	return errs
}

// deployment: apps ValidateDeploymentSpec, ValidateDeploymentStrategy.
func deployment(o *appsv1.Deployment) field.ErrorList {
	errs := notNegative(o.Spec.Replicas, specPath("replicas"))
	errs = append(errs, notNegative(o.Spec.RevisionHistoryLimit, specPath("revisionHistoryLimit"))...)
	errs = append(errs, notNegative(&o.Spec.MinReadySeconds, specPath("minReadySeconds"))...)
	progress := int32(600) // the default
	if o.Spec.ProgressDeadlineSeconds != nil {
		progress = *o.Spec.ProgressDeadlineSeconds
	}
	if progress <= o.Spec.MinReadySeconds {
		errs = append(errs, field.Invalid(specPath("progressDeadlineSeconds"), progress, fmt.Sprintf("must be more than minReadySeconds, which is %d", o.Spec.MinReadySeconds)))
	}
	at := specPath("strategy")
	errs = append(errs, oneOf(o.Spec.Strategy.Type, at.Child("type"), appsv1.RollingUpdateDeploymentStrategyType, appsv1.RecreateDeploymentStrategyType)...)
	if r := o.Spec.Strategy.RollingUpdate; r != nil {
		at := at.Child("rollingUpdate")
		if o.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
			errs = append(errs, field.Forbidden(at, "does not go with the type Recreate"))
		}
		errs = append(errs, numberOrPercent(r.MaxUnavailable, at.Child("maxUnavailable"))...)
		errs = append(errs, numberOrPercent(r.MaxSurge, at.Child("maxSurge"))...)
		if zero(r.MaxUnavailable) && zero(r.MaxSurge) {
			errs = append(errs, field.Invalid(at.Child("maxUnavailable"), r.MaxUnavailable, "may not be 0 when maxSurge is 0"))
		}
	}
	return append(errs, selected(o.Spec.Selector, &o.Spec.Template)...)
}

// selected checks a workload that keeps pods running: its selector finds the pods of its template, and they restart
// (apps ValidatePodTemplateSpecForReplicaSet and its like for the other kinds).
func selected(s *metav1.LabelSelector, template *corev1.PodTemplateSpec) field.ErrorList {
	at := specPath("selector")
	errs := metavalidation.ValidateLabelSelector(s, metavalidation.LabelSelectorValidationOptions{}, at)
	if selector, err := metav1.LabelSelectorAsSelector(s); err == nil {
		switch {
		case selector.Empty():
			errs = append(errs, field.Forbidden(at, "is empty, and would select every pod"))
		case !selector.Matches(labels.Set(template.Labels)):
			errs = append(errs, field.Invalid(specPath("template", "metadata", "labels"), labels.Set(template.Labels).String(), "does not match spec.selector, "+selector.String()))
		}
	}
	if template.Spec.ActiveDeadlineSeconds != nil {
		errs = append(errs, field.Forbidden(specPath("template", "spec", "activeDeadlineSeconds"), "does not go with pods that are kept running"))
	}
	return append(errs, podTemplate(template, specPath("template"), corev1.RestartPolicyAlways)...)
}

// jobSpec: batch ValidateJobSpec.
func jobSpec(o *batchv1.JobSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, n := range []struct {
		name  string
		value *int32
	}{{"parallelism", o.Parallelism}, {"completions", o.Completions}, {"backoffLimit", o.BackoffLimit}, {"ttlSecondsAfterFinished", o.TTLSecondsAfterFinished}} {
		errs = append(errs, notNegative(n.value, at.Child(n.name))...)
	}
	errs = append(errs, notNegative(o.ActiveDeadlineSeconds, at.Child("activeDeadlineSeconds"))...)
	if o.CompletionMode != nil {
		errs = append(errs, oneOf(*o.CompletionMode, at.Child("completionMode"), batchv1.NonIndexedCompletion, batchv1.IndexedCompletion)...)
	}
	indexed := o.CompletionMode != nil && *o.CompletionMode == batchv1.IndexedCompletion
	if indexed && o.Completions == nil && o.Parallelism != nil { // without both, both are 1
		errs = append(errs, field.Required(at.Child("completions"), "goes with the mode Indexed"))
	}
	if o.BackoffLimitPerIndex != nil && !indexed {
		errs = append(errs, field.Forbidden(at.Child("backoffLimitPerIndex"), "does not go without the mode Indexed"))
	}
	if o.Selector != nil && (o.ManualSelector == nil || !*o.ManualSelector) {
		errs = append(errs, field.Forbidden(at.Child("selector"), "is made by the server, unless manualSelector is set"))
	}
	if o.PodFailurePolicy != nil {
		for i, r := range o.PodFailurePolicy.Rules {
			errs = append(errs, oneOf(r.Action, at.Child("podFailurePolicy", "rules").Index(i).Child("action"),
				batchv1.PodFailurePolicyActionCount, batchv1.PodFailurePolicyActionFailIndex, batchv1.PodFailurePolicyActionFailJob, batchv1.PodFailurePolicyActionIgnore)...)
		}
	}
	if o.PodReplacementPolicy != nil {
		errs = append(errs, oneOf(*o.PodReplacementPolicy, at.Child("podReplacementPolicy"), batchv1.Failed, batchv1.TerminatingOrFailed)...)
	}
	if o.ManagedBy != nil {
		errs = append(errs, utilvalidation.IsDomainPrefixedPath(at.Child("managedBy"), *o.ManagedBy)...)
	}
	if o.Template.Spec.RestartPolicy == "" { // the default is Always, and refused
		errs = append(errs, field.Required(at.Child("template", "spec", "restartPolicy"), "must be OnFailure or Never in a job"))
	}
	return append(errs, podTemplate(&o.Template, at.Child("template"), corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)...)
}

// timeZone: batch validateTimeZone.
func timeZone(name string, at *field.Path) field.ErrorList {
	if name == "" || strings.EqualFold(name, "Local") {
		return field.ErrorList{field.Invalid(at, name, "must name a time zone, as Etc/UTC does")}
	}
	if _, err := time.LoadLocation(name); err != nil {
		return field.ErrorList{field.Invalid(at, name, "is not a time zone of the IANA database")}
	}
	return nil
}

// cronJob: batch ValidateCronJobCreate; 52 leaves room for the eleven characters that name each job.
func cronJob(o *batchv1.CronJob) field.ErrorList {
	errs := nameAtMost(o.Name, 52, "each run adds eleven characters")
	if strings.Contains(o.Spec.Schedule, "TZ") {
		errs = append(errs, field.Invalid(specPath("schedule"), o.Spec.Schedule, "the time zone belongs in spec.timeZone"))
	} else if _, err := cron.ParseStandard(o.Spec.Schedule); err != nil {
		errs = append(errs, field.Invalid(specPath("schedule"), o.Spec.Schedule, err.Error()))
	}
	if o.Spec.TimeZone != nil {
		errs = append(errs, timeZone(*o.Spec.TimeZone, specPath("timeZone"))...)
	}
	errs = append(errs, oneOf(o.Spec.ConcurrencyPolicy, specPath("concurrencyPolicy"), batchv1.AllowConcurrent, batchv1.ForbidConcurrent, batchv1.ReplaceConcurrent)...)
	errs = append(errs, notNegative(o.Spec.StartingDeadlineSeconds, specPath("startingDeadlineSeconds"))...)
	errs = append(errs, notNegative(o.Spec.SuccessfulJobsHistoryLimit, specPath("successfulJobsHistoryLimit"))...)
	errs = append(errs, notNegative(o.Spec.FailedJobsHistoryLimit, specPath("failedJobsHistoryLimit"))...)
	return append(errs, jobSpec(&o.Spec.JobTemplate.Spec, specPath("jobTemplate", "spec"))...)
}

// autoscaler: autoscaling ValidateHorizontalPodAutoscaler.
func autoscaler(o *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
	var errs field.ErrorList
	least := int32(1) // the default
	if o.Spec.MinReplicas != nil {
		least = *o.Spec.MinReplicas
	}
	if least < 1 {
		errs = append(errs, field.Invalid(specPath("minReplicas"), least, "must be 1 or more"))
	}
	if o.Spec.MaxReplicas < least {
		errs = append(errs, field.Invalid(specPath("maxReplicas"), o.Spec.MaxReplicas, fmt.Sprintf("is less than minReplicas, which is %d", least)))
	}
	at := specPath("scaleTargetRef")
	if o.Spec.ScaleTargetRef.Kind == "" {
		errs = append(errs, field.Required(at.Child("kind"), ""))
	}
	if o.Spec.ScaleTargetRef.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), ""))
	}
	for i := range o.Spec.Metrics {
		errs = append(errs, metric(&o.Spec.Metrics[i], specPath("metrics").Index(i))...)
	}
	if b := o.Spec.Behavior; b != nil {
		errs = append(errs, scaling(b.ScaleUp, specPath("behavior", "scaleUp"))...)
		errs = append(errs, scaling(b.ScaleDown, specPath("behavior", "scaleDown"))...)
	}
	return errs
}

// metric: autoscaling validateMetricSpec, validateResourceSource, validateContainerResourceSource. What the sources
// Object, Pods and External say is not looked into.
func metric(m *autoscalingv2.MetricSpec, at *field.Path) field.ErrorList {
	errs := oneOf(m.Type, at.Child("type"), autoscalingv2.ContainerResourceMetricSourceType, autoscalingv2.ExternalMetricSourceType,
		autoscalingv2.ObjectMetricSourceType, autoscalingv2.PodsMetricSourceType, autoscalingv2.ResourceMetricSourceType)
	for _, source := range []struct {
		name string
		typ  autoscalingv2.MetricSourceType
		set  bool
	}{
		{"containerResource", autoscalingv2.ContainerResourceMetricSourceType, m.ContainerResource != nil},
		{"external", autoscalingv2.ExternalMetricSourceType, m.External != nil},
		{"object", autoscalingv2.ObjectMetricSourceType, m.Object != nil},
		{"pods", autoscalingv2.PodsMetricSourceType, m.Pods != nil},
		{"resource", autoscalingv2.ResourceMetricSourceType, m.Resource != nil},
	} {
		switch {
		case source.set && m.Type != source.typ:
			errs = append(errs, field.Forbidden(at.Child(source.name), "does not go with the type "+string(m.Type)))
		case !source.set && m.Type == source.typ:
			errs = append(errs, field.Required(at.Child(source.name), ""))
		}
	}
	if r := m.Resource; r != nil {
		errs = append(errs, metricTarget(r.Name, &r.Target, at.Child("resource"))...)
	}
	if r := m.ContainerResource; r != nil {
		at := at.Child("containerResource")
		if r.Container == "" {
			errs = append(errs, field.Required(at.Child("container"), ""))
		} else {
			errs = append(errs, invalid(r.Container, utilvalidation.IsDNS1123Label(r.Container), at.Child("container"))...)
		}
		errs = append(errs, metricTarget(r.Name, &r.Target, at)...)
	}
	return errs
}

// metricTarget: autoscaling validateMetricTarget. It is stricter in one thing: a target of one type with the amount
// of another would be accepted, and never scale.
func metricTarget(name corev1.ResourceName, t *autoscalingv2.MetricTarget, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if name == "" {
		errs = append(errs, field.Required(at.Child("name"), ""))
	}
	at = at.Child("target")
	if t.AverageUtilization != nil && t.AverageValue != nil {
		errs = append(errs, field.Forbidden(at.Child("averageValue"), "does not go with averageUtilization"))
	}
	switch t.Type {
	case autoscalingv2.UtilizationMetricType:
		if t.AverageUtilization == nil || *t.AverageUtilization < 1 {
			errs = append(errs, field.Required(at.Child("averageUtilization"), "must be 1 or more"))
		}
	case autoscalingv2.AverageValueMetricType:
		if t.AverageValue == nil || t.AverageValue.Sign() <= 0 {
			errs = append(errs, field.Required(at.Child("averageValue"), "must be more than zero"))
		}
	default:
		errs = append(errs, field.NotSupported(at.Child("type"), t.Type, []string{"Utilization", "AverageValue"}))
	}
	return errs
}

// scaling: autoscaling validateScalingRules, validateScalingPolicy. Without policies there are defaults.
func scaling(r *autoscalingv2.HPAScalingRules, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if r == nil {
		return nil
	}
	if w := r.StabilizationWindowSeconds; w != nil {
		errs = append(errs, between(*w, 0, 3600, at.Child("stabilizationWindowSeconds"))...)
	}
	if r.SelectPolicy != nil {
		errs = append(errs, oneOf(*r.SelectPolicy, at.Child("selectPolicy"), autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect)...)
	}
	for i, p := range r.Policies {
		at := at.Child("policies").Index(i)
		if p.Type == "" {
			errs = append(errs, field.Required(at.Child("type"), ""))
		}
		errs = append(errs, oneOf(p.Type, at.Child("type"), autoscalingv2.PodsScalingPolicy, autoscalingv2.PercentScalingPolicy)...)
		if p.Value < 1 {
			errs = append(errs, field.Invalid(at.Child("value"), p.Value, "must be 1 or more"))
		}
		errs = append(errs, between(p.PeriodSeconds, 1, 1800, at.Child("periodSeconds"))...)
	}
	return errs
}

// disruptionBudget: policy ValidatePodDisruptionBudgetSpec.
func disruptionBudget(o *policyv1.PodDisruptionBudget) field.ErrorList {
	var errs field.ErrorList
	if o.Spec.MinAvailable != nil && o.Spec.MaxUnavailable != nil {
		errs = append(errs, field.Forbidden(specPath("maxUnavailable"), "does not go with minAvailable"))
	}
	if o.Spec.UnhealthyPodEvictionPolicy != nil {
		errs = append(errs, oneOf(*o.Spec.UnhealthyPodEvictionPolicy, specPath("unhealthyPodEvictionPolicy"), policyv1.AlwaysAllow, policyv1.IfHealthyBudget)...)
	}
	errs = append(errs, numberOrPercent(o.Spec.MinAvailable, specPath("minAvailable"))...)
	errs = append(errs, numberOrPercent(o.Spec.MaxUnavailable, specPath("maxUnavailable"))...)
	return append(errs, metavalidation.ValidateLabelSelector(o.Spec.Selector, metavalidation.LabelSelectorValidationOptions{}, specPath("selector"))...)
}

// networkPolicy: networking ValidateNetworkPolicySpec.
func networkPolicy(o *networkingv1.NetworkPolicy) field.ErrorList {
	errs := metavalidation.ValidateLabelSelector(&o.Spec.PodSelector, metavalidation.LabelSelectorValidationOptions{}, specPath("podSelector"))
	seen := map[networkingv1.PolicyType]bool{}
	for i, t := range o.Spec.PolicyTypes {
		at := specPath("policyTypes").Index(i)
		errs = append(errs, oneOf(t, at, networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress)...)
		if t == "" || seen[t] {
			errs = append(errs, field.Duplicate(at, t))
		}
		seen[t] = true
	}
	for i, r := range o.Spec.Ingress {
		errs = append(errs, networkRule(r.Ports, r.From, specPath("ingress").Index(i), "from")...)
	}
	for i, r := range o.Spec.Egress {
		errs = append(errs, networkRule(r.Ports, r.To, specPath("egress").Index(i), "to")...)
	}
	return errs
}

// networkRule: networking ValidateNetworkPolicyPort, ValidateNetworkPolicyPeer, ValidateIPBlock.
func networkRule(ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer, at *field.Path, side string) field.ErrorList {
	var errs field.ErrorList
	for i, p := range ports {
		at := at.Child("ports").Index(i)
		if p.Protocol != nil {
			errs = append(errs, protocol(*p.Protocol, at.Child("protocol"))...)
		}
		if p.Port != nil {
			errs = append(errs, portOrName(*p.Port, at.Child("port"))...)
		}
		if p.EndPort != nil {
			if p.Port == nil || p.Port.Type != intstr.Int {
				errs = append(errs, field.Forbidden(at.Child("endPort"), "does not go without a number as port"))
			} else if *p.EndPort < p.Port.IntVal {
				errs = append(errs, field.Invalid(at.Child("endPort"), *p.EndPort, "must not be less than port"))
			}
			errs = append(errs, portNumber(*p.EndPort, at.Child("endPort"))...)
		}
	}
	for i, p := range peers {
		at := at.Child(side).Index(i)
		for _, s := range []struct {
			name     string
			selector *metav1.LabelSelector
		}{{"podSelector", p.PodSelector}, {"namespaceSelector", p.NamespaceSelector}} {
			if s.selector != nil {
				errs = append(errs, metavalidation.ValidateLabelSelector(s.selector, metavalidation.LabelSelectorValidationOptions{}, at.Child(s.name))...)
			}
		}
		selects := p.PodSelector != nil || p.NamespaceSelector != nil
		switch {
		case p.IPBlock == nil && !selects:
			errs = append(errs, field.Required(at, "needs a podSelector, a namespaceSelector or an ipBlock"))
		case p.IPBlock != nil && selects:
			errs = append(errs, field.Forbidden(at.Child("ipBlock"), "does not go with a selector"))
		case p.IPBlock != nil:
			errs = append(errs, ipBlock(p.IPBlock, at.Child("ipBlock"))...)
		}
	}
	return errs
}

func ipBlock(b *networkingv1.IPBlock, at *field.Path) field.ErrorList {
	outer, err := netip.ParsePrefix(b.CIDR)
	if err != nil {
		return field.ErrorList{field.Invalid(at.Child("cidr"), b.CIDR, "is not a CIDR such as 203.0.113.0/24")}
	}
	var errs field.ErrorList
	for i, text := range b.Except {
		at := at.Child("except").Index(i)
		inner, err := netip.ParsePrefix(text)
		if err != nil {
			errs = append(errs, field.Invalid(at, text, "is not a CIDR such as 203.0.113.0/24"))
		} else if !outer.Contains(inner.Addr()) || inner.Bits() <= outer.Bits() {
			errs = append(errs, field.Invalid(at, text, "does not lie within "+b.CIDR))
		}
	}
	return errs
}

// policyRules: rbac ValidatePolicyRule.
func policyRules(rules []rbacv1.PolicyRule, namespaced bool) field.ErrorList {
	var errs field.ErrorList
	for i, r := range rules {
		at := field.NewPath("rules").Index(i)
		if len(r.Verbs) == 0 {
			errs = append(errs, field.Required(at.Child("verbs"), ""))
		}
		if len(r.NonResourceURLs) > 0 {
			if namespaced {
				errs = append(errs, field.Forbidden(at.Child("nonResourceURLs"), "does not go with a role of a namespace"))
			}
			continue
		}
		if len(r.APIGroups) == 0 {
			errs = append(errs, field.Required(at.Child("apiGroups"), `the core group is ""`))
		}
		if len(r.Resources) == 0 {
			errs = append(errs, field.Required(at.Child("resources"), ""))
		}
	}
	return errs
}

// binding: rbac ValidateRoleBinding, ValidateClusterRoleBinding, ValidateRoleBindingSubject.
func binding(ref rbacv1.RoleRef, subjects []rbacv1.Subject, namespaced bool) field.ErrorList {
	kinds := []string{"ClusterRole"}
	if namespaced {
		kinds = append(kinds, "Role")
	}
	at := field.NewPath("roleRef")
	var errs field.ErrorList
	if ref.APIGroup != rbacv1.GroupName {
		errs = append(errs, field.NotSupported(at.Child("apiGroup"), ref.APIGroup, []string{rbacv1.GroupName}))
	}
	if !slices.Contains(kinds, ref.Kind) {
		errs = append(errs, field.NotSupported(at.Child("kind"), ref.Kind, kinds))
	}
	if ref.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), ""))
	}
	for i, s := range subjects {
		at := field.NewPath("subjects").Index(i)
		if s.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), ""))
		}
		switch s.Kind {
		case rbacv1.UserKind, rbacv1.GroupKind:
			if s.APIGroup != "" && s.APIGroup != rbacv1.GroupName { // the empty one has a default
				errs = append(errs, field.NotSupported(at.Child("apiGroup"), s.APIGroup, []string{rbacv1.GroupName}))
			}
		case rbacv1.ServiceAccountKind:
			if s.APIGroup != "" {
				errs = append(errs, field.NotSupported(at.Child("apiGroup"), s.APIGroup, []string{""}))
			}
			if s.Name != "" {
				errs = append(errs, invalid(s.Name, utilvalidation.IsDNS1123Subdomain(s.Name), at.Child("name"))...)
			}
			if s.Namespace != "" { // the server takes any, and no service account would ever match
				errs = append(errs, invalid(s.Namespace, utilvalidation.IsDNS1123Label(s.Namespace), at.Child("namespace"))...)
			}
			if s.Namespace == "" && !namespaced { // in a RoleBinding it means the binding's own
				errs = append(errs, field.Required(at.Child("namespace"), "a service account has one"))
			}
		default:
			errs = append(errs, field.NotSupported(at.Child("kind"), s.Kind, []string{rbacv1.ServiceAccountKind, rbacv1.UserKind, rbacv1.GroupKind}))
		}
	}
	return errs
}

// The custom resources that follow have rules in their definitions that are not in the schemas here
// (x-kubernetes-validations, in CEL). custom is one of them, with those fields that the rules are about.
type custom[Spec any] struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              Spec `json:"spec"`
}

// helmRelease: the rule of HelmReleaseSpec in Flux's helm-controller, api/v2.
func helmRelease(o *custom[struct{ Chart, ChartRef *struct{} }]) field.ErrorList {
	if (o.Spec.Chart == nil) == (o.Spec.ChartRef == nil) {
		return field.ErrorList{field.Forbidden(specPath(), "needs one of chart and chartRef")}
	}
	return nil
}

// gitRepository: the rules of GitRepositorySpec in Flux's source-controller, api/v1.
func gitRepository(o *custom[struct{ ServiceAccountName, Provider string }]) field.ErrorList {
	if p := o.Spec.Provider; o.Spec.ServiceAccountName != "" && p != "azure" && p != "aws" {
		return field.ErrorList{field.Forbidden(specPath("serviceAccountName"), "does not go without the provider aws or azure")}
	}
	return nil
}

// istioSelector is istio.type.v1beta1.WorkloadSelector.
type istioSelector struct {
	MatchLabels map[string]string
}

func (s *istioSelector) check(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s == nil {
		return nil
	}
	for _, key := range sortedKeys(s.MatchLabels) {
		at := at.Child("matchLabels").Key(key)
		if key == "" || strings.Contains(key, "*") {
			errs = append(errs, field.Invalid(at, key, "must be a label, without wildcards"))
		}
		if strings.Contains(s.MatchLabels[key], "*") {
			errs = append(errs, field.Invalid(at, s.MatchLabels[key], "must not have wildcards"))
		}
	}
	return errs
}

// authorizationPolicy: the rules of AuthorizationPolicy in istio.io/api, security/v1beta1.
func authorizationPolicy(o *custom[struct {
	Selector   *istioSelector
	TargetRef  *struct{}
	TargetRefs []struct{}
	Rules      []struct {
		From []struct {
			Source struct{ Principals, NotPrincipals, Namespaces, NotNamespaces, ServiceAccounts, NotServiceAccounts []string }
		}
	}
}]) field.ErrorList {
	errs := o.Spec.Selector.check(specPath("selector"))
	if count(o.Spec.Selector != nil, o.Spec.TargetRef != nil, len(o.Spec.TargetRefs) > 0) > 1 {
		errs = append(errs, field.Forbidden(specPath(), "may have only one of selector, targetRef and targetRefs"))
	}
	for i, r := range o.Spec.Rules {
		for j, f := range r.From {
			s := f.Source
			if len(s.ServiceAccounts)+len(s.NotServiceAccounts) > 0 && len(s.Principals)+len(s.NotPrincipals)+len(s.Namespaces)+len(s.NotNamespaces) > 0 {
				errs = append(errs, field.Forbidden(specPath("rules").Index(i).Child("from").Index(j).Child("source"), "may not have serviceAccounts with principals or namespaces"))
			}
		}
	}
	return errs
}

// peerAuthentication: the rules of PeerAuthentication in istio.io/api, security/v1beta1.
func peerAuthentication(o *custom[struct {
	Selector      *istioSelector
	PortLevelMtls map[string]struct{}
}]) field.ErrorList {
	errs := o.Spec.Selector.check(specPath("selector"))
	at := specPath("portLevelMtls")
	if len(o.Spec.PortLevelMtls) > 0 && (o.Spec.Selector == nil || len(o.Spec.Selector.MatchLabels) == 0) {
		errs = append(errs, field.Forbidden(at, "does not go without a selector"))
	}
	for _, port := range sortedKeys(o.Spec.PortLevelMtls) {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			errs = append(errs, field.Invalid(at.Key(port), port, "must be between 1 and 65535, inclusive"))
		}
	}
	return errs
}

// virtualService: the rules of HTTPRoute, HTTPRetry, HTTPFaultInjection and CorsPolicy in istio.io/api,
// networking/v1alpha3, about durations.
func virtualService(o *custom[struct {
	HTTP []struct {
		Timeout *string
		Retries *struct{ PerTryTimeout, Backoff *string }
		Fault   *struct {
			Delay *struct{ FixedDelay *string }
		}
		CorsPolicy *struct{ MaxAge *string }
	}
}]) field.ErrorList {
	var errs field.ErrorList
	for i, h := range o.Spec.HTTP {
		at := specPath("http").Index(i)
		errs = append(errs, istioDuration(h.Timeout, at.Child("timeout"))...)
		if h.Retries != nil {
			errs = append(errs, istioDuration(h.Retries.PerTryTimeout, at.Child("retries", "perTryTimeout"))...)
			errs = append(errs, istioDuration(h.Retries.Backoff, at.Child("retries", "backoff"))...)
		}
		if h.Fault != nil && h.Fault.Delay != nil {
			errs = append(errs, istioDuration(h.Fault.Delay.FixedDelay, at.Child("fault", "delay", "fixedDelay"))...)
		}
		if h.CorsPolicy != nil {
			errs = append(errs, istioDuration(h.CorsPolicy.MaxAge, at.Child("corsPolicy", "maxAge"))...)
		}
	}
	return errs
}

// istioDuration is an amount that time.ParseDuration takes, and at least one millisecond.
func istioDuration(v *string, at *field.Path) field.ErrorList {
	if v == nil {
		return nil
	}
	if d, err := time.ParseDuration(*v); err != nil || d < time.Millisecond {
		return field.ErrorList{field.Invalid(at, *v, "must be a duration such as 1m30s, of 1ms or more")}
	}
	return nil
}

// gateway: Istio's own admission, ValidateGateway in istio.io/istio, pkg/config/validation.
func gateway(o *custom[struct {
	Servers []struct {
		Hosts []string
		Port  struct{ Name string }
	}
}]) field.ErrorList {
	var errs field.ErrorList
	names := map[string]bool{}
	for i, s := range o.Spec.Servers {
		at := specPath("servers").Index(i)
		if len(s.Hosts) == 0 {
			errs = append(errs, field.Required(at.Child("hosts"), ""))
		}
		for j, host := range s.Hosts {
			if host == "" {
				errs = append(errs, field.Required(at.Child("hosts").Index(j), ""))
			}
		}
		if s.Port.Name == "" {
			errs = append(errs, field.Required(at.Child("port", "name"), ""))
		} else if names[s.Port.Name] {
			errs = append(errs, field.Duplicate(at.Child("port", "name"), s.Port.Name))
		}
		names[s.Port.Name] = true
	}
	return errs
}

// The rest of this file is the vocabulary of the rules.

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
