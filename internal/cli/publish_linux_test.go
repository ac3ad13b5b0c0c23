package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkPublish publishes a change of one tenant to a local bare repository, the whole command: compile, check,
// compare, commit, push. The commit part is from when the tree is compiled and checked.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprintf("tenants=%d", n), func(b *testing.B) {
			top := b.TempDir()
			b.Setenv("XDG_CACHE_HOME", filepath.Join(top, "cache"))
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				b.Setenv("GIT_"+who+"_NAME", "Bench")
				b.Setenv("GIT_"+who+"_EMAIL", "bench@example.com")
			}
			specs, gitops := filepath.Join(top, "specs"), filepath.Join(top, "gitops.git")
			if err := os.CopyFS(specs, newIndex(n).MapFS); err != nil {
				b.Fatal(err)
			}
			b.Chdir(specs)
			git := func(args ...string) {
				if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
					b.Fatalf("git %v: %v\n%s", args, err, out)
				}
			}
			git("init", "-q", "-b", "main")
			git("add", ".")
			git("commit", "-q", "-m", "first")
			git("init", "-q", "--bare", "-b", "main", gitops)
			name := filepath.Join("tenants", "tenant-0000", "tenant.cue")
			text, err := os.ReadFile(name)
			if err != nil {
				b.Fatal(err)
			}
			i := 0
			publish := func() (commit time.Duration) {
				out := &strings.Builder{}
				a := newApp(nil, io.Discard, out)
				a.from = specs
				o := publishOptions{repo: gitops, adopt: true, interlocks: interlocks{most: defaultDeletes()}}
				if err := a.publish(b.Context(), o); err != nil {
					b.Fatal(err, out)
				}
				if !strings.Contains(out.String(), "published") {
					b.Fatal(out)
				}
				for _, s := range a.stages.done {
					switch s.name {
					case "tree", "fetch", "compare", "commit", "push":
						commit += s.wall
					}
				}
				return commit
			}
			publish()
			var commit time.Duration
			for b.Loop() {
				b.StopTimer()
				i++
				next := strings.Replace(string(text), "1.4.2", fmt.Sprintf("1.5.%d", i), 1)
				if err := os.WriteFile(name, []byte(next), 0o666); err != nil {
					b.Fatal(err)
				}
				git("commit", "-q", "-a", "-m", fmt.Sprint(i))
				b.StartTimer()
				commit += publish()
			}
			b.ReportMetric(commit.Seconds()/float64(b.N), "commit-s/op")
		})
	}
}
