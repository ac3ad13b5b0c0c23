// Package publish decides what a compiled tree and the head of a branch make of each other: which files a commit writes
// and removes, what stops it, and what stays of a publication whose specs this one does not know.
//
// Tenants that are settled, whose files at the head are known to be those of the tree, may be left out on both sides, so
// that it costs what differs.
//
// Invariants: a file is written over or removed only if the head's index lists it with the digest that it has, or if it
// is as the tree has it; what the head's index does not list is never touched; of a tenant all is of one publication.
package publish

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/internal/tree"
)

// Side is a tree that stands in a commit.
type Side struct {
	Files []tree.Stored // sorted by path: its index, and what stands where the tree's files may; not what is settled
	Index tree.Index    // what it lists, likewise
	Read  func(tree.Stored) ([]byte, error)
}

// Compiled is a tree to publish.
type Compiled struct {
	tree      *tree.Tree
	generator string
	settled   []string
	all       []tree.Stored // with the index
}

// Compile takes a tree, as the work of a generator: "zave 1.2.0". The files of settled tenants are not in it, and what
// lists tenants is made to name these as well: settled are their paths, without those of the index, of a directory as a
// whole one that ends in a slash.
func Compile(t *tree.Tree, generator string, settled []string) (*Compiled, error) {
	c := &Compiled{tree: t, generator: generator, settled: settled}
	if len(settled) > 0 {
		var err error
		if c.tree, err = layout.Complete(t, settled); err != nil {
			return nil, err
		}
	}
	c.all = Stored(c.tree, generator)
	return c, nil
}

// Stored lists the files of a tree and its index as a commit has them, sorted by path.
func Stored(t *tree.Tree, generator string) []tree.Stored {
	var out []tree.Stored
	for _, f := range slices.Concat(t.Index(generator).Split(), t.Files()) {
		out = append(out, tree.Stored{Path: f.Path, Hash: tree.Blob(f.Data), Regular: true})
	}
	slices.SortFunc(out, byPath)
	return out
}

// Select gives the files of the tree that are meant, without its index.
func (c *Compiled) Select(meant func(path string) bool) []tree.File {
	return slices.DeleteFunc(slices.Clone(c.tree.Files()), func(f tree.File) bool { return !meant(f.Path) })
}

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
	Deleted    []tree.Entry // ours, and in the tree, but not there any more
	Foreign    []string     // not ours, and in the way
}

// Blocked tells whether the plan is to be carried out only by force.
func (p *Plan) Blocked() bool { return len(p.HandEdited)+len(p.Deleted)+len(p.Foreign) > 0 }

