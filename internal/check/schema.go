package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/yannh/kubeconform/pkg/registry"
	"golang.org/x/text/message"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/zavestudios/zave/internal/check/schemas"
)

// layout is where kubeconform looks for a schema below a folder. It is the layout of its CRD catalogue, which, unlike
// the one of its built-in kinds, keeps apart groups that begin with the same word.
const layout = "/{{.NormalizedKubernetesVersion}}/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"

// schema is a compiled schema, and its text for explaining what it refused.
type schema struct {
	compiled *jsonschema.Schema
	text     any
}

// compile compiles the schemas of kinds, by Kind.File. They pass through a temporary directory, because kubeconform's
// registry reads files; it is removed before compile returns. The location is always a local one: with none,
// kubeconform would go to the network.
func compile(catalogue *schemas.Catalogue, kinds []schemas.Kind) (_ map[string]*schema, err error) {
	dir, err := os.MkdirTemp("", "zave-schemas-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	reg, err := registry.New(filepath.ToSlash(dir)+layout, "", true, false, false)
	if err != nil {
		return nil, err
	}
	keys, err := listKeys()
	if err != nil {
		return nil, err
	}
	set := map[string]*schema{}
	for _, k := range kinds {
		if k.Kind == "" || set[k.File] != nil {
			continue
		}
		if err := extract(catalogue, k, dir); err != nil {
			return nil, err
		}
		file, text, err := reg.DownloadSchema(k.Kind, k.APIVersion(), k.Kubernetes)
		if err != nil {
			return nil, fmt.Errorf("schema of %s %s: %w", k.APIVersion(), k.Kind, err)
		}
		compiler := jsonschema.NewCompiler()
		compiler.DefaultDraft(jsonschema.Draft4)
		compiler.UseLoader(jsonschema.SchemeURLLoader{}) // a schema refers to nothing but itself
		for _, f := range formats() {
			compiler.RegisterFormat(f)
		}
		compiler.RegisterVocabulary(keys)
		if err := compiler.AddResource(file, text); err != nil {
			return nil, fmt.Errorf("schema of %s %s: %w", k.APIVersion(), k.Kind, err)
		}
		compiled, err := compiler.Compile(file)
		if err != nil {
			return nil, fmt.Errorf("schema of %s %s: %w", k.APIVersion(), k.Kind, err)
		}
		set[k.File] = &schema{compiled, text}
	}
	return set, nil
}

// extract writes one schema to where kubeconform looks for it.
func extract(catalogue *schemas.Catalogue, k schemas.Kind, dir string) error {
	text, err := catalogue.Schema(k)
	if err != nil {
		return err
	}
	group := k.Group
	if group == "" {
		group = k.Version // so kubeconform calls the core group
	}
	folder := filepath.Join(dir, "v"+k.Kubernetes, group)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, strings.ToLower(k.Kind)+"_"+k.Version+".json"), text, 0o600)
}

// formats gives the formats of OpenAPI and of the catalogue that JSON schema does not have.
func formats() []*jsonschema.Format {
	return []*jsonschema.Format{
		{Name: "int32", Validate: func(v any) error {
			if n, ok := v.(json.Number); ok {
				if i, err := n.Int64(); err == nil && (i < math.MinInt32 || i > math.MaxInt32) {
					return errors.New("does not fit 32 bits")
				}
			}
			return nil
		}},
		{Name: "quantity", Validate: func(v any) error {
			_, err := resource.ParseQuantity(fmt.Sprint(v))
			return err
		}},
		// Go's durations, as the API server takes them, and not those of ISO 8601, which JSON schema means. The
		// projects in the catalogue that have durations give a pattern for them.
		{Name: "duration", Validate: func(any) error { return nil }},
	}
}

// listKeys makes a keyword of x-kubernetes-list-map-keys: server-side apply, which is how Flux and Argo CD write,
// refuses a list with two items of the same keys (Kubernetes documentation, "Server-Side Apply", merge strategy).
func listKeys() (*jsonschema.Vocabulary, error) {
	const url = "kubernetes:list-map-keys"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(url, map[string]any{}); err != nil {
		return nil, err
	}
	meta, err := c.Compile(url)
	if err != nil {
		return nil, err
	}
	return &jsonschema.Vocabulary{URL: url, Schema: meta, Compile: func(_ *jsonschema.CompilerContext, s map[string]any) (jsonschema.SchemaExt, error) {
		list, ok := s["x-kubernetes-list-map-keys"].([]any)
		if !ok {
			return nil, nil
		}
		var keys uniqueKeys
		for _, k := range list {
			if name, ok := k.(string); ok {
				keys = append(keys, name)
			}
		}
		return keys, nil
	}}, nil
}

// uniqueKeys refuses lists in which two items have the same values of all these fields.
type uniqueKeys []string

// Validate reports the first pair of items with the same keys.
func (u uniqueKeys) Validate(ctx *jsonschema.ValidatorContext, v any) {
	list, _ := v.([]any)
	seen := map[string]int{}
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		var parts []string
		for _, k := range u {
			switch w := m[k]; {
			case w != nil:
				parts = append(parts, k+" "+fmt.Sprint(w))
			case k == "protocol": // the only key with a default (Container.ports, Service.ports: "TCP")
				parts = append(parts, k+" TCP")
			}
		}
		key := strings.Join(parts, ", ")
		if first, ok := seen[key]; ok {
			ctx.AddError(&sameKeys{first, i, key})
			return
		}
		seen[key] = i
	}
}

// sameKeys is the error kind of uniqueKeys.
type sameKeys struct {
	first, second int
	key           string
}

// KeywordPath is part of jsonschema.ErrorKind.
func (*sameKeys) KeywordPath() []string { return []string{"x-kubernetes-list-map-keys"} }

// LocalizedString is part of jsonschema.ErrorKind.
func (s *sameKeys) LocalizedString(*message.Printer) string {
	return fmt.Sprintf("has two items with %s, the ones at %d and %d", s.key, s.first, s.second)
}
