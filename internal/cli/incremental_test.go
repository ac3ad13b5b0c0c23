package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/internal/diag"
	synthetic "github.com/zavestudios/zave/internal/estate"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/tree"
)

// index stands for git's index: it knows the hashes of files, and counts what is read of them.
type index struct {
	fstest.MapFS
	golden map[string][]byte
	odd    map[string]bool // golden files that are symbolic links
	specs  int             // specs that were read
	blobs  int             // golden files that were read
	hashes map[string]string
}

func newIndex(tenants int) *index {
	x := &index{MapFS: fstest.MapFS{}, golden: map[string][]byte{}, odd: map[string]bool{}, hashes: map[string]string{}}
	for _, f := range synthetic.Files(tenants) {
		x.MapFS[f.Path] = &fstest.MapFile{Data: f.Data}
	}
	return x
}

func (x *index) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "tenants/") && strings.HasSuffix(name, ".cue") {
		x.specs++
	}
	return x.MapFS.Open(name)
}

func (x *index) Hash(name string) (string, bool) {
	f := x.MapFS[name]
	if f == nil {
		return "", false
	}
	sum := sha256.Sum256(f.Data)
	return hex.EncodeToString(sum[:20]), true
}

func (x *index) staged() staged {
	return staged{
		Specs: x,
		Tree: func(dir string) ([]tree.Stored, error) {
			if dir != "out" {
				return nil, fmt.Errorf("the tree is in %s", dir)
			}
			out := make([]tree.Stored, 0, len(x.golden))
			for _, p := range slices.Sorted(maps.Keys(x.golden)) {
				out = append(out, tree.Stored{Path: p, Hash: tree.Blob(x.golden[p]), Regular: !x.odd[p]})
			}
			return out, nil
		},
		Read: func(f tree.Stored) ([]byte, error) {
			x.blobs++
			return x.golden[f.Path], nil
		},
	}
}

// edit replaces text in a spec.
func (x *index) edit(t *testing.T, name, old, new string) {
	t.Helper()
	data := x.MapFS[name].Data
	if !bytes.Contains(data, []byte(old)) {
		t.Fatalf("%s has no %q", name, old)
	}
	x.MapFS[name] = &fstest.MapFile{Data: bytes.ReplaceAll(data, []byte(old), []byte(new))}
}

