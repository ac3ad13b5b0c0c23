package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/pgtest"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// TestBackupWhileInUse: a backup that is taken while others move rows, make and delete some, draw from sequences, and
// migrate, is of one moment, and restores to it.
func TestBackupWhileInUse(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		p.as(t, "db_alpha", "alpha_migrator", "SET ROLE alpha_owner",
			"CREATE TABLE app.a (id serial, n integer)", "INSERT INTO app.a (n) SELECT 100 FROM generate_series(1, 50)",
			"CREATE TABLE app.b (id serial, n integer)", "INSERT INTO app.b (n) SELECT 100 FROM generate_series(1, 50)",
			"CREATE TABLE app.refilled (n integer)", "INSERT INTO app.refilled SELECT generate_series(11, 1010)",
			"CREATE SEQUENCE app.used CYCLE MAXVALUE 500 CACHE 3")
		v := newVault(t, major)
		ctx, stop := context.WithCancel(t.Context())
		var busy sync.WaitGroup
		var rounds [2]int
		for i, work := range []struct{ role, sql string }{
			{"alpha_app", `BEGIN; UPDATE app.a SET n = n - 1 WHERE id = (SELECT 1 + (random() * 48)::integer); SELECT nextval('app.used');
				UPDATE app.b SET n = n + 1 WHERE id = (SELECT 1 + (random() * 48)::integer); COMMIT`},
			{"alpha_app", "INSERT INTO app.refilled SELECT generate_series(1, 10); DELETE FROM app.refilled WHERE n <= 10"},
		} {
			conn, err := reach(t, p.DSN(work.role, "", "db_alpha")).Login(ctx, "db_alpha", work.role, p.credentials[work.role])
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(ctx, "SET lock_timeout = 0"); err != nil {
				t.Fatal(err)
			}
			busy.Go(func() {
				defer conn.Close(context.WithoutCancel(ctx))
				for ctx.Err() == nil {
					// It ends between two rounds, so that its session ends in order.
					if _, err := conn.PgConn().Exec(t.Context(), work.sql).ReadAll(); err != nil {
						t.Errorf("%s: %v", work.role, err)
						return
					}
					rounds[i]++
				}
			})
		}
		// Of migrations, one comes at each stage of a backup, until there have been some: a backup gives way to them, and
		// would to others for ever.
		migrator, err := reach(t, p.DSN("alpha_migrator", "", "db_alpha")).
			Login(ctx, "db_alpha", "alpha_migrator", p.credentials["alpha_migrator"])
		if err != nil {
			t.Fatal(err)
		}
		stages := make(chan string, 1)
		migrated := map[string]int{}
		busy.Go(func() {
			defer migrator.Close(context.WithoutCancel(ctx))
			sql := "SET ROLE alpha_owner; SET lock_timeout = 0; SET statement_timeout = 0"
			for stage := range stages {
				if _, err := migrator.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
					t.Errorf("migrate: %v", err)
				}
				sql = `BEGIN; CREATE TABLE app.made (n integer); ALTER TABLE app.refilled ADD COLUMN more integer;
					TRUNCATE app.refilled; INSERT INTO app.refilled (n) SELECT generate_series(11, 1010);
					ALTER TABLE app.refilled DROP COLUMN more; DROP TABLE app.made; COMMIT`
				migrated[stage]++
			}
		})
		o := v.backupOptions(p)
		left := 8
		o.Progress = func(doing string) {
			if left > 0 {
				select {
				case stages <- doing:
					left--
				default: // one is under way
				}
			}
		}
		for range 2 {
			if _, err := p.platform(t).Backup(t.Context(), p.want, "alpha", o); err != nil {
				t.Errorf("%v", err)
			}
		}
		stop()
		close(stages)
		busy.Wait()
		if slices.Contains(rounds[:], 0) || len(migrated) < 2 {
			t.Errorf("nobody was in the way: %v %v", rounds, migrated)
		}
		entries, err := Backups(t.Context(), p.want, "alpha", v.store, v.trust)
		if err != nil || len(entries) != 2 {
			t.Fatalf("%v: %v", entries, err)
		}
		for _, e := range entries {
			o := v.restoreOptions(p)
			o.At, o.Replace, o.AllowDrop = e.ID, true, []string{"db_alpha"}
			if _, err := p.platform(t).Restore(t.Context(), p.want, "alpha", o); err != nil {
				t.Fatal(err)
			}
			got := p.Rows(t, "db_alpha", "SELECT (SELECT sum(n) FROM app.a) + (SELECT sum(n) FROM app.b), (SELECT count(*) FROM app.refilled)")
			if got[0] != "10000|1000" {
				t.Errorf("the sums are %v", got)
			}
		}
	})
}

