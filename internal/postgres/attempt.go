package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/zavestudios/zave/internal/postgres/attack"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// Limits of the harness's own, for attempts that would not end by themselves.
const (
	attemptTimeout = 60 * time.Second // of one attempt, wherever it hangs
	sessionTimeout = "50s"            // statement_timeout of sessions that do not test it
	slotPatience   = 10 * time.Second // for a session that has ended to leave its slot of the role's limit
	parkedQuery    = "SELECT 'parked by zave'"
)

// arena is what the suite is run against: two tenants, and all that it takes to be each of their roles.
type arena struct {
	want        *state.Desired // for the instance's role and database
	own, victim state.Tenant
	passwords   Credentials // of all logins of both
	verifier    string      // of victim's app_b; empty: it is not known
	strict      bool
	without     string // why the attacks of the strict profile are not tried; empty: nobody asks for them
	real        string // of a tenant that is no throw-away one: its name; empty: both are
	pgDump      string // path; empty: there is none

	base      *pgconn.Config // how the instance is reached; no fallbacks
	platform  pgconn.Config  // who the platform connects as
	major     int
	superuser string // the first one
	facts     facts
	full      sync.Map // roles that had no slot left, after some patience
}

// facts are what checks ask of a server.
type facts struct {
	extensions map[string]bool // that could be made
	temporary  bool            // the platform may limit temporary files
}

// role gives the name of a tenant's role by its key.
func role(t *state.Tenant, key string) string {
	i := slices.Index(attack.Roles(), key)
	if i < 0 {
		return ""
	}
	return t.Roles.All()[i]
}

// names gives what a placeholder stands for when a role of one tenant tries something on another's.
func (r *runner) names(own, victim *state.Tenant, key string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		switch name {
		case "me":
			return role(own, key), true
		case "superuser":
			return r.superuser, true
		case "marker":
			return "a row of " + own.Database, true
		case "platform.role":
			return r.want.Instance.Role, true
		case "platform.database":
			return r.want.Instance.Database, true
		case "platform.pid":
			return r.platformSession.number(), true
		case "victim.pid":
			return r.parked.number(), true
		case "victim.app_b.verifier":
			return r.verifier, true
		}
		side, what, _ := strings.Cut(name, ".")
		t := own
		if side == "victim" {
			t = victim
		}
		switch what {
		case "database":
			return t.Database, true
		case "schema":
			return t.Schema, true
		case "extensions":
			return t.ExtensionSchema, true
		case "extension":
			if len(t.Extensions) == 0 {
				return "", false
			}
			return slices.Min(t.Extensions), true
		}
		n := role(t, what)
		return n, n != ""
	}
}

// expand puts names in the place of placeholders, for a role that tries something.
func (r *runner) expand(text, key string) (string, error) {
	return attack.Expand(text, r.names(&r.own, &r.victim, key), state.Ident, constant)
}

// constant is a string constant without a space in front.
func constant(s string) string { return strings.TrimLeft(state.Literal(s), " ") }

// anonymous gives what a placeholder is called in a report: two runs have the same one, whatever their tenants' names.
func anonymous(key string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		switch name {
		case "me":
			return "own_" + key, true
		case "marker":
			return "a row", true
		case "platform.pid", "victim.pid":
			return "0", true
		case "victim.app_b.verifier":
			return "…", true
		}
		name = strings.Replace(name, "victim.", "neighbour_", 1)
		return strings.ReplaceAll(name, ".", "_"), true
	}
}

// renamer puts the names of a report in the place of the tenants' own.
func (a *arena) renamer() *strings.Replacer {
	type pair struct{ from, to string }
	var pairs []pair
	for _, side := range []struct {
		prefix string
		tenant *state.Tenant
	}{{"own_", &a.own}, {"neighbour_", &a.victim}} {
		for _, key := range attack.Roles() {
			pairs = append(pairs, pair{role(side.tenant, key), side.prefix + key})
		}
		pairs = append(pairs, pair{side.tenant.Database, side.prefix + "database"})
	}
	// The longest first, as one name may begin another.
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Or(len(b.from)-len(a.from), strings.Compare(a.from, b.from)) })
	var list []string
	for _, p := range pairs {
		list = append(list, p.from, p.to)
	}
	return strings.NewReplacer(list...)
}

// signIn says how a session is opened.
type signIn struct {
	database, user, password string
	parameters               map[string]string
	withoutTLS               bool
	auth                     string
}

