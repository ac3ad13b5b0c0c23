package postgres

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// runScript has psql run a script, as a Job does, and gives its exit code and what it wrote.
func runScript(t *testing.T, dsn, script string, environment ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), pgtest.Client(t, "psql", 15), "--no-psqlrc", "--file=-", dsn)
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append(os.Environ(), environment...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// TestScript: psql leads an empty server to the state that a plan finds nothing to do about, and again.
func TestScript(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		want := estate()
		want.Tenants[0].Connections = 1
		want.Tenants[1].RowLevelSecurity = true
		alone := &state.Desired{Cluster: want.Cluster, Instance: want.Instance}
		p := &prepared{
			pgtest.Start(t, major, pgtest.Conf("log_statement = all", "log_min_duration_statement = 0")), want, passwords(want),
		}
		p.credentials[want.Instance.Role] = "password of the platform"
		ok := func(dsn, script string, environment ...string) {
			t.Helper()
			if code, out := runScript(t, dsn, script, environment...); code != 0 || out != "" {
				t.Fatalf("psql ended with %d and wrote:\n%s", code, out)
			}
		}
		var verifiers []string
		verifier := func(role string) string {
			v, err := NewVerifier(p.credentials[role])
			if err != nil {
				t.Fatal(err)
			}
			verifiers = append(verifiers, v)
			return v
		}
		platform := "PLATFORM_VERIFIER=" + verifier(want.Instance.Role)
		for range 2 {
			ok(p.SuperuserDSN("postgres"), alone.Script(state.Options{Instance: true}), platform)
		}

		environment := func(prefix, tenant string) []string {
			var out []string
			for _, file := range []string{"app", "backup", "migrator", "readonly"} {
				out = append(out, prefix+strings.ToUpper(file)+"_VERIFIER="+verifier(tenant+"_"+file))
			}
			return out
		}
		// One tenant's script by the platform's role, and that of both by a superuser.
		for range 2 {
			ok(p.platformDSN(), want.Script(state.Options{Tenants: []string{"alpha"}}), environment("", "alpha")...)
		}
		both := append(environment("ALPHA_", "alpha"), environment("BETA_", "beta")...)
		ok(p.SuperuserDSN("template1"), want.Script(state.Options{Instance: true}), append(both, platform)...)
		ok(p.platformDSN(), want.Script(state.Options{}), both...)
		p.clean(t)
		if done := p.apply(t); done.Steps != 0 {
			t.Errorf("after the script, there was still to do:\n%s", shown(done.Plan.Steps))
		}
		log := p.Log()
		for _, v := range verifiers {
			if strings.Contains(log, v) {
				t.Errorf("a verifier is in the server's log")
			}
		}
		if !strings.Contains(log, `ALTER ROLE "alpha_app" LOGIN`) || !strings.Contains(log,
			`GRANT CONNECT ON DATABASE "db_alpha"`) {
			t.Error("what is no secret is not in the server's log")
		}
	})
}

// TestScriptRefuses: what is not a verifier is not sent, and what is somebody else's is not taken over.
func TestScriptRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"), pgtest.Conf("log_statement = all"))
		script := p.want.Script(state.Options{})
		verifier, err := NewVerifier("secret")
		if err != nil {
			t.Fatal(err)
		}
		good := []string{
			"APP_VERIFIER=" + verifier, "BACKUP_VERIFIER=" + verifier, "MIGRATOR_VERIFIER=" + verifier, "READONLY_VERIFIER=" +
				verifier,
		}
		const plain = `hunter2'; \! echo "$0`
		for name, environment := range map[string][]string{
			"nothing": nil, "a password": append(good, "APP_VERIFIER="+plain), "md5": append(good,
				"MIGRATOR_VERIFIER=md5"+strings.Repeat("0", 32)),
			"empty": append(good, "READONLY_VERIFIER="),
		} {
			code, out := runScript(t, p.platformDSN(), script, environment...)
			if code == 0 || !strings.Contains(out, "_VERIFIER holds no SCRAM verifier") || strings.Contains(out, "hunter2") {
				t.Errorf("%s: psql ended with %d and wrote:\n%s", name, code, out)
			}
		}
		if strings.Contains(p.Log(), "hunter2") {
			t.Error("a password was sent to the server")
		}
		if got := p.Rows(t, "postgres", "SELECT rolname FROM pg_roles WHERE rolname LIKE 'alpha%'"); len(got) > 0 {
			t.Errorf("roles were made all the same: %q", got)
		}
		for name, foreign := range map[string][2]string{
			"the role alpha_app exists":    {"CREATE ROLE alpha_app", "DROP ROLE alpha_app"},
			"the database db_alpha exists": {"CREATE DATABASE db_alpha", "DROP DATABASE db_alpha"},
			"the role alpha_owner exists":  {"CREATE ROLE alpha_owner LOGIN CONNECTION LIMIT 0", "DROP ROLE alpha_owner"},
			"the role alpha_backup exists": {
				"CREATE ROLE alpha_backup NOLOGIN CONNECTION LIMIT 0; " +
					"COMMENT ON ROLE alpha_backup IS 'zave: tenant alphabet, spec x'",
				"DROP ROLE alpha_backup",
			},
		} {
			p.Exec(t, "postgres", foreign[0])
			if code, out := runScript(t, p.platformDSN(), script, good...); code == 0 || !strings.Contains(out,
				name) {
				t.Errorf("%s: psql ended with %d and wrote:\n%s", name, code, out)
			}
			plan, _, err := p.platform(t).Plan(t.Context(), p.want, state.Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(plan.Refusals) != 1 || !strings.Contains(plan.Refusals[0].Message, name) ||
				len(plan.Steps) > 0 {
				t.Errorf("%s: the plan refuses %+v", name, plan.Refusals)
			}
			p.Exec(t, "postgres", foreign[1])
		}
		// What a run left that was stopped after its first statement is ours.
		p.Exec(t, "postgres", "SET ROLE platform_bootstrap", "CREATE ROLE alpha_app NOLOGIN CONNECTION LIMIT 0")
		if code, out := runScript(t, p.platformDSN(), script, good...); code != 0 {
			t.Errorf("psql ended with %d and wrote:\n%s", code, out)
		}
		for role := range passwords(p.want) {
			p.credentials[role] = "secret"
		}
		p.clean(t)
	})
}
