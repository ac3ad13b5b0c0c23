// Package typed says in which fields two objects of one kind differ, as server-side apply would see it.
//
// Invariants: what the items of a list are matched by comes from the schema of the kind and from nowhere else; a list
// whose order has no meaning is compared as a set, and one whose order has is not; quantities are compared by value;
// fields are sorted by path, and none is below another; a kind without a schema is compared by its structure alone.
package typed

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/internal/check/schemas"
	"github.com/zavestudios/zave/internal/object"
)

// Field is one field that differs, or a whole part of an object that only one side has.
type Field struct {
	Path  string   // spec.template.spec.containers[name="web"].image, metadata.labels["zave.io/tenant"]
	Shape string   // the same for every item: spec.template.spec.containers[].image, metadata.labels.zave.io/tenant
	Keys  []string // the items on the way, outermost first: "web"; of an item without keys its index
	// Before and After are as encoding/json decodes them, and nil where the field is not there. Quantities are canonical.
	Before, After any
}

// Differ compares objects. It reads each kind's schema once, and is safe for concurrent use.
type Differ struct {
	catalogue *schemas.Catalogue
	mu        sync.Mutex
	known     map[string]*node // by the schema's file
}

// New opens the catalogue of schemas. An error means that the binary was built wrongly.
func New() (*Differ, error) {
	c, err := schemas.Open()
	if err != nil {
		return nil, err
	}
	return &Differ{catalogue: c, known: map[string]*node{}}, nil
}

// Kubernetes gives the newest minor that there are schemas for.
func (d *Differ) Kubernetes() string {
	minors := d.catalogue.Kubernetes()
	return minors[len(minors)-1]
}

// Decode reads an object's YAML as encoding/json would read its JSON.
func Decode(o object.Object) (map[string]any, error) {
	var m map[string]any
	if err := yaml.Unmarshal(o.YAML, &m); err != nil {
		return nil, fmt.Errorf("decode %s: %w", o.ID, err)
	}
	return m, nil
}

// Compare gives the fields in which two decoded objects differ, after's kind and version deciding on the schema, for a
// cluster of a Kubernetes minor ("1.34"). A minor that there are no schemas for counts as the newest. What is known is
// false where the kind has no schema.
func (d *Differ) Compare(kubernetes string, before, after map[string]any) (fields []Field, known bool, err error) {
	apiVersion, _ := after["apiVersion"].(string)
	kind, _ := after["kind"].(string)
	root, err := d.schema(kubernetes, apiVersion, kind)
	if err != nil {
		return nil, false, err
	}
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		group = ""
	}
	w := &walk{sets: sets(group, kind)}
	w.mapping(place{}, root, top(before), top(after))
	slices.SortFunc(w.out, func(a, b Field) int { return strings.Compare(a.Path, b.Path) })
	return w.out, root != nil, nil
}

// top leaves out what is no part of a desired object, and what is the same empty as not there at all.
func top(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if k != "status" {
			out[k] = v
		}
	}
	if meta, ok := m["metadata"].(map[string]any); ok {
		kept := make(map[string]any, len(meta))
		for k, v := range meta {
			switch v := v.(type) {
			case map[string]any:
				if len(v) == 0 {
					continue
				}
			case []any:
				if len(v) == 0 {
					continue
				}
			}
			if k != "creationTimestamp" && k != "managedFields" && k != "resourceVersion" && k != "uid" && k != "generation" {
				kept[k] = v
			}
		}
		out["metadata"] = kept
	}
	return out
}

// node is what a schema says of a value.
type node struct {
	properties map[string]*node
	additional *node
	items      *node
	keys       []string // a list whose items are matched by these
	set        bool     // a list of which each item stands once, and nowhere in particular
	quantity   bool
}

// raw is the part of a JSON schema that is read.
type raw struct {
	Ref         string          `json:"$ref"`
	Properties  map[string]*raw `json:"properties"`
	Additional  json.RawMessage `json:"additionalProperties"`
	Items       *raw            `json:"items"`
	Keys        []string        `json:"x-kubernetes-list-map-keys"`
	Unique      bool            `json:"uniqueItems"`
	Format      string          `json:"format"`
	Pattern     string          `json:"pattern"`
	Definitions map[string]*raw `json:"definitions"`
}

