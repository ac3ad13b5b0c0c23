package cli

import (
	"context"
	"crypto/sha256"
	"io/fs"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/internal/reuse"
	"github.com/zavestudios/zave/internal/tree"
)

// staged is what a place that is not the work tree holds of a platform repository: git's index.
type staged struct {
	// Specs are the platform's files, from its root: cue.mod, platform, schema, tenants. Where the file system is a
	// load.Hasher, files of tenants whose hash was met before are not read.
	Specs fs.FS
	// Tree lists what stands below the output directory, which is relative to the root and slash-separated, sorted by
	// path.
	Tree func(dir string) ([]tree.Stored, error)
	// Read gives the bytes of one of these.
	Read func(tree.Stored) ([]byte, error)
}

// regenerated is what makes a stored tree the one that its specs compile to.
type regenerated struct {
	Dir    string      // the output directory, relative to the root, slash-separated
	Write  []tree.File // files that are missing or have other bytes, sorted by path, which is relative to Dir
	Remove []string    // files of ours that nothing causes any more, sorted
	Files  int         // how many files the tree has
}

// regenerate compiles staged specs and compares the result with the staged tree, as build does on disk. It writes
// nothing but what zave remembers. The result is nil where the input's list has errors: mistakes in the specs, and
// files of the tree that were edited by hand or that stand in the way.
//
// Tenants are left out whose files are known to be what they compile to: a compile in which they had the same
// fingerprint gave files of these hashes.
func (a *app) regenerate(ctx context.Context, in staged) (*regenerated, *input, error) {
	end := roomy()
	defer end()
	cache := specCache()
	defer cache.Save()
	s, err := a.read(ctx, in.Specs, cache)
	if err != nil {
		return nil, nil, err
	}
	if s.list.HasErrors() {
		a.link(s.input)
		return nil, s.input, nil
	}
	dir := s.Set.Platform.Output
	a.stages.begin("recall")
	stored, err := in.Tree(dir)
	if err != nil {
		return nil, nil, err
	}
	known := reuse.OpenTable(store("trees"))
	defer known.Save()
	prints, found := s.fingerprints(), ownFiles(stored)
	settled := map[string]bool{}
	for tenant, print := range prints {
		was, ok := known.Get(print)
		settled[tenant] = ok && was == sha256.Sum256(found[tenant])
	}
	a.stages.end()

	wanted := func(tenant string) bool { return !settled[tenant] }
	if !few(s.Set.Tenants, wanted) {
		end()
	}
	if err := a.compileSide(s, wanted); err != nil || s.result == nil {
		return nil, s.input, err
	}
	a.stages.begin("compare")
	defer a.stages.end()
	var kept []string
	var rest []tree.Stored
	index := 0
	owner := owners()
	for _, f := range stored {
		switch {
		case !settled[owner(f.Path)]:
			rest = append(rest, f)
		case tree.IsIndex(f.Path):
			index++
		default:
			kept = append(kept, f.Path)
		}
	}
	full, err := layout.Complete(s.result.Tree, kept)
	if err != nil {
		return nil, nil, err
	}
	d, write, err := tree.CompareStored(full, generatorName(), rest, in.Read)
	if err != nil {
		return nil, nil, err
	}
	lists := full.Index(generatorName()).Split()
	made := make([]tree.Stored, 0, len(lists)+len(full.Files()))
	for _, f := range slices.Concat(lists, full.Files()) {
		if f.Part != "" {
			made = append(made, tree.Stored{Path: f.Path, Hash: tree.Blob(f.Data), Regular: true})
		}
	}
	slices.SortFunc(made, func(a, b tree.Stored) int { return strings.Compare(a.Path, b.Path) })
	for tenant, files := range ownFiles(made) {
		if print, ok := prints[tenant]; ok {
			known.Put(print, sha256.Sum256(files))
		}
	}
	if d.Blocked() {
		s.list.Merge(withOrigins(d.Blockers(dir), dir, s.result))
		return nil, s.input, nil
	}
	return &regenerated{dir, write, d.Stale, len(full.Files()) + len(lists) + len(kept) + index}, s.input, nil
}

// ownFiles lists the files of each tenant, with their hashes, out of all files, sorted by path.
func ownFiles(all []tree.Stored) map[string][]byte {
	out := map[string][]byte{}
	owner := owners()
	for _, f := range all {
		tenant := owner(f.Path)
		if tenant == "" {
			continue
		}
		b := out[tenant]
		if b == nil {
			b = make([]byte, 0, 4<<10)
		}
		b = append(append(append(b, f.Path...), 0), f.Hash[:]...)
		if f.Regular {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
		out[tenant] = b
	}
	return out
}

// owners gives a function that finds the tenant whose own a path is, quickly where neighbours have the same.
func owners() func(p string) string {
	prefix, tenant := "", ""
	return func(p string) string {
		if prefix != "" && strings.HasPrefix(p, prefix) {
			return tenant
		}
		prefix = ""
		var cluster string
		if cluster, tenant = layout.Owner(p); tenant != "" {
			if dir := "tenants/" + cluster + "/" + tenant + "/"; strings.HasPrefix(p, dir) {
				prefix = dir
			}
		}
		return tenant
	}
}

// generatorName is what the index of a tree says of the program that wrote it.
func generatorName() string { return "zave " + label.GeneratorVersion }
