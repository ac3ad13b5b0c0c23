package cli

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/internal/load"
)

// side is one of two versions of the specs, compiled.
type side struct {
	*input
	result *generator.Result // nil where the input's list has errors
}

// pair compiles two versions of the specs. Tenants whose objects must be the same on both sides, since all that they are
// made from is, may be missing in both results. A nil file system is the work tree.
func (a *app) pair(ctx context.Context, base, head fs.FS) (b, h *side, err error) {
	if b, err = a.side(ctx, base); err != nil {
		return nil, nil, err
	}
	if h, err = a.side(ctx, head); err != nil {
		return nil, nil, err
	}
	return b, h, nil
}

// side compiles one version.
func (a *app) side(ctx context.Context, files fs.FS) (*side, error) {
	l, err := load.Load(ctx, ".", load.Options{FS: files})
	if err != nil {
		return nil, fmt.Errorf("read the specs: %w", err)
	}
	in := &input{l, l.Diags}
	if in.list.HasErrors() {
		a.link(in)
		return &side{in, nil}, nil
	}
	result, list, err := generator.Compile(in.Set, generator.Options{})
	in.list.Merge(list)
	return &side{in, result}, err
}
