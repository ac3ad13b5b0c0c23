//go:build linux || darwin

package tree

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// readRegular reads a regular file, into *buf where one is given. It never follows a symbolic link in the last
// element and never waits for a pipe. With system calls of its own, because package os needs twice as many for each
// of 25,000 small files.
func readRegular(name string, buf *[]byte) ([]byte, fileKind, error) {
	var own []byte
	if buf == nil {
		buf = &own
	}
	fd, err := retry(func() (int, error) {
		return unix.Open(name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR):
		return nil, nothing, nil
	case errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO):
		return nil, special, nil
	case err != nil:
		return nil, nothing, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, nothing, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return nil, directory, nil
	default:
		return nil, special, nil
	}
	// One byte more than the size, so that the first read also finds the end.
	if need := int(st.Size) + 1; cap(*buf) < need {
		*buf = make([]byte, need)
	}
	b := (*buf)[:cap(*buf)]
	for n := 0; ; {
		if n == len(b) {
			b = append(b, make([]byte, len(b))...)
			*buf = b
		}
		m, err := retry(func() (int, error) { return unix.Read(fd, b[n:]) })
		if err != nil {
			return nil, nothing, &fs.PathError{Op: "read", Path: name, Err: err}
		}
		n += m
		if m == 0 || n == int(st.Size) && n < len(b) {
			return b[:n], regular, nil
		}
	}
}

// createFile makes a new file. With flush, its bytes are on the disk when it returns.
func createFile(name string, data []byte, flush bool) (err error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o666)
	})
	if err != nil {
		return &fs.PathError{Op: "create", Path: name, Err: err}
	}
	defer func() {
		// Network file systems and quotas report a full disk here.
		if e := unix.Close(fd); err == nil && e != nil {
			err = &fs.PathError{Op: "close", Path: name, Err: e}
		}
	}()
	for len(data) > 0 {
		n, err := retry(func() (int, error) { return unix.Write(fd, data) })
		if err != nil {
			return &fs.PathError{Op: "write", Path: name, Err: err}
		}
		data = data[n:]
	}
	if flush {
		if err := unix.Fsync(fd); err != nil {
			return &fs.PathError{Op: "sync", Path: name, Err: err}
		}
	}
	return nil
}

func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// tryLock takes the file's lock if nobody has it. The kernel gives it back when the process ends, however it ends.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// keepOwner gives a re-created directory the owner of the one it stands for, where we may: a .git that belongs to
// somebody else than its reader is refused by git.
func keepOwner(name string, was, is fs.FileInfo) {
	a, ok1 := was.Sys().(*syscall.Stat_t)
	b, ok2 := is.Sys().(*syscall.Stat_t)
	if ok1 && ok2 && (a.Uid != b.Uid || a.Gid != b.Gid) {
		_ = os.Lchown(name, int(a.Uid), int(a.Gid))
	}
}
