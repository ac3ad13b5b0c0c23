package diff

import (
	"slices"

	"github.com/zavestudios/zave/internal/diff/report"
)

// Rule is one thing that a change may bring about.
type Rule struct {
	ID    string // for ever
	Class report.Class
	Says  string // what it tells, one sentence
	Why   string // why it is of its class, one sentence; a consequence may say it more exactly
}

// Rules lists them, the most dangerous first: it is the order in which a report tells them.
func Rules() []Rule {
	disruptive := []Rule{
		{"deleted", report.Disruptive, "An object of a kind that no other rule knows goes.", "what acts on it stops, and zave does not know what that is"},
		{"changed", report.Disruptive, "A field changes that no other rule knows.", "zave does not know what acts on it"},
	}
	additive := []Rule{
		{"created", report.Additive, "An object is created.", "nothing that runs is touched"},
	}
	return slices.Concat(disruptive, capacityRules(), additive)
}
