package tree

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// IndexVersion is the form of the index that this package writes, and the newest that it reads. In version 1 it was one
// file.
const IndexVersion = 2

// Entry says that one file is ours.
type Entry struct {
	Path   string `json:"path"`
	Digest string `json:"digest"` // "sha256:" and 64 hexadecimal digits, of the file's bytes
	Unit   string `json:"unit"`   // the unit it belongs to; empty for scaffolding
	Part   string `json:"-"`      // of the index that lists it
}

// Index lists the files of a tree, sorted by path, without itself: all of them, or those of a part.
type Index struct {
	Version   int     `json:"version"`
	Generator string  `json:"generator"` // the program that wrote it, "zave 1.2.0"
	Files     []Entry `json:"files"`
}

const digestPrefix = "sha256:"

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	var text [len(digestPrefix) + 2*sha256.Size]byte
	copy(text[:], digestPrefix)
	hex.Encode(text[len(digestPrefix):], sum[:])
	return string(text[:])
}

// Index lists the tree's files, of all parts, as the work of that generator.
func (t *Tree) Index(generator string) Index {
	x := Index{Version: IndexVersion, Generator: generator, Files: make([]Entry, len(t.files))}
	_ = parallel(len(t.files), func(i int, _ *[]byte) error {
		f := t.files[i]
		x.Files[i] = Entry{Path: f.Path, Digest: digest(f.Data), Unit: f.Unit, Part: f.Part}
		return nil
	})
	return x
}

// Find gives the entry of that path.
func (x Index) Find(path string) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(x.Files, path, func(e Entry, p string) int { return strings.Compare(e.Path, p) })
	if !ok {
		return Entry{}, false
	}
	return x.Files[i], true
}

// Lists tells whether a file's bytes are those that the index lists.
func (e Entry) Lists(data []byte) bool { return digest(data) == e.Digest }

// Split gives the files that an index is written to, sorted by path: the main one, and one for each part.
func (x Index) Split() []File {
	parts := x.parts()
	names := slices.Collect(maps.Keys(parts))
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(PartPath(a), PartPath(b)) })
	out := make([]File, len(names))
	_ = parallel(len(names), func(i int, _ *[]byte) error {
		out[i] = File{Path: PartPath(names[i]), Data: Index{x.Version, x.Generator, parts[names[i]]}.Encode(), Part: names[i]}
		return nil
	})
	return out
}

// parts gives the entries of each part, the main one among them.
func (x Index) parts() map[string][]Entry {
	count := map[string]int{"": 0}
	for _, e := range x.Files {
		count[e.Part]++
	}
	out := make(map[string][]Entry, len(count))
	all := make([]Entry, len(x.Files))
	for part, n := range count {
		out[part], all = all[:0:n], all[n:]
	}
	for _, e := range x.Files {
		out[e.Part] = append(out[e.Part], e)
	}
	return out
}

// Encode gives the index as JSON with one file a line, so that a review and a merge of it go file by file. Equal
// indexes have equal bytes.
func (x Index) Encode() []byte {
	size := 128
	for _, e := range x.Files {
		size += len(e.Path) + len(e.Digest) + len(e.Unit) + 48
	}
	b := make([]byte, 0, size)
	b = fmt.Appendf(b, "{\n  \"version\": %d,\n  \"generator\": ", x.Version)
	b = appendString(b, x.Generator)
	b = append(b, ",\n  \"files\": ["...)
	for i, e := range x.Files {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "\n    {\"path\": "...)
		b = appendString(b, e.Path)
		b = append(b, ", \"digest\": "...)
		b = appendString(b, e.Digest)
		b = append(b, ", \"unit\": "...)
		b = appendString(b, e.Unit)
		b = append(b, '}')
	}
	if len(x.Files) > 0 {
		b = append(b, "\n  "...)
	}
	return append(b, "]\n}\n"...)
}

// appendString appends s as a JSON string. Nearly all are plain ASCII, which needs no escapes.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string always has a JSON form
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// ParseIndex reads what Encode writes, in any layout that JSON allows. It refuses an unknown field, anything after
// the value, another version, a path that leaves the tree, paths out of order, and a digest that is none: pruning
// follows the index, so one that is half understood would remove the wrong files.
func ParseIndex(data []byte) (Index, error) {
	x, ok := parseOwn(data)
	if !ok {
		var err error
		if x, err = parseJSON(data); err != nil {
			return Index{}, err
		}
	}
	for i, e := range x.Files {
		if i > 0 && x.Files[i-1].Path > e.Path {
			return Index{}, fmt.Errorf("the index is corrupt: %s is out of order", e.Path)
		}
		if !validDigest(e.Digest) {
			return Index{}, fmt.Errorf("the index is corrupt: %q of %s is not a digest", e.Digest, e.Path)
		}
	}
	if err := checkPaths(len(x.Files), func(i int) string { return x.Files[i].Path }); err != nil {
		return Index{}, fmt.Errorf("the index is corrupt: %w", err)
	}
	return x, nil
}

