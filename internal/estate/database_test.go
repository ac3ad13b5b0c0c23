package estate_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/generator/emit/database"
	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// databaseCases are the golden cases with a database that say everything there is to say, in both ways to bootstrap.
func databaseCases() []string { return []string{"database", "database-psql", "overrides", "suspended"} }

// withDatabases is estates with the golden cases that are about databases.
func withDatabases(t *testing.T, test func(*testing.T, *generator.Result)) {
	estates(t, func(t *testing.T, _ *load.Loaded, r *generator.Result) { test(t, r) })
	for _, name := range databaseCases() {
		t.Run(name, func(t *testing.T) {
			test(t, compile(t, read(t, filepath.Join(repository, "golden", "cases", name, "repo"), load.Options{})))
		})
	}
}

// job is a pod that works on databases.
type job struct {
	object.Object
	component string
	template  *corev1.PodTemplateSpec
}

func jobs(t *testing.T, r *generator.Result) []job {
	t.Helper()
	var out []job
	for _, o := range r.Objects.All() {
		template := podTemplate(t, o)
		if template == nil {
			continue
		}
		if c := template.Labels[label.Component]; strings.HasPrefix(c, "database-") {
			out = append(out, job{o, c, template})
		}
	}
	return out
}

// uses gives what a pod reads: Secrets with the keys of them ("*" for all), and ConfigMaps.
func (j job) uses() (secrets map[string][]string, configMaps []string) {
	secrets = map[string][]string{}
	spec := j.template.Spec
	for _, s := range spec.ImagePullSecrets {
		secrets[s.Name] = append(secrets[s.Name], "*")
	}
	for _, v := range spec.Volumes {
		switch {
		case v.Secret != nil && len(v.Secret.Items) == 0:
			secrets[v.Secret.SecretName] = append(secrets[v.Secret.SecretName], "*")
		case v.Secret != nil:
			for _, i := range v.Secret.Items {
				secrets[v.Secret.SecretName] = append(secrets[v.Secret.SecretName], i.Key)
			}
		case v.ConfigMap != nil:
			configMaps = append(configMaps, v.ConfigMap.Name)
		}
	}
	for _, c := range spec.Containers {
		for _, e := range c.EnvFrom {
			secrets[e.SecretRef.Name] = append(secrets[e.SecretRef.Name], "*")
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil {
				ref := e.ValueFrom.SecretKeyRef
				secrets[ref.Name] = append(secrets[ref.Name], ref.Key)
			}
		}
	}
	return secrets, configMaps
}

// A pod is given what it needs and no more, and what it is given is there.
func TestDatabaseJobsKnowOnlyWhatTheyNeed(t *testing.T) {
	withDatabases(t, func(t *testing.T, r *generator.Result) {
		may := map[string][]string{ // beside what all of them read
			label.DatabaseInstance:  {model.SuperuserSecret, model.PlatformSecret},
			label.DatabaseBootstrap: {model.PlatformSecret, "bootstrap-"},
			label.DatabaseBackup:    {model.ArchiveSecret, "bootstrap-"},
			label.DatabaseRestore:   {model.IdentitySecret, model.PlatformSecret, "bootstrap-"},
		}
		all := jobs(t, r)
		if len(all) == 0 {
			t.Fatal("there is no Job of a database")
		}
		there := map[string]bool{} // cluster, kind, namespace and name
		for _, o := range r.Objects.All() {
			there[fmt.Sprintf("%s %s %s/%s", o.Cluster, strings.TrimPrefix(o.Kind, "External"), o.Namespace, o.Name)] = true
		}
		pull := r.Platform.PullSecret.Name
		for _, j := range all {
			tenant := j.template.Labels[label.Tenant]
			allowed, known := may[j.component]
			if !known {
				t.Errorf("%s has an unknown component %s", j.ID, j.component)
			}
			secrets, configMaps := j.uses()
			for name, keys := range secrets {
				own := name
				if rest, ok := strings.CutPrefix(name, "bootstrap-"); ok {
					if own = "bootstrap-"; rest != tenant {
						t.Errorf("%s of tenant %q reads the Secret %s", j.ID, tenant, name)
					}
				}
				if name != pull && name != model.AuthoritySecret && !slices.Contains(allowed, own) {
					t.Errorf("%s reads the Secret %s", j.ID, name)
				}
				if j.component == label.DatabaseBackup && own == "bootstrap-" && !slices.Equal(keys, []string{"backup"}) {
					t.Errorf("%s reads %v of the Secret %s, and needs backup", j.ID, keys, name)
				}
				if !there[fmt.Sprintf("%s Secret %s/%s", j.Cluster, j.Namespace, name)] {
					t.Errorf("%s reads the Secret %s, which nothing makes", j.ID, name)
				}
			}
			for _, name := range configMaps {
				if !there[fmt.Sprintf("%s ConfigMap %s/%s", j.Cluster, j.Namespace, name)] {
					t.Errorf("%s reads the ConfigMap %s, which is not there", j.ID, name)
				}
			}
			for _, c := range j.template.Spec.Containers {
				for _, e := range c.Env {
					if strings.Contains(e.Name, "PASSWORD") && e.Value != "" {
						t.Errorf("%s has %s in plain sight", j.ID, e.Name)
					}
				}
			}
			if j.template.Spec.AutomountServiceAccountToken == nil || *j.template.Spec.AutomountServiceAccountToken {
				t.Errorf("%s is given a token of the API server", j.ID)
			}
		}
	})
}

