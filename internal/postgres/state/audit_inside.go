package state

import (
	"slices"
	"strings"
)

// insideAudit judges one database: a tenant's, or, where t is nil, one of the instance's.
type insideAudit struct {
	*auditor
	t    *Tenant
	name string
}

func (a *auditor) inside(e *DatabaseEvidence) {
	in := &insideAudit{auditor: a, t: a.ours[e.Database], name: e.Database}
	tables := map[string]bool{} // with row-level security
	for i := range e.Facts {
		if f := &e.Facts[i]; f.Kind == "table" && f.has("rls") {
			tables[f.Name] = true
		}
	}
	for i := range e.Facts {
		in.fact(&e.Facts[i], tables)
	}
	for i := range e.Grants {
		in.granted(&e.Grants[i])
	}
}

func (f *Fact) has(flag string) bool { return slices.Contains(f.Flags, flag) }

func (in *insideAudit) found(id string, s Severity, object, message, hint string) {
	in.find(Finding{ID: id, Severity: s, Database: in.name, Object: object, Message: message, Hint: hint})
}

// owners tells whether a role is the tenant's owner.
func (in *insideAudit) owners(role string) bool { return in.t != nil && role == in.t.Roles.Owner }

func (in *insideAudit) fact(f *Fact, secured map[string]bool) {
	switch f.Kind {
	case "object":
		in.object(f)
	case "schema":
		in.schema(f)
	case "function":
		in.function(f)
	case "code":
		in.found("platform-code", High, f.Name+" "+f.Detail,
			"the "+f.Detail+" runs code when "+f.Owner+"'s object is used, which is not the tenant's: "+f.Name,
			"drop it, with what it is on: nothing but the tenant's owner has tables there")
	case "language":
		if !f.has("untrusted") {
			if f.has("system") {
				in.found("language-untrusted", Critical, f.Name,
					"the language "+f.Name+" is marked as trusted: whoever may make functions can run any code in the server",
					"UPDATE pg_language SET lanpltrusted = false WHERE lanname = '"+f.Name+"'")
			}
			return // a trusted language that the administrator has installed
		}
		in.found("language-untrusted", High, f.Name, "the language "+f.Name+" is untrusted: its functions do in the server "+
			"what they like",
			"drop it")
	case "extension":
		in.extension(f)
	case "event":
		s := High
		if !in.superuser(f.Owner) {
			s = Critical
		}
		in.found("event-trigger", s, f.Name,
			"the event trigger "+f.Name+" runs a function of "+f.Owner+"'s on "+f.Detail+", with the rights of whoever does "+
				"that: the platform's too", "DROP EVENT TRIGGER "+f.Name)
	case "wrapper":
		if in.tenants[f.Owner] != nil {
			in.found("foreign-wrapper", High, f.Name, "the foreign-data wrapper "+f.Name+" belongs to "+f.Owner+", which can "+
				"reach other servers with it",
				"drop it")
		}
	case "server":
		s, why := Medium, ", and whoever gets USAGE on it reaches that"
		if in.tenants[f.Owner] != nil {
			s, why = High, ", and belongs to the tenant's role "+f.Owner
		}
		in.found("foreign-server", s, f.Name, "the foreign server "+f.Name+" ("+f.Detail+") leads out of the database"+why,
			"drop it")
	case "mapping":
		who := grantee(f.Owner)
		s := Medium
		if _, ok := in.reaches(f.Owner); ok {
			s = High
		}
		in.found("user-mapping", s, f.Name, who+" has a user mapping for the foreign server "+f.Name+": it connects there "+
			"with what stands in it",
			"DROP USER MAPPING FOR "+from(f.Owner)+" SERVER "+f.Name)
	case "publication":
		what := "tables"
		if f.has("all") {
			what = "all tables"
		}
		in.found("publication", Medium, f.Name, "the publication "+f.Name+" of "+f.Owner+"'s offers "+what+" to whoever "+
			"may replicate",
			"if nobody needs it: DROP PUBLICATION "+f.Name)
	case "cast":
		how := ""
		if f.has("implicit") {
			how = ", without being asked for,"
		}
		in.found("system-cast", High, f.Name, "a cast between types of the system"+how+" changes what statements mean, the "+
			"platform's too: "+f.Name,
			"drop it")
	case "system":
		in.found("system-owner", Critical, f.Name, f.Name+" came with the server and belongs to "+f.Owner+" now, not to "+
			in.e.Bootstrap,
			"give it back to "+in.e.Bootstrap)
	case "large":
		in.large(f)
	case "table", "policy", "view":
		in.rowSecurity(f, secured)
	}
}

