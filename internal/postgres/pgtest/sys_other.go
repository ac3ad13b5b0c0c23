//go:build !linux && !darwin

package pgtest

import (
	"errors"
	"syscall"
)

type account struct {
	name  string
	other bool
}

func serverAccount() (account, error) {
	return account{}, errors.New("test servers run on Linux and macOS")
}

func (account) id() uint32 { return 0 }

func (account) own(string) error { return nil }

func apart(account) *syscall.SysProcAttr { return nil }

func lockFile(string) (func(), error) { return nil, errors.New("test servers run on Linux and macOS") }

func alive(int) bool { return false }
