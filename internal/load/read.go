package load

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/source"
)

// maxFile is how large a CUE file may be, in bytes. The largest spec that a person has written is a hundredth of it.
const maxFile = 1 << 20

// file is one CUE file of the repository, or of the built-in schema.
type file struct {
	path string
	data []byte // nil: not read yet
	sum  [sha256.Size]byte
	lazy *lazyText
}

// lazyText is that of a file whose digest was known without reading it.
type lazyText struct {
	once sync.Once
	fs   fs.FS
	data []byte
	err  error
}

// text gives what is in the file.
func (f *file) text() ([]byte, error) {
	if f.lazy == nil {
		return f.data, nil
	}
	l := f.lazy
	l.once.Do(func() {
		l.data, l.err = fs.ReadFile(l.fs, f.path)
		if l.err == nil && sha256.Sum256(l.data) != f.sum {
			l.err = fmt.Errorf("%s is not what was compiled before under the same hash", f.path)
		}
	})
	return l.data, l.err
}

// dir is one directory that holds a package.
type dir struct {
	path  string
	files []file // sorted; those that could be read
	found int    // CUE files of any condition
	shut  bool   // it is there, and what it holds cannot be known: a problem says why
}

// snapshot is everything that a compile reads, read once.
type snapshot struct {
	module   []byte // cue.mod/module.cue; nil: there is none
	schema   *dir   // nil: there is none
	platform *dir   // nil: there is none
	below    []*dir // the directories below platform/ that hold CUE files
	tenants  []*dir // sorted
	problems diag.List
	digest   [sha256.Size]byte
}

// reader reads a snapshot.
type reader struct {
	fs     fs.FS
	hasher Hasher // nil: the file system is none, or there is no cache
	cache  *Cache
	out    *snapshot
	hash   []hashed
}

// hashed is one input in the digest.
type hashed struct {
	path string
	sum  [sha256.Size]byte
}

// readAll reads cue.mod/module.cue, schema/, platform/ with all below it, and one directory for each tenant. Mistakes
// become problems of the snapshot; the error is for a repository that cannot be listed.
func readAll(fsys fs.FS, cache *Cache) (*snapshot, error) {
	r := &reader{fs: fsys, cache: cache, out: &snapshot{}}
	if cache != nil {
		r.hasher, _ = fsys.(Hasher)
	}
	if err := r.read(); err != nil {
		return nil, err
	}
	slices.SortFunc(r.hash, func(a, b hashed) int { return strings.Compare(a.path, b.path) })
	h := sha256.New()
	for _, in := range r.hash {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(in.path)))
		h.Write(size[:])
		io.WriteString(h, in.path)
		h.Write(in.sum[:])
	}
	h.Sum(r.out.digest[:0])
	return r.out, nil
}

func (r *reader) read() error {
	const modFile = "cue.mod/module.cue"
	if e, err := fs.Stat(r.fs, modFile); err == nil {
		f, _ := r.file(modFile, e.Mode())
		r.out.module = f.data
	} else if !errors.Is(err, fs.ErrNotExist) {
		r.unreadable(modFile, err)
	}
	schema, err := r.dir("schema", nil)
	if err != nil {
		return err
	}
	if schema != nil && schema.found > 0 {
		r.out.schema = schema
	}
	if r.out.platform, err = r.dir("platform", r.below); err != nil {
		return err
	}
	entries, _, err := r.list("tenants")
	if err != nil && err != errShut {
		return err
	}
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		p := path.Join("tenants", e.Name())
		mode, ok := r.mode(p, e)
		switch {
		case !ok:
			if utf8.ValidString(e.Name()) {
				r.out.tenants = append(r.out.tenants, &dir{path: p, shut: true})
			}
		case !mode.IsDir():
			if isCUE(e.Name()) {
				r.problem(diag.NoDefinition, p, "a tenant is a directory of tenants/, and this is a file",
					fmt.Sprintf("move it to tenants/%s/tenant.cue", strings.TrimSuffix(e.Name(), ".cue")))
				r.note(p, "file")
			}
		default:
			d, err := r.dir(p, nil)
			if err != nil {
				return err
			}
			if d != nil {
				r.out.tenants = append(r.out.tenants, d)
			}
		}
	}
	return nil
}

