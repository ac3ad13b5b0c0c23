package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// RestoreOptions say what is restored, and what may be done with it.
type RestoreOptions struct {
	// Credentials hold the passwords of the tenant's migrator, which loads, and of its role for backups, which compares;
	// that of the application's login where it owns large objects. Those of all roles where they are to be made first.
	Credentials Credentials
	Store       archive.Store
	Trust       archive.Trust
	Identities  *archive.Identities
	At          string // the archive's ID, or how it begins; empty: the newest
	From        Source // what the archive says of itself; what is empty is as the tenant's
	Replace     bool   // have the restored database take the place of the tenant's, once it is verified
	// AllowDrop names databases that may be dropped: the tenant's, once another has taken its place; and the one that an
	// earlier restore made, where it is in the way.
	AllowDrop      []string
	Keep           bool   // leave a database that could not be restored, for a look at it
	PgRestore      string // path of pg_restore; empty: the one on the PATH
	AllowOldClient bool   // a pg_restore that runs what a crafted archive says; for archives that are surely one's own
	Temporary      string // directory for the encrypted archive; empty: the system's
	Verify         *VerifyOptions
	Progress       func(doing string)
}

// Source is what an archive is of.
type Source struct{ Tenant, Database, Cluster string }

// Restored is what a Restore did.
type Restored struct {
	Manifest *archive.Manifest
	Key      archive.PublicKey // of who signed the archive; empty: it was not held against a key
	Database string            // where it is
	Before   string            // what the tenant's database is called that it took the place of, closed; empty: none
	Dropped  bool              // and that one is gone
	Resumed  bool              // it had been loaded by an earlier run, which ended before it took its place
	Warnings []string          // what was left out, and what pg_restore said
	Report   *Report           // of the verification that was asked for; nil: none was
}

// Restore brings a tenant's database back from an archive, into a new database beside the tenant's.
//
// Before anything is touched, the archive is whole, its signature holds, it is this tenant's, it can be decrypted to
// its end, and pg_restore can read it. Then the new database is bootstrapped from the spec as any other, loaded by the
// tenant's migrator as the tenant's owner, never with the platform's rights, granted as it was, and compared with the
// manifest: rows, digests, sequences, large objects, constraints, extensions, policies and grants; and a plan for it
// must be empty. With Replace it then takes the place of the tenant's database, in one transaction; the old one is
// kept, closed, under another name. A run that was killed can be run again: what it loaded is verified anew and not
// loaded twice, half of one is removed, and the tenant's database is open again.
//
// The new database has the one name that pg_hba.conf lets the tenant into. Of two restores of a tenant at once, the
// second is refused; and so is one where an earlier one made that database, of another archive or in use since, unless
// AllowDrop names it. Nothing is taken for a restore's that does not bear its mark.
//
// A database that could not be restored is removed. An error is a *Problem or the context's; it says what differs.
func (s *Server) Restore(ctx context.Context, want *state.Desired, tenant string, o RestoreOptions) (*Restored, error) {
	r, err := s.newRestore(want, tenant, o)
	if err != nil {
		return nil, err
	}
	out, err := r.run(ctx)
	return out, explainArchive(err)
}

// RestoreTest restores a tenant's newest archive, or another, into a database of its own, compares it with the
// manifest, and removes it. What an earlier test left that was killed goes first. Of two tests of a tenant at once, the
// second is refused.
func (s *Server) RestoreTest(
	ctx context.Context, want *state.Desired, tenant string, o RestoreOptions,
) (*Restored, error) {
	o.Replace, o.AllowDrop, o.Keep = false, nil, false
	r, err := s.newRestore(want, tenant, o)
	if err != nil {
		return nil, err
	}
	r.test = true
	out, err := r.run(ctx)
	return out, explainArchive(err)
}

// restore is one under way.
type restore struct {
	*Server
	want    *state.Desired
	tenant  state.Tenant
	o       RestoreOptions
	doing   func(string)
	test    bool   // into a database that is removed again
	inPlace bool   // into the tenant's own, which is new and empty
	note    string // what follows the tenant's mark on the database
	claimed *Conn  // holds the lock on the database that is filled

	program *program
	version int       // of the server
	now     time.Time // by the server's clock, when the restore began
	entry   *archive.Entry
	spool   *archive.Spool
	toc     *contents
	out     *Restored

	extensions []string // that the verified database has
}

