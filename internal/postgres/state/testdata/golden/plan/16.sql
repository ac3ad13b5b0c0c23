-- role/platform_bootstrap/create: there is no role platform_bootstrap, which makes the tenants' databases and is no
-- superuser
-- (in postgres, as postgres)
CREATE ROLE "platform_bootstrap" NOLOGIN NOSUPERUSER CREATEDB CREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/platform_bootstrap/comment: the comment says that the role is zave's
-- (in postgres, as postgres)
COMMENT ON ROLE "platform_bootstrap" IS 'zave: instance';

-- role/platform_bootstrap/setting/search_path: a name in the platform's statements means the system's object, whatever
-- others have made
-- (in postgres, as postgres)
ALTER ROLE "platform_bootstrap" SET search_path = "pg_catalog", "pg_temp";

-- role/platform_bootstrap/setting/createrole_self_grant: the platform does not become a member of the roles that it
-- makes
-- (in postgres, as postgres)
ALTER ROLE "platform_bootstrap" SET createrole_self_grant = '';

-- parameters/platform_bootstrap: platform_bootstrap limits temporary files, and keeps verifiers of passwords out of the
-- server's log
-- (in postgres, as postgres, as a superuser)
GRANT SET ON PARAMETER log_min_duration_statement, log_min_error_statement, log_statement, temp_file_limit TO "platform_bootstrap";

-- role/platform_bootstrap/open: platform_bootstrap logs in to do its work
-- (in postgres, as postgres)
ALTER ROLE "platform_bootstrap" LOGIN CONNECTION LIMIT -1;

-- role/platform_bootstrap/password: the password of platform_bootstrap is not the one in its file
-- (in postgres, as postgres)
ALTER ROLE "platform_bootstrap" PASSWORD :'verifier';

-- database/zave/create: there is no database zave, where the platform's runs wait for each other
-- (in postgres)
CREATE DATABASE "zave" OWNER "platform_bootstrap" TEMPLATE template0 ALLOW_CONNECTIONS false;

-- database/zave/revoke/PUBLIC: everybody holds CONNECT, TEMPORARY on the database zave
-- (in postgres)
REVOKE CONNECT, TEMPORARY ON DATABASE "zave" FROM PUBLIC;

-- database/zave/comment: the comment says that the database is zave's
-- (in postgres)
COMMENT ON DATABASE "zave" IS 'zave: instance';

-- database/zave/open: the database zave is closed to everybody but its owner and superusers, and can be used
-- (in postgres)
ALTER DATABASE "zave" ALLOW_CONNECTIONS true;

-- database/postgres/revoke/PUBLIC: everybody holds CONNECT, TEMPORARY on the database postgres
-- (in postgres, as postgres, destructive)
REVOKE CONNECT, TEMPORARY ON DATABASE "postgres" FROM PUBLIC;

-- database/postgres/grant/connect: platform_bootstrap lacks CONNECT on the database postgres
-- (in postgres, as postgres)
GRANT CONNECT ON DATABASE "postgres" TO "platform_bootstrap";

-- database/template1/revoke/PUBLIC: everybody holds CONNECT on the database template1
-- (in postgres, as postgres, destructive)
REVOKE CONNECT ON DATABASE "template1" FROM PUBLIC;

-- role/books_owner/create: there is no role books_owner, which owns the schema app and never logs in
CREATE ROLE "books_owner" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/books_owner/comment: the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_owner" IS 'zave: tenant books, spec c0ffee';

-- role/books_migrator/create: there is no role books_migrator, which may become books_owner, and has no rights of its
-- own
CREATE ROLE "books_migrator" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/books_migrator/comment: the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_migrator" IS 'zave: tenant books, spec c0ffee';

-- role/books_app/create: there is no role books_app, which reads and writes rows
CREATE ROLE "books_app" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/books_app/comment: the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_app" IS 'zave: tenant books, spec c0ffee';

