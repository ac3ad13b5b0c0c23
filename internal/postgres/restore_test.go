package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/pgtest"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// stock gives a tenant one table with rows, quickly.
func stock(t testing.TB, p *prepared, tenant string) {
	t.Helper()
	p.as(t, "db_"+tenant, tenant+"_migrator", "SET ROLE "+tenant+"_owner",
		"CREATE TABLE app.goods (id serial PRIMARY KEY, name text NOT NULL)",
		"INSERT INTO app.goods (name) SELECT 'good ' || g FROM generate_series(1, 10) g")
}

// goods is how many rows that table has; -1: there is no such database.
func goods(t testing.TB, p *prepared, database string) string {
	t.Helper()
	return p.Rows(t, database, "SELECT count(*) FROM app.goods")[0]
}

// everything is what a server holds as far as a restore could change it: roles, databases, members, settings, and which
// objects are in each of the tenants' databases, with their files.
func everything(t testing.TB, p *prepared) []string {
	t.Helper()
	out := p.Rows(t, "postgres", `
		SELECT 'database ' || ROW(oid, datname, datdba, datacl, datallowconn, datconnlimit, shobj_description(oid, 'pg_database'))::text FROM pg_database
		UNION ALL
		SELECT 'role ' || ROW(oid, rolname, rolcanlogin, rolconnlimit, md5(rolpassword), rolvaliduntil, shobj_description(oid, 'pg_authid'))::text
		FROM pg_authid
		UNION ALL
		SELECT 'member ' || ROW(roleid, member, grantor, admin_option)::text FROM pg_auth_members
		UNION ALL
		SELECT 'setting ' || ROW(setdatabase, setrole, setconfig)::text FROM pg_db_role_setting
		ORDER BY 1`)
	for _, tenant := range p.want.Tenants {
		out = append(out, p.Rows(t, tenant.Database, `
			SELECT current_database() || ' ' || ROW(oid, relname, relfilenode, relowner, relacl)::text FROM pg_class WHERE oid >= 16384
			UNION ALL
			SELECT current_database() || ' ' || ROW(xmin, nspname, nspacl)::text FROM pg_namespace
			ORDER BY 1`)...)
	}
	return out
}

