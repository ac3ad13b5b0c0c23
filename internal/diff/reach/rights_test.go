package reach

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/object"
	rbacv1 "k8s.io/api/rbac/v1"
)

// roleYAML is a Role, or a ClusterRole where there is no namespace; its rules are YAML.
func roleYAML(namespace, name, rules string) string {
	kind, ns := "ClusterRole", ""
	if namespace != "" {
		kind, ns = "Role", ", namespace: "+namespace
	}
	return "apiVersion: rbac.authorization.k8s.io/v1\nkind: " + kind + "\nmetadata: {name: " + name + ns + "}\nrules: " + rules
}

// bindingYAML binds a role, "Role/name" or "ClusterRole/name", to subjects, "Kind name".
func bindingYAML(namespace, name, ref string, subjects ...string) string {
	kind, ns := "ClusterRoleBinding", ""
	if namespace != "" {
		kind, ns = "RoleBinding", ", namespace: "+namespace
	}
	refKind, refName, _ := strings.Cut(ref, "/")
	text := "apiVersion: rbac.authorization.k8s.io/v1\nkind: " + kind + "\nmetadata: {name: " + name + ns + "}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: " +
		refKind + ", name: " + refName + "}\nsubjects:\n"
	for _, s := range subjects {
		k, n, _ := strings.Cut(s, " ")
		text += "- {kind: " + k
		if namespace, short, ok := strings.Cut(n, "/"); ok {
			text += ", namespace: " + namespace + ", name: " + short + "}\n"
		} else {
			text += ", name: \"" + n + "\"}\n"
		}
	}
	return text
}

