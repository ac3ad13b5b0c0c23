package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Entry is an archive as its store lists it.
type Entry struct {
	ID       string
	Manifest *Manifest // nil where it could not be read, or may not be trusted
	Key      PublicKey // of who signed it; empty: nobody known
	Foreign  bool      // of another cluster
	Err      error     // a Problem why it must not be restored, so far as that can be known from the manifest; nil: none
}

// List gives a database's archives, the newest first. What is wrong with one of them is in its entry.
func List(ctx context.Context, store Store, set Set, cluster string, trust Trust) ([]Entry, error) {
	objects, err := store.List(ctx, set.prefix())
	if err != nil {
		return nil, fmt.Errorf("list the backups: %w", err)
	}
	have := sizes(objects)
	var out []Entry
	for _, o := range objects {
		id, ok := strings.CutSuffix(strings.TrimPrefix(o.Name, set.prefix()), manifestSuffix)
		if _, err := ParseID(id); !ok || err != nil {
			continue
		}
		e := Entry{ID: id}
		e.Manifest, e.Key, err = read(ctx, store, o, trust)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		var p *Problem
		if err != nil && !errors.As(err, &p) || p != nil && p.Kind != Refused {
			return nil, err
		}
		if err == nil {
			e.Foreign = e.Manifest.Cluster != cluster
			err = e.Manifest.suits(set, id, cluster, have)
		}
		e.Err = named(err, "the backup "+id)
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return cmp.Compare(b.ID, a.ID) })
	return out, nil
}

func read(ctx context.Context, store Store, o Object, trust Trust) (*Manifest, PublicKey, error) {
	if o.Size > maxManifest {
		return nil, "", refuse(fmt.Sprintf("its manifest has %d bytes, too many for one", o.Size), "it was tampered with")
	}
	r, err := store.Get(ctx, o.Name)
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(&contextReader{ctx, r}, maxManifest))
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", o.Name, err)
	}
	return Decode(text, trust)
}

// suits refuses an archive that is not what its place says.
func (m *Manifest) suits(set Set, id, cluster string, have map[string]int64) error {
	switch size, there := have[set.payload(id)]; {
	case m.Tenant != set.Tenant || m.Database != set.Database:
		return refuse(fmt.Sprintf("it is of tenant %s, database %s", m.Tenant, m.Database),
			fmt.Sprintf("somebody put it where those of tenant %s are", set.Tenant))
	case m.ID != id:
		return refuse("it is the one of "+m.ID+" under another name",
			"somebody renamed it, perhaps to have old data restored")
	case m.Cluster != cluster:
		return refuse("it was made in cluster "+m.Cluster, "say so if it is to be restored in cluster "+cluster)
	case !there:
		return refuse("its data are missing", "take another archive")
	case size != m.Payload.Size:
		return refuse(fmt.Sprintf("it has %d bytes, and had %d when it was made", size, m.Payload.Size),
			"it was cut short; take another archive")
	}
	return nil
}

// named puts the archive's name before the text of a Problem.
func named(err error, what string) error {
	var p *Problem
	if !errors.As(err, &p) {
		return err
	}
	q := *p
	q.Text = what + " is refused: " + p.Text
	return &q
}

// Find chooses the newest archive, or with at the one of that ID or of the only one that begins so. It must be good,
// and not from after now: the newest one is not passed over for an older one without being told to. now is the time by
// the clock that archives are dated with.
func Find(entries []Entry, at string, now time.Time) (*Entry, error) {
	var found []*Entry
	for i := range entries {
		e := &entries[i]
		switch {
		case at == "" && len(found) == 0 && !e.Foreign:
			found = append(found, e)
		case at != "" && strings.HasPrefix(e.ID, at):
			found = append(found, e)
		}
	}
	older := func(than string) string {
		for _, e := range entries {
			if e.ID < than && e.Err == nil {
				return "the newest before it that is good is " + e.ID
			}
		}
		return ""
	}
	switch {
	case len(found) == 0 && at != "":
		return nil, problem(Missing, "list them to see which there are", "there is no backup %s", at)
	case len(found) == 0 && len(entries) > 0:
		return nil, problem(Missing, "", "there is no backup of this cluster, only of %s", entries[0].Manifest.Cluster)
	case len(found) == 0:
		return nil, problem(Missing, "check the store and its prefix, and that backups are made", "there is no backup")
	case len(found) > 1:
		return nil, problem(Mistaken, "give it in full: "+found[0].ID, "%d backups begin with %s", len(found), at)
	}
	e := found[0]
	if e.Err != nil {
		var p *Problem
		if errors.As(e.Err, &p) {
			q := *p
			q.Hint = join(p.Hint, older(e.ID))
			return nil, &q
		}
		return nil, e.Err
	}
	if ahead := e.Manifest.Taken.Sub(now); ahead > Skew {
		return nil, problem(Refused, join("a clock is or was wrong", older(e.ID)),
			"the backup %s is refused: it was taken %s from now by the server's clock", e.ID, ahead.Round(time.Second))
	}
	return e, nil
}

