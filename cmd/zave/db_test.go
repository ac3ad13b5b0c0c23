package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/pgtest"
)

// TestDatabaseScript runs testdata/script/db-*.txtar once for each major version of PostgreSQL. They begin as all scripts
// do, with testdata/estate-db over the estate: tenants shop and forum have a database on dev. Beside the usual commands:
//
//	postgres [tls]             start a blank server, and point the PG* variables at it as its superuser
//	postgres stop|start        stop it, and start it again
//	postgres configure A B     restart it with the file A as pg_hba.conf, and with what B has of postgresql.conf
//	sql DATABASE SQL...        run statements as the superuser; what queries give goes to stdout
//	as ROLE [FILE]             connect as that role from now on, with the password in the file
//	credentials DIR TENANT...  make files of passwords, each of which begins with "hunter2"
//	keys DIR                   make keys for backups: age.key, age.pub, sign.pem and sign.pub
//	serverlog FILE             write the server's log to a file
//	statements sql FILE OUT    write the statements of a plan in JSON to a file, but for those with passwords
//	statements log OUT         write those that sessions of zave ran, but for queries and settings
//	clients                    put psql, pg_dump and pg_restore of at least the server's version on the PATH
//
// $major is the version, and $unsafe has a plan accept that such a server may lose data.
func TestDatabaseScript(t *testing.T) {
	files := scripts(t, true)
	for _, major := range pgtest.Majors() {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Files:               files,
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Setup: func(env *testscript.Env) error {
					if err := merge(filepath.Join(env.WorkDir, "repo"), os.DirFS(filepath.Join("testdata", "estate-db"))); err != nil {
						return err
					}
					env.Setenv("major", strconv.Itoa(major))
					// What makes the tests' servers quick is a finding.
					env.Setenv("unsafe", "--accept=setting-fsync,setting-full-page-writes")
					env.Values[instance{}] = &instance{t: env.T().(testing.TB), major: major}
					return setup(env)
				},
				Condition: condition,
				Cmds: commands(map[string]func(*testscript.TestScript, bool, []string){
					"as":          as,
					"clients":     clients,
					"credentials": credentials,
					"keys":        keys,
					"postgres":    startPostgres,
					"serverlog":   serverlog,
					"sql":         runSQL,
					"statements":  statements,
				}),
			})
		})
	}
}

// scripts gives the scripts that need a server, or the others.
func scripts(t *testing.T, server bool) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(name string) bool { return strings.HasPrefix(filepath.Base(name), "db-") != server })
}

// instance is a script's server.
type instance struct {
	t      testing.TB
	major  int
	server *pgtest.Server
}

// running gives the script's server.
func running(ts *testscript.TestScript) *instance {
	i := ts.Value(instance{}).(*instance)
	if i.server == nil {
		ts.Fatalf("there is no server yet: the command postgres starts one")
	}
	return i
}

func startPostgres(ts *testscript.TestScript, neg bool, args []string) {
	i := ts.Value(instance{}).(*instance)
	arg := strings.Join(args, " ")
	switch {
	case neg:
		ts.Fatalf("usage: postgres [tls|stop|start|configure HBA CONF]")
	case len(args) == 3 && args[0] == "configure":
		configure(ts, args[1], args[2])
		return
	case arg == "stop":
		running(ts).server.Stop(i.t)
		return
	case arg == "start":
		running(ts).server.Restart(i.t)
		return
	}
	options := []pgtest.Option{pgtest.Conf("log_statement = 'all'")}
	switch arg {
	case "":
	case "tls":
		options = append(options, pgtest.TLS())
	default:
		ts.Fatalf("usage: postgres [tls|stop|start|configure HBA CONF]")
	}
	s := pgtest.Start(i.t, i.major, options...)
	i.server = s
	ts.Setenv("PGHOST", s.Host)
	ts.Setenv("PGPORT", strconv.Itoa(s.Port))
	ts.Setenv("PGUSER", pgtest.Superuser)
	ts.Setenv("PGSSLMODE", "disable")
	if s.CA != "" {
		ts.Setenv("PGSSLMODE", "")
		ts.Setenv("PGSSLROOTCERT", s.CA)
	}
	ts.Setenv("PGPASSFILE", ts.MkAbs(filepath.Join("$WORK", ".pgpass")))
	passfile(ts, s, pgtest.Superuser, s.Password)
}

