package cli

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/leak"
	"github.com/zavestudios/zave/internal/tree"
)

// interlocks are what lets a publish delete more than it may by itself.
type interlocks struct {
	// allow are names of what may be deleted: an object as diff prints it, or a tenant, a database or a service.
	allow []string
	most  deleteLimit // of a cluster's files
}

// deleteLimit is --max-delete: how many of a cluster's files a publish may delete. The zero value allows none.
type deleteLimit struct {
	n       int
	percent bool
}

// defaultDeletes is what a publish may delete without being asked.
func defaultDeletes() deleteLimit { return deleteLimit{n: 20, percent: true} }

func (l *deleteLimit) Type() string { return "MOST" }
func (l *deleteLimit) String() string {
	if l.percent {
		return strconv.Itoa(l.n) + "%"
	}
	return strconv.Itoa(l.n)
}

func (l *deleteLimit) Set(s string) error {
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || percent && n > 100 {
		return fmt.Errorf("%q is neither a number of files nor a percentage up to 100%%", s)
	}
	*l = deleteLimit{int(n), percent}
	return nil
}

// exceeded tells whether n of so many files are more than the limit.
func (l *deleteLimit) exceeded(n, of int) bool {
	if l.percent {
		return n*100 > l.n*of
	}
	return n > l.n
}

// mostListed is how many things of one kind a refusal lists.
const mostListed = 20

// interlock refuses a publish that would do to the clusters what reverting the commit does not undo: delete a tenant, a
// Namespace, a database's objects, an AppProject or what else a destructive consequence deletes; move an object from one
// owner to another that deletes it first; or delete more than a part of a cluster's files. The report is what the publish
// does, and owned are the files of ours that the repository has before it, as its index lists them.
//
// What the report lets through (state: retired, an acknowledgement) stops nothing, nor does what is allowed by name: the
// tenant's, the database's or the service's, or those of the key objects. Neither counts as part of a cluster's files.
//
// The error is a problem that lists what would go, each with its line, and says how it is let through.
func interlock(r *report.Report, owned func() ([]string, error), o interlocks) error {
	l := &lock{r: r, o: o, judged: map[int]bool{}}
	l.deletions()
	l.moves()
	if err := l.shares(owned); err != nil {
		return err
	}
	if len(l.text) == 0 {
		return nil
	}
	return &problem{exit: exitInput, text: strings.Join(l.text, "\n"), hint: strings.Join(l.hints, "\n")}
}

