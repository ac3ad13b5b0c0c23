package cli

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/source"
	"github.com/zavestudios/zave/internal/tree"
)

// buildOptions are the flags of build.
type buildOptions struct {
	output            string // as typed; empty for the platform's own
	check             bool
	clusters, tenants []string // empty: all
	force             bool
	noCache           bool
	format            string
}

func (a *app) buildCommand() *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "build [flags]",
		Short: "Compile the specs and write the tree",
		Long: "Compile the specs and write the tree of manifests to the platform's output directory, or elsewhere with -o.\n\n" +
			"Nothing is written unless everything compiles. The tree is then replaced in one step: files that no spec " +
			"causes any more are removed, files that zave did not write are kept, and one that was edited by hand stops " +
			"the build.\n\n" +
			"With --cluster or --tenant everything is compiled, but only that part of the tree is written: of a tenant " +
			"its directories, the Flux Kustomizations that reconcile them, and its entries in the lists of tenants. What " +
			"it causes elsewhere, such as in another tenant's policies, is counted at the end, and is left to a build " +
			"of all.",
		Example: "  zave build\n" +
			"  zave build --check           exit 1 when the tree is not current\n" +
			"  zave build --tenant shop     only what is one tenant's, on all its clusters\n" +
			"  zave build -o ../tree        somewhere else",
		Args:                  noArgs("for one tenant, run 'zave build --tenant ARG'"),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.output == "" && cmd.Flags().Changed("output") {
				return usage(cmd, "--output needs a directory")
			}
			return a.build(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&o.output, "output", "o", "", "write to `DIR` instead of the platform's output")
	f.BoolVar(&o.check, "check", false, "compare with what is on disk, and write nothing")
	f.StringSliceVar(&o.clusters, "cluster", nil, "write only what belongs to `CLUSTER`; may be repeated")
	f.StringSliceVar(&o.tenants, "tenant", nil, "write only what belongs to `TENANT`; may be repeated")
	f.BoolVar(&o.force, "force", false, "overwrite files that were edited by hand or that are in the way")
	f.BoolVar(&o.noCache, "no-cache", false, "compile even if nothing has changed since the last build")
	formatFlag(cmd, &o.format)
	a.completeNames(cmd, true)
	return cmd
}

// completeNames completes --cluster, and --tenant where the command has it, from the repository that the command line names.
func (a *app) completeNames(cmd *cobra.Command, tenants bool) {
	complete(cmd, "cluster", func(string) (out []string) {
		in := a.loadToComplete(cmd)
		if in != nil && in.Set.Platform != nil {
			for _, c := range in.Set.Platform.Clusters {
				out = append(out, c.Name)
			}
		}
		return out
	})
	if !tenants {
		return
	}
	complete(cmd, "tenant", func(string) (out []string) {
		if in := a.loadToComplete(cmd); in != nil {
			for _, t := range in.Set.Tenants {
				out = append(out, t.Name)
			}
		}
		return out
	})
}

// loadToComplete reads the repository that the command line names, while the shell asks for a completion; nil where it
// cannot be read.
func (a *app) loadToComplete(cmd *cobra.Command) *input {
	a.dirs = a.dirs[:len(a.dirs)/2] // cobra parses the flags twice to complete one
	if a.start(cmd) != nil {
		return nil
	}
	if _, err := a.enter(); err != nil {
		return nil
	}
	in, err := a.load(context.Background())
	if err != nil {
		return nil
	}
	return in
}

func (a *app) build(ctx context.Context, o buildOptions) error {
	out, err := a.enterFor(o.output)
	if err != nil {
		return err
	}
	a.stages.begin("recall")
	last, digest := lastBuild(out, o)
	dir, n, fresh := last.fresh(digest)
	a.stages.end()
	if fresh {
		a.say("%s is up to date (%s)", dir, count(n, "file"))
		return a.report(o.format, &input{Loaded: &load.Loaded{}})
	}
	var cache *load.Cache
	if !o.noCache {
		cache = specCache()
	}
	result, in, err := a.compileWith(ctx, cache)
	if err != nil {
		return err
	}
	if result != nil {
		if err := out.settle(result, in); err != nil {
			return err
		}
	}
	if in.list.HasErrors() {
		if err := a.report(o.format, in); err != nil {
			return err
		}
		a.say("%s: nothing was written", in.list.Summary())
		return errReported()
	}
	if err := o.known(result); err != nil {
		return err
	}
	w := tree.WriteOptions{
		Generator: generatorName(),
		Force:     o.force,
		Only:      o.only(),
		Lists:     o.lists(),
		List:      layout.List,
		Waiting:   func() { a.say("waiting for another zave that writes to %s", out.dir) },
	}
	if o.check {
		return a.compare(ctx, out.dir, result, in, o, w)
	}
	return a.write(ctx, out.dir, result, in, o, w, last)
}