// configure has the server run with another pg_hba.conf, and with settings that go before its own: also before those that
// make it quick and its data unsafe.
func configure(ts *testscript.TestScript, hba, conf string) {
	i := running(ts)
	file, err := os.OpenFile(filepath.Join(i.server.Dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	ts.Check(err)
	_, err = file.WriteString("\nfsync = on\nfull_page_writes = on\nsynchronous_commit = on\n" + ts.ReadFile(conf))
	ts.Check(errors.Join(err, file.Close()))
	i.server.SetHBA(i.t, ts.ReadFile(hba))
	i.server.Restart(i.t)
}

// passfile makes the file of passwords hold one (libpq, "The Password File").
func passfile(ts *testscript.TestScript, s *pgtest.Server, role, password string) {
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
	line := fmt.Sprintf("*:%d:*:%s:%s\n", s.Port, escape.Replace(role), escape.Replace(password))
	name := filepath.Join(ts.Getenv("WORK"), ".pgpass")
	ts.Setenv("PGPASSFILE", name)
	ts.Check(os.WriteFile(name, []byte(line), 0o600))
}

func as(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: as ROLE [FILE]")
	}
	s := running(ts).server
	password := s.Password
	if len(args) == 2 {
		password = strings.TrimSuffix(ts.ReadFile(args[1]), "\n")
	}
	ts.Setenv("PGUSER", args[0])
	passfile(ts, s, args[0], password)
}

func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: sql DATABASE SQL...")
	}
	i := running(ts)
	for _, statement := range args[1:] {
		for _, row := range i.server.Rows(i.t, args[0], statement) {
			fmt.Fprintln(ts.Stdout(), row)
		}
	}
}

func serverlog(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serverlog FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(running(ts).server.Log()), 0o666))
}
func clients(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: clients")
	}
	i := running(ts)
	dir := filepath.Join(ts.Getenv("WORK"), ".clients")
	ts.Check(os.MkdirAll(dir, 0o777))
	for _, name := range []string{"psql", "pg_dump", "pg_restore"} {
		// What is found may be a script that looks for its libraries beside itself.
		script := fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", pgtest.Client(i.t, name, i.major))
		ts.Check(os.WriteFile(filepath.Join(dir, name), []byte(script), 0o777))
	}
	ts.Setenv("PATH", dir+string(os.PathListSeparator)+ts.Getenv("PATH"))
}

func credentials(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: credentials DIR TENANT...")
	}
	write := func(name ...string) {
		path := ts.MkAbs(filepath.Join(append(args[:1:1], name...)...))
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
		ts.Check(os.WriteFile(path, []byte("hunter2-"+strings.Join(name, "-")+"\n"), 0o600))
	}
	write("platform_bootstrap")
	for _, tenant := range args[1:] {
		for _, role := range []string{"app", "migrator", "readonly", "backup"} {
			write(tenant, role)
		}
	}
}

func keys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keys DIR")
	}
	identity, recipient, err := archive.NewIdentity()
	ts.Check(err)
	signer, private, err := archive.NewSigner()
	ts.Check(err)
	ts.Check(os.MkdirAll(ts.MkAbs(args[0]), 0o700))
	for name, content := range map[string]string{
		"age.key": identity, "age.pub": recipient + "\n", "sign.pem": string(private), "sign.pub": signer.Public().Text(),
	} {
		ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), name), []byte(content), 0o600))
	}
}

func statements(ts *testscript.TestScript, neg bool, args []string) {
	var all []string
	switch {
	case !neg && len(args) == 3 && args[0] == "sql":
		var plan struct {
			Steps []struct{ SQL, PasswordOf string }
		}
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &plan))
		for _, step := range plan.Steps {
			if step.PasswordOf == "" {
				all = append(all, step.SQL)
			}
		}
	case !neg && len(args) == 2 && args[0] == "log":
		all = logged(running(ts).server.Log())
	default:
		ts.Fatalf("usage: statements sql FILE OUT | statements log OUT")
	}
	var b strings.Builder
	for _, statement := range all {
		b.WriteString(statement + ";\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[len(args)-1]), []byte(b.String()), 0o666))
}

// logged gives the statements in a server's log that change something; what a session pings with is a comment. A
// statement's further lines begin with a tab there.
func logged(log string) []string {
	var all []string
	for _, entry := range strings.Split(strings.ReplaceAll(log, "\n\t", "\x00"), "\n") {
		_, statement, ok := strings.Cut(entry, " LOG:  statement: ")
		if !ok {
			if _, statement, ok = strings.Cut(entry, " LOG:  execute "); ok {
				_, statement, ok = strings.Cut(statement, ": ")
			}
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(statement, "\x00", " ")), " ")
		if ok && !slices.Contains([]string{"SELECT", "WITH", "SET", "RESET", "--", ""}, verb) {
			all = append(all, strings.ReplaceAll(statement, "\x00", "\n"))
		}
	}
	return all
}
