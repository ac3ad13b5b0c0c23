package database

import (
	"strconv"
	"strings"

	"github.com/zavestudios/zave/generator/model"
)

// SQL is the script that psql runs as the platform's role: it makes the database, its roles and its schema where they
// are missing, and sets them right where they differ. It drops nothing. Passwords come from the environment.
func SQL(t *model.Tenant, db *model.Database) string {
	b := &strings.Builder{}
	r := db.Roles
	line := func(s ...string) {
		for _, x := range s {
			b.WriteString(x)
		}
		b.WriteByte('\n')
	}
	name := ident(db.Name)

	line("-- Bootstrap of the database of tenant ", t.Name, ". Idempotent; nothing is dropped.")
	line("-- Passwords are read from the environment and kept out of the server's log.")
	line("SET log_statement = 'none';")
	line("SET log_min_error_statement = 'panic';")
	line("SET client_min_messages = 'warning';")
	line("SET search_path = pg_catalog, pg_temp;")
	line()
	line("-- Roles: one that owns and never logs in, four that log in.")
	for _, x := range []struct{ role, login string }{
		{r.Owner, "NOLOGIN"}, {r.Migrator, "LOGIN"}, {r.App, "LOGIN"}, {r.ReadOnly, "LOGIN"}, {r.Backup, "LOGIN"},
	} {
		line("SELECT 'CREATE ROLE ' || quote_ident(", literal(x.role), ") || ' ", x.login, "'")
		line("  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ", literal(x.role), ") \\gexec")
		line("ALTER ROLE ", ident(x.role), " ", x.login, " NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;")
	}
	line()
	line("\\getenv app_password APP_PASSWORD")
	line("\\getenv backup_password BACKUP_PASSWORD")
	line("\\getenv migrator_password MIGRATOR_PASSWORD")
	line("\\getenv readonly_password READONLY_PASSWORD")
	line("ALTER ROLE ", ident(r.App), " PASSWORD :'app_password';")
	line("ALTER ROLE ", ident(r.Backup), " PASSWORD :'backup_password';")
	line("ALTER ROLE ", ident(r.Migrator), " PASSWORD :'migrator_password';")
	line("ALTER ROLE ", ident(r.ReadOnly), " PASSWORD :'readonly_password';")
	line("GRANT ", ident(r.Owner), " TO ", ident(r.Migrator), ";")
	line()
	line("-- The database is made closed, locked down, and only then opened.")
	line("SELECT 'CREATE DATABASE ' || quote_ident(", literal(db.Name), ") || ' TEMPLATE template0 ALLOW_CONNECTIONS false'")
	line("  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = ", literal(db.Name), ") \\gexec")
	line("REVOKE ALL ON DATABASE ", name, " FROM PUBLIC;")
	for _, role := range []string{r.Migrator, r.App, r.ReadOnly, r.Backup} {
		line("GRANT CONNECT ON DATABASE ", name, " TO ", ident(role), ";")
	}
	line("ALTER DATABASE ", name, " CONNECTION LIMIT ", strconv.Itoa(db.Connections), ";")
	line("ALTER DATABASE ", name, " SET statement_timeout = ", literal(db.StatementTimeout), ";")
	line("ALTER DATABASE ", name, " SET idle_in_transaction_session_timeout = '60s';")
	line("ALTER DATABASE ", name, " SET lock_timeout = '10s';")
	line("ALTER DATABASE ", name, " SET search_path = app, extensions;")
	line("COMMENT ON DATABASE ", name, " IS ", literal("zave: tenant "+t.Name), ";")
	line("ALTER DATABASE ", name, " ALLOW_CONNECTIONS true;")
	line()
	line("\\connect ", name)
	line("SET client_min_messages = 'warning';")
	line("SET search_path = pg_catalog, pg_temp;")
	line()
	line("REVOKE ALL ON SCHEMA public FROM PUBLIC;")
	line("CREATE SCHEMA IF NOT EXISTS app AUTHORIZATION ", ident(r.Owner), ";")
	line("CREATE SCHEMA IF NOT EXISTS extensions;")
	line("GRANT USAGE ON SCHEMA extensions TO ", ident(r.Owner), ", ", ident(r.Migrator), ", ", ident(r.App), ", ", ident(r.ReadOnly), ", ", ident(r.Backup), ";")
	for _, e := range db.Extensions {
		line("CREATE EXTENSION IF NOT EXISTS ", ident(e), " SCHEMA extensions;")
	}
	line("GRANT USAGE ON SCHEMA app TO ", ident(r.App), ", ", ident(r.ReadOnly), ", ", ident(r.Backup), ";")
	line()
	line("-- What the owner makes later belongs to whom it should.")
	owner := "ALTER DEFAULT PRIVILEGES FOR ROLE " + ident(r.Owner)
	line(owner, " REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;")
	line(owner, " REVOKE USAGE ON TYPES FROM PUBLIC;")
	line(owner, " IN SCHEMA app GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ", ident(r.App), ";")
	line(owner, " IN SCHEMA app GRANT USAGE, SELECT ON SEQUENCES TO ", ident(r.App), ";")
	line(owner, " IN SCHEMA app GRANT EXECUTE ON FUNCTIONS TO ", ident(r.App), ";")
	line(owner, " IN SCHEMA app GRANT USAGE ON TYPES TO ", ident(r.App), ", ", ident(r.ReadOnly), ";")
	line(owner, " IN SCHEMA app GRANT SELECT ON TABLES TO ", ident(r.ReadOnly), ", ", ident(r.Backup), ";")
	line(owner, " IN SCHEMA app GRANT SELECT ON SEQUENCES TO ", ident(r.ReadOnly), ", ", ident(r.Backup), ";")
	return b.String()
}

// ident quotes an identifier (PostgreSQL manual, "Identifiers and Key Words").
func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// literal quotes a string constant, with standard_conforming_strings on as it is by default.
func literal(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }
