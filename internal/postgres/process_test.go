package postgres

import (
	"os/exec"
	"testing"
)

// processes is the list of all processes with their arguments, as everybody on the machine sees it.
func processes(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("ps", "-Aww", "-o", "pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
