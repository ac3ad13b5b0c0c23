package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"golang.org/x/sys/unix"
)

// pty is a terminal of 80 columns and 24 lines.
type pty struct {
	t           *testing.T
	master, end *os.File

	mu     sync.Mutex
	screen *vt.Emulator
	raw    bytes.Buffer // all that was sent to it
}

func newPTY(t *testing.T) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	end, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pty{t: t, master: master, end: end, screen: vt.NewEmulator(80, 24)}
	go io.Copy(master, p.screen) // what it answers
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			p.mu.Lock()
			p.raw.Write(b[:n])
			p.screen.Write(b[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { p.screen.Close(); end.Close(); master.Close() })
	return p
}

// expect waits until a text stands on the screen.
func (p *pty) expect(text string) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		shown := p.screen.String()
		p.mu.Unlock()
		if strings.Contains(shown, text) {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("%q is not shown:\n%s", text, shown)
		}
	}
}

func (p *pty) enter(text string) {
	p.t.Helper()
	if _, err := p.master.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
}

// run runs zave in a repository, with the terminal for stdin and stderr.
func (p *pty) run(dir string, args ...string) (code <-chan int) {
	out := make(chan int, 1)
	go func() {
		var stdout bytes.Buffer
		out <- Main(append([]string{"-C", dir}, args...), p.end, &stdout, p.end)
	}()
	return out
}

func estateCopy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "cmd", "zave", "testdata", "estate"))); err != nil {
		t.Fatal(err)
	}
	where, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("TERM", "xterm-256color")
	t.Cleanup(func() { os.Chdir(where) })
	return dir
}

// TestAskTenant answers the questions as a person would, mistakes included.
func TestAskTenant(t *testing.T) {
	dir := estateCopy(t)
	p := newPTY(t)
	code := p.run(dir, "new", "tenant")
	p.expect("Contact")
	p.enter("My Shop\r")
	p.expect(`did you mean "my-shop"?`)
	p.enter("\x15forum\r") // Ctrl-U takes back what was typed
	p.expect("┃ Description")
	p.enter("A forum\r")
	p.expect("┃ Team")
	p.enter("web\r")
	p.expect("┃ Contact")
	p.expect("web@example.com") // what its other tenants say
	p.enter("\r")
	p.expect("┃ Clusters")
	p.enter("\r")
	p.expect("choose at least one")
	p.enter("x")
	p.expect("[•] dev")
	p.enter("\r")
	p.expect("┃ Image")
	p.enter("ghcr.io/example/forum:1.0\r")
	p.expect("has no digest")
	p.enter("@sha256:" + strings.Repeat("2", 64) + "\r")
	p.expect("┃ Runtime")
	p.enter("\r")
	p.expect("┃ Port")
	p.enter("8080\r")
	p.expect("┃ Expose")
	p.enter("jj")
	p.expect("┃ > public-http")
	p.enter("\r")
	p.expect("┃ Host")
	p.enter("\r")
	p.expect("wrote tenants/forum/tenant.cue")
	if c := <-code; c != exitFine {
		t.Errorf("exit code %d", c)
	}
	got, err := os.ReadFile(filepath.Join(dir, "tenants", "forum", "tenant.cue"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`owner: {team: "web", contact: "web@example.com"}`, `clusters: ["dev"]`, "port:   8080\n", `expose: "public-http"`,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
	if strings.Contains(string(got), "hosts") || strings.Contains(string(got), "tier") {
		t.Errorf("what is so by default is written:\n%s", got)
	}
}

// TestAskInterrupted presses Ctrl-C, with and without colour: it ends like any other interrupt, and writes nothing.
func TestAskInterrupted(t *testing.T) {
	for _, colour := range []string{"always", "never"} {
		t.Run(colour, func(t *testing.T) {
			dir := estateCopy(t)
			p := newPTY(t)
			code := p.run(dir, "--color", colour, "new", "tenant", "forum")
			p.expect("Contact")
			p.enter("A forum")
			p.expect("A forum")
			p.enter("\x03")
			p.expect("zave: interrupted")
			if c := <-code; c != exitUnknown {
				t.Errorf("exit code %d", c)
			}
			if _, err := os.Stat(filepath.Join(dir, "tenants", "forum")); err == nil {
				t.Error("tenants/forum was made")
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			painted := regexp.MustCompile("\x1b\\[[0-9;]*3[0-9][0-9;]*m").Match(p.raw.Bytes())
			if painted != (colour == "always") {
				t.Errorf("--color %s, and colours are %v:\n%q", colour, painted, p.raw.String())
			}
		})
	}
}
