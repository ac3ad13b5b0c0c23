package state

import (
	"slices"
	"strings"
)

// interior plans what is in the tenant's database.
func (tp *tenantPlan) interior() {
	t, in := tp.t, tp.in
	if in == nil && tp.db != nil && tp.db.AllowConnections {
		u := Finding{
			ID: "unread", Severity: High, Database: t.Database, Object: t.Database,
			Message: "nobody has looked into the database " + t.Database + ": what is in it is not known to be right",
			Hint:    "inspect it again when it can be entered",
		}
		if why := tp.unread[t.Database]; why != nil {
			u.Message += ": " + why.Why
		}
		tp.find(u)
		return
	}
	fresh := in == nil
	if fresh {
		in = &Inside{Database: t.Database, ACLs: []ACL{
			{Kind: "schema", Object: Ident("public"), Owner: databaseOwner, Privilege: "USAGE"},
		}, Schemas: []Schema{{Name: "public", Owner: databaseOwner}}}
	}
	ip := &interiorPlan{
		tenantPlan: tp, in: in, fresh: fresh, acls: byObject(in.ACLs), shared: t.shares(tp.l.Version),
		kept: map[*Object]bool{},
	}
	own := ip.schemas()
	ip.extensions()
	if own {
		ip.owners()
		ip.defaults()
		ip.objects()
	}
	var inside *Inside
	if !fresh {
		inside = in
	}
	for _, s := range append(t.rlsSteps(tp.l, inside, tp.platform), tp.d.strictSteps(tp.l, *t)...) {
		tp.within(s)
	}
}

// databaseOwner is the role whose only member is, in each database, its owner: the platform's role.
const databaseOwner = "pg_database_owner"

type interiorPlan struct {
	*tenantPlan
	in     *Inside
	fresh  bool
	acls   map[object][]ACL
	shared []share
	kept   map[*Object]bool // that stay with whom they belong to
}

// object is what privileges are on.
type object struct{ kind, name string }

// byObject indexes privileges. Those of one object mostly stand together, and need not be copied then.
func byObject(acls []ACL) map[object][]ACL {
	out := make(map[object][]ACL, len(acls)/4)
	for i := 0; i < len(acls); {
		key := object{acls[i].Kind, acls[i].Object}
		end := i + 1
		for end < len(acls) && acls[end].Kind == key.kind && acls[end].Object == key.name {
			end++
		}
		if before, ok := out[key]; ok {
			out[key] = slices.Concat(before, acls[i:end])
		} else {
			out[key] = acls[i:end:end]
		}
		i = end
	}
	return out
}

// schemas plans the three there are: "public", which is locked, the tenant's, and the platform's with the extensions.
// It tells whether the tenant's is its owner's then: nobody else can right what is in it.
func (ip *interiorPlan) schemas() bool {
	t, own := ip.t, true
	owners := map[string]string{}
	for _, s := range ip.in.Schemas {
		owners[s.Name] = s.Owner
	}
	if owner, ok := owners["public"]; ok {
		a := &access{
			id: "database/" + t.Database + "/schema/public/", on: "SCHEMA " + Ident("public"), what: "the schema public",
			owner: owner, have: ip.acls[object{"schema", Ident("public")}], fresh: ip.fresh,
		}
		given := true
		if ip.tenantOf[owner] != nil {
			given = ip.give(owner, databaseOwner, Step{
				ID: a.id + "owner", SQL: "ALTER SCHEMA " + Ident("public") + " OWNER TO " + databaseOwner,
				Why: "the schema public belongs to " + owner + ", which can make objects in it",
			})
			a.owner, a.have = databaseOwner, reowned(a.have, owner, databaseOwner)
		}
		if given {
			ip.revoke(a)
		}
	}
	r := t.Roles
	for _, w := range []struct {
		name, owner, why string
		users            []string
	}{
		{t.Schema, r.Owner, "the tenant's tables lie in", []string{r.App, r.ReadOnly, r.Backup}},
		{t.ExtensionSchema, ip.platform, "the extensions lie in", []string{r.Owner, r.Migrator, r.App, r.ReadOnly, r.Backup}},
	} {
		id := "database/" + t.Database + "/schema/" + w.name + "/"
		owner, ok := owners[w.name]
		switch {
		case !ok:
			ip.within(Step{
				ID: id + "create", Superuser: w.owner != ip.platform && !ip.act(w.owner, false),
				SQL: "CREATE SCHEMA IF NOT EXISTS " + Ident(w.name) + " AUTHORIZATION " + Ident(w.owner),
				Why: "there is no schema " + w.name + ", which " + w.why,
			})
		case owner != w.owner:
			given := ip.give(owner, w.owner, Step{
				ID: id + "owner", SQL: "ALTER SCHEMA " + Ident(w.name) + " OWNER TO " + Ident(w.owner),
				Why: "the schema " + w.name + " belongs to " + owner + ", not to " + w.owner,
			})
			if !given {
				own = own && w.name != t.Schema
				continue // what is to be granted, only its owner grants
			}
		}
		a := &access{
			id: id, on: "SCHEMA " + Ident(w.name), what: "the schema " + w.name, owner: w.owner, fresh: !ok,
			have: reowned(ip.acls[object{"schema", Ident(w.name)}], owner, w.owner), want: map[string][]string{},
		}
		for _, user := range w.users {
			a.want[user] = []string{"USAGE"}
		}
		ip.revoke(a)
		ip.grant(a)
	}
	return own
}

