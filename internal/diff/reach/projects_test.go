package reach

import (
	"regexp"
	"strings"
	"testing"
)

func projectYAML(spec string) string {
	return "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata:\n  name: alpha\n  namespace: argocd\n  labels:\n    zave.io/tenant: alpha\nspec:\n  " +
		strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ")
}

func TestProjects(t *testing.T) {
	const here = "destinations: [{server: https://kubernetes.default.svc, namespace: alpha}]\nclusterResourceWhitelist: []\n"
	from := func(list string) string { return projectYAML(here + "sourceRepos: [" + list + "]") }
	to := func(list string) string { return projectYAML("destinations: [" + list + "]") }
	kinds := func(text string) string { return projectYAML(here + text) }
	roles := func(policies ...string) string {
		return projectYAML(here + "roles:\n- name: owner\n  groups: [team:a]\n  policies:\n  - " + strings.Join(policies, "\n  - "))
	}
	const own = "{server: https://kubernetes.default.svc, namespace: alpha}"
	tellAll(t, []told{
		{
			name: "another repository", base: from("https://example.org/a"), head: from("https://example.org/a, https://example.org/b"),
			want: []string{"project-opened AppProject alpha may now deploy from https://example.org/b"},
		},
		{
			name: "another instead", base: from("https://example.org/a"), head: from("https://example.org/b"),
			want: []string{
				"project-opened AppProject alpha may now deploy from https://example.org/b",
				"project-closed AppProject alpha may no longer deploy from https://example.org/a",
			},
		},
		{name: "the same by another name", base: from("https://example.org/a.git"), head: from("https://Example.org/a")},
		{name: "one that a pattern covers", base: from("'https://example.org/*'"), head: from("'https://example.org/*', https://example.org/a")},
		{
			name: "a star does not cross a slash", base: from("'https://example.org/*'"), head: from("'https://example.org/*', https://example.org/a/b"),
			want: []string{"project-opened AppProject alpha may now deploy from https://example.org/a/b"},
		},
		{
			name: "two do", base: from("'https://example.org/**'"), head: from("'https://example.org/**', https://example.org/a/b"),
		},
		{
			name: "any repository", base: from("'https://example.org/**'"), head: from("'*'"),
			want: []string{"project-opened AppProject alpha may now deploy from every repository"},
		},
		{
			name: "one that is no longer refused", base: from("'*', '!https://example.org/*'"), head: from("'*'"),
			want: []string{"project-opened AppProject alpha may now deploy from https://example.org/*"},
		},
		{
			name: "a refusal allows the rest", base: from("https://example.org/a"), head: from("https://example.org/a, '!https://example.com/*'"),
			want: []string{"project-opened AppProject alpha may now deploy from all but https://example.com/*"},
		},
		{
			name: "a password in an address is not shown", base: from(""), head: from("https://ann:hunter2@example.org/a"),
			want: []string{"project-opened AppProject alpha may now deploy from https://example.org/a"},
		},
		{
			name: "alternatives", base: from("'https://example.org/{a,b}'"), head: from("'https://example.org/{a,b}', https://example.org/b, https://example.org/c"),
			want: []string{"project-opened AppProject alpha may now deploy from https://example.org/c"},
		},
		{
			name: "another namespace", base: to(own), head: to(own + ", {server: https://kubernetes.default.svc, namespace: beta}"),
			want: []string{"project-opened AppProject alpha may now deploy into the namespace beta"},
		},
		{
			name: "every namespace", base: to(own), head: to("{server: https://kubernetes.default.svc, namespace: '*'}"),
			want: []string{"project-opened AppProject alpha may now deploy into every namespace"},
		},
		{name: "one of those that a star covers", base: to("{server: '*', namespace: 'al*'}"), head: to("{server: '*', namespace: 'al*'}, " + own)},
		{
			name: "one that is no longer refused", base: to("{server: '*', namespace: '*'}, {server: '*', namespace: '!kube-*'}"), head: to("{server: '*', namespace: '*'}"),
			want: []string{"project-opened AppProject alpha may now deploy into the namespaces kube-* of every cluster"},
		},
		{
			name: "another cluster, by its name", base: to(own), head: to(own + ", {name: staging, namespace: alpha}"),
			want: []string{"project-opened AppProject alpha may now deploy into the namespace alpha of the cluster staging"},
		},
		{
			name: "closed", base: to(own + ", {server: https://kubernetes.default.svc, namespace: beta}"), head: to(own),
			want: []string{"project-closed AppProject alpha may no longer deploy into the namespace beta"},
		},
		{
			name: "a kind of no namespace", base: kinds("namespaceResourceWhitelist: []"), head: projectYAML("destinations: [" + own + "]\nclusterResourceWhitelist: [{group: rbac.authorization.k8s.io, kind: ClusterRole}]\nnamespaceResourceWhitelist: []"),
			want: []string{"project-opened AppProject alpha may now deploy objects of no namespace: ClusterRole.rbac.authorization.k8s.io"},
		},
		{
			name: "a kind", base: kinds("namespaceResourceWhitelist: [{group: apps, kind: Deployment}]"), head: kinds("namespaceResourceWhitelist: [{group: apps, kind: '*'}, {group: '', kind: Secret}]"),
			want: []string{"project-opened AppProject alpha may now deploy Secret and every kind of apps"},
		},
		{
			name: "what leaves the blacklist is still not on the whitelist",
			base: kinds("namespaceResourceWhitelist: [{group: apps, kind: '*'}]\nnamespaceResourceBlacklist: [{group: '', kind: Secret}, {group: apps, kind: DaemonSet}]"),
			head: kinds("namespaceResourceWhitelist: [{group: apps, kind: '*'}]"),
			want: []string{"project-opened AppProject alpha may now deploy DaemonSet.apps"},
		},
		{
			name: "no whitelist is all, and an empty one none", base: kinds("namespaceResourceWhitelist: []"), head: kinds("namespaceResourceBlacklist: [{group: '', kind: Secret}]"),
			want: []string{"project-opened AppProject alpha may now deploy every kind"},
		},
		{
			name: "what comes on the whitelist is still on the blacklist",
			base: kinds("namespaceResourceWhitelist: []\nnamespaceResourceBlacklist: [{group: '*', kind: Sec*}]"),
			head: kinds("namespaceResourceWhitelist: [{group: '', kind: Secret}]\nnamespaceResourceBlacklist: [{group: '*', kind: Sec*}]"),
		},
		{
			name: "a right in Argo CD", base: roles("p, proj:alpha:owner, applications, get, alpha/*, allow"),
			head: roles("p, proj:alpha:owner, applications, get, alpha/*, allow", "p, proj:alpha:owner, applications, sync, alpha/*, allow"),
			want: []string{"project-opened Group team:a may now sync applications alpha/* in Argo CD"},
		},
		{
			name: "what is denied is not opened", base: roles("p, proj:alpha:owner, applications, get, alpha/*, allow"),
			head: roles("p, proj:alpha:owner, applications, '*', alpha/*, allow", "p, proj:alpha:owner, applications, '*', alpha/*, deny"),
			want: []string{"project-closed Group team:a may no longer get applications alpha/* in Argo CD"},
		},
		{
			name: "from other namespaces", base: kinds("sourceNamespaces: [argocd]"), head: kinds("sourceNamespaces: ['*']"),
			want: []string{"project-opened AppProject alpha may now take Applications from the namespaces *"},
		},
		{
			name: "a new tenant's own says nothing", head: docs(namespaceOf("alpha"), projectYAML(here+"sourceRepos: ['*']")),
		},
		{
			name: "but what reaches beyond it", both: namespaceOf("beta"),
			head: docs(namespaceOf("alpha"), projectYAML("sourceRepos: ['https://example.org/a']\ndestinations: ["+own+", {server: https://kubernetes.default.svc, namespace: beta}]\nnamespaceResourceWhitelist: []")),
			want: []string{
				"project-opened AppProject alpha may now deploy from https://example.org/a",
				"project-opened AppProject alpha may now deploy into the namespace beta",
			},
		},
		{
			name: "one that goes", both: namespaceOf("alpha"), base: projectYAML(here),
			want: []string{"project-closed AppProject alpha no longer there, and nothing may be deployed by it"},
		},
		{name: "one that goes with its namespace", base: docs(namespaceOf("alpha"), projectYAML(here))},
	})
}

