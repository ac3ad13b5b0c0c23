package check

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/tree"
)

// files reads a tree from text: "-- path" lines, each followed by a file.
func files(text string) []tree.File {
	var out []tree.File
	for part := range strings.SplitSeq("\n"+strings.TrimSpace(text)+"\n", "\n-- ") {
		if name, data, ok := strings.Cut(part, "\n"); ok && name != "" {
			out = append(out, tree.File{Path: name, Data: []byte(data)})
		}
	}
	return out
}

func lists(entries ...string) string {
	return "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- " + strings.Join(entries, "\n- ")
}

func configMap1(name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n  namespace: a\ndata:\n  k: v"
}

func TestKustomizations(t *testing.T) {
	const head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
	base := `
-- .zave/index.json
{}
-- tenants/sandbox/kustomization.yaml
` + lists("a/platform", "a/app") + `
-- tenants/sandbox/a/platform/kustomization.yaml
` + lists("configmap-x.yaml") + `
-- tenants/sandbox/a/platform/configmap-x.yaml
` + configMap1("x") + `
-- tenants/sandbox/a/app/kustomization.yaml
` + lists("configmap-y.yaml") + `
-- tenants/sandbox/a/app/configmap-y.yaml
` + configMap1("y") + `
-- tenants/aws/a/app/kustomization.yaml
` + lists("configmap-y.yaml") + `
-- tenants/aws/a/app/configmap-y.yaml
` + configMap1("y") + `
-- platform/sandbox/overlay/kustomization.yaml
` + head + `resources: [../base]
namePrefix: p-
patches: [{path: patch.yaml}]
configMapGenerator: [{name: gen, files: [key=value.txt]}]
-- platform/sandbox/overlay/value.txt
v
-- platform/sandbox/overlay/patch.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: z, namespace: a}
data: {k: w}
-- platform/sandbox/base/kustomization.yaml
` + lists("configmap-z.yaml") + `
-- platform/sandbox/base/configmap-z.yaml
` + configMap1("z")
	for _, test := range []struct {
		name, old, new string
		code           diag.Code
		want           string
	}{
		{name: "good"},
		{"typo", "namePrefix", "namePrefixx", diag.KustomizeFails,
			`platform/sandbox/overlay/kustomization.yaml: it is not a kustomization: invalid Kustomization: json: unknown field "namePrefixx"`},
		{"kind", "kind: Kustomization\nresources:\n- a/platform", "kind: Kustomisation\nresources:\n- a/platform", diag.KustomizeFails,
			`tenants/sandbox/kustomization.yaml: it is not a kustomization: kind should be Kustomization or Component`},
		{"missing file", "- configmap-x.yaml", "- configmap-w.yaml", diag.KustomizeFails,
			`tenants/sandbox/a/platform/kustomization.yaml: it lists configmap-w.yaml, which is not in the tree`},
		{"missing directory", "- a/app", "- b/app", diag.KustomizeFails,
			`tenants/sandbox/kustomization.yaml: it lists b/app, which is not in the tree`},
		{"remote", "- a/app", "- https://example.com/app?ref=main", diag.KustomizeFails,
			`tenants/sandbox/kustomization.yaml: it lists https://example.com/app?ref=main, which is not in the tree`},
		{"remote patch", "path: patch.yaml", "path: https://example.com/patch.yaml", diag.KustomizeFails,
			`it refers to https://example.com/patch.yaml, which is not in the tree`},
		{"not listed", "-- platform/sandbox/base/configmap-z.yaml", "-- platform/sandbox/base/extra.yaml\na: 1\n-- platform/sandbox/base/configmap-z.yaml", diag.KustomizeFails,
			`platform/sandbox/base/extra.yaml: the kustomization.yaml beside it does not list it`},
		{"no kustomization", "-- tenants/aws/a/app/kustomization.yaml", "-- tenants/aws/a/app/readme.md", diag.KustomizeFails,
			`tenants/aws/a/app/configmap-y.yaml: there is no kustomization.yaml beside it`},
		{"twice", "- configmap-x.yaml", "- configmap-x.yaml\n- ./configmap-x.yaml", diag.KustomizeFails,
			`it lists ./configmap-x.yaml twice`},
		{"of another directory", "- configmap-x.yaml", "- configmap-x.yaml\n- ../app/configmap-y.yaml", diag.KustomizeFails,
			`it lists ../app/configmap-y.yaml, which another directory's kustomization.yaml must`},
		{"two owners", "  name: y", "  name: x", diag.TwoOwners,
			`tenants/sandbox/a/app/kustomization.yaml: ConfigMap/a/x stands here and in tenants/sandbox/a/platform`},
		{"broken manifest", "  name: z\n", "  nme: z\n", diag.KustomizeFails,
			`platform/sandbox/base/kustomization.yaml: kustomize cannot build it: accumulating resources`},
		{"patch of nothing", "{name: z,", "{name: zz,", diag.KustomizeFails,
			`platform/sandbox/overlay/kustomization.yaml: kustomize cannot build it: no resource matches strategic merge patch`},
		{"cycle", "- configmap-z.yaml", "- configmap-z.yaml\n- ../overlay", diag.KustomizeFails,
			`platform/sandbox/base/kustomization.yaml: it includes itself`},
		{"cycle of sums", "- a/platform", "- a/platform\n- .", diag.KustomizeFails,
			`tenants/sandbox/kustomization.yaml: it includes itself`},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(base, test.old, test.new, 1)
			if text == base && test.want != "" {
				t.Fatal("nothing was broken")
			}
			list := Kustomizations(files(text))
			var said []string
			for _, d := range list.Sorted() {
				if d.Code != test.code {
					t.Errorf("code %s", d.Code)
				}
				said = append(said, d.Span.String()+": "+d.Summary)
			}
			got := strings.Join(said, "; ")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if strings.Count(got, "kustomize cannot build") > 1 {
				t.Errorf("one failure is reported more than once: %s", got)
			}
		})
	}
}

