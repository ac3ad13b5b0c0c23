package diff

import (
	"cmp"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/diff/typed"
)

// owners says what pruning does to objects that go from one owner to another.
//
// Flux deletes what has gone from a Kustomization where the object still bears that Kustomization's name in its labels,
// so that it depends on who is first; Argo CD sets no such labels, and deletes what bears its tracking annotation, which
// Flux leaves there (Flux, "Kustomization: prune"; Argo CD, "Resource Tracking").
func (c *comparison) owners() {
	type way struct{ from, to unit.Key }
	moved := map[way][]*change{}
	var ways []way
	for _, x := range c.changes {
		if x.Action != report.Move || x.told {
			continue
		}
		w := way{x.unitB, x.unitA}
		if moved[w] == nil {
			ways = append(ways, w)
		}
		moved[w] = append(moved[w], x)
	}
	slices.SortFunc(ways, func(a, b way) int { return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) })
	for _, w := range ways {
		if c.around.goes(w.from) && c.around.comes(w.to) && !byArgo(w.from) && !byArgo(w.to) {
			c.ownerRenamed(c.kustomization(w.from, report.Delete), c.kustomization(w.to, report.Create), w.from.String(), w.to.String(), moved[w])
			continue
		}
		for _, x := range moved[w] {
			c.moved(x)
		}
	}
	c.renamedOwners()
}

// kustomization gives the change that makes or deletes what Flux reconciles a unit by; nil where there is none.
func (c *comparison) kustomization(k unit.Key, action report.Action) *change {
	i := slices.IndexFunc(c.changes, func(x *change) bool {
		return x.Kind == "Kustomization" && x.Cluster == k.Cluster && x.Name == k.String() && x.Action == action
	})
	if i < 0 {
		return nil
	}
	return c.changes[i]
}

// moved is said of one object.
func (c *comparison) moved(x *change) {
	from, to := unitText(x.unitB, x.Tenant), unitText(x.unitA, x.Tenant)
	if kept(x) {
		c.add(x.about("object-moved-kept", "moved from "+from+" to "+to+", and left alone by the old one"))
		return
	}
	e := x.about("object-moved", "moved from "+from+" to "+to)
	e.data = holdsData(x)
	switch {
	case byArgo(x.unitB) && byArgo(x.unitA):
		e.why = "two Applications of Argo CD claim it, and the one that it leaves deletes it where it is pruned first"
		e.plan = keepPlan(argoOptions + ": Prune=false")
	case byArgo(x.unitB):
		e.why = "Argo CD deletes it, whether or not Flux has applied it before, and Flux makes it anew only then"
		e.plan = keepPlan(argoOptions + ": Prune=false")
	case byArgo(x.unitA):
		e.why = "Flux deletes it, whether or not Argo CD has applied it before, and Argo CD makes it anew only then"
		e.plan = keepPlan(fluxPrune + ": disabled")
	default:
		e.why = "where Flux reconciles the old unit first, it deletes the object, and the new unit makes it anew; nothing orders the two"
		e.plan = keepPlan(fluxPrune + ": disabled")
	}
	c.add(e)
}

// unitText names a unit: "its tenancy unit" where it is the tenant's, so that what happens to many reads alike.
func unitText(k unit.Key, tenant string) string {
	owner := " of Flux"
	if byArgo(k) {
		owner = " of Argo CD"
	}
	if k.Name == tenant {
		return "its " + string(k.Part) + " unit" + owner
	}
	return "the unit " + k.String() + owner
}

// keepPlan is how an object changes hands and is never deleted.
func keepPlan(annotation string) []string {
	return []string{
		"annotate it " + annotation + " where it is, merge, and wait until that is applied",
		"move it, with the annotation; take that away once the new owner has applied it",
	}
}

