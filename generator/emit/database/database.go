// Package database emits what makes and keeps databases: for the instance of a cluster and for each tenant a Job in the
// database service's namespace that brings it to its desired state, for tenants also the CronJobs that back it up and
// see whether that can be restored, and the credentials that these read.
//
// Invariants: a Job and the ConfigMap that it reads are named by a hash of their content, because Jobs are immutable
// and a changed state must be brought about; a Job runs what `zave db apply` does, or the script of the same
// statements; no password stands in an object, in an argument, or in a pod that has no use for it; the superuser's is
// read by the instance's Job alone.
package database

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/api/externalsecrets"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/postgres/state"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The files of a ConfigMap that a Job reads.
const (
	desiredFile = "desired.json"
	scriptFile  = "bootstrap.sql"
)

// Emit gives what a tenant's database is made and kept by; nothing for a tenant without one. A retired tenant keeps
// it: its database is never dropped, and stays as it was bootstrapped. It is not backed up again, as nothing changes
// it, and the archives that there are stay.
func Emit(p *model.Placement) []unit.Unit {
	db := p.Database
	if db == nil {
		return nil
	}
	ns := db.Service.Endpoint.Service.Namespace
	credentials := "bootstrap-" + p.Tenant.Name
	add := add{cluster: p.Cluster.Name, from: db.Subject}
	meta := func(name string) metav1.ObjectMeta { return label.ForTenantIn(p, db.Subject, ns, name) }

	add.credentials(p, meta(credentials))
	file, content := content(db.Service, one(p), state.Options{})
	name := add.run(meta, credentials, file, content, bootstrap(p, credentials))
	add.cronJobs(p, meta, name, credentials)
	return []unit.Unit{{
		Key:    unit.Key{Cluster: p.Cluster.Name, Part: unit.Database, Name: p.Tenant.Name},
		Origin: db.Origin,
		Hash:   db.Hash,
		Needs: []unit.Key{
			instance(p.Cluster),
			{Cluster: p.Cluster.Name, Part: unit.Service, Name: db.Service.Endpoint.Service.Name},
			{Cluster: p.Cluster.Name, Part: unit.Tenancy, Name: p.Tenant.Name},
		},
		Timeout: "15m",
		Objects: add.objects,
	}}
}

// credentials adds the passwords of the tenant's roles, as `zave db` reads them: with the name of the role that the
// application's is of, since a rotation hands out another one. A script is given verifiers instead: psql has nothing to
// make them of passwords with, and a password in a statement would stand in the server's log.
func (a *add) credentials(p *model.Placement, meta metav1.ObjectMeta) {
	db := p.Database
	keys := []string{"app", "backup", "migrator", "readonly"}
	var data []externalsecrets.Data
	if db.Service.Script {
		for _, k := range keys {
			data = append(data, externalsecrets.Ref(strings.ToUpper(k)+"_VERIFIER", db.Path, k+"-verifier"))
		}
		a.secret(p.Tenant.Platform, meta, data...)
		return
	}
	template := &externalsecrets.Template{
		Type: "Opaque",
		Data: map[string]string{"app-username": "{{ " + db.AppUser() + " }}"},
	}
	for _, k := range keys {
		template.Data[k] = "{{ ." + k + " }}"
		data = append(data, externalsecrets.Ref(k, db.Path, k))
	}
	store := p.Tenant.Platform.SecretStore
	out := externalsecrets.New(meta, store.Kind, store.Name, "1h", template, data...)
	out.Spec.DataFrom = []externalsecrets.DataFrom{{Extract: externalsecrets.Extract{Key: db.Path}}}
	a.object(out)
}

// content is what a Job goes by.
func content(db *model.DatabaseService, desired *state.Desired, o state.Options) (file, text string) {
	if db.Script {
		return scriptFile, desired.Script(o)
	}
	return desiredFile, string(desired.Encode())
}

// add collects the objects that a part of a spec causes.
type add struct {
	cluster string
	from    model.Subject
	objects []object.Object
}

func (a *add) object(typed any) {
	a.objects = append(a.objects, object.New(a.cluster, typed, a.from.Origin))
}

func (a *add) secret(p *model.Platform, meta metav1.ObjectMeta, data ...externalsecrets.Data) {
	a.object(externalsecrets.New(meta, p.SecretStore.Kind, p.SecretStore.Name, "1h", nil, data...))
}

// run adds a Job and the ConfigMap that it reads, and gives their name: the prefix, and a digest of both.
func (a *add) run(meta func(name string) metav1.ObjectMeta, prefix, file, content string, pod pod) string {
	spec := func(name string) batchv1.JobSpec {
		return batchv1.JobSpec{
			BackoffLimit:          new(int32(6)),
			ActiveDeadlineSeconds: new(int64(600)),
			// It goes away an hour after it is done or has failed, and Flux then runs it again: that undoes drift, and tries
			// once more when what was missing is there.
			TTLSecondsAfterFinished: new(int32(60 * 60)),
			Template:                pod.template(meta(name), name),
		}
	}
	unnamed := spec("")
	name := prefix + "-" + digest([]byte(content), object.Marshal(&unnamed))
	a.object(&corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: meta(name),
		Immutable:  new(true),
		Data:       map[string]string{file: content},
	})
	a.object(&batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: meta(name),
		Spec:       spec(name),
	})
	return name
}

// digest is ten hexadecimal digits: a name of 63 characters has room for them behind the longest tenant's.
func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, s := range parts {
		h.Write(s)
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:5])
}
