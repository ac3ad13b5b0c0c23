package load

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"reflect"

	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/source"
)

// codec writes specs in a form that is quick to read: fields in the order of the Go struct, those that are zero left
// out by a mask, numbers as varints, strings behind their length. It is made for one type; whatever else reads its
// output must be the same program. That a slice is nil or empty is kept, since hashes tell them apart.
type codec struct {
	append func(b []byte, v reflect.Value) []byte
	read   func(r *packed, v reflect.Value)
}

// codecs are those of the specs' types.
type codecs struct{ tenant, platform codec }

func newCodecs() codecs {
	return codecs{codecOf(reflect.TypeFor[spec.Tenant]()), codecOf(reflect.TypeFor[spec.Platform]())}
}

// apart are the fields of a spec that are written by other means, or never.
func apart(f reflect.StructField) bool { return f.Type == reflect.TypeFor[spec.Positions]() }

func codecOf(t reflect.Type) codec {
	switch t.Kind() {
	case reflect.String:
		return codec{
			func(b []byte, v reflect.Value) []byte { return packString(b, v.String()) },
			func(r *packed, v reflect.Value) { v.SetString(r.string()) },
		}
	case reflect.Bool:
		return codec{
			func(b []byte, v reflect.Value) []byte { return b }, // it is only written where it is true
			func(r *packed, v reflect.Value) { v.SetBool(true) },
		}
	case reflect.Int, reflect.Int64:
		return codec{
			func(b []byte, v reflect.Value) []byte { return binary.AppendVarint(b, v.Int()) },
			func(r *packed, v reflect.Value) { v.SetInt(r.int()) },
		}
	case reflect.Pointer:
		elem := codecOf(t.Elem())
		return codec{
			func(b []byte, v reflect.Value) []byte { return elem.append(b, v.Elem()) },
			func(r *packed, v reflect.Value) {
				v.Set(reflect.New(t.Elem()))
				elem.read(r, v.Elem())
			},
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return codec{
				func(b []byte, v reflect.Value) []byte { return packString(b, string(v.Bytes())) },
				func(r *packed, v reflect.Value) { v.SetBytes([]byte(r.string())) },
			}
		}
		return sliceCodec(t)
	case reflect.Struct:
		return structCodec(t)
	}
	panic(fmt.Sprintf("specs have no %s", t)) // TestCodec would have found it
}

// roomFor is how many elements of a list are made room for at once.
const roomFor = 16

func sliceCodec(t reflect.Type) codec {
	switch t.Elem().Kind() {
	case reflect.Struct, reflect.String, reflect.Int: // of which each takes a byte at the least, whatever it says
	default:
		panic(fmt.Sprintf("specs have no %s", t))
	}
	elem := codecOf(t.Elem())
	return codec{
		func(b []byte, v reflect.Value) []byte {
			b = binary.AppendUvarint(b, uint64(v.Len()))
			for i := range v.Len() {
				b = elem.append(b, v.Index(i))
			}
			return b
		},
		func(r *packed, v reflect.Value) {
			n := r.count()
			// Of damaged bytes each element could claim to hold as many more: room is made as elements turn out to be there.
			out := reflect.MakeSlice(t, min(n, roomFor), min(n, roomFor))
			for i := 0; i < n && !r.bad; i++ {
				if i == out.Len() {
					more := reflect.MakeSlice(t, min(n, 2*i), min(n, 2*i))
					reflect.Copy(more, out)
					out = more
				}
				elem.read(r, out.Index(i))
			}
			if !r.bad {
				v.Set(out)
			}
		},
	}
}

func structCodec(t reflect.Type) codec {
	type field struct {
		i int
		codec
	}
	var fields []field
	for i := range t.NumField() {
		if f := t.Field(i); !apart(f) {
			fields = append(fields, field{i, codecOf(f.Type)})
		}
	}
	if len(fields) > 64 {
		panic(fmt.Sprintf("%s has more than 64 fields", t))
	}
	return codec{
		func(b []byte, v reflect.Value) []byte {
			var mask uint64
			for k, f := range fields {
				if !v.Field(f.i).IsZero() {
					mask |= 1 << k
				}
			}
			b = binary.AppendUvarint(b, mask)
			for k, f := range fields {
				if mask>>k&1 == 1 {
					b = f.append(b, v.Field(f.i))
				}
			}
			return b
		},
		func(r *packed, v reflect.Value) {
			mask := r.uint()
			if bits.Len64(mask) > len(fields) {
				r.fail()
				return
			}
			for ; mask != 0; mask &= mask - 1 {
				f := fields[bits.TrailingZeros64(mask)]
				f.read(r, v.Field(f.i))
			}
		},
	}
}

