package postgres

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// perform runs a plan's steps as they stand, one after the other. A warning is a failure.
func perform(t *testing.T, s *Server, want *state.Desired, l *state.Live, steps []state.Step) {
	t.Helper()
	ctx := context.Background()
	open := map[string]*Conn{}
	defer func() {
		for _, c := range open {
			c.Close(ctx)
		}
	}()
	for _, step := range steps {
		database := step.Database
		if database == "" {
			database = want.Instance.Database
		}
		conn := open[database]
		if conn == nil {
			if len(open) == 3 {
				for name, c := range open {
					c.Close(ctx)
					delete(open, name)
				}
			}
			var err error
			if conn, err = s.Open(ctx, database); err != nil {
				t.Fatalf("%s: %v", step.ID, err)
			}
			open[database] = conn
		}
		as := "SET ROLE " + state.Ident(want.Instance.Role)
		switch {
		case step.Superuser:
			as = "RESET ROLE"
		case step.As != "":
			as = "SET ROLE " + state.Ident(step.As)
		}
		sql := step.SQL
		if step.Password != "" {
			verifier, err := NewVerifier("password of " + step.Password)
			if err != nil {
				t.Fatal(err)
			}
			sql = step.Statement(state.Literal(verifier))
		}
		conn.takeWarnings()
		for _, q := range []string{as, sql} {
			if _, err := conn.PgConn().Exec(ctx, q).ReadAll(); err != nil {
				t.Fatalf("step %s: %s: %v", step.ID, q, err)
			}
		}
		if w := conn.takeWarnings(); len(w) > 0 {
			t.Fatalf("step %s: %s: %q", step.ID, step.SQL, w)
		}
	}
}

func inspected(t *testing.T, s *Server, want *state.Desired) *state.Live {
	t.Helper()
	l, err := s.Inspect(context.Background(), want)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// converge plans and performs until the plan is empty, at most three times, and gives the first plan.
func converge(t *testing.T, s *Server, want *state.Desired, o state.Options) state.Plan {
	t.Helper()
	var first state.Plan
	for round := range 4 {
		l := inspected(t, s, want)
		plan := want.Plan(l, o)
		if round == 0 {
			first = plan
		}
		if len(plan.Refusals) > 0 {
			t.Fatalf("refused: %+v", plan.Refusals)
		}
		if plan.Empty() {
			return first
		}
		if round == 3 {
			t.Fatalf("the plan is not empty after three rounds:\n%s", shown(plan.Steps))
		}
		perform(t, s, want, l, plan.Steps)
	}
	return first
}

func shown(steps []state.Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(s.ID + "\n\t" + s.SQL + "\n\t" + s.Why + "\n")
	}
	return b.String()
}

func credentials(want *state.Desired) map[string]bool {
	out := map[string]bool{}
	for role := range passwords(want) {
		out[role] = true
	}
	return out
}

func TestBootstrap(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		server := pgtest.Start(t, major)
		want := estate()
		want.Tenants[1].RowLevelSecurity = true
		super := reach(t, server.SuperuserDSN("postgres"))
		converge(t, super, &state.Desired{Cluster: want.Cluster, Instance: want.Instance}, state.Options{Instance: true})
		server.Exec(t, "postgres", "ALTER ROLE platform_bootstrap PASSWORD 'platform'")

		platform := reach(t, server.DSN("platform_bootstrap", "platform", "zave"))
		o := state.Options{Credentials: credentials(want)}
		first := converge(t, platform, want, o)
		if i := slices.IndexFunc(first.Steps, func(s state.Step) bool { return s.Superuser }); i >= 0 {
			t.Errorf("a superuser is needed: %+v", first.Steps[i])
		}
		// What a superuser sees is the same.
		if plan := want.Plan(inspected(t, super, want), state.Options{Instance: true}); !plan.Empty() {
			t.Errorf("for a superuser the plan is not empty:\n%s", shown(plan.Steps))
		}
		for role, password := range passwords(want) {
			database := "db_" + role[:strings.IndexByte(role, '_')]
			if err := login(platform, database, role, password); err != nil {
				t.Errorf("%s cannot log in: %v", role, err)
			}
			if err := login(platform, "postgres", role, password); code(err) != "42501" {
				t.Errorf("%s in postgres: %v", role, err)
			}
		}
	})
}

