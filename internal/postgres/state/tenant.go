package state

import (
	"slices"
	"strconv"
	"strings"
)

// Limits that hold in every tenant's database. A session may change the first three for itself, but then knows that it
// does; temporaryLimit only a superuser may change.
const (
	lockTimeout        = "10s"
	idleTimeout        = "60s"
	transactionTimeout = "1h"
	temporaryLimit     = "2GB" // a session's temporary files
)

// mark is the comment on a tenant's roles and database.
func (t *Tenant) mark() string { return t.markPrefix() + t.Hash }

func (t *Tenant) markPrefix() string { return "zave: tenant " + t.Name + ", spec " }

// wanted is what a tenant's role is to be.
type wanted struct {
	name    string
	login   bool
	inherit bool
	limit   int
	does    string
}

// wanted gives the tenant's roles. One tenant's logins leave the platform room in its database: two connections, where
// it has three or more.
func (t *Tenant) wanted() []wanted {
	many, few := max(1, t.Connections-2), max(1, min(2, t.Connections))
	return []wanted{
		{t.Roles.Owner, false, true, 0, "owns the schema " + t.Schema + " and never logs in"},
		{t.Roles.Migrator, true, false, few, "may become " + t.Roles.Owner + ", and has no rights of its own"},
		{t.Roles.App, true, true, many, "reads and writes rows"},
		{t.Roles.AppA, true, true, many, "takes turns with " + t.Roles.AppB + " as " + t.Roles.App +
			" when credentials rotate"},
		{t.Roles.AppB, true, true, many, "takes turns with " + t.Roles.AppA + " as " + t.Roles.App +
			" when credentials rotate"},
		{t.Roles.ReadOnly, true, true, many, "reads rows"},
		{t.Roles.Backup, true, true, few, "reads all rows, for dumps"},
	}
}

// settings gives those of the tenant's database. They stand there and not on the roles, as a role may reset its own.
func (p *planner) settings(t *Tenant) []setting {
	out := []setting{
		{"idle_in_transaction_session_timeout", idleTimeout},
		{"lock_timeout", lockTimeout},
		{"search_path", idents([]string{t.Schema, t.ExtensionSchema})},
		{"statement_timeout", t.StatementTimeout},
		{temporaryFiles, temporaryLimit},
	}
	if p.l.Version >= withTimeout {
		out = append(out, setting{"transaction_timeout", transactionTimeout})
	}
	return out
}

// tenantPlan collects one tenant's steps.
type tenantPlan struct {
	*planner
	t    *Tenant
	db   *Database // nil: there is none
	in   *Inside   // nil: not known, or there is nothing
	mine map[string]bool

	inner   []Step          // in the database, and what needs a membership
	acting  map[string]bool // roles that the platform's has to be a member of meanwhile; true: with their rights
	actions []string        // their names, in order
}

func (p *planner) tenant(t *Tenant) {
	tp := &tenantPlan{
		planner: p, t: t, db: p.dbs[t.Database], in: p.inside[t.Database],
		mine: map[string]bool{}, acting: map[string]bool{},
	}
	for _, r := range t.Roles.All() {
		tp.mine[r] = true
	}
	if tp.refuseForeign() {
		return
	}
	roles := tp.alterable()
	tp.makeRoles(roles)
	tp.revokeMemberships()
	own := tp.makeDatabase()
	if own {
		tp.interior()
	}
	tp.evict()
	tp.leftOver()
	tp.grantMemberships()
	tp.flushInner()
	tp.openRoles(roles)
	if own {
		tp.connect()
	}
}

// step plans a step of the tenant's in the platform's database.
func (tp *tenantPlan) step(s Step) {
	s.Tenant = tp.t.Name
	tp.add(&tp.steps, s)
}

// within plans a step in the tenant's database.
func (tp *tenantPlan) within(s Step) {
	s.Tenant, s.Database = tp.t.Name, tp.t.Database
	tp.add(&tp.inner, s)
}

func (tp *tenantPlan) find(f Finding) {
	f.Tenant = tp.t.Name
	tp.findings = append(tp.findings, f)
}

// invalidDatabase is the connection limit of a database whose DROP was interrupted (pg_database.h,
// DATCONNLIMIT_INVALID_DB).
const invalidDatabase = -2