// TestRestoreRefused: an archive that must not be restored, and options that make no sense, are refused with a sentence,
// and the server is as it was.
func TestRestoreRefused(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		stock(t, p, "alpha")
		stock(t, p, "beta")
		p.as(t, "db_beta", "beta_app", "SELECT lo_from_bytea(77001, 'x')", "GRANT SELECT ON LARGE OBJECT 77001 TO beta_backup")
		v := newVault(t, major)
		good := v.backup(t, p, "alpha").Manifest
		others := v.backup(t, p, "beta").Manifest
		place := func(id, suffix string) string { return filepath.Join(v.dir, "alpha", "db_alpha", id+suffix) }
		edit := func(path string, f func([]byte) []byte) {
			t.Helper()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// resign stores a manifest that says something else, signed as it should be.
		resign := func(change func(*archive.Manifest)) {
			t.Helper()
			m := *good
			change(&m)
			text, err := m.Encode(v.signer)
			if err != nil {
				t.Fatal(err)
			}
			payload, err := os.ReadFile(place(good.ID, ".dump.age"))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Remove(place(good.ID, ".json")), os.Remove(place(good.ID, ".dump.age")),
				os.WriteFile(place(m.ID, ".dump.age"), payload, 0o600), os.WriteFile(place(m.ID, ".json"), text, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		// forge stores an archive of anybody's making, signed as it should be.
		forge := func(content string) {
			t.Helper()
			m := *good
			m.ID = archive.NewID(good.Taken)
			w := &archive.Writer{Store: v.store, Recipients: v.recipients, Signer: v.signer}
			if err := w.Write(t.Context(), &m, dumpOf(content)); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(place(good.ID, ".json")); err != nil {
				t.Fatal(err)
			}
		}
		future := good.Taken.Add(time.Hour)
		_, strangers := newKeys(t)
		stranger, _, err := archive.NewSigner()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name       string
			break_     func()
			change     func(*RestoreOptions)
			text, hint string
		}{
			{"truncated", func() { edit(place(good.ID, ".dump.age"), func(b []byte) []byte { return b[:len(b)/2] }) }, nil,
				"bytes, and had", "cut short"},
			{"a changed byte", func() { edit(place(good.ID, ".dump.age"), func(b []byte) []byte { b[len(b)-9] ^= 4; return b }) }, nil,
				"its digest is not the one in the manifest", "tampered"},
			{"a changed manifest", func() {
				edit(place(good.ID, ".json"), func(b []byte) []byte { return bytes.Replace(b, []byte(`"rows": 10`), []byte(`"rows": 11`), 1) })
			}, nil, "its signature does not hold", "tampered"},
			{"no signature", func() {
				edit(place(good.ID, ".json"), func(b []byte) []byte {
					return append(b[:bytes.LastIndex(b, []byte(",\n  \"signature\""))], "\n}\n"...)
				})
			}, nil, "it is not signed", "planted"},
			{"somebody else's signature", nil, func(o *RestoreOptions) { o.Trust.Keys = []archive.PublicKey{stranger.Public()} },
				"which is not trusted", "planted"},
			{"no key", nil, func(o *RestoreOptions) { o.Trust = archive.Trust{} }, "no key was given", "public key"},
			{"the wrong identity", nil, func(o *RestoreOptions) { o.Identities = strangers }, "none of the identities opens it", "age1"},
			{"no identity", nil, func(o *RestoreOptions) { o.Identities = nil }, "there is no identity", ""},
			{"another tenant's archive", func() {
				for _, suffix := range []string{".json", ".dump.age"} {
					if err := os.Rename(filepath.Join(v.dir, "beta", "db_beta", others.ID+suffix), place(others.ID, suffix)); err != nil {
						t.Fatal(err)
					}
				}
			}, func(o *RestoreOptions) { o.At = others.ID }, "it is of tenant beta, database db_beta", "somebody put it"},
			{"another cluster's", func() { resign(func(m *archive.Manifest) { m.Cluster = "prod" }) },
				func(o *RestoreOptions) { o.At = good.ID }, "it was made in cluster prod", "cluster test"},
			{"another database's", func() { resign(func(m *archive.Manifest) { m.Database = "db_other" }) }, nil, "database db_other", ""},
			{"from the future", func() { resign(func(m *archive.Manifest) { m.ID, m.Taken = archive.NewID(future), future }) }, nil,
				"from now by the server's clock", "a clock"},
			{"an unknown format", func() { resign(func(m *archive.Manifest) { m.Format = 7 }) }, nil, "format 7", "newer"},
			{"of a newer server", func() { resign(func(m *archive.Manifest) { m.Server = (major + 1) * 10000 }) }, nil,
				fmt.Sprintf("it was taken from PostgreSQL %d, and the server is PostgreSQL %d", major+1, major), "newer one"},
			{"of another schema", func() { resign(func(m *archive.Manifest) { m.Schema = "other" }) }, nil, "schema is other in it", ""},
			{"with an extension off the list", func() {
				resign(func(m *archive.Manifest) {
					m.Evidence.Extensions = append(slices.Clone(m.Evidence.Extensions), archive.Extension{Name: "citext"})
				})
			}, nil, "not on the tenant's list: citext", "list"},
			{"no dump at all", func() { forge("this is no archive of pg_dump's") }, nil, "it is no archive that pg_restore reads", good.Client},
			{"half a dump", func() { forge("PGDMP\x01\x0e\x00\x04\x08") }, nil, "it is no archive that pg_restore reads", good.Client},
			{"no such archive", nil, func(o *RestoreOptions) { o.At = "2020" }, "there is no backup 2020", ""},
			{"no archive", func() {
				if err := os.RemoveAll(filepath.Join(v.dir, "alpha")); err != nil {
					t.Fatal(err)
				}
			}, nil, "there is no backup", "prefix"},
			{"no migrator", nil, func(o *RestoreOptions) { o.Credentials = Credentials{"alpha_backup": "x"} },
				"there is no password of the role alpha_migrator", "file migrator"},
			{"no place to put it", nil, func(o *RestoreOptions) { o.Temporary = "/no/such/place" }, "there is no place for the encrypted backup", "TMPDIR"},
			{"an old pg_restore", nil, func(o *RestoreOptions) { o.PgRestore, o.AllowOldClient = program14(t, "pg_restore"), false },
				"runs what a crafted archive tells it to", "18.7"},
			{"one older than the server", nil, func(o *RestoreOptions) { o.PgRestore = program14(t, "pg_restore") },
				fmt.Sprintf("pg_restore is of version 14.22, and the server of %d", major), "or newer"},
		} {
			t.Run(c.name, func(t *testing.T) {
				kept := filepath.Join(t.TempDir(), "kept")
				if err := os.CopyFS(kept, os.DirFS(v.dir)); err != nil {
					t.Fatal(err)
				}
				defer func() {
					err := errors.Join(os.RemoveAll(filepath.Join(v.dir, "alpha")), os.RemoveAll(filepath.Join(v.dir, "beta")), os.CopyFS(v.dir, os.DirFS(kept)))
					if err != nil {
						t.Fatal(err)
					}
				}()
				if c.break_ != nil {
					c.break_()
				}
				before := everything(t, p)
				o := v.restoreOptions(p)
				o.Replace = true
				if c.change != nil {
					c.change(&o)
				}
				_, err := p.platform(t).Restore(t.Context(), p.want, "alpha", o)
				says(t, err, c.text, c.hint)
				if after := everything(t, p); !slices.Equal(before, after) {
					t.Errorf("the server has changed:\n%s", difference(before, after))
				}
			})
		}
		// What is missing for one tenant alone.
		o := v.restoreOptions(p)
		o.Credentials = Credentials{"beta_migrator": p.credentials["beta_migrator"], "beta_backup": p.credentials["beta_backup"]}
		_, err = p.platform(t).Restore(t.Context(), p.want, "beta", o)
		says(t, err, "there is no password of the role beta_app, and large objects of the backup are its own", "in full")
		// And all of it is good after all.
		if _, err := p.platform(t).Restore(t.Context(), p.want, "alpha", v.restoreOptions(p)); err != nil {
			t.Error(err)
		}
	})
}