func (s *Server) newRestore(want *state.Desired, tenant string, o RestoreOptions) (*restore, error) {
	t, err := tenantOf(want, tenant)
	if err != nil {
		return nil, err
	}
	for _, n := range []struct{ role, file string }{{t.Roles.Migrator, "migrator"}, {t.Roles.Backup, "backup"}} {
		if o.Credentials[n.role] == "" {
			return nil, &Problem{
				Text: "there is no password of the role " + n.role + ", and a restore logs in as the tenant, never as the platform",
				Hint: "it is the file " + n.file + " of the credentials", Input: true,
			}
		}
	}
	if o.Identities == nil {
		return nil, &Problem{Text: "there is no identity to decrypt the backup with", Hint: "give the age identity",
			Input: true}
	}
	if o.From.Tenant == "" {
		o.From.Tenant = t.Name
	}
	if o.From.Database == "" {
		o.From.Database = t.Database
	}
	if o.From.Cluster == "" {
		o.From.Cluster = want.Cluster
	}
	r := &restore{Server: s, want: want, tenant: t, o: o, doing: o.Progress, note: unfinishedMark, out: &Restored{}}
	if r.doing == nil {
		r.doing = func(string) {}
	}
	return r, nil
}

func (r *restore) run(ctx context.Context) (*Restored, error) {
	if err := r.look(ctx); err != nil {
		return nil, err
	}
	leftover := false
	if !r.inPlace {
		if err := r.claim(ctx); err != nil {
			return nil, err
		}
		defer r.claimed.Close(context.WithoutCancel(ctx))
		var err error
		if leftover, err = r.standing(ctx); err != nil {
			return nil, err
		}
	}
	if r.out.Resumed {
		name := r.scratch()
		r.doing("verifying " + name + ", which an earlier run has loaded")
		r.out.Database = name
		if err := r.verifyAgain(ctx); err != nil {
			if !errors.Is(err, errDiffers) {
				return nil, err
			}
			if !slices.Contains(r.o.AllowDrop, name) {
				return nil, r.inTheWay("it was restored from the same backup, and is no longer as it was: " + err.Error())
			}
			leftover, r.out.Resumed, r.out.Database = true, false, ""
		}
	}
	if !r.out.Resumed {
		if err := r.check(ctx); err != nil {
			return nil, err
		}
		defer r.spool.Close()
		if leftover {
			r.doing("removing " + r.scratch() + ", which an earlier run has left")
			if err := r.drop(ctx); err != nil {
				return nil, err
			}
		}
		if err := r.fill(ctx); err != nil {
			return nil, r.abandon(ctx, err)
		}
	}
	if err := r.finish(ctx); err != nil {
		if r.test {
			err = r.abandon(ctx, err)
		}
		return r.out, err
	}
	switch {
	case r.test:
		r.doing("removing " + r.out.Database)
		if err := r.drop(ctx); err != nil {
			return r.out, fmt.Errorf("the backup is good, but its test could not be removed: %w", err)
		}
	case r.o.Replace:
		if err := r.replace(ctx); err != nil {
			return r.out, err
		}
	}
	return r.out, nil
}

// finish marks a database that is as it was, so that another run need not load it again to put it in its place, and
// has it attacked. One of a test keeps the mark of what may be removed.
func (r *restore) finish(ctx context.Context) error {
	if !r.test && !r.inPlace {
		if err := r.mark(ctx, restoredMark(r.entry.ID)); err != nil {
			return err
		}
	}
	return r.attack(ctx)
}

// look finds the archive, and what the server is. It changes nothing.
func (r *restore) look(ctx context.Context) (err error) {
	if r.program, err = findProgram(ctx, "pg_restore", r.o.PgRestore); err != nil {
		return err
	}
	if !r.program.safe() && !r.o.AllowOldClient {
		return &Problem{
			Text: fmt.Sprintf("pg_restore is of version %s, which runs what a crafted archive tells it to, on this machine",
				r.program.text),
			Hint: "use 18.7, 17.12, 16.16, 15.20 or newer; zave's image has one", Input: true,
		}
	}
	conn, err := r.home(ctx, r.want)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	r.version = serverVersion(conn)
	if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&r.now); err != nil {
		return err
	}
	if major := r.version / 10000; r.program.major() < major {
		return &Problem{
			Text: fmt.Sprintf("pg_restore is of version %s, and the server of %d", r.program.text, major),
			Hint: fmt.Sprintf("install PostgreSQL's client programs of version %d or newer", major), Input: true,
		}
	}
	r.doing("looking for the backup")
	set := archive.Set{Tenant: r.o.From.Tenant, Database: r.o.From.Database}
	entries, err := archive.List(ctx, r.o.Store, set, r.o.From.Cluster, r.o.Trust)
	if err != nil {
		return err
	}
	if r.entry, err = archive.Find(entries, r.o.At, r.now); err != nil {
		return err
	}
	r.out.Manifest, r.out.Key = r.entry.Manifest, r.entry.Key
	return r.suits(r.entry.Manifest)
}

