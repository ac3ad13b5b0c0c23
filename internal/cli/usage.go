package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zavestudios/zave/internal/diag"
)

// usage is a command line that means nothing.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return &problem{
		exit: exitUnknown,
		text: fmt.Sprintf(format, args...),
		hint: fmt.Sprintf("run '%s --help' for what it takes", cmd.CommandPath()),
	}
}

// noCommand is the error for a word that is no command.
func noCommand(root *cobra.Command, word string) error {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return &problem{
		exit: exitUnknown,
		text: fmt.Sprintf("there is no command %q%s", word, didYouMean(word, names)),
		hint: fmt.Sprintf("run '%s --help' for the commands", root.CommandPath()),
	}
}

func didYouMean(word string, candidates []string) string {
	if hint := diag.DidYouMean(word, candidates); hint != "" {
		return ": " + hint
	}
	return ""
}

// flagProblem puts what pflag says in our words.
func flagProblem(cmd *cobra.Command, err error) error {
	if !cmd.HasParent() && len(cmd.Flags().Args()) > 0 {
		return noCommand(cmd, cmd.Flags().Args()[0])
	}
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return usage(cmd, "there is no flag -%s", unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		hint := ""
		if name := diag.Suggest(unknown.GetSpecifiedName(), names); name != "" {
			hint = fmt.Sprintf(`: did you mean "--%s"?`, name)
		}
		return usage(cmd, "there is no flag --%s%s", unknown.GetSpecifiedName(), hint)
	case errors.As(err, &missing):
		return usage(cmd, "%s needs a value", flagName(missing.GetFlag()))
	case errors.As(err, &invalid):
		return usage(cmd, "%s: %v", flagName(invalid.GetFlag()), errors.Unwrap(invalid))
	}
	return usage(cmd, "%v", err)
}

func flagName(f *pflag.Flag) string {
	if f.Shorthand != "" && f.Name == "directory" {
		return "-" + f.Shorthand
	}
	return "--" + f.Name
}

// noArgs refuses arguments, with a word on what may have been meant, in which ARG stands for the first.
func noArgs(hint string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		text := fmt.Sprintf("'%s' takes no arguments, and %q is one", cmd.CommandPath(), args[0])
		if hint != "" {
			text += ": " + strings.ReplaceAll(hint, "ARG", args[0])
		}
		return usage(cmd, "%s", text)
	}
}

// choice is a flag that takes one of a few words.
type choice struct {
	value   *string
	name    string // of its value, in help
	options []string
}

func (c *choice) String() string { return *c.value }
func (c *choice) Type() string   { return c.name }
func (c *choice) Set(s string) error {
	if !slices.Contains(c.options, s) {
		return fmt.Errorf("%q is not known%s", s, didYouMean(s, c.options))
	}
	*c.value = s
	return nil
}

// directories is -C: each is relative to the one before, and an empty one changes nothing (git(1)).
type directories []string

func (d *directories) String() string { return "" }
func (d *directories) Type() string   { return "DIR" }
func (d *directories) Set(s string) error {
	if s != "" {
		*d = append(*d, s)
	}
	return nil
}

// complete completes the values of a flag.
func complete(cmd *cobra.Command, flag string, values func(word string) []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return values(word), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // the flag does not exist
	}
}

func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 || found == cmd.Root() && len(args) > 0 {
				return noCommand(cmd.Root(), args[0])
			}
			return a.writeHelp(a.stdout, found, a.out.columns())
		},
	}
}

// writeHelp writes the help of a command, wrapped at so many columns.
func (a *app) writeHelp(w io.Writer, cmd *cobra.Command, columns int) error {
	var b strings.Builder
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	for paragraph := range strings.SplitSeq(long, "\n\n") {
		b.WriteString(wrap(paragraph, columns) + "\n\n")
	}
	line := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		line = cmd.CommandPath() + " COMMAND [flags]"
	}
	b.WriteString("Usage:\n  " + line + "\n")
	if cmd.Example != "" {
		b.WriteString("\nExamples:\n" + cmd.Example + "\n")
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, c := range inOrder(cmd) {
			fmt.Fprintf(&b, "  %-12s%s\n", c.Name(), c.Short)
		}
	}
	if flags := cmd.LocalNonPersistentFlags(); flags.HasAvailableFlags() {
		b.WriteString("\nFlags:\n" + flags.FlagUsagesWrapped(columns))
	}
	common := pflag.NewFlagSet("", pflag.ContinueOnError)
	common.SortFlags = false
	common.AddFlagSet(cmd.Root().PersistentFlags())
	b.WriteString("\nCommon flags:\n" + common.FlagUsagesWrapped(columns))
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nRun '%s COMMAND --help' for more about a command.\n", cmd.CommandPath())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// inOrder gives the commands that help lists, in the order of work; cobra sorts them by name.
func inOrder(cmd *cobra.Command) []*cobra.Command {
	order := []string{
		"vet", "build", "check", "diff", "ack",
		"new", "import", "tenant", "promote",
		"hook", "ci", "db", "explain", "version", "completion", "help",
		"sql", "config", "verifier", "plan", "apply", "verify", "rotate", "backup", "restore", "drill",
		"install", "uninstall", "run",
	}
	var out []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b *cobra.Command) int {
		return slices.Index(order, a.Name()) - slices.Index(order, b.Name())
	})
	return out
}

// wrap breaks a paragraph into lines of at most so many columns.
func wrap(s string, columns int) string {
	var b strings.Builder
	at := 0
	for word := range strings.FieldsSeq(s) {
		n := len([]rune(word))
		switch {
		case at > 0 && at+1+n > columns:
			b.WriteByte('\n')
			at = 0
		case at > 0:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
