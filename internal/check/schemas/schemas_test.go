package schemas_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/check/schemas"
)

func open(t *testing.T) *schemas.Catalogue {
	t.Helper()
	c, err := schemas.Open()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The table in README.md is what people read to know what is checked: each of its numbers is counted again.
func TestReadmeMatchesArchive(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat("schemas.zip")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	if want := fmt.Sprintf("(%d bytes, ", info.Size()); !strings.Contains(readme, want) {
		t.Errorf("README.md does not say %q", want)
	}
	c := open(t)
	kinds := map[string][]string{}
	seen := map[schemas.Kind]bool{}
	for _, minor := range c.Kubernetes() {
		for _, k := range c.Kinds(minor) {
			if !seen[k] {
				seen[k] = true
				kinds[k.Source] = append(kinds[k.Source], k.Kind+" "+k.Version)
			}
		}
	}
	rows := 0
	for source, names := range kinds {
		module, version, _ := strings.Cut(source, "@")
		if want := fmt.Sprintf("| %s | %s | Apache-2.0 | %d | ", module, version, len(names)); !strings.Contains(readme, want) {
			t.Errorf("README.md has no row %q", want)
		}
		_, list, found := strings.Cut(readme, "**"+source+"**: ")
		if !found {
			t.Errorf("README.md does not list the kinds of %s", source)
			continue
		}
		list, _, _ = strings.Cut(list, ".\n")
		listed := map[string]bool{}
		for name := range strings.SplitSeq(list, ", ") {
			listed[name] = true
		}
		for _, name := range names {
			if !listed[name] {
				t.Errorf("README.md does not list %s of %s", name, source)
			}
		}
		rows++
	}
	if got := strings.Count(readme, "| Apache-2.0 |"); got != rows {
		t.Errorf("README.md has %d rows, the archive %d sources", got, rows)
	}
}

// Every schema is JSON, demands an identity, and refers to nothing outside itself.
func TestSchemasStandAlone(t *testing.T) {
	c := open(t)
	for _, minor := range c.Kubernetes() {
		for _, k := range c.Kinds(minor) {
			text, err := c.Schema(k)
			if err != nil {
				t.Fatal(err)
			}
			var doc struct {
				Required    []string
				Definitions map[string]any
			}
			if err := json.Unmarshal(text, &doc); err != nil {
				t.Fatalf("%s: %v", k.File, err)
			}
			for _, f := range []string{"apiVersion", "kind", "metadata"} {
				if !slices.Contains(doc.Required, f) {
					t.Errorf("%s does not require %s", k.File, f)
				}
			}
			for i, part := range strings.Split(string(text), `"$ref":"`) {
				if i == 0 {
					continue
				}
				ref, _, _ := strings.Cut(part, `"`)
				if name, ok := strings.CutPrefix(ref, "#/definitions/"); !ok || doc.Definitions[name] == nil {
					t.Errorf("%s refers to %s", k.File, ref)
				}
			}
		}
	}
}

func TestFind(t *testing.T) {
	c := open(t)
	if got := strings.Join(c.Kubernetes(), " "); got != "1.34 1.35 1.36" {
		t.Errorf("minors: %s", got)
	}
	for _, test := range []struct {
		apiVersion, kind string
		found, inside    bool
	}{
		{"v1", "Namespace", true, false},
		{"v1", "ConfigMap", true, true},
		{"apps/v1", "Deployment", true, true},
		{"rbac.authorization.k8s.io/v1", "ClusterRole", true, false},
		{"helm.toolkit.fluxcd.io/v2", "HelmRelease", true, true},
		{"argoproj.io/v1alpha1", "AppProject", true, true},
		{"external-secrets.io/v1", "ClusterSecretStore", true, false},
		{"external-secrets.io/v1beta1", "ExternalSecret", false, false},
		{"extensions/v1beta1", "Ingress", false, false},
		{"v1", "Eviction", false, false},
		{"v1", "PodList", false, false},
		{"apps/v1", "deployment", false, false},
	} {
		for _, minor := range c.Kubernetes() {
			k, ok := c.Find(minor, test.apiVersion, test.kind)
			if ok != test.found || ok && (k.Namespaced != test.inside || k.APIVersion() != test.apiVersion) {
				t.Errorf("%s %s on %s: %v %+v", test.apiVersion, test.kind, minor, ok, k)
			}
		}
	}
	if _, ok := c.Find("1.29", "apps/v1", "Deployment"); ok {
		t.Error("a Deployment of a minor that the catalogue does not hold")
	}
}
