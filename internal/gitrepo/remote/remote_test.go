package remote

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// gitEnv is an environment for git that nothing of this machine's user gets into.
func gitEnv() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.org",
		"GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000", "GIT_TERMINAL_PROMPT=0",
	}
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, gitEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// bareRepo makes a bare repository with one commit of files on main; no files: with none.
func bareRepo(t testing.TB, files map[string]string) string {
	t.Helper()
	bare := filepath.Join(t.TempDir(), "gitops.git")
	git(t, "/", "init", "-q", "--bare", "-b", "main", bare)
	if len(files) > 0 {
		work := t.TempDir()
		git(t, "/", "init", "-q", "-b", "main", work)
		writeFiles(t, work, files)
		git(t, work, "add", "-A")
		git(t, work, "commit", "-q", "-m", "start")
		git(t, work, "push", "-q", bare, "main")
	}
	return bare
}

func writeFiles(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// clone gives the files that git finds in a branch, after it has found the repository to be sound.
func clone(t testing.TB, bare, branch string) map[string]string {
	t.Helper()
	if out := git(t, bare, "fsck", "--strict", "--full"); strings.Contains(out, "error") || strings.Contains(out, "missing") {
		t.Fatalf("git fsck: %s", out)
	}
	dir := filepath.Join(t.TempDir(), "clone")
	git(t, "/", "clone", "-q", "--no-local", "-b", branch, bare, dir)
	files := map[string]string{}
	for name := range strings.SplitSeq(git(t, dir, "ls-files", "-z"), "\x00") {
		if name == "" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	return files
}

// place is a way to reach a repository.
type place struct {
	name    string
	at      string
	options Options
}

// places serves a bare repository in every way there is.
func places(t testing.TB, bare string) []place {
	t.Helper()
	h := serveHTTP(t, filepath.Dir(bare))
	s := serveSSH(t)
	name := filepath.Base(bare)
	return []place{
		{"path", bare, Options{}},
		{"file", "file://" + bare, Options{}},
		{"http", h + "/" + name, Options{Environ: []string{"ZAVE_GIT_TOKEN=" + testToken}}},
		{"ssh", "ssh://git@" + s.addr + bare, s.options},
	}
}

const testToken = "s3cr3t-token" // zave:allow-secret of a server that the test starts

// serveHTTP runs git http-backend behind basic authentication, and gives its address.
func serveHTTP(t testing.TB, root string) string {
	t.Helper()
	server := httptest.NewServer(httpBackend(t, root))
	t.Cleanup(server.Close)
	return server.URL
}

func httpBackend(t testing.TB, root string) http.Handler {
	backend := &cgi.Handler{
		Path: filepath.Join(git(t, "/", "--exec-path"), "git-http-backend"),
		Env: append(gitEnv(), "GIT_PROJECT_ROOT="+root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=zave",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"),
		Stderr: io.Discard,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		if password != testToken {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		// The backend would wait forever, at full speed, for the rest of a request that was cut off. A proxy keeps it from that.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		backend.ServeHTTP(w, r)
	})
}

// sshServer is an ssh server in this process, which runs git's two programs.
type sshServer struct {
	addr    string
	options Options // to be let in
	hostKey ssh.Signer
	dir     string
}

func serveSSH(t testing.TB) *sshServer {
	t.Helper()
	dir := t.TempDir()
	key := func(name string) ssh.Signer {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			t.Fatal(err)
		}
		writeFiles(t, dir, map[string]string{name: string(pem.EncodeToMemory(block))})
		s, err := ssh.NewSignerFromKey(private)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	server := &sshServer{hostKey: key("host"), dir: dir}
	user := key("user").PublicKey()
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), user.Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(server.hostKey)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { serveConn(c, config) })
		}
	})
	server.addr = listener.Addr().String()
	writeFiles(t, dir, map[string]string{"known_hosts": knownhosts.Line([]string{server.addr}, server.hostKey.PublicKey()) + "\n"})
	server.options = Options{
		KeyFile: filepath.Join(dir, "user"), Environ: []string{"SSH_KNOWN_HOSTS=" + filepath.Join(dir, "known_hosts")},
	}
	return server
}

func serveConn(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close()
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		channel, requests, err := ch.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			if r.Type != "exec" {
				r.Reply(false, nil)
				continue
			}
			r.Reply(true, nil)
			var command struct{ Line string }
			ssh.Unmarshal(r.Payload, &command)
			cmd := exec.Command("sh", "-c", command.Line)
			cmd.Env = gitEnv()
			in, _ := cmd.StdinPipe()
			cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
			status := uint32(1)
			if cmd.Start() == nil {
				go func() {
					io.Copy(in, channel)
					in.Close()
				}()
				if cmd.Wait() == nil {
					status = 0
				}
			}
			channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			channel.Close()
		}
	}
}

