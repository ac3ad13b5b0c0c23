package generator_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/generator/link"
	"github.com/zavestudios/zave/internal/check"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/golden"
	"github.com/zavestudios/zave/internal/load"
)

const cases = "../golden/cases"

// TestCases compiles whole small repositories: golden/cases/<name>/repo gives golden/cases/<name>/want.
func TestCases(t *testing.T) {
	entries, err := os.ReadDir(cases)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == rejected {
			continue
		}
		t.Run(e.Name(), func(t *testing.T) {
			l, err := load.Load(t.Context(), filepath.Join(cases, e.Name(), "repo"), load.Options{})
			if err != nil {
				t.Fatal(err)
			}
			list := l.Diags
			if list.HasErrors() {
				t.Fatal(text(t, l, list))
			}
			r, linked, err := generator.Compile(l.Set, generator.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if list.Merge(linked); list.Len() > 0 {
				t.Fatal(text(t, l, list))
			}
			var clusters []check.Cluster
			for _, c := range r.Platform.Clusters {
				clusters = append(clusters, check.Cluster{Name: c.Name, Kubernetes: c.Kubernetes, Span: c.Origin})
			}
			found, err := check.Schemas(r.Objects.All(), clusters)
			if err != nil {
				t.Fatal(err)
			}
			if found.Merge(check.Kustomizations(r.Tree.Files())); found.Len() > 0 {
				t.Error(text(t, l, found))
			}
			got := map[string][]byte{}
			for _, f := range r.Tree.Files() {
				got[f.Path] = f.Data
			}
			golden.Dir(t, filepath.Join(cases, e.Name(), "want"), got)
		})
	}
}

// text is what a person would read.
func text(t *testing.T, l *load.Loaded, list diag.List) string {
	t.Helper()
	var b bytes.Buffer
	if err := diag.Print(&b, diag.Text, &list, diag.PrintOptions{Source: l.Source}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// unprovoked are the codes that no repository of specs leads to, and what proves them instead.
func unprovoked() map[diag.Code]string {
	return map[diag.Code]string{
		diag.HandEdited:      "needs a tree on disk: tests of internal/tree, scripts of cmd/zave",
		diag.ForeignFile:     "needs a tree on disk: tests of internal/tree, scripts of cmd/zave",
		diag.OutOfDate:       "needs a tree on disk: tests of internal/tree, scripts of cmd/zave",
		diag.InvalidObject:   "would be a mistake of the generator's: tests of internal/check",
		diag.UnknownKind:     "would be a mistake of the generator's: tests of internal/check",
		diag.KustomizeFails:  "would be a mistake of the generator's: tests of internal/check",
		diag.PlaintextSecret: "would be a mistake of the generator's: tests of internal/check",
		diag.TwoOwners:       "would be a mistake of the generator's: tests of internal/estate",
		diag.StagedSecret:    "needs what is staged for a commit: scripts of cmd/zave",
		diag.SpecConflict:    "needs a merge that git waits to be ended: scripts of cmd/zave",
		diag.Contract:        "is about a contract to import: scripts of cmd/zave",
		diag.NotCarried:      "is about a contract to import: scripts of cmd/zave",
	}
}

// TestRejected has a case for each code: golden/cases/rejected/<code>.txtar holds files that go over those of
// base.txtar, and under "want" what zave says of them. Two sections are no files: "remove" lists files of the base that
// are not there, and "symlink" links with what they point to.
func TestRejected(t *testing.T) {
	base := archive(t, "base")
	if got, _ := diagnose(t, base.Files); got != "" {
		t.Fatalf("the base is not accepted:\n%s", got)
	}
	reasons := unprovoked()
	known := map[string]bool{"base": true}
	for _, e := range diag.Catalogue() {
		code := string(e.Code)
		known[code] = true
		_, err := os.Stat(filepath.Join(cases, rejected, code+".txtar"))
		if reason := reasons[e.Code]; reason != "" {
			if err == nil {
				t.Errorf("%s has a case, and is said to have none: %s", code, reason)
			}
			continue
		}
		t.Run(code, func(t *testing.T) {
			if err != nil {
				t.Fatal(err)
			}
			a := archive(t, code)
			files := slices.Clone(base.Files)
			for _, f := range a.Files {
				if f.Name != want {
					files = slices.DeleteFunc(files, func(b txtar.File) bool { return b.Name == f.Name })
					files = append(files, f)
				}
			}
			got, list := diagnose(t, files)
			if !slices.ContainsFunc(list.Sorted(), func(d diag.Diagnostic) bool { return d.Code == e.Code }) {
				t.Errorf("the case does not lead to %s:\n%s", code, got)
			}
			a.Files = append(slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == want }), txtar.File{Name: want, Data: []byte(got)})
			golden.File(t, filepath.Join(cases, rejected, code+".txtar"), txtar.Format(a))
		})
	}
	entries, err := os.ReadDir(filepath.Join(cases, rejected))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !known[strings.TrimSuffix(e.Name(), ".txtar")] {
			t.Errorf("%s is of no code", e.Name())
		}
	}
}

const (
	rejected = "rejected"
	want     = "want"
)

func archive(t *testing.T, name string) *txtar.Archive {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join(cases, rejected, name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// diagnose writes the files into a repository, and gives what loading and linking them say.
func diagnose(t *testing.T, files []txtar.File) (string, diag.List) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "repository")
	for _, f := range files {
		if f.Name == "remove" || f.Name == "symlink" {
			continue
		}
		name := filepath.Join(root, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		for line := range strings.Lines(string(f.Data)) {
			name, target, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			name = filepath.Join(root, filepath.FromSlash(name))
			var err error
			switch f.Name {
			case "remove":
				err = os.Remove(name)
			case "symlink":
				if err = os.MkdirAll(filepath.Dir(name), 0o777); err == nil {
					err = os.Symlink(filepath.FromSlash(target), name)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	l, err := load.Load(t.Context(), root, load.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list := l.Diags
	switch {
	case l.Set.Platform == nil:
	case list.HasErrors(): // what else is wrong is wanted in the same run
		_, linked := link.Link(l.Set)
		list.Merge(linked)
	default:
		r, linked, err := generator.Compile(l.Set, generator.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if list.Merge(linked); list.HasErrors() != (r == nil) {
			t.Error("there is a result with errors, or none without")
		}
	}
	return text(t, l, list), list
}
