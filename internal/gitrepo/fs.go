package gitrepo

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// FS is the files of a commit, or what is staged, below one directory: an fs.FS that follows symbolic links within that
// directory and refuses, as os.Root does, those that lead out of it. Content is read when a file is opened; times are
// zero. Paths that are the same in the work tree are read there, where their content has the name that git knows.
type FS struct {
	repo   *Repo
	prefix string // from the work tree's top to the directory; "." for the top itself
	src    lister

	mu   sync.Mutex
	dirs map[string][]node // by path from the top: what was listed
}

// lister lists a directory by its path from the top. It may be called by one goroutine at a time.
type lister interface {
	list(dir string) ([]node, error)
}

// node is one entry of a directory.
type node struct {
	name string
	mode Mode
	hash Hash // zero for a directory of the index
}

// FS gives the files of a commit below a directory, slash-separated, "." for all.
func (r *Repo) FS(c *Commit, dir string) *FS {
	return &FS{repo: r, prefix: path.Clean(dir), src: treeLister{r, map[string]Hash{".": c.Tree}}}
}

// treeLister lists a commit's directories.
type treeLister struct {
	repo  *Repo
	known map[string]Hash // directories, by path
}

func (t treeLister) list(dir string) ([]node, error) {
	h, ok := t.known[dir]
	if !ok {
		if _, err := t.list(path.Dir(dir)); err != nil {
			return nil, err
		}
		if h, ok = t.known[dir]; !ok {
			return nil, fs.ErrNotExist
		}
	}
	nodes, err := t.repo.tree(h)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if n.mode == Directory {
			t.known[path.Join(dir, n.name)] = n.hash
		}
	}
	return nodes, nil
}

// tree reads one tree object.
func (r *Repo) tree(h Hash) ([]node, error) {
	data, err := r.object(plumbing.TreeObject, h)
	if err != nil {
		return nil, err
	}
	var out []node
	for len(data) > 0 {
		mode, rest, ok := bytes.Cut(data, []byte(" "))
		name, rest, ok2 := bytes.Cut(rest, []byte{0})
		n, err := strconv.ParseUint(string(mode), 8, 32)
		if !ok || !ok2 || err != nil || len(rest) < len(h) {
			return nil, fmt.Errorf("the tree %s is damaged", h)
		}
		m := Mode(n)
		if m&0o170000 == 0o100000 { // old commits have modes such as 100664
			if m = Regular; n&0o100 != 0 {
				m = Executable
			}
		}
		out = append(out, node{string(name), m, Hash(rest)})
		data = rest[len(h):]
	}
	return out, nil
}

// indexLister lists the index's directories. A file in conflict is listed once; one that is only to be added is not.
type indexLister struct{ x *index }

func (l indexLister) list(dir string) ([]node, error) {
	entries := l.x.below(dir)
	skip := len(dir) + 1
	if dir == "." {
		skip = 0
	}
	var out []node
	for _, e := range entries {
		if e.IntentToAdd {
			continue
		}
		name, _, below := strings.Cut(e.Path[skip:], "/")
		n := node{name, e.Mode, e.Hash}
		if below {
			n = node{name: name, mode: Directory}
		}
		if len(out) > 0 && out[len(out)-1].name == name {
			if e.Stage == 2 { // ours, as git checkout would leave it
				out[len(out)-1] = n
			}
			continue
		}
		out = append(out, n)
	}
	if len(out) == 0 && dir != "." {
		return nil, fs.ErrNotExist
	}
	return out, nil
}

// nodes lists a directory by its path from the top, sorted by name.
func (f *FS) nodes(dir string) ([]node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n, ok := f.dirs[dir]; ok {
		return n, nil
	}
	n, err := f.src.list(dir)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(n, func(a, b node) int { return strings.Compare(a.name, b.name) })
	if f.dirs == nil {
		f.dirs = map[string][]node{}
	}
	f.dirs[dir] = n
	return n, nil
}

// full is the path from the top.
func (f *FS) full(name string) string { return path.Join(f.prefix, name) }

// errEscapes bears the words of os.Root.
var errEscapes = errors.New("path escapes from parent")

// errSubmodule is of a directory that another repository has.
var errSubmodule = errors.New("it is a submodule, whose files are in another repository")

// lookup finds a path below the directory. Links within the path are followed, and the last one where that is asked
// for. The name is the path that it leads to.
func (f *FS) lookup(name string, last bool) (string, node, error) {
	rest, at, links := name, ".", 0
	if name == "." {
		rest = ""
	}
	n := node{name: ".", mode: Directory}
	for rest != "" {
		part, after, _ := strings.Cut(rest, "/")
		rest = after
		switch part {
		case "", ".":
			continue
		case "..":
			if at == "." {
				return "", n, errEscapes
			}
			at = path.Dir(at)
			n = node{name: path.Base(at), mode: Directory}
			continue
		}
		switch n.mode {
		case Directory:
		case Submodule:
			return "", n, errSubmodule
		default:
			return "", n, fs.ErrNotExist
		}
		list, err := f.nodes(f.full(at))
		if err != nil {
			return "", n, err
		}
		i, ok := slices.BinarySearchFunc(list, part, func(n node, name string) int { return strings.Compare(n.name, name) })
		if !ok {
			return "", n, fs.ErrNotExist
		}
		n = list[i]
		if n.mode != Symlink || rest == "" && !last {
			at = path.Join(at, part)
			continue
		}
		if links++; links > 40 {
			return "", n, errors.New("too many levels of symbolic links")
		}
		target, err := f.repo.Blob(n.hash)
		if err != nil {
			return "", n, err
		}
		if path.IsAbs(string(target)) {
			return "", n, errEscapes
		}
		rest = string(target) + "/" + rest
		n = node{name: path.Base(at), mode: Directory}
	}
	return at, n, nil
}

