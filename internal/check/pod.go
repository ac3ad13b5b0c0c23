package check

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// podTemplate: core ValidatePodTemplateSpec.
func podTemplate(t *corev1.PodTemplateSpec, at *field.Path, restart ...corev1.RestartPolicy) field.ErrorList {
	errs := metavalidation.ValidateLabels(t.Labels, at.Child("metadata", "labels"))
	errs = append(errs, validation.ValidateAnnotations(t.Annotations, at.Child("metadata", "annotations"))...)
	for _, key := range sortedKeys(t.Annotations) { // ValidateAppArmorPodAnnotations
		name, ok := strings.CutPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix)
		named := func(c corev1.Container) bool { return c.Name == name }
		if ok && !slices.ContainsFunc(t.Spec.Containers, named) && !slices.ContainsFunc(t.Spec.InitContainers, named) {
			errs = append(errs, field.Invalid(at.Child("metadata", "annotations").Key(key), name, "is not a container of the pod"))
		}
	}
	if len(t.Spec.EphemeralContainers) > 0 {
		errs = append(errs, field.Forbidden(at.Child("spec", "ephemeralContainers"), "does not go with a template"))
	}
	return append(errs, podSpec(&t.Spec, restart, at.Child("spec"))...)
}

// podSpec: core ValidatePodSpec. What a list's keys must not repeat is in the schema (x-kubernetes-list-map-keys).
func podSpec(p *corev1.PodSpec, restart []corev1.RestartPolicy, at *field.Path) field.ErrorList {
	errs := oneOf(p.RestartPolicy, at.Child("restartPolicy"), restart...)
	errs = append(errs, notNegative(p.TerminationGracePeriodSeconds, at.Child("terminationGracePeriodSeconds"))...)
	errs = append(errs, notNegative(p.ActiveDeadlineSeconds, at.Child("activeDeadlineSeconds"))...)
	for _, name := range []struct {
		field, value string
		rule         func(string) []string
	}{
		{"serviceAccountName", p.ServiceAccountName, utilvalidation.IsDNS1123Subdomain},
		{"nodeName", p.NodeName, utilvalidation.IsDNS1123Subdomain},
		{"priorityClassName", p.PriorityClassName, utilvalidation.IsDNS1123Subdomain},
		{"runtimeClassName", value(p.RuntimeClassName), utilvalidation.IsDNS1123Subdomain},
		{"hostname", p.Hostname, utilvalidation.IsDNS1123Label},
		{"subdomain", p.Subdomain, utilvalidation.IsDNS1123Label},
	} {
		if name.value != "" {
			errs = append(errs, invalid(name.value, name.rule(name.value), at.Child(name.field))...)
		}
	}
	errs = append(errs, metavalidation.ValidateLabels(p.NodeSelector, at.Child("nodeSelector"))...)
	errs = append(errs, network(p, at)...)
	errs = append(errs, placement(p, at)...)
	errs = append(errs, podSecurity(p, at.Child("securityContext"))...)
	volumes := map[string]bool{}
	for i := range p.Volumes {
		errs = append(errs, volume(&p.Volumes[i], at.Child("volumes").Index(i))...)
		if name := p.Volumes[i].Name; volumes[name] {
			errs = append(errs, field.Duplicate(at.Child("volumes").Index(i).Child("name"), name))
		}
		volumes[p.Volumes[i].Name] = true
	}
	for i, s := range p.TopologySpreadConstraints {
		at := at.Child("topologySpreadConstraints").Index(i)
		if s.MaxSkew < 1 {
			errs = append(errs, field.Invalid(at.Child("maxSkew"), s.MaxSkew, "must be 1 or more"))
		}
		if s.TopologyKey == "" {
			errs = append(errs, field.Required(at.Child("topologyKey"), ""))
		}
		if len(s.MatchLabelKeys) > 0 && s.LabelSelector == nil {
			errs = append(errs, field.Forbidden(at.Child("matchLabelKeys"), "does not go without labelSelector"))
		}
		for j, key := range s.MatchLabelKeys {
			errs = append(errs, metavalidation.ValidateLabelName(key, at.Child("matchLabelKeys").Index(j))...)
		}
		if m := s.MinDomains; m != nil && *m < 1 {
			errs = append(errs, field.Invalid(at.Child("minDomains"), *m, "must be 1 or more"))
		} else if m != nil && s.WhenUnsatisfiable != corev1.DoNotSchedule {
			errs = append(errs, field.Forbidden(at.Child("minDomains"), "goes with whenUnsatisfiable DoNotSchedule alone"))
		}
		errs = append(errs, oneOf(value(s.NodeAffinityPolicy), at.Child("nodeAffinityPolicy"), corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore)...)
		errs = append(errs, oneOf(value(s.NodeTaintsPolicy), at.Child("nodeTaintsPolicy"), corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore)...)
		errs = append(errs, oneOf(s.WhenUnsatisfiable, at.Child("whenUnsatisfiable"), corev1.DoNotSchedule, corev1.ScheduleAnyway)...)
		errs = append(errs, metavalidation.ValidateLabelSelector(s.LabelSelector, metavalidation.LabelSelectorValidationOptions{}, at.Child("labelSelector"))...)
	}
	if len(p.Containers) == 0 {
		errs = append(errs, field.Required(at.Child("containers"), ""))
	}
	names := map[string]bool{}
	for i := range p.InitContainers {
		errs = append(errs, initContainer(&p.InitContainers[i], at.Child("initContainers").Index(i))...)
		errs = append(errs, container(&p.InitContainers[i], p, names, at.Child("initContainers").Index(i))...)
	}
	for i := range p.Containers {
		errs = append(errs, container(&p.Containers[i], p, names, at.Child("containers").Index(i))...)
	}
	return errs
}

