package reach

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rootNamespace is whose policies hold for the whole mesh (Istio, MeshConfig.rootNamespace, as it is installed).
const rootNamespace = "istio-system"

// authorization is an AuthorizationPolicy (security.istio.io/v1).
type authorization struct {
	Spec struct {
		Selector metav1.LabelSelector `json:"selector"`
		Targets  []any                `json:"targetRefs"` // a waypoint's, which are no pods
		Action   string               `json:"action"`
		Rules    []struct {
			From []struct {
				Source map[string][]string `json:"source"`
			} `json:"from"`
			To []struct {
				Operation map[string][]string `json:"operation"`
			} `json:"to"`
			When []struct {
				Key       string   `json:"key"`
				Values    []string `json:"values"`
				NotValues []string `json:"notValues"`
			} `json:"when"`
		} `json:"rules"`
	} `json:"spec"`
}

// request is what a rule matches: who asks, and what for, besides the ports.
type request struct {
	from      string // as people read it
	namespace string // where the one that asks is; empty where that is not known
	plain     bool   // nothing but a whole namespace, one identity of one, or everybody
	limits    string // methods, paths and conditions; empty: there are none
}

// everybody is who is not asked for an identity.
const everybody = "everything"

// authorizations is what the policies of a namespace say to some of its pods.
type authorizations struct {
	allow, deny, ask map[request]ports
	because          map[request][]object.ID
}

// mesh compares what the mesh's AuthorizationPolicies let through (Istio, "Authorization Policy": what is denied is
// refused; where anything is allowed, everything else is refused), and whether its proxies take plain text. What the
// NetworkPolicies open or close is not said again, and what they refuse on both sides is not said at all.
func mesh(w *web) error {
	var last spaceKey
	for _, p := range w.s.byKind["AuthorizationPolicy.security.istio.io"] {
		k := spaceKey{p.Cluster, p.Namespace}
		if k == last || !p.changed || p.kept || sameBody(p) {
			continue
		}
		last = k
		if err := w.requests(w.space(k.cluster, k.name)); err != nil {
			return err
		}
	}
	return w.peers()
}

// meshView is the AuthorizationPolicies that hold in a namespace, read.
type meshView struct {
	policies  [2][]readAuthorization
	selectors []selector
	changed   []object.ID
}

type readAuthorization struct {
	*pair
	*authorization
	pods selector
}

// view reads the policies of a namespace and of the whole mesh.
func (w *web) view(n *space) (*meshView, error) {
	if n.mesh != nil {
		return n.mesh, nil
	}
	n.mesh = &meshView{}
	list := w.authorizations[spaceKey{n.cluster, n.name}]
	for _, p := range list {
		if p.changed && !p.kept && !sameBody(p) {
			n.mesh.changed = append(n.mesh.changed, p.ID)
		}
	}
	if n.name != rootNamespace {
		list = slices.Concat(list, w.authorizations[spaceKey{n.cluster, rootNamespace}])
	}
	for _, p := range list {
		for _, at := range [2]side{before, after} {
			o, err := decode[authorization](p, at)
			if err != nil {
				return nil, err
			}
			if o != nil {
				s := newSelector(&o.Spec.Selector)
				n.mesh.policies[at] = append(n.mesh.policies[at], readAuthorization{p, o, s})
				n.mesh.selectors = append(n.mesh.selectors, s)
			}
		}
	}
	return n.mesh, nil
}

// says gives what the policies say to pods with these labels.
func (m *meshView) says(at side, own map[string]string) authorizations {
	out := authorizations{map[request]ports{}, map[request]ports{}, map[request]ports{}, map[request][]object.ID{}}
	limited := false
	for _, p := range m.policies[at] {
		if !p.pods.matches(own) || len(p.Spec.Targets) > 0 {
			continue
		}
		into := out.allow
		switch p.Spec.Action {
		case "", "ALLOW":
			limited = true
		case "DENY":
			into = out.deny
		case "CUSTOM":
			into = out.ask
		default:
			continue
		}
		for r, x := range p.requests() {
			into[r] = into[r].or(x)
			if slices.Contains(m.changed, p.ID) {
				out.because[r] = append(out.because[r], p.ID)
			}
		}
	}
	if !limited {
		out.allow[request{from: everybody, plain: true}] = everyPort()
	}
	return out
}

