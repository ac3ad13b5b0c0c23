package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/source"
)

// WriteOptions says how a tree meets a directory.
type WriteOptions struct {
	Generator string                 // goes into the index: "zave 1.2.0"
	Force     bool                   // take over what was edited by hand, and what stands in the way
	Only      func(path string) bool // the part of the tree that is meant; nil is all of it
	Lists     func(path string) bool // with Only: the selected files that list their directory; nil is none
	List      func([]string) []byte  // with Lists: such a file, of the names that stand beside it afterwards, sorted
	Waiting   func()                 // called once, before waiting for another zave that writes there; may be nil
}

// Difference says how a directory differs from a tree. Paths are the tree's, sorted; the index is a file like the
// others here. The zero Difference means "as built".
type Difference struct {
	Missing    []string // in the tree, and not on disk
	Changed    []string // ours, with other bytes than the tree's
	Stale      []string // ours, and no longer in the tree
	HandEdited []Entry  // ours by the directory's index, but not with the bytes that it lists; the index's entries
	Foreign    []string // not ours, and where a file or a directory of the tree belongs
}

// Empty tells whether a build would change nothing.
func (d Difference) Empty() bool { return d.len() == 0 }

func (d Difference) len() int {
	return len(d.Missing) + len(d.Changed) + len(d.Stale) + len(d.HandEdited) + len(d.Foreign)
}

// Blocked tells whether a build would refuse to write without force.
func (d Difference) Blocked() bool { return len(d.HandEdited)+len(d.Foreign) > 0 }

// Diagnostics puts the difference in words, one a file. The files are named below dir as the user typed it.
func (d Difference) Diagnostics(dir string) diag.List {
	l := d.Blockers(dir)
	outOfDate := func(paths []string, what string) {
		for _, p := range paths {
			l.Add(diag.Diagnostic{Code: diag.OutOfDate, Span: span(dir, p), Summary: "this file " + what, Hint: "run zave build and commit the result"})
		}
	}
	outOfDate(d.Missing, "is missing")
	outOfDate(d.Changed, "is not what the specs compile to")
	outOfDate(d.Stale, "is no longer in the tree")
	return l
}

// Blockers gives the diagnostics of what only force overwrites.
func (d Difference) Blockers(dir string) diag.List {
	var l diag.List
	for _, e := range d.HandEdited {
		l.Add(diag.Diagnostic{Code: diag.HandEdited, Span: span(dir, e.Path),
			Summary: "this file was edited by hand since zave wrote it",
			Hint:    "change the spec that it comes from, or let zave build --force discard the edit"})
	}
	for _, p := range d.Foreign {
		l.Add(diag.Diagnostic{Code: diag.ForeignFile, Span: span(dir, p), Summary: "this is in the way: zave did not write it",
			Hint: "move it away, or let zave build --force replace it"})
	}
	return l
}

func span(dir, p string) source.Span {
	return source.Span{File: filepath.ToSlash(filepath.Join(dir, filepath.FromSlash(p)))}
}

// Compare reads what a build with these options would have to change in dir, and writes nothing. A directory that
// is absent lacks everything.
func Compare(ctx context.Context, dir string, t *Tree, opts WriteOptions) (Difference, error) {
	root, err := resolve(dir)
	if err != nil {
		return Difference{}, err
	}
	for range 10 {
		p, v, err := look(ctx, root, t, opts)
		v.close()
		if err != nil {
			return Difference{}, fmt.Errorf("compare with %s: %w", dir, err)
		}
		if p != nil {
			return p.diff, nil
		}
	}
	return Difference{}, fmt.Errorf("compare with %s: another zave keeps replacing it", dir)
}

// version is one directory of all those that builds put at one place.
type version struct {
	info fs.FileInfo // nil if there was none
	held *os.File    // keeps the inode's number from being used again
}

func currentVersion(root string) version {
	f, err := os.Open(root)
	if err != nil {
		info, _ := os.Lstat(root)
		return version{info: info}
	}
	info, err := f.Stat()
	if err != nil {
		info = nil
	}
	return version{info, f}
}

func (v version) close() {
	if v.held != nil {
		v.held.Close()
	}
}

