package diff

import (
	"cmp"
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/diff/typed"
	"github.com/zavestudios/zave/internal/source"
)

// effect is one consequence for one subject, before those of one cause are joined.
type effect struct {
	rule string
	kind string // of the subject, "Deployment"
	name string // of the subject, "panchito/web"
	text string // behind the name
	why  string // empty: what the rule says
	plan []string
	data bool

	cluster, tenant string
	origin          source.Span
	changes         []*change
	key             []*change // those whose acknowledgement lets it through; none: all
	reach           *[2]int   // of package reach: which of its consequences and subjects it is
}

// about makes an effect of one change on its object.
func (x *change) about(rule, text string) effect {
	name := x.Name
	if x.Namespace != "" {
		name = x.Namespace + "/" + x.Name
	}
	return effect{
		rule: rule, kind: x.Kind, name: name, text: text,
		cluster: x.Cluster, tenant: x.Tenant, origin: x.Origin, changes: []*change{x},
	}
}

// add keeps an effect. The changes that it is about need no other.
func (c *comparison) add(e effect) {
	for _, x := range e.changes {
		x.covered = true
	}
	c.effects = append(c.effects, e)
}

// consequences fills effects: first what concerns whole tenants, databases and services, then who owns what, then each
// change by its kind, then what several objects bring about together, and last whatever nothing has been said about.
func (c *comparison) consequences() error {
	c.around = newSurroundings(c.base, c.head)
	c.renamedIn = map[scope][]*change{}
	for _, x := range c.changes {
		x.Hash = hash(x)
		if x.Action == report.Rename {
			p := scope{after, x.Cluster, x.Namespace}
			c.renamedIn[p] = append(c.renamedIn[p], x)
		}
	}
	c.wholes()
	c.owners()
	for _, x := range c.changes {
		if !x.told {
			c.ofKind(x)
		}
		c.refusals(x)
	}
	c.rollouts()
	if c.around.err != nil {
		return c.around.err
	}
	n := len(c.effects)
	if err := c.exposure(); err != nil {
		return err
	}
	if err := c.capacity(); err != nil {
		return err
	}
	c.left(c.effects[n:])
	return nil
}

// left says what nothing has been said about: the fields of a change that is told of otherwise, unless it is among what
// was found by looking at several objects together, and whole changes.
func (c *comparison) left(together []effect) {
	found := map[*change]bool{}
	for _, e := range together {
		for _, x := range e.changes {
			found[x] = true
		}
	}
	for _, r := range c.leftOver {
		if !found[r.change] && r.covered {
			c.add(r.about("changed", "changed: "+values(r.fields)))
		}
	}
	for _, x := range c.changes {
		if !x.covered {
			c.other(x)
		}
	}
}

// other is said of a change that no rule knows.
func (c *comparison) other(x *change) {
	switch {
	case x.Action == report.Rename:
		c.add(x.about("renamed", "renamed, with other content: "+paths(slices.DeleteFunc(c.acting(x), func(f typed.Field) bool { return f.Shape == "metadata.name" }))))
	case policy(x):
		c.policies(x)
	case x.Action == report.Create:
		c.add(x.about("created", "created"))
	case x.Action == report.Delete:
		c.add(x.about("deleted", "deleted"))
	case x.Group == "" && x.Kind == "ConfigMap" && textOf(dig(x.a, "data", "pg_hba.conf")) != textOf(dig(x.b, "data", "pg_hba.conf")):
		c.add(x.about("config-changed", "changed: "+dataKeys(c.acting(x))))
	default:
		c.add(x.about("changed", "changed: "+values(c.acting(x))))
	}
}

// groupKey is what effects of one cause have in common.
type groupKey struct {
	rule, kind, text, why, plan string
	data                        bool
}

// joined is a consequence while it is put together: its effects, in the order of its subjects.
type joined struct {
	report.Consequence
	effects []effect
}