// suits refuses an archive that is good and cannot be restored here.
func (r *restore) suits(m *archive.Manifest) error {
	t := r.tenant
	refuse := func(hint, format string, args ...any) error {
		return &Problem{Text: "the backup " + m.ID + " is refused: " + fmt.Sprintf(format, args...), Hint: hint, Input: true}
	}
	if was, is := m.Server/10000, r.version/10000; was > is {
		return refuse("restore it on that version or a newer one",
			"it was taken from PostgreSQL %d, and the server is PostgreSQL %d: a dump goes no way back", was, is)
	}
	if m.Schema != t.Schema {
		return refuse("", "the tenant's schema is %s in it, and %s in the spec", m.Schema, t.Schema)
	}
	var lacking []string
	for _, x := range m.Evidence.Extensions {
		if x.Name != "plpgsql" && !slices.Contains(t.Extensions, x.Name) {
			lacking = append(lacking, x.Name)
		}
	}
	if len(lacking) > 0 {
		return refuse("put them on the tenant's list", "extensions of it are not on the tenant's list: %s",
			strings.Join(lacking, ", "))
	}
	names := r.names()
	for _, p := range m.Evidence.Policies {
		for _, role := range p.Roles {
			if _, ours := names[role]; !ours && r.renames() {
				return refuse("restore it where the roles have the same names, or take the policy away and back up again",
					"its policy %s on %s is for %s, which is none of the tenant's roles, and those have other names here", p.Name,
					p.Table, role)
			}
		}
	}
	for _, l := range m.Evidence.LargeObjects.Owned {
		if _, _, err := r.keeper(l.Owner); err != nil {
			return err
		}
	}
	return nil
}

// names maps the archive's names of the tenant's roles to those here.
func (r *restore) names() map[string]string {
	was, is := r.out.Manifest.Roles.All(), r.tenant.Roles.All()
	out := map[string]string{}
	for i := range was {
		out[was[i]] = is[i]
	}
	return out
}

// renames tells whether any role has another name here.
func (r *restore) renames() bool {
	for was, is := range r.names() {
		if was != is {
			return true
		}
	}
	return false
}

// keeper says who logs in to make the large objects of an owner's in the archive, and whom it acts as; empty: itself.
// Those of the two logins of rotation are made by whichever login the application has a password for, as each has the
// rights of the other's.
func (r *restore) keeper(owner string) (login, as string, err error) {
	roles := r.tenant.Roles
	role, ours := r.names()[owner]
	switch {
	case !ours || role == roles.Owner || r.want.Instance.Strict: // by that profile only the owner makes large objects
		return roles.Migrator, roles.Owner, nil
	case role == roles.App || role == roles.AppA || role == roles.AppB:
		for _, login := range []string{role, roles.App, roles.AppA, roles.AppB} {
			if r.o.Credentials[login] != "" {
				return login, "", nil
			}
		}
	case r.o.Credentials[role] != "":
		return role, "", nil
	}
	return "", "", &Problem{
		Text: fmt.Sprintf("there is no password of the role %s, and large objects of the backup are its own", role),
		Hint: "give the tenant's credentials in full", Input: true,
	}
}

// check brings the archive here and looks at all of it. It changes nothing.
func (r *restore) check(ctx context.Context) (err error) {
	r.doing("fetching the backup " + r.entry.ID)
	if r.spool, err = archive.Fetch(ctx, r.o.Store, r.entry, r.o.Temporary); err != nil {
		return err
	}
	r.doing("checking the backup " + r.entry.ID)
	c := chooser{
		schema: r.tenant.Schema, extensions: r.tenant.ExtensionSchema, policies: !r.renames(), large: map[uint32]bool{},
	}
	for _, l := range r.entry.Manifest.Evidence.LargeObjects.Owned {
		if _, as, err := r.keeper(l.Owner); err == nil && as == r.tenant.Roles.Owner {
			for _, oid := range l.OIDs {
				c.large[oid] = true
			}
		}
	}
	if r.toc, err = r.program.contents(ctx, r.spool, r.o.Identities, c); err == nil && len(r.toc.outside) > 0 {
		err = &Problem{
			Text: fmt.Sprintf("the backup %s is refused: it holds what lies outside of the tenant's schema %s: %s", r.entry.ID,
				r.tenant.Schema, strings.Join(r.toc.outside[:min(5, len(r.toc.outside))], ", ")),
			Hint: "a tenant has no rights there; move it into the schema and back up again", Input: true,
		}
	}
	if err != nil {
		return errors.Join(err, r.spool.Close())
	}
	for _, left := range r.toc.left {
		r.out.Warnings = append(r.out.Warnings, "left out, since a tenant may not make it: "+left)
	}
	return nil
}

// scratch is the name of the database that is filled.
func (r *restore) scratch() string {
	switch {
	case r.inPlace:
		return r.tenant.Database
	case r.test:
		return r.tenant.TestDatabase()
	}
	return r.tenant.RestoreDatabase()
}

// copied is the desired state with the tenant alone, in the database that is filled.
func (r *restore) copied() *state.Desired {
	d := *r.want
	t := r.tenant
	t.Database, t.Note = r.scratch(), r.note
	d.Tenants = []state.Tenant{t}
	return &d
}

