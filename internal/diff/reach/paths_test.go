package reach

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/source"
)

// world of the test: few of everything, and all combinations of it.

type testPod struct {
	namespace string // empty: it is an address
	labels    map[string]string
	address   netip.Addr
}

func (p testPod) String() string {
	if p.namespace == "" {
		return p.address.String()
	}
	return fmt.Sprint(p.namespace, p.labels)
}

type testPort struct {
	protocol corev1.Protocol
	number   int32
}

func universe() (out []testPod) {
	for _, ns := range []string{"a", "b", "c", "unseen"} {
		for _, app := range []string{"", "web", "db", "api"} {
			for _, role := range []string{"", "db", "api"} {
				l := map[string]string{}
				if app != "" {
					l["app"] = app
				}
				if role != "" {
					l["role"] = role
				}
				out = append(out, testPod{namespace: ns, labels: l})
			}
		}
	}
	for _, a := range []string{"1.2.3.4", "10.0.0.5", "10.9.0.1", "169.254.169.254", "203.0.113.9", "2001:db8::1", "fc00::1"} {
		out = append(out, testPod{address: netip.MustParseAddr(a)})
	}
	return out
}

func testPorts() []testPort {
	return []testPort{{corev1.ProtocolTCP, 80}, {corev1.ProtocolTCP, 443}, {corev1.ProtocolTCP, 8000}, {corev1.ProtocolUDP, 53}}
}

// estate is one side of a comparison.
type estate struct {
	namespaces map[string]*corev1.Namespace
	policies   map[string]*networkingv1.NetworkPolicy // by namespace/name
}

func (e *estate) objects() (out []object.Object) {
	for _, n := range e.namespaces {
		if n.Name != "unseen" {
			out = append(out, object.New("k", n, source.Span{}))
		}
	}
	for _, p := range e.policies {
		out = append(out, object.New("k", p, source.Span{}))
	}
	return out
}

// effective is what is in the cluster once a side that comes after another one is applied: what is kept stays.
func effective(was, is *estate) *estate {
	out := &estate{map[string]*corev1.Namespace{}, map[string]*networkingv1.NetworkPolicy{}}
	for k, v := range is.namespaces {
		out.namespaces[k] = v
	}
	for k, v := range is.policies {
		out.policies[k] = v
	}
	const kept = "kustomize.toolkit.fluxcd.io/prune"
	for k, v := range was.namespaces {
		if is.namespaces[k] == nil && v.Annotations[kept] != "" {
			out.namespaces[k] = v
		}
	}
	for k, v := range was.policies {
		if is.policies[k] == nil && was.namespaces[v.Namespace] != nil && is.namespaces[v.Namespace] == nil && v.Annotations[kept] != "" {
			out.policies[k] = v
		}
	}
	return out
}

// letting is what the pods of a universe are let do at their own end: by direction, pod, other pod and port.
type letting [2][][][]bool

// evaluate goes by the API reference, pod by pod.
func (e *estate) evaluate(t *testing.T, pods []testPod, list []testPort) (out letting) {
	t.Helper()
	selects := func(s *metav1.LabelSelector, set map[string]string) bool {
		x, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		return x.Matches(labels.Set(set))
	}
	for _, d := range directions() {
		isolated := make([]bool, len(pods))
		let := make([][][]bool, len(pods))
		for i := range let {
			let[i] = make([][]bool, len(pods))
			for j := range let[i] {
				let[i][j] = make([]bool, len(list))
			}
		}
		for _, policy := range e.policies {
			if !slices.Contains(policy.Spec.PolicyTypes, [2]networkingv1.PolicyType{"Ingress", "Egress"}[d]) {
				continue
			}
			var mine []int
			for i, p := range pods {
				if p.namespace == policy.Namespace && selects(&policy.Spec.PodSelector, p.labels) {
					isolated[i] = true
					mine = append(mine, i)
				}
			}
			rule := func(peers []networkingv1.NetworkPolicyPeer, numbers []networkingv1.NetworkPolicyPort) {
				for j, other := range pods {
					if len(peers) > 0 && !slices.ContainsFunc(peers, func(x networkingv1.NetworkPolicyPeer) bool {
						return e.isPeer(policy.Namespace, x, other, selects)
					}) {
						continue
					}
					for k, port := range list {
						if portMatches(numbers, port) {
							for _, i := range mine {
								let[i][j][k] = true
							}
						}
					}
				}
			}
			if d == ingress {
				for _, r := range policy.Spec.Ingress {
					rule(r.From, r.Ports)
				}
			} else {
				for _, r := range policy.Spec.Egress {
					rule(r.To, r.Ports)
				}
			}
		}
		for i, p := range pods {
			for j := range let[i] {
				for k := range list {
					there := p.namespace == "" || e.namespaces[p.namespace] != nil
					let[i][j][k] = there && (let[i][j][k] || !isolated[i])
				}
			}
		}
		out[d] = let
	}
	return out
}

