package link

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
)

// neverReached are the ranges of the instance metadata services and of what else a node talks to alone, which hand out
// the node's own credentials (RFC 3927; RFC 4291, section 2.5.6; AWS, "Use the Instance Metadata Service" and "EKS Pod
// Identity").
var neverReached = []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fd00:ec2::/32"), netip.MustParsePrefix("fe80::/10")}

// endpoints links the platform services that the tenant reaches.
func (l *linker) endpoints(t *tenant, p *model.Placement) {
	known := map[string]*model.Endpoint{}
	var list []string
	c := p.Cluster
	for _, s := range c.Services {
		if s == c.Mesh || s == c.Ingress || s == c.Monitoring || s == c.Delivery || s == c.Secrets {
			continue // zave itself wires tenants to these, as far as they need it
		}
		for _, e := range s.Endpoints {
			if c.Database != nil && e == c.Database.Endpoint {
				continue
			}
			known[e.Name] = e
			list = append(list, e.Name)
		}
	}
	slices.Sort(list)
	for i, name := range t.spec.Network.Services {
		if name == "" {
			continue
		}
		path := at("network", "services", index(i))
		if db := l.set.Platform.Database; db != nil && name == db.Endpoint {
			d := t.problem(diag.NoDatabaseService, path, fmt.Sprintf("%s is the database service, which is reached by having a database", name), "leave it out here")
			if t.spec.Database == nil {
				d.Hint = "add database: {}, and leave it out here"
			}
			t.reportOn(p.Cluster, d)
			continue
		}
		switch e := known[name]; {
		case e == nil:
			t.reportOn(p.Cluster, t.problem(diag.UnknownService, path,
				fmt.Sprintf("%q is no endpoint of a platform service", name), diag.DidYouMean(name, list)))
		case !slices.Contains(p.Endpoints, e):
			p.Endpoints = append(p.Endpoints, e)
		}
	}
	slices.SortFunc(p.Endpoints, func(a, b *model.Endpoint) int { return strings.Compare(a.Name, b.Name) })
}

// egress links the paths out of the cluster. A range that lies in one that is never reached is a mistake; one that
// holds such a range gets it as an exception.
func (l *linker) egress(t *tenant, p *model.Placement) {
	c := p.Cluster
	for i, e := range t.spec.Network.Egress {
		out := &model.Egress{
			Subject:  model.Subject{Origin: t.spec.Key("network", "egress", index(i)), Hash: hash(e)},
			Name:     e.Name,
			Protocol: e.Protocol,
		}
		for _, port := range e.Ports {
			out.Ports = append(out.Ports, int32(port))
		}
		slices.Sort(out.Ports)
		out.Ports = slices.Compact(out.Ports)
		for j, s := range e.CIDRs {
			cidr := prefix(s)
			if !cidr.IsValid() {
				continue
			}
			except, inside := exceptions(c, cidr, e.Nodes)
			for _, f := range inside {
				t.reportOn(c, t.problem(diag.EgressOverlap, at("network", "egress", index(i), "cidrs", index(j)),
					fmt.Sprintf("%s lies in %s, %s", cidr, f.prefix, f.what), f.hint))
			}
			out.CIDRs = append(out.CIDRs, cidr)
			out.Except = append(out.Except, except)
		}
		p.Egress = append(p.Egress, out)
	}
	slices.SortFunc(p.Egress, func(a, b *model.Egress) int { return strings.Compare(a.Name, b.Name) })
}

// forbidden is a range that no path out of a cluster leads to.
type forbidden struct {
	prefix netip.Prefix
	what   string
	hint   string
}

