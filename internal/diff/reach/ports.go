package reach

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ports is a set of ports of the three protocols that a NetworkPolicy knows: sorted intervals that neither touch nor
// overlap. The port n of protocol p is the number p<<16 + n.
type ports []interval

type interval struct{ first, last uint32 }

const (
	tcp = iota
	udp
	sctp
	protocols
)

const perProtocol = 1 << 16

// everyPort is the set of all.
func everyPort() ports { return ports{{0, protocols*perProtocol - 1}} }

// ofProtocol is the set of all of one protocol.
func ofProtocol(p uint32) ports { return portRange(p, 0, perProtocol-1) }

// portRange is the set of a protocol's ports from first to last.
func portRange(protocol, first, last uint32) ports {
	return ports{{protocol*perProtocol + first, protocol*perProtocol + last}}
}

// protocolOf gives the number of a protocol; the empty one is TCP (networking/v1 NetworkPolicyPort.protocol).
func protocolOf(p *corev1.Protocol) (uint32, bool) {
	if p == nil || *p == "" {
		return tcp, true
	}
	switch *p {
	case corev1.ProtocolTCP:
		return tcp, true
	case corev1.ProtocolUDP:
		return udp, true
	case corev1.ProtocolSCTP:
		return sctp, true
	}
	return 0, false
}

// normal sorts intervals and joins those that touch.
func normal(in []interval) ports {
	slices.SortFunc(in, func(a, b interval) int {
		if a.first != b.first {
			return int(int64(a.first) - int64(b.first))
		}
		return int(int64(a.last) - int64(b.last))
	})
	var out ports
	for _, x := range in {
		if n := len(out); n > 0 && x.first <= out[n-1].last+1 {
			out[n-1].last = max(out[n-1].last, x.last)
			continue
		}
		out = append(out, x)
	}
	return out
}

func (a ports) or(b ports) ports {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0 || a.all():
		return a
	}
	return normal(slices.Concat(a, b))
}

func (a ports) and(b ports) ports {
	switch {
	case a.all():
		return b
	case b.all():
		return a
	}
	var out ports
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if first, last := max(a[i].first, b[j].first), min(a[i].last, b[j].last); first <= last {
			out = append(out, interval{first, last})
		}
		if a[i].last < b[j].last {
			i++
		} else {
			j++
		}
	}
	return out
}

func (a ports) less(b ports) ports {
	if len(a) == 0 || len(b) == 0 {
		return a
	}
	var out ports
	for _, x := range a {
		first, done := x.first, false
		for _, y := range b {
			if y.last < first {
				continue
			}
			if y.first > x.last {
				break
			}
			if y.first > first {
				out = append(out, interval{first, y.first - 1})
			}
			if y.last >= x.last {
				done = true
				break
			}
			first = y.last + 1
		}
		if !done {
			out = append(out, interval{first, x.last})
		}
	}
	return out
}

func (a ports) all() bool { return len(a) == 1 && a[0] == interval{0, protocols*perProtocol - 1} }

// String names the set: "8000", "8000-8100", "53/TCP, 53/UDP", "all TCP ports", "all ports". The protocol stands there
// unless all are TCP's.
func (a ports) String() string {
	if a.all() {
		return "all ports"
	}
	names := [...]string{tcp: "TCP", udp: "UDP", sctp: "SCTP"}
	type part struct{ protocol, first, last uint32 }
	var parts []part
	for _, x := range a {
		for p := x.first / perProtocol; p <= x.last/perProtocol; p++ {
			parts = append(parts, part{p, max(x.first, p*perProtocol) % perProtocol, min(x.last, (p+1)*perProtocol-1) % perProtocol})
		}
	}
	mixed := slices.ContainsFunc(parts, func(p part) bool { return p.protocol != tcp })
	var out []string
	for _, p := range parts {
		text := strconv.Itoa(int(p.first))
		switch {
		case p.first == 0 && p.last == perProtocol-1:
			out = append(out, "all "+names[p.protocol]+" ports")
			continue
		case p.first != p.last:
			text += "-" + strconv.Itoa(int(p.last))
		}
		if mixed {
			text += "/" + names[p.protocol]
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// at names an end with its ports: "panchito/web:8000", "panchito, all ports".
func (a ports) at(end string) string {
	text := a.String()
	if strings.HasPrefix(text, "all ") {
		return end + ", " + text
	}
	if strings.Contains(end, ":") && !strings.HasPrefix(end, "[") { // an address of IPv6
		return "[" + end + "]:" + text
	}
	return end + ":" + text
}
