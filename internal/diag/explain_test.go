package diag

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/golden"
)

// constants reads the codes from catalogue.go, by name, as a program cannot list its own constants.
func constants(t *testing.T) []Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "catalogue.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var codes []Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "Code" || len(spec.Values) != 1 {
			t.Errorf("%v is not a Code of its own", spec.Names)
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Error(err)
		}
		codes = append(codes, Code(code))
		return true
	})
	return codes
}

func TestCatalogueIsComplete(t *testing.T) {
	want := constants(t)
	if len(want) < 70 {
		t.Fatalf("only %d constants in catalogue.go", len(want))
	}
	if !slices.IsSorted(want) || len(slices.Compact(slices.Clone(want))) != len(want) {
		t.Error("the constants of catalogue.go are not sorted, or one code has two names")
	}
	var got []Code
	for _, e := range Catalogue() {
		got = append(got, e.Code)
	}
	for _, c := range want {
		if !slices.Contains(got, c) {
			t.Errorf("%s has no page: write codes/%s.md", c, c)
		}
		if !regexp.MustCompile(`^ZAV[0-6][0-9]{2}$`).MatchString(string(c)) {
			t.Errorf("%s is not a code", c)
		}
	}
	for _, c := range got {
		if !slices.Contains(want, c) {
			t.Errorf("codes/%s.md belongs to no constant", c)
		}
	}
	if !slices.IsSorted(got) {
		t.Error("the catalogue is not sorted")
	}
}

// Every page is one paragraph and two snippets, and says something of its own.
func TestPages(t *testing.T) {
	shape := regexp.MustCompile("^(?:[^\n]+\n)+\n## Wrong\n\n```(cue|sh|yaml)\n(?s:(.+?))\n```\n\n## Right\n\n```(cue|sh|yaml)\n(?s:(.+?))\n```\n$")
	titles, texts := map[string]Code{}, map[string]Code{}
	for _, e := range Catalogue() {
		m := shape.FindStringSubmatch(e.Text)
		if m == nil {
			t.Errorf("%s does not have the shape of a page", e.Code)
			continue
		}
		if m[2] == m[4] {
			t.Errorf("%s: wrong and right are the same", e.Code)
		}
		p := e.paragraph()
		if len(p) < 150 || len(p) > 700 || !strings.HasSuffix(p, ".") {
			t.Errorf("%s: the paragraph has %d bytes and ends in %q", e.Code, len(p), p[len(p)-1:])
		}
		if other, ok := titles[e.Title]; ok || e.Title == "" || len(e.Title) > 60 || strings.HasSuffix(e.Title, ".") {
			t.Errorf("%s: title %q (%s)", e.Code, e.Title, other)
		}
		if other, ok := texts[p]; ok {
			t.Errorf("%s and %s say the same", e.Code, other)
		}
		titles[e.Title], texts[p] = e.Code, e.Code
		for line := range strings.Lines(e.Text) {
			if w := dialect.Width(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "    ")); w > 100 {
				t.Errorf("%s: a line of %d columns: %s", e.Code, w, line)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	e, ok := Explain(BadDigest)
	if !ok || e.Code != BadDigest || e.Title != "not an image digest" || !strings.Contains(e.Text, "## Right") {
		t.Errorf("got %+v, %v", e, ok)
	}
	for _, c := range []Code{"", "ZAV999", "../diag", "zav108"} {
		if e, ok := Explain(c); ok {
			t.Errorf("%q is explained: %+v", c, e)
		}
	}
}

func TestRender(t *testing.T) {
	got := map[string][]byte{}
	for name, opts := range map[string]struct {
		code  Code
		color bool
		width int
	}{
		"ZAV108.golden":              {BadDigest, false, 0},
		"ZAV215-color-narrow.golden": {UseWithoutOffer, true, 40},
	} {
		e, _ := Explain(opts.code)
		var b bytes.Buffer
		if err := e.Render(&b, opts.color, opts.width); err != nil {
			t.Fatal(err)
		}
		got[name] = b.Bytes()
	}
	golden.Dir(t, filepath.Join("testdata", "render"), got)

	for _, e := range Catalogue() {
		var b bytes.Buffer
		if err := e.Render(&b, false, 60); err != nil {
			t.Fatal(err)
		}
		code := false
		for line := range strings.Lines(b.String()) {
			code = code && !strings.HasPrefix(line, "Right") || strings.HasPrefix(line, "Wrong") || strings.HasPrefix(line, "Right")
			if !code && dialect.Width(strings.TrimSuffix(line, "\n")) > 60 {
				t.Errorf("%s: wider than 60: %s", e.Code, line)
			}
		}
		if strings.Contains(b.String(), "```") {
			t.Errorf("%s: a fence is left", e.Code)
		}
	}
}
