package reach

import (
	"math/big"
	"net/netip"
	"slices"
	"strings"
)

// span is the addresses from first to last, of one family.
type span struct{ first, last netip.Addr }

// prefixSpan gives the addresses of a prefix; addresses of IPv4 in IPv6's clothes are IPv4's.
func prefixSpan(p netip.Prefix) span {
	p = p.Masked()
	first := p.Addr()
	b := first.AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return span{first, last}
}

func bothFamilies() []span {
	return []span{
		prefixSpan(netip.PrefixFrom(netip.IPv4Unspecified(), 0)),
		prefixSpan(netip.PrefixFrom(netip.IPv6Unspecified(), 0)),
	}
}

func (s span) contains(a netip.Addr) bool {
	return a.BitLen() == s.first.BitLen() && s.first.Compare(a) <= 0 && a.Compare(s.last) <= 0
}

func (s span) overlaps(t span) bool {
	return s.first.BitLen() == t.first.BitLen() && s.first.Compare(t.last) <= 0 && t.first.Compare(s.last) <= 0
}

// joined sorts spans and joins those that touch.
func joined(in []span) []span {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b span) int { return a.first.Compare(b.first) })
	var out []span
	for _, s := range in {
		if n := len(out); n > 0 && s.first.BitLen() == out[n-1].last.BitLen() {
			if next := out[n-1].last.Next(); !next.IsValid() || s.first.Compare(next) <= 0 {
				if out[n-1].last.Compare(s.last) < 0 {
					out[n-1].last = s.last
				}
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// complement gives the addresses of the family of s that are not in any of the spans, which are joined.
func complement(spans []span, all span) []span {
	var out []span
	next := all.first
	for _, s := range spans {
		if s.first.BitLen() != all.first.BitLen() {
			continue
		}
		if next.Compare(s.first) < 0 {
			out = append(out, span{next, s.first.Prev()})
		}
		if next = s.last.Next(); !next.IsValid() {
			return out
		}
	}
	return append(out, span{next, all.last})
}

// prefixes gives the fewest prefixes that make up a span.
func (s span) prefixes() []netip.Prefix {
	var out []netip.Prefix
	for first := s.first; ; {
		bits := first.BitLen()
		p := netip.PrefixFrom(first, bits)
		for bits > 0 {
			wider := netip.PrefixFrom(first, bits-1)
			if wider.Masked().Addr() != first || prefixSpan(wider).last.Compare(s.last) > 0 {
				break
			}
			bits, p = bits-1, wider
		}
		out = append(out, p)
		last := prefixSpan(p).last
		if last.Compare(s.last) >= 0 {
			return out
		}
		first = last.Next()
	}
}

// size is how many addresses there are.
func size(spans []span) *big.Int {
	n := new(big.Int)
	for _, s := range spans {
		first, last := new(big.Int).SetBytes(s.first.AsSlice()), new(big.Int).SetBytes(s.last.AsSlice())
		n.Add(n, last.Sub(last, first)).Add(n, big.NewInt(1))
	}
	return n
}

// addressText names spans as people write them: prefixes or, where most of a family is in them, what is not.
func addressText(spans []span) string {
	spans = joined(spans)
	var out []string
	for _, all := range bothFamilies() {
		var mine []span
		for _, s := range spans {
			if s.first.BitLen() == all.first.BitLen() {
				mine = append(mine, s)
			}
		}
		if len(mine) == 0 {
			continue
		}
		out = append(out, withinText(all, mine))
	}
	return strings.Join(out, " and ")
}

// withinText names joined spans of one prefix.
func withinText(all span, mine []span) string {
	if half := new(big.Int).Rsh(size([]span{all}), 1); size(mine).Cmp(half) <= 0 {
		return prefixText(mine)
	}
	text := all.prefixes()[0].String()
	if rest := less([]span{all}, mine); len(rest) > 0 {
		text += " less " + prefixText(rest)
	}
	return text
}

func prefixText(spans []span) string {
	var out []string
	for _, s := range spans {
		list := s.prefixes()
		if len(list) > 3 {
			out = append(out, s.first.String()+"-"+s.last.String())
			continue
		}
		for _, p := range list {
			out = append(out, p.String())
		}
	}
	return strings.Join(out, ", ")
}

// Addresses that are more than addresses.

// metadata are the addresses at which clouds give instances their credentials (AWS, "Instance metadata"; Google Cloud
// and Azure use the first as well).
func metadata() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254")}
}

// private are the ranges that clusters, nodes and offices are in (RFC 1918, RFC 6598, RFC 4193, and link-local ones, of
// RFC 3927 and RFC 4291).
func private() []span {
	var out []span
	for _, p := range []string{"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"} {
		out = append(out, prefixSpan(netip.MustParsePrefix(p)))
	}
	return out
}

// world tells whether the spans are a good part of the public addresses: a quarter of IPv4's, or one in sixteen of
// those of IPv6 that are assigned (2000::/3).
func world(spans []span) bool {
	four, six := new(big.Int), new(big.Int)
	global := prefixSpan(netip.MustParsePrefix("2000::/3"))
	for _, s := range joined(spans) {
		if s.first.Is4() {
			four.Add(four, size([]span{s}))
			continue
		}
		if s.overlaps(global) {
			six.Add(six, size([]span{{later(s.first, global.first), earlier(s.last, global.last)}}))
		}
	}
	return four.BitLen() > 30 || six.BitLen() > 121
}

func later(a, b netip.Addr) netip.Addr {
	if a.Compare(b) > 0 {
		return a
	}
	return b
}

func earlier(a, b netip.Addr) netip.Addr {
	if a.Compare(b) < 0 {
		return a
	}
	return b
}
