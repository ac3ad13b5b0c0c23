package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// configFile is a file that is generated from the desired state.
type configFile struct {
	name, about string
	text        func(*state.Desired) string
}

func configFiles() []configFile {
	return []configFile{
		{"pg_hba", "pg_hba.conf: who may connect to what, and how", (*state.Desired).HBA},
		{"postgresql", "postgresql.conf: the settings that the isolation of tenants needs", (*state.Desired).Conf},
		{"desired", "desired.json: the desired state itself, which --from reads", func(d *state.Desired) string { return string(d.Encode()) }},
	}
}

func (a *app) dbConfigCommand() *cobra.Command {
	var o dbOptions
	var names []string
	for _, f := range configFiles() {
		names = append(names, f.name)
	}
	cmd := &cobra.Command{
		Use:   "config pg_hba|postgresql|desired [flags]",
		Short: "Print a generated configuration file",
		Long: "Print a file that the server is configured with, or the desired state that the Jobs read. No server is " +
			"needed. A managed service such as RDS has no pg_hba.conf to write; its parameter group takes the settings of " +
			"postgresql.conf.",
		Example: "  zave db config pg_hba > pg_hba.conf\n" +
			"  zave db config postgresql > conf.d/zave.conf\n" +
			"  zave db config desired --cluster prod > desired.json",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usage(cmd, "'%s' takes the name of a file: %s", cmd.CommandPath(), alternatives(names))
			case len(args) > 1:
				return usage(cmd, "'%s' takes one file, and here are %d", cmd.CommandPath(), len(args))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var out []cobra.Completion
			for _, f := range configFiles() {
				if len(args) == 0 {
					out = append(out, cobra.CompletionWithDesc(f.name, f.about))
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, f := range configFiles() {
				if f.name == args[0] || f.name+".conf" == args[0] || f.name+".json" == args[0] {
					return a.dbConfig(cmd.Context(), &o, f)
				}
			}
			return usage(cmd, "there is no file %q%s", args[0], didYouMean(args[0], names))
		},
	}
	o.wantFlags(a, cmd, false)
	return cmd
}

func (a *app) dbConfig(ctx context.Context, o *dbOptions, f configFile) error {
	want, err := a.want(ctx, o)
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.stdout, f.text(want))
	return err
}
