package postgres

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
)

// opened opens a session and explains the error.
func opened(t *testing.T, dsn, database string) error {
	t.Helper()
	ctx := context.Background()
	conn, err := reach(t, dsn).Open(ctx, database)
	if err != nil {
		return Explain(err)
	}
	return conn.Close(ctx)
}

// says holds an error against what a person is to read.
func says(t *testing.T, err error, text, hint string) {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) {
		t.Errorf("got %v (%T), want a Problem with %q", err, err, text)
		return
	}
	if !strings.Contains(p.Text, text) || !strings.Contains(p.Hint, hint) {
		t.Errorf("got %q with the hint %q, want %q and %q", p.Text, p.Hint, text, hint)
	}
	if strings.Contains(p.Text+p.Hint, "s3cret") {
		t.Errorf("a password is in %q, %q", p.Text, p.Hint)
	}
}

// with sets parameters of a connection URL; an empty value takes one away.
func with(t *testing.T, dsn string, set map[string]string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, value := range set {
		if q.Set(name, value); value == "" {
			q.Del(name)
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func TestUnreachable(t *testing.T) {
	refuses, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := refuses.Addr().String()
	refuses.Close()
	says(t, opened(t, "postgres://a:s3cret@"+address+"/x", "x"), "no server listens at "+address, "PGHOST")
	says(t, opened(t, "postgres://a:s3cret@no-such-host.invalid/x", "x"), `the server's host "no-such-host.invalid"`, "")
	says(t, opened(t, "host="+t.TempDir()+" user=a", "x"), "no server has a socket for port 5432 in", "PGHOST")

	closes := listen(t, func(c net.Conn) { c.Close() })
	says(t, opened(t, "postgres://a@"+closes+"/x?sslmode=disable", "x"), "closed the connection before it answered", "")
	web := listen(t, func(c net.Conn) { c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
	says(t, opened(t, "postgres://a@"+web+"/x", "x"), "does no TLS", "")
	shell := listen(t, func(c net.Conn) { c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n")) })
	says(t, opened(t, "postgres://a@"+shell+"/x", "x"), "does not speak TLS as PostgreSQL does", "host and port")
	silent := listen(t, func(net.Conn) {})
	says(t, opened(t, "postgres://a@"+silent+"/x?connect_timeout=1", "x"), "gave no answer in time", "firewall")
	asks := listen(t, func(c net.Conn) {
		b := pgproto3.NewBackend(c, c)
		if _, err := b.ReceiveStartupMessage(); err == nil {
			b.Send(&pgproto3.AuthenticationCleartextPassword{})
			_ = b.Flush()
			if m, err := b.Receive(); err == nil {
				t.Errorf("the client sent %T", m)
			}
		}
		c.Close()
	})
	s := reach(t, "postgres://a@"+asks+"/x?sslmode=disable")
	says(t, Explain(login(s, "x", "b", "s3cret")), `asks for the password itself of the role "b"`, "scram-sha-256")
}

// listen serves connections on the loopback interface until the end of the test.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var open []net.Conn
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open = append(open, c)
			serve(c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for _, c := range open {
			c.Close()
		}
	})
	return l.Addr().String()
}

// TestTooOld: a server of version 14 is refused by every session, with its version.
func TestTooOld(t *testing.T) {
	old := listen(t, func(c net.Conn) {
		b := pgproto3.NewBackend(c, c)
		if _, err := b.ReceiveStartupMessage(); err != nil {
			t.Error(err)
			return
		}
		b.Send(&pgproto3.AuthenticationOk{})
		b.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: "14.23 (Debian 14.23-1)"})
		b.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{0, 0, 0, 1}})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if err := b.Flush(); err != nil {
			t.Error(err)
		}
		_, _ = b.Receive() // the end of the session
		c.Close()
	})
	err := opened(t, "postgres://a@"+old+"/x?sslmode=disable", "x")
	says(t, err, "the server is PostgreSQL 14.23 (Debian 14.23-1), and zave needs 15 or newer", "upgrade")
}

func TestTransport(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		plain := pgtest.Shared(t, major)
		// Nothing is said about TLS: it is verified, and this server has none.
		says(t, opened(t, with(t, plain.SuperuserDSN("postgres"), map[string]string{"sslmode": ""}), "postgres"),
			"does no TLS", "sslmode=disable")
		if err := opened(t, plain.SocketDSN(pgtest.Superuser, plain.Password, "postgres"), "postgres"); err != nil {
			t.Errorf("a Unix socket needs no TLS: %v", err)
		}

		pg := pgtest.Start(t, major, pgtest.TLS())
		dsn := pg.SuperuserDSN("postgres")
		if err := opened(t, with(t, dsn, map[string]string{"sslmode": ""}), "postgres"); err != nil {
			t.Errorf("with the authority alone: %v", err)
		}
		other, err := pgtest.OtherCA(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		says(t, opened(t, with(t, dsn, map[string]string{"sslmode": "", "sslrootcert": other}), "postgres"),
			"from an authority that is not trusted here", "PGSSLROOTCERT")
		says(t, opened(t, with(t, dsn, map[string]string{"sslmode": "", "sslrootcert": ""}), "postgres"),
			"from an authority that is not trusted here", "PGSSLROOTCERT")
		says(t, opened(t, with(t, dsn, map[string]string{"sslmode": "disable"}), "postgres"), "without TLS",
			"sslmode=verify-full")

		named := pgtest.Start(t, major, pgtest.TLS("database.example"))
		says(t, opened(t, named.SuperuserDSN("postgres"), "postgres"), "is for database.example", "by a name that")
	})
}

