package reach

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// hbaKey is the key of a ConfigMap that says who may enter a database server.
const hbaKey = "pg_hba.conf"

// transport is how a connection comes in, or a set of ways (PostgreSQL, "The pg_hba.conf File").
type transport uint8

const (
	overSocket transport = 1 << iota
	overTLS
	overPlain
	overGSS
)

// hbaName is a database or a role as a line has it.
type hbaName struct {
	text   string
	quoted bool
	like   *hbaExpression // of what begins with a slash, in a line
}

// bare is the name as a key of maps.
func (n hbaName) bare() hbaName { return hbaName{text: n.text, quoted: n.quoted} }

// hbaExpression is a regular expression that is compiled when it is first asked.
type hbaExpression struct {
	text     string
	compiled *regexp.Regexp
	tried    bool
}

func (x *hbaExpression) matches(text string) bool {
	if !x.tried {
		x.tried = true
		x.compiled, _ = regexp.Compile(x.text) // one that is none matches nothing
	}
	return x.compiled != nil && x.compiled.MatchString(text)
}

// special tells whether it stands for more than one of that name: all, sameuser, +group, @file, /expression.
func (n hbaName) special(database bool) bool {
	if strings.HasPrefix(n.text, "/") { // quoted or not
		return true
	}
	if n.quoted {
		return false
	}
	if n.text == "all" || strings.HasPrefix(n.text, "+") || strings.HasPrefix(n.text, "@") {
		return true
	}
	return database && (n.text == "sameuser" || n.text == "samerole" || n.text == "samegroup")
}

// hbaLine is one line: the first that fits decides.
type hbaLine struct {
	by        transport
	databases []hbaName
	roles     []hbaName
	from      []span // of a socket: none
	where     string // what is no addresses: "samenet", a host's name
	method    string
}

// entry is who comes, to what, from where: what a line is asked about.
type entry struct {
	by             transport
	database, role hbaName
	from           span
	where          string
}

// access tells whom the database server lets in that it did not: which role, into which database, from where.
func access(s *state, b *builder) error {
	for _, p := range s.byKind["ConfigMap."] {
		if !p.changed {
			continue
		}
		var lines [2]*hba
		for at := range lines {
			o := p.there(side(at))
			if o == nil || !strings.Contains(string(o.YAML), hbaKey) {
				lines[at] = &hba{}
				continue
			}
			v, err := decode[corev1.ConfigMap](p, side(at))
			if err != nil {
				return err
			}
			lines[at] = readHBA(v.Data[hbaKey])
		}
		if s.moves(p.Cluster, p.Namespace) {
			continue
		}
		for _, d := range sides() {
			s.entries(b, p, lines[d[0]], lines[d[1]], d[1] == after)
		}
	}
	return nil
}

// admitted is what a role is let into, and how.
type admitted struct {
	role, database, where string
	method                string // where it needs to be said
	by                    transport
}

// entries says what one side lets in that the other does not.
func (s *state) entries(b *builder, p *pair, from, to *hba, opened bool) {
	type piece struct {
		admitted
		from span
	}
	by := map[piece]transport{}
	for _, e := range candidates(from, to) {
		had, has := from.method(e), to.method(e)
		if strength(has) >= strength(had) {
			continue
		}
		a := admitted{role: e.role.text, database: nameText(e.database), where: e.where}
		switch {
		case e.by == overSocket:
			a.where = "the server's own machine"
		case had != "":
			a.method = " by " + has + " instead of " + had
		}
		if had == "" && strength(has) < strength("scram-sha-256") {
			a.method = " by " + has
		}
		by[piece{a, e.from}] |= e.by
	}
	spans := map[admitted][]span{}
	for k, transports := range by {
		k.by = transports
		if k.from.first.IsValid() {
			spans[k.admitted] = append(spans[k.admitted], k.from)
		} else {
			spans[k.admitted] = nil
		}
	}
	type way struct{ role, text string }
	ways := map[way][]string{}
	for a, list := range spans {
		if len(list) > 0 {
			a.where = addressText(list)
		}
		k := way{a.role, " from " + a.where + transportText(a.by) + a.method}
		ways[k] = append(ways[k], a.database)
	}
	for k, databases := range ways {
		slices.Sort(databases)
		rule, text, why := databaseOpened, "may now enter ", "the server asks for its password and lets it do what it is granted there"
		if !opened {
			rule, text, why = databaseClosed, "may no longer enter ", "the server refuses it before it asks for a password"
		} else if strings.Contains(k.text, " by trust") {
			why = "the server asks for no password, and lets in whoever claims the name"
		}
		b.add(consequence{rule, "database role", text + enumerate(databases, 4) + k.text, why}, k.role, p.Cluster,
			s.tenantOfRole(p.Cluster, k.role), p.ID)
	}
}

