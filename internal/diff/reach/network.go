package reach

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
	corev1 "k8s.io/api/core/v1"
)

// spaceKey is a namespace of a cluster.
type spaceKey struct{ cluster, name string }

// web is the namespaces and what is said of the paths between them.
type web struct {
	s      *state
	b      *builder
	spaces map[spaceKey]*space
	moving map[*space]*moved
	// authorizations are the AuthorizationPolicies.
	authorizations map[spaceKey][]*pair

	opening side // after: what the change opens; before: what it closes
}

// moved is the ends of the paths that come with a namespace, or go with it.
type moved struct {
	inside   bool
	to, from map[string]bool
	paths    []report.Path
	because  []object.ID
}

// route leads from one namespace to another.
type route struct{ from, to *space }

// network compares what the NetworkPolicies let through (Kubernetes, "Network Policies"): the pods that a policy selects
// are isolated in its directions, and what any rule lets through is let through; both ends must do so. Only the
// namespaces are looked at whose policies or labels differ, and those that these name.
//
// Addresses are those outside of the cluster (networking/v1 IPBlock: pods' addresses are ephemeral). Where a network
// plug-in lets blocks hold for pods as well, a way out to private addresses leads to these, too.
func network(s *state, b *builder) error {
	w := &web{s: s, b: b, spaces: map[spaceKey]*space{}, authorizations: map[spaceKey][]*pair{}}
	for _, p := range s.byKind["AuthorizationPolicy.security.istio.io"] {
		k := spaceKey{p.Cluster, p.Namespace}
		w.authorizations[k] = append(w.authorizations[k], p)
	}
	for _, p := range s.byKind["Namespace."] {
		w.space(p.Cluster, p.Name).pair = p
	}
	for _, p := range s.byKind["NetworkPolicy.networking.k8s.io"] {
		n := w.space(p.Cluster, p.Namespace)
		n.policies = append(n.policies, p)
	}
	var changed []*space
	for _, n := range w.spaces {
		if n.differs(); len(n.changed) > 0 {
			changed = append(changed, n)
		}
	}
	slices.SortFunc(changed, byName)
	relabelled, err := w.relabelled()
	if err != nil {
		return err
	}
	for _, n := range changed {
		if err := n.load(); err != nil {
			return err
		}
	}
	routes, err := w.routes(changed)
	if err != nil {
		return err
	}
	for r := range relabelled {
		routes[r] = true
	}
	list := make([]route, 0, len(routes))
	for r := range routes {
		list = append(list, r)
	}
	slices.SortFunc(list, func(x, y route) int { return cmp.Or(byName(x.from, y.from), byName(x.to, y.to)) })
	for _, o := range sides() {
		w.opening, w.moving = o[1], map[*space]*moved{}
		for _, n := range changed {
			for _, d := range directions() {
				w.widely(n, d)
				w.toAddresses(n, d)
			}
		}
		for _, r := range list {
			if err := w.between(r); err != nil {
				return err
			}
		}
		w.movements()
	}
	return mesh(w)
}

func byName(x, y *space) int {
	return cmp.Or(strings.Compare(x.cluster, y.cluster), strings.Compare(x.name, y.name))
}

func (w *web) space(cluster, name string) *space {
	k := spaceKey{cluster, name}
	n := w.spaces[k]
	if n == nil {
		n = &space{s: w.s, cluster: cluster, name: name}
		w.spaces[k] = n
	}
	return n
}

// differs gathers what may open or close a path, less the labels.
func (n *space) differs() {
	for _, p := range n.policies {
		if p.changed && !p.kept && !sameBody(p) {
			n.changed = append(n.changed, p.ID)
		}
	}
	if n.pair != nil && n.exists(before) != n.exists(after) {
		n.changed = append(n.changed, n.pair.ID)
	}
}

