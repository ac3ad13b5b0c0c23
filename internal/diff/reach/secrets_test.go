package reach

import (
	"strings"
	"testing"
)

func externalYAML(namespace, name, tenant, spec string) string {
	labels := ""
	if tenant != "" {
		labels = "\n  labels:\n    zave.io/tenant: " + tenant
	}
	return "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata:\n  name: " + name + "\n  namespace: " + namespace + labels +
		"\nspec:\n  secretStoreRef: {kind: ClusterSecretStore, name: vault}\n  " + strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ")
}

func TestSecrets(t *testing.T) {
	two := namespaceOf("alpha", "beta")
	app := func(spec string) string { return externalYAML("alpha", "app", "alpha", spec) }
	const a = "data: [{secretKey: a, remoteRef: {key: tenants/alpha/app, property: a}}]"
	tellAll(t, []told{
		{
			name: "more of a path", both: two, base: app(a), head: app("data: [{secretKey: a, remoteRef: {key: tenants/alpha/app, property: a}}, {secretKey: c, remoteRef: {key: tenants/alpha/app, property: c}}, {secretKey: b, remoteRef: {key: tenants/alpha/app, property: b}}]"),
			want: []string{"secret-opened ExternalSecret alpha/app may now read b and c of tenants/alpha/app in vault"},
		},
		{
			name: "all of a path", both: two, base: app(a), head: app("dataFrom: [{extract: {key: tenants/alpha/app}}]"),
			want: []string{"secret-opened ExternalSecret alpha/app may now read all of tenants/alpha/app in vault"},
		},
		{
			name: "one key of what was all", both: two, base: app("dataFrom: [{extract: {key: tenants/alpha/app}}]"), head: app(a),
			want: []string{"secret-closed ExternalSecret alpha/app may no longer read all of tenants/alpha/app in vault"},
		},
		{name: "under another name", both: two, base: app(a), head: externalYAML("alpha", "app2", "alpha", a)},
		{name: "into another key", both: two, base: app(a), head: app("data: [{secretKey: z, remoteRef: {key: tenants/alpha/app, property: a}}]")},
		{
			name: "another's", both: two, base: app(a), head: app("data: [{secretKey: a, remoteRef: {key: tenants/beta/app, property: a}}]"),
			want: []string{
				"secret-of-another ExternalSecret alpha/app may now read a of tenants/beta/app in vault",
				"secret-closed ExternalSecret alpha/app may no longer read a of tenants/alpha/app in vault",
			},
		},
		{
			name: "another's, whose name begins alike", both: two, head: app("dataFrom: [{extract: {key: tenants/alpha-2/app}}]"),
			want: []string{"secret-of-another ExternalSecret alpha/app may now read all of tenants/alpha-2/app in vault"},
		},
		{
			name: "by a search over all", both: two, base: app(a), head: app(a + "\ndataFrom: [{find: {path: tenants/, name: {regexp: ^db}}}]"),
			want: []string{"secret-of-another ExternalSecret alpha/app may now read all that matches ^db of tenants/ in vault"},
		},
		{
			name: "from another store", both: two, base: app(a), head: app("data: [{secretKey: a, remoteRef: {key: tenants/alpha/app, property: a}, sourceRef: {storeRef: {kind: SecretStore, name: mine}}}]"),
			want: []string{
				"secret-opened ExternalSecret alpha/app may now read a of tenants/alpha/app in mine",
				"secret-closed ExternalSecret alpha/app may no longer read a of tenants/alpha/app in vault",
			},
		},
		{
			name: "a new tenant's own says nothing, and what is not its own does", both: namespaceOf("beta"),
			head: docs(namespaceOf("alpha"), app(a), externalYAML("alpha", "pull", "alpha", "data: [{secretKey: a, remoteRef: {key: platform/ghcr, property: a}}]"),
				externalYAML("beta", "theirs", "alpha", "dataFrom: [{extract: {key: tenants/alpha/database}}]"),
				externalYAML("alpha", "other", "alpha", "dataFrom: [{extract: {key: tenants/beta/app}}]")),
			want: []string{
				"secret-of-another ExternalSecret alpha/other may now read all of tenants/beta/app in vault",
				"secret-opened ExternalSecret alpha/pull may now read a of platform/ghcr in vault",
			},
		},
		{
			name: "the platform's own reads a tenant's", both: "apiVersion: v1\nkind: Namespace\nmetadata: {name: postgres}", head: externalYAML("postgres", "x", "", "dataFrom: [{extract: {key: tenants/alpha/database}}]"),
			want: []string{"secret-opened ExternalSecret postgres/x may now read all of tenants/alpha/database in vault"},
		},
		{name: "a namespace takes its own along", base: docs(namespaceOf("alpha"), app(a))},
	})
}