func dumpOf(content string) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	}
}

// TestRestoreSees: a database that is not what the manifest says is named so, difference by difference, and removed; the
// tenant's own is not touched.
func TestRestoreSees(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		stock(t, p, "alpha")
		v := newVault(t, major)
		good := v.backup(t, p, "alpha").Manifest
		before := everything(t, p)
		for _, c := range []struct {
			change func(*archive.Evidence)
			text   string
		}{
			{func(e *archive.Evidence) { e.Tables[0].Rows++ }, `table "app"."goods" has 10 rows, and had 11`},
			{func(e *archive.Evidence) { e.Tables[0].Digest = "1/2" }, "their digest is not"},
			{func(e *archive.Evidence) {
				e.Sequences[0].At.Last, e.Sequences[0].Until.Last = 1000, 1000
				e.Objects = append(e.Objects, `index "app"."gone"`)
			}, `sequence "app"."goods_id_seq" stands at 10, and stood at 1000; index "app"."gone" is missing`},
		} {
			m := *good
			m.Evidence.Tables, m.Evidence.Sequences = slices.Clone(m.Evidence.Tables), slices.Clone(m.Evidence.Sequences)
			m.Evidence.Objects = slices.Clone(m.Evidence.Objects)
			c.change(&m.Evidence)
			text, err := m.Encode(v.signer)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(v.dir, "alpha", "db_alpha", m.ID+".json")
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			o := v.restoreOptions(p)
			o.Replace = true
			_, err = p.platform(t).Restore(t.Context(), p.want, "alpha", o)
			says(t, err, c.text, "")
			if after := everything(t, p); !slices.Equal(before, after) {
				t.Errorf("%s: the server has changed:\n%s", c.text, difference(before, after))
			}
		}
	})
}

// TestRestoreAsTenant: what an archive has run is run as the tenant's migrator, acting as the owner, and never as the
// platform or a superuser, whoever restores.
func TestRestoreAsTenant(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		p.as(t, "db_alpha", "alpha_migrator", "SET ROLE alpha_owner",
			`CREATE FUNCTION app.witness(integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
				IF current_user <> 'alpha_owner' OR session_user <> 'alpha_migrator' THEN
					RAISE EXCEPTION 'I am run by %, logged in as %', current_user, session_user;
				END IF;
				RETURN true;
			END $$`,
			"CREATE TABLE app.t (n integer CHECK (app.witness(n)))", "INSERT INTO app.t VALUES (1)",
			"CREATE MATERIALIZED VIEW app.m AS SELECT app.witness(n) FROM app.t")
		v := newVault(t, major)
		v.backup(t, p, "alpha")
		o := v.restoreOptions(p)
		o.Replace = true
		for who, s := range map[string]*Server{"the platform's role": p.platform(t), "a superuser": p.superuser(t)} {
			if done, err := s.Restore(t.Context(), p.want, "alpha", o); err != nil || done.Resumed {
				t.Errorf("by %s: %+v %v", who, done, err)
			}
		}
		// One that only works with somebody else's search_path, which is the commonest way not to be restorable.
		p.as(t, "db_alpha", "alpha_migrator", "SET ROLE alpha_owner", "SET search_path = app", "DROP TABLE app.t CASCADE", "CREATE TABLE app.rates (r integer)",
			"CREATE FUNCTION app.known(integer) RETURNS boolean LANGUAGE sql AS 'SELECT NOT EXISTS (SELECT FROM rates WHERE r = -$1)'",
			"CREATE TABLE app.t (n integer CHECK (known(n)))", "INSERT INTO app.t VALUES (1)")
		v.backup(t, p, "alpha")
		before := everything(t, p)
		_, err := p.platform(t).Restore(t.Context(), p.want, "alpha", v.restoreOptions(p))
		says(t, err, `relation "rates" does not exist`, "ALTER FUNCTION … SET search_path")
		if after := everything(t, p); !slices.Equal(before, after) {
			t.Errorf("the server has changed:\n%s", difference(before, after))
		}
	})
}

