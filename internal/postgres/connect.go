// Package postgres brings a PostgreSQL instance to its desired state, and proves that it is in it: it inspects, applies
// plans, attacks, rotates credentials, backs up and restores. It is the only importer of pgx.
//
// Invariants: the platform's sessions never run a tenant's code: their search_path is pinned in the start-up packet,
// and work on a tenant's objects is done as a login of that tenant, or names the system's functions alone; passwords
// come from files and leave this process only as SCRAM verifiers or in an authentication exchange; TLS is verified
// unless the caller says otherwise; a server that does not answer is an error, never a result.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// Options say how to reach an instance.
type Options struct {
	// DSN is a connection URL or a keyword=value string; what it leaves out comes from the PG* variables.
	DSN string
	// Password goes before that of the DSN and of the environment; empty: they count.
	Password string
	// Connections is how many are open at once at the most; 0 stands for 4, and fewer than 3 for 3.
	Connections int
	// Notice is called with what the server says beside results; nil drops it.
	Notice func(*pgconn.Notice)
}

// Server is an instance that can be reached. It is safe for concurrent use.
type Server struct {
	config *pgx.ConnConfig
	notice func(*pgconn.Notice)
	slots  chan struct{}
}

// New reads the options; it does not connect. Where neither the DSN nor PGSSLMODE says otherwise, TLS is verified in
// full, but for a Unix socket. An error is a *Problem about the input.
func New(o Options) (*Server, error) {
	config, err := parse(o.DSN)
	if err != nil {
		return nil, err
	}
	if o.Password != "" {
		config.Password = o.Password
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	n := o.Connections
	if n <= 0 {
		n = 4
	}
	return &Server{config: config, notice: o.Notice, slots: make(chan struct{}, max(n, minConnections))}, nil
}

// minConnections is what an Apply needs: the session that holds the lock, one that inspects, and one within a tenant's
// database.
const minConnections = 3

func parse(dsn string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(dsn)
	if err == nil && os.Getenv("PGSSLMODE") == "" && preferred(config) {
		// Nothing, or a mere preference, was said. What a DSN says twice counts as it stands last, so that a "prefer" in
		// it stays.
		config, err = pgx.ParseConfig(withDefault(dsn, "sslmode=verify-full"))
	}
	if err != nil {
		// pgx masks passwords as well as it can, and says itself that it cannot always: so its text is not handed on.
		return nil, &Problem{
			Text: "the connection settings cannot be read: " + parseReason(err),
			Hint: "give a URL, postgres://USER@HOST:PORT/DATABASE?sslrootcert=FILE, or keywords, \"host=HOST user=USER\", or " +
				"set the PG* variables",
			Input: true,
		}
	}
	return config, nil
}

// parseReason is the part of an error of pgx's that holds nothing of the DSN but names.
func parseReason(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Path + ": " + path.Err.Error()
	}
	for _, known := range []string{
		"failed to parse as URL", "failed to parse as keyword/value", "failed to read service", "invalid port",
		"sslmode is invalid", "unable to add CA to cert pool", "both \"sslcert\" and \"sslkey\" are required",
		"invalid connect_timeout", "unknown target_session_attrs", "failed to configure TLS", "could not match",
		"invalid min_protocol_version", "invalid max_protocol_version", "unknown channel_binding", "invalid require_auth",
	} {
		if strings.Contains(err.Error(), known) {
			return strings.ReplaceAll(known, `"`, "")
		}
	}
	return "they have no form that PostgreSQL knows"
}

// preferred tells whether the settings try TLS and then go without: sslmode=prefer, which is the default.
func preferred(config *pgx.ConnConfig) bool {
	host, tls := config.Host, config.TLSConfig != nil
	for _, f := range config.Fallbacks {
		if f.Host == host && tls && f.TLSConfig == nil {
			return true
		}
		host, tls = f.Host, f.TLSConfig != nil
	}
	return false
}

