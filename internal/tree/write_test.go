package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zavestudios/zave/internal/diag"
)

// mustNew makes a tree. A file's unit is "unit-" and its directory; at the root it has none. What is below tenants/ has a
// part of the index for each of its directories.
func mustNew(t testing.TB, files map[string]string) *Tree {
	t.Helper()
	var list []File
	for p, data := range files {
		f := File{Path: p, Data: []byte(data)}
		if dir := path.Dir(p); dir != "." {
			f.Unit = "unit-" + dir
		}
		if parts := strings.Split(p, "/"); parts[0] == "tenants" && len(parts) > 2 {
			f.Part = "dev/" + parts[1]
		}
		list = append(list, f)
	}
	tr, err := New(list)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

var opts = WriteOptions{Generator: "zave test"}

func write(t testing.TB, dir string, tr *Tree, o WriteOptions) WriteResult {
	t.Helper()
	r, l, err := WriteDir(t.Context(), dir, tr, o)
	if err != nil || l.Len() > 0 {
		t.Fatalf("WriteDir: %v, %v", err, l.Sorted())
	}
	return r
}

// put makes files; a name ending in a slash is a directory, a text beginning with "-> " a symbolic link.
func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		full := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(full, 0o755)
		} else if to, ok := strings.CutPrefix(files[name], "-> "); ok {
			err = os.Symlink(to, full)
		} else if err == nil {
			err = os.WriteFile(full, []byte(files[name]), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// snapshot reads a directory in the same form; only empty directories are listed.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		switch {
		case d.IsDir():
			entries, err := os.ReadDir(name)
			if len(entries) == 0 {
				got[rel+"/"] = ""
			}
			return err
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(name)
			got[rel] = "-> " + to
			return err
		default:
			data, err := os.ReadFile(name)
			got[rel] = string(data)
			return err
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// with gives what a directory holds that has this tree and these other files.
func with(tr *Tree, others map[string]string) map[string]string {
	want := maps.Clone(others)
	if want == nil {
		want = map[string]string{}
	}
	for _, f := range tr.Files() {
		want[f.Path] = string(f.Data)
	}
	for _, f := range tr.Index(opts.Generator).Split() {
		want[f.Path] = string(f.Data)
	}
	return want
}

func sameFiles(t testing.TB, got, want map[string]string) {
	t.Helper()
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[p]; !ok {
			t.Errorf("%s is missing", p)
		} else if g != want[p] {
			t.Errorf("%s is %q, want %q", p, g, want[p])
		}
	}
	for _, p := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[p]; !ok {
			t.Errorf("%s is too much", p)
		}
	}
}

