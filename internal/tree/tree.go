// Package tree is the sorted set of files that a compile puts out, with the index that says they are ours, and the
// only code that writes them to a directory.
//
// The index is in parts, a file each, so that two changes of different parts of an estate change no file both, and what
// a change costs follows from what it changes.
//
// Invariants: paths are relative, clean, slash-separated and unique, and none is both a file and a directory; a
// tree's bytes are a function of its files; a directory is replaced whole or not at all; no file is overwritten or
// removed that the directory's own index does not list with the digest the file still has, unless the user forces it.
package tree

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// IndexPath is where the index of every tree begins: with the files that are of no part.
const IndexPath = indexDir + "index.json"

// indexDir holds nothing but the index, of ours.
const indexDir = ".zave/"

// PartPath is where the index of a part stands.
func PartPath(part string) string {
	if part == "" {
		return IndexPath
	}
	return indexDir + part + ".json"
}

// IsIndex tells whether the index, or a part of it, may stand at that path of a tree.
func IsIndex(p string) bool { return strings.HasPrefix(p, indexDir) }

// File is one file of a tree.
type File struct {
	Path string // relative, slash-separated
	Data []byte
	Unit string // the unit it belongs to, "tenancy-panchito"; empty for scaffolding such as a parent's kustomization
	Part string // of the index that lists it, "sandbox/panchito"; empty for what belongs to no part
}

// Tree is a sorted, immutable set of files. The index is not among them: it is derived.
type Tree struct{ files []File }

// New sorts the files. A path that is not clean, that leaves the tree, that stands twice, that is both a file and a
// directory, or that is the index's own is a bug of the layout and an error here.
func New(files []File) (*Tree, error) {
	t := &Tree{files: slices.Clone(files)}
	slices.SortFunc(t.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	if err := checkPaths(len(t.files), func(i int) string { return t.files[i].Path }); err != nil {
		return nil, err
	}
	last := ""
	for _, f := range t.files {
		if f.Part != last && !validPart(f.Part) {
			return nil, fmt.Errorf("%q is not a part of the index", f.Part)
		}
		last = f.Part
	}
	return t, nil
}

// Files gives the files, sorted by path. The slice is the tree's own: read it only.
func (t *Tree) Files() []File { return t.files }

// checkPaths holds n sorted paths to the package's invariants.
func checkPaths(n int, at func(int) string) error {
	for i := range n {
		p := at(i)
		if !validPath(p) {
			return fmt.Errorf("%q is not a path within a tree", p)
		}
		if IsIndex(p) || p == path.Dir(IndexPath) {
			return fmt.Errorf("%s is the place of the index", p)
		}
		if i > 0 && at(i-1) == p {
			return fmt.Errorf("%s stands twice in the tree", p)
		}
	}
	// Between a file "a" and the files below a directory "a" others may sort ("a-b"), so neighbours do not tell.
	for _, dir := range parents(n, at) {
		lo, hi := 0, n
		for lo < hi {
			if m := (lo + hi) / 2; at(m) < dir {
				lo = m + 1
			} else {
				hi = m
			}
		}
		if lo < n && at(lo) == dir {
			return fmt.Errorf("%s is both a file and a directory in the tree", dir)
		}
	}
	return nil
}

// validPart tells whether a part of the index can be called that. It has at least two names, so that none is in the place
// of the main one, or of a directory of others.
func validPart(part string) bool {
	return part == "" || validPath(part) && strings.Count(part, "/") == 1
}

// validPath tells whether the path stays within a tree on every system. The backslash is a separator on Windows.
func validPath(p string) bool {
	return p != "" && p != "." && p != ".." && path.Clean(p) == p && p[0] != '/' && !strings.HasPrefix(p, "../") &&
		!strings.ContainsAny(p, "\\\x00")
}

// parents gives every directory above n sorted paths, each once, a parent before its children. The root is not
// among them.
func parents(n int, at func(int) string) []string {
	var dirs []string
	last := ""
	for i := range n {
		dir := path.Dir(at(i))
		if dir == last || dir == "." {
			continue
		}
		last = dir
		for j := 0; j <= len(dir); j++ {
			if j == len(dir) || dir[j] == '/' {
				dirs = append(dirs, dir[:j])
			}
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
