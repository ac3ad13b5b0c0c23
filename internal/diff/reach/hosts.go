package reach

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/internal/object"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// istioGateway is what matters of a Gateway.
type istioGateway struct {
	Spec struct {
		Servers []struct {
			Port struct {
				Protocol string `json:"protocol"`
			} `json:"port"`
			Hosts []string `json:"hosts"`
			TLS   *struct {
				HTTPSRedirect bool `json:"httpsRedirect"`
			} `json:"tls"`
		} `json:"servers"`
	} `json:"spec"`
}

// virtualService is what matters of a VirtualService.
type virtualService struct {
	Spec struct {
		Hosts    []string `json:"hosts"`
		Gateways []string `json:"gateways"`
		HTTP     []struct {
			Route    []istioRoute      `json:"route"`
			Mirror   *istioDestination `json:"mirror"`
			Mirrors  []istioRoute      `json:"mirrors"`
			Delegate *struct {
				Name      string `json:"name"`
				Namespace string `json:"namespace"`
			} `json:"delegate"`
		} `json:"http"`
		TLS []struct {
			Route []istioRoute `json:"route"`
		} `json:"tls"`
		TCP []struct {
			Route []istioRoute `json:"route"`
		} `json:"tcp"`
	} `json:"spec"`
}

type istioRoute struct {
	Destination istioDestination `json:"destination"`
	Weight      int32            `json:"weight"`
}

type istioDestination struct {
	Host string `json:"host"`
}

// hostKey is a host on a cluster; "*.example.org" and "*" are hosts as well.
type hostKey struct{ cluster, host string }

// served is where a host leads on one side.
type served struct {
	backends map[backend]bool
	by       map[string]bool // gateways, as namespace/name, and "an Ingress"
	via      []*pair         // what makes it so
}

// backend is a Service: "panchito/web". Owner is its tenant, or its namespace where that is nobody's that is known.
type backend struct{ name, owner, tenant string }

// exposed is what one side lets in from outside, by name.
type exposed struct {
	hosts map[hostKey]*served
	wild  map[string][]string // by cluster: the hosts that stand for many, the narrowest first
	plain map[hostKey]bool    // of all that a Gateway or an Ingress lists: whether it is served without TLS
	lists map[hostKey][]*pair // those that list it
	gates map[object.ID]map[listed]bool
}

// hosts tells which names lead from outside into the cluster, and to whom: by the Gateways and VirtualServices of Istio
// (API reference, "Gateway" and "Virtual Service") and by Ingresses; and which Services are reached past these.
func hosts(s *state, b *builder) error {
	if err := s.services(b); err != nil {
		return err
	}
	var any bool
	for _, kind := range []string{"Gateway.networking.istio.io", "VirtualService.networking.istio.io", "Ingress.networking.k8s.io"} {
		any = any || slices.ContainsFunc(s.byKind[kind], func(p *pair) bool { return p.changed })
	}
	if !any {
		return nil
	}
	var is [2]*exposed
	for at := range is {
		var err error
		if is[at], err = s.exposed(side(at)); err != nil {
			return err
		}
	}
	keys := map[hostKey]bool{}
	for _, x := range is {
		for k := range x.hosts {
			keys[k] = true
		}
	}
	for _, k := range sortedKeys(keys, hostKey.compare) {
		s.host(b, k, is)
	}
	s.binding(b, is)
	for _, k := range sortedKeys(is[after].plain, hostKey.compare) {
		was, ok := is[before].plain[k]
		if !ok || was == is[after].plain[k] {
			continue
		}
		because := changedOf(slices.Concat(is[after].lists[k], is[before].lists[k])...)
		tenant := ""
		if x := is[after].lookup(k); x != nil {
			tenant = x.sorted(nil)[0].tenant
		}
		if was {
			b.add(consequence{hostEncrypted, "host", "no longer served without TLS",
				"what is asked of it can no longer be read on the way"},
				k.host, k.cluster, tenant, because...)
			continue
		}
		b.add(consequence{hostPlain, "host", "now served without TLS",
			"whoever is on the way reads and changes what is asked and answered, passwords and cookies among it"},
			k.host, k.cluster, tenant, because...)
	}
	return nil
}

