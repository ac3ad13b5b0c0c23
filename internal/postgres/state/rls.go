package state

import (
	"slices"
	"strings"
)

// TenantKey is the setting that names a customer of the tenant in row-level security: the application sets it in each
// transaction, and the policies compare it with a table's key column.
const TenantKey = "app.tenant_key"

// The policies that protect makes.
const (
	KeyPolicy    = "zave_key"    // rows whose key is TenantKey, for everybody
	BackupPolicy = "zave_backup" // all rows, for reading by the tenant's backup role
)

// Function is a function of the platform's in a tenant's database.
type Function struct {
	Name     string // with the types of its arguments, not quoted: protect(regclass, name)
	Owner    string
	Language string
	Source   string // pg_proc.prosrc
	Definer  bool   // SECURITY DEFINER
	Config   []string
	Execute  []string // the roles with EXECUTE, sorted; the owner aside; empty string: PUBLIC
}

// helper is what a Function is to be.
type helper struct {
	name      string // as Function.Name
	arguments string // as CREATE FUNCTION takes them
	returns   string
	language  string
	volatile  string
	source    string
	execute   []string
	why       string
}

// helperConfig pins what a name in a helper means: one of the system, whatever the tenant has made (PostgreSQL manual,
// CREATE FUNCTION, "Writing SECURITY DEFINER Functions Safely"). The helpers run with the caller's rights; the pin
// is for a policy to be made of the system's operators alone.
const helperConfig = "search_path=pg_catalog, pg_temp"

// rlsSteps gives the steps that make the helpers for row-level security in the tenant's database, in the schema of
// extensions: protect(table, column) and unprotected(). The tenant's migrations call them as the owner of the tables,
// and the platform never does. A helper is the platform's, runs with the caller's rights, and is replaced where its
// text, its rights or its settings are not as they should be.
//
// A tenant that no longer asks for row-level security keeps the helpers and the policies: to take a barrier away is
// nothing to be done by the way.
func (t Tenant) rlsSteps(l *Live, inside *Inside, platform string) []Step {
	if !t.RowLevelSecurity {
		return nil
	}
	var out []Step
	for _, h := range t.helpers() {
		var have *Function
		if inside != nil {
			if i := slices.IndexFunc(inside.Functions, func(f Function) bool { return f.Name == h.name }); i >= 0 {
				have = &inside.Functions[i]
			}
		}
		out = append(out, t.helperSteps(h, have, platform)...)
	}
	return out
}

func (t Tenant) helperSteps(h helper, have *Function, platform string) []Step {
	name, _, _ := strings.Cut(h.name, "(")
	id := "rls/" + t.Database + "/" + name
	qualified := Ident(t.ExtensionSchema) + "." + h.name
	step := func(kind, sql, why string) Step {
		return Step{ID: id + "/" + kind, Tenant: t.Name, Database: t.Database, SQL: sql, Why: why}
	}
	var out []Step
	if have != nil && have.Owner != platform {
		s := step("owner", "ALTER FUNCTION "+qualified+" OWNER TO "+Ident(platform),
			"the function "+name+" is the platform's, not "+have.Owner+"'s")
		s.Superuser = true
		out = append(out, s)
	}
	create := "CREATE OR REPLACE FUNCTION " + Ident(t.ExtensionSchema) + "." + name + h.arguments +
		" RETURNS " + h.returns + " LANGUAGE " + h.language + " " + h.volatile +
		" SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS " + strings.TrimLeft(Literal(h.source), " ")
	switch {
	case have == nil:
		out = append(out, step("create", create, h.why))
	case have.Language != h.language, have.Source != h.source, have.Definer,
		!slices.Equal(have.Config, []string{helperConfig}):
		out = append(out, step("replace", create, "the function "+name+" is not as this version of zave has it"))
	}
	public := have == nil // a new function is everybody's to call
	var extra []string
	if have != nil {
		for _, role := range have.Execute {
			switch {
			case role == "":
				public = true
			case !slices.Contains(h.execute, role):
				extra = append(extra, role)
			}
		}
	}
	if public {
		s := step("public", "REVOKE ALL ON FUNCTION "+qualified+" FROM PUBLIC",
			"the function "+name+" is for the tenant's own roles, not for everybody")
		s.Destructive = have != nil
		out = append(out, s)
	}
	for _, role := range extra {
		s := step("extra/"+role, "REVOKE ALL ON FUNCTION "+qualified+" FROM "+Ident(role),
			role+" has no use for the function "+name)
		s.Destructive = true
		out = append(out, s)
	}
	for _, role := range h.execute {
		if have == nil || !slices.Contains(have.Execute, role) {
			out = append(out, step("grant/"+role, "GRANT EXECUTE ON FUNCTION "+qualified+" TO "+Ident(role),
				role+" may call the function "+name))
		}
	}
	return out
}

