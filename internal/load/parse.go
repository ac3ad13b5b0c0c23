package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/ast/astutil"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/source"
)

const (
	maxDepth = 100  // how deep values may be nested; people reach ten
	maxChain = 1000 // how many operators, colons and periods may follow each other without a comma or bracket
)

// standard are the packages of CUE's standard library that a spec may use: all of them functions of their arguments.
// The others read files, run programs, or are of no use in a spec.
func standard() []string {
	return []string{
		"crypto/sha256", "encoding/base64", "encoding/hex", "encoding/json", "encoding/yaml", "list", "math", "net", "path",
		"regexp", "strconv", "strings", "struct", "text/template", "time", "uuid",
	}
}

// pkg is the parsed files of one directory.
type pkg struct {
	dir    string
	name   string // what the package clause has to say
	files  []*ast.File
	broken bool              // some file could not be parsed: nothing can be evaluated
	spoilt bool              // there are mistakes that evaluation would only repeat: use the loose form
	embeds bool              // the definition is unified with at the top of a file
	inside bool              // the definition is used, but below a field
	other  *ast.SelectorExpr // another definition of the schema that stands where this one belongs; nil: none
	bad    []string          // imports that cannot be used
	root   source.Span       // where it is, or the first package clause
}

// parse reads the syntax of a directory's files and reports what can be seen in it alone: syntax errors, the package
// clause, imports, attributes, names that the schema does not have.
func (b *builder) parse(d *dir, definition string, r *reporter) *pkg {
	p := &pkg{dir: d.path, name: packageName(d.path)}
	for _, f := range d.files {
		if p.root.IsZero() {
			p.root = source.Span{File: f.path, Line: 1, Col: 1}
		}
		if line := tooDeep(f); line > 0 {
			r.report(diag.Evaluation, source.Span{File: f.path, Line: int32(line)}, nil, "this is nested too deeply to be read",
				fmt.Sprintf("keep it below %d levels", maxDepth))
			p.broken = true
			continue
		}
		if what := foreign(f.data); what != "" {
			r.report(diag.Syntax, source.Span{File: f.path, Line: 1, Col: 1}, nil, "this is "+what+", not a tenant's CUE",
				"begin it with package "+p.name+", and write schema.#Tenant & {…} around its fields")
			p.broken = true
			continue
		}
		parsed, err := parser.ParseFile(f.path, f.data, parser.AllErrors)
		if err != nil {
			r.syntax(f.path, err)
			p.broken = true
			continue
		}
		b.packageClause(parsed, p, r)
		b.imports(parsed, p, r)
		p.files = append(p.files, parsed)
	}
	for _, f := range p.files {
		b.names(f, p, definition, r)
	}
	if p.other != nil && !p.embeds {
		p.root = spanOf(p.other)
	}
	return p
}

// syntax reports what a parser has found in a file, without what only follows from it: nothing more of a line that has
// a mistake, and nothing at all below a bracket or a quotation mark without its other half.
func (r *reporter) syntax(name string, err error) {
	line := int32(-1)
	for _, e := range errors.Errors(err) {
		at := spanAt(e.Position())
		if at.File != name {
			at = source.Span{File: name, Line: 1}
		}
		text := oneLine(e)
		if at.Line == line || line > 0 && strings.HasSuffix(text, "found 'EOF'") {
			continue
		}
		line = at.Line
		hint := ""
		last := strings.Contains(text, "not terminated") || strings.HasPrefix(text, "missing ','") && !strings.HasSuffix(text, "struct literal")
		for _, found := range []string{"}", "]", ")", "EOF"} {
			last = last || strings.HasSuffix(text, "found '"+found+"'")
		}
		if _, after, ok := strings.Cut(text, "illegal character U+"); ok {
			code, _, _ := strings.Cut(after, " ")
			switch code {
			case "201C", "201D", "201E", "201F", "2018", "2019", "201A", "201B", "00AB", "00BB":
				hint, last = `write straight quotes: "…"`, true
			case "00A0", "202F", "2007", "200B", "FEFF":
				hint, last = "it looks like a space, or like nothing: delete it, and write a plain space", true
			}
		}
		r.report(diag.Syntax, at, nil, text, hint)
		if last {
			return
		}
	}
}