// binding tells of the hosts that a Gateway lists on both sides, and on one of them for VirtualServices of every namespace.
func (s *state) binding(b *builder, is [2]*exposed) {
	free := func(at side, p *pair, host string) bool {
		for x := range is[at].gates[p.ID] {
			if x.namespace == "*" && (x.host == host || covers(x.host, host)) {
				return true
			}
		}
		return false
	}
	for _, p := range s.byKind["Gateway.networking.istio.io"] {
		if !p.changed {
			continue
		}
		var hosts [2]map[string]bool
		for at := range hosts {
			hosts[at] = map[string]bool{}
			for x := range is[at].gates[p.ID] {
				hosts[at][x.host] = true
			}
		}
		for _, host := range sortedKeys(hosts[before], strings.Compare) {
			was, now := free(before, p, host), free(after, p, host)
			if !hosts[after][host] || was == now {
				continue
			}
			tenant := ""
			if x := is[after].lookup(hostKey{p.Cluster, host}); x != nil {
				tenant = x.sorted(nil)[0].tenant
			}
			rule, text, why := hostUnbound, "now open to VirtualServices of every namespace",
				"whoever may make one, wherever, takes the host's requests"
			if was {
				rule, text, why = hostBound, "no longer open to VirtualServices of every namespace",
					"those of other namespaces no longer get its requests"
			}
			b.add(consequence{rule, "host", text + " at the gateway " + p.Namespace + "/" + p.Name, why}, host, p.Cluster, tenant, p.ID)
		}
	}
}

func (k hostKey) compare(o hostKey) int {
	return cmp.Or(strings.Compare(k.cluster, o.cluster), strings.Compare(k.host, o.host))
}

// host says what becomes of one host.
func (s *state) host(b *builder, k hostKey, is [2]*exposed) {
	was, now := is[before].lookup(k), is[after].lookup(k)
	var because []object.ID
	say := func(rule, text, why, tenant string) {
		b.add(consequence{rule, "host", text, why}, k.host, k.cluster, tenant, because...)
	}
	switch {
	case was == nil:
		because = changedOf(now.via...)
		to := now.sorted(nil)
		text := "now routed to " + backendText(to) + ", by " + enumerate(sortedKeys(now.by, strings.Compare), 3)
		if is[after].plain[k] {
			text += ", without TLS"
		}
		say(hostOpened, text, "whoever reaches the gateway reaches what is behind the host", to[0].tenant)
		return
	case now == nil:
		because = changedOf(was.via...)
		gone := was.sorted(nil)
		say(hostClosed, "no longer routed to "+backendText(gone),
			"whoever asks for it is answered by the gateway, with 404", gone[0].tenant)
		return
	}
	because = changedOf(slices.Concat(now.via, was.via)...)
	to, gone := now.sorted(was.backends), was.sorted(now.backends)
	switch {
	case len(to) > 0:
		text := "now routed to " + backendText(to)
		if len(gone) > 0 {
			text += ", and no longer to " + backendText(gone)
		} else {
			text += " too, beside " + backendText(was.sorted(nil))
		}
		for _, x := range to {
			if !slices.ContainsFunc(was.sorted(nil), func(y backend) bool { return x.owner == y.owner }) {
				say(hostStolen, text, "who asks for the host hands its cookies, passwords and data to another tenant than before", x.tenant)
				return
			}
		}
		say(hostMoved, text, "who asks for the host is answered by something else", to[0].tenant)
		return
	case len(gone) > 0:
		say(hostClosed, "no longer routed to "+backendText(gone)+", but to "+backendText(now.sorted(nil))+" alone",
			"what is behind the host no longer gets its share of requests", gone[0].tenant)
	}
	for _, d := range sides() {
		var by []string
		for _, name := range sortedKeys(is[d[1]].lookup(k).by, strings.Compare) {
			if !is[d[0]].lookup(k).by[name] {
				by = append(by, name)
			}
		}
		switch tenant := now.sorted(nil)[0].tenant; {
		case len(by) == 0:
		case d[1] == after:
			say(hostOpened, "now served by "+enumerate(by, 3)+" too",
				"whoever reaches this gateway reaches what is behind the host", tenant)
		default:
			say(hostClosed, "no longer served by "+enumerate(by, 3), "whoever asks for it there is answered with 404", tenant)
		}
	}
}

func backendText(list []backend) string {
	var names []string
	for _, x := range list {
		names = append(names, x.name)
	}
	return enumerate(names, 4)
}

