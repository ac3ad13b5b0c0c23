package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/postgres/state"
)

func (a *app) dbSQLCommand() *cobra.Command {
	var o dbOptions
	var script bool
	major := majors()[len(majors())-1]
	cmd := &cobra.Command{
		Use:   "sql [flags]",
		Short: "Print the SQL that a blank server is prepared with",
		Long: "Print every statement that 'zave db apply', and so the bootstrap Job, runs on a server where nothing has been " +
			"prepared yet, with the reason of each. No server is needed. Passwords are not: a verifier stands as " +
			state.Verifier + " in it, and is computed from the password's file by zave.\n\n" +
			"With --psql it is a script for psql that does the same and may be repeated: it asks the server what is there " +
			"already, and takes verifiers, as 'zave db verifier' makes them, from the variables APP_VERIFIER, " +
			"MIGRATOR_VERIFIER, READONLY_VERIFIER and BACKUP_VERIFIER.",
		Example: "  zave db sql --instance                  what the superuser runs once\n" +
			"  zave db sql --tenant shop               what one tenant takes\n" +
			"  zave db sql --tenant shop --psql | psql --no-psqlrc --dbname=postgres",
		Args:                  noArgs("for one tenant, run 'zave db sql --tenant ARG'"),
		DisableFlagsInUseLine: true,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return a.dbSQL(cmd.Context(), &o, major, script) },
	}
	o.wantFlags(a, cmd, true)
	o.instanceFlag(cmd, "the statements that prepare the instance, not the tenants'")
	f := cmd.Flags()
	f.Var(&majorFlag{&major}, "server-version", "the `MAJOR` version of the server: "+alternatives(majorNames()))
	f.BoolVar(&script, "psql", false, "print a script for psql that may be repeated")
	o.formatsFlag(cmd, "text", "json")
	complete(cmd, "server-version", func(string) []string { return majorNames() })
	return cmd
}

// majors are the versions of PostgreSQL that are supported, the newest last.
func majors() []int { return []int{15, 16, 17, 18} }

func majorNames() []string {
	var out []string
	for _, m := range majors() {
		out = append(out, strconv.Itoa(m))
	}
	return out
}

// majorFlag is a flag that takes a supported version.
type majorFlag struct{ value *int }

func (m *majorFlag) String() string { return strconv.Itoa(*m.value) }
func (m *majorFlag) Type() string   { return "MAJOR" }
func (m *majorFlag) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || !slices.Contains(majors(), n) {
		return fmt.Errorf("%q is not a supported version of PostgreSQL: one of %s", s, strings.Join(majorNames(), ", "))
	}
	*m.value = n
	return nil
}

func (a *app) dbSQL(ctx context.Context, o *dbOptions, major int, script bool) error {
	if script && o.format != "text" {
		return &problem{exit: exitUnknown, text: "--psql is a format of its own: leave out --format"}
	}
	want, err := a.want(ctx, o)
	if err != nil {
		return err
	}
	options := o.options(want)
	options.Credentials = map[string]bool{} // the Job has them all
	if o.instance {
		options.Credentials[want.Instance.Role] = true
	}
	for _, t := range want.Tenants {
		for _, role := range t.Roles.All() {
			if _, ok := t.Roles.Credential(role); ok {
				options.Credentials[role] = true
			}
		}
	}
	if script {
		_, err := io.WriteString(a.stdout, want.Script(options))
		return err
	}
	user, superuser := want.Instance.Role, false
	if o.instance {
		user, superuser = "postgres", true
	}
	plan := want.Plan(state.Blank(major*10000, user, superuser), options)
	if o.format == "json" {
		return writeJSON(a.stdout, planOf(want, &plan, user, o.accepts))
	}
	command := "zave db apply"
	if o.instance {
		command += " --instance"
	}
	_, err = fmt.Fprintf(a.stdout, "-- What '%s' runs on a blank PostgreSQL %d for cluster %s, as %s.\n%s",
		command, major, want.Cluster, user, sqlText(want, plan.Steps, user))
	return err
}

// sqlText gives steps as SQL, with what each is for as a comment, and where and as whom they are run above those that
// are run alike. The commands between them are psql's.
func sqlText(want *state.Desired, steps []state.Step, user string) string {
	var b strings.Builder
	type place struct{ tenant, database, as string }
	var at place
	for i, s := range steps {
		here := place{s.Tenant, s.Database, s.As}
		if i == 0 || here != at {
			fmt.Fprintf(&b, "\n-- %s, in %s as %s\n", owner(s.Tenant), databaseOf(want, s), roleOf(want, s, user))
		}
		at = here
		fmt.Fprintf(&b, "-- %s\n%s;\n", s.Why, s.SQL)
	}
	return b.String()
}

// owner says whose a step is.
func owner(tenant string) string {
	if tenant == "" {
		return "instance"
	}
	return "tenant " + tenant
}

// databaseOf says where a step is run.
func databaseOf(want *state.Desired, s state.Step) string {
	if s.Database == "" {
		return want.Instance.Database
	}
	return s.Database
}

// roleOf says as whom a step is run.
func roleOf(want *state.Desired, s state.Step, user string) string {
	switch {
	case s.Superuser:
		return user
	case s.As == "":
		return want.Instance.Role
	}
	return s.As
}
