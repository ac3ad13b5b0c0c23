package postgres

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// seed is a misconfiguration; testdata/seeds.yaml says what its fields are.
type seed struct {
	ID          string
	Min         int
	Max         int
	Do          []seedSQL
	Undo        []seedSQL
	Conf        map[string]string
	Restart     bool
	HBA         struct{ First, Last, Only []string }
	Hold        *struct{ In, As, Name, Then string }
	Blind       bool
	Credentials bool
	Attack      string
	Find        seedFound
}

type seedSQL struct{ In, As, SQL string }

type seedFound struct{ Step, Finding, Refusal, Object string }

func seeds(t *testing.T) []seed {
	t.Helper()
	text, err := os.ReadFile("testdata/seeds.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out []seed
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// in tells where a plan names what is sought; empty: nowhere.
func (f seedFound) in(p *state.Plan) string {
	has := func(texts ...string) bool { return strings.Contains(strings.Join(texts, " "), f.Object) }
	switch {
	case f.Step != "":
		for _, s := range p.Steps {
			if strings.HasPrefix(s.ID, f.Step) && has(s.ID, s.Why, s.SQL) {
				return "step " + s.ID + ": " + s.Why
			}
		}
		for _, x := range p.Findings {
			if x.ID == "needs-superuser" && strings.HasPrefix(x.Object, f.Step) && has(x.Object, x.Message, x.Hint) {
				return "finding " + x.ID + ": " + x.Message
			}
		}
	case f.Finding != "":
		for _, x := range p.Findings {
			if x.ID == f.Finding && has(x.Object, x.Message) {
				return "finding " + x.ID + ": " + x.Message
			}
		}
	case f.Refusal != "":
		for _, r := range p.Refusals {
			if r.ID == f.Refusal && has(r.Object, r.Message) {
				return "refusal " + r.ID + ": " + r.Message
			}
		}
	}
	return ""
}

// TestSeedData holds the shape of the misconfigurations.
func TestSeedData(t *testing.T) {
	all := seeds(t)
	if len(all) < 60 {
		t.Errorf("there are %d seeds, and 60 are the least", len(all))
	}
	seen := map[string]bool{}
	for _, s := range all {
		if s.ID == "" || seen[s.ID] {
			t.Errorf("%q is no identifier, or not a seed's alone", s.ID)
		}
		seen[s.ID] = true
		n := 0
		for _, x := range []string{s.Find.Step, s.Find.Finding, s.Find.Refusal} {
			if x != "" {
				n++
			}
		}
		if n != 1 || s.Find.Object == "" {
			t.Errorf("%s: one thing has to find it, and name an object", s.ID)
		}
		if len(s.Do) == 0 && len(s.Conf) == 0 && s.Hold == nil && s.HBA.First == nil && s.HBA.Last == nil &&
			s.HBA.Only == nil {
			t.Errorf("%s does nothing", s.ID)
		}
	}
}

// garden is a server that is in order, for seeds.
type garden struct {
	*pgtest.Server
	want     *state.Desired
	admin    *Server // as the superuser
	platform *Server // as the instance's role
	hba      []string
	clean    string // what the audit tells of it, as either
	plain    string
	last     string // what the last misconfiguration added to it
}

const seedPassword = "password of the platform"

// newGarden makes a server as a platform has it: the instance and two tenants applied, with TLS, the generated
// pg_hba.conf and the generated settings. More settings may follow.
func newGarden(t *testing.T, major int, conf ...string) *garden {
	t.Helper()
	want := estate()
	want.Instance.Networks = []string{"127.0.0.0/8", "10.0.0.0/8"}
	want.Tenants[0].RowLevelSecurity = true
	conf = slices.Concat([]string{"fsync = on", "full_page_writes = on"}, strings.Split(want.Conf(), "\n"), conf)
	g := &garden{Server: pgtest.Start(t, major, pgtest.TLS(), pgtest.Conf(conf...)), want: want}
	g.admin = reach(t, g.SocketDSN(pgtest.Superuser, g.Password, "postgres"))
	g.platform = reach(t, g.SocketDSN(want.Instance.Role, seedPassword, "postgres"))
	g.apply(t, passwords(want))
	g.run(t, []seedSQL{
		{SQL: "ALTER ROLE platform_bootstrap PASSWORD '" + seedPassword + "'"},
		{SQL: "CREATE ROLE stranger LOGIN"},
		{In: "db_alpha", As: "alpha_owner", SQL: "CREATE TABLE app.orders (id int, customer text)"},
		{In: "db_alpha", As: "alpha_owner", SQL: "SELECT extensions.protect('app.orders', 'customer')"},
		{In: "db_alpha", As: "alpha_owner", SQL: "CREATE SEQUENCE app.numbers"},
		{In: "db_alpha", As: "alpha_owner", SQL: "CREATE FUNCTION app.total() RETURNS bigint LANGUAGE sql AS 'SELECT " +
			"1::bigint'"},
		{In: "db_beta", As: "beta_owner", SQL: "CREATE TABLE app.items (id int)"},
	})
	g.hba = append([]string{
		"local all " + pgtest.Superuser + " scram-sha-256",
		"local all platform_bootstrap scram-sha-256",
	}, strings.Split(strings.TrimSpace(want.HBA()), "\n")...)
	g.SetHBA(t, g.hba...)
	g.clean, g.plain = "", ""
	for _, by := range []*Server{g.admin, g.platform} {
		plan := g.look(t, by)
		if len(plan.Steps)+len(plan.Refusals) > 0 {
			t.Fatalf("the server is not in order:\n%s", report(plan))
		}
		if by == g.admin {
			g.clean = report(plan)
		} else {
			g.plain = report(plan)
		}
	}
	return g
}

func (g *garden) apply(t *testing.T, c Credentials) {
	t.Helper()
	o := ApplyOptions{Options: state.Options{Instance: true}, Credentials: c}
	if _, err := g.admin.Apply(context.Background(), g.want, o); err != nil {
		t.Fatal(err)
	}
}

// look audits the server.
func (g *garden) look(t *testing.T, by *Server) *state.Plan {
	t.Helper()
	live, err := by.InspectAudit(context.Background(), g.want)
	if err != nil {
		t.Fatal(err)
	}
	plan := g.want.Plan(live, state.Options{Instance: true})
	return &plan
}

// report writes all that a plan says, one a line.
func report(p *state.Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "step %s: %s\n", s.ID, s.Why)
	}
	for _, r := range p.Refusals {
		fmt.Fprintf(&b, "refusal %s: %s\n", r.ID, r.Message)
	}
	for _, f := range p.Findings {
		fmt.Fprintf(&b, "%s %s [%s]: %s\n", f.Severity, f.ID, f.Object, f.Message)
	}
	return b.String()
}

