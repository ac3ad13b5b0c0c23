// Package load reads a repository's CUE files and gives what they say as specs: it is where CUE ends.
//
// A spec that is plain data is evaluated by CUE alone and held against shapes, which are read off the schema's syntax;
// any other is evaluated with the schema, and the shapes explain what CUE refuses.
//
// Invariants: it is the only importer of cuelang.org/go, and no value of CUE's leaves it; what it reads it reads once,
// within the repository's root, so that digest, text and specs belong together; nothing is fetched; every mistake in
// every spec is in the list of one run, at a place in the user's own files; the result does not depend on the order of
// directories, on layout and comments, on the number of workers, or on what a Cache holds.
package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"

	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/source"
	"github.com/zavestudios/zave/schema"
)

// patience is how long one spec may take to evaluate. A large one takes ten milliseconds.
const patience = 10 * time.Second

// A spec that takes longer than watchAfter is watched: when the heap has grown by more than maxHeap bytes since it began,
// it is given up. What is evaluated at the same time counts too, but next to such a spec that is nothing.
const (
	watchAfter = time.Second
	watchEvery = 100 * time.Millisecond
	maxHeap    = 512 << 20
)

// perContext is how many specs share a cue.Context, which keeps all it has ever compiled.
const perContext = 32

// Options say where to read from and how.
type Options struct {
	FS      fs.FS  // the repository's files, such as those of a commit; nil: those on disk, confined to the root
	Workers int    // how many specs are evaluated at once; zero: GOMAXPROCS
	Cache   *Cache // of specs that were loaded before; nil: none
}

// Loaded is a repository that was read.
type Loaded struct {
	Set         *spec.Set
	Diags       diag.List
	InputDigest [32]byte // what Digest gives for the same files
	Module      string   // the module's path, without its major version; empty where it has none

	files  []file            // sorted by path
	inputs map[string]digest // by directory
}

// Source gives the text of a CUE file that was read, for excerpts. The path is relative to the root.
func (l *Loaded) Source(name string) ([]byte, bool) {
	i, ok := slices.BinarySearchFunc(l.files, name, func(f file, name string) int { return strings.Compare(f.path, name) })
	if !ok {
		return nil, false
	}
	data, err := l.files[i].text()
	return data, err == nil
}

// Input gives a digest of all that a spec was made from: the bytes of the files of its directory and of all packages
// that they import, with their paths, and the module's name. Equal inputs of one program are equal specs, positions
// included. There is none where files could not be read.
func (l *Loaded) Input(dir string) ([sha256.Size]byte, bool) {
	sum, ok := l.inputs[dir]
	return sum, ok
}

