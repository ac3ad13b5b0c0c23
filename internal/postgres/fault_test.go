//go:build linux || darwin

package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// forget removes a tenant, so that the next one of a test finds a server that is as small as the first did.
func (p *prepared) forget(t testing.TB, tenant state.Tenant) {
	t.Helper()
	p.Exec(t, "postgres", "DROP DATABASE "+tenant.Database+" WITH (FORCE)",
		"DROP ROLE "+strings.Join(tenant.Roles.All(), ", "))
}

// finish brings a tenant to its state after a run that was stopped. A run that succeeds has looked again, and found
// nothing left to do.
func (p *prepared) finish(t testing.TB, want *state.Desired, how string) {
	t.Helper()
	if _, err := p.platform(t).Apply(t.Context(), want, ApplyOptions{Credentials: passwords(want)}); err != nil {
		t.Errorf("%s: the run after it: %v", how, err)
	}
}

// TestCutTenant cuts the connections of a run at each of its messages, on the oldest version, and at some on the
// others. A run after that finishes what was begun.
func TestCutTenant(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"))
		proxy := pgtest.NewProxy(t, p.Server)
		dsn := proxy.DSN(p.want.Instance.Role, p.credentials[p.want.Instance.Role], "zave")
		stride := 13
		if major == pgtest.Majors()[0] {
			stride = 1
		}
		cuts := 0
		for n := 1; ; n += stride {
			// A cut before a message leaves the server as one right after the message before does.
			late := n%8 != 0
			how := fmt.Sprintf("cut at message %d (late: %t)", n, late)
			want := estate("t" + strconv.Itoa(n))
			proxy.Cut(n, late)
			done, err := reach(t, dsn).Apply(t.Context(), want, ApplyOptions{Credentials: passwords(want)})
			if _, cut := proxy.Messages(); !cut {
				if err != nil || done.Steps < 50 {
					t.Errorf("without a cut: %d steps, %v", done.Steps, err)
				}
				p.forget(t, want.Tenants[0])
				break
			}
			cuts++
			var told *Problem
			if err != nil && (!errors.As(err, &told) || told.Text == "" || told.Hint == "") {
				t.Errorf("%s: %v (%T)", how, err, err)
			}
			if told != nil && done.Steps > 0 && !(regexp.MustCompile(`(step \d+ of \d+, t`+strconv.Itoa(n)+`: |after \d+ step)`).
				MatchString(told.Text) && strings.Contains(told.Hint, "run the same again")) {
				t.Errorf("%s: it does not say where, and that a run after it goes on: %s; %s", how, told.Text, told.Hint)
			}
			p.finish(t, want, how)
			p.forget(t, want.Tenants[0])
		}
		if cuts*stride < 90 {
			t.Errorf("the runs were cut %d times", cuts)
		}
	})
}

// TestCutInstance does the same with the instance's step.
func TestCutInstance(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		pg := pgtest.Start(t, major)
		want := estate()
		want.Tenants = nil
		before := catalogue(t, &prepared{Server: pg, want: want})
		proxy := pgtest.NewProxy(t, pg)
		o := ApplyOptions{Options: state.Options{Instance: true}, Credentials: Credentials{"platform_bootstrap": "x"}}
		stride := 5
		if major == pgtest.Majors()[0] {
			stride = 1
		}
		for n := 1; ; n += stride {
			how := fmt.Sprintf("cut at message %d", n)
			proxy.Cut(n, true)
			_, err := reach(t, proxy.DSN(pgtest.Superuser, pg.Password, "postgres")).Apply(t.Context(), want, o)
			_, cut := proxy.Messages()
			if !cut && err != nil {
				t.Errorf("without a cut: %v", err)
			}
			s := reach(t, pg.SuperuserDSN("postgres"))
			if _, err := s.Apply(t.Context(), want, o); err != nil {
				t.Fatalf("%s: the run after it: %v", how, err)
			}
			if err := login(s, "zave", "platform_bootstrap", "x"); err != nil {
				t.Errorf("%s: %v", how, err)
			}
			if !cut {
				if n < 30 {
					t.Errorf("the instance's step has %d messages", n)
				}
				break
			}
			pg.Exec(t, "postgres", "DROP DATABASE zave WITH (FORCE)", "DROP OWNED BY platform_bootstrap",
				"DROP ROLE platform_bootstrap",
				"GRANT CONNECT, TEMPORARY ON DATABASE postgres TO PUBLIC", "GRANT CONNECT ON DATABASE template1 TO PUBLIC")
			if after := catalogue(t, &prepared{Server: pg, want: want}); len(after) != len(before) {
				t.Fatalf("the test does not undo what it does:\n%s\n---\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
			}
		}
	})
}

