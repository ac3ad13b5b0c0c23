package remote

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/zavestudios/zave/internal/gitrepo"
)

// sentence wants an error of a kind that says what it has to, with a hint, in one line, and without a secret.
func sentence(t *testing.T, err error, kind error, parts ...string) {
	t.Helper()
	var e *gitrepo.Error
	if !errors.Is(err, kind) || !errors.As(err, &e) {
		t.Errorf("the error is %v (%T), want %v", err, err, kind)
		return
	}
	all := e.Text + " / " + e.Hint
	for _, p := range parts {
		if !strings.Contains(all, p) {
			t.Errorf("it says %q, and not %q", all, p)
		}
	}
	if strings.ContainsAny(all, "\n\r\t\x1b") || strings.Contains(all, "s3cr3t") || strings.HasSuffix(e.Text, ".") {
		t.Errorf("it says %q", all)
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct{ in, scheme, user, dial, path, text string }{
		{"https://git.example.org/a/b.git", "https", "", "git.example.org:443", "/a/b.git", ""},
		{"https://me@git.example.org:8443/a", "https", "me", "git.example.org:8443", "/a", "https://git.example.org:8443/a"},
		{"HTTP://[::1]:3000/a", "http", "", "[::1]:3000", "/a", "http://[::1]:3000/a"},
		{"http://localhost/a", "http", "", "localhost:80", "/a", ""},
		{"ssh://git@git.example.org/a/b", "ssh", "git", "git.example.org:22", "/a/b", ""},
		{"ssh://git@git.example.org:2222/~me/b", "ssh", "git", "git.example.org:2222", "~me/b", ""},
		{"git@git.example.org:a/b.git", "ssh", "git", "git.example.org:22", "a/b.git", ""},
		{"host:/srv/b.git", "ssh", "", "host:22", "/srv/b.git", ""},
		{"[::1]:b", "ssh", "", "[::1]:22", "b", ""},
		{"file:///srv/b.git", "file", "", "", "/srv/b.git", ""},
		{"file://localhost/srv/b%20c", "file", "", "", "/srv/b c", "file:///srv/b c"},
		{"/srv/b.git/", "file", "", "", "/srv/b.git", "/srv/b.git"},
		{"../b.git", "file", "", "", "/home/b.git", "/home/b.git"},
		{"./a:b", "file", "", "", "/home/me/a:b", "/home/me/a:b"},
	} {
		a, err := parseAddress(test.in, "/home/me")
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
			continue
		}
		if test.text == "" {
			test.text = test.in
		}
		if a.scheme != test.scheme || a.user != test.user || a.path != test.path || a.text != test.text || test.dial != "" && a.dial() != test.dial {
			t.Errorf("%s is %+v", test.in, a)
		}
	}
	for in, says := range map[string]string{
		"":                                    "empty",
		"https://me:s3cr3t@host/a":            "https://host/a without it", // zave:allow-secret the subject of this test
		"https://ghp_s3cr3t@host/a":           "https://host/a without it",
		"https://glpat-s3cr3t@host/a":         "https://host/a without it",
		"ssh://git:s3cr3t@host/a":             "ssh://host/a without it", // zave:allow-secret the subject of this test
		"https://host/a?private_token=s3cr3t": "nothing more",
		"https://host/a#s3cr3t":               "nothing more",
		"https://host":                        "a host and a path",
		"https:///a":                          "a host and a path",
		"http://host/a":                       "use https://",
		"http://192.0.2.1/a":                  "use https://",
		"git://host/a":                        "scheme",
		"ext::sh -c s3cr3t":                   "",
		"file://other/a/../..":                "absolute path",
		"ssh://-oProxyCommand=x/a":            "dash",
		"-oProxyCommand=x:a":                  "dash",
		"host:-x":                             "dash",
		"https://me:s3cr3t@ho st/%zz":         "cannot be read", // zave:allow-secret the subject of this test
		"https://host/a\nb":                   "control characters",
	} {
		_, err := Open(in, Options{})
		if in == "ext::sh -c s3cr3t" { // a host called ext, and never a command
			if err != nil {
				t.Errorf("%s: %v", in, err)
			}
			continue
		}
		sentence(t, err, ErrAddress, says)
	}
	r := mustOpen(t, place{at: "/srv/x"})
	for _, branch := range []string{"", "a..b", "-x", "refs/heads/x", "a b", "a/", "/a", "a//b", "x.lock", ".x", "a~1", "a^", "a:b", "@", "HEAD", "a@{1}", "a\\b", "a.", "a\x00"} {
		if _, err := r.Head(t.Context(), branch); !errors.Is(err, ErrNoBranch) {
			t.Errorf("the branch %q: %v", branch, err)
		}
	}
}

