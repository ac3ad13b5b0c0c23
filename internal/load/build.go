package load

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/ast/astutil"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/source"
)

// builder evaluates packages in one cue.Context. It belongs to one goroutine.
type builder struct {
	repo *repository
	ctx  *cue.Context
	all  *build.Context
	made map[string]*build.Instance // packages of this repository, by directory
}

func newBuilder(repo *repository) *builder {
	b := &builder{repo: repo, ctx: cuecontext.New(), made: map[string]*build.Instance{}}
	b.all = build.NewContext(build.Loader(b.load))
	return b
}

// load implements build.LoadFunc for the packages that parse has let through.
func (b *builder) load(_ token.Pos, full string) *build.Instance {
	dir, ok := b.own(full)
	if !ok {
		return nil // CUE's standard library
	}
	if inst := b.made[dir]; inst != nil {
		return inst
	}
	files := b.repo.schema
	if dir != "schema" {
		files = b.repo.dirs[dir].files
	}
	var parsed []*ast.File
	for _, f := range files {
		p, err := parser.ParseFile(f.path, f.data)
		if err != nil {
			return b.failed(dir, err)
		}
		parsed = append(parsed, p)
	}
	inst, err := b.instance(full, packageName(dir), parsed)
	if err != nil {
		return b.failed(dir, err)
	}
	b.made[dir] = inst
	return inst
}

func (b *builder) failed(dir string, err error) *build.Instance {
	inst := b.all.NewInstance(dir, b.load)
	inst.Err = errors.Promote(err, "importing "+dir)
	return inst
}

// instance makes a package of files.
func (b *builder) instance(importPath, name string, files []*ast.File) (*build.Instance, error) {
	inst := b.all.NewInstance(importPath, b.load)
	inst.ImportPath, inst.PkgName = importPath, name
	inst.CanonicalImportPath = b.canonical
	for _, f := range files {
		if err := inst.AddSyntax(f); err != nil {
			return nil, err
		}
	}
	if err := inst.Complete(); err != nil {
		return nil, err
	}
	return inst, nil
}

// canonical gives one name to each package of this repository: without version and qualifier.
func (b *builder) canonical(full string) string {
	if dir, ok := b.own(full); ok {
		return b.repo.modulePath + "/" + dir
	}
	return full
}

// value evaluates a package.
func (b *builder) value(importPath, name string, files []*ast.File) (cue.Value, error) {
	inst, err := b.instance(importPath, name, files)
	if err != nil {
		return cue.Value{}, err
	}
	v := b.ctx.BuildInstance(inst)
	return v, nil
}

// job is one spec to compile.
type job struct {
	dir        *dir
	tenant     string // empty: the platform
	definition string // "#Tenant" or "#Platform"; empty: a package below platform/, which is only parsed
}

// result is one spec that was compiled, and what is wrong with it.
type result struct {
	tenant   *spec.Tenant
	platform *spec.Platform
	diags    []diag.Diagnostic
}

// compile reads, evaluates, checks and decodes one spec. The error is a bug of ours.
func (b *builder) compile(j job) (result, error) {
	r := &reporter{tenant: j.tenant, noun: "the platform"}
	if j.tenant != "" {
		r.noun = "the tenant"
	}
	p := b.parse(j.dir, j.definition, r)
	pos := readPositions(p.files, p.root)
	if pos.root.IsZero() {
		pos.root = source.Span{File: j.dir.path}
	}
	r.pos, r.files = pos, p.files
	if j.definition == "" { // a package that specs import
		return result{diags: once(r.diags)}, nil
	}
	n := b.evaluate(j, p, r)
	return b.decode(j, n, r)
}

