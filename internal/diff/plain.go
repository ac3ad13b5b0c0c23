package diff

import (
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/diff/typed"
)

// acting gives the fields that somebody in the cluster may act on.
func (c *comparison) acting(x *change) (out []typed.Field) {
	for _, f := range flat(x.fields) {
		if !bookkeeping(f.Shape) && !describes(x, f) && f.Shape != "apiVersion" {
			out = append(out, f)
		}
	}
	return out
}

// flat takes labels and annotations apart where a side has none of them.
func flat(fields []typed.Field) (out []typed.Field) {
	for _, f := range fields {
		if f.Shape != "metadata.labels" && f.Shape != "metadata.annotations" {
			out = append(out, f)
			continue
		}
		b, _ := f.Before.(map[string]any)
		a, _ := f.After.(map[string]any)
		var keys []string
		for k := range b {
			keys = append(keys, k)
		}
		for k := range a {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range slices.Compact(keys) {
			out = append(out, typed.Field{
				Path: f.Path + "[" + typed.Text(k) + "]", Shape: f.Shape + "." + k, Keys: f.Keys, Before: b[k], After: a[k],
			})
		}
	}
	return out
}

// describes tells whether a field only describes its object to people, or to tools that show it. Labels of what selectors
// commonly select by label are no descriptions, apart from those that the Kubernetes documentation recommends.
func describes(x *change, f typed.Field) bool {
	if key, ok := strings.CutPrefix(f.Shape, "metadata.annotations."); ok {
		return of(key, "zave.io/", "app.kubernetes.io/", "meta.helm.sh/", "kubectl.kubernetes.io/default-")
	}
	if key, ok := strings.CutPrefix(f.Shape, "metadata.labels."); ok {
		selected := slices.Contains([]string{"Namespace", "Service", "Pod", "ServiceMonitor", "PodMonitor", "PrometheusRule"}, x.Kind)
		if key == label.Tenant || key == label.Workload {
			return !selected
		}
		// Pod Security refuses nothing by its modes audit and warn.
		return !selected || of(key, "zave.io/", "app.kubernetes.io/", "helm.sh/", podSecurity+"audit", podSecurity+"warn")
	}
	switch x.Group + "/" + x.Kind {
	case "argoproj.io/AppProject":
		return f.Shape == "spec.description" || f.Shape == "spec.roles[].description"
	case "apiextensions.k8s.io/CustomResourceDefinition":
		return strings.HasSuffix(f.Shape, ".description")
	}
	return false
}

func of(key string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// plainly says what changes in an object that no controller acts on.
func (c *comparison) plainly(x *change) {
	fields := slices.DeleteFunc(flat(x.fields), func(f typed.Field) bool { return bookkeeping(f.Shape) })
	if slices.ContainsFunc(fields, func(f typed.Field) bool { return f.Shape == "apiVersion" }) {
		c.add(x.about("version-changed", "written as "+textOf(x.a["apiVersion"])+" in place of "+textOf(x.b["apiVersion"])))
		return
	}
	if len(fields) == 0 {
		if x.Action == report.Move {
			return // where it went is told
		}
		e := x.about("bookkeeping", "the same but for annotations of zave's own")
		e.kind, e.name = "object", x.Ref()
		c.add(e)
		return
	}
	var given, taken, changed, others []string
	for _, f := range fields {
		name := ""
		if key, ok := strings.CutPrefix(f.Shape, "metadata.labels."); ok {
			name = "label " + key
		} else if key, ok := strings.CutPrefix(f.Shape, "metadata.annotations."); ok {
			name = "annotation " + key
		}
		switch {
		case name == "":
			others = append(others, f.Path)
		case f.Before == nil:
			given = append(given, name)
		case f.After == nil:
			taken = append(taken, name)
		default:
			changed = append(changed, name)
		}
	}
	var parts []string
	for _, p := range []struct {
		before string
		names  []string
	}{{"given the ", given}, {"no longer given the ", taken}, {"given another ", changed}, {"described otherwise: ", others}} {
		if len(p.names) > 0 {
			parts = append(parts, p.before+some(p.names, 4))
		}
	}
	c.add(x.about("described", strings.Join(parts, "; ")))
}
