package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestPartsOfTheIndex: what an index of a directory may be like, and what a build makes of it.
func TestPartsOfTheIndex(t *testing.T) {
	a, b := mustNew(t, treeA), mustNew(t, treeB)
	old := a.Index("zave old")
	old.Version = 1
	one := func(p string) string {
		return string(Index{Version: IndexVersion, Files: []Entry{{Path: p, Digest: digest(nil)}}}.Encode())
	}
	for _, tt := range []struct {
		name    string
		files   map[string]string // over tree A as it is written
		gone    []string
		problem string            // of a build of tree B; empty: none
		others  map[string]string // what then stands beside tree B; with a problem, after a build with force
	}{
		{name: "as it was written"},
		{
			name: "of version 1, in one file", gone: []string{".zave/dev/a.json", ".zave/dev/b.json"},
			files: map[string]string{IndexPath: string(old.Encode())},
		},
		{
			name: "of version 1, with a part", files: map[string]string{".zave/dev/a.json": string(old.Encode())},
			problem: "in version 1 it had no parts",
			// What the broken part lists is not known to be ours.
			others: map[string]string{"tenants/a/quota.yaml": "quota a"},
		},
		{
			name: "a part of somebody else's", files: map[string]string{".zave/mine/x.json": `{"hello": 1}`},
			problem: ".zave/mine/x.json: the index is corrupt",
		},
		{
			name: "a merge conflict in a part", files: map[string]string{".zave/dev/a.json": "<<<<<<<"},
			problem: ".zave/dev/a.json: the index is corrupt", others: map[string]string{"tenants/a/quota.yaml": "quota a"},
		},
		{
			name: "a file in two parts", files: map[string]string{".zave/dev/x.json": one("tenants/a/ns.yaml")},
			problem: "tenants/a/ns.yaml stands twice",
			others:  map[string]string{"tenants/a/quota.yaml": "quota a", "tenants/b/ns.yaml": "namespace b"},
		},
		{
			name: "a part that leads out", files: map[string]string{".zave/dev/x.json": one("../../etc/passwd")},
			problem: "not a path",
		},
		{
			name:   "files of others beside it",
			files:  map[string]string{".zave/notes.txt": "x", ".zave/x.json": "{}", ".zave/dev/deep/x.json": "{}", ".zave/dev/y.txt": "y", ".zave/l": "-> dev"},
			others: map[string]string{".zave/notes.txt": "x", ".zave/x.json": "{}", ".zave/dev/deep/x.json": "{}", ".zave/dev/y.txt": "y", ".zave/l": "-> dev"},
		},
		{
			name: "a part that is not there", gone: []string{".zave/dev/b.json"},
			others: map[string]string{"tenants/b/ns.yaml": "namespace b"}, // nobody knows any more whose it is
		},
		{
			name: "a part of what is not there", files: map[string]string{".zave/prod/x.json": one("tenants/x/ns.yaml")},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			write(t, dir, a, opts)
			for _, name := range tt.gone {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			put(t, dir, tt.files)
			o := opts
			if tt.problem != "" {
				before := snapshot(t, dir)
				_, _, err := WriteDir(t.Context(), dir, b, opts)
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("%v, want %q", err, tt.problem)
				}
				if _, err := Compare(t.Context(), dir, b, opts); err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("compare: %v, want %q", err, tt.problem)
				}
				sameFiles(t, snapshot(t, dir), before)
				o.Force = true
			}
			write(t, dir, b, o)
			sameFiles(t, snapshot(t, dir), with(b, tt.others))
			if d, err := Compare(t.Context(), dir, b, opts); err != nil || !d.Empty() {
				t.Errorf("afterwards: %+v, %v", d, err)
			}
		})
	}
}

func TestParts(t *testing.T) {
	for _, part := range []string{"a", "a/b/c", "../a", "/a/b", "a/", "a/..", "a//b"} {
		if _, err := New([]File{{Path: "x", Part: part}}); err == nil {
			t.Errorf("a part called %q", part)
		}
	}
	if _, err := New([]File{{Path: ".zave/a/b.json"}}); err == nil {
		t.Error("a file in the place of the index")
	}
	// A change of one part changes no other's file, nor the main one.
	a := mustNew(t, treeA)
	changed := map[string]string{}
	for p, data := range treeA {
		changed[p] = data
	}
	changed["tenants/a/ns.yaml"] = "other"
	before, after := a.Index("zave").Split(), mustNew(t, changed).Index("zave").Split()
	for i := range before {
		if same := reflect.DeepEqual(before[i], after[i]); same == (before[i].Path == ".zave/dev/a.json") {
			t.Errorf("%s: %v", before[i].Path, same)
		}
	}
}

