package check

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/resource"
	"github.com/yannh/kubeconform/pkg/validator"
	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/internal/check/schemas"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/source"
)

func clusters() []Cluster {
	return []Cluster{{Name: "sandbox", Kubernetes: "1.34.3"}, {Name: "aws", Kubernetes: "v1.36.1-eks-1a2b3c"}}
}

// parse makes an object of a document, as its emitter would know it.
func parse(t testing.TB, text string) object.Object {
	t.Helper()
	var doc struct {
		APIVersion string
		Kind       string
		Metadata   struct{ Name, Namespace string }
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	group, version, ok := strings.Cut(doc.APIVersion, "/")
	if !ok {
		group, version = "", doc.APIVersion
	}
	return object.Object{
		ID:      object.ID{Cluster: "sandbox", Group: group, Kind: doc.Kind, Namespace: doc.Metadata.Namespace, Name: doc.Metadata.Name},
		Version: version, Origin: source.Span{File: "tenants/panchito/tenant.cue", Line: 7, Col: 2}, YAML: []byte(text),
	}
}

func good(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n---\n")
}

// find gives the good object of a kind.
func find(t testing.TB, kind string) string {
	t.Helper()
	for _, text := range good(t) {
		if strings.Contains(text, "\nkind: "+kind+"\n") {
			return text
		}
	}
	t.Fatalf("no good %s", kind)
	return ""
}

func run(t testing.TB, objects ...object.Object) []diag.Diagnostic {
	t.Helper()
	list, err := Schemas(objects, clusters())
	if err != nil {
		t.Fatal(err)
	}
	return list.Sorted()
}

func TestGoodObjectsPass(t *testing.T) {
	var objects []object.Object
	for _, text := range good(t) {
		for _, c := range clusters() {
			o := parse(t, text)
			o.Cluster = c.Name
			objects = append(objects, o)
		}
	}
	for _, d := range run(t, objects...) {
		t.Errorf("%s %s (%s)", d.Code, d.Summary, d.Hint)
	}
}

// Each case breaks a good object in one place, and gives what is said about it.
func TestMistakesAreCaught(t *testing.T) {
	for _, test := range []struct{ kind, old, new, want string }{
		// Fields, built in and custom, on all levels.
		{"Deployment", "  replicas: 1", "  replcas: 1", `spec.replcas is not a field (did you mean "replicas"?)`},
		{"Deployment", "containerPort: 8000", "containerport: 8000", `spec.template.spec.containers[0].ports[0].containerPort is missing; spec.template.spec.containers[0].ports[0].containerport is not a field (did you mean "containerPort"?)`},
		{"Deployment", "  labels: {app.kubernetes.io/name: web}", "  lables: {a: b}", `metadata.lables is not a field (did you mean "labels"?)`},
		{"HelmRelease", "      version:", "      verison:", `spec.chart.spec.verison is not a field (did you mean "version"?)`},
		{"HelmRelease", "remediation: {retries: 3}", "remediation: {retrys: 3}", `spec.install.remediation.retrys is not a field (did you mean "retries"?)`},
		{"ExternalSecret", "property:", "proprety:", `spec.data[0].remoteRef.proprety is not a field (did you mean "property"?)`},
		{"AppProject", "  namespaceResourceBlacklist:", "  namespaceResourcesBlacklist:", `spec.namespaceResourcesBlacklist is not a field (did you mean "namespaceResourceBlacklist"?)`},
		{"Application", "selfHeal: true", "selfheal: true", `spec.syncPolicy.automated.selfheal is not a field (did you mean "selfHeal"?)`},
		{"VirtualService", "port: {number: 8000}", "port: {nubmer: 8000}", `spec.http[0].route[0].destination.port.nubmer is not a field (did you mean "number"?)`},
		{"ServiceMonitor", "interval: 30s", "intervall: 30s", `spec.endpoints[0].intervall is not a field (did you mean "interval"?)`},
		{"Kustomization", "    - name: istiod", "    - nme: istiod", `spec.dependsOn[0].name is missing; spec.dependsOn[0].nme is not a field (did you mean "name"?)`},
		// Types and values.
		{"Deployment", "  replicas: 1", "  replicas: one", `spec.replicas is a string, and must be an integer`},
		{"Deployment", "  replicas: 1", "  replicas: 3000000000", `spec.replicas is "3000000000", which is not a int32: does not fit 32 bits`},
		{"Deployment", "value: production", "value: 8080", `spec.template.spec.containers[0].env[0].value is a number, and must be a string`},
		{"Deployment", "name: web}\nspec", "name: yes}\nspec", `metadata.labels[app.kubernetes.io/name] is a boolean, and must be a string`},
		{"Deployment", "cpu: 250m", "cpu: 250mm", `spec.template.spec.containers[0].resources.limits.cpu is "250mm", which is not a quantity (quantities look like 250m, 1.5 and 128Mi)`},
		{"Deployment", "emptyDir: {}", "emptyDir:", `spec.template.spec.volumes[0].emptyDir is null, and must be a map`},
		{"PeerAuthentication", "STRICT", "STRIKT", `spec.mtls.mode is "STRIKT", and must be one of UNSET, DISABLE, PERMISSIVE, STRICT (did you mean "STRICT"?)`},
		{"Kustomization", "interval: 10m", "interval: 10 minutes", `spec.interval is "10 minutes", and must match ^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`},
		{"Kustomization", "kind: GitRepository, ", "kind: GitRepo, ", `spec.sourceRef.kind is "GitRepo", and must be one of OCIRepository, GitRepository, Bucket, ExternalArtifact (did you mean "GitRepository"?)`},
		{"DestinationRule", "      simple: LEAST_REQUEST", "      simple: LEAST_REQUEST\n      consistentHash: {useSourceIp: true}", `spec.trafficPolicy.loadBalancer may have only one of simple, consistentHash`},
		{"DestinationRule", "simple: LEAST_REQUEST", "consistentHash: {httpCookie: {name: a}, useSourceIp: 3}", `spec.trafficPolicy.loadBalancer.consistentHash.useSourceIp is a number, and must be a boolean`},
		{"Kustomization", "  prune: true\n", "", `spec.prune is missing`},
		{"Namespace", "  name: panchito\n", "", `metadata.name is missing: name or generateName is required`},
		// Kinds and versions.
		{"ExternalSecret", "external-secrets.io/v1", "external-secrets.io/v1beta1", `no ExternalSecret is served as external-secrets.io/v1beta1 on Kubernetes 1.34 (ExternalSecret is served as external-secrets.io/v1)`},
		{"Deployment", "kind: Deployment", "kind: Deploymnet", `no Deploymnet is served as apps/v1 on Kubernetes 1.34 (did you mean "Deployment"?)`},
		{"HorizontalPodAutoscaler", "autoscaling/v2", "autoscaling/v2beta2", `no HorizontalPodAutoscaler is served as autoscaling/v2beta2 on Kubernetes 1.34 (HorizontalPodAutoscaler is served as autoscaling/v1 and autoscaling/v2)`},
		{"NetworkPolicy", "networking.k8s.io/v1", "extensions/v1beta1", `no NetworkPolicy is served as extensions/v1beta1 on Kubernetes 1.34 (NetworkPolicy is served as networking.k8s.io/v1)`},
		{"HelmRelease", "helm.toolkit.fluxcd.io/v2", "helm.toolkit.fluxcd.io/v2beta2", `no HelmRelease is served as helm.toolkit.fluxcd.io/v2beta2 on Kubernetes 1.34 (HelmRelease is served as helm.toolkit.fluxcd.io/v2)`},
		// Metadata.
		{"Service", "  namespace: panchito\n", "", `metadata.namespace is missing`},
		{"Namespace", "  name: panchito\n", "  name: panchito\n  namespace: panchito\n", `metadata.namespace not allowed on this type`},
		{"Namespace", "  name: panchito\n", "  name: Panchito\n", `metadata.name is "Panchito": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name', or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`},
		{"Namespace", "zave.io/tenant: panchito", "zave.io/tenant: the data team", `metadata.labels is "the data team": a valid label must be`},
		{"Namespace", "enforce: restricted", "enforce: strict", `metadata.labels[pod-security.kubernetes.io/enforce] is "strict", and must be one of "privileged", "baseline", "restricted"`},
		{"Namespace", "v1.34", "next", `metadata.labels[pod-security.kubernetes.io/enforce-version] is "next": must be "latest" or like "v1.34"`},
		{"PeerAuthentication", "  name: default", "  name: default_policy", `metadata.name is "default_policy": a lowercase RFC 1123 subdomain`},
		{"Service", "  name: web\n", "  name: 1web\n", `metadata.name is "1web": a DNS-1035 label`},
		{"Role", "  name: tenant-owner", "  name: tenant/owner", `metadata.name is "tenant/owner": must not be . or .., or hold / or %`},
		// Meaning.
		{"NetworkPolicy", "[Egress]", "[Egres]", `spec.policyTypes[0] is "Egres", and must be one of "Ingress", "Egress" (did you mean "Egress"?)`},
		{"NetworkPolicy", "port: 443", "port: 70000", `spec.egress[0].ports[0].port is "70000": must be between 1 and 65535, inclusive`},
		{"NetworkPolicy", "203.0.113.128/25", "198.51.100.0/25", `spec.egress[0].to[0].ipBlock.except[0] is "198.51.100.0/25": does not lie within 203.0.113.0/24`},
		{"NetworkPolicy", "203.0.113.0/24", "203.0.113.0", `spec.egress[0].to[0].ipBlock.cidr is "203.0.113.0": is not a CIDR`},
		{"NetworkPolicy", "endPort: 30100", "endPort: 2", `spec.egress[1].ports[2].endPort is "2": must not be less than port`},
		{"NetworkPolicy", "protocol: UDP", "protocol: udp", `spec.egress[1].ports[0].protocol is "udp", and must be one of "TCP", "UDP", "SCTP" (did you mean "UDP"?)`},
		{"Deployment", "containerPort: 9394, protocol: TCP", "containerPort: 8000, protocol: TCP", `spec.template.spec.containers[0].ports has two items with containerPort 8000, protocol TCP, the ones at 0 and 1`},
		{"Deployment", "name: LOG_LEVEL", "name: FLASK_ENV", `spec.template.spec.containers[0].env has two items with name FLASK_ENV, the ones at 0 and 1`},
		{"Deployment", "name: metrics", "name: http", `spec.template.spec.containers[0].ports[1].name is "http", which is there already`},
		{"Deployment", "containerPort: 9394", "containerPort: 70000", `spec.template.spec.containers[0].ports[1].containerPort is "70000": must be between 1 and 65535, inclusive`},
		{"Deployment", "labels: {zave.io/workload: web,", "labels: {zave.io/workload: wob,", `spec.template.metadata.labels is "app.kubernetes.io/version=sha-5df14da,zave.io/workload=wob": does not match spec.selector, zave.io/workload=web`},
		{"Deployment", "requests: {cpu: 100m", "requests: {cpu: 300m", `spec.template.spec.containers[0].resources.requests[cpu] is "300m": is more than the limit, which is 250m`},
		{"Deployment", "limits: {cpu: 250m", "limits: {gpu: 1", `spec.template.spec.containers[0].resources.limits[gpu] is not a resource of containers`},
		{"Deployment", "maxSurge: 25%", "maxSurge: 0", `spec.strategy.rollingUpdate.maxUnavailable is "0": may not be 0 when maxSurge is 0`},
		{"Deployment", "type: RollingUpdate", "type: Recreate", `spec.strategy.rollingUpdate does not go with the type Recreate`},
		{"Deployment", "replicas: 1", "replicas: -1", `spec.replicas is "-1": must be greater than or equal to 0`},
		{"Deployment", "runAsUser: 1000", "runAsUser: 0", `spec.template.spec.containers[0].securityContext.runAsUser is "0": is root, and runAsNonRoot is set`},
		{"Deployment", "{name: tmp, mountPath", "{name: temp, mountPath", `spec.template.spec.containers[0].volumeMounts[0].name is "temp": is not a volume of the pod`},
		{"Deployment", "port: http}", "port: http, scheme: http}", `spec.template.spec.containers[0].livenessProbe.httpGet.scheme is "http", and must be one of "HTTP", "HTTPS"`},
		{"Deployment", "periodSeconds: 10", "tcpSocket: {port: 1}", `spec.template.spec.containers[0].livenessProbe has 2 ways to probe`},
		{"Deployment", "sha-5df14da}", "'not a version'}", `spec.template.metadata.labels is "not a version": a valid label must be`},
		{"Job", "restartPolicy: Never", "restartPolicy: Always", `spec.template.spec.restartPolicy is "Always", and must be one of "OnFailure", "Never"`},
		{"Job", "      restartPolicy: Never\n", "", `spec.template.spec.restartPolicy is missing: must be OnFailure or Never in a job`},
		{"Job", "  name: db-panchito-0a1b2c3d\n  namespace", "  name: db-" + strings.Repeat("x", 61) + "\n  namespace", `has 64 characters, and may have 63`},
		{"Job", "key: password}", "key: password}, fieldRef: {fieldPath: metadata.name}", `spec.template.spec.containers[0].env[0].valueFrom has 2 sources, and needs one`},
		{"CronJob", "0 3 * * *", "0 24 * * *", `spec.schedule is "0 24 * * *": end of range (24) above maximum (23): 24`},
		{"CronJob", "Forbid", "Never", `spec.concurrencyPolicy is "Never", and must be one of "Allow", "Forbid", "Replace"`},
		{"CronJob", "  name: nightly\n  namespace", "  name: " + strings.Repeat("x", 53) + "\n  namespace", `has 53 characters, and may have 52`},
		{"Service", "{name: metrics, port", "{port", `spec.ports[1].name is missing: a service with several ports names each`},
		{"Service", "port: 9394, targetPort: 9394", "port: 0, targetPort: 9394", `spec.ports[1].port is "0": must be between 1 and 65535, inclusive`},
		{"Service", "targetPort: http", "targetPort: HTTP_PORT", `spec.ports[0].targetPort is "HTTP_PORT":`},
		{"HorizontalPodAutoscaler", "minReplicas: 1", "minReplicas: 4", `spec.maxReplicas is "3": is less than minReplicas, which is 4`},
		{"HorizontalPodAutoscaler", "averageUtilization", "averageValue", `spec.metrics[0].resource.target.averageUtilization is missing`},
		{"PodDisruptionBudget", "minAvailable: 1", "minAvailable: 1\n  maxUnavailable: 1", `spec.maxUnavailable does not go with minAvailable`},
		{"PodDisruptionBudget", "minAvailable: 1", "minAvailable: 150%", `spec.minAvailable is "150%": must not be more than 100%`},
		{"RoleBinding", "  kind: Role\n", "  kind: Roll\n", `roleRef.kind is "Roll", and must be one of "ClusterRole", "Role" (did you mean "Role"?)`},
		{"RoleBinding", "kind: Group", "kind: Team", `subjects[0].kind is "Team", and must be one of "ServiceAccount", "User", "Group"`},
		{"Role", "    resources: [pods, pods/log]\n", "", `rules[0].resources is missing`},
		{"ResourceQuota", "limits.cpu", "limit.cpu", `spec.hard[limit.cpu] is not a resource that quotas count`},
		{"ResourceQuota", "pods: 30", "pods: 0.5", `spec.hard[pods] is "500m": must be a whole number`},
		{"LimitRange", "default: {cpu: 250m", "default: {cpu: 3", `spec.limits[0].default[cpu] is "3": is more than max, which is 2`},
		{"ConfigMap", "bootstrap.sql", "boot strap.sql", `data[boot strap.sql] is "boot strap.sql": a valid config key must consist`},
		{"PersistentVolumeClaim", "ReadWriteOnce", "ReadWrite", `spec.accessModes[0] is "ReadWrite", and must be one of`},
		{"Secret", "type: kub", "stringData: {password: hunter2}\ntype: kub", `it carries secret values in plain text (keep the value`},
		// The document itself.
		{"Service", "spec:", "spec: {}\nspec:", `it is not YAML: yaml: unmarshal errors: line 8: key "spec" already set in map`},
	} {
		text := strings.Replace(find(t, test.kind), test.old, test.new, 1)
		t.Run(test.kind+"/"+test.old, func(t *testing.T) {
			if text == find(t, test.kind) {
				t.Fatal("nothing was broken")
			}
			o := parse(t, strings.Replace(text, "spec: {}\nspec:", "spec:", 1))
			o.YAML = []byte(text)
			var said []string
			for _, d := range run(t, o) {
				s := strings.TrimPrefix(d.Summary, o.ID.String()+": ")
				if s == d.Summary {
					t.Errorf("%q does not name the object", s)
				}
				if d.Hint != "" {
					s += " (" + d.Hint + ")"
				}
				if d.Span != o.Origin {
					t.Errorf("reported at %s", d.Span)
				}
				said = append(said, s)
			}
			if got := strings.Join(said, "; "); !strings.Contains(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestCodes(t *testing.T) {
	for _, test := range []struct {
		kind, old, new string
		want           diag.Code
	}{
		{"Deployment", "replicas", "replcas", diag.InvalidObject},
		{"Deployment", "apps/v1", "apps/v1beta1", diag.UnknownKind},
		{"Secret", "type: kub", "data: {password: aHVudGVyMg==}\ntype: kub", diag.PlaintextSecret},
	} {
		got := run(t, parse(t, strings.Replace(find(t, test.kind), test.old, test.new, 1)))
		if len(got) != 1 || got[0].Code != test.want {
			t.Errorf("%s: %+v", test.new, got)
		}
	}
}

// A document that is not the object it is said to be would be checked against the wrong schema.
func TestIdentity(t *testing.T) {
	o := parse(t, find(t, "Service"))
	o.Name = "api"
	if got := run(t, o); len(got) != 1 || !strings.HasSuffix(got[0].Summary, `metadata.name is "web", and the object is known as "api"`) {
		t.Errorf("%+v", got)
	}
}

func TestUnknownKubernetes(t *testing.T) {
	at := source.Span{File: "platform/clusters.cue", Line: 3}
	list, err := Schemas([]object.Object{parse(t, find(t, "Service"))}, []Cluster{{"sandbox", "1.29.4", at}})
	if err != nil {
		t.Fatal(err)
	}
	got := list.Sorted()
	if len(got) != 1 || got[0].Span != at || got[0].Code != diag.NotAllowed ||
		got[0].Summary != "there are no schemas for Kubernetes 1.29.4, which cluster sandbox runs" || got[0].Hint != "objects can be checked for 1.34, 1.35, 1.36" {
		t.Errorf("%+v", got)
	}
	if _, err := Schemas([]object.Object{parse(t, find(t, "Service"))}, nil); err == nil {
		t.Error("an object of a cluster that nobody named")
	}
}

// Diagnostics depend neither on the number of processors nor on the run, and nothing stays behind.
func TestRepeatable(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var objects []object.Object
	for i, text := range good(t) {
		for j := range 20 {
			o := parse(t, text)
			if (i+j)%3 == 0 {
				o.YAML = append(o.YAML, fmt.Sprintf("\nextra%d: 1\nother: 2\n", j)...)
			}
			objects = append(objects, o)
		}
	}
	want := fmt.Sprint(run(t, objects...))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if got := fmt.Sprint(run(t, objects...)); got != want {
		t.Error("another number of processors gives other diagnostics")
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// kubeconform's own validator, over the same schemas, is the oracle for what a schema alone can say. It may only be
// more lenient, by our formats and keys of lists.
func TestAgreesWithKubeconform(t *testing.T) {
	catalogue, err := schemas.Open()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var objects []object.Object
	for _, text := range good(t) {
		objects = append(objects, parse(t, text))
		objects = append(objects, parse(t, text+"\nextra: true\n"))
		objects = append(objects, parse(t, strings.Replace(text, "\nspec:", "\nspec: 3\nspeck:", 1)))
	}
	var kinds []schemas.Kind
	for _, o := range objects {
		k, ok := catalogue.Find("1.34", apiVersion(o), o.Kind)
		if !ok {
			t.Fatal(o.ID)
		}
		k.Kubernetes = "1.34" // its validator asks for every schema at one version
		kinds = append(kinds, k)
		if err := extract(catalogue, k, dir); err != nil {
			t.Fatal(err)
		}
	}
	v, err := validator.New([]string{dir + layout}, validator.Opts{KubernetesVersion: "1.34", Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i, o := range objects {
		r := v.ValidateResource(resource.Resource{Bytes: o.YAML})
		if r.Status == validator.Error {
			t.Fatalf("%s: %v", kinds[i].File, r.Err)
		}
		got := len(run(t, o)) > 0
		if want := r.Status == validator.Invalid; got != want {
			t.Errorf("%s: we refuse: %v, kubeconform refuses: %v (%v)", o.ID, got, want, r.Err)
		}
		if got {
			refused++
		}
	}
	if refused < len(objects)/2 {
		t.Errorf("only %d of %d refused", refused, len(objects))
	}
}

// No document makes the check panic, and what is not valid YAML is never accepted.
func FuzzSchemas(f *testing.F) {
	for _, text := range good(f) {
		f.Add(text)
	}
	catalogue, err := schemas.Open()
	if err != nil {
		f.Fatal(err)
	}
	set, err := compile(catalogue, catalogue.Kinds("1.34"))
	if err != nil {
		f.Fatal(err)
	}
	var objects []object.Object
	var kinds []schemas.Kind
	for _, text := range good(f) {
		o := parse(f, text)
		k, _ := catalogue.Find("1.34", apiVersion(o), o.Kind)
		objects, kinds = append(objects, o), append(kinds, k)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var doc map[string]any
		valid := yaml.UnmarshalStrict([]byte(text), &doc) == nil
		for i, o := range objects {
			if o.YAML = []byte(text); len(one(o, kinds[i], "1.34", catalogue, set)) == 0 && !valid {
				t.Errorf("accepted as %s", o.ID)
			}
		}
	})
}

func BenchmarkSchemas(b *testing.B) {
	var objects []object.Object
	texts := good(b)
	for i := range 4000 {
		objects = append(objects, parse(b, texts[i%len(texts)]))
	}
	b.ReportAllocs()
	for b.Loop() {
		if got := run(b, objects...); len(got) > 0 {
			b.Fatal(got[0].Summary)
		}
	}
	b.ReportMetric(float64(len(objects)*b.N)/b.Elapsed().Seconds(), "objects/s")
}