func (d *Differ) schema(kubernetes, apiVersion, kind string) (*node, error) {
	k, ok := d.catalogue.Find(kubernetes, apiVersion, kind)
	if !ok {
		if k, ok = d.catalogue.Find(d.Kubernetes(), apiVersion, kind); !ok {
			return nil, nil
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if n, ok := d.known[k.File]; ok {
		return n, nil
	}
	text, err := d.catalogue.Schema(k)
	if err != nil {
		return nil, err
	}
	var r raw
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("schema of %s %s: %w", apiVersion, kind, err)
	}
	n := (&compiler{r.Definitions, map[string]*node{}}).compile(&r)
	d.known[k.File] = n
	return n, nil
}

// compiler resolves the references of one schema. A definition may refer to itself, as JSONSchemaProps does.
type compiler struct {
	definitions map[string]*raw
	done        map[string]*node
}

func (c *compiler) compile(r *raw) *node {
	if r == nil {
		return nil
	}
	if name, ok := strings.CutPrefix(r.Ref, "#/definitions/"); ok {
		n, ok := c.done[name]
		if !ok {
			n = &node{}
			c.done[name] = n
			if to := c.definitions[name]; to != nil {
				*n = *c.compile(to)
			}
		}
		return n
	}
	n := &node{
		keys: r.Keys, set: r.Unique,
		// What controller-gen gives a field of the Go type Quantity.
		quantity: r.Format == "quantity" || strings.HasPrefix(r.Pattern, `^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)`),
		items:    c.compile(r.Items),
	}
	if len(r.Properties) > 0 {
		n.properties = make(map[string]*node, len(r.Properties))
		for name, p := range r.Properties {
			n.properties[name] = c.compile(p)
		}
	}
	if len(r.Additional) > 0 && r.Additional[0] == '{' {
		var a raw
		if json.Unmarshal(r.Additional, &a) == nil {
			n.additional = c.compile(&a)
		}
	}
	return n
}

func (n *node) field(name string) *node {
	if n == nil {
		return nil
	}
	if p, ok := n.properties[name]; ok {
		return p
	}
	return n.additional
}

func (n *node) item() *node {
	if n == nil {
		return nil
	}
	return n.items
}

// place is where in an object a value stands.
type place struct {
	path, shape string
	keys        []string
}

func (p place) field(name string) place {
	if p.path == "" {
		return place{name, name, nil}
	}
	out := place{p.path + "." + name, p.shape + "." + name, p.keys}
	if !plain(name) {
		out.path = p.path + "[" + Text(name) + "]"
	}
	return out
}

// plain tells whether a name can stand in a path as it is.
func plain(name string) bool {
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '$':
		default:
			return false
		}
	}
	return name != ""
}

// item is one of a list's: by what identifies it within the brackets, and by its key.
func (p place) item(in, key string) place {
	return place{p.path + "[" + in + "]", p.shape + "[]", append(slices.Clip(p.keys), key)}
}

// Text is a value as JSON on one line, with "<" and its like as they are.
func Text(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// walk goes through two objects at once.
type walk struct {
	sets func(shape string) bool
	out  []Field
}

func (w *walk) report(p place, n *node, before, after any) {
	w.out = append(w.out, Field{p.path, p.shape, p.keys, w.clean(p.shape, n, before), w.clean(p.shape, n, after)})
}

func (w *walk) value(p place, n *node, before, after any) {
	if before == nil || after == nil {
		if before != nil || after != nil {
			w.report(p, n, before, after)
		}
		return
	}
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			w.mapping(p, n, b, a)
			return
		}
	case []any:
		if a, ok := after.([]any); ok {
			w.list(p, n, b, a)
			return
		}
	}
	if w.canon(p.shape, n, before) != w.canon(p.shape, n, after) {
		w.report(p, n, before, after)
	}
}

func (w *walk) mapping(p place, n *node, before, after map[string]any) {
	// One that is there and empty is another than none: a selector, a volume.
	for name, b := range before {
		w.value(p.field(name), n.field(name), b, after[name])
	}
	for name, a := range after {
		if before[name] == nil {
			w.value(p.field(name), n.field(name), nil, a)
		}
	}
}

func (w *walk) list(p place, n *node, before, after []any) {
	switch {
	case n != nil && len(n.keys) > 0 && w.keyed(p, n, before, after):
	case n != nil && n.set || w.sets(p.shape):
		w.unordered(p, n, before, after)
	default:
		w.ordered(p, n, before, after)
	}
}

