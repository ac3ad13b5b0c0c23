package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// The queries below read system catalogues alone, with everything that they name found in pg_catalog: Open pins the
// search_path. None of them runs a tenant's code: expressions are deparsed, never evaluated, and what is compared is of
// the system's types.

// probeSQL tells in one row what there is to look at in a database, so that most databases are asked no more. $1 is the
// tenant's schema, $2 its owner and $3 its schema of extensions, all empty in a database of the instance. Its columns
// are those of the branches below, the extensions, and whether there is a large object; the last one needs no privilege
// on pg_largeobject_metadata.
//
// The server came with what has an OID below 16384. What an extension has brought is left out: it is judged as a whole.
const probeSQL = `
WITH mine AS MATERIALIZED (
	SELECT coalesce((SELECT oid FROM pg_namespace WHERE nspname = $1), 0) AS schema,
		coalesce((SELECT oid FROM pg_roles WHERE rolname = $2), 0) AS owner
)
SELECT array_to_json(ARRAY[
	EXISTS (SELECT FROM pg_class AS c WHERE c.oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
		AND NOT (relnamespace = mine.schema AND relowner = mine.owner)
		AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 1259 AND d.objid = c.oid AND d.deptype = 'e'))
	OR EXISTS (SELECT FROM pg_proc AS p WHERE p.oid >= 16384 AND NOT (pronamespace = mine.schema AND proowner = mine.owner)
		AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 1255 AND d.objid = p.oid AND d.deptype = 'e'))
	OR EXISTS (SELECT FROM pg_type AS t WHERE t.oid >= 16384 AND NOT (typnamespace = mine.schema AND typowner = mine.owner)
		AND typrelid = 0 AND typtype <> 'm' AND typcategory <> 'A'
		AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 1247 AND d.objid = t.oid AND d.deptype = 'e'))
	OR EXISTS (SELECT FROM pg_type WHERE oid >= 16384 AND typrelid = 0 AND typcategory = 'A' AND typelem = 0)
	OR EXISTS (SELECT FROM pg_operator WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_opclass WHERE oid >= 16384)
	OR EXISTS (SELECT FROM pg_collation WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_conversion WHERE oid >= 16384)
	OR EXISTS (SELECT FROM pg_ts_config WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_ts_dict WHERE oid >= 16384)
	OR EXISTS (SELECT FROM pg_statistic_ext) OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid < 16384 AND NOT tgisinternal)
	OR EXISTS (SELECT FROM pg_rewrite WHERE oid >= 16384 AND ev_class < 16384),
	EXISTS (SELECT FROM pg_namespace
		WHERE oid >= 16384 AND nspname !~ '^pg_(temp_|toast_temp_)' AND nspname NOT IN ($1, $3)),
	EXISTS (SELECT FROM pg_language
		WHERE lanname NOT IN ('sql', 'plpgsql') AND (lanpltrusted OR lanname NOT IN ('internal', 'c')))
	OR (SELECT bool_or(prosecdef OR proleakproof AND oid >= 16384) FROM pg_proc)
	OR EXISTS (SELECT FROM pg_proc AS p
		WHERE p.oid >= 16384 AND prolang IN (SELECT oid FROM pg_language WHERE NOT lanpltrusted)
		AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 1255 AND d.objid = p.oid AND d.deptype = 'e')),
	EXISTS (SELECT FROM pg_event_trigger),
	EXISTS (SELECT FROM pg_foreign_data_wrapper),
	EXISTS (SELECT FROM pg_publication),
	EXISTS (SELECT FROM pg_cast WHERE oid >= 16384),
	EXISTS (SELECT FROM pg_class WHERE oid < 16384 AND relowner <> 10)
	OR EXISTS (SELECT FROM pg_proc WHERE oid < 16384 AND proowner <> 10)
	OR EXISTS (SELECT FROM pg_type WHERE oid < 16384 AND typowner <> 10)
	OR EXISTS (SELECT FROM pg_operator WHERE oid < 16384 AND oprowner <> 10)
	OR EXISTS (SELECT FROM pg_namespace WHERE oid < 16384 AND nspowner <> 10 AND nspname <> 'public'),
	EXISTS (SELECT FROM pg_class WHERE relrowsecurity) OR $4
]), array_to_json(ARRAY(SELECT quote_ident(extname) FROM pg_extension)), pg_relation_size(2995) > 0
FROM mine`