// refuseForeign refuses roles and a database that bear the wanted names and are not this tenant's.
func (tp *tenantPlan) refuseForeign() bool {
	n := len(tp.refusals)
	if tp.db != nil && tp.db.ConnectionLimit == invalidDatabase {
		tp.refusals = append(tp.refusals, Refusal{
			ID: "database", Tenant: tp.t.Name, Object: tp.t.Database,
			Message: "the database " + tp.t.Database + " is invalid: somebody began to drop it, and was interrupted",
			Hint:    "drop it with DROP DATABASE; nothing else can be done to it",
		})
	}
	refuse := func(kind, name, comment string) {
		whose := "is not zave's"
		if rest, ok := strings.CutPrefix(comment, "zave: "); ok {
			rest, _, _ = strings.Cut(rest, ", spec ")
			whose = "belongs to the " + rest
		}
		tp.refusals = append(tp.refusals, Refusal{
			ID: kind, Tenant: tp.t.Name, Object: name,
			Message: "the " + kind + " " + name + " exists and " + whose,
			Hint:    "rename it, or give it to the tenant " + tp.t.Name + " with --adopt " + name,
		})
	}
	for _, name := range tp.t.Roles.All() {
		r := tp.roles[name]
		if r != nil && !strings.HasPrefix(r.Comment, tp.t.markPrefix()) && !unopened(r) && !tp.adopted(name) {
			refuse("role", name, r.Comment)
		}
	}
	// Only the platform's role makes databases that belong to it: one without a comment was left half-made.
	if tp.db != nil && !strings.HasPrefix(tp.db.Comment, tp.t.markPrefix()) &&
		!(tp.db.Comment == "" && tp.db.Owner == tp.platform) && !tp.adopted(tp.t.Database) {
		refuse("database", tp.t.Database, tp.db.Comment)
	}
	return len(tp.refusals) > n
}

// blocked tells whether the platform's role may not alter another one, nor become it, and no superuser is there to make
// it so: that one is a superuser, before 16 may replicate, or was made by somebody else from 16 on.
func (p *planner) blocked(role string) bool {
	r := p.roles[role]
	switch {
	case r == nil || p.l.Superuser:
		return false
	case p.options():
		return r.Superuser || !p.administers(role)
	}
	return r.Superuser || r.Replication
}

// administers tells whether the platform's role has ADMIN on another, which from 16 on is given to who makes a role.
func (p *planner) administers(role string) bool {
	return slices.ContainsFunc(p.toRole[role], func(m *Membership) bool { return m.Member == p.platform && m.Admin })
}

// alterable plans what makes roles ones that the platform may alter, and gives those that are. What is wrong with the
// others beside that shows once they are.
func (tp *tenantPlan) alterable() []wanted {
	var out []wanted
	for _, w := range tp.t.wanted() {
		r, id, alter := tp.roles[w.name], "role/"+w.name+"/", "ALTER ROLE "+Ident(w.name)+" "
		if r != nil && r.Superuser {
			tp.step(Step{
				ID: id + "superuser", SQL: alter + "NOSUPERUSER", Why: w.name + " is a superuser", Superuser: true,
				Destructive: true,
			})
		}
		if r != nil && r.Replication {
			tp.step(Step{
				ID: id + "replication", SQL: alter + "NOREPLICATION", Superuser: true, Destructive: true,
				Why: w.name + " may replicate the whole instance",
			})
		}
		if r != nil && tp.options() && !tp.administers(w.name) {
			tp.step(Step{
				ID: id + "admin", Superuser: true,
				SQL: "GRANT " + Ident(w.name) + " TO " + Ident(tp.platform) + " WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
				Why: tp.platform + " did not make " + w.name + " and may not alter it",
			})
		}
		if !tp.blocked(w.name) {
			out = append(out, w)
		}
	}
	return out
}

