package archive

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Evidence is what a database held in the snapshot that was dumped, so that a restore can be held against it. It says
// nothing of the rows themselves but a digest.
type Evidence struct {
	Encoding     string       `json:"encoding"` // of the database: UTF8
	Tables       []Table      `json:"tables"`   // that hold rows, sorted by name; partitions, and not what they are of
	Sequences    []Sequence   `json:"sequences"`
	LargeObjects LargeObjects `json:"largeObjects"`
	Extensions   []Extension  `json:"extensions"`
	Objects      []string     `json:"objects"`  // what else there is, sorted: `index app.orders_pkey`, `constraint …`
	Policies     []Policy     `json:"policies"` // of row-level security
	Grants       []Granted    `json:"grants"`   // what others than the owner may do, sorted
}

// Granted is what a role has been granted on an object, by anybody.
type Granted struct {
	On         string   `json:"on"`               // as GRANT names it: TABLE "app"."orders"
	Column     string   `json:"column,omitempty"` // quoted; empty: all of it
	To         string   `json:"to,omitempty"`     // empty: PUBLIC
	Privileges []string `json:"privileges"`       // sorted; "SELECT", or "SELECT*" with the grant option
}

// Table is a table and a digest of its rows. The digest does not depend on their order, nor on that of the columns, and
// leaves generated columns out, which a restore computes again.
type Table struct {
	Name   string `json:"name"` // quoted, with its schema
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"`
	RLS    bool   `json:"rowSecurity,omitempty"`
}

// Sequence is where a sequence stood before the dump and, if others used it meanwhile, after it: sequences take no part
// in snapshots (PostgreSQL manual, 9.17).
type Sequence struct {
	Name  string   `json:"name"`
	At    Position `json:"at"`
	Until Position `json:"until"`
	Cycle bool     `json:"cycle,omitempty"`
}

// Position is a sequence's last value, and whether it was given out.
type Position struct {
	Last   int64 `json:"last"`
	Called bool  `json:"called"`
}

// LargeObjects are the large objects: how many, and a digest over all of them in the order of their OIDs.
type LargeObjects struct {
	Count  int64        `json:"count"`
	Bytes  int64        `json:"bytes"`
	Digest string       `json:"digest"`
	Owned  []LargeOwned `json:"owned,omitempty"`
}

// LargeOwned are large objects with the same owner and privileges.
type LargeOwned struct {
	Owner string   `json:"owner"`
	ACL   []string `json:"acl,omitempty"` // "SELECT panchito_app", sorted; a grantee that is empty is PUBLIC
	OIDs  []uint32 `json:"oids"`
}

// Extension is an installed extension.
type Extension struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Schema  string `json:"schema"`
}

// Policy is a row-level security policy, as CREATE POLICY takes it.
type Policy struct {
	Table      string   `json:"table"` // quoted, with its schema
	Name       string   `json:"name"`
	Command    string   `json:"command"` // ALL, SELECT, INSERT, UPDATE or DELETE
	Permissive bool     `json:"permissive"`
	Roles      []string `json:"roles,omitempty"` // none: PUBLIC
	Using      string   `json:"using,omitempty"`
	WithCheck  string   `json:"withCheck,omitempty"`
}

