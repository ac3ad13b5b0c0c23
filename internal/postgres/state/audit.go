package state

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Audit finds the deviations that no statement of a plan rights, because a person has to judge them or because they
// lie where SQL does not reach: the files of the server, its settings, roles and databases that are nobody's, code that
// runs with another's rights. The findings are sorted, the worst first; each names the object that it is about.
//
// A state without Evidence, such as a blank one, is not judged: nothing is known of it.
func Audit(d *Desired, l *Live) []Finding {
	if l.Evidence == nil {
		return nil
	}
	a := newAuditor(d, l)
	a.withheld()
	a.version()
	a.hba()
	a.settings()
	a.roles()
	a.memberships()
	a.verifiers()
	a.configs()
	a.parameters()
	a.databases()
	a.instance()
	a.sessions()
	for i := range l.Evidence.Databases {
		a.inside(&l.Evidence.Databases[i])
	}
	slices.SortFunc(a.out, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(x.Severity.rank(), y.Severity.rank()), strings.Compare(x.Tenant, y.Tenant),
			strings.Compare(x.Database, y.Database), strings.Compare(x.ID, y.ID), strings.Compare(x.Object, y.Object),
			strings.Compare(x.Message, y.Message))
	})
	return slices.Compact(a.out)
}

// rank orders severities, the worst first.
func (s Severity) rank() int { return slices.Index([]Severity{Critical, High, Medium, Low}, s) }

// Worse tells whether a severity is worse than another.
func (s Severity) Worse(than Severity) bool { return s.rank() < than.rank() }

// auditor holds the indexes of the two states and what has been found.
type auditor struct {
	d *Desired
	l *Live
	e *Evidence

	tenants  map[string]*Tenant // by role
	ours     map[string]*Tenant // by database
	role     map[string]*Role
	above    map[string][]string // the roles that a role is a member of, directly
	provider string              // whose instance it is; empty: nobody's but our own
	out      []Finding
}

func newAuditor(d *Desired, l *Live) *auditor {
	a := &auditor{
		d: d, l: l, e: l.Evidence,
		tenants: make(map[string]*Tenant, 7*len(d.Tenants)), ours: make(map[string]*Tenant, len(d.Tenants)),
		role: make(map[string]*Role, len(l.Roles)), above: make(map[string][]string, len(l.Roles)),
	}
	for i := range d.Tenants {
		t := &d.Tenants[i]
		for _, r := range t.Roles.All() {
			a.tenants[r] = t
		}
		a.ours[t.Database] = t
	}
	for i := range l.Roles {
		a.role[l.Roles[i].Name] = &l.Roles[i]
	}
	for _, m := range l.Memberships {
		a.above[m.Member] = append(a.above[m.Member], m.Role)
	}
	// At a cloud provider the first superuser is the provider's, and nobody else can become it.
	a.provider = map[string]string{
		"rdsadmin": "rds", "cloudsqladmin": "cloudsql", "azuresu": "azure", "azure_superuser": "azure",
		"alloydbadmin": "alloydb",
	}[a.e.Bootstrap]
	return a
}

func (a *auditor) find(f Finding) {
	if t := a.ours[f.Database]; t != nil && f.Tenant == "" {
		f.Tenant = t.Name
	}
	a.out = append(a.out, f)
}

// providers tells whether a role or a database is the cloud provider's: those cannot be changed, and come with the
// service.
func (a *auditor) providers(name string) bool {
	return a.provider != "" && (name == a.e.Bootstrap || strings.HasPrefix(name, a.provider))
}

// grantee names who holds a privilege.
func grantee(role string) string {
	if role == "" {
		return "everybody (PUBLIC)"
	}
	return role
}

func from(role string) string {
	if role == "" {
		return "PUBLIC"
	}
	return Ident(role)
}

// reaches tells whether a privilege of a grantee's is one of a tenant's as well, and of which.
func (a *auditor) reaches(role string) (string, bool) {
	if role == "" {
		return "every tenant", true
	}
	if t := a.tenants[role]; t != nil {
		return "the tenant " + t.Name, true
	}
	return "", false
}

// superuser tells whether a role is one.
func (a *auditor) superuser(role string) bool { r := a.role[role]; return r != nil && r.Superuser }

// platform tells whether a role is the instance's own or a superuser: what belongs to it is trusted with more than a
// tenant has.
func (a *auditor) platform(role string) bool { return role == a.d.Instance.Role || a.superuser(role) }

