package tree

import (
	"crypto/sha1"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Stored is a file that stands where trees are kept otherwise than on disk: in git's index.
type Stored struct {
	Path    string   // relative to the tree's directory, slash-separated
	Hash    [20]byte // as Blob gives it
	Regular bool     // and no symbolic link or submodule
}

// Blob is the hash that git gives to a file's bytes in a repository of SHA-1 (Pro Git, "Git Internals: Git Objects").
func Blob(data []byte) [sha1.Size]byte {
	h := sha1.New()
	h.Write(append(strconv.AppendInt([]byte("blob "), int64(len(data)), 10), 0))
	h.Write(data)
	return [sha1.Size]byte(h.Sum(nil))
}

// CompareStored reads what a build would have to change among stored files, sorted by path, and gives the files that it
// would write. Only those that are not as the tree has them are read, and of the index the parts that are stored.
func CompareStored(t *Tree, generator string, stored []Stored, read func(Stored) ([]byte, error)) (
	d Difference, write []File, err error,
) {
	files := slices.Concat(t.Index(generator).Split(), t.files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	old := storedIndex{stored: stored, read: read}
	k := 0
	for _, s := range stored { // what nothing causes any more
		for k < len(files) && files[k].Path < s.Path {
			k++
		}
		if k < len(files) && files[k].Path == s.Path {
			continue
		}
		switch verdict, e, err := old.look(s); {
		case err != nil:
			return d, nil, err
		case verdict == changed:
			d.Stale = append(d.Stale, s.Path)
		case verdict == blocked:
			d.HandEdited = append(d.HandEdited, e)
		}
	}
	leaving := len(d.HandEdited)
	stays := func(i int) bool { // and is not ours, whatever became of it
		_, stale := slices.BinarySearch(d.Stale, stored[i].Path)
		return !stale && !slices.ContainsFunc(d.HandEdited[:leaving], func(e Entry) bool { return e.Path == stored[i].Path })
	}
	for _, f := range files {
		i, found := findStored(stored, f.Path)
		if !found {
			// A file that stays where a directory has to be, or in a directory where a file has to be, is in the way.
			for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
				if j, ok := findStored(stored, dir); ok && stays(j) {
					d.Foreign = append(d.Foreign, dir)
				}
			}
			for ; i < len(stored) && strings.HasPrefix(stored[i].Path, f.Path); i++ {
				if found = strings.HasPrefix(stored[i].Path, f.Path+"/") && stays(i); found {
					d.Foreign = append(d.Foreign, f.Path)
					break
				}
			}
			if !found {
				d.Missing, write = append(d.Missing, f.Path), append(write, f)
			}
			continue
		}
		if stored[i].Regular && stored[i].Hash == Blob(f.Data) {
			continue
		}
		switch verdict, e, err := old.look(stored[i]); {
		case err != nil:
			return d, nil, err
		case verdict == changed:
			d.Changed, write = append(d.Changed, f.Path), append(write, f)
		case verdict == blocked:
			d.HandEdited = append(d.HandEdited, e)
		default:
			d.Foreign = append(d.Foreign, f.Path)
		}
	}
	slices.SortFunc(d.HandEdited, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(d.Foreign)
	d.Foreign = slices.Compact(d.Foreign)
	return d, write, nil
}

// StoredIndex reads the index that stands among stored files, sorted by path: an empty one where there is none.
func StoredIndex(stored []Stored, read func(Stored) ([]byte, error)) (Index, error) {
	x := storedIndex{stored: stored, read: read}
	err := x.load()
	return x.index, err
}

func findStored(stored []Stored, p string) (int, bool) {
	return slices.BinarySearchFunc(stored, p, func(s Stored, p string) int { return strings.Compare(s.Path, p) })
}

// storedIndex is the index of stored files, read when it is needed.
type storedIndex struct {
	stored []Stored
	read   func(Stored) ([]byte, error)
	loaded bool
	index  Index
}

// look tells of a stored file whether it is ours as zave wrote it (changed), ours and edited by hand (blocked, with
// what the index lists), or not ours (missing).
func (x *storedIndex) look(s Stored) (state, Entry, error) {
	if err := x.load(); err != nil {
		return missing, Entry{}, err
	}
	if isIndexFile(s) { // load has read it
		return changed, Entry{}, nil
	}
	e, listed := x.index.Find(s.Path)
	if !listed {
		return missing, Entry{}, nil
	}
	if !s.Regular {
		return blocked, e, nil
	}
	data, err := x.read(s)
	if err != nil {
		return missing, Entry{}, err
	}
	if digest(data) != e.Digest {
		return blocked, e, nil
	}
	return changed, e, nil
}

// isIndexFile tells whether the index, or a part of it, stands there.
func isIndexFile(s Stored) bool {
	isPart := IsIndex(s.Path) && strings.Count(s.Path, "/") == 2 && strings.HasSuffix(s.Path, ".json")
	return s.Regular && (s.Path == IndexPath || isPart)
}

func (x *storedIndex) load() error {
	if x.loaded {
		return nil
	}
	x.loaded = true
	const hint = "restore it from version control, or take the tree over with zave build --force"
	var parts []Index
	i, _ := findStored(x.stored, indexDir)
	for ; i < len(x.stored) && IsIndex(x.stored[i].Path); i++ {
		s := x.stored[i]
		if !isIndexFile(s) {
			continue
		}
		data, err := x.read(s)
		if err != nil {
			return err
		}
		part := ""
		if s.Path != IndexPath {
			part = strings.TrimSuffix(strings.TrimPrefix(s.Path, indexDir), ".json")
		}
		p, err := ParsePart(part, data)
		if err != nil {
			return fmt.Errorf("%s: %w; %s", s.Path, err, hint)
		}
		parts = append(parts, p)
	}
	var err error
	if x.index, err = Join(parts); err != nil {
		return fmt.Errorf("%s: %w; %s", IndexPath, err, hint)
	}
	return nil
}