// makeRoles plans roles that nobody can log in as yet, and takes from those there are what is too much.
func (tp *tenantPlan) makeRoles(roles []wanted) {
	for _, w := range roles {
		r, id, alter := tp.roles[w.name], "role/"+w.name+"/", "ALTER ROLE "+Ident(w.name)+" "
		if r == nil {
			attributes := "NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT"
			if !w.inherit {
				attributes = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT"
			}
			tp.step(Step{
				ID: id + "create", SQL: createRole(w.name, attributes), Unless: unlessRole(w.name),
				Why: "there is no role " + w.name + ", which " + w.does,
			})
			tp.comment(id, "ROLE", w.name)
			continue
		}
		for _, a := range []struct {
			wrong        bool
			id, sql, why string
			super        bool
		}{
			{r.Bypass, "bypassrls", "NOBYPASSRLS", "bypasses row-level security", true},
			{r.CreateRole, "createrole", "NOCREATEROLE", "may make roles, and change those of others", false},
			{r.CreateDB, "createdb", "NOCREATEDB", "may make databases", false},
			{r.Login && !w.login, "login", "NOLOGIN", "may log in, and " + w.does, false},
			{r.Inherit && !w.inherit, "inherit", "NOINHERIT", "inherits rights, and " + w.does, false},
			{!r.Inherit && w.inherit, "inherit", "INHERIT", "does not inherit the rights of the roles it is a member of", false},
			{w.limit == 0 && r.ConnectionLimit != 0, "limit", "CONNECTION LIMIT 0", "may hold connections, and " + w.does,
				false},
		} {
			if a.wrong {
				tp.step(Step{
					ID: id + a.id, SQL: alter + a.sql, Why: w.name + " " + a.why, Superuser: a.super,
					Destructive: strings.HasPrefix(a.sql, "NO"),
				})
			}
		}
		for _, c := range tp.configs["role "+w.name] {
			if c.Database == "" || c.Database == tp.t.Database {
				tp.reset(c, id)
			} else if tp.dbs[c.Database] != nil {
				tp.reset(c, id)
			}
		}
		if r.Comment != tp.t.mark() {
			tp.comment(id, "ROLE", w.name)
		}
	}
}

// comment plans the mark of what is the tenant's.
func (tp *tenantPlan) comment(id, kind, name string) {
	mark := tp.t.mark()
	if kind == "DATABASE" {
		mark = tp.t.databaseMark()
	}
	tp.step(Step{
		ID: id + "comment", SQL: "COMMENT ON " + kind + " " + Ident(name) + " IS " + constant(mark),
		Why: "the comment names the tenant and the spec's hash: " + mark,
	})
}

// reset plans that a setting goes that somebody has given a role or the database.
func (tp *tenantPlan) reset(c *RoleConfig, id string) {
	s := Step{ID: id + "setting/" + c.Name, Superuser: c.Restricted, Destructive: true}
	switch {
	case c.Role == "":
		s.SQL = "ALTER DATABASE " + Ident(c.Database) + " RESET " + settingName(c.Name)
		s.Why = "the database " + c.Database + " has the setting " + c.Name + " = " + c.Value +
			", which is not the platform's"
	case c.Database == "":
		s.SQL = "ALTER ROLE " + Ident(c.Role) + " RESET " + settingName(c.Name)
		s.Why = c.Role + " has the setting " + c.Name + " = " + c.Value + ", which goes before the database's"
	default:
		s.ID += "/in/" + c.Database
		s.SQL = "ALTER ROLE " + Ident(c.Role) + " IN DATABASE " + Ident(c.Database) + " RESET " + settingName(c.Name)
		s.Why = c.Role + " has the setting " + c.Name + " = " + c.Value + " in " + c.Database +
			", which goes before the database's"
	}
	tp.step(s)
}

// settingName quotes each part of a parameter's name.
func settingName(name string) string {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		if !plainName(part) {
			parts[i] = Ident(part)
		}
	}
	return strings.Join(parts, ".")
}

func plainName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

// wantedMemberships are those of the tenant's roles in each other.
func (tp *tenantPlan) wantedMemberships() []Membership {
	r := tp.t.Roles
	return []Membership{
		{Role: r.Owner, Member: r.Migrator, Grantor: tp.platform, Set: true},
		{Role: r.App, Member: r.AppA, Grantor: tp.platform, Inherit: true},
		{Role: r.App, Member: r.AppB, Grantor: tp.platform, Inherit: true},
	}
}

