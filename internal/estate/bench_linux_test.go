package estate_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zavestudios/zave/internal/check"
	"github.com/zavestudios/zave/internal/estate"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/tree"
)

// The benchmarks of the whole pipeline, stage by stage and as the program runs it. The aim, on two cores: 100 tenants
// in 0.3 CPU-seconds, 1,000 in 2.5 and under 200 MB, writing included, and an unchanged run over 1,000 in 0.25; a diff
// of one changed tenant in 1,000 in 1, and the hook for it in 0.3.

func sizes(b *testing.B, bench func(b *testing.B, tenants int)) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("tenants=%d", n), func(b *testing.B) { bench(b, n) })
	}
}

// measure runs a stage and reports the CPU time of this process per call.
func measure(b *testing.B, stage func()) {
	b.ReportAllocs()
	var before, after syscall.Rusage
	rusage(b, &before)
	for b.Loop() {
		stage()
	}
	rusage(b, &after)
	b.ReportMetric((cpu(&after)-cpu(&before)).Seconds()/float64(b.N), "cpu-s/op")
}

func rusage(b *testing.B, into *syscall.Rusage) {
	b.Helper()
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, into); err != nil {
		b.Fatal(err)
	}
}

func cpu(r *syscall.Rusage) time.Duration {
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func write(b *testing.B, tenants int) (root string) {
	b.Helper()
	root = filepath.Join(b.TempDir(), "repository")
	if err := estate.Write(root, tenants); err != nil {
		b.Fatal(err)
	}
	return root
}

func BenchmarkLoad(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		root := write(b, n)
		measure(b, func() { read(b, root, load.Options{}) })
	})
}

func BenchmarkDigest(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		root := write(b, n)
		measure(b, func() {
			if _, err := load.Digest(root, load.Options{}); err != nil {
				b.Fatal(err)
			}
		})
	})
}

func BenchmarkCompile(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		l := read(b, "", load.Options{FS: mapFS(n)})
		objects := 0
		measure(b, func() { objects = len(compile(b, l).Objects.All()) })
		b.ReportMetric(float64(objects), "objects")
	})
}

// BenchmarkWrite writes a tree into a directory that is not there, and again over itself.
func BenchmarkWrite(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		t := compile(b, read(b, "", load.Options{FS: mapFS(n)})).Tree
		tmp, i := b.TempDir(), 0
		b.Run("new", func(b *testing.B) {
			measure(b, func() {
				i++
				put(b, filepath.Join(tmp, fmt.Sprint(i)), t)
			})
		})
		out := filepath.Join(tmp, "same")
		put(b, out, t)
		b.Run("same", func(b *testing.B) {
			measure(b, func() { put(b, out, t) })
		})
	})
}

func put(b *testing.B, dir string, t *tree.Tree) {
	b.Helper()
	if _, list, err := tree.WriteDir(b.Context(), dir, t, tree.WriteOptions{Generator: "bench"}); err != nil || list.Len() > 0 {
		b.Fatal(err, list.Sorted())
	}
}

// BenchmarkBuild is everything in this process, from specs on disk to a tree on disk.
func BenchmarkBuild(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		root, i := write(b, n), 0
		measure(b, func() {
			i++
			put(b, filepath.Join(root, fmt.Sprint("out-", i)), compile(b, read(b, root, load.Options{})).Tree)
		})
	})
}

// BenchmarkCheck is what `zave check` adds to a compile: every object against its schema and the API server's rules,
// and every kustomization.yaml.
func BenchmarkCheck(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		r := compile(b, read(b, "", load.Options{FS: mapFS(n)}))
		var clusters []check.Cluster
		for _, c := range r.Platform.Clusters {
			clusters = append(clusters, check.Cluster{Name: c.Name, Kubernetes: c.Kubernetes, Span: c.Origin})
		}
		b.Run("schemas", func(b *testing.B) {
			measure(b, func() {
				if list, err := check.Schemas(r.Objects.All(), clusters); err != nil || list.Len() > 0 {
					b.Fatal(err, list.Sorted())
				}
			})
		})
		b.Run("kustomizations", func(b *testing.B) {
			measure(b, func() {
				if list := check.Kustomizations(r.Tree.Files(), r.Objects.All()...); list.Len() > 0 {
					b.Fatal(list.Sorted())
				}
			})
		})
	})
}