// evaluate gives what could be understood of a spec; nil when that is nothing.
func (b *builder) evaluate(j job, p *pkg, r *reporter) *node {
	if p.broken || len(p.files) == 0 {
		return nil
	}
	definition := "schema." + j.definition
	if !p.embeds {
		hint := "write " + definition + " & {…} around its fields"
		if p.inside {
			hint = "write " + definition + " & {…} at the top of the file, below no field"
		}
		summary := fmt.Sprintf("nothing in %s is unified with %s", j.dir.path, definition)
		if p.other != nil && !p.inside {
			summary, hint = fmt.Sprintf("%s is %s, and not schema.%s", r.noun, definition, selected(p.other)), "write "+definition
		}
		r.report(diag.NoDefinition, p.root, nil, summary, hint)
		if p.inside || len(r.pos.entries) == 0 {
			return nil
		}
	}
	s := b.repo.shapes[j.definition]
	var truth cue.Value
	if !p.spoilt && p.embeds && b.plain(p, j.definition) {
		// Of plain data the shapes know all that evaluating it with the schema would tell, at a third of the price:
		// TestShapesAgree holds one against the other.
		return b.explain(j, p, r, s, truth)
	}
	if !p.spoilt {
		var err error
		if truth, err = b.strict(j, p); err == nil {
			err = truth.Validate(cue.Concrete(true))
		}
		if err == nil {
			w := &walker{reporter: r}
			return w.value(truth, s, nil)
		}
		before := len(r.diags)
		n := b.explain(j, b.again(j), r, s, truth)
		if p.embeds {
			r.rest(err, len(r.diags) == before)
		}
		return n
	}
	return b.explain(j, b.again(j), r, s, truth)
}

// again parses a spec once more: explain changes the syntax that it is given.
func (b *builder) again(j job) *pkg { return b.parse(j.dir, j.definition, &reporter{}) }

// strict evaluates a spec with the schema, which is added where the files do not name it.
func (b *builder) strict(j job, p *pkg) (cue.Value, error) {
	files := p.files
	if !p.embeds {
		text := fmt.Sprintf("package %s\nimport zave %q\nzave.%s\n", p.name, b.repo.modulePath+"/schema", j.definition)
		added, err := parser.ParseFile("schema", text)
		if err != nil {
			return cue.Value{}, err
		}
		files = append(slices.Clone(files), added)
	}
	return b.value(b.repo.modulePath+"/"+j.dir.path, p.name, files)
}

// explain evaluates a spec without the schema, so that one mistake hides no other, and says what is wrong with it.
func (b *builder) explain(j job, p *pkg, r *reporter, s *shape, truth cue.Value) *node {
	w := &walker{reporter: r, loose: true, truth: truth}
	for _, f := range p.files {
		w.holes = append(w.holes, b.loosen(f, p.bad)...)
	}
	r.mended = len(w.holes) > 0
	const rounds = 10 // references to nothing are all reported at once; other errors of the compiler one at a time
	for round := range rounds {
		importPath := fmt.Sprintf("%s/%s/loose%d", b.repo.modulePath, j.dir.path, round)
		v, err := b.value(importPath, p.name, p.files)
		if err != nil {
			r.evaluation(err, nil)
			return nil
		}
		if !b.mend(v, p, w) {
			if len(fields(v)) == 0 && v.Err() != nil && !incomplete(v) {
				r.evaluation(v.Err(), nil)
				return nil
			}
			n := w.value(v, s, nil)
			w.helpers(truth)
			return n
		}
	}
	return nil
}

// rest reports what the explanation did not see, because it depends on the schema's defaults: the errors of CUE's own
// that are about no field and no line that something was said of. With all it reports one in any case.
func (r *reporter) rest(err error, all bool) {
	for _, e := range errors.Errors(err) {
		path := e.Path()
		for i, p := range path {
			path[i] = strings.Trim(p, `"`)
		}
		places := r.places(e)
		said := len(places) == 0 || slices.ContainsFunc(r.diags, func(d diag.Diagnostic) bool {
			return d.Field == join(path) || slices.ContainsFunc(places, func(p source.Span) bool {
				return p.File == d.Span.File && p.Line == d.Span.Line
			})
		})
		if !said || all {
			r.evaluation(e, path)
		}
	}
}

// helpers reports what the schema says against hidden fields and definitions that use parts of it, where nothing was
// said about the same line.
func (w *walker) helpers(truth cue.Value) {
	if !truth.Exists() {
		return
	}
	said := map[source.Span]bool{}
	for _, d := range w.diags {
		said[source.Span{File: d.Span.File, Line: d.Span.Line}] = true
	}
	for _, a := range fields(truth) {
		if a.sel.LabelType() == cue.StringLabel || a.value.Err() == nil || incomplete(a.value) {
			continue
		}
		for _, e := range errors.Errors(a.value.Err()) {
			if at := w.first(e); !at.IsZero() && !said[source.Span{File: at.File, Line: at.Line}] {
				w.evaluation(e, []string{a.sel.String()})
			}
		}
	}
}

