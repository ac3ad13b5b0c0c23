package gitrepo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// NewError makes an error of a kind, for errors.Is; text and hint are as Error has them.
func NewError(kind error, text, hint string) *Error {
	return &Error{Text: text, Hint: hint, kind: kind}
}

// CommonDir is the absolute path of the git directory that has the objects and branches.
func (r *Repo) CommonDir() string { return r.commonDir }

// Object reads an object's content as git hashes it, without the header.
func (r *Repo) Object(t plumbing.ObjectType, h Hash) ([]byte, error) { return r.object(t, h) }

// Has tells whether there is an object of that name.
func (r *Repo) Has(h Hash) bool { return r.has(h) }

// Tip gives the commit that a branch is at, without refs/heads/, and the name of the branch that has it: another one
// where it is a symbolic reference.
func (r *Repo) Tip(branch string) (h Hash, name string, ok bool, err error) {
	h, last, ok, err := r.follow("refs/heads/" + branch)
	return h, strings.TrimPrefix(last, "refs/heads/"), ok, err
}

// Branches lists the branches, sorted. Locks, which others may hold meanwhile, are not among them.
func (r *Repo) Branches() ([]string, error) {
	var out []string
	top := filepath.Join(r.commonDir, "refs", "heads")
	err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // it is gone since
			return nil
		}
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".lock") {
			return err
		}
		branch, err := filepath.Rel(top, name)
		out = append(out, filepath.ToSlash(branch))
		return err
	})
	if err != nil {
		return nil, err
	}
	packed, err := os.ReadFile(filepath.Join(r.commonDir, "packed-refs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(packed)) {
		if _, branch, ok := strings.Cut(strings.TrimSpace(line), " refs/heads/"); ok && line[0] != '#' {
			out = append(out, branch)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// CheckedOut gives the work tree's git directory in which a branch is checked out; empty where it is in none.
func (r *Repo) CheckedOut(branch string) (string, error) {
	dirs := []string{r.commonDir}
	linked, err := filepath.Glob(filepath.Join(r.commonDir, "worktrees", "*"))
	if err != nil {
		return "", err
	}
	for _, dir := range append(dirs, linked...) {
		if dir == r.commonDir {
			cfg, err := readConfig(filepath.Join(dir, "config"))
			if err != nil {
				return "", err
			}
			if boolean(cfg.Section("core").Option("bare"), false) {
				continue
			}
		}
		head, err := os.ReadFile(filepath.Join(dir, "HEAD"))
		if err != nil {
			return "", err
		}
		if strings.TrimSpace(string(head)) == "ref: refs/heads/"+branch {
			return dir, nil
		}
	}
	return "", nil
}

// Hooks lists the hooks that git would run here when somebody pushes, sorted (githooks(5)).
func (r *Repo) Hooks() ([]string, error) {
	cfg, err := readConfig(filepath.Join(r.commonDir, "config"))
	if err != nil {
		return nil, err
	}
	dir := cfg.Section("core").Option("hookspath")
	switch {
	case dir == "":
		dir = filepath.Join(r.commonDir, "hooks")
	case !filepath.IsAbs(dir):
		dir = filepath.Join(r.gitDir, dir)
	}
	var out []string
	for _, name := range []string{
		"post-receive", "post-update", "pre-receive", "proc-receive", "push-to-checkout", "reference-transaction", "update",
	} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
			out = append(out, name)
		}
	}
	return out, nil
}