// foreign tells a file that is JSON or YAML and bears the name of a CUE file; it is empty for all others, even where
// CUE takes what JSON is: a file that neither says its package nor uses the schema is no spec as it stands.
func foreign(data []byte) string {
	if bytes.Contains(data, []byte("schema.#")) {
		return ""
	}
	items, fields := false, false
	for line := range bytes.Lines(data) {
		line = bytes.TrimRight(line, " \t\r\n")
		text := bytes.TrimLeft(line, " ")
		switch {
		case bytes.HasPrefix(line, []byte("package ")):
			return ""
		case bytes.Equal(line, []byte("---")):
			items, fields = true, true
		case bytes.HasPrefix(text, []byte("- ")):
			items = true
		case bytes.HasSuffix(text, []byte(":")):
			fields = true
		}
	}
	switch {
	case json.Valid(data):
		return "JSON"
	case items && fields:
		return "YAML"
	}
	return ""
}

// packageName is that of the package in a directory.
func packageName(dir string) string { return strings.ReplaceAll(path.Base(dir), "-", "_") }

func (b *builder) packageClause(f *ast.File, p *pkg, r *reporter) {
	for _, d := range f.Decls {
		clause, ok := d.(*ast.Package)
		if !ok {
			continue
		}
		at := spanOf(clause.Name)
		if p.root.Line == 1 && p.root.EndLine == 0 && p.root.File == f.Filename {
			p.root = spanOf(clause)
		}
		if clause.Name.Name != p.name {
			r.report(diag.PackageClause, at, nil, fmt.Sprintf("the package is %q, and the directory's is %q", clause.Name.Name, p.name),
				"write package "+p.name)
			clause.Name = ast.NewIdent(p.name)
		}
		return
	}
	r.report(diag.PackageClause, source.Span{File: f.Filename, Line: 1, Col: 1}, nil, "the file has no package clause",
		"begin it with package "+p.name)
	f.Decls = append([]ast.Decl{&ast.Package{Name: ast.NewIdent(p.name)}}, f.Decls...)
}

// imports reports those that cannot be used.
func (b *builder) imports(f *ast.File, p *pkg, r *reporter) {
	for spec := range f.ImportSpecs() {
		full, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has checked it
		}
		summary, hint := "", ""
		code := diag.Import
		own, isOwn := b.own(full)
		first, _, _ := strings.Cut(full, "/")
		switch {
		case isOwn && own == "schema":
		case isOwn && b.repo.dirs[own] == nil:
			summary = fmt.Sprintf("there is no package in %s", quote(own))
			hint = "only schema/, platform/ and tenants/ are read"
		case isOwn:
			if cycle := b.repo.cycle(p.dir, own, b); cycle != "" {
				code, summary, hint = diag.ImportCycle, "packages import each other: "+cycle, "move what they share below platform/"
			} else if !b.repo.parses(b.repo.dirs[own]) {
				summary, hint = fmt.Sprintf("the package in %s has mistakes of its own", quote(own)), ""
			}
		case !strings.Contains(first, "."):
			if !slices.Contains(standard(), full) {
				summary, hint = fmt.Sprintf("the package %q may not be imported here", full), diag.DidYouMean(full, standard())
				if first == "tool" {
					hint = "a spec is data: it cannot run anything"
				}
			}
		default:
			summary, hint = fmt.Sprintf("the package %q is of another module", shorten(full)), "nothing is ever fetched: put what you need of it below platform/"
			if strings.HasSuffix(full, "/schema") {
				hint = fmt.Sprintf("the schema is %q", b.repo.modulePath+"/schema")
			}
		}
		if summary != "" {
			r.report(code, spanOf(spec.Path), nil, summary, hint)
			p.spoilt = true
			p.bad = append(p.bad, full)
		}
	}
}

