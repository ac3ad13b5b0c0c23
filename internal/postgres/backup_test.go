package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/pgtest"
)

// vault is all it takes to back up and restore.
type vault struct {
	dir        string
	store      archive.Store
	signer     *archive.Signer
	trust      archive.Trust
	recipients *archive.Recipients
	identities *archive.Identities
	dump       string // paths of the client programs
	restore    string
}

// newVault makes keys and an empty store, and finds clients of at least a major version.
func newVault(t testing.TB, major int) *vault {
	t.Helper()
	v := &vault{dir: t.TempDir(), dump: pgtest.Client(t, "pg_dump", major), restore: pgtest.Client(t, "pg_restore", major)}
	var err error
	if v.store, err = archive.Open(v.dir, archive.StoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if v.signer, _, err = archive.NewSigner(); err != nil {
		t.Fatal(err)
	}
	v.trust = archive.Trust{Keys: []archive.PublicKey{v.signer.Public()}}
	v.recipients, v.identities = newKeys(t)
	return v
}

func newKeys(t testing.TB) (*archive.Recipients, *archive.Identities) {
	t.Helper()
	secret, recipient, err := archive.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	recipients, err := archive.ParseRecipients(recipient)
	if err != nil {
		t.Fatal(err)
	}
	identities, err := archive.ParseIdentities(secret)
	if err != nil {
		t.Fatal(err)
	}
	return recipients, identities
}

// backupOptions and restoreOptions are the usual ones. The clients of the test machine may be older than those that are
// safe with archives of strangers.
func (v *vault) backupOptions(p *prepared) BackupOptions {
	return BackupOptions{
		Credentials: p.credentials, Store: v.store, Recipients: v.recipients, Signer: v.signer, PgDump: v.dump, Program: "test",
	}
}

func (v *vault) restoreOptions(p *prepared) RestoreOptions {
	return RestoreOptions{
		Credentials: p.credentials, Store: v.store, Trust: v.trust, Identities: v.identities, PgRestore: v.restore, AllowOldClient: true,
	}
}

// backup makes one, with no more than the login for backups.
func (v *vault) backup(t testing.TB, p *prepared, tenant string) *BackedUp {
	t.Helper()
	o := v.backupOptions(p)
	o.Credentials = Credentials{tenant + "_backup": p.credentials[tenant+"_backup"]}
	done, err := reach(t, p.DSN(tenant+"_backup", "", "db_"+tenant)).Backup(t.Context(), p.want, tenant, o)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// as runs statements as one of a tenant's roles, in one session.
func (p *prepared) as(t testing.TB, database, role string, statements ...string) {
	t.Helper()
	if err := p.tryAs(t, database, role, statements...); err != nil {
		t.Fatal(err)
	}
}

func (p *prepared) tryAs(t testing.TB, database, role string, statements ...string) error {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := reach(t, p.DSN(role, "", database)).Login(ctx, database, role, p.credentials[role])
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// query gives what a query of a role's returns, as text.
func (p *prepared) query(t testing.TB, database, role, sql string) []string {
	t.Helper()
	ctx := t.Context()
	conn, err := reach(t, p.DSN(role, "", database)).Login(ctx, database, role, p.credentials[role])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// furnish fills a tenant's database with one of everything that a tenant can have.
func furnish(t testing.TB, p *prepared, tenant string) {
	t.Helper()
	text, err := os.ReadFile("testdata/restore/furniture.sql")
	if err != nil {
		t.Fatal(err)
	}
	sql := strings.NewReplacer("{owner}", tenant+"_owner", "{app}", tenant+"_app", "{readonly}", tenant+"_readonly",
		"{backup}", tenant+"_backup").Replace(string(text))
	schema, use, ok := strings.Cut(sql, "-- From here on as the application.\n")
	if !ok {
		t.Fatal("furniture.sql does not say where the application begins")
	}
	p.as(t, "db_"+tenant, tenant+"_migrator", strings.Split(schema, "\n\n")...)
	p.as(t, "db_"+tenant, tenant+"_app", use)
}

// house prepares a server with the tenants alpha and beta, alpha furnished.
func house(t testing.TB, major int, options ...pgtest.Option) *prepared {
	t.Helper()
	p := prepare(t, major, estate(), options...)
	p.apply(t)
	furnish(t, p, "alpha")
	p.apply(t)
	p.clean(t)
	return p
}

// databases lists the tenants' databases with their comments.
func (p *prepared) databases(t testing.TB) []string {
	t.Helper()
	return p.Rows(t, "postgres", `SELECT datname, datallowconn, shobj_description(oid, 'pg_database') FROM pg_database
		WHERE datname LIKE 'db%' ORDER BY datname COLLATE "C"`)
}

// TestBackupAndRestore: everything comes back, into a new database beside the old one, made and loaded by nobody but those
// who should, and the estate is as planned afterwards.
func TestBackupAndRestore(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := house(t, major, pgtest.Conf("log_statement = all", "log_min_duration_statement = 0"))
		v := newVault(t, major)
		made := v.backup(t, p, "alpha")
		e := made.Manifest.Evidence
		if len(e.Tables) < 12 || e.Rows() < 100 || len(e.Sequences) < 4 || e.LargeObjects.Count < 4 || len(e.Objects) < 40 ||
			len(e.Policies) != 2 || len(e.Grants) < 20 || len(made.Warnings) > 0 {
			t.Errorf("the evidence is thin: %d tables, %d rows, %d sequences, %d large objects, %d objects, %d policies, %d grants; %q",
				len(e.Tables), e.Rows(), len(e.Sequences), e.LargeObjects.Count, len(e.Objects), len(e.Policies), len(e.Grants), made.Warnings)
		}
		before := p.databases(t)
		old := inventory(t, p, "db_alpha")
		done, err := p.platform(t).Restore(t.Context(), p.want, "alpha", v.restoreOptions(p))
		if err != nil {
			t.Fatal(err)
		}
		if done.Database != "db_alpha-restore" || done.Before != "" || done.Resumed || len(done.Warnings) > 0 ||
			done.Key != v.signer.Public() || done.Manifest.ID != made.Manifest.ID {
			t.Errorf("%+v", done)
		}
		after := p.databases(t)
		if want := append(slices.Clone(before), done.Database+"|t|zave: tenant alpha, spec sha256:alpha, restored from "+done.Manifest.ID); len(after) != len(before)+1 ||
			!slices.Equal(slices.Sorted(slices.Values(after)), slices.Sorted(slices.Values(want))) {
			t.Errorf("databases %q, before %q", after, before)
		}
		if is := inventory(t, p, done.Database); !slices.Equal(old, is) {
			t.Errorf("the restored database differs:\n%s", difference(old, is))
		}
		// It works: the application goes on where it was.
		p.as(t, done.Database, "alpha_app", "INSERT INTO app.orders (customer, amount) VALUES ('z', 1)", "SELECT lo_unlink(oid) FROM app.files")
		p.clean(t)
	})
}

// inventory is what is in a database, read by a superuser in ways that the product does not: rows in order, and the
// catalogues with names for numbers.
func inventory(t testing.TB, p *prepared, database string) []string {
	t.Helper()
	var out []string
	for _, table := range p.Rows(t, database, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'app' AND c.relkind IN ('r', 'm') AND c.relispopulated ORDER BY 1`) {
		for _, row := range p.Rows(t, database, "SELECT to_jsonb(t)::text FROM ONLY "+table+" t ORDER BY 1") {
			out = append(out, table+": "+row)
		}
	}
	for _, q := range []string{
		`SELECT 'class', c.relname, c.relkind, c.relpersistence, pg_get_userbyid(c.relowner), c.relrowsecurity, c.relforcerowsecurity,
			c.reloptions, obj_description(c.oid), c.relispartition, c.relispopulated, pg_get_expr(c.relpartbound, c.oid), c.relreplident
			FROM pg_class c WHERE c.relnamespace = 'app'::regnamespace`,
		`SELECT 'acl', c.relname, a.grantee::regrole, a.privilege_type, a.is_grantable FROM pg_class c, aclexplode(c.relacl) a
			WHERE c.relnamespace = 'app'::regnamespace`,
		`SELECT 'column acl', c.relname, t.attname, a.grantee::regrole, a.privilege_type FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid,
			aclexplode(t.attacl) a WHERE c.relnamespace = 'app'::regnamespace`,
		`SELECT 'function acl', p.proname, a.grantee::regrole, a.privilege_type FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
			WHERE p.pronamespace = 'app'::regnamespace`,
		`SELECT 'type acl', y.typname, a.grantee::regrole, a.privilege_type FROM pg_type y, aclexplode(coalesce(y.typacl, acldefault('T', y.typowner))) a
			WHERE y.typnamespace = 'app'::regnamespace AND y.typtype IN ('e', 'd')`,
		`SELECT 'constraint', conname, conrelid::regclass, contype, convalidated, pg_get_constraintdef(oid) FROM pg_constraint
			WHERE connamespace = 'app'::regnamespace AND contype <> 'n'`,
		`SELECT 'index', indexrelid::regclass, indisvalid, pg_get_indexdef(indexrelid) FROM pg_index
			WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'app'::regnamespace)`,
		`SELECT 'trigger', tgname, tgrelid::regclass, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal`,
		`SELECT 'policy', polname, polrelid::regclass, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid) FROM pg_policy`,
		`SELECT 'function', p.oid::regprocedure, pg_get_userbyid(p.proowner), CASE p.prokind WHEN 'a' THEN '' ELSE pg_get_functiondef(p.oid) END
			FROM pg_proc p WHERE p.pronamespace = 'app'::regnamespace`,
		`SELECT 'view', viewname, viewowner, definition FROM pg_views WHERE schemaname = 'app'`,
		`SELECT 'sequence', schemaname, sequencename, sequenceowner, start_value, increment_by, cycle, last_value FROM pg_sequences`,
		`SELECT 'type', typname, typtype, pg_get_userbyid(typowner) FROM pg_type WHERE typnamespace = 'app'::regnamespace`,
		`SELECT 'label', enumtypid::regtype, enumlabel FROM pg_enum`,
		`SELECT 'default', adrelid::regclass, (SELECT attname FROM pg_attribute WHERE attrelid = adrelid AND attnum = adnum),
			pg_get_expr(adbin, adrelid) FROM pg_attrdef`,
		`SELECT 'large', m.oid, pg_get_userbyid(m.lomowner), md5(lo_get(m.oid)), obj_description(m.oid, 'pg_largeobject') FROM pg_largeobject_metadata m`,
		`SELECT 'large acl', m.oid, a.grantee::regrole, a.privilege_type FROM pg_largeobject_metadata m, aclexplode(m.lomacl) a`,
		`SELECT 'cast', castsource::regtype, casttarget::regtype, castfunc::regprocedure FROM pg_cast WHERE oid >= 16384`,
		`SELECT 'statistics', stxname, stxkind, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext`,
		`SELECT 'extension', extname, extversion, extnamespace::regnamespace FROM pg_extension`,
		`SELECT 'schema', nspname, pg_get_userbyid(nspowner), nspacl FROM pg_namespace WHERE nspname !~ '^pg_'`,
		`SELECT 'setting', setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()`,
		`SELECT 'database', pg_get_userbyid(datdba), datacl, datconnlimit, datallowconn, datistemplate FROM pg_database WHERE datname = current_database()`,
		`SELECT 'default acl', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl FROM pg_default_acl`,
	} {
		rows := p.Rows(t, database, q)
		slices.Sort(rows)
		out = append(out, rows...)
	}
	return out
}

// difference lists what is in one list alone.
func difference(a, b []string) string {
	var out []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, "- "+s)
		}
	}
	for _, s := range b {
		if !slices.Contains(a, s) {
			out = append(out, "+ "+s)
		}
	}
	return strings.Join(out, "\n")
}

// TestBackupRefused: less than a whole backup is none, and nothing is stored then. Each case is righted as its hint says.
func TestBackupRefused(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		v := newVault(t, major)
		owner := []string{"SET ROLE alpha_owner", "CREATE TABLE app.t (k text, n integer)", "INSERT INTO app.t VALUES ('a', 1), ('b', 2)"}
		p.as(t, "db_alpha", "alpha_migrator", owner...)
		try := func(change func(*BackupOptions)) error {
			o := v.backupOptions(p)
			if change != nil {
				change(&o)
			}
			done, err := p.platform(t).Backup(t.Context(), p.want, "alpha", o)
			if err == nil {
				entries, e := Backups(t.Context(), p.want, "alpha", v.store, v.trust)
				if e != nil || len(entries) != 1 || entries[0].ID != done.Manifest.ID {
					t.Errorf("the store has %v: %v", entries, e)
				}
			}
			if e := os.RemoveAll(v.dir + "/alpha"); e != nil {
				t.Fatal(e)
			}
			return err
		}
		as := func(role string, sql ...string) { t.Helper(); p.as(t, "db_alpha", role, sql...) }
		for _, c := range []struct {
			name       string
			break_     func()
			text, hint string
			mend       func()
		}{
			{
				"row-level security without a policy", func() {
					as("alpha_migrator", "SET ROLE alpha_owner", "ALTER TABLE app.t ENABLE ROW LEVEL SECURITY")
				}, `row-level security of "app"."t" keeps rows from the backup: no policy shows all of them to alpha_backup`,
				`CREATE POLICY backup ON "app"."t" FOR SELECT TO "alpha_backup" USING (true)`,
				nil,
			},
			{
				"a policy for some rows", func() {
					as("alpha_migrator", "SET ROLE alpha_owner", `CREATE POLICY few ON app.t FOR SELECT TO alpha_backup USING (k = 'a')`)
				}, "no policy shows all of them", "USING (true)", nil,
			},
			{
				"an open policy for another role", func() {
					as("alpha_migrator", "SET ROLE alpha_owner", `CREATE POLICY app ON app.t TO alpha_app USING (true)`,
						`CREATE POLICY ins ON app.t FOR INSERT TO PUBLIC WITH CHECK (true)`)
				}, "no policy shows all of them", "USING (true)", nil,
			},
			{
				"a restrictive policy", func() {
					as("alpha_migrator", "SET ROLE alpha_owner", `CREATE POLICY backup ON app.t FOR SELECT TO alpha_backup USING (true)`,
						`CREATE POLICY keyed ON app.t AS RESTRICTIVE USING (k = current_setting('app.tenant_key', true))`)
				}, `the restrictive policy keyed of "app"."t" keeps rows from the backup`, `ALTER POLICY "keyed" ON "app"."t" TO "alpha_app"`,
				func() {
					as("alpha_migrator", "SET ROLE alpha_owner", `ALTER POLICY "keyed" ON "app"."t" TO "alpha_app"`)
				},
			},
			{
				"a large object of the application's", func() {
					as("alpha_app", "SELECT lo_from_bytea(77001, 'x'), lo_from_bytea(77002, 'y')",
						"REVOKE SELECT ON LARGE OBJECT 77001, 77002 FROM alpha_backup")
				}, // which it has by default from 18 on
				"alpha_backup may not read the large object 77001, which alpha_app owns, nor 1 others",
				`as alpha_app: GRANT SELECT ON LARGE OBJECT 77001 TO "alpha_backup"`,
				func() { as("alpha_app", `GRANT SELECT ON LARGE OBJECT 77001, 77002 TO "alpha_backup"`) },
			},
			{
				"a table that it may not read", func() { as("alpha_migrator", "SET ROLE alpha_owner", "REVOKE SELECT ON app.t FROM alpha_backup") },
				`alpha_backup may not read the table "app"."t"`, "zave db apply --tenant alpha", func() { p.apply(t) },
			},
			{
				"a sequence that it may not read", func() {
					as("alpha_migrator", "SET ROLE alpha_owner", "CREATE SEQUENCE app.s", "REVOKE SELECT ON SEQUENCE app.s FROM alpha_backup")
				}, `alpha_backup may not read the sequence "app"."s"`, "zave db apply --tenant alpha", func() { p.apply(t) },
			},
			{
				"a table outside of the schema", func() { p.Exec(t, "db_alpha", "CREATE TABLE public.stray (a integer)") },
				`alpha_backup may not read the table "public"."stray"`, `ALTER TABLE "public"."stray" SET SCHEMA "app"`,
				func() { p.Exec(t, "db_alpha", "DROP TABLE public.stray") },
			},
		} {
			if err := try(nil); err != nil && c.mend != nil && c.name != "a restrictive policy" {
				t.Errorf("before %s: %v", c.name, err)
			}
			c.break_()
			says(t, try(nil), c.text, c.hint)
			if c.mend != nil {
				c.mend()
			}
		}
		if err := try(nil); err != nil {
			t.Errorf("at the end: %v", err)
		}
		says(t, try(func(o *BackupOptions) { o.Signer = nil }), "there is no key to sign the backup with", "unsigned")
		says(t, try(func(o *BackupOptions) { o.Recipients = nil }), "nobody is named who could read it", "recipients")
		says(t, try(func(o *BackupOptions) { o.Credentials = nil }), "there is no password of the role alpha_backup", "file backup")
		says(t, try(func(o *BackupOptions) { o.Credentials = Credentials{"alpha_backup": "s3cret"} }), `refused the password of the role "alpha_backup"`, "")
		says(t, try(func(o *BackupOptions) { o.PgDump = "/no/such/pg_dump" }), "there is no pg_dump to run", "client programs")
		says(t, try(func(o *BackupOptions) { o.PgDump = v.restore }), "is not PostgreSQL's pg_dump", "")
		old := program14(t, "pg_dump")
		says(t, try(func(o *BackupOptions) { o.PgDump = old }), "it does not read newer servers", fmt.Sprint(major))
		_, err := p.platform(t).Backup(t.Context(), p.want, "gamma", v.backupOptions(p))
		says(t, err, `no tenant "gamma" has a database`, "")
		if entries, err := os.ReadDir(v.dir); err != nil || len(entries) != 0 {
			t.Errorf("the store has %v: %v", entries, err)
		}
		p.Stop(t)
		says(t, try(nil), "no server listens at 127.0.0.1", "")
	})
}

// program14 makes a program that says that it is of PostgreSQL 14, and can nothing else.
func program14(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho '"+name+" (PostgreSQL) 14.22 (Debian 14.22-1)'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
