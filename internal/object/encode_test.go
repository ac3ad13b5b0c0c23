package object

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	yaml3 "go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// corpus is one object of each kind that zave emits with types of others, filled in as the emitters do.
func corpus() []any {
	meta := metav1.ObjectMeta{
		Name: "web", Namespace: "panchito",
		Labels:      map[string]string{"app.kubernetes.io/name": "web", "zave.io/tenant": "panchito", "app.kubernetes.io/version": "1.10"},
		Annotations: map[string]string{"zave.io/source": "tenants/panchito/tenant.cue:14", "zave.io/spec-hash": "5e14"},
	}
	kind := func(version, kind string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: version, Kind: kind} }
	labels := map[string]string{"zave.io/workload": "web"}
	resources := corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("128Mi")},
		Limits:   corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("256Mi")},
	}
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http")}},
			PeriodSeconds: 10, FailureThreshold: 3, TimeoutSeconds: 2,
		}
	}
	pod := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{"sidecar.istio.io/inject": "true"}},
		Spec: corev1.PodSpec{
			ServiceAccountName:           "web",
			AutomountServiceAccountToken: new(bool),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: ptr(true), RunAsUser: ptr(int64(1000)), FSGroup: ptr(int64(1000)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			ImagePullSecrets: []corev1.LocalObjectReference{{Name: "ghcr-secret"}},
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: "kubernetes.io/hostname", WhenUnsatisfiable: corev1.ScheduleAnyway,
				LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
			}},
			Volumes: []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			Containers: []corev1.Container{{
				Name:    "web",
				Image:   "ghcr.io/zavestudios/panchito:sha-5df14da@sha256:" + strings.Repeat("0f", 32),
				Command: []string{"gunicorn", "--bind=:8000", "-w", "2", "app:create_app()"},
				Ports:   []corev1.ContainerPort{{Name: "http", ContainerPort: 8000, Protocol: corev1.ProtocolTCP}},
				Env: []corev1.EnvVar{
					{Name: "FLASK_ENV", Value: "production"}, {Name: "DEBUG", Value: "no"}, {Name: "WORKERS", Value: "2"},
					{Name: "DATABASE_URL", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
						LocalObjectReference: corev1.LocalObjectReference{Name: "database"}, Key: "url"}}},
				},
				EnvFrom:      []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "app"}}}},
				Resources:    resources,
				StartupProbe: probe("/api/v1/health"), ReadinessProbe: probe("/api/v1/health/ready"), LivenessProbe: probe("/api/v1/health/live"),
				VolumeMounts: []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(bool), ReadOnlyRootFilesystem: ptr(true),
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
	job := batchv1.JobSpec{BackoffLimit: ptr(int32(3)), ActiveDeadlineSeconds: ptr(int64(600)), Template: pod}
	sql := "-- Lock down what every role may do.\nBEGIN;\n\nREVOKE ALL ON SCHEMA public FROM PUBLIC;\nDO $$\nBEGIN\n\tRAISE NOTICE 'done: %', 1;\nEND\n$$;\nCOMMIT;\n"
	return []any{
		&corev1.Namespace{TypeMeta: kind("v1", "Namespace"), ObjectMeta: metav1.ObjectMeta{Name: "panchito", Labels: map[string]string{
			"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "v1.34", "istio-injection": "enabled"}}},
		&corev1.ResourceQuota{TypeMeta: kind("v1", "ResourceQuota"), ObjectMeta: meta, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
			"requests.cpu": resource.MustParse("4"), "requests.memory": resource.MustParse("8Gi"), "pods": resource.MustParse("30"),
			"services.loadbalancers": resource.MustParse("0"), "limits.cpu": resource.MustParse("0.5"), "requests.storage": resource.MustParse("1e3")}}},
		&corev1.LimitRange{TypeMeta: kind("v1", "LimitRange"), ObjectMeta: meta, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Default: resources.Limits, DefaultRequest: resources.Requests, Max: corev1.ResourceList{"cpu": resource.MustParse("2")}}}}},
		&corev1.ServiceAccount{TypeMeta: kind("v1", "ServiceAccount"), ObjectMeta: meta, AutomountServiceAccountToken: new(bool)},
		&rbacv1.Role{TypeMeta: kind("rbac.authorization.k8s.io/v1", "Role"), ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"", "apps"}, Resources: []string{"pods", "*"}, Verbs: []string{"get", "list"}}}},
		&rbacv1.RoleBinding{TypeMeta: kind("rbac.authorization.k8s.io/v1", "RoleBinding"), ObjectMeta: meta,
			RoleRef:  rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "team"},
			Subjects: []rbacv1.Subject{{Kind: "Group", APIGroup: "rbac.authorization.k8s.io", Name: "team:data"}}},
		&networkingv1.NetworkPolicy{TypeMeta: kind("networking.k8s.io/v1", "NetworkPolicy"), ObjectMeta: metav1.ObjectMeta{Name: "default-deny", Namespace: "panchito"},
			Spec: networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Ingress", "Egress"}}},
		&networkingv1.NetworkPolicy{TypeMeta: kind("networking.k8s.io/v1", "NetworkPolicy"), ObjectMeta: meta, Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: labels},
			PolicyTypes: []networkingv1.PolicyType{"Ingress", "Egress"},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From: []networkingv1.NetworkPolicyPeer{{
					NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "istio-gateway"}},
					PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"istio": "public-ingressgateway"}},
				}},
				Ports: []networkingv1.NetworkPolicyPort{{Protocol: ptr(corev1.ProtocolTCP), Port: ptr(intstr.FromInt32(8000))}},
			}},
			Egress: []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{
				{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"169.254.169.254/32", "10.42.0.0/16"}}}, {PodSelector: &metav1.LabelSelector{}}}}},
		}},
		&appsv1.Deployment{TypeMeta: kind("apps/v1", "Deployment"), ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
			Replicas: ptr(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: labels}, RevisionHistoryLimit: ptr(int32(3)), Template: pod}},
		&batchv1.Job{TypeMeta: kind("batch/v1", "Job"), ObjectMeta: meta, Spec: job},
		&batchv1.CronJob{TypeMeta: kind("batch/v1", "CronJob"), ObjectMeta: meta, Spec: batchv1.CronJobSpec{
			Schedule: "*/5 3 * * 1-5", TimeZone: ptr("Etc/UTC"), ConcurrencyPolicy: batchv1.ForbidConcurrent, JobTemplate: batchv1.JobTemplateSpec{Spec: job}}},
		&corev1.Service{TypeMeta: kind("v1", "Service"), ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{
			{Name: "http", Port: 80, TargetPort: intstr.FromString("http"), AppProtocol: ptr("http")}, {Name: "metrics", Port: 9394, TargetPort: intstr.FromInt32(9394)}}}},
		&autoscalingv2.HorizontalPodAutoscaler{TypeMeta: kind("autoscaling/v2", "HorizontalPodAutoscaler"), ObjectMeta: meta, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MinReplicas: ptr(int32(1)), MaxReplicas: 3,
			Metrics: []autoscalingv2.MetricSpec{{Type: "Resource", Resource: &autoscalingv2.ResourceMetricSource{Name: "cpu", Target: autoscalingv2.MetricTarget{Type: "Utilization", AverageUtilization: ptr(int32(70))}}}}}},
		&policyv1.PodDisruptionBudget{TypeMeta: kind("policy/v1", "PodDisruptionBudget"), ObjectMeta: meta, Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: ptr(intstr.FromString("50%")), Selector: &metav1.LabelSelector{MatchLabels: labels}}},
		&corev1.ConfigMap{TypeMeta: kind("v1", "ConfigMap"), ObjectMeta: meta, BinaryData: map[string][]byte{"logo": {0, 1, 2, 255}},
			Data: map[string]string{"bootstrap.sql": sql, "empty": "", "no": "yes", "indented": "  select 1\n  from t", "end": "a\n\n\n"}},
		&kustomizev1.Kustomization{TypeMeta: kind("kustomize.toolkit.fluxcd.io/v1", "Kustomization"), ObjectMeta: meta, Spec: kustomizev1.KustomizationSpec{
			Interval: metav1.Duration{Duration: 10 * time.Minute}, RetryInterval: &metav1.Duration{Duration: 30 * time.Second}, Timeout: &metav1.Duration{Duration: 5 * time.Minute},
			Path: "./tenants/sandbox/panchito/platform", Prune: true, Wait: true, DependsOn: []kustomizev1.DependencyReference{{Name: "platform-istiod"}},
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "platform-gitops"}}},
		&helmv2.HelmRelease{TypeMeta: kind("helm.toolkit.fluxcd.io/v2", "HelmRelease"), ObjectMeta: meta, Spec: helmv2.HelmReleaseSpec{
			Interval: metav1.Duration{Duration: time.Hour}, TargetNamespace: "monitoring",
			Chart: &helmv2.HelmChartTemplate{Spec: helmv2.HelmChartTemplateSpec{Chart: "kube-prometheus-stack", Version: "77.6.2",
				SourceRef: helmv2.CrossNamespaceObjectReference{Kind: "HelmRepository", Name: "prometheus-community"}}},
			Install: &helmv2.Install{CRDs: helmv2.CreateReplace, Remediation: &helmv2.InstallRemediation{Retries: 3}},
			Values: &apiextensionsv1.JSON{Raw: []byte(`{"prometheus":{"retention":"15d","ratio":0.75,"big":1e21,"replicas":1,"on":true,"extra":{},"list":[[1,2],["a",{"b":[]}]],"off":null},
				"alertmanager":{"enabled":false,"config":"route:\n  receiver: none\n"},"a":"1"}`)}}},
		&sourcev1.HelmRepository{TypeMeta: kind("source.toolkit.fluxcd.io/v1", "HelmRepository"), ObjectMeta: meta, Spec: sourcev1.HelmRepositorySpec{
			URL: "https://charts.example.org", Interval: metav1.Duration{Duration: time.Hour}}},
		&sourcev1.OCIRepository{TypeMeta: kind("source.toolkit.fluxcd.io/v1", "OCIRepository"), ObjectMeta: meta, Spec: sourcev1.OCIRepositorySpec{
			URL: "oci://ghcr.io/zavestudios/charts/web", Reference: &sourcev1.OCIRepositoryRef{Tag: "1.10"}, Interval: metav1.Duration{Duration: time.Hour}}},
		&sourcev1.GitRepository{TypeMeta: kind("source.toolkit.fluxcd.io/v1", "GitRepository"), ObjectMeta: meta, Spec: sourcev1.GitRepositorySpec{
			URL: "https://github.com/zavestudios/platform-gitops", Reference: &sourcev1.GitRepositoryRef{Branch: "main"},
			Interval: metav1.Duration{Duration: time.Minute}, SecretRef: &fluxmeta.LocalObjectReference{Name: "git"}}},
		map[string]any{
			"kind": "VirtualService", "apiVersion": "networking.istio.io/v1", "status": map[string]any{"a": 1},
			"metadata": map[string]any{"annotations": map[string]string{"b": "2", "a": "1"}, "uid": "x", "name": "web", "creationTimestamp": nil},
			"spec":     map[string]any{"hosts": []string{"panchito.zavestudios.com"}, "weight": int64(100), "rate": 1.5, "none": []any{}, "http": []any{map[string]any{}, []any{[]any{"a"}}}},
		},
		apiextensionsv1.JSON{Raw: []byte(`{"apiVersion":"v1","kind":"List","status":{"a":[{}]},"items":[{"creationTimestamp":null,"a":"b"}]}`)},
		runtime.RawExtension{Raw: []byte(`{"z":[],"a":{"b":"\u2028"}}`)},
	}
}

