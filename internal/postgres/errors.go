package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// Problem is what a person is told.
type Problem struct {
	Text string // one clear sentence, lower case, no full stop
	Hint string // what to do about it, likewise; may be empty
	// Input tells what was asked for, or the state of the instance (exit 1), from a failure of the world (exit 2).
	Input bool
	Err   error // the cause; may be nil
}

func (p *Problem) Error() string { return p.Text }

func (p *Problem) Unwrap() error { return p.Err }

// SQLSTATEs that are told apart (PostgreSQL manual, appendix A, "PostgreSQL Error Codes").
const (
	codeInvalidAuthorization = "28000"
	codeInvalidPassword      = "28P01"
	codeNoDatabase           = "3D000"
	codePrivilege            = "42501"
	codeDuplicateObject      = "42710"
	codeDuplicateDatabase    = "42P04"
	codeDuplicateSchema      = "42P06"
	codeUniqueViolation      = "23505"
	codeUndefinedObject      = "42704"
	codeReadOnly             = "25006"
	codeNotInState           = "55000"
	codeSerialization        = "40001"
	codeDeadlock             = "40P01"
	codeObjectInUse          = "55006"
	codeLockNotAvailable     = "55P03"
	codeDiskFull             = "53100"
	codeOutOfMemory          = "53200"
	codeTooManyConnections   = "53300"
	codeQueryCanceled        = "57014"
	codeAdminShutdown        = "57P01"
	codeCrashShutdown        = "57P02"
	codeCannotConnectNow     = "57P03"
	codeInternal             = "XX000"
)

// Explain gives what a person is told about an error from this package: a *Problem, or the error as it is where it is
// one already, or is the caller's own cancellation. The result's text and hint hold no secret.
func Explain(err error) error {
	var problem *Problem
	if err == nil || errors.As(err, &problem) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return explainConnect(err, connect)
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return explainServer(err, server, "")
	}
	if lost(err) {
		return &Problem{
			Text: "the connection to the server was lost: " + network(err),
			Hint: "see whether the server runs, and try again",
			Err:  err,
		}
	}
	return err
}

// explainStatement is Explain about a statement that a role ran.
func explainStatement(err error, role string) error {
	var problem *Problem
	var connect *pgconn.ConnectError
	var server *pgconn.PgError
	if !errors.As(err, &problem) && !errors.As(err, &connect) && errors.As(err, &server) {
		return explainServer(err, server, role)
	}
	return Explain(err)
}

// explainLook is Explain about an error that an Apply met while it inspected the instance, after so many steps. Where
// the server went away, it says that nothing is lost by it.
func explainLook(err error, steps int) error {
	var problem *Problem
	var connect *pgconn.ConnectError
	if explained := Explain(err); !errors.As(explained, &problem) || !lost(err) && !errors.As(err, &connect) {
		return err
	}
	p := *problem
	switch {
	case steps == 0:
		p.Text += ", while the instance was inspected: no step has been run"
	default:
		p.Text += fmt.Sprintf(", after %s, while the instance was inspected again", plural(steps, "step"))
	}
	if p.Hint != "" {
		p.Hint += "; "
	}
	p.Hint += "run the same again: what is done stays, and it goes on from there"
	return &p
}

// where names what was connected to, without the password.
func where(config *pgconn.Config) string {
	if strings.HasPrefix(config.Host, "/") {
		return config.Host
	}
	return net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
}

