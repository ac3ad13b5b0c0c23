//go:build linux || darwin

package reuse

import (
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// statDir looks at some regular files of one directory. Below an open directory the kernel has one name to look up
// for each file instead of the whole path.
func statDir(root, name string, files []string) ([]mark, bool) {
	fd, err := unix.Open(filepath.Join(root, name), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	defer unix.Close(fd)
	marks := make([]mark, len(files))
	var st unix.Stat_t
	for i, f := range files {
		if err := unix.Fstatat(fd, f, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			return nil, false
		}
		marks[i] = mark{size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(), inode: int64(st.Ino)}
	}
	return marks, true
}

// readOwn reads a file that is the user's own: a record of somebody else could say that anything is fresh.
func readOwn(name string) ([]byte, bool) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() {
		return nil, false
	}
	data := make([]byte, st.Size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, false
	}
	return data, true
}
