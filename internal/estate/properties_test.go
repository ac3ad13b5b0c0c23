package estate_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/tree"
)

const repository = "../.." // this repository, which is the real estate

// estates calls a test with a synthetic estate and with the real one.
func estates(t *testing.T, test func(*testing.T, *load.Loaded, *generator.Result)) {
	t.Run("synthetic", func(t *testing.T) {
		l := read(t, "", load.Options{FS: mapFS(enough)})
		test(t, l, compile(t, l))
	})
	t.Run("real", func(t *testing.T) {
		l := read(t, repository, load.Options{})
		test(t, l, compile(t, l))
	})
}

func TestOrderAndProcessorsDoNotShow(t *testing.T) {
	estates(t, func(t *testing.T, l *load.Loaded, want *generator.Result) {
		procs := runtime.GOMAXPROCS(0)
		defer runtime.GOMAXPROCS(procs)
		random := rand.New(rand.NewPCG(1, 2))
		for n := range 4 {
			runtime.GOMAXPROCS(1 + 3*(n%2))
			set := spec.Set{Platform: l.Set.Platform, Tenants: slices.Clone(l.Set.Tenants)}
			random.Shuffle(len(set.Tenants), func(i, j int) { set.Tenants[i], set.Tenants[j] = set.Tenants[j], set.Tenants[i] })
			got, list, err := generator.Compile(&set, generator.Options{})
			if err != nil || list.Len() > 0 {
				t.Fatal(err, list.Sorted())
			}
			if a, b := want.Tree.Index("test").Encode(), got.Tree.Index("test").Encode(); !bytes.Equal(a, b) {
				t.Fatalf("another order gives another tree:\n%s", firstDifference(a, b))
			}
		}
	})
}

