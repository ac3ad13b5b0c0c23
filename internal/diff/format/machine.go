package format

import (
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/source"
)

//go:embed report.schema.json
var jsonSchema []byte

// JSONSchema is the JSON Schema (2020-12) of the JSON format. Within one "version" of it, fields are only added.
func JSONSchema() []byte { return slices.Clone(jsonSchema) }

type jsonReport struct {
	Version      int               `json:"version"`
	Generator    jsonGenerator     `json:"generator"`
	Base         jsonSide          `json:"base"`
	Head         jsonSide          `json:"head"`
	Comparison   string            `json:"comparison"` // "specs" or "generator"
	Summary      jsonSummary       `json:"summary"`
	Consequences []jsonConsequence `json:"consequences"`
	Changes      []jsonChange      `json:"changes"`
	Paths        []jsonPath        `json:"paths"`
	Amounts      []jsonAmounts     `json:"amounts"`
	Costs        []jsonCost        `json:"costs"`
	Notes        []string          `json:"notes"`
	Stale        []string          `json:"staleAcknowledgements"`
}

type jsonGenerator struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type jsonSide struct {
	Name   string `json:"name"`
	Commit string `json:"commit,omitempty"`
}

type jsonSummary struct {
	Classes  map[string]int `json:"classes"` // subjects a class; every class is there
	Objects  map[string]int `json:"objects"` // objects an action; every action is there
	FailOn   []string       `json:"failOn"`
	Blocking []int          `json:"blocking"` // indices of consequences
}

type jsonConsequence struct {
	Class       string        `json:"class"`
	Group       string        `json:"group"` // the class, or "behavioural" of what a new version of zave changes
	Rule        string        `json:"rule"`
	Kind        string        `json:"kind"`
	Title       string        `json:"title"`
	Text        string        `json:"text"`
	Why         string        `json:"why,omitempty"`
	Data        bool          `json:"dataAtStake"`
	Plan        []string      `json:"plan"`
	Blocking    bool          `json:"blocking"`
	Subjects    []jsonSubject `json:"subjects"`
	Fingerprint string        `json:"fingerprint"`
}

type jsonSubject struct {
	Name     string        `json:"name"`
	Cluster  string        `json:"cluster,omitempty"`
	Tenant   string        `json:"tenant,omitempty"`
	Location *jsonLocation `json:"location,omitempty"`
	Changes  []int         `json:"changes"`
	Keys     []int         `json:"keys"`
	Passed   bool          `json:"passed"`
	Pass     string        `json:"pass,omitempty"`
}

type jsonLocation struct {
	File   string `json:"file"`
	Line   int32  `json:"line,omitempty"`
	Column int32  `json:"column,omitempty"`
}

type jsonObject struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

type jsonChange struct {
	Cluster    string        `json:"cluster"`
	Object     jsonObject    `json:"object"`
	Ref        string        `json:"ref"`
	APIVersion string        `json:"apiVersion"`
	Action     string        `json:"action"`
	From       *jsonObject   `json:"from,omitempty"`
	Tenant     string        `json:"tenant,omitempty"`
	UnitBefore string        `json:"unitBefore,omitempty"`
	UnitAfter  string        `json:"unitAfter,omitempty"`
	Fields     []jsonField   `json:"fields"`
	Location   *jsonLocation `json:"location,omitempty"`
	Hash       string        `json:"hash"`
}

type jsonField struct {
	Path      string `json:"path"`
	Before    string `json:"before,omitempty"`
	After     string `json:"after,omitempty"`
	Immutable bool   `json:"immutable,omitempty"`
}

type jsonPath struct {
	Cluster     string `json:"cluster"`
	From        string `json:"from"`
	To          string `json:"to"`
	Ports       string `json:"ports"`
	Before      string `json:"before"`
	After       string `json:"after"`
	Consequence int    `json:"consequence"`
	Subject     int    `json:"subject"`
}

type jsonAmounts struct {
	Cluster string `json:"cluster"`
	What    string `json:"what"`
	Before  string `json:"before"`
	After   string `json:"after"`
}

