package tree

import (
	"os"

	"golang.org/x/sys/unix"
)

// exchange swaps two directories in one step (renameat2(2), RENAME_EXCHANGE). Kernels before 3.15 and some network
// file systems refuse.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

// flushAll puts the whole file system of a directory on the disk (syncfs(2)). For 25,000 new files that is one call
// of well under a second, where an fsync for each takes half a minute.
func flushAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