// branches are the queries for what probeSQL tells of, in its order. Each gives facts with the OID of the owner. $1 to
// $3 are as in probeSQL, and $4 tells whether row-level security is asked for. An aggregate is in the language internal,
// and so are the constructors that come with a tenant's range type (deptype i): neither has code of its own.
func branches() []string {
	return []string{objectSQL, `
SELECT 'schema', NULL, quote_ident(nspname), nspowner, NULL, '' FROM pg_namespace AS n
WHERE n.oid >= 16384 AND nspname !~ '^pg_(temp_|toast_temp_)' AND nspname NOT IN ($1, $3)
	AND NOT EXISTS (SELECT FROM pg_depend AS m WHERE m.classid = 2615 AND m.objid = n.oid AND m.deptype = 'e')`, `
SELECT 'function', n.nspname::text,
	quote_ident(n.nspname) || '.' || quote_ident(proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')',
	proowner, l.lanname::text, array_to_string(ARRAY[
		CASE WHEN prosecdef THEN 'definer' END,
		CASE WHEN proleakproof THEN 'leakproof' END,
		CASE WHEN EXISTS (SELECT FROM unnest(proconfig) AS c WHERE starts_with(c, 'search_path=')) THEN 'path' END,
		CASE WHEN NOT lanpltrusted AND prokind <> 'a' THEN 'untrusted' END,
		CASE WHEN p.oid < 16384 THEN 'system' END], ' ')
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = pronamespace JOIN pg_language AS l ON l.oid = prolang
WHERE n.nspname !~ '^pg_temp_' AND CASE WHEN p.oid < 16384 THEN prosecdef
	ELSE (prosecdef OR proleakproof OR (NOT lanpltrusted OR l.lanname = 'c') AND prokind <> 'a')
		AND NOT EXISTS (SELECT FROM pg_depend AS m WHERE m.classid = 1255 AND m.objid = p.oid AND m.deptype IN ('e', 'i')) END
UNION ALL
SELECT 'language', NULL, quote_ident(lanname), lanowner, NULL, array_to_string(ARRAY[
	CASE WHEN NOT lanpltrusted THEN 'untrusted' END, CASE WHEN lanname IN ('c', 'internal') THEN 'system' END], ' ')
FROM pg_language AS l
WHERE lanname NOT IN ('sql', 'plpgsql') AND (lanpltrusted OR lanname NOT IN ('internal', 'c'))`, `
SELECT 'event', NULL, quote_ident(evtname), proowner, evtevent::text,
	CASE evtenabled WHEN 'D' THEN 'disabled' ELSE '' END
FROM pg_event_trigger AS e JOIN pg_proc AS p ON p.oid = evtfoid`, `
SELECT 'wrapper', NULL, quote_ident(fdwname), fdwowner, NULL, '' FROM pg_foreign_data_wrapper
UNION ALL
SELECT 'server', NULL, quote_ident(srvname), srvowner, fdwname::text, ''
FROM pg_foreign_server JOIN pg_foreign_data_wrapper AS w ON w.oid = srvfdw
UNION ALL
SELECT 'mapping', NULL, quote_ident(srvname), umuser, NULL, '' FROM pg_user_mappings`, `
SELECT 'publication', NULL, quote_ident(pubname), pubowner, NULL, CASE WHEN puballtables THEN 'all' ELSE '' END
FROM pg_publication`, `
SELECT 'cast', NULL, format_type(castsource, NULL) || ' → ' || format_type(casttarget, NULL), 0::oid, NULL,
	array_to_string(ARRAY[
		CASE WHEN castfunc = 0 THEN 'without-function' END, CASE WHEN castcontext <> 'e' THEN 'implicit' END], ' ')
FROM pg_cast AS c WHERE c.oid >= 16384 AND castsource < 16384 AND casttarget < 16384
	AND NOT EXISTS (SELECT FROM pg_depend AS m WHERE m.classid = 2605 AND m.objid = c.oid AND m.deptype = 'e')`, `
SELECT 'system', n.nspname::text, quote_ident(n.nspname) || '.' || quote_ident(s.name), s.owner, NULL, ''
FROM (
	SELECT relnamespace AS namespace, relname AS name, relowner AS owner FROM pg_class WHERE oid < 16384 AND relowner <> 10
	UNION ALL SELECT pronamespace, proname, proowner FROM pg_proc WHERE oid < 16384 AND proowner <> 10
	UNION ALL SELECT typnamespace, typname, typowner FROM pg_type WHERE oid < 16384 AND typowner <> 10
	UNION ALL SELECT oprnamespace, oprname, oprowner FROM pg_operator WHERE oid < 16384 AND oprowner <> 10
	UNION ALL SELECT oid, nspname, nspowner FROM pg_namespace WHERE oid < 16384 AND nspowner <> 10 AND nspname <> 'public'
) AS s JOIN pg_namespace AS n ON n.oid = s.namespace`,
		rowSecuritySQL,
	}
}

