package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// bench is all it takes to write and read archives.
type bench struct {
	t          *testing.T
	store      Store
	signer     *Signer
	trust      Trust
	recipients *Recipients
	identities *Identities
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, store: open(t, t.TempDir(), StoreOptions{})}
	var err error
	if b.signer, _, err = NewSigner(); err != nil {
		t.Fatal(err)
	}
	b.trust = Trust{Keys: []PublicKey{b.signer.Public()}}
	b.recipients, b.identities = newKeys(t)
	return b
}

func newKeys(t *testing.T) (*Recipients, *Identities) {
	t.Helper()
	secret, recipient, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRecipients("# who can read it\n\n" + recipient + "\n")
	if err != nil {
		t.Fatal(err)
	}
	i, err := ParseIdentities(secret)
	if err != nil {
		t.Fatal(err)
	}
	return r, i
}

var day = time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC)

func alpha() Set { return Set{"alpha", "db_alpha"} }

func (b *bench) manifest(set Set, taken time.Time) *Manifest {
	return &Manifest{
		ID: NewID(taken), Tenant: set.Tenant, Database: set.Database, Cluster: "dev", SpecHash: "abc", Schema: "app",
		Roles:  state.Roles{Owner: set.Tenant + "_owner", App: set.Tenant + "_app"},
		Server: 150012, Client: "15.12", Taken: taken,
		Evidence: Evidence{Encoding: "UTF8", Tables: []Table{{Name: `"app"."t"`, Rows: 3, Digest: "1-2"}}},
	}
}

// write stores an archive with some content, and gives its manifest.
func (b *bench) write(set Set, taken time.Time, content string) *Manifest {
	b.t.Helper()
	m := b.manifest(set, taken)
	if err := b.writer().Write(b.t.Context(), m, says(content)); err != nil {
		b.t.Fatal(err)
	}
	return m
}

func (b *bench) writer() *Writer {
	return &Writer{Store: b.store, Recipients: b.recipients, Signer: b.signer}
}

func says(content string) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	}
}