// The environment of a process that TestKilledProcess and TestManyProcesses start: what it connects to, the tenants,
// and the step at which it kills itself.
const (
	childDSN     = "ZAVE_TEST_CHILD_DSN"
	childTenants = "ZAVE_TEST_CHILD_TENANTS"
	childStep    = "ZAVE_TEST_CHILD_STEP"
)

// TestChild is what those processes run; by itself it does nothing else than to find that it is none.
func TestChild(t *testing.T) {
	dsn := os.Getenv(childDSN)
	if dsn == "" {
		return
	}
	want := estate(strings.Fields(os.Getenv(childTenants))...)
	at, err := strconv.Atoi(os.Getenv(childStep))
	if err != nil {
		t.Fatal(err)
	}
	o := ApplyOptions{
		Credentials: passwords(want), Options: state.Options{Instance: at == 0},
		Progress: func(done, _ int, _ state.Step) {
			if done == at {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		},
	}
	done, err := reach(t, dsn).Apply(t.Context(), want, o)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("did %d steps\n", done.Steps)
}

func child(dsn string, tenants []string, at int) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), childDSN+"="+dsn, childTenants+"="+strings.Join(tenants, " "),
		childStep+"="+strconv.Itoa(at))
	return cmd
}

// TestKilledProcess kills the process of a run at some of its steps.
func TestKilledProcess(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"))
		stride := 17
		if major == pgtest.Majors()[0] {
			stride = 5
		}
		for at := 1; ; at += stride {
			name := "k" + strconv.Itoa(at)
			out, err := child(p.platformDSN(), []string{name}, at).CombinedOutput()
			var exit *exec.ExitError
			if err == nil {
				if at < 50 {
					t.Errorf("the run had fewer than %d steps:\n%s", at, out)
				}
				break
			}
			status, ok := syscall.WaitStatus(0), false
			if errors.As(err, &exit) {
				status, ok = exit.Sys().(syscall.WaitStatus)
			}
			if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
				t.Fatalf("the run was not killed at step %d: %v\n%s", at, err, out)
			}
			want := estate(name)
			p.finish(t, want, fmt.Sprintf("killed at step %d", at))
			p.forget(t, want.Tenants[0])
		}
	})
}

// TestManyProcesses lets two and eight processes prepare the same blank server at once. All succeed, and the server is
// as one would have left it.
func TestManyProcesses(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		for _, n := range []int{2, 8} {
			want := estate()
			p := &prepared{pgtest.Start(t, major), want, passwords(want)}
			p.credentials[want.Instance.Role] = "x"
			outputs := make([]strings.Builder, n)
			running := make([]*exec.Cmd, n)
			for i := range running {
				running[i] = child(p.SuperuserDSN("postgres"), []string{"alpha", "beta"}, 0)
				running[i].Stdout, running[i].Stderr = &outputs[i], &outputs[i]
				if err := running[i].Start(); err != nil {
					t.Fatal(err)
				}
			}
			worked := 0
			for i, cmd := range running {
				if err := cmd.Wait(); err != nil {
					t.Errorf("run %d of %d: %v\n%s", i+1, n, err, outputs[i].String())
				}
				var steps int
				if _, err := fmt.Sscanf(outputs[i].String(), "did %d steps", &steps); err == nil && steps > 90 {
					worked++
				}
			}
			if worked != 1 {
				t.Errorf("%d of %d runs did the tenants' steps, want 1", worked, n)
			}
			p.Exec(t, "postgres", "ALTER ROLE platform_bootstrap PASSWORD 'x'")
			p.clean(t)
		}
	})
}

