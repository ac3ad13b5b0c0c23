package format

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/source"
)

const (
	// githubComment is how many characters the body of a comment may have. GitHub says 65,536 and means them as Unicode
	// characters; UTF-16 units are never fewer, and are what its web form counts.
	githubComment = 65536
	// longest is how many characters of one value are shown; names are far shorter.
	longest = 400
	// manyTenants is over how many tenants a patch is said once for all of them.
	manyTenants = 3
	// manyFields is how many fields of a patch are shown.
	manyFields = 40
)

// part is a stretch of Markdown that may be left out. Parts of one section stand between its head and its tail.
type part struct {
	section int
	text    string
	class   report.Class // how dangerous what it says is
	detail  bool         // it adds to what another part says
	count   int          // consequences or objects that it speaks of
	name    string       // what it is, where it speaks of neither
}

// section is the frame of parts; without a part, it is left out too.
type section struct{ head, tail string }

// document is Markdown that can be shortened.
type document struct {
	fixed    string // the headline and the table, which always stay
	end      string // likewise
	sections []section
	parts    []part
}

func (d *document) open(head, tail string) { d.sections = append(d.sections, section{head, tail}) }

// fold opens a section that is folded away under a summary, which is HTML.
func (d *document) fold(summary string) {
	d.open("\n<details>\n<summary>"+summary+"</summary>\n\n", "\n</details>\n")
}

func (d *document) add(text string, class report.Class, detail bool, count int) {
	d.parts = append(d.parts, part{len(d.sections) - 1, text, class, detail, count, ""})
}

// addNamed adds a part that is one of its kind.
func (d *document) addNamed(name, text string, class report.Class) {
	d.parts = append(d.parts, part{len(d.sections) - 1, text, class, true, 0, name})
}

// markdown prints a comment for a pull request: the headline and the summary table, what is dangerous, and the rest
// folded away. What there is no room for goes from the least dangerous end.
func (p *printer) markdown() {
	d := &document{fixed: p.markdownHead(), end: p.markdownEnd()}
	for _, g := range p.groups {
		p.markdownGroup(d, g)
	}
	p.markdownTotals(d)
	if graph := p.mermaid(); graph != "" {
		d.open("\n#### Network paths\n\n", "")
		d.addNamed("the graph of network paths", graph, report.Exposure)
	}
	p.markdownObjects(d)
	p.w.WriteString(d.shorten(p.o.Limit))
}

// shorten gives the document within so many bytes, or GitHub's characters for 0.
func (d *document) shorten(limit int) string {
	size := func(s string) int { return len(s) }
	if limit <= 0 {
		limit = githubComment
		size = func(s string) int {
			n := 0
			for _, r := range s {
				n += max(utf16.RuneLen(r), 1)
			}
			return n
		}
	}
	total := size(d.fixed) + size(d.end)
	filled := make([]int, len(d.sections))
	frame := func(i int) int { return size(d.sections[i].head) + size(d.sections[i].tail) }
	for _, x := range d.parts {
		total += size(x.text)
		if filled[x.section]++; filled[x.section] == 1 {
			total += frame(x.section)
		}
	}
	order := make([]int, len(d.parts))
	for i := range order {
		order[i] = i
	}
	classes := report.Classes()
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := d.parts[a], d.parts[b]
		return cmp.Or(
			-cmp.Compare(slices.Index(classes, x.class), slices.Index(classes, y.class)),
			-cmp.Compare(asInt(x.detail), asInt(y.detail)),
			-cmp.Compare(a, b),
		)
	})
	gone := make([]bool, len(d.parts))
	consequences, objects := map[report.Class]int{}, 0
	var named []string
	note := ""
	for _, i := range order {
		if total+size(note) <= limit {
			break
		}
		x := d.parts[i]
		gone[i] = true
		total -= size(x.text)
		if filled[x.section]--; filled[x.section] == 0 {
			total -= frame(x.section)
		}
		switch {
		case x.name != "":
			named = append(named, x.name)
		case x.detail:
			objects += x.count
		default:
			consequences[x.class] += x.count
		}
		note = leftOut(consequences, objects, named)
	}
	var b strings.Builder
	b.WriteString(d.fixed)
	open := -1
	for i, x := range d.parts {
		if gone[i] {
			continue
		}
		if x.section != open {
			if open >= 0 {
				b.WriteString(d.sections[open].tail)
			}
			open = x.section
			b.WriteString(d.sections[open].head)
		}
		b.WriteString(x.text)
	}
	if open >= 0 {
		b.WriteString(d.sections[open].tail)
	}
	b.WriteString(note + d.end)
	return b.String()
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func leftOut(consequences map[report.Class]int, objects int, named []string) string {
	var what []string
	for _, c := range report.Classes() {
		if n := consequences[c]; n > 0 {
			what = append(what, counted(n, string(c)+" consequence"))
		}
	}
	if objects > 0 {
		what = append(what, "the changes of "+counted(objects, "object"))
	}
	what = append(what, named...)
	return "\n> [!NOTE]\n> Shortened to fit into a comment, the least dangerous first. Left out: " + enumerate(what, 99) +
		". `zave diff` prints all of it.\n"
}

