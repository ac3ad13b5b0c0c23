package remote

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/gitrepo"
	"github.com/zavestudios/zave/internal/tree"
)

// model is what a repository is to have: for each path its mode and content.
type model map[string][2]string

// add puts a file in, if it is not in the way of another one.
func (m model) add(name, mode, content string) {
	for other := range m {
		if strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") {
			return
		}
	}
	m[name] = [2]string{mode, content}
}

// randomPath makes a path of few names, whose order is another one for files than for directories.
func randomPath(r *rand.Rand) string {
	names := []string{"a", "a-", "a.b", "a0", "ab", "b", "B", "é", "a b"}
	parts := make([]string, 1+r.IntN(4))
	for i := range parts {
		parts[i] = names[r.IntN(len(names))]
	}
	return strings.Join(parts, "/")
}

// writeTree has git write a tree, and gives its name.
func (m model) writeTree(t *testing.T, repo string) string {
	t.Helper()
	var in bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&in, "%s %s\t%s\x00", m[name][0], gitrepo.BlobHash([]byte(m[name][1])), name)
	}
	index := "GIT_INDEX_FILE=" + filepath.Join(t.TempDir(), "index")
	run := func(args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env, cmd.Stdin = repo, append(gitEnv(), index), &in
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", args[0], err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("update-index", "-z", "--index-info")
	return run("write-tree", "--missing-ok")
}

// TestTrees makes commit after commit of random edits: each has the tree that git writes for the same files.
func TestTrees(t *testing.T) {
	bare := bareRepo(t, nil)
	r := mustOpen(t, place{at: bare})
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			branch := fmt.Sprintf("random/%d", seed)
			have := model{}
			var base *Snapshot
			var old Hash
			for round := range 25 {
				want := maps.Clone(have)
				keep := rnd.Float64()
				for _, name := range slices.Sorted(maps.Keys(want)) {
					if rnd.Float64() > keep {
						delete(want, name)
					}
				}
				for range rnd.IntN(40) {
					name := randomPath(rnd)
					mode := modeFile
					if before, ok := have[name]; ok {
						mode = before[0]
					}
					want.add(name, mode, fmt.Sprint(rnd.IntN(5)))
				}
				if round == 20 {
					clear(want)
				}
				c := change(fmt.Sprint("round ", round))
				var changed []string
				for _, name := range slices.Sorted(maps.Keys(have)) {
					if _, stays := want[name]; !stays {
						c.Remove, changed = append(c.Remove, name), append(changed, name)
					}
				}
				for _, name := range slices.Sorted(maps.Keys(want)) {
					if before, ok := have[name]; !ok || before != want[name] {
						changed = append(changed, name)
					} else if rnd.IntN(2) == 0 {
						continue
					}
					c.Write = append(c.Write, File{name, []byte(want[name][1])})
				}
				slices.Sort(changed)
				rnd.Shuffle(len(c.Write), func(i, j int) { c.Write[i], c.Write[j] = c.Write[j], c.Write[i] })
				commit := mustCommit(t, base, c)
				if got := want.writeTree(t, bare); commit.Tree.String() != got {
					t.Fatalf("round %d: the tree is %s, and git writes %s for %v", round, commit.Tree, got, want)
				}
				if !slices.Equal(commit.Changed, changed) {
					t.Fatalf("round %d: changed %q, want %q", round, commit.Changed, changed)
				}
				if err := r.Push(t.Context(), branch, old, commit); err != nil {
					t.Fatal(err)
				}
				base, old, have = mustFetch(t, r, branch), commit.Hash, want
				var listed []string
				files, err := base.List(".")
				for _, f := range files {
					listed = append(listed, f.Path)
				}
				if !slices.Equal(listed, slices.Sorted(maps.Keys(want))) || err != nil {
					t.Fatalf("round %d: listed %q, %v", round, listed, err)
				}
				outlined(t, base, files)
			}
		})
	}
	if out := git(t, bare, "fsck", "--strict", "--full"); strings.Contains(out, "error") || strings.Contains(out, "warning") {
		t.Errorf("git fsck: %s", out)
	}
}

