package cli

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/postgres"
	"github.com/zavestudios/zave/internal/postgres/archive"
)

// backupOptions are the flags of backup, beside those that other commands have too.
type backupOptions struct {
	to         storeOptions
	recipients string
	recipient  []string
	signKey    string
	verifyKey  string
	unsigned   bool
	keep       archive.Keep
}

func (a *app) dbBackupCommand() *cobra.Command {
	var o dbOptions
	var b backupOptions
	cmd := &cobra.Command{
		Use:   "backup TENANT [flags]",
		Short: "Back a tenant's database up, encrypted and signed",
		Long: "Dump a tenant's database with pg_dump, logged in as the tenant's role for backups and with no right of the " +
			"platform's, encrypt the dump to the age recipients, and store it with a signed manifest, which says what a restore " +
			"has to come to: the rows of each table and a digest of them, sequences, large objects, grants, all from the dump's " +
			"own snapshot. Nothing readable is written to a disk. The backup's ID is printed.\n\n" +
			"It refuses to make less than a whole backup, as where row-level security would leave out rows.\n\n" +
			"Make the keys with age-keygen, and with openssl genpkey -algorithm ed25519. Who backs up needs neither the age " +
			"identity nor the public key; who restores has no use for the signing key.",
		Example: "  zave db backup shop --to s3://backups/pg --recipients age.pub \\\n" +
			"      --sign-key sign.pem --credentials DIR\n" +
			"  zave db backup shop --to /backups --recipients age.pub --sign-key sign.pem \\\n" +
			"      --credentials DIR --keep-daily 7 --keep-weekly 4",
		Args:                  oneTenant,
		ValidArgsFunction:     a.completeTenant,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.tenants = args
			if !cmd.Flags().Changed("keep-daily") && cmd.Flags().Changed("keep-weekly") {
				return usage(cmd, "--keep-weekly needs --keep-daily")
			}
			return guarded(cmd.Context(), func() error { return a.dbBackup(cmd.Context(), &o, &b) })
		},
	}
	o.wantFlags(a, cmd, false)
	o.serverFlags(cmd)
	o.credentialsFlag(cmd)
	cmd.Flags().Lookup("credentials").Usage = "read the password of the role for backups from `DIR`/TENANT/backup"
	b.to.storeFlags(cmd, "to", "store it at")
	f := cmd.Flags()
	f.StringVar(&b.recipients, "recipients", "", "encrypt to the age recipients in `FILE`, one a line")
	f.StringSliceVar(&b.recipient, "recipient", nil, "encrypt to the age recipient `AGE1…`; may be repeated")
	f.StringVar(&b.signKey, "sign-key", "", "sign with the Ed25519 private key in `FILE`, in PEM")
	f.StringVar(&b.verifyKey, "verify-key", "", "the public keys in `FILE` are those that a restore will have, and that older backups are signed with")
	f.BoolVar(&b.unsigned, "unsigned", false, "do not sign: whoever can write the store can then plant a backup")
	f.IntVar(&b.keep.Daily, "keep-daily", 0, "keep the newest of as many days, and remove older ones; 0 keeps all")
	f.IntVar(&b.keep.Weekly, "keep-weekly", 0, "keep the newest of as many weeks before those")
	o.formatsFlag(cmd, "text", "json")
	return cmd
}

// prepare reads the files that the flags name, before the process goes anywhere else.
func (b *backupOptions) prepare() (*postgres.BackupOptions, error) {
	store, err := b.to.open("to")
	if err != nil {
		return nil, err
	}
	out := &postgres.BackupOptions{Store: store, Unsigned: b.unsigned, Program: version}
	recipients := strings.Join(b.recipient, "\n")
	flag := "recipient"
	if b.recipients != "" {
		text, err := keyFile("recipients", b.recipients, false)
		if err != nil {
			return nil, err
		}
		recipients, flag = text+"\n"+recipients, "recipients"
	}
	if strings.TrimSpace(recipients) == "" && b.recipients == "" {
		return nil, &problem{
			exit: exitUnknown,
			text: "a backup is encrypted, and nobody is named who could read it",
			hint: "name a file of age recipients with --recipients, or one with --recipient",
		}
	}
	if out.Recipients, err = archive.ParseRecipients(recipients); err != nil {
		return nil, inFlag(flag, err)
	}
	if b.signKey != "" {
		text, err := keyFile("sign-key", b.signKey, true)
		if err != nil {
			return nil, err
		}
		if out.Signer, err = archive.ParseSigner([]byte(text)); err != nil {
			return nil, inFlag("sign-key", err)
		}
	}
	switch {
	case out.Signer == nil && !b.unsigned:
		return nil, &problem{
			exit: exitUnknown,
			text: "there is no key to sign the backup with: whoever can write the store could then plant one",
			hint: "name the key with --sign-key, or say --unsigned where nobody else writes the store",
		}
	case out.Signer != nil && b.verifyKey != "":
		text, err := keyFile("verify-key", b.verifyKey, false)
		if err != nil {
			return nil, err
		}
		keys, err := archive.ParsePublicKeys(text)
		if err != nil {
			return nil, inFlag("verify-key", err)
		}
		if !slices.Contains(keys, out.Signer.Public()) {
			return nil, &problem{
				exit: exitInput,
				text: "no restore would take the backup: the public key of --sign-key is not among those of --verify-key",
				hint: "add what this prints: openssl pkey -in " + b.signKey + " -pubout",
			}
		}
		out.Trusted = keys
	}
	if b.keep.Daily > 0 {
		out.Keep = &b.keep
	}
	return out, nil
}

func (a *app) dbBackup(ctx context.Context, o *dbOptions, b *backupOptions) error {
	options, err := b.prepare()
	if err != nil {
		return err
	}
	if o.credentials == "" {
		return noCredentials()
	}
	// The only password that is read, and that has to be there.
	dir, err := absolutePath(o.credentials)
	if err != nil {
		return err
	}
	o.credentials = ""
	run, err := a.connectTo(ctx, o)
	if err != nil {
		return err
	}
	t := tenantNamed(run.want, o.tenants[0])
	password, err := passwordFrom("--credentials", filepath.Join(dir, t.Name, "backup"))
	if err != nil {
		return err
	}
	options.Credentials = postgres.Credentials{t.Roles.Backup: password}
	a.stages.begin("backup")
	options.Progress = a.stages.at
	done, err := run.server.Backup(ctx, run.want, t.Name, *options)
	a.stages.end()
	if done == nil || done.Manifest == nil || err != nil && done.Manifest.Payload.Size == 0 {
		return err
	}
	m := done.Manifest
	if o.format == "json" {
		return errors.Join(err, writeJSON(a.stdout, struct {
			Manifest *archive.Manifest `json:"manifest"`
			Removed  []string          `json:"removed"`
			Warnings []string          `json:"warnings"`
		}{m, append([]string{}, done.Removed...), append([]string{}, done.Warnings...)}))
	}
	for _, w := range done.Warnings {
		a.say("warning: %s", visibleLines(w))
	}
	a.say("%s: %s in %s of %s, %s encrypted", t.Name, count(int(rowsOf(m)), "row"), count(len(m.Evidence.Tables), "table"),
		m.Database, size(m.Payload.Size))
	if len(done.Removed) > 0 {
		a.say("removed %s", counted(len(done.Removed), "older backup", "older backups"))
	}
	return errors.Join(err, a.print(m.ID+"\n"))
}

func rowsOf(m *archive.Manifest) int64 {
	var n int64
	for _, t := range m.Evidence.Tables {
		n += t.Rows
	}
	return n
}
