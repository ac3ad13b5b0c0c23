package object

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Marshal writes a Kubernetes object as one YAML document that ends in a newline. It takes what encoding/json takes,
// with the same tags and the same meaning; fields stand in the order the type declares them, save that apiVersion,
// kind and metadata come first and, in metadata, name, namespace, labels and annotations. Keys of maps are sorted.
//
// It is also where objects are normalised, and nothing else does it:
//   - a status at the root, and a null creationTimestamp anywhere, are dropped;
//   - so is a struct (not a pointer to one) that is tagged omitempty and has nothing to say: "strategy: {}";
//   - all other empty mappings and lists stay, for they mean something: "podSelector: {}" selects every pod.
//
// Any other null is a list, a map or a pointer that whoever made the object forgot, and Marshal panics with its path;
// so it does on what has no form in JSON. A null that stands within the output of a json.Marshaler is data, such as a
// chart's value that takes a default away, and is written.
func Marshal(v any) []byte {
	rv := reflect.ValueOf(v)
	if !rv.IsValid() {
		panic("object: Marshal of nil")
	}
	scratch := buffers.Get().(*[]byte)
	defer buffers.Put(scratch)
	e := encoder{typ: rv.Type(), buf: (*scratch)[:0], path: make([]step, 0, 16)}
	if e.value(planOf(e.typ), rv, place{root: true}) == null {
		e.bug("is null")
	}
	*scratch = e.buf
	return bytes.Clone(e.buf)
}

// buffers are where documents are written before an exact copy of each is kept. What is in one when it is taken is never
// read.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4096)) }}

// outcome is what the encoder tells the one who owns the key.
type outcome uint8

const (
	written outcome = iota
	empty           // an empty mapping was written
	null            // nothing was written
)

// encoder writes one document.
type encoder struct {
	typ  reflect.Type // of the object
	buf  []byte
	path []step // to the value being written, for the message of a panic
}

// step is a key, or an index where the key is empty.
type step struct {
	key   string
	index int
}

func (e *encoder) value(p *plan, v reflect.Value, at place) outcome {
	switch p.shape {
	case pointerShape:
		if v.IsNil() {
			return null
		}
		return e.value(p.elem, v.Elem(), at)
	case anyShape:
		if v.IsNil() {
			return null
		}
		v = v.Elem()
		return e.value(planOf(v.Type()), v, at)
	case structShape:
		return e.structure(p, v, at)
	case stringMapShape:
		return e.stringMap(v, at)
	case mapShape:
		return e.mapOf(p, v, at)
	case listShape:
		return e.list(p, v, at)
	case jsonShape:
		return e.json(v, at)
	case timeShape:
		t := addressable(v).Addr().Interface().(*metav1.Time)
		if t.IsZero() {
			return null
		}
		e.text(t.UTC().Format(time.RFC3339), at)
		return written
	case bytesShape:
		if v.IsNil() {
			return null
		}
		e.text(base64.StdEncoding.EncodeToString(v.Bytes()), at)
		return written
	case textShape:
		e.text(textOf(v), at)
		return written
	case stringShape:
		e.text(v.String(), at)
		return written
	case numberShape:
		e.number(cmp.Or(v.String(), "0"), at)
		return written
	case quantityShape:
		// Not String, which writes to what it is called on.
		text, err := addressable(v).Addr().Interface().(*resource.Quantity).MarshalJSON()
		if err != nil {
			e.bug(err.Error())
		}
		e.text(string(text[1:len(text)-1]), at)
		return written
	case durationShape:
		e.text(short(addressable(v).Addr().Interface().(*metav1.Duration).Duration), at)
		return written
	case intOrStringShape:
		if i := addressable(v).Addr().Interface().(*intstr.IntOrString); i.Type == intstr.String {
			e.text(i.StrVal, at)
		} else {
			e.sep(at)
			e.buf = append(strconv.AppendInt(e.buf, int64(i.IntVal), 10), '\n')
		}
		return written
	}
	e.sep(at)
	switch p.shape {
	case boolShape:
		e.buf = strconv.AppendBool(e.buf, v.Bool())
	case intShape:
		e.buf = strconv.AppendInt(e.buf, v.Int(), 10)
	case uintShape:
		e.buf = strconv.AppendUint(e.buf, v.Uint(), 10)
	case floatShape:
		f := v.Float()
		if math.IsInf(f, 0) || math.IsNaN(f) {
			e.bug(fmt.Sprintf("is %v, which JSON cannot say", f))
		}
		e.buf = appendFloat(e.buf, f, p.typ.Bits())
	}
	e.buf = append(e.buf, '\n')
	return written
}

// structure writes a struct.
func (e *encoder) structure(p *plan, v reflect.Value, at place) outcome {
	fields := p.fields
	if at.root {
		fields = p.root
	}
	v = addressable(v)
	m := block{col: at.mapping(), at: at}
	for i := range fields {
		f := &fields[i]
		fv, ok := fieldOf(v, f.index)
		if !ok || f.omitted(fv) {
			continue
		}
		mark, before := len(e.buf), m
		e.open(&m)
		e.buf = append(e.buf, f.key...)
		e.path = append(e.path, step{key: f.name})
		o := e.field(f, fv, place{col: m.col})
		e.checkNull(o, f.name)
		e.path = e.path[:len(e.path)-1]
		if o == null || o == empty && f.dropEmpty {
			e.buf, m = e.buf[:mark], before
		}
	}
	return e.close(m, "{}", empty)
}

