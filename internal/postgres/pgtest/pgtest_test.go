package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// TestInstalled is what a machine is prepared with before all other tests: it installs what they need.
func TestInstalled(t *testing.T) {
	for _, major := range Majors() {
		s := Shared(t, major)
		if got := majorOf(s.Version); got != major {
			t.Errorf("asked for PostgreSQL %d, got %s", major, s.Version)
		}
		got := s.Rows(t, "postgres", "SHOW server_version_num")
		if len(got) != 1 || !strings.HasPrefix(got[0], fmt.Sprint(major)) {
			t.Errorf("server_version_num of PostgreSQL %d is %q", major, got)
		}
	}
}

// TestClientsInstalled does the same for the clients.
func TestClientsInstalled(t *testing.T) {
	for _, major := range Majors() {
		for _, name := range []string{"psql", "pg_dump", "pg_restore"} {
			path := Client(t, name, major)
			if version := ClientVersion(t, path); majorOf(version) < major {
				t.Errorf("asked for %s of PostgreSQL %d, got %s", name, major, version)
			}
		}
		s := Shared(t, major)
		cmd := exec.Command(Client(t, "psql", major), "-XAtq", "-c", "SELECT 'it ' || 'works'", s.SuperuserDSN("postgres"))
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != "it works\n" {
			t.Errorf("psql of PostgreSQL %d: %v\n%s", major, err, out)
		}
		cmd = exec.Command(Client(t, "pg_dump", major), "--schema-only", s.SuperuserDSN("postgres"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("pg_dump of PostgreSQL %d: %v\n%s", major, err, out)
		}
	}
}

func connect(t *testing.T, dsn string) error {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

func TestServer(t *testing.T) {
	for _, major := range Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			s := Start(t, major, TLS(), Conf("max_connections = 20", "log_statement = all"))
			if err := connect(t, s.SuperuserDSN("postgres")); err != nil {
				t.Error(err)
			}
			if err := connect(t, s.SocketDSN(Superuser, s.Password, "postgres")); err != nil {
				t.Error(err)
			}
			if err := connect(t, s.DSN(Superuser, "not it", "postgres")); err == nil || !strings.Contains(err.Error(), "28P01") {
				t.Errorf("a wrong password: %v", err)
			}
			plain := strings.Replace(s.SuperuserDSN("postgres"), "sslmode=verify-full", "sslmode=disable", 1)
			if err := connect(t, plain); err == nil || !strings.Contains(err.Error(), "28000") {
				t.Errorf("without TLS: %v", err)
			}
			if got := s.Rows(t, "postgres", "SHOW max_connections"); len(got) != 1 || got[0] != "20" {
				t.Errorf("max_connections is %q", got)
			}
			if !strings.Contains(s.Log(), "statement: SHOW max_connections") {
				t.Errorf("the log has no statement:\n%s", s.Log())
			}
			s.Exec(t, "postgres", "CREATE DATABASE kept")
			s.SetHBA(t, append([]string{"hostssl kept all all reject"}, s.UsualHBA()...)...)
			if err := connect(t, s.SuperuserDSN("kept")); err == nil || !strings.Contains(err.Error(), "28000") {
				t.Errorf("a database that pg_hba.conf rejects: %v", err)
			}
			s.SetHBA(t, s.UsualHBA()...)
			s.Crash(t)
			if err := connect(t, s.SuperuserDSN("kept")); err == nil {
				t.Error("a stopped server answers")
			}
			s.Restart(t)
			if err := connect(t, s.SuperuserDSN("kept")); err != nil {
				t.Error(err)
			}
		})
	}
}
