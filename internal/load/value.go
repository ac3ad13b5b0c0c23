package load

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/source"
)

// maxDescription is the length of an AppProject's description in characters that Argo CD takes: the bound of
// spec.description in its CustomResourceDefinition.
const maxDescription = 255

// beyondPattern holds a string that has its form against what no pattern can say.
func (w *walker) beyondPattern(n *node, s *shape, path []string, at func() source.Span) *node {
	bad := func(code diag.Code, hint, format string, args ...any) *node {
		w.report(code, at(), path, w.what(path)+" "+quote(n.text)+" "+fmt.Sprintf(format, args...), hint)
		return nil
	}
	if i := strings.IndexFunc(n.text, isControl); i >= 0 {
		c, _ := utf8.DecodeRuneInString(n.text[i:])
		return bad(diag.BadFormat, "leave it out", "holds the control character U+%04X", c)
	}
	switch s.name {
	case "#CIDR":
		return w.checkCIDR(n, path, at)
	case "#Cron":
		if reason, hint := checkCron(n.text); reason != "" {
			return bad(diag.BadCron, hint, "is not a cron schedule: %s", reason)
		}
	case "#Duration", "#StatementTimeout":
		return w.checkDuration(n, s, path, at)
	case "#Description":
		if long := utf8.RuneCountInString(n.text); long > maxDescription {
			return bad(diag.BadFormat, "", "is %d characters long, and Argo CD takes at most %d", long, maxDescription)
		}
	case "#SecretKey":
		// https://kubernetes.io/docs/concepts/configuration/secret/ and IsConfigMapKey of k8s.io/apimachinery.
		if n.text == "." || strings.HasPrefix(n.text, "..") {
			return bad(diag.BadFormat, "", `cannot be a key of a Secret: it is "." or begins with ".."`)
		}
	case "#MountPath":
		for _, own := range []string{"/proc", "/sys", "/dev", "/var/run/secrets", "/run/secrets"} {
			// Shared memory is the one place there that containers are given.
			if (n.text == own || strings.HasPrefix(n.text, own+"/")) && n.text != "/dev/shm" {
				return bad(diag.BadFormat, "choose another path", "lies in %s, which is the system's own", own)
			}
		}
	case "#AgeRecipient":
		if !bech32(n.text) {
			return bad(diag.BadFormat, "copy it once more from what age-keygen printed", "is mistyped: its checksum is not right")
		}
	case "#GitURL":
		if u, err := url.Parse(n.text); err == nil && u.User != nil {
			if _, secret := u.User.Password(); secret {
				return bad(diag.BadFormat, withoutCredentials, "holds a password")
			}
		}
	}
	return n
}

// bech32 tells whether the checksum at the end of a text is that of the rest (BIP 173, "Bech32"; age-encryption.org/v1,
// "Recipients", which puts no bound to the length).
func bech32(text string) bool {
	const charset = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	generator := [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3}
	i := strings.LastIndexByte(text, '1')
	if i < 1 {
		return false
	}
	sum := uint32(1)
	add := func(v uint32) {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ v
		for j, g := range generator {
			if top>>j&1 == 1 {
				sum ^= g
			}
		}
	}
	for _, c := range []byte(text[:i]) {
		add(uint32(c >> 5))
	}
	add(0)
	for _, c := range []byte(text[:i]) {
		add(uint32(c & 31))
	}
	for _, c := range []byte(text[i+1:]) {
		v := strings.IndexByte(charset, c)
		if v < 0 {
			return false
		}
		add(uint32(v))
	}
	return sum == 1
}

const withoutCredentials = "leave the credentials out: whoever reads the repository reads them"

// isControl tells the characters that no text of a manifest needs. Kubernetes takes no NUL in an argument or a variable.
func isControl(c rune) bool { return unicode.IsControl(c) && c != '\t' && c != '\n' }

// checkDuration holds a duration against the bounds that its definition's comment gives.
func (r *reporter) checkDuration(n *node, s *shape, path []string, at func() source.Span) *node {
	least, most, unit := time.Second, 365*24*time.Hour, time.Second
	if s.name == "#StatementTimeout" {
		// PostgreSQL keeps it in milliseconds, as a signed number of 32 bits, and takes zero for "no limit".
		least, most, unit = time.Millisecond, 596*time.Hour, time.Millisecond
	}
	// An error is a number that does not fit; the form was seen to.
	if d, err := time.ParseDuration(n.text); err == nil && d >= least && d <= most && d%unit == 0 {
		return n
	}
	r.report(diag.OutOfRange, at(), path, fmt.Sprintf("%s is %s, and must be %s", r.what(path), quote(n.text), s.doc), "")
	return nil
}

