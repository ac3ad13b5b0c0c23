// Package arch keeps the layers of the module: which package may import which, and which may touch the world.
//
// Invariants: every package is in the table below; a package imports only what stands below it; pure packages reach
// nothing outside of memory; each heavy library has one door. It reads source files, and has nothing to import.
package arch

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/zavestudios/zave"

// layer is a row of the table: packages that do not import each other, nor anything above them.
type layer struct {
	pure   string // no files, sockets, processes, environment, clock or randomness
	impure string
}

// layers is the table, from the top down. Names are relative to the module and separated by spaces. Whoever adds a
// package puts it here, as low as it goes.
func layers() []layer {
	return []layer{
		{impure: "cmd/zave e2e"},
		{impure: "internal/cli"},

		// What has an effect or a heavy library, and the compiler as a whole.
		{
			pure: "generator",
			impure: `internal/load internal/edit internal/render/helm internal/render/kustomize internal/diff
				internal/gitrepo/remote internal/forge internal/postgres`,
		},

		// Verbs: each turns one noun into another.
		{
			pure: `generator/link generator/layout
				generator/emit/tenancy generator/emit/access generator/emit/network generator/emit/mesh generator/emit/secrets
				generator/emit/database generator/emit/workload generator/emit/argo generator/emit/flux generator/emit/service
				generator/emit/observe`,
			impure: `internal/check internal/reuse internal/estate internal/golden internal/arch internal/postgres/archive
				internal/postgres/pgtest internal/diff/typed internal/diff/reach internal/diff/format internal/leak`,
		},

		// What the emitters say alike.
		{pure: "generator/label"},

		// Nouns.
		{pure: "generator/spec generator/model generator/unit schema internal/diff/report"},

		// The vocabulary. The tree writes itself to a directory; the schemas are embedded.
		{
			pure: `internal/object internal/api/argocd internal/api/externalsecrets internal/api/istio internal/api/monitoring
				internal/postgres/state internal/postgres/attack`,
			impure: "internal/tree internal/check/schemas internal/gitrepo",
		},
		{pure: "internal/diag"},
		{pure: "internal/dialect"},
		{pure: "internal/source"},
	}
}

// testOnly are packages that only tests import.
func testOnly() []string {
	return []string{"internal/golden", "internal/arch", "internal/postgres/pgtest"}
}

// doors say which packages may import a heavy library, tests included. A name ending in "/" stands for all below it.
func doors() map[string][]string {
	return map[string][]string{
		"cuelang.org/go":                     {"internal/load", "internal/edit"},
		"charm.land/":                        {"internal/cli"},
		"github.com/charmbracelet/":          {"internal/cli"},
		"github.com/chromedp/":               {"e2e"},
		"github.com/go-git/":                 {"internal/gitrepo", "internal/gitrepo/remote"},
		"github.com/google/go-github/":       {"internal/forge"},
		"gitlab.com/":                        {"internal/forge"},
		"sigs.k8s.io/structured-merge-diff/": {"internal/diff/typed"},
		"filippo.io/":                        {"internal/postgres/archive"},
		"github.com/jackc/":                  {"internal/postgres", "internal/postgres/pgtest"},
		"github.com/minio/":                  {"internal/postgres/archive"},
		"github.com/spf13/cobra":             {"internal/cli"},
		"github.com/yannh/kubeconform":       {"internal/check", "internal/render/"},
		"helm.sh/helm/":                      {"internal/render/"},
		"sigs.k8s.io/kustomize/":             {"internal/check", "internal/render/"},
	}
}

// worldly are the packages of the standard library that a pure package does not import. A name ending in "/" stands
// for all below it.
func worldly() []string {
	return []string{
		"crypto/rand", "database/", "io/ioutil", "log", "log/", "math/rand", "math/rand/", "net", "net/http", "net/http/", "net/rpc",
		"net/smtp", "os", "os/", "path/filepath", "plugin", "runtime/debug", "syscall", "testing", "testing/",
	}
}

// clock are the functions of package time that read the clock or wait for it. Durations and parsing are pure.
func clock() []string {
	return []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}
}

// pkg is what the rules look at.
type pkg struct {
	name        string // relative to the module; empty for its root
	imports     []string
	testImports []string // by its tests, of either package
	clock       []string // "time.Now", where it is used
	inits       []string // where func init is
}