// errShut is of a directory that is there and that a problem was reported of.
var errShut = errors.New("the directory cannot be listed")

// list gives the entries of a directory, sorted: the order of a file system is not ours. There may be no such directory.
func (r *reader) list(p string) (entries []fs.DirEntry, exists bool, err error) {
	entries, err = fs.ReadDir(r.fs, p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case errors.Is(err, fs.ErrPermission) && p != "tenants", err != nil && escapes(err):
		r.unreadable(p, err)
		return nil, true, errShut
	case err != nil:
		return nil, false, fmt.Errorf("reading %s: %w", p, err)
	}
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return entries, true, nil
}

// mode follows a symbolic link, which must not leave the repository. A name that is not UTF-8 no package fs opens.
func (r *reader) mode(p string, e fs.DirEntry) (fs.FileMode, bool) {
	if !utf8.ValidString(e.Name()) {
		r.note(p, "name")
		p = path.Dir(p) + "/" + strings.Trim(strconv.QuoteToASCII(e.Name()), `"`)
		r.problem(diag.FileUnreadable, p, "the name is not UTF-8", "rename it")
		return 0, false
	}
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type(), true
	}
	info, err := fs.Stat(r.fs, p)
	if err != nil {
		target, _ := fs.ReadLink(r.fs, p)
		r.note(p, "link", target)
		if isCUE(p) || path.Dir(p) == "tenants" {
			r.unreadable(p, err)
		}
		return 0, false
	}
	return info.Mode().Type(), true
}

