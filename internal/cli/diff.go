package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/diff"
	"github.com/zavestudios/zave/internal/diff/format"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/gitrepo"
	"github.com/zavestudios/zave/internal/leak"
	"github.com/zavestudios/zave/internal/source"
	"github.com/zavestudios/zave/internal/tree"
)

// diffOptions are the flags of diff, and of what compares as diff does.
type diffOptions struct {
	base, head        string // revisions; empty: the default
	baseName          string // of base or of main, for people; empty: as it is
	staged            bool
	generator         bool
	tree              string // as typed
	main              string
	allow             []string
	clusters, tenants []string
	exitCode          bool
	failOn            []report.Class
	format            string
	output            string
	noPager           bool
}

func (a *app) diffCommand() *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff [BASE] [HEAD] [flags]",
		Short: "Say what a change does to the clusters",
		Long: "Compile two versions of the specs and say what leads from one to the other: what is deleted, what restarts, " +
			"who can reach whom, what it costs, each with the line of the spec that causes it. The most dangerous stands " +
			"first.\n\n" +
			"BASE is the commit that the main branch and HEAD have in common, unless it is named; HEAD is the work tree. Both " +
			"are compiled with this zave. Commits are read where they are: nothing is checked out, fetched or written. " +
			"BASE..HEAD and BASE...HEAD mean what they mean to git.\n\n" +
			"With --fail-on, what is of these classes fails, unless it is let through: a destructive change by the spec " +
			"itself ('state: retired'), by --allow, or by an acknowledgement ('zave ack').",
		Example: "  zave diff                              what the work tree changes\n" +
			"  zave diff main HEAD~1                  between two commits\n" +
			"  zave diff --staged                     what the next commit changes\n" +
			"  zave diff --fail-on destructive        as a gate\n" +
			"  zave diff --format html -o diff.html   for a browser\n" +
			"  zave diff --generator-change           what this version of zave changes\n" +
			"  zave diff --tree ../platform-gitops    against a tree that was written",
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 {
				return usage(cmd, "'%s' compares two versions, and here are %d", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.take(cmd, args); err != nil {
				return err
			}
			return a.diff(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.staged, "staged", false, "take what is staged for HEAD, instead of the work tree")
	f.BoolVar(&o.generator, "generator-change", false, "compare a commit's own tree with what its specs compile to now")
	f.StringVar(&o.tree, "tree", "", "take the tree in `DIR` for BASE")
	f.StringVar(&o.main, "main", "", "the main `BRANCH`, by default the remote's HEAD, main or master")
	f.StringSliceVar(&o.clusters, "cluster", nil, "tell only what concerns `CLUSTER`; may be repeated")
	f.StringSliceVar(&o.tenants, "tenant", nil, "tell only what concerns `TENANT`; may be repeated")
	f.BoolVar(&o.exitCode, "exit-code", false, "exit 1 when anything changes")
	failOnFlag(cmd, &o.failOn)
	f.StringSliceVar(&o.allow, "allow", nil,
		"let the destruction of `OBJECT` through: Kind/namespace/name or Kind/name; may be repeated")
	var names []string
	for _, n := range format.Formats() {
		names = append(names, string(n))
	}
	o.format = string(format.Text)
	f.Var(&choice{&o.format, "FORMAT", names}, "format", "how to print it: "+alternatives(names))
	complete(cmd, "format", func(string) []string { return names })
	f.StringVarP(&o.output, "output", "o", "", "write to `FILE` instead of the standard output")
	f.BoolVar(&o.noPager, "no-pager", false, "do not page on a terminal")
	a.completeNames(cmd, true)
	return cmd
}

// failOnFlag is --fail-on.
func failOnFlag(cmd *cobra.Command, value *[]report.Class) {
	cmd.Flags().Var(&classes{value}, "fail-on", "exit 1 at what is of these `CLASSES`: "+strings.Join(classList(), ", "))
	complete(cmd, "fail-on", completeClasses)
}

// classList gives the names of the classes, the most dangerous first.
func classList() (names []string) {
	for _, c := range report.Classes() {
		names = append(names, string(c))
	}
	return names
}

// completeClasses completes the last of classes with commas between them.
func completeClasses(word string) []string {
	before := word[:strings.LastIndexByte(word, ',')+1]
	out := classList()
	for i := range out {
		out[i] = before + out[i]
	}
	return out
}

// classes is a flag that takes classes with commas between them, and may be repeated.
type classes struct{ value *[]report.Class }

func (c *classes) String() string { return "" }
func (c *classes) Type() string   { return "CLASSES" }
func (c *classes) Set(s string) error {
	names := classList()
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		if !slices.Contains(names, word) {
			return fmt.Errorf("%q is not known%s", word, didYouMean(word, names))
		}
		if !slices.Contains(*c.value, report.Class(word)) {
			*c.value = append(*c.value, report.Class(word))
		}
	}
	return nil
}

