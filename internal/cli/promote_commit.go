package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/edit"
	"github.com/zavestudios/zave/internal/gitrepo"
	"github.com/zavestudios/zave/internal/tree"
)

// commission is a commit that is to be made on top of the last one: of specs, and of the tree that they compile to.
type commission struct {
	platform *platformRepo
	repo     *gitrepo.Repo
	staging  *gitrepo.Staging
	parent   *gitrepo.Commit
	specs    *gitrepo.FS // of the parent
	tree     *regenerated

	made  *gitrepo.Commit
	files int // of the tree
	left  []string
}

// commission opens the repository, and refuses where nobody would expect a commit of ours.
func (a *app) commission() (*commission, error) {
	p, err := a.openPlatform()
	if err != nil {
		return nil, err
	}
	c := &commission{platform: p}
	if err := c.open(); err != nil {
		p.close()
		return nil, repositoryProblem(err)
	}
	return c, nil
}

func (c *commission) open() (err error) {
	if c.repo, err = c.platform.needsGit(); err != nil {
		return err
	}
	if what := c.repo.Operation(); what != "" {
		return &problem{exit: exitUnknown, text: fmt.Sprintf("git is in the middle of a %s", what), hint: "finish it first, or leave --commit out"}
	}
	if c.staging, err = c.repo.Staging(); err != nil {
		return err
	}
	if c.parent, err = c.repo.Head(); err != nil {
		return err
	}
	if c.parent == nil {
		return &problem{exit: exitUnknown, text: "there is no commit yet to build on", hint: "make the first one with git, or leave --commit out"}
	}
	c.specs = c.repo.FS(c.parent, c.platform.prefix)
	return nil
}

// prepare compiles the specs of the last commit with files as they would be, and finds what changes in its tree. What is
// wrong is printed.
func (a *app) prepare(ctx context.Context, c *commission, was *input, files []edit.File, format string) (*input, error) {
	for _, f := range files {
		data, _ := was.Source(f.Name)
		if err := c.settled(a.shown(f.Name), path.Join(c.platform.prefix, f.Name), data); err != nil {
			return nil, err
		}
	}
	made, in, err := a.regenerate(ctx, staged{
		Specs: overlay{c.specs, files},
		Tree: func(dir string) (out []tree.Stored, err error) {
			top := path.Join(c.platform.prefix, dir)
			entries, err := c.repo.Below(c.parent, top)
			for _, e := range entries {
				out = append(out, tree.Stored{
					Path: strings.TrimPrefix(e.Path, top+"/"), Hash: e.Hash,
					Regular: e.Mode == gitrepo.Regular || e.Mode == gitrepo.Executable,
				})
			}
			return out, err
		},
		Read: func(f tree.Stored) ([]byte, error) { return c.repo.Blob(gitrepo.Hash(f.Hash)) },
	})
	if err != nil {
		return nil, repositoryProblem(err)
	}
	if made == nil {
		return nil, a.unchanged(format, in)
	}
	out := output{root: c.platform.root, dir: filepath.FromSlash(made.Dir)}
	if d, refused, err := out.refuse(in); err != nil {
		return nil, err
	} else if refused {
		in.list.Add(d)
		return nil, a.unchanged(format, in)
	}
	c.tree = made
	return in, nil
}

// settled refuses a file that is not in the work tree and in the index as it is in the last commit: what is committed
// of it would not be what people see.
func (c *commission) settled(shown, name string, committed []byte) error {
	refuse := func(why string) error {
		return &problem{exit: exitInput, text: shown + " " + why, hint: "commit or stash that first, or leave --commit out"}
	}
	entries := c.staging.At(name)
	switch {
	case len(entries) == 0:
		return refuse("is not staged as it was committed")
	case entries[0].Stage != 0:
		return refuse("is in conflict")
	case entries[0].Mode != gitrepo.Regular && entries[0].Mode != gitrepo.Executable:
		return refuse("is a symbolic link in the repository")
	case entries[0].Hash != gitrepo.BlobHash(committed):
		return refuse("has changes that are staged")
	}
	data, err := os.ReadFile(filepath.Join(c.repo.WorkTree(), filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) && entries[0].Skip {
		return nil // outside of a sparse checkout
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !bytes.Equal(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), committed) && !bytes.Equal(data, committed) {
		return refuse("has changes that are not committed")
	}
	return nil
}

// commit commits the specs and the tree.
func (a *app) commit(ctx context.Context, c *commission, files []edit.File, message string) error {
	a.stages.begin("commit")
	defer a.stages.end()
	n := gitrepo.NewCommit{Parent: c.parent, Message: message}
	for _, f := range files {
		n.Write = append(n.Write, gitrepo.File{Path: path.Join(c.platform.prefix, f.Name), Data: f.Data})
	}
	top := path.Join(c.platform.prefix, c.tree.Dir)
	kept, err := c.repo.Below(c.parent, top)
	if err != nil {
		return repositoryProblem(err)
	}
	ignored, err := c.repo.Ignored(top)
	if err != nil {
		return err
	}
	if len(kept) > 0 || !ignored { // else the tree is kept elsewhere
		for _, f := range c.tree.Write {
			n.Write = append(n.Write, gitrepo.File{Path: path.Join(top, f.Path), Data: f.Data})
		}
		for _, name := range c.tree.Remove {
			n.Remove = append(n.Remove, path.Join(top, name))
		}
		c.files = len(c.tree.Write) + len(c.tree.Remove)
	}
	made, done, err := c.staging.Commit(ctx, n)
	c.made, c.left = made, done.Left
	return repositoryProblem(err)
}

// sayCommitted says what was committed, and where.
func (a *app) sayCommitted(c *commission, specs int) error {
	branch, err := c.repo.Branch()
	if err != nil {
		return repositoryProblem(err)
	}
	where := "on no branch"
	if branch != "" {
		where = "on " + diag.Visible(branch)
	}
	text := count(specs, "spec")
	if c.files > 0 {
		text += fmt.Sprintf(" and %s of %s", count(c.files, "file"), a.shown(c.tree.Dir))
	}
	a.say("committed %s %s: %s", c.made.Short(), where, text)
	if len(c.left) > 0 {
		a.say("%s in the work tree or the index, with other edits: %s",
			counted(len(c.left), "file was left alone", "files were left alone"), diag.Visible(strings.Join(c.left, " ")))
	}
	return nil
}
