package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// ApplyOptions say what an Apply may do, and who is told of it.
type ApplyOptions struct {
	state.Options             // Credentials is filled in from the field of that name here
	Credentials   Credentials // passwords to set; a role that has none here keeps its own
	DryRun        bool        // plan alone, without the lock
	// Progress is called after each step, one call at a time; total grows when a further look finds more to do.
	Progress func(done, total int, step state.Step)
	// Waiting is called every few seconds while another run holds the lock, with who that is.
	Waiting func(holder string)
}

// Applied is what an Apply has done.
type Applied struct {
	Plan  state.Plan // what it found to be done; after an error, what it had planned last
	Steps int        // how many statements were run
}

// rounds bounds how often an Apply plans. What a database holds that could not be entered shows in a second round, and
// a session that came in between in a third.
const rounds = 5

// Plan inspects the instance and says what an Apply would do. Where passwords are given, it finds out whether they are
// the roles': a superuser compares verifiers, and anybody else tries to log in.
func (s *Server) Plan(
	ctx context.Context, want *state.Desired, o state.Options, c Credentials,
) (*state.Plan, *state.Live, error) {
	return s.plan(ctx, want, o, c, s.Inspect)
}

// Review is Plan with the audit's findings beside: what no step of a plan rights. That takes longer, so that an Apply
// does without.
func (s *Server) Review(
	ctx context.Context, want *state.Desired, o state.Options, c Credentials,
) (*state.Plan, *state.Live, error) {
	return s.plan(ctx, want, o, c, s.InspectAudit)
}

func (s *Server) plan(
	ctx context.Context, want *state.Desired, o state.Options, c Credentials,
	inspect func(context.Context, *state.Desired) (*state.Live, error),
) (*state.Plan, *state.Live, error) {
	live, err := inspect(ctx, only(want, o.Tenants))
	if err != nil {
		return nil, nil, err
	}
	o.Credentials = c.Roles()
	unchecked, err := s.comparePasswords(ctx, want, live, o, c)
	if err != nil {
		return nil, nil, err
	}
	plan := want.Plan(live, o)
	plan.Findings = append(plan.Findings, unchecked...)
	return &plan, live, nil
}

// only gives what is to be inspected for a plan of some tenants; none: all. Only their databases have to be entered;
// whose the other roles and databases are, want says all the same.
func only(want *state.Desired, tenants []string) *state.Desired {
	if len(tenants) == 0 {
		return want
	}
	look := *want
	look.Tenants = slices.DeleteFunc(slices.Clone(want.Tenants), func(t state.Tenant) bool {
		return !slices.Contains(tenants, t.Name)
	})
	return &look
}

// Apply brings an instance to its desired state: it takes the platform's lock, inspects, plans, runs the plan, and
// inspects again until nothing is left to do. It may be stopped or killed at any point, and run again.
//
// Statements commit one by one, since many of them cannot be in a transaction. The instance's come first and last,
// alone; those of a tenant in order; within the databases of several tenants at once, as many as the Server may have
// sessions. What goes wrong with one tenant does not keep the others from their state. A warning of the server's is an
// error.
//
// An error is a *Problem, or the context's. What was done until then is in the result.
func (s *Server) Apply(ctx context.Context, want *state.Desired, o ApplyOptions) (*Applied, error) {
	out := &Applied{}
	return out, Explain(s.apply(ctx, want, o, out))
}

func (s *Server) apply(ctx context.Context, want *state.Desired, o ApplyOptions, out *Applied) error {
	if o.DryRun {
		plan, _, err := s.Plan(ctx, want, o.Options, o.Credentials)
		if err != nil {
			return err
		}
		out.Plan = *plan
		return refused(plan)
	}
	held, err := s.holdOrPrepare(ctx, want, o, out)
	if err != nil {
		return err
	}
	defer held.Close(context.WithoutCancel(ctx))
	return s.converge(ctx, want, o, out, held)
}