// TestRestoreAcross: dumps of one version go into every newer one, with the clients of the newest, as in zave's image, and
// into its own with those.
func TestRestoreAcross(t *testing.T) {
	majors := pgtest.Majors()
	for _, from := range majors {
		source := house(t, from)
		v := newVault(t, 18)
		made := v.backup(t, source, "alpha").Manifest
		for _, to := range majors {
			if to < from {
				continue
			}
			t.Run(fmt.Sprintf("%d to %d", from, to), func(t *testing.T) {
				p := prepare(t, to, estate())
				p.apply(t)
				o := v.restoreOptions(p)
				o.Replace = true
				done, err := p.platform(t).Restore(t.Context(), p.want, "alpha", o)
				if err != nil {
					t.Fatal(err)
				}
				if done.Database != "db_alpha" || len(done.Warnings) > 0 {
					t.Errorf("%+v", done)
				}
				p.clean(t)
				orders := p.query(t, "db_alpha", "alpha_app", "SELECT count(*) || ' ' || sum(amount) FROM app.orders")
				if want := source.query(t, "db_alpha", "alpha_app", "SELECT count(*) || ' ' || sum(amount) FROM app.orders"); !slices.Equal(orders, want) {
					t.Errorf("orders %v, want %v", orders, want)
				}
				if made.Server/10000 != from {
					t.Errorf("the manifest says that the server is %d", made.Server)
				}
			})
		}
	}
}

// TestRestoreElsewhere: an archive of an estate whose roles, database and cluster have other names is restored with the
// names of this one.
func TestRestoreElsewhere(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		source := house(t, major)
		v := newVault(t, major)
		v.backup(t, source, "alpha")
		want := estate()
		want.Cluster = "other"
		a := &want.Tenants[0]
		a.Database = "alpha here"
		a.Roles = state.Roles{
			Owner: `o"wner`, Migrator: "mi grator", App: "a'pp", AppA: "app-a", AppB: "app-b", ReadOnly: "READ", Backup: "back.up",
		}
		// A name of the archive's, of another tenant's role here: nobody may come to what is alpha's by it.
		want.Tenants[1].Roles.App = "alpha_app"
		p := prepare(t, major, want)
		p.apply(t)
		o := v.restoreOptions(p)
		_, err := p.platform(t).Restore(t.Context(), p.want, "alpha", o)
		says(t, err, "there is no backup", "")
		o.From = Source{Database: "db_alpha", Cluster: "test"}
		o.Replace = true
		done, err := p.platform(t).Restore(t.Context(), p.want, "alpha", o)
		if err != nil {
			t.Fatal(err)
		}
		p.clean(t)
		if done.Database != "alpha here" || len(done.Warnings) > 0 {
			t.Errorf("%+v", done)
		}
		// What was the archive's alpha_app's is a'pp's now, and nothing is this alpha_app's.
		replace := strings.NewReplacer("alpha_owner", `o"wner`, "alpha_migrator", "mi grator", "alpha_app_a", "app-a", "alpha_app", "a'pp",
			"alpha_readonly", "READ", "alpha_backup", "back.up", "db_alpha", "alpha here")
		var was []string
		for _, line := range inventory(t, source, "db_alpha") {
			was = append(was, replace.Replace(line))
		}
		var is []string
		for _, line := range inventory(t, p, "alpha here") {
			is = append(is, strings.NewReplacer(`"o""wner"`, `o"wner`, `"mi grator"`, "mi grator", `"a'pp"`, "a'pp", `"app-a"`, "app-a",
				`"READ"`, "READ", `"back.up"`, "back.up").Replace(line))
		}
		// Arrays of names and of privileges are sorted by names, and quoted otherwise.
		other := func(line string) bool {
			for _, kind := range []string{"default acl|", "schema|", "database|", "setting|", "policy|"} {
				if strings.HasPrefix(line, kind) {
					return true
				}
			}
			return false
		}
		was, is = slices.DeleteFunc(was, other), slices.DeleteFunc(is, other)
		slices.Sort(was)
		slices.Sort(is)
		if !slices.Equal(was, is) {
			t.Errorf("the restored database differs:\n%s", difference(was, is))
		}
		got := p.Rows(t, "alpha here", "SELECT polname, polroles::regrole[] FROM pg_policy ORDER BY 1")
		if want := []string{"backup|{back.up}", "mine|{a'pp}"}; !slices.Equal(got, want) && !slices.Equal(got, []string{`backup|{"\"back.up\""}`, `mine|{"\"a'pp\""}`}) {
			t.Errorf("policies %q", got)
		}
		p.as(t, "alpha here", "a'pp", "SET app.tenant_key = 'b'", "UPDATE app.accounts SET balance = 3", "SELECT lo_put(91004, 0, 'x')")
		if err := p.tryAs(t, "alpha here", "alpha_app", "SELECT 1"); code(err) != codePrivilege {
			t.Errorf("beta's application comes in: %v", err)
		}
	})
}

