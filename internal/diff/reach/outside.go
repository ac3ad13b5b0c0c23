package reach

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
)

// block is addresses that something is let through to, or from, on ports.
type block struct {
	spans []span
	ports bound
}

// blocks gives the blocks that the pods with these labels are let through to, or from.
func (n *space) blocks(d direction, at side, own map[string]string) (out []block) {
	if !n.exists(at) {
		return nil
	}
	for i := range n.read[at] {
		p := &n.read[at][i]
		if !p.holds[d] || !p.pods.matches(own) {
			continue
		}
		for _, r := range p.rules[d] {
			for _, x := range r.peers {
				if x.spans != nil {
					out = append(out, block{x.spans, r.ports})
				}
			}
		}
	}
	return out
}

// stretch is addresses for which the same opens.
type stretch struct {
	spans []span
	ports transition
}

// stretches cuts the addresses where any block begins or ends, and gives those for which something opens, joined by
// what that is.
func stretches(from, to []block, wideFrom, wideTo bound) (out []stretch) {
	less := wideTo.most.less(wideFrom.most)
	for _, all := range bothFamilies() {
		starts := []netip.Addr{all.first}
		for _, b := range slices.Concat(from, to) {
			for _, s := range b.spans {
				if s.first.BitLen() != all.first.BitLen() {
					continue
				}
				starts = append(starts, s.first)
				if next := s.last.Next(); next.IsValid() {
					starts = append(starts, next)
				}
			}
		}
		slices.SortFunc(starts, netip.Addr.Compare)
		starts = slices.Compact(starts)
		for i, first := range starts {
			last := all.last
			if i+1 < len(starts) {
				last = starts[i+1].Prev()
			}
			at := func(blocks []block, wide bound) bound {
				for _, b := range blocks {
					if slices.ContainsFunc(b.spans, func(s span) bool { return s.contains(first) }) {
						wide = wide.or(b.ports)
					}
				}
				return wide
			}
			t := opened(at(from, wideFrom), at(to, wideTo)).less(less)
			if t.empty() {
				continue
			}
			k := slices.IndexFunc(out, func(s stretch) bool { return s.ports.text() == t.text() })
			if k < 0 {
				k = len(out)
				out = append(out, stretch{ports: t})
			}
			out[k].spans = joined(append(out[k].spans, span{first, last}))
		}
	}
	return out
}

// toAddresses says which ways to addresses open, or from addresses.
func (w *web) toAddresses(n *space, d direction) {
	kinds := newKinds("pods", n.own(d))
	was, is := 1-w.opening, w.opening
	groups := grouped(len(kinds.classes), func(i int) (string, []stretch) {
		own := kinds.classes[i]
		list := stretches(n.blocks(d, was, own), n.blocks(d, is, own), n.wide(d, was, own).everything, n.wide(d, is, own).everything)
		var key strings.Builder
		for _, s := range list {
			key.WriteString(addressText(s.spans) + "\x00" + s.ports.text() + "\x01")
		}
		return key.String(), list
	})
	for _, g := range groups {
		own := kinds.classes[slices.Index(g.in, true)]
		for _, pods := range kinds.names(g.in, noneFree) {
			for _, s := range g.is {
				w.tellAddresses(n, d, podsAt(n.name, pods), own, s)
			}
		}
	}
}

func (w *web) tellAddresses(n *space, d direction, end string, own map[string]string, s stretch) {
	because := func(p ports) []object.ID {
		return w.reasons(n, d, own, p, func(_ *rule, x *peer) bool {
			return x != nil && slices.ContainsFunc(x.spans, func(a span) bool { return slices.ContainsFunc(s.spans, a.overlaps) })
		})
	}
	tell := func(c consequence, addresses string) {
		c.kind = "path"
		w.eachPart(n, d, end, addresses, s.ports, func(p report.Path, to string, ports ports) {
			w.sayAs(c, p, to, because(ports))
		})
	}
	switch {
	case w.opening == before && d == ingress:
		tell(consequence{rule: ingressClosed, text: "closed", why: "no policy lets these addresses in any more"}, addressText(s.spans))
		return
	case w.opening == before:
		tell(consequence{rule: egressClosed, text: "closed", why: "no policy lets it out to these addresses any more"}, addressText(s.spans))
		return
	case d == ingress:
		tell(consequence{rule: ingressOpened, text: "opened", why: "a policy lets these addresses in"}, addressText(s.spans))
		return
	}
	services, near, far := parted(s.spans)
	if len(s.ports.ports().and(portRange(tcp, 80, 80))) == 0 { // which is where these services listen
		near, services = joined(slices.Concat(near, services)), nil
	}
	if world(far) {
		tell(consequence{rule: egressWorld, text: "opened", why: "what runs there can send anything to anybody on the internet, and fetch anything from it; private addresses are told apart"},
			worldText(far, w.openBefore(n, own, s.ports.ports())))
	} else if len(far) > 0 {
		tell(consequence{rule: egressOpened, text: "opened", why: "a policy lets it out to these addresses"}, addressText(far))
	}
	for _, a := range services {
		tell(consequence{rule: egressMetadata, text: "opened", why: "clouds give the node's credentials to whoever asks there"}, a.first.String())
	}
	for _, p := range private() {
		if mine := joined(cut(near, p)); len(mine) > 0 {
			tell(consequence{rule: egressPrivate, text: "opened", why: "nodes, other networks and offices have such addresses, and services that trust whoever is near"},
				withinText(p, mine))
		}
	}
}

// openBefore gives the addresses that were open on any of the ports.
func (w *web) openBefore(n *space, own map[string]string, p ports) (out []span) {
	for _, b := range n.blocks(egress, 1-w.opening, own) {
		if len(b.ports.most.and(p)) > 0 {
			out = append(out, b.spans...)
		}
	}
	return out
}

// worldText names a good part of the internet: by whole families, less what is public and neither among the addresses nor
// was open.
func worldText(far, open []span) string {
	return addressText(slices.Concat(far, ofFamilies(far, slices.Concat(open, private()))))
}

// ofFamilies gives those spans that are of the same families as others.
func ofFamilies(family, spans []span) (out []span) {
	for _, s := range spans {
		if slices.ContainsFunc(family, func(f span) bool { return f.first.BitLen() == s.first.BitLen() }) {
			out = append(out, s)
		}
	}
	return out
}

// parted gives of addresses those of metadata services, the private ones, and the rest.
func parted(spans []span) (services, near, far []span) {
	for _, a := range metadata() {
		services = append(services, cut(spans, span{a, a})...)
	}
	for _, p := range private() {
		near = append(near, less(cut(spans, p), services)...)
	}
	return services, joined(near), less(spans, slices.Concat(private(), services))
}

// cut gives what of some addresses is among others.
func cut(spans []span, among span) (out []span) {
	for _, s := range spans {
		if s.overlaps(among) {
			out = append(out, span{later(s.first, among.first), earlier(s.last, among.last)})
		}
	}
	return out
}

// less gives what of some addresses is not among others.
func less(spans, others []span) (out []span) {
	for _, s := range spans {
		for _, gap := range complement(joined(cut(others, s)), s) {
			if gap.first.Compare(gap.last) <= 0 {
				out = append(out, gap)
			}
		}
	}
	return joined(out)
}
