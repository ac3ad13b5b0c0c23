package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestProxyCuts: at every message of a session, before or after the server has it, the client gets an error, and the
// server has done what it should have.
func TestProxyCuts(t *testing.T) {
	s := Start(t, Majors()[0])
	s.Exec(t, "postgres", "CREATE TABLE done (n integer)")
	p := NewProxy(t, s)
	ctx := context.Background()
	// The start-up, two messages of SCRAM, two statements and the end.
	session := func(n int) error {
		conn, err := pgx.Connect(ctx, p.DSN(Superuser, s.Password, "postgres"))
		if err != nil {
			return err
		}
		for range 2 {
			if _, err := conn.PgConn().Exec(ctx, fmt.Sprintf("INSERT INTO done VALUES (%d)", n)).ReadAll(); err != nil {
				return err
			}
		}
		return conn.Close(ctx)
	}
	p.Cut(0, false)
	if err := session(0); err != nil {
		t.Fatal(err)
	}
	Wait(t, "the proxy to see the end of the session", func() bool { n, _ := p.Messages(); return n == 6 })
	for _, late := range []bool{false, true} {
		for n := 1; n <= 5; n++ {
			p.Cut(n, late)
			mark := n
			if late {
				mark += 10
			}
			if err := session(mark); err == nil {
				t.Errorf("message %d (late: %t) was cut, and the session went well", n, late)
			}
			if _, cut := p.Messages(); !cut {
				t.Errorf("message %d (late: %t) was not cut", n, late)
			}
			if err := session(mark); err == nil {
				t.Errorf("the proxy takes sessions after it has cut")
			}
			want := max(0, n-4)
			if late {
				want = max(0, n-3)
			}
			Wait(t, fmt.Sprintf("%d statements of session %d", want, mark), func() bool {
				got := s.Rows(t, "postgres", fmt.Sprintf("SELECT count(*) FROM done WHERE n = %d", mark))
				left := s.Rows(t, "postgres", `SELECT 1 FROM pg_stat_activity
					WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
				return len(left) == 0 && got[0] == fmt.Sprint(want)
			})
		}
	}
	p.Cut(0, false)
	if err := session(0); err != nil {
		t.Errorf("the proxy does not take sessions again: %v", err)
	}
}

// TestKilled: a test process that is killed leaves no server and no file.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("ZAVE_TEST_KILLED"); dir != "" {
		s := Start(t, Majors()[0])
		started := fmt.Appendf(nil, "%s\n%d", s.base, s.process.Process.Pid)
		if err := os.WriteFile(filepath.Join(dir, "base"), started, 0o600); err != nil {
			t.Fatal(err)
		}
		select {} // until we are killed
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), "ZAVE_TEST_KILLED="+dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var base string
	var pid int
	Wait(t, "the other process to start a server", func() bool {
		content, err := os.ReadFile(filepath.Join(dir, "base"))
		if err != nil {
			return false
		}
		n, err := fmt.Sscanf(strings.TrimSpace(string(content)), "%s\n%d", &base, &pid)
		return err == nil && n == 2
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	Wait(t, "the server and its files to go", func() bool {
		_, err := os.Stat(base)
		return os.IsNotExist(err) && !alive(pid)
	})
}
