package remote

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/gitrepo"
)

// ErrInTheWay is that a file is to be where a directory stays, or the other way round.
var ErrInTheWay = errors.New("a file and a directory of the same name")

// File is a file to write. One that is there keeps whether it is executable; what else is there becomes a file.
type File struct {
	Path string // from the top of the repository, slash-separated
	Data []byte // not to be changed until the commit is pushed
}

// Change is what a commit does.
type Change struct {
	Write  []File   // each path once
	Remove []string // files; what is not there is no error, and a directory that this empties goes too

	Onto      []Hash // parents before the base: the branch that the commit merges the base into
	Behind    []Hash // commits that the base is known to come from: a branch may be moved on from there as well
	Author    Person
	Committer Person
	Message   string // as git cleans it up: without trailing space, with a line feed at the end
	Sign      Signer // nil: it is not signed
}

// Commit is a new commit in memory, with the objects that its base does not have.
type Commit struct {
	Hash Hash
	Tree Hash
	// Changed are the paths that differ from the base, sorted: of Write and Remove those that do something.
	Changed []string

	objects []object
	from    []Hash // commits that it comes from, as far as that was said
}

// NewCommit makes a commit on a base; nil: the first one of a repository. Only directories that have a change are read.
//
// Whether there is anything to commit, Changed tells: it is the caller's to leave a commit that changes nothing.
func NewCommit(base *Snapshot, c Change) (*Commit, error) {
	edits := make([]edit, 0, len(c.Write)+len(c.Remove))
	for i := range c.Write {
		edits = append(edits, edit{path: c.Write[i].Path, file: &c.Write[i]})
	}
	for _, p := range c.Remove {
		edits = append(edits, edit{path: p})
	}
	slices.SortFunc(edits, func(a, b edit) int { return strings.Compare(a.path, b.path) })
	for i, e := range edits {
		if err := checkPath(e.path); err != nil {
			return nil, err
		}
		if i > 0 && edits[i-1].path == e.path {
			return nil, fmt.Errorf("%s is in one commit twice", diag.Visible(e.path))
		}
	}
	b := &builder{base: base, commit: &Commit{}}
	var root Hash
	var parents []Hash
	if base != nil {
		root, parents = base.Tree, append(slices.Clone(c.Onto), base.Hash)
	}
	top, err := b.directory("", root, edits)
	if err != nil {
		return nil, err
	}
	if top.IsZero() { // git has a tree for a repository without files
		if top = hashOf("tree", nil); top != root {
			b.add(object{kind: plumbing.TreeObject, hash: top})
		}
	}
	out := b.commit
	out.Tree, out.from = top, slices.Concat(parents, c.Behind)
	slices.Sort(out.Changed)
	data, err := encodeCommit(top, parents, c)
	if err != nil {
		return nil, err
	}
	out.Hash = hashOf("commit", data)
	b.add(object{kind: plumbing.CommitObject, hash: out.Hash, data: data})
	return out, nil
}

// checkPath refuses what is no path of a file in a repository, and what some file system would take for a git directory
// (git-fsck(1), hasDotgit).
func checkPath(p string) error {
	bad := p == "" || strings.ContainsAny(p, "\x00\\")
	for part := range strings.SplitSeq(p, "/") {
		bad = bad || part == "" || part == "." || part == ".." || isDotGit(part)
	}
	if bad {
		return fail(ErrAddress, "", "%q cannot be the path of a file in a repository", p)
	}
	return nil
}

func isDotGit(name string) bool {
	// HFS+ leaves these characters out when it compares names; NTFS leaves trailing dots and spaces out, and what
	// follows a colon, and knows .git as GIT~1 too.
	name = strings.Map(func(r rune) rune {
		if r >= 0x200c && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x206a && r <= 0x206f || r == 0xfeff {
			return -1
		}
		return r
	}, name)
	name, _, _ = strings.Cut(name, ":")
	name = strings.TrimRight(name, ". ")
	return strings.EqualFold(name, ".git") || strings.EqualFold(name, "git~1")
}

// edit is a file to write, or to remove.
type edit struct {
	path string
	file *File // nil: to remove
}

type builder struct {
	base   *Snapshot
	commit *Commit
	seen   map[Hash]bool
}

func (b *builder) add(o object) {
	if b.seen == nil {
		b.seen = map[Hash]bool{}
	}
	if !b.seen[o.hash] {
		b.seen[o.hash] = true
		b.commit.objects = append(b.commit.objects, o)
	}
}

// directory applies edits, which are sorted and all below a directory, to its tree; zero: there is none. It gives the
// new tree, zero where nothing is left in it.
func (b *builder) directory(dir string, old Hash, edits []edit) (Hash, error) {
	var content []byte
	var entries []entry
	if !old.IsZero() {
		var err error
		if content, entries, err = b.base.tree(old); err != nil {
			return Hash{}, err
		}
	}
	have := make(map[string]int, len(entries))
	for i, e := range entries {
		have[e.name] = i
	}
	gone := make([]bool, len(entries))
	var added []entry
	for _, group := range groups(dir, edits) {
		e := entry{}
		at, found := have[group.name]
		if found {
			e = entries[at]
		}
		after, err := b.name(path.Join(dir, group.name), e, group)
		if err != nil {
			return Hash{}, err
		}
		switch {
		case after.mode == "":
			if found {
				gone[at] = true
			}
		case found:
			after.name = e.name
			entries[at] = after
		default:
			after.name = group.name
			added = append(added, after)
		}
	}
	kept := make([]entry, 0, len(entries)+len(added))
	for i, e := range entries {
		if !gone[i] {
			kept = append(kept, e)
		}
	}
	kept = append(kept, added...)
	if len(kept) == 0 {
		return Hash{}, nil
	}
	slices.SortFunc(kept, func(a, b entry) int { return cmp.Compare(a.key(), b.key()) })
	data := encodeTree(kept)
	h := hashOf("tree", data)
	if h != old {
		o := object{kind: plumbing.TreeObject, hash: h, data: data}
		if len(content) > 1000 { // less is not worth the trouble
			o.base, o.from = old, content
		}
		b.add(o)
	}
	return h, nil
}