// alone fails if anything but the target is left beside it.
func alone(t testing.TB, target string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".zave") {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

var treeA = map[string]string{
	"kustomization.yaml":     "root",
	"tenants/a/ns.yaml":      "namespace a",
	"tenants/a/quota.yaml":   "quota a",
	"tenants/b/ns.yaml":      "namespace b",
	"platform/istio/ns.yaml": "istio",
}

var treeB = map[string]string{
	"kustomization.yaml":     "root 2",
	"tenants/a/ns.yaml":      "namespace a",
	"tenants/c/ns.yaml":      "namespace c",
	"platform/istio/ns.yaml": "istio",
}

func TestWriteDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x", "out")
	a, b := mustNew(t, treeA), mustNew(t, treeB)

	r := write(t, dir, a, opts)
	if len(r.Written) != 8 || len(r.Changed)+len(r.Removed)+r.Unchanged != 0 {
		t.Errorf("first write: %+v", r)
	}
	sameFiles(t, snapshot(t, dir), with(a, nil))
	alone(t, dir)

	others := map[string]string{
		"README.md": "hello", ".git/HEAD": "ref", ".git/objects/": "", "tenants/a/notes/": "", "tenants/b/OWNERS": "me",
		"link": "-> nowhere", "dirlink": "-> tenants",
	}
	put(t, dir, others)
	if err := os.Chmod(filepath.Join(dir, ".git"), 0o700); err != nil {
		t.Fatal(err)
	}
	before := stat(t, filepath.Join(dir, "README.md"))
	keep := stat(t, filepath.Join(dir, "tenants/a/ns.yaml"))
	r = write(t, dir, b, opts)
	want := WriteResult{
		Written:   []string{".zave/dev/c.json", "tenants/c/ns.yaml"},
		Changed:   []string{".zave/dev/a.json", IndexPath, "kustomization.yaml"},
		Removed:   []string{".zave/dev/b.json", "tenants/a/quota.yaml", "tenants/b/ns.yaml"},
		Unchanged: 2,
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
	sameFiles(t, snapshot(t, dir), with(b, others))
	alone(t, dir)
	if !os.SameFile(before, stat(t, filepath.Join(dir, "README.md"))) || !os.SameFile(keep, stat(t, filepath.Join(dir, "tenants/a/ns.yaml"))) {
		t.Error("a file that did not change has another inode")
	}
	if m := stat(t, filepath.Join(dir, ".git")).Mode().Perm(); m != 0o700 {
		t.Errorf(".git has mode %o", m)
	}

	// Nothing changes: nothing is touched, and an unwritable parent is no hindrance.
	root := stat(t, dir)
	r = write(t, dir, b, opts)
	if len(r.Written)+len(r.Changed)+len(r.Removed) != 0 || r.Unchanged != 7 {
		t.Errorf("unchanged: %+v", r)
	}
	if now := stat(t, dir); !os.SameFile(root, now) || !now.ModTime().Equal(root.ModTime()) {
		t.Error("the directory was touched")
	}
	if d, err := Compare(t.Context(), dir, b, opts); err != nil || !d.Empty() {
		t.Errorf("Compare: %+v, %v", d, err)
	}
}

func stat(t testing.TB, name string) os.FileInfo {
	t.Helper()
	info, err := os.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestEmptiedDirectoriesGo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	write(t, dir, mustNew(t, map[string]string{"a/b/c/d": "", "x": ""}), opts)
	write(t, dir, mustNew(t, map[string]string{"x": ""}), opts)
	if _, err := os.Lstat(filepath.Join(dir, "a")); err == nil {
		t.Error("a is still there")
	}
}

// TestLists: a part that is written alone is listed with what stands, and not with all that the tree has.
func TestLists(t *testing.T) {
	const list = "d/list"
	of := func(names ...string) *Tree {
		files := map[string]string{"e": "e"}
		for _, n := range names {
			files["d/"+n+"/f"] = n
		}
		if len(names) > 0 {
			files[list] = strings.Join(names, " ")
		}
		return mustNew(t, files)
	}
	o := opts
	o.Lists = func(p string) bool { return p == list }
	o.List = func(names []string) []byte { return []byte(strings.Join(names, " ")) }
	for _, tt := range []struct {
		name             string
		before, tree     *Tree
		selected, listed string // listed is empty: there is no list
	}{
		{"new beside another that is new", of("a"), of("a", "b", "c"), "b", "a b"},
		{"changed", of("a", "b"), of("a", "b"), "b", "a b"},
		{"gone beside another that is gone", of("a", "b", "c"), of("a"), "b", "a c"},
		{"the last", of("b"), of(), "b", ""},
		{"the last of the tree's, beside an old one", of("a", "b"), of(), "b", "a"},
		{"the first", of(), of("a", "b"), "b", "b"},
		{"not there, and others are new", of(), of("a"), "b", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			write(t, dir, tt.before, opts)
			o.Only = func(p string) bool { return p == list || strings.HasPrefix(p, "d/"+tt.selected+"/") }
			write(t, dir, tt.tree, o)
			got := snapshot(t, dir)
			if text, ok := got[list]; text != tt.listed || ok != (tt.listed != "") {
				t.Errorf("the list is %q, %v; want %q", text, ok, tt.listed)
			}
			x, err := ParseIndex([]byte(got[IndexPath]))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range x.Files {
				if data, ok := got[e.Path]; !ok || digest([]byte(data)) != e.Digest {
					t.Errorf("the index lists %s, which is not there, or other", e.Path)
				}
			}
			if len(x.Files)+1 != len(got) {
				t.Errorf("%d files, and the index lists %d", len(got), len(x.Files))
			}
			if d, err := Compare(t.Context(), dir, tt.tree, o); err != nil || !d.Empty() {
				t.Errorf("afterwards: %+v, %v", d, err)
			}
		})
	}
}

