package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/gitrepo/remote"
	"github.com/zavestudios/zave/internal/publish"
)

// estateRepo is a repository of specs, which the process is in, and a bare one to publish to.
type estateRepo struct {
	tb            testing.TB
	specs, gitops string
	text          string // of tenant-0000
}

func newEstateRepo(tb testing.TB, tenants int) *estateRepo {
	top := tb.TempDir()
	r := &estateRepo{tb: tb, specs: filepath.Join(top, "specs"), gitops: filepath.Join(top, "gitops.git")}
	for name, value := range map[string]string{
		"XDG_CACHE_HOME": filepath.Join(top, "cache"), "HOME": top, "GIT_CONFIG_NOSYSTEM": "1",
		"GIT_AUTHOR_NAME": "Test", "GIT_AUTHOR_EMAIL": "test@example.com",
		"GIT_COMMITTER_NAME": "Test", "GIT_COMMITTER_EMAIL": "test@example.com",
	} {
		tb.Setenv(name, value)
	}
	if err := os.CopyFS(r.specs, newIndex(tenants).MapFS); err != nil {
		tb.Fatal(err)
	}
	tb.Chdir(r.specs)
	r.git("init", "-q", "-b", "main")
	r.git("add", ".")
	r.git("commit", "-q", "-m", "first")
	r.git("init", "-q", "--bare", "-b", "main", r.gitops)
	text, err := os.ReadFile(r.tenant())
	if err != nil {
		tb.Fatal(err)
	}
	r.text = string(text)
	return r
}

func (r *estateRepo) tenant() string { return filepath.Join("tenants", "tenant-0000", "tenant.cue") }

func (r *estateRepo) git(args ...string) {
	r.tb.Helper()
	if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
		r.tb.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// change commits another image of one tenant.
func (r *estateRepo) change(n int) {
	next := strings.Replace(r.text, "1.4.2", fmt.Sprintf("1.5.%d", n), 1)
	if err := os.WriteFile(r.tenant(), []byte(next), 0o666); err != nil {
		r.tb.Fatal(err)
	}
	r.git("commit", "-q", "-a", "-m", fmt.Sprint(n))
}

// publish runs the command, and gives what it said.
func (r *estateRepo) publish() (*app, string) {
	r.tb.Helper()
	out := &strings.Builder{}
	a := newApp(nil, io.Discard, out)
	a.from = r.specs
	o := publishOptions{repo: r.gitops, adopt: true, interlocks: interlocks{most: defaultDeletes()}}
	if err := a.publish(r.tb.Context(), o); err != nil {
		r.tb.Fatal(err, out)
	}
	return a, out.String()
}

// TestSettled: what is known, what is compiled in batches and what is compiled at once come to the same plan; the former
// two hold no more than what differs.
func TestSettled(t *testing.T) {
	r := newEstateRepo(t, 9)
	r.publish()
	clone := filepath.Join(t.TempDir(), "clone")
	r.git("clone", "-q", r.gitops, clone)
	for _, name := range []string{"tenant-0003/app/deployment-web.yaml", "tenant-0004/app/NOTES.md"} { // of ours, and in the way of nothing
		if err := os.WriteFile(filepath.Join(clone, "tenants", "home", name), []byte("kind: Edited\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r.git("-C", clone, "add", ".")
	r.git("-C", clone, "commit", "-q", "-m", "by hand")
	r.git("-C", clone, "push", "-q")
	r.change(1)

	at, err := remote.Open(r.gitops, remote.Options{Environ: os.Environ(), Dir: r.specs})
	if err != nil {
		t.Fatal(err)
	}
	var first *publish.Plan
	for _, c := range []struct {
		name  string
		cold  bool
		batch int
		most  int // tenants that stay compiled: those three, and some that look at them
	}{
		{"at once", true, 400, 9},
		{"in batches", true, 2, 3},
		{"known", false, 400, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.cold {
				t.Setenv("XDG_CACHE_HOME", t.TempDir())
			}
			a := newApp(nil, io.Discard, io.Discard)
			p := &publication{}
			if p.platform, err = a.openPlatform(); err != nil {
				t.Fatal(err)
			}
			defer p.platform.close()
			if err := a.readPublication(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			specs := p.head
			specs.batch = c.batch
			s, err := at.Fetch(t.Context(), "main")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			compiled, is, err := specs.beside(t.Context(), a, s)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := compiled.Against(is, false)
			if err != nil {
				t.Fatal(err)
			}
			if len(plan.Write) == 0 || len(plan.HandEdited) != 1 || len(plan.Remove) > 0 {
				t.Errorf("%+v", plan)
			}
			if first == nil {
				first = plan
			}
			if a, b := fmt.Sprintf("%+v", first), fmt.Sprintf("%+v", plan); a != b {
				t.Errorf("the plan is\n%s, want\n%s", b, a)
			}
			here := slices.Sorted(maps.Keys(specs.here))
			for _, tenant := range []string{"tenant-0000", "tenant-0003", "tenant-0004"} {
				if !specs.here[tenant] || len(here) > c.most {
					t.Errorf("compiled to stay: %q", here)
				}
			}
		})
	}
}
