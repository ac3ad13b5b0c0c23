package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	estates "github.com/zavestudios/zave/internal/estate"
)

// BenchmarkLoop is the review loop on a real repository, of which one tenant's spec changes each time: the hook, and
// diff against the commit before. Both run as they do for people, but for the start of a process.
func BenchmarkLoop(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprintf("tenants=%d", n), func(b *testing.B) {
			home, dir := b.TempDir(), b.TempDir()
			for name, value := range map[string]string{
				"HOME": home, "XDG_CACHE_HOME": home, "GIT_CONFIG_NOSYSTEM": "1",
				"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com",
				"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com",
			} {
				b.Setenv(name, value)
			}
			git := func(args ...string) {
				b.Helper()
				if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
					b.Fatalf("git %v: %v\n%s", args, err, out)
				}
			}
			zave := func(args ...string) {
				b.Helper()
				var stderr bytes.Buffer
				if code := Main(append([]string{"-C", dir}, args...), nil, io.Discard, &stderr); code != exitFine {
					b.Fatalf("zave %v: exit code %d\n%s", args, code, &stderr)
				}
			}
			if err := estates.Write(dir, n); err != nil {
				b.Fatal(err)
			}
			git("init", "-q", "-b", "main")
			git("config", "gc.auto", "0")
			zave("-q", "build")
			git("add", ".")
			git("commit", "-q", "-m", "first")
			git("gc", "-q")
			spec, i := filepath.Join(dir, "tenants", "tenant-0000", "tenant.cue"), 0
			text, err := os.ReadFile(spec)
			if err != nil {
				b.Fatal(err)
			}
			change := func() {
				b.Helper()
				i++
				changed := bytes.Replace(text, []byte(`tag: "`), fmt.Appendf(nil, `tag: "%d.`, i), 1)
				if bytes.Equal(changed, text) {
					b.Fatal("the spec has no tag to change")
				}
				if err := os.WriteFile(spec, changed, 0o666); err != nil {
					b.Fatal(err)
				}
			}
			for _, command := range []struct {
				name string
				args []string
			}{{"hook", []string{"hook", "run"}}, {"diff", []string{"diff"}}} {
				b.Run(command.name, func(b *testing.B) {
					zave(command.args...) // what is remembered of the run before
					before := cpuTime(b)
					var setup time.Duration
					for b.Loop() {
						b.StopTimer()
						began := cpuTime(b)
						change()
						git("add", "tenants")
						setup += cpuTime(b) - began
						b.StartTimer()
						zave(command.args...)
					}
					b.ReportMetric((cpuTime(b)-before-setup).Seconds()/float64(b.N), "cpu-s/op")
				})
			}
		})
	}
}
