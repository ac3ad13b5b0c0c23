package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// TestApply: the instance and its tenants are made, in one run by a superuser or in two by a superuser and the
// platform's role, and a second run finds nothing to do. Both ways lead to the same.
func TestApply(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		want := estate()
		one := &prepared{pgtest.Start(t, major), want, passwords(want)}
		one.credentials[want.Instance.Role] = "password of " + want.Instance.Role
		var said []string
		o := ApplyOptions{
			Options: state.Options{Instance: true}, Credentials: one.credentials,
			Progress: func(done, total int, step state.Step) {
				if done != len(said)+1 || done > total || step.ID == "" {
					t.Errorf("progress says step %d of %d, %q after %d steps", done, total, step.ID, len(said))
				}
				said = append(said, step.ID)
			},
		}
		ctx := t.Context()
		done, err := one.superuser(t).Apply(ctx, want, o)
		if err != nil {
			t.Fatal(err)
		}
		if done.Steps == 0 || done.Steps != len(said) || done.Steps != len(done.Plan.Steps) || len(done.Plan.Refusals) > 0 {
			t.Errorf("%d steps were done, %d told and %d planned", done.Steps, len(said), len(done.Plan.Steps))
		}
		two := prepare(t, major, want)
		if two.apply(t).Steps == 0 {
			t.Error("no steps for the tenants")
		}
		for name, p := range map[string]*prepared{"in one run": one, "in two": two} {
			p.clean(t)
			if again := p.apply(t); again.Steps != 0 {
				t.Errorf("%s: a second run by the platform's role does %d steps", name, again.Steps)
			}
			again, err := p.superuser(t).Apply(ctx, want, o)
			if err != nil || again.Steps != 0 {
				t.Errorf("%s: a second run by a superuser does %d steps: %v", name, again.Steps, err)
			}
			s := p.platform(t)
			for _, tenant := range want.Tenants {
				for _, role := range tenant.Roles.Logins() {
					err := login(s, tenant.Database, role, p.credentials[role])
					if _, has := tenant.Roles.Credential(role); has && err != nil {
						t.Errorf("%s: %s cannot log in: %v", name, role, err)
					} else if !has && code(err) != codeInvalidPassword {
						t.Errorf("%s: %s, which has no password, logs in: %v", name, role, err)
					}
				}
			}
		}
		if a, b := catalogue(t, one), catalogue(t, two); !slices.Equal(a, b) {
			t.Errorf("the two ways differ:\n%s\n---\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
	})
}

// TestAdministratorStops: the administrator of an instance at a cloud provider, who is no superuser, prepares it, and
// is told who has to make the tenants.
func TestAdministratorStops(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		want := estate()
		p := &prepared{pgtest.Start(t, major), want, passwords(want)}
		p.credentials[want.Instance.Role] = "x"
		p.Exec(t, "postgres", "CREATE ROLE administrator LOGIN CREATEROLE CREATEDB PASSWORD 'x'",
			"ALTER DATABASE postgres OWNER TO administrator")
		s := reach(t, p.DSN("administrator", "x", "postgres"))
		o := ApplyOptions{Options: state.Options{Instance: true}, Credentials: p.credentials}
		done, err := s.Apply(t.Context(), want, o)
		says(t, err, `the instance is prepared, and the tenants are not: the role "administrator" is no superuser`,
			"as platform_bootstrap")
		if done.Steps == 0 {
			t.Error("nothing was done")
		}
		p.apply(t)
		if again, err := s.Apply(t.Context(), want, o); err != nil || again.Steps > 0 {
			t.Errorf("when all is done, the administrator does %d steps: %v", again.Steps, err)
		}
	})
}

// catalogue is what roles and databases are like: owners, members, privileges, with names for numbers.
func catalogue(t *testing.T, p *prepared) []string {
	t.Helper()
	out := p.Rows(t, "postgres", `
		SELECT 'role', rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolconnlimit
		FROM pg_roles`)
	out = append(out, p.Rows(t, "postgres", `
		SELECT 'database', datname, datdba::regrole, datacl, datallowconn, datconnlimit FROM pg_database`)...)
	out = append(out, p.Rows(t, "postgres", `
		SELECT 'member', roleid::regrole, member::regrole, grantor::regrole, admin_option
		FROM pg_auth_members`)...)
	for _, tenant := range p.want.Tenants {
		out = append(out, p.Rows(t, tenant.Database, `
			SELECT current_database(), nspname, nspowner::regrole, nspacl FROM pg_namespace`)...)
		out = append(out, p.Rows(t, tenant.Database, `
			SELECT current_database(), defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl
			FROM pg_default_acl`)...)
	}
	slices.Sort(out)
	return out
}