// helpers gives the functions of row-level security. Their text depends on the tenant's names alone.
func (t Tenant) helpers() []helper {
	return []helper{
		{
			name:      "protect(regclass, name)",
			arguments: `("table" pg_catalog.regclass, "key" pg_catalog.name)`,
			returns:   "pg_catalog.void",
			language:  "plpgsql",
			volatile:  "VOLATILE",
			source:    strings.NewReplacer("%backup%", Literal(t.Roles.Backup)).Replace(protectSource),
			execute:   []string{t.Roles.Owner},
			why:       "row-level security is asked for: migrations call protect(table, column) for each table of customers",
		},
		{
			name:      "unprotected()",
			arguments: "()",
			returns:   `TABLE ("object" pg_catalog.text, "reason" pg_catalog.text)`,
			language:  "sql",
			volatile:  "STABLE",
			source: strings.NewReplacer("%backup%", Literal(t.Roles.Backup), "%extensions%", Literal(t.ExtensionSchema)).
				Replace(unprotectedSource),
			execute: []string{t.Roles.Owner},
			why:     "row-level security is asked for: migrations call unprotected() to see which tables have none",
		},
	}
}

// protectSource is the body of protect. Its policies hold names of the system alone, as the function's search_path has
// nothing else in it.
//
// The key policy is for everybody, the owner included, so that a view and a SECURITY DEFINER function, which read
// with the owner's rights, show one customer's rows as well. A policy for all commands without WITH CHECK would use
// USING for both (PostgreSQL manual, CREATE POLICY); it is written out for the reader of \d.
const protectSource = `
DECLARE
	part record;
BEGIN
	IF "table" IS NULL OR "key" IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'protect needs a table and the name of its key column';
	END IF;

	-- A query through a parent obeys the parent's policies alone, so that a protected part of an open table is open.
	FOR part IN
		WITH RECURSIVE up AS (
			SELECT i.inhparent AS oid FROM pg_inherits AS i WHERE i.inhrelid = "table"
			UNION SELECT i.inhparent FROM pg_inherits AS i JOIN up ON up.oid = i.inhrelid
		)
		SELECT c.oid::regclass AS name FROM up JOIN pg_class AS c USING (oid)
		WHERE NOT (c.relrowsecurity AND c.relforcerowsecurity
			AND EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = 'zave_key'))
		ORDER BY 1
	LOOP
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('%s is a part of %s, which is not protected', "table", part.name),
			HINT = format('protect %s: all its parts are protected with it', part.name);
	END LOOP;

	FOR part IN
		WITH RECURSIVE down AS (
			SELECT "table"::oid AS oid
			UNION SELECT i.inhrelid FROM pg_inherits AS i JOIN down ON down.oid = i.inhparent
		)
		SELECT c.oid, n.nspname, c.relname, c.relkind, a.attname, a.atttypid,
			format_type(a.atttypid, -1) AS type, coalesce(l.collisdeterministic, true) AS deterministic
		FROM down
		JOIN pg_class AS c USING (oid)
		JOIN pg_namespace AS n ON n.oid = c.relnamespace
		LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = "key" AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
		ORDER BY c.oid <> "table", n.nspname, c.relname
	LOOP
		IF part.relkind NOT IN ('r', 'p') THEN
			RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
				MESSAGE = format('%I.%I is not a table of this database, and only those have row-level security',
					part.nspname, part.relname);
		ELSIF part.attname IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'undefined_column',
				MESSAGE = format('%I.%I has no column %I', part.nspname, part.relname, "key"),
				HINT = 'the key column names the customer that a row belongs to';
		ELSIF part.atttypid NOT IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype, 'text'::regtype,
			'varchar'::regtype) THEN
			-- Equality of other types may be the tenant's own code, or hold for keys that are not the same.
			RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch',
				MESSAGE = format('%I.%I.%I is of type %s, which cannot be a key', part.nspname, part.relname, "key", part.type),
				HINT = 'a key is a smallint, integer, bigint, uuid, text or character varying';
		ELSIF NOT part.deterministic THEN
			RAISE EXCEPTION USING ERRCODE = 'collation_mismatch',
				MESSAGE = format('the collation of %I.%I.%I takes different keys for equal', part.nspname, part.relname, "key"),
				HINT = 'give the column a deterministic collation';
		END IF;
		EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', part.nspname, part.relname);
		IF EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = part.oid AND p.polname = 'zave_key') THEN
			EXECUTE format('DROP POLICY zave_key ON %I.%I', part.nspname, part.relname);
		END IF;
		IF EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = part.oid AND p.polname = 'zave_backup') THEN
			EXECUTE format('DROP POLICY zave_backup ON %I.%I', part.nspname, part.relname);
		END IF;
		-- After SET LOCAL the setting is empty, not unset: neither is anybody's key. The type has no length, which would
		-- cut a longer key to another one.
		EXECUTE format('CREATE POLICY zave_key ON %1$I.%2$I AS PERMISSIVE FOR ALL TO PUBLIC USING (%3$s) WITH CHECK (%3$s)',
			part.nspname, part.relname,
			format('%I = nullif(current_setting(''app.tenant_key'', true), '''')::%s', part.attname, part.type));
		EXECUTE format('CREATE POLICY zave_backup ON %I.%I AS PERMISSIVE FOR SELECT TO %I USING (true)',
			part.nspname, part.relname, %backup%);
	END LOOP;
END
`

