package reach

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/internal/object"
)

// documents reads YAML documents. Those of kinds that have no group of their own go by their apiVersion.
func documents(t testing.TB, text string) (out []object.Object) {
	t.Helper()
	for doc := range strings.SplitSeq(text, "---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		var m struct {
			metav1.TypeMeta `json:",inline"`
			meta
		}
		if err := yaml.Unmarshal([]byte(doc), &m); err != nil {
			t.Fatal(err)
		}
		k := m.GroupVersionKind()
		out = append(out, object.Object{
			ID:      object.ID{Cluster: "k", Group: k.Group, Kind: k.Kind, Namespace: m.Metadata.Namespace, Name: m.Metadata.Name},
			Version: k.Version, YAML: []byte(strings.TrimPrefix(doc, "\n")),
		})
	}
	return out
}

// compared gives what is said, a line a subject.
func compared(t *testing.T, base, head string) string {
	t.Helper()
	r, err := Compare(documents(t, base), documents(t, head))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i, q := range r.Consequences {
		for j, s := range q.Subjects {
			if len(r.Because[i][j]) == 0 {
				t.Errorf("nothing brings about %s %s", s.Name, q.Text)
			}
			b.WriteString(q.Rule + ": " + s.Name + " " + q.Text + "\n")
		}
	}
	return b.String()
}

func namespace(name, labels string) string {
	return "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: " + name + "\n  labels:\n    " + strings.ReplaceAll(labels, ", ", "\n    ") + "\n---\n"
}

func networkPolicy(namespace, name, spec string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: " + name + "\n  namespace: " + namespace +
		"\nspec: " + spec + "\n---\n"
}

func authorizationPolicy(namespace, name, spec string) string {
	return "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: " + name + "\n  namespace: " + namespace +
		"\nspec: " + spec + "\n---\n"
}

const (
	from  = `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}}], ports: [{port: 80}]}]}`
	deny  = `{podSelector: {}, policyTypes: [Ingress, Egress]}`
	toAny = `{podSelector: {}, policyTypes: [Egress], egress: [{}]}`
)