// tenantOfRole gives whose a role is: zave names them after the tenant, with underscores.
func (s *state) tenantOfRole(cluster, role string) string {
	out := ""
	for _, p := range s.byKind["Namespace."] {
		if p.Cluster != cluster {
			continue
		}
		t := s.tenantIn(cluster, p.Name)
		if t != "" && len(t) > len(out) && strings.HasPrefix(role, strings.ReplaceAll(t, "-", "_")+"_") {
			out = t
		}
	}
	return out
}

func transportText(set transport) string {
	var out []string
	switch {
	case set&overSocket != 0:
		return ""
	case set == overTLS|overPlain|overGSS:
		return " with or without TLS"
	}
	for _, x := range []struct {
		by   transport
		text string
	}{{overTLS, "over TLS"}, {overPlain, "without TLS"}, {overGSS, "over GSSAPI"}} {
		if set&x.by != 0 {
			out = append(out, x.text)
		}
	}
	return " " + strings.Join(out, " or ")
}

// nameText names databases.
func nameText(n hbaName) string {
	switch {
	case !n.special(true):
		return n.text
	case n.text[0] == '/':
		return "databases like " + n.text[1:]
	case n.text == "all":
		return "every database"
	case n.text == "sameuser":
		return "the database of its own name"
	case n.text[0] == '@':
		return "databases listed in " + n.text[1:]
	}
	return "databases of its groups"
}

// strength orders methods: what is less lets in who is refused by more. Nothing known of a method makes it a strong one.
func strength(method string) int {
	switch method {
	case "trust":
		return 0
	case "password":
		return 1
	case "md5":
		return 2
	case "", "reject":
		return 4
	}
	return 3
}

// hba is a file, with its lines by the role that they name.
type hba struct {
	lines []hbaLine
	roles map[hbaName][]int
	many  []int // those that name roles by more than a name
}

// readHBA reads pg_hba.conf. A line that PostgreSQL would refuse is left out.
func readHBA(text string) *hba {
	out := &hba{roles: map[hbaName][]int{}}
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		fields := hbaFields(line)
		if len(fields) < 4 {
			continue
		}
		var l hbaLine
		switch fields[0][0].text {
		case "local":
			l.by = overSocket
		case "host":
			l.by = overTLS | overPlain | overGSS
		case "hostssl":
			l.by = overTLS
		case "hostnossl":
			l.by = overPlain | overGSS
		case "hostgssenc":
			l.by = overGSS
		case "hostnogssenc":
			l.by = overTLS | overPlain
		default:
			continue
		}
		l.databases, l.roles = fields[1], fields[2]
		rest := fields[3:]
		if l.by != overSocket {
			mask := ""
			if len(rest) > 2 && strings.Count(rest[1][0].text, ".") == 3 {
				mask = rest[1][0].text
			}
			l.from, l.where = hbaAddress(rest[0][0], mask)
			rest = rest[1:]
			if mask != "" {
				rest = rest[1:]
			}
		}
		if len(rest) == 0 {
			continue
		}
		l.method = rest[0][0].text
		n := len(out.lines)
		out.lines = append(out.lines, l)
		if slices.ContainsFunc(l.roles, func(r hbaName) bool { return r.special(false) }) {
			out.many = append(out.many, n)
		}
		for _, r := range l.roles {
			if k := (hbaName{text: r.text}); !slices.Contains(out.roles[k], n) {
				out.roles[k] = append(out.roles[k], n)
			}
		}
	}
	return out
}