func (a *auditor) withheld() {
	for _, w := range a.e.Withheld {
		f := Finding{ID: "unread", Severity: Low, Database: w.Database, Object: w.What, Message: a.l.User +
			" may not read " + w.What}
		if f.Hint = "audit as a superuser"; w.Grant != "" {
			f.Hint += ", or " + w.Grant
		}
		a.find(f)
	}
}

// version judges the server's release. Those named here are the first whose clients restore a crafted archive safely;
// the clients of an older server's age run code from it.
func (a *auditor) version() {
	major, minor := a.l.Version/10000, a.l.Version%10000
	if least := map[int]int{15: 20, 16: 16, 17: 12, 18: 7}[major]; minor < least {
		v := strconv.Itoa(major) + "."
		a.find(Finding{
			ID: "server-minor", Severity: Medium, Object: "server " + v + strconv.Itoa(minor),
			Message: "the server is PostgreSQL " + v + strconv.Itoa(minor) + ", which lacks security fixes that are in " + v +
				strconv.Itoa(least),
			Hint: "update the server to " + v + strconv.Itoa(least) + " or a later minor release; the data stays as it is",
		})
	}
	platform := a.d.Instance.Role
	if r := a.role[platform]; r != nil && r.CreateRole && a.l.Version < withOptions {
		a.find(Finding{
			ID: "createrole-15", Severity: Medium, Object: platform,
			Message: "before PostgreSQL 16, a role with CREATEROLE may make itself a member of any role that is no superuser: " +
				"whoever has the password of " + platform + " can read and write every tenant's data, run programs on the server " +
				"(pg_execute_server_program) and so become a superuser",
			Hint: "upgrade to PostgreSQL 16 or later, where CREATEROLE rules only the roles that it made; until then guard " +
				"the password of " + platform + " like that of " + a.e.Bootstrap,
		})
	}
}

func (a *auditor) roles() {
	for i := range a.l.Roles {
		r := &a.l.Roles[i]
		if r.Name == a.e.Bootstrap || a.providers(r.Name) || strings.HasPrefix(r.Name, "pg_") {
			continue
		}
		if tenant, ok := markedTenant(r.Comment); ok && a.tenants[r.Name] == nil {
			a.find(Finding{
				ID: "left-role", Severity: Low, Object: r.Name,
				Message: "the role " + r.Name + " was made for the tenant " + tenant + ", and no spec has it any more",
				Hint:    "ALTER ROLE " + Ident(r.Name) + " NOLOGIN, and drop it when nothing belongs to it",
			})
		}
		// The plan rights these for the roles that it makes.
		if a.tenants[r.Name] != nil || r.Name == a.d.Instance.Role {
			continue
		}
		add := func(id string, s Severity, is, sql, why string) {
			a.find(Finding{
				ID: id, Severity: s, Object: r.Name, Message: "the role " + r.Name + " " + is + ": " + why,
				Hint: "if nobody needs it so: ALTER ROLE " + Ident(r.Name) + " " + sql,
			})
		}
		if r.Superuser && r.Name == a.d.Instance.Superuser {
			continue
		}
		if r.Superuser {
			s := High
			if !r.Login {
				s = Medium
			}
			add("superuser-role", s, "is a superuser beside "+a.e.Bootstrap, "NOSUPERUSER", "no privilege holds for it")
			continue
		}
		if r.Replication {
			add("replication-role", Medium, "has REPLICATION", "NOREPLICATION", "it may copy the data of all tenants")
		}
		if r.Bypass {
			add("bypassrls-role", Medium, "has BYPASSRLS", "NOBYPASSRLS", "row-level security does not hold for it")
		}
		if r.CreateRole {
			s, why := Medium, "it may make roles, and rules those that it made"
			if a.l.Version < withOptions {
				s, why = High, "before PostgreSQL 16 it may make itself a member of every role that is no superuser"
			}
			add("createrole-role", s, "has CREATEROLE", "NOCREATEROLE", why)
		}
		if r.CreateDB {
			add("createdb-role", Low, "has CREATEDB", "NOCREATEDB", "a database that it makes is open to every tenant at first")
		}
	}
}

// markedTenant gives the tenant that a comment of ours names.
func markedTenant(comment string) (string, bool) {
	rest, ok := strings.CutPrefix(comment, "zave: tenant ")
	name, _, spec := strings.Cut(rest, ", spec ")
	return name, ok && spec
}