// names looks at every name of a file.
func (b *builder) names(f *ast.File, p *pkg, definition string, r *reporter) {
	imported := true
	for _, d := range f.Decls {
		e, ok := d.(*ast.EmbedDecl)
		if !ok {
			continue
		}
		for _, x := range conjuncts(e.Expr) {
			if s, ok := x.(*ast.SelectorExpr); ok && b.isSchema(s.X) && selected(s) == definition {
				p.embeds = true
				p.root = spanOf(s)
			} else if ok && p.other == nil && b.isSchema(s.X) && b.repo.shapes[selected(s)] != nil {
				p.other = s
			}
		}
	}
	ast.Walk(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if !b.isSchema(n.X) {
				return true
			}
			name := selected(n)
			if name == definition {
				p.inside = true
			}
			if _, ok := importOf(n.X); !ok && imported {
				imported = false // once a file
				p.spoilt = true
				r.report(diag.Import, spanOf(n.X), nil, "the file uses schema, and does not import it",
					fmt.Sprintf("write import %q below the package clause", b.repo.modulePath+"/schema"))
			}
			if _, ok := b.repo.shapes[name]; !ok {
				hint := diag.Suggest(name, b.repo.shapes.names())
				if hint != "" {
					hint = "did you mean schema." + hint + "?"
				}
				r.report(diag.NotConcrete, spanOf(n.Sel), nil, fmt.Sprintf("the schema has no %s", quote(name)), hint)
				p.spoilt = true
				if near := diag.Suggest(name, []string{definition}); near != "" {
					p.embeds = true // it was meant, and is mended
					p.root = spanOf(n)
				}
			}
		case *ast.CallExpr:
			if what := multiplies(n); what != "" {
				r.report(diag.Evaluation, spanOf(n), nil, what+" makes more than a spec can hold", "write the values down")
				p.broken = true
			}
		case *ast.Attribute:
			name, _ := n.Split()
			switch name {
			case "embed", "extern":
				p.spoilt = true
				r.report(diag.Import, spanOf(n), nil, "@"+name+" is not supported: a spec is CUE files alone", "write the values down")
			case "if", "ignore", "tag":
				r.report(diag.Evaluation, spanOf(n), nil, "@"+name+" is not supported: a spec means one thing, however it is built", "")
			}
		}
		return true
	}, nil)
}

// multiplies names a function that makes a list or a string, called with a number that is out of all proportion.
func multiplies(call *ast.CallExpr) string {
	const most = 100_000
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	from, _ := importOf(fun.X)
	what := from + "." + selected(fun)
	if !slices.Contains([]string{"list.Range", "list.Repeat", "strings.Repeat"}, what) {
		return ""
	}
	for _, arg := range call.Args {
		lit, ok := arg.(*ast.BasicLit)
		if !ok || lit.Kind != token.INT {
			continue
		}
		// Base 0 takes the prefixes and underscores of CUE; 1M and its like are left to the watch on the heap.
		if n, err := strconv.ParseInt(lit.Value, 0, 64); n > most && (err == nil || errors.Is(err, strconv.ErrRange)) {
			return what
		}
	}
	return ""
}

// conjuncts are the operands of a chain of "&".
func conjuncts(e ast.Expr) []ast.Expr {
	switch x := e.(type) {
	case *ast.BinaryExpr:
		if x.Op == token.AND {
			return append(conjuncts(x.X), conjuncts(x.Y)...)
		}
	case *ast.ParenExpr:
		return conjuncts(x.X)
	}
	return []ast.Expr{e}
}

func selected(s *ast.SelectorExpr) string {
	name, _, err := ast.LabelName(s.Sel)
	if err != nil {
		return ""
	}
	return name
}

// importOf is the package that a name stands for.
func importOf(e ast.Expr) (string, bool) {
	id, ok := e.(*ast.Ident)
	if !ok {
		return "", false
	}
	spec, ok := id.Node.(*ast.ImportSpec)
	if !ok {
		return "", false
	}
	full, err := strconv.Unquote(spec.Path.Value)
	return full, err == nil
}

// isSchema tells whether a name stands for the schema package; "schema" does even where the import was forgotten.
func (b *builder) isSchema(e ast.Expr) bool {
	if full, ok := importOf(e); ok {
		own, isOwn := b.own(full)
		return isOwn && own == "schema" || !isOwn && strings.HasSuffix(full, "/schema") // the latter is reported
	}
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "schema" && id.Node == nil
}

// own gives the directory of a package of this repository.
func (b *builder) own(full string) (string, bool) {
	p := ast.ParseImportPath(full)
	rest, ok := strings.CutPrefix(p.Path, b.repo.modulePath)
	if !ok || p.Version != "" && p.Version != b.repo.moduleVersion {
		return "", false
	}
	return strings.CutPrefix(rest, "/")
}

