package state

import (
	"slices"
	"strconv"
	"strings"
)

// Versions of the server, as server_version_num has them, from which on something is so.
const (
	minVersion     = 150000 // GRANT SET ON PARAMETER, "public" closed to PUBLIC
	withOptions    = 160000 // memberships have INHERIT and SET of their own, and creators get ADMIN
	withTimeout    = 170000 // transaction_timeout
	withLargeACLs  = 180000 // default privileges on large objects
	superuserHint  = "apply once as a superuser, or run it as one: "
	temporaryFiles = "temp_file_limit"
)

// Plan says what has to be done to l for it to be as desired, in the order in which it has to be done: the instance
// first, where the options ask for it, then one tenant after the other. Steps that take something away come before
// those that give, and a tenant's roles may log in and connect only when all else is done.
//
// What is in a database that could not be entered is not known. Where it is closed, as a run leaves it that was stopped
// half-way, the steps for a new one are planned, all of which may be repeated; a plan after those may find more.
// Therefore plan, apply and inspect again until the plan is empty; three rounds are enough.
func (d *Desired) Plan(l *Live, o Options) Plan {
	p := newPlanner(d, l, o)
	if p.refuse(); l.Version >= minVersion {
		if o.Instance {
			p.instance()
		}
		for i := range d.Tenants {
			if t := &d.Tenants[i]; len(o.Tenants) == 0 || slices.Contains(o.Tenants, t.Name) {
				p.tenant(t)
			}
		}
		p.drops()
		p.become()
	}
	for _, f := range Audit(d, l) {
		if f.Tenant == "" || len(o.Tenants) == 0 || slices.Contains(o.Tenants, f.Tenant) {
			p.findings = append(p.findings, f)
		}
	}
	return Plan{Steps: p.steps, Findings: p.findings, Refusals: p.refusals}
}

// planner holds the indexes of the two states and what has been planned.
type planner struct {
	d *Desired
	l *Live
	o Options

	platform string // the instance's role
	roles    map[string]*Role
	dbs      map[string]*Database
	inside   map[string]*Inside
	unread   map[string]*Unread       // by database
	toRole   map[string][]*Membership // by Role
	ofMember map[string][]*Membership // by Member
	configs  map[string][]*RoleConfig // by role, where one is named, and else by database
	within   map[string][]*RoleConfig // by database, where a role is named too
	sessions map[string][]*Session    // by database
	byRole   map[string][]*Session    // by role
	grants   map[string]bool          // parameters that the instance's role may set
	trusted  map[string]bool          // extensions
	tenantOf map[string]*Tenant       // by role
	ours     map[string]*Tenant       // by database
	gone     map[*Membership]bool     // revoked by what is planned already

	steps    []Step
	findings []Finding
	refusals []Refusal
}

func newPlanner(d *Desired, l *Live, o Options) *planner {
	p := &planner{
		d: d, l: l, o: o, platform: d.Instance.Role,
		roles:    make(map[string]*Role, len(l.Roles)),
		dbs:      make(map[string]*Database, len(l.Databases)),
		inside:   make(map[string]*Inside, len(l.Inside)),
		unread:   map[string]*Unread{},
		toRole:   make(map[string][]*Membership, len(l.Roles)),
		ofMember: make(map[string][]*Membership, len(l.Roles)),
		configs:  make(map[string][]*RoleConfig, len(l.Databases)),
		within:   map[string][]*RoleConfig{},
		sessions: map[string][]*Session{},
		byRole:   map[string][]*Session{},
		grants:   map[string]bool{},
		trusted:  make(map[string]bool, len(l.Extensions)),
		tenantOf: make(map[string]*Tenant, 7*len(d.Tenants)),
		ours:     make(map[string]*Tenant, len(d.Tenants)),
		gone:     map[*Membership]bool{},
	}
	for i := range l.Roles {
		p.roles[l.Roles[i].Name] = &l.Roles[i]
	}
	for i := range l.Databases {
		p.dbs[l.Databases[i].Name] = &l.Databases[i]
	}
	for i := range l.Inside {
		p.inside[l.Inside[i].Database] = &l.Inside[i]
	}
	for i := range l.Unread {
		if u := &l.Unread[i]; u.Database != "" {
			p.unread[u.Database] = u
		}
	}
	for i := range l.Memberships {
		m := &l.Memberships[i]
		p.toRole[m.Role] = append(p.toRole[m.Role], m)
		p.ofMember[m.Member] = append(p.ofMember[m.Member], m)
	}
	for i := range l.RoleConfigs {
		switch c := &l.RoleConfigs[i]; {
		case c.Role == "":
			p.configs["database "+c.Database] = append(p.configs["database "+c.Database], c)
		default:
			p.configs["role "+c.Role] = append(p.configs["role "+c.Role], c)
			if c.Database != "" {
				p.within[c.Database] = append(p.within[c.Database], c)
			}
		}
	}
	for i := range l.Sessions {
		s := &l.Sessions[i]
		p.sessions[s.Database] = append(p.sessions[s.Database], s)
		p.byRole[s.Role] = append(p.byRole[s.Role], s)
	}
	for _, a := range l.Parameters {
		if a.Grantee == p.platform && a.Privilege == "SET" {
			p.grants[a.Object] = true
		}
	}
	for _, e := range l.Extensions {
		p.trusted[e.Name] = e.Trusted
	}
	for i := range d.Tenants {
		p.ours[d.Tenants[i].Database] = &d.Tenants[i]
		for _, r := range d.Tenants[i].Roles.All() {
			p.tenantOf[r] = &d.Tenants[i]
		}
	}
	return p
}

