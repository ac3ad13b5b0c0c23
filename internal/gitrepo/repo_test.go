package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// environ is one in which git goes by the repository alone.
func environ() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
		"GIT_ALLOW_PROTOCOL=file",
	}
}

// git runs git, and gives what it prints.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := tryGit(dir, nil, args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func tryGit(dir string, env []string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, append(environ(), env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimRight(string(out), "\n"), err
}

// write writes files, by path.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// repository makes one with a commit of those files.
func repository(t testing.TB, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "init", "-q", "-b", "main")
	write(t, dir, files)
	if len(files) > 0 {
		git(t, dir, "add", ".")
		git(t, dir, "commit", "-q", "-m", "first")
	}
	return dir
}

func open(t testing.TB, dir string, env ...string) *Repo {
	t.Helper()
	r, err := Open(dir, Options{Environ: env})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func staging(t testing.TB, r *Repo) *Staging {
	t.Helper()
	s, err := r.Staging()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func resolve(t testing.TB, r *Repo, rev string) *Commit {
	t.Helper()
	c, err := r.Resolve(rev)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOpen opens every kind of repository that git makes, and finds the same directories and the same HEAD.
func TestOpen(t *testing.T) {
	main := repository(t, map[string]string{"a": "1\n", "sub/b": "2\n"})
	base := t.TempDir()
	worktree, bare, submodule, separate := filepath.Join(base, "wt"), filepath.Join(base, "bare"), filepath.Join(base,
		"super", "mod"), filepath.Join(base, "sep")
	shared := filepath.Join(base, "shared")
	git(t, main, "worktree", "add", "-q", "-b", "other", worktree)
	git(t, base, "clone", "-q", "--bare", main, bare)
	git(t, base, "init", "-q", "-b", "main", "super")
	git(t, filepath.Join(base, "super"), "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", main, "mod")
	git(t, base, "clone", "-q", "--separate-git-dir", filepath.Join(base, "sep.git"), main, separate)
	git(t, base, "clone", "-q", "--shared", main, shared)
	git(t, shared, "checkout", "-q", "-b", "new")
	write(t, shared, map[string]string{"c": "3\n"})
	git(t, shared, "add", ".")
	git(t, shared, "commit", "-q", "-m", "second")
	git(t, main, "gc", "-q") // packs, and packed references
	for _, dir := range []string{main, filepath.Join(main, "sub"), worktree, bare, submodule, separate, shared} {
		r := open(t, dir)
		c := resolve(t, r, "HEAD")
		if want := git(t, dir, "rev-parse", "HEAD"); c.Hash.String() != want {
			t.Errorf("%s: HEAD is %s, want %s", dir, c.Hash, want)
		}
		if want := git(t, dir, "rev-parse", "--absolute-git-dir"); r.GitDir() != want {
			t.Errorf("%s: the git directory is %s, want %s", dir, r.GitDir(), want)
		}
		files := ls(t, r, c)
		if want := git(t, dir, "ls-tree", "-r", "--format=%(objectmode) %(objectname) %(path)", "--full-tree",
			"HEAD"); files != want {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", dir, files, want)
		}
		if dir == bare {
			if r.WorkTree() != "" {
				t.Errorf("the bare repository has a work tree: %s", r.WorkTree())
			}
			continue
		}
		if want := git(t, dir, "rev-parse", "--show-toplevel"); r.WorkTree() != want {
			t.Errorf("%s: the work tree is %s, want %s", dir, r.WorkTree(), want)
		}
		if prefix, err := r.Prefix(dir); err != nil || prefix+"/" != "./" && prefix+"/" != git(t, dir, "rev-parse",
			"--show-prefix") {
			t.Errorf("%s: the prefix is %q (%v)", dir, prefix, err)
		}
	}
}

// ls lists a commit's files as git ls-tree does.
func ls(t *testing.T, r *Repo, c *Commit) string {
	t.Helper()
	f := r.FS(c, ".")
	var out []string
	var walk func(dir string)
	walk = func(dir string) {
		nodes, err := f.nodes(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			name := strings.TrimPrefix(dir+"/"+n.name, "./")
			if n.mode == Directory {
				walk(name)
				continue
			}
			out = append(out, fmt.Sprintf("%06o %s %s", n.mode, n.hash, name))
		}
	}
	walk(".")
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(a[48:], b[48:]) })
	return strings.Join(out, "\n")
}

// TestEnvironment is what git tells a hook.
func TestEnvironment(t *testing.T) {
	dir := repository(t, map[string]string{"a": "1\n"})
	other := filepath.Join(t.TempDir(), "x")
	r := open(t, other, "GIT_DIR="+filepath.Join(dir, ".git"), "GIT_WORK_TREE="+dir)
	if r.WorkTree() != dir || resolve(t, r, "HEAD").Subject != "first" {
		t.Errorf("work tree %s", r.WorkTree())
	}
	git(t, dir, "read-tree", "--index-output=.git/second", "HEAD")
	r = open(t, dir, "GIT_INDEX_FILE=.git/third", "GIT_DIR=.git")
	if got := staging(t, r).Below("."); len(got) != 0 {
		t.Errorf("an index that is not there has %d files", len(got))
	}
	if _, err := Open(other, Options{Environ: []string{"GIT_DIR=" + other}}); err == nil {
		t.Error("GIT_DIR leads to nothing, and there was no error")
	}
}

// TestRefused is what zave does not read, each with the way out.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name, text, hint string
		make             func(dir string) string
	}{
		{"no repository", "is not within a git repository", "git init", func(dir string) string { return filepath.Dir(dir) }},
		{"sha256", "names its objects by sha256", "--object-format=sha1", func(dir string) string {
			sub := filepath.Join(dir, "s")
			git(t, dir, "init", "-q", "--object-format=sha256", "s")
			return sub
		}},
		{"reftable", `keeps its branches in the form "reftable"`, "git refs migrate", func(dir string) string {
			git(t, dir, "config", "core.repositoryformatversion", "1")
			git(t, dir, "config", "extensions.refStorage", "reftable")
			return dir
		}},
		{"extension", `the extension "frobnicate"`, "", func(dir string) string {
			git(t, dir, "config", "core.repositoryformatversion", "1")
			git(t, dir, "config", "extensions.frobnicate", "1")
			return dir
		}},
		{"format", "format version 7", "", func(dir string) string {
			git(t, dir, "config", "core.repositoryformatversion", "7")
			return dir
		}},
		{"moved", "which is not there", "git worktree repair", func(dir string) string {
			write(t, dir, map[string]string{"w/.git": "gitdir: ../nowhere\n"})
			return filepath.Join(dir, "w")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := repository(t, map[string]string{"a": "1\n"})
			_, err := Open(test.make(dir), Options{})
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Text, test.text) || !strings.Contains(e.Hint, test.hint) {
				t.Errorf("%v, want %q and %q", err, test.text, test.hint)
			}
		})
	}
}

