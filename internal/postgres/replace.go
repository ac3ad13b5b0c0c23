package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// replace has the restored database take the place of the tenant's. Both renames are in one transaction, so that there
// is always one database of the tenant's name, before and after, and a plan never sees it missing and makes an empty
// one.
//
// The old database is closed first, and its sessions ended. A run that is killed after that leaves it closed, which
// the next plan or the next run rights; one that fails opens it again itself.
func (r *restore) replace(ctx context.Context) (err error) {
	held, err := r.lock(ctx, r.want.Instance.Database, func(holder string) { r.doing("waiting for " + holder) })
	if err != nil {
		return err
	}
	defer held.Close(context.WithoutCancel(ctx))
	t, fresh := r.tenant, r.out.Database
	old, err := r.old(ctx, held.Conn)
	if err != nil {
		return err
	}
	p, err := r.platformSession(ctx, held.Conn)
	if err != nil {
		return err
	}
	before, err := freeStamp(ctx, held.Conn, t.Database, r.now)
	if err != nil {
		return err
	}
	if old {
		r.doing("closing " + t.Database)
		if err := p.exec(ctx, "ALTER DATABASE "+state.Ident(t.Database)+" ALLOW_CONNECTIONS false"); err != nil {
			return err
		}
		defer func() {
			if err == nil {
				return
			}
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			if e := r.reopen(end); e != nil {
				err = errors.Join(err, fmt.Errorf("%s is still closed, and the next `zave db apply` opens it: %w", t.Database, e))
			}
		}()
	}
	r.doing("replacing " + t.Database)
	for try := 1; ; try++ {
		for _, name := range []string{t.Database, fresh} {
			if err := p.endSessions(ctx, name); err != nil {
				return err
			}
		}
		err := p.swap(ctx, old, before, fresh)
		if err == nil {
			break
		}
		const tries = 20
		if code(err) != codeObjectInUse || try == tries {
			return replaceFailed(err, t.Database)
		}
		// Sessions may come into the restored one until it has its name; a session that ends takes a moment.
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
	r.out.Database = t.Database
	if !old {
		return nil
	}
	r.out.Before = before
	if slices.Contains(r.o.AllowDrop, t.Database) {
		r.doing("dropping " + before)
		if err := p.exec(ctx, "DROP DATABASE "+state.Ident(before)); err != nil {
			return fmt.Errorf("the database is replaced, but the old one, %s, could not be dropped: %w", before, err)
		}
		r.out.Dropped = true
	}
	return nil
}

func replaceFailed(err error, database string) error {
	var known *Problem
	if errors.As(Explain(err), &known) {
		q := *known
		q.Text = "nothing was replaced, and " + database + " is open again: " + known.Text
		return &q
	}
	return err
}

// old tells whether the tenant's database is there, and refuses one that is not the tenant's.
func (r *restore) old(ctx context.Context, conn *Conn) (bool, error) {
	var owner, comment string
	err := conn.QueryRow(ctx, `
		SELECT pg_get_userbyid(d.datdba)::text, coalesce(shobj_description(d.oid, 'pg_database'), '')
		FROM pg_database d WHERE d.datname = $1`, r.tenant.Database).Scan(&owner, &comment)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err == nil && (owner != r.want.Instance.Role || !r.tenant.Owns(comment)) {
		err = &Problem{
			Text:  fmt.Sprintf("the database %s exists and is not the tenant's: nothing was replaced", r.tenant.Database),
			Hint:  "it belongs to " + owner + "; rename it, or adopt it with `zave db apply --adopt " + r.tenant.Database + "`",
			Input: true,
		}
	}
	return true, err
}

// reopen opens the tenant's database again.
func (r *restore) reopen(ctx context.Context) error {
	conn, err := r.home(ctx, r.want)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	p, err := r.platformSession(ctx, conn)
	if err != nil {
		return err
	}
	return p.exec(ctx, "ALTER DATABASE "+state.Ident(r.tenant.Database)+" ALLOW_CONNECTIONS true")
}

// platformSession is a session that acts as the platform's role, whoever logged in.
type platformSession struct {
	*restore
	conn      *Conn
	superuser bool
}

func (r *restore) platformSession(ctx context.Context, conn *Conn) (*platformSession, error) {
	p := &platformSession{restore: r, conn: conn}
	var user string
	err := conn.QueryRow(ctx, "SELECT session_user::text, rolsuper FROM pg_roles WHERE rolname = session_user").
		Scan(&user, &p.superuser)
	if err == nil && user != r.want.Instance.Role && !p.superuser {
		err = p.exec(ctx, "SET ROLE "+state.Ident(r.want.Instance.Role))
	}
	return p, err
}

func (p *platformSession) exec(ctx context.Context, sql string) error {
	_, err := p.conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// swap renames both, and gives each the comment that it is to have.
func (p *platformSession) swap(ctx context.Context, old bool, before, fresh string) error {
	t := p.tenant
	name := state.Ident(t.Database)
	var sql []string
	if old {
		sql = append(sql, "ALTER DATABASE "+name+" RENAME TO "+state.Ident(before),
			"COMMENT ON DATABASE "+state.Ident(before)+" IS "+
				state.Literal(t.Comment()+", from before the restore of "+p.entry.ID))
	}
	sql = append(sql, "ALTER DATABASE "+state.Ident(fresh)+" RENAME TO "+name,
		"COMMENT ON DATABASE "+name+" IS "+state.Literal(t.Comment()))
	return pgx.BeginFunc(ctx, p.conn, func(pgx.Tx) error {
		for _, s := range sql {
			if err := p.exec(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

// endSessions ends all sessions in a database of the tenant's. Those of a role's only the role itself may end, or who
// has its rights, and so the platform's role becomes it, in a transaction that leaves no trace.
func (p *platformSession) endSessions(ctx context.Context, database string) error {
	const end = `SELECT count(*) FILTER (WHERE NOT pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
		WHERE datname = $1 AND usename = $2 AND pid <> pg_backend_pid()`
	rows, err := p.conn.Query(ctx, `SELECT DISTINCT usename::text FROM pg_stat_activity
		WHERE datname = $1 AND usename IS NOT NULL AND pid <> pg_backend_pid() ORDER BY 1`, database)
	if err != nil {
		return err
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, role := range roles {
		var left int
		if p.superuser || role == p.want.Instance.Role {
			if err := p.conn.QueryRow(ctx, end, database, role).Scan(&left); err != nil {
				return err
			}
			continue
		}
		if !slices.Contains(p.tenant.Roles.All(), role) {
			return &Problem{
				Text: fmt.Sprintf("%s has a session in %s, and it takes a superuser to end it", role, database),
				Hint: "end it, or run the same as a superuser", Input: true,
			}
		}
		tx, err := p.conn.Begin(ctx)
		if err != nil {
			return err
		}
		grant := "GRANT " + state.Ident(role) + " TO " + state.Ident(p.want.Instance.Role)
		if p.version >= 160000 {
			grant += " WITH INHERIT FALSE, SET TRUE"
		}
		err = p.exec(ctx, grant)
		if err == nil {
			err = p.exec(ctx, "SET LOCAL ROLE "+state.Ident(role))
		}
		if err == nil {
			err = p.conn.QueryRow(ctx, end, database, role).Scan(&left)
		}
		if err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx))); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the database that was filled, or that an earlier run has left: one that is removable, and no other.
func (r *restore) drop(ctx context.Context) error {
	name := r.scratch()
	if r.inPlace {
		return fmt.Errorf("%s is the tenant's own", name)
	}
	// What shows that nobody else fills it: the lock ends with its session.
	if _, err := r.claimed.Exec(ctx, "SELECT 1"); err != nil {
		return &Problem{
			Text: fmt.Sprintf("the session that keeps others from filling %s has ended, and so it stays", name),
			Hint: "run the same again: it removes what is left", Err: err,
		}
	}
	held, err := r.lock(ctx, r.want.Instance.Database, nil)
	if err != nil {
		return err
	}
	defer held.Close(context.WithoutCancel(ctx))
	d, err := r.find(ctx, held.Conn)
	if err != nil || d == nil {
		return err
	}
	if !r.removable(d) {
		return fmt.Errorf("%s is no longer what a restore has made", name)
	}
	p, err := r.platformSession(ctx, held.Conn)
	if err != nil {
		return err
	}
	if !d.invalid { // of one that somebody began to drop, nothing can be altered
		if err := p.exec(ctx, "ALTER DATABASE "+state.Ident(name)+" ALLOW_CONNECTIONS false"); err != nil {
			return err
		}
	}
	for try := 1; ; try++ {
		if err := p.endSessions(ctx, name); err != nil {
			return err
		}
		err := p.exec(ctx, "DROP DATABASE "+state.Ident(name))
		const tries = 20
		if code(err) != codeObjectInUse || try == tries {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// beforeName names what the tenant's database was before: db_panchito_before_20261124t012847z.
func beforeName(database string, at time.Time) string {
	return state.Beside(database, "_before_"+at.UTC().Format("20060102t150405z"))
}

// freeStamp names what the tenant's database was before, with the first second from the time on that none has: two
// replacements may follow each other within one.
func freeStamp(ctx context.Context, conn *Conn, database string, at time.Time) (string, error) {
	for {
		name := beforeName(database, at)
		var taken bool
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&taken)
		if err != nil || !taken {
			return name, err
		}
		at = at.Add(time.Second)
	}
}