// relabelled gives the routes from and to namespaces whose labels differ in a way that a policy may ask about.
func (w *web) relabelled() (map[route]bool, error) {
	out := map[route]bool{}
	type asked struct{ cluster, key string }
	who := map[asked][]*space{}
	ask := func(cluster, key string) []*space {
		q := asked{cluster, key}
		if _, ok := who[q]; !ok {
			who[q] = w.asking(cluster, key)
		}
		return who[q]
	}
	for _, p := range w.s.byKind["Namespace."] {
		if !p.changed || p.kept || p.is[before] == nil || p.is[after] == nil {
			continue
		}
		n := w.space(p.Cluster, p.Name)
		if keys, ok := changedKeys(p); ok && !slices.ContainsFunc(slices.Collect(maps.Keys(keys)), func(k string) bool { return len(ask(p.Cluster, k)) > 0 }) {
			continue
		}
		b, err := decode[meta](p, before)
		if err != nil {
			return nil, err
		}
		a, err := decode[meta](p, after)
		if err != nil {
			return nil, err
		}
		for _, k := range differing(b.Metadata.Labels, a.Metadata.Labels) {
			for _, other := range ask(p.Cluster, k) {
				for _, x := range []*space{n, other} {
					if err := x.load(); err != nil {
						return nil, err
					}
				}
				out[route{n, other}], out[route{other, n}] = true, true
			}
		}
	}
	return out, nil
}