type jsonCost struct {
	Cluster  string  `json:"cluster"`
	What     string  `json:"what"`
	Currency string  `json:"currency"`
	Before   float64 `json:"beforePerMonth"`
	After    float64 `json:"afterPerMonth"`
	How      string  `json:"how,omitempty"`
}

func (p *printer) json() {
	r := p.r
	out := jsonReport{
		Version:    1,
		Generator:  jsonGenerator{Name: "zave", Version: p.o.Version},
		Base:       jsonSide{Name: r.Base.Name, Commit: r.Base.Commit},
		Head:       jsonSide{Name: r.Head.Name, Commit: r.Head.Commit},
		Comparison: "specs",
		Summary: jsonSummary{
			Classes: map[string]int{}, Objects: map[string]int{}, FailOn: []string{}, Blocking: list(p.blocking),
		},
		Consequences: []jsonConsequence{}, Changes: []jsonChange{}, Paths: []jsonPath{}, Amounts: []jsonAmounts{},
		Costs: []jsonCost{}, Notes: list(r.Notes), Stale: list(r.Stale),
	}
	if r.Generator {
		out.Comparison = "generator"
	}
	for _, c := range report.Classes() {
		out.Summary.Classes[string(c)] = r.Count(c)
	}
	for _, a := range actions() {
		out.Summary.Objects[string(a)] = 0
	}
	for _, c := range p.o.FailOn {
		out.Summary.FailOn = append(out.Summary.FailOn, string(c))
	}
	groups := map[int]string{}
	for _, g := range p.groups {
		for _, i := range g.all {
			groups[i] = g.title
		}
	}
	seen := map[string]int{}
	for i, q := range r.Consequences {
		c := jsonConsequence{
			Class: string(q.Class), Group: groups[i], Rule: q.Rule, Kind: q.Kind,
			Title: p.who(q.Kind, q.Subjects) + " " + q.Text, Text: q.Text, Why: q.Why, Data: q.Data, Plan: list(q.Plan),
			Blocking: p.stops(i), Subjects: []jsonSubject{},
		}
		for _, s := range q.Subjects {
			c.Subjects = append(c.Subjects, jsonSubject{
				Name: s.Name, Cluster: s.Cluster, Tenant: s.Tenant, Location: jsonPlace(s.Origin), Changes: list(s.Changes),
				Keys: list(s.Keys()), Passed: s.Pass != "", Pass: s.Pass,
			})
		}
		if len(q.Subjects) > 0 {
			c.Fingerprint = fingerprint(finding{q: q, subjects: q.Subjects, at: q.Subjects[0].Origin}, seen)
		}
		out.Consequences = append(out.Consequences, c)
	}
	for _, c := range r.Changes {
		out.Summary.Objects[string(c.Action)]++
		j := jsonChange{
			Cluster: c.Cluster, Object: jsonObject{c.Group, c.Kind, c.Namespace, c.Name}, Ref: c.Ref(), APIVersion: c.Version,
			Action: string(c.Action), Tenant: c.Tenant, UnitBefore: c.UnitBefore, UnitAfter: c.UnitAfter,
			Fields: []jsonField{}, Location: jsonPlace(c.Origin), Hash: c.Hash,
		}
		if c.Group != "" {
			j.APIVersion = c.Group + "/" + c.Version
		}
		if c.Action == report.Rename {
			j.From = &jsonObject{c.From.Group, c.From.Kind, c.From.Namespace, c.From.Name}
		}
		for _, f := range c.Fields {
			j.Fields = append(j.Fields, jsonField(f))
		}
		out.Changes = append(out.Changes, j)
	}
	for _, x := range r.Paths {
		out.Paths = append(out.Paths, jsonPath{
			x.Cluster, x.From, x.To, x.Ports, string(x.Before), string(x.After), x.Subject[0], x.Subject[1],
		})
	}
	for _, a := range r.Amounts {
		out.Amounts = append(out.Amounts, jsonAmounts(a))
	}
	for _, m := range r.Money {
		out.Costs = append(out.Costs, jsonCost{m.Cluster, m.What, "USD", finite(m.Before), finite(m.After), m.How})
	}
	p.w.Write(dialect.JSON(out))
}

