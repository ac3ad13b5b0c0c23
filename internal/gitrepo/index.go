package gitrepo

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mode is what git knows of a file's mode.
type Mode uint32

// The modes of entries.
const (
	Regular    Mode = 0o100644
	Executable Mode = 0o100755
	Symlink    Mode = 0o120000
	Submodule  Mode = 0o160000
	Directory  Mode = 0o040000 // in commits; in an index, a directory outside of a sparse checkout
)

// Entry is one file of the index.
type Entry struct {
	Path        string // relative to the work tree's top, slash-separated
	Mode        Mode
	Hash        Hash
	Stage       int  // 0, or 1 to 3 of a file in conflict: the base's, ours, theirs
	IntentToAdd bool // 'git add -N': nothing of it is staged
	Skip        bool // outside of a sparse checkout

	stat []byte // the first 40 bytes of the entry: what lstat(2) said when the file was last seen to be the same
	bits uint16 // of the flags: "assume unchanged"
	more uint16 // the extended flags
}

const (
	statSize   = 40 // of ctime, mtime, dev, ino, mode, uid, gid and size
	headerSize = statSize + 20 + 2
	nameMask   = 0x0fff
	flagMore   = 0x4000
	flagValid  = 0x8000
	moreSkip   = 0x4000
	moreIntent = 0x2000
)

// index is the whole file (gitformat-index(5)).
type index struct {
	version  uint32
	entries  []Entry     // sorted by path and stage
	tree     *cached     // the extension TREE; nil: there is none
	resolved []byte      // the extension REUC, as it is
	info     fs.FileInfo // of the file; nil where there is none
	data     []byte      // what was read
}

// errIndex is of a file that is not an index.
var errIndex = errors.New("the index is damaged")

// readIndex reads an index. There may be no such file: then nothing is staged.
func readIndex(name string) (*index, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &index{version: 2}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	x, err := parseIndex(data)
	if err != nil {
		if errors.Is(err, errIndex) {
			return nil, &Error{Text: fmt.Sprintf("%s: %v", name, err),
				Hint: "'git fsck' and 'git read-tree HEAD' are the way out", kind: err}
		}
		return nil, err
	}
	x.info, x.data = info, data
	return x, nil
}

// current tells whether the file still holds what was read.
func (x *index) current(name string) (bool, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return x.data == nil, nil
	}
	return err == nil && bytes.Equal(data, x.data), err
}

// parseIndex reads the bytes of an index of version 2, 3 or 4. What is for speed alone (the untracked cache, the file
// system monitor's, offsets for reading in parallel) is passed over, as git itself allows.
func parseIndex(data []byte) (*index, error) {
	damaged := func(format string, args ...any) (*index, error) {
		return nil, fmt.Errorf("%w: "+format, append([]any{errIndex}, args...)...)
	}
	const head = 12
	if len(data) < head+sha1.Size || string(data[:4]) != "DIRC" {
		return damaged("it is too short, or does not begin as one")
	}
	x := &index{version: binary.BigEndian.Uint32(data[4:])}
	if x.version < 2 || x.version > 4 {
		return nil, &Error{
			Text: fmt.Sprintf("the index has version %d, and zave knows 2 to 4", x.version),
			Hint: "'git update-index --index-version 2' changes it",
		}
	}
	body, sum := data[:len(data)-sha1.Size], data[len(data)-sha1.Size:]
	got := sha1.Sum(body)
	// With index.skipHash git writes zeros there.
	if !bytes.Equal(sum, got[:]) && !bytes.Equal(sum, make([]byte, sha1.Size)) {
		return damaged("its checksum is wrong")
	}
	count := int(binary.BigEndian.Uint32(data[8:]))
	if count > len(body)/headerSize {
		return damaged("it cannot hold %d files", count)
	}
	x.entries = make([]Entry, count)
	at, name := head, ""
	text := "" // one copy, which all names share; those of version 4 are put together anew
	if x.version < 4 {
		text = string(body)
	}
	for i := range x.entries {
		start := at
		if len(body)-at < headerSize+1 {
			return damaged("it ends within a file")
		}
		e := &x.entries[i]
		e.stat = body[at : at+statSize]
		e.Mode = Mode(binary.BigEndian.Uint32(body[at+24:]))
		e.Hash = Hash(body[at+statSize:])
		flags := binary.BigEndian.Uint16(body[at+statSize+20:])
		e.Stage = int(flags>>12) & 3
		e.bits = flags & flagValid
		at += headerSize
		if flags&flagMore != 0 {
			if x.version == 2 || len(body)-at < 3 {
				return damaged("a file has flags that version %d does not have", x.version)
			}
			e.more = binary.BigEndian.Uint16(body[at:])
			e.Skip, e.IntentToAdd = e.more&moreSkip != 0, e.more&moreIntent != 0
			at += 2
		}
		keep := 0
		if x.version == 4 {
			strip, n := varint(body[at:])
			if n == 0 || strip > uint64(len(name)) {
				return damaged("a name takes more of the one before than that has")
			}
			keep, at = len(name)-int(strip), at+n
		}
		end := bytes.IndexByte(body[at:], 0)
		if end < 0 {
			return damaged("a name has no end")
		}
		if x.version == 4 {
			name = name[:keep] + string(body[at:at+end])
			at += end + 1
		} else {
			name = text[at : at+end]
			at = start + (at+end-start+8)&^7
			if at > len(body) {
				return damaged("it ends within a file")
			}
		}
		e.Path = name
		if name == "" { // the file is in the other half, which the extension "link" names
			return nil, splitIndex()
		}
		if i > 0 && order(x.entries[i-1], *e) >= 0 {
			return damaged("%q is out of order", name)
		}
		if e.Mode == Directory {
			return nil, sparseIndex()
		}
	}
	return x, x.extensions(body[at:])
}