// FindRoot walks up from a directory to the one that holds cue.mod/ and platform/.
func FindRoot(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for d := start; ; d = filepath.Dir(d) {
		if isDir(filepath.Join(d, "cue.mod")) && isDir(filepath.Join(d, "platform")) {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("neither %s nor a directory above it holds cue.mod and platform", start)
		}
	}
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// Digest is that of every byte that Load would read, with its path: equal digests, equal results of Load. It compiles
// nothing.
func Digest(root string, opts Options) ([]byte, error) {
	s, err := take(root, opts)
	if err != nil {
		return nil, err
	}
	return s.digest[:], nil
}

// take reads the files.
func take(root string, opts Options) (*snapshot, error) {
	if opts.FS != nil {
		return readAll(opts.FS, opts.Cache)
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readAll(r.FS(), nil)
}

// repository is what all builders share; it is read only.
type repository struct {
	*snapshot
	modulePath    string // without the major version
	moduleVersion string // "v0"; may be empty
	schema        []file // the one that is used: the built-in one
	shapes        shapes
	dirs          map[string]*dir   // every package's directory but the schema's
	trouble       []diag.Diagnostic // of files and directories
}

// Load reads and evaluates the platform and every tenant. What is wrong with them is in the result's Diags; the error
// is for a repository that cannot be read, a context that has ended, or a bug.
func Load(ctx context.Context, root string, opts Options) (*Loaded, error) {
	snap, err := take(root, opts)
	if err != nil {
		return nil, err
	}
	out := &Loaded{Set: &spec.Set{}, Diags: snap.problems, InputDigest: snap.digest, files: snap.all()}
	repo, err := open(snap, &out.Diags)
	if err != nil || repo == nil {
		return out, err
	}
	out.Module = repo.modulePath
	results, inputs, err := repo.results(ctx, repo.jobs(&out.Diags), opts)
	if err != nil {
		return nil, err
	}
	out.inputs = inputs
	troubled := map[string]bool{} // tenants with files that could not be read
	for _, d := range snap.problems.Sorted() {
		troubled[d.Tenant] = true
	}
	for _, r := range results {
		out.Diags.Add(r.diags...)
		switch {
		case r.tenant != nil:
			if troubled[r.tenant.Name] { // such a one is not of the cache, which others share
				r.tenant.Broken = true
			}
			out.Set.Tenants = append(out.Set.Tenants, r.tenant)
		case r.platform != nil:
			ofPlatform := func(d diag.Diagnostic) bool { return strings.HasPrefix(d.Span.File, "platform/") }
			if slices.ContainsFunc(repo.trouble, ofPlatform) {
				r.platform.Broken = true
			}
			out.Set.Platform = r.platform
		}
	}
	return out, nil
}

// all lists the files that were read.
func (s *snapshot) all() []file {
	var out []file
	if s.module != nil {
		out = append(out, file{path: "cue.mod/module.cue", data: s.module})
	}
	for _, d := range append(append([]*dir{s.schema, s.platform}, s.below...), s.tenants...) {
		if d != nil {
			out = append(out, d.files...)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].path < out[j].path })
	return out
}

// open reads the module file and holds the schema against ours. It is nil where nothing can be evaluated.
func open(snap *snapshot, list *diag.List) (*repository, error) {
	repo := &repository{snapshot: snap, dirs: map[string]*dir{}, trouble: snap.problems.Sorted()}
	entries, err := fs.ReadDir(schema.Files, ".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		data, err := fs.ReadFile(schema.Files, e.Name())
		if err != nil {
			return nil, err
		}
		repo.schema = append(repo.schema, file{path: path.Join("schema", e.Name()), data: data})
	}
	if repo.shapes, err = readShapes(repo.schema); err != nil {
		return nil, fmt.Errorf("reading the built-in schema: %w", err)
	}
	repo.compareSchema(list)
	for _, d := range append([]*dir{snap.platform}, append(snap.below, snap.tenants...)...) {
		if d != nil {
			repo.dirs[d.path] = d
		}
	}
	if !repo.readModule(list) {
		return nil, nil
	}
	return repo, nil
}

// compareSchema reports where the repository's own schema is not the built-in one, but for the ends of lines.
func (r *repository) compareSchema(list *diag.List) {
	if r.snapshot.schema == nil {
		return
	}
	const hint = "the schema belongs to the version of zave: take that version's, or remove the directory"
	differs := func(file, summary string) {
		list.Add(diag.Diagnostic{Code: diag.SchemaDiffers, Span: source.Span{File: file}, Summary: summary, Hint: hint})
	}
	ours := map[string][]byte{}
	for _, f := range r.schema {
		ours[f.path] = f.data
	}
	for _, f := range r.snapshot.schema.files {
		want, ok := ours[f.path]
		delete(ours, f.path)
		got := bytes.ReplaceAll(f.data, []byte("\r\n"), []byte("\n"))
		switch {
		case !ok:
			differs(f.path, "this file is not part of the schema that this version of zave knows")
		case !bytes.Equal(got, want):
			line := 1
			for i := 0; i < min(len(got), len(want)) && got[i] == want[i]; i++ {
				if got[i] == '\n' {
					line++
				}
			}
			list.Add(diag.Diagnostic{
				Code: diag.SchemaDiffers, Span: source.Span{File: f.path, Line: int32(line), Col: 1},
				Summary: "this is not the schema that this version of zave knows", Hint: hint,
			})
		}
	}
	for _, f := range r.schema {
		if _, missing := ours[f.path]; missing {
			differs(f.path, "this file of the schema is missing")
		}
	}
}

// readModule reads the module's path.
func (r *repository) readModule(list *diag.List) bool {
	const name = "cue.mod/module.cue"
	if r.module == nil {
		if !slices.ContainsFunc(list.Sorted(), func(d diag.Diagnostic) bool { return d.Span.File == name }) {
			list.Add(diag.Diagnostic{
				Code: diag.NotARepository, Span: source.Span{File: name}, Summary: "there is no such file: this is not a platform repository",
				Hint: "run zave within one, or name it with -C",
			})
		}
		return false
	}
	rep := &reporter{}
	f, err := parser.ParseFile(name, r.module)
	if err != nil {
		rep.syntax(name, err)
		list.Add(rep.diags...)
		return false
	}
	for _, d := range f.Decls {
		field, ok := d.(*ast.Field)
		if !ok {
			continue
		}
		label, _, _ := ast.LabelName(field.Label)
		lit, ok := field.Value.(*ast.BasicLit)
		if label != "module" || !ok {
			continue
		}
		if text, err := literal.Unquote(lit.Value); err == nil && text != "" {
			r.modulePath, r.moduleVersion, _ = strings.Cut(text, "@")
			return true
		}
	}
	list.Add(diag.Diagnostic{
		Code: diag.NotARepository, Span: source.Span{File: name, Line: 1}, Summary: "the module has no name", Hint: `write module: "example.com/platform@v0"`,
	})
	return false
}

// jobs lists the specs there are.
func (r *repository) jobs(list *diag.List) []job {
	var out []job
	switch {
	case r.platform == nil:
		list.Add(diag.Diagnostic{
			Code: diag.NotARepository, Span: source.Span{File: "platform"}, Summary: "there is no such directory: this is not a platform repository",
			Hint: "run zave within one, or name it with -C",
		})
	case r.platform.shut:
		out = append(out, job{dir: r.platform, definition: "#Platform"})
	case r.platform.found == 0:
		list.Add(diag.Diagnostic{
			Code: diag.NoDefinition, Span: source.Span{File: "platform"}, Summary: "the directory holds no CUE file", Hint: "describe the estate in platform/platform.cue",
		})
	default:
		out = append(out, job{dir: r.platform, definition: "#Platform"})
	}
	for _, d := range r.below {
		out = append(out, job{dir: d})
	}
	name := r.shapes["#Name"]
	for _, d := range r.tenants {
		tenant := path.Base(d.path)
		switch {
		case !name.pattern.MatchString(tenant):
			list.Add(diag.Diagnostic{
				Code: diag.BadName, Span: source.Span{File: d.path}, Tenant: tenant,
				Summary: fmt.Sprintf("the directory's name %s is not %s", quote(tenant), name.doc), Hint: remedy(tenant, name),
			})
		case unspeakable(d.path):
			list.Add(diag.Diagnostic{
				Code: diag.ReservedName, Span: source.Span{File: d.path}, Tenant: tenant,
				Summary: fmt.Sprintf("%q is a word of the CUE language, and no package can be called that", packageName(d.path)),
				Hint:    "choose another name for the tenant",
			})
			d.shut = true
		case d.shut:
		case d.found == 0:
			list.Add(diag.Diagnostic{
				Code: diag.NoDefinition, Span: source.Span{File: d.path}, Tenant: tenant,
				Summary: "the directory holds no CUE file", Hint: "write " + d.path + "/tenant.cue, or remove the directory",
			})
		}
		// A tenant whose name cannot be one is still read, for what else is wrong with it.
		if d.found > 0 || d.shut {
			out = append(out, job{dir: d, tenant: tenant, definition: "#Tenant"})
		}
	}
	return out
}

// unspeakable tells a directory whose package would be called what only a keyword of CUE's is.
func unspeakable(dir string) bool {
	_, err := parser.ParseFile(dir, "package "+packageName(dir)+"\n", parser.PackageClauseOnly)
	return err != nil
}

// compile runs all jobs. Results are in the order of the jobs.
func (r *repository) compile(ctx context.Context, jobs []job, workers int) ([]result, error) {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	results := make([]result, len(jobs))
	errs := make([]error, len(jobs))
	batch := min(perContext, max(1, (len(jobs)+workers-1)/workers))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, len(jobs)) {
		wg.Go(func() {
			for {
				first := int(next.Add(int64(batch))) - batch
				if first >= len(jobs) {
					return
				}
				b := newBuilder(r)
				for i := first; i < min(first+batch, len(jobs)); i++ {
					var sound bool
					if results[i], sound, errs[i] = b.guarded(ctx, jobs[i]); !sound {
						b = newBuilder(r)
					}
				}
			}
		})
	}
	wg.Wait()
	return results, errors.Join(append([]error{ctx.Err()}, errs...)...)
}