// object judges what lies outside of the tenant's schema, or in it and is not the owner's.
func (in *insideAudit) object(f *Fact) {
	kind := strings.ToLower(f.Detail)
	drop := "DROP " + f.Detail + " " + f.Name
	switch {
	case f.Schema == "pg_catalog" || f.Schema == "information_schema":
		in.found("system-object", Critical, f.Name,
			"the "+kind+" "+f.Name+" of "+f.Owner+"'s lies among the system's own: a name in anybody's statement may mean it",
			drop)
	case in.t == nil:
		s := Low
		if in.tenants[f.Owner] != nil {
			s = Medium
		}
		in.found("shared-object", s, f.Name, "the "+kind+" "+f.Name+" of "+f.Owner+"'s lies in "+in.name+", where nothing "+
			"is to be kept", drop)
	case f.Schema == in.t.Schema:
		// The plan gives it to the owner.
	case f.Schema == in.t.ExtensionSchema && f.Owner == in.d.Instance.Role && in.helper(f):
	case in.tenants[f.Owner] == in.t:
		in.found("stray-object", Medium, f.Name,
			"the "+kind+" "+f.Name+" of "+f.Owner+"'s lies outside of the schema "+in.t.Schema+": neither its privileges nor "+
				"backups are planned",
			"ALTER "+f.Detail+" "+f.Name+" SET SCHEMA "+Ident(in.t.Schema)+", or drop it")
	case in.platform(f.Owner):
		in.found("platform-object", Medium, f.Name,
			"the "+kind+" "+f.Name+" belongs to "+f.Owner+", not to the tenant: what runs on it may run with more rights than "+
				"the tenant's", drop)
	default:
		in.found("stray-object", High, f.Name,
			"the "+kind+" "+f.Name+" belongs to "+f.Owner+", who has nothing to do with the tenant", drop)
	}
}

// helper tells whether an object is a function of the platform's for row-level security. The plan sees to what it does.
func (in *insideAudit) helper(f *Fact) bool {
	name, ok := strings.CutPrefix(f.Name, identIfNeeded(in.t.ExtensionSchema)+".")
	if !ok || f.Detail != "FUNCTION" {
		return false
	}
	name, _, _ = strings.Cut(name, "(")
	return slices.ContainsFunc(in.t.helpers(), func(h helper) bool {
		known, _, _ := strings.Cut(h.name, "(")
		return known == name
	})
}

// identIfNeeded quotes as quote_ident does, but for keywords.
func identIfNeeded(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			return Ident(s)
		}
	}
	return s
}

func (in *insideAudit) schema(f *Fact) {
	if in.t != nil && (f.Name == identIfNeeded(in.t.Schema) || f.Name == identIfNeeded(in.t.ExtensionSchema)) {
		return
	}
	s := Low
	if in.t == nil && in.tenants[f.Owner] != nil || in.t != nil && in.tenants[f.Owner] != in.t && !in.platform(f.Owner) {
		s = Medium
	}
	in.found("stray-schema", s, f.Name, "the schema "+f.Name+" of "+f.Owner+"'s is in "+in.name+", and no plan knows it",
		"DROP SCHEMA "+f.Name+", or move what is in it")
}

func (in *insideAudit) function(f *Fact) {
	if f.has("definer") {
		set := "ALTER FUNCTION " + f.Name + " SECURITY INVOKER"
		switch {
		case f.has("system"):
			in.found("definer-system", Critical, f.Name, "the system's function "+f.Name+" runs with the rights of "+
				f.Owner+", whoever calls it", set)
		case in.platform(f.Owner):
			in.found("definer-platform", Critical, f.Name,
				"the function "+f.Name+" runs with the rights of "+f.Owner+", whoever calls it", set+", or drop it")
		case !in.owners(f.Owner):
			in.found("definer-other", High, f.Name,
				"the function "+f.Name+" runs with the rights of "+f.Owner+", which is not the tenant's owner", set+", or drop it")
		case !f.has("path"):
			in.found("definer-path", Medium, f.Name,
				"the function "+f.Name+" runs with the rights of "+f.Owner+", and its caller's search_path says what the names "+
					"in it mean",
				"ALTER FUNCTION "+f.Name+" SET search_path = "+in.path())
		}
	}
	if f.has("untrusted") {
		in.found("untrusted-function", Critical, f.Name,
			"the function "+f.Name+" is in "+f.Detail+", and does in the server what it likes, with the rights of the "+
				"operating system's account",
			"drop it, or have it come with an extension")
	}
	if f.has("leakproof") {
		s := Medium
		if in.t != nil && in.t.RowLevelSecurity {
			s = High
		}
		in.found("leakproof-function", s, f.Name,
			"the function "+f.Name+" is marked LEAKPROOF: the server runs it on rows before row-level security has hidden them",
			"ALTER FUNCTION "+f.Name+" NOT LEAKPROOF")
	}
}