//go:fix inline
func ptr[T any](v T) *T { return new(v) }

// generic gives v as encoding/json sees it, then normalised as Marshal documents; it is the oracle.
func generic(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	if m, ok := tree.(map[string]any); ok {
		delete(m, "status")
	}
	normalise(tree, reflect.TypeOf(v))
	return tree
}

func normalise(tree any, t reflect.Type) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	elem := func() reflect.Type {
		if t == nil || t.Kind() != reflect.Slice && t.Kind() != reflect.Array && t.Kind() != reflect.Map {
			return nil
		}
		return t.Elem()
	}
	switch tree := tree.(type) {
	case []any:
		for _, x := range tree {
			normalise(x, elem())
		}
	case map[string]any:
		for k, x := range tree {
			if x == nil && k == "creationTimestamp" {
				delete(tree, k)
				continue
			}
			if t == nil || t.Kind() != reflect.Struct {
				normalise(x, elem())
				continue
			}
			sf, ok := jsonField(t, k)
			if !ok {
				normalise(x, nil)
				continue
			}
			normalise(x, sf.Type)
			if text, ok := x.(string); ok && (sf.Type == reflect.TypeFor[metav1.Duration]() || sf.Type == reflect.TypeFor[*metav1.Duration]()) {
				d, err := time.ParseDuration(text)
				if err != nil {
					panic(err)
				}
				tree[k] = short(d)
			}
			_, marshals := reflect.New(sf.Type).Interface().(json.Marshaler)
			m, isMap := x.(map[string]any)
			if isMap && len(m) == 0 && sf.Type.Kind() == reflect.Struct && !marshals && strings.Contains(sf.Tag.Get("json"), ",omitempty") {
				delete(tree, k)
			}
		}
	}
}