// exceptions are the parts of a range that are never reached, sorted; inside are the forbidden ranges that hold all of
// it.
func exceptions(c *model.Cluster, cidr netip.Prefix, nodes bool) (except []netip.Prefix, inside []forbidden) {
	const within = "reach another tenant through uses:, and a platform service through services:"
	all := []forbidden{
		{c.PodCIDR, "the pod range, where other tenants are", within},
		{c.ServiceCIDR, "the service range", within},
	}
	if !nodes {
		all = append(all, forbidden{c.NodeCIDR, "the range of the nodes and the API server", "say nodes: true if that is meant"})
	}
	for _, n := range neverReached {
		all = append(all, forbidden{n, "the instance metadata service", "take it out: it hands out the node's own credentials"})
	}
	for _, f := range all {
		switch {
		case !f.prefix.IsValid() || !cidr.Overlaps(f.prefix):
		case cidr.Bits() < f.prefix.Bits():
			except = append(except, f.prefix)
		default:
			inside = append(inside, f)
		}
	}
	slices.SortFunc(except, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return except, inside
}

// paths links what tenants use of each other. Both sides must agree, and a path opens on the clusters they share.
func (l *linker) paths() {
	known := names(l.set.Tenants, func(t *spec.Tenant) string { return t.Name })
	for _, t := range l.order {
		for i, u := range t.spec.Network.Uses {
			l.use(t, i, u, known)
		}
	}
	for _, t := range l.order {
		l.offers(t, known)
	}
	for _, t := range l.order {
		for _, p := range t.model.Placements {
			slices.SortFunc(p.Uses, func(a, b *model.Use) int {
				if c := strings.Compare(a.Workload.Placement.Tenant.Name, b.Workload.Placement.Tenant.Name); c != 0 {
					return c
				}
				return strings.Compare(a.Workload.Name, b.Workload.Name)
			})
			for _, w := range p.Workloads {
				slices.SortFunc(w.Offers, func(a, b *model.Placement) int { return strings.Compare(a.Tenant.Name, b.Tenant.Name) })
			}
		}
	}
}

func (l *linker) use(t *tenant, i int, u spec.Use, known []string) {
	if u.Tenant == "" || u.Workload == "" {
		return
	}
	path := func(field string) []string { return at("network", "uses", index(i), field) }
	other := l.tenants[u.Tenant]
	if other == nil {
		l.report(t.problem(diag.UnknownTenant, path("tenant"), fmt.Sprintf("%q is no tenant", u.Tenant), diag.DidYouMean(u.Tenant, without(known, t.spec.Name))))
		return
	}
	if other == t {
		l.report(t.problem(diag.UnknownTenant, path("tenant"), fmt.Sprintf("%s uses a workload of its own", u.Tenant), "leave it out: a tenant reaches itself"))
		return
	}
	if other.spec.Broken && len(other.spec.Workloads) == 0 {
		return
	}
	wi := slices.IndexFunc(other.spec.Workloads, func(w spec.Workload) bool { return w.Name == u.Workload })
	if wi < 0 {
		l.report(t.problem(diag.UnknownWorkload, path("workload"), fmt.Sprintf("tenant %s has no workload %q", u.Tenant, u.Workload),
			diag.DidYouMean(u.Workload, names(other.spec.Workloads, func(w spec.Workload) string { return w.Name }))))
		return
	}
	offered := slices.ContainsFunc(other.spec.Network.Offers, func(o spec.Offer) bool {
		return o.Workload == u.Workload && slices.Contains(o.To, t.spec.Name)
	})
	if !offered {
		l.report(t.problem(diag.UseWithoutOffer, path("workload"),
			fmt.Sprintf("%s uses %s/%s, which is not offered to it", t.spec.Name, u.Tenant, u.Workload),
			fmt.Sprintf("in %s, add network: offers: [{workload: %q, to: [%q]}]", other.spec.Dir, u.Workload, t.spec.Name)))
		return
	}
	first := slices.Index(t.spec.Network.Uses, u)
	if first < i {
		l.report(t.problem(diag.DuplicateName, at("network", "uses", index(i)), fmt.Sprintf("%s/%s is used twice", u.Tenant, u.Workload), "list it once",
			diag.Note{Span: t.spec.At("network", "uses", index(first)), Text: "first listed here"}))
		return
	}
	shared := false
	var absent []pending
	for _, p := range t.model.Placements {
		there := other.on[p.Cluster.Name]
		if there != nil {
			shared = true
		}
		if p.State == model.Active && (there == nil || there.State != model.Active) {
			is := "not there"
			if there != nil {
				is = there.State
			}
			d := t.problem(diag.StateConflict, path("tenant"), fmt.Sprintf("%s uses %s, which is %s", t.spec.Name, u.Tenant, is), "nothing answers")
			d.Severity = diag.Warning
			absent = append(absent, pending{d, []string{p.Cluster.Name}})
		}
		if there == nil || p.State == model.Retired {
			continue
		}
		if k := slices.IndexFunc(there.Workloads, func(w *model.Workload) bool { return w.Name == u.Workload }); k >= 0 {
			w := there.Workloads[k]
			p.Uses = append(p.Uses, &model.Use{
				Subject:  model.Subject{Origin: t.spec.Key("network", "uses", index(i)), Hash: hash(u)},
				Workload: w,
			})
			w.Offers = append(w.Offers, p)
		}
	}
	if shared {
		for _, x := range absent {
			t.reportOn(t.on[x.clusters[0]].Cluster, x.d)
		}
	} else if len(t.model.Placements) > 0 && len(other.model.Placements) > 0 {
		l.report(t.problem(diag.UnknownTenant, path("tenant"), fmt.Sprintf("%s and %s share no cluster", t.spec.Name, u.Tenant), "a path opens on the clusters that both are on"))
	}
}

// without leaves one name out.
func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == name })
}

