package postgres

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// drift is something that somebody did to a server that was as desired.
type drift struct {
	name     string
	as       string // the role that did it, with its password; empty: a superuser. "owner": the migrator, as the owner
	in       string // where; empty: "postgres"
	do       []string
	before   int      // the first major version on which it cannot be done
	from     int      // the first major version on which it can be
	super    int      // the first major version on which only a superuser rights it; 0: none
	instance bool     // righted by the instance's step
	step     []string // what must be planned: the beginning of an ID; all of them
}

func drifts() []drift {
	const alpha = "db_alpha"
	return []drift{
		// Roles.
		{name: "superuser", do: []string{"ALTER ROLE alpha_app SUPERUSER"}, super: 15,
			step: []string{"role/alpha_app/superuser"}},
		{name: "bypassrls", do: []string{"ALTER ROLE alpha_readonly BYPASSRLS"}, super: 15,
			step: []string{"role/alpha_readonly/bypassrls"}},
		{name: "replication", do: []string{"ALTER ROLE alpha_backup REPLICATION"}, super: 15,
			step: []string{"role/alpha_backup/replication"}},
		{name: "createrole", do: []string{"ALTER ROLE alpha_migrator CREATEROLE"},
			step: []string{"role/alpha_migrator/createrole"}},
		{name: "createdb", do: []string{"ALTER ROLE alpha_app_a CREATEDB"}, step: []string{"role/alpha_app_a/createdb"}},
		{name: "owner logs in", do: []string{"ALTER ROLE alpha_owner LOGIN CONNECTION LIMIT -1"},
			step: []string{"role/alpha_owner/login", "role/alpha_owner/limit"}},
		{name: "app does not log in", do: []string{"ALTER ROLE alpha_app NOLOGIN"}, step: []string{"role/alpha_app/open"}},
		{name: "role closed", do: []string{"ALTER ROLE alpha_app_b NOLOGIN CONNECTION LIMIT 0"},
			step: []string{"role/alpha_app_b/open"}},
		{name: "migrator inherits", do: []string{"ALTER ROLE alpha_migrator INHERIT"},
			step: []string{"role/alpha_migrator/inherit"}},
		{name: "app_a does not", do: []string{"ALTER ROLE alpha_app_a NOINHERIT"},
			step: []string{"role/alpha_app_a/inherit"}},
		{name: "more connections", do: []string{"ALTER ROLE alpha_app CONNECTION LIMIT 500"},
			step: []string{"role/alpha_app/limit"}},
		{name: "any connections", do: []string{"ALTER ROLE alpha_readonly CONNECTION LIMIT -1"},
			step: []string{"role/alpha_readonly/limit"}},
		{name: "no connections", do: []string{"ALTER ROLE alpha_backup CONNECTION LIMIT 0"},
			step: []string{"role/alpha_backup/limit"}},
		{name: "older spec", do: []string{"COMMENT ON ROLE alpha_app IS 'zave: tenant alpha, spec older'"},
			step: []string{"role/alpha_app/comment"}},
		{name: "expired", do: []string{"ALTER ROLE alpha_migrator VALID UNTIL '2001-01-01'"},
			step: []string{"role/alpha_migrator/valid-until"}},
		{name: "expired for ever", do: []string{"ALTER ROLE alpha_backup VALID UNTIL '-infinity'"},
			step: []string{"role/alpha_backup/valid-until"}},
		{name: "app expires without a rotation", do: []string{"ALTER ROLE alpha_app VALID UNTIL '2001-01-01'"},
			step: []string{"role/alpha_app/valid-until"}},
		{name: "own setting", as: "alpha_app", in: alpha, do: []string{"ALTER ROLE alpha_app SET statement_timeout = 0"},
			step: []string{"role/alpha_app/setting/statement_timeout"}},
		{name: "own setting in the database", as: "alpha_migrator", in: alpha,
			do:   []string{`ALTER ROLE alpha_migrator IN DATABASE db_alpha SET search_path = public, "$user"`},
			step: []string{"role/alpha_migrator/setting/search_path/in/db_alpha"}},
		{name: "setting in another database", do: []string{"ALTER ROLE alpha_app IN DATABASE postgres SET work_mem = '1GB'"},
			step: []string{"role/alpha_app/setting/work_mem/in/postgres"}},
		{name: "restricted setting", do: []string{"ALTER ROLE alpha_app SET log_lock_waits = off"}, super: 15,
			step: []string{"role/alpha_app/setting/log_lock_waits"}},
		{name: "setting of nobody's", do: []string{"ALTER ROLE alpha_app SET app.\"Tenant_Key\" = '1'"}, super: 15,
			step: []string{"role/alpha_app/setting/app.Tenant_Key"}},
		{name: "platform's path in a tenant's database",
			do:   []string{"ALTER ROLE platform_bootstrap IN DATABASE db_alpha SET search_path = app"},
			step: []string{"role/platform_bootstrap/setting/search_path/in/db_alpha"}},
		{name: "own password", as: "alpha_app", in: alpha, do: []string{"ALTER ROLE alpha_app PASSWORD 'changed'"},
			step: []string{"role/alpha_app/password"}},
		{name: "no password", do: []string{"ALTER ROLE alpha_readonly PASSWORD NULL"},
			step: []string{"role/alpha_readonly/password"}},

		// Memberships.
		{name: "reads everything", do: []string{"GRANT pg_read_all_data TO alpha_app"}, super: 16,
			step: []string{"role/pg_read_all_data/member/alpha_app/revoke"}},
		{name: "signals", do: []string{"GRANT pg_signal_backend TO alpha_migrator WITH ADMIN OPTION"}, super: 16,
			step: []string{"role/pg_signal_backend/member/alpha_migrator/revoke"}},
		{name: "runs programs", do: []string{"GRANT pg_execute_server_program TO alpha_owner"}, super: 16,
			step: []string{"role/pg_execute_server_program/member/alpha_owner/revoke"}},
		{name: "neighbour by a superuser", do: []string{"GRANT alpha_app TO beta_app"}, super: 16,
			step: []string{"role/alpha_app/member/beta_app/revoke"}},
		{name: "neighbour by the platform", as: "platform_bootstrap", in: "zave",
			do:   []string{"GRANT alpha_readonly TO beta_readonly"},
			step: []string{"role/alpha_readonly/member/beta_readonly/revoke"}},
		{name: "in the neighbour's owner", as: "platform_bootstrap", in: "zave",
			do:   []string{"GRANT beta_owner TO alpha_migrator"},
			step: []string{"role/beta_owner/member/alpha_migrator/revoke"}},
		{name: "superuser's member", do: []string{"GRANT postgres TO alpha_app"}, super: 15,
			step: []string{"role/postgres/member/alpha_app/revoke"}},
		{name: "platform's member", before: 16, do: []string{"GRANT platform_bootstrap TO alpha_owner"},
			step: []string{"role/platform_bootstrap/member/alpha_owner/revoke"}},
		{name: "admin option, passed on", from: 16, do: []string{
			"SET ROLE platform_bootstrap", "GRANT alpha_owner TO alpha_migrator WITH ADMIN TRUE, INHERIT FALSE, SET TRUE",
			"SET ROLE alpha_migrator", "GRANT alpha_owner TO beta_migrator WITH ADMIN TRUE, INHERIT TRUE, SET TRUE",
			"SET ROLE beta_migrator", "GRANT alpha_owner TO beta_app",
		}, step: []string{"role/alpha_owner/member/alpha_migrator/admin/by/platform_bootstrap"}},
		{name: "admin option", before: 16, do: []string{"GRANT alpha_owner TO alpha_migrator WITH ADMIN OPTION",
			"GRANT alpha_owner TO beta_app"},
			step: []string{"role/alpha_owner/member/alpha_migrator/admin", "role/alpha_owner/member/beta_app/revoke"}},
		{name: "two grantors", from: 16, do: []string{
			"GRANT alpha_owner TO alpha_migrator WITH INHERIT TRUE", "SET ROLE platform_bootstrap",
			"GRANT alpha_owner TO alpha_migrator WITH INHERIT TRUE",
		}, super: 16, step: []string{"role/alpha_owner/member/alpha_migrator/revoke/by/postgres",
			"role/alpha_owner/member/alpha_migrator/grant"}},
		{name: "migrator is no member", do: []string{"SET ROLE platform_bootstrap", "REVOKE alpha_owner FROM alpha_migrator"},
			step: []string{"role/alpha_owner/member/alpha_migrator/grant"}},
		{name: "app_b is no member", do: []string{"SET ROLE platform_bootstrap", "REVOKE alpha_app FROM alpha_app_b"},
			step: []string{"role/alpha_app/member/alpha_app_b/grant"}},
		{name: "a stopped run", do: []string{"SET ROLE platform_bootstrap", "GRANT alpha_owner TO platform_bootstrap"},
			step: []string{"role/alpha_owner/member/platform_bootstrap/give-back"}},
		{name: "platform without admin", from: 16,
			do: []string{"REVOKE alpha_app FROM platform_bootstrap GRANTED BY postgres CASCADE"}, super: 16,
			step: []string{"role/alpha_app/admin"}},

		{name: "everything of one role", do: []string{
			"ALTER ROLE alpha_owner SUPERUSER REPLICATION BYPASSRLS CREATEROLE LOGIN " +
				"CONNECTION LIMIT 9 VALID UNTIL '2001-01-01'",
			"COMMENT ON ROLE alpha_owner IS 'zave: tenant alpha, spec older'", "ALTER ROLE alpha_owner SET role = postgres",
			"REVOKE alpha_owner FROM alpha_migrator CASCADE",
		}, super: 15, step: []string{"role/alpha_owner/superuser"}},

		// The database.
		{name: "everybody connects", do: []string{"GRANT CONNECT ON DATABASE db_alpha TO PUBLIC"},
			step: []string{"database/db_alpha/revoke/PUBLIC"}},
		{name: "everybody has temporary tables", do: []string{"GRANT TEMPORARY ON DATABASE db_alpha TO PUBLIC"},
			step: []string{"database/db_alpha/revoke/PUBLIC"}},
		{name: "neighbour connects", do: []string{"GRANT CONNECT ON DATABASE db_alpha TO beta_app"},
			step: []string{"database/db_alpha/revoke/beta_app"}},
		{name: "owner makes schemas", do: []string{"GRANT CREATE ON DATABASE db_alpha TO alpha_owner"},
			step: []string{"database/db_alpha/revoke/alpha_owner"}},
		{name: "connect is passed on", do: []string{
			"GRANT CONNECT ON DATABASE db_alpha TO alpha_app WITH GRANT OPTION", "SET ROLE alpha_app",
			"GRANT CONNECT ON DATABASE db_alpha TO beta_app",
		}, step: []string{"database/db_alpha/revoke/alpha_app/option"}},
		{name: "app does not connect", do: []string{"REVOKE CONNECT ON DATABASE db_alpha FROM alpha_app, alpha_app_a"},
			step: []string{"database/db_alpha/grant/connect"}},
		{name: "platform does not connect", do: []string{"REVOKE ALL ON DATABASE db_alpha FROM platform_bootstrap"},
			step: []string{"database/db_alpha/grant/owner"}},
		{name: "tenant's own database", do: []string{"ALTER DATABASE db_alpha OWNER TO alpha_owner"}, super: 15,
			step: []string{"database/db_alpha/owner"}},
		{name: "closed", do: []string{"ALTER DATABASE db_alpha ALLOW_CONNECTIONS false"},
			step: []string{"database/db_alpha/open"}},
		{name: "no limit", do: []string{"ALTER DATABASE db_alpha CONNECTION LIMIT -1"},
			step: []string{"database/db_alpha/limit"}},
		{name: "template", do: []string{"ALTER DATABASE db_alpha IS_TEMPLATE true"},
			step: []string{"database/db_alpha/template"}},
		{name: "no timeout", do: []string{"ALTER DATABASE db_alpha SET statement_timeout = 0"},
			step: []string{"database/db_alpha/setting/statement_timeout"}},
		{name: "other path", do: []string{"ALTER DATABASE db_alpha SET search_path = public, app"},
			step: []string{"database/db_alpha/setting/search_path"}},
		{name: "no limit of files", do: []string{"ALTER DATABASE db_alpha RESET temp_file_limit"},
			step: []string{"database/db_alpha/setting/temp_file_limit"}},
		{name: "all settings gone", do: []string{"ALTER DATABASE db_alpha RESET ALL"},
			step: []string{"database/db_alpha/setting/lock_timeout",
				"database/db_alpha/setting/idle_in_transaction_session_timeout", "database/db_alpha/setting/search_path"}},
		{name: "extra setting", do: []string{"ALTER DATABASE db_alpha SET work_mem = '1GB'"},
			step: []string{"database/db_alpha/setting/work_mem"}},
		{name: "library", do: []string{"ALTER DATABASE db_alpha SET session_preload_libraries = 'auto_explain'"}, super: 15,
			step: []string{"database/db_alpha/setting/session_preload_libraries"}},
		{name: "older database", do: []string{"COMMENT ON DATABASE db_alpha IS 'zave: tenant alpha, spec older'"},
			step: []string{"database/db_alpha/comment"}},

		// Schemas.
		{name: "public is open", in: alpha, do: []string{"GRANT ALL ON SCHEMA public TO PUBLIC"},
			step: []string{"database/db_alpha/schema/public/revoke/PUBLIC"}},
		{name: "public is the app's", in: alpha, do: []string{"GRANT CREATE ON SCHEMA public TO alpha_app"},
			step: []string{"database/db_alpha/schema/public/revoke/alpha_app"}},
		{name: "public is the owner's", in: alpha, do: []string{"ALTER SCHEMA public OWNER TO alpha_owner",
			"GRANT ALL ON SCHEMA public TO PUBLIC"},
			step: []string{"database/db_alpha/schema/public/owner", "database/db_alpha/schema/public/revoke/PUBLIC"}},
		{name: "schema of the platform's", in: alpha, do: []string{"ALTER SCHEMA app OWNER TO platform_bootstrap"},
			step: []string{"database/db_alpha/schema/app/owner"}},
		{name: "schema of the app's", in: alpha, do: []string{"ALTER SCHEMA app OWNER TO alpha_app"},
			step: []string{"database/db_alpha/schema/app/owner"}},
		{name: "schema of a superuser's", in: alpha, do: []string{"ALTER SCHEMA app OWNER TO postgres"}, super: 15,
			step: []string{"database/db_alpha/schema/app/owner"}},
		{name: "schema is gone", as: "owner", in: alpha, do: []string{"DROP SCHEMA app CASCADE"},
			step: []string{"database/db_alpha/schema/app/create", "database/db_alpha/schema/app/grant/usage"}},
		{name: "schema for everybody", as: "owner", in: alpha, do: []string{"GRANT USAGE ON SCHEMA app TO PUBLIC"},
			step: []string{"database/db_alpha/schema/app/revoke/PUBLIC"}},
		{name: "schema for the neighbour", as: "owner", in: alpha, do: []string{"GRANT USAGE ON SCHEMA app TO beta_app"},
			step: []string{"database/db_alpha/schema/app/revoke/beta_app"}},
		{name: "app makes tables", as: "owner", in: alpha, do: []string{"GRANT CREATE ON SCHEMA app TO alpha_app"},
			step: []string{"database/db_alpha/schema/app/revoke/alpha_app"}},
		{name: "reader is shut out", as: "owner", in: alpha, do: []string{"REVOKE USAGE ON SCHEMA app FROM alpha_readonly"},
			step: []string{"database/db_alpha/schema/app/grant/usage"}},
		{name: "extensions for everybody", in: alpha, do: []string{"GRANT USAGE ON SCHEMA extensions TO PUBLIC"},
			step: []string{"database/db_alpha/schema/extensions/revoke/PUBLIC"}},
		{name: "extensions are the owner's", in: alpha,
			do:   []string{"GRANT CREATE ON SCHEMA extensions TO alpha_owner WITH GRANT OPTION"},
			step: []string{"database/db_alpha/schema/extensions/revoke/alpha_owner"}},
		{name: "extensions change hands", in: alpha, do: []string{"ALTER SCHEMA extensions OWNER TO alpha_owner"},
			step: []string{"database/db_alpha/schema/extensions/owner"}},
		{name: "extension is gone", in: alpha, do: []string{"DROP EXTENSION pgcrypto"},
			step: []string{"database/db_alpha/extension/pgcrypto/create"}},

		// Default privileges.
		{name: "functions for everybody", as: "owner", in: alpha,
			do:   []string{"ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC"},
			step: []string{"database/db_alpha/default/alpha_owner//functions/revoke/PUBLIC"}},
		{name: "functions for everybody in the schema", as: "owner", in: alpha,
			do:   []string{"ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT EXECUTE ON FUNCTIONS TO PUBLIC"},
			step: []string{"database/db_alpha/default/alpha_owner/app/functions/revoke/PUBLIC"}},
		{name: "types for everybody", as: "owner", in: alpha,
			do:   []string{"ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO PUBLIC"},
			step: []string{"database/db_alpha/default/alpha_owner//types/revoke/PUBLIC"}},
		{name: "tables for everybody", as: "owner", in: alpha,
			do:   []string{"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC"},
			step: []string{"database/db_alpha/default/alpha_owner//tables/revoke/PUBLIC"}},
		{name: "tables for the neighbour", as: "owner", in: alpha,
			do:   []string{"ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO beta_app WITH GRANT OPTION"},
			step: []string{"database/db_alpha/default/alpha_owner/app/tables/revoke/beta_app"}},
		{name: "the app's default privileges", as: "alpha_app", in: alpha,
			do:   []string{"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO beta_app"},
			step: []string{"database/db_alpha/default/alpha_app//tables/revoke/beta_app"}},
		{name: "a superuser's default privileges", in: alpha,
			do: []string{"ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT ALL ON TABLES TO PUBLIC"}, super: 15,
			step: []string{"database/db_alpha/default/postgres/app/tables/revoke/PUBLIC"}},
		{name: "the platform's default privileges", in: alpha,
			do:   []string{"ALTER DEFAULT PRIVILEGES FOR ROLE platform_bootstrap GRANT ALL ON SCHEMAS TO alpha_app"},
			step: []string{"database/db_alpha/default/platform_bootstrap//schemas/revoke/alpha_app"}},
		{name: "no backup of new tables", as: "owner", in: alpha,
			do:   []string{"ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE SELECT ON TABLES FROM alpha_backup"},
			step: []string{"database/db_alpha/default/alpha_owner/app/tables/grant/select"}},

		{name: "large objects for the neighbour", from: 18, as: "alpha_app_a", in: alpha,
			do:   []string{"ALTER DEFAULT PRIVILEGES GRANT ALL ON LARGE OBJECTS TO beta_app"},
			step: []string{"database/db_alpha/default/alpha_app_a//large objects/revoke/beta_app"}},
		{name: "large objects are not backed up", from: 18, as: "alpha_app", in: alpha,
			do:   []string{"ALTER DEFAULT PRIVILEGES REVOKE ALL ON LARGE OBJECTS FROM alpha_backup"},
			step: []string{"database/db_alpha/default/alpha_app//large objects/grant/select"}},

		// Objects.
		{name: "table for everybody", as: "owner", in: alpha, do: []string{"GRANT SELECT, UPDATE ON app.orders TO PUBLIC"},
			step: []string{`database/db_alpha/table/"app"."orders"/revoke/PUBLIC`}},
		{name: "table for the neighbour", as: "owner", in: alpha,
			do:   []string{"GRANT ALL ON app.orders TO beta_app WITH GRANT OPTION"},
			step: []string{`database/db_alpha/table/"app"."orders"/revoke/beta_app`}},
		{name: "table for the system's roles", as: "owner", in: alpha,
			do:   []string{"GRANT SELECT ON app.orders TO pg_monitor"},
			step: []string{`database/db_alpha/table/"app"."orders"/revoke/pg_monitor`}},
		{name: "reader writes", as: "owner", in: alpha, do: []string{"GRANT INSERT ON app.orders TO alpha_readonly"},
			step: []string{`database/db_alpha/table/"app"."orders"/revoke/alpha_readonly`}},
		{name: "table is passed on", as: "owner", in: alpha, do: []string{
			"GRANT SELECT ON app.orders TO alpha_app WITH GRANT OPTION", "RESET ROLE", "SET ROLE alpha_owner",
		}, step: []string{`database/db_alpha/table/"app"."orders"/revoke/alpha_app/option`}},
		{name: "table is not backed up", as: "owner", in: alpha,
			do:   []string{"REVOKE SELECT ON app.orders FROM alpha_backup"},
			step: []string{`database/db_alpha/table/"app"."orders"/grant/select`}},
		{name: "column for everybody", as: "owner", in: alpha,
			do: []string{`GRANT SELECT (id), UPDATE (id, "the ""name""") ON app.orders TO PUBLIC`},
			step: []string{`database/db_alpha/column/"app"."orders"."id"/revoke/PUBLIC`,
				`database/db_alpha/column/"app"."orders"."the ""name"""/revoke/PUBLIC`}},
		{name: "sequence for everybody", as: "owner", in: alpha, do: []string{"GRANT USAGE ON app.orders_id_seq TO PUBLIC"},
			step: []string{`database/db_alpha/sequence/"app"."orders_id_seq"/revoke/PUBLIC`}},
		{name: "function for everybody", as: "owner", in: alpha,
			do:   []string{"GRANT EXECUTE ON FUNCTION app.total TO PUBLIC"},
			step: []string{`database/db_alpha/function/"app"."total"(integer, app.money2)/revoke/PUBLIC`}},
		{name: "procedure for everybody", as: "owner", in: alpha,
			do:   []string{"GRANT EXECUTE ON PROCEDURE app.work TO beta_app"},
			step: []string{`database/db_alpha/function/"app"."work"(integer)/revoke/beta_app`}},
		{name: "aggregate for everybody", as: "owner", in: alpha,
			do:   []string{"GRANT EXECUTE ON FUNCTION app.everything TO PUBLIC"},
			step: []string{`database/db_alpha/function/"app"."everything"(integer)/revoke/PUBLIC`}},
		{name: "type for everybody", as: "owner", in: alpha, do: []string{"GRANT USAGE ON TYPE app.mood TO PUBLIC"},
			step: []string{`database/db_alpha/type/"app"."mood"/revoke/PUBLIC`}},
		{name: "domain for the neighbour", as: "owner", in: alpha,
			do:   []string{"GRANT USAGE ON DOMAIN app.money2 TO beta_owner"},
			step: []string{`database/db_alpha/type/"app"."money2"/revoke/beta_owner`}},
		{name: "the app's own table", in: alpha, do: []string{
			"GRANT CREATE ON SCHEMA app TO alpha_app", "SET ROLE alpha_app", "CREATE TABLE app.own (id serial, state text)",
			"CREATE FUNCTION app.own_function(app.mood) RETURNS int LANGUAGE sql AS 'SELECT 1'",
		}, step: []string{
			`database/db_alpha/table/"app"."own"/owner`, `database/db_alpha/table/"app"."own"/grant/select`,
			`database/db_alpha/function/"app"."own_function"(app.mood)/owner`,
			`database/db_alpha/function/"app"."own_function"(app.mood)/revoke/PUBLIC`,
			`database/db_alpha/function/"app"."own_function"(app.mood)/grant/execute`,
		}},
		{name: "a superuser's objects", in: alpha, super: 15, do: []string{
			"CREATE TABLE app.left (id bigint GENERATED ALWAYS AS IDENTITY, by_hand int)",
			"CREATE VIEW app.seen AS SELECT 1 AS one",
			"CREATE MATERIALIZED VIEW app.kept AS SELECT 1 AS one", "CREATE SEQUENCE app.counter",
			"CREATE TYPE app.pair AS (a int, b int)",
			"CREATE TYPE app.span AS RANGE (subtype = int)",
			"CREATE DOMAIN app.small AS int",
			"CREATE PROCEDURE app.by_hand(INOUT a int, b text DEFAULT '') LANGUAGE sql AS 'SELECT 1'",
			"CREATE AGGREGATE app.last(int) (sfunc = int4larger, stype = int)",
			"CREATE AGGREGATE app.none(*) (sfunc = int8inc, stype = int8, initcond = 0)",
			"CREATE AGGREGATE app.share(float8 ORDER BY float8) (sfunc = ordered_set_transition, " +
				"stype = internal, finalfunc = percentile_cont_float8_final)",
			"CREATE FUNCTION app.many(VARIADIC anyarray, OUT a int) LANGUAGE sql AS 'SELECT 1'",
			"CREATE PROCEDURE app.gives(OUT a int, b app.mood) LANGUAGE sql AS 'SELECT 1'",
			"CREATE TABLE app.parts (id int) PARTITION BY LIST (id)", "CREATE TABLE app.part PARTITION OF app.parts DEFAULT",
			"GRANT ALL ON ALL TABLES IN SCHEMA app TO PUBLIC", "GRANT ALL ON ALL ROUTINES IN SCHEMA app TO beta_app",
		}, step: []string{
			`database/db_alpha/table/"app"."left"/owner`, `database/db_alpha/view/"app"."seen"/owner`,
			`database/db_alpha/materialized view/"app"."kept"/owner`, `database/db_alpha/sequence/"app"."counter"/owner`,
			`database/db_alpha/type/"app"."pair"/owner`, `database/db_alpha/type/"app"."span"/owner`,
			`database/db_alpha/domain/"app"."small"/owner`,
			`database/db_alpha/procedure/"app"."by_hand"(integer, text)/owner`,
			`database/db_alpha/aggregate/"app"."last"(integer)/owner`,
			`database/db_alpha/aggregate/"app"."none"()/owner`, `database/db_alpha/table/"app"."parts"/revoke/PUBLIC`,
			`database/db_alpha/function/"app"."many"(anyarray)/revoke/beta_app`,
		}},
		{name: "the platform's objects", in: alpha, do: []string{
			"GRANT CREATE, USAGE ON SCHEMA app TO platform_bootstrap", "SET ROLE platform_bootstrap",
			"CREATE TABLE app.mine (id int)",
			"CREATE VIEW app.mine_seen AS SELECT 1 AS one",
		}, step: []string{`database/db_alpha/table/"app"."mine"/owner`, `database/db_alpha/view/"app"."mine_seen"/owner`,
			"database/db_alpha/schema/app/revoke/platform_bootstrap"}},
		{name: "a table from before", as: "owner", in: alpha, do: []string{
			"ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE ALL ON TABLES FROM alpha_app, alpha_readonly, alpha_backup",
			"CREATE TABLE app.before (id int)",
		}, step: []string{
			`database/db_alpha/table/"app"."before"/grant/select`,
			`database/db_alpha/table/"app"."before"/grant/select+insert+update+delete`,
		}},

		// The instance.
		{name: "postgres is open", instance: true, do: []string{"GRANT CONNECT, TEMPORARY ON DATABASE postgres TO PUBLIC"},
			step: []string{"database/postgres/revoke/PUBLIC"}},
		{name: "template1 is open", instance: true, do: []string{"GRANT CONNECT ON DATABASE template1 TO PUBLIC"},
			step: []string{"database/template1/revoke/PUBLIC"}},
		{name: "tenant in postgres", instance: true, do: []string{"GRANT CONNECT ON DATABASE postgres TO alpha_app"},
			step: []string{"database/postgres/revoke/alpha_app"}},
		{name: "tenant at the lock", instance: true, do: []string{"GRANT CONNECT ON DATABASE zave TO alpha_app"},
			step: []string{"database/zave/revoke/alpha_app"}},
		{name: "everybody at the lock", instance: true, do: []string{"GRANT ALL ON DATABASE zave TO PUBLIC"},
			step: []string{"database/zave/revoke/PUBLIC"}},
		{name: "the lock's database closed", instance: true, do: []string{"ALTER DATABASE zave ALLOW_CONNECTIONS false"},
			step: []string{"database/zave/open"}},
		{name: "the lock's database changed hands", instance: true, do: []string{"ALTER DATABASE zave OWNER TO postgres"},
			step: []string{"database/zave/owner"}},
		{name: "the platform is a superuser", instance: true,
			do: []string{"ALTER ROLE platform_bootstrap SUPERUSER BYPASSRLS REPLICATION"},
			step: []string{"role/platform_bootstrap/superuser", "role/platform_bootstrap/bypassrls",
				"role/platform_bootstrap/replication"}},
		{name: "the platform makes nothing", instance: true,
			do: []string{"ALTER ROLE platform_bootstrap NOCREATEROLE NOCREATEDB NOLOGIN"},
			step: []string{"role/platform_bootstrap/createrole", "role/platform_bootstrap/createdb",
				"role/platform_bootstrap/open"}},
		{name: "the platform's settings", instance: true, do: []string{"ALTER ROLE platform_bootstrap RESET ALL"},
			step: []string{"role/platform_bootstrap/setting/search_path"}},
		{name: "self-grant", from: 16, instance: true,
			do:   []string{"ALTER ROLE platform_bootstrap SET createrole_self_grant = 'set, inherit'"},
			step: []string{"role/platform_bootstrap/setting/createrole_self_grant"}},
		{name: "no limit to set", instance: true,
			do:   []string{"REVOKE SET ON PARAMETER temp_file_limit FROM platform_bootstrap"},
			step: []string{"parameters/platform_bootstrap"}},
	}
}