-- role/books_app_a/create: there is no role books_app_a, which takes turns with books_app_b as books_app when
-- credentials rotate
CREATE ROLE "books_app_a" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/books_app_a/comment: the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_app_a" IS 'zave: tenant books, spec c0ffee';

-- role/books_app_b/create: there is no role books_app_b, which takes turns with books_app_a as books_app when
-- credentials rotate
CREATE ROLE "books_app_b" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/books_app_b/comment: the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_app_b" IS 'zave: tenant books, spec c0ffee';

-- role/books_readonly/create: there is no role books_readonly, which reads rows
CREATE ROLE "books_readonly" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/books_readonly/comment: the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_readonly" IS 'zave: tenant books, spec c0ffee';

-- role/books_backup/create: there is no role books_backup, which reads all rows, for dumps
CREATE ROLE "books_backup" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/books_backup/comment: the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON ROLE "books_backup" IS 'zave: tenant books, spec c0ffee';

-- database/db_books/create: there is no database db_books; it stays closed until it is locked down
CREATE DATABASE "db_books" OWNER "platform_bootstrap" TEMPLATE template0 ALLOW_CONNECTIONS false CONNECTION LIMIT 20;

-- database/db_books/revoke/PUBLIC: everybody holds CONNECT, TEMPORARY on the database db_books
REVOKE CONNECT, TEMPORARY ON DATABASE "db_books" FROM PUBLIC;

-- database/db_books/setting/idle_in_transaction_session_timeout: the database db_books has no
-- idle_in_transaction_session_timeout of its own, and is to have 60s
ALTER DATABASE "db_books" SET idle_in_transaction_session_timeout = '60s';

-- database/db_books/setting/lock_timeout: the database db_books has no lock_timeout of its own, and is to have 10s
ALTER DATABASE "db_books" SET lock_timeout = '10s';

-- database/db_books/setting/search_path: the database db_books has no search_path of its own, and is to have "app",
-- "extensions"
ALTER DATABASE "db_books" SET search_path = "app", "extensions";

-- database/db_books/setting/statement_timeout: the database db_books has no statement_timeout of its own, and is to
-- have 30s
ALTER DATABASE "db_books" SET statement_timeout = '30s';

-- database/db_books/setting/temp_file_limit: the database db_books has no temp_file_limit of its own, and is to have
-- 2GB
ALTER DATABASE "db_books" SET temp_file_limit = '2GB';

-- database/db_books/comment: the comment names the tenant and the spec's hash: zave: tenant books, spec c0ffee
COMMENT ON DATABASE "db_books" IS 'zave: tenant books, spec c0ffee';

-- database/db_books/open: the database db_books is closed to everybody but the platform and superusers, and can be used
ALTER DATABASE "db_books" ALLOW_CONNECTIONS true;

-- role/books_owner/member/books_migrator/grant: books_migrator is not a member of books_owner, which it becomes to
-- change the schema
GRANT "books_owner" TO "books_migrator" WITH INHERIT FALSE, SET TRUE;

-- role/books_app/member/books_app_a/grant: books_app_a is not a member of books_app, whose rights it has
GRANT "books_app" TO "books_app_a" WITH INHERIT TRUE, SET FALSE;

-- role/books_app/member/books_app_b/grant: books_app_b is not a member of books_app, whose rights it has
GRANT "books_app" TO "books_app_b" WITH INHERIT TRUE, SET FALSE;

-- role/books_owner/member/platform_bootstrap/take: platform_bootstrap acts as books_owner for what follows
GRANT "books_owner" TO "platform_bootstrap" WITH INHERIT FALSE, SET TRUE;

-- database/db_books/schema/public/revoke/PUBLIC: everybody holds USAGE on the schema public
-- (in db_books)
REVOKE USAGE ON SCHEMA "public" FROM PUBLIC;

-- database/db_books/schema/app/create: there is no schema app, which the tenant's tables lie in
-- (in db_books)
CREATE SCHEMA IF NOT EXISTS "app" AUTHORIZATION "books_owner";

