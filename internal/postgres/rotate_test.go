package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// stage is a server with the tenants alpha and beta, reached as the platform's role, which is no superuser.
type stage struct {
	*Server
	pg       *pgtest.Server
	want     *state.Desired
	t        state.Tenant // alpha
	password Credentials
	dsn      string
	out      string
}

func setStage(t *testing.T, major int, options ...pgtest.Option) *stage {
	t.Helper()
	want := estate()
	p := prepare(t, major, want, options...)
	p.apply(t)
	return &stage{p.platform(t), p.Server, want, want.Tenants[0], p.credentials, p.platformDSN(), t.TempDir()}
}

func (s *stage) rotate(t *testing.T, o RotateOptions) *Rotated {
	t.Helper()
	done, err := s.Rotate(t.Context(), s.want, "alpha", o)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// written is what a client reads from the directory.
func (s *stage) written(t *testing.T) (role, password string) {
	t.Helper()
	role, password, err := readLogin(filepath.Join(s.out, "alpha"))
	if err != nil {
		t.Fatal(err)
	}
	if role == "" {
		role = s.t.Roles.App
	}
	return role, password
}

// until is how many seconds a role is still valid, by the server's clock and rounded to a minute; empty without an end.
func (s *stage) until(t *testing.T, role string) string {
	t.Helper()
	return s.pg.Rows(t, "postgres", `SELECT to_char(round(extract(epoch FROM rolvaliduntil - clock_timestamp()) / 60)
		* interval '1 minute', 'HH24:MI') FROM pg_roles WHERE rolname = `+state.Literal(role))[0]
}

// expire lets the end of a role's password pass.
func (s *stage) expire(t *testing.T, roles ...string) {
	t.Helper()
	for _, role := range roles {
		s.pg.Exec(t, "postgres", "ALTER ROLE "+state.Ident(role)+" VALID UNTIL '2000-01-01'")
	}
}

// settled holds that the plan has nothing to do, with the credentials that the rotations have left.
func (s *stage) settled(t *testing.T) {
	t.Helper()
	passwords := Credentials{}
	for role, password := range s.password {
		if role != s.t.Roles.App && role != s.want.Instance.Role {
			passwords[role] = password
		}
	}
	role, password := s.written(t)
	passwords[role] = password
	plan, _, err := s.Plan(t.Context(), s.want, state.Options{}, passwords)
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Empty() {
		t.Errorf("the plan is not empty:\n%s", shown(plan.Steps))
	}
	for _, f := range plan.Findings {
		if f.ID == "rotated-password" {
			t.Errorf("finding: %s", f.Message)
		}
	}
}

// refusedAs holds that an error is one about the input, and says something.
func refusedAs(t *testing.T, err error, text string) {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) || !p.Input || !strings.Contains(p.Text, text) {
		t.Errorf("got %v, want an input problem with %q", err, text)
	}
}