// current tells whether that version still is in its place.
func (v version) current(root string) bool {
	now, err := os.Lstat(root)
	if v.info == nil || err != nil {
		return v.info == nil && errors.Is(err, fs.ErrNotExist)
	}
	return os.SameFile(v.info, now)
}

// look makes a plan without a lock, which an unchanged build then never needs. Another zave replaces the directory and
// never a file in it: if the directory is the same one afterwards, the plan holds; if not, there is no plan.
func look(ctx context.Context, root string, t *Tree, opts WriteOptions) (*plan, version, error) {
	v := currentVersion(root)
	p, err := newPlan(ctx, root, t, opts)
	if !v.current(root) {
		return nil, v, ctx.Err()
	}
	return p, v, err
}

// resolve gives the absolute path of the directory that dir means, through symbolic links. It may be absent, but it
// is nothing else than a directory.
func resolve(dir string) (string, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	// Not EvalSymlinks: a link whose directory a killed build has just moved aside must still lead to its place.
	for range 40 { // as many as Linux follows
		info, err := os.Lstat(root)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return root, nil
		case err != nil:
			return "", err
		case info.IsDir():
			if filepath.Dir(root) == root {
				return "", fmt.Errorf("%s is the root of a file system: give a directory inside it", dir)
			}
			return root, nil
		case info.Mode()&fs.ModeSymlink == 0:
			return "", fmt.Errorf("%s is not a directory", dir)
		}
		dest, err := os.Readlink(root)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(dest) {
			// The link's own directory may be reached through another link, in which ".." means something else.
			parent, err := filepath.EvalSymlinks(filepath.Dir(root))
			if err != nil {
				return "", err
			}
			dest = filepath.Join(parent, dest)
		}
		root = dest
	}
	return "", fmt.Errorf("%s: too many symbolic links", dir)
}

// state is what was found at the place of a file.
type state uint8

const (
	missing state = iota // nothing, or what this build removes anyway
	same
	changed
	blocked // hand-edited or foreign
)

// fileKind is what stands at a path.
type fileKind uint8

const (
	nothing fileKind = iota
	regular
	directory
	special // a symbolic link, a pipe, a device
)

// plan is what one tree does to one directory.
type plan struct {
	root   string
	old    Index // of the directory as it is, with the files of its parts among the entries
	only   func(string) bool
	files  []File  // the selected files of the tree and the index, sorted
	states []state // of files, by number
	dirs   []string
	gone   []string // selected files of the old index that leave, whatever became of them
	diff   Difference
}

func (p *plan) at(slash string) string { return filepath.Join(p.root, filepath.FromSlash(slash)) }

// ours tells whether the directory's index lists that path, within the selection.
func (p *plan) ours(slash string) bool {
	_, ok := p.old.Find(slash)
	return ok && p.only(slash)
}

// find gives the number of the selected file with that path.
func (p *plan) find(slash string) (int, bool) {
	return slices.BinarySearchFunc(p.files, slash, func(f File, s string) int { return strings.Compare(f.Path, s) })
}

