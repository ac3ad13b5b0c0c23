// Package source says where in the files that people write something stands.
//
// Invariants: a path is relative to the repository's root and uses slashes on every system; lines and columns
// count from one, columns in bytes; the zero Span means "nowhere in particular".
package source

import "strconv"

// Span is a stretch of text in one file. It is a comparable value. The end lies behind the last byte; a span
// with no end is a place.
type Span struct {
	File    string
	Line    int32
	Col     int32
	EndLine int32
	EndCol  int32
}

// IsZero tells whether the span says nothing.
func (s Span) IsZero() bool { return s == Span{} }

// String gives file:line:col, file:line where the column is not known, or the file alone where the line is not.
func (s Span) String() string {
	if s.Line == 0 {
		return s.File
	}
	out := s.File + ":" + strconv.Itoa(int(s.Line))
	if s.Col > 0 {
		out += ":" + strconv.Itoa(int(s.Col))
	}
	return out
}

// Place gives file:line, which is what the annotation zave.io/source carries: a column would move with every
// reformatting.
func (s Span) Place() string {
	s.Col = 0
	return s.String()
}

// Compare orders spans by file, line and column.
func (s Span) Compare(t Span) int {
	switch {
	case s.File != t.File:
		if s.File < t.File {
			return -1
		}
		return 1
	case s.Line != t.Line:
		return int(s.Line - t.Line)
	default:
		return int(s.Col - t.Col)
	}
}
