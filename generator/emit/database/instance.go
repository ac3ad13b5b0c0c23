package database

import (
	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/api/externalsecrets"
	"github.com/zavestudios/zave/internal/postgres/state"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The ConfigMaps that the database service's chart may mount. There are two, because PostgreSQL reads every file that
// ends in .conf of a directory that it includes as settings, pg_hba.conf among them.
const (
	AccessConfigMap   = "postgres-access"   // pg_hba.conf
	SettingsConfigMap = "postgres-settings" // postgresql.conf
)

// ArchiveConfigMap holds the public keys of backups.
const ArchiveConfigMap = "database-archive"

const (
	recipientsFile = "recipients"
	verifyFile     = "verify-keys"
)

// EmitInstance gives what all tenants of a cluster share: into the database service's own unit the files that its
// server may be configured with, and into a unit that is ready before any tenant's the Job that prepares the instance,
// and the Secrets that Jobs read; nothing where the cluster has no database service.
func EmitInstance(c *model.Cluster) []unit.Unit {
	db := c.Database
	if db == nil {
		return nil
	}
	service := db.Endpoint.Service
	meta := func(name string) metav1.ObjectMeta {
		out := label.ForService(service, service.Namespace, name)
		out.Annotations = label.Annotations(db.Subject)
		return out
	}
	before := add{cluster: c.Name, from: db.Subject}
	all := Desired(c)
	before.configMap(meta(AccessConfigMap), map[string]string{"pg_hba.conf": all.HBA()})
	before.configMap(meta(SettingsConfigMap), map[string]string{"postgresql.conf": all.Conf()})

	own := add{cluster: c.Name, from: db.Subject}
	own.instanceSecrets(c, meta)
	if db.Superuser != nil {
		// Without the strict profile the superuser has nothing to do in a tenant's database, and so is not called when one
		// comes or goes.
		desired := bare(c)
		if db.Strict {
			desired = all
		}
		file, content := content(db, desired, state.Options{Instance: true, Credentials: map[string]bool{db.Role: true}})
		own.run(meta, "database-instance", file, content, prepare(c))
	}
	return []unit.Unit{
		{
			Key:     unit.Key{Cluster: c.Name, Part: unit.Service, Name: service.Name},
			Objects: before.objects,
		},
		{
			Key:     instance(c),
			Origin:  db.Origin,
			Hash:    db.Hash,
			Needs:   []unit.Key{{Cluster: c.Name, Part: unit.Service, Name: service.Name}},
			Timeout: "15m",
			Objects: own.objects,
		},
	}
}

// instance is the unit that tenants' databases wait for.
func instance(c *model.Cluster) unit.Key {
	return unit.Key{Cluster: c.Name, Part: unit.Instance, Name: c.Database.Endpoint.Service.Name}
}

func (a *add) configMap(meta metav1.ObjectMeta, data map[string]string) {
	a.object(&corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: meta,
		Data:       data,
	})
}

// instanceSecrets adds what Jobs of all tenants read.
func (a *add) instanceSecrets(c *model.Cluster, meta func(name string) metav1.ObjectMeta) {
	db := c.Database
	a.login(c.Platform, meta(model.PlatformSecret), db, db.Password)
	if db.Superuser != nil {
		a.login(c.Platform, meta(model.SuperuserSecret), db, db.Superuser.Password)
	}
	if ca := db.CA; ca != nil {
		a.secret(c.Platform, meta(model.AuthoritySecret), externalsecrets.Ref(model.AuthorityFile, ca.Path, ca.Key))
	}
	if db.Backup != nil {
		a.archiveSecrets(c, meta)
	}
}

// login adds the Secret that a pod logs in with.
func (a *add) login(p *model.Platform, meta metav1.ObjectMeta, db *model.DatabaseService, v model.StoredValue) {
	data := []externalsecrets.Data{externalsecrets.Ref(passwordFile, v.Path, v.Key)}
	if db.Script && v == db.Password {
		data = append(data, externalsecrets.Ref(verifierFile, v.Path, verifierFile))
	}
	a.secret(p, meta, data...)
}