// predefined says what membership in a role of the server's own gives (PostgreSQL manual, "Predefined Roles").
func predefined(role string) (Severity, string) {
	switch role {
	case "pg_execute_server_program":
		return Critical, "may run programs as the server, and so become a superuser"
	case "pg_write_server_files":
		return Critical, "may write the server's files, and so become a superuser"
	case "pg_read_server_files":
		return Critical, "may read the server's files, all tenants' data among them"
	case "pg_read_all_data":
		return High, "may read every table of the databases that it can connect to"
	case "pg_write_all_data":
		return High, "may write every table of the databases that it can connect to"
	case "pg_maintain":
		return Medium, "may lock every table of the databases that it can connect to, and run the tenants' index expressions"
	case "pg_create_subscription":
		return High, "may have the server connect elsewhere and write what it gets"
	case "pg_signal_backend", "pg_signal_autovacuum_worker":
		return High, "may end the tenants' sessions or the server's vacuum workers"
	case "pg_checkpoint":
		return Medium, "may slow the server down for everybody with checkpoints"
	case "pg_use_reserved_connections":
		return High, "may take the connections that are kept for the platform"
	case "pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables":
		return Low, "sees the tenants' statements and the server's settings"
	}
	return Low, "has its rights"
}

func (a *auditor) memberships() {
	platform := a.d.Instance.Role
	for _, m := range a.l.Memberships {
		if a.tenants[m.Member] != nil || a.tenants[m.Role] != nil || a.superuser(m.Member) || a.providers(m.Member) ||
			strings.HasPrefix(m.Member, "pg_") {
			continue // those of tenants are the plan's to right, and a superuser gains nothing
		}
		hint := "REVOKE " + Ident(m.Role) + " FROM " + Ident(m.Member)
		if a.l.Version >= withOptions && m.Grantor != "" {
			hint += " GRANTED BY " + Ident(m.Grantor)
		}
		switch {
		case a.superuser(m.Role):
			a.find(Finding{
				ID: "superuser-member", Severity: Critical, Object: m.Member,
				Message: m.Member + " is a member of " + m.Role + ", which is a superuser: it may become one", Hint: hint,
			})
		case m.Role == platform:
			if a.l.Version >= withOptions && m.Admin && !m.Inherit && !m.Set && a.superuser(m.Grantor) {
				// What the server gives whoever makes a role.
				a.find(Finding{
					ID: "platform-admin", Severity: Low, Object: m.Member,
					Message: m.Member + " made " + platform + ", and may make itself or others members of it",
					Hint:    "guard it like " + platform,
				})
				continue
			}
			a.find(Finding{
				ID: "platform-member", Severity: Critical, Object: m.Member,
				Message: m.Member + " is a member of " + platform + ", and may do to all tenants what the platform may", Hint: hint,
			})
		case strings.HasPrefix(m.Role, "pg_") || a.providers(m.Role):
			severity, may := predefined(m.Role)
			if a.providers(m.Role) {
				severity, may = Medium, "has the provider's administrator's rights"
			}
			if severity == Low && (m.Member == platform || slices.Contains(a.d.Instance.Monitors, m.Member)) {
				continue
			}
			if m.Member == platform && m.Role == "pg_signal_backend" {
				continue // it ends the sessions that must not be
			}
			a.find(Finding{
				ID: "predefined-member", Severity: severity, Object: m.Member,
				Message: m.Member + " is a member of " + m.Role + ": it " + may, Hint: "if it need not be: " + hint,
			})
		case m.Member == platform:
			a.find(Finding{
				ID: "platform-membership", Severity: Medium, Object: m.Role,
				Message: platform + " is a member of " + m.Role + ", and needs to be one of no role but its own",
				Hint:    hint,
			})
		}
	}
}