func TestRotate(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		s := setStage(t, major, pgtest.Conf("log_statement = all", "log_min_duration_statement = 0"))
		roles := s.t.Roles
		o := RotateOptions{Out: s.out, Valid: 20 * time.Hour, Grace: 2 * time.Hour}

		var steps []string
		o.Progress = func(step string) { steps = append(steps, step) }
		done := s.rotate(t, o)
		if done.Login != roles.AppA || !slices.Equal(done.Previous, []string{roles.App}) || done.Resumed || done.Ended != 0 {
			t.Errorf("the first: %+v", done)
		}
		if len(steps) != 4 {
			t.Errorf("steps: %q", steps)
		}
		first, firstPassword := s.written(t)
		if first != roles.AppA || len(firstPassword) < 26 {
			t.Errorf("%s has a password of %d letters", first, len(firstPassword))
		}
		for _, path := range done.Files {
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s: %v %v", path, info.Mode(), err)
			}
		}
		entries, err := os.ReadDir(filepath.Join(s.out, "alpha"))
		if err != nil || len(entries) != 2 {
			t.Errorf("%v, %v", entries, err)
		}
		if err := login(s.Server, s.t.Database, first, firstPassword); err != nil {
			t.Error(err)
		}
		if err := login(s.Server, s.t.Database, roles.App, s.password[roles.App]); err != nil {
			t.Errorf("within the grace: %v", err)
		}
		if got := s.until(t, roles.AppA) + " " + s.until(t, roles.App) + " " + s.until(t, roles.AppB); got != "20:00 02:00 " {
			t.Errorf("valid for %s", got)
		}
		s.settled(t)

		// The second goes on to the other login. The application's own role keeps the end that it has.
		s.pg.Exec(t, "postgres", "ALTER ROLE alpha_app VALID UNTIL '2000-01-01'")
		done = s.rotate(t, o)
		second, secondPassword := s.written(t)
		if done.Login != roles.AppB || second != roles.AppB || !slices.Equal(done.Previous, []string{roles.AppA}) {
			t.Errorf("the second: %+v", done)
		}
		if secondPassword == firstPassword {
			t.Error("the password is the old one")
		}
		if got := s.until(t, roles.AppB) + " " + s.until(t, roles.AppA); got != "20:00 02:00" {
			t.Errorf("valid for %s", got)
		}
		past := s.pg.Rows(t, "postgres", "SELECT rolvaliduntil < '2001-01-01' FROM pg_roles WHERE rolname = 'alpha_app'")
		if past[0] != "t" {
			t.Error("the application's own role is valid again")
		}
		s.settled(t)

		// The third would set the password of a login that clients may still use.
		_, err = s.Rotate(t.Context(), s.want, "alpha", o)
		refusedAs(t, err, "clients may still use alpha_app_a")
		if role, password := s.written(t); role != second || password != secondPassword {
			t.Error("a refused rotation has written")
		}
		done = s.rotate(t, RotateOptions{Out: s.out, Valid: 20 * time.Hour, Grace: 2 * time.Hour, Force: true})
		if done.Login != roles.AppA {
			t.Errorf("forced: %+v", done)
		}
		if code(login(s.Server, s.t.Database, roles.AppA, firstPassword)) != codeInvalidPassword {
			t.Error("the password before the last is still taken")
		}

		// Once the grace is over the login is refused, and a session that is in goes on.
		_, password := s.written(t)
		conn, err := s.Login(t.Context(), s.t.Database, roles.AppA, password)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		s.expire(t, roles.AppB)
		done = s.rotate(t, RotateOptions{Out: s.out})
		if done.Login != roles.AppB || done.Sessions != 1 || done.Ended != 0 || !done.PreviousUntil.Before(done.ValidUntil) {
			t.Errorf("without a grace: %+v", done)
		}
		if got := done.ValidUntil.Sub(done.PreviousUntil); got != DefaultValid {
			t.Errorf("the new one is valid for %s after the one before", got)
		}
		pgtest.Wait(t, "the end of the grace", func() bool {
			return code(login(s.Server, s.t.Database, roles.AppA, password)) == codeInvalidPassword
		})
		if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
			t.Errorf("the session that was in: %v", err)
		}
		s.expire(t, roles.AppA)

		// A password of one's own, nothing written, and all that is out of date ended.
		const own = "a password of one's own"
		done = s.rotate(t, RotateOptions{Password: own, EndSessions: true})
		if done.Login != roles.AppA || len(done.Files) != 0 || done.Ended != 0 || done.Sessions != 0 {
			t.Errorf("a password of one's own: %+v", done)
		}
		if err := login(s.Server, s.t.Database, roles.AppA, own); err != nil {
			t.Error(err)
		}
		s.expire(t, roles.AppB)
		conn2, err := s.Login(t.Context(), s.t.Database, roles.AppA, own)
		if err != nil {
			t.Fatal(err)
		}
		defer conn2.Close(context.WithoutCancel(t.Context()))
		done = s.rotate(t, RotateOptions{Out: s.out, EndSessions: true})
		if done.Login != roles.AppB || done.Ended != 2 || done.Sessions != 0 {
			t.Errorf("sessions are to end: %+v", done)
		}
		if err := conn2.Ping(t.Context()); err == nil {
			t.Error("the session goes on")
		}
		if got := s.pg.Rows(t, "postgres", "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member "+
			"WHERE r.rolname = 'platform_bootstrap' AND NOT m.admin_option"); got[0] != "0" {
			t.Errorf("the platform's role is left with %s memberships", got[0])
		}
		s.settled(t)

		log := s.pg.Log()
		if !strings.Contains(log, `ALTER ROLE "alpha_app"`) {
			t.Error("the log has no statements")
		}
		for _, s := range []string{firstPassword, secondPassword, password, own, "SCRAM-SHA-256$4096:"} {
			if i := strings.Index(log, s); i >= 0 {
				t.Errorf("the log has %q", log[max(0, i-120):i])
			}
		}
		if shown := fmt.Sprintf("%+v", done) + strings.Join(steps, " "); strings.Contains(shown, firstPassword) {
			t.Error("a password is shown")
		}
	})
}