func splitIndex() error {
	return &Error{
		Text: "the index is split in two files, which zave does not read",
		Hint: "'git update-index --no-split-index' joins them, 'git config core.splitIndex false' keeps them so",
	}
}

func sparseIndex() error {
	return &Error{
		Text: "the index is sparse, which zave does not read",
		Hint: "'git sparse-checkout reapply --no-sparse-index' writes it in full, and leaves the checkout as it is",
	}
}

// extensions reads what follows the entries.
func (x *index) extensions(b []byte) error {
	for len(b) > 0 {
		if len(b) < 8 || uint64(len(b)-8) < uint64(binary.BigEndian.Uint32(b[4:])) {
			return fmt.Errorf("%w: it ends within an extension", errIndex)
		}
		name, size := string(b[:4]), int(binary.BigEndian.Uint32(b[4:]))
		data := b[8 : 8+size]
		b = b[8+size:]
		switch {
		case name == "TREE":
			// A cache: one that cannot be read is as good as none.
			if tree, rest := parseCached(data, 0); tree != nil && len(rest) == 0 {
				x.tree = tree
			}
		case name == "REUC":
			x.resolved = data
		case name == "link":
			return splitIndex()
		case name == "sdir":
			return sparseIndex()
		case name[0] < 'A' || name[0] > 'Z':
			return &Error{Text: fmt.Sprintf("the index has the extension %q, which zave does not know", name)}
		}
	}
	return nil
}

// order is git's: by the bytes of the path, and then by stage.
func order(a, b Entry) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Stage, b.Stage))
}

// varint reads the number that version 4 begins a name with, in the encoding of pack files' offsets, and its length;
// zero where it has no end.
func varint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 9 {
		c := b[n]
		n++
		v |= uint64(c & 0x7f)
		if c&0x80 == 0 {
			return v, n
		}
		v = (v + 1) << 7
	}
	return 0, 0
}

func appendVarint(b []byte, v uint64) []byte {
	var buf [10]byte
	i := len(buf) - 1
	buf[i] = byte(v & 0x7f)
	for v >>= 7; v > 0; v >>= 7 {
		v--
		i--
		buf[i] = 0x80 | byte(v&0x7f)
	}
	return append(b, buf[i:]...)
}

// encode gives the bytes of the index.
func (x *index) encode() []byte {
	size := 64 + len(x.resolved)
	for _, e := range x.entries {
		size += headerSize + 2 + len(e.Path) + 8
	}
	version := x.version
	if version == 2 && slices.ContainsFunc(x.entries, func(e Entry) bool { return e.more != 0 }) {
		version = 3
	}
	b := make([]byte, 0, size)
	b = append(b, "DIRC"...)
	b = binary.BigEndian.AppendUint32(b, version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(x.entries)))
	last := ""
	for _, e := range x.entries {
		start := len(b)
		b = append(b, e.stat...)
		b = append(b, e.Hash[:]...)
		flags := e.bits | uint16(e.Stage)<<12 | uint16(min(len(e.Path), nameMask))
		if e.more != 0 {
			flags |= flagMore
		}
		b = binary.BigEndian.AppendUint16(b, flags)
		if e.more != 0 {
			b = binary.BigEndian.AppendUint16(b, e.more)
		}
		if version == 4 {
			shared := 0
			for shared < min(len(last), len(e.Path)) && last[shared] == e.Path[shared] {
				shared++
			}
			b = appendVarint(b, uint64(len(last)-shared))
			b = append(append(b, e.Path[shared:]...), 0)
			last = e.Path
			continue
		}
		b = append(b, e.Path...)
		for n := 8 - (len(b)-start)%8; n > 0; n-- {
			b = append(b, 0)
		}
	}
	if x.tree != nil {
		b = appendExtension(b, "TREE", x.tree.encode(nil))
	}
	if x.resolved != nil {
		b = appendExtension(b, "REUC", x.resolved)
	}
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

