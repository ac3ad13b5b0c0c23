package postgres

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zavestudios/zave/internal/golden"
	"github.com/zavestudios/zave/internal/postgres/attack"
	"github.com/zavestudios/zave/internal/postgres/pgtest"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// closed starts a server whose pg_hba.conf is the one that is generated, with the superuser let in over the network, and
// does the instance's step and the tenants'.
func closed(t *testing.T, major int, want *state.Desired) *prepared {
	t.Helper()
	want.Instance.Superuser = pgtest.Superuser
	p := prepare(t, major, want, pgtest.TLS(), pgtest.HBA(strings.Split(want.HBA(), "\n")...))
	if _, err := p.superuser(t).Apply(t.Context(), p.want, ApplyOptions{Credentials: p.credentials}); err != nil {
		t.Fatal(err)
	}
	return p
}

// suiteOnly gives a report without its audit: the servers of tests have settings of their own.
func suiteOnly(report *Report) *Report {
	r := *report
	r.Results = slices.DeleteFunc(slices.Clone(r.Results), func(r Result) bool { return r.Kind == "audit" })
	return &r
}

// text is a report as a person reads it.
func text(t *testing.T, report *Report) string {
	t.Helper()
	var b strings.Builder
	if err := report.WriteText(&b, false, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// gone fails the test if anything of the throw-away tenants is left.
func gone(t *testing.T, p *prepared) {
	t.Helper()
	if left := p.Rows(t, "postgres", `SELECT rolname FROM pg_roles WHERE rolname LIKE 'zave probe%'
		UNION ALL SELECT datname FROM pg_database WHERE datname LIKE 'zave probe%'`); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestVerify runs the whole suite as the platform's role, on a server that an Apply prepared: every attack is refused,
// all legitimate work is done, and what is called inherent is possible.
func TestVerify(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := closed(t, major, estate())
		var calls, last int
		report, err := p.platform(t).Verify(t.Context(), p.want, VerifyOptions{
			PgDump:   pgtest.Client(t, "pg_dump", major),
			Progress: func(done, total int, _ string) { calls, last = calls+1, total },
		})
		if err != nil {
			t.Fatal(err)
		}
		gone(t, p)
		r := suiteOnly(report)
		s := r.Summary()
		if r.Verdict() != Holds || s.Strict.Tried() > 0 || calls != len(r.Results) || last != calls {
			t.Error(text(t, r))
		}
		for _, role := range s.Role {
			if role.Passed < 200 {
				t.Errorf("as %s %d attempts were refused, and 200 are to be", role.Name, role.Passed)
			}
		}
		if ids := distinct(r, "inherent", Inevitable); len(ids) < 20 {
			t.Errorf("%d things are inherent: %q", len(ids), ids)
		}
		for _, res := range r.Results {
			if res.Kind == "inherent" && res.Outcome != Inevitable {
				t.Errorf("%s as %s is called inherent, and is prevented: %s", res.ID, res.Role, res.Message)
			}
			if res.Outcome == NotApplicable && res.Kind != "strict" && !strings.Contains(res.Message, "have what it is about") &&
				!strings.Contains(res.Message, "was the last to have") && !strings.Contains(res.Message, "no files of the extension pl") {
				t.Errorf("%s as %s was left out: %s", res.ID, res.Role, res.Message)
			}
			if strings.Contains(fmt.Sprint(res), "zave probe") {
				t.Errorf("a result names the throw-away tenant, and is another one the next time: %+v", res)
			}
		}
	})
}

// distinct gives the identifiers of a kind's checks that came to an outcome.
func distinct(r *Report, kind string, o Outcome) []string {
	var out []string
	for _, res := range r.Results {
		if res.Kind == kind && res.Outcome == o && !slices.Contains(out, res.ID) {
			out = append(out, res.ID)
		}
	}
	return out
}

// TestVerifyStrict does the same with the strict profile, as the superuser that it takes. No attack of the profile's stays
// open, and drivers, psql and pg_dump go on to work.
func TestVerifyStrict(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		want := estate()
		want.Instance.Strict = true
		p := closed(t, major, want)
		p.clean(t)
		report, err := p.superuser(t).Verify(t.Context(), p.want, VerifyOptions{PgDump: pgtest.Client(t, "pg_dump", major)})
		if err != nil {
			t.Fatal(err)
		}
		gone(t, p)
		r := suiteOnly(report)
		if s := r.Summary(); r.Verdict() != Holds || r.Profile != "strict" || s.Open > 0 || len(distinct(r, "strict", Passed)) < 40 {
			t.Error(text(t, r))
		}
		// Closing has deviated nothing from the plan, and opened nothing in the eyes of the audit.
		for _, res := range report.Results {
			if res.Kind == "audit" && res.Outcome == Failed && !strings.Contains(res.ID, "/setting-") &&
				!strings.Contains(res.ID, "/server-minor/") && !strings.Contains(res.ID, "/createrole-15/") {
				t.Errorf("%s: %s (%s)", res.ID, res.Message, res.Fix)
			}
		}
	})
}

