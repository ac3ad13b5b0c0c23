package postgres

import (
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
)

// TestConfiguration: the files that are made for a server are ones that it takes, and let in whom they should, over
// TLS, and nobody else.
func TestConfiguration(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		want := estate()
		want.Instance.Superuser = pgtest.Superuser
		want.Instance.Networks = []string{"127.0.0.0/8", "::1/128"}
		want.Instance.Monitors = []string{"exporter"}
		for _, name := range []string{`all`, `a "quoted", name`, `replication`, `+alpha_app`, `with\backslash #`,
			"sameuser"} {
			odd := tenant("odd")
			odd.Name, odd.Database = name, name
			for i, role := range []*string{
				&odd.Roles.Owner, &odd.Roles.Migrator, &odd.Roles.App, &odd.Roles.AppA, &odd.Roles.AppB, &odd.Roles.ReadOnly,
				&odd.Roles.Backup,
			} {
				*role = name + strings.Repeat("'", i)
			}
			odd.Connections = 3
			want.Tenants = append(want.Tenants, odd)
		}
		want.Tenants = append(want.Tenants, tenant(strings.Repeat("long", 11)))
		var conf []string
		for _, line := range strings.Split(want.Conf(), "\n") {
			// The test server has its own limits, and serves TLS without being told.
			if !strings.HasPrefix(line, "max_connections") && !strings.HasPrefix(line, "ssl = ") {
				conf = append(conf, line)
			}
		}
		p := prepare(t, major, want, pgtest.TLS(), pgtest.Conf(conf...))
		p.Exec(t, "postgres", "CREATE ROLE exporter LOGIN PASSWORD 'exporter'")
		for role := range passwords(want) {
			p.credentials[role] = "secret"
		}
		p.instance(t) // once more, for the monitor that is there now
		p.apply(t)
		p.SetHBA(t, strings.Split(want.HBA(), "\n")...)
		p.Reload(t)
		if errs := p.Rows(t, "postgres",
			"SELECT line_number || ': ' || error FROM pg_hba_file_rules WHERE error IS NOT NULL"); len(errs) > 0 {
			t.Fatalf("the server does not take the file: %q", errs)
		}
		p.clean(t)

		restored, tested := want.Tenants[0].RestoreDatabase(), want.Tenants[0].TestDatabase()
		p.Exec(t, "postgres", `CREATE DATABASE "`+restored+`"`, `CREATE DATABASE "`+tested+`"`)
		s := p.platform(t)
		for _, c := range []struct{ database, role, password, code string }{
			{"postgres", "exporter", "exporter", ""},
			{"db_alpha", "exporter", "exporter", "28000"},
			{"zave", "exporter", "exporter", "28000"},
			{"db_alpha", "alpha_app", "secret", ""},
			{"db_alpha", "alpha_app", "another", "28P01"},
			{"db_alpha", "alpha_owner", "secret", "28000"},
			{"db_alpha", "beta_app", "secret", "28000"},
			{"postgres", "alpha_app", "secret", "28000"},
			{"template1", "alpha_app", "secret", "28000"},
			{"zave", "alpha_app", "secret", "28000"},
			{"replication", "alpha_app", "secret", "28000"},
			{"all", "alpha_app", "secret", "28000"},
			{"all", "all''", "secret", ""},
			{"db_alpha", "all''", "secret", "28000"},
			{"db_alpha", "+alpha_app''", "secret", "28000"},
			{`a "quoted", name`, `a "quoted", name''`, "secret", ""},
			{`with\backslash #`, `with\backslash #''`, "secret", ""},
			{"replication", "replication''", "secret", ""},
			{restored, "alpha_migrator", "secret", ""},
			{tested, "alpha_backup", "secret", ""},
			{restored, "beta_migrator", "secret", "28000"},
			{tested, "beta_migrator", "secret", "28000"},
			{"x" + restored, "alpha_migrator", "secret", "28000"},
		} {
			if err := login(s, c.database, c.role, c.password); code(err) != c.code || c.code == "" && err != nil {
				t.Errorf("%s in %s: %v, not %q", c.role, c.database, err, c.code)
			}
		}
		// Without TLS, and from the machine itself, nobody gets in.
		for _, dsn := range []string{
			strings.Split(p.DSN("alpha_app", "secret", "db_alpha"), "?")[0] + "?sslmode=disable",
			p.SocketDSN("alpha_app", "secret", "db_alpha"),
		} {
			if _, err := reach(t, dsn).Open(t.Context(), "db_alpha"); code(err) != "28000" {
				t.Errorf("%s: %v", dsn, err)
			}
		}
		settings := p.Rows(t, "postgres", `SELECT name || ' = ' || setting FROM pg_file_settings WHERE error IS NOT NULL`)
		if len(settings) > 0 {
			t.Errorf("the server does not take settings: %q", settings)
		}
	})
}
