package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/postgres"
	"github.com/zavestudios/zave/internal/postgres/attack"
	"github.com/zavestudios/zave/internal/postgres/state"
)

func (a *app) dbVerifyCommand() *cobra.Command {
	var o dbOptions
	var v postgres.VerifyOptions
	cmd := &cobra.Command{
		Use:   "verify [flags]",
		Short: "Prove that no tenant can touch, see or starve another",
		Long: "Attack a server as each of a tenant's roles, and hold what it answers against what it must. Two throw-away " +
			"tenants are made for that as 'zave db apply' makes them, and removed at the end, also after an interrupt; no " +
			"other tenant is touched. Controls show that legitimate work still works. What no privilege can prevent in " +
			"PostgreSQL is listed with its limit. Beside that, the state of every tenant there is is compared with the specs.\n\n" +
			"With --audit-only it does the latter alone, and writes nothing: for a server in production. A finding of it that " +
			"you know and live with is accepted by its ID; it is then a note in the report.\n\n" +
			"Exit status 0: the promise holds. 1: it does not. 2: it could not be told, which is never a pass.",
		Example: "  zave db verify\n" +
			"  zave db verify --audit-only\n" +
			"  zave db verify --accept audit/createrole-15     on PostgreSQL 15\n" +
			"  zave db verify --format junit > isolation.xml",
		Args:                  noArgs("for one tenant's audit, run 'zave db verify --audit-only --tenant ARG'"),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return guarded(cmd.Context(), func() error { return a.dbVerify(cmd.Context(), &o, v) })
		},
	}
	o.wantFlags(a, cmd, true)
	cmd.Flags().Lookup("tenant").Usage = "audit only `TENANT`; may be repeated"
	o.serverFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&v.AuditOnly, "audit-only", false, "compare the state with the specs, attack nothing, and write nothing")
	f.BoolVar(&v.Strict, "strict", false, "try what only the strict profile closes, too")
	f.StringSliceVar(&v.Categories, "category", nil, "only the attacks of `CATEGORY`; may be repeated")
	o.acceptFlag(cmd)
	o.formatsFlag(cmd, "text", "json", "junit")
	complete(cmd, "category", func(string) []string { return categories() })
	return cmd
}

// categories are those of attacks, sorted.
func categories() []string {
	suite, err := attack.Load()
	if err != nil {
		return nil
	}
	var out []string
	for _, c := range suite.Checks {
		if c.Kind == attack.Standard || c.Kind == attack.Strict {
			out = append(out, c.Category)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (a *app) dbVerify(ctx context.Context, o *dbOptions, v postgres.VerifyOptions) error {
	if v.AuditOnly && (v.Strict || len(v.Categories) > 0) {
		return &problem{exit: exitUnknown, text: "--audit-only attacks nothing: leave out --strict and --category"}
	}
	run, err := a.connectTo(ctx, o)
	if err != nil {
		return err
	}
	v.Tenants = o.tenants
	// Without it a dump as the role for backups is not tried, which the report says.
	v.PgDump, _ = exec.LookPath("pg_dump")
	v.Progress = func(done, total int, what string) { a.stages.at(fmt.Sprintf("%d of %d: %s", done, total, what)) }
	v.Waiting = a.waiting()
	a.stages.begin("verify")
	report, err := run.server.Verify(ctx, run.want, v)
	a.stages.end()
	if report == nil {
		return err
	}
	for _, id := range o.accept {
		if accept(report, id) == 0 {
			a.say("--accept %s: there is no such finding", id)
		}
	}
	switch o.format {
	case "json":
		err = errors.Join(err, report.WriteJSON(a.stdout))
	case "junit":
		err = errors.Join(err, report.WriteJUnit(a.stdout))
	default:
		err = errors.Join(err, report.WriteText(a.stdout, a.colored(a.out), a.verbose))
	}
	switch {
	case err != nil:
		return err
	case report.Verdict() == postgres.Broken:
		return errReported()
	case report.Verdict() != postgres.Holds:
		return &problem{exit: exitUnknown}
	}
	return nil
}

// accept makes notes of the audit's findings with an ID, or with one that goes on behind it, and counts them. What an
// attack or a control has shown is never accepted.
func accept(report *postgres.Report, id string) int {
	n := 0
	for i := range report.Results {
		r := &report.Results[i]
		if r.Kind == "audit" && r.Outcome == postgres.Failed && state.Accepts(id, r.ID) {
			r.Outcome = postgres.Noted
			r.Message += "; this is accepted"
			n++
		}
	}
	return n
}
