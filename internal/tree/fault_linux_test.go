package tree

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests of this file run the test binary once more, as a process that can be killed, limited, or without rights.

func TestMain(m *testing.M) {
	if child := os.Getenv("TREE_TEST_CHILD"); child != "" {
		if err := children[child](os.Getenv("TREE_TEST_DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var children = map[string]func(dir string) error{
	"exchange": func(dir string) error { return writeForEver(dir, exchange) },
	"renames":  func(dir string) error { return writeForEver(dir, noExchange) },
	"limit":    limited,
	"full":     full,
	"nobody":   nobody,
}

func child(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe)
	c.Env = append(os.Environ(), "TREE_TEST_CHILD="+name, "TREE_TEST_DIR="+dir)
	return c
}

// memory gives a directory in memory where there is one: a kill does not ask for the disk, and the disk is slow.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tree")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// killTree gives the trees of the kill test: some files in common, some changed, some in one only.
func killTree(which string) *Tree {
	var files []File
	for i := range 200 {
		data := "common"
		if i%4 == 0 {
			data = which
		}
		name := fmt.Sprintf("d%d/e/%d.yaml", i/10, i)
		if i%10 == 9 {
			name = fmt.Sprintf("d%d/%s/%d.yaml", i/10, which, i)
		}
		files = append(files, File{Path: name, Data: []byte(strings.Repeat(data, 100)), Unit: which})
	}
	tr, err := New(files)
	if err != nil {
		panic(err)
	}
	return tr
}

func writeForEver(dir string, exchange func(a, b string) error) error {
	a, b := killTree("a"), killTree("b")
	start := time.Now()
	for i := 0; ; i++ {
		for _, tr := range []*Tree{a, b} {
			if _, l, err := writeDir(context.Background(), dir, tr, opts, exchange); err != nil || l.Len() > 0 {
				return fmt.Errorf("%w %v", err, l.Sorted())
			}
		}
		if i == 0 {
			fmt.Println(time.Since(start).Microseconds())
		}
	}
}

// TestKill kills a writer at random moments: what it leaves is one tree or the other, byte for byte, and one more
// write cleans up behind all of them.
func TestKill(t *testing.T) {
	rounds := 120
	if testing.Short() {
		rounds = 20
	}
	a, b := killTree("a"), killTree("b")
	others := map[string]string{"d1/mine": "x", ".git/HEAD": "ref", "d2/link": "-> nowhere", "void/": ""}
	for _, mode := range []string{"exchange", "renames"} {
		t.Run(mode, func(t *testing.T) {
			dir := filepath.Join(memory(t), "out")
			put(t, dir, others)
			var sawA, sawB, sawStage, sawNothing int
			for range rounds {
				c := child(t, mode, dir)
				out, err := c.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				c.Stderr = os.Stderr
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				line, err := bufio.NewReader(out).ReadString('\n')
				cycle, _ := strconv.Atoi(strings.TrimSpace(line))
				if err != nil || cycle == 0 {
					t.Fatalf("the child said %q, %v", line, err)
				}
				time.Sleep(time.Duration(rand.IntN(cycle)) * time.Microsecond)
				if err := c.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = c.Wait()
				if _, err := os.Lstat(stageDir(dir)); err == nil {
					sawStage++
				}
				if _, err := os.Lstat(dir); mode == "renames" && errors.Is(err, fs.ErrNotExist) {
					// Between the two renames: the next writer puts the old tree back.
					sawNothing++
					s, err := openStage(t.Context(), dir, nil)
					if err != nil {
						t.Fatal(err)
					}
					if err := s.close(); err != nil {
						t.Fatal(err)
					}
				}
				switch got := snapshot(t, dir); {
				case reflect.DeepEqual(got, with(a, others)):
					sawA++
				case reflect.DeepEqual(got, with(b, others)):
					sawB++
				default:
					sameFiles(t, got, with(a, others))
					t.Fatal("neither tree A nor tree B")
				}
			}
			t.Logf("%d kills left tree A %d times, tree B %d, a stage %d, nothing %d", rounds, sawA, sawB, sawStage, sawNothing)
			if sawA == 0 || sawB == 0 || sawStage == 0 {
				t.Error("the kills did not hit the write")
			}
			write(t, dir, b, opts)
			sameFiles(t, snapshot(t, dir), with(b, others))
			alone(t, dir)
		})
	}
}

// attempt writes tree B over tree A, wants that error and the old tree.
func attempt(dir string, before *Tree, want ...error) error {
	big := []File{{Path: "big.yaml", Data: make([]byte, 1<<20)}, {Path: "a/small.yaml", Data: []byte("x")}}
	tr, err := New(big)
	if err != nil {
		return err
	}
	_, l, err := WriteDir(context.Background(), dir, tr, opts)
	for _, w := range want {
		if errors.Is(err, w) {
			if _, err := os.Lstat(stageDir(dir)); err == nil {
				return errors.New("the stage is left behind")
			}
			d, err := Compare(context.Background(), dir, before, opts)
			if err != nil || !d.Empty() {
				return fmt.Errorf("the old tree is not whole: %+v, %w", d, err)
			}
			return nil
		}
	}
	return fmt.Errorf("got %w and %v, want %v", err, l.Sorted(), want)
}

func limited(dir string) error {
	tr := killTree("a")
	if _, _, err := WriteDir(context.Background(), dir, tr, opts); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100_000, Max: 100_000}); err != nil {
		return err
	}
	return attempt(dir, tr, unix.EFBIG)
}

