package publish

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/tree"
)

// TestKeeps: whoever changed a part last decides, by what the specs come from, and by time where they come from neither.
func TestKeeps(t *testing.T) {
	set := func(r Relation) Past { return Past{Relation: r} }
	ours := func(r Relation) Past { return Past{Relation: r, Ours: true} }
	same := func(r Relation) Past { return Past{Relation: r, Same: true} }
	for _, c := range []struct {
		name    string
		history []Past // the latest first
		keeps   bool
	}{
		{"nobody published", nil, false},
		{"an ancestor changed it", []Past{set(Ancestor)}, false},
		{"a descendant did", []Past{set(Descendant), set(Ancestor)}, true},
		{"somebody else did, and we did not", []Past{set(Earlier), ours(Ancestor)}, true},
		{"both did, and we are later", []Past{set(Earlier), set(Ancestor)}, false},
		{"both did, and they are later", []Past{set(Later), set(Ancestor)}, true},
		{"they did twice: the last time counts", []Past{set(Earlier), set(Later), set(Ancestor)}, false},
		{"they changed something else", []Past{same(Later), same(Later), set(Ancestor)}, false},
		{"we changed something else since", []Past{same(Ancestor), set(Earlier), ours(Ancestor)}, true},
		{"an ancestor has replaced theirs", []Past{set(Ancestor), set(Later), ours(Ancestor)}, false},
		{"theirs, as far as is known, and later", []Past{set(Later), same(Ancestor)}, true},
		{"theirs, as far as is known, and earlier", []Past{set(Earlier), same(Ancestor)}, false},
	} {
		if got := Keeps(c.history); got != c.keeps {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// commit is a tree as a commit has it.
func commit(t *testing.T, files map[string]string) (*Compiled, Side, map[string]string) {
	t.Helper()
	var in []tree.File
	for p, data := range files {
		f := tree.File{Path: p, Data: []byte(data), Unit: "unit-of-" + p}
		if parts := strings.Split(p, "/"); parts[0] == "tenants" && len(parts) > 3 {
			f.Part = parts[1] + "/" + parts[2]
		}
		in = append(in, f)
	}
	tr, err := tree.New(in)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compile(tr, "zave test", nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range slices.Concat(tr.Index("zave test").Split(), tr.Files()) {
		all[f.Path] = string(f.Data)
	}
	return c, side(t, all), all
}

func side(t *testing.T, all map[string]string) Side {
	t.Helper()
	s := Side{}
	byHash := map[[20]byte]string{}
	for p, data := range all {
		h := tree.Blob([]byte(data))
		byHash[h] = data
		s.Files = append(s.Files, tree.Stored{Path: p, Hash: h, Regular: true})
	}
	slices.SortFunc(s.Files, byPath)
	s.Read = func(f tree.Stored) ([]byte, error) {
		data, ok := byHash[f.Hash]
		if !ok {
			return nil, errors.Join(fs.ErrNotExist, errors.New(f.Path))
		}
		return []byte(data), nil
	}
	var err error
	if s.Index, err = tree.StoredIndex(s.Files, s.Read); err != nil {
		t.Fatal(err)
	}
	return s
}

func written(p *Plan) (out []string) {
	for _, f := range p.Write {
		out = append(out, f.Path)
	}
	return out
}

// TestAgainst reads no more than what differs, and stops at what is not ours.
func TestAgainst(t *testing.T) {
	const a, b = "tenants/dev/alpha/app/a.yaml", "tenants/dev/beta/app/b.yaml"
	_, _, before := commit(t, map[string]string{a: "a", b: "b", "platform/dev/mesh/m.yaml": "m"})
	now, _, _ := commit(t, map[string]string{a: "a2", b: "b", "platform/dev/mesh/m.yaml": "m"})

	head := side(t, before)
	read := head.Read
	head.Read = func(f tree.Stored) ([]byte, error) {
		if strings.Contains(f.Path, "beta") {
			t.Errorf("%s was read", f.Path)
		}
		return read(f)
	}
	p, err := now.Against(head, false)
	if err != nil || p.Blocked() || !slices.Equal(written(p), []string{".zave/dev/alpha.json", a}) || len(p.Remove) != 0 {
		t.Errorf("%v %+v", err, p)
	}

	before[a] = "by hand"
	before["tenants/dev/beta/app/theirs.yaml"] = "x"
	p, err = now.Against(side(t, before), false)
	if err != nil || len(p.HandEdited) != 1 || p.HandEdited[0].Path != a || len(p.Foreign) != 0 {
		t.Errorf("%v %+v", err, p)
	}
	p, err = now.Against(side(t, before), true)
	if err != nil || !slices.Contains(written(p), a) || slices.Contains(p.Remove, "tenants/dev/beta/app/theirs.yaml") {
		t.Errorf("%v %+v", err, p)
	}

	delete(before, a) // by hand, too
	p, err = now.Against(side(t, before), false)
	if err != nil || len(p.Deleted) != 1 || p.Deleted[0].Path != a || !p.Blocked() || len(p.HandEdited)+len(p.Foreign) != 0 {
		t.Errorf("%v %+v", err, p)
	}
	p, err = now.Against(side(t, before), true)
	if err != nil || !slices.Contains(written(p), a) {
		t.Errorf("%v %+v", err, p)
	}

	without, _, _ := commit(t, map[string]string{a: "a", "platform/dev/mesh/m.yaml": "m"})
	before[a] = "a"
	p, err = without.Against(side(t, before), false)
	if err != nil || !slices.Equal(p.Remove, []string{".zave/dev/beta.json", b}) {
		t.Errorf("%v %+v", err, p)
	}
}

// TestMerge leaves a tenant and a shared file as another publication has them, and names an edit in them.
func TestMerge(t *testing.T) {
	const a, b, m = "tenants/dev/alpha/app/a.yaml", "tenants/dev/beta/app/b.yaml", "platform/dev/mesh/m.yaml"
	ours, _, _ := commit(t, map[string]string{a: "a", b: "b", m: "m"})
	_, theirs, all := commit(t, map[string]string{a: "a2", m: "m2", "tenants/dev/gamma/app/c.yaml": "c"})
	if got := ours.Differing(theirs); !slices.Equal(got, []string{"alpha/", "beta/", "gamma/", m}) {
		t.Errorf("%q", got)
	}
	merged, stops, err := ours.Merge(theirs, map[string]bool{"alpha/": true, "gamma/": true, m: true})
	if err != nil || stops.Blocked() {
		t.Fatal(err, stops)
	}
	got := map[string]string{}
	for _, f := range merged.tree.Files() {
		if !strings.HasSuffix(f.Path, "kustomization.yaml") {
			got[f.Path] = string(f.Data)
		}
		if strings.HasPrefix(f.Path, "tenants/dev/g") && (f.Part != "dev/gamma" || f.Unit != "unit-of-"+f.Path) {
			t.Errorf("%+v", f)
		}
	}
	if len(got) != 4 || got[a] != "a2" || got[b] != "b" || got[m] != "m2" || got["tenants/dev/gamma/app/c.yaml"] != "c" {
		t.Errorf("%v", got)
	}
	all[a] = "by hand"
	_, stops, err = ours.Merge(side(t, all), map[string]bool{"alpha/": true})
	if err != nil || len(stops.HandEdited) != 1 || stops.HandEdited[0].Path != a || len(stops.Deleted) != 0 {
		t.Errorf("%v %+v", err, stops)
	}
	delete(all, a)
	delete(all, m) // of a part that is not kept
	_, stops, err = ours.Merge(side(t, all), map[string]bool{"alpha/": true})
	if err != nil || len(stops.Deleted) != 1 || stops.Deleted[0].Path != a || len(stops.HandEdited) != 0 {
		t.Errorf("%v %+v", err, stops)
	}
}
