package postgres

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/zavestudios/zave/internal/postgres/attack"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// VerifyOptions say how an instance is verified.
type VerifyOptions struct {
	AuditOnly  bool     // inspect and compare alone: nothing is written
	Strict     bool     // try what the strict profile closes, too; it is tried anyway where the specs ask for the profile
	Categories []string // of attacks; none: all. Controls are run in any case
	Tenants    []string // the audit's; none: all
	Sessions   int      // how many attack at once; 0: 4
	PgDump     string   // path of pg_dump; empty: that control is not applicable
	// Waiting is called when another verification runs, and this one waits for its end.
	Waiting func(holder string)
	// Progress is called after each check, from several goroutines, but one call at a time.
	Progress func(done, total int, what string)

	on *target // a tenant's database to attack, too
	// without is why the attacks of the strict profile are left out, whatever the specs ask for; empty: they are not.
	without string
}

// codeDependent is of a role that cannot be dropped yet: something depends on it.
const codeDependent = "2BP01"

const notAskedFor = "the strict profile is not asked for"

// Verify proves that an instance keeps tenants apart. It makes two throw-away tenants as an Apply would, tries as each of
// their roles what must not succeed, what must, and what nothing prevents, and removes them, also when it is interrupted.
// Beside that, it audits the tenants there are: what deviates from the plan. With AuditOnly it does the latter alone.
//
// One verification runs at a time, so that what is found of throw-away tenants was left by a killed run: it is removed
// first. Only what bears their names and their mark is ever dropped.
//
// A server that stops answering makes the rest errors. The error is for what kept the verification from being one; a
// report may come with it.
func (s *Server) Verify(ctx context.Context, want *state.Desired, o VerifyOptions) (*Report, error) {
	report, err := s.verify(ctx, want, o)
	return report, Explain(err)
}

func (s *Server) verify(ctx context.Context, want *state.Desired, o VerifyOptions) (*Report, error) {
	suite, err := attack.Load()
	if err != nil {
		return nil, err
	}
	if err := known(suite, o.Categories); err != nil {
		return nil, err
	}
	report := &Report{Cluster: want.Cluster, Profile: "standard", Attacks: !o.AuditOnly, Partial: len(o.Categories) > 0}
	strict := (o.Strict || want.Instance.Strict) && o.without == ""
	if strict {
		report.Profile = "strict"
	}
	audit, err := s.auditResults(ctx, want, o, report)
	if err != nil {
		return nil, err
	}
	if !o.AuditOnly {
		if report.Results, err = s.attack(ctx, want, suite, strict, o); err != nil && report.Results == nil {
			return nil, err
		}
	}
	report.Results = append(report.Results, audit...)
	return report, err
}

