package source

import (
	"bytes"
	"unicode/utf8"
)

// Lines is a text and where its lines begin. A nil Lines is a text that cannot be had.
type Lines struct {
	data   []byte
	starts []int
}

// NewLines finds the lines of a text, which it keeps.
func NewLines(data []byte) *Lines {
	l := &Lines{data: data, starts: []int{0}}
	for at := 0; ; {
		i := bytes.IndexByte(data[at:], '\n')
		if i < 0 {
			return l
		}
		at += i + 1
		l.starts = append(l.starts, at)
	}
}

// Line gives line n, counted from one, without its end. There is a last, empty line behind a final newline, where
// "unexpected end of file" stands.
func (l *Lines) Line(n int32) ([]byte, bool) {
	if l == nil || n < 1 || int(n) > len(l.starts) {
		return nil, false
	}
	end := len(l.data)
	if int(n) < len(l.starts) {
		end = l.starts[n] - 1
	}
	return bytes.TrimSuffix(l.data[l.starts[n-1]:end], []byte("\r")), true
}

// Column gives a column of line n in characters instead of bytes, both counted from one; a line that cannot be had
// leaves it as it is.
func (l *Lines) Column(n, col int32) int32 {
	line, ok := l.Line(n)
	if !ok || col <= 1 {
		return col
	}
	return int32(utf8.RuneCount(line[:min(int(col)-1, len(line))])) + 1
}
