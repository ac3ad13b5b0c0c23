package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// witness reads the evidence of what a tenant's database holds, logged in as the tenant's role for backups: reading a
// row may run code of the tenant's, such as a policy of row-level security, which must never have the platform's
// rights.
type witness struct {
	*Conn
	tenant state.Tenant
}

// lockWait is how long a backup waits for somebody who changes a table, all in all, and lockOnce how long at once: less
// than it takes the server to look for a deadlock, so that it is the backup that gives way, and not the migration.
const (
	lockWait = time.Minute
	lockOnce = 800 * time.Millisecond
)

// testify logs in as the tenant's role for backups, with all settings pinned that the text of a value depends on
// (PostgreSQL manual, 20.11, "Client Connection Defaults").
func (s *Server) testify(ctx context.Context, t state.Tenant, database, password string) (*witness, error) {
	config := s.config.Copy()
	config.Database, config.User, config.Password = database, t.Roles.Backup, password
	config.RequireAuth = "!password"
	for name, value := range map[string]string{
		"application_name":                    "zave backup",
		"search_path":                         "pg_catalog, pg_temp",
		"client_min_messages":                 "warning",
		"standard_conforming_strings":         "on",
		"statement_timeout":                   "0",
		"idle_in_transaction_session_timeout": "0",
		"lock_timeout":                        fmt.Sprint(lockOnce.Milliseconds()),
		"row_security":                        "off", // an error where rows would be left out in silence
		"client_encoding":                     "UTF8",
		"DateStyle":                           "ISO, YMD",
		"IntervalStyle":                       "postgres",
		"TimeZone":                            "UTC",
		"extra_float_digits":                  "1",
		"bytea_output":                        "hex",
		"lc_monetary":                         "C",
		"quote_all_identifiers":               "off",
		"jit":                                 "off",
	} {
		config.RuntimeParams[name] = value
	}
	conn, err := s.connectSoon(ctx, config)
	if err != nil {
		return nil, err
	}
	w := &witness{conn, t}
	if w.version() >= 170000 {
		if _, err := w.Exec(ctx, "SET transaction_timeout = 0"); err != nil {
			return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
		}
	}
	return w, nil
}