// path is a safe search_path for a function of the tenant's.
func (in *insideAudit) path() string {
	return Ident(in.t.Schema) + ", " + Ident(in.t.ExtensionSchema) + ", pg_temp"
}

// dangerous says what an extension lets out of the database (PostgreSQL manual, "Additional Supplied Modules").
func dangerous(extension string) string {
	switch extension {
	case "dblink", "postgres_fdw", "http", "pg_net", "pgsql_http", "mysql_fdw", "oracle_fdw", "tds_fdw", "redis_fdw",
		"mongo_fdw", "wrappers",
		"aws_lambda", "aws_s3", "multicorn":
		return "connects to other servers, and to this one as if from inside"
	case "file_fdw", "adminpack", "pg_file_settings", "lo_import", "orafce":
		return "reads or writes the server's files"
	case "plperlu", "plpython3u", "plpython2u", "plpythonu", "pltclu", "plsh", "pljava", "plr", "plrustu", "plxslt",
		"bool_plperlu",
		"hstore_plperlu", "hstore_plpython3u", "jsonb_plperlu", "jsonb_plpython3u", "ltree_plpython3u":
		return "runs any code in the server"
	case "pageinspect", "pg_buffercache", "pg_freespacemap", "pg_visibility", "pg_walinspect", "pg_logicalinspect",
		"pgrowlocks",
		"pg_surgery", "amcheck", "old_snapshot", "pg_prewarm":
		return "looks below the privileges, at pages, buffers or the log of all databases, or changes them"
	case "pg_cron", "pgagent", "pg_partman_bgw", "pg_background", "pg_timetable":
		return "runs statements later or beside, past the limits of the tenant's sessions"
	case "xml2", "sslinfo", "pg_stat_statements", "pg_stat_monitor", "pg_wait_sampling", "pg_stat_kcache":
		return ""
	}
	return ""
}

func (in *insideAudit) extension(f *Fact) {
	why := dangerous(f.Name)
	if why == "" {
		return // the plan says which are not on the list
	}
	s, wanted := High, ""
	if in.t == nil {
		s = Medium
	} else if slices.Contains(in.t.Extensions, f.Name) {
		s, wanted = Medium, ", though on the tenant's list,"
	}
	in.found("extension-dangerous", s, f.Name, "the extension "+f.Name+wanted+" "+why, "DROP EXTENSION "+f.Name)
}

func (in *insideAudit) large(f *Fact) {
	if in.t == nil {
		s := Low
		if in.tenants[f.Owner] != nil {
			s = Medium
		}
		in.found("large-object", s, "large object "+f.Name,
			in.name+" holds "+f.Detail+" large objects of "+f.Owner+", where nothing is to be kept, such as "+f.Name,
			"drop them: lo_unlink")
		return
	}
	backup := in.t.Roles.Backup
	in.found("large-object", Medium, "large object "+f.Name,
		backup+" cannot read "+f.Detail+" large objects of "+f.Owner+", such as "+f.Name+": backups fail",
		"as "+f.Owner+": GRANT SELECT ON LARGE OBJECT "+f.Name+" TO "+Ident(backup))
}

