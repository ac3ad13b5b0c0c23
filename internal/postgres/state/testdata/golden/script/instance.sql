-- Bootstrap of the instance, cluster main, for psql 15 or newer. It may be run again, and drops nothing. Passwords are
-- SCRAM verifiers from the environment.
\set ON_ERROR_STOP on
\set QUIET on
\set ECHO none
\set SHOW_CONTEXT never

-- The shell looks at it, so that nothing but a verifier is ever sent to the server.
\set is_verifier `case "$PLATFORM_VERIFIER" in 'SCRAM-SHA-256$'*) echo true;; *) echo false;; esac`
\if :is_verifier
\getenv platform_verifier PLATFORM_VERIFIER
\else
\warn 'zave: PLATFORM_VERIFIER holds no SCRAM verifier: it has to begin with SCRAM-SHA-256$, as `zave db verifier` makes it'
DO 'BEGIN RAISE EXCEPTION USING MESSAGE = ''PLATFORM_VERIFIER holds no SCRAM verifier: it has to begin with SCRAM-SHA-256$, as `zave db verifier` makes it''; END';
\endif

\connect -reuse-previous=on dbname=postgres
SET client_min_messages = 'warning';
SET search_path = pg_catalog, pg_temp;
SET statement_timeout = 0;
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
		(''role'', ''platform_bootstrap'', ''zave: instance''),
		(''database'', ''zave'', ''zave: instance'')
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
-- there is no role platform_bootstrap, which makes the tenants' databases and is no superuser
SELECT 'CREATE ROLE "platform_bootstrap" NOLOGIN NOSUPERUSER CREATEDB CREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0'
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'platform_bootstrap') \gexec
-- the comment says that the role is zave's
COMMENT ON ROLE "platform_bootstrap" IS 'zave: instance';
-- a name in the platform's statements means the system's object, whatever others have made
ALTER ROLE "platform_bootstrap" SET search_path = "pg_catalog", "pg_temp";
\if :from_16
-- the platform does not become a member of the roles that it makes
ALTER ROLE "platform_bootstrap" SET createrole_self_grant = '';
\endif
RESET ROLE;
-- platform_bootstrap limits temporary files, and keeps verifiers of passwords out of the server's log
GRANT SET ON PARAMETER log_min_duration_statement, log_min_error_statement, log_statement, temp_file_limit TO "platform_bootstrap";
-- platform_bootstrap logs in to do its work
ALTER ROLE "platform_bootstrap" LOGIN CONNECTION LIMIT -1;
-- Verifiers are kept out of the server's log, as far as the role may.
SELECT count(set_config(s.name, s.value, false)) AS silenced
FROM (VALUES ('log_statement', 'none'), ('log_min_duration_statement', '-1'), ('log_min_error_statement', 'panic')) AS s (name, value)
WHERE has_parameter_privilege(s.name, 'SET') \gset
\set VERBOSITY terse
-- the password of platform_bootstrap is not the one in its file
ALTER ROLE "platform_bootstrap" PASSWORD :'platform_verifier';
SELECT count(set_config(name, reset_val, false)) AS restored FROM pg_settings
WHERE name IN ('log_statement', 'log_min_duration_statement', 'log_min_error_statement')
	AND has_parameter_privilege(name, 'SET') \gset
\set VERBOSITY default
SET ROLE "platform_bootstrap";
-- there is no database zave, where the platform's runs wait for each other
SELECT 'CREATE DATABASE "zave" OWNER "platform_bootstrap" TEMPLATE template0 ALLOW_CONNECTIONS false'
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = 'zave') \gexec
-- everybody holds CONNECT, TEMPORARY on the database zave
REVOKE CONNECT, TEMPORARY ON DATABASE "zave" FROM PUBLIC;
-- the comment says that the database is zave's
COMMENT ON DATABASE "zave" IS 'zave: instance';
-- the database zave is closed to everybody but its owner and superusers, and can be used
ALTER DATABASE "zave" ALLOW_CONNECTIONS true;
RESET ROLE;
-- everybody holds CONNECT, TEMPORARY on the database postgres
REVOKE CONNECT, TEMPORARY ON DATABASE "postgres" FROM PUBLIC;
-- platform_bootstrap lacks CONNECT on the database postgres
GRANT CONNECT ON DATABASE "postgres" TO "platform_bootstrap";
-- everybody holds CONNECT on the database template1
REVOKE CONNECT ON DATABASE "template1" FROM PUBLIC;