// network: core validateHostNetwork, ValidateHostAliases, validateDNSPolicy, validatePodDNSConfig and ValidatePodSpec.
func network(p *corev1.PodSpec, at *field.Path) field.ErrorList {
	errs := oneOf(p.DNSPolicy, at.Child("dnsPolicy"), corev1.DNSClusterFirstWithHostNet, corev1.DNSClusterFirst, corev1.DNSDefault, corev1.DNSNone)
	if p.DNSPolicy == corev1.DNSNone && (p.DNSConfig == nil || len(p.DNSConfig.Nameservers) == 0) {
		errs = append(errs, field.Required(at.Child("dnsConfig", "nameservers"), "goes with the policy None"))
	}
	for i, a := range p.HostAliases {
		errs = append(errs, address(a.IP, at.Child("hostAliases").Index(i).Child("ip"))...)
		for j, name := range a.Hostnames {
			errs = append(errs, invalid(name, utilvalidation.IsDNS1123Subdomain(name), at.Child("hostAliases").Index(i).Child("hostnames").Index(j))...)
		}
	}
	if p.HostPID && p.ShareProcessNamespace != nil && *p.ShareProcessNamespace {
		errs = append(errs, field.Forbidden(at.Child("shareProcessNamespace"), "does not go with hostPID"))
	}
	return errs
}

