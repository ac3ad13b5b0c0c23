package reuse

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStore(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *Store) error
		want bool
	}{
		{"nothing", func(*Store) error { return nil }, true},
		{"the same place again", func(s *Store) error { *s = StoreFor(filepath.Dir(s.file), "specs", "root", "key"); return nil }, true},
		{"another root", func(s *Store) error { *s = StoreFor(filepath.Dir(s.file), "specs", "other", "key"); return nil }, false},
		{"another kind", func(s *Store) error { *s = StoreFor(filepath.Dir(s.file), "trees", "root", "key"); return nil }, false},
		{"another key", func(s *Store) error { *s = StoreFor(filepath.Dir(s.file), "specs", "root", "kez"); return nil }, false},
		{"a shorter key", func(s *Store) error { *s = StoreFor(filepath.Dir(s.file), "specs", "root", "ke"); return nil }, false},
		{"no file", func(s *Store) error { return os.Remove(s.file) }, false},
		{"an empty file", func(s *Store) error { return os.Truncate(s.file, 0) }, false},
		{"a truncated file", func(s *Store) error { return os.Truncate(s.file, 50) }, false},
		{"a longer file", func(s *Store) error { return os.Truncate(s.file, 1000) }, false},
		{"a file too large", func(s *Store) error { return os.Truncate(s.file, MaxStore+1) }, false},
		{"a directory", func(s *Store) error {
			if err := os.Remove(s.file); err != nil {
				return err
			}
			return os.Mkdir(s.file, 0o700)
		}, false},
		{"the zero store", func(s *Store) error { *s = Store{}; return nil }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := StoreFor(filepath.Join(t.TempDir(), "cache", "zave"), "specs", "root", "key")
			if _, ok := s.Read(); ok {
				t.Error("something was there")
			}
			s.Write([]byte("body"))
			if err := tt.do(&s); err != nil {
				t.Fatal(err)
			}
			if body, ok := s.Read(); ok != tt.want || ok && string(body) != "body" {
				t.Errorf("%q, %v", body, ok)
			}
			s.Write([]byte("next")) // whatever became of it
			if body, ok := s.Read(); ok && string(body) != "next" {
				t.Errorf("%q, %v", body, ok)
			}
		})
	}
}

// TestStoreIsWhole damages every byte of a file in turn.
func TestStoreIsWhole(t *testing.T) {
	s := StoreFor(t.TempDir(), "specs", "root", "key")
	s.Write([]byte("body"))
	good, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if err := os.WriteFile(s.file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if body, ok := s.Read(); ok {
			t.Errorf("with byte %d damaged it reads %q", i, body)
		}
		if err := os.WriteFile(s.file, good[:i], 0o600); err != nil {
			t.Fatal(err)
		}
		if body, ok := s.Read(); ok {
			t.Errorf("of %d bytes it reads %q", i, body)
		}
	}
}

// TestStoresArePruned: files that nobody has written for a long time go, and files of others stay.
func TestStoresArePruned(t *testing.T) {
	dir := t.TempDir()
	long := time.Now().Add(-2 * keep)
	for _, name := range []string{"a.specs", "b.trees", "c.build", "d.tmp", "e.other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	StoreFor(dir, "specs", "root", "key").Write(nil)
	left, err := filepath.Glob(filepath.Join(dir, "?.*"))
	if err != nil || len(left) != 1 || !strings.HasSuffix(left[0], "e.other") {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestTable(t *testing.T) {
	s := StoreFor(t.TempDir(), "trees", "root", "key")
	a, b, x, y := Digest{1}, Digest{2}, Digest{3}, Digest{4}
	table := OpenTable(s)
	if _, ok := table.Get(a); ok {
		t.Error("something is in an empty table")
	}
	table.Put(a, x)
	table.Put(b, x)
	table.Put(b, y)
	table.Save()
	for i := range oldest + 5 { // a is asked for each time, b never
		table = OpenTable(s)
		if got, ok := table.Get(a); !ok || got != x {
			t.Fatalf("after %d saves: %v, %v", i, got, ok)
		}
		if row := table.rows[b]; (row == nil) != (i > oldest) || row != nil && row.value != y {
			t.Fatalf("after %d saves: %v", i, row)
		}
		table.Put(Digest{5, byte(i)}, y) // something new, or nothing is saved
		table.Save()
	}
	// What is not a table is none.
	for _, body := range []string{"", "x", "\x01", "\x01" + strings.Repeat("x", 64), "\x01" + strings.Repeat("x", 66), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		s.Write([]byte(body))
		if table := OpenTable(s); len(table.rows) > 0 {
			t.Errorf("%q is a table of %d rows", body, len(table.rows))
		}
	}
}
