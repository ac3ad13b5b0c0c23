// Package remote reads the head of a branch in a repository elsewhere, makes a commit of what changes, and pushes it.
//
// A repository is reached over https, over ssh, or as a directory of this machine; git is never run. What is fetched is
// one commit with its trees, and of its files those that are asked for, where the server can do that.
//
// Invariants: a push moves one branch from the commit that the caller has seen to the one it made of it, or changes
// nothing: it is never forced, and nothing is ever deleted. No credentials are in an address, a message or an error.
// A host is talked to only if its key or certificate is known. An unchanged directory costs nothing: its tree is taken
// over by name. What is on disk here is temporary, and gone after Close.
package remote

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/gitrepo"
)

// Hash names a git object.
type Hash = gitrepo.Hash

// Options say how to reach a remote.
type Options struct {
	// Environ is the environment as os.Environ gives it: credentials, SSH_AUTH_SOCK and HOME are read from it.
	Environ []string
	// Dir is the directory that a relative path is relative to.
	Dir string
	// KeyFile is a private key for ssh; empty: the agent, and the usual ones in ~/.ssh.
	KeyFile string
	// Patience is how long the other side may be silent; 0: two minutes.
	Patience time.Duration
	// Dial connects; nil: as the net package does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Remote is a repository elsewhere. Its methods may be called by several goroutines.
type Remote struct {
	at      address
	backend backend
}

// backend is a way to a repository. Its errors are sentences.
type backend interface {
	// tips gives the branches of the repository, or at least the one that is asked for and whether there are others.
	tips(ctx context.Context, branch string) (tips, error)
	// fetch reads a branch's tip, and of its history that many commits at least, where it has as many.
	fetch(ctx context.Context, branch string, depth int) (*Snapshot, error)
	// push moves a branch. An error that is ErrInterrupted or ErrDeclined leaves it open why.
	push(ctx context.Context, branch string, old Hash, c *Commit) error
}

// tips are the branches of a repository.
type tips struct {
	of    map[string]Hash
	first string // the one that the repository calls its HEAD; may be empty
}

// Open reads an address. Nothing is connected to yet, and nothing is to be closed.
func Open(at string, o Options) (*Remote, error) {
	a, err := parseAddress(at, o.Dir)
	if err != nil {
		return nil, err
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Minute
	}
	env := map[string]string{}
	for _, v := range o.Environ {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	r := &Remote{at: a}
	switch a.scheme {
	case "file":
		r.backend = &local{at: a}
	case "ssh":
		r.backend = &wire{at: a, way: &secureShell{at: a, options: o, env: env}}
	default:
		h, err := newHTTP(a, o, env)
		if err != nil {
			return nil, err
		}
		r.backend = &wire{at: a, way: h, secrets: []string{h.login.password}}
	}
	return r, nil
}

// String is the address, without credentials.
func (r *Remote) String() string { return r.at.text }

// Head gives the commit that a branch is at. The error is ErrEmpty where the repository has no commits, and ErrNoBranch
// where it has no such branch.
func (r *Remote) Head(ctx context.Context, branch string) (Hash, error) {
	if err := checkBranch(branch); err != nil {
		return Hash{}, err
	}
	t, err := r.backend.tips(ctx, branch)
	if err != nil {
		return Hash{}, err
	}
	return t.tip(r.at, branch)
}

// tip gives a branch's commit; see Head for the errors.
func (t tips) tip(at address, branch string) (Hash, error) {
	h, ok := t.of[branch]
	switch {
	case ok:
		return h, nil
	case len(t.of) == 0:
		return Hash{}, fail(ErrEmpty, "publish to it for a first commit", "%s has no commits yet", at.text)
	}
	hint := "give a branch that it has"
	if t.first != "" {
		hint += ", such as " + diag.Visible(t.first)
	}
	return Hash{}, fail(ErrNoBranch, hint, "%s has no branch %s", at.text, branch)
}

// Fetch reads the commit that a branch is at; see Head for the errors. It is ErrRaced where the branch moves meanwhile, and
// ErrInterrupted where the server does not give the commit that it names: fetch again. Close what it gives.
func (r *Remote) Fetch(ctx context.Context, branch string) (*Snapshot, error) {
	if err := checkBranch(branch); err != nil {
		return nil, err
	}
	return r.backend.fetch(ctx, branch, 1)
}

// Push moves a branch from the commit that it was seen at to a new one; old is zero for a branch that is to be made.
// One that is not known to come from old is refused: no server need do so. The remote has all of it afterwards, or nothing
// that anyone would see.
//
// ErrRaced: the branch is elsewhere by now; fetch, apply the change anew, and push that. ErrInterrupted: the connection
// broke, and the branch is where it was; push again. ErrUnclear: it broke, and does not come back; Landed tells later.
// ErrDeclined: the other side does not want it.
func (r *Remote) Push(ctx context.Context, branch string, old Hash, c *Commit) error {
	if err := checkBranch(branch); err != nil {
		return err
	}
	if !old.IsZero() && !slices.Contains(c.from, old) { // a server need not refuse it
		return fmt.Errorf("the commit %s is not known to come from %s, where the branch %s is", c.Hash, old, branch)
	}
	err := r.backend.push(ctx, branch, old, c)
	if !errors.Is(err, ErrInterrupted) && !errors.Is(err, ErrDeclined) {
		return err
	}
	// The server may have moved the branch before the answer got lost, and a refusal may have the reason that another
	// push was faster by a moment.
	t, failed := r.backend.tips(ctx, branch)
	switch {
	case failed != nil && errors.Is(err, ErrDeclined):
		return err
	case failed != nil:
		return fail(ErrUnclear, "try again: what has arrived is found and not sent twice",
			"the push to %s broke off, and it is not known whether the commit arrived", r)
	case t.of[branch] == c.Hash:
		return nil
	case t.of[branch] != old:
		return r.raced(branch)
	}
	return err
}

// Landed tells whether a branch has a commit among its latest ones: what to ask after ErrUnclear and ErrRaced.
func (r *Remote) Landed(ctx context.Context, branch string, commit Hash) (bool, error) {
	tip, err := r.Head(ctx, branch)
	if errors.Is(err, ErrEmpty) || errors.Is(err, ErrNoBranch) {
		return false, nil
	}
	if err != nil || tip == commit {
		return err == nil, err
	}
	const depth = 50 // others have pushed in the minutes since
	s, err := r.backend.fetch(ctx, branch, depth)
	if err != nil {
		return false, err
	}
	defer s.Close()
	found := false
	err = s.walk(s.Hash, depth, func(h Hash) bool {
		found = found || h == commit
		return !found
	})
	return found, err
}

func (r *Remote) raced(branch string) error { return raced(r.at, branch) }

func raced(at address, branch string) error {
	return fail(ErrRaced, "run it again", "somebody else changed the branch %s of %s at the same time", branch, at.text)
}

// checkBranch refuses what git does not take for the name of a branch (git-check-ref-format(1)).
func checkBranch(name string) error {
	bad := name == "" || name == "HEAD" || name == "@" || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "refs/") ||
		strings.HasSuffix(name, ".") || strings.Contains(name, "..") || strings.Contains(name, "@{") ||
		strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) })
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad {
		return fail(ErrNoBranch, "a name such as main or review/panchito does", "%q cannot be the name of a branch", name)
	}
	return nil
}

// hashOf names an object as git does (Pro Git, "Git Internals: Git Objects").
func hashOf(kind string, data []byte) Hash {
	h := sha1.New()
	fmt.Fprintf(h, "%s %d\x00", kind, len(data))
	h.Write(data)
	return Hash(h.Sum(nil))
}
