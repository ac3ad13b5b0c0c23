package object

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// shape is how a value of a type is written.
type shape uint8

const (
	boolShape shape = iota
	intShape
	uintShape
	floatShape
	stringShape
	numberShape // json.Number
	bytesShape  // base64, as in encoding/json
	listShape
	stringMapShape // map[string]string or a type made of it
	mapShape
	structShape
	pointerShape
	anyShape
	quantityShape
	durationShape
	timeShape
	intOrStringShape
	jsonShape // json.Marshaler
	textShape // encoding.TextMarshaler
)

// plan is what the encoder has to know about a type, found out once.
type plan struct {
	typ   reflect.Type
	shape shape
	elem  *plan        // of a list, a map or a pointer
	slice reflect.Type // of a map: a slice of its values

	fields []field // of a struct, in the order they are written
	root   []field // the same at the root of a document: apiVersion, kind, metadata first, and no status
}

// field is one key of a struct, embedded structs flattened.
type field struct {
	name      string
	key       string // the name as a YAML key
	index     []int
	plan      *plan
	tagged    bool
	omitEmpty bool
	omitZero  bool
	quoted    bool                     // the option "string"
	dropEmpty bool                     // a struct, not a pointer to one, tagged omitempty
	isZero    func(reflect.Value) bool // of omitzero, where the type has an IsZero of its own
}

// plans holds a *plan for each reflect.Type met so far. It is the one package variable that changes: a plan is a
// function of its type alone, so it can only ever hold one value for a key, and no result depends on what is in it.
var plans sync.Map

// planOf gives the plan of a type. Types that contain themselves are fine.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	// A plan is published when all that it points to is complete; two goroutines may build the same one, to no harm.
	building := make(map[reflect.Type]*plan)
	p := buildPlan(t, building)
	for t, p := range building {
		plans.LoadOrStore(t, p)
	}
	return p
}

func buildPlan(t reflect.Type, building map[reflect.Type]*plan) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	if p := building[t]; p != nil {
		return p
	}
	p := &plan{typ: t}
	building[t] = p
	p.shape = shapeOf(t)
	switch p.shape {
	case listShape, mapShape, pointerShape:
		p.elem = buildPlan(t.Elem(), building)
		if p.shape == mapShape {
			p.slice = reflect.SliceOf(t.Elem())
		}
	case structShape:
		p.fields = dominant(collect(t, nil, building))
		arrange(p.fields, order(t))
		p.root = slices.DeleteFunc(slices.Clone(p.fields), func(f field) bool { return f.name == "status" })
		arrange(p.root, rootOrder)
	}
	return p
}

func shapeOf(t reflect.Type) shape {
	switch t {
	case reflect.TypeFor[json.Number]():
		return numberShape
	case reflect.TypeFor[resource.Quantity]():
		return quantityShape
	case reflect.TypeFor[metav1.Duration]():
		return durationShape
	case reflect.TypeFor[metav1.Time]():
		return timeShape
	case reflect.TypeFor[intstr.IntOrString]():
		return intOrStringShape
	}
	// A pointer goes through its element's plan, so that the special cases above are met there; so does an
	// interface, whose nil must not be called.
	switch t.Kind() {
	case reflect.Pointer:
		return pointerShape
	case reflect.Interface:
		return anyShape
	}
	switch {
	case implements[json.Marshaler](t):
		return jsonShape
	case implements[encoding.TextMarshaler](t):
		return textShape
	}
	switch t.Kind() {
	case reflect.Bool:
		return boolShape
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return intShape
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return uintShape
	case reflect.Float32, reflect.Float64:
		return floatShape
	case reflect.String:
		return stringShape
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && !implements[json.Marshaler](t.Elem()) && !implements[encoding.TextMarshaler](t.Elem()) {
			return bytesShape
		}
		return listShape
	case reflect.Array:
		return listShape
	case reflect.Map:
		if t.ConvertibleTo(reflect.TypeFor[map[string]string]()) {
			return stringMapShape
		}
		return mapShape
	case reflect.Struct:
		return structShape
	}
	panic("object: a value of type " + t.String() + " has no form in JSON")
}

// implements tells whether a T or a pointer to one has the interface's methods. The encoder makes every value
// addressable, so a method of the pointer always counts; encoding/json would look at where the value stands.
func implements[I any](t reflect.Type) bool {
	i := reflect.TypeFor[I]()
	return t.Implements(i) || reflect.PointerTo(t).Implements(i)
}

// collect lists the fields of a struct in declaration order, with those of embedded structs in their place.
func collect(t reflect.Type, index []int, building map[reflect.Type]*plan) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		ft := sf.Type
		if sf.Anonymous && ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		tag := sf.Tag.Get("json")
		if tag == "-" || !sf.IsExported() && !(sf.Anonymous && ft.Kind() == reflect.Struct) {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		at := append(slices.Clone(index), i)
		if sf.Anonymous && name == "" && ft.Kind() == reflect.Struct {
			out = append(out, collect(ft, at, building)...)
			continue
		}
		f := field{name: name, index: at, tagged: name != "", plan: buildPlan(sf.Type, building)}
		if name == "" {
			f.name = sf.Name
		}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				f.omitEmpty = true
			case "omitzero":
				f.omitZero = true
			case "string":
				q := f.plan
				if q.shape == pointerShape {
					q = q.elem
				}
				f.quoted = q.shape <= numberShape
			}
		}
		f.key = string(appendString(nil, f.name)) + ":"
		f.dropEmpty = f.omitEmpty && f.plan.shape == structShape
		if f.omitZero {
			f.isZero = zeroFunc(sf.Type)
		}
		out = append(out, f)
	}
	return out
}

// dominant settles which of several fields of one name is meant, by the rules of encoding/json: the one embedded
// least deeply, then the one with a tag; where that leaves two, none.
func dominant(all []field) []field {
	best := make(map[string][]field)
	for _, f := range all {
		best[f.name] = append(best[f.name], f)
	}
	return slices.DeleteFunc(all, func(f field) bool {
		return slices.ContainsFunc(best[f.name], func(g field) bool {
			switch {
			case slices.Equal(f.index, g.index):
				return false
			case len(f.index) != len(g.index):
				return len(g.index) < len(f.index)
			default:
				return g.tagged || !f.tagged
			}
		})
	})
}

type zeroer interface{ IsZero() bool }

func zeroFunc(t reflect.Type) func(reflect.Value) bool {
	switch {
	case t.Kind() == reflect.Pointer && t.Implements(reflect.TypeFor[zeroer]()):
		return func(v reflect.Value) bool { return v.IsNil() || v.Interface().(zeroer).IsZero() }
	case t.Kind() != reflect.Interface && implements[zeroer](t):
		return func(v reflect.Value) bool { return v.Addr().Interface().(zeroer).IsZero() }
	}
	return reflect.Value.IsZero
}

// omitted tells whether a field's value is left out by its tag.
func (f *field) omitted(v reflect.Value) bool {
	if f.omitZero && f.isZero(v) {
		return true
	}
	if !f.omitEmpty {
		return false
	}
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Map, reflect.Array:
		return v.Len() == 0
	case reflect.Pointer, reflect.Interface:
		return v.IsNil()
	case reflect.Bool:
		return !v.Bool()
	case reflect.Struct:
		return false
	default:
		return v.IsZero()
	}
}
