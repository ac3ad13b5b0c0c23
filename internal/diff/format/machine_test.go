package format

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/report"
)

func schema(t testing.TB, name string, data []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t testing.TB, s *jsonschema.Schema, name string, data []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// reports are those that goldens are of, and more that are odd.
func reports(t testing.TB) map[string]*report.Report {
	t.Helper()
	generator := everything()
	generator.Generator = true
	out := map[string]*report.Report{"everything": everything(), "small": small(), "empty": {}, "generator": generator, "many": many(6000)}
	for _, name := range caseNames(t) {
		out[name] = caseReport(t, name)
	}
	return out
}

// many is a report of consequences at as many places.
func many(n int) *report.Report {
	r := &report.Report{}
	for i := range n {
		origin := small().Changes[0].Origin
		origin.Line, origin.EndLine = int32(i+1), int32(i+1)
		r.Consequences = append(r.Consequences, report.Consequence{
			Class: report.Classes()[i*6/n], Rule: fmt.Sprintf("rule-%d", i%7), Kind: "Deployment", Text: "changed",
			Subjects: []report.Subject{{Name: fmt.Sprintf("a/w%d", i), Cluster: "sandbox", Tenant: "a", Origin: origin}},
		})
	}
	return r
}

func TestJSONSchema(t *testing.T) {
	s := schema(t, "report.schema.json", JSONSchema())
	for name, r := range reports(t) {
		validate(t, s, name, printed(t, JSON, r, options()))
	}
	// The schema refuses what it does not list.
	var doc map[string]any
	if err := json.Unmarshal(printed(t, JSON, small(), options()), &doc); err != nil {
		t.Fatal(err)
	}
	doc["more"] = 1
	if s.Validate(doc) == nil {
		t.Error("a field that the schema does not have passes")
	}
	var back jsonReport
	dec := json.NewDecoder(bytes.NewReader(printed(t, JSON, everything(), options())))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&back); err != nil {
		t.Fatal(err)
	}
	want := everything()
	if len(back.Consequences) != len(want.Consequences) || len(back.Changes) != len(want.Changes) || len(back.Summary.Blocking) != 2 {
		t.Errorf("%d consequences, %d changes, %d blocking", len(back.Consequences), len(back.Changes), len(back.Summary.Blocking))
	}
	for i, c := range back.Consequences {
		if c.Blocking != slices.Contains(back.Summary.Blocking, i) {
			t.Errorf("consequence %d disagrees with the summary about blocking", i)
		}
	}
}

func TestSARIFSchema(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "sarif-schema-2.1.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := schema(t, "sarif.json", data)
	for name, r := range reports(t) {
		out := printed(t, SARIF, r, options())
		validate(t, s, name, out)
		var log dialect.SARIF
		if err := json.Unmarshal(out, &log); err != nil {
			t.Fatal(err)
		}
		run := log.Runs[0]
		if len(run.Results) > sarifLimit {
			t.Errorf("%s: %d results", name, len(run.Results))
		}
		prints := map[string]bool{}
		for _, result := range run.Results {
			if run.Tool.Driver.Rules[result.RuleIndex].ID != result.RuleID {
				t.Errorf("%s: rule %d is not %s", name, result.RuleIndex, result.RuleID)
			}
			if len(result.Locations) == 0 {
				t.Errorf("%s: a result has no place", name)
			}
			if p := result.Fingerprints["zave/v1"]; prints[p] {
				t.Errorf("%s: fingerprint %s is there twice", name, p)
			} else {
				prints[p] = true
			}
		}
	}
	var log dialect.SARIF
	if err := json.Unmarshal(printed(t, SARIF, many(6000), options()), &log); err != nil {
		t.Fatal(err)
	}
	const want = "1,000 results not listed, as 5,000 are shown of a run: 1,000 cosmetic"
	if n := log.Runs[0].Invocations; len(n) != 1 || n[0].Notifications[0].Message.Text != want {
		t.Errorf("what is left out is told as %+v", n)
	}
	for _, result := range log.Runs[0].Results {
		want := []string{"error", "warning", "warning", "note", "note"}[(result.Locations[0].Physical.Region.StartLine-1)/1000]
		if result.Level != want {
			t.Fatalf("level %s of %s, want %s", result.Level, result.Message.Text, want)
		}
	}
}

// junitNode is an element of a JUnit report, whatever it is.
type junitNode struct {
	XMLName  xml.Name
	Attrs    []xml.Attr  `xml:",any,attr"`
	Children []junitNode `xml:",any"`
	Text     string      `xml:",chardata"`
}