// objectSQL gives what is not the tenant's owner's in the tenant's schema, and the code that hangs on it.
const objectSQL = `
SELECT x.* FROM (
	WITH mine AS MATERIALIZED (
		SELECT coalesce((SELECT oid FROM pg_namespace WHERE nspname = $1), 0) AS schema,
			coalesce((SELECT oid FROM pg_roles WHERE rolname = $2), 0) AS owner
	), named AS MATERIALIZED (
		SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp_|toast_temp_)'
	), object AS (
		SELECT 1259::oid AS class, oid, relnamespace AS namespace, quote_ident(relname) AS name, relowner AS owner,
			CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
				WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind
		FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND oid >= 16384
		UNION ALL
		SELECT 1255, oid, pronamespace, quote_ident(proname) || '(' || pg_get_function_identity_arguments(oid) || ')',
			proowner,
			CASE prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END
		FROM pg_proc WHERE oid >= 16384
		UNION ALL
		SELECT 1247, t.oid, typnamespace, quote_ident(typname), typowner, CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END
		FROM pg_type AS t
		WHERE t.oid >= 16384 AND typtype <> 'm' AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = t.oid)
			AND (typrelid = 0 OR EXISTS (SELECT FROM pg_class AS c WHERE c.oid = typrelid AND c.relkind = 'c'))
		UNION ALL
		SELECT 2617, oid, oprnamespace,
			oprname || '(' || format_type(oprleft, NULL) || ', ' || format_type(oprright, NULL) || ')',
			oprowner, 'OPERATOR'
		FROM pg_operator WHERE oid >= 16384
		UNION ALL
		SELECT 3456, oid, collnamespace, quote_ident(collname), collowner, 'COLLATION' FROM pg_collation WHERE oid >= 16384
		UNION ALL
		SELECT 2607, oid, connamespace, quote_ident(conname), conowner, 'CONVERSION' FROM pg_conversion WHERE oid >= 16384
		UNION ALL
		SELECT 2616, oid, opcnamespace, quote_ident(opcname), opcowner, 'OPERATOR CLASS' FROM pg_opclass WHERE oid >= 16384
		UNION ALL
		SELECT 3602, oid, cfgnamespace, quote_ident(cfgname), cfgowner, 'TEXT SEARCH CONFIGURATION'
		FROM pg_ts_config WHERE oid >= 16384
		UNION ALL
		SELECT 3600, oid, dictnamespace, quote_ident(dictname), dictowner, 'TEXT SEARCH DICTIONARY'
		FROM pg_ts_dict WHERE oid >= 16384
		UNION ALL
		SELECT 3381, oid, stxnamespace, quote_ident(stxname), stxowner, 'STATISTICS' FROM pg_statistic_ext WHERE oid >= 16384
	)
	SELECT 'object', n.nspname::text, quote_ident(n.nspname) || '.' || o.name, o.owner, o.kind, ''
	FROM object AS o JOIN named AS n ON n.oid = o.namespace CROSS JOIN mine
	WHERE NOT (o.namespace = mine.schema AND o.owner = mine.owner)
		AND NOT EXISTS (SELECT FROM pg_depend AS m WHERE m.classid = o.class AND m.objid = o.oid AND m.deptype = 'e')
	UNION ALL
	SELECT 'code', n.nspname::text, x.name, c.relowner,
		x.what || ' on ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname),
		''
	FROM (
		SELECT tgrelid AS relation, quote_ident(tgname) AS name, 'trigger' AS what FROM pg_trigger WHERE NOT tgisinternal
		UNION ALL SELECT ev_class, quote_ident(rulename), 'rule' FROM pg_rewrite WHERE oid >= 16384 AND rulename <> '_RETURN'
		UNION ALL SELECT adrelid, pg_get_expr(adbin, adrelid), 'default' FROM pg_attrdef WHERE oid >= 16384
		UNION ALL SELECT conrelid, quote_ident(conname), 'check' FROM pg_constraint WHERE contype = 'c' AND conrelid >= 16384
	) AS x
	JOIN pg_class AS c ON c.oid = x.relation JOIN named AS n ON n.oid = relnamespace CROSS JOIN mine
	WHERE c.relowner <> mine.owner
		AND NOT EXISTS (SELECT FROM pg_depend AS m WHERE m.classid = 1259 AND m.objid = c.oid AND m.deptype = 'e')
	UNION ALL
	SELECT 'code', n.nspname::text, quote_ident(conname), t.typowner,
		'check on domain ' || quote_ident(n.nspname) || '.' || quote_ident(typname), ''
	FROM pg_constraint AS k JOIN pg_type AS t ON t.oid = contypid JOIN named AS n ON n.oid = typnamespace CROSS JOIN mine
	WHERE contypid >= 16384 AND t.typowner <> mine.owner
		AND NOT EXISTS (SELECT FROM pg_depend AS m WHERE m.classid = 1247 AND m.objid = t.oid AND m.deptype = 'e')
) AS x`

