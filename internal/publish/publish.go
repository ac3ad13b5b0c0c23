// Package publish decides what a compiled tree and the head of a branch make of each other: which files a commit writes
// and removes, what stops it, and what stays of a publication whose specs this one does not know.
//
// Invariants: a file is written over or removed only if the head's index lists it with the digest that it has, or if it
// is as the tree has it; what the head's index does not list is never touched; of a tenant all is of one publication.
package publish

import (
	"path"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/internal/tree"
)

// Side is a tree that stands in a commit.
type Side struct {
	Files []tree.Stored // sorted by path: its index, and what stands where the tree's files may
	Index tree.Index    // what it lists; needed by Merge alone
	Read  func(tree.Stored) ([]byte, error)
}

// Compiled is a tree to publish.
type Compiled struct {
	Tree      *tree.Tree
	generator string
	all       []tree.Stored // with the index
}

// Compile takes a tree, as the work of a generator: "zave 1.2.0".
func Compile(t *tree.Tree, generator string) *Compiled {
	c := &Compiled{Tree: t, generator: generator}
	for _, f := range slices.Concat(t.Index(generator).Split(), t.Files()) {
		c.all = append(c.all, tree.Stored{Path: f.Path, Hash: tree.Blob(f.Data), Regular: true})
	}
	slices.SortFunc(c.all, byPath)
	return c
}

// Files counts the files of the tree and its index.
func (c *Compiled) Files() int { return len(c.all) }

// Tops are the directories at the top of a repository that a tree and its index may have files in.
func Tops() []string {
	return []string{path.Dir(tree.IndexPath), "clusters", "databases", "platform", "tenants"}
}

// Plan is what a commit of the tree does, and what stops it.
type Plan struct {
	Write   []tree.File // sorted by path, the index among them
	Remove  []string
	Missing int // how many of Write are new

	HandEdited []tree.Entry // ours, with other bytes than the index lists
	Foreign    []string     // not ours, and in the way
}

// Blocked tells whether the plan is to be carried out only by force.
func (p *Plan) Blocked() bool { return len(p.HandEdited)+len(p.Foreign) > 0 }

// Against compares the tree with the head of a branch. Only the tenants that differ, and what is shared, are looked at
// in more than name. By force, what stops the plan is done as well, where a commit can do it.
func (c *Compiled) Against(head Side, force bool) (*Plan, error) {
	changed := groups(c.all, head.Files)
	meant := func(p string) bool {
		_, tenant := layout.Owner(p)
		return tenant == "" || changed[tenant+"/"]
	}
	var files []tree.File
	for _, f := range c.Tree.Files() {
		if meant(f.Path) {
			files = append(files, f)
		}
	}
	part, err := tree.New(files)
	if err != nil {
		return nil, err
	}
	stored := slices.DeleteFunc(slices.Clone(head.Files), func(f tree.Stored) bool { return !meant(f.Path) })
	d, write, err := tree.CompareStored(part, c.generator, stored, head.Read)
	if err != nil {
		return nil, err
	}
	p := &Plan{Write: write, Remove: d.Stale, Missing: len(d.Missing), HandEdited: d.HandEdited, Foreign: d.Foreign}
	if force {
		p.overwrite(part)
	}
	return p, nil
}

