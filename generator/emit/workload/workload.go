// Package workload emits what Argo CD deploys for a tenant: a Deployment or a CronJob for each workload, and what
// stands around it.
//
// Invariants: every pod meets the restricted Pod Security level; an image is pulled by digest; nothing that changes
// without the workload, such as a line number, stands in a pod template, where it would restart pods.
package workload

import (
	"strconv"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/api/monitoring"
	"github.com/zavestudios/zave/internal/object"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// RetiredMarker is the ConfigMap that stands alone where a retired tenant's workloads stood: Argo CD prunes towards it,
// and a kustomization of nothing does not build.
const RetiredMarker = "retired"

// Emit gives the unit that Argo CD deploys; nothing where the manifests come from the tenant's own source.
func Emit(p *model.Placement) []unit.Unit {
	u := unit.Unit{
		Key:    unit.Key{Cluster: p.Cluster.Name, Part: unit.Workloads, Name: p.Tenant.Name},
		Origin: p.Origin,
		Hash:   p.Hash,
	}
	add := func(s model.Subject, typed any) {
		u.Objects = append(u.Objects, object.New(p.Cluster.Name, typed, s.Origin))
	}
	if p.State == model.Retired {
		add(p.Subject, &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: label.ForTenant(p, p.Subject, RetiredMarker),
			Data:       map[string]string{"state": "retired"},
		})
		return []unit.Unit{u}
	}
	if !p.Source.Generated() {
		return nil
	}
	for _, w := range p.Workloads {
		if w.Schedule != "" {
			add(w.Subject, cronJob(w))
		} else {
			add(w.Subject, deployment(w))
		}
		if w.Port != 0 || w.Metrics != nil {
			add(w.Exposure, service(w))
		}
		if w.Metrics != nil {
			add(w.Exposure, serviceMonitor(w))
		}
		// A suspended tenant runs nothing that could be scaled or must not be disrupted.
		if p.Running() && w.Schedule == "" {
			if w.Max > w.Min {
				add(w.Scale, autoscaler(w))
			}
			if w.Min >= 2 {
				add(w.Scale, disruptionBudget(w))
			}
		}
	}
	if len(u.Objects) == 0 {
		return nil
	}
	return []unit.Unit{u}
}

// running is the metadata of what runs the image.
func running(w *model.Workload) metav1.ObjectMeta {
	meta := label.ForWorkload(w, w.Subject)
	meta.Labels = label.Running(w)
	return meta
}

func deployment(w *model.Workload) *appsv1.Deployment {
	out := &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: running(w),
		Spec: appsv1.DeploymentSpec{
			Replicas: replicas(w),
			Selector: &metav1.LabelSelector{MatchLabels: label.Select(w)},
			Template: template(w),
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxUnavailable: new(intstr.FromInt32(0)),
					MaxSurge:       new(intstr.FromInt32(1)), // the quota holds room for one
				},
			},
			RevisionHistoryLimit: new(int32(3)),
		},
	}
	return out
}

// replicas is what runs at first; where an autoscaler decides, the Application leaves what it finds (emit/argo).
func replicas(w *model.Workload) *int32 {
	if !w.Placement.Running() {
		return new(int32(0))
	}
	return new(w.Min)
}

func cronJob(w *model.Workload) *batchv1.CronJob {
	t := template(w)
	t.Spec.RestartPolicy = corev1.RestartPolicyNever
	// A proxy that is an ordinary container would keep the Job from completing.
	t.Annotations["sidecar.istio.io/nativeSidecar"] = "true"
	return &batchv1.CronJob{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"},
		ObjectMeta: running(w),
		Spec: batchv1.CronJobSpec{
			Schedule:                w.Schedule,
			TimeZone:                new("Etc/UTC"),
			StartingDeadlineSeconds: new(int64(300)),
			ConcurrencyPolicy:       batchv1.ForbidConcurrent,
			Suspend:                 new(!w.Placement.Running()),
			JobTemplate: batchv1.JobTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: label.Running(w)},
				Spec: batchv1.JobSpec{
					ActiveDeadlineSeconds:   new(w.Deadline),
					BackoffLimit:            new(int32(1)),
					TTLSecondsAfterFinished: new(int32(24 * 60 * 60)),
					Template:                t,
				},
			},
			SuccessfulJobsHistoryLimit: new(int32(3)),
			FailedJobsHistoryLimit:     new(int32(3)),
		},
	}
}