func (a *auditor) verifiers() {
	for _, v := range a.e.Verifiers {
		r := a.role[v.Role]
		if r == nil || a.providers(v.Role) {
			continue
		}
		t := a.tenants[v.Role]
		f := Finding{Object: v.Role}
		if t != nil {
			f.Tenant = t.Name
		}
		switch {
		case v.Kind == NoSecret:
			if t == nil || v.Role == t.Roles.AppA || v.Role == t.Roles.AppB || !r.Login {
				continue // those of rotation get theirs with the first rotation
			}
			if v.Role == t.Roles.App && (a.dated(t.Roles.AppA) || a.dated(t.Roles.AppB)) {
				continue // one of those is in its place
			}
			f.ID, f.Severity = "password-missing", Low
			f.Message, f.Hint = v.Role+" has no password, so that nobody can log in as it", "zave db apply --credentials DIR"
		case !r.Login && (t != nil && v.Role == t.Roles.Owner):
			f.ID, f.Severity = "password-owner", Medium
			f.Message = v.Role + " has a password, and never logs in: if it is ever given LOGIN, whoever knows it owns the " +
				"tenant's tables"
			f.Hint = "ALTER ROLE " + Ident(v.Role) + " PASSWORD NULL"
		case v.Kind == SCRAMSecret:
			continue
		default:
			f.ID, f.Severity = "password-md5", Medium
			f.Message = "the password of " + v.Role + " is kept as MD5, not as SCRAM-SHA-256: whoever reads the hash can log " +
				"in with it"
			f.Hint = "set it anew, with password_encryption = 'scram-sha-256'"
		}
		a.find(f)
	}
}

// dated tells whether a role has an end, as a login of rotation does from its first password on.
func (a *auditor) dated(role string) bool {
	return a.role[role] != nil && a.role[role].ValidUntil != ""
}

// configs judges the settings of roles and databases that are not the tenants': those a plan resets.
func (a *auditor) configs() {
	for _, c := range a.l.RoleConfigs {
		object, alter := c.Role, "ALTER ROLE "+Ident(c.Role)
		switch {
		case a.tenants[c.Role] != nil, c.Role == "" && a.ours[c.Database] != nil:
			continue
		case c.Role == "" && c.Database == "":
			object, alter = "ALL", "ALTER ROLE ALL"
		case c.Role == "":
			object, alter = c.Database, "ALTER DATABASE "+Ident(c.Database)
		}
		if c.Role == "" && c.Database != "" && c.Database != a.d.Instance.Database {
			continue // no tenant is there, nor the platform's work
		}
		if c.Role != "" && c.Role != a.d.Instance.Role && !a.superuser(c.Role) {
			continue
		}
		if c.Role != "" && c.Database != "" {
			object += " in " + c.Database
			alter += " IN DATABASE " + Ident(c.Database)
		}
		if c.Role == a.d.Instance.Role && c.Database == "" &&
			(c.Name == "search_path" && sameSetting(c.Name, c.Value, "pg_catalog, pg_temp") ||
				c.Name == "createrole_self_grant" && c.Value == "") {
			continue
		}
		whose, severity := object, Low
		if object == "ALL" {
			whose, severity = "every role", Medium
		}
		if slices.Contains(codeSettings(), c.Name) {
			severity = High
		}
		a.find(Finding{
			ID: "setting-of", Severity: severity, Object: object + " " + c.Name,
			Message: whose + " has the setting " + c.Name + " = " + c.Value + ", which the plan does not know",
			Hint:    alter + " RESET " + settingName(c.Name),
		})
	}
}

// codeSettings are those that say which code a session loads or which object a name means.
func codeSettings() []string {
	return []string{
		"dynamic_library_path", "extension_control_path", "local_preload_libraries", "role", "search_path",
		"session_authorization", "session_preload_libraries",
	}
}

// parameters judges who may set what only a superuser may (GRANT … ON PARAMETER).
func (a *auditor) parameters() {
	for _, p := range a.l.Parameters {
		if a.superuser(p.Grantee) || a.providers(p.Grantee) {
			continue
		}
		f := Finding{
			ID: "parameter-grant", Object: p.Object,
			Message: grantee(p.Grantee) + " holds " + p.Privilege + " on the parameter " + p.Object,
			Hint:    "REVOKE " + p.Privilege + " ON PARAMETER " + p.Object + " FROM " + from(p.Grantee),
		}
		if t := a.tenants[p.Grantee]; t != nil {
			f.Tenant = t.Name
		}
		_, tenant := a.reaches(p.Grantee)
		switch {
		case p.Privilege == "ALTER SYSTEM":
			f.Severity = Critical
			f.Message += ": it may change the server's configuration, and with some settings run programs as the server"
		case tenant:
			f.Severity = High
			f.Message += ", which is to hold for tenants as the platform set it"
		case p.Grantee == a.d.Instance.Role && slices.Contains(platformParameters(), p.Object):
			if !p.Grantable {
				continue
			}
			f.Severity = Medium
			f.Message += " and may pass it on"
		default:
			f.Severity = Low
		}
		a.find(f)
	}
}