// TestStrictClients has psql describe a database of the strict profile, as those who would.
func TestStrictClients(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		want := estate("alpha")
		want.Instance.Strict = true
		p := closed(t, major, want)
		owner := reach(t, p.DSN("alpha_migrator", p.credentials["alpha_migrator"], "db_alpha"))
		conn, err := owner.Login(t.Context(), "db_alpha", "alpha_migrator", p.credentials["alpha_migrator"])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		for _, sql := range []string{
			"SET ROLE alpha_owner", "CREATE TABLE app.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)",
			"CREATE VIEW app.notes AS SELECT note FROM app.orders", "CREATE TYPE app.mood AS ENUM ('calm')",
		} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		for _, role := range []string{"alpha_migrator", "alpha_app", "alpha_readonly", "alpha_backup"} {
			out, err := describe(t, major, p.DSN(role, p.credentials[role], "db_alpha"), `\d`, `\d app.orders`, `\d+ app.notes`, `\dt app.*`, `\dn`, `\df app.*`, `\dT+ app.*`, `\ds`, `\dp`, `\l`, `\dx`, `\conninfo`)
			if err != nil || strings.Contains(out, "ERROR") {
				t.Errorf("as %s: %v\n%s", role, err, out)
			}
		}
	})
}

// describe has psql run its commands that describe things.
func describe(t *testing.T, major int, dsn string, commands ...string) (string, error) {
	t.Helper()
	args := []string{"--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", dsn}
	for _, c := range commands {
		args = append(args, "--command="+c)
	}
	out, err := exec.CommandContext(t.Context(), pgtest.Client(t, "psql", major), args...).CombinedOutput()
	return string(out), err
}

// unhardened makes the throw-away tenants as many do: CREATE DATABASE, a few roles, a few grants.
func unhardened(t *testing.T, p *prepared, probes *probes) {
	t.Helper()
	if err := probes.verify(); err != nil {
		t.Fatal(err)
	}
	id := state.Ident
	for _, tenant := range probes.want.Tenants {
		r := tenant.Roles
		p.Exec(t, "postgres", "CREATE ROLE "+id(r.Owner)+" NOLOGIN")
		for _, role := range r.Logins() {
			verifier, err := NewVerifier(probes.passwords[role])
			if err != nil {
				t.Fatal(err)
			}
			if v := probes.verifiers[role]; v != "" {
				verifier = v
			}
			p.Exec(t, "postgres", "CREATE ROLE "+id(role)+" LOGIN PASSWORD "+constant(verifier),
				"GRANT "+id(role)+" TO platform_bootstrap WITH ADMIN OPTION")
		}
		p.Exec(t, "postgres",
			"GRANT "+id(r.Owner)+" TO "+id(r.Migrator), "GRANT "+id(r.App)+" TO "+id(r.AppA)+", "+id(r.AppB),
			"CREATE DATABASE "+id(tenant.Database)+" OWNER "+id(r.Owner),
			"ALTER DATABASE "+id(tenant.Database)+" SET search_path = app, public",
		)
		defaults := "ALTER DEFAULT PRIVILEGES FOR ROLE " + id(r.Owner) + " IN SCHEMA app GRANT "
		p.Exec(t, tenant.Database,
			"CREATE SCHEMA app AUTHORIZATION "+id(r.Owner), "CREATE SCHEMA extensions",
			"GRANT USAGE ON SCHEMA app, extensions TO "+id(r.App)+", "+id(r.ReadOnly)+", "+id(r.Backup),
			defaults+"ALL ON TABLES TO "+id(r.App), defaults+"SELECT ON TABLES TO "+id(r.ReadOnly)+", "+id(r.Backup),
			defaults+"ALL ON SEQUENCES TO "+id(r.App), defaults+"SELECT ON SEQUENCES TO "+id(r.ReadOnly)+", "+id(r.Backup),
		)
	}
}

