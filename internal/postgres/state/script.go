package state

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// LockKey is the advisory lock, in the platform's database, that runs take one after the other: "zave" in ASCII.
const LockKey int64 = 0x7a617665

// versions are those that a script is written for; what a plan does changes with these.
func versions() []int { return []int{minVersion, withOptions, withTimeout, withLargeACLs} }

// Script gives the plan for a server on which nothing is, as a script for psql of version 15 or newer. It may be run
// again: it makes what is not there, and sets anew what it can; it takes nothing back that somebody has added. It
// connects as the instance's role or a superuser does; with Options.Instance as a superuser.
//
// Passwords come as SCRAM verifiers from the environment: APP_VERIFIER, BACKUP_VERIFIER, MIGRATOR_VERIFIER and
// READONLY_VERIFIER, with the tenant's name before them where there are several (ALPHA_APP_VERIFIER); with
// Options.Instance and the instance's role in Options.Credentials, that role's as PLATFORM_VERIFIER. Anything else than
// a verifier in them is refused before it is sent to the server.
func (d *Desired) Script(o Options) string {
	w := &scriptWriter{d: d, o: o, caller: d.Instance.Role}
	if o.Instance {
		w.caller = "postgres"
	}
	w.names = map[string]string{}
	own := o.Instance && o.Credentials[d.Instance.Role]
	o.Credentials = map[string]bool{}
	if own {
		o.Credentials[d.Instance.Role] = true
		w.names[d.Instance.Role] = "PLATFORM_VERIFIER"
	}
	var tenants []*Tenant
	for i := range d.Tenants {
		if t := &d.Tenants[i]; len(o.Tenants) == 0 || slices.Contains(o.Tenants, t.Name) {
			tenants = append(tenants, t)
		}
	}
	for _, t := range tenants {
		for _, role := range t.Roles.Logins() {
			if file, ok := t.Roles.Credential(role); ok {
				o.Credentials[role] = true
				w.names[role] = strings.ToUpper(file) + "_VERIFIER"
				if len(tenants) > 1 {
					w.names[role] = environment(t.Name) + "_" + w.names[role]
				}
			}
		}
	}
	if o.Instance {
		o.Credentials[d.Instance.Role] = true
		w.names[d.Instance.Role] = "PLATFORM_VERIFIER"
	}
	var plans [][]Step
	for _, v := range versions() {
		plans = append(plans, d.Plan(Blank(v, w.caller, o.Instance), o).Steps)
	}
	w.begin(tenants)
	all := merge(plans)
	for len(all) > 0 {
		n := 1
		if since := all[0].since(); since > 0 {
			for n < len(all) && all[n].since() == since && all[n].place() == all[0].place() {
				n++
			}
		}
		w.steps(all[:n])
		all = all[n:]
	}
	return w.b.String()
}

// environment gives a name's part in that of an environment variable, different for different names.
func environment(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z':
			b.WriteByte(c - 'a' + 'A')
		case c >= '0' && c <= '9':
			b.WriteByte(c)
		case c == '-':
			b.WriteByte('_')
		default:
			b.WriteString("_" + strconv.FormatUint(uint64(c), 16) + "_")
		}
	}
	return b.String()
}

// merged is one thing to be done, as each version does it; nil where one does not.
type merged []*Step

// merge lines plans up by the steps' IDs. Each plan has an ID once.
func merge(plans [][]Step) []merged {
	var order []string
	at := map[string]merged{}
	for v, plan := range plans {
		last := -1
		for i := range plan {
			s := &plan[i]
			if at[s.ID] == nil {
				at[s.ID] = make(merged, len(plans))
				last++
				order = slices.Insert(order, last, s.ID)
			} else {
				last = slices.Index(order, s.ID)
			}
			at[s.ID][v] = s
		}
	}
	out := make([]merged, len(order))
	for i, id := range order {
		out[i] = at[id]
	}
	return out
}

type scriptWriter struct {
	d        *Desired
	o        Options
	b        strings.Builder
	caller   string
	names    map[string]string // of environment variables, by role
	database string
	role     string
	tenant   string
	hushed   bool
}

