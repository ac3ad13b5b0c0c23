package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a running PostgreSQL server. Its methods that take a test may be called from several tests at once, but for
// Stop, Crash, Restart, SetHBA and Reload.
type Server struct {
	Major    int
	Version  string // "15.18"
	Host     string // 127.0.0.1
	Port     int
	Socket   string // the directory of the Unix socket
	Dir      string // the data directory
	CA       string // the file with the authority's certificate; empty: the server has no TLS
	Password string // the superuser's

	bin     string
	base    string // what is removed at the end; holds all the others
	user    account
	process *exec.Cmd
	exited  chan struct{}
	err     error // of the process, once exited is closed

	guard    *exec.Cmd
	guardPip io.Closer
	ended    sync.Once
}

// startTimeout bounds the start of a server, crash recovery included. It is long for machines that do much else.
const startTimeout = 2 * time.Minute

// guardScript ends a server when the process that started it is gone: its standard input is a pipe that this process
// holds open. Then it removes the server's files. It is the one way for both an orderly end and a killed test, and
// works where a parent-death signal does not exist or follows the death of a mere thread.
const guardScript = `while read -r _; do :; done
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
i=0
while [ -e "$1/data/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null && [ $i -lt 200 ]; do sleep 0.05; i=$((i+1)); done
i=0
until rm -rf "$1" 2>/dev/null || [ $i -ge 20 ]; do sleep 0.1; i=$((i+1)); done`

func start(major int, set settings) (_ *Server, err error) {
	bin, err := binaries(major)
	if err != nil {
		return nil, err
	}
	user, err := serverAccount()
	if err != nil {
		return nil, err
	}
	template, err := initialised(bin, user)
	if err != nil {
		return nil, err
	}
	base, err := makeBase(user)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Major: major, Version: template.version, Host: "127.0.0.1", Password: template.password,
		Socket: base, Dir: filepath.Join(base, "data"), bin: bin, base: base, user: user,
	}
	if err := s.watch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(base))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.end())
		}
	}()
	if err := copyTree(template.data, s.Dir, user); err != nil {
		return nil, fmt.Errorf("copy the initialised database: %w", err)
	}
	if set.base != "" {
		if err := s.moveBase(set.base); err != nil {
			return nil, err
		}
	}
	if set.tls {
		if err := s.certify(set.host); err != nil {
			return nil, fmt.Errorf("make a certificate: %w", err)
		}
	}
	hba := set.hba
	if hba == nil {
		hba = s.usualHBA()
	}
	if err := s.write("pg_hba.conf", hba); err != nil {
		return nil, err
	}
	return s, s.configureAndRun(set.conf)
}

// usualHBA asks for a password everywhere, and with TLS for that too.
func (s *Server) usualHBA() []string {
	host := "host"
	if s.CA != "" {
		host = "hostssl"
	}
	return []string{
		"local all all scram-sha-256",
		host + " all all 127.0.0.1/32 scram-sha-256",
		host + " replication all 127.0.0.1/32 scram-sha-256",
	}
}

// configureAndRun writes postgresql.conf and starts the server, on another port when somebody was quicker.
func (s *Server) configureAndRun(conf []string) error {
	path := filepath.Join(s.Dir, "postgresql.conf")
	initial, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := []string{
		"", // what initdb found out stands before, and what comes later wins
		"listen_addresses = '127.0.0.1'",
		"unix_socket_directories = '" + strings.ReplaceAll(s.Socket, "'", "''") + "'",
		"logging_collector = off",
		"log_line_prefix = '%m [%p] %q%u@%d '",
		"fsync = off", "full_page_writes = off", // what a statement has committed outlives a crash of the server all the same
		"shared_buffers = 32MB", "max_connections = 200", "max_wal_size = 512MB",
		"autovacuum_naptime = 1h", // nothing of a test lasts so long; a vacuum in between costs time and changes plans
		"timezone = 'UTC'", "log_timezone = 'UTC'",
	}
	if s.CA != "" {
		lines = append(lines, "ssl = on", "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'")
	}
	lines = append(lines, conf...)
	for try := 0; ; try++ {
		if s.Port, err = freePort(); err != nil {
			return err
		}
		all := append(slices.Clone(lines), "port = "+strconv.Itoa(s.Port), "")
		if err := os.WriteFile(path, append(bytes.Clone(initial), strings.Join(all, "\n")...), 0o600); err != nil {
			return err
		}
		if err = s.run(); err == nil || try == 4 || !strings.Contains(s.Log(), "Address already in use") {
			return err
		}
	}
}

