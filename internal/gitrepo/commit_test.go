package gitrepo

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// identified is an environment that says who makes a commit.
func identified() []string { return environ()[1:] }

// TestCommit holds a commit against what git makes of the same files, and looks at what stays.
func TestCommit(t *testing.T) {
	dir := repository(t, map[string]string{
		"a": "1\n", "a-b": "1\n", "a.d/x": "1\n", "sub/deep/one": "1\n", "sub/two": "1\n", "gone/only": "1\n", "run": "#!/bin/sh\n",
		"staged": "1\n", "dirty": "1\n", "both": "1\n", "late": "1\n",
	})
	git(t, dir, "update-index", "--chmod=+x", "run")
	git(t, dir, "commit", "-q", "-m", "mode")
	git(t, dir, "gc", "-q") // objects and branches are packed
	write(t, dir, map[string]string{"staged": "2\n", "both": "2\n"})
	git(t, dir, "add", "staged", "both")
	write(t, dir, map[string]string{"dirty": "2\n", "late": "mine\n", "untracked": "1\n"})

	r := open(t, dir, identified()...)
	head := resolve(t, r, "HEAD")
	c, done, err := staging(t, r).Commit(t.Context(), NewCommit{
		Parent: head,
		Write: []File{
			{"a/new", []byte("3\n")}, {"sub/deep/one", []byte("3\n")}, {"run", []byte("#!/bin/sh\nexit\n")},
			{"both", []byte("3\n")}, {"late", []byte("3\n")}, {"sub/deep/er/x", []byte("3\n")},
		},
		Remove:  []string{"gone/only", "a"},
		Message: "panchito/web: image a → b\n\nand why\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "fsck", "--strict")
	if got, want := git(t, dir, "rev-parse", "main"), c.Hash.String(); got != want {
		t.Errorf("main is %s, want %s", got, want)
	}
	if got := git(t, dir, "log", "-1", "--format=%an <%ae>|%cn|%s|%b"); got != "a <a@example.com>|a|panchito/web: image a → b|and why" {
		t.Errorf("the commit says %q", got)
	}
	if got := git(t, dir, "reflog", "-2", "--format=%gs", "main"); !strings.HasPrefix(got, "commit: panchito/web: image a → b\n") {
		t.Errorf("the log says %q", got)
	}
	if got, want := git(t, dir, "show", "--format=", "--name-status", "--no-renames", "HEAD"),
		"D\ta\nA\ta/new\nM\tboth\nD\tgone/only\nM\tlate\nM\trun\nA\tsub/deep/er/x\nM\tsub/deep/one"; got != want {
		t.Errorf("it holds\n%s\nwant\n%s", got, want)
	}
	if got := git(t, dir, "ls-tree", "HEAD", "run"); !strings.HasPrefix(got, "100755") {
		t.Errorf("run has lost its mode: %s", got)
	}
	// What was staged or edited is as it was, and nothing else differs.
	if got, want := git(t, dir, "status", "--porcelain"), "M  both\n M dirty\n M late\nM  staged\n?? untracked"; got != want {
		t.Errorf("status is\n%s\nwant\n%s", got, want)
	}
	if got, want := strings.Join(done.Left, " "), "both late"; got != want {
		t.Errorf("left %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "gone")); !os.IsNotExist(err) {
		t.Errorf("gone/ is still there: %v", err)
	}
	// A commit on top of what HEAD is not at any more.
	if _, _, err := staging(t, r).Commit(t.Context(), NewCommit{Parent: head, Message: "late"}); err == nil ||
		err.Error() != "HEAD has changed while zave worked" {
		t.Errorf("got %v", err)
	}
	write(t, dir, map[string]string{".git/refs/heads/main.lock": ""})
	if _, _, err := staging(t, r).Commit(t.Context(), NewCommit{Parent: c, Message: "busy"}); !errors.Is(err, ErrIndexBusy) {
		t.Errorf("got %v", err)
	}
	os.Remove(filepath.Join(dir, ".git/refs/heads/main.lock"))
	// On no branch, HEAD itself moves.
	git(t, dir, "checkout", "-q", "--detach")
	c2, _, err := staging(t, r).Commit(t.Context(), NewCommit{Parent: c, Write: []File{{"a/new", []byte("4\n")}}, Message: "detached"})
	if err != nil {
		t.Fatal(err)
	}
	if got := git(t, dir, "rev-parse", "HEAD", "main"); got != c2.Hash.String()+"\n"+c.Hash.String() {
		t.Errorf("HEAD and main are\n%s", got)
	}
}

// TestStamp asks git itself who would make a commit.
func TestStamp(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, "work", "repo")
	write(t, home, map[string]string{"work/repo/a": "1\n"})
	git(t, dir, "init", "-q", "-b", "main")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "first")
	for _, test := range []struct {
		name, global, local string
		env                 []string
		want                string // empty: whatever git says
	}{
		{"the user's", "[user]\n name = U\n email = u@x\n", "", nil, ""},
		{"the repository's", "[user]\n name = U\n email = u@x\n", "[user]\n\temail = \"r@x\" ; work\n", nil, ""},
		{"the author's own", "[user]\n name = U\n email = u@x\n[author]\n name = \" An <Author>. \"\n", "", nil, ""},
		{"the environment's", "[user]\n name = U\n email = u@x\n", "", []string{"GIT_AUTHOR_NAME=E", "GIT_COMMITTER_EMAIL=c@x"}, ""},
		{"included", "[user]\n name = U\n email = u@x\n[include]\n path = more\n", "", nil, ""},
		{"included for a directory", "[includeIf \"gitdir:~/work/\"]\n path = ~/more\n[user]\n name = U\n", "", nil, ""},
		{"for another directory", "[user]\n name = U\n email = u@x\n[includeIf \"gitdir:~/play/\"]\n path = more\n", "", nil, ""},
		{"for a branch", "[user]\n name = U\n[includeIf \"onbranch:ma*\"]\n path = more\n", "", nil, ""},
		{"nobody", "", "", nil, "git does not know who makes the commit: user.name or user.email is not set"},
		{"signed", "[user]\n name = U\n email = u@x\n[commit]\n gpgSign\n", "", nil, "commit.gpgSign asks for signed commits, and zave signs none"},
		{"an unknown condition", "[includeIf \"hasconfig:remote.*.url:x\"]\n path = more\n", "", nil,
			"git's configuration has the condition \"hasconfig:remote.*.url:x\", which zave does not know"},
	} {
		t.Run(test.name, func(t *testing.T) {
			write(t, home, map[string]string{".gitconfig": test.global, "more": "[user]\n email = more@x\n", "work/repo/.git/config": "[core]\n bare = false\n" + test.local})
			env := append([]string{"HOME=" + home, "GIT_CONFIG_NOSYSTEM=1"}, test.env...)
			got, err := open(t, dir, env...).stamp()
			if test.want != "" {
				if err == nil || err.Error() != test.want {
					t.Errorf("got %v, want %s", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, who := range []struct{ name, got string }{{"GIT_AUTHOR_IDENT", got.author}, {"GIT_COMMITTER_IDENT", got.committer}} {
				want, err := identity(dir, env, who.name)
				if err != nil {
					t.Fatal(want)
				}
				if g := who.got[:strings.Index(who.got, ">")+1]; g != want[:strings.Index(want, ">")+1] {
					t.Errorf("%s is %s, and git says %s", who.name, g, want)
				}
			}
		})
	}
}

// identity is what git makes of an environment alone.
func identity(dir string, env []string, name string) (string, error) {
	cmd := exec.Command("git", "var", name)
	cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
