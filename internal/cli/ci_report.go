package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/format"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/forge"
	"github.com/zavestudios/zave/internal/source"
)

// summaryLimit is how many bytes the job summary of a step may have; GitHub drops all of a longer one:
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#step-isolation-and-limits
const summaryLimit = 1 << 20

// passageLimit is how many bytes of what a step found stand in a comment: the log has all of it.
const passageLimit = 8000

// marker is the first line of the comment, by which it is found again. Each platform of a repository has its own.
func (c *ciRun) marker() string {
	// Nothing in it ends an HTML comment early (CommonMark, 4.6).
	return "<!-- zave ci: " + strings.ReplaceAll(url.PathEscape(c.prefix), "-", "%2D") + " -->"
}

// silent tells whether there is nothing to say: no step failed, and nothing changes.
func (c *ciRun) silent() bool {
	if len(c.parts) > 0 || c.found == nil {
		return len(c.parts) == 0
	}
	r := c.found.report
	return len(r.Changes)+len(r.Consequences)+len(r.Notes)+len(r.Stale) == 0
}

// markdown is what was found, within so many bytes, or the characters of a comment on GitHub for 0. The first line is
// the marker, if there is one.
func (c *ciRun) markdown(marker string, limit int) (string, error) {
	var b strings.Builder
	if marker != "" {
		b.WriteString(marker + "\n")
	}
	for _, p := range c.parts {
		b.WriteString("### zave ci: " + p.title + "\n\n" + block(p.text) + "\n")
	}
	if c.found == nil {
		return b.String(), nil
	}
	fo := c.format()
	fo.Limit, fo.Marker = limit, strings.TrimSuffix(b.String(), "\n")
	var out bytes.Buffer
	err := format.Print(&out, format.Markdown, c.found.report, fo)
	return out.String(), err
}

// block is text as a code block, shortened (CommonMark, 4.5).
func block(s string) string {
	var kept []string
	size, all := 0, strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, line := range all {
		line = diag.Visible(line)
		if size += len(line) + 1; size > passageLimit {
			kept = append(kept, fmt.Sprintf("… and %s, which the log has", counted(len(all)-i, "more line", "more lines")))
			break
		}
		kept = append(kept, line)
	}
	text := strings.Join(kept, "\n")
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	return fence + "text\n" + text + "\n" + fence + "\n"
}