// TestBackupGivesWay: a backup that meets a migration does not hold it up for long, whichever came first, and is made all
// the same; unless there is one each time.
func TestBackupGivesWay(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		stock(t, p, "alpha")
		p.as(t, "db_alpha", "alpha_migrator", "SET ROLE alpha_owner", "CREATE TABLE app.a ()")
		v := newVault(t, major)
		ctx := t.Context()
		migration, err := reach(t, p.DSN("alpha_migrator", "", "db_alpha")).
			Login(ctx, "db_alpha", "alpha_migrator", p.credentials["alpha_migrator"])
		if err != nil {
			t.Fatal(err)
		}
		defer migration.Close(context.WithoutCancel(ctx))
		exec := func(sql string) {
			t.Helper()
			if _, err := migration.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		waits := func(role string) bool {
			return p.Rows(t, "postgres", `SELECT count(*) FROM pg_stat_activity
				WHERE wait_event_type = 'Lock' AND usename = '`+role+"'")[0] != "0"
		}
		exec("SET ROLE alpha_owner; SET lock_timeout = 0; SET statement_timeout = 0")

		// The migration is first, and goes on to a table that the backup would have locked before.
		exec("BEGIN; ALTER TABLE app.goods ADD COLUMN more integer")
		type result struct {
			made *BackedUp
			err  error
		}
		first := make(chan result)
		go func() {
			made, err := p.platform(t).Backup(ctx, p.want, "alpha", v.backupOptions(p))
			first <- result{made, err}
		}()
		pgtest.Wait(t, "the backup to wait", func() bool { return waits("alpha_backup") })
		exec("ALTER TABLE app.a ADD COLUMN more integer; COMMIT")
		switch r := <-first; {
		case r.err != nil:
			t.Error(r.err)
		case len(r.made.Manifest.Evidence.Tables) != 2:
			t.Errorf("%+v", r.made.Manifest.Evidence)
		}

		// It comes in between: after the locks of the backup's own session, before those of pg_dump's.
		var altered sync.WaitGroup
		o := v.backupOptions(p)
		o.lockWait = 500 * time.Millisecond
		begun, between, gaveWay := 0, 1, 0
		o.Progress = func(doing string) {
			switch doing {
			case "dumping":
				if begun++; begun <= between {
					altered.Wait()
					n := begun
					altered.Go(func() { exec(fmt.Sprintf("ALTER TABLE app.goods ADD COLUMN yet%d_%d integer", between, n)) })
					pgtest.Wait(t, "the migration to wait", func() bool { return waits("alpha_migrator") })
				}
			case "waiting for a migration to pass":
				gaveWay++
			}
		}
		if _, err := p.platform(t).Backup(ctx, p.want, "alpha", o); err != nil || begun != 2 || gaveWay != 1 {
			t.Errorf("begun %d times, gave way %d times: %v", begun, gaveWay, err)
		}
		altered.Wait()
		restored, err := p.platform(t).Restore(ctx, p.want, "alpha", v.restoreOptions(p))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Rows(t, restored.Database, "SELECT count(yet1_1) FROM app.goods"); got[0] != "0" {
			t.Errorf("%v", got)
		}

		// There is one each time: they are all made, and the backup says that it is not.
		before, err := v.store.List(ctx, "alpha/")
		if err != nil {
			t.Fatal(err)
		}
		begun, between, gaveWay = 0, 100, 0
		done, err := p.platform(t).Backup(ctx, p.want, "alpha", o)
		says(t, err, "no backup was made: each of 8 times a migration came in between, and it gave way", "no migration is under way")
		altered.Wait()
		after, listed := v.store.List(ctx, "alpha/")
		if done != nil || begun != 8 || gaveWay != 7 || listed != nil || len(after) != len(before) {
			t.Errorf("%+v, begun %d times, gave way %d times; stored %v, before %v, %v", done, begun, gaveWay, after, before, listed)
		}
		if got := p.Rows(t, "db_alpha", "SELECT count(*) FROM pg_attribute WHERE attname LIKE 'yet100%'"); got[0] != "8" {
			t.Errorf("%v of 8 migrations are made", got)
		}
	})
}

