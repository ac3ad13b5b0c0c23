package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/internal/gitrepo"
	"github.com/zavestudios/zave/internal/tree"
)

// indexOf is that of files "PATH=TEXT" and of the lists of the shared directories that they are in.
func indexOf(t *testing.T, files ...string) tree.Index {
	t.Helper()
	var in []tree.File
	var paths []string
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		in, paths = append(in, tree.File{Path: name, Data: []byte(text)}), append(paths, name)
	}
	all, err := tree.New(in)
	if err == nil {
		all, err = layout.Complete(all, paths)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all.Index("test")
}

// TestHold: a tenant and a shared file are of one of the sources as a whole, and the lists follow.
func TestHold(t *testing.T) {
	const (
		devX, devY, prodX = "tenants/dev/x/app/d.yaml", "tenants/dev/y/app/d.yaml", "tenants/prod/x/app/d.yaml"
		mesh, vault       = "platform/dev/mesh/m.yaml", "platform/dev/vault/v.yaml"
		list              = "tenants/dev/kustomization.yaml"
	)
	a := indexOf(t, devX+"=a", prodX+"=a", mesh+"=a", vault+"=a")
	b := indexOf(t, devX+"=b", prodX+"=b", devY+"=b", mesh+"=b")
	without := func(x tree.Index, name string) tree.Index {
		x.Files = slices.DeleteFunc(slices.Clone(x.Files), func(e tree.Entry) bool { return e.Path == name })
		return x
	}
	for _, test := range []struct {
		name string
		is   tree.Index
		want []string // what is found, in their order
	}{
		{"the first", a, nil},
		{"the second", b, nil},
		{"parts of both", indexOf(t, devX+"=a", prodX+"=a", devY+"=b", mesh+"=b", vault+"=a"), nil},
		{"less than either has", indexOf(t, devX+"=b", prodX+"=b", mesh+"=a"), nil},
		{"a mixture of clusters", indexOf(t, devX+"=a", prodX+"=b", mesh+"=a", vault+"=a"), []string{
			prodX + ": it is what the specs at bbbbbbbbbb compile to, and the rest of the tenant x is of those at aaaaaaaaaa"}},
		{"of a tenant too little", indexOf(t, devX+"=b", mesh+"=a"), []string{
			prodX + ": the specs at bbbbbbbbbb compile to it, and it was not published"}},
		{"a tenant that neither removed", indexOf(t, mesh+"=a"), []string{
			devX + ": the specs at aaaaaaaaaa compile to it", prodX + ": the specs at aaaaaaaaaa compile to it"}},
		{"of a tenant too much", indexOf(t, devX+"=b", prodX+"=b", prodX[:15]+"e.yaml=b", mesh+"=b"), []string{
			prodX[:15] + "e.yaml: the specs at aaaaaaaaaa or bbbbbbbbbb do not compile to it"}},
		{"shared, and of neither", indexOf(t, devX+"=a", prodX+"=a", mesh+"=c"), []string{
			mesh + ": it is not what the specs at aaaaaaaaaa or bbbbbbbbbb compile to"}},
		{"shared, and gone", indexOf(t, devX+"=a", prodX+"=a"), []string{
			mesh + ": the specs at aaaaaaaaaa compile to it, and it was not published"}},
		{"no list", without(a, list), []string{list + ": it is to list what is in its directory"}},
		{"a list alone", without(without(a, mesh), vault), []string{
			"platform/dev/kustomization.yaml: there is nothing", "platform/dev/mesh/kustomization.yaml: there is nothing",
			"platform/dev/vault/kustomization.yaml: there is nothing", mesh + ": the specs at aaaaaaaaaa compile to it"}},
		{"a list of less", without(b, devY), []string{list + ": it does not list exactly"}},
	} {
		v := &verification{}
		h := holder{v: v, made: []tree.Index{a, b}, said: map[string]bool{}}
		for _, c := range []byte{0xaa, 0xbb} {
			h.commits = append(h.commits, &gitrepo.Commit{Hash: gitrepo.Hash(slices.Repeat([]byte{c}, 20))})
		}
		if err := h.hold(test.is); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range v.Findings {
			got = append(got, f.Path+": "+f.Says)
		}
		if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	// Each removed what the other one has on prod, and with it goes the list that both have.
	v := &verification{}
	h := holder{v: v, said: map[string]bool{}, commits: []*gitrepo.Commit{{}, {}}, made: []tree.Index{
		indexOf(t, devX+"=a", "tenants/prod/y/app/d.yaml=a"), indexOf(t, devX+"=a", "tenants/prod/z/app/d.yaml=a"),
	}}
	if err := h.hold(indexOf(t, devX+"=a")); err != nil || len(v.Findings) > 0 {
		t.Errorf("got %v, %v", v.Findings, err)
	}
}
