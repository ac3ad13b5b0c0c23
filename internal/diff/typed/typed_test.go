package typed

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestCompare has what two objects of a kind differ in, as "PATH: BEFORE → AFTER".
func TestCompare(t *testing.T) {
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: "
	const policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nspec: "
	for _, test := range []struct {
		name, before, after string
		want                []string
	}{
		{"containers by name", deployment + `{containers: [{name: a, image: x}, {name: b, image: w}]}}}`,
			deployment + `{containers: [{name: b, image: z}, {name: a, image: x}]}}}`,
			[]string{`spec.template.spec.containers[name="b"].image: "w" → "z"`}},
		{"a container that comes, and one that goes", deployment + `{containers: [{name: a, image: x}]}}}`,
			deployment + `{containers: [{name: b, image: x}]}}}`,
			[]string{`spec.template.spec.containers[name="a"]: {"image":"x","name":"a"} → `,
				`spec.template.spec.containers[name="b"]:  → {"image":"x","name":"b"}`}},
		{"environment in another order", deployment + `{containers: [{name: a, env: [{name: A, value: "1"}, {name: B, value: "2"}]}]}}}`,
			deployment + `{containers: [{name: a, env: [{name: B, value: "2"}, {name: A, value: "1"}]}]}}}`, nil},
		{"a port's protocol is TCP unless it says so", deployment + `{containers: [{name: a, ports: [{containerPort: 80}]}]}}}`,
			deployment + `{containers: [{name: a, ports: [{containerPort: 80, protocol: TCP, name: web}]}]}}}`,
			[]string{`spec.template.spec.containers[name="a"].ports[containerPort=80,protocol="TCP"].name:  → "web"`,
				`spec.template.spec.containers[name="a"].ports[containerPort=80,protocol="TCP"].protocol:  → "TCP"`}},
		{"two ports of a number", deployment + `{containers: [{name: a, ports: [{containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP, name: u}]}]}}}`,
			deployment + `{containers: [{name: a, ports: [{containerPort: 80, protocol: UDP, name: v}, {containerPort: 80, protocol: TCP}]}]}}}`,
			[]string{`spec.template.spec.containers[name="a"].ports[containerPort=80,protocol="UDP"].name: "u" → "v"`}},
		{"two containers of a name", deployment + `{containers: [{name: a, image: x}, {name: a, image: w}]}}}`,
			deployment + `{containers: [{name: a, image: x}, {name: a, image: z}]}}}`,
			[]string{`spec.template.spec.containers[1].image: "w" → "z"`}},
		{"init containers run in their order", deployment + `{initContainers: [{name: a}, {name: b}]}}}`,
			deployment + `{initContainers: [{name: b}, {name: a}]}}}`,
			[]string{`spec.template.spec.initContainers: ["a","b"] → ["b","a"]`}},
		{"a command's words have an order", deployment + `{containers: [{name: a, command: [x, w]}]}}}`,
			deployment + `{containers: [{name: a, command: [w, x]}]}}}`,
			[]string{`spec.template.spec.containers[name="a"].command: ["x","w"] → ["w","x"]`}},
		{"quantities of one value", deployment + `{containers: [{name: a, resources: {limits: {cpu: 1000m, memory: 1Gi}}}]}}}`,
			deployment + `{containers: [{name: a, resources: {limits: {cpu: 1, memory: 1024Mi}}}]}}}`, nil},
		{"quantities of two", deployment + `{containers: [{name: a, resources: {limits: {cpu: 1000m}}}]}}}`,
			deployment + `{containers: [{name: a, resources: {limits: {cpu: 1001m}}}]}}}`,
			[]string{`spec.template.spec.containers[name="a"].resources.limits.cpu: "1" → "1001m"`}},
		{"a number that is no quantity", deployment + `{terminationGracePeriodSeconds: 60}}}`,
			deployment + `{terminationGracePeriodSeconds: 61}}}`,
			[]string{`spec.template.spec.terminationGracePeriodSeconds: 60 → 61`}},
		{"an empty selector is another than none", policy + `{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}`,
			policy + `{podSelector: {}, ingress: [{from: [{}]}]}`,
			[]string{`spec.ingress[0].from[0].podSelector: {} → `}},
		{"peers in any order", policy + `{ingress: [{from: [{podSelector: {matchLabels: {a: b}}}, {ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 1}, {port: 2}]}]}`,
			policy + `{ingress: [{ports: [{port: 2}, {port: 1}], from: [{ipBlock: {cidr: 10.0.0.0/8}}, {podSelector: {matchLabels: {a: b}}}]}]}`, nil},
		{"one peer more", policy + `{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}`,
			policy + `{ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]}`,
			[]string{`spec.ingress[0].from[0]:  → {"ipBlock":{"cidr":"10.1.0.0/16"}}`}},
		{"verbs in any order", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nrules: [{apiGroups: [''], resources: [pods], verbs: [get, list]}]",
			"apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nrules: [{apiGroups: [''], resources: [pods], verbs: [list, get, watch]}]",
			[]string{`rules[0].verbs["watch"]:  → "watch"`}},
		{"a label with dots", "apiVersion: v1\nkind: Namespace\nmetadata: {labels: {a.b/c: x}}", "apiVersion: v1\nkind: Namespace\nmetadata: {labels: {a.b/c: w}}",
			[]string{`metadata.labels["a.b/c"]: "x" → "w"`}},
		{"what the server fills in", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}",
			"apiVersion: v1\nkind: Namespace\nmetadata: {name: a, annotations: {}, creationTimestamp: null, uid: x, resourceVersion: '1'}\nstatus: {phase: Active}", nil},
		{"a custom resource's lists by its definition", "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nspec: {interval: 1m}",
			"apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nspec: {interval: 5m}", []string{`spec.interval: "1m" → "5m"`}},
		{"null is not there", deployment + `{nodeName: null}}}`, deployment + `{}}}`, nil},
		{"another type", "apiVersion: v1\nkind: Service\nspec: {ports: [{port: 1, targetPort: 80}]}",
			"apiVersion: v1\nkind: Service\nspec: {ports: [{port: 1, targetPort: web}]}",
			[]string{`spec.ports[port=1,protocol="TCP"].targetPort: 80 → "web"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := New()
			if err != nil {
				t.Fatal(err)
			}
			decode := func(text string) (m map[string]any) {
				if err := yaml.Unmarshal([]byte(text), &m); err != nil {
					t.Fatalf("%v in\n%s", err, text)
				}
				return m
			}
			fields, known, err := d.Compare("1.34", decode(test.before), decode(test.after))
			if err != nil || !known {
				t.Fatal(known, err)
			}
			text := func(v any) string {
				if v == nil {
					return ""
				}
				return Text(v)
			}
			var got []string
			for _, f := range fields {
				got = append(got, fmt.Sprintf("%s: %s → %s", f.Path, text(f.Before), text(f.After)))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestUnknownKind: a kind without a schema is compared by its structure, item by item, and that is told.
func TestUnknownKind(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	object := func(list ...any) map[string]any {
		return map[string]any{"apiVersion": "example.com/v1", "kind": "Widget", "spec": map[string]any{"list": list}}
	}
	fields, known, err := d.Compare("1.34", object("a", "b"), object("b", "a"))
	if err != nil || known || len(fields) != 1 || fields[0].Path != "spec.list" {
		t.Errorf("%+v %v %v", fields, known, err)
	}
}

// TestKeys: a field names the items that it lies in, for whoever tells it in a sentence.
func TestKeys(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	pod := func(value string) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": map[string]any{"containers": []any{
			map[string]any{"name": "web", "env": []any{map[string]any{"name": "MODE", "value": value}}},
		}}}
	}
	fields, _, err := d.Compare("1.34", pod("a"), pod("b"))
	if err != nil || len(fields) != 1 || fields[0].Shape != "spec.containers[].env[].value" || !slices.Equal(fields[0].Keys, []string{"web", "MODE"}) {
		t.Errorf("%+v %v", fields, err)
	}
}