// placement: core validateAffinity, ValidateTolerations, validateSchedulingGates, validateOS, ValidatePreemptionPolicy.
func placement(p *corev1.PodSpec, at *field.Path) field.ErrorList {
	errs := oneOf(value(p.PreemptionPolicy), at.Child("preemptionPolicy"), corev1.PreemptLowerPriority, corev1.PreemptNever)
	if p.OS != nil {
		errs = append(errs, oneOf(p.OS.Name, at.Child("os", "name"), corev1.Linux, corev1.Windows)...)
	}
	for i, g := range p.SchedulingGates {
		errs = append(errs, invalid(g.Name, utilvalidation.IsQualifiedName(g.Name), at.Child("schedulingGates").Index(i).Child("name"))...)
	}
	for i, t := range p.Tolerations {
		at := at.Child("tolerations").Index(i)
		errs = append(errs, oneOf(t.Operator, at.Child("operator"), corev1.TolerationOpEqual, corev1.TolerationOpExists)...)
		errs = append(errs, oneOf(t.Effect, at.Child("effect"), corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute)...)
		switch {
		case t.Operator == corev1.TolerationOpExists && t.Value != "":
			errs = append(errs, field.Forbidden(at.Child("value"), "does not go with the operator Exists"))
		case t.Operator != corev1.TolerationOpExists && t.Key == "":
			errs = append(errs, field.Required(at.Child("key"), "only the operator Exists does without"))
		}
		if t.TolerationSeconds != nil && t.Effect != corev1.TaintEffectNoExecute {
			errs = append(errs, field.Forbidden(at.Child("tolerationSeconds"), "goes with the effect NoExecute alone"))
		}
	}
	if p.Affinity == nil {
		return errs
	}
	at = at.Child("affinity")
	if n := p.Affinity.NodeAffinity; n != nil {
		if r := n.RequiredDuringSchedulingIgnoredDuringExecution; r != nil {
			at := at.Child("nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
			if len(r.NodeSelectorTerms) == 0 {
				errs = append(errs, field.Required(at, ""))
			}
			for i := range r.NodeSelectorTerms {
				errs = append(errs, nodeTerm(&r.NodeSelectorTerms[i], at.Index(i))...)
			}
		}
		for i := range n.PreferredDuringSchedulingIgnoredDuringExecution {
			t, at := &n.PreferredDuringSchedulingIgnoredDuringExecution[i], at.Child("nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution").Index(i)
			errs = append(errs, between(t.Weight, 1, 100, at.Child("weight"))...)
			errs = append(errs, nodeTerm(&t.Preference, at.Child("preference"))...)
		}
	}
	if a := p.Affinity.PodAffinity; a != nil {
		errs = append(errs, podTerms(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution, at.Child("podAffinity"))...)
	}
	if a := p.Affinity.PodAntiAffinity; a != nil {
		errs = append(errs, podTerms(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution, at.Child("podAntiAffinity"))...)
	}
	return errs
}

// nodeTerm: core ValidateNodeSelectorTerm.
func nodeTerm(t *corev1.NodeSelectorTerm, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, r := range t.MatchExpressions {
		at := at.Child("matchExpressions").Index(i)
		errs = append(errs, metavalidation.ValidateLabelName(r.Key, at.Child("key"))...)
		if r.Operator == "" {
			errs = append(errs, field.Required(at.Child("operator"), ""))
		}
		errs = append(errs, oneOf(r.Operator, at.Child("operator"), corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt)...)
		switch r.Operator {
		case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
			if len(r.Values) == 0 {
				errs = append(errs, field.Required(at.Child("values"), "goes with the operator "+string(r.Operator)))
			}
		case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist:
			if len(r.Values) > 0 {
				errs = append(errs, field.Forbidden(at.Child("values"), "does not go with the operator "+string(r.Operator)))
			}
		}
	}
	return errs
}

// podTerms: core validatePodAffinityTerms, validateWeightedPodAffinityTerms.
func podTerms(required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	term := func(t *corev1.PodAffinityTerm, at *field.Path) {
		if t.TopologyKey == "" {
			errs = append(errs, field.Required(at.Child("topologyKey"), ""))
		} else {
			errs = append(errs, metavalidation.ValidateLabelName(t.TopologyKey, at.Child("topologyKey"))...)
		}
		errs = append(errs, metavalidation.ValidateLabelSelector(t.LabelSelector, metavalidation.LabelSelectorValidationOptions{}, at.Child("labelSelector"))...)
	}
	for i := range required {
		term(&required[i], at.Child("requiredDuringSchedulingIgnoredDuringExecution").Index(i))
	}
	for i := range preferred {
		at := at.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i)
		errs = append(errs, between(preferred[i].Weight, 1, 100, at.Child("weight"))...)
		term(&preferred[i].PodAffinityTerm, at.Child("podAffinityTerm"))
	}
	return errs
}

// podSecurity: core validatePodSpecSecurityContext, validateSeccompProfileField, validateSysctls.
func podSecurity(p *corev1.PodSpec, at *field.Path) field.ErrorList {
	s := p.SecurityContext
	if s == nil {
		return nil
	}
	errs := seccomp(s.SeccompProfile, at.Child("seccompProfile"))
	if s.RunAsUser != nil {
		errs = append(errs, invalid(*s.RunAsUser, utilvalidation.IsValidUserID(*s.RunAsUser), at.Child("runAsUser"))...)
	}
	if s.RunAsGroup != nil {
		errs = append(errs, invalid(*s.RunAsGroup, utilvalidation.IsValidGroupID(*s.RunAsGroup), at.Child("runAsGroup"))...)
	}
	if s.FSGroup != nil {
		errs = append(errs, invalid(*s.FSGroup, utilvalidation.IsValidGroupID(*s.FSGroup), at.Child("fsGroup"))...)
	}
	for i, id := range s.SupplementalGroups {
		errs = append(errs, invalid(id, utilvalidation.IsValidGroupID(id), at.Child("supplementalGroups").Index(i))...)
	}
	errs = append(errs, oneOf(value(s.FSGroupChangePolicy), at.Child("fsGroupChangePolicy"), corev1.FSGroupChangeAlways, corev1.FSGroupChangeOnRootMismatch)...)
	errs = append(errs, oneOf(value(s.SupplementalGroupsPolicy), at.Child("supplementalGroupsPolicy"), corev1.SupplementalGroupsPolicyMerge, corev1.SupplementalGroupsPolicyStrict)...)
	for i, c := range s.Sysctls {
		if !sysctl.MatchString(c.Name) {
			errs = append(errs, field.Invalid(at.Child("sysctls").Index(i).Child("name"), c.Name, "must match "+sysctl.String()))
		}
	}
	return errs
}

