package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zavestudios/zave/generator/link"
	"github.com/zavestudios/zave/internal/edit"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/source"
)

// written loads the specs as they are, from the work tree where the file system is nil. What is wrong with them is
// printed, and then there is nothing to change.
func (a *app) written(ctx context.Context, specs fs.FS, format string) (*input, error) {
	cache := specCache()
	s, err := a.read(ctx, specs, cache)
	if err != nil {
		return nil, repositoryProblem(err)
	}
	cache.Save()
	if !s.list.HasErrors() {
		return s.input, nil
	}
	a.link(s.input)
	return nil, a.unchanged(format, s.input)
}

// unchanged prints what is wrong.
func (a *app) unchanged(format string, in *input) error {
	if err := a.report(format, in); err != nil {
		return err
	}
	a.say("%s: nothing was changed", in.list.Summary())
	return errReported()
}

// recheck loads and links the repository with files as they would be. What is wrong then is printed.
func (a *app) recheck(ctx context.Context, specs fs.FS, files []edit.File, format string) (*input, error) {
	if specs == nil {
		root, err := os.OpenRoot(".")
		if err != nil {
			return nil, err
		}
		defer root.Close()
		specs = root.FS()
	}
	l, err := load.Load(ctx, ".", load.Options{FS: overlay{specs, files}, Cache: specCache()})
	if err != nil {
		return nil, fmt.Errorf("read the specs: %w", err)
	}
	in := &input{l, l.Diags}
	_, list := link.Link(in.Set)
	in.list.Merge(list)
	if in.list.HasErrors() {
		return nil, a.unchanged(format, in)
	}
	return in, nil
}

// packages is a spec's package with those that it imports.
type packages struct {
	*edit.Package
	imported map[string]*edit.Package
	order    []string
	shown    func(string) string
}

// place names a line as the user can open it.
func (p *packages) place(s source.Span) string {
	s.File = p.shown(s.File)
	return s.String()
}

// openPackage parses the files of a directory that was loaded.
func (a *app) openPackage(l *load.Loaded, dir string) (*packages, error) {
	p := &packages{imported: map[string]*edit.Package{}, shown: a.shown}
	var open func(dir string) (*edit.Package, error)
	open = func(dir string) (*edit.Package, error) {
		var files []edit.File
		for _, name := range l.Dir(dir) {
			data, _ := l.Source(name)
			files = append(files, edit.File{Name: name, Data: data})
		}
		return edit.Parse(files, func(path string) (*edit.Package, error) {
			d, ok := l.ImportDir(path)
			if !ok {
				return nil, nil
			}
			if p.imported[d] == nil {
				i, err := open(d)
				if err != nil {
					return nil, err
				}
				p.imported[d], p.order = i, append(p.order, d)
			}
			return p.imported[d], nil
		})
	}
	var err error
	p.Package, err = open(dir)
	return p, err
}

func (p *packages) files() []edit.File {
	out := p.Files()
	for _, d := range p.order {
		out = append(out, p.imported[d].Files()...)
	}
	return out
}

// overlay is a file system with some files changed or added.
type overlay struct {
	fs.FS
	files []edit.File
}

func (o overlay) find(name string) (edit.File, bool) {
	i := slices.IndexFunc(o.files, func(f edit.File) bool { return f.Name == name })
	if i < 0 {
		return edit.File{}, false
	}
	return o.files[i], true
}

// Open implements fs.FS.
func (o overlay) Open(name string) (fs.File, error) {
	if f, ok := o.find(name); ok {
		return &overlaid{bytes.NewReader(f.Data), f}, nil
	}
	return o.FS.Open(name)
}

// ReadDir implements fs.ReadDirFS.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	out, err := fs.ReadDir(o.FS, name)
	for _, f := range o.files {
		rest, below := strings.CutPrefix(f.Name, name+"/")
		if !below {
			continue
		}
		first, _, dir := strings.Cut(rest, "/")
		if !slices.ContainsFunc(out, func(e fs.DirEntry) bool { return e.Name() == first }) {
			out = append(out, fs.FileInfoToDirEntry(overlaidInfo{edit.File{Name: first, Data: f.Data}, dir}))
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return out, err
}

// Hash implements load.Hasher, where the file system below does.
func (o overlay) Hash(name string) (string, bool) {
	if _, ok := o.find(name); ok {
		return "", false
	}
	if h, ok := o.FS.(load.Hasher); ok {
		return h.Hash(name)
	}
	return "", false
}

// overlaid is an open file of it.
type overlaid struct {
	io.Reader
	file edit.File
}

func (f *overlaid) Stat() (fs.FileInfo, error) { return overlaidInfo{f.file, false}, nil }
func (f *overlaid) Close() error               { return nil }

type overlaidInfo struct {
	file edit.File
	dir  bool
}

func (i overlaidInfo) Name() string       { return path.Base(i.file.Name) }
func (i overlaidInfo) Size() int64        { return int64(len(i.file.Data)) }
func (i overlaidInfo) ModTime() time.Time { return time.Time{} }
func (i overlaidInfo) IsDir() bool        { return i.dir }
func (i overlaidInfo) Sys() any           { return nil }
func (i overlaidInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// replaceFile puts other bytes in the place of a file's, in one step, and keeps its mode.
func replaceFile(name string, data []byte) error {
	name, err := filepath.EvalSymlinks(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