// TestIndexRefused is an index that zave does not read.
func TestIndexRefused(t *testing.T) {
	for _, test := range []struct{ text, hint string }{{"split", "--no-split-index"}, {"sparse", "--no-sparse-index"}} {
		dir := repository(t, map[string]string{"a": "1\n", "x/y/b": "2\n", "z/c": "3\n"})
		if test.text == "split" {
			git(t, dir, "update-index", "--split-index")
		} else {
			git(t, dir, "sparse-checkout", "set", "--cone", "--sparse-index", "z")
		}
		_, err := open(t, dir).Staging()
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Text, test.text) || !strings.Contains(e.Hint, test.hint) {
			t.Errorf("%v, want %q and %q", err, test.text, test.hint)
		}
	}
}

// TestFS holds commits and the index against the rules for file systems, and against git.
func TestFS(t *testing.T) {
	dir := repository(t, map[string]string{"top/a.cue": "a\n", "top/a-b/c": "c\n", "top/a/d": "d\n", "top/e/f/g": "g\n",
		"out": "o\n", "top.x": "x\n"})
	for link, target := range map[string]string{"link": "a/d", "dir": "e", "up": "../out", "abs": "/etc", "loop": "loop",
		"gone": "nothing", "back": "e/../a/d"} {
		if err := os.Symlink(target, filepath.Join(dir, "top", link)); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "second")
	r := open(t, dir)
	commit := r.FS(resolve(t, r, "HEAD"), "top")
	for name, f := range map[string]*FS{"commit": commit, "index": staging(t, r).FS("top")} {
		t.Run(name, func(t *testing.T) {
			sub := &FS{repo: r, prefix: "top/e", src: f.src}
			if err := fstest.TestFS(sub, "f/g"); err != nil {
				t.Error(err)
			}
			entries, err := fs.ReadDir(f, ".")
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range entries {
				names = append(names, e.Name())
			}
			if got, want := strings.Join(names, " "), "a a-b a.cue abs back dir e gone link loop up"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			for name, want := range map[string]string{"link": "d\n", "dir/f/g": "g\n", "back": "d\n", "a.cue": "a\n"} {
				if got, err := fs.ReadFile(f, name); err != nil || string(got) != want {
					t.Errorf("%s holds %q (%v), want %q", name, got, err, want)
				}
				if got, ok := f.Hash(name); !ok || got != BlobHash([]byte(want)).String() {
					t.Errorf("%s has the hash %s", name, got)
				}
			}
			for name, want := range map[string]string{"up": "path escapes", "abs": "path escapes", "loop": "too many levels",
				"a/d/x": "not exist", "gone": "not exist", "e": "directory"} {
				if _, err := fs.ReadFile(f, name); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", name, err, want)
				}
			}
			if _, err := f.Stat("gone"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a link to nothing: %v", err)
			}
			if target, err := f.ReadLink("up"); err != nil || target != "../out" {
				t.Errorf("the link leads to %q (%v)", target, err)
			}
			if _, ok := f.Hash("e"); ok {
				t.Error("a directory has a hash")
			}
		})
	}
	// What the work tree has does not count, only what git has.
	write(t, dir, map[string]string{"top/a.cue": "changed\n"})
	if got, err := fs.ReadFile(commit, "a.cue"); err != nil || string(got) != "a\n" {
		t.Errorf("%q (%v)", got, err)
	}
}

