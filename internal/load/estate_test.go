package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/source"
	"github.com/zavestudios/zave/schema"
)

// dump writes a set without its positions.
func dump(t *testing.T, set *spec.Set) []byte {
	t.Helper()
	plain := spec.Set{}
	if set.Platform != nil {
		p := *set.Platform
		p.Positions = nil
		plain.Platform = &p
	}
	for _, tenant := range set.Tenants {
		c := *tenant
		c.Positions = nil
		plain.Tenants = append(plain.Tenants, &c)
	}
	out, err := json.MarshalIndent(plain, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// TestEstate holds this repository's own specs against testdata/estate.json.
func TestEstate(t *testing.T) {
	l, err := Load(context.Background(), "../..", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if l.Diags.Len() > 0 {
		t.Fatalf("the estate has mistakes:\n%s", print(l))
	}
	const golden = "testdata/estate.json"
	got := dump(t, l.Set)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the specs differ from %s; UPDATE_GOLDEN=1 writes it anew", golden)
	}
	if text, ok := l.Source("tenants/panchito/tenant.cue"); !ok || !bytes.HasPrefix(text, []byte("package panchito")) {
		t.Error("the source of a tenant is not to be had")
	}
	if _, ok := l.Source("tenants/panchito"); ok {
		t.Error("a directory has a source")
	}
}

// shuffled lists directories in another order each time.
type shuffled struct{ fs.FS }

func (s shuffled) ReadDir(name string) ([]fs.DirEntry, error) {
	out, err := fs.ReadDir(s.FS, name)
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out, err
}

func TestDeterminism(t *testing.T) {
	files := estate(t, 70)
	for i := range 20 {
		name := fmt.Sprintf("tenants/tenant-%04d/tenant.cue", i*3)
		files[name].Data = bytes.ReplaceAll(files[name].Data, []byte("port:   8000"), []byte("prot: 8000\nport: \"1\"\nport: 2"))
	}
	var first string
	var digest [32]byte
	for _, workers := range []int{1, 2, 8, 0} {
		old := runtime.GOMAXPROCS(max(workers, 1))
		l, err := Load(context.Background(), "", Options{FS: shuffled{files}, Workers: workers})
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		got := print(l) + string(dump(t, l.Set))
		if first == "" {
			first, digest = got, l.InputDigest
			if l.Diags.Len() < 40 {
				t.Fatal(print(l))
			}
		}
		if got != first || l.InputDigest != digest {
			t.Errorf("%d workers give another result", workers)
		}
	}
	alone, err := Digest("", Options{FS: files})
	if err != nil || !bytes.Equal(alone, digest[:]) {
		t.Errorf("Digest gives %x, and Load %x; %v", alone, digest, err)
	}
}

func TestDigestSeesEverything(t *testing.T) {
	base := func() fstest.MapFS {
		files := estate(t, 1)
		files["platform/charts/x/templates/_helpers.tpl"] = &fstest.MapFile{Data: []byte("x")}
		return files
	}
	before, err := Digest("", Options{FS: base()})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(fstest.MapFS){
		"a byte of a tenant":  func(f fstest.MapFS) { f["tenants/tenant-0000/tenant.cue"].Data[20]++ },
		"a byte of a module":  func(f fstest.MapFS) { f["cue.mod/module.cue"].Data[10]++ },
		"a byte of a chart":   func(f fstest.MapFS) { f["platform/charts/x/templates/_helpers.tpl"].Data = []byte("y") },
		"a new tenant":        func(f fstest.MapFS) { f["tenants/b/tenant.cue"] = &fstest.MapFile{} },
		"a new empty tenant":  func(f fstest.MapFS) { f["tenants/b/README.md"] = &fstest.MapFile{} },
		"another file's name": func(f fstest.MapFS) { f["platform/z.cue"] = f["platform/tiers.cue"]; delete(f, "platform/tiers.cue") },
		"a schema":            func(f fstest.MapFS) { f["schema/x.cue"] = &fstest.MapFile{Data: []byte("package schema")} },
		"a file too large":    func(f fstest.MapFS) { f["tenants/tenant-0000/tenant.cue"].Data = make([]byte, maxFile+1) },
	} {
		files := base()
		change(files)
		after, err := Digest("", Options{FS: files})
		if err != nil || bytes.Equal(before, after) {
			t.Errorf("%s changes nothing: %v", name, err)
		}
	}
	files := base()
	files["README.md"] = &fstest.MapFile{Data: []byte("x")}
	files["tenants/tenant-0000/notes.txt"] = &fstest.MapFile{Data: []byte("x")}
	if after, _ := Digest("", Options{FS: files}); !bytes.Equal(before, after) {
		t.Error("a file that is not read changes the digest")
	}
}

// TestHash tells specs that mean the same, however written, from those that do not.
func TestHash(t *testing.T) {
	hash := func(body string) string {
		t.Helper()
		files := estate(t, 0)
		files["tenants/acme/tenant.cue"] = &fstest.MapFile{Data: []byte(body)}
		l, err := Load(context.Background(), "", Options{FS: files})
		if err != nil || l.Diags.Len() > 0 {
			t.Fatal(err, print(l))
		}
		return l.Set.Tenants[0].Hash
	}
	const head = "package acme\nimport \"zavestudios.com/platform/schema\"\n"
	const digest = "digest: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\""
	base := hash(head + `schema.#Tenant & {name: "acme", description: "x", owner: {team: "a", contact: "a@b.c"}, clusters: ["sandbox"],
		workloads: web: image: {repository: "ghcr.io/z/a", ` + digest + `}, database: backup: {}}`)
	same := hash(head + `// a comment
		schema.#Tenant & {clusters: ["sandbox"], owner: contact: "a@b.c", owner: team: _t, description: "x"}
		_t: "a"
		name: "acme", tier: "standard", state: "active"
		database: {connections: 20, backup: keep: {weekly: 4, daily: 7}}
		workloads: web: {replicas: min: 1, size: "small", image: {` + digest + `, repository: "ghcr.io/z/a"}}`)
	other := hash(head + `schema.#Tenant & {name: "acme", description: "x", owner: {team: "a", contact: "a@b.c"}, clusters: ["sandbox"],
		workloads: web: {image: {repository: "ghcr.io/z/a", ` + digest + `}, replicas: max: 2}, database: backup: {}}`)
	if base != same {
		t.Error("equal specs have different hashes")
	}
	if base == other {
		t.Error("different specs have equal hashes")
	}
}

func TestPositions(t *testing.T) {
	files := estate(t, 0)
	files["tenants/acme/a.cue"] = &fstest.MapFile{Data: []byte(`package acme

import "zavestudios.com/platform/schema"

_image: {repository: "ghcr.io/z/a"}

schema.#Tenant & {
	name: "acme"
	clusters: ["sandbox", "aws"]
	workloads: web: {
		image: _image
		env: "A": "x"
		if true {port: 80}
	}
	for w in ["job"] {workloads: (w): command: ["x"]}
	workloads: web: writable: ["/x", for p in ["/a", "/c"] {p}, "/b"]
}
`)}
	files["tenants/acme/b.cue"] = &fstest.MapFile{Data: []byte("package acme\n\nworkloads: web: health: ready: \"/up\"\r\nnetwork: egress: [{name: \"x\", cidrs: [\"a\", \"b\"]}]\n")}
	l, err := Load(context.Background(), "", Options{FS: files})
	if err != nil {
		t.Fatal(err)
	}
	pos := l.Set.Tenants[0].Positions
	for _, tt := range []struct {
		path string
		at   string
		key  string
	}{
		{"", "a.cue:7:1-7:15", "a.cue:7:1-7:15"},
		{"name", "a.cue:8:8-8:14", "a.cue:8:2-8:6"},
		{"nothing", "a.cue:7:1-7:15", "a.cue:7:1-7:15"},
		{"clusters.1", "a.cue:9:24-9:29", "a.cue:9:24-9:29"},
		{"clusters.7", "a.cue:9:12-9:30", "a.cue:9:2-9:10"},
		{"workloads.web", "a.cue:10:18-14:3", "a.cue:10:13-10:16"},
		{"workloads.web.image", "a.cue:11:10-11:16", "a.cue:11:3-11:8"},
		{"workloads.web.image.tag", "a.cue:11:10-11:16", "a.cue:11:3-11:8"},
		{"workloads.web.env.A", "a.cue:12:13-12:16", "a.cue:12:8-12:11"},
		{"workloads.web.port", "a.cue:13:18-13:20", "a.cue:13:12-13:16"},
		{"workloads.web.health.ready", "b.cue:3:32-3:37", "b.cue:3:25-3:30"},
		{"workloads.job.command.0", "a.cue:15:46-15:49", "a.cue:15:46-15:49"},
		{"workloads.web.writable.0", "a.cue:16:29-16:33", "a.cue:16:29-16:33"},
		{"workloads.web.writable.2", "a.cue:16:57-16:60", "a.cue:16:57-16:60"}, // "/c", from the comprehension
		{"network.egress.0.cidrs.1", "b.cue:4:44-4:47", "b.cue:4:44-4:47"},
	} {
		var path []string
		if tt.path != "" {
			path = strings.Split(tt.path, ".")
		}
		show := func(s source.Span) string {
			return fmt.Sprintf("%s:%d:%d-%d:%d", strings.TrimPrefix(s.File, "tenants/acme/"), s.Line, s.Col, s.EndLine, s.EndCol)
		}
		if got := show(pos.At(path...)); got != tt.at {
			t.Errorf("At(%s) = %s, want %s", tt.path, got, tt.at)
		}
		if got := show(pos.Key(path...)); got != tt.key {
			t.Errorf("Key(%s) = %s, want %s", tt.path, got, tt.key)
		}
	}
}

// TestMirror fills every field that the schema has, and looks for one of Go's that stays empty: each side has what the
// other has.
func TestMirror(t *testing.T) {
	snap := &snapshot{}
	var list diag.List
	snap.module = []byte("module: \"example.com@v0\"")
	repo, err := open(snap, &list)
	if err != nil {
		t.Fatal(err)
	}
	var full func(s *shape) *node
	full = func(s *shape) *node {
		switch s.kind {
		case boolKind:
			return &node{kind: boolKind, text: "true"}
		case intKind, numberKind:
			return &node{kind: intKind, text: "7"}
		case stringKind:
			return &node{kind: stringKind, text: "x"}
		case listKind:
			return &node{kind: listKind, elems: []*node{full(s.elem)}}
		case mapKind:
			return &node{kind: structKind, fields: []nodeField{{"k", full(s.elem)}}}
		}
		n := &node{kind: structKind}
		for _, f := range s.fields {
			n.fields = append(n.fields, nodeField{f.name, full(f.shape)})
		}
		return n
	}
	var empty func(v reflect.Value, path string)
	empty = func(v reflect.Value, path string) {
		switch v.Kind() {
		case reflect.Pointer:
			empty(v.Elem(), path)
		case reflect.Struct:
			for i := range v.NumField() {
				name := v.Type().Field(i).Name
				if slices.Contains([]string{"Positions", "Dir", "Hash", "Broken"}, name) {
					continue
				}
				// An override replaces tag and digest, never the repository.
				if v.Field(i).IsZero() && path+"."+name != ".Overrides.Workloads.Image.Repository" {
					t.Errorf("nothing fills %s.%s", path, name)
					continue
				}
				empty(v.Field(i), path+"."+name)
			}
		case reflect.Slice:
			if v.Type().Elem().Kind() == reflect.Struct {
				empty(v.Index(0), path)
			}
		}
	}
	for name, dst := range map[string]any{"#Tenant": &spec.Tenant{}, "#Platform": &spec.Platform{}} {
		s := repo.shapes[name]
		if err := decode(full(s), s, reflect.ValueOf(dst).Elem()); err != nil {
			t.Error(err)
		}
		empty(reflect.ValueOf(dst), "")
	}
	for name, s := range repo.shapes {
		if s.doc == "" {
			t.Errorf("%s has no comment", name)
		}
	}
}

// onDisk copies an estate to a directory of its own.
func onDisk(t *testing.T, files fstest.MapFS) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	if err := os.CopyFS(root, files); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestFilesOnDisk(t *testing.T) {
	files := estate(t, 9)
	root := onDisk(t, files)
	tenant := func(i int) string { return filepath.Join(root, fmt.Sprintf("tenants/tenant-%04d/tenant.cue", i)) }
	good, err := os.ReadFile(tenant(8))
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "outside.cue")
	must(os.WriteFile(outside, good, 0o600))
	for i := range 7 {
		must(os.Remove(tenant(i)))
	}
	must(os.Symlink(outside, tenant(0)))
	must(os.Symlink("../tenant-0008/tenant.cue", tenant(1))) // another package, and within the repository
	must(os.Symlink("nowhere", tenant(2)))
	must(os.Mkdir(tenant(3), 0o700))
	must(syscall.Mkfifo(tenant(4), 0o600))
	must(os.WriteFile(tenant(5), make([]byte, 10<<20), 0o600))
	must(os.WriteFile(tenant(6), []byte("package x\n\nname: \"\xff\"\n"), 0o600))
	crlf := bytes.ReplaceAll(bytes.ReplaceAll(good, []byte("0008"), []byte("0007")), []byte("\n"), []byte("\r\n"))
	must(os.WriteFile(tenant(7), append([]byte("\xef\xbb\xbf"), crlf...), 0o600))
	must(os.Symlink(filepath.Dir(outside), filepath.Join(root, "tenants/elsewhere")))
	must(os.Mkdir(filepath.Join(root, "tenants/b\xff\x1b"), 0o700))
	must(os.Mkdir(filepath.Join(root, "tenants/z\x1b[31m"), 0o700))
	l, err := Load(context.Background(), root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `tenants/b\xff\x1b ZAV006 the name is not UTF-8 | rename it
tenants/elsewhere ZAV004 the symbolic link leads out of the repository | put the file itself here
tenants/tenant-0000/tenant.cue ZAV004 the symbolic link leads out of the repository | put the file itself here
tenants/tenant-0001/tenant.cue:1:9 ZAV007 the package is "tenant_0008", and the directory's is "tenant_0001" | write package tenant_0001
tenants/tenant-0001/tenant.cue:13:15 ZAV115 the name is "tenant-0008", and the directory's is "tenant-0001" | write "tenant-0001", or rename the directory
tenants/tenant-0002/tenant.cue ZAV006 it cannot be read: no such file or directory
tenants/tenant-0003/tenant.cue ZAV006 this is a directory, and bears the name of a CUE file | rename or remove it
tenants/tenant-0004/tenant.cue ZAV006 this is not a regular file, and bears the name of a CUE file | rename or remove it
tenants/tenant-0005/tenant.cue ZAV005 the file is larger than 1048576 bytes | a spec is a few kilobytes: is this the right file?
tenants/tenant-0006/tenant.cue:3:8 ZAV006 the file is not UTF-8 | save it as UTF-8
`
	want += "tenants/z\x1b[31m ZAV106 the directory's name \"z\\x1b[31m\" is not " +
		"a DNS label of at most 40 characters: lower-case letters, digits and \"-\", beginning with a letter and not ending with \"-\"\n"
	if got := print(l); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	var broken, sound []string
	for _, s := range l.Set.Tenants {
		if s.Broken {
			broken = append(broken, s.Name)
		} else {
			sound = append(sound, s.Name)
		}
	}
	// What cannot be read is known by its name: others may refer to it.
	if len(broken) != 8 || broken[0] != "elsewhere" || !slices.Equal(sound, []string{"tenant-0007", "tenant-0008"}) {
		t.Error(broken, sound)
	}
	must(os.Rename(filepath.Join(root, "tenants"), filepath.Join(filepath.Dir(root), "elsewhere")))
	must(os.Symlink("../elsewhere", filepath.Join(root, "tenants")))
	l, err = Load(context.Background(), root, Options{})
	if err != nil || print(l) != "tenants ZAV004 the symbolic link leads out of the repository | put the file itself here\n" {
		t.Error(err, print(l))
	}
}

// shut refuses to list one directory, as a file system does without the right to.
type shut struct {
	fs.FS
	name string
}

func (s shut) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == s.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return fs.ReadDir(s.FS, name)
}

func TestShutDirectories(t *testing.T) {
	for name, want := range map[string]int{"tenants/tenant-0000": 2, "platform": 2} {
		l, err := Load(context.Background(), "", Options{FS: shut{estate(t, 2), name}})
		if err != nil || print(l) != name+" ZAV006 it cannot be read: permission denied\n" {
			t.Error(err, print(l))
		}
		if len(l.Set.Tenants) != want || l.Set.Platform == nil || l.Set.Tenants[0].Name != "tenant-0000" ||
			l.Set.Tenants[0].Broken == l.Set.Platform.Broken {
			t.Errorf("%s: %d tenants", name, len(l.Set.Tenants))
		}
	}
}

// TestMemory gives what would fill the memory before patience ends.
func TestMemory(t *testing.T) {
	// The evaluation goes on after it was given up, and is not to weigh on other tests: it has a process of its own.
	const own = "ZAVE_TEST_MEMORY"
	if os.Getenv(own) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMemory$")
		cmd.Env = append(os.Environ(), own+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	files := estate(t, 0)
	files["tenants/acme/tenant.cue"] = &fstest.MapFile{Data: []byte("package acme\nimport \"list\"\nimport \"zavestudios.com/platform/schema\"\n" +
		"schema.#Tenant\n_n: 100000000\n_x: [for i in list.Range(0, _n, 1) {i}]\n")}
	l, err := Load(context.Background(), "", Options{FS: files})
	if err != nil || !strings.Contains(print(l), "ZAV011 CUE has not evaluated it within 512 MB of memory") {
		t.Error(err, print(l))
	}
	if got := heap(); got > 1<<30 {
		t.Errorf("the heap has %d bytes", got)
	}
}

func TestSchemaDiffers(t *testing.T) {
	with := func(change func(fstest.MapFS)) string {
		files := estate(t, 1)
		entries, err := fs.ReadDir(schema.Files, ".")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			data, err := fs.ReadFile(schema.Files, e.Name())
			if err != nil {
				t.Fatal(err)
			}
			files["schema/"+e.Name()] = &fstest.MapFile{Data: data}
		}
		change(files)
		l, err := Load(context.Background(), "", Options{FS: files})
		if err != nil {
			t.Fatal(err)
		}
		return print(l)
	}
	types := "schema/types.cue"
	for _, tt := range []struct {
		change func(fstest.MapFS)
		want   string
	}{
		{func(fstest.MapFS) {}, ""},
		{func(f fstest.MapFS) { f[types].Data = bytes.ReplaceAll(f[types].Data, []byte("\n"), []byte("\r\n")) }, ""},
		{func(f fstest.MapFS) { f[types].Data = append(f[types].Data, "#X: int\n"...) }, types + ":"},
		{func(f fstest.MapFS) { delete(f, types) }, types + " ZAV009 this file of the schema is missing"},
		{func(f fstest.MapFS) { f["schema/x.cue"] = &fstest.MapFile{Data: []byte("package schema\n")} }, "schema/x.cue ZAV009"},
	} {
		got := with(tt.change)
		if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" || strings.Count(got, "\n") > 1 {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestNotARepository(t *testing.T) {
	for _, tt := range []struct {
		files fstest.MapFS
		want  string
	}{
		{fstest.MapFS{}, "cue.mod/module.cue ZAV008"},
		{fstest.MapFS{"cue.mod/module.cue": {Data: []byte("language: version: \"v0.15.0\"\n")}}, "cue.mod/module.cue:1 ZAV008"},
		{fstest.MapFS{"cue.mod/module.cue": {Data: []byte("module: [\n")}}, "cue.mod/module.cue:1:"},
		{fstest.MapFS{"cue.mod/module.cue": {Data: nil}}, "cue.mod/module.cue ZAV005"},
		{fstest.MapFS{"cue.mod/module.cue": {Data: []byte("module: \"a.b/c@v0\"\n")}}, "platform ZAV008"},
		{fstest.MapFS{"cue.mod/module.cue": {Data: []byte("module: \"a.b/c@v0\"\n")}, "platform/x": {}}, "platform ZAV010"},
	} {
		l, err := Load(context.Background(), "", Options{FS: tt.files})
		if err != nil {
			t.Fatal(err)
		}
		if got := print(l); !strings.HasPrefix(got, tt.want) {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestFindRoot(t *testing.T) {
	got, err := FindRoot("testdata/mistakes")
	want, _ := filepath.Abs("../..")
	if err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := FindRoot(t.TempDir()); err == nil {
		t.Errorf("an empty directory is in %s", got)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Load(ctx, "", Options{FS: estate(t, 3)}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestHostile gives what no person writes: each is refused in a sentence, and quickly.
func TestHostile(t *testing.T) {
	const head = "package acme\nimport \"zavestudios.com/platform/schema\"\nschema.#Tenant & {"
	half := maxFile / 2
	for name, text := range map[string]string{
		"brackets":   head + strings.Repeat("[", half),
		"braces":     head + "a: " + strings.Repeat("{b:", half/3),
		"fields":     head + strings.Repeat("a: ", half/3),
		"parens":     head + "a: " + strings.Repeat("(", half),
		"unary":      head + "a: " + strings.Repeat("-", half),
		"not":        head + "a: " + strings.Repeat("!", half),
		"sum":        head + "a: " + strings.Repeat("1+", half/2) + "1}",
		"selectors":  head + "a: b" + strings.Repeat(".b", half/2) + "}",
		"calls":      head + "a: b" + strings.Repeat("()", half/2) + "}",
		"indexes":    head + "a: b" + strings.Repeat("[0]", half/3) + "}",
		"strings":    head + "a: " + strings.Repeat(`"\(`, half/3),
		"hidden":     head + "a: \"\"\"\n\\(1)\n\"\"\", b: " + strings.Repeat("[", half),
		"small deep": head + "a: " + strings.Repeat("[", 1800) + strings.Repeat("]", 1800) + "}",
		"small long": head + "a: 1" + strings.Repeat("+1", 1900) + "}",
		"small path": head + strings.Repeat("a:", 1900) + "1}",
	} {
		t.Run(name, func(t *testing.T) {
			files := estate(t, 0)
			files["tenants/acme/tenant.cue"] = &fstest.MapFile{Data: []byte(text)}
			start := time.Now()
			l, err := Load(context.Background(), "", Options{FS: files})
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("it took %s", d)
			}
			if err != nil || !l.Diags.HasErrors() || !l.Set.Tenants[0].Broken {
				t.Error("nothing is wrong with it", err)
			}
		})
	}
}