// icon is a sign that shows how dangerous a class is; the class is always named beside it.
func icon(c report.Class) string {
	switch c {
	case report.Destructive:
		return "🔴"
	case report.Disruptive:
		return "🟠"
	case report.Exposure:
		return "🟣"
	case report.Capacity:
		return "🔵"
	case report.Additive:
		return "🟢"
	default:
		return "⚪"
	}
}

// mostColumns is how many clusters have a column of their own in the summary table.
const mostColumns = 5

func (p *printer) markdownHead() string {
	var b strings.Builder
	if p.o.Marker != "" {
		b.WriteString(p.o.Marker + "\n")
	}
	base, head := p.sides()
	title := "nothing changes in the clusters"
	if len(p.groups) > 0 {
		title = strings.Join(p.counts(), " · ")
	}
	b.WriteString("### zave diff: " + title + "\n\n")
	if len(p.blocking) > 0 {
		b.WriteString("> [!CAUTION]\n> ")
		if slices.ContainsFunc(p.blocking, func(i int) bool { return p.r.Consequences[i].Data }) {
			b.WriteString("**Data is at stake.** ")
		}
		b.WriteString(fmt.Sprintf("%s not let through, of the classes that this check stops at: %s.\n\n",
			isAre(len(p.blocking), "consequence"), escape(p.failOn())))
	}
	what := []string{code(base) + " → " + code(head)}
	if p.r.Generator {
		what[0] = "the same specs, by another version of zave: " + what[0]
	}
	if n := len(p.clusters); n > 0 {
		what = append(what, escape(clip(clusterText(p.clusters), longest)))
	}
	if len(p.r.Changes) > 0 {
		what = append(what, p.objectsText())
	}
	b.WriteString(strings.Join(what, " · ") + "\n")
	if len(p.groups) == 0 {
		return b.String()
	}
	columns := p.clusters
	if len(columns) > mostColumns || len(columns) == 1 {
		columns = nil
	}
	b.WriteString("\n| class | count |")
	for _, c := range columns {
		b.WriteString(" " + cell(code(clip(c, 40))) + " |")
	}
	b.WriteString(" the first of them |\n| :-- | --: |" + strings.Repeat(" --: |", len(columns)) + " :-- |\n")
	for _, g := range p.groups {
		n := map[string]int{}
		for _, i := range g.all {
			for _, s := range p.r.Consequences[i].Subjects {
				n[s.Cluster]++
			}
		}
		fmt.Fprintf(&b, "| %s %s | %s |", icon(g.class), g.title, number(g.subjects))
		for _, c := range columns {
			b.WriteString(" " + number(n[c]) + " |")
		}
		q := p.r.Consequences[g.all[0]]
		b.WriteString(" " + cell(p.markdownTitle(q, 120)) + " |\n")
	}
	return b.String()
}

func isAre(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return counted(n, noun) + " are"
}

// cell keeps Markdown from ending a table's cell: that takes a backslash within code too (GFM, 4.10).
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// markdownTitle is a consequence in one line; its text is clipped.
func (p *printer) markdownTitle(q report.Consequence, most int) string {
	names := func(s string) string { return code(clip(s, most/2)) }
	return p.whoAs(q.Kind, q.Subjects, names, short) + " " + escape(clip(q.Text, most))
}

// short is escape for a few words.
func short(s string) string { return escape(clip(s, 100)) }