func jsonField(t reflect.Type, key string) (reflect.StructField, bool) {
	for _, sf := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(sf.Tag.Get("json"), ","); name == key || name == "" && !sf.Anonymous && sf.Name == key {
			return sf, true
		}
	}
	return reflect.StructField{}, false
}

func sameAsJSON(t *testing.T, v any) {
	t.Helper()
	text := Marshal(v)
	var got any
	if err := yaml.UnmarshalStrict(text, &got); err != nil {
		t.Fatalf("%T: %v\n%s", v, err, text)
	}
	if want := generic(t, v); !reflect.DeepEqual(got, want) {
		t.Errorf("%T:\n got %v\nwant %v\n%s", v, got, want, text)
	}
	if text[len(text)-1] != '\n' {
		t.Errorf("%T does not end in a newline", v)
	}
	if again := Marshal(v); string(again) != string(text) {
		t.Errorf("%T is not the same twice", v)
	}
}

func TestMarshalCorpus(t *testing.T) {
	for _, v := range corpus() {
		sameAsJSON(t, v)
	}
}

// TestMarshalRandom fills the types in at random: fields no emitter sets yet, and strings that mean something else.
func TestMarshalRandom(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 4
	}
	for seed := range rounds {
		f := filler{rand.New(rand.NewPCG(uint64(seed), 1))}
		for _, v := range corpus() {
			if rt := reflect.TypeOf(v); rt.Kind() == reflect.Pointer {
				x := reflect.New(rt.Elem())
				f.fill(x.Elem(), 0)
				sameAsJSON(t, x.Interface())
			}
		}
	}
}