// want gives what a build of all would make of the specs, and what is wrong with them.
func (x *index) want(t *testing.T) (map[string][]byte, diag.List) {
	t.Helper()
	l, err := load.Load(t.Context(), ".", load.Options{FS: x.MapFS})
	if err != nil {
		t.Fatal(err)
	}
	r, list, err := generator.Compile(l.Set, generator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list.Merge(l.Diags)
	if r == nil {
		return nil, list
	}
	out := map[string][]byte{}
	for _, f := range slices.Concat(r.Tree.Files(), r.Tree.Index(generatorName()).Split()) {
		out[f.Path] = f.Data
	}
	return out, list
}

// TestRegenerate goes through what people stage one after the other. After each step the stored tree has to be what a
// build of all gives, byte for byte, and what was written exactly what was not so.
func TestRegenerate(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir()) // where macOS has it
	x, files := newIndex(10), synthetic.Files(10)
	spec := func(n int) string { return fmt.Sprintf("tenants/tenant-%04d/tenant.cue", n) }
	own := map[string]string{"own/notes.md": "mine", "tenants/home/tenant-0001/README.md": "mine too"}
	for _, step := range []struct {
		name    string
		do      func()
		written int // tenants of whom files are written
		read    int // specs that are read
	}{
		{"first", func() {}, 10, 10},
		{"nothing", func() {}, 0, 0},
		{"an image", func() { x.edit(t, spec(0), "1.4.2", "1.4.3") }, 1, 1},
		{"back", func() { x.edit(t, spec(0), "1.4.3", "1.4.2") }, 1, 0},
		{"a line above all others", func() { x.edit(t, spec(1), "\tclusters:", "\t// a remark\n\tclusters:") }, 1, 1},
		{"a port that a neighbour uses", func() { x.edit(t, spec(0), "8000", "8001") }, 2, 1},
		{"a tenant goes", func() { delete(x.MapFS, spec(9)) }, 0, 0},
		{"and comes back", func() { x.MapFS[spec(9)] = &fstest.MapFile{Data: files[len(files)-1].Data} }, 1, 0},
		{"a tenant is retired", func() { x.edit(t, spec(9), "\tclusters:", "\tstate: \"retired\"\n\tclusters:") }, 1, 1},
		{"a tenant is on another cluster as well", func() { x.edit(t, spec(9), `clusters: ["cloud"]`, `clusters: ["cloud", "home"]`) }, 1, 1},
		{"and on no cluster of before", func() { x.edit(t, spec(9), `clusters: ["cloud", "home"]`, `clusters: ["home"]`) }, 0, 1},
		{"a tier of the platform", func() { x.edit(t, "platform/platform.cue", "pods:    40", "pods:    41") }, 9, 0}, // not the retired one
		{"a file that is gone", func() { delete(x.golden, "tenants/home/tenant-0001/app/deployment-web.yaml") }, 1, 0},
		{"lists and indexes that are gone", func() {
			for _, p := range []string{tree.IndexPath, "tenants/home/kustomization.yaml", "clusters/home/kustomization.yaml", ".zave/home/tenant-0001.json"} {
				delete(x.golden, p)
			}
		}, 1, 0},
		{"an index of version 1, in one file", func() {
			parts := []tree.Index{}
			for p, data := range x.golden {
				if tree.IsIndex(p) {
					part, err := tree.ParseIndex(data)
					if err != nil {
						t.Fatal(err)
					}
					parts = append(parts, part)
					delete(x.golden, p)
				}
			}
			all, err := tree.Join(parts)
			if err != nil {
				t.Fatal(err)
			}
			all.Version = 1
			x.golden[tree.IndexPath] = all.Encode()
		}, 10, 0},
		{"files of others", func() {
			for p, data := range own {
				x.golden[p] = []byte(data)
			}
		}, 0, 0},
		{"many", func() {
			for n := range 9 {
				x.edit(t, spec(n), "\towner:", "\n\towner:")
			}
		}, 9, 9},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.do()
			want, list := x.want(t)
			if list.HasErrors() {
				t.Fatal(list.Sorted())
			}
			x.specs = 0
			a := newApp(nil, io.Discard, io.Discard)
			got, in, err := a.regenerate(t.Context(), x.staged())
			if err != nil || in.list.HasErrors() {
				t.Fatal(err, in.list.Sorted())
			}
			if got.Dir != "out" || got.Files != len(want) {
				t.Errorf("%d files in %s, want %d", got.Files, got.Dir, len(want))
			}
			for _, f := range got.Write {
				if bytes.Equal(x.golden[f.Path], f.Data) {
					t.Errorf("%s is written, and it is there", f.Path)
				}
				x.golden[f.Path] = f.Data
			}
			for _, p := range got.Remove {
				if _, ok := x.golden[p]; !ok {
					t.Errorf("%s is removed, and it is not there", p)
				}
				delete(x.golden, p)
			}
			for p, data := range want {
				if !bytes.Equal(x.golden[p], data) {
					t.Errorf("%s is\n%s\nwant\n%s", p, x.golden[p], data)
				}
			}
			for p := range x.golden {
				if _, ok := want[p]; !ok && own[p] == "" {
					t.Errorf("%s is too much", p)
				}
			}
			tenants := map[string]bool{}
			for _, f := range got.Write {
				if _, tenant := layout.Owner(f.Path); tenant != "" {
					tenants[tenant] = true
				}
			}
			if len(tenants) != step.written {
				t.Errorf("written are files of %v", slices.Sorted(maps.Keys(tenants)))
			}
			if x.specs != step.read {
				t.Errorf("%d specs were read", x.specs)
			}
		})
	}
}