// TestBackupStrict: where an instance has the strict profile, and the application may not make large objects any more, those
// that it had come back as the owner's, and are the application's to use.
func TestBackupStrict(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := house(t, major)
		p.want.Instance.Strict = true
		if _, err := p.superuser(t).Apply(t.Context(), p.want, ApplyOptions{Options: state.Options{Instance: true}}); err != nil {
			t.Fatal(err)
		}
		v := newVault(t, major)
		v.backup(t, p, "alpha")
		o := v.restoreOptions(p)
		o.Replace = true
		done, err := p.superuser(t).Restore(t.Context(), p.want, "alpha", o)
		if err != nil || len(done.Warnings) > 0 {
			t.Fatalf("%+v %v", done, err)
		}
		p.clean(t)
		got := p.Rows(t, "db_alpha", "SELECT DISTINCT pg_get_userbyid(lomowner) FROM pg_largeobject_metadata")
		if !slices.Equal(got, []string{"alpha_owner"}) {
			t.Errorf("owners %v", got)
		}
		p.as(t, "db_alpha", "alpha_app", "SELECT lo_get(91004)", "SELECT lo_put(91003, 0, 'x')", "INSERT INTO app.orders (customer, amount) VALUES ('z', 1)")
		v.backup(t, p, "alpha")
		// The platform's role can do less, and says so.
		done, err = p.platform(t).Restore(t.Context(), p.want, "alpha", o)
		if err != nil || len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0], "only a superuser") {
			t.Errorf("%+v %v", done, err)
		}
	})
}

// slowStore begins to read an archive, does something, and reads the rest.
type slowStore struct {
	archive.Store
	meanwhile func()
}

func (s *slowStore) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if !strings.HasSuffix(name, ".age") {
		return s.Store.Put(ctx, name, r, size)
	}
	first := make([]byte, 100<<10) // more than age's header, and than a pipe holds
	if _, err := io.ReadFull(r, first); err != nil {
		return err
	}
	s.meanwhile()
	return s.Store.Put(ctx, name, io.MultiReader(bytes.NewReader(first), r), size)
}

// bulk gives a tenant some megabytes that do not compress, so that its dump does not fit into a pipe.
func bulk(t testing.TB, p *prepared, tenant string) {
	t.Helper()
	p.as(t, "db_"+tenant, tenant+"_migrator", "SET ROLE "+tenant+"_owner", "CREATE TABLE app.bulk (id integer, data bytea)",
		"INSERT INTO app.bulk SELECT g, extensions.gen_random_bytes(1000) FROM generate_series(1, 4000) g")
}

