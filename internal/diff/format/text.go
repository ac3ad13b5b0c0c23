package format

import (
	"fmt"
	"strings"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/report"
)

// margin is where a consequence's text begins: behind the widest sign, "-/+".
const margin = 6

// text prints for a terminal: counts, then what follows from the change, the most dangerous first, then what stops it.
func (p *printer) text() {
	base, head := p.sides()
	if p.empty() {
		p.say(0, "nothing changes in the clusters: %s → %s", base, head)
		return
	}
	p.headline(base, head)
	for _, g := range p.groups {
		p.section(classColor(g.class, p.r.Generator), strings.ToUpper(g.title), g.gloss)
		why := ""
		for n, i := range g.all {
			q := p.r.Consequences[i]
			same := n > 0 && q.Why == why
			if n > 0 && dangerous(q.Class) && (!same || q.Data || len(q.Plan) > 0) {
				p.w.WriteString("\n") // each is read by itself
			}
			p.consequence(i, !same)
			why = q.Why
		}
	}
	p.amounts()
	if p.o.Verbose {
		p.fields()
	}
	p.remarks()
	p.verdict()
}

func (p *printer) paint(sgr, s string) string { return dialect.Paint(p.o.Color, sgr, s) }

// classColor is the colour of a class's name: what is deadly stands out without reading.
func classColor(c report.Class, generator bool) string {
	switch c {
	case report.Destructive:
		return dialect.WhiteRed
	case report.Disruptive:
		return dialect.Yellow
	case report.Exposure:
		return dialect.Magenta
	case report.Capacity:
		return dialect.Cyan
	case report.Additive:
		return dialect.Green
	default:
		return dialect.Faint
	}
}

func (p *printer) headline(base, head string) {
	var parts []string
	for _, g := range p.groups {
		count := number(g.subjects) + " " + g.title
		color := classColor(g.class, p.r.Generator)
		if g.class == report.Destructive {
			color = dialect.Red
		}
		parts = append(parts, p.paint(color, count))
	}
	if len(parts) == 0 {
		parts = []string{"nothing changes in the clusters"}
	}
	// Wrapped by what shows: colours take no columns.
	line, width := "", 0
	for i, part := range parts {
		w := dialect.Width(p.plainCount(i))
		if i > 0 && p.o.Width > 0 && width+3+w > p.o.Width {
			p.w.WriteString(line + "\n")
			line, width = part, w
			continue
		}
		if i > 0 {
			line, width = line+" · ", width+3
		}
		line, width = line+part, width+w
	}
	p.w.WriteString(line + "\n")

	what := []string{base + " → " + head}
	if p.r.Generator {
		what = []string{"the same specs: " + base + " → " + head}
	}
	if len(p.clusters) > 0 {
		what = append(what, clusterText(p.clusters))
	}
	if len(p.r.Changes) > 0 {
		what = append(what, p.objectsText())
	}
	p.wrap(0, 0, dialect.Faint, strings.Join(what, " · "))
}

func (p *printer) plainCount(i int) string {
	if i < len(p.groups) {
		return p.counts()[i]
	}
	return ""
}

func clusterText(clusters []string) string {
	if len(clusters) == 1 {
		return "cluster " + clusters[0]
	}
	return "clusters " + enumerate(clusters, 6)
}

// section begins a section.
func (p *printer) section(color, title, gloss string) {
	if p.o.Color {
		title = " " + title + " " // the ground of the colour
	}
	p.w.WriteString("\n" + p.paint(color, title))
	switch {
	case gloss == "":
		p.w.WriteString("\n")
	case p.o.Width > 0 && dialect.Width(title)+2+dialect.Width(gloss) > p.o.Width:
		p.w.WriteString("\n")
		p.wrap(0, 2, dialect.Faint, gloss)
	default:
		p.w.WriteString("  " + p.paint(dialect.Faint, gloss) + "\n")
	}
}

// consequence prints
//
//   - Namespace panchito deleted, with the 3 volumes in it
//     data is at stake: why it is of its class
//     tenants/panchito/tenant.cue:14
//
// A reason that was just given is not given again.
func (p *printer) consequence(i int, reason bool) {
	q := p.r.Consequences[i]
	mark := p.mark(i)
	color := markColor(mark)
	switch q.Class {
	case report.Destructive:
		color = dialect.Red
	case report.Exposure:
		color = dialect.Magenta // a path that opens is not good because it is new
	}
	p.w.WriteString(strings.Repeat(" ", 2) + p.paint(color, mark) + strings.Repeat(" ", margin-2-len(mark)))
	bold := ""
	if dangerous(q.Class) {
		bold = dialect.Bold
	}
	at := ""
	if p.o.Verbose || q.Class != report.Cosmetic {
		at = places(q.Subjects, sampled)
	}
	p.placed(bold, p.who(q.Kind, q.Subjects)+" "+q.Text, at)
	if q.Data {
		p.wrap(0, margin, dialect.Red, "DATA IS AT STAKE")
	}
	answers := passes(q)
	for _, x := range answers {
		if text := p.passText(i, x, len(answers) > 1); text != "" {
			sign, sgr := "✓ ", dialect.Green
			if x.why == "" {
				sign, sgr = "✗ ", dialect.Red
			}
			p.item(margin, sgr, sign, text)
		}
	}
	if reason && q.Why != "" && (p.o.Verbose || dangerous(q.Class)) {
		p.wrap(0, margin, "", q.Why)
	}
	if len(q.Plan) > 0 {
		p.wrap(0, margin, dialect.Bold, "safe order:")
		for n, step := range q.Plan {
			p.item(margin+2, "", fmt.Sprintf("%d. ", n+1), step)
		}
	}
}

