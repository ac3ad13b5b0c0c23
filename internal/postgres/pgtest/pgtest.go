// Package pgtest starts real PostgreSQL servers for tests, and finds the clients that go with them.
//
// Invariants: a server is one that was found on the machine or installed from a pinned package, of the major version
// that was asked for; it listens on the loopback interface and a Unix socket alone, asks for a password on both, and
// runs as an unprivileged user; it does not outlive the process that started it, not even one that was killed, and
// leaves no file behind; a server or client that cannot be had fails the test, with what to install.
//
// A package's tests share a server for each major version:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		for _, major := range pgtest.Majors() {
//			t.Run(fmt.Sprint(major), func(t *testing.T) {
//				s := pgtest.Shared(t, major)    // for tests that keep to databases and roles of their own
//				s = pgtest.Start(t, major, pgtest.TLS(), pgtest.Conf("max_connections = 20")) // one to break
//				s.Exec(t, "postgres", "CREATE ROLE a LOGIN")
//				server, err := postgres.New(postgres.Options{DSN: s.SuperuserDSN("postgres")})
//				…
//			})
//		}
//	}
package pgtest

import (
	"context"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Majors are the major versions to test with, ascending: all that zave supports, or those that the environment variable
// ZAVE_POSTGRES names, separated by commas ("15" or "15,18"). A name that is none is kept out by Main.
func Majors() []int {
	majors, err := parseMajors(os.Getenv("ZAVE_POSTGRES"))
	if err != nil {
		panic(err) // of a test run that was started wrongly; Main has said it already where it is used
	}
	return majors
}

func supported() []int { return []int{15, 16, 17, 18} }

func parseMajors(list string) ([]int, error) {
	if strings.TrimSpace(list) == "" {
		return supported(), nil
	}
	var out []int
	for _, s := range strings.Split(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || !slices.Contains(supported(), n) {
			return nil, &versionError{s}
		}
		out = append(out, n)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

type versionError struct{ text string }

func (e *versionError) Error() string {
	return "ZAVE_POSTGRES is to name major versions of PostgreSQL, 15 to 18 separated by commas, not " +
		strconv.Quote(e.text)
}

// shared are the servers of Shared. They belong to the process, as its standard output does: no test could own one.
var shared = struct {
	sync.Mutex
	servers map[int]*Server
	failed  map[int]error
}{servers: map[int]*Server{}, failed: map[int]error{}}

// Main runs a package's tests, stops the shared servers, and gives the exit status for os.Exit.
func Main(m *testing.M) int {
	if _, err := parseMajors(os.Getenv("ZAVE_POSTGRES")); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		return 2
	}
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	for major, s := range shared.servers {
		if err := s.end(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			code = max(code, 1)
		}
		delete(shared.servers, major)
	}
	return code
}

// Shared gives the test binary's server of a major version, started at the first call. Tests that use it keep to roles
// and databases of their own names, change no setting of the server, and do not stop it.
func Shared(t testing.TB, major int) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if err := shared.failed[major]; err != nil {
		t.Fatal(err)
	}
	s := shared.servers[major]
	if s == nil {
		var err error
		if s, err = start(major, settings{}); err != nil {
			shared.failed[major] = err
			t.Fatal(err)
		}
		shared.servers[major] = s
	}
	return s
}

// Start gives a fresh server of a major version, which is stopped at the end of the test.
func Start(t testing.TB, major int, options ...Option) *Server {
	t.Helper()
	var set settings
	for _, o := range options {
		o(&set)
	}
	s, err := start(major, set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Option is a way in which a server differs from the usual.
type Option func(*settings)

type settings struct {
	tls  bool
	host []string // the names of the certificate
	conf []string
	hba  []string
	base string // where the databases' files are; empty: with the others
}

// TLS makes the server ask for TLS on TCP, with a certificate from an authority of its own, Server.CA. It is for
// 127.0.0.1 and localhost, or for the names that are given.
func TLS(names ...string) Option { return func(s *settings) { s.tls, s.host = true, names } }

// Conf adds lines to postgresql.conf.
func Conf(lines ...string) Option { return func(s *settings) { s.conf = append(s.conf, lines...) } }

// HBA puts these lines in the place of pg_hba.conf's. The usual ones ask everybody for a password (scram-sha-256), over
// TLS alone with the option TLS.
func HBA(lines ...string) Option { return func(s *settings) { s.hba = append(s.hba, lines...) } }

// Superuser is the name of every server's superuser.
const Superuser = "postgres"

// DSN is a connection URL for TCP. An empty password is left out. TLS is verified in full where the server has it, and
// not tried otherwise.
func (s *Server) DSN(user, password, database string) string {
	return s.url(s.Host+":"+strconv.Itoa(s.Port), user, password, database)
}

func (s *Server) url(address, user, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(user), Host: address, Path: "/" + database}
	if password != "" {
		u.User = url.UserPassword(user, password)
	}
	q := url.Values{"sslmode": {"disable"}}
	if s.CA != "" {
		q = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.CA}}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// SuperuserDSN is the superuser's connection URL.
func (s *Server) SuperuserDSN(database string) string { return s.DSN(Superuser, s.Password, database) }

// SocketDSN is a keyword=value connection string for the Unix socket.
func (s *Server) SocketDSN(user, password, database string) string {
	quote := func(v string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'" }
	return "host=" + quote(s.Socket) + " port=" + strconv.Itoa(s.Port) + " user=" + quote(user) +
		" password=" + quote(password) + " dbname=" + quote(database) + " sslmode=disable"
}

// Exec runs statements as the superuser, each on its own, in one session.
func (s *Server) Exec(t testing.TB, database string, statements ...string) {
	t.Helper()
	s.session(t, database, func(ctx context.Context, conn *pgconn.PgConn) {
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	})
}

// Rows gives what a query of the superuser's returns: the values of a row as text, joined by "|"; a null is empty.
func (s *Server) Rows(t testing.TB, database, query string) []string {
	t.Helper()
	var out []string
	s.session(t, database, func(ctx context.Context, conn *pgconn.PgConn) {
		results, err := conn.Exec(ctx, query).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for _, r := range results {
			for _, row := range r.Rows {
				values := make([]string, len(row))
				for i, v := range row {
					values[i] = string(v)
				}
				out = append(out, strings.Join(values, "|"))
			}
		}
	})
	return out
}

func (s *Server) session(t testing.TB, database string, do func(context.Context, *pgconn.PgConn)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.SuperuserDSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	do(ctx, conn.PgConn())
}
