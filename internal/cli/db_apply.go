package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/postgres"
	"github.com/zavestudios/zave/internal/postgres/state"
)

func (a *app) dbApplyCommand() *cobra.Command {
	var o dbOptions
	var dry bool
	cmd := &cobra.Command{
		Use:   "apply [flags]",
		Short: "Bring a server to what the specs say",
		Long: "Do what 'zave db plan' lists, in its order. It may be stopped at any point and run again: it goes on from " +
			"where it was. Two runs at once wait for each other. At the end the server is inspected again, and what is then " +
			"still not as it should be is an error.\n\n" +
			"A role gets its password from its file under --credentials; without that, passwords stay as they are, and a new " +
			"role has none. The server is sent SCRAM verifiers, never a password.",
		Example: "  PGUSER=postgres zave db apply --instance        once, as a superuser\n" +
			"  zave db apply --credentials DIR                 as platform_bootstrap\n" +
			"  zave db apply --tenant shop --dry-run",
		Args:                  noArgs("for one tenant, run 'zave db apply --tenant ARG'"),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return guarded(cmd.Context(), func() error { return a.dbApply(cmd.Context(), &o, dry) })
		},
	}
	o.wantFlags(a, cmd, true)
	o.instanceFlag(cmd, "prepare the instance, not the tenants")
	o.serverFlags(cmd)
	o.credentialsFlag(cmd)
	o.permissionFlags(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print the plan, and change nothing")
	o.formatsFlag(cmd, "text", "json")
	return cmd
}

// appliedDocument is what was done, in JSON.
type appliedDocument struct {
	planDocument
	Applied int    `json:"applied"` // steps
	Error   string `json:"error,omitempty"`
}

func (a *app) dbApply(ctx context.Context, o *dbOptions, dry bool) error {
	if dry {
		plan, err := a.showPlan(ctx, o)
		if err == nil && len(plan.Refusals) > 0 {
			err = errReported()
		}
		return err
	}
	run, err := a.connectTo(ctx, o)
	if err != nil {
		return err
	}
	options := postgres.ApplyOptions{
		Options: o.options(run.want), Credentials: run.credentials,
		Progress: func(done, total int, step state.Step) {
			a.stages.at(fmt.Sprintf("%d of %d: %s", done, total, whose(step.Tenant, step.Why)))
		},
		Waiting: a.waiting(),
	}
	a.stages.begin("apply")
	applied, err := run.server.Apply(ctx, run.want, options)
	a.stages.end()
	if applied == nil || err != nil && applied.Plan.Empty() {
		return err // it did not come to a plan
	}
	if o.format == "json" {
		doc := appliedDocument{planDocument: planOf(run.want, &applied.Plan, "", o.accepts), Applied: applied.Steps}
		if err != nil {
			doc.Error = err.Error()
		}
		return errors.Join(err, writeJSON(a.stdout, doc))
	}
	if err != nil {
		if applied.Steps > 0 {
			a.say("cluster %s: stopped after %s; run it again to go on from there", run.want.Cluster, count(applied.Steps, "step"))
		}
		return err
	}
	a.sayApplied(o, run.want, applied)
	return nil
}

// sayApplied gives a line for each tenant that something was done for, in the order of the work, and one for all.
func (a *app) sayApplied(o *dbOptions, want *state.Desired, applied *postgres.Applied) {
	plan := applied.Plan
	const most = 20
	groups := grouped(plan.Steps)
	for i, g := range groups {
		if i == most && !a.verbose {
			a.say("  and %d more; -v lists all", len(groups)-most)
			break
		}
		a.say("  %s: %s", g.name, count(len(g.steps), "step"))
	}
	if applied.Steps == 0 {
		a.say("cluster %s: nothing to do", want.Cluster)
	} else {
		a.say("cluster %s: %s done", want.Cluster, count(applied.Steps, "step"))
	}
	for _, name := range o.allowDrop {
		if !slices.ContainsFunc(plan.Steps, func(s state.Step) bool { return drops(s, name) }) {
			a.say("--allow-drop %s: there is nothing of that name to drop", name)
		}
	}
	made := 0
	for _, step := range plan.Steps {
		if o.credentials == "" && madeLogin(want, step) {
			made++
		}
	}
	if made > 0 {
		a.say("%s no password yet, and nobody can log in: run it again with --credentials DIR",
			counted(made, "new role has", "new roles have"))
	}
	a.sayFindings(o, plan.Findings)
}

// sayFindings lists what an apply has left for a person, and counts what is low.
func (a *app) sayFindings(o *dbOptions, findings []state.Finding) {
	l := &listing{color: a.colored(a.err), all: a.verbose}
	if a.err.is {
		l.columns = a.err.columns()
	}
	left := l.findings(findings)
	if l.Len() > 0 {
		a.say("left for a person:\n%s", strings.TrimSuffix(l.String(), "\n"))
	}
	if left != "" {
		command := "zave db plan -v"
		if o.instance {
			command += " --instance"
		}
		a.say("%s: '%s' lists what there is", left, command)
	}
}

// drops tells whether a step drops what --allow-drop names: a database, a role, or an extension of a database.
func drops(s state.Step, name string) bool {
	database, extension, _ := strings.Cut(name, "/")
	return s.ID == "database/"+name+"/drop" || s.ID == "role/"+name+"/drop" ||
		s.ID == "database/"+database+"/extension/"+extension+"/drop"
}

// madeLogin tells whether a step makes a role whose password comes from a file.
func madeLogin(want *state.Desired, s state.Step) bool {
	if s.ID == "role/"+want.Instance.Role+"/create" {
		return true
	}
	return slices.ContainsFunc(want.Tenants, func(t state.Tenant) bool {
		return t.Name == s.Tenant && slices.ContainsFunc(t.Roles.All(), func(role string) bool {
			_, ok := t.Roles.Credential(role)
			return ok && s.ID == "role/"+role+"/create"
		})
	})
}