// TestReadOnly: a replica and a server that is set to be read-only are refused, and say that they are.
func TestReadOnly(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"), pgtest.Conf("restore_command = 'false'"))
		refused := func(what string) {
			t.Helper()
			_, err := p.platform(t).Apply(t.Context(), p.want, ApplyOptions{Credentials: p.credentials})
			says(t, err, "read-only", "connect to the primary")
			if t.Failed() {
				t.Log(what)
			}
		}
		p.Exec(t, "postgres", "ALTER SYSTEM SET default_transaction_read_only = on")
		p.Reload(t)
		refused("default_transaction_read_only")
		p.Exec(t, "postgres", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
			"ALTER SYSTEM RESET default_transaction_read_only")
		p.Stop(t)
		signal := filepath.Join(p.Dir, "standby.signal")
		if err := os.WriteFile(signal, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		p.Restart(t)
		refused("a standby")
		p.Stop(t)
		if err := os.Remove(signal); err != nil {
			t.Fatal(err)
		}
		p.Restart(t)
		p.apply(t)
		p.clean(t)
	})
}

// TestDiskFull: on a disk that is really full the run stops, says so, and goes on when there is room.
func TestDiskFull(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		disk := pgtest.Disk(t, 96)
		// With few buffers, pages reach the disk while the statement that makes them runs.
		p := prepare(t, major, estate("alpha", "beta", "gamma"), pgtest.BaseOn(disk), pgtest.Conf("shared_buffers = 1MB"))
		filler := filepath.Join(disk, "filler")
		fill(t, filler, 11<<20) // for one more database, and a part of the next
		_, err := p.platform(t).Apply(t.Context(), p.want, ApplyOptions{Credentials: p.credentials})
		says(t, err, "the server's disk is full: ", "goes on from where it stopped")
		if err == nil || !strings.HasPrefix(err.Error(), "step ") {
			t.Errorf("which step it was is not in %v", err)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		p.apply(t)
		p.clean(t)
	})
}

// fill writes a file until that much room is left on its disk.
func fill(t *testing.T, path string, leave uint64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<16)
	for {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(filepath.Dir(path), &fs); err != nil {
			t.Fatal(err)
		}
		if uint64(fs.Bavail)*uint64(fs.Bsize) <= leave {
			return
		}
		if _, err := f.Write(block); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPooler: behind a pooler, which shows by another process number than the one it gave, nothing is done.
func TestPooler(t *testing.T) {
	p := prepare(t, pgtest.Majors()[0], estate("alpha"))
	address := listen(t, func(c net.Conn) {
		server, err := net.Dial("tcp", net.JoinHostPort(p.Host, strconv.Itoa(p.Port)))
		if err != nil {
			t.Error(err)
			return
		}
		go func() {
			defer server.Close()
			_, _ = io.Copy(server, c)
		}()
		go func() {
			defer c.Close()
			for {
				head := make([]byte, 5)
				if _, err := io.ReadFull(server, head); err != nil {
					return
				}
				body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
				if _, err := io.ReadFull(server, body); err != nil {
					return
				}
				if head[0] == 'K' { // BackendKeyData
					binary.BigEndian.PutUint32(body, binary.BigEndian.Uint32(body)+1)
				}
				if _, err := c.Write(append(head, body...)); err != nil {
					return
				}
			}
		}()
	})
	dsn := strings.Replace(p.platformDSN(), net.JoinHostPort(p.Host, strconv.Itoa(p.Port)), address, 1)
	done, err := reach(t, dsn).Apply(t.Context(), p.want, ApplyOptions{Credentials: p.credentials})
	says(t, err, "a connection pooler stands between zave and the server", "connect to the server itself")
	if done.Steps > 0 {
		t.Errorf("%d steps were done", done.Steps)
	}
}

// TestServerStops: a server that is stopped in the middle of a run is an error that says so, and a run after its start
// goes on.
func TestServerStops(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"))
		for _, at := range []int{12, 30} {
			_, err := p.platform(t).Apply(context.WithoutCancel(t.Context()), p.want, ApplyOptions{
				Credentials: p.credentials,
				Progress: func(done, _ int, _ state.Step) {
					if done == at {
						p.Crash(t)
					}
				},
			})
			says(t, err, "the connection to the server was lost at step "+strconv.Itoa(at+1)+" of", "goes on from there")
			_, err = p.platform(t).Apply(t.Context(), p.want, ApplyOptions{Credentials: p.credentials})
			says(t, err, "no server listens", "")
			p.Restart(t)
		}
		// All steps are done then, and what they have done has not been looked at.
		plan, _, err := p.platform(t).Plan(t.Context(), p.want, state.Options{}, p.credentials)
		if err != nil {
			t.Fatal(err)
		}
		steps := 0
		_, err = p.platform(t).Apply(context.WithoutCancel(t.Context()), p.want, ApplyOptions{
			Credentials: p.credentials,
			Progress: func(done, total int, _ state.Step) {
				if steps = total; done == total {
					p.Crash(t)
				}
			},
		})
		var told *Problem
		if !errors.As(err, &told) || !strings.Contains(told.Text, "lost") && !strings.Contains(told.Text, "no server listens") ||
			!strings.Contains(told.Hint, "run the same again") || steps == 0 || steps != len(plan.Steps) {
			t.Errorf("after the last of %d steps, and %d were left: %v", steps, len(plan.Steps), err)
		}
		p.Restart(t)
		p.apply(t)
		p.clean(t)
	})
}

