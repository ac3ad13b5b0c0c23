package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// githttp serves the script's directory by git http-backend, to who says the password, at $GIT_URL: githttp PASSWORD.
func githttp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: githttp PASSWORD")
	}
	out, err := exec.Command("git", "--exec-path").Output()
	ts.Check(err)
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env: []string{
			"GIT_PROJECT_ROOT=" + ts.Getenv("WORK"), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=zave", "GIT_CONFIG_COUNT=1",
			"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
		Stderr: io.Discard,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != args[0] {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	ts.Setenv("GIT_URL", server.URL)
}

// publishers are clones of one repository of specs, with these tenants, and the repository that they publish to, which
// has the specs' first commit.
func publishers(t *testing.T, n int, tenants ...string) (clones []*publisher, gitops string) {
	t.Helper()
	top := t.TempDir()
	specs := filepath.Join(top, "specs")
	if err := merge(specs, os.DirFS(filepath.Join("testdata", "estate"))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(specs, "tenants", "blog", "tenant.cue"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tenants {
		dir := filepath.Join(specs, "tenants", name)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		own := strings.ReplaceAll(strings.ReplaceAll(string(text), `"blog"`, `"`+name+`"`), "package blog", "package "+name)
		own = strings.ReplaceAll(own, `		expose: "public-http"`+"\n", "")
		if err := os.WriteFile(filepath.Join(dir, "tenant.cue"), []byte(own), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	gitops = filepath.Join(top, "gitops.git")
	first := &publisher{dir: specs, gitops: gitops, cache: filepath.Join(top, "cache"), at: 1_700_000_000}
	first.run(t, "git", "init", "-q", "-b", "main")
	first.run(t, "git", "add", ".")
	first.run(t, "git", "commit", "-q", "-m", "first")
	first.run(t, "git", "init", "-q", "--bare", "-b", "main", gitops)
	first.run(t, "zave", "publish", "--repo", gitops, "--adopt")
	for i := range n {
		p := *first
		p.dir = filepath.Join(top, fmt.Sprintf("clone%d", i))
		first.run(t, "git", "clone", "-q", specs, p.dir)
		clones = append(clones, &p)
	}
	return clones, gitops
}

// publisher is one of them.
type publisher struct {
	dir, gitops, cache string
	at                 int64 // when it commits, in seconds
}

func (p *publisher) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "HOME="+p.cache, "XDG_CACHE_HOME="+p.cache, "GIT_CONFIG_NOSYSTEM=1",
		fmt.Sprintf("GIT_AUTHOR_DATE=%d +0000", p.at), fmt.Sprintf("GIT_COMMITTER_DATE=%d +0000", p.at))
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		cmd.Env = append(cmd.Env, "GIT_"+who+"_NAME=Test", "GIT_"+who+"_EMAIL=test@example.com")
	}
	return cmd
}

func (p *publisher) run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := p.command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit sets the port of a tenant's workload.
func (p *publisher) commit(t testing.TB, tenant string, port int) {
	t.Helper()
	file := filepath.Join(p.dir, "tenants", tenant, "tenant.cue")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), "port:   ")
	text = fmt.Appendf(nil, "%sport:   %d%s", before, port, after[4:])
	if err := os.WriteFile(file, text, 0o666); err != nil {
		t.Fatal(err)
	}
	p.run(t, "git", "commit", "-q", "-a", "-m", tenant)
}

// published gives the port of a tenant's workload in the GitOps repository.
func (p *publisher) published(t testing.TB, tenant string) string {
	t.Helper()
	text := p.run(t, "git", "-C", p.gitops, "show", "main:tenants/dev/"+tenant+"/app/deployment-web.yaml")
	_, rest, _ := strings.Cut(text, "containerPort: ")
	return rest[:4]
}

// TestPublishers has eight publish at once, again and again, each from a clone that knows nothing of the others' commits:
// five have a tenant of their own, or share it with one of the other three. Of each tenant the latest commit is what is
// published in the end, no commit is lost, and all are in one line.
func TestPublishers(t *testing.T) {
	t.Parallel()
	tenants := []string{"alpha", "beta", "gamma", "delta", "epsilon"}
	clones, gitops := publishers(t, 8, tenants...)
	const rounds = 3
	for round := range rounds {
		want := map[string]string{}
		for i, p := range clones {
			p.at = 1_700_000_000 + int64(100*(round+1)+i)
			port := 2000 + 100*round + i
			p.commit(t, tenants[i%len(tenants)], port)
			want[tenants[i%len(tenants)]] = fmt.Sprint(port) // the latest of those who share it
		}
		var all sync.WaitGroup
		for i, p := range clones {
			all.Go(func() {
				for range 10 {
					out, err := p.command("zave", "publish", "--repo", gitops).CombinedOutput()
					if err == nil {
						return
					}
					if !bytes.Contains(out, []byte("somebody else was first 5 times over")) {
						t.Errorf("round %d, publisher %d: %v\n%s", round, i, err, out)
						return
					}
				}
				t.Errorf("round %d, publisher %d never got its turn", round, i)
			})
		}
		all.Wait()
		for name, port := range want {
			if got := clones[0].published(t, name); got != port {
				t.Errorf("round %d: %s has port %s, want %s\n%s", round, name, got, port,
					clones[0].run(t, "git", "-C", gitops, "log", "--format=%h %s%n%(trailers)", "main"))
			}
		}
	}
	p := clones[0]
	if merges := p.run(t, "git", "-C", gitops, "rev-list", "--merges", "main"); merges != "" {
		t.Errorf("the history is not linear: %s", merges)
	}
	if out := p.run(t, "git", "-C", gitops, "fsck", "--strict", "--no-dangling"); out != "" {
		t.Errorf("git fsck: %s", out)
	}
	p.run(t, "zave", "publish", "--repo", gitops)
	if _, err := os.Stat(filepath.Join(gitops, "refs", "heads", "main.lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lock stayed: %v", err)
	}
}

// TestInterruptedPublish interrupts at some points in time: the branch is where it was, or has the whole commit, and the
// next publish works.
func TestInterruptedPublish(t *testing.T) {
	t.Parallel()
	clones, gitops := publishers(t, 1)
	p := clones[0]
	for i := range 12 {
		p.at++
		p.commit(t, "blog", 3000+i)
		before := p.run(t, "git", "-C", gitops, "rev-parse", "main")
		cmd := p.command("zave", "publish", "--repo", gitops)
		var out bytes.Buffer
		cmd.Stderr = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 40 * time.Millisecond)
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		err := cmd.Wait()
		after := p.run(t, "git", "-C", gitops, "rev-parse", "main")
		var exit *exec.ExitError
		switch {
		case err == nil && after == before, err != nil && (!errors.As(err, &exit) || after != before):
			t.Errorf("after %d ms: %v, and the branch went from %s to %s\n%s", 40*i, err, before, after, &out)
		case err != nil && exit.ExitCode() == 2 && !strings.Contains(out.String(), "zave: interrupted\n"):
			t.Errorf("after %d ms: %s", 40*i, &out)
		}
		p.run(t, "zave", "publish", "--repo", gitops)
		if got, want := p.published(t, "blog"), fmt.Sprint(3000+i); got != want {
			t.Errorf("port %s, want %s", got, want)
		}
	}
	if out := p.run(t, "git", "-C", gitops, "fsck", "--strict", "--no-dangling"); out != "" {
		t.Errorf("git fsck: %s", out)
	}
}
