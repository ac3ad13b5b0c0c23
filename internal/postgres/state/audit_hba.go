package state

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// hba judges the rules of pg_hba.conf (PostgreSQL manual, "The pg_hba.conf File"). The first rule whose type, address,
// database and role match a connection decides it; where none does, the server refuses. They are those of the file: what
// the server goes by is what it read when it was told to last.
func (a *auditor) hba() {
	if a.l.HBA == nil {
		platform := Ident(a.d.Instance.Role)
		a.find(Finding{
			ID: "unread", Severity: Low, Object: "pg_hba.conf", Message: a.l.User + " may not read the rules of pg_hba.conf",
			Hint: "audit as a superuser, or in the database " + a.d.Instance.Database +
				" GRANT SELECT ON pg_catalog.pg_hba_file_rules TO " + platform +
				"; GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO " + platform,
		})
		return
	}
	h := &hbaAudit{
		auditor: a, open: map[string]bool{}, shut: map[string]int{}, ended: map[string]int{}, databases: map[string]*Tenant{},
	}
	for i := range a.d.Tenants {
		for _, name := range a.d.Tenants[i].databases() {
			h.databases[name] = &a.d.Tenants[i]
		}
	}
	for i := range a.l.HBA {
		h.rule(&a.l.HBA[i])
	}
	h.missing()
	if h.ended["host"] == 0 && (h.ended["host4"] == 0 || h.ended["host6"] == 0) {
		a.find(Finding{
			ID: "hba-reject", Severity: Low, Object: "pg_hba.conf",
			Message: "pg_hba.conf has no rule at its end that rejects everybody: what somebody appends to it takes effect",
			Hint:    "end it with: host all all all reject",
		})
	}
}

// hbaAudit goes through the rules in order.
type hbaAudit struct {
	*auditor
	open  map[string]bool // tenants' logins that some rule lets into their own database
	shut  map[string]int  // tenants' logins that a rule rejects before, and its line
	ended map[string]int  // the line of the rule that rejects all connections of a type

	databases map[string]*Tenant // those that a tenant's logins may enter
}

// rejectsAll tells whether a rule rejects every connection of its type.
func (h *hbaAudit) rejectsAll(r *HBARule) bool {
	return r.Err == "" && r.Method == "reject" && slices.Contains(r.Databases, "all") && slices.Contains(r.Users, "all") &&
		(r.Type == "local" || anywhere(r))
}

// anywhere tells whether a rule is for every address, of one family at least.
func anywhere(r *HBARule) bool {
	if r.Address == "all" {
		return true
	}
	p, ok := network(r)
	return ok && p.Bits() == 0
}

