package generator

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/zavestudios/zave/generator/emit/access"
	"github.com/zavestudios/zave/generator/emit/argo"
	"github.com/zavestudios/zave/generator/emit/database"
	"github.com/zavestudios/zave/generator/emit/flux"
	"github.com/zavestudios/zave/generator/emit/mesh"
	"github.com/zavestudios/zave/generator/emit/network"
	"github.com/zavestudios/zave/generator/emit/observe"
	"github.com/zavestudios/zave/generator/emit/secrets"
	"github.com/zavestudios/zave/generator/emit/service"
	"github.com/zavestudios/zave/generator/emit/tenancy"
	"github.com/zavestudios/zave/generator/emit/workload"
	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/generator/link"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/tree"
)

// tenantEmitters are the concerns of a tenant on one cluster, in the order in which their objects become ready.
var tenantEmitters = []func(*model.Placement) []unit.Unit{
	tenancy.Emit,
	access.Emit,
	network.Emit,
	mesh.Emit,
	secrets.Emit,
	observe.Emit,
	database.Emit,
	argo.Emit,
	workload.Emit,
}

// clusterEmitters are the concerns of a cluster as a whole.
var clusterEmitters = []func(*model.Cluster) []unit.Unit{
	service.Emit,
	database.EmitInstance,
	network.EmitInstance,
}

// Result is what a compile means. It is read-only.
type Result struct {
	Platform *model.Platform
	Units    []unit.Unit // sorted by key
	Objects  *object.Set
	Tree     *tree.Tree
}

// Renderer replaces a unit's chart or overlay by the objects it stands for.
type Renderer interface {
	Render(unit.Unit) ([]object.Object, error)
}

// Options say how to compile.
type Options struct {
	Renderer Renderer // nil: no unit may have a chart or an overlay

	// Only selects the tenants whose units are wanted; nil is all. Everything is linked all the same, and all that is
	// shared by tenants is made of all of them: only the units of the others are left out, and what Flux reconciles these
	// by. Then the lists of tenants in the tree lack these too.
	Only func(tenant string) bool
}

// Linked is a set of specs that agree. It is read-only, and may be compiled any number of times.
type Linked struct{ platform *model.Platform }

// Link finds what is wrong between the specs of a set. Where the list has errors, or a spec of the set is broken, the
// result is nil.
func Link(set *spec.Set) (*Linked, diag.List) {
	platform, list := link.Link(set)
	if list.HasErrors() || broken(set) {
		return nil, list
	}
	return &Linked{platform}, list
}

// Compile links the set and emits everything. Where the list has errors, or a spec of the set is broken, the result is
// nil. An error is the renderer's; a mistake of ours is a panic.
func Compile(set *spec.Set, opts Options) (*Result, diag.List, error) {
	linked, list := Link(set)
	if linked == nil {
		return nil, list, nil
	}
	result, err := linked.Compile(opts)
	return result, list, err
}

// Compile emits everything. An error is the renderer's; a mistake of ours is a panic.
func (l *Linked) Compile(opts Options) (*Result, error) {
	platform := l.platform
	units := merge(emit(platform, opts.Only))
	for _, c := range platform.Clusters {
		own := slices.DeleteFunc(slices.Clone(units), func(u unit.Unit) bool { return u.Cluster != c.Name })
		units = append(units, flux.Emit(c, own)...)
	}
	slices.SortFunc(units, func(a, b unit.Unit) int { return a.Key.Compare(b.Key) })
	if err := render(units, opts.Renderer); err != nil {
		return nil, err
	}
	n := 0
	for _, u := range units {
		n += len(u.Objects)
	}
	all := make([]object.Object, 0, n)
	for _, u := range units {
		all = append(all, u.Objects...)
	}
	objects, err := object.NewSet(all)
	if err != nil {
		panic(fmt.Sprintf("two emitters claim one object: %v", err))
	}
	files, err := layout.Layout(units)
	if err != nil {
		panic(fmt.Sprintf("two objects claim one file: %v", err))
	}
	return &Result{Platform: platform, Units: units, Objects: objects, Tree: files}, nil
}

// broken tells whether the loader could not read all of a spec: what it reported then is not in our list.
func broken(set *spec.Set) bool {
	return set.Platform == nil || set.Platform.Broken || slices.ContainsFunc(set.Tenants, func(t *spec.Tenant) bool { return t.Broken })
}

// emit runs every emitter, tenants in parallel: each writes to its own place, and the places are joined in order.
func emit(p *model.Platform, only func(tenant string) bool) []unit.Unit {
	var units []unit.Unit
	var placements []*model.Placement
	for _, c := range p.Clusters {
		for _, f := range clusterEmitters {
			units = append(units, f(c)...)
		}
		for _, p := range c.Placements {
			if only == nil || only(p.Tenant.Name) {
				placements = append(placements, p)
			}
		}
	}
	out := make([][]unit.Unit, len(placements))
	bugs := make([]any, len(placements))
	one := func(i int) {
		// Whoever called Compile is to see a bug of ours, and not the runtime alone.
		defer func() { bugs[i] = recover() }()
		for _, f := range tenantEmitters {
			out[i] = append(out[i], f(placements[i])...)
		}
	}
	work := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(placements)) {
		wg.Go(func() {
			for i := range work {
				one(i)
			}
		})
	}
	for i := range placements {
		work <- i
	}
	close(work)
	wg.Wait()
	for i, bug := range bugs {
		if bug != nil {
			panic(fmt.Sprintf("tenant %s on cluster %s: %v", placements[i].Tenant.Name, placements[i].Cluster.Name, bug))
		}
	}
	return append(units, slices.Concat(out...)...)
}

// merge joins what different concerns put into one unit. The first that knows the unit's origin names it.
func merge(parts []unit.Unit) []unit.Unit {
	at := make(map[unit.Key]int, len(parts))
	var out []unit.Unit
	for _, u := range parts {
		i, ok := at[u.Key]
		if !ok {
			at[u.Key] = len(out)
			out = append(out, u)
			continue
		}
		to := &out[i]
		to.Objects = append(to.Objects, u.Objects...)
		to.Needs = append(to.Needs, u.Needs...)
		to.Groups = append(to.Groups, u.Groups...)
		to.Timeout = cmp.Or(to.Timeout, u.Timeout)
		if to.Origin.IsZero() {
			to.Origin, to.Hash = u.Origin, u.Hash
		}
	}
	return out
}

func render(units []unit.Unit, r Renderer) error {
	for i := range units {
		u := &units[i]
		if u.Chart == nil && u.Overlay == nil {
			continue
		}
		if r == nil {
			panic(fmt.Sprintf("unit %s has to be rendered, and there is no renderer", u.Key))
		}
		objects, err := r.Render(*u)
		if err != nil {
			return fmt.Errorf("render %s: %w", u.Key, err)
		}
		u.Objects = append(u.Objects, objects...)
		u.Chart, u.Overlay = nil, nil
	}
	return nil
}