// converge plans and runs until there is nothing left to do. Without a lease it runs the instance's steps alone, and
// once.
func (s *Server) converge(ctx context.Context, want *state.Desired, o ApplyOptions, out *Applied, held *lease) error {
	var last []state.Step
	for round := 0; ; round++ {
		plan, live, err := s.Plan(ctx, want, o.Options, o.Credentials)
		if err != nil {
			return explainLook(err, out.Steps)
		}
		// An administrator who is no superuser cannot enter the tenants' databases, which are the platform's role's.
		visitor := o.Instance && !live.Superuser && live.User != want.Instance.Role
		later := 0
		if held == nil || visitor {
			later = len(plan.Steps)
			plan.Steps = slices.DeleteFunc(plan.Steps, func(s state.Step) bool { return s.Tenant != "" })
			later -= len(plan.Steps)
		}
		if visitor && later > 0 && held != nil {
			return &Problem{
				Text: fmt.Sprintf("the instance is prepared, and the tenants are not: the role %q is no superuser", live.User),
				Hint: fmt.Sprintf("run `zave db apply` without --instance as %s", want.Instance.Role), Input: true,
			}
		}
		out.Plan.Findings, out.Plan.Refusals = plan.Findings, plan.Refusals
		if err := refused(plan); err != nil {
			out.Plan.Steps = plan.Steps
			return err
		}
		if len(plan.Steps) == 0 {
			return nil
		}
		if round == rounds || sameSteps(plan.Steps, last) {
			return remains(plan)
		}
		last = plan.Steps
		out.Plan.Steps = append(out.Plan.Steps, plan.Steps...)
		r := &applier{
			server: s, want: want, live: live, o: o, held: held, done: out.Steps, total: out.Steps + len(plan.Steps),
		}
		err = r.run(ctx, plan.Steps)
		out.Steps = r.done
		if err != nil || held == nil {
			return err
		}
	}
}

// holdOrPrepare takes the lock. On an instance that has no database for it yet, it runs the instance's steps first, if
// it is asked to: without a lock, so that of two such runs one may find that the other was quicker.
func (s *Server) holdOrPrepare(ctx context.Context, want *state.Desired, o ApplyOptions, out *Applied) (*lease, error) {
	const tries = 10
	for try := 1; ; try++ {
		held, err := s.lock(ctx, want.Instance.Database, o.Waiting)
		if err == nil {
			return held, nil
		}
		if !unprepared(err) {
			return nil, err
		}
		if !o.Instance && code(err) != codePrivilege {
			return nil, &Problem{
				Text: fmt.Sprintf("the instance has not been prepared: there is no database %q to take the lock in",
					want.Instance.Database),
				Hint: "run `zave db apply --instance` once, as a superuser", Input: true, Err: err,
			}
		}
		if !o.Instance {
			return nil, err
		}
		err = s.converge(ctx, want, o, out, nil)
		if err != nil && (!overtaken(err) || try == tries) {
			return nil, err
		}
		if err == nil && try > 2 {
			return nil, &Problem{
				Text: fmt.Sprintf("the instance is prepared, but the role that connects may not enter the database %q",
					want.Instance.Database),
				Hint:  fmt.Sprintf("run `zave db apply` as %s or as a superuser", want.Instance.Role),
				Input: true, Err: err,
			}
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
}

// unprepared tells whether an error says that the platform's database is not there, or not open yet.
func unprepared(err error) bool {
	switch code(err) {
	case codeNoDatabase, codeNotInState, codePrivilege:
		return true
	}
	return false
}

// overtaken tells whether another run has just made the same thing. A duplicate database breaks a unique index.
func overtaken(err error) bool {
	switch code(err) {
	case codeDuplicateObject, codeDuplicateDatabase, codeUniqueViolation:
		return true
	}
	return retryable(err)
}

// pause waits a little longer each time, and never as long as somebody who began to wait at the same moment.
func pause(ctx context.Context, try int) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(try)*50*time.Millisecond + rand.N(50*time.Millisecond)):
		return nil
	}
}