type filler struct{ *rand.Rand }

func (f filler) fill(v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *resource.Quantity:
		*x = *resource.NewMilliQuantity(f.Int64N(1e7), resource.DecimalSI)
		return
	case *metav1.Time:
		*x = metav1.Unix(f.Int64N(1e9), 0)
		return
	case *metav1.MicroTime:
		*x = metav1.NewMicroTime(time.Unix(f.Int64N(1e9), 0))
		return
	case *metav1.Duration:
		x.Duration = time.Duration(f.Int64N(1e15))
		return
	case *intstr.IntOrString:
		*x = intstr.FromInt32(f.Int32N(100))
		if f.IntN(2) == 0 {
			*x = intstr.FromString(f.word())
		}
		return
	case *apiextensionsv1.JSON:
		x.Raw = fmt.Appendf(nil, `{"b":[1,-2.5e-9,{}],"a":%q,"n":null}`, []rune(f.word())[:0])
		return
	case *runtime.RawExtension:
		x.Raw = []byte(`{"b":{},"a":[[]]}`)
		return
	case *metav1.FieldsV1:
		*x = metav1.FieldsV1{}
		x.SetRawString(`{"f:metadata":{}}`)
		return
	}
	some := depth < 3 || f.IntN(3) == 0 && depth < 9
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(f.Int64N(120))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(f.Uint64N(120))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(f.NormFloat64() * 1e22)
	case reflect.String:
		v.SetString(f.word())
	case reflect.Pointer:
		if some {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 0, 2))
		for range f.IntN(3) {
			if !some && v.Type().Elem().Kind() == reflect.Struct {
				break
			}
			x := reflect.New(v.Type().Elem()).Elem()
			f.fill(x, depth+1)
			v.Set(reflect.Append(v, x))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range f.IntN(4) {
			k, x := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(k, depth+1)
			f.fill(x, depth+1)
			v.SetMapIndex(k, x)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			sf := v.Type().Field(i)
			optional := strings.Contains(sf.Tag.Get("json"), ",omitempty")
			pointer := sf.Type.Kind() == reflect.Pointer
			if !sf.IsExported() || optional && sf.Type.Kind() != reflect.Struct && f.IntN(3) == 0 {
				continue
			}
			d := depth + 1
			if pointer && !optional {
				d = 0 // a required pointer: nil would be null
			}
			f.fill(v.Field(i), d)
		}
	}
}

