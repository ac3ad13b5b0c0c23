package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator/emit/database"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/postgres"
	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// dbOptions are the flags of more than one command of `zave db`. Paths are as typed.
type dbOptions struct {
	from     string // a file of the desired state; empty: compile the repository
	cluster  string
	tenants  []string // empty: all
	instance bool

	dsn, passwordFile string
	credentials       string

	allowDrop, adopt []string
	accept           []string // findings
	format           string
}

func (a *app) dbCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db",
		Short: "Prepare, prove, back up and restore tenants' databases",
		Long: "Bring a PostgreSQL server of version 15 to 18 to what the specs say, prove that no tenant can touch, see or " +
			"starve another on it, and rotate, back up and restore what is there.\n\n" +
			"A server is prepared in two steps: the instance once, normally as a superuser, and then the tenants, as the " +
			"role that the first step made. Nothing is ever dropped unless its name is given with --allow-drop, and nothing " +
			"that zave did not make is taken over unless it is named with --adopt.\n\n" +
			"The server is named by --dsn or by the PG* variables of libpq. TLS is verified in full unless sslmode or " +
			"PGSSLMODE says otherwise. Passwords come from files: no argument takes one, and no output has one.",
		Example: "  zave db sql                        what would be run on a blank server\n" +
			"  zave db apply --instance           prepare the server, once\n" +
			"  zave db plan                       what is not as the specs say?\n" +
			"  zave db apply --credentials DIR    make it so\n" +
			"  zave db verify                     attack it as each tenant's roles",
		Args: cobra.ArbitraryArgs, // so that RunE has the words for a command that does not exist
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			if err := a.writeHelp(a.stderr, cmd, a.err.columns()); err != nil {
				return err
			}
			return &problem{exit: exitUnknown}
		},
	}
	cmd.AddCommand(a.dbSQLCommand(), a.dbConfigCommand(), a.dbVerifierCommand(), a.dbPlanCommand(), a.dbApplyCommand(),
		a.dbVerifyCommand(), a.dbRotateCommand(), a.dbBackupCommand(), a.dbRestoreCommand(),
		a.dbDrillCommand())
	return cmd
}

// wantFlags are those that say what is desired.
func (o *dbOptions) wantFlags(a *app, cmd *cobra.Command, tenants bool) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.from, "from", "", "take the desired state from `FILE`, such as the ConfigMap's, not from the specs")
	f.StringVar(&o.cluster, "cluster", "", "the `CLUSTER` whose databases are meant, where several have some")
	if tenants {
		f.StringSliceVar(&o.tenants, "tenant", nil, "only `TENANT`; may be repeated")
	}
	completeFile(cmd, "from", "json")
	a.completeNames(cmd, tenants)
}

// instanceFlag is --instance.
func (o *dbOptions) instanceFlag(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&o.instance, "instance", false, what)
}

// serverFlags are those that say which server.
func (o *dbOptions) serverFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.dsn, "dsn", "", "connect to `DSN`, a URL or key=value pairs without a password; the PG* variables fill in")
	f.StringVar(&o.passwordFile, "password-file", "", "read the password to connect with from `FILE`; PGPASSFILE works too")
}

// credentialsFlag is --credentials.
func (o *dbOptions) credentialsFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.credentials, "credentials", "",
		"read passwords from `DIR`/TENANT/{app,migrator,readonly,backup}, or DIR/ROLE of the instance's role")
	completeDir(cmd, "credentials")
}

// permissionFlags are those that allow what is refused by default.
func (o *dbOptions) permissionFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&o.allowDrop, "allow-drop", nil, "allow to drop the database or role `NAME`, or the extension DATABASE/NAME; may be repeated")
	f.StringSliceVar(&o.adopt, "adopt", nil, "take over the database or role `NAME` that zave did not make; may be repeated")
}

// formatsFlag is --format of a command whose data is not a list of diagnostics.
func (o *dbOptions) formatsFlag(cmd *cobra.Command, formats ...string) {
	o.format = formats[0]
	cmd.Flags().Var(&choice{&o.format, "FORMAT", formats}, "format", "how to print the result: "+alternatives(formats))
	complete(cmd, "format", func(string) []string { return formats })
}

// options gives what planning is told.
func (o *dbOptions) options(want *state.Desired) state.Options {
	options := state.Options{AllowDrop: o.allowDrop, Adopt: o.adopt, Instance: o.instance, Tenants: o.tenants}
	if o.instance && !want.Instance.Strict {
		// The superuser has nothing to do in tenants' databases. No tenant has an empty name.
		options.Tenants = []string{""}
	}
	return options
}