// TestRegenerateRefuses: nothing is to be written where specs are wrong, or where somebody's edits would be lost.
func TestRegenerateRefuses(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	const deployment = "tenants/home/tenant-0001/app/deployment-web.yaml"
	for _, tt := range []struct {
		name string
		do   func(x *index)
		code diag.Code
		at   string
	}{
		{"an edit by hand", func(x *index) { x.golden[deployment] = []byte("mine") }, diag.HandEdited, "out/" + deployment},
		{"a link", func(x *index) { x.odd[deployment] = true }, diag.HandEdited, "out/" + deployment},
		{"an edit by hand of what goes", func(x *index) {
			delete(x.MapFS, "tenants/tenant-0009/tenant.cue")
			x.golden["tenants/cloud/tenant-0009/app/deployment-web.yaml"] = []byte("mine")
		}, diag.HandEdited, "out/tenants/cloud/tenant-0009/app/deployment-web.yaml"},
		{"an edit by hand of what all share", func(x *index) {
			x.golden["tenants/home/kustomization.yaml"] = []byte("mine")
		}, diag.HandEdited, "out/tenants/home/kustomization.yaml"},
		{"somebody's file", func(x *index) {
			delete(x.golden, ".zave/home/tenant-0001.json")
			x.golden[deployment] = []byte("mine")
		}, diag.ForeignFile, "out/" + deployment},
		{"a mistake", func(x *index) { x.edit(t, "tenants/tenant-0001/tenant.cue", "port:", "prot:") }, diag.UnknownField, "tenants/tenant-0001/tenant.cue"},
		{"a mistake between two", func(x *index) {
			x.edit(t, "tenants/tenant-0001/tenant.cue", `uses: [{tenant: "tenant-0000"`, `uses: [{tenant: "tenant-0008"`)
		},
			diag.UseWithoutOffer, "tenants/tenant-0001/tenant.cue"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newIndex(10)
			x.golden, _ = x.want(t)
			tt.do(x)
			for range 2 { // what is remembered of the first must not let the second pass
				a := newApp(nil, io.Discard, io.Discard)
				got, in, err := a.regenerate(t.Context(), x.staged())
				if err != nil || got != nil {
					t.Fatal(got, err)
				}
				found := slices.ContainsFunc(in.list.Sorted(), func(d diag.Diagnostic) bool { return d.Code == tt.code && d.Span.File == tt.at })
				if !found {
					t.Errorf("said was %v", in.list.Sorted())
				}
			}
		})
	}

	x := newIndex(3)
	x.golden, _ = x.want(t)
	x.golden[".zave/home/tenant-0001.json"] = []byte("<<<<<<<")
	if _, _, err := newApp(nil, io.Discard, io.Discard).regenerate(t.Context(), x.staged()); err == nil || !strings.Contains(err.Error(), "corrupt") {
		t.Errorf("a corrupt index: %v", err)
	}
}

// TestPair: what both sides of a pair hold is what full compiles hold, and what they lack is the same in both.
func TestPair(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	for _, tt := range []struct {
		name    string
		do      func(x *index)
		tenants int // that are compiled, on either side
	}{
		{"nothing", func(*index) {}, 0},
		{"an image", func(x *index) { x.edit(t, "tenants/tenant-0000/tenant.cue", "1.4.2", "1.4.3") }, 2}, // and its neighbour
		{"a tenant goes", func(x *index) { delete(x.MapFS, "tenants/tenant-0009/tenant.cue") }, 1},
		{"the platform", func(x *index) { x.edit(t, "platform/platform.cue", "pods:    40", "pods:    41") }, 10},
		{"a mistake", func(x *index) { x.edit(t, "tenants/tenant-0001/tenant.cue", "port:", "prot:") }, 10},
		{"a mistake between two", func(x *index) {
			x.edit(t, "tenants/tenant-0001/tenant.cue", `uses: [{tenant: "tenant-0000"`, `uses: [{tenant: "tenant-0008"`)
		}, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, head := newIndex(10), newIndex(10)
			tt.do(head)
			b, h, err := newApp(nil, io.Discard, io.Discard).pair(t.Context(), base, head)
			if err != nil {
				t.Fatal(err)
			}
			tenants := map[string]bool{}
			lack := [2]map[string]string{{}, {}}
			for i, s := range []struct {
				*side
				x *index
			}{{b, base}, {h, head}} {
				want, list := s.x.want(t)
				if (s.result == nil) != list.HasErrors() || s.list.HasErrors() != list.HasErrors() || len(s.list.Sorted()) != len(list.Sorted()) {
					t.Fatalf("said was %v, want %v", s.list.Sorted(), list.Sorted())
				}
				if s.result == nil {
					continue
				}
				have := map[string]bool{}
				for _, f := range s.result.Tree.Files() {
					have[f.Path] = true
					if _, tenant := layout.Owner(f.Path); tenant != "" {
						tenants[tenant] = true
					}
					if !layout.ListsTenants(f.Path) && f.Path != "clusters/"+strings.Split(f.Path, "/")[1]+"/kustomization.yaml" && !bytes.Equal(f.Data, want[f.Path]) {
						t.Errorf("%s is another one in a compile of all", f.Path)
					}
				}
				for p, data := range want {
					if _, tenant := layout.Owner(p); !have[p] && !tree.IsIndex(p) && (tenant != "" || path.Base(p) != layout.Kustomization) {
						lack[i][p] = string(data)
					}
				}
			}
			if b.result != nil && h.result != nil && !maps.Equal(lack[0], lack[1]) {
				t.Error("what is missing differs")
			}
			if len(tenants) != tt.tenants {
				t.Errorf("compiled were %v", slices.Sorted(maps.Keys(tenants)))
			}
		})
	}
}
