package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// File is a file to stage.
type File struct {
	Path string // from the work tree's top, slash-separated
	Data []byte
}

// Staged says what Stage did. Paths are sorted.
type Staged struct {
	Written []string // in the index
	Removed []string // from the index
	Left    []string // files of the work tree that were left alone: they hold edits that are not staged
}

// lockPatience is how long Stage waits for another git that has the index.
const lockPatience = 2 * time.Second

// Stage puts files into the index, takes others out of it, and makes the files of the work tree follow: those that are
// there as the index had them, or were not there at all. One that was edited, or removed, is left as it is.
//
// The index is replaced in one step, under git's lock; every other entry keeps its bytes, and the caches of trees and
// of resolved conflicts what is still true in them. The index must be the one that was read. Where git commits some
// files only ('git commit FILE'), it has two: the one it commits, which is what the environment names, and the one that
// stays afterwards; files that are the same in both stay the same.
func (s *Staging) Stage(ctx context.Context, write []File, remove []string) (done Staged, err error) {
	r := s.repo
	if r.workTree == "" {
		return done, &Error{Text: "the repository is bare: nothing can be staged"}
	}
	edits, err := s.edits(write, remove)
	if err != nil || len(edits) == 0 {
		return done, err
	}
	for i := range edits {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if err := r.store(&edits[i]); err != nil {
			return done, err
		}
	}
	lock, err := lockIndex(ctx, r.indexFile)
	if err != nil {
		return done, err
	}
	defer lock.release()
	if same, err := s.x.current(r.indexFile); err != nil {
		return done, err
	} else if !same {
		return done, &Error{Text: "the index has changed while zave worked", Hint: "run it again"}
	}
	if err := r.follows(ctx, edits); err != nil {
		return done, err
	}
	for _, e := range edits {
		switch {
		case e.remove:
			done.Removed = append(done.Removed, e.path)
		default:
			done.Written = append(done.Written, e.path)
		}
		if e.left {
			done.Left = append(done.Left, e.path)
		}
	}
	// The one that stays first: if it cannot be written, nothing was.
	if err := r.stageBeside(ctx, edits); err != nil {
		return done, err
	}
	now := *s.x
	now.apply(edits)
	return done, lock.commit(&now)
}

// edit is what becomes of one path.
type edit struct {
	path   string
	remove bool
	data   []byte
	hash   Hash
	mode   Mode
	old    []Entry     // that the index has: none, one, or the stages of a conflict
	skip   bool        // outside of a sparse checkout
	left   bool        // the work tree's file is not what the index had
	info   fs.FileInfo // of the work tree's file, where that has the content; or nil
}

// edits leaves out what the index has already. They are sorted by path.
func (s *Staging) edits(write []File, remove []string) ([]edit, error) {
	var out []edit
	for _, f := range write {
		from, to := s.x.find(f.Path)
		e := edit{path: f.Path, data: f.Data, hash: BlobHash(f.Data), mode: Regular, old: s.x.entries[from:to]}
		if len(e.old) == 1 && e.old[0].Stage == 0 && !e.old[0].IntentToAdd {
			if e.old[0].Mode == Executable {
				e.mode = Executable
			}
			if e.old[0].Hash == e.hash && e.old[0].Mode == e.mode {
				continue
			}
		}
		e.skip = s.skipped(from, to)
		out = append(out, e)
	}
	for _, name := range remove {
		if from, to := s.x.find(name); from < to {
			out = append(out, edit{path: name, remove: true, old: s.x.entries[from:to], skip: s.x.entries[from].Skip})
		}
	}
	slices.SortFunc(out, func(a, b edit) int { return strings.Compare(a.path, b.path) })
	for i, e := range out {
		if i > 0 && out[i-1].path == e.path {
			return nil, fmt.Errorf("%s is staged twice", e.path)
		}
		if e.remove {
			continue
		}
		for _, in := range s.x.below(e.path) {
			if !removed(out, in.Path) {
				return nil, &Error{Text: fmt.Sprintf("%s is in the way: the index has the file %s", e.path, in.Path),
					Hint: "move it away"}
			}
		}
		for dir := path.Dir(e.path); dir != "."; dir = path.Dir(dir) {
			if from, to := s.x.find(dir); from < to && !removed(out, dir) {
				return nil, &Error{Text: fmt.Sprintf("%s is in the way of %s: it is a file in the index", dir, e.path),
					Hint: "move it away"}
			}
		}
	}
	return out, nil
}