// guarded compiles one spec, and survives a panic of CUE's and an evaluation without end. Where it has not, the
// builder is not sound any more: an evaluation cannot be stopped, and goes on in its own goroutine until the process
// ends.
func (b *builder) guarded(ctx context.Context, j job) (r result, sound bool, err error) {
	if err := ctx.Err(); err != nil {
		return result{}, true, err
	}
	if j.dir.shut {
		return j.unknown(source.Span{File: j.dir.path}), true, nil
	}
	type outcome struct {
		result
		err   error
		panic string
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				if !cuePanicked(debug.Stack()) {
					panic(p) // a bug of ours
				}
				o = outcome{panic: fmt.Sprint(p)}
			}
			done <- o
		}()
		o.result, o.err = b.compile(j)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	const hint = "leave out comprehensions and disjunctions that multiply"
	before := heap()
	watch := time.NewTimer(watchAfter)
	defer watch.Stop()
	for {
		select {
		case o := <-done:
			if o.panic == "" {
				return o.result, true, o.err
			}
			return j.lost("CUE panics on it: "+shorten(o.panic), "leave out what is unusual in it, piece by piece, until this is gone"), false, o.err
		case <-timer.C:
			return j.lost(fmt.Sprintf("CUE has not evaluated it after %s", patience), hint), false, nil
		case <-watch.C:
			grown := func() bool { now := heap(); return now > before && now-before > maxHeap }
			if grown() {
				runtime.GC() // it may be garbage, of others' too
			}
			if grown() {
				return j.lost(fmt.Sprintf("CUE has not evaluated it within %d MB of memory", maxHeap>>20), hint), false, nil
			}
			watch.Reset(watchEvery)
		case <-ctx.Done():
			return result{}, false, ctx.Err()
		}
	}
}