// keyed matches items by their keys. It does nothing and says so where a side has two items of the same keys or one
// that is no mapping: server-side apply would refuse that list.
func (w *walk) keyed(p place, n *node, before, after []any) bool {
	b, bOrder, ok := byKeys(n.keys, before)
	if !ok {
		return false
	}
	a, aOrder, ok := byKeys(n.keys, after)
	if !ok {
		return false
	}
	for _, k := range bOrder {
		var other any
		if v, ok := a[k.in]; ok {
			other = v
		}
		w.value(p.item(k.in, k.key), n.items, b[k.in], other)
	}
	for _, k := range aOrder {
		if _, ok := b[k.in]; !ok {
			w.value(p.item(k.in, k.key), n.items, nil, a[k.in])
		}
	}
	if strings.HasSuffix(p.shape, ".initContainers") && len(bOrder) == len(aOrder) {
		// The one such list that is worked through in its order (Kubernetes, "Init Containers").
		same := func(x, y itemKey) bool { return x.in == y.in }
		if !slices.EqualFunc(bOrder, aOrder, same) && len(b) == len(a) && allIn(bOrder, a) {
			w.report(p, n, names(bOrder), names(aOrder))
		}
	}
	return true
}

func allIn(order []itemKey, in map[string]map[string]any) bool {
	return !slices.ContainsFunc(order, func(k itemKey) bool { _, ok := in[k.in]; return !ok })
}

func names(order []itemKey) []any {
	out := make([]any, 0, len(order))
	for _, k := range order {
		out = append(out, k.key)
	}
	return out
}

type itemKey struct {
	in  string // name="web"
	key string // web
}

func byKeys(keys []string, list []any) (map[string]map[string]any, []itemKey, bool) {
	out := make(map[string]map[string]any, len(list))
	order := make([]itemKey, 0, len(list))
	for _, v := range list {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, nil, false
		}
		var in, short []string
		for _, k := range keys {
			v := m[k]
			if v == nil && k == "protocol" {
				v = "TCP" // the only key with a default (Container.ports, Service.ports)
			}
			if v == nil {
				continue
			}
			text := Text(v)
			in = append(in, k+"="+text)
			if s, ok := v.(string); ok {
				text = s
			}
			short = append(short, text)
		}
		k := itemKey{strings.Join(in, ","), strings.Join(short, "/")}
		if _, twice := out[k.in]; twice {
			return nil, nil, false
		}
		out[k.in] = m
		order = append(order, k)
	}
	return out, order, true
}

// element is an item of a list that has no keys.
type element struct {
	index int
	value any
	canon string
}

func (w *walk) elements(p place, n *node, list []any) []element {
	out := make([]element, 0, len(list))
	for i, v := range list {
		out = append(out, element{i, v, w.canon(p.shape+"[]", n.item(), v)})
	}
	return out
}

// unordered compares two lists as sets: what both have is the same, and what is left is paired by what it has in common.
func (w *walk) unordered(p place, n *node, before, after []any) {
	b, a := w.elements(p, n, before), w.elements(p, n, after)
	count := map[string]int{}
	for _, e := range a {
		count[e.canon]++
	}
	b = slices.DeleteFunc(b, func(e element) bool {
		if count[e.canon] == 0 {
			return false
		}
		count[e.canon]--
		return true
	})
	rest := a[:0:0]
	for i := len(a) - 1; i >= 0; i-- { // the last ones of several alike are the ones that are new
		if count[a[i].canon] > 0 {
			count[a[i].canon]--
			rest = append(rest, a[i])
		}
	}
	slices.Reverse(rest)
	w.pairs(p, n, b, rest, true)
}

// ordered compares two lists item by item, along the longest sequence that both have.
func (w *walk) ordered(p place, n *node, before, after []any) {
	b, a := w.elements(p, n, before), w.elements(p, n, after)
	if scalars(before) && scalars(after) || len(before) == 0 || len(after) == 0 {
		if !slices.EqualFunc(b, a, func(x, y element) bool { return x.canon == y.canon }) {
			w.report(p, n, before, after)
		}
		return
	}
	for len(b) > 0 && len(a) > 0 && b[0].canon == a[0].canon {
		b, a = b[1:], a[1:]
	}
	for len(b) > 0 && len(a) > 0 && b[len(b)-1].canon == a[len(a)-1].canon {
		b, a = b[:len(b)-1], a[:len(a)-1]
	}
	if len(b)*len(a) > 1<<20 {
		w.report(p, n, before, after)
		return
	}
	start := len(w.out)
	i, j := 0, 0
	for _, m := range append(common(b, a), [2]int{len(b), len(a)}) {
		w.pairs(p, n, b[i:m[0]], a[j:m[1]], false)
		i, j = m[0]+1, m[1]+1
	}
	// Two items that changed places can come out as the same field twice.
	seen := map[string]bool{}
	for _, f := range w.out[start:] {
		if seen[f.Path] {
			w.out = w.out[:start]
			w.report(p, n, before, after)
			return
		}
		seen[f.Path] = true
	}
}

func scalars(list []any) bool {
	for _, v := range list {
		switch v.(type) {
		case map[string]any, []any:
			return false
		}
	}
	return true
}

