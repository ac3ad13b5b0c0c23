package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain also is the program that the benchmark measures, in a process of its own, whose memory is that of a publish;
// and the one that sees a full disk.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ZAVE_TEST_FULL"); dir != "" {
		fmt.Print(fullDisk(dir))
		return
	}
	if job := os.Getenv("ZAVE_TEST_PUBLISH"); job != "" {
		if err := publishJob([]byte(job)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// job is one publish of one tenant.
type job struct {
	At, KnownHosts, KeyFile string
	Tenant, Generation      int
}

func publishJob(text []byte) error {
	var j job
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	ctx := context.Background()
	r, err := Open(j.At, Options{
		Environ: []string{"ZAVE_GIT_TOKEN=" + testToken, "SSH_KNOWN_HOSTS=" + j.KnownHosts}, KeyFile: j.KeyFile,
	})
	if err != nil {
		return err
	}
	s, err := r.Fetch(ctx, "main")
	if err != nil {
		return err
	}
	defer s.Close()
	listed, err := s.List(tenantDir(j.Tenant))
	if err != nil {
		return err
	}
	if err := s.Need(ctx, listed); err != nil {
		return err
	}
	c := change("one tenant")
	for i, f := range listed {
		if _, err := s.Read(f); err != nil {
			return err
		}
		c.Write = append(c.Write, File{f.Path, tenantFile(j.Tenant, i, j.Generation)})
	}
	commit, err := NewCommit(s, c)
	if err != nil {
		return err
	}
	if err := r.Push(ctx, "main", s.Hash, commit); err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "kB")
	fmt.Print(strings.TrimSpace(peak))
	return err
}

func tenantDir(n int) string { return fmt.Sprintf("tenants/sandbox/tenant-%04d", n) }

func tenantFile(tenant, i, generation int) []byte {
	return fmt.Appendf(nil, "# %d of %d, %d\n%s", i, tenant, generation, strings.Repeat("key: value of some usual length\n", 40))
}

// BenchmarkPublish changes one tenant of 25 files in a repository of many: read, commit and push by us, and in a
// checkout that is there already 'git add -A', 'git commit' and 'git push' by git. Both are processes; their CPU time,
// and the memory of ours, are reported.
func BenchmarkPublish(b *testing.B) {
	for _, tenants := range []int{1000, 5000} {
		bare := bareRepo(b, nil)
		r := mustOpen(b, place{at: bare})
		c := change("all tenants")
		for n := range tenants {
			for i := range 25 {
				name := fmt.Sprintf("%s/%s/networkpolicy-allow-%02d.yaml", tenantDir(n), []string{"app", "platform/tenancy"}[i%2], i)
				c.Write = append(c.Write, File{name, tenantFile(n, i, 0)})
			}
		}
		if err := r.Push(b.Context(), "main", Hash{}, mustCommit(b, nil, c)); err != nil {
			b.Fatal(err)
		}
		git(b, bare, "repack", "-q", "-a", "-d")
		generation := 0
		next := func() (tenant, gen int) {
			generation++
			return generation * 7 % tenants, generation
		}
		ways := places(b, bare)
		for _, way := range []struct {
			name   string
			place  place
			filter bool
		}{{"path", ways[0], false}, {"http", ways[2], true}, {"http-unfiltered", ways[2], false}, {"ssh", ways[3], true}} {
			git(b, bare, "config", "uploadpack.allowFilter", fmt.Sprint(way.filter))
			git(b, bare, "config", "uploadpack.allowAnySHA1InWant", fmt.Sprint(way.filter))
			b.Run(fmt.Sprintf("tenants=%d/%s", tenants, way.name), func(b *testing.B) {
				use := usage{b: b}
				for b.Loop() {
					tenant, gen := next()
					text, err := json.Marshal(job{
						At: way.place.at, KeyFile: way.place.options.KeyFile, Tenant: tenant, Generation: gen,
						KnownHosts: strings.TrimPrefix(strings.Join(way.place.options.Environ, ""), "SSH_KNOWN_HOSTS="),
					})
					if err != nil {
						b.Fatal(err)
					}
					cmd := exec.Command(os.Args[0])
					cmd.Env = append(gitEnv(), "ZAVE_TEST_PUBLISH="+string(text))
					use.run(cmd)
				}
				use.report()
			})
		}
		work := filepath.Join(b.TempDir(), "work")
		git(b, "/", "clone", "-q", bare, work)
		b.Run(fmt.Sprintf("tenants=%d/git", tenants), func(b *testing.B) {
			use := usage{b: b}
			for b.Loop() {
				tenant, gen := next()
				for i := range 25 {
					name := fmt.Sprintf("%s/%s/networkpolicy-allow-%02d.yaml", tenantDir(tenant), []string{"app", "platform/tenancy"}[i%2], i)
					if err := os.WriteFile(filepath.Join(work, name), tenantFile(tenant, i, gen), 0o666); err != nil {
						b.Fatal(err)
					}
				}
				for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", "x"}, {"push", "-q"}} {
					cmd := exec.Command("git", args...)
					cmd.Dir, cmd.Env = work, gitEnv()
					use.run(cmd)
				}
			}
			use.report()
		})
	}
}

// usage is what processes use.
type usage struct {
	b       *testing.B
	millis  float64
	largest int // KiB; of ours alone: a process that is started has its parent's peak in its usage
}

func (u *usage) run(cmd *exec.Cmd) {
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &before); err != nil {
		u.b.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		u.b.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &after); err != nil {
		u.b.Fatal(err)
	}
	spent := func(r unix.Rusage) float64 { return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e6 }
	u.millis += spent(after) - spent(before)
	if peak, err := strconv.Atoi(string(out)); err == nil {
		u.largest = max(u.largest, peak)
	}
}

func (u *usage) report() {
	u.b.ReportMetric(u.millis/float64(u.b.N), "cpu-ms/op")
	if u.largest > 0 {
		u.b.ReportMetric(float64(u.largest)/1024, "MiB-max")
	}
}