// TestResolve asks git the same.
func TestResolve(t *testing.T) {
	dir := repository(t, map[string]string{"a": "1\n"})
	for i := range 4 {
		git(t, dir, "commit", "-q", "--allow-empty", "-m", fmt.Sprint(i))
	}
	git(t, dir, "tag", "light", "HEAD~1")
	git(t, dir, "tag", "-a", "-m", "t", "heavy", "HEAD~2")
	git(t, dir, "tag", "-a", "-m", "t", "twice", "heavy")
	git(t, dir, "branch", "feature/x", "HEAD~2")
	git(t, dir, "checkout", "-q", "feature/x")
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "x")
	git(t, dir, "checkout", "-q", "main")
	git(t, dir, "merge", "-q", "--no-ff", "-m", "merge", "feature/x")
	git(t, dir, "update-ref", "refs/remotes/origin/main", "HEAD~1")
	git(t, dir, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
	git(t, dir, "remote", "add", "origin", dir)
	git(t, dir, "config", "branch.main.remote", "origin")
	git(t, dir, "config", "branch.main.merge", "refs/heads/main")
	full := git(t, dir, "rev-parse", "HEAD")
	revs := []string{
		"HEAD", "@", "HEAD~", "HEAD~3", "HEAD^2", "HEAD^2~1", "HEAD^1^", "HEAD^^", "HEAD~1^0", "main", "feature/x",
		"heads/main",
		"refs/heads/feature/x", "light", "heavy", "heavy^{}", "heavy^{commit}~1", "twice", "tags/light", "origin/main",
		"origin", full, full[:7], full[:5],
		strings.ToUpper(full[:8]), "@{u}", "main@{upstream}", "HEAD@{u}~1",
	}
	for _, packed := range []bool{false, true} {
		if packed {
			git(t, dir, "gc", "-q")
		}
		r := open(t, dir)
		for _, rev := range revs {
			if got, want := resolve(t, r, rev).Hash.String(), git(t, dir, "rev-parse", rev+"^{commit}"); got != want {
				t.Errorf("%s is %s, want %s", rev, got, want)
			}
		}
		for rev, want := range map[string]string{
			"nowhere": `there is no revision "nowhere"`, "HEAD~99": "has no parent", "HEAD^3": "has 2 parents", "": "empty",
			strings.Repeat("0", 40): "there is no commit", "HEAD:a": "names a file", "HEAD@{1}": "earlier state",
			"config":                           "there is no revision",
			git(t, dir, "rev-parse", "HEAD:a"): "is not a commit", "HEAD~x": "not a revision",
			"../config": "there is no revision",
		} {
			_, err := r.Resolve(rev)
			if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", rev, err, want)
			}
		}
		if name, c, err := r.MainBranch(); err != nil || name != "origin/main" || c.Hash != resolve(t, r,
			"origin/main").Hash {
			t.Errorf("the main branch is %s (%v)", name, err)
		}
	}
}

// TestUnborn is a repository without a commit.
func TestUnborn(t *testing.T) {
	dir := repository(t, nil)
	r := open(t, dir)
	if _, err := r.Resolve("HEAD"); !errors.Is(err, ErrUnbornHead) {
		t.Errorf("%v", err)
	}
	if c, err := r.Head(); c != nil || err != nil {
		t.Errorf("%v, %v", c, err)
	}
	if _, _, err := r.MainBranch(); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	write(t, dir, map[string]string{"a": "1\n"})
	git(t, dir, "add", "a")
	changes, err := staging(t, r).Changes()
	if err != nil || len(changes) != 1 || changes[0].Status != Added {
		t.Errorf("%v, %v", changes, err)
	}
}

