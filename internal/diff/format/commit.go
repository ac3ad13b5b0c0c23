package format

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/report"
)

// CommitOptions say what a commit message is written with.
type CommitOptions struct {
	Source   string // of the specs: "github.com/OWNER/NAME@COMMIT"
	Version  string // of zave
	SpecHash string // one hash of all specs
	// Mask takes what looks like a secret out of a text, as in Options. It may be nil.
	Mask func(string) string
}

// What a commit message takes. git shows 72 columns of a subject without cutting it, and indents a body by four of 80.
const (
	commitWidth   = 72
	commitLines   = 40 // of the body; what has no room is counted
	commitLongest = 4  // lines of one consequence
)

// CommitMessage gives the message of the commit that brings a report's changes to the GitOps repository: a subject that
// says what changed where, in at most 72 characters; a body with the consequences, the most dangerous first; and the
// trailers Zave-Source, Zave-Version and Zave-Spec-Hash, as git-interpret-trailers(1) reads them. An option that is
// empty has no trailer.
//
// No line of subject and body is a trailer to git, a comment of an editor's or the end of a patch's message, and nothing
// in them is a mention, a reference or a command to a forge.
func CommitMessage(r *report.Report, o CommitOptions) string {
	p := newPrinter(nil, r, Options{Mask: o.Mask})
	var b strings.Builder
	b.WriteString(p.commitSubject() + "\n")
	for _, line := range p.commitBody() {
		b.WriteString(line + "\n")
	}
	blank := "\n"
	mask := newMasker(o.Mask)
	for _, t := range [][2]string{{"Zave-Source", o.Source}, {"Zave-Version", o.Version}, {"Zave-Spec-Hash", o.SpecHash}} {
		if value := oneLine(mask.text(t[1])); value != "" { // as it is: programs read it
			b.WriteString(blank + t[0] + ": " + value + "\n")
			blank = ""
		}
	}
	return b.String()
}