// allowable lists what --allow-delete may name in a report, sorted.
func allowable(r *report.Report) []string {
	out := refs(r)
	for _, c := range r.Changes {
		if c.Tenant != "" {
			out = append(out, c.Tenant)
		}
	}
	for _, q := range r.Consequences {
		for _, s := range q.Subjects {
			if isWhole(q) {
				out = append(out, s.Name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sayUnusedDeletes names what --allow-delete is given for nothing: it may be misspelt.
func (a *app) sayUnusedDeletes(r *report.Report, allow []string) {
	exist := allowable(r)
	for _, name := range allow {
		if !slices.ContainsFunc(exist, func(s string) bool { return strings.EqualFold(s, name) }) {
			a.say("--allow-delete %s allows nothing: it does not change%s", shownName(name), didYouMean(name, exist))
		}
	}
}

// lock is one call of interlock.
type lock struct {
	r           *report.Report
	o           interlocks
	judged      map[int]bool // the deletions that are let through or refused by name
	text, hints []string     // of the problem, in lines
}

// isMove tells whether a consequence is that objects change hands, and the old owner deletes them.
func isMove(q report.Consequence) bool {
	return q.Class == report.Destructive && (q.Rule == "object-moved" || q.Rule == "owner-renamed")
}

// isWhole tells whether a consequence's subjects are known by their names alone.
func isWhole(q report.Consequence) bool {
	return slices.Contains([]string{"tenant", "database", "service"}, q.Kind)
}

// deletions judges what goes for good, and backups that end.
func (l *lock) deletions() {
	var lines, names, tenants []string
	for _, q := range l.r.Consequences {
		var refused []report.Subject
		for _, s := range q.Subjects {
			gone := l.gone(s)
			retired := q.Rule == "tenant-retired" // whose spec says so
			if len(gone) == 0 || !retired && q.Rule != "backup-stopped" && (q.Class != report.Destructive || isMove(q)) {
				continue
			}
			for _, i := range gone {
				l.judged[i] = true
			}
			if retired || l.allowed(q, s) {
				continue
			}
			refused = append(refused, s)
			names = append(names, l.nameOf(q, s))
			if q.Rule == "tenant-deleted" {
				tenants = append(tenants, s.Tenant)
			}
		}
		lines = append(lines, l.told(q, refused)...)
	}
	if len(names) == 0 {
		return
	}
	hint := "where it is meant: " + allowFlags(names)
	if len(tenants) > 0 {
		hint += `; or first publish state: "retired" in the spec of ` + list(firstNames(tenants))
	}
	l.refuse("this publish would delete what reverting it does not bring back:", lines, hint)
}

// moves judges what changes hands.
func (l *lock) moves() {
	var lines, names []string
	for _, q := range l.r.Consequences {
		if !isMove(q) {
			continue
		}
		refused := slices.DeleteFunc(slices.Clone(q.Subjects), func(s report.Subject) bool { return l.allowed(q, s) })
		for _, s := range refused {
			names = append(names, l.nameOf(q, s))
		}
		lines = append(lines, l.told(q, refused)...)
	}
	if len(names) > 0 {
		l.refuse("this publish would move objects to another owner while the old one deletes them:", lines,
			"publish the steps one by one; where deleting them is meant: "+allowFlags(names))
	}
}

// shares judges how much of each cluster goes, one file an object, beside what was judged by name.
func (l *lock) shares(owned func() ([]string, error)) error {
	gone := map[string][]int{}
	for i, c := range l.r.Changes {
		if c.Action == report.Delete && !l.judged[i] && !l.named(c.Tenant) && !l.named(c.Ref()) {
			gone[c.Cluster] = append(gone[c.Cluster], i)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	all, err := owned()
	if err != nil {
		return err
	}
	files := map[string]int{}
	for _, p := range all {
		if cluster, _ := layout.Owner(p); path.Base(p) != layout.Kustomization && !tree.IsIndex(p) {
			files[cluster]++
		}
	}
	for _, cluster := range slices.Sorted(maps.Keys(gone)) {
		n, of := len(gone[cluster]), max(files[cluster], len(gone[cluster]))
		if !l.o.most.exceeded(n, of) {
			continue
		}
		enough := strconv.Itoa(n)
		if l.o.most.percent {
			enough = strconv.Itoa((n*100+of-1)/of) + "%"
		}
		l.refuse(fmt.Sprintf("this publish would delete %d of the %d files of cluster %s, and --max-delete is %s:", n, of,
			shownName(cluster), &l.o.most), l.objects("  ", gone[cluster]),
			"where it is meant: --max-delete "+enough+", or --allow-delete with the name of a tenant or of an object")
	}
	return nil
}

func (l *lock) refuse(title string, lines []string, hint string) {
	l.text = append(append(l.text, title), lines...)
	l.hints = append(l.hints, hint)
}

// gone gives the changes of a subject that delete.
func (l *lock) gone(s report.Subject) (out []int) {
	for _, i := range s.Changes {
		if l.r.Changes[i].Action == report.Delete {
			out = append(out, i)
		}
	}
	return out
}

// named tells whether a name is given to --allow-delete, in whatever case.
func (l *lock) named(name string) bool {
	return name != "" && slices.ContainsFunc(l.o.allow, func(s string) bool { return strings.EqualFold(s, name) })
}

func (l *lock) allowed(q report.Consequence, s report.Subject) bool {
	if s.Pass != "" || l.named(s.Tenant) || isWhole(q) && l.named(s.Name) {
		return true
	}
	keys := s.Keys()
	return len(keys) > 0 && !slices.ContainsFunc(keys, func(i int) bool { return !l.named(l.r.Changes[i].Ref()) })
}

// nameOf is what to allow a subject by.
func (l *lock) nameOf(q report.Consequence, s report.Subject) string {
	if keys := s.Keys(); len(keys) > 0 && !isWhole(q) {
		return l.r.Changes[keys[0]].Ref()
	}
	return s.Name
}

// told gives the lines that say what happens to subjects of a consequence, of each the objects that go, and the safe
// order.
func (l *lock) told(q report.Consequence, subjects []report.Subject) (out []string) {
	byName := map[string][]report.Subject{}
	var names []string
	for _, s := range subjects {
		if byName[s.Name] == nil {
			names = append(names, s.Name)
		}
		byName[s.Name] = append(byName[s.Name], s)
	}
	for n, name := range names {
		if n == mostListed {
			out = append(out, fmt.Sprintf("  and %d more", len(names)-n))
			break
		}
		var clusters []string
		var gone []int
		for _, s := range byName[name] {
			clusters = append(clusters, s.Cluster)
			gone = append(gone, l.gone(s)...)
		}
		out = append(out, "  "+atPlace(q.Kind+" "+name+onClusters(clusters)+": "+q.Text, byName[name][0].Origin.Place()))
		if len(gone) > len(byName[name]) {
			out = append(out, l.objects("    ", gone)...)
		}
	}
	if len(subjects) == 0 {
		return nil
	}
	if q.Data {
		out = append(out, "    data is at stake")
	}
	for i, step := range q.Plan {
		out = append(out, fmt.Sprintf("    step %d: %s", i+1, shownName(step)))
	}
	return out
}

// objects gives a line for each object, with its clusters: first those that hold others or data.
func (l *lock) objects(indent string, changes []int) (out []string) {
	holders := []string{"Namespace", "AppProject", "PersistentVolume", "PersistentVolumeClaim", "StatefulSet", "HelmRelease"}
	clusters, places, kinds := map[string][]string{}, map[string]string{}, map[string]int{}
	var all []string
	for _, i := range changes {
		c := l.r.Changes[i]
		ref := c.Ref()
		if clusters[ref] == nil {
			all = append(all, ref)
			places[ref], kinds[ref] = c.Origin.Place(), len(holders)
			if at := slices.Index(holders, c.Kind); at >= 0 {
				kinds[ref] = at
			}
		}
		clusters[ref] = append(clusters[ref], c.Cluster)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(kinds[a], kinds[b]), strings.Compare(a, b)) })
	for n, ref := range all {
		if n == mostListed {
			return append(out, fmt.Sprintf("%sand %d more", indent, len(all)-n))
		}
		out = append(out, indent+atPlace(ref+onClusters(clusters[ref]), places[ref]))
	}
	return out
}

// atPlace gives text, and the line of the spec that causes it.
func atPlace(text, at string) string {
	if at != "" {
		text += "  " + at
	}
	return shownName(text)
}

// onClusters gives " on aws and sandbox".
func onClusters(clusters []string) string {
	clusters = slices.DeleteFunc(slices.Clone(clusters), func(c string) bool { return c == "" })
	slices.Sort(clusters)
	if clusters = slices.Compact(clusters); len(clusters) == 0 {
		return ""
	}
	return " on " + list(firstNames(clusters))
}

// firstNames gives names once each, sorted, and a count of those beyond the first.
func firstNames(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)
	if n := len(names); n > 4 {
		return append(names[:3:3], strconv.Itoa(n-3)+" more")
	}
	return names
}

// allowFlags gives the flags that let these through.
func allowFlags(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)
	var flags []string
	for _, name := range names[:min(len(names), 3)] {
		flags = append(flags, "--allow-delete "+shownName(name))
	}
	out := strings.Join(flags, " ")
	if n := len(names) - len(flags); n > 0 {
		out += " and so on for " + strconv.Itoa(n) + " more"
	}
	return out
}

// shownName gives text from a report as people may see it.
func shownName(s string) string { return diag.Visible(leak.Mask(s)) }