// report joins the effects of one cause and sorts everything.
func (c *comparison) report() *report.Report {
	out := &report.Report{Base: c.options.Base, Head: c.options.Head, Generator: c.options.Generator}
	out.Amounts, out.Money = c.amounts, c.money
	index := map[*change]int{}
	for i, x := range c.changes {
		index[x] = i
		out.Changes = append(out.Changes, x.Change)
	}
	rules := Rules()
	rank := map[string]int{}
	for i, r := range rules {
		rank[r.ID] = i
	}
	used := map[string]bool{}
	all := c.join(rules, rank)
	for _, q := range all {
		slices.SortStableFunc(q.effects, func(a, b effect) int {
			return cmp.Or(strings.Compare(a.cluster, b.cluster), strings.Compare(a.name, b.name))
		})
		for _, e := range q.effects {
			s := report.Subject{Name: e.name, Cluster: e.cluster, Tenant: e.tenant, Origin: e.origin}
			for _, x := range e.changes {
				s.Changes = append(s.Changes, index[x])
			}
			slices.Sort(s.Changes)
			s.Changes = slices.Compact(s.Changes)
			for _, x := range e.key {
				s.Key = append(s.Key, index[x])
			}
			slices.Sort(s.Key)
			if q.Class == report.Destructive {
				s.Pass = c.pass(e, used)
			}
			q.Subjects = append(q.Subjects, s)
		}
	}
	classes := report.Classes()
	slices.SortStableFunc(all, func(a, b *joined) int {
		return cmp.Or(
			slices.Index(classes, a.Class)-slices.Index(classes, b.Class),
			rank[a.Rule]-rank[b.Rule],
			strings.Compare(a.Kind, b.Kind),
			strings.Compare(a.Subjects[0].Cluster, b.Subjects[0].Cluster),
			strings.Compare(a.Subjects[0].Name, b.Subjects[0].Name),
			strings.Compare(a.Text, b.Text),
		)
	})
	now := map[[2]int][2]int{} // of package reach's subjects, where they are
	for i, q := range all {
		out.Consequences = append(out.Consequences, q.Consequence)
		for j, e := range q.effects {
			if e.reach != nil {
				now[*e.reach] = [2]int{i, j}
			}
		}
	}
	for _, p := range c.paths {
		p.Subject = now[p.Subject]
		out.Paths = append(out.Paths, p)
	}
	for note := range c.notes {
		out.Notes = append(out.Notes, note)
	}
	slices.Sort(out.Notes)
	for _, a := range c.options.Acks {
		if !used[a.File] {
			out.Stale = append(out.Stale, a.File)
		}
	}
	slices.Sort(out.Stale)
	out.Stale = slices.Compact(out.Stale)
	return out
}

// join puts the effects of one cause together, in the order in which they were found.
func (c *comparison) join(rules []Rule, rank map[string]int) (out []*joined) {
	at := map[groupKey]*joined{}
	for _, e := range c.effects {
		r := rules[rank[e.rule]]
		why := cmp.Or(e.why, r.Why)
		k := groupKey{e.rule, e.kind, own(e, e.text), own(e, why), own(e, strings.Join(e.plan, "\n")), e.data}
		q := at[k]
		if q == nil {
			q = &joined{Consequence: report.Consequence{
				Class: r.Class, Rule: e.rule, Kind: e.kind, Text: e.text, Why: why, Plan: e.plan, Data: e.data,
			}}
			at[k] = q
			out = append(out, q)
		}
		if q.Text != e.text || q.Why != why || !slices.Equal(q.Plan, e.plan) { // alike but for their own names
			q.Text, q.Why, q.Plan = k.text, k.why, strings.Split(k.plan, "\n")
			if k.plan == "" {
				q.Plan = nil
			}
		}
		q.effects = append(q.effects, e)
	}
	return out
}

// own takes the names of the subject itself, its tenant and its cluster, out of a text, so that what happens to many
// alike reads alike.
func own(e effect, text string) string {
	if text == "" {
		return ""
	}
	for _, n := range []struct{ name, stand string }{{e.name, "its own"}, {e.tenant, "<tenant>"}, {e.cluster, "<cluster>"}} {
		if n.name != "" {
			text = replaceWord(text, n.name, n.stand)
		}
	}
	return text
}

// replaceWord replaces a name where it is not a part of a longer one.
func replaceWord(text, name, by string) string {
	inName := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-'
	}
	var b strings.Builder
	for {
		i := strings.Index(text, name)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		j := i + len(name)
		b.WriteString(text[:i])
		if i > 0 && inName(text[i-1]) || j < len(text) && inName(text[j]) {
			b.WriteString(name)
		} else {
			b.WriteString(by)
		}
		text = text[j:]
	}
}

// pass says why a destructive effect is let through; empty: it is not.
func (c *comparison) pass(e effect, used map[string]bool) string {
	t := c.tenants[tenantKey{e.cluster, e.tenant}]
	if e.tenant != "" && t != nil && t.retired() {
		return "its spec says state: retired"
	}
	key := e.key
	if len(key) == 0 {
		key = e.changes
	}
	every := func(ok func(*change) bool) bool {
		return len(key) > 0 && !slices.ContainsFunc(key, func(x *change) bool { return !ok(x) })
	}
	if every(func(x *change) bool { return slices.Contains(c.options.Allow, x.Ref()) }) {
		return "allowed by --allow"
	}
	var reasons []string
	if every(func(x *change) bool {
		for _, a := range c.options.Acks {
			if a.acknowledges(&x.Change) {
				used[a.File] = true
				reasons = append(reasons, a.Reason)
				return true
			}
		}
		return slices.Contains(c.options.Allow, x.Ref())
	}) {
		if reason := strings.Join(slices.DeleteFunc(reasons, func(s string) bool { return s == "" }), "; "); reason != "" {
			return "acknowledged: " + reason
		}
		return "acknowledged"
	}
	return ""
}