// dial opens a session. Where a role has no slot left, one that has just ended may still hold it, and so it waits.
func (a *arena) dial(ctx context.Context, l signIn) (*pgconn.PgConn, error) {
	config := a.base.Copy()
	config.Database, config.User, config.Password = l.database, l.user, l.password
	config.RuntimeParams = l.parameters
	if config.RuntimeParams == nil {
		config.RuntimeParams = map[string]string{}
	}
	config.RequireAuth = l.auth
	if l.auth == "" && a.real != "" {
		config.RequireAuth = "!password" // a tenant's own goes to nobody who asks for it in the clear
	}
	if l.withoutTLS {
		config.TLSConfig = nil
	}
	config.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			conn.CustomData()[warned] = n.Message
		}
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return pgconn.ConnectConfig(ctx, config)
}

// warned is where a session keeps the last warning, until the next statement.
const warned = "zave: warning"

// patient dials, and waits for a slot.
func (a *arena) patient(ctx context.Context, l signIn) (*pgconn.PgConn, error) {
	patience := slotPatience
	if a.real != "" {
		patience /= 5 // it has had one session at a time: others have the rest
	}
	for deadline := time.Now().Add(patience); ; {
		conn, err := a.dial(ctx, l)
		if code(err) != codeTooManyConnections {
			return conn, err
		}
		// A tenant's own role may be at its limit for good.
		_, full := a.full.Load(l.user)
		if full || time.Now().After(deadline) {
			if a.real != "" {
				a.full.Store(l.user, true)
			}
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// harness are the parameters of sessions that test none of them.
func harness() map[string]string {
	return map[string]string{
		"application_name": "zave verify", "statement_timeout": sessionTimeout, "lock_timeout": "10s",
		"client_min_messages": "warning",
	}
}

// reply is what a statement gave.
type reply struct {
	rows    int
	first   string // the first column of the first row, as text
	warning string
}

// query runs one statement, with the simple protocol.
func query(ctx context.Context, conn *pgconn.PgConn, sql string) (reply, error) {
	out, _, err := queries(ctx, conn, sql)
	return out, err
}

// copies tells whether a statement has a stream of rows beside it.
func copies(sql string) bool {
	sql = strings.ToUpper(sql)
	return strings.HasPrefix(sql, "COPY ") && (strings.HasSuffix(sql, " TO STDOUT") || strings.HasSuffix(sql, " FROM STDIN"))
}

// queries runs statements in one journey, and gives what the last one gave, and how many of them succeeded.
func queries(ctx context.Context, conn *pgconn.PgConn, statements ...string) (out reply, done int, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if sql := statements[0]; copies(sql) {
		// Rows have to be taken from the server, or it has to be told that none come.
		var tag pgconn.CommandTag
		if strings.HasSuffix(strings.ToUpper(sql), " TO STDOUT") {
			tag, err = conn.CopyTo(ctx, io.Discard, sql)
		} else {
			tag, err = conn.CopyFrom(ctx, bytes.NewReader(nil), sql)
		}
		out.rows = int(tag.RowsAffected())
		return out, 0, err
	}
	delete(conn.CustomData(), warned)
	results, err := conn.Exec(ctx, strings.Join(statements, ";\n")).ReadAll()
	out.warning, _ = conn.CustomData()[warned].(string)
	for _, r := range results {
		if r.Err == nil {
			done++
		}
	}
	if err != nil || len(results) == 0 {
		return out, done, err
	}
	last := results[len(results)-1]
	out.rows = len(last.Rows)
	if out.rows > 0 && len(last.Rows[0]) > 0 {
		out.first = string(last.Rows[0][0])
	}
	return out, done, nil
}

// person is somebody who does what attacks need: sets up, is witness, is asked afterwards. One session serves all.
type person struct {
	mu     sync.Mutex
	become string // SET ROLE to it
	open   func(context.Context) (*pgconn.PgConn, error)
	conn   *pgconn.PgConn
}

// ask runs a statement as the person. It leaves nothing behind in the session.
func (p *person) ask(ctx context.Context, sql string) (reply, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for try := 0; ; try++ {
		if err := p.ready(ctx); err != nil {
			return reply{}, err
		}
		out, err := query(ctx, p.conn, sql)
		if _, clean := query(ctx, p.conn, "DISCARD ALL"); clean != nil {
			_ = p.conn.Close(ctx) // it is opened anew when it is needed
			p.conn = nil
		}
		if err == nil || try > 0 || !lost(err) && !retryable(err) {
			return out, err
		}
	}
}

func (p *person) ready(ctx context.Context) error {
	if p.conn == nil || p.conn.IsClosed() {
		conn, err := p.open(ctx)
		if err != nil {
			return err
		}
		p.conn = conn
	}
	if p.become == "" {
		return nil
	}
	_, err := query(ctx, p.conn, "SET ROLE "+state.Ident(p.become))
	return err
}

// number gives the process of the person's session, alive if that can be.
func (p *person) number() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return "0"
	}
	return strconv.FormatUint(uint64(p.conn.PID()), 10)
}

// stay has the person's session idle, with one query as its last.
func (p *person) stay(ctx context.Context, sql string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil && !p.conn.IsClosed() {
		if _, err := query(ctx, p.conn, sql); err == nil {
			return nil
		}
		_ = p.conn.Close(ctx)
	}
	p.conn = nil
	if err := p.ready(ctx); err != nil {
		return err
	}
	_, err := query(ctx, p.conn, sql)
	return err
}

func (p *person) close(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.Close(ctx) // the server ends it, whatever the farewell
	}
}