// sysctl is core SysctlContainSlashFmt.
var sysctl = regexp.MustCompile(`^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`)

func seccomp(s *corev1.SeccompProfile, at *field.Path) field.ErrorList {
	if s == nil {
		return nil
	}
	errs := oneOf(s.Type, at.Child("type"), corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeLocalhost, corev1.SeccompProfileTypeUnconfined)
	if local := s.Type == corev1.SeccompProfileTypeLocalhost; local && value(s.LocalhostProfile) == "" {
		errs = append(errs, field.Required(at.Child("localhostProfile"), "goes with the type Localhost"))
	} else if !local && s.LocalhostProfile != nil {
		errs = append(errs, field.Forbidden(at.Child("localhostProfile"), "goes with the type Localhost alone"))
	}
	return errs
}

// volume: core validateVolumes, validateVolumeSource. A volume without a source is an emptyDir by default.
func volume(v *corev1.Volume, at *field.Path) field.ErrorList {
	errs := invalid(v.Name, utilvalidation.IsDNS1123Label(v.Name), at.Child("name"))
	sources := 0
	for all, i := reflect.ValueOf(v.VolumeSource), 0; i < all.NumField(); i++ { // every source is a pointer
		if !all.Field(i).IsNil() {
			sources++
		}
	}
	if sources > 1 {
		errs = append(errs, field.Forbidden(at, fmt.Sprintf("has %d sources, and needs one", sources)))
	}
	if s := v.ConfigMap; s != nil {
		errs = append(errs, keyFiles("name", s.Name, s.DefaultMode, s.Items, at.Child("configMap"))...)
	}
	if s := v.Secret; s != nil {
		errs = append(errs, keyFiles("secretName", s.SecretName, s.DefaultMode, s.Items, at.Child("secret"))...)
	}
	if s := v.PersistentVolumeClaim; s != nil && s.ClaimName == "" {
		errs = append(errs, field.Required(at.Child("persistentVolumeClaim", "claimName"), ""))
	}
	if s := v.EmptyDir; s != nil && s.SizeLimit != nil {
		errs = append(errs, quantity(*s.SizeLimit, at.Child("emptyDir", "sizeLimit"))...)
	}
	if s := v.HostPath; s != nil {
		at := at.Child("hostPath")
		if s.Path == "" {
			errs = append(errs, field.Required(at.Child("path"), ""))
		}
		errs = append(errs, noStepUp(s.Path, at.Child("path"))...)
		errs = append(errs, oneOf(value(s.Type), at.Child("type"), corev1.HostPathDirectoryOrCreate, corev1.HostPathDirectory, corev1.HostPathFileOrCreate, corev1.HostPathFile,
			corev1.HostPathSocket, corev1.HostPathCharDev, corev1.HostPathBlockDev)...)
	}
	if s := v.Projected; s != nil {
		for i, source := range s.Sources {
			at := at.Child("projected", "sources").Index(i)
			if c := source.ConfigMap; c != nil {
				errs = append(errs, keyFiles("name", c.Name, nil, c.Items, at.Child("configMap"))...)
			}
			if c := source.Secret; c != nil {
				errs = append(errs, keyFiles("name", c.Name, nil, c.Items, at.Child("secret"))...)
			}
		}
		errs = append(errs, mode(s.DefaultMode, at.Child("projected", "defaultMode"))...)
	}
	return errs
}

// keyFiles: core validateConfigMapVolumeSource, validateSecretVolumeSource, validateKeyToPath.
func keyFiles(nameField, name string, defaultMode *int32, items []corev1.KeyToPath, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if name == "" {
		errs = append(errs, field.Required(at.Child(nameField), ""))
	}
	errs = append(errs, mode(defaultMode, at.Child("defaultMode"))...)
	for i, item := range items {
		at := at.Child("items").Index(i)
		if item.Key == "" {
			errs = append(errs, field.Required(at.Child("key"), ""))
		}
		if item.Path == "" {
			errs = append(errs, field.Required(at.Child("path"), ""))
		}
		errs = append(errs, below(item.Path, at.Child("path"))...)
		errs = append(errs, mode(item.Mode, at.Child("mode"))...)
	}
	return errs
}