// TestBackupCut: when the dump's session ends, or that of the evidence, the context, or the room on the store's disk, there is
// no archive, no session and no process left.
func TestBackupCut(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate(), pgtest.Conf("log_statement = all", "log_min_duration_statement = 0"))
		p.apply(t)
		bulk(t, p, "alpha")
		v := newVault(t, major)
		end := func(name string) func() {
			return func() {
				// The one that holds the snapshot; another one may just be leaving.
				if got := p.Rows(t, "postgres", "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND application_name = '"+name+"'"); !slices.Equal(got, []string{"t"}) {
					t.Errorf("ended %v of %s", got, name)
				}
			}
		}
		full, err := archive.Open(pgtest.Disk(t, 2), archive.StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for _, c := range []struct {
			name  string
			ctx   context.Context
			store archive.Store
			text  string // empty: it is given up
		}{
			{"the dump's session ends", t.Context(), &slowStore{v.store, end("zave pg_dump")}, "pg_dump failed: "},
			{"the other session ends", t.Context(), &slowStore{v.store, end("zave backup")}, "the server ended the session"},
			{"the disk is full", t.Context(), full, "is full"},
			{"it is given up", ctx, &slowStore{v.store, cancel}, ""},
		} {
			o := v.backupOptions(p)
			o.Store = c.store
			_, err := p.platform(t).Backup(c.ctx, p.want, "alpha", o)
			if c.text == "" {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", c.name, err)
				}
			} else {
				says(t, err, c.text, "")
			}
			pgtest.Wait(t, "the sessions to end", func() bool {
				return p.Rows(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'alpha_backup'")[0] == "0"
			})
			for _, store := range []archive.Store{v.store, full} {
				if left, err := store.List(context.WithoutCancel(ctx), "alpha/db_alpha/"); err != nil || len(left) > 0 {
					t.Errorf("%s: %v is left: %v", c.name, left, err)
				}
			}
		}
		// While it runs, its password shows nowhere, nor anything of the data on the disk.
		v.store = &slowStore{v.store, func() {
			seen := processes(t)
			if !strings.Contains(seen, "--snapshot=") {
				t.Error("pg_dump is not in the list of processes, so that what it lacks proves nothing")
			}
			if strings.Contains(seen, p.credentials["alpha_backup"]) {
				t.Error("the password is in the list of processes")
			}
		}}
		v.backup(t, p, "alpha")
		// A restore for which there is no room here, or none in the server's disk.
		o := v.restoreOptions(p)
		o.Temporary = pgtest.Disk(t, 2)
		before := everything(t, p)
		_, err = p.platform(t).Restore(t.Context(), p.want, "alpha", o)
		says(t, err, "does not fit on the disk of", "TMPDIR")
		if after := everything(t, p); !slices.Equal(before, after) {
			t.Errorf("the server has changed:\n%s", difference(before, after))
		}
		o.Temporary = t.TempDir()
		o.Progress = func(doing string) {
			if strings.HasPrefix(doing, "loading") {
				if seen := processes(t); strings.Contains(seen, p.credentials["alpha_migrator"]) {
					t.Error("the migrator's password is in the list of processes")
				}
				if left, err := os.ReadDir(o.Temporary); err != nil || len(left) != 0 {
					t.Errorf("the archive lies about under a name: %v %v", left, err)
				}
			}
		}
		if _, err := p.platform(t).Restore(t.Context(), p.want, "alpha", o); err != nil {
			t.Error(err)
		}
		for role, password := range p.credentials {
			if strings.Contains(p.Log(), password) {
				t.Errorf("the password of %s is in the server's log", role)
			}
		}
	})
}

// TestRestoreCut: a load whose session ends, or that is given up, leaves no database behind.
func TestRestoreCut(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		bulk(t, p, "alpha")
		v := newVault(t, major)
		v.backup(t, p, "alpha")
		before := everything(t, p)
		for _, name := range []string{"zave pg_restore", "zave backup"} {
			ended := make(chan struct{})
			ctx, stop := context.WithCancel(t.Context())
			go func() { // as soon as it is there
				defer close(ended)
				for ctx.Err() == nil {
					if got := p.Rows(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '"+name+"'"); len(got) > 0 {
						return
					}
				}
			}()
			_, err := p.platform(t).Restore(t.Context(), p.want, "alpha", v.restoreOptions(p))
			stop()
			<-ended
			var told *Problem
			if !errors.As(err, &told) || told.Text == "" {
				t.Errorf("%s: %v", name, err)
			}
			if after := everything(t, p); !slices.Equal(before, after) {
				t.Errorf("%s: the server has changed (%v):\n%s", name, err, difference(before, after))
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		o := v.restoreOptions(p)
		o.Progress = func(doing string) {
			if strings.HasPrefix(doing, "loading") {
				cancel()
			}
		}
		if _, err := p.platform(t).Restore(ctx, p.want, "alpha", o); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if after := everything(t, p); !slices.Equal(before, after) {
			t.Errorf("the server has changed:\n%s", difference(before, after))
		}
	})
}