// Compare lists how what was found differs from the evidence, a sentence each, and nothing where it does not. rename
// maps the archive's role names to those of the database that was found; what it does not hold stays. Grants are left
// to CompareGrants: a plan may have taken back what should not have been granted.
func (e *Evidence) Compare(found *Evidence, rename map[string]string) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if e.Encoding != found.Encoding {
		say("the encoding is %s, and was %s", found.Encoding, e.Encoding)
	}
	pair(e.Tables, found.Tables, func(t Table) string { return t.Name }, func(name string, was, is *Table) {
		switch {
		case is == nil:
			say("table %s is missing, with %s", name, count(was.Rows, "row"))
		case was == nil:
			say("table %s was not there", name)
		case was.Rows != is.Rows:
			say("table %s has %s, and had %d", name, count(is.Rows, "row"), was.Rows)
		case was.Digest != is.Digest:
			say("table %s has other rows: their number is right, %d, and their digest is not", name, was.Rows)
		case was.RLS != is.RLS:
			say("row-level security of table %s is %s, and was %s", name, onOff(is.RLS), onOff(was.RLS))
		}
	})
	pair(e.Sequences, found.Sequences, func(s Sequence) string { return s.Name }, func(name string, was, is *Sequence) {
		switch {
		case is == nil:
			say("sequence %s is missing", name)
		case was == nil:
			say("sequence %s was not there", name)
		case !was.between(is.At):
			say("sequence %s stands at %s, and stood at %s", name, is.At, was.range_())
		}
	})
	was, is := e.LargeObjects, found.LargeObjects
	switch {
	case was.Count != is.Count:
		say("there are %s, and there were %d", count(is.Count, "large object"), was.Count)
	case was.Digest != is.Digest:
		say("large objects are others: their number is right, %d, and their digest is not", was.Count)
	default:
		owners := map[uint32]string{}
		for _, o := range is.Owned {
			for _, oid := range o.OIDs {
				owners[oid] = o.Owner
			}
		}
		for _, o := range was.Owned {
			for _, oid := range o.OIDs {
				if want := renamed(o.Owner, rename); owners[oid] != want {
					say("large object %d is owned by %s, not by %s", oid, owners[oid], want)
				}
			}
		}
	}
	pair(e.Extensions, found.Extensions, func(x Extension) string { return x.Name },
		func(name string, was, is *Extension) {
			switch {
			case is == nil:
				say("extension %s is missing", name)
			}
			// More of them, or another version or schema, is what the spec and the server make of it, and no loss.
		})
	pair(e.Objects, found.Objects, func(s string) string { return s }, func(name string, was, is *string) {
		switch {
		case is == nil:
			say("%s is missing", name)
		case was == nil:
			say("%s was not there", name)
		}
	})
	key := func(p Policy) string { return strconv.Quote(p.Name) + " of " + p.Table }
	pair(e.Policies, found.Policies, key, func(name string, was, is *Policy) {
		switch {
		case is == nil:
			say("policy %s is missing", name)
		case was == nil:
			say("policy %s was not there", name)
		default:
			roles := make([]string, len(was.Roles))
			for i, r := range was.Roles {
				roles[i] = renamed(r, rename)
			}
			slices.Sort(roles)
			got := slices.Sorted(slices.Values(is.Roles))
			if was.Command != is.Command || was.Permissive != is.Permissive || !slices.Equal(roles, got) {
				say("policy %s is another", name)
			}
			// The expressions are the server's text of them, which differs between its versions.
		}
	})
	return out
}

// CompareGrants lists how what the tenant's roles may do differs, likewise. rename maps all of them, and no other
// role: what everybody or a stranger has is taken away wherever it is found, and does not count.
func CompareGrants(was, is []Granted, rename map[string]string) []string {
	var out []string
	grants := func(list []Granted, rename map[string]string) (out []string) {
		for _, g := range list {
			to, ours := rename[g.To]
			if !ours {
				continue
			}
			on := g.On
			if g.Column != "" {
				on += " (" + g.Column + ")"
			}
			for _, p := range g.Privileges {
				out = append(out, fmt.Sprintf("%s on %s to %s", p, on, to))
			}
		}
		return out
	}
	same := map[string]string{}
	for _, to := range rename {
		same[to] = to
	}
	pair(grants(was, rename), grants(is, same), func(s string) string { return s }, func(name string, was, is *string) {
		switch {
		case is == nil:
			out = append(out, "the grant of "+name+" is missing")
		case was == nil:
			out = append(out, "the grant of "+name+" was not there")
		}
	})
	return out
}

// Rows counts the rows of all tables.
func (e *Evidence) Rows() int64 {
	var n int64
	for _, t := range e.Tables {
		n += t.Rows
	}
	return n
}

// RowSecurity tells whether any table has row-level security.
func (e *Evidence) RowSecurity() bool {
	return slices.ContainsFunc(e.Tables, func(t Table) bool { return t.RLS }) || len(e.Policies) > 0
}

// between tells whether a position is one that the dump may have seen.
func (s *Sequence) between(p Position) bool {
	if p == s.At || p == s.Until {
		return true
	}
	if s.At == s.Until {
		return false
	}
	// One that went round may have been anywhere.
	lo, hi := min(s.At.Last, s.Until.Last), max(s.At.Last, s.Until.Last)
	return s.Cycle || lo <= p.Last && p.Last <= hi
}

func (s *Sequence) range_() string {
	if s.At == s.Until {
		return s.At.String()
	}
	return s.At.String() + " to " + s.Until.String()
}

// String gives the value, and says so where it is the next one and not the last.
func (p Position) String() string {
	if p.Called {
		return strconv.FormatInt(p.Last, 10)
	}
	return strconv.FormatInt(p.Last, 10) + " (not yet used)"
}

// pair walks two lists by their keys, in the order of the keys.
func pair[T any](was, is []T, key func(T) string, visit func(key string, was, is *T)) {
	type both struct{ was, is *T }
	m := map[string]both{}
	for i := range was {
		m[key(was[i])] = both{was: &was[i]}
	}
	for i := range is {
		b := m[key(is[i])]
		b.is = &is[i]
		m[key(is[i])] = b
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		visit(k, m[k].was, m[k].is)
	}
}

func renamed(role string, rename map[string]string) string {
	if to, ok := rename[role]; ok {
		return to
	}
	return role
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func count(n int64, noun string) string {
	s := strconv.FormatInt(n, 10) + " " + noun
	if n != 1 && !strings.HasSuffix(s, "s") {
		s += "s"
	}
	return s
}
