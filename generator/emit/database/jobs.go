package database

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/internal/api/externalsecrets"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Files of Secrets. Those of the bucket's keys are called as `zave db` reads them.
const (
	passwordFile  = "password"
	verifierFile  = "verifier"
	signFile      = "signing-key"
	identityFile  = "identity"
	accessKeyFile = "access-key-id"
	secretKeyFile = "secret-access-key"
	bucketCAFile  = "bucket-ca.crt"
)

// prepare is the pod that brings the instance to its desired state.
func prepare(c *model.Cluster) pod {
	db := c.Database
	out := pod{
		platform: c.Platform, db: db, component: label.DatabaseInstance,
		args: []string{
			"db", "apply", "--instance", "--from", desiredDir + "/" + desiredFile, "--credentials", credentialsDir,
		},
		cpu: [2]string{"50m", "500m"}, memory: [2]string{"64Mi", "256Mi"},
	}
	if db.Script {
		out.script()
		out.env = append(out.env, secretEnv("PLATFORM_VERIFIER", model.PlatformSecret, verifierFile))
	} else {
		out.volumes = append(out.volumes, volume{
			name: "credentials", path: credentialsDir, secret: model.PlatformSecret,
			items: map[string]string{passwordFile: db.Role},
		})
	}
	out.login(true)
	return out
}

// bootstrap is the pod that brings a tenant's database to its desired state, with the passwords of its roles.
func bootstrap(p *model.Placement, credentials string) pod {
	db := p.Database.Service
	out := pod{
		platform: p.Tenant.Platform, db: db, component: label.DatabaseBootstrap,
		args: []string{"db", "apply", "--from", desiredDir + "/" + desiredFile, "--credentials", credentialsDir},
		cpu:  [2]string{"50m", "250m"}, memory: [2]string{"64Mi", "128Mi"},
	}
	if db.Script {
		out.script()
		out.envFrom = credentials
	} else {
		out.volumes = append(out.volumes, passwords(p, credentials))
	}
	out.login(false)
	return out
}

// passwords is the directory of a tenant's passwords, or of those that are named.
func passwords(p *model.Placement, credentials string, names ...string) volume {
	out := volume{name: "credentials", path: credentialsDir + "/" + p.Tenant.Name, secret: credentials, items: map[string]string{}}
	for _, n := range names {
		out.items[n] = n
	}
	return out
}

// script has the pod run psql.
func (p *pod) script() {
	p.command = []string{"psql"}
	p.args = []string{"--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file=" + desiredDir + "/" + scriptFile}
}

// deadline is how long a backup or a restore may take, and lateness how much later than its time it may begin. Together
// they are what package link allows before one counts as missing.
const (
	deadline = 2 * 60 * 60 // seconds
	lateness = 60 * 60
)

// cronJobs adds the backup of a tenant's database and the test of it.
func (a *add) cronJobs(p *model.Placement, meta func(name string) metav1.ObjectMeta, configMap, credentials string) {
	b := p.Database.Backup
	if b == nil {
		return
	}
	a.object(cronJob(p, meta(p.BackupJob()), b.Schedule, backup(p, credentials).template(meta(""), configMap)))
	if b.TestSchedule != "" {
		a.object(cronJob(p, meta(p.RestoreJob()), b.TestSchedule, restore(p, credentials).template(meta(""), configMap)))
	}
}

func cronJob(
	p *model.Placement, meta metav1.ObjectMeta, schedule string, template corev1.PodTemplateSpec,
) *batchv1.CronJob {
	return &batchv1.CronJob{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"},
		ObjectMeta: meta,
		Spec: batchv1.CronJobSpec{
			Schedule:                schedule,
			TimeZone:                new("Etc/UTC"),
			StartingDeadlineSeconds: new(int64(lateness)),
			ConcurrencyPolicy:       batchv1.ForbidConcurrent,
			Suspend:                 new(p.State == model.Retired),
			JobTemplate: batchv1.JobTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: template.Labels},
				Spec: batchv1.JobSpec{
					ActiveDeadlineSeconds:   new(int64(deadline)),
					BackoffLimit:            new(int32(2)),
					TTLSecondsAfterFinished: new(int32(7 * 24 * 60 * 60)),
					Template:                template,
				},
			},
			SuccessfulJobsHistoryLimit: new(int32(1)),
			FailedJobsHistoryLimit:     new(int32(2)),
		},
	}
}