func mode(bits *int32, at *field.Path) field.ErrorList {
	if bits == nil || 0 <= *bits && *bits <= 0o777 {
		return nil
	}
	return field.ErrorList{field.Invalid(at, *bits, "must be between 0 and 0777, which is 511")}
}

// below: core validateLocalDescendingPath.
func below(path string, at *field.Path) field.ErrorList {
	if strings.HasPrefix(path, "/") {
		return field.ErrorList{field.Invalid(at, path, "must be a relative path")}
	}
	return noStepUp(path, at)
}

// noStepUp: core validatePathNoBacksteps.
func noStepUp(path string, at *field.Path) field.ErrorList {
	if slices.Contains(strings.Split(path, "/"), "..") {
		return field.ErrorList{field.Invalid(at, path, "must not go up with ..")}
	}
	return nil
}

// initContainer: core validateInitContainers. Only one that keeps running beside the others, a sidecar, has probes.
func initContainer(c *corev1.Container, at *field.Path) field.ErrorList {
	if value(c.RestartPolicy) == corev1.ContainerRestartPolicyAlways {
		return nil
	}
	var errs field.ErrorList
	for _, f := range []struct {
		name string
		set  bool
	}{{"lifecycle", c.Lifecycle != nil}, {"livenessProbe", c.LivenessProbe != nil}, {"readinessProbe", c.ReadinessProbe != nil}, {"startupProbe", c.StartupProbe != nil}} {
		if f.set {
			errs = append(errs, field.Forbidden(at.Child(f.name), "does not go with an init container, unless its restartPolicy is Always"))
		}
	}
	return errs
}

// hook: core validateLifecycle, validateHandler.
func hook(h *corev1.LifecycleHandler, p *corev1.PodSpec, at *field.Path) field.ErrorList {
	if h == nil {
		return nil
	}
	var errs field.ErrorList
	if n := count(h.Exec != nil, h.HTTPGet != nil, h.TCPSocket != nil, h.Sleep != nil); n != 1 {
		errs = append(errs, field.Forbidden(at, fmt.Sprintf("has %d handlers, and needs one of exec, httpGet, tcpSocket and sleep", n)))
	}
	if h.Exec != nil && len(h.Exec.Command) == 0 {
		errs = append(errs, field.Required(at.Child("exec", "command"), ""))
	}
	if h.HTTPGet != nil {
		errs = append(errs, httpGet(h.HTTPGet, at.Child("httpGet"))...)
	}
	if h.Sleep != nil {
		grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
		if p.TerminationGracePeriodSeconds != nil {
			grace = *p.TerminationGracePeriodSeconds
		}
		if s := h.Sleep.Seconds; s < 0 || s > grace {
			errs = append(errs, field.Invalid(at.Child("sleep", "seconds"), s, fmt.Sprintf("must be between 0 and terminationGracePeriodSeconds, which is %d", grace)))
		}
	}
	return errs
}

// httpGet: core validateHTTPGetAction.
func httpGet(h *corev1.HTTPGetAction, at *field.Path) field.ErrorList {
	errs := portOrName(h.Port, at.Child("port"))
	errs = append(errs, oneOf(h.Scheme, at.Child("scheme"), corev1.URISchemeHTTP, corev1.URISchemeHTTPS)...)
	for i, header := range h.HTTPHeaders {
		errs = append(errs, invalid(header.Name, utilvalidation.IsHTTPHeaderName(header.Name), at.Child("httpHeaders").Index(i).Child("name"))...)
	}
	return errs
}

