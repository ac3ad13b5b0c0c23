package remote

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// object is a new object of a commit.
type object struct {
	kind plumbing.ObjectType
	hash Hash
	data []byte
	base Hash   // of a tree: what it was, which the other side has; zero: nothing
	from []byte // the content of that
}

// pack writes the commit's objects as gitformat-pack(5) says, and gives the pack's name. A thin one has, of a big
// directory that changed a little, the difference alone. Each object's place and checksum are noted, if note is not nil.
func (c *Commit) pack(to io.Writer, thin bool, note func(h Hash, offset int64, crc uint32)) (Hash, error) {
	sum := sha1.New()
	w := io.MultiWriter(to, sum)
	b := binary.BigEndian.AppendUint32([]byte("PACK"), packfile.VersionSupported)
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.objects)))
	if _, err := w.Write(b); err != nil {
		return Hash{}, err
	}
	offset := int64(len(b))
	var one bytes.Buffer
	z := zlib.NewWriter(&one)
	for _, o := range c.objects {
		kind, data := o.kind, o.data
		if thin && !o.base.IsZero() {
			if d := packfile.DiffDelta(o.from, o.data); len(d) < len(data)/2 {
				kind, data = plumbing.REFDeltaObject, d
			}
		}
		one.Reset()
		one.Write(entryHeader(kind, len(data)))
		if kind == plumbing.REFDeltaObject {
			one.Write(o.base[:])
		}
		z.Reset(&one)
		if _, err := z.Write(data); err != nil {
			return Hash{}, err
		}
		if err := z.Close(); err != nil {
			return Hash{}, err
		}
		if note != nil {
			note(o.hash, offset, crc32.ChecksumIEEE(one.Bytes()))
		}
		offset += int64(one.Len())
		if _, err := w.Write(one.Bytes()); err != nil {
			return Hash{}, err
		}
	}
	name := Hash(sum.Sum(nil))
	_, err := to.Write(name[:])
	return name, err
}

// entryHeader is an object's type and size: four bits of the size, and then seven a byte, the lowest first.
func entryHeader(kind plumbing.ObjectType, size int) []byte {
	b := byte(kind)<<4 | byte(size&0x0f)
	size >>= 4
	var out []byte
	for size > 0 {
		out = append(out, b|0x80)
		b = byte(size & 0x7f)
		size >>= 7
	}
	return append(out, b)
}