// TestMergeBase asks git the same of random histories with merges, criss-cross ones too, and with clocks that are
// wrong.
func TestMergeBase(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 8 {
		dir := repository(t, nil)
		tree := git(t, dir, "mktree", "-z")
		var commits []string
		for i := range 14 {
			args := []string{"commit-tree", "-m", fmt.Sprint(i), tree}
			if i > 1 { // two roots
				for _, p := range rng.Perm(len(commits))[:min(1+rng.IntN(2), len(commits))] {
					args = append(args, "-p", commits[max(p, len(commits)-5)])
				}
				if len(args) == 8 && args[5] == args[7] {
					args = args[:6]
				}
			}
			when := 1700000000 + i*60
			if round%2 == 1 {
				when -= rng.IntN(900)
			}
			out, err := tryGit(dir, []string{fmt.Sprintf("GIT_COMMITTER_DATE=%d +0000", when)}, args...)
			if err != nil {
				t.Fatal(out)
			}
			commits = append(commits, out)
		}
		r := open(t, dir)
		for range 30 {
			a, b := commits[rng.IntN(len(commits))], commits[rng.IntN(len(commits))]
			out, err := tryGit(dir, nil, "merge-base", "--all", a, b)
			c, gotErr := r.MergeBase(resolve(t, r, a), resolve(t, r, b))
			switch {
			case err != nil && !errors.Is(gotErr, ErrUnrelated):
				t.Errorf("round %d: %s and %s have no common ancestor; got %v, %v", round, a, b, c, gotErr)
			case err == nil && (gotErr != nil || !slices.Contains(strings.Fields(out), c.Hash.String())):
				t.Errorf("round %d: %s and %s: got %v (%v), want one of %s", round, a, b, c, gotErr, out)
			}
		}
	}
}

// TestMergeBaseClocks is a common ancestor whose clock was ahead, so that it is found before the one that comes after
// it.
func TestMergeBaseClocks(t *testing.T) {
	dir := repository(t, nil)
	tree := git(t, dir, "mktree", "-z")
	commit := func(when int, parents ...string) string {
		t.Helper()
		args := []string{"commit-tree", "-m", fmt.Sprint(when), tree}
		for _, p := range parents {
			args = append(args, "-p", p)
		}
		out, err := tryGit(dir, []string{fmt.Sprintf("GIT_COMMITTER_DATE=%d +0000", 1700000000+when)}, args...)
		if err != nil {
			t.Fatal(out)
		}
		return out
	}
	for _, between := range []int{0, 1, 3} {
		first := commit(500)
		at := first
		for i := range between {
			at = commit(10+i, at)
		}
		best := commit(100, at)
		left, right := commit(900, first, best), commit(901, best, first)
		r := open(t, dir)
		c, err := r.MergeBase(resolve(t, r, left), resolve(t, r, right))
		if err != nil || c.Hash.String() != best || git(t, dir, "merge-base", "--all", left, right) != best {
			t.Errorf("%d between: %v (%v), want %s", between, c, err, best)
		}
	}
}

// TestShallow is a clone whose history is cut off.
func TestShallow(t *testing.T) {
	origin := repository(t, map[string]string{"a": "1\n"})
	for i := range 5 {
		git(t, origin, "commit", "-q", "--allow-empty", "-m", fmt.Sprint(i))
	}
	git(t, origin, "checkout", "-q", "-b", "feature", "HEAD~4")
	git(t, origin, "commit", "-q", "--allow-empty", "-m", "f")
	base := t.TempDir()
	git(t, base, "clone", "-q", "--depth=2", "--no-single-branch", "file://"+origin, "clone")
	dir := filepath.Join(base, "clone")
	r := open(t, dir)
	if !r.Shallow() {
		t.Error("not shallow")
	}
	for _, rev := range []string{"HEAD~3", "nowhere", git(t, origin, "rev-parse", "main~2")} {
		_, err := r.Resolve(rev)
		var e *Error
		if !errors.Is(err, ErrShallow) || !errors.As(err, &e) || !strings.Contains(e.Hint, "fetch-depth: 0") {
			t.Errorf("%s: %v", rev, err)
		}
	}
	if _, err := r.MergeBase(resolve(t, r, "origin/main"), resolve(t, r, "HEAD")); !errors.Is(err, ErrShallow) {
		t.Errorf("%v", err)
	}
	git(t, dir, "fetch", "-q", "--deepen=10")
	r = open(t, dir)
	c, err := r.MergeBase(resolve(t, r, "origin/main"), resolve(t, r, "HEAD"))
	if err != nil || c.Hash.String() != git(t, dir, "merge-base", "origin/main", "HEAD") {
		t.Errorf("%v, %v", c, err)
	}
}