// template is the pod, at the restricted Pod Security level (Kubernetes, "Pod Security Standards").
func template(w *model.Workload) corev1.PodTemplateSpec {
	spec := corev1.PodSpec{
		ServiceAccountName:           w.Name,
		AutomountServiceAccountToken: new(false),
		EnableServiceLinks:           new(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   new(true),
			RunAsUser:      new(w.RunAs),
			RunAsGroup:     new(w.RunAs),
			FSGroup:        new(w.RunAs),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{container(w)},
	}
	if w.Schedule == "" && w.Max > 1 {
		spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew:           1,
			TopologyKey:       corev1.LabelHostname,
			WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector:     &metav1.LabelSelector{MatchLabels: label.Select(w)},
			MatchLabelKeys:    []string{appsv1.DefaultDeploymentUniqueLabelKey},
		}}
	}
	// Without a limit one pod could fill the node's disk for all.
	scratch := resource.MustParse("1Gi")
	for i, path := range w.Writable {
		name := volume(i)
		spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path})
		spec.Volumes = append(spec.Volumes, corev1.Volume{
			Name:         name,
			VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &scratch}},
		})
	}
	if w.Login != "" && w.Placement.Database.Verified(w.Placement) {
		name, c := model.AuthoritySecret, &spec.Containers[0]
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: model.AuthorityDir, ReadOnly: true})
		spec.Volumes = append(spec.Volumes, corev1.Volume{
			Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name}},
		})
	}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: label.Running(w), Annotations: sidecar(w)},
		Spec:       spec,
	}
}

func volume(i int) string { return "writable-" + strconv.Itoa(i) }

// sidecar sizes the mesh's proxy (Istio, "Resource Annotations"): what its template gives it would not fit the quota.
func sidecar(w *model.Workload) map[string]string {
	out := map[string]string{"kubectl.kubernetes.io/default-container": w.Name}
	r := w.Placement.Tenant.Platform.Sidecar
	out["sidecar.istio.io/proxyCPU"] = r.Requests.CPU.String()
	out["sidecar.istio.io/proxyMemory"] = r.Requests.Memory.String()
	out["sidecar.istio.io/proxyCPULimit"] = r.Limits.CPU.String()
	out["sidecar.istio.io/proxyMemoryLimit"] = r.Limits.Memory.String()
	return out
}

func container(w *model.Workload) corev1.Container {
	c := corev1.Container{
		Name:            w.Name,
		Image:           w.Image.Ref(),
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         w.Command,
		Args:            w.Args,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: w.Resources.Requests.CPU, corev1.ResourceMemory: w.Resources.Requests.Memory},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: w.Resources.Limits.CPU, corev1.ResourceMemory: w.Resources.Limits.Memory},
		},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	if w.Port != 0 {
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: portName(w), ContainerPort: w.Port, Protocol: corev1.ProtocolTCP})
	}
	if ownMetricsPort(w) {
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: "http-metrics", ContainerPort: w.Metrics.Port, Protocol: corev1.ProtocolTCP})
	}
	for _, e := range w.Env {
		// A dollar sign would be read as a reference to another variable (core/v1 EnvVar.value): it is what was written.
		c.Env = append(c.Env, corev1.EnvVar{Name: e.Name, Value: escapeReferences(e.Value)})
	}
	for _, s := range w.Secrets {
		c.EnvFrom = append(c.EnvFrom, envFrom(s.Name))
	}
	if w.Login != "" {
		c.EnvFrom = append(c.EnvFrom, envFrom(model.DatabaseSecret(w.Login)))
	}
	probes(w, &c)
	return c
}

// escapeReferences doubles the dollar sign of each "$(", so that Kubernetes leaves the value alone.
func escapeReferences(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '$' && i+1 < len(s) && (s[i+1] == '(' || s[i+1] == '$') {
			out = append(out, '$')
		}
		out = append(out, s[i])
	}
	return string(out)
}

func envFrom(secret string) corev1.EnvFromSource {
	return corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}}
}

// portName begins with the protocol, by which the mesh knows how to speak (Istio, "Protocol Selection").
func portName(w *model.Workload) string {
	if w.GRPC() {
		return "grpc"
	}
	return "http"
}

func ownMetricsPort(w *model.Workload) bool { return w.Metrics != nil && w.Metrics.Port != w.Port }