// Every pod that works on databases is in a policy that closes it, and reaches the server; those that move archives to
// a bucket reach that, too.
func TestDatabaseJobsAreConfined(t *testing.T) {
	withDatabases(t, func(t *testing.T, r *generator.Result) {
		var policies []networkingv1.NetworkPolicy
		var clusters []string
		for _, o := range r.Objects.All() {
			if o.Kind != "NetworkPolicy" {
				continue
			}
			var p networkingv1.NetworkPolicy
			if err := o.Decode(&p); err != nil {
				t.Fatal(err)
			}
			policies, clusters = append(policies, p), append(clusters, o.Cluster)
		}
		for _, j := range jobs(t, r) {
			closed := map[networkingv1.PolicyType]bool{}
			var ingress int
			var reaches []string
			for i, p := range policies {
				selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
				if err != nil {
					t.Fatal(err)
				}
				if clusters[i] != j.Cluster || p.Namespace != j.Namespace || !selector.Matches(labels.Set(j.template.Labels)) {
					continue
				}
				for _, kind := range p.Spec.PolicyTypes {
					closed[kind] = true
				}
				ingress += len(p.Spec.Ingress)
				for _, rule := range p.Spec.Egress {
					if len(rule.To) == 0 || len(rule.Ports) == 0 {
						t.Errorf("%s opens everything for %s", p.Name, j.ID)
					}
					for _, port := range rule.Ports {
						reaches = append(reaches, port.Port.String())
					}
				}
			}
			if !closed["Ingress"] || !closed["Egress"] || ingress > 0 {
				t.Errorf("%s is not closed: %v, %d ways in", j.ID, closed, ingress)
			}
			i := slices.IndexFunc(r.Platform.Clusters, func(c *model.Cluster) bool { return c.Name == j.Cluster })
			db := r.Platform.Clusters[i].Database
			want := []string{"53", "53", fmt.Sprint(db.Endpoint.Port)}
			moves := j.component == label.DatabaseBackup || j.component == label.DatabaseRestore
			if moves && db.Backup.Bucket != nil {
				port := int32(443)
				if e := db.Backup.Bucket.Endpoint; e != nil {
					port = e.Port
				}
				want = append(want, fmt.Sprint(port))
			}
			slices.Sort(reaches)
			slices.Sort(want)
			if !slices.Equal(reaches, want) {
				t.Errorf("%s reaches the ports %v, want %v", j.ID, reaches, want)
			}
		}
	})
}

// What the Jobs go by is what the commands go by: the one tenant's part of it, and the instance's.
func TestJobsGoByTheDesiredState(t *testing.T) {
	withDatabases(t, func(t *testing.T, r *generator.Result) {
		found := map[string]int{}
		for _, c := range r.Platform.Clusters {
			want := database.Desired(c)
			if want == nil {
				continue
			}
			if err := want.Check(); err != nil {
				t.Error(err)
			}
			for _, o := range r.Objects.All() {
				var m corev1.ConfigMap
				if o.Kind != "ConfigMap" || o.Cluster != c.Name || o.Namespace != c.Database.Endpoint.Service.Namespace {
					continue
				}
				if err := o.Decode(&m); err != nil {
					t.Fatal(err)
				}
				tenant := m.Labels[label.Tenant]
				if text, ok := m.Data["desired.json"]; ok {
					got, err := state.Decode([]byte(text))
					if err != nil {
						t.Fatalf("%s: %v", o.ID, err)
					}
					part := state.Desired{Cluster: want.Cluster, Instance: want.Instance}
					for _, x := range want.Tenants {
						if x.Name == tenant || tenant == "" && want.Instance.Strict {
							part.Tenants = append(part.Tenants, x)
						}
					}
					if !bytes.Equal(got.Encode(), part.Encode()) {
						t.Errorf("%s holds\n%s\nwant\n%s", o.ID, got.Encode(), part.Encode())
					}
					found[c.Name+" "+tenant]++
				}
				if text, ok := m.Data["bootstrap.sql"]; ok {
					o := state.Options{Instance: tenant == ""}
					part := *want
					part.Tenants = slices.DeleteFunc(slices.Clone(want.Tenants), func(x state.Tenant) bool { return x.Name != tenant })
					if text != part.Script(o) {
						t.Errorf("the script of %q is another one", tenant)
					}
					found[c.Name+" "+tenant]++
				}
				for file, text := range map[string]string{"pg_hba.conf": want.HBA(), "postgresql.conf": want.Conf()} {
					if got, ok := m.Data[file]; ok {
						if got != text {
							t.Errorf("%s: %s is another one", o.ID, file)
						}
						found[c.Name+" "+file]++
					}
				}
			}
			expect := []string{c.Name + " pg_hba.conf", c.Name + " postgresql.conf"}
			if c.Database.Superuser != nil {
				expect = append(expect, c.Name+" ")
			}
			for _, p := range c.Placements {
				if p.Database != nil {
					expect = append(expect, c.Name+" "+p.Tenant.Name)
				}
			}
			for _, e := range expect {
				if found[e] != 1 {
					t.Errorf("%q is there %d times", e, found[e])
				}
			}
		}
	})
}