func TestLoginRefused(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		pg := pgtest.Start(t, major)
		pg.Exec(t, "postgres", "CREATE ROLE visitor LOGIN PASSWORD 's3cret'",
			"CREATE ROLE full LOGIN CONNECTION LIMIT 0 PASSWORD 's3cret'",
			"CREATE ROLE still NOLOGIN PASSWORD 's3cret'", "CREATE ROLE gone LOGIN VALID UNTIL '2001-01-01' PASSWORD 's3cret'",
			"CREATE DATABASE closed", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
		dsn := func(role, password string) string { return pg.DSN(role, password, "postgres") }
		says(t, opened(t, dsn("visitor", "s3cret too"), "postgres"), `refused the password of the role "visitor"`,
			"PGPASSWORD")
		says(t, opened(t, dsn("visitor", ""), "postgres"), `wants a password of the role "visitor", and there is none`,
			"PGPASSFILE")
		says(t, opened(t, dsn("gone", "s3cret"), "postgres"), `refused the password of the role "gone"`, "VALID UNTIL")
		says(t, opened(t, dsn("still", "s3cret"), "postgres"), `the role "still" may not log in`, "LOGIN")
		says(t, opened(t, dsn("full", "s3cret"), "postgres"), "no connection left: too many connections for role", "")
		says(t, opened(t, dsn("visitor", "s3cret"), "closed"),
			`"visitor" lacks the privilege CONNECT on the database "closed"`, "GRANT CONNECT")
		says(t, opened(t, dsn("visitor", "s3cret"), "nowhere"), `has no database "nowhere"`, "")
		pg.SetHBA(t, append([]string{"host all visitor all reject"}, pg.UsualHBA()...)...)
		says(t, opened(t, dsn("visitor", "s3cret"), "closed"),
			`does not let the role "visitor" into the database "closed" from here`, "pg_hba")
	})
}

// TestNotReady: a standby that takes no sessions, one that takes them to read, and a server that is stopped under one.
func TestNotReady(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		pg := pgtest.Start(t, major, pgtest.Conf("restore_command = 'false'"))
		pg.Stop(t)
		signal := filepath.Join(pg.Dir, "standby.signal")
		if err := os.WriteFile(signal, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		pg.Restart(t)
		ctx := context.Background()
		conn, err := reach(t, pg.SuperuserDSN("postgres")).Open(ctx, "postgres")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "CREATE ROLE too_late")
		says(t, Explain(err), "the server is read-only: cannot execute CREATE ROLE in a read-only transaction",
			"connect to the primary")
		pg.Stop(t)
		_, err = conn.Exec(ctx, "SELECT 1")
		says(t, Explain(err), "the server ended the session", "run the same again")

		deaf := pgtest.Start(t, major, pgtest.Conf("restore_command = 'false'", "hot_standby = off"))
		deaf.Stop(t)
		if err := os.WriteFile(filepath.Join(deaf.Dir, "standby.signal"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		deaf.Restart(t)
		says(t, opened(t, deaf.SuperuserDSN("postgres"), "postgres"), "takes no connections now: ",
			"wait until it has started")
	})
}