// take reads the arguments, and refuses flags that do not go together.
func (o *diffOptions) take(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		if base, head, ok := strings.Cut(args[0], ".."); ok && !strings.Contains(args[0], "../") {
			if strings.HasPrefix(head, ".") { // BASE...HEAD: from what both have in common
				o.main, head = cmp.Or(base, "HEAD"), head[1:]
				args = []string{"", cmp.Or(head, "HEAD")}
			} else {
				args = []string{cmp.Or(base, "HEAD"), cmp.Or(head, "HEAD")}
			}
		}
	}
	for _, name := range []string{"tree", "output", "main"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
			return usage(cmd, "--%s needs a value", name)
		}
	}
	switch {
	case o.generator && o.tree != "":
		return usage(cmd, "--generator-change compares with the commit's own tree, and --tree names another")
	case o.generator && (len(args) == 2 || o.staged):
		return usage(cmd, "--generator-change compares one version of the specs with itself")
	case o.tree != "" && len(args) == 2:
		return usage(cmd, "--tree takes the place of BASE, and here are both")
	case o.staged && (len(args) == 2 || len(args) == 1 && o.tree != ""):
		return usage(cmd, "--staged takes the place of HEAD, and here are both")
	}
	switch {
	case len(args) == 2:
		o.base, o.head = args[0], args[1]
	case len(args) == 1 && (o.generator || o.tree != ""):
		o.head = args[0]
	case len(args) == 1:
		o.base = args[0]
	}
	return nil
}

func (a *app) diff(ctx context.Context, o diffOptions) error {
	output := o.output
	if output != "" {
		var err error
		if output, err = filepath.Abs(output); err != nil {
			return err
		}
	}
	d, err := a.compared(ctx, o)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fo := format.Options{
		Version: version, FailOn: o.failOn, Source: d.source, Verbose: a.verbose, Mask: leak.Mask, Describe: describeRule,
	}
	f := format.Format(o.format)
	if f == format.Text {
		fo.Color, fo.Width = a.colored(a.out) && output == "", a.out.width
	}
	if err := format.Print(&b, f, d.report, fo); err != nil {
		return err
	}
	switch {
	case output != "":
		if err := os.WriteFile(output, b.Bytes(), 0o666); err != nil {
			return err
		}
		a.say("wrote %s", o.output)
	case f == format.Text && a.out.is && !o.noPager:
		if err := a.page(b.Bytes()); err != nil {
			return err
		}
	default:
		if _, err := a.stdout.Write(b.Bytes()); err != nil {
			return err
		}
	}
	a.sayUnused(d.report, o.allow)
	return a.judge(d.report, o)
}

// sayUnused names what --allow is given for nothing: it may be misspelt.
func (a *app) sayUnused(r *report.Report, allow []string) {
	exist := refs(r)
	for _, object := range allow {
		if !slices.Contains(exist, object) {
			a.say("--allow %s allows nothing: it does not change%s", object, didYouMean(object, exist))
		}
	}
}

