package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/generator/link"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/source"
)

// input is a repository that was read, and what is wrong with it so far.
type input struct {
	*load.Loaded
	list diag.List
}

// enter goes to the repository's root, so that every path that is read, written or printed is relative to it.
func (a *app) enter() (root string, err error) {
	root, err = load.FindRoot(".")
	if err != nil {
		return "", &problem{
			exit: exitUnknown,
			text: err.Error(),
			hint: "start zave in a platform repository, or name one with -C DIR",
		}
	}
	a.root = root
	return root, os.Chdir(root)
}

// load reads the specs of the repository that the process is in.
func (a *app) load(ctx context.Context) (*input, error) { return a.loadWith(ctx, specCache()) }

// loadWith is load with what is kept of specs; nil: nothing is.
func (a *app) loadWith(ctx context.Context, cache *load.Cache) (*input, error) {
	a.stages.begin("load")
	defer a.stages.end()
	l, err := load.Load(ctx, ".", load.Options{Cache: cache})
	if err != nil {
		return nil, fmt.Errorf("read the specs: %w", err)
	}
	cache.Save()
	return &input{l, l.Diags}, nil
}

// link finds what is wrong between specs.
func (a *app) link(in *input) {
	a.stages.begin("link")
	defer a.stages.end()
	_, list := link.Link(in.Set)
	in.list.Merge(list)
}

// compile loads and compiles. The result is nil where the input's list has errors.
func (a *app) compile(ctx context.Context) (*generator.Result, *input, error) {
	return a.compileWith(ctx, specCache())
}

// compileWith is compile with what is kept of specs; nil: nothing is.
func (a *app) compileWith(ctx context.Context, cache *load.Cache) (*generator.Result, *input, error) {
	in, err := a.loadWith(ctx, cache)
	if err != nil {
		return nil, nil, err
	}
	if in.list.HasErrors() {
		a.link(in) // what else is wrong is wanted in the same run
		return nil, in, nil
	}
	a.stages.begin("compile")
	defer a.stages.end()
	result, list, err := generator.Compile(in.Set, generator.Options{})
	in.list.Merge(list)
	return result, in, err
}

// report prints diagnostics: as text to stderr, and in any other format to stdout, where they are the data.
func (a *app) report(format string, in *input) error {
	opts := diag.PrintOptions{Source: in.Source, Version: version}
	if format == string(diag.Text) {
		opts.Color, opts.Width = a.colored(a.err), a.err.width
		// Paths as the user can open them from where they are.
		list, files := in.list, map[string]string{}
		if a.shown("x") != "x" {
			list = diag.List{}
			rename := func(s *source.Span) {
				if s.File != "" {
					shown := a.shown(s.File)
					files[shown], s.File = s.File, shown
				}
			}
			for _, d := range in.list.Sorted() {
				rename(&d.Span)
				d.Notes = slices.Clone(d.Notes)
				for i := range d.Notes {
					rename(&d.Notes[i].Span)
				}
				list.Add(d)
			}
			opts.Source = func(shown string) ([]byte, bool) { return in.Source(files[shown]) }
		}
		return diag.Print(a.stderr, diag.Text, &list, opts)
	}
	return diag.Print(a.stdout, diag.Format(format), &in.list, opts)
}

// shown gives a path relative to the root, as text shows it: relative to where the user is, if that is within the
// repository.
func (a *app) shown(file string) string {
	from, err := filepath.Rel(a.root, a.from)
	if err != nil || !filepath.IsLocal(from) {
		return file
	}
	rel, err := filepath.Rel(from, filepath.FromSlash(file))
	if err != nil { // an absolute path
		return file
	}
	return filepath.ToSlash(rel)
}

// formatFlag is --format of a command that prints diagnostics.
func formatFlag(cmd *cobra.Command, value *string) {
	var names []string
	for _, f := range diag.Formats() {
		names = append(names, string(f))
	}
	*value = string(diag.Text)
	cmd.Flags().Var(&choice{value, "FORMAT", names}, "format", "how to print problems: "+alternatives(names))
	complete(cmd, "format", func(string) []string { return names })
}

// alternatives gives "a, b or c".
func alternatives(words []string) string {
	var s string
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			s += " or "
		default:
			s += ", "
		}
		s += w
	}
	return s
}

// estate counts "4 tenants on 2 clusters".
func estate(set *spec.Set) string {
	return count(len(set.Tenants), "tenant") + " on " + count(len(set.Platform.Clusters), "cluster")
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