func explainConnect(err error, connect *pgconn.ConnectError) *Problem {
	c, at := connect.Config, where(connect.Config)
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return explainLogin(err, server, c, at)
	}
	p := &Problem{Err: err}
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		p.Text = fmt.Sprintf("the server's host %q cannot be found", c.Host)
		p.Hint = "see the host in --dsn or PGHOST, and the name service"
		if dns.IsTimeout || dns.IsTemporary {
			p.Text = fmt.Sprintf("the name service gave no answer about the server's host %q", c.Host)
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		p.Text = fmt.Sprintf("no server listens at %s", at)
		p.Hint = "see whether PostgreSQL runs there, and the host and port in --dsn or PGHOST and PGPORT"
	case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(c.Host, "/"):
		p.Text = fmt.Sprintf("no server has a socket for port %d in %s", c.Port, c.Host)
		p.Hint = "name a host with --dsn or PGHOST, or see whether PostgreSQL runs on this machine"
	case errors.As(err, &authority):
		p.Text = fmt.Sprintf("the certificate of the server at %s is from an authority that is not trusted here", at)
		p.Hint = "name the file with the authority's certificate: sslrootcert=FILE in --dsn, or PGSSLROOTCERT"
	case errors.As(err, &name):
		p.Text = fmt.Sprintf("the certificate of the server at %s is for %s", at, certifies(name.Certificate))
		p.Hint = "connect by a name that the certificate is for"
	case errors.As(err, &invalid):
		p.Text = fmt.Sprintf("the certificate of the server at %s is not valid", at)
		p.Hint = "renew it"
		if invalid.Reason == x509.Expired {
			p.Text = fmt.Sprintf("the certificate of the server at %s has expired, or is not valid yet", at)
			p.Hint = "renew it, or see whether this machine's clock is right"
		}
	case strings.Contains(err.Error(), "server refused TLS connection"):
		p.Text = fmt.Sprintf("the server at %s does no TLS, and TLS is verified unless told otherwise", at)
		p.Hint = "set ssl = on at the server; for a server on this very machine, sslmode=disable in --dsn or PGSSLMODE " +
			"does without"
	case errors.As(err, &record):
		p.Text = fmt.Sprintf("what listens at %s does not speak TLS as PostgreSQL does", at)
		p.Hint = "see whether host and port are those of PostgreSQL"
	case strings.Contains(err.Error(), "authentication method requirement"):
		p.Text = fmt.Sprintf("the server at %s asks for the password itself of the role %q, which does not leave "+
			"this process", at, c.User)
		p.Hint = "ask for scram-sha-256 in pg_hba.conf"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		p.Text = fmt.Sprintf("the server at %s gave no answer in time", at)
		p.Hint = "see whether a firewall or a network policy lies between, and whether the server is well"
	case errors.Is(err, context.Canceled):
		p.Text = "interrupted"
	case lost(err):
		p.Text = fmt.Sprintf("the server at %s closed the connection before it answered", at)
		p.Hint = "see whether PostgreSQL listens there, and its log"
	default:
		p.Text = fmt.Sprintf("the server at %s cannot be reached: %s", at, network(err))
	}
	return p
}

// certifies names whom a certificate is for.
func certifies(cert *x509.Certificate) string {
	if cert == nil {
		return "somebody else"
	}
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return strconv.Quote(cert.Subject.String())
	}
	return strings.Join(names, ", ")
}