// common gives the indices of the longest common subsequence.
func common(b, a []element) (out [][2]int) {
	long := make([][]int, len(b)+1)
	for i := range long {
		long[i] = make([]int, len(a)+1)
	}
	for i := len(b) - 1; i >= 0; i-- {
		for j := len(a) - 1; j >= 0; j-- {
			if b[i].canon == a[j].canon {
				long[i][j] = long[i+1][j+1] + 1
			} else {
				long[i][j] = max(long[i+1][j], long[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(b) && j < len(a); {
		switch {
		case b[i].canon == a[j].canon:
			out = append(out, [2]int{i, j})
			i, j = i+1, j+1
		case long[i+1][j] >= long[i][j+1]:
			i++
		default:
			j++
		}
	}
	return out
}

// pairs compares what is left of two lists: items that are alike with one another, the others as gone and new.
func (w *walk) pairs(p place, n *node, before, after []element, set bool) {
	at := func(e element) place {
		switch e.value.(type) {
		case map[string]any, []any:
			i := strconv.Itoa(e.index)
			return p.item(i, i)
		}
		if s, ok := e.value.(string); ok && set {
			return p.item(Text(s), s)
		}
		if set {
			return p.item(e.canon, e.canon)
		}
		i := strconv.Itoa(e.index)
		return p.item(i, i)
	}
	used := make([]bool, len(after))
	var gone []element
	for k, b := range before {
		best, most := -1, 0
		for j, a := range after {
			if used[j] {
				continue
			}
			score := w.alike(b.value, a.value)
			if len(before) == 1 && len(after) == 1 || !set && k == j {
				score++
			}
			if score > most {
				best, most = j, score
			}
		}
		_, isMap := b.value.(map[string]any)
		if best < 0 || !isMap {
			gone = append(gone, b)
			continue
		}
		if _, isMap := after[best].value.(map[string]any); !isMap {
			gone = append(gone, b)
			continue
		}
		used[best] = true
		w.value(at(after[best]), n.item(), b.value, after[best].value)
	}
	taken := map[string]bool{}
	for j, a := range after {
		if !used[j] {
			w.report(at(a), n.item(), nil, a.value)
		}
		taken[at(a).path] = true
	}
	for _, b := range gone {
		q := at(b)
		if taken[q.path] {
			q.path = strings.TrimSuffix(q.path, "]") + " before]"
		}
		w.report(q, n.item(), b.value, nil)
	}
}

// alike counts the fields that two mappings have in common.
func (w *walk) alike(x, y any) (n int) {
	a, ok := x.(map[string]any)
	if !ok {
		return 0
	}
	b, ok := y.(map[string]any)
	if !ok {
		return 0
	}
	for k, v := range a {
		if o, ok := b[k]; ok {
			n++
			if Text(v) == Text(o) {
				n += 2
			}
		}
	}
	return n
}

// canon is a text that two values have in common exactly where they mean the same.
func (w *walk) canon(shape string, n *node, v any) string {
	var b strings.Builder
	w.write(&b, shape, n, v)
	return b.String()
}

func (w *walk) write(b *strings.Builder, shape string, n *node, v any) {
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for k, f := range v {
			if f != nil {
				names = append(names, k)
			}
		}
		slices.Sort(names)
		b.WriteByte('{')
		for _, k := range names {
			b.WriteString(Text(k))
			b.WriteByte(':')
			w.write(b, shape+"."+k, n.field(k), v[k])
			b.WriteByte(',')
		}
		b.WriteByte('}')
	case []any:
		items := make([]string, 0, len(v))
		for _, i := range v {
			items = append(items, w.canon(shape+"[]", n.item(), i))
		}
		if n != nil && (n.set || len(n.keys) > 0 && !strings.HasSuffix(shape, ".initContainers")) || w.sets(shape) {
			slices.Sort(items)
		}
		b.WriteString("[" + strings.Join(items, ",") + "]")
	default:
		b.WriteString(Text(canonical(n, v)))
	}
}

// clean gives a value as a report shows it.
func (w *walk) clean(shape string, n *node, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, f := range v {
			if f != nil {
				out[k] = w.clean(shape+"."+k, n.field(k), f)
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, i := range v {
			out = append(out, w.clean(shape+"[]", n.item(), i))
		}
		return out
	default:
		return canonical(n, v)
	}
}

// canonical gives a quantity as the API server writes it, and other values as they are.
func canonical(n *node, v any) any {
	if n == nil || !n.quantity {
		return v
	}
	text, ok := v.(string)
	if !ok {
		text = Text(v)
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return v
	}
	return q.String()
}