func TestBlocked(t *testing.T) {
	a, b := mustNew(t, treeA), mustNew(t, treeB)
	for _, tt := range []struct {
		name  string
		first *Tree
		do    map[string]string // "" removes first
		path  string
		code  diag.Code
		then  map[string]string // after force, over tree B; nil: nothing more
	}{
		{"edited and still in the tree", a, map[string]string{"kustomization.yaml": "mine"}, "kustomization.yaml", diag.HandEdited, nil},
		{"edited and no longer in the tree", a, map[string]string{"tenants/b/ns.yaml": "mine"}, "tenants/b/ns.yaml", diag.HandEdited, nil},
		{"edited and not changed by the build", a, map[string]string{"tenants/a/ns.yaml": "mine"}, "tenants/a/ns.yaml", diag.HandEdited, nil},
		{"replaced by a link", a, map[string]string{"kustomization.yaml": "-> tenants/a/ns.yaml"}, "kustomization.yaml", diag.HandEdited, nil},
		{"stale, replaced by a link", a, map[string]string{"tenants/b/ns.yaml": "-> x"}, "tenants/b/ns.yaml", diag.HandEdited, nil},
		{"foreign", a, map[string]string{"tenants/c/ns.yaml": "mine"}, "tenants/c/ns.yaml", diag.ForeignFile, nil},
		{"foreign directory", a, map[string]string{"tenants/c/ns.yaml/": ""}, "tenants/c/ns.yaml", diag.ForeignFile, nil},
		{"foreign link", a, map[string]string{"tenants/c/ns.yaml": "-> ../a/ns.yaml"}, "tenants/c/ns.yaml", diag.ForeignFile, nil},
		{"foreign file for a directory", a, map[string]string{"tenants/c": "mine"}, "tenants/c", diag.ForeignFile, nil},
		{"foreign link for a directory", a, map[string]string{"tenants/c": "-> a"}, "tenants/c", diag.ForeignFile, nil},
		{"foreign file for the index's directory", nil, map[string]string{".zave": "mine"}, ".zave", diag.ForeignFile, nil},
		{"no index", nil, map[string]string{"kustomization.yaml": "mine", "x": "y"}, "kustomization.yaml", diag.ForeignFile, map[string]string{"x": "y"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			dir := filepath.Join("sub", "out")
			if tt.first != nil {
				write(t, dir, tt.first, opts)
			}
			for name := range tt.do {
				if !strings.HasSuffix(name, "/") {
					_ = os.Remove(filepath.Join(dir, name))
				}
			}
			put(t, dir, tt.do)
			before := snapshot(t, dir)
			r, l, err := WriteDir(t.Context(), dir, b, opts)
			if err != nil || !reflect.DeepEqual(r, WriteResult{}) {
				t.Errorf("WriteDir: %+v, %v", r, err)
			}
			ds := l.Sorted()
			if len(ds) != 1 || ds[0].Code != tt.code || ds[0].Span.File != "sub/out/"+tt.path || !strings.Contains(ds[0].Hint, "--force") {
				t.Errorf("diagnostics: %+v", ds)
			}
			if s := ds[0].Summary; strings.Contains(s, tt.path) || strings.Contains(s, "unit-") {
				t.Errorf("%q names the path, which stands before it, or a unit, which means nothing to the user", s)
			}
			sameFiles(t, snapshot(t, dir), before)
			alone(t, dir)

			o := opts
			o.Force = true
			write(t, dir, b, o)
			sameFiles(t, snapshot(t, dir), with(b, tt.then))
			alone(t, dir)
		})
	}
}

func TestForeignFileWithEqualBytes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	b := mustNew(t, treeB)
	put(t, dir, treeB)
	r := write(t, dir, b, opts)
	if !reflect.DeepEqual(r, WriteResult{Written: []string{".zave/dev/a.json", ".zave/dev/c.json", IndexPath}, Unchanged: 4}) {
		t.Errorf("%+v", r)
	}
}

func TestFilesAndDirectoriesChangePlaces(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	a := mustNew(t, map[string]string{"a": "1", "b/c/d": "2", "b/e": "3"})
	b := mustNew(t, map[string]string{"a/x/y": "4", "b": "5"})
	write(t, dir, a, opts)
	write(t, dir, b, opts)
	sameFiles(t, snapshot(t, dir), with(b, nil))
	write(t, dir, a, opts)
	sameFiles(t, snapshot(t, dir), with(a, nil))

	put(t, dir, map[string]string{"b/c/mine": "6"})
	_, l, err := WriteDir(t.Context(), dir, b, opts)
	if ds := l.Sorted(); err != nil || len(ds) != 1 || ds[0].Code != diag.ForeignFile {
		t.Errorf("a directory with somebody's file gives way: %v, %v", ds, err)
	}
}