// read does what a restore does before it touches anything.
func (b *bench) read(at string) (string, error) {
	ctx := b.t.Context()
	entries, err := List(ctx, b.store, alpha(), "dev", b.trust)
	if err != nil {
		return "", err
	}
	e, err := Find(entries, at, day.Add(time.Hour))
	if err != nil {
		return "", err
	}
	s, err := Fetch(ctx, b.store, e, b.t.TempDir())
	if err != nil {
		return "", err
	}
	defer s.Close()
	if err := s.Check(ctx, b.identities, io.Discard); err != nil {
		return "", err
	}
	r, err := s.Open(b.identities)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

func (b *bench) path(name string) string { return filepath.Join(b.store.String(), name) }

// change rewrites a stored file.
func (b *bench) change(name string, f func([]byte) []byte) {
	b.t.Helper()
	old, err := os.ReadFile(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), f(bytes.Clone(old)), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func TestRoundTrip(t *testing.T) {
	for kind, fresh := range stores(t) {
		t.Run(kind, func(t *testing.T) {
			b := newBench(t)
			b.store = fresh(t)
			large := strings.Repeat("a large dump ", 2*minPart/13)
			b.write(alpha(), day.Add(-time.Hour), large)
			b.write(Set{"beta", "db_beta"}, day, "another's")
			m := b.write(alpha(), day, "the newest")
			if got, err := b.read(""); err != nil || got != "the newest" {
				t.Errorf("%q %v", got, err)
			}
			if got, err := b.read(NewID(day.Add(-time.Hour))[:len(idTime)]); err != nil || got != large {
				t.Errorf("%d bytes %v", len(got), err)
			}
			if got, err := b.read(m.ID); err != nil || got != "the newest" {
				t.Errorf("%q %v", got, err)
			}
			entries, err := List(t.Context(), b.store, alpha(), "dev", b.trust)
			if err != nil || len(entries) != 2 || entries[0].ID != m.ID || entries[0].Key != b.signer.Public() {
				t.Errorf("%+v %v", entries, err)
			}
			if got := entries[0].Manifest; got.Recipients[0] != b.recipients.Names()[0] || got.Evidence.Rows() != 3 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestRefused breaks an archive in every way that is not the store's, and holds the sentence. That the server is not
// touched then is tested where there is one.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name       string
		break_     func(b *bench, m *Manifest)
		want, hint string
	}{
		{"truncated", func(b *bench, m *Manifest) {
			b.change(alpha().payload(m.ID), func(p []byte) []byte { return p[:len(p)-1] })
		}, "bytes, and had", "cut short"},
		{"longer", func(b *bench, m *Manifest) {
			b.change(alpha().payload(m.ID), func(p []byte) []byte { return append(p, 0) })
		}, "bytes, and had", ""},
		{"a changed payload", func(b *bench, m *Manifest) {
			b.change(alpha().payload(m.ID), func(p []byte) []byte { p[len(p)/2] ^= 1; return p })
		}, "its digest is not the one in the manifest", "tampered"},
		{"another's payload", func(b *bench, _ *Manifest) {
			other := b.write(Set{"beta", "db_beta"}, day, "the newes!") // of the same length
			content, err := os.ReadFile(b.path(Set{"beta", "db_beta"}.payload(other.ID)))
			if err != nil {
				b.t.Fatal(err)
			}
			entries, _ := List(b.t.Context(), b.store, alpha(), "dev", b.trust)
			b.change(alpha().payload(entries[0].ID), func([]byte) []byte { return content })
		}, "its digest is not the one in the manifest", "tampered"},
		{"no payload", func(b *bench, m *Manifest) {
			if err := os.Remove(b.path(alpha().payload(m.ID))); err != nil {
				b.t.Fatal(err)
			}
		}, "its data are missing", "another archive"},
		{"another tenant's", func(b *bench, _ *Manifest) {
			other := b.write(Set{"beta", "db_beta"}, day.Add(time.Minute), "another's")
			for _, suffix := range []string{payloadSuffix, manifestSuffix} {
				from, to := Set{"beta", "db_beta"}.prefix()+other.ID+suffix, alpha().prefix()+other.ID+suffix
				if err := os.Rename(b.path(from), b.path(to)); err != nil {
					b.t.Fatal(err)
				}
			}
		}, "it is of tenant beta, database db_beta", "somebody put it"},
		{"an old one as the newest", func(b *bench, m *Manifest) {
			id := NewID(day.Add(time.Minute))
			for _, suffix := range []string{payloadSuffix, manifestSuffix} {
				if err := os.Rename(b.path(alpha().prefix()+m.ID+suffix), b.path(alpha().prefix()+id+suffix)); err != nil {
					b.t.Fatal(err)
				}
			}
		}, "under another name", "renamed"},
		{"a changed manifest", func(b *bench, m *Manifest) {
			b.change(alpha().manifest(m.ID), func(p []byte) []byte {
				return bytes.Replace(p, []byte(`"rows": 3`), []byte(`"rows": 4`), 1)
			})
		}, "its signature does not hold", "tampered"},
		{"no signature", func(b *bench, m *Manifest) {
			b.change(alpha().manifest(m.ID), func(p []byte) []byte {
				at := bytes.LastIndex(p, []byte(",\n  \"signature\""))
				return append(p[:at], "\n}\n"...)
			})
		}, "it is not signed", "planted"},
		{"half a manifest", func(b *bench, m *Manifest) {
			b.change(alpha().manifest(m.ID), func(p []byte) []byte { return p[:len(p)/2] })
		}, "its manifest cannot be read", "cut short"},
		{"an empty manifest", func(b *bench, m *Manifest) {
			b.change(alpha().manifest(m.ID), func([]byte) []byte { return nil })
		}, "its manifest cannot be read", "cut short"},
		{"somebody else's key", func(b *bench, _ *Manifest) {
			b.signer, _, _ = NewSigner()
			b.write(alpha(), day.Add(time.Minute), "planted")
		}, "which is not trusted", "planted"},
		{"the trusted key's name with somebody else's signature", func(b *bench, m *Manifest) {
			stranger, _, _ := NewSigner()
			b.change(alpha().manifest(m.ID), func([]byte) []byte {
				m.Tenant, m.Evidence.Tables[0].Rows = "alpha", 9
				text, _ := m.Encode(stranger)
				return bytes.ReplaceAll(text, []byte(stranger.Public()), []byte(b.signer.Public()))
			})
		}, "its signature does not hold", "tampered"},
		{"an unknown format", func(b *bench, m *Manifest) {
			b.change(alpha().manifest(m.ID), func([]byte) []byte {
				m.Format = 2
				text, _ := m.Encode(b.signer)
				return text
			})
		}, "its manifest is of format 2, and 1 is known", "newer"},
		{"an unknown field", func(b *bench, m *Manifest) {
			b.change(alpha().manifest(m.ID), func([]byte) []byte {
				text, _ := m.Encode(nil)
				var s struct{ Manifest map[string]any }
				_ = json.Unmarshal(text, &s)
				s.Manifest["surprise"] = 1
				raw, _ := json.Marshal(s.Manifest)
				sig, _ := json.Marshal(signature{b.signer.Public(), b.signer.sign(raw)})
				return fmt.Appendf(nil, `{"manifest":%s,"signature":%s}`, raw, sig)
			})
		}, "its manifest cannot be read", ""},
		{"from the future", func(b *bench, _ *Manifest) { b.write(alpha(), day.Add(2*time.Hour), "tomorrow's") },
			"it was taken 1h0m0s from now by the server's clock", "a clock is or was wrong; the newest before it that is good is " + day.Format(idTime)},
		{"another cluster's, asked for by its ID", func(b *bench, m *Manifest) {
			b.change(alpha().manifest(m.ID), func([]byte) []byte {
				m.Cluster = "prod"
				text, _ := m.Encode(b.signer)
				return text
			})
		}, "prod", ""},
		{"the wrong identity", func(b *bench, _ *Manifest) { _, b.identities = newKeys(b.t) },
			"none of the identities opens it", "it is encrypted to age1"},
		{"no age file", func(b *bench, m *Manifest) {
			forge(b, m, []byte("PGDMP this is no age file"))
		}, "it is no age file", ""},
		{"an age file that ends too early, signed so", func(b *bench, m *Manifest) {
			text, err := os.ReadFile(b.path(alpha().payload(m.ID)))
			if err != nil {
				b.t.Fatal(err)
			}
			forge(b, m, text[:len(text)-3])
		}, "it cannot be decrypted to its end", "damaged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			m := b.write(alpha(), day, "the newest")
			at := ""
			if strings.Contains(test.name, "by its ID") {
				at = m.ID
			}
			if got, err := b.read(at); err != nil || got != "the newest" {
				t.Fatalf("before: %q %v", got, err)
			}
			test.break_(b, m)
			got, err := b.read(at)
			var p *Problem
			if !errors.As(err, &p) || !IsRefused(err) || !strings.Contains(err.Error(), test.want) || !strings.Contains(p.Hint, test.hint) {
				t.Fatalf("%q, %v, %+v; want %s", got, err, p, test.want)
			}
			if !strings.HasPrefix(err.Error(), "the backup 2026") {
				t.Errorf("it does not say which: %v", err)
			}
		})
	}
}

// forge replaces the payload and signs it anew, as who holds the key could.
func forge(b *bench, m *Manifest, payload []byte) {
	b.t.Helper()
	if err := errors.Join(os.Remove(b.path(alpha().payload(m.ID))), os.Remove(b.path(alpha().manifest(m.ID)))); err != nil {
		b.t.Fatal(err)
	}
	sum := newDigest(payload)
	m.Payload = Payload{Size: int64(len(payload)), SHA256: sum}
	text, err := m.Encode(b.signer)
	if err != nil {
		b.t.Fatal(err)
	}
	put(b.t, b.store, alpha().payload(m.ID), string(payload))
	put(b.t, b.store, alpha().manifest(m.ID), string(text))
}

// TestEveryByteOfTheManifest changes each byte of a manifest's file: none may pass.
func TestEveryByteOfTheManifest(t *testing.T) {
	b := newBench(t)
	m := b.write(alpha(), day, "x")
	text := []byte(get(t, b.store, alpha().manifest(m.ID)))
	if _, _, err := Decode(text, b.trust); err != nil {
		t.Fatal(err)
	}
	for i := range text {
		for _, bit := range []byte{1, 2, 32} {
			changed := bytes.Clone(text)
			changed[i] ^= bit
			got, _, err := Decode(changed, b.trust)
			if err != nil {
				continue
			}
			// Only what stands between the manifest and the signature may change, and no meaning with it.
			if was, is := fmt.Sprintf("%+v", m), fmt.Sprintf("%+v", got); was != is {
				t.Errorf("byte %d, %q for %q, passes", i, changed[i], text[i])
			}
		}
	}
	for i := range text[:len(text)-2] {
		if _, _, err := Decode(text[:i], b.trust); err == nil {
			t.Errorf("the first %d bytes pass", i)
		}
	}
}

func TestTrust(t *testing.T) {
	b := newBench(t)
	other, _, err := NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	m := b.manifest(alpha(), day)
	m.Format, m.Payload = Format, Payload{1, strings.Repeat("0", 64)}
	encode := func(s *Signer) []byte {
		text, err := m.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	mine, both := b.signer.Public(), []PublicKey{other.Public(), b.signer.Public()}
	for _, test := range []struct {
		name  string
		text  []byte
		trust Trust
		key   PublicKey
		want  string
	}{
		{"signed, the key is trusted", encode(b.signer), Trust{Keys: both}, mine, ""},
		{"signed, no key", encode(b.signer), Trust{}, "", "no key was given"},
		{"signed, no key, unsigned allowed", encode(b.signer), Trust{Unsigned: true}, "", ""},
		{"signed by another, unsigned allowed", encode(other), Trust{Keys: both[1:], Unsigned: true}, "", ""},
		{"unsigned", encode(nil), Trust{Keys: both}, "", "it is not signed"},
		{"unsigned, no key", encode(nil), Trust{}, "", "it is not signed"},
		{"unsigned, allowed", encode(nil), Trust{Unsigned: true}, "", ""},
		{"tampered with, unsigned allowed", bytes.Replace(encode(b.signer), []byte(`"dev"`), []byte(`"prod"`), 1),
			Trust{Keys: both, Unsigned: true}, "", "does not hold"},
	} {
		_, key, err := Decode(test.text, test.trust)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) || key != test.key {
			t.Errorf("%s: %q %v", test.name, key, err)
		}
	}
}

func TestFind(t *testing.T) {
	b := newBench(t)
	if _, err := b.read(""); err == nil || !strings.Contains(err.Error(), "there is no backup") {
		t.Errorf("%v", err)
	}
	old := b.write(alpha(), day.Add(-time.Hour), "old")
	first, second := b.write(alpha(), day, "1"), b.write(alpha(), day, "2")
	want := first
	if second.ID > first.ID {
		want = second
	}
	if got, err := b.read(""); err != nil || got != map[*Manifest]string{first: "1", second: "2"}[want] {
		t.Errorf("%q %v", got, err)
	}
	for at, sentence := range map[string]string{
		day.Format(idTime): "2 backups begin with " + day.Format(idTime),
		"2025":             "there is no backup 2025",
	} {
		if _, err := b.read(at); err == nil || !strings.Contains(err.Error(), sentence) {
			t.Errorf("%s: %v", at, err)
		}
	}
	// The newest that is broken is not passed over, but the way out is named.
	for _, m := range []*Manifest{first, second} {
		b.change(alpha().manifest(m.ID), func([]byte) []byte { return []byte("{}") })
	}
	_, err := b.read("")
	var p *Problem
	if !errors.As(err, &p) || !IsRefused(err) || !strings.Contains(p.Hint, "the newest before it that is good is "+old.ID) {
		t.Errorf("%v %+v", err, p)
	}
	// Another cluster's are not there, unless one asks for them.
	c := newBench(t)
	m := c.manifest(alpha(), day)
	m.Cluster = "prod"
	if err := c.writer().Write(t.Context(), m, says("prod's")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.read(""); err == nil || err.Error() != "there is no backup of this cluster, only of prod" {
		t.Errorf("%v", err)
	}
	entries, err := List(t.Context(), c.store, alpha(), "prod", c.trust)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := Find(entries, "", day); err != nil || e.ID != m.ID {
		t.Errorf("%v", err)
	}
	if _, err := Find(entries, "", day.Add(-Skew)); err != nil {
		t.Errorf("a small difference of clocks: %v", err)
	}
	if _, err := Find(entries, "", day.Add(-Skew-time.Second)); !IsRefused(err) {
		t.Errorf("a larger one: %v", err)
	}
}

// faulty fails at the n-th call of Put, List or Remove.
type faulty struct {
	Store
	n int
}

var errFault = errors.New("the store broke")

func (f *faulty) tick() error {
	if f.n--; f.n == 0 {
		return errFault
	}
	return nil
}

func (f *faulty) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := f.tick(); err != nil {
		_, _ = io.CopyN(io.Discard, r, 3) // it breaks in the midst
		return err
	}
	return f.Store.Put(ctx, name, r, size)
}

func (f *faulty) List(ctx context.Context, prefix string) ([]Object, error) {
	if err := f.tick(); err != nil {
		return nil, err
	}
	return f.Store.List(ctx, prefix)
}

func (f *faulty) Remove(ctx context.Context, name string) error {
	if err := f.tick(); err != nil {
		return err
	}
	return f.Store.Remove(ctx, name)
}

// rewording keeps the reason of an error to itself, as a client of S3 may.
type rewording struct{ Store }

func (r rewording) Put(ctx context.Context, name string, body io.Reader, size int64) error {
	if err := r.Store.Put(ctx, name, body, size); err != nil {
		return fmt.Errorf("it could not be stored: %v", err)
	}
	return nil
}

// TestWriteFails: whatever fails, there is either the archive or none.
func TestWriteFails(t *testing.T) {
	b := newBench(t)
	none := func(t *testing.T) {
		t.Helper()
		if got := list(t, b.store, alpha().prefix()); len(got) != 0 {
			t.Errorf("%v is there", got)
		}
		if left := leftovers(t, b.store); len(left) != 0 {
			t.Errorf("%v is left", left)
		}
	}
	t.Run("the dump fails", func(t *testing.T) {
		broken := errors.New("pg_dump broke")
		err := b.writer().Write(t.Context(), b.manifest(alpha(), day), func(_ context.Context, w io.Writer) error {
			_, _ = w.Write(make([]byte, 1<<20))
			return broken
		})
		if !errors.Is(err, broken) {
			t.Error(err)
		}
		none(t)
	})
	t.Run("the dump fails, and the store says it in words of its own", func(t *testing.T) {
		broken := errors.New("pg_dump broke")
		w := b.writer()
		w.Store = rewording{b.store}
		err := w.Write(t.Context(), b.manifest(alpha(), day), func(_ context.Context, w io.Writer) error {
			_, _ = w.Write(make([]byte, 1<<20))
			return broken
		})
		if !errors.Is(err, broken) {
			t.Error(err)
		}
		none(t)
	})
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprintf("call %d to the store fails", n), func(t *testing.T) {
			w := b.writer()
			w.Store = &faulty{b.store, n}
			err := w.Write(t.Context(), b.manifest(alpha(), day), func(ctx context.Context, w io.Writer) error {
				for range 100 { // a dump that writes for long learns that nobody reads
					if _, err := w.Write(make([]byte, 1<<20)); err != nil {
						if ctx.Err() == nil {
							t.Error("its context goes on")
						}
						return err
					}
				}
				return nil
			})
			if !errors.Is(err, errFault) {
				t.Error(err)
			}
			none(t)
		})
	}
	t.Run("the context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := b.writer().Write(ctx, b.manifest(alpha(), day), func(_ context.Context, w io.Writer) error {
			cancel()
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		none(t)
	})
	t.Run("no recipients", func(t *testing.T) {
		w := b.writer()
		w.Recipients = nil
		if err := w.Write(t.Context(), b.manifest(alpha(), day), says("x")); err == nil {
			t.Error("it was stored")
		}
		none(t)
	})
}