// refused gives the ports on which the mesh's policies allow pods of another namespace nothing. Those that its proxies
// keep to themselves are not among them (Istio, "Ports used by Istio"), and what is no TCP passes them by.
func (m *meshView) refused(at side, own map[string]string, from string) ports {
	a := m.says(at, own)
	allowed := portRange(tcp, 15000, 15090).or(ofProtocol(udp)).or(ofProtocol(sctp))
	for r, p := range a.allow {
		if r.from == everybody || r.namespace == from || !r.plain {
			allowed = allowed.or(p)
		}
	}
	return everyPort().less(allowed)
}

// requests says which requests to a namespace open and close.
func (w *web) requests(n *space) error {
	if err := n.load(); err != nil {
		return err
	}
	m, err := w.view(n)
	if err != nil {
		return err
	}
	kinds := newKinds("pods", m.selectors, n.own(ingress))
	for _, o := range sides() {
		w.opening = o[1]
		type opened struct {
			request request
			ports   ports
			why     string
			because []object.ID
		}
		groups := grouped(len(kinds.classes), func(i int) (string, []opened) {
			own := kinds.classes[i]
			was, is := m.says(o[0], own), m.says(o[1], own)
			var out []opened
			add := func(r request, p ports, why string, because []object.ID) {
				if p = p.and(w.noticed(n, own, r)); len(p) > 0 {
					out = append(out, opened{r, p, why, cmpOr(because, m.changed)})
				}
			}
			for r, p := range is.allow {
				if r.from == everybody && slices.ContainsFunc(slices.Collect(maps.Keys(was.allow)), func(x request) bool { return x.from != everybody }) {
					r.from = "everything else"
				}
				add(r, p.less(was.covers(r, w.opening == before)), pick(w.opening == after,
					"the mesh's policies allow these requests", "the mesh's policies do not allow these requests any more"), is.because[r])
			}
			for r, p := range was.deny {
				add(r, p.less(is.deny[r]), pick(w.opening == after, "the mesh's policies do not deny these requests any more",
					"the mesh's policies deny these requests"), was.because[r])
			}
			if w.opening == after {
				for r, p := range was.ask {
					add(r, p.less(is.ask[r]), "nobody is asked about these requests any more", was.because[r])
				}
			}
			slices.SortFunc(out, func(x, y opened) int {
				return cmp.Or(strings.Compare(x.request.from, y.request.from), strings.Compare(x.request.limits, y.request.limits), strings.Compare(x.why, y.why))
			})
			var key strings.Builder
			for _, x := range out {
				key.WriteString(x.request.from + "\x00" + x.request.limits + "\x00" + x.ports.String() + "\x00" + x.why + "\x01")
			}
			return key.String(), out
		})
		for _, g := range groups {
			for _, pods := range kinds.names(g.in, noneFree) {
				for _, x := range g.is {
					end := podsAt(n.name, pods)
					if n.name == rootNamespace {
						end = "the whole mesh"
					}
					c := consequence{requestOpened, "path", "opened in the mesh", x.why}
					if w.opening == before {
						c.rule, c.text = requestClosed, "closed in the mesh"
					}
					if x.request.limits != "" {
						c.text += ": " + x.request.limits
					}
					p := report.Path{Cluster: n.cluster, From: x.request.from, To: end}
					w.subject(c, p, x.ports.at(end), x.because)
				}
			}
		}
	}
	return nil
}

func cmpOr(first, second []object.ID) []object.ID {
	if len(first) > 0 {
		return first
	}
	return second
}