// explainLogin is about an error that the server itself gave while a session began.
func explainLogin(err error, server *pgconn.PgError, c *pgconn.Config, at string) *Problem {
	p := &Problem{Err: err}
	switch server.Code {
	case codeInvalidPassword:
		p.Text = fmt.Sprintf("the server at %s refused the password of the role %q", at, c.User)
		p.Hint = "see PGPASSWORD, PGPASSFILE or the password in --dsn; a role whose VALID UNTIL has passed is refused " +
			"likewise"
		if c.Password == "" {
			p.Text = fmt.Sprintf("the server at %s wants a password of the role %q, and there is none", at, c.User)
			p.Hint = "give one in a file that PGPASSFILE names, or in PGPASSWORD"
		}
	case codeInvalidAuthorization:
		switch {
		case strings.Contains(server.Message, "pg_hba.conf"):
			p.Text = fmt.Sprintf("pg_hba.conf of the server at %s does not let the role %q into the database %q from here",
				at, c.User, c.Database)
			p.Hint = "add a line for them, such as one that `zave db config pg_hba` prints"
			if c.TLSConfig == nil && strings.Contains(server.Message, "no encryption") {
				p.Text += " without TLS"
				p.Hint = "use TLS: sslmode=verify-full in --dsn or PGSSLMODE, with sslrootcert=FILE; or add a line to pg_hba.conf"
			}
		case strings.Contains(server.Message, "not permitted to log in"):
			p.Text = fmt.Sprintf("the role %q may not log in", c.User)
			p.Hint = "connect as a role with LOGIN"
		default:
			p.Text = fmt.Sprintf("the server at %s does not let the role %q in: %s", at, c.User, server.Message)
			p.Hint = "see the role in --dsn or PGUSER"
		}
	case codeNoDatabase:
		p.Text = fmt.Sprintf("the server at %s has no database %q", at, c.Database)
	case codePrivilege:
		p.Text = fmt.Sprintf("the role %q lacks the privilege CONNECT on the database %q", c.User, c.Database)
		p.Hint = fmt.Sprintf("GRANT CONNECT ON DATABASE %s TO %s", quoted(c.Database), quoted(c.User))
	case codeCannotConnectNow:
		p.Text = fmt.Sprintf("the server at %s takes no connections now: %s", at, server.Message)
		p.Hint = "wait until it has started, and try again"
	default:
		return explainServer(err, server, c.User)
	}
	return p
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// explainServer is about an error of a statement's. The role is who ran it; it may be empty.
func explainServer(err error, server *pgconn.PgError, role string) *Problem {
	p := &Problem{Err: err}
	switch server.Code {
	case codePrivilege:
		p.Input = true
		who := "the role"
		if role != "" {
			who = fmt.Sprintf("the role %q", role)
		}
		need, hint := privilege(server, role)
		p.Text = fmt.Sprintf("%s lacks %s: %s", who, need, said(server))
		p.Hint = hint
	case codeReadOnly:
		p.Input = true
		p.Text = "the server is read-only: " + server.Message
		p.Hint = "connect to the primary; target_session_attrs=read-write in --dsn finds it among several hosts"
	case codeDiskFull:
		p.Text = "the server's disk is full: " + said(server)
		p.Hint = "make room on it, and run the same again: it goes on from where it stopped"
	case codeOutOfMemory:
		p.Text = "the server is out of memory: " + said(server)
		p.Hint = "make room, and run the same again"
		if strings.Contains(server.Message, "shared memory") {
			p.Text = "the server's lock table is full: " + said(server)
			p.Hint = "a session holds very many locks, advisory ones included: find it in pg_locks and end it, or raise " +
				"max_locks_per_transaction"
		}
	case codeTooManyConnections:
		p.Text = "the server has no connection left: " + said(server)
		p.Hint = "wait, end sessions, or raise max_connections; with reserved_connections (16 and later) the platform's " +
			"role can have some of its own"
	case codeLockNotAvailable:
		p.Text = "another session holds what has to be changed: " + said(server)
		p.Hint = "find it with pg_blocking_pids(), wait or end it, and run the same again"
	case codeObjectInUse:
		p.Text = "it is in use: " + said(server)
		p.Hint = "end the sessions that use it, and run the same again"
	case codeAdminShutdown, codeCrashShutdown:
		p.Text = "the server ended the session: " + server.Message
		p.Hint = "see whether the server runs, and run the same again: it goes on from where it stopped"
	case codeQueryCanceled:
		p.Text = "the statement was cancelled: " + server.Message
	case codeDuplicateObject, codeDuplicateDatabase, codeDuplicateSchema, codeUniqueViolation:
		p.Input = true
		p.Text = "somebody else made it in the meantime: " + said(server)
		p.Hint = "run the same again"
	default:
		p.Text = fmt.Sprintf("the server refused: %s (SQLSTATE %s)", said(server), server.Code)
		p.Hint = server.Hint
	}
	return p
}

// said is the server's message with its detail. Neither holds a statement's constants but for values that break a
// constraint, and no statement of ours has a secret in one.
func said(e *pgconn.PgError) string {
	if e.Detail == "" {
		return e.Message
	}
	return e.Message + " (" + strings.TrimSuffix(e.Detail, ".") + ")"
}

// privilege names what a role lacks, and what gives it. Before version 16 the server's message has no detail that says
// so.
func privilege(e *pgconn.PgError, role string) (need, hint string) {
	to := "the role"
	if role != "" {
		to = quoted(role)
	}
	const orPrepare = ", or run `zave db apply --instance` as a superuser once"
	has := func(s string) bool { return strings.Contains(e.Message, s) || strings.Contains(e.Detail, s) }
	switch {
	case has("SUPERUSER attribute"), has("must be superuser"):
		return "the attribute SUPERUSER", "run it as a superuser"
	case has("ADMIN option"), has("admin option"):
		return "the ADMIN option on a role",
			"the role was made by somebody else: a superuser has to grant it WITH ADMIN OPTION"
	case has("CREATEROLE"), has("permission denied to create role"):
		return "the attribute CREATEROLE", "ALTER ROLE " + to + " CREATEROLE" + orPrepare
	case has("permission denied to create database"), has("CREATEDB"):
		return "the attribute CREATEDB", "ALTER ROLE " + to + " CREATEDB" + orPrepare
	case has("permission denied to set parameter"):
		return "the privilege SET on a parameter", "a superuser's `zave db apply --instance` grants it"
	case has("must be owner of"):
		return "the ownership of an object", "it was made by somebody else: a superuser has to give it to the platform's role"
	case has("permission denied to set role"):
		return "a membership with SET", "a superuser's `zave db apply` grants what is needed"
	}
	return "a privilege", "run it as the platform's role, or as a superuser"
}

// lost tells whether a connection ended under a statement.
func lost(err error) bool {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code == codeAdminShutdown || server.Code == codeCrashShutdown
	}
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.As(err, &op) ||
		errors.Is(err, pgconn.ErrConnClosed)
}

// network is the innermost text of an error of the network's: without addresses that stand in the sentence already.
func network(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Message
	}
	for {
		var joined interface{ Unwrap() []error }
		inner := errors.Unwrap(err)
		if inner == nil && errors.As(err, &joined) && len(joined.Unwrap()) > 0 {
			inner = joined.Unwrap()[0]
		}
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// retryable tells whether running a statement again may succeed: another session was at the same row or database
// (findings of parallel Jobs: XX000 "tuple concurrently updated", 40001, 40P01, 55006).
func retryable(err error) bool {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return false
	}
	switch server.Code {
	case codeSerialization, codeDeadlock, codeObjectInUse:
		return true
	case codeInternal:
		return strings.Contains(server.Message, "tuple concurrently updated") ||
			strings.Contains(server.Message, "tuple concurrently deleted")
	}
	return false
}

// code gives the SQLSTATE of an error, or nothing.
func code(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}