// rowSecuritySQL gives the tenant's tables, or, where row-level security is not asked for, those of them that have it;
// the policies whose condition names no column, and so says the same of every row; and the views that read such tables
// with the rights of their owners, through other views too.
const rowSecuritySQL = `
SELECT 'table', n.nspname::text, quote_ident(n.nspname) || '.' || quote_ident(relname), relowner, NULL,
	array_to_string(ARRAY[
	CASE WHEN relrowsecurity THEN 'rls' END, CASE WHEN relforcerowsecurity THEN 'forced' END], ' ')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE n.nspname = $1 AND relkind IN ('r', 'p') AND (relrowsecurity OR $4)
UNION ALL
SELECT 'policy', n.nspname::text, quote_ident(n.nspname) || '.' || quote_ident(relname), role,
	quote_ident(polname) || ' FOR ' || CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
		WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, ''
FROM pg_policy AS p JOIN pg_class AS c ON c.oid = polrelid JOIN pg_namespace AS n ON n.oid = relnamespace
CROSS JOIN unnest(polroles) AS role
WHERE n.nspname = $1 AND polpermissive AND relrowsecurity AND CASE polcmd
	WHEN 'a' THEN coalesce(polwithcheck::text !~ '{VAR ' AND pg_get_expr(polwithcheck, polrelid) <> 'false', true)
	ELSE coalesce(polqual::text !~ '{VAR ' AND pg_get_expr(polqual, polrelid) <> 'false', true) END
UNION ALL
SELECT x.* FROM (
	WITH RECURSIVE up AS (
		SELECT oid AS view, oid AS base, relforcerowsecurity AS forced FROM pg_class WHERE relrowsecurity
		UNION
		SELECT r.ev_class, up.base, up.forced
		FROM up JOIN pg_depend AS d ON d.refclassid = 1259 AND d.refobjid = up.view AND d.classid = 2618
		JOIN pg_rewrite AS r ON r.oid = d.objid AND r.ev_class <> up.view AND r.rulename = '_RETURN'
	)
	SELECT 'view', n.nspname::text, quote_ident(n.nspname) || '.' || quote_ident(v.relname), v.relowner,
		min(quote_ident(bn.nspname) || '.' || quote_ident(b.relname)), array_to_string(ARRAY[
			CASE WHEN bool_and(up.forced) THEN 'forced' END,
			CASE WHEN v.relkind = 'm' THEN 'materialized' END], ' ')
	FROM up JOIN pg_class AS v ON v.oid = up.view AND v.relkind IN ('v', 'm')
	JOIN pg_namespace AS n ON n.oid = v.relnamespace
	JOIN pg_class AS b ON b.oid = up.base JOIN pg_namespace AS bn ON bn.oid = b.relnamespace
	WHERE NOT coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(v.reloptions) AS o
		WHERE o.option_name = 'security_invoker'), false)
	GROUP BY n.nspname, v.relname, v.relowner, v.relkind
) AS x`