func join(hints ...string) string {
	return strings.Join(slices.DeleteFunc(hints, func(s string) bool { return s == "" }), "; ")
}

// Spool is an archive's payload at hand, checked and still encrypted.
type Spool struct {
	Manifest *Manifest
	file     *os.File
	name     string // to be removed at the end, where an open file cannot be
}

// Fetch brings an archive's payload here, into a file without a name in dir (empty: the system's directory for
// temporary files), and checks its size and digest. It takes as much room there as the manifest says.
func Fetch(ctx context.Context, store Store, e *Entry, dir string) (_ *Spool, err error) {
	m := e.Manifest
	what := "the backup " + e.ID
	r, err := store.Get(ctx, m.Set().payload(e.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, named(refuse("its data are missing", "take another archive"), what)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch the backup: %w", err)
	}
	defer r.Close()
	f, err := os.CreateTemp(dir, "zave-restore-*.age")
	if err != nil {
		return nil, problem(Unusable, "set TMPDIR to a directory that can be written",
			"there is no place for the encrypted backup").from(err)
	}
	s := &Spool{Manifest: m, file: f}
	if err := os.Remove(f.Name()); err != nil {
		s.name = f.Name()
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	hash := sha256.New()
	// One byte more than there should be tells a payload that grew.
	n, err := copyContext(ctx, io.MultiWriter(f, hash), io.LimitReader(r, m.Payload.Size+1))
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return nil, problem(Unusable, "make room, or set TMPDIR to another disk",
			"the encrypted backup, %d bytes, does not fit on the disk of %s", m.Payload.Size, f.Name()).from(bare(err))
	case err != nil:
		return nil, fmt.Errorf("fetch the backup: %w", err)
	case n != m.Payload.Size:
		return nil, named(refuse(fmt.Sprintf("it has %d bytes, and had %d when it was made", n, m.Payload.Size),
			"it was cut short; take another archive"), what)
	case hex.EncodeToString(hash.Sum(nil)) != m.Payload.SHA256:
		return nil, named(refuse("its digest is not the one in the manifest",
			"it was tampered with or is damaged; take another archive"), what)
	}
	return s, nil
}

// Open gives the plaintext from its beginning. All that is read before an error is as it was written; that nothing is
// missing is known at its end.
func (s *Spool) Open(ids *Identities) (io.Reader, error) {
	r, err := ids.decrypt(io.NewSectionReader(s.file, 0, s.Manifest.Payload.Size))
	var p *Problem
	if errors.As(err, &p) {
		q := *p
		if q.Hint == "" {
			q.Hint = "it is encrypted to " + strings.Join(s.Manifest.Recipients, ", ")
		}
		return nil, named(&q, "the backup "+s.Manifest.ID)
	}
	return r, err
}

// Check reads the plaintext to its end without keeping it, so that nothing is begun that cannot be finished.
func (s *Spool) Check(ctx context.Context, ids *Identities, see io.Writer) error {
	plain, err := s.Open(ids)
	if err != nil {
		return err
	}
	if _, err := copyContext(ctx, see, plain); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return named(refuse("it cannot be decrypted to its end", "it is damaged; take another archive").from(err),
			"the backup "+s.Manifest.ID)
	}
	return nil
}

// Close frees the room.
func (s *Spool) Close() error {
	err := s.file.Close()
	if s.name != "" {
		err = errors.Join(err, os.Remove(s.name))
	}
	return err
}