// hard are strings that some reader takes for something else, or that are easily broken.
var hard = []string{
	"", "~", "null", "Null", "NULL", "true", "True", "yes", "Yes", "no", "NO", "on", "off", "y", "Y", "n", "N", "=", "<<", "-", "--", "---", "--- a", "...", "... a",
	"?", ":", ",", "[", "]", "{", "}", "#", "&a", "*a", "!a", "!!str a", "|", "|-", ">", "'", "\"", "%", "@", "`", "? a", "- a", ": a", "a: b", "a:", "a :b", "a #b", "a# b", "#a",
	"0", "1", "-1", "+1", "010", "0x1F", "0o7", "0b1", "1_000", "1,000", "1e3", "1E3", "1.5", ".5", "5.", "-.5", "1e+3", "5e14", "12:30:45", "1:30", "190:20:30.15", ".inf", "-.Inf", "+.INF", ".nan", ".NaN",
	"2001-01-01", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43", "1.34", "1.34.3", "10.0.0.1", "_1", "1_", "0 3 * * *",
	" a", "a ", " ", "\t", "a\t", "\ta", "a\tb", "\n", "\n\n", "a\n", "a\n\n", "\na", "\n a", " \n", " \na", "a\n ", "a\n \n", "a\n \nb\n", "a\nb", "  a\nb\n", "\ta\nb\n", "a\n\tb", "\n\n  a\n\n",
	"a\r\nb", "a\rb", "#a\nb", "---\na", "a\n---\n", "a\n...\n", "- a\n- b\n", "a: b\nc: d\n", "\u00a0", "a\u00a0b", "a\u2028b", "a\u2029b\n", "a\u0085b", "\ufeff", "\ufeffa\nb", "\u200b", "\u202e", "\x00", "\a\b\v\f\x1b\x7f",
	"é", "日本語", "😀", "👩‍👩‍👧", "\ufffd", "\uffff", "\U000e0001", "\ue000", "\\", "\\n", "a\\", "'a'", "\"a\"", "{\"a\":\"b\"}", "${a}", "$(a)", "a,b", "a]b", "<a>", "!", "100m", "1Gi", "5df14da", "80%", "10.42.0.0/16", "*/5 * * * *",
}

func (f filler) word() string {
	if f.IntN(2) == 0 {
		return hard[f.IntN(len(hard))]
	}
	return fmt.Sprintf("w%x", f.Uint32())
}

