package reach

import (
	"cmp"
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/object"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// unknownRole is the verb of what a role allows that is not in the objects.
const unknownRole = "\x00allowed by"

// place is where a right holds: a namespace, or the whole cluster.
type place struct{ cluster, namespace string }

// grantee is who has a right: a "ServiceAccount" named namespace/name, a "Group" or a "User".
type grantee struct{ kind, name string }

// groups gives the groups that it is always in (Kubernetes, "Using RBAC Authorization: Referring to subjects").
func (g grantee) groups() []grantee {
	switch {
	case g.kind == rbacv1.ServiceAccountKind:
		namespace, _, _ := strings.Cut(g.name, "/")
		return []grantee{{rbacv1.GroupKind, "system:serviceaccounts"}, {rbacv1.GroupKind, "system:serviceaccounts:" + namespace},
			{rbacv1.GroupKind, "system:authenticated"}}
	case g.name == "system:anonymous":
		return []grantee{{rbacv1.GroupKind, "system:unauthenticated"}}
	case g.name == "system:unauthenticated", g.name == "system:authenticated":
		return nil
	case strings.HasPrefix(g.name, "system:serviceaccounts:"):
		return []grantee{{rbacv1.GroupKind, "system:serviceaccounts"}, {rbacv1.GroupKind, "system:authenticated"}}
	}
	return []grantee{{rbacv1.GroupKind, "system:authenticated"}}
}

// everybody tells whether a right of it is one of everybody.
func (g grantee) everybody() bool {
	switch g.name {
	case "system:authenticated", "system:unauthenticated", "system:serviceaccounts":
		return g.kind == rbacv1.GroupKind
	case "system:anonymous":
		return g.kind == rbacv1.UserKind
	}
	return false
}

// granteeOf reads a subject of a binding.
func granteeOf(x rbacv1.Subject, namespace string) grantee {
	switch x.Kind {
	case rbacv1.ServiceAccountKind:
		return grantee{x.Kind, cmp.Or(x.Namespace, namespace) + "/" + x.Name}
	case rbacv1.UserKind:
		if rest, ok := strings.CutPrefix(x.Name, "system:serviceaccount:"); ok {
			if ns, name, ok := strings.Cut(rest, ":"); ok {
				return grantee{rbacv1.ServiceAccountKind, ns + "/" + name}
			}
		}
	case rbacv1.GroupKind:
		if ns, ok := strings.CutPrefix(x.Name, "system:serviceaccounts:"); ok && ns == "" {
			return grantee{x.Kind, "system:serviceaccounts"}
		}
	}
	return grantee{x.Kind, x.Name}
}

// binding is what RoleBindings and ClusterRoleBindings have in common.
type binding struct {
	Subjects []rbacv1.Subject `json:"subjects"`
	RoleRef  rbacv1.RoleRef   `json:"roleRef"`
}

// role is what Roles and ClusterRoles have in common.
type role struct {
	Metadata        metav1.ObjectMeta       `json:"metadata"`
	Rules           []rbacv1.PolicyRule     `json:"rules"`
	AggregationRule *rbacv1.AggregationRule `json:"aggregationRule"`
}

const rbacGroup = "rbac.authorization.k8s.io"

// rbac is the access control of the API server, on both sides.
type rbac struct {
	s        *state
	bindings map[place][]*pair
	rules    map[ruleKey][]rbacv1.PolicyRule
	affected map[who][]*pair
}

type ruleKey struct {
	at   side
	role object.ID
}

// grant is what is opened or closed for one.
type grant struct {
	grantee
	place
	rules   []rbacv1.PolicyRule // of one verb and one resource each
	because []object.ID
}

// rights tells who may do what in the API server that they could not, and the other way round.
func rights(s *state, b *builder) error {
	r := &rbac{s: s, bindings: map[place][]*pair{}, rules: map[ruleKey][]rbacv1.PolicyRule{}, affected: map[who][]*pair{}}
	if err := r.look(); err != nil {
		return err
	}
	for _, d := range sides() {
		list, err := r.grants(d[0], d[1])
		if err != nil {
			return err
		}
		for _, g := range list {
			s.right(b, g, d[1] == after)
		}
	}
	return nil
}

// right says what one is given, or what is taken.
func (s *state) right(b *builder, g grant, opened bool) {
	where := "in " + g.namespace
	tenant := ""
	if g.namespace == "" {
		where = "in the whole cluster"
	} else {
		tenant = s.tenantIn(g.cluster, g.namespace)
	}
	if g.kind == rbacv1.ServiceAccountKind {
		namespace, _, _ := strings.Cut(g.name, "/")
		tenant = cmp.Or(s.tenantIn(g.cluster, namespace), tenant)
		if !opened && s.leaves(g.cluster, namespace) {
			return
		}
	}
	if g.namespace != "" && s.moves(g.cluster, g.namespace) && !(opened && g.everybody()) {
		return // it comes or goes with its namespace
	}
	say := func(rule, why string, rules []rbacv1.PolicyRule) {
		may := "may now "
		if !opened {
			may = "may no longer "
		}
		b.add(consequence{rule, g.kind, may + rulesText(rules, where), why}, g.name, g.cluster, tenant, g.because...)
	}
	switch {
	case !opened:
		say(rightClosed, "what relies on it is refused with 403", g.rules)
		return
	case g.everybody():
		why := "it holds for every ServiceAccount and everybody who can log in"
		if g.name == "system:unauthenticated" || g.name == "system:anonymous" {
			why = "it holds for whoever reaches the API server, without logging in"
		} else if g.name == "system:serviceaccounts" {
			why = "it holds for every pod that has a token, of every tenant"
		}
		say(rightEverybody, why, g.rules)
		return
	}
	byWhy := map[string][]rbacv1.PolicyRule{}
	for _, x := range g.rules {
		why := escalates(x)
		byWhy[why] = append(byWhy[why], x)
	}
	for _, why := range sortedKeys(byWhy, strings.Compare) {
		switch {
		case why != "":
			say(rightEscalates, why, byWhy[why])
		case byWhy[why][0].Verbs[0] == unknownRole && len(byWhy[why]) == 1:
			say(rightOpened, "zave does not know what the role allows: it is not in the tree", byWhy[why])
		default:
			say(rightOpened, "it holds as soon as it is applied, for whoever has this identity", byWhy[why])
		}
	}
}

// grants gives what holds in to and did not in from, for each whom a change is about: exactly the rules that were not
// covered. What holds in the whole cluster is said there and not again in a namespace, and what one had by a group that
// one is always in is not new.
func (r *rbac) grants(from, to side) ([]grant, error) {
	var out []grant
	compare := func(a, b who) int {
		return cmp.Or(strings.Compare(a.cluster, b.cluster), strings.Compare(a.namespace, b.namespace), strings.Compare(a.kind, b.kind),
			strings.Compare(a.name, b.name))
	}
	for _, w := range sortedKeys(r.affected, compare) {
		has, err := r.of(to, w.place, w.grantee)
		if err != nil {
			return nil, err
		}
		if len(has) == 0 {
			continue
		}
		everywhere := place{w.cluster, ""}
		var had []rbacv1.PolicyRule
		for _, g := range append(w.groups(), w.grantee) {
			for _, p := range []place{w.place, everywhere} {
				rules, err := r.of(from, p, g)
				if err != nil {
					return nil, err
				}
				had = append(had, rules...)
			}
		}
		if w.namespace != "" {
			rules, err := r.of(to, everywhere, w.grantee)
			if err != nil {
				return nil, err
			}
			had = append(had, rules...)
		}
		if _, opened := validation.Covers(had, has); len(opened) > 0 {
			out = append(out, grant{w.grantee, w.place, opened, changedOf(r.affected[w]...)})
		}
	}
	return out, nil
}

// who is somebody somewhere.
type who struct {
	place
	grantee
}

// look fills affected with those whom a changed binding or role is about, and with what changes.
func (r *rbac) look() error {
	var roles []*pair
	for _, kind := range []string{"Role.", "ClusterRole."} {
		for _, p := range r.s.byKind[kind+rbacGroup] {
			if p.changed {
				roles = append(roles, p)
			}
		}
	}
	for _, kind := range []string{"ClusterRoleBinding.", "RoleBinding."} {
		for _, p := range r.s.byKind[kind+rbacGroup] {
			at := place{p.Cluster, p.Namespace}
			r.bindings[at] = append(r.bindings[at], p)
			near := slices.ContainsFunc(roles, func(x *pair) bool {
				return x.Cluster == p.Cluster && (x.Namespace == "" || x.Namespace == p.Namespace)
			})
			if !p.changed && !near {
				continue
			}
			for _, at := range []side{before, after} {
				if err := r.lookAt(at, p, roles); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *rbac) lookAt(at side, p *pair, roles []*pair) error {
	v, err := decode[binding](p, at)
	if err != nil || v == nil {
		return err
	}
	because := []*pair{p}
	for _, x := range roles {
		in, err := r.partOf(x, r.roleOf(p, v.RoleRef))
		if err != nil {
			return err
		}
		if in {
			because = append(because, x)
		}
	}
	if !p.changed && len(because) == 1 {
		return nil
	}
	for _, x := range v.Subjects {
		w := who{place{p.Cluster, p.Namespace}, granteeOf(x, p.Namespace)}
		r.affected[w] = append(r.affected[w], because...)
	}
	return nil
}

// roleOf gives the role that a binding refers to.
func (r *rbac) roleOf(p *pair, ref rbacv1.RoleRef) object.ID {
	id := object.ID{Cluster: p.Cluster, Group: rbacGroup, Kind: ref.Kind, Name: ref.Name}
	if ref.Kind == "Role" {
		id.Namespace = p.Namespace
	}
	return id
}

// partOf tells whether a role is the one that is meant, or may add to it.
func (r *rbac) partOf(x *pair, id object.ID) (bool, error) {
	if x.ID == id {
		return true, nil
	}
	if x.Kind != "ClusterRole" || id.Kind != x.Kind || x.Cluster != id.Cluster {
		return false, nil
	}
	for _, at := range []side{before, after} {
		part, err := decode[role](x, at)
		if err != nil {
			return false, err
		}
		selectors, err := r.selectors(at, id)
		if err != nil {
			return false, err
		}
		if part != nil && selects(selectors, part) {
			return true, nil
		}
	}
	return false, nil
}

// selectors gives what selects the ClusterRoles that add to one.
func (r *rbac) selectors(at side, id object.ID) ([]selector, error) {
	var out []selector
	if p := r.s.byID[id]; p != nil {
		v, err := decode[role](p, at)
		if err != nil {
			return nil, err
		}
		if v != nil && v.AggregationRule != nil {
			for i := range v.AggregationRule.ClusterRoleSelectors {
				out = append(out, newSelector(&v.AggregationRule.ClusterRoleSelectors[i]))
			}
			return out, nil
		}
		if v != nil {
			return nil, nil
		}
	}
	for _, key := range aggregates(id.Name) {
		out = append(out, newSelector(&metav1.LabelSelector{MatchLabels: map[string]string{key: "true"}}))
	}
	return out, nil
}

func selects(selectors []selector, x *role) bool {
	return slices.ContainsFunc(selectors, func(s selector) bool { return s.matches(x.Metadata.Labels) })
}

// of gives the rules that one has in a place by bindings of that very place.
func (r *rbac) of(at side, where place, g grantee) ([]rbacv1.PolicyRule, error) {
	var out []rbacv1.PolicyRule
	for _, p := range r.bindings[where] {
		v, err := decode[binding](p, at)
		if err != nil {
			return nil, err
		}
		if v == nil || !slices.ContainsFunc(v.Subjects, func(x rbacv1.Subject) bool { return granteeOf(x, p.Namespace) == g }) {
			continue
		}
		rules, err := r.rulesOf(at, r.roleOf(p, v.RoleRef))
		if err != nil {
			return nil, err
		}
		for _, x := range rules {
			if where.namespace != "" {
				x.NonResourceURLs = nil // these are in no namespace, and no RoleBinding gives them
			}
			if len(x.Resources)+len(x.NonResourceURLs) > 0 {
				out = append(out, x)
			}
		}
	}
	return out, nil
}

// rulesOf gives what a role allows on a side: what it says and what is added to it, what is known of it by its name, or,
// where it is in neither of the sides, that it is not known.
func (r *rbac) rulesOf(at side, id object.ID) ([]rbacv1.PolicyRule, error) {
	k := ruleKey{at, id}
	if out, ok := r.rules[k]; ok {
		return out, nil
	}
	r.rules[k] = nil // one that adds to itself adds nothing
	var out []rbacv1.PolicyRule
	p := r.s.byID[id]
	known, isBuiltin := builtin(id.Name)
	isBuiltin = isBuiltin && id.Kind == "ClusterRole"
	var v *role
	if p != nil {
		var err error
		if v, err = decode[role](p, at); err != nil {
			return nil, err
		}
	}
	switch {
	case v != nil && v.AggregationRule == nil:
		out = slices.Clone(v.Rules)
	case v == nil && isBuiltin:
		out = slices.Clone(known)
	case p == nil:
		out = []rbacv1.PolicyRule{{APIGroups: []string{id.Kind}, Resources: []string{id.Name}, Verbs: []string{unknownRole}}}
	}
	selectors, err := r.selectors(at, id)
	if err != nil {
		return nil, err
	}
	if id.Kind == "ClusterRole" && len(selectors) > 0 {
		for _, x := range r.s.byKind["ClusterRole."+rbacGroup] {
			part, err := decode[role](x, at)
			if err != nil {
				return nil, err
			}
			if x.Cluster != id.Cluster || x.ID == id || part == nil || !selects(selectors, part) {
				continue
			}
			rules, err := r.rulesOf(at, x.ID)
			if err != nil {
				return nil, err
			}
			out = append(out, rules...)
		}
	}
	r.rules[k] = out
	return out, nil
}

// mostRights is how many rights of one cause are named.
const mostRights = 6

// phrase is what may be done, or what that may be done with, and what it is a phrase of: resources, roles or URLs.
type phrase struct {
	of   int
	text string
}

const (
	ofResources = iota
	ofRoles
	ofURLs
)

func (p phrase) compare(o phrase) int { return cmp.Or(p.of-o.of, strings.Compare(p.text, o.text)) }

// rulesText says rules of one verb and one resource each: "get and list pods and secrets in panchito".
func rulesText(rules []rbacv1.PolicyRule, where string) string {
	verbs := map[phrase][]string{}
	for _, x := range rules {
		what := phrase{ofResources, ""}
		switch {
		case len(x.NonResourceURLs) > 0:
			what = phrase{ofURLs, x.NonResourceURLs[0]}
		case x.Verbs[0] == unknownRole:
			what = phrase{ofRoles, x.APIGroups[0] + " " + x.Resources[0]}
		default:
			what.text = resourceText(x)
		}
		verbs[what] = append(verbs[what], x.Verbs[0])
	}
	about := map[phrase][]string{} // by what may be done
	for _, what := range sortedKeys(verbs, phrase.compare) {
		list := verbs[what]
		slices.SortFunc(list, func(a, b string) int { return cmp.Or(verbRank(a)-verbRank(b), strings.Compare(a, b)) })
		do := phrase{what.of, enumerate(slices.Compact(list), len(list))}
		switch {
		case what.of == ofRoles:
			do.text = "do what is allowed by the"
		case slices.Contains(list, rbacv1.VerbAll):
			do.text = "do everything with"
		}
		about[do] = append(about[do], what.text)
	}
	var here, anywhere []string
	for _, do := range sortedKeys(about, phrase.compare) {
		text := do.text + " " + enumerate(about[do], mostRights)
		if do.of == ofURLs {
			anywhere = append(anywhere, text)
		} else {
			here = append(here, text)
		}
	}
	var out []string
	if len(here) > 0 {
		out = append(out, enumerate(here, mostRights)+" "+where)
	}
	if len(anywhere) > 0 {
		out = append(out, enumerate(anywhere, mostRights))
	}
	return strings.Join(out, ", and ")
}

// verbRank is the order in which verbs are named.
func verbRank(verb string) int {
	order := []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	if i := slices.Index(order, verb); i >= 0 {
		return i
	}
	return len(order)
}

// resourceText names a resource as kubectl does: "deployments.apps".
func resourceText(x rbacv1.PolicyRule) string {
	group, resource := x.APIGroups[0], x.Resources[0]
	var text string
	switch {
	case resource == "*" && group == "*":
		text = "everything"
	case resource == "*" && group == "":
		text = "everything of the core group"
	case resource == "*":
		text = "everything of " + group
	case group == "":
		text = resource
	case group == "*":
		text = resource + " of every group"
	default:
		name, sub, ok := strings.Cut(resource, "/")
		text = name + "." + group
		if ok {
			text += "/" + sub
		}
	}
	if len(x.ResourceNames) > 0 {
		text += " " + x.ResourceNames[0]
	}
	return text
}