// known holds that categories are the suite's.
func known(suite *attack.Suite, categories []string) error {
	var names []string
	for _, c := range suite.Checks {
		if c.Kind == attack.Standard || c.Kind == attack.Strict {
			names = append(names, c.Category)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, c := range categories {
		if !slices.Contains(names, c) {
			return &Problem{
				Text: fmt.Sprintf("there is no category %q of attacks", c), Hint: "the categories are " + strings.Join(names, ", "),
				Input: true,
			}
		}
	}
	return nil
}

// auditResults compares what is with what is planned, and gives each deviation.
func (s *Server) auditResults(ctx context.Context, want *state.Desired, o VerifyOptions, report *Report) ([]Result, error) {
	live, err := s.InspectAudit(ctx, only(want, o.Tenants))
	if err != nil {
		return nil, err
	}
	report.Version, report.User = live.Version, live.User
	report.Server = "PostgreSQL " + versionName(live.Version)
	plan := want.Plan(live, state.Options{Tenants: o.Tenants, Instance: live.Superuser || live.User == want.Instance.Role})
	return auditPlan(want, &plan, o.Tenants), nil
}

// versionName writes server_version_num as people do.
func versionName(n int) string { return strconv.Itoa(n/10000) + "." + strconv.Itoa(n%10000) }

func auditPlan(want *state.Desired, plan *state.Plan, tenants []string) []Result {
	var out []Result
	wrong := map[string]bool{}
	add := func(r Result) {
		r.Kind, r.Category = "audit", "audit"
		wrong[r.Tenant] = wrong[r.Tenant] || r.Outcome == Failed
		out = append(out, r)
	}
	for _, r := range plan.Refusals {
		add(Result{
			ID: "audit/refusal/" + r.ID, Severity: string(state.Critical), Tenant: r.Tenant, Outcome: Failed,
			Message: r.Message, Fix: r.Hint,
		})
	}
	for _, step := range plan.Steps {
		severity := state.Medium
		if step.Destructive {
			severity = state.High
		}
		add(Result{
			ID: "audit/step/" + step.ID, Severity: string(severity), Tenant: step.Tenant, Where: step.Database, Outcome: Failed,
			Message: step.Why, Fix: "zave db apply runs " + step.SQL,
		})
	}
	for _, f := range plan.Findings {
		r := Result{
			ID: f.Name(), Severity: string(f.Severity), Tenant: f.Tenant, Where: f.Database, Outcome: Failed,
			Message: f.Message, Fix: f.Hint,
		}
		if f.Severity == state.Low {
			r.Outcome = Noted
		}
		add(r)
	}
	if !wrong[""] {
		add(Result{ID: "audit/instance", Severity: string(state.High), Outcome: Passed, Why: "the instance is as planned"})
	}
	for _, t := range want.Tenants {
		if !wrong[t.Name] && (len(tenants) == 0 || slices.Contains(tenants, t.Name)) {
			add(Result{
				ID: "audit/tenant", Severity: string(state.High), Tenant: t.Name, Outcome: Passed,
				Why: "the roles and the database of the tenant are as planned",
			})
		}
	}
	return out
}

// attack makes two tenants, runs the suite against them, and removes them.
func (s *Server) attack(ctx context.Context, want *state.Desired, suite *attack.Suite, strict bool, o VerifyOptions) (
	results []Result, err error) {
	base, conn, err := s.reach(ctx, want.Instance.Database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // and with it goes the lock
	if err := verifyLock(ctx, conn, o.Waiting); err != nil {
		return nil, err
	}
	p, err := newProbes(ctx, conn, want, strict)
	if err != nil {
		return nil, err
	}
	// As the lock is ours, nobody uses what is there: a killed run left it.
	if err := s.removeProbes(ctx, p.want); err != nil {
		return nil, fmt.Errorf("remove what an earlier verification left: %w", err)
	}
	defer func() {
		// A run that was interrupted cleans up after itself.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTimeout)
		defer cancel()
		if left := s.removeProbes(end, p.want); left != nil {
			err = errors.Join(err, fmt.Errorf("remove the throw-away tenants: %w", left))
		}
	}()
	if err := s.makeProbes(ctx, p); err != nil {
		return nil, err
	}
	results, err = p.run(ctx, s, base, suite, o)
	if err == nil && o.on != nil {
		var more []Result
		more, err = p.runOn(ctx, s, base, suite, o)
		results = append(results, more...)
	}
	return results, cmp.Or(ctx.Err(), err)
}

// run runs the suite, or what the options choose of it, against the throw-away tenants.
func (p *probes) run(ctx context.Context, s *Server, base *pgconn.Config, suite *attack.Suite, o VerifyOptions) (
	[]Result, error) {
	return p.runner(ctx, s, base, chosen(suite, o.Categories), o).run(ctx)
}

// runner makes one that has the throw-away tenants attack each other.
func (p *probes) runner(ctx context.Context, s *Server, base *pgconn.Config, suite *attack.Suite, o VerifyOptions) *runner {
	r := &runner{
		arena: &arena{
			want: p.want, own: p.want.Tenants[0], victim: p.want.Tenants[1], passwords: p.passwords,
			strict: p.want.Instance.Strict, without: o.without, verifier: p.verifiers[p.want.Tenants[1].Roles.AppB],
			pgDump: dumps(ctx, o.PgDump, p.version),
			base:   base, platform: s.config.Config, major: p.version / 10000, superuser: p.superuser, facts: p.facts,
		},
		suite: suite, parallel: o.Sessions, progress: o.Progress,
	}
	if r.parallel <= 0 {
		r.parallel = 4
	}
	return r
}

// dumps gives the path of pg_dump where it reads a server of the version: one that is older does not, and a control that
// fails for that says nothing of the server.
func dumps(ctx context.Context, path string, version int) string {
	if path == "" {
		return ""
	}
	if found, err := findProgram(ctx, "pg_dump", path); err != nil || found.major() < version/10000 {
		return ""
	}
	return path
}

// verifyKey is what verifications lock, in the platform's database: "zavf". It is not what an Apply locks, which a
// verification does itself.
const verifyKey = "2053206630"

// verifyLock waits until no other verification runs: there is one pair of throw-away tenants.
func verifyLock(ctx context.Context, conn *pgconn.PgConn, waiting func(holder string)) error {
	out, err := query(ctx, conn, "SELECT pg_catalog.pg_try_advisory_lock("+verifyKey+")")
	if err != nil || out.first == "t" {
		return err
	}
	if waiting != nil {
		waiting("another verification")
	}
	_, err = conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_lock("+verifyKey+")").ReadAll()
	return err
}

// chosen gives the checks of some categories, and the controls.
func chosen(suite *attack.Suite, categories []string) *attack.Suite {
	if len(categories) == 0 {
		return suite
	}
	out := &attack.Suite{Fixture: suite.Fixture}
	for _, c := range suite.Checks {
		if c.Kind == attack.Control || slices.Contains(categories, c.Category) {
			out.Checks = append(out.Checks, c)
		}
	}
	return out
}

// reach finds the way to the instance, of those that the settings allow, and opens a session there.
func (s *Server) reach(ctx context.Context, database string) (*pgconn.Config, *pgconn.PgConn, error) {
	config := s.config.Config.Copy()
	fallbacks := config.Fallbacks
	config.Fallbacks = nil
	config.Database = database
	config.RuntimeParams = map[string]string{"application_name": "zave", "search_path": "pg_catalog, pg_temp"}
	var firstErr error
	for i := -1; i < len(fallbacks); i++ {
		if i >= 0 {
			config.Host, config.Port, config.TLSConfig = fallbacks[i].Host, fallbacks[i].Port, fallbacks[i].TLSConfig
		}
		conn, err := pgconn.ConnectConfig(ctx, config)
		if err == nil {
			// What a server is asked before it is chosen is not asked in an attack.
			base := config.Copy()
			base.ValidateConnect, base.AfterConnect = nil, nil
			return base, conn, nil
		}
		if firstErr == nil {
			firstErr = err
		}
	}
	return nil, nil, firstErr
}

const removalTimeout = time.Minute

// probes are the throw-away tenants, and what they are to be.
type probes struct {
	want      *state.Desired // the instance with them alone
	passwords Credentials
	verifiers map[string]string // of the logins of rotation
	version   int
	superuser string // the first one
	facts     facts
}

// newProbes asks what the suite's checks depend on, and decides on passwords. It has the probes use the extension that a
// control tries, if the server has it.
func newProbes(ctx context.Context, conn *pgconn.PgConn, want *state.Desired, strict bool) (*probes, error) {
	p := &probes{
		want:      &state.Desired{Cluster: want.Cluster, Instance: want.Instance, Tenants: state.Probes()},
		passwords: Credentials{}, verifiers: map[string]string{},
		facts: facts{extensions: map[string]bool{}},
	}
	p.want.Instance.Strict = strict
	results, err := conn.Exec(ctx, `
		SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.pg_get_userbyid(10),
			pg_catalog.has_parameter_privilege(`+constant(want.Instance.Role)+`, 'temp_file_limit', 'SET');
		SELECT name FROM pg_catalog.pg_available_extensions`).ReadAll()
	if err != nil {
		return nil, err
	}
	fact := results[0].Rows[0]
	if p.version, err = strconv.Atoi(string(fact[0])); err != nil {
		return nil, fmt.Errorf("read the server's version: %w", err)
	}
	p.superuser, p.facts.temporary = string(fact[1]), string(fact[2]) == "t"
	for _, row := range results[1].Rows {
		p.facts.extensions[string(row[0])] = true
	}
	for i := range p.want.Tenants {
		t := &p.want.Tenants[i]
		if p.facts.extensions["pgcrypto"] {
			t.Extensions = []string{"pgcrypto"}
		}
		for _, role := range t.Roles.Logins() {
			p.passwords[role] = random(24)
		}
	}
	return p, nil
}

// random gives n random bytes in hexadecimal digits.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// makeProbes makes the tenants as an Apply makes any, and gives the logins of rotation passwords as a rotation would.
func (s *Server) makeProbes(ctx context.Context, p *probes) error {
	if _, err := s.Apply(ctx, p.want, ApplyOptions{Credentials: p.credentials()}); err != nil {
		return err
	}
	if err := p.verify(); err != nil {
		return err
	}
	conn, err := s.Open(ctx, p.want.Instance.Database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SET ROLE "+state.Ident(p.want.Instance.Role)); err != nil {
		return err
	}
	for _, role := range slices.Sorted(maps.Keys(p.verifiers)) {
		if _, err := conn.Exec(ctx, "ALTER ROLE "+state.Ident(role)+" PASSWORD "+constant(p.verifiers[role])); err != nil {
			return err
		}
	}
	return nil
}

// verify computes the verifiers of the logins of rotation, which have no credential.
func (p *probes) verify() (err error) {
	for _, t := range p.want.Tenants {
		for _, role := range []string{t.Roles.AppA, t.Roles.AppB} {
			if p.verifiers[role], err = NewVerifier(p.passwords[role]); err != nil {
				return err
			}
		}
	}
	return nil
}

// credentials are the passwords that an Apply sets.
func (p *probes) credentials() Credentials {
	out := Credentials{}
	for _, t := range p.want.Tenants {
		for _, role := range t.Roles.Logins() {
			if _, ok := t.Roles.Credential(role); ok {
				out[role] = p.passwords[role]
			}
		}
	}
	return out
}

// removeProbes drops the databases and roles of throw-away tenants, where they are. It drops nothing whose comment is not
// theirs, but for what has none yet, as an Apply leaves it that was stopped half-way.
func (s *Server) removeProbes(ctx context.Context, want *state.Desired) error {
	conn, err := s.Open(ctx, want.Instance.Database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SET ROLE "+state.Ident(want.Instance.Role)); err != nil {
		return err
	}
	var errs []error
	for i := range want.Tenants {
		if err := removeDatabase(ctx, conn, &want.Tenants[i]); err != nil {
			errs = append(errs, fmt.Errorf("drop the database %s: %w", want.Tenants[i].Database, err))
		}
	}
	for i := range want.Tenants {
		for _, role := range want.Tenants[i].Roles.All() {
			if err := s.removeRole(ctx, conn, want, &want.Tenants[i], role); err != nil {
				errs = append(errs, fmt.Errorf("drop the role %s: %w", role, err))
			}
		}
	}
	return errors.Join(errs...)
}

// ours tells whether something exists, and is a throw-away tenant's by its comment.
func ours(ctx context.Context, conn *Conn, sql string, t *state.Tenant, name string) (bool, error) {
	var comment *string
	err := conn.QueryRow(ctx, sql, name).Scan(&comment)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case comment != nil && !t.Owns(*comment):
		return false, &Problem{
			Text: name + " exists and is not a throw-away tenant's", Hint: "rename it: zave db verify needs the name", Input: true,
		}
	}
	return true, nil
}

func removeDatabase(ctx context.Context, conn *Conn, t *state.Tenant) error {
	is, err := ours(ctx, conn,
		"SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE datname = $1", t, t.Database)
	if err != nil || !is {
		return err
	}
	name := state.Ident(t.Database)
	if _, err := conn.Exec(ctx, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false"); err != nil {
		return err
	}
	// FORCE takes the right to end each session that is left there. The suite's own have ended, or are about to.
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		if _, err = conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); code(err) == codePrivilege {
			_, err = conn.Exec(ctx, "DROP DATABASE "+name)
		}
		if err == nil || !retryable(err) || wait > 5*time.Second {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// removeRole drops a role, and what an attack that succeeded has it own or hold in other databases.
func (s *Server) removeRole(ctx context.Context, conn *Conn, want *state.Desired, t *state.Tenant, role string) error {
	is, err := ours(ctx, conn,
		"SELECT pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_catalog.pg_roles WHERE rolname = $1", t, role)
	if err != nil || !is {
		return err
	}
	drop := "DROP ROLE " + state.Ident(role)
	_, err = conn.Exec(ctx, drop)
	if code(err) != codeDependent {
		return err
	}
	rows, err := conn.Query(ctx, `SELECT DISTINCT coalesce(d.datname::text, $2)
		FROM pg_catalog.pg_shdepend s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.dbid
		WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
		AND s.refobjid = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1) ORDER BY 1`, role, want.Instance.Database)
	if err != nil {
		return err
	}
	databases, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, database := range databases {
		if err := s.disown(ctx, want, database, role); err != nil {
			return fmt.Errorf("in the database %s: %w", database, err)
		}
	}
	_, err = conn.Exec(ctx, drop)
	return err
}

// disown drops what a role owns in a database, and takes back what it was granted there. Whoever made the role may become
// a member of it, and a member may do that.
func (s *Server) disown(ctx context.Context, want *state.Desired, database, role string) error {
	conn, err := s.Open(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var super bool
	err = conn.QueryRow(ctx, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user").Scan(&super)
	if err != nil {
		return err
	}
	if !super {
		if _, err := conn.Exec(ctx, "GRANT "+state.Ident(role)+" TO "+state.Ident(want.Instance.Role)); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, "DROP OWNED BY "+state.Ident(role)+" CASCADE")
	return err
}
