package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/postgres/state"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Say what a code means",
		Long: "Say what the code of a diagnostic means, what is wrong with what was written, and how to write it; or what " +
			"a finding of 'zave db plan' and 'zave db verify' means, by its ID. Without a code, list all of them.",
		Example: "  zave explain ZAV108\n" +
			"  zave explain 108\n" +
			"  zave explain hba-missing          what was found on a server",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(cmd, "'%s' takes one code, and here are %d", cmd.CommandPath(), len(args))
			}
			return nil
		},
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listCodes()
			}
			return a.explain(args[0])
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var out []cobra.Completion
			if len(args) == 0 {
				for _, e := range diag.Catalogue() {
					out = append(out, cobra.CompletionWithDesc(string(e.Code), e.Title))
				}
				for _, k := range state.Kinds() {
					out = append(out, cobra.CompletionWithDesc(k.ID, k.Means))
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// listCodes prints a table, with a gap between the hundreds, which stand for stages of the compiler, and then one of the
// findings, with a gap between their parts.
func (a *app) listCodes() error {
	var b strings.Builder
	hundred := byte(0)
	for _, e := range diag.Catalogue() {
		if h := e.Code[len("ZAV")]; hundred != 0 && h != hundred {
			b.WriteByte('\n')
		}
		hundred = e.Code[len("ZAV")]
		fmt.Fprintf(&b, "%s  %s\n", e.Code, e.Title)
	}
	part := ""
	for _, k := range state.Kinds() {
		if k.Part != part {
			part = k.Part
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s  %s\n", k.ID, k.Means)
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func (a *app) explain(arg string) error {
	if k, ok := state.KindOf(arg); ok {
		return a.explainFinding(k)
	}
	code, ok := parseCode(arg)
	if !ok {
		var ids []string
		for _, k := range state.Kinds() {
			ids = append(ids, k.ID)
		}
		meant := didYouMean(arg, ids)
		if meant == "" {
			meant = ": codes look like ZAV108, or 108 for short"
		}
		return &problem{
			exit: exitInput,
			text: fmt.Sprintf("%q is not a code%s", arg, meant),
			hint: "run 'zave explain' for all of them",
		}
	}
	e, ok := diag.Explain(code)
	if !ok {
		var codes []string
		for _, e := range diag.Catalogue() {
			codes = append(codes, string(e.Code))
		}
		return &problem{
			exit: exitInput,
			text: fmt.Sprintf("there is no code %s%s", code, didYouMean(string(code), codes)),
			hint: "run 'zave explain' for all of them",
		}
	}
	return e.Render(a.stdout, a.colored(a.out), a.out.columns())
}

// explainFinding prints what a finding's ID stands for.
func (a *app) explainFinding(k state.Kind) error {
	var severities []string
	for _, s := range k.Severities {
		severities = append(severities, string(s))
	}
	l := a.listing()
	l.heading("%s: a finding of databases, %s", k.ID, strings.Join(severities, ", "))
	l.WriteByte('\n')
	l.block("", 0, k.Means)
	l.heading("What to do")
	l.WriteByte('\n')
	l.block("", 0, k.Do)
	return a.print(l.String())
}

// parseCode reads ZAV108, zav108 and 108.
func parseCode(arg string) (diag.Code, bool) {
	digits := strings.TrimPrefix(strings.ToUpper(arg), "ZAV")
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n > 999 {
		return "", false
	}
	return diag.Code(fmt.Sprintf("ZAV%03d", n)), true
}
