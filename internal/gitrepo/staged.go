package gitrepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Staging is the index as it was read: what the next commit would hold.
type Staging struct {
	repo *Repo
	x    *index
}

// Staging reads the index.
func (r *Repo) Staging() (*Staging, error) {
	x, err := readIndex(r.indexFile)
	if err != nil {
		return nil, err
	}
	return &Staging{r, x}, nil
}

// FS gives what is staged below a directory, slash-separated, "." for all. Of a file in conflict it is our side, and a
// file that is only to be added is not there.
func (s *Staging) FS(dir string) *FS {
	return &FS{repo: s.repo, prefix: path.Clean(dir), src: indexLister{s.x}}
}

// Below gives the entries below a directory, sorted by path and stage. The slice is the staging's own: read it only.
func (s *Staging) Below(dir string) []Entry { return s.x.below(path.Clean(dir)) }

// Unmerged gives the paths that are in conflict, sorted.
func (s *Staging) Unmerged() []string {
	var out []string
	for _, e := range s.x.entries {
		if e.Stage != 0 && (len(out) == 0 || out[len(out)-1] != e.Path) {
			out = append(out, e.Path)
		}
	}
	return out
}

// IntentToAdd gives the paths of 'git add -N', which no commit takes, sorted.
func (s *Staging) IntentToAdd() []string {
	var out []string
	for _, e := range s.x.entries {
		if e.IntentToAdd {
			out = append(out, e.Path)
		}
	}
	return out
}

// Status says what is staged of a file.
type Status uint8

// The kinds of changes.
const (
	Added Status = iota + 1
	Modified
	Deleted
	Renamed // and perhaps modified
)

// Change is one staged file that differs from HEAD.
type Change struct {
	Path   string
	From   string // of Renamed: where it was
	Status Status
	Mode   Mode // as staged; of Deleted: as it was
	Hash   Hash // as staged; of Deleted: zero
	Old    Hash // as it was; of Added: zero
}