// skipped tells whether a file lies outside of a sparse checkout: its own entry says so or, of a new one, those of the
// files beside it.
func (s *Staging) skipped(from, to int) bool {
	if from < to {
		return s.x.entries[from].Skip
	}
	before, after := from > 0 && s.x.entries[from-1].Skip, from < len(s.x.entries) && s.x.entries[from].Skip
	return before && (after || from == len(s.x.entries)) || after && from == 0
}

func removed(edits []edit, name string) bool {
	i, ok := slices.BinarySearchFunc(edits, name, func(e edit, n string) int { return strings.Compare(e.path, n) })
	return ok && edits[i].remove
}

// store writes the content as an object, if there is none.
func (r *Repo) store(e *edit) error {
	if e.remove || r.has(e.hash) {
		return nil
	}
	var o plumbing.MemoryObject
	o.SetType(plumbing.BlobObject)
	if _, err := o.Write(e.data); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.objects[0].SetEncodedObject(&o)
	if err != nil {
		return fmt.Errorf("write %s to the object database: %w", e.path, err)
	}
	if Hash(h) != e.hash {
		return fmt.Errorf("the object of %s has the name %s, and should have %s", e.path, h, e.hash)
	}
	return nil
}

// follows makes the files of the work tree follow.
func (r *Repo) follows(ctx context.Context, edits []edit) error {
	root, err := os.OpenRoot(r.workTree)
	if err != nil {
		return err
	}
	defer root.Close()
	// Removals first: a directory may have to make room for a file.
	for _, remove := range []bool{true, false} {
		for i := range edits {
			e := &edits[i]
			if e.remove != remove || e.skip {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := e.follow(root); err != nil {
				return fmt.Errorf("write %s: %w", e.path, err)
			}
		}
	}
	return nil
}

// follow makes the work tree's file what the index will have, where it is what the index had.
func (e *edit) follow(root *os.Root) error {
	name := filepath.FromSlash(e.path)
	plain, err := e.parents(root)
	if err != nil {
		return err
	}
	if !plain {
		e.left = true
		return nil
	}
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if e.remove {
			return nil
		}
		if len(e.old) == 1 && !e.old[0].IntentToAdd { // it was removed, and that is not staged
			e.left = true
			return nil
		}
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		e.left = true
		return nil
	default:
		data, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		if !e.remove && bytes.Equal(data, e.data) {
			e.info = info
			return nil
		}
		if !e.had(data) {
			e.left = true
			return nil
		}
	}
	if e.remove {
		if err := root.Remove(name); err != nil {
			return err
		}
		for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
			if root.Remove(dir) != nil { // it is not empty
				break
			}
		}
		return nil
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	perm := fs.FileMode(0o666)
	if e.mode == Executable {
		perm = 0o777
	}
	temp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".zave")
	if err := writeNew(root, temp, e.data, perm); err != nil {
		return err
	}
	if err := root.Rename(temp, name); err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	e.info, err = root.Lstat(name)
	return err
}

// writeNew writes a file, in place of one of that name that was left by a process that was killed.
func writeNew(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if errors.Is(err, fs.ErrExist) {
		if err := root.Remove(name); err != nil {
			return err
		}
		f, err = root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, root.Remove(name))
	}
	return nil
}

// parents tells whether everything above the file is a directory, or is not there. git does not look through links.
func (e *edit) parents(root *os.Root) (bool, error) {
	for i, c := range e.path {
		if c != '/' {
			continue
		}
		info, err := root.Lstat(filepath.FromSlash(e.path[:i]))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return true, nil
		case err != nil:
			return false, err
		case !info.IsDir():
			return false, nil
		}
	}
	return true, nil
}

