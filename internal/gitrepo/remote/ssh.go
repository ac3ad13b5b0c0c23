package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/zavestudios/zave/internal/diag"
)

// secureShell carries the pack protocol over ssh.
type secureShell struct {
	at      address
	options Options
	env     map[string]string
}

// sshExchange is one service over ssh: a connection, and a session in it.
type sshExchange struct {
	client  *ssh.Client
	session *ssh.Session
	in      io.WriteCloser
	out     io.Reader
	stderr  *syncBuffer
	release func() bool // of the context
}

func (s *secureShell) start(ctx context.Context, service string) (exchange, error) {
	broken := func(err error) (exchange, error) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, explain(err, s.at.text)
	}
	config, done, err := s.config()
	if err != nil {
		return nil, err
	}
	defer done()
	conn, err := patient(s.options)(ctx, "tcp", s.at.dial())
	if err != nil {
		return broken(err)
	}
	release := context.AfterFunc(ctx, func() { conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, s.at.dial(), config)
	if err != nil {
		release()
		conn.Close()
		return broken(s.handshake(err))
	}
	x := &sshExchange{client: ssh.NewClient(c, channels, requests), stderr: &syncBuffer{}, release: release}
	if err := x.begin(service + " " + quote(s.at.path)); err != nil {
		x.Close()
		return broken(err)
	}
	return x, nil
}

func (x *sshExchange) begin(command string) (err error) {
	if x.session, err = x.client.NewSession(); err != nil {
		return err
	}
	x.session.Stderr = x.stderr
	if x.in, err = x.session.StdinPipe(); err != nil {
		return err
	}
	if x.out, err = x.session.StdoutPipe(); err != nil {
		return err
	}
	return x.session.Start(command)
}

func (x *sshExchange) advertisement() io.Reader { return x.out }

// complaint waits a moment for the program's last words: they come on another stream.
func (x *sshExchange) complaint() string {
	ended := make(chan struct{})
	go func() {
		x.session.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(2 * time.Second):
	}
	return x.stderr.String()
}

// send writes beside the reading: the server may answer before it has read all.
func (x *sshExchange) send(request []byte) (io.Reader, error) {
	go func() {
		x.in.Write(request) // what fails here, fails in the answer too
		x.in.Close()
	}()
	return x.out, nil
}

func (x *sshExchange) Close() error {
	x.release()
	x.client.Close() // the session with it; that the server has ended it already is no error
	return nil
}

// quote makes one word of a path for the server's shell.
func quote(s string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(s) + "'"
}