// markdownGroup adds a class: open where it is dangerous, else folded.
func (p *printer) markdownGroup(d *document, g group) {
	heading := icon(g.class) + " " + strings.ToUpper(g.title[:1]) + g.title[1:]
	if dangerous(g.class) {
		d.open("\n#### "+heading+": "+g.gloss+"\n\n", "")
	} else {
		d.fold(fmt.Sprintf("%s %s %s: %s", icon(g.class), number(g.subjects), g.title, g.gloss))
	}
	for _, i := range g.all {
		q := p.r.Consequences[i]
		d.add(p.markdownConsequence(i), q.Class, false, 1)
	}
}

func (p *printer) markdownConsequence(i int) string {
	q := p.r.Consequences[i]
	var b strings.Builder
	b.WriteString("- `" + p.mark(i) + "` ")
	if dangerous(q.Class) {
		b.WriteString("**" + p.whoAs(q.Kind, q.Subjects, code, short) + "** " + escape(clip(q.Text, 4*longest)))
	} else {
		b.WriteString(p.markdownTitle(q, longest))
	}
	if at := p.markdownPlaces(q.Subjects); at != "" {
		b.WriteString(" · " + at)
	}
	b.WriteString("\n")
	if q.Data {
		b.WriteString("  - **data is at stake**\n")
	}
	answers := passes(q)
	for _, x := range answers {
		if text := p.passText(i, x, len(answers) > 1); text != "" {
			sign := "⛔ "
			if x.why != "" {
				sign = "✅ "
			}
			b.WriteString("  - " + sign + escape(clip(text, longest)) + "\n")
		}
	}
	if q.Why != "" && (dangerous(q.Class) || len(q.Plan) > 0) {
		b.WriteString("  - " + escape(clip(q.Why, 2*longest)) + "\n")
	}
	if len(q.Plan) > 0 {
		b.WriteString("  - safe order:\n")
		for n, step := range q.Plan {
			fmt.Fprintf(&b, "    %d. %s\n", n+1, escape(clip(step, longest)))
		}
	}
	return b.String()
}

func (p *printer) markdownPlaces(subjects []report.Subject) string {
	var out []string
	all := origins(subjects)
	for _, s := range all[:min(len(all), sampled+1)] {
		out = append(out, p.markdownPlace(s))
	}
	if len(all) > sampled+1 {
		out = append(out[:sampled], number(len(all)-sampled)+" more")
	}
	return enumerate(out, sampled+1)
}

func (p *printer) markdownPlace(s source.Span) string {
	text := code(clip(s.Place(), 200))
	if link := p.link(s); link != "" {
		return "[" + text + "](" + link + ")"
	}
	return text
}

// link is the address of a place in the web view, or empty.
func (p *printer) link(s source.Span) string {
	base, err := url.Parse(p.o.Repo)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || s.File == "" {
		return ""
	}
	base = base.JoinPath(strings.Split(s.File, "/")...)
	base.RawQuery, base.Fragment, base.User = "", "", nil
	if len(base.Path) > 5*longest {
		return "" // nobody's file
	}
	closing := strings.NewReplacer("(", "%28", ")", "%29", "<", "%3C", ">", "%3E", "'", "%27", "`", "%60")
	out := closing.Replace(base.String())
	if s.Line > 0 {
		out += fmt.Sprintf("#L%d", s.Line)
	}
	return out
}

// mostTotals is how many rows the table of totals has.
const mostTotals = 40

func (p *printer) markdownTotals(d *document) {
	rows := p.totals()
	if len(rows) == 0 {
		return
	}
	d.open("\n#### Totals\n\n| cluster | what | before → after | by |\n| :-- | :-- | :-- | --: |\n", "")
	var b strings.Builder
	for _, row := range rows[:min(len(rows), mostTotals)] {
		for _, text := range row {
			b.WriteString("| " + cell(escape(clip(text, 80))) + " ")
		}
		b.WriteString("|\n")
	}
	if left := len(rows) - mostTotals; left > 0 {
		fmt.Fprintf(&b, "| | and %s more | | |\n", number(left))
	}
	for _, m := range p.r.Money {
		if m.How != "" {
			b.WriteString("\n" + escape(m.What) + " on " + code(clip(m.Cluster, 100)) + ": " + escape(clip(m.How, longest)) + "\n")
		}
	}
	d.addNamed("the totals", b.String(), report.Capacity)
}