// databases judges those that no plan is for.
func (a *auditor) databases() {
	in := &a.d.Instance
	for i := range a.l.Databases {
		db := &a.l.Databases[i]
		if t := a.ours[db.Name]; t != nil {
			if db.Template {
				a.find(Finding{
					ID: "template-database", Severity: High, Database: db.Name, Object: db.Name,
					Message: "the database " + db.Name + " is a template: every role with CREATEDB can copy it",
					Hint:    "ALTER DATABASE " + Ident(db.Name) + " IS_TEMPLATE false",
				})
			}
			continue
		}
		if a.providers(db.Name) {
			continue
		}
		if owner := a.tenants[db.Owner]; owner != nil {
			a.find(Finding{
				ID: "database-owner", Severity: High, Tenant: owner.Name, Object: db.Name,
				Message: "the database " + db.Name + " belongs to " + db.Owner + ", a role of the tenant " + owner.Name,
				Hint:    "ALTER DATABASE " + Ident(db.Name) + " OWNER TO " + Ident(in.Role),
			})
		}
		switch db.Name {
		case "template0":
			if db.AllowConnections {
				a.find(Finding{
					ID: "template0-open", Severity: Medium, Object: db.Name,
					Message: "template0 takes connections: what is put there is in every new database, and a session there stops " +
						"every CREATE DATABASE",
					Hint: "ALTER DATABASE template0 ALLOW_CONNECTIONS false",
				})
			}
		case "postgres", "template1", in.Database:
			if db.Template != (db.Name == "template1") {
				a.find(Finding{
					ID: "template-database", Severity: Medium, Object: db.Name,
					Message: "the database " + db.Name + " is a template and should be none, or the other way round",
					Hint:    "ALTER DATABASE " + Ident(db.Name) + " IS_TEMPLATE " + strconv.FormatBool(db.Name == "template1"),
				})
			}
		default:
			a.unknownDatabase(db)
		}
	}
}

// unknownDatabase judges one that is neither a tenant's nor the instance's.
func (a *auditor) unknownDatabase(db *Database) {
	f := Finding{
		ID: "unknown-database", Severity: Low, Object: db.Name,
		Message: "no spec knows the database " + db.Name,
		Hint:    "if nobody needs it, drop it",
	}
	t, note := a.copyOf(db)
	switch tenant, ok := markedTenant(db.Comment); {
	case note != "":
		f.ID, f.Tenant = "restore-database", t.Name
		f.Message = "the database " + db.Name + " has data of the tenant " + t.Name + " beside its own: " + note
		f.Hint = "a restore that is under way removes it or says what it is; else, once nobody needs it, " +
			"`zave db apply --allow-drop " + db.Name + "`"
	case ok:
		f.ID = "left-database"
		f.Message = "the database " + db.Name + " was made for the tenant " + tenant + ", and no spec has it any more"
	}
	if db.Template {
		f.Severity = Medium
		f.Message += "; it is a template, so that every role with CREATEDB can copy it"
	}
	var who []string
	for _, e := range db.ACL {
		if _, ok := a.reaches(e.Grantee); ok && e.Grantee != db.Owner && db.AllowConnections &&
			(t == nil || a.tenants[e.Grantee] != t) && !slices.Contains(who, grantee(e.Grantee)+" holds "+e.Privilege) {
			who = append(who, grantee(e.Grantee)+" holds "+e.Privilege)
			if e.Privilege == "CONNECT" {
				f.Severity = High
			}
		}
	}
	if len(who) > 0 {
		slices.Sort(who)
		f.ID = "database-open"
		f.Message += ", and " + strings.Join(who, ", ") + ": tenants meet there"
		f.Hint = "REVOKE ALL ON DATABASE " + Ident(db.Name) + " FROM PUBLIC and from the tenants' roles; " + f.Hint
	}
	if t != nil && t.Note != "" && len(who) == 0 && !db.Template {
		return // it is the one desired that is the copy
	}
	a.find(f)
}

// copyOf tells whose a database is beside the desired one, and what the comment on it says of it.
func (a *auditor) copyOf(db *Database) (*Tenant, string) {
	for i := range a.d.Tenants {
		if t := &a.d.Tenants[i]; t.ownCopy(db, a.d.Instance.Role) {
			_, note, _ := strings.Cut(strings.TrimPrefix(db.Comment, t.markPrefix()), ", ")
			return t, note
		}
	}
	return nil, ""
}

