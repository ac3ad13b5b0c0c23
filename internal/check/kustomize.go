package check

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/resid"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/source"
	"github.com/zavestudios/zave/internal/tree"
)

const kustomization = "kustomization.yaml"

// Kustomizations checks that every kustomization.yaml in a tree builds, that each manifest is listed exactly once, by
// the kustomization.yaml beside it, and that no object stands in two directories of one cluster, which is the second
// part of a path: tenants/<cluster>/…. Places are paths within the tree.
//
// Kustomize itself builds each directory that holds more than references to other directories. Those that hold
// nothing else are their children's sum, so that only an object that stands twice can break them, and they are not
// built: the time kustomize takes grows with the square of the number of objects in one build (0.03 s for 100, 1 s
// for 1,000 and 11 s for 3,000).
//
// The known objects are those that Schemas checks. A directory that does nothing but list such objects, each with
// exactly the bytes of its file, builds as its objects do, and kustomize builds it only for a kind that it has not
// built yet in this call: see known.go. Without known objects, kustomize builds all.
func Kustomizations(files []tree.File, known ...object.Object) diag.List {
	c := &kustomizer{fs: filesys.MakeFsInMemory(), dirs: map[string]*directory{}, owners: map[identity]string{}}
	c.known.add(known)
	exists := map[string]bool{}
	for _, f := range files {
		exists[f.Path] = true
	}
	for _, f := range files {
		// The error of an in-memory write is about the path, and tree.New has seen to that.
		if err := c.fs.WriteFile(f.Path, f.Data); err != nil {
			c.report(diag.KustomizeFails, f.Path, "it cannot be read: %s", oneLine(err.Error()))
		}
		if path.Base(f.Path) == kustomization {
			c.dirs[path.Dir(f.Path)] = c.read(f, exists)
		}
	}
	for _, f := range files {
		dir, name := path.Split(f.Path)
		dir = path.Clean(dir)
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" || name == kustomization {
			continue
		}
		if d := c.dirs[dir]; d == nil {
			c.report(diag.KustomizeFails, f.Path, "there is no kustomization.yaml beside it")
		} else if !d.broken && !d.files[name] {
			c.report(diag.KustomizeFails, f.Path, "the kustomization.yaml beside it does not list it")
		} else if d.plain {
			d.plain = c.known.lists(d, f)
		}
	}

	inner := map[string]bool{}
	for _, d := range c.dirs {
		for _, child := range d.children {
			inner[child] = true
		}
	}
	names := sortedKeys(c.dirs)
	for _, name := range names {
		if !inner[name] {
			c.build(name)
		}
	}
	for _, name := range names { // those that only a cycle reaches
		c.build(name)
	}
	return c.list
}

// directory is what one kustomization.yaml says.
type directory struct {
	files     map[string]bool // files that it refers to in its own directory
	children  []string        // directories that it includes
	sum       bool            // it does nothing but include directories
	plain     bool            // it does nothing but include directories and list files beside it by their names
	objects   []object.Object // the known objects in those files, of a plain directory
	broken    bool            // it has been reported, and kustomize must not see it: it might reach for the network
	component bool            // it is for the components of others, who must not include it as a resource
	state     state
}

type state uint8

const (
	unbuilt state = iota
	underWay
	builds
	fails
)

// identity is one object in one cluster.
type identity struct {
	cluster string
	id      resid.ResId
}

type kustomizer struct {
	list   diag.List
	fs     filesys.FileSystem
	dirs   map[string]*directory
	owners map[identity]string
	known  known
}

func (c *kustomizer) report(code diag.Code, file, format string, args ...any) {
	c.list.Add(diag.Diagnostic{Code: code, Span: source.Span{File: file}, Summary: fmt.Sprintf(format, args...)})
}

// read reads one kustomization.yaml and checks that what it refers to is in the tree.
func (c *kustomizer) read(f tree.File, exists map[string]bool) *directory {
	d := &directory{files: map[string]bool{}}
	fail := func(format string, args ...any) {
		c.report(diag.KustomizeFails, f.Path, format, args...)
		d.broken = true
	}
	var k types.Kustomization
	if err := k.Unmarshal(f.Data); err != nil {
		fail("it is not a kustomization: %s", oneLine(err.Error()))
		return d
	}
	if wrong := k.EnforceFields(); len(wrong) > 0 {
		fail("it is not a kustomization: %s", oneLine(strings.Join(wrong, "; ")))
	}
	rest := k
	rest.TypeMeta, rest.MetaData, rest.Resources = types.TypeMeta{}, nil, nil
	d.sum = reflect.DeepEqual(rest, types.Kustomization{})
	d.plain = true
	k.FixKustomization() // the old names of fields
	dir := path.Dir(f.Path)
	seen := map[string]bool{}
	for _, entry := range slices.Concat(k.Resources, k.Components) {
		at := path.Join(dir, entry)
		switch {
		case seen[at]:
			fail("it lists %s twice", entry)
		case exists[path.Join(at, kustomization)]:
			d.children = append(d.children, at)
		case !exists[at]:
			fail("it lists %s, which is not in the tree", entry)
		case path.Dir(at) != dir:
			fail("it lists %s, which another directory's kustomization.yaml must", entry)
		default:
			d.files[path.Base(at)] = true
			// Kustomize reads paths with these characters in its own ways.
			d.plain = d.plain && !strings.ContainsAny(entry, `/\:?@`)
		}
		seen[at] = true
	}
	for _, entry := range otherFiles(&k) {
		at := path.Join(dir, entry)
		if !exists[at] && !exists[path.Join(at, kustomization)] {
			fail("it refers to %s, which is not in the tree", entry)
		} else if path.Dir(at) == dir {
			d.files[path.Base(at)] = true
		}
	}
	d.component = k.Kind == types.ComponentKind
	d.sum = d.sum && !d.component
	for _, other := range konfig.RecognizedKustomizationFileNames() {
		// Kustomize refuses to choose between two.
		d.sum = d.sum && (other == kustomization || !exists[path.Join(dir, other)])
	}
	d.plain = d.plain && d.sum && !d.broken && len(d.files) > 0
	d.sum = d.sum && len(d.files) == 0
	return d
}