func markColor(mark string) string {
	switch mark {
	case "+":
		return dialect.Green
	case "-", "-/+":
		return dialect.Red
	default:
		return dialect.Yellow
	}
}

// amounts prints what the clusters' workloads and quotas add up to, and what that costs.
func (p *printer) amounts() {
	if len(p.r.Amounts) == 0 && len(p.r.Money) == 0 {
		return
	}
	p.section(dialect.Cyan, "TOTALS", "per cluster")
	rows := p.totals()
	widths := make([]int, 3)
	for _, row := range rows {
		for i := range widths {
			widths[i] = max(widths[i], dialect.Width(row[i]))
		}
	}
	for _, row := range rows {
		line := strings.Repeat(" ", margin)
		for i, cell := range row {
			line += cell
			if i < len(widths) {
				line += strings.Repeat(" ", widths[i]-dialect.Width(cell)+2)
			}
		}
		p.w.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	for _, m := range p.r.Money {
		if m.How != "" {
			p.wrap(0, margin, dialect.Faint, m.What+" on "+m.Cluster+": "+m.How)
		}
	}
}

// totals gives rows of cluster, what, before → after, and by how much, as visible text.
func (p *printer) totals() [][]string {
	var rows [][]string
	for _, a := range p.r.Amounts {
		rows = append(rows, []string{a.Cluster, a.What, zero(a.Before) + " → " + zero(a.After), delta(a.Before, a.After)})
	}
	for _, m := range p.r.Money {
		by := dollarDelta(m.Before, m.After)
		if m.Before > 0 {
			by += " (" + percent(m.Before, m.After) + ")"
		}
		rows = append(rows, []string{m.Cluster, m.What, dollars(m.Before) + " → " + dollars(m.After), by})
	}
	for _, row := range rows {
		for i := range row {
			row[i] = dialect.Visible(row[i])
		}
	}
	return rows
}

func zero(quantity string) string {
	if quantity == "" {
		return "0"
	}
	return quantity
}

// fields prints what changes in the objects, one patch of many objects once.
func (p *printer) fields() {
	if len(p.r.Changes) == 0 {
		return
	}
	p.section(dialect.Bold, "OBJECTS", "as server-side apply sees them")
	all := make([]int, len(p.r.Changes))
	for i := range all {
		all[i] = i
	}
	for _, x := range p.patches(all) {
		mark := x.change.Action.Mark()
		p.w.WriteString("  " + p.paint(markColor(mark), mark) + strings.Repeat(" ", margin-2-len(mark)))
		p.placed("", p.title(x), places(x.subjects, sampled))
		shown, hidden := shownFields(x.change.Fields)
		for _, f := range shown {
			p.field(f)
		}
		if hidden != "" {
			p.wrap(0, margin, dialect.Faint, "("+hidden+")")
		}
	}
}

// field prints a field on one line where it fits, else its two sides below it.
func (p *printer) field(f report.Field) {
	path := dialect.Visible(f.Path)
	if f.Immutable {
		path += " (immutable)"
	}
	before, after := dialect.Visible(f.Before), dialect.Visible(f.After)
	if f.Before != "" && f.After != "" {
		width := margin + dialect.Width(path) + 2 + dialect.Width(before) + 3 + dialect.Width(after)
		if p.o.Width <= 0 && width <= 160 || width <= p.o.Width {
			fmt.Fprintf(p.w, "%*s%s: %s → %s\n", margin, "", path, p.paint(dialect.Red, before), p.paint(dialect.Green, after))
			return
		}
	}
	p.wrap(0, margin, "", path)
	if f.Before != "" {
		p.item(margin+2, dialect.Red, "- ", f.Before)
	}
	if f.After != "" {
		p.item(margin+2, dialect.Green, "+ ", f.After)
	}
}

// remarks prints what the report could not tell, and acknowledgements that are of no use any more.
func (p *printer) remarks() {
	if len(p.r.Notes) > 0 {
		p.section(dialect.Yellow, "NOT TOLD", "")
		for _, n := range p.r.Notes {
			p.wrap(0, margin, "", n)
		}
	}
	if len(p.r.Stale) > 0 {
		p.section(dialect.Yellow, "STALE", "what these acknowledged has changed or is gone; zave ack --prune removes them")
		for _, file := range p.r.Stale {
			p.wrap(0, margin, "", file)
		}
	}
}

// listed is how many objects the verdict names.
const listed = 20

// verdict says what stops the change, and how it is let through.
func (p *printer) verdict() {
	if len(p.blocking) == 0 {
		return
	}
	p.section(dialect.WhiteRed, "NOT LET THROUGH", counted(len(p.blocking), "consequence")+", by --fail-on "+p.failOn())
	refs, tenants := p.blockers()
	for i, b := range refs {
		if i == listed {
			p.wrap(0, margin, "", "and "+number(len(refs)-listed)+" more")
			break
		}
		p.wrap(0, margin, dialect.Bold, p.blockerText(b))
	}
	if len(refs) == 0 {
		return
	}
	p.wrap(0, 2, "", "Where it is meant, one of these lets it through:")
	for _, way := range ways(refs[0], tenants) {
		p.wrap(0, margin, dialect.Bold, way[0])
		p.wrap(0, margin+4, dialect.Faint, way[1])
	}
}

// ways are how a change is let through: what to do, and what that means. Other classes than destructive have to be
// named to zave ack, and are not what --allow is for.
func ways(b blocker, tenants []string) [][2]string {
	class := ""
	if b.class != report.Destructive {
		class = " --fail-on " + string(b.class)
	}
	out := [][2]string{{
		"zave ack " + shellWord(b.ref) + class + " --reason 'WHY'",
		"writes a file to commit with this change; it holds for this very patch, and expires when the change changes",
	}}
	if class != "" {
		return out
	}
	if len(tenants) > 0 {
		out = append(out, [2]string{
			`state: "retired"`,
			"in the spec of " + enumerate(tenants, sampled) + ", for what is to go for good",
		})
	}
	return append(out, [2]string{"zave diff --allow " + shellWord(b.ref), "for this run alone"})
}

// shellWord quotes a word for a POSIX shell where it must be.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/-._:@%+,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (p *printer) say(indent int, format string, args ...any) {
	p.wrap(0, indent, "", fmt.Sprintf(format, args...))
}

