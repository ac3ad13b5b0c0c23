package check

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/object"
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

// objectsIn gives an object for each manifest that says what it is, in a careless reading: the ones that are broken in
// some way are there, too.
func objectsIn(all []tree.File) []object.Object {
	var out []object.Object
	for _, f := range all {
		var doc metav1.PartialObjectMetadata
		if path.Base(f.Path) != kustomization && yaml.Unmarshal(f.Data, &doc) == nil {
			gvk := doc.GroupVersionKind()
			out = append(out, object.Object{
				ID:      object.ID{Group: gvk.Group, Kind: gvk.Kind, Namespace: doc.Namespace, Name: doc.Name},
				Version: gvk.Version, YAML: f.Data,
			})
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
		{"twice under two names", "- configmap-x.yaml\n-- tenants", "- configmap-x.yaml\n- configmap-x2.yaml\n-- tenants/sandbox/a/platform/configmap-x2.yaml\n" + configMap1("x") + "\n-- tenants", diag.KustomizeFails,
			`tenants/sandbox/a/platform/kustomization.yaml: kustomize cannot build it: accumulating resources`},
		{"generated name", "  name: y\n", "  generateName: y\n", diag.KustomizeFails, `missing metadata.name in object`},
		{"no kind", "kind: ConfigMap\nmetadata:\n  name: y\n", "metadata:\n  name: y\n", diag.KustomizeFails, `missing kind in object`},
		{"not YAML", "  name: y\n", "  name: 'y\n", diag.KustomizeFails, `kustomize cannot build it`},
		{"absolute", "- configmap-y.yaml", "- /configmap-y.yaml", diag.KustomizeFails, `kustomize cannot build it`},
		{"second document", "  name: y\n", "  name: y\n---\nkind: ConfigMap\nmetadata:\n  name: ''\n", diag.KustomizeFails, `missing metadata.name in object`},
		{"second document of one name", configMap1("y"), configMap1("y") + "\n---\n" + configMap1("y"), diag.KustomizeFails, `already registered id`},
		{"list", "kind: ConfigMap\nmetadata:\n  name: y\n", "kind: ConfigMapList\nitems: [{}, {kind: ConfigMap}]\nmetadata:\n  name: y\n", diag.KustomizeFails, `missing metadata.name in object`},
		{"a scalar", configMap1("y"), "y", diag.KustomizeFails, `kustomize cannot build it`},
		{"empty leaf", "resources:\n- configmap-x.yaml", "resources: []", diag.KustomizeFails, `the kustomization.yaml beside it does not list it`},
		{"two kustomizations", "-- tenants/sandbox/a/app/kustomization.yaml", "-- tenants/sandbox/a/app/Kustomization\n" + lists("configmap-y.yaml") + "\n-- tenants/sandbox/a/app/kustomization.yaml", diag.KustomizeFails,
			`tenants/sandbox/a/app/kustomization.yaml: kustomize cannot build it: Found multiple kustomization files`},
		{"two kustomizations of a sum", "-- tenants/sandbox/kustomization.yaml", "-- tenants/sandbox/Kustomization\n{}\n-- tenants/sandbox/kustomization.yaml", diag.KustomizeFails,
			`tenants/sandbox/kustomization.yaml: kustomize cannot build it: Found multiple kustomization files`},
		{"component as a resource", "-- tenants/sandbox/a/app/kustomization.yaml\n" + head, "-- tenants/sandbox/a/app/kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n", diag.KustomizeFails,
			`tenants/sandbox/kustomization.yaml: kustomize cannot build it`},
		{"two owners, one above the other", "- a/app\n", "- a/app\n- configmap-y.yaml\n-- tenants/sandbox/configmap-y.yaml\n" + configMap1("y") + "\n", "", `already registered id`},
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
				if d.Code != test.code && test.code != "" {
					t.Errorf("code %s", d.Code)
				}
				said = append(said, d.Span.String()+": "+d.Summary)
			}
			got := strings.Join(said, "; ")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			// With the objects known, the verdict is the same, and what is said differs only where a sum of known
			// files and directories is not built: there an object that stands twice has two owners.
			known := Kustomizations(files(text), objectsIn(files(text))...)
			if (known.Len() > 0) != (list.Len() > 0) {
				t.Errorf("with known objects: %v; without: %v", known.Sorted(), list.Sorted())
			} else if test.code != "" && fmt.Sprint(known.Sorted()) != fmt.Sprint(list.Sorted()) {
				t.Errorf("with known objects: %v; without: %v", known.Sorted(), list.Sorted())
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
