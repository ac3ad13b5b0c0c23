package reach

import (
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1 "k8s.io/api/core/v1"
)

// widening is what opens for pods as a whole.
type widening struct {
	isolated   bool // no policy isolated them that does on the other side
	everything transition
	everyPod   transition
	elseAll    bool // some of everything was let through before
	elsePods   bool
}

// widely says what opens towards everything, every pod, or pods by their labels alone.
func (w *web) widely(n *space, d direction) {
	kinds := newKinds("pods", n.own(d))
	if len(kinds.classes) == 0 {
		w.tooManyAt(n, d)
		return
	}
	was, is := 1-w.opening, w.opening
	groups := grouped(len(kinds.classes), func(i int) (string, widening) {
		own := kinds.classes[i]
		from, to := n.wide(d, was, own), n.wide(d, is, own)
		x := widening{isolated: from.isolated && !to.isolated && n.exists(was), everything: opened(from.everything, to.everything)}
		x.everyPod = opened(from.everyPod, to.everyPod).less(x.everything.ports())
		if x.everything.empty() && x.everyPod.empty() {
			return "", x
		}
		x.elseAll = n.lets(d, was, own, x.everything.ports(), func(*peer) bool { return true })
		x.elsePods = n.lets(d, was, own, x.everyPod.ports(), func(p *peer) bool { return p.spans == nil })
		key := []string{x.everything.text(), x.everyPod.text()}
		for _, is := range []bool{x.isolated, x.elseAll, x.elsePods} {
			if is {
				key = append(key, "1")
			} else {
				key = append(key, "0")
			}
		}
		return strings.Join(key, "\x01"), x
	})
	for _, g := range groups {
		own := kinds.classes[slices.Index(g.in, true)]
		for _, pods := range kinds.names(g.in, noneFree) {
			w.tellWidely(n, d, pods, own, g.is)
		}
	}
	w.byLabels(n, d, kinds)
}

func (t transition) ports() ports { return t.allowed.or(t.unknown) }

// lets tells whether the pods are let through on some of the ports for some peer of a kind.
func (n *space) lets(d direction, at side, own map[string]string, p ports, kind func(*peer) bool) bool {
	if !n.exists(at) || len(p) == 0 {
		return false
	}
	for i := range n.read[at] {
		q := &n.read[at][i]
		if !q.holds[d] || !q.pods.matches(own) {
			continue
		}
		for _, r := range q.rules[d] {
			if len(r.ports.most.and(p)) == 0 {
				continue
			}
			if len(r.peers) == 0 {
				return true
			}
			for k := range r.peers {
				if kind(&r.peers[k]) {
					return true
				}
			}
		}
	}
	return false
}