// TestSays has each rule with what is said of a change and of its reverse.
func TestSays(t *testing.T) {
	fromNS := func(ns string) string { return strings.ReplaceAll(from, "NS", ns) }
	db := `{podSelector: {matchLabels: {role: db}}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: b}}}], ports: [{port: 5432}]}]}`
	both := namespace("a", "zave.io/tenant: a") + namespace("b", "zave.io/tenant: b")
	const inside = `{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}]}], egress: [{to: [{podSelector: {}}]}]}`
	strictA := both + networkPolicy("a", "deny", deny) + networkPolicy("a", "inside", inside)
	workload := func(spec string) string {
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: a\nspec:\n  template:\n    spec: " + spec + "\n---\n"
	}
	account := func(name, rest string) string {
		return "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: " + name + "\n  namespace: a\n" + rest + "---\n"
	}
	peerAuthentication := func(spec string) string {
		return "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata:\n  name: default\n  namespace: a\nspec: " + spec + "\n---\n"
	}
	allow := func(rule string) string { return authorizationPolicy("a", "x", "{action: ALLOW, rules: ["+rule+"]}") }
	for _, x := range []struct{ name, base, head, opens, closes string }{
		{
			"a path that both ends let through",
			strictA, strictA + networkPolicy("a", "from-b", fromNS("b")),
			"path-opened: b → a:80 opened\n", "path-closed: b → a:80 closed\n",
		},
		{
			"a path that one end refuses on both sides",
			strictA + networkPolicy("b", "deny", deny), strictA + networkPolicy("b", "deny", deny) + networkPolicy("a", "from-b", fromNS("b")),
			"", "",
		},
		{
			"a path whose other end is not in the tree",
			strictA, strictA + networkPolicy("a", "from-far", fromNS("far")),
			"path-opened: far → a:80 opened\n", "path-closed: far → a:80 closed\n",
		},
		{
			"ports that do not meet",
			strictA + networkPolicy("b", "to-a", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}}], ports: [{port: 81}]}]}`),
			strictA + networkPolicy("b", "to-a", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}}], ports: [{port: 81}]}]}`) +
				networkPolicy("a", "from-b", fromNS("b")),
			"", "",
		},
		{
			"ranges of ports that meet in part",
			strictA + networkPolicy("b", "to-a", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}}], ports: [{port: 70, endPort: 90}]}]}`),
			strictA + networkPolicy("b", "to-a", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}}], ports: [{port: 70, endPort: 90}]}]}`) +
				networkPolicy("a", "from-b", strings.Replace(fromNS("b"), "port: 80", "port: 85, endPort: 200", 1)),
			"path-opened: b → a:85-90 opened\n", "path-closed: b → a:85-90 closed\n",
		},
		{
			"a hole for role=db alone, with no such pod in the tree",
			strictA, strictA + networkPolicy("a", "db", db),
			"path-opened: b → a/pods with role=db:5432 opened\n", "path-closed: b → a/pods with role=db:5432 closed\n",
		},
		{
			"the new part alone",
			strictA + networkPolicy("a", "from-b", fromNS("b")),
			strictA + networkPolicy("a", "from-b", strings.Replace(fromNS("b"), "ports: [", "ports: [{port: 443}, ", 1)),
			"path-opened: b → a:443 opened\n", "path-closed: b → a:443 closed\n",
		},
		{
			"a second policy for the same path",
			strictA + networkPolicy("a", "from-b", fromNS("b")), strictA + networkPolicy("a", "from-b", fromNS("b")) + networkPolicy("a", "again", fromNS("b")),
			"", "",
		},
		{
			"a policy without ports opens all of them",
			strictA, strictA + networkPolicy("a", "from-b", strings.Replace(fromNS("b"), ", ports: [{port: 80}]", "", 1)),
			"path-opened: b → a, all ports opened\n", "path-closed: b → a, all ports closed\n",
		},
		{
			"a port by its name may be any",
			strictA, strictA + networkPolicy("a", "from-b", strings.Replace(fromNS("b"), "port: 80", "port: http", 1)),
			"path-opened: b → a, all TCP ports opened\n", "path-closed: b → a, all TCP ports closed\n",
		},
		{
			"the last policy goes",
			strictA, both,
			"isolation-lost: a → everything else, all ports opened, as no policy isolates these pods any more\n" +
				"isolation-lost: everything else → a, all ports opened, as no policy isolates these pods any more\n",
			"isolation-gained: a → everything else, all ports closed, as a policy isolates these pods now\n" +
				"isolation-gained: everything else → a, all ports closed, as a policy isolates these pods now\n",
		},
		{
			"a policy for some pods isolates these alone",
			both, both + networkPolicy("a", "db", db),
			"isolation-gained: everything else → a/pods with role=db, all ports closed, as a policy isolates these pods now\n",
			"isolation-lost: everything else → a/pods with role=db, all ports opened, as no policy isolates these pods any more\n",
		},
		{
			"a rule without peers",
			strictA, strictA + networkPolicy("a", "any", toAny) + networkPolicy("a", "from-any", `{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 80}]}]}`),
			"egress-world: a → everything else, all ports opened\npath-from-all: everything else → a:80 opened\n",
			"path-closed: everything else → a:80 closed\negress-closed: a → everything else, all ports closed\n",
		},
		{
			"every namespace",
			strictA + networkPolicy("a", "from-b", fromNS("b")),
			strictA + networkPolicy("a", "from-b", `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 80}]}]}`),
			"path-opened: every other namespace → a:80 opened\n", "path-closed: every other namespace → a:80 closed\n",
		},
		{
			"namespaces by a label",
			strictA, strictA + networkPolicy("a", "team", `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}], ports: [{port: 80}]}]}`),
			"path-opened: other namespaces with team=x → a:80 opened\n", "path-closed: other namespaces with team=x → a:80 closed\n",
		},
		{
			"a namespace gets the label",
			strictA + networkPolicy("a", "team", `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}], ports: [{port: 80}]}]}`),
			namespace("a", "zave.io/tenant: a") + namespace("b", "zave.io/tenant: b, team: x") + networkPolicy("a", "deny", deny) + networkPolicy("a", "inside", inside) +
				networkPolicy("a", "team", `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}], ports: [{port: 80}]}]}`),
			"path-opened: b → a:80 opened\n", "path-closed: b → a:80 closed\n",
		},
		{
			"a namespace gets a label that nobody asks for",
			strictA, namespace("a", "zave.io/tenant: a, x: z") + namespace("b", "zave.io/tenant: b") + networkPolicy("a", "deny", deny) + networkPolicy("a", "inside", inside), "", "",
		},
		{
			"the metadata service, by its address alone",
			strictA, strictA + networkPolicy("a", "out", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 169.254.169.254/32}}]}]}`),
			"egress-metadata: a → 169.254.169.254, all ports opened\n", "egress-closed: a → 169.254.169.254/32, all ports closed\n",
		},
		{
			"an exception goes",
			strictA + networkPolicy("a", "out", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}], ports: [{port: 443}]}]}`),
			strictA + networkPolicy("a", "out", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}]}`),
			"egress-private: a → 10.0.0.0/8:443 opened\n", "egress-closed: a → 10.0.0.0/8:443 closed\n",
		},
		{
			"a feed, and the way in from one",
			strictA, strictA + networkPolicy("a", "out", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{protocol: UDP, port: 443}]}]}`) +
				networkPolicy("a", "in", `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 80}]}]}`),
			"egress-opened: a → 203.0.113.0/24:443/UDP opened\ningress-opened: 203.0.113.0/24 → a:80 opened\n",
			"egress-closed: a → 203.0.113.0/24:443/UDP closed\ningress-closed: 203.0.113.0/24 → a:80 closed\n",
		},
		{
			"a new tenant without a policy",
			namespace("b", "zave.io/tenant: b"), both,
			"isolation-lost: a → everything, all ports opened, as no policy isolates these pods\nisolation-lost: everything → a, all ports opened, as no policy isolates these pods\n",
			"paths-going: a without network paths any more: to everything; from everything\n",
		},
		{
			"the mesh lets a request through", // which the NetworkPolicies let through on both sides
			both + authorizationPolicy("a", "deny", "{}"), both + authorizationPolicy("a", "deny", "{}") + allow(`{from: [{source: {namespaces: [b]}}], to: [{operation: {ports: ["80"], methods: [GET]}}]}`),
			"request-opened: b → a:80 opened in the mesh: GET\n", "request-closed: b → a:80 closed in the mesh: GET\n",
		},
		{
			"a request that no path leads to",
			strictA + authorizationPolicy("a", "deny", "{}"), strictA + authorizationPolicy("a", "deny", "{}") + allow(`{from: [{source: {namespaces: [b]}}]}`), "", "",
		},
		{
			"a request whose path opens with it",
			strictA + authorizationPolicy("a", "deny", "{}"),
			strictA + networkPolicy("a", "from-b", fromNS("b")) + authorizationPolicy("a", "deny", "{}") + allow(`{from: [{source: {namespaces: [b]}}]}`),
			"path-opened: b → a:80 opened\n", "path-closed: b → a:80 closed\n",
		},
		{
			"the mesh refuses nothing any more",
			both + authorizationPolicy("a", "deny", "{}") + allow(`{from: [{source: {namespaces: [b]}}]}`), both,
			"request-opened: everything else → a, all ports opened in the mesh\n", "request-closed: everything else → a, all ports closed in the mesh\n",
		},
		{
			"a request that another rule may still allow is not closed",
			both + allow(`{from: [{source: {principals: [cluster.local/ns/b/sa/x]}}]}, {from: [{source: {principals: ["cluster.local/ns/b/*"]}}]}`),
			both + allow(`{from: [{source: {principals: ["cluster.local/ns/b/*"]}}]}`), "", "request-opened: b, service account x → a, all ports opened in the mesh\n",
		},
		{
			"a denial",
			both + authorizationPolicy("a", "x", `{action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}`), both,
			"request-opened: everything → a, all ports opened in the mesh: /admin\n", "request-closed: everything → a, all ports closed in the mesh: /admin\n",
		},
		{
			"plain text",
			both + peerAuthentication("{mtls: {mode: STRICT}}"), both + peerAuthentication(`{mtls: {mode: STRICT}, portLevelMtls: {"8080": {mode: DISABLE}}}`),
			"mesh-left: a mutual TLS on port 8080 STRICT → DISABLE\n", "mesh-joined: a mutual TLS on port 8080 DISABLE → STRICT\n",
		},
		{
			"the policy that refuses plain text goes",
			both + peerAuthentication("{mtls: {mode: STRICT}}"), both,
			"mesh-left: a mutual TLS STRICT → PERMISSIVE\n", "mesh-joined: a mutual TLS PERMISSIVE → STRICT\n",
		},
		{
			"pod security and the mesh",
			namespace("a", "pod-security.kubernetes.io/enforce: restricted, istio-injection: enabled"), namespace("a", "pod-security.kubernetes.io/enforce: baseline"),
			"pod-security-lowered: a pod security restricted → baseline\nmesh-left: a no longer in the mesh: istio-injection=enabled → no such label\n",
			"pod-security-raised: a pod security baseline → restricted\nmesh-joined: a in the mesh from now on: istio-injection=enabled\n",
		},
		{
			"pods and their node",
			both + workload(`{containers: [{name: web}]}`),
			both + workload(`{hostNetwork: true, containers: [{name: web, securityContext: {privileged: true, capabilities: {add: [NET_BIND_SERVICE, SYS_ADMIN]}}}], volumes: [{name: x, hostPath: {path: /var/run}}]}`),
			"host-access: a/web with access to the node: container web privileged, container web with capability SYS_ADMIN, hostNetwork, hostPath /var/run\n",
			"host-access-gone: a/web no longer with access to the node: container web privileged, container web with capability SYS_ADMIN, hostNetwork, hostPath /var/run\n",
		},
		{
			"tokens, once for an account and those that use it",
			both + account("web", "automountServiceAccountToken: false\n") + workload("{serviceAccountName: web}"),
			both + account("web", "") + workload("{serviceAccountName: web, priorityClassName: high}"),
			"token-mounted: a/web pods given a token for the API server\n", "token-unmounted: a/web pods no longer given a token for the API server\n",
		},
		{
			"a token that a pod asks for itself",
			both + account("web", "automountServiceAccountToken: false\n") + workload("{serviceAccountName: web}"),
			both + account("web", "automountServiceAccountToken: false\n") + workload("{serviceAccountName: web, automountServiceAccountToken: true}"),
			"token-mounted: a/web given a token for the API server\n", "token-unmounted: a/web no longer given a token for the API server\n",
		},
		{
			"pull secrets",
			both + account("web", "imagePullSecrets: [{name: one}]\nautomountServiceAccountToken: false\n"),
			both + account("web", "imagePullSecrets: [{name: one}, {name: two}]\nautomountServiceAccountToken: false\n") +
				account("second", "imagePullSecrets: [{name: one}]\nautomountServiceAccountToken: false\n"),
			"pull-secret-opened: a/web able to pull images with Secret two\n", "pull-secret-closed: a/web no longer able to pull images with Secret two\n",
		},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got := compared(t, x.base, x.head); got != x.opens {
				t.Errorf("it says\n%snot\n%s", got, x.opens)
			}
			if got := compared(t, x.head, x.base); got != x.closes {
				t.Errorf("its reverse says\n%snot\n%s", got, x.closes)
			}
		})
	}
}

