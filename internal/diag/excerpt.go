package diag

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/source"
)

// tabWidth is how wide a tab is shown: CUE indents with tabs, and eight columns would push text out of sight.
const tabWidth = 4

// cell is a character of a line as it is shown.
type cell struct {
	at   int // its first byte in the line
	text string
	col  int // its first column on the screen
}

// excerpt shows a line within so many columns, and says where the span's mark stands below it: so many columns in,
// so many wide. There are no marks where the span has no column.
func excerpt(line []byte, s source.Span, width int) (text string, before, marks int) {
	line, s = window(line, s, 8*width)
	cells, total := layOut(line)
	first, last := markedColumns(cells, total, len(line), s)

	// The mark begins in the first third of what is shown, as what it is about mostly follows it. Each end that is cut
	// gives a column to the sign that says so.
	from, to := 0, total
	if reach := max(total, first+1); reach > width {
		from, to = first-width/3, first-width/3+width-2
		if from <= 0 {
			from, to = 0, width-1
		} else if end := reach - (width - 1); from >= end {
			from, to = end, reach
		}
	}
	var b strings.Builder
	if from > 0 {
		b.WriteString("…")
	}
	start, end := -1, from // the columns that are shown; a wide character is never halved
	for _, c := range cells {
		w := dialect.Width(c.text)
		if c.col < from || c.col+w > to {
			continue
		}
		if start < 0 {
			start = c.col
		}
		b.WriteString(c.text)
		end = c.col + w
	}
	if start < 0 {
		start = from
	}
	if from > 0 {
		before = 1
	}
	if end < total {
		b.WriteString("…")
	}
	if s.Col <= 0 {
		return b.String(), 0, 0
	}
	before += max(first-start, 0)
	return b.String(), before, max(min(last, max(end, first+1))-first, 1)
}

// window cuts a line that is far longer than what will be shown, so that a file of one line of megabytes costs nothing.
// It keeps so many bytes on either side of the span's beginning, enough for cutting by columns to follow.
func window(line []byte, s source.Span, side int) ([]byte, source.Span) {
	at := min(max(int(s.Col)-1, 0), len(line))
	from, to := max(at-side, 0), min(at+side, len(line))
	for from > 0 && !utf8.RuneStart(line[from]) && at-from < side+utf8.UTFMax {
		from--
	}
	for to < len(line) && !utf8.RuneStart(line[to]) && to-at < side+utf8.UTFMax {
		to++
	}
	if s.Col > 0 {
		s.Col -= int32(from)
	}
	if s.EndCol > 0 && s.EndLine == s.Line {
		s.EndCol = int32(min(max(int(s.EndCol)-from, 1), to-from+1))
	}
	return line[from:to], s
}

// layOut gives the cells of a line and its width on the screen.
func layOut(line []byte) (cells []cell, width int) {
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRune(line[i:])
		text := strings.Repeat(" ", tabWidth-width%tabWidth)
		if r != '\t' {
			text = dialect.Glyph(r, string(line[i:i+n]))
		}
		cells = append(cells, cell{at: i, text: text, col: width})
		width += dialect.Width(text)
		i += n
	}
	return cells, width
}

// markedColumns gives the columns that a span marks, the last one exclusive. A span that goes on in the next line is
// marked to the end of this one; a place is one column wide, also behind the end of the line.
func markedColumns(cells []cell, total, length int, s source.Span) (first, last int) {
	column := func(offset int) int {
		// A place within a character stands under that character.
		i := sort.Search(len(cells), func(i int) bool { return cells[i].at > offset }) - 1
		if i < 0 || offset >= length {
			return total
		}
		return cells[i].col
	}
	first = column(max(int(s.Col)-1, 0))
	last = first + 1
	switch {
	case s.EndLine == s.Line && s.EndCol > s.Col:
		last = max(column(int(s.EndCol)-1), last)
	case s.EndLine > s.Line:
		last = max(total, last)
	}
	return first, last
}
