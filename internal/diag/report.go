package diag

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/internal/dialect"
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
	p.w.Write(dialect.JSON(r))
}

func jsonPlace(s source.Span) *jsonLocation {
	if s.IsZero() {
		return nil
	}
	return &jsonLocation{File: s.File, Line: s.Line, Column: s.Col, EndLine: s.EndLine, EndColumn: s.EndCol}
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

func (p *printer) gitlab() {
	issues := []dialect.QualityIssue{}
	prints := fingerprints(p.all)
	for i, d := range p.all {
		issue := dialect.QualityIssue{
			Description: withNotes(d), CheckName: string(d.Code), Fingerprint: prints[i], Severity: "blocker",
			Location: dialect.QualityPlace(d.Span),
		}
		if d.Severity == Warning {
			issue.Severity = "minor"
		}
		issues = append(issues, issue)
	}
	p.w.Write(dialect.JSON(issues))
}

// github prints workflow commands, which annotate the lines they name.
func (p *printer) github() {
	shown := map[Severity]int{}
	left := map[Code]int{}
	var codes []Code
	var all counts
	for _, d := range p.all {
		if shown[d.Severity] == dialect.GitHubLimit {
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
		heading := string(d.Code)
		if t := title(d.Code); t != "" {
			heading += ": " + t
		}
		a := dialect.Annotation{Level: d.Severity.String(), Span: d.Span, Title: heading, Text: withNotes(d)}
		p.w.WriteString(a.Command(p.files))
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
		strings.Join(rest, " and "), dialect.GitHubLimit, strings.Join(list, ", "))
}

// junit makes a suite of each file and a case of each diagnostic. An error is a failure; a warning passes, and has its
// text in system-out. With nothing to report there is one case that passes, as readers take an empty report for a
// broken one.
func (p *printer) junit() {
	r := dialect.JUnit{Name: "zave"}
	names := map[string]int{}
	for i, d := range p.all {
		if i == 0 || d.Span.File != p.all[i-1].Span.File {
			name := visible(d.Span.File)
			if name == "" {
				name = "zave"
			}
			r.Suites = append(r.Suites, dialect.JUnitSuite{Name: name})
			clear(names)
		}

		// No line in the name: histories follow a case by its name.
		name := string(d.Code) + " " + visible(d.Field)
		if d.Field == "" {
			name = string(d.Code) + " " + title(d.Code)
		}
		if names[name]++; names[name] > 1 {
			name += " (" + strconv.Itoa(names[name]) + ")"
		}
		c := dialect.JUnitCase{Name: name, Classname: r.Suites[len(r.Suites)-1].Name}
		text := p.plain(d)
		if d.Severity == Warning {
			c.SystemOut = &dialect.JUnitText{Text: text}
		} else {
			c.Failure = &dialect.JUnitFailure{
				Message: visible(d.Summary), Type: string(d.Code), JUnitText: dialect.JUnitText{Text: text},
			}
		}
		r.Add(c)
	}
	p.w.Write(r.Encode("no problems"))
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