// wrap writes text in lines of at most so many columns, each behind an indent; the first begins behind so many columns
// that are written already. A word that is too long is cut, since a terminal would cut it without the indent.
func (p *printer) wrap(written, indent int, sgr, text string) {
	text = dialect.Visible(text)
	if written == 0 {
		p.w.WriteString(strings.Repeat(" ", indent))
	}
	if p.o.Width <= 0 {
		p.w.WriteString(p.paint(sgr, text) + "\n")
		return
	}
	width := max(p.o.Width-indent, 20)
	for i, line := range fold(text, width) {
		if i > 0 {
			p.w.WriteString(strings.Repeat(" ", indent))
		}
		p.w.WriteString(p.paint(sgr, line) + "\n")
	}
}

// item writes text behind a sign that its further lines keep clear of.
func (p *printer) item(indent int, sgr, sign, text string) {
	p.w.WriteString(strings.Repeat(" ", indent) + p.paint(sgr, sign))
	indent += dialect.Width(sign)
	p.wrap(indent, indent, sgr, text)
}

// placed writes text behind the margin, which is written, and where it comes from behind it if there is room, else
// below.
func (p *printer) placed(sgr, text, at string) {
	if at == "" {
		p.wrap(margin, margin, sgr, text)
		return
	}
	text, at = dialect.Visible(text), dialect.Visible(at)
	lines := []string{text}
	if p.o.Width > 0 {
		lines = fold(text, max(p.o.Width-margin, 20))
	}
	last := len(lines) - 1
	for i, line := range lines {
		if i > 0 {
			p.w.WriteString(strings.Repeat(" ", margin))
		}
		p.w.WriteString(p.paint(sgr, line))
		if i < last {
			p.w.WriteString("\n")
		}
	}
	if p.o.Width <= 0 || margin+dialect.Width(lines[last])+2+dialect.Width(at) <= p.o.Width {
		p.w.WriteString("  " + p.paint(dialect.Faint, at) + "\n")
		return
	}
	p.w.WriteString("\n")
	p.wrap(0, margin, dialect.Faint, at)
}

// fold cuts visible text into lines of at most so many columns, at spaces where there are some.
func fold(text string, width int) []string {
	var lines []string
	line, used := "", 0
	flush := func() {
		lines = append(lines, line)
		line, used = "", 0
	}
	for _, word := range strings.Split(text, " ") {
		w := dialect.Width(word)
		switch {
		case line == "" && len(lines) == 0 && used == 0 && w <= width:
			line, used = word, w
			continue
		case used > 0 && used+1+w <= width:
			line, used = line+" "+word, used+1+w
			continue
		case used > 0:
			flush()
		}
		for _, r := range word {
			n := dialect.RuneWidth(r)
			if used+n > width {
				flush()
			}
			line, used = line+string(r), used+n
		}
	}
	return append(lines, line)
}
