package cli

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/internal/gitrepo/remote"
	"github.com/zavestudios/zave/internal/publish"
	"github.com/zavestudios/zave/internal/reuse"
	"github.com/zavestudios/zave/internal/tree"
)

// compiledSpecs are specs that agree, compiled as far as somebody needs them.
//
// A tenant is settled where its files in a commit are known to be what it compiles to, and to be what check lets
// through: this program has seen that for the same fingerprint, in this run or before. Settled tenants are neither
// compiled nor read, so that what a publication costs, and holds in memory, follows what differs.
type compiledSpecs struct {
	*side         // its result has the tenants of here, and all that is shared
	linked        *generator.Linked
	prints        map[string]generator.Fingerprint
	known         *reuse.Table // fingerprint → digest of the tenant's own files, as outline lists them
	here, checked map[string]bool
	batch         int // how many tenants are compiled at once, at the most, to be left out again where they are settled
}

// compilable links specs that were read. The result is nil where the list of the side has errors.
func (a *app) compilable(s *side) *compiledSpecs {
	if s.list.HasErrors() {
		a.link(s.input) // what else is wrong is wanted in the same run
		return nil
	}
	a.stages.begin("link")
	defer a.stages.end()
	linked, list := generator.Link(s.Set)
	s.list.Merge(list)
	if linked == nil {
		return nil
	}
	return &compiledSpecs{
		side: s, linked: linked, prints: s.fingerprints(), known: reuse.OpenTable(store("published")),
		here: map[string]bool{}, checked: map[string]bool{}, batch: 400,
	}
}

// beside compiles the tenants that differ from a commit, nil for none, and gives both without what is settled. Both are
// nil where the specs' list has errors then.
func (c *compiledSpecs) beside(ctx context.Context, a *app, s *remote.Snapshot) (*publish.Compiled, publish.Side, error) {
	none := publish.Side{}
	a.stages.begin("recall")
	defer a.stages.end()
	var listed []tree.Stored
	if s != nil {
		var err error
		if listed, err = outline(s); err != nil {
			return nil, none, err
		}
	}
	there := digests(listed)
	settled := map[string]bool{}
	var missing []string // tenants to compile
	for _, t := range c.Set.Tenants {
		print, ok := c.prints[t.Name]
		was, known := c.known.Get(print)
		settled[t.Name] = ok && known && was == there[t.Name]
		if !settled[t.Name] && !c.here[t.Name] {
			missing = append(missing, t.Name)
		}
	}
	a.stages.end()
	if len(missing) > 0 || c.result == nil {
		if err := c.compile(ctx, a, missing, there, settled); err != nil || c.list.HasErrors() {
			return nil, none, err
		}
	}
	a.stages.begin("compare")
	var kept []string
	owner := owners()
	for _, f := range listed {
		if settled[owner(f.Path)] && !tree.IsIndex(f.Path) {
			kept = append(kept, f.Path)
		}
	}
	part, err := tree.New(slices.DeleteFunc(slices.Clone(c.result.Tree.Files()), func(f tree.File) bool { return settled[owner(f.Path)] }))
	if err != nil {
		return nil, none, err
	}
	compiled, err := publish.Compile(part, generatorName(), kept)
	if err != nil || s == nil {
		return compiled, none, err
	}
	is, err := sideOf(ctx, s, listed, func(p string) bool { return !settled[owner(p)] })
	return compiled, is, err
}

// compile compiles tenants, and refuses what check refuses. Those that turn out to be settled are left out again, where
// they are many.
func (c *compiledSpecs) compile(
	ctx context.Context, a *app, tenants []string, there map[string]reuse.Digest, settled map[string]bool,
) error {
	if len(tenants) > c.batch {
		for n := 0; n < len(tenants); n += c.batch {
			some := tenants[n:min(n+c.batch, len(tenants))]
			detail := fmt.Sprintf("%d of %s", n+len(some), count(len(tenants), "tenant"))
			made, err := c.judged(ctx, a, some, detail)
			if err != nil {
				return err
			}
			for _, t := range some {
				settled[t] = made[t] == there[t]
			}
		}
		if c.list.HasErrors() {
			return nil
		}
	}
	for _, t := range tenants {
		if !settled[t] {
			c.here[t] = true
		}
	}
	_, err := c.judged(ctx, a, nil, "")
	c.known.Save()
	return err
}