func TestDryRun(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		before := sharedCatalogue(t, p)
		done, err := p.platform(t).Apply(t.Context(), p.want, ApplyOptions{DryRun: true, Credentials: p.credentials})
		if err != nil {
			t.Fatal(err)
		}
		if done.Steps != 0 || len(done.Plan.Steps) < 50 {
			t.Errorf("a dry run did %d steps and planned %d", done.Steps, len(done.Plan.Steps))
		}
		if after := sharedCatalogue(t, p); !slices.Equal(before, after) {
			t.Errorf("a dry run changed\n%s\ninto\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
	})
}

// sharedCatalogue is catalogue without what lies in the tenants' databases.
func sharedCatalogue(t *testing.T, p *prepared) []string {
	alone := *p.want
	alone.Tenants = nil
	return catalogue(t, &prepared{p.Server, &alone, p.credentials})
}

// TestSomeTenants: with some tenants asked for, nothing is done to the others, and nobody enters their databases.
func TestSomeTenants(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate(), pgtest.Conf("log_connections = on"))
		p.apply(t)
		for _, name := range []string{"alpha", "beta"} {
			p.Exec(t, "db_"+name, "GRANT CREATE ON SCHEMA app TO PUBLIC", "ALTER ROLE "+name+"_app CREATEDB PASSWORD NULL")
		}
		before := strings.Count(p.Log(), "database=db_beta")
		done, err := p.platform(t).Apply(t.Context(), p.want, ApplyOptions{
			Options: state.Options{Tenants: []string{"alpha"}}, Credentials: p.credentials,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range done.Plan.Steps {
			if step.Tenant != "alpha" {
				t.Errorf("did %s", stepName(step))
			}
		}
		if done.Steps < 3 {
			t.Errorf("did %d steps for alpha", done.Steps)
		}
		if after := strings.Count(p.Log(), "database=db_beta"); before == 0 || after != before {
			t.Errorf("beta's database was entered %d times", after-before)
		}
		p.apply(t)
		p.clean(t)
	})
}

// TestPasswords: a password that is not the one in its file is set, by whom it is found out in either way, and one that
// is stays as it is.
func TestPasswords(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		ctx := t.Context()
		for who, s := range map[string]*Server{"the platform's role": p.platform(t), "a superuser": p.superuser(t)} {
			p.Exec(t, "postgres", "ALTER ROLE alpha_app PASSWORD 'another'", "ALTER ROLE beta_backup PASSWORD NULL")
			stored := p.Rows(t, "postgres",
				"SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL ORDER BY 1")
			done, err := s.Apply(ctx, p.want, ApplyOptions{Credentials: p.credentials})
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, step := range done.Plan.Steps {
				ids = append(ids, step.ID)
			}
			if want := []string{"role/alpha_app/password", "role/beta_backup/password"}; !slices.Equal(ids, want) {
				t.Errorf("%s does %v, want %v", who, ids, want)
			}
			changed := 0
			for _, row := range p.Rows(t, "postgres",
				"SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL ORDER BY 1") {
				if !slices.Contains(stored, row) {
					changed++
				}
			}
			if changed != 2 {
				t.Errorf("%s changed %d verifiers, want 2", who, changed)
			}
			for _, role := range []string{"alpha_app", "beta_backup"} {
				if err := login(s, "db_"+strings.SplitN(role, "_", 2)[0], role, p.credentials[role]); err != nil {
					t.Errorf("%s: %s cannot log in: %v", who, role, err)
				}
			}
		}
		// What cannot be told is a finding, and no step.
		p.SetHBA(t, append([]string{"host all alpha_app all reject"}, p.UsualHBA()...)...)
		plan, _, err := p.platform(t).Plan(ctx, p.want, state.Options{}, p.credentials)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(plan.Findings, func(f state.Finding) bool { return f.ID == "password-unchecked" })
		if i < 0 || plan.Findings[i].Object != "alpha_app" || plan.Findings[i].Tenant != "alpha" || len(plan.Steps) > 0 {
			t.Errorf("a role that may not log in from here: %v, %v", plan.Findings, plan.Steps)
		}
	})
}

