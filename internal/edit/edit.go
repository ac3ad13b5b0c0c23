// Package edit changes single values in the CUE files of one spec, through their syntax, and leaves everything else as
// it stands: comments, layout, order. It also writes the first file of a new tenant.
//
// Invariants: a value is changed where it is written, be it behind a reference; what is computed is not changed, and
// the place is named; bytes outside of the changed values stay, and a file that `cue fmt` has nothing to do on is
// such a file afterwards; nothing is read from disk and nothing written.
package edit

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/zavestudios/zave/internal/source"
)

// File is one CUE file.
type File struct {
	Name string
	Data []byte
}

// Package is the files of one spec, parsed.
type Package struct {
	files   []*file
	imports func(path string) (*Package, error)
}

type file struct {
	File
	syntax *ast.File
	edits  []change
}

// change replaces the bytes from one offset up to another.
type change struct {
	from, to int
	text     string
}

// Parse reads the files of one package. What it imports is asked for by its path, when a reference leads there; nil
// stands for a package whose files are nobody's to change. The error is that of the first file that is not CUE.
func Parse(files []File, imports func(path string) (*Package, error)) (*Package, error) {
	p := &Package{imports: imports}
	for _, f := range files {
		syntax, err := parser.ParseFile(f.Name, f.Data, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		p.files = append(p.files, &file{File: f, syntax: syntax})
	}
	slices.SortFunc(p.files, func(a, b *file) int { return strings.Compare(a.Name, b.Name) })
	return p, nil
}

// Computed is a value that cannot be changed, because it is not written down as a string.
type Computed struct {
	Path []string
	Span source.Span
}

func (c *Computed) Error() string {
	return fmt.Sprintf("%s is not a plain string at %s", strings.Join(c.Path, "."), c.Span)
}

// Set changes the string at the path to another, in every place that writes it, and gives those places. No places: it
// is not written down in these files. The error is a *Computed.
func (p *Package) Set(value string, path ...string) ([]source.Span, error) {
	found, err := p.find(path)
	if err != nil {
		return nil, err
	}
	var out []source.Span
	for _, f := range found {
		lit := f.expr.(*ast.BasicLit)
		f.file.replace(lit.Pos().Offset(), lit.End().Offset(), quote(lit.Value, value))
		out = append(out, span(f.file, lit))
	}
	return out, nil
}

// quote writes a string as the one that stood there was: raw strings stay raw.
func quote(was, value string) string {
	hashes := len(was) - len(strings.TrimLeft(was, "#"))
	if hashes == 0 {
		return literal.String.Quote(value)
	}
	return strings.Repeat("#", hashes) + `"` + value + `"` + strings.Repeat("#", hashes)
}

// Remove takes out the field at the path, wherever it is written, with its line where it has one to itself.
func (p *Package) Remove(path ...string) ([]source.Span, error) {
	found, err := p.find(path)
	if err != nil {
		return nil, err
	}
	var out []source.Span
	for _, f := range found {
		from, to := f.field.Pos().Offset(), f.field.End().Offset()
		out = append(out, span(f.file, f.field))
		f.file.replace(f.file.around(from, to))
	}
	return out, nil
}

// around widens the stretch of a field that is to go: to its whole line, or by the comma that parted it from its
// neighbours.
func (f *file) around(from, to int) (int, int, string) {
	data := f.Data
	start := from
	for start > 0 && (data[start-1] == ' ' || data[start-1] == '\t') {
		start--
	}
	end := to
	for end < len(data) && (data[end] == ' ' || data[end] == '\t' || data[end] == ',') {
		end++
	}
	alone := (start == 0 || data[start-1] == '\n') && (end == len(data) || data[end] == '\n' || bytes.HasPrefix(data[end:], []byte("//")))
	switch {
	case alone: // with a comment behind it, which was about it
		for end < len(data) && data[end] != '\n' {
			end++
		}
		return start, min(end+1, len(data)), ""
	case end > to && bytes.ContainsRune(data[to:end], ','):
		return from, end, ""
	case start > 0 && data[start-1] == ',':
		return start - 1, to, ""
	default:
		return from, to, ""
	}
}

// Field is a field to add: a path, and the value of its last label as CUE.
type Field struct {
	Path  []string
	Value string
}

// Strings writes a struct with string fields, in the order given: {tag: "a", digest: "b"}. Fields with an empty value
// are left out.
func Strings(pairs ...string) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			parts = append(parts, pairs[i]+": "+literal.String.Quote(pairs[i+1]))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// String writes a string as CUE.
func String(value string) string { return literal.String.Quote(value) }

// Add writes a field that is not there, as deep as the structs that are written down with braces go, and the rest of
// the path as a chain of labels: `workloads: web: image: {…}`. It gives the place. It is false where none of the
// path's parents is written in these files.
func (p *Package) Add(f Field) (source.Span, bool) {
	for depth := len(f.Path) - 1; depth >= 0; depth-- {
		for _, at := range p.structs(f.Path[:depth]) {
			return at.add(f.Path[depth:], f.Value), true
		}
	}
	return source.Span{}, false
}

// at is a struct literal within a file.
type at struct {
	file *file
	lit  *ast.StructLit
}

func (a at) add(labels []string, value string) source.Span {
	var b strings.Builder
	for _, l := range labels {
		b.WriteString(label(l) + ": ")
	}
	text := b.String() + value
	open, end := a.lit.Lbrace.Offset(), a.lit.Rbrace.Offset()
	inner := a.file.Data[open+1 : end]
	if !bytes.ContainsRune(inner, '\n') { // {a: 1} → {a: 1, b: 2}
		if trimmed := bytes.TrimRight(inner, " \t,"); len(bytes.TrimSpace(trimmed)) > 0 {
			from := open + 1 + len(trimmed)
			a.file.replace(from, end, ", "+text)
		} else {
			a.file.replace(open+1, end, text)
		}
		return span(a.file, a.lit)
	}
	line := end
	for line > 0 && a.file.Data[line-1] != '\n' {
		line--
	}
	if len(bytes.TrimSpace(a.file.Data[line:end])) > 0 { // the brace does not stand on a line of its own
		a.file.replace(end, end, ", "+text)
		return span(a.file, a.lit)
	}
	indent := string(a.file.Data[line:end]) + "\t"
	a.file.replace(line, line, indent+text+"\n")
	return span(a.file, a.lit)
}

// AddBefore writes a field in front of the one at the path, in every struct that writes that one, and tells whether
// there is any.
func (p *Package) AddBefore(path []string, name, value string) (bool, error) {
	found, err := p.find(path)
	if err != nil {
		return false, err
	}
	for _, f := range found {
		at := f.field.Pos().Offset()
		line := at
		for line > 0 && (f.file.Data[line-1] == ' ' || f.file.Data[line-1] == '\t') {
			line--
		}
		text := label(name) + ": " + value
		if line == 0 || f.file.Data[line-1] == '\n' {
			text += "\n" + string(f.file.Data[line:at])
		} else {
			text += ", "
		}
		f.file.replace(at, at, text)
	}
	return len(found) > 0, nil
}

// label quotes a label where it has to be.
func label(name string) string {
	if ast.IsValidIdent(name) && !strings.HasPrefix(name, "_") && !strings.HasPrefix(name, "#") {
		return name
	}
	return literal.Label.Quote(name)
}

func (f *file) replace(from, to int, text string) {
	c := change{from, to, text}
	if !slices.Contains(f.edits, c) { // two paths that lead to one place
		f.edits = append(f.edits, c)
	}
}

// Files gives the files that have changed, with their new bytes. Those of packages that Parse's imports gave are
// given by those packages.
func (p *Package) Files() []File {
	var out []File
	for _, f := range p.files {
		if len(f.edits) == 0 {
			continue
		}
		slices.SortStableFunc(f.edits, func(a, b change) int { return cmp.Compare(b.from, a.from) })
		data := slices.Clone(f.Data)
		for _, c := range f.edits {
			data = slices.Concat(data[:c.from], []byte(c.text), data[c.to:])
		}
		// A longer value may move what is aligned beside it. In a file that was never formatted that is nobody's wish.
		if was, err := format.Source(f.Data); err == nil && bytes.Equal(was, f.Data) {
			if now, err := format.Source(data); err == nil {
				data = now
			}
		}
		if !bytes.Equal(data, f.Data) {
			out = append(out, File{f.Name, data})
		}
	}
	return out
}

// found is a string literal, and the field that holds it.
type found struct {
	file  *file
	field *ast.Field
	expr  ast.Expr
}

// find gives the string literals at the path. Anything else that is written there is a *Computed.
func (p *Package) find(path []string) ([]found, error) {
	var out []found
	var computed error
	p.walk(path, func(f *file, field *ast.Field, e ast.Expr) {
		lit, ok := e.(*ast.BasicLit)
		switch {
		case ok && lit.Kind == token.STRING && !strings.HasPrefix(strings.TrimLeft(lit.Value, "#"), `"""`):
			if !slices.ContainsFunc(out, func(o found) bool { return o.expr == e }) {
				out = append(out, found{f, field, e})
			}
		case computed == nil:
			computed = &Computed{slices.Clone(path), span(f, e)}
		}
	})
	return out, computed
}

// structs gives the struct literals with braces that stand at the path itself, not behind a reference: what is added
// there concerns nobody else.
func (p *Package) structs(path []string) []at {
	var out []at
	for _, f := range p.files {
		s := search{p: p, file: f, own: true, seen: map[step]bool{}, visit: func(f *file, _ *ast.Field, e ast.Expr) {
			if lit, ok := e.(*ast.StructLit); ok && lit.Lbrace.IsValid() && lit.Rbrace.IsValid() {
				out = append(out, at{f, lit})
			}
		}}
		s.top(path)
	}
	return out
}

// walk visits what is written at the path of the spec.
func (p *Package) walk(path []string, visit func(*file, *ast.Field, ast.Expr)) {
	for _, f := range p.files {
		s := search{p: p, file: f, seen: map[step]bool{}, visit: visit}
		s.top(path)
	}
}

// search follows a path through syntax.
type search struct {
	p      *Package
	file   *file
	own    bool // stay out of what references lead to
	scopes [][]ast.Decl
	seen   map[step]bool
	visit  func(*file, *ast.Field, ast.Expr)
}

// longest is how many labels a path may have: x: x.y makes one longer without end.
const longest = 64

// step is what a search does once: references may lead to themselves, and to one place in many ways.
type step struct {
	expr ast.Expr
	path string
}

// top begins at the top of the file: the spec is what the file embeds, and its fields.
func (s *search) top(path []string) {
	s.decls(nil, s.file.syntax.Decls, path)
}

func (s *search) decls(parent *ast.Field, decls []ast.Decl, path []string) {
	s.scopes = append(s.scopes, decls)
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.EmbedDecl:
			s.expr(parent, d.Expr, path)
		case *ast.Field:
			if len(path) > 0 && nameOf(d.Label) == path[0] && !hidden(d.Label) {
				s.expr(d, d.Value, path[1:])
			}
		case *ast.Comprehension:
			if !s.own && len(path) > 0 && mentions(d.Value, path) {
				s.visit(s.file, parent, d.Value)
			}
		}
	}
	s.scopes = s.scopes[:len(s.scopes)-1]
}