// had tells whether the index had that content, be it with the line ends of another system. Of a file in conflict, what
// stands in the work tree is git's own doing.
func (e *edit) had(data []byte) bool {
	if len(e.old) == 0 {
		return false
	}
	if e.old[0].Stage != 0 {
		return true
	}
	unix := bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	return BlobHash(data) == e.old[0].Hash || BlobHash(unix) == e.old[0].Hash
}

// apply changes the index, and leaves alone the one that it is a copy of, but for its cache of trees.
func (x *index) apply(edits []edit) {
	x.entries = slices.Clone(x.entries)
	// From now on the file is younger than what changed since: see racy.
	for i := range x.entries {
		if e := &x.entries[i]; e.Stage == 0 && (e.Mode == Regular || e.Mode == Executable) && x.racy(*e) {
			e.smudge()
		}
	}
	out := make([]Entry, 0, len(x.entries)+len(edits))
	at := 0
	for _, e := range edits {
		from, to := x.find(e.path)
		out = append(out, x.entries[at:from]...)
		at = to
		if x.tree != nil {
			x.tree.forget(e.path)
		}
		if e.remove {
			continue
		}
		n := Entry{Path: e.path, Mode: e.mode, Hash: e.hash}
		if from < to {
			n.bits = x.entries[from].bits
		}
		if e.skip {
			n.Skip, n.more = true, moreSkip
		}
		n.setStat(e.info)
		out = append(out, n)
	}
	x.entries = append(out, x.entries[at:]...)
}

// partial is the name of the index that 'git commit FILE' commits (builtin/commit.c, prepare_index).
var partial = regexp.MustCompile(`^next-index-[0-9]+\.lock$`)

// stageBeside does for the index that stays after 'git commit FILE' what was done for the one that is committed: a
// file that is the same in both stays the same. git has written that index to its lock file, which it will rename,
// and only reads it again.
func (r *Repo) stageBeside(ctx context.Context, edits []edit) error {
	if !partial.MatchString(filepath.Base(r.indexFile)) {
		return nil
	}
	beside := filepath.Join(filepath.Dir(r.indexFile), "index.lock")
	if _, err := os.Lstat(beside); err != nil {
		return nil // it is not what it seems
	}
	lock, err := lockIndex(ctx, beside)
	if err != nil {
		return err
	}
	defer lock.release()
	x, err := readIndex(beside)
	if err != nil {
		return err
	}
	edits = slices.DeleteFunc(slices.Clone(edits), func(e edit) bool {
		from, to := x.find(e.path)
		return !slices.EqualFunc(e.old, x.entries[from:to], func(a, b Entry) bool {
			return a.Stage == b.Stage && a.Hash == b.Hash && a.Mode == b.Mode
		})
	})
	x.apply(edits)
	return lock.commit(x)
}

// indexLock is git's lock on an index: a file beside it, which becomes the index.
type indexLock struct {
	file *os.File
	name string // of the index
}

func lockIndex(ctx context.Context, name string) (*indexLock, error) {
	deadline := time.Now().Add(lockPatience)
	for {
		f, err := os.OpenFile(name+".lock", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			l := &indexLock{f, name}
			if info, err := os.Stat(name); err == nil {
				if err := f.Chmod(info.Mode().Perm()); err != nil { // core.sharedRepository
					l.release()
					return nil, err
				}
			}
			return l, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, &Error{
				Text: fmt.Sprintf("another git is at work here: there is %s.lock", name),
				Hint: "wait until it has ended; if none runs, one was killed, and the file can be removed", kind: ErrIndexBusy,
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// release gives the lock back, unless it was committed.
func (l *indexLock) release() {
	if l.file != nil {
		l.file.Close()
		os.Remove(l.file.Name())
	}
}

// commit makes the lock the index.
func (l *indexLock) commit(x *index) error {
	_, err := l.file.Write(x.encode()) // not flushed to the disk, as git does not either: it can be made anew
	if err := errors.Join(err, l.file.Close()); err != nil {
		return errors.Join(err, os.Remove(l.file.Name()))
	}
	temp := l.file.Name()
	l.file = nil
	if err := os.Rename(temp, l.name); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}