// rowSecurity judges what keeps a tenant's own customers apart. Where the spec does not ask for it, the tenant has done
// it by itself, and knows what for.
func (in *insideAudit) rowSecurity(f *Fact, secured map[string]bool) {
	if in.t == nil {
		return
	}
	severity := func(s Severity) Severity {
		if in.t.RowLevelSecurity {
			return s
		}
		return Low
	}
	switch f.Kind {
	case "table":
		switch {
		case !f.has("rls"):
			in.found("rls-missing", Medium, f.Name,
				"the table "+f.Name+" has no row-level security, and the spec asks for it: every customer's rows are seen by all",
				"in a migration: SELECT "+Ident(in.t.ExtensionSchema)+".protect("+strings.TrimSpace(Literal(f.Name))+
					", KEY COLUMN)")
		case !f.has("forced"):
			in.found("rls-not-forced", severity(Medium), f.Name,
				"row-level security of "+f.Name+" does not hold for its owner, nor for views and functions with the owner's rights",
				"ALTER TABLE "+f.Name+" FORCE ROW LEVEL SECURITY")
		}
	case "policy":
		r := in.t.Roles
		policy, command, _ := strings.Cut(f.Detail, " FOR ")
		if f.Owner == r.Backup && command == "SELECT" || !secured[f.Name] {
			return
		}
		who := "everybody (PUBLIC)"
		if f.Owner != "" {
			who = f.Owner
		}
		in.found("rls-policy-open", severity(High), policy+" on "+f.Name,
			"the policy "+policy+" of "+f.Name+" looks at no column: it allows "+who+" "+command+" on every customer's rows "+
				"alike",
			"DROP POLICY "+policy+" ON "+f.Name)
	case "view":
		s, kind, hint := severity(High), "view", "ALTER VIEW "+f.Name+" SET (security_invoker = true)"
		if f.has("forced") {
			s = severity(Medium)
		}
		if f.has("materialized") {
			s, kind, hint = severity(High), "materialized view", "make it a view, or keep it from the roles that serve customers"
		}
		in.found("rls-view", s, f.Name,
			"the "+kind+" "+f.Name+" reads "+f.Detail+" with the rights of "+f.Owner+", not of who asks: row-level security "+
				"does not hold as there",
			hint)
	}
}

// granted judges a privilege that the server did not come with.
func (in *insideAudit) granted(g *ACL) {
	object := g.Object
	if column, of, ok := strings.Cut(object, " of "); ok && g.Kind == "column" {
		object = of + ", " + column
	}
	who, tenant := in.reaches(g.Grantee)
	hint := "REVOKE " + g.Privilege + " on it FROM " + from(g.Grantee)
	if g.Grantor != "" && g.Grantor != g.Owner && in.l.Version >= withOptions {
		hint += " GRANTED BY " + Ident(g.Grantor)
	}
	holds := grantee(g.Grantee) + " holds " + g.Privilege + " on the " + object
	switch g.Kind {
	case "foreign-data wrapper", "foreign server":
		s := Medium
		if tenant {
			s = High
			holds += ": " + who + " can reach other servers with it"
		}
		in.found("foreign-usage", s, object, holds, hint)
		return
	case "schema":
		if in.t != nil && object == "schema public" {
			return // the plan locks it
		}
	}
	if in.superuser(g.Grantee) || in.providers(g.Grantee) {
		return
	}
	reading := g.Privilege == "SELECT" || g.Privilege == "EXECUTE" || g.Privilege == "USAGE"
	if g.Grantee == in.d.Instance.Role || slices.Contains(in.d.Instance.Monitors, g.Grantee) {
		if reading && harmless(object) && !g.Grantable {
			return
		}
		tenant = true // who has it shares the server with all tenants
	}
	s := Medium
	switch {
	case tenant && harmless(object) && reading:
		s = Low
	case tenant && in.t != nil, tenant && g.Grantee != "":
		s = Critical
	case tenant:
		s = High // no tenant connects there
	}
	in.found("system-grant", s, object, holds+", which the server did not come with", hint)
}

// harmless tells whether what an object shows may be shown to who looks after the server.
func harmless(object string) bool {
	for _, part := range []string{
		"pg_hba_file_rules", "pg_ident_file_mappings", "pg_file_settings", "pg_show_all_file_settings", "pg_config",
		"pg_stat_", "pg_ls_waldir", "pg_ls_logdir", "pg_ls_tmpdir", "pg_ls_archive_statusdir", "pg_replication_", "pg_locks",
		"pg_prepared_", "pg_largeobject_metadata", "pg_db_role_setting", "pg_lock_status",
		"pg_show_replication_origin_status",
		"pg_get_backend_memory_contexts", "pg_backend_memory_contexts", "pg_shmem_allocations", "pg_get_shmem_allocations",
		"pg_subscription", "pg_roles", "pg_settings", "pg_stats", "pg_database_size", "pg_tablespace_size",
	} {
		if strings.Contains(object, part) {
			return !strings.Contains(object, "pg_stat_reset") && !strings.Contains(object, "pg_stat_file")
		}
	}
	return false
}