// differing gives the keys at which two maps differ, sorted.
func differing(b, a map[string]string) (out []string) {
	for k, v := range b {
		if x, ok := a[k]; !ok || x != v {
			out = append(out, k)
		}
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// asking gives the namespaces whose policies may ask for a label of namespaces. It goes by the text, since that is
// quick, and finds too many at most.
func (w *web) asking(cluster, key string) (out []*space) {
	for _, p := range w.s.byKind["NetworkPolicy.networking.k8s.io"] {
		if p.Cluster != cluster {
			continue
		}
		for _, at := range [2]side{before, after} {
			if o := p.there(at); o != nil && hasWord(body(o), key) {
				out = append(out, w.space(cluster, p.Namespace))
				break
			}
		}
	}
	return slices.Compact(out) // the policies are sorted by namespace
}

// hasWord tells whether a text has a word, and not as a part of a longer one.
func hasWord(text []byte, word string) bool {
	inWord := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_./", c) >= 0
	}
	for {
		i := bytes.Index(text, []byte(word))
		if i < 0 {
			return false
		}
		j := i + len(word)
		if (i == 0 || !inWord(text[i-1])) && (j == len(text) || !inWord(text[j])) {
			return true
		}
		text = text[i+1:]
	}
}

// routes gives the routes between the namespaces that change and those that they name, and reads these.
func (w *web) routes(changed []*space) (map[route]bool, error) {
	out := map[route]bool{}
	for _, n := range changed {
		for at := range n.read {
			for i := range n.read[at] {
				for _, d := range directions() {
					for _, r := range n.read[at][i].rules[d] {
						for _, p := range r.peers {
							for _, name := range p.namespaces.mentions() {
								other := w.space(n.cluster, name)
								if err := other.load(); err != nil {
									return nil, err
								}
								if d == egress {
									out[route{n, other}] = true
								} else {
									out[route{other, n}] = true
								}
							}
						}
					}
				}
			}
		}
	}
	return out, nil
}

// mentions gives the names of namespaces that a selector asks for, or asks not to be.
func (s selector) mentions() (out []string) {
	for _, r := range s {
		if r.Key == corev1.LabelMetadataName {
			out = append(out, r.Values...)
		}
	}
	return out
}

// transition is what verdict ports have after; before they were denied, or the other way round where a path closes.
type transition struct{ allowed, unknown ports }

// opened gives what one bound has more than another.
func opened(from, to bound) transition {
	return transition{to.sure.less(from.most), to.most.less(to.sure).less(from.most)}
}

func (t transition) less(p ports) transition { return transition{t.allowed.less(p), t.unknown.less(p)} }
func (t transition) empty() bool             { return len(t.allowed) == 0 && len(t.unknown) == 0 }
func (t transition) text() string            { return t.allowed.String() + "\x00" + t.unknown.String() }

// group is classes that something is the same for.
type group[T any] struct {
	in []bool
	is T
}

// grouped joins the classes for which something is the same, in order. What has an empty key is left out.
func grouped[T any](n int, at func(int) (string, T)) (out []group[T]) {
	where := map[string]int{}
	for i := range n {
		key, v := at(i)
		if key == "" {
			continue
		}
		j, ok := where[key]
		if !ok {
			j = len(out)
			where[key] = j
			out = append(out, group[T]{make([]bool, n), v})
		}
		out[j].in[i] = true
	}
	return out
}

// mostCells bounds how many kinds of paths are told apart between two namespaces.
const mostCells = 1 << 16

// widened is what is said of pods with some labels as a whole: no path to or from them need be told on these ports.
func (w *web) widened(n *space, d direction, own map[string]string) ports {
	if len(n.changed) == 0 {
		return nil
	}
	from, to := n.wide(d, 1-w.opening, own), n.wide(d, w.opening, own)
	return to.everyPod.most.less(from.everyPod.most)
}

// between says what opens between two namespaces. Paths that the ends are widened by are left out.
func (w *web) between(r route) error {
	froms := newKinds("pods", r.from.own(egress), r.to.theirs(ingress, r.from))
	tos := newKinds("pods", r.to.own(ingress), r.from.theirs(egress, r.to))
	if n := len(froms.classes) * len(tos.classes); n == 0 || n > mostCells {
		w.tooMany(r)
		return nil
	}
	was, is := 1-w.opening, w.opening
	type sideWays [2][]way
	out := make([]sideWays, len(froms.classes))
	wideOut := make([]ports, len(froms.classes))
	for i, c := range froms.classes {
		out[i] = sideWays{before: r.from.ways(egress, before, c, r.to), after: r.from.ways(egress, after, c, r.to)}
		wideOut[i] = w.widened(r.from, egress, c)
	}
	in := make([]sideWays, len(tos.classes))
	wideIn := make([]ports, len(tos.classes))
	for i, c := range tos.classes {
		in[i] = sideWays{before: r.to.ways(ingress, before, c, r.from), after: r.to.ways(ingress, after, c, r.from)}
		wideIn[i] = w.widened(r.to, ingress, c)
	}
	cells := make([][]transition, len(froms.classes))
	open := make([][]ports, len(froms.classes)) // on any side
	for i := range cells {
		cells[i], open[i] = make([]transition, len(tos.classes)), make([]ports, len(tos.classes))
		for j := range tos.classes {
			verdict := func(at side) bound {
				return through(out[i][at], tos.classes[j]).and(through(in[j][at], froms.classes[i]))
			}
			from, to := verdict(was), verdict(is)
			cells[i][j] = opened(from, to).less(wideOut[i]).less(wideIn[j])
			open[i][j] = from.most.or(to.most)
		}
	}
	rows := grouped(len(froms.classes), func(i int) (string, []transition) { return rowKey(cells[i]), cells[i] })
	if len(rows) == 0 {
		return nil
	}
	mesh, err := w.view(r.to)
	if err != nil {
		return err
	}
	for _, row := range rows {
		columns := grouped(len(tos.classes), func(j int) (string, transition) {
			if row.is[j].empty() {
				return "", transition{}
			}
			return row.is[j].text(), row.is[j]
		})
		for _, column := range columns {
			i, j := slices.Index(row.in, true), slices.Index(column.in, true)
			because := func(p ports) []object.ID {
				ids := r.to.causes(ingress, is, was, tos.classes[j], p, func(q *policy, at side) bound {
					return through(q.ways(ingress, at, r.from), froms.classes[i])
				})
				return append(ids, r.from.causes(egress, is, was, froms.classes[i], p, func(q *policy, at side) bound {
					return through(q.ways(egress, at, r.to), tos.classes[j])
				})...)
			}
			p := column.is.ports()
			freeFrom := func(k int) bool {
				return !slices.ContainsFunc(open[k], func(x ports) bool { return len(x.and(p)) > 0 })
			}
			freeTo := func(k int) bool {
				for i := range row.in {
					if row.in[i] && len(open[i][k].and(p)) > 0 {
						return false
					}
				}
				return true
			}
			refused := p
			for k, in := range column.in {
				if in {
					refused = refused.and(mesh.refused(is, tos.classes[k], r.from.name))
				}
			}
			for _, from := range froms.names(row.in, freeFrom) {
				for _, to := range tos.names(column.in, freeTo) {
					w.tell(r, from, to, column.is, refused, because)
				}
			}
		}
	}
	return nil
}

// rowKey is the same for rows that are; empty for one in which nothing opens.
func rowKey(row []transition) string {
	var key strings.Builder
	some := false
	for _, t := range row {
		some = some || !t.empty()
		key.WriteString(t.text())
		key.WriteByte('\x01')
	}
	if !some {
		return ""
	}
	return key.String()
}

// causes gives the objects whose change lets the ports through for pods with these labels: policies that do so and did
// not, or the namespace itself.
func (n *space) causes(d direction, is, was side, own map[string]string, p ports, lets func(*policy, side) bound) (out []object.ID) {
	let := func(q *policy, at side) ports {
		if !q.holds[d] || !q.pods.matches(own) {
			return nil
		}
		return lets(q, at).most.and(p)
	}
	for i := range n.read[is] {
		q := &n.read[is][i]
		now := let(q, is)
		if len(now) == 0 {
			continue
		}
		for j := range n.read[was] {
			if old := &n.read[was][j]; old.ID == q.ID {
				now = now.less(let(old, was))
			}
		}
		if len(now) > 0 && slices.Contains(n.changed, q.ID) {
			out = append(out, q.ID)
		}
	}
	return out
}

// why says what is known of a verdict.
func (w *web) why(r route, known bool) string {
	switch {
	case w.opening == before && known:
		return "no policies of both ends let it through any more"
	case w.opening == before:
		return "the policies of one end no longer let it through; the other end's are not in the tree"
	case known:
		return "the policies of both ends let it through"
	}
	return "the policies of one end let it through; the other end's are not in the tree"
}

// tell says that a path opens or closes, one by one or with the namespace that comes or goes.
func (w *web) tell(r route, from, to string, t transition, refused ports, because func(ports) []object.ID) {
	known, other := w.why(r, true), w.why(r, false)
	refused = refused.and(t.allowed)
	for _, x := range []struct {
		ports   ports
		verdict report.Verdict
		why     string
	}{
		{t.allowed.less(refused), report.Allowed, known},
		{refused, report.Unknown, known + pick(w.opening == after, "; the mesh's do not", "; the mesh's did not") + ", where its proxy is in front of the pods"},
		{t.unknown, report.Unknown, other},
	} {
		if len(x.ports) == 0 {
			continue
		}
		p := w.verdicts(report.Path{
			Cluster: r.from.cluster, From: podsAt(r.from.name, from), To: podsAt(r.to.name, to), Ports: x.ports.String(),
		}, x.verdict)
		ids := because(x.ports)
		if len(ids) == 0 {
			ids = slices.Concat(r.to.reasons(), r.from.reasons())
		}
		if w.moves(r, p, ids) {
			continue
		}
		w.say(pathOpened, pathClosed, p, x.ports.at(p.To), x.why, ids)
	}
}

// reasons are the objects that change.
func (n *space) reasons() []object.ID {
	if len(n.changed) == 0 && n.pair != nil && n.pair.changed {
		return []object.ID{n.pair.ID}
	}
	return n.changed
}

// verdicts fills in the verdicts of a path that is denied on the other side.
func (w *web) verdicts(p report.Path, verdict report.Verdict) report.Path {
	p.Before, p.After = report.Denied, verdict
	if w.opening == before {
		p.Before, p.After = verdict, report.Denied
	}
	return p
}

// say says that one path opens or closes.
func (w *web) say(opens, closes string, p report.Path, to, why string, because []object.ID) {
	c := consequence{rule: opens, kind: "path", text: "opened", why: why}
	if w.opening == before {
		c.rule, c.text = closes, "closed"
	}
	w.sayAs(c, p, to, because)
}

func (w *web) sayAs(c consequence, p report.Path, to string, because []object.ID) {
	it, s := w.subject(c, p, to, because)
	w.b.path(p, it, s)
}

// subject says it of a path that is a part of another one.
func (w *web) subject(c consequence, p report.Path, to string, because []object.ID) (*item, *subject) {
	tenant := ""
	if len(because) > 0 {
		tenant = cmp.Or(w.s.tenantOfID(because[0]), w.s.tenantIn(p.Cluster, cmp.Or(because[0].Namespace, because[0].Name)))
	}
	return w.b.add(c, p.From+" → "+to, p.Cluster, tenant, because...)
}

// comes tells whether a namespace comes; or goes, where it is about what closes.
func (w *web) comes(n *space) bool { return !n.exists(1-w.opening) && n.exists(w.opening) }

// arrives tells whether all paths of a namespace open, or all close: it comes, or it is a tenant's that nothing got in to
// or out of.
func (w *web) arrives(n *space) bool {
	return w.comes(n) || n.tenant() != "" && len(n.changed) > 0 && n.shut(1-w.opening) && !n.shut(w.opening)
}

// moves keeps a path for the sentence about a namespace that comes or goes, where the other end is the same or the
// platform's, and tells whether it does.
func (w *web) moves(r route, p report.Path, because []object.ID) bool {
	for _, n := range [2]*space{r.from, r.to} {
		if !w.arrives(n) || r.from != r.to && (r.from != n && r.from.tenant() != "" || r.to != n && r.to.tenant() != "") {
			continue
		}
		switch {
		case r.from == r.to:
			w.move(n).inside = true
		case n == r.from:
			w.move(n).to[p.To] = true
		default:
			w.move(n).from[p.From] = true
		}
		m := w.move(n)
		m.paths = append(m.paths, p)
		m.because = append(m.because, because...)
		return true
	}
	return false
}

func (w *web) move(n *space) *moved {
	if w.moving[n] == nil {
		w.moving[n] = &moved{to: map[string]bool{}, from: map[string]bool{}}
	}
	return w.moving[n]
}

// movements says in one sentence what comes or goes with a namespace.
func (w *web) movements() {
	for n, m := range w.moving {
		c := consequence{rule: pathsComing, kind: "Namespace", why: "the other ends are its own or the platform's: what leads to other tenants or out of the cluster is told apart"}
		var list []string
		if m.inside {
			list = append(list, "inside")
		}
		if len(m.to) > 0 {
			list = append(list, "to "+enumerated(m.to))
		}
		if len(m.from) > 0 {
			list = append(list, "from "+enumerated(m.from))
		}
		c.text = "with new network paths: " + strings.Join(list, "; ")
		if w.opening == before {
			c.rule = pathsGoing
			c.text = "without network paths any more: " + strings.Join(list, "; ")
		}
		because := slices.Concat(n.reasons(), m.because)
		if n.pair != nil && n.exists(before) != n.exists(after) {
			because = slices.Concat([]object.ID{n.pair.ID}, because)
		}
		it, subject := w.b.add(c, n.name, n.cluster, n.tenant(), because...)
		for _, p := range m.paths {
			w.b.path(p, it, subject)
		}
	}
}

// enumerated is "a, b and c", sorted.
func enumerated(set map[string]bool) string {
	list := slices.Sorted(maps.Keys(set))
	if n := len(list) - 1; n > 0 {
		return strings.Join(list[:n], ", ") + " and " + list[n]
	}
	return strings.Join(list, "")
}