// TestDrift: whatever somebody does to a server that is as desired is found, by name, and righted, by the platform's
// role wherever that one may; and nothing else is touched.
func TestDrift(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		objects := func(t *testing.T) {
			ownerExec(t, p, "alpha",
				"CREATE DOMAIN app.money2 AS numeric", "CREATE TYPE app.mood AS ENUM ('good', 'bad')",
				`CREATE TABLE app.orders (id serial PRIMARY KEY, "the ""name""" text)`,
				"CREATE VIEW app.recent AS SELECT id FROM app.orders",
				"CREATE FUNCTION app.total(a int, b app.money2) RETURNS int LANGUAGE sql AS 'SELECT 1'",
				"CREATE PROCEDURE app.work(INOUT a int) LANGUAGE sql AS 'SELECT 1'",
				"CREATE AGGREGATE app.everything(int) (sfunc = int4pl, stype = int)",
			)
		}
		objects(t)
		p.clean(t)
		for _, d := range drifts() {
			if d.from > major || d.before > 0 && d.before <= major {
				continue
			}
			t.Run(d.name, func(t *testing.T) {
				switch d.as {
				case "":
					p.Exec(t, cmpOr(d.in, "postgres"), d.do...)
				case "owner":
					ownerExec(t, p, "alpha", d.do...)
				default:
					p.execAs(t, d.as, d.in, d.do...)
				}
				o := state.Options{Instance: d.instance}
				s := p.platform(t)
				super := d.instance || d.super > 0 && d.super <= major
				if super {
					if !d.instance {
						refusedWithout(t, p, d)
					}
					s = p.superuser(t)
				}
				// Whether passwords are right is asked only where it matters: it takes a login each.
				var c Credentials
				if strings.Contains(d.name, "password") {
					c = p.credentials
				}
				plan, _, err := s.Plan(t.Context(), p.want, o, c)
				if err != nil {
					t.Fatal(err)
				}
				for i, want := range d.step {
					if super && !d.instance && i > 0 {
						break // the platform's role has righted what it could
					}
					if !slices.ContainsFunc(plan.Steps, func(s state.Step) bool { return strings.HasPrefix(s.ID, want) }) {
						t.Errorf("no step %s in the plan:\n%s", want, shown(plan.Steps))
					}
				}
				for _, step := range plan.Steps {
					if step.Tenant == "beta" && !slices.ContainsFunc(d.step, func(id string) bool {
						return strings.Contains(id,
							"beta")
					}) {
						t.Errorf("the neighbour is touched: %s", step.ID)
					}
				}
				if _, err := s.Apply(t.Context(), p.want, ApplyOptions{Options: o, Credentials: c}); err != nil {
					t.Fatal(err)
				}
				// A superuser sees all that the platform's role does, and the instance.
				left, _, err := p.superuser(t).Plan(t.Context(), p.want, state.Options{Instance: true}, c)
				if err != nil {
					t.Fatal(err)
				}
				if !left.Empty() {
					t.Errorf("after it was righted, there is still to do:\n%s", shown(left.Steps))
				}
				if d.name == "schema is gone" {
					objects(t)
				}
			})
		}
		p.clean(t)
	})
}