// largeSQL gives the large objects that the tenant's backup role cannot read, and in a database of the instance all. $1
// is that role, or empty. They may be many, so it counts them.
const largeSQL = `
WITH backup AS (SELECT coalesce((SELECT oid FROM pg_roles WHERE rolname = $1), 0) AS oid)
SELECT 'large', NULL, min(l.oid)::text, lomowner, count(*)::text, ''
FROM pg_largeobject_metadata AS l CROSS JOIN backup
WHERE lomowner <> backup.oid AND NOT EXISTS (SELECT FROM aclexplode(lomacl) AS a
	WHERE $1 <> '' AND a.privilege_type = 'SELECT' AND a.grantee IN (0, backup.oid))
GROUP BY lomowner`

// grantsSQL gives what is granted beyond what the server came with (pg_init_privs) on what is its own, and every grant
// on what can reach outside. Everybody may read the information schema without an initial entry, and what everybody had
// at first is no more than before in the hands of one role, or of one column.
const grantsSQL = `
WITH thing (kind, class, oid, sub, owner, acl, was) AS (
	SELECT 'table', 1259, c.oid, 0, c.relowner, c.relacl, coalesce(i.initprivs,
		CASE WHEN n.nspname = 'information_schema' THEN ARRAY[makeaclitem(0, c.relowner, 'SELECT', false)] END)
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
	LEFT JOIN pg_init_privs AS i ON i.classoid = 1259 AND i.objoid = c.oid AND i.objsubid = 0
	WHERE c.oid < 16384 AND relacl IS NOT NULL AND relacl IS DISTINCT FROM i.initprivs
	UNION ALL
	SELECT 'column', 1259, attrelid, attnum, c.relowner, attacl, coalesce(i.initprivs, w.initprivs)
	FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
	LEFT JOIN pg_init_privs AS i ON i.classoid = 1259 AND i.objoid = attrelid AND i.objsubid = attnum
	LEFT JOIN pg_init_privs AS w ON w.classoid = 1259 AND w.objoid = attrelid AND w.objsubid = 0
	WHERE attrelid < 16384 AND attacl IS NOT NULL AND attacl IS DISTINCT FROM i.initprivs
	UNION ALL
	SELECT 'function', 1255, oid, 0, proowner, coalesce(proacl, acldefault('f', proowner)),
		coalesce(i.initprivs, acldefault('f', proowner))
	FROM pg_proc LEFT JOIN pg_init_privs AS i ON i.classoid = 1255 AND i.objoid = oid
	WHERE oid < 16384 AND proacl IS DISTINCT FROM i.initprivs
	UNION ALL
	SELECT 'type', 1247, oid, 0, typowner, typacl, acldefault('T', typowner)
	FROM pg_type WHERE oid < 16384 AND typacl IS NOT NULL
	UNION ALL
	SELECT 'schema', 2615, oid, 0, nspowner, nspacl, coalesce(i.initprivs, ARRAY[makeaclitem(0, nspowner, 'USAGE', false)])
	FROM pg_namespace LEFT JOIN pg_init_privs AS i ON i.classoid = 2615 AND i.objoid = oid
	WHERE oid < 16384 AND nspacl IS DISTINCT FROM i.initprivs
	UNION ALL
	SELECT 'language', 2612, oid, 0, lanowner, lanacl, acldefault('l', lanowner) FROM pg_language WHERE lanacl IS NOT NULL
	UNION ALL
	SELECT 'foreign-data wrapper', 2328, oid, 0, fdwowner, fdwacl, NULL
	FROM pg_foreign_data_wrapper WHERE fdwacl IS NOT NULL
	UNION ALL
	SELECT 'foreign server', 1417, oid, 0, srvowner, srvacl, NULL FROM pg_foreign_server WHERE srvacl IS NOT NULL
)
SELECT t.kind, pg_describe_object(t.class, t.oid, t.sub), t.owner, a.grantee, a.grantor, a.privilege_type,
	a.is_grantable
FROM thing AS t CROSS JOIN LATERAL aclexplode(t.acl) AS a
WHERE a.grantee <> t.owner AND NOT EXISTS (SELECT FROM aclexplode(t.was) AS was
	WHERE was.grantee IN (0, a.grantee) AND was.privilege_type = a.privilege_type AND was.is_grantable >= a.is_grantable)`