// run runs statements, each entry in a session of its own.
func (g *garden) run(t *testing.T, all []seedSQL) {
	t.Helper()
	ctx := context.Background()
	for _, s := range all {
		if s.In == "" {
			s.In = "postgres"
		}
		conn, err := g.admin.Open(ctx, s.In)
		if err != nil {
			t.Fatal(err)
		}
		sql := "SET client_min_messages = error; "
		if s.As != "" {
			sql += "SET SESSION AUTHORIZATION " + state.Ident(s.As) + "; "
		}
		if _, err = conn.PgConn().Exec(ctx, sql).ReadAll(); err == nil {
			_, err = conn.PgConn().Exec(ctx, s.SQL).ReadAll()
		}
		conn.Close(ctx)
		if err != nil {
			t.Fatalf("%s: %v", s.SQL, err)
		}
	}
}

// configure sets settings, or with reset takes them back.
func (g *garden) configure(t *testing.T, s *seed, reset bool) {
	t.Helper()
	if len(s.Conf) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Conf)) {
		if reset {
			g.run(t, []seedSQL{{SQL: "ALTER SYSTEM RESET " + name}})
		} else {
			g.run(t, []seedSQL{{SQL: "ALTER SYSTEM SET " + name + " = " + state.Literal(s.Conf[name])}})
		}
	}
	if s.Restart {
		g.Restart(t)
	} else {
		g.Reload(t)
	}
}

// sow puts a misconfiguration in place, and gives what takes it away.
func (g *garden) sow(t *testing.T, s *seed) (weed func()) {
	t.Helper()
	ctx := context.Background()
	g.configure(t, s, false)
	g.run(t, s.Do)
	if h := s.HBA; h.First != nil || h.Last != nil || h.Only != nil {
		lines := slices.Concat(h.First, g.hba, h.Last)
		if h.Only != nil {
			lines = h.Only
		}
		g.SetHBA(t, lines...)
	}
	var held *Conn
	if s.Hold != nil {
		g.SetHBA(t, "local all all scram-sha-256")
		password := passwords(g.want)[s.Hold.As]
		if s.Hold.As == pgtest.Superuser {
			password = g.Password
		}
		var err error
		if held, err = g.admin.Login(ctx, s.Hold.In, s.Hold.As, password); err != nil {
			t.Fatal(err)
		}
		if _, err := held.Exec(ctx, "SET application_name = "+state.Literal(s.Hold.Name)); err != nil {
			t.Fatal(err)
		}
		if s.Hold.Then != "" {
			g.run(t, []seedSQL{{SQL: s.Hold.Then}})
		}
		g.SetHBA(t, g.hba...)
	}
	return func() {
		t.Helper()
		if held != nil {
			held.leave(ctx)
		}
		if s.HBA.First != nil || s.HBA.Last != nil || s.HBA.Only != nil {
			g.SetHBA(t, g.hba...)
		}
		g.run(t, s.Undo)
		g.configure(t, s, true)
	}
}

