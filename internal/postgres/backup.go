package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// BackupOptions say where a backup goes, and how it is closed and signed.
type BackupOptions struct {
	Credentials Credentials // with the password of the tenant's role for backups; no other is used
	Store       archive.Store
	Recipients  *archive.Recipients
	Signer      *archive.Signer // without one, Unsigned has to be said
	Unsigned    bool
	Keep        *archive.Keep // what is kept of older ones; nil: all
	// Trusted are keys that older backups are signed with, beside the Signer's own. What neither has signed is never
	// removed, and does not count.
	Trusted  []archive.PublicKey
	PgDump   string // path of pg_dump; empty: the one on the PATH
	Program  string // zave's version, for the manifest
	Progress func(doing string)

	lockWait time.Duration // of pg_dump; 0: dumpLockWait
}

// BackedUp is what a Backup made.
type BackedUp struct {
	Manifest *archive.Manifest
	Removed  []string // IDs of older backups, by age
	Warnings []string // what pg_dump said beside
}

// Backup dumps a tenant's database into the store, encrypted and signed, logged in as the tenant's role for backups
// alone: it takes no right of the platform's. All that the manifest says is from the dump's own snapshot, and was read
// by the same login.
//
// It refuses to make less than a whole backup: where row-level security would leave out rows, or the login may not
// read a table, a sequence or a large object. An error is a *Problem or the context's; beside one about older backups
// that could not be removed, the result is what was made.
func (s *Server) Backup(ctx context.Context, want *state.Desired, tenant string, o BackupOptions) (*BackedUp, error) {
	out, err := s.backup(ctx, want, tenant, o)
	return out, explainArchive(err)
}

// explainArchive is Explain, and knows what package archive says.
func explainArchive(err error) error {
	var ours *Problem
	if err == nil || errors.As(err, &ours) {
		return err
	}
	var p *archive.Problem
	if !errors.As(err, &p) {
		return Explain(err)
	}
	text := err.Error()
	return &Problem{Text: text, Hint: p.Hint, Input: p.Kind != archive.Unusable, Err: err}
}

// tenantOf finds a tenant by its name.
func tenantOf(want *state.Desired, name string) (state.Tenant, error) {
	i := slices.IndexFunc(want.Tenants, func(t state.Tenant) bool { return t.Name == name })
	if i < 0 {
		return state.Tenant{}, &Problem{Text: fmt.Sprintf("no tenant %q has a database", name), Input: true}
	}
	return want.Tenants[i], nil
}