// Against compares the tree with the head of a branch. Only the tenants that differ, and what is shared, are looked at
// in more than name. By force, what stops the plan is done as well, where a commit can do it.
func (c *Compiled) Against(head Side, force bool) (*Plan, error) {
	changed := groups(c.all, head.Files)
	meant := func(p string) bool {
		_, tenant := layout.Owner(p)
		return tenant == "" || changed[tenant+"/"]
	}
	var files []tree.File
	for _, f := range c.tree.Files() {
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
	for _, name := range d.Missing {
		if e, ok := head.Index.Find(name); ok {
			p.Deleted = append(p.Deleted, e)
		}
	}
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

// Differing gives what is not the same in the tree and in another publication, sorted: tenants, and shared files. Each is
// decided as a whole. The lists of what a directory holds are not among them: they follow from the rest.
func (c *Compiled) Differing(other Side) []string {
	own := slices.DeleteFunc(slices.Clone(c.all), func(f tree.Stored) bool { return tree.IsIndex(f.Path) })
	differ := groups(own, other.owned())
	maps.DeleteFunc(differ, func(g string, _ bool) bool { return path.Base(g) == layout.Kustomization })
	return slices.Sorted(maps.Keys(differ))
}

// Marks are the paths whose bytes tell whether a part is the same in two publications: of a tenant, those of its index.
func (c *Compiled) Marks(group string, other Side) []string {
	tenant, ok := strings.CutSuffix(group, "/")
	if !ok {
		return []string{group}
	}
	var out []string
	for _, files := range [][]tree.Stored{c.all, other.Files} {
		for _, f := range files {
			if tree.IsIndex(f.Path) && path.Base(f.Path) == tenant+".json" {
				out = append(out, f.Path)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Hash gives the name of a file's bytes; zero where there is no such file.
func (c *Compiled) Hash(name string) [20]byte {
	i, ok := slices.BinarySearchFunc(c.all, name, byName)
	if !ok {
		return [20]byte{}
	}
	return c.all[i].Hash
}

// Relation is what the specs of a publication are to those of the tree.
type Relation int

// The relations.
const (
	Ancestor   Relation = iota // the tree's specs come from them, or are the same; or nobody published
	Later                      // neither, and they were committed later
	Earlier                    // neither, and they were committed earlier, or at the same time
	Descendant                 // they come from the tree's specs
)

// Past is what one publication has of a part.
type Past struct {
	Relation Relation
	Same     bool // as the publication before it has it
	Ours     bool // as the tree has it
}

// Keeps tells whether a part stays as the head of a branch has it, by the publications, the latest first. Whoever changed
// it last decides: the tree, where its specs come from theirs; they, where theirs come from the tree's. Where neither is
// so, it stays unless the tree has changed it as well, since the latest publication that its specs come from; then it is
// of the specs that were committed later.
func Keeps(history []Past) bool {
	last, unrelated := Ancestor, false
	for _, p := range history {
		switch {
		case p.Same:
			continue
		case unrelated && p.Relation == Ancestor:
			return p.Ours || last == Later
		case p.Relation == Ancestor:
			return false
		case !unrelated && p.Relation == Descendant:
			return true
		case !unrelated:
			last, unrelated = p.Relation, true
		}
	}
	return unrelated && last == Later
}

// Merge leaves parts of another publication as they are there. The lists of what a directory holds are made anew. The
// plan is blocked by files of these parts that somebody has edited or deleted since, and does nothing: nothing can be said
// of what they are to be.
func (c *Compiled) Merge(other Side, keep map[string]bool) (*Compiled, *Plan, error) {
	plan := &Plan{}
	for _, e := range other.Index.Files {
		if _, ok := slices.BinarySearchFunc(other.Files, e.Path, byName); !ok && keep[group(e.Path)] {
			plan.Deleted = append(plan.Deleted, e)
		}
	}
	var files []tree.File
	for _, f := range c.tree.Files() {
		_, tenant := layout.Owner(f.Path)
		if list := tenant == "" && path.Base(f.Path) == layout.Kustomization; !list && !keep[group(f.Path)] {
			files = append(files, f)
		}
	}
	for _, s := range other.owned() {
		if !keep[group(s.Path)] {
			continue
		}
		e, _ := other.Index.Find(s.Path)
		data, err := other.Read(s)
		if err != nil {
			return nil, nil, err
		}
		if !s.Regular || !e.Lists(data) {
			plan.HandEdited = append(plan.HandEdited, e)
		}
		files = append(files, tree.File{Path: s.Path, Data: data, Unit: e.Unit, Part: e.Part})
	}
	all, err := tree.New(files)
	if err != nil {
		return nil, nil, err
	}
	paths := slices.Clone(c.settled)
	for _, f := range all.Files() {
		paths = append(paths, f.Path)
	}
	slices.Sort(paths)
	listed, err := layout.Complete(all, paths)
	if err != nil {
		return nil, nil, err
	}
	files = slices.Clone(listed.Files())
	for i, f := range files { // lists that were made anew are of the unit that they were of
		if f.Unit != "" {
			continue
		}
		if e, ok := find(c.tree.Files(), f.Path); ok {
			files[i].Unit = e.Unit
		} else if e, ok := other.Index.Find(f.Path); ok {
			files[i].Unit = e.Unit
		}
	}
	if all, err = tree.New(files); err != nil {
		return nil, nil, err
	}
	return &Compiled{all, c.generator, c.settled, Stored(all, c.generator)}, plan, nil
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

func byName(f tree.Stored, name string) int { return strings.Compare(f.Path, name) }

func find(files []tree.File, p string) (tree.File, bool) {
	i, ok := slices.BinarySearchFunc(files, p, func(f tree.File, p string) int { return strings.Compare(f.Path, p) })
	if !ok {
		return tree.File{}, false
	}
	return files[i], true
}