func TestTargets(t *testing.T) {
	a := mustNew(t, treeA)
	tmp := t.TempDir()
	at := func(s string) string { return filepath.Join(tmp, s) }
	put(t, tmp, map[string]string{"file": "x", "empty/": "", "real/": "", "link": "-> real", "far/link": "-> ../link", "dangling": "-> later"})

	if _, _, err := WriteDir(t.Context(), at("file"), a, opts); err == nil || !strings.Contains(err.Error(), "is not a directory") {
		t.Errorf("a file: %v", err)
	}
	if _, _, err := WriteDir(t.Context(), "/", a, opts); err == nil {
		t.Error("the root was accepted")
	}
	write(t, at("empty"), a, opts)
	sameFiles(t, snapshot(t, at("empty")), with(a, nil))
	write(t, at("far/link"), a, opts)
	sameFiles(t, snapshot(t, at("real")), with(a, nil))
	if stat(t, at("link")).Mode()&fs.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
	write(t, at("dangling"), a, opts)
	sameFiles(t, snapshot(t, at("later")), with(a, nil))
	put(t, at("real"), map[string]string{IndexPath: "<<<<<<<"})
	if _, _, err := WriteDir(t.Context(), at("real"), a, opts); err == nil || !strings.Contains(err.Error(), "corrupt") {
		t.Errorf("a corrupt index: %v", err)
	}
	if _, err := Compare(t.Context(), at("real"), a, opts); err == nil || !strings.Contains(err.Error(), "corrupt") {
		t.Errorf("a corrupt index: %v", err)
	}
	o := opts
	o.Force = true
	write(t, at("real"), a, o)
	sameFiles(t, snapshot(t, at("real")), with(a, nil))
}

func TestCompare(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	a, b := mustNew(t, treeA), mustNew(t, treeB)
	d, err := Compare(t.Context(), dir, a, opts)
	if err != nil || len(d.Missing) != 8 || d.len() != 8 {
		t.Errorf("absent: %+v, %v", d, err)
	}
	write(t, dir, a, opts)
	put(t, dir, map[string]string{"tenants/c/ns.yaml": "mine", "tenants/a/ns.yaml": "edited"})
	if err := os.Remove(filepath.Join(dir, "platform/istio/ns.yaml")); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	d, err = Compare(t.Context(), dir, b, opts)
	if err != nil {
		t.Fatal(err)
	}
	edited, _ := a.Index("").Find("tenants/a/ns.yaml")
	want := Difference{
		Missing:    []string{".zave/dev/c.json", "platform/istio/ns.yaml"},
		Changed:    []string{".zave/dev/a.json", IndexPath, "kustomization.yaml"},
		Stale:      []string{".zave/dev/b.json", "tenants/a/quota.yaml", "tenants/b/ns.yaml"},
		HandEdited: []Entry{edited},
		Foreign:    []string{"tenants/c/ns.yaml"},
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
	l := d.Diagnostics("out")
	if l.Len() != 10 || !l.HasErrors() {
		t.Errorf("diagnostics: %v", l.Sorted())
	}
	sameFiles(t, snapshot(t, dir), before)
	other := opts
	other.Generator = "zave next"
	if d, err := Compare(t.Context(), filepath.Join(t.TempDir(), "none"), b, other); err != nil || d.Empty() {
		t.Errorf("%+v %v", d, err)
	}
}

func TestPartialTree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	a, b := mustNew(t, treeA), mustNew(t, treeB)
	o := opts
	o.Only = func(p string) bool { return strings.HasPrefix(p, "tenants/a/") || strings.HasPrefix(p, "tenants/c/") }

	// No old tree: the part alone.
	write(t, dir, b, o)
	part := mustNew(t, map[string]string{"tenants/a/ns.yaml": "namespace a", "tenants/c/ns.yaml": "namespace c"})
	sameFiles(t, snapshot(t, dir), with(part, nil))

	// Over tree A, whose rest stays as it is, hand edits included.
	dir = filepath.Join(t.TempDir(), "out")
	write(t, dir, a, opts)
	put(t, dir, map[string]string{"tenants/b/ns.yaml": "edited", "mine": "x"})
	d, err := Compare(t.Context(), dir, b, o)
	if want := (Difference{Missing: []string{".zave/dev/c.json", "tenants/c/ns.yaml"}, Changed: []string{".zave/dev/a.json"}, Stale: []string{"tenants/a/quota.yaml"}}); err != nil || !reflect.DeepEqual(d, want) {
		t.Errorf("got %+v, %v", d, err)
	}
	write(t, dir, b, o)
	mix := mustNew(t, map[string]string{
		"kustomization.yaml": "root", "tenants/a/ns.yaml": "namespace a", "tenants/b/ns.yaml": "namespace b",
		"tenants/c/ns.yaml": "namespace c", "platform/istio/ns.yaml": "istio",
	})
	want := with(mix, map[string]string{"mine": "x"})
	want["tenants/b/ns.yaml"] = "edited"
	sameFiles(t, snapshot(t, dir), want)
	if d, err := Compare(t.Context(), dir, b, o); err != nil || !d.Empty() {
		t.Errorf("afterwards: %+v, %v", d, err)
	}

	// A part whose file is a directory outside of it.
	o.Only = func(p string) bool { return p == "tenants" }
	if _, _, err := WriteDir(t.Context(), dir, mustNew(t, map[string]string{"tenants": ""}), o); err == nil {
		t.Error("an index with a file that is also a directory")
	}
}

