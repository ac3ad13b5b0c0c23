package dialect

import (
	"fmt"
	"strings"

	"github.com/zavestudios/zave/internal/source"
)

// GitHubLimit is how many annotations of one level GitHub keeps a step. It drops the rest and says nothing.
const GitHubLimit = 10

// Annotation is a workflow command, which annotates the lines it names:
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
type Annotation struct {
	Level string // "error", "warning" or "notice"
	Span  source.Span
	Title string
	Text  string // visible text, which may have lines
}

// Command gives the workflow command, with its line end. The files are for counting columns in characters.
func (a Annotation) Command(files *Files) string {
	var b strings.Builder
	b.WriteString("::" + a.Level + " ")
	if s := a.Span; s.File != "" {
		b.WriteString("file=" + githubProperty(s.File) + ",")
		if s.Line > 0 {
			fmt.Fprintf(&b, "line=%d,", s.Line)
			if s.EndLine > s.Line {
				fmt.Fprintf(&b, "endLine=%d,", s.EndLine)
			}
			if s.Col > 0 {
				fmt.Fprintf(&b, "col=%d,", files.Lines(s.File).Column(s.Line, s.Col))
			}
		}
	}
	b.WriteString("title=" + githubProperty(a.Title) + "::" + githubData(a.Text) + "\n")
	return b.String()
}

// githubData and githubProperty escape as the runner's own toolkit does: actions/toolkit, packages/core/src/command.ts.
func githubData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func githubProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(githubData(Visible(s)))
}

// QualityIssue is one entry of GitLab's Code Quality report:
// https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
type QualityIssue struct {
	Description string          `json:"description"`
	CheckName   string          `json:"check_name"`
	Fingerprint string          `json:"fingerprint"` // holds no line number: GitLab compares two branches by it
	Severity    string          `json:"severity"`    // info, minor, major, critical or blocker
	Location    QualityLocation `json:"location"`
}

// QualityLocation is where an issue is.
type QualityLocation struct {
	Path  string `json:"path"`
	Lines struct {
		Begin int32 `json:"begin"`
	} `json:"lines"`
}

// QualityPlace gives the location of a span, which GitLab requires: the repository as a whole, ".", where there is no
// file, and its first line where there is no line.
func QualityPlace(s source.Span) QualityLocation {
	out := QualityLocation{Path: s.File}
	if out.Path == "" {
		out.Path = "."
	}
	out.Lines.Begin = max(s.Line, 1)
	return out
}