// TestRotateInput has everything refused that can be before the server is touched, or by what the server is.
func TestRotateInput(t *testing.T) {
	major := pgtest.Majors()[0]
	s := setStage(t, major)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tenant string
		o      RotateOptions
		text   string
	}{
		{"gamma", RotateOptions{Out: s.out}, `no tenant "gamma"`},
		{"alpha", RotateOptions{}, "nowhere to go"},
		{"alpha", RotateOptions{Out: s.out, Valid: time.Hour, Grace: time.Hour}, "valid for 1h0m0s"},
		{"alpha", RotateOptions{Out: s.out, Grace: -time.Hour}, "a time before now"},
		{"alpha", RotateOptions{Password: "two\nlines"}, "cannot be used"},
		{"alpha", RotateOptions{Out: s.out, Lost: true}, "nothing was rotated yet"},
	} {
		_, err := s.Rotate(t.Context(), s.want, c.tenant, c.o)
		refusedAs(t, err, c.text)
	}
	_, err := s.Rotate(t.Context(), s.want, "alpha", RotateOptions{Out: file})
	var p *Problem
	if !errors.As(err, &p) || p.Input || !strings.Contains(p.Text, "cannot be written to "+file) {
		t.Errorf("a file in the place of the directory: %v", err)
	}
	strange := estate()
	strange.Tenants[0].Name = "../alpha"
	_, err = s.Rotate(t.Context(), strange, "../alpha", RotateOptions{Out: s.out})
	refusedAs(t, err, "")
	if got := s.pg.Rows(t, "postgres", "SELECT count(rolvaliduntil) FROM pg_roles"); got[0] != "0" {
		t.Errorf("%s roles were changed", got[0])
	}

	other := estate()
	other.Instance.Database = "elsewhere"
	_, err = s.Rotate(t.Context(), other, "alpha", RotateOptions{Out: s.out})
	refusedAs(t, err, "the instance has not been prepared")

	s.pg.Exec(t, "postgres", "COMMENT ON ROLE alpha_app_a IS 'zave: tenant alpha2, spec x'")
	_, err = s.Rotate(t.Context(), s.want, "alpha", RotateOptions{Out: s.out})
	refusedAs(t, err, "alpha_app_a is not marked as one of tenant alpha")
	s.pg.Exec(t, "postgres", "COMMENT ON ROLE alpha_app_a IS 'zave: tenant alpha, spec x'",
		"SET ROLE platform_bootstrap", "REVOKE alpha_app FROM alpha_app_a")
	_, err = s.Rotate(t.Context(), s.want, "alpha", RotateOptions{Out: s.out})
	refusedAs(t, err, "alpha_app_a does not have the privileges of alpha_app")
	s.pg.Exec(t, "postgres", "ALTER ROLE alpha_app_b NOLOGIN")
	_, err = s.Rotate(t.Context(), s.want, "beta", RotateOptions{Out: s.out})
	if err != nil {
		t.Errorf("the other tenant: %v", err)
	}
	s.pg.Exec(t, "postgres", "SET ROLE platform_bootstrap", "GRANT alpha_app TO alpha_app_a")
	_, err = s.Rotate(t.Context(), s.want, "alpha", RotateOptions{Out: s.out})
	refusedAs(t, err, "alpha_app_b may not log in")
	s.pg.Exec(t, "postgres", "ALTER ROLE alpha_app_b RENAME TO gone")
	_, err = s.Rotate(t.Context(), s.want, "alpha", RotateOptions{Out: s.out})
	refusedAs(t, err, "alpha_app_b does not exist")
}