// reowned gives privileges as they are once the owner has changed.
func reowned(have []ACL, from, to string) []ACL {
	if from == to || from == "" {
		return have
	}
	out := slices.Clone(have)
	for i := range out {
		if out[i].Grantor == from {
			out[i].Grantor = to
		}
		if out[i].Grantee == from {
			out[i].Grantee = to
		}
	}
	return out
}

// give plans a change of owner, and tells whether it will be. Who runs it needs the rights of the old owner and may
// become the new one.
func (ip *interiorPlan) give(from, to string, s Step) bool {
	s.Destructive = true
	if to != ip.platform && to != databaseOwner && !ip.act(to, false) || from != ip.platform && !ip.act(from, true) {
		s.Superuser = true
	}
	ip.within(s)
	return !s.Superuser || ip.l.Superuser
}

// by has a step be run by who owns what it is about, or by a superuser where the platform's role cannot act as that
// one.
func (ip *interiorPlan) by(owner string, s Step) {
	switch {
	case owner == ip.platform || owner == databaseOwner:
	case ip.act(owner, false):
		s.As = owner
	default:
		s.Superuser = true
	}
	ip.within(s)
}

func (ip *interiorPlan) revoke(a *access) {
	for _, s := range revocations(a) {
		ip.by(s.grantor, s.Step)
	}
}

func (ip *interiorPlan) grant(a *access) {
	for _, s := range grants(a) {
		ip.by(s.grantor, s.Step)
	}
}

// extensions plans those on the tenant's list. Only trusted ones can be made without a superuser.
func (ip *interiorPlan) extensions() {
	t := ip.t
	have := map[string]*Extension{}
	for i := range ip.in.Extensions {
		have[ip.in.Extensions[i].Name] = &ip.in.Extensions[i]
	}
	for _, name := range t.Extensions {
		id := "database/" + t.Database + "/extension/" + name + "/"
		e := have[name]
		trusted, known := ip.trusted[name]
		switch {
		case e == nil && !known && ip.l.Extensions != nil:
			ip.find(Finding{
				ID: "extension-missing", Severity: Medium, Database: t.Database, Object: name,
				Message: "the server has no files of the extension " + name,
				Hint:    "install its package on the server, or take it off the tenant's list",
			})
		case e == nil:
			ip.within(Step{
				ID: id + "create", SQL: "CREATE EXTENSION IF NOT EXISTS " + Ident(name) + " SCHEMA " + Ident(t.ExtensionSchema),
				Why: "the extension " + name + " is on the tenant's list and not installed", Superuser: known && !trusted,
			})
		case e.Schema != t.ExtensionSchema && e.Schema != "pg_catalog":
			ip.find(Finding{
				ID: "extension-schema", Severity: Medium, Database: t.Database, Object: name,
				Message: "the extension " + name + " is in the schema " + e.Schema + ", not in " + t.ExtensionSchema,
				Hint:    "ALTER EXTENSION " + Ident(name) + " SET SCHEMA " + Ident(t.ExtensionSchema),
			})
		}
	}
	for _, e := range ip.in.Extensions {
		if e.Name == "plpgsql" || slices.Contains(t.Extensions, e.Name) {
			continue
		}
		name := t.Database + "/" + e.Name
		if slices.Contains(ip.o.AllowDrop, name) {
			ip.within(Step{
				ID:  "database/" + t.Database + "/extension/" + e.Name + "/drop",
				SQL: "DROP EXTENSION " + Ident(e.Name), Destructive: true, Superuser: e.Owner != ip.platform,
				Why: "the extension " + e.Name + " is not on the tenant's list, and may be dropped",
			})
			continue
		}
		ip.find(Finding{
			ID: "extension-extra", Severity: Medium, Database: t.Database, Object: e.Name,
			Message: "the extension " + e.Name + " is installed and not on the tenant's list",
			Hint:    "put it on the list, or drop it with --allow-drop " + name,
		})
	}
}