// overwrite does what stops the plan. A directory that is in the way stays so: a commit does not remove what is of
// others without naming it.
func (p *Plan) overwrite(t *tree.Tree) {
	for _, e := range p.HandEdited {
		if f, ok := find(t.Files(), e.Path); ok {
			p.Write = append(p.Write, f)
		} else {
			p.Remove = append(p.Remove, e.Path)
		}
	}
	for _, name := range p.Foreign {
		if f, ok := find(t.Files(), name); ok {
			p.Write = append(p.Write, f)
		} else {
			p.Remove = append(p.Remove, name) // a file where a directory has to be
		}
	}
	slices.SortFunc(p.Write, func(a, b tree.File) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(p.Remove)
}

// Merged is a tree of which some was left to another publication.
type Merged struct {
	*Compiled
	Kept []string // what only the other one has changed: tenants, and shared files; sorted
	Lost []string // what both have changed, and the other one's is the newer
	// HandEdited are files of what was to be kept that somebody has edited since.
	HandEdited []tree.Entry
}

// Merge decides between the tree and another publication, which was made of specs that this one does not know, by what
// both have come from. A tenant, and a shared file, is of the one that changed it, and of the newer one where both did.
// The lists of what a directory holds are made anew.
func (c *Compiled) Merge(base, other Side, newer bool) (*Merged, error) {
	was, is := base.owned(), other.owned()
	own := slices.DeleteFunc(slices.Clone(c.all), func(f tree.Stored) bool { return tree.IsIndex(f.Path) })
	ours, theirs := groups(was, own), groups(was, is)
	m := &Merged{}
	keep := map[string]bool{}
	for g := range groups(own, is) {
		if !theirs[g] || path.Base(g) == layout.Kustomization {
			continue
		}
		switch {
		case !ours[g]:
			keep[g] = true
			m.Kept = append(m.Kept, strings.TrimSuffix(g, "/"))
		case !newer:
			keep[g] = true
			m.Lost = append(m.Lost, strings.TrimSuffix(g, "/"))
		}
	}
	slices.Sort(m.Kept)
	slices.Sort(m.Lost)
	if len(keep) == 0 {
		m.Compiled = c
		return m, nil
	}
	var files []tree.File
	for _, f := range c.Tree.Files() {
		if !keep[group(f.Path)] {
			files = append(files, f)
		}
	}
	for _, s := range is {
		if !keep[group(s.Path)] {
			continue
		}
		e, _ := other.Index.Find(s.Path)
		data, err := other.Read(s)
		if err != nil {
			return nil, err
		}
		if !s.Regular || !e.Lists(data) {
			m.HandEdited = append(m.HandEdited, e)
		}
		files = append(files, tree.File{Path: s.Path, Data: data, Unit: e.Unit, Part: e.Part})
	}
	all, err := tree.New(files)
	if err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(files))
	for _, f := range all.Files() {
		paths = append(paths, f.Path)
	}
	listed, err := layout.Complete(all, paths)
	if err != nil {
		return nil, err
	}
	files = slices.Clone(listed.Files())
	for i, f := range files { // lists that were made anew are of the unit that they were of
		if f.Unit != "" {
			continue
		}
		if e, ok := find(c.Tree.Files(), f.Path); ok {
			files[i].Unit = e.Unit
		} else if e, ok := other.Index.Find(f.Path); ok {
			files[i].Unit = e.Unit
		}
	}
	if all, err = tree.New(files); err != nil {
		return nil, err
	}
	m.Compiled = Compile(all, c.generator)
	return m, nil
}

// owned are the files that the index lists and that are there.
func (s Side) owned() []tree.Stored {
	var out []tree.Stored
	for _, f := range s.Files {
		if _, ok := s.Index.Find(f.Path); ok {
			out = append(out, f)
		}
	}
	return out
}

// group is what a file is decided with: all that is of its tenant, on every cluster, which ends in a slash; or itself.
func group(p string) string {
	if _, tenant := layout.Owner(p); tenant != "" {
		return tenant + "/"
	}
	return p
}

// groups gives those that are not the same in two sorted lists.
func groups(a, b []tree.Stored) map[string]bool {
	out := map[string]bool{}
	for len(a)+len(b) > 0 {
		order := 0
		switch {
		case len(a) == 0:
			order = 1
		case len(b) == 0:
			order = -1
		default:
			order = byPath(a[0], b[0])
		}
		if order != 0 || a[0] != b[0] {
			if order > 0 {
				out[group(b[0].Path)] = true
			} else {
				out[group(a[0].Path)] = true
			}
		}
		if order <= 0 {
			a = a[1:]
		}
		if order >= 0 {
			b = b[1:]
		}
	}
	return out
}

func byPath(a, b tree.Stored) int { return strings.Compare(a.Path, b.Path) }

func find(files []tree.File, p string) (tree.File, bool) {
	i, ok := slices.BinarySearchFunc(files, p, func(f tree.File, p string) int { return strings.Compare(f.Path, p) })
	if !ok {
		return tree.File{}, false
	}
	return files[i], true
}
