// Package golden compares what a test produced with what is kept beside it in files.
//
// Invariants: nothing is written unless the environment has UPDATE_GOLDEN=1; a directory's files and what the test
// produced are the same set, so that a golden that is missing, one that nobody checks and one that nothing makes any
// more each fail; bytes are compared as they are.
package golden

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

const (
	// maxFiles is how many files of a directory are shown with their differences; the rest are named.
	maxFiles = 10
	// maxLines is how many lines of one file's difference are shown.
	maxLines = 80
)

// File fails the test when the file at path does not hold got, and shows the difference. With UPDATE_GOLDEN=1 it
// writes the file instead.
func File(t testing.TB, path string, got []byte) {
	t.Helper()
	if updating() {
		if err := write(path, got); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.Errorf("%s is missing; to write it:\n%s", path, command(t))
	case err != nil:
		t.Fatal(err)
	case !bytes.Equal(want, got):
		t.Errorf("%s\nto accept it:\n%s", difference(path, want, got), command(t))
	}
}

// Dir fails the test when the regular files below dir are not exactly those of got, by slash-separated path relative
// to dir. With UPDATE_GOLDEN=1 it writes those that differ and removes those that are not in got, with the directories
// that are empty then.
func Dir(t testing.TB, dir string, got map[string][]byte) {
	t.Helper()
	want, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if updating() {
		if err := update(dir, want, got); err != nil {
			t.Fatal(err)
		}
		return
	}
	if problems := compare(dir, want, got); len(problems) > 0 {
		t.Errorf("%s\nto accept it:\n%s", strings.Join(problems, "\n"), command(t))
	}
}

func updating() bool { return os.Getenv("UPDATE_GOLDEN") == "1" }

// compare gives a text for each file that is not as it should be, sorted by path.
func compare(dir string, want, got map[string][]byte) []string {
	var problems []string
	for _, name := range union(want, got) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		w, wanted := want[name]
		g, made := got[name]
		switch {
		case !wanted:
			problems = append(problems, path+" is missing: the test makes it, and no golden has it")
		case !made:
			problems = append(problems, path+" is an orphan: the test does not make it any more")
		case bytes.Equal(w, g):
		case len(problems) < maxFiles:
			problems = append(problems, difference(path, w, g))
		default:
			problems = append(problems, path+" differs")
		}
	}
	return problems
}

func difference(path string, want, got []byte) string {
	text := string(diff.Diff(path+" (golden)", want, path+" (got)", got))
	lines := strings.SplitAfter(text, "\n")
	if len(lines) > maxLines {
		text = strings.Join(lines[:maxLines], "") + fmt.Sprintf("… and %d more lines\n", len(lines)-maxLines)
	}
	return text
}

func update(dir string, want, got map[string][]byte) error {
	for _, name := range union(want, got) {
		if !fs.ValidPath(name) {
			return fmt.Errorf("golden %q is not a path within a directory", name)
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		g, made := got[name]
		w, wanted := want[name]
		switch {
		case !made:
			if err := os.Remove(path); err != nil {
				return err
			}
			removeEmpty(dir, filepath.Dir(path))
		case !wanted || !bytes.Equal(w, g):
			if err := write(path, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeEmpty removes a directory and those above it, below dir, until one is not empty: os.Remove refuses those.
func removeEmpty(dir, path string) {
	for path != dir && os.Remove(path) == nil {
		path = filepath.Dir(path)
	}
}

func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// read gives the files below dir; none when there is no such directory. Anything but files and directories is an
// error: a symbolic link would compare, or overwrite, something that is not a golden.
func read(dir string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path == dir:
			return fs.SkipAll
		case err != nil || d.IsDir():
			return err
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is not a regular file", path)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	return out, err
}

func union(a, b map[string][]byte) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

// command is what updates the goldens of this test, to be run at the module's root.
func command(t testing.TB) string {
	name, _, _ := strings.Cut(t.Name(), "/")
	return "\tUPDATE_GOLDEN=1 go test ./" + packageDir() + " -run '^" + name + "$'"
}

// packageDir is the directory of the package under test, where go test runs it, relative to the module's root.
func packageDir() string {
	wd, err := os.Getwd()
	if err != nil {
		return "..."
	}
	for root := wd; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			if rel, err := filepath.Rel(root, wd); err == nil {
				return filepath.ToSlash(rel)
			}
		}
		if root == filepath.Dir(root) {
			return "..."
		}
	}
}