// ownerRenamed is said of a Kustomization or an Application that goes by another name, and of all that it owns.
func (c *comparison) ownerRenamed(gone, made *change, from, to string, owned []*change) {
	all, key := slices.Clone(owned), []*change(nil)
	kind, name := "unit", from
	var e effect
	if gone != nil {
		kind = gone.Kind
		e = gone.about("owner-renamed", "")
		name = e.name
		all, key = append(all, gone), []*change{gone}
	}
	if made != nil {
		all = append(all, made)
	}
	if len(all) == 0 {
		return
	}
	first := all[0]
	e.rule, e.kind, e.name = "owner-renamed", kind, name
	e.cluster, e.tenant, e.origin, e.changes, e.key = first.Cluster, first.Tenant, first.Origin, all, key
	if made != nil {
		e.origin = made.Origin
	}
	e.text = "renamed to " + to
	if n := len(owned); n > 0 {
		e.text += ", with the " + count(n, "object") + " that it owns"
	}
	e.data = losesData(owned)
	switch {
	case kind == "Application" && gone != nil && !finalized(gone):
		e.rule, e.why = "owner-renamed-kept", "the old one has no finalizer, and leaves what it deployed to the new one"
	case kind == "Application":
		e.why = "the old one has the finalizer " + argoFinalizer + ", and deletes what it deployed when it goes"
		e.data = true // of what it deployed only the owner knows whether there are volumes
		e.plan = []string{
			"remove the finalizer from the old Application, merge, and wait until that is applied",
			"rename it: what it deployed stays, and the new one takes it over",
		}
	default:
		e.why = "the old one deletes what it owns when it goes, unless the new one has applied it before; nothing orders the two"
		e.plan = []string{
			"set prune: false on the old Kustomization, merge, and wait until that is applied",
			"rename it: what it owned stays, and the new one takes it over",
		}
	}
	if kind == "Kustomization" && !prunes(gone.b) {
		e.rule, e.why = "owner-renamed-kept", "the old one does not delete what it owns, and leaves it to the new one"
		e.plan, e.data = nil, false
	}
	c.tell(e)
}

// ownerDeleted is said of a Kustomization or an Application that goes, and of which none comes in its place.
func (c *comparison) ownerDeleted(x *change) {
	e := x.about("owner-deleted", "deleted, and what it owns with it")
	switch {
	case x.Kind == "Application" && finalized(x):
		e.why = "it has the finalizer " + argoFinalizer + ", and deletes what it deployed"
		e.data = true // of which only the source knows whether there are volumes
		e.plan = []string{
			"remove the finalizer, merge, and wait until that is applied, where what it deployed is to stay",
			"delete the Application",
		}
	case x.Kind == "Application":
		e.rule, e.text, e.why = "delivery-deleted", "deleted, with what it deployed left as it is",
			"it has no finalizer, and nothing brings what it deployed up to date any more"
	case prunes(x.b):
		e.data = c.ownsData(x)
		e.plan = []string{
			"set prune: false, merge, and wait until that is applied, where what it owns is to stay",
			"delete the Kustomization",
		}
	default:
		e.rule, e.text, e.why = "delivery-deleted", "deleted, with what it owns left as it is",
			"it does not prune, or is suspended, and nothing brings what it owned up to date any more"
	}
	c.add(e)
}

// ownsData tells whether a Kustomization owns what takes data with it, and is not kept.
func (c *comparison) ownsData(x *change) bool {
	for k, u := range c.around.units[before] {
		if k.Cluster != x.Cluster || k.String() != x.Name || byArgo(k) {
			continue
		}
		for i := range u.Objects {
			y := &change{Change: report.Change{ID: u.Objects[i].ID}, unitB: k}
			if y.b = c.around.decode(&u.Objects[i]); y.b != nil && holdsData(y) && !kept(y) {
				return true
			}
		}
	}
	return false
}

// prunes tells whether Flux deletes what a Kustomization owns when that is deleted (Flux, "Kustomization: deletion
// policy").
func prunes(m map[string]any) bool {
	switch dig(m, "spec", "deletionPolicy") {
	case "Orphan":
		return false
	case "Delete", "WaitForTermination":
		return true
	}
	return dig(m, "spec", "prune") == true && dig(m, "spec", "suspend") != true
}

// renamedOwners finds the Kustomizations and Applications that go and come again under another name, for the same
// source.
func (c *comparison) renamedOwners() {
	key := func(x *change) string {
		m := x.content()
		switch x.Group + "/" + x.Kind {
		case "kustomize.toolkit.fluxcd.io/Kustomization":
			if path, _ := dig(m, "spec", "path").(string); path != "" {
				return strings.Join([]string{x.Kind, x.Cluster, x.Namespace, path, typed.Text(dig(m, "spec", "sourceRef"))}, " ")
			}
		case "argoproj.io/Application":
			source := dig(m, "spec", "source")
			if source == nil {
				source = dig(m, "spec", "sources")
			}
			if source != nil {
				return strings.Join([]string{x.Kind, x.Cluster, typed.Text(source), typed.Text(dig(m, "spec", "destination"))}, " ")
			}
		}
		return ""
	}
	gone := map[string]*change{}
	for _, x := range c.changes {
		if k := key(x); k != "" && x.Action == report.Delete && !x.told {
			gone[k] = x
		}
	}
	for _, x := range c.changes {
		if k := key(x); k != "" && x.Action == report.Create && gone[k] != nil {
			b := gone[k]
			delete(gone, k)
			x.told = false
			c.ownerRenamed(b, x, b.Name, x.Name, nil)
		}
	}
}
