package reuse

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// estate makes files and gives their paths, sorted.
func estate(t testing.TB, out string, n int) []string {
	t.Helper()
	var paths []string
	for i := range n {
		p := fmt.Sprintf("tenants/sandbox/tenant-%04d/%s/networkpolicy-allow-%02d.yaml", i/25, []string{"app", "platform"}[i%2], i%25)
		full := filepath.Join(out, p)
		if i%25 < 2 {
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(full, fmt.Appendf(nil, "file %d\n", i), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	if err := os.WriteFile(filepath.Join(out, "kustomization.yaml"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	paths = append(paths, "kustomization.yaml")
	slices.Sort(paths)
	return paths
}

func TestFresh(t *testing.T) {
	key := []byte("key")
	for _, tt := range []struct {
		name string
		do   func(m *Memory, paths []string) error
		key  string
		want bool
	}{
		{name: "nothing", want: true},
		{name: "other key", key: "kez"},
		{name: "longer key", key: "key2"},
		{name: "same size, same mtime", do: func(m *Memory, paths []string) error {
			name := filepath.Join(m.out, paths[7])
			info, err := os.Lstat(name)
			if err != nil {
				return err
			}
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			data[0] ^= 1
			if err := os.WriteFile(name, data, 0o644); err != nil {
				return err
			}
			return os.Chtimes(name, info.ModTime(), info.ModTime()) // the time of change tells
		}},
		{name: "removed file", do: func(m *Memory, paths []string) error { return os.Remove(filepath.Join(m.out, paths[0])) }},
		{name: "removed directory", do: func(m *Memory, _ []string) error { return os.RemoveAll(filepath.Join(m.out, "tenants")) }},
		{name: "link to the same file", do: func(m *Memory, paths []string) error {
			name := filepath.Join(m.out, paths[0])
			if err := os.Rename(name, name+".real"); err != nil {
				return err
			}
			return os.Symlink(name+".real", name)
		}},
		{name: "a file of others", want: true, do: func(m *Memory, _ []string) error {
			return os.WriteFile(filepath.Join(m.out, "mine"), nil, 0o644)
		}},
		{name: "no record", do: func(m *Memory, _ []string) error { return os.Remove(m.file) }},
		{name: "empty record", do: func(m *Memory, _ []string) error { return os.Truncate(m.file, 0) }},
		{name: "truncated record", do: func(m *Memory, _ []string) error { return os.Truncate(m.file, 500) }},
		{name: "a directory for a record", do: func(m *Memory, _ []string) error {
			if err := os.Remove(m.file); err != nil {
				return err
			}
			return os.Mkdir(m.file, 0o700)
		}},
		{name: "a link for a record", do: func(m *Memory, _ []string) error {
			if err := os.Rename(m.file, m.file+"2"); err != nil {
				return err
			}
			return os.Symlink(m.file+"2", m.file)
		}},
		{name: "somebody else's record", do: func(m *Memory, _ []string) error {
			if os.Getuid() != 0 {
				return os.Remove(m.file)
			}
			return os.Chown(m.file, 65534, 65534)
		}},
		{name: "other options", do: func(m *Memory, _ []string) error {
			*m = For(filepath.Dir(m.file), "root", m.out, "--tenant", "a")
			return nil
		}},
		{name: "options that only join alike", do: func(m *Memory, _ []string) error {
			*m = For(filepath.Dir(m.file), "root", m.out, "opt", "ions")
			return nil
		}},
		{name: "the same place again", want: true, do: func(m *Memory, _ []string) error {
			*m = For(filepath.Dir(m.file), "root", filepath.Join(m.out, "."), "options")
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := t.TempDir()
			paths := estate(t, out, 100)
			m := For(filepath.Join(t.TempDir(), "cache", "zave"), "root", out, "options")
			if _, ok := m.Fresh(key); ok {
				t.Fatal("fresh before anything was remembered")
			}
			m.Remember(key, paths)
			if got, ok := m.Fresh(key); !ok {
				t.Fatal("not fresh at once")
			} else if slices.Sort(got); !slices.Equal(got, paths) {
				t.Fatalf("got %d paths, want %d", len(got), len(paths))
			}
			if tt.do != nil {
				if err := tt.do(&m, paths); err != nil {
					t.Fatal(err)
				}
			}
			k := key
			if tt.key != "" {
				k = []byte(tt.key)
			}
			if _, got := m.Fresh(k); got != tt.want {
				t.Errorf("Fresh is %v", got)
			}
		})
	}
}

func TestDamagedRecord(t *testing.T) {
	out := t.TempDir()
	m := For(t.TempDir(), "root", out)
	m.Remember([]byte("key"), estate(t, out, 4))
	good, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x10
		if _, ok := parse(bad, []byte("key")); ok {
			t.Errorf("byte %d does not matter", i)
		}
		if _, ok := parse(good[:i], []byte("key")); ok {
			t.Errorf("accepted the first %d bytes", i)
		}
	}
	if _, ok := parse(good, []byte("key")); !ok {
		t.Error("the good one is not")
	}
}

func TestSettled(t *testing.T) {
	now := time.Unix(1000, 500_000_000)
	ns := now.UnixNano()
	for _, tt := range []struct {
		mtime, ctime int64
		want         bool
	}{
		{ns - int64(time.Second) - 1, ns - int64(tick), true},
		{ns, ns - int64(time.Hour) - 1, false}, // written in this tick
		{ns - int64(time.Hour), ns - int64(tick) + 1, false},
		{ns + int64(time.Hour), ns - int64(time.Hour) - 1, false}, // from the future
		{999e9, 999e9, false},                                     // a clock of whole seconds
		{998e9, 998e9, true},
	} {
		if got := (mark{mtime: tt.mtime, ctime: tt.ctime}).settled(now); got != tt.want {
			t.Errorf("mtime %d, ctime %d: %v", tt.mtime, tt.ctime, got)
		}
	}
}

// TestNotSettled: a file that claims to be younger than now cannot be trusted.
func TestNotSettled(t *testing.T) {
	out := t.TempDir()
	paths := estate(t, out, 4)
	m := For(t.TempDir(), "root", out)
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(out, paths[0]), future, future); err != nil {
		t.Fatal(err)
	}
	m.Remember([]byte("key"), paths)
	if _, ok := m.Fresh([]byte("key")); ok {
		t.Error("fresh")
	}
}

func TestNowhereToRemember(t *testing.T) {
	out := t.TempDir()
	paths := estate(t, out, 4)
	for _, m := range []Memory{{}, For(filepath.Join(out, paths[0], "below a file"), "root", out)} {
		m.Remember([]byte("key"), paths)
		if _, ok := m.Fresh([]byte("key")); ok {
			t.Errorf("%v is fresh", m)
		}
	}
}

func TestPrune(t *testing.T) {
	cache, out := t.TempDir(), t.TempDir()
	long := time.Now().Add(-keep - time.Hour)
	for name, when := range map[string]time.Time{"old.build": long, "old.tmp": long, "other": long, "new.build": time.Now()} {
		full := filepath.Join(cache, name)
		if err := os.WriteFile(full, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(full, when, when); err != nil {
			t.Fatal(err)
		}
	}
	m := For(cache, "root", out)
	m.Remember([]byte("key"), estate(t, out, 1))
	var got []string
	entries, _ := os.ReadDir(cache)
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want := []string{filepath.Base(m.file), "new.build", "other"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestExecutable(t *testing.T) {
	a, err := Executable()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := Executable(); err != nil || a != b || a == "" {
		t.Errorf("%q and %q, %v", a, b, err)
	}
}

// TestBuildID reads what the toolchain reads, of a program in ELF and of another one.
func TestBuildID(t *testing.T) {
	source := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, system := range []string{"linux/amd64", "darwin/arm64"} {
		goos, arch, _ := strings.Cut(system, "/")
		for _, flags := range []string{"", "-s -w"} {
			program := filepath.Join(t.TempDir(), "program")
			build := exec.Command("go", "build", "-ldflags", flags, "-o", program, source)
			build.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0", "GOWORK=off")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", system, err, out)
			}
			want, err := exec.Command("go", "tool", "buildid", program).Output()
			if err != nil {
				t.Fatal(err)
			}
			if got := buildID(program); got == "" || got != strings.TrimSpace(string(want)) {
				t.Errorf("%s %q: %q, want %q", system, flags, got, want)
			}
		}
	}
	if got := buildID(source); got != "" {
		t.Errorf("a text has the build ID %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode([]byte("key"), []dir{{name: ".", files: []string{"a"}, marks: []mark{{1, 2, 3, -4}}}})[len(magic)+32:])
	f.Fuzz(func(t *testing.T, body []byte) {
		// With the right digest, so that what lies behind it is reached.
		data := append(append([]byte(magic), make([]byte, 32)...), body...)
		sum := sha256.Sum256(body)
		copy(data[len(magic):], sum[:])
		parse(data, []byte("key"))
	})
}
