package reach

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/object"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// direction is a way through the edge of a pod.
type direction int

const (
	ingress direction = iota
	egress
)

func directions() [2]direction { return [2]direction{ingress, egress} }

// bound is the ports that are surely let through, and those that perhaps are; the first are among the second.
type bound struct{ sure, most ports }

func (a bound) or(b bound) bound  { return bound{a.sure.or(b.sure), a.most.or(b.most)} }
func (a bound) and(b bound) bound { return bound{a.sure.and(b.sure), a.most.and(b.most)} }

// all is the bound of what nothing limits.
func all() bound { return bound{everyPort(), everyPort()} }

// policy is a NetworkPolicy.
type policy struct {
	*pair
	pods  selector
	holds [2]bool // for each direction, whether it isolates
	rules [2][]rule
}

// rule lets peers through on ports. One that names no peer lets everything through.
type rule struct {
	ports bound
	peers []peer
}

// peer is pods of some namespaces, or addresses.
type peer struct {
	namespaces selector
	pods       selector
	spans      []span // nil: it is pods
}

// newPolicy reads a NetworkPolicy (networking/v1, NetworkPolicySpec).
func newPolicy(p *pair, o *networkingv1.NetworkPolicy) policy {
	out := policy{pair: p, pods: newSelector(&o.Spec.PodSelector)}
	for _, t := range o.Spec.PolicyTypes {
		switch t {
		case networkingv1.PolicyTypeIngress:
			out.holds[ingress] = true
		case networkingv1.PolicyTypeEgress:
			out.holds[egress] = true
		}
	}
	if len(o.Spec.PolicyTypes) == 0 {
		out.holds = [2]bool{ingress: true, egress: len(o.Spec.Egress) > 0}
	}
	for _, r := range o.Spec.Ingress {
		out.rules[ingress] = append(out.rules[ingress], newRule(p.Namespace, r.From, r.Ports))
	}
	for _, r := range o.Spec.Egress {
		out.rules[egress] = append(out.rules[egress], newRule(p.Namespace, r.To, r.Ports))
	}
	for _, d := range directions() {
		if !out.holds[d] {
			out.rules[d] = nil
		}
	}
	return out
}

func newRule(namespace string, peers []networkingv1.NetworkPolicyPeer, list []networkingv1.NetworkPolicyPort) rule {
	r := rule{ports: newPorts(list)}
	for _, p := range peers {
		switch {
		case p.IPBlock != nil:
			r.peers = append(r.peers, peer{spans: blockSpans(p.IPBlock)})
			continue
		case p.NamespaceSelector != nil:
			r.peers = append(r.peers, peer{namespaces: newSelector(p.NamespaceSelector)})
		default:
			r.peers = append(r.peers, peer{namespaces: named(namespace)})
		}
		if p.PodSelector != nil {
			r.peers[len(r.peers)-1].pods = newSelector(p.PodSelector)
		}
	}
	return r
}

// named selects one namespace.
func named(namespace string) selector {
	return selector{{Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn, Values: []string{namespace}}}
}

// newPorts reads the ports of a rule; none are all. What number a port's name stands for is the pod's to say.
func newPorts(list []networkingv1.NetworkPolicyPort) bound {
	if len(list) == 0 {
		return all()
	}
	var out bound
	for _, p := range list {
		protocol, ok := protocolOf(p.Protocol)
		switch {
		case !ok:
		case p.Port == nil:
			x := ofProtocol(protocol)
			out = out.or(bound{x, x})
		case p.Port.Type == intstr.String:
			out = out.or(bound{nil, ofProtocol(protocol)})
		case p.Port.IntVal >= 0 && p.Port.IntVal < perProtocol:
			first, last := uint32(p.Port.IntVal), uint32(p.Port.IntVal)
			if p.EndPort != nil && *p.EndPort > p.Port.IntVal {
				last = uint32(min(*p.EndPort, perProtocol-1))
			}
			x := portRange(protocol, first, last)
			out = out.or(bound{x, x})
		}
	}
	return out
}

