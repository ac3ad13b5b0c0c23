package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/reuse"
)

// same loads files with a cache, and holds the result against that of a load without one.
func same(t *testing.T, files fs.FS, c *Cache) *Loaded {
	t.Helper()
	want, err := Load(context.Background(), "", Options{FS: files})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(context.Background(), "", Options{FS: files, Cache: c})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := print(got), print(want); a != b {
		t.Errorf("with a cache it says\n%s\nand without one\n%s", a, b)
	}
	if !reflect.DeepEqual(got.Set.Platform, want.Set.Platform) {
		t.Errorf("with a cache the platform is\n%+v\nand without one\n%+v", got.Set.Platform, want.Set.Platform)
	}
	if len(got.Set.Tenants) != len(want.Set.Tenants) {
		t.Fatalf("%d and %d tenants", len(got.Set.Tenants), len(want.Set.Tenants))
	}
	for i, w := range want.Set.Tenants {
		if g := got.Set.Tenants[i]; !reflect.DeepEqual(g, w) {
			t.Errorf("with a cache %s is\n%+v\nand without one\n%+v", w.Name, g, w)
		}
	}
	if got.InputDigest != want.InputDigest {
		t.Error("with a cache the digest is another one")
	}
	for _, f := range want.files {
		g, _ := got.Source(f.path)
		if w, ok := want.Source(f.path); !ok || string(g) != string(w) {
			t.Errorf("with a cache %s is %q", f.path, g)
		}
	}
	return got
}