// quiet gives text on one line in which a forge finds no mention (@user), no reference (#1, which "fixes" before it
// would close) and no word to skip its pipelines. What would be one is taken apart by a space.
func quiet(s string) string {
	runes := []rune(oneLine(s))
	var b strings.Builder
	for i, r := range runes {
		b.WriteRune(r)
		if i+1 == len(runes) || !word(runes[i+1]) {
			continue
		}
		switch {
		case r == '@' && (i == 0 || !word(runes[i-1])), r == '#', r == '!' && (i == 0 || !word(runes[i-1])), r == '[' && skips(runes[i+1:]):
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func oneLine(s string) string { return strings.Join(strings.Fields(dialect.Visible(s)), " ") }

// skips tells whether a bracket begins what keeps GitHub and GitLab from running pipelines for a commit.
func skips(after []rune) bool {
	text := strings.ToLower(string(after[:min(len(after), len("actions skip]"))]))
	return slices.ContainsFunc([]string{"skip ci]", "ci skip]", "no ci]", "skip actions]", "actions skip]"}, func(s string) bool {
		return strings.HasPrefix(text, s)
	})
}

// commitBody gives the lines below the subject, the first of them empty.
func (p *printer) commitBody() []string {
	if len(p.r.Consequences) == 0 {
		return nil
	}
	counts := strings.Join(p.counts(), ", ")
	if len(p.r.Changes) > 0 {
		objects, how, several := strings.Cut(p.objectsText(), ": ")
		if several { // without the colon, which a trailer has
			objects += " (" + how + ")"
		}
		counts += "; " + objects
	}
	lines := append([]string{""}, folded("", "", counts, commitLongest)...)
	rest := 0
	for _, g := range p.groups {
		heading := folded("", "", strings.ToUpper(g.title[:1])+g.title[1:]+" ("+g.gloss+")", commitLongest)
		heading = append([]string{""}, heading...)
		for _, i := range g.all {
			item := p.commitItem(i)
			if rest > 0 || len(lines)+len(heading)+len(item) > commitLines-2 { // there is to be room to say how many
				rest++
				continue
			}
			lines = append(append(lines, heading...), item...)
			heading = nil
		}
	}
	if rest > 0 {
		lines = append(lines, "", "And "+counted(rest, "more consequence")+".")
	}
	return lines
}

// commitItem gives the lines of one consequence. They begin with an asterisk or a blank: the token of a trailer has
// neither.
func (p *printer) commitItem(i int) []string {
	q := p.r.Consequences[i]
	lines := folded("* ", "  ", p.who(q.Kind, q.Subjects)+" "+q.Text, commitLongest)
	if q.Data {
		lines = append(lines, "  data is at stake")
	}
	answers := passes(q)
	for _, x := range answers {
		if x.why != "" {
			lines = append(lines, folded("  ", "  ", p.passText(i, x, len(answers) > 1), commitLongest)...)
		}
	}
	return lines
}

// folded wraps text into so many lines at most, each behind its indent.
func folded(first, further, text string, most int) []string {
	lines := fold(quiet(text), commitWidth-len(further))
	if len(lines) > most {
		lines = lines[:most]
		lines[most-1] = clipped(lines[most-1]+" ", commitWidth-len(further))
	}
	for i := range lines {
		if i == 0 {
			lines[i] = first + lines[i]
		} else {
			lines[i] = further + lines[i]
		}
	}
	return lines
}

// clipped gives text that is at most so many characters and columns: if need be its beginning, up to a space where
// there is one not far from the end, and an ellipsis. A space at the end says that more was there.
func clipped(s string, most int) string {
	if most <= 0 {
		return ""
	}
	if fits(s, most) && !strings.HasSuffix(s, " ") {
		return s
	}
	runes := []rune(strings.TrimRight(s, " "))
	runes = runes[:min(len(runes), most)]
	for len(runes) > 0 && !fits(string(runes)+"…", most) {
		runes = runes[:len(runes)-1]
	}
	cut := string(runes)
	if at := strings.LastIndexByte(cut, ' '); at > len(cut)*2/3 && len(cut) < len(s) && s[len(cut)] != ' ' {
		cut = cut[:at]
	}
	return strings.TrimRight(cut, " ,;:→") + "…"
}

func fits(s string, most int) bool {
	return utf8.RuneCountInString(s) <= most && dialect.Width(s) <= most
}

// topic is what one commit does to one tenant, or to the platform.
type topic struct {
	tenant   string              // empty: the platform
	event    string              // "added", "removed": what happens to the tenant as a whole, the most dangerous of it
	events   map[string][]string // all of it, with the clusters
	phrases  []phrase
	clusters []string
}

// phrase is a consequence as a subject line has it.
type phrase struct {
	weight      int // what people would name first is least
	long, brief string
	common      string // what several tenants may have in common
	kind        string
}

// The weights of phrases. What is of a heavier weight than alike is left out where there is something lighter.
const (
	whole = iota // a database or a service: what else there is follows from it
	named        // what people change in specs most: images and charts
	alike        // any other consequence
	aside        // what follows for a whole cluster, and what is cosmetic
	noted        // bookkeeping
)

// events are what happens to tenants as a whole, in the order in which subjects count them.
func events() [][2]string {
	return [][2]string{
		{"tenant-deleted", "removed"}, {"tenant-retired", "retired"}, {"tenant-suspended", "suspended"},
		{"tenant-resumed", "resumed"}, {"tenant-added", "added"},
	}
}

// topics gives what happens to each tenant, by name, the platform first.
func (p *printer) topics() []topic {
	at := map[string]int{}
	var out []topic
	for _, q := range p.r.Consequences {
		event := ""
		if i := slices.IndexFunc(events(), func(e [2]string) bool { return e[0] == q.Rule }); i >= 0 {
			event = events()[i][1]
		}
		for _, s := range q.Subjects {
			for _, tenant := range p.tenants(s) {
				i, ok := at[tenant]
				if !ok {
					i = len(out)
					at[tenant] = i
					out = append(out, topic{tenant: tenant})
				}
				t := &out[i]
				t.clusters = append(t.clusters, s.Cluster)
				if event != "" && tenant != "" && tenant == s.Tenant {
					if t.event == "" {
						t.event, t.events = event, map[string][]string{}
					}
					t.events[event] = append(t.events[event], s.Cluster)
					continue
				}
				if x := phraseOf(q, s, tenant); !slices.ContainsFunc(t.phrases, func(y phrase) bool { return x.long == y.long }) {
					t.phrases = append(t.phrases, x)
				}
			}
		}
	}
	for i := range out {
		t := &out[i]
		if t.event != "" { // what else happens to it, elsewhere, is for the body to tell
			t.clusters = slices.Concat(slices.Collect(maps.Values(t.events))...)
		}
		slices.SortStableFunc(t.phrases, func(a, b phrase) int { return cmp.Compare(a.weight, b.weight) })
		most := max(t.weight(), alike)
		if t.weight() == whole {
			most = named
		}
		t.phrases = slices.DeleteFunc(t.phrases, func(x phrase) bool { return x.weight > most })
	}
	slices.SortFunc(out, func(a, b topic) int { return strings.Compare(a.tenant, b.tenant) })
	return out
}

// weight is that of the lightest phrase, and of what happens to the whole.
func (t topic) weight() int {
	if t.event != "" || len(t.phrases) == 0 {
		return whole
	}
	return t.phrases[0].weight
}

// tenants gives whose objects bring a subject about.
func (p *printer) tenants(s report.Subject) []string {
	var out []string
	for _, i := range p.changes([]report.Subject{s}) {
		out = append(out, p.r.Changes[i].Tenant)
	}
	if len(out) == 0 {
		return []string{s.Tenant}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// phraseOf says a consequence for one of its subjects, as short as it goes.
func phraseOf(q report.Consequence, s report.Subject, tenant string) phrase {
	head, rest, _ := strings.Cut(q.Text, ": ")
	_, last, found := strings.Cut(s.Name, "/")
	if !found {
		last = s.Name
	}
	switch q.Rule {
	case "pods-restart", "next-run", "job-runs":
		switch {
		case strings.HasPrefix(rest, "image "):
			return phrase{named, rest, "new image", "new image", q.Kind}
		case strings.HasPrefix(rest, "version "):
			return phrase{named, strings.Replace(rest, " of the same image", "", 1), "new version", "new version", q.Kind}
		case rest != "":
			return phrase{alike, rest, "pods restart", "pods restart", q.Kind}
		}
	case "chart-changed":
		return phrase{named, last + " " + strings.TrimPrefix(rest, "chart "), last + " upgraded", "charts upgraded", q.Kind}
	case "database-removed":
		return phrase{whole, "database removed", "database removed", "database removed", q.Kind}
	case "database-added":
		return phrase{whole, "database added", "database added", "database added", q.Kind}
	case "service-removed":
		return phrase{whole, s.Name + " removed", s.Name + " removed", "services removed", q.Kind}
	case "service-added":
		return phrase{whole, s.Name + " added", s.Name + " added", "services added", q.Kind}
	case "bookkeeping":
		return phrase{noted, "bookkeeping", "bookkeeping", "bookkeeping", q.Kind}
	}
	weight := alike
	if q.Class == report.Cosmetic || q.Kind == "cluster" {
		weight = aside
	}
	noun := strings.TrimSpace(q.Kind + " " + nameIn(q.Kind, s.Name, tenant))
	kind := q.Kind
	if last != "" && strings.HasSuffix(strings.ToLower(q.Kind), last) { // ResourceQuota panchito/quota
		noun, kind = last, last
	}
	if i := strings.IndexAny(head, ",;"); i >= 0 {
		head = head[:i]
	}
	return phrase{weight, noun + " " + q.Text, noun + " " + head, kind + " " + head, q.Kind}
}

// nameIn is a subject's name where its tenant has been named already.
func nameIn(kind, name, tenant string) string {
	if tenant == "" {
		return name
	}
	from, to, path := strings.Cut(name, " → ")
	switch {
	case name == tenant:
		return ""
	case kind == "path" && path && from == tenant:
		return "to " + to
	case kind == "path" && path:
		return "from " + strings.TrimPrefix(from, tenant+"/") + " to " + strings.TrimPrefix(to, tenant+"/")
	}
	return strings.TrimPrefix(name, tenant+"/")
}

// commitSubject says what changed, and where.
func (p *printer) commitSubject() string {
	all := p.topics()
	if len(all) == 0 {
		return "files written anew, and nothing changes in the clusters"
	}
	if slices.ContainsFunc(all, func(t topic) bool { return t.weight() < noted }) {
		all = slices.DeleteFunc(all, func(t topic) bool { return t.weight() == noted })
	}
	platform, tenants := topic{}, all
	if all[0].tenant == "" {
		platform, tenants = all[0], all[1:]
	}
	zave := p.zave()
	if len(tenants) > 0 && platform.weight() > named && zave == "" { // what tenants need of it is for the body to tell
		platform = topic{}
	}
	clusters := slices.Clone(platform.clusters)
	for _, t := range tenants {
		clusters = append(clusters, t.clusters...)
	}
	where := whereText(clusters)
	subject := ""
	switch {
	case zave != "":
		subject = within(zave+": ", []string{whose(tenants, platform, true), whose(tenants, platform, false)}, where)
	case len(tenants) == 0:
		subject = within("platform: ", sayings(platform.phrases), where)
	case len(tenants) == 1 && platform.phrases == nil:
		subject = ofTenant(tenants[0], where)
	default:
		subject = ofTenants(tenants, platform, where)
	}
	subject = strings.TrimRight(subject, " :")
	if r, _ := utf8.DecodeRuneInString(subject); !word(r) { // a comment to an editor, or the end of a message to git am
		subject = clipped("changed: "+subject, commitWidth)
	}
	return subject
}

// zave says which version of zave the change comes from, if it does.
func (p *printer) zave() string {
	for _, c := range p.r.Changes {
		for _, f := range c.Fields {
			if f.Path == `metadata.annotations["zave.io/generator-version"]` && f.Before != "" && f.After != "" {
				return quiet("zave " + strings.Trim(f.Before, `"`) + " → " + strings.Trim(f.After, `"`))
			}
		}
	}
	if p.r.Generator {
		return "another version of zave"
	}
	return ""
}

// whereText gives " (aws, sandbox)".
func whereText(clusters []string) string {
	clusters = slices.DeleteFunc(slices.Clone(clusters), func(c string) bool { return c == "" })
	slices.Sort(clusters)
	switch clusters = slices.Compact(clusters); {
	case len(clusters) == 0:
		return ""
	case len(clusters) > 3:
		return " (" + number(len(clusters)) + " clusters)"
	}
	return " (" + quiet(strings.Join(clusters, ", ")) + ")"
}

func ofTenant(t topic, where string) string {
	if t.event == "" {
		return within(quiet(t.tenant)+": ", sayings(t.phrases), where)
	}
	var parts []string
	for _, e := range events() {
		if clusters := t.events[e[1]]; clusters != nil {
			parts = append(parts, e[1]+whereText(clusters))
		}
	}
	if len(parts) > 1 { // it leaves one cluster for another
		return within("tenant ", []string{t.tenant + " " + strings.Join(parts, ", ")}, "")
	}
	return within("tenant ", []string{t.tenant + " " + t.event}, where)
}

// ofTenants counts tenants, and says what they have in common.
func ofTenants(tenants []topic, platform topic, where string) string {
	if slices.ContainsFunc(tenants, func(t topic) bool { return t.event != "" }) {
		return ofEvents(tenants, platform, where)
	}
	var ways, whats []string
	all := tenants
	if platform.phrases != nil {
		all = append(slices.Clone(tenants), platform)
	}
	for _, say := range []func(phrase) string{
		func(x phrase) string { return x.long }, func(x phrase) string { return x.common },
	} {
		if s := inCommon(all, say); s != "" {
			whats = append(whats, s)
		}
	}
	whats = append(whats, kinds(all))
	for _, names := range []bool{true, false} {
		for _, what := range whats {
			ways = append(ways, whose(tenants, platform, names)+": "+what)
		}
	}
	return within("", ways, where)
}

// ofEvents tells tenants that come, go or stop: "tenants a and b added", "4 tenants and 21 services added",
// "3 tenants, 1 removed".
func ofEvents(tenants []topic, platform topic, where string) string {
	first := tenants[0].event
	alike := !slices.ContainsFunc(tenants, func(t topic) bool { return t.event != first })
	if alike && platform.phrases == nil {
		var names []string
		for _, t := range tenants {
			names = append(names, t.tenant)
		}
		return within("", []string{
			"tenants " + enumerate(names, len(names)) + " " + first, number(len(tenants)) + " tenants " + first,
		}, where)
	}
	services := 0
	for _, x := range platform.phrases {
		if x.kind == "service" && x.common == "services "+first {
			services++
		}
	}
	if alike && services > 0 {
		return within("", []string{counted(len(tenants), "tenant") + " and " + counted(services, "service") + " " + first}, where)
	}
	out := whose(tenants, platform, false)
	for _, e := range events() {
		n := 0
		for _, t := range tenants {
			if t.event == e[1] {
				n++
			}
		}
		if n > 0 {
			out += ", " + number(n) + " " + e[1]
		}
	}
	return within("", []string{out}, where)
}

// whose names the tenants, or counts them.
func whose(tenants []topic, platform topic, names bool) string {
	var out []string
	if names && len(tenants) <= sampled {
		for _, t := range tenants {
			out = append(out, t.tenant)
		}
	} else if len(tenants) > 0 {
		out = append(out, counted(len(tenants), "tenant"))
	}
	if platform.phrases != nil {
		out = append(out, "the platform")
	}
	return enumerate(out, len(out))
}

// inCommon gives what all topics have in common, if that is all there is to say of each.
func inCommon(topics []topic, say func(phrase) string) string {
	all := func(t topic) string {
		var out []string
		for _, x := range t.phrases {
			if s := say(x); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
		slices.Sort(out)
		return strings.Join(out, "; ")
	}
	first := all(topics[0])
	if slices.ContainsFunc(topics, func(t topic) bool { return all(t) != first }) {
		return ""
	}
	return first
}

// kinds says what kinds of things change.
func kinds(topics []topic) string {
	var out []string
	for _, t := range topics {
		for _, x := range t.phrases {
			out = append(out, plural(x.kind))
		}
	}
	slices.Sort(out)
	return enumerate(slices.Compact(out), sampled) + " changed"
}

// sayings gives the ways to say phrases, the fullest first: all of them, or fewer with the number of the others, at
// length and then shortly; and the first alone.
func sayings(phrases []phrase) []string {
	var out []string
	for _, say := range []func(phrase) string{
		func(x phrase) string { return x.long }, func(x phrase) string { return x.brief },
	} {
		var all []string
		for _, x := range phrases {
			if s := say(x); !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
		for n := min(len(all), sampled); n > 0; n-- {
			s := strings.Join(all[:n], "; ")
			if rest := len(all) - n; rest > 0 {
				s += ", and " + number(rest) + " more"
			}
			out = append(out, s)
		}
	}
	if len(phrases) > 0 {
		out = append(out, phrases[0].brief, phrases[0].long)
	}
	return out
}

// within gives the first of some ways to say something that has room between what stands before and behind it, or the
// beginning of the last.
func within(before string, ways []string, behind string) string {
	for _, s := range ways {
		if s = before + quiet(s) + behind; fits(s, commitWidth) {
			return s
		}
	}
	last := ""
	if len(ways) > 0 {
		last = quiet(ways[len(ways)-1])
	}
	if room := commitWidth - dialect.Width(before+behind); room >= 16 && fits(before+behind, commitWidth) {
		return clipped(before+clipped(last, room)+behind, commitWidth)
	}
	return clipped(before+last, commitWidth)
}