// outlined holds the outline of a snapshot, with every directory of the second level closed, against its files.
func outlined(t *testing.T, s *Snapshot, files []tree.Stored) {
	t.Helper()
	second := func(dir string) bool { return strings.Count(dir, "/") == 1 }
	outline, err := s.Outline(second, ".")
	if err != nil {
		t.Fatal(err)
	}
	trees := Trees(files)
	usual := map[string]bool{} // directories in which every file has the usual mode
	var want []tree.Stored
	for _, f := range files {
		parts := strings.SplitN(f.Path, "/", 3)
		if len(parts) < 3 {
			want = append(want, f)
			continue
		}
		dir := parts[0] + "/" + parts[1]
		if n := len(want); n == 0 || want[n-1].Path != dir+"/" {
			want, usual[dir] = append(want, tree.Stored{Path: dir + "/"}), true
		}
		e, _, err := s.find(s.Tree, f.Path)
		usual[dir] = usual[dir] && e.mode == modeFile && err == nil
	}
	if len(outline) != len(want) {
		t.Fatalf("the outline is %v, want %v", outline, want)
	}
	for i, f := range outline {
		if dir, closed := strings.CutSuffix(f.Path, "/"); closed {
			h, ok, err := s.Find(dir)
			if want[i].Path != f.Path || f.Regular || h != f.Hash || !ok || err != nil || usual[dir] != (trees[dir] == f.Hash) {
				t.Errorf("%+v is outlined, and %s is there; Trees gives %s (%v)", f, h, trees[dir], err)
			}
		} else if f != want[i] {
			t.Errorf("%+v is outlined, want %+v", f, want[i])
		}
	}
}

// TestModes keeps what others have made of a file's mode, and lets nothing else than a file be where one is written.
func TestModes(t *testing.T) {
	bare := bareRepo(t, map[string]string{"x": "x"})
	work := t.TempDir()
	git(t, "/", "clone", "-q", bare, work)
	writeFiles(t, work, map[string]string{"run.sh": "#!/bin/sh\n", "other": "o\n"})
	git(t, work, "add", "-A")
	git(t, work, "update-index", "--chmod=+x", "run.sh")
	git(t, work, "update-index", "--add", "--cacheinfo", "120000,"+gitrepo.BlobHash([]byte("x")).String()+",link")
	git(t, work, "update-index", "--add", "--cacheinfo", "120000,"+gitrepo.BlobHash([]byte("x")).String()+",written")
	git(t, work, "update-index", "--add", "--cacheinfo", "160000,"+git(t, work, "rev-parse", "HEAD")+",module")
	git(t, work, "commit", "-q", "-m", "modes")
	git(t, work, "push", "-q", "origin", "main")
	r := mustOpen(t, place{at: bare})
	s := mustFetch(t, r, "main")
	files, err := s.List(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if want := f.Path != "link" && f.Path != "written" && f.Path != "module"; f.Regular != want {
			t.Errorf("%s: regular is %v", f.Path, f.Regular)
		}
	}
	c := change("write")
	c.Write = []File{{"run.sh", []byte("#!/bin/sh\ntrue\n")}, {"written", []byte("x")}}
	commit := mustCommit(t, s, c)
	if want := []string{"run.sh", "written"}; !slices.Equal(commit.Changed, want) {
		t.Errorf("changed %q, want %q", commit.Changed, want)
	}
	if err := r.Push(t.Context(), "main", s.Hash, commit); err != nil {
		t.Fatal(err)
	}
	got := git(t, bare, "ls-tree", "--format=%(objectmode) %(path)", "main")
	if want := "120000 link\n160000 module\n100644 other\n100755 run.sh\n100644 written\n100644 x"; got != want {
		t.Errorf("git has\n%s\nwant\n%s", got, want)
	}
}

// TestInTheWay is every way in which a file and a directory want the same name.
func TestInTheWay(t *testing.T) {
	r := mustOpen(t, place{at: bareRepo(t, map[string]string{"dir/a": "a", "dir/b": "b", "file": "f"})})
	s := mustFetch(t, r, "main")
	for _, test := range []struct {
		write, remove string
		fails         bool
	}{
		{"dir", "dir/a", true},
		{"dir", "dir/a dir/b", false},
		{"file/x", "", true},
		{"file/x/y", "file", false},
		{"", "file/x", false}, // which is not there
		{"", "dir", false},    // which is no file
		{"new new/x", "", true},
		{"dir/a", "dir", false},
	} {
		c := change("x")
		for _, name := range strings.Fields(test.write) {
			c.Write = append(c.Write, File{name, []byte("new")})
		}
		c.Remove = strings.Fields(test.remove)
		if _, err := NewCommit(s, c); errors.Is(err, ErrInTheWay) != test.fails || err != nil && !test.fails {
			t.Errorf("write %q, remove %q: %v", test.write, test.remove, err)
		}
	}
}

