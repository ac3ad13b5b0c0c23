package remote

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
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

// pack writes the commit's objects as gitformat-pack(5) says. A thin one has, of a big directory that changed a
// little, the difference alone.
func (c *Commit) pack(to io.Writer, thin bool) error {
	sum := sha1.New()
	w := io.MultiWriter(to, sum)
	head := binary.BigEndian.AppendUint32([]byte("PACK"), packfile.VersionSupported)
	if _, err := w.Write(binary.BigEndian.AppendUint32(head, uint32(len(c.objects)))); err != nil {
		return err
	}
	z := zlib.NewWriter(io.Discard)
	for _, o := range c.objects {
		kind, data := o.kind, o.data
		if thin && !o.base.IsZero() {
			if d := packfile.DiffDelta(o.from, o.data); len(d) < len(data)/2 {
				kind, data = plumbing.REFDeltaObject, d
			}
		}
		head := entryHeader(kind, len(data))
		if kind == plumbing.REFDeltaObject {
			head = append(head, o.base[:]...)
		}
		if _, err := w.Write(head); err != nil {
			return err
		}
		z.Reset(w)
		if _, err := z.Write(data); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
	}
	_, err := io.Copy(to, bytes.NewReader(sum.Sum(nil)))
	return err
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
