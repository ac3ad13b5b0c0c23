package golden

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	want := map[string][]byte{"same": []byte("a\n"), "orphan": []byte("b\n"), "sub/changed": []byte("one\ntwo\n")}
	got := map[string][]byte{"same": []byte("a\n"), "new": []byte("c\n"), "sub/changed": []byte("one\n2\n")}
	problems := compare("testdata", want, got)
	if len(problems) != 3 {
		t.Fatalf("got %d problems, want 3: %q", len(problems), problems)
	}
	for i, part := range []string{"testdata/new is missing", "testdata/orphan is an orphan", "-two\n+2\n"} {
		if !strings.Contains(problems[i], part) {
			t.Errorf("problem %d is %q, without %q", i, problems[i], part)
		}
	}
	if problems := compare("testdata", got, got); problems != nil {
		t.Errorf("a directory differs from itself: %q", problems)
	}
}

func TestDifferenceIsBounded(t *testing.T) {
	text := difference("x", []byte(strings.Repeat("a\n", 5000)), []byte(strings.Repeat("b\n", 5000)))
	if n := strings.Count(text, "\n"); n > maxLines+1 {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(text, "more lines") {
		t.Error("nothing says that lines are left out")
	}
}

func TestUpdate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "goldens")
	first := map[string][]byte{"a": []byte("1"), "deep/er/b": []byte("2")}
	second := map[string][]byte{"a": []byte("changed"), "c": nil}
	for _, got := range []map[string][]byte{first, second} {
		want, err := read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := update(dir, want, got); err != nil {
			t.Fatal(err)
		}
		now, err := read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if problems := compare(dir, now, got); problems != nil {
			t.Errorf("after an update: %q", problems)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "deep")); !os.IsNotExist(err) {
		t.Errorf("the directory of an orphan is still there: %v", err)
	}
	if err := update(dir, nil, map[string][]byte{"../outside": nil}); err == nil {
		t.Error("a golden outside of the directory was written")
	}
}

func TestReadRefusesLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := read(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
}

// File and Dir themselves, in the one case that does not fail the test, and rewriting.
func TestFileAndDir(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("UPDATE_GOLDEN", "1")
	File(t, filepath.Join(dir, "sub", "a"), []byte("a"))
	Dir(t, filepath.Join(dir, "sub"), map[string][]byte{"a": []byte("a"), "b": []byte("b")})
	t.Setenv("UPDATE_GOLDEN", "")
	File(t, filepath.Join(dir, "sub", "a"), []byte("a"))
	Dir(t, filepath.Join(dir, "sub"), map[string][]byte{"a": []byte("a"), "b": []byte("b")})
	got, err := read(dir)
	if want := map[string][]byte{"sub/a": []byte("a"), "sub/b": []byte("b")}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestCommand(t *testing.T) {
	t.Run("sub", func(t *testing.T) {
		if got, want := command(t), "\tUPDATE_GOLDEN=1 go test ./internal/golden -run '^TestCommand$'"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
