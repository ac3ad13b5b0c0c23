package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/diff/format"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/forge"
	"github.com/zavestudios/zave/internal/leak"
	"github.com/zavestudios/zave/internal/tree"
)

// ciOptions are the flags of ci.
type ciOptions struct {
	base                  string
	failOn                []report.Class
	allow                 []string
	sarif, junit, quality string // files
	report                string // likewise, of the format that its name ends in
	noComment             bool
	requireComment        bool
	timeout               time.Duration // for the comment
}

func (a *app) ciCommand() *cobra.Command {
	var o ciOptions
	cmd := &cobra.Command{
		Use:   "ci [flags]",
		Short: "Check a change as a pipeline does, and report it",
		Long: "Do what a pipeline asks of a change: 'zave build --check', 'zave check' and 'zave diff' against what the " +
			"change is made to. In GitHub Actions and GitLab CI it keeps one comment on the pull or merge request, which " +
			"it removes when there is nothing to say; in Actions it also writes annotations, the job summary and the " +
			"step's outputs. Elsewhere it does the same, and prints it.\n\n" +
			"The token is read from GITHUB_TOKEN or GITLAB_TOKEN. A comment that cannot be written is a warning: what was " +
			"found is printed before, and decides alone, unless --require-comment says otherwise.\n\n" +
			"It exits 1 when the tree is not what the specs compile to, when a rule is broken, and at what --fail-on " +
			"names and nothing lets through. It exits 2 when what changes could not be told.",
		Example: "  zave ci                                 as the pipeline would, on your machine\n" +
			"  zave ci --fail-on destructive,exposure  a stricter gate\n" +
			"  zave ci --sarif zave.sarif --report zave.html",
		Args:                  noArgs("name a base with --base"),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.take(cmd); err != nil {
				return err
			}
			return a.ci(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.base, "base", "", "compare with `REV`, and not with what the forge says")
	f.Var(&gate{classes{&o.failOn}}, "fail-on",
		"exit 1 at what is of these `CLASSES`: "+strings.Join(classList(), ", ")+"; or none (default destructive)")
	complete(cmd, "fail-on", func(word string) []string { return append(completeClasses(word), "none") })
	f.StringSliceVar(&o.allow, "allow", nil,
		"let the destruction of `OBJECT` through: Kind/namespace/name or Kind/name; may be repeated")
	f.StringVar(&o.report, "report", "", "also write what changes to `FILE`, whose name ends in .html, .md, .json or .txt")
	f.StringVar(&o.sarif, "sarif", "", "write what was found to `FILE`, for code scanning")
	f.StringVar(&o.junit, "junit", "", "write it to `FILE`, as a test report")
	f.StringVar(&o.quality, "gitlab", "", "write it to `FILE`, for GitLab's Code Quality")
	f.BoolVar(&o.noComment, "no-comment", false, "leave the pull or merge request alone")
	f.BoolVar(&o.requireComment, "require-comment", false, "exit 2 when the comment cannot be written")
	f.DurationVar(&o.timeout, "comment-timeout", time.Minute, "give up on the comment after `DURATION`")
	return cmd
}

// gate is --fail-on of ci, which also takes "none".
type gate struct{ classes }

func (g *gate) Set(s string) error {
	if s == "none" {
		*g.value = nil
		return nil
	}
	return g.classes.Set(s)
}

// reportFormats are by what the name of a file ends in.
func reportFormats() map[string]format.Format {
	return map[string]format.Format{
		".html": format.HTML, ".md": format.Markdown, ".json": format.JSON, ".txt": format.Text,
	}
}

// take refuses flags that do not go together, and makes the files absolute, before the working directory changes.
func (o *ciOptions) take(cmd *cobra.Command) error {
	for _, name := range []string{"base", "report", "sarif", "junit", "gitlab"} {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return usage(cmd, "--%s needs a value", name)
		}
	}
	if _, ok := reportFormats()[filepath.Ext(o.report)]; o.report != "" && !ok {
		return usage(cmd, "--report %s: the name ends in none of .html, .md, .json and .txt", diag.Visible(o.report))
	}
	switch {
	case o.noComment && o.requireComment:
		return usage(cmd, "--no-comment and --require-comment exclude each other")
	case o.timeout <= 0:
		return usage(cmd, "--comment-timeout must be more than nothing")
	}
	if !cmd.Flags().Changed("fail-on") {
		o.failOn = []report.Class{report.Destructive}
	}
	for _, file := range []*string{&o.report, &o.sarif, &o.junit, &o.quality} {
		if *file == "" {
			continue
		}
		abs, err := filepath.Abs(*file)
		if err != nil {
			return err
		}
		*file = abs
	}
	return nil
}