// otherFiles gives the files that a kustomization reads beside its resources and components.
func otherFiles(k *types.Kustomization) []string {
	out := slices.Concat(k.Crds, k.Configurations)
	for _, list := range [][]string{k.Generators, k.Transformers, k.Validators} {
		for _, entry := range list {
			if !strings.Contains(entry, "\n") { // else it is the object itself
				out = append(out, entry)
			}
		}
	}
	//lint:ignore SA1019 kustomize still reads the files that the old fields name
	for _, p := range slices.Concat(k.Patches, k.PatchesJson6902) {
		out = append(out, p.Path)
	}
	//lint:ignore SA1019 likewise
	for _, p := range k.PatchesStrategicMerge {
		if !strings.Contains(string(p), "\n") {
			out = append(out, string(p))
		}
	}
	for _, r := range k.Replacements {
		out = append(out, r.Path)
	}
	var pairs []types.KvPairSources
	for _, g := range k.ConfigMapGenerator {
		pairs = append(pairs, g.KvPairSources)
	}
	for _, g := range k.SecretGenerator {
		pairs = append(pairs, g.KvPairSources)
	}
	for _, p := range pairs {
		out = append(out, append(p.EnvSources, p.EnvSource)...)
		for _, s := range p.FileSources {
			out = append(out, s[strings.Index(s, "=")+1:]) // "key=file" or "file"
		}
	}
	out = append(out, k.OpenAPI["path"])
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// build builds a directory, and looks into its children only where it fails: so the deepest failure is reported, and
// nothing is built twice that is good. It tells whether all is well.
func (c *kustomizer) build(name string) bool {
	d := c.dirs[name]
	switch {
	case d.state == underWay:
		c.report(diag.KustomizeFails, path.Join(name, kustomization), "it includes itself")
		return false
	case d.state != unbuilt:
		return d.state == builds
	}
	d.state = underWay
	var failure error
	mixed := slices.ContainsFunc(d.children, func(child string) bool { return c.dirs[child].component })
	whole := (!d.sum || mixed) && c.sound(name, map[string]bool{})
	if whole && !mixed && c.known.builds(d) {
		for _, o := range d.objects {
			c.own(resid.NewResIdWithNamespace(resid.NewGvk(o.Group, o.Version, o.Kind), o.Name, o.Namespace), name)
		}
		whole = false // the rest is a sum
	}
	if whole {
		objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(c.fs, name)
		if err == nil {
			for _, r := range objects.Resources() {
				c.own(r.CurId(), name)
			}
			if d.plain {
				c.known.built(d.objects)
			}
			c.settle(name)
			return true
		}
		failure = err
	}
	ok := !d.broken
	for _, child := range d.children {
		ok = c.build(child) && ok
	}
	if ok && failure != nil {
		c.report(diag.KustomizeFails, path.Join(name, kustomization), "kustomize cannot build it: %s", oneLine(failure.Error()))
		ok = false
	}
	d.state = fails
	if ok {
		d.state = builds
	}
	return ok
}

// sound tells whether kustomize may build a directory: nothing below it has been reported already.
func (c *kustomizer) sound(name string, visited map[string]bool) bool {
	if visited[name] {
		return true
	}
	visited[name] = true
	d := c.dirs[name]
	return !d.broken && !slices.ContainsFunc(d.children, func(child string) bool { return !c.sound(child, visited) })
}

// settle marks a directory and all below it as good.
func (c *kustomizer) settle(name string) {
	d := c.dirs[name]
	if d.state == builds {
		return
	}
	d.state = builds
	for _, child := range d.children {
		c.settle(child)
	}
}

// own notes which directory an object is from.
func (c *kustomizer) own(id resid.ResId, name string) {
	parts := strings.SplitN(name, "/", 3)
	key := identity{id: resid.NewResIdWithNamespace(resid.NewGvk(id.Group, "", id.Kind), id.Name, id.Namespace)}
	if len(parts) > 1 {
		key.cluster = parts[1]
	}
	if first, ok := c.owners[key]; ok && first != name {
		what := strings.Trim(id.Kind+"."+id.Group, ".") + "/" + strings.TrimPrefix(id.Namespace+"/"+id.Name, "/")
		c.report(diag.TwoOwners, path.Join(name, kustomization), "%s stands here and in %s", what, first)
		return
	}
	c.owners[key] = name
}