func (s *Server) backup(ctx context.Context, want *state.Desired, tenant string, o BackupOptions) (*BackedUp, error) {
	t, err := tenantOf(want, tenant)
	if err != nil {
		return nil, err
	}
	doing := o.Progress
	if doing == nil {
		doing = func(string) {}
	}
	switch {
	case o.Recipients == nil:
		return nil, &Problem{
			Text: "a backup is encrypted, and nobody is named who could read it", Hint: "name age recipients", Input: true,
		}
	case o.Signer == nil && !o.Unsigned:
		return nil, &Problem{
			Text: "there is no key to sign the backup with: whoever can write the store could then plant one, and " +
				"what a restore of it runs is theirs to choose",
			Hint:  "give a signing key, or ask for an unsigned backup if the store is yours alone to write",
			Input: true,
		}
	case o.Credentials[t.Roles.Backup] == "":
		return nil, &Problem{Text: "there is no password of the role " + t.Roles.Backup,
			Hint: "it is the file backup of the credentials", Input: true}
	}
	dump, err := findProgram(ctx, "pg_dump", o.PgDump)
	if err != nil {
		return nil, err
	}
	a := &attempt{Server: s, want: want, tenant: t, o: o, program: dump, doing: doing}
	for try := 1; ; try++ {
		out, err := a.run(ctx)
		if !errors.Is(err, errBusy) {
			return out, err
		}
		if try == dumpTries {
			return nil, &Problem{
				Text: fmt.Sprintf("no backup was made: each of %d times a migration came in between, and it gave way", try),
				Hint: "run it when no migration is under way", Err: errBusy,
			}
		}
		doing("waiting for a migration to pass")
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
}

// dumpTries bounds how often a backup begins anew because a migration came in between the locks of its two sessions.
const dumpTries = 8

// dumpLockWait is how long pg_dump waits for a lock. The tables are locked for it already; what it can wait for is a
// migration that waits for those locks itself and stands before it, and so for as long as the backup lasts.
const dumpLockWait = 5 * time.Second

// errBusy is that pg_dump met such a migration.
var errBusy = errors.New("a migration waits for the backup, and the backup for it")

// attempt is a backup of one snapshot.
type attempt struct {
	*Server
	want    *state.Desired
	tenant  state.Tenant
	o       BackupOptions
	program *program
	doing   func(string)

	w        *witness
	tables   []relation
	snapshot string
	security bool // there are tables with row-level security
	m        *archive.Manifest
}

func (a *attempt) run(ctx context.Context) (*BackedUp, error) {
	t, o := a.tenant, a.o
	a.doing("connecting as " + t.Roles.Backup)
	w, err := a.testify(ctx, t, t.Database, o.Credentials[t.Roles.Backup])
	if err != nil {
		return nil, err
	}
	defer w.Close(context.WithoutCancel(ctx))
	a.w = w
	if major := w.version() / 10000; a.program.major() < major {
		return nil, &Problem{
			Text: fmt.Sprintf("pg_dump is of version %s, and the server of %d: it does not read newer servers", a.program.text,
				major),
			Hint: fmt.Sprintf("install PostgreSQL's client programs of version %d or newer", major), Input: true,
		}
	}
	a.doing("locking the tables")
	if a.tables, a.snapshot, err = w.freeze(ctx); err != nil {
		return nil, err
	}
	if a.security, err = w.allRows(ctx, a.tables); err != nil {
		return nil, err
	}
	if err := w.allLarge(ctx); err != nil {
		return nil, err
	}
	var taken time.Time
	var size int64
	// The time of the transaction's begin is before the snapshot, so that the age of what is lost is never made smaller.
	err = w.QueryRow(ctx, "SELECT transaction_timestamp(), pg_database_size(current_database())").Scan(&taken, &size)
	if err != nil {
		return nil, err
	}
	taken = taken.UTC().Truncate(time.Second)
	a.m = &archive.Manifest{
		ID: archive.NewID(taken), Tenant: t.Name, Database: t.Database, Cluster: a.want.Cluster, SpecHash: t.Hash,
		Roles: t.Roles, Schema: t.Schema, Server: w.version(), Client: a.program.text, Program: o.Program, Taken: taken,
	}
	out := &BackedUp{Manifest: a.m}
	writer := &archive.Writer{Store: o.Store, Recipients: o.Recipients, Signer: o.Signer, Size: size}
	err = writer.Write(ctx, a.m, func(ctx context.Context, to io.Writer) error {
		var err error
		out.Warnings, err = a.dump(ctx, to)
		return err
	})
	if err != nil {
		return nil, err
	}
	if o.Keep == nil {
		return out, nil
	}
	a.doing("removing older backups")
	var now time.Time
	if err := w.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return out, fmt.Errorf("older backups stay: %w", err)
	}
	trust := archive.Trust{Keys: slices.Clone(o.Trusted), Unsigned: o.Unsigned}
	if o.Signer != nil {
		trust.Keys = append(trust.Keys, o.Signer.Public())
	}
	out.Removed, err = archive.Prune(ctx, o.Store, a.m.Set(), a.want.Cluster, trust, *o.Keep, now)
	if err != nil {
		return out, fmt.Errorf("the backup %s is made, but older ones could not be removed: %w", a.m.ID, err)
	}
	return out, nil
}

// dump runs pg_dump and reads the evidence beside it, both in the witness's snapshot.
func (a *attempt) dump(ctx context.Context, to io.Writer) ([]string, error) {
	t, w, p := a.tenant, a.w, a.program
	env, err := a.environment(p, t.Roles.Backup, a.o.Credentials[t.Roles.Backup])
	if err != nil {
		return nil, err
	}
	args := []string{
		"--format=custom", "--no-password", "--snapshot=" + a.snapshot,
		fmt.Sprintf("--lock-wait-timeout=%d", cmp.Or(a.o.lockWait, dumpLockWait).Milliseconds()),
		"--exclude-schema=" + pattern(t.ExtensionSchema), // the platform's, and made by it
		"--dbname=" + conninfo(t.Database, t.Roles.Backup),
	}
	if a.security {
		args = append(args, "--enable-row-security")
	}
	given := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := p.command(ctx, env, args...)
	c.cmd.Stdout = to
	a.doing("dumping")
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("run pg_dump: %w", err)
	}
	read := make(chan error, 1)
	go func() {
		e, err := w.evidence(ctx, a.tables, func(table string) { a.doing("dumping, and counting " + table) })
		if err != nil {
			cancel(err)
		} else {
			a.m.Evidence = *e
		}
		read <- err
	}()
	err = c.cmd.Wait()
	if err != nil {
		cancel(err) // of use only where the evidence did not fail first
	}
	counted := <-read
	switch {
	case given.Err() != nil:
		return nil, given.Err()
	case counted != nil && (err == nil || errors.Is(context.Cause(ctx), counted)):
		return nil, fmt.Errorf("read what the database holds: %w", counted)
	case err != nil && strings.Contains(c.said.String(), "Query was: LOCK TABLE"):
		return nil, errBusy
	case err != nil:
		return nil, c.failed(p.name, err)
	}
	// That this still works is proof that the session, its locks and its snapshot were there all the time.
	if err := w.sequences(ctx, &a.m.Evidence, true); err != nil {
		return nil, fmt.Errorf("read the sequences again: %w", err)
	}
	if _, err := w.PgConn().Exec(ctx, "COMMIT").ReadAll(); err != nil {
		return nil, err
	}
	return c.said.warnings(), nil
}

// pattern makes a name a pattern of pg_dump's that matches itself alone (PostgreSQL manual, psql, "Patterns").
func pattern(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
