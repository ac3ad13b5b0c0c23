package diff

import (
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/diff/report"
)

// renames pairs what is gone with what is new where both are one thing whose name follows its content; what is left is
// deleted and created.
func (c *comparison) renames(gone, made []held) error {
	type group struct {
		unit        unit.Key
		group, kind string
		namespace   string
		stem        string
	}
	of := func(h held) (group, bool) {
		stem, ok := stemOf(h.object.Name)
		o := h.object
		return group{h.unit, o.Group, o.Kind, o.Namespace, stem}, ok
	}
	waiting := map[group][]held{}
	for _, a := range made {
		if g, ok := of(a); ok {
			waiting[g] = append(waiting[g], a)
		}
	}
	taken := map[*held]bool{}
	index := map[string]*held{}
	for i := range made {
		index[made[i].object.ID.Cluster+" "+made[i].object.ID.String()] = &made[i]
	}
	for _, b := range gone {
		var best *change
		if g, ok := of(b); ok {
			// Several of one stem are told apart by how few of their fields differ.
			for _, a := range waiting[g] {
				if taken[index[a.object.ID.Cluster+" "+a.object.ID.String()]] {
					continue
				}
				x, err := c.compare(b, a)
				if err != nil {
					return err
				}
				if best == nil || len(x.fields) < len(best.fields) {
					best = x
				}
			}
		}
		if best != nil {
			best.Action, best.From = report.Rename, b.object.ID
			taken[index[best.ID.Cluster+" "+best.ID.String()]] = true
			for i := range best.Fields {
				best.Fields[i].Immutable = false // it is another object
			}
			c.changes = append(c.changes, best)
			continue
		}
		x, err := c.one(&b, nil)
		if err != nil {
			return err
		}
		x.Action = report.Delete
		c.changes = append(c.changes, x)
	}
	for i := range made {
		if taken[&made[i]] {
			continue
		}
		x, err := c.one(nil, &made[i])
		if err != nil {
			return err
		}
		x.Action = report.Create
		c.changes = append(c.changes, x)
	}
	return nil
}

// stemOf is the part of a name before a hash of the content: ten hexadecimal digits, as emit/database writes them, or
// ten of the characters that Kustomize's configMapGenerator uses.
func stemOf(name string) (string, bool) {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 || len(name)-i-1 != 10 {
		return "", false
	}
	const kustomize = "bcdfghkm2456789t" // kyaml/hasher: vowels and what looks like another are left out
	suffix := name[i+1:]
	is := func(set string) bool {
		return !strings.ContainsFunc(suffix, func(r rune) bool { return !strings.ContainsRune(set, r) })
	}
	return name[:i], is("0123456789abcdef") || is(kustomize)
}

// bookkeeping tells whether a field says where an object comes from, and nothing to anybody in the cluster.
func bookkeeping(shape string) bool {
	return slices.Contains([]string{
		"metadata.annotations.zave.io/source",
		"metadata.annotations.zave.io/spec-hash",
		"metadata.annotations.zave.io/generator-version",
	}, shape)
}