// TestRestoreBeside: while one is restored, the tenant works on, and what others do to the estate does not disturb it.
func TestRestoreBeside(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		stock(t, p, "alpha")
		v := newVault(t, major)
		v.backup(t, p, "alpha")
		ctx := t.Context()
		app, err := reach(t, p.DSN("alpha_app", "", "db_alpha")).Login(ctx, "db_alpha", "alpha_app", p.credentials["alpha_app"])
		if err != nil {
			t.Fatal(err)
		}
		defer app.Close(ctx)
		o := v.restoreOptions(p)
		applied := 0
		o.Progress = func(doing string) {
			if !strings.HasPrefix(doing, "loading") && !strings.HasPrefix(doing, "granting") {
				return
			}
			if _, err := p.platform(t).Apply(ctx, p.want, ApplyOptions{Credentials: p.credentials}); err != nil {
				t.Errorf("an apply beside: %v", err)
			}
			applied++
		}
		done, err := p.platform(t).Restore(ctx, p.want, "alpha", o)
		if err != nil || applied != 2 {
			t.Fatalf("%d applies, %v", applied, err)
		}
		if _, err := app.Exec(ctx, "INSERT INTO app.goods (name) VALUES ('one more')"); err != nil {
			t.Errorf("the application's session: %v", err)
		}
		// The other way round: a session in the restored database outlives an apply.
		looks, err := reach(t, p.DSN("alpha_app", "", done.Database)).Login(ctx, done.Database, "alpha_app", p.credentials["alpha_app"])
		if err != nil {
			t.Fatal(err)
		}
		defer looks.Close(ctx)
		p.apply(t)
		if _, err := looks.Exec(ctx, "SELECT 1"); err != nil {
			t.Errorf("a session in the restored database: %v", err)
		}
		if a, b := goods(t, p, "db_alpha"), goods(t, p, done.Database); a != "11" || b != "10" {
			t.Errorf("rows: %s and %s", a, b)
		}
	})
}

// TestReplace: the restored database takes the place of the tenant's, which is kept, closed, until it may be dropped.
func TestReplace(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		for _, who := range []string{"the platform's role", "a superuser"} {
			p := prepare(t, major, estate())
			p.apply(t)
			s := p.platform(t)
			if who == "a superuser" {
				s = p.superuser(t)
			}
			stock(t, p, "alpha")
			v := newVault(t, major)
			m := v.backup(t, p, "alpha").Manifest
			p.as(t, "db_alpha", "alpha_app", "DELETE FROM app.goods WHERE id > 3")
			ctx := t.Context()
			var sessions []*Conn
			for _, role := range []string{"alpha_app", "alpha_readonly", "alpha_migrator", "alpha_backup"} {
				c, err := reach(t, p.DSN(role, "", "db_alpha")).Login(ctx, "db_alpha", role, p.credentials[role])
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close(ctx)
				sessions = append(sessions, c)
			}
			o := v.restoreOptions(p)
			o.Replace = true
			done, err := s.Restore(ctx, p.want, "alpha", o)
			if err != nil {
				t.Fatalf("%s: %v", who, err)
			}
			for _, c := range sessions {
				if _, err := c.Exec(ctx, "SELECT 1"); err == nil {
					t.Errorf("%s: a session in the old database goes on", who)
				}
			}
			if !strings.HasPrefix(done.Before, "db_alpha_before_") || done.Database != "db_alpha" || done.Dropped {
				t.Errorf("%s: %+v", who, done)
			}
			want := []string{
				"db_alpha|t|zave: tenant alpha, spec sha256:alpha",
				done.Before + "|f|zave: tenant alpha, spec sha256:alpha, from before the restore of " + m.ID,
				"db_beta|t|zave: tenant beta, spec sha256:beta",
			}
			if got := p.databases(t); !slices.Equal(got, want) {
				t.Errorf("%s: databases %q, want %q", who, got, want)
			}
			if got := goods(t, p, "db_alpha"); got != "10" {
				t.Errorf("%s: %s rows", who, got)
			}
			p.clean(t)
			// What was before is there to be opened by a person; and a second restore may drop what it replaces.
			p.Exec(t, "postgres", `ALTER DATABASE "`+done.Before+`" ALLOW_CONNECTIONS true`)
			if got := goods(t, p, done.Before); got != "3" {
				t.Errorf("%s: before, %s rows", who, got)
			}
			o.AllowDrop = []string{"db_alpha"}
			again, err := s.Restore(ctx, p.want, "alpha", o)
			if err != nil || !again.Dropped || again.Resumed {
				t.Fatalf("%s: %+v, %v", who, again, err)
			}
			if got := p.databases(t); len(got) != 3 || !strings.HasPrefix(got[1], done.Before) {
				t.Errorf("%s: databases %q", who, got)
			}
			// And one that is gone comes back.
			p.Exec(t, "postgres", "DROP DATABASE db_alpha WITH (FORCE)")
			back, err := s.Restore(ctx, p.want, "alpha", o)
			if err != nil || back.Before != "" || back.Database != "db_alpha" || goods(t, p, "db_alpha") != "10" {
				t.Fatalf("%s: %+v, %v", who, back, err)
			}
			p.clean(t)
		}
	})
}

