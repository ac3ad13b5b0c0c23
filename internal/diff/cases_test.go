package diff_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/diff"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/golden"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/tree"
)

const (
	repository = "../.." // this repository, which is the real estate
	cases      = "testdata/cases"
)

// TestCases has the reports of the pull requests that matter. They are read by whoever prints reports.
func TestCases(t *testing.T) {
	for _, name := range caseNames(t) {
		t.Run(name, func(t *testing.T) {
			r := caseReport(t, name)
			covered(t, r)
			text, err := json.MarshalIndent(r, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			golden.File(t, filepath.Join(cases, name+".json"), append(text, '\n'))
		})
	}
}

func caseNames(tb testing.TB) (out []string) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(cases, "*.txtar"))
	if err != nil || len(files) == 0 {
		tb.Fatal(err, len(files))
	}
	for _, f := range files {
		out = append(out, strings.TrimSuffix(filepath.Base(f), ".txtar"))
	}
	return out
}

// caseReport compares what a case of testdata/cases says.
func caseReport(tb testing.TB, name string) *report.Report {
	tb.Helper()
	base, head, o := caseSnapshots(tb, name)
	r, err := diff.Compare(base, head, o)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// caseSnapshots compiles both sides of a case.
func caseSnapshots(tb testing.TB, name string) (base, head *diff.Snapshot, o diff.Options) {
	tb.Helper()
	a, err := txtar.ParseFile(filepath.Join(cases, name+".txtar"))
	if err != nil {
		tb.Fatal(err)
	}
	before := specs(tb)
	var own, forTree []txtar.File
	for _, f := range a.Files {
		switch rest, isBase := strings.CutPrefix(f.Name, "base/"); {
		case isBase:
			apply(tb, before, txtar.File{Name: rest, Data: f.Data})
		case f.Name == "tree.edit", f.Name == "tree.remove":
			forTree = append(forTree, f)
		default:
			own = append(own, f)
		}
	}
	after := fstest.MapFS{}
	for n, f := range before {
		after[n] = f
	}
	for _, f := range own {
		apply(tb, after, f)
	}
	o = diff.Options{Base: report.Side{Name: "main", Commit: strings.Repeat("1", 40)}, Head: report.Side{Name: "the work tree"}}
	r := compile(tb, after)
	head = &diff.Snapshot{Units: r.Units, Platform: r.Platform}
	if len(forTree) == 0 {
		b := compile(tb, before)
		return &diff.Snapshot{Units: b.Units, Platform: b.Platform}, head, o
	}
	o.Base, o.Generator = report.Side{Name: "golden/platform-gitops"}, true
	files := slices.Clone(r.Tree.Files())
	for _, f := range forTree {
		files = editTree(tb, files, f)
	}
	if base, err = diff.FromTree(files); err != nil {
		tb.Fatal(err)
	}
	return base, head, o
}

// specs reads what people wrote in this repository.
func specs(tb testing.TB) fstest.MapFS {
	tb.Helper()
	out := fstest.MapFS{}
	root := os.DirFS(repository)
	for _, dir := range []string{"cue.mod", "schema", "platform", "tenants"} {
		err := fs.WalkDir(root, dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := fs.ReadFile(root, name)
			out[name] = &fstest.MapFile{Data: data}
			return err
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return out
}

func apply(tb testing.TB, to fstest.MapFS, f txtar.File) {
	tb.Helper()
	if f.Name == "remove" {
		for path := range strings.Lines(string(f.Data)) {
			path = strings.TrimSpace(path)
			n := len(to)
			for name := range to {
				if name == path || strings.HasSuffix(path, "/") && strings.HasPrefix(name, path) {
					delete(to, name)
				}
			}
			if len(to) == n {
				tb.Fatalf("nothing to remove at %s", path)
			}
		}
		return
	}
	name, edit := strings.CutSuffix(f.Name, ".edit")
	if !edit {
		to[name] = &fstest.MapFile{Data: f.Data}
		return
	}
	if to[name] == nil {
		tb.Fatalf("there is no %s to edit", name)
	}
	data := string(to[name].Data)
	for _, h := range hunks(f.Data) {
		if n := strings.Count(data, h[0]); n != 1 {
			tb.Fatalf("%s has %d times\n%s", name, n, h[0])
		}
		data = strings.Replace(data, h[0], h[1], 1)
	}
	to[name] = &fstest.MapFile{Data: []byte(data)}
}

// hunks gives what is to be replaced by what.
func hunks(data []byte) (out [][2]string) {
	for h := range strings.SplitSeq(strings.TrimRight(string(data), "\n"), "\n\n") {
		var b, a strings.Builder
		for line := range strings.Lines(h + "\n") {
			if old, ok := strings.CutPrefix(line, "-"); ok {
				b.WriteString(old)
			} else {
				a.WriteString(strings.TrimPrefix(line, "+"))
			}
		}
		out = append(out, [2]string{b.String(), a.String()})
	}
	return out
}

func editTree(tb testing.TB, files []tree.File, f txtar.File) []tree.File {
	tb.Helper()
	if f.Name == "tree.remove" {
		for path := range strings.Lines(string(f.Data)) {
			path = strings.TrimSpace(path)
			n := len(files)
			if files = slices.DeleteFunc(files, func(f tree.File) bool { return f.Path == path }); len(files) == n {
				tb.Fatalf("the tree has no %s", path)
			}
		}
		return files
	}
	for _, h := range hunks(f.Data) {
		n := 0
		for i := range files {
			if bytes.Contains(files[i].Data, []byte(h[0])) {
				n++
				files[i].Data = bytes.ReplaceAll(files[i].Data, []byte(h[0]), []byte(h[1]))
			}
		}
		if n == 0 {
			tb.Fatalf("the tree has nowhere\n%s", h[0])
		}
	}
	return files
}

func compile(tb testing.TB, files fs.FS) *generator.Result {
	tb.Helper()
	l, err := load.Load(tb.Context(), ".", load.Options{FS: files})
	if err != nil {
		tb.Fatal(err)
	}
	list := l.Diags
	var r *generator.Result
	if !list.HasErrors() {
		var linked diag.List
		if r, linked, err = generator.Compile(l.Set, generator.Options{}); err != nil {
			tb.Fatal(err)
		}
		list.Merge(linked)
	}
	if list.HasErrors() {
		var b bytes.Buffer
		if err := diag.Print(&b, diag.Text, &list, diag.PrintOptions{Source: l.Source}); err != nil {
			tb.Fatal(err)
		}
		tb.Fatal(b.String())
	}
	return r
}

// covered fails where a change is the subject of no consequence, or a subject has no change that is there.
func covered(tb testing.TB, r *report.Report) {
	tb.Helper()
	said := make([]bool, len(r.Changes))
	for _, q := range r.Consequences {
		if len(q.Subjects) == 0 || q.Text == "" || q.Why == "" {
			tb.Errorf("%s says nothing: %+v", q.Rule, q)
		}
		for _, s := range q.Subjects {
			if len(s.Changes) == 0 {
				tb.Errorf("%s: nothing changes for %s", q.Rule, s.Name)
			}
			for _, i := range s.Changes {
				said[i] = true
			}
		}
	}
	for _, p := range r.Paths {
		i, j := p.Subject[0], p.Subject[1]
		if q := r.Consequences[i]; q.Class != report.Exposure || j >= len(q.Subjects) || q.Subjects[j].Cluster != p.Cluster {
			tb.Errorf("%s → %s on %s is not what %s tells of its subject %d", p.From, p.To, p.Cluster, q.Rule, j)
		}
	}
	for i, ok := range said {
		if !ok {
			tb.Errorf("nothing is said of %s %s", r.Changes[i].Action, r.Changes[i].Ref())
		}
	}
}