// planned tells whether a membership may stay, whatever its options.
func (tp *tenantPlan) planned(m *Membership) bool {
	if tp.options() && m.Member == tp.platform && m.Grantor != tp.platform && tp.mine[m.Role] {
		// The creator of a role is given ADMIN on it, by the first superuser.
		g := tp.roles[m.Grantor]
		return m.Admin && !m.Inherit && !m.Set && g != nil && g.Superuser
	}
	for _, w := range tp.wantedMemberships() {
		if m.Role == w.Role && m.Member == w.Member && (!tp.options() || m.Grantor == w.Grantor) {
			return true
		}
	}
	return false
}

// revokeMemberships takes back those of others in the tenant's roles and of the tenant's roles in others. From 16 on
// each has a grantor, and is revoked as that one granted it.
func (tp *tenantPlan) revokeMemberships() {
	var extra []*Membership
	for _, name := range tp.t.Roles.All() {
		for _, m := range tp.toRole[name] {
			if m.Member == tp.platform && (!tp.options() || m.Grantor == tp.platform) {
				continue // of a run that was stopped half-way; see leftOver
			}
			extra = append(extra, m)
		}
		for _, m := range tp.ofMember[name] {
			if !tp.mine[m.Role] {
				extra = append(extra, m)
			}
		}
	}
	// Those with ADMIN go first: what was granted on their strength goes with them.
	slices.SortStableFunc(extra, func(a, b *Membership) int {
		switch {
		case a.Admin == b.Admin:
			return 0
		case a.Admin:
			return -1
		}
		return 1
	})
	for _, m := range extra {
		if tp.gone[m] {
			continue
		}
		planned := tp.planned(m)
		if planned && (!m.Admin || m.Member == tp.platform) {
			continue
		}
		s := Step{ID: "role/" + m.Role + "/member/" + m.Member + "/", Destructive: true}
		option := ""
		if planned {
			s.ID += "admin"
			option = "ADMIN OPTION FOR "
			s.Why = m.Member + " may make others members of " + m.Role
		} else {
			s.ID += "revoke"
			s.Why = m.Member + " is a member of " + m.Role
		}
		s.SQL = "REVOKE " + option + Ident(m.Role) + " FROM " + Ident(m.Member)
		if tp.options() {
			s.ID += "/by/" + m.Grantor
			s.SQL += " GRANTED BY " + Ident(m.Grantor)
			s.Why += ", by grant of " + m.Grantor
			s.Superuser = m.Grantor != tp.platform
		} else if r := tp.roles[m.Role]; r != nil && r.Superuser {
			s.Superuser = true
		}
		if m.Admin {
			s.SQL += " CASCADE"
			if tp.l.Superuser || !s.Superuser {
				tp.cascade(m)
			}
		}
		if !planned {
			tp.gone[m] = true
		}
		tp.step(s)
	}
}

// cascade marks what goes when the ADMIN option of a membership does.
func (tp *tenantPlan) cascade(m *Membership) {
	if !tp.options() {
		return // before 16, nothing depends on a grantor
	}
	for _, o := range tp.toRole[m.Role] {
		if o.Grantor == m.Member && o != m && !tp.gone[o] {
			tp.gone[o] = true
			if o.Admin {
				tp.cascade(o)
			}
		}
	}
}

// grantMemberships gives those that are wanted. It comes late: only what is in order is passed on.
func (tp *tenantPlan) grantMemberships() {
	for _, w := range tp.wantedMemberships() {
		if tp.blocked(w.Role) {
			continue
		}
		var have *Membership
		for _, m := range tp.toRole[w.Role] {
			if m.Member == w.Member && (!tp.options() || m.Grantor == w.Grantor) && !tp.gone[m] {
				have = m
			}
		}
		if have != nil && (!tp.options() || have.Inherit == w.Inherit && have.Set == w.Set) {
			continue
		}
		s := Step{
			ID:  "role/" + w.Role + "/member/" + w.Member + "/grant",
			SQL: "GRANT " + Ident(w.Role) + " TO " + Ident(w.Member),
		}
		how := "is not a member of"
		if have != nil {
			how = "has other options than planned as a member of"
		}
		if w.Set {
			s.Why = w.Member + " " + how + " " + w.Role + ", which it becomes to change the schema"
		} else {
			s.Why = w.Member + " " + how + " " + w.Role + ", whose rights it has"
		}
		if tp.options() {
			s.SQL += " WITH INHERIT " + onOff(w.Inherit) + ", SET " + onOff(w.Set)
		}
		tp.step(s)
	}
}