// TestReplaceLater: what was restored to look at is put in its place by a second run, without being loaded again; unless it
// has been used, and is no longer what was backed up.
func TestReplaceLater(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		stock(t, p, "alpha")
		v := newVault(t, major)
		v.backup(t, p, "alpha")
		s, ctx := p.platform(t), t.Context()
		first, err := s.Restore(ctx, p.want, "alpha", v.restoreOptions(p))
		if err != nil {
			t.Fatal(err)
		}
		oid := p.Rows(t, "postgres", "SELECT oid FROM pg_database WHERE datname = '"+first.Database+"'")
		o := v.restoreOptions(p)
		o.Replace = true
		done, err := s.Restore(ctx, p.want, "alpha", o)
		if err != nil || !done.Resumed {
			t.Fatalf("%+v, %v", done, err)
		}
		if now := p.Rows(t, "postgres", "SELECT oid FROM pg_database WHERE datname = 'db_alpha'"); !slices.Equal(oid, now) {
			t.Errorf("the database is %v, not %v", now, oid)
		}
		p.clean(t)
		used, err := s.Restore(ctx, p.want, "alpha", v.restoreOptions(p))
		if err != nil {
			t.Fatal(err)
		}
		p.as(t, used.Database, "alpha_app", "DELETE FROM app.goods WHERE id = 5")
		in := func(text string) {
			t.Helper()
			before := everything(t, p)
			_, err = s.Restore(ctx, p.want, "alpha", o)
			says(t, err, "there is a database db_alpha-restore already: it was restored from ", "--allow-drop db_alpha-restore")
			says(t, err, text, "")
			if after := everything(t, p); !slices.Equal(before, after) {
				t.Errorf("the server has changed:\n%s", difference(before, after))
			}
		}
		in(`the same backup, and is no longer as it was: the restored database db_alpha-restore is not what was backed up: table`)
		if goods(t, p, used.Database) != "9" {
			t.Error("the one that was used is not as it was")
		}
		second := v.backup(t, p, "alpha").Manifest.ID
		in(used.Manifest.ID)
		// The names of others do not help; its own does, for a newer backup as for the same.
		o.AllowDrop = []string{"db_alpha-test"}
		in(used.Manifest.ID)
		o.AllowDrop, o.At, o.Replace = []string{"db_alpha-restore"}, used.Manifest.ID, false
		done, err = s.Restore(ctx, p.want, "alpha", o)
		if err != nil || done.Resumed || goods(t, p, "db_alpha-restore") != "10" {
			t.Errorf("%+v, %v", done, err)
		}
		o.At, o.Replace = "", true
		done, err = s.Restore(ctx, p.want, "alpha", o)
		if err != nil || done.Resumed || done.Manifest.ID != second || done.Database != "db_alpha" || goods(t, p, "db_alpha") != "10" {
			t.Errorf("%+v, %v", done, err)
		}
		p.clean(t)
		// What was kept although it could not be restored is not dropped by the next run either.
		o.AllowDrop, o.Replace, o.Keep = nil, false, true
		kept, cancel := context.WithCancel(ctx)
		o.Progress = func(doing string) {
			if strings.HasPrefix(doing, "granting ") {
				cancel()
			}
		}
		if _, err := s.Restore(kept, p.want, "alpha", o); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		o.Progress = nil
		_, err = s.Restore(ctx, p.want, "alpha", o)
		says(t, err, "db_alpha-restore already: an earlier run could not restore it, and was to keep it", "--allow-drop db_alpha-restore")
		// But half of one, that a killed run has left, is.
		p.Exec(t, "postgres", `COMMENT ON DATABASE "db_alpha-restore" IS 'zave: tenant alpha, spec sha256:alpha, being restored'`)
		if _, err := s.Restore(ctx, p.want, "alpha", o); err != nil {
			t.Error(err)
		}
	})
}