// TestSecretsStayHere: with everything logged that the server can log, no password is in its log, in a process's
// arguments or in the list of sessions; where the role may silence the log, no verifier is either.
func TestSecretsStayHere(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate(),
			pgtest.Conf("log_statement = all", "log_min_duration_statement = 0", "log_duration = on",
				"log_min_error_statement = debug5", "log_min_messages = debug1", "log_parameter_max_length = -1",
				"log_parameter_max_length_on_error = -1", "log_connections = on", "log_error_verbosity = verbose",
				"debug_print_parse = on"))
		look := func(_, _ int, step state.Step) {
			if step.Password == "" {
				return
			}
			seen := strings.Join(p.Rows(t, "postgres", "SELECT query FROM pg_stat_activity"), "\n") + "\n" + processes(t)
			for role, password := range p.credentials {
				if strings.Contains(seen, password) {
					t.Errorf("the password of %s shows in a list of sessions or processes", role)
				}
			}
		}
		if _, err := p.platform(t).Apply(t.Context(), p.want,
			ApplyOptions{Credentials: p.credentials, Progress: look}); err != nil {
			t.Fatal(err)
		}
		log := p.Log()
		if !strings.Contains(log, "CREATE ROLE") || !strings.Contains(log, "alpha_owner") {
			t.Fatal("the log has no statements, so that what it lacks proves nothing")
		}
		for role, password := range p.credentials {
			if strings.Contains(log, password) {
				t.Errorf("the password of %s is in the server's log", role)
			}
		}
		if i := strings.Index(log, "SCRAM-SHA-256$"); i >= 0 {
			t.Errorf("a verifier is in the server's log: …%s…", log[max(0, i-300):min(len(log), i+60)])
		}
		p.Exec(t, "postgres", "REVOKE SET ON PARAMETER log_statement FROM platform_bootstrap",
			"ALTER ROLE alpha_app PASSWORD NULL")
		p.apply(t)
		for role, password := range p.credentials {
			if strings.Contains(p.Log(), password) {
				t.Errorf("the password of %s is in the server's log", role)
			}
		}
	})
}

// TestTenantsApart: what goes wrong in one tenant's database keeps no other tenant from its state, and is told.
func TestTenantsApart(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha", "beta", "gamma"))
		p.apply(t)
		for _, name := range []string{"alpha", "gamma"} {
			p.Exec(t, "db_"+name, `CREATE FUNCTION public.no() RETURNS event_trigger LANGUAGE plpgsql AS
				$$ BEGIN RAISE EXCEPTION 'not here' USING ERRCODE = 'ZA001'; END $$`,
				"CREATE EVENT TRIGGER no ON ddl_command_start WHEN TAG IN ('REVOKE') EXECUTE FUNCTION public.no()")
		}
		for _, name := range []string{"alpha", "beta", "gamma"} {
			p.Exec(t, "db_"+name, "GRANT CREATE ON SCHEMA app TO PUBLIC")
		}
		_, err := p.platform(t).Apply(t.Context(), p.want, ApplyOptions{Credentials: p.credentials})
		says(t, err, "2 tenants are not as they should be:", "the other tenants are")
		for _, part := range []string{"alpha: ", "gamma: ", "not here (SQLSTATE ZA001)", "PUBLIC"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%q is not in %v", part, err)
			}
		}
		const open = "SELECT count(*) FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'app' AND grantee = 0"
		if got := p.Rows(t, "db_beta", open); got[0] != "0" {
			t.Errorf("beta's schema is open: %v", got)
		}
		if got := p.Rows(t, "db_alpha", open); got[0] == "0" {
			t.Errorf("alpha's schema is closed: %v", got)
		}
	})
}

