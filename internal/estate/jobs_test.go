package estate_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	corev1 "k8s.io/api/core/v1"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/internal/api/externalsecrets"
	"github.com/zavestudios/zave/internal/cli"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/postgres"
	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/pgtest"
)

// cluster plays the part of Kubernetes for the Jobs of a tree: it makes Secrets of what the ExternalSecrets name in a
// store, mounts them into directories, and runs what a container would run.
type cluster struct {
	server  *pgtest.Server
	bucket  *pgtest.S3                   // nil for none
	store   map[string]map[string]string // path → key → value
	secrets map[string]map[string]string // namespace/name → key → value
	public  map[string]string            // files of ConfigMaps that hold the keys of this test instead
	objects []object.Object
	volumes string // a directory a claim
}

func newCluster(t *testing.T, r *generator.Result, server *pgtest.Server, store map[string]map[string]string) *cluster {
	t.Helper()
	return &cluster{
		server: server, store: store, secrets: map[string]map[string]string{}, objects: r.Objects.All(), volumes: t.TempDir(),
	}
}

func (c *cluster) external(t *testing.T) []externalsecrets.ExternalSecret {
	t.Helper()
	var out []externalsecrets.ExternalSecret
	for _, o := range c.objects {
		if o.Kind == "ExternalSecret" {
			var s externalsecrets.ExternalSecret
			if err := o.Decode(&s); err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
	}
	return out
}

// sync is what the External Secrets operator does: of all that was read, the templates make the Secret; where there are
// none, what was read by name is it. What the store does not hold yet is put there before.
func (c *cluster) sync(t *testing.T) {
	t.Helper()
	functions := template.FuncMap{
		"replace":    func(old, with, s string) string { return strings.ReplaceAll(s, old, with) },
		"trim":       strings.TrimSpace,
		"trimSuffix": func(suffix, s string) string { return strings.TrimSuffix(s, suffix) },
	}
	all := c.external(t)
	for _, s := range all {
		for _, d := range s.Spec.Data {
			at := c.store[d.RemoteRef.Key]
			if at == nil {
				at = map[string]string{}
				c.store[d.RemoteRef.Key] = at
			}
			if _, ok := at[d.RemoteRef.Property]; !ok {
				// What a URL and a template would trip over.
				at[d.RemoteRef.Property] = fmt.Sprintf(`%s of %s: a+b/c?#@%%\{{`, d.RemoteRef.Property, d.RemoteRef.Key)
			}
		}
	}
	for _, s := range all {
		read := map[string]string{}
		for _, d := range s.Spec.DataFrom {
			maps.Copy(read, c.store[d.Extract.Key])
		}
		for _, d := range s.Spec.Data {
			read[d.SecretKey] = c.store[d.RemoteRef.Key][d.RemoteRef.Property]
		}
		made := read
		if s.Spec.Target.Template != nil {
			made = map[string]string{}
			for key, text := range s.Spec.Target.Template.Data {
				parsed, err := template.New(key).Option("missingkey=error").Funcs(functions).Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				var b strings.Builder
				if err := parsed.Execute(&b, read); err != nil {
					t.Fatal(err)
				}
				made[key] = b.String()
			}
		}
		c.secrets[s.Namespace+"/"+s.Name] = made
	}
}

// mount writes a pod's volumes below a directory, with the modes that they are mounted with, and gives what replaces
// the paths in its arguments.
func (c *cluster) mount(t *testing.T, j job) (root string, paths []string) {
	t.Helper()
	root = t.TempDir()
	write := func(dir, name, content string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range j.template.Spec.Containers[0].VolumeMounts {
		dir := filepath.Join(root, m.MountPath)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, m.MountPath)
		i := slices.IndexFunc(j.template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		switch v := j.template.Spec.Volumes[i]; {
		case v.Secret != nil:
			secret := c.secrets[j.Namespace+"/"+v.Secret.SecretName]
			items := v.Secret.Items
			for _, key := range slices.Sorted(maps.Keys(secret)) {
				if len(v.Secret.Items) == 0 {
					items = append(items, corev1.KeyToPath{Key: key, Path: key})
				}
			}
			for _, i := range items {
				value, ok := secret[i.Key]
				if !ok {
					t.Fatalf("%s mounts %s of the Secret %s, which has none", j.ID, i.Key, v.Secret.SecretName)
				}
				write(dir, i.Path, value, os.FileMode(*v.Secret.DefaultMode))
			}
		case v.PersistentVolumeClaim != nil:
			volume := filepath.Join(c.volumes, v.PersistentVolumeClaim.ClaimName)
			if err := errors.Join(os.MkdirAll(volume, 0o755), os.Remove(dir), os.Symlink(volume, dir)); err != nil {
				t.Fatal(err)
			}
		case v.ConfigMap != nil:
			var m corev1.ConfigMap
			k := slices.IndexFunc(c.objects, func(o object.Object) bool {
				return o.Kind == "ConfigMap" && o.Namespace == j.Namespace && o.Name == v.ConfigMap.Name
			})
			if err := c.objects[k].Decode(&m); err != nil {
				t.Fatal(err)
			}
			maps.Copy(m.Data, overlay(m.Data, c.public))
			for name, content := range m.Data {
				write(dir, name, content, 0o644)
			}
		}
	}
	return root, paths
}

// overlay gives those values of the second map whose keys the first has.
func overlay(have, other map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range other {
		if _, ok := have[k]; ok {
			out[k] = v
		}
	}
	return out
}

// environment is a container's, with the server of the test in the place of the cluster's.
func (c *cluster) environment(namespace string, e []corev1.EnvVar, from []corev1.EnvFromSource) map[string]string {
	out := map[string]string{}
	for _, x := range from {
		maps.Copy(out, c.secrets[namespace+"/"+x.SecretRef.Name])
	}
	for _, x := range e {
		if out[x.Name] = x.Value; x.ValueFrom != nil {
			ref := x.ValueFrom.SecretKeyRef
			out[x.Name] = c.secrets[namespace+"/"+ref.Name][ref.Key]
		}
	}
	return c.here(out)
}

// here puts the test's servers in the place of the cluster's.
func (c *cluster) here(env map[string]string) map[string]string {
	env["PGHOST"], env["PGPORT"] = "localhost", strconv.Itoa(c.server.Port)
	if env["PGSSLROOTCERT"] == model.AuthorityDir+"/"+model.AuthorityFile {
		env["PGSSLROOTCERT"] = c.server.CA
	}
	if _, ok := env["AWS_ENDPOINT_URL_S3"]; ok {
		env["AWS_ENDPOINT_URL_S3"], env["AWS_REGION"] = c.bucket.Endpoint, "us-east-1"
	}
	return env
}

// run runs a pod, and gives what it printed.
func (c *cluster) run(t *testing.T, j job) string {
	t.Helper()
	root, paths := c.mount(t, j)
	there := func(s string) string {
		if c.bucket != nil && strings.HasPrefix(s, "s3://backups/") {
			return strings.Replace(s, "s3://backups/", "s3://"+c.bucket.Bucket+"/", 1)
		}
		for _, p := range paths {
			if s == p || strings.HasPrefix(s, p+"/") || strings.HasPrefix(p, s+"/") && s != "" {
				return root + s
			}
			// --file=/desired/bootstrap.sql and file:///backups
			for _, before := range []string{"--file=", "file://"} {
				if path, ok := strings.CutPrefix(s, before); ok && (path == p || strings.HasPrefix(path, p+"/")) {
					return before + root + path
				}
			}
		}
		return s
	}
	container := j.template.Spec.Containers[0]
	env := c.environment(j.Namespace, container.Env, container.EnvFrom)
	var args []string
	for _, a := range container.Args {
		args = append(args, there(a))
	}
	var out bytes.Buffer
	if len(container.Command) > 0 {
		cmd := exec.Command(pgtest.Client(t, container.Command[0], 15), args...)
		cmd.Env = append(os.Environ(), variables(env)...)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", j.ID, err, out.String())
		}
		return out.String()
	}
	if j.component == label.DatabaseRestore {
		args = append(args, "--allow-old-client") // the image's is checked where it is built; the archive is our own
	}
	for name, value := range env {
		t.Setenv(name, there(value))
	}
	if code := cli.Main(args, strings.NewReader(""), &out, &out); code != 0 {
		t.Fatalf("%s: zave %s: exit %d\n%s", j.ID, strings.Join(args, " "), code, out.String())
	}
	for name := range env {
		os.Unsetenv(name)
	}
	return out.String()
}

func variables(env map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

// psql is a command that prints what comes out and nothing else.
func psql(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	args = append([]string{"--no-psqlrc", "--tuples-only", "--no-align", "--quiet"}, args...)
	return exec.Command(pgtest.Client(t, "psql", 15), args...)
}

// psql runs a statement with the variables of a Secret, as a workload's driver would; it gives what came out.
func (c *cluster) psql(t *testing.T, secret, statement string) (string, error) {
	t.Helper()
	env := c.here(maps.Clone(c.secrets[secret]))
	cmd := psql(t, "--set=ON_ERROR_STOP=1", "--command="+statement)
	cmd.Env = append(os.Environ(), variables(env)...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// TestJobsRun runs the Jobs of the golden case "database" on real servers, with the tree's own pg_hba.conf and
// settings: the instance's as the superuser, then the tenants'; it logs in as their workloads do, backs up and
// restores. The case has the strict profile, and archives in a bucket; the other way is the standard one, and a
// volume, on the newest server.
func TestJobsRun(t *testing.T) {
	for _, major := range pgtest.Majors() {
		profiles := []string{"strict"}
		if major == slices.Max(pgtest.Majors()) {
			profiles = append(profiles, "standard")
		}
		for _, profile := range profiles {
			t.Run(strconv.Itoa(major)+"/"+profile, func(t *testing.T) {
				repo := filepath.Join(repository, "golden", "cases", "database", "repo")
				if profile == "standard" {
					repo = standard(t, repo)
				}
				r := compile(t, read(t, repo, load.Options{}))
				server := pgtest.Start(t, major, pgtest.TLS(), pgtest.HBA(hba(t, r)...), pgtest.Conf(settings(t, r)...))
				identity, recipient, sign, verify := archiveKeys(t)
				store := map[string]map[string]string{
					"platform/postgres":         {"password": server.Password},
					"platform/postgres/tls":     {"ca.crt": content(t, server.CA)},
					"platform/postgres/backup":  {"signing-key": sign},
					"platform/postgres/restore": {"identity": identity},
				}
				c := newCluster(t, r, server, store)
				if profile == "strict" {
					c.bucket = pgtest.StartS3(t)
					store["platform/minio/backups"] = map[string]string{
						"access-key-id": c.bucket.AccessKey, "secret-access-key": c.bucket.Secret,
					}
					store["platform/minio/tls"] = map[string]string{"ca.crt": content(t, c.bucket.CA)}
				}
				c.public = map[string]string{"recipients": recipient, "verify-keys": verify}
				c.sync(t)
				server.Exec(t, "postgres", "CREATE ROLE exporter LOGIN")
				c.runAll(t, r, label.DatabaseInstance)
				c.runAll(t, r, label.DatabaseBootstrap)
				c.logins(t, "shop", "shop_owner", store["tenants/shop/database"])
				for _, again := range []string{label.DatabaseInstance, label.DatabaseBootstrap} {
					if out := c.runAll(t, r, again); strings.Contains(out, "step") {
						t.Errorf("%s again has something to do:\n%s", again, out)
					}
				}

				t.Setenv("PATH", filepath.Dir(pgtest.Client(t, "pg_dump", 18))+string(filepath.ListSeparator)+os.Getenv("PATH"))
				c.runAll(t, r, label.DatabaseBackup)
				before := server.Rows(t, "postgres", "SELECT datname FROM pg_database ORDER BY 1")
				if out := c.runAll(t, r, label.DatabaseRestore); !strings.Contains(out, "can be restored") {
					t.Errorf("the restore says\n%s", out)
				}
				if after := server.Rows(t, "postgres", "SELECT datname FROM pg_database ORDER BY 1"); !slices.Equal(before, after) {
					t.Errorf("the restore left %v of %v", after, before)
				}
			})
		}
	}
}

// standard copies the repository, with the standard profile, archives on a volume, and no row-level security: the
// attacks would find the test's table without it.
func standard(t *testing.T, repo string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(repo)); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "platform", "platform.cue")
	text := content(t, name)
	before, rest, _ := strings.Cut(strings.Replace(text, `profile: "strict"`, `profile: "standard"`, 1), "\t\t\ts3: {\n")
	_, after, found := strings.Cut(rest, "\n\t\t\t}\n")
	if !found {
		t.Fatal("the case has no bucket")
	}
	shop := filepath.Join(dir, "tenants", "shop", "tenant.cue")
	open := strings.Replace(content(t, shop), "rowLevelSecurity: true", "rowLevelSecurity: false", 1)
	err := errors.Join(
		os.WriteFile(name, []byte(before+"\t\t\tclaim: \"archives\"\n"+after), 0o666),
		os.WriteFile(shop, []byte(open), 0o666),
	)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func content(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// archiveKeys makes a pair of each kind: an age identity, and the Ed25519 key that signs.
func archiveKeys(t *testing.T) (identity, recipient, sign, verify string) {
	t.Helper()
	identity, recipient, err := archive.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	signer, text, err := archive.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	return identity, recipient, string(text), string(signer.Public()) + "\n"
}

// TestScriptsRun does the same with the scripts for psql of the case "database-psql".
func TestScriptsRun(t *testing.T) {
	for _, major := range pgtest.Majors() {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			r := compile(t, read(t, filepath.Join(repository, "golden", "cases", "database-psql", "repo"), load.Options{}))
			server := pgtest.Start(t, major, pgtest.TLS(), pgtest.HBA(hba(t, r)...), pgtest.Conf(settings(t, r)...))
			passwords, verifiers := map[string]string{}, map[string]string{}
			verifier := func(password string) string {
				v, err := postgres.NewVerifier(password)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			for _, key := range []string{"app", "migrator", "readonly", "backup"} {
				passwords[key] = "password of " + key
				verifiers[key] = passwords[key]
				verifiers[key+"-verifier"] = verifier(passwords[key])
			}
			c := newCluster(t, r, server, map[string]map[string]string{
				"platform/postgres":           {"password": server.Password},
				"platform/postgres/bootstrap": {"password": "bootstrap", "verifier": verifier("bootstrap")},
				"tenants/shop/database":       verifiers,
			})
			c.sync(t)
			for range 2 { // it may be run again
				c.runAll(t, r, label.DatabaseInstance)
				c.runAll(t, r, label.DatabaseBootstrap)
			}
			c.logins(t, "shop", "shop_owner", passwords)
		})
	}
}

// runAll runs every pod of a component, and gives what they printed.
func (c *cluster) runAll(t *testing.T, r *generator.Result, component string) string {
	t.Helper()
	var out strings.Builder
	n := 0
	for _, j := range jobs(t, r) {
		if j.component == component {
			n++
			out.WriteString(c.run(t, j))
		}
	}
	if n == 0 {
		t.Fatalf("nothing is %s", component)
	}
	return out.String()
}

// logins does with each login what it is for, and what it is not for.
func (c *cluster) logins(t *testing.T, tenant, owner string, passwords map[string]string) {
	t.Helper()
	can := func(secret, statement, want string) {
		t.Helper()
		if got, err := c.psql(t, tenant+"/"+secret, statement); err != nil || got != want {
			t.Errorf("%s: %s: %q, %v; want %q", secret, statement, got, err, want)
		}
	}
	cannot := func(secret, statement, want string) {
		t.Helper()
		if got, err := c.psql(t, tenant+"/"+secret, statement); err == nil || !strings.Contains(got, want) {
			t.Errorf("%s: %s: %q, %v; want %q", secret, statement, got, err, want)
		}
	}
	if _, ok := c.secrets[tenant+"/database-migrator"]; !ok {
		can("database", "SELECT current_user", tenant+"_app")
		cannot("database", "CREATE TABLE t (i int)", "permission denied")
		return
	}
	can("database-migrator", "CREATE TABLE t (i int); SELECT tableowner FROM pg_tables WHERE tablename = 't'", owner)
	can("database", "INSERT INTO t VALUES (1); SELECT count(*) FROM t", "1")
	can("database-readonly", "SELECT i FROM t", "1")
	cannot("database", "CREATE TABLE u (i int)", "permission denied")
	cannot("database-readonly", "INSERT INTO t VALUES (2)", "permission denied")
	// The URL says the same as the variables.
	for _, login := range []string{"database", "database-migrator", "database-readonly"} {
		secret := c.here(maps.Clone(c.secrets[tenant+"/"+login]))
		dsn := strings.NewReplacer(
			"@postgres.postgres.svc.cluster.local:5432/", fmt.Sprintf("@localhost:%d/", c.server.Port),
			"%2Fetc%2Fzave%2Fdatabase%2Fca.crt", strings.ReplaceAll(c.server.CA, "/", "%2F"),
		).Replace(secret["DATABASE_URL"])
		out, err := psql(t, "--command=SELECT session_user, current_user", dsn).CombinedOutput()
		now := secret["PGUSER"]
		if login == "database-migrator" {
			now = owner
		}
		if want := secret["PGUSER"] + "|" + now; err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s by its URL: %q, %v; want %q", login, out, err, want)
		}
	}
}

// hba is the tree's pg_hba.conf, with the loopback in the place of the networks.
func hba(t *testing.T, r *generator.Result) []string {
	t.Helper()
	text := file(t, r, "postgres-access", "pg_hba.conf")
	for _, c := range r.Platform.Clusters {
		for _, n := range c.Database.Networks {
			text = strings.ReplaceAll(text, n.String(), "127.0.0.1/32")
		}
	}
	return strings.Split(strings.TrimSpace(text), "\n")
}

func settings(t *testing.T, r *generator.Result) []string {
	t.Helper()
	return strings.Split(strings.TrimSpace(file(t, r, "postgres-settings", "postgresql.conf")), "\n")
}

// file is a file of a ConfigMap.
func file(t *testing.T, r *generator.Result, name, file string) string {
	t.Helper()
	for _, o := range r.Objects.All() {
		if o.Kind == "ConfigMap" && o.Name == name {
			var m corev1.ConfigMap
			if err := o.Decode(&m); err != nil {
				t.Fatal(err)
			}
			return m.Data[file]
		}
	}
	t.Fatalf("there is no ConfigMap %s", name)
	return ""
}