// refused gives the plan's refusals as one problem.
func refused(plan *state.Plan) error {
	switch n := len(plan.Refusals); n {
	case 0:
		return nil
	case 1:
		return &Problem{Text: plan.Refusals[0].Message, Hint: plan.Refusals[0].Hint, Input: true}
	default:
		var b strings.Builder
		fmt.Fprintf(&b, "nothing was changed, for %d reasons:", n)
		for _, r := range plan.Refusals {
			b.WriteString("\n  " + r.Message)
			if r.Hint != "" {
				b.WriteString(" (" + r.Hint + ")")
			}
		}
		return &Problem{Text: b.String(), Input: true}
	}
}

// remains says what an Apply could not bring about.
func remains(plan *state.Plan) error {
	var b strings.Builder
	fmt.Fprintf(&b, "applied, but ")
	if n := len(plan.Steps); n == 1 {
		b.WriteString("one thing is still not as it should be:")
	} else {
		fmt.Fprintf(&b, "%d things are still not as they should be:", n)
	}
	const most = 20
	for i, step := range plan.Steps {
		if i == most {
			fmt.Fprintf(&b, "\n  and %d more", len(plan.Steps)-most)
			break
		}
		fmt.Fprintf(&b, "\n  %s: %s", stepName(step), step.Why)
	}
	return &Problem{
		Text: b.String(),
		Hint: "something changes them back, or the server does not do as it was told: look at its log and at who else " +
			"administers it",
		Input: true,
	}
}

func stepName(step state.Step) string {
	if step.Tenant == "" {
		return step.ID
	}
	return step.Tenant + ": " + step.ID
}

func sameSteps(a, b []state.Step) bool {
	return slices.EqualFunc(a, b, func(x, y state.Step) bool { return x.ID == y.ID && x.SQL == y.SQL })
}

// applier runs the steps of one plan.
type applier struct {
	server *Server
	want   *state.Desired
	live   *state.Live
	o      ApplyOptions
	held   *lease // nil: before there is a lock

	platform sync.Mutex // one statement at a time in the platform's databases: what they change is the instance's
	home     *actor     // the session of the lock, or one in "postgres" before there is a lock
	maintain *actor     // a session in "postgres", once there was a step for it

	mu          sync.Mutex
	done, total int
}

// run runs the steps: the instance's that come before the tenants', the tenants', and the instance's that come after.
func (r *applier) run(ctx context.Context, steps []state.Step) (err error) {
	if r.held != nil {
		r.home = &actor{Conn: r.held.Conn, database: r.held.database, user: r.live.User}
	}
	defer func() {
		if r.maintain != nil {
			err = errors.Join(err, r.maintain.Close(context.WithoutCancel(ctx)))
		}
	}()
	first := slices.IndexFunc(steps, func(s state.Step) bool { return s.Tenant != "" })
	if first < 0 {
		return r.all(ctx, steps)
	}
	if err := r.all(ctx, steps[:first]); err != nil {
		return err
	}
	last := len(steps)
	for last > first && steps[last-1].Tenant == "" {
		last--
	}
	if err := r.tenants(ctx, steps[first:last]); err != nil {
		return err
	}
	if err := r.all(ctx, steps[last:]); err != nil {
		return err
	}
	if r.held != nil {
		if err := r.held.Ping(ctx); err != nil {
			return &Problem{
				Text: fmt.Sprintf("after %s the session that held the platform's lock was lost, so that another run may have "+
					"begun: %s", plural(r.done, "step"), network(err)),
				Hint: "run the same again: what is done stays, and it looks whether that is all", Err: err,
			}
		}
	}
	return nil
}