// roundTrip writes a string in every position that has rules of its own.
func roundTrip(t *testing.T, s string) {
	t.Helper()
	want := strings.ToValidUTF8(s, "\ufffd")
	if !utf8.ValidString(s) { // ToValidUTF8 replaces runs, encoding/json each byte
		text, _ := json.Marshal(s)
		_ = json.Unmarshal(text, &want)
	}
	type nested struct {
		A map[string]string `json:"a"`
		B []any             `json:"b"`
	}
	for _, v := range []any{
		s,
		map[string]string{"k": s, "l": "x"},
		map[string]any{want: map[string]any{want: []any{}}, want + "x": true},
		[]any{s, []string{s, s}, map[string]string{want: s, want + "x": s}},
		nested{A: map[string]string{"k": s}, B: []any{s, map[string]any{"k": s, "l": []any{[]string{s}}}, s}},
	} {
		text := Marshal(v)
		plain, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var got, tree any
		if err := json.Unmarshal(plain, &tree); err != nil {
			t.Fatal(err)
		}
		if m, ok := tree.(map[string]any); ok && len(m) == 2 && want == "status" {
			delete(m, "status")
		}
		if err := yaml.UnmarshalStrict(text, &got); err != nil {
			t.Fatalf("%q: %v\n%s", s, err, text)
		}
		if !reflect.DeepEqual(got, tree) {
			t.Fatalf("%q:\n got %#v\nwant %#v\n%s", s, got, tree, text)
		}
		var modern any // by the rules of YAML 1.2, mostly
		if err := yaml3.Unmarshal(text, &modern); err != nil {
			t.Fatalf("%q: %v\n%s", s, err, text)
		}
		if !reflect.DeepEqual(modern, tree) {
			t.Fatalf("%q, by yaml/v3:\n got %#v\nwant %#v\n%s", s, modern, tree, text)
		}
	}
}

func TestMarshalHardStrings(t *testing.T) {
	for _, s := range append(hard, "a\xffb", "\xed\xa0\x80", strings.Repeat("k", 2000), strings.Repeat("word ", 50)+"end") {
		roundTrip(t, s)
	}
}

func FuzzMarshalString(f *testing.F) {
	for _, s := range hard {
		f.Add(s)
	}
	f.Fuzz(roundTrip)
}

// TestStyle holds what a reviewer sees. The words that only some readers take for something else are here because
// the reader used elsewhere in these tests is not one of those.
func TestStyle(t *testing.T) {
	for _, s := range []string{"web", "--bind=:8000", "-c", "a b", "a:b", "a#b", "/tmp", "100m", "1Gi", "80%", "10m0s", "v1.34", "sha-5df14da", "10.42.0.0/16", "169.254.169.254/32",
		"https://a.example/b?c=d#e", "app:create_app()", "zave.io/tenant", "$(NAME)", "it's", "say \"no\"", "ghcr.io/a/b:c@sha256:0f", "日本語", "😀", "nope", "yesterday", ".git"} {
		if got := styleOf(s); got != plainStyle {
			t.Errorf("%q has style %d, not plain", s, got)
		}
	}
	for _, s := range []string{"", "~", "null", "yes", "No", "ON", "y", "N", "=", "<<", "0x1F", "0o7", "010", "1_000", "1,000", "1e3", "5e14", ".5", ".inf", "-.Inf", ".NaN", "12:30:45", "2001-01-01",
		"2001-12-14 21:59:43", "1.10", "1.34.3", "-", "--- a", "...", "a: b", "a:", "a #b", " a", "a ", "\ta", "a\u00a0b", "a\u2028b", "a\nb\u202e", "\ufeff", "\x00", "a\xff", "\n", "0 3 * * *", "*/5 * * * *", "@daily", "%a", "`a"} {
		if got := styleOf(s); got != quotedStyle {
			t.Errorf("%q has style %d, not quoted", s, got)
		}
	}
	for _, s := range []string{"a\nb", "a\n", "\na\n\n", "  a\nb\n", "\ta\nb", "a\n  \nb\n", "# a\n"} {
		if got := styleOf(s); got != literalStyle {
			t.Errorf("%q has style %d, not literal", s, got)
		}
	}
}

