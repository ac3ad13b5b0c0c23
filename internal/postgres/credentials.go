package postgres

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// Credentials are passwords by role. They are secrets: nothing prints them.
type Credentials map[string]string

// String hides the passwords from every verb of package fmt but %#v, which GoString serves.
func (c Credentials) String() string { return fmt.Sprintf("%d passwords", len(c)) }

// GoString is String.
func (c Credentials) GoString() string { return c.String() }

// Roles tells which roles have a password, in the form of state.Options.
func (c Credentials) Roles() map[string]bool {
	out := make(map[string]bool, len(c))
	for role := range c {
		out[role] = true
	}
	return out
}

// ReadCredentials reads the tenants' passwords from files, as a mounted Secret has them: dir/<tenant>/app, migrator,
// readonly and backup. After a rotation there is app-username too, with the login whose password the file app holds.
// One line break at the end is cut off. All that is wrong is said at once, in a *Problem about the input: a missing,
// empty or unreadable file, one that everybody on the machine may read, and a password that NewVerifier would refuse.
// No error holds a password.
func ReadCredentials(dir string, tenants []state.Tenant) (Credentials, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		if err == nil {
			err = errors.New("it is no directory")
		}
		return nil, &Problem{
			Text:  fmt.Sprintf("the directory of the credentials, %s, cannot be read: %s", dir, reason(err)),
			Hint:  "it has a directory for each tenant, with the files app, migrator, readonly and backup",
			Input: true, Err: err,
		}
	}
	out := Credentials{}
	var wrong []string
	var causes []error
	for _, t := range tenants {
		for _, role := range t.Roles.Logins() {
			file, ok := t.Roles.Credential(role)
			if !ok {
				continue
			}
			password, err := readPassword(dir, t.Name, file)
			if err != nil {
				wrong = append(wrong, fmt.Sprintf("%s: %s", filepath.Join(dir, t.Name, file), reason(err)))
				causes = append(causes, err)
				continue
			}
			if role == t.Roles.App {
				if role, err = appRole(dir, t); err != nil {
					wrong = append(wrong, fmt.Sprintf("%s: %s", filepath.Join(dir, t.Name, loginFile), reason(err)))
					causes = append(causes, err)
					continue
				}
			}
			out[role] = password
		}
	}
	switch len(wrong) {
	case 0:
		return out, nil
	case 1:
		return nil, &Problem{
			Text: "a credential cannot be used: " + wrong[0], Hint: credentialHint, Input: true, Err: causes[0],
		}
	}
	slices.Sort(wrong)
	return nil, &Problem{
		Text:  fmt.Sprintf("%d credentials cannot be used:\n  %s", len(wrong), strings.Join(wrong, "\n  ")),
		Hint:  credentialHint,
		Input: true, Err: errors.Join(causes...),
	}
}

const credentialHint = "each file holds one password, which only its owner and group may read: random letters and " +
	"digits are best"

// ReadPassword reads one password from a file, by the same rules.
func ReadPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is no regular file")
	}
	// Windows has no such bits: Go makes them up there.
	if mode := info.Mode().Perm(); mode&0o007 != 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("everybody on the machine has access to it (mode %04o): chmod o= it, or mount the Secret with "+
			"defaultMode 0440", mode)
	}
	content, err := io.ReadAll(io.LimitReader(f, MaxPassword+3))
	if err != nil {
		return "", err
	}
	password, cut := strings.CutSuffix(string(content), "\n")
	if cut {
		password = strings.TrimSuffix(password, "\r")
	}
	return password, checkPassword(password)
}

func readPassword(dir, tenant, file string) (string, error) {
	// A tenant's name is a DNS label by the schema, but it may come from a file that was not made by the compiler.
	if tenant == "" || tenant == "." || strings.ContainsAny(tenant, `/\`) || !filepath.IsLocal(tenant) {
		return "", fmt.Errorf("%q is no name of a directory", tenant)
	}
	return ReadPassword(filepath.Join(dir, tenant, file))
}

// reason gives an error's text without the path, which the sentence around it has already.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return err.Error()
}
