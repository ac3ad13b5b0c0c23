// Package secrets emits the ExternalSecrets of a tenant's namespace.
//
// Invariants: an object here names paths and keys of the external store and holds no value of any; what is read lies
// under tenants/<tenant>/ of the store, beside the platform's image pull secret.
package secrets

import (
	"strconv"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/api/externalsecrets"
	"github.com/zavestudios/zave/internal/object"
)

// DatabaseSecret is the name of the Secret with a tenant's database credentials.
const DatabaseSecret = "database"

// Emit gives the image pull secret, each bundle, and the database credentials. A retired tenant keeps none: nothing is
// left that reads them.
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
		add(db.Subject, DatabaseSecret, "1h", databaseTemplate(db), externalsecrets.Ref("password", db.Path, "app"))
	}
	return []unit.Unit{u}
}

// databaseTemplate makes the variables that libpq and most frameworks read. The password is put in by External Secrets
// in the cluster.
func databaseTemplate(db *model.Database) *externalsecrets.Template {
	port := strconv.Itoa(int(db.Service.Endpoint.Port))
	host := db.Service.Endpoint.Host
	// A query's "+" is a space in a form and a plus sign in a URI (RFC 3986, section 2.2), which is what libpq reads.
	const escaped = `{{ .password | urlquery | replace "+" "%20" }}`
	return &externalsecrets.Template{
		Type: "Opaque",
		Data: map[string]string{
			"PGHOST":       host,
			"PGPORT":       port,
			"PGDATABASE":   db.Name,
			"PGUSER":       db.Roles.App,
			"PGSSLMODE":    "require",
			"PGPASSWORD":   "{{ .password }}",
			"DATABASE_URL": "postgresql://" + db.Roles.App + ":" + escaped + "@" + host + ":" + port + "/" + db.Name + "?sslmode=require",
		},
	}
}