func TestRights(t *testing.T) {
	const pods = `[{apiGroups: [""], resources: [pods], verbs: [get, list]}]`
	alpha := namespaceOf("alpha")
	team := bindingYAML("alpha", "team", "Role/team", "Group zavestudios:data")
	tellAll(t, []told{
		{
			name: "the new part alone", both: docs(alpha, team), base: roleYAML("alpha", "team", pods),
			head: roleYAML("alpha", "team", `[{apiGroups: ["", apps], resources: [pods, deployments], verbs: [list, get, watch]}]`),
			want: []string{"right-opened Group zavestudios:data may now get, list and watch deployments, deployments.apps and pods.apps and watch pods in alpha"},
		},
		{
			name: "closed", both: docs(alpha, team), base: roleYAML("alpha", "team", pods), head: roleYAML("alpha", "team", `[]`),
			want: []string{"right-closed Group zavestudios:data may no longer get and list pods in alpha"},
		},
		{
			name: "another role", both: docs(alpha, roleYAML("alpha", "team", pods), roleYAML("alpha", "other", `[{apiGroups: [""], resources: [pods], verbs: [get, delete]}]`)),
			base: team, head: bindingYAML("alpha", "team", "Role/other", "Group zavestudios:data"),
			want: []string{
				"right-opened Group zavestudios:data may now delete pods in alpha",
				"right-closed Group zavestudios:data may no longer list pods in alpha",
			},
		},
		{
			name: "from a role of one's own to one of every cluster", both: docs(alpha, roleYAML("alpha", "team", pods)),
			base: team, head: bindingYAML("alpha", "team", "ClusterRole/view", "Group zavestudios:data"),
			want: []string{"right-opened Group zavestudios:data may now get, list and watch bindings, configmaps, controllerrevisions.apps, cronjobs.batch, cronjobs.batch/status and 50 more and watch pods in alpha"},
		},
		{
			name: "the same by another role", both: docs(alpha, roleYAML("alpha", "team", pods), roleYAML("", "wide", pods)),
			base: team, head: bindingYAML("alpha", "team2", "ClusterRole/wide", "Group zavestudios:data"),
		},
		{
			name: "escalates", both: docs(alpha, team), base: roleYAML("alpha", "team", pods),
			head: roleYAML("alpha", "team", `[{apiGroups: [""], resources: [pods, secrets, pods/exec], verbs: [get]}, {apiGroups: [""], resources: [pods], verbs: [list, delete]}]`),
			want: []string{
				"right-escalates Group zavestudios:data may now get pods/exec in alpha",
				"right-escalates Group zavestudios:data may now get secrets in alpha",
				"right-opened Group zavestudios:data may now delete pods in alpha",
			},
		},
		{
			name: "of one name, where the rest was had", both: docs(alpha, team),
			base: roleYAML("alpha", "team", `[{apiGroups: [""], resources: [secrets], resourceNames: [a], verbs: [get]}]`),
			head: roleYAML("alpha", "team", `[{apiGroups: [""], resources: [secrets], resourceNames: [a, b], verbs: [get]}]`),
			want: []string{"right-escalates Group zavestudios:data may now get secrets b in alpha"},
		},
		{
			name: "of every name", both: docs(alpha, team),
			base: roleYAML("alpha", "team", `[{apiGroups: [""], resources: [configmaps], resourceNames: [a], verbs: [get]}]`),
			head: roleYAML("alpha", "team", `[{apiGroups: [""], resources: [configmaps], verbs: [get]}]`),
			want: []string{"right-opened Group zavestudios:data may now get configmaps in alpha"},
		},
		{
			name: "everything", both: alpha, head: bindingYAML("", "all", "ClusterRole/cluster-admin", "ServiceAccount alpha/web"),
			want: []string{
				"right-escalates ServiceAccount alpha/web may now do everything with everything in the whole cluster",
				"right-opened ServiceAccount alpha/web may now do everything with *",
			},
		},
		{
			name: "URLs, which no RoleBinding gives", both: docs(alpha, roleYAML("", "metrics", `[{nonResourceURLs: [/metrics], verbs: [get]}]`)),
			head: docs(bindingYAML("alpha", "metrics", "ClusterRole/metrics", "User ann"), bindingYAML("", "metrics", "ClusterRole/metrics", "User bob")),
			want: []string{"right-opened User bob may now get /metrics"},
		},
		{
			name: "everybody", both: docs(alpha, roleYAML("", "r", pods)),
			head: bindingYAML("", "r", "ClusterRole/r", "Group system:authenticated", "Group system:serviceaccounts", "User system:anonymous"),
			want: []string{
				"right-everybody Group system:authenticated may now get and list pods in the whole cluster",
				"right-everybody Group system:serviceaccounts may now get and list pods in the whole cluster",
				"right-everybody User system:anonymous may now get and list pods in the whole cluster",
			},
		},
		{
			name: "what everybody had is not new for one", both: docs(alpha, roleYAML("", "r", pods), bindingYAML("", "r", "ClusterRole/r", "Group system:serviceaccounts:alpha")),
			head: docs(bindingYAML("", "s", "ClusterRole/r", "ServiceAccount alpha/web", "ServiceAccount beta/web")),
			want: []string{"right-opened ServiceAccount beta/web may now get and list pods in the whole cluster"},
		},
		{
			name: "one ServiceAccount by both of its names", both: docs(alpha, roleYAML("", "r", pods)),
			base: bindingYAML("", "r", "ClusterRole/r", "ServiceAccount alpha/web"), head: bindingYAML("", "r", "ClusterRole/r", "User system:serviceaccount:alpha:web"),
		},
		{
			name: "in the whole cluster, and not again in a namespace", both: docs(alpha, roleYAML("", "r", pods)),
			head: docs(bindingYAML("", "r", "ClusterRole/r", "User ann"), bindingYAML("alpha", "r", "ClusterRole/r", "User ann")),
			want: []string{"right-opened User ann may now get and list pods in the whole cluster"},
		},
		{
			name: "a new namespace's own", both: roleYAML("", "r", pods),
			head: docs(alpha, roleYAML("alpha", "team", pods), team, bindingYAML("alpha", "all", "ClusterRole/r", "Group system:authenticated"), bindingYAML("", "r", "ClusterRole/r", "ServiceAccount alpha/web")),
			want: []string{
				"right-everybody Group system:authenticated may now get and list pods in alpha",
				"right-opened ServiceAccount alpha/web may now get and list pods in the whole cluster",
			},
		},
		{
			name: "a namespace takes its own along", both: roleYAML("", "r", pods),
			base: docs(alpha, roleYAML("alpha", "team", pods), team, bindingYAML("", "r", "ClusterRole/r", "ServiceAccount alpha/web")),
		},
		{
			name: "added to a role of every cluster", both: docs(alpha, bindingYAML("alpha", "e", "ClusterRole/edit", "User ann"), bindingYAML("alpha", "v", "ClusterRole/view", "User bob")),
			head: `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: more, labels: {rbac.authorization.k8s.io/aggregate-to-edit: "true"}}
rules: [{apiGroups: [example.org], resources: [things], verbs: [get]}]`,
			want: []string{"right-opened User ann may now get things.example.org in alpha"},
		},
		{
			name: "added to a role that gathers others", both: docs(alpha, bindingYAML("alpha", "e", "ClusterRole/mine", "User ann"), `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: mine}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {mine: "yes"}}]}
rules: []`),
			head: `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: more, labels: {mine: "yes"}}
rules: [{apiGroups: [example.org], resources: [things], verbs: [get]}]`,
			want: []string{"right-opened User ann may now get things.example.org in alpha"},
		},
		{
			name: "a role that is not in the tree", both: alpha, head: bindingYAML("alpha", "x", "ClusterRole/chart-made", "User ann"),
			want: []string{"right-opened User ann may now do what is allowed by the ClusterRole chart-made in alpha"},
		},
	})
}