// Open opens a file or a directory.
func (f *FS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	at, n, err := f.lookup(name, true)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	info := fileInfo{path.Base(name), n.mode, 0}
	if n.mode == Directory {
		return &openDir{f, at, info, nil, false}, nil
	}
	if n.mode == Submodule {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errSubmodule}
	}
	data, err := f.content(at, n)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	info.size = int64(len(data))
	return &openFile{info, *bytes.NewReader(data)}, nil
}

// ReadFile reads a whole file.
func (f *FS) ReadFile(name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	at, n, err := f.lookup(name, true)
	switch {
	case err != nil:
	case n.mode == Directory:
		err = errors.New("it is a directory")
	case n.mode == Submodule:
		err = errSubmodule
	default:
		var data []byte
		if data, err = f.content(at, n); err == nil {
			return data, nil
		}
	}
	return nil, &fs.PathError{Op: "read", Path: name, Err: err}
}

// content reads a file's bytes.
func (f *FS) content(at string, n node) ([]byte, error) {
	if data, ok := f.repo.fromWorkTree(f.full(at), n.hash); ok {
		return data, nil
	}
	return f.repo.Blob(n.hash)
}

// fromWorkTree reads a file of the work tree if it has the content that a blob's name says. Most files of a commit
// have, and reading them so costs a tenth of reading them from a pack.
func (r *Repo) fromWorkTree(name string, h Hash) ([]byte, bool) {
	if r.workTree == "" {
		return nil, false
	}
	at := filepath.Join(r.workTree, filepath.FromSlash(name))
	if info, err := os.Lstat(at); err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	data, err := os.ReadFile(at)
	if err != nil || BlobHash(data) != h {
		return nil, false
	}
	return data, true
}

// BlobHash is the name that git gives to a file's content.
func BlobHash(data []byte) Hash {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(data))
	h.Write(data)
	return Hash(h.Sum(nil))
}

// ReadDir lists a directory, sorted.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	at, n, err := f.lookup(name, true)
	if err == nil && n.mode == Submodule {
		err = errSubmodule
	}
	if err == nil && n.mode != Directory {
		err = errors.New("not a directory")
	}
	var nodes []node
	if err == nil {
		nodes, err = f.nodes(f.full(at))
	}
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	out := make([]fs.DirEntry, len(nodes))
	for i, n := range nodes {
		out[i] = dirEntry{f, path.Join(at, n.name), n}
	}
	return out, nil
}

// Stat tells what a path is, through symbolic links.
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name, true) }

// Lstat tells what a path is.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.stat("lstat", name, false) }

func (f *FS) stat(op, name string, last bool) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	at, n, err := f.lookup(name, last)
	info := fileInfo{path.Base(name), n.mode, 0}
	if err == nil && n.mode != Directory && n.mode != Submodule {
		var data []byte
		data, err = f.content(at, n)
		info.size = int64(len(data))
	}
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return info, nil
}

// ReadLink gives where a symbolic link leads.
func (f *FS) ReadLink(name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	_, n, err := f.lookup(name, false)
	if err == nil && n.mode != Symlink {
		err = fs.ErrInvalid
	}
	var target []byte
	if err == nil {
		target, err = f.repo.Blob(n.hash)
	}
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(target), nil
}

// Hash gives the name of a file's content, through symbolic links, without reading it. Equal names, equal bytes.
func (f *FS) Hash(name string) (string, bool) {
	if !fs.ValidPath(name) {
		return "", false
	}
	_, n, err := f.lookup(name, true)
	if err != nil || n.mode == Directory || n.mode == Submodule {
		return "", false
	}
	return n.hash.String(), true
}

type fileInfo struct {
	name string
	mode Mode
	size int64
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return i.mode.file() }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return i.Mode().IsDir() }
func (i fileInfo) Sys() any           { return nil }

// file gives the mode in Go's terms.
func (m Mode) file() fs.FileMode {
	switch m {
	case Directory, Submodule:
		return fs.ModeDir | 0o755
	case Symlink:
		return fs.ModeSymlink | 0o777
	case Executable:
		return 0o755
	}
	return 0o644
}

type dirEntry struct {
	fs *FS
	at string
	n  node
}

func (d dirEntry) Name() string               { return d.n.name }
func (d dirEntry) IsDir() bool                { return d.Type().IsDir() }
func (d dirEntry) Type() fs.FileMode          { return d.n.mode.file().Type() }
func (d dirEntry) Info() (fs.FileInfo, error) { return d.fs.Lstat(d.at) }

type openFile struct {
	info fileInfo
	bytes.Reader
}

func (o *openFile) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openFile) Close() error               { return nil }

type openDir struct {
	fs   *FS
	at   string
	info fileInfo
	rest []fs.DirEntry
	read bool
}

func (o *openDir) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openDir) Close() error               { return nil }
func (o *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: o.at, Err: errors.New("it is a directory")}
}

func (o *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !o.read {
		list, err := o.fs.ReadDir(o.at)
		if err != nil {
			return nil, err
		}
		o.rest, o.read = list, true
	}
	if n <= 0 {
		out := o.rest
		o.rest = nil
		return out, nil
	}
	if len(o.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(o.rest))
	out := o.rest[:n:n]
	o.rest = o.rest[n:]
	return out, nil
}