func TestSettingsRefused(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://a:s3cret@h:port/x":                      "invalid port",
		"host=h user=a password='s3cret":                    "keyword/value",
		"postgres://a:s3cret@h/x?sslmode=sure":              "sslmode is invalid",
		"postgres://a:s3cret@h/x?sslrootcert=/nowhere.crt":  "/nowhere.crt: no such file",
		"postgres://a:s3cret@h/x?target_session_attrs=any1": "target_session_attrs",
		"postgres://a:s3cret@[h/x":                          "URL",
		"s3cret":                                            "keyword/value",
	} {
		_, err := New(Options{DSN: dsn})
		says(t, err, want, "")
	}
}

// TestDefaultTransport: what is said about TLS counts, wherever it is said; where nothing is, TLS is verified in full.
func TestDefaultTransport(t *testing.T) {
	service := filepath.Join(t.TempDir(), "services")
	if err := os.WriteFile(service, []byte("[plain]\nhost=h\nsslmode=disable\n[open]\nhost=h\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		verified = "verified in full"
		unproven = "TLS, unverified"
		none     = "no TLS"
		tried    = "TLS or none"
	)
	for _, c := range []struct{ dsn, env, want string }{
		{"", "", verified},
		{"host=h", "", verified},
		{"host=h sslmode=disable", "", none},
		{"host=h sslmode=require", "", unproven},
		{"host=h sslmode=prefer", "", tried},
		{"host=h password='x sslmode=disable'", "", verified},
		{"postgres://h", "", verified},
		{"postgres://u:p?q@h/d", "", verified},
		{"postgres://u:p@h/d?application_name=x", "", verified},
		{"postgres://u:p@h/d?application_name=sslmode%3Ddisable", "", verified},
		{"postgres://u:p@h/d?sslmode=disable", "", none},
		{"postgres://u:p@h/d?application_name=x&sslmode=prefer", "", tried},
		{"postgres://u:p@h,i/d", "", verified},
		{"postgres://u:p@[::1]:5433/d", "", verified},
		{"service=plain servicefile=" + service, "", none},
		{"service=open servicefile=" + service, "", verified},
		{"host=/run/postgresql", "", none},
		{"host=h", "disable", none},
		{"host=h", "prefer", tried},
		{"host=h sslmode=require", "disable", unproven},
	} {
		t.Setenv("PGSSLMODE", c.env)
		if c.env == "" {
			os.Unsetenv("PGSSLMODE")
		}
		t.Setenv("PGHOST", "h")
		s, err := New(Options{DSN: c.dsn})
		if err != nil {
			t.Errorf("%q: %v", c.dsn, err)
			continue
		}
		got := verified
		switch tls := s.config.TLSConfig; {
		case tls == nil:
			got = none
		case preferred(s.config):
			got = tried
		case tls.InsecureSkipVerify:
			got = unproven
		case tls.ServerName != s.config.Host:
			got = "TLS for " + tls.ServerName
		}
		for _, f := range s.config.Fallbacks {
			if got == verified && (f.TLSConfig == nil || f.TLSConfig.InsecureSkipVerify) {
				got = "verified, with a fallback that is not"
			}
		}
		if got != c.want {
			t.Errorf("%q with PGSSLMODE=%q: %s, want %s", c.dsn, c.env, got, c.want)
		}
	}
}

// TestSlots: a session that is closed twice frees one slot.
func TestSlots(t *testing.T) {
	pg := pgtest.Shared(t, pgtest.Majors()[0])
	s := reach(t, pg.SuperuserDSN("postgres"))
	ctx := context.Background()
	var open []*Conn
	for range cap(s.slots) {
		conn, err := s.Open(ctx, "postgres")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	for range 2 {
		if err := open[0].Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if free := cap(s.slots) - len(s.slots); free != 1 {
		t.Errorf("%d slots are free after one session was closed twice", free)
	}
	conn, err := s.Open(ctx, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	open[0] = conn
	short, stop := context.WithCancel(ctx)
	stop()
	if _, err := s.Open(short, "postgres"); !errors.Is(err, context.Canceled) {
		t.Errorf("without a slot and without time: %v", err)
	}
	if _, err := reach(t, pg.DSN("nobody", "x", "postgres")).Open(ctx, "postgres"); err == nil {
		t.Error("a role that does not exist logs in")
	}
	for _, c := range open {
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	if len(s.slots) != 0 {
		t.Errorf("%d slots are taken after all sessions were closed", len(s.slots))
	}
}
