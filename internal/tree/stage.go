package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// stage is the directory beside the target in which the next tree is made: ".NAME.zave" for NAME. It holds
//
//	lock   locked by the zave that works here; a stage whose lock is free was left by one that was killed
//	new    the tree in the making; after an exchange, the tree that was
//	old    only where directories cannot be exchanged: the tree that was, between the two renames
//
// It lies in the target's parent because a rename cannot leave the file system, and it is locked by a file because
// the target itself is what gets replaced.
type stage struct {
	dir    string
	target string
	lock   *os.File
}

func stageDir(target string) string {
	return filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".zave")
}

func (s *stage) new() string { return filepath.Join(s.dir, "new") }
func (s *stage) old() string { return filepath.Join(s.dir, "old") }

// openStage makes the stage and locks it, waiting for another zave if need be, and puts right what a killed one left
// behind.
func openStage(ctx context.Context, target string, waiting func()) (*stage, error) {
	s := &stage{dir: stageDir(target), target: target}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := os.Mkdir(s.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if err := s.onlyOurs(); err != nil {
			if errors.Is(err, fs.ErrNotExist) { // its owner has just finished
				continue
			}
			return nil, err
		}
		f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		locked, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if !locked {
			f.Close()
			if waiting != nil {
				waiting()
				waiting = nil
			}
			select {
			case <-ctx.Done():
				return nil, fmt.Errorf("another zave is writing %s: %w", target, ctx.Err())
			case <-time.After(20 * time.Millisecond):
			}
			continue
		}
		// The lock may be of a file that its owner removed after we opened it.
		if mine, err := f.Stat(); err == nil {
			if there, err := os.Lstat(f.Name()); err == nil && os.SameFile(mine, there) {
				s.lock = f
				break
			}
		}
		f.Close()
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// onlyOurs refuses a directory of somebody else that happens to have the stage's name.
func (s *stage) onlyOurs() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if n := e.Name(); n != "lock" && n != "new" && n != "old" {
			return fmt.Errorf("%s is needed to write %s, but it is not zave's: it holds %s", s.dir, s.target, n)
		}
	}
	return nil
}

// recover finishes or undoes what a killed zave left.
func (s *stage) recover() error {
	if _, err := os.Lstat(s.old()); err == nil {
		if _, err := os.Lstat(s.target); errors.Is(err, fs.ErrNotExist) {
			// It died between the two renames. Back rather than forward: new may be whole, but only the old tree
			// is known to be.
			if err := os.Rename(s.old(), s.target); err != nil {
				return err
			}
		}
	}
	return errors.Join(removeAll(s.new()), removeAll(s.old()))
}

// swap puts new in the target's place, and the tree that was there, if any, to the place that it returns. Through
// exchange there is no moment at which the target is absent; without it there is one, which recover repairs.
func (s *stage) swap(exchange func(a, b string) error) (was string, err error) {
	if _, err := os.Lstat(s.target); errors.Is(err, fs.ErrNotExist) {
		return "", os.Rename(s.new(), s.target)
	}
	err = exchange(s.new(), s.target)
	if err == nil {
		return s.new(), nil
	}
	// Only "the system cannot" is a reason to take the second-best way: "you may not" stays true there. A file system
	// that does not know the flag says EINVAL (renameat2(2)).
	if !cannotExchange(err) {
		return "", fmt.Errorf("exchange %s: %w", s.target, err)
	}
	if err := os.Rename(s.target, s.old()); err != nil {
		return "", err
	}
	if err := os.Rename(s.new(), s.target); err != nil {
		return "", errors.Join(err, os.Rename(s.old(), s.target))
	}
	return s.old(), nil
}

// close removes the stage with all that is in it and gives the lock back.
func (s *stage) close() error {
	err := errors.Join(removeAll(s.new()), removeAll(s.old()))
	if err == nil {
		// While the lock is held, so that the stage of a waiting zave is never removed. One that has opened the lock
		// in between makes the second removal fail, which is as it should be.
		err = os.Remove(s.lock.Name())
		_ = os.Remove(s.dir)
	}
	return errors.Join(err, s.lock.Close())
}

// removeAll is os.RemoveAll that also removes what lies in directories without write permission.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(name, 0o700)
		}
		return err
	})
	return os.RemoveAll(dir)
}

// cannotExchange tells whether the error says that there is no such call here, rather than that it went wrong.
func cannotExchange(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL)
}
