package format

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/source"
)

// printer is one call of Print. Write errors stick to w until the flush.
type printer struct {
	w        *bufio.Writer
	o        Options
	r        *report.Report // masked
	files    *dialect.Files
	groups   []group
	clusters []string            // that the report speaks of, sorted
	blocking []int               // indices of the consequences that the caller's policy stops at
	paths    map[int]report.Path // the first path of each consequence that says one
}

func newPrinter(w *bufio.Writer, r *report.Report, o Options) *printer {
	p := &printer{
		w: w, o: o, r: newMasker(o.Mask).report(r), files: dialect.NewFiles(o.Source), blocking: r.Blocking(o.FailOn),
	}
	p.groups = p.grouped()
	p.paths = map[int]report.Path{}
	for _, path := range slices.Backward(r.Paths) {
		p.paths[path.Subject[0]] = path
	}
	seen := map[string]bool{}
	for _, c := range r.Changes {
		seen[c.Cluster] = true
	}
	for _, q := range r.Consequences {
		for _, s := range q.Subjects {
			seen[s.Cluster] = true
		}
	}
	for c := range seen {
		if c != "" {
			p.clusters = append(p.clusters, c)
		}
	}
	slices.Sort(p.clusters)
	return p
}

// empty tells whether nothing changes. A report of notes alone is not empty.
func (p *printer) empty() bool {
	r := p.r
	return len(r.Changes) == 0 && len(r.Consequences) == 0 && len(r.Notes) == 0 && len(r.Stale) == 0 &&
		len(r.Amounts) == 0 && len(r.Money) == 0 && len(r.Paths) == 0
}

// stops tells whether the caller's policy stops at a consequence.
func (p *printer) stops(i int) bool { return slices.Contains(p.blocking, i) }

// group is the consequences of one class, or what a reader of --generator-change takes together.
type group struct {
	title    string // "destructive"
	gloss    string
	class    report.Class // the most dangerous of its classes
	all      []int        // indices of consequences, as the report sorts them
	subjects int
}

// grouped gives the groups that are not empty, the most dangerous first.
func (p *printer) grouped() []group {
	var out []group
	add := func(title, gloss string, classes ...report.Class) {
		g := group{title: title, gloss: gloss}
		for i, q := range p.r.Consequences {
			if slices.Contains(classes, q.Class) {
				g.all = append(g.all, i)
				g.subjects += len(q.Subjects)
			}
		}
		if len(g.all) == 0 {
			return
		}
		slices.SortStableFunc(g.all, func(a, b int) int {
			return cmp.Compare(p.rank(a), p.rank(b))
		})
		g.class = p.r.Consequences[g.all[0]].Class
		out = append(out, g)
	}
	if p.r.Generator {
		add("behavioural", "the new version of zave makes clusters behave differently",
			report.Destructive, report.Disruptive, report.Exposure, report.Capacity)
		add("additive", "new, and touches nothing that runs", report.Additive)
		add("cosmetic", "no controller acts on it", report.Cosmetic)
		return out
	}
	for _, c := range report.Classes() {
		add(string(c), gloss(c), c)
	}
	return out
}

func gloss(c report.Class) string {
	switch c {
	case report.Destructive:
		return "reverting the commit does not bring it back"
	case report.Disruptive:
		return "pods restart, or are refused"
	case report.Exposure:
		return "a path, a host or a right is opened or closed"
	case report.Capacity:
		return "requests, quotas, replicas, money"
	case report.Additive:
		return "new, and touches nothing that runs"
	default:
		return "no controller acts on it"
	}
}

// actions lists what may happen to an object.
func actions() []report.Action {
	return []report.Action{report.Create, report.Update, report.Delete, report.Replace, report.Rename, report.Move}
}

// rank is the place of a consequence's class among the classes.
func (p *printer) rank(i int) int { return slices.Index(report.Classes(), p.r.Consequences[i].Class) }

// dangerous tells whether a class is among those that a reviewer must read.
func dangerous(c report.Class) bool {
	return c == report.Destructive || c == report.Disruptive || c == report.Exposure
}

// counts gives "2 destructive", "1 disruptive" for the groups.
func (p *printer) counts() []string {
	var out []string
	for _, g := range p.groups {
		out = append(out, number(g.subjects)+" "+g.title)
	}
	return out
}