// TestBackupKeeps: each backup removes those that need not be kept any more.
func TestBackupKeeps(t *testing.T) {
	major := pgtest.Majors()[0]
	p := prepare(t, major, estate())
	p.apply(t)
	stock(t, p, "alpha")
	v := newVault(t, major)
	o := v.backupOptions(p)
	// Of the days before, as if they had been made then.
	m := v.backup(t, p, "alpha").Manifest
	var ids []string
	for day := 1; day <= 4; day++ {
		old := *m
		old.Taken = m.Taken.AddDate(0, 0, -day)
		old.ID = archive.NewID(old.Taken)
		w := &archive.Writer{Store: v.store, Recipients: v.recipients, Signer: v.signer}
		if err := w.Write(t.Context(), &old, dumpOf("x")); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, old.ID)
	}
	o.Keep = &archive.Keep{Daily: 3}
	done, err := p.platform(t).Backup(t.Context(), p.want, "alpha", o)
	if err != nil || !slices.Equal(done.Removed, []string{ids[3], ids[2]}) {
		t.Errorf("%+v %v; made %v", done, err, ids)
	}
	// With another signing key, those of the earlier one count where that is still trusted, and else stay for ever.
	o.Keep = &archive.Keep{Daily: 1}
	if o.Signer, _, err = archive.NewSigner(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		trusted []archive.PublicKey
		removed []string
	}{{nil, nil}, {[]archive.PublicKey{v.signer.Public()}, []string{ids[1], ids[0]}}} {
		o.Trusted = c.trusted
		done, err := p.platform(t).Backup(t.Context(), p.want, "alpha", o)
		if err != nil || !slices.Equal(done.Removed, c.removed) {
			t.Errorf("%+v %v; made %v", done, err, ids)
		}
	}
}

// TestThroughS3AndTLS: the same over TLS to both, with the clients verifying the server as zave does.
func TestThroughS3AndTLS(t *testing.T) {
	s3 := pgtest.StartS3(t)
	for _, major := range slices.Compact([]int{pgtest.Majors()[0], slices.Max(pgtest.Majors())}) {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			p := prepare(t, major, estate(), pgtest.TLS())
			p.apply(t)
			stock(t, p, "alpha")
			bulk(t, p, "alpha")
			v := newVault(t, major)
			var err error
			v.store, err = archive.Open(fmt.Sprintf("s3://%s/estate-%d", s3.Bucket, major),
				archive.StoreOptions{Endpoint: s3.Endpoint, CA: s3.CA, Credentials: s3.Credentials})
			if err != nil {
				t.Fatal(err)
			}
			v.backup(t, p, "alpha")
			o := v.restoreOptions(p)
			o.Replace = true
			if _, err := p.platform(t).Restore(t.Context(), p.want, "alpha", o); err != nil {
				t.Fatal(err)
			}
			if got := goods(t, p, "db_alpha"); got != "10" {
				t.Errorf("%s rows", got)
			}
			// The same settings as keywords, on the socket, and from the environment.
			if done, err := reach(t, p.SocketDSN("alpha_backup", "", "db_alpha")).Backup(t.Context(), p.want, "alpha", v.backupOptions(p)); err != nil || done == nil {
				t.Errorf("by the socket: %v", err)
			}
			u, err := url.Parse(p.DSN("x", "", "x"))
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("PGHOST", u.Hostname())
			t.Setenv("PGPORT", u.Port())
			t.Setenv("PGSSLROOTCERT", p.CA)
			if _, err := reach(t, "").Backup(t.Context(), p.want, "alpha", v.backupOptions(p)); err != nil {
				t.Errorf("by the environment: %v", err)
			}
			other, err := pgtest.OtherCA(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("PGSSLROOTCERT", other)
			_, err = reach(t, "").Backup(t.Context(), p.want, "alpha", v.backupOptions(p))
			says(t, err, "certificate", "")
		})
	}
}