// repositories are all that there are to load, good and bad.
func repositories(t *testing.T) map[string]fs.FS {
	out := map[string]fs.FS{"estate": estate(t, 5), "this one": os.DirFS("../..")}
	for _, pattern := range []string{"testdata/mistakes/*.txtar"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := estate(t, 1)
			for _, f := range archive.Files {
				files[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			out[name] = files
		}
	}
	cases, err := filepath.Glob("../../golden/cases/*/repo")
	if err != nil || len(cases) == 0 {
		t.Fatal(cases, err)
	}
	for _, dir := range cases {
		out[dir] = os.DirFS(dir)
	}
	return out
}

// TestCache loads everything without a cache, with an empty one, with what it has learnt, and with what was read back.
func TestCache(t *testing.T) {
	for name, files := range repositories(t) {
		t.Run(name, func(t *testing.T) {
			store := reuse.StoreFor(t.TempDir(), "specs", "root", "key")
			c := NewCache(store)
			same(t, files, c)
			same(t, files, c)
			c.Save()
			saved := c.encode()
			again := NewCache(store)
			if again.fresh || len(again.specs) != len(c.specs) {
				t.Errorf("%d of %d specs were read back", len(again.specs), len(c.specs))
			}
			same(t, files, again)
			if again.fresh {
				t.Error("there was something new in the same files")
			}
			if string(again.encode()) != string(saved) {
				t.Error("what was read back is written in another way")
			}
		})
	}
}

// TestCacheSeesChanges edits what a spec is made from, and what it is not made from.
func TestCacheSeesChanges(t *testing.T) {
	files := estate(t, 3)
	put := func(name, text string) { files[name] = &fstest.MapFile{Data: []byte(text)} }
	put("platform/deep/deep.cue", "package deep\n\nPort: 8000\n")
	put("platform/lib/lib.cue", "package lib\n\nimport \"zavestudios.com/platform/platform/deep\"\n\nPort: deep.Port\n")
	put("tenants/tenant-0000/more.cue", "package tenant_0000\n\nimport \"zavestudios.com/platform/platform/lib\"\n\n_port: lib.Port\n")
	module := string(files["cue.mod/module.cue"].Data)
	c := NewCache(reuse.Store{})
	before := same(t, files, c)
	all := []string{"platform", "tenants/tenant-0000", "tenants/tenant-0001", "tenants/tenant-0002"}
	for _, step := range []struct {
		name    string
		do      func()
		changed []string
	}{
		{"nothing", func() {}, nil},
		{"a remark", func() { put("tenants/tenant-0001/more.cue", "package tenant_0001\n\n// hello\n") }, all[2:3]},
		{"the same in a file of another name", func() {
			delete(files, "tenants/tenant-0001/more.cue")
			put("tenants/tenant-0001/other.cue", "package tenant_0001\n\n// hello\n")
		}, all[2:3]},
		{"a package that is imported", func() { put("platform/lib/lib.cue", string(files["platform/lib/lib.cue"].Data)+"// x\n") }, all[1:2]},
		{"a package that it imports", func() { put("platform/deep/deep.cue", "package deep\n\nPort: 8001\n") }, all[1:2]},
		{"a file more in it", func() { put("platform/deep/more.cue", "package deep\n\nOther: 1\n") }, all[1:2]},
		{"the platform", func() { put("platform/more.cue", "package platform\n\n// x\n") }, all[:1]},
		{"the module's name", func() {
			for name, f := range files {
				files[name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(string(f.Data), "zavestudios.com/platform", "other.example/platform"))}
			}
		}, all},
		{"the module's file", func() { put("cue.mod/module.cue", string(files["cue.mod/module.cue"].Data)+"// x\n") }, all},
		{"a tenant that imports another", func() {
			put("tenants/tenant-0002/more.cue", "package tenant_0002\n\nimport \"other.example/platform/tenants/tenant-0001:tenant_0001\"\n\n_x: tenant_0001.name\n")
		}, all[3:]},
		{"that other one", func() { put("tenants/tenant-0001/other.cue", "package tenant_0001\n\n// bye\n") }, all[2:]},
		{"an import in other letters", func() {
			put("tenants/tenant-0002/deep.cue", "package tenant_0002\n\nimport \"other.example/pl\\u0061tform/platform/deep\"\n\n_y: deep.Port\n")
		}, all[3:]},
		{"what it imports", func() { put("platform/deep/more.cue", "package deep\n\nOther: 2\n") }, []string{all[1], all[3]}},
		{"a mistake", func() { put("tenants/tenant-0001/other.cue", "package tenant_0001\n\nnope: 1\n") }, all[2:]},
		{"another one", func() { put("tenants/tenant-0001/other.cue", "package tenant_0001\n\nnope: 2\n") }, all[2:]},
		{"a file that is empty", func() { put("tenants/tenant-0001/other.cue", "") }, all[2:]},
		{"and gone", func() { delete(files, "tenants/tenant-0001/other.cue") }, all[2:]},
		{"a package that is gone", func() { delete(files, "platform/lib/lib.cue") }, all[1:2]},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.do()
			after := same(t, files, c)
			for _, dir := range all {
				was, ok1 := before.Input(dir)
				is, ok2 := after.Input(dir)
				if changed := !ok1 || !ok2 || was != is; changed != slices.Contains(step.changed, dir) {
					t.Errorf("the input of %s changed: %v", dir, changed)
				}
			}
			before = after
		})
	}
	if module == string(files["cue.mod/module.cue"].Data) {
		t.Error("the module is what it was")
	}
}

// stored is a file system that knows hashes, and counts what is read.
type stored struct {
	fstest.MapFS
	mu   *sync.Mutex
	read map[string]int
	lies bool
}

func (s stored) Open(name string) (fs.File, error) {
	s.mu.Lock()
	s.read[name]++
	s.mu.Unlock()
	return s.MapFS.Open(name)
}

