// Package format prints what a change of the specs does to the clusters, for people and for programs.
//
// Invariants: equal reports give equal bytes, in every format; no value that looks like a secret leaves, whatever the
// report holds; what users wrote leaves only as text that prints: never as a control character, a bidirectional one,
// markup, a mention or a command to a forge; what a format has no room for is left out from the least dangerous end,
// and counted.
package format

import (
	"bufio"
	"fmt"
	"io"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/diff/report"
)

// Format is a way to print a report.
type Format string

// The formats. Text is for a terminal, Markdown for the comment of a pull request, HTML for a browser; JSON is zave's
// own, described by JSONSchema; the others are what forges and continuous integration read.
const (
	Text     Format = "text"
	Markdown Format = "markdown" // GitHub's and GitLab's
	HTML     Format = "html"     // one file that needs no other
	JSON     Format = "json"
	JUnit    Format = "junit"  // as the Jenkins xUnit plugin's junit-10.xsd has it
	SARIF    Format = "sarif"  // OASIS SARIF 2.1.0
	GitHub   Format = "github" // workflow commands that annotate the changed lines
	GitLab   Format = "gitlab" // a Code Quality report
)

// Formats lists the formats in the order that usage texts give them.
func Formats() []Format { return []Format{Text, Markdown, HTML, JSON, JUnit, SARIF, GitHub, GitLab} }

// Options say how to print. The zero value prints plain text that is not wrapped.
type Options struct {
	// Color allows ANSI colours in text. Whether the output is a terminal, and what NO_COLOR says, the caller decides.
	Color bool
	// Width is how many columns a line of text may take; 0 does not wrap, as for a pipe.
	Width int
	// Verbose adds to the text the fields that change, and the reasons of what is harmless.
	Verbose bool
	// Version of zave, for the formats that say who made them.
	Version string
	// Limit is how many bytes of Markdown there may be; 0 stands for GitHub's 65,536 characters. The summary stays
	// whatever the limit: below about 8,000 bytes it may not be kept.
	Limit int
	// Marker is the first line of Markdown: an HTML comment by which the comment is found again. It is written as it is.
	Marker string
	// FailOn are the classes that the caller's policy stops at.
	FailOn []report.Class
	// Source gives the bytes of a file that spans name, so that columns can be counted in characters. It may be nil.
	Source func(file string) ([]byte, bool)
	// Repo is the address that the web view shows the head's files below, for links: it is followed by "/", the file and
	// "#L" and a line. "https://github.com/OWNER/NAME/blob/COMMIT", "https://gitlab.example/GROUP/NAME/-/blob/COMMIT".
	// Empty, or not http(s): places are not links.
	Repo string
	// Mask takes what looks like a secret out of a text. What looks like one by the name of its field is masked without
	// it. It may be nil.
	Mask func(string) string
	// Describe gives the sentence that documents a rule, for the formats that list rules. It may be nil.
	Describe func(rule string) string
}

// Print writes a report. In every format a report that holds nothing gives a valid document (in github none at all, and
// one line in text).
//
// The error is the writer's, or says that there is no such format.
func Print(w io.Writer, f Format, r *report.Report, o Options) error {
	p := newPrinter(bufio.NewWriter(w), r, o)
	switch f {
	case Text:
		p.text()
	case Markdown:
		p.markdown()
	case HTML:
		p.html()
	case JSON:
		p.json()
	case JUnit:
		p.junit()
	case SARIF:
		p.sarif()
	case GitHub:
		p.github()
	case GitLab:
		p.gitlab()
	default:
		return fmt.Errorf("no format %q: %s", f, diag.DidYouMean(string(f), formatNames()))
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