// all runs steps one after the other.
func (r *applier) all(ctx context.Context, steps []state.Step) error {
	c := &chain{applier: r}
	defer c.close(ctx)
	for _, step := range steps {
		if err := c.run(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// tenants runs each tenant's steps in order, and those of several tenants at once.
func (r *applier) tenants(ctx context.Context, steps []state.Step) error {
	var order []string
	of := map[string][]state.Step{}
	for _, s := range steps {
		if of[s.Tenant] == nil {
			order = append(order, s.Tenant)
		}
		of[s.Tenant] = append(of[s.Tenant], s)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make([]error, len(order))
	next := make(chan int)
	var workers sync.WaitGroup
	// One session is the lock's, and one may be in "postgres".
	for range min(len(order), max(1, cap(r.server.slots)-2)) {
		workers.Go(func() {
			for i := range next {
				failed[i] = r.all(ctx, of[order[i]])
				if failed[i] != nil && general(failed[i]) {
					stop()
				}
			}
		})
	}
	for i := range order {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	return together(order, failed)
}

// general tells whether an error will meet every tenant: the server or the way to it is at fault.
func general(err error) bool {
	if lost(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch code(err) {
	case codeDiskFull, codeReadOnly, codeTooManyConnections, codeCannotConnectNow:
		return true
	}
	return false
}

// together makes one error of the tenants': the one that stopped all of them, or all that there are.
func together(order []string, failed []error) error {
	var all []error
	var names []string
	for i, err := range failed {
		if err == nil {
			continue
		}
		if general(err) && !errors.Is(err, context.Canceled) {
			return err
		}
		all, names = append(all, err), append(names, order[i])
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d tenants are not as they should be:", len(all))
	input := true
	for i, err := range all {
		var p *Problem
		if errors.As(err, &p) {
			input = input && p.Input
			fmt.Fprintf(&b, "\n  %s", p.Text)
			if p.Hint != "" {
				fmt.Fprintf(&b, " (%s)", p.Hint)
			}
			continue
		}
		input = false
		fmt.Fprintf(&b, "\n  %s: %v", names[i], err)
	}
	return &Problem{
		Text: b.String(), Hint: "the other tenants are; run the same again when this is righted",
		Input: input, Err: errors.Join(all...),
	}
}

// actor is a session that knows which role it acts as.
type actor struct {
	*Conn
	database string
	user     string // who logged in
	role     string // whom it acts as; empty: user
	hushed   []string
}

// chain runs steps that come one after the other, with a session in one database beside the platform's.
type chain struct {
	*applier
	inner *actor
}

func (c *chain) close(ctx context.Context) {
	if c.inner != nil {
		_ = c.inner.Close(context.WithoutCancel(ctx)) // its statements have been answered
		c.inner = nil
	}
}

// run runs one step, again if another session was in its way.
func (c *chain) run(ctx context.Context, step state.Step) error {
	r := c.applier
	database := step.Database
	if database == "" {
		database = r.want.Instance.Database
		if r.held == nil {
			database = "postgres"
		}
	}
	inner := database != "postgres" && database != r.want.Instance.Database
	// A session in a database that is renamed or dropped would be in the way.
	if c.inner != nil && c.inner.database != database {
		c.close(ctx)
	}
	const tries = 6
	for try := 1; ; try++ {
		err := c.attempt(ctx, step, database, inner)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if try == tries || !retryable(err) {
			return r.failed(step, err)
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if r.o.Progress != nil {
		r.o.Progress(r.done, r.total, step)
	}
	return nil
}

func (c *chain) attempt(ctx context.Context, step state.Step, database string, inner bool) error {
	r := c.applier
	if inner {
		if c.inner == nil {
			conn, err := r.server.Open(ctx, database)
			if err != nil {
				return err
			}
			c.inner = &actor{Conn: conn, database: database, user: r.live.User}
		}
		return c.inner.run(ctx, r, step)
	}
	r.platform.Lock()
	defer r.platform.Unlock()
	if r.home != nil && r.home.database == database {
		return r.home.run(ctx, r, step)
	}
	if r.maintain == nil {
		conn, err := r.server.Open(ctx, database)
		if err != nil {
			return err
		}
		r.maintain = &actor{Conn: conn, database: database, user: r.live.User}
	}
	return r.maintain.run(ctx, r, step)
}

// run runs a step's statement as the role that it is for.
func (a *actor) run(ctx context.Context, r *applier, step state.Step) error {
	role := step.As
	if role == "" && !step.Superuser {
		role = r.want.Instance.Role
	}
	if role == a.user {
		role = ""
	}
	if role != a.role || step.Password == "" {
		if err := a.speak(ctx); err != nil {
			return err
		}
	}
	if role != a.role {
		sql := "RESET ROLE"
		if role != "" {
			sql = "SET ROLE " + state.Ident(role)
		}
		if err := a.statement(ctx, sql); err != nil {
			return err
		}
		a.role = role
	}
	sql := step.SQL
	if step.Password != "" {
		if err := a.hush(ctx); err != nil {
			return err
		}
		v, err := NewVerifier(r.o.Credentials[step.Password])
		if err != nil {
			return &Problem{
				Text: fmt.Sprintf("the password of the role %q cannot be used: %v", step.Password, err),
				Hint: credentialHint, Input: true,
			}
		}
		sql = step.Statement(state.Literal(v))
	}
	return a.statement(ctx, sql)
}

// statement runs one statement, in a transaction of its own. A warning is an error: from version 16 on a REVOKE of what
// another role granted does nothing but warn.
func (a *actor) statement(ctx context.Context, sql string) error {
	a.takeWarnings()
	if _, err := a.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return err
	}
	if w := a.takeWarnings(); len(w) > 0 {
		return &Problem{Text: "the server warned: " + strings.Join(w, "; "), Input: true}
	}
	return nil
}

// logging are the settings that would write a statement to the server's log, and what silences them (PostgreSQL manual,
// 20.8, "Error Reporting and Logging").
func logging() [][2]string {
	return [][2]string{
		{"log_statement", "none"},
		{"log_min_duration_statement", "-1"},
		{"log_min_error_statement", "panic"},
	}
}

// hush keeps the statements to come out of the server's log, as far as the role may. They hold verifiers, not
// passwords, but whoever reads the log need not have those either.
func (a *actor) hush(ctx context.Context) error {
	if a.hushed != nil {
		return nil
	}
	a.hushed = []string{}
	for _, l := range logging() {
		var may bool
		err := a.QueryRow(ctx, "SELECT pg_catalog.has_parameter_privilege($1, 'SET')", l[0]).Scan(&may)
		if err != nil {
			return err
		}
		if may {
			if err := a.statement(ctx, "SET "+l[0]+" = "+state.Literal(l[1])); err != nil {
				return err
			}
			a.hushed = append(a.hushed, l[0])
		}
	}
	return nil
}

// speak ends a hush.
func (a *actor) speak(ctx context.Context) error {
	for _, name := range slices.Backward(a.hushed) {
		if err := a.statement(ctx, "RESET "+name); err != nil {
			return err
		}
	}
	a.hushed = nil
	return nil
}

// failed says which step an error met, and where it leaves the run.
func (r *applier) failed(step state.Step, err error) error {
	r.mu.Lock()
	at := fmt.Sprintf("step %d of %d, %s", r.done+1, r.total, stepName(step))
	r.mu.Unlock()
	who := step.As
	if who == "" {
		who = r.want.Instance.Role
		if step.Superuser {
			who = r.live.User
		}
	}
	if lost(err) {
		return &Problem{
			Text: fmt.Sprintf("the connection to the server was lost at %s (%s): %s", at, step.Why, network(err)),
			Hint: "see whether the server runs, and run the same again: what is done stays, and it goes on from there",
			Err:  err,
		}
	}
	p := &Problem{Err: err}
	var told *Problem
	if explained := explainStatement(err, who); errors.As(explained, &told) {
		p.Text, p.Hint, p.Input = at+" ("+step.Why+"): "+told.Text, told.Hint, told.Input
	} else {
		p.Text = at + " (" + step.Why + "): " + explained.Error()
	}
	return p
}

// comparePasswords finds out whether the passwords are the roles', and writes that into live. It gives a finding for
// each that it cannot tell of.
func (s *Server) comparePasswords(
	ctx context.Context, want *state.Desired, live *state.Live, o state.Options, c Credentials,
) ([]state.Finding, error) {
	var roles []*state.Role
	for i := range live.Roles {
		if _, ok := c[live.Roles[i].Name]; ok {
			roles = append(roles, &live.Roles[i])
		}
	}
	if len(roles) == 0 {
		return nil, nil
	}
	if live.Superuser {
		return nil, s.compareVerifiers(ctx, want, roles, c)
	}
	return s.tryPasswords(ctx, want, live, o, roles, c)
}

// compareVerifiers does it with pg_authid, which a superuser may read.
func (s *Server) compareVerifiers(ctx context.Context, want *state.Desired, roles []*state.Role, c Credentials) error {
	stored, err := s.verifiers(ctx, want, roles)
	if err != nil {
		return err
	}
	// Each takes a millisecond of this machine's.
	var workers sync.WaitGroup
	next := make(chan *state.Role)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for role := range next {
				role.Password = state.PasswordWrong
				if verifies(stored[role.Name], c[role.Name]) {
					role.Password = state.PasswordRight
				}
			}
		})
	}
	for _, role := range roles {
		next <- role
	}
	close(next)
	workers.Wait()
	return nil
}

func (s *Server) verifiers(ctx context.Context, want *state.Desired, roles []*state.Role) (map[string]string, error) {
	conn, err := s.home(ctx, want)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var names []string
	for _, role := range roles {
		names = append(names, role.Name)
	}
	rows, err := conn.Query(ctx, `SELECT rolname::text, coalesce(rolpassword, '') FROM pg_catalog.pg_authid
		WHERE rolname = ANY ($1::text[])`, names)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[string]string, len(roles))
	for rows.Next() {
		var name, verifier string
		if err := rows.Scan(&name, &verifier); err != nil {
			return nil, err
		}
		out[name] = verifier
	}
	return out, rows.Err()
}

// tryPasswords does it by logging in.
func (s *Server) tryPasswords(
	ctx context.Context, want *state.Desired, live *state.Live, o state.Options, roles []*state.Role, c Credentials,
) ([]state.Finding, error) {
	home := map[string]*state.Tenant{}
	for i := range want.Tenants {
		t := &want.Tenants[i]
		if len(o.Tenants) > 0 && !slices.Contains(o.Tenants, t.Name) {
			continue
		}
		for _, role := range t.Roles.Logins() {
			home[role] = t
		}
	}
	var try []*state.Role
	for _, role := range roles {
		switch {
		case home[role.Name] == nil && role.Name != want.Instance.Role: // a tenant's that is not asked for
		case !role.Login || role.ConnectionLimit == 0:
			// Nobody can log in with it, so that setting it takes nothing from anybody.
			role.Password = state.PasswordWrong
		default:
			try = append(try, role)
		}
	}
	errs := make([]error, len(try))
	next := make(chan int)
	var workers sync.WaitGroup
	// The lock may be held by a session of ours.
	for range min(len(try), max(1, cap(s.slots)-1)) {
		workers.Go(func() {
			for i := range next {
				database := want.Instance.Database
				if t := home[try[i].Name]; t != nil {
					database = t.Database
				}
				try[i].Password, errs[i] = s.tryPassword(ctx, database, try[i].Name, c[try[i].Name])
			}
		})
	}
	for i := range try {
		next <- i
	}
	close(next)
	workers.Wait()
	var findings []state.Finding
	for i, role := range try {
		if errs[i] == nil {
			continue
		}
		if ctx.Err() != nil {
			return nil, errs[i]
		}
		var p *Problem
		if errors.As(Explain(errs[i]), &p) {
			f := state.Finding{
				ID: "password-unchecked", Severity: state.Low, Object: role.Name,
				Message: fmt.Sprintf("whether the password of the role %s is the one in its file could not be told: %s",
					role.Name, p.Text),
				Hint: "if it has changed, apply once as a superuser, or let the role log in from here",
			}
			if t := home[role.Name]; t != nil {
				f.Tenant, f.Database = t.Name, t.Database
			}
			findings = append(findings, f)
			continue
		}
		return nil, errs[i]
	}
	return findings, nil
}

// tryPassword logs in. A server tells a wrong password with 28P01; what it finds wrong afterwards, it tells only who
// has the right one (postinit.c).
func (s *Server) tryPassword(ctx context.Context, database, role, password string) (state.Password, error) {
	conn, err := s.Login(ctx, database, role, password)
	if err == nil {
		return state.PasswordRight, conn.Close(context.WithoutCancel(ctx))
	}
	switch code(err) {
	case codeInvalidPassword:
		return state.PasswordWrong, nil
	case codePrivilege, codeNoDatabase, codeNotInState:
		return state.PasswordRight, nil
	}
	return state.PasswordUnknown, err
}