// violations gives a sentence for each rule that is broken, sorted.
func violations(pkgs []pkg) []string {
	rank, pure := map[string]int{}, map[string]bool{}
	var out []string
	for i, l := range layers() {
		for _, name := range strings.Fields(l.pure + " " + l.impure) {
			if _, twice := rank[name]; twice {
				out = append(out, name+" stands twice in the table")
			}
			rank[name] = i
		}
		for _, name := range strings.Fields(l.pure) {
			pure[name] = true
		}
	}
	for _, p := range pkgs {
		say := func(format string, args ...any) {
			out = append(out, p.name+" "+fmt.Sprintf(format, args...))
		}
		if _, ok := rank[p.name]; !ok {
			say("is not in the table of layers")
			continue
		}
		for _, imported := range p.imports {
			if name, ours := strings.CutPrefix(imported, module+"/"); ours {
				switch r, known := rank[name]; {
				case !known:
					say("imports %s, which is not in the table of layers", name)
				case r < rank[p.name]:
					say("imports %s, which is above it", name)
				case r == rank[p.name]:
					say("imports %s, which is beside it", name)
				case pure[p.name] && !pure[name] && name != "internal/tree": // a tree is a value until somebody else writes it
					say("is pure and imports %s, which is not", name)
				case slices.Contains(testOnly(), name):
					say("imports %s, which is for tests", name)
				}
			}
			if pure[p.name] && matches(worldly(), imported) {
				say("is pure and imports %s", imported)
			}
		}
		for _, imported := range slices.Concat(p.imports, p.testImports) {
			for library, allowed := range doors() {
				if (imported == library || strings.HasPrefix(imported, strings.TrimSuffix(library, "/")+"/")) && !matches(allowed, p.name) {
					say("imports %s, whose door is %s", imported, strings.Join(allowed, " or "))
				}
			}
		}
		for _, at := range p.clock {
			if pure[p.name] {
				say("is pure and reads the clock at %s", at)
			}
		}
		for _, at := range p.inits {
			say("has an init function at %s", at)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return p == name || strings.HasSuffix(p, "/") && strings.HasPrefix(name, p)
	})
}

// scan reads the packages of a module. It leaves out what the go command leaves out of "./...", nested modules, and
// files that are for "go run" alone.
func scan(root fs.FS) ([]pkg, error) {
	byName := map[string]*pkg{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			if name == "." {
				return nil
			}
			if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
				return fs.SkipDir
			}
			if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(base) != ".go" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		dir := strings.TrimPrefix(path.Dir(name), ".")
		if byName[dir] == nil {
			byName[dir] = &pkg{name: dir}
		}
		return byName[dir].read(name, src)
	})
	var out []pkg
	for _, p := range byName {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b pkg) int { return strings.Compare(a.name, b.name) })
	return out, err
}

func (p *pkg) read(name string, src []byte) error {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if ignored(file) {
		return nil
	}
	isTest := strings.HasSuffix(name, "_test.go")
	timeName := "" // what package time is called here
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if isTest {
			p.testImports = append(p.testImports, imported)
			continue
		}
		p.imports = append(p.imports, imported)
		if imported == "time" {
			if timeName = "time"; spec.Name != nil {
				timeName = spec.Name.Name
			}
		}
	}
	if isTest {
		return nil
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				p.inits = append(p.inits, fset.Position(n.Pos()).String())
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && timeName != "" && x.Name == timeName && slices.Contains(clock(), n.Sel.Name) {
				p.clock = append(p.clock, fset.Position(n.Pos()).String())
			}
		}
		return true
	})
	return nil
}

// ignored tells whether a file has the build constraint "ignore", as programs for go generate do.
func ignored(file *ast.File) bool {
	for _, group := range file.Comments {
		for _, c := range group.List {
			if c.Pos() > file.Package || !constraint.IsGoBuild(c.Text) {
				continue
			}
			if expr, err := constraint.Parse(c.Text); err == nil {
				return !expr.Eval(func(tag string) bool { return tag != "ignore" })
			}
		}
	}
	return false
}

