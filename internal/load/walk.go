package load

import (
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"

	"github.com/zavestudios/zave/internal/source"
)

// walker reads one evaluated spec against its shape: it gives the spec as nodes and reports what is wrong with it.
type walker struct {
	*reporter
	loose bool          // the value is what was written alone; the schema is not in it
	truth cue.Value     // the same with the schema: where a loose value is open, it may know more
	holes []source.Span // places that were reported and replaced by "_"
}

// value reads one value. It is nil where there is none to go on with, which was then reported.
func (w *walker) value(v cue.Value, s *shape, path []string) *node {
	v, _ = v.Default()
	k := v.Kind()
	if k == cue.BottomKind {
		return w.bottom(v, s, path)
	}
	if k == cue.StructKind && s.kind >= structKind || k == cue.ListKind && (s.kind == listKind || s.kind == anyKind) {
		return w.children(v, s, path, k == cue.ListKind)
	}
	n := w.scalar(v, k, path)
	if n == nil {
		return nil
	}
	return w.check(n, s, path, v)
}

// scalar reads anything, whatever was wanted.
func (w *walker) scalar(v cue.Value, k cue.Kind, path []string) *node {
	switch k {
	case cue.StringKind:
		text, err := v.String()
		if err != nil {
			w.evaluation(err, path)
			return nil
		}
		return &node{kind: stringKind, text: text}
	case cue.StructKind:
		return &node{kind: structKind}
	case cue.ListKind:
		return &node{kind: listKind}
	case cue.NullKind:
		return &node{kind: nullKind}
	}
	b, err := v.MarshalJSON()
	if err != nil {
		w.evaluation(err, path)
		return nil
	}
	switch {
	case k == cue.BoolKind:
		return &node{kind: boolKind, text: string(b)}
	case k == cue.IntKind:
		return &node{kind: intKind, text: string(b)}
	case k == cue.BytesKind:
		text, _ := strconv.Unquote(string(b)) // base64
		return &node{kind: bytesKind, text: text}
	}
	return &node{kind: numberKind, text: string(b)}
}

// bottom reads a value that is an error, holds one, or is not concrete.
func (w *walker) bottom(v cue.Value, s *shape, path []string) *node {
	err := v.Err()
	arcs := fields(v)
	if len(arcs) == 0 && incomplete(v) {
		return w.open(v, s, path)
	}
	own := len(arcs) == 0
	for _, e := range errors.Errors(err) {
		if !slices.Equal(e.Path(), cuePath(v)) && !(len(path) == 0 && len(e.Path()) == 0) {
			continue // it is reported at the value it belongs to
		}
		if w.knows(v, e) {
			own = true
			continue
		}
		w.evaluation(e, path)
		own = true
	}
	if len(arcs) > 0 {
		isList := arcs[0].sel.LabelType() == cue.IndexLabel
		if s.kind == anyKind || isList == (s.kind == listKind) && s.kind >= listKind {
			return w.children(v, s, path, isList)
		}
		if !own {
			k := structKind
			if isList {
				k = listKind
			}
			return w.check(&node{kind: k}, s, path, v)
		}
	}
	return nil
}

// open reports a value that is not concrete, unless the schema's defaults close it.
func (w *walker) open(v cue.Value, s *shape, path []string) *node {
	if w.truth.Exists() {
		t, _ := w.truth.LookupPath(v.Path()).Default()
		switch {
		case !t.Exists():
		case t.Err() == nil && t.IsConcrete():
			sure := *w
			sure.loose, sure.truth = false, cue.Value{}
			return sure.value(t, s, path)
		case t.Err() != nil && !incomplete(t):
			w.evaluation(errors.Errors(t.Err())[0], path)
			return nil
		}
	}
	at := w.place(path, v)
	if slices.ContainsFunc(w.holes, func(h source.Span) bool { return h == at || within(h, at) }) {
		return nil
	}
	w.notConcrete(v, s, path, at)
	return nil
}

// knows tells whether an error of a loose value is only that it waits for a default of the schema, which the truth has.
func (w *walker) knows(v cue.Value, e errors.Error) bool {
	text := oneLine(e)
	if !w.truth.Exists() || !strings.Contains(text, "non-concrete") && !strings.Contains(text, "requires concrete") {
		return false
	}
	for _, t := range errors.Errors(w.truth.LookupPath(v.Path()).Err()) {
		if oneLine(t) == text {
			return false
		}
	}
	return true
}

// incomplete tells a value that is open, for want of something, from one that is wrong.
func incomplete(v cue.Value) bool { return v.Validate() == nil }

// arc is a field or element of a value.
type arc struct {
	sel   cue.Selector
	value cue.Value
}

// fields lists the fields or elements of a value, even of one that holds errors: which is what asking for definitions
// does. Hidden ones and definitions are among them.
func fields(v cue.Value) []arc {
	it, err := v.Fields(cue.Definitions(true), cue.Hidden(true), cue.Optional(false))
	if err != nil {
		return nil
	}
	var out []arc
	for it.Next() {
		out = append(out, arc{it.Selector(), it.Value()})
	}
	return out
}

