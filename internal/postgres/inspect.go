package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// Inspect reads what the instance is: the shared catalogues once, and each desired tenant's database in a session of
// its own, as many at a time as the server has slots. It reads system catalogues alone, in two round trips a session,
// and changes nothing. What the role may not read is not an error, but in the state's Unread.
func (s *Server) Inspect(ctx context.Context, want *state.Desired) (*state.Live, error) {
	return s.inspect(ctx, want, false)
}

// InspectAudit is Inspect with the evidence that an audit judges, which takes several times as long.
func (s *Server) InspectAudit(ctx context.Context, want *state.Desired) (*state.Live, error) {
	return s.inspect(ctx, want, true)
}

func (s *Server) inspect(ctx context.Context, want *state.Desired, audit bool) (*state.Live, error) {
	l, names, err := s.inspectShared(ctx, want, audit)
	if err != nil {
		return nil, err
	}
	if l.Version < 150000 {
		return l, nil // a plan refuses it; the catalogues may lack what is asked for
	}
	exists := make(map[string]bool, len(l.Databases))
	for _, d := range l.Databases {
		exists[d.Name] = d.AllowConnections
	}
	var todo []*state.Tenant
	for i := range want.Tenants {
		if exists[want.Tenants[i].Database] {
			todo = append(todo, &want.Tenants[i])
		}
	}
	strict := 0 // the version for which the strict profile is looked at
	if want.Instance.Strict {
		strict = l.Version
	}
	looks := make([]look, len(todo))
	work := make(chan int)
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for range min(cap(s.slots), len(todo)) {
		wg.Go(func() {
			for i := range work {
				if looks[i].err = s.look(inner, todo[i], names, strict, audit, &looks[i]); looks[i].err != nil {
					cancel()
				}
			}
		})
	}
	for i := range todo {
		select {
		case work <- i:
			continue
		case <-inner.Done():
		}
		break
	}
	close(work)
	wg.Wait()
	// The first failure cancels the others, which then fail as well: theirs is not the one to tell of.
	var failed error
	for i := range looks {
		if err := looks[i].err; err != nil && (failed == nil || errors.Is(failed, context.Canceled)) {
			failed = fmt.Errorf("inspect the database %s: %w", todo[i].Database, err)
		}
	}
	if err := cmp.Or(ctx.Err(), failed); err != nil {
		return nil, err
	}
	lacking := false
	for i := range looks {
		if u := looks[i].unread; u != nil {
			l.Unread = append(l.Unread, *u)
			continue
		}
		l.Inside = append(l.Inside, looks[i].in)
		if audit {
			l.Evidence.Databases = append(l.Evidence.Databases, looks[i].evidence)
			l.Evidence.Withheld = append(l.Evidence.Withheld, looks[i].withheld...)
		}
	}
	slices.SortFunc(l.Inside, func(a, b state.Inside) int { return strings.Compare(a.Database, b.Database) })
	for i := range want.Tenants {
		lacking = lacking || lacksExtension(l, &want.Tenants[i])
	}
	if lacking {
		if err := s.inspectExtensions(ctx, want, l); err != nil {
			return nil, err
		}
	}
	if audit {
		if err := s.readShared(ctx, want, l, names); err != nil {
			return nil, err
		}
		slices.SortFunc(l.Evidence.Databases, func(a, b state.DatabaseEvidence) int {
			return strings.Compare(a.Database, b.Database)
		})
	}
	slices.SortFunc(l.Unread, func(a, b state.Unread) int {
		return cmp.Or(strings.Compare(a.Database, b.Database), strings.Compare(a.What, b.What))
	})
	return l, nil
}

// home opens a session where the platform's own run: in its database, or in "postgres" before that one is open.
func (s *Server) home(ctx context.Context, want *state.Desired) (*Conn, error) {
	conn, err := s.Open(ctx, want.Instance.Database)
	switch code(err) {
	case codeNoDatabase, codeNotInState,
		codePrivilege: // not there, closed as a killed run leaves it, or not for this role
		return s.Open(ctx, "postgres")
	}
	return conn, err
}

// names finds roles by OID. What a dropped role left behind has none: it is shown as its number, which is no name.
type names map[string]string

func (n names) of(oid string) string {
	if oid == "0" {
		return ""
	}
	if name, ok := n[oid]; ok {
		return name
	}
	return "OID " + oid
}

// rows is the answer to one of several statements, as text; NULL is the empty string.
type rows [][]string

