-- Bootstrap of the tenant books, cluster main, for psql 15 or newer. It may be run again, and drops nothing. Passwords
-- are SCRAM verifiers from the environment.
\set ON_ERROR_STOP on
\set QUIET on
\set ECHO none
\set SHOW_CONTEXT never

-- The shell looks at it, so that nothing but a verifier is ever sent to the server.
\set is_verifier `case "$APP_VERIFIER" in 'SCRAM-SHA-256$'*) echo true;; *) echo false;; esac`
\if :is_verifier
\getenv app_verifier APP_VERIFIER
\else
\warn 'zave: APP_VERIFIER holds no SCRAM verifier: it has to begin with SCRAM-SHA-256$, as `zave db verifier` makes it'
DO 'BEGIN RAISE EXCEPTION USING MESSAGE = ''APP_VERIFIER holds no SCRAM verifier: it has to begin with SCRAM-SHA-256$, as `zave db verifier` makes it''; END';
\endif

-- The shell looks at it, so that nothing but a verifier is ever sent to the server.
\set is_verifier `case "$BACKUP_VERIFIER" in 'SCRAM-SHA-256$'*) echo true;; *) echo false;; esac`
\if :is_verifier
\getenv backup_verifier BACKUP_VERIFIER
\else
\warn 'zave: BACKUP_VERIFIER holds no SCRAM verifier: it has to begin with SCRAM-SHA-256$, as `zave db verifier` makes it'
DO 'BEGIN RAISE EXCEPTION USING MESSAGE = ''BACKUP_VERIFIER holds no SCRAM verifier: it has to begin with SCRAM-SHA-256$, as `zave db verifier` makes it''; END';
\endif

-- The shell looks at it, so that nothing but a verifier is ever sent to the server.
\set is_verifier `case "$MIGRATOR_VERIFIER" in 'SCRAM-SHA-256$'*) echo true;; *) echo false;; esac`
\if :is_verifier
\getenv migrator_verifier MIGRATOR_VERIFIER
\else
\warn 'zave: MIGRATOR_VERIFIER holds no SCRAM verifier: it has to begin with SCRAM-SHA-256$, as `zave db verifier` makes it'
DO 'BEGIN RAISE EXCEPTION USING MESSAGE = ''MIGRATOR_VERIFIER holds no SCRAM verifier: it has to begin with SCRAM-SHA-256$, as `zave db verifier` makes it''; END';
\endif

-- The shell looks at it, so that nothing but a verifier is ever sent to the server.
\set is_verifier `case "$READONLY_VERIFIER" in 'SCRAM-SHA-256$'*) echo true;; *) echo false;; esac`
\if :is_verifier
\getenv readonly_verifier READONLY_VERIFIER
\else
\warn 'zave: READONLY_VERIFIER holds no SCRAM verifier: it has to begin with SCRAM-SHA-256$, as `zave db verifier` makes it'
DO 'BEGIN RAISE EXCEPTION USING MESSAGE = ''READONLY_VERIFIER holds no SCRAM verifier: it has to begin with SCRAM-SHA-256$, as `zave db verifier` makes it''; END';
\endif

\connect -reuse-previous=on dbname=zave
SET client_min_messages = 'warning';
SET search_path = pg_catalog, pg_temp;
SET statement_timeout = 0;
SELECT pg_advisory_lock(2053207653) IS NULL AS locked \gset
SELECT current_setting('server_version_num')::int >= 150000 AS from_15,
	current_setting('server_version_num')::int >= 160000 AS from_16,
	current_setting('server_version_num')::int >= 170000 AS from_17,
	current_setting('server_version_num')::int >= 180000 AS from_18 \gset
\if :from_15 \else
\warn 'zave: the server is older than PostgreSQL 15'
DO 'BEGIN RAISE EXCEPTION USING MESSAGE = ''the server is older than PostgreSQL 15''; END';
\endif