// hbaAddress reads an address: what is no address gives its own name.
func hbaAddress(n hbaName, mask string) ([]span, string) {
	if n.text == "all" && !n.quoted {
		return bothFamilies(), ""
	}
	if p, err := netip.ParsePrefix(n.text); err == nil {
		return []span{prefixSpan(p)}, ""
	}
	a, err := netip.ParseAddr(n.text)
	m, maskErr := netip.ParseAddr(mask)
	if err != nil || maskErr != nil || a.BitLen() != m.BitLen() {
		return nil, n.text
	}
	bits := 0
	for _, x := range m.AsSlice() {
		for ; x&0x80 != 0; x <<= 1 {
			bits++
		}
	}
	return []span{prefixSpan(netip.PrefixFrom(a, bits))}, ""
}

// hbaFields splits a line into fields and these at commas; quotes keep spaces and commas, and words from being keywords.
func hbaFields(line string) [][]hbaName {
	var out [][]hbaName
	var field []hbaName
	var word strings.Builder
	inWord, quoted, inQuotes := false, false, false
	endWord := func() {
		if inWord {
			n := hbaName{text: word.String(), quoted: quoted}
			if like, ok := strings.CutPrefix(n.text, "/"); ok {
				n.like = &hbaExpression{text: like}
			}
			field = append(field, n)
			word.Reset()
			inWord, quoted = false, false
		}
	}
	comma := false
	for _, c := range line {
		switch {
		case inQuotes && c == '"':
			inQuotes = false
		case inQuotes:
			word.WriteRune(c)
		case c == '"':
			inWord, quoted, inQuotes, comma = true, true, true, false
		case c == '#':
			endWord()
			if field != nil {
				out = append(out, field)
			}
			return out
		case c == ',':
			endWord()
			comma = true
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			endWord()
			if field != nil && !comma {
				out = append(out, field)
				field = nil
			}
		default:
			word.WriteRune(c)
			inWord, comma = true, false
		}
	}
	endWord()
	if field != nil {
		out = append(out, field)
	}
	return out
}

// method gives how a file lets an entry in: "reject" or nothing where it does not.
func (h *hba) method(e entry) string {
	role := hbaName{text: e.role.text}
	i, j := h.roles[role], h.many
	for len(i)+len(j) > 0 {
		var n int
		if len(j) == 0 || len(i) > 0 && i[0] <= j[0] {
			n, i = i[0], i[1:]
		} else {
			n, j = j[0], j[1:]
		}
		if h.lines[n].fits(e) {
			if m := h.lines[n].method; m != "reject" {
				return m
			}
			return ""
		}
	}
	return ""
}

// fits tells whether a line decides about an entry.
func (l *hbaLine) fits(e entry) bool {
	in := func(s span) bool { return s.contains(e.from.first) && s.contains(e.from.last) }
	switch {
	case l.by&e.by == 0:
		return false
	case e.by == overSocket:
	case e.where != "":
		if e.where != l.where && !slices.Contains(l.from, bothFamilies()[0]) {
			return false
		}
	case !slices.ContainsFunc(l.from, in):
		return false
	}
	return slices.ContainsFunc(l.roles, func(n hbaName) bool { return n.includes(e.role, false, e.role) }) &&
		slices.ContainsFunc(l.databases, func(n hbaName) bool { return n.includes(e.database, true, e.role) })
}

// includes tells whether a name of a line stands for that of an entry.
func (n hbaName) includes(e hbaName, database bool, role hbaName) bool {
	replication := func(n hbaName) bool { return database && n.text == "replication" && !n.quoted }
	switch {
	case replication(n) || replication(e):
		return replication(n) && replication(e) // "all" is not for replication
	case n.text == e.text && n.special(database) == e.special(database):
		return true
	case !n.special(database):
		return false
	case n.text == "all" && !n.quoted:
		return true
	case n.text == "sameuser" && database:
		return !e.special(database) && e.text == role.text
	case n.like != nil && !e.special(database):
		return n.like.matches(e.text)
	}
	return false
}

// both gives the narrower of two names, where one stands for the other.
func both(a, b hbaName, database bool, role hbaName) (hbaName, bool) {
	switch {
	case a.includes(b, database, role):
		return b, true
	case b.includes(a, database, role):
		return a, true
	}
	return hbaName{}, false
}