// judge gives the exit code that a report asks for.
func (a *app) judge(r *report.Report, o diffOptions) error {
	if blocking := r.Blocking(o.failOn); len(blocking) > 0 {
		n := map[report.Class]int{}
		for _, i := range blocking {
			for _, s := range r.Consequences[i].Subjects {
				if s.Pass == "" {
					n[r.Consequences[i].Class]++
				}
			}
		}
		var parts []string
		for _, c := range report.Classes() {
			if n[c] > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n[c], c))
			}
		}
		return &problem{exit: exitInput, text: "--fail-on stops at what is not let through: " + strings.Join(parts, ", ")}
	}
	if o.exitCode && len(r.Changes)+len(r.Consequences) > 0 {
		return &problem{exit: exitInput}
	}
	return nil
}

// describeRule gives the sentence that documents a rule.
func describeRule(id string) string {
	for _, r := range diff.Rules() {
		if r.ID == id {
			return r.Says
		}
	}
	return ""
}

// compared is two versions of the specs, or a tree and specs, and what leads from one to the other.
type compared struct {
	report *report.Report
	head   *side
	source func(file string) ([]byte, bool) // of the head's specs
}

// revision is one state of the platform repository.
type revision struct {
	report.Side
	files fs.FS // from the platform's root; nil: the work tree
}

// platformRepo is a platform repository, which may be no git repository at all, or a bare one.
type platformRepo struct {
	root   string        // where the work tree's platform is; empty in a bare repository
	repo   *gitrepo.Repo // nil: there is none
	prefix string        // from the repository's top to the platform
	err    error         // why there is none
}

// openPlatform goes to the platform's root, and opens the git repository that it is in.
func (a *app) openPlatform() (*platformRepo, error) {
	p := &platformRepo{prefix: "."}
	where := a.from
	root, err := a.enter()
	if err != nil {
		repo, e := gitrepo.Open(".", gitrepo.Options{Environ: os.Environ(), Base: where})
		if e != nil || repo.WorkTree() != "" {
			return nil, err
		}
		p.repo = repo
		return p, nil
	}
	p.root = root
	if p.repo, p.err = gitrepo.Open(".", gitrepo.Options{Environ: os.Environ(), Base: where}); p.err != nil {
		p.repo = nil
		return p, nil
	}
	if p.prefix, err = p.repo.Prefix("."); err != nil {
		return nil, repositoryProblem(err)
	}
	return p, nil
}

func (p *platformRepo) close() {
	if p.repo != nil {
		p.repo.Close()
	}
}

// needsGit gives the repository.
func (p *platformRepo) needsGit() (*gitrepo.Repo, error) {
	if p.repo == nil {
		return nil, repositoryProblem(p.err)
	}
	return p.repo, nil
}

// repositoryProblem says what is wrong with a repository, and what to do about it.
func repositoryProblem(err error) error {
	var e *gitrepo.Error
	if errors.As(err, &e) {
		return &problem{exit: exitUnknown, text: diag.Visible(err.Error()), hint: diag.Visible(e.Hint)}
	}
	return err
}

// at gives a commit as a version.
func (p *platformRepo) at(name string, c *gitrepo.Commit) revision {
	return revision{report.Side{Name: name, Commit: c.Hash.String()}, p.repo.FS(c, p.prefix)}
}

// resolve gives the version that a revision names.
func (p *platformRepo) resolve(rev string) (revision, *gitrepo.Commit, error) {
	repo, err := p.needsGit()
	if err != nil {
		return revision{}, nil, err
	}
	c, err := repo.Resolve(rev)
	if err != nil {
		return revision{}, nil, repositoryProblem(err)
	}
	return p.at(rev, c), c, nil
}