// TestAdministrator: at a cloud provider nobody is a superuser. Its administrator prepares the instance as far as that
// one may, the rest is said, and the tenants are made all the same.
func TestAdministrator(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		server := pgtest.Start(t, major)
		server.Exec(t, "postgres", "CREATE ROLE administrator LOGIN CREATEROLE CREATEDB PASSWORD 'administrator'",
			"ALTER DATABASE postgres OWNER TO administrator")
		want := estate()
		p := &prepared{server, want, passwords(want)}
		p.credentials[want.Instance.Role] = "password of the platform"
		s := reach(t, server.DSN("administrator", "administrator", "postgres"))
		alone := &state.Desired{Cluster: want.Cluster, Instance: want.Instance}
		o := ApplyOptions{Options: state.Options{Instance: true}, Credentials: p.credentials}
		for range 2 {
			done, err := s.Apply(t.Context(), alone, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range []string{"parameters/platform_bootstrap", "database/template1/revoke/PUBLIC"} {
				if !slices.ContainsFunc(done.Plan.Findings, func(f state.Finding) bool {
					return f.ID == "needs-superuser" && f.Object == object && strings.Contains(f.Hint,
						"SET ON") == strings.HasPrefix(object, "param")
				}) {
					t.Errorf("nobody says that %s takes a superuser: %+v", object, done.Plan.Findings)
				}
			}
		}
		done := p.apply(t)
		if !slices.ContainsFunc(done.Plan.Findings, func(f state.Finding) bool {
			return f.Object == "database/db_alpha/setting/temp_file_limit"
		}) {
			t.Errorf("nobody says that temporary files have no limit: %+v", done.Plan.Findings)
		}
		if again := p.apply(t); again.Steps != 0 {
			t.Errorf("a second run does %d steps", again.Steps)
		}
		// The administrator acts as the platform's role, and is no longer a member of it.
		if _, err := s.Apply(t.Context(), want, o); err != nil {
			t.Error(err)
		}
		set := "SELECT member::regrole FROM pg_auth_members WHERE roleid = 'platform_bootstrap'::regrole"
		if major >= 16 {
			set += " AND (set_option OR inherit_option)"
		}
		if members := server.Rows(t, "postgres", set); len(members) > 0 {
			t.Errorf("members of the platform's role: %q", members)
		}
		if got := server.Rows(t, "postgres",
			"SELECT datacl FROM pg_database WHERE datname = 'postgres' AND datacl::text LIKE '%{=%'"); len(got) > 0 {
			t.Errorf("everybody connects to postgres: %q", got)
		}
		// Prepared by the administrator, the rest by a superuser.
		if _, err := p.superuser(t).Apply(t.Context(), want, o); err != nil {
			t.Fatal(err)
		}
		p.clean(t)
	})
}