// TestVerifyUnhardened shows that the suite sees: it runs against tenants that were made carelessly. The goldens hold who
// got through with what, and what the server still refuses.
func TestVerifyUnhardened(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := &prepared{Server: pgtest.Start(t, major, pgtest.TLS()), want: estate()}
		p.Exec(t, "postgres", "CREATE ROLE platform_bootstrap LOGIN CREATEROLE CREATEDB", "CREATE DATABASE zave")
		s := p.superuser(t)
		base, conn, err := s.reach(t.Context(), "zave")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		probes, err := newProbes(t.Context(), conn, p.want, false)
		if err != nil {
			t.Fatal(err)
		}
		unhardened(t, p, probes)
		suite, err := attack.Load()
		if err != nil {
			t.Fatal(err)
		}
		results, err := probes.run(t.Context(), s, base, suite, VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		report := &Report{Attacks: true, Results: results}
		if v := report.Verdict(); v != Broken {
			t.Errorf("the verdict is %q", v)
		}
		var lines []string
		at := map[string]int{}
		for _, r := range results {
			if r.Outcome != Failed && r.Outcome != Errored || strings.Contains(r.ID, "/create-trusted-pl") { // not on every machine
				continue
			}
			key := string(r.Outcome) + " " + r.ID + " as"
			i, ok := at[key]
			if !ok {
				i = len(lines)
				at[key] = i
				lines = append(lines, key)
			}
			lines[i] += " " + r.Role
		}
		golden.File(t, filepath.Join("testdata", "unhardened", fmt.Sprint(major)+".txt"), []byte(strings.Join(lines, "\n")+"\n"))
	})
}

// TestVerifyTwice compares the reports of two verifications at once, of which one waits for the other.
func TestVerifyTwice(t *testing.T) {
	p := closed(t, pgtest.Majors()[0], estate())
	var wg sync.WaitGroup
	var reports [2][]byte
	waited := make(chan string, 2)
	for i := range reports {
		wg.Go(func() {
			report, err := p.platform(t).Verify(t.Context(), p.want, VerifyOptions{
				Categories: []string{"roles", "notify", "prepared-transactions"}, Waiting: func(holder string) { waited <- holder },
			})
			if err != nil {
				t.Error(err)
				return
			}
			if reports[i], err = json.Marshal(report); err != nil {
				t.Error(err)
			}
			if report.Partial && len(distinct(report, "control", Passed)) < 40 {
				t.Error("controls are run whatever the categories are")
			}
			for _, r := range report.Results {
				if r.Kind == "attack" && !slices.Contains([]string{"roles", "notify", "prepared-transactions"}, r.Category) {
					t.Errorf("%s is of another category", r.ID)
				}
			}
		})
	}
	wg.Wait()
	if len(waited) != 1 || string(reports[0]) != string(reports[1]) {
		t.Errorf("%d waited; the reports are %d and %d bytes", len(waited), len(reports[0]), len(reports[1]))
	}
	gone(t, p)
	_, err := p.platform(t).Verify(t.Context(), p.want, VerifyOptions{Categories: []string{"rolls"}})
	var problem *Problem
	if !errors.As(err, &problem) || !problem.Input || !strings.Contains(problem.Hint, "roles") {
		t.Errorf("an unknown category: %v", err)
	}
}

// TestVerifyStopped stops the server in the middle: what was not tried is an error, and the verdict is open.
func TestVerifyStopped(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := closed(t, major, estate())
		var once sync.Once
		report, err := p.platform(t).Verify(t.Context(), p.want, VerifyOptions{
			Categories: []string{"roles", "settings"},
			Progress: func(done, total int, _ string) {
				if done > total/3 {
					once.Do(func() { p.Stop(t) })
				}
			},
		})
		if err == nil || report == nil {
			t.Fatalf("the report is %v, the error %v", report != nil, err)
		}
		r := suiteOnly(report)
		s := r.Summary()
		if v := r.Verdict(); v != Unknown || s.Attack.Failed > 0 || s.Attack.Passed == 0 || s.Attack.Errors < s.Attack.Passed/4 {
			t.Errorf("the verdict is %q, of %+v", v, s.Attack)
		}
	})
}

