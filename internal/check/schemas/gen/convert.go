package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// kind is one version of one kind, with the JSON schema (draft 4) of its objects.
type kind struct {
	kubernetes           string // the minor it belongs to; empty for custom resources
	group, version, kind string
	namespaced           bool
	schema               map[string]any
	rules                int // CEL rules that the schema does not carry
}

const (
	definitions = "#/definitions/"
	objectMeta  = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
)

// fromSwagger gives every stable kind that can be created in a release, and its ObjectMeta. Alpha and beta versions
// are left out: a default API server does not serve them (KEP-3136).
func fromSwagger(text []byte, minor string) ([]kind, map[string]any, error) {
	var doc struct {
		Definitions map[string]map[string]any
		Paths       map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, nil, err
	}
	type gvk struct{ Group, Version, Kind string }
	holder := map[gvk]string{}
	for _, name := range slices.Sorted(maps.Keys(doc.Definitions)) {
		d := doc.Definitions[name]
		list, _ := d["x-kubernetes-group-version-kind"].([]any)
		if len(list) == 1 { // DeleteOptions and its like are listed for every group
			m := list[0].(map[string]any)
			holder[gvk{m["group"].(string), m["version"].(string), m["kind"].(string)}] = name
		}
	}
	for name, d := range doc.Definitions {
		doc.Definitions[name] = closeBuiltin(name, d)
	}
	var kinds []kind
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		if strings.Contains(path, "{name}") || doc.Paths[path]["post"] == nil {
			continue // a subresource, or not to be created
		}
		var post struct {
			GVK gvk `json:"x-kubernetes-group-version-kind"`
		}
		if err := json.Unmarshal(doc.Paths[path]["post"], &post); err != nil {
			return nil, nil, err
		}
		k := post.GVK
		if strings.Contains(k.Version, "alpha") || strings.Contains(k.Version, "beta") {
			continue
		}
		name, ok := holder[k]
		if !ok {
			return nil, nil, fmt.Errorf("no definition of %v", k)
		}
		kinds = append(kinds, kind{
			kubernetes: minor, group: k.Group, version: k.Version, kind: k.Kind,
			namespaced: strings.Contains(path, "/namespaces/{namespace}/"),
			schema:     standalone(name, doc.Definitions),
		})
	}
	return kinds, doc.Definitions[objectMeta], nil
}

// standalone gives a definition with the definitions it needs inside it.
func standalone(name string, all map[string]map[string]any) map[string]any {
	needed := map[string]any{}
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				to := strings.TrimPrefix(ref, definitions)
				if _, seen := needed[to]; !seen {
					needed[to] = all[to]
					visit(all[to])
				}
			}
			for _, w := range v {
				visit(w)
			}
		case []any:
			for _, w := range v {
				visit(w)
			}
		}
	}
	root := maps.Clone(all[name])
	visit(root)
	root["required"] = withIdentity(root["required"])
	root["definitions"] = needed
	return root
}