func (w *scriptWriter) line(s ...string) {
	for _, x := range s {
		w.b.WriteString(x)
	}
	w.b.WriteByte('\n')
}

// Comment gives a text as comments of SQL, a line each of at most 120 columns. What cannot stand in one is left out.
func Comment(text string) string {
	const width = 117
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, text)) {
		switch n := len(word); {
		case column == 0:
			b.WriteString("-- " + word)
			column = n
		case column+1+n > width:
			b.WriteString("\n-- " + word)
			column = n
		default:
			b.WriteString(" " + word)
			column += 1 + n
		}
	}
	if column > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

// fail writes statements that end the script with an error.
func (w *scriptWriter) fail(message string) {
	w.line("\\warn ", psqlArgument("zave: "+message))
	body := "BEGIN RAISE EXCEPTION USING MESSAGE = " + strings.TrimLeft(Literal(message), " ") + "; END"
	w.line("DO ", strings.TrimLeft(Literal(body), " "), ";")
}

// psqlArgument quotes an argument of a psql command (psql, "Meta-Commands"): C-like escapes count within quotes.
func psqlArgument(s string) string {
	r := strings.NewReplacer(`\`, `\\`, `'`, `''`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	return "'" + r.Replace(s) + "'"
}

// begin writes what comes before the first statement: what the script needs, and what it refuses.
func (w *scriptWriter) begin(tenants []*Tenant) {
	what := "the tenant " + strings.Join(tenantNames(tenants), ", the tenant ")
	switch {
	case len(tenants) == 0:
		what = "the instance"
	case w.o.Instance:
		what = "the instance and " + what
	}
	w.b.WriteString(Comment("Bootstrap of " + what + ", cluster " + w.d.Cluster +
		", for psql 15 or newer. It may be run again, and " +
		"drops nothing. Passwords are SCRAM verifiers from the environment."))
	w.line("\\set ON_ERROR_STOP on")
	w.line("\\set QUIET on")
	w.line("\\set ECHO none")
	w.line("\\set SHOW_CONTEXT never")
	roles := sortedKeys(w.names)
	slices.SortStableFunc(roles, func(a, b string) int { return strings.Compare(w.names[a], w.names[b]) })
	for _, role := range roles {
		name := w.names[role]
		w.line()
		w.b.WriteString(Comment("The shell looks at it, so that nothing but a verifier is ever sent to the server."))
		w.line("\\set is_verifier `case \"$", name, "\" in 'SCRAM-SHA-256$'*) echo true;; *) echo false;; esac`")
		w.line("\\if :is_verifier")
		w.line("\\getenv ", variable(name), " ", name)
		w.line("\\else")
		w.fail(name + " holds no SCRAM verifier: it has to begin with SCRAM-SHA-256$, as `zave db verifier` makes it")
		w.line("\\endif")
	}
	w.line()
	if w.o.Instance {
		w.connect("postgres")
	} else {
		w.connect(w.d.Instance.Database)
	}
	var names []string
	for _, v := range versions() {
		names = append(names, "current_setting('server_version_num')::int >= "+strconv.Itoa(v)+" AS "+sinceVariable(v))
	}
	w.line("SELECT ", strings.Join(names, ",\n\t"), " \\gset")
	w.line("\\if :", sinceVariable(minVersion), " \\else")
	w.fail("the server is older than PostgreSQL 15")
	w.line("\\endif")
	w.refusals(tenants)
}

func tenantNames(tenants []*Tenant) []string {
	var out []string
	for _, t := range tenants {
		out = append(out, t.Name)
	}
	return out
}

// variable is what psql calls an environment variable's value.
func variable(name string) string { return strings.ToLower(name) }

// sinceVariable is psql's variable that tells whether the server is of a version at least.
func sinceVariable(version int) string { return "from_" + strconv.Itoa(version/10000) }

// connectArgument names a database as a connection string does: psql would take a bare name that looks like one for
// one. It reads quotes in the argument in ways of its own, so that a name with anything but letters is a URI's.
func connectArgument(database string) string {
	if plainName(database) {
		return "dbname=" + database
	}
	var b strings.Builder
	b.WriteString("postgresql:///")
	for i := 0; i < len(database); i++ {
		switch c := database[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// connect goes on in another database.
func (w *scriptWriter) connect(database string) {
	w.line("\\connect -reuse-previous=on ", connectArgument(database))
	w.line("SET client_min_messages = 'warning';")
	w.line("SET search_path = pg_catalog, pg_temp;")
	w.line("SET statement_timeout = 0;")
	if database == w.d.Instance.Database {
		w.line("SELECT pg_advisory_lock(", strconv.FormatInt(LockKey, 10), ") IS NULL AS locked \\gset")
	}
	w.database, w.role, w.hushed = database, "", false
}

// refusals write what a plan refuses: roles and databases that bear a wanted name and are somebody else's.
func (w *scriptWriter) refusals(tenants []*Tenant) {
	type owned struct{ kind, name, mark string }
	var all []owned
	if w.o.Instance {
		all = append(all, owned{"role", w.d.Instance.Role, instanceMark},
			owned{"database", w.d.Instance.Database, instanceMark})
	}
	for _, t := range tenants {
		for _, r := range t.Roles.All() {
			all = append(all, owned{"role", r, t.markPrefix()})
		}
		all = append(all, owned{"database", t.Database, t.markPrefix()})
	}
	all = slices.DeleteFunc(all, func(o owned) bool { return slices.Contains(w.o.Adopt, o.name) })
	if len(all) == 0 {
		return
	}
	var values []string
	for _, o := range all {
		values = append(values, "('"+o.kind+"', "+constant(o.name)+", "+constant(o.mark)+")")
	}
	w.line()
	w.b.WriteString(Comment("What is somebody else's is not taken over."))
	body := `DECLARE foreign_one text;
BEGIN
	SELECT w.kind || ' ' || w.name INTO foreign_one
	FROM (VALUES
		` + strings.Join(values, ",\n\t\t") + `
	) AS w (kind, name, mark)
	LEFT JOIN pg_catalog.pg_roles AS r ON w.kind = 'role' AND r.rolname = w.name
	LEFT JOIN pg_catalog.pg_database AS d ON w.kind = 'database' AND d.datname = w.name
	LEFT JOIN pg_catalog.pg_shdescription AS c ON c.objoid = coalesce(r.oid, d.oid)
		AND c.classoid = CASE w.kind WHEN 'role' THEN 1260 ELSE 1262 END
	WHERE (r.oid IS NOT NULL OR d.oid IS NOT NULL)
		AND NOT coalesce(pg_catalog.starts_with(c.description, w.mark), false)
		AND NOT coalesce(c.description IS NULL AND NOT r.rolcanlogin AND r.rolconnlimit = 0, false)
		AND NOT coalesce(c.description IS NULL AND pg_catalog.pg_get_userbyid(d.datdba) = ` +
		constant(w.d.Instance.Role) + `, false)
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'the % exists and is not zave''s, or another tenant''s', foreign_one;
	END IF;
END`
	w.line("DO ", constant(body), ";")
}

// constant is a Literal without a space before it.
func constant(s string) string { return strings.TrimLeft(Literal(s), " ") }

// first is the step of the oldest version that has it.
func (m merged) first() *Step {
	return m[slices.IndexFunc(m, func(s *Step) bool { return s != nil })]
}

// place is where a step is run, and for whom.
func (m merged) place() [2]string { return [2]string{m.first().Tenant, m.first().Database} }

// since is the index of the version from which on there is such a step, always with the same statement; 0 where all
// versions have one, or it changes.
func (m merged) since() int {
	i := slices.IndexFunc(m, func(s *Step) bool { return s != nil })
	if i == 0 || slices.ContainsFunc(m[i:], func(s *Step) bool { return s == nil || s.SQL != m[i].SQL }) {
		return 0
	}
	return i
}

// steps write what is to be done: one thing, under the versions that do it so, or several that the same versions do
// alone.
func (w *scriptWriter) steps(all []merged) {
	first := all[0].first()
	database := first.Database
	if database == "" {
		database = w.d.Instance.Database
	}
	if first.Tenant != w.tenant {
		w.tenant = first.Tenant
		if first.Tenant != "" {
			w.line()
			w.b.WriteString(Comment("The tenant " + first.Tenant + "."))
		}
	}
	if database != w.database {
		w.line()
		w.connect(database)
	}
	since := all[0].since()
	if since == 0 {
		w.as(first)
		w.b.WriteString(Comment(first.Why))
		w.branches(all[0])
		return
	}
	w.loud()
	w.line("\\if :", sinceVariable(versions()[since]))
	for _, m := range all {
		w.as(m.first())
		w.b.WriteString(Comment(m.first().Why))
		w.b.WriteString(w.statement(m.first()))
	}
	w.loud()
	w.line("\\endif")
	w.role = unknownRole
}

// unknownRole is no role's name: which one is set depends on the version.
const unknownRole = "\x00"

// as has the session act as a step's role, and keeps what it says out of the log where it has to be.
func (w *scriptWriter) as(s *Step) {
	role := s.As
	switch {
	case role == w.caller && w.o.Instance, s.Superuser:
		role = ""
	case role == "":
		role = w.d.Instance.Role
	}
	hush := s.Password != ""
	if !hush {
		w.loud()
	}
	if role != w.role {
		if role == "" {
			w.line("RESET ROLE;")
		} else {
			w.line("SET ROLE ", Ident(role), ";")
		}
		w.role = role
	}
	if hush && !w.hushed {
		w.b.WriteString(Comment("Verifiers are kept out of the server's log, as far as the role may."))
		w.line("SELECT count(set_config(s.name, s.value, false)) AS silenced")
		w.line("FROM (VALUES ('log_statement', 'none'), ('log_min_duration_statement', '-1'), ",
			"('log_min_error_statement', 'panic')) AS s (name, value)")
		w.line("WHERE has_parameter_privilege(s.name, 'SET') \\gset")
		w.line("\\set VERBOSITY terse")
		w.hushed = true
	}
}

// loud ends what keeps statements out of the log.
func (w *scriptWriter) loud() {
	if !w.hushed {
		return
	}
	w.line("SELECT count(set_config(name, reset_val, false)) AS restored FROM pg_settings")
	w.line("WHERE name IN ('log_statement', 'log_min_duration_statement', 'log_min_error_statement')")
	w.line("\tAND has_parameter_privilege(name, 'SET') \\gset")
	w.line("\\set VERBOSITY default")
	w.hushed = false
}

// branches write one thing as each version does it, from the newest to the oldest: equal neighbours share a branch.
func (w *scriptWriter) branches(m merged) {
	type branch struct {
		from int
		sql  string
	}
	var branches []branch
	for v := len(m) - 1; v >= 0; v-- {
		sql := ""
		if m[v] != nil {
			sql = w.statement(m[v])
		}
		if n := len(branches); n > 0 && branches[n-1].sql == sql {
			branches[n-1].from = versions()[v]
			continue
		}
		branches = append(branches, branch{versions()[v], sql})
	}
	for i, b := range branches {
		last := i == len(branches)-1
		switch {
		case last && i == 0:
		case last && b.sql == "":
			continue
		case last:
			w.line("\\else")
		case i == 0:
			w.line("\\if :", sinceVariable(b.from))
		default:
			w.line("\\elif :", sinceVariable(b.from))
		}
		w.b.WriteString(b.sql)
	}
	if len(branches) > 1 {
		w.line("\\endif")
	}
}

func (w *scriptWriter) statement(s *Step) string {
	sql := s.SQL
	if s.Password != "" {
		sql = s.Statement(":'" + variable(w.names[s.Password]) + "'")
	}
	if s.Unless == "" {
		return sql + ";\n"
	}
	return "SELECT " + constant(sql) + "\n\tWHERE NOT EXISTS (" + s.Unless + ") \\gexec\n"
}
