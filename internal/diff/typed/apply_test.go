package typed

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/internal/check/schemas"
)

// compiledTree is what this repository compiles to: objects of every kind that zave writes.
const compiledTree = "../../../golden/platform-gitops"

// TestAsServerSideApply changes objects at random, and holds that Compare finds the fields that the API server's own
// library finds (structured-merge-diff, by which server-side apply merges), given the same schemas. Where we differ, we
// say less on purpose: lists that mean the same in any order, and quantities of one value.
func TestAsServerSideApply(t *testing.T) {
	d, err := New()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	compared, differing := 0, 0
	for i, m := range objects(t) {
		apiVersion, kind := m["apiVersion"].(string), m["kind"].(string)
		parse := applied(t, d.catalogue, d.Kubernetes(), apiVersion, kind)
		if parse == nil {
			t.Errorf("there is no schema of %s %s, which zave writes", apiVersion, kind)
			continue
		}
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		for range 40 {
			after := clone(t, m)
			for range 1 + rng.IntN(3) {
				mutate(rng, "", after)
			}
			before := clone(t, m)
			theirs, err := compare(parse, top(before), top(after))
			if err != nil {
				continue // two items of the same keys: server-side apply refuses that list
			}
			fields, known, err := d.Compare(d.Kubernetes(), before, after)
			if err != nil || !known {
				t.Fatal(known, err)
			}
			compared++
			seen[apiVersion+" "+kind] = true
			if len(theirs) > 0 {
				differing++
			}
			ours := &walk{sets: sets(groupOf(apiVersion), kind)}
			for _, p := range theirs {
				if !ours.excused(p) && !slices.ContainsFunc(fields, func(f Field) bool { return related(f.Path, p) }) {
					t.Errorf("%s %s: server-side apply sees %s, and we see %v\n%s", apiVersion, kind, p, paths(fields), both(before, after))
				}
			}
			for _, f := range fields {
				if !strings.HasSuffix(f.Path, ".initContainers") && !slices.ContainsFunc(theirs, func(p string) bool { return related(f.Path, p) }) {
					t.Errorf("%s %s: we see %s, and server-side apply %v\n%s", apiVersion, kind, f.Path, theirs, both(before, after))
				}
			}
			if t.Failed() {
				return
			}
		}
	}
	if compared < 3000 || differing < 2500 || len(seen) < 25 {
		t.Errorf("too little was compared: %d times, %d of them different, of %d kinds", compared, differing, len(seen))
	}
}

// excused tells whether what server-side apply sees at a path may be nothing to us: it lies in a list that means the
// same in any order and that server-side apply takes as a whole, or is a quantity.
func (w *walk) excused(p string) bool {
	shape := shapeOf(p)
	for s := shape; s != ""; s = s[:max(strings.LastIndexAny(s, ".["), 0)] {
		if w.sets(strings.TrimSuffix(s, "[]")) {
			return true
		}
	}
	for _, of := range []string{".requests.", ".limits.", ".hard.", ".max.", ".min.", ".default.", ".defaultRequest.", ".sizeLimit"} {
		if strings.Contains(shape+".", of) {
			return true
		}
	}
	return false
}

// shapeOf takes the keys out of a path.
func shapeOf(p string) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '"' && p[i-1] != '\\':
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
			b.WriteByte('[')
		case c == ']':
			depth--
			b.WriteByte(']')
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// related tells whether one path is the other, or lies below it.
func related(a, b string) bool {
	below := func(p, q string) bool {
		return strings.HasPrefix(p, q) && (len(p) == len(q) || p[len(q)] == '.' || p[len(q)] == '[')
	}
	a, b = strings.ReplaceAll(a, " before]", "]"), strings.ReplaceAll(b, " before]", "]")
	return below(a, b) || below(b, a)
}

func paths(fields []Field) (out []string) {
	for _, f := range fields {
		out = append(out, f.Path)
	}
	return out
}

func both(before, after map[string]any) string { return Text(before) + "\n" + Text(after) }

func groupOf(apiVersion string) string {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return ""
	}
	return group
}

// objects decodes one object of each shape in the compiled tree: of those of one kind, the first three.
func objects(t *testing.T) (out []map[string]any) {
	t.Helper()
	n := map[string]int{}
	err := fs.WalkDir(os.DirFS(compiledTree), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || path.Ext(name) != ".yaml" || path.Base(name) == "kustomization.yaml" {
			return err
		}
		data, err := fs.ReadFile(os.DirFS(compiledTree), name)
		if err != nil {
			return err
		}
		var m map[string]any
		if err := yaml.Unmarshal(data, &m); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if k := fmt.Sprint(m["apiVersion"], m["kind"]); n[k] < 3 {
			n[k]++
			out = append(out, m)
		}
		return nil
	})
	if err != nil || len(out) < 50 {
		t.Fatal(len(out), err)
	}
	return out
}

