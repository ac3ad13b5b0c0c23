package archive

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// dir is a store in a directory, a mounted volume most of the time. Nothing outside of it can be named.
type dir struct {
	path string
	root *os.Root
}

func openDir(name string) (*dir, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// It is not made: a volume that is not mounted must not look like an empty one.
		return nil, problem(Missing, "make it, or mount the volume", "the directory %s does not exist", name)
	case err != nil:
		return nil, problem(Unusable, "", "the directory %s cannot be opened", name).from(bare(err))
	}
	return &dir{name, root}, nil
}

func (d *dir) String() string { return d.path }

// partial begins the names of files that are being written.
const partial = ".partial-"

func (d *dir) Put(ctx context.Context, name string, r io.Reader, _ int64) (err error) {
	defer func() { err = d.explain(err) }()
	parent := path.Dir(name)
	if err := d.root.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	if _, err := d.root.Lstat(name); err == nil {
		return fmt.Errorf("%s: %w", name, errExists)
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	temporary := path.Join(parent, partial+path.Base(name)+"-"+hex.EncodeToString(b[:]))
	f, err := d.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreMissing(d.root.Remove(temporary))) }()
	_, err = copyContext(ctx, f, r)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	// A link does not overwrite, a rename does; but not every file system has links.
	if err := d.root.Link(temporary, name); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s: %w", name, errExists)
		}
		if err := d.root.Rename(temporary, name); err != nil {
			return err
		}
	}
	return d.sync(parent)
}

// sync brings a directory's entries, and those of the ones above it, to the disk.
func (d *dir) sync(name string) error {
	for {
		f, err := d.root.Open(name)
		if err != nil {
			return err
		}
		err = f.Sync()
		f.Close()
		// Some file systems cannot, and say so in one of these ways.
		if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		if name == "." {
			return nil
		}
		name = path.Dir(name)
	}
}

func (d *dir) Get(_ context.Context, name string) (io.ReadCloser, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, d.explain(err)
	}
	return f, nil
}

func (d *dir) List(_ context.Context, prefix string) ([]Object, error) {
	entries, err := fs.ReadDir(d.root.FS(), strings.TrimSuffix(prefix, "/"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, d.explain(err)
	}
	var out []Object
	for _, e := range entries {
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), partial) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, d.explain(err)
		}
		out = append(out, Object{prefix + e.Name(), info.Size()})
	}
	slices.SortFunc(out, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (d *dir) Remove(_ context.Context, name string) error {
	return d.explain(ignoreMissing(d.root.Remove(name)))
}

func (d *dir) Clean(_ context.Context, prefix string, before time.Time) error {
	entries, err := fs.ReadDir(d.root.FS(), strings.TrimSuffix(prefix, "/"))
	if err != nil {
		return d.explain(ignoreMissing(err))
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), partial) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err != nil || !info.ModTime().Before(before) {
			continue
		}
		if err := ignoreMissing(d.root.Remove(prefix + e.Name())); err != nil {
			return d.explain(err)
		}
	}
	return nil
}

// explain says what people can do about an error of the file system.
func (d *dir) explain(err error) error {
	var known *Problem
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, errExists), errors.Is(err, fs.ErrNotExist):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return problem(Unusable, "make room, or keep fewer backups", "the disk of %s is full", d.path).from(bare(err))
	case errors.Is(err, fs.ErrPermission):
		return problem(Unusable, "the directory and all in it must belong to the user that runs this",
			"%s may not be read or written", d.path).from(bare(err))
	case errors.Is(err, syscall.EROFS):
		return problem(Unusable, "mount it so that it can be written", "%s is read-only", d.path).from(bare(err))
	}
	return err
}

// bare leaves out the operation and the path of a PathError, which the sentence before it gives better.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