// ciRun is one run of ci, and what it found so far.
type ciRun struct {
	*app
	o ciOptions
	p pipeline

	prefix   string // from the repository's top to the platform, "."
	in       *input // with everything that is wrong, for programs
	stale    bool
	parts    []passage // what is said beside the diff
	found    *compared // nil: it could not be told
	failed   []string  // why the run exits 1
	unknown  []string  // why it exits 2
	blocking int       // consequences that the policy stops at
}

// passage is what one step found, for the comment and the summary.
type passage struct {
	title string // nothing that users wrote
	text  string
}

func (a *app) ci(ctx context.Context, o ciOptions) error {
	p, err := readPipeline(os.Getenv)
	if err != nil {
		return err
	}
	// The log is one stream: what is said on stderr would stand elsewhere in it.
	stderr, terminal := a.stderr, a.err
	a.stderr, a.err = a.stdout, a.out
	defer func() { a.stderr, a.err = stderr, terminal }()

	c := &ciRun{app: a, o: o, p: p}
	platform, err := a.openPlatform()
	if err != nil {
		return err
	}
	defer platform.close()
	c.prefix = platform.prefix
	if c.root = platform.root; c.root == "" {
		return &problem{
			exit: exitUnknown, text: "the repository is bare, and has no work tree to check",
			hint: "run it where the change is checked out",
		}
	}
	if err := c.check(ctx, platform); err != nil {
		return err
	}
	c.annotate()
	c.files()
	c.summarize()
	if err := c.comment(ctx); err != nil {
		return err
	}
	return c.verdict()
}

// check does the three steps. The error is one that nothing can be reported after.
func (c *ciRun) check(ctx context.Context, platform *platformRepo) error {
	result, in, err := c.compile(ctx)
	if err != nil {
		return err
	}
	c.in = in
	out := output{root: c.root}
	if result != nil {
		if err := out.settle(result, in); err != nil {
			return err
		}
	}
	end := c.section("build --check")
	if err := c.app.report(string(diag.Text), in); err != nil {
		return err
	}
	if in.list.HasErrors() {
		c.fail("the specs do not compile", "the specs do not compile: "+in.list.Summary(), c.plain(in.list))
		end()
		return nil
	}
	if err := c.current(ctx, platform, out.dir, result); err != nil {
		return err
	}
	end()

	end = c.section("check")
	list, err := c.refusals(ctx, result, in, "")
	if err != nil {
		return err
	}
	if err := c.app.report(string(diag.Text), &input{in.Loaded, list}); err != nil {
		return err
	}
	in.list.Merge(list)
	if list.HasErrors() {
		c.say("%s", list.Summary())
		c.fail("the clusters would refuse it", "the clusters would refuse it: "+list.Summary(), c.plain(list))
	} else {
		c.sayValid(result, list)
	}
	end()
	return c.compare(ctx, platform)
}

// current is build --check.
func (c *ciRun) current(ctx context.Context, platform *platformRepo, dir string, result *generator.Result) error {
	if _, err := os.Stat(dir); err != nil && platform.repo != nil {
		ignored, err := platform.repo.Ignored(path.Join(platform.prefix, filepath.ToSlash(dir)))
		if err != nil {
			return err
		}
		if ignored {
			c.say("%s is not in this repository, by its .gitignore: there is no tree to compare", dir)
			return nil
		}
	}
	c.stages.begin("compare")
	defer c.stages.end()
	d, err := tree.Compare(ctx, dir, result.Tree, tree.WriteOptions{Generator: generatorName()})
	if err != nil {
		return err
	}
	c.stages.end()
	if d.Empty() {
		c.say("%s is up to date (%s)", dir, count(len(selected(result.Tree, nil)), "file"))
		return nil
	}
	c.stale = true
	c.in.list.Merge(withOrigins(d.Diagnostics(dir), dir, result))
	lines := c.differences(d, result)
	c.sayDifference(dir, d, lines, true)
	c.fail("the tree is not current", notCurrent(dir, len(lines)), strings.Join(c.shortened(lines), "\n")+"\n"+mend(d))
	return nil
}

