package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// TestStrictRevocations holds the list against each server: all of it exists there and was PUBLIC's, and nothing of the
// same kind was left out.
func TestStrictRevocations(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		s := pgtest.Shared(t, major)
		var functions []string
		ids := map[string]bool{}
		for _, r := range state.StrictRevocations(major * 10000) {
			if ids[r.ID] || !slices.IsSorted(r.Objects) || len(r.Objects) == 0 || r.Why == "" {
				t.Errorf("the group %s: %q", r.ID, r.Objects)
			}
			ids[r.ID] = true
			for _, object := range r.Objects {
				query := "SELECT has_function_privilege('public', " + constant(object) + "::regprocedure, 'EXECUTE')"
				if r.Kind == "TABLE" {
					query = "SELECT has_table_privilege('public', " + constant(object) + "::regclass, 'SELECT')"
				} else {
					functions = append(functions, object)
				}
				if got := s.Rows(t, "postgres", query); !slices.Equal(got, []string{"t"}) {
					t.Errorf("%s: %s gives %q", r.ID, query, got)
				}
			}
			for _, c := range r.Columns {
				if got := s.Rows(t, "postgres", "SELECT 1 FROM pg_attribute WHERE attrelid = "+constant(r.Objects[0])+
					"::regclass AND attname = "+constant(c)); len(got) != 1 {
					t.Errorf("%s has no column %s", r.Objects[0], c)
				}
			}
		}
		for _, name := range s.Rows(t, "postgres", `
			SELECT 'pg_catalog.' || proname || '(' || replace(oidvectortypes(proargtypes), ', ', ',') || ')'
			FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')
			AND (proname ~ '^pg_stat_get_(activity|archiver|backend|bgwriter|buf_|checkpoint|db_|io$|progress|recovery|replication|slru|subscription|wal)'
				OR proname ~ '^pg_(try_)?advisory_(xact_)?lock' OR proname ~ '^pg_(control|current_wal|last_wal|logical_emit|available_wal)_'
				OR proname ~ '^lo_(creat|from)' OR proname ~ '_blocking_pids$' OR proname ~ '^pg_tablespace_(size|databases)')
			ORDER BY 1`) {
			if !slices.Contains(functions, name) {
				t.Errorf("%s is everybody's in the strict profile", name)
			}
		}
	})
}

// TestStrictDrift opens what the strict profile closes, and takes from those who keep it: a superuser's Apply puts it
// right, and without a superuser each is a finding.
func TestStrictDrift(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		want := estate("alpha")
		p := prepare(t, major, want)
		p.apply(t)
		if plan, _, err := p.superuser(t).Plan(t.Context(), want, state.Options{}, p.credentials); err != nil || len(plan.Steps) > 0 {
			t.Fatalf("the standard profile: %v, %d steps", err, len(plan.Steps))
		}
		want.Instance.Strict = true
		apply := func() {
			t.Helper()
			if _, err := p.superuser(t).Apply(t.Context(), want, ApplyOptions{Credentials: p.credentials}); err != nil {
				t.Fatal(err)
			}
			p.clean(t)
		}
		apply()
		for _, drift := range []struct{ sql, step string }{
			{"GRANT EXECUTE ON FUNCTION pg_lock_status() TO PUBLIC", "strict/locks/revoke/PUBLIC"},
			{"GRANT SELECT ON pg_roles TO PUBLIC", "strict/settings-of-roles/revoke/PUBLIC"},
			{"GRANT EXECUTE ON FUNCTION pg_stat_get_activity(integer) TO alpha_app", "strict/activity/revoke/alpha_app"},
			{"REVOKE EXECUTE ON FUNCTION pg_advisory_lock(bigint) FROM alpha_migrator", "strict/advisory-locks/keep"},
			{"REVOKE SELECT ON pg_shdescription FROM alpha_backup", "strict/comments/keep"},
			{"REVOKE SELECT (rolname) ON pg_roles FROM PUBLIC", "strict/settings-of-roles/columns"},
		} {
			p.Exec(t, "db_alpha", drift.sql)
			plan, _, err := p.superuser(t).Plan(t.Context(), want, state.Options{}, p.credentials)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(plan.Steps, func(s state.Step) bool { return s.ID == "database/db_alpha/"+drift.step && s.Superuser }) {
				t.Errorf("after %s, the plan is %+v", drift.sql, plan.Steps)
			}
			plan, _, err = p.platform(t).Plan(t.Context(), want, state.Options{}, p.credentials)
			if err != nil {
				t.Fatal(err)
			}
			if len(plan.Steps) > 0 || !slices.ContainsFunc(plan.Findings, func(f state.Finding) bool {
				return f.ID == "needs-superuser" && strings.Contains(f.Object, drift.step)
			}) {
				t.Errorf("after %s, without a superuser: %d steps, findings %+v", drift.sql, len(plan.Steps), plan.Findings)
			}
			apply()
		}
	})
}