// BenchmarkProgram runs the program as people do: a first build, a build in which nothing changed, and a build in
// which one tenant did; a diff of one changed tenant with the commit before, with nothing remembered and with what the
// diff before has remembered; and the hook, when one changed tenant is staged.
func BenchmarkProgram(b *testing.B) {
	program := filepath.Join(b.TempDir(), "zave")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, "../../cmd/zave").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	sizes(b, func(b *testing.B, n int) {
		root := write(b, n)
		cache := b.TempDir()
		run := func(b *testing.B, prepare func(), args ...string) {
			var total time.Duration
			peak := 0
			for b.Loop() {
				b.StopTimer()
				prepare()
				b.StartTimer()
				r, memory := start(b, program, root, cache, args...)
				total += cpu(r)
				peak = max(peak, memory)
			}
			b.ReportMetric(total.Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(peak), "rss-MB")
		}
		b.Run("first", func(b *testing.B) {
			run(b, func() { remove(b, filepath.Join(root, "out"), cache) }, "build")
		})
		b.Run("unchanged", func(b *testing.B) {
			start(b, program, root, cache, "build")
			run(b, func() {}, "build")
		})
		b.Run("changed", func(b *testing.B) {
			run(b, func() { change(b, root) }, "build")
		})

		git(b, root, "init", "-q", "-b", "main")
		start(b, program, root, cache, "build")
		git(b, root, "add", "-A")
		git(b, root, "commit", "-qm", "all")
		change(b, root)
		b.Run("diff-first", func(b *testing.B) {
			run(b, func() { remove(b, cache) }, "diff")
		})
		b.Run("diff", func(b *testing.B) {
			start(b, program, root, cache, "diff")
			run(b, func() { change(b, root) }, "diff")
		})
		b.Run("hook", func(b *testing.B) {
			stage := func() {
				change(b, root)
				git(b, root, "add", "tenants")
			}
			stage()
			start(b, program, root, cache, "hook", "run")
			run(b, stage, "hook", "run")
		})
	})
}

func remove(b *testing.B, dirs ...string) {
	b.Helper()
	for _, dir := range dirs {
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
	}
}

// change gives one tenant another image than it has, each time anew.
func change(b *testing.B, root string) {
	b.Helper()
	name := filepath.Join(root, "tenants/tenant-0000/tenant.cue")
	text, err := os.ReadFile(name)
	if err == nil {
		sum := fmt.Sprintf("sha256:%x", sha256.Sum256(text))
		err = os.WriteFile(name, regexp.MustCompile("sha256:[0-9a-f]{64}").ReplaceAll(text, []byte(sum)), 0o666)
	}
	if err != nil {
		b.Fatal(err)
	}
}

func git(b *testing.B, root string, args ...string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "git", append([]string{"-c", "gc.auto=0"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@estate.test",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@estate.test")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// BenchmarkPeer runs others on the same estate, for scale: `cue vet` where it is installed unifies the same specs with
// the same schema, and emits nothing.
func BenchmarkPeer(b *testing.B) {
	program, err := exec.LookPath("cue")
	if err != nil {
		b.Skip("cue is not installed: go install cuelang.org/go/cmd/cue@v0.17.1")
	}
	sizes(b, func(b *testing.B, n int) {
		root := write(b, n)
		b.Run("cue-vet", func(b *testing.B) {
			var total time.Duration
			for b.Loop() {
				cmd := exec.CommandContext(b.Context(), program, "vet", "-c", "./...")
				cmd.Dir = root
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
				total += cpu(cmd.ProcessState.SysUsage().(*syscall.Rusage))
			}
			b.ReportMetric(total.Seconds()/float64(b.N), "cpu-s/op")
		})
	})
}

// start runs a command in a repository, and gives what that took; the memory, in MB, is what the program says of
// itself, because ru_maxrss of a child begins with ours.
func start(b *testing.B, program, root, cache string, args ...string) (*syscall.Rusage, int) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), program, append(args, "--profile", "-C", root)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v\n%s", err, out.String())
	}
	_, said, ok := strings.Cut(out.String(), "peak memory ")
	memory := 0
	if _, err := fmt.Sscanf(said, "%d MB", &memory); !ok || err != nil {
		b.Fatalf("no peak memory in\n%s", out.String())
	}
	return cmd.ProcessState.SysUsage().(*syscall.Rusage), memory
}
