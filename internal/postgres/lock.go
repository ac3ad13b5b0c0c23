package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// lockKey is what runs lock: "zave" in ASCII. Anybody may know it, since nobody but the platform can connect to the
// database that it counts in.
const lockKey int64 = 0x7a617665

// lockRound is how long a wait for the lock lasts until its holder is looked up anew.
const lockRound = 2 * time.Second

// lease is a session that holds the platform's lock, until the session ends.
type lease struct {
	*Conn
	database string
}

// lock takes the lock that lets one run at a time change an instance: an advisory lock of a session in the platform's
// own database. Such a lock counts within one database, and no tenant can connect to this one (PostgreSQL manual,
// 13.3.5, "Advisory Locks"). It ends with its session, so that a killed run leaves none.
//
// As long as another run holds it, waiting is called every few seconds with who that is; it may be nil.
func (s *Server) lock(ctx context.Context, database string, waiting func(holder string)) (_ *lease, err error) {
	conn, err := s.openDirectly(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = conn.Close(context.WithoutCancel(ctx)) // the first error counts
		}
	}()
	holder := "another run"
	for {
		var got bool
		if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_try_advisory_lock($1)", lockKey).Scan(&got); err != nil {
			return nil, lockError(ctx, holder, err)
		}
		if got {
			return &lease{conn, database}, nil
		}
		if holder, err = conn.lockHolder(ctx, lockKey); err != nil {
			return nil, lockError(ctx, holder, err)
		}
		if waiting != nil {
			waiting(holder)
		}
		// Those who wait in the server get it in the order in which they came.
		set := fmt.Sprintf("SET lock_timeout = %d", lockRound.Milliseconds())
		if _, err := conn.Exec(ctx, set); err != nil {
			return nil, lockError(ctx, holder, err)
		}
		_, err = conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_lock($1)", lockKey)
		if err != nil && code(err) != codeLockNotAvailable {
			return nil, lockError(ctx, holder, err)
		}
		if _, reset := conn.Exec(ctx, "RESET lock_timeout"); reset != nil {
			return nil, lockError(ctx, holder, reset)
		}
		if err == nil {
			return &lease{conn, database}, nil
		}
	}
}

// openDirectly opens a session that is the server's own, and stays it.
func (s *Server) openDirectly(ctx context.Context, database string) (*Conn, error) {
	conn, err := s.Open(ctx, database)
	if err != nil {
		return nil, err
	}
	var pid uint32
	err = conn.QueryRow(ctx, "SELECT pg_catalog.pg_backend_pid()").Scan(&pid)
	if err == nil && pid != conn.PgConn().PID() {
		// A pooler hands each transaction to a session of its choice, and drops what the start-up packet pins.
		err = &Problem{
			Text:  "a connection pooler stands between zave and the server",
			Hint:  "connect to the server itself: a lock that lasts for a session means nothing behind a pooler",
			Input: true,
		}
	}
	if err != nil {
		_ = conn.Close(context.WithoutCancel(ctx)) // the first error counts
		return nil, err
	}
	return conn, nil
}

// lockHolder says who holds a lock.
func (c *Conn) lockHolder(ctx context.Context, key int64) (string, error) {
	var pid int
	var role, from, seconds *string
	err := c.QueryRow(ctx, `
		SELECT l.pid, a.usename::text, coalesce(pg_catalog.host(a.client_addr), 'the server''s own machine'),
		       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.backend_start)::integer::text
		FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = $1::oid AND l.objid = $2::oid
		  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())`,
		uint32(uint64(key)>>32), uint32(uint64(key))).Scan(&pid, &role, &from, &seconds)
	switch {
	case errors.Is(err, pgx.ErrNoRows): // it has just been released
		return "another run", nil
	case err != nil:
		return "another run", err
	case role == nil || seconds == nil: // the session's particulars are hidden from us
		return fmt.Sprintf("another run (process %d of the server)", pid), nil
	}
	return fmt.Sprintf("another run (process %d of the server, as the role %q from %s, for %s s)",
		pid, *role, *from, *seconds), nil
}

// lockError tells a wait that the caller gave up from other errors.
func lockError(ctx context.Context, holder string, err error) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	return &Problem{
		Text: holder + " changes the instance, and did not end in time",
		Hint: "wait for it; if it hangs, end its session with pg_terminate_backend and run the same again",
		Err:  err,
	}
}