func TestCredentials(t *testing.T) {
	home := t.TempDir()
	writeFiles(t, home, map[string]string{
		".git-credentials":        "https://other:pw1@host.example\nhttps://me:p%40ss@host.example:8443\nnonsense\nhttps://you:pw3@host.example\n", // zave:allow-secret the subject of this test
		".config/git/credentials": "https://x:pw4@xdg.example\n",
		".netrc":                  "machine net.example login a password pw5\nmachine net.example login b password pw6 account z\ndefault login d password pw7",
	})
	for _, test := range []struct {
		at, env, user, password string
	}{
		{"https://host.example/a", "ZAVE_GIT_TOKEN=t", "x-access-token", "t"},
		{"https://me@host.example/a", "ZAVE_GIT_TOKEN=t", "me", "t"},
		{"https://github.com/a", "GITHUB_TOKEN=t", "x-access-token", "t"},
		{"https://ghe.example/a", "GITHUB_TOKEN=t GITHUB_SERVER_URL=https://ghe.example", "x-access-token", "t"},
		{"https://github.com/a", "GH_TOKEN=t GITHUB_SERVER_URL=https://ghe.example HOME=", "", ""},
		{"https://gitlab.com/a", "CI_JOB_TOKEN=j GITLAB_TOKEN=t", "oauth2", "t"},
		{"https://gl.example/a", "CI_JOB_TOKEN=j CI_SERVER_URL=https://gl.example:8443/x", "gitlab-ci-token", "j"},
		{"https://evil.example/a", "CI_JOB_TOKEN=j GITLAB_TOKEN=t GITHUB_TOKEN=t GH_TOKEN=t HOME=", "", ""},
		{"https://host.example/a", "", "other", "pw1"},
		{"https://you@host.example/a", "", "you", "pw3"},
		{"https://host.example:8443/a", "", "me", "p@ss"},
		{"http://localhost/a", "HOME=", "", ""},
		{"https://xdg.example/a", "", "x", "pw4"},
		{"https://xdg.example/a", "XDG_CONFIG_HOME=/nonexistent", "d", "pw7"},
		{"https://net.example/a", "", "a", "pw5"},
		{"https://b@net.example/a", "", "b", "pw6"},
	} {
		a, err := parseAddress(test.at, "")
		if err != nil {
			t.Fatal(err)
		}
		env := map[string]string{"HOME": home}
		for v := range strings.FieldsSeq(test.env) {
			name, value, _ := strings.Cut(v, "=")
			env[name] = value
		}
		if l, err := findLogin(a, env); err != nil || l.user != test.user || l.password != test.password || (l.from == "") != (l.password == "") {
			t.Errorf("%s with %s: %+v, %v", test.at, test.env, l, err)
		}
	}
}

