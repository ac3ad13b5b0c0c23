package check

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // so that time zones do not depend on the machine

	"github.com/robfig/cron/v3"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
)

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
	if indexed && o.Completions == nil {
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