-- What is somebody else's is not taken over.
DO 'DECLARE foreign_one text;
BEGIN
	SELECT w.kind || '' '' || w.name INTO foreign_one
	FROM (VALUES
		(''role'', ''books_owner'', ''zave: tenant books, spec ''),
		(''role'', ''books_migrator'', ''zave: tenant books, spec ''),
		(''role'', ''books_app'', ''zave: tenant books, spec ''),
		(''role'', ''books_app_a'', ''zave: tenant books, spec ''),
		(''role'', ''books_app_b'', ''zave: tenant books, spec ''),
		(''role'', ''books_readonly'', ''zave: tenant books, spec ''),
		(''role'', ''books_backup'', ''zave: tenant books, spec ''),
		(''database'', ''db_books'', ''zave: tenant books, spec '')
	) AS w (kind, name, mark)
	LEFT JOIN pg_catalog.pg_roles AS r ON w.kind = ''role'' AND r.rolname = w.name
	LEFT JOIN pg_catalog.pg_database AS d ON w.kind = ''database'' AND d.datname = w.name
	LEFT JOIN pg_catalog.pg_shdescription AS c ON c.objoid = coalesce(r.oid, d.oid)
		AND c.classoid = CASE w.kind WHEN ''role'' THEN 1260 ELSE 1262 END
	WHERE (r.oid IS NOT NULL OR d.oid IS NOT NULL)
		AND NOT coalesce(pg_catalog.starts_with(c.description, w.mark), false)
		AND NOT coalesce(c.description IS NULL AND NOT r.rolcanlogin AND r.rolconnlimit = 0, false)
		AND NOT coalesce(c.description IS NULL AND pg_catalog.pg_get_userbyid(d.datdba) = ''platform_bootstrap'', false)
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION ''the % exists and is not zave''''s, or another tenant''''s'', foreign_one;
	END IF;
END';

-- The tenant books.
SET ROLE "platform_bootstrap";
-- there is no role books_owner, which owns the schema app and never logs in
SELECT 'CREATE ROLE "books_owner" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0'
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'books_owner') \gexec
-- the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_owner" IS 'zave: tenant books, spec c0ffee';
-- there is no role books_migrator, which may become books_owner, and has no rights of its own
SELECT 'CREATE ROLE "books_migrator" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0'
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'books_migrator') \gexec
-- the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_migrator" IS 'zave: tenant books, spec c0ffee';
-- there is no role books_app, which reads and writes rows
SELECT 'CREATE ROLE "books_app" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0'
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'books_app') \gexec
-- the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_app" IS 'zave: tenant books, spec c0ffee';
-- there is no role books_app_a, which takes turns with books_app_b as books_app when credentials rotate
SELECT 'CREATE ROLE "books_app_a" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0'
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'books_app_a') \gexec
-- the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_app_a" IS 'zave: tenant books, spec c0ffee';
-- there is no role books_app_b, which takes turns with books_app_a as books_app when credentials rotate
SELECT 'CREATE ROLE "books_app_b" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0'
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'books_app_b') \gexec
-- the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_app_b" IS 'zave: tenant books, spec c0ffee';
-- there is no role books_readonly, which reads rows
SELECT 'CREATE ROLE "books_readonly" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0'
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'books_readonly') \gexec
-- the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_readonly" IS 'zave: tenant books, spec c0ffee';
-- there is no role books_backup, which reads all rows, for dumps
SELECT 'CREATE ROLE "books_backup" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0'
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'books_backup') \gexec
-- the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_backup" IS 'zave: tenant books, spec c0ffee';
-- there is no database db_books; it stays closed until it is locked down
SELECT 'CREATE DATABASE "db_books" OWNER "platform_bootstrap" TEMPLATE template0 ALLOW_CONNECTIONS false CONNECTION LIMIT 20'
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = 'db_books') \gexec
-- everybody holds CONNECT, TEMPORARY on the database db_books
REVOKE CONNECT, TEMPORARY ON DATABASE "db_books" FROM PUBLIC;
-- the database db_books has no idle_in_transaction_session_timeout of its own, and is to have 60s
ALTER DATABASE "db_books" SET idle_in_transaction_session_timeout = '60s';
-- the database db_books has no lock_timeout of its own, and is to have 10s
ALTER DATABASE "db_books" SET lock_timeout = '10s';
-- the database db_books has no search_path of its own, and is to have "app", "extensions"
ALTER DATABASE "db_books" SET search_path = "app", "extensions";
-- the database db_books has no statement_timeout of its own, and is to have 30s
ALTER DATABASE "db_books" SET statement_timeout = '30s';
-- the database db_books has no temp_file_limit of its own, and is to have 2GB
SELECT 'ALTER DATABASE "db_books" SET temp_file_limit = ''2GB'''
	WHERE NOT EXISTS (SELECT WHERE NOT pg_catalog.has_parameter_privilege('temp_file_limit', 'SET')) \gexec