// finite gives 0 for what JSON has no number for.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}

// list gives a list that is written as [] when it is empty.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func jsonPlace(s source.Span) *jsonLocation {
	if s.IsZero() {
		return nil
	}
	return &jsonLocation{File: s.File, Line: s.Line, Column: s.Col}
}

// junit makes a suite of each class that has consequences and a case of each consequence, which fails where the policy
// stops at it. The others have their text in system-out.
func (p *printer) junit() {
	out := dialect.JUnit{Name: "zave diff"}
	for _, g := range p.groups {
		out.Suites = append(out.Suites, dialect.JUnitSuite{Name: "zave diff: " + g.title})
		names := map[string]int{}
		for _, i := range g.all {
			q := p.r.Consequences[i]
			title := dialect.Visible(p.who(q.Kind, q.Subjects) + " " + q.Text)
			// The case is the rule and its subjects: histories follow a case by its name, and the text has values in it.
			name := dialect.Visible(q.Rule + ": " + p.who(q.Kind, q.Subjects))
			if names[name]++; names[name] > 1 {
				name += " (" + strconv.Itoa(names[name]) + ")"
			}
			lines := []string{title}
			if at := places(q.Subjects, listed); at != "" {
				lines = append(lines, dialect.Visible(at))
			}
			lines = append(lines, p.details(finding{index: i, q: q, subjects: q.Subjects})...)
			text := strings.Join(lines, "\n") + "\n"
			c := dialect.JUnitCase{Name: name, Classname: "zave.diff." + g.title}
			if p.stops(i) {
				c.Failure = &dialect.JUnitFailure{
					Message: title, Type: dialect.Visible(q.Rule), JUnitText: dialect.JUnitText{Text: text},
				}
			} else {
				c.SystemOut = &dialect.JUnitText{Text: text}
			}
			out.Add(c)
		}
	}
	p.w.Write(out.Encode("nothing changes in the clusters"))
}

// sarifLimit is how many results of a run GitHub shows; it refuses more than 25,000.
const sarifLimit = 5000

func (p *printer) sarif() {
	log := dialect.NewSARIF(p.o.Version)
	run := &log.Runs[0]
	index := map[string]int{}
	found := p.findings()
	left := found[min(len(found), sarifLimit):]
	for _, f := range found[:len(found)-len(left)] {
		level := sarifLevel(f.q.Class)
		if _, ok := index[f.q.Rule]; !ok {
			index[f.q.Rule] = len(run.Tool.Driver.Rules)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, p.rule(f.q.Rule, f.q.Class))
		}
		where := dialect.SARIFPlace(f.at, p.files)
		names, _ := nouns(f.subjects)
		for _, name := range names[:min(len(names), listed)] {
			name = strings.TrimSpace(f.q.Kind + " " + name)
			where.Logical = append(where.Logical, dialect.SARIFName{FullyQualifiedName: name})
		}
		text := dialect.Visible(f.text)
		for _, line := range p.details(f) {
			text += "\n" + line
		}
		r := dialect.SARIFResult{
			RuleID: f.q.Rule, RuleIndex: index[f.q.Rule], Level: level, Message: dialect.SARIFMessage(text),
			Locations: []dialect.SARIFLocation{where}, Fingerprints: map[string]string{"zave/v1": f.print},
		}
		if why := f.subjects[0].Pass; why != "" {
			r.Suppressions = []dialect.SARIFSuppression{{Kind: "external", Justification: dialect.Visible(why)}}
		}
		run.Results = append(run.Results, r)
	}
	if len(left) > 0 {
		run.Invocations = []dialect.SARIFInvocation{{Successful: true, Notifications: []dialect.SARIFNotification{{
			Level: "warning",
			Message: dialect.SARIFText{Text: fmt.Sprintf("%s not listed, as %s are shown of a run: %s",
				counted(len(left), "result"), number(sarifLimit), classSum(left))},
		}}}}
	}
	p.w.Write(dialect.JSON(log))
}

func sarifLevel(c report.Class) string {
	switch c {
	case report.Destructive:
		return "error"
	case report.Disruptive, report.Exposure:
		return "warning"
	default:
		return "note"
	}
}

