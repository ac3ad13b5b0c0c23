//go:build unix

package cli

import (
	"runtime"
	"syscall"
	"time"
)

// resources gives the processor time that the process has taken, in all threads, and the most memory it has held, in
// bytes (getrusage(2); ru_maxrss is in bytes on Darwin and in KiB elsewhere).
func resources() (cpu time.Duration, memory int64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	memory = int64(u.Maxrss)
	if runtime.GOOS != "darwin" {
		memory *= 1024
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), memory
}
