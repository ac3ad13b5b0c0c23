package postgres

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Outcome is what came of one check.
type Outcome string

// The outcomes. Passed and Inevitable are as they should be; the others are told of.
const (
	Passed        Outcome = "pass"
	Failed        Outcome = "fail"
	Errored       Outcome = "error"          // it could not be told: never a pass
	Inevitable    Outcome = "inherent"       // it is possible, and stock PostgreSQL has no privilege against it
	NotApplicable Outcome = "not applicable" // it says nothing about this server; never a pass either
	Noted         Outcome = "note"           // a finding of the audit that is low
)

// Result is one check, tried as one role. Names of the tenants it was tried on are not in it, so that two runs against
// one server give equal reports.
type Result struct {
	ID       string  `json:"id"`
	Kind     string  `json:"kind"` // attack, strict, control, inherent or audit
	Category string  `json:"category"`
	Severity string  `json:"severity"`
	Role     string  `json:"role,omitempty"`   // key of a tenant's role; empty: none
	Where    string  `json:"where,omitempty"`  // own, neighbour, restored, postgres, …; of an audit the database
	Tenant   string  `json:"tenant,omitempty"` // of an audit, and of what was tried on a restored database
	Outcome  Outcome `json:"outcome"`
	Tried    string  `json:"tried,omitempty"`
	Expected string  `json:"expected,omitempty"`
	Got      string  `json:"got,omitempty"`
	Message  string  `json:"message,omitempty"` // why it is not a pass
	Why      string  `json:"why,omitempty"`
	Fix      string  `json:"fix,omitempty"`
	Limit    string  `json:"limit,omitempty"`  // of what is inherent
	Detect   string  `json:"detect,omitempty"` // of what is inherent: a query
}

// Report is what a verification has found out.
type Report struct {
	Cluster string   `json:"cluster,omitempty"`
	Server  string   `json:"server"`  // "PostgreSQL 17.10"
	Version int      `json:"version"` // server_version_num
	User    string   `json:"user"`    // who connected
	Profile string   `json:"profile"` // standard or strict
	Attacks bool     `json:"attacks"` // false: the audit alone
	Partial bool     `json:"partial"` // some categories alone
	Results []Result `json:"results"`
}

// Verdict is what a report comes to.
type Verdict string

// The verdicts, for exit codes 0, 1 and 2.
const (
	Holds   Verdict = "the promise holds"
	Broken  Verdict = "the promise does not hold"
	Unknown Verdict = "it could not be told whether the promise holds"
)

// Verdict weighs the results: one failure is enough to break the promise, one error to leave it open, and what tried
// nothing, or showed no legitimate work to succeed, proves nothing.
func (r *Report) Verdict() Verdict {
	s := r.Summary()
	switch {
	case s.Attack.Failed+s.Strict.Failed+s.Control.Failed+s.Audit.Failed > 0:
		return Broken
	case s.Attack.Errors+s.Strict.Errors+s.Control.Errors+s.Inherent.Errors+s.Audit.Errors > 0:
		return Unknown
	case r.Attacks && (s.Control.Passed == 0 || s.Attack.Passed+s.Strict.Passed == 0):
		return Unknown
	case !r.Attacks && s.Audit.Passed == 0:
		return Unknown
	}
	return Holds
}

// Tally counts the results of one kind.
type Tally struct {
	Passed        int `json:"passed"`
	Failed        int `json:"failed"`
	Errors        int `json:"errors"`
	Inherent      int `json:"inherent"`
	Notes         int `json:"notes"`
	NotApplicable int `json:"notApplicable"`
}

// Tried is how many of them say something.
func (t Tally) Tried() int { return t.Passed + t.Failed + t.Errors + t.Inherent }

func (t *Tally) add(o Outcome) {
	switch o {
	case Passed:
		t.Passed++
	case Failed:
		t.Failed++
	case Inevitable:
		t.Inherent++
	case NotApplicable:
		t.NotApplicable++
	case Noted:
		t.Notes++
	default: // a result without an outcome is none
		t.Errors++
	}
}

// Summary is a report in numbers.
type Summary struct {
	Attack   Tally         `json:"attack"`
	Strict   Tally         `json:"strict"`
	Control  Tally         `json:"control"`
	Inherent Tally         `json:"inherent"`
	Audit    Tally         `json:"audit"`
	Open     int           `json:"strictOpen"` // attacks of the strict profile that succeeded as some role
	Category []NamedTally  `json:"categories"` // of attacks, sorted
	Role     []NamedTally  `json:"roles"`      // of attacks, sorted
	Missing  []NamedReason `json:"notApplicable,omitempty"`
}

// NamedTally is a tally of a category, or of a role.
type NamedTally struct {
	Name string `json:"name"`
	Tally
}

