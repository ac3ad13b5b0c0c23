package diag

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/golden"
	"github.com/zavestudios/zave/internal/source"
)

// The files of the example, small enough to be read here.
const (
	panchitoCUE = "package panchito\n" +
		"\n" +
		"schema.#Tenant & {\n" +
		"\tname: \"panchito\"\n" +
		"\tdescription: \"不動産 données\", clas: \"tenant\"\n" +
		"\tworkloads: web: {\n" +
		"\t\timage: {repository: \"ghcr.io/zavestudios/panchito\", digest: \"sha256:12\"}\n" +
		"\t\tprot: 8000 // e\u0301 \u202etxet\u202c\x1b[31m\n" +
		"\t\thosts: [\"rigoberta.zavestudios.com\"]\n" +
		"\t}\n"
	rigobertaCUE = "package rigoberta\r\n" +
		"\r\n" +
		"workloads: web: hosts: [\"rigoberta.zavestudios.com\"]\r\n"
	platformFile = "platform/sandbox, and: more%.cue"
)

func exampleSource(file string) ([]byte, bool) {
	switch file {
	case "tenants/panchito/tenant.cue":
		return []byte(panchitoCUE), true
	case "tenants/rigoberta/tenant.cue":
		return []byte(rigobertaCUE), true
	}
	return nil, false
}

func at(file string, line, col, endLine, endCol int32) source.Span {
	return source.Span{File: file, Line: line, Col: col, EndLine: endLine, EndCol: endCol}
}

func example() *List {
	const panchito, rigoberta = "tenants/panchito/tenant.cue", "tenants/rigoberta/tenant.cue"
	l := &List{}
	l.Add(
		Diagnostic{Code: BadDigest, Span: at(panchito, 7, 64, 7, 75), Tenant: "panchito", Field: "workloads.web.image.digest",
			Summary: `digest "sha256:12" is not sha256: and 64 hexadecimal digits`,
			Hint:    "take it from the registry: crane digest ghcr.io/zavestudios/panchito:TAG"},
		Diagnostic{Code: UnknownField, Span: at(panchito, 8, 3, 8, 7), Tenant: "panchito", Field: "workloads.web.prot",
			Summary: `no field "prot" in a workload`, Hint: DidYouMean("prot", []string{"port", "expose"})},
		Diagnostic{Code: UnknownField, Span: at(panchito, 5, 37, 5, 41), Tenant: "panchito", Field: "clas",
			Summary: `no field "clas" in a tenant`, Hint: DidYouMean("clas", []string{"class", "clusters"})},
		Diagnostic{Code: DuplicateHost, Span: at(panchito, 9, 11, 9, 38), Tenant: "panchito", Field: "workloads.web.hosts[0]",
			Summary: `host "rigoberta.zavestudios.com" is taken on cluster sandbox`,
			Notes: []Note{
				{Span: at(rigoberta, 3, 25, 3, 52), Text: "tenant rigoberta holds it here"},
				{Text: "[a link](https://example.org) is only text"},
			}},
		Diagnostic{Code: OfferWithoutUse, Severity: Warning, Span: at(rigoberta, 3, 1, 5, 2), Tenant: "rigoberta",
			Summary: "what is offered here is used by nobody\n::error::\x1b]0;owned\x07"},
		Diagnostic{Code: Syntax, Span: at(panchito, 11, 1, 0, 0), Summary: `expected "}", found the end of the file`},
		Diagnostic{Code: ClusterFull, Span: at(platformFile, 3, 0, 0, 0), Summary: `cluster "sandbox" is promised 100% & <more>`},
		Diagnostic{Code: NotARepository, Summary: "there is no platform/ here", Hint: "run zave within one, or name it with -C"},
	)
	return l
}

func printed(t testing.TB, f Format, l *List, opts PrintOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Print(&b, f, l, opts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPrint(t *testing.T) {
	got := map[string][]byte{}
	for _, f := range Formats() {
		opts := PrintOptions{Source: exampleSource, Version: "0.1.0"}
		got[string(f)+".golden"] = printed(t, f, example(), opts)
		got[string(f)+"-empty.golden"] = printed(t, f, &List{}, opts)
	}
	got["text-color-narrow.golden"] = printed(t, Text, example(), PrintOptions{Source: exampleSource, Color: true, Width: 60})
	got["text-no-source.golden"] = printed(t, Text, example(), PrintOptions{})
	golden.Dir(t, filepath.Join("testdata", "print"), got)
}

func TestPrintDoesNotDependOnOrder(t *testing.T) {
	ordered := example()
	// The same mistake found twice, explained differently.
	twice := ordered.all[0]
	twice.Hint, twice.Notes = "", []Note{{Text: "found again"}}
	ordered.Add(twice, ordered.all[1])
	for _, f := range Formats() {
		opts := PrintOptions{Source: exampleSource}
		want := printed(t, f, ordered, opts)
		for seed := range uint64(20) {
			shuffled := &List{}
			shuffled.Merge(*ordered)
			rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled.all), func(i, j int) {
				shuffled.all[i], shuffled.all[j] = shuffled.all[j], shuffled.all[i]
			})
			if got := printed(t, f, shuffled, opts); !bytes.Equal(got, want) {
				t.Fatalf("%s depends on the order of the list:\n%s\n%s", f, got, want)
			}
		}
	}
}