// offers checks the other side. An offer that nobody takes up opens nothing, and is worth a warning only: it may be
// the first of two pull requests.
func (l *linker) offers(t *tenant, known []string) {
	workloads := names(t.spec.Workloads, func(w spec.Workload) string { return w.Name })
	for i, o := range t.spec.Network.Offers {
		path := func(rest ...string) []string { return append(at("network", "offers", index(i)), rest...) }
		k := slices.IndexFunc(t.spec.Workloads, func(w spec.Workload) bool { return w.Name == o.Workload })
		if k < 0 {
			if o.Workload != "" {
				l.report(t.problem(diag.UnknownWorkload, path("workload"), fmt.Sprintf("%s has no workload %q to offer", t.spec.Name, o.Workload), diag.DidYouMean(o.Workload, workloads)))
			}
			continue
		}
		if w := t.spec.Workloads[k]; w.Port == 0 && w.Runtime != "static" && !t.spec.Broken {
			l.report(t.problem(diag.NoPort, path("workload"), fmt.Sprintf("%s is offered and has no port", o.Workload), "add port: to the workload"))
		}
		for j, to := range o.To {
			other := l.tenants[to]
			switch {
			case to == "":
			case other == nil:
				l.report(t.problem(diag.UnknownTenant, path("to", index(j)), fmt.Sprintf("%q is no tenant", to), diag.DidYouMean(to, without(known, t.spec.Name))))
			case other == t:
				l.report(t.problem(diag.UnknownTenant, path("to", index(j)), fmt.Sprintf("%s offers a workload to itself", to), "leave it out: a tenant reaches itself"))
			case !other.spec.Broken && !slices.Contains(other.spec.Network.Uses, spec.Use{Tenant: t.spec.Name, Workload: o.Workload}):
				d := t.problem(diag.OfferWithoutUse, path("to", index(j)),
					fmt.Sprintf("%s/%s is offered to %s, which does not use it", t.spec.Name, o.Workload, to),
					fmt.Sprintf("in %s, add network: uses: [{tenant: %q, workload: %q}]", other.spec.Dir, t.spec.Name, o.Workload))
				d.Severity = diag.Warning
				l.report(d)
			}
		}
	}
}
