//go:build linux || darwin

package gitrepo

import (
	"encoding/binary"
	"io/fs"
	"syscall"
)

// fillStat writes what git remembers of a file (gitformat-index(5)), each number cut to its lower 32 bits.
func fillStat(b []byte, info fs.FileInfo) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	csec, cnsec, msec, mnsec := times(st)
	all := []uint32{csec, cnsec, msec, mnsec, uint32(st.Dev), uint32(st.Ino), 0, st.Uid, st.Gid, uint32(st.Size)}
	for i, v := range all {
		binary.BigEndian.PutUint32(b[4*i:], v)
	}
}
