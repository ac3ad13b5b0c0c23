package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/zavestudios/zave/internal/diag"
)

// WriteResult says what a write did. Paths are the tree's, sorted; the index counts as a file. All is zero but
// Unchanged where nothing was touched.
type WriteResult struct {
	Written   []string // were not there
	Changed   []string // had other bytes
	Removed   []string // were ours, and are no longer in the tree
	Unchanged int
}

// WriteDir makes dir hold the tree, its index, and whatever else in dir is not ours.
//
// The next directory is made beside dir, in ".NAME.zave", and swapped with it in one step, so that a kill at any
// moment, a full disk or a cancelled context leaves the old directory or the new one, whole; the next call removes
// what a killed one left. So dir's parent must be writable, and dir no mount point. Where the system cannot swap (not
// Linux or macOS, some network file systems) a kill between two renames leaves nothing at dir until the next call puts
// the old tree back. Unchanged files and those of others are hard-linked into the new directory, so they keep their
// inode, time and mode (symbolic links are made again, and files are copied where links are refused). A change of such
// files by others during the write is carried over.
// If nothing has to change, nothing is touched.
//
// Files are created 0666 and directories 0777, less the umask, as git does in a work tree; modes of directories that
// were there are kept. A power failure is survived as well as a kill: bytes reach the disk before the swap, by an
// fsync a file for a few files and one syncfs(2) for many. That the *new* tree survives one that follows at once is
// not promised.
//
// If files were edited by hand, or others stand in the way, they are the diagnostics and nothing is written, unless
// opts.Force. With opts.Only, files outside the selection keep their bytes and their entries in the index; where there
// was no tree, the result is one of the selected files alone; the selected files of opts.Lists list what then stands
// beside them, be it selected or not. An error says that dir is as it was, and the only
// exception, what could not be cleaned away after the swap, says so.
func WriteDir(ctx context.Context, dir string, t *Tree, opts WriteOptions) (WriteResult, diag.List, error) {
	return writeDir(ctx, dir, t, opts, exchange)
}

func writeDir(ctx context.Context, dir string, t *Tree, opts WriteOptions, exchange func(a, b string) error) (res WriteResult, l diag.List, err error) {
	root, err := resolve(dir)
	if err != nil {
		return res, l, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", dir, err)
		}
	}()
	settled := func(p *plan) bool {
		l = p.diff.Blockers(dir)
		return p.diff.Empty() || p.diff.Blocked() && !opts.Force
	}
	var p *plan
	var seen version
	if _, err := os.Lstat(stageDir(root)); errors.Is(err, fs.ErrNotExist) { // else there is something to put right
		p, seen, err = look(ctx, root, t, opts)
		defer func() { seen.close() }()
		if err != nil {
			return res, l, err
		}
		if p != nil && settled(p) {
			return p.result(opts), l, nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o777); err != nil {
		return res, l, err
	}
	s, err := openStage(ctx, root, opts.Waiting)
	if err != nil {
		return res, l, err
	}
	defer func() {
		if e := s.close(); e != nil {
			err = errors.Join(err, fmt.Errorf("clean up: %w", e))
		}
	}()
	if p == nil || !seen.current(root) {
		if p, err = newPlan(ctx, root, t, opts); err != nil {
			return res, l, err
		}
		if settled(p) {
			return p.result(opts), l, nil
		}
	}
	others, err := p.scan(ctx)
	if err != nil {
		return res, l, err
	}
	if err := p.build(ctx, s.new(), others); err != nil {
		return res, l, err
	}
	if err := ctx.Err(); err != nil {
		return res, l, err
	}
	old, err := s.swap(exchange)
	if err != nil {
		return res, l, err
	}
	if old != "" {
		if e := p.clear(old, others); e != nil {
			err = fmt.Errorf("the new tree is in place, but the old one could not be removed: %w", e)
		}
	}
	return p.result(opts), diag.List{}, err
}

// result says what the plan does: nothing, if it may not.
func (p *plan) result(opts WriteOptions) WriteResult {
	var r WriteResult
	if p.diff.Blocked() && !opts.Force {
		return r
	}
	for i, f := range p.files {
		switch p.states[i] {
		case missing:
			r.Written = append(r.Written, f.Path)
		case same:
			r.Unchanged++
		case changed, blocked:
			r.Changed = append(r.Changed, f.Path)
		}
	}
	r.Removed = slices.Clone(p.diff.Stale)
	for _, e := range p.diff.HandEdited {
		if _, stays := p.find(e.Path); !stays {
			r.Removed = append(r.Removed, e.Path)
		}
	}
	slices.Sort(r.Removed)
	return r
}

// other is something in the directory that this write only carries over.
type other struct {
	path string
	info fs.FileInfo
}

// others is what a scan found, by path.
type others struct {
	files []other                // everything that is not a directory
	dirs  []string               // directories that the new tree needs for them
	modes map[string]fs.FileInfo // every directory that was there
	known []string               // every path but those of directories
}

// scan finds what is not ours.
func (p *plan) scan(ctx context.Context) (*others, error) {
	o := &others{modes: map[string]fs.FileInfo{}}
	info, err := os.Lstat(p.root)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return nil, err
	}
	o.modes["."] = info
	listed := make([]string, 0, len(p.old.Files))
	for _, e := range p.old.Files {
		if p.only(e.Path) {
			listed = append(listed, e.Path)
		}
	}
	oldDirs := parents(len(listed), func(i int) string { return listed[i] })
	if err := p.scanDir(ctx, o, "", oldDirs, true); err != nil {
		return nil, err
	}
	slices.Sort(o.dirs)
	o.dirs = slices.Compact(o.dirs)
	return o, nil
}