// NamedReason is why checks were not applicable, and how many.
type NamedReason struct {
	Reason string `json:"reason"`
	Checks int    `json:"checks"`
}

// Summary counts.
func (r *Report) Summary() Summary {
	var s Summary
	categories, roles, reasons, open := map[string]*Tally{}, map[string]*Tally{}, map[string]int{}, map[string]bool{}
	count := func(in map[string]*Tally, name string, o Outcome) {
		if in[name] == nil {
			in[name] = &Tally{}
		}
		in[name].add(o)
	}
	for i := range r.Results {
		res := &r.Results[i]
		switch res.Kind {
		case "attack":
			s.Attack.add(res.Outcome)
			count(categories, res.Category, res.Outcome)
			count(roles, res.Role, res.Outcome)
		case "strict":
			s.Strict.add(res.Outcome)
			if res.Outcome == Failed {
				open[res.ID] = true
			}
		case "control":
			s.Control.add(res.Outcome)
		case "inherent":
			s.Inherent.add(res.Outcome)
		default:
			s.Audit.add(res.Outcome)
		}
		if res.Outcome == NotApplicable {
			reasons[res.Message]++
		}
	}
	s.Open = len(open)
	named := func(in map[string]*Tally) []NamedTally {
		var out []NamedTally
		for name, t := range in {
			out = append(out, NamedTally{name, *t})
		}
		slices.SortFunc(out, func(a, b NamedTally) int { return strings.Compare(a.Name, b.Name) })
		return out
	}
	s.Category, s.Role = named(categories), named(roles)
	for reason, n := range reasons {
		s.Missing = append(s.Missing, NamedReason{reason, n})
	}
	slices.SortFunc(s.Missing, func(a, b NamedReason) int {
		return cmp.Or(b.Checks-a.Checks, strings.Compare(a.Reason, b.Reason))
	})
	return s
}

// WriteJSON writes the report, its summary and its verdict as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Format  string  `json:"format"`
		Verdict Verdict `json:"verdict"`
		Summary Summary `json:"summary"`
		*Report
	}{"zave-verification/1", r.Verdict(), r.Summary(), r})
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Properties []junitProperty `xml:"properties>property,omitempty"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Error   *junitMessage `xml:"error,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit's XML: a suite a category, a case a check and role. What is not applicable is
// skipped; what is inherent, or a note, passes and says so.
func (r *Report) WriteJUnit(w io.Writer) error {
	all := junitSuites{Name: "zave db verify"}
	at := map[string]int{}
	for i := range r.Results {
		res := &r.Results[i]
		name := res.Kind + "/" + res.Category
		n, ok := at[name]
		if !ok {
			n = len(all.Suites)
			at[name] = n
			all.Suites = append(all.Suites, junitSuite{Name: name, Properties: []junitProperty{
				{"server", r.Server}, {"profile", r.Profile}, {"user", r.User},
			}})
		}
		suite := &all.Suites[n]
		c := junitCase{Class: "zave.db." + res.Kind, Name: res.title()}
		message := &junitMessage{Message: res.Message, Type: res.Severity, Text: res.details()}
		switch res.Outcome {
		case Passed:
		case Failed:
			c.Failure = message
			suite.Failures++
		case NotApplicable:
			c.Skipped = &junitMessage{Message: res.Message}
			suite.Skipped++
		case Inevitable, Noted:
			c.Out = string(res.Outcome) + ": " + cmp.Or(res.Message, res.Why) + "\n" + res.details()
		default:
			c.Error = message
			suite.Errors++
		}
		suite.Tests++
		suite.Cases = append(suite.Cases, c)
	}
	for _, s := range all.Suites {
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// title names a check and who tried it.
func (r *Result) title() string {
	switch {
	case r.Role != "" && r.Where != "" && r.Where != "own":
		return r.ID + " as " + r.Role + " in " + r.Where
	case r.Role != "":
		return r.ID + " as " + r.Role
	case r.Tenant != "":
		return r.ID + " of " + r.Tenant
	}
	return r.ID
}

// details are the lines below a title, one a fact.
func (r *Result) details() string {
	var b strings.Builder
	for _, l := range []struct{ name, text string }{
		{"tried", r.Tried}, {"expected", r.Expected}, {"got", r.Got}, {"why", r.Why}, {"limit", r.Limit}, {"detect", r.Detect},
		{"fix", r.Fix},
	} {
		if l.text != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", l.name, strings.ReplaceAll(printable(l.text), "\n", "\n            "))
		}
	}
	return b.String()
}

// printable takes control characters out of what servers say and people name: a report may end on a terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c != '\n' && (c < ' ' || c >= 0x7f && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069) {
			return '\uFFFD'
		}
		return c
	}, s)
}

