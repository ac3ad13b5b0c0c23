package archive

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
)

// stores gives a fresh store of each kind.
func stores(t *testing.T) map[string]func(t *testing.T) Store {
	server := pgtest.StartS3(t)
	n := 0
	return map[string]func(t *testing.T) Store{
		"directory": func(t *testing.T) Store { return open(t, t.TempDir(), StoreOptions{}) },
		"s3": func(t *testing.T) Store {
			n++
			return open(t, fmt.Sprintf("s3://%s/some/prefix-%d", server.Bucket, n), s3Options(server))
		},
	}
}

func s3Options(s *pgtest.S3) StoreOptions {
	return StoreOptions{Endpoint: s.Endpoint, CA: s.CA, Credentials: s.Credentials}
}

func open(t *testing.T, location string, o StoreOptions) Store {
	t.Helper()
	s, err := Open(location, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStores(t *testing.T) {
	ctx := t.Context()
	for kind, fresh := range stores(t) {
		run := func(name string, f func(t *testing.T, s Store)) {
			t.Run(kind+"/"+name, func(t *testing.T) { f(t, fresh(t)) })
		}
		run("what is put is listed, read and removed", func(t *testing.T, s Store) {
			put(t, s, "a/b/2.json", "two")
			put(t, s, "a/b/1.json", "one!")
			put(t, s, "a/b/c/deeper.json", "x")
			put(t, s, "a/b2/other.json", "x")
			put(t, s, "a/b/empty", "")
			want := []Object{{"a/b/1.json", 4}, {"a/b/2.json", 3}, {"a/b/empty", 0}}
			if got := list(t, s, "a/b/"); !slices.Equal(got, want) {
				t.Errorf("listed %v, want %v", got, want)
			}
			if got := get(t, s, "a/b/2.json"); got != "two" {
				t.Errorf("read %q", got)
			}
			for range 2 { // that it is gone is no error
				if err := s.Remove(ctx, "a/b/1.json"); err != nil {
					t.Error(err)
				}
			}
			if _, err := s.Get(ctx, "a/b/1.json"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("read what was removed: %v", err)
			}
			if got := list(t, s, "nobody/"); len(got) != 0 {
				t.Errorf("listed %v where nothing is", got)
			}
		})
		run("nothing is overwritten", func(t *testing.T, s Store) {
			big := strings.Repeat("x", minPart+1)
			for _, second := range []string{"second", big} {
				name := fmt.Sprintf("a/%d", len(second))
				put(t, s, name, "first")
				if err := s.Put(ctx, name, strings.NewReader(second), 0); !errors.Is(err, errExists) {
					t.Errorf("put twice: %v", err)
				}
				if got := get(t, s, name); got != "first" {
					t.Errorf("the first became %.10q", got)
				}
			}
		})
		run("large objects pass whole", func(t *testing.T, s Store) {
			for _, size := range []int{minPart - 1, minPart, minPart + 1, 2*minPart + 12345} {
				data := make([]byte, size)
				if _, err := rand.Read(data); err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("large/%d", size)
				if err := s.Put(ctx, name, iotest.HalfReader(bytes.NewReader(data)), int64(size)); err != nil {
					t.Fatal(err)
				}
				if got := get(t, s, name); got != string(data) {
					t.Errorf("%d bytes came back as %d others", size, len(got))
				}
			}
		})
		run("a source that fails leaves nothing", func(t *testing.T, s Store) {
			broken := errors.New("the source broke")
			for _, size := range []int64{0, 5, minPart, 2*minPart + 5} {
				r := io.MultiReader(io.LimitReader(zeros{}, size), iotest.ErrReader(broken))
				if err := s.Put(ctx, "a/half", r, 0); !errors.Is(err, broken) {
					t.Errorf("after %d bytes: %v", size, err)
				}
				if _, err := s.Get(ctx, "a/half"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("after %d bytes it is there: %v", size, err)
				}
				if left := leftovers(t, s); len(left) != 0 {
					t.Errorf("after %d bytes: %v is left", size, left)
				}
			}
		})
		run("a context that ends stops it", func(t *testing.T, s Store) {
			ctx, cancel := context.WithCancel(ctx)
			r := &cancelAfter{cancel: cancel, n: minPart + 5}
			if err := s.Put(ctx, "a/half", r, 0); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			if got := list(t, s, "a/"); len(got) != 0 {
				t.Errorf("%v is there", got)
			}
		})
		run("what a killed upload left is cleaned away, in time", func(t *testing.T, s Store) {
			abandon(t, s, "a/")
			put(t, s, "a/whole", "whole")
			if err := s.Clean(ctx, "a/", time.Now().Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
			if left := leftovers(t, s); len(left) != 1 {
				t.Errorf("one that may still be running: %v", left)
			}
			if got := list(t, s, "a/"); len(got) != 1 {
				t.Errorf("half an upload is listed: %v", got)
			}
			if err := s.Clean(ctx, "a/", time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if left := leftovers(t, s); len(left) != 0 {
				t.Errorf("%v is left", left)
			}
			if got := get(t, s, "a/whole"); got != "whole" {
				t.Errorf("the whole one is %q", got)
			}
			if err := s.Clean(ctx, "nobody/", time.Now()); err != nil {
				t.Errorf("clean where nothing is: %v", err)
			}
		})
		run("names of any bytes stay apart", func(t *testing.T, s Store) {
			names := []string{"..", ".", "a/b", "a%2Fb", "A", "a b", "a\nb", `a"b`, "ü", "a\x00", "-", "a.b", strings.Repeat("x", 63)}
			for _, name := range names {
				put(t, s, Set{Tenant: "t", Database: name}.manifest("x"), name)
			}
			for _, name := range names {
				set := Set{Tenant: "t", Database: name}
				if got := list(t, s, set.prefix()); len(got) != 1 || get(t, s, got[0].Name) != name {
					t.Errorf("%q: %v", name, got)
				}
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type cancelAfter struct {
	cancel func()
	n      int
}

func (c *cancelAfter) Read(p []byte) (int, error) {
	if c.n -= len(p); c.n <= 0 {
		c.cancel()
	}
	clear(p)
	return len(p), nil
}

func put(t *testing.T, s Store, name, content string) {
	t.Helper()
	if err := s.Put(t.Context(), name, strings.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s Store, name string) string {
	t.Helper()
	r, err := s.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func list(t *testing.T, s Store, prefix string) []Object {
	t.Helper()
	out, err := s.List(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// leftovers lists what uploads that did not end hold in the store.
func leftovers(t *testing.T, s Store) []string {
	t.Helper()
	var out []string
	switch s := s.(type) {
	case *dir:
		err := filepath.WalkDir(s.path, func(path string, d fs.DirEntry, err error) error {
			if strings.Contains(path, partial) {
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	case *bucket:
		for u := range s.client.ListIncompleteUploads(t.Context(), s.name, s.prefix, true) {
			if u.Err != nil {
				t.Fatal(u.Err)
			}
			out = append(out, u.Key)
		}
	}
	return out
}

// abandon does what a Put leaves that is killed in its midst.
func abandon(t *testing.T, s Store, prefix string) {
	t.Helper()
	switch s := s.(type) {
	case *dir:
		if err := os.MkdirAll(filepath.Join(s.path, prefix), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.path, prefix, partial+"x-0123"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	case *bucket:
		core := minio.Core{Client: s.client}
		if _, err := core.NewMultipartUpload(t.Context(), s.name, s.prefix+prefix+"x", minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDirectoryIsNotLeft(t *testing.T) {
	outside := t.TempDir()
	root := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(root, "away")); err != nil {
		t.Fatal(err)
	}
	s := open(t, root, StoreOptions{})
	for _, name := range []string{"away/x", "../x", "/x"} {
		if err := s.Put(t.Context(), name, strings.NewReader("x"), 0); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
		t.Errorf("outside of the store: %v %v", entries, err)
	}
}

func TestDirectoryModes(t *testing.T) {
	s := open(t, t.TempDir(), StoreOptions{})
	put(t, s, "a/b", "x")
	for name, want := range map[string]fs.FileMode{"a": fs.ModeDir | 0o700, "a/b": 0o600} {
		info, err := os.Stat(filepath.Join(s.String(), name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

func TestOpen(t *testing.T) {
	there := t.TempDir()
	for location, want := range map[string]string{
		"":                              "no place was given",
		"/no/such/dir":                  "the directory /no/such/dir does not exist",
		"file:///no/such/dir":           "the directory /no/such/dir does not exist",
		"file://backups/x":              `"file://backups/x" names a host`,
		"s3://":                         "names no bucket",
		"s3://Bad_Bucket/x":             `"Bad_Bucket" cannot be a bucket`,
		"ftp://x/y":                     `"ftp://" is a kind of store that is not known`,
		"s3://user:secret@bucket/x":     "not a URL of a store",
		"s3://bucket/x?endpoint=secret": "not a URL of a store",
		"file://" + there:               "",
		there:                           "",
		"s3://bucket":                   "",
	} {
		s, err := Open(location, StoreOptions{Endpoint: "https://127.0.0.1:1"})
		switch {
		case want == "" && (err != nil || s == nil):
			t.Errorf("%s: %v", location, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %s", location, err, want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the error gives a secret away: %v", location, err)
		}
	}
	for _, endpoint := range []string{"127.0.0.1:1", "ftp://x", "https://u:secret@x", "https://x/path", "https://"} {
		_, err := Open("s3://bucket", StoreOptions{Endpoint: endpoint})
		if err == nil || !strings.Contains(err.Error(), "the endpoint") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

// TestS3Faults is how a store is met that is not as it should be.
func TestS3Faults(t *testing.T) {
	server := pgtest.StartS3(t)
	other, err := pgtest.OtherCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	wrong := t.TempDir()
	write(t, filepath.Join(wrong, "access-key-id"), server.AccessKey+"\n")
	write(t, filepath.Join(wrong, "secret-access-key"), "not the secret")
	stranger := t.TempDir()
	write(t, filepath.Join(stranger, "access-key-id"), "stranger")
	write(t, filepath.Join(stranger, "secret-access-key"), "not the secret")
	closed := closedPort(t)
	for _, test := range []struct {
		name, location string
		change         func(*StoreOptions)
		want, hint     string
	}{
		{"no bucket", "s3://nobucket/x", func(*StoreOptions) {}, "the bucket nobucket does not exist", "make it first"},
		{"wrong secret", "", func(o *StoreOptions) { o.Credentials = wrong }, "does not know these credentials", "secret-access-key"},
		{"unknown key", "", func(o *StoreOptions) { o.Credentials = stranger }, "does not know these credentials", "access-key-id"},
		{"another authority", "", func(o *StoreOptions) { o.CA = other }, "certificate", "--store-ca"},
		{"no authority", "", func(o *StoreOptions) { o.CA = "" }, "certificate", "--store-ca"},
		{"nobody there", "", func(o *StoreOptions) { o.Endpoint = "https://" + closed }, "refused", "reachable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := s3Options(server)
			test.change(&o)
			location := test.location
			if location == "" {
				location = "s3://" + server.Bucket + "/x"
			}
			s := open(t, location, o)
			_, listed := s.List(t.Context(), "a/")
			_, got := s.Get(t.Context(), "a/x")
			for verb, err := range map[string]error{
				"list": listed, "get": got,
				"put": s.Put(t.Context(), "a/x", strings.NewReader("x"), 0),
			} {
				var p *Problem
				if !errors.As(err, &p) || !strings.Contains(err.Error(), test.want) || !strings.Contains(p.Hint, test.hint) {
					t.Errorf("%s: %v (%+v)", verb, err, p)
				}
				if err != nil && strings.Contains(err.Error(), server.Secret) {
					t.Errorf("%s: the secret is in the error", verb)
				}
			}
		})
	}
}

func TestS3Credentials(t *testing.T) {
	server := pgtest.StartS3(t)
	t.Run("environment", func(t *testing.T) {
		for name, value := range map[string]string{
			"AWS_ACCESS_KEY_ID": server.AccessKey, "AWS_SECRET_ACCESS_KEY": server.Secret,
			"AWS_ENDPOINT_URL": "https://127.0.0.1:1", "AWS_ENDPOINT_URL_S3": server.Endpoint, "AWS_CA_BUNDLE": server.CA, "AWS_REGION": "us-east-1",
		} {
			t.Setenv(name, value)
		}
		put(t, open(t, "s3://"+server.Bucket+"/env", StoreOptions{}), "a/x", "x")
	})
	for name, files := range map[string]map[string]string{
		"none":      {},
		"no secret": {"access-key-id": "x"},
		"empty":     {"access-key-id": "x", "secret-access-key": "\n"},
		"two lines": {"access-key-id": "x", "secret-access-key": "hush\nhush"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range files {
				write(t, filepath.Join(dir, file), content)
			}
			_, err := Open("s3://bucket", StoreOptions{Endpoint: server.Endpoint, Credentials: dir})
			if err == nil || !strings.Contains(err.Error(), "key cannot be read") || strings.Contains(err.Error(), "hush") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestPartSize(t *testing.T) {
	for _, size := range []int64{0, 1, 10 << 30, 80 << 30, 81 << 30, 2 << 40, 20 << 40} {
		part := partSize(size)
		if part < 5<<20 || part*maxParts < uint64(2*size) || part > 16<<20 && part*maxParts/2 >= 2*uint64(size) {
			t.Errorf("%d bytes in parts of %d", size, part)
		}
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// closedPort is an address that nobody listens at.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