// children reads a struct or a list.
func (w *walker) children(v cue.Value, s *shape, path []string, isList bool) *node {
	n := &node{kind: structKind}
	if isList {
		n.kind = listKind
	}
	var arcs []arc
	switch {
	case w.loose:
		arcs = fields(v)
	case isList:
		it, err := v.List()
		if err != nil {
			w.evaluation(err, path)
			return nil
		}
		for it.Next() {
			arcs = append(arcs, arc{cue.Selector{}, it.Value()})
		}
	default:
		it, err := v.Fields()
		if err != nil {
			w.evaluation(err, path)
			return nil
		}
		for it.Next() {
			arcs = append(arcs, arc{it.Selector(), it.Value()})
		}
	}
	present := make([]string, 0, len(arcs))
	for i, a := range arcs {
		if isList {
			elem := s.elem
			if elem == nil {
				elem = &shape{kind: anyKind}
			}
			// A mistaken element stays as nil: the others keep their places.
			n.elems = append(n.elems, w.value(a.value, elem, append(path, strconv.Itoa(i))))
			continue
		}
		if a.sel.LabelType() != cue.StringLabel {
			w.hidden(a.value, append(path, a.sel.String()))
			continue
		}
		name := a.sel.Unquoted()
		present = append(present, name)
		below := append(path, name)
		elem := w.elem(s, name, below, a.value)
		if elem == nil {
			continue
		}
		if child := w.value(a.value, elem, below); child != nil || s.kind != structKind {
			n.fields = append(n.fields, nodeField{name, child})
		}
	}
	if isList {
		w.twice(n, s, path, arcs)
	}
	if isList && s.filled && len(arcs) == 0 {
		w.emptyList(path)
	}
	for i := range s.fields {
		f := &s.fields[i]
		if slices.Contains(present, f.name) {
			continue
		}
		if f.required {
			w.missing(f, s, path)
		}
		if f.dflt != nil {
			n.fields = append(n.fields, nodeField{f.name, f.dflt})
		}
	}
	return n
}

// elem finds what a field may be, and reports one that may not be there.
func (w *walker) elem(s *shape, name string, path []string, v cue.Value) *shape {
	switch s.kind {
	case structKind:
		if f := s.field(name); f != nil {
			return f.shape
		}
		w.unknown(s, name, path, w.keyPlace(path, v))
		return nil
	case mapKind:
		w.checkKey(s, name, path)
		return s.elem
	}
	return &shape{kind: anyKind}
}

// hidden looks for CUE's own errors in what is no part of the data.
func (w *walker) hidden(v cue.Value, path []string) {
	if v.Err() == nil || len(path) > maxDepth {
		return
	}
	for _, e := range errors.Errors(v.Err()) {
		if slices.Equal(e.Path(), cuePath(v)) && !incomplete(v) {
			w.evaluation(e, path)
		}
	}
	for _, a := range fields(v) {
		w.hidden(a.value, append(path, a.sel.String()))
	}
}

// cuePath is a value's path in the form of an error's.
func cuePath(v cue.Value) []string {
	var out []string
	for _, s := range v.Path().Selectors() {
		out = append(out, s.String())
	}
	return out
}

// place is where the value at a path was written: the field itself, what a reference on the way to it stands for, or
// the nearest thing above.
func (w *walker) place(path []string, v cue.Value) source.Span {
	if len(path) == 0 {
		return w.pos.root
	}
	if e := w.pos.find(path); e != nil {
		return w.pos.span(e.value)
	}
	if v.Exists() {
		if n := v.Source(); n != nil {
			if f, ok := n.(*ast.Field); ok {
				n = f.Value
			}
			if s := spanOf(n); w.owns(s) {
				return s
			}
		}
		if s := spanAt(v.Pos()); w.owns(s) {
			return s
		}
	}
	return w.pos.At(path...)
}

// keyPlace is the same for a field's name.
func (w *walker) keyPlace(path []string, v cue.Value) source.Span {
	if e := w.pos.find(path); e != nil {
		return w.pos.span(e.key)
	}
	if f, ok := v.Source().(*ast.Field); ok {
		if s := spanOf(f.Label); w.owns(s) {
			return s
		}
	}
	return w.pos.Key(path...)
}

// owns tells whether a place lies in the spec's own files.
func (w *walker) owns(s source.Span) bool { return slices.Contains(w.pos.files, s.File) }

// join writes a path as people do.
func join(path []string) string {
	var b strings.Builder
	for i, p := range path {
		if i > 0 {
			b.WriteByte('.')
		}
		if !ast.IsValidIdent(p) && !isIndex(p) {
			p = strconv.Quote(p)
		}
		b.WriteString(p)
	}
	return b.String()
}

func isIndex(p string) bool {
	_, err := strconv.Atoi(p)
	return err == nil
}