// TestRemains: where something changes back what was done, the run does not end, and does not say that all is well.
func TestRemains(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"))
		p.apply(t)
		p.Exec(t, "db_alpha", `CREATE FUNCTION public.back() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
			$$ BEGIN IF tg_tag = 'REVOKE' THEN GRANT CREATE ON SCHEMA app TO PUBLIC; END IF; END $$`,
			"CREATE EVENT TRIGGER back ON ddl_command_end WHEN TAG IN ('REVOKE') EXECUTE FUNCTION public.back()",
			"GRANT CREATE ON SCHEMA app TO PUBLIC")
		done, err := p.platform(t).Apply(t.Context(), p.want, ApplyOptions{Credentials: p.credentials})
		says(t, err, "applied, but", "something changes them back")
		if done.Steps == 0 || err == nil || !strings.Contains(err.Error(), "PUBLIC") {
			t.Errorf("after %d steps: %v", done.Steps, err)
		}
	})
}

// try runs statements as steps of one plan, on a prepared server.
func try(t *testing.T, p *prepared, steps ...state.Step) (*applier, error) {
	t.Helper()
	s := p.platform(t)
	live, err := s.Inspect(t.Context(), p.want)
	if err != nil {
		t.Fatal(err)
	}
	held, err := s.lock(t.Context(), p.want.Instance.Database, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close(context.WithoutCancel(t.Context()))
	r := &applier{server: s, want: p.want, live: live, o: ApplyOptions{Credentials: p.credentials}, held: held,
		total: len(steps)}
	return r, Explain(r.run(t.Context(), steps))
}

// TestSteps: what a statement's errors and warnings come to.
func TestSteps(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"))
		p.apply(t)
		p.Exec(t, "zave", "CREATE SCHEMA t", "GRANT USAGE ON SCHEMA t TO PUBLIC", "CREATE SEQUENCE t.tried",
			"GRANT ALL ON SEQUENCE t.tried TO PUBLIC")
		raise := func(times int, sqlstate, message string) state.Step {
			return state.Step{ID: "raise", Why: "of a test", SQL: fmt.Sprintf(`DO $$ BEGIN
				IF nextval('t.tried') <= %d THEN RAISE EXCEPTION '%s' USING ERRCODE = '%s'; END IF;
			END $$`, times, message, sqlstate)}
		}
		for _, c := range []struct {
			step  state.Step
			tries int
			want  string // in the error; empty: there is none
		}{
			{raise(3, "40001", "x"), 4, ""},
			{raise(3, "40P01", "x"), 4, ""},
			{raise(3, "55006", "x"), 4, ""},
			{raise(3, "XX000", "tuple concurrently updated"), 4, ""},
			{raise(99, "40001", "x"), 6, "refused: x (SQLSTATE 40001)"},
			{raise(99, "XX000", "cache lookup failed"), 1, "cache lookup failed"},
			{raise(99, "22023", "x"), 1, "refused: x (SQLSTATE 22023)"},
			{raise(99, "53100", "x"), 1, "the server's disk is full: x"},
			{raise(99, "53200", "out of shared memory"), 1, "the server's lock table is full"},
			{raise(99, "53200", "out of memory"), 1, "out of memory"},
			{raise(99, "55P03", "x"), 1, "another session holds what has to be changed"},
			{state.Step{SQL: "SELECT nextval('t.tried')"}, 1, ""},
			{state.Step{SQL: "DO $$ BEGIN PERFORM nextval('t.tried'); RAISE WARNING 'beware'; END $$"}, 1,
				"the server warned: beware"},
			{state.Step{SQL: "DO $$ BEGIN PERFORM nextval('t.tried'); RAISE NOTICE 'by the way'; END $$"}, 1, ""},
		} {
			p.Exec(t, "zave", "ALTER SEQUENCE t.tried RESTART")
			r, err := try(t, p, c.step)
			if c.want == "" && (err != nil || r.done != 1) {
				t.Errorf("%s: %v", c.step.SQL, err)
			} else if c.want != "" {
				says(t, err, c.want, "")
			}
			if got := p.Rows(t, "zave", "SELECT last_value FROM t.tried"); got[0] != fmt.Sprint(c.tries) {
				t.Errorf("%s was tried %s times, want %d", c.step.SQL, got[0], c.tries)
			}
		}
		// Who acts.
		p.Exec(t, "db_alpha", "CREATE TABLE public.acted (who text, session text)", "GRANT ALL ON public.acted TO PUBLIC",
			"GRANT USAGE ON SCHEMA public TO PUBLIC")
		grant := "GRANT alpha_owner TO platform_bootstrap"
		if major >= 16 {
			grant += " WITH SET TRUE"
		}
		p.Exec(t, "postgres", grant)
		act := "INSERT INTO public.acted VALUES (current_user, session_user)"
		_, err := try(t, p,
			state.Step{Tenant: "alpha", Database: "db_alpha", As: "alpha_owner", SQL: act},
			state.Step{Tenant: "alpha", Database: "db_alpha", SQL: act},
			state.Step{Tenant: "alpha", Database: "db_alpha", As: "alpha_owner", SQL: act},
			state.Step{Tenant: "alpha", Database: "db_alpha", As: "platform_bootstrap", SQL: act})
		got := p.Rows(t, "db_alpha", "SELECT * FROM public.acted")
		if want := []string{
			"alpha_owner|platform_bootstrap", "platform_bootstrap|platform_bootstrap",
			"alpha_owner|platform_bootstrap", "platform_bootstrap|platform_bootstrap",
		}; err != nil || !slices.Equal(got, want) {
			t.Errorf("acted as %v: %v", got, err)
		}
	})
}

