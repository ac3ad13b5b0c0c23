package check

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/tree"
)

// known tells, without kustomize, that a directory of objects builds. It says yes or nothing: whatever it cannot tell,
// and whatever is wrong, kustomize builds, and has the last word.
//
// What a build of such a directory does (kustomize api v0.21.2, internal/target.KustTarget): it loads the one
// kustomization file, reads each resource, which must have a kind and a name, refuses two of one identity, and has
// nothing to transform. So the answer needs only what is known of each object. It is held against kustomize in every
// call, by one directory for each kind of object, and in the tests, for every directory.
type known struct {
	seed   maphash.Seed
	byText map[uint64]object.Object
	seen   map[version]bool // kustomize has built one of these
}

// version is one version of one kind.
type version struct{ group, version, kind string }

func versionOf(o object.Object) version { return version{o.Group, o.Version, o.Kind} }

func (k *known) add(objects []object.Object) {
	k.seed, k.seen = maphash.MakeSeed(), map[version]bool{}
	k.byText = make(map[uint64]object.Object, len(objects))
	for _, o := range objects {
		if usual(o) {
			k.byText[maphash.Bytes(k.seed, o.YAML)] = o
		}
	}
}

// usual tells whether kustomize reads an object as the one it is. There are words that it reads otherwise: it takes
// lists apart (resource.Factory.inlineAnyEmbeddedLists), has annotations of its own, such as the one that drops an
// object from a build (konfig.IgnoredByKustomizeAnnotation), and reads the second document of a file.
func usual(o object.Object) bool {
	return o.Kind != "" && o.Name != "" && !strings.HasSuffix(o.Kind, "List") &&
		!bytes.Contains(o.YAML, []byte("config.kubernetes.io")) && !bytes.Contains(o.YAML, []byte("config.k8s.io")) &&
		!bytes.Contains(o.YAML, []byte("\n---")) && !bytes.HasPrefix(o.YAML, []byte("---"))
}

// lists adds the known object that is a file's to its directory, and tells whether there is one.
func (k *known) lists(d *directory, f tree.File) bool {
	o, ok := k.byText[maphash.Bytes(k.seed, f.Data)]
	if !ok || !bytes.Equal(o.YAML, f.Data) {
		return false
	}
	d.objects = append(d.objects, o)
	return true
}

// builds tells whether the files of a directory build, and nothing but them is in its build beside its children's,
// where that is known. Two objects of one kind and name are left to kustomize, which has its own thoughts about
// namespaces, and so is a directory with a kind that kustomize has not built yet: but one with children only if it
// fails without them.
func (k *known) builds(d *directory) bool {
	if !d.plain || len(d.objects) != len(d.files) {
		return false
	}
	type name struct{ group, kind, name string }
	names := make(map[name]bool, len(d.objects))
	news := false
	for _, o := range d.objects {
		n := name{o.Group, o.Kind, o.Name}
		if names[n] {
			return false
		}
		names[n] = true
		news = news || !k.seen[versionOf(o)]
	}
	return !news || len(d.children) > 0 && k.buildsAlone(d.objects)
}

// buildsAlone tells whether kustomize builds a directory of these objects and nothing else.
func (k *known) buildsAlone(objects []object.Object) bool {
	fs := filesys.MakeFsInMemory()
	text := "apiVersion: " + types.KustomizationVersion + "\nkind: " + types.KustomizationKind + "\nresources:\n"
	for i, o := range objects {
		name := fmt.Sprintf("%d.yaml", i)
		text += "- " + name + "\n"
		if fs.WriteFile(path.Join("alone", name), o.YAML) != nil {
			return false
		}
	}
	if fs.WriteFile(path.Join("alone", kustomization), []byte(text)) != nil {
		return false
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "alone")
	if err != nil || built.Size() != len(objects) {
		return false
	}
	k.built(objects)
	return true
}

// built notes that kustomize has built a directory of objects.
func (k *known) built(objects []object.Object) {
	for _, o := range objects {
		k.seen[versionOf(o)] = true
	}
}
