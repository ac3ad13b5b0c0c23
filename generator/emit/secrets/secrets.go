// Package secrets emits the ExternalSecrets of a tenant's namespace.
//
// Invariants: an object here names paths and keys of the external store and holds no value of any; what is read lies
// under tenants/<tenant>/ of the store, beside the platform's image pull secret.
package secrets

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/api/externalsecrets"
	"github.com/zavestudios/zave/internal/object"
)

// Emit gives the image pull secret, each bundle, and the database logins that the tenant's workloads ask for. A retired
// tenant keeps none: nothing is left that reads them.
func Emit(p *model.Placement) []unit.Unit {
	u := unit.Unit{Key: unit.Key{Cluster: p.Cluster.Name, Part: unit.Tenancy, Name: p.Tenant.Name}}
	if p.State == model.Retired {
		return []unit.Unit{u}
	}
	store := p.Tenant.Platform.SecretStore
	add := func(s model.Subject, name, refresh string, template *externalsecrets.Template, data ...externalsecrets.Data) {
		u.Objects = append(u.Objects, object.New(p.Cluster.Name,
			externalsecrets.New(label.ForTenant(p, s, name), store.Kind, store.Name, refresh, template, data...), s.Origin))
	}
	pull := p.Tenant.Platform.PullSecret
	add(p.Subject, pull.Name, "1h", externalsecrets.DockerConfig(), externalsecrets.Ref(externalsecrets.DockerConfigKey, pull.Path, pull.Key))
	for _, b := range p.Secrets {
		data := make([]externalsecrets.Data, 0, len(b.Keys))
		for _, k := range b.Keys {
			data = append(data, externalsecrets.Ref(k, b.Path, k))
		}
		add(b.Subject, b.Name, b.Refresh, nil, data...)
	}
	if db := p.Database; db != nil {
		for _, login := range db.Logins {
			u.Objects = append(u.Objects, object.New(p.Cluster.Name, databaseLogin(p, login), db.Origin))
		}
		if ca := db.Service.CA; db.Verified(p) {
			add(db.Subject, model.AuthoritySecret, "1h", nil, externalsecrets.Ref(model.AuthorityFile, ca.Path, ca.Key))
		}
	}
	return []unit.Unit{u}
}

// password is what was read, without the line break that a file may have brought into the store; who sets the password
// leaves it out as well.
const password = `.password | trimSuffix "\n"`

// databaseLogin makes the variables that libpq and most frameworks read (PostgreSQL manual, 34.15, "Environment
// Variables"; 34.1.1.2, "Connection URIs"). Names and passwords are put in by External Secrets in the cluster. Which of
// its logins the application uses is in the store, as rotation alternates two; before the first rotation nothing is
// there, and it is the plain one. That takes reading the whole path, as External Secrets refuses a single property that
// is not there.
func databaseLogin(p *model.Placement, login string) *externalsecrets.ExternalSecret {
	db := p.Database
	store := p.Tenant.Platform.SecretStore
	user := db.Roles.Login(login)
	query := "sslmode=require"
	data := map[string]string{
		"PGHOST":     db.Service.Endpoint.Host,
		"PGPORT":     strconv.Itoa(int(db.Service.Endpoint.Port)),
		"PGDATABASE": db.Name,
		"PGSSLMODE":  "require",
		"PGPASSWORD": "{{ " + password + " }}",
	}
	if db.Verified(p) {
		file := model.AuthorityDir + "/" + model.AuthorityFile
		data["PGSSLMODE"], data["PGSSLROOTCERT"] = "verify-full", file
		query = "sslmode=verify-full&sslrootcert=" + url.QueryEscape(file)
	}
	switch login {
	case model.LoginApp:
		user = "{{ " + db.AppUser() + " }}"
	case model.LoginMigrator:
		// What a migration makes is the owner's from the start, and nobody else's to change.
		data["PGOPTIONS"] = "-c role=" + db.Roles.Owner
		query += "&options=" + strings.ReplaceAll(url.QueryEscape(data["PGOPTIONS"]), "+", "%20")
	}
	data["PGUSER"] = user
	// A query's "+" is a space in a form and a plus sign in a URI (RFC 3986, section 2.2), which is what libpq reads.
	const escaped = "{{ " + password + ` | urlquery | replace "+" "%20" }}`
	server := data["PGHOST"] + ":" + data["PGPORT"]
	data["DATABASE_URL"] = "postgresql://" + user + ":" + escaped + "@" + server + "/" + db.Name + "?" + query

	out := externalsecrets.New(label.ForTenant(p, db.Subject, model.DatabaseSecret(login)), store.Kind, store.Name, "1h",
		&externalsecrets.Template{Type: "Opaque", Data: data}, externalsecrets.Ref("password", db.Path, login))
	if login == model.LoginApp {
		out.Spec.DataFrom = []externalsecrets.DataFrom{{Extract: externalsecrets.Extract{Key: db.Path}}}
	}
	return out
}