// network gives the addresses of a rule, where they are numbers.
func network(r *HBARule) (netip.Prefix, bool) {
	addr, err := netip.ParseAddr(r.Address)
	if err != nil {
		return netip.Prefix{}, false
	}
	mask, err := netip.ParseAddr(r.Mask)
	if err != nil || mask.BitLen() != addr.BitLen() {
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	bits := 0
	for _, b := range mask.AsSlice() {
		for ; b&0x80 != 0; b <<= 1 {
			bits++
		}
	}
	return netip.PrefixFrom(addr, bits).Masked(), true
}

// loopback tells whether a rule is for the server's own machine alone.
func loopback(r *HBARule) bool {
	if r.Type == "local" || r.Address == "samehost" {
		return true
	}
	p, ok := network(r)
	return ok && p.Addr().IsLoopback() && p.Bits() >= 8
}

// describe writes a rule as it stands in the file.
func (r *HBARule) describe() string {
	parts := []string{r.Type, strings.Join(r.Databases, ","), strings.Join(r.Users, ",")}
	if r.Type != "local" {
		address := r.Address
		if p, ok := network(r); ok {
			address = p.String()
		}
		parts = append(parts, address)
	}
	return strings.Join(append(parts, r.Method), " ")
}

// object names a rule.
func (r *HBARule) object() string { return "pg_hba.conf line " + strconv.Itoa(r.Line) }

func (h *hbaAudit) found(r *HBARule, id string, s Severity, why, hint string) {
	h.find(Finding{ID: id, Severity: s, Object: r.object(), Message: "the rule \"" + r.describe() + "\" " + why,
		Hint: hint})
}

func (h *hbaAudit) rule(r *HBARule) {
	if r.Err != "" {
		h.find(Finding{
			ID: "hba-error", Severity: High, Object: r.object(),
			Message: "pg_hba.conf has an error: " + r.Err + "; the server goes on with the rules it had, and would not start " +
				"anew",
			Hint: "correct the line and reload the server",
		})
		return
	}
	if line, dead := h.dead(r); dead {
		h.found(r, "hba-unreachable", Low, "has no effect: line "+strconv.Itoa(line)+" rejects all such connections before",
			"remove it, or move it up if it is meant")
		return
	}
	users := h.usersOf(r)
	if r.Method == "reject" {
		h.reject(r, users)
		return
	}
	h.method(r, users)
	h.reach(r, users)
	h.accept(r, users)
}

// dead tells whether a rule stands behind one that rejects all it could match. The keyword all is for every database,
// but not for replication.
func (h *hbaAudit) dead(r *HBARule) (int, bool) {
	if r.Method == "reject" || slices.Contains(r.Databases, "replication") {
		return 0, false
	}
	family := ""
	if p, ok := network(r); ok {
		family = "4"
		if p.Addr().Is6() {
			family = "6"
		}
	}
	for _, t := range []string{r.Type, "host"} {
		if t == "host" && r.Type == "local" {
			continue
		}
		for _, f := range []string{"", family} {
			if line, ok := h.ended[t+f]; ok {
				return line, true
			}
		}
	}
	return 0, false
}

// users are the tenants' roles that a rule is for.
type users struct {
	all   bool     // every role
	named []string // the tenants' logins among those that are named or meant, sorted
}

func (u users) none() bool { return !u.all && len(u.named) == 0 }

func (h *hbaAudit) usersOf(r *HBARule) users {
	var u users
	for _, name := range r.Users {
		switch {
		case name == "all":
			u.all = true
		case strings.HasPrefix(name, "+"):
			for role := range h.tenants {
				if h.memberOf(role, name[1:]) {
					u.named = append(u.named, role)
				}
			}
		case strings.HasPrefix(name, "/"):
			for role := range h.tenants {
				if matches(name[1:], role) {
					u.named = append(u.named, role)
				}
			}
		case h.tenants[name] != nil:
			u.named = append(u.named, name)
		}
	}
	slices.Sort(u.named)
	u.named = slices.Compact(u.named)
	return u
}

// matches tells whether a name is as a regular expression has it. What Go does not read as PostgreSQL does is taken to
// match.
func matches(expression, name string) bool {
	re, err := regexp.Compile(expression)
	return err != nil || re.MatchString(name)
}

// memberOf tells whether a role is another one or a member of it, however indirectly.
func (a *auditor) memberOf(role, group string) bool {
	seen := map[string]bool{role: true}
	for queue := []string{role}; len(queue) > 0; queue = queue[1:] {
		if queue[0] == group {
			return true
		}
		for _, up := range a.above[queue[0]] {
			if !seen[up] {
				seen[up] = true
				queue = append(queue, up)
			}
		}
	}
	return false
}

// method judges how a rule has clients show who they are.
func (h *hbaAudit) method(r *HBARule, u users) {
	near := loopback(r)
	remote := func(s Severity) Severity {
		if near {
			return Medium
		}
		return s
	}
	const hint = "use hostssl and scram-sha-256"
	switch r.Method {
	case "trust":
		who := "whoever reaches the server"
		if near {
			who = "whoever is on the server's machine or in its pod"
		}
		h.found(r, "hba-trust", remote(Critical), "asks for no password: "+who+" may be any of these roles", hint)
	case "ident":
		h.found(r, "hba-ident", remote(Critical), "believes what the client's machine says about who it is", hint)
	case "password":
		h.found(r, "hba-password", remote(High), "has the client send its password itself, which the server and its log "+
			"may then keep", hint)
	case "md5":
		h.found(r, "hba-md5", Medium, "takes MD5 hashes, with which one can log in without the password", hint)
	case "scram-sha-256", "cert":
	case "peer":
		// The operating system says who it is; a tenant has no account there.
	default:
		if !u.none() {
			h.found(r, "hba-method", Medium, "leaves it to "+r.Method+" who a tenant's login is, and zave's passwords are not "+
				"asked for", hint)
		}
	}
	if r.Type == "host" || r.Type == "hostnossl" || r.Type == "hostgssenc" || r.Type == "hostnogssenc" {
		if near {
			return
		}
		if r.Type != "hostgssenc" {
			h.found(r, "hba-plain", Medium, "takes connections without TLS: others on the network can read and change what "+
				"goes over them",
				"make it hostssl")
		}
	}
}

// reach judges where a rule lets whom.
func (h *hbaAudit) reach(r *HBARule, u users) {
	near := Medium
	if loopback(r) {
		near = Low
	}
	if slices.Contains(r.Databases, "replication") {
		if u.all {
			h.found(r, "hba-replication", near, "lets every role begin to replicate: only the attribute REPLICATION stands "+
				"behind it",
				"name the role that replicates")
		} else if len(u.named) > 0 {
			h.found(r, "hba-replication", near, "lets the tenants' roles "+list(u.named)+" begin to replicate",
				"take them out of it")
		}
	}
	if !u.none() && r.Method != "peer" {
		if where, who, wide := h.strays(r, u); wide {
			h.found(r, "hba-wide", near, "lets "+who+" connect to "+where+": only the privilege CONNECT stands behind it",
				"give each tenant one rule, with its own database and logins")
		}
	}
	if r.Type == "local" {
		return
	}
	if networks := h.d.Instance.Networks; !u.none() && len(networks) > 0 && !loopback(r) {
		if p, ok := network(r); !ok && r.Address != "all" {
			h.found(r, "hba-network", Medium, "lets tenants in from an address that names decide: "+r.Address,
				"name the networks by number")
		} else if !h.allowed(p, ok) {
			h.found(r, "hba-network", Medium, "lets tenants in from beyond the networks "+strings.Join(networks, ", "),
				"narrow its address")
		}
	}
	if anywhere(r) {
		for _, name := range r.Users {
			if h.superuser(name) && !h.planned(name) {
				h.found(r, "hba-superuser", Medium, "lets the superuser "+name+" in from every address",
					"narrow its address")
			}
		}
	}
}

// planned tells whether a superuser comes in as the spec says, or whether a plan will make it none.
func (h *hbaAudit) planned(role string) bool {
	in := &h.d.Instance
	return h.tenants[role] != nil || role == in.Role || role == in.Superuser && len(in.Networks) == 0
}

// allowed tells whether the desired networks hold a rule's addresses.
func (h *hbaAudit) allowed(p netip.Prefix, ok bool) bool {
	return ok && slices.ContainsFunc(h.d.Instance.Networks, func(n string) bool {
		outer, err := netip.ParsePrefix(n)
		return err == nil && outer.Bits() <= p.Bits() && outer.Masked().Contains(p.Addr())
	})
}

// strays tells whether a rule lets a tenant's role into a database that is not the tenant's.
func (h *hbaAudit) strays(r *HBARule, u users) (where, who string, wide bool) {
	who = "every role"
	if !u.all {
		who = "the tenants' roles " + list(u.named)
	}
	for _, name := range r.Databases {
		switch {
		case name == "all":
			return "every database", who, true
		case name == "sameuser", name == "samerole", name == "samegroup", name == "replication":
			continue // no database bears the name of a tenant's role
		case strings.HasPrefix(name, "/"):
			for i := range h.l.Databases {
				if db := h.l.Databases[i].Name; matches(name[1:], db) && h.stray(db, u) {
					return "the databases that match " + name, who, true
				}
			}
		case h.stray(name, u):
			return "the database " + name, who, true
		}
	}
	return "", "", false
}

// stray tells whether a database is not that of all these roles.
func (h *hbaAudit) stray(database string, u users) bool {
	t := h.databases[database]
	return u.all || t == nil || slices.ContainsFunc(u.named, func(role string) bool { return h.tenants[role] != t })
}

// list names at most three.
func list(names []string) string {
	if len(names) > 3 {
		return strings.Join(names[:3], ", ") + " and " + strconv.Itoa(len(names)-3) + " more"
	}
	return strings.Join(names, ", ")
}

// own calls a function with each of a rule's tenants' logins for which the rule holds in the tenant's own database.
func (h *hbaAudit) own(r *HBARule, u users, do func(role string)) {
	holds := func(database string) bool {
		return slices.ContainsFunc(r.Databases, func(name string) bool {
			return name == "all" || name == database || strings.HasPrefix(name, "/") && matches(name[1:], database)
		})
	}
	if !u.all {
		for _, role := range u.named {
			if holds(h.tenants[role].Database) {
				do(role)
			}
		}
		return
	}
	for i := range h.d.Tenants {
		if t := &h.d.Tenants[i]; holds(t.Database) {
			for _, role := range t.Roles.Logins() {
				do(role)
			}
		}
	}
}

func (h *hbaAudit) accept(r *HBARule, u users) {
	h.own(r, u, func(role string) {
		if h.shut[role] == 0 {
			h.open[role] = true
		}
	})
}

func (h *hbaAudit) reject(r *HBARule, u users) {
	if r.Type == "host" && anywhere(r) {
		h.own(r, u, func(role string) {
			if h.shut[role] == 0 {
				h.shut[role] = r.Line
			}
		})
	}
	if h.rejectsAll(r) {
		family := ""
		if p, ok := network(r); ok {
			family = "4"
			if p.Addr().Is6() {
				family = "6"
			}
		}
		if _, before := h.ended[r.Type+family]; !before {
			h.ended[r.Type+family] = r.Line
		}
	}
}

// missing finds tenants whose logins no rule lets in.
func (h *hbaAudit) missing() {
	for i := range h.d.Tenants {
		t := &h.d.Tenants[i]
		var out []string
		line := 0
		for _, role := range t.Roles.Logins() {
			if !h.open[role] {
				out = append(out, role)
				line = max(line, h.shut[role])
			}
		}
		if len(out) == 0 {
			continue
		}
		f := Finding{
			ID: "hba-missing", Severity: Medium, Tenant: t.Name, Object: t.Database,
			Message: "no rule of pg_hba.conf lets " + list(out) + " into " + t.Database,
			Hint:    "add the tenant's line: zave db config pg_hba prints it",
		}
		if line > 0 {
			f.Message += ": line " + strconv.Itoa(line) + " rejects them before"
		}
		h.find(f)
	}
}
