// Package check finds what a cluster would refuse in a compiled tree, before a cluster sees it.
//
// Invariants: it works offline, from the schemas in the binary; it changes nothing; a mistake in an object is
// reported at the line of the spec that caused the object; an object of a kind that is not known is a mistake, and
// never skipped.
package check

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/zavestudios/zave/internal/check/schemas"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/source"
)

// Cluster is what the check must know of a cluster.
type Cluster struct {
	Name       string
	Kubernetes string      // the version it runs: "1.34.3"
	Span       source.Span // where that version is written
}

// Schemas validates every object strictly: against the schema of its kind, at its cluster's Kubernetes minor, and
// against the rules of the API server that no schema can say. Diagnostics come in the order of the objects.
//
// The error is about the world, or about a cluster that an object names and the caller does not: the temporary
// directory for the schemas could not be made, say.
func Schemas(objects []object.Object, clusters []Cluster) (diag.List, error) {
	var list diag.List
	catalogue, err := schemas.Open()
	if err != nil {
		return list, err
	}
	minors := map[string]string{} // by cluster; empty where there are no schemas
	for _, c := range clusters {
		minor := minorOf(c.Kubernetes)
		if known := catalogue.Kubernetes(); !slices.Contains(known, minor) {
			list.Add(diag.Diagnostic{
				Code: diag.NotAllowed, Span: c.Span,
				Summary: fmt.Sprintf("there are no schemas for Kubernetes %s, which cluster %s runs", c.Kubernetes, c.Name),
				Hint:    "objects can be checked for " + strings.Join(known, ", "),
			})
			minor = ""
		}
		minors[c.Name] = minor
	}

	kinds := make([]schemas.Kind, len(objects)) // the zero Kind where it is not known
	for i, o := range objects {
		minor, ok := minors[o.Cluster]
		if !ok {
			return list, fmt.Errorf("%s is in cluster %q, which is not among those to check", o.ID, o.Cluster)
		}
		kinds[i], _ = catalogue.Find(minor, apiVersion(o), o.Kind)
	}
	set, err := compile(catalogue, kinds)
	if err != nil {
		return list, err
	}

	found := make([][]diag.Diagnostic, len(objects))
	parallel(len(objects), func(i int) {
		if minor := minors[objects[i].Cluster]; minor != "" {
			found[i] = one(objects[i], kinds[i], minor, catalogue, set)
		}
	})
	for _, d := range found {
		list.Add(d...)
	}
	return list, nil
}

// minorOf gives "1.34" of "1.34.3" and of "v1.34.3+k3s1".
func minorOf(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return version
	}
	return parts[0] + "." + parts[1]
}

func apiVersion(o object.Object) string {
	if o.Group == "" {
		return o.Version
	}
	return o.Group + "/" + o.Version
}

// one checks one object: first whether it can be read, then its schema, and only then its meaning, which may rely on
// the types of its fields.
func one(o object.Object, k schemas.Kind, minor string, catalogue *schemas.Catalogue, set map[string]*schema) []diag.Diagnostic {
	var out []diag.Diagnostic
	report := func(code diag.Code, hint, format string, args ...any) {
		out = append(out, diag.Diagnostic{
			Code: code, Span: o.Origin, Summary: o.ID.String() + ": " + fmt.Sprintf(format, args...), Hint: hint,
		})
	}
	if k.Kind == "" {
		report(diag.UnknownKind, otherVersions(catalogue.Kinds(minor), o), "no %s is served as %s on Kubernetes %s", o.Kind, apiVersion(o), minor)
		return out
	}
	value, err := decode(o.YAML)
	if err != nil {
		report(diag.InvalidObject, "", "it is not YAML: %s", oneLine(err.Error()))
		return out
	}
	if what := differs(o, value); what != "" {
		report(diag.InvalidObject, "", "%s", what)
	}
	if secret(k, value) {
		report(diag.PlaintextSecret, "keep the value in the secret store and declare it under secrets", "it carries secret values in plain text")
	}
	s := set[k.File]
	if err := s.compiled.Validate(value); err != nil {
		for _, p := range s.explain(err, value) {
			report(diag.InvalidObject, p.hint, "%s", p.text)
		}
		return out
	}
	var errs field.ErrorList
	text, err := json.Marshal(value)
	if err == nil {
		errs, err = meaning(k, text)
	}
	if err != nil {
		report(diag.InvalidObject, "", "%s", oneLine(err.Error()))
	}
	for _, e := range errs {
		report(diag.InvalidObject, nearest(e), "%s", sentence(e))
	}
	return out
}

// otherVersions gives the hint for a kind that is not served: the versions in which it is, or a kind whose name is
// near.
func otherVersions(known []schemas.Kind, o object.Object) string {
	var same, names []string
	for _, k := range known {
		if k.Kind == o.Kind {
			same = append(same, k.APIVersion())
		}
		if k.Group == o.Group {
			names = append(names, k.Kind)
		}
	}
	if len(same) > 0 {
		return o.Kind + " is served as " + strings.Join(same, " and ")
	}
	if near := diag.Suggest(o.Kind, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// differs tells where a document is not the object it is said to be, which would be a mistake of whoever made it.
func differs(o object.Object, value any) string {
	doc, _ := value.(map[string]any)
	metadata, _ := doc["metadata"].(map[string]any)
	for _, f := range []struct {
		path string
		got  any
		want string
	}{
		{"apiVersion", doc["apiVersion"], apiVersion(o)},
		{"kind", doc["kind"], o.Kind},
		{"metadata.name", metadata["name"], o.Name},
		{"metadata.namespace", metadata["namespace"], o.Namespace},
	} {
		if got, _ := f.got.(string); got != f.want {
			return fmt.Sprintf("%s is %q, and the object is known as %q", f.path, got, f.want)
		}
	}
	return ""
}

// secret tells whether a document is a Secret with values in it. A Secret without any, which a controller fills, is
// none (Secret v1 core: data, stringData).
func secret(k schemas.Kind, value any) bool {
	if k.Group != "" || k.Kind != "Secret" {
		return false
	}
	doc, _ := value.(map[string]any)
	return doc["data"] != nil || doc["stringData"] != nil
}

// parallel calls do for 0…n-1 on all processors.
func parallel(n int, do func(int)) {
	const run = 16
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (n+run-1)/run) {
		wg.Go(func() {
			for {
				lo := int(next.Add(run)) - run
				if lo >= n {
					return
				}
				for i := lo; i < min(lo+run, n); i++ {
					do(i)
				}
			}
		})
	}
	wg.Wait()
}
