// Package layout turns units into a tree: one file an object, and a kustomization.yaml in each directory that lists
// what is there.
//
// Invariants: a unit's files stand in its own directory, where its owner looks; every kustomization.yaml builds alone;
// no directory holds objects of two clusters, which could not be built together.
package layout

import (
	"path"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/tree"
)

// Kustomization is the name of the file that lists a directory.
const Kustomization = "kustomization.yaml"

// depth is how many leading segments of a path are shared by clusters: clusters/, platform/, databases/ and tenants/
// hold a directory a cluster, and no kustomization.yaml.
const depth = 1

// Layout gives the tree of the units. The error is a bug: two units or two objects that would share a file.
func Layout(units []unit.Unit) (*tree.Tree, error) {
	var files []tree.File
	listed := map[string][]string{} // directory → entries of its kustomization.yaml
	owner := map[string]string{}    // directory → unit
	seen := map[string]bool{}       // directories that their parent lists
	for _, u := range units {
		dir := u.Dir()
		owner[dir] = u.String()
		for _, o := range u.Objects {
			files = append(files, tree.File{Path: dir + "/" + o.FileName(), Data: o.YAML, Unit: u.String()})
			listed[dir] = append(listed[dir], o.FileName())
		}
		for parent := path.Dir(dir); strings.Count(parent, "/") >= depth && !seen[dir]; dir, parent = parent, path.Dir(parent) {
			seen[dir] = true
			listed[parent] = append(listed[parent], path.Base(dir))
		}
	}
	for dir, entries := range listed {
		slices.Sort(entries)
		files = append(files, tree.File{Path: dir + "/" + Kustomization, Data: kustomization(entries), Unit: owner[dir]})
	}
	return tree.New(files)
}

// Owner gives the cluster and the tenant that a path of the tree belongs to. Either is empty where the path is shared:
// what lists all tenants of a cluster is the cluster's alone. A tenant's own are its directory and the Flux
// Kustomizations that reconcile it.
func Owner(p string) (cluster, tenant string) {
	parts := strings.Split(p, "/")
	if len(parts) > 2 {
		cluster = parts[1]
	}
	switch {
	case len(parts) > 3 && parts[0] == "tenants":
		tenant = parts[2]
	case len(parts) == 4 && parts[0] == "clusters" && parts[2] == unit.EntryTenants:
		name := strings.TrimSuffix(parts[3], ".yaml")
		for _, part := range []unit.Part{unit.Tenancy, unit.Database, unit.Delivery} {
			if t, ok := strings.CutPrefix(name, "kustomization-"+string(part)+"-"); ok {
				tenant = t
			}
		}
	}
	return cluster, tenant
}

// ListsTenants tells whether the path is that of a file that lists something of every tenant of a cluster.
func ListsTenants(p string) bool {
	parts := strings.Split(p, "/")
	return len(parts) == 3 && parts[0] == "tenants" && parts[2] == Kustomization ||
		len(parts) == 4 && parts[0] == "clusters" && parts[2] == unit.EntryTenants && parts[3] == Kustomization
}

// List gives the bytes of the kustomization.yaml of a directory with these entries, sorted.
func List(entries []string) []byte { return kustomization(entries) }

// listing is the fields of a kustomization.yaml that we write (Kustomize, "The Kustomization File").
type listing struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Resources  []string `json:"resources"`
}

func kustomization(entries []string) []byte {
	return object.Marshal(&listing{"kustomize.config.k8s.io/v1beta1", "Kustomization", entries})
}