func onOff(b bool) string { return strings.ToUpper(strconv.FormatBool(b)) }

// act has the platform's role become a member of another while the inner steps run: to act as it, or, with its rights,
// to give away what it owns. It tells whether that can be.
func (tp *tenantPlan) act(role string, rights bool) bool {
	if tp.tenantOf[role] == nil || tp.blocked(role) {
		return false
	}
	if _, ok := tp.acting[role]; !ok {
		tp.actions = append(tp.actions, role)
	}
	tp.acting[role] = tp.acting[role] || rights
	return true
}

// leftOver has memberships taken back that a stopped run left the platform's role.
func (tp *tenantPlan) leftOver() {
	for _, name := range tp.t.Roles.All() {
		for _, m := range tp.toRole[name] {
			if m.Member != tp.platform || tp.options() && m.Grantor != tp.platform || tp.gone[m] {
				continue
			}
			if _, ok := tp.acting[name]; !ok {
				tp.acting[name] = false
				tp.actions = append(tp.actions, name)
			}
		}
	}
}

// flushInner plans the inner steps between the memberships that they need and their end.
func (tp *tenantPlan) flushInner() {
	slices.Sort(tp.actions)
	var ends []Step
	for _, role := range tp.actions {
		rights := tp.acting[role]
		var have *Membership
		for _, m := range tp.toRole[role] {
			if m.Member == tp.platform && (!tp.options() || m.Grantor == tp.platform) {
				have = m
			}
		}
		give, take := tp.membershipFor(role, rights)
		sufficient := have != nil && (!tp.options() || have.Set && have.Inherit == rights)
		if len(tp.inner) > 0 && !sufficient {
			tp.step(give)
		}
		if len(tp.inner) > 0 || have != nil {
			ends = append(ends, take)
		}
	}
	tp.steps = append(tp.steps, tp.inner...)
	for _, s := range ends {
		tp.step(s)
	}
}

// membershipFor gives the steps by which the instance's role becomes a member of another one, to act as it or, with its
// rights, to give away what it owns, and no longer.
func (p *planner) membershipFor(role string, rights bool) (give, take Step) {
	id := "role/" + role + "/member/" + p.platform + "/"
	give = Step{
		ID: id + "take", SQL: "GRANT " + Ident(role) + " TO " + Ident(p.platform),
		Why: p.platform + " acts as " + role + " for what follows",
	}
	take = Step{
		ID: id + "give-back", SQL: "REVOKE " + Ident(role) + " FROM " + Ident(p.platform),
		Why: p.platform + " needs to act as " + role + " no longer",
	}
	if p.options() {
		give.SQL += " WITH INHERIT " + onOff(rights) + ", SET TRUE"
		take.SQL += " GRANTED BY " + Ident(p.platform)
	}
	return give, take
}