// Changes gives what is staged and not in HEAD, sorted by path. Files in conflict and those of 'git add -N' are left
// out.
func (s *Staging) Changes() ([]Change, error) {
	head, err := s.repo.Head()
	if err != nil {
		return nil, err
	}
	var tree *Hash
	if head != nil {
		tree = &head.Tree
	}
	out, err := s.differ(".", tree, s.x.entries)
	if err != nil {
		return nil, err
	}
	if err := s.renames(out); err != nil {
		return nil, err
	}
	out = slices.DeleteFunc(out, func(c Change) bool { return c.Status == 0 })
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// Own leaves out of changes what a merge in progress brings in: a file that is as one of the merged commits has it is
// not written by anybody now.
func (s *Staging) Own(changes []Change) ([]Change, error) {
	merged, err := s.repo.Merging()
	if err != nil {
		return nil, err
	}
	out := slices.Clone(changes)
	for _, c := range merged {
		files := s.repo.FS(c, ".")
		out = slices.DeleteFunc(out, func(change Change) bool {
			_, n, e := files.lookup(change.Path, false)
			if e != nil && !errors.Is(e, fs.ErrNotExist) && !errors.Is(e, errSubmodule) {
				err = e
			}
			return e == nil && change.Status != Deleted && n.hash == change.Hash && n.mode == change.Mode
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// differ compares a directory's entries with a tree; of nil, there is none.
func (s *Staging) differ(dir string, tree *Hash, entries []Entry) ([]Change, error) {
	var was []node
	if tree != nil {
		if h, ok := s.x.tree.at(dir); ok && h == *tree {
			return nil, nil
		}
		var err error
		if was, err = s.repo.tree(*tree); err != nil {
			return nil, err
		}
	}
	old := map[string]node{}
	for _, n := range was {
		old[n.name] = n
	}
	var out []Change
	skip := len(dir) + 1
	if dir == "." {
		skip = 0
	}
	for i := 0; i < len(entries); {
		e := entries[i]
		name, _, below := strings.Cut(e.Path[skip:], "/")
		n, had := old[name]
		if below {
			to := i + 1
			for to < len(entries) && strings.HasPrefix(entries[to].Path[skip:], name+"/") {
				to++
			}
			var sub *Hash
			if had && n.mode == Directory {
				sub = &n.hash
				delete(old, name)
			}
			more, err := s.differ(path.Join(dir, name), sub, entries[i:to])
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
			i = to
			continue
		}
		i++
		switch {
		case e.Stage != 0:
			delete(old, name)
		case e.IntentToAdd:
		case had && n.mode != Directory:
			delete(old, name)
			if n.hash != e.Hash || n.mode != e.Mode {
				out = append(out, Change{Path: e.Path, Status: Modified, Mode: e.Mode, Hash: e.Hash, Old: n.hash})
			}
		default:
			out = append(out, Change{Path: e.Path, Status: Added, Mode: e.Mode, Hash: e.Hash})
		}
	}
	for _, n := range was { // in the tree's order
		if _, gone := old[n.name]; !gone {
			continue
		}
		more, err := s.gone(path.Join(dir, n.name), n)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// gone lists what a commit has and the index has not.
func (s *Staging) gone(at string, n node) ([]Change, error) {
	if n.mode != Directory {
		return []Change{{Path: at, Status: Deleted, Mode: n.mode, Old: n.hash}}, nil
	}
	below, err := s.repo.tree(n.hash)
	if err != nil {
		return nil, err
	}
	var out []Change
	for _, b := range below {
		more, err := s.gone(path.Join(at, b.name), b)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// Bounds of the search for files that were renamed and edited.
const (
	maxRenamePairs = 4096
	maxRenameSize  = 1 << 20
)

// renames finds the added files that were deleted elsewhere: with the same content, or else with half of the lines the
// same. What was deleted is marked by the status zero.
func (s *Staging) renames(changes []Change) error {
	gone := map[Hash][]int{}
	var added, deleted []int
	for i, c := range changes {
		switch {
		case c.Mode != Regular && c.Mode != Executable:
		case c.Status == Deleted:
			gone[c.Old] = append(gone[c.Old], i)
			deleted = append(deleted, i)
		case c.Status == Added:
			added = append(added, i)
		}
	}
	join := func(to, from int) {
		changes[to].Status, changes[to].From, changes[to].Old = Renamed, changes[from].Path, changes[from].Old
		changes[from].Status = 0
	}
	for _, i := range added {
		if from := gone[changes[i].Hash]; len(from) > 0 {
			gone[changes[i].Hash] = from[1:]
			join(i, from[0])
		}
	}
	added = slices.DeleteFunc(added, func(i int) bool { return changes[i].Status != Added })
	deleted = slices.DeleteFunc(deleted, func(i int) bool { return changes[i].Status != Deleted })
	if len(added)*len(deleted) > maxRenamePairs || len(added)*len(deleted) == 0 {
		return nil
	}
	lines := map[int]map[string]int{}
	for _, i := range slices.Concat(added, deleted) {
		h := changes[i].Hash
		if changes[i].Status == Deleted {
			h = changes[i].Old
		}
		data, err := s.repo.Blob(h)
		if err != nil {
			return err
		}
		set := map[string]int{}
		if len(data) <= maxRenameSize {
			for line := range strings.Lines(string(data)) {
				set[line] += len(line)
			}
		}
		lines[i] = set
	}
	for _, i := range added {
		best, at := 0.5, -1
		for _, j := range deleted {
			if score := similarity(lines[i], lines[j]); changes[j].Status == Deleted && score >= best {
				best, at = score, j
			}
		}
		if at >= 0 {
			join(i, at)
		}
	}
	return nil
}

// similarity is how much of the larger text the other one has too, from 0 to 1.
func similarity(a, b map[string]int) float64 {
	var sizeA, sizeB, both int
	for line, n := range a {
		sizeA += n
		both += min(n, b[line])
	}
	for _, n := range b {
		sizeB += n
	}
	if sizeA == 0 || sizeB == 0 {
		return 0
	}
	return float64(both) / float64(max(sizeA, sizeB))
}

// Merging gives the commits that a merge in progress brings in.
func (r *Repo) Merging() ([]*Commit, error) {
	heads := slices.Clone(r.merging)
	data, err := os.ReadFile(filepath.Join(r.gitDir, "MERGE_HEAD"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		h, err := parseHash(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("read MERGE_HEAD: %w", err)
		}
		if !slices.Contains(heads, h) {
			heads = append(heads, h)
		}
	}
	var out []*Commit
	for _, h := range heads {
		c, err := r.Commit(h)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Sources gives the commits that what is staged may come from, beside HEAD: of a merge, those that it brings in; of a
// cherry-pick and a rebase, the one that is applied; of a revert, the one before it.
func (r *Repo) Sources() ([]*Commit, error) {
	out, err := r.Merging()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"CHERRY_PICK_HEAD", "REBASE_HEAD", "REVERT_HEAD"} {
		h, _, ok, err := r.follow(name)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		c, err := r.Commit(h)
		if err == nil && name == "REVERT_HEAD" && len(c.Parents) > 0 {
			c, err = r.Commit(c.Parents[0])
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Operation names what git is in the middle of: "merge", "rebase", "cherry-pick" or "revert"; empty: nothing.
func (r *Repo) Operation() string {
	if len(r.merging) > 0 {
		return "merge"
	}
	for _, o := range []struct{ file, name string }{
		{"MERGE_HEAD", "merge"}, {"rebase-merge", "rebase"}, {"rebase-apply", "rebase"},
		{"CHERRY_PICK_HEAD", "cherry-pick"}, {"REVERT_HEAD", "revert"},
	} {
		if _, err := os.Lstat(filepath.Join(r.gitDir, o.file)); err == nil {
			return o.name
		}
	}
	return ""
}

// Read gives the content of a staged file, from the work tree where that is the same.
func (s *Staging) Read(name string, h Hash) ([]byte, error) {
	if data, ok := s.repo.fromWorkTree(name, h); ok {
		return data, nil
	}
	return s.repo.Blob(h)
}