// sorted gives the backends that are not in others.
func (x *served) sorted(others map[backend]bool) []backend {
	var out []backend
	for k := range x.backends {
		if !others[k] {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b backend) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.owner, b.owner))
	})
	return out
}

// lookup gives where a host leads: where it says so itself, or by the narrowest that stands for it.
func (e *exposed) lookup(k hostKey) *served {
	if x := e.hosts[k]; x != nil {
		return x
	}
	for _, w := range e.wild[k.cluster] {
		if covers(w, k.host) {
			return e.hosts[hostKey{k.cluster, w}]
		}
	}
	return nil
}

// covers tells whether a host that stands for many stands for this one, which may itself do so.
func covers(wild, host string) bool {
	return wild == "*" || strings.HasPrefix(wild, "*.") && strings.HasSuffix(host, wild[1:])
}

// narrower gives the hosts that are both.
func narrower(a, b string) (string, bool) {
	switch {
	case a == b, covers(a, b):
		return b, true
	case covers(b, a):
		return a, true
	}
	return "", false
}

// listed is a host of a Gateway: the namespaces that may route it, and what serves it.
type listed struct{ namespace, host string }

// exposed looks at one side.
func (s *state) exposed(at side) (*exposed, error) {
	e := &exposed{hosts: map[hostKey]*served{}, wild: map[string][]string{}, plain: map[hostKey]bool{}, lists: map[hostKey][]*pair{},
		gates: map[object.ID]map[listed]bool{}}
	for _, p := range s.byKind["Gateway.networking.istio.io"] {
		v, err := decode[istioGateway](p, at)
		if err != nil {
			return nil, err
		}
		e.gates[p.ID] = map[listed]bool{}
		if v == nil {
			continue
		}
		for _, server := range v.Spec.Servers {
			protocol := strings.ToUpper(server.Port.Protocol)
			secure := protocol == "HTTPS" || protocol == "TLS" || server.TLS != nil && (server.TLS.HTTPSRedirect || protocol == "TCP")
			for _, h := range server.Hosts {
				namespace, host, ok := strings.Cut(h, "/")
				switch {
				case !ok:
					namespace, host = "*", h
				case namespace == ".":
					namespace = p.Namespace
				}
				e.gates[p.ID][listed{namespace, host}] = true
				e.list(p, host, !secure)
			}
		}
	}
	for _, p := range s.byKind["VirtualService.networking.istio.io"] {
		v, err := decode[virtualService](p, at)
		if err != nil {
			return nil, err
		}
		if v == nil || len(v.Spec.Hosts) == 0 {
			continue
		}
		to, via, err := s.destinations(at, p, v)
		if err != nil {
			return nil, err
		}
		for _, name := range v.Spec.Gateways {
			if name == "mesh" {
				continue
			}
			if !strings.Contains(name, "/") {
				name = p.Namespace + "/" + name
			}
			namespace, short, _ := strings.Cut(name, "/")
			gateway := object.ID{Cluster: p.Cluster, Group: "networking.istio.io", Kind: "Gateway", Namespace: namespace, Name: short}
			through, known := e.gates[gateway]
			for _, host := range v.Spec.Hosts {
				if !known { // it is not ours, and may list anything
					e.serve(hostKey{p.Cluster, host}, to, "the gateway "+name, via...)
					continue
				}
				for _, h := range matching(through, p.Namespace, host) {
					e.serve(hostKey{p.Cluster, h}, to, "the gateway "+name, append(slices.Clone(via), s.byID[gateway])...)
				}
			}
		}
	}
	if err := s.ingresses(at, e); err != nil {
		return nil, err
	}
	for k := range e.hosts {
		if strings.HasPrefix(k.host, "*") {
			e.wild[k.cluster] = append(e.wild[k.cluster], k.host)
		}
	}
	for _, list := range e.wild {
		slices.SortFunc(list, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	}
	return e, nil
}

// matching gives the hosts of a Gateway that a VirtualService of a namespace takes with one of its own.
func matching(through map[listed]bool, namespace, host string) []string {
	for _, ns := range []string{namespace, "*"} {
		if through[listed{ns, host}] {
			return []string{host}
		}
	}
	var out []string
	for x := range through {
		if x.namespace == "*" || x.namespace == namespace {
			if h, ok := narrower(x.host, host); ok {
				out = append(out, h)
			}
		}
	}
	return out
}

func (e *exposed) list(p *pair, host string, plain bool) {
	k := hostKey{p.Cluster, host}
	e.plain[k] = e.plain[k] || plain
	e.lists[k] = append(e.lists[k], p)
}

func (e *exposed) serve(k hostKey, to []backend, by string, via ...*pair) {
	if len(to) == 0 {
		return
	}
	x := e.hosts[k]
	if x == nil {
		x = &served{backends: map[backend]bool{}, by: map[string]bool{}}
		e.hosts[k] = x
	}
	for _, b := range to {
		x.backends[b] = true
	}
	x.by[by] = true
	x.via = append(x.via, via...)
}

// destinations gives where a VirtualService leads, itself or by another that it leaves the choice to; and what says so.
func (s *state) destinations(at side, p *pair, v *virtualService) (out []backend, via []*pair, err error) {
	via = append(via, p)
	add := func(namespace string, routes []istioRoute) {
		for _, r := range routes {
			if len(routes) == 1 || r.Weight > 0 {
				out = append(out, s.backendOf(p.Cluster, namespace, r.Destination.Host))
			}
		}
	}
	var follow func(namespace string, v *virtualService, deep bool) error
	follow = func(namespace string, v *virtualService, deep bool) error {
		for _, h := range v.Spec.HTTP {
			add(namespace, h.Route)
			if h.Mirror != nil {
				add(namespace, []istioRoute{{Destination: *h.Mirror}})
			}
			for _, m := range h.Mirrors {
				add(namespace, []istioRoute{m})
			}
			if h.Delegate == nil || !deep {
				continue
			}
			id := object.ID{Cluster: p.Cluster, Group: "networking.istio.io", Kind: "VirtualService", Name: h.Delegate.Name,
				Namespace: cmp.Or(h.Delegate.Namespace, namespace)}
			other := s.byID[id]
			if other == nil { // of a tenant that is the same on both sides
				out = append(out, s.backendOf(p.Cluster, id.Namespace, id.Name))
				continue
			}
			to, err := decode[virtualService](other, at)
			if err != nil {
				return err
			}
			via = append(via, other)
			if to != nil {
				if err := follow(id.Namespace, to, false); err != nil { // a delegate cannot delegate
					return err
				}
			}
		}
		for _, r := range slices.Concat(v.Spec.TLS, v.Spec.TCP) {
			add(namespace, r.Route)
		}
		return nil
	}
	return out, via, follow(p.Namespace, v, true)
}

// backendOf reads the host of a destination. A name without dots is one of the namespace (Istio, "Destination").
func (s *state) backendOf(cluster, namespace, host string) backend {
	name, rest, dotted := strings.Cut(host, ".")
	if dotted {
		var ok bool
		if namespace, rest, ok = strings.Cut(rest, "."); !ok || rest != "svc" && !strings.HasPrefix(rest, "svc.") {
			return backend{name: host, owner: host}
		}
	}
	tenant := s.tenantIn(cluster, namespace)
	return backend{name: namespace + "/" + name, owner: cmp.Or(tenant, namespace), tenant: tenant}
}

// ingresses adds what Ingresses serve; one without TLS for a host serves it without, whatever a controller redirects.
func (s *state) ingresses(at side, e *exposed) error {
	for _, p := range s.byKind["Ingress.networking.k8s.io"] {
		v, err := decode[networkingv1.Ingress](p, at)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		add := func(host string, back *networkingv1.IngressBackend) {
			if back == nil || back.Service == nil {
				return
			}
			host = cmp.Or(host, "*")
			secure := false
			for _, t := range v.Spec.TLS {
				secure = secure || len(t.Hosts) == 0 || slices.ContainsFunc(t.Hosts, func(h string) bool {
					return h == host || covers(h, host)
				})
			}
			e.list(p, host, !secure)
			e.serve(hostKey{p.Cluster, host}, []backend{s.backendOf(p.Cluster, p.Namespace, back.Service.Name)},
				"the Ingress "+p.Namespace+"/"+p.Name, p)
		}
		add("", v.Spec.DefaultBackend)
		for _, r := range v.Spec.Rules {
			if r.HTTP == nil {
				add(r.Host, v.Spec.DefaultBackend)
				continue
			}
			for i := range r.HTTP.Paths {
				add(r.Host, &r.HTTP.Paths[i].Backend)
			}
		}
	}
	return nil
}

// services tells which Services are reached from outside: at a load balancer, a port of every node, or an address of
// their own (Kubernetes, "Service: Publishing Services").
func (s *state) services(b *builder) error {
	for _, p := range s.byKind["Service."] {
		if !p.changed {
			continue
		}
		var doors [2][]door
		for at := range doors {
			v, err := decode[corev1.Service](p, side(at))
			if err != nil {
				return err
			}
			if v != nil {
				doors[at] = doorsOf(v)
			}
		}
		for _, d := range sides() {
			var out []string
			for _, x := range doors[d[1]] {
				var had []span
				for _, y := range doors[d[0]] {
					if x.at == y.at {
						had = append(had, y.from...)
					}
				}
				opened := excluding(x.from, had)
				switch {
				case len(opened) == 0:
				case size(opened).Cmp(size(bothFamilies())) == 0:
					out = append(out, x.at)
				default:
					out = append(out, x.at+" from "+addressText(opened))
				}
			}
			if len(out) == 0 {
				continue
			}
			rule, text, why := serviceExposed, "now reached from outside at ",
				"no gateway, TLS or policy of the mesh stands before it there"
			if d[1] == before {
				rule, text, why = serviceHidden, "no longer reached from outside at ", "what is outside and asks there is no longer answered"
			}
			b.add(consequence{rule, p.Kind, text + enumerate(unique(out), 4), why}, p.Namespace+"/"+p.Name, p.Cluster,
				s.tenantIn(p.Cluster, p.Namespace), p.ID)
		}
	}
	return nil
}

// door is a way to a Service from outside, and for whom.
type door struct {
	at   string
	from []span
}

// internalBalancers are the annotations by which clouds make a load balancer of their own network.
func internalBalancers() map[string]string {
	return map[string]string{
		"service.beta.kubernetes.io/aws-load-balancer-scheme":         "internal",
		"service.beta.kubernetes.io/aws-load-balancer-internal":       "true",
		"service.beta.kubernetes.io/azure-load-balancer-internal":     "true",
		"networking.gke.io/load-balancer-type":                        "Internal",
		"service.beta.kubernetes.io/oci-load-balancer-internal":       "true",
		"service.beta.kubernetes.io/openstack-internal-load-balancer": "true",
	}
}

func doorsOf(v *corev1.Service) []door {
	if v.Spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	balancer, from := "a load balancer", bothFamilies()
	for k, value := range internalBalancers() {
		if v.Annotations[k] == value {
			balancer = "a load balancer of the internal network"
		}
	}
	if len(v.Spec.LoadBalancerSourceRanges) > 0 {
		from = nil
		for _, r := range v.Spec.LoadBalancerSourceRanges {
			if p, err := netip.ParsePrefix(strings.TrimSpace(r)); err == nil {
				from = append(from, prefixSpan(p))
			}
		}
	}
	isBalancer := v.Spec.Type == corev1.ServiceTypeLoadBalancer
	noNodes := isBalancer && v.Spec.AllocateLoadBalancerNodePorts != nil && !*v.Spec.AllocateLoadBalancerNodePorts
	var out []door
	for _, p := range v.Spec.Ports {
		number := strconv.Itoa(int(p.Port))
		suffix := ""
		if p.Protocol != "" && p.Protocol != corev1.ProtocolTCP {
			suffix = "/" + string(p.Protocol)
		}
		port := "port " + number + suffix
		if isBalancer {
			out = append(out, door{port + " of " + balancer, from})
		}
		switch {
		case p.NodePort > 0:
			out = append(out, door{"port " + strconv.Itoa(int(p.NodePort)) + suffix + " of every node", bothFamilies()})
		case v.Spec.Type == corev1.ServiceTypeNodePort, isBalancer && !noNodes:
			out = append(out, door{"a port of every node for its " + port, bothFamilies()})
		}
		for _, ip := range v.Spec.ExternalIPs {
			out = append(out, door{port + " of the address " + ip, bothFamilies()})
		}
	}
	return out
}

// excluding gives the addresses that are in none of others.
func excluding(spans, others []span) []span {
	others = joined(others)
	var out []span
	for _, all := range bothFamilies() {
		for _, gap := range complement(others, all) {
			for _, x := range joined(spans) {
				if x.overlaps(gap) {
					out = append(out, span{later(x.first, gap.first), earlier(x.last, gap.last)})
				}
			}
		}
	}
	return joined(out)
}