// TestRefused is what can be wrong with a remote, and what is said then.
func TestRefused(t *testing.T) {
	bare := bareRepo(t, map[string]string{"a": "a"})
	root, name := filepath.Dir(bare), filepath.Base(bare)
	h, s := serveHTTP(t, root), serveSSH(t)
	token := []string{"ZAVE_GIT_TOKEN=" + testToken}
	head := func(at string, o Options) error {
		t.Helper()
		r, err := Open(at, o)
		if err != nil {
			return err
		}
		_, err = r.Head(t.Context(), "main")
		return err
	}
	sentence(t, head(h+"/"+name, Options{}), ErrCredentials, "asks for credentials", "ZAVE_GIT_TOKEN")
	sentence(t, head(h+"/"+name, Options{Environ: []string{"ZAVE_GIT_TOKEN=s3cr3t-wrong"}}), ErrCredentials, "does not accept", "ZAVE_GIT_TOKEN")
	sentence(t, head(h+"/none.git", Options{Environ: token}), ErrNoRepo, h+"/none.git", "ZAVE_GIT_TOKEN may see it")
	sentence(t, head("ssh://git@"+s.addr+"/none.git", s.options), ErrNoRepo, "does not appear to be a git repository")
	sentence(t, head(filepath.Join(root, "none.git"), Options{}), ErrNoRepo, "git init --bare")
	sentence(t, head(t.TempDir(), Options{}), ErrNoRepo, "git init --bare")

	with := func(change func(o *Options)) Options {
		o := s.options
		change(&o)
		return o
	}
	at := "ssh://git@" + s.addr + bare
	unknown := filepath.Join(s.dir, "unknown")
	changed := filepath.Join(s.dir, "changed")
	mixed := filepath.Join(s.dir, "mixed")
	public := filepath.Join(s.dir, "public")
	stranger := serveSSH(t)
	writeFiles(t, s.dir, map[string]string{
		"unknown": "", "changed": knownhosts.Line([]string{s.addr}, stranger.hostKey.PublicKey()) + "\n", "mixed": "what is this\n",
		"public": string(ssh.MarshalAuthorizedKey(s.hostKey.PublicKey())),
	})
	sentence(t, head(at, with(func(o *Options) { o.Environ = []string{"SSH_KNOWN_HOSTS=" + unknown} })), ErrHostKey, s.addr, "ssh-keyscan -p ")
	sentence(t, head(at, with(func(o *Options) { o.Environ = []string{"SSH_KNOWN_HOSTS=" + changed} })), ErrHostKey, "standing in",
		ssh.FingerprintSHA256(s.hostKey.PublicKey()), changed)
	sentence(t, head(at, with(func(o *Options) { o.Environ = []string{"SSH_KNOWN_HOSTS=" + mixed} })), ErrHostKey, "cannot be read", "mend the line")
	sentence(t, head(at, with(func(o *Options) { o.Environ = []string{"SSH_KNOWN_HOSTS=" + filepath.Join(s.dir, "none")} })), ErrHostKey,
		"cannot be read: no such file")
	sentence(t, head(at, with(func(o *Options) { o.KeyFile = filepath.Join(stranger.dir, "user") })), ErrCredentials, "does not accept the key in "+stranger.dir, "for the user git")
	sentence(t, head(at, with(func(o *Options) { o.KeyFile = filepath.Join(s.dir, "none") })), ErrCredentials, "no such file")
	sentence(t, head(at, with(func(o *Options) { o.KeyFile = public })), ErrCredentials, "has a public key", "without .pub")
	sentence(t, head(at, with(func(o *Options) { o.KeyFile = changed })), ErrCredentials, "no private key")
	sentence(t, head(at, with(func(o *Options) { o.KeyFile = "" })), ErrCredentials, "ssh-add")

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	sentence(t, head("http://"+closed.Addr().String()+"/a", Options{}), ErrUnreachable, "refused")
	sentence(t, head("ssh://"+closed.Addr().String()+"/a", s.options), ErrUnreachable, "refused")
	sentence(t, head("https://host.invalid/a", Options{}), ErrUnreachable, "there is no host host.invalid")

	silent, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	hasty := s.options
	hasty.Patience = 100 * time.Millisecond
	sentence(t, head("http://"+silent.Addr().String()+"/a", hasty), ErrUnreachable, "in time")
	sentence(t, head("ssh://"+silent.Addr().String()+"/a", hasty), ErrUnreachable, "in time")

	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	sentence(t, head(tls.URL+"/a", Options{}), ErrUnreachable, "does not trust", "SSL_CERT_FILE")

	answers := map[string]http.HandlerFunc{
		"page": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"sent": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.invalid/x/info/refs", http.StatusFound)
		},
		"sick": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "down\n\x1b[1mfor "+testToken, http.StatusServiceUnavailable)
		},
		"not": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "remote: Permission denied\n", http.StatusForbidden)
		},
		"loop": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) },
		"other": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			fmt.Fprint(w, "what?")
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			fmt.Fprint(w, "001e# service=git-upload")
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers[strings.Split(r.URL.Path, "/")[1]](w, r)
	}))
	defer server.Close()
	for _, test := range []struct {
		at    string
		kind  error
		parts []string
	}{
		{"page", ErrNoRepo, []string{"answers with text/html, and not as a git server does", "proxy"}},
		{"sent", ErrUnreachable, []string{"sends on to https://elsewhere.invalid/x,"}},
		{"loop", ErrUnreachable, []string{"sends on to"}},
		{"sick", ErrUnreachable, []string{"status 503", "***"}},
		{"not", ErrCredentials, []string{": Permission denied"}},
		{"other", ErrNoRepo, []string{"does not answer as a git server does"}},
		{"cut", ErrUnreachable, []string{"in the middle of its answer"}},
	} {
		sentence(t, head(server.URL+"/"+test.at, Options{Environ: token}), test.kind, test.parts...)
	}
}