func clone(t *testing.T, m map[string]any) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(Text(m)), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// mutate changes one thing below a value, and gives what the value has become.
func mutate(rng *rand.Rand, name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			if k != "apiVersion" && k != "kind" && (name != "metadata" || k != "name") {
				keys = append(keys, k)
			}
		}
		if len(keys) == 0 {
			return v
		}
		slices.Sort(keys)
		k := keys[rng.IntN(len(keys))]
		if _, deep := v[k].(map[string]any); name != "" && !deep && rng.IntN(6) == 0 {
			delete(v, k)
			return v
		}
		v[k] = mutate(rng, k, v[k])
		return v
	case []any:
		switch n := rng.IntN(5); {
		case len(v) == 0:
			return v
		case n == 0:
			i := rng.IntN(len(v))
			return slices.Delete(slices.Clone(v), i, i+1)
		case n == 1:
			out := slices.Clone(v)
			rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
			return out
		default:
			i := rng.IntN(len(v))
			v[i] = mutate(rng, name, v[i])
			return v
		}
	case string:
		return v + "x"
	case float64:
		return v + 1
	case bool:
		return !v
	default:
		return v
	}
}

// applied gives what reads an object by the schema of its kind as server-side apply does.
func applied(t *testing.T, c *schemas.Catalogue, kubernetes, apiVersion, kind string) *typed.ParseableType {
	t.Helper()
	k, ok := c.Find(kubernetes, apiVersion, kind)
	if !ok {
		return nil
	}
	text, err := c.Schema(k)
	if err != nil {
		t.Fatal(err)
	}
	var r raw
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	s := &schema.Schema{}
	define := func(name string, r *raw) {
		s.Types = append(s.Types, schema.TypeDef{Name: name, Atom: atom(r)})
	}
	for name, d := range r.Definitions {
		define(name, d)
	}
	define("root", &r)
	untyped := schema.Scalar("untyped")
	anything := schema.TypeRef{NamedType: new("anything")}
	s.Types = append(s.Types, schema.TypeDef{Name: "anything", Atom: schema.Atom{
		Scalar: &untyped,
		List:   &schema.List{ElementType: anything, ElementRelationship: schema.Atomic},
		Map:    &schema.Map{ElementType: anything, ElementRelationship: schema.Separable},
	}})
	return &typed.ParseableType{Schema: s, TypeRef: schema.TypeRef{NamedType: new("root")}}
}

func atom(r *raw) schema.Atom {
	ref := func(r *raw) schema.TypeRef {
		if r == nil {
			return schema.TypeRef{NamedType: new("anything")}
		}
		if name, ok := strings.CutPrefix(r.Ref, "#/definitions/"); ok {
			return schema.TypeRef{NamedType: &name}
		}
		return schema.TypeRef{Inlined: atom(r)}
	}
	untyped := schema.Scalar("untyped")
	switch {
	case r.Items != nil && len(r.Keys) > 0:
		return schema.Atom{List: &schema.List{ElementType: ref(r.Items), ElementRelationship: schema.Associative, Keys: r.Keys}}
	case r.Items != nil && r.Unique:
		return schema.Atom{List: &schema.List{ElementType: ref(r.Items), ElementRelationship: schema.Associative}}
	case r.Items != nil:
		return schema.Atom{List: &schema.List{ElementType: ref(r.Items), ElementRelationship: schema.Atomic}}
	case len(r.Properties) > 0:
		m := &schema.Map{ElementRelationship: schema.Separable, ElementType: schema.TypeRef{NamedType: new("anything")}}
		for name, p := range r.Properties {
			f := schema.StructField{Name: name, Type: ref(p)}
			if name == "protocol" {
				f.Default = "TCP" // of ports, as the API server's schema has it and ours has not
			}
			m.Fields = append(m.Fields, f)
		}
		return schema.Atom{Map: m}
	case len(r.Additional) > 0 && r.Additional[0] == '{':
		var a raw
		if json.Unmarshal(r.Additional, &a) != nil {
			return schema.Atom{Scalar: &untyped}
		}
		return schema.Atom{Map: &schema.Map{ElementType: ref(&a), ElementRelationship: schema.Separable}}
	}
	anything := schema.TypeRef{NamedType: new("anything")}
	return schema.Atom{
		Scalar: &untyped,
		List:   &schema.List{ElementType: anything, ElementRelationship: schema.Atomic},
		Map:    &schema.Map{ElementType: anything, ElementRelationship: schema.Separable},
	}
}

// compare gives the paths at which server-side apply sees a difference, written as ours are.
func compare(parse *typed.ParseableType, before, after map[string]any) ([]string, error) {
	b, err := parse.FromUnstructured(before)
	if err != nil {
		return nil, err
	}
	a, err := parse.FromUnstructured(after)
	if err != nil {
		return nil, err
	}
	c, err := b.Compare(a)
	if err != nil {
		return nil, err
	}
	var out []string
	for p := range c.Added.Union(c.Removed).Union(c.Modified).Leaves().All() {
		at := place{}
		for _, e := range p {
			switch {
			case e.FieldName != nil:
				at = at.field(*e.FieldName)
			case e.Key != nil:
				at = at.item(keyText(e), "")
			case e.Value != nil:
				text := Text((*e.Value).Unstructured())
				at = at.item(text, "")
			case e.Index != nil:
				at = at.item(fmt.Sprint(*e.Index), "")
			}
		}
		out = append(out, at.path)
	}
	slices.Sort(out)
	return out, nil
}

func keyText(e fieldpath.PathElement) string {
	var in []string
	for _, k := range *e.Key {
		if v := k.Value.Unstructured(); v != nil {
			in = append(in, k.Name+"="+Text(v))
		}
	}
	return strings.Join(in, ",")
}