// refuse finds what makes planning pointless.
func (p *planner) refuse() {
	l, in := p.l, &p.d.Instance
	refuse := func(id, object, message, hint string) {
		p.refusals = append(p.refusals, Refusal{ID: id, Object: object, Message: message, Hint: hint})
	}
	if l.Version < minVersion {
		refuse("version", "", "the server is PostgreSQL "+strconv.Itoa(l.Version/10000)+", and zave needs 15 or newer",
			"upgrade the server: what keeps tenants apart here begins with 15")
		return
	}
	if l.Recovery {
		refuse("read-only", "", "the server is a replica or read-only", "connect to the primary")
	}
	for _, problem := range p.d.problems() {
		refuse("name", problem.object, problem.message, problem.hint)
	}
	role := p.roles[in.Role]
	switch {
	case p.o.Instance:
		switch {
		case l.Superuser:
		case !l.CreateRole || !l.CreateDB:
			refuse("privilege", l.User, "the role "+l.User+" may not prepare an instance: it is no superuser and lacks "+
				lacks(l.CreateRole, l.CreateDB), "connect as a superuser or, at a cloud provider, as the administrator")
		}
		if role != nil && role.Comment != instanceMark && !unopened(role) && !p.adopted(in.Role) {
			refuse("role", in.Role, "the role "+in.Role+" exists and is not zave's",
				"choose another name for it in the specs, or give it to zave with --adopt "+in.Role)
		}
		if db := p.dbs[in.Database]; db != nil && db.Comment != instanceMark && !(db.Owner == in.Role && db.Comment == "") &&
			!p.adopted(in.Database) {
			refuse("database", in.Database, "the database "+in.Database+" exists and is not zave's",
				"choose another name for it in the specs, or give it to zave with --adopt "+in.Database)
		}
	case role == nil:
		refuse("instance", in.Role, "the role "+in.Role+" does not exist: the instance has not been prepared",
			"run `zave db apply --instance` once, as a superuser")
	case !role.CreateRole || !role.CreateDB:
		refuse("instance", in.Role, "the role "+in.Role+" lacks "+lacks(role.CreateRole, role.CreateDB),
			"run `zave db apply --instance` as a superuser")
	case !l.Superuser && l.User != in.Role && !p.maySet(l.User, in.Role):
		refuse("privilege", l.User, "the role "+l.User+" is no superuser and may not become "+in.Role,
			"connect as "+in.Role)
	}
}

func lacks(createRole, createDB bool) string {
	var out []string
	if !createRole {
		out = append(out, "CREATEROLE")
	}
	if !createDB {
		out = append(out, "CREATEDB")
	}
	return strings.Join(out, " and ")
}

// maySet tells whether a role may SET ROLE to another by the memberships there are.
func (p *planner) maySet(member, role string) bool {
	seen := map[string]bool{member: true}
	for queue := []string{member}; len(queue) > 0; queue = queue[1:] {
		for _, m := range p.ofMember[queue[0]] {
			if m.Set && !seen[m.Role] {
				if m.Role == role {
					return true
				}
				seen[m.Role] = true
				queue = append(queue, m.Role)
			}
		}
	}
	return false
}