// TestDeclined has hooks refuse, over every way.
func TestDeclined(t *testing.T) {
	bare := bareRepo(t, map[string]string{"a": "a"})
	for _, p := range places(t, bare) {
		r := mustOpen(t, p)
		s := mustFetch(t, r, "main")
		c := change("x")
		c.Write = []File{{"a", []byte("b")}}
		commit := mustCommit(t, s, c)
		hook := filepath.Join(bare, "hooks", "pre-receive")
		script := "#!/bin/sh\necho 'only by pull request' >&2\nprintf '\\033[1m%s\\n' '" + testToken + "' >&2\nexit 1\n"
		if err := os.WriteFile(hook, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		err := r.Push(t.Context(), "main", s.Hash, commit)
		switch p.name {
		case "path", "file":
			sentence(t, err, ErrDeclined, "pre-receive", "ssh://")
		case "ssh": // which knows no token that could be kept back
			if !errors.Is(err, ErrDeclined) || !strings.Contains(err.Error(), "only by pull request") {
				t.Errorf("the push gives %v", err)
			}
		default:
			sentence(t, err, ErrDeclined, "the branch main", "pre-receive hook declined", "only by pull request", "review branch")
		}
		if err := os.Remove(hook); err != nil {
			t.Fatal(err)
		}
		if got := git(t, bare, "rev-parse", "main"); got != s.Hash.String() {
			t.Fatalf("the branch moved to %s", got)
		}
	}
	if out := git(t, bare, "count-objects"); !strings.HasPrefix(out, "3 ") {
		t.Errorf("what was declined stays: %s", out)
	}
}

// TestDamaged reads repositories in which an object is missing or wrong.
func TestDamaged(t *testing.T) {
	for i := range 4 {
		bare := bareRepo(t, map[string]string{"d/a": "a", "b": "b"})
		p := places(t, bare)[i]
		t.Run(p.name, func(t *testing.T) {
			broken := git(t, bare, "rev-parse", "main:d")
			file := filepath.Join(bare, "objects", broken[:2], broken[2:])
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			s, err := mustOpen(t, p).Fetch(t.Context(), "main")
			if err == nil {
				defer s.Close()
				_, err = s.List("d")
			}
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnreachable) {
				t.Errorf("a missing tree gives %v", err)
			}
			sentence(t, err, cause(err), p.at)
			head := git(t, bare, "rev-parse", "main")
			if err := os.Remove(filepath.Join(bare, "objects", head[:2], head[2:])); err != nil {
				t.Fatal(err)
			}
			if s, err := mustOpen(t, p).Fetch(t.Context(), "main"); err == nil {
				s.Close()
				t.Error("a missing commit is no error")
			}
		})
	}
}