func (s *search) expr(field *ast.Field, e ast.Expr, path []string) {
	switch e := e.(type) {
	case *ast.StructLit:
		if len(path) == 0 {
			s.visit(s.file, field, e)
			return
		}
		s.decls(field, e.Elts, path)
	case *ast.ParenExpr:
		s.expr(field, e.X, path)
	case *ast.BinaryExpr:
		if e.Op == token.AND {
			s.expr(field, e.X, path)
			s.expr(field, e.Y, path)
		} else if !s.own {
			s.visit(s.file, field, e)
		}
	case *ast.Ident, *ast.SelectorExpr, *ast.IndexExpr:
		if !s.own {
			s.reference(e, path)
		}
	default:
		if len(path) == 0 || !s.own && !isBasic(e) {
			s.visit(s.file, field, e)
		}
	}
}

func isBasic(e ast.Expr) bool {
	_, ok := e.(*ast.BasicLit)
	return ok
}

// reference follows an identifier with selectors to where it is written, in this file or, at the top, in another of the
// package. What an import gives is not written here.
func (s *search) reference(e ast.Expr, path []string) {
	at := step{e, strings.Join(path, "\x00")}
	if s.seen[at] || len(path) > longest {
		return
	}
	s.seen[at] = true
	switch e := e.(type) {
	case *ast.SelectorExpr:
		name, _, err := ast.LabelName(e.Sel)
		if err != nil {
			return
		}
		if id, ok := e.X.(*ast.Ident); ok {
			if imported := s.imported(id.Name); imported != nil {
				for _, f := range imported.files {
					inner := search{p: imported, file: f, seen: s.seen, visit: s.visit}
					inner.declared(f, [][]ast.Decl{f.syntax.Decls}, name, path)
				}
				return
			}
		}
		s.reference(e.X, slices.Concat([]string{name}, path))
	case *ast.IndexExpr:
		if lit, ok := e.Index.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if name, err := literal.Unquote(lit.Value); err == nil {
				s.reference(e.X, slices.Concat([]string{name}, path))
			}
		}
	case *ast.ParenExpr:
		s.expr(nil, e.X, path)
	case *ast.Ident:
		scopes := s.scopes
		for i := len(scopes) - 1; i >= 0; i-- {
			if s.declared(s.file, scopes[:i+1], e.Name, path) {
				return
			}
		}
		for _, f := range s.p.files {
			if f != s.file {
				s.declared(f, [][]ast.Decl{f.syntax.Decls}, e.Name, path)
			}
		}
	}
}

