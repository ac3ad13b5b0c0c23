package gitrepo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// NewCommit is a commit to make.
type NewCommit struct {
	Parent  *Commit // what HEAD is at
	Write   []File
	Remove  []string // paths from the work tree's top, slash-separated
	Message string
}

// Commit makes a commit that differs from its parent by those files alone, and moves the branch that HEAD is on, or HEAD
// itself where it is on none. Nothing else that is staged goes into it, and it stays staged.
//
// The index and the files of the work tree follow as Stage has it, but for files of which something else is staged: they
// keep that. No hook of git's is run, and nothing is signed: where commit.gpgSign asks for that, it is refused.
func (s *Staging) Commit(ctx context.Context, n NewCommit) (*Commit, Staged, error) {
	r := s.repo
	stamp, err := r.stamp()
	if err != nil {
		return nil, Staged{}, err
	}
	lock, err := r.lockHead(n.Parent)
	if err != nil {
		return nil, Staged{}, err
	}
	defer lock.release()
	c, err := r.write(n, stamp)
	if err != nil {
		return nil, Staged{}, err
	}
	was, err := r.Below(n.Parent, ".")
	if err != nil {
		return nil, Staged{}, err
	}
	// The index first: if the branch cannot be moved, what was to be committed is staged, and nothing is lost.
	asWas := func(name string) bool { return s.same(was, name) }
	var done Staged
	var write []File
	for _, f := range n.Write {
		if asWas(f.Path) {
			write = append(write, f)
		} else {
			done.Left = append(done.Left, f.Path)
		}
	}
	var remove []string
	for _, name := range n.Remove {
		if asWas(name) {
			remove = append(remove, name)
		} else {
			done.Left = append(done.Left, name)
		}
	}
	staged, err := s.Stage(ctx, write, remove)
	if err != nil {
		return nil, Staged{}, err
	}
	staged.Left = append(staged.Left, done.Left...)
	slices.Sort(staged.Left)
	return c, staged, lock.move(c, stamp)
}

// At gives what is staged of a file: one entry, none, or the stages of a conflict.
func (s *Staging) At(name string) []Entry {
	from, to := s.x.find(name)
	return slices.Clone(s.x.entries[from:to])
}

// same tells whether the index has of a file what a commit has, whose entries are given.
func (s *Staging) same(commit []Entry, name string) bool {
	from, to := s.x.find(name)
	i, found := slices.BinarySearchFunc(commit, name, func(e Entry, n string) int { return strings.Compare(e.Path, n) })
	if !found {
		return from == to
	}
	return to-from == 1 && s.x.entries[from].Stage == 0 && s.x.entries[from].Hash == commit[i].Hash &&
		s.x.entries[from].Mode == commit[i].Mode
}

