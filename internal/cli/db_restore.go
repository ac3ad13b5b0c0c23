package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/postgres"
	"github.com/zavestudios/zave/internal/postgres/archive"
)

// restoreOptions are the flags of restore, beside those that other commands have too.
type restoreOptions struct {
	store     storeOptions
	trust     trustOptions
	source    postgres.Source
	at        string
	list      bool
	test      bool
	replace   bool
	verify    bool
	keep      bool
	oldClient bool
}

func (a *app) dbRestoreCommand() *cobra.Command {
	var o dbOptions
	var r restoreOptions
	cmd := &cobra.Command{
		Use:   "restore TENANT [flags]",
		Short: "Restore a tenant's database from a backup, beside the one in use",
		Long: "Restore a backup, the newest unless --at names one, into a new database beside the tenant's, which stays as it " +
			"is. Before anything is touched, the backup has been read to its end: it is whole, signed by a known key, this " +
			"tenant's, and can be decrypted. It is loaded by the tenant's migrator, never with the platform's rights, and held " +
			"against its manifest: every row, sequence, large object, constraint and grant. With --verify it is attacked, too, by " +
			"a neighbour and by the tenant's own roles, and held against the manifest once more.\n\n" +
			"The new database is the tenant's name with -restore behind it, which pg_hba.conf has, and is printed. One that an " +
			"earlier restore left there is gone on with where it is of the same backup, and else in the way. With --replace it " +
			"then takes the place of the tenant's database, which is closed and kept under another name, unless --allow-drop " +
			"says that it may go. With --test it is one that ends in -test, and is removed again: that is what the weekly Job " +
			"does.\n\n" +
			"A backup is as old as it is: what was written since is not in it. Backups of whole servers can be rolled forward, " +
			"but not for one tenant alone.",
		Example: "  zave db restore shop --list --store s3://backups/pg --verify-key sign.pub\n" +
			"  zave db restore shop --store s3://backups/pg --verify-key sign.pub \\\n" +
			"      --identity age.key --credentials DIR\n" +
			"  zave db restore shop … --at 20261124T012847Z --replace",
		Args:                  oneTenant,
		ValidArgsFunction:     a.completeTenant,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.tenants = args
			for _, pair := range [][2]string{{"list", "test"}, {"list", "replace"}, {"test", "replace"}, {"test", "keep-failed"}} {
				if cmd.Flags().Changed(pair[0]) && cmd.Flags().Changed(pair[1]) {
					return usage(cmd, "--%s and --%s exclude each other", pair[0], pair[1])
				}
			}
			return guarded(cmd.Context(), func() error { return a.dbRestore(cmd.Context(), &o, &r) })
		},
	}
	o.wantFlags(a, cmd, false)
	o.serverFlags(cmd)
	o.credentialsFlag(cmd)
	r.store.storeFlags(cmd, "store", "the backups are at")
	r.trust.trustFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&r.at, "at", "", "the backup `ID`, or how it begins; the newest unless said")
	f.BoolVar(&r.list, "list", false, "list the backups there are, and restore none")
	f.BoolVar(&r.test, "test", false, "restore, compare, and remove it again")
	f.BoolVar(&r.replace, "replace", false, "have it take the place of the tenant's database")
	f.StringSliceVar(&o.allowDrop, "allow-drop", nil, "drop the tenant's database `NAME`, once it has been replaced; or what an earlier restore left")
	f.BoolVar(&r.verify, "verify", false, "attack it and the server afterwards, as 'zave db verify' does")
	f.BoolVar(&r.keep, "keep-failed", false, "keep a database that could not be restored, for a look at it")
	f.BoolVar(&r.oldClient, "allow-old-client", false, "use a pg_restore that runs what a crafted backup says")
	f.StringVar(&r.source.Tenant, "of-tenant", "", "the backup is of `TENANT`, not of the one it is restored to")
	f.StringVar(&r.source.Database, "of-database", "", "the backup is of the database `NAME`")
	f.StringVar(&r.source.Cluster, "of-cluster", "", "the backup is of the cluster `NAME`")
	o.formatsFlag(cmd, "text", "json")
	return cmd
}

func (a *app) dbRestore(ctx context.Context, o *dbOptions, r *restoreOptions) error {
	store, err := r.store.open("store")
	if err != nil {
		return err
	}
	trust, err := r.trust.trust()
	if err != nil {
		return err
	}
	if r.list {
		return a.dbBackups(ctx, o, r, store, trust)
	}
	options := postgres.RestoreOptions{
		Store: store, Trust: trust, At: r.at, From: r.source, Replace: r.replace, AllowDrop: o.allowDrop, Keep: r.keep,
		AllowOldClient: r.oldClient,
	}
	if options.Identities, err = r.trust.identities(); err != nil {
		return err
	}
	if o.credentials == "" {
		return noCredentials()
	}
	run, err := a.connectTo(ctx, o)
	if err != nil {
		return err
	}
	t := tenantNamed(run.want, o.tenants[0])
	options.Credentials = run.credentials
	if r.verify {
		options.Verify = &postgres.VerifyOptions{}
	}
	a.stages.begin("restore")
	options.Progress = a.stages.at
	restore := run.server.Restore
	if r.test {
		restore = run.server.RestoreTest
	}
	done, err := restore(ctx, run.want, t.Name, options)
	a.stages.end()
	if done == nil || done.Manifest == nil {
		return err
	}
	if o.format == "json" {
		return errors.Join(err, writeJSON(a.stdout, restoredOf(done, err)))
	}
	for _, w := range done.Warnings {
		a.say("warning: %s", visibleLines(w))
	}
	if err != nil {
		return err
	}
	return a.sayRestored(t.Name, r, done)
}