// questions runs several statements in one round trip, in the simple protocol.
func questions(ctx context.Context, conn *Conn, statements ...string) ([]rows, error) {
	reader := conn.PgConn().Exec(ctx, strings.Join(statements, ";\n"))
	var out []rows
	for reader.NextResult() {
		r := reader.ResultReader()
		var answer rows
		for r.NextRow() {
			values := r.Values()
			row := make([]string, len(values))
			for i, v := range values {
				row[i] = string(v)
			}
			answer = append(answer, row)
		}
		if _, err := r.Close(); err != nil {
			reader.Close()
			return nil, err
		}
		out = append(out, answer)
	}
	if err := reader.Close(); err != nil {
		return nil, err
	}
	if len(out) != len(statements) {
		return nil, fmt.Errorf("the server answered %d of %d questions", len(out), len(statements))
	}
	return out, nil
}

const whoSQL = `
SELECT current_setting('server_version_num'), session_user, r.rolsuper, r.rolcreaterole, r.rolcreatedb,
	pg_is_in_recovery() OR current_setting('transaction_read_only')::bool,
	has_function_privilege('pg_hba_file_rules()', 'EXECUTE') AND has_table_privilege('pg_hba_file_rules', 'SELECT')
FROM pg_roles AS r WHERE r.rolname = session_user`

const rolesSQL = `
SELECT r.oid, r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication,
	r.rolbypassrls, r.rolconnlimit,
	CASE WHEN isfinite(r.rolvaliduntil) THEN to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
		WHEN r.rolvaliduntil = '-infinity' THEN '-infinity' END,
	d.description
FROM pg_roles AS r
LEFT JOIN pg_shdescription AS d ON d.objoid = r.oid AND d.classoid = 1260`

const membershipsSQL = `
SELECT m.roleid, m.member, m.grantor, m.admin_option, %s FROM pg_auth_members AS m`

const databasesSQL = `
SELECT b.oid, b.datname, b.datdba, b.datistemplate, b.datallowconn, b.datconnlimit, d.description
FROM pg_database AS b
LEFT JOIN pg_shdescription AS d ON d.objoid = b.oid AND d.classoid = 1262`

const databaseACLSQL = `
SELECT b.oid, a.grantee, a.grantor, a.privilege_type, a.is_grantable
FROM pg_database AS b
CROSS JOIN LATERAL aclexplode(coalesce(b.datacl, acldefault('d', b.datdba))) AS a`

// A parameter that the server does not know may be set by superusers alone, and so does one that says so.
const configsSQL = `
SELECT c.setrole, c.setdatabase, s.name, substr(s.setting, length(s.name) + 2),
	coalesce(p.context IN ('superuser', 'superuser-backend'), true)
FROM pg_db_role_setting AS c
CROSS JOIN LATERAL unnest(c.setconfig) AS u (setting)
CROSS JOIN LATERAL (SELECT split_part(u.setting, '=', 1), u.setting) AS s (name, setting)
LEFT JOIN pg_settings AS p ON lower(p.name) = lower(s.name)`

const parametersSQL = `
SELECT p.parname, a.grantee, a.grantor, a.privilege_type, a.is_grantable
FROM pg_parameter_acl AS p CROSS JOIN LATERAL aclexplode(p.paracl) AS a`

const sessionsSQL = `
SELECT a.pid, a.usename, a.datname FROM pg_stat_activity AS a
WHERE a.usename IS NOT NULL AND a.datname IS NOT NULL AND a.pid <> pg_backend_pid()`

const hbaSQL = `
SELECT h.line_number, h.type, array_to_json(h.database), array_to_json(h.user_name), h.address, h.netmask,
	h.auth_method, h.error
FROM pg_hba_file_rules AS h`