// headOf gives what is compared with the base, and the commit that the base is looked for from; nil where there is no
// commit yet.
func (p *platformRepo) headOf(o diffOptions) (revision, *gitrepo.Commit, error) {
	if o.head != "" {
		return p.resolve(o.head)
	}
	head := revision{Side: report.Side{Name: "the work tree"}}
	if p.root == "" {
		return head, nil, &problem{
			exit: exitUnknown, text: "the repository is bare, and has no work tree to compare",
			hint: "name two commits: 'zave diff BASE HEAD'",
		}
	}
	var c *gitrepo.Commit
	if p.repo != nil {
		var err error
		if c, err = p.repo.Head(); err != nil {
			return head, nil, repositoryProblem(err)
		}
	}
	if o.staged {
		repo, err := p.needsGit()
		if err != nil {
			return head, nil, err
		}
		staged, err := repo.Staging()
		if err != nil {
			return head, nil, repositoryProblem(err)
		}
		return revision{report.Side{Name: "what is staged"}, staged.FS(p.prefix)}, c, nil
	}
	return head, c, nil
}

// within gives a path of the repository relative to the platform's root.
func (p *platformRepo) within(name string) (string, bool) {
	if p.prefix == "." {
		return name, true
	}
	return strings.CutPrefix(name, p.prefix+"/")
}

// isSpec tells whether a file, relative to the platform's root, is one that is compiled.
func isSpec(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return slices.Contains([]string{"cue.mod", "platform", "schema", "tenants"}, first)
}

// baseOf gives the version to compare with. Without files, there is none: everything is new.
func (p *platformRepo) baseOf(o diffOptions, c *gitrepo.Commit) (base revision, found bool, err error) {
	if o.base != "" {
		base, _, err := p.resolve(o.base)
		base.Name = cmp.Or(o.baseName, base.Name)
		return base, true, err
	}
	repo, err := p.needsGit()
	if err != nil {
		return base, false, err
	}
	if c == nil {
		return revision{Side: report.Side{Name: "nothing"}}, false, nil
	}
	var name string
	var tip *gitrepo.Commit
	if o.main != "" {
		name = o.main
		tip, err = repo.Resolve(name)
	} else {
		name, tip, err = repo.MainBranch()
	}
	if err != nil {
		return base, false, repositoryProblem(err)
	}
	name = cmp.Or(o.baseName, name)
	common, err := repo.MergeBase(tip, c)
	if err != nil {
		var e *gitrepo.Error
		if errors.As(err, &e) && errors.Is(err, gitrepo.ErrUnrelated) {
			return base, false, &problem{
				exit: exitUnknown, hint: e.Hint,
				text: fmt.Sprintf("%s and %s have no common ancestor", diag.Visible(name), diag.Visible(cmp.Or(o.head, "HEAD"))),
			}
		}
		return base, false, repositoryProblem(err)
	}
	if common.Hash != tip.Hash {
		name = "the merge base with " + name
	}
	return p.at(name, common), true, nil
}