// makeDatabase plans the database up to where it can be entered by the platform, and by nobody else. It tells whether
// the database is the platform's then: what is in it, nobody else but a superuser can right.
func (tp *tenantPlan) makeDatabase() bool {
	t, name, id := tp.t, Ident(tp.t.Database), "database/"+tp.t.Database+"/"
	db := tp.db
	if db == nil {
		tp.step(Step{
			ID: id + "create", Unless: unlessDatabase(t.Database),
			SQL: "CREATE DATABASE " + name + " OWNER " + Ident(tp.platform) +
				" TEMPLATE template0 ALLOW_CONNECTIONS false CONNECTION LIMIT " + strconv.Itoa(t.Connections),
			Why: "there is no database " + t.Database + "; it stays closed until it is locked down",
		})
		db = &Database{
			Name: t.Database, Owner: tp.platform, ConnectionLimit: t.Connections,
			ACL: []ACL{{Privilege: "CONNECT"}, {Privilege: "TEMPORARY"}},
		}
	} else if db.Owner != tp.platform {
		tp.step(Step{
			ID: id + "owner", SQL: "ALTER DATABASE " + name + " OWNER TO " + Ident(tp.platform), Destructive: true,
			Why: "the database " + t.Database + " belongs to " + db.Owner + ", not to the platform", Superuser: true,
		})
		if !tp.l.Superuser {
			return false
		}
	}
	if db.Template {
		tp.step(Step{
			ID: id + "template", SQL: "ALTER DATABASE " + name + " IS_TEMPLATE false", Destructive: true,
			Why: "the database " + t.Database + " is a template: whoever may make databases may copy it",
		})
	}
	for _, s := range revocations(tp.databaseAccess(db)) {
		tp.step(s.Step)
	}
	if !slices.ContainsFunc(db.ACL, func(e ACL) bool { return e.Grantee == db.Owner && e.Privilege == "CONNECT" }) &&
		tp.db != nil {
		tp.step(Step{
			ID: id + "grant/owner", SQL: "GRANT ALL ON DATABASE " + name + " TO " + Ident(tp.platform),
			Why: tp.platform + " may not connect to the database " + t.Database + ", which is its own",
		})
	}
	want := tp.settings(t)
	for _, c := range tp.configs["database "+t.Database] {
		if !slices.ContainsFunc(want, func(s setting) bool { return s.name == c.Name }) {
			tp.reset(c, id)
		}
	}
	for _, c := range tp.planner.within[t.Database] {
		if c.Role == tp.platform {
			tp.reset(c, "role/"+c.Role+"/")
		}
	}
	for _, s := range want {
		tp.set(s, id)
	}
	if db.ConnectionLimit != t.Connections {
		tp.step(Step{
			ID: id + "limit", SQL: "ALTER DATABASE " + name + " CONNECTION LIMIT " + strconv.Itoa(t.Connections),
			Why: "the database " + t.Database + " takes " + limit(db.ConnectionLimit) + ", not " + limit(t.Connections),
		})
	}
	if db.Comment != t.databaseMark() {
		tp.comment(id, "DATABASE", t.Database)
	}
	if !db.AllowConnections {
		tp.step(Step{
			ID: id + "open", SQL: "ALTER DATABASE " + name + " ALLOW_CONNECTIONS true",
			Why: "the database " + t.Database + " is closed to everybody but the platform and superusers, and can be used",
		})
	}
	return true
}

func limit(n int) string {
	switch {
	case n < 0:
		return "any number of connections"
	case n == 1:
		return "1 connection"
	}
	return strconv.Itoa(n) + " connections"
}

// set plans a setting of the tenant's database.
func (tp *tenantPlan) set(want setting, id string) {
	var have *RoleConfig
	for _, c := range tp.configs["database "+tp.t.Database] {
		if c.Name == want.name {
			have = c
		}
	}
	if have != nil && sameSetting(want.name, have.Value, want.value) {
		return
	}
	s := Step{
		ID: id + "setting/" + want.name, SQL: "ALTER DATABASE " + Ident(tp.t.Database) + " SET " + want.sql(),
		Why: "the database " + tp.t.Database + " has no " + want.name + " of its own, and is to have " + want.value,
	}
	if have != nil {
		s.Why = "the database " + tp.t.Database + " has " + want.name + " = " + have.Value + ", not " + want.value
	}
	if want.name == temporaryFiles {
		s.Superuser = !tp.planner.grants[temporaryFiles]
		s.Unless = "SELECT WHERE NOT pg_catalog.has_parameter_privilege('" + temporaryFiles + "', 'SET')"
	}
	tp.step(s)
}

// databaseAccess is who may connect: the tenant's logins. Temporary tables are for who changes the schema.
func (tp *tenantPlan) databaseAccess(db *Database) *access {
	want := map[string][]string{tp.t.Roles.Owner: {"TEMPORARY"}}
	for _, r := range tp.t.Roles.Logins() {
		want[r] = []string{"CONNECT"}
	}
	return &access{
		id: "database/" + tp.t.Database + "/", on: "DATABASE " + Ident(tp.t.Database), what: "the database " + tp.t.Database,
		owner: db.Owner, have: db.ACL, want: want, fresh: tp.db == nil,
		loose: func(role, _ string) bool { return role == tp.platform },
	}
}