func TestBadPaths(t *testing.T) {
	for _, p := range []string{
		"", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", ".git/config", "a/.GIT/x", "a/.git", "git~1/x", ".git. /x", ".g\u200cit/x",
		".git::$INDEX_ALLOCATION/x", "a\\.git\\x", "a\x00b",
	} {
		c := change("x")
		c.Write = []File{{p, nil}}
		if _, err := NewCommit(nil, c); err == nil {
			t.Errorf("%q is taken", p)
		}
	}
	for _, p := range []string{".gitignore", "a/.gitattributes", ".github/x", "git", "git~2", ".gi", "...x"} {
		c := change("x")
		c.Write = []File{{p, nil}}
		if _, err := NewCommit(nil, c); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	c := change("x")
	c.Write, c.Remove = []File{{"a", nil}}, []string{"a"}
	if _, err := NewCommit(nil, c); err == nil {
		t.Error("a path that is written and removed is taken")
	}
	for _, message := range []string{"", " \n", "a\x00b"} {
		c := change("x")
		c.Message = message
		if _, err := NewCommit(nil, c); err == nil {
			t.Errorf("the message %q is taken", message)
		}
	}
}

// TestPerson has git read what a name with marks in it becomes.
func TestPerson(t *testing.T) {
	bare := bareRepo(t, nil)
	r := mustOpen(t, place{at: bare})
	c := change("x")
	c.Author.Name, c.Author.Email, c.Committer.Name = "A <b>\nparent x, ", "a@b\n.c>", "J. R. \"Bob\" Dobbs"
	if err := r.Push(t.Context(), "main", Hash{}, mustCommit(t, nil, c)); err != nil {
		t.Fatal(err)
	}
	clone(t, bare, "main")
	if got, want := git(t, bare, "log", "--format=%an|%ae|%cn|%T", "main"), "A bparent x|a@b.c|J. R. \"Bob\" Dobbs|"+hashOf("tree", nil).String(); got != want {
		t.Errorf("git has %s, want %s", got, want)
	}
	if got := mustFetch(t, r, "main").Committer; got.Name != c.Committer.Name || !got.When.Equal(c.Committer.When) ||
		got.When.Format("-0700") != "+0100" {
		t.Errorf("read back: %+v", got)
	}
}

// TestThin sends of a big directory only what changed in it.
func TestThin(t *testing.T) {
	bare := bareRepo(t, nil)
	for i, p := range places(t, bare)[2:] {
		r := mustOpen(t, p)
		branch := fmt.Sprint("b", i)
		c := change("many")
		for i := range 3000 {
			c.Write = append(c.Write, File{fmt.Sprintf("tenants/t%04d/x.yaml", i), fmt.Append(nil, i)})
		}
		first := mustCommit(t, nil, c)
		if err := r.Push(t.Context(), branch, Hash{}, first); err != nil {
			t.Fatal(err)
		}
		s := mustFetch(t, r, branch)
		c = change("one")
		c.Write = []File{{"tenants/t1500/x.yaml", []byte("changed")}, {"tenants/t1500a/x.yaml", []byte("new")}}
		c.Remove = []string{"tenants/t2999/x.yaml"}
		commit := mustCommit(t, s, c)
		var thin, thick bytes.Buffer
		if _, err := commit.pack(&thin, true, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := commit.pack(&thick, false, nil); err != nil {
			t.Fatal(err)
		}
		if thin.Len() > 2000 || thick.Len() < 50_000 {
			t.Errorf("the pack has %d bytes, and %d in full", thin.Len(), thick.Len())
		}
		if err := r.Push(t.Context(), branch, s.Hash, commit); err != nil {
			t.Fatal(err)
		}
		if got := clone(t, bare, branch); len(got) != 3000 || got["tenants/t1500/x.yaml"] != "changed" || got["tenants/t1500a/x.yaml"] != "new" {
			t.Errorf("the clone has %d files", len(got))
		}
	}
}

// TestUnchanged makes a commit that changes nothing, and says so.
func TestUnchanged(t *testing.T) {
	r := mustOpen(t, place{at: bareRepo(t, map[string]string{"d/a": "a\n"})})
	s := mustFetch(t, r, "main")
	c := change("nothing")
	c.Write, c.Remove = []File{{"d/a", []byte("a\n")}}, []string{"d/b", "e/f"}
	if commit := mustCommit(t, s, c); len(commit.Changed) > 0 || commit.Tree != s.Tree || len(commit.objects) != 1 {
		t.Errorf("changed %q, with %d objects", commit.Changed, len(commit.objects))
	}
	if h, ok, err := s.Find("d"); !ok || err != nil || h.String() != git(t, r.at.path, "rev-parse", "main:d") {
		t.Errorf("d is %s, %v, %v", h, ok, err)
	}
	if _, ok, err := s.Find("d/a/b"); ok || err != nil {
		t.Errorf("d/a/b is there: %v", err)
	}
	if _, err := s.Read(tree.Stored{Path: "x"}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("what is not there gives %v", err)
	}
}