// Below gives the files of a commit below a directory, slash-separated, "." for all, sorted by path.
func (r *Repo) Below(c *Commit, dir string) ([]Entry, error) {
	at := c.Tree
	if dir = path.Clean(dir); dir != "." {
		_, n, err := r.FS(c, ".").lookup(dir, false)
		if errors.Is(err, fs.ErrNotExist) || err == nil && n.mode != Directory {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		at = n.hash
	}
	out, err := r.below(dir, at, nil)
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return out, err
}

func (r *Repo) below(dir string, tree Hash, out []Entry) ([]Entry, error) {
	nodes, err := r.tree(tree)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		at := path.Join(dir, n.name)
		if n.mode != Directory {
			out = append(out, Entry{Path: at, Mode: n.mode, Hash: n.hash})
		} else if out, err = r.below(at, n.hash, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// write writes the objects of a commit.
func (r *Repo) write(n NewCommit, stamp stamp) (*Commit, error) {
	var edits []edit
	for _, f := range n.Write {
		e := edit{path: f.Path, data: f.Data, hash: BlobHash(f.Data), mode: Regular}
		if err := r.store(&e); err != nil {
			return nil, err
		}
		edits = append(edits, e)
	}
	for _, name := range n.Remove {
		edits = append(edits, edit{path: name, remove: true})
	}
	slices.SortFunc(edits, func(a, b edit) int { return strings.Compare(a.path, b.path) })
	tree, _, err := r.writeTree(&n.Parent.Tree, edits, 0)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("tree %s\nparent %s\nauthor %s\ncommitter %s\n\n%s\n",
		tree, n.Parent.Hash, stamp.author, stamp.committer, strings.TrimRight(n.Message, "\n"))
	h, err := r.storeObject(plumbing.CommitObject, []byte(text))
	if err != nil {
		return nil, err
	}
	return r.Commit(h)
}

// writeTree writes a directory with edits, sorted by path, of which so many bytes are the directory's own. It is false
// for one with nothing in it, which git does not keep.
func (r *Repo) writeTree(was *Hash, edits []edit, skip int) (h Hash, any bool, err error) {
	var nodes []node
	if was != nil {
		if nodes, err = r.tree(*was); err != nil {
			return h, false, err
		}
	}
	for len(edits) > 0 {
		name, _, below := strings.Cut(edits[0].path[skip:], "/")
		of := 1 // how many edits concern this name
		for below && of < len(edits) && strings.HasPrefix(edits[of].path[skip:], name+"/") {
			of++
		}
		at := slices.IndexFunc(nodes, func(n node) bool { return n.name == name })
		n := node{name: name, mode: Regular, hash: edits[0].hash}
		keep := !edits[0].remove
		switch {
		case below:
			var sub *Hash
			if at >= 0 && nodes[at].mode == Directory {
				sub = &nodes[at].hash
			}
			n.mode = Directory
			if n.hash, keep, err = r.writeTree(sub, edits[:of], skip+len(name)+1); err != nil {
				return h, false, err
			}
		case at >= 0 && nodes[at].mode == Executable:
			n.mode = Executable
		}
		switch {
		case at >= 0 && keep:
			nodes[at] = n
		case at >= 0:
			nodes = slices.Delete(nodes, at, at+1)
		case keep:
			nodes = append(nodes, n)
		}
		edits = edits[of:]
	}
	if len(nodes) == 0 && skip > 0 {
		return h, false, nil
	}
	key := func(n node) string { // git sorts a directory as if its name ended in a slash
		if n.mode == Directory {
			return n.name + "/"
		}
		return n.name
	}
	slices.SortFunc(nodes, func(a, b node) int { return strings.Compare(key(a), key(b)) })
	var data []byte
	for _, n := range nodes {
		data = fmt.Appendf(data, "%o %s\x00%s", uint32(n.mode), n.name, n.hash[:])
	}
	h, err = r.storeObject(plumbing.TreeObject, data)
	return h, true, err
}

func (r *Repo) storeObject(t plumbing.ObjectType, data []byte) (Hash, error) {
	var o plumbing.MemoryObject
	o.SetType(t)
	if _, err := o.Write(data); err != nil {
		return Hash{}, err
	}
	if h := Hash(o.Hash()); r.has(h) {
		return h, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.objects[0].SetEncodedObject(&o)
	if err != nil {
		return Hash{}, fmt.Errorf("write a %s to the object database: %w", t, err)
	}
	return Hash(h), nil
}

// headLock is git's lock on the branch that HEAD is on, or on HEAD.
type headLock struct {
	repo *Repo
	file *os.File
	ref  string // full
	was  Hash
}

// lockHead takes the lock, and refuses where HEAD is not at the commit any more.
func (r *Repo) lockHead(at *Commit) (*headLock, error) {
	_, ref, _, err := r.follow("HEAD")
	if err != nil {
		return nil, err
	}
	name := r.refFile(ref)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil { // where all branches are packed
		return nil, err
	}
	f, err := os.OpenFile(name+".lock", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, &Error{
			Text: fmt.Sprintf("another git is at work here: there is %s.lock", name),
			Hint: "wait until it has ended; if none runs, one was killed, and the file can be removed", kind: ErrIndexBusy,
		}
	}
	if err != nil {
		return nil, err
	}
	l := &headLock{r, f, ref, at.Hash}
	now, last, _, err := r.follow("HEAD")
	if err != nil || last != ref || now != at.Hash {
		l.release()
		return nil, cmp.Or[error](err, &Error{Text: "HEAD has changed while zave worked", Hint: "run it again"})
	}
	return l, nil
}

// refFile is where a reference is kept: HEAD by the work tree, branches by all of them (gitrepository-layout(5)).
func (r *Repo) refFile(ref string) string {
	if ref == "HEAD" {
		return filepath.Join(r.gitDir, "HEAD")
	}
	return filepath.Join(r.commonDir, filepath.FromSlash(ref))
}

func (l *headLock) release() {
	if l.file != nil {
		l.file.Close()
		os.Remove(l.file.Name())
	}
}

// move makes the branch point to the commit, and writes that down where git keeps a log.
func (l *headLock) move(c *Commit, stamp stamp) error {
	_, err := fmt.Fprintln(l.file, c.Hash)
	if err = errors.Join(err, l.file.Close()); err == nil {
		err = os.Rename(l.file.Name(), strings.TrimSuffix(l.file.Name(), ".lock"))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(l.file.Name()))
		l.file = nil
		return fmt.Errorf("move %s: %w", l.ref, err)
	}
	l.file = nil
	line := fmt.Sprintf("%s %s %s\tcommit: %s\n", l.was, c.Hash, stamp.committer, c.Subject)
	logs := []string{filepath.Join(l.repo.gitDir, "logs", "HEAD")}
	if l.ref != "HEAD" {
		logs = append(logs, filepath.Join(l.repo.commonDir, "logs", filepath.FromSlash(l.ref)))
	}
	for _, name := range logs {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = f.WriteString(line)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// stamp is who makes a commit, and when, as git writes it.
type stamp struct{ author, committer string }

// stamp asks the environment and the configuration, in git's order (git-commit(1), "Commit information").
func (r *Repo) stamp() (stamp, error) {
	c := map[string]string{}
	if err := r.settings(c); err != nil {
		return stamp{}, err
	}
	if boolean(c["commit.gpgsign"], false) {
		return stamp{}, &Error{
			Text: "commit.gpgSign asks for signed commits, and zave signs none",
			Hint: "leave the commit to git",
		}
	}
	now := time.Now()
	when := fmt.Sprintf("%d %s", now.Unix(), now.Format("-0700"))
	var out stamp
	for _, who := range []struct {
		to            *string
		env, settings string
	}{{&out.author, "AUTHOR", "author"}, {&out.committer, "COMMITTER", "committer"}} {
		name := plainName(cmp.Or(r.env.get("GIT_"+who.env+"_NAME"), c[who.settings+".name"], c["user.name"]))
		email := plainName(cmp.Or(r.env.get("GIT_"+who.env+"_EMAIL"), c[who.settings+".email"], c["user.email"], r.env.get("EMAIL")))
		if name == "" || email == "" {
			return stamp{}, &Error{
				Text: "git does not know who makes the commit: user.name or user.email is not set",
				Hint: "set them with 'git config user.name NAME' and 'git config user.email ADDRESS'",
			}
		}
		*who.to = fmt.Sprintf("%s <%s> %s", name, email, when)
	}
	return out, nil
}

// plainName leaves out what would end a name in a commit (ident.c, strbuf_addstr_without_crud).
func plainName(s string) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		if c == '<' || c == '>' || c == '\n' || c == 0 {
			return -1
		}
		return c
	}, s), " .,:;\"\\'\t\r")
}
