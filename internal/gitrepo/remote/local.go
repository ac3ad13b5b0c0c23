package remote

import (
	"bufio"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/gitrepo"
)

// local is a repository in a directory of this machine. Objects are put beside those that are there, under names that
// nothing refers to yet; the branch is moved last, under the lock that git itself takes.
//
// No program of the repository runs. So one that has hooks for pushes is not written to: they would be passed by.
type local struct {
	at address
}

// open finds the repository as git-upload-pack(1) does, which tries a few suffixes.
func (l *local) open() (*gitrepo.Repo, error) {
	const hint = "look at the path in the address; 'git init --bare PATH' makes one"
	for _, suffix := range []string{"/.git", "", ".git/.git", ".git"} {
		dir := l.at.path + suffix
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		repo, err := gitrepo.Open(dir, gitrepo.Options{Environ: []string{"GIT_DIR=" + dir}})
		switch {
		case errors.Is(err, gitrepo.ErrNoGit):
			continue
		case errors.Is(err, fs.ErrPermission):
			return nil, fail(ErrCredentials, "look at the rights of the directory", "%s cannot be read: permission denied", l.at.text)
		case err != nil && !isOurs(err):
			return nil, fail(ErrCorrupt, "'git fsck' in it says what is wrong", "%s cannot be read: %s", l.at.text, diag.Visible(err.Error()))
		}
		return repo, err
	}
	return nil, fail(ErrNoRepo, hint, "there is no repository %s", l.at.text)
}

func (l *local) tips(_ context.Context, branch string) (tips, error) {
	repo, err := l.open()
	if err != nil {
		return tips{}, err
	}
	defer repo.Close()
	t := tips{of: map[string]Hash{}}
	if h, _, ok, err := repo.Tip(branch); err != nil {
		return t, l.damaged(err)
	} else if ok {
		t.of[branch] = h
		return t, nil
	}
	names, err := repo.Branches()
	if err != nil {
		return t, l.damaged(err)
	}
	for _, name := range names {
		t.of[name] = Hash{}
	}
	t.first, err = repo.Branch()
	return t, err
}

func (l *local) damaged(err error) error {
	if isOurs(err) {
		return err
	}
	return fail(ErrCorrupt, "'git fsck' in it says what is wrong", "%s is damaged: %s", l.at.text, diag.Visible(err.Error()))
}

func (l *local) fetch(ctx context.Context, branch string, _ int) (*Snapshot, error) {
	t, err := l.tips(ctx, branch)
	if err != nil {
		return nil, err
	}
	tip, err := t.tip(l.at, branch)
	if err != nil {
		return nil, err
	}
	repo, err := l.open()
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, repo, l.at, tip)
	if err != nil {
		repo.Close()
	}
	return s, err
}