// owners gives the tenant's owner what lies in its schema.
func (ip *interiorPlan) owners() {
	t := ip.t
	for i := range ip.in.Objects {
		o := &ip.in.Objects[i]
		if !strings.HasPrefix(o.Name, Ident(t.Schema)+".") || o.Owner == t.Roles.Owner {
			continue
		}
		// To find it takes USAGE on the schema, which the owner has.
		ip.act(t.Roles.Owner, true)
		given := ip.give(o.Owner, t.Roles.Owner, Step{
			ID:  "database/" + t.Database + "/" + strings.ToLower(o.Kind) + "/" + o.Name + "/owner",
			SQL: "ALTER " + alterKind(o.Kind) + " " + o.Name + " OWNER TO " + Ident(t.Roles.Owner),
			Why: "the " + strings.ToLower(o.Kind) + " " + o.Name + " belongs to " + o.Owner + ", not to " + t.Roles.Owner,
		})
		if !given {
			ip.kept[o] = true
		}
	}
}

// share is what a role of a tenant's has on what another one makes.
type share struct {
	maker, schema string // of no schema: what has none
	kind          string // as in ALTER DEFAULT PRIVILEGES
	role          string
	privileges    []string
}

// shares are those of what the owner makes in its schema and, from version 18 on, of large objects, which belong to
// whoever makes them: the logins of rotation share theirs, and dumps have all of them.
func (t *Tenant) shares(version int) []share {
	r := t.Roles
	var out []share
	for _, s := range []share{
		{kind: "TABLES", role: r.App, privileges: []string{"SELECT", "INSERT", "UPDATE", "DELETE"}},
		{kind: "TABLES", role: r.ReadOnly, privileges: []string{"SELECT"}},
		{kind: "TABLES", role: r.Backup, privileges: []string{"SELECT"}},
		{kind: "SEQUENCES", role: r.App, privileges: []string{"USAGE", "SELECT"}},
		{kind: "SEQUENCES", role: r.ReadOnly, privileges: []string{"SELECT"}},
		{kind: "SEQUENCES", role: r.Backup, privileges: []string{"SELECT"}},
		{kind: "FUNCTIONS", role: r.App, privileges: []string{"EXECUTE"}},
		{kind: "TYPES", role: r.App, privileges: []string{"USAGE"}},
		{kind: "TYPES", role: r.ReadOnly, privileges: []string{"USAGE"}},
	} {
		s.maker, s.schema = r.Owner, t.Schema
		out = append(out, s)
	}
	if version < withLargeACLs {
		return out
	}
	for _, maker := range []string{r.Owner, r.App, r.AppA, r.AppB} {
		if maker != r.App {
			out = append(out, share{maker: maker, kind: "LARGE OBJECTS", role: r.App, privileges: []string{"SELECT", "UPDATE"}})
		}
		for _, reader := range []string{r.ReadOnly, r.Backup} {
			out = append(out, share{maker: maker, kind: "LARGE OBJECTS", role: reader, privileges: []string{"SELECT"}})
		}
	}
	return out
}