// Nothing that a terminal or a forge would act on leaves, in any format.
func TestPrintEscapes(t *testing.T) {
	evil := "\x1b[31m\x07\u202e\u2066\u200d\u2028\x7f\u009b\xff\r\n::error::x"
	l := &List{}
	l.Add(Diagnostic{Code: Syntax, Span: at("ten"+evil, 1, 3, 1, 9), Summary: evil, Hint: evil, Tenant: evil, Field: evil,
		Notes: []Note{{Span: at("ten"+evil, 1, 1, 0, 0), Text: evil}}})
	for _, f := range Formats() {
		out := string(printed(t, f, l, PrintOptions{Source: func(string) ([]byte, bool) { return []byte(evil), true }, Version: evil}))
		for i, r := range out {
			if r != '\n' && !dialect.Printable(r) || r == utf8.RuneError && f != JSON && f != SARIF {
				t.Errorf("%s: %q at byte %d of\n%q", f, r, i, out)
				break
			}
		}
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "::error::") {
				t.Errorf("%s: a line is a workflow command: %q", f, line)
			}
		}
	}
}

func TestPrintErrors(t *testing.T) {
	err := Print(io.Discard, "jsno", &List{}, PrintOptions{})
	if err == nil || !strings.Contains(err.Error(), `did you mean "json"?`) {
		t.Errorf("for an unknown format: %v", err)
	}
	broken := errors.New("disk full")
	for _, f := range Formats() {
		if err := Print(failing{broken}, f, example(), PrintOptions{}); !errors.Is(err, broken) {
			t.Errorf("%s: a write error is lost: %v", f, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestFingerprints(t *testing.T) {
	prints := func(l *List) []string { return fingerprints(l.Sorted()) }
	before := prints(example())
	sorted := slices.Sorted(slices.Values(before))
	if len(slices.Compact(sorted)) != len(before) {
		t.Errorf("not unique: %q", before)
	}
	moved := example()
	for i := range moved.all {
		if moved.all[i].Span.Line > 0 {
			moved.all[i].Span.Line += 7
			moved.all[i].Span.EndLine += 7
			moved.all[i].Span.Col += 2
		}
	}
	if after := prints(moved); !slices.Equal(before, after) {
		t.Errorf("they depend on lines:\n%q\n%q", before, after)
	}

	same := Diagnostic{Code: BadHost, Span: at("f", 1, 1, 0, 0), Field: "hosts"}
	l := &List{}
	l.Add(same)
	same.Span.Line = 2
	l.Add(same)
	if p := prints(l); p[0] == p[1] {
		t.Error("two equal mistakes on two lines have one fingerprint")
	}
}

func TestGitHubLimit(t *testing.T) {
	l := &List{}
	for i := range int32(25) {
		l.Add(Diagnostic{Code: BadHost, Span: at("a.cue", i+1, 1, 0, 0), Summary: "x"})
		if i < 11 {
			l.Add(Diagnostic{Code: OfferWithoutUse, Severity: Warning, Span: at("a.cue", i+1, 1, 0, 0), Summary: "y"})
		}
	}
	out := string(printed(t, GitHub, l, PrintOptions{}))
	for prefix, want := range map[string]int{"::error ": 10, "::warning ": 10, "::notice ": 1} {
		if n := strings.Count(out, prefix); n != want {
			t.Errorf("%d of %q, want %d", n, prefix, want)
		}
	}
	want := "::notice title=zave::15 more errors and 1 more warning not shown, as GitHub keeps 10 annotations of a level: ZAV107 ×15, ZAV216 ×1\n"
	if !strings.HasSuffix(out, want) {
		t.Errorf("the end is not %q:\n%s", want, out)
	}
}

// The reports are read back by the strictest reader at hand.
func TestReportsAreWellFormed(t *testing.T) {
	opts := PrintOptions{Source: exampleSource}
	for _, f := range []Format{JSON, SARIF, GitLab} {
		for _, l := range []*List{example(), {}} {
			if out := printed(t, f, l, opts); !json.Valid(out) || !utf8.Valid(out) {
				t.Errorf("%s is not JSON:\n%s", f, out)
			}
		}
	}
	var r jsonReport
	dec := json.NewDecoder(bytes.NewReader(printed(t, JSON, example(), opts)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		t.Error(err)
	}
	for i, d := range example().Sorted() {
		if got := r.Diagnostics[i]; got.Summary != d.Summary || got.Code != d.Code {
			t.Errorf("%q came back as %q", d.Summary, got.Summary)
		}
	}
	var suites dialect.JUnit
	if err := xml.Unmarshal(printed(t, JUnit, example(), opts), &suites); err != nil {
		t.Fatal(err)
	}
	var tests, failures int
	for _, s := range suites.Suites {
		tests += len(s.Cases)
		for _, c := range s.Cases {
			if c.Failure != nil {
				failures++
			}
		}
	}
	if tests != suites.Tests || failures != suites.Failures || tests != 8 || failures != 7 {
		t.Errorf("%d cases and %d failures, the report says %d and %d", tests, failures, suites.Tests, suites.Failures)
	}
	if !json.Valid(JSONSchema()) {
		t.Error("the JSON schema is not JSON")
	}
}

func TestSummary(t *testing.T) {
	for _, test := range []struct {
		list []Diagnostic
		want string
	}{
		{nil, ""},
		{[]Diagnostic{{Summary: "no place"}}, "1 error"},
		{[]Diagnostic{{Severity: Warning, Span: at("a", 1, 1, 0, 0)}}, "1 warning in 1 file"},
		{[]Diagnostic{{Span: at("a", 1, 1, 0, 0)}, {Span: at("a", 1, 1, 0, 0)}}, "1 error in 1 file"},
		{[]Diagnostic{
			{Span: at("b", 1, 1, 0, 0)}, {Span: at("a", 1, 1, 0, 0)}, {Span: at("a", 2, 1, 0, 0)},
			{Severity: Warning, Span: at("b", 1, 1, 0, 0)},
		}, "3 errors and 1 warning in 2 files"},
	} {
		l := &List{}
		l.Add(test.list...)
		if got := l.Summary(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