// requests gives what the rules of a policy match.
func (a *authorization) requests() map[request]ports {
	out := map[request]ports{}
	for _, r := range a.Spec.Rules {
		var limits []string
		for _, c := range r.When {
			text := c.Key
			if len(c.Values) > 0 {
				text += " in (" + strings.Join(c.Values, ", ") + ")"
			}
			if len(c.NotValues) > 0 {
				text += " not in (" + strings.Join(c.NotValues, ", ") + ")"
			}
			limits = append(limits, "where "+text)
		}
		from := []request{{from: everybody, plain: true}}
		if len(r.From) > 0 {
			from = nil
			for _, f := range r.From {
				from = append(from, askers(f.Source)...)
			}
		}
		if len(r.To) == 0 {
			for _, q := range from {
				q.limits = strings.Join(limits, ", ")
				out[q] = everyPort()
			}
		}
		for _, t := range r.To {
			p, what := operation(t.Operation)
			for _, q := range from {
				q.limits = strings.Join(append(slices.Clone(what), limits...), ", ")
				out[q] = out[q].or(p)
			}
		}
	}
	return out
}

// askers gives who a source matches: each value of a field by itself where there is one field, and otherwise what they
// say together.
func askers(fields map[string][]string) (out []request) {
	if len(fields) == 1 {
		for _, ns := range fields["namespaces"] {
			out = append(out, request{from: ns, namespace: ns, plain: !strings.Contains(ns, "*")})
		}
		for _, id := range fields["principals"] {
			q := request{from: id}
			if _, rest, ok := strings.Cut(id, "/ns/"); ok {
				if ns, account, ok := strings.Cut(rest, "/sa/"); ok && !strings.Contains(rest, "*") {
					q = request{from: ns + ", service account " + account, namespace: ns, plain: true}
				}
			}
			out = append(out, q)
		}
		if len(out) > 0 {
			return out
		}
	}
	return []request{{from: "requests with " + fieldsText(fields)}}
}

func fieldsText(fields map[string][]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		out = append(out, k+" "+strings.Join(slices.Sorted(slices.Values(fields[k])), ", "))
	}
	return strings.Join(out, " and ")
}

// operation gives the ports of an operation, and what else it asks for: "GET", "/metrics".
func operation(fields map[string][]string) (p ports, what []string) {
	if len(fields["ports"]) == 0 {
		p = everyPort()
	}
	for _, x := range fields["ports"] {
		if n, err := strconv.ParseUint(x, 10, 16); err == nil {
			p = p.or(portRange(tcp, uint32(n), uint32(n)))
		}
	}
	rest := maps.Clone(fields)
	delete(rest, "ports")
	for _, k := range []string{"methods", "paths"} {
		if len(rest[k]) > 0 {
			what = append(what, strings.Join(rest[k], " or "))
		}
		delete(rest, k)
	}
	if len(what) == 2 {
		what = []string{what[0] + " " + what[1]}
	}
	if len(rest) > 0 {
		what = append(what, fieldsText(rest))
	}
	return p, what
}

// covers gives the ports on which what a request asks for is allowed for sure; or, for what is said to close, on which it
// may be.
func (a *authorizations) covers(r request, perhaps bool) (out ports) {
	for x, p := range a.allow {
		same := x.from == r.from || x.from == everybody || x.from == x.namespace && x.namespace == r.namespace
		switch {
		case same && (x.limits == "" || x.limits == r.limits):
			out = out.or(p)
		case perhaps && (!x.plain || same):
			out = out.or(p)
		}
	}
	return out
}

// noticed gives the ports on which the NetworkPolicies let a request to some pods through on both sides.
func (w *web) noticed(n *space, own map[string]string, r request) ports {
	if n.name == rootNamespace {
		return everyPort()
	}
	var open [2]ports
	for _, at := range [2]side{before, after} {
		switch {
		case !n.exists(at):
		case r.namespace == "":
			open[at] = n.anyPort(at, own)
		default:
			other := w.space(n.cluster, r.namespace)
			if err := other.load(); err != nil {
				continue
			}
			kinds := newKinds("pods", other.own(egress), n.theirs(ingress, other))
			in := n.ways(ingress, at, own, other)
			for _, c := range kinds.classes {
				open[at] = open[at].or(through(in, c).and(through(other.ways(egress, at, c, n), own)).most)
			}
		}
	}
	return open[before].and(open[after])
}