// TestJUnit holds the report against the content models of junit-10.xsd: which elements and attributes there may be,
// in which order, which must be, and that the sums are right.
func TestJUnit(t *testing.T) {
	allowed := map[string]struct{ children, attrs, required string }{
		"testsuites": {"testsuite", "name time tests failures errors disabled", ""},
		"testsuite": {"properties testcase system-out system-err",
			"name tests failures errors time disabled skipped timestamp hostname id package file log url version", "name tests failures errors"},
		"testcase":   {"skipped error failure rerunFailure system-out system-err", "name assertions time classname status class file line log group url", "name"},
		"failure":    {"", "type message", ""},
		"system-out": {"", "", ""},
	}
	var walk func(name string, n junitNode)
	walk = func(name string, n junitNode) {
		model, ok := allowed[n.XMLName.Local]
		if !ok {
			t.Fatalf("%s: element %s", name, n.XMLName.Local)
		}
		has := map[string]string{}
		for _, a := range n.Attrs {
			if !slices.Contains(strings.Fields(model.attrs), a.Name.Local) {
				t.Errorf("%s: attribute %s of %s", name, a.Name.Local, n.XMLName.Local)
			}
			has[a.Name.Local] = a.Value
		}
		for _, a := range strings.Fields(model.required) {
			if _, ok := has[a]; !ok {
				t.Errorf("%s: %s has no %s", name, n.XMLName.Local, a)
			}
		}
		order := strings.Fields(model.children)
		last := 0
		cases, failures := 0, 0
		var count func(n junitNode)
		count = func(n junitNode) {
			switch n.XMLName.Local {
			case "testcase":
				cases++
			case "failure":
				failures++
			}
			for _, c := range n.Children {
				count(c)
			}
		}
		count(n)
		if tests, ok := has["tests"]; ok && (tests != fmt.Sprint(cases) || has["failures"] != fmt.Sprint(failures)) {
			t.Errorf("%s: %d cases and %d failures, and it says %s and %s", name, cases, failures, tests, has["failures"])
		}
		for _, c := range n.Children {
			at := slices.Index(order, c.XMLName.Local)
			if at < last {
				t.Errorf("%s: %s in %s is out of order or not allowed", name, c.XMLName.Local, n.XMLName.Local)
			}
			last = max(at, 0)
			walk(name, c)
		}
	}
	for name, r := range reports(t) {
		var root junitNode
		if err := xml.Unmarshal(printed(t, JUnit, r, options()), &root); err != nil {
			t.Fatal(err)
		}
		if root.XMLName.Local != "testsuites" {
			t.Errorf("%s: the root is %s", name, root.XMLName.Local)
		}
		walk(name, root)
	}
	out := string(printed(t, JUnit, everything(), options()))
	if n := strings.Count(out, "<failure "); n != 2 {
		t.Errorf("%d failures, want the 2 that the policy stops at", n)
	}
	if out := string(printed(t, JUnit, everything(), Options{})); strings.Contains(out, "<failure") {
		t.Error("a case fails without a policy")
	}
}

func TestGitHubLimit(t *testing.T) {
	for name, r := range reports(t) {
		n := map[string]int{}
		for line := range strings.Lines(string(printed(t, GitHub, r, options()))) {
			level, _, ok := strings.Cut(strings.TrimPrefix(line, "::"), " ")
			if !ok || !slices.Contains([]string{"error", "warning", "notice"}, level) {
				t.Errorf("%s: not a command: %q", name, line)
			}
			n[level]++
		}
		for level, count := range n {
			if count > dialect.GitHubLimit {
				t.Errorf("%s: %d of level %s", name, count, level)
			}
		}
	}
	out := string(printed(t, GitHub, many(6000), Options{}))
	for _, want := range []string{
		"::error title=zave diff::and 991 consequences not shown, as GitHub keeps 10 annotations of a level: 991 destructive\n",
		"::warning title=zave diff::and 1,991 consequences not shown, as GitHub keeps 10 annotations of a level: 991 disruptive, 1,000 exposure\n",
		"::notice title=zave diff::also 1,000 additive, 1,000 cosmetic, which touch nothing that runs\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
}

func TestGitLab(t *testing.T) {
	for name, r := range reports(t) {
		var issues []dialect.QualityIssue
		if err := json.Unmarshal(printed(t, GitLab, r, options()), &issues); err != nil {
			t.Fatal(err)
		}
		prints := map[string]bool{}
		for _, i := range issues {
			if i.Description == "" || i.CheckName == "" || i.Location.Path == "" || i.Location.Lines.Begin < 1 || prints[i.Fingerprint] ||
				!slices.Contains([]string{"info", "minor", "major", "critical", "blocker"}, i.Severity) {
				t.Errorf("%s: %+v", name, i)
			}
			prints[i.Fingerprint] = true
		}
	}
}

// Fingerprints follow a finding from one commit to the next.
func TestFingerprints(t *testing.T) {
	prints := func(r *report.Report) (out []string) {
		for _, f := range newPrinter(nil, r, Options{}).findings() {
			out = append(out, f.print)
		}
		return out
	}
	before := prints(everything())
	moved := everything()
	for i := range moved.Consequences {
		q := &moved.Consequences[i]
		q.Text += ", worded in another way"
		for j := range q.Subjects {
			q.Subjects[j].Origin.Line += 7
		}
	}
	if after := prints(moved); !slices.Equal(before, after) {
		t.Errorf("they depend on lines or wording:\n%q\n%q", before, after)
	}
	sorted := slices.Sorted(slices.Values(before))
	if len(slices.Compact(sorted)) != len(before) {
		t.Errorf("not unique: %q", before)
	}
}

func TestGeneratorGroups(t *testing.T) {
	r := everything()
	r.Generator = true
	var got []string
	for _, g := range newPrinter(nil, r, Options{}).groups {
		got = append(got, fmt.Sprint(g.title, " ", g.subjects))
	}
	if want := []string{"behavioural 13", "additive 1", "cosmetic 25"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
