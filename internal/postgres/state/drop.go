package state

import (
	"slices"
	"strconv"
	"strings"
)

// drops plans what the options name to be dropped, databases first: only what bears zave's mark of a tenant, and what
// is not desired. All else of that kind stays, whoever is no longer in the specs; and a run for one tenant does not
// know the others.
func (p *planner) drops() {
	var databases, roles []string
	for _, name := range p.o.AllowDrop {
		switch {
		case p.tenantOf[name] != nil || p.desiredDatabase(name):
			p.refuseDrop(name, name+" may be dropped, but it is in the specs", "take its tenant out of them first")
		case p.dbs[name] != nil && p.roles[name] != nil:
			p.refuseDrop(name, name+" is the name of a database and of a role", "drop them by hand")
		case p.dbs[name] != nil && !marked(p.dbs[name].Comment), p.roles[name] != nil && !marked(p.roles[name].Comment):
			p.refuseDrop(name, name+" may be dropped, but it is not a tenant's of zave's", "drop it by hand")
		case p.dbs[name] != nil:
			databases = append(databases, name)
		case p.roles[name] != nil:
			roles = append(roles, name)
		}
	}
	slices.Sort(databases)
	slices.Sort(roles)
	for _, name := range slices.Compact(databases) {
		p.dropDatabase(p.dbs[name])
	}
	for _, name := range slices.Compact(roles) {
		p.add(&p.steps, Step{
			ID: "role/" + name + "/drop", Tenant: tenantOfMark(p.roles[name].Comment), SQL: "DROP ROLE " + Ident(name),
			Why: "the role " + name + " is not in the specs, and may be dropped", Superuser: p.roles[name].Superuser,
			Destructive: true,
		})
	}
}

func (p *planner) desiredDatabase(name string) bool {
	return name == p.d.Instance.Database || name == p.d.Instance.Role || p.ours[name] != nil
}

func (p *planner) refuseDrop(object, message, hint string) {
	p.refusals = append(p.refusals, Refusal{ID: "drop", Object: object, Message: message, Hint: hint})
}

const tenantMark = "zave: tenant "

func marked(comment string) bool { return strings.HasPrefix(comment, tenantMark) }

func tenantOfMark(comment string) string {
	name := strings.TrimPrefix(comment, tenantMark)
	if i := strings.LastIndex(name, ", spec "); i >= 0 {
		name = name[:i]
	}
	return name
}

// dropDatabase plans the end of a database: nobody gets in any more, who is in goes, and then it.
func (p *planner) dropDatabase(db *Database) {
	tenant := tenantOfMark(db.Comment)
	super := db.Owner != p.platform
	id := "database/" + db.Name + "/"
	step := func(s Step) {
		s.Tenant, s.Destructive = tenant, true
		p.add(&p.steps, s)
	}
	if db.AllowConnections {
		step(Step{
			ID: id + "close", SQL: "ALTER DATABASE " + Ident(db.Name) + " ALLOW_CONNECTIONS false", Superuser: super,
			Why: "nobody is to come into the database " + db.Name + " while it is dropped",
		})
	}
	var last string
	for _, s := range p.sessions[db.Name] {
		r := p.roles[s.Role]
		if r == nil || s.Role == p.platform {
			continue
		}
		ours := marked(r.Comment)
		if ours && s.Role != last {
			last = s.Role
			give, take := p.membershipFor(s.Role, false)
			give.Tenant, take.Tenant = tenant, tenant
			p.steps = append(p.steps, give)
			defer func() { p.steps = append(p.steps, take) }()
		}
		end := terminate(s)
		end.Why = s.Role + " has a session in the database " + db.Name + ", which is to be dropped"
		if end.Superuser = !ours; ours {
			end.As = s.Role
		}
		step(end)
	}
	step(Step{
		ID: id + "drop", SQL: "DROP DATABASE " + Ident(db.Name), Superuser: super,
		Why: "the database " + db.Name + " is not in the specs, and may be dropped",
	})
}

// terminate ends a session, and none that has got its process number since.
func terminate(s *Session) Step {
	return Step{
		ID: "session/" + s.Database + "/" + s.Role + "/" + strconv.Itoa(s.PID), Destructive: true,
		SQL: "SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity WHERE pid = " +
			strconv.Itoa(s.PID) + " AND datname = " + constant(s.Database) + " AND usename = " + constant(s.Role),
	}
}