// TestPartial is a clone without blobs, of which nothing is fetched.
func TestPartial(t *testing.T) {
	origin := repository(t, map[string]string{"a": "1\n"})
	git(t, origin, "config", "uploadpack.allowFilter", "true")
	write(t, origin, map[string]string{"a": "2\n"})
	git(t, origin, "commit", "-q", "-a", "-m", "second")
	base := t.TempDir()
	git(t, base, "clone", "-q", "--filter=blob:none", "file://"+origin, "clone")
	dir := filepath.Join(base, "clone")
	r := open(t, dir)
	f := r.FS(resolve(t, r, "HEAD~1"), ".")
	_, err := fs.ReadFile(f, "a")
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Text, "the clone is partial") {
		t.Errorf("%v", err)
	}
	git(t, dir, "cat-file", "-p", "HEAD~1:a") // as the hint says
	r = open(t, dir)
	f = r.FS(resolve(t, r, "HEAD~1"), ".")
	if got, err := fs.ReadFile(f, "a"); err != nil || string(got) != "1\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestIndexRoundTrip reads indexes that git wrote, in each version and with what may be in one, and writes them anew.
// git reads what was written as it read its own.
func TestIndexRoundTrip(t *testing.T) {
	long := strings.Repeat("long/", 900) + "x" // more than the 4,095 bytes that an entry's length can say
	for _, version := range []string{"2", "3", "4"} {
		dir := repository(t, map[string]string{"a": "1\n", "b/c": "2\n", "b/d e": "3\n", "b/é": "4\n", "b.x": "5\n",
			"s/t/u/v": "6\n", "w": "7\n"})
		git(t, dir, "update-index", "--index-version", version)
		blob := git(t, dir, "rev-parse", "HEAD:a")
		git(t, dir, "update-index", "--add", "--cacheinfo", "100755,"+blob+","+long)
		git(t, dir, "update-index", "--assume-unchanged", "w")
		if version != "2" {
			git(t, dir, "update-index", "--skip-worktree", "b.x")
			write(t, dir, map[string]string{"intent": "8\n"})
			git(t, dir, "add", "-N", "intent")
		}
		in := fmt.Sprintf("100644 %s 1\tconflict\n100644 %s 2\tconflict\n100644 %s 3\tconflict\n", blob, blob, blob)
		cmd := exec.Command("git", "update-index", "--index-info")
		cmd.Dir, cmd.Env, cmd.Stdin = dir, environ(), strings.NewReader(in)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		name := filepath.Join(dir, ".git", "index")
		want := git(t, dir, "ls-files", "--stage", "--debug", "-t")
		before, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		x, err := parseIndex(before)
		if err != nil {
			t.Fatal(err)
		}
		if (version != "2") != (x.version > 2) {
			t.Errorf("version %d, want %s", x.version, version)
		}
		after := x.encode()
		if err := os.WriteFile(name, after, 0o666); err != nil {
			t.Fatal(err)
		}
		if got := git(t, dir, "ls-files", "--stage", "--debug", "-t"); got != want {
			t.Errorf("version %s:\ngot\n%s\nwant\n%s", version, got, want)
		}
		// The extensions that are left out are those for speed.
		if x.tree == nil || len(after) != len(before) {
			t.Errorf("version %s: %d bytes became %d", version, len(before), len(after))
		}
		if !bytes.Equal(before, after) {
			t.Errorf("version %s: other bytes", version)
		}
	}
}