// sayRestored says what became of a restore, and prints the name of the database.
func (a *app) sayRestored(tenant string, r *restoreOptions, done *postgres.Restored) error {
	m := done.Manifest
	what := fmt.Sprintf("%s: backup %s of %s, %s in %s", tenant, m.ID, moment(m.Taken), count(int(rowsOf(m)), "row"),
		count(len(m.Evidence.Tables), "table"))
	if tried, ok := done.Attacked(); ok {
		a.say("%s: %d attacks on the restored database are refused, and %s", tenant, tried.Attack.Passed+tried.Strict.Passed,
			counted(tried.Control.Passed, "control passes", "controls pass"))
	}
	if r.test {
		a.say("%s, can be restored", what)
		return nil
	}
	if done.Resumed {
		a.say("an earlier run had loaded it")
	}
	a.say("%s, is restored and as it was", what)
	switch {
	case done.Dropped:
		a.say("it is %s now; the one before is dropped", done.Database)
	case done.Before != "":
		a.say("it is %s now; the one before is %s, closed", done.Database, done.Before)
		a.say("once nobody misses that one, run 'zave db apply --allow-drop %s'", done.Before)
	default:
		a.say("run it again with --replace to have it take the place of %s", m.Database)
	}
	return a.print(done.Database + "\n")
}

// restoredDocument is a restore in JSON.
type restoredDocument struct {
	Tenant   string    `json:"tenant"`
	Backup   string    `json:"backup"`
	Taken    time.Time `json:"taken"`
	SignedBy string    `json:"signedBy,omitempty"`
	Database string    `json:"database"`
	Before   string    `json:"before,omitempty"`
	Dropped  bool      `json:"dropped"`
	Resumed  bool      `json:"resumed"`
	Attacked *attacked `json:"attacked,omitempty"`
	Warnings []string  `json:"warnings"`
	Error    string    `json:"error,omitempty"`
}

// attacked counts what was tried on a restored database, in JSON.
type attacked struct {
	Attack  postgres.Tally `json:"attack"`
	Strict  postgres.Tally `json:"strict"`
	Control postgres.Tally `json:"control"`
}

func restoredOf(r *postgres.Restored, err error) restoredDocument {
	doc := restoredDocument{
		Tenant: r.Manifest.Tenant, Backup: r.Manifest.ID, Taken: r.Manifest.Taken, SignedBy: string(r.Key), Database: r.Database,
		Before: r.Before, Dropped: r.Dropped, Resumed: r.Resumed, Warnings: append([]string{}, r.Warnings...),
	}
	if tried, ok := r.Attacked(); ok {
		doc.Attacked = &attacked{tried.Attack, tried.Strict, tried.Control}
	}
	if err != nil {
		doc.Error = err.Error()
	}
	return doc
}

// backupDocument is an archive in a list in JSON.
type backupDocument struct {
	ID       string     `json:"id"`
	Taken    *time.Time `json:"taken,omitempty"`
	Cluster  string     `json:"cluster,omitempty"`
	Size     int64      `json:"size,omitempty"` // bytes, encrypted
	SignedBy string     `json:"signedBy,omitempty"`
	Refused  string     `json:"refused,omitempty"`
}

// dbBackups lists a tenant's archives, the newest first. It reaches no server.
func (a *app) dbBackups(ctx context.Context, o *dbOptions, r *restoreOptions, store archive.Store, trust archive.Trust) error {
	want, err := a.want(ctx, o)
	if err != nil {
		return err
	}
	t := tenantNamed(want, o.tenants[0])
	set, cluster := archive.Set{Tenant: t.Name, Database: t.Database}, want.Cluster
	for _, part := range []struct{ to, from *string }{
		{&set.Tenant, &r.source.Tenant}, {&set.Database, &r.source.Database}, {&cluster, &r.source.Cluster},
	} {
		if *part.from != "" {
			*part.to = *part.from
		}
	}
	a.stages.begin("list")
	entries, err := archive.List(ctx, store, set, cluster, trust)
	a.stages.end()
	if err != nil {
		return err
	}
	docs := []backupDocument{}
	for _, e := range entries {
		doc := backupDocument{ID: e.ID, SignedBy: string(e.Key)}
		if m := e.Manifest; m != nil {
			doc.Taken, doc.Cluster, doc.Size = &m.Taken, m.Cluster, m.Payload.Size
		}
		if e.Err != nil {
			doc.Refused = strings.TrimPrefix(e.Err.Error(), "the backup "+e.ID+" is refused: ")
		}
		docs = append(docs, doc)
	}
	if o.format == "json" {
		return writeJSON(a.stdout, docs)
	}
	var b strings.Builder
	for _, d := range docs {
		switch {
		case d.Refused != "":
			fmt.Fprintf(&b, "%s  refused: %s\n", d.ID, diag.Visible(d.Refused))
		case d.SignedBy == "":
			fmt.Fprintf(&b, "%s  %s  %10s  of unknown origin\n", d.ID, moment(*d.Taken), size(d.Size))
		default:
			fmt.Fprintf(&b, "%s  %s  %10s\n", d.ID, moment(*d.Taken), size(d.Size))
		}
	}
	if len(docs) == 0 {
		a.say("there is no backup of %s in %s", set.Tenant, store)
	}
	return a.print(b.String())
}

// absolutePath makes a path that may be empty independent of where the process goes.
func absolutePath(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	return filepath.Abs(name)
}