// refusedWithout sees to it that what takes a superuser is a finding for anybody else.
func refusedWithout(t *testing.T, p *prepared, d drift) {
	t.Helper()
	plan, _, err := p.platform(t).Plan(t.Context(), p.want, state.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := slices.ContainsFunc(plan.Findings, func(f state.Finding) bool {
		return f.ID == "needs-superuser" && strings.HasPrefix(f.Object, d.step[0])
	})
	if !found {
		t.Errorf("nobody says that it takes a superuser: findings %+v, refusals %+v", plan.Findings, plan.Refusals)
	}
	// It does what it may, and does not fail over the rest.
	if _, err := p.platform(t).Apply(t.Context(), p.want, ApplyOptions{}); err != nil {
		t.Error(err)
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// execAs runs statements as a role that logs in.
func (p *prepared) execAs(t *testing.T, role, database string, statements ...string) {
	t.Helper()
	ctx := context.Background()
	if p.credentials[role] == "" {
		p.Exec(t, "postgres", "ALTER ROLE "+state.Ident(role)+" PASSWORD 'of a rotation'")
		p.credentials[role] = "of a rotation"
		defer delete(p.credentials, role)
	}
	conn, err := p.platform(t).Login(ctx, database, role, p.credentials[role])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, q := range statements {
		if _, err := conn.PgConn().Exec(ctx, q).ReadAll(); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// ownerExec runs statements as a tenant's migrations do.
func ownerExec(t *testing.T, p *prepared, tenant string, statements ...string) {
	t.Helper()
	p.execAs(t, tenant+"_migrator", "db_"+tenant, slices.Concat([]string{"SET ROLE " + tenant + "_owner"}, statements)...)
}

// TestEvict: a session outlives the REVOKE of the right to connect, and is ended.
func TestEvict(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		ctx := t.Context()
		s := p.platform(t)
		p.Exec(t, "postgres", "GRANT CONNECT ON DATABASE db_alpha TO beta_app",
			"GRANT CONNECT ON DATABASE postgres, template1 TO alpha_app")
		var sessions []*Conn
		for _, at := range [][2]string{{"db_alpha", "beta_app"}, {"postgres", "alpha_app"}, {"template1", "alpha_app"},
			{"db_alpha", "alpha_app"}} {
			conn, err := s.Login(ctx, at[0], at[1], p.credentials[at[1]])
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(ctx)
			sessions = append(sessions, conn)
		}
		p.Exec(t, "postgres", "REVOKE CONNECT ON DATABASE db_alpha FROM beta_app",
			"REVOKE CONNECT ON DATABASE postgres, template1 FROM alpha_app")
		done := p.apply(t)
		ended := 0
		for _, step := range done.Plan.Steps {
			if strings.HasPrefix(step.ID, "session/") {
				ended++
				if !step.Destructive {
					t.Errorf("%s is not said to be destructive", step.ID)
				}
			}
		}
		if ended != 3 {
			t.Errorf("%d sessions are planned to end, not 3:\n%s", ended, shown(done.Plan.Steps))
		}
		for i, conn := range sessions {
			err := conn.Ping(ctx)
			if own := i == 3; own != (err == nil) {
				t.Errorf("session %d after the run: %v", i, err)
			}
		}
		p.clean(t)
	})
}

// TestDrop: nothing is dropped but what was named, is a tenant's, and is in no spec; sessions in it are ended.
func TestDrop(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate())
		p.apply(t)
		beta := p.want.Tenants[1]
		p.want.Tenants = p.want.Tenants[:1]
		if done := p.apply(t); done.Steps != 0 {
			t.Errorf("a tenant that is not in the specs is touched:\n%s", shown(done.Plan.Steps))
		}
		p.Exec(t, "postgres", "CREATE DATABASE another", "CREATE ROLE another_role")
		ctx := t.Context()
		drop := func(names ...string) (*Applied, error) {
			return p.platform(t).Apply(ctx, p.want, ApplyOptions{Options: state.Options{AllowDrop: names},
				Credentials: p.credentials})
		}
		for _, name := range []string{"another", "another_role", "postgres", "db_alpha", "alpha_app", "zave",
			"platform_bootstrap"} {
			if done, err := drop(beta.Database, name); err == nil || done.Steps != 0 || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
		conn, err := p.platform(t).Login(ctx, beta.Database, beta.Roles.App, p.credentials[beta.Roles.App])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		done, err := drop(append(beta.Roles.All(), beta.Database, "nothing", "db_beta")...)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range done.Plan.Steps {
			if step.Tenant != "beta" || !step.Destructive && !strings.Contains(step.ID, "/member/platform_bootstrap/") {
				t.Errorf("%+v", step)
			}
		}
		left := p.Rows(t, "postgres", `SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'beta%'
			UNION ALL SELECT datname FROM pg_database WHERE datname LIKE '%beta'`)
		if len(left) > 0 {
			t.Errorf("there is still %q", left)
		}
		if conn.Ping(ctx) == nil {
			t.Error("the session in the dropped database goes on")
		}
		p.clean(t)
	})
}

// TestAdopt: what somebody made by hand is refused, until it is named to be taken over; then the tenant's data stay,
// and all else becomes as it is to be.
func TestAdopt(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"))
		p.Exec(t, "postgres", "CREATE ROLE alpha_owner", "CREATE ROLE alpha_app LOGIN CREATEDB PASSWORD 'theirs'",
			"ALTER ROLE alpha_app SET work_mem = '1GB'", "GRANT alpha_owner TO alpha_app", "CREATE ROLE legacy LOGIN",
			"GRANT pg_monitor TO alpha_app", "CREATE DATABASE db_alpha OWNER alpha_owner",
			"GRANT ALL ON DATABASE db_alpha TO legacy")
		p.Exec(t, "db_alpha", "CREATE SCHEMA app AUTHORIZATION alpha_app", "SET ROLE alpha_app",
			"CREATE TYPE app.state AS ENUM ('new')",
			"CREATE TABLE app.orders (id serial PRIMARY KEY, s app.state)", "INSERT INTO app.orders (s) VALUES ('new')",
			"CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "GRANT ALL ON ALL TABLES IN SCHEMA app TO PUBLIC",
			"ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT ALL ON TABLES TO legacy", "RESET ROLE",
			"CREATE TABLE app.by_a_superuser (id int)", "CREATE EXTENSION pgcrypto SCHEMA public")
		ctx := t.Context()
		apply := func(s *Server, adopt ...string) (*Applied, error) {
			return s.Apply(ctx, p.want, ApplyOptions{Options: state.Options{Adopt: adopt}, Credentials: p.credentials})
		}
		_, err := apply(p.superuser(t), "alpha_owner")
		if err == nil || !strings.Contains(err.Error(), "alpha_app") || !strings.Contains(err.Error(), "db_alpha") ||
			strings.Contains(err.Error(), "alpha_owner exists") {
			t.Errorf("refused: %v", err)
		}
		all := []string{"alpha_owner", "alpha_app", "db_alpha"}
		done, err := apply(p.platform(t), all...)
		if err != nil {
			t.Errorf("by the platform's role: %v", err)
		}
		if !slices.ContainsFunc(done.Plan.Findings, func(f state.Finding) bool {
			return f.ID == "needs-superuser" && f.Object == "database/db_alpha/owner"
		}) {
			t.Errorf("nobody says that the database takes a superuser: %+v", done.Plan.Findings)
		}
		done, err = apply(p.superuser(t), all...)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(done.Plan.Findings, func(f state.Finding) bool { return f.ID == "extension-schema" }) {
			t.Errorf("nobody says where the extension is: %+v", done.Plan.Findings)
		}
		p.clean(t)
		if again := p.apply(t); again.Steps != 0 {
			t.Errorf("adopted, it is still to be changed:\n%s", shown(again.Plan.Steps))
		}
		if got := p.Rows(t, "db_alpha", "SELECT s::text FROM app.orders"); !slices.Equal(got, []string{"new"}) {
			t.Errorf("the tenant's data: %q", got)
		}
		p.execAs(t, "alpha_app", "db_alpha", "INSERT INTO app.orders (s) VALUES ('new')", "SELECT app.f()")
	})
}
