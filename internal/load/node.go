package load

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/generator/spec"
)

// node is one evaluated value, out of CUE's hands. Mistaken fields of a struct are not in it; mistaken elements of lists
// and fields of maps are nil.
type node struct {
	kind   kind   // at most structKind, or bytesKind with base64
	text   string // of strings, numbers and booleans
	fields []nodeField
	elems  []*node
}

type nodeField struct {
	name string
	node *node
}

// get gives a field; nil where there is none, and of nil.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, f := range n.fields {
		if f.name == name {
			return f.node
		}
	}
	return nil
}

// appendJSON writes the node as compact JSON with sorted fields.
func (n *node) appendJSON(b []byte) []byte {
	if n == nil { // mistaken
		return append(b, "null"...)
	}
	switch n.kind {
	case nullKind:
		return append(b, "null"...)
	case stringKind, bytesKind:
		return appendString(b, n.text)
	case listKind:
		b = append(b, '[')
		for i, e := range n.elems {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.appendJSON(b)
		}
		return append(b, ']')
	case structKind:
		fields := slices.Clone(n.fields)
		slices.SortFunc(fields, func(a, b nodeField) int { return strings.Compare(a.name, b.name) })
		b = append(b, '{')
		for i, f := range fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, f.name), ':')
			b = f.node.appendJSON(b)
		}
		return append(b, '}')
	}
	return append(b, n.text...)
}

// appendString writes a JSON string. Invalid UTF-8 cannot come out of CUE.
func appendString(b []byte, s string) []byte {
	plain := func(c rune) bool {
		return c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	if !strings.ContainsFunc(s, func(c rune) bool { return !plain(c) }) {
		return append(append(append(b, '"'), s...), '"')
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string has a JSON form
	}
	return append(b, quoted...)
}

// decode fills a field of a spec. The names of Go's fields are the schema's but for upper and lower case; a map of the
// schema is a slice whose element begins with the name. Where the value was left out, the defaults of a struct that is
// not behind a pointer are filled in. Only a spec that does not mirror the schema can fail, which is a bug.
func decode(n *node, s *shape, dst reflect.Value) error {
	if dst.Type() == reflect.TypeFor[json.RawMessage]() {
		if n != nil {
			dst.SetBytes(n.appendJSON(nil))
		}
		return nil
	}
	if n == nil && dst.Kind() != reflect.Struct {
		return nil
	}
	switch dst.Kind() {
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		return decode(n, s, dst.Elem())
	case reflect.Struct:
		return decodeStruct(n, s, dst)
	case reflect.String: // json.Number too
		dst.SetString(n.text)
	case reflect.Bool:
		dst.SetBool(n.text == "true")
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(n.text, 10, 64)
		if err != nil {
			return err
		}
		dst.SetInt(i)
	case reflect.Slice:
		if s.kind == mapKind {
			return decodeMap(n, s, dst)
		}
		dst.Set(reflect.MakeSlice(dst.Type(), len(n.elems), len(n.elems)))
		for i, e := range n.elems {
			if err := decode(e, s.elem, dst.Index(i)); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("no way to decode into %s", dst.Type())
	}
	return nil
}

func decodeStruct(n *node, s *shape, dst reflect.Value) error {
	for i := range s.fields {
		f := &s.fields[i]
		to := goField(dst, f.name)
		if !to.IsValid() {
			return fmt.Errorf("%s has no field for %s", dst.Type(), f.name)
		}
		value := n.get(f.name)
		if value == nil {
			value = f.dflt
		}
		if err := decode(value, f.shape, to); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// decodeMap fills a slice, sorted by name.
func decodeMap(n *node, s *shape, dst reflect.Value) error {
	fields := slices.Clone(n.fields)
	slices.SortFunc(fields, func(a, b nodeField) int { return strings.Compare(a.name, b.name) })
	dst.Set(reflect.MakeSlice(dst.Type(), len(fields), len(fields)))
	for i, f := range fields {
		to := dst.Index(i)
		to.Field(0).SetString(f.name)
		if s.elem.kind != structKind {
			to = to.Field(1)
		}
		if err := decode(f.node, s.elem, to); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// goField finds the field of a Go struct, or of one embedded in it.
func goField(v reflect.Value, name string) reflect.Value {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case strings.EqualFold(f.Name, name):
			return v.Field(i)
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			if in := goField(v.Field(i), name); in.IsValid() {
				return in
			}
		}
	}
	return reflect.Value{}
}

// complete fills in what one field means for another, which the schema cannot say.
func complete(t *spec.Tenant) {
	for i := range t.Workloads {
		r := &t.Workloads[i].Replicas
		if r.Min == 0 { // it was mistaken
			r.Min = 1
		}
		if r.Max == 0 {
			r.Max = r.Min
		}
	}
}

// hash is that of a spec without its place: the fields that are set, in the order of the Go struct.
func hash(v reflect.Value) string {
	sum := sha256.Sum256(appendSet(nil, v, true))
	return hex.EncodeToString(sum[:])
}

// appendSet writes JSON without the fields that are zero, so that a field that is new in the schema changes no hash
// of the specs that do not use it.
func appendSet(b []byte, v reflect.Value, top bool) []byte {
	switch v.Kind() {
	case reflect.Pointer:
		return appendSet(b, v.Elem(), false)
	case reflect.Struct:
		b = append(b, '{')
		first := true
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if v.Field(i).IsZero() || top && slices.Contains([]string{"Positions", "Dir", "Hash", "Broken"}, f.Name) {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(appendString(b, f.Name), ':')
			b = appendSet(b, v.Field(i), false)
		}
		return append(b, '}')
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			return append(b, v.Bytes()...)
		}
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendSet(b, v.Index(i), false)
		}
		return append(b, ']')
	case reflect.String:
		return appendString(b, v.String())
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	default:
		return strconv.AppendInt(b, v.Int(), 10)
	}
}