func newPlan(ctx context.Context, root string, t *Tree, opts WriteOptions) (*plan, error) {
	p := &plan{root: root, only: opts.Only}
	if p.only == nil {
		p.only = func(string) bool { return true }
	} else { // the index is written in any case
		p.only = func(path string) bool { return IsIndex(path) || opts.Only(path) }
	}
	if opts.Only == nil {
		p.files = t.files
	} else {
		for _, f := range t.files {
			if p.only(f.Path) {
				p.files = append(p.files, f)
			}
		}
	}
	index := t.Index(opts.Generator)
	written := index.Split()
	var err error
	if p.old, err = readIndex(root, index, written); err != nil {
		if _, corrupt := errors.AsType[*corruptError](err); !corrupt || !opts.Force {
			return nil, err
		}
	}
	if opts.Only != nil {
		p.relist(t, opts)
		if index, err = (&Tree{p.files}).Index(opts.Generator).restrict(p.old, opts.Only); err != nil {
			return nil, fmt.Errorf("this part of the tree cannot be written alone: %w", err)
		}
		written = index.Split()
	}
	p.files = slices.Concat(written, p.files)
	slices.SortFunc(p.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	p.dirs = parents(len(p.files), func(i int) string { return p.files[i].Path })
	p.states = make([]state, len(p.files))
	for _, e := range p.old.Files {
		if _, stays := p.find(e.Path); !stays && p.only(e.Path) {
			p.gone = append(p.gone, e.Path)
		}
	}
	return p, p.compare(ctx)
}

// corruptError is of an index that cannot be understood.
type corruptError struct{ text string }

func (e *corruptError) Error() string { return e.text }

// readIndex reads the index of a directory: the entries of all parts, and an entry for each part's own file but the
// main one. A part that has the bytes which it has in the index that is expected, split already, is not parsed; nearly
// all of them nearly always do. With a corruptError it gives what could be understood.
func readIndex(root string, expected Index, split []File) (Index, error) {
	at := func(slash string) string { return filepath.Join(root, filepath.FromSlash(slash)) }
	names, err := indexFiles(root)
	if err != nil {
		return Index{}, err
	}
	entries := sync.OnceValue(expected.parts)
	parts, own, corrupt := make([]Index, len(names)), make([]Entry, len(names)), make([]error, len(names))
	err = parallel(len(names), func(i int, buf *[]byte) error {
		data, kind, err := readRegular(at(names[i]), buf)
		if err != nil || kind != regular { // absent; or it stands in the way, which is found later
			return err
		}
		part := ""
		if names[i] != IndexPath {
			part = strings.TrimSuffix(strings.TrimPrefix(names[i], indexDir), ".json")
			own[i] = Entry{Path: names[i], Digest: digest(data), Part: part}
		}
		byPath := func(f File, name string) int { return strings.Compare(f.Path, name) }
		k, ok := slices.BinarySearchFunc(split, names[i], byPath)
		if ok && bytes.Equal(split[k].Data, data) {
			parts[i] = Index{Files: entries()[part]}
			return nil
		}
		parts[i], corrupt[i] = ParsePart(part, data)
		return nil
	})
	if err != nil {
		return Index{}, err
	}
	const hint = "restore it from version control, or take the directory over with --force"
	for i, e := range corrupt {
		if e != nil && err == nil {
			err = &corruptError{fmt.Sprintf("%s: %v; %s", at(names[i]), e, hint)}
		}
	}
	out, e := Join(parts)
	if e != nil && err == nil {
		err = &corruptError{fmt.Sprintf("%s: %v; %s", at(IndexPath), e, hint)}
	}
	out.Files = append(out.Files, slices.DeleteFunc(own, func(e Entry) bool { return e.Path == "" })...)
	slices.SortFunc(out.Files, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return out, err
}

// indexFiles finds the files of an index, without following a symbolic link.
func indexFiles(root string) ([]string, error) {
	out := []string{IndexPath}
	dir := filepath.Join(root, filepath.FromSlash(indexDir))
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return out, nil
	}
	dirs, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(dir, d.Name()))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if f.Type().IsRegular() && strings.HasSuffix(f.Name(), ".json") {
				out = append(out, indexDir+d.Name()+"/"+f.Name())
			}
		}
	}
	return out, nil
}