\if :from_17
-- the database db_books has no transaction_timeout of its own, and is to have 1h
ALTER DATABASE "db_books" SET transaction_timeout = '1h';
\endif
SET ROLE "platform_bootstrap";
-- the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON DATABASE "db_books" IS 'zave: tenant books, spec c0ffee';
-- the database db_books is closed to everybody but the platform and superusers, and can be used
ALTER DATABASE "db_books" ALLOW_CONNECTIONS true;
-- books_migrator is not a member of books_owner, which it becomes to change the schema
\if :from_16
GRANT "books_owner" TO "books_migrator" WITH INHERIT FALSE, SET TRUE;
\else
GRANT "books_owner" TO "books_migrator";
\endif
-- books_app_a is not a member of books_app, whose rights it has
\if :from_16
GRANT "books_app" TO "books_app_a" WITH INHERIT TRUE, SET FALSE;
\else
GRANT "books_app" TO "books_app_a";
\endif
-- books_app_b is not a member of books_app, whose rights it has
\if :from_16
GRANT "books_app" TO "books_app_b" WITH INHERIT TRUE, SET FALSE;
\else
GRANT "books_app" TO "books_app_b";
\endif
\if :from_18
-- platform_bootstrap acts as books_app for what follows
GRANT "books_app" TO "platform_bootstrap" WITH INHERIT FALSE, SET TRUE;
-- platform_bootstrap acts as books_app_a for what follows
GRANT "books_app_a" TO "platform_bootstrap" WITH INHERIT FALSE, SET TRUE;
-- platform_bootstrap acts as books_app_b for what follows
GRANT "books_app_b" TO "platform_bootstrap" WITH INHERIT FALSE, SET TRUE;
\endif
SET ROLE "platform_bootstrap";
-- platform_bootstrap acts as books_owner for what follows
\if :from_16
GRANT "books_owner" TO "platform_bootstrap" WITH INHERIT FALSE, SET TRUE;
\else
GRANT "books_owner" TO "platform_bootstrap";
\endif

\connect -reuse-previous=on dbname=db_books
SET client_min_messages = 'warning';
SET search_path = pg_catalog, pg_temp;
SET statement_timeout = 0;
SET ROLE "platform_bootstrap";
-- everybody holds USAGE on the schema public
REVOKE USAGE ON SCHEMA "public" FROM PUBLIC;
-- there is no schema app, which the tenant's tables lie in
CREATE SCHEMA IF NOT EXISTS "app" AUTHORIZATION "books_owner";
SET ROLE "books_owner";
-- books_app, books_backup, books_readonly lack USAGE on the schema app
GRANT USAGE ON SCHEMA "app" TO "books_app", "books_backup", "books_readonly";
SET ROLE "platform_bootstrap";
-- there is no schema extensions, which the extensions lie in
CREATE SCHEMA IF NOT EXISTS "extensions" AUTHORIZATION "platform_bootstrap";
-- books_app, books_backup, books_migrator, books_owner, books_readonly lack USAGE on the schema extensions
GRANT USAGE ON SCHEMA "extensions" TO "books_app", "books_backup", "books_migrator", "books_owner", "books_readonly";
-- the extension pgcrypto is on the tenant's list and not installed
CREATE EXTENSION IF NOT EXISTS "pgcrypto" SCHEMA "extensions";
SET ROLE "books_owner";
-- everybody gets EXECUTE on the functions that books_owner will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
-- everybody gets USAGE on the types that books_owner will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" REVOKE USAGE ON TYPES FROM PUBLIC;
-- books_backup, books_readonly lack SELECT on the tables that books_owner will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT SELECT ON TABLES TO "books_backup", "books_readonly";
-- books_app lacks SELECT, INSERT, UPDATE, DELETE on the tables that books_owner will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "books_app";
-- books_backup, books_readonly lack SELECT on the sequences that books_owner will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT SELECT ON SEQUENCES TO "books_backup", "books_readonly";
-- books_app lacks USAGE, SELECT on the sequences that books_owner will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT USAGE, SELECT ON SEQUENCES TO "books_app";
-- books_app lacks EXECUTE on the functions that books_owner will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT EXECUTE ON FUNCTIONS TO "books_app";
-- books_app, books_readonly lack USAGE on the types that books_owner will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT USAGE ON TYPES TO "books_app", "books_readonly";
\if :from_18
-- books_backup, books_readonly lack SELECT on the large objects that books_owner will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" GRANT SELECT ON LARGE OBJECTS TO "books_backup", "books_readonly";
-- books_app lacks SELECT, UPDATE on the large objects that books_owner will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" GRANT SELECT, UPDATE ON LARGE OBJECTS TO "books_app";
SET ROLE "books_app";
-- books_backup, books_readonly lack SELECT on the large objects that books_app will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_app" GRANT SELECT ON LARGE OBJECTS TO "books_backup", "books_readonly";
SET ROLE "books_app_a";
-- books_backup, books_readonly lack SELECT on the large objects that books_app_a will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_app_a" GRANT SELECT ON LARGE OBJECTS TO "books_backup", "books_readonly";
-- books_app lacks SELECT, UPDATE on the large objects that books_app_a will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_app_a" GRANT SELECT, UPDATE ON LARGE OBJECTS TO "books_app";
SET ROLE "books_app_b";
-- books_backup, books_readonly lack SELECT on the large objects that books_app_b will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_app_b" GRANT SELECT ON LARGE OBJECTS TO "books_backup", "books_readonly";
-- books_app lacks SELECT, UPDATE on the large objects that books_app_b will make
ALTER DEFAULT PRIVILEGES FOR ROLE "books_app_b" GRANT SELECT, UPDATE ON LARGE OBJECTS TO "books_app";
\endif