// TestServerFull: a lock table that a session has filled with advisory locks, and connections that are all taken, are
// told as what they are, and a run goes on when they are over.
func TestServerFull(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		p := prepare(t, major, estate("alpha"), pgtest.Conf("max_connections = 15", "max_locks_per_transaction = 10"))
		ctx := t.Context()
		p.Exec(t, "postgres", "CREATE ROLE greedy LOGIN PASSWORD 'x'", "GRANT CONNECT ON DATABASE postgres TO greedy")
		s := p.superuser(t)
		greedy, err := s.Login(ctx, "postgres", "greedy", "x")
		if err != nil {
			t.Fatal(err)
		}
		_, err = greedy.Exec(ctx, "SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 1000000) AS n")
		if code(err) != codeOutOfMemory {
			t.Fatalf("the lock table is not full: %v", err)
		}
		_, err = p.platform(t).Apply(ctx, p.want, ApplyOptions{Credentials: p.credentials})
		says(t, err, "the server's lock table is full", "max_locks_per_transaction")
		if err := greedy.Close(ctx); err != nil {
			t.Fatal(err)
		}
		gone := func(what string) {
			t.Helper()
			pgtest.Wait(t, what+" to go", func() bool {
				c, err := s.Open(ctx, "postgres")
				if err != nil {
					return false
				}
				defer c.Close(ctx)
				var left int
				err = c.QueryRow(ctx, "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') +"+
					" (SELECT count(*) FROM pg_stat_activity WHERE usename = 'greedy')").Scan(&left)
				return err == nil && left == 0
			})
		}
		gone("the locks")

		many, err := New(Options{DSN: p.SuperuserDSN("postgres"), Connections: 20})
		if err != nil {
			t.Fatal(err)
		}
		var all []*Conn
		for err == nil {
			var c *Conn
			if c, err = many.Login(ctx, "postgres", "greedy", "x"); err == nil {
				all = append(all, c)
			}
		}
		if code(err) != codeTooManyConnections {
			t.Fatalf("after %d connections: %v", len(all), err)
		}
		_, err = p.platform(t).Apply(ctx, p.want, ApplyOptions{Credentials: p.credentials})
		says(t, err, "the server has no connection left", "max_connections")
		for _, c := range all {
			if err := c.Close(ctx); err != nil {
				t.Error(err)
			}
		}
		gone("the sessions")
		p.apply(t)
		p.clean(t)
	})
}