// TestVerifyInterrupted interrupts a verification: it removes what it made.
func TestVerifyInterrupted(t *testing.T) {
	p := closed(t, pgtest.Majors()[0], estate())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	report, err := p.platform(t).Verify(ctx, p.want, VerifyOptions{Progress: func(done, _ int, _ string) {
		if done == 500 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || report == nil || suiteOnly(report).Verdict() != Unknown {
		t.Errorf("the error is %v", err)
	}
	gone(t, p)
}

// TestVerifyLeftOver has a killed verification's tenants stand, whole and half-made: the next one removes them, and what
// attacks that succeeded would have left outside.
func TestVerifyLeftOver(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := closed(t, major, estate())
		s := p.platform(t)
		_, conn, err := s.reach(t.Context(), "zave")
		if err != nil {
			t.Fatal(err)
		}
		probes, err := newProbes(t.Context(), conn, p.want, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.makeProbes(t.Context(), probes); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Exec(t, "postgres", `DROP DATABASE "zave probe b"`, `DROP ROLE "zave probe b owner"`,
			`COMMENT ON ROLE "zave probe b app" IS NULL`)
		p.Exec(t, "zave", `CREATE TABLE public.stray (a int)`, `ALTER TABLE public.stray OWNER TO "zave probe a app"`,
			`GRANT CONNECT ON DATABASE zave TO "zave probe b app"`)
		report, err := s.Verify(t.Context(), p.want, VerifyOptions{Categories: []string{"notify"}})
		if err != nil {
			t.Fatal(err)
		}
		if r := suiteOnly(report); r.Verdict() != Holds {
			t.Error(text(t, r))
		}
		gone(t, p)
		if stray := p.Rows(t, "zave", "SELECT 1 FROM pg_class WHERE relname = 'stray'"); len(stray) > 0 {
			t.Error("a table of the throw-away tenant's is left in the platform's database")
		}
	})
}

// TestVerifyForeign has somebody else's role bear a throw-away tenant's name: nothing is done to it.
func TestVerifyForeign(t *testing.T) {
	p := closed(t, pgtest.Majors()[0], estate())
	p.Exec(t, "postgres", `CREATE ROLE "zave probe a app"`, `COMMENT ON ROLE "zave probe a app" IS 'mine'`)
	report, err := p.platform(t).Verify(t.Context(), p.want, VerifyOptions{Categories: []string{"notify"}})
	if err == nil || report != nil || !strings.Contains(err.Error(), "zave probe a app") {
		t.Errorf("the error is %v", err)
	}
	if rows := p.Rows(t, "postgres", `SELECT rolcanlogin FROM pg_roles WHERE rolname LIKE 'zave probe%'`); len(rows) != 1 {
		t.Errorf("roles of that name: %q", rows)
	}
}

// TestVerifyLockedOut has a pg_hba.conf without lines for the throw-away tenants: an error says what to do, and is no
// verdict.
func TestVerifyLockedOut(t *testing.T) {
	want := estate()
	var lines []string
	for _, l := range strings.Split(want.HBA(), "\n") {
		if !strings.Contains(l, "zave probe") {
			lines = append(lines, l)
		}
	}
	lines = append([]string{"hostssl all postgres all scram-sha-256"}, lines...)
	p := prepare(t, pgtest.Majors()[0], want, pgtest.TLS(), pgtest.HBA(lines...))
	report, err := p.platform(t).Verify(t.Context(), p.want, VerifyOptions{})
	var problem *Problem
	if report != nil || !errors.As(err, &problem) || !strings.Contains(problem.Text, "pg_hba.conf") ||
		!strings.Contains(problem.Hint, "zave db config pg_hba") {
		t.Errorf("the error is %v", err)
	}
	gone(t, p)
}

// TestVerifyControls takes legitimate rights from a tenant: a suite in which nothing works is no proof.
func TestVerifyControls(t *testing.T) {
	p := closed(t, pgtest.Majors()[0], estate())
	s := p.superuser(t)
	base, conn, err := s.reach(t.Context(), "zave")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	probes, err := newProbes(t.Context(), conn, p.want, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.makeProbes(t.Context(), probes); err != nil {
		t.Fatal(err)
	}
	p.Exec(t, probes.want.Tenants[0].Database, `REVOKE USAGE ON SCHEMA app FROM "zave probe a app", "zave probe a backup"`)
	suite, err := attack.Load()
	if err != nil {
		t.Fatal(err)
	}
	results, err := probes.run(t.Context(), s, base, suite, VerifyOptions{Categories: []string{"row-security", "tables"}})
	if err != nil {
		t.Fatal(err)
	}
	report := &Report{Attacks: true, Results: results}
	failed := distinct(report, "control", Failed)
	if report.Verdict() != Broken || !slices.Contains(failed, "controls/app-select") || !slices.Contains(failed, "controls/backup-tables") {
		t.Errorf("the verdict is %q, and these controls fail: %q", report.Verdict(), failed)
	}
	for _, r := range results {
		// With nothing to be seen, nothing is proven by seeing nothing.
		if r.ID == "row-security/without-a-key" && r.Outcome == Passed {
			t.Errorf("%s as %s passes where nobody can read", r.ID, r.Role)
		}
	}
}

// TestVerifyAuditOnly writes nothing, passes where all is as planned, and names what is not.
func TestVerifyAuditOnly(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := closed(t, major, estate())
		before := p.Rows(t, "postgres", "SELECT xmin::text FROM pg_authid ORDER BY rolname")
		audit := func() *Report {
			t.Helper()
			report, err := p.platform(t).Verify(t.Context(), p.want, VerifyOptions{AuditOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			if report.Attacks || slices.ContainsFunc(report.Results, func(r Result) bool { return r.Kind != "audit" }) {
				t.Error("something else than an audit was done")
			}
			return report
		}
		report := audit()
		for _, tenant := range []string{"alpha", "beta"} {
			if !slices.ContainsFunc(report.Results, func(r Result) bool {
				return r.ID == "audit/tenant" && r.Tenant == tenant && r.Outcome == Passed
			}) {
				t.Errorf("%s is not as planned:\n%s", tenant, text(t, report))
			}
		}
		if after := p.Rows(t, "postgres", "SELECT xmin::text FROM pg_authid ORDER BY rolname"); !slices.Equal(
			before, after) {
			t.Error("an audit changed a role")
		}
		p.Exec(t, "postgres", "GRANT CONNECT ON DATABASE db_alpha TO beta_app")
		report = audit()
		i := slices.IndexFunc(report.Results, func(r Result) bool {
			return r.Tenant == "alpha" && r.Outcome == Failed && strings.Contains(r.Message, "beta_app")
		})
		if i < 0 || report.Verdict() != Broken {
			t.Errorf("a grant to the neighbour is not found:\n%s", text(t, report))
		}
	})
}

// TestInherentDetect runs the queries that detect what is inherent, as those would who look.
func TestInherentDetect(t *testing.T) {
	suite, err := attack.Load()
	if err != nil {
		t.Fatal(err)
	}
	onEach(t, func(t *testing.T, major int) {
		p := closed(t, major, estate("alpha"))
		s := p.platform(t)
		conn, err := s.Open(t.Context(), "zave")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		for _, c := range suite.Checks {
			if c.Detect == "" {
				continue
			}
			if _, err := conn.Exec(t.Context(), c.Detect); err != nil {
				t.Errorf("%s: %v", c.ID, err)
			}
		}
	})
}

// sample is a report with a result of each kind and outcome.
func sample() *Report {
	return &Report{
		Cluster: "test", Server: "PostgreSQL 17.10", Version: 170010, User: "platform_bootstrap", Profile: "standard", Attacks: true,
		Results: []Result{
			{ID: "roles/a", Kind: "attack", Category: "roles", Severity: "critical", Role: "app", Where: "own", Outcome: Passed,
				Tried: "SET ROLE neighbour_app", Expected: "42501", Got: "SQLSTATE 42501 (permission denied)", Why: "they are apart", Fix: "none"},
			{ID: "roles/b", Kind: "attack", Category: "roles", Severity: "critical", Role: "app", Where: "own", Outcome: Failed,
				Tried: "SET ROLE superuser", Expected: "42501", Got: "success", Message: "it succeeded", Why: "it may do everything",
				Fix: "take back the membership"},
			{ID: "roles/b", Kind: "attack", Category: "roles", Severity: "critical", Role: "readonly", Where: "own", Outcome: Failed,
				Tried: "SET ROLE superuser", Expected: "42501", Got: "success", Message: "it succeeded", Why: "it may do everything",
				Fix: "take back the membership"},
			{ID: "connection/c", Kind: "attack", Category: "connection", Severity: "high", Role: "app", Where: "postgres", Outcome: Errored,
				Tried: "connect", Expected: "42501 or 28000", Message: "the server does not answer:\x1b[2J refused", Why: "it is common ground"},
			{ID: "connection/d", Kind: "attack", Category: "connection", Severity: "high", Role: "app", Where: "own", Outcome: NotApplicable,
				Message: "the instance was reached without TLS"},
			{ID: "strict/e", Kind: "strict", Category: "strict", Severity: "low", Role: "app", Where: "own", Outcome: NotApplicable,
				Message: notAskedFor},
			{ID: "controls/f", Kind: "control", Category: "controls", Severity: "high", Role: "app", Where: "own", Outcome: Passed},
			{ID: "inherent/g", Kind: "inherent", Category: "inherent", Severity: "low", Role: "app", Where: "own", Outcome: Inevitable,
				Tried: "SELECT 1", Expected: "success", Got: "1 row", Why: "it is so", Limit: "a limit", Detect: "SELECT 2"},
			{ID: "audit/finding/h", Kind: "audit", Category: "audit", Severity: "low", Tenant: "alpha", Where: "db_alpha", Outcome: Noted,
				Message: "a <low> finding", Fix: "nothing"},
			{ID: "audit/instance", Kind: "audit", Category: "audit", Severity: "high", Outcome: Passed},
		},
	}
}

// TestReport holds what reports look like.
func TestReport(t *testing.T) {
	r := sample()
	got := map[string][]byte{}
	for name, write := range map[string]func(*strings.Builder) error{
		"report.txt":        func(b *strings.Builder) error { return r.WriteText(b, false, false) },
		"report-all.txt":    func(b *strings.Builder) error { return r.WriteText(b, false, true) },
		"report-colour.txt": func(b *strings.Builder) error { return r.WriteText(b, true, false) },
		"report.json":       func(b *strings.Builder) error { return r.WriteJSON(b) },
		"report.xml":        func(b *strings.Builder) error { return r.WriteJUnit(b) },
	} {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		got[name] = []byte(b.String())
	}
	golden.Dir(t, filepath.Join("testdata", "report"), got)
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
	}
	if err := xml.Unmarshal(got["report.xml"], &suites); err != nil {
		t.Fatal(err)
	}
	if suites.Tests != 10 || suites.Failures != 2 || suites.Errors != 1 || suites.Skipped != 2 {
		t.Errorf("JUnit counts %+v", suites)
	}
}

func TestVerdict(t *testing.T) {
	result := func(kind string, o Outcome) Result { return Result{Kind: kind, Outcome: o} }
	fine := []Result{result("attack", Passed), result("control", Passed), result("inherent", Inevitable), result("audit", Passed)}
	for _, test := range []struct {
		name    string
		attacks bool
		results []Result
		want    Verdict
	}{
		{"all is well", true, fine, Holds},
		{"a note", true, append(slices.Clone(fine), result("audit", Noted)), Holds},
		{"nothing that does not apply counts", true, append(slices.Clone(fine), result("attack", NotApplicable)), Holds},
		{"an attack succeeds", true, append(slices.Clone(fine), result("attack", Failed)), Broken},
		{"a strict attack succeeds", true, append(slices.Clone(fine), result("strict", Failed)), Broken},
		{"a control fails", true, append(slices.Clone(fine), result("control", Failed)), Broken},
		{"a deviation", true, append(slices.Clone(fine), result("audit", Failed)), Broken},
		{"an error", true, append(slices.Clone(fine), result("attack", Errored)), Unknown},
		{"an error of a control", true, append(slices.Clone(fine), result("control", Errored)), Unknown},
		{"what is called inherent could not be told", true, append(slices.Clone(fine), result("inherent", Errored)), Unknown},
		{"a result without an outcome", true, append(slices.Clone(fine), result("attack", "")), Unknown},
		{"nothing was tried", true, nil, Unknown},
		{"nothing applied", true, []Result{result("attack", NotApplicable), result("control", Passed)}, Unknown},
		{"no control", true, []Result{result("attack", Passed)}, Unknown},
		{"an audit", false, []Result{result("audit", Passed)}, Holds},
		{"an empty audit", false, nil, Unknown},
	} {
		if got := (&Report{Attacks: test.attacks, Results: test.results}).Verdict(); got != test.want {
			t.Errorf("%s: %q, not %q", test.name, got, test.want)
		}
	}
}