// compare is diff.
func (c *ciRun) compare(ctx context.Context, platform *platformRepo) error {
	end := c.heading("diff")
	defer end()
	o := diffOptions{
		base: c.p.base, main: c.p.main, baseName: c.p.baseName, failOn: c.o.failOn, allow: c.o.allow,
	}
	if c.o.base != "" {
		o.base, o.main, o.baseName = c.o.base, "", ""
	} else if c.p.request() && platform.repo != nil {
		head, err := platform.repo.Head()
		switch {
		case err != nil || head == nil:
		case head.Hash.String() == c.p.merge:
			o.base, o.main = "HEAD^1", ""
		case head.Hash.String() == c.p.main:
			return c.untold(&problem{
				exit: exitUnknown, text: "what is checked out is the base of the pull request, and not the change",
				hint: "run it on the event pull_request: pull_request_target checks out the base",
			})
		}
	}
	found, err := c.compared(ctx, o)
	if err == nil {
		c.found = found
		if len(c.p.head.Commit) == 40 {
			found.report.Head = c.p.head
		}
		return c.tell(o)
	}
	var p *problem
	switch {
	case ctx.Err() != nil:
		return err
	case !errors.As(err, &p):
		p = &problem{exit: exitUnknown, text: err.Error()}
		var b *bug
		if errors.As(err, &b) {
			return err
		}
	}
	return c.untold(p)
}

// untold notes why there is no diff.
func (c *ciRun) untold(p *problem) error {
	c.warn("error", p.text, p.hint)
	if p.exit == exitInput {
		c.failed = append(c.failed, p.text)
	} else {
		c.unknown = append(c.unknown, p.text)
	}
	c.parts = append(c.parts, passage{"what changes could not be told", strings.TrimSpace(p.text + "\n" + p.hint)})
	return nil
}

// tell prints the diff, and holds it against the policy.
func (c *ciRun) tell(o diffOptions) error {
	fo := c.format()
	fo.Color, fo.Width, fo.Verbose = c.colored(c.out), c.out.width, c.verbose
	var b bytes.Buffer
	if err := format.Print(&b, format.Text, c.found.report, fo); err != nil {
		return err
	}
	if _, err := c.stdout.Write(b.Bytes()); err != nil {
		return err
	}
	c.sayUnused(c.found.report, o.allow)
	c.blocking = len(c.found.report.Blocking(o.failOn))
	var stopped *problem
	if errors.As(c.judge(c.found.report, o), &stopped) {
		c.failed = append(c.failed, stopped.text) // which the diff itself shows
		if c.p.kind == forge.GitHub {
			c.warn("error", stopped.text, stopped.hint)
		}
	}
	return nil
}

// format is how the diff is printed.
func (c *ciRun) format() format.Options {
	fo := format.Options{
		Version: version, FailOn: c.o.failOn, Source: c.found.source, Mask: leak.Mask, Describe: describeRule,
	}
	if c.p.repo != "" {
		fo.Repo = strings.TrimSuffix(c.p.repo+"/"+strings.TrimPrefix(c.prefix, "."), "/")
	}
	return fo
}

// plain is diagnostics as text without colour.
func (c *ciRun) plain(list diag.List) string {
	var b strings.Builder
	diag.Print(&b, diag.Text, &list, diag.PrintOptions{Source: c.in.Source, Version: version}) // a Builder does not fail
	return b.String()
}

// fail notes why the run exits 1, in a sentence, and with what is said of it beside the diff.
func (c *ciRun) fail(title, why, details string) {
	c.failed = append(c.failed, why)
	c.parts = append(c.parts, passage{title, why + "\n" + details})
}

// section begins a step in the log, which Actions folds away.
func (c *ciRun) section(name string) (end func()) {
	if c.p.kind != forge.GitHub {
		return c.heading(name)
	}
	fmt.Fprintln(c.stdout, "::group::zave "+name)
	return func() { fmt.Fprintln(c.stdout, "::endgroup::") }
}

// heading begins a step in the log.
func (c *ciRun) heading(name string) (end func()) {
	c.say("== zave %s", name)
	return func() { c.say("") }
}

// warn says what went wrong, as "error", "warning" or "notice". fewAnnotations leaves room for two of a level.
func (c *ciRun) warn(level, text, hint string) {
	if c.p.kind == forge.GitHub {
		fmt.Fprint(c.stdout, ciAnnotation(level, text, hint))
		return
	}
	if level != "notice" {
		text = level + ": " + text
	}
	fmt.Fprintln(c.stdout, strings.TrimSpace(text+"\n"+hint))
}

// lost notes that something could not be written, and goes on.
func (c *ciRun) lost(what string, err error) {
	if err != nil {
		c.unknown = append(c.unknown, diag.Visible(fmt.Sprintf("%s: %v", what, err)))
	}
}

// verdict is the end of the run. What is wrong with the change counts before what could not be told: it is for its
// author to mend.
func (c *ciRun) verdict() error {
	exit := exitFine
	switch {
	case len(c.failed) > 0:
		exit = exitInput
	case len(c.unknown) > 0:
		exit = exitUnknown
	default:
		return nil
	}
	return &problem{exit: exit, text: strings.Join(slices.Concat(c.failed, c.unknown), "; ")}
}