// WriteText writes the report for a person: first what is wrong, in full, then the sum of it. With all, what is inherent
// and what is noted is told in full too.
func (r *Report) WriteText(w io.Writer, colour, all bool) error {
	p := &textPrinter{colour: colour}
	s := r.Summary()
	for _, o := range []Outcome{Failed, Errored, Noted, Inevitable} {
		if o == Inevitable && !all {
			continue
		}
		p.results(r, o)
	}
	p.line("%s, profile %s, connected as %s", printable(r.Server), r.Profile, printable(r.User))
	if r.Attacks {
		p.tally("attacks", s.Attack, "attempts refused")
		for _, t := range s.Category {
			if t.Failed+t.Errors > 0 {
				p.line("            %s: %d of %d", t.Name, t.Passed, t.Tried())
			}
		}
		switch {
		case s.Strict.Tried() > 0:
			p.tally("strict", s.Strict, "attempts refused")
			if s.Open > 0 {
				p.line("            %s open", plural(s.Open, "attack"))
			}
		case s.Strict.NotApplicable > 0:
			p.line("%-10s  not asked for: %d attempts that a superuser's strict profile refuses", "strict", s.Strict.NotApplicable)
		}
		p.tally("controls", s.Control, "pieces of legitimate work done")
		ids := map[string]bool{}
		for i := range r.Results {
			if r.Results[i].Outcome == Inevitable {
				ids[r.Results[i].ID] = true
			}
		}
		if len(ids) > 0 {
			p.line("%-10s  %s that no privilege of PostgreSQL prevents, with limits and how to detect them", "inherent",
				plural(len(ids), "thing"))
		}
	}
	switch a := s.Audit; {
	case a.Tried() == 0:
	case a.Failed+a.Errors == 0:
		p.line("%-10s  as planned", "audit")
	default:
		p.line("%-10s  %s", "audit", plural(a.Failed+a.Errors, "deviation"))
	}
	for _, m := range s.Missing {
		if m.Reason != notAskedFor {
			p.line("%-10s  %s not applicable: %s", "", plural(m.Checks, "attempt"), m.Reason)
		}
	}
	verdict := r.Verdict()
	colours := map[Verdict]string{Holds: "32", Broken: "31", Unknown: "33"}
	p.line("%s", p.paint(colours[verdict], string(verdict)))
	_, err := io.WriteString(w, p.b.String())
	return err
}

type textPrinter struct {
	b      strings.Builder
	colour bool
}

func (p *textPrinter) paint(colour, s string) string {
	if !p.colour {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

func (p *textPrinter) line(format string, args ...any) {
	fmt.Fprintf(&p.b, format+"\n", args...)
}

func (p *textPrinter) tally(name string, t Tally, done string) {
	extra := ""
	if t.Failed > 0 {
		extra += ", " + strconv.Itoa(t.Failed) + " failed"
	}
	if t.Errors > 0 {
		extra += ", " + plural(t.Errors, "error")
	}
	p.line("%-10s  %d of %d %s%s", name, t.Passed, t.Tried(), done, extra)
}

// results writes those of one outcome in full; one that several roles came to in the same way is told once.
func (p *textPrinter) results(r *Report, o Outcome) {
	type told struct {
		first *Result
		roles []string
	}
	var list []*told
	seen := map[string]*told{}
	for i := range r.Results {
		res := &r.Results[i]
		if res.Outcome != o {
			continue
		}
		plain := func(s string) string { return strings.ReplaceAll(s, "own_"+res.Role, "own_role") }
		key := strings.Join([]string{
			res.ID, res.Tenant, res.Where, plain(res.Message), plain(res.Got), plain(res.Expected),
		}, "\x00")
		t := seen[key]
		if t == nil {
			t = &told{first: res}
			seen[key] = t
			list = append(list, t)
		}
		if res.Role != "" {
			t.roles = append(t.roles, res.Role)
		}
	}
	words := map[Outcome]string{
		Failed: p.paint("31", "FAIL"), Errored: p.paint("33", "ERROR"), Noted: p.paint("36", "NOTE"),
		Inevitable: p.paint("36", "INHERENT"),
	}
	for _, t := range list {
		res := *t.first
		title := res.ID
		if res.Tenant != "" {
			title += " of " + res.Tenant
		}
		if len(t.roles) > 0 {
			title += " as " + strings.Join(t.roles, ", ")
		}
		if res.Where != "" && res.Where != "own" && res.Kind != "audit" {
			title += " in " + res.Where
		}
		p.line("%s [%s] %s", words[o], res.Severity, printable(title))
		if res.Message != "" {
			p.line("  %s", printable(res.Message))
		}
		p.b.WriteString(res.details() + "\n")
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