// instanceSQL gives the facts of the instance.
const instanceSQL = `
SELECT 'slot', '', slot_name::text, coalesce(plugin::text, ''), coalesce(database::text, ''), array_to_string(ARRAY[
	CASE WHEN active THEN 'active' END, CASE slot_type WHEN 'physical' THEN 'physical' END,
	CASE WHEN temporary THEN 'temporary' END], ' ')
FROM pg_replication_slots
UNION ALL
SELECT 'prepared', '', gid, owner::text, database::text, '' FROM pg_prepared_xacts
UNION ALL
SELECT 'subscription', '', subname::text, r.rolname::text, d.datname::text,
	CASE WHEN subenabled THEN 'enabled' ELSE '' END
FROM pg_subscription JOIN pg_roles AS r ON r.oid = subowner JOIN pg_database AS d ON d.oid = subdbid
UNION ALL
SELECT 'collation', '', datcollversion, datname::text, pg_database_collation_actual_version(oid), ''
FROM pg_database WHERE datcollversion <> pg_database_collation_actual_version(oid)`

// tablespaceSQL gives what is granted on tablespaces to others than their owners.
const tablespaceSQL = `
SELECT 'tablespace', quote_ident(spcname), spcowner, a.grantee, a.grantor, a.privilege_type, a.is_grantable
FROM pg_tablespace AS t CROSS JOIN LATERAL aclexplode(t.spcacl) AS a
WHERE a.grantee <> spcowner`

const verifierSQL = `
SELECT rolname, CASE WHEN rolpassword IS NULL THEN 'none' WHEN rolpassword ~ '^md5[0-9a-f]{32}$' THEN 'md5'
	WHEN starts_with(rolpassword, 'SCRAM-SHA-256$') THEN 'scram-sha-256' ELSE 'unknown' END
FROM pg_authid WHERE rolname !~ '^pg_'`