// TestReplaceCut cuts the connections of a run that replaces, at each of its last messages: the tenant has its database at
// any time, the old one or the restored one, and another run ends it.
func TestReplaceCut(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"))
		p.apply(t)
		stock(t, p, "alpha")
		v := newVault(t, major)
		v.backup(t, p, "alpha")
		ctx := t.Context()
		proxy := pgtest.NewProxy(t, p.Server)
		through := reach(t, proxy.DSN(p.want.Instance.Role, p.credentials[p.want.Instance.Role], "zave"))
		o := v.restoreOptions(p)
		o.Replace = true
		load := func() {
			t.Helper()
			if _, err := p.platform(t).Restore(ctx, p.want, "alpha", v.restoreOptions(p)); err != nil {
				t.Fatal(err)
			}
			p.as(t, "db_alpha", "alpha_app", "INSERT INTO app.goods (name) VALUES ('after the backup')")
		}
		load()
		proxy.Cut(0, false)
		begun := 0
		o.Progress = func(doing string) {
			if strings.HasPrefix(doing, "closing") {
				begun, _ = proxy.Messages()
			}
		}
		if done, err := through.Restore(ctx, p.want, "alpha", o); err != nil || !done.Resumed {
			t.Fatalf("%+v, %v", done, err)
		}
		all, _ := proxy.Messages()
		if all-begun < 8 || begun < 50 {
			t.Fatalf("it has %d messages, and replaces from %d on", all, begun)
		}
		o.Progress = nil
		stride := 7
		if major == pgtest.Majors()[0] {
			stride = 2
		}
		states := map[string]bool{}
		// To the end of a run, which has more messages where a session that it ended took its time.
		for n := begun - 1; n <= 2*all; n += stride {
			load()
			how := fmt.Sprintf("cut at message %d of %d", n, all)
			proxy.Cut(n, true)
			_, err := through.Restore(ctx, p.want, "alpha", o)
			_, cut := proxy.Messages()
			if !cut && err != nil {
				t.Errorf("%s: it was not cut: %v", how, err)
			}
			var told *Problem
			if err != nil && (!errors.As(err, &told) || told.Text == "") {
				t.Errorf("%s: %v (%T)", how, err, err)
			}
			pgtest.Wait(t, "the run's sessions to end", func() bool {
				return p.Rows(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'zave%'")[0] == "0"
			})
			open := p.Rows(t, "postgres", "SELECT datallowconn FROM pg_database WHERE datname = 'db_alpha'")
			if len(open) != 1 {
				t.Fatalf("%s: the tenant has no database: %q", how, p.databases(t))
			}
			p.Exec(t, "postgres", "ALTER DATABASE db_alpha ALLOW_CONNECTIONS true")
			rows := goods(t, p, "db_alpha")
			p.Exec(t, "postgres", "UPDATE pg_database SET datallowconn = '"+open[0]+"' WHERE datname = 'db_alpha'")
			states[open[0]+rows] = true
			if rows != "10" && rows != "11" || rows == "10" && open[0] != "t" {
				t.Errorf("%s: %s rows, open: %s", how, rows, open[0])
			}
			if rows == "11" { // else it is done
				done, err := p.platform(t).Restore(ctx, p.want, "alpha", o)
				if err != nil || !done.Resumed || goods(t, p, "db_alpha") != "10" {
					t.Errorf("%s: the run after it: %+v, %v", how, done, err)
				}
			}
			p.apply(t)
			p.clean(t)
			if !cut {
				break
			}
			for _, d := range p.Rows(t, "postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'db_alpha_before%'") {
				p.Exec(t, "postgres", "DROP DATABASE "+d+" WITH (FORCE)")
			}
		}
		// Before, in between and after; with fewer cuts, two of these.
		if len(states) < 2 || stride == 2 && len(states) != 3 {
			t.Errorf("the cuts left %v", states)
		}
	})
}

