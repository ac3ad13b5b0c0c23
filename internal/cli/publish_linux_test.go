package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkPublish publishes a change of one tenant to a local bare repository: the whole command, in a process of its
// own that remembers the last one, and one on a machine that remembers nothing, such as a CI runner. The commit part is
// what comes after the specs are compiled and checked, and before: fetch, recall, compare, commit, push. Beside it, git
// does what people do otherwise: clone, change the files, add, commit, push; and the same in a checkout that is there.
func BenchmarkPublish(b *testing.B) {
	program := filepath.Join(b.TempDir(), "zave")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/zave").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for _, n := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprintf("tenants=%d", n), func(b *testing.B) { benchmarkPublish(b, program, n) })
	}
}

func benchmarkPublish(b *testing.B, program string, n int) {
	r := newEstateRepo(b, n)
	work := filepath.Join(b.TempDir(), "work")
	r.git("clone", "-q", r.gitops, work) // 'publish' of a whole estate takes far longer than what is measured here
	if out, err := exec.Command(program, "build", "-q", "-o", work).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	r.git("-C", work, "add", "-A")
	r.git("-C", work, "commit", "-q", "-m", "first")
	r.git("-C", work, "push", "-q", "origin", "HEAD:main")
	r.git("-C", r.gitops, "repack", "-q", "-a", "-d")
	generation := 0
	run := func(b *testing.B, cold bool) {
		var commit, cpu, peak float64
		for b.Loop() {
			b.StopTimer()
			generation++
			r.change(generation)
			if cold {
				b.Setenv("XDG_CACHE_HOME", b.TempDir())
			}
			b.StartTimer()
			out, err := exec.Command(program, "publish", "--profile", "--repo", r.gitops).CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("published")) {
				b.Fatalf("%v\n%s", err, out)
			}
			for _, row := range regexp.MustCompile(`(?m)^(fetch|recall|compare|commit|push|all) +([0-9.]+) s +([0-9.]+) s$`).FindAllSubmatch(out, -1) {
				wall, used := number(b, row[2]), number(b, row[3])
				if string(row[1]) == "all" {
					cpu += used
				} else {
					commit += wall
				}
			}
			peak = max(peak, number(b, regexp.MustCompile(`peak memory (\d+) MB`).FindSubmatch(out)[1]))
		}
		b.ReportMetric(commit/float64(b.N), "commit-s/op")
		b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
		b.ReportMetric(peak, "MB-max")
	}
	b.Run("zave", func(b *testing.B) {
		publishOnce(b, program, r) // so that the program remembers
		run(b, false)
	})
	b.Run("zave-cold", func(b *testing.B) { run(b, true) })
	file := filepath.Join("tenants", "home", "tenant-0000", "app", "deployment-web.yaml")
	byGit := func(b *testing.B, clone bool) {
		var cpu float64
		for b.Loop() {
			generation++
			before := children(b)
			if clone {
				if err := os.RemoveAll(work); err != nil {
					b.Fatal(err)
				}
				r.git("clone", "-q", "--depth", "1", "file://"+r.gitops, work)
			}
			if err := os.WriteFile(filepath.Join(work, file), fmt.Appendf(nil, "# %d\n", generation), 0o666); err != nil {
				b.Fatal(err)
			}
			for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", "x"}, {"push", "-q"}} {
				r.git(append([]string{"-C", work}, args...)...)
			}
			cpu += children(b) - before
		}
		b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
	}
	b.Run("git-clone", func(b *testing.B) { byGit(b, true) })
	b.Run("git-checkout", func(b *testing.B) { byGit(b, false) })
}

// publishOnce publishes, or finds that there is nothing to do.
func publishOnce(b *testing.B, program string, r *estateRepo) {
	if out, err := exec.Command(program, "publish", "--repo", r.gitops).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
}

func number(b *testing.B, text []byte) float64 {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// children gives the CPU time of processes that have ended, in seconds.
func children(b *testing.B) float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
