package load

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// shape is one type of the schema, read off its syntax: what may stand at a place, and how to say so. CUE decides what
// is right; shapes say what is wrong, because CUE's own messages point into the schema and stop at the first mistake.
type shape struct {
	kind kind
	name string // of the definition, "#Digest"; empty where the type has none
	doc  string // the definition's comment without its final stop: a noun phrase for the scalars of types.cue

	fields []fieldShape // structs
	key    *shape       // maps
	elem   *shape       // maps and lists
	filled bool         // lists: must not be empty

	pattern *regexp.Regexp // strings
	enum    []string       // strings, in the schema's order
	bounds  []bound        // numbers
}

// fieldShape is one field of a struct.
type fieldShape struct {
	name     string
	required bool
	doc      string // its comment: a sentence that begins with the name
	dflt     *node  // nil: none
	*shape
}

// bound limits a number.
type bound struct {
	op token.Token // >=, >, <= or <
	n  float64
}

// kind is the sort of value.
type kind uint8

const (
	nullKind kind = iota
	boolKind
	intKind
	numberKind
	stringKind
	listKind
	structKind
	mapKind  // a struct whose names are free
	openKind // any struct
	anyKind  // anything at all, below an open struct
	bytesKind
)

// article gives the kind in words.
func (k kind) article() string {
	return [...]string{"null", "true or false", "a whole number", "a number", "a string", "a list", "a struct", "a struct", "a struct", "anything", "bytes"}[k]
}

// field finds a field by its name.
func (s *shape) field(name string) *fieldShape {
	for i := range s.fields {
		if s.fields[i].name == name {
			return &s.fields[i]
		}
	}
	return nil
}

// names are those of all fields, in the schema's order.
func (s *shape) names() []string {
	out := make([]string, len(s.fields))
	for i, f := range s.fields {
		out[i] = f.name
	}
	return out
}

// shapes are the definitions of the schema, by name.
type shapes map[string]*shape