\connect -reuse-previous=on dbname=zave
SET client_min_messages = 'warning';
SET search_path = pg_catalog, pg_temp;
SET statement_timeout = 0;
SELECT pg_advisory_lock(2053207653) IS NULL AS locked \gset
\if :from_18
SET ROLE "platform_bootstrap";
-- platform_bootstrap needs to act as books_app no longer
REVOKE "books_app" FROM "platform_bootstrap" GRANTED BY "platform_bootstrap";
-- platform_bootstrap needs to act as books_app_a no longer
REVOKE "books_app_a" FROM "platform_bootstrap" GRANTED BY "platform_bootstrap";
-- platform_bootstrap needs to act as books_app_b no longer
REVOKE "books_app_b" FROM "platform_bootstrap" GRANTED BY "platform_bootstrap";
\endif
SET ROLE "platform_bootstrap";
-- platform_bootstrap needs to act as books_owner no longer
\if :from_16
REVOKE "books_owner" FROM "platform_bootstrap" GRANTED BY "platform_bootstrap";
\else
REVOKE "books_owner" FROM "platform_bootstrap";
\endif
-- books_migrator logs in and may hold 2 connections
ALTER ROLE "books_migrator" LOGIN CONNECTION LIMIT 2;
-- books_app logs in and may hold 18 connections
ALTER ROLE "books_app" LOGIN CONNECTION LIMIT 18;
-- books_app_a logs in and may hold 18 connections
ALTER ROLE "books_app_a" LOGIN CONNECTION LIMIT 18;
-- books_app_b logs in and may hold 18 connections
ALTER ROLE "books_app_b" LOGIN CONNECTION LIMIT 18;
-- books_readonly logs in and may hold 18 connections
ALTER ROLE "books_readonly" LOGIN CONNECTION LIMIT 18;
-- books_backup logs in and may hold 2 connections
ALTER ROLE "books_backup" LOGIN CONNECTION LIMIT 2;
-- Verifiers are kept out of the server's log, as far as the role may.
SELECT count(set_config(s.name, s.value, false)) AS silenced
FROM (VALUES ('log_statement', 'none'), ('log_min_duration_statement', '-1'), ('log_min_error_statement', 'panic')) AS s (name, value)
WHERE has_parameter_privilege(s.name, 'SET') \gset
\set VERBOSITY terse
-- books_migrator gets its password
ALTER ROLE "books_migrator" PASSWORD :'migrator_verifier';
-- books_app gets its password
ALTER ROLE "books_app" PASSWORD :'app_verifier';
-- books_readonly gets its password
ALTER ROLE "books_readonly" PASSWORD :'readonly_verifier';
-- books_backup gets its password
ALTER ROLE "books_backup" PASSWORD :'backup_verifier';
SELECT count(set_config(name, reset_val, false)) AS restored FROM pg_settings
WHERE name IN ('log_statement', 'log_min_duration_statement', 'log_min_error_statement')
	AND has_parameter_privilege(name, 'SET') \gset
\set VERBOSITY default
-- books_app, books_app_a, books_app_b, books_backup, books_migrator, books_readonly lack CONNECT on the database
-- db_books
GRANT CONNECT ON DATABASE "db_books" TO "books_app", "books_app_a", "books_app_b", "books_backup", "books_migrator", "books_readonly";
-- books_owner lacks TEMPORARY on the database db_books
GRANT TEMPORARY ON DATABASE "db_books" TO "books_owner";