// blockSpans gives the addresses of a block; what cannot be read selects none. They are never nil.
func blockSpans(b *networkingv1.IPBlock) []span {
	p, err := netip.ParsePrefix(b.CIDR)
	if err != nil {
		return []span{}
	}
	whole := prefixSpan(p)
	var less []span
	for _, e := range b.Except {
		if x, err := netip.ParsePrefix(e); err == nil {
			less = append(less, prefixSpan(x))
		}
	}
	out := []span{}
	for _, s := range complement(joined(less), whole) {
		if first, last := later(s.first, whole.first), earlier(s.last, whole.last); first.Compare(last) <= 0 {
			out = append(out, span{first, last})
		}
	}
	return out
}

// space is a namespace with its policies, as far as they are there.
type space struct {
	s        *state
	cluster  string
	name     string
	pair     *pair // the Namespace, or nil
	policies []*pair
	read     [2][]policy
	isRead   bool
	labels   [2]map[string]string
	changed  []object.ID // the objects whose change may open or close a path
	mesh     *meshView   // nil until it is asked for
}

// known tells whether the policies are all there.
func (n *space) known() bool { return n.pair != nil || len(n.policies) > 0 }

// exists tells whether it is there on a side; what is on neither is somebody else's, and on both.
func (n *space) exists(at side) bool { return n.pair == nil || n.pair.there(at) != nil }

func (n *space) tenant() string { return n.s.tenantIn(n.cluster, n.name) }

// load reads the policies and the labels. It does so late, since of most namespaces nobody asks.
func (n *space) load() error {
	if n.isRead {
		return nil
	}
	n.isRead = true
	for _, at := range [2]side{before, after} {
		n.labels[at] = map[string]string{corev1.LabelMetadataName: n.name}
		if n.pair != nil {
			m, err := decode[meta](n.pair, at)
			if err != nil {
				return err
			}
			if m != nil {
				for k, v := range m.Metadata.Labels {
					if k != corev1.LabelMetadataName {
						n.labels[at][k] = v
					}
				}
			}
		}
		for _, p := range n.policies {
			o, err := decode[networkingv1.NetworkPolicy](p, at)
			if err != nil {
				return err
			}
			if o != nil {
				n.read[at] = append(n.read[at], newPolicy(p, o))
			}
		}
	}
	return nil
}

// selects tells whether a selector of namespaces selects this one.
func (n *space) selects(by selector, at side) answer {
	return by.ofNamespace(n.name, n.labels[at], n.pair != nil && n.pair.there(at) != nil)
}

// way is what some pods of the other end have.
type way struct {
	pods  selector
	ports bound
}

// ways gives what the pods with these labels are let through to, or from, in another namespace.
func (n *space) ways(d direction, at side, own map[string]string, other *space) []way {
	switch {
	case !n.exists(at):
		return nil
	case !n.known():
		return []way{{nil, bound{nil, everyPort()}}}
	}
	isolated := false
	var out []way
	for i := range n.read[at] {
		p := &n.read[at][i]
		if !p.holds[d] || !p.pods.matches(own) {
			continue
		}
		isolated = true
		out = append(out, p.ways(d, at, other)...)
	}
	if !isolated {
		return []way{{nil, all()}}
	}
	return out
}

func (p *policy) ways(d direction, at side, other *space) (out []way) {
	for _, r := range p.rules[d] {
		if len(r.peers) == 0 {
			out = append(out, way{nil, r.ports})
		}
		for _, x := range r.peers {
			if x.spans != nil {
				continue
			}
			switch other.selects(x.namespaces, at) {
			case yes:
				out = append(out, way{x.pods, r.ports})
			case perhaps:
				out = append(out, way{x.pods, bound{nil, r.ports.most}})
			}
		}
	}
	return out
}

// through is what the ways let a pod with these labels have.
func through(ways []way, labels map[string]string) (out bound) {
	for _, w := range ways {
		if w.pods.matches(labels) {
			out = out.or(w.ports)
		}
	}
	return out
}

