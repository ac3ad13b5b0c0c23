// Package diag holds what is wrong with what the user wrote, and prints it.
//
// Invariants: a Diagnostic is about the user's input; a failure of the world is a Go error and a bug of ours is a
// panic. Every Diagnostic has a code from the catalogue in this package, and every code a page. Every stage adds to one
// List; one printer sorts it, and equal lists print as equal bytes. What users wrote leaves only as text that prints:
// never as a control character, a bidirectional one, or a command to a forge.
package diag

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/internal/source"
)

// Code names one kind of mistake, for ever: "ZAV012". Codes are constants of this package, listed in Catalogue.
type Code string

// Severity says how bad a diagnostic is.
type Severity uint8

const (
	Error   Severity = iota // the specs mean nothing: nothing is written
	Warning                 // legal, and probably not what was meant
)

// String gives the word that is printed.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Note points at a second place that matters, such as the first holder of a name that is taken twice.
type Note struct {
	Span source.Span
	Text string
}

// Diagnostic is one mistake.
type Diagnostic struct {
	Code     Code
	Severity Severity
	Span     source.Span // the subject: a place the user owns, under tenants/ or platform/ wherever there is one
	Summary  string      // one clear sentence, lower case, no full stop
	Hint     string      // what to do about it, likewise; may be empty
	Notes    []Note
	Tenant   string // the tenant it is about; may be empty
	Field    string // the path of the field within its spec, "workloads.web.port"; may be empty
}

// List collects diagnostics in any order. The zero value is ready to use.
type List struct{ all []Diagnostic }

// Add appends.
func (l *List) Add(d ...Diagnostic) { l.all = append(l.all, d...) }

// Merge appends all of another list.
func (l *List) Merge(m List) { l.all = append(l.all, m.all...) }

// Len is the number of diagnostics of every severity, duplicates included.
func (l *List) Len() int { return len(l.all) }

// HasErrors tells whether compilation must stop.
func (l *List) HasErrors() bool {
	return slices.ContainsFunc(l.all, func(d Diagnostic) bool { return d.Severity == Error })
}

// Sorted gives the diagnostics by place, then severity, code and text, each once. The order in which they were added
// does not show.
func (l *List) Sorted() []Diagnostic {
	out := slices.Clone(l.all)
	slices.SortFunc(out, func(a, b Diagnostic) int { return cmp.Or(compare(a, b), compareRest(a, b)) })
	return slices.CompactFunc(out, func(a, b Diagnostic) bool { return compare(a, b) == 0 })
}

// Summary counts what Sorted gives, as "3 errors and 1 warning in 2 files". It is empty when there is nothing.
func (l *List) Summary() string {
	c := count(l.Sorted())
	var parts []string
	if c.errors > 0 {
		parts = append(parts, plural(c.errors, "error"))
	}
	if c.warnings > 0 {
		parts = append(parts, plural(c.warnings, "warning"))
	}
	out := strings.Join(parts, " and ")
	if c.files > 0 {
		out += " in " + plural(c.files, "file")
	}
	return out
}

type counts struct{ errors, warnings, files int }

// count expects the order of Sorted: the diagnostics of one file stand together.
func count(sorted []Diagnostic) counts {
	var c counts
	for i, d := range sorted {
		if d.Severity == Warning {
			c.warnings++
		} else {
			c.errors++
		}
		if d.Span.File != "" && (i == 0 || sorted[i-1].Span.File != d.Span.File) {
			c.files++
		}
	}
	return c
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// compare decides what is one and the same mistake: two stages may find it, and explain it differently.
func compare(a, b Diagnostic) int {
	return cmp.Or(
		a.Span.Compare(b.Span),
		cmp.Compare(a.Severity, b.Severity),
		strings.Compare(string(a.Code), string(b.Code)),
		strings.Compare(a.Summary, b.Summary),
		strings.Compare(a.Field, b.Field),
	)
}

// compareRest orders what compare calls equal, so that the one that is kept does not depend on who came first: the
// one with a hint, then the one with more notes.
func compareRest(a, b Diagnostic) int {
	return cmp.Or(
		-cmp.Compare(min(len(a.Hint), 1), min(len(b.Hint), 1)),
		-cmp.Compare(len(a.Notes), len(b.Notes)),
		strings.Compare(a.Hint, b.Hint),
		strings.Compare(a.Tenant, b.Tenant),
		cmp.Compare(a.Span.EndLine, b.Span.EndLine),
		cmp.Compare(a.Span.EndCol, b.Span.EndCol),
		slices.CompareFunc(a.Notes, b.Notes, func(m, n Note) int {
			return cmp.Or(m.Span.Compare(n.Span), strings.Compare(m.Text, n.Text))
		}),
	)
}