// defaults plans the privileges of what is made from now on. What everybody has of new functions and types can only be
// revoked for all schemas at once: a schema's default privileges add to those, and take nothing away (PostgreSQL
// manual, ALTER DEFAULT PRIVILEGES, "Notes").
func (ip *interiorPlan) defaults() {
	t := ip.t
	have := map[[3]string]*DefaultACL{}
	for i := range ip.in.Defaults {
		d := &ip.in.Defaults[i]
		have[[3]string{d.Role, d.Schema, d.Kind}] = d
	}
	owner := t.Roles.Owner
	for _, w := range []struct{ kind, privilege string }{{"FUNCTIONS", "EXECUTE"}, {"TYPES", "USAGE"}} {
		if have[[3]string{owner, "", w.kind}] == nil {
			ip.by(owner, Step{
				ID: ip.defaultID(owner, "", w.kind) + "revoke/PUBLIC", Destructive: !ip.fresh,
				SQL: alterDefault(owner, "") + "REVOKE " + w.privilege + " ON " + w.kind + " FROM PUBLIC",
				Why: "everybody gets " + w.privilege + " on the " + strings.ToLower(w.kind) + " that " + owner + " will make",
			})
		}
	}
	want := map[[3]string]map[string][]string{}
	var order [][3]string
	for _, s := range ip.shared {
		key := [3]string{s.maker, s.schema, s.kind}
		if want[key] == nil {
			want[key] = map[string][]string{}
			order = append(order, key)
		}
		want[key][s.role] = s.privileges
	}
	for i := range ip.in.Defaults {
		d := &ip.in.Defaults[i]
		ip.extraDefaults(d, want[[3]string{d.Role, d.Schema, d.Kind}])
	}
	for _, key := range order {
		role, schema, kind := key[0], key[1], key[2]
		a := ip.defaultAccess(role, schema, kind)
		a.want = want[key]
		if d := have[key]; d != nil {
			a.have = d.ACL
		}
		for _, s := range grants(a) {
			s.SQL = alterDefault(role, schema) + s.SQL
			ip.by(role, s.Step)
		}
	}
}

func alterDefault(role, schema string) string {
	out := "ALTER DEFAULT PRIVILEGES FOR ROLE " + Ident(role) + " "
	if schema != "" {
		out += "IN SCHEMA " + Ident(schema) + " "
	}
	return out
}

func (ip *interiorPlan) defaultID(role, schema, kind string) string {
	return "database/" + ip.t.Database + "/default/" + role + "/" + schema + "/" + strings.ToLower(kind) + "/"
}

func (ip *interiorPlan) defaultAccess(role, schema, kind string) *access {
	return &access{
		id: ip.defaultID(role, schema, kind), on: kind, owner: role,
		what: "the " + strings.ToLower(kind) + " that " + role + " will make",
	}
}

// extraDefaults takes back default privileges of anybody's towards anybody that are not planned. One towards another
// tenant's role would also keep that role from being dropped.
func (ip *interiorPlan) extraDefaults(d *DefaultACL, want map[string][]string) {
	a := ip.defaultAccess(d.Role, d.Schema, d.Kind)
	a.have, a.want = d.ACL, want
	if d.Schema == "" && d.Role != ip.t.Roles.Owner {
		// What everybody gets from the start is no grant of anybody's.
		a.loose = func(role, privilege string) bool {
			return role == "" && (d.Kind == "FUNCTIONS" && privilege == "EXECUTE" || d.Kind == "TYPES" && privilege == "USAGE")
		}
	}
	for _, s := range revocations(a) {
		s.SQL = alterDefault(d.Role, d.Schema) + strings.TrimSuffix(s.SQL, " CASCADE")
		ip.by(d.Role, s.Step)
	}
}