// want gives the desired state of one cluster's instance: from a file, or from the specs that the process is among. It
// leaves the process in the repository's root in the latter case, and makes the paths in the options absolute before.
func (a *app) want(ctx context.Context, o *dbOptions) (*state.Desired, error) {
	if err := o.absolute(); err != nil {
		return nil, err
	}
	var d *state.Desired
	var err error
	var estate []string
	if o.from != "" {
		d, err = o.wantFile()
	} else {
		d, estate, err = a.wantSpecs(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	return d, o.knownTenants(d, estate)
}

// absolute makes paths independent of where the process goes.
func (o *dbOptions) absolute() error {
	for _, p := range []*string{&o.from, &o.credentials, &o.passwordFile} {
		var err error
		if *p, err = absolutePath(*p); err != nil {
			return err
		}
	}
	return nil
}

func (o *dbOptions) wantFile() (*state.Desired, error) {
	data, err := os.ReadFile(o.from)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	d, err := state.Decode(data)
	if err != nil {
		return nil, &problem{
			exit: exitInput,
			text: fmt.Sprintf("--from: %s: %v", o.from, err),
			hint: "it is the file desired.json of the ConfigMap that 'zave build' writes, or what 'zave db config desired' prints",
		}
	}
	if o.cluster != "" && o.cluster != d.Cluster {
		return nil, &problem{
			exit: exitUnknown,
			text: fmt.Sprintf("--from: %s is the desired state of cluster %q, not of %q", o.from, d.Cluster, o.cluster),
		}
	}
	return d, nil
}

// wantSpecs also gives the names of all tenants, with a database or without.
func (a *app) wantSpecs(ctx context.Context, o *dbOptions) (*state.Desired, []string, error) {
	if _, err := a.enter(); err != nil {
		return nil, nil, err
	}
	result, in, err := a.compile(ctx)
	if err != nil {
		return nil, nil, err
	}
	if result == nil {
		if err := a.report(string(diag.Text), in); err != nil {
			return nil, nil, err
		}
		a.say("%s: nothing was done", in.list.Summary())
		return nil, nil, errReported()
	}
	c, err := databaseCluster(result.Platform, o.cluster)
	if err != nil {
		return nil, nil, err
	}
	var tenants []string
	for _, t := range result.Platform.Tenants {
		tenants = append(tenants, t.Name)
	}
	return database.Desired(c), tenants, nil
}

// databaseCluster gives the cluster that is meant: the named one, or the only one where a tenant has a database.
func databaseCluster(p *model.Platform, name string) (*model.Cluster, error) {
	var all, with []string
	for _, c := range p.Clusters {
		all = append(all, c.Name)
		if hasDatabase(c) {
			with = append(with, c.Name)
		}
	}
	switch {
	case name != "" && !slices.Contains(all, name):
		return nil, &problem{exit: exitUnknown, text: fmt.Sprintf("there is no cluster %q%s", name, didYouMean(name, all))}
	case len(with) == 0:
		return nil, &problem{
			exit: exitInput,
			text: "no tenant has a database",
			hint: "a tenant that writes 'database: {}' gets one",
		}
	case name != "" && !slices.Contains(with, name):
		return nil, &problem{
			exit: exitInput,
			text: fmt.Sprintf("no tenant has a database on cluster %s", name),
			hint: "there are some on " + list(with),
		}
	case name == "" && len(with) > 1:
		return nil, &problem{
			exit: exitUnknown,
			text: fmt.Sprintf("there are databases on %s", list(with)),
			hint: "name the cluster that is meant with --cluster",
		}
	case name == "":
		name = with[0]
	}
	return p.Clusters[slices.Index(all, name)], nil
}

func hasDatabase(c *model.Cluster) bool {
	return slices.ContainsFunc(c.Placements, func(p *model.Placement) bool { return p.Database != nil })
}

// knownTenants refuses tenants that have no database. The estate's tenants are nil where they are not known.
func (o *dbOptions) knownTenants(d *state.Desired, estate []string) error {
	var names []string
	for _, t := range d.Tenants {
		names = append(names, t.Name)
	}
	for _, name := range o.tenants {
		switch {
		case slices.Contains(names, name):
		case slices.Contains(estate, name):
			return &problem{
				exit: exitUnknown,
				text: fmt.Sprintf("tenant %s has no database on cluster %s", name, d.Cluster),
				hint: fmt.Sprintf("write 'database: {}' in tenants/%s/tenant.cue to give it one", name),
			}
		default:
			return &problem{
				exit: exitUnknown,
				text: fmt.Sprintf("there is no tenant %q with a database on cluster %s%s", name, d.Cluster, didYouMean(name, names)),
			}
		}
	}
	return nil
}

// server gives the server that the flags and the PG* variables name. It does not connect.
func (o *dbOptions) server() (*postgres.Server, error) {
	if holdsPassword(o.dsn) {
		return nil, &problem{
			exit: exitUnknown,
			text: "--dsn holds a password, which everybody on this machine can read in the list of processes",
			hint: "leave it out, and name a file that holds it with --password-file or PGPASSFILE",
		}
	}
	if o.dsn == "" && os.Getenv("PGHOST") == "" && os.Getenv("PGSERVICE") == "" {
		return nil, &problem{
			exit: exitUnknown,
			text: "no server is named",
			hint: "name one with --dsn, such as --dsn postgres://platform_bootstrap@db.example.com/, or with PGHOST and PGUSER",
		}
	}
	options := postgres.Options{DSN: o.dsn}
	if o.passwordFile != "" {
		password, err := passwordFrom("--password-file", o.passwordFile)
		if err != nil {
			return nil, err
		}
		options.Password = password
	}
	return postgres.New(options)
}

// dbRun is what a command has that talks to a server.
type dbRun struct {
	want        *state.Desired
	server      *postgres.Server
	credentials postgres.Credentials
}

// connectTo reads all that the options name. It does not connect yet.
func (a *app) connectTo(ctx context.Context, o *dbOptions) (*dbRun, error) {
	want, err := a.want(ctx, o)
	if err != nil {
		return nil, err
	}
	server, err := o.server()
	if err != nil {
		return nil, err
	}
	run := &dbRun{want: want, server: server}
	switch {
	case o.credentials == "":
	case o.instance: // tenants' passwords are none of a superuser's business
		name := filepath.Join(o.credentials, want.Instance.Role)
		password, err := passwordFrom("--credentials", name)
		if err != nil {
			return nil, err
		}
		run.credentials = postgres.Credentials{want.Instance.Role: password}
	default:
		tenants := want.Tenants
		if len(o.tenants) > 0 {
			tenants = slices.DeleteFunc(slices.Clone(tenants), func(t state.Tenant) bool { return !slices.Contains(o.tenants, t.Name) })
		}
		if run.credentials, err = postgres.ReadCredentials(o.credentials, tenants); err != nil {
			return nil, err
		}
	}
	return run, nil
}

// holdsPassword tells whether a connection string has a password in it, the role's or that of a key, in either of the
// forms (PostgreSQL manual, 34.1.1, "Connection Strings"). It need not be a string that can be used.
func holdsPassword(dsn string) bool {
	if _, rest, ok := strings.Cut(dsn, "://"); ok {
		authority, _, _ := strings.Cut(rest, "?")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 && strings.Contains(authority[:at], ":") {
			return true
		}
	}
	return regexp.MustCompile(`(?i)(^|[\s?&])(ssl)?password\s*=`).MatchString(dsn)
}

// oneTenant takes a command's one argument, which is a tenant.
func oneTenant(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usage(cmd, "'%s' takes the name of a tenant", cmd.CommandPath())
	case 1:
		return nil
	}
	return usage(cmd, "'%s' takes one tenant, and here are %d", cmd.CommandPath(), len(args))
}

// guarded runs a command that talks to a server, and puts what went wrong there in words.
func guarded(ctx context.Context, f func() error) error {
	err := f()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return context.Canceled // whatever else it meant: it was asked for
	}
	var p *problem
	var said *postgres.Problem
	var refused *archive.Problem
	switch err = postgres.Explain(err); {
	case err == nil || errors.As(err, &p):
		return err
	case errors.As(err, &said):
		exit := exitUnknown
		if said.Input {
			exit = exitInput
		}
		return &problem{exit: exit, text: visibleLines(said.Text), hint: visibleLines(said.Hint)}
	case errors.As(err, &refused):
		return &problem{exit: archiveExit(refused), text: visibleLines(refused.Error()), hint: visibleLines(refused.Hint)}
	}
	return err
}

// visibleLines gives a text that may have several lines as a terminal shows it.
func visibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = diag.Visible(line)
	}
	return strings.Join(lines, "\n")
}

// completeTenant completes an argument that is a tenant.
func (a *app) completeTenant(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var out []cobra.Completion
	if in := a.loadToComplete(cmd); in != nil && len(args) == 0 {
		for _, t := range in.Set.Tenants {
			if t.Database != nil {
				out = append(out, t.Name)
			}
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// print writes data.
func (a *app) print(text string) error {
	_, err := io.WriteString(a.stdout, text)
	return err
}

// list gives "a", "a and b" or "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// completeFile completes a flag by files of an extension; the shell does it.
func completeFile(cmd *cobra.Command, flag, extension string) {
	if err := cmd.MarkFlagFilename(flag, extension); err != nil {
		panic(err) // the flag does not exist
	}
}

func completeDir(cmd *cobra.Command, flag string) {
	if err := cmd.MarkFlagDirname(flag); err != nil {
		panic(err) // the flag does not exist
	}
}

// waiting gives what says, once, whom a run waits for.
func (a *app) waiting() func(holder string) {
	said := false
	return func(holder string) {
		if !said {
			a.say("waiting for %s", diag.Visible(holder))
		}
		said = true
	}
}
