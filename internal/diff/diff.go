// Package diff says what a change of the specs does to the clusters: it compares two compiles, or a compile with a tree,
// and makes the report of it.
//
// Invariants: objects are matched by identity, and fields as server-side apply sees them; every change is a subject of
// at least one consequence; reordering and formatting are no change; what two snapshots have alike may be left out of
// both; equal inputs give equal reports.
package diff

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/diff/typed"
	"github.com/zavestudios/zave/internal/object"
)

// Snapshot is one state of the estate.
type Snapshot struct {
	Units    []unit.Unit
	Platform *model.Platform // nil for a tree that was read
}

// Options say what to compare for.
type Options struct {
	Base, Head report.Side
	Generator  bool     // the same specs, compiled by two versions of zave
	Allow      []string // Kind/namespace/name or Kind/name of what may be destroyed
	Acks       []Ack
}

// change is what happens to one object, with both sides at hand.
type change struct {
	report.Change
	before, after *object.Object
	unitB, unitA  unit.Key // zero where the object is not
	b, a          map[string]any
	fields        []typed.Field
	covered       bool // a consequence is about it
	told          bool // as a part of something that comes or goes as a whole, so that its kind has no more to say
	stopTold      bool // that it stops or starts is told of its tenant
}

// either gives the object as it will be, or as it was where it goes.
func (c *change) either() *object.Object {
	if c.after != nil {
		return c.after
	}
	return c.before
}

func (c *change) content() map[string]any {
	if c.a != nil {
		return c.a
	}
	return c.b
}

func (c *change) unit() unit.Key {
	if c.after != nil {
		return c.unitA
	}
	return c.unitB
}

// comparison is the work on one report.
type comparison struct {
	options    Options
	base, head *Snapshot
	differ     *typed.Differ
	kubernetes map[string]string // cluster → minor
	changes    []*change
	byID       map[object.ID]*change // by what it is, and by what it was
	effects    []effect
	restarted  []restart
	leftOver   []remainder
	around     *surroundings
	renamedIn  map[scope][]*change // by the namespace, after
	paths      []report.Path       // as package reach counts their subjects
	tenants    map[tenantKey]*tenancy
	notes      map[string]bool
	amounts    []report.Amounts
	money      []report.Money
}

// tenantKey is a tenant on a cluster.
type tenantKey struct{ cluster, tenant string }

// Compare gives what leads from base to head. An error means that an object could not be read.
func Compare(base, head *Snapshot, o Options) (*report.Report, error) {
	differ, err := typed.New()
	if err != nil {
		return nil, err
	}
	c := &comparison{
		options: o, base: base, head: head, differ: differ,
		kubernetes: map[string]string{}, byID: map[object.ID]*change{}, notes: map[string]bool{},
	}
	for _, s := range []*Snapshot{base, head} { // head has the last word
		if s.Platform != nil {
			for _, k := range s.Platform.Clusters {
				c.kubernetes[k.Name] = k.Minor
			}
		}
	}
	if err := c.match(); err != nil {
		return nil, err
	}
	c.tenancies()
	if err := c.consequences(); err != nil {
		return nil, err
	}
	return c.report(), nil
}

// held is an object with its place.
type held struct {
	object *object.Object
	unit   unit.Key
}

// match pairs the objects of both sides, and keeps the pairs that differ.
func (c *comparison) match() error {
	before, after := differing(c.base.Units, c.head.Units)
	var gone, made []held
	for id, b := range before {
		if a, ok := after[id]; ok {
			if err := c.pair(b, a); err != nil {
				return err
			}
		} else {
			gone = append(gone, b)
		}
	}
	for id, a := range after {
		if _, ok := before[id]; !ok {
			made = append(made, a)
		}
	}
	byID := func(x, y held) int { return x.object.ID.Compare(y.object.ID) }
	slices.SortFunc(gone, byID)
	slices.SortFunc(made, byID)
	if err := c.renames(gone, made); err != nil {
		return err
	}
	slices.SortFunc(c.changes, func(x, y *change) int {
		return cmp.Or(x.ID.Compare(y.ID), x.From.Compare(y.From))
	})
	for _, x := range c.changes {
		c.byID[x.ID] = x
		if x.Action == report.Rename {
			c.byID[x.From] = x
		}
	}
	return nil
}

