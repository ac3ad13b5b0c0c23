package remote

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/zavestudios/zave/internal/gitrepo"
	"github.com/zavestudios/zave/internal/tree"
)

// Person is who made a commit, and when.
type Person struct {
	Name, Email string
	When        time.Time // to the second, in its zone
}

// Head is what a commit says.
type Head struct {
	Hash      Hash
	Tree      Hash
	Parents   []Hash // whether they are here or not
	Author    Person
	Committer Person
	Message   string
}

// Snapshot is one commit of a remote, read as far as it is asked for. Its methods may be called by several goroutines.
type Snapshot struct {
	Head

	at     address
	ctx    context.Context // of the fetch that began it, for Read
	wire   *wire           // where more is fetched from; nil: all is here
	branch string          // of that

	mu    sync.Mutex
	repo  *gitrepo.Repo
	dir   string // temporary, and ours; empty: the repository itself
	whole bool   // every file of the commit is here
}

// Close removes what was fetched.
func (s *Snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.repo.Close()
	if s.dir != "" {
		if e := os.RemoveAll(s.dir); err == nil {
			err = e
		}
	}
	return err
}

// entry is one line of a tree.
type entry struct {
	mode string // octal, as it is written
	name string
	hash Hash
}

const (
	modeFile       = "100644"
	modeExecutable = "100755"
	modeDirectory  = "40000"
)

func (e entry) isDir() bool { return e.mode == modeDirectory }

// isRegular also takes the modes that old versions of git wrote, such as 100664.
func (e entry) isRegular() bool { return strings.HasPrefix(e.mode, "100") }

// parseTree reads a tree's entries (Pro Git, "Git Internals: Git Objects").
func parseTree(h Hash, data []byte) ([]entry, error) {
	var out []entry
	for len(data) > 0 {
		head, rest, ok := bytes.Cut(data, []byte{0})
		mode, name, spaced := strings.Cut(string(head), " ")
		if !ok || !spaced || len(rest) < len(Hash{}) || name == "" {
			return nil, fail(ErrCorrupt, "'git fsck' says what is wrong with it", "the tree %s is damaged", h)
		}
		out = append(out, entry{mode, name, Hash(rest[:len(Hash{})])})
		data = rest[len(Hash{}):]
	}
	return out, nil
}

// tree reads a tree; the zero hash is the empty one.
func (s *Snapshot) tree(h Hash) (content []byte, entries []entry, err error) {
	if h.IsZero() {
		return nil, nil, nil
	}
	if content, err = s.object(plumbing.TreeObject, h); err != nil {
		return nil, nil, err
	}
	entries, err = parseTree(h, content)
	return content, entries, err
}

func (s *Snapshot) object(t plumbing.ObjectType, h Hash) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := s.repo.Object(t, h)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		err = fmt.Errorf("the %s %s is missing", t, h)
	}
	if err != nil {
		return nil, fail(ErrCorrupt, "'git fsck' in it says what is wrong, and another clone may have what is missing",
			"%s is damaged: %s", s.at.text, err)
	}
	return data, nil
}

// Find gives the name of what is at a path, slash-separated: a directory's tree, whose name tells whether anything
// below it differs from another commit's, or a file's blob. No file is fetched for it.
func (s *Snapshot) Find(name string) (h Hash, found bool, err error) {
	e, ok, err := s.find(s.Tree, name)
	return e.hash, ok, err
}

func (s *Snapshot) find(root Hash, name string) (entry, bool, error) {
	at := entry{mode: modeDirectory, hash: root}
	if name = path.Clean(name); name == "." {
		return at, true, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !at.isDir() {
			return entry{}, false, nil
		}
		_, entries, err := s.tree(at.hash)
		if err != nil {
			return entry{}, false, err
		}
		i := slices.IndexFunc(entries, func(e entry) bool { return e.name == part })
		if i < 0 {
			return entry{}, false, nil
		}
		at = entries[i]
	}
	return at, true, nil
}

// List gives the files at and below paths, "." for all, sorted by path. What is not there is left out, and no other
// directory is looked into.
func (s *Snapshot) List(paths ...string) ([]tree.Stored, error) {
	return s.Outline(func(string) bool { return false }, paths...)
}