// unprotectedSource is the body of unprotected: what the tenant's tables lack of what protect does, and what beside
// them shows rows without asking for a key.
const unprotectedSource = `
	SELECT format('%I.%I', n.nspname, c.relname), r.reason
	FROM pg_class AS c
	JOIN pg_namespace AS n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL (
		SELECT CASE
			WHEN c.relkind = 'm' THEN 'a materialized view has no row-level security'
			WHEN c.relkind = 'f' THEN 'a foreign table has no row-level security'
			WHEN c.relkind = 'v' THEN CASE
				WHEN NOT coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) AS o
					WHERE o.option_name = 'security_invoker'), false)
				THEN 'the view reads with the rights of its owner: security_invoker is not set' END
			WHEN NOT c.relrowsecurity THEN 'row-level security is not enabled'
			WHEN NOT c.relforcerowsecurity THEN 'row-level security is not forced: it does not hold for the owner'
			WHEN NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = 'zave_key')
				THEN 'there is no policy of protect'
		END
		UNION ALL
		SELECT format('the policy %I shows more rows than the key allows', p.polname)
		FROM pg_policy AS p
		WHERE c.relrowsecurity AND c.relforcerowsecurity AND p.polrelid = c.oid AND p.polpermissive
			AND p.polname <> 'zave_key'
			AND NOT (p.polname = 'zave_backup' AND p.polcmd = 'r'
				AND p.polroles = ARRAY(SELECT o.oid FROM pg_roles AS o WHERE o.rolname = %backup%))
	) AS r (reason)
	WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND r.reason IS NOT NULL
		AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', %extensions%)
		AND n.nspname !~ '^pg_(toast_)?temp_'
	ORDER BY n.nspname, c.relname, r.reason
`