// reachOf is how far the pods with some labels are opened to all: to every address and pod, and to every pod.
type reachOf struct {
	isolated   bool
	everything bound
	everyPod   bound // at least what everything has
}

func (n *space) wide(d direction, at side, own map[string]string) (out reachOf) {
	if !n.exists(at) || !n.known() {
		return reachOf{isolated: true}
	}
	for i := range n.read[at] {
		p := &n.read[at][i]
		if !p.holds[d] || !p.pods.matches(own) {
			continue
		}
		out.isolated = true
		for _, r := range p.rules[d] {
			if len(r.peers) == 0 {
				out.everything = out.everything.or(r.ports)
			}
			for _, x := range r.peers {
				if x.spans == nil && len(x.namespaces) == 0 && len(x.pods) == 0 {
					out.everyPod = out.everyPod.or(r.ports)
				}
			}
		}
	}
	if !out.isolated {
		out.everything = all()
	}
	out.everyPod = out.everyPod.or(out.everything)
	return out
}

// shut tells whether nothing gets in or out.
func (n *space) shut(at side) bool {
	if !n.exists(at) {
		return true
	}
	var closed [2]bool
	for i := range n.read[at] {
		p := &n.read[at][i]
		for _, d := range directions() {
			if len(p.rules[d]) > 0 {
				return false
			}
			closed[d] = closed[d] || p.holds[d] && len(p.pods) == 0
		}
	}
	return closed[ingress] && closed[egress]
}

// own gives the selectors that tell the namespace's own pods apart in a direction.
func (n *space) own(d direction) (out []selector) {
	for at := range n.read {
		for i := range n.read[at] {
			if p := &n.read[at][i]; p.holds[d] {
				out = append(out, p.pods)
			}
		}
	}
	return out
}

// theirs gives the selectors that tell the pods of another namespace apart.
func (n *space) theirs(d direction, other *space) (out []selector) {
	for at := range n.read {
		for i := range n.read[at] {
			for _, w := range n.read[at][i].ways(d, side(at), other) {
				out = append(out, w.pods)
			}
		}
	}
	return out
}

// kindsOf tells pods apart.
type kindsOf struct {
	what      string     // "pods" or "namespaces"
	selectors []selector // distinct, sorted, none for all pods
	classes   []map[string]string
	matches   [][]bool // by selector and class
}

// newKinds gives no classes where there are too many.
func newKinds(what string, lists ...[]selector) *kindsOf {
	byText := map[string]selector{}
	for _, list := range lists {
		for _, s := range list {
			if len(s) > 0 {
				byText[s.String()] = s
			}
		}
	}
	k := &kindsOf{what: what}
	for _, s := range byText {
		k.selectors = append(k.selectors, s)
	}
	slices.SortFunc(k.selectors, func(a, b selector) int { return strings.Compare(a.String(), b.String()) })
	k.classes = classes(k.selectors)
	for _, s := range k.selectors {
		row := make([]bool, len(k.classes))
		for i, c := range k.classes {
			row[i] = s.matches(c)
		}
		k.matches = append(k.matches, row)
	}
	return k
}