func (w *web) tellWidely(n *space, d direction, pods string, own map[string]string, x widening) {
	end := podsAt(n.name, pods)
	because := func(p ports, kind func(*rule, *peer) bool) []object.ID {
		return w.reasons(n, d, own, p, kind)
	}
	w.eachPart(n, d, end, pick(x.elseAll, "everything else", "everything"), x.everything, func(p report.Path, to string, ports ports) {
		ids := because(ports, func(r *rule, _ *peer) bool { return len(r.peers) == 0 })
		c := consequence{kind: "path", text: "opened", why: "a rule that names no peers lets everything through"}
		switch {
		case w.comes(n) && (n.tenant() == "" || w.opening == before):
			m := w.move(n)
			if d == ingress {
				m.from["everything"] = true
			} else {
				m.to["everything"] = true
			}
			m.paths = append(m.paths, p)
			return
		case w.opening == after && x.isolated:
			c.rule, c.text, c.why = isolationLost, "opened, as no policy isolates these pods any more", "pods that no policy isolates can be reached by every pod and address, or reach them"
		case w.opening == after && w.comes(n) && ports.all():
			c.rule, c.text, c.why = isolationLost, "opened, as no policy isolates these pods", "pods that no policy isolates can be reached by every pod and address, or reach them"
		case w.opening == after && d == ingress:
			c.rule = pathFromAll
		case w.opening == after:
			c.rule = egressWorld
		case x.isolated:
			c.rule, c.text, c.why = isolationGained, "closed, as a policy isolates these pods now", "what no policy lets through is refused"
		case d == ingress:
			c.rule, c.text, c.why = pathClosed, "closed", "no rule lets everything through any more"
		default:
			c.rule, c.text, c.why = egressClosed, "closed", "no rule lets everything through any more"
		}
		w.sayAs(c, p, to, ids)
	})
	w.eachPart(n, d, end, pick(x.elsePods, "every other namespace", "every namespace"), x.everyPod, func(p report.Path, to string, ports ports) {
		ids := because(ports, func(r *rule, p *peer) bool {
			return len(r.peers) == 0 || p != nil && p.spans == nil && len(p.namespaces) == 0 && len(p.pods) == 0
		})
		w.say(pathOpened, pathClosed, p, to, pick(w.opening == after, "a rule lets pods of every namespace through", "no rule lets pods of every namespace through any more"), ids)
	})
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// eachPart makes a path of each verdict.
func (w *web) eachPart(n *space, d direction, end, peer string, t transition, do func(p report.Path, to string, ports ports)) {
	for _, x := range []struct {
		ports   ports
		verdict report.Verdict
	}{{t.allowed, report.Allowed}, {t.unknown, report.Unknown}} {
		if len(x.ports) == 0 {
			continue
		}
		p := report.Path{Cluster: n.cluster, From: end, To: peer, Ports: x.ports.String()}
		if d == ingress {
			p.From, p.To = peer, end
		}
		do(w.verdicts(p, x.verdict), x.ports.at(p.To), x.ports)
	}
}

// reasons gives the changed policies that let ports through by rules of a kind; where there are none, since what opens
// was isolated, all that change.
func (w *web) reasons(n *space, d direction, own map[string]string, p ports, kind func(*rule, *peer) bool) []object.ID {
	ids := n.causes(d, w.opening, 1-w.opening, own, p, func(q *policy, _ side) (out bound) {
		for i := range q.rules[d] {
			r := &q.rules[d][i]
			if len(r.peers) == 0 && kind(r, nil) {
				out = out.or(r.ports)
			}
			for k := range r.peers {
				if kind(r, &r.peers[k]) {
					out = out.or(r.ports)
				}
			}
		}
		return out
	})
	if len(ids) == 0 {
		return n.reasons()
	}
	return ids
}

// ofOthers gives what a selector of namespaces asks of those that no policy names; false where it selects none.
func (s selector) ofOthers() (selector, bool) {
	var out selector
	for _, r := range s {
		switch {
		case r.Key != corev1.LabelMetadataName:
			out = append(out, r)
		case r.Operator == metav1.LabelSelectorOpIn, r.Operator == metav1.LabelSelectorOpDoesNotExist:
			return nil, false
		}
	}
	return out, true
}

// leavesOut tells whether a selector is for all namespaces but some that it names.
func (s selector) leavesOut() bool {
	return slices.ContainsFunc(s, func(r metav1.LabelSelectorRequirement) bool {
		return r.Key == corev1.LabelMetadataName && r.Operator == metav1.LabelSelectorOpNotIn
	})
}

// byLabels says what opens towards pods of namespaces that nothing names.
func (w *web) byLabels(n *space, d direction, kinds *kindsOf) {
	was, is := 1-w.opening, w.opening
	type labelled struct {
		namespaces, pods selector
		ports            bound
	}
	// What each class of own pods is let through to, on both sides.
	lists := make([][2][]labelled, len(kinds.classes))
	var namespaces, pods []selector
	for i, own := range kinds.classes {
		for _, at := range [2]side{before, after} {
			if !n.exists(at) {
				continue
			}
			for k := range n.read[at] {
				q := &n.read[at][k]
				if !q.holds[d] || !q.pods.matches(own) {
					continue
				}
				for _, r := range q.rules[d] {
					for _, x := range r.peers {
						if x.spans != nil {
							continue
						}
						if s, ok := x.namespaces.ofOthers(); ok && len(x.namespaces)+len(x.pods) > 0 {
							namespaces, pods = append(namespaces, s), append(pods, x.pods)
							lists[i][at] = append(lists[i][at], labelled{s, x.pods, r.ports})
						}
					}
				}
			}
		}
	}
	if len(namespaces) == 0 {
		return
	}
	where, who := newKinds("namespaces", namespaces), newKinds("pods", pods)
	if c := len(where.classes) * len(who.classes); c == 0 || c*len(kinds.classes) > mostCells {
		w.tooManyAt(n, d)
		return
	}
	type opening struct {
		cells     [][]transition // by class of namespaces and of pods
		elsewhere bool           // some namespaces are named
	}
	groups := grouped(len(kinds.classes), func(i int) (string, opening) {
		if len(lists[i][before])+len(lists[i][after]) == 0 {
			return "", opening{}
		}
		own := kinds.classes[i]
		from, to := n.wide(d, was, own), n.wide(d, is, own)
		less := to.everyPod.most.less(from.everyPod.most)
		cell := func(at side, wide bound, ns, pod map[string]string) bound {
			for _, l := range lists[i][at] {
				if l.namespaces.matches(ns) && l.pods.matches(pod) {
					wide = wide.or(bound{nil, l.ports.most})
				}
			}
			return wide
		}
		x := opening{cells: make([][]transition, len(where.classes))}
		var key strings.Builder
		for k, ns := range where.classes {
			x.cells[k] = make([]transition, len(who.classes))
			for j, pod := range who.classes {
				x.cells[k][j] = opened(cell(was, from.everyPod, ns, pod), cell(is, to.everyPod, ns, pod)).less(less)
			}
			key.WriteString(rowKey(x.cells[k]) + "\x02")
		}
		if strings.Trim(key.String(), "\x02") == "" {
			return "", x
		}
		x.elsewhere = n.lets(d, was, own, everyPort(), func(p *peer) bool { return len(p.namespaces.mentions()) > 0 }) ||
			n.lets(d, is, own, everyPort(), func(p *peer) bool { return p.namespaces.leavesOut() })
		return key.String() + pick(x.elsewhere, "1", "0"), x
	})
	for _, g := range groups {
		own := kinds.classes[slices.Index(g.in, true)]
		for _, row := range grouped(len(where.classes), func(k int) (string, []transition) { return rowKey(g.is.cells[k]), g.is.cells[k] }) {
			for _, column := range grouped(len(who.classes), func(j int) (string, transition) {
				if row.is[j].empty() {
					return "", transition{}
				}
				return row.is[j].text(), row.is[j]
			}) {
				for _, ns := range where.names(row.in, noneFree) {
					if ns == "" {
						ns = pick(g.is.elsewhere, "every other namespace", "every namespace")
					} else if g.is.elsewhere {
						ns = "other " + ns
					}
					for _, pod := range who.names(column.in, noneFree) {
						peer := ns
						if pod != "" {
							peer = pod + " in " + ns
						}
						for _, mine := range kinds.names(g.in, noneFree) {
							w.tellByLabels(n, d, podsAt(n.name, mine), own, peer, column.is)
						}
					}
				}
			}
		}
	}
}

func (w *web) tellByLabels(n *space, d direction, end string, own map[string]string, peers string, t transition) {
	why := pick(w.opening == after, "the policies of one end let it through; the other end's depend on what namespaces there are",
		"the policies of one end no longer let it through")
	w.eachPart(n, d, end, peers, t, func(p report.Path, to string, ports ports) {
		w.say(pathOpened, pathClosed, p, to, why, w.reasons(n, d, own, ports, func(_ *rule, x *peer) bool { return x != nil && x.spans == nil }))
	})
}

const tooManyWhy = "the policies tell more kinds of pods apart than can be compared"

// tooMany says that it is not known what opens or closes between two namespaces.
func (w *web) tooMany(r route) {
	if w.opening == before {
		return
	}
	p := report.Path{Cluster: r.from.cluster, From: r.from.name, To: r.to.name, Ports: everyPort().String(), Before: report.Unknown, After: report.Unknown}
	w.sayAs(consequence{pathOpened, "path", "perhaps opened, and others perhaps closed", tooManyWhy}, p, everyPort().at(p.To), slices.Concat(r.to.reasons(), r.from.reasons()))
}

func (w *web) tooManyAt(n *space, d direction) {
	if w.opening == before {
		return
	}
	p := report.Path{Cluster: n.cluster, From: n.name, To: "everything", Ports: everyPort().String(), Before: report.Unknown, After: report.Unknown}
	if d == ingress {
		p.From, p.To = p.To, p.From
	}
	w.sayAs(consequence{pathOpened, "path", "perhaps opened, and others perhaps closed", tooManyWhy}, p, everyPort().at(p.To), n.reasons())
}