// mend reports references to nothing, which keep CUE from compiling the package at all, and replaces them by "_".
func (b *builder) mend(v cue.Value, p *pkg, w *walker) bool {
	missing := map[source.Span]string{}
	for _, e := range errors.Errors(v.Err()) {
		format, args := e.Msg()
		switch {
		case strings.HasPrefix(format, "reference %q not found"):
			missing[spanAt(e.Position())] = fmt.Sprint(args...)
		case strings.HasPrefix(format, "imported and not used"):
			missing[spanAt(e.Position())] = ""
		}
	}
	if len(missing) == 0 {
		return false
	}
	mended := false
	for _, f := range p.files {
		var unused []*ast.ImportSpec
		for spec := range f.ImportSpecs() {
			if _, ok := missing[spanAt(spec.Pos())]; ok {
				w.report(diag.Import, spanOf(spec.Path), nil, "the package is imported and not used", "remove the import")
				unused = append(unused, spec)
			}
		}
		astutil.Apply(f, func(c astutil.Cursor) bool {
			switch n := c.Node().(type) {
			case *ast.ImportDecl:
				before := len(n.Specs)
				n.Specs = slices.DeleteFunc(n.Specs, func(s *ast.ImportSpec) bool { return slices.Contains(unused, s) })
				mended = mended || len(n.Specs) < before
				return false
			case *ast.Ident:
				name, ok := missing[spanAt(n.Pos())]
				if !ok || name != n.Name {
					return true
				}
				at := spanOf(n)
				hint := w.near(name)
				w.report(diag.NotConcrete, at, nil, fmt.Sprintf("there is no %s to refer to", quote(name)), hint)
				w.holes = append(w.holes, at)
				w.mended = true
				c.Replace(ast.NewIdent("_"))
				mended = true
			}
			return true
		}, nil)
		f.Decls = slices.DeleteFunc(f.Decls, func(d ast.Decl) bool {
			i, ok := d.(*ast.ImportDecl)
			return ok && len(i.Specs) == 0
		})
	}
	return mended
}

// decode makes a spec of its nodes.
func (b *builder) decode(j job, n *node, r *reporter) (result, error) {
	out := result{}
	s := b.repo.shapes[j.definition]
	if j.tenant == "" {
		p := &spec.Platform{}
		if err := decode(n, s, reflect.ValueOf(p).Elem()); err != nil {
			return out, fmt.Errorf("decoding %s: %w", j.dir.path, err)
		}
		p.Positions, p.Dir, p.Broken = r.pos, j.dir.path, len(r.diags) > 0
		p.Hash = hash(reflect.ValueOf(p).Elem())
		out.platform = p
	} else {
		t := &spec.Tenant{}
		if err := decode(n, s, reflect.ValueOf(t).Elem()); err != nil {
			return out, fmt.Errorf("decoding %s: %w", j.dir.path, err)
		}
		if t.Name != "" && t.Name != j.tenant {
			hint := "write " + quote(j.tenant) + ", or rename the directory"
			r.report(diag.NameDirectory, r.pos.At("name"), []string{"name"},
				fmt.Sprintf("the name is %s, and the directory's is %s", quote(t.Name), quote(j.tenant)), hint)
		}
		t.Name = j.tenant // whatever it says: this is where it is
		complete(t)
		t.Positions, t.Dir, t.Broken = r.pos, j.dir.path, len(r.diags) > 0
		t.Hash = hash(reflect.ValueOf(t).Elem())
		out.tenant = t
	}
	out.diags = once(r.diags)
	return out, nil
}

// once drops what was said of the same place in the same words, and keeps what is said of the deepest field: three
// workloads may share one mistaken image.
func once(all []diag.Diagnostic) []diag.Diagnostic {
	type key struct {
		code    diag.Code
		span    source.Span
		summary string
	}
	seen := map[key]bool{}
	slices.SortStableFunc(all, func(a, b diag.Diagnostic) int { return len(b.Field) - len(a.Field) })
	return slices.DeleteFunc(all, func(d diag.Diagnostic) bool {
		k := key{d.Code, d.Span, d.Summary}
		if d.Code == diag.UnknownField {
			k.summary = "" // it names the workload
		}
		if d.Code == diag.Evaluation {
			k.summary = "" // it names the field, and CUE gives one error to all fields above as well
		}
		if seen[k] {
			return true
		}
		seen[k] = true
		return false
	})
}
