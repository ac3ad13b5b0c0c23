package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
)

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
	if c := sp.SessionAffinityConfig; sp.SessionAffinity == corev1.ServiceAffinityClientIP && c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
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