// TestRestoreTest: the newest archive is restored and verified, and nothing is left of it, nor of an earlier test.
func TestRestoreTest(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := house(t, major)
		v := newVault(t, major)
		v.backup(t, p, "alpha")
		s, ctx := p.platform(t), t.Context()
		const name, mark = "db_alpha-test", "zave: tenant alpha, spec sha256:alpha"
		stray := func(owner, comment string, open bool) func() {
			p.Exec(t, "postgres", `CREATE DATABASE "`+name+`" TEMPLATE template0 OWNER `+owner)
			if comment != "" {
				p.Exec(t, "postgres", `COMMENT ON DATABASE "`+name+`" IS '`+comment+`'`)
			}
			p.Exec(t, "postgres", fmt.Sprintf(`ALTER DATABASE "%s" ALLOW_CONNECTIONS %v`, name, open))
			return func() { p.Exec(t, "postgres", `DROP DATABASE "`+name+`" WITH (FORCE)`) }
		}
		before := everything(t, p)
		test := func(why string) {
			t.Helper()
			done, err := s.RestoreTest(ctx, p.want, "alpha", v.restoreOptions(p))
			if err != nil {
				t.Fatalf("%s: %v", why, err)
			}
			if done.Database != name || len(done.Warnings) > 0 {
				t.Errorf("%s: %+v", why, done)
			}
			if after := everything(t, p); !slices.Equal(before, after) {
				t.Errorf("%s: the server has changed:\n%s", why, difference(before, after))
			}
		}
		test("where there is none")
		// What a killed test has left goes; what bears the name and is not a test's stays, and is told of.
		stray("platform_bootstrap", "", false)
		test("where one was just made")
		stray("platform_bootstrap", "zave: tenant alpha, spec sha256:older, being restored", true)
		test("where one was left half-way")
		for _, c := range []struct{ owner, comment, text string }{
			{"platform_bootstrap", mark, "which no restore has made: it belongs to platform_bootstrap"},
			{"platform_bootstrap", "", "which no restore has made"},
			{"platform_bootstrap", "zave: tenant beta, spec sha256:beta, being restored", "which no restore has made"},
			{"platform_bootstrap", mark + ", from before the restore of x", "which no restore has made"},
			{"postgres", mark + ", being restored", "which no restore has made: it belongs to postgres"},
			{"platform_bootstrap", mark + ", restored from x", "it was restored from x"},
			{"platform_bootstrap", mark + ", could not be restored", "was to keep it"},
		} {
			drop := stray(c.owner, c.comment, true)
			was := everything(t, p)
			o := v.restoreOptions(p)
			o.AllowDrop = []string{name}
			_, err := s.RestoreTest(ctx, p.want, "alpha", o)
			says(t, err, "there is a database db_alpha-test already", "rename it")
			says(t, err, c.text, "")
			if is := everything(t, p); !slices.Equal(was, is) {
				t.Errorf("%q: the server has changed:\n%s", c.comment, difference(was, is))
			}
			drop()
		}
		// Of two at once, the second is refused, and does not disturb the first; another tenant's is none of them.
		stock(t, p, "beta")
		v.backup(t, p, "beta")
		before = everything(t, p)
		o := v.restoreOptions(p)
		second := 0
		o.Progress = func(doing string) {
			if strings.HasPrefix(doing, "loading ") {
				second++
				_, err := s.RestoreTest(ctx, p.want, "alpha", v.restoreOptions(p))
				says(t, err, `a restore test of the tenant alpha is under way: another run (process `, "when that has ended")
				if _, err := s.RestoreTest(ctx, p.want, "beta", v.restoreOptions(p)); err != nil {
					t.Errorf("a neighbour's test beside it: %v", err)
				}
			}
		}
		if _, err := s.RestoreTest(ctx, p.want, "alpha", o); err != nil || second != 1 {
			t.Errorf("%d beside: %v", second, err)
		}
		// One that has lost its lock removes nothing: somebody else may fill the database.
		o.Progress = func(doing string) {
			if strings.HasPrefix(doing, "removing ") {
				p.Rows(t, "postgres", `SELECT pg_terminate_backend(pid, 60000) FROM pg_locks
					WHERE locktype = 'advisory' AND granted AND classid <> 0 AND database = (SELECT oid FROM pg_database WHERE datname = 'zave')`)
			}
		}
		_, err := s.RestoreTest(ctx, p.want, "alpha", o)
		says(t, err, "the session that keeps others from filling db_alpha-test has ended, and so it stays", "run the same again")
		if got := p.databases(t); len(got) != 3 {
			t.Errorf("databases %q", got)
		}
		test("after one that has lost its lock")
		// One that is interrupted removes what it made; and so does one with a broken archive.
		interrupted, cancel := context.WithCancel(ctx)
		o.Progress = func(doing string) {
			if strings.HasPrefix(doing, "verifying ") {
				cancel()
			}
		}
		if _, err := s.RestoreTest(interrupted, p.want, "alpha", o); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
		if now := everything(t, p); !slices.Equal(before, now) {
			t.Errorf("the interrupted one leaves:\n%s", difference(before, now))
		}
	})
}

func TestBeforeName(t *testing.T) {
	at := time.Date(2026, 11, 24, 1, 28, 47, 0, time.UTC)
	if got := beforeName("db_panchito", at.In(time.FixedZone("", 7200))); got != "db_panchito_before_20261124t012847z" {
		t.Error(got)
	}
	if got := beforeName(strings.Repeat("x", 63), at); len(got) != state.MaxIdentifier {
		t.Errorf("%q has %d bytes", got, len(got))
	}
}
