package remote

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// run runs a program, and gives its output.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(gitEnv(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// signed pushes a commit with a signature, and has git verify it.
func signed(t *testing.T, key SignKey, env []string, config ...string) (report string) {
	t.Helper()
	bare := bareRepo(t, nil)
	r := mustOpen(t, place{at: bare})
	c := change("signed\n\nZave-Source: x@y")
	c.Write = []File{{"a", []byte("a\n")}}
	signer, err := key.Signer()
	if err != nil {
		t.Fatal(err)
	}
	c.Sign = signer
	commit := mustCommit(t, nil, c)
	if again := mustCommit(t, nil, c); again.Hash != commit.Hash && !strings.Contains(key.File, "ecdsa") { // whose signatures are random
		t.Errorf("the same commit is %s, and then %s", commit.Hash, again.Hash)
	}
	if err := r.Push(t.Context(), "main", Hash{}, commit); err != nil {
		t.Fatal(err)
	}
	clone(t, bare, "main")
	if got := git(t, bare, "log", "-1", "--format=%s|%(trailers:key=Zave-Source,valueonly)", "main"); !strings.HasPrefix(got, "signed|x@y") {
		t.Errorf("git log says %s", got)
	}
	var args []string
	for _, c := range config {
		args = append(args, "-c", c)
	}
	return run(t, env, "git", append(args, "-C", bare, "verify-commit", "-v", "main")...)
}

func TestSignSSH(t *testing.T) {
	for _, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, kind)
			locked := filepath.Join(dir, "locked-"+kind)
			run(t, nil, "ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "zave", "-f", file)
			run(t, nil, "ssh-keygen", "-q", "-t", kind, "-N", "open sesame", "-C", "zave", "-f", locked)
			var lines []string
			for _, f := range []string{file, locked} {
				public, err := os.ReadFile(f + ".pub")
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, "zave@example.org "+string(public))
			}
			writeFiles(t, dir, map[string]string{"allowed": strings.Join(lines, "")})
			allowed := "gpg.ssh.allowedSignersFile=" + filepath.Join(dir, "allowed")

			private, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := ssh.ParseRawPrivateKey(private)
			if err != nil {
				t.Fatal(err)
			}
			ring := agent.NewKeyring()
			if err := ring.Add(agent.AddedKey{PrivateKey: raw}); err != nil {
				t.Fatal(err)
			}
			short, err := os.MkdirTemp("", "zave") // the path of a socket cannot be long
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(short)
			socket := filepath.Join(short, "agent")
			listener, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					c, err := listener.Accept()
					if err != nil {
						return
					}
					go agent.ServeAgent(ring, c)
				}
			}()
			for _, key := range []SignKey{{File: file}, {File: locked, Passphrase: "open sesame"}, {File: file + ".pub", Agent: socket}} {
				if report := signed(t, key, nil, allowed); !strings.Contains(report, `Good "git" signature for zave@example.org`) {
					t.Errorf("%s: git says %s", filepath.Base(key.File), report)
				}
			}
			for _, key := range []SignKey{{File: locked}, {File: locked, Passphrase: "wrong"}, {File: filepath.Join(dir, "none")}, {File: filepath.Join(dir, "allowed")}} {
				if _, err := key.Signer(); err == nil || strings.Contains(fmt.Sprint(err), "wrong\"") {
					t.Errorf("%+v: %v", key, err)
				}
			}
		})
	}
}

func TestSignOpenPGP(t *testing.T) {
	for _, kind := range []string{"ed25519", "rsa3072"} {
		for _, passphrase := range []string{"", "open sesame"} {
			t.Run(kind+"/"+passphrase, func(t *testing.T) {
				home, err := os.MkdirTemp("", "zave") // gpg's agent has its socket there
				if err != nil {
					t.Fatal(err)
				}
				env := []string{"GNUPGHOME=" + home}
				t.Cleanup(func() {
					run(t, env, "gpgconf", "--kill", "all")
					os.RemoveAll(home)
				})
				quiet := []string{"--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", passphrase}
				run(t, env, "gpg", append(quiet, "--faked-system-time", "1600000000", "--quick-gen-key", "Zave <zave@example.org>", kind, "sign", "never")...)
				file := filepath.Join(home, "secret.asc")
				run(t, env, "gpg", append(quiet, "--armor", "--output", file, "--export-secret-keys")...)
				report := signed(t, SignKey{File: file, Passphrase: passphrase, When: person().When}, env)
				if !strings.Contains(report, `Good signature from "Zave <zave@example.org>"`) {
					t.Errorf("git says %s", report)
				}
				if passphrase == "" {
					return
				}
				for _, wrong := range []string{"", "wrong"} {
					if _, err := (SignKey{File: file, Passphrase: wrong, When: person().When}).Signer(); err == nil {
						t.Errorf("the passphrase %q opens it", wrong)
					}
				}
			})
		}
	}
}
