package state

import (
	"slices"
	"strings"
)

// access is what is to be held on one object, and what is.
type access struct {
	id    string // of the object, with a slash at its end
	on    string // as GRANT names it: TABLE "app"."orders"
	part  string // behind each privilege: ("column")
	what  string // as a person does: the table "app"."orders"
	owner string
	as    string // who runs the statements; empty: the instance's role
	have  []ACL
	want  map[string][]string               // the privileges of each role
	loose func(role, privilege string) bool // may be held beside those; nil: nothing may
	fresh bool                              // it is made in this plan, so that nobody misses what is revoked
}

// settled tells whether there is nothing to be revoked and nothing to be granted, as it mostly is.
func (a *access) settled() bool {
	for i := range a.have {
		e := &a.have[i]
		if e.Grantee != a.owner && (e.Grantable || !slices.Contains(a.want[e.Grantee], e.Privilege) &&
			(a.loose == nil || !a.loose(e.Grantee, e.Privilege))) {
			return false
		}
	}
	for role, privileges := range a.want {
		for _, privilege := range privileges {
			if !a.holds(role, privilege) {
				return false
			}
		}
	}
	return true
}

func (a *access) holds(role, privilege string) bool {
	for i := range a.have {
		if e := &a.have[i]; e.Grantee == role && e.Privilege == privilege {
			return true
		}
	}
	return false
}

// aclStep is a step with who has to run it: the grantor of what is revoked.
type aclStep struct {
	Step
	grantor string
}

// revocations gives the steps that take what is held beside what is wanted, a step a grantee, sorted.
//
// A privilege is revoked by the role that granted it. What was granted on under a grant option goes with the option, as
// CASCADE says; only where no such option is left has its grantor to revoke it.
func revocations(a *access) []aclStep {
	if a.settled() {
		return nil
	}
	type key struct {
		grantee, grantor string
		option           bool // the grant option alone
	}
	taken := map[key][]string{}
	var order []key
	for _, e := range a.have {
		if e.Grantee == a.owner {
			continue
		}
		grantor := e.Grantor
		if grantor == "" {
			grantor = a.owner
		}
		if grantor != a.owner && slices.ContainsFunc(a.have, func(o ACL) bool {
			return o.Grantee == grantor && o.Privilege == e.Privilege && o.Grantable
		}) {
			continue
		}
		kept := slices.Contains(a.want[e.Grantee], e.Privilege) || a.loose != nil && a.loose(e.Grantee, e.Privilege)
		if kept && !e.Grantable {
			continue
		}
		k := key{e.Grantee, grantor, kept}
		if taken[k] == nil {
			order = append(order, k)
		}
		if !slices.Contains(taken[k], e.Privilege) {
			taken[k] = append(taken[k], e.Privilege)
		}
	}
	slices.SortFunc(order, func(x, y key) int {
		if c := strings.Compare(x.grantee, y.grantee); c != 0 {
			return c
		}
		if c := strings.Compare(x.grantor, y.grantor); c != 0 {
			return c
		}
		if x.option == y.option {
			return 0
		} else if x.option {
			return 1
		}
		return -1
	})
	var out []aclStep
	for _, k := range order {
		privileges := taken[k]
		slices.Sort(privileges)
		list := strings.Join(privileges, ", ")
		exact := list
		if a.part != "" {
			exact = strings.Join(privileges, " "+a.part+", ") + " " + a.part
		}
		who, from, id := k.grantee, Ident(k.grantee), k.grantee
		if who == "" {
			who, from, id = "everybody", "PUBLIC", "PUBLIC"
		}
		s := aclStep{grantor: k.grantor, Step: Step{ID: a.id + "revoke/" + id, As: a.as, Destructive: !a.fresh}}
		if k.grantor != a.owner {
			s.ID += "/by/" + k.grantor
		}
		if k.option {
			s.ID += "/option"
			s.SQL = "REVOKE GRANT OPTION FOR " + exact + " ON " + a.on + " FROM " + from + " CASCADE"
			s.Why = who + " may grant " + list + " on " + a.what + " to others"
		} else {
			s.SQL = "REVOKE " + exact + " ON " + a.on + " FROM " + from
			s.Why = who + " holds " + list + " on " + a.what
			if slices.ContainsFunc(a.have, func(o ACL) bool { return o.Grantee == k.grantee && o.Grantable }) {
				s.SQL += " CASCADE"
			}
		}
		out = append(out, s)
	}
	return out
}

// grants gives the steps that give what is wanted and not held, a step for all roles that lack the same, sorted.
func grants(a *access) []aclStep {
	if a.settled() {
		return nil
	}
	lacking := map[string][]string{}
	for role, privileges := range a.want {
		var list []string
		for _, privilege := range privileges {
			if !a.holds(role, privilege) {
				list = append(list, privilege)
			}
		}
		if len(list) > 0 {
			key := strings.Join(list, ", ")
			lacking[key] = append(lacking[key], role)
		}
	}
	var out []aclStep
	for _, list := range sortedKeys(lacking) {
		roles := lacking[list]
		slices.Sort(roles)
		verb := " lacks "
		if len(roles) > 1 {
			verb = " lack "
		}
		out = append(out, aclStep{grantor: a.owner, Step: Step{
			ID: a.id + "grant/" + strings.ToLower(strings.ReplaceAll(list, ", ", "+")), As: a.as,
			SQL: "GRANT " + list + " ON " + a.on + " TO " + idents(roles),
			Why: strings.Join(roles, ", ") + verb + list + " on " + a.what,
		}})
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func idents(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = Ident(n)
	}
	return strings.Join(out, ", ")
}
