package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// storeOptions are the flags that say where archives are. Paths are as typed.
type storeOptions struct {
	url     string
	options archive.StoreOptions
}

// storeFlags are those that say where archives are; name is that of the URL's.
func (o *storeOptions) storeFlags(cmd *cobra.Command, name, about string) {
	f := cmd.Flags()
	f.StringVar(&o.url, name, "", about+" `URL`: a directory, or s3://BUCKET/PREFIX")
	f.StringVar(&o.options.Endpoint, "endpoint", "", "the `URL` of the S3 service; AWS_ENDPOINT_URL_S3, then Amazon's")
	f.StringVar(&o.options.Region, "region", "", "the `REGION` of the bucket; AWS_REGION")
	f.StringVar(&o.options.Credentials, "store-credentials", "",
		"read the bucket's keys from `DIR`/{access-key-id,secret-access-key}; then as the AWS tools do")
	f.StringVar(&o.options.CA, "store-ca", "", "the `FILE` with the authority of the S3 service's certificate; AWS_CA_BUNDLE")
	completeDir(cmd, "store-credentials")
}

// open opens the store; name is that of the URL's flag. It comes before the process goes anywhere else.
func (o *storeOptions) open(name string) (archive.Store, error) {
	if o.url == "" {
		return nil, &problem{
			exit: exitUnknown,
			text: "no place is named for the backups",
			hint: fmt.Sprintf("name one with --%s, such as --%s /backups or --%s s3://bucket/prefix", name, name, name),
		}
	}
	location, options := o.url, o.options
	paths := []*string{&options.Credentials, &options.CA}
	if !strings.Contains(location, "://") {
		paths = append(paths, &location)
	}
	for _, p := range paths {
		var err error
		if *p, err = absolutePath(*p); err != nil {
			return nil, err
		}
	}
	store, err := archive.Open(location, options)
	return store, inFlag(name, err)
}

// inFlag says in which flag something is wrong.
func inFlag(name string, err error) error {
	var p *archive.Problem
	if !errors.As(err, &p) {
		return err
	}
	return &problem{exit: archiveExit(p), text: "--" + name + ": " + visibleLines(p.Error()), hint: p.Hint}
}

// archiveExit gives the exit code of a problem with an archive.
func archiveExit(p *archive.Problem) int {
	if p.Kind == archive.Unusable {
		return exitUnknown
	}
	return exitInput
}

// maxKeys is how many bytes of a file of keys are read at the most.
const maxKeys = 1 << 20

// keyFile reads a file that a flag names. A secret one must not be everybody's to read.
func keyFile(flag, name string, secret bool) (string, error) {
	fail := func(err error) (string, error) {
		return "", &problem{exit: exitInput, text: fmt.Sprintf("--%s: %s cannot be used: %v", flag, name, innermost(err))}
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return fail(err)
	case !info.Mode().IsRegular():
		return fail(errors.New("it is no regular file"))
	case info.Size() > maxKeys:
		return fail(errors.New("it is too large for one"))
	case secret && info.Mode().Perm()&0o007 != 0:
		return fail(fmt.Errorf("everybody on the machine has access to it (mode %04o): chmod o= it", info.Mode().Perm()))
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return fail(err)
	}
	return string(data), nil
}

// trustOptions are the flags that say which archives may be restored.
type trustOptions struct {
	verifyKey string
	unsigned  bool
	identity  string
}

func (o *trustOptions) trustFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.identity, "identity", "", "decrypt with the age identity in `FILE`")
	f.StringVar(&o.verifyKey, "verify-key", "", "take backups that a public key in `FILE` has signed, and no others")
	f.BoolVar(&o.unsigned, "unsigned", false, "take backups of unknown origin: whoever writes the store chooses what is run")
}

func (o *trustOptions) trust() (archive.Trust, error) {
	trust := archive.Trust{Unsigned: o.unsigned}
	if o.verifyKey == "" {
		if !o.unsigned {
			return trust, &problem{
				exit: exitUnknown,
				text: "no key is named that backups are signed with",
				hint: "name a file of public keys with --verify-key; --unsigned takes backups of whoever can write the store",
			}
		}
		return trust, nil
	}
	text, err := keyFile("verify-key", o.verifyKey, false)
	if err != nil {
		return trust, err
	}
	trust.Keys, err = archive.ParsePublicKeys(text)
	return trust, inFlag("verify-key", err)
}

func (o *trustOptions) identities() (*archive.Identities, error) {
	if o.identity == "" {
		return nil, &problem{
			exit: exitUnknown,
			text: "no identity is named to decrypt backups with",
			hint: "name the file that age-keygen wrote with --identity",
		}
	}
	text, err := keyFile("identity", o.identity, true)
	if err != nil {
		return nil, err
	}
	ids, err := archive.ParseIdentities(text)
	return ids, inFlag("identity", err)
}

// noCredentials is the error where what is done is done as roles of tenants, and there are no passwords.
func noCredentials() error {
	return &problem{
		exit: exitUnknown,
		text: "it logs in as roles of the tenant, and has no passwords",
		hint: "name the directory that holds TENANT/{app,migrator,readonly,backup} with --credentials",
	}
}

// tenantNamed gives the tenant, which is known to be there.
func tenantNamed(want *state.Desired, name string) state.Tenant {
	for _, t := range want.Tenants {
		if t.Name == name {
			return t
		}
	}
	return state.Tenant{}
}

// size writes a number of bytes for people.
func size(n int64) string {
	const unit = 1000
	if n < unit {
		return count(int(n), "byte")
	}
	f, i := float64(n), -1
	for f >= unit && i < 4 {
		f /= unit
		i++
	}
	return fmt.Sprintf("%.1f %cB", f, "kMGTP"[i])
}