// TestGrants compares what is reported with what brute force says, over all that can be asked in a small world. The
// names "other" are in no rule: what holds for these holds by a wildcard.
func TestGrants(t *testing.T) {
	verbs, resources := []string{"get", "list", "create", "other"}, []string{"pods", "secrets", "pods/exec", "other", "other/exec"}
	spaces, users := []string{"a", "b"}, []string{"ann", "bob"}
	pick := func(r *rand.Rand, list []string, wild ...string) []string {
		var out []string
		for _, x := range list {
			if !strings.HasPrefix(x, "other") && r.IntN(2) == 0 {
				out = append(out, x)
			}
		}
		if len(wild) > 0 && r.IntN(6) == 0 {
			out = append(out, wild[r.IntN(len(wild))])
		}
		if len(out) == 0 {
			out = list[:1]
		}
		return out
	}
	world := func(r *rand.Rand) string {
		var list []string
		for _, ns := range append(slices.Clone(spaces), "") {
			for i := range 2 {
				name := fmt.Sprintf("r%d", i)
				var rules []string
				for range r.IntN(3) {
					names := ""
					if r.IntN(3) == 0 {
						names = ", resourceNames: [" + strings.Join(pick(r, []string{"p", "q"}), ", ") + "]"
					}
					rules = append(rules, fmt.Sprintf(`{apiGroups: [""], verbs: ["%s"], resources: ["%s"]%s}`, strings.Join(pick(r, verbs, "*"), `", "`),
						strings.Join(pick(r, resources, "*", "*/exec"), `", "`), names))
				}
				list = append(list, roleYAML(ns, name, "["+strings.Join(rules, ", ")+"]"))
				if r.IntN(4) > 0 {
					kind := "Role/"
					if ns == "" || r.IntN(2) == 0 {
						kind = "ClusterRole/"
					}
					var subjects []string
					for _, u := range pick(r, users) {
						subjects = append(subjects, "User "+u)
					}
					list = append(list, bindingYAML(ns, name, kind+name, subjects...))
				}
			}
		}
		return docs(list...)
	}
	type question struct{ user, namespace, verb, resource, name string }
	var questions []question
	for _, u := range users {
		for _, ns := range append(slices.Clone(spaces), "") {
			for _, v := range verbs {
				for _, x := range resources {
					for _, n := range []string{"p", "q", "other"} {
						questions = append(questions, question{u, ns, v, x, n})
					}
				}
			}
		}
	}
	allows := func(rule rbacv1.PolicyRule, q question) bool {
		in := func(list []string, x string) bool { return slices.Contains(list, x) || slices.Contains(list, "*") }
		_, sub, ok := strings.Cut(q.resource, "/")
		return in(rule.Verbs, q.verb) && (in(rule.Resources, q.resource) || ok && slices.Contains(rule.Resources, "*/"+sub)) &&
			(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, q.name))
	}
	// held is what an API server has in its bindings: whom they give which rules, and where.
	type held struct {
		namespace string
		users     []string
		rules     []rbacv1.PolicyRule
	}
	read := func(objects []object.Object) (out []held) {
		roles, s := map[object.ID]*role{}, newState(objects, nil)
		for _, kind := range []string{"Role.", "ClusterRole.", "RoleBinding.", "ClusterRoleBinding."} {
			for _, p := range s.byKind[kind+rbacGroup] {
				if !strings.HasSuffix(kind, "Binding.") {
					v, err := decode[role](p, before)
					if err != nil {
						t.Fatal(err)
					}
					roles[p.ID] = v
					continue
				}
				v, err := decode[binding](p, before)
				if err != nil {
					t.Fatal(err)
				}
				id := object.ID{Cluster: p.Cluster, Group: rbacGroup, Kind: v.RoleRef.Kind, Name: v.RoleRef.Name}
				if id.Kind == "Role" {
					id.Namespace = p.Namespace
				}
				h := held{namespace: p.Namespace, rules: roles[id].Rules}
				for _, x := range v.Subjects {
					h.users = append(h.users, x.Name)
				}
				out = append(out, h)
			}
		}
		return out
	}
	may := func(all []held, q question) bool {
		return slices.ContainsFunc(all, func(h held) bool {
			return (h.namespace == "" || h.namespace == q.namespace) && slices.Contains(h.users, q.user) &&
				slices.ContainsFunc(h.rules, func(x rbacv1.PolicyRule) bool { return allows(x, q) })
		})
	}
	some := 0
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		base, head := objectsOf(t, world(random)), objectsOf(t, world(random))
		s := newState(base, head)
		r := &rbac{s: s, bindings: map[place][]*pair{}, rules: map[ruleKey][]rbacv1.PolicyRule{}, affected: map[who][]*pair{}}
		if err := r.look(); err != nil {
			t.Fatal(err)
		}
		sides := [2][]held{read(base), read(head)}
		for _, d := range [][2]side{{before, after}, {after, before}} {
			grants, err := r.grants(d[0], d[1])
			if err != nil {
				t.Fatal(err)
			}
			useful := map[string]bool{}
			for _, q := range questions {
				opened := may(sides[d[1]], q) && !may(sides[d[0]], q)
				told, exactly := false, false
				for _, g := range grants {
					if g.name != q.user || g.namespace != "" && g.namespace != q.namespace {
						continue
					}
					for i, rule := range g.rules {
						if !allows(rule, q) {
							continue
						}
						told = true
						// A rule that is for many things is told as it stands, and holds for some that were allowed before.
						if !strings.Contains(rule.Verbs[0]+rule.Resources[0], "*") && g.namespace == q.namespace && (len(rule.ResourceNames) > 0 || q.name == "other") {
							exactly = true
						}
						if opened {
							useful[fmt.Sprint(g.grantee, g.place, i)] = true
						}
					}
				}
				if opened {
					some++
				}
				if opened && !told || exactly && !opened {
					t.Errorf("seed %d, %v: %+v opened %t, and told %t", seed, d, q, opened, told)
				}
			}
			for _, g := range grants {
				for i, rule := range g.rules {
					if !useful[fmt.Sprint(g.grantee, g.place, i)] {
						t.Errorf("seed %d, %v: %s is told of %s in %q, and nothing of it is new", seed, d, rule, g.name, g.namespace)
					}
				}
			}
		}
	}
	if some < 1000 {
		t.Errorf("only %d questions were answered otherwise", some)
	}
}