func longestRun(s string, sign rune) (longest int) {
	run := 0
	for _, r := range s {
		if r == sign {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// rooted gives the report with the files of its spans from the top of the repository, as forges want them.
func (c *ciRun) rooted() *report.Report {
	r := *c.found.report
	r.Changes, r.Consequences = slices.Clone(r.Changes), slices.Clone(r.Consequences)
	for i := range r.Changes {
		c.move(&r.Changes[i].Origin)
	}
	for i := range r.Consequences {
		subjects := slices.Clone(r.Consequences[i].Subjects)
		for j := range subjects {
			c.move(&subjects[j].Origin)
		}
		r.Consequences[i].Subjects = subjects
	}
	return &r
}

// rootedList is rooted for diagnostics.
func (c *ciRun) rootedList() diag.List {
	var list diag.List
	for _, d := range c.in.list.Sorted() {
		c.move(&d.Span)
		d.Notes = slices.Clone(d.Notes)
		for i := range d.Notes {
			c.move(&d.Notes[i].Span)
		}
		list.Add(d)
	}
	return list
}

func (c *ciRun) move(s *source.Span) {
	if s.File != "" {
		s.File = path.Join(c.prefix, s.File)
	}
}

// unrooted reads a file by its name from the top of the repository.
func (c *ciRun) unrooted(read func(string) ([]byte, bool)) func(string) ([]byte, bool) {
	return func(file string) ([]byte, bool) {
		if c.prefix != "." {
			file = strings.TrimPrefix(file, c.prefix+"/")
		}
		return read(file)
	}
}

// machine prints what was found in a format for programs: the diagnostics, and the diff where there is one.
func (c *ciRun) machine(f diag.Format) (problems, changes []byte, err error) {
	var b bytes.Buffer
	list := c.rootedList()
	err = diag.Print(&b, f, &list, diag.PrintOptions{Source: c.unrooted(c.in.Source), Version: version})
	if err != nil || c.found == nil {
		return b.Bytes(), nil, err
	}
	fo := c.format()
	fo.Source = c.unrooted(c.found.source)
	var d bytes.Buffer
	err = format.Print(&d, format.Format(f), c.rooted(), fo)
	return b.Bytes(), d.Bytes(), err
}

// annotate prints annotations, as many as GitHub keeps of a step: what is wrong, and then what changes.
func (c *ciRun) annotate() {
	if c.p.kind != forge.GitHub {
		return
	}
	problems, changes, err := c.machine(diag.GitHub)
	c.lost("annotations", err)
	c.stdout.Write(fewAnnotations(slices.Concat(problems, changes)))
}

// fewAnnotations leaves out annotations beyond GitHub's limit of a level. Two places a level are kept for what the run
// itself has to say: why there is no diff, or what it stops at, and what became of the comment.
func fewAnnotations(all []byte) []byte {
	total, n := map[string]int{}, map[string]int{}
	level := func(line []byte) string {
		word, _, _ := strings.Cut(strings.TrimPrefix(string(line), "::"), " ")
		return word
	}
	for line := range bytes.Lines(all) {
		total[level(line)]++
	}
	const room = dialect.GitHubLimit - 2
	var out bytes.Buffer
	for line := range bytes.Lines(all) {
		l := level(line)
		n[l]++
		switch {
		case total[l] <= room || n[l] < room:
			out.Write(line)
		case n[l] == room:
			out.WriteString(ciAnnotation(l, fmt.Sprintf("and %d more, which the log and the summary have", total[l]-room+1), ""))
		}
	}
	return out.Bytes()
}

// ciAnnotation is an annotation of the run itself.
func ciAnnotation(level, text, hint string) string {
	text = strings.TrimSpace(diag.Visible(text) + "\n" + diag.Visible(hint))
	return dialect.Annotation{Level: level, Title: "zave ci", Text: text}.Command(dialect.NewFiles(nil))
}

// files writes what was asked for.
func (c *ciRun) files() {
	for _, f := range []struct {
		flag, file string
		format     diag.Format
		join       func(a, b []byte) ([]byte, error)
	}{
		{"--sarif", c.o.sarif, diag.SARIF, joinSARIF},
		{"--junit", c.o.junit, diag.JUnit, joinJUnit},
		{"--gitlab", c.o.quality, diag.GitLab, joinQuality},
	} {
		if f.file == "" {
			continue
		}
		data, changes, err := c.machine(f.format)
		if err == nil && changes != nil {
			data, err = f.join(data, changes)
		}
		if err == nil {
			err = os.WriteFile(f.file, data, 0o666)
		}
		c.lost(f.flag, err)
	}
	if c.o.report == "" || c.found == nil {
		return
	}
	var b bytes.Buffer
	err := format.Print(&b, reportFormats()[filepath.Ext(c.o.report)], c.found.report, c.format())
	if err == nil {
		err = os.WriteFile(c.o.report, b.Bytes(), 0o666)
	}
	c.lost("--report", err)
}

// joinSARIF makes one run of two: GitHub takes one run of a tool and a category.
func joinSARIF(a, b []byte) ([]byte, error) {
	var x, y dialect.SARIF
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		return nil, err
	}
	to, from := &x.Runs[0], y.Runs[0]
	for _, r := range from.Results {
		r.RuleIndex += len(to.Tool.Driver.Rules)
		to.Results = append(to.Results, r)
	}
	to.Tool.Driver.Rules = append(to.Tool.Driver.Rules, from.Tool.Driver.Rules...)
	to.Invocations = append(to.Invocations, from.Invocations...)
	return dialect.JSON(x), nil
}

func joinJUnit(a, b []byte) ([]byte, error) {
	var x, y dialect.JUnit
	if err := errors.Join(xml.Unmarshal(a, &x), xml.Unmarshal(b, &y)); err != nil {
		return nil, err
	}
	x.Suites = append(x.Suites, y.Suites...)
	x.Tests, x.Failures, x.Errors = x.Tests+y.Tests, x.Failures+y.Failures, x.Errors+y.Errors
	return x.Encode(""), nil
}

func joinQuality(a, b []byte) ([]byte, error) {
	var x, y []dialect.QualityIssue
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		return nil, err
	}
	return dialect.JSON(append(x, y...)), nil
}

// summarize writes the job summary and the step's outputs.
func (c *ciRun) summarize() {
	if c.p.summary != "" {
		room := summaryLimit
		if info, err := os.Stat(c.p.summary); err == nil {
			room -= int(info.Size())
		}
		text, err := c.markdown("", room)
		switch {
		case err == nil && len(text) < room:
			err = appendTo(c.p.summary, text+"\n")
		case err == nil:
			c.warn("notice", "no job summary: there is no room left in it for this step", "")
		}
		c.lost("the job summary", err)
	}
	if c.p.outputs == "" {
		return
	}
	var b strings.Builder
	result := "fine"
	switch {
	case len(c.failed) > 0:
		result = "failed"
	case len(c.unknown) > 0:
		result = "unknown"
	}
	fmt.Fprintf(&b, "result=%s\nstale=%t\nproblems=%d\n", result, c.stale, errorsOf(c.in.list))
	if c.found != nil {
		r := c.found.report
		fmt.Fprintf(&b, "changed=%t\nblocked=%t\nobjects=%d\n", len(r.Changes)+len(r.Consequences) > 0, c.blocking > 0,
			len(r.Changes))
		for _, class := range report.Classes() {
			fmt.Fprintf(&b, "%s=%d\n", class, r.Count(class))
		}
		if c.o.report != "" {
			fmt.Fprintf(&b, "report=%s\n", diag.Visible(c.o.report))
		}
	}
	c.lost("the step's outputs", appendTo(c.p.outputs, b.String()))
}

func errorsOf(list diag.List) (n int) {
	for _, d := range list.Sorted() {
		if d.Severity == diag.Error {
			n++
		}
	}
	return n
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// comment keeps the comment on the request. What is wrong with it is a warning, unless --require-comment says otherwise.
func (c *ciRun) comment(ctx context.Context) error {
	switch {
	case c.o.noComment || c.p.kind == "":
		return nil
	case !c.p.request():
		c.say("no comment: the run is of no pull or merge request (%s)", diag.Visible(cmp.Or(c.p.event, "unknown event")))
		return nil
	}
	if why, hint := c.p.silence(); why != "" {
		c.missing(why, hint)
		return nil
	}
	text := ""
	if !c.silent() {
		limit := 0
		if c.p.kind == forge.GitLab {
			limit = forge.GitLabComment
		}
		var err error
		if text, err = c.markdown(c.marker(), limit); err != nil {
			return err
		}
	}
	c.stages.begin("comment")
	result, err := forge.Keep(ctx, c.p.target, c.marker(), text, forge.Options{
		Timeout: c.o.timeout, Agent: "zave/" + version,
	})
	c.stages.end()
	var f *forge.Error
	switch {
	case errors.As(err, &f):
		c.missing(diag.Visible(f.Text), diag.Visible(f.Hint))
		return nil
	case err != nil:
		return err
	case result.Outcome == forge.Nothing:
		c.say("no comment on %s: there is nothing to say", diag.Visible(c.p.target.String()))
		return nil
	}
	where := diag.Visible(c.p.target.String())
	if result.URL != "" {
		where += ": " + diag.Visible(result.URL)
	}
	c.say("comment %s on %s", result.Outcome, where)
	if c.p.outputs != "" && result.URL != "" && result.Outcome != forge.Removed {
		c.lost("the step's outputs", appendTo(c.p.outputs, "comment="+diag.Visible(result.URL)+"\n"))
	}
	return nil
}

// missing says why the comment is not what it should be. Of a fork nothing else is to be expected.
func (c *ciRun) missing(why, hint string) {
	switch {
	case c.p.fork:
		c.warn("notice", "no comment: "+why, hint)
	case c.o.requireComment:
		c.warn("error", "no comment: "+why, hint)
		c.unknown = append(c.unknown, "the comment is missing, and --require-comment asks for it")
	default:
		c.warn("warning", "no comment: "+why, hint)
	}
}