// evict ends sessions that nobody may have, and that a REVOKE leaves alive: those of others in the tenant's database,
// and the tenant's outside.
func (tp *tenantPlan) evict() {
	end := func(s *Session, why string) {
		step := terminate(s)
		step.Tenant, step.Why = tp.t.Name, why
		if tp.act(s.Role, false) {
			step.As = s.Role
		} else {
			step.Superuser = true
		}
		tp.add(&tp.inner, step)
	}
	for _, s := range tp.sessions[tp.t.Database] {
		r := tp.roles[s.Role]
		if s.Role == tp.platform || tp.mine[s.Role] && s.Role != tp.t.Roles.Owner || r != nil && r.Superuser {
			continue
		}
		end(s, s.Role+" has a session in "+s.Database+", where it has no business")
	}
	for _, name := range tp.t.Roles.All() {
		for _, s := range tp.byRole[name] {
			// A tenant's database evicts on its own.
			if s.Database == tp.t.Database || tp.ours[s.Database] != nil || tp.t.ownCopy(tp.dbs[s.Database], tp.platform) {
				continue
			}
			end(s, s.Role+" has a session in "+s.Database+", outside of its own database")
		}
	}
}

// rotated tells whether one of the two logins of rotation is in use. From then on app's password runs out, and is not
// the one in its file.
func (tp *tenantPlan) rotated() bool {
	for _, name := range []string{tp.t.Roles.AppA, tp.t.Roles.AppB} {
		if r := tp.roles[name]; r != nil && r.ValidUntil != "" {
			return true
		}
	}
	return false
}

// openRoles has roles log in, each with its limit, and sets passwords.
func (tp *tenantPlan) openRoles(roles []wanted) {
	for _, w := range roles {
		if !w.login {
			continue
		}
		r, id, alter := tp.roles[w.name], "role/"+w.name+"/", "ALTER ROLE "+Ident(w.name)+" "
		switch {
		case r == nil || !r.Login && r.ConnectionLimit != w.limit:
			tp.step(Step{
				ID: id + "open", SQL: alter + "LOGIN CONNECTION LIMIT " + strconv.Itoa(w.limit),
				Why: w.name + " logs in and may hold " + limit(w.limit),
			})
		case !r.Login:
			tp.step(Step{ID: id + "open", SQL: alter + "LOGIN", Why: w.name + " may not log in"})
		case r.ConnectionLimit != w.limit:
			tp.step(Step{
				ID: id + "limit", SQL: alter + "CONNECTION LIMIT " + strconv.Itoa(w.limit),
				Why: w.name + " may hold " + limit(r.ConnectionLimit) + ", not " + limit(w.limit),
			})
		}
	}
	for _, w := range roles {
		switch {
		case w.name == tp.t.Roles.AppA || w.name == tp.t.Roles.AppB:
			tp.handOut(w.name)
		case w.login && !(w.name == tp.t.Roles.App && tp.rotated()):
			tp.password(w.name)
		}
	}
}

// password plans the password of a role that has one login, which has no end.
func (tp *tenantPlan) password(name string) {
	r, id, alter := tp.roles[name], "role/"+name+"/", "ALTER ROLE "+Ident(name)+" "
	if r != nil && r.ValidUntil != "" {
		tp.step(Step{
			ID: id + "valid-until", SQL: alter + "VALID UNTIL 'infinity'",
			Why: "the password of " + name + " is valid until " + r.ValidUntil + " only",
		})
	}
	if tp.o.Credentials[name] && (r == nil || r.Password == PasswordWrong) {
		why := "the password of " + name + " is not the one in its file"
		if r == nil {
			why = name + " gets its password"
		}
		tp.step(Step{ID: id + "password", SQL: alter + "PASSWORD " + Verifier, Password: name, Why: why})
	}
}

// connect lets the tenant in, last of all.
func (tp *tenantPlan) connect() {
	db := tp.db
	if db == nil {
		db = &Database{Name: tp.t.Database, Owner: tp.platform}
	}
	for _, s := range grants(tp.databaseAccess(db)) {
		tp.step(s.Step)
	}
}