// withIdentity adds what every object in a file needs and no schema demands.
func withIdentity(required any) []any {
	list, _ := required.([]any)
	out := slices.Clone(list)
	for _, f := range []any{"apiVersion", "kind", "metadata"} {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// closeBuiltin closes a definition of a Kubernetes release. OpenAPI 2 cannot say that a quantity or an
// int-or-string may be a number, so these two are replaced.
func closeBuiltin(name string, d map[string]any) map[string]any {
	switch {
	case strings.HasSuffix(name, ".resource.Quantity"):
		return map[string]any{"type": []any{"string", "number"}, "format": "quantity"}
	case strings.HasSuffix(name, ".intstr.IntOrString"):
		return map[string]any{"type": []any{"integer", "string"}}
	}
	return closed(d, false)
}

// customResource is what is read of a CustomResourceDefinition (apiextensions.k8s.io/v1).
type customResource struct {
	Kind string
	Spec struct {
		Group    string
		Scope    string
		Names    struct{ Kind string }
		Versions []struct {
			Name   string
			Served bool
			Schema struct{ OpenAPIV3Schema map[string]any }
		}
	}
}

// fromCRD gives the served versions of a CustomResourceDefinition.
func fromCRD(crd customResource, meta map[string]any) []kind {
	var kinds []kind
	for _, v := range crd.Spec.Versions {
		if !v.Served {
			continue
		}
		schema := closed(v.Schema.OpenAPIV3Schema, true)
		properties, _ := schema["properties"].(map[string]any)
		properties["apiVersion"] = map[string]any{"type": "string"}
		properties["kind"] = map[string]any{"type": "string"}
		properties["metadata"] = map[string]any{"$ref": definitions + objectMeta}
		schema["required"] = withIdentity(schema["required"])
		schema["definitions"] = metaDefinitions(meta)
		kinds = append(kinds, kind{
			group: crd.Spec.Group, version: v.Name, kind: crd.Spec.Names.Kind,
			namespaced: crd.Spec.Scope == "Namespaced", schema: schema,
			rules: count(v.Schema.OpenAPIV3Schema, "x-kubernetes-validations"),
		})
	}
	return kinds
}

// metaDefinitions gives ObjectMeta without what only the API server writes, which needs more definitions.
func metaDefinitions(meta map[string]any) map[string]any {
	meta = maps.Clone(meta)
	properties := map[string]any{}
	for _, f := range []string{"annotations", "finalizers", "generateName", "labels", "name", "namespace"} {
		properties[f] = meta["properties"].(map[string]any)[f]
	}
	meta["properties"] = properties
	return map[string]any{objectMeta: meta}
}

// closed converts an OpenAPI schema to a JSON schema that refuses what the API server would prune or refuse:
// prune tells whether objects are pruned as the API server prunes custom resources ("Structural schemas" in the
// Kubernetes documentation), where an object with no properties has no fields; in the built-in kinds it is free.
// Prose, defaults and CEL rules are left out.
func closed(s map[string]any, prune bool) map[string]any {
	out := map[string]any{}
	for key, v := range s {
		switch key {
		case "type", "format", "enum", "required", "$ref", "pattern", "uniqueItems",
			"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
			"x-kubernetes-list-map-keys", // read by package check
			"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
			out[key] = v
		case "items":
			out[key] = closed(v.(map[string]any), prune)
		case "additionalProperties":
			if m, ok := v.(map[string]any); ok {
				out[key] = closed(m, prune)
			} else {
				out[key] = v
			}
		case "properties":
			properties := map[string]any{}
			for name, p := range v.(map[string]any) {
				properties[name] = closed(p.(map[string]any), prune)
			}
			out[key] = properties
		case "allOf", "anyOf", "oneOf":
			var list []any
			for _, w := range v.([]any) {
				list = append(list, condition(w.(map[string]any)))
			}
			out[key] = list
		case "not":
			out[key] = condition(v.(map[string]any))
		}
	}
	switch {
	case s["x-kubernetes-int-or-string"] == true:
		out["type"] = []any{"integer", "string"}
		delete(out, "anyOf") // the two types again
	case s["x-kubernetes-preserve-unknown-fields"] == true, out["additionalProperties"] != nil:
	case out["properties"] != nil, prune && out["type"] == "object":
		out["additionalProperties"] = false
	}
	if s["x-kubernetes-embedded-resource"] == true && out["additionalProperties"] == false {
		delete(out, "additionalProperties") // its kind is not known here
	}
	if s["x-kubernetes-list-type"] == "set" {
		out["uniqueItems"] = true
	}
	if s["nullable"] == true {
		if t, ok := out["type"].(string); ok {
			out["type"] = []any{t, "null"}
		}
		if e, ok := out["enum"].([]any); ok && !slices.Contains(e, nil) {
			out["enum"] = append(slices.Clone(e), nil)
		}
	}
	return out
}

// condition converts a branch of allOf, anyOf, oneOf or not. A branch only tests values: fields that it does not
// mention are none of its business.
func condition(s map[string]any) map[string]any {
	out := closed(s, false)
	open(out)
	return out
}

func open(v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["additionalProperties"] == false {
			delete(v, "additionalProperties")
		}
		for _, w := range v {
			open(w)
		}
	case []any:
		for _, w := range v {
			open(w)
		}
	}
}

// count tells how often a key stands anywhere in a value.
func count(v any, key string) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v[key]; ok {
			n++
		}
		for _, w := range v {
			n += count(w, key)
		}
	case []any:
		for _, w := range v {
			n += count(w, key)
		}
	}
	return n
}