// probes asks the health paths; a gRPC workload is asked over gRPC, and one that serves a port and says nothing of its
// health is ready once the port accepts.
func probes(w *model.Workload, c *corev1.Container) {
	get := func(path string) corev1.ProbeHandler {
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http")}}
	}
	if h := w.Health; h != (model.Health{}) && w.Port != 0 {
		if h.Startup != "" {
			c.StartupProbe = &corev1.Probe{ProbeHandler: get(h.Startup), PeriodSeconds: 5, TimeoutSeconds: 3, FailureThreshold: 60}
		}
		if h.Ready != "" {
			c.ReadinessProbe = &corev1.Probe{ProbeHandler: get(h.Ready), PeriodSeconds: 10, TimeoutSeconds: 3, FailureThreshold: 3}
		}
		if h.Live != "" {
			c.LivenessProbe = &corev1.Probe{ProbeHandler: get(h.Live), PeriodSeconds: 20, TimeoutSeconds: 5, FailureThreshold: 3}
		}
		return
	}
	switch {
	case w.Port == 0:
	case w.GRPC():
		c.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: w.Port, Service: new("")}}, PeriodSeconds: 10, TimeoutSeconds: 3, FailureThreshold: 3}
	default:
		c.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("http")}}, PeriodSeconds: 10, TimeoutSeconds: 3, FailureThreshold: 3}
	}
}

func service(w *model.Workload) *corev1.Service {
	spec := corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Selector: label.Select(w)}
	if w.Port != 0 {
		protocol := "http"
		if w.GRPC() {
			protocol = "grpc"
		}
		spec.Ports = append(spec.Ports, corev1.ServicePort{
			Name: portName(w), AppProtocol: &protocol, Protocol: corev1.ProtocolTCP, Port: w.Port, TargetPort: intstr.FromString(portName(w)),
		})
	}
	if ownMetricsPort(w) {
		spec.Ports = append(spec.Ports, corev1.ServicePort{
			Name: "http-metrics", AppProtocol: new("http"), Protocol: corev1.ProtocolTCP, Port: w.Metrics.Port, TargetPort: intstr.FromString("http-metrics"),
		})
	}
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: label.ForWorkload(w, w.Exposure),
		Spec:       spec,
	}
}

// serviceMonitor scrapes through mutual TLS with the certificates that the mesh writes into Prometheus's pod (Istio,
// "Integrations: Prometheus", TLS settings). The server is known by its identity, not by a host name.
func serviceMonitor(w *model.Workload) *monitoring.ServiceMonitor {
	port := "http-metrics"
	if !ownMetricsPort(w) {
		port = portName(w)
	}
	const certs = "/etc/prom-certs/"
	return &monitoring.ServiceMonitor{
		TypeMeta:   metav1.TypeMeta{APIVersion: monitoring.APIVersion, Kind: "ServiceMonitor"},
		ObjectMeta: label.ForWorkload(w, w.Exposure),
		Spec: monitoring.ServiceMonitorSpec{
			Selector: metav1.LabelSelector{MatchLabels: label.Select(w)},
			Endpoints: []monitoring.Endpoint{{
				Port: port, Path: w.Metrics.Path, Interval: "30s", Scheme: "https",
				TLSConfig: &monitoring.TLSConfig{
					CAFile: certs + "root-cert.pem", CertFile: certs + "cert-chain.pem", KeyFile: certs + "key.pem", InsecureSkipVerify: true,
				},
			}},
		},
	}
}

// autoscaler looks at the workload's own container: a busy proxy is no reason for more pods.
func autoscaler(w *model.Workload) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: label.ForWorkload(w, w.Scale),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: w.Name},
			MinReplicas:    new(w.Min),
			MaxReplicas:    w.Max,
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ContainerResourceMetricSourceType,
				ContainerResource: &autoscalingv2.ContainerResourceMetricSource{
					Name:      corev1.ResourceCPU,
					Container: w.Name,
					Target:    autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(75))},
				},
			}},
			Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
				ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: new(int32(300))},
			},
		},
	}
}

func disruptionBudget(w *model.Workload) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"},
		ObjectMeta: label.ForWorkload(w, w.Scale),
		Spec: policyv1.PodDisruptionBudgetSpec{
			Selector:       &metav1.LabelSelector{MatchLabels: label.Select(w)},
			MaxUnavailable: new(intstr.FromInt32(1)),
			// A pod that never became ready must not keep a node from being drained.
			UnhealthyPodEvictionPolicy: new(policyv1.AlwaysAllow),
		},
	}
}
