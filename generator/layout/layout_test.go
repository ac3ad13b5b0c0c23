package layout_test

import (
	"slices"
	"testing"

	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/object"
)

func TestLayout(t *testing.T) {
	o := object.Object{ID: object.ID{Cluster: "c", Kind: "ConfigMap", Name: "x"}, YAML: []byte("kind: ConfigMap\n")}
	// Tenants may be called what YAML reads as something else.
	tree, err := layout.Layout([]unit.Unit{
		{Key: unit.Key{Cluster: "c", Part: unit.Tenancy, Name: "true"}, Objects: []object.Object{o}},
		{Key: unit.Key{Cluster: "c", Part: unit.Workloads, Name: "null"}, Objects: []object.Object{o}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"tenants/c/kustomization.yaml":                       "- \"null\"\n- \"true\"\n",
		"tenants/c/null/kustomization.yaml":                  "- app\n",
		"tenants/c/null/app/kustomization.yaml":              "- configmap-x.yaml\n",
		"tenants/c/true/kustomization.yaml":                  "- platform\n",
		"tenants/c/true/platform/kustomization.yaml":         "- tenancy\n",
		"tenants/c/true/platform/tenancy/kustomization.yaml": "- configmap-x.yaml\n",
	}
	const head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"
	for _, f := range tree.Files() {
		if text, ok := want[f.Path]; ok {
			if got := string(f.Data); got != head+text {
				t.Errorf("%s:\n%s", f.Path, got)
			}
			delete(want, f.Path)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

func TestOwner(t *testing.T) {
	for path, want := range map[string][2]string{
		"tenants/east/shop/app/service-web.yaml":                     {"east", "shop"},
		"tenants/east/shop/kustomization.yaml":                       {"east", "shop"},
		"tenants/east/kustomization.yaml":                            {"east", ""},
		"clusters/east/tenants/kustomization-tenancy-a.yaml":         {"east", "a"},
		"clusters/east/tenants/kustomization-delivery-a-b.yaml":      {"east", "a-b"},
		"clusters/east/tenants/kustomization-database-delivery.yaml": {"east", "delivery"},
		"clusters/east/tenants/kustomization-service-mesh.yaml":      {"east", ""},
		"clusters/east/tenants/kustomization.yaml":                   {"east", ""},
		"clusters/east/platform/kustomization-tenancy-a.yaml":        {"east", ""},
		"platform/east/postgres/helmrelease-postgres.yaml":           {"east", ""},
		"clusters/east/kustomization-platform-gitops.yaml":           {"east", ""},
		".zave/index.json":     {"", ""},
		".zave/east/shop.json": {"east", "shop"},
	} {
		if cluster, tenant := layout.Owner(path); cluster != want[0] || tenant != want[1] {
			t.Errorf("Owner(%s) = %q, %q", path, cluster, tenant)
		}
	}
}

// TestListsTenants: what a part of the tree is listed with is what the whole tree is listed with.
func TestListsTenants(t *testing.T) {
	o := object.Object{ID: object.ID{Cluster: "c", Kind: "Kustomization", Name: "tenancy-a"}, YAML: []byte("kind: Kustomization\n")}
	tree, err := layout.Layout([]unit.Unit{
		{Key: unit.Key{Cluster: "c", Part: unit.Entry, Name: unit.EntryCluster}, Objects: []object.Object{o}},
		{Key: unit.Key{Cluster: "c", Part: unit.Entry, Name: unit.EntryPlatform}, Objects: []object.Object{o}},
		{Key: unit.Key{Cluster: "c", Part: unit.Entry, Name: unit.EntryTenants}, Objects: []object.Object{o}},
		{Key: unit.Key{Cluster: "c", Part: unit.Tenancy, Name: "a"}, Objects: []object.Object{o}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var lists []string
	for _, f := range tree.Files() {
		if layout.ListsTenants(f.Path) {
			lists = append(lists, f.Path)
		}
	}
	if want := []string{"clusters/c/tenants/kustomization.yaml", "tenants/c/kustomization.yaml"}; !slices.Equal(lists, want) {
		t.Errorf("lists of tenants: %v, want %v", lists, want)
	}
}
