package check

import (
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
)

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
