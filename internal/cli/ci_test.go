package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/forge"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/source"
)

// found is a run that compared something.
func found(prefix string, parts ...passage) *ciRun {
	a := newApp(strings.NewReader(""), io.Discard, io.Discard)
	c := &ciRun{app: a, prefix: prefix, parts: parts, in: &input{Loaded: &load.Loaded{}}}
	c.found = &compared{report: &report.Report{}, source: func(string) ([]byte, bool) { return nil, false }}
	return c
}

// TestCIMarker ends where it ends, whatever a directory is called.
func TestCIMarker(t *testing.T) {
	for prefix, want := range map[string]string{
		".":         "<!-- zave ci: . -->",
		"a/b":       "<!-- zave ci: a%2Fb -->",
		"a--> b\n-": "<!-- zave ci: a%2D%2D%3E%20b%0A%2D -->",
	} {
		if got := found(prefix).marker(); got != want {
			t.Errorf("%q: got %s, want %s", prefix, got, want)
		}
	}
}

// TestCIMarkdown keeps within the limit of a comment with all that stands beside the diff, which no text leaves.
func TestCIMarkdown(t *testing.T) {
	wicked := "```\n@everyone [x](y)\n<!-- -->\x1b[31m\n" + strings.Repeat("é ~~~~ ````` a line that goes on\n", 5000)
	c := found(".", passage{"the tree is not current", wicked}, passage{"the clusters would refuse it", wicked})
	var subjects []report.Subject
	for i := range 3000 {
		subjects = append(subjects, report.Subject{Name: fmt.Sprintf("tenant-%d/web", i), Cluster: "prod"})
	}
	for i := range 500 {
		c.found.report.Consequences = append(c.found.report.Consequences, report.Consequence{
			Class: report.Disruptive, Rule: "r", Kind: "Deployment", Text: fmt.Sprintf("restarted: %d", i), Subjects: subjects[i : i+3],
		})
	}
	text, err := c.markdown(c.marker(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := len([]rune(text)); n > forge.GitHubComment || n < forge.GitHubComment/2 {
		t.Errorf("%d characters", n)
	}
	if !strings.HasPrefix(text, "<!-- zave ci: . -->\n### zave ci: the tree is not current\n\n``````text\n```\n@everyone") {
		t.Errorf("it begins with\n%.200s", text)
	}
	if strings.Contains(text, "\x1b") || strings.Count(text, "\n``````\n") != 2 || strings.Count(text, "which the log has\n``````\n") != 2 {
		t.Errorf("a text leaves its block")
	}
	if !strings.Contains(text, "\n\n### zave diff: ") {
		t.Error("the diff is not a section of its own")
	}
}

// TestCIAnnotations keeps two places of each level, counts what it leaves out, and takes problems first.
func TestCIAnnotations(t *testing.T) {
	var all bytes.Buffer
	for level, n := range map[string]int{"error": 25, "warning": 8, "notice": 9} {
		for i := range n {
			fmt.Fprintf(&all, "::%s title=t::%d\n", level, i)
		}
	}
	got := string(fewAnnotations(all.Bytes()))
	for level, want := range map[string]int{"error": 8, "warning": 8, "notice": 8} {
		if n := strings.Count(got, "::"+level+" "); n != want {
			t.Errorf("%d of level %s, want %d", n, level, want)
		}
	}
	for _, want := range []string{
		"::error title=t::6\n", "::error title=zave ci::and 18 more, which the log and the summary have\n",
		"::notice title=zave ci::and 2 more, which the log and the summary have\n", "::warning title=t::7\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks %s\n%s", want, got)
		}
	}
}

