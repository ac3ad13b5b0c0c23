package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) vetCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "vet [flags]",
		Short: "Find what is wrong with the specs",
		Long: "Read the specs and report everything that is wrong with them, in one run. Nothing is written. Warnings do " +
			"not fail.",
		Example: "  zave vet\n" +
			"  zave vet --format sarif > zave.sarif",
		Args:                  noArgs("every tenant is vetted at once"),
		DisableFlagsInUseLine: true,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return a.vet(cmd.Context(), format) },
	}
	formatFlag(cmd, &format)
	return cmd
}

func (a *app) vet(ctx context.Context, format string) error {
	if _, err := a.enter(); err != nil {
		return err
	}
	in, err := a.load(ctx)
	if err != nil {
		return err
	}
	a.link(in)
	if err := a.report(format, in); err != nil {
		return err
	}
	if in.list.HasErrors() {
		a.say("%s", in.list.Summary())
		return errReported()
	}
	summary := in.list.Summary()
	if summary == "" {
		summary = "no problems"
	}
	a.say("%s: %s", estate(in.Set), summary)
	return nil
}