// anyPort gives the ports on which anything at all gets in to pods with these labels.
func (n *space) anyPort(at side, own map[string]string) (out ports) {
	isolated := false
	for i := range n.read[at] {
		p := &n.read[at][i]
		if !p.holds[ingress] || !p.pods.matches(own) {
			continue
		}
		isolated = true
		for _, r := range p.rules[ingress] {
			out = out.or(r.ports.most)
		}
	}
	if !isolated {
		return everyPort()
	}
	return out
}

// authentication is a PeerAuthentication (security.istio.io/v1).
type authentication struct {
	Spec struct {
		Selector metav1.LabelSelector `json:"selector"`
		MTLS     mtls                 `json:"mtls"`
		Ports    map[string]mtls      `json:"portLevelMtls"`
	} `json:"spec"`
}

type mtls struct {
	Mode string `json:"mode"`
}

// inherits tells whether a mode is what the namespace has, or the mesh.
func (m mtls) inherits() bool { return m.Mode == "" || m.Mode == "UNSET" }

// strict orders the modes by what they refuse.
func strict(mode string) int { return slices.Index([]string{"DISABLE", "PERMISSIVE", "STRICT"}, mode) }

// peers compares what the proxies take without mutual TLS (Istio, "PeerAuthentication": that of a workload's pods comes
// before the namespace's, and this before the mesh's, which takes both where nobody says otherwise).
func (w *web) peers() error {
	list := w.s.byKind["PeerAuthentication.security.istio.io"]
	for _, p := range list {
		if !p.changed || p.kept || w.s.moves(p.Cluster, p.Namespace) || sameBody(p) {
			continue
		}
		var modes [2]map[string]string // by port; the empty one is all others
		pods := ""
		for _, at := range [2]side{before, after} {
			o, err := decode[authentication](p, at)
			if err != nil {
				return err
			}
			inherited := "PERMISSIVE"
			for _, ns := range []string{rootNamespace, p.Namespace} {
				for _, q := range list {
					if q.Cluster != p.Cluster || q.Namespace != ns || q == p {
						continue
					}
					x, err := decode[authentication](q, at)
					if err != nil {
						return err
					}
					if x != nil && len(newSelector(&x.Spec.Selector)) == 0 && !x.Spec.MTLS.inherits() {
						inherited = x.Spec.MTLS.Mode
					}
				}
			}
			modes[at] = map[string]string{"": inherited}
			if o == nil {
				continue
			}
			if s := newSelector(&o.Spec.Selector); len(s) > 0 {
				pods = newKinds("pods").selectorName(s)
			}
			if !o.Spec.MTLS.inherits() {
				modes[at][""] = o.Spec.MTLS.Mode
			}
			for port, m := range o.Spec.Ports {
				if !m.inherits() {
					modes[at][port] = m.Mode
				}
			}
		}
		ports := map[string]bool{}
		for _, m := range modes {
			for port := range m {
				ports[port] = true
			}
		}
		for _, port := range slices.Sorted(maps.Keys(ports)) {
			was, is := cmp.Or(modes[before][port], modes[before][""]), cmp.Or(modes[after][port], modes[after][""])
			if was == is || port != "" && was == modes[before][""] && is == modes[after][""] {
				continue
			}
			text := "mutual TLS " + was + " → " + is
			if port != "" {
				text = "mutual TLS on port " + port + " " + was + " → " + is
			}
			c := consequence{meshJoined, "Namespace", text, "the proxies refuse more that has no identity"}
			if strict(is) < strict(was) {
				c.rule, c.why = meshLeft, "the proxies take plain text, which anybody on the way can read, and in which nobody has an identity"
			}
			name := podsAt(p.Namespace, pods)
			if pods != "" {
				c.kind = "workload"
			}
			if p.Namespace == rootNamespace && pods == "" {
				c.kind, name = "mesh", p.Cluster
			}
			w.b.add(c, name, p.Cluster, cmp.Or(w.s.tenantOfID(p.ID), w.s.tenantIn(p.Cluster, p.Namespace)), p.ID)
		}
	}
	return nil
}
