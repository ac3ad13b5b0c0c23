// Package reuse remembers the last build of a repository, so that an unchanged one costs no compile, and keeps for
// others what they made before.
//
// Invariants: a record is an optimisation and never the truth: what is missing, damaged, of somebody else or in doubt
// means "not fresh", nothing here is an error, and a build with no records at all gives the same tree. Records lie in
// the user's cache directory, never in the repository or its tree.
package reuse

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// magic opens every record; its number is that of the format.
	magic = "zave reuse 1\n"

	// tick is the coarsest clock by which a local file system stamps its files: the kernel's timer, at 100 Hz where it
	// is slowest.
	tick = 10 * time.Millisecond

	// coarseTick stands for file systems that only know seconds, or every second one (FAT).
	coarseTick = 2 * time.Second

	// keep is how long a record that nobody renews is kept.
	keep = 30 * 24 * time.Hour
)

// Memory is the place of one record: of one repository built into one directory with one set of options.
type Memory struct {
	file string // empty where there is no cache directory
	out  string
}

// For gives the place of the record. The cache directory is os.UserCacheDir()/zave if dir is empty. The options are
// whatever else changes which files are written, in a fixed order.
func For(dir, root, out string, options ...string) Memory {
	dir, root, ok := places(dir, root)
	out, err := filepath.Abs(out)
	if !ok || err != nil {
		return Memory{}
	}
	h := sha256.New()
	for _, s := range append([]string{root, out}, options...) {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	return Memory{file: filepath.Join(dir, hex.EncodeToString(h.Sum(nil)[:16])+".build"), out: out}
}

// Fresh tells whether the last remembered build had that key, and every file that it left in the output directory is
// still the same: by size, times of modification and of change, and inode. If so, it gives the paths of those files.
// Files that were added there are not noticed.
func (m Memory) Fresh(key []byte) (paths []string, ok bool) {
	if m.file == "" {
		return nil, false
	}
	data, ok := readOwn(m.file)
	if !ok {
		return nil, false
	}
	dirs, ok := parse(data, key)
	ok = ok && each(len(dirs), func(i int) bool {
		now, ok := statDir(m.out, dirs[i].name, dirs[i].files)
		return ok && slices.Equal(now, dirs[i].marks)
	})
	if !ok {
		return nil, false
	}
	for _, d := range dirs {
		for _, f := range d.files {
			paths = append(paths, path.Join(d.name, f))
		}
	}
	return paths, true
}

// Remember records that a build with that key left these files in the output directory: all of the tree with its
// index, as slash-separated paths, sorted. The key is a digest of everything that the tree is a function of: the bytes
// of the inputs, and Executable.
//
// It sleeps for 15 ms, and keeps nothing if a file changed in the last moment even so: an edit within the same tick of
// the clock would leave the file's times as they are (git has the same problem with its index; see "racy git" in its
// technical documentation). That it could not write is not reported: the next build compiles, and that is all.
func (m Memory) Remember(key []byte, paths []string) {
	if m.file == "" || len(paths) == 0 {
		return
	}
	time.Sleep(tick + tick/2)
	now := time.Now()
	dirs := group(paths)
	settled := each(len(dirs), func(i int) bool {
		marks, ok := statDir(m.out, dirs[i].name, dirs[i].files)
		dirs[i].marks = marks
		for _, mark := range marks {
			ok = ok && mark.settled(now)
		}
		return ok
	})
	if !settled {
		return // an older record either still says the truth, or does not match the files
	}
	if err := replace(m.file, encode(key, dirs)); err == nil {
		prune(filepath.Dir(m.file), now)
	}
}

// Executable identifies the running program, cheaply: by the build ID that Go writes into it, of which a part is a digest
// of the program (cmd/go/internal/work/buildid.go), so that it is the same on every machine that keeps a cache of ours;
// where it was built without one, by the path, size, time and inode of its file and the version that is built in. A program
// that was built anew differs, except where a build cache gives back the same file.
func Executable() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", err
	}
	for _, file := range []string{"/proc/self/exe", name} { // the former also where another program has taken its place
		if id := buildID(file); id != "" {
			return "build ID " + id, nil
		}
	}
	dir, file := filepath.Split(name)
	marks, ok := statDir(dir, ".", []string{file})
	if !ok {
		// Replaced or removed while it runs: what is on disk says nothing about what is in memory.
		return "", &os.PathError{Op: "identify", Path: name, Err: os.ErrNotExist}
	}
	id := name
	for _, n := range []int64{marks[0].size, marks[0].mtime, marks[0].ctime, marks[0].inode} {
		id += " " + strconv.FormatInt(n, 10)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		id += " " + info.GoVersion + " " + info.Main.Version
	}
	return id, nil
}

// buildID gives the build ID of a program that Go has linked; empty where it has none. It is in a note of its own in ELF,
// and at the beginning of the program's text elsewhere (cmd/internal/buildid).
func buildID(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	if program, err := elf.NewFile(f); err == nil {
		section := program.Section(".note.go.buildid")
		if section == nil {
			return ""
		}
		note, err := section.Data() // three numbers, a name of four bytes, and the ID
		const head = 16
		if err != nil || len(note) < head || !bytes.Equal(note[head-4:head], []byte("Go\x00\x00")) {
			return ""
		}
		return string(bytes.TrimRight(note[head:], "\x00"))
	}
	text := make([]byte, 128<<10)
	n, _ := f.ReadAt(text, 0)
	_, rest, ok := bytes.Cut(text[:n], []byte("\xff Go build ID: \""))
	id, _, closed := bytes.Cut(rest, []byte("\"\n \xff"))
	if !ok || !closed {
		return ""
	}
	return string(id)
}