// TestRandom writes random trees over one another among random files of others.
func TestRandom(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		random := func(n int, prefix string) map[string]string {
			files := map[string]string{}
			for range rnd.IntN(n) {
				p := prefix + string(rune('a'+rnd.IntN(3)))
				for range rnd.IntN(3) {
					p += "/" + string(rune('a'+rnd.IntN(3)))
				}
				clash := false
				for q := range files {
					clash = clash || strings.HasPrefix(q, p+"/") || strings.HasPrefix(p, q+"/")
				}
				if !clash {
					files[p] = fmt.Sprint(rnd.IntN(2))
				}
			}
			return files
		}
		dir := filepath.Join(t.TempDir(), "out")
		// Directories of their own, and files beside the trees'.
		others := random(10, "o")
		for p, data := range random(6, "") {
			others[path.Join(path.Dir(p), "o-"+path.Base(p))] = data
		}
		if rnd.IntN(2) == 0 {
			others["empty/dir/"] = ""
		}
		put(t, dir, others)
		for step := range 3 {
			tr := mustNew(t, random(15, ""))
			r, l, err := WriteDir(t.Context(), dir, tr, opts)
			if err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
			if l.Len() > 0 {
				for _, d := range l.Sorted() {
					if d.Code != diag.ForeignFile {
						t.Fatalf("seed %d, step %d: %v", seed, step, d)
					}
				}
				break // somebody's directory is in the way: rightly so
			}
			sameFiles(t, snapshot(t, dir), with(tr, others))
			if n := len(r.Written) + len(r.Changed) + r.Unchanged; n != len(tr.Files())+1 {
				t.Errorf("seed %d, step %d: %d of %d files counted", seed, step, n, len(tr.Files())+1)
			}
		}
		alone(t, dir)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestCancelled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	write(t, dir, mustNew(t, treeA), opts)
	before := snapshot(t, dir)
	for after := range 60 {
		ctx := &expiring{Context: context.Background(), left: after}
		_, _, err := WriteDir(ctx, dir, mustNew(t, treeB), opts)
		alone(t, dir)
		if err == nil {
			if after < 5 {
				t.Errorf("nobody asked after %d", after)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		sameFiles(t, snapshot(t, dir), before)
	}
	t.Error("never succeeded")
}

// expiring is a context that is cancelled when it has been asked a number of times.
type expiring struct {
	context.Context
	mu   sync.Mutex
	left int
}

func (e *expiring) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.left--; e.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestConcurrentWriters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	// Large enough that a reader meets more than one version.
	a, b := maps.Clone(treeA), maps.Clone(treeB)
	for i := range 200 {
		p := fmt.Sprintf("tenants/t%d/%d.yaml", i/10, i)
		a[p], b[p] = "common", "common"
		if i%20 == 0 {
			b[p] = "b"
		}
	}
	trees := []*Tree{mustNew(t, a), mustNew(t, b)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				if _, l, err := WriteDir(t.Context(), dir, trees[i%2], opts); err != nil || l.Len() > 0 {
					t.Errorf("%v %v", err, l.Sorted())
					return
				}
			}
		})
	}
	wg.Wait()
	alone(t, dir)
	got := snapshot(t, dir)
	if !reflect.DeepEqual(got, with(trees[0], nil)) && !reflect.DeepEqual(got, with(trees[1], nil)) {
		t.Errorf("a mixture: %v", got)
	}
}

// hook is a context that does something the nth time it is asked.
type hook struct {
	context.Context
	mu   sync.Mutex
	left int
	do   func()
}

func (h *hook) Err() error {
	h.mu.Lock()
	h.left--
	now := h.left == -1
	h.mu.Unlock()
	if now {
		h.do()
	}
	return nil
}