// differing gives the objects of each side that the other does not have as they are, in the same unit.
func differing(base, head []unit.Unit) (before, after map[object.ID]held) {
	before, after = map[object.ID]held{}, map[object.ID]held{}
	at := make(map[unit.Key]int, len(base))
	for i, u := range base {
		at[u.Key] = i
	}
	add := func(to map[object.ID]held, u *unit.Unit, from int) {
		for i := from; i < len(u.Objects); i++ {
			to[u.Objects[i].ID] = held{&u.Objects[i], u.Key}
		}
	}
	seen := make([]bool, len(base))
	for h := range head {
		i, ok := at[head[h].Key]
		if !ok {
			add(after, &head[h], 0)
			continue
		}
		seen[i] = true
		x, y := &base[i], &head[h]
		n := 0
		for n < len(x.Objects) && n < len(y.Objects) && same(&x.Objects[n], &y.Objects[n]) {
			n++
		}
		if n == len(x.Objects) && n == len(y.Objects) {
			continue
		}
		add(before, x, n)
		add(after, y, n)
	}
	for i := range base {
		if !seen[i] {
			add(before, &base[i], 0)
		}
	}
	for id, b := range before {
		if a, ok := after[id]; ok && a.unit == b.unit && same(a.object, b.object) {
			delete(before, id)
			delete(after, id)
		}
	}
	return before, after
}

func same(x, y *object.Object) bool {
	return x.ID == y.ID && x.Version == y.Version && bytes.Equal(x.YAML, y.YAML)
}

// pair looks at an object that both sides have.
func (c *comparison) pair(b, a held) error {
	x, err := c.compare(b, a)
	if err != nil || x == nil {
		return err
	}
	switch {
	case b.unit != a.unit:
		x.Action = report.Move
	default:
		x.Action = report.Update
	}
	for i := range x.Fields {
		if x.Fields[i].Immutable && x.Action != report.Move {
			x.Action = report.Replace
		}
	}
	c.changes = append(c.changes, x)
	return nil
}

// compare gives the change from one object to another, or nil where there is none.
func (c *comparison) compare(b, a held) (*change, error) {
	x, err := c.one(&b, &a)
	if err != nil {
		return nil, err
	}
	var known bool
	if x.fields, known, err = c.differ.Compare(c.minor(a.object.Cluster), x.b, x.a); err != nil {
		return nil, err
	}
	if len(x.fields) == 0 && b.unit == a.unit {
		return nil, nil
	}
	if !known {
		c.notes[fmt.Sprintf("there is no schema of %s %s: its lists were compared item by item, as nothing says what "+
			"their items are matched by", apiVersion(a.object), a.object.Kind)] = true
	}
	x.Fields = make([]report.Field, len(x.fields))
	for i, f := range x.fields {
		before, after := texts(a.object, f)
		x.Fields[i] = report.Field{Path: f.Path, Before: before, After: after, Immutable: immutable(x, f)}
	}
	return x, nil
}

func apiVersion(o *object.Object) string {
	if o.Group == "" {
		return o.Version
	}
	return o.Group + "/" + o.Version
}

// minor is the Kubernetes of a cluster, as far as it is known.
func (c *comparison) minor(cluster string) string {
	if m := c.kubernetes[cluster]; m != "" {
		return m
	}
	return c.differ.Kubernetes()
}

// one makes the change of an object of one side, or of both.
func (c *comparison) one(b, a *held) (*change, error) {
	x := &change{}
	var err error
	if b != nil {
		x.before, x.unitB, x.UnitBefore = b.object, b.unit, b.unit.String()
		if x.b, err = typed.Decode(*b.object); err != nil {
			return nil, err
		}
	}
	if a != nil {
		x.after, x.unitA, x.UnitAfter = a.object, a.unit, a.unit.String()
		if x.a, err = typed.Decode(*a.object); err != nil {
			return nil, err
		}
	}
	o := x.either()
	x.ID, x.Version, x.Origin = o.ID, o.Version, o.Origin
	if x.Origin.IsZero() && x.before != nil {
		x.Origin = x.before.Origin
	}
	x.Tenant = owner(x.unit(), o)
	return x, nil
}

// owner is the tenant of an object: its unit's, or of an entry unit the one whose unit the object is.
func owner(k unit.Key, o *object.Object) string {
	switch k.Part {
	case unit.Tenancy, unit.Database, unit.Delivery, unit.Workloads:
		return k.Name
	case unit.Entry:
		if k.Name == unit.EntryTenants {
			for _, p := range []unit.Part{unit.Tenancy, unit.Database, unit.Delivery} {
				if t, ok := strings.CutPrefix(o.Name, string(p)+"-"); ok {
					return t
				}
			}
		}
	}
	return ""
}