// TestTurn holds which login is next, for each state that a server can be in.
func TestTurn(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	const none = ""
	at := func(s string) *appLogin {
		l := &appLogin{login: true, member: true}
		switch s {
		case none:
		case "restored":
			l.dated, l.until = true, state.Undated()
		case "endless":
			l.dated, l.endless, l.until = true, true, state.Undated().Add(-time.Minute)
		default:
			d, err := time.ParseDuration(s)
			if err != nil {
				t.Fatal(err)
			}
			l.dated, l.until = true, now.Add(d)
		}
		return l
	}
	for _, c := range []struct {
		app, a, b string
		force     bool
		lost      bool
		busy      string // has a session
		next      string
		resume    bool
		refused   string
	}{
		{next: "a"}, // the first rotation
		{app: "-1h", next: "a"},
		{a: "1400h", resume: true, next: "a"}, // stopped before the application's role had an end
		{app: "23h", a: "1400h", next: "b"},
		{app: "23h", a: "1400h", b: "23h", refused: "clients may still use b"},
		{app: "23h", a: "1400h", b: "23h", force: true, next: "b"},
		{app: "-1h", a: "1400h", b: "-1h", next: "b"},
		{app: "-1h", a: "-1h", b: "1400h", next: "a"},
		{app: "-1h", a: "-2h", b: "-1h", next: "a"}, // nobody rotated for long
		{app: "-1h", a: "1000h", b: "1400h", resume: true, next: "b"},
		{app: "-1h", a: "1400h", b: "1000h", resume: true, next: "a"},
		{app: "-1h", a: "restored", next: "b"},
		{a: "restored", next: "b"},
		{a: "restored", b: "1h", next: "b", refused: "clients may still use b"},
		{a: "endless", b: "1h", resume: true, next: "a"},
		{app: "-1h", a: "endless", b: "1h", next: "b", refused: "clients may still use b"},
		{app: "-1h", a: "endless", b: "endless", refused: "it cannot be told"},
		{lost: true, refused: "nothing was rotated yet"},
		{app: "23h", a: "1400h", lost: true, next: "a"},
		{app: "23h", a: "1400h", lost: true, busy: "a", refused: "the password of a is not lost"},
		{app: "23h", a: "1400h", lost: true, busy: "a", force: true, next: "a"},
		{app: "-1h", a: "23h", b: "1400h", lost: true, busy: "a", next: "b"},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			r := &rotation{
				t: state.Tenant{Name: "t", Roles: state.Roles{App: "app", AppA: "a", AppB: "b"}},
				o: RotateOptions{Grace: DefaultGrace, Force: c.force, Lost: c.lost},
			}
			logins := map[string]*appLogin{"app": at(c.app), "a": at(c.a), "b": at(c.b)}
			for name, l := range logins {
				l.role = name
				if name == c.busy {
					l.sessions = 2
				}
			}
			next, resume, err := r.turn(now, logins)
			if c.refused != "" {
				refusedAs(t, err, c.refused)
				return
			}
			if err != nil || next != c.next || resume != c.resume {
				t.Errorf("got %q, %v, %v", next, resume, err)
			}
		})
	}
}

// TestRotateFaults cuts the connections of a rotation at each message that it sends, by turns before and after the
// server has it. Whatever was cut: what the clients read always lets them in, and one more rotation brings it to its
// end.
func TestRotateFaults(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		s := setStage(t, major)
		proxy := pgtest.NewProxy(t, s.pg)
		cut := reach(t, proxy.DSN(s.want.Instance.Role, s.password[s.want.Instance.Role], s.want.Instance.Database))
		o := RotateOptions{Out: s.out, Valid: 20 * time.Hour, Grace: 2 * time.Hour}
		if err := os.MkdirAll(filepath.Join(s.out, "alpha"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := writeSecret(filepath.Join(s.out, "alpha", passwordFile), s.password[s.t.Roles.App]); err != nil {
			t.Fatal(err)
		}
		works := func(when string) (role, password string) {
			t.Helper()
			role, password = s.written(t)
			if err := login(s.Server, s.t.Database, role, password); err != nil {
				t.Fatalf("%s: the clients cannot log in as %s: %v", when, role, err)
			}
			return role, password
		}
		failed, resumed := 0, 0
		step := 1
		if major != pgtest.Majors()[0] {
			step = 7 // a sample
		}
		for n := 1; ; n += step {
			late := n%2 == 0
			when := fmt.Sprintf("cut at message %d, late %v", n, late)
			before, _ := works(when)
			proxy.Cut(n, late)
			_, err := cut.Rotate(t.Context(), s.want, "alpha", o)
			_, was := proxy.Messages()
			proxy.Cut(0, false)
			if err != nil && !was {
				t.Fatalf("%s: %v", when, err)
			}
			if err != nil {
				failed++
			}
			works(when)
			done, again := s.Rotate(t.Context(), s.want, "alpha", o)
			after, _ := works(when + ", then again")
			var p *Problem
			switch {
			case errors.As(again, &p) && strings.HasPrefix(p.Text, "clients may still use "):
				// All but the last answers had come.
			case again != nil:
				t.Fatalf("%s, then again: %v", when, again)
			case done.Resumed:
				resumed++
			}
			if after == before {
				t.Fatalf("%s: the clients are still with %s", when, before)
			}
			roles := s.pg.Rows(t, "postgres", "SELECT rolname FROM pg_roles WHERE rolname LIKE 'alpha\\_app%' AND "+
				"rolvaliduntil > clock_timestamp() + interval '3 hours' OR rolname = 'alpha_app' AND rolvaliduntil IS NULL")
			if !slices.Equal(roles, []string{after}) {
				t.Fatalf("%s: valid for long are %q, and the clients are with %s", when, roles, after)
			}
			if _, err := os.Stat(filepath.Join(s.out, "alpha", ".rotate")); again == nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("%s: what was to be handed out is still there: %v", when, err)
			}
			// The grace passes.
			for _, role := range []string{s.t.Roles.App, s.t.Roles.AppA, s.t.Roles.AppB} {
				if role != after {
					s.expire(t, role)
				}
			}
			if !was {
				if failed < 50/step || resumed == 0 {
					t.Errorf("of %d rotations with a cut %d failed, and %d were resumed", n/step, failed, resumed)
				}
				break
			}
		}
		s.settled(t)
	})
}