// objects gives "41 created", "3 updated" for the changes.
func (p *printer) objects() []string {
	words := []struct {
		action report.Action
		word   string
	}{
		{report.Replace, "replaced"}, {report.Delete, "deleted"}, {report.Update, "updated"}, {report.Create, "created"},
		{report.Rename, "renamed"}, {report.Move, "moved"},
	}
	n := map[report.Action]int{}
	for _, c := range p.r.Changes {
		n[c.Action]++
	}
	var out []string
	for _, w := range words {
		if n[w.action] > 0 {
			out = append(out, number(n[w.action])+" "+w.word)
		}
	}
	return out
}

// objectsText gives "46 objects: 41 created, 5 updated" or "6 objects updated".
func (p *printer) objectsText() string {
	n, how := len(p.r.Changes), p.objects()
	if len(how) == 1 {
		_, word, _ := strings.Cut(how[0], " ")
		return counted(n, "object") + " " + word
	}
	return counted(n, "object") + ": " + strings.Join(how, ", ")
}

// shownFields gives the fields that people are shown, and words for the others: zave's own annotations say where an
// object comes from, and would hide what changes in it.
func shownFields(all []report.Field) (shown []report.Field, hidden string) {
	for _, f := range all {
		if !strings.HasPrefix(f.Path, `metadata.annotations["zave.io/`) {
			shown = append(shown, f)
		}
	}
	if n := len(all) - len(shown); n > 0 {
		hidden = counted(n, "annotation") + " of zave's own"
	}
	return shown, hidden
}

// sides gives "main 24cb7a0" and "the work tree".
func (p *printer) sides() (base, head string) { return sideText(p.r.Base), sideText(p.r.Head) }

func sideText(s report.Side) string {
	short := s.Commit
	if len(short) > 7 {
		short = short[:7]
	}
	switch {
	case s.Name == "" && short == "":
		return "?"
	case s.Name == "" || strings.HasPrefix(s.Commit, s.Name) && len(s.Name) >= 7:
		return short
	case short == "":
		return s.Name
	}
	return s.Name + " (" + short + ")"
}

// sampled is how many names stand for many.
const sampled = 3

// who names subjects: "Deployment panchito/web", "Namespace panchito on aws and sandbox",
// "412 Namespaces (alpha, beta, gamma and 409 more)". The cluster is left out where the report has only one.
func (p *printer) who(kind string, subjects []report.Subject) string {
	return p.whoAs(kind, subjects, func(s string) string { return s }, func(s string) string { return s })
}

// whoAs is who with names marked up by one function, and all other words by the other.
func (p *printer) whoAs(kind string, subjects []report.Subject, name, word func(string) string) string {
	names, clusters := nouns(subjects)
	on := ""
	if len(p.clusters) > 1 && len(clusters) > 0 && !slices.Equal(names, clusters) { // "cluster aws" is on itself
		on = " on " + enumerate(clusters, 4)
	}
	marked := make([]string, 0, sampled+1)
	for _, n := range names[:min(len(names), sampled+1)] {
		marked = append(marked, name(n))
	}
	if len(names) == 1 {
		return strings.TrimSpace(word(kind)+" "+marked[0]) + word(on)
	}
	if len(names) > sampled+1 {
		marked = append(marked[:sampled], word(number(len(names)-sampled)+" more"))
	}
	return word(number(len(subjects))+" "+plural(kind)+on) + " (" + enumerate(marked, sampled+1) + ")"
}

// nouns gives the names and the clusters of subjects, each once, in order.
func nouns(subjects []report.Subject) (names, clusters []string) {
	seen := map[string]bool{}
	for _, s := range subjects {
		if !seen[s.Name] {
			seen[s.Name] = true
			names = append(names, s.Name)
		}
		if s.Cluster != "" {
			clusters = append(clusters, s.Cluster)
		}
	}
	slices.Sort(clusters)
	return names, slices.Compact(clusters)
}