func firstDifference(a, b []byte) string {
	x, y := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(x), len(y)) {
		if !bytes.Equal(x[i], y[i]) {
			return fmt.Sprintf("- %s\n+ %s", x[i], y[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(x), len(y))
}

func TestObjectsHaveOneOwner(t *testing.T) {
	estates(t, func(t *testing.T, _ *load.Loaded, r *generator.Result) {
		owner := map[object.ID]string{}
		for _, u := range r.Units {
			for _, o := range u.Objects {
				if first, taken := owner[o.ID]; taken {
					t.Errorf("%s is in %s and in %s", o.ID, first, u)
				}
				owner[o.ID] = u.String()
				if o.Cluster != u.Cluster {
					t.Errorf("%s of cluster %s is in a unit of %s", o.ID, o.Cluster, u.Cluster)
				}
			}
		}
		if len(owner) != len(r.Objects.All()) {
			t.Errorf("units hold %d objects, and the result %d", len(owner), len(r.Objects.All()))
		}
	})
}

func TestNamesAreInjective(t *testing.T) {
	estates(t, func(t *testing.T, _ *load.Loaded, r *generator.Result) {
		names, dirs := map[string]bool{}, map[string]string{}
		for _, u := range r.Units {
			if name := u.Cluster + " " + u.String(); names[name] {
				t.Errorf("two units are called %s", name)
			} else {
				names[name] = true
			}
			if first, taken := dirs[u.Dir()]; taken {
				t.Errorf("%s and %s share %s", first, u, u.Dir())
			}
			dirs[u.Dir()] = u.String()
		}
		claims := map[string]string{}
		claim := func(cluster, what, name, holder string) {
			key := cluster + " " + what + " " + name
			if first, taken := claims[key]; taken {
				t.Errorf("%s: %s and %s", key, first, holder)
			}
			claims[key] = holder
		}
		for _, c := range r.Platform.Clusters {
			for _, s := range c.Services {
				if s.OwnsNamespace {
					claim(c.Name, "namespace", s.Namespace, s.Name)
				}
			}
			for _, p := range c.Placements {
				claim(c.Name, "namespace", p.Namespace(), p.Tenant.Name)
				if db := p.Database; db != nil {
					claim(c.Name, "database", db.Name, p.Tenant.Name)
					for _, role := range db.Roles.All() {
						claim(c.Name, "role", role, p.Tenant.Name)
					}
				}
				for _, w := range p.Workloads {
					for _, h := range w.Hosts {
						claim(c.Name, "host", h, p.Tenant.Name+"/"+w.Name)
					}
				}
			}
		}
	})
}

// Flux refuses to reconcile what depends on something that does not exist, and waits for ever in a circle
// (kustomize-controller API, "Dependencies").
func TestFluxOrderIsSound(t *testing.T) {
	estates(t, func(t *testing.T, _ *load.Loaded, r *generator.Result) {
		needs := map[string][]string{}
		for _, o := range r.Objects.All() {
			if o.Group != "kustomize.toolkit.fluxcd.io" {
				continue
			}
			m := decode(t, o)
			key := o.Cluster + " " + o.Namespace + "/" + o.Name
			needs[key] = nil
			for _, d := range list(m.Spec["dependsOn"]) {
				d := d.(map[string]any)
				namespace, ok := d["namespace"].(string)
				if !ok {
					namespace = o.Namespace
				}
				needs[key] = append(needs[key], o.Cluster+" "+namespace+"/"+d["name"].(string))
			}
			if dir := strings.TrimPrefix(m.Spec["path"].(string), "./") + "/kustomization.yaml"; !hasFile(r, dir) {
				t.Errorf("%s reconciles %s, which does not exist", o.ID, dir)
			}
		}
		if len(needs) == 0 {
			t.Fatal("there is no Kustomization at all")
		}
		const open, done = 1, 2
		state := map[string]int{}
		var visit func(key string)
		visit = func(key string) {
			state[key] = open
			for _, n := range needs[key] {
				if _, ok := needs[n]; !ok {
					t.Errorf("%s depends on %s, which does not exist", key, n)
				}
				switch state[n] {
				case open:
					t.Errorf("%s and %s wait for each other", key, n)
				case 0:
					visit(n)
				}
			}
			state[key] = done
		}
		for key := range needs {
			if state[key] == 0 {
				visit(key)
			}
		}
		waits := func(from, to string) bool { // directly or through others
			seen := map[string]bool{}
			var walk func(string) bool
			walk = func(key string) bool {
				if seen[key] {
					return false
				}
				seen[key] = true
				return slices.ContainsFunc(needs[key], func(n string) bool { return n == to || walk(n) })
			}
			return walk(from)
		}
		provider := map[string]string{}
		for _, c := range r.Platform.Clusters {
			for _, s := range c.Services {
				for _, g := range s.CRDs {
					provider[c.Name+" "+g] = c.Name + " flux-system/service-" + s.Name
				}
			}
		}
		for _, u := range r.Units {
			name := u.Cluster + " flux-system/" + u.String()
			for _, o := range u.Objects {
				if p := provider[u.Cluster+" "+o.Group]; u.ByFlux() && p != "" && p != name && !waits(name, p) {
					t.Errorf("%s holds %s, and does not wait for %s, which defines it", name, o.ID, p)
				}
			}
			if u.ByFlux() && u.Part != "entry" && !has(needs, name) {
				t.Errorf("Flux owns %s, and no Kustomization applies it", u)
			}
		}
	})
}

func has[V any](m map[string]V, key string) bool { _, ok := m[key]; return ok }

func list(v any) []any { out, _ := v.([]any); return out }

func hasFile(r *generator.Result, name string) bool {
	_, ok := slices.BinarySearchFunc(r.Tree.Files(), name, func(f tree.File, name string) int { return strings.Compare(f.Path, name) })
	return ok
}

// door is a way into a workload: whose, on which port, and from which namespaces.
type door struct{ cluster, namespace, workload, port, from string }

func TestNetworkAndMeshOpenTheSameDoors(t *testing.T) {
	estates(t, func(t *testing.T, _ *load.Loaded, r *generator.Result) {
		network, mesh := map[string]door{}, map[string]door{}
		for _, o := range r.Objects.All() {
			m := decode(t, o)
			if m.Metadata.Labels[label.Tenant] == "" {
				continue
			}
			key := o.Cluster + " " + o.Namespace + "/" + o.Name
			d := door{cluster: o.Cluster, namespace: o.Namespace}
			switch o.Kind {
			case "NetworkPolicy":
				rules := list(m.Spec["ingress"])
				if len(rules) == 0 || o.Name == "metrics-mesh" {
					continue // nothing in, or in to the mesh's own proxy, which asks no policy of the mesh
				}
				rule := only(t, key, rules)
				d.workload = texts(field(m.Spec, "podSelector", "matchLabels"))[label.Workload]
				var from []string
				for _, peer := range list(rule["from"]) {
					peer := peer.(map[string]any)
					namespace := texts(field(peer, "namespaceSelector", "matchLabels"))["kubernetes.io/metadata.name"]
					if namespace == "" && !has(peer, "namespaceSelector") && !has(peer, "ipBlock") {
						namespace = o.Namespace
					}
					from = append(from, namespace)
				}
				d.from = sorted(from)
				if has(rule, "ports") {
					d.port = fmt.Sprint(only(t, key, list(rule["ports"]))["port"])
				}
				network[key] = d
			case "AuthorizationPolicy":
				rules := list(m.Spec["rules"])
				if len(rules) == 0 {
					continue
				}
				rule := only(t, key, rules)
				d.workload = texts(field(m.Spec, "selector", "matchLabels"))[label.Workload]
				source := field(only(t, key, list(rule["from"])), "source")
				var from []string
				for _, n := range list(field(source, "namespaces")) {
					from = append(from, n.(string))
				}
				for _, p := range list(field(source, "principals")) {
					from = append(from, strings.Split(p.(string), "/")[2]) // <trust domain>/ns/<namespace>/sa/<account>
				}
				d.from = sorted(from)
				if has(rule, "to") {
					d.port = only(t, key, list(field(only(t, key, list(rule["to"])), "operation", "ports")))[""].(string)
				}
				mesh[key] = d
			}
		}
		if len(network) == 0 {
			t.Fatal("there is no way in anywhere")
		}
		for key, d := range network {
			if mesh[key] != d {
				t.Errorf("NetworkPolicy %s opens %+v, and its AuthorizationPolicy %+v", key, d, mesh[key])
			}
		}
		for key, d := range mesh {
			if !has(network, key) {
				t.Errorf("AuthorizationPolicy %s opens %+v, and no NetworkPolicy does", key, d)
			}
		}
	})
}

// only gives the one element of a list; a text is under "".
func only(t *testing.T, key string, list []any) map[string]any {
	t.Helper()
	if len(list) != 1 {
		t.Fatalf("%s has %d elements where the test knows one: %v", key, len(list), list)
	}
	if m, ok := list[0].(map[string]any); ok {
		return m
	}
	return map[string]any{"": list[0]}
}

func field(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

func sorted(names []string) string {
	slices.Sort(names)
	return strings.Join(names, " ")
}

// A path between tenants needs a way out on one side and a way in on the other.
func TestTenantPathsHaveBothEnds(t *testing.T) {
	estates(t, func(t *testing.T, _ *load.Loaded, r *generator.Result) {
		out, in := map[string]bool{}, map[string]bool{}
		for _, o := range r.Objects.All() {
			if o.Kind != "NetworkPolicy" {
				continue
			}
			m := decode(t, o)
			switch {
			case strings.HasPrefix(o.Name, "uses-"):
				for _, rule := range list(m.Spec["egress"]) {
					peer := only(t, o.Name, list(field(rule, "to")))
					out[fmt.Sprintf("%s %s → %s/%s:%v", o.Cluster, o.Namespace,
						texts(field(peer, "namespaceSelector", "matchLabels"))["kubernetes.io/metadata.name"],
						texts(field(peer, "podSelector", "matchLabels"))[label.Workload],
						only(t, o.Name, list(field(rule, "ports")))["port"])] = true
				}
			case strings.HasPrefix(o.Name, "offers-"):
				rule := only(t, o.Name, list(m.Spec["ingress"]))
				for _, peer := range list(rule["from"]) {
					in[fmt.Sprintf("%s %s → %s/%s:%v", o.Cluster,
						texts(field(peer, "namespaceSelector", "matchLabels"))["kubernetes.io/metadata.name"], o.Namespace,
						texts(field(m.Spec, "podSelector", "matchLabels"))[label.Workload],
						only(t, o.Name, list(rule["ports"]))["port"])] = true
				}
			}
		}
		if len(out) == 0 {
			t.Fatal("no tenant uses another")
		}
		for p := range out {
			if !in[p] {
				t.Errorf("%s has no way in", p)
			}
		}
		for p := range in {
			if !out[p] {
				t.Errorf("%s has no way out", p)
			}
		}
	})
}

func TestObjectsSayWhereTheyComeFrom(t *testing.T) {
	estates(t, func(t *testing.T, l *load.Loaded, r *generator.Result) {
		for _, o := range r.Objects.All() {
			if o.Kind == "Secret" {
				t.Errorf("%s is a Secret", o.ID)
			}
			m := decode(t, o)
			for _, name := range []string{label.Name, label.ManagedBy} {
				if m.Metadata.Labels[name] == "" {
					t.Errorf("%s has no label %s", o.ID, name)
				}
			}
			for _, name := range []string{label.SpecHash, label.Generator} {
				if m.Metadata.Annotations[name] == "" {
					t.Errorf("%s has no annotation %s", o.ID, name)
				}
			}
			from := m.Metadata.Annotations[label.Source]
			file, line, _ := strings.Cut(from, ":")
			text, ok := l.Source(file)
			n, err := strconv.Atoi(line)
			if !ok || err != nil || n < 1 || n > bytes.Count(text, []byte("\n")) {
				t.Errorf("%s comes from %q, which is no line of a spec", o.ID, from)
			}
			if tenant := m.Metadata.Labels[label.Tenant]; tenant != "" && !strings.HasPrefix(file, "tenants/"+tenant+"/") {
				t.Errorf("%s of tenant %s comes from %s", o.ID, tenant, from)
			}
		}
	})
}

func TestEveryFileIsListedOnce(t *testing.T) {
	estates(t, func(t *testing.T, _ *load.Loaded, r *generator.Result) {
		listed := map[string]string{}
		files := map[string]bool{}
		for _, f := range r.Tree.Files() {
			files[f.Path] = true
			dir, base := path.Split(f.Path)
			if base != "kustomization.yaml" {
				continue
			}
			var k struct{ Resources []string }
			if err := yaml.Unmarshal(f.Data, &k); err != nil {
				t.Fatal(err)
			}
			for _, e := range k.Resources {
				if !strings.HasSuffix(e, ".yaml") {
					e += "/kustomization.yaml"
				}
				if first, taken := listed[dir+e]; taken {
					t.Errorf("%s is listed by %s and %s", dir+e, first, f.Path)
				}
				listed[dir+e] = f.Path
			}
		}
		for _, f := range r.Tree.Files() {
			// A cluster's own directory is where Flux begins, and nothing lists it.
			if top := strings.Count(f.Path, "/") == 2 && path.Base(f.Path) == "kustomization.yaml"; !top && listed[f.Path] == "" {
				t.Errorf("%s is listed by no kustomization.yaml", f.Path)
			}
		}
		for e, by := range listed {
			if !files[e] {
				t.Errorf("%s lists %s, which does not exist", by, e)
			}
		}
	})
}

func TestGoldenPlatformIsCurrent(t *testing.T) {
	const remedy = "\nthe repository's own tree is not what it compiles to; to renew it:\n\tgo run ./cmd/zave build"
	r := compile(t, read(t, repository, load.Options{}))
	dir := filepath.Join(repository, filepath.FromSlash(r.Platform.Output))
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(tree.IndexPath)))
	if err != nil {
		t.Fatalf("%v%s", err, remedy)
	}
	index, err := tree.ParseIndex(data)
	if err != nil {
		t.Fatalf("%v%s", err, remedy)
	}
	diff, err := tree.Compare(t.Context(), dir, r.Tree, tree.WriteOptions{Generator: index.Generator})
	if err != nil {
		t.Fatal(err)
	}
	if !diff.Empty() {
		list := diff.Diagnostics(r.Platform.Output)
		for _, d := range list.Sorted() {
			t.Errorf("%s: %s", d.Span, d.Summary)
		}
		t.Errorf("%+v%s", diff, remedy)
	}
}