// sessions judges those outside of the tenants' databases: in those a plan ends what must not be.
func (a *auditor) sessions() {
	for _, s := range a.l.Sessions {
		t := a.tenants[s.Role]
		switch {
		case t != nil && a.ours[s.Database] == nil && !t.ownCopy(a.database(s.Database), a.d.Instance.Role):
			a.find(Finding{
				ID: "session", Severity: Medium, Tenant: t.Name, Object: s.Role,
				Message: s.Role + " has a session in " + s.Database + ", which is not the tenant's database",
				Hint:    "SELECT pg_terminate_backend(" + strconv.Itoa(s.PID) + ")",
			})
		case s.Database == "template1" || s.Database == "template0":
			a.find(Finding{
				ID: "session", Severity: Low, Object: s.Role,
				Message: s.Role + " has a session in " + s.Database + ", which stops whoever creates a database from it",
				Hint:    "end it, and connect to postgres instead",
			})
		}
	}
}

// database finds one by its name; nil: there is none.
func (a *auditor) database(name string) *Database {
	i := slices.IndexFunc(a.l.Databases, func(d Database) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return &a.l.Databases[i]
}

// instance judges the facts of the instance.
func (a *auditor) instance() {
	tenantOf := func(database string) string {
		if t := a.ours[database]; t != nil {
			return t.Name
		}
		return ""
	}
	for _, f := range a.e.Facts {
		has := func(flag string) bool { return slices.Contains(f.Flags, flag) }
		out := Finding{Object: f.Name, Tenant: tenantOf(f.Detail)}
		switch f.Kind {
		case "slot":
			switch {
			case has("temporary"):
				continue
			case !has("active"):
				out.Severity = High
				out.Message = "nobody reads the replication slot " + f.Name + ": the server keeps its log for it until the disk " +
					"is full"
			case !has("physical"):
				out.Severity = High
				out.Message = "the replication slot " + f.Name + " decodes all changes in the database " + f.Detail
			default:
				continue // a replica's
			}
			out.ID, out.Hint = "replication-slot", "if nobody needs it: SELECT "+
				"pg_drop_replication_slot("+strings.TrimSpace(Literal(f.Name))+")"
		case "prepared":
			out.ID, out.Severity = "prepared-transaction", High
			out.Message = "the transaction " + f.Name + " of " + f.Owner + " in " + f.Detail +
				" is prepared: it holds its locks, and keeps the whole instance from cleaning up, until somebody ends it"
			out.Hint = "ROLLBACK PREPARED " + strings.TrimSpace(Literal(f.Name)) + " in " + f.Detail +
				", and set max_prepared_transactions = 0"
		case "subscription":
			out.ID, out.Severity = "subscription", High
			out.Message = "the subscription " + f.Name + " in " + f.Detail + " has the server connect elsewhere and write " +
				"what it gets, with the rights of " + f.Owner
			out.Hint = "if nobody needs it: DROP SUBSCRIPTION " + Ident(f.Name) + " in " + f.Detail
		case "collation":
			out.ID, out.Severity, out.Object, out.Tenant, out.Database = "collation-version", Medium, f.Owner,
				tenantOf(f.Owner), f.Owner
			out.Message = "the database " + f.Owner + " was made with version " + f.Name +
				" of its collation, and the system has " + f.Detail +
				": indexes on text may be out of order, and unique ones hold duplicates"
			out.Hint = "REINDEX DATABASE as the tenant's owner, then ALTER DATABASE " + Ident(f.Owner) +
				" REFRESH COLLATION VERSION"
		case "pending":
			out.ID, out.Severity = "setting-pending", Low
			out.Message = "the setting " + f.Name + " was changed, and the change waits for a restart of the server"
			out.Hint = "restart the server, or take the change back"
		default:
			continue
		}
		a.find(out)
	}
	for _, g := range a.e.Grants {
		who, ok := a.reaches(g.Grantee)
		f := Finding{
			ID: "tablespace-grant", Severity: Low, Object: g.Object,
			Message: grantee(g.Grantee) + " holds " + g.Privilege + " on the tablespace " + g.Object,
			Hint:    "REVOKE " + g.Privilege + " ON TABLESPACE " + g.Object + " FROM " + from(g.Grantee),
		}
		if ok {
			f.Severity = High
			f.Message += ": " + who + " can fill the disk that it is on"
		}
		if t := a.tenants[g.Grantee]; t != nil {
			f.Tenant = t.Name
		}
		a.find(f)
	}
}
