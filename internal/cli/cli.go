// Package cli is the command line: it turns arguments into runs of the compiler, and what they give into text and exit
// codes.
//
// Invariants: data goes to stdout and everything else to stderr; the exit code is 0 when all is well, 1 for the
// user's input or a difference, and 2 when that could not be told; colour, progress and widths depend on the terminal,
// and nothing else does; it is the only importer of cobra.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFine    = 0
	exitInput   = 1 // the user's input, or a difference
	exitUnknown = 2 // we could not tell: usage, I/O, a bug
)

// slow is after how long an interrupted run that has not ended yet says so.
const slow = 200 * time.Millisecond

// Main runs the command that the arguments, without the program's name, call for, and gives the exit code. It changes
// the working directory of the process: to that of -C, and then to the repository's root.
//
// It has the garbage collector run somewhat more often than by default, unless GOGC says otherwise: 1,000 tenants of 46
// files each then take a tenth less memory, at a price in time that is within the noise.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(70)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := newApp(stdin, stdout, stderr)
	context.AfterFunc(ctx, func() {
		stop() // whoever asks twice is not made to wait
		time.AfterFunc(slow, func() { fmt.Fprintln(a.stages, "zave: stopping; a second interrupt ends it at once") })
	})
	err := a.guard(func() error { return a.run(ctx, args) })
	a.stages.end()
	if a.profile {
		a.stages.print(a.stderr)
	}
	return a.exit(err)
}

// app is one run.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	out, err       terminal // what stdout and stderr are

	stages *stages

	from    string // where the user is, unless that cannot be told
	root    string // the repository's, once it is known
	helpErr error  // of writing help, for which cobra has no place

	// The flags that all commands share.
	dirs    directories
	color   string
	quiet   bool
	verbose bool
	profile bool
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	a := &app{stdin: stdin, stdout: stdout, out: terminalOf(stdout), err: terminalOf(stderr)}
	a.stages = newStages(stderr, a.err.is)
	a.stages.columns = a.err.width
	a.stderr = a.stages // which keeps the line of progress out of the way
	return a
}

func (a *app) run(ctx context.Context, args []string) error {
	root := a.command()
	root.SetArgs(append([]string{}, args...)) // nil would stand for os.Args
	if err := root.ExecuteContext(ctx); err != nil {
		return err
	}
	return a.helpErr
}

// command gives the tree of commands. Help lists them in this order, which is that of work.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "zave",
		Short: "Compile tenant specs into a GitOps tree",
		Long: "zave compiles what people write about tenants, in CUE, into the tree of manifests that Flux and Argo CD " +
			"reconcile.\n\nIt is run within a platform repository: platform/ describes the estate, tenants/ what runs on it.",
		Example: "  zave vet                  is what is written right?\n" +
			"  zave build                compile, and write the tree\n" +
			"  zave build --check        is the tree what the specs compile to?\n" +
			"  zave check                would the clusters take every object?\n" +
			"  zave diff                 what does my change do to the clusters?\n" +
			"  zave db plan              are the tenants' databases as the specs say?\n" +
			"  zave explain ZAV108       what does that error mean?",
		Version:           version,
		Args:              cobra.ArbitraryArgs, // so that RunE has the words for a command that does not exist
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.start(cmd) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			a.writeHelp(a.stderr, cmd, a.err.columns())
			return &problem{exit: exitUnknown}
		},
	}
	root.AddCommand(a.vetCommand(), a.buildCommand(), a.checkCommand(), a.diffCommand(), a.ackCommand(), a.promoteCommand(),
		a.newCommand(), a.importCommand(),
		a.hookCommand(), a.dbCommand(), a.explainCommand(), a.versionCommand(), a.completionCommand(), a.docsCommand())
	root.AddCommand(a.ciCommand())
	root.SetHelpCommand(a.helpCommand())
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { a.helpErr = a.writeHelp(a.stdout, cmd, a.out.columns()) })
	root.SetFlagErrorFunc(flagProblem)
	root.SetVersionTemplate(a.buildInfo().String() + "\n")
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)

	root.Flags().Bool("version", false, "print the version")
	f := root.PersistentFlags()
	f.SortFlags = false
	f.VarP(&a.dirs, "directory", "C", "act as if started in `DIR`; may be repeated")
	a.color = "auto"
	f.Var(&choice{&a.color, "WHEN", []string{"auto", "always", "never"}}, "color", "colour the text: auto, always or never")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "leave out summaries and progress")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "say more: list every file, show where a bug is")
	f.BoolVar(&a.profile, "profile", false, "say where the time went")
	f.BoolP("help", "h", false, "show this help")
	complete(root, "color", func(string) []string { return []string{"auto", "always", "never"} })
	return root
}

// start does what comes before every command.
func (a *app) start(*cobra.Command) error {
	if a.quiet {
		a.stages.hide()
	}
	a.from, _ = os.Getwd()
	for _, dir := range a.dirs {
		if err := os.Chdir(dir); err != nil {
			return fmt.Errorf("-C: %w", err)
		}
	}
	return nil
}

// say writes a summary to stderr.
func (a *app) say(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// problem is an error that the user can do something about.
type problem struct {
	exit int
	text string // empty: everything has been said
	hint string // the line below it; may be empty
}

func (p *problem) Error() string { return p.text }

// errReported is the end of a run whose diagnostics have been printed.
func errReported() error { return &problem{exit: exitInput} }

// bug is a panic.
type bug struct {
	value any
	stack []byte
}

func (b *bug) Error() string { return fmt.Sprintf("this is a bug in zave: %v", b.value) }

// guard makes an error of a panic.
func (a *app) guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &bug{v, debug.Stack()}
		}
	}()
	return f()
}

// abandonable runs what takes long, cannot be stopped and leaves nothing behind. It returns when that ends or the
// context does.
func (a *app) abandonable(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- a.guard(f) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// exit prints the error and gives its exit code.
func (a *app) exit(err error) int {
	var p *problem
	var b *bug
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &p):
		if p.text != "" {
			fmt.Fprintln(a.stderr, "zave: "+p.text)
		}
		if p.hint != "" {
			fmt.Fprintln(a.stderr, p.hint)
		}
		return p.exit
	case errors.As(err, &b):
		fmt.Fprintln(a.stderr, "zave: "+b.Error())
		fmt.Fprintln(a.stderr, "please report it, with the output of 'zave version' and of this command with -v, at "+issues)
		if a.verbose {
			fmt.Fprintf(a.stderr, "\n%s", b.stack)
		}
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(a.stderr, "zave: interrupted")
	default:
		fmt.Fprintln(a.stderr, "zave: "+err.Error())
	}
	return exitUnknown
}