// mark is what tells a changed file from an unchanged one without reading it. Times are nanoseconds since 1970.
type mark struct{ size, mtime, ctime, inode int64 }

// settled tells whether any change of the file after that moment would show in its times.
func (m mark) settled(now time.Time) bool {
	grain := tick
	if m.ctime%int64(time.Second) == 0 { // by chance once in a thousand million files
		grain = coarseTick
	}
	return max(m.mtime, m.ctime)+int64(grain) <= now.UnixNano()
}

// dir is the remembered files of one directory.
type dir struct {
	name  string // slash-separated, "." for the output directory
	files []string
	marks []mark
}

func group(paths []string) []dir {
	var dirs []dir
	for _, p := range paths {
		name, file := ".", p
		if i := strings.LastIndexByte(p, '/'); i >= 0 {
			name, file = p[:i], p[i+1:]
		}
		if n := len(dirs); n == 0 || dirs[n-1].name != name {
			dirs = append(dirs, dir{name: name})
		}
		d := &dirs[len(dirs)-1]
		d.files = append(d.files, file)
	}
	return dirs
}

// A record is the magic, the SHA-256 of what follows, the key, and the directories. Strings and lists are preceded by
// their length; numbers are varints.
func encode(key []byte, dirs []dir) []byte {
	b := append(make([]byte, 0, 1<<16), magic...)
	b = append(b, make([]byte, sha256.Size)...)
	b = appendString(b, string(key))
	b = binary.AppendUvarint(b, uint64(len(dirs)))
	for _, d := range dirs {
		b = appendString(b, d.name)
		b = binary.AppendUvarint(b, uint64(len(d.files)))
		for i, f := range d.files {
			b = appendString(b, f)
			m := d.marks[i]
			// Times are near each other, inodes too, but a varint of a difference is smaller only by a byte or two.
			b = binary.AppendVarint(b, m.size)
			b = binary.AppendVarint(b, m.mtime)
			b = binary.AppendVarint(b, m.ctime)
			b = binary.AppendVarint(b, m.inode)
		}
	}
	body := b[len(magic)+sha256.Size:]
	sum := sha256.Sum256(body)
	copy(b[len(magic):], sum[:])
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// parse reads a record of that key.
func parse(data, key []byte) ([]dir, bool) {
	if len(data) < len(magic)+sha256.Size || string(data[:len(magic)]) != magic {
		return nil, false
	}
	body := data[len(magic)+sha256.Size:]
	r := reader{text: string(body)}
	if r.string() != string(key) || r.bad {
		return nil, false
	}
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], data[len(magic):len(magic)+sha256.Size]) {
		return nil, false
	}
	dirs := make([]dir, r.count())
	for i := range dirs {
		d := &dirs[i]
		d.name = r.string()
		n := r.count()
		d.files, d.marks = make([]string, n), make([]mark, n)
		for j := range n {
			d.files[j] = r.string()
			d.marks[j] = mark{size: r.int(), mtime: r.int(), ctime: r.int(), inode: r.int()}
		}
	}
	return dirs, !r.bad && r.text == "" && len(dirs) > 0
}

// reader takes values off the front of a text; after the first that is not there, all are zero.
type reader struct {
	text string
	bad  bool
}

func (r *reader) uint() uint64 {
	var x uint64
	for i := 0; i < len(r.text) && i < binary.MaxVarintLen64; i++ {
		c := r.text[i]
		x |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.text = r.text[i+1:]
			return x
		}
	}
	r.text, r.bad = "", true
	return 0
}

func (r *reader) int() int64 {
	x := r.uint()
	return int64(x>>1) ^ -int64(x&1)
}

// count reads a length, which cannot be more than there are bytes left.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.text)) {
		r.text, r.bad = "", true
		return 0
	}
	return int(n)
}

func (r *reader) string() string {
	n := r.count()
	s := r.text[:n]
	r.text = r.text[n:]
	return s
}

// each calls ok for 0…n-1, some at a time, until one says no, and tells whether none did.
func each(n int, ok func(i int) bool) bool {
	const run = 32
	var (
		wg   sync.WaitGroup
		next atomic.Int64
		no   atomic.Bool
	)
	for range min(runtime.GOMAXPROCS(0), (n+run-1)/run) {
		wg.Go(func() {
			for !no.Load() {
				lo := int(next.Add(run)) - run
				if lo >= n {
					return
				}
				for i := lo; i < min(lo+run, n); i++ {
					if !ok(i) {
						no.Store(true)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	return !no.Load()
}

// replace writes a file that readers see whole or not at all.
func replace(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// prune removes records that nobody has renewed for a long time, and what killed writers left.
func prune(cache string, now time.Time) {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return
	}
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".build", ".specs", ".trees", ".published", ".tmp":
		default:
			continue
		}
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > keep {
			_ = os.Remove(filepath.Join(cache, e.Name()))
		}
	}
}