// relist makes the selected files that list their directory say what will stand there, which is less or more than in
// the whole tree. One that would list nothing is left out.
func (p *plan) relist(t *Tree, opts WriteOptions) {
	if opts.Lists == nil {
		return
	}
	units := map[string]string{} // lists, in the tree or on disk → unit
	for _, e := range p.old.Files {
		if opts.Lists(e.Path) && p.only(e.Path) {
			units[e.Path] = e.Unit
		}
	}
	for _, f := range t.files {
		if opts.Lists(f.Path) && p.only(f.Path) {
			units[f.Path] = f.Unit
		}
	}
	lists := map[string]string{} // directory → its list
	for list := range units {
		lists[path.Dir(list)] = list
	}
	entries := map[string][]string{} // list → what stands beside it
	stands := func(file string) {
		for name := file; name != "."; name = path.Dir(name) {
			dir := path.Dir(name)
			if list, ok := lists[dir]; ok && list != name {
				entries[list] = append(entries[list], path.Base(name))
			}
		}
	}
	for _, f := range p.files {
		stands(f.Path)
	}
	for _, e := range p.old.Files {
		if !p.only(e.Path) {
			stands(e.Path)
		}
	}
	p.files = slices.DeleteFunc(p.files, func(f File) bool { _, isList := units[f.Path]; return isList })
	for list, names := range entries {
		slices.Sort(names)
		p.files = append(p.files, File{Path: list, Data: opts.List(slices.Compact(names)), Unit: units[list]})
	}
	slices.SortFunc(p.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
}

// compare fills states and diff.
func (p *plan) compare(ctx context.Context) error {
	absent, err := p.compareDirs()
	if err != nil {
		return err
	}
	edited := make([]bool, len(p.files))
	err = parallel(len(p.files), func(i int, buf *[]byte) error {
		f := p.files[i]
		if dir := path.Dir(f.Path); absent[dir] || ctx.Err() != nil {
			return ctx.Err()
		}
		found, kind, err := readRegular(p.at(f.Path), buf)
		if err != nil {
			return err
		}
		old, listed := p.old.Find(f.Path)
		switch {
		case kind == nothing:
		case kind == regular && bytes.Equal(found, f.Data):
			p.states[i] = same
		case kind == regular && (f.Path == IndexPath || listed && digest(found) == old.Digest):
			p.states[i] = changed
		case kind == directory && !listed && p.emptied(f.Path):
		default:
			p.states[i], edited[i] = blocked, listed
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, f := range p.files {
		switch p.states[i] {
		case missing:
			p.diff.Missing = append(p.diff.Missing, f.Path)
		case changed:
			p.diff.Changed = append(p.diff.Changed, f.Path)
		case blocked:
			if edited[i] {
				e, _ := p.old.Find(f.Path)
				p.diff.HandEdited = append(p.diff.HandEdited, e)
			} else {
				p.diff.Foreign = append(p.diff.Foreign, f.Path)
			}
		case same:
		}
	}
	if err := p.compareGone(ctx, absent); err != nil {
		return err
	}
	slices.SortFunc(p.diff.HandEdited, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(p.diff.Foreign)
	return nil
}

// compareDirs looks at every directory above a file of the tree or of the old index, so that no file is ever read
// through a symbolic link, and gives those below which nothing of ours can stand.
func (p *plan) compareDirs() (absent map[string]bool, err error) {
	absent = map[string]bool{}
	if _, err := os.Lstat(p.root); errors.Is(err, fs.ErrNotExist) {
		absent["."] = true
	}
	dirs := slices.Concat(p.dirs, parents(len(p.gone), func(i int) string { return p.gone[i] }))
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if absent[path.Dir(dir)] {
			absent[dir] = true
			continue
		}
		info, err := os.Lstat(p.at(dir))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			absent[dir] = true
		case err != nil:
			return nil, err
		case !info.IsDir():
			absent[dir] = true
			if _, needed := slices.BinarySearch(p.dirs, dir); needed && !p.ours(dir) {
				p.diff.Foreign = append(p.diff.Foreign, dir)
			}
		}
	}
	return absent, nil
}

// compareGone looks at the files that are to be removed.
func (p *plan) compareGone(ctx context.Context, absent map[string]bool) error {
	kinds := make([]state, len(p.gone))
	err := parallel(len(p.gone), func(i int, buf *[]byte) error {
		if absent[path.Dir(p.gone[i])] || ctx.Err() != nil {
			return ctx.Err()
		}
		found, kind, err := readRegular(p.at(p.gone[i]), buf)
		if err != nil {
			return err
		}
		old, _ := p.old.Find(p.gone[i])
		switch {
		case kind == nothing || kind == directory: // removed by hand; what stands there now is not ours
		case kind == regular && digest(found) == old.Digest:
			kinds[i] = changed
		default:
			kinds[i] = blocked
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, name := range p.gone {
		switch kinds[i] {
		case changed:
			p.diff.Stale = append(p.diff.Stale, name)
		case blocked:
			e, _ := p.old.Find(name)
			p.diff.HandEdited = append(p.diff.HandEdited, e)
		case missing, same:
		}
	}
	return nil
}

// emptied tells whether the directory holds nothing but files of the old index, all of which leave because the tree
// has a file in the directory's place.
func (p *plan) emptied(dir string) bool {
	oldDirs := parents(len(p.gone), func(i int) string { return p.gone[i] })
	err := filepath.WalkDir(p.at(dir), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(p.root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if _, known := slices.BinarySearch(oldDirs, rel); d.IsDir() && known || !d.IsDir() && p.ours(rel) {
			return nil
		}
		return fs.ErrExist
	})
	return err == nil
}