// predates tells whether a version has no platform yet.
func predates(files fs.FS) (bool, error) {
	for _, dir := range []string{"platform", "cue.mod"} {
		_, err := fs.ReadDir(files, dir)
		if errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// withoutSchema hides the schema that a version of the specs came with: it is compiled with the one of this zave, and
// an earlier schema is no mistake of the base's.
type withoutSchema struct{ *gitrepo.FS }

func (w withoutSchema) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == "schema" {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	return w.FS.ReadDir(name)
}

// pastVersion is a version that is not to be mended any more.
func pastVersion(files fs.FS) fs.FS {
	if f, ok := files.(*gitrepo.FS); ok {
		return withoutSchema{f}
	}
	return files
}

// compared compares what the options name. Where one side cannot be compiled, everything that is wrong has been
// printed, and the error only gives the exit code.
func (a *app) compared(ctx context.Context, o diffOptions) (*compared, error) {
	var dir string // of --tree, before the working directory changes
	if o.tree != "" {
		var err error
		if dir, err = filepath.Abs(o.tree); err != nil {
			return nil, err
		}
	}
	p, err := a.openPlatform()
	if err != nil {
		return nil, err
	}
	defer p.close()
	if o.generator && o.head == "" {
		o.head = "HEAD"
	}
	head, commit, err := p.headOf(o)
	if err != nil {
		return nil, err
	}
	switch {
	case o.generator:
		return a.withOwnTree(ctx, p, head, o)
	case dir != "":
		return a.withTree(ctx, p, head, dir, o)
	}
	base, found, err := p.baseOf(o, commit)
	if err != nil {
		return nil, err
	}
	why := "there is no commit yet: everything is new"
	if found {
		old, err := predates(base.files)
		if err != nil {
			return nil, repositoryProblem(err)
		}
		why = fmt.Sprintf("%s has no platform/: everything is new", nameOf(base.Side))
		found = !old
	}
	if !found {
		h, err := a.one(ctx, p, head)
		if err != nil {
			return nil, err
		}
		return a.compareSides(&diff.Snapshot{}, base, h, head, o, why)
	}
	b, h, err := a.pair(ctx, pastVersion(base.files), head.files)
	if err != nil {
		return nil, repositoryProblem(err)
	}
	if err := a.sound(p, h, head); err != nil {
		return nil, err
	}
	if b.result == nil {
		return a.withBroken(ctx, base, b, h, head, o)
	}
	return a.compareSides(&diff.Snapshot{Units: b.result.Units, Platform: b.result.Platform}, base, h, head, o)
}

// one compiles one version, and prints what is wrong with it.
func (a *app) one(ctx context.Context, p *platformRepo, v revision) (*side, error) {
	cache := specCache()
	defer cache.Save()
	h, err := a.read(ctx, v.files, cache)
	if err == nil {
		err = a.compileSide(h, nil)
	}
	if err != nil {
		return nil, repositoryProblem(err)
	}
	return h, a.sound(p, h, v)
}

// sound prints what is wrong with the head's specs, and fails where they do not compile.
func (a *app) sound(p *platformRepo, h *side, v revision) error {
	var conflicts diag.List
	if v.Commit == "" && p.repo != nil && (v.files != nil || h.result == nil) {
		s, err := p.repo.Staging()
		if err == nil {
			conflicts, err = p.conflicts(s)
		}
		if err != nil && v.files != nil {
			return repositoryProblem(err)
		}
	}
	if h.result != nil && !conflicts.HasErrors() {
		return nil
	}
	if conflicts.HasErrors() { // and nothing else of these files: what is between the marks is not CUE
		files := map[string]bool{}
		for _, d := range conflicts.Sorted() {
			files[d.Span.File] = true
		}
		for _, d := range h.list.Sorted() {
			if !files[d.Span.File] {
				conflicts.Add(d)
			}
		}
		h.list = conflicts
	}
	if err := a.problems(h.input, v); err != nil {
		return err
	}
	return &problem{
		exit: exitInput,
		text: fmt.Sprintf("%s does not compile (%s): nothing was compared", nameOf(v.Side), h.list.Summary()),
	}
}

// problems prints the diagnostics of a version, with its commit in front of each file, as git names them.
func (a *app) problems(in *input, v revision) error {
	if v.Commit == "" {
		return a.report(string(diag.Text), in)
	}
	mark := v.Commit[:10] + ":"
	rename := func(s *source.Span) {
		if s.File != "" {
			s.File = mark + s.File
		}
	}
	var list diag.List
	for _, d := range in.list.Sorted() {
		rename(&d.Span)
		d.Notes = slices.Clone(d.Notes)
		for i := range d.Notes {
			rename(&d.Notes[i].Span)
		}
		list.Add(d)
	}
	return diag.Print(a.stderr, diag.Text, &list, diag.PrintOptions{
		Color: a.colored(a.err), Width: a.err.width, Version: version,
		Source: func(file string) ([]byte, bool) { return in.Source(strings.TrimPrefix(file, mark)) },
	})
}

// nameOf names a version, with the beginning of its commit.
func nameOf(s report.Side) string {
	if s.Commit == "" || strings.HasPrefix(s.Commit, s.Name) {
		return diag.Visible(s.Name)
	}
	return fmt.Sprintf("%s (%s)", diag.Visible(s.Name), s.Commit[:10])
}

// withBroken compares with a base that does not compile: with the tree that was committed with it, if there is one.
// That is what runs, whatever its specs say.
func (a *app) withBroken(
	ctx context.Context, base revision, b, h *side, head revision, o diffOptions,
) (*compared, error) {
	if err := a.problems(b.input, base); err != nil {
		return nil, err
	}
	dir := h.result.Platform.Output
	sub, err := fs.Sub(base.files, dir)
	if err == nil {
		var was *diff.Snapshot
		if was, err = a.readTree(ctx, sub); err == nil {
			note := fmt.Sprintf("%s does not compile (%s): compared with the tree in its %s instead",
				nameOf(base.Side), b.list.Summary(), dir)
			return a.compareSides(was, base, h, head, o, note)
		}
	}
	a.say("%s compiles: %s", nameOf(head.Side), count(len(h.result.Objects.All()), "object"))
	return nil, &problem{
		exit: exitUnknown,
		text: fmt.Sprintf("%s does not compile (%s), and has no tree in %s: what changes cannot be told",
			nameOf(base.Side), b.list.Summary(), diag.Visible(dir)),
		hint: "compare with a commit that compiles: 'zave diff BASE', or with a tree: 'zave diff --tree DIR'",
	}
}

// withOwnTree is --generator-change: a version's tree, compared with what its specs compile to now.
func (a *app) withOwnTree(ctx context.Context, p *platformRepo, head revision, o diffOptions) (*compared, error) {
	specs := head
	specs.files = pastVersion(head.files)
	h, err := a.one(ctx, p, specs)
	if err != nil {
		return nil, err
	}
	dir := h.result.Platform.Output
	sub, err := fs.Sub(head.files, dir)
	if err != nil {
		return nil, err
	}
	was, err := a.readTree(ctx, sub)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &problem{
			exit: exitUnknown, text: fmt.Sprintf("%s has no tree in %s", nameOf(head.Side), diag.Visible(dir)),
			hint: "commit what 'zave build' writes, or name a tree with --tree",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path.Join(dir, "…"), err)
	}
	base := head
	base.Name = dir
	if head.Name != "" {
		base.Name = head.Name + ":" + dir
	}
	head.Name += ", compiled anew"
	return a.compareSides(was, base, h, head, o)
}

// withTree is --tree.
func (a *app) withTree(
	ctx context.Context, p *platformRepo, head revision, dir string, o diffOptions,
) (*compared, error) {
	h, err := a.one(ctx, p, head)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &problem{exit: exitUnknown, text: fmt.Sprintf("--tree: %v", err)}
	}
	defer root.Close()
	was, err := a.readTree(ctx, root.FS())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &problem{
			exit: exitUnknown, text: fmt.Sprintf("--tree: %s is not a tree that zave wrote: it has no %s",
				diag.Visible(o.tree), tree.IndexPath),
		}
	}
	if err != nil {
		return nil, fmt.Errorf("--tree %s: %w", o.tree, err)
	}
	return a.compareSides(was, revision{Side: report.Side{Name: o.tree}}, h, head, o)
}