-- database/db_books/schema/app/grant/usage: books_app, books_backup, books_readonly lack USAGE on the schema app
-- (in db_books, as books_owner)
GRANT USAGE ON SCHEMA "app" TO "books_app", "books_backup", "books_readonly";

-- database/db_books/schema/extensions/create: there is no schema extensions, which the extensions lie in
-- (in db_books)
CREATE SCHEMA IF NOT EXISTS "extensions" AUTHORIZATION "platform_bootstrap";

-- database/db_books/schema/extensions/grant/usage: books_app, books_backup, books_migrator, books_owner, books_readonly
-- lack USAGE on the schema extensions
-- (in db_books)
GRANT USAGE ON SCHEMA "extensions" TO "books_app", "books_backup", "books_migrator", "books_owner", "books_readonly";

-- database/db_books/extension/pgcrypto/create: the extension pgcrypto is on the tenant's list and not installed
-- (in db_books)
CREATE EXTENSION IF NOT EXISTS "pgcrypto" SCHEMA "extensions";

-- database/db_books/default/books_owner//functions/revoke/PUBLIC: everybody gets EXECUTE on the functions that
-- books_owner will make
-- (in db_books, as books_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- database/db_books/default/books_owner//types/revoke/PUBLIC: everybody gets USAGE on the types that books_owner will
-- make
-- (in db_books, as books_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" REVOKE USAGE ON TYPES FROM PUBLIC;

-- database/db_books/default/books_owner/app/tables/grant/select: books_backup, books_readonly lack SELECT on the tables
-- that books_owner will make
-- (in db_books, as books_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT SELECT ON TABLES TO "books_backup", "books_readonly";

-- database/db_books/default/books_owner/app/tables/grant/select+insert+update+delete: books_app lacks SELECT, INSERT,
-- UPDATE, DELETE on the tables that books_owner will make
-- (in db_books, as books_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "books_app";

-- database/db_books/default/books_owner/app/sequences/grant/select: books_backup, books_readonly lack SELECT on the
-- sequences that books_owner will make
-- (in db_books, as books_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT SELECT ON SEQUENCES TO "books_backup", "books_readonly";

-- database/db_books/default/books_owner/app/sequences/grant/usage+select: books_app lacks USAGE, SELECT on the
-- sequences that books_owner will make
-- (in db_books, as books_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT USAGE, SELECT ON SEQUENCES TO "books_app";

-- database/db_books/default/books_owner/app/functions/grant/execute: books_app lacks EXECUTE on the functions that
-- books_owner will make
-- (in db_books, as books_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT EXECUTE ON FUNCTIONS TO "books_app";

-- database/db_books/default/books_owner/app/types/grant/usage: books_app, books_readonly lack USAGE on the types that
-- books_owner will make
-- (in db_books, as books_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "books_owner" IN SCHEMA "app" GRANT USAGE ON TYPES TO "books_app", "books_readonly";

-- role/books_owner/member/platform_bootstrap/give-back: platform_bootstrap needs to act as books_owner no longer
REVOKE "books_owner" FROM "platform_bootstrap" GRANTED BY "platform_bootstrap";

-- role/books_migrator/open: books_migrator logs in and may hold 2 connections
ALTER ROLE "books_migrator" LOGIN CONNECTION LIMIT 2;

-- role/books_app/open: books_app logs in and may hold 18 connections
ALTER ROLE "books_app" LOGIN CONNECTION LIMIT 18;

-- role/books_app_a/open: books_app_a logs in and may hold 18 connections
ALTER ROLE "books_app_a" LOGIN CONNECTION LIMIT 18;

-- role/books_app_b/open: books_app_b logs in and may hold 18 connections
ALTER ROLE "books_app_b" LOGIN CONNECTION LIMIT 18;

-- role/books_readonly/open: books_readonly logs in and may hold 18 connections
ALTER ROLE "books_readonly" LOGIN CONNECTION LIMIT 18;

-- role/books_backup/open: books_backup logs in and may hold 2 connections
ALTER ROLE "books_backup" LOGIN CONNECTION LIMIT 2;

-- role/books_migrator/password: books_migrator gets its password
ALTER ROLE "books_migrator" PASSWORD :'verifier';

-- role/books_app/password: books_app gets its password
ALTER ROLE "books_app" PASSWORD :'verifier';

-- role/books_readonly/password: books_readonly gets its password
ALTER ROLE "books_readonly" PASSWORD :'verifier';

-- role/books_backup/password: books_backup gets its password
ALTER ROLE "books_backup" PASSWORD :'verifier';

-- database/db_books/grant/connect: books_app, books_app_a, books_app_b, books_backup, books_migrator, books_readonly
-- lack CONNECT on the database db_books
GRANT CONNECT ON DATABASE "db_books" TO "books_app", "books_app_a", "books_app_b", "books_backup", "books_migrator", "books_readonly";

-- database/db_books/grant/temporary: books_owner lacks TEMPORARY on the database db_books
GRANT TEMPORARY ON DATABASE "db_books" TO "books_owner";

-- role/maps_owner/create: there is no role maps_owner, which owns the schema app and never logs in
CREATE ROLE "maps_owner" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/maps_owner/comment: the comment names the tenant and the spec's hash: zave: tenant maps, spec c0ffee
COMMENT ON ROLE "maps_owner" IS 'zave: tenant maps, spec c0ffee';

-- role/maps_migrator/create: there is no role maps_migrator, which may become maps_owner, and has no rights of its own
CREATE ROLE "maps_migrator" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/maps_migrator/comment: the comment names the tenant and the spec's hash: zave: tenant maps, spec c0ffee
COMMENT ON ROLE "maps_migrator" IS 'zave: tenant maps, spec c0ffee';

-- role/maps_app/create: there is no role maps_app, which reads and writes rows
CREATE ROLE "maps_app" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/maps_app/comment: the comment names the tenant and the spec's hash: zave: tenant maps, spec c0ffee
COMMENT ON ROLE "maps_app" IS 'zave: tenant maps, spec c0ffee';

-- role/maps_app_a/create: there is no role maps_app_a, which takes turns with maps_app_b as maps_app when credentials
-- rotate
CREATE ROLE "maps_app_a" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/maps_app_a/comment: the comment names the tenant and the spec's hash: zave: tenant maps, spec c0ffee
COMMENT ON ROLE "maps_app_a" IS 'zave: tenant maps, spec c0ffee';

-- role/maps_app_b/create: there is no role maps_app_b, which takes turns with maps_app_a as maps_app when credentials
-- rotate
CREATE ROLE "maps_app_b" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/maps_app_b/comment: the comment names the tenant and the spec's hash: zave: tenant maps, spec c0ffee
COMMENT ON ROLE "maps_app_b" IS 'zave: tenant maps, spec c0ffee';

-- role/maps_readonly/create: there is no role maps_readonly, which reads rows
CREATE ROLE "maps_readonly" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/maps_readonly/comment: the comment names the tenant and the spec's hash: zave: tenant maps, spec c0ffee
COMMENT ON ROLE "maps_readonly" IS 'zave: tenant maps, spec c0ffee';

-- role/maps_backup/create: there is no role maps_backup, which reads all rows, for dumps
CREATE ROLE "maps_backup" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0;

-- role/maps_backup/comment: the comment names the tenant and the spec's hash: zave: tenant maps, spec c0ffee
COMMENT ON ROLE "maps_backup" IS 'zave: tenant maps, spec c0ffee';

-- database/db_maps/create: there is no database db_maps; it stays closed until it is locked down
CREATE DATABASE "db_maps" OWNER "platform_bootstrap" TEMPLATE template0 ALLOW_CONNECTIONS false CONNECTION LIMIT 1;

-- database/db_maps/revoke/PUBLIC: everybody holds CONNECT, TEMPORARY on the database db_maps
REVOKE CONNECT, TEMPORARY ON DATABASE "db_maps" FROM PUBLIC;

-- database/db_maps/setting/idle_in_transaction_session_timeout: the database db_maps has no
-- idle_in_transaction_session_timeout of its own, and is to have 60s
ALTER DATABASE "db_maps" SET idle_in_transaction_session_timeout = '60s';

-- database/db_maps/setting/lock_timeout: the database db_maps has no lock_timeout of its own, and is to have 10s
ALTER DATABASE "db_maps" SET lock_timeout = '10s';

-- database/db_maps/setting/search_path: the database db_maps has no search_path of its own, and is to have "app",
-- "extensions"
ALTER DATABASE "db_maps" SET search_path = "app", "extensions";

-- database/db_maps/setting/statement_timeout: the database db_maps has no statement_timeout of its own, and is to have
-- 30s
ALTER DATABASE "db_maps" SET statement_timeout = '30s';

-- database/db_maps/setting/temp_file_limit: the database db_maps has no temp_file_limit of its own, and is to have 2GB
ALTER DATABASE "db_maps" SET temp_file_limit = '2GB';

-- database/db_maps/comment: the comment names the tenant and the spec's hash: zave: tenant maps, spec c0ffee
COMMENT ON DATABASE "db_maps" IS 'zave: tenant maps, spec c0ffee';

-- database/db_maps/open: the database db_maps is closed to everybody but the platform and superusers, and can be used
ALTER DATABASE "db_maps" ALLOW_CONNECTIONS true;

-- role/maps_owner/member/maps_migrator/grant: maps_migrator is not a member of maps_owner, which it becomes to change
-- the schema
GRANT "maps_owner" TO "maps_migrator" WITH INHERIT FALSE, SET TRUE;

-- role/maps_app/member/maps_app_a/grant: maps_app_a is not a member of maps_app, whose rights it has
GRANT "maps_app" TO "maps_app_a" WITH INHERIT TRUE, SET FALSE;

-- role/maps_app/member/maps_app_b/grant: maps_app_b is not a member of maps_app, whose rights it has
GRANT "maps_app" TO "maps_app_b" WITH INHERIT TRUE, SET FALSE;

-- role/maps_owner/member/platform_bootstrap/take: platform_bootstrap acts as maps_owner for what follows
GRANT "maps_owner" TO "platform_bootstrap" WITH INHERIT FALSE, SET TRUE;

-- database/db_maps/schema/public/revoke/PUBLIC: everybody holds USAGE on the schema public
-- (in db_maps)
REVOKE USAGE ON SCHEMA "public" FROM PUBLIC;

-- database/db_maps/schema/app/create: there is no schema app, which the tenant's tables lie in
-- (in db_maps)
CREATE SCHEMA IF NOT EXISTS "app" AUTHORIZATION "maps_owner";

-- database/db_maps/schema/app/grant/usage: maps_app, maps_backup, maps_readonly lack USAGE on the schema app
-- (in db_maps, as maps_owner)
GRANT USAGE ON SCHEMA "app" TO "maps_app", "maps_backup", "maps_readonly";

-- database/db_maps/schema/extensions/create: there is no schema extensions, which the extensions lie in
-- (in db_maps)
CREATE SCHEMA IF NOT EXISTS "extensions" AUTHORIZATION "platform_bootstrap";

-- database/db_maps/schema/extensions/grant/usage: maps_app, maps_backup, maps_migrator, maps_owner, maps_readonly lack
-- USAGE on the schema extensions
-- (in db_maps)
GRANT USAGE ON SCHEMA "extensions" TO "maps_app", "maps_backup", "maps_migrator", "maps_owner", "maps_readonly";

-- database/db_maps/default/maps_owner//functions/revoke/PUBLIC: everybody gets EXECUTE on the functions that maps_owner
-- will make
-- (in db_maps, as maps_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "maps_owner" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- database/db_maps/default/maps_owner//types/revoke/PUBLIC: everybody gets USAGE on the types that maps_owner will make
-- (in db_maps, as maps_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "maps_owner" REVOKE USAGE ON TYPES FROM PUBLIC;

-- database/db_maps/default/maps_owner/app/tables/grant/select: maps_backup, maps_readonly lack SELECT on the tables
-- that maps_owner will make
-- (in db_maps, as maps_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "maps_owner" IN SCHEMA "app" GRANT SELECT ON TABLES TO "maps_backup", "maps_readonly";

-- database/db_maps/default/maps_owner/app/tables/grant/select+insert+update+delete: maps_app lacks SELECT, INSERT,
-- UPDATE, DELETE on the tables that maps_owner will make
-- (in db_maps, as maps_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "maps_owner" IN SCHEMA "app" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "maps_app";

-- database/db_maps/default/maps_owner/app/sequences/grant/select: maps_backup, maps_readonly lack SELECT on the
-- sequences that maps_owner will make
-- (in db_maps, as maps_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "maps_owner" IN SCHEMA "app" GRANT SELECT ON SEQUENCES TO "maps_backup", "maps_readonly";

-- database/db_maps/default/maps_owner/app/sequences/grant/usage+select: maps_app lacks USAGE, SELECT on the sequences
-- that maps_owner will make
-- (in db_maps, as maps_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "maps_owner" IN SCHEMA "app" GRANT USAGE, SELECT ON SEQUENCES TO "maps_app";

-- database/db_maps/default/maps_owner/app/functions/grant/execute: maps_app lacks EXECUTE on the functions that
-- maps_owner will make
-- (in db_maps, as maps_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "maps_owner" IN SCHEMA "app" GRANT EXECUTE ON FUNCTIONS TO "maps_app";

-- database/db_maps/default/maps_owner/app/types/grant/usage: maps_app, maps_readonly lack USAGE on the types that
-- maps_owner will make
-- (in db_maps, as maps_owner)
ALTER DEFAULT PRIVILEGES FOR ROLE "maps_owner" IN SCHEMA "app" GRANT USAGE ON TYPES TO "maps_app", "maps_readonly";

-- rls/db_maps/protect/create: row-level security is asked for: migrations call protect(table, column) for each table of
-- customers
-- (in db_maps)
CREATE OR REPLACE FUNCTION "extensions".protect("table" pg_catalog.regclass, "key" pg_catalog.name) RETURNS pg_catalog.void LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS '
DECLARE
	part record;
BEGIN
	IF "table" IS NULL OR "key" IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = ''null_value_not_allowed'',
			MESSAGE = ''protect needs a table and the name of its key column'';
	END IF;

	-- A query through a parent obeys the parent''s policies alone, so that a protected part of an open table is open.
	FOR part IN
		WITH RECURSIVE up AS (
			SELECT i.inhparent AS oid FROM pg_inherits AS i WHERE i.inhrelid = "table"
			UNION SELECT i.inhparent FROM pg_inherits AS i JOIN up ON up.oid = i.inhrelid
		)
		SELECT c.oid::regclass AS name FROM up JOIN pg_class AS c USING (oid)
		WHERE NOT (c.relrowsecurity AND c.relforcerowsecurity
			AND EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = ''zave_key''))
		ORDER BY 1
	LOOP
		RAISE EXCEPTION USING ERRCODE = ''object_not_in_prerequisite_state'',
			MESSAGE = format(''%s is a part of %s, which is not protected'', "table", part.name),
			HINT = format(''protect %s: all its parts are protected with it'', part.name);
	END LOOP;

	FOR part IN
		WITH RECURSIVE down AS (
			SELECT "table"::oid AS oid
			UNION SELECT i.inhrelid FROM pg_inherits AS i JOIN down ON down.oid = i.inhparent
		)
		SELECT c.oid, n.nspname, c.relname, c.relkind, a.attname, a.atttypid,
			format_type(a.atttypid, -1) AS type, coalesce(l.collisdeterministic, true) AS deterministic
		FROM down
		JOIN pg_class AS c USING (oid)
		JOIN pg_namespace AS n ON n.oid = c.relnamespace
		LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = "key" AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
		ORDER BY c.oid <> "table", n.nspname, c.relname
	LOOP
		IF part.relkind NOT IN (''r'', ''p'') THEN
			RAISE EXCEPTION USING ERRCODE = ''wrong_object_type'',
				MESSAGE = format(''%I.%I is not a table of this database, and only those have row-level security'',
					part.nspname, part.relname);
		ELSIF part.attname IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = ''undefined_column'',
				MESSAGE = format(''%I.%I has no column %I'', part.nspname, part.relname, "key"),
				HINT = ''the key column names the customer that a row belongs to'';
		ELSIF part.atttypid NOT IN (''int2''::regtype, ''int4''::regtype, ''int8''::regtype, ''uuid''::regtype, ''text''::regtype,
			''varchar''::regtype) THEN
			-- Equality of other types may be the tenant''s own code, or hold for keys that are not the same.
			RAISE EXCEPTION USING ERRCODE = ''datatype_mismatch'',
				MESSAGE = format(''%I.%I.%I is of type %s, which cannot be a key'', part.nspname, part.relname, "key", part.type),
				HINT = ''a key is a smallint, integer, bigint, uuid, text or character varying'';
		ELSIF NOT part.deterministic THEN
			RAISE EXCEPTION USING ERRCODE = ''collation_mismatch'',
				MESSAGE = format(''the collation of %I.%I.%I takes different keys for equal'', part.nspname, part.relname, "key"),
				HINT = ''give the column a deterministic collation'';
		END IF;
		EXECUTE format(''ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY'', part.nspname, part.relname);
		IF EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = part.oid AND p.polname = ''zave_key'') THEN
			EXECUTE format(''DROP POLICY zave_key ON %I.%I'', part.nspname, part.relname);
		END IF;
		IF EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = part.oid AND p.polname = ''zave_backup'') THEN
			EXECUTE format(''DROP POLICY zave_backup ON %I.%I'', part.nspname, part.relname);
		END IF;
		-- After SET LOCAL the setting is empty, not unset: neither is anybody''s key. The type has no length, which would
		-- cut a longer key to another one.
		EXECUTE format(''CREATE POLICY zave_key ON %1$I.%2$I AS PERMISSIVE FOR ALL TO PUBLIC USING (%3$s) WITH CHECK (%3$s)'',
			part.nspname, part.relname,
			format(''%I = nullif(current_setting(''''app.tenant_key'''', true), '''''''')::%s'', part.attname, part.type));
		EXECUTE format(''CREATE POLICY zave_backup ON %I.%I AS PERMISSIVE FOR SELECT TO %I USING (true)'',
			part.nspname, part.relname, ''maps_backup'');
	END LOOP;
END
';

-- rls/db_maps/protect/public: the function protect is for the tenant's own roles, not for everybody
-- (in db_maps)
REVOKE ALL ON FUNCTION "extensions".protect(regclass, name) FROM PUBLIC;

-- rls/db_maps/protect/grant/maps_owner: maps_owner may call the function protect
-- (in db_maps)
GRANT EXECUTE ON FUNCTION "extensions".protect(regclass, name) TO "maps_owner";

-- rls/db_maps/unprotected/create: row-level security is asked for: migrations call unprotected() to see which tables
-- have none
-- (in db_maps)
CREATE OR REPLACE FUNCTION "extensions".unprotected() RETURNS TABLE ("object" pg_catalog.text, "reason" pg_catalog.text) LANGUAGE sql STABLE SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS '
	SELECT format(''%I.%I'', n.nspname, c.relname), r.reason
	FROM pg_class AS c
	JOIN pg_namespace AS n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL (
		SELECT CASE
			WHEN c.relkind = ''m'' THEN ''a materialized view has no row-level security''
			WHEN c.relkind = ''f'' THEN ''a foreign table has no row-level security''
			WHEN c.relkind = ''v'' THEN CASE
				WHEN NOT coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) AS o
					WHERE o.option_name = ''security_invoker''), false)
				THEN ''the view reads with the rights of its owner: security_invoker is not set'' END
			WHEN NOT c.relrowsecurity THEN ''row-level security is not enabled''
			WHEN NOT c.relforcerowsecurity THEN ''row-level security is not forced: it does not hold for the owner''
			WHEN NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = ''zave_key'')
				THEN ''there is no policy of protect''
		END
		UNION ALL
		SELECT format(''the policy %I shows more rows than the key allows'', p.polname)
		FROM pg_policy AS p
		WHERE c.relrowsecurity AND c.relforcerowsecurity AND p.polrelid = c.oid AND p.polpermissive
			AND p.polname <> ''zave_key''
			AND NOT (p.polname = ''zave_backup'' AND p.polcmd = ''r''
				AND p.polroles = ARRAY(SELECT o.oid FROM pg_roles AS o WHERE o.rolname = ''maps_backup''))
	) AS r (reason)
	WHERE c.relkind IN (''r'', ''p'', ''v'', ''m'', ''f'') AND r.reason IS NOT NULL
		AND n.nspname NOT IN (''pg_catalog'', ''information_schema'', ''pg_toast'', ''extensions'')
		AND n.nspname !~ ''^pg_(toast_)?temp_''
	ORDER BY n.nspname, c.relname, r.reason
';

-- rls/db_maps/unprotected/public: the function unprotected is for the tenant's own roles, not for everybody
-- (in db_maps)
REVOKE ALL ON FUNCTION "extensions".unprotected() FROM PUBLIC;

-- rls/db_maps/unprotected/grant/maps_owner: maps_owner may call the function unprotected
-- (in db_maps)
GRANT EXECUTE ON FUNCTION "extensions".unprotected() TO "maps_owner";

-- role/maps_owner/member/platform_bootstrap/give-back: platform_bootstrap needs to act as maps_owner no longer
REVOKE "maps_owner" FROM "platform_bootstrap" GRANTED BY "platform_bootstrap";

-- role/maps_migrator/open: maps_migrator logs in and may hold 1 connection
ALTER ROLE "maps_migrator" LOGIN CONNECTION LIMIT 1;

-- role/maps_app/open: maps_app logs in and may hold 1 connection
ALTER ROLE "maps_app" LOGIN CONNECTION LIMIT 1;

-- role/maps_app_a/open: maps_app_a logs in and may hold 1 connection
ALTER ROLE "maps_app_a" LOGIN CONNECTION LIMIT 1;

-- role/maps_app_b/open: maps_app_b logs in and may hold 1 connection
ALTER ROLE "maps_app_b" LOGIN CONNECTION LIMIT 1;

-- role/maps_readonly/open: maps_readonly logs in and may hold 1 connection
ALTER ROLE "maps_readonly" LOGIN CONNECTION LIMIT 1;

-- role/maps_backup/open: maps_backup logs in and may hold 1 connection
ALTER ROLE "maps_backup" LOGIN CONNECTION LIMIT 1;

-- role/maps_migrator/password: maps_migrator gets its password
ALTER ROLE "maps_migrator" PASSWORD :'verifier';

-- role/maps_app/password: maps_app gets its password
ALTER ROLE "maps_app" PASSWORD :'verifier';

-- role/maps_readonly/password: maps_readonly gets its password
ALTER ROLE "maps_readonly" PASSWORD :'verifier';

-- role/maps_backup/password: maps_backup gets its password
ALTER ROLE "maps_backup" PASSWORD :'verifier';

-- database/db_maps/grant/connect: maps_app, maps_app_a, maps_app_b, maps_backup, maps_migrator, maps_readonly lack
-- CONNECT on the database db_maps
GRANT CONNECT ON DATABASE "db_maps" TO "maps_app", "maps_app_a", "maps_app_b", "maps_backup", "maps_migrator", "maps_readonly";

-- database/db_maps/grant/temporary: maps_owner lacks TEMPORARY on the database db_maps
GRANT TEMPORARY ON DATABASE "db_maps" TO "maps_owner";

found: low monitor-missing: the role exporter, which is to monitor the instance, does not exist
  create it, or take it off the database service's monitors