type inner struct {
	X int    `json:"x,omitempty"`
	N string `json:"name"`
}

type middle struct {
	inner `json:",inline"`
	N     string `json:"name"`
}

type sample struct {
	Spec struct {
		Strategy inner2  `json:"strategy,omitempty"`
		Selector inner2  `json:"selector"`
		Pointer  *inner2 `json:"pointer,omitempty"`
		Nested   struct {
			A inner2 `json:"a,omitempty"`
		} `json:"nested,omitempty"`
		Zero     inner2      `json:"zero,omitzero"`
		Never    metav1.Time `json:"never,omitzero"`
		Created  metav1.Time `json:"creationTimestamp"`
		Number   int         `json:"number,string"`
		Hidden   string      `json:"-"`
		Untagged float64
		Array    [2]uint8       `json:"array"`
		Bytes    []byte         `json:"bytes"`
		Keys     map[int]string `json:"keys"`
		Big      json.Number    `json:"big"`
		Small    float32        `json:"small"`
		List     []string       `json:"list"`
	} `json:"spec"`
	Status string `json:"status"`
	*middle
	metav1.ObjectMeta `json:"metadata"`
	metav1.TypeMeta
}

type inner2 struct {
	B bool `json:"b,omitempty"`
}

func TestMarshalTags(t *testing.T) {
	v := sample{Status: "dropped", middle: &middle{N: "middle"}}
	v.APIVersion, v.Kind, v.Name, v.Finalizers, v.Namespace = "a/v1", "K", "n", []string{"f"}, "ns"
	v.GenerateName, v.Labels = "g", map[string]string{"b": "1", "a": "true"}
	s := &v.Spec
	s.Pointer, s.Number, s.Hidden, s.Untagged = &inner2{}, 7, "h", 1e21
	s.Bytes, s.Keys, s.Big, s.Small, s.List = []byte("hi"), map[int]string{10: "ten", 9: "nine"}, "1E400", 1e-7, []string{}
	const want = `apiVersion: a/v1
kind: K
metadata:
  name: "n"
  namespace: ns
  labels:
    a: "true"
    b: "1"
  generateName: g
  finalizers:
  - f
spec:
  selector: {}
  pointer: {}
  number: "7"
  Untagged: 1.0e+21
  array:
  - 0
  - 0
  bytes: aGk=
  keys:
    "10": ten
    "9": nine
  big: 1.0e+400
  small: 1.0e-07
  list: []
name: middle
`
	if got := string(Marshal(v)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMarshalPanics(t *testing.T) {
	type recursive struct {
		Next []recursive `json:"next"`
	}
	for _, test := range []struct {
		v    any
		want string
	}{
		{nil, "nil"},
		{(*corev1.Pod)(nil), "*v1.Pod: is null"},
		{&rbacv1.Role{}, "object: *v1.Role: rules is null"},
		{&appsv1.Deployment{Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{}}}, "spec.template.spec.containers is null"},
		{&networkingv1.NetworkPolicy{Spec: networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}, {From: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{}}}}}}}, ""},
		{recursive{Next: []recursive{{Next: []recursive{}}, {}}}, "next[1].next is null"},
		{map[string]any{"spec": map[string]any{"a": []any{1, nil}}}, "spec.a[1] is null"},
		{map[string]any{"a": math.Inf(1)}, "a is +Inf"},
		{map[string]any{"a": json.RawMessage(nil)}, "a is null"},
		{map[string]any{"a": json.RawMessage("{")}, "a "},
		{map[string]any{"a": json.RawMessage("1 2")}, "a is more"},
		{map[string]any{"a": func() {}}, "func()"},
	} {
		func() {
			defer func() {
				if got := recover(); (got == nil) != (test.want == "") || got != nil && !strings.Contains(fmt.Sprint(got), test.want) {
					t.Errorf("%T: %v, want %q", test.v, got, test.want)
				}
			}()
			Marshal(test.v)
		}()
	}
}