// TestStage stages beside everything that must stay, and asks git whether it is as if git had done it.
func TestStage(t *testing.T) {
	for _, version := range []string{"2", "4"} {
		t.Run(version, func(t *testing.T) {
			files := map[string]string{
				"out/same": "1\n", "out/old": "2\n", "out/edited": "3\n", "out/gone/deep/x": "4\n", "out/gone/y": "5\n",
				"out/missing": "6\n", "spec": "7\n", "half": "8\n", "out/dir": "9\n", "out/editedgone": "10\n", "z": "11\n",
				"out/flat/a": "12\n", "out/flat/b/c": "13\n",
			}
			dir := repository(t, files)
			git(t, dir, "config", "core.untrackedCache", "true")
			git(t, dir, "update-index", "--index-version", version)
			write(t, dir, map[string]string{"spec": "7 staged\n", "half": "8 staged\n"})
			git(t, dir, "add", "spec", "half")
			write(t, dir, map[string]string{"half": "8 and more\n", "out/edited": "3 by hand\n", "out/foreign": "mine\n",
				"out/editedgone": "10 by hand\n", "untracked": "u\n"})
			if err := os.Remove(filepath.Join(dir, "out", "missing")); err != nil {
				t.Fatal(err)
			}
			git(t, dir, "status")
			tree := git(t, dir, "write-tree")
			s := staging(t, open(t, dir))
			done, err := s.Stage(context.Background(), []File{
				{"out/same", []byte("1\n")}, {"out/old", []byte("2 new\n")}, {"out/edited", []byte("3 new\n")}, {"out/new/a",
					[]byte("n\n")},
				{"out/missing", []byte("6 new\n")}, {"out/foreign", []byte("f\n")}, {"out/dir/now", []byte("d\n")},
				{"out/flat", []byte("flat\n")},
			}, []string{"out/flat/a", "out/flat/b/c", "out/gone/deep/x", "out/gone/y", "out/dir", "out/editedgone", "out/never"})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := strings.Join(done.Written, " "),
				"out/dir/now out/edited out/flat out/foreign out/missing out/new/a out/old"; got != want {
				t.Errorf("wrote %s, want %s", got, want)
			}
			if got, want := strings.Join(done.Removed, " "),
				"out/dir out/editedgone out/flat/a out/flat/b/c out/gone/deep/x out/gone/y"; got != want {
				t.Errorf("removed %s, want %s", got, want)
			}
			if got, want := strings.Join(done.Left, " "), "out/edited out/editedgone out/foreign out/missing"; got != want {
				t.Errorf("left %s, want %s", got, want)
			}
			got := git(t, dir, "status", "--porcelain", "--no-renames", "-uall")
			if wanted := `MM half
D  out/dir
A  out/dir/now
MM out/edited
D  out/editedgone
A  out/flat
D  out/flat/a
D  out/flat/b/c
AM out/foreign
D  out/gone/deep/x
D  out/gone/y
MD out/missing
A  out/new/a
M  out/old
M  spec
?? out/editedgone
?? untracked`; got != wanted {
				t.Errorf("git status:\n%s\nwant\n%s", got, wanted)
			}
			if _, err := os.Stat(filepath.Join(dir, "out", "gone")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the empty directory is still there: %v", err)
			}
			// The tree is the one that git makes of the same: its cache of trees is right, too.
			mine := git(t, dir, "write-tree")
			if mine == tree {
				t.Error("nothing was staged")
			}
			if out := git(t, dir, "fsck", "--strict", "--no-dangling"); out != "" {
				t.Errorf("git fsck: %s", out)
			}
			other := "GIT_INDEX_FILE=" + filepath.Join(t.TempDir(), "index")
			if out, err := tryGit(dir, []string{other}, "read-tree", tree); err != nil {
				t.Fatal(out)
			}
			for name, text := range map[string]string{
				"out/old": "2 new\n", "out/edited": "3 new\n", "out/new/a": "n\n", "out/missing": "6 new\n", "out/foreign": "f\n",
				"out/dir/now": "d\n", "out/flat": "flat\n",
			} {
				if name == "out/flat" {
					tryGit(dir, []string{other}, "update-index", "--force-remove", "out/flat/a", "out/flat/b/c")
				}
				if strings.HasPrefix(name, "out/dir") {
					tryGit(dir, []string{other}, "update-index", "--force-remove", "out/dir")
				}
				cmd := exec.Command("git", "hash-object", "-w", "--stdin")
				cmd.Dir, cmd.Env, cmd.Stdin = dir, environ(), strings.NewReader(text)
				h, err := cmd.Output()
				if err != nil {
					t.Fatal(err)
				}
				if out, err := tryGit(dir, []string{other}, "update-index", "--add", "--cacheinfo",
					"100644,"+strings.TrimSpace(string(h))+","+name); err != nil {
					t.Fatal(out)
				}
			}
			if out, err := tryGit(dir, []string{other}, "update-index", "--force-remove", "out/gone/deep/x", "out/gone/y",
				"out/editedgone"); err != nil {
				t.Fatal(out)
			}
			if theirs, _ := tryGit(dir, []string{other}, "write-tree"); theirs != mine {
				t.Errorf("the tree is %s, git makes %s", mine, theirs)
			}
		})
	}
}