// scanDir scans one directory; what it finds is carried over if keep.
func (p *plan) scanDir(ctx context.Context, o *others, dir string, oldDirs []string, keep bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(p.at(dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		_, file := p.find(name)
		if !e.IsDir() {
			o.known = append(o.known, name)
			_, dirHere := slices.BinarySearch(p.dirs, name)
			if !keep || file || dirHere || p.ours(name) {
				continue
			}
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // git's lock files come and go
			}
			if err != nil {
				return err
			}
			o.files = append(o.files, other{name, info})
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		o.modes[name] = info
		keepIn := keep && !file // else a file of the tree takes its place
		before := len(o.files) + len(o.dirs)
		if err := p.scanDir(ctx, o, name, oldDirs, keepIn); err != nil {
			return err
		}
		_, hadOurs := slices.BinarySearch(oldDirs, name)
		if keepIn && (!hadOurs || len(o.files)+len(o.dirs) > before) {
			o.dirs = append(o.dirs, name)
		}
	}
	return nil
}

// fewFiles is how many new files are flushed to the disk one by one. Beyond it, flushing the whole file system costs
// less, although that includes what others wrote.
const fewFiles = 32

const permissions = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// build makes the new directory.
func (p *plan) build(ctx context.Context, to string, o *others) error {
	at := func(slash string) string { return filepath.Join(to, filepath.FromSlash(slash)) }
	if err := os.Mkdir(to, 0o777); err != nil {
		return err
	}
	made, err := os.Lstat(to)
	if err != nil {
		return err
	}
	dirs := slices.Concat(p.dirs, o.dirs)
	slices.Sort(dirs)
	dirs = slices.Compact(dirs)
	for _, d := range dirs {
		if err := os.Mkdir(at(d), 0o777); err != nil {
			return err
		}
	}
	create := 0
	for _, s := range p.states {
		if s != same {
			create++
		}
	}
	err = parallel(len(p.files), func(i int, _ *[]byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		f := p.files[i]
		if p.states[i] == same && os.Link(p.at(f.Path), at(f.Path)) == nil {
			return nil
		}
		return createFile(at(f.Path), f.Data, create <= fewFiles)
	})
	if err != nil {
		return err
	}
	err = parallel(len(o.files), func(i int, _ *[]byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		f := o.files[i]
		err := carry(p.at(f.path), at(f.path), f.info)
		if err != nil {
			if _, e := os.Lstat(p.at(f.path)); errors.Is(e, fs.ErrNotExist) {
				return nil // gone since the scan
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	// Children first: a parent may lose the permission to reach them.
	for _, d := range slices.Backward(append([]string{"."}, dirs...)) {
		was, ok := o.modes[d]
		if !ok {
			continue
		}
		keepOwner(at(d), was, made)
		if mode := was.Mode() & permissions; mode != made.Mode()&permissions {
			if err := os.Chmod(at(d), mode); err != nil {
				return err
			}
		}
	}
	if create > fewFiles {
		return flushAll(filepath.Dir(to)) // the stage's own directory: the new one may not be readable
	}
	return nil
}

// carry brings a file of somebody else's over.
func carry(from, to string, info fs.FileInfo) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		dest, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(dest, to)
	}
	err := os.Link(from, to)
	if err == nil || !info.Mode().IsRegular() {
		return err
	}
	// A file system without links, a file with too many, or one that is not ours to link to (Linux,
	// fs.protected_hardlinks).
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := os.Chmod(to, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// clear removes the directory that was. What others changed in it since the scan, they meant for the directory that
// now is: it moves there.
func (p *plan) clear(old string, o *others) error {
	at := func(slash string) string { return filepath.Join(old, filepath.FromSlash(slash)) }
	for _, f := range o.files {
		info, err := os.Lstat(at(f.path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := os.Remove(p.at(f.path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		case err != nil:
			return err
		case !os.SameFile(info, f.info):
			if err := os.Rename(at(f.path), p.at(f.path)); err != nil {
				return err
			}
		}
	}
	err := parallel(len(o.known), func(i int, _ *[]byte) error {
		_ = os.Remove(at(o.known[i])) // what stays is seen below
		return nil
	})
	if err != nil {
		return err
	}
	dirs := make([]string, 0, len(o.modes))
	for d := range o.modes {
		dirs = append(dirs, d)
	}
	slices.Sort(dirs)
	for _, d := range slices.Backward(dirs) {
		if d != "." {
			_ = os.Remove(at(d))
		}
	}
	if os.Remove(old) == nil {
		return nil
	}
	return p.rescue(old, o)
}

// rescue moves what came into the old directory after the scan to the new one, unless something stands there.
func (p *plan) rescue(old string, o *others) error {
	slices.Sort(o.known)
	return filepath.WalkDir(old, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == old {
			return err
		}
		rel, err := filepath.Rel(old, name)
		if err != nil {
			return err
		}
		slash := filepath.ToSlash(rel)
		if _, scanned := slices.BinarySearch(o.known, slash); scanned || o.modes[slash] != nil {
			return nil
		}
		to := filepath.Join(p.root, rel)
		if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		if err := os.Rename(name, to); err != nil {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}