// heap is how many bytes of objects the process has, including those that wait to be collected.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// cuePanicked tells whether the function that panicked is one of CUE's.
func cuePanicked(stack []byte) bool {
	_, after, _ := bytes.Cut(stack, []byte("\npanic("))
	for line := range bytes.Lines(after) {
		if !bytes.HasPrefix(line, []byte("\t")) && bytes.Contains(line, []byte("(")) && !bytes.HasPrefix(line, []byte("runtime.")) &&
			!bytes.HasPrefix(line, []byte("panic(")) && bytes.Contains(line, []byte("/")) {
			return bytes.HasPrefix(line, []byte("cuelang.org/go/"))
		}
	}
	return false
}

// lost is the result for a spec of which nothing is known.
func (j job) lost(summary, hint string) result {
	at := source.Span{File: j.dir.path}
	if len(j.dir.files) > 0 {
		at = source.Span{File: j.dir.files[0].path, Line: 1}
	}
	out := j.unknown(at)
	out.diags = []diag.Diagnostic{{Code: diag.Evaluation, Span: at, Summary: summary, Hint: hint, Tenant: j.tenant}}
	return out
}

// unknown is the result for a spec of which nothing but its name is known, for a reason that was reported.
func (j job) unknown(at source.Span) result {
	out := result{}
	pos := &positions{root: at}
	switch {
	case j.definition == "":
	case j.tenant == "":
		out.platform = &spec.Platform{Positions: pos, Dir: j.dir.path, Broken: true}
	default:
		out.tenant = &spec.Tenant{Positions: pos, Dir: j.dir.path, Name: j.tenant, Broken: true}
	}
	return out
}

// cycle tells how a package that is imported from a directory leads back to it, or into another cycle: "a → b → a".
// It is empty where it does not.
func (r *repository) cycle(from, imported string, b *builder) string {
	trail := []string{from}
	done := map[string]bool{}
	var visit func(dir string) bool
	visit = func(dir string) bool {
		if i := slices.Index(trail, dir); i >= 0 {
			trail = append(trail[i:], dir)
			return true
		}
		if done[dir] {
			return false
		}
		done[dir] = true
		trail = append(trail, dir)
		for _, next := range r.importsOf(dir, b) {
			if visit(next) {
				return true
			}
		}
		trail = trail[:len(trail)-1]
		return false
	}
	if visit(imported) {
		return strings.Join(trail, " → ")
	}
	return ""
}

// importsOf are the directories of this repository whose packages one of its packages imports.
func (r *repository) importsOf(dir string, b *builder) []string {
	d := r.dirs[dir]
	if d == nil {
		return nil
	}
	var out []string
	for _, f := range d.files {
		parsed, err := parser.ParseFile(f.path, f.data, parser.ImportsOnly)
		if err != nil {
			continue
		}
		for spec := range parsed.ImportSpecs() {
			full, err := literal.Unquote(spec.Path.Value)
			if err != nil {
				continue
			}
			if own, ok := b.own(full); ok && own != "schema" {
				out = append(out, own)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// parses tells whether a package can be imported at all.
func (r *repository) parses(d *dir) bool {
	if len(d.files) < d.found {
		return false
	}
	for _, f := range d.files {
		parsed, err := parser.ParseFile(f.path, f.data)
		if err != nil || tooDeep(f) > 0 || parsed.PackageName() != packageName(d.path) {
			return false
		}
	}
	return true
}