// TestInspectRunsNoCode: whatever a tenant has in its database, looking into it runs none of it.
func TestInspectRunsNoCode(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"))
		p.apply(t)
		traps := []string{
			"CREATE FUNCTION app.trap() RETURNS bool LANGUAGE plpgsql " +
				"AS $$ BEGIN RAISE EXCEPTION 'trapped as %', current_user; END $$",
		}
		for _, f := range []string{
			"aclexplode(aclitem[])", "acldefault(\"char\", oid)", "oidvectortypes(oidvector)", "array_to_json(anyarray)",
			"current_setting(text)", "pg_is_in_recovery()", "length(text)", "nameeq(name, text)", "unnest(text[])",
			"format_type(oid, int)",
			"pg_get_function_identity_arguments(oid)", "quote_ident(text)", "has_parameter_privilege(text, text)",
			"to_json(anyelement)",
		} {
			traps = append(traps, "CREATE FUNCTION app."+f+" RETURNS bool LANGUAGE sql AS 'SELECT app.trap()'")
		}
		for _, types := range [][2]string{{"name", "text"}, {"name", "name"}, {"oid", "oid"}, {"oid", "int"}, {"text",
			"text"}, {"\"char\"", "text"}} {
			f := "app.same(a " + types[0] + ", b " + types[1] + ")"
			traps = append(traps, "CREATE FUNCTION "+f+" RETURNS bool LANGUAGE sql AS 'SELECT app.trap()'")
			for _, op := range []string{"=", "<>", "!~", "||"} {
				traps = append(traps,
					"CREATE OPERATOR app."+op+" (FUNCTION = app.same, LEFTARG = "+types[0]+", RIGHTARG = "+types[1]+")")
			}
		}
		for _, name := range []string{
			"pg_class", "pg_namespace", "pg_proc", "pg_type", "pg_attribute", "pg_roles", "pg_default_acl", "pg_extension",
			"pg_depend", "pg_language",
		} {
			traps = append(traps, "CREATE VIEW app."+name+" AS SELECT app.trap() AS oid")
		}
		traps = append(traps,
			"CREATE DOMAIN app.odd AS int CHECK (app.trap())",
			"CREATE TABLE app.t (id int, d app.odd DEFAULT 1, CHECK (app.trap()))",
			"CREATE RULE trap AS ON INSERT TO app.t DO ALSO SELECT app.trap()", "CREATE POLICY trap ON app.t USING (app.trap())",
			"ALTER TABLE app.t ENABLE ROW LEVEL SECURITY", "GRANT SELECT (id) ON app.t TO PUBLIC",
		)
		ownerExec(t, p, "alpha", traps...)
		p.Exec(t, "db_alpha", "ALTER ROLE postgres IN DATABASE db_alpha SET search_path = app, pg_catalog")
		for _, s := range []*Server{p.platform(t), p.superuser(t)} {
			for _, inspect := range []func(context.Context, *state.Desired) (*state.Live, error){s.Inspect, s.InspectAudit} {
				l, err := inspect(t.Context(), p.want)
				if err != nil {
					t.Fatal(err)
				}
				if len(l.Inside) != 1 || len(l.Inside[0].Own) < len(traps)/2 {
					t.Fatalf("the traps were not looked at: %+v", l.Inside)
				}
			}
		}
		p.apply(t)
		p.clean(t)
	})
}

// TestInspectFull: a database without a free connection, and one that is closed, keep nobody from the others.
func TestInspectFull(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha", "beta", "gamma"))
		p.want.Tenants[0].Connections = 1
		p.apply(t)
		ctx := t.Context()
		s := p.platform(t)
		conn, err := s.Login(ctx, "db_alpha", "alpha_app", p.credentials["alpha_app"])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		p.Exec(t, "postgres", "ALTER DATABASE db_beta ALLOW_CONNECTIONS false")
		p.Exec(t, "db_gamma", "GRANT USAGE ON SCHEMA public TO PUBLIC")
		l := inspected(t, s, p.want)
		if len(l.Inside) != 1 || l.Inside[0].Database != "db_gamma" {
			t.Errorf("looked into %+v", l.Inside)
		}
		i := slices.IndexFunc(l.Unread, func(u state.Unread) bool { return u.Database == "db_alpha" })
		if i < 0 || !strings.Contains(l.Unread[i].Why, "too many connections") {
			t.Errorf("not read: %+v", l.Unread)
		}
		if !slices.ContainsFunc(l.Unread, func(u state.Unread) bool { return u.What == "pg_hba_file_rules" }) ||
			l.HBA != nil {
			t.Errorf("nobody says that pg_hba.conf was not read: %+v, %+v", l.Unread, l.HBA)
		}
		done := p.apply(t)
		for _, id := range []string{"database/db_beta/open", "database/db_gamma/schema/public/revoke/PUBLIC"} {
			if !slices.ContainsFunc(done.Plan.Steps, func(s state.Step) bool { return s.ID == id }) {
				t.Errorf("no step %s:\n%s", id, shown(done.Plan.Steps))
			}
		}
		if !slices.ContainsFunc(done.Plan.Findings, func(f state.Finding) bool {
			return f.ID == "unread" &&
				f.Tenant == "alpha"
		}) {
			t.Errorf("nobody says that db_alpha was not read: %+v", done.Plan.Findings)
		}
		if err := conn.Close(ctx); err != nil {
			t.Fatal(err)
		}
		pgtest.Wait(t, "the session to end", func() bool {
			return len(p.Rows(t, "postgres", "SELECT pid::text FROM pg_stat_activity WHERE datname = 'db_alpha'")) == 0
		})
		p.clean(t)
		l = inspected(t, p.superuser(t), p.want)
		if len(l.HBA) == 0 || len(l.Unread) > 0 {
			t.Errorf("a superuser reads everything: %+v", l.Unread)
		}
	})
}