// readTree reads the files that a tree's index lists, as they are. A file that is gone is not in it.
func (a *app) readTree(ctx context.Context, files fs.FS) (*diff.Snapshot, error) {
	a.stages.begin("read tree")
	defer a.stages.end()
	index, err := tree.ReadIndex(files)
	if err != nil {
		return nil, err
	}
	var all []tree.File
	for _, e := range index.Files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data, err := fs.ReadFile(files, e.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, tree.File{Path: e.Path, Data: data, Unit: e.Unit})
	}
	return diff.FromTree(all)
}

// compareSides makes the report.
func (a *app) compareSides(
	was *diff.Snapshot, base revision, h *side, head revision, o diffOptions, notes ...string,
) (*compared, error) {
	if err := (buildOptions{clusters: o.clusters, tenants: o.tenants}).knownIn(was, h); err != nil {
		return nil, err
	}
	a.stages.begin("diff")
	defer a.stages.end()
	acks, old, bad, err := acknowledgements(base.files, head.files)
	if err != nil {
		return nil, err
	}
	options := diff.Options{Base: base.Side, Head: head.Side, Generator: o.generator, Allow: o.allow, Acks: acks}
	r, err := diff.Compare(was, &diff.Snapshot{Units: h.result.Units, Platform: h.result.Platform}, options)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	r.Notes = slices.Concat(notes, bad, r.Notes)
	r.Stale = slices.Compact(slices.Sorted(slices.Values(append(r.Stale, old...))))
	return &compared{report: r.Of(o.clusters, o.tenants), head: h, source: h.Source}, nil
}