// declared goes on where the innermost of the scopes declares the name, and tells whether it does.
func (s *search) declared(f *file, scopes [][]ast.Decl, name string, path []string) (ok bool) {
	inner := search{p: s.p, file: f, scopes: slices.Clone(scopes), seen: s.seen, visit: s.visit}
	for _, d := range scopes[len(scopes)-1] {
		switch d := d.(type) {
		case *ast.Field:
			if isIdentLabel(d.Label, name) {
				ok = true
				inner.expr(d, d.Value, path)
			} else if a, is := d.Label.(*ast.Alias); is && a.Ident != nil && a.Ident.Name == name {
				ok = true
				inner.expr(d, d.Value, path)
			}
		case *ast.LetClause:
			if d.Ident != nil && d.Ident.Name == name {
				ok = true
				inner.expr(nil, d.Expr, path)
			}
		case *ast.ImportDecl:
			for _, spec := range d.Specs {
				ok = ok || imports(spec, name)
			}
		}
	}
	return ok
}

// imported gives the package that the file imports under the name, or nil.
func (s *search) imported(name string) *Package {
	if s.p.imports == nil {
		return nil
	}
	for spec := range s.file.syntax.ImportSpecs() {
		if !imports(spec, name) {
			continue
		}
		if path, err := literal.Unquote(spec.Path.Value); err == nil {
			if p, err := s.p.imports(path); err == nil {
				return p
			}
		}
	}
	return nil
}

