package diag

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/zavestudios/zave/internal/source"
)

//go:embed diagnostics.schema.json
var jsonSchema []byte

// JSONSchema is the JSON Schema (2020-12) of the JSON format. Within one "version" of the format, fields are only added.
func JSONSchema() []byte { return slices.Clone(jsonSchema) }

type jsonReport struct {
	Version     int              `json:"version"`
	Generator   jsonGenerator    `json:"generator"`
	Summary     jsonSummary      `json:"summary"`
	Diagnostics []jsonDiagnostic `json:"diagnostics"`
}

type jsonGenerator struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type jsonSummary struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Files    int `json:"files"`
}

type jsonDiagnostic struct {
	Code        Code          `json:"code"`
	Title       string        `json:"title"`
	Severity    string        `json:"severity"`
	Summary     string        `json:"summary"`
	Hint        string        `json:"hint,omitempty"`
	Tenant      string        `json:"tenant,omitempty"`
	Field       string        `json:"field,omitempty"`
	Location    *jsonLocation `json:"location,omitempty"`
	Notes       []jsonNote    `json:"notes"`
	Fingerprint string        `json:"fingerprint"`
}

type jsonNote struct {
	Text     string        `json:"text"`
	Location *jsonLocation `json:"location,omitempty"`
}

type jsonLocation struct {
	File      string `json:"file"`
	Line      int32  `json:"line,omitempty"`
	Column    int32  `json:"column,omitempty"`
	EndLine   int32  `json:"endLine,omitempty"`
	EndColumn int32  `json:"endColumn,omitempty"`
}

func (p *printer) json() {
	c := count(p.all)
	r := jsonReport{
		Version:     1,
		Generator:   jsonGenerator{Name: "zave", Version: p.opts.Version},
		Summary:     jsonSummary{Errors: c.errors, Warnings: c.warnings, Files: c.files},
		Diagnostics: []jsonDiagnostic{},
	}
	prints := fingerprints(p.all)
	for i, d := range p.all {
		j := jsonDiagnostic{
			Code: d.Code, Title: title(d.Code), Severity: d.Severity.String(), Summary: d.Summary, Hint: d.Hint,
			Tenant: d.Tenant, Field: d.Field, Location: jsonPlace(d.Span), Notes: []jsonNote{}, Fingerprint: prints[i],
		}
		for _, n := range d.Notes {
			j.Notes = append(j.Notes, jsonNote{Text: n.Text, Location: jsonPlace(n.Span)})
		}
		r.Diagnostics = append(r.Diagnostics, j)
	}
	p.writeJSON(r)
}

func jsonPlace(s source.Span) *jsonLocation {
	if s.IsZero() {
		return nil
	}
	return &jsonLocation{File: s.File, Line: s.Line, Column: s.Col, EndLine: s.EndLine, EndColumn: s.EndCol}
}

// writeJSON writes the value indented, with every character that does not print as a \u escape: readers get it back
// unchanged, and a terminal never sees it.
func (p *printer) writeJSON(v any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic("diag: a report of strings and numbers does not encode: " + err.Error())
	}
	// Outside of strings, JSON is ASCII and line ends.
	for _, r := range buf.String() {
		switch {
		case r == '\n' || printable(r):
			p.w.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(p.w, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(p.w, `\u%04x\u%04x`, hi, lo)
		}
	}
}

// fingerprints gives for each diagnostic what identifies it from one commit to the next: 32 hexadecimal digits that
// depend on the code, the file and the field, or on the summary where there is no field, and never on a line. Equal
// ones are numbered in their order, so that all are different.
func fingerprints(all []Diagnostic) []string {
	out := make([]string, len(all))
	seen := map[string]int{}
	for i, d := range all {
		what := d.Field
		if what == "" {
			what = "\x00" + d.Summary
		}
		key := string(d.Code) + "\x00" + d.Span.File + "\x00" + d.Tenant + "\x00" + what
		seen[key]++
		sum := sha256.Sum256([]byte(key + "\x00" + strconv.Itoa(seen[key])))
		out[i] = hex.EncodeToString(sum[:16])
	}
	return out
}

// message is the summary with the hint below it, as visible text.
func message(d Diagnostic) string {
	out := visible(d.Summary)
	if d.Hint != "" {
		out += "\nhint: " + visible(d.Hint)
	}
	return out
}

// withNotes adds the notes to message, for formats that have no place of their own for them.
func withNotes(d Diagnostic) string {
	out := message(d)
	for _, n := range d.Notes {
		out += "\nnote: "
		if !n.Span.IsZero() {
			out += visible(n.Span.String()) + ": "
		}
		out += visible(n.Text)
	}
	return out
}

// title is the catalogue's, or empty for a code that has no page: the catalogue's test sees to it that there is none.
func title(c Code) string {
	e, _ := Explain(c)
	return e.Title
}

// GitLab's Code Quality report: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
type gitlabIssue struct {
	Description string         `json:"description"`
	CheckName   Code           `json:"check_name"`
	Fingerprint string         `json:"fingerprint"`
	Severity    string         `json:"severity"` // info, minor, major, critical or blocker
	Location    gitlabLocation `json:"location"`
}

type gitlabLocation struct {
	Path  string `json:"path"`
	Lines struct {
		Begin int32 `json:"begin"`
	} `json:"lines"`
}

