package gitrepo

import "syscall"

func times(st *syscall.Stat_t) (csec, cnsec, msec, mnsec uint32) {
	return uint32(st.Ctimespec.Sec), uint32(st.Ctimespec.Nsec), uint32(st.Mtimespec.Sec), uint32(st.Mtimespec.Nsec)
}