func (l *local) push(ctx context.Context, branch string, old Hash, c *Commit) error {
	repo, err := l.open()
	if err != nil {
		return err
	}
	defer repo.Close()
	if err := l.writable(repo, branch); err != nil {
		return err
	}
	switch now, name, ok, err := repo.Tip(branch); {
	case err != nil:
		return l.damaged(err)
	case name != branch:
		return fail(ErrDeclined, "give that branch", "the branch %s of %s is another name for %s", branch, l.at.text, diag.Visible(name))
	case ok && now == c.Hash:
		return nil
	case now != old:
		return raced(l.at, branch)
	}
	if err := c.store(ctx, repo.CommonDir()); err != nil {
		return l.failed(err)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return l.failed(l.move(repo, branch, old, c.Hash))
}

// writable refuses where git would do something else than to move the branch.
func (l *local) writable(repo *gitrepo.Repo, branch string) error {
	hooks, err := repo.Hooks()
	if err != nil {
		return l.damaged(err)
	}
	if len(hooks) > 0 {
		return fail(ErrDeclined, "push through a server, with an address of ssh:// or https://",
			"%s has hooks for pushes (%s), which a path passes by", l.at.text, strings.Join(hooks, ", "))
	}
	in, err := repo.CheckedOut(branch)
	if err != nil {
		return l.damaged(err)
	}
	if in != "" {
		return fail(ErrDeclined, "check out another branch there, or push to a bare repository",
			"the branch %s is checked out in %s: its files would no longer be those of its commit", branch, in)
	}
	return nil
}

// failed makes a sentence of what goes wrong in a file system.
func (l *local) failed(err error) error {
	switch {
	case err == nil, isOurs(err), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fail(ErrDiskFull, "make room, and try again: the branch is as it was", "there is no space left in %s", l.at.text)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fail(ErrCredentials, "look at the rights of the directory", "%s cannot be written to: %s", l.at.text, diag.Visible(err.Error()))
	}
	return fail(ErrDeclined, "", "%s could not take the commit: %s", l.at.text, diag.Visible(err.Error()))
}

// move sets a branch as git does: the new value is in the file BRANCH.lock, which nobody else can make meanwhile; it
// becomes the branch by being renamed, if that is where it was.
func (l *local) move(repo *gitrepo.Repo, branch string, old, commit Hash) (err error) {
	name := filepath.Join(repo.CommonDir(), "refs", "heads", filepath.FromSlash(branch))
	lock := name + ".lock"
	names, err := repo.Branches() // those in packed-refs are no files that would be in the way
	if err != nil {
		return err
	}
	for _, other := range names {
		if strings.HasPrefix(other, branch+"/") || strings.HasPrefix(branch, other+"/") {
			return fail(ErrDeclined, "give it another name", "there cannot be a branch %s in %s beside %s", branch, l.at.text, other)
		}
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(lock, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return fail(ErrRaced, "try again; if nothing else is running, remove the file",
			"somebody else is changing the branch %s of %s: %s is there", branch, l.at.text, lock)
	}
	if err != nil {
		return err
	}
	held := true
	defer func() {
		if held {
			os.Remove(lock)
		}
	}()
	_, err = f.WriteString(commit.String() + "\n")
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	fresh, err := l.open() // packed-refs may have been rewritten before the lock was ours
	if err != nil {
		return err
	}
	defer fresh.Close()
	now, _, _, err := fresh.Tip(branch)
	if err != nil {
		return err
	}
	if now != old {
		return raced(l.at, branch)
	}
	if err := clearEmpty(name); err != nil {
		return err
	}
	if err := os.Rename(lock, name); err != nil {
		return err
	}
	held = false
	return syncDir(filepath.Dir(name))
}

// clearEmpty removes the empty directories that branches below one of this name have left.
func clearEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := clearEmpty(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(dir) // it fails where there is a file
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}

// unpackLimit is from how many objects on a pack is kept whole (git-config(1), receive.unpackLimit).
const unpackLimit = 100

// store puts the commit's objects into a repository here. Those that it has are written again: as new files they are
// safe from a 'git prune' that would take old ones which no branch has.
func (c *Commit) store(ctx context.Context, gitDir string) error {
	if len(c.objects) >= unpackLimit {
		return c.storePack(gitDir)
	}
	dirs := map[string]bool{}
	for _, o := range c.objects {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		dir, err := storeLoose(gitDir, o)
		if err != nil {
			return err
		}
		dirs[dir] = true
	}
	for dir := range dirs {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// storeLoose writes one object into its own file, whole or not at all, and gives its directory.
func storeLoose(gitDir string, o object) (string, error) {
	name := o.hash.String()
	dir := filepath.Join(gitDir, "objects", name[:2])
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return dir, err
	}
	return dir, storeFile(dir, "tmp_obj_", func(w io.Writer) (string, error) {
		z := zlib.NewWriter(w)
		if _, err := fmt.Fprintf(z, "%s %d\x00", o.kind, len(o.data)); err != nil {
			return "", err
		}
		if _, err := z.Write(o.data); err != nil {
			return "", err
		}
		return name[2:], z.Close()
	})
}

// storeFile writes a file that nobody changes any more, whole or not at all. What writes it also names it.
func storeFile(dir, temporary string, write func(io.Writer) (string, error)) error {
	f, err := os.CreateTemp(dir, temporary) // git clears away what is called so
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	buffered := bufio.NewWriter(f)
	name, err := write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = f.Chmod(0o444)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}

// storePack writes all of them into one pack. Its index comes last: without that, the pack is not looked at.
func (c *Commit) storePack(gitDir string) error {
	dir := filepath.Join(gitDir, "objects", "pack")
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	w := new(idxfile.Writer)
	if err := w.OnHeader(uint32(len(c.objects))); err != nil {
		return err
	}
	var name Hash
	err := storeFile(dir, "tmp_pack_", func(to io.Writer) (string, error) {
		var err error
		name, err = c.pack(to, false, func(h Hash, offset int64, crc uint32) { w.Add(plumbing.Hash(h), uint64(offset), crc) })
		return "pack-" + name.String() + ".pack", errors.Join(err, w.OnFooter(plumbing.Hash(name)))
	})
	if err != nil {
		return err
	}
	err = storeFile(dir, "tmp_idx_", func(to io.Writer) (string, error) {
		index, err := w.Index()
		if err != nil {
			return "", err
		}
		_, err = idxfile.NewEncoder(to).Encode(index)
		return "pack-" + name.String() + ".idx", err
	})
	if err != nil {
		return errors.Join(err, os.Remove(filepath.Join(dir, "pack-"+name.String()+".pack")))
	}
	return syncDir(dir)
}