// connectSoon connects, and waits a little where the role has all its connections: a program that has ended may have
// left a session that is about to end.
func (s *Server) connectSoon(ctx context.Context, config *pgx.ConnConfig) (*Conn, error) {
	const tries = 10
	for try := 1; ; try++ {
		conn, err := s.connect(ctx, config.Copy())
		if code(err) != codeTooManyConnections || try == tries {
			return conn, err
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
}

// version is the server's, as server_version_num has it, from what it said when the session began: "15.18 (Debian
// …)".
func (w *witness) version() int { return serverVersion(w.Conn) }

func serverVersion(c *Conn) int { return parseVersion(c.PgConn().ParameterStatus("server_version")) }

// relation is a table or a sequence.
type relation struct {
	oid          uint32
	schema, name string
	kind         string // relkind
	security     bool   // row-level security is enabled
	bound        bool   // and it holds for the role that looks
	usage, read  bool   // what that role may
}

func (r relation) String() string { return state.Ident(r.schema) + "." + state.Ident(r.name) }

// theirs limits a query over pg_namespace as n to what is the tenant's: not the system's and not the extensions'.
// Schemas whose name begins with pg_ are the system's (CREATE SCHEMA refuses them).
func (w *witness) theirs() string {
	return "NOT starts_with(n.nspname::text, 'pg_') AND n.nspname <> 'information_schema' AND n.nspname <> " +
		strings.TrimSpace(state.Literal(w.tenant.ExtensionSchema))
}

// notMember limits a query to what belongs to no extension.
func notMember(catalog, oid string) string {
	return "NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = '" + catalog + "'::regclass AND x.objid = " + oid +
		" AND x.deptype = 'e')"
}

// notInternal leaves out the constructors of range types, which are the system's and come with the type.
const notInternal = " AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_proc'::regclass " +
	"AND x.objid = p.oid AND x.deptype = 'i')"

// relations lists those of some kinds, sorted by name.
func (w *witness) relations(ctx context.Context, kinds ...string) ([]relation, error) {
	rows, err := w.Query(ctx, `SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relrowsecurity,
			row_security_active(c.oid), has_schema_privilege(n.oid, 'USAGE'),
			CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind::text = ANY ($1) AND c.relpersistence <> 't' AND `+w.theirs()+` AND `+notMember("pg_class", "c.oid")+`
		ORDER BY n.nspname::text COLLATE "C", c.relname::text COLLATE "C"`, kinds)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (relation, error) {
		var r relation
		return r, row.Scan(&r.oid, &r.schema, &r.name, &r.kind, &r.security, &r.bound, &r.usage, &r.read)
	})
}

// snapshotTries is how often a backup begins anew at the least because tables came and went while it locked them.
const snapshotTries = 10

// freeze begins a transaction that sees one snapshot, with all tables locked against change of their form before the
// snapshot is taken: TRUNCATE and rewrites by ALTER TABLE would else show through it (PostgreSQL manual, 13.6,
// "Caveats"). It gives the tables and the snapshot's name for other sessions.
func (w *witness) freeze(ctx context.Context) ([]relation, string, error) {
	began := time.Now()
	for try := 1; ; try++ {
		tables, err := w.relations(ctx, "r", "p")
		if err != nil {
			return nil, "", err
		}
		if err := w.readable(tables); err != nil {
			return nil, "", err
		}
		snapshot, err := w.lockTables(ctx, tables)
		if err == nil {
			// From here on nobody who waits can wait for us: an index that is rebuilt is waited for.
			_, err = w.Exec(ctx, "SET lock_timeout = 0")
			return tables, snapshot, err
		}
		if _, rollback := w.PgConn().Exec(ctx, "ROLLBACK").ReadAll(); rollback != nil {
			return nil, "", errors.Join(err, rollback)
		}
		switch {
		case code(err) == codeLockNotAvailable && time.Since(began) < lockWait:
			if err := pause(ctx, min(try, 20)); err != nil {
				return nil, "", err
			}
		case code(err) == codeLockNotAvailable:
			return nil, "", &Problem{
				Text: "somebody changes a table, and has done so for longer than a backup waits: " + err.Error(),
				Hint: "wait until the migration ends, and run the same again", Err: err,
			}
		case !errors.Is(err, errChanged) && code(err) != codeUndefinedTable:
			return nil, "", err
		case try >= snapshotTries && time.Since(began) >= lockWait:
			return nil, "", &Problem{
				Text: "tables come and go all the time, so that no snapshot of all of them can be taken",
				Hint: "run it when no migration is under way", Err: err,
			}
		}
	}
}

const codeUndefinedTable = "42P01"

// errChanged is that the tables are others than those that were locked.
var errChanged = errors.New("tables have changed meanwhile")

func (w *witness) lockTables(ctx context.Context, tables []relation) (string, error) {
	// One message a statement, and none that is prepared: only the first SELECT takes the snapshot.
	exec := func(sql string) error { _, err := w.PgConn().Exec(ctx, sql).ReadAll(); return err }
	if err := exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return "", err
	}
	for chunk := range slices.Chunk(tables, 100) {
		names := make([]string, len(chunk))
		for i, t := range chunk {
			names[i] = "ONLY " + t.String()
		}
		if err := exec("LOCK TABLE " + strings.Join(names, ", ") + " IN ACCESS SHARE MODE"); err != nil {
			return "", err
		}
	}
	var snapshot string
	if err := w.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&snapshot); err != nil {
		return "", err
	}
	now, err := w.relations(ctx, "r", "p")
	if err != nil {
		return "", err
	}
	if !slices.EqualFunc(tables, now, func(a, b relation) bool { return a.oid == b.oid && a.String() == b.String() }) {
		return "", errChanged
	}
	// The snapshot may be older than a rename that was waited for; what the names mean now is what was locked.
	names, oids := make([]string, len(tables)), make([]uint32, len(tables))
	for i, t := range tables {
		names[i], oids[i] = t.String(), t.oid
	}
	var moved bool
	err = w.QueryRow(ctx, `SELECT EXISTS (SELECT FROM unnest($1::text[], $2::oid[]) AS t (name, oid)
		WHERE to_regclass(t.name)::oid IS DISTINCT FROM t.oid)`, names, oids).Scan(&moved)
	if err == nil && moved {
		err = errChanged
	}
	return snapshot, err
}