func (s stored) ReadFile(name string) ([]byte, error) {
	f, err := s.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

func (s stored) Hash(name string) (string, bool) {
	f := s.MapFS[name]
	if f == nil {
		return "", false
	}
	if s.lies {
		return "always the same", true
	}
	sum := sha256.Sum256(f.Data)
	return hex.EncodeToString(sum[:20]), true
}

func TestHasher(t *testing.T) {
	files := stored{MapFS: estate(t, 3), mu: &sync.Mutex{}, read: map[string]int{}}
	tenants := func() (n int) {
		for name, k := range files.read {
			if strings.HasSuffix(name, "/tenant.cue") && strings.HasPrefix(name, "tenants/") {
				n += k
			}
		}
		clear(files.read)
		return n
	}
	store := reuse.StoreFor(t.TempDir(), "specs", "root", "key")
	c := NewCache(store)
	load := func(c *Cache) *Loaded {
		l, err := Load(context.Background(), "", Options{FS: files, Cache: c})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := load(c)
	if n := tenants(); n != 3 {
		t.Errorf("first: %d tenants were read", n)
	}
	c.Save()
	c = NewCache(store)
	second := load(c)
	if n := tenants(); n != 0 {
		t.Errorf("again: %d tenants were read", n)
	}
	if !reflect.DeepEqual(first.Set, second.Set) || first.InputDigest != second.InputDigest {
		t.Error("what was not read is another")
	}
	text, ok := second.Source("tenants/tenant-0001/tenant.cue")
	if want := files.MapFS["tenants/tenant-0001/tenant.cue"].Data; !ok || string(text) != string(want) {
		t.Errorf("the source is %q, %v", text, ok)
	}
	clear(files.read)
	// What another one imports is read, although it has not changed.
	files.MapFS["tenants/tenant-0002/more.cue"] = &fstest.MapFile{Data: []byte(
		"package tenant_0002\n\nimport \"zavestudios.com/platform/tenants/tenant-0001:tenant_0001\"\n\n_x: tenant_0001.name\n")}
	if l := load(c); l.Diags.Len() > 0 {
		t.Error(print(l))
	}
	if n := tenants(); n != 2 {
		t.Errorf("one that imports another: %d tenants were read", n)
	}
	same(t, files, c)

	// Without a cache there is nobody to remember hashes.
	tenants()
	load(nil)
	if n := tenants(); n != 3 {
		t.Errorf("without a cache: %d tenants were read", n)
	}
}

// TestHasherThatLies: two files that have one hash are found out where they are read, and nothing is compiled from half
// of each.
func TestHasherThatLies(t *testing.T) {
	files := stored{MapFS: estate(t, 2), mu: &sync.Mutex{}, read: map[string]int{}, lies: true}
	c := NewCache(reuse.Store{})
	l, err := Load(context.Background(), "", Options{FS: files, Cache: c})
	if err == nil || !strings.Contains(err.Error(), "not what was compiled before under the same hash") {
		t.Errorf("%v, %v", l, err)
	}
}

// TestCacheIsShared: loads that run at once share a cache, and none changes what another has of it.
func TestCacheIsShared(t *testing.T) {
	files := estate(t, 40)
	c := NewCache(reuse.Store{})
	want, err := Load(context.Background(), "", Options{FS: files})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			mine := maps.Clone(files)
			mine["platform/broken.cue"] = &fstest.MapFile{} // of which the platform is broken, here alone
			if i%2 == 0 {
				delete(mine, "platform/broken.cue")
			}
			l, err := Load(context.Background(), "", Options{FS: mine, Cache: c})
			if err != nil {
				t.Error(err)
				return
			}
			if !reflect.DeepEqual(l.Set.Tenants, want.Set.Tenants) || l.Set.Platform.Broken != (i%2 == 1) {
				t.Error("it is another")
			}
		})
	}
	wg.Wait()
}

// TestCacheIsBounded: what nobody asks for goes after a while.
func TestCacheIsBounded(t *testing.T) {
	store := reuse.StoreFor(t.TempDir(), "specs", "root", "key")
	files := estate(t, 2)
	files["tenants/tenant-0001/more.cue"] = &fstest.MapFile{}
	for i := range 3 * oldest {
		files["tenants/tenant-0001/more.cue"].Data = fmt.Appendf(nil, "package tenant_0001\n\n// %d\n", i)
		c := NewCache(store)
		if _, err := Load(context.Background(), "", Options{FS: files, Cache: c}); err != nil {
			t.Fatal(err)
		}
		c.Save()
	}
	c := NewCache(store)
	if n := len(c.specs); n > 2+oldest+2 || n < oldest/2 {
		t.Errorf("%d specs are kept", n)
	}
	if _, err := Load(context.Background(), "", Options{FS: files, Cache: c}); err != nil || c.fresh {
		t.Error("what was asked for each time is gone", err)
	}
}