// candidates gives what the lines that only one of two files has, or has elsewhere, may decide otherwise: what each of
// these is about, and what it has in common with any other line.
func candidates(from, to *hba) []entry {
	differ := decisive(from, to)
	var bounds []span
	for _, h := range []*hba{from, to} {
		for _, l := range h.lines {
			for _, x := range l.from {
				if !slices.Contains(bounds, x) {
					bounds = append(bounds, x)
				}
			}
		}
	}
	seen := map[entry]bool{}
	var out []entry
	add := func(e entry) {
		if !seen[e] {
			seen[e] = true
			out = append(out, e)
		}
	}
	for _, h := range []*hba{from, to} {
		for i := range h.lines {
			l := &h.lines[i]
			if !differ[l.key()] {
				continue
			}
			parts := pieces(l.from, bounds)
			about := func(database, role hbaName) {
				for _, by := range []transport{overSocket, overTLS, overPlain, overGSS} {
					e := entry{by: by, database: database.bare(), role: role.bare(), where: l.where}
					switch {
					case l.by&by == 0:
					case by == overSocket || l.where != "":
						add(e)
					default:
						for _, e.from = range parts {
							add(e)
						}
					}
				}
			}
			for _, role := range l.roles {
				for _, database := range l.databases {
					about(database, role)
					if !role.special(false) && !database.special(true) {
						continue
					}
					for _, other := range []*hba{from, to} {
						other.common(database, role, about)
					}
				}
			}
		}
	}
	return out
}

// common calls about with all that the lines have in common with a database and a role.
func (h *hba) common(database, role hbaName, about func(database, role hbaName)) {
	visit := func(l *hbaLine) {
		for _, r := range l.roles {
			r, ok := both(role, r, false, role)
			if !ok {
				continue
			}
			for _, d := range l.databases {
				if d, ok := both(database, d, true, r); ok {
					about(d, r)
				}
			}
		}
	}
	if role.special(false) {
		for i := range h.lines {
			visit(&h.lines[i])
		}
		return
	}
	for _, list := range [][]int{h.roles[hbaName{text: role.text}], h.many} {
		for _, n := range list {
			visit(&h.lines[n])
		}
	}
}

// pieces splits addresses where any of others begins or ends, so that each piece is in another or is not.
func pieces(spans, others []span) []span {
	for _, x := range others {
		spans = slices.Concat(overlap(spans, x), excluding(spans, []span{x}))
	}
	return spans
}

// overlap gives the addresses that are in both.
func overlap(spans []span, x span) []span {
	var out []span
	for _, y := range spans {
		if y.overlaps(x) {
			out = append(out, span{later(x.first, y.first), earlier(x.last, y.last)})
		}
	}
	return out
}

// decisive gives the keys of the lines that only one file has, and of those between the first and the last that do not
// stand in the same order in both: the first line that fits decides.
func decisive(from, to *hba) map[string]bool {
	var keys [2][]string
	var has [2]map[string]bool
	for i, h := range []*hba{from, to} {
		has[i] = map[string]bool{}
		for j := range h.lines {
			if k := h.lines[j].key(); !has[i][k] {
				has[i][k] = true
				keys[i] = append(keys[i], k)
			}
		}
	}
	out := map[string]bool{}
	for i := range keys {
		keys[i] = slices.DeleteFunc(keys[i], func(k string) bool {
			if !has[1-i][k] {
				out[k] = true
			}
			return !has[1-i][k]
		})
	}
	a, b := keys[0], keys[1] // of one length
	for len(a) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	for _, k := range a {
		out[k] = true
	}
	return out
}

// key tells lines apart.
func (l *hbaLine) key() string {
	var b strings.Builder
	names := func(list []hbaName) {
		for _, n := range list {
			b.WriteString(n.text)
			if n.quoted {
				b.WriteByte('"')
			}
			b.WriteByte(0)
		}
		b.WriteByte(1)
	}
	b.WriteByte(byte(l.by))
	names(l.databases)
	names(l.roles)
	for _, s := range l.from {
		b.WriteString(s.first.String() + "-" + s.last.String())
	}
	b.WriteString(l.where + "\x00" + l.method)
	return b.String()
}