func mustOpen(t testing.TB, p place) *Remote {
	t.Helper()
	r, err := Open(p.at, p.options)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustFetch(t testing.TB, r *Remote, branch string) *Snapshot {
	t.Helper()
	s, err := r.Fetch(t.Context(), branch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func person() Person {
	return Person{"Zave", "zave@example.org", time.Unix(1700000100, 0).In(time.FixedZone("", 3600))}
}

func change(message string) Change {
	return Change{Author: person(), Committer: person(), Message: message + "\n"}
}

func mustCommit(t testing.TB, base *Snapshot, c Change) *Commit {
	t.Helper()
	out, err := NewCommit(base, c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPublish goes once through what a publish does, over every way: read, change, push, and the same again.
func TestPublish(t *testing.T) {
	start := map[string]string{
		"README.md": "theirs\n", ".zave/index.json": "{}\n", "tenants/a/x.yaml": "a: 1\n", "tenants/b/x.yaml": "b: 1\n",
		"tenants/b/only.yaml": "c\n", "tenants-old/y.yaml": "y\n", "tenants.yaml": "z\n",
	}
	for _, filter := range []string{"false", "true"} {
		for i := range 4 {
			bare := bareRepo(t, start)
			git(t, bare, "config", "uploadpack.allowFilter", filter)
			git(t, bare, "config", "uploadpack.allowAnySHA1InWant", filter)
			p := places(t, bare)[i]
			t.Run(p.name+"/filter="+filter, func(t *testing.T) {
				r := mustOpen(t, p)
				s := mustFetch(t, r, "main")
				if s.Hash.String() != git(t, bare, "rev-parse", "main") || s.Message != "start\n" || s.Author.Email != "a@example.org" {
					t.Errorf("the head is %+v", s.Head)
				}
				files, err := s.List("tenants/b", "nothing", ".zave")
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, f := range files {
					names = append(names, f.Path)
				}
				if want := []string{".zave/index.json", "tenants/b/only.yaml", "tenants/b/x.yaml"}; !slices.Equal(names, want) {
					t.Errorf("listed %q, want %q", names, want)
				}
				if err := s.Need(t.Context(), files); err != nil {
					t.Fatal(err)
				}
				if data, err := s.Read(files[2]); err != nil || string(data) != "b: 1\n" {
					t.Errorf("read %q, %v", data, err)
				}
				c := change("tenants: one less")
				c.Write = []File{{"tenants/a/x.yaml", []byte("a: 2\n")}, {"tenants/a/deep/er/n.yaml", []byte("new\n")}, {"README.md", []byte("theirs\n")}}
				c.Remove = []string{"tenants/b/x.yaml", "tenants/b/only.yaml", "tenants/none.yaml"}
				commit := mustCommit(t, s, c)
				if want := []string{"tenants/a/deep/er/n.yaml", "tenants/a/x.yaml", "tenants/b/only.yaml", "tenants/b/x.yaml"}; !slices.Equal(commit.Changed, want) {
					t.Errorf("changed %q, want %q", commit.Changed, want)
				}
				if err := r.Push(t.Context(), "main", s.Hash, commit); err != nil {
					t.Fatal(err)
				}
				want := maps.Clone(start)
				want["tenants/a/x.yaml"], want["tenants/a/deep/er/n.yaml"] = "a: 2\n", "new\n"
				delete(want, "tenants/b/x.yaml")
				delete(want, "tenants/b/only.yaml")
				if got := clone(t, bare, "main"); !maps.Equal(got, want) {
					t.Errorf("the clone has %v, want %v", got, want)
				}
				if got := git(t, bare, "log", "-1", "--format=%H %P %an <%ae> %ad|%s", "--date=raw", "main"); got !=
					fmt.Sprintf("%s %s Zave <zave@example.org> 1700000100 +0100|tenants: one less", commit.Hash, s.Hash) {
					t.Errorf("git log says %s", got)
				}
				if err := r.Push(t.Context(), "main", s.Hash, commit); err != nil {
					t.Errorf("to push what is there gives %v", err)
				}
				c.Message = "another\n"
				late := mustCommit(t, s, c)
				if err := r.Push(t.Context(), "main", s.Hash, late); !errors.Is(err, ErrRaced) {
					t.Errorf("a push that is late gives %v", err)
				}
				if err := r.Push(t.Context(), "review/a", Hash{}, late); err != nil {
					t.Errorf("a new branch: %v", err)
				}
				if err := r.Push(t.Context(), "review/a", Hash{}, commit); !errors.Is(err, ErrRaced) {
					t.Errorf("a new branch that is there already: %v", err)
				}
				for h, want := range map[Hash]bool{s.Hash: true, commit.Hash: true, late.Hash: false} {
					if got, err := r.Landed(t.Context(), "main", h); got != want || err != nil {
						t.Errorf("%s landed: %v, %v", h, got, err)
					}
				}
				again := mustFetch(t, r, "main")
				changes, err := again.LastChange(t.Context(), []string{"README.md", "tenants/a/x.yaml", "tenants/b/x.yaml", "never"})
				if err != nil {
					t.Fatal(err)
				}
				for name, want := range map[string]Hash{"README.md": s.Hash, "tenants/a/x.yaml": commit.Hash, "tenants/b/x.yaml": commit.Hash} {
					if changes[name] == nil || changes[name].Hash != want {
						t.Errorf("%s was last changed by %+v, want %s", name, changes[name], want)
					}
				}
				if c, ok := changes["never"]; ok {
					t.Errorf("what was never there was last changed by %+v", c)
				}
			})
		}
	}
}

// TestFirst makes the first commit of an empty repository.
func TestFirst(t *testing.T) {
	for i := range 4 {
		bare := bareRepo(t, nil)
		p := places(t, bare)[i]
		t.Run(p.name, func(t *testing.T) {
			r := mustOpen(t, p)
			if _, err := r.Fetch(t.Context(), "main"); !errors.Is(err, ErrEmpty) {
				t.Fatalf("an empty repository gives %v", err)
			}
			c := change("the first")
			want := map[string]string{}
			for i := range 150 { // enough for a pack
				name := fmt.Sprintf("d%d/f%d.yaml", i%7, i)
				want[name] = strings.Repeat(name+"\n", i)
				c.Write = append(c.Write, File{name, []byte(want[name])})
			}
			if err := r.Push(t.Context(), "main", Hash{}, mustCommit(t, nil, c)); err != nil {
				t.Fatal(err)
			}
			if got := clone(t, bare, "main"); !maps.Equal(got, want) {
				t.Errorf("the clone has %d files, want %d", len(got), len(want))
			}
			if _, err := r.Fetch(t.Context(), "prod"); !errors.Is(err, ErrNoBranch) {
				t.Errorf("a branch that is not there gives %v", err)
			}
		})
	}
}

// TestForward never moves a branch back or aside, which a server lets who may push do.
func TestForward(t *testing.T) {
	for i := range 4 {
		bare := bareRepo(t, map[string]string{"a": "a"})
		p := places(t, bare)[i]
		t.Run(p.name, func(t *testing.T) {
			r := mustOpen(t, p)
			first := mustFetch(t, r, "main")
			one := change("one")
			one.Write = []File{{"a", []byte("b")}}
			next := mustCommit(t, first, one)
			if err := r.Push(t.Context(), "main", first.Hash, next); err != nil {
				t.Fatal(err)
			}
			other := change("other")
			other.Write = []File{{"a", []byte("c")}}
			aside := mustCommit(t, first, other)
			if err := r.Push(t.Context(), "main", next.Hash, aside); err == nil || !strings.Contains(err.Error(), "is not known to come from "+next.Hash.String()) {
				t.Errorf("a commit that leaves out the head: %v", err)
			}
			if head := git(t, bare, "rev-parse", "main"); head != next.Hash.String() {
				t.Errorf("the branch is at %s, want %s", head, next.Hash)
			}
			if err := r.Push(t.Context(), "review", Hash{}, mustCommit(t, first, other)); err != nil {
				t.Fatal(err)
			}
			merge := change("both")
			merge.Onto, merge.Write = []Hash{aside.Hash}, []File{{"a", []byte("d")}}
			if err := r.Push(t.Context(), "review", aside.Hash, mustCommit(t, mustFetch(t, r, "main"), merge)); err != nil {
				t.Error(err)
			}
			further := change("further")
			further.Behind, further.Write = []Hash{first.Hash}, []File{{"a", []byte("e")}}
			git(t, bare, "branch", "old", first.Hash.String())
			if err := r.Push(t.Context(), "old", first.Hash, mustCommit(t, mustFetch(t, r, "main"), further)); err != nil {
				t.Error(err)
			}
			if bases := git(t, bare, "merge-base", "--all", first.Hash.String(), "old"); bases != first.Hash.String() {
				t.Errorf("the branch came from %s, and now from %q", first.Hash, bases)
			}
		})
	}
}
