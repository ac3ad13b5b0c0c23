package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/postgres"
)

func (a *app) dbDrillCommand() *cobra.Command {
	var o dbOptions
	var store storeOptions
	var trust trustOptions
	var cluster string
	var oldClient bool
	d := postgres.DrillOptions{Parallel: 2}
	cmd := &cobra.Command{
		Use:   "drill [flags]",
		Short: "Restore every tenant to a blank server, and say how long it took",
		Long: "Prepare a blank server for the estate, and restore every tenant from its newest backup, each held against its " +
			"manifest as 'zave db restore' does it. For each tenant it reports how long that took, and how old the data are: " +
			"what a disaster would cost at this moment. A tenant that cannot be restored does not stop the others.\n\n" +
			"A server that has one of the databases already is refused. Connect as a superuser, or as whoever may prepare an " +
			"instance. The server is left as it is then, for a look or for use; throw it away afterwards.",
		Example: "  zave db drill --dsn postgres://postgres@drill.example.com/ --credentials DIR \\\n" +
			"      --store s3://backups/pg --identity age.key --verify-key sign.pub",
		Args:                  noArgs("for one tenant, run 'zave db drill --tenant ARG'"),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return guarded(cmd.Context(), func() error {
				var err error
				if d.Store, err = store.open("store"); err != nil {
					return err
				}
				if d.Trust, err = trust.trust(); err != nil {
					return err
				}
				if d.Identities, err = trust.identities(); err != nil {
					return err
				}
				d.From.Cluster, d.AllowOldClient = cluster, oldClient
				return a.dbDrill(cmd.Context(), &o, d)
			})
		},
	}
	o.wantFlags(a, cmd, true)
	o.serverFlags(cmd)
	o.credentialsFlag(cmd)
	store.storeFlags(cmd, "store", "the backups are at")
	trust.trustFlags(cmd)
	f := cmd.Flags()
	f.IntVar(&d.Parallel, "parallel", d.Parallel, "restore `N` tenants at once")
	f.BoolVar(&oldClient, "allow-old-client", false, "use a pg_restore that runs what a crafted backup says")
	f.StringVar(&cluster, "of-cluster", "", "the backups are of the cluster `NAME`")
	o.formatsFlag(cmd, "text", "json")
	return cmd
}

func (a *app) dbDrill(ctx context.Context, o *dbOptions, d postgres.DrillOptions) error {
	if o.credentials == "" {
		return noCredentials()
	}
	run, err := a.connectTo(ctx, o)
	if err != nil {
		return err
	}
	d.Credentials, d.Tenants = run.credentials, o.tenants
	// The password of the role that makes tenants, so that the server can be used afterwards.
	name := filepath.Join(o.credentials, run.want.Instance.Role)
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		password, err := passwordFrom("--credentials", name)
		if err != nil {
			return err
		}
		d.Credentials[run.want.Instance.Role] = password
	}
	a.stages.begin("drill")
	d.Progress = a.stages.at
	d.Restored = func(done, total int, t postgres.Drilled) {
		a.stages.at(fmt.Sprintf("%d of %d tenants: %s", done, total, t.Tenant))
	}
	report, err := run.server.Drill(ctx, run.want, d)
	a.stages.end()
	if report == nil {
		return err
	}
	if o.format == "json" {
		err = errors.Join(err, report.WriteJSON(a.stdout))
	} else {
		var b strings.Builder
		_ = report.WriteText(&b) // to memory
		err = errors.Join(err, a.print(visibleLines(b.String())))
	}
	if err == nil && !report.OK() {
		return errReported()
	}
	return err
}