// inspectShared reads the shared catalogues, and gives the names of roles by OID.
func (s *Server) inspectShared(ctx context.Context, want *state.Desired, audit bool) (*state.Live, names, error) {
	conn, err := s.home(ctx, want)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close(ctx)
	who, err := questions(ctx, conn, whoSQL)
	if err != nil {
		return nil, nil, fmt.Errorf("inspect the instance: %w", err)
	}
	if len(who[0]) != 1 {
		return nil, nil, errors.New("inspect the instance: the role that logged in does not exist any more")
	}
	me := who[0][0]
	l := &state.Live{User: me[1], Superuser: yes(me[2]), CreateRole: yes(me[3]), CreateDB: yes(me[4]),
		Recovery: yes(me[5])}
	if l.Version, err = strconv.Atoi(me[0]); err != nil || l.Version < 150000 {
		return l, nil, err
	}
	options := "m.inherit_option, m.set_option"
	if l.Version < 160000 {
		options = "(SELECT r.rolinherit FROM pg_roles AS r WHERE r.oid = m.member), true"
	}
	statements := []string{
		rolesSQL, fmt.Sprintf(membershipsSQL, options), databasesSQL, databaseACLSQL, configsSQL, parametersSQL, sessionsSQL,
	}
	if yes(me[6]) {
		statements = append(statements, hbaSQL)
	} else {
		l.Unread = append(l.Unread, state.Unread{
			What: "pg_hba_file_rules", Why: "the role " + l.User + " may not read the rules of pg_hba.conf",
		})
	}
	answers, err := questions(ctx, conn, statements...)
	if err != nil {
		return nil, nil, fmt.Errorf("inspect the instance: %w", err)
	}
	byOID := make(names, len(answers[0]))
	for _, r := range answers[0] {
		byOID[r[0]] = r[1]
		l.Roles = append(l.Roles, state.Role{
			Name: r[1], Superuser: yes(r[2]), Inherit: yes(r[3]), CreateRole: yes(r[4]), CreateDB: yes(r[5]), Login: yes(r[6]),
			Replication: yes(r[7]), Bypass: yes(r[8]), ConnectionLimit: number(r[9]), ValidUntil: trimTime(r[10]),
			Comment: r[11],
		})
	}
	slices.SortFunc(l.Roles, func(a, b state.Role) int { return strings.Compare(a.Name, b.Name) })
	for _, r := range answers[1] {
		l.Memberships = append(l.Memberships, state.Membership{
			Role: byOID.of(r[0]), Member: byOID.of(r[1]), Grantor: byOID.of(r[2]), Admin: yes(r[3]), Inherit: yes(r[4]),
			Set: yes(r[5]),
		})
	}
	slices.SortFunc(l.Memberships, func(a, b state.Membership) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Member, b.Member), strings.Compare(a.Grantor,
			b.Grantor))
	})
	databases := make(map[string]*state.Database, len(answers[2]))
	dbNames := names{}
	for _, r := range answers[2] {
		dbNames[r[0]] = r[1]
		databases[r[0]] = &state.Database{
			Name: r[1], Owner: byOID.of(r[2]), Template: yes(r[3]), AllowConnections: yes(r[4]), ConnectionLimit: number(r[5]),
			Comment: r[6],
		}
	}
	for _, r := range answers[3] {
		if d := databases[r[0]]; d != nil {
			d.ACL = append(d.ACL, state.ACL{
				Kind: "database", Object: state.Ident(d.Name), Owner: d.Owner,
				Grantee: byOID.of(r[1]), Grantor: byOID.of(r[2]), Privilege: r[3], Grantable: yes(r[4]),
			})
		}
	}
	for _, d := range databases {
		sortACLs(d.ACL)
		l.Databases = append(l.Databases, *d)
	}
	slices.SortFunc(l.Databases, func(a, b state.Database) int { return strings.Compare(a.Name, b.Name) })
	for _, r := range answers[5] {
		l.Parameters = append(l.Parameters, state.ACL{
			Kind: "parameter", Object: r[0], Grantee: byOID.of(r[1]), Grantor: byOID.of(r[2]), Privilege: r[3],
			Grantable: yes(r[4]),
		})
	}
	sortACLs(l.Parameters)
	for _, r := range answers[4] {
		c := state.RoleConfig{Role: byOID.of(r[0]), Database: dbNames.of(r[1]), Name: r[2], Value: r[3],
			Restricted: yes(r[4])}
		if c.Restricted {
			c.Restricted = !slices.ContainsFunc(l.Parameters, func(a state.ACL) bool {
				return a.Object == c.Name && a.Grantee == want.Instance.Role && a.Privilege == "SET"
			})
		}
		l.RoleConfigs = append(l.RoleConfigs, c)
	}
	slices.SortFunc(l.RoleConfigs, func(a, b state.RoleConfig) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Database, b.Database), strings.Compare(a.Name,
			b.Name))
	})
	for _, r := range answers[6] {
		l.Sessions = append(l.Sessions, state.Session{PID: number(r[0]), Role: r[1], Database: r[2]})
	}
	slices.SortFunc(l.Sessions, func(a, b state.Session) int {
		return cmp.Or(strings.Compare(a.Database, b.Database), strings.Compare(a.Role, b.Role), cmp.Compare(a.PID, b.PID))
	})
	if len(answers) > 7 {
		l.HBA = []state.HBARule{}
		for _, r := range answers[7] {
			rule := state.HBARule{Line: number(r[0]), Type: r[1], Address: r[4], Mask: r[5], Method: r[6], Err: r[7]}
			for i, to := range []*[]string{&rule.Databases, &rule.Users} {
				if r[2+i] == "" {
					continue
				}
				if err := json.Unmarshal([]byte(r[2+i]), to); err != nil {
					return nil, nil, fmt.Errorf("read line %d of pg_hba.conf: %w", rule.Line, err)
				}
			}
			l.HBA = append(l.HBA, rule)
		}
	}
	if audit {
		if l.Evidence, err = readEvidence(ctx, conn, l.Superuser, want.Instance.Role, byOID); err != nil {
			return nil, nil, fmt.Errorf("inspect the instance: %w", err)
		}
	}
	return l, byOID, nil
}