func TestConnectionSettings(t *testing.T) {
	for dsn, want := range map[string]map[string]string{
		"": {},
		"postgres://u:p@h:1/d?sslmode=verify-full&sslrootcert=%2Fa%20b": {"sslmode": "verify-full", "sslrootcert": "/a b"},
		"postgresql://?sslmode=disable&sslmode=require":                 {"sslmode": "require"},
		"host=h port = 5  user='a b' password='it\\'s' dbname=x\\ y":    {"host": "h", "port": "5", "user": "a b", "password": "it's", "dbname": "x y"},
		"sslmode=disable host=''  ":                                     {"sslmode": "disable", "host": ""},
	} {
		got, err := connectionSettings(dsn)
		if err != nil || len(got) != len(want) {
			t.Errorf("%q: %v %v", dsn, got, err)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%q: %s is %q", dsn, k, got[k])
			}
		}
	}
	for _, dsn := range []string{"host", "password='hush", "a=b hush"} {
		if _, err := connectionSettings(dsn); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", dsn, err)
		}
	}
	for database, want := range map[string]string{"db": "dbname='db' user='u'", `a'b\c=d`: `dbname='a\'b\\c=d' user='u'`} {
		if got := conninfo(database, "u"); got != want {
			t.Errorf("%s: %s", database, got)
		}
	}
	s := reach(t, "host=h1,h2 port=1,2 user=u sslmode=verify-full require_auth=scram-sha-256 options='-c x=y'")
	t.Setenv("PGPASSWORD", "hush")
	t.Setenv("PGUSER", "somebody")
	t.Setenv("LC_MESSAGES", "de_DE")
	for _, major := range []int{15, 18} {
		env, err := s.environment(&program{name: "pg_dump", version: major * 10000}, "alpha_backup", "secret")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, e := range env {
			name, value, _ := strings.Cut(e, "=")
			if strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "LC_") {
				got[name] = value
			}
		}
		want := map[string]string{
			"PGHOST": "h1,h2", "PGPORT": "1,2", "PGUSER": "alpha_backup", "PGPASSWORD": "secret", "PGSSLMODE": "verify-full",
			"PGREQUIREAUTH": "scram-sha-256", "PGOPTIONS": "-c x=y", "PGGSSENCMODE": "disable", "PGCONNECT_TIMEOUT": "10", "PGAPPNAME": "zave pg_dump", "LC_ALL": "C",
		}
		if major == 18 {
			want["PGSSLROOTCERT"] = "system"
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d: %v, want %v", major, got, want)
		}
	}
}

func TestPrograms(t *testing.T) {
	for text, want := range map[string]struct {
		version int
		safe    bool
	}{
		"15.18": {150018, false}, "15.20": {150020, true}, "16.15": {160015, false}, "16.16": {160016, true}, "17.12": {170012, true},
		"18.6": {180006, false}, "18.7": {180007, true}, "19beta1": {190000, true}, "19.0": {190000, true}, "14.99": {140099, false}, "": {0, false},
	} {
		p := &program{version: parseVersion(text)}
		if p.version != want.version || p.safe() != want.safe {
			t.Errorf("%q: %d, safe: %v", text, p.version, p.safe())
		}
	}
}