// TestStageRandom stages whatever it likes over a clean work tree, which then is what git would have staged of it.
func TestStageRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	name := func() string {
		parts := []string{"a", "a-b", "a.b", "b", "ab", "é"}
		out := parts[rng.IntN(len(parts))]
		for range rng.IntN(4) {
			out += "/" + parts[rng.IntN(len(parts))]
		}
		return out
	}
	for round := range 12 {
		files := map[string]string{"keep": "k\n"}
		free := func(n string) bool { // neither above nor below another
			for f := range files {
				if f == n || strings.HasPrefix(f, n+"/") || strings.HasPrefix(n, f+"/") {
					return false
				}
			}
			return true
		}
		for range 30 {
			if n := name(); free(n) {
				files[n] = fmt.Sprintln(rng.IntN(5))
			}
		}
		dir := repository(t, files)
		git(t, dir, "update-index", "--index-version", []string{"2", "4"}[round%2])
		var remove []string
		for _, n := range slices.Sorted(maps.Keys(files)) {
			if n != "keep" && rng.IntN(3) == 0 {
				remove = append(remove, n)
				delete(files, n)
			}
		}
		var write []File
		for range 20 {
			n := name()
			if _, there := files[n]; there && !slices.ContainsFunc(write, func(f File) bool { return f.Path == n }) || free(n) {
				files[n] = fmt.Sprintln(rng.IntN(5))
				write = append(write, File{n, []byte(files[n])})
				remove = slices.DeleteFunc(remove, func(r string) bool { return r == n })
			}
		}
		done, err := staging(t, open(t, dir)).Stage(context.Background(), write, remove)
		if err != nil || len(done.Left) > 0 {
			t.Fatalf("round %d: %v, left %q", round, err, done.Left)
		}
		if out := git(t, dir, "diff", "--name-status") + git(t, dir, "ls-files", "--others"); out != "" {
			t.Errorf("round %d: the work tree differs:\n%s", round, out)
		}
		other := []string{"GIT_INDEX_FILE=" + filepath.Join(t.TempDir(), "index")}
		if out, err := tryGit(dir, other, "add", "-A"); err != nil {
			t.Fatal(out)
		}
		want, err := tryGit(dir, other, "write-tree")
		if err != nil {
			t.Fatal(want)
		}
		if got := git(t, dir, "write-tree"); got != want {
			t.Errorf("round %d: the tree is %s, git makes %s", round, got, want)
		}
		if out := git(t, dir, "fsck", "--strict", "--no-dangling"); out != "" {
			t.Errorf("round %d: %s", round, out)
		}
	}
}

// TestStageRacy changes a file within the second in which the index was written, without a trace in size or time. git
// still finds it after the index is written anew.
func TestStageRacy(t *testing.T) {
	dir := repository(t, map[string]string{"a": "one\n", "b": "1\n"})
	name := filepath.Join(dir, "a")
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	// The index gets the file's own second, whatever the machine's speed.
	index := filepath.Join(dir, ".git", "index")
	if err := os.Chtimes(index, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "config", "core.trustctime", "false")
	if err := os.WriteFile(name, []byte("two\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if _, err := staging(t, open(t, dir)).Stage(context.Background(), []File{{"b", []byte("2\n")}}, nil); err != nil {
		t.Fatal(err)
	}
	later := info.ModTime().Add(1e10)
	if err := os.Chtimes(index, later, later); err != nil {
		t.Fatal(err)
	}
	if got := git(t, dir, "status", "--porcelain"); got != " M a\nM  b" {
		t.Errorf("git status:\n%s", got)
	}
}

// TestStageBusy is an index that another git has, and one that has changed.
func TestStageBusy(t *testing.T) {
	dir := repository(t, map[string]string{"a": "1\n"})
	s := staging(t, open(t, dir))
	lock := filepath.Join(dir, ".git", "index.lock")
	if err := os.WriteFile(lock, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := lockIndex(ctx, filepath.Join(dir, ".git", "index")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	_, err := s.Stage(context.Background(), []File{{"a", []byte("2\n")}}, nil)
	if !errors.Is(err, ErrIndexBusy) {
		t.Errorf("%v", err)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"b": "2\n"})
	git(t, dir, "add", "b")
	_, err = s.Stage(context.Background(), []File{{"a", []byte("2\n")}}, nil)
	if err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("%v", err)
	}
	if got := git(t, dir, "status", "--porcelain"); got != "A  b" {
		t.Errorf("git status: %s", got)
	}
	if _, err := os.Stat(lock); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock is still there: %v", err)
	}
}