func (p *printer) gitlab() {
	issues := []gitlabIssue{}
	prints := fingerprints(p.all)
	for i, d := range p.all {
		issue := gitlabIssue{Description: withNotes(d), CheckName: d.Code, Fingerprint: prints[i], Severity: "blocker"}
		if d.Severity == Warning {
			issue.Severity = "minor"
		}
		issue.Location.Path = d.Span.File
		if issue.Location.Path == "" {
			issue.Location.Path = "." // required; the repository as a whole
		}
		issue.Location.Lines.Begin = max(d.Span.Line, 1)
		issues = append(issues, issue)
	}
	p.writeJSON(issues)
}

// githubLimit is how many annotations of one level GitHub keeps a step. It drops the rest and says nothing.
const githubLimit = 10

// github prints workflow commands, which annotate the lines they name:
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
func (p *printer) github() {
	shown := map[Severity]int{}
	left := map[Code]int{}
	var codes []Code
	var all counts
	for _, d := range p.all {
		if shown[d.Severity] == githubLimit {
			if left[d.Code]++; left[d.Code] == 1 {
				codes = append(codes, d.Code)
			}
			if d.Severity == Warning {
				all.warnings++
			} else {
				all.errors++
			}
			continue
		}
		shown[d.Severity]++
		p.w.WriteString("::" + d.Severity.String() + " ")
		if s := d.Span; s.File != "" {
			p.w.WriteString("file=" + githubProperty(s.File) + ",")
			if s.Line > 0 {
				fmt.Fprintf(p.w, "line=%d,", s.Line)
				if s.EndLine > s.Line {
					fmt.Fprintf(p.w, "endLine=%d,", s.EndLine)
				}
				if s.Col > 0 {
					fmt.Fprintf(p.w, "col=%d,", p.lines(s.File).column(s.Line, s.Col))
				}
			}
		}
		heading := string(d.Code)
		if t := title(d.Code); t != "" {
			heading += ": " + t
		}
		p.w.WriteString("title=" + githubProperty(heading) + "::" + githubData(withNotes(d)) + "\n")
	}
	if len(codes) == 0 {
		return
	}
	slices.Sort(codes)
	var list []string
	for _, c := range codes {
		list = append(list, fmt.Sprintf("%s ×%d", c, left[c]))
	}
	var rest []string
	if all.errors > 0 {
		rest = append(rest, plural(all.errors, "more error"))
	}
	if all.warnings > 0 {
		rest = append(rest, plural(all.warnings, "more warning"))
	}
	fmt.Fprintf(p.w, "::notice title=zave::%s not shown, as GitHub keeps %d annotations of a level: %s\n",
		strings.Join(rest, " and "), githubLimit, strings.Join(list, ", "))
}

// githubData and githubProperty escape as the runner's own toolkit does (actions/toolkit, packages/core/src/command.ts).
func githubData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func githubProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(githubData(visible(s)))
}

// The elements and attributes of the Jenkins xUnit plugin's junit-10.xsd, which the other readers accept too. There is
// no time or host in them: a report of the same problems has the same bytes.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	Classname string        `xml:"classname,attr"`
	Failure   *junitFailure `xml:"failure"`
	SystemOut *junitText    `xml:"system-out"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	junitText
}

type junitText struct {
	Text string `xml:",cdata"` // character data would have its line ends as references
}

// junit makes a suite of each file and a case of each diagnostic. An error is a failure; a warning passes, and has its
// text in system-out. With nothing to report there is one case that passes, as readers take an empty report for a
// broken one.
func (p *printer) junit() {
	r := junitSuites{Name: "zave"}
	names := map[string]int{}
	for i, d := range p.all {
		if i == 0 || d.Span.File != p.all[i-1].Span.File {
			name := visible(d.Span.File)
			if name == "" {
				name = "zave"
			}
			r.Suites = append(r.Suites, junitSuite{Name: name})
			clear(names)
		}
		suite := &r.Suites[len(r.Suites)-1]

		// No line in the name: histories follow a case by its name.
		name := string(d.Code) + " " + visible(d.Field)
		if d.Field == "" {
			name = string(d.Code) + " " + title(d.Code)
		}
		if names[name]++; names[name] > 1 {
			name += " (" + strconv.Itoa(names[name]) + ")"
		}
		c := junitCase{Name: name, Classname: suite.Name}
		text := p.plain(d)
		if d.Severity == Warning {
			c.SystemOut = &junitText{text}
		} else {
			c.Failure = &junitFailure{Message: visible(d.Summary), Type: string(d.Code), junitText: junitText{text}}
			suite.Failures++
			r.Failures++
		}
		suite.Cases = append(suite.Cases, c)
		suite.Tests++
		r.Tests++
	}
	if r.Tests == 0 {
		r.Tests = 1
		r.Suites = []junitSuite{{Name: "zave", Tests: 1, Cases: []junitCase{{Name: "no problems", Classname: "zave"}}}}
	}
	out, err := xml.MarshalIndent(r, "", "  ")
	if err != nil {
		panic("diag: a report of strings and numbers does not encode: " + err.Error())
	}
	p.w.WriteString(xml.Header)
	p.w.Write(out)
	p.w.WriteString("\n")
}

// plain is a diagnostic as the text format has it, without colour.
func (p *printer) plain(d Diagnostic) string {
	var b bytes.Buffer
	q := &printer{w: bufio.NewWriter(&b), opts: p.opts, files: p.files}
	q.opts.Color = false
	q.diagnostic(d)
	q.w.Flush()
	return b.String()
}
