package estate_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/internal/check"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/estate"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/object"
)

// enough tenants for each shape to have a neighbour of each kind.
const enough = 30

func mapFS(tenants int) fstest.MapFS {
	out := fstest.MapFS{}
	for _, f := range estate.Files(tenants) {
		out[f.Path] = &fstest.MapFile{Data: f.Data}
	}
	return out
}

func read(tb testing.TB, root string, opts load.Options) *load.Loaded {
	tb.Helper()
	l, err := load.Load(tb.Context(), root, opts)
	if err != nil {
		tb.Fatal(err)
	}
	quiet(tb, l, l.Diags)
	return l
}

func compile(tb testing.TB, l *load.Loaded) *generator.Result {
	tb.Helper()
	r, list, err := generator.Compile(l.Set, generator.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	quiet(tb, l, list)
	return r
}

// quiet fails on any diagnostic, warnings included.
func quiet(tb testing.TB, l *load.Loaded, list diag.List) {
	tb.Helper()
	if list.Len() == 0 {
		return
	}
	var b bytes.Buffer
	if err := diag.Print(&b, diag.Text, &list, diag.PrintOptions{Source: l.Source}); err != nil {
		tb.Fatal(err)
	}
	tb.Fatalf("%s\n%s", list.Summary(), b.Bytes()[:min(b.Len(), 4000)])
}

func TestFilesAreAFunctionOfTheirNumber(t *testing.T) {
	a, b, more := estate.Files(enough), estate.Files(enough), estate.Files(enough+1)
	same := func(x, y estate.File) bool { return x.Path == y.Path && bytes.Equal(x.Data, y.Data) }
	if !slices.EqualFunc(a, b, same) {
		t.Error("two calls give two estates")
	}
	if n := len(a) - 1; !slices.EqualFunc(a[:n], more[:n], same) {
		t.Error("one tenant more changes others than the one before it")
	}
}

func TestWriteWritesFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if err := estate.Write(dir, 3); err != nil {
		t.Fatal(err)
	}
	for _, f := range estate.Files(3) {
		got, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil || !bytes.Equal(got, f.Data) {
			t.Errorf("%s: %v", f.Path, err)
		}
	}
	compile(t, read(t, dir, load.Options{}))
}

// Where a size is not a multiple of the shapes, the last tenant has nobody to offer anything to.
func TestEverySizeCompiles(t *testing.T) {
	for n := range 12 {
		compile(t, read(t, "", load.Options{FS: mapFS(n)}))
	}
}

func TestTenantsHaveAtLeast25Objects(t *testing.T) {
	l := read(t, "", load.Options{FS: mapFS(enough)})
	count := map[string]int{}
	for _, o := range compile(t, l).Objects.All() {
		count[decode(t, o).Metadata.Labels[label.Tenant]]++
	}
	for _, tenant := range l.Set.Tenants {
		if n := count[tenant.Name]; n < 25 {
			t.Errorf("%s (%s) has %d objects", tenant.Name, tenant.Description, n)
		}
	}
}

func TestObjectsAreValid(t *testing.T) {
	r := compile(t, read(t, "", load.Options{FS: mapFS(enough)}))
	var clusters []check.Cluster
	for _, c := range r.Platform.Clusters {
		clusters = append(clusters, check.Cluster{Name: c.Name, Kubernetes: c.Kubernetes, Span: c.Origin})
	}
	list, err := check.Schemas(r.Objects.All(), clusters)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list.Sorted() {
		t.Errorf("%s: %s", d.Span, d.Summary)
	}
}

// manifest is what the tests read of an object of any kind.
type manifest struct {
	Metadata struct {
		Name, Namespace     string
		Labels, Annotations map[string]string
	}
	Spec map[string]any
}

func decode(tb testing.TB, o object.Object) manifest {
	tb.Helper()
	m, err := o.Map()
	if err != nil {
		tb.Fatal(err)
	}
	var out manifest
	meta, _ := m["metadata"].(map[string]any)
	out.Metadata.Name, _ = meta["name"].(string)
	out.Metadata.Namespace, _ = meta["namespace"].(string)
	out.Metadata.Labels, out.Metadata.Annotations = texts(meta["labels"]), texts(meta["annotations"])
	out.Spec, _ = m["spec"].(map[string]any)
	return out
}

func texts(v any) map[string]string {
	out := map[string]string{}
	fields, _ := v.(map[string]any)
	for k, v := range fields {
		out[k], _ = v.(string)
	}
	return out
}
