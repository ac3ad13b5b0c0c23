package cli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/reuse"
)

// side is one of two versions of the specs, compiled.
type side struct {
	*input
	result *generator.Result // nil where the input's list has errors
}

// pair compiles two versions of the specs. Tenants whose objects must be the same on both sides, since all that they are
// made from is, may be missing in both results. A nil file system is the work tree.
func (a *app) pair(ctx context.Context, base, head fs.FS) (b, h *side, err error) {
	end := roomy()
	defer end()
	cache := specCache()
	defer cache.Save()
	if b, err = a.read(ctx, base, cache); err != nil {
		return nil, nil, err
	}
	if h, err = a.read(ctx, head, cache); err != nil {
		return nil, nil, err
	}
	was, is := b.fingerprints(), h.fingerprints()
	changed := func(tenant string) bool {
		before, ok1 := was[tenant]
		after, ok2 := is[tenant]
		return !ok1 || !ok2 || before != after
	}
	if b.list.HasErrors() || h.list.HasErrors() {
		changed = nil // whoever compares has one side alone, and wants all of it
	}
	if !few(h.Set.Tenants, changed) {
		end()
	}
	if err = a.compileSide(b, changed); err != nil {
		return nil, nil, err
	}
	if err = a.compileSide(h, changed); err != nil {
		return nil, nil, err
	}
	// Where one side does not link, there is nothing that the other one could be a part of.
	if changed != nil && b.result == nil && h.result != nil {
		err = a.compileSide(h, nil)
	} else if changed != nil && h.result == nil && b.result != nil {
		err = a.compileSide(b, nil)
	}
	return b, h, err
}

// specCache is what is kept of specs from one run to the next.
func specCache() *load.Cache { return load.NewCache(store("specs")) }

// store is where a kind of things is kept, by this program and for the repository that the process is in.
func store(kind string) reuse.Store {
	program, err := reuse.Executable()
	if err != nil {
		return reuse.Store{} // which keeps nothing
	}
	return reuse.StoreFor("", kind, ".", program)
}

// roomy lets the heap grow to three times of what is in use, unless GOGC says otherwise, until the function that it
// gives is called. Where nearly all is left out, little is in use and much is garbage at once.
func roomy() (end func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(200)
	return func() { debug.SetGCPercent(before) }
}

// few tells whether a compile of those tenants leaves out most of them.
func few(all []*spec.Tenant, only func(tenant string) bool) bool {
	n := 0
	for _, t := range all {
		if only == nil || only(t.Name) {
			n++
		}
	}
	return 4*n < len(all)
}

// read loads one version.
func (a *app) read(ctx context.Context, files fs.FS, cache *load.Cache) (*side, error) {
	a.stages.begin("load")
	defer a.stages.end()
	l, err := load.Load(ctx, ".", load.Options{FS: files, Cache: cache})
	if err != nil {
		return nil, fmt.Errorf("read the specs: %w", err)
	}
	return &side{input: &input{l, l.Diags}}, nil
}

// fingerprints are those of all tenants of one version.
func (s *side) fingerprints() map[string]generator.Fingerprint {
	return generator.Fingerprints(s.Set, s.Input)
}

// compileSide compiles one version, with no tenants but those.
func (a *app) compileSide(s *side, only func(tenant string) bool) error {
	if s.list.HasErrors() {
		a.link(s.input) // what else is wrong is wanted in the same run
		return nil
	}
	a.stages.begin("compile")
	defer a.stages.end()
	result, list, err := generator.Compile(s.Set, generator.Options{Only: only})
	s.list = diag.List{}
	s.list.Merge(s.Diags)
	s.list.Merge(list)
	s.result = result
	return err
}
