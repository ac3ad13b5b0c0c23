package secrets

import (
	"net/url"
	"strings"
	"testing"
	"text/template"

	"github.com/zavestudios/zave/generator/model"
)

// render fills a template in as External Secrets does: with what was read, as texts, where a key that is not there is
// an error unless it is looked up with index; and with functions of Sprig, of which these are all that zave uses.
func render(t *testing.T, text string, data map[string]string) string {
	t.Helper()
	parsed, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"replace":    func(old, with, s string) string { return strings.ReplaceAll(s, old, with) },
		"trim":       strings.TrimSpace,
		"trimSuffix": func(suffix, s string) string { return strings.TrimSuffix(s, suffix) },
	}).Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var b strings.Builder
	if err := parsed.Execute(&b, data); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return b.String()
}

func placement() *model.Placement {
	platform := &model.Platform{SecretStore: model.SecretStore{Kind: "ClusterSecretStore", Name: "vault"}}
	p := &model.Placement{
		Tenant:  &model.Tenant{Platform: platform, Name: "shop"},
		Cluster: &model.Cluster{Platform: platform, Name: "main"},
	}
	p.Database = &model.Database{
		Service: &model.DatabaseService{Endpoint: &model.Endpoint{Host: "pg.postgres.svc.cluster.local", Port: 5432}},
		Name:    "db_shop",
		Roles: model.Roles{
			Owner: "shop_owner", Migrator: "shop_migrator", App: "shop_app", AppA: "shop_app_a", ReadOnly: "shop_readonly",
		},
		Path: "tenants/shop/database",
	}
	return p
}

// TestLogins reads the variables and the URL of each login back, with passwords that a URL has to escape.
func TestLogins(t *testing.T) {
	type store map[string]string
	const hostile = `a+b c/?#@:%&=é"'{{\`
	for _, test := range []struct {
		name, login string
		store       store
		ca          bool
		user        string
		password    string
	}{
		{"plain", model.LoginApp, store{"password": "secret"}, false, "shop_app", "secret"},
		{"hostile", model.LoginApp, store{"password": hostile}, false, "shop_app", hostile},
		{"rotated", model.LoginApp, store{"password": "new\n", "app-username": "shop_app_a\n"}, false, "shop_app_a", "new"},
		{"not rotated", model.LoginApp, store{"password": "new", "app-username": ""}, false, "shop_app", "new"},
		{"migrator", model.LoginMigrator, store{"password": "secret"}, false, "shop_migrator", "secret"},
		{"verified", model.LoginReadOnly, store{"password": "secret"}, true, "shop_readonly", "secret"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := placement()
			mode, options, root := "require", "", ""
			if test.ca {
				p.Database.Service.CA = &model.StoredValue{Path: "platform/ca", Key: "ca.crt"}
				mode, root = "verify-full", "/etc/zave/database/ca.crt"
			}
			if test.login == model.LoginMigrator {
				options = "-c role=shop_owner"
			}
			secret := databaseLogin(p, test.login)
			got := map[string]string{}
			for k, v := range secret.Spec.Target.Template.Data {
				got[k] = render(t, v, test.store)
			}
			u, err := url.Parse(got["DATABASE_URL"])
			if err != nil {
				t.Fatal(err)
			}
			inURL, _ := u.User.Password()
			for _, x := range []struct{ what, got, want string }{
				{"PGUSER", got["PGUSER"], test.user},
				{"the URL's user", u.User.Username(), test.user},
				{"PGPASSWORD", got["PGPASSWORD"], test.password},
				{"the URL's password", inURL, test.password},
				{"PGDATABASE", got["PGDATABASE"], "db_shop"},
				{"the URL's path", u.Path, "/db_shop"},
				{"the URL's host", u.Host, got["PGHOST"] + ":" + got["PGPORT"]},
				{"PGSSLMODE", got["PGSSLMODE"], mode},
				{"the URL's sslmode", u.Query().Get("sslmode"), mode},
				{"PGSSLROOTCERT", got["PGSSLROOTCERT"], root},
				{"the URL's sslrootcert", u.Query().Get("sslrootcert"), root},
				{"PGOPTIONS", got["PGOPTIONS"], options},
				{"the URL's options", u.Query().Get("options"), options},
			} {
				if x.got != x.want {
					t.Errorf("%s is %q, want %q", x.what, x.got, x.want)
				}
			}
			if strings.Contains(u.RawQuery, "+") {
				t.Errorf("%s: libpq reads a plus sign as one", u.RawQuery)
			}
			// A path that is read as a whole is for the one login whose name may be in it.
			if whole := len(secret.Spec.DataFrom) > 0; whole != (test.login == model.LoginApp) {
				t.Errorf("all of the path is read: %t", whole)
			}
		})
	}
}
