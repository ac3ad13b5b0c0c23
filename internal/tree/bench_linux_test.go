package tree

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// estate is a tree of 25,000 files, as 1,000 tenants have; generation sets what is in 25 of them.
func estate(b *testing.B, generation int) *Tree {
	b.Helper()
	files := make([]File, 0, 25_000)
	text := strings.Repeat("key: value of some usual length\n", 40)
	for i := range 25_000 {
		data := fmt.Sprintf("# %d\n%s", i, text)
		if i%1000 == 0 {
			data = fmt.Sprintf("# %d of %d\n%s", i, generation, text)
		}
		files = append(files, File{
			Path: fmt.Sprintf("tenants/sandbox/tenant-%04d/%s/networkpolicy-allow-%02d.yaml", i/25, []string{"app", "platform"}[i%2], i%25),
			Data: []byte(data), Unit: fmt.Sprintf("tenancy-tenant-%04d", i/25),
		})
	}
	tr, err := New(files)
	if err != nil {
		b.Fatal(err)
	}
	return tr
}

// cpu reports the CPU time that the process used since start, per call.
func cpu(b *testing.B, start float64) { b.ReportMetric((cpuMillis(b)-start)/float64(b.N), "cpu-ms/op") }

func cpuMillis(b *testing.B) float64 {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e6
}

func BenchmarkWriteDir(b *testing.B) {
	trees := []*Tree{estate(b, 0), estate(b, 1)}
	b.Run("fresh", func(b *testing.B) {
		tmp, i, start := b.TempDir(), 0, cpuMillis(b)
		for b.Loop() {
			i++
			write(b, filepath.Join(tmp, fmt.Sprint(i)), trees[0], opts)
		}
		cpu(b, start)
	})
	dir := filepath.Join(b.TempDir(), "out")
	write(b, dir, trees[0], opts)
	b.Run("changed=25", func(b *testing.B) {
		i, start := 0, cpuMillis(b)
		for b.Loop() {
			i++
			if r := write(b, dir, trees[i%2], opts); len(r.Changed) != 26 && i > 1 {
				b.Fatalf("%d changed", len(r.Changed))
			}
		}
		cpu(b, start)
	})
	write(b, dir, trees[0], opts)
	b.Run("unchanged", func(b *testing.B) {
		start := cpuMillis(b)
		for b.Loop() {
			write(b, dir, trees[0], opts)
		}
		cpu(b, start)
	})
	b.Run("compare", func(b *testing.B) {
		start := cpuMillis(b)
		for b.Loop() {
			if d, err := Compare(b.Context(), dir, trees[0], opts); err != nil || !d.Empty() {
				b.Fatal(d, err)
			}
		}
		cpu(b, start)
	})
}