// field writes the value of a struct's field; the option "string" makes a scalar's JSON a string.
func (e *encoder) field(f *field, v reflect.Value, at place) outcome {
	switch {
	case !f.quoted:
		return e.value(f.plan, v, at)
	case f.plan.shape == pointerShape && v.IsNil():
		return null
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		e.bug(err.Error())
	}
	e.text(string(text), at)
	return written
}

func fieldOf(v reflect.Value, index []int) (reflect.Value, bool) {
	for i, x := range index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v, true
}

// stringMap writes what most maps are: labels, annotations, a ConfigMap's data.
func (e *encoder) stringMap(v reflect.Value, at place) outcome {
	if v.IsNil() {
		return null
	}
	if t := reflect.TypeFor[map[string]string](); v.Type() != t {
		v = v.Convert(t)
	}
	values := v.Interface().(map[string]string)
	var room [16]string
	keys := room[:0]
	for k := range values {
		keys = append(keys, k)
	}
	e.sortKeys(keys, at)
	m := block{col: at.mapping(), at: at}
	for _, k := range keys {
		if at.root && k == "status" {
			continue
		}
		e.key(&m, k)
		e.text(values[k], place{col: m.col})
	}
	return e.close(m, "{}", empty)
}

// entry is one entry of a map.
type entry struct {
	key   string
	value reflect.Value
}

func (e *encoder) mapOf(p *plan, v reflect.Value, at place) outcome {
	if v.IsNil() {
		return null
	}
	// The values are copied into one slice, where they can have their addresses taken.
	entries := make([]entry, 0, v.Len())
	key, values := reflect.New(p.typ.Key()).Elem(), reflect.MakeSlice(p.slice, v.Len(), v.Len())
	for iter := v.MapRange(); iter.Next(); {
		key.SetIterKey(iter)
		value := values.Index(len(entries))
		value.SetIterValue(iter)
		entries = append(entries, entry{keyOf(key), value})
	}
	order := e.order(at)
	slices.SortFunc(entries, func(a, b entry) int { return compareKeys(order, a.key, b.key) })
	m := block{col: at.mapping(), at: at}
	for _, x := range entries {
		if at.root && x.key == "status" {
			continue
		}
		mark, before := len(e.buf), m
		e.key(&m, x.key)
		e.path = append(e.path, step{key: x.key})
		o := e.value(p.elem, x.value, place{col: m.col})
		e.checkNull(o, x.key)
		e.path = e.path[:len(e.path)-1]
		if o == null {
			e.buf, m = e.buf[:mark], before
		}
	}
	return e.close(m, "{}", empty)
}

func (e *encoder) sortKeys(keys []string, at place) {
	if order := e.order(at); order != "" {
		slices.SortFunc(keys, func(a, b string) int { return compareKeys(order, a, b) })
		return
	}
	slices.Sort(keys)
}

// order gives the keys that come first in a map that stands here: those of an object, or of its metadata.
func (e *encoder) order(at place) string {
	switch {
	case at.root:
		return rootOrder
	case len(e.path) == 1 && e.path[0].key == "metadata":
		return metadataOrder
	}
	return ""
}

func compareKeys(order, a, b string) int {
	if order != "" {
		if d := rank(order, a) - rank(order, b); d != 0 {
			return d
		}
	}
	return strings.Compare(a, b)
}

// keyOf gives a map's key as encoding/json does: a string as it is, then a TextMarshaler's text, then a number.
func keyOf(v reflect.Value) string {
	if v.Kind() == reflect.String {
		return v.String()
	}
	if implements[encoding.TextMarshaler](v.Type()) {
		return textOf(v)
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.FormatUint(v.Uint(), 10)
	}
	panic("object: a map's key of type " + v.Type().String() + " has no form in JSON")
}

// list writes a slice or an array.
func (e *encoder) list(p *plan, v reflect.Value, at place) outcome {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return null
	}
	m := block{col: at.list(), at: at}
	e.path = append(e.path, step{})
	for i := range v.Len() {
		e.open(&m)
		e.buf = append(e.buf, '-')
		e.path[len(e.path)-1].index = i
		e.checkNull(e.value(p.elem, v.Index(i), place{col: m.col, dash: true}), "")
	}
	e.path = e.path[:len(e.path)-1]
	return e.close(m, "[]", written)
}

func textOf(v reflect.Value) string {
	m, ok := v.Interface().(encoding.TextMarshaler)
	if !ok {
		m = addressable(v).Addr().Interface().(encoding.TextMarshaler)
	}
	text, err := m.MarshalText()
	if err != nil {
		panic("object: " + v.Type().String() + ": " + err.Error())
	}
	return string(text)
}

// addressable gives the value itself, or a copy that can have its address taken, for the methods of pointers.
func addressable(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return v
	}
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

const creationTimestamp = "creationTimestamp"

// checkNull panics for a null, except under the one key that API types cannot help writing.
func (e *encoder) checkNull(o outcome, key string) {
	if o == null && key != creationTimestamp {
		e.bug("is null: whoever made the object left it nil")
	}
}

// bug panics: what is at the current path is a mistake of zave's own, not of its user.
func (e *encoder) bug(what string) {
	var path strings.Builder
	path.WriteString("object: " + e.typ.String() + ": ")
	for i, s := range e.path {
		switch {
		case s.key == "":
			fmt.Fprintf(&path, "[%d]", s.index)
		case i == 0:
			path.WriteString(s.key)
		default:
			path.WriteString("." + s.key)
		}
	}
	if len(e.path) > 0 {
		path.WriteByte(' ')
	}
	panic(path.String() + what)
}

// short writes a duration as a person does: "10m" for what time.Duration writes as "10m0s". Both mean the same to every
// reader of Go durations.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