// backup is the pod that backs a tenant's database up. It knows one password, that of the role that only reads.
func backup(p *model.Placement, credentials string) pod {
	db, b := p.Database.Service, p.Database.Backup
	out := pod{
		platform: p.Tenant.Platform, db: db, component: label.DatabaseBackup,
		args: []string{
			"db", "backup", p.Tenant.Name, "--from", desiredDir + "/" + desiredFile, "--credentials", credentialsDir,
			"--to", store(db.Backup),
			"--recipients", keysDir + "/" + recipientsFile,
			"--sign-key", archiveDir + "/" + signFile,
			"--verify-key", keysDir + "/" + verifyFile,
			"--keep-daily", strconv.Itoa(b.Daily), "--keep-weekly", strconv.Itoa(b.Weekly),
		},
		volumes: []volume{
			passwords(p, credentials, "backup"),
			{name: "archive", path: archiveDir, secret: model.ArchiveSecret},
		},
		scratch: "1Gi",
		cpu:     [2]string{"100m", "1"}, memory: [2]string{"128Mi", "512Mi"},
	}
	out.env = append(out.env,
		corev1.EnvVar{Name: "PGDATABASE", Value: p.Database.Name},
		corev1.EnvVar{Name: "PGUSER", Value: p.Database.Roles.Backup})
	out.archive(true)
	return out
}

// restore is the pod that restores the newest backup into a scratch database. It makes that one as the platform's role,
// and fills it as the tenant's migrator.
func restore(p *model.Placement, credentials string) pod {
	db := p.Database.Service
	out := pod{
		platform: p.Tenant.Platform, db: db, component: label.DatabaseRestore,
		args: []string{
			"db", "restore", p.Tenant.Name, "--test", "--from", desiredDir + "/" + desiredFile, "--credentials", credentialsDir,
			"--store", store(db.Backup),
			"--identity", identityDir + "/" + identityFile,
			"--verify-key", keysDir + "/" + verifyFile,
			"--verify",
		},
		volumes: []volume{
			passwords(p, credentials),
			{name: "identity", path: identityDir, secret: model.IdentitySecret},
		},
		scratch: "50Gi", // the archive, encrypted as it is
		cpu:     [2]string{"100m", "1"}, memory: [2]string{"128Mi", "512Mi"},
	}
	out.login(false)
	out.archive(false)
	return out
}

// archive gives the pod the place of the backups.
func (p *pod) archive(writes bool) {
	a := p.db.Backup
	p.volumes = append(p.volumes, volume{name: "keys", path: keysDir, configMap: ArchiveConfigMap})
	b := a.Bucket
	if b == nil {
		p.volumes = append(p.volumes, volume{name: "store", path: storeDir, claim: a.Claim, writable: writes})
		return
	}
	for _, v := range []corev1.EnvVar{
		{Name: "AWS_ENDPOINT_URL_S3", Value: b.Address}, {Name: "AWS_REGION", Value: b.Region},
	} {
		if v.Value != "" {
			p.env = append(p.env, v)
		}
	}
	dir := archiveDir
	if !writes {
		dir = identityDir
	}
	p.args = append(p.args, "--store-credentials", dir)
	if b.CA != nil {
		p.env = append(p.env, corev1.EnvVar{Name: "AWS_CA_BUNDLE", Value: dir + "/" + bucketCAFile})
	}
}

// store is where the archives are, as the commands take it.
func store(a *model.Archive) string {
	if a.Bucket != nil {
		return a.Bucket.URL
	}
	return "file://" + storeDir
}

// archiveSecrets adds what backups are written and read with: two Secrets, so that who writes cannot read.
func (a *add) archiveSecrets(c *model.Cluster, meta func(name string) metav1.ObjectMeta) {
	b := c.Database.Backup
	var keys []externalsecrets.Data
	if s3 := b.Bucket; s3 != nil {
		at := s3.Credentials
		keys = []externalsecrets.Data{
			externalsecrets.Ref(accessKeyFile, at.Path, at.Username),
			externalsecrets.Ref(secretKeyFile, at.Path, at.Password),
		}
		if s3.CA != nil {
			keys = append(keys, externalsecrets.Ref(bucketCAFile, s3.CA.Path, s3.CA.Key))
		}
	}
	secret := func(name, file string, v model.StoredValue) {
		a.secret(c.Platform, meta(name), append(slices.Clone(keys), externalsecrets.Ref(file, v.Path, v.Key))...)
	}
	secret(model.ArchiveSecret, signFile, b.Sign)
	if b.Test != nil {
		secret(model.IdentitySecret, identityFile, b.Test.Identity)
	}
	a.configMap(meta(ArchiveConfigMap), map[string]string{
		recipientsFile: lines(b.Recipients), verifyFile: lines(b.Verify),
	})
}

func lines(list []string) string { return strings.Join(list, "\n") + "\n" }

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