// names are sorted.
func (s shapes) names() []string {
	var out []string
	for n := range s {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// readShapes reads all definitions. It understands the flat part of CUE that the schema keeps to, and refuses the
// rest, so that a shape never says less than the schema does.
func readShapes(files []file) (shapes, error) {
	r := shapeReader{decls: map[string]*ast.Field{}, done: shapes{}}
	var order []string
	for _, f := range files {
		parsed, err := parser.ParseFile(f.path, f.data, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range parsed.Decls {
			field, ok := d.(*ast.Field)
			if !ok {
				continue
			}
			name, _, err := ast.LabelName(field.Label)
			if err != nil || !strings.HasPrefix(name, "#") {
				return nil, fmt.Errorf("%s: not a definition", field.Pos())
			}
			r.decls[name] = field
			order = append(order, name)
		}
	}
	for _, name := range order {
		if _, err := r.definition(name); err != nil {
			return nil, err
		}
	}
	return r.done, nil
}

type shapeReader struct {
	decls map[string]*ast.Field
	done  shapes
}

func (r *shapeReader) definition(name string) (*shape, error) {
	if s := r.done[name]; s != nil {
		return s, nil
	}
	field := r.decls[name]
	if field == nil {
		return nil, fmt.Errorf("no definition %s", name)
	}
	s := &shape{}
	r.done[name] = s // before its fields, which may refer to it
	got, dflt, err := r.expr(field.Value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if dflt != nil {
		return nil, fmt.Errorf("%s: a definition with a default", name)
	}
	*s = *got
	s.name, s.doc = name, strings.TrimSuffix(comment(field), ".")
	return s, nil
}

// expr reads a type and its default.
func (r *shapeReader) expr(e ast.Expr) (*shape, *node, error) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return r.expr(e.X)
	case *ast.Ident:
		if strings.HasPrefix(e.Name, "#") {
			s, err := r.definition(e.Name)
			return s, nil, err
		}
		k, ok := map[string]kind{"string": stringKind, "int": intKind, "number": numberKind, "bool": boolKind}[e.Name]
		if !ok {
			return nil, nil, fmt.Errorf("%s: %s is not understood", e.Pos(), e.Name)
		}
		return &shape{kind: k}, nil, nil
	case *ast.BasicLit:
		n, err := scalar(e)
		if err != nil || n.kind != stringKind {
			return nil, nil, fmt.Errorf("%s: a literal that is not a string", e.Pos())
		}
		return &shape{kind: stringKind, enum: []string{n.text}}, nil, nil
	case *ast.UnaryExpr:
		return r.constraint(e)
	case *ast.BinaryExpr:
		if e.Op == token.OR {
			return r.alternatives(e)
		}
		a, _, err := r.expr(e.X)
		if err != nil {
			return nil, nil, err
		}
		b, _, err := r.expr(e.Y)
		if err != nil {
			return nil, nil, err
		}
		if e.Op != token.AND || a.kind > numberKind || b.kind != numberKind {
			return nil, nil, fmt.Errorf("%s: only numbers and their bounds are unified", e.Pos())
		}
		s := *a
		s.bounds = append(slices.Clone(a.bounds), b.bounds...)
		return &s, nil, nil
	case *ast.ListLit:
		return r.list(e)
	case *ast.StructLit:
		s, err := r.structure(e)
		return s, nil, err
	}
	return nil, nil, fmt.Errorf("%s: %T is not understood", e.Pos(), e)
}

func (r *shapeReader) constraint(e *ast.UnaryExpr) (*shape, *node, error) {
	lit, ok := e.X.(*ast.BasicLit)
	if !ok {
		return nil, nil, fmt.Errorf("%s: %s of an expression", e.Pos(), e.Op)
	}
	n, err := scalar(lit)
	if err != nil {
		return nil, nil, err
	}
	switch e.Op {
	case token.MAT:
		re, err := regexp.Compile(n.text)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", e.Pos(), err)
		}
		return &shape{kind: stringKind, pattern: re}, nil, nil
	case token.GEQ, token.GTR, token.LEQ, token.LSS:
		f, err := strconv.ParseFloat(n.text, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", e.Pos(), err)
		}
		return &shape{kind: numberKind, bounds: []bound{{e.Op, f}}}, nil, nil
	case token.MUL:
		return &shape{kind: n.kind}, n, nil
	}
	return nil, nil, fmt.Errorf("%s: %s is not understood", e.Pos(), e.Op)
}

// alternatives reads strings of which one is right, or a default and a type.
func (r *shapeReader) alternatives(e *ast.BinaryExpr) (*shape, *node, error) {
	var all []ast.Expr
	for x := ast.Expr(e); ; {
		b, ok := x.(*ast.BinaryExpr)
		if !ok || b.Op != token.OR {
			all = append(all, x)
			break
		}
		all = append(all, b.Y)
		x = b.X
	}
	slices.Reverse(all)
	var dflt *node
	var types []*shape
	for _, x := range all {
		s, d, err := r.expr(x)
		if err != nil {
			return nil, nil, err
		}
		if d != nil {
			dflt = d
			if d.kind == stringKind {
				s = &shape{kind: stringKind, enum: []string{d.text}}
			} else {
				continue
			}
		}
		types = append(types, s)
	}
	if i := slices.IndexFunc(types, func(s *shape) bool { return s.enum == nil }); i >= 0 {
		rest := slices.DeleteFunc(slices.Clone(types), func(s *shape) bool { return s.enum != nil && dflt != nil && s.enum[0] == dflt.text })
		if len(rest) != 1 || dflt == nil {
			return nil, nil, fmt.Errorf("%s: alternatives that are neither strings nor a default and a type", e.Pos())
		}
		return rest[0], dflt, nil
	}
	s := &shape{kind: stringKind}
	for _, t := range types {
		s.enum = append(s.enum, t.enum...)
	}
	return s, dflt, nil
}

func (r *shapeReader) list(e *ast.ListLit) (*shape, *node, error) {
	s := &shape{kind: listKind}
	for _, x := range e.Elts {
		if el, ok := x.(*ast.Ellipsis); ok {
			x = el.Type
		} else {
			s.filled = true
		}
		elem, dflt, err := r.expr(x)
		if err != nil || dflt != nil {
			return nil, nil, fmt.Errorf("%s: the elements of the list: %w", e.Pos(), err)
		}
		s.elem = elem
	}
	return s, nil, nil
}

func (r *shapeReader) structure(e *ast.StructLit) (*shape, error) {
	s := &shape{kind: structKind}
	for _, d := range e.Elts {
		if _, ok := d.(*ast.Ellipsis); ok && len(e.Elts) == 1 {
			s.kind = openKind
			continue
		}
		field, ok := d.(*ast.Field)
		if !ok {
			return nil, fmt.Errorf("%s: %T is not understood", d.Pos(), d)
		}
		value, dflt, err := r.expr(field.Value)
		if err != nil {
			return nil, err
		}
		if pattern, ok := field.Label.(*ast.ListLit); ok && len(e.Elts) == 1 && len(pattern.Elts) == 1 {
			s.kind, s.elem = mapKind, value
			if s.key, _, err = r.expr(pattern.Elts[0]); err != nil {
				return nil, err
			}
			continue
		}
		name, _, err := ast.LabelName(field.Label)
		if err != nil {
			return nil, err
		}
		s.fields = append(s.fields, fieldShape{
			name: name, required: field.Constraint == token.NOT, doc: comment(field), dflt: dflt, shape: value,
		})
	}
	return s, nil
}

// comment gives the text above a field in one line.
func comment(f *ast.Field) string {
	var out []string
	for _, g := range ast.Comments(f) {
		if g.Doc {
			out = append(out, strings.Fields(g.Text())...)
		}
	}
	return strings.Join(out, " ")
}

// scalar reads a literal.
func scalar(lit *ast.BasicLit) (*node, error) {
	switch lit.Kind {
	case token.STRING:
		s, err := literal.Unquote(lit.Value)
		return &node{kind: stringKind, text: s}, err
	case token.INT:
		return &node{kind: intKind, text: lit.Value}, nil
	case token.FLOAT:
		return &node{kind: numberKind, text: lit.Value}, nil
	case token.TRUE, token.FALSE:
		return &node{kind: boolKind, text: lit.Value}, nil
	}
	return nil, fmt.Errorf("%s: %s is not understood", lit.Pos(), lit.Value)
}
