package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const noMount = "no file system of our own here"

// TestFullDisk pushes to a repository on a file system that is too small for the commit, and then one that fits.
func TestFullDisk(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(gitEnv(), "ZAVE_TEST_FULL="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
	}
	out, err := cmd.CombinedOutput()
	// Some sandboxes let nobody mount a file system.
	if errors.Is(err, fs.ErrPermission) || strings.HasPrefix(string(out), noMount) {
		t.Skipf("%v %s", err, out)
	}
	if err != nil || string(out) != "ok" {
		t.Errorf("%v: %s", err, out)
	}
}

// fullDisk says "ok", or what went wrong.
func fullDisk(dir string) string {
	if err := errors.Join(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k")); err != nil {
		return fmt.Sprint(noMount, ": ", err)
	}
	bare := filepath.Join(dir, "gitops.git")
	run := func(args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Env = gitEnv()
		out, err := cmd.CombinedOutput()
		return fmt.Sprint(string(out), err)
	}
	run("init", "-q", "--bare", "--template=", "-b", "main", bare)
	r, err := Open(bare, Options{})
	if err != nil {
		return err.Error()
	}
	push := func(files int) error {
		old, err := r.Head(context.Background(), "main")
		if err != nil && !errors.Is(err, ErrEmpty) {
			return err
		}
		c := change("x")
		for i := range files {
			noise := make([]byte, 10_000)
			for i := range noise {
				noise[i] = byte(rand.IntN(256))
			}
			c.Write = append(c.Write, File{fmt.Sprint("f", i), noise})
		}
		if old.IsZero() {
			commit, err := NewCommit(nil, c)
			if err != nil {
				return err
			}
			return r.Push(context.Background(), "main", old, commit)
		}
		s, err := r.Fetch(context.Background(), "main")
		if err != nil {
			return err
		}
		defer s.Close()
		commit, err := NewCommit(s, c)
		if err != nil {
			return err
		}
		return r.Push(context.Background(), "main", old, commit)
	}
	for _, step := range []struct {
		files int
		want  error
	}{{1, nil}, {80, ErrDiskFull}, {200, ErrDiskFull}} { // loose objects, and a pack
		before, _ := r.Head(context.Background(), "main")
		if err := push(step.files); !errors.Is(err, step.want) {
			return fmt.Sprintf("%d files: %v, want %v", step.files, err, step.want)
		}
		after, err := r.Head(context.Background(), "main")
		if err != nil || step.want != nil && before != after {
			return fmt.Sprintf("the branch moved from %s to %s, %v", before, after, err)
		}
		if out := run("-C", bare, "fsck", "--strict"); strings.Contains(out, "error") || strings.Contains(out, "missing") {
			return out
		}
		run("-C", bare, "prune", "--expire=now")
	}
	if left, _ := filepath.Glob(filepath.Join(bare, "objects", "*", "tmp_*")); len(left) > 0 {
		return fmt.Sprint("left behind: ", left)
	}
	if err := push(2); err != nil {
		return fmt.Sprint("once there is room: ", err)
	}
	return "ok"
}