// dir reads the CUE files of one directory, and hands every other entry to rest. It is nil where there is none.
func (r *reader) dir(p string, rest func(p string, mode fs.FileMode) error) (*dir, error) {
	entries, exists, err := r.list(p)
	if err == errShut {
		return &dir{path: p, shut: true}, nil
	}
	if err != nil || !exists {
		return nil, err
	}
	d := &dir{path: p}
	r.note(p, "directory")
	for _, e := range entries {
		at := path.Join(p, e.Name())
		mode, ok := r.mode(at, e)
		if isCUE(e.Name()) {
			d.found++
			if !ok {
				continue
			}
			if f, ok := r.file(at, mode); ok {
				d.files = append(d.files, f)
			}
			continue
		}
		if ok && rest != nil {
			if err := rest(at, mode); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// below reads what lies under platform/: packages that the platform imports, and whatever else it is built from.
func (r *reader) below(p string, mode fs.FileMode) error {
	switch {
	case mode.IsDir():
		d, err := r.dir(p, r.below)
		if d != nil && d.found > 0 {
			r.out.below = append(r.out.below, d)
		}
		return err
	case mode.IsRegular():
		f, err := r.fs.Open(p)
		if err != nil {
			r.unreadable(p, err)
			return nil
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			r.unreadable(p, err)
		}
		r.hash = append(r.hash, hashed{p, [sha256.Size]byte(h.Sum(nil))})
	}
	return nil
}

// hidden tells whether CUE passes over a file or directory of that name.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") }

// isCUE tells whether a file belongs to a package: as in CUE itself, hidden files, tools and tests do not.
func isCUE(name string) bool {
	return strings.HasSuffix(name, ".cue") && !hidden(path.Base(name)) && !strings.HasSuffix(name, "_tool.cue") && !strings.HasSuffix(name, "_test.cue")
}

// file reads one CUE file. One of a tenant whose digest is known is left for when it is needed.
func (r *reader) file(p string, mode fs.FileMode) (file, bool) {
	if !mode.IsRegular() {
		what := "not a regular file"
		if mode.IsDir() {
			what = "a directory"
		}
		r.problem(diag.FileUnreadable, p, "this is "+what+", and bears the name of a CUE file", "rename or remove it")
		r.note(p, what)
		return file{}, false
	}
	stored := ""
	if r.hasher != nil && strings.HasPrefix(p, "tenants/") {
		stored, _ = r.hasher.Hash(p)
		if sum, ok := r.cache.digestOf(stored); ok {
			r.hash = append(r.hash, hashed{p, sum})
			return file{path: p, sum: sum, lazy: &lazyText{fs: r.fs}}, true
		}
	}
	f, err := r.fs.Open(p)
	if err != nil {
		r.unreadable(p, err)
		return file{}, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		r.unreadable(p, err)
		return file{}, false
	}
	size := min(max(info.Size(), 0), maxFile)
	data := make([]byte, size+1) // one more: to see whether it ends there
	n, err := io.ReadFull(f, data)
	switch {
	case err == nil && size < maxFile: // it grew since, or its size is not known in advance
		more, err := io.ReadAll(io.LimitReader(f, maxFile-int64(n)+1))
		if err != nil {
			r.unreadable(p, err)
			return file{}, false
		}
		data = append(data, more...)
	case err == nil, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		data = data[:n:n]
	default:
		r.unreadable(p, err)
		return file{}, false
	}
	sum := sha256.Sum256(data)
	r.hash = append(r.hash, hashed{p, sum})
	switch {
	case len(data) > maxFile:
		r.problem(diag.FileSize, p, fmt.Sprintf("the file is larger than %d bytes", maxFile), "a spec is a few kilobytes: is this the right file?")
	case len(data) == 0:
		r.problem(diag.FileSize, p, "the file is empty", "fill it in or remove it")
	case !utf8.Valid(data):
		r.out.problems.Add(diag.Diagnostic{
			Code: diag.FileUnreadable, Span: firstInvalid(p, data), Summary: "the file is not UTF-8", Hint: "save it as UTF-8", Tenant: tenantOf(p),
		})
	default:
		r.cache.learn(stored, sum)
		return file{path: p, data: data, sum: sum}, true
	}
	return file{}, false
}

// firstInvalid is the place of the first byte that is not UTF-8.
func firstInvalid(p string, data []byte) source.Span {
	line, col := int32(1), int32(1)
	for len(data) > 0 {
		c, n := utf8.DecodeRune(data)
		if c == utf8.RuneError && n == 1 {
			break
		}
		col += int32(n)
		if c == '\n' {
			line, col = line+1, 1
		}
		data = data[n:]
	}
	return source.Span{File: p, Line: line, Col: col}
}

// unreadable reports a file that is there and cannot be read.
func (r *reader) unreadable(p string, err error) {
	r.note(p, "unreadable")
	cause := err
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		cause = pe.Err
	}
	if escapes(err) {
		r.problem(diag.FileEscapes, p, "the symbolic link leads out of the repository", "put the file itself here")
		return
	}
	r.problem(diag.FileUnreadable, p, "it cannot be read: "+cause.Error(), "")
}

// escapes tells the error of a symbolic link that leads out of the root. os.Root has no error value for it;
// TestFilesOnDisk notices if the words change.
func escapes(err error) bool { return strings.Contains(err.Error(), "path escapes") }

// note lets something that has no content of its own count in the digest.
func (r *reader) note(p string, what ...string) {
	r.hash = append(r.hash, hashed{p, sha256.Sum256([]byte(strings.Join(what, "\x00")))})
}

func (r *reader) problem(code diag.Code, p, summary, hint string) {
	r.out.problems.Add(diag.Diagnostic{Code: code, Span: source.Span{File: p}, Summary: summary, Hint: hint, Tenant: tenantOf(p)})
}

// tenantOf is the tenant whose directory holds the file; empty outside of tenants/.
func tenantOf(p string) string {
	rest, ok := strings.CutPrefix(p, "tenants/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return strings.TrimSuffix(name, ".cue")
}