// Outline is List that does not look into directories below the paths that closed picks. Each is in the result as one
// entry, whose path ends in a slash, and whose hash is that of its tree: that of two commits is the same if all files in
// it are; see Trees.
func (s *Snapshot) Outline(closed func(dir string) bool, paths ...string) ([]tree.Stored, error) {
	var out []tree.Stored
	for _, p := range paths {
		p = path.Clean(p)
		e, ok, err := s.find(s.Tree, p)
		if err != nil {
			return nil, err
		}
		if p == "." {
			p = ""
		}
		if ok {
			if out, err = s.list(out, p, e, closed); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(out, func(a, b tree.Stored) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(out, func(a, b tree.Stored) bool { return a.Path == b.Path }), nil
}

func (s *Snapshot) list(out []tree.Stored, at string, e entry, closed func(dir string) bool) ([]tree.Stored, error) {
	if !e.isDir() {
		return append(out, tree.Stored{Path: at, Hash: e.hash, Regular: e.isRegular()}), nil
	}
	_, entries, err := s.tree(e.hash)
	prefix := at + "/"
	if at == "" {
		prefix = ""
	}
	for _, e := range entries {
		switch name := prefix + e.name; {
		case err != nil:
		case e.isDir() && closed(name):
			out = append(out, tree.Stored{Path: name + "/", Hash: e.hash})
		default:
			out, err = s.list(out, name, e, closed)
		}
	}
	return out, err
}

// Trees gives the hashes of the directories that hold these files and no others, sorted by path, all of the usual mode;
// that of all of them together is ".".
func Trees(files []tree.Stored) map[string]Hash {
	out := map[string]Hash{}
	directories(out, "", files)
	return out
}

// directories is Trees of the files below a directory, whose path ends in a slash.
func directories(out map[string]Hash, prefix string, files []tree.Stored) Hash {
	var entries []entry
	for len(files) > 0 {
		name, _, deeper := strings.Cut(files[0].Path[len(prefix):], "/")
		n := 1
		e := entry{modeFile, name, files[0].Hash}
		if below := prefix + name + "/"; deeper {
			for n < len(files) && strings.HasPrefix(files[n].Path, below) {
				n++
			}
			e = entry{modeDirectory, name, directories(out, below, files[:n])}
		}
		entries, files = append(entries, e), files[n:]
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.key(), b.key()) })
	h := hashOf("tree", encodeTree(entries))
	out[path.Clean(prefix)] = h
	return h
}

// Read gives a file's content. It is fetched where it is not here, and the context of Fetch has not ended; see Need for
// many at once.
func (s *Snapshot) Read(f tree.Stored) ([]byte, error) {
	if err := s.Need(s.ctx, []tree.Stored{f}); err != nil {
		return nil, err
	}
	return s.object(plumbing.BlobObject, Hash(f.Hash))
}

// Need fetches those files' contents that are not here, all at once.
func (s *Snapshot) Need(ctx context.Context, files []tree.Stored) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wire == nil || s.whole {
		return nil
	}
	var missing []Hash
	for _, f := range files {
		if h := Hash(f.Hash); !s.repo.Has(h) {
			missing = append(missing, h)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return s.wire.more(ctx, s, missing)
}

// scratch makes a repository in a temporary directory for what a server sends.
func scratch() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "zave-remote-"); err != nil {
		return "", err
	}
	for _, name := range []string{"objects/pack", "refs"} {
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, name), 0o700)
		}
	}
	for name, content := range map[string]string{
		"HEAD": "ref: refs/heads/main\n", "config": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
	} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)
		}
	}
	if err != nil {
		os.RemoveAll(dir)
	}
	return dir, err
}

// packStore writes a pack and its index to a git directory.
func packStore(dir string, write func(io.Writer) error) error {
	store := filesystem.NewStorage(osfs.New(dir), cache.NewObjectLRU(0))
	w, err := store.PackfileWriter()
	if err != nil {
		return err
	}
	err = write(w)
	if e := w.Close(); err == nil { // it waits for its own reader, after an error too
		err = e
	}
	return err
}

// open reads a commit of a repository here.
func open(ctx context.Context, repo *gitrepo.Repo, at address, commit Hash) (*Snapshot, error) {
	s := &Snapshot{at: at, ctx: ctx, repo: repo}
	head, err := s.commit(commit)
	if err != nil {
		return nil, err
	}
	s.Head = *head
	return s, nil
}

// commit reads a commit.
func (s *Snapshot) commit(h Hash) (*Head, error) {
	data, err := s.object(plumbing.CommitObject, h)
	if err != nil {
		return nil, err
	}
	header, message, _ := strings.Cut(string(data), "\n\n")
	c := &Head{Hash: h, Message: message}
	for line := range strings.Lines(header) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "tree":
			c.Tree, err = parseHash(value)
		case "parent":
			var p Hash
			p, err = parseHash(value)
			c.Parents = append(c.Parents, p)
		case "author":
			c.Author = parsePerson(value)
		case "committer":
			c.Committer = parsePerson(value)
		}
		if err != nil {
			return nil, fail(ErrCorrupt, "'git fsck' says what is wrong with it", "the commit %s is damaged", h)
		}
	}
	return c, nil
}

func parseHash(s string) (Hash, error) {
	if !plumbing.IsHash(s) {
		return Hash{}, fmt.Errorf("%q is not the name of an object", s)
	}
	return Hash(plumbing.NewHash(s)), nil
}

