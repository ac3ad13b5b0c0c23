//go:build !linux && !darwin

package tree

import (
	"errors"
	"io/fs"
	"os"
)

// readRegular reads a regular file; a symbolic link is not one.
func readRegular(name string, _ *[]byte) ([]byte, fileKind, error) {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nothing, nil
	case err != nil:
		return nil, nothing, err
	case info.IsDir():
		return nil, directory, nil
	case !info.Mode().IsRegular():
		return nil, special, nil
	}
	data, err := os.ReadFile(name)
	return data, regular, err
}

// createFile makes a new file. With flush, its bytes are on the disk when it returns.
func createFile(name string, data []byte, flush bool) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && flush {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// tryLock takes nothing: here it is for the user not to run two builds into one directory at once.
func tryLock(*os.File) (bool, error) { return true, nil }

func keepOwner(string, fs.FileInfo, fs.FileInfo) {}

// exchange: there is no such system call.
func exchange(_, _ string) error { return errors.ErrUnsupported }

func flushAll(string) error { return nil }