func (l letting) open(from, to, port int) bool {
	return l[egress][from][to][port] && l[ingress][to][from][port]
}

func portMatches(list []networkingv1.NetworkPolicyPort, p testPort) bool {
	for _, x := range list {
		if *x.Protocol != p.protocol {
			continue
		}
		if x.Port == nil || x.Port.IntVal == p.number || x.EndPort != nil && x.Port.IntVal <= p.number && p.number <= *x.EndPort {
			return true
		}
	}
	return len(list) == 0
}

func (e *estate) isPeer(own string, x networkingv1.NetworkPolicyPeer, other testPod, selects func(*metav1.LabelSelector, map[string]string) bool) bool {
	if x.IPBlock != nil {
		return other.namespace == "" && netip.MustParsePrefix(x.IPBlock.CIDR).Contains(other.address) &&
			!slices.ContainsFunc(x.IPBlock.Except, func(s string) bool { return netip.MustParsePrefix(s).Contains(other.address) })
	}
	switch {
	case other.namespace == "" || e.namespaces[other.namespace] == nil:
		return false
	case x.NamespaceSelector == nil && other.namespace != own:
		return false
	case x.NamespaceSelector != nil && !selects(x.NamespaceSelector, e.namespaceLabels(other.namespace)):
		return false
	}
	return x.PodSelector == nil || selects(x.PodSelector, other.labels)
}

func (e *estate) namespaceLabels(name string) map[string]string {
	out := map[string]string{corev1.LabelMetadataName: name}
	for k, v := range e.namespaces[name].Labels {
		out[k] = v
	}
	return out
}

// random makes estates.
type random struct{ *rand.Rand }

func one[T any](r random, list ...T) T { return list[r.IntN(len(list))] }

func (r random) chance(percent int) bool { return r.IntN(100) < percent }

func match(k, v string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{k: v}}
}

func expression(k string, op metav1.LabelSelectorOperator, values ...string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: k, Operator: op, Values: values}}}
}

func (r random) pods() *metav1.LabelSelector {
	return one(r, &metav1.LabelSelector{}, &metav1.LabelSelector{}, match("app", "web"), match("role", "db"), match("app", "db"),
		expression("app", metav1.LabelSelectorOpIn, "web", "db"), expression("role", metav1.LabelSelectorOpDoesNotExist),
		expression("app", metav1.LabelSelectorOpNotIn, "web"), expression("app", metav1.LabelSelectorOpExists),
		&metav1.LabelSelector{MatchLabels: map[string]string{"app": "web", "role": "db"}})
}

func (r random) namespaces() *metav1.LabelSelector {
	const name = corev1.LabelMetadataName
	return one(r, &metav1.LabelSelector{}, match(name, "a"), match(name, "b"), match(name, "c"), match(name, "unseen"),
		expression(name, metav1.LabelSelectorOpIn, "b", "unseen"), expression(name, metav1.LabelSelectorOpNotIn, "a"),
		match("team", "x"), expression("team", metav1.LabelSelectorOpExists), expression("team", metav1.LabelSelectorOpDoesNotExist),
		&metav1.LabelSelector{MatchLabels: map[string]string{"team": "x", name: "b"}})
}