func (p *printer) rule(id string, class report.Class) dialect.SARIFRule {
	text := ""
	if p.o.Describe != nil {
		text = p.o.Describe(id)
	}
	if text == "" {
		text = "A consequence of class " + string(class) + ": " + gloss(class) + "."
	}
	return dialect.SARIFRule{
		ID:               id,
		ShortDescription: dialect.SARIFText{Text: strings.ReplaceAll(id, "-", " ")},
		FullDescription:  dialect.SARIFText{Text: text},
		Help:             dialect.SARIFText{Text: text},
		Default:          dialect.SARIFConfiguration{Level: sarifLevel(class)},
	}
}

// classSum gives "12 additive, 3 cosmetic" for findings, counted by their subjects as the summary counts them.
func classSum(all []finding) string {
	n := map[report.Class]int{}
	for _, f := range all {
		n[f.q.Class] += len(f.subjects)
	}
	var out []string
	for _, c := range report.Classes() {
		if n[c] > 0 {
			out = append(out, number(n[c])+" "+string(c))
		}
	}
	return strings.Join(out, ", ")
}

// github prints workflow commands. The last of a level sums up those that GitHub would drop; what is additive or
// cosmetic is only summed up, since an annotation calls for attention.
func (p *printer) github() {
	levels := map[string][]finding{}
	var quiet []finding
	for _, f := range p.findings() {
		if f.q.Class == report.Additive || f.q.Class == report.Cosmetic {
			quiet = append(quiet, f)
			continue
		}
		level := githubLevel(f)
		levels[level] = append(levels[level], f)
	}
	for _, level := range []string{"error", "warning", "notice"} {
		all := levels[level]
		room := dialect.GitHubLimit
		if level == "notice" && len(quiet) > 0 {
			room--
		}
		shown := all
		if len(all) > room {
			shown = all[:room-1]
		}
		for _, f := range shown {
			lines := append([]string{dialect.Visible(f.text)}, p.details(f)...)
			a := dialect.Annotation{
				Level: level, Span: f.at, Title: string(f.q.Class) + ": " + strings.ReplaceAll(f.q.Rule, "-", " "),
				Text: strings.Join(lines, "\n"),
			}
			p.w.WriteString(a.Command(p.files))
		}
		if rest := all[len(shown):]; len(rest) > 0 {
			p.w.WriteString(dialect.Annotation{
				Level: level, Title: "zave diff",
				Text: fmt.Sprintf("and %s not shown, as GitHub keeps %d annotations of a level: %s",
					counted(len(rest), "consequence"), dialect.GitHubLimit, classSum(rest)),
			}.Command(p.files))
		}
	}
	if len(quiet) > 0 {
		p.w.WriteString(dialect.Annotation{
			Level: "notice", Title: "zave diff", Text: "also " + classSum(quiet) + ", which touch nothing that runs",
		}.Command(p.files))
	}
}

func githubLevel(f finding) string {
	switch {
	case f.subjects[0].Pass != "":
		return "notice"
	case f.q.Class == report.Destructive:
		return "error"
	case f.q.Class == report.Disruptive, f.q.Class == report.Exposure:
		return "warning"
	default:
		return "notice"
	}
}

func (p *printer) gitlab() {
	issues := []dialect.QualityIssue{}
	for _, f := range p.findings() {
		lines := append([]string{dialect.Visible(f.text)}, p.details(f)...)
		issues = append(issues, dialect.QualityIssue{
			Description: strings.Join(lines, "\n"), CheckName: f.q.Rule, Fingerprint: f.print, Severity: gitlabSeverity(f),
			Location: dialect.QualityPlace(f.at),
		})
	}
	p.w.Write(dialect.JSON(issues))
}

func gitlabSeverity(f finding) string {
	if f.subjects[0].Pass != "" {
		return "info"
	}
	switch f.q.Class {
	case report.Destructive:
		return "blocker"
	case report.Disruptive:
		return "critical"
	case report.Exposure:
		return "major"
	case report.Capacity:
		return "minor"
	default:
		return "info"
	}
}