// TestStageSparse leaves alone what lies outside of a sparse checkout.
func TestStageSparse(t *testing.T) {
	dir := repository(t, map[string]string{"in/a": "1\n", "out/b": "2\n", "out/d": "3\n"})
	git(t, dir, "sparse-checkout", "set", "--cone", "--no-sparse-index", "in")
	if _, err := staging(t, open(t, dir)).Stage(context.Background(), []File{{"in/a", []byte("1 new\n")}, {"out/b",
		[]byte("2 new\n")}, {"out/c", []byte("n\n")}}, nil); err != nil {
		t.Fatal(err)
	}
	if got := git(t, dir, "status", "--porcelain"); got != "M  in/a\nM  out/b\nA  out/c" {
		t.Errorf("git status:\n%s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestChanges holds what is staged against git diff --cached.
func TestChanges(t *testing.T) {
	text := strings.Repeat("line\n", 3) + "x\ny\nz\nw\n"
	dir := repository(t, map[string]string{"a": "1\n", "d/e/f": "2\n", "d/g": "3\n", "moved": text,
		"edited": text + "more\n", "same/x": "4\n", "t": "5\n"})
	git(t, dir, "mv", "moved", "there")
	git(t, dir, "mv", "edited", "d/edited")
	git(t, dir, "rm", "-q", "-r", "d/e")
	write(t, dir, map[string]string{"a": "1 new\n", "new/n": "6\n", "d/edited": text + "less\n", "intent": "7\n",
		"d/e": "now a file\n"})
	git(t, dir, "add", "a", "new", "d")
	git(t, dir, "add", "-N", "intent")
	write(t, dir, map[string]string{"t": "not staged\n"})
	s := staging(t, open(t, dir))
	changes, err := s.Changes()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%c %s %s", " AMDR"[c.Status], c.Path, c.From)))
	}
	want := []string{"M a", "A d/e", "D d/e/f", "R d/edited edited", "A new/n", "R there moved"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := s.IntentToAdd(); !slices.Equal(got, []string{"intent"}) {
		t.Errorf("%q", got)
	}
	if _, err := s.FS(".").Stat("intent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is only to be added is there: %v", err)
	}
}

// TestMerging leaves out what a merge brings in.
func TestMerging(t *testing.T) {
	dir := repository(t, map[string]string{"a": "1\n", "b": "1\n"})
	git(t, dir, "checkout", "-q", "-b", "other")
	write(t, dir, map[string]string{"a": "theirs\n", "c": "theirs\n"})
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "theirs")
	git(t, dir, "checkout", "-q", "main")
	write(t, dir, map[string]string{"a": "ours\n"})
	git(t, dir, "commit", "-q", "-a", "-m", "ours")
	if out, err := tryGit(dir, nil, "merge", "-q", "other"); err == nil {
		t.Fatal(out)
	}
	r := open(t, dir)
	s := staging(t, r)
	if got := s.Unmerged(); !slices.Equal(got, []string{"a"}) || r.Operation() != "merge" {
		t.Errorf("%q, %q", got, r.Operation())
	}
	own := func(s *Staging, want ...string) {
		t.Helper()
		changes, err := s.Changes()
		if err != nil {
			t.Fatal(err)
		}
		if changes, err = s.Own(changes); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range changes {
			got = append(got, c.Path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	own(s)
	// A file in conflict that is staged is no longer in conflict.
	if _, err := s.Stage(context.Background(), []File{{"a", []byte("both\n")}}, nil); err != nil {
		t.Fatal(err)
	}
	if got := git(t, dir, "status", "--porcelain"); got != "M  a\nA  c" {
		t.Errorf("git status:\n%s", got)
	}
	own(staging(t, r), "a")
}

// TestIgnored asks git the same.
func TestIgnored(t *testing.T) {
	dir := repository(t, map[string]string{
		".gitignore": "/out/tree\n*.tmp\n!keep.tmp\nbuild/\n", "deep/.gitignore": "here\n", "a": "1\n",
	})
	write(t, dir, map[string]string{".git/info/exclude": "excluded\n"})
	r := open(t, dir)
	for _, name := range []string{"out/tree", "out/tree/x", "out/other", "x.tmp", "keep.tmp", "build", "deep/here",
		"here", "excluded", "a", "deep/build/x/y"} {
		_, err := tryGit(dir, nil, "check-ignore", "-q", "--no-index", name+"/")
		got, e := r.Ignored(name)
		if e != nil || got != (err == nil) {
			t.Errorf("%s: ignored %v (%v), git says %v", name, got, e, err == nil)
		}
	}
}

// FuzzIndex parses any bytes, and what can be read is written as it was read.
func FuzzIndex(f *testing.F) {
	dir := repository(f, map[string]string{"a": "1\n", "b/c": "2\n"})
	for _, version := range []string{"2", "4"} {
		git(f, dir, "update-index", "--index-version", version)
		data, err := os.ReadFile(filepath.Join(dir, ".git", "index"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := parseIndex(data)
		if err != nil {
			return
		}
		again, err := parseIndex(x.encode())
		if err != nil || len(again.entries) != len(x.entries) {
			t.Fatalf("%v", err)
		}
		for i, e := range x.entries {
			if n := again.entries[i]; n.Path != e.Path || n.Hash != e.Hash || n.Stage != e.Stage || n.Mode != e.Mode ||
				n.Skip != e.Skip {
				t.Fatalf("%+v became %+v", e, n)
			}
		}
	})
}

// BenchmarkIndex reads and writes the index of a tree of 1,000 tenants.
func BenchmarkIndex(b *testing.B) {
	x := &index{version: 2}
	for tenant := range 1000 {
		for file := range 46 {
			e := Entry{Path: fmt.Sprintf("out/tenants/cloud/tenant-%04d/app/object-%02d.yaml", tenant, file), Mode: Regular,
				Hash: BlobHash([]byte{byte(file)})}
			e.setStat(nil)
			x.entries = append(x.entries, e)
		}
	}
	data := x.encode()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		x, err := parseIndex(data)
		if err != nil {
			b.Fatal(err)
		}
		x.encode()
	}
}
