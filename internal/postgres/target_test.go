package postgres

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// on gives the results of what was tried on a tenant's restored database, and how many passed as whom, from outside or from
// within.
func on(r *Report, tenant string) (results []Result, passed map[string]int) {
	passed = map[string]int{}
	for _, res := range r.Results {
		if res.Tenant != tenant || res.Kind == "audit" {
			continue
		}
		results = append(results, res)
		if res.Outcome == Passed {
			passed[res.Kind+" "+res.Role]++
		}
	}
	return results, passed
}

// TestRestoreAttacked: the attacks are tried on the restored database itself, from outside and from within, and leave it,
// the tenant's roles and its own database as they were; what lets one through is found, and what changes a row.
func TestRestoreAttacked(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := house(t, major)
		p.want.Tenants[0].Extensions = []string{"hstore", "pgcrypto"}
		p.apply(t)
		v := newVault(t, major)
		v.backup(t, p, "alpha")
		ctx := t.Context()
		o := v.restoreOptions(p)
		o.Verify = &VerifyOptions{}
		before := everything(t, p)
		done, err := p.platform(t).RestoreTest(ctx, p.want, "alpha", o)
		if err != nil {
			t.Fatal(err)
		}
		if after := everything(t, p); !slices.Equal(before, after) {
			t.Errorf("the server has changed:\n%s", difference(before, after))
		}
		results, passed := on(done.Report, "alpha")
		for _, res := range results {
			if res.Outcome != Passed && res.Outcome != NotApplicable {
				t.Errorf("%s as %s: %s: %s", res.ID, res.Role, res.Outcome, res.Message)
			}
		}
		// The logins of rotation have no passwords, and attack from outside alone.
		for what, least := range map[string]int{
			"attack owner": 300, "attack migrator": 350, "attack app": 350, "attack readonly": 350, "attack backup": 350,
			"attack app_a": 60, "attack app_b": 60, "control migrator": 5, "control app": 5, "control readonly": 3, "control backup": 3,
		} {
			if passed[what] < least {
				t.Errorf("%s: %d passed, and at the least %d should: %v", what, passed[what], least, passed)
			}
		}
		if len(done.Warnings) > 0 {
			t.Errorf("warnings %q", done.Warnings)
		}
		// Nobody can show that an extension may not be made where it is there. It may not be dropped either.
		tried := map[string]Outcome{}
		for _, res := range results {
			tried[res.ID+" "+res.Role] = res.Outcome
		}
		for what, outcome := range map[string]Outcome{
			"extensions/create-trusted-hstore owner": NotApplicable, "extensions/create-in-app owner": NotApplicable,
			"extensions/create-trusted-citext owner": Passed, "extensions/drop-own owner": Passed, "extensions/move-own app": Passed,
		} {
			if tried[what] != outcome {
				t.Errorf("%s: %s, and not %s", what, tried[what], outcome)
			}
		}
		// The same to be kept: it is what was backed up, with no trace of the attacks.
		kept, err := p.platform(t).Restore(ctx, p.want, "alpha", o)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := inventory(t, p, "db_alpha"), inventory(t, p, kept.Database); !slices.Equal(a, b) {
			t.Errorf("the restored database differs:\n%s", difference(a, b))
		}

		// What is seeded after the plan was found empty is seen by the attacks, from outside and from within.
		o.Verify.Categories = []string{"connection", "ddl", "resources", "roles", "row-security"}
		seeds := []struct{ seed, undo, fails string }{
			{`GRANT CONNECT ON DATABASE "db_alpha-test" TO PUBLIC`, "", "connection/neighbour-database app restored"},
			{`GRANT CREATE ON DATABASE "db_alpha-test" TO alpha_app`, "", "ddl/create-schema app restored"},
			{`ALTER DATABASE "db_alpha-test" RESET lock_timeout`, "", "resources/lock-timeout app restored"},
			{"GRANT pg_read_all_data TO alpha_readonly", "REVOKE pg_read_all_data FROM alpha_readonly",
				"roles/set-role-pg_read_all_data readonly restored"},
			{"ALTER ROLE alpha_backup BYPASSRLS", "ALTER ROLE alpha_backup NOBYPASSRLS",
				"row-security/bypass-attribute backup restored"},
		}
		o.Progress = func(doing string) {
			if strings.HasPrefix(doing, "attacking ") {
				for _, c := range seeds {
					p.Exec(t, "postgres", c.seed)
				}
			}
		}
		done, err = p.platform(t).RestoreTest(ctx, p.want, "alpha", o)
		says(t, err, "the restored database db_alpha-test is as it was, but the promise does not hold", "zave db verify")
		failed := map[string]bool{}
		results, _ = on(done.Report, "alpha")
		for _, res := range results {
			failed[res.ID+" "+res.Role+" "+res.Where] = res.Outcome == Failed
		}
		for _, c := range seeds {
			if !failed[c.fails] {
				t.Errorf("%s: %s does not fail", c.seed, c.fails)
			}
			if c.undo != "" {
				p.Exec(t, "postgres", c.undo)
			}
		}
		if got := p.databases(t); len(got) != 3 {
			t.Errorf("databases %q", got)
		}
		// A row that is not as it was.
		o.Progress = func(doing string) {
			if doing == "verifying db_alpha-test again" {
				p.as(t, "db_alpha-test", "alpha_app", "DELETE FROM app.orders WHERE id = 3")
			}
		}
		_, err = p.platform(t).RestoreTest(ctx, p.want, "alpha", o)
		if err == nil || !strings.Contains(err.Error(), "after the attacks: the restored database db_alpha-test is not what was backed up") {
			t.Errorf("%v", err)
		}
	})
}