// TestRotateGrace asks for a rotation while the grace of the one before runs, with a shorter one: what is found is said,
// and with Force nobody keeps a password that is to be used no longer.
func TestRotateGrace(t *testing.T) {
	major := pgtest.Majors()[0]
	s := setStage(t, major)
	roles := s.t.Roles
	s.rotate(t, RotateOptions{Out: s.out, Grace: DefaultGrace})
	_, first := s.written(t)
	ended := func(role, password string) {
		t.Helper()
		if got := code(login(s.Server, s.t.Database, role, password)); got != codeInvalidPassword {
			t.Errorf("%s can still log in: %q", role, got)
		}
	}

	// Without Force the grace is cut short, and that is said.
	done := s.rotate(t, RotateOptions{Out: s.out, Grace: time.Hour})
	role, password := s.written(t)
	if role != roles.AppA || password != first || done.Login != role || !done.Resumed {
		t.Errorf("%s has another password: %+v", role, done)
	}
	for _, text := range []string{
		"a rotation to alpha_app_a was found, and alpha_app could log in until 2", "either it was stopped, or its grace was longer",
		"that grace has been cut short, and no new password was made",
	} {
		if !strings.Contains(done.Found, text) {
			t.Errorf("what was found: %q, without %q", done.Found, text)
		}
	}
	if got := s.until(t, roles.App); got != "01:00" {
		t.Errorf("%s is valid for %s", roles.App, got)
	}

	// With it the other login gets a password, and those before end.
	done = s.rotate(t, RotateOptions{Out: s.out, Force: true})
	role, second := s.written(t)
	if role != roles.AppB || second == first || done.Resumed || done.Found != "" ||
		!slices.Equal(done.Previous, []string{roles.App, roles.AppA}) {
		t.Errorf("%s: %+v", role, done)
	}
	ended(roles.AppA, first)
	ended(roles.App, s.password[roles.App])
	s.settled(t)

	// What lies there to be handed out shows that one was stopped, and so does its password: with Force, too.
	before := func() {
		t.Helper()
		s.pg.Exec(t, "postgres", `DO $$ BEGIN
			EXECUTE format('ALTER ROLE alpha_app_a VALID UNTIL %L', clock_timestamp() + interval '30 days');
		END $$`)
	}
	before()
	if err := (handout{s.out, "alpha"}).stage(roles.AppB, second); err != nil {
		t.Fatal(err)
	}
	const stopped = "a rotation to alpha_app_b that was stopped has been brought to its end"
	if done = s.rotate(t, RotateOptions{Out: s.out, Force: true}); done.Login != roles.AppB || done.Found != stopped {
		t.Errorf("%+v", done)
	}
	before()
	done = s.rotate(t, RotateOptions{Out: s.out, Password: second, Force: true})
	if role, password = s.written(t); done.Found != stopped || role != roles.AppB || password != second {
		t.Errorf("%+v", done)
	}

	// Nobody has the password that the newest login was given last: it is that one that gets another.
	before()
	if err := os.RemoveAll(filepath.Join(s.out, "alpha")); err != nil {
		t.Fatal(err)
	}
	done = s.rotate(t, RotateOptions{Out: s.out, Force: true})
	role, password = s.written(t)
	if role != roles.AppB || password == second || !strings.HasSuffix(done.Found, "so that alpha_app_b has a new one") {
		t.Errorf("%+v", done)
	}
	ended(roles.AppB, second)
	s.settled(t)
}