func TestMarshalParallel(t *testing.T) {
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for _, v := range corpus() {
				sameAsJSON(t, v)
			}
		})
	}
}

func TestMarshalMapOrder(t *testing.T) {
	v := map[string]any{
		"spec": map[string]any{"name": "b", "a": "a"}, "data": map[string]string{}, "kind": "K", "apiVersion": "v1",
		"metadata": map[string]any{"annotations": map[string]string{}, "finalizers": []string{}, "name": "x", "labels": map[string]string{"b": "b", "a": "a"}},
	}
	const want = `apiVersion: v1
kind: K
metadata:
  name: x
  labels:
    a: a
    b: b
  annotations: {}
  finalizers: []
data: {}
spec:
  a: a
  name: b
`
	if got := string(Marshal(v)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

type left struct{ A, B, C int }

type right struct {
	A int `json:"A"` // tagged: it wins
	B int // as good as the other: neither stands
}

func TestMarshalFieldConflicts(t *testing.T) {
	v := struct {
		left
		right
	}{left{1, 2, 3}, right{4, 5}}
	sameAsJSON(t, v)
	if got := string(Marshal(v)); got != "C: 3\nA: 4\n" {
		t.Errorf("got %s", got)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Minute: "1h30m",
		time.Hour + 5*time.Second: "1h0m5s", 100 * time.Minute: "1h40m", 250 * time.Millisecond: "250ms", -time.Minute: "-1m",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%v) = %q, not %q", d, got, want)
		}
		if back, err := time.ParseDuration(short(d)); err != nil || back != d {
			t.Errorf("%q reads as %v, not %v: %v", short(d), back, d, err)
		}
	}
}

// TestOrderNamesFields sees that every word of every order is a key of its type: a misspelt one would be passed over.
func TestOrderNamesFields(t *testing.T) {
	for _, typ := range ordered() {
		keys := map[string]bool{"*": true}
		for _, f := range planOf(typ).fields {
			keys[f.name] = true
		}
		for word := range strings.SplitSeq(order(typ), " ") {
			if !keys[word] {
				t.Errorf("%v has no key %q", typ, word)
			}
		}
		if order(typ) == "*" {
			t.Errorf("%v has no order", typ)
		}
	}
}

func ordered() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[metav1.ObjectMeta](), reflect.TypeFor[appsv1.DeploymentSpec](), reflect.TypeFor[autoscalingv2.ContainerResourceMetricSource](),
		reflect.TypeFor[autoscalingv2.CrossVersionObjectReference](), reflect.TypeFor[batchv1.CronJobSpec](), reflect.TypeFor[batchv1.JobSpec](),
		reflect.TypeFor[corev1.Container](), reflect.TypeFor[corev1.LimitRangeItem](), reflect.TypeFor[corev1.PodSecurityContext](),
		reflect.TypeFor[corev1.PodSpec](), reflect.TypeFor[corev1.ResourceRequirements](), reflect.TypeFor[corev1.SecurityContext](),
		reflect.TypeFor[corev1.ServiceSpec](), reflect.TypeFor[corev1.VolumeMount](), reflect.TypeFor[networkingv1.NetworkPolicyEgressRule](),
		reflect.TypeFor[networkingv1.NetworkPolicyIngressRule](), reflect.TypeFor[networkingv1.NetworkPolicyPeer](), reflect.TypeFor[networkingv1.NetworkPolicySpec](),
		reflect.TypeFor[rbacv1.PolicyRule](), reflect.TypeFor[rbacv1.RoleBinding](), reflect.TypeFor[rbacv1.RoleRef](), reflect.TypeFor[rbacv1.Subject](),
		reflect.TypeFor[helmv2.HelmReleaseSpec](), reflect.TypeFor[helmv2.Install](), reflect.TypeFor[helmv2.Upgrade](),
		reflect.TypeFor[kustomizev1.KustomizationSpec](), reflect.TypeFor[sourcev1.GitRepositorySpec](),
	}
}
