package load

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

// print gives diagnostics one a line, with their notes below them.
func print(l *Loaded) string {
	var b strings.Builder
	for _, d := range l.Diags.Sorted() {
		fmt.Fprintf(&b, "%s %s %s", d.Span, d.Code, d.Summary)
		if d.Hint != "" {
			fmt.Fprintf(&b, " | %s", d.Hint)
		}
		b.WriteByte('\n')
		for _, n := range d.Notes {
			fmt.Fprintf(&b, "\t%s %s\n", n.Span, n.Text)
		}
	}
	return b.String()
}

// TestMistakes holds each archive of testdata/mistakes, laid over this repository's platform, against the
// diagnostics at its end.
func TestMistakes(t *testing.T) {
	names, err := filepath.Glob("testdata/mistakes/*.txtar")
	if err != nil || len(names) < 60 {
		t.Fatal(len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := estate(t, 0)
			want := -1
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = i
					continue
				}
				files[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			l, err := Load(context.Background(), "", Options{FS: files})
			if err != nil {
				t.Fatal(err)
			}
			got := print(l)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				archive.Files[want].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(archive.Files[want].Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, archive.Files[want].Data)
			}
			if got == "" {
				t.Error("no mistake was found")
			}
		})
	}
}