func (r random) peers() (out []networkingv1.NetworkPolicyPeer) {
	if r.chance(10) {
		return nil
	}
	for range 1 + r.IntN(2) {
		switch r.IntN(8) {
		case 0, 1:
			b := &networkingv1.IPBlock{CIDR: one(r, "0.0.0.0/0", "203.0.113.0/24", "10.0.0.0/8", "::/0", "169.254.169.254/32", "10.9.0.0/16")}
			if b.CIDR == "0.0.0.0/0" && r.chance(70) {
				b.Except = one(r, []string{"10.0.0.0/8"}, []string{"169.254.0.0/16"}, []string{"10.9.0.0/16", "203.0.113.0/24"})
			}
			out = append(out, networkingv1.NetworkPolicyPeer{IPBlock: b})
		case 2, 3:
			out = append(out, networkingv1.NetworkPolicyPeer{PodSelector: r.pods()})
		case 4, 5:
			out = append(out, networkingv1.NetworkPolicyPeer{NamespaceSelector: r.namespaces()})
		default:
			out = append(out, networkingv1.NetworkPolicyPeer{NamespaceSelector: r.namespaces(), PodSelector: r.pods()})
		}
	}
	return out
}

func (r random) ports() (out []networkingv1.NetworkPolicyPort) {
	for range one(r, 0, 1, 1, 2) {
		x := networkingv1.NetworkPolicyPort{}
		protocol := one(r, corev1.ProtocolTCP, corev1.ProtocolTCP, corev1.ProtocolUDP)
		x.Protocol = &protocol
		if !r.chance(10) {
			n := intstr.FromInt32(one(r, int32(53), 80, 443, 8000))
			x.Port = &n
			if r.chance(20) {
				end := n.IntVal + 400
				x.EndPort = &end
			}
		}
		out = append(out, x)
	}
	return out
}

func (r random) policy(namespace, name string) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: r.meta(namespace, name),
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: *r.pods()},
	}
	if r.chance(70) {
		p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
		for range r.IntN(3) {
			p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: r.peers(), Ports: r.ports()})
		}
	}
	if len(p.Spec.PolicyTypes) == 0 || r.chance(60) {
		p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		for range r.IntN(3) {
			p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: r.peers(), Ports: r.ports()})
		}
	}
	return p
}

func (r random) meta(namespace, name string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: namespace, Name: name}
	if r.chance(50) {
		m.Annotations = map[string]string{"kustomize.toolkit.fluxcd.io/prune": "disabled"}
	}
	return m
}

func (r random) namespace(name string) *corev1.Namespace {
	n := &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: r.meta("", name)}
	n.Labels = map[string]string{}
	if team := one(r, "", "x", "y"); team != "" {
		n.Labels["team"] = team
	}
	if r.chance(50) {
		n.Labels["zave.io/tenant"] = name
	}
	return n
}

func (r random) estates() (b, a *estate) {
	b = &estate{map[string]*corev1.Namespace{}, map[string]*networkingv1.NetworkPolicy{}}
	a = &estate{map[string]*corev1.Namespace{}, map[string]*networkingv1.NetworkPolicy{}}
	far := r.namespace("unseen")
	b.namespaces["unseen"], a.namespaces["unseen"] = far, far
	for _, name := range []string{"a", "b", "c"} {
		n := r.namespace(name)
		b.namespaces[name], a.namespaces[name] = n, n
		switch r.IntN(12) {
		case 0:
			delete(b.namespaces, name)
		case 1:
			delete(a.namespaces, name)
		case 2:
			a.namespaces[name] = r.namespace(name)
			a.namespaces[name].Annotations = n.Annotations
		}
		for i := range r.IntN(4) {
			p := r.policy(name, "p"+strconv.Itoa(i))
			key := name + "/" + p.Name
			b.policies[key], a.policies[key] = p, p
			switch r.IntN(8) {
			case 0:
				delete(b.policies, key)
			case 1:
				delete(a.policies, key)
			case 2:
				a.policies[key] = r.policy(name, p.Name)
			}
		}
		for key, p := range b.policies {
			if p.Namespace == name && b.namespaces[name] == nil {
				delete(b.policies, key)
			}
		}
		for key, p := range a.policies {
			if p.Namespace == name && a.namespaces[name] == nil {
				delete(a.policies, key)
			}
		}
	}
	return b, a
}

// What a path's text means, read as people read it.

