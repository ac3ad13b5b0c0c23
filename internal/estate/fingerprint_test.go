package estate_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/reuse"
	"github.com/zavestudios/zave/internal/tree"
)

// version is an estate that compiles.
type version struct {
	files  fstest.MapFS
	loaded *load.Loaded
	result *generator.Result
	own    map[string][]string // tenant → its files, as text
}

// compiled gives a version, or nothing where it has errors.
func compiled(t *testing.T, files fstest.MapFS, cache *load.Cache) *version {
	t.Helper()
	l, err := load.Load(t.Context(), "", load.Options{FS: files, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	if l.Diags.HasErrors() {
		return nil
	}
	r, list, err := generator.Compile(l.Set, generator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if list.HasErrors() {
		return nil
	}
	v := &version{files, l, r, map[string][]string{}}
	for _, f := range r.Tree.Files() {
		if _, tenant := layout.Owner(f.Path); tenant != "" {
			v.own[tenant] = append(v.own[tenant], fmt.Sprintf("%s of %s in %s\n%s", f.Path, f.Unit, f.Part, f.Data))
		}
	}
	return v
}

var (
	number = regexp.MustCompile(`[0-9]+`)
	text   = regexp.MustCompile(`"[^"\n\\]*"`)
)

// edited gives the files with one of them changed at random: as people change them, and as they do not.
func edited(random *rand.Rand, files fstest.MapFS) fstest.MapFS {
	out := maps.Clone(files)
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(n string) bool {
		return !strings.HasPrefix(n, "tenants/") && !strings.HasPrefix(n, "platform/")
	})
	name := names[random.IntN(len(names))]
	if random.IntN(4) == 0 {
		name = "platform/platform.cue"
	}
	data := string(files[name].Data)
	pick := func(r *regexp.Regexp, change func(string) string) {
		if all := r.FindAllStringIndex(data, -1); len(all) > 0 {
			at := all[random.IntN(len(all))]
			data = data[:at[0]] + change(data[at[0]:at[1]]) + data[at[1]:]
		}
	}
	line := func(change func(string) string) {
		lines := strings.SplitAfter(data, "\n")
		i := random.IntN(len(lines))
		lines[i] = change(lines[i])
		data = strings.Join(lines, "")
	}
	switch random.IntN(8) {
	case 0:
		pick(number, func(s string) string {
			n, _ := strconv.Atoi(s)
			return strconv.Itoa(n + random.IntN(3) - 1)
		})
	case 1:
		pick(text, func(s string) string { return s[:len(s)-1] + "x" + `"` })
	case 2: // by another one's
		other := text.FindAllString(string(files[names[random.IntN(len(names))]].Data), -1)
		pick(text, func(string) string { return other[random.IntN(len(other))] })
	case 3:
		line(func(s string) string { return "\t// a remark\n" + s })
	case 4:
		line(func(string) string { return "" })
	case 5:
		state := []string{"suspended", "retired"}[random.IntN(2)]
		data = strings.Replace(data, "\tclusters: [", "\tstate: \""+state+"\"\n\tclusters: [", 1)
	case 6:
		data = strings.Replace(data, `clusters: ["home"]`, `clusters: ["home", "cloud"]`, 1)
	default:
		pick(regexp.MustCompile(`"(home|cloud|small|standard|large|public-http|internal-http|web|redis)"`), func(string) string {
			return []string{`"home"`, `"cloud"`, `"large"`, `"standard"`, `"internal-http"`, `"none"`, `"redis"`}[random.IntN(7)]
		})
	}
	out[name] = &fstest.MapFile{Data: []byte(data)}
	return out
}

// edits calls a function with n pairs of versions that differ by an edit.
func edits(t *testing.T, files fstest.MapFS, n int, f func(before, after *version)) {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 2))
	cache := load.NewCache(reuse.Store{})
	v := compiled(t, files, cache)
	if v == nil {
		t.Fatal("there are errors to begin with")
	}
	for made := 0; made < n; {
		next := compiled(t, edited(random, v.files), cache)
		if next == nil {
			continue // it has errors, as most have
		}
		f(v, next)
		v = next
		made++
	}
}

// unnoticed gives tenants whose fingerprints are equal and whose files are not.
func unnoticed(before, after *version, prints func(*load.Loaded) map[string]generator.Fingerprint) (out []string, same int) {
	was, is := prints(before.loaded), prints(after.loaded)
	for tenant, print := range is {
		if first, ok := was[tenant]; ok && first == print {
			same++
			if !slices.Equal(before.own[tenant], after.own[tenant]) {
				out = append(out, tenant)
			}
		}
	}
	return out, same
}

