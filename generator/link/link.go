// Package link turns what people wrote into what it means: names become pointers, overrides are applied, and
// everything that can be wrong between two fields, two tenants or a tenant and the estate is found.
//
// Invariants: pure, and total: any spec.Set is linked without a panic, whether its specs are broken or not. A field at
// its zero value was reported by the loader or was left out, and is passed over. Nothing is reported twice for one
// cause. When no error is reported, the emitters cannot fail on the model.
package link

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/source"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Link resolves the set. The platform is usable only where the list has no errors.
func Link(set *spec.Set) (*model.Platform, diag.List) {
	l := &linker{
		set:     set,
		tiers:   map[string]*model.Tier{},
		sizes:   map[string]model.Resources{},
		tenants: map[string]*tenant{},
		claims:  map[claim]holder{},
		gaps:    map[string]time.Duration{},
	}
	if set.Platform == nil {
		return nil, l.list
	}
	l.platform()
	for _, c := range l.out.Clusters {
		l.services(c)
	}
	l.eachTenant()
	l.paths()
	l.capacity()
	l.sayPerCluster()
	return l.out, l.list
}

// linker is the state of one Link.
type linker struct {
	set     *spec.Set
	out     *model.Platform
	list    diag.List
	tiers   map[string]*model.Tier
	sizes   map[string]model.Resources
	tenants map[string]*tenant
	order   []*tenant // by name
	claims  map[claim]holder
	gaps    map[string]time.Duration // of schedules
}

// pending is a diagnostic that holds on some of a tenant's clusters.
type pending struct {
	d        diag.Diagnostic
	clusters []string
}

// tenant is a tenant while it is linked.
type tenant struct {
	spec  *spec.Tenant
	model *model.Tenant
	on    map[string]*model.Placement // by cluster

	pending []pending
}

// report adds an error about one field.
func (l *linker) report(d diag.Diagnostic) { l.list.Add(d) }

// problem is an error at a field of the tenant.
func (t *tenant) problem(code diag.Code, path []string, summary, hint string, notes ...diag.Note) diag.Diagnostic {
	return diag.Diagnostic{
		Code: code, Span: t.spec.At(path...), Summary: summary, Hint: hint, Notes: notes,
		Tenant: t.spec.Name, Field: strings.Join(path, "."),
	}
}

// reportOn adds an error that was found on one cluster. The same one on others is said once: with the clusters' names,
// unless it holds wherever the tenant is.
func (t *tenant) reportOn(c *model.Cluster, d diag.Diagnostic) {
	for i := range t.pending {
		p := &t.pending[i]
		if p.d.Code == d.Code && p.d.Span == d.Span && p.d.Summary == d.Summary {
			p.clusters = append(p.clusters, c.Name)
			return
		}
	}
	t.pending = append(t.pending, pending{d, []string{c.Name}})
}

func (l *linker) sayPerCluster() {
	for _, t := range l.order {
		for _, p := range t.pending {
			slices.Sort(p.clusters)
			p.clusters = slices.Compact(p.clusters)
			switch n := len(p.clusters); {
			case n == len(t.on):
			case n == 1:
				p.d.Summary = fmt.Sprintf("on cluster %s, %s", p.clusters[0], p.d.Summary)
			default:
				p.d.Summary = fmt.Sprintf("on clusters %s and %s, %s", strings.Join(p.clusters[:n-1], ", "), p.clusters[n-1], p.d.Summary)
			}
			l.report(p.d)
		}
	}
}

// platformProblem is an error at a field of the platform.
func (l *linker) platformProblem(code diag.Code, path []string, summary, hint string, notes ...diag.Note) diag.Diagnostic {
	return diag.Diagnostic{
		Code: code, Span: l.set.Platform.At(path...), Summary: summary, Hint: hint, Notes: notes, Field: strings.Join(path, "."),
	}
}

// at builds a path for Positions.
func at(path ...string) []string { return path }

// index is a list index within a path.
func index(i int) string { return fmt.Sprint(i) }

// hash is 12 hexadecimal digits over the parts of a spec that something is made from.
func hash(parts ...any) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, p := range parts {
		// Specs hold strings, numbers, booleans and slices of them: encoding cannot fail.
		if err := enc.Encode(p); err != nil {
			panic(fmt.Sprintf("hash of %T: %v", p, err))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// claim is a name that only one holder may have. Where is the scope: a cluster, or a kind of name within it.
type claim struct{ where, name string }

type holder struct {
	what string // "workload web of tenant panchito"
	span source.Span
}

// claim takes a name and gives true, or adds to d who has it already.
func (l *linker) claim(where, name string, h holder, d *diag.Diagnostic) bool {
	key := claim{where, name}
	first, taken := l.claims[key]
	if name == "" || !taken {
		l.claims[key] = h
		return true
	}
	d.Summary = fmt.Sprintf("%s is taken by %s", d.Summary, first.what)
	d.Notes = append(d.Notes, diag.Note{Span: first.span, Text: "first taken here"})
	return false
}

// quantity parses what the loader has checked; anything else is zero.
func quantity(s string) resource.Quantity {
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return resource.Quantity{}
	}
	return q
}

func compute(b spec.ComputeBound) model.Compute {
	return model.Compute{CPU: quantity(b.CPU), Memory: quantity(b.Memory)}
}

func resources(r spec.Resources) model.Resources {
	return model.Resources{Requests: compute(r.Requests), Limits: compute(r.Limits)}
}

// times is n of them.
func times(c model.Compute, n int64) model.Compute {
	out := model.Compute{CPU: c.CPU.DeepCopy(), Memory: c.Memory.DeepCopy()}
	out.CPU.Mul(n)
	out.Memory.Mul(n)
	return out
}

// plus adds up.
func plus(a, b model.Compute) model.Compute {
	out := model.Compute{CPU: a.CPU.DeepCopy(), Memory: a.Memory.DeepCopy()}
	out.CPU.Add(b.CPU)
	out.Memory.Add(b.Memory)
	return out
}

// names gives the names of a list, for suggestions.
func names[T any](list []T, name func(T) string) []string {
	out := make([]string, 0, len(list))
	for _, e := range list {
		out = append(out, name(e))
	}
	slices.Sort(out)
	return out
}