// markdownObjects adds the objects that change, folded: first those of many tenants at once, then by tenant, clusters
// on which a tenant's changes are the same together.
func (p *printer) markdownObjects(d *document) {
	classes := p.changeClasses()
	single := map[string][]int{}
	var across []patch
	every := make([]int, len(p.r.Changes))
	for i := range every {
		every[i] = i
	}
	for _, x := range p.patches(every) {
		tenants := map[string]bool{}
		for _, c := range x.all {
			tenants[p.r.Changes[c].Tenant] = true
		}
		if len(tenants) > manyTenants {
			across = append(across, x)
			continue
		}
		for _, c := range x.all {
			single[p.r.Changes[c].Tenant] = append(single[p.r.Changes[c].Tenant], c)
		}
	}
	if len(across) > 0 {
		d.fold("Objects of many tenants")
		for _, x := range across {
			d.add(p.markdownPatch(x), worst(classes, x.all), true, len(x.all))
		}
	}
	var tenants []string
	for t := range single {
		tenants = append(tenants, t)
	}
	slices.SortFunc(tenants, func(a, b string) int {
		return cmp.Or(cmp.Compare(asInt(a == ""), asInt(b == "")), strings.Compare(a, b))
	})
	for _, tenant := range tenants {
		p.markdownTenant(d, tenant, single[tenant], classes)
	}
}

// markdownTenant adds the objects of one tenant, or of the platform.
func (p *printer) markdownTenant(d *document, tenant string, indices []int, classes []report.Class) {
	byClusters := map[string][]patch{}
	var order []string
	slices.Sort(indices)
	for _, x := range p.patches(indices) {
		_, clusters := nouns(x.subjects)
		key := enumerate(clusters, 6)
		if _, ok := byClusters[key]; !ok {
			order = append(order, key)
		}
		byClusters[key] = append(byClusters[key], x)
	}
	name := "tenant <b>" + htmlText(clip(tenant, 80)) + "</b>"
	if tenant == "" {
		name = "the platform's own"
	}
	for _, key := range order {
		objects := 0
		for _, x := range byClusters[key] {
			objects += len(x.all)
		}
		on := ""
		if key != "" {
			on = " on " + htmlText(clip(key, 120))
		}
		d.fold(name + on + ": " + counted(objects, "object"))
		for _, x := range byClusters[key] {
			d.add(p.markdownPatch(x), worst(classes, x.all), true, len(x.all))
		}
	}
}

// changeClasses gives for each change the most dangerous class of what follows from it.
func (p *printer) changeClasses() []report.Class {
	out := make([]report.Class, len(p.r.Changes))
	for i := range out {
		out[i] = report.Cosmetic
	}
	classes := report.Classes()
	for _, q := range p.r.Consequences {
		for _, c := range p.changes(q.Subjects) {
			if slices.Index(classes, q.Class) < slices.Index(classes, out[c]) {
				out[c] = q.Class
			}
		}
	}
	return out
}

func worst(classes []report.Class, indices []int) report.Class {
	order := report.Classes()
	best := len(order) - 1
	for _, i := range indices {
		best = min(best, slices.Index(order, classes[i]))
	}
	return order[best]
}

// markdownPatch is what changes in one object, or in many alike, as a difference.
func (p *printer) markdownPatch(x patch) string {
	var b strings.Builder
	b.WriteString("- `" + x.change.Action.Mark() + "` " + p.whoAs(x.change.Kind, x.subjects, code, short))
	b.WriteString(escape(clip(p.aside(x), longest)))
	if at := p.markdownPlaces(x.subjects); at != "" {
		b.WriteString(" · " + at)
	}
	b.WriteString("\n")
	var lines []string
	shown, hidden := shownFields(x.change.Fields)
	for i, f := range shown {
		if i == manyFields {
			lines = append(lines, "  … and "+more(len(shown)-i, "field"))
			break
		}
		path := dialect.Visible(clip(f.Path, longest))
		if f.Immutable {
			path += " (immutable)"
		}
		if f.Before != "" {
			lines = append(lines, "- "+path+": "+dialect.Visible(clip(f.Before, longest)))
		}
		if f.After != "" {
			lines = append(lines, "+ "+path+": "+dialect.Visible(clip(f.After, longest)))
		}
	}
	if len(lines) > 0 {
		fence := strings.Repeat("`", max(3, longestRun(strings.Join(lines, "\n"), '`')+1))
		b.WriteString("  " + fence + "diff\n")
		for _, line := range lines {
			b.WriteString("  " + line + "\n")
		}
		b.WriteString("  " + fence + "\n")
	} else if hidden != "" {
		b.WriteString("  - " + hidden + "\n")
	}
	return b.String()
}

