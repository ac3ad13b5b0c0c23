package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// Disk gives the path of a file system of its own, of so many megabytes, which goes with the test: on Linux a tmpfs,
// which takes root or sudo, on macOS a disk image.
func Disk(t testing.TB, megabytes int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zdisk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	mount, unmount := diskCommands(dir, megabytes)
	for _, args := range mount {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("mount a small file system for the test: %v: %v\n%s", args, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command(unmount[0], unmount[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", unmount, err, out)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil && os.Geteuid() == 0 {
		t.Fatal(err)
	}
	return dir
}

func diskCommands(dir string, megabytes int) (mount [][]string, unmount []string) {
	size := strconv.Itoa(megabytes)
	if runtime.GOOS == "darwin" {
		image := dir + ".dmg"
		return [][]string{
			{"hdiutil", "create", "-quiet", "-size", size + "m", "-fs", "HFS+", image},
			{"hdiutil", "attach", "-quiet", "-nobrowse", "-mountpoint", dir, image},
		}, []string{"sh", "-c", `hdiutil detach -quiet -force "$1" && rm "$2"`, "sh", dir, image}
	}
	options := "size=" + size + "m,mode=0755,uid=" + strconv.Itoa(os.Getuid())
	mount, unmount = [][]string{{"mount", "-t", "tmpfs", "-o", options, "zave-test", dir}}, []string{"umount", dir}
	if os.Geteuid() != 0 {
		mount[0] = append([]string{"sudo", "-n"}, mount[0]...)
		unmount = append([]string{"sudo", "-n"}, unmount...)
	}
	return mount, unmount
}

// BaseOn puts the databases' files, and nothing else of the server's, on another file system, such as one of Disk.
func BaseOn(dir string) Option { return func(s *settings) { s.base = dir } }

// moveBase does so with the directory base, which the data directory then links to.
func (s *Server) moveBase(dir string) error {
	from, to := filepath.Join(s.Dir, "base"), filepath.Join(dir, "base")
	if err := s.user.own(dir); err != nil {
		return err
	}
	if err := copyTree(from, to, s.user); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(from), os.Symlink(to, from)); err != nil {
		return fmt.Errorf("move the databases: %w", err)
	}
	return s.user.own(from)
}