// judged compiles tenants, nil for those of here, whose result stays; and checks what was not checked before. It gives the
// digests of what each has.
func (c *compiledSpecs) judged(ctx context.Context, a *app, tenants []string, detail string) (map[string]reuse.Digest, error) {
	wanted := func(t string) bool { return slices.Contains(tenants, t) }
	if tenants == nil {
		wanted = func(t string) bool { return c.here[t] }
	}
	a.stages.begin("compile")
	a.stages.at(detail)
	result, err := c.linked.Compile(generator.Options{Only: wanted})
	if err != nil {
		return nil, err
	}
	done := len(c.checked) > 0
	for _, t := range c.Set.Tenants {
		done = done && (!wanted(t.Name) || c.checked[t.Name])
	}
	if tenants == nil {
		c.result = result
	}
	if done {
		return nil, nil
	}
	list, err := a.refusals(ctx, result, c.input, detail)
	if err != nil {
		return nil, err
	}
	a.stages.begin("recall")
	c.list.Merge(list)
	all := publish.Stored(result.Tree, generatorName())
	made := digests(closedTrees(all))
	c.checked[""] = true // what is shared
	for _, t := range c.Set.Tenants {
		if !wanted(t.Name) {
			continue
		}
		c.checked[t.Name] = true
		if print, ok := c.prints[t.Name]; ok && !list.HasErrors() {
			c.known.Put(print, made[t.Name])
		}
	}
	return made, nil
}

// ownDirectory tells whether a directory is one tenant's.
func ownDirectory(dir string) bool {
	return strings.HasPrefix(dir, "tenants/") && strings.Count(dir, "/") == 2
}

// outline lists what stands in a commit where the tree and its index may have files, a tenant's own directories as one.
func outline(s *remote.Snapshot) ([]tree.Stored, error) {
	return s.Outline(ownDirectory, publish.Tops()...)
}

// closedTrees is the outline of a commit that has these files, sorted by path.
func closedTrees(files []tree.Stored) []tree.Stored {
	trees := remote.Trees(files)
	var out []tree.Stored
	for _, f := range files {
		parts := strings.SplitN(f.Path, "/", 4)
		if dir := path.Join(parts[:min(3, len(parts))]...); len(parts) == 4 && ownDirectory(dir) {
			if n := len(out); n == 0 || out[n-1].Path != dir+"/" {
				out = append(out, tree.Stored{Path: dir + "/", Hash: trees[dir]})
			}
			continue
		}
		out = append(out, f)
	}
	return out
}

// digests gives one of what each tenant has, by an outline.
func digests(outline []tree.Stored) map[string]reuse.Digest {
	out := map[string]reuse.Digest{}
	for tenant, files := range ownFiles(outline) {
		out[tenant] = sha256.Sum256(files)
	}
	return out
}

// sideOf opens the directories of an outline that are meant, and reads the index of what is meant.
func sideOf(ctx context.Context, s *remote.Snapshot, outline []tree.Stored, meant func(path string) bool) (publish.Side, error) {
	out := publish.Side{Read: s.Read}
	var closed []string
	var index []tree.Stored
	for _, f := range outline {
		switch {
		case !meant(f.Path):
		case strings.HasSuffix(f.Path, "/"):
			closed = append(closed, f.Path)
		default:
			out.Files = append(out.Files, f)
			if tree.IsIndex(f.Path) {
				index = append(index, f)
			}
		}
	}
	opened, err := s.List(closed...)
	if err != nil {
		return out, err
	}
	out.Files = append(out.Files, opened...)
	slices.SortFunc(out.Files, func(a, b tree.Stored) int { return strings.Compare(a.Path, b.Path) })
	if err := s.Need(ctx, index); err != nil {
		return out, err
	}
	out.Index, err = tree.StoredIndex(out.Files, s.Read)
	return out, err
}

// indexedFiles lists all files of ours in a commit, as its index has them.
func indexedFiles(ctx context.Context, s *remote.Snapshot) ([]string, error) {
	listed, err := outline(s)
	if err != nil {
		return nil, err
	}
	side, err := sideOf(ctx, s, listed, tree.IsIndex)
	var out []string
	for _, e := range side.Index.Files {
		out = append(out, e.Path)
	}
	return out, err
}

// managed tells whether a tree of zave's stands there.
func managed(s publish.Side) bool {
	return slices.ContainsFunc(s.Files, func(f tree.Stored) bool { return f.Path == tree.IndexPath })
}