// TestOvertaken lets another writer in at every point at which the first one asks its context: what the first one saw
// before it had the lock may then no longer be true.
func TestOvertaken(t *testing.T) {
	a := mustNew(t, map[string]string{"x/1": "same", "x/2": "same", "y": "a"})
	b := mustNew(t, map[string]string{"x/1": "same", "x/2": "same", "y": "b"})
	c := mustNew(t, map[string]string{"x/1": "c", "z": "c"})
	overtaken := 0
	for n := range 30 {
		dir := filepath.Join(t.TempDir(), "out")
		write(t, dir, a, opts)
		h := &hook{Context: t.Context(), left: n, do: func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond) // the first may have the lock
			defer cancel()
			if _, _, err := WriteDir(ctx, dir, c, opts); err == nil {
				overtaken++
			}
		}}
		if _, l, err := WriteDir(h, dir, b, opts); err != nil || l.Len() > 0 {
			t.Fatalf("%d: %v %v", n, err, l.Sorted())
		}
		sameFiles(t, snapshot(t, dir), with(b, nil))
		if t.Failed() {
			t.Fatalf("overtaken at %d", n)
		}
	}
	if overtaken == 0 {
		t.Error("never overtaken")
	}
}

func TestWaits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	s, err := openStage(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o := opts
	o.Waiting = cancel
	_, _, err = WriteDir(ctx, dir, mustNew(t, treeA), o)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "another zave is writing") {
		t.Errorf("cancelled: %v", err)
	}
	o.Waiting = func() { time.AfterFunc(30*time.Millisecond, func() { _ = s.close() }) }
	write(t, dir, mustNew(t, treeA), o)
	sameFiles(t, snapshot(t, dir), with(mustNew(t, treeA), nil))
	alone(t, dir)
}

func TestStageOfOthers(t *testing.T) {
	tmp := t.TempDir()
	put(t, tmp, map[string]string{".out.zave/precious": "x"})
	if _, _, err := WriteDir(t.Context(), filepath.Join(tmp, "out"), mustNew(t, treeA), opts); err == nil || !strings.Contains(err.Error(), "precious") {
		t.Errorf("got %v", err)
	}
	sameFiles(t, snapshot(t, tmp), map[string]string{".out.zave/precious": "x"})
}

func noExchange(_, _ string) error { return errors.ErrUnsupported }

func TestWithoutExchange(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	a, b := mustNew(t, treeA), mustNew(t, treeB)
	for _, tr := range []*Tree{a, b, a} {
		if _, l, err := writeDir(t.Context(), dir, tr, opts, noExchange); err != nil || l.Len() > 0 {
			t.Fatal(err, l.Sorted())
		}
		sameFiles(t, snapshot(t, dir), with(tr, nil))
		alone(t, dir)
	}
	// Killed between the renames: the next run puts the old tree back, then writes.
	s := stageDir(dir)
	put(t, filepath.Dir(s), map[string]string{filepath.Base(s) + "/lock": "", filepath.Base(s) + "/new/half": ""})
	if err := os.Rename(dir, filepath.Join(s, "old")); err != nil {
		t.Fatal(err)
	}
	if r := write(t, dir, a, opts); r.Unchanged != 8 {
		t.Errorf("%+v", r)
	}
	sameFiles(t, snapshot(t, dir), with(a, nil))
	alone(t, dir)
}

// TestChangesDuringWrite changes what is not ours in the moment before the swap.
func TestChangesDuringWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	a, b := mustNew(t, treeA), mustNew(t, treeB)
	write(t, dir, a, opts)
	put(t, dir, map[string]string{".git/HEAD": "1", ".git/index.lock": "", "notes": "1"})
	_, l, err := writeDir(t.Context(), dir, b, opts, func(x, y string) error {
		for _, gone := range []string{".git/HEAD", ".git/index.lock"} {
			if err := os.Remove(filepath.Join(dir, gone)); err != nil {
				t.Error(err)
			}
		}
		put(t, dir, map[string]string{".git/HEAD": "2", "notes": "2", "new/deep/file": "3", "tenants/a/mine": "4"})
		return exchange(x, y)
	})
	if err != nil || l.Len() > 0 {
		t.Fatal(err, l.Sorted())
	}
	sameFiles(t, snapshot(t, dir), with(b, map[string]string{".git/HEAD": "2", "notes": "2", "new/deep/file": "3", "tenants/a/mine": "4"}))
	alone(t, dir)
}