// TestLayers is the rule for this module.
func TestLayers(t *testing.T) {
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	pkgs, err := scan(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(pkgs, func(p pkg) bool { return p.name == "internal/diag" && len(p.imports) > 0 }) {
		t.Fatalf("the module was not read: %d packages", len(pkgs))
	}
	for _, v := range violations(pkgs) {
		t.Error(v)
	}
}

// TestViolations seeds each rule with a break of it.
func TestViolations(t *testing.T) {
	for _, test := range []struct {
		pkg  pkg
		want string // empty: nothing is wrong
	}{
		{pkg{name: "internal/diag", imports: []string{"strings", module + "/internal/source"}}, ""},
		{pkg{name: "generator/layout", imports: []string{module + "/internal/tree", "time"}}, ""},
		{pkg{name: "internal/cli", imports: []string{"os", "github.com/spf13/cobra", module + "/generator"}, clock: []string{"a.go:1:1"}}, ""},
		{pkg{name: "internal/diag", testImports: []string{module + "/internal/golden", "os"}}, ""},
		{pkg{name: "internal/render/helm", imports: []string{"helm.sh/helm/v3/pkg/engine"}}, ""},
		{pkg{name: "generator/emit/network", imports: []string{"net/netip", "net/url"}}, ""},

		{pkg{name: "internal/helpers"}, "internal/helpers is not in the table of layers"},
		{pkg{name: ""}, " is not in the table of layers"},
		{pkg{name: "internal/cli", imports: []string{module + "/internal/helpers"}}, "internal/cli imports internal/helpers, which is not in the table of layers"},
		{pkg{name: "internal/source", imports: []string{module + "/internal/diag"}}, "internal/source imports internal/diag, which is above it"},
		{pkg{name: "generator/spec", imports: []string{module + "/generator/link"}}, "generator/spec imports generator/link, which is above it"},
		{pkg{name: "generator/emit/mesh", imports: []string{module + "/generator/emit/network"}}, "generator/emit/mesh imports generator/emit/network, which is beside it"},
		{pkg{name: "generator", imports: []string{module + "/internal/load"}}, "generator imports internal/load, which is beside it"},
		{pkg{name: "generator/link", imports: []string{module + "/internal/check/schemas"}}, "generator/link is pure and imports internal/check/schemas, which is not"},
		{pkg{name: "internal/load", imports: []string{module + "/internal/golden"}}, "internal/load imports internal/golden, which is for tests"},
		{pkg{name: "generator/link", imports: []string{"os"}}, "generator/link is pure and imports os"},
		{pkg{name: "generator/link", imports: []string{"os/exec"}}, "generator/link is pure and imports os/exec"},
		{pkg{name: "internal/object", imports: []string{"net/http"}}, "internal/object is pure and imports net/http"},
		{pkg{name: "schema", imports: []string{"math/rand/v2"}}, "schema is pure and imports math/rand/v2"},
		{pkg{name: "generator/unit", clock: []string{"u.go:3:4"}}, "generator/unit is pure and reads the clock at u.go:3:4"},
		{pkg{name: "internal/cli", inits: []string{"i.go:3:1"}}, "internal/cli has an init function at i.go:3:1"},
		{pkg{name: "generator/link", imports: []string{"cuelang.org/go/cue"}}, "generator/link imports cuelang.org/go/cue, whose door is internal/load or internal/edit"},
		{pkg{name: "internal/cli", testImports: []string{"cuelang.org/go/cue"}}, "internal/cli imports cuelang.org/go/cue, whose door is internal/load or internal/edit"},
		{pkg{name: "internal/cli", imports: []string{"github.com/go-git/go-git/v5"}}, "internal/cli imports github.com/go-git/go-git/v5, whose door is internal/gitrepo or internal/gitrepo/remote"},
		{pkg{name: "internal/cli", imports: []string{"github.com/jackc/pgx/v5"}}, "internal/cli imports github.com/jackc/pgx/v5, whose door is internal/postgres or internal/postgres/pgtest"},
		{pkg{name: "cmd/zave", imports: []string{"github.com/spf13/cobra"}}, "cmd/zave imports github.com/spf13/cobra, whose door is internal/cli"},
		{pkg{name: "internal/load", imports: []string{"sigs.k8s.io/kustomize/api/krusty"}}, "internal/load imports sigs.k8s.io/kustomize/api/krusty, whose door is internal/check or internal/render/"},
	} {
		var want []string
		if test.want != "" {
			want = []string{test.want}
		}
		if got := violations([]pkg{test.pkg}); !slices.Equal(got, want) {
			t.Errorf("%+v:\ngot  %q\nwant %q", test.pkg, got, want)
		}
	}
}

// TestScan reads a small module with a break of every kind that is found in the text of files.
func TestScan(t *testing.T) {
	pkgs, err := scan(os.DirFS(filepath.Join("testdata", "module")))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"generator/link imports generator/emit/network, which is beside it",
		"generator/link is pure and reads the clock at generator/link/link.go:12:38",
		"internal/source has an init function at internal/source/source.go:5:1",
		"internal/source is pure and imports os",
		"internal/stray is not in the table of layers",
	}
	if got := violations(pkgs); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