// syncBuffer is written to by the session, and read before that has ended.
type syncBuffer struct {
	mu sync.Mutex
	b  limited
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.most = 64 << 10
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// config says who we are, and which hosts are known. Call done when the connection stands.
func (s *secureShell) config() (c *ssh.ClientConfig, done func(), err error) {
	callback, algorithms, err := s.knownHosts()
	if err != nil {
		return nil, nil, err
	}
	auth, done, err := s.auth()
	if err != nil {
		return nil, nil, err
	}
	return &ssh.ClientConfig{User: s.user(), Auth: auth, HostKeyCallback: callback, HostKeyAlgorithms: algorithms}, done, nil
}

// knownHosts reads the files that ssh reads (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), or those that SSH_KNOWN_HOSTS lists.
func (s *secureShell) knownHosts() (ssh.HostKeyCallback, []string, error) {
	files := filepath.SplitList(s.env["SSH_KNOWN_HOSTS"])
	if len(files) == 0 {
		for _, name := range []string{filepath.Join(s.env["HOME"], ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"} {
			if _, err := os.Stat(name); err == nil && filepath.IsAbs(name) {
				files = append(files, name)
			}
		}
	}
	host := s.at.host
	if s.at.port != "" && s.at.port != "22" {
		host = "-p " + s.at.port + " " + host
	}
	unknown := func() error {
		return fail(ErrHostKey, fmt.Sprintf(
			"compare the output of 'ssh-keyscan %s' with what its operator publishes, and append it to ~/.ssh/known_hosts; in CI, keep it "+
				"in a file and set SSH_KNOWN_HOSTS", host),
			"the host key of %s is not known, and so anyone could stand in for it", s.at.dial())
	}
	if len(files) == 0 {
		return nil, nil, unknown()
	}
	db, err := knownhosts.NewDB(files...)
	var unread *fs.PathError
	if errors.As(err, &unread) {
		return nil, nil, fail(ErrHostKey, "name files that are there in SSH_KNOWN_HOSTS", "the file of known hosts %s cannot be read: %s",
			diag.Visible(unread.Path), diag.Visible(rootOf(err)))
	}
	if err != nil {
		return nil, nil, fail(ErrHostKey, "mend the line, or name another file in SSH_KNOWN_HOSTS", "the known hosts cannot be read: %s",
			diag.Visible(err.Error()))
	}
	check := db.HostKeyCallback()
	callback := func(name string, to net.Addr, key ssh.PublicKey) error {
		err := check(name, to, key)
		switch {
		case err == nil:
			return nil
		case knownhosts.IsHostKeyChanged(err):
			return fail(ErrHostKey, fmt.Sprintf("ask its operator whether the key was replaced; only then remove the old one from %s",
				strings.Join(files, " and ")),
				"the host key of %s is another one than the known one: somebody may be standing in for it (it has %s %s now)",
				s.at.dial(), key.Type(), ssh.FingerprintSHA256(key))
		case knownhosts.IsHostUnknown(err):
			return unknown()
		}
		return fail(ErrHostKey, "", "the host key of %s is not accepted: %s", s.at.dial(), diag.Visible(err.Error()))
	}
	return callback, db.HostKeyAlgorithms(s.at.dial()), nil // of a kind that is known, where the host has several
}

// auth gives the keys: a file's that is named, or else the agent's and those in ~/.ssh that have no passphrase.
func (s *secureShell) auth() (methods []ssh.AuthMethod, done func(), err error) {
	done = func() {}
	if s.options.KeyFile != "" {
		signer, err := keyFile(s.options.KeyFile)
		if err != nil {
			return nil, nil, err
		}
		return []ssh.AuthMethod{ssh.PublicKeys(signer)}, done, nil
	}
	var signers []ssh.Signer
	if socket := s.env["SSH_AUTH_SOCK"]; socket != "" {
		if conn, err := net.Dial("unix", socket); err == nil { // an agent that is gone is as good as none
			done = func() { conn.Close() }
			if signers, err = agent.NewClient(conn).Signers(); err != nil {
				signers = nil
			}
		}
	}
	if home := s.env["HOME"]; home != "" {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			if signer, err := keyFile(filepath.Join(home, ".ssh", name)); err == nil {
				signers = append(signers, signer)
			}
		}
	}
	if len(signers) == 0 {
		done()
		return nil, nil, fail(ErrCredentials, "start ssh-agent and 'ssh-add' a key, or name the file of a key that has no passphrase with --ssh-key",
			"%s needs a key, and there is none: no agent has one, and ~/.ssh has none without a passphrase", s.at.text)
	}
	return []ssh.AuthMethod{ssh.PublicKeys(signers...)}, done, nil
}

// keyFile reads a private key.
func keyFile(name string) (ssh.Signer, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fail(ErrCredentials, "look at the path, and at who may read it", "the key file %s cannot be read: %s", name,
			diag.Visible(rootOf(err)))
	}
	if _, _, options, _, err := ssh.ParseAuthorizedKey(data); err == nil && len(options) == 0 {
		return nil, fail(ErrCredentials, "name the private one, which is usually beside it, without .pub", "the key file %s has a public key", name)
	}
	signer, err := ssh.ParsePrivateKey(data)
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return nil, fail(ErrCredentials, "give it to ssh-agent with 'ssh-add', and leave the file out",
			"the key file %s has a passphrase, for which zave does not ask", name)
	case err != nil:
		return nil, fail(ErrCredentials, "'ssh-keygen -y -f FILE' tells whether ssh can", "the key file %s has no private key that zave can read", name)
	}
	return signer, nil
}

// handshake makes a sentence of what keeps a connection from standing.
func (s *secureShell) handshake(err error) error {
	if isOurs(err) {
		return unwrapOurs(err)
	}
	if strings.Contains(err.Error(), "unable to authenticate") {
		which := "accepts none of the keys of the agent and of ~/.ssh"
		if s.options.KeyFile != "" {
			which = "does not accept the key in " + s.options.KeyFile
		}
		return fail(ErrCredentials, "add the public key to the account or the repository, with the right to write",
			"%s %s for the user %s", s.at.text, which, s.user())
	}
	if strings.Contains(err.Error(), "no common algorithm for host key") {
		return fail(ErrHostKey, fmt.Sprintf("append what 'ssh-keyscan %s' gives to ~/.ssh/known_hosts, once it is compared", s.at.host),
			"%s has no host key of a kind that is known of it", s.at.dial())
	}
	return err
}

// user is who to be there: as ssh does it, the one who is here.
func (s *secureShell) user() string { return cmp.Or(s.at.user, s.env["USER"], "git") }