// What follows the tenant's mark on a database of a restore: it is not whole yet, or of a test, and may go; it could not
// be restored, and was to be kept; or it was restored from an archive, and verified.
const (
	unfinishedMark = ", being restored"
	keptMark       = ", could not be restored"
)

func restoredMark(id string) string { return ", restored from " + id }

// inTheWay is the error where a database has the name of the one to be filled.
func (r *restore) inTheWay(why string) error {
	name := r.scratch()
	hint := fmt.Sprintf("put it in place with --replace, rename it, or have it dropped with --allow-drop %s", name)
	if r.test {
		hint = "rename it, or drop it by hand"
	}
	return &Problem{Text: fmt.Sprintf("there is a database %s already: %s", name, why), Hint: hint, Input: true}
}

// claim has nobody else fill the same database until the run ends: a lock of a session in the platform's database. It
// is not the one that an Apply takes, which a restore does time and again.
func (r *restore) claim(ctx context.Context) error {
	sum := sha256.Sum256([]byte("zave restore " + r.scratch()))
	key := int64(binary.BigEndian.Uint64(sum[:]))
	conn, err := r.openDirectly(ctx, r.want.Instance.Database)
	if err != nil {
		return err
	}
	var got bool
	// No server is to end the session because it has nothing to do.
	if _, err = conn.Exec(ctx, "SET idle_session_timeout = 0"); err == nil {
		err = conn.QueryRow(ctx, "SELECT pg_catalog.pg_try_advisory_lock($1)", key).Scan(&got)
	}
	if err == nil && got {
		r.claimed = conn
		return nil
	}
	if err == nil {
		var holder string
		if holder, err = conn.lockHolder(ctx, key); err == nil {
			what := "restore"
			if r.test {
				what = "restore test"
			}
			err = &Problem{
				Text: fmt.Sprintf("a %s of the tenant %s is under way: %s", what, r.tenant.Name, holder),
				Hint: "run it again when that has ended",
			}
		}
	}
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// scratchRow is what is known of the database that is filled.
type scratchRow struct {
	owner, comment string
	open, invalid  bool
}

// find looks for the database that is filled; nil: there is none.
func (r *restore) find(ctx context.Context, conn *Conn) (*scratchRow, error) {
	d := &scratchRow{}
	err := conn.QueryRow(ctx, `
		SELECT pg_get_userbyid(d.datdba)::text, coalesce(shobj_description(d.oid, 'pg_database'), ''), d.datallowconn,
			d.datconnlimit = -2
		FROM pg_database d WHERE d.datname = $1`, r.scratch()).Scan(&d.owner, &d.comment, &d.open, &d.invalid)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return d, err
}

// ours tells whether a database was made by a restore of this tenant's, and what follows the tenant's mark on it. One
// that a run has just made, and was killed before it marked it, has no comment; nobody can have come in.
func (r *restore) ours(d *scratchRow) (note string, ok bool) {
	switch {
	case d.owner != r.want.Instance.Role:
		return "", false
	case d.comment == "" && !d.open:
		return unfinishedMark, true
	case !r.tenant.Owns(d.comment):
		return "", false
	}
	for _, note := range []string{unfinishedMark, keptMark} {
		if strings.HasSuffix(d.comment, note) {
			return note, true
		}
	}
	i := strings.LastIndex(d.comment, restoredMark(""))
	if i < 0 {
		return "", false
	}
	return d.comment[i:], true
}

// removable tells whether a database may go: what is not whole, and what the options name.
func (r *restore) removable(d *scratchRow) bool {
	note, ok := r.ours(d)
	return ok && (note == unfinishedMark || !r.test && slices.Contains(r.o.AllowDrop, r.scratch()))
}

// standing looks at what has the name of the database to be filled. It is left by an earlier run and to be removed; or
// that run loaded this very archive, and this one goes on from there; or it is in the way. It changes nothing.
func (r *restore) standing(ctx context.Context) (leftover bool, err error) {
	d, err := r.find(ctx, r.claimed)
	if err != nil || d == nil {
		return false, err
	}
	note, ok := r.ours(d)
	switch {
	case !ok:
		return false, &Problem{
			Text:  fmt.Sprintf("there is a database %s already, which no restore has made: it belongs to %s", r.scratch(), d.owner),
			Hint:  "rename it",
			Input: true,
		}
	case note == restoredMark(r.entry.ID) && !r.test && !d.invalid:
		r.out.Resumed, r.note = true, note
		return false, nil
	case r.removable(d):
		return true, nil
	case note == keptMark:
		return false, r.inTheWay("an earlier run could not restore it, and was to keep it")
	}
	return false, r.inTheWay("it was" + strings.TrimPrefix(note, ","))
}

// fill makes the database, loads it and compares it.
func (r *restore) fill(ctx context.Context) error {
	name := r.scratch()
	r.doing("making " + name)
	desired := r.copied()
	// From here on there may be something to remove.
	r.out.Database = name
	if _, err := r.Apply(ctx, desired, ApplyOptions{Credentials: r.credentials()}); err != nil {
		return err
	}
	if err := r.unlimit(ctx, name); err != nil {
		return err
	}
	if err := r.makeLarge(ctx, name); err != nil {
		return err
	}
	r.doing("loading " + name)
	warnings, err := r.loadInto(ctx, r.program, r.spool, r.o.Identities, r.toc, r.tenant, name,
		r.o.Credentials[r.tenant.Roles.Migrator], r.version)
	if err != nil {
		return err
	}
	r.out.Warnings = append(r.out.Warnings, warnings...)
	r.doing("granting in " + name)
	if err := r.settle(ctx, name); err != nil {
		return err
	}
	if _, err := r.Apply(ctx, desired, ApplyOptions{}); err != nil {
		return err
	}
	r.doing("verifying " + name)
	return r.verify(ctx)
}

// credentials are those that a bootstrap sets: where the roles exist, they keep what they have.
func (r *restore) credentials() Credentials {
	out := Credentials{}
	for _, role := range r.tenant.Roles.Logins() {
		if p := r.o.Credentials[role]; p != "" {
			out[role] = p
		}
	}
	return out
}

// unlimit lifts the limit of temporary files from the database, which building a large index would meet. The Apply
// after the load sets it again.
func (r *restore) unlimit(ctx context.Context, name string) error {
	conn, err := r.home(ctx, r.want)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var may bool
	err = conn.QueryRow(ctx, "SELECT has_parameter_privilege('temp_file_limit', 'SET')").Scan(&may)
	if err != nil || !may {
		return err
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+state.Ident(name)+" SET temp_file_limit = -1")
	return err
}

// asTenant logs in as one of the tenant's roles, with a search_path in which only the system's names count and no
// limits of time, and has it act as another.
func (r *restore) asTenant(ctx context.Context, database, login, as string) (*Conn, error) {
	config := r.config.Copy()
	config.Database, config.User, config.Password = database, login, r.o.Credentials[login]
	config.RequireAuth = "!password"
	for name, value := range map[string]string{
		"application_name":                    "zave restore",
		"search_path":                         "pg_catalog, pg_temp",
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"idle_in_transaction_session_timeout": "0",
		"standard_conforming_strings":         "on",
		"client_min_messages":                 "warning",
	} {
		config.RuntimeParams[name] = value
	}
	conn, err := r.connectSoon(ctx, config)
	if err != nil {
		return nil, err
	}
	var setup []string
	if r.version >= 170000 {
		setup = append(setup, "SET transaction_timeout = 0")
	}
	if as != "" {
		setup = append(setup, "SET ROLE "+state.Ident(as))
	}
	for _, sql := range setup {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
		}
	}
	return conn, nil
}

