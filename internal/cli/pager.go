package cli

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
)

// pager gives the command that shows long text on a terminal, as git chooses it, with ZAVE_PAGER before all. Empty:
// none.
func pager() string {
	if v, ok := os.LookupEnv("ZAVE_PAGER"); ok {
		return v
	}
	if out, err := exec.Command("git", "var", "GIT_PAGER").Output(); err == nil { // GIT_PAGER, core.pager, PAGER, less
		return strings.TrimSpace(string(out))
	}
	if v, ok := os.LookupEnv("PAGER"); ok {
		return v
	}
	return "less"
}

// page shows text on the terminal that stdout is. A pager that is not there, or that is left early, is no error.
func (a *app) page(text []byte) error {
	command := pager()
	if command == "" || command == "cat" {
		_, err := a.stdout.Write(text)
		return err
	}
	a.stages.hide()
	cmd := exec.Command("sh", "-c", command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), a.stdout, os.Stderr
	// As git sets them, unless the user has: stop at once at what fits the screen, and leave colours and the screen alone.
	cmd.Env = slices.Concat(os.Environ(), []string{
		"LESS=" + cmp.Or(os.Getenv("LESS"), "FRX"), "LV=" + cmp.Or(os.Getenv("LV"), "-c"),
	})
	err := cmd.Start()
	if err == nil {
		signal.Ignore(os.Interrupt) // it is the pager's: less goes on, and what it shows is not to be written over
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && (exit.ExitCode() == 126 || exit.ExitCode() == 127), errors.Is(err, exec.ErrNotFound):
		_, err := a.stdout.Write(text) // the shell could not run it
		return err
	default:
		return nil
	}
}