func cause(err error) error {
	if errors.Is(err, ErrCorrupt) {
		return ErrCorrupt
	}
	return ErrUnreachable
}

// TestLocalRules is what git would not do to a repository here, or do otherwise.
func TestLocalRules(t *testing.T) {
	bare := bareRepo(t, map[string]string{"a": "a"})
	work := filepath.Join(t.TempDir(), "work")
	git(t, "/", "clone", "-q", bare, work)
	count := 0
	push := func(dir, branch string, old Hash) error {
		t.Helper()
		r := mustOpen(t, place{at: dir})
		from := "main"
		if !old.IsZero() {
			from = branch
		}
		s := mustFetch(t, r, from)
		count++
		c := change(fmt.Sprint("push ", count))
		c.Write = []File{{"a", []byte("b")}}
		if old.IsZero() {
			return r.Push(t.Context(), branch, Hash{}, mustCommit(t, s, c))
		}
		return r.Push(t.Context(), branch, s.Hash, mustCommit(t, s, c))
	}
	sentence(t, push(work, "main", Hash{1}), ErrDeclined, "checked out in")
	if err := push(work, "review/x", Hash{}); err != nil {
		t.Errorf("a branch that is not checked out: %v", err)
	}
	git(t, work, "worktree", "add", "-q", filepath.Join(t.TempDir(), "linked"), "review/x")
	sentence(t, push(work, "review/x", Hash{1}), ErrDeclined, "checked out in")
	sentence(t, push(work, "review/x/y", Hash{}), ErrDeclined, "beside review/x")
	git(t, work, "pack-refs", "--all")
	sentence(t, push(work, "review/x/y", Hash{}), ErrDeclined, "beside review/x")
	sentence(t, push(work, "review", Hash{}), ErrDeclined, "beside review/x")

	git(t, bare, "branch", "other/deep/x", "main")
	git(t, bare, "branch", "-D", "other/deep/x")
	if err := os.MkdirAll(filepath.Join(bare, "refs", "heads", "other", "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := push(bare, "other", Hash{}); err != nil {
		t.Errorf("a branch where empty directories are: %v", err)
	}
	git(t, bare, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
	sentence(t, push(bare, "alias", Hash{1}), ErrDeclined, "another name for main")
	git(t, bare, "pack-refs", "--all")
	if err := push(bare, "main", Hash{1}); err != nil {
		t.Errorf("a branch that is in packed-refs: %v", err)
	}
	lock := filepath.Join(bare, "refs", "heads", "main.lock")
	writeFiles(t, bare, map[string]string{"refs/heads/main.lock": ""})
	sentence(t, push(bare, "main", Hash{1}), ErrRaced, lock)
	if _, err := os.Stat(lock); err != nil {
		t.Error("somebody else's lock is gone")
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"hooks", "own"} {
		if setting == "own" {
			git(t, bare, "config", "core.hooksPath", filepath.Join(bare, "own"))
			os.RemoveAll(filepath.Join(bare, "hooks"))
		}
		writeFiles(t, bare, map[string]string{setting + "/post-receive": "#!/bin/sh\n"})
		if err := push(bare, "main", Hash{1}); err != nil {
			t.Errorf("a hook that cannot be executed: %v", err)
		}
		if err := os.Chmod(filepath.Join(bare, setting, "post-receive"), 0o755); err != nil {
			t.Fatal(err)
		}
		sentence(t, push(bare, "main", Hash{1}), ErrDeclined, "hooks for pushes (post-receive)")
	}
	clone(t, bare, "main")
}
