package reach

import (
	"strings"
	"testing"
)

func fluxYAML(apiVersion, kind, spec string) string {
	return "apiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata: {name: it, namespace: flux-system}\nspec:\n  " + strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ")
}

func TestSources(t *testing.T) {
	app := func(spec string) string { return fluxYAML("argoproj.io/v1alpha1", "Application", spec) }
	kustomization := func(spec string) string { return fluxYAML("kustomize.toolkit.fluxcd.io/v1", "Kustomization", spec) }
	release := func(spec string) string { return fluxYAML("helm.toolkit.fluxcd.io/v2", "HelmRelease", spec) }
	git := func(spec string) string { return fluxYAML("source.toolkit.fluxcd.io/v1", "GitRepository", spec) }
	oci := func(spec string) string { return fluxYAML("source.toolkit.fluxcd.io/v1", "OCIRepository", spec) }
	const to = "destination: {server: https://kubernetes.default.svc, namespace: alpha}\nproject: alpha\n"
	tellAll(t, []told{
		{
			name: "another path and revision", base: app(to + "source: {repoURL: https://example.org/a, path: x}"), head: app(to + "source: {repoURL: https://example.org/a, path: z, targetRevision: v1}"),
			want: []string{"source-changed Application flux-system/it deployed from elsewhere: targetRevision HEAD → v1, path x → z"},
		},
		{
			name: "another namespace and project", base: app(to + "source: {repoURL: https://example.org/a, path: x}"),
			head: app("source: {repoURL: https://example.org/a, path: x}\ndestination: {server: https://kubernetes.default.svc, namespace: beta}\n"),
			want: []string{
				"source-changed Application flux-system/it deployed to elsewhere: namespace alpha → beta",
				"source-changed Application flux-system/it deployed with other rights: project alpha → default",
			},
		},
		{
			name: "another version of a chart is no other place", base: app(to + "source: {repoURL: https://example.org/a, chart: x, targetRevision: 1.0.0}"),
			head: app(to + "source: {repoURL: https://example.org/a, chart: x, targetRevision: 1.1.0}"),
		},
		{
			name: "a second source", base: app(to + "source: {repoURL: https://example.org/a, chart: x}"), head: app(to + "sources: [{repoURL: https://example.org/a, chart: x}, {repoURL: https://example.org/b, ref: values}]"),
			want: []string{"source-changed Application flux-system/it deployed from elsewhere: sources chart x of https://example.org/a → chart x of https://example.org/a and https://example.org/b as values"},
		},
		{
			name: "a repository and its branch", base: git("url: https://ann:hunter2@example.org/a\nref: {branch: main}"), head: git("url: https://example.org/b\nref: {tag: v1}"),
			want: []string{"source-changed GitRepository flux-system/it deployed from elsewhere: url https://example.org/a → https://example.org/b, ref.branch main → none, ref.tag none → v1"},
		},
		{name: "how often", base: git("url: https://example.org/a\ninterval: 1m"), head: git("url: https://example.org/a\ninterval: 5m")},
		{
			name: "no longer verified, nor pinned", base: oci("url: oci://example.org/a\nref: {tag: v1, digest: 'sha256:00'}\nverify: {provider: cosign}"), head: oci("url: oci://example.org/a\nref: {tag: v1}"),
			want: []string{"source-changed OCIRepository flux-system/it deployed without a check: no ref.digest, no verify"},
		},
		{name: "verified and pinned", base: oci("url: oci://example.org/a\nref: {tag: v1}"), head: oci("url: oci://example.org/a\nref: {tag: v2, digest: 'sha256:00'}\nverify: {provider: cosign}")},
		{
			name: "by the controller's own rights", base: kustomization("sourceRef: {kind: GitRepository, name: a}\npath: ./x\nserviceAccountName: alpha"), head: kustomization("sourceRef: {kind: GitRepository, name: a}\npath: x/"),
			want: []string{"source-changed Kustomization flux-system/it deployed with other rights: serviceAccountName alpha → none"},
		},
		{
			name: "another chart to another namespace", base: release("chart: {spec: {chart: x, version: 1.0.0, sourceRef: {kind: HelmRepository, name: a}}}\ntargetNamespace: alpha"),
			head: release("chart: {spec: {chart: x, version: 1.0.1, sourceRef: {kind: HelmRepository, name: b}}}\ntargetNamespace: beta"),
			want: []string{
				"source-changed HelmRelease flux-system/it deployed from elsewhere: chart x of HelmRepository a → x of HelmRepository b",
				"source-changed HelmRelease flux-system/it deployed to elsewhere: targetNamespace alpha → beta",
			},
		},
		{name: "a new one comes with what is told elsewhere", head: kustomization("sourceRef: {kind: GitRepository, name: a}\npath: x/")},
	})
}