// enumerate gives "a", "a and b", "a, b and c", or the first most of them "and 409 more".
func enumerate(all []string, most int) string {
	if len(all) > most+1 { // "and 1 more" takes the place of the one
		all = append(slices.Clone(all[:most]), number(len(all)-most)+" more")
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

// plural gives the plural of a kind, as Kubernetes' own are made: NetworkPolicies, Ingresses, Gateways.
func plural(kind string) string {
	lower := strings.ToLower(kind)
	switch {
	case kind == "":
		return "subjects"
	case strings.HasSuffix(lower, "endpoints"):
		return kind
	case strings.HasSuffix(lower, "y") && len(lower) > 1 && !strings.ContainsRune("aeiou", rune(lower[len(lower)-2])):
		return kind[:len(kind)-1] + "ies"
	}
	for _, end := range []string{"s", "x", "ch", "sh"} {
		if strings.HasSuffix(lower, end) {
			return kind + "es"
		}
	}
	return kind + "s"
}

// counted gives "1 object" and "2 objects".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + plural(noun)
}

// number gives 46,000 as people write it.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// mark is the sign before a consequence: that of what happens to its objects, the most dangerous where they differ; of
// a network path, whether it is opened or closed.
func (p *printer) mark(i int) string {
	q := p.r.Consequences[i]
	if path, ok := p.paths[i]; ok && q.Kind == "path" {
		if opens(path) {
			return "+"
		}
		return "-"
	}
	order := []report.Action{report.Replace, report.Delete, report.Update, report.Move, report.Rename, report.Create}
	best := len(order)
	for _, s := range q.Subjects {
		for _, c := range s.Changes {
			if c >= 0 && c < len(p.r.Changes) {
				if at := slices.Index(order, p.r.Changes[c].Action); at >= 0 {
					best = min(best, at)
				}
			}
		}
	}
	if best == len(order) {
		return "~"
	}
	return order[best].Mark()
}

// opens tells whether a path's verdict goes towards allowed.
func opens(path report.Path) bool { return openness(path.After) > openness(path.Before) }

func openness(v report.Verdict) int {
	switch v {
	case report.Allowed:
		return 2
	case report.Denied:
		return 0
	default:
		return 1
	}
}

// verb says what happens to a path.
func verb(path report.Path) string {
	switch {
	case path.After == report.Allowed:
		return "opened"
	case path.After == report.Denied:
		return "closed"
	case opens(path):
		return "perhaps opened"
	default:
		return "perhaps closed"
	}
}

// origins gives the places of subjects, each line once, in order.
func origins(subjects []report.Subject) []source.Span {
	var out []source.Span
	seen := map[string]bool{}
	for _, s := range subjects {
		if at := s.Origin.Place(); at != "" && !seen[at] {
			seen[at] = true
			out = append(out, s.Origin)
		}
	}
	return out
}

// places gives the first few places as text.
func places(subjects []report.Subject, most int) string {
	var out []string
	for _, s := range origins(subjects) {
		out = append(out, s.Place())
	}
	return enumerate(out, most)
}

// pass is one answer to whether subjects are let through, and for which.
type pass struct {
	why      string // empty: they are not
	subjects []report.Subject
}

// passes gives the answers, those that are not let through first, then in the order of the subjects.
func passes(q report.Consequence) []pass {
	var out []pass
	for _, s := range q.Subjects {
		i := slices.IndexFunc(out, func(x pass) bool { return x.why == s.Pass })
		if i < 0 {
			out = append(out, pass{why: s.Pass})
			i = len(out) - 1
		}
		out[i].subjects = append(out[i].subjects, s)
	}
	slices.SortStableFunc(out, func(a, b pass) int { return cmp.Compare(min(len(a.why), 1), min(len(b.why), 1)) })
	return out
}

// changes gives the indices of what the subjects' objects go through, sorted, each once.
func (p *printer) changes(subjects []report.Subject) []int {
	var out []int
	for _, s := range subjects {
		for _, c := range s.Changes {
			if c >= 0 && c < len(p.r.Changes) {
				out = append(out, c)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// patch is the same change of many objects.
type patch struct {
	change   report.Change    // the first
	all      []int            // indices of the changes
	subjects []report.Subject // the objects as subjects, for who
}

// patches puts together the changes whose action, kind and fields are the same, in the order of the first of each.
func (p *printer) patches(indices []int) []patch {
	var out []patch
	at := map[string]int{}
	for _, i := range indices {
		c := p.r.Changes[i]
		var key strings.Builder
		fmt.Fprintf(&key, "%s\x00%s\x00%s\x00%s\x00%s", c.Action, c.Group, c.Kind, c.UnitBefore, c.UnitAfter)
		if c.Action != report.Move {
			key.Reset()
			fmt.Fprintf(&key, "%s\x00%s\x00%s", c.Action, c.Group, c.Kind)
		}
		for _, f := range c.Fields {
			fmt.Fprintf(&key, "\x00%s\x00%s\x00%s\x00%t", f.Path, f.Before, f.After, f.Immutable)
		}
		j, ok := at[key.String()]
		if !ok {
			j = len(out)
			at[key.String()] = j
			out = append(out, patch{change: c})
		}
		name := c.Name
		if c.Namespace != "" {
			name = c.Namespace + "/" + c.Name
		}
		out[j].all = append(out[j].all, i)
		s := report.Subject{Name: name, Cluster: c.Cluster, Tenant: c.Tenant, Origin: c.Origin}
		out[j].subjects = append(out[j].subjects, s)
	}
	return out
}

// title names a patch: "Deployment panchito/web", or how many and some of them.
func (p *printer) title(x patch) string { return p.who(x.change.Kind, x.subjects) + p.aside(x) }

// aside says what an object was, or whose.
func (p *printer) aside(x patch) string {
	switch {
	case x.change.Action == report.Rename && len(x.all) == 1:
		return ", was " + x.change.From.Name
	case x.change.Action == report.Move:
		return ", from " + orNone(x.change.UnitBefore) + " to " + orNone(x.change.UnitAfter)
	}
	return ""
}

func orNone(s string) string {
	if s == "" {
		return "no unit"
	}
	return s
}

// blocker is an object that the caller's policy stops at.
type blocker struct {
	ref      string       // as people type it
	class    report.Class // the most dangerous of what it brings about and is not let through
	clusters []string
}

// blockers are the objects that the caller's policy stops at, each once and the most dangerous first, and the tenants
// of those that are deleted, which their specs may retire.
func (p *printer) blockers() (refs []blocker, tenants []string) {
	at := map[string]int{}
	for _, i := range p.blocking {
		for _, s := range p.r.Consequences[i].Subjects {
			if s.Pass != "" {
				continue
			}
			for _, c := range s.Keys() {
				if c < 0 || c >= len(p.r.Changes) {
					continue
				}
				change := p.r.Changes[c]
				if s.Tenant != "" && change.Action == report.Delete && p.r.Consequences[i].Class == report.Destructive {
					tenants = append(tenants, s.Tenant)
				}
				ref := change.Ref()
				if _, ok := at[ref]; !ok {
					at[ref] = len(refs)
					refs = append(refs, blocker{ref: ref, class: p.r.Consequences[i].Class})
				}
				b := &refs[at[ref]]
				b.clusters = append(b.clusters, change.Cluster)
			}
		}
	}
	for i := range refs {
		slices.Sort(refs[i].clusters)
		refs[i].clusters = slices.Compact(refs[i].clusters)
	}
	classes := report.Classes()
	slices.SortFunc(refs, func(a, b blocker) int {
		x, y := slices.Index(classes, a.class), slices.Index(classes, b.class)
		return cmp.Or(cmp.Compare(x, y), strings.Compare(a.ref, b.ref))
	})
	slices.Sort(tenants)
	return refs, slices.Compact(tenants)
}

// blockerText gives "Namespace/rigoberta", with its clusters where the report has several.
func (p *printer) blockerText(b blocker) string {
	if len(p.clusters) < 2 {
		return b.ref
	}
	return b.ref + " on " + enumerate(b.clusters, 4)
}

// failOn is the policy, as its flag has it.
func (p *printer) failOn() string {
	var out []string
	for _, c := range p.o.FailOn {
		out = append(out, string(c))
	}
	return strings.Join(out, ",")
}

// delta gives how much an amount changes: "+500m", "-2Gi (-50%)". It is empty where an amount is no quantity.
func delta(before, after string) string {
	b, errB := resource.ParseQuantity(cmp.Or(before, "0"))
	a, errA := resource.ParseQuantity(cmp.Or(after, "0"))
	if errA != nil || errB != nil {
		return ""
	}
	d := a.DeepCopy()
	d.Sub(b)
	out := d.String()
	if d.Sign() > 0 {
		out = "+" + out
	}
	if b.Sign() > 0 {
		out += " (" + percent(b.AsApproximateFloat64(), a.AsApproximateFloat64()) + ")"
	}
	return out
}

func percent(before, after float64) string {
	change := (after - before) / before * 100
	switch {
	case math.Abs(change) < 0.5:
		return "under 1%"
	case math.Abs(change) > 9999:
		return "over 100 times"
	}
	return fmt.Sprintf("%+.0f%%", change)
}

// dollars gives "$12.40" and "-$3.00".
func dollars(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "?"
	}
	cents := int64(math.Round(math.Abs(x) * 100))
	out := "$" + number(int(cents/100)) + fmt.Sprintf(".%02d", cents%100)
	if x < 0 && cents > 0 {
		return "-" + out
	}
	return out
}

func dollarDelta(before, after float64) string {
	if after > before {
		return "+" + dollars(after-before)
	}
	return dollars(after - before)
}

// passText is why subjects are let through, or that they are not.
func (p *printer) passText(i int, x pass, several bool) string {
	who := ""
	if several {
		names, clusters := nouns(x.subjects)
		who = enumerate(names, sampled)
		if len(p.clusters) > 1 && len(clusters) > 0 {
			who += " on " + enumerate(clusters, 4)
		}
		who += ": "
	}
	switch {
	case x.why != "":
		return who + "let through, " + x.why
	case p.stops(i):
		return who + "not let through"
	}
	return ""
}

// finding is what formats for programs list: a consequence at one place of the specs.
type finding struct {
	index    int // of the consequence
	q        report.Consequence
	subjects []report.Subject // at that place, let through for one reason, or not
	at       source.Span
	text     string // one line, with everything that matters
	print    string // the fingerprint
}

// findings gives one for each consequence, place and answer to whether it is let through, in the order of the report.
func (p *printer) findings() []finding {
	var out []finding
	seen := map[string]int{}
	for _, g := range p.groups {
		for _, i := range g.all {
			q := p.r.Consequences[i]
			first := len(out)
			at := map[string]int{}
			for _, s := range q.Subjects {
				key := s.Origin.Place() + "\x00" + s.Pass
				j, ok := at[key]
				if !ok {
					j = len(out)
					at[key] = j
					out = append(out, finding{index: i, q: q, at: s.Origin})
				}
				out[j].subjects = append(out[j].subjects, s)
			}
			for j := first; j < len(out); j++ {
				f := &out[j]
				f.text = p.who(q.Kind, f.subjects) + " " + q.Text
				f.print = fingerprint(*f, seen)
			}
		}
	}
	return out
}

// fingerprint identifies a finding from one commit to the next: 32 hexadecimal digits that depend on the rule, the file
// and the first subject, and never on a line or on how the change is worded. Equal ones are numbered.
func fingerprint(f finding, seen map[string]int) string {
	s := f.subjects[0]
	key := strings.Join([]string{f.q.Rule, f.at.File, s.Cluster, s.Tenant, f.q.Kind, s.Name}, "\x00")
	seen[key]++
	sum := sha256.Sum256([]byte(key + "\x00" + strconv.Itoa(seen[key])))
	return hex.EncodeToString(sum[:16])
}

// details gives what follows the first line of a finding in formats for programs, a line each, as visible text.
func (p *printer) details(f finding) []string {
	var out []string
	if f.q.Data {
		out = append(out, "data is at stake")
	}
	if f.q.Why != "" {
		out = append(out, f.q.Why)
	}
	answers := passes(report.Consequence{Subjects: f.subjects})
	for _, x := range answers {
		if t := p.passText(f.index, x, len(answers) > 1); t != "" {
			out = append(out, t)
		}
	}
	for i, step := range f.q.Plan {
		out = append(out, fmt.Sprintf("safe order, step %d: %s", i+1, step))
	}
	for i := range out {
		out[i] = dialect.Visible(out[i])
	}
	return out
}
