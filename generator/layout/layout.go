// Package layout turns units into a tree: one file an object, and a kustomization.yaml in each directory that lists
// what is there.
//
// Invariants: a unit's files stand in its own directory, where its owner looks; every kustomization.yaml builds alone;
// no directory holds objects of two clusters, which could not be built together.
package layout

import (
	"maps"
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
	for i := range files {
		files[i].Part = part(files[i].Path)
	}
	return tree.New(files)
}

// Complete gives the tree that holds these files beside those of another tree, which were left out of it: its lists
// name them as well. Only what a tenant has may have been left out.
func Complete(t *tree.Tree, kept []string) (*tree.Tree, error) {
	lists := map[string]map[string]bool{} // shared directories above what is kept → entries
	enter := func(p string, grow bool) {
		for name := p; ; {
			dir := path.Dir(name)
			if strings.Count(dir, "/") < depth {
				return
			}
			if entries, ok := lists[dir]; ok || grow && shared(dir) {
				if !ok {
					entries = map[string]bool{}
					lists[dir] = entries
				}
				if entries[path.Base(name)] {
					return // and so it is above
				}
				if path.Base(name) != Kustomization {
					entries[path.Base(name)] = true
				}
			}
			name = dir
		}
	}
	last := ""
	for _, p := range kept {
		if last != "" && strings.HasPrefix(p, last) {
			continue
		}
		last = ""
		if _, tenant := Owner(p); tenant != "" && strings.HasPrefix(p, "tenants/") { // its directory has lists of its own
			p = strings.Join(strings.SplitN(p, "/", 4)[:3], "/")
			last = p + "/"
		}
		enter(p, true)
	}
	files := slices.Clone(t.Files())
	for _, f := range files {
		enter(f.Path, false)
	}
	files = slices.DeleteFunc(files, func(f tree.File) bool {
		return path.Base(f.Path) == Kustomization && lists[path.Dir(f.Path)] != nil
	})
	for dir, entries := range lists {
		f := tree.File{Path: dir + "/" + Kustomization, Data: kustomization(slices.Sorted(maps.Keys(entries)))}
		parts := strings.Split(dir, "/")
		for _, name := range []string{unit.EntryCluster, unit.EntryPlatform, unit.EntryTenants} {
			if k := (unit.Key{Cluster: parts[1], Part: unit.Entry, Name: name}); k.Dir() == dir {
				f.Unit = k.String()
			}
		}
		files = append(files, f)
	}
	return tree.New(files)
}

// shared tells whether a directory is no single tenant's.
func shared(dir string) bool {
	_, tenant := Owner(dir + "/" + Kustomization)
	return tenant == ""
}

// part is that of the tree's index which lists a path: a tenant's own on each cluster, so that what changes one tenant
// changes no file that another one's change does.
func part(p string) string {
	if cluster, tenant := Owner(p); tenant != "" {
		return cluster + "/" + tenant
	}
	return ""
}

// Owner gives the cluster and the tenant that a path of the tree belongs to. Either is empty where the path is shared:
// what lists all tenants of a cluster is the cluster's alone. A tenant's own are its directory, the Flux Kustomizations
// that reconcile it, and its part of the index.
func Owner(p string) (cluster, tenant string) {
	parts := strings.Split(p, "/")
	if len(parts) > 2 {
		cluster = parts[1]
	}
	switch {
	case tree.IsIndex(p):
		if len(parts) == 3 {
			tenant = strings.TrimSuffix(parts[2], ".json")
		}
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
