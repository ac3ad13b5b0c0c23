package reach

import (
	"reflect"
	"slices"
	"strings"
)

// project is what matters of an AppProject.
type project struct {
	Spec projectSpec `json:"spec"`
}

type projectSpec struct {
	SourceRepos                []string             `json:"sourceRepos"`
	SourceNamespaces           []string             `json:"sourceNamespaces"`
	Destinations               []projectDestination `json:"destinations"`
	ClusterResourceWhitelist   []projectKind        `json:"clusterResourceWhitelist"`
	ClusterResourceBlacklist   []projectKind        `json:"clusterResourceBlacklist"`
	NamespaceResourceWhitelist []projectKind        `json:"namespaceResourceWhitelist"`
	NamespaceResourceBlacklist []projectKind        `json:"namespaceResourceBlacklist"`
	Roles                      []projectRole        `json:"roles"`
}

type projectDestination struct {
	Server    string `json:"server"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type projectKind struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Name  string `json:"name"`
}

type projectRole struct {
	Name     string   `json:"name"`
	Policies []string `json:"policies"`
	Groups   []string `json:"groups"`
}

// inCluster is the cluster that Argo CD runs in (Argo CD, "Declarative Setup: Clusters").
const inCluster = "https://kubernetes.default.svc"

// projects tells what Argo CD's projects allow, as upper bounds of its own code (pkg/apis/application/v1alpha1,
// app_project_types.go): what is on a whitelist and not on a blacklist; an entry with "!" refuses what it names and
// allows the rest.
func projects(s *state, b *builder) error {
	for _, p := range s.byKind["AppProject.argoproj.io"] {
		if !p.changed {
			continue
		}
		var specs [2]projectSpec
		for at := range specs {
			v, err := decode[project](p, side(at))
			if err != nil {
				return err
			}
			if v != nil {
				specs[at] = v.Spec
			}
		}
		for _, d := range sides() {
			s.project(b, p, d, &specs[d[0]], &specs[d[1]])
		}
	}
	return nil
}

// project says what one allows on a side that it does not allow on the other. One that is new and deploys into namespaces
// that are new as well, and nothing beyond, is not said again.
func (s *state) project(b *builder, p *pair, d [2]side, from, to *projectSpec) {
	rule, may := projectOpened, "may now "
	if d[1] == before {
		rule, may = projectClosed, "may no longer "
	}
	tenant := s.tenantOfID(p.ID)
	if p.there(after) == nil {
		if d[1] == after || s.goesWithIt(p, from, to) {
			return
		}
		b.add(consequence{projectClosed, p.Kind, "no longer there, and nothing may be deployed by it",
			"Argo CD no longer syncs the Applications of a project that it does not have"}, p.Name, p.Cluster, tenant, p.ID)
		return
	}
	isNew := p.there(before) == nil
	if isNew && d[1] == before {
		return
	}
	add := func(text string, list []string, most int, opens, closes string) {
		if len(list) == 0 {
			return
		}
		why := opens
		if d[1] == before {
			why = closes
		}
		b.add(consequence{rule, p.Kind, may + text + enumerate(list, most), why}, p.Name, p.Cluster, tenant, p.ID)
	}
	into := destinationsAllowed(from.Destinations, to.Destinations, func(x projectDestination) bool {
		return isNew && x.Server == inCluster && s.comes(p.Cluster, x.Namespace)
	})
	whole := kindsAllowed(from.ClusterResourceWhitelist, from.ClusterResourceBlacklist,
		to.ClusterResourceWhitelist, to.ClusterResourceBlacklist)
	own := isNew && len(into)+len(whole) == 0
	add("deploy into ", into, 4, "its Applications make and replace objects there, whoever they belong to",
		"what its Applications have there is no longer synced")
	add("deploy objects of no namespace: ", whole, 6, "such objects hold for all tenants of the cluster",
		"such objects are no longer synced from it")
	if own {
		return
	}
	add("deploy from ", sourcesAllowed(from.SourceRepos, to.SourceRepos), 4, "whoever may write there decides what runs here",
		"an Application that takes from there is no longer synced")
	add("deploy ", kindsAllowed(listOrAll(from, p.there(d[0]) != nil), from.NamespaceResourceBlacklist,
		listOrAll(to, true), to.NamespaceResourceBlacklist), 6,
		"whoever writes what the project deploys can now write such objects as well", "such objects are no longer synced from it")
	add("take Applications from the namespaces ", namesAllowed(from.SourceNamespaces, to.SourceNamespaces), 4,
		"whoever may make Applications there uses what the project allows", "Applications that are there are no longer synced")
	for _, x := range policiesAllowed(p.Name, from.Roles, to.Roles) {
		why := "Argo CD acts for them with rights of its own, whatever theirs in the cluster are"
		if d[1] == before {
			why = "Argo CD refuses them"
		}
		b.add(consequence{rule, x.kind, may + enumerate(x.rights, 4) + " in Argo CD", why}, x.name, p.Cluster, tenant, p.ID)
	}
}

// goesWithIt tells whether all namespaces that a project deploys into go as well.
func (s *state) goesWithIt(p *pair, specs ...*projectSpec) bool {
	for _, spec := range specs {
		for _, d := range spec.Destinations {
			if !s.leaves(p.Cluster, d.Namespace) {
				return false
			}
		}
	}
	return true
}

// listOrAll is the whitelist of kinds in namespaces: one that is not given allows all, and one that is empty none.
func listOrAll(spec *projectSpec, there bool) []projectKind {
	if spec.NamespaceResourceWhitelist == nil && there {
		return []projectKind{{Group: "*", Kind: "*"}}
	}
	return spec.NamespaceResourceWhitelist
}

// refusal gives what a pattern with "!" refuses.
func refusal(pattern string) (string, bool) {
	return strings.CutPrefix(pattern, "!")
}

// sourcesAllowed gives the entries that allow repositories that were refused.
func sourcesAllowed(from, to []string) []string {
	if reflect.DeepEqual(from, to) {
		return nil
	}
	g := globs{separators: "/"}
	any := g.add("*")
	number := map[string]int{}
	for _, r := range slices.Concat(from, to) {
		r, _ = refusal(r)
		if _, ok := number[r]; !ok {
			number[r] = g.add(repository(r))
		}
	}
	allows := func(list []string, matches []bool) bool {
		ok := false
		for _, r := range list {
			pattern, refuses := refusal(r)
			if refuses && matches[number[pattern]] {
				return false
			}
			ok = ok || matches[number[pattern]] != refuses
		}
		return ok
	}
	wins := func(matches []bool) bool { return allows(to, matches) && !allows(from, matches) }
	var out []string
	for _, r := range to {
		pattern, refuses := refusal(r)
		switch {
		case slices.Contains(from, r):
		case !refuses && g.some([]int{number[r]}, wins):
			out = append(out, sourceText(r))
		case refuses && g.some([]int{any}, wins):
			out = append(out, "all but "+sourceText(pattern))
		}
	}
	for _, r := range from {
		if pattern, refuses := refusal(r); refuses && !slices.Contains(to, r) && g.some([]int{number[pattern]}, wins) {
			out = append(out, sourceText(pattern))
		}
	}
	return unique(out)
}

// repository is a URL as Argo CD compares it: in lower case, without ".git".
func repository(text string) string {
	if text == "*" {
		return text
	}
	return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), ".git")
}

func sourceText(r string) string {
	if r == "*" {
		return "every repository"
	}
	return address(r)
}

// namesAllowed gives the entries of a list of patterns that match names that none did.
func namesAllowed(from, to []string) []string {
	g := globs{}
	for _, r := range slices.Concat(from, to) {
		g.add(r)
	}
	var out []string
	for i, r := range to {
		if !slices.Contains(from, r) && g.some([]int{len(from) + i}, func(matches []bool) bool {
			return !slices.Contains(matches[:len(from)], true)
		}) {
			out = append(out, r)
		}
	}
	return unique(out)
}

// destinationsAllowed gives the entries that allow destinations that were refused, but for those that are left out.
func destinationsAllowed(from, to []projectDestination, leave func(projectDestination) bool) []string {
	if reflect.DeepEqual(from, to) {
		return nil
	}
	// A destination says its cluster by its address or by its name.
	const byServer, byName = "server", "name"
	g := globs{}
	any, isServer := g.add("*", "*", "*"), g.add(byServer, "*", "*")
	type numbers struct{ server, name, namespace int }
	number := map[projectDestination]numbers{}
	for _, d := range slices.Concat(from, to) {
		server, _ := refusal(d.Server)
		name, _ := refusal(d.Name)
		namespace, _ := refusal(d.Namespace)
		number[d] = numbers{g.add(byServer, server, "*"), g.add(byName, name, "*"), g.add("*", "*", namespace)}
	}
	allows := func(list []projectDestination, matches []bool) bool {
		ok := false
		for _, d := range list {
			n := number[d]
			cluster, pattern := matches[n.name], d.Name
			if matches[isServer] {
				cluster, pattern = matches[n.server], d.Server
			}
			_, notCluster := refusal(pattern)
			_, notNamespace := refusal(d.Namespace)
			namespace := matches[n.namespace]
			if notCluster && cluster || notNamespace && namespace {
				return false
			}
			ok = ok || pattern != "" && cluster != notCluster && namespace != notNamespace
		}
		return ok
	}
	wins := func(matches []bool) bool { return allows(to, matches) && !allows(from, matches) }
	found := func(d projectDestination) bool {
		for _, cluster := range []struct {
			pattern string
			n       int
		}{{d.Server, number[d].server}, {d.Name, number[d].name}} {
			must := []int{any}
			if _, not := refusal(cluster.pattern); !not {
				must = append(must, cluster.n)
			}
			if _, not := refusal(d.Namespace); !not {
				must = append(must, number[d].namespace)
			}
			if cluster.pattern != "" && g.some(must, wins) {
				return true
			}
		}
		return false
	}
	var out []string
	for _, d := range to {
		if !slices.Contains(from, d) && !leave(d) && found(d) {
			out = append(out, d.String())
		}
	}
	for _, d := range from {
		_, a := refusal(d.Server)
		_, b := refusal(d.Name)
		_, c := refusal(d.Namespace)
		if (a || b || c) && !slices.Contains(to, d) && g.some([]int{any}, func(matches []bool) bool {
			n := number[d]
			return wins(matches) && (a && matches[n.server] || b && matches[n.name] || c && matches[n.namespace])
		}) {
			refused := d
			refused.Server, _ = refusal(d.Server)
			refused.Name, _ = refusal(d.Name)
			refused.Namespace, _ = refusal(d.Namespace)
			out = append(out, refused.String())
		}
	}
	return unique(out)
}

// String names a destination: "the namespace panchito", "every namespace of the cluster https://…".
func (d projectDestination) String() string {
	text := "the namespace " + d.Namespace
	if not, ok := refusal(d.Namespace); ok {
		text = "every namespace but " + not
	} else if d.Namespace == "*" {
		text = "every namespace"
	} else if strings.ContainsAny(d.Namespace, "*?[{") {
		text = "the namespaces " + d.Namespace
	}
	cluster := d.Server
	if cluster == "" {
		cluster = d.Name
	}
	switch not, refuses := refusal(cluster); {
	case refuses:
		return text + " of every cluster but " + not
	case cluster == inCluster, cluster == "in-cluster":
		return text
	case cluster == "*":
		return text + " of every cluster"
	}
	return text + " of the cluster " + address(cluster)
}

// kindsAllowed gives the kinds that are allowed and were not: entries of the whitelist that are new, and of the blacklist
// that are gone, as far as the other list lets them.
func kindsAllowed(white, black, toWhite, toBlack []projectKind) []string {
	if reflect.DeepEqual(white, toWhite) && reflect.DeepEqual(black, toBlack) {
		return nil
	}
	g := globs{}
	number := map[projectKind]int{}
	for _, k := range slices.Concat(white, black, toWhite, toBlack) {
		if _, ok := number[k]; !ok {
			number[k] = g.add(k.Group, k.Kind, k.name())
		}
	}
	on := func(list []projectKind, matches []bool) bool {
		return slices.ContainsFunc(list, func(k projectKind) bool { return matches[number[k]] })
	}
	wins := func(matches []bool) bool {
		return on(toWhite, matches) && !on(toBlack, matches) && (!on(white, matches) || on(black, matches))
	}
	var out []string
	for _, k := range toWhite {
		if !slices.Contains(white, k) && g.some([]int{number[k]}, wins) {
			out = append(out, k.String())
		}
	}
	for _, k := range black {
		if !slices.Contains(toBlack, k) && g.some([]int{number[k]}, wins) {
			out = append(out, k.String())
		}
	}
	slices.Sort(out)
	return unique(out)
}

func (k projectKind) name() string {
	if k.Name == "" {
		return "*"
	}
	return k.Name
}

// String names a kind as Argo CD and kubectl do: Deployment.apps.
func (k projectKind) String() string {
	var out string
	switch {
	case k.Group == "*" && k.Kind == "*":
		out = "every kind"
	case k.Kind == "*" && k.Group == "":
		out = "every kind of the core group"
	case k.Kind == "*":
		out = "every kind of " + k.Group
	case k.Group == "":
		out = k.Kind
	default:
		out = k.Kind + "." + k.Group
	}
	if k.name() != "*" {
		out += " " + k.Name
	}
	return out
}

// principal is who is given rights in Argo CD, and which.
type principal struct {
	kind, name string
	rights     []string
}

// policiesAllowed gives what the groups of a project's roles may do that they could not, by the matching of Argo CD's
// policies ("RBAC Configuration"): what is denied is denied, whatever else allows it. A role without groups is used by
// whoever has a token of it.
func policiesAllowed(project string, from, to []projectRole) []principal {
	if reflect.DeepEqual(from, to) {
		return nil
	}
	type policy struct{ resource, action, object, effect string }
	read := func(roles []projectRole) map[principalKey][]policy {
		out := map[principalKey][]policy{}
		for _, r := range roles {
			keys := []principalKey{{"role", project + "/" + r.Name}}
			if len(r.Groups) > 0 {
				keys = nil
			}
			for _, group := range r.Groups {
				keys = append(keys, principalKey{"Group", group})
			}
			for _, line := range r.Policies {
				f := strings.Split(line, ",")
				for i := range f {
					f[i] = strings.TrimSpace(f[i])
				}
				if len(f) != 6 || f[0] != "p" {
					continue // a line that Argo CD refuses
				}
				for _, k := range keys {
					out[k] = append(out[k], policy{f[2], f[3], f[4], f[5]})
				}
			}
		}
		return out
	}
	was, is := read(from), read(to)
	var out []principal
	for _, k := range sortedKeys(is, principalKey.compare) {
		had, has := was[k], is[k]
		if slices.Equal(had, has) {
			continue
		}
		g := globs{}
		number := map[policy]int{}
		for _, p := range slices.Concat(had, has) {
			number[p] = g.add(p.resource, p.action, p.object)
		}
		allows := func(list []policy, matches []bool) bool {
			ok := false
			for _, p := range list {
				if matches[number[p]] && p.effect == "deny" {
					return false
				}
				ok = ok || matches[number[p]] && p.effect == "allow"
			}
			return ok
		}
		wins := func(matches []bool) bool { return allows(has, matches) && !allows(had, matches) }
		var rights []string
		for _, p := range has {
			if p.effect == "allow" && !slices.Contains(had, p) && g.some([]int{number[p]}, wins) {
				rights = append(rights, policyText(p.action, p.resource, p.object))
			}
		}
		for _, p := range had {
			if p.effect == "deny" && !slices.Contains(has, p) && g.some([]int{number[p]}, wins) {
				rights = append(rights, policyText(p.action, p.resource, p.object))
			}
		}
		if rights = unique(rights); len(rights) > 0 {
			out = append(out, principal{k.kind, k.name, rights})
		}
	}
	return out
}

// policyText is "sync applications panchito/*".
func policyText(action, resource, object string) string {
	if action == "*" {
		action = "do everything with"
	}
	if resource == "*" {
		resource = "all of"
	}
	return action + " " + resource + " " + object
}

type principalKey struct{ kind, name string }

func (k principalKey) compare(o principalKey) int {
	if k.kind != o.kind {
		return strings.Compare(k.kind, o.kind)
	}
	return strings.Compare(k.name, o.name)
}

// unique leaves out what stands twice, in order.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func sortedKeys[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, compare)
	return out
}