// TestCompareStored holds stored files against what a build does with the same files on disk.
func TestCompareStored(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 9))
		files := func() map[string]string {
			out := map[string]string{}
			for range random.IntN(8) {
				out[[]string{"x", "tenants/a/ns", "tenants/a/q", "tenants/b/ns", "tenants/b/ns/deep", "d/e", "d", "tenants/b"}[random.IntN(8)]] = fmt.Sprint(random.IntN(3))
			}
			if _, both := out["d/e"]; both {
				delete(out, "d")
			}
			if _, both := out["tenants/b/ns/deep"]; both {
				delete(out, "tenants/b/ns")
			}
			for p := range out {
				if strings.HasPrefix(p, "tenants/b/") {
					delete(out, "tenants/b")
				}
			}
			return out
		}
		dir := filepath.Join(t.TempDir(), "out")
		old, tr := mustNew(t, files()), mustNew(t, files())
		write(t, dir, old, opts)
		for range random.IntN(3) { // what people do to it
			name := filepath.Join(dir, []string{"x", "tenants/a/ns", "tenants/b/ns", "d/e", "d", "tenants/a/own", ".zave/dev/a.json"}[random.IntN(7)])
			switch info, err := os.Lstat(name); {
			case err == nil && info.IsDir():
			case random.IntN(3) == 0:
				_ = os.Remove(name)
			case !strings.Contains(name, ".zave"):
				if os.MkdirAll(filepath.Dir(name), 0o755) == nil {
					_ = os.WriteFile(name, []byte{byte('0' + random.IntN(4))}, 0o644)
				}
			}
		}
		want, err := Compare(t.Context(), dir, tr, opts)
		if err != nil {
			t.Fatal(err)
		}
		there := snapshot(t, dir)
		var stored []Stored
		for p, data := range there {
			if !strings.HasSuffix(p, "/") { // git has no empty directories
				stored = append(stored, Stored{Path: p, Hash: Blob([]byte(data)), Regular: true})
			}
		}
		sortStored(stored)
		got, list, err := CompareStored(tr, opts.Generator, stored, func(s Stored) ([]byte, error) { return []byte(there[s.Path]), nil })
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d, %v:\ngot  %+v\nwant %+v", seed, there, got, want)
		}
		for what, n := range map[string]int{"missing": len(got.Missing), "changed": len(got.Changed), "stale": len(got.Stale), "edited": len(got.HandEdited), "foreign": len(got.Foreign)} {
			kinds[what] += n
		}
		if got.Blocked() {
			continue
		}
		for _, p := range got.Stale {
			delete(there, p)
		}
		for _, f := range list {
			there[f.Path] = string(f.Data)
		}
		write(t, dir, tr, opts)
		now := snapshot(t, dir)
		for p := range now {
			if strings.HasSuffix(p, "/") {
				delete(now, p)
			}
		}
		for p := range there {
			if strings.HasSuffix(p, "/") {
				delete(there, p)
			}
		}
		sameFiles(t, there, now)
	}
	for _, what := range []string{"missing", "changed", "stale", "edited", "foreign"} {
		if kinds[what] == 0 {
			t.Errorf("nothing was ever %s", what)
		}
	}
}

func TestReadIndex(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	a := mustNew(t, treeA)
	if _, err := ReadIndex(os.DirFS(filepath.Dir(dir))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without an index: %v", err)
	}
	write(t, dir, a, opts)
	put(t, dir, map[string]string{".zave/notes.txt": "x", ".zave/dev/l.json": "-> a.json"})
	got, err := ReadIndex(os.DirFS(dir))
	if err != nil || !reflect.DeepEqual(got, a.Index(opts.Generator)) {
		t.Errorf("%+v, %v", got, err)
	}
	put(t, dir, map[string]string{".zave/dev/x.json": "<<<<<<<"})
	if _, err := ReadIndex(os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), ".zave/dev/x.json: the index is corrupt") {
		t.Errorf("a corrupt part: %v", err)
	}
}

func TestBlob(t *testing.T) {
	// printf hello | git hash-object --stdin
	if got := fmt.Sprintf("%x", Blob([]byte("hello"))); got != "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0" {
		t.Error(got)
	}
}

func sortStored(s []Stored) {
	slices.SortFunc(s, func(a, b Stored) int { return strings.Compare(a.Path, b.Path) })
}