// readEvidence reads what an audit looks at in the instance, and in the database of it that the session is in.
func readEvidence(ctx context.Context, conn *Conn, superuser bool, platform string, byOID names) (*state.Evidence,
	error) {
	e := &state.Evidence{Bootstrap: byOID.of("10")}
	withheld := func(what, grant string) {
		e.Withheld = append(e.Withheld, state.Withheld{What: what, Grant: grant})
	}
	toPlatform := " TO " + state.Ident(platform)

	// Each as a new session gets it. The parameters of this one's start-up are not among them.
	settings := "SELECT name, coalesce(reset_val, ''), pending_restart FROM pg_settings WHERE name IN ('" +
		strings.Join(state.AuditedSettings(), "', '") + "')"
	answers, err := questions(ctx, conn, settings, tablespaceSQL)
	if err != nil {
		return nil, err
	}
	for _, r := range answers[0] {
		e.Settings = append(e.Settings, state.ServerSetting{Name: r[0], Value: r[1]})
		if yes(r[2]) {
			e.Facts = append(e.Facts, state.Fact{Kind: "pending", Name: r[0]})
		}
	}
	slices.SortFunc(e.Settings, func(a, b state.ServerSetting) int { return strings.Compare(a.Name, b.Name) })
	if !slices.ContainsFunc(e.Settings, func(s state.ServerSetting) bool { return s.Name == "dynamic_library_path" }) {
		withheld("the settings that only superusers see", "GRANT pg_read_all_settings"+toPlatform)
	}
	for _, r := range answers[1] {
		e.Grants = append(e.Grants, readGrant(r, byOID))
	}
	sortACLs(e.Grants)

	if answers, err = questions(ctx, conn, instanceSQL); denied(err) {
		withheld("replication slots, prepared transactions and subscriptions",
			"GRANT SELECT ON pg_catalog.pg_replication_slots, pg_catalog.pg_prepared_xacts, "+
				"pg_catalog.pg_subscription"+toPlatform)
	} else if err != nil {
		return nil, err
	} else {
		for _, r := range answers[0] {
			e.Facts = append(e.Facts, state.Fact{
				Kind: r[0], Name: r[2], Owner: r[3], Detail: r[4], Flags: strings.Fields(r[5]),
			})
		}
	}
	slices.SortFunc(e.Facts, state.Fact.Compare)

	home, more, err := readDatabase(ctx, conn, conn.Config().Database, nil, byOID)
	if err != nil {
		return nil, err
	}
	e.Databases, e.Withheld = append(e.Databases, home), append(e.Withheld, more...)

	if !superuser {
		withheld("how passwords are kept", "") // a right to read verifiers would be worse than not to know
		return e, nil
	}
	if answers, err = questions(ctx, conn, verifierSQL); err != nil {
		return nil, err
	}
	for _, r := range answers[0] {
		e.Verifiers = append(e.Verifiers, state.Verified{Role: r[0], Kind: state.Secret(r[1])})
	}
	slices.SortFunc(e.Verifiers, func(a, b state.Verified) int { return strings.Compare(a.Role, b.Role) })
	return e, nil
}

// readShared reads what is in the databases that no tenant has and that have not been read yet, as far as the role may
// connect to them.
func (s *Server) readShared(ctx context.Context, want *state.Desired, l *state.Live, byOID names) error {
	for _, name := range []string{want.Instance.Database, "postgres", "template1"} {
		if !slices.ContainsFunc(l.Databases, func(d state.Database) bool { return d.Name == name && d.AllowConnections }) ||
			slices.ContainsFunc(l.Evidence.Databases, func(e state.DatabaseEvidence) bool { return e.Database == name }) {
			continue
		}
		in, withheld, err := s.readSharedOne(ctx, name, byOID)
		switch {
		case denied(err):
			l.Evidence.Withheld = append(l.Evidence.Withheld, state.Withheld{
				Database: name, What: "what is in the database " + name,
				Grant: "GRANT CONNECT ON DATABASE " + state.Ident(name) + " TO " + state.Ident(want.Instance.Role),
			})
			continue
		case err != nil:
			return fmt.Errorf("inspect the database %s: %w", name, err)
		}
		l.Evidence.Databases = append(l.Evidence.Databases, in)
		l.Evidence.Withheld = append(l.Evidence.Withheld, withheld...)
	}
	return nil
}

func (s *Server) readSharedOne(ctx context.Context, name string, byOID names) (state.DatabaseEvidence,
	[]state.Withheld, error) {
	conn, err := s.Open(ctx, name)
	if err != nil {
		return state.DatabaseEvidence{}, nil, err
	}
	defer conn.leave(ctx) // one in template1 is in the way of whoever creates a database, and is told of by the next audit
	return readDatabase(ctx, conn, name, nil, byOID)
}

// leaveTimeout is how long a session that ends is waited for.
const leaveTimeout = 5 * time.Second