// readEnd tells whether an end is of what a text names. The namespaces have the labels of one of the sides.
func readEnd(t *testing.T, text string, x testPod, namespaceLabels func(string) []map[string]string) bool {
	t.Helper()
	switch text {
	case "everything", "everything else":
		return true
	case "every namespace", "every other namespace":
		return x.namespace != ""
	}
	if text[0] >= '0' && text[0] <= '9' || strings.HasPrefix(text, "::") || strings.HasPrefix(text, "f") && strings.Contains(text, ":") {
		return x.namespace == "" && readAddresses(t, text, x.address)
	}
	if x.namespace == "" {
		return false
	}
	if pods, where, ok := strings.Cut(text, " in every "); ok {
		return where != "" && readPods(t, pods, x.labels)
	}
	for _, prefix := range []string{"other namespaces with", "namespaces with", "other namespaces without", "namespaces without"} {
		if i := strings.Index(text, prefix); i == 0 || i > 0 && strings.HasSuffix(text[:i], " in ") {
			for _, l := range namespaceLabels(x.namespace) {
				if readPods(t, "pods"+strings.TrimPrefix(strings.TrimPrefix(text[i:], "other "), "namespaces"), l) &&
					(i == 0 || readPods(t, strings.TrimSuffix(text[:i], " in "), x.labels)) {
					return true
				}
			}
			return false
		}
	}
	namespace, pods, ok := strings.Cut(text, "/")
	return x.namespace == namespace && (!ok || readPods(t, pods, x.labels))
}

func readPods(t *testing.T, text string, set map[string]string) bool {
	t.Helper()
	if rest, ok := strings.CutPrefix(text, "pods"); ok {
		with, without, negative := strings.Cut(rest, " without ")
		with = strings.TrimSuffix(strings.TrimPrefix(with, " with "), ",")
		for _, s := range outer(with, " and ") {
			if !readSelector(t, s, set) {
				return false
			}
		}
		if negative {
			for _, s := range outer(without, " or ") {
				if readSelector(t, s, set) {
					return false
				}
			}
		}
		return true
	}
	name, with, _ := strings.Cut(text, " with ")
	return set["app"] == name && readSelector(t, with, set)
}

func readSelector(t *testing.T, text string, set map[string]string) bool {
	t.Helper()
	if strings.HasPrefix(text, "(") {
		text = strings.TrimSuffix(text[1:], ")")
	}
	for _, r := range outer(text, ", ") {
		var ok bool
		if key, values, in := strings.Cut(r, " in ("); in {
			key, negative := strings.CutSuffix(key, " not")
			v, there := set[key]
			ok = there && slices.Contains(strings.Split(strings.TrimSuffix(values, ")"), ", "), v) != negative || negative && !there
		} else if key, v, is := strings.Cut(r, "="); is {
			ok = set[key] == v
		} else if key, not := strings.CutPrefix(r, "!"); not {
			_, there := set[key]
			ok = !there
		} else {
			_, ok = set[r]
		}
		if !ok {
			return false
		}
	}
	return true
}

// outer splits where no parenthesis is open.
func outer(text, by string) (out []string) {
	depth, start := 0, 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '(':
			depth++
		case text[i] == ')':
			depth--
		case depth == 0 && strings.HasPrefix(text[i:], by):
			out = append(out, text[start:i])
			start = i + len(by)
			i = start - 1
		}
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}

func readAddresses(t *testing.T, text string, a netip.Addr) bool {
	t.Helper()
	for family := range strings.SplitSeq(text, " and ") {
		in, less, _ := strings.Cut(family, " less ")
		if readList(t, in, a) && !readList(t, less, a) {
			return true
		}
	}
	return false
}

func readList(t *testing.T, text string, a netip.Addr) bool {
	t.Helper()
	for x := range strings.SplitSeq(text, ", ") {
		if x == "" {
			continue
		}
		if first, last, ok := strings.Cut(x, "-"); ok {
			if netip.MustParseAddr(first).Compare(a) <= 0 && a.Compare(netip.MustParseAddr(last)) <= 0 {
				return true
			}
			continue
		}
		if !strings.Contains(x, "/") {
			x += "/" + strconv.Itoa(netip.MustParseAddr(x).BitLen())
		}
		if netip.MustParsePrefix(x).Contains(a) {
			return true
		}
	}
	return false
}

