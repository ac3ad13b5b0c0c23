package diag

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/source"
)

// Format is a way to print diagnostics.
type Format string

// The formats. Text is for people; JSON is zave's own, described by JSONSchema; the others are what forges and
// continuous integration read.
const (
	Text   Format = "text"
	JSON   Format = "json"
	SARIF  Format = "sarif"  // OASIS SARIF 2.1.0
	JUnit  Format = "junit"  // as the Jenkins xUnit plugin's junit-10.xsd has it
	GitHub Format = "github" // workflow commands that annotate the changed lines
	GitLab Format = "gitlab" // a Code Quality report
)

// Formats lists the formats in the order that usage texts give them.
func Formats() []Format { return []Format{Text, JSON, SARIF, JUnit, GitHub, GitLab} }

// PrintOptions say how to print. The zero value prints plain text without source lines.
type PrintOptions struct {
	// Color allows ANSI colours in text. Whether the output is a terminal, and what NO_COLOR says, the caller decides.
	Color bool
	// Width is how many columns a source line may take before it is cut around the caret; 0 stands for 160.
	Width int
	// Source gives the bytes of a file that spans name. It is asked once a file; nil, or false, leaves source lines out,
	// and columns are then counted in bytes where a format wants characters.
	Source func(file string) ([]byte, bool)
	// Version of zave, for the formats that say who made them.
	Version string
}

// Print writes the diagnostics of the list, sorted and each once. In every format, equal lists give equal bytes, and
// an empty list gives a valid document (no bytes at all in text and github). The text ends without counts: Summary
// has them, for the caller to write to stderr.
//
// The error is the writer's, or says that there is no such format.
func Print(w io.Writer, f Format, l *List, opts PrintOptions) error {
	p := &printer{w: bufio.NewWriter(w), opts: opts, all: l.Sorted(), files: dialect.NewFiles(opts.Source)}
	switch f {
	case Text:
		p.text()
	case JSON:
		p.json()
	case SARIF:
		p.sarif()
	case JUnit:
		p.junit()
	case GitHub:
		p.github()
	case GitLab:
		p.gitlab()
	default:
		return fmt.Errorf("no format %q: %s", f, DidYouMean(string(f), formatNames()))
	}
	return p.w.Flush()
}

func formatNames() []string {
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return names
}

// printer is one call of Print. Write errors stick to w until the flush.
type printer struct {
	w     *bufio.Writer
	opts  PrintOptions
	all   []Diagnostic
	files *dialect.Files
}

func (p *printer) paint(sgr, s string) string { return dialect.Paint(p.opts.Color, sgr, s) }

func severityColor(s Severity) string {
	if s == Warning {
		return dialect.Yellow
	}
	return dialect.Red
}

func (p *printer) text() {
	for i, d := range p.all {
		if i > 0 {
			p.w.WriteString("\n")
		}
		p.diagnostic(d)
	}
}

// diagnostic prints
//
//	file:line:col: error[ZAV000]: summary
//	  14 | the line
//	     |     ^~~~
//	  = hint: what to do
//	  file:line:col: note: what else matters
//	   9 | its line
//	     |     ^
func (p *printer) diagnostic(d Diagnostic) {
	color := severityColor(d.Severity)
	if !d.Span.IsZero() {
		p.w.WriteString(p.paint(dialect.Bold, visible(d.Span.String())+":") + " ")
	}
	p.w.WriteString(p.paint(color, d.Severity.String()+"["+string(d.Code)+"]") + ": " + visible(d.Summary) + "\n")
	p.frame(d.Span, color)
	if d.Hint != "" {
		p.w.WriteString("  = hint: " + visible(d.Hint) + "\n")
	}
	for _, n := range d.Notes {
		if n.Span.IsZero() {
			p.w.WriteString("  = note: " + visible(n.Text) + "\n")
			continue
		}
		p.w.WriteString("  " + p.paint(dialect.Bold, visible(n.Span.String())+":") + " note: " + visible(n.Text) + "\n")
		p.frame(n.Span, dialect.Bold)
	}
}

// frame prints the line of a span with the span marked; nothing when the line cannot be had.
func (p *printer) frame(s source.Span, color string) {
	if s.Line <= 0 {
		return
	}
	line, ok := p.files.Lines(s.File).Line(s.Line)
	if !ok {
		return
	}
	gutter := fmt.Sprintf("%4d | ", s.Line)
	width := p.opts.Width
	if width <= 0 {
		width = 160
	}
	text, before, marks := excerpt(line, s, max(width-len(gutter), 20))
	p.w.WriteString(strings.TrimRight(gutter+text, " ") + "\n")
	if marks > 0 {
		p.w.WriteString(strings.Repeat(" ", len(gutter)-2) + "| " + strings.Repeat(" ", before) +
			p.paint(color, "^"+strings.Repeat("~", marks-1)) + "\n")
	}
}
