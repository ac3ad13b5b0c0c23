package diag

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/source"
)

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("0123456789", 30)
	for _, test := range []struct {
		name  string
		line  string
		span  source.Span // of line 1
		width int
		text  string
		marks string
	}{
		{"a place", "port: 80", source.Span{Col: 7}, 40, "port: 80", "      ^"},
		{"a span", "port: 80", source.Span{Col: 7, EndCol: 9}, 40, "port: 80", "      ^~"},
		{"no column", "port: 80", source.Span{}, 40, "port: 80", ""},
		{"an empty line", "", source.Span{Col: 1}, 40, "", "^"},
		{"behind the end", "port:", source.Span{Col: 6}, 40, "port:", "     ^"},
		{"far behind the end", "port:", source.Span{Col: 60}, 40, "port:", "     ^"},
		{"an end before the beginning", "port: 80", source.Span{Col: 7, EndCol: 2}, 40, "port: 80", "      ^"},
		{"over several lines", "web: { // all", source.Span{Col: 6, EndLine: 4, EndCol: 2}, 40, "web: { // all", "     ^~~~~~~~"},
		{"tabs", "\ta:\tb", source.Span{Col: 5, EndCol: 6}, 40, "    a:  b", "        ^"},
		{"a tab itself", "a\tb", source.Span{Col: 2, EndCol: 3}, 40, "a   b", " ^~~"},
		{"wide", "名前: 80", source.Span{Col: 9, EndCol: 11}, 40, "名前: 80", "      ^~"},
		{"on a wide one", "名前: 80", source.Span{Col: 4, EndCol: 7}, 40, "名前: 80", "  ^~"},
		{"within a wide one", "名前: 80", source.Span{Col: 5}, 40, "名前: 80", "  ^"},
		{"combining", "e\u0301: 80", source.Span{Col: 6, EndCol: 8}, 40, "e\u0301: 80", "   ^~"},
		{"emoji", "🚀: 80", source.Span{Col: 7, EndCol: 9}, 40, "🚀: 80", "    ^~"},
		{"bidirectional", "\u202ea: 80", source.Span{Col: 7, EndCol: 9}, 40, `\u202ea: 80`, `         ^~`},
		{"on an escape", "a\x1bb", source.Span{Col: 2, EndCol: 3}, 40, `a\x1bb`, ` ^~~~`},
		{"not UTF-8", "a\xffb", source.Span{Col: 3}, 40, `a\xffb`, `     ^`},
		{"no-break space", "a\u00a0b", source.Span{Col: 2, EndCol: 4}, 40, `a\u00a0b`, ` ^~~~~~`},
		{"cut behind", long, source.Span{Col: 3, EndCol: 5}, 20, "0123456789012345678…", "  ^~"},
		{"cut on both sides", long, source.Span{Col: 151, EndCol: 153}, 20, "…456789012345678901…", "       ^~"},
		{"cut before", long, source.Span{Col: 300, EndCol: 301}, 20, "…1234567890123456789", "                   ^"},
		{"cut at its end", long, source.Span{Col: 301}, 20, "…234567890123456789", "                   ^"},
		{"a mark longer than what is shown", long, source.Span{Col: 151, EndCol: 290}, 20, "…456789012345678901…", "       ^~~~~~~~~~~~"},
		{"nor at the end", strings.Repeat("名", 100), source.Span{Col: 151}, 22, "…名名名名名名名名名…", "       ^"},
		{"wide ones are not halved", strings.Repeat("名", 100), source.Span{Col: 151}, 21, "…名名名名名名名名名…", "       ^"},
	} {
		s := test.span
		s.Line = 1
		if s.EndLine == 0 && s.EndCol > 0 {
			s.EndLine = 1
		}
		text, before, n := excerpt([]byte(test.line), s, test.width)
		marks := ""
		if n > 0 {
			marks = strings.Repeat(" ", before) + "^" + strings.Repeat("~", n-1)
		}
		if text != test.text || marks != test.marks {
			t.Errorf("%s: got\n%s|\n%s|\nwant\n%s|\n%s|", test.name, text, marks, test.text, test.marks)
		}
	}
}

// A file of one line of megabytes is cut before it is laid out.
func TestExcerptOfHugeLine(t *testing.T) {
	line := []byte(strings.Repeat("名", 4<<20))
	allocs := testing.AllocsPerRun(1, func() {
		text, before, marks := excerpt(line, source.Span{Line: 1, Col: 6<<20 + 1}, 80)
		if dialect.Width(text) > 80 || before >= 80 || marks != 1 || !utf8.ValidString(text) {
			t.Errorf("%q, %d, %d", text, before, marks)
		}
	})
	if allocs > 5000 {
		t.Errorf("%v allocations", allocs)
	}
}

func FuzzExcerpt(f *testing.F) {
	f.Add([]byte("\tport: 80"), int32(2), int32(0), int32(6), int32(40))
	f.Add([]byte("名e\u0301\u202e\xff\x1b"), int32(3), int32(2), int32(90), int32(20))
	f.Fuzz(func(t *testing.T, line []byte, col, endLine, endCol, width int32) {
		w := 20 + int(uint32(width)%200)
		text, before, marks := excerpt(line, source.Span{Line: 1, Col: col, EndLine: endLine, EndCol: endCol}, w)
		if n := dialect.Width(text); n > w {
			t.Errorf("%d columns of %d: %q", n, w, text)
		}
		if before < 0 || marks < 0 || (col > 0) != (marks > 0) {
			t.Errorf("before %d, marks %d, column %d", before, marks, col)
		}
		if marks > 0 && before > dialect.Width(text) {
			t.Errorf("the mark begins at %d, the text ends at %d: %q", before, dialect.Width(text), text)
		}
		for _, r := range text {
			if !dialect.Printable(r) {
				t.Errorf("%q is shown as it is", r)
			}
		}
	})
}
