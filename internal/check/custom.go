package check

import (
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

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