// runner runs a suite.
type runner struct {
	*arena
	suite    *attack.Suite
	parallel int
	progress func(done, total int, what string)

	mu              sync.Mutex
	people          map[string]*person
	parked          *person // a session of the neighbour's
	platformSession *person
	heard           atomic.Int64 // notifications that reached the neighbour
	listener        *person

	rename *strings.Replacer
	slots  chan struct{}
	down   atomic.Pointer[string] // why nothing can be tried any more
	done   int
	total  int
}

// job is a check as one role.
type job struct {
	check *attack.Check
	role  string
}

// run tries everything, and gives the results in the suite's order.
func (r *runner) run(ctx context.Context) ([]Result, error) {
	r.people = map[string]*person{}
	r.rename = r.renamer()
	r.slots = make(chan struct{}, max(1, r.parallel))
	parked := "victim.app"
	if r.real == r.victim.Name {
		parked = "victim.readonly" // the application needs its connections
	}
	r.parked = r.somebody(parked)
	r.platformSession = r.somebody("platform")
	r.listener = &person{open: func(ctx context.Context) (*pgconn.PgConn, error) {
		config := r.base.Copy()
		config.Database, config.User = r.victim.Database, r.victim.Roles.App
		config.Password = r.passwords[config.User]
		config.RuntimeParams = harness()
		config.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) { r.heard.Add(1) }
		return pgconn.ConnectConfig(ctx, config)
	}}
	defer func() {
		end := context.WithoutCancel(ctx)
		for _, p := range r.people {
			p.close(end)
		}
		r.parked.close(end)
		r.platformSession.close(end)
		r.listener.close(end)
	}()
	if err := r.furnish(ctx); err != nil {
		return nil, err
	}
	var jobs []job
	for i := range r.suite.Checks {
		c := &r.suite.Checks[i]
		for _, role := range c.Roles {
			jobs = append(jobs, job{c, role})
		}
	}
	r.total = len(jobs)
	out := make([]Result, len(jobs))

	// The owner tries things as the migrator, and so the two have one lane: a role's connections are few.
	lanes := map[string][]int{}
	var alone []int
	for i, j := range jobs {
		switch {
		case j.check.Alone:
			alone = append(alone, i)
		case j.role == "owner":
			lanes["migrator"] = append(lanes["migrator"], i)
		default:
			lanes[j.role] = append(lanes[j.role], i)
		}
	}
	var wg sync.WaitGroup
	for _, key := range slices.Sorted(maps.Keys(lanes)) {
		wg.Go(func() {
			l := &lane{runner: r, login: key}
			defer l.end(ctx)
			for _, i := range lanes[key] {
				out[i] = l.job(ctx, jobs[i])
			}
		})
		if r.real != "" {
			wg.Wait() // one at a time: it takes as few of the tenant's connections as can be
		}
	}
	wg.Wait()
	for _, i := range alone {
		key := jobs[i].role
		if key == "owner" {
			key = "migrator"
		}
		l := &lane{runner: r, login: key}
		out[i] = l.job(ctx, jobs[i])
		l.end(ctx)
	}
	return out, nil
}

// somebody makes a person of a name in the data: "own.owner", "victim.app", "platform".
func (r *runner) somebody(name string) *person {
	if name == "platform" {
		return &person{become: r.want.Instance.Role, open: func(ctx context.Context) (*pgconn.PgConn, error) {
			parameters := harness()
			parameters["search_path"] = "pg_catalog, pg_temp"
			return r.patient(ctx, signIn{
				database: r.want.Instance.Database, user: r.platform.User, password: r.platform.Password, parameters: parameters,
			})
		}}
	}
	side, key, _ := strings.Cut(name, ".")
	t := &r.own
	if side == "victim" {
		t = &r.victim
	}
	p := &person{}
	if key == "owner" {
		key, p.become = "migrator", t.Roles.Owner
	}
	user := role(t, key)
	p.open = func(ctx context.Context) (*pgconn.PgConn, error) {
		return r.patient(ctx, signIn{database: t.Database, user: user, password: r.passwords[user], parameters: harness()})
	}
	return p
}

// as gives the one person of a name.
func (r *runner) as(name string) *person {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.people[name]
	if p == nil {
		p = r.somebody(name)
		r.people[name] = p
	}
	return p
}

