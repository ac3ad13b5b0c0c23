package check

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// podTemplate: core ValidatePodTemplateSpec.
func podTemplate(t *corev1.PodTemplateSpec, at *field.Path, restart ...corev1.RestartPolicy) field.ErrorList {
	errs := metavalidation.ValidateLabels(t.Labels, at.Child("metadata", "labels"))
	return append(errs, podSpec(&t.Spec, restart, at.Child("spec"))...)
}

// podSpec: core ValidatePodSpec. What a list's keys must not repeat is in the schema (x-kubernetes-list-map-keys).
func podSpec(p *corev1.PodSpec, restart []corev1.RestartPolicy, at *field.Path) field.ErrorList {
	errs := oneOf(p.RestartPolicy, at.Child("restartPolicy"), restart...)
	errs = append(errs, notNegative(p.TerminationGracePeriodSeconds, at.Child("terminationGracePeriodSeconds"))...)
	errs = append(errs, notNegative(p.ActiveDeadlineSeconds, at.Child("activeDeadlineSeconds"))...)
	if p.ServiceAccountName != "" {
		errs = append(errs, invalid(p.ServiceAccountName, utilvalidation.IsDNS1123Subdomain(p.ServiceAccountName), at.Child("serviceAccountName"))...)
	}
	errs = append(errs, metavalidation.ValidateLabels(p.NodeSelector, at.Child("nodeSelector"))...)
	for i, v := range p.Volumes {
		errs = append(errs, invalid(v.Name, utilvalidation.IsDNS1123Label(v.Name), at.Child("volumes").Index(i).Child("name"))...)
	}
	for i, s := range p.TopologySpreadConstraints {
		at := at.Child("topologySpreadConstraints").Index(i)
		if s.MaxSkew < 1 {
			errs = append(errs, field.Invalid(at.Child("maxSkew"), s.MaxSkew, "must be 1 or more"))
		}
		errs = append(errs, oneOf(s.WhenUnsatisfiable, at.Child("whenUnsatisfiable"), corev1.DoNotSchedule, corev1.ScheduleAnyway)...)
		errs = append(errs, metavalidation.ValidateLabelSelector(s.LabelSelector, metavalidation.LabelSelectorValidationOptions{}, at.Child("labelSelector"))...)
	}
	if len(p.Containers) == 0 {
		errs = append(errs, field.Required(at.Child("containers"), ""))
	}
	names := map[string]bool{}
	for i := range p.InitContainers {
		errs = append(errs, container(&p.InitContainers[i], p, names, at.Child("initContainers").Index(i))...)
	}
	for i := range p.Containers {
		errs = append(errs, container(&p.Containers[i], p, names, at.Child("containers").Index(i))...)
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

	ports := map[string]bool{}
	for i, port := range c.Ports {
		at := at.Child("ports").Index(i)
		errs = append(errs, portNumber(port.ContainerPort, at.Child("containerPort"))...)
		errs = append(errs, protocol(port.Protocol, at.Child("protocol"))...)
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
	}
	for i, e := range c.EnvFrom {
		at := at.Child("envFrom").Index(i)
		if n := count(e.ConfigMapRef != nil, e.SecretRef != nil); n != 1 {
			errs = append(errs, field.Forbidden(at, fmt.Sprintf("has %d sources, and needs one", n)))
		}
	}
	return errs
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
			if !strings.Contains(string(name), "/") && !strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) {
				if !slices.Contains([]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage}, name) {
					errs = append(errs, field.Forbidden(at, "is not a resource of containers, which are cpu, memory and ephemeral-storage"))
				}
			}
		}
	}
	for _, name := range sortedKeys(r.Requests) {
		q := r.Requests[name]
		if limit, ok := r.Limits[name]; ok && q.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(at.Child("requests").Key(string(name)), q.String(), "is more than the limit, which is "+limit.String()))
		}
	}
	return errs
}

// probing: core validateProbe, validateLivenessProbe, validateStartupProbe. Liveness and startup need one success.
func probing(p *corev1.Probe, once bool, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if n := count(p.Exec != nil, p.HTTPGet != nil, p.TCPSocket != nil, p.GRPC != nil); n != 1 {
		errs = append(errs, field.Forbidden(at, fmt.Sprintf("has %d ways to probe, and needs one of exec, httpGet, tcpSocket and grpc", n)))
	}
	switch {
	case p.HTTPGet != nil:
		errs = append(errs, portOrName(p.HTTPGet.Port, at.Child("httpGet", "port"))...)
		errs = append(errs, oneOf(p.HTTPGet.Scheme, at.Child("httpGet", "scheme"), corev1.URISchemeHTTP, corev1.URISchemeHTTPS)...)
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
	if user != nil {
		errs = append(errs, invalid(*user, utilvalidation.IsValidUserID(*user), at.Child("runAsUser"))...)
		if *user == 0 && nonRoot != nil && *nonRoot {
			errs = append(errs, field.Invalid(at.Child("runAsUser"), *user, "is root, and runAsNonRoot is set"))
		}
	}
	if s.Privileged != nil && *s.Privileged && s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation {
		errs = append(errs, field.Forbidden(at.Child("allowPrivilegeEscalation"), "cannot be false in a privileged container"))
	}
	if s.SeccompProfile != nil {
		errs = append(errs, oneOf(s.SeccompProfile.Type, at.Child("seccompProfile", "type"), corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeLocalhost, corev1.SeccompProfileTypeUnconfined)...)
	}
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