// TestPrivileges: each thing that the role that connects may lack is named.
func TestPrivileges(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		pg := pgtest.Start(t, major)
		want := estate("alpha")
		apply := func(user, password string, o ApplyOptions) error {
			t.Helper()
			_, err := reach(t, pg.DSN(user, password, "postgres")).Apply(t.Context(), want, o)
			return err
		}
		pg.Exec(t, "postgres", "CREATE ROLE plain LOGIN PASSWORD 'x'", "CREATE ROLE admin LOGIN CREATEROLE PASSWORD 'x'")
		instance := ApplyOptions{Options: state.Options{Instance: true}}
		says(t, apply("plain", "x", ApplyOptions{}), `the instance has not been prepared`, "apply --instance")
		says(t, apply("plain", "x", instance), "is no superuser and lacks CREATEROLE and CREATEDB", "superuser")
		says(t, apply("admin", "x", instance), "is no superuser and lacks CREATEDB", "superuser")

		p := &prepared{pg, want, passwords(want)}
		p.credentials[want.Instance.Role] = "y"
		p.instance(t)
		says(t, apply("plain", "x", ApplyOptions{}), `lacks the privilege CONNECT on the database "zave"`, "GRANT CONNECT")
		pg.Exec(t, "postgres", "GRANT CONNECT ON DATABASE zave TO plain")
		says(t, apply("plain", "x", ApplyOptions{}), "the role plain is no superuser and may not become platform_bootstrap",
			"platform_bootstrap")
		for attribute, back := range map[string]string{"NOCREATEDB": "CREATEDB", "NOCREATEROLE": "CREATEROLE"} {
			pg.Exec(t, "postgres", "ALTER ROLE platform_bootstrap "+attribute)
			says(t, apply("platform_bootstrap", "y", ApplyOptions{}), "the role platform_bootstrap lacks "+back,
				"apply --instance")
			pg.Exec(t, "postgres", "ALTER ROLE platform_bootstrap "+back)
		}
		// What a statement of the plan's itself is refused for.
		_, err := try(t, p, state.Step{ID: "x", SQL: "CREATE ROLE other SUPERUSER"})
		says(t, err, `the role "platform_bootstrap" lacks the attribute SUPERUSER`, "superuser")
		_, err = try(t, p, state.Step{ID: "x", SQL: "ALTER DATABASE postgres RENAME TO other"})
		says(t, err, `the role "platform_bootstrap" lacks the ownership of an object: must be owner of database postgres`, "")
		_, err = try(t, p, state.Step{ID: "x", SQL: "SET ROLE plain"})
		says(t, err, `lacks a membership with SET`, "")
		_, err = try(t, p, state.Step{ID: "x", SQL: "SET log_duration = on"})
		says(t, err, `lacks the privilege SET on a parameter`, "apply --instance")
		pg.Exec(t, "postgres", "REVOKE CONNECT ON DATABASE zave FROM plain")
		p.apply(t)
		p.clean(t)
	})
}

