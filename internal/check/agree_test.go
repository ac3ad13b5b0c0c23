package check_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/internal/check"
	"github.com/zavestudios/zave/internal/estate"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/tree"
)

// Kustomize is the oracle for what Kustomizations says of known objects: on a whole estate, and on the same with one
// thing wrong, where the objects are either those from before or have the fault, too. An object with a fault is one
// that Schemas may refuse instead.
func TestKnownObjectsAgreeWithKustomize(t *testing.T) {
	fsys := fstest.MapFS{}
	for _, f := range estate.Files(3) {
		fsys[f.Path] = &fstest.MapFile{Data: f.Data}
	}
	l, err := load.Load(t.Context(), "", load.Options{FS: fsys})
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := generator.Compile(l.Set, generator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	good, objects := r.Tree.Files(), r.Objects.All()
	var clusters []check.Cluster
	for _, c := range r.Platform.Clusters {
		clusters = append(clusters, check.Cluster{Name: c.Name, Kubernetes: c.Kubernetes})
	}
	refused := func(name string, files []tree.File, changed ...object.Object) bool {
		slow := check.Kustomizations(files)
		if fast := check.Kustomizations(files, objects...); (slow.Len() > 0) != (fast.Len() > 0) {
			t.Errorf("%s: kustomize says %v; we say %v", name, slow.Sorted(), fast.Sorted())
		}
		if len(changed) > 0 {
			schemas, err := check.Schemas(changed, clusters)
			if err != nil {
				t.Fatal(err)
			}
			fast := check.Kustomizations(files, slices.Concat(objects, changed)...)
			if fast.Merge(schemas); slow.Len() > 0 && fast.Len() == 0 {
				t.Errorf("%s and its object: kustomize says %v; we say nothing", name, slow.Sorted())
			}
		}
		return slow.Len() > 0
	}
	if refused("no fault", good) {
		t.Fatal("kustomize refuses the estate")
	}

	// Each seeds its fault into one file, or leaves it as it is.
	faults := []struct {
		name string
		do   func(data []byte) []byte
	}{
		{"no name", func(b []byte) []byte { return bytes.Replace(b, []byte("\n  name: "), []byte("\n  nme: "), 1) }},
		{"no kind", func(b []byte) []byte { return bytes.Replace(b, []byte("\nkind: "), []byte("\nkinds: "), 1) }},
		{"a list", func(b []byte) []byte {
			return append(bytes.Replace(b, []byte("\nmetadata:"), []byte("List\nmetadata:"), 1), "items: [3]\n"...)
		}},
		{"cut short", func(b []byte) []byte { return append(b[:len(b)/2:len(b)/2], "'"...) }},
		{"empty", func([]byte) []byte { return nil }},
		{"twice", func(b []byte) []byte { return slices.Concat(b, []byte("---\n"), b) }},
		{"key twice", func(b []byte) []byte { return append(slices.Clone(b), "kind: Other\n"...) }},
		{"a tab", func(b []byte) []byte { return bytes.Replace(b, []byte("\n  "), []byte("\n\t"), 1) }},
		{"a resource more", func(b []byte) []byte { return append(slices.Clone(b), "- ../other.yaml\n"...) }},
		{"a resource less", func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] }},
		{"a transformer", func(b []byte) []byte { return append(slices.Clone(b), "namePrefix: p-\n"...) }},
		{"a field", func(b []byte) []byte { return append(slices.Clone(b), "prefix: p-\n"...) }},
	}
	random := rand.New(rand.NewPCG(1, 2))
	total := 0
	for _, fault := range faults {
		for range 2 {
			i := random.IntN(len(good))
			files := slices.Clone(good)
			was := files[i].Data
			files[i].Data = fault.do(was)
			var changed []object.Object
			for _, o := range objects {
				if bytes.Equal(o.YAML, was) {
					o.YAML = files[i].Data
					changed = append(changed, o)
				}
			}
			if refused(fault.name+" in "+files[i].Path, files, changed...) {
				total++
			}
		}
	}
	// A copy of an object, in its directory and in another one.
	for n := range 2 {
		i := random.IntN(len(good))
		for path.Ext(good[i].Path) != ".yaml" || path.Base(good[i].Path) == "kustomization.yaml" {
			i = random.IntN(len(good))
		}
		for j, f := range good {
			if dir := path.Dir(f.Path); path.Base(f.Path) == "kustomization.yaml" && (dir == path.Dir(good[i].Path) || j%60 == n) {
				files := slices.Clone(good)
				files[j].Data = append(slices.Clone(f.Data), "- copy.yaml\n"...)
				files = append(files, tree.File{Path: dir + "/copy.yaml", Data: good[i].Data})
				if refused(fmt.Sprintf("a copy of %s in %s", good[i].Path, dir), files) {
					total++
				}
			}
		}
	}
	if total < 15 {
		t.Errorf("only %d faults were found at all", total)
	}
}