// withDefault puts a setting in front of a DSN's own.
func withDefault(dsn, setting string) string {
	scheme := strings.Index(dsn, "://")
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return setting + " " + dsn
	}
	// A question mark before the at-sign is one of the password.
	query := scheme + len("://")
	if i := strings.IndexAny(dsn[query:], "@/"); i >= 0 && dsn[query+i] == '@' {
		query += i
	}
	if i := strings.IndexByte(dsn[query:], '?'); i >= 0 {
		return dsn[:query+i+1] + setting + "&" + dsn[query+i+1:]
	}
	return dsn + "?" + setting
}

// Open gives a session of the platform's role in a database, with everything pinned that a tenant could otherwise set
// for it. Close it with Close, which also frees its slot.
func (s *Server) Open(ctx context.Context, database string) (*Conn, error) {
	config := s.config.Copy()
	config.Database = database
	// What stands in the start-up packet goes before the settings of the database and the role.
	for name, value := range map[string]string{
		"application_name":            "zave",
		"search_path":                 "pg_catalog, pg_temp",
		"client_min_messages":         "warning",
		"standard_conforming_strings": "on",
		"statement_timeout":           "0",
		"lock_timeout":                "10s",
		"DateStyle":                   "ISO",
		"TimeZone":                    "UTC",
		// Catalogues are small: compiling a query and starting workers for it takes longer than running it.
		"jit":                             "off",
		"max_parallel_workers_per_gather": "0",
		// The parsed form of a statement is not written to the log, verifiers included.
		"debug_print_parse":     "off",
		"debug_print_rewritten": "off",
		// The server finds out within a minute that a session's machine is gone, and ends what it holds: the lock.
		"tcp_keepalives_idle":     "30",
		"tcp_keepalives_interval": "10",
		"tcp_keepalives_count":    "3",
	} {
		config.RuntimeParams[name] = value
	}
	c, err := s.connect(ctx, config)
	if err != nil {
		return nil, err
	}
	// Beside "15.18" there are "19beta1" and "15.18 (Debian 15.18-0+deb12u1)".
	version := c.PgConn().ParameterStatus("server_version")
	if major, err := strconv.Atoi(leadingDigits(version)); err != nil || major < MinMajor {
		_ = c.Close(context.WithoutCancel(ctx)) // it is of no use
		return nil, &Problem{
			Text:  fmt.Sprintf("the server is PostgreSQL %s, and zave needs %d or newer", version, MinMajor),
			Hint:  "upgrade the server: what keeps tenants apart begins with that version",
			Input: true,
		}
	}
	return c, nil
}

// MinMajor is the oldest major version of PostgreSQL that is worked with.
const MinMajor = 15

func leadingDigits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}

// Login gives a session of any role, with no settings but the server's.
func (s *Server) Login(ctx context.Context, database, role, password string) (*Conn, error) {
	config := s.config.Copy()
	config.Database, config.User, config.Password = database, role, password
	// A server that asks for the password itself does not get it.
	config.RequireAuth = "!password"
	return s.connect(ctx, config)
}

// Conn is a session that holds one of the server's slots.
type Conn struct {
	*pgx.Conn
	once     sync.Once
	free     func()
	warnings []string // that the server gave since takeWarnings
}

// Close ends the session. Further calls do nothing.
func (c *Conn) Close(ctx context.Context) error {
	var err error
	c.once.Do(func() {
		defer c.free()
		err = c.Conn.Close(ctx)
	})
	return err
}

// takeWarnings gives the warnings since the last call, in order.
func (c *Conn) takeWarnings() []string {
	out := c.warnings
	c.warnings = nil
	return out
}

func (s *Server) connect(ctx context.Context, config *pgx.ConnConfig) (*Conn, error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c := &Conn{free: func() { <-s.slots }}
	// Called while a statement of this session's is read, so that nothing else touches the warnings then.
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			c.warnings = append(c.warnings, n.Message)
		}
		if s.notice != nil {
			s.notice(n)
		}
	}
	// A statement whose caller gives up is cancelled in the server too, which would go on with it otherwise.
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 5 * time.Second}
	}
	var err error
	if c.Conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		c.free()
		return nil, err
	}
	return c, nil
}