func (p *planner) adopted(name string) bool { return slices.Contains(p.o.Adopt, name) }

// options tells whether memberships have options of their own.
func (p *planner) options() bool { return p.l.Version >= withOptions }

// add plans a step, or has a person do it where it takes a superuser and there is none.
func (p *planner) add(to *[]Step, s Step) {
	if s.Superuser && !p.l.Superuser {
		p.findings = append(p.findings, Finding{
			ID: "needs-superuser", Severity: s.severity(), Tenant: s.Tenant, Database: s.Database, Object: s.ID,
			Message: s.Why + ", and it takes a superuser to right that", Hint: superuserHint + s.SQL,
		})
		return
	}
	*to = append(*to, s)
}

// severity is how bad it is to leave a step undone.
func (s Step) severity() Severity {
	for _, part := range []string{"/superuser", "/bypassrls", "/replication", "/member/", "/owner"} {
		if strings.Contains(s.ID, part) {
			return Critical
		}
	}
	switch {
	case strings.HasSuffix(s.ID, "/"+temporaryFiles):
		return Medium
	case strings.HasPrefix(s.ID, "parameters/"):
		return Low
	}
	return High
}

// instanceMark is the comment on what is the instance's own.
const instanceMark = "zave: instance"

// unopened tells whether a role is as its creation left it, before it was marked as ours: nobody else makes a role that
// may not log in, and not even connect if it could.
func unopened(r *Role) bool {
	return r.Comment == "" && !r.Login && r.ConnectionLimit == 0 && !r.Superuser && !r.Replication && !r.Bypass
}

func createRole(name string, attributes string) string {
	return "CREATE ROLE " + Ident(name) + " NOLOGIN " + attributes + " NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0"
}

func unlessRole(name string) string {
	return "SELECT FROM pg_catalog.pg_roles WHERE rolname = " + strings.TrimLeft(Literal(name), " ")
}

func unlessDatabase(name string) string {
	return "SELECT FROM pg_catalog.pg_database WHERE datname = " + strings.TrimLeft(Literal(name), " ")
}