func full(dir string) error {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return errors.Join(errSkip, err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		return errors.Join(errSkip, err)
	}
	out := filepath.Join(dir, "out")
	tr, err := New([]File{{Path: "x/y.yaml", Data: []byte("y")}, {Path: "z.yaml"}})
	if err != nil {
		return err
	}
	if _, _, err := WriteDir(context.Background(), out, tr, opts); err != nil {
		return err
	}
	if err := attempt(out, tr, unix.ENOSPC); err != nil {
		return err
	}
	if err := unix.Mount("none", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := attempt(out, tr, unix.EROFS); err != nil {
		return err
	}
	// An unchanged tree needs no writing at all.
	if _, _, err := WriteDir(context.Background(), out, tr, opts); err != nil {
		return err
	}
	// A directory that is a mount point cannot be replaced.
	if err := unix.Mount("none", dir, "", unix.MS_REMOUNT, ""); err != nil {
		return err
	}
	_, _, err = WriteDir(context.Background(), dir, tr, opts)
	if _, e := os.Lstat(stageDir(dir)); !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EXDEV) || e == nil {
		return fmt.Errorf("a mount point: %w", err)
	}
	return nil
}

var errSkip = errors.New("skip")

func nobody(dir string) error {
	if os.Getuid() == 0 {
		if err := os.Chown(dir, 65534, 65534); err != nil {
			return err
		}
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			return err
		}
	}
	syscall.Umask(0o027)
	out := filepath.Join(dir, "out")
	tr := killTree("a")
	ctx := context.Background()
	if _, _, err := WriteDir(ctx, out, tr, opts); err != nil {
		return err
	}
	for name, want := range map[string]fs.FileMode{"d1": 0o750, "d1/e/11.yaml": 0o640} {
		if info, err := os.Lstat(filepath.Join(out, name)); err != nil || info.Mode().Perm() != want {
			return fmt.Errorf("%s has mode %v, %w", name, info.Mode(), err)
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		return err
	}
	if err := attempt(out, tr, fs.ErrPermission); err != nil {
		return fmt.Errorf("parent read-only: %w", err)
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(out, 0o555)); err != nil {
		return err
	}
	if err := attempt(out, tr, fs.ErrPermission); err != nil {
		return fmt.Errorf("target read-only: %w", err)
	}
	// A read-only directory of somebody's inside is carried over, and the old one removed.
	if err := errors.Join(os.Chmod(out, 0o755), os.MkdirAll(filepath.Join(out, "mine/deep"), 0o755),
		os.WriteFile(filepath.Join(out, "mine/file"), []byte("x"), 0o400), os.Chmod(filepath.Join(out, "mine"), 0o555)); err != nil {
		return err
	}
	if _, _, err := WriteDir(ctx, out, killTree("b"), opts); err != nil {
		return err
	}
	info, err := os.Lstat(filepath.Join(out, "mine"))
	if err != nil || info.Mode().Perm() != 0o555 {
		return fmt.Errorf("mine has mode %v, %w", info.Mode(), err)
	}
	if _, err := os.Lstat(filepath.Join(out, "mine/deep")); err != nil {
		return err
	}
	if _, err := os.Lstat(stageDir(out)); err == nil {
		return errors.New("the stage is left behind")
	}
	// One that cannot be read cannot be carried over.
	if err := os.Chmod(filepath.Join(out, "mine"), 0); err != nil {
		return err
	}
	if err := attempt(out, killTree("b"), fs.ErrPermission); err != nil {
		return fmt.Errorf("unreadable: %w", err)
	}
	return os.Chmod(filepath.Join(out, "mine"), 0o755)
}

func TestFaults(t *testing.T) {
	for _, mode := range []string{"limit", "full", "nobody"} {
		t.Run(mode, func(t *testing.T) {
			// Not t.TempDir, which lies in a directory that only its owner may enter.
			tmp, err := os.MkdirTemp("", "tree")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(tmp) })
			c := child(t, mode, tmp)
			if mode == "limit" {
				c = child(t, mode, filepath.Join(tmp, "out"))
			}
			if mode == "full" {
				c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
				if os.Getuid() != 0 {
					c.SysProcAttr = &syscall.SysProcAttr{
						Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
						UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
						GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
					}
				}
			}
			out, err := c.CombinedOutput()
			// Some sandboxes let nobody mount a file system. The arm with a limit on file sizes, which runs everywhere, fails in
			// the same writes.
			if mode == "full" && (errors.Is(err, fs.ErrPermission) || strings.HasPrefix(string(out), errSkip.Error())) {
				t.Skipf("no file system of our own here: %v %s", err, out)
			}
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