// TestRestoreAttackedBusy: where the application has all its connections in use, what would take one is not tried, and that
// is told; it is not taken for a pass, nor for a failure. What the tenant's own tables lack is told, too, and is no fault of
// the restore.
func TestRestoreAttackedBusy(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		want := estate("alpha")
		want.Tenants[0].Connections = 3 // of which one is the application's
		want.Tenants[0].RowLevelSecurity = true
		p := prepare(t, major, want)
		p.apply(t)
		stock(t, p, "alpha")
		v := newVault(t, major)
		v.backup(t, p, "alpha")
		ctx := t.Context()
		app, err := reach(t, p.DSN("alpha_app", "", "db_alpha")).Login(ctx, "db_alpha", "alpha_app", p.credentials["alpha_app"])
		if err != nil {
			t.Fatal(err)
		}
		defer app.Close(context.WithoutCancel(ctx))
		o := v.restoreOptions(p)
		o.Verify = &VerifyOptions{}
		done, err := p.platform(t).RestoreTest(ctx, p.want, "alpha", o)
		if err != nil {
			t.Fatal(err)
		}
		if len(done.Warnings) != 2 || !strings.HasPrefix(done.Warnings[0], "as in the backup, the table app.goods has no row-level") ||
			!strings.HasSuffix(done.Warnings[1], " attacks were not tried: "+noConnections) {
			t.Errorf("warnings %q", done.Warnings)
		}
		results, passed := on(done.Report, "alpha")
		for _, res := range results {
			if res.Role == "app" && res.Message == noConnections && res.Outcome != NotApplicable {
				t.Errorf("%s: %s", res.ID, res.Outcome)
			}
		}
		if passed["control app"] > 0 || passed["control readonly"] == 0 {
			t.Errorf("passed: %v", passed)
		}
		if _, err := app.Exec(ctx, "SELECT 1"); err != nil {
			t.Errorf("the application's session: %v", err)
		}
	})
}

// TestRestoreAttackedStrict: without a superuser, the attacks of the strict profile are left out, and that is told.
func TestRestoreAttackedStrict(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"))
		p.want.Instance.Strict = true
		strict := func() {
			t.Helper()
			if _, err := p.superuser(t).Apply(t.Context(), p.want, ApplyOptions{
				Options: state.Options{Instance: true}, Credentials: p.credentials,
			}); err != nil {
				t.Fatal(err)
			}
		}
		strict()
		stock(t, p, "alpha")
		v := newVault(t, major)
		v.backup(t, p, "alpha")
		o := v.restoreOptions(p)
		o.Verify = &VerifyOptions{}
		for _, c := range []struct {
			who      string
			server   *Server
			warnings []string
			strict   bool
		}{
			{"a superuser", p.superuser(t), nil, true},
			{"the platform's role", p.platform(t), []string{
				"only a superuser can do", "attacks were not tried: the strict profile takes a superuser, and platform_bootstrap is none",
			}, false},
		} {
			done, err := c.server.RestoreTest(t.Context(), p.want, "alpha", o)
			if err != nil {
				t.Errorf("%s: %v", c.who, err)
				continue
			}
			if !slices.EqualFunc(done.Warnings, c.warnings, strings.Contains) {
				t.Errorf("%s: warnings %q", c.who, done.Warnings)
			}
			results, passed := on(done.Report, "alpha")
			if (passed["strict app"] >= 20) != c.strict || passed["attack app"] < 300 {
				t.Errorf("%s: passed %v", c.who, passed)
			}
			for _, res := range results {
				if res.Outcome != Passed && res.Outcome != NotApplicable {
					t.Errorf("%s: %s as %s: %s: %s", c.who, res.ID, res.Role, res.Outcome, res.Message)
				}
			}
		}
	})
}
