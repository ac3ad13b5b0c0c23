package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// What a rotation does where nothing else is asked for.
const (
	DefaultValid = 60 * 24 * time.Hour // a new password; two months leave room for a rotation that is forgotten once
	DefaultGrace = 24 * time.Hour      // the one before: a day for every client to have read the new one
)

// RotateOptions are what a rotation is asked for.
type RotateOptions struct {
	// Out is a directory in the form that ReadCredentials reads. The new login's name and password are written to
	// Out/<tenant>/app-username and Out/<tenant>/app. Empty: nothing is written, and Password is needed.
	Out string
	// Password is the new one; empty: a random one is made.
	Password string

	Valid time.Duration // how long the new password may be used to log in; 0 stands for DefaultValid
	Grace time.Duration // how long the previous one still may; 0: not at all

	Force bool // set the password of a login that clients may still use
	Lost  bool // what the last rotation wrote was lost: give the newest login another password
	// EndSessions ends the sessions of the previous logins at the end. Without it they go on: a password that is no longer
	// valid keeps nobody from going on who is in (PostgreSQL manual, CREATE ROLE, "VALID UNTIL").
	EndSessions bool

	// Progress is called before each step with what it does; nil drops it.
	Progress func(string)
}

// Rotated is what a rotation did. It holds no password.
type Rotated struct {
	Tenant        string
	Login         string    // the role that clients use from now on
	Previous      []string  // the roles that they used until now, and may log in as for the grace; sorted
	ValidUntil    time.Time // of Login, by the server's clock
	PreviousUntil time.Time // of the last of Previous; zero, if there is none
	Files         []string  // that were written
	Resumed       bool      // a rotation that had been begun before was brought to its end, and no other one begun
	Found         string    // what was found of it, and what became of that: a sentence; empty unless Resumed
	Sessions      int       // of the previous logins that go on
	Ended         int       // of the previous logins that were ended
}