func (r *reporter) checkCIDR(n *node, path []string, at func() source.Span) *node {
	p, err := netip.ParsePrefix(n.text)
	if err != nil {
		reason := strings.TrimPrefix(err.Error(), fmt.Sprintf("netip.ParsePrefix(%q): ", n.text))
		if i := strings.LastIndex(reason, "): "); i >= 0 {
			reason = reason[i+3:]
		}
		r.report(diag.BadCIDR, at(), path, fmt.Sprintf("%s %s is not an address range: %s", r.what(path), quote(n.text), reason), "")
		return nil
	}
	if p != p.Masked() {
		r.report(diag.BadCIDR, at(), path, fmt.Sprintf("%s %s has bits set beyond its prefix length", r.what(path), quote(n.text)),
			fmt.Sprintf("the range is %q, and the single address %q", p.Masked(), netip.PrefixFrom(p.Addr(), p.Addr().BitLen())))
		return nil
	}
	if reason, hint := unreachable(p); reason != "" {
		r.report(diag.BadCIDR, at(), path, fmt.Sprintf("%s %s %s", r.what(path), quote(n.text), reason), hint)
		return nil
	}
	return n
}

// unreachable tells what is wrong with a range whose addresses nothing outside a machine has, or that stand for IPv4
// addresses: the checks of ranges compare addresses as they are written. A range that holds more than these passes, as
// 0.0.0.0/0 must.
func unreachable(p netip.Prefix) (reason, hint string) {
	for _, r := range []struct {
		in     string
		what   string
		isIPv4 bool // the last 32 bits are an IPv4 address
	}{
		{"::ffff:0:0/96", "holds IPv4 addresses in the form of IPv6 (RFC 4291, section 2.5.5.2)", true},
		{"64:ff9b::/96", "holds IPv4 addresses behind NAT64 (RFC 6052)", true},
		{"64:ff9b:1::/48", "holds IPv4 addresses behind NAT64 (RFC 8215)", false},
		{"127.0.0.0/8", "is the loopback of whoever sends there", false},
		{"::1/128", "is the loopback of whoever sends there", false},
		{"0.0.0.0/8", "is no address to send to (RFC 1122, section 3.2.1.3)", false},
		{"::/128", "is no address to send to", false},
		{"224.0.0.0/4", "is multicast, which policies do not select", false},
		{"ff00::/8", "is multicast, which policies do not select", false},
	} {
		in := netip.MustParsePrefix(r.in)
		if p.Bits() < in.Bits() || !in.Contains(p.Addr()) {
			continue
		}
		if r.isIPv4 {
			b := p.Addr().As16()
			hint = fmt.Sprintf("write the IPv4 range %q", netip.PrefixFrom(netip.AddrFrom4([4]byte(b[12:])), p.Bits()-96))
		}
		return r.what, hint
	}
	return "", ""
}

// twice reports elements of a list that stand in it before, and takes them out. It looks at the lists whose elements
// are of a definition of their own: in these the order means nothing, as it does in a command. That a tenant names a
// cluster twice the linker says.
func (w *walker) twice(n *node, s *shape, path []string, arcs []arc) {
	if len(n.elems) < 2 || s.elem == nil || s.elem.name == "" || slices.Equal(path, []string{"clusters"}) {
		return
	}
	below := func(i int) []string { return append(slices.Clone(path), strconv.Itoa(i)) }
	first := map[string]int{}
	for i, e := range n.elems {
		if e == nil || e.kind > stringKind {
			continue
		}
		j, seen := first[e.text]
		if !seen {
			first[e.text] = i
			continue
		}
		w.report(diag.DuplicateName, w.place(below(i), arcs[i].value), below(i),
			fmt.Sprintf("%s names %s twice", w.what(path), e.literal()), "list it once",
			diag.Note{Span: w.place(below(j), arcs[j].value), Text: "it stands here before"})
		n.elems[i] = nil
	}
}
