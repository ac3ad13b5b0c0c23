package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// TestAuditClean holds that nothing is said against a server that is as a platform has it: prepared, with the generated
// pg_hba.conf and postgresql.conf, in both profiles. What a role without a superuser's rights cannot see it says.
func TestAuditClean(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		t.Parallel()
		g := newGarden(t, major, "synchronous_commit = on")
		for _, strict := range []bool{false, true} {
			t.Run(fmt.Sprintf("strict %t", strict), func(t *testing.T) {
				g.want.Instance.Strict = strict
				g.apply(t, nil)
				var want []string
				if major == 15 {
					want = []string{"medium createrole-15 platform_bootstrap"}
				}
				if got := found(t, g.look(t, g.admin)); !slices.Equal(got, want) {
					t.Errorf("the superuser finds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				want = append(want, "low unread how passwords are kept", "low unread pg_hba.conf",
					"low unread the settings that only superusers see", "low unread what is in the database template1")
				if got := found(t, g.look(t, g.platform)); !slices.Equal(got, want) {
					t.Errorf("the platform's role finds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			})
		}
	})
}

// found gives a plan's findings. The minor release of a test's server is what it is.
func found(t *testing.T, plan *state.Plan) []string {
	t.Helper()
	if len(plan.Steps)+len(plan.Refusals) > 0 {
		t.Errorf("the plan is not empty:\n%s", report(plan))
	}
	var out []string
	for _, f := range plan.Findings {
		if f.ID != "server-minor" {
			out = append(out, fmt.Sprintf("%s %s %s", f.Severity, f.ID, f.Object))
		}
	}
	return out
}

// TestAuditGrants holds that what a finding says would allow it to read more does: granted that, the platform's role
// audits what the superuser does, but for the passwords.
func TestAuditGrants(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		t.Parallel()
		g := newGarden(t, major, "synchronous_commit = on")
		for _, f := range g.look(t, g.platform).Findings {
			if f.ID != "unread" {
				continue
			}
			_, grants, ok := strings.Cut(f.Hint, ", or ")
			if !ok {
				continue
			}
			in := "postgres"
			if rest, ok := strings.CutPrefix(grants, "in the database zave "); ok {
				in, grants = "zave", rest
			}
			for sql := range strings.SplitSeq(grants, "; ") {
				g.run(t, []seedSQL{{In: in, SQL: sql}})
			}
		}
		want := append(found(t, g.look(t, g.admin)), "low unread how passwords are kept")
		if got := found(t, g.look(t, g.platform)); !slices.Equal(got, want) {
			t.Errorf("with what the hints say, the platform's role finds\n%s\nwant\n%s", strings.Join(got, "\n"),
				strings.Join(want, "\n"))
		}
	})
}

// TestAuditLeaves holds that an audit leaves no session behind in template1, where the next one would find it, and
// whoever creates a database would be stopped by it.
func TestAuditLeaves(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		ctx := context.Background()
		admin := reach(t, p.SuperuserDSN("postgres"))
		conn, err := admin.Open(ctx, "postgres")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		for range 20 {
			live, err := admin.InspectAudit(ctx, p.want)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(live.Evidence.Databases, func(e state.DatabaseEvidence) bool {
				return e.Database == "template1"
			}) {
				t.Fatal("template1 was not looked into")
			}
			var left int
			err = conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity "+
				"WHERE datname = 'template1' AND usename IS NOT NULL").Scan(&left)
			if err != nil {
				t.Fatal(err)
			}
			if left > 0 {
				t.Fatalf("%d sessions are still in template1", left)
			}
		}
	})
}
