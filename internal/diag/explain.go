package diag

import (
	"embed"
	"fmt"
	"io"
	"strings"

	"github.com/zavestudios/zave/internal/dialect"
)

//go:embed codes/*.md
var pages embed.FS

// Entry is one code of the catalogue.
type Entry struct {
	Code  Code
	Title string // a few words, without the code
	Text  string // the page below its heading, in Markdown: a paragraph, "## Wrong" and "## Right"
}

// Catalogue gives an entry for every code, sorted by code.
func Catalogue() []Entry {
	files, err := pages.ReadDir("codes")
	if err != nil {
		panic("diag: " + err.Error())
	}
	out := make([]Entry, 0, len(files))
	for _, f := range files {
		e, ok := Explain(Code(strings.TrimSuffix(f.Name(), ".md")))
		if !ok {
			panic("diag: codes/" + f.Name() + " does not begin with # and its code")
		}
		out = append(out, e)
	}
	return out
}

// Explain gives the entry of a code, such as "ZAV108", and whether there is one.
func Explain(code Code) (Entry, bool) {
	data, err := pages.ReadFile("codes/" + string(code) + ".md")
	if err != nil {
		return Entry{}, false
	}
	heading, text, _ := strings.Cut(string(data), "\n")
	title, ok := strings.CutPrefix(heading, "# "+string(code)+": ")
	return Entry{Code: code, Title: title, Text: strings.TrimSpace(text) + "\n"}, ok
}

// paragraph is the first paragraph of the text, on one line.
func (e Entry) paragraph() string {
	first, _, _ := strings.Cut(e.Text, "\n\n")
	return strings.Join(strings.Fields(first), " ")
}

// Render writes the entry for a terminal: headings bold with colour, paragraphs wrapped at so many columns (80 when
// width is 0), code indented and never wrapped. It knows the Markdown that the pages use, and no more. The error is
// the writer's.
func (e Entry) Render(w io.Writer, color bool, width int) error {
	if width <= 0 {
		width = 80
	}
	var b strings.Builder
	b.WriteString(dialect.Paint(color, dialect.Bold, fmt.Sprintf("%s: %s", e.Code, e.Title)) + "\n\n")
	var words []string
	flush := func() {
		if len(words) > 0 {
			wrap(&b, words, width)
			words = nil
		}
	}
	fenced := false
	for line := range strings.Lines(e.Text) {
		line = strings.TrimSuffix(line, "\n")
		switch heading, isHeading := strings.CutPrefix(line, "## "); {
		case strings.HasPrefix(line, "```"):
			flush()
			fenced = !fenced
		case fenced && line == "":
			b.WriteString("\n")
		case fenced:
			b.WriteString("    " + strings.ReplaceAll(line, "\t", "    ") + "\n")
		case isHeading:
			flush()
			b.WriteString(dialect.Paint(color, dialect.Bold, heading) + "\n")
		case line == "":
			flush()
			b.WriteString("\n")
		default:
			words = append(words, strings.Fields(line)...)
		}
	}
	flush()
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap writes the words as lines of at most so many columns; a longer word has a line of its own.
func wrap(b *strings.Builder, words []string, width int) {
	col := 0
	for _, word := range words {
		n := dialect.Width(word)
		if col > 0 && col+1+n > width {
			b.WriteString("\n")
			col = 0
		} else if col > 0 {
			b.WriteString(" ")
			col++
		}
		b.WriteString(word)
		col += n
	}
	b.WriteString("\n")
}