// freePort gives a port of the loopback interface that nobody listens on at the moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// makeBase makes the directory of a server where its user can come to. The names of Unix sockets are at most 103 bytes
// long on some systems (sockaddr_un), so the directory does not lie under the test's own.
func makeBase(user account) (string, error) {
	base, err := os.MkdirTemp("", "zpg")
	if err != nil {
		return "", err
	}
	if base, err = filepath.EvalSymlinks(base); err != nil {
		return "", err
	}
	fail := func(err error) (string, error) { return "", errors.Join(err, os.Remove(base)) }
	if len(base)+len("/.s.PGSQL.65535.lock") > 103 {
		return fail(errors.New("the name of the temporary directory is too long for a Unix socket: set TMPDIR to a " +
			"shorter one"))
	}
	if err := user.own(base); err != nil {
		return fail(err)
	}
	if user.other {
		for dir := filepath.Dir(base); ; dir = filepath.Dir(dir) {
			info, err := os.Stat(dir)
			if err != nil {
				return fail(err)
			}
			if info.Mode().Perm()&0o001 == 0 {
				return fail(fmt.Errorf("the user %s, which the server runs as, cannot enter %s: set TMPDIR to a directory that "+
					"everybody can enter", user.name, dir))
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return base, nil
}

func (s *Server) write(name string, lines []string) error {
	path := filepath.Join(s.Dir, name)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return s.user.own(path)
}

// watch starts the guard.
func (s *Server) watch() error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	guard := exec.Command("/bin/sh", "-c", guardScript, "sh", s.base)
	guard.Stdin, guard.Dir = in, "/"
	guard.SysProcAttr = apart(account{})
	if err := guard.Start(); err != nil {
		out.Close()
		return fmt.Errorf("start the server's guard: %w", err)
	}
	s.guard, s.guardPip = guard, out
	return nil
}

// run starts the server and waits until it takes connections.
func (s *Server) run() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.Dir)
	cmd.Env = serverEnv()
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, s.Dir
	cmd.SysProcAttr = apart(s.user)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL %d: %w", s.Major, err)
	}
	s.process, s.exited = cmd, make(chan struct{})
	exited := s.exited
	go func() {
		s.err = cmd.Wait()
		close(exited)
	}()
	// As pg_ctl does it: the eighth line of postmaster.pid says what the server is at (utils/pidfile.h).
	deadline := time.Now().Add(startTimeout)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		if status := s.status(cmd.Process.Pid); status == "ready" || status == "standby" {
			tick.Stop()
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("PostgreSQL %d did not start: %v\n%s", s.Major, s.err, s.Log())
		case <-tick.C:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("PostgreSQL %d did not get ready in %v\n%s", s.Major, startTimeout, s.Log())
		}
	}
}

func (s *Server) status(pid int) string {
	content, err := os.ReadFile(filepath.Join(s.Dir, "postmaster.pid"))
	if err != nil {
		return ""
	}
	lines := strings.Split(string(content), "\n")
	if len(lines) < 8 || lines[0] != strconv.Itoa(pid) {
		return ""
	}
	return strings.TrimSpace(lines[7])
}

func (s *Server) logFile() string { return filepath.Join(s.base, "log") }

// Log is all that the server has written to its log.
func (s *Server) Log() string {
	content, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// Bin is the directory of the server's programs: initdb, pg_ctl and postgres at the least.
func (s *Server) Bin() string { return s.bin }

// Stop ends all sessions and stops the server. It can be started again with Restart.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.signalAndWait(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
}

// Crash stops the server as a power failure does: at its next start it recovers.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	if err := s.signalAndWait(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
}

// Restart stops the server if it runs, and starts it on the same port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// SetHBA replaces pg_hba.conf and makes the server read it.
func (s *Server) SetHBA(t testing.TB, lines ...string) {
	t.Helper()
	if err := s.write("pg_hba.conf", lines); err != nil {
		t.Fatal(err)
	}
	s.Reload(t)
}

// UsualHBA gives the lines that pg_hba.conf has without the option HBA.
func (s *Server) UsualHBA() []string { return s.usualHBA() }

// Reload makes the server read its configuration files again. Sessions that begin after it returns have the new ones;
// older sessions get them at their next statement.
func (s *Server) Reload(t testing.TB) {
	t.Helper()
	const said = "received SIGHUP, reloading configuration files"
	before := strings.Count(s.Log(), said)
	if err := s.process.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	// The postmaster writes this right before it reads, and accepts no connection in between.
	Wait(t, "the server to read its configuration", func() bool { return strings.Count(s.Log(), said) > before })
}

// Wait returns when a condition holds, and fails the test when it does not within two minutes.
func Wait(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %v for %s", startTimeout, what)
		case <-tick.C:
		}
	}
}

func (s *Server) signalAndWait(signal os.Signal) error {
	if s.process == nil {
		return nil
	}
	select {
	case <-s.exited:
		return nil
	default:
	}
	if err := s.process.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop PostgreSQL %d: %w", s.Major, err)
	}
	select {
	case <-s.exited:
		return nil
	case <-time.After(startTimeout):
		return fmt.Errorf("PostgreSQL %d did not stop in %v\n%s", s.Major, startTimeout, s.Log())
	}
}

// end stops the server for good and removes its files.
func (s *Server) end() (err error) {
	s.ended.Do(func() {
		err = s.signalAndWait(syscall.SIGQUIT)
		err = errors.Join(err, s.guardPip.Close())
		if wait := s.guard.Wait(); wait != nil {
			err = errors.Join(err, fmt.Errorf("remove the server's files: %w", wait))
		}
	})
	return err
}

// serverEnv is the environment of a server and of initdb: nothing that would set something for them.
func serverEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
}

// copyTree copies directories and regular files, owned by user.
func copyTree(from, to string, user account) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			if err := os.Mkdir(target, 0o700); err != nil {
				return err
			}
			return user.own(target)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return errors.Join(err, out.Close())
		}
		return errors.Join(out.Close(), user.own(target))
	})
}
