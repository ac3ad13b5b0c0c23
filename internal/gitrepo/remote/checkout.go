package remote

import (
	"context"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/gitrepo"
)

// Checkout reads the commit that HEAD is at, in the repository that a directory is in, whether it is on a branch or on
// none, as in a pipeline. The environment is as os.Environ gives it. The error is ErrEmpty where there is no commit, and
// gitrepo.ErrNoGit where there is no repository. Close what it gives.
func Checkout(ctx context.Context, dir string, environ []string) (*Snapshot, error) {
	repo, err := gitrepo.Open(dir, gitrepo.Options{Environ: environ})
	if err != nil {
		return nil, err
	}
	s, err := checkout(ctx, repo)
	if err != nil {
		repo.Close()
	}
	return s, err
}

func checkout(ctx context.Context, repo *gitrepo.Repo) (*Snapshot, error) {
	at := address{scheme: "file", path: repo.GitDir(), text: diag.Visible(repo.GitDir())}
	if dir := repo.WorkTree(); dir != "" {
		at.text = diag.Visible(dir)
	}
	head, err := repo.Head()
	if err != nil {
		return nil, err
	}
	if head == nil {
		return nil, fail(ErrEmpty, "publish to it for a first commit", "%s has no commits yet", at.text)
	}
	return open(ctx, repo, at, head.Hash)
}