// largeChunk is how many large objects a statement names.
const largeChunk = 1000

// eachLarge visits the large objects of the manifest, with a session of who owns them.
func (r *restore) eachLarge(
	ctx context.Context, name string, visit func(*Conn, archive.LargeOwned, []uint32, string) error,
) error {
	for _, l := range r.entry.Manifest.Evidence.LargeObjects.Owned {
		login, as, err := r.keeper(l.Owner)
		if err != nil {
			return err
		}
		conn, err := r.asTenant(ctx, name, login, as)
		if err != nil {
			return err
		}
		for oids := range slices.Chunk(l.OIDs, largeChunk) {
			if err := visit(conn, l, oids, as); err != nil {
				return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
			}
		}
		if err := conn.Close(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// makeLarge makes the large objects, empty, as their owners, and lets the one who loads write them: an archive's own
// entries would make them all the loader's, and only a superuser can give them away.
func (r *restore) makeLarge(ctx context.Context, name string) error {
	return r.eachLarge(ctx, name, func(conn *Conn, _ archive.LargeOwned, oids []uint32, as string) error {
		if _, err := conn.Exec(ctx, "SELECT lo_create(o) FROM unnest($1::oid[]) AS o", oids); err != nil {
			return err
		}
		if as == r.tenant.Roles.Owner {
			return nil
		}
		to := state.Ident(r.tenant.Roles.Owner)
		_, err := conn.Exec(ctx, "GRANT SELECT, UPDATE ON LARGE OBJECT "+numbers(oids)+" TO "+to)
		return err
	})
}

func numbers(oids []uint32) string {
	out := make([]string, len(oids))
	for i, o := range oids {
		out[i] = fmt.Sprint(o)
	}
	return strings.Join(out, ", ")
}

// settle makes what the load left out: privileges on large objects, policies for roles of other names, privileges on
// tables and the like as the tenant had them; and statistics for the planner.
func (r *restore) settle(ctx context.Context, name string) error {
	names := r.names()
	err := r.eachLarge(ctx, name, func(conn *Conn, l archive.LargeOwned, oids []uint32, as string) error {
		on := " ON LARGE OBJECT " + numbers(oids)
		if as != r.tenant.Roles.Owner {
			if _, err := conn.Exec(ctx, "REVOKE ALL"+on+" FROM "+state.Ident(r.tenant.Roles.Owner)); err != nil {
				return err
			}
		}
		acl := l.ACL
		if as == r.tenant.Roles.Owner { // who owned them, and does no longer
			acl = append([]string{"SELECT " + l.Owner, "UPDATE " + l.Owner}, acl...)
		}
		for _, entry := range acl {
			privilege, role, _ := strings.Cut(entry, " ")
			to, ours := names[role]
			if !ours || to == r.tenant.Roles.Owner && as == to || privilege != "SELECT" && privilege != "UPDATE" {
				continue // nobody but the tenant's roles is given anything
			}
			if _, err := conn.Exec(ctx, "GRANT "+privilege+on+" TO "+state.Ident(to)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	conn, err := r.asTenant(ctx, name, r.tenant.Roles.Migrator, r.tenant.Roles.Owner)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if r.renames() {
		for _, p := range r.entry.Manifest.Evidence.Policies {
			if _, err := conn.Exec(ctx, createPolicy(p, names)); err != nil {
				return fmt.Errorf("make the policy %s: %w", p.Name, err)
			}
		}
	}
	w := &witness{conn, r.tenant}
	found := &archive.Evidence{}
	if err := w.grants(ctx, found); err != nil {
		return err
	}
	for _, sql := range regrant(r.entry.Manifest.Evidence.Grants, found.Grants, names) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("grant as it was: %s: %w", sql, err)
		}
	}
	if err := w.grants(ctx, found); err != nil {
		return err
	}
	if wrong := archive.CompareGrants(r.entry.Manifest.Evidence.Grants, found.Grants, names); len(wrong) > 0 {
		return &Problem{
			Text: fmt.Sprintf("the restored database %s is not granted as it was: %s", name, enumerate(wrong)), Input: true,
			Err: errDiffers,
		}
	}
	tables, err := w.relations(ctx, "r", "p", "m")
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.schema != r.tenant.Schema {
			continue
		}
		if _, err := conn.Exec(ctx, "ANALYZE "+t.String()); err != nil {
			return fmt.Errorf("analyze %s: %w", t, err)
		}
	}
	return nil
}

func createPolicy(p archive.Policy, names map[string]string) string {
	kind, to := "PERMISSIVE", "PUBLIC"
	if !p.Permissive {
		kind = "RESTRICTIVE"
	}
	if len(p.Roles) > 0 {
		roles := make([]string, len(p.Roles))
		for i, role := range p.Roles {
			roles[i] = state.Ident(names[role])
		}
		to = strings.Join(roles, ", ")
	}
	sql := "CREATE POLICY " + state.Ident(p.Name) + " ON " + p.Table + " AS " + kind + " FOR " + p.Command + " TO " + to
	if p.Using != "" {
		sql += " USING (" + p.Using + ")"
	}
	if p.WithCheck != "" {
		sql += " WITH CHECK (" + p.WithCheck + ")"
	}
	return sql
}

// regrant gives the statements that make grants what they were, for the tenant's roles: default privileges have given
// what a migration may have taken back, and not what it gave beside. Who else has something is for a plan to see to.
func regrant(was, is []archive.Granted, names map[string]string) []string {
	type key struct{ on, column, to string }
	privileges := func(list []archive.Granted, rename func(string) (string, bool)) map[key][]string {
		out := map[key][]string{}
		for _, g := range list {
			if to, ok := rename(g.To); ok {
				out[key{g.On, g.Column, to}] = g.Privileges
			}
		}
		return out
	}
	mine := map[string]bool{}
	for _, to := range names {
		mine[to] = true
	}
	wanted := privileges(was, func(s string) (string, bool) { to, ok := names[s]; return to, ok })
	have := privileges(is, func(s string) (string, bool) { return s, mine[s] })
	var out []string
	statement := func(verb string, k key, privilege, preposition, option string) {
		if k.column != "" {
			privilege += " (" + k.column + ")"
		}
		out = append(out, verb+" "+privilege+" ON "+k.on+" "+preposition+" "+state.Ident(k.to)+option)
	}
	for k, list := range have {
		for _, p := range list {
			if !slices.Contains(wanted[k], p) {
				statement("REVOKE", k, strings.TrimSuffix(p, "*"), "FROM", "")
			}
		}
	}
	slices.Sort(out)
	revoked := len(out)
	for k, list := range wanted {
		for _, p := range list {
			if slices.Contains(have[k], p) {
				continue
			}
			bare, grantable := strings.CutSuffix(p, "*")
			option := ""
			if grantable {
				option = " WITH GRANT OPTION"
			}
			statement("GRANT", k, bare, "TO", option)
		}
	}
	slices.Sort(out[revoked:])
	return out
}

// verify holds the database against the manifest and against the plan.
func (r *restore) verify(ctx context.Context) error {
	name := r.out.Database
	w, err := r.testify(ctx, r.tenant, name, r.o.Credentials[r.tenant.Roles.Backup])
	if err != nil {
		return err
	}
	defer w.Close(context.WithoutCancel(ctx))
	tables, _, err := w.freeze(ctx)
	if err != nil {
		return err
	}
	if _, err := w.allRows(ctx, tables); err != nil {
		return err
	}
	if err := w.allLarge(ctx); err != nil {
		return err
	}
	found, err := w.evidence(ctx, tables, func(table string) { r.doing("verifying " + table) })
	if err != nil {
		return err
	}
	if err := w.Close(ctx); err != nil {
		return err
	}
	r.extensions = nil
	for _, x := range found.Extensions {
		if x.Name != "plpgsql" { // which every database has
			r.extensions = append(r.extensions, x.Name)
		}
	}
	expected := r.entry.Manifest.Evidence
	differences := r.application(&expected).Compare(r.application(found), r.names())
	if len(differences) == 0 {
		return r.planned(ctx, name)
	}
	return &Problem{
		Text: fmt.Sprintf("the restored database %s is not what was backed up: %s", name, enumerate(differences)),
		Hint: "take another backup, and find out why this one does not restore: nothing has been replaced", Input: true,
		Err: errDiffers,
	}
}

// errDiffers is that a database is not what the manifest says.
var errDiffers = errors.New("it is not what was backed up")

// verifyAgain verifies what an earlier run has loaded.
func (r *restore) verifyAgain(ctx context.Context) error {
	if _, err := r.Apply(ctx, r.copied(), ApplyOptions{}); err != nil {
		return err
	}
	return r.verify(ctx)
}

// application gives the evidence with large objects of the two logins of rotation as the application's: they have each
// other's rights, and which of them made one is of no account.
func (r *restore) application(e *archive.Evidence) *archive.Evidence {
	out := *e
	out.LargeObjects.Owned = slices.Clone(e.LargeObjects.Owned)
	for _, roles := range []state.Roles{r.entry.Manifest.Roles, r.tenant.Roles} {
		for i, l := range out.LargeObjects.Owned {
			if l.Owner == roles.AppA || l.Owner == roles.AppB {
				out.LargeObjects.Owned[i].Owner = roles.App
			}
			if r.want.Instance.Strict {
				out.LargeObjects.Owned[i].Owner = r.tenant.Roles.Owner
			}
			if _, ours := r.names()[l.Owner]; !ours && e != nil && !slices.Contains(r.tenant.Roles.All(), l.Owner) {
				out.LargeObjects.Owned[i].Owner = r.tenant.Roles.Owner // of a role that is none of the tenant's
			}
		}
	}
	return &out
}

// enumerate lists sentences, as many as one reads.
func enumerate(all []string) string {
	const most = 10
	out := strings.Join(all[:min(most, len(all))], "; ")
	if n := len(all) - most; n > 0 {
		out += fmt.Sprintf("; and %d more", n)
	}
	return out
}

// planned holds that a plan for the database has nothing to do, so that owners, members, grants and settings are as
// they should be.
func (r *restore) planned(ctx context.Context, name string) error {
	plan, _, err := r.Plan(ctx, r.copied(), state.Options{}, nil)
	if err != nil {
		return err
	}
	if err := refused(plan); err != nil {
		return err
	}
	var wrong []string
	for _, step := range plan.Steps {
		wrong = append(wrong, step.Why)
	}
	super := 0
	for _, f := range plan.Findings {
		if f.Database == name && f.ID == "needs-superuser" {
			super++
		}
		if f.Database == name && f.ID == "unread" {
			wrong = append(wrong, f.Message)
		}
	}
	warning := name + " lacks what only a superuser can do, as a new database does: run `zave db apply` as one"
	if super > 0 && r.want.Instance.Strict && !slices.Contains(r.out.Warnings, warning) {
		r.out.Warnings = append(r.out.Warnings, warning)
	}
	if len(wrong) > 0 {
		return &Problem{
			Text:  fmt.Sprintf("the restored database %s is not as the spec has it: %s", name, enumerate(wrong)),
			Input: true, Err: errDiffers,
		}
	}
	return nil
}

// mark says on the database what it is.
func (r *restore) mark(ctx context.Context, note string) error {
	conn, err := r.home(ctx, r.want)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	comment := r.tenant.Comment() + note
	_, err = conn.Exec(ctx, "COMMENT ON DATABASE "+state.Ident(r.scratch())+" IS "+state.Literal(comment))
	r.note = note
	return err
}

// attack runs the verification that was asked for, on throw-away tenants and on the restored database itself, and holds
// what it says of the attacks and of this tenant. The database has to be what it was afterwards, row for row.
//
// What the audit finds inside of the database is of the tenant's own making, as it is in the backup: that is no fault of
// a restore, nor has it an end by one, and is a warning. That a plan has nothing to do has been held before.
//
// The strict profile takes a superuser, for throw-away tenants as for any; without one the rest is tried, and it says so.
func (r *restore) attack(ctx context.Context) error {
	if r.o.Verify == nil {
		return nil
	}
	name := r.scratch()
	r.doing("attacking " + name)
	o := *r.o.Verify
	o.on = &target{tenant: r.copied().Tenants[0], passwords: r.credentials()}
	o.on.tenant.Extensions = r.extensions
	strict := o.Strict || r.want.Instance.Strict
	if strict {
		var err error
		if o.without, err = r.limited(ctx); err != nil {
			return err
		}
	}
	report, err := r.Verify(ctx, r.copied(), o)
	r.out.Report = report
	if err != nil {
		return err
	}
	ours := *report
	ours.Results = nil
	for _, res := range report.Results {
		switch {
		case res.Kind != "audit":
		case res.Tenant != r.tenant.Name, o.without != "" && strings.HasPrefix(res.ID, "audit/needs-superuser/"):
			continue // what only a superuser could have done to a new database has been told of
		case res.Where == name && res.Outcome == Failed && !strings.HasPrefix(res.ID, "audit/step/"):
			r.out.Warnings = append(r.out.Warnings, "as in the backup, "+res.Message)
			continue
		}
		ours.Results = append(ours.Results, res)
	}
	if verdict := ours.Verdict(); verdict != Holds {
		var wrong []string
		for _, res := range ours.Results {
			if res.Outcome == Failed || res.Outcome == Errored {
				wrong = append(wrong, res.ID+": "+res.Message)
			}
		}
		return &Problem{
			Text:  fmt.Sprintf("the restored database %s is as it was, but %s: %s", name, verdict, enumerate(wrong)),
			Hint:  "`zave db verify` says more",
			Input: verdict == Broken,
		}
	}
	if err := r.tried(report, o.without); err != nil {
		return err
	}
	r.doing("verifying " + name + " again")
	if err := r.verify(ctx); err != nil {
		return fmt.Errorf("after the attacks: %w", err)
	}
	return nil
}

// limited says why the strict profile cannot be brought to a database by who connects; empty: it can.
func (r *restore) limited(ctx context.Context) (string, error) {
	conn, err := r.home(ctx, r.want)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var user string
	var super bool
	err = conn.QueryRow(ctx, "SELECT session_user::text, rolsuper FROM pg_roles WHERE rolname = session_user").
		Scan(&user, &super)
	if err != nil || super {
		return "", err
	}
	return "the strict profile takes a superuser, and " + user + " is none", nil
}

// tried holds that attacks and legitimate work were tried on the restored database, and tells of what was not.
func (r *restore) tried(report *Report, without string) error {
	on := report.on()
	left := map[string]int{}
	for _, res := range on.Results {
		left[res.Message]++
	}
	if on.Verdict() != Holds {
		return &Problem{
			Text: fmt.Sprintf("the restored database %s is as it was, and nothing could be tried on it", r.scratch()),
			Hint: "the tenant's logins may have all their connections in use: run it again",
		}
	}
	for _, why := range []string{without, noConnections} {
		if n := left[why]; why != "" && n > 0 {
			r.out.Warnings = append(r.out.Warnings, fmt.Sprintf("%d attacks were not tried: %s", n, why))
		}
	}
	return nil
}

// on gives what of a report was tried on a restored database.
func (r *Report) on() *Report {
	out := &Report{Attacks: true}
	for _, res := range r.Results {
		if res.Tenant != "" && res.Kind != "audit" { // what a throw-away tenant tried on another has none
			out.Results = append(out.Results, res)
		}
	}
	return out
}

// Attacked counts what was tried on the restored database; false: it was not attacked.
func (r *Restored) Attacked() (Summary, bool) {
	if r.Report == nil {
		return Summary{}, false
	}
	return r.Report.on().Summary(), true
}

// keep marks a database that could not be restored, and is to be looked at.
func (r *restore) keep(ctx context.Context) error {
	if d, err := r.find(ctx, r.claimed); err != nil || d == nil {
		return err
	}
	return r.mark(ctx, keptMark)
}

// abandon removes a database that could not be restored, unless it is to be looked at.
func (r *restore) abandon(ctx context.Context, err error) error {
	name := r.out.Database
	if name == "" || r.inPlace || r.out.Resumed {
		return err
	}
	// Also where the context is why.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	end, what := r.drop, "removed"
	if r.o.Keep && !r.test {
		end, what = r.keep, "marked"
	}
	if e := end(ctx); e != nil {
		var p *Problem
		if errors.As(explainArchive(err), &p) {
			q := *p
			q.Text += fmt.Sprintf("; and %s, which is left, could not be %s: %v", name, what, explainArchive(e))
			return &q
		}
		return errors.Join(err, fmt.Errorf("%s is left, and could not be %s: %w", name, what, e))
	}
	return err
}
