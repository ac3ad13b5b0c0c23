package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Writer says where archives go, and how they are closed and signed.
type Writer struct {
	Store      Store
	Recipients *Recipients
	Signer     *Signer // without one, archives are refused by all who do not ask for unsigned ones
	Size       int64   // about how many bytes there will be; 0 says nothing
}

// Write stores one archive: what dump writes, encrypted, and then the manifest. ID, tenant and database must stand in
// the manifest before, the evidence when dump returns; the rest is filled in. If dump or the store fails, or the
// context ends, nothing is left in the store but what Prune clears away.
func (w *Writer) Write(ctx context.Context, m *Manifest,
	dump func(ctx context.Context, to io.Writer) error) (err error) {
	if w.Recipients == nil {
		return problem(Mistaken, recipientHint, "a backup is encrypted, and no recipient was given")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	name := m.Set().payload(m.ID)
	from, to := io.Pipe()
	sum := &digester{hash: sha256.New()}
	done := make(chan error, 1)
	go func() {
		err := func() error {
			plain, err := w.Recipients.encrypt(io.MultiWriter(to, sum))
			if err != nil {
				return err
			}
			if err := dump(ctx, plain); err != nil {
				return err
			}
			return plain.Close()
		}()
		done <- err            // before the store can learn of it, so that who failed first is known
		to.CloseWithError(err) // nil is the end of the file
	}()
	put := w.Store.Put(ctx, name, from, w.Size)
	if put != nil {
		put = fmt.Errorf("store the backup: %w", put)
	}
	select {
	case dumped := <-done:
		err = cmp.Or(dumped, put)
	default:
		cancel()
		from.CloseWithError(put) // else dump waits for a reader
		err = cmp.Or(put, <-done)
	}
	defer func() {
		if err == nil || errors.Is(err, errExists) {
			return
		}
		// Best effort, and also when the context is why: without a manifest it is no archive.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		_ = w.Store.Remove(ctx, name)
	}()
	if err != nil {
		return err
	}
	m.Format = Format
	m.Payload = Payload{Size: sum.n, SHA256: hex.EncodeToString(sum.hash.Sum(nil))}
	m.Recipients = w.Recipients.Names()
	stored, err := w.Store.List(ctx, m.Set().prefix())
	if err != nil {
		return fmt.Errorf("store the backup: %w", err)
	}
	if size := sizes(stored)[name]; size != m.Payload.Size {
		return problem(Unusable, "", "the store holds %d bytes of a backup of %d", size, m.Payload.Size)
	}
	text, err := m.Encode(w.Signer)
	if err != nil {
		return err
	}
	if len(text) > maxManifest {
		return problem(Unusable, "", "the manifest would take %d bytes, more than are ever read of one", len(text))
	}
	if err := w.Store.Put(ctx, m.Set().manifest(m.ID), strings.NewReader(string(text)), int64(len(text))); err != nil {
		return fmt.Errorf("store the manifest of the backup: %w", err)
	}
	return nil
}

type digester struct {
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
	n int64
}

func (d *digester) Write(p []byte) (int, error) {
	d.n += int64(len(p))
	return d.hash.Write(p)
}

func sizes(objects []Object) map[string]int64 {
	out := map[string]int64{}
	for _, o := range objects {
		out[o.Name] = o.Size
	}
	return out
}

// Leftovers is how long a payload without a manifest, or half of one, may be that of a backup that is still running.
const Leftovers = 48 * time.Hour

// Prune removes the archives of a set that need not be kept, and what killed backups left. now is the time by the clock
// that archives are dated with, the server's. Archives that are not good, or another cluster's, stay, and so does what
// bears no name of ours. The result lists the IDs that were removed, in the order of their times, also beside an error.
func Prune(ctx context.Context, store Store, set Set, cluster string, trust Trust, keep Keep,
	now time.Time) ([]string, error) {
	entries, err := List(ctx, store, set, cluster, trust)
	if err != nil {
		return nil, err
	}
	remove, err := keep.prune(entries, now)
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, e := range remove {
		if err := store.Remove(ctx, set.manifest(e.ID)); err != nil {
			return removed, fmt.Errorf("remove the backup %s: %w", e.ID, err)
		}
		removed = append(removed, e.ID)
		if err := store.Remove(ctx, set.payload(e.ID)); err != nil {
			return removed, fmt.Errorf("remove the backup %s: %w", e.ID, err)
		}
	}
	objects, err := store.List(ctx, set.prefix())
	if err != nil {
		return removed, err
	}
	have := sizes(objects)
	for _, o := range objects {
		id, ours := strings.CutSuffix(strings.TrimPrefix(o.Name, set.prefix()), payloadSuffix)
		if !ours {
			continue
		}
		taken, err := ParseID(id)
		if _, whole := have[set.manifest(id)]; err != nil || whole || !taken.Before(now.Add(-Leftovers)) {
			continue
		}
		if err := store.Remove(ctx, o.Name); err != nil {
			return removed, fmt.Errorf("remove what a killed backup left: %w", err)
		}
	}
	return removed, store.Clean(ctx, set.prefix(), now.Add(-Leftovers))
}