func packString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// packed takes values off the front of a text, and shares its bytes; after the first that is not there, all are zero.
type packed struct {
	text string
	bad  bool
}

func (r *packed) fail() { r.text, r.bad = "", true }

func (r *packed) uint() uint64 {
	var x uint64
	for i := 0; i < len(r.text) && i < binary.MaxVarintLen64; i++ {
		c := r.text[i]
		x |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.text = r.text[i+1:]
			return x
		}
	}
	r.fail()
	return 0
}

func (r *packed) int() int64 {
	x := r.uint()
	return int64(x>>1) ^ -int64(x&1)
}

// count reads a length: there is at least a byte for each element.
func (r *packed) count() int {
	n := r.uint()
	if n > uint64(len(r.text)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *packed) string() string {
	n := r.count()
	s := r.text[:n]
	r.text = r.text[n:]
	return s
}

// pack writes the positions: numbers as differences from those before, of which most are small.
func (p *positions) pack(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(p.files)))
	for _, f := range p.files {
		b = packString(b, f)
	}
	b = packSpan(b, p.root)
	dynamic := byte(0)
	if p.dynamic {
		dynamic = 1
	}
	b = append(b, dynamic)
	b = binary.AppendUvarint(b, uint64(len(p.entries)))
	last := ""
	for _, e := range p.entries {
		// Paths are sorted, and share most of their beginnings with the one before. Shared bytes would have to be copied to
		// be read, which takes longer than reading them twice; only the same path again, of a field written in two places,
		// costs nothing.
		if e.path == last && last != "" {
			b = append(b, 0)
		} else {
			b = packString(b, e.path)
		}
		last = e.path
		b = packStretch(b, e.value, stretch{})
		b = packStretch(b, e.key, e.value)
	}
	return b
}

func packStretch(b []byte, s, from stretch) []byte {
	b = binary.AppendVarint(b, int64(s.file-from.file))
	b = binary.AppendVarint(b, int64(s.line-from.line))
	b = binary.AppendVarint(b, int64(s.col-from.col))
	b = binary.AppendVarint(b, int64(s.endLine)-int64(s.line))
	return binary.AppendVarint(b, int64(s.endCol)-int64(s.col))
}

func (r *packed) stretch(from stretch) stretch {
	s := stretch{file: from.file + int32(r.int()), line: from.line + int32(r.int()), col: from.col + int32(r.int())}
	s.endLine, s.endCol = s.line+int32(r.int()), s.col+int32(r.int())
	return s
}

func packSpan(b []byte, s source.Span) []byte {
	b = packString(b, s.File)
	for _, n := range []int32{s.Line, s.Col, s.EndLine, s.EndCol} {
		b = binary.AppendVarint(b, int64(n))
	}
	return b
}

func (r *packed) span() source.Span {
	s := source.Span{File: r.string(), Line: int32(r.int()), Col: int32(r.int())}
	s.EndLine, s.EndCol = int32(r.int()), int32(r.int())
	return s
}

// positions reads what pack writes.
func (r *packed) positions() *positions {
	p := &positions{files: make([]string, r.count())}
	for i := range p.files {
		p.files[i] = r.string()
	}
	p.root = r.span()
	p.dynamic = r.uint() == 1
	p.entries = make([]entry, r.count())
	last := ""
	for i := range p.entries {
		e := &p.entries[i]
		if e.path = r.string(); e.path == "" {
			e.path = last
		}
		if e.path < last {
			r.fail()
			return p
		}
		last = e.path
		e.value = r.stretch(stretch{})
		e.key = r.stretch(e.value)
		for _, f := range []int32{e.value.file, e.key.file} {
			if f < 0 || int(f) >= len(p.files) {
				r.fail()
				return p
			}
		}
	}
	return p
}