// TestSeeds puts each misconfiguration alone on a server that is in order: the audit or the plan finds it, by its name,
// and finds nothing of it before and after. What a role without a superuser's rights finds is looked at on the newest
// version alone.
func TestSeeds(t *testing.T) {
	all := seeds(t)
	newest := slices.Max(pgtest.Majors())
	onEach(t, func(t *testing.T, major int) {
		t.Parallel()
		g := newGarden(t, major)
		for i := range all {
			s := &all[i]
			if s.Min > major || s.Max != 0 && s.Max < major {
				continue
			}
			if !t.Run(s.ID, func(t *testing.T) { g.prove(t, s, major == newest) }) {
				// What it left behind must not be found in the place of the next.
				g.tidy(t)
			}
		}
		g.tidy(t)
	})
}

// prove puts a misconfiguration in place, has it found, and takes it away. That it is gone shows when the next one is
// looked at: only where both say the same of the server, it is looked at in between.
func (g *garden) prove(t *testing.T, s *seed, plainly bool) {
	weed := g.sow(t, s)
	plan := g.look(t, g.admin)
	if s.Credentials {
		more, _, err := g.admin.Plan(context.Background(), g.want, state.Options{Instance: true}, passwords(g.want))
		if err != nil {
			t.Fatal(err)
		}
		plan.Steps = append(plan.Steps, more.Steps...)
	}
	if found := s.Find.in(plan); found == "" {
		t.Errorf("nobody found it:\n%s", fresh(report(plan), g.clean))
	}
	news := fresh(report(plan), g.clean)
	if common(news, g.last) {
		weed()
		g.right(t, s, plan)
		g.tidy(t)
		weed = g.sow(t, s)
	}
	g.last = news
	if plainly && !s.Blind {
		if plain := g.look(t, g.platform); s.Find.in(plain) == "" {
			t.Errorf("the platform's role does not find it:\n%s", fresh(report(plain), g.plain))
		}
	}
	weed()
	g.right(t, s, plan)
}

// right applies what is desired after a misconfiguration that a plan knows.
func (g *garden) right(t *testing.T, s *seed, plan *state.Plan) {
	t.Helper()
	switch {
	case s.Credentials:
		g.apply(t, passwords(g.want))
	case len(plan.Steps) > 0:
		g.apply(t, nil)
	}
}

// tidy fails where the server is not in order.
func (g *garden) tidy(t *testing.T) {
	t.Helper()
	g.last = ""
	if now := report(g.look(t, g.admin)); now != g.clean {
		t.Fatalf("something is left behind:\n%s", fresh(now, g.clean))
	}
}

// common tells whether two reports have a line in common.
func common(a, b string) bool {
	lines := strings.Split(b, "\n")
	return slices.ContainsFunc(strings.Split(a, "\n"), func(l string) bool { return l != "" && slices.Contains(lines, l) })
}

// TestSeedsAttacked puts those misconfigurations on a server at once that the attack suite must find too, as they
// concern the instance and not one tenant alone.
func TestSeedsAttacked(t *testing.T) {
	all := slices.DeleteFunc(seeds(t), func(s seed) bool { return s.Attack == "" })
	onEach(t, func(t *testing.T, major int) {
		t.Parallel()
		g := newGarden(t, major)
		var categories []string
		for i := range all {
			s := &all[i]
			if s.Min > major || s.Max != 0 && s.Max < major {
				continue
			}
			g.configure(t, s, false)
			g.run(t, s.Do)
			g.hba = slices.Concat(s.HBA.First, g.hba)
			category, _, _ := strings.Cut(s.Attack, "/")
			categories = append(categories, category)
		}
		g.SetHBA(t, g.hba...)
		slices.Sort(categories)
		s := reach(t, g.SuperuserDSN("postgres"))
		report, err := s.Verify(context.Background(), g.want, VerifyOptions{Categories: slices.Compact(categories)})
		if err != nil {
			t.Fatal(err)
		}
		for _, seed := range all {
			outcomes := map[Outcome]int{}
			for _, r := range report.Results {
				if r.ID == seed.Attack {
					outcomes[r.Outcome]++
				}
			}
			if outcomes[Failed] == 0 {
				t.Errorf("%s: the attack %s did not find it: %v", seed.ID, seed.Attack, outcomes)
			}
		}
	})
}

// fresh gives the lines of a report that another has not.
func fresh(report, other string) string {
	known := strings.Split(other, "\n")
	lines := slices.DeleteFunc(strings.Split(report, "\n"), func(l string) bool { return slices.Contains(known, l) })
	return strings.Join(lines, "\n")
}
