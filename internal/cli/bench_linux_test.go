package cli

import (
	"fmt"
	"io"
	"maps"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zavestudios/zave/internal/tree"
)

// cpuTime is what this process has used so far, in all threads.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// repositories calls a benchmark with estates of some sizes, and a function that changes one tenant of theirs each
// time.
func repositories(b *testing.B, bench func(b *testing.B, x *index, change func())) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("tenants=%d", n), func(b *testing.B) {
			b.Setenv("XDG_CACHE_HOME", b.TempDir())
			x, i := newIndex(n), 0
			const name = "tenants/tenant-0000/tenant.cue"
			text := string(x.MapFS[name].Data)
			bench(b, x, func() {
				i++
				x.MapFS[name] = &fstest.MapFile{Data: fmt.Appendf(nil, "%s// %d\n", text, i)}
			})
		})
	}
}

// BenchmarkPair compiles two versions of which one tenant differs: with nothing remembered, and with what the run
// before has remembered. `zave diff` adds what git and the comparison take.
func BenchmarkPair(b *testing.B) {
	repositories(b, func(b *testing.B, base *index, change func()) {
		pair := func(b *testing.B) (used time.Duration) {
			b.StopTimer()
			head := &index{MapFS: maps.Clone(base.MapFS)}
			change()
			b.StartTimer()
			before := cpuTime(b)
			if _, h, err := newApp(nil, io.Discard, io.Discard).pair(b.Context(), base, head); err != nil || h.result == nil {
				b.Fatal(err)
			}
			return cpuTime(b) - before
		}
		firstAndAgain(b, pair)
	})
}

// firstAndAgain measures what does not use the last run's memory, and what does.
func firstAndAgain(b *testing.B, run func(*testing.B) (cpu time.Duration)) {
	b.Run("first", func(b *testing.B) {
		var used time.Duration
		for b.Loop() {
			b.Setenv("XDG_CACHE_HOME", b.TempDir())
			used += run(b)
		}
		b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
	})
	b.Run("again", func(b *testing.B) {
		var used time.Duration
		run(b)
		for b.Loop() {
			used += run(b)
		}
		b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
	})
}

// BenchmarkRegenerate makes the files of one changed tenant anew, as the hook does. `zave hook run` adds what git
// takes.
func BenchmarkRegenerate(b *testing.B) {
	repositories(b, func(b *testing.B, x *index, change func()) {
		in := x.staged()
		all := in.Tree
		var stored []tree.Stored
		in.Tree = func(string) ([]tree.Stored, error) { return stored, nil }
		firstAndAgain(b, func(b *testing.B) (used time.Duration) {
			b.StopTimer()
			change()
			b.StartTimer()
			before := cpuTime(b)
			got, in, err := newApp(nil, io.Discard, io.Discard).regenerate(b.Context(), in)
			if err != nil || got == nil {
				b.Fatal(err, in.list.Sorted())
			}
			used = cpuTime(b) - before
			b.StopTimer()
			for _, f := range got.Write {
				x.golden[f.Path] = f.Data
			}
			if stored, err = all("out"); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			return used
		})
	})
}
