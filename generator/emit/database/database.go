// Package database emits the bootstrap of a tenant's database: a Job in the database service's namespace, the SQL it
// runs, and the credentials it reads.
//
// Invariants: the Job and the ConfigMap are named by a hash of their content, because Jobs are immutable and a changed
// script must run; the SQL is idempotent and drops nothing; no password stands in it.
package database

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/api/externalsecrets"
	"github.com/zavestudios/zave/internal/object"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const script = "bootstrap.sql"

// Emit gives the Job, the ConfigMap and the ExternalSecret; nothing for a tenant without a database. A retired tenant
// keeps them: its database is never dropped, and stays as it was bootstrapped.
func Emit(p *model.Placement) []unit.Unit {
	db := p.Database
	if db == nil {
		return nil
	}
	ns := db.Service.Endpoint.Service.Namespace
	credentials := "bootstrap-" + p.Tenant.Name
	sql := SQL(p.Tenant, db)
	// The script, and the Job around it as it is but for the name.
	name := credentials + "-" + digest([]byte(sql), object.Marshal(&job(p, db, ns, "", credentials).Spec))

	store := p.Tenant.Platform.SecretStore
	svc := db.Service
	objects := []object.Object{
		object.New(p.Cluster.Name, externalsecrets.New(
			label.ForTenantIn(p, db.Subject, ns, credentials), store.Kind, store.Name, "1h", nil,
			externalsecrets.Ref("PGUSER", svc.Path, svc.Username),
			externalsecrets.Ref("PGPASSWORD", svc.Path, svc.Password),
			externalsecrets.Ref("APP_PASSWORD", db.Path, "app"),
			externalsecrets.Ref("BACKUP_PASSWORD", db.Path, "backup"),
			externalsecrets.Ref("MIGRATOR_PASSWORD", db.Path, "migrator"),
			externalsecrets.Ref("READONLY_PASSWORD", db.Path, "readonly"),
		), db.Origin),
		object.New(p.Cluster.Name, &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: label.ForTenantIn(p, db.Subject, ns, name),
			Immutable:  new(true),
			Data:       map[string]string{script: sql},
		}, db.Origin),
		object.New(p.Cluster.Name, job(p, db, ns, name, credentials), db.Origin),
	}
	return []unit.Unit{{
		Key:     unit.Key{Cluster: p.Cluster.Name, Part: unit.Database, Name: p.Tenant.Name},
		Origin:  db.Origin,
		Hash:    db.Hash,
		Needs:   []unit.Key{{Cluster: p.Cluster.Name, Part: unit.Service, Name: svc.Endpoint.Service.Name}, tenancy(p)},
		Timeout: "15m",
		Objects: objects,
	}}
}

func tenancy(p *model.Placement) unit.Key {
	return unit.Key{Cluster: p.Cluster.Name, Part: unit.Tenancy, Name: p.Tenant.Name}
}

// job runs the script once. It goes away an hour after it is done or has failed, and Flux then runs it again: that undoes
// drift, and tries once more when what was missing is there.
func job(p *model.Placement, db *model.Database, ns, name, credentials string) *batchv1.Job {
	const uid = 65532
	meta := label.ForTenantIn(p, db.Subject, ns, name)
	pod := map[string]string{}
	for k, v := range meta.Labels {
		pod[k] = v
	}
	pod[label.Component] = "database-bootstrap"
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: meta,
		Spec: batchv1.JobSpec{
			BackoffLimit:            new(int32(6)),
			ActiveDeadlineSeconds:   new(int64(600)),
			TTLSecondsAfterFinished: new(int32(60 * 60)),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{
					Labels: pod,
					// A proxy would outlive the script, and the server is not in the mesh.
					Annotations: map[string]string{"sidecar.istio.io/inject": "false"},
				},
				Spec: corev1.PodSpec{
					RestartPolicy:                corev1.RestartPolicyNever,
					AutomountServiceAccountToken: new(false),
					EnableServiceLinks:           new(false),
					SecurityContext: &corev1.PodSecurityContext{
						RunAsNonRoot:   new(true),
						RunAsUser:      new(int64(uid)),
						RunAsGroup:     new(int64(uid)),
						SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
					ImagePullSecrets: []corev1.LocalObjectReference{{Name: p.Tenant.Platform.PullSecret.Name}},
					Containers: []corev1.Container{{
						Name:            "psql",
						Image:           db.Service.Image.Ref(),
						ImagePullPolicy: corev1.PullIfNotPresent,
						Command:         []string{"psql"},
						Args:            []string{"--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file=/bootstrap/" + script},
						Env: []corev1.EnvVar{
							{Name: "PGHOST", Value: db.Service.Endpoint.Host},
							{Name: "PGPORT", Value: strconv.Itoa(int(db.Service.Endpoint.Port))},
							{Name: "PGDATABASE", Value: "postgres"},
							{Name: "PGSSLMODE", Value: "require"},
							{Name: "PGCONNECT_TIMEOUT", Value: "10"},
						},
						EnvFrom: []corev1.EnvFromSource{{
							SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: credentials}},
						}},
						Resources: corev1.ResourceRequirements{
							Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
							Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
						},
						SecurityContext: &corev1.SecurityContext{
							AllowPrivilegeEscalation: new(false),
							ReadOnlyRootFilesystem:   new(true),
							Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
						},
						VolumeMounts: []corev1.VolumeMount{{Name: "bootstrap", MountPath: "/bootstrap", ReadOnly: true}},
					}},
					Volumes: []corev1.Volume{{
						Name: "bootstrap",
						VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
							LocalObjectReference: corev1.LocalObjectReference{Name: name},
						}},
					}},
				},
			},
		},
	}
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