// names gives what the classes are called together: the empty name stands for all pods. A name may be for pods of
// classes that are free, too, and never for others.
func (k *kindsOf) names(in []bool, free func(class int) bool) []string {
	if !slices.Contains(in, false) {
		return []string{""}
	}
	type candidate struct{ selector, exact, more int }
	var list []candidate
candidates:
	for s := range k.selectors {
		x := candidate{selector: s}
		for c, m := range k.matches[s] {
			switch {
			case m && in[c]:
				x.exact++
			case m && !free(c):
				continue candidates
			case m:
				x.more++
			}
		}
		list = append(list, x)
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.more, b.more), cmp.Compare(b.exact, a.exact)) })
	done := make([]bool, len(in))
	var out []string
	for _, x := range list {
		news := false
		for c, m := range k.matches[x.selector] {
			news = news || m && in[c] && !done[c]
			done[c] = done[c] || m
		}
		if news {
			out = append(out, k.selectorName(k.selectors[x.selector]))
		}
	}
	for c := range in {
		if in[c] && !done[c] {
			out = append(out, k.className(c))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// noneFree is for where each class counts.
func noneFree(int) bool { return false }

// className describes one class by what selects it and what does not.
func (k *kindsOf) className(class int) string {
	var with, without []string
	for s := range k.selectors {
		if k.matches[s][class] {
			with = append(with, requirements(k.selectors[s]))
		}
	}
	for s := range k.selectors {
		if k.matches[s][class] {
			continue
		}
		for c := range k.classes { // does it tell apart what the others do not?
			alike := k.matches[s][c]
			for t := range k.selectors {
				alike = alike && (!k.matches[t][class] || k.matches[t][c])
			}
			if alike {
				without = append(without, requirements(k.selectors[s]))
				break
			}
		}
	}
	text := k.what
	if len(with) > 0 {
		text += " with " + strings.Join(with, " and ")
	}
	if len(with) > 0 && len(without) > 0 {
		text += ","
	}
	if len(without) > 0 {
		text += " without " + strings.Join(without, " or ")
	}
	return text
}

func requirements(s selector) string {
	if len(s) > 1 {
		return "(" + s.String() + ")"
	}
	return s.String()
}

// selectorName is what a selector selects: "web" where a label says what pods are, with what else is asked of them.
func (k *kindsOf) selectorName(s selector) string {
	if k.what != "pods" {
		return k.what + " with " + s.String()
	}
	var rest []metav1.LabelSelectorRequirement
	name := ""
	for _, key := range nameKeys() {
		for _, r := range s {
			if r.Key == key && r.Operator == metav1.LabelSelectorOpIn && len(r.Values) == 1 && name == "" {
				name = r.Values[0]
			}
		}
		if name != "" {
			for _, r := range s {
				if r.Key != key {
					rest = append(rest, r)
				}
			}
			break
		}
	}
	switch {
	case name == "":
		return k.what + " with " + s.String()
	case len(rest) > 0:
		return name + " with " + selector(rest).String()
	}
	return name
}

// podsAt names pods of a namespace.
func podsAt(namespace, pods string) string {
	if pods == "" {
		return namespace
	}
	return namespace + "/" + pods
}

// sameBody tells whether nothing differs but metadata.
func sameBody(p *pair) bool {
	return p.is[before] != nil && p.is[after] != nil && bytes.Equal(body(p.is[before]), body(p.is[after]))
}

// body is the text of an object behind its metadata, which stand before all that an object is for; or all of its text.
func body(o *object.Object) []byte {
	_, rest, ok := bytes.Cut(o.YAML, []byte("\nmetadata:\n"))
	if !ok {
		return o.YAML
	}
	for len(rest) > 0 && rest[0] == ' ' {
		_, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
	return rest
}

// changedKeys gives the keys of the lines in which two texts of an object differ, at least; false where that cannot be
// told from the lines. It is there since decoding each of many namespaces takes long.
func changedKeys(p *pair) (map[string]bool, bool) {
	var lines [2]map[string]bool
	for _, at := range [2]side{before, after} {
		text := string(p.is[at].YAML)
		if strings.ContainsAny(text, "{|>&*?") {
			return nil, false
		}
		lines[at] = map[string]bool{}
		section := "" // what the line is in: the labels, the annotations
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "   ") {
				section = line
			}
			lines[at][section+"\x00"+line] = true
		}
	}
	out := map[string]bool{}
	for _, o := range sides() {
		for line := range lines[o[1]] {
			if !lines[o[0]][line] {
				_, line, _ = strings.Cut(line, "\x00")
				key, _, _ := strings.Cut(strings.TrimSpace(line), ":")
				out[strings.Trim(key, `"'`)] = true
			}
		}
	}
	return out, true
}
