package diag

import (
	"net/url"
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/source"
)

// The parts of SARIF 2.1.0 (OASIS Standard, 27 March 2020) that zave fills in; section numbers are that document's.

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool       sarifTool     `json:"tool"`
	ColumnKind string        `json:"columnKind"`
	Results    []sarifResult `json:"results"` // present when empty: "nothing was found", 3.14.23
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID               Code               `json:"id"`
	ShortDescription sarifText          `json:"shortDescription"`
	FullDescription  sarifText          `json:"fullDescription"`
	Help             sarifText          `json:"help"`
	Default          sarifConfiguration `json:"defaultConfiguration"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

type sarifResult struct {
	RuleID       Code              `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Related      []sarifLocation   `json:"relatedLocations,omitempty"`
	Fingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	ID       int           `json:"id,omitempty"`
	Physical sarifPhysical `json:"physicalLocation"`
	Logical  []sarifName   `json:"logicalLocations,omitempty"`
	Message  *sarifText    `json:"message,omitempty"`
}

type sarifName struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI       string `json:"uri"`
	URIBaseID string `json:"uriBaseId"`
}

type sarifRegion struct {
	StartLine   int32 `json:"startLine"`
	StartColumn int32 `json:"startColumn,omitempty"`
	EndLine     int32 `json:"endLine,omitempty"`
	EndColumn   int32 `json:"endColumn,omitempty"`
}

func (p *printer) sarif() {
	run := sarifRun{
		Tool: sarifTool{Driver: sarifDriver{
			Name:           "zave",
			Version:        p.opts.Version,
			InformationURI: "https://github.com/zavestudios/zave",
			Rules:          []sarifRule{},
		}},
		ColumnKind: "unicodeCodePoints",
		Results:    []sarifResult{},
	}
	rules := p.codes()
	for _, c := range rules {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, p.sarifRule(c))
	}
	prints := fingerprints(p.all)
	for i, d := range p.all {
		index, _ := slices.BinarySearch(rules, d.Code)
		where := p.sarifLocation(d.Span)
		if name := strings.Trim(d.Tenant+"/"+d.Field, "/"); name != "" {
			where.Logical = []sarifName{{FullyQualifiedName: name}}
		}
		r := sarifResult{
			RuleID: d.Code, RuleIndex: index, Level: d.Severity.String(), Message: sarifMessage(message(d)),
			Locations: []sarifLocation{where}, Fingerprints: map[string]string{"zave/v1": prints[i]},
		}
		for _, n := range d.Notes {
			if n.Span.IsZero() {
				r.Message.Text += "\nnote: " + sarifMessage(visible(n.Text)).Text
				continue
			}
			related := p.sarifLocation(n.Span)
			text := sarifMessage(visible(n.Text))
			related.ID, related.Message = len(r.Related)+1, &text
			r.Related = append(r.Related, related)
		}
		run.Results = append(run.Results, r)
	}
	p.writeJSON(sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{run},
	})
}

// codes are the codes of the diagnostics, sorted, each once.
func (p *printer) codes() []Code {
	var out []Code
	for _, d := range p.all {
		out = append(out, d.Code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (p *printer) sarifRule(c Code) sarifRule {
	e, ok := Explain(c)
	if !ok {
		e = Entry{Code: c, Title: string(c), Text: string(c)}
	}
	r := sarifRule{
		ID:               c,
		ShortDescription: sarifText{Text: e.Title},
		FullDescription:  sarifText{Text: e.paragraph()},
		Help:             sarifText{Text: e.Text, Markdown: e.Text},
		Default:          sarifConfiguration{Level: Warning.String()},
	}
	for _, d := range p.all {
		if d.Code == c && d.Severity == Error {
			r.Default.Level = Error.String()
		}
	}
	return r
}

// sarifLocation gives every result a place, "." for the repository as a whole where there is no file: GitHub refuses a
// whole upload for one result that has none.
func (p *printer) sarifLocation(s source.Span) sarifLocation {
	file := s.File
	if file == "" {
		file = "."
	}
	// A relative reference, percent-encoded (3.4.3, RFC 3986); url.URL puts "./" before a colon in the first segment.
	out := sarifLocation{Physical: sarifPhysical{Artifact: sarifArtifact{URI: (&url.URL{Path: file}).String(), URIBaseID: "%SRCROOT%"}}}
	if s.Line > 0 && s.File != "" {
		r := &sarifRegion{StartLine: s.Line}
		l := p.lines(s.File)
		if s.Col > 0 {
			r.StartColumn = l.column(s.Line, s.Col)
			if s.EndLine >= s.Line && s.EndCol > 0 {
				r.EndLine, r.EndColumn = s.EndLine, l.column(s.EndLine, s.EndCol)
			}
		}
		out.Physical.Region = r
	}
	return out
}

// sarifMessage keeps user text from becoming a link: plain messages know [text](target) too (3.11.6).
func sarifMessage(s string) sarifText { return sarifText{Text: strings.ReplaceAll(s, "](", "] (")} }