// furnish makes what attacks seek, in both databases, and the neighbour's sessions.
func (r *runner) furnish(ctx context.Context) error {
	if r.real != "" {
		if err := r.attend(ctx); code(err) != codeTooManyConnections {
			return err
		}
		return nil // what is aimed at a session is not applicable then
	}
	tenants := []*state.Tenant{&r.own, &r.victim}
	errs := make([]error, len(tenants))
	var wg sync.WaitGroup
	for i, side := range []string{"own.", "victim."} {
		wg.Go(func() {
			for _, s := range r.suite.Fixture {
				sql, err := attack.Expand(s.SQL, r.names(tenants[i], tenants[1-i], "owner"), state.Ident, constant)
				if err == nil {
					_, err = r.as(strings.Replace(s.As, "own.", side, 1)).ask(ctx, sql)
				}
				if err != nil {
					errs[i] = fmt.Errorf("prepare the database %s: %w", tenants[i].Database, err)
					if code(err) == codeInvalidAuthorization {
						errs[i] = &Problem{
							Text:  "pg_hba.conf does not let the throw-away tenants of a verification in",
							Hint:  "add their lines, which `zave db config pg_hba` prints, and reload the server's configuration",
							Input: true, Err: err,
						}
					}
					return
				}
			}
		})
	}
	wg.Wait()
	if err := cmp.Or(errs...); err != nil {
		return err
	}
	if err := r.attend(ctx); err != nil {
		return err
	}
	// That nothing was heard means something only where something can be heard.
	if _, err := r.as("victim.app").ask(ctx, "NOTIFY zave_attack"); err != nil {
		return fmt.Errorf("notify the neighbour: %w", err)
	}
	for range 2 {
		if err := r.listener.stay(ctx, listening); err != nil {
			return fmt.Errorf("listen as the neighbour: %w", err)
		}
	}
	if r.heard.Swap(0) == 0 {
		return errors.New("the neighbour does not hear its own notification: no attack could be told by what it hears")
	}
	return nil
}

// attend has the sessions stand that attacks are aimed at, should an attack have ended one.
func (r *runner) attend(ctx context.Context) error {
	for _, s := range []struct {
		person   *person
		sql, who string
	}{
		{r.parked, parkedQuery, "as the neighbour"}, {r.platformSession, "SELECT 1", "as the platform"},
		{r.listener, listening, "as the neighbour, to listen"},
	} {
		if s.person == r.listener && r.real != "" {
			continue // nothing is listened for
		}
		if err := s.person.stay(ctx, s.sql); err != nil {
			return fmt.Errorf("log in %s: %w", s.who, err)
		}
	}
	return nil
}

const listening = "LISTEN zave_attack"

// lane tries things one after the other as one login. It keeps a session as long as that is as if it were new.
type lane struct {
	*runner
	login string // key of the role that logs in
	conn  *pgconn.PgConn
	last  string // SQLSTATE of what went wrong last
}

func (l *lane) end(ctx context.Context) {
	if l.conn != nil {
		_ = l.conn.Close(context.WithoutCancel(ctx)) // the server ends it, whatever the farewell
		l.conn = nil
	}
}

