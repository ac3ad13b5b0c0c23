package gitrepo

import "syscall"

func times(st *syscall.Stat_t) (csec, cnsec, msec, mnsec uint32) {
	return uint32(st.Ctim.Sec), uint32(st.Ctim.Nsec), uint32(st.Mtim.Sec), uint32(st.Mtim.Nsec)
}