// TestCodec fills every field of a spec in turn, and all at once.
func TestCodec(t *testing.T) {
	c := newCodecs()
	for _, tt := range []struct {
		t     reflect.Type
		codec codec
	}{{reflect.TypeFor[spec.Tenant](), c.tenant}, {reflect.TypeFor[spec.Platform](), c.platform}} {
		check := func(v reflect.Value) {
			t.Helper()
			b := tt.codec.append(nil, v)
			got := reflect.New(tt.t)
			r := &packed{text: string(b)}
			tt.codec.read(r, got.Elem())
			if r.bad || r.text != "" || !reflect.DeepEqual(got.Elem().Interface(), v.Interface()) {
				t.Errorf("%+v\nbecame\n%+v", v.Interface(), got.Elem().Interface())
			}
		}
		check(reflect.New(tt.t).Elem())
		all := reflect.New(tt.t).Elem()
		for i := range tt.t.NumField() {
			if apart(tt.t.Field(i)) {
				continue
			}
			one := reflect.New(tt.t).Elem()
			fill(one.Field(i), 1)
			fill(all.Field(i), 3)
			if all.Field(i).Kind() == reflect.Slice { // longer than what is made room for
				fill(all.Field(i), roomFor*3)
			}
			check(one)
			check(all)
			if one.Field(i).Kind() == reflect.Slice { // which is not nil
				one.Field(i).Set(reflect.MakeSlice(one.Field(i).Type(), 0, 0))
				check(one)
			}
		}
	}
}

// fill sets everything in a value; lists have n elements.
func fill(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(-n) << 33)
	case reflect.Uint8:
		v.SetUint('x')
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(v.Index(i), n%7)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	}
}

// FuzzCache gives arbitrary bytes for what was kept: nothing is read from them that could not be a spec, and no place
// in it is asked for in vain.
func FuzzCache(f *testing.F) {
	c := NewCache(reuse.Store{})
	if _, err := Load(context.Background(), "", Options{FS: estate(f, 1), Cache: c}); err != nil {
		f.Fatal(err)
	}
	for _, e := range c.specs {
		f.Add([]byte(c.pack(e.result)))
	}
	f.Add(c.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		NewCache(reuse.Store{}).parse(string(data))
		for _, j := range []job{{}, {tenant: "acme"}} {
			r, ok := c.unpack(j, string(data))
			if !ok {
				continue
			}
			var pos *positions
			if r.tenant != nil {
				pos = r.tenant.Positions.(*positions)
			} else {
				pos = r.platform.Positions.(*positions)
			}
			for _, e := range pos.entries[:min(len(pos.entries), 100)] {
				path := strings.Split(e.path, "\x00")
				pos.At(path...)
				pos.Key(path...)
			}
		}
	})
}

// BenchmarkCached is a load of specs that all were loaded before, by another process.
func BenchmarkCached(b *testing.B) {
	files := estate(b, 1000)
	store := reuse.StoreFor(b.TempDir(), "specs", "root", "key")
	c := NewCache(store)
	if _, err := Load(context.Background(), "", Options{FS: files, Cache: c}); err != nil {
		b.Fatal(err)
	}
	c.Save()
	start, n := cpu(b), 0
	b.ReportAllocs()
	for b.Loop() {
		c := NewCache(store)
		if _, err := Load(context.Background(), "", Options{FS: files, Cache: c}); err != nil || c.fresh {
			b.Fatal(err, c.fresh)
		}
		n++
	}
	b.ReportMetric(float64(cpu(b)-start)/1e6/float64(n), "cpu-ms/op")
}
