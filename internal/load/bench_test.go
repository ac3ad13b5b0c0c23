package load

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// estate makes a repository in memory: this one's platform, and n tenants like panchito.
func estate(tb testing.TB, n int) fstest.MapFS {
	tb.Helper()
	out := fstest.MapFS{}
	for _, pattern := range []string{"cue.mod/module.cue", "platform/*.cue"} {
		names, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			tb.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				tb.Fatal(err)
			}
			out[strings.TrimPrefix(filepath.ToSlash(name), "../../")] = &fstest.MapFile{Data: data}
		}
	}
	panchito, err := os.ReadFile("../../tenants/panchito/tenant.cue")
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		name := fmt.Sprintf("tenant-%04d", i)
		text := strings.ReplaceAll(string(panchito), "package panchito", "package "+packageName(name))
		text = strings.ReplaceAll(text, `"panchito"`, `"`+name+`"`)
		out["tenants/"+name+"/tenant.cue"] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			files := estate(b, n)
			b.ReportAllocs()
			start := cpu(b)
			loads := 0
			for b.Loop() {
				l, err := Load(context.Background(), "", Options{FS: files})
				if err != nil || l.Diags.Len() > 0 {
					b.Fatal(err, l.Diags.Sorted())
				}
				loads++
			}
			b.ReportMetric(float64(cpu(b)-start)/1e6/float64(loads*n), "cpu-ms/tenant")
		})
	}
}

// cpu is what this process has used so far, in all threads, in nanoseconds.
func cpu(b *testing.B) int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

func BenchmarkDigest(b *testing.B) {
	dir := b.TempDir()
	if err := os.CopyFS(dir, fs.FS(estate(b, 1000))); err != nil {
		b.Fatal(err)
	}
	start, digests := cpu(b), 0
	for b.Loop() {
		digests++
		if _, err := Digest(dir, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu(b)-start)/1e6/float64(digests), "cpu-ms/op")
}