func appendExtension(b []byte, name string, data []byte) []byte {
	b = append(b, name...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// find gives the range of entries with that path: none, one, or the stages of a conflict.
func (x *index) find(path string) (from, to int) {
	from, _ = slices.BinarySearchFunc(x.entries, path, func(e Entry, p string) int { return strings.Compare(e.Path, p) })
	for to = from; to < len(x.entries) && x.entries[to].Path == path; to++ {
	}
	return from, to
}

// below gives the entries below a directory; "." is all.
func (x *index) below(dir string) []Entry {
	if dir == "." {
		return x.entries
	}
	by := func(e Entry, p string) int { return strings.Compare(e.Path, p) }
	from, _ := slices.BinarySearchFunc(x.entries, dir+"/", by)
	to, _ := slices.BinarySearchFunc(x.entries, dir+"0", by) // "0" comes after "/"
	return x.entries[from:to]
}

// racy tells whether an entry's file may have changed without its times telling: it was last written in the second in
// which the index was, or later. git(1) then compares contents; once the index is written again the times would say
// that nothing changed.
func (x *index) racy(e Entry) bool {
	return x.info != nil && int64(binary.BigEndian.Uint32(e.stat[8:])) >= x.info.ModTime().Truncate(time.Second).Unix()
}

// smudge makes git compare contents the next time, as git does it: by a size of nothing.
func (e *Entry) smudge() {
	e.stat = slices.Clone(e.stat)
	binary.BigEndian.PutUint32(e.stat[36:], 0)
}

// setStat makes an entry of a file that has its content; of nil, as one of a file that was never looked at.
func (e *Entry) setStat(info fs.FileInfo) {
	e.stat = make([]byte, statSize)
	if info != nil {
		fillStat(e.stat, info)
	}
	binary.BigEndian.PutUint32(e.stat[24:], uint32(e.Mode))
}

// cached is the extension TREE: the names of the trees that the index's directories would be written as.
type cached struct {
	name  string // of the directory within its parent
	count int    // of entries below; negative: not known
	hash  Hash
	down  []*cached
}

// parseCached reads one directory with all below it, and gives what follows; nil where it cannot be read.
func parseCached(b []byte, depth int) (*cached, []byte) {
	end := bytes.IndexByte(b, 0)
	if end < 0 || depth > 4096 {
		return nil, nil
	}
	c := &cached{name: string(b[:end])}
	line, rest, ok := bytes.Cut(b[end+1:], []byte("\n"))
	count, below, ok2 := strings.Cut(string(line), " ")
	subtrees, err := strconv.Atoi(below)
	if !ok || !ok2 || err != nil || subtrees < 0 {
		return nil, nil
	}
	if c.count, err = strconv.Atoi(count); err != nil {
		return nil, nil
	}
	if c.count >= 0 {
		if len(rest) < len(c.hash) {
			return nil, nil
		}
		c.hash, rest = Hash(rest), rest[len(c.hash):]
	}
	for range subtrees {
		var sub *cached
		if sub, rest = parseCached(rest, depth+1); sub == nil {
			return nil, nil
		}
		c.down = append(c.down, sub)
	}
	return c, rest
}

func (c *cached) encode(b []byte) []byte {
	b = append(append(b, c.name...), 0)
	b = fmt.Appendf(b, "%d %d\n", max(c.count, -1), len(c.down))
	if c.count >= 0 {
		b = append(b, c.hash[:]...)
	}
	for _, d := range c.down {
		b = d.encode(b)
	}
	return b
}

// forget makes the trees above a path unknown (git's cache_tree_invalidate_path). A path that was a directory no longer
// is one.
func (c *cached) forget(path string) {
	for c != nil {
		c.count = -1
		dir, rest, deeper := strings.Cut(path, "/")
		i := slices.IndexFunc(c.down, func(d *cached) bool { return d.name == dir })
		if i < 0 {
			return
		}
		if !deeper {
			c.down = slices.Delete(c.down, i, i+1)
			return
		}
		c, path = c.down[i], rest
	}
}

// at gives the tree of a directory, if it is known. "." is the whole.
func (c *cached) at(dir string) (Hash, bool) {
	if dir != "." {
		for part := range strings.SplitSeq(dir, "/") {
			if c == nil {
				return Hash{}, false
			}
			i := slices.IndexFunc(c.down, func(d *cached) bool { return d.name == part })
			if i < 0 {
				return Hash{}, false
			}
			c = c.down[i]
		}
	}
	if c == nil || c.count < 0 {
		return Hash{}, false
	}
	return c.hash, true
}