// readable refuses where the role may not read all.
func (w *witness) readable(relations []relation) error {
	t := w.tenant
	for _, r := range relations {
		if r.usage && r.read {
			continue
		}
		kind := "table"
		if r.kind == "S" {
			kind = "sequence"
		}
		p := &Problem{
			Text:  fmt.Sprintf("%s may not read the %s %s, and without it a backup is not one", t.Roles.Backup, kind, r),
			Hint:  fmt.Sprintf("run `zave db apply --tenant %s`, which grants it", t.Name),
			Input: true,
		}
		if r.schema != t.Schema {
			p.Hint = fmt.Sprintf("it lies outside of the tenant's schema %s: move it there (ALTER %s %s SET SCHEMA %s), or "+
				"drop it", t.Schema, strings.ToUpper(kind), r, state.Ident(t.Schema))
		}
		return p
	}
	return nil
}

// allRows refuses tables whose row-level security would leave rows out of a dump without a word. What lets all rows
// pass is a permissive policy USING (true) for the role, and no restrictive one. The tables are locked, so that it
// stays so.
func (w *witness) allRows(ctx context.Context, tables []relation) (security bool, err error) {
	var oids []uint32
	for _, t := range tables {
		if t.bound {
			oids = append(oids, t.oid)
		}
	}
	if len(oids) == 0 {
		return false, nil
	}
	rows, err := w.Query(ctx, `SELECT p.polrelid, p.polname::text, p.polpermissive,
			coalesce(pg_get_expr(p.polqual, p.polrelid), 'true')
		FROM pg_policy p WHERE p.polrelid = ANY ($1) AND p.polcmd IN ('r', '*')
			AND EXISTS (SELECT FROM unnest(p.polroles) AS r (oid) WHERE r.oid = 0 OR pg_has_role(r.oid, 'USAGE'))
		ORDER BY p.polname::text COLLATE "C"`, oids)
	if err != nil {
		return false, err
	}
	open, barred := map[uint32]bool{}, map[uint32]string{}
	var table uint32
	var name, using string
	var permissive bool
	_, err = pgx.ForEachRow(rows, []any{&table, &name, &permissive, &using}, func() error {
		if permissive {
			open[table] = open[table] || using == "true"
		} else {
			barred[table] = name
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for _, t := range tables {
		switch backup := state.Ident(w.tenant.Roles.Backup); {
		case !t.bound:
		case barred[t.oid] != "":
			return false, &Problem{
				Text: fmt.Sprintf("the restrictive policy %s of %s keeps rows from the backup", barred[t.oid], t),
				Hint: fmt.Sprintf("a migration has to name the roles that it is for: ALTER POLICY %s ON %s TO %s",
					state.Ident(barred[t.oid]), t, state.Ident(w.tenant.Roles.App)),
				Input: true,
			}
		case !open[t.oid]:
			return false, &Problem{
				Text: fmt.Sprintf("row-level security of %s keeps rows from the backup: no policy shows all of them to %s",
					t, w.tenant.Roles.Backup),
				Hint:  fmt.Sprintf("a migration has to say: CREATE POLICY backup ON %s FOR SELECT TO %s USING (true)", t, backup),
				Input: true,
			}
		}
	}
	// From here on the policies are as they are: no change of one gets past our locks.
	_, err = w.Exec(ctx, "SET row_security = on")
	return true, err
}

// allLarge refuses where there are large objects that the role may not read.
func (w *witness) allLarge(ctx context.Context) error {
	var oid uint32
	var owner string
	var n int
	err := w.QueryRow(ctx, `SELECT count(*) OVER (), m.oid, pg_get_userbyid(m.lomowner)::text
		FROM pg_largeobject_metadata m
		WHERE NOT (pg_has_role(m.lomowner, 'USAGE') OR current_setting('lo_compat_privileges')::boolean OR EXISTS (
			SELECT FROM aclexplode(m.lomacl) a
			WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE'))))
		ORDER BY m.oid LIMIT 1`).Scan(&n, &oid, &owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s may not read the large object %d, which %s owns", w.tenant.Roles.Backup, oid, owner)
	if n > 1 {
		text += fmt.Sprintf(", nor %d others", n-1)
	}
	return &Problem{
		Text: text + ", and without it a backup is not one",
		Hint: fmt.Sprintf("as %s: GRANT SELECT ON LARGE OBJECT %d TO %s; whoever makes large objects has to grant that with "+
			"each of them",
			owner, oid, state.Ident(w.tenant.Roles.Backup)),
		Input: true,
	}
}

// evidence reads what the database holds. Within a transaction of freeze, it is what the snapshot shows, but for
// sequences. each is called before each table; it may be nil.
func (w *witness) evidence(ctx context.Context, tables []relation, each func(table string)) (*archive.Evidence, error) {
	e := &archive.Evidence{
		Tables: []archive.Table{}, Sequences: []archive.Sequence{}, Extensions: []archive.Extension{},
		Objects: []string{}, Policies: []archive.Policy{}, Grants: []archive.Granted{},
	}
	err := w.QueryRow(ctx, `SELECT pg_encoding_to_char(encoding)::text FROM pg_database
		WHERE datname = current_database()`).Scan(&e.Encoding)
	if err != nil {
		return nil, err
	}
	if err := w.sequences(ctx, e, false); err != nil {
		return nil, err
	}
	for _, t := range tables {
		if t.kind == "p" {
			continue // its rows are its partitions'
		}
		if each != nil {
			each(t.String())
		}
		digest, err := w.digest(ctx, t)
		if err != nil {
			return nil, err
		}
		e.Tables = append(e.Tables, digest)
	}
	for _, read := range []func(context.Context, *archive.Evidence) error{
		w.largeObjects, w.extensions, w.objects, w.policies, w.grants,
	} {
		if err := read(ctx, e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// digest reads one table. Each row's text is hashed, and the hashes are added up, so that neither the order of the rows
// counts nor how they are stored. The columns are those that a dump holds, by name: a restored child of an inherited
// table may have them in another order.
//
// What runs are operators and functions of the system's, and the output functions of the columns' types, which only a
// superuser can have made.
func (w *witness) digest(ctx context.Context, t relation) (archive.Table, error) {
	out := archive.Table{Name: t.String(), RLS: t.security}
	rows, err := w.Query(ctx, `SELECT attname::text FROM pg_attribute
		WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
		ORDER BY attname::text COLLATE "C"`, t.oid)
	if err != nil {
		return out, err
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return out, err
	}
	for i, c := range columns {
		columns[i] = "t." + state.Ident(c)
	}
	sql := `SELECT count(*), coalesce(sum(('x' || substr(h, 1, 16))::bit(64)::bigint), 0)::text || '/' ||
			coalesce(sum(('x' || substr(h, 17, 16))::bit(64)::bigint), 0)::text
		FROM (SELECT encode(sha256(convert_to(ROW(` + strings.Join(columns, ", ") + `)::text, 'UTF8')), 'hex') AS h
			FROM ONLY ` + t.String() + ` AS t) AS r`
	err = w.QueryRow(ctx, sql, pgx.QueryExecModeExec).Scan(&out.Rows, &out.Digest)
	return out, err
}

// sequences reads where they stand; again, once the dump has ended.
func (w *witness) sequences(ctx context.Context, e *archive.Evidence, again bool) error {
	all, err := w.relations(ctx, "S")
	if err != nil {
		return err
	}
	if err := w.readable(all); err != nil {
		return err
	}
	known := map[string]*archive.Sequence{}
	if again {
		for i := range e.Sequences {
			known[e.Sequences[i].Name] = &e.Sequences[i]
		}
	}
	for chunk := range slices.Chunk(all, 100) {
		var b strings.Builder
		for i, s := range chunk {
			if i > 0 {
				b.WriteString(" UNION ALL ")
			}
			fmt.Fprintf(&b, "(SELECT %d, v.last_value, v.is_called, q.seqcycle FROM ONLY %s AS v, pg_sequence q "+
				"WHERE q.seqrelid = %d)", i, s, s.oid)
		}
		rows, err := w.Query(ctx, b.String(), pgx.QueryExecModeExec)
		if err != nil {
			return err
		}
		var i int
		var at archive.Position
		var cycle bool
		_, err = pgx.ForEachRow(rows, []any{&i, &at.Last, &at.Called, &cycle}, func() error {
			name := chunk[i].String()
			if s := known[name]; s != nil {
				s.Until = at
			} else if !again {
				e.Sequences = append(e.Sequences, archive.Sequence{Name: name, At: at, Until: at, Cycle: cycle})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(e.Sequences, func(a, b archive.Sequence) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// largePart is how much of a large object is read at once, in bytes.
const largePart = 1 << 20

// largeObjects reads them all, a part at a time and hashed by the server.
func (w *witness) largeObjects(ctx context.Context, e *archive.Evidence) error {
	l := &e.LargeObjects
	all := sha256.New()
	const page = 200
	for last := int64(-1); ; {
		rows, err := w.Query(ctx, `SELECT oid, coalesce(length(part), 0), encode(sha256(part), 'hex')
			FROM (SELECT oid, lo_get(oid, 0, $2::integer) AS part FROM (SELECT oid FROM pg_largeobject_metadata
				WHERE oid::bigint > $1 ORDER BY oid LIMIT $3) AS o) AS p ORDER BY oid`, last, largePart, page)
		if err != nil {
			return err
		}
		type first struct {
			oid  uint32
			size int64
			hash string
		}
		found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (first, error) {
			var f first
			return f, row.Scan(&f.oid, &f.size, &f.hash)
		})
		if err != nil {
			return err
		}
		for _, f := range found {
			last = int64(f.oid)
			l.Count++
			l.Bytes += f.size
			fmt.Fprintf(all, "%d %s", f.oid, f.hash)
			for offset, size := f.size, f.size; size == largePart; offset += size {
				var hash string
				err := w.QueryRow(ctx, `SELECT length(part), encode(sha256(part), 'hex')
					FROM (SELECT lo_get($1, $2, $3::integer) AS part) AS p`, f.oid, offset, largePart).Scan(&size, &hash)
				if err != nil {
					return err
				}
				l.Bytes += size
				fmt.Fprintf(all, " %s", hash)
			}
			fmt.Fprintln(all)
		}
		if len(found) < page {
			break
		}
	}
	l.Digest = hex.EncodeToString(all.Sum(nil))
	rows, err := w.Query(ctx, `SELECT pg_get_userbyid(m.lomowner)::text, a.acl, array_agg(m.oid ORDER BY m.oid)
		FROM pg_largeobject_metadata m, LATERAL (SELECT coalesce(array_agg(x.privilege_type || ' ' ||
				CASE x.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(x.grantee)::text END
				ORDER BY x.privilege_type COLLATE "C", x.grantee), '{}') AS acl
			FROM aclexplode(m.lomacl) x WHERE x.grantee <> m.lomowner) AS a
		GROUP BY 1, 2 ORDER BY min(m.oid)`)
	if err != nil {
		return err
	}
	l.Owned, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (archive.LargeOwned, error) {
		var o archive.LargeOwned
		err := row.Scan(&o.Owner, &o.ACL, &o.OIDs)
		slices.Sort(o.ACL)
		return o, err
	})
	return err
}

func (w *witness) extensions(ctx context.Context, e *archive.Evidence) error {
	rows, err := w.Query(ctx, `SELECT x.extname::text, x.extversion, n.nspname::text
		FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace ORDER BY x.extname::text COLLATE "C"`)
	if err != nil {
		return err
	}
	e.Extensions, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (archive.Extension, error) {
		var x archive.Extension
		return x, row.Scan(&x.Name, &x.Version, &x.Schema)
	})
	return err
}

// objects lists all that a dump has beside rows, by what stays the same from one version of the server to another.
// Constraints that say NOT NULL are columns' before version 18.
func (w *witness) objects(ctx context.Context, e *archive.Evidence) error {
	quote := func(column string) string { return `'"' || replace(` + column + `::text, '"', '""') || '"'` }
	in := quote("n.nspname") + ` || '.' || `
	const valid = ` || CASE WHEN k.convalidated THEN '' ELSE ', not valid' END`
	part := func(kind, name, from, catalog, oid, where string) string {
		return "SELECT " + kind + " || ' ' || " + name + " FROM " + from + " WHERE " + w.theirs() + " AND " +
			notMember(catalog, oid) + where
	}
	sql := strings.Join([]string{
		part(`CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
				WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'composite type'
				WHEN 'f' THEN 'foreign table' ELSE 'index' END`,
			in+quote("c.relname"), "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace", "pg_class", "c.oid",
			" AND c.relkind <> 't' AND c.relpersistence <> 't'"),
		part(`'constraint'`, quote("k.conname")+` || ' of ' || `+in+quote("c.relname")+valid,
			"pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace", "pg_class",
			"c.oid",
			" AND k.conparentid = 0 AND k.contype NOT IN ('n', 't')"),
		part(`'constraint'`, quote("k.conname")+` || ' of ' || `+in+quote("t.typname")+valid,
			"pg_constraint k JOIN pg_type t ON t.oid = k.contypid JOIN pg_namespace n ON n.oid = t.typnamespace", "pg_type",
			"t.oid",
			" AND k.contype NOT IN ('n', 't')"),
		part(`'trigger'`, quote("g.tgname")+` || ' of ' || `+in+quote("c.relname"),
			"pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace", "pg_class",
			"c.oid",
			" AND NOT g.tgisinternal AND g.tgparentid = 0"),
		part(`'rule'`, quote("g.rulename")+` || ' of ' || `+in+quote("c.relname"),
			"pg_rewrite g JOIN pg_class c ON c.oid = g.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace", "pg_class",
			"c.oid",
			" AND g.rulename <> '_RETURN'"),
		part(`CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END`,
			in+quote("p.proname")+` || '(' || pg_get_function_identity_arguments(p.oid) || ')'`,
			"pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace", "pg_proc", "p.oid", notInternal),
		part(`CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'range' END`,
			in+quote("t.typname"), "pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace", "pg_type", "t.oid",
			" AND t.typtype IN ('e', 'd', 'r')"),
		part(`'statistics'`, in+quote("s.stxname"), "pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace",
			"pg_statistic_ext", "s.oid", ""),
		part(`'collation'`, in+quote("c.collname"), "pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace",
			"pg_collation", "c.oid", ""),
		part(`'text search configuration'`, in+quote("c.cfgname"),
			"pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace",
			"pg_ts_config", "c.oid", ""),
		part(`'text search dictionary'`, in+quote("c.dictname"),
			"pg_ts_dict c JOIN pg_namespace n ON n.oid = c.dictnamespace",
			"pg_ts_dict", "c.oid", ""),
		part(`'operator'`, in+`o.oprname::text || ' (' || format_type(nullif(o.oprleft, 0), NULL) || ', ' ||
				format_type(o.oprright, NULL) || ')'`,
			"pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace", "pg_operator", "o.oid", ""),
		`SELECT 'cast from ' || format_type(k.castsource, NULL) || ' to ' || format_type(k.casttarget, NULL) FROM pg_cast k
			WHERE k.oid >= 16384 AND ` + notMember("pg_cast", "k.oid"),
	}, " UNION ALL ")
	rows, err := w.Query(ctx, "SELECT coalesce(o, '') FROM ("+sql+`) AS a (o) ORDER BY o COLLATE "C"`)
	if err != nil {
		return err
	}
	e.Objects, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return err
}

func (w *witness) policies(ctx context.Context, e *archive.Evidence) error {
	rows, err := w.Query(ctx, `SELECT n.nspname::text, c.relname::text, p.polname::text,
			CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
				ELSE 'ALL' END,
			p.polpermissive,
			ARRAY (SELECT pg_get_userbyid(r.oid)::text FROM unnest(p.polroles) AS r (oid) WHERE r.oid <> 0
				ORDER BY pg_get_userbyid(r.oid)::text COLLATE "C"),
			coalesce(pg_get_expr(p.polqual, p.polrelid), ''), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
		FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE `+w.theirs()+`
		ORDER BY n.nspname::text COLLATE "C", c.relname::text COLLATE "C", p.polname::text COLLATE "C"`)
	if err != nil {
		return err
	}
	e.Policies, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (archive.Policy, error) {
		var p archive.Policy
		var schema, table string
		err := row.Scan(&schema, &table, &p.Name, &p.Command, &p.Permissive, &p.Roles, &p.Using, &p.WithCheck)
		p.Table = state.Ident(schema) + "." + state.Ident(table)
		return p, err
	})
	return err
}

// grants lists what others than the owners may do with what there is.
func (w *witness) grants(ctx context.Context, e *archive.Evidence) error {
	quote := func(column string) string { return `'"' || replace(` + column + `::text, '"', '""') || '"'` }
	in := quote("n.nspname") + ` || '.' || `
	part := func(on, column, acl, owner, from, catalog, oid, where string) string {
		return "SELECT " + on + ", " + column +
			", CASE x.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(x.grantee)::text END, " +
			"x.privilege_type || CASE WHEN bool_or(x.is_grantable) THEN '*' ELSE '' END FROM " + from +
			", LATERAL aclexplode(" + acl + ") AS x WHERE x.grantee <> " + owner + " AND " + w.theirs() + " AND " +
			notMember(catalog, oid) +
			where + " GROUP BY 1, 2, 3, x.privilege_type"
	}
	sql := strings.Join([]string{
		part(`CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || `+in+quote("c.relname"), "''",
			"coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", c.relowner))", "c.relowner",
			"pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace", "pg_class", "c.oid",
			" AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'"),
		part(`'TABLE ' || `+in+quote("c.relname"), quote("a.attname"), "a.attacl", "c.relowner",
			"pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace", "pg_class",
			"c.oid",
			" AND NOT a.attisdropped"),
		part(`'ROUTINE ' || `+in+quote("p.proname")+` || '(' || oidvectortypes(p.proargtypes) || ')'`, "''",
			"coalesce(p.proacl, acldefault('f', p.proowner))", "p.proowner",
			"pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace", "pg_proc", "p.oid", notInternal),
		part(`'TYPE ' || `+in+quote("t.typname"), "''", "coalesce(t.typacl, acldefault('T', t.typowner))", "t.typowner",
			"pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid", "pg_type",
			"t.oid",
			" AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')"),
	}, " UNION ALL ")
	rows, err := w.Query(ctx, "SELECT o, c, r, array_agg(p ORDER BY p COLLATE \"C\") FROM ("+sql+`) AS a (o, c, r, p)
		GROUP BY o, c, r ORDER BY o COLLATE "C", c COLLATE "C", r COLLATE "C"`)
	if err != nil {
		return err
	}
	e.Grants, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (archive.Granted, error) {
		var g archive.Granted
		return g, row.Scan(&g.On, &g.Column, &g.To, &g.Privileges)
	})
	return err
}