// key is what entries are sorted by: a directory as though its name ended in a slash.
func (e entry) key() string {
	if e.isDir() {
		return e.name + "/"
	}
	return e.name
}

func encodeTree(entries []entry) []byte {
	size := 0
	for _, e := range entries {
		size += len(e.mode) + 1 + len(e.name) + 1 + len(e.hash)
	}
	data := make([]byte, 0, size)
	for _, e := range entries {
		data = append(data, e.mode...)
		data = append(data, ' ')
		data = append(data, e.name...)
		data = append(data, 0)
		data = append(data, e.hash[:]...)
	}
	return data
}

// group is what is done at one name of a directory.
type group struct {
	name  string
	own   *edit  // of the file of that name; nil: none
	below []edit // of files in the directory of that name
}

// groups puts edits together by the next part of their path. They are sorted by path, and so may have others between
// those of a name: "a", "a-b", "a/b".
func groups(dir string, edits []edit) []group {
	var out []group
	index := map[string]int{}
	for i := range edits {
		rest := edits[i].path
		if dir != "" {
			rest = rest[len(dir)+1:]
		}
		name, _, deeper := strings.Cut(rest, "/")
		at, ok := index[name]
		if !ok {
			at = len(out)
			index[name] = at
			out = append(out, group{name: name})
		}
		if deeper {
			out[at].below = append(out[at].below, edits[i])
		} else {
			out[at].own = &edits[i]
		}
	}
	return out
}

// name applies what is done at one name to what is there, and gives what is there afterwards; the empty mode: nothing.
func (b *builder) name(at string, e entry, g group) (entry, error) {
	var dir Hash // the tree that is there, and then the one that is to be
	isFile := e.mode != "" && !e.isDir()
	if e.isDir() {
		dir = e.hash
	}
	after := e
	writesBelow := slices.ContainsFunc(g.below, func(e edit) bool { return e.file != nil })
	if g.own != nil && g.own.file == nil && isFile {
		b.changed(at)
		isFile, after = false, entry{}
	}
	if len(g.below) > 0 && (!isFile || writesBelow) {
		if isFile {
			return e, inTheWay(at)
		}
		h, err := b.directory(at, dir, g.below)
		if err != nil {
			return e, err
		}
		after = entry{}
		if dir = h; !h.IsZero() {
			after = entry{mode: modeDirectory, hash: h}
		}
	}
	if g.own == nil || g.own.file == nil {
		return after, nil
	}
	if after.isDir() {
		return e, inTheWay(at)
	}
	next := entry{mode: modeFile, hash: gitrepo.BlobHash(g.own.file.Data)}
	if isFile && e.isRegular() {
		next.mode = e.mode
	}
	if next.mode != e.mode || next.hash != e.hash {
		b.changed(at)
	}
	if next.hash != e.hash {
		b.add(object{kind: plumbing.BlobObject, hash: next.hash, data: g.own.file.Data})
	}
	return next, nil
}

func (b *builder) changed(at string) { b.commit.Changed = append(b.commit.Changed, at) }

func inTheWay(at string) error {
	return fail(ErrInTheWay, "remove or rename it in the repository first",
		"%s would have to be a file and a directory at once", diag.Visible(at))
}

// encodeCommit writes a commit (Pro Git, "Git Internals: Git Objects"), with its signature as gitformat-signature(5)
// has it.
func encodeCommit(tree Hash, parents []Hash, c Change) ([]byte, error) {
	var head strings.Builder
	fmt.Fprintf(&head, "tree %s\n", tree)
	for _, p := range parents {
		fmt.Fprintf(&head, "parent %s\n", p)
	}
	fmt.Fprintf(&head, "author %s\ncommitter %s\n", c.Author, c.Committer)
	if strings.ContainsRune(c.Message, 0) || strings.TrimSpace(c.Message) == "" {
		return nil, errors.New("a commit needs a message, without null bytes")
	}
	body := "\n" + c.Message
	if c.Sign == nil {
		return []byte(head.String() + body), nil
	}
	signature, err := c.Sign.Sign([]byte(head.String() + body))
	if err != nil {
		return nil, err
	}
	indented := strings.ReplaceAll(strings.TrimRight(signature, "\n"), "\n", "\n ")
	return []byte(head.String() + "gpgsig " + indented + "\n" + body), nil
}

// String is the person as a commit has it. What would end a field early is left out, as git leaves it out.
func (p Person) String() string {
	clean := func(s string) string {
		s = strings.Map(func(r rune) rune {
			if r < ' ' || r == '<' || r == '>' {
				return -1
			}
			return r
		}, s)
		return strings.Trim(s, " .,:;\"'\\")
	}
	return fmt.Sprintf("%s <%s> %d %s", clean(p.Name), clean(p.Email), p.When.Unix(), p.When.Format("-0700"))
}
