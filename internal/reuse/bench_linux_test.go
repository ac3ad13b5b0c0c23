package reuse

import (
	"testing"

	"golang.org/x/sys/unix"
)

func cpuMillis(b *testing.B) float64 {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e6
}

func BenchmarkMemory(b *testing.B) {
	out, key := b.TempDir(), []byte("key")
	paths := estate(b, out, 25_000)
	m := For(b.TempDir(), "root", out)
	b.Run("remember", func(b *testing.B) {
		start := cpuMillis(b)
		for b.Loop() {
			m.Remember(key, paths)
		}
		b.ReportMetric((cpuMillis(b)-start)/float64(b.N), "cpu-ms/op")
	})
	b.Run("fresh", func(b *testing.B) {
		start := cpuMillis(b)
		for b.Loop() {
			if _, ok := m.Fresh(key); !ok {
				b.Fatal("not fresh")
			}
		}
		b.ReportMetric((cpuMillis(b)-start)/float64(b.N), "cpu-ms/op")
	})
}
