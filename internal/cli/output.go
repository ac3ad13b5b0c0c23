package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/internal/diag"
)

// output is where the tree goes.
type output struct {
	root  string // the repository's, absolute
	dir   string // relative to the root where it lies within it; empty until the platform's is known
	given bool   // on the command line
}

// enterFor goes to the repository's root, and takes a directory that was typed before that along.
func (a *app) enterFor(typed string) (output, error) {
	var dir string
	if typed != "" {
		var err error
		if dir, err = filepath.Abs(typed); err != nil {
			return output{}, err
		}
	}
	root, err := a.enter()
	if err != nil {
		return output{}, err
	}
	if rel, err := filepath.Rel(root, dir); dir != "" && err == nil && filepath.IsLocal(rel) {
		dir = rel
	}
	return output{root: root, dir: dir, given: typed != ""}, nil
}

// settle takes the platform's own directory where none was named, and adds to the input's list where it must not be
// replaced.
func (o *output) settle(result *generator.Result, in *input) error {
	if o.dir == "" {
		o.dir = filepath.FromSlash(result.Platform.Output)
	}
	d, refused, err := o.refuse(in)
	if refused {
		in.list.Add(d)
	}
	return err
}

// refuse gives the diagnostic for a directory that must not be replaced as a whole: one that holds what people write,
// or lies within it. Outside of the repository is fine where the command line says so.
func (o output) refuse(in *input) (d diag.Diagnostic, refused bool, err error) {
	root, err := filepath.EvalSymlinks(o.root)
	if err != nil {
		return d, false, err
	}
	dir, err := realPath(o.dir)
	if err != nil {
		return d, false, err
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil { // another volume
		rel = ".."
	}
	parts := strings.Split(filepath.ToSlash(rel), "/")
	first, last := parts[0], parts[len(parts)-1] // ".." stands only at the beginning
	var why string
	switch {
	case rel == ".":
		why = "is the repository itself"
	case last == "..":
		why = "holds the repository"
	case slices.Contains([]string{"tenants", "platform", "schema", "cue.mod", ".git"}, first):
		why = "lies within " + first + "/, which zave reads and people write"
	case first == ".." && !o.given:
		why = "leads out of the repository"
	default:
		return d, false, nil
	}
	d = diag.Diagnostic{
		Code:    diag.OutputPath,
		Summary: fmt.Sprintf("output %q %s", o.dir, why),
		Hint:    `choose a directory of its own, such as "platform-gitops"`,
	}
	if !o.given {
		d.Span, d.Field = in.Set.Platform.At("output"), "output"
	}
	return d, true, nil
}

// realPath is the absolute path without symbolic links, of which the last parts need not exist.
func realPath(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	if _, e := os.Lstat(abs); e == nil { // a link to nothing
		return "", err
	}
	parent, err := realPath(filepath.Dir(abs))
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(abs)), nil
}
