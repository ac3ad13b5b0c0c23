package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/golden"
)

// cases has the reports of the pull requests that matter, which the package that makes reports keeps.
const cases = "../testdata/cases"

func caseNames(t testing.TB) (out []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(cases, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	for _, f := range files {
		out = append(out, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return out
}

func caseReport(t testing.TB, name string) *report.Report {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(cases, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		t.Fatal(err)
	}
	return &r
}

// options are those of a gate on a forge.
func options() Options {
	return Options{
		Version: "0.1.0", FailOn: []report.Class{report.Destructive}, Marker: "<!-- zave diff -->",
		Repo: "https://github.com/zavestudios/platform/blob/91c0b2e191c0b2e191c0b2e191c0b2e191c0b2e1",
	}
}

func printed(t testing.TB, f Format, r *report.Report, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Print(&b, f, r, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// file is what a golden of a format is called: by its ending, so that an editor or a forge shows it as what it is.
func file(f Format) string {
	switch f {
	case Text:
		return "text.txt"
	case Markdown:
		return "markdown.md"
	case HTML:
		return "page.html"
	case JSON:
		return "report.json"
	case JUnit:
		return "junit.xml"
	case GitHub:
		return "github.txt"
	default:
		return string(f) + ".json"
	}
}

// elided leaves out what is the same in every page; one golden has it.
func elided(out []byte) []byte {
	s := string(out)
	for _, text := range []string{pageStyle, pageScript} {
		s = strings.ReplaceAll(s, text, "/* … */")
		s = strings.ReplaceAll(s, template.HTMLEscapeString(digest(text)), "sha256-…")
	}
	return []byte(s)
}

// TestCases has every format of each of the pull requests that matter. Whoever changes the reports writes these goldens
// anew as well.
func TestCases(t *testing.T) {
	got := map[string][]byte{}
	for _, name := range caseNames(t) {
		r := caseReport(t, name)
		for _, f := range Formats() {
			o := options()
			o.Width = 100
			got[name+"/"+file(f)] = elided(printed(t, f, r, o))
		}
		got[name+"/commit.txt"] = []byte(CommitMessage(r, commitOptions()))
	}
	golden.Dir(t, filepath.Join("testdata", "cases"), got)
}

func TestPrint(t *testing.T) {
	got := map[string][]byte{}
	generator := small()
	generator.Generator = true
	for name, r := range map[string]*report.Report{"everything": everything(), "generator": generator, "empty": {}} {
		for _, f := range Formats() {
			got[name+"/"+file(f)] = printed(t, f, r, options())
			if name != "everything" {
				got[name+"/"+file(f)] = elided(got[name+"/"+file(f)])
			}
		}
	}
	o := options()
	o.Width, o.Color = 80, true
	got["everything/text-80-color.txt"] = printed(t, Text, everything(), o)
	o.Color, o.Verbose = false, true
	got["everything/text-80-verbose.txt"] = printed(t, Text, everything(), o)
	o.Width, o.Verbose = 120, false
	got["everything/text-120.txt"] = printed(t, Text, everything(), o)
	o.Limit = 8000
	got["everything/markdown-8000.md"] = printed(t, Markdown, everything(), o)
	for name, r := range map[string]*report.Report{"everything": everything(), "generator": generator, "empty": {}} {
		got[name+"/commit.txt"] = []byte(CommitMessage(r, commitOptions()))
	}
	golden.Dir(t, filepath.Join("testdata", "print"), got)
}

// Nothing that a terminal or a forge would act on leaves, in any format; nor do secrets.
func TestPrintEscapes(t *testing.T) {
	for _, f := range Formats() {
		o := options()
		o.Version, o.Verbose = "v"+evil, true
		o.Source = func(string) ([]byte, bool) { return []byte(evil), true }
		out := string(printed(t, f, everything(), o))
		for i, r := range out {
			if r != '\n' && !dialect.Printable(r) && !(f == Markdown && r == '\u200b') || r == utf8.RuneError && f != JSON && f != SARIF {
				t.Errorf("%s: %q at byte %d of\n%q", f, r, i, out[max(0, i-80):min(len(out), i+80)])
				break
			}
		}
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "::error::") {
				t.Errorf("%s: a line is a workflow command: %q", f, line)
			}
		}
		if f == HTML && strings.Contains(out, "<script>alert") {
			t.Errorf("%s: a script got in", f)
		}
		for _, secret := range []string{"hunter2", "hunter3", "correct horse", "battery-staple"} {
			if strings.Contains(out, secret) {
				t.Errorf("%s: %q is printed", f, secret)
			}
		}
	}
}

// Every subject that is dangerous, and each way to be let through, is in every format.
func TestNothingDangerousIsLost(t *testing.T) {
	for _, f := range Formats() {
		out := string(printed(t, f, everything(), options()))
		for _, want := range []string{"rigoberta", "panchito/uploads", "argocd/oldshop", "panchito/web", "team-data", "169.254.169.254"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s says nothing of %s", f, want)
			}
		}
	}
}

// One cause over many is said once, with a count and a sample.
func TestFanOut(t *testing.T) {
	q := report.Consequence{Class: report.Cosmetic, Rule: "label-added", Kind: "Namespace", Text: "given the label zave.io/team"}
	r := &report.Report{}
	for i := range 412 {
		name := []string{"alpha", "beta", "gamma"}[min(i, 2)]
		if i > 2 {
			name = fmt.Sprintf("tenant-%d", i)
		}
		q.Subjects = append(q.Subjects, report.Subject{Name: name, Cluster: "sandbox", Tenant: name})
	}
	r.Consequences = []report.Consequence{q}
	const want = "412 Namespaces (alpha, beta, gamma and 409 more) given the label zave.io/team"
	for _, f := range Formats() {
		if f == GitHub { // which only counts what is cosmetic
			continue
		}
		out := strings.ReplaceAll(string(printed(t, f, r, Options{})), "`", "")
		if f == HTML {
			out = strings.NewReplacer("<b>", "", "</b>", "").Replace(out)
		}
		if !strings.Contains(out, want) {
			t.Errorf("%s does not say %q:\n%s", f, want, out)
		}
	}
	p := newPrinter(nil, r, Options{})
	for kind, want := range map[string]string{
		"NetworkPolicy": "2 NetworkPolicies (a and b)", "Ingress": "2 Ingresses (a and b)", "path": "2 paths (a and b)",
		"Gateway": "2 Gateways (a and b)", "Endpoints": "2 Endpoints (a and b)", "": "2 subjects (a and b)",
	} {
		if got := p.who(kind, []report.Subject{{Name: "a"}, {Name: "b"}}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPrintErrors(t *testing.T) {
	err := Print(io.Discard, "jsno", &report.Report{}, Options{})
	if err == nil || !strings.Contains(err.Error(), `did you mean "json"?`) {
		t.Errorf("for an unknown format: %v", err)
	}
	broken := errors.New("disk full")
	for _, f := range Formats() {
		if err := Print(failing{broken}, f, everything(), Options{}); !errors.Is(err, broken) {
			t.Errorf("%s: a write error is lost: %v", f, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A report is only read.
func TestPrintLeavesTheReport(t *testing.T) {
	r, before := everything(), everything()
	for _, f := range Formats() {
		o := options()
		o.Mask = func(string) string { return "x" }
		printed(t, f, r, o)
	}
	a, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("Print changed the report")
	}
}