// TestGlob compares the search over all texts with texts that are tried.
func TestGlob(t *testing.T) {
	patterns := map[string]string{ // and the same as a regular expression
		"a/*": `a/[^/]*`, "a/**": `a/.*`, "*": `.*`, "a/?": `a/[^/]`, "[a-c]/x": `[a-c]/x`, "[!a]/x": `[^a]/x`, "{a,b}/{x,y}": `(a|b)/(x|y)`, "a*b*c": `a[^/]*b[^/]*c`, "a/x": `a/x`,
	}
	texts := []string{"", "a", "a/", "a/x", "a/y", "a/x/y", "b/x", "b/y", "c/x", "d/x", "abc", "axbxc", "a/b/c", "zz"}
	for p, x := range patterns {
		for q, y := range patterns {
			g := globs{separators: "/"}
			n, m := g.add(p), g.add(q)
			found := g.some([]int{n}, func(matches []bool) bool { return !matches[m] })
			tried := false
			for _, text := range texts {
				in := func(x string) bool { return regexp.MustCompile("^(" + x + ")$").MatchString(text) }
				tried = tried || in(x) && !in(y)
				exact := globs{separators: "/"}
				one, other := exact.add(p), exact.add(escaped(text))
				if got := exact.some([]int{one, other}, func([]bool) bool { return true }); got != in(x) {
					t.Errorf("%q matches %q: %t", p, text, got)
				}
			}
			if tried && !found || found && p == q {
				t.Errorf("%q matches what %q does not: %t, and by trial %t", p, q, found, tried)
			}
		}
	}
	g := globs{separators: "/"}
	n, m := g.add("a/x*"), g.add("a/*")
	if g.some([]int{n}, func(matches []bool) bool { return !matches[m] }) {
		t.Error("a/x* matches what a/* does not")
	}
}

// escaped is a pattern that matches this text alone.
func escaped(text string) string {
	var b strings.Builder
	for _, c := range text {
		b.WriteString("\\" + string(c))
	}
	return b.String()
}