func BenchmarkKustomizations(b *testing.B) {
	var text strings.Builder
	var tenants []string
	for i := range 1000 {
		dir := fmt.Sprintf("t%04d", i)
		tenants = append(tenants, dir)
		var names []string
		for j := range 10 {
			name := fmt.Sprintf("configmap-c%d-%d.yaml", i, j)
			names = append(names, name)
			fmt.Fprintf(&text, "-- tenants/sandbox/%s/%s\n%s\n", dir, name, configMap1(fmt.Sprintf("c%d-%d", i, j)))
		}
		fmt.Fprintf(&text, "-- tenants/sandbox/%s/kustomization.yaml\n%s\n", dir, lists(names...))
	}
	fmt.Fprintf(&text, "-- tenants/sandbox/kustomization.yaml\n%s\n", lists(tenants...))
	all := files(text.String())
	b.ResetTimer()
	for b.Loop() {
		if list := Kustomizations(all); list.Len() > 0 {
			b.Fatal(list.Sorted()[0])
		}
	}
}

// A tree that refers to the network is refused without a look at the network.
func TestKustomizationsStayOffline(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.URL) }))
	defer server.Close()
	for _, text := range []string{
		lists("configmap-x.yaml", server.URL+"/x.yaml"),
		lists("configmap-x.yaml") + "\npatches: [{path: " + server.URL + "/x.yaml}]",
		lists("configmap-x.yaml") + "\ncomponents: [" + server.URL + "/x]",
		lists("configmap-x.yaml") + "\nconfigMapGenerator: [{name: y, files: [k=" + server.URL + "/x]}]",
	} {
		text = "-- a/b/kustomization.yaml\n" + text + "\n-- a/b/configmap-x.yaml\n" + configMap1("x") +
			"\n-- a/c/kustomization.yaml\n" + lists("../b") + "\nnamePrefix: p-" // builds b unless it knows better
		if list := Kustomizations(files(text)); list.Len() != 1 {
			t.Errorf("%v", list.Sorted())
		}
	}
}