// TestCIFiles join problems and consequences, with paths from the repository's top.
func TestCIFiles(t *testing.T) {
	c := found("estate")
	at := source.Span{File: "tenants/a/tenant.cue", Line: 3, Col: 2}
	c.in.list.Add(
		diag.Diagnostic{Code: diag.OutOfDate, Span: source.Span{File: "out/x.yaml"}, Summary: "stale"},
		diag.Diagnostic{Code: diag.HandEdited, Span: at, Summary: "edited"},
	)
	c.found.report.Consequences = []report.Consequence{{
		Class: report.Destructive, Rule: "namespace-deleted", Kind: "Namespace", Text: "deleted",
		Subjects: []report.Subject{{Name: "a", Cluster: "prod", Origin: at}},
	}}
	c.o.failOn = []report.Class{report.Destructive}

	a, b, err := c.machine(diag.SARIF)
	if err != nil {
		t.Fatal(err)
	}
	joined, err := joinSARIF(a, b)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	schema, err := compiler.Compile(filepath.Join("..", "diff", "format", "testdata", "sarif-schema-2.1.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(joined))
	if err == nil {
		err = schema.Validate(doc)
	}
	if err != nil {
		t.Error(err)
	}
	var log dialect.SARIF
	if err := json.Unmarshal(joined, &log); err != nil {
		t.Fatal(err)
	}
	if len(log.Runs) != 1 || len(log.Runs[0].Results) != 3 {
		t.Fatalf("got %s", joined)
	}
	run := log.Runs[0]
	for _, r := range run.Results {
		if got := run.Tool.Driver.Rules[r.RuleIndex].ID; got != r.RuleID {
			t.Errorf("a result of rule %s points at %s", r.RuleID, got)
		}
		if uri := r.Locations[0].Physical.Artifact.URI; !strings.HasPrefix(uri, "estate/") {
			t.Errorf("a result is at %s", uri)
		}
	}
	if c.found.report.Consequences[0].Subjects[0].Origin != at {
		t.Error("the report itself was changed")
	}

	a, b, err = c.machine(diag.JUnit)
	if err != nil {
		t.Fatal(err)
	}
	if joined, err = joinJUnit(a, b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`tests="3" failures="3"`, "ZAV401", "namespace-deleted: ", "<![CDATA["} {
		if !strings.Contains(string(joined), want) {
			t.Errorf("it lacks %s\n%s", want, joined)
		}
	}
	if strings.Count(string(joined), "<testsuites ") != 1 || strings.Count(string(joined), "<![CDATA[") < 3 {
		t.Errorf("got %s", joined)
	}

	a, b, err = c.machine(diag.GitLab)
	if err != nil {
		t.Fatal(err)
	}
	if joined, err = joinQuality(a, b); err != nil {
		t.Fatal(err)
	}
	var issues []dialect.QualityIssue
	if err := json.Unmarshal(joined, &issues); err != nil || len(issues) != 3 || issues[2].Location.Path != "estate/tenants/a/tenant.cue" {
		t.Errorf("got %s (%v)", joined, err)
	}
}

// TestCISummary fits into what is left of the file, and leaves alone one that is full.
func TestCISummary(t *testing.T) {
	for _, used := range []int{0, summaryLimit - 20000, summaryLimit - 10} {
		file := filepath.Join(t.TempDir(), "summary")
		if err := os.WriteFile(file, bytes.Repeat([]byte("x"), used), 0o666); err != nil {
			t.Fatal(err)
		}
		c := found(".")
		for i := range 6000 {
			c.found.report.Consequences = append(c.found.report.Consequences, report.Consequence{
				Class: report.Disruptive, Rule: "r", Kind: "Deployment", Text: strings.Repeat("restarted ", 20) + fmt.Sprint(i),
				Subjects: []report.Subject{{Name: "a", Cluster: "prod"}},
			})
		}
		c.p.summary = file
		c.summarize()
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := int(info.Size()); n > summaryLimit || n == used && used < summaryLimit-10000 || len(c.unknown) > 0 {
			t.Errorf("%d bytes, of which %d were there: %q", n, used, c.unknown)
		}
	}
}

// TestPipelines holds what others copy against the program: flags that exist, formats of files that it knows, actions by
// major version, and no permission but those that are needed.
func TestPipelines(t *testing.T) {
	root := filepath.Join("..", "..")
	a := newApp(strings.NewReader(""), io.Discard, io.Discard)
	ci, _, err := a.command().Find([]string{"ci"})
	if err != nil {
		t.Fatal(err)
	}
	uses := regexp.MustCompile(`uses: *([^ \n]+)`)
	flag := regexp.MustCompile(`(?:^|[ (])(--[a-z-]+)`)
	version := regexp.MustCompile(`^[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+@v[0-9]+$`)
	allowed := map[string]string{"contents": "read", "pull-requests": "write", "security-events": "write"}
	for _, file := range []string{
		".github/workflows/zave.yml", ".github/workflows/platform.yml", "ci/github/action.yml", "ci/github/run",
		"ci/gitlab/zave.yml", "docs/ci.md",
	} {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range uses.FindAllStringSubmatch(string(data), -1) {
			if !version.MatchString(m[1]) {
				t.Errorf("%s: %s is not of a major version", file, m[1])
			}
		}
		if file == "ci/github/run" {
			n := 0
			for _, m := range flag.FindAllStringSubmatch(string(data), -1) {
				n++
				if ci.Flags().Lookup(m[1][2:]) == nil {
					t.Errorf("%s: there is no flag %s", file, m[1])
				}
			}
			if n < 8 {
				t.Errorf("%s: only %d flags were found", file, n)
			}
			continue
		}
		if strings.HasSuffix(file, ".md") {
			continue
		}
		for document := range strings.SplitSeq(string(data), "\n---\n") {
			var doc map[string]any
			if err := yaml.UnmarshalStrict([]byte(document), &doc); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			permissions(doc, func(name string, value any) {
				if allowed[name] != value {
					t.Errorf("%s: nothing needs the permission %s: %v", file, name, value)
				}
			})
			for _, line := range strings.Split(document, "\n") {
				_, command, ok := strings.Cut(line, "zave ci ")
				if !ok {
					continue
				}
				for _, m := range flag.FindAllStringSubmatch(" "+command, -1) {
					if ci.Flags().Lookup(m[1][2:]) == nil {
						t.Errorf("%s: there is no flag %s", file, m[1])
					}
				}
			}
		}
	}
}

// permissions calls a function with each permission in a document.
func permissions(v any, say func(name string, value any)) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if granted, ok := value.(map[string]any); ok && key == "permissions" {
				for name, level := range granted {
					say(name, level)
				}
				continue
			} else if key == "permissions" {
				say(fmt.Sprint(value), value)
			}
			permissions(value, say)
		}
	case []any:
		for _, value := range v {
			permissions(value, say)
		}
	}
}

// TestActionOutputs has the action give out what the command writes, and nothing else.
func TestActionOutputs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "outputs")
	c := found(".")
	c.p.outputs, c.o.report = file, "zave.html"
	c.summarize()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	written := []string{"comment"} // which is known later
	for line := range strings.Lines(string(data)) {
		name, _, _ := strings.Cut(line, "=")
		written = append(written, name)
	}
	action, err := os.ReadFile(filepath.Join("..", "..", "ci", "github", "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Outputs map[string]struct{ Value string }
	}
	if err := yaml.Unmarshal(action, &doc); err != nil {
		t.Fatal(err)
	}
	var given []string
	for name, o := range doc.Outputs {
		given = append(given, name)
		if want := "${{ steps.ci.outputs." + name + " }}"; o.Value != want {
			t.Errorf("%s is %s", name, o.Value)
		}
	}
	slices.Sort(written)
	slices.Sort(given)
	if !slices.Equal(written, given) {
		t.Errorf("written %q\ngiven   %q", written, given)
	}
}