// parseOwn reads what has, byte for byte, the form that Encode gives it, which is quick; all else is for parseJSON.
func parseOwn(data []byte) (Index, bool) {
	x := Index{Version: IndexVersion, Files: []Entry{}}
	for line := range strings.Lines(string(data)) { // one copy, which all entries share
		if rest, ok := strings.CutPrefix(line, `    {"path": "`); ok {
			var e Entry
			e.Path, rest, _ = strings.Cut(rest, `", "digest": "`)
			e.Digest, rest, _ = strings.Cut(rest, `", "unit": "`)
			e.Unit, _, ok = strings.Cut(rest, `"}`)
			if !ok {
				return Index{}, false
			}
			x.Files = append(x.Files, e)
		} else if rest, ok := strings.CutPrefix(line, `  "generator": "`); ok {
			x.Generator, _, _ = strings.Cut(rest, `",`)
		}
	}
	return x, bytes.Equal(x.Encode(), data)
}

// parseJSON reads an index in any layout.
func parseJSON(data []byte) (Index, error) {
	// The version first: a newer index may have fields that this program does not know, and "unknown field" would
	// hide the reason.
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err == nil && head.Version > IndexVersion {
		return Index{}, fmt.Errorf("the index has version %d, and this zave knows %d: use the newer zave that wrote it",
			head.Version, IndexVersion)
	}
	var x Index
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return Index{}, fmt.Errorf("the index is corrupt: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Index{}, errors.New("the index is corrupt: there is more after its end")
	}
	if x.Version < 1 || x.Version > IndexVersion {
		return Index{}, fmt.Errorf("the index is corrupt: it has no version, or version %d", x.Version)
	}
	return x, nil
}

func validDigest(s string) bool {
	if len(s) != len(digestPrefix)+2*sha256.Size || !strings.HasPrefix(s, digestPrefix) {
		return false
	}
	for _, c := range []byte(s[len(digestPrefix):]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// ParsePart reads the index of one part; the empty part is the main one. The entries know their part.
func ParsePart(part string, data []byte) (Index, error) {
	x, err := ParseIndex(data)
	if err != nil {
		return Index{}, err
	}
	if part != "" && x.Version == 1 {
		return Index{}, errors.New("the index is corrupt: in version 1 it had no parts")
	}
	for i := range x.Files {
		x.Files[i].Part = part
	}
	return x, nil
}

// Join gives the index of all parts. None may list what another one does: pruning could not tell whose it is.
func Join(parts []Index) (Index, error) {
	out := Index{Version: IndexVersion}
	for _, x := range parts {
		out.Files = append(out.Files, x.Files...)
	}
	slices.SortFunc(out.Files, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	if err := checkPaths(len(out.Files), func(i int) string { return out.Files[i].Path }); err != nil {
		return Index{}, fmt.Errorf("the index is corrupt: %w", err)
	}
	return out, nil
}

// ReadIndex reads the index, all parts of it, of a tree in a file system, such as a commit's. The error is
// fs.ErrNotExist where there is none.
func ReadIndex(fsys fs.FS) (Index, error) {
	var parts []Index
	read := func(part string) error {
		data, err := fs.ReadFile(fsys, PartPath(part))
		if err != nil {
			return err
		}
		x, err := ParsePart(part, data)
		if err != nil {
			return fmt.Errorf("%s: %w", PartPath(part), err)
		}
		parts = append(parts, x)
		return nil
	}
	if err := read(""); err != nil {
		return Index{}, err
	}
	dirs, err := fs.ReadDir(fsys, path.Dir(IndexPath))
	if err != nil {
		return Index{}, err
	}
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		files, err := fs.ReadDir(fsys, indexDir+d.Name())
		if err != nil {
			return Index{}, err
		}
		for _, f := range files {
			if name, ok := strings.CutSuffix(f.Name(), ".json"); ok && f.Type().IsRegular() {
				if err := read(d.Name() + "/" + name); err != nil {
					return Index{}, err
				}
			}
		}
	}
	out, err := Join(parts)
	if err != nil {
		return Index{}, fmt.Errorf("%s: %w", IndexPath, err)
	}
	out.Generator = parts[0].Generator
	return out, nil
}

// restrict gives the index that is true after only the selected files of x were written over a directory with the
// index old: the selected part of x and the rest of old. A nil selection is everything.
func (x Index) restrict(old Index, only func(path string) bool) (Index, error) {
	if only == nil {
		return x, nil
	}
	out := Index{Version: x.Version, Generator: x.Generator}
	for _, e := range x.Files {
		if only(e.Path) {
			out.Files = append(out.Files, e)
		}
	}
	for _, e := range old.Files {
		if !IsIndex(e.Path) && !only(e.Path) {
			out.Files = append(out.Files, e)
		}
	}
	slices.SortFunc(out.Files, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	err := checkPaths(len(out.Files), func(i int) string { return out.Files[i].Path })
	return out, err
}
