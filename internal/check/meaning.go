package check

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

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
// here, and of custom resources, it looks at the metadata alone. The text is JSON.
func meaning(k schemas.Kind, text []byte) (field.ErrorList, error) {
	switch k.APIVersion() + "/" + k.Kind {
	case "v1/Namespace":
		return typed(k, text, namespace)
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
	return typed(k, text, func(*metav1.PartialObjectMetadata) field.ErrorList { return nil })
}

// typed decodes an object, and applies the rules for all metadata and then those for its kind.
func typed[T any, P interface {
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
	var errs field.ErrorList
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
	names := map[string]bool{}
	for i, p := range o.Spec.Ports {
		at := specPath("ports").Index(i)
		errs = append(errs, portNumber(p.Port, at.Child("port"))...)
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
		errs = append(errs, quantity(q, at)...)
		if slices.Contains(counts, name) && q.MilliValue()%1000 != 0 {
			errs = append(errs, field.Invalid(at, q.String(), "must be a whole number"))
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
	if o.Template.Spec.RestartPolicy == "" { // the default is Always, and refused
		errs = append(errs, field.Required(at.Child("template", "spec", "restartPolicy"), "must be OnFailure or Never in a job"))
	}
	return append(errs, podTemplate(&o.Template, at.Child("template"), corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)...)
}

// cronJob: batch ValidateCronJobCreate; 52 leaves room for the eleven characters that name each job.
func cronJob(o *batchv1.CronJob) field.ErrorList {
	errs := nameAtMost(o.Name, 52, "each run adds eleven characters")
	if strings.Contains(o.Spec.Schedule, "TZ") {
		errs = append(errs, field.Invalid(specPath("schedule"), o.Spec.Schedule, "the time zone belongs in spec.timeZone"))
	} else if _, err := cron.ParseStandard(o.Spec.Schedule); err != nil {
		errs = append(errs, field.Invalid(specPath("schedule"), o.Spec.Schedule, err.Error()))
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
	for i, m := range o.Spec.Metrics {
		at := specPath("metrics").Index(i)
		errs = append(errs, oneOf(m.Type, at.Child("type"), autoscalingv2.ContainerResourceMetricSourceType, autoscalingv2.ExternalMetricSourceType,
			autoscalingv2.ObjectMetricSourceType, autoscalingv2.PodsMetricSourceType, autoscalingv2.ResourceMetricSourceType)...)
		if m.Type != autoscalingv2.ResourceMetricSourceType {
			continue
		}
		if m.Resource == nil {
			errs = append(errs, field.Required(at.Child("resource"), ""))
			continue
		}
		t := m.Resource.Target
		at = at.Child("resource", "target")
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
	}
	return errs
}

// disruptionBudget: policy ValidatePodDisruptionBudgetSpec.
func disruptionBudget(o *policyv1.PodDisruptionBudget) field.ErrorList {
	var errs field.ErrorList
	if o.Spec.MinAvailable != nil && o.Spec.MaxUnavailable != nil {
		errs = append(errs, field.Forbidden(specPath("maxUnavailable"), "does not go with minAvailable"))
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
			if s.Namespace == "" && !namespaced { // in a RoleBinding it means the binding's own
				errs = append(errs, field.Required(at.Child("namespace"), "a service account has one"))
			}
		default:
			errs = append(errs, field.NotSupported(at.Child("kind"), s.Kind, []string{rbacv1.ServiceAccountKind, rbacv1.UserKind, rbacv1.GroupKind}))
		}
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