// container: core validateContainerCommon. names holds the names of the pod's containers before it: containers and
// init containers share them.
func container(c *corev1.Container, p *corev1.PodSpec, names map[string]bool, at *field.Path) field.ErrorList {
	errs := invalid(c.Name, utilvalidation.IsDNS1123Label(c.Name), at.Child("name"))
	if names[c.Name] {
		errs = append(errs, field.Duplicate(at.Child("name"), c.Name))
	}
	names[c.Name] = true
	if strings.TrimSpace(c.Image) == "" || c.Image != strings.TrimSpace(c.Image) {
		errs = append(errs, field.Invalid(at.Child("image"), c.Image, "must be an image, with no space around it"))
	}
	errs = append(errs, oneOf(c.ImagePullPolicy, at.Child("imagePullPolicy"), corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)...)
	errs = append(errs, oneOf(c.TerminationMessagePolicy, at.Child("terminationMessagePolicy"), corev1.TerminationMessageReadFile, corev1.TerminationMessageFallbackToLogsOnError)...)

	errs = append(errs, oneOf(value(c.RestartPolicy), at.Child("restartPolicy"), corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure)...)
	if c.Lifecycle != nil {
		errs = append(errs, hook(c.Lifecycle.PostStart, p, at.Child("lifecycle", "postStart"))...)
		errs = append(errs, hook(c.Lifecycle.PreStop, p, at.Child("lifecycle", "preStop"))...)
	}
	for i, r := range c.ResizePolicy {
		errs = append(errs, oneOf(r.RestartPolicy, at.Child("resizePolicy").Index(i).Child("restartPolicy"), corev1.NotRequired, corev1.RestartContainer)...)
	}
	for i, claim := range c.Resources.Claims {
		if !slices.ContainsFunc(p.ResourceClaims, func(r corev1.PodResourceClaim) bool { return r.Name == claim.Name }) {
			errs = append(errs, field.Invalid(at.Child("resources", "claims").Index(i).Child("name"), claim.Name, "is not a resource claim of the pod"))
		}
	}

	ports := map[string]bool{}
	for i, port := range c.Ports {
		at := at.Child("ports").Index(i)
		errs = append(errs, portNumber(port.ContainerPort, at.Child("containerPort"))...)
		errs = append(errs, protocol(port.Protocol, at.Child("protocol"))...)
		if port.HostPort != 0 {
			errs = append(errs, portNumber(port.HostPort, at.Child("hostPort"))...)
			if p.HostNetwork && port.HostPort != port.ContainerPort {
				errs = append(errs, field.Invalid(at.Child("hostPort"), port.HostPort, "must be the containerPort in a pod with hostNetwork"))
			}
		}
		if port.Name == "" {
			continue
		}
		errs = append(errs, invalid(port.Name, utilvalidation.IsValidPortName(port.Name), at.Child("name"))...)
		if ports[port.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), port.Name))
		}
		ports[port.Name] = true
	}
	errs = append(errs, environment(c, at)...)
	errs = append(errs, mounts(c, p, at.Child("volumeMounts"))...)
	errs = append(errs, resources(&c.Resources, at.Child("resources"))...)
	for _, probe := range []struct {
		name string
		*corev1.Probe
		once bool
	}{{"livenessProbe", c.LivenessProbe, true}, {"readinessProbe", c.ReadinessProbe, false}, {"startupProbe", c.StartupProbe, true}} {
		if probe.Probe != nil {
			errs = append(errs, probing(probe.Probe, probe.once, at.Child(probe.name))...)
		}
	}
	return append(errs, security(c, p, at.Child("securityContext"))...)
}

// environment: core ValidateEnv, validateEnvVarValueFrom, ValidateEnvFrom. A name that stands twice is in the schema.
func environment(c *corev1.Container, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, e := range c.Env {
		at := at.Child("env").Index(i)
		if e.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), ""))
		} else {
			errs = append(errs, invalid(e.Name, utilvalidation.IsRelaxedEnvVarName(e.Name), at.Child("name"))...)
		}
		f := e.ValueFrom
		if f == nil {
			continue
		}
		at = at.Child("valueFrom")
		if n := count(f.FieldRef != nil, f.ResourceFieldRef != nil, f.ConfigMapKeyRef != nil, f.SecretKeyRef != nil, f.FileKeyRef != nil); n != 1 {
			errs = append(errs, field.Forbidden(at, fmt.Sprintf("has %d sources, and needs one", n)))
		} else if e.Value != "" {
			errs = append(errs, field.Forbidden(at, "does not go with value"))
		}
		errs = append(errs, reference(f, at)...)
	}
	for i, e := range c.EnvFrom {
		at := at.Child("envFrom").Index(i)
		if n := count(e.ConfigMapRef != nil, e.SecretRef != nil); n != 1 {
			errs = append(errs, field.Forbidden(at, fmt.Sprintf("has %d sources, and needs one", n)))
		}
		if r := e.ConfigMapRef; r != nil {
			errs = append(errs, objectName(r.Name, at.Child("configMapRef", "name"))...)
		}
		if r := e.SecretRef; r != nil {
			errs = append(errs, objectName(r.Name, at.Child("secretRef", "name"))...)
		}
		if e.Prefix != "" {
			errs = append(errs, invalid(e.Prefix, utilvalidation.IsRelaxedEnvVarName(e.Prefix), at.Child("prefix"))...)
		}
	}
	return errs
}