// TestForeign: a role or a database of a wanted name that is not ours is not touched, unless it is adopted.
func TestForeign(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.Exec(t, "postgres", "CREATE ROLE alpha_app LOGIN PASSWORD 'theirs'", "CREATE DATABASE db_beta")
		before := sharedCatalogue(t, p)
		done, err := p.superuser(t).Apply(t.Context(), p.want, ApplyOptions{Credentials: p.credentials})
		says(t, err, "nothing was changed, for 2 reasons", "")
		for _, part := range []string{"the role alpha_app exists and is not zave's", "the database db_beta exists",
			"--adopt alpha_app"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is not in %v", part, err)
			}
		}
		if after := sharedCatalogue(t, p); done.Steps != 0 || !slices.Equal(before, after) {
			t.Errorf("%d steps were done, from\n%s\nto\n%s", done.Steps, strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
		o := ApplyOptions{Credentials: p.credentials, Options: state.Options{Adopt: []string{"alpha_app", "db_beta"}}}
		if _, err := p.superuser(t).Apply(t.Context(), p.want, o); err != nil {
			t.Fatal(err)
		}
		p.clean(t)
	})
}

// TestLock: runs wait for each other, say for whom, and give up when their time is over.
func TestLock(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"))
		s := p.platform(t)
		held, err := s.lock(t.Context(), "zave", nil)
		if err != nil {
			t.Fatal(err)
		}
		short, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer stop()
		_, err = s.Apply(short, p.want, ApplyOptions{})
		says(t, err, `as the role "platform_bootstrap" from 127.0.0.1`, "pg_terminate_backend")

		told := make(chan string, 100)
		type result struct {
			done *Applied
			err  error
		}
		ended := make(chan result, 1)
		go func() {
			done, err := s.Apply(t.Context(), p.want,
				ApplyOptions{Credentials: p.credentials, Waiting: func(h string) { told <- h }})
			ended <- result{done, err}
		}()
		if h := <-told; !strings.Contains(h, fmt.Sprintf("process %d of the server", held.PgConn().PID())) {
			t.Errorf("it waits for %q", h)
		}
		select {
		case r := <-ended:
			t.Fatalf("it did not wait: %v", r)
		default:
		}
		if err := held.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := <-ended; r.err != nil || r.done.Steps == 0 {
			t.Errorf("after the wait: %v, %v", r.done, r.err)
		}
		p.clean(t)
	})
}

// TestLockLost: a run whose lock's session is ended does not go on as if it had the lock.
func TestLockLost(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		var once sync.Once
		o := ApplyOptions{Credentials: p.credentials, Progress: func(int, int, state.Step) {
			once.Do(func() {
				ended := p.Rows(t, "postgres", "SELECT pg_terminate_backend(pid, 60000) FROM pg_locks WHERE locktype = 'advisory'")
				if len(ended) != 1 || ended[0] != "t" {
					t.Errorf("ended %v", ended)
				}
			})
		}}
		_, err := p.platform(t).Apply(t.Context(), p.want, o)
		says(t, err, "the connection to the server was lost at step ", "run the same again: what is done stays, and it goes on from there")
		p.apply(t)
		p.clean(t)
	})
}

// TestInterrupted: a run that its caller gives up leaves nothing running, says that it was given up, and another one
// goes on.
func TestInterrupted(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		for _, at := range []int{1, 10, 17, 40, 70} {
			ctx, stop := context.WithCancel(t.Context())
			_, err := p.platform(t).Apply(ctx, p.want, ApplyOptions{
				Credentials: p.credentials,
				Progress: func(done, _ int, _ state.Step) {
					if done == at {
						stop()
					}
				},
			})
			stop()
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("stopped at step %d: %v", at, err)
			}
			pgtest.Wait(t, "the run's sessions to end", func() bool {
				return p.Rows(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'zave'")[0] == "0"
			})
		}
		p.apply(t)
		p.clean(t)
	})
}
