package load

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/zavestudios/zave/internal/source"
)

// any label: what stands for the names of dynamic fields, pattern constraints and the elements of comprehensions.
const anyLabel = "*"

// positions implements spec.Positions for the files of one package. A field that is written in several places has
// several entries; the first one, by file and line, is the one that At and Key give.
type positions struct {
	files   []string
	entries []entry // sorted by path, in the order of the files within one path
	dynamic bool    // some path holds anyLabel
	root    source.Span
}

// entry is where one field is written. Its path is that of pathKey.
type entry struct {
	path       string
	key, value stretch
}

// stretch is a source.Span whose file is an index: half the size, of which there are many.
type stretch struct {
	file                       int32
	line, col, endLine, endCol int32
}

// pathKey makes one string of a path. Labels hold no zero bytes that anybody could mean.
func pathKey(path []string) string { return strings.Join(path, "\x00") }

func (p *positions) span(s stretch) source.Span {
	return source.Span{File: p.files[s.file], Line: s.line, Col: s.col, EndLine: s.endLine, EndCol: s.endCol}
}

// At implements spec.Positions.
func (p *positions) At(path ...string) source.Span {
	for ; len(path) > 0; path = path[:len(path)-1] {
		if e := p.find(path); e != nil {
			return p.span(e.value)
		}
	}
	return p.root
}

// Key implements spec.Positions.
func (p *positions) Key(path ...string) source.Span {
	for ; len(path) > 0; path = path[:len(path)-1] {
		if e := p.find(path); e != nil {
			return p.span(e.key)
		}
	}
	return p.root
}

// find gives the first place where exactly that path is written, or nil.
func (p *positions) find(path []string) *entry {
	if all := p.all(path); len(all) > 0 {
		return &all[0]
	}
	if !p.dynamic {
		return nil
	}
next:
	for i := range p.entries {
		labels := strings.Split(p.entries[i].path, "\x00")
		if len(labels) != len(path) {
			continue
		}
		for j, l := range labels {
			if l != anyLabel && l != path[j] {
				continue next
			}
		}
		return &p.entries[i]
	}
	return nil
}

// all gives every place where exactly that path is written.
func (p *positions) all(path []string) []entry {
	key := pathKey(path)
	i := sort.Search(len(p.entries), func(i int) bool { return p.entries[i].path >= key })
	j := i
	for j < len(p.entries) && p.entries[j].path == key {
		j++
	}
	return p.entries[i:j]
}

// collector reads positions off the syntax of a package's files.
type collector struct {
	out  *positions
	file int32
	path []string
}

// readPositions reads the positions of all fields that are written down in the files; root is where the spec begins.
func readPositions(files []*ast.File, root source.Span) *positions {
	c := collector{out: &positions{root: root}}
	for i, f := range files {
		c.out.files = append(c.out.files, f.Filename)
		c.file = int32(i)
		c.decls(f.Decls)
	}
	slices.SortStableFunc(c.out.entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	c.out.entries = slices.Clip(c.out.entries)
	return c.out
}

func (c *collector) decls(decls []ast.Decl) {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Field:
			c.field(d)
		case *ast.EmbedDecl:
			c.expr(d.Expr)
		case *ast.Comprehension:
			c.expr(d.Value)
		}
	}
}

func (c *collector) field(f *ast.Field) {
	label := f.Label
	if a, ok := label.(*ast.Alias); ok { // X="name": …
		if l, ok := a.Expr.(ast.Label); ok {
			label = l
		}
	}
	name, _, err := ast.LabelName(label)
	switch {
	case err != nil:
		name = anyLabel
		c.out.dynamic = true
	case isIdent(label) && (strings.HasPrefix(name, "_") || strings.HasPrefix(name, "#")):
		return // not part of the data
	}
	c.add(name, label, f.Value)
}

func isIdent(l ast.Label) bool {
	_, ok := l.(*ast.Ident)
	return ok
}

// add enters one field or element and what is below it.
func (c *collector) add(name string, key, value ast.Node) {
	c.path = append(c.path, name)
	v := c.stretch(value)
	k := v
	if key != nil {
		k = c.stretch(key)
	}
	c.out.entries = append(c.out.entries, entry{pathKey(c.path), k, v})
	if e, ok := value.(ast.Expr); ok {
		c.expr(e)
	}
	c.path = c.path[:len(c.path)-1]
}

func (c *collector) expr(e ast.Expr) {
	switch e := e.(type) {
	case *ast.StructLit:
		c.decls(e.Elts)
	case *ast.BinaryExpr:
		if e.Op == token.AND || e.Op == token.OR {
			c.expr(e.X)
			c.expr(e.Y)
		}
	case *ast.UnaryExpr:
		if e.Op == token.MUL {
			c.expr(e.X)
		}
	case *ast.ParenExpr:
		c.expr(e.X)
	case *ast.ListLit:
		exact := true // no comprehension yet: the index is known
		for i, x := range e.Elts {
			name := strconv.Itoa(i)
			switch y := x.(type) {
			case *ast.Ellipsis:
				continue
			case *ast.Comprehension:
				exact = false
				x = y.Value
			}
			if !exact {
				name = anyLabel
				c.out.dynamic = true
			}
			c.add(name, nil, x)
		}
	}
}

func (c *collector) stretch(n ast.Node) stretch { return stretchOf(c.file, n) }

func stretchOf(file int32, n ast.Node) stretch {
	p, e := n.Pos().Position(), n.End().Position()
	return stretch{file, int32(p.Line), int32(p.Column), int32(e.Line), int32(e.Column)}
}

// spanOf is where a node stands.
func spanOf(n ast.Node) source.Span {
	s := spanAt(n.Pos())
	if e := n.End(); e.IsValid() && e.Filename() == s.File {
		end := e.Position()
		s.EndLine, s.EndCol = int32(end.Line), int32(end.Column)
	}
	return s
}

// spanAt is a place with no extent.
func spanAt(p token.Pos) source.Span {
	if !p.IsValid() {
		return source.Span{}
	}
	pos := p.Position()
	return source.Span{File: pos.Filename, Line: int32(pos.Line), Col: int32(pos.Column)}
}

// within tells whether the inner place lies in the outer span.
func within(inner, outer source.Span) bool {
	after := inner.Line > outer.Line || inner.Line == outer.Line && inner.Col >= outer.Col
	before := inner.Line < outer.EndLine || inner.Line == outer.EndLine && inner.Col < outer.EndCol
	return inner.File == outer.File && after && before
}