// knownIn refuses names of clusters and tenants that neither side has.
func (o buildOptions) knownIn(was *diff.Snapshot, h *side) error {
	var clusters, tenants []string
	for _, u := range was.Units {
		clusters = append(clusters, u.Cluster)
		if _, tenant := layout.Owner(u.Dir() + "/x"); tenant != "" {
			tenants = append(tenants, tenant)
		}
	}
	if was.Platform != nil {
		for _, c := range was.Platform.Clusters {
			clusters = append(clusters, c.Name)
		}
		for _, t := range was.Platform.Tenants {
			tenants = append(tenants, t.Name)
		}
	}
	for _, c := range h.result.Platform.Clusters {
		clusters = append(clusters, c.Name)
	}
	for _, t := range h.result.Platform.Tenants {
		tenants = append(tenants, t.Name)
	}
	for _, flag := range []struct {
		noun          string
		names, exists []string
	}{{"cluster", o.clusters, clusters}, {"tenant", o.tenants, tenants}} {
		slices.Sort(flag.exists)
		for _, name := range flag.names {
			if !slices.Contains(flag.exists, name) {
				return &problem{
					exit: exitUnknown,
					text: fmt.Sprintf("there is no %s %q on either side%s",
						flag.noun, name, didYouMean(name, slices.Compact(flag.exists))),
				}
			}
		}
	}
	return nil
}

// acknowledgements reads those that the head has and the base has not: one that came with an earlier change is spent,
// and its file is given among the old ones. What cannot be read is a sentence in bad.
func acknowledgements(base, head fs.FS) (acks []diff.Ack, old, bad []string, err error) {
	if head == nil {
		root, err := os.OpenRoot(".")
		if err != nil {
			return nil, nil, nil, err
		}
		defer root.Close()
		head = root.FS()
	}
	entries, err := fs.ReadDir(head, diff.AckDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil, nil
	}
	if err != nil {
		return nil, nil, nil, err
	}
	for _, e := range entries {
		name := path.Join(diff.AckDir, e.Name())
		if e.IsDir() || path.Ext(name) != ".yaml" {
			continue
		}
		data, err := fs.ReadFile(head, name)
		if err != nil {
			return nil, nil, nil, err
		}
		if base != nil {
			if was, err := fs.ReadFile(base, name); err == nil && bytes.Equal(was, data) {
				old = append(old, name)
				continue
			}
		}
		ack, err := diff.ParseAck(name, data)
		if err != nil {
			bad = append(bad, "an acknowledgement does not count: "+diag.Visible(err.Error()))
			continue
		}
		acks = append(acks, ack)
	}
	return acks, old, bad, nil
}