func readPorts(t *testing.T, text string, p testPort) bool {
	t.Helper()
	for x := range strings.SplitSeq(text, ", ") {
		if x == "all ports" || x == "all "+string(p.protocol)+" ports" {
			return true
		}
		if strings.HasPrefix(x, "all ") {
			continue
		}
		numbers, protocol, ok := strings.Cut(x, "/")
		if ok && protocol != string(p.protocol) || !ok && p.protocol != corev1.ProtocolTCP {
			continue
		}
		first, last, ok := strings.Cut(numbers, "-")
		if !ok {
			last = first
		}
		lo, err1 := strconv.Atoi(first)
		hi, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil {
			t.Fatal(text)
		}
		if int32(lo) <= p.number && p.number <= int32(hi) {
			return true
		}
	}
	return false
}

// TestPathsAgainstEveryPod compares what is said of random changes with what every pod and address of a small universe
// may do: each path that differs is among those that are told, and none that is told to be closed is open.
func TestPathsAgainstEveryPod(t *testing.T) {
	pods, list := universe(), testPorts()
	for seed := range uint64(150) {
		r := random{rand.New(rand.NewPCG(seed, 1))}
		b, a := r.estates()
		result, err := Compare(b.objects(), a.objects())
		if err != nil {
			t.Fatal(err)
		}
		after := effective(b, a)
		labelsOf := func(name string) (out []map[string]string) {
			for _, e := range []*estate{b, after} {
				if e.namespaces[name] != nil {
					out = append(out, e.namespaceLabels(name))
				}
			}
			return out
		}
		var wasOpen, isOpen []letting // for whatever labels the unseen namespace has, those of the last are read below
		for _, team := range []string{"", "x", "y"} {
			for _, e := range []*estate{b, after} {
				e.namespaces["unseen"] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "unseen", Labels: map[string]string{}}}
				if team != "" {
					e.namespaces["unseen"].Labels["team"] = team
				}
			}
			wasOpen, isOpen = append(wasOpen, b.evaluate(t, pods, list)), append(isOpen, after.evaluate(t, pods, list))
		}
		type meaning struct {
			from, to, ports []bool
			witness         bool
		}
		means := make([]meaning, len(result.Paths))
		for i, p := range result.Paths {
			for _, x := range pods {
				means[i].from = append(means[i].from, readEnd(t, p.From, x, labelsOf))
				means[i].to = append(means[i].to, readEnd(t, p.To, x, labelsOf))
			}
			for _, x := range list {
				means[i].ports = append(means[i].ports, readPorts(t, p.Ports, x))
			}
		}
		for i, from := range pods {
			for j, to := range pods {
				if from.namespace == "" && to.namespace == "" {
					continue // two pods with equal labels are not one pod
				}
				for k, port := range list {
					open := func(l letting) bool { return l.open(i, j, k) }
					was, is := open(wasOpen[0]), slices.ContainsFunc(isOpen, open)
					differs := was != is
					for n := range wasOpen {
						differs = differs && open(wasOpen[n]) == was && open(isOpen[n]) == is
					}
					told := false
					for n, p := range result.Paths {
						if m := &means[n]; !m.from[i] || !m.to[j] || !m.ports[k] {
							continue
						}
						told = told || (openness(p.After) > openness(p.Before)) == is
						means[n].witness = means[n].witness || was != is
						if p.After == report.Denied && open(isOpen[len(isOpen)-1]) && !strings.Contains(p.From+p.To, "else") && !strings.Contains(p.From+p.To, "other") {
							t.Fatalf("seed %d: %s → %s %v is open, and %+v says that it is closed", seed, from, to, port, p)
						}
					}
					if differs && !told {
						t.Fatalf("seed %d: %s → %s %v: open %t, then %t, and nobody says so:\n%s", seed, from, to, port, was, is, paths(result))
					}
				}
			}
		}
		for i, p := range result.Paths {
			apart := func(end string) bool { return slices.Contains([]string{"a", "b", "c"}, strings.Split(end, "/")[0]) }
			if !means[i].witness && apart(p.From) && apart(p.To) && slices.ContainsFunc(list, func(x testPort) bool { return readPorts(t, p.Ports, x) }) {
				t.Fatalf("seed %d: no pod's path changes with %+v", seed, p)
			}
		}
	}
}

func openness(v report.Verdict) int {
	return slices.Index([]report.Verdict{report.Denied, report.Unknown, report.Allowed}, v)
}

func paths(r *Result) string {
	var b strings.Builder
	for _, p := range r.Paths {
		fmt.Fprintf(&b, "%s → %s: %s, %s → %s\n", p.From, p.To, p.Ports, p.Before, p.After)
	}
	return b.String()
}