// objects plans the privileges on what the owner has already.
//
// What everybody has goes, and what roles have that are not the tenant's. The tenant's own business stays its own:
// which of its roles may do more than the default, or less, is for its migrations to say, but the roles that read do
// not write, and the one for backups reads everything. Something that no role of the tenant's has been given anything
// of was made before there were default privileges, and gets what those would have given.
func (ip *interiorPlan) objects() {
	t := ip.t
	r := t.Roles
	byDefault := map[string]map[string][]string{}
	for _, s := range ip.shared {
		if s.schema == "" {
			continue
		}
		kind := strings.TrimSuffix(s.kind, "S")
		if byDefault[kind] == nil {
			byDefault[kind] = map[string][]string{}
		}
		byDefault[kind][s.role] = s.privileges
	}
	backedUp := map[string][]string{r.Backup: {"SELECT"}}
	prefix := Ident(t.Schema) + "."
	for _, list := range [][]Object{ip.in.Own, ip.in.Objects} {
		for i := range list {
			o := &list[i]
			kind, aclKind, on := grantKind(o.Kind)
			if kind == "" || ip.kept[o] || !strings.HasPrefix(o.Name, prefix) {
				continue
			}
			a := access{
				owner: r.Owner, have: reowned(ip.acls[object{aclKind, o.Name}], o.Owner, r.Owner),
				loose: func(role, privilege string) bool { return t.tolerates(kind, role, privilege) },
			}
			untouched, everybody := true, false
			for i := range a.have {
				switch g := a.have[i].Grantee; {
				case g == "":
					everybody = true
				case g != r.Owner && ip.mine[g]:
					untouched = false
				}
			}
			switch {
			case untouched && (everybody || kind == "TABLE" || kind == "SEQUENCE"):
				a.want = byDefault[kind]
			case kind == "TABLE" || kind == "SEQUENCE":
				a.want = backedUp
			}
			if a.settled() {
				continue
			}
			a.id = "database/" + t.Database + "/" + aclKind + "/" + o.Name + "/"
			a.on = on + " " + o.Name
			a.what = "the " + strings.ToLower(o.Kind) + " " + o.Name
			ip.revoke(&a)
			ip.grant(&a)
		}
	}
	var columns []string
	for key := range ip.acls {
		if key.kind == "column" && strings.HasPrefix(key.name, prefix) {
			columns = append(columns, key.name)
		}
	}
	slices.Sort(columns)
	for _, name := range columns {
		ip.columns(name)
	}
}

// tolerates tells whether a role of the tenant's may have a privilege on an object of the tenant's that is not planned.
func (t *Tenant) tolerates(kind, role, privilege string) bool {
	switch role {
	case t.Roles.App, t.Roles.AppA, t.Roles.AppB, t.Roles.Migrator:
		return true
	case t.Roles.ReadOnly, t.Roles.Backup:
		return privilege == "SELECT" || privilege == "EXECUTE" || kind == "TYPE"
	}
	return false
}

// columns revokes privileges on single columns.
func (ip *interiorPlan) columns(name string) {
	have := ip.acls[object{"column", name}]
	table, column := splitColumn(name)
	ip.revoke(&access{
		id: "database/" + ip.t.Database + "/column/" + name + "/", on: "TABLE " + table, part: "(" + column + ")",
		what: "the column " + name, owner: have[0].Owner, have: have,
		loose: func(role, privilege string) bool { return ip.t.tolerates("TABLE", role, privilege) },
	})
}

// splitColumn takes the last identifier off a quoted name.
func splitColumn(name string) (table, column string) {
	for i := 0; i < len(name); {
		if name[i] == '.' {
			table, column = name[:i], name[i+1:]
			i++
			continue
		}
		// An identifier, in quotes.
		for i++; i < len(name); i++ {
			if name[i] == '"' {
				if i+1 < len(name) && name[i+1] == '"' {
					i++
					continue
				}
				i++
				break
			}
		}
	}
	return table, column
}

// alterKind is what ALTER … OWNER calls a kind of object. An aggregate of no arguments has another form in ALTER
// AGGREGATE.
func alterKind(kind string) string {
	switch kind {
	case "FUNCTION", "PROCEDURE", "AGGREGATE":
		return "ROUTINE"
	}
	return kind
}

// grantKind gives the kind of privileges that an object has, which ALTER … OWNER may know by another name, how an ACL
// calls it, and how GRANT does.
func grantKind(kind string) (grant, acl, on string) {
	switch kind {
	case "TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE":
		return "TABLE", "table", "TABLE"
	case "SEQUENCE":
		return "SEQUENCE", "sequence", "SEQUENCE"
	case "FUNCTION", "PROCEDURE", "AGGREGATE":
		return "FUNCTION", "function", "ROUTINE"
	case "TYPE", "DOMAIN":
		return "TYPE", "type", "TYPE"
	}
	return "", "", ""
}
