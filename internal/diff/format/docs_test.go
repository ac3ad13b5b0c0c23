package format

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/golden"
)

// TestDocs keeps the example of docs/diff.md what is printed, and its tables whole. UPDATE_GOLDEN=1 writes the example.
func TestDocs(t *testing.T) {
	file := filepath.Join("..", "..", "..", "docs", "diff.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- example -->\n```\n", "\n```\n"
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		t.Fatalf("%s has no example", file)
	}
	o := Options{Width: 96, FailOn: []report.Class{report.Destructive}}
	example := bytes.TrimSuffix(printed(t, Text, small(), o), []byte("\n"))
	golden.File(t, file, bytes.Join([][]byte{before, []byte(begin), example, []byte(end), after}, nil))

	for _, f := range Formats() {
		if !strings.Contains(string(text), "\n| `"+string(f)+"` |") {
			t.Errorf("format %s is in no table", f)
		}
	}
	for _, c := range report.Classes() {
		if !strings.Contains(string(text), "\n| "+string(c)+" | ") {
			t.Errorf("class %s is in no table", c)
		}
	}
	for _, a := range actions() {
		if !strings.Contains(string(text), "\n| `"+a.Mark()+"` |") {
			t.Errorf("sign %s is in no table", a.Mark())
		}
	}
}