// parsePerson reads "Name <email> 1700000000 +0100". What cannot be read of it stays empty.
func parsePerson(s string) Person {
	name, rest, _ := strings.Cut(s, " <")
	email, at, _ := strings.Cut(rest, "> ")
	p := Person{Name: name, Email: email}
	seconds, zone, _ := strings.Cut(at, " ")
	if n, err := strconv.ParseInt(seconds, 10, 64); err == nil {
		p.When = time.Unix(n, 0).UTC()
		if z, err := time.Parse("-0700", zone); err == nil {
			_, offset := z.Zone()
			p.When = p.When.In(time.FixedZone("", offset))
		}
	}
	return p
}

// walk goes through a commit and those behind it, as far as they are here and that many at most, until f gives false.
func (s *Snapshot) walk(from Hash, most int, f func(Hash) bool) error {
	seen, queue := map[Hash]bool{from: true}, []Hash{from}
	for n := 0; n < most && len(queue) > 0; n++ {
		h := queue[0]
		queue = queue[1:]
		if !f(h) {
			return nil
		}
		if !s.has(h) { // it is behind the end of what was fetched
			continue
		}
		c, err := s.commit(h)
		if err != nil {
			return err
		}
		for _, p := range c.Parents {
			if !seen[p] {
				seen[p] = true
				queue = append(queue, p)
			}
		}
	}
	return nil
}

func (s *Snapshot) has(h Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.repo.Has(h)
}

// History is what a branch has been, as far as it was read.
type History struct {
	Commits []*Head // the latest first, by first parents
	Whole   bool    // the last of them is the branch's first
	past    *Snapshot
}

// History reads the latest commits of the branch, from this one. Close it.
func (s *Snapshot) History(ctx context.Context) (*History, error) {
	const depth = 100
	past, err := s.deeper(ctx, depth)
	if err != nil {
		return nil, err
	}
	h := &History{Commits: []*Head{&past.Head}, past: past}
	for at := &past.Head; len(h.Commits) < depth; h.Commits = append(h.Commits, at) {
		if h.Whole = len(at.Parents) == 0; h.Whole || !past.has(at.Parents[0]) {
			break
		}
		if at, err = past.commit(at.Parents[0]); err != nil {
			return nil, errors.Join(err, past.Close())
		}
	}
	return h, nil
}

// Find gives the name of what is at a path in one of the commits; zero where there is nothing.
func (h *History) Find(commit *Head, name string) (Hash, error) {
	e, _, err := h.past.find(commit.Tree, name)
	return e.hash, err
}

// Close removes what was fetched.
func (h *History) Close() error { return h.past.Close() }

// deeper reads the same commit again, with those behind it.
func (s *Snapshot) deeper(ctx context.Context, depth int) (*Snapshot, error) {
	if s.wire == nil {
		repo, err := gitrepo.Open(s.repo.CommonDir(), gitrepo.Options{Environ: []string{"GIT_DIR=" + s.repo.CommonDir()}})
		if err != nil {
			return nil, err
		}
		return open(ctx, repo, s.at, s.Hash)
	}
	past, err := s.wire.fetch(ctx, s.branch, depth)
	if err != nil {
		return nil, err
	}
	if past.Hash != s.Hash {
		return nil, errors.Join(raced(s.at, s.branch), past.Close())
	}
	return past, nil
}

// LastChange finds, for each of the paths, the commit that made it what it is, among the latest ones of the branch: where
// nothing is there, the one that removed it. A path that none of them changed is not in the result.
func (s *Snapshot) LastChange(ctx context.Context, paths []string) (map[string]*Head, error) {
	const depth = 100
	past := s
	if s.wire != nil {
		var err error
		if past, err = s.wire.fetch(ctx, s.branch, depth); err != nil {
			return nil, err
		}
		defer past.Close()
		if past.Hash != s.Hash {
			return nil, raced(s.at, s.branch)
		}
	}
	out := map[string]*Head{}
	for _, p := range paths {
		c, err := past.lastChange(p, depth)
		if err != nil {
			return nil, err
		}
		if c != nil {
			out[p] = c
		}
	}
	return out, nil
}

// lastChange follows the parent that has the path as it is, as git log does (git-log(1), History Simplification).
func (s *Snapshot) lastChange(name string, depth int) (*Head, error) {
	at := &s.Head
	want, _, err := s.find(at.Tree, name)
	if err != nil {
		return nil, err
	}
	for range depth {
		var next *Head
		for _, p := range at.Parents {
			if !s.has(p) {
				return nil, nil
			}
			parent, err := s.commit(p)
			if err != nil {
				return nil, err
			}
			e, _, err := s.find(parent.Tree, name)
			if err != nil {
				return nil, err
			}
			if e == want {
				next = parent
				break
			}
		}
		switch {
		case next == nil && len(at.Parents) == 0 && want == (entry{}): // it was never there
			return nil, nil
		case next == nil:
			return at, nil
		}
		at = next
	}
	return nil, nil
}
