package database

import (
	"maps"
	"strconv"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Where things stand in a pod.
const (
	desiredDir     = "/desired"     // the ConfigMap
	credentialsDir = "/credentials" // a directory a tenant, as `zave db` reads them
	platformDir    = "/platform"    // the password that the pod itself logs in with
	authorityDir   = "/authority"
	archiveDir     = "/archive"  // what backups are written with
	identityDir    = "/identity" // what they are read with
	keysDir        = "/keys"     // the public halves
	storeDir       = "/backups"  // the claim
)

// user is that of the image.
const user = 65532

// pod is one run of zave, or of psql.
type pod struct {
	platform  *model.Platform
	db        *model.DatabaseService
	component string
	command   []string // empty: the image's entry point, which is zave
	args      []string
	env       []corev1.EnvVar
	envFrom   string // a Secret
	volumes   []volume
	scratch   string // how much may be written to /tmp; empty: nothing
	cpu       [2]string
	memory    [2]string // requested, and the limit
}

// volume is a directory of files.
type volume struct {
	name, path string
	secret     string
	items      map[string]string // of the Secret: key → path; none: all
	configMap  string
	claim      string
	writable   bool
}

// login has the pod log in as the platform's role, which is no superuser, or as the superuser.
func (p *pod) login(superuser bool) {
	db := p.db
	secret, name, database := model.PlatformSecret, db.Role, db.Database
	if superuser {
		secret, name, database = model.SuperuserSecret, db.Superuser.Name, "postgres"
	}
	p.env = append(p.env, corev1.EnvVar{Name: "PGDATABASE", Value: database}, corev1.EnvVar{Name: "PGUSER", Value: name})
	if db.Script {
		// libpq reads a password from a file of another form only, which its group may not read, as it may a mounted one
		// (PostgreSQL manual, 34.16, "The Password File").
		p.env = append(p.env, secretEnv("PGPASSWORD", secret, passwordFile))
		return
	}
	p.args = append(p.args, "--password-file", platformDir+"/"+passwordFile)
	p.volumes = append(p.volumes, volume{
		name: "platform", path: platformDir, secret: secret, items: map[string]string{passwordFile: passwordFile},
	})
}

// template is the pod, at the restricted Pod Security level (Kubernetes, "Pod Security Standards"). What it reads that
// bears a name of its own is in the given ConfigMap.
func (p pod) template(meta metav1.ObjectMeta, configMap string) corev1.PodTemplateSpec {
	labels := maps.Clone(meta.Labels)
	labels[label.Component] = p.component
	list := func(i int) corev1.ResourceList {
		return corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(p.cpu[i]), corev1.ResourceMemory: resource.MustParse(p.memory[i]),
		}
	}
	c := corev1.Container{
		Name:            "zave",
		Image:           p.db.Image.Ref(),
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         p.command,
		Args:            p.args,
		Env:             append(server(p.db), p.env...),
		Resources:       corev1.ResourceRequirements{Requests: list(0), Limits: list(1)},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	if p.db.Script {
		c.Name = "psql"
	}
	if p.envFrom != "" {
		c.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: p.envFrom},
		}}}
	}
	spec := corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever,
		AutomountServiceAccountToken: new(false),
		EnableServiceLinks:           new(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   new(true),
			RunAsUser:      new(int64(user)),
			RunAsGroup:     new(int64(user)),
			FSGroup:        new(int64(user)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		ImagePullSecrets: []corev1.LocalObjectReference{{Name: p.platform.PullSecret.Name}},
	}
	volumes := append([]volume{{name: "desired", path: desiredDir, configMap: configMap}}, p.volumes...)
	if p.db.CA != nil {
		volumes = append(volumes, volume{name: "authority", path: authorityDir, secret: model.AuthoritySecret})
	}
	for _, v := range volumes {
		spec.Volumes = append(spec.Volumes, v.volume())
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: v.name, MountPath: v.path, ReadOnly: !v.writable})
	}
	if p.scratch != "" {
		limit := resource.MustParse(p.scratch)
		spec.Volumes = append(spec.Volumes, corev1.Volume{
			Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &limit}},
		})
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "tmp", MountPath: "/tmp"})
	}
	spec.Containers = []corev1.Container{c}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels: labels,
			// A proxy would outlive the run, and the server is not in the mesh.
			Annotations: map[string]string{"sidecar.istio.io/inject": "false"},
		},
		Spec: spec,
	}
}

func (v volume) volume() corev1.Volume {
	// Its group reads it, which is the pod's user, and nobody else.
	const mode = 0o440
	out := corev1.Volume{Name: v.name}
	switch {
	case v.configMap != "":
		out.ConfigMap = &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: v.configMap}}
	case v.claim != "":
		out.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: v.claim, ReadOnly: !v.writable}
	default:
		out.Secret = &corev1.SecretVolumeSource{SecretName: v.secret, DefaultMode: new(int32(mode))}
		for _, key := range sortedKeys(v.items) {
			out.Secret.Items = append(out.Secret.Items, corev1.KeyToPath{Key: key, Path: v.items[key]})
		}
	}
	return out
}

// server is how the database server is reached (PostgreSQL manual, 34.15, "Environment Variables").
func server(db *model.DatabaseService) []corev1.EnvVar {
	out := []corev1.EnvVar{
		{Name: "PGHOST", Value: db.Endpoint.Host},
		{Name: "PGPORT", Value: strconv.Itoa(int(db.Endpoint.Port))},
		{Name: "PGCONNECT_TIMEOUT", Value: "10"},
	}
	if db.CA == nil {
		return append(out, corev1.EnvVar{Name: "PGSSLMODE", Value: "require"})
	}
	return append(out,
		corev1.EnvVar{Name: "PGSSLMODE", Value: "verify-full"},
		corev1.EnvVar{Name: "PGSSLROOTCERT", Value: authorityDir + "/" + model.AuthorityFile})
}

// secretEnv is a variable whose value is a key of a Secret.
func secretEnv(name, secret, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key,
	}}}
}