// job tries one check as one role.
func (l *lane) job(ctx context.Context, j job) Result {
	c := j.check
	res := l.describe(j)
	if why := cmp.Or(l.inapplicable(c), l.unarmed(j)); why != "" {
		res.Outcome, res.Message = NotApplicable, why
		return l.finish(res)
	}
	if why := l.down.Load(); why != nil {
		res.Outcome, res.Message = Errored, *why
		return l.finish(res)
	}
	// A check that waits for a limit of time to be over leaves the processors to others.
	if !c.Fresh {
		select {
		case l.slots <- struct{}{}:
			defer func() { <-l.slots }()
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		res.Outcome, res.Message = Errored, "interrupted"
		return l.finish(res)
	}
	for again := 0; ; again++ {
		l.try(ctx, j, &res)
		if res.Outcome != Errored || again == 1 || ctx.Err() != nil {
			break
		}
		// Once more, in new sessions: somebody may have stood in the way.
		l.end(ctx)
		res = l.describe(j)
	}
	if res.Outcome == Errored && l.real != "" && l.last == codeTooManyConnections {
		res.Outcome, res.Message = NotApplicable, noConnections
		return l.finish(res)
	}
	if res.Outcome == Errored && ctx.Err() == nil {
		l.end(ctx)
		if err := l.alive(ctx); err != nil {
			why := "the server does not answer: " + l.rename.Replace(plain(err))
			l.down.CompareAndSwap(nil, &why)
		}
	}
	return l.finish(res)
}

// alive asks whether there is a server at all.
func (r *runner) alive(ctx context.Context) error {
	conn, err := r.dial(ctx, signIn{
		database: r.want.Instance.Database, user: r.platform.User, password: r.platform.Password, parameters: harness(),
	})
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (l *lane) finish(res Result) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done++
	if l.progress != nil {
		l.progress(l.done, l.total, res.ID)
	}
	return res
}

// describe says what is tried, in words that are the same for every run.
func (l *lane) describe(j job) Result {
	c := j.check
	res := Result{
		ID: c.ID, Kind: string(c.Kind), Category: c.Category, Severity: c.Severity, Role: j.role, Where: string(c.Where),
		Expected: c.Expect.Describe(l.major), Why: c.Why, Fix: c.Fix, Limit: c.Limit, Detect: c.Detect,
	}
	var said []string
	if c.Login != nil {
		said = append(said, "log in"+describeLogin(c.Login))
	} else if c.Where != attack.Own {
		said = append(said, "connect")
	}
	if c.Client != "" {
		said = append(said, "run "+c.Client)
	}
	for _, sql := range c.SQL {
		text, err := attack.Expand(sql, anonymous(j.role), identWords, constant)
		if err != nil {
			text = sql
		}
		said = append(said, strings.TrimSpace(text))
	}
	res.Tried = strings.Join(said, "; ")
	if c.Repeat > 1 {
		res.Tried = fmt.Sprintf("%d times at once: %s", c.Repeat, res.Tried)
	}
	return res
}

// identWords quotes an identifier where it needs quotes.
func identWords(s string) string {
	if quoted := state.Ident(s); strings.ContainsAny(s, `" .`) {
		return quoted
	}
	return s
}

func describeLogin(l *attack.Login) string {
	out := ""
	if l.User != "" {
		name, _ := anonymous("")(l.User)
		out += " as " + name
	}
	switch l.Password {
	case "wrong":
		out += " with a wrong password"
	case "empty":
		out += " with an empty password"
	case "victim":
		out += " with the neighbour's password"
	case "own":
		if l.User != "" {
			out += " with one's own password"
		}
	}
	if l.TLS == "off" {
		out += " without TLS"
	}
	for _, name := range slices.Sorted(maps.Keys(l.Parameters)) {
		value, err := attack.Expand(l.Parameters[name], anonymous(""), identWords, identWords)
		if err != nil {
			value = l.Parameters[name]
		}
		out += " with " + name + "=" + value
	}
	if l.Auth != "" {
		out += " by " + l.Auth + " alone"
	}
	return out
}

// inapplicable tells why a check says nothing about this server, if so.
func (r *runner) inapplicable(c *attack.Check) string {
	if !c.Applies(r.major) {
		switch {
		case c.Since > r.major:
			return "PostgreSQL " + strconv.Itoa(c.Since) + " and later have what it is about"
		default:
			return "PostgreSQL " + strconv.Itoa(c.Until) + " was the last to have what it is about"
		}
	}
	if c.Kind == attack.Strict && !r.strict {
		return cmp.Or(r.without, notAskedFor)
	}
	what, name, _ := strings.Cut(c.Requires, " ")
	switch {
	case what == "extension" && !r.facts.extensions[name]:
		return "the server has no files of the extension " + name
	case c.Absent != "" && slices.Contains(r.own.Extensions, c.Absent):
		return "the tenant has the extension " + c.Absent + ", which is not made a second time"
	case what == "installed" && name == "" && len(r.own.Extensions) == 0:
		return "the tenant has no extension"
	case what == "installed" && name != "" && !slices.Contains(r.own.Extensions, name):
		return "the tenant does not have the extension " + name
	case what == "tls" && r.base.TLSConfig == nil:
		return "the instance was reached without TLS"
	case what == "setting" && !r.facts.temporary:
		return "the platform's role may not set " + name + " here"
	case what == "client" && r.pgDump == "":
		return "there is no " + name + " of the server's version or a newer one at hand"
	}
	return ""
}

// noConnections is why something was not tried as a role of a tenant that is no throw-away one.
const noConnections = "the role has all its connections in use: they are the tenant's"

// unarmed tells which password is lacking for a check, if so: of a tenant that is no throw-away one, some are not known.
func (l *lane) unarmed(j job) string {
	c := j.check
	lacks := func(t *state.Tenant, key string) bool {
		if key == "owner" {
			key = "migrator"
		}
		return l.passwords[role(t, key)] == ""
	}
	key := ""
	switch {
	case lacks(&l.own, l.login):
		key = "own_" + l.login
	case c.Login != nil && c.Login.Password == "victim" && lacks(&l.victim, j.role):
		key = "neighbour_" + j.role
	case l.verifier == "" && mentions(c, "victim.app_b.verifier"):
		key = "neighbour_app_b"
	default:
		return ""
	}
	return "there is no password of " + key
}

// try runs a check from its preparations to its end.
func (l *lane) try(ctx context.Context, j job, res *Result) {
	c := j.check
	fail := func(what string, err error) {
		l.last = code(err)
		res.Outcome, res.Message = Errored, what+": "+l.rename.Replace(plain(err))
	}
	if mentions(c, ".pid'@") {
		if err := l.attend(ctx); err != nil {
			fail("the session that it is aimed at does not stand", err)
			return
		}
	}
	defer func() {
		for _, s := range c.Restore {
			if err := l.act(ctx, j, s); err != nil {
				fail("what was changed for it could not be put back", err)
			}
		}
	}()
	for _, s := range c.Setup {
		if err := l.act(ctx, j, s); err != nil {
			fail("it could not be prepared", err)
			return
		}
	}
	if c.Witness != nil {
		sql, err := l.expand(c.Witness.SQL, j.role)
		if err == nil {
			var out reply
			if out, err = l.witness(ctx, c.Witness.As, sql); err == nil && out.rows == 0 {
				if l.real != "" {
					res.Outcome, res.Message = NotApplicable, "the tenant has nothing that it is about"
					return
				}
				err = errors.New("there is no such thing")
			}
		}
		if err != nil {
			fail("what it seeks was not shown to exist", err)
			return
		}
	}
	t := &trial{lane: l, job: j}
	defer t.end(ctx)
	out := t.attempt(ctx)
	l.last = code(out.err)
	t.refused = t.open && len(c.SQL) == 1 && code(out.err) != ""
	l.judge(c, out, res)
	if out.err == nil && c.Probe != nil && res.Outcome == Passed {
		l.probe(ctx, j, res)
	}
	if out.err == nil && c.Kind != attack.Control {
		t.undo(ctx, res)
	}
}

// witness asks somebody. A tenant's role that is no throw-away one has one session at a time.
func (l *lane) witness(ctx context.Context, name, sql string) (reply, error) {
	p := l.as(name)
	if l.real != "" {
		l.end(ctx)
		defer p.close(context.WithoutCancel(ctx))
	}
	return p.ask(ctx, sql)
}

// mentions tells whether a text of a check's names something.
func mentions(c *attack.Check, what string) bool {
	return slices.ContainsFunc(c.SQL, func(s string) bool { return strings.Contains(s, what) })
}

func (l *lane) act(ctx context.Context, j job, s attack.Statement) error {
	sql, err := l.expand(s.SQL, j.role)
	if err != nil {
		return err
	}
	_, err = l.as(s.As).ask(ctx, sql)
	return err
}

// outcome is what an attempt came to.
type outcome struct {
	reply
	err   error
	early bool // it was not the attempt itself that was refused, but a statement before it
}

// judge compares what was expected with what came.
func (l *lane) judge(c *attack.Check, out outcome, res *Result) {
	e := &c.Expect
	state := code(out.err)
	said := ""
	if out.err != nil {
		said = l.rename.Replace(plain(out.err))
		res.Got = said
	} else {
		res.Got = "success"
		switch {
		case out.rows == 1:
			res.Got = "1 row"
		case out.rows > 1 || e.Rows || e.None:
			res.Got = fmt.Sprintf("%d rows", out.rows)
		}
		if e.Want != nil {
			res.Got = strconv.Quote(out.first)
		}
	}
	attacked := c.Kind == attack.Standard || c.Kind == attack.Strict
	expected := false
	switch {
	case out.err != nil:
		expected = !out.early && state != "" && e.Matches(state, l.major)
	case e.None:
		expected = out.rows == 0
	case e.Rows:
		expected = out.rows > 0
	case e.Want != nil:
		expected = out.rows > 0 && out.first == *e.Want
	default:
		expected = e.OK
	}
	switch {
	case expected && c.Kind == attack.Inherent:
		res.Outcome = Inevitable
	case expected:
		res.Outcome = Passed
	case out.err != nil && (state == "" && (c.Login == nil || c.Login.Auth == "") || untold(state)):
		// The server, or the way to it, is in trouble: that says nothing about what is allowed.
		res.Outcome, res.Message = Errored, "it could not be told: "+said
	case out.err != nil && out.early && attacked:
		res.Outcome, res.Message = Errored, "it could not be tried, as what comes before it is refused: "+said
	case c.Kind == attack.Inherent:
		res.Outcome, res.Message = Passed, "this server prevents it: "+said
	case !attacked:
		res.Outcome, res.Message = Failed, "legitimate work fails: "+res.Got
	case out.err != nil:
		res.Outcome, res.Message = Failed, "it was refused otherwise than expected, by "+said
	case out.warning != "":
		res.Outcome, res.Message = Failed, "the server accepted it, with the warning: "+l.rename.Replace(out.warning)
	default:
		res.Outcome, res.Message = Failed, "it succeeded"
	}
}

// untold are states that tell of trouble, and not of what is allowed (PostgreSQL manual, Appendix A: classes 08, 53, 57,
// 58; deadlocks, timeouts of locks, and tuples that were updated concurrently).
func untold(state string) bool {
	switch state {
	case codeLockNotAvailable, codeDeadlock, codeSerialization, codeObjectInUse:
		return true
	}
	return slices.Contains([]string{"08", "53", "57"}, state[:min(2, len(state))])
}

// probe asks whether an attempt that the server accepted reached the neighbour, or lifted a limit.
func (l *lane) probe(ctx context.Context, j job, res *Result) {
	p := j.check.Probe
	if p.Listen != "" {
		for range 2 {
			if err := l.listener.stay(ctx, listening); err != nil {
				res.Outcome, res.Message = Errored, "the neighbour could not be asked: "+l.rename.Replace(plain(err))
				return
			}
		}
		if l.heard.Load() > 0 {
			res.Outcome, res.Message = Failed, "the neighbour heard it"
		}
		return
	}
	sql, err := l.expand(p.SQL, j.role)
	var out reply
	if err == nil {
		if p.As == "me" {
			out, err = l.anew(ctx, sql)
		} else {
			out, err = l.as(p.As).ask(ctx, sql)
		}
	}
	switch {
	case err != nil:
		res.Outcome, res.Message = Errored, "the effect could not be looked at: "+l.rename.Replace(plain(err))
	case out.first != p.Want:
		res.Outcome = Failed
		res.Message = fmt.Sprintf("it had an effect: asked afterwards, %s is %q, not %q", p.As, out.first, p.Want)
	}
}

// anew asks in a new session of the lane's own login, with the settings that such a session has.
func (l *lane) anew(ctx context.Context, sql string) (reply, error) {
	conn, err := l.patient(ctx, l.bare())
	if err != nil {
		return reply{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return query(ctx, conn, sql)
}

// bare is a login with no settings but the server's.
func (l *lane) bare() signIn {
	user := role(&l.own, l.login)
	return signIn{database: l.own.Database, user: user, password: l.passwords[user]}
}

// trial is one attempt, and the sessions that it holds.
type trial struct {
	*lane
	job
	conn    *pgconn.PgConn   // that the attempt was made in
	more    []*pgconn.PgConn // beside it
	owned   bool             // conn is the trial's and not the lane's
	open    bool             // a transaction is
	refused bool             // its one statement was, in a transaction: nothing of it stays
}

// attempt does what the check is about.
func (t *trial) attempt(ctx context.Context) outcome {
	c := t.check
	switch {
	case c.Client != "":
		return outcome{err: t.dump(ctx)}
	case c.Repeat > 1:
		return t.crowd(ctx)
	case c.Login != nil || c.Where != attack.Own:
		// The lane's session would count against the role's limit.
		t.lane.end(ctx)
		l, err := t.entry()
		if err != nil {
			return outcome{err: err}
		}
		if t.conn, err = t.patient(ctx, l); err != nil {
			return outcome{err: err}
		}
		t.owned = true
		if len(c.SQL) == 0 {
			return outcome{}
		}
	case c.Fresh:
		t.lane.end(ctx)
		conn, err := t.patient(ctx, t.bare())
		if err != nil {
			return outcome{err: err, early: true}
		}
		t.conn, t.owned = conn, true
	default:
		if t.lane.conn == nil || t.lane.conn.IsClosed() {
			l := t.bare()
			l.parameters = harness()
			conn, err := t.patient(ctx, l)
			if err != nil {
				return outcome{err: err, early: true}
			}
			t.lane.conn = conn
		}
		t.conn = t.lane.conn
	}
	return t.statements(ctx)
}

// statements runs the check's SQL in the trial's session. What only opens the stage goes with the first statement, as each
// journey to the server counts some thousand times.
func (t *trial) statements(ctx context.Context) outcome {
	c := t.check
	var before []string
	if c.Mode == attack.Rollback {
		before = append(before, "BEGIN")
		t.open = true
	}
	if t.role == "owner" {
		before = append(before, "SET ROLE "+state.Ident(t.own.Roles.Owner))
	}
	if len(before) > 0 && (c.Mode != attack.Rollback || len(c.SQL) == 0 || copies(c.SQL[0])) {
		if _, _, err := queries(ctx, t.conn, before...); err != nil {
			return outcome{err: err, early: true}
		}
		before = nil
	}
	var out outcome
	for i, text := range c.SQL {
		sql, err := t.expand(text, t.role)
		if err != nil {
			return outcome{err: err, early: true}
		}
		done := 0
		out.reply, done, out.err = queries(ctx, t.conn, append(before, sql)...)
		if out.err != nil {
			out.early = i < len(c.SQL)-1 || done < len(before)
			return out
		}
		before = nil
	}
	return out
}

// entry is how the check's login is done.
func (t *trial) entry() (signIn, error) {
	c := t.check
	me := role(&t.own, t.role)
	l := signIn{user: me, password: t.passwords[me]}
	switch c.Where {
	case attack.Own:
		l.database = t.own.Database
	case attack.Neighbour:
		l.database = t.victim.Database
	case attack.Platform:
		l.database = t.want.Instance.Database
	default:
		l.database = string(c.Where)
	}
	if c.Login == nil {
		return l, nil
	}
	switch u := c.Login.User; u {
	case "":
	case "platform":
		l.user = t.want.Instance.Role
	case "superuser":
		l.user = t.superuser
	default:
		l.user, _ = t.names(&t.own, &t.victim, t.role)(u)
	}
	switch c.Login.Password {
	case "right":
		l.password = t.passwords[l.user]
	case "victim":
		l.password = t.passwords[role(&t.victim, t.role)]
	case "wrong":
		l.password = "not the password of " + l.user
	case "empty":
		l.password = ""
	}
	l.withoutTLS = c.Login.TLS == "off"
	l.auth = c.Login.Auth
	l.parameters = map[string]string{}
	for name, text := range c.Login.Parameters {
		plainly := func(s string) string { return s }
		value, err := attack.Expand(text, t.names(&t.own, &t.victim, t.role), plainly, plainly)
		if err != nil {
			return l, err
		}
		l.parameters[name] = value
	}
	return l, nil
}

// crowd opens sessions until one is refused, or there are enough.
func (t *trial) crowd(ctx context.Context) outcome {
	t.lane.end(ctx)
	var out outcome
	for i := range t.check.Repeat {
		dial := t.dial
		if i == 0 {
			dial = t.patient
		}
		conn, err := dial(ctx, t.bare())
		if err != nil {
			return outcome{err: err, early: i == 0}
		}
		t.more = append(t.more, conn)
		t.conn = conn
		if out = t.statements(ctx); out.err != nil {
			return out
		}
	}
	return out
}

// dump runs pg_dump on the tenant's own database.
func (t *trial) dump(ctx context.Context) error {
	t.lane.end(ctx)
	user := role(&t.own, t.role)
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	// In a file, as libpq wants it: an environment is shown to whoever may look at the process.
	passwords, err := os.CreateTemp("", "zave-verify-")
	if err != nil {
		return err
	}
	defer os.Remove(passwords.Name())
	_, err = passwords.WriteString("*:*:*:*:" + t.passwords[user] + "\n")
	if err = errors.Join(err, passwords.Close()); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, t.pgDump, "--format=custom", "--no-password", "--file="+os.DevNull,
		"--no-sync", "--schema="+t.own.Schema,
		// Rows that a policy shows to the backup are dumped; without this, a table with policies is an error.
		"--enable-row-security")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "PG") }),
		"PGHOST="+t.base.Host, "PGPORT="+strconv.Itoa(int(t.base.Port)), "PGUSER="+user, "PGDATABASE="+t.own.Database,
		"PGPASSFILE="+passwords.Name(), "PGSSLMODE="+t.sslMode(), "PGAPPNAME=zave verify")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// sslMode is how libpq is to reach the instance: as this process does, which has verified the server's certificate.