// TestMeshRefuses has a path that the NetworkPolicies open and the mesh does not allow: nobody knows whether the pods have a
// proxy.
func TestMeshRefuses(t *testing.T) {
	base := namespace("a", "zave.io/tenant: a") + namespace("b", "zave.io/tenant: b") + networkPolicy("a", "deny", deny) +
		authorizationPolicy("a", "deny", "{}") + authorizationPolicy("a", "x", `{action: ALLOW, rules: [{from: [{source: {namespaces: [b]}}], to: [{operation: {ports: ["443"]}}]}]}`)
	opened := networkPolicy("a", "from-b", strings.ReplaceAll(strings.Replace(from, "ports: [", "ports: [{port: 443}, ", 1), "NS", "b"))
	r, err := Compare(documents(t, base), documents(t, base+opened))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := paths(r), "b → a: 443, denied → allowed\nb → a: 80, denied → unknown\n"; got != want {
		t.Errorf("the paths are\n%snot\n%s", got, want)
	}
}

// TestTooManyKinds has policies that tell more kinds of pods apart than can be compared: nothing is said to be closed.
func TestTooManyKinds(t *testing.T) {
	base := namespace("a", "zave.io/tenant: a") + namespace("b", "zave.io/tenant: b")
	for i := range 13 {
		base += networkPolicy("a", fmt.Sprintf("p%d", i), fmt.Sprintf(`{podSelector: {matchLabels: {k%d: v}}, policyTypes: [Ingress]}`, i))
	}
	got := compared(t, base, base+networkPolicy("a", "from-b", strings.ReplaceAll(from, "NS", "b")))
	want := "path-opened: b → a, all ports perhaps opened, and others perhaps closed\npath-opened: everything → a, all ports perhaps opened, and others perhaps closed\n"
	if got != want {
		t.Errorf("it says\n%snot\n%s", got, want)
	}
}