// TestNothingReadable looks at all files of a store while an archive is written and afterwards, and at the spool.
func TestNothingReadable(t *testing.T) {
	b := newBench(t)
	const secret = "the customers' secret"
	look := func() {
		t.Helper()
		err := filepath.WalkDir(b.store.String(), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if bytes.Contains(text, []byte(secret[:12])) {
				t.Errorf("%s holds it", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var size int64
	err := b.writer().Write(t.Context(), b.manifest(alpha(), day), func(_ context.Context, w io.Writer) error {
		for range 20000 {
			if _, err := io.WriteString(w, secret); err != nil {
				return err
			}
		}
		for _, name := range leftovers(t, b.store) {
			info, err := os.Stat(name)
			if err != nil {
				return err
			}
			size += info.Size()
		}
		look()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if size == 0 {
		t.Error("nothing was looked at")
	}
	look()
	entries, err := List(t.Context(), b.store, alpha(), "dev", b.trust)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := Fetch(t.Context(), b.store, &entries[0], dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the spool has a name: %v %v", left, err)
	}
	text, err := io.ReadAll(io.NewSectionReader(s.file, 0, 1<<30))
	if err != nil || len(text) == 0 || bytes.Contains(text, []byte(secret[:12])) {
		t.Errorf("the spool of %d bytes: %v", len(text), err)
	}
}

// TestMemory: what is held does not grow with the data.
func TestMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	b := newBench(t)
	const size, bound = 64 << 20, 16 << 20
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, most := heap(), uint64(0)
	see := func() { most = max(most, heap()) }
	err := b.writer().Write(t.Context(), b.manifest(alpha(), day), func(_ context.Context, w io.Writer) error {
		for range size >> 20 {
			if _, err := io.CopyN(w, zeros{}, 1<<20); err != nil {
				return err
			}
			see()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := List(t.Context(), b.store, alpha(), "dev", b.trust)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Fetch(t.Context(), b.store, &entries[0], t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	see()
	n := 0
	err = s.Check(t.Context(), b.identities, writerFunc(func(p []byte) (int, error) {
		if n += len(p); n%(1<<20) == 0 {
			see()
		}
		return len(p), nil
	}))
	if err != nil || n != size {
		t.Fatalf("%d bytes: %v", n, err)
	}
	if most > before+bound {
		t.Errorf("%d bytes are held for %d", most-before, size)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := NewID(day.Add(123 * time.Millisecond).In(time.FixedZone("", 3600)))
		if got, err := ParseID(id); err != nil || !got.Equal(day) || seen[id] {
			t.Errorf("%s: %v %v", id, got, err)
		}
		seen[id] = true
	}
	for _, id := range []string{"", "20260304T020000Z", "20260304T020000Z-", "20260304T020000Z-0123456", "20260304T020000Z-0123456G",
		"20260304T020000Z-0123456A", "20261304T020000Z-01234567", "20260304T020000Z-01234567x", "../20260304T020000Z-01234567",
		"20260304T020000Z-01234567-1", "20260304T020000.5Z-01234567"} {
		if got, err := ParseID(id); err == nil {
			t.Errorf("%q is %v", id, got)
		}
	}
}

func TestKeys(t *testing.T) {
	signer, text, err := NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseSigner(text); err != nil || again.Public() != signer.Public() {
		t.Errorf("%v", err)
	}
	for _, form := range []string{string(signer.Public()), signer.Public().Text(), "# a comment\n\n" + string(signer.Public()) + "\n"} {
		if keys, err := ParsePublicKeys(form); err != nil || !slices.Equal(keys, []PublicKey{signer.Public()}) {
			t.Errorf("%q: %v %v", form, keys, err)
		}
	}
	// By OpenSSL 3.0.17: openssl genpkey -algorithm ed25519; openssl pkey -pubout. The key signs nothing.
	const private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEgh4mQ4OfMA7JLnLrPcSlaiXbqHVZE8MgIvjkMvgJ2M\n-----END PRIVATE KEY-----\n"
	if _, err := ParseSigner([]byte(private)); err != nil {
		t.Errorf("%v", err)
	}
	const hush = "MC4CAQAwBQYDK2VwBCIEIEgh"
	for name, parse := range map[string]func(string) error{
		"signer":     func(s string) error { _, err := ParseSigner([]byte(s)); return err },
		"public":     func(s string) error { _, err := ParsePublicKeys(s); return err },
		"recipients": func(s string) error { _, err := ParseRecipients(s); return err },
		"identities": func(s string) error { _, err := ParseIdentities(s); return err },
	} {
		for _, text := range []string{"", "\n# nothing\n", hush, "age1" + hush, "AGE-SECRET-KEY-1" + hush,
			"-----BEGIN PRIVATE KEY-----\n" + hush + "\n-----END PRIVATE KEY-----\n",
			"-----BEGIN OPENSSH PRIVATE KEY-----\n" + hush + "\n-----END OPENSSH PRIVATE KEY-----\n",
			"-----BEGIN AGE ENCRYPTED FILE-----\n" + hush} {
			var p *Problem
			err := parse(text)
			if !errors.As(err, &p) || p.Kind != Mistaken || p.Hint == "" || strings.Contains(err.Error()+p.Hint, hush) {
				t.Errorf("%s: %q: %v", name, text, err)
			}
		}
	}
	secret, _, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseRecipients(secret); err == nil || strings.Contains(err.Error(), secret[20:40]) || !strings.Contains(err.Error(), "secret key") {
		t.Errorf("%v", err)
	}
}

func TestProblem(t *testing.T) {
	cause := errors.New("the cause")
	err := fmt.Errorf("outer: %w", refuse("it is odd", "look").from(cause))
	if err.Error() != "outer: it is odd: the cause" || !errors.Is(err, cause) || !IsRefused(err) || IsRefused(cause) || IsRefused(nil) {
		t.Errorf("%v", err)
	}
}

func newDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