func (a *arena) sslMode() string {
	if a.base.TLSConfig == nil {
		return "disable"
	}
	return "require"
}

// undo takes back what has succeeded and stays.
func (t *trial) undo(ctx context.Context, res *Result) {
	if t.check.Mode != attack.Autocommit || t.conn == nil || t.conn.IsClosed() {
		return
	}
	for _, text := range t.check.Undo {
		sql, err := t.expand(text, t.role)
		if err == nil {
			_, err = query(ctx, t.conn, sql)
		}
		if err != nil && res.Outcome == Failed {
			res.Message += ", and could not be undone: " + t.rename.Replace(plain(err))
			return
		}
	}
}

// end leaves the lane's session as it was, or ends it where that is not certain.
func (t *trial) end(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for _, conn := range t.more {
		_ = conn.Close(ctx) // the server ends it, whatever the farewell
	}
	if t.owned {
		_ = t.conn.Close(ctx)
		return
	}
	if t.conn == nil || t.conn != t.lane.conn {
		return
	}
	if t.conn.IsClosed() {
		t.lane.conn = nil
		return
	}
	var err error
	if t.open {
		_, err = query(ctx, t.conn, "ROLLBACK")
	}
	if err == nil && !t.refused {
		_, err = query(ctx, t.conn, "DISCARD ALL")
	}
	if err != nil {
		t.lane.end(ctx)
	}
}

// plain is an error in one line, without what it says of itself twice.
func plain(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return "SQLSTATE " + server.Code + " (" + server.Message + ")"
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		err = connect.Unwrap()
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