// TestRotateLost loses what a rotation has written, at each point where that can be.
func TestRotateLost(t *testing.T) {
	major := pgtest.Majors()[0]
	s := setStage(t, major)
	roles := s.t.Roles
	dir := filepath.Join(s.out, "alpha")
	o := RotateOptions{Out: s.out, Grace: 2 * time.Hour}
	s.rotate(t, o)

	// The files are gone. The rotation before left the clients with the application's own role.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s.pg.Exec(t, "postgres", `DO $$ BEGIN
		EXECUTE format('ALTER ROLE alpha_app VALID UNTIL %L', clock_timestamp() + interval '5 minutes');
	END $$`)
	lost := o
	lost.Lost = true
	done := s.rotate(t, lost)
	if done.Login != roles.AppA || done.Resumed || !slices.Equal(done.Previous, []string{roles.App}) {
		t.Errorf("%+v", done)
	}
	if got := s.until(t, roles.App); got != "02:00" {
		t.Errorf("the clients have %s to read the new one", got)
	}
	role, password := s.written(t)
	if err := login(s.Server, s.t.Database, role, password); err != nil {
		t.Error(err)
	}
	s.settled(t)

	// It is not lost: somebody uses it.
	conn, err := s.Login(t.Context(), s.t.Database, role, password)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Rotate(t.Context(), s.want, "alpha", lost)
	refusedAs(t, err, "the password of alpha_app_a is not lost: 1 session uses it")
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	// Stopped after the server knew, with another directory: nobody has the password, so it is set anew.
	s.expire(t, roles.App)
	s.pg.Exec(t, "postgres", "ALTER ROLE alpha_app_b VALID UNTIL '2099-01-01' PASSWORD 'never written'")
	done = s.rotate(t, o)
	if done.Login != roles.AppB || !done.Resumed {
		t.Errorf("%+v", done)
	}
	role, password = s.written(t)
	if err := login(s.Server, s.t.Database, role, password); err != nil || role != roles.AppB {
		t.Error(role, err)
	}

	// The same, but somebody uses it: it was written somewhere.
	s.expire(t, roles.AppA)
	s.pg.Exec(t, "postgres", "ALTER ROLE alpha_app_a VALID UNTIL '2099-01-01' PASSWORD 'written elsewhere'")
	if conn, err = s.Login(t.Context(), s.t.Database, roles.AppA, "written elsewhere"); err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = s.Rotate(t.Context(), s.want, "alpha", o)
	refusedAs(t, err, "a rotation to alpha_app_a was stopped half-way")
	known := o
	known.Password = "written elsewhere"
	done = s.rotate(t, known)
	if role, password = s.written(t); !done.Resumed || role != roles.AppA || password != "written elsewhere" {
		t.Errorf("%+v", done)
	}

	// Killed between the two files: the name is the new one's, the password the old one's.
	s.expire(t, roles.AppB)
	done = s.rotate(t, o)
	err = errors.Join(
		handout{s.out, "alpha"}.stage(done.Login, readBack(t, dir)),
		os.Remove(filepath.Join(dir, passwordFile)),
		writeSecret(filepath.Join(dir, passwordFile), password),
	)
	if err != nil {
		t.Fatal(err)
	}
	// As it was before the end: the one before is valid for longer than a grace.
	s.pg.Exec(t, "postgres", `DO $$ BEGIN
		EXECUTE format('ALTER ROLE alpha_app_a VALID UNTIL %L', clock_timestamp() + interval '30 days');
	END $$`)
	done = s.rotate(t, o)
	role, password = s.written(t)
	if err := login(s.Server, s.t.Database, role, password); err != nil || !done.Resumed || role != roles.AppB {
		t.Error(role, done, err)
	}
	s.settled(t)
}

func readBack(t *testing.T, dir string) string {
	t.Helper()
	_, password, err := readLogin(dir)
	if err != nil {
		t.Fatal(err)
	}
	return password
}

// TestRotateRestored sets up a new server from a store that a rotation of the old one has written to.
func TestRotateRestored(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		dir := t.TempDir()
		want := estate("alpha")
		for role, password := range passwords(want) {
			file, _ := want.Tenants[0].Roles.Credential(role)
			path := filepath.Join(dir, "alpha", file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), writeSecret(path, password)); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeSecret(filepath.Join(dir, "alpha", loginFile), "alpha_app_b"); err != nil {
			t.Fatal(err)
		}
		credentials, err := ReadCredentials(dir, want.Tenants)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := credentials["alpha_app"]; ok || credentials["alpha_app_b"] == "" {
			t.Fatalf("the password of app is the wrong role's")
		}
		pg := pgtest.Start(t, major)
		s := reach(t, pg.SuperuserDSN("postgres"))
		o := ApplyOptions{Options: state.Options{Instance: true}, Credentials: credentials}
		for range 2 {
			if _, err := s.Apply(t.Context(), want, o); err != nil {
				t.Fatal(err)
			}
		}
		if err := login(s, "db_alpha", "alpha_app_b", credentials["alpha_app_b"]); err != nil {
			t.Error(err)
		}
		done, err := s.Rotate(t.Context(), want, "alpha", RotateOptions{Out: dir, Grace: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if done.Login != "alpha_app_a" || done.Resumed || !slices.Equal(done.Previous, []string{"alpha_app", "alpha_app_b"}) {
			t.Errorf("%+v", done)
		}
		if credentials, err = ReadCredentials(dir, want.Tenants); err != nil {
			t.Fatal(err)
		}
		o.Credentials = credentials
		again, err := s.Apply(t.Context(), want, o)
		if err != nil || again.Steps != 0 {
			t.Errorf("%d steps, %v", again.Steps, err)
		}

		audited, err := s.InspectAudit(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range state.Audit(want, audited) {
			if strings.HasPrefix(f.Object, "alpha_app") {
				t.Errorf("finding %s: %s", f.ID, f.Message)
			}
		}

		// Another password is the rotation's to set, and nobody's to set back.
		pg.Exec(t, "postgres", "ALTER ROLE alpha_app_a PASSWORD 'another one'")
		plan, _, err := s.Plan(t.Context(), want, state.Options{}, credentials)
		if err != nil || !plan.Empty() {
			t.Errorf("%+v, %v", plan, err)
		}
		if !slices.ContainsFunc(plan.Findings, func(f state.Finding) bool {
			return f.ID == "rotated-password" && f.Object == "alpha_app_a"
		}) {
			t.Errorf("not found: %+v", plan.Findings)
		}

		if err := os.WriteFile(filepath.Join(dir, "alpha", loginFile), []byte("alpha_migrator\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = ReadCredentials(dir, want.Tenants)
		refusedAs(t, err, `app-username: it names "alpha_migrator"`)
	})
}

// TestRotateTogether has several rotations of one tenant at once: they come one after the other, and no two set the
// password of one login.
func TestRotateTogether(t *testing.T) {
	major := pgtest.Majors()[len(pgtest.Majors())-1]
	s := setStage(t, major)
	const n = 5
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			_, errs[i] = reach(t, s.dsn).Rotate(context.WithoutCancel(t.Context()), s.want, "alpha",
				RotateOptions{Out: s.out, Grace: time.Hour})
		})
	}
	all.Wait()
	done := 0
	for _, err := range errs {
		if err == nil {
			done++
			continue
		}
		refusedAs(t, err, "clients may still use alpha_app_a")
	}
	if done != 2 { // to the one, and to the other
		t.Errorf("%d rotations were done: %v", done, errs)
	}
	role, password := s.written(t)
	if err := login(s.Server, s.t.Database, role, password); err != nil || role != s.t.Roles.AppB {
		t.Error(role, err)
	}
}

// mount is a directory as the kubelet mounts a Secret: the files are seen through one link, which is changed at once
// for all of them.
type mount struct {
	dir string
	n   int
}

func (m *mount) update(t *testing.T, role, password string) {
	t.Helper()
	m.n++
	version := filepath.Join(m.dir, fmt.Sprintf("..%d", m.n))
	link := filepath.Join(m.dir, "..data_tmp")
	err := errors.Join(
		os.Mkdir(version, 0o700),
		writeSecret(filepath.Join(version, loginFile), role),
		writeSecret(filepath.Join(version, passwordFile), password),
		os.Symlink(filepath.Base(version), link),
		os.Rename(link, filepath.Join(m.dir, "..data")),
	)
	if err != nil {
		t.Fatal(err)
	}
}

func (m *mount) read() (version, role, password string, err error) {
	if version, err = os.Readlink(filepath.Join(m.dir, "..data")); err != nil {
		return "", "", "", err
	}
	role, password, err = readLogin(filepath.Join(m.dir, version))
	return version, role, password, err
}

// client queries without a pause until it is stopped. It holds a session for a number of queries, and reads its login
// anew for each session.
type client struct {
	queries atomic.Int64
	at      atomic.Pointer[string] // the version of the mount that its session was opened with
	err     atomic.Pointer[error]  // of the first query or login that failed
}

func (c *client) run(s *Server, database string, m *mount, session int, stop <-chan struct{}) {
	ctx := context.Background()
	fail := func(err error) { c.err.CompareAndSwap(nil, &err) }
	for {
		version, role, password, err := m.read()
		if err != nil {
			fail(err)
			return
		}
		conn, err := s.Login(ctx, database, role, password)
		if err != nil {
			fail(fmt.Errorf("log in as %s: %w", role, err))
			return
		}
		c.at.Store(&version)
		for range session {
			var n int
			err := conn.QueryRow(ctx, "SELECT count(*) FROM app.orders", pgx.QueryExecModeExec).Scan(&n)
			if err != nil || n != 3 {
				fail(fmt.Errorf("query as %s: %d rows, %w", role, n, err))
			}
			c.queries.Add(1)
		}
		if err := conn.Close(ctx); err != nil {
			fail(err)
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// TestRotateUnderLoad rotates ten times under clients that query all the time, some with a session for each query and
// some with sessions that last. No query fails. Then, as a control, it rotates without telling the clients.
func TestRotateUnderLoad(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		s := setStage(t, major)
		migrator := s.t.Roles.Migrator
		if a := tell(t, s.Server, s.t.Database, migrator, s.password[migrator], `SET ROLE "alpha_owner"`,
			"CREATE TABLE app.orders AS SELECT generate_series(1, 3) AS id"); a.code != "" {
			t.Fatal(a)
		}
		m := &mount{dir: t.TempDir()}
		m.update(t, s.t.Roles.App, s.password[s.t.Roles.App])

		reached, err := New(Options{DSN: s.dsn, Connections: 20})
		if err != nil {
			t.Fatal(err)
		}
		var clients []*client
		var all sync.WaitGroup
		stop := make(chan struct{})
		for _, session := range []int{1, 1, 1, 20, 20, 200} {
			c := &client{}
			clients = append(clients, c)
			all.Go(func() { c.run(reached, s.t.Database, m, session, stop) })
		}
		failed := func() error {
			for _, c := range clients {
				if err := c.err.Load(); err != nil {
					return *err
				}
			}
			return nil
		}
		// follow waits until every client has come to the newest login, as an operator waits for the grace to pass.
		follow := func() {
			t.Helper()
			version := fmt.Sprintf("..%d", m.n)
			pgtest.Wait(t, "the clients to read their login anew", func() bool {
				return failed() != nil || !slices.ContainsFunc(clients, func(c *client) bool {
					at := c.at.Load()
					return at == nil || *at != version
				})
			})
		}
		follow()
		used := map[string]int{}
		for range 10 {
			// Forced, since the clients have been seen to have left the other login, before the hour is over.
			done := s.rotate(t, RotateOptions{Out: s.out, Grace: time.Hour, Force: true})
			used[done.Login]++
			role, password := s.written(t)
			m.update(t, role, password)
			follow()
		}
		queries := int64(0)
		for _, c := range clients {
			queries += c.queries.Load()
		}
		if err := failed(); err != nil {
			t.Errorf("a query failed: %v", err)
		}
		if used[s.t.Roles.AppA] != 5 || used[s.t.Roles.AppB] != 5 {
			t.Errorf("the logins were used %v", used)
		}
		t.Logf("%d queries during ten rotations", queries)

		// Twice, and the clients are not told: they are refused.
		for range 2 {
			s.rotate(t, RotateOptions{Out: s.out, Force: true})
		}
		pgtest.Wait(t, "a client to fail", func() bool { return failed() != nil })
		if code(failed()) != codeInvalidPassword {
			t.Errorf("got %v", failed())
		}
		close(stop)
		all.Wait()
	})
}