// onDisk are the files of a repository.
func onDisk(t *testing.T, root string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	for _, dir := range []string{"cue.mod", "platform", "tenants"} {
		err := fs.WalkDir(os.DirFS(root), dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(filepath.Join(root, name))
			out[name] = &fstest.MapFile{Data: data}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestFingerprints: where a fingerprint is the same, so are all files of the tenant, whatever else was changed.
func TestFingerprints(t *testing.T) {
	type prints func(*load.Loaded) map[string]generator.Fingerprint
	whole := func(l *load.Loaded) map[string]generator.Fingerprint { return generator.Fingerprints(l.Set, l.Input) }
	with := func(change func(*spec.Platform)) prints {
		return func(l *load.Loaded) map[string]generator.Fingerprint {
			p := *l.Set.Platform
			change(&p)
			return generator.Fingerprints(&spec.Set{Platform: &p, Tenants: l.Set.Tenants}, l.Input)
		}
	}
	// What a fingerprint would miss that left something out. The edits have to find each of them.
	blind := map[string]prints{
		"the platform": with(func(p *spec.Platform) { *p = spec.Platform{} }),
		"clusters":     with(func(p *spec.Platform) { p.Clusters = nil }),
		"services":     with(func(p *spec.Platform) { p.Services = nil }),
		"the database": with(func(p *spec.Platform) { p.Database = nil }),
		"tiers":        with(func(p *spec.Platform) { p.Tiers = nil }),
		"sizes":        with(func(p *spec.Platform) { p.Sizes = nil }),
		"neighbours": func(l *load.Loaded) map[string]generator.Fingerprint {
			set := spec.Set{Platform: l.Set.Platform}
			for _, tenant := range l.Set.Tenants {
				alone := *tenant
				alone.Network = spec.Network{}
				set.Tenants = append(set.Tenants, &alone)
			}
			return generator.Fingerprints(&set, l.Input)
		},
		"positions": func(l *load.Loaded) map[string]generator.Fingerprint {
			return generator.Fingerprints(l.Set, func(dir string) ([sha256.Size]byte, bool) {
				for _, tenant := range l.Set.Tenants {
					if tenant.Dir == dir {
						return sha256.Sum256([]byte(tenant.Hash)), true
					}
				}
				return l.Input(dir)
			})
		},
	}
	const n = 250
	seen, caught := 0, map[string]int{}
	for name, files := range map[string]fstest.MapFS{
		"synthetic": mapFS(12), "real": onDisk(t, repository), "psql": onDisk(t, repository+"/golden/cases/database-psql/repo"),
	} {
		t.Run(name, func(t *testing.T) {
			edits(t, files, n, func(before, after *version) {
				bad, same := unnoticed(before, after, whole)
				seen += same
				for _, tenant := range bad {
					t.Errorf("the fingerprint of %s is the same, and its files are not", tenant)
				}
				for what, prints := range blind {
					if bad, _ := unnoticed(before, after, prints); len(bad) > 0 {
						caught[what]++
					}
				}
			})
		})
	}
	if seen < n {
		t.Errorf("%d tenants stayed the same in %d edits: nothing would be spared", seen, n)
	}
	for what := range blind {
		if caught[what] == 0 {
			t.Errorf("no edit has found that %s count", what)
		}
	}
	t.Log(seen, "the same;", caught)
}

// TestPlatformEdits: what of the platform is no tenant's is changed without a tenant to compile.
func TestPlatformEdits(t *testing.T) {
	files := mapFS(12)
	const name = "platform/platform.cue"
	before := compiled(t, files, load.NewCache(reuse.Store{}))
	for _, tt := range []struct{ old, new string }{
		{"schema.#Platform & {", "\n// a remark\nschema.#Platform & {"},
		{`name: "istiod", version: "1.31.1"`, `name: "istiod", version: "1.32.0"`},
		{`name: "postgresql", version: "18.1.13"`, `name: "pg", version: "19.0.0"`},
		{`retention: "15d"`, `retention: "16d"`},
		{`retention: "2d"`, `retention: "3d"`},
		{`registries: ["registry.estate.test/"]`, `registries: ["registry.estate.test/", "other.test/"]`},
		{`count: 500`, `count: 501`},
		{`reserved: {cpu: "100"`, `reserved: {cpu: "101"`},
		{`role:      "mesh"`, "role:      \"mesh\"\n\t\t\tinterval: \"7m\"\n\t\t\ttimeout: \"9m\""},
	} {
		changed := maps.Clone(files)
		text := strings.Replace(string(files[name].Data), tt.old, tt.new, 1)
		changed[name] = &fstest.MapFile{Data: []byte(text)}
		after := compiled(t, changed, load.NewCache(reuse.Store{}))
		if after == nil || text == string(files[name].Data) {
			t.Errorf("%s does not compile, or is what it was", tt.new)
			continue
		}
		bad, same := unnoticed(before, after, func(l *load.Loaded) map[string]generator.Fingerprint { return generator.Fingerprints(l.Set, l.Input) })
		if len(bad) > 0 || same != 12 {
			t.Errorf("%s: %d fingerprints are the same; other files have %v", tt.new, same, bad)
		}
	}
}

// TestOnly: what a compile of some tenants gives is what the compile of all gives, and with the names of the others its
// tree is the whole tree's part.
func TestOnly(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	estates(t, func(t *testing.T, l *load.Loaded, whole *generator.Result) {
		for _, share := range []float64{0, 0.1, 0.5, 1} {
			wanted := map[string]bool{}
			for _, tenant := range l.Set.Tenants {
				wanted[tenant.Name] = random.Float64() < share
			}
			part, list, err := generator.Compile(l.Set, generator.Options{Only: func(tenant string) bool { return wanted[tenant] }})
			if err != nil || list.Len() > 0 {
				t.Fatal(err, list.Sorted())
			}
			var kept []string
			var want []tree.File
			for _, f := range whole.Tree.Files() {
				if _, tenant := layout.Owner(f.Path); tenant != "" && !wanted[tenant] {
					kept = append(kept, f.Path)
				} else {
					want = append(want, f)
				}
			}
			got, err := layout.Complete(part.Tree, kept)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Files(), want) {
				for i, f := range got.Files() {
					if i >= len(want) || !reflect.DeepEqual(f, want[i]) {
						t.Fatalf("with a share of %v, file %d is %s of %q:\n%s", share, i, f.Path, f.Unit, f.Data)
					}
				}
				t.Fatalf("with a share of %v there are %d files, want %d", share, len(got.Files()), len(want))
			}
			for _, o := range part.Objects.All() {
				if w, ok := whole.Objects.Find(o.ID); !ok || !bytes.Equal(w.YAML, o.YAML) {
					t.Errorf("%s is another one in the whole", o.ID)
				}
			}
		}
	})
}