// instance plans what all tenants share. Its steps are run by whoever connects: a superuser, or the administrator of an
// instance at a cloud provider as far as that one may.
func (p *planner) instance() {
	l, in := p.l, &p.d.Instance
	caller := l.User
	const home = "postgres"
	step := func(s Step) {
		if s.As == "" {
			s.As = caller
		}
		s.Database = home
		p.add(&p.steps, s)
	}
	id := "role/" + in.Role + "/"
	role := p.roles[in.Role]
	if role == nil {
		step(Step{
			ID: id + "create", SQL: createRole(in.Role, "NOSUPERUSER CREATEDB CREATEROLE"), Unless: unlessRole(in.Role),
			Why: "there is no role " + in.Role + ", which makes the tenants' databases and is no superuser",
		})
	}
	if role == nil || role.Comment != instanceMark {
		step(Step{
			ID: id + "comment", SQL: "COMMENT ON ROLE " + Ident(in.Role) + " IS " + Literal(instanceMark),
			Why: "the comment says that the role is zave's",
		})
	}
	if role != nil {
		for _, a := range []struct {
			wrong        bool
			id, sql, why string
			super        bool
		}{
			{role.Superuser, "superuser", "NOSUPERUSER", "is a superuser", true},
			{role.Replication, "replication", "NOREPLICATION", "may replicate the whole instance", true},
			{role.Bypass, "bypassrls", "NOBYPASSRLS", "bypasses row-level security", true},
			{!role.CreateRole, "createrole", "CREATEROLE", "may not make roles", false},
			{!role.CreateDB, "createdb", "CREATEDB", "may not make databases", false},
		} {
			if a.wrong {
				step(Step{
					ID: id + a.id, SQL: "ALTER ROLE " + Ident(in.Role) + " " + a.sql, Why: in.Role + " " + a.why,
					Superuser: a.super, Destructive: a.super,
				})
			}
		}
	}
	settings := []setting{{"search_path", "pg_catalog, pg_temp"}}
	if p.options() {
		settings = append(settings, setting{"createrole_self_grant", ""})
	}
	for _, want := range settings {
		i := slices.IndexFunc(p.configs["role "+in.Role], func(c *RoleConfig) bool {
			return c.Database == "" && c.Name == want.name && sameSetting(c.Name, c.Value, want.value)
		})
		if i < 0 {
			step(Step{
				ID: id + "setting/" + want.name, SQL: "ALTER ROLE " + Ident(in.Role) + " SET " + want.sql(),
				Why: map[string]string{
					"search_path": "a name in the platform's statements means the system's object, " +
						"whatever others have made",
					"createrole_self_grant": "the platform does not become a member of the roles that it makes",
				}[want.name],
			})
		}
	}
	var lacking []string
	for _, name := range platformParameters() {
		if !p.grants[name] {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) > 0 {
		step(Step{
			ID: "parameters/" + in.Role, Superuser: true,
			SQL: "GRANT SET ON PARAMETER " + strings.Join(lacking, ", ") + " TO " + Ident(in.Role),
			Why: in.Role + " limits temporary files, and keeps verifiers of passwords out of the server's log",
		})
		if l.Superuser {
			for _, name := range lacking {
				p.grants[name] = true
			}
		}
	}
	if role == nil || !role.Login || role.ConnectionLimit == 0 {
		step(Step{
			ID: id + "open", SQL: "ALTER ROLE " + Ident(in.Role) + " LOGIN CONNECTION LIMIT -1",
			Why: in.Role + " logs in to do its work",
		})
	}
	if p.o.Credentials[in.Role] && (role == nil || role.Password == PasswordWrong) {
		step(Step{
			ID: id + "password", SQL: "ALTER ROLE " + Ident(in.Role) + " PASSWORD " + Verifier, Password: in.Role,
			Why: "the password of " + in.Role + " is not the one in its file",
		})
	}
	p.ownDatabase()
	for _, name := range []string{"postgres", "template1"} {
		if db := p.dbs[name]; db != nil {
			p.closeDatabase(db, step)
		}
	}
}

// platformParameters are those of a superuser's that the platform's role may set: a limit of tenants' databases, and
// what keeps verifiers out of the log.
func platformParameters() []string {
	return []string{"log_min_duration_statement", "log_min_error_statement", "log_statement", temporaryFiles}
}

// become has an administrator who is no superuser act as the instance's role where a step needs that, and no longer.
// Where the instance is not planned, it is a member for good, or was refused.
func (p *planner) become() {
	caller, role := p.l.User, p.d.Instance.Role
	if !p.o.Instance || p.l.Superuser || caller == role {
		return
	}
	first := slices.IndexFunc(p.steps, func(s Step) bool { return s.As != caller })
	member := slices.ContainsFunc(p.toRole[role], func(m *Membership) bool {
		return m.Member == caller && (!p.options() || m.Grantor == caller)
	})
	id := "role/" + role + "/member/" + caller + "/"
	give := "GRANT " + Ident(role) + " TO " + Ident(caller)
	take := "REVOKE " + Ident(role) + " FROM " + Ident(caller)
	if p.options() {
		give += " WITH INHERIT FALSE, SET TRUE"
		take += " GRANTED BY " + Ident(caller)
	}
	if first >= 0 {
		p.steps = slices.Insert(p.steps, first, Step{
			ID: id + "take", Database: "postgres", As: caller, SQL: give,
			Why: caller + " acts as " + role + " for what follows",
		})
	}
	if first >= 0 || member {
		p.steps = append(p.steps, Step{
			ID: id + "give-back", Database: "postgres", As: caller, SQL: take,
			Why: caller + " needs to act as " + role + " no longer",
		})
	}
}

// ownDatabase plans the platform's database, where the lock of its runs lies.
func (p *planner) ownDatabase() {
	in := &p.d.Instance
	name := Ident(in.Database)
	id := "database/" + in.Database + "/"
	step := func(s Step) {
		s.Database = "postgres"
		p.add(&p.steps, s)
	}
	db := p.dbs[in.Database]
	have := []ACL{{Privilege: "CONNECT"}, {Privilege: "TEMPORARY"}}
	owner := in.Role
	if db == nil {
		step(Step{
			ID: id + "create", Unless: unlessDatabase(in.Database),
			SQL: "CREATE DATABASE " + name + " OWNER " + Ident(in.Role) + " TEMPLATE template0 ALLOW_CONNECTIONS false",
			Why: "there is no database " + in.Database + ", where the platform's runs wait for each other",
		})
		db = &Database{Name: in.Database, Owner: in.Role, ConnectionLimit: -1}
	} else {
		have, owner = db.ACL, db.Owner
		if db.Owner != in.Role {
			step(Step{
				ID: id + "owner", SQL: "ALTER DATABASE " + name + " OWNER TO " + Ident(in.Role), Superuser: true,
				Why: "the database " + in.Database + " belongs to " + db.Owner + ", not to " + in.Role,
			})
		}
	}
	a := &access{
		id: id, on: "DATABASE " + name, what: "the database " + in.Database, owner: owner, have: have,
		fresh: p.dbs[in.Database] == nil,
		// An administrator who is no superuser takes the lock as well.
		loose: func(role, privilege string) bool {
			r := p.roles[role]
			return privilege == "CONNECT" && r != nil && r.CreateRole && p.tenantOf[role] == nil
		},
	}
	if !p.l.Superuser && p.l.User != in.Role {
		a.want = map[string][]string{p.l.User: {"CONNECT"}}
	}
	for _, s := range slices.Concat(revocations(a), grants(a)) {
		step(s.Step)
	}
	if db.Comment != instanceMark {
		step(Step{
			ID: id + "comment", SQL: "COMMENT ON DATABASE " + name + " IS " + Literal(instanceMark),
			Why: "the comment says that the database is zave's",
		})
	}
	if !db.AllowConnections {
		step(Step{
			ID: id + "open", SQL: "ALTER DATABASE " + name + " ALLOW_CONNECTIONS true",
			Why: "the database " + in.Database + " is closed to everybody but its owner and superusers, and can be used",
		})
	}
}

// closeDatabase plans that PUBLIC has nothing of a database of the instance's, nor any tenant.
func (p *planner) closeDatabase(db *Database, step func(Step)) {
	in := &p.d.Instance
	want := map[string][]string{}
	if db.Name == "postgres" {
		for _, role := range append([]string{in.Role}, in.Monitors...) {
			if role != in.Role && p.roles[role] == nil {
				p.findings = append(p.findings, Finding{
					ID: "monitor-missing", Severity: Low, Object: role,
					Message: "the role " + role + ", which is to monitor the instance, does not exist",
					Hint:    "create it, or take it off the database service's monitors",
				})
				continue
			}
			want[role] = []string{"CONNECT"}
		}
	}
	a := &access{
		id: "database/" + db.Name + "/", on: "DATABASE " + Ident(db.Name), what: "the database " + db.Name,
		owner: db.Owner, have: db.ACL, want: want,
		// What an administrator gave to roles that are no tenant's is the administrator's to judge.
		loose: func(role, _ string) bool { return role != "" && p.tenantOf[role] == nil },
	}
	steps := append(revocations(a), grants(a)...)
	if len(steps) > 0 && !p.l.Superuser && db.Owner != p.l.User && !p.maySet(p.l.User, db.Owner) {
		for _, s := range steps {
			s.Superuser = true
			step(s.Step)
		}
		return
	}
	for _, s := range steps {
		step(s.Step)
	}
}

// setting is one that a role or a database has.
type setting struct{ name, value string }

func (s setting) sql() string {
	if s.name == "search_path" {
		names := splitNames(s.value)
		for i, n := range names {
			names[i] = Ident(n)
		}
		return "search_path = " + strings.Join(names, ", ")
	}
	return s.name + " = " + strings.TrimLeft(Literal(s.value), " ")
}

// sameSetting compares two values of pg_db_role_setting. The server quotes the names of a search_path as it sees fit.
func sameSetting(name, a, b string) bool {
	if name == "search_path" {
		return slices.Equal(splitNames(a), splitNames(b))
	}
	return a == b
}

// splitNames reads a list of identifiers as the server writes it: separated by commas, quoted where need be.
func splitNames(s string) []string {
	var out []string
	for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, ", ") {
		if s[0] != '"' {
			i := strings.IndexAny(s, ", ")
			if i < 0 {
				i = len(s)
			}
			out = append(out, s[:i])
			s = s[i:]
			continue
		}
		var name strings.Builder
		for s = s[1:]; s != ""; {
			i := strings.IndexByte(s, '"')
			if i < 0 {
				name.WriteString(s)
				s = ""
				break
			}
			name.WriteString(s[:i])
			s = s[i+1:]
			if !strings.HasPrefix(s, `"`) {
				break
			}
			name.WriteByte('"')
			s = s[1:]
		}
		out = append(out, name.String())
	}
	return out
}