// TestChoose holds what of an archive is loaded.
func TestChoose(t *testing.T) {
	const list = `;
; Archive created at 2026-11-24 02:03:58 UTC
;     dbname: a
6; 2615 16386 SCHEMA - app alpha_owner
7; 2615 16387 SCHEMA - other somebody
8; 2615 2200 SCHEMA - public pg_database_owner
9; 0 0 COMMENT - SCHEMA public pg_database_owner
10; 3079 16400 EXTENSION - pgcrypto 
11; 0 0 COMMENT - EXTENSION pgcrypto 
12; 1255 16500 FUNCTION extensions protect(regclass, name) platform
13; 0 0 ACL app TABLE orders alpha_owner
14; 826 16600 DEFAULT ACL app DEFAULT PRIVILEGES FOR TABLES alpha_owner
15; 1259 16397 TABLE app orders alpha_owner
16; 0 16397 TABLE DATA app orders alpha_owner
17; 0 16398 TABLE DATA other orders somebody
18; 3256 16700 POLICY app accounts mine alpha_owner
19; 0 16701 ROW SECURITY app accounts alpha_owner
20; 2605 16702 CAST - CAST (app.mood AS integer) 
21; 2613 91001 BLOB METADATA - 91001 alpha_owner
22; 0 0 BLOBS - 91001..91004 alpha_owner
23; 0 0 COMMENT - LARGE OBJECT 91001 alpha_owner
24; 0 0 COMMENT - LARGE OBJECT 91002 alpha_app
25; 6104 16800 PUBLICATION - p alpha_owner
26; 3466 16801 EVENT TRIGGER - e postgres
27; 0 0 COMMENT app TABLE orders alpha_owner
28; 0 0 DATABASE PROPERTIES - db_alpha db_alpha
29; 2606 16395 FK CONSTRAINT app lines lines_order_fkey alpha_owner
30; 0 0 MATERIALIZED VIEW DATA app sums alpha_owner
`
	c := chooser{schema: "app", extensions: "extensions", policies: true, large: map[uint32]bool{91001: true}}
	for _, policies := range []bool{true, false} {
		c.policies = policies
		got, err := c.choose(list)
		if err != nil {
			t.Fatal(err)
		}
		var loaded []string
		for _, line := range strings.Split(string(got.list), "\n") {
			if number, _, ok := strings.Cut(line, "; "); ok && !strings.HasPrefix(line, ";") {
				loaded = append(loaded, number)
			}
		}
		want := []string{"15", "16", "18", "19", "20", "22", "23", "27", "29", "30"}
		if !policies {
			want = slices.Delete(want, 2, 3)
		}
		if !slices.Equal(loaded, want) || got.entries != len(want) {
			t.Errorf("loaded %v, want %v", loaded, want)
		}
		if want := []string{"schema other somebody", "table data other orders somebody"}; !slices.Equal(got.outside, want) {
			t.Errorf("outside: %q", got.outside)
		}
		if want := []string{"comment LARGE OBJECT 91002 alpha_app", "publication p alpha_owner", "event trigger e postgres"}; !slices.Equal(got.left, want) {
			t.Errorf("left out: %q", got.left)
		}
	}
	if _, err := c.choose("15; 1259"); err == nil {
		t.Error("a broken line passes")
	}
}

// TestWatcher: one error of pg_restore's is let pass, and only where it is that one.
func TestWatcher(t *testing.T) {
	const known = "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"\n" +
		"Command was: SET transaction_timeout = 0;\n"
	for _, c := range []struct {
		said    string
		ignored int
		failed  bool
	}{
		{"", 0, false},
		{known + "pg_restore: warning: errors ignored on restore: 1\n", 1, false},
		{strings.Replace(known, "unrecognized configuration", "unbekannter Konfigurations", 1), 1, false},
		{known + "pg_restore: error: could not execute query: ERROR:  no\nCommand was: SELECT 1;\n", 1, true},
		{strings.Replace(known, "SET transaction_timeout = 0;", "SELECT app.raise('transaction_timeout');", 1), 0, true},
		{"pg_restore: error: COPY failed for table \"t\": ERROR:  no\n", 0, true},
	} {
		for _, step := range []int{1, 7, 1000} {
			fatal := 0
			w := &watcher{tailBuffer: &tailBuffer{}, lenient: true, fatal: func() { fatal++ }}
			for chunk := range slices.Chunk([]byte(c.said), step) {
				if n, err := w.Write(chunk); n != len(chunk) || err != nil {
					t.Fatal(n, err)
				}
			}
			if w.ignored != c.ignored || w.failed != c.failed || (fatal == 1) != c.failed || w.String() != c.said {
				t.Errorf("%q: ignored %d, failed %v", c.said, w.ignored, w.failed)
			}
		}
	}
}
