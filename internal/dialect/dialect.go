// Package dialect writes what other programs read: terminals, and the reports of forges and of continuous integration.
//
// Invariants: what does not print by itself leaves only as an escape, so that no terminal and no forge acts on text
// that somebody wrote; equal values give equal bytes; there is no clock and no host in them.
package dialect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"

	"github.com/zavestudios/zave/internal/source"
)

// Files reads the files that spans name, each once. The zero value has none.
type Files struct {
	read func(file string) ([]byte, bool)
	seen map[string]*source.Lines
}

// NewFiles takes the function that gives the bytes of a file, or false; nil has none.
func NewFiles(read func(file string) ([]byte, bool)) *Files {
	return &Files{read: read, seen: map[string]*source.Lines{}}
}

// Lines gives the lines of a file, or nil where they cannot be had.
func (f *Files) Lines(file string) *source.Lines {
	if f.read == nil || file == "" {
		return nil
	}
	if l, ok := f.seen[file]; ok {
		return l
	}
	var l *source.Lines
	if data, ok := f.read(file); ok {
		l = source.NewLines(data)
	}
	f.seen[file] = l
	return l
}

// JSON gives a value indented, with every character that does not print as a \u escape: readers get it back unchanged,
// and a terminal never sees it. The value is made of strings, numbers, booleans, lists, maps and structs.
func JSON(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic("dialect: a report of strings and numbers does not encode: " + err.Error())
	}
	// Outside of strings, JSON is ASCII and line ends.
	var out bytes.Buffer
	for _, r := range buf.String() {
		switch {
		case r == '\n' || Printable(r):
			out.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		}
	}
	return out.Bytes()
}