func (a *app) write(ctx context.Context, dir string, result *generator.Result, in *input, o buildOptions, w tree.WriteOptions, last memory) error {
	a.stages.begin("write")
	res, blocked, err := tree.WriteDir(ctx, dir, result.Tree, w)
	if err != nil {
		return err
	}
	a.stages.end()
	in.list.Merge(withOrigins(blocked, dir, result))
	if err := a.report(o.format, in); err != nil {
		return err
	}
	if in.list.HasErrors() {
		a.say("%s: nothing was written", in.list.Summary())
		return errReported()
	}
	paths := selected(result.Tree, w.Only)
	rest, err := a.rest(ctx, dir, result, w)
	if err != nil {
		return err
	}
	defer a.sayRest(rest)
	// A build with something to tell is done again: who reads the output should see it each time.
	if in.list.Len()+len(rest) == 0 {
		a.stages.begin("remember")
		last.remember(in.InputDigest[:], dir, paths)
		a.stages.end()
	}
	n := len(res.Changed) + len(res.Written)
	if n+len(res.Removed) == 0 {
		a.say("%s is up to date (%s)", dir, count(len(paths), "file"))
		return nil
	}
	if a.verbose {
		for _, kind := range []struct {
			name  string
			paths []string
		}{{"changed", res.Changed}, {"added", res.Written}, {"removed", res.Removed}} {
			for _, p := range indexLast(kind.paths) {
				a.say("  %-9s%s", kind.name, p)
			}
		}
	}
	var parts []string
	for _, part := range []struct {
		n    int
		name string
	}{{len(res.Changed), "changed"}, {len(res.Written), "added"}, {len(res.Removed), "removed"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.name))
		}
	}
	a.say("wrote %s to %s: %s", count(n, "file"), dir, strings.Join(parts, ", "))
	return nil
}

// compare is build --check.
func (a *app) compare(ctx context.Context, dir string, result *generator.Result, in *input, o buildOptions, w tree.WriteOptions) error {
	a.stages.begin("compare")
	d, err := tree.Compare(ctx, dir, result.Tree, w)
	if err != nil {
		return err
	}
	a.stages.end()
	if o.format != string(diag.Text) {
		in.list.Merge(withOrigins(d.Diagnostics(dir), dir, result))
	}
	if err := a.report(o.format, in); err != nil {
		return err
	}
	if d.Empty() {
		rest, err := a.rest(ctx, dir, result, w)
		if err != nil {
			return err
		}
		a.say("%s is up to date (%s)", dir, count(len(selected(result.Tree, w.Only)), "file"))
		a.sayRest(rest)
		return nil
	}
	a.sayDifference(dir, d, a.differences(d, result), o.format == string(diag.Text))
	return errReported()
}

// notCurrent is the sentence for a tree of which so many files differ.
func notCurrent(dir string, differ int) string {
	return fmt.Sprintf("%s is not what the specs compile to: %s", dir, counted(differ, "file differs", "files differ"))
}

// sayDifference says what a tree differs in, a line a file where they are wanted, and what to do about it.
func (a *app) sayDifference(dir string, d tree.Difference, lines []string, list bool) {
	fmt.Fprintln(a.stderr, notCurrent(dir, len(lines)))
	if list {
		for _, l := range a.shortened(lines) {
			fmt.Fprintln(a.stderr, l)
		}
	}
	fmt.Fprintln(a.stderr, mend(d))
}

// shortened leaves out most of many lines, unless -v asks for all.
func (a *app) shortened(lines []string) []string {
	const most = 20
	if len(lines) <= most || a.verbose {
		return lines
	}
	return append(slices.Clone(lines[:most]), fmt.Sprintf("  and %d more; -v lists all", len(lines)-most))
}

// mend says what to do about a tree that differs.
func mend(d tree.Difference) string {
	if d.Blocked() {
		return "make such edits in the specs, then run 'zave build --force', which discards them, and commit the result"
	}
	return "run 'zave build' and commit the result"
}

// rest gives the lines of the files that differ from the whole tree although the selection is as it should be.
func (a *app) rest(ctx context.Context, dir string, result *generator.Result, w tree.WriteOptions) ([]string, error) {
	if w.Only == nil {
		return nil, nil
	}
	a.stages.begin("compare")
	defer a.stages.end()
	w.Only, w.Lists = nil, nil
	d, err := tree.Compare(ctx, dir, result.Tree, w)
	if err != nil {
		return nil, err
	}
	// The index lists the rest, and so differs with it.
	d.Missing, d.Changed = slices.DeleteFunc(d.Missing, tree.IsIndex), slices.DeleteFunc(d.Changed, tree.IsIndex)
	d.Stale = slices.DeleteFunc(d.Stale, tree.IsIndex)
	return a.differences(d, result), nil
}