// reference: core validateObjectFieldSelector, validateContainerResourceFieldSelector, validateConfigMapKeySelector,
// validateSecretKeySelector. What variables may be is validEnvDownwardAPIFieldPathExpressions there.
func reference(f *corev1.EnvVarSource, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if r := f.FieldRef; r != nil {
		known := []string{"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
			"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"}
		key, isKey := strings.CutPrefix(r.FieldPath, "metadata.labels['")
		if !isKey {
			key, isKey = strings.CutPrefix(r.FieldPath, "metadata.annotations['")
		}
		name, closed := strings.CutSuffix(key, "']")
		if isKey && closed {
			errs = append(errs, invalid(r.FieldPath, utilvalidation.IsQualifiedName(strings.ToLower(name)), at.Child("fieldRef", "fieldPath"))...)
		} else if !slices.Contains(known, r.FieldPath) {
			errs = append(errs, field.NotSupported(at.Child("fieldRef", "fieldPath"), r.FieldPath, known))
		}
	}
	if r := f.ResourceFieldRef; r != nil {
		known := []string{"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"}
		if !slices.Contains(known, r.Resource) && !strings.HasPrefix(r.Resource, "limits.hugepages-") && !strings.HasPrefix(r.Resource, "requests.hugepages-") {
			errs = append(errs, field.NotSupported(at.Child("resourceFieldRef", "resource"), r.Resource, known))
		}
	}
	if r := f.ConfigMapKeyRef; r != nil {
		errs = append(errs, objectName(r.Name, at.Child("configMapKeyRef", "name"))...)
		errs = append(errs, invalid(r.Key, utilvalidation.IsConfigMapKey(r.Key), at.Child("configMapKeyRef", "key"))...)
	}
	if r := f.SecretKeyRef; r != nil {
		errs = append(errs, objectName(r.Name, at.Child("secretKeyRef", "name"))...)
		errs = append(errs, invalid(r.Key, utilvalidation.IsConfigMapKey(r.Key), at.Child("secretKeyRef", "key"))...)
	}
	return errs
}

func objectName(name string, at *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	return invalid(name, utilvalidation.IsDNS1123Subdomain(name), at)
}

// mounts: core ValidateVolumeMounts.
func mounts(c *corev1.Container, p *corev1.PodSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	paths := map[string]bool{}
	for i, m := range c.VolumeMounts {
		at := at.Index(i)
		if !slices.ContainsFunc(p.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
			errs = append(errs, field.Invalid(at.Child("name"), m.Name, "is not a volume of the pod"))
		}
		if m.MountPath == "" {
			errs = append(errs, field.Required(at.Child("mountPath"), ""))
		}
		errs = append(errs, below(m.SubPath, at.Child("subPath"))...)
		errs = append(errs, below(m.SubPathExpr, at.Child("subPathExpr"))...)
		if m.SubPath != "" && m.SubPathExpr != "" {
			errs = append(errs, field.Forbidden(at.Child("subPathExpr"), "does not go with subPath"))
		}
		errs = append(errs, oneOf(value(m.MountPropagation), at.Child("mountPropagation"), corev1.MountPropagationNone, corev1.MountPropagationHostToContainer, corev1.MountPropagationBidirectional)...)
		if paths[m.MountPath] {
			errs = append(errs, field.Duplicate(at.Child("mountPath"), m.MountPath))
		}
		paths[m.MountPath] = true
	}
	return errs
}

// resources: core ValidateContainerResourceRequirements.
func resources(r *corev1.ResourceRequirements, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, l := range []struct {
		name string
		list corev1.ResourceList
	}{{"limits", r.Limits}, {"requests", r.Requests}} {
		for _, name := range sortedKeys(l.list) {
			at := at.Child(l.name).Key(string(name))
			errs = append(errs, quantity(l.list[name], at)...)
			errs = append(errs, wholePages(name, l.list[name], at)...)
			if !strings.Contains(string(name), "/") && !strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) {
				if !slices.Contains([]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage}, name) {
					errs = append(errs, field.Forbidden(at, "is not a resource of containers, which are cpu, memory and ephemeral-storage"))
				}
			}
		}
	}
	for _, name := range sortedKeys(r.Requests) {
		q := r.Requests[name]
		limit, ok := r.Limits[name]
		overcommit := !strings.Contains(string(name), "/") && !strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
		if !overcommit && (!ok || q.Cmp(limit) != 0) { // helper.IsOvercommitAllowed
			errs = append(errs, field.Required(at.Child("limits").Key(string(name)), "must be what is requested: nodes do not overcommit it"))
		} else if ok && q.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(at.Child("requests").Key(string(name)), q.String(), "is more than the limit, which is "+limit.String()))
		}
	}
	return errs
}