func yes(s string) bool { return s == "t" }

// number reads an integer of the server's.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0 // what was asked for has an integer's type, or is NULL
	}
	return n
}

// trimTime leaves out the fraction of a second where there is none.
func trimTime(s string) string {
	if head, ok := strings.CutSuffix(s, ".000000Z"); ok {
		return head + "Z"
	}
	return s
}

func sortACLs(acls []state.ACL) {
	slices.SortFunc(acls, func(a, b state.ACL) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Object, b.Object), strings.Compare(a.Grantee,
			b.Grantee),
			strings.Compare(a.Grantor, b.Grantor), strings.Compare(a.Privilege, b.Privilege))
	})
}

// lacksExtension tells whether the tenant has to be given an extension.
func lacksExtension(l *state.Live, t *state.Tenant) bool {
	var have []state.Extension
	if i, ok := slices.BinarySearchFunc(l.Inside, t.Database, func(in state.Inside, name string) int {
		return strings.Compare(in.Database, name)
	}); ok {
		have = l.Inside[i].Extensions
	}
	return slices.ContainsFunc(t.Extensions, func(name string) bool {
		return !slices.ContainsFunc(have, func(e state.Extension) bool { return e.Name == name })
	})
}

// inspectExtensions reads which extensions the server has files of: slowly, as it opens each.
func (s *Server) inspectExtensions(ctx context.Context, want *state.Desired, l *state.Live) error {
	conn, err := s.home(ctx, want)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	answers, err := questions(ctx, conn, `
SELECT a.name, v.trusted FROM pg_available_extensions() AS a
JOIN pg_available_extension_versions() AS v ON v.name = a.name AND v.version = a.default_version`)
	if err != nil {
		return fmt.Errorf("inspect the server's extensions: %w", err)
	}
	l.Extensions = []state.AvailableExtension{}
	for _, r := range answers[0] {
		l.Extensions = append(l.Extensions, state.AvailableExtension{Name: r[0], Trusted: yes(r[1])})
	}
	slices.SortFunc(l.Extensions, func(a, b state.AvailableExtension) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// look is what came of looking into one database.
type look struct {
	in       state.Inside
	unread   *state.Unread
	evidence state.DatabaseEvidence
	withheld []state.Withheld
	err      error
}

// look reads what is in a tenant's database. A database that lets nobody in is not a failure.
func (s *Server) look(ctx context.Context, t *state.Tenant, byOID names, strict int, audit bool, to *look) error {
	conn, err := s.Open(ctx, t.Database)
	switch code(err) {
	case "42501", // no CONNECT
		"53300", // all connections are taken
		"55000", // closed since
		"3D000", // dropped since
		"57P03": // invalid: half-dropped
		to.unread = &state.Unread{Database: t.Database, What: "the database " + t.Database, Why: serverSays(err)}
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	answers, err := questions(ctx, conn, insideSQL(t)...)
	if err != nil {
		return err
	}
	to.in = readInside(t, byOID, answers)
	if strict > 0 {
		if to.in.Strict, err = inspectStrict(ctx, conn, strict, byOID); err != nil {
			return err
		}
	}
	if audit {
		to.evidence, to.withheld, err = readDatabase(ctx, conn, t.Database, t, byOID)
	}
	return err
}

func serverSays(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// insideSQL gives the questions about a tenant's database.
//
// Objects of an extension are its own. The constructors of a range type are the system's, whoever made it. An array has
// its element's privileges, a multirange its range's, and a table's row type the table's. A sequence of a column
// follows its table's owner.
//
// Most objects of a kind have the same privileges: each list is taken apart once, and named by its text.
func insideSQL(t *state.Tenant) []string {
	schema := strings.TrimLeft(state.Literal(t.Schema), " ")
	extensions := strings.TrimLeft(state.Literal(t.ExtensionSchema), " ")
	return []string{`
SELECT n.nspname, n.nspowner, a.grantee, a.grantor, a.privilege_type, a.is_grantable
FROM pg_namespace AS n
LEFT JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a ON true
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`, `
SELECT e.extname, n.nspname, e.extowner, e.extversion
FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace`, `
SELECT d.defaclrole, n.nspname, d.defaclobjtype, a.grantee, a.grantor, a.privilege_type, a.is_grantable
FROM pg_default_acl AS d
LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace
LEFT JOIN LATERAL aclexplode(d.defaclacl) AS a ON true`, `
WITH o (class, oid, kind, type, name, arguments, owner, acl, linked) AS MATERIALIZED (
	SELECT 1259, c.oid, c.relkind, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relname, '', c.relowner,
		c.relacl, c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 1259 AND d.objid = c.oid
			AND d.refclassid = 1259 AND d.deptype IN ('a', 'i'))
	FROM pg_class AS c
	WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = ` + schema + `)
		AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
	UNION ALL
	SELECT 1255, p.oid, CASE p.prokind WHEN 'p' THEN 'P' WHEN 'a' THEN 'A' ELSE 'F' END::"char", 'f', p.proname,
		'(' || oidvectortypes(p.proargtypes) || ')', p.proowner, p.proacl, false
	FROM pg_proc AS p
	WHERE p.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = ` + schema + `)
	UNION ALL
	SELECT 1247, t.oid, CASE t.typtype WHEN 'd' THEN 'D' ELSE 'T' END::"char", 'T', t.typname, '', t.typowner,
		t.typacl, false
	FROM pg_type AS t
	WHERE t.typnamespace = (SELECT oid FROM pg_namespace WHERE nspname = ` + schema + `)
		AND t.typtype <> 'm' AND NOT (t.typelem <> 0 AND t.typsubscript = 'array_subscript_handler'::regproc)
		AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
), l AS (
	SELECT DISTINCT ON (o.type, o.owner, o.acl::text) o.type, o.owner, o.acl, o.acl::text AS text FROM o
)
SELECT 'o', o.kind::text, o.name::text, o.arguments, o.owner, o.acl::text, o.type::text, o.linked
FROM o
WHERE NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = o.class AND d.objid = o.oid
	AND (d.deptype = 'e' OR d.deptype = 'i' AND o.class = 1255))
UNION ALL
SELECT 'a', l.type::text, a.privilege_type, a.grantee::text, l.owner, l.text, a.grantor::text, a.is_grantable
FROM l CROSS JOIN LATERAL aclexplode(coalesce(l.acl, acldefault(l.type, l.owner))) AS a`, `
SELECT c.relname, a.attname, c.relowner, x.grantee, x.grantor, x.privilege_type, x.is_grantable
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
CROSS JOIN LATERAL aclexplode(a.attacl) AS x
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = ` + schema + `)
	AND a.attacl IS NOT NULL AND NOT a.attisdropped`, `
SELECT p.proname || '(' || oidvectortypes(p.proargtypes) || ')', p.proowner, l.lanname, p.prosrc, p.prosecdef,
	array_to_json(p.proconfig), array_to_json(ARRAY(
		SELECT x.grantee::text FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x
		WHERE x.privilege_type = 'EXECUTE' AND x.grantee <> p.proowner))
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = ` + extensions + `)
	AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 1255 AND d.objid = p.oid AND d.deptype = 'e')`,
	}
}

func readInside(t *state.Tenant, byOID names, answers []rows) state.Inside {
	in := state.Inside{Database: t.Database}
	seen := map[string]bool{}
	for _, r := range answers[0] {
		owner := byOID.of(r[1])
		if !seen[r[0]] {
			seen[r[0]] = true
			in.Schemas = append(in.Schemas, state.Schema{Name: r[0], Owner: owner})
		}
		if r[4] != "" {
			in.ACLs = append(in.ACLs, state.ACL{
				Kind: "schema", Object: state.Ident(r[0]), Owner: owner,
				Grantee: byOID.of(r[2]), Grantor: byOID.of(r[3]), Privilege: r[4], Grantable: yes(r[5]),
			})
		}
	}
	slices.SortFunc(in.Schemas, func(a, b state.Schema) int { return strings.Compare(a.Name, b.Name) })
	for _, r := range answers[1] {
		in.Extensions = append(in.Extensions, state.Extension{Name: r[0], Schema: r[1], Owner: byOID.of(r[2]), Version: r[3]})
	}
	slices.SortFunc(in.Extensions, func(a, b state.Extension) int { return strings.Compare(a.Name, b.Name) })
	readDefaults(&in, byOID, answers[2])
	readObjects(&in, t, byOID, answers[3])
	for _, r := range answers[4] {
		in.ACLs = append(in.ACLs, state.ACL{
			Kind: "column", Object: state.Ident(t.Schema) + "." + state.Ident(r[0]) + "." + state.Ident(r[1]),
			Owner:   byOID.of(r[2]),
			Grantee: byOID.of(r[3]), Grantor: byOID.of(r[4]), Privilege: r[5], Grantable: yes(r[6]),
		})
	}
	for _, r := range answers[5] {
		f := state.Function{Name: r[0], Owner: byOID.of(r[1]), Language: r[2], Source: r[3], Definer: yes(r[4])}
		f.Config = list(r[5])
		for _, oid := range list(r[6]) {
			f.Execute = append(f.Execute, byOID.of(oid))
		}
		slices.Sort(f.Execute)
		in.Functions = append(in.Functions, f)
	}
	slices.SortFunc(in.Functions, func(a, b state.Function) int { return strings.Compare(a.Name, b.Name) })
	sortACLs(in.ACLs)
	return in
}

// list reads a JSON array of strings that the server made.
func list(s string) []string {
	var out []string
	if s != "" && json.Unmarshal([]byte(s), &out) != nil {
		return nil
	}
	return out
}

func readDefaults(in *state.Inside, byOID names, answer rows) {
	at := map[[3]string]int{}
	for _, r := range answer {
		kind := map[string]string{
			"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS", "L": "LARGE OBJECTS",
		}[r[2]]
		key := [3]string{r[0], r[1], kind}
		i, ok := at[key]
		if !ok {
			i = len(in.Defaults)
			at[key] = i
			in.Defaults = append(in.Defaults, state.DefaultACL{Role: byOID.of(r[0]), Schema: r[1], Kind: kind})
		}
		if d := &in.Defaults[i]; r[5] != "" {
			d.ACL = append(d.ACL, state.ACL{
				Kind: "default", Object: kind, Owner: d.Role,
				Grantee: byOID.of(r[3]), Grantor: byOID.of(r[4]), Privilege: r[5], Grantable: yes(r[6]),
			})
		}
	}
	for i := range in.Defaults {
		sortACLs(in.Defaults[i].ACL)
	}
	slices.SortFunc(in.Defaults, func(a, b state.DefaultACL) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Schema, b.Schema), strings.Compare(a.Kind, b.Kind))
	})
}

func readObjects(in *state.Inside, t *state.Tenant, byOID names, answer rows) {
	type key struct{ kind, owner, acl string }
	acls := map[key][]state.ACL{}
	for _, r := range answer {
		if r[0] == "a" {
			k := key{r[1], r[4], r[5]}
			acls[k] = append(acls[k], state.ACL{
				Privilege: r[2], Grantee: byOID.of(r[3]), Owner: byOID.of(r[4]), Grantor: byOID.of(r[6]), Grantable: yes(r[7]),
			})
		}
	}
	aclKind := map[string]string{"r": "table", "s": "sequence", "f": "function", "T": "type"}
	kinds := map[string]string{
		"r": "TABLE", "p": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE", "S": "SEQUENCE",
		"F": "FUNCTION", "P": "PROCEDURE", "A": "AGGREGATE", "D": "DOMAIN", "T": "TYPE",
	}
	for _, r := range answer {
		if r[0] != "o" {
			continue
		}
		o := state.Object{
			Kind: kinds[r[1]], Name: state.Ident(t.Schema) + "." + state.Ident(r[2]) + r[3], Owner: byOID.of(r[4]),
		}
		switch {
		case o.Owner == t.Roles.Owner:
			in.Own = append(in.Own, o)
		case yes(r[7]):
			// Its table is given to the owner, and it goes along.
		default:
			in.Objects = append(in.Objects, o)
		}
		for _, a := range acls[key{r[6], r[4], r[5]}] {
			a.Kind, a.Object = aclKind[r[6]], o.Name
			in.ACLs = append(in.ACLs, a)
		}
	}
	for _, objects := range [][]state.Object{in.Own, in.Objects} {
		slices.SortFunc(objects, func(a, b state.Object) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Kind, b.Kind))
		})
	}
}
