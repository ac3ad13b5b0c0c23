//go:build unix

package cli

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
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
	if own := highWater(); own > 0 {
		memory = own
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), memory
}

// highWater is the most that this program has held, where the system tells (proc_pid_status(5), VmHWM): on Linux
// ru_maxrss begins with what the one who started us held. Zero where it is not known.
func highWater() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	line, _, _ := bytes.Cut(rest, []byte(" kB\n"))
	kib, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return 0
	}
	return kib * 1024
}