// loosen takes the schema out of a file: each of its definitions becomes "_". So do names of packages that cannot be
// imported; where these stood is in the result.
func (b *builder) loosen(f *ast.File, bad []string) (holes []source.Span) {
	astutil.Apply(f, func(c astutil.Cursor) bool {
		switch n := c.Node().(type) {
		case *ast.Field:
			if len(n.Attrs) > 0 {
				holes = append(holes, spanOf(n.Value)) // it was to come from elsewhere
				n.Attrs = nil
			}
		case *ast.SelectorExpr:
			full, _ := importOf(n.X)
			switch {
			case b.isSchema(n.X):
			case slices.Contains(bad, full):
				holes = append(holes, spanOf(n))
			default:
				return true
			}
			c.Replace(ast.NewIdent("_"))
			return false
		case *ast.ImportDecl:
			n.Specs = slices.DeleteFunc(n.Specs, func(s *ast.ImportSpec) bool {
				full, _ := strconv.Unquote(s.Path.Value)
				own, isOwn := b.own(full)
				return slices.Contains(bad, full) || isOwn && own == "schema"
			})
			return false
		}
		return true
	}, nil)
	f.Decls = slices.DeleteFunc(f.Decls, func(d ast.Decl) bool {
		if _, ok := d.(*ast.Attribute); ok {
			return true
		}
		i, ok := d.(*ast.ImportDecl)
		return ok && len(i.Specs) == 0
	})
	return holes
}

// plain tells whether files hold nothing but data: fields with fixed names, literals, and references to hidden fields
// that are such data themselves, with the schema's definition around them.
func (b *builder) plain(p *pkg, definition string) bool {
	for _, f := range p.files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.Package, *ast.ImportDecl, *ast.CommentGroup:
			case *ast.EmbedDecl:
				for _, x := range conjuncts(d.Expr) {
					s, ok := x.(*ast.SelectorExpr)
					if ok && b.isSchema(s.X) && selected(s) == definition {
						continue
					}
					if !plainExpr(x) {
						return false
					}
				}
			default:
				if !plainDecl(d) {
					return false
				}
			}
		}
	}
	return true
}

func plainDecl(d ast.Decl) bool {
	f, ok := d.(*ast.Field)
	if !ok || f.Constraint != token.ILLEGAL || f.Alias != nil || len(f.Attrs) > 0 {
		return false
	}
	switch l := f.Label.(type) {
	case *ast.Ident:
		if strings.HasPrefix(l.Name, "#") || strings.HasPrefix(l.Name, "_#") {
			return false // it would be closed
		}
	case *ast.BasicLit:
	default:
		return false
	}
	return plainExpr(f.Value)
}

func plainExpr(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Kind != token.BOTTOM
	case *ast.UnaryExpr:
		lit, ok := e.X.(*ast.BasicLit)
		return ok && (e.Op == token.SUB || e.Op == token.ADD) && (lit.Kind == token.INT || lit.Kind == token.FLOAT)
	case *ast.ParenExpr:
		return plainExpr(e.X)
	case *ast.BinaryExpr:
		return e.Op == token.AND && plainExpr(e.X) && plainExpr(e.Y)
	case *ast.Ident:
		return strings.HasPrefix(e.Name, "_") && len(e.Name) > 1
	case *ast.ListLit:
		return !slices.ContainsFunc(e.Elts, func(x ast.Expr) bool { return !plainExpr(x) })
	case *ast.StructLit:
		return !slices.ContainsFunc(e.Elts, func(d ast.Decl) bool { return !plainDecl(d) })
	}
	return false
}

// tooDeep gives the first line on which brackets are nested deeper, or operators chained longer, than the recursive
// parts of CUE should be given; zero where none is. A Go program cannot recover from a stack that is too large.
func tooDeep(f file) int {
	const harmless = 4 << 10 // bytes: not enough for any depth that matters
	if len(f.data) < harmless {
		return 0
	}
	tf := token.NewFile(f.path, -1, len(f.data))
	var s scanner.Scanner
	s.Init(tf, f.data, nil, 0)
	type bracket struct {
		inString bool // it is an interpolation's
		chain    int  // how far the chain before it was
	}
	var open []bracket
	chain := 0
	interpolating := false // an opening parenthesis now belongs to a string
	for {
		pos, tok, _ := s.Scan()
		switch tok {
		case token.EOF:
			return 0
		case token.LPAREN, token.LBRACK, token.LBRACE:
			open = append(open, bracket{interpolating && tok == token.LPAREN, chain})
			chain = 0
		case token.RPAREN, token.RBRACK, token.RBRACE:
			if n := len(open); n > 0 {
				last := open[n-1]
				open = open[:n-1]
				chain = last.chain + 1 // calls and indexes make chains too
				if last.inString && tok == token.RPAREN {
					s.ResumeInterpolation()
					interpolating = true
					continue
				}
			}
		case token.COMMA:
			chain = 0
		case token.IDENT, token.INT, token.FLOAT, token.STRING, token.COMMENT:
		default:
			chain++
		}
		interpolating = tok == token.INTERPOLATION
		if len(open) > maxDepth || chain > maxChain {
			return pos.Line()
		}
	}
}