// Rotate gives a tenant's application a new password without downtime. Two logins take turns: one is in use, the other
// one gets a new password, which is proven by logging in with it, written out, and only then does the one in use get an
// end, after a grace in which clients read the new one. The first rotation goes from the role of the application itself
// to the first of the two.
//
// Which login is the newest is read from the server, where its VALID UNTIL is the latest. All times are the server's. A
// rotation that was stopped at any point is brought to its end by the next one, with the password that was written, if
// it was; and no login that clients may still use gets another password without Force. Of a rotation that came to its
// end with a longer grace than this one is asked for, the server shows the same as of one that was stopped: its grace is
// cut short, but with Force and where nothing says that it was stopped, the other login gets a new password.
//
// A *Problem about the input says what was refused.
func (s *Server) Rotate(ctx context.Context, want *state.Desired, tenant string, o RotateOptions) (*Rotated, error) {
	i := slices.IndexFunc(want.Tenants, func(t state.Tenant) bool { return t.Name == tenant })
	if i < 0 {
		return nil, &Problem{Text: fmt.Sprintf("no tenant %q has a database here", tenant), Input: true}
	}
	if o.Valid == 0 {
		o.Valid = DefaultValid
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	r := &rotation{s: s, t: want.Tenants[i], o: o}
	if err := r.check(); err != nil {
		return nil, err
	}
	done, err := r.run(ctx, want)
	if err != nil {
		return nil, Explain(err)
	}
	return done, nil
}

type rotation struct {
	s        *Server
	t        state.Tenant
	o        RotateOptions
	platform *actor // holds the lock
}

func (r *rotation) check() error {
	switch o := r.o; {
	case o.Out == "" && o.Password == "":
		return &Problem{
			Text:  "the new password has nowhere to go",
			Hint:  "name a directory for it, or give a password of your own: none is printed",
			Input: true,
		}
	case o.Grace < 0 || o.Valid < 0:
		return &Problem{Text: "a time before now is no time to log in", Input: true}
	case o.Valid <= o.Grace:
		return &Problem{
			Text:  fmt.Sprintf("the new password would be valid for %s, and the one before it for %s", o.Valid, o.Grace),
			Hint:  "let the new one be valid for longer than the grace",
			Input: true,
		}
	case o.Password != "":
		if err := checkPassword(o.Password); err != nil {
			return &Problem{Text: "the new password cannot be used: " + err.Error(), Input: true, Err: err}
		}
	}
	return nil
}

func (r *rotation) run(ctx context.Context, want *state.Desired) (*Rotated, error) {
	lock, err := r.s.lock(ctx, want.Instance.Database, func(holder string) { r.o.Progress("wait for " + holder) })
	if code(err) == codeNoDatabase {
		return nil, &Problem{
			Text: fmt.Sprintf("the instance has not been prepared: there is no database %q to take the lock in",
				want.Instance.Database),
			Hint: "run `zave db apply --instance` once, as a superuser", Input: true, Err: err,
		}
	}
	if err != nil {
		return nil, err
	}
	defer lock.Close(context.WithoutCancel(ctx))
	// Whoever connects acts as the platform's role, as an apply does.
	r.platform = &actor{Conn: lock.Conn, database: want.Instance.Database}
	if err := r.platform.statement(ctx, "SET ROLE "+state.Ident(want.Instance.Role)); err != nil {
		return nil, err
	}

	logins, now, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	next, resumed, err := r.turn(now, logins)
	if err != nil {
		return nil, err
	}
	out := handout{dir: r.o.Out, tenant: r.t.Name}

	stopped := false
	if resumed {
		if stopped, err = r.stopped(ctx, out, next); err != nil {
			return nil, err
		}
		if r.o.Force && !stopped && r.handedOut(out, logins[next]) {
			next, resumed = r.other(next), false
		}
	}
	password, found := "", ""
	if resumed {
		if password, err = r.known(ctx, out, next); err != nil {
			return nil, err
		}
		if password == "" && logins[next].sessions > 0 {
			return nil, &Problem{
				Text: fmt.Sprintf("a rotation to %s was stopped half-way, or its grace is not over; its password is not in %s, "+
					"and clients use it", next, out.place()),
				Hint: fmt.Sprintf("give that password, or the directory that it was written to; --force gives %s another one, "+
					"and whoever uses that fails", r.other(next)),
				Input: true,
			}
		}
		found = r.found(now, logins, next, stopped, password != "")
	}
	if password == "" {
		if password, err = r.set(ctx, out, next, now, logins); err != nil {
			return nil, err
		}
	}
	r.o.Progress("log in as " + next)
	if err := r.prove(ctx, next, password); err != nil {
		problem := &Problem{Text: fmt.Sprintf("the new password of %s could not be proven by logging in", next), Err: err}
		var cause *Problem
		if errors.As(Explain(err), &cause) {
			problem.Text += ": " + cause.Text
			problem.Hint = cause.Hint
		}
		return nil, problem
	}
	done := &Rotated{Tenant: r.t.Name, Login: next, Resumed: resumed, Found: found}
	if r.o.Out != "" {
		r.o.Progress("write the new name and password to " + out.place())
		if done.Files, err = out.publish(next, password); err != nil {
			return nil, err
		}
	}
	if err := r.finish(ctx, done); err != nil {
		return nil, err
	}
	if r.o.Out != "" {
		if err := out.clean(); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// appLogin is what the server says of one of the application's roles.
type appLogin struct {
	role     string
	login    bool
	member   bool // it has the privileges of the application's role
	comment  string
	dated    bool      // it has a VALID UNTIL, as every login that a rotation has come by
	endless  bool      // which is infinity
	until    time.Time // in Go's terms
	sessions int
}

// may tells whether somebody who has the password can log in at a time. The two logins of rotation have a password only
// where they have a date.
func (l *appLogin) may(t time.Time, app bool) bool {
	return l.dated && l.until.After(t) || app && !l.dated
}

// read asks the server for the application's roles and the time.
func (r *rotation) read(ctx context.Context) (map[string]*appLogin, time.Time, error) {
	roles := r.t.Roles
	names := []string{roles.App, roles.AppA, roles.AppB}
	rows, err := r.platform.Query(ctx, `
		SELECT r.rolname, r.rolcanlogin, coalesce(pg_has_role(r.oid, a.oid, 'USAGE'), false), r.rolvaliduntil,
			coalesce(shobj_description(r.oid, 'pg_authid'), ''),
			(SELECT count(*) FROM pg_stat_activity AS s WHERE s.usesysid = r.oid), clock_timestamp()
		FROM pg_roles AS r
		LEFT JOIN pg_roles AS a ON a.rolname = $2
		WHERE r.rolname = ANY ($1)`, names, roles.App)
	if err != nil {
		return nil, time.Time{}, err
	}
	logins := map[string]*appLogin{}
	var now time.Time
	var l appLogin
	var until pgtype.Timestamptz
	columns := []any{&l.role, &l.login, &l.member, &until, &l.comment, &l.sessions, &now}
	_, err = pgx.ForEachRow(rows, columns, func() error {
		read := l
		read.dated = until.Valid
		read.until = until.Time.UTC()
		switch until.InfinityModifier {
		case pgtype.Infinity:
			// Before what a rotation and an apply set, so that a newer login can be told from this one.
			read.endless, read.until = true, state.Undated().Add(-time.Minute)
		case pgtype.NegativeInfinity:
			read.until = time.Time{}
		}
		logins[l.role] = &read
		return nil
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, name := range names {
		hint := fmt.Sprintf("run `zave db apply --tenant %s` first", r.t.Name)
		switch l := logins[name]; {
		case l == nil:
			return nil, now, &Problem{Text: fmt.Sprintf("the role %s does not exist", name), Hint: hint, Input: true}
		case !r.t.Owns(l.comment):
			return nil, now, &Problem{
				Text: fmt.Sprintf("the role %s is not marked as one of tenant %s", name, r.t.Name), Hint: hint, Input: true,
			}
		case !l.login:
			return nil, now, &Problem{Text: fmt.Sprintf("the role %s may not log in", name), Hint: hint, Input: true}
		case !l.member:
			return nil, now, &Problem{
				Text: fmt.Sprintf("the role %s does not have the privileges of %s", name, roles.App), Hint: hint, Input: true,
			}
		}
	}
	return logins, now.UTC(), nil
}

// turn tells which login is to be the one in use, and whether it is so already, because a rotation to it was begun and
// not brought to its end.
func (r *rotation) turn(now time.Time, logins map[string]*appLogin) (next string, resume bool, err error) {
	roles := r.t.Roles
	a, b := logins[roles.AppA], logins[roles.AppB]
	var newest, idle *appLogin
	switch {
	case !a.dated && !b.dated:
		idle = a
	case a.dated && b.dated && a.until.Equal(b.until):
		return "", false, &Problem{
			Text: fmt.Sprintf("it cannot be told which of %s and %s is the newer: both are valid until %s", a.role, b.role,
				date(a)),
			Hint:  "ALTER ROLE … VALID UNTIL of the one that nobody uses, to a time before now",
			Input: true,
		}
	case !b.dated || a.dated && a.until.After(b.until):
		newest, idle = a, b
	default:
		newest, idle = b, a
	}
	switch {
	case r.o.Lost && newest == nil:
		return "", false, &Problem{
			Text:  fmt.Sprintf("nothing was rotated yet: the application of tenant %s logs in as %s", r.t.Name, roles.App),
			Hint:  "rotate without --lost",
			Input: true,
		}
	case r.o.Lost && newest.sessions > 0 && !r.o.Force:
		return "", false, &Problem{
			Text:  fmt.Sprintf("the password of %s is not lost: %s", newest.role, sessions(newest.sessions)),
			Hint:  "with --force it gets another one all the same, and those clients fail when they connect again",
			Input: true,
		}
	case r.o.Lost:
		return newest.role, false, nil
	}
	// A rotation that was brought to its end has left the other logins the grace at the most. What an apply handed out
	// from the store has replaced nobody.
	if newest != nil && !newest.until.Equal(state.Undated()) {
		end := now.Add(r.o.Grace)
		if idle.may(end, false) || logins[roles.App].may(end, true) {
			return newest.role, true, nil
		}
	}
	if idle.may(now, false) && !r.o.Force {
		text := fmt.Sprintf("clients may still use %s, which would get the new password: it is valid until %s, and the "+
			"server's clock says %s", idle.role, date(idle), now.Format(time.RFC3339))
		if idle.sessions > 0 {
			text += ", and " + sessions(idle.sessions)
		}
		return "", false, &Problem{
			Text: text,
			Hint: "wait for the end of the grace; --force does not, and --lost gives " + newest.role + " another password, " +
				"where what was written of it is lost",
			Input: true,
		}
	}
	return idle.role, false, nil
}

func sessions(n int) string {
	if n == 1 {
		return "1 session uses it"
	}
	return fmt.Sprintf("%d sessions use it", n)
}

func date(l *appLogin) string {
	if l.endless {
		return "for ever"
	}
	return l.until.Format(time.RFC3339)
}

// other is the login that takes turns with one.
func (r *rotation) other(login string) string {
	if login == r.t.Roles.AppA {
		return r.t.Roles.AppB
	}
	return r.t.Roles.AppA
}

// stopped tells whether something says that the rotation to a login was stopped: what it was about to hand out, or that
// its password is given.
func (r *rotation) stopped(ctx context.Context, out handout, login string) (bool, error) {
	if r.o.Out != "" {
		if user, _, err := readLogin(out.staged()); err == nil && user == login {
			return true, nil
		}
	}
	if r.o.Password == "" {
		return false, nil
	}
	err := r.prove(ctx, login, r.o.Password)
	if code(err) == codeInvalidPassword {
		return false, nil
	}
	return err == nil, err
}

// handedOut tells whether clients have the password of a login, as far as that shows.
func (r *rotation) handedOut(out handout, login *appLogin) bool {
	if login.sessions > 0 {
		return true
	}
	if r.o.Out == "" {
		return false
	}
	user, _, err := readLogin(out.place())
	return err == nil && user == login.role
}

// found says what there was of a rotation that had been begun, and what becomes of it.
func (r *rotation) found(now time.Time, logins map[string]*appLogin, next string, stopped, known bool) string {
	if stopped {
		return fmt.Sprintf("a rotation to %s that was stopped has been brought to its end", next)
	}
	var before *appLogin
	end := now.Add(r.o.Grace)
	for _, role := range []string{r.t.Roles.App, r.other(next)} {
		l := logins[role]
		if l.may(end, role == r.t.Roles.App) && (before == nil || before.dated && (!l.dated || l.until.After(before.until))) {
			before = l
		}
	}
	until := "for ever"
	if before.dated {
		until = date(before)
		if !before.endless {
			until = "until " + until
		}
	}
	text := fmt.Sprintf("a rotation to %s was found, and %s could log in %s, for longer than the grace that is asked for: "+
		"either it was stopped, or its grace was longer; ", next, before.role, until)
	if known {
		return text + "that grace has been cut short, and no new password was made"
	}
	return text + fmt.Sprintf("its password was not found, so that %s has a new one", next)
}

// known looks for the password that a rotation that was stopped has given to a login.
func (r *rotation) known(ctx context.Context, out handout, next string) (string, error) {
	candidates := []string{r.o.Password}
	if r.o.Out != "" {
		for _, dir := range []string{out.staged(), out.place()} {
			if user, password, err := readLogin(dir); err == nil && user == next {
				candidates = append(candidates, password)
			}
		}
	}
	for _, password := range candidates {
		if password == "" {
			continue
		}
		// A server that cannot be reached says nothing of a password.
		if err := r.prove(ctx, next, password); code(err) != codeInvalidPassword {
			return password, err
		}
	}
	return "", nil
}

// set gives a login a new password. It is written down before the server knows it, so that it cannot be lost between.
func (r *rotation) set(
	ctx context.Context, out handout, next string, now time.Time, logins map[string]*appLogin,
) (string, error) {
	password := r.o.Password
	if password == "" && r.o.Out != "" {
		if user, staged, err := readLogin(out.staged()); err == nil && user == next {
			password = staged // a run was stopped before the server was told
		}
	}
	if password == "" {
		password = rand.Text()
	}
	verifier, err := NewVerifier(password)
	if err != nil {
		return "", &Problem{Text: "the new password cannot be used: " + err.Error(), Input: true, Err: err}
	}
	if r.o.Out != "" {
		if err := out.stage(next, password); err != nil {
			return "", err
		}
	}
	// Until the end is reached the new login is told from the other one by being valid for longer, however short it is to
	// be.
	until := now.Add(r.o.Valid)
	for _, l := range logins {
		if l.role != next && l.dated && !until.After(l.until) {
			until = l.until.Add(time.Second)
		}
	}
	r.o.Progress("set the password of " + next)
	return password, r.alter(ctx, []validity{{role: next, until: until, verifier: verifier}})
}

// prove logs in as the tenant's clients do, and looks for the application's privileges.
func (r *rotation) prove(ctx context.Context, role, password string) error {
	for try := 0; ; try++ {
		conn, err := r.s.Login(ctx, r.t.Database, role, password)
		if code(err) == codeTooManyConnections && try < 50 {
			// The clients hold all that the database has; one of them ends sooner or later.
			select {
			case <-time.After(200 * time.Millisecond):
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		var has bool
		err = conn.QueryRow(ctx, "SELECT pg_catalog.pg_has_role($1::pg_catalog.name, 'USAGE')", r.t.Roles.App).Scan(&has)
		switch {
		case err != nil:
			return err
		case !has:
			return &Problem{
				Text:  fmt.Sprintf("a session of %s does not have the privileges of %s", role, r.t.Roles.App),
				Hint:  fmt.Sprintf("run `zave db apply --tenant %s`", r.t.Name),
				Input: true,
			}
		}
		return nil
	}
}

// finish sets how long each of the application's logins is valid, in one go, and looks at what the server made of it.
func (r *rotation) finish(ctx context.Context, done *Rotated) error {
	logins, now, err := r.read(ctx)
	if err != nil {
		return err
	}
	next, end := done.Login, now.Add(r.o.Grace)
	changes := []validity{{role: next, until: now.Add(r.o.Valid)}}
	for _, role := range []string{r.t.Roles.App, r.t.Roles.AppA, r.t.Roles.AppB} {
		l := logins[role]
		if role == next || !l.may(now, role == r.t.Roles.App) {
			continue
		}
		done.Previous = append(done.Previous, role)
		// Where the newest login had to be set anew its clients are still with the ones before it.
		if l.may(end, role == r.t.Roles.App) || r.o.Lost {
			changes = append(changes, validity{role: role, until: end})
		}
	}
	slices.Sort(done.Previous)
	r.o.Progress("end the validity of the logins before it after " + r.o.Grace.String())
	if err := r.alter(ctx, changes); err != nil {
		return err
	}
	if r.o.EndSessions {
		for _, role := range []string{r.t.Roles.App, r.t.Roles.AppA, r.t.Roles.AppB} {
			if role != next && logins[role].sessions > 0 {
				n, err := r.endSessions(ctx, role)
				if done.Ended += n; err != nil {
					return err
				}
			}
		}
	}
	if logins, _, err = r.read(ctx); err != nil {
		return err
	}
	for _, c := range changes {
		// The server keeps microseconds.
		if l := logins[c.role]; !l.dated || l.until.Sub(c.until).Abs() > time.Microsecond {
			return &Problem{
				Text: fmt.Sprintf("%s is not valid until %s, as it was set to be: something else changes it", c.role,
					c.until.Format(time.RFC3339)),
				Hint: "run the rotation again",
			}
		}
	}
	done.ValidUntil = logins[next].until
	for _, role := range done.Previous {
		if u := logins[role].until; u.After(done.PreviousUntil) {
			done.PreviousUntil = u
		}
	}
	for role, l := range logins {
		if role != next {
			done.Sessions += l.sessions
		}
	}
	return nil
}

// validity is what alter gives a role: an end and, where there is one, a password.
type validity struct {
	role     string
	until    time.Time
	verifier string
}

// alter changes roles all together or not at all.
func (r *rotation) alter(ctx context.Context, changes []validity) error {
	if err := r.platform.hush(ctx); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, r.platform, func(pgx.Tx) error {
		for _, c := range changes {
			sql := "ALTER ROLE " + state.Ident(c.role)
			if c.verifier != "" {
				sql += " PASSWORD " + strings.TrimLeft(state.Literal(c.verifier), " ")
			}
			sql += " VALID UNTIL '" + c.until.UTC().Format("2006-01-02 15:04:05.999999+00") + "'"
			if err := r.platform.statement(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// endSessions ends all sessions of a role's. The platform's role has to be that role for it, and is, in a transaction
// that leaves no trace.
func (r *rotation) endSessions(ctx context.Context, role string) (int, error) {
	r.o.Progress("end the sessions of " + role)
	tx, err := r.platform.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	var version int
	if err := tx.QueryRow(ctx, "SELECT current_setting('server_version_num')::integer").Scan(&version); err != nil {
		return 0, err
	}
	grant := "GRANT " + state.Ident(role) + " TO current_user"
	if version >= 160000 {
		grant += " WITH INHERIT FALSE, SET TRUE"
	}
	for _, sql := range []string{grant, "SET LOCAL ROLE " + state.Ident(role)} {
		if err := r.platform.statement(ctx, sql); err != nil {
			return 0, err
		}
	}
	var ended int
	err = tx.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000))
		FROM pg_stat_activity WHERE usename = $1`, role).Scan(&ended)
	return ended, err
}

// handout is a tenant's directory of credentials, as rotate writes it. What a rotation is about to hand out lies in a
// directory within until the rotation has come to its end, so that one that was stopped finds it there.
type handout struct{ dir, tenant string }

const (
	loginFile    = "app-username"
	passwordFile = "app"
)

func (h handout) place() string  { return filepath.Join(h.dir, h.tenant) }
func (h handout) staged() string { return filepath.Join(h.place(), ".rotate") }

// stage writes a login and its password to a directory that is there whole or not at all.
func (h handout) stage(login, password string) error {
	if err := localName(h.tenant); err != nil {
		return err
	}
	half := h.staged() + ".tmp"
	if err := errors.Join(os.MkdirAll(h.place(), 0o700), os.RemoveAll(half), os.Mkdir(half, 0o700)); err != nil {
		return h.problem(err)
	}
	err := errors.Join(
		writeSecret(filepath.Join(half, loginFile), login),
		writeSecret(filepath.Join(half, passwordFile), password),
		syncDir(half),
		os.RemoveAll(h.staged()),
		os.Rename(half, h.staged()),
		syncDir(h.place()),
	)
	if err != nil {
		return h.problem(err)
	}
	return nil
}

// publish writes the login that is in use from now on over the one before, each of the two files at once.
func (h handout) publish(login, password string) ([]string, error) {
	if err := localName(h.tenant); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(h.place(), 0o700); err != nil {
		return nil, h.problem(err)
	}
	var files []string
	for _, f := range []struct{ name, content string }{{loginFile, login}, {passwordFile, password}} {
		path := filepath.Join(h.place(), f.name)
		half := filepath.Join(h.place(), "."+f.name+".tmp")
		if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return files, h.problem(err)
		}
		if err := errors.Join(writeSecret(half, f.content), os.Rename(half, path)); err != nil {
			return files, h.problem(err)
		}
		files = append(files, path)
	}
	if err := syncDir(h.place()); err != nil {
		return files, h.problem(err)
	}
	return files, nil
}

// clean removes what stage wrote.
func (h handout) clean() error {
	if err := os.RemoveAll(h.staged()); err != nil {
		return h.problem(err)
	}
	return nil
}

func (h handout) problem(err error) error {
	return &Problem{
		Text: "the new password cannot be written to " + h.place() + ": " + reason(err),
		Hint: "make room or give access there, and run the rotation again: it goes on from where it stopped",
		Err:  err,
	}
}

// localName tells whether a tenant's name can be one of a directory. It is a DNS label by the schema, but may come from
// a file that was not made by the compiler.
func localName(tenant string) error {
	if tenant == "" || tenant == "." || strings.ContainsAny(tenant, `/\`) || !filepath.IsLocal(tenant) {
		return &Problem{Text: fmt.Sprintf("%q is no name of a directory", tenant), Input: true}
	}
	return nil
}

// writeSecret makes a file that only its owner may read, with what is in it on the disk.
func writeSecret(path, content string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteString(content); err != nil {
		return err
	}
	return f.Sync()
}

// syncDir has the names in a directory written to the disk.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// readLogin reads the login and the password of an application's credentials. Before the first rotation there is no
// name: then it is empty, and stands for the application's own role.
func readLogin(dir string) (login, password string, err error) {
	if login, err = ReadPassword(filepath.Join(dir, loginFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	password, err = ReadPassword(filepath.Join(dir, passwordFile))
	return login, password, err
}

// appRole tells whose password the file app of a tenant's credentials holds: the application's own role's, or after a
// rotation that of the login in use.
func appRole(dir string, t state.Tenant) (string, error) {
	name, err := readPassword(dir, t.Name, loginFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return t.Roles.App, nil
	case err != nil:
		return "", err
	case name != t.Roles.App && name != t.Roles.AppA && name != t.Roles.AppB:
		return "", fmt.Errorf("it names %q, and the application logs in as %s, %s or %s", name, t.Roles.App, t.Roles.AppA,
			t.Roles.AppB)
	}
	return name, nil
}