func longestRun(s string, of rune) int {
	best, n := 0, 0
	for _, r := range s {
		if r != of {
			n = 0
			continue
		}
		n++
		best = max(best, n)
	}
	return best
}

func (p *printer) markdownEnd() string {
	var b strings.Builder
	notes := func(heading string, all []string, marked func(string) string) {
		if len(all) == 0 {
			return
		}
		b.WriteString("\n" + heading + "\n\n")
		for i, s := range all {
			if i == 5 {
				b.WriteString("- and " + number(len(all)-i) + " more\n")
				break
			}
			b.WriteString("- " + marked(clip(s, longest/2)) + "\n")
		}
	}
	notes("What could not be told:", p.r.Notes, escape)
	notes("Acknowledgements of what has changed or is gone (`zave ack --prune` removes them):", p.r.Stale, code)
	refs, tenants := p.blockers()
	if len(refs) > 0 {
		b.WriteString("\n**Not let through:** ")
		var names []string
		for _, x := range refs[:min(len(refs), 10)] {
			names = append(names, code(clip(x.ref, 160))+escape(clip(strings.TrimPrefix(p.blockerText(x), x.ref), 100)))
		}
		if left := len(refs) - len(names); left > 0 {
			names = append(names, number(left)+" more")
		}
		b.WriteString(enumerate(names, 99) + ". Where it is meant, one of these lets it through:\n\n")
		for _, way := range ways(refs[0], tenants) {
			b.WriteString("- " + code(way[0]) + ": " + escape(clip(way[1], longest)) + "\n")
		}
	}
	return b.String()
}

// clip cuts a text to so many characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := 0
	for i := range s {
		if n == most-1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// code gives a code span (GFM, 6.3), in which forges look for no mentions, links or emoji.
func code(s string) string {
	s = dialect.Visible(clip(s, longest))
	if strings.TrimSpace(s) == "" {
		return "` `"
	}
	ticks := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || strings.HasPrefix(s, " ") && strings.HasSuffix(s, " ") {
		s = " " + s + " "
	}
	return ticks + s + ticks
}

// breaker is a zero-width space: behind an @ or a #, forges see no mention or reference.
const breaker = "\u200b"

// escape gives text that Markdown shows as it is, and in which a forge finds no mention, reference, link or formula.
func escape(s string) string {
	s = dialect.Visible(s)
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '|': // which a backslash would not keep from ending a table's cell in all readers
			b.WriteString("&#124;")
		case strings.ContainsRune("\\`*_{}[]~$!^", r):
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '#':
			b.WriteString(`\#`)
		case r == ':' && i+2 < len(runes) && runes[i+1] == '/' && runes[i+2] == '/':
			b.WriteString(`\:`)
		case r == '.' && i >= 3 && strings.EqualFold(string(runes[i-3:i]), "www"):
			b.WriteString(`\.`)
		default:
			b.WriteRune(r)
		}
		if i+1 < len(runes) && refersTo(r) && word(runes[i+1]) &&
			(i == 0 || !word(runes[i-1]) || r == '#' || r == '@' && domain(runes[i+1:])) {
			b.WriteString(breaker)
		}
	}
	return b.String()
}

// refersTo tells whether a forge may take what follows for a reference: @user, #1, !1, $1, %milestone, ~label, &epic.
func refersTo(r rune) bool { return strings.ContainsRune("@#!$%~&", r) }

// domain tells whether what follows an @ makes it an address of mail (GFM, 6.9), which would become a link.
func domain(after []rune) bool {
	for _, r := range after {
		if r == '.' {
			return true
		}
		if !word(r) && r != '-' {
			break
		}
	}
	return false
}

func word(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
}

// htmlText is text within an HTML element of Markdown.
func htmlText(s string) string {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(dialect.Visible(s))
	return strings.NewReplacer("@", "@"+breaker, "`", "&#96;", "*", "&#42;", "_", "&#95;", "[", "&#91;", "]", "&#93;",
		"~", "&#126;", "$", "&#36;", "://", "&#58;//", "\\", "&#92;", "!", "&#33;").Replace(s)
}