func (a *app) sayRest(lines []string) {
	if len(lines) == 0 {
		return
	}
	a.say("%s out of date: run 'zave build'",
		counted(len(lines), "file outside of the selection is", "files outside of the selection are"))
	if a.verbose {
		a.say("%s", strings.Join(lines, "\n"))
	}
}

func counted(n int, one, more string) string {
	if n == 1 {
		more = one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// differences gives a line for each file, with what blocks a build first: it is what somebody has to think about.
func (a *app) differences(d tree.Difference, result *generator.Result) []string {
	var out []string
	line := func(kind, p, note string) {
		out = append(out, strings.TrimRight(fmt.Sprintf("  %-9s%s%s", kind, p, note), " "))
	}
	for _, e := range d.HandEdited {
		note := ""
		if at, ok := origin(result, e.Path); ok {
			at.File = a.shown(at.File)
			note = " (comes from " + at.Place() + ")"
		}
		line("edited", e.Path, note)
	}
	for _, kind := range []struct {
		name  string
		paths []string
	}{{"in way", d.Foreign}, {"changed", d.Changed}, {"missing", d.Missing}, {"stale", d.Stale}} {
		for _, p := range indexLast(kind.paths) {
			line(kind.name, p, "")
		}
	}
	return out
}

// indexLast puts the files of the index, which only follow from others, behind these.
func indexLast(paths []string) []string {
	out := slices.Clone(paths)
	slices.SortStableFunc(out, func(a, b string) int {
		switch x, y := tree.IsIndex(a), tree.IsIndex(b); {
		case x == y:
			return 0
		case x:
			return 1
		}
		return -1
	})
	return out
}

// withOrigins says of files below dir that were edited by hand which line of a spec to edit instead.
func withOrigins(l diag.List, dir string, result *generator.Result) diag.List {
	var out diag.List
	for _, d := range l.Sorted() {
		if d.Code == diag.HandEdited {
			if at, ok := origin(result, strings.TrimPrefix(d.Span.File, filepath.ToSlash(dir)+"/")); ok {
				d.Notes = append(d.Notes, diag.Note{Span: at, Text: "it comes from here"})
			}
		}
		out.Add(d)
	}
	return out
}

// origin gives the line of the spec that a file of the tree comes from. A file that lists others comes from none.
func origin(result *generator.Result, file string) (source.Span, bool) {
	for _, u := range result.Units {
		if u.Dir() != path.Dir(file) {
			continue
		}
		for _, o := range u.Objects {
			if o.FileName() == path.Base(file) {
				return o.Origin, !o.Origin.IsZero()
			}
		}
	}
	return source.Span{}, false
}

// known refuses clusters and tenants that do not exist.
func (o buildOptions) known(result *generator.Result) error {
	var clusters, tenants []string
	for _, c := range result.Platform.Clusters {
		clusters = append(clusters, c.Name)
	}
	for _, t := range result.Platform.Tenants {
		tenants = append(tenants, t.Name)
	}
	for _, flag := range []struct {
		noun          string
		names, exists []string
	}{{"cluster", o.clusters, clusters}, {"tenant", o.tenants, tenants}} {
		for _, name := range flag.names {
			if !slices.Contains(flag.exists, name) {
				return &problem{
					exit: exitUnknown,
					text: fmt.Sprintf("there is no %s %q%s", flag.noun, name, didYouMean(name, flag.exists)),
				}
			}
		}
	}
	return nil
}

// only gives the selection of files; nil is all.
func (o buildOptions) only() func(string) bool {
	if len(o.clusters)+len(o.tenants) == 0 {
		return nil
	}
	return func(p string) bool {
		cluster, tenant := layout.Owner(p)
		return (len(o.clusters) == 0 || slices.Contains(o.clusters, cluster)) &&
			(len(o.tenants) == 0 || slices.Contains(o.tenants, tenant) || layout.ListsTenants(p))
	}
}

// lists gives the files that list what stands; nil where the selection has all that they list, or nothing of it.
func (o buildOptions) lists() func(string) bool {
	if len(o.tenants) == 0 {
		return nil
	}
	return layout.ListsTenants
}

// selected gives the paths of the selected files and of the index that lists them, sorted.
func selected(t *tree.Tree, only func(string) bool) []string {
	out := []string{tree.IndexPath}
	for _, f := range t.Files() {
		if only == nil || only(f.Path) {
			out = append(out, f.Path, tree.PartPath(f.Part))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