// leave ends the session as Close does, and waits until the server has none of it any more: its process closes the
// connection as it exits, and is in no catalogue then (pqcomm.c, socket_close).
func (c *Conn) leave(ctx context.Context) {
	c.once.Do(func() {
		defer c.free()
		ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
		defer cancel()
		conn := c.PgConn()
		if conn.SyncConn(ctx) != nil {
			_ = c.Conn.Close(context.WithoutCancel(ctx)) // what it was for has been read, or failed
			return
		}
		raw, err := conn.Hijack()
		if err != nil {
			_ = c.Conn.Close(context.WithoutCancel(ctx)) // likewise
			return
		}
		defer raw.Conn.Close()
		stop := context.AfterFunc(ctx, func() { _ = raw.Conn.SetDeadline(time.Unix(1, 0)) }) // ends the wait
		defer stop()
		raw.Frontend.Send(&pgproto3.Terminate{})
		if raw.Frontend.Flush() == nil {
			_, _ = io.Copy(io.Discard, raw.Conn) // to its end, which may be an error: it is the end that counts
		}
	})
}

// readDatabase reads what an audit looks at in the database that the session is in: a tenant's, or with none one of the
// instance. It takes one round trip, and where there is something to look at a second one.
func readDatabase(ctx context.Context, conn *Conn, database string, t *state.Tenant, byOID names) (
	e state.DatabaseEvidence, withheld []state.Withheld, err error,
) {
	e.Database = database
	if t == nil {
		t = &state.Tenant{}
	}
	constant := func(s string) string { return strings.TrimLeft(state.Literal(s), " ") }
	fill := strings.NewReplacer("$1", constant(t.Schema), "$2", constant(t.Roles.Owner), "$3", constant(t.ExtensionSchema),
		"$4", strconv.FormatBool(t.RowLevelSecurity))
	answers, err := questions(ctx, conn, fill.Replace(probeSQL), grantsSQL)
	if err != nil {
		return e, nil, err
	}
	probe := answers[0][0]
	for _, name := range list(probe[1]) {
		e.Facts = append(e.Facts, state.Fact{Kind: "extension", Name: name})
	}
	for _, r := range answers[1] {
		e.Grants = append(e.Grants, readGrant(r, byOID))
	}
	sortACLs(e.Grants)

	var there []bool
	if err := json.Unmarshal([]byte(probe[0]), &there); err != nil {
		return e, nil, fmt.Errorf("read what is in the database: %w", err)
	}
	var more []string
	for i, sql := range branches() {
		if there[i] {
			more = append(more, fill.Replace(sql))
		}
	}
	if len(more) > 0 {
		answers, err := questions(ctx, conn, more...)
		if err != nil {
			return e, nil, err
		}
		for _, answer := range answers {
			e.Facts = append(e.Facts, readFacts(answer, byOID)...)
		}
	}
	if yes(probe[2]) {
		answers, err := questions(ctx, conn, strings.ReplaceAll(largeSQL, "$1", constant(t.Roles.Backup)))
		switch {
		case denied(err):
			withheld = append(withheld, state.Withheld{
				Database: database, What: "large objects of " + database,
				Grant: "GRANT SELECT ON pg_catalog.pg_largeobject_metadata",
			})
		case err != nil:
			return e, nil, err
		default:
			e.Facts = append(e.Facts, readFacts(answers[0], byOID)...)
		}
	}
	slices.SortFunc(e.Facts, state.Fact.Compare)
	return e, withheld, nil
}

func readFacts(answer rows, byOID names) []state.Fact {
	var out []state.Fact
	for _, r := range answer {
		out = append(out, state.Fact{
			Kind: r[0], Schema: r[1], Name: r[2], Owner: byOID.of(r[3]), Detail: r[4], Flags: strings.Fields(r[5]),
		})
	}
	return out
}

func readGrant(r []string, byOID names) state.ACL {
	return state.ACL{
		Kind: r[0], Object: r[1], Owner: byOID.of(r[2]), Grantee: byOID.of(r[3]), Grantor: byOID.of(r[4]), Privilege: r[5],
		Grantable: yes(r[6]),
	}
}

// denied tells whether the server refused for want of a privilege (insufficient_privilege).
func denied(err error) bool { return code(err) == "42501" }
