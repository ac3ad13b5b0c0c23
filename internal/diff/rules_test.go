package diff_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zavestudios/zave/internal/diff"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/golden"
	"github.com/zavestudios/zave/internal/tree"
)

// TestRules has the consequences of small changes, most of which zave's own output does not bring about. Of an archive,
// PATH is a file of both trees, base/PATH and head/PATH of one, and PATH.edit changes head's as in testdata/cases.
func TestRules(t *testing.T) {
	archives, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal(err, len(archives))
	}
	seen := map[string]bool{}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			base, head := trees(t, a)
			r, err := diff.Compare(snapshot(t, base), snapshot(t, head), diff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			covered(t, r)
			for _, q := range r.Consequences {
				seen[q.Rule] = true
			}
			golden.File(t, strings.TrimSuffix(name, "txtar")+"txt", told(r))
		})
	}
	for _, name := range caseNames(t) {
		data, err := os.ReadFile(filepath.Join(cases, name+".json")) // which TestCases compares
		if err != nil {
			t.Fatal(err)
		}
		var r report.Report
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatal(err)
		}
		for _, q := range r.Consequences {
			seen[q.Rule] = true
		}
	}
	ofStates := []string{"tenant-suspended", "tenant-resumed"} // TestTenantStates
	for _, r := range diff.Rules() {
		if !others(r.Class) && !seen[r.ID] && !slices.Contains(ofStates, r.ID) {
			t.Errorf("no case brings about %s", r.ID)
		}
	}
}

// others tells whether the cases of a class are elsewhere: with package reach, and with what is added up.
func others(c report.Class) bool { return c == report.Exposure || c == report.Capacity }

// told is a report as lines that a person can read over.
func told(r *report.Report) []byte {
	var b strings.Builder
	for _, q := range r.Consequences {
		if others(q.Class) {
			continue
		}
		var names []string
		for _, s := range q.Subjects {
			name := s.Name
			if s.Pass != "" {
				name += " (" + s.Pass + ")"
			}
			names = append(names, name)
		}
		fmt.Fprintf(&b, "%s %s: %s %s %s\n", q.Class, q.Rule, q.Kind, strings.Join(names, ", "), q.Text)
		if q.Data {
			b.WriteString("  data is at stake\n")
		}
		fmt.Fprintf(&b, "  %s\n", q.Why)
		for i, step := range q.Plan {
			fmt.Fprintf(&b, "  %d. %s\n", i+1, step)
		}
	}
	return []byte(b.String())
}

// trees gives the files of both sides of an archive.
func trees(tb testing.TB, a *txtar.Archive) (base, head []tree.File) {
	tb.Helper()
	at := func(files []tree.File, path string) int {
		return slices.IndexFunc(files, func(f tree.File) bool { return f.Path == path })
	}
	for _, f := range a.Files {
		if rest, ok := strings.CutPrefix(f.Name, "base/"); ok {
			base = append(base, tree.File{Path: rest, Data: f.Data})
			continue
		}
		if rest, ok := strings.CutPrefix(f.Name, "head/"); ok {
			head = append(head, tree.File{Path: rest, Data: f.Data})
			continue
		}
		if rest, ok := strings.CutSuffix(f.Name, ".edit"); ok {
			i := at(head, rest)
			if i < 0 {
				tb.Fatalf("there is no %s to edit", rest)
			}
			text := string(head[i].Data)
			for _, h := range hunks(f.Data) {
				old, by := strings.TrimSuffix(h[0], "\n"), strings.TrimSuffix(h[1], "\n") // within a line, too
				if n := strings.Count(text, old); n != 1 {
					tb.Fatalf("%s has %d times\n%s", rest, n, old)
				}
				text = strings.Replace(text, old, by, 1)
			}
			head[i].Data = []byte(text)
			continue
		}
		base = append(base, tree.File{Path: f.Name, Data: f.Data})
		head = append(head, tree.File{Path: f.Name, Data: f.Data})
	}
	return base, head
}

func snapshot(tb testing.TB, files []tree.File) *diff.Snapshot {
	tb.Helper()
	s, err := diff.FromTree(files)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