// imports tells whether an import is known by the name in its file (CUE specification, "Import declarations").
func imports(spec *ast.ImportSpec, name string) bool {
	if spec.Name != nil {
		return spec.Name.Name == name
	}
	p, err := literal.Unquote(spec.Path.Value)
	if err != nil {
		return false
	}
	p = p[strings.LastIndexByte(p, '/')+1:]
	if i := strings.IndexByte(p, ':'); i >= 0 {
		return p[i+1:] == name
	}
	p, _, _ = strings.Cut(p, "@")
	return p == name
}

// nameOf is the label of a field, or nothing where it is computed.
func nameOf(l ast.Label) string {
	if a, ok := l.(*ast.Alias); ok {
		inner, ok := a.Expr.(ast.Label)
		if !ok {
			return ""
		}
		l = inner
	}
	name, _, err := ast.LabelName(l)
	if err != nil {
		return ""
	}
	return name
}

// hidden tells whether the field is no part of the data.
func hidden(l ast.Label) bool {
	id, ok := l.(*ast.Ident)
	return ok && (strings.HasPrefix(id.Name, "_") || strings.HasPrefix(id.Name, "#"))
}

// isIdentLabel tells whether the field can be referred to by the name: a quoted label cannot.
func isIdentLabel(l ast.Label, name string) bool {
	id, ok := l.(*ast.Ident)
	return ok && id.Name == name
}

// mentions tells whether a comprehension's value writes a field of the path's first label, or one that is computed.
func mentions(e ast.Expr, path []string) bool {
	lit, ok := e.(*ast.StructLit)
	if !ok {
		return true
	}
	for _, d := range lit.Elts {
		if f, ok := d.(*ast.Field); ok {
			if name := nameOf(f.Label); name == "" || name == path[0] {
				return true
			}
		}
	}
	return false
}

func span(f *file, n ast.Node) source.Span {
	p, e := n.Pos().Position(), n.End().Position()
	return source.Span{
		File: f.Name,
		Line: int32(p.Line), Col: int32(p.Column),
		EndLine: int32(e.Line), EndCol: int32(e.Column),
	}
}