// wholePages: core validateResourceQuantityHugePageValue.
func wholePages(name corev1.ResourceName, q resource.Quantity, at *field.Path) field.ErrorList {
	text, ok := strings.CutPrefix(string(name), corev1.ResourceHugePagesPrefix)
	if !ok {
		return nil
	}
	if page, err := resource.ParseQuantity(text); err != nil || page.Value() <= 0 || q.Value()%page.Value() != 0 {
		return field.ErrorList{field.Invalid(at, q.String(), "must be a multiple of a page")}
	}
	return nil
}

// probing: core validateProbe, validateLivenessProbe, validateStartupProbe. Liveness and startup need one success, and alone
// end containers, with a time to do so.
func probing(p *corev1.Probe, once bool, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if n := count(p.Exec != nil, p.HTTPGet != nil, p.TCPSocket != nil, p.GRPC != nil); n != 1 {
		errs = append(errs, field.Forbidden(at, fmt.Sprintf("has %d ways to probe, and needs one of exec, httpGet, tcpSocket and grpc", n)))
	}
	switch {
	case p.HTTPGet != nil:
		errs = append(errs, httpGet(p.HTTPGet, at.Child("httpGet"))...)
	case p.Exec != nil:
		if len(p.Exec.Command) == 0 {
			errs = append(errs, field.Required(at.Child("exec", "command"), ""))
		}
	case p.TCPSocket != nil:
		errs = append(errs, portOrName(p.TCPSocket.Port, at.Child("tcpSocket", "port"))...)
	case p.GRPC != nil:
		errs = append(errs, portNumber(p.GRPC.Port, at.Child("grpc", "port"))...)
	}
	for _, n := range []struct {
		name  string
		value int32
	}{{"initialDelaySeconds", p.InitialDelaySeconds}, {"timeoutSeconds", p.TimeoutSeconds}, {"periodSeconds", p.PeriodSeconds}, {"failureThreshold", p.FailureThreshold}, {"successThreshold", p.SuccessThreshold}} {
		errs = append(errs, notNegative(&n.value, at.Child(n.name))...)
	}
	if g := p.TerminationGracePeriodSeconds; g != nil && !once {
		errs = append(errs, field.Forbidden(at.Child("terminationGracePeriodSeconds"), "does not go with a readiness probe"))
	} else if g != nil && *g < 1 {
		errs = append(errs, field.Invalid(at.Child("terminationGracePeriodSeconds"), *g, "must be 1 or more"))
	}
	if once && p.SuccessThreshold > 1 {
		errs = append(errs, field.Invalid(at.Child("successThreshold"), p.SuccessThreshold, "must be 1"))
	}
	return errs
}

// security: core ValidateSecurityContext, and the kubelet, which does not start a container as root that says it is
// not (pkg/kubelet/kuberuntime/security_context.go, verifyRunAsNonRoot).
func security(c *corev1.Container, p *corev1.PodSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	s := c.SecurityContext
	if s == nil {
		s = &corev1.SecurityContext{}
	}
	user, nonRoot := s.RunAsUser, s.RunAsNonRoot
	if p.SecurityContext != nil {
		if user == nil {
			user = p.SecurityContext.RunAsUser
		}
		if nonRoot == nil {
			nonRoot = p.SecurityContext.RunAsNonRoot
		}
	}
	if s.RunAsUser != nil {
		errs = append(errs, invalid(*s.RunAsUser, utilvalidation.IsValidUserID(*s.RunAsUser), at.Child("runAsUser"))...)
	}
	if s.RunAsGroup != nil {
		errs = append(errs, invalid(*s.RunAsGroup, utilvalidation.IsValidGroupID(*s.RunAsGroup), at.Child("runAsGroup"))...)
	}
	if user != nil {
		if *user == 0 && nonRoot != nil && *nonRoot {
			errs = append(errs, field.Invalid(at.Child("runAsUser"), *user, "is root, and runAsNonRoot is set"))
		}
	}
	if s.Privileged != nil && *s.Privileged && s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation {
		errs = append(errs, field.Forbidden(at.Child("allowPrivilegeEscalation"), "cannot be false in a privileged container"))
	}
	errs = append(errs, oneOf(value(s.ProcMount), at.Child("procMount"), corev1.DefaultProcMount, corev1.UnmaskedProcMount)...)
	errs = append(errs, seccomp(s.SeccompProfile, at.Child("seccompProfile"))...)
	return errs
}

func count(set ...bool) int {
	n := 0
	for _, s := range set {
		if s {
			n++
		}
	}
	return n
}

// value gives what a pointer points to, and the zero value for none.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
