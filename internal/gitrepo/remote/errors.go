package remote

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/gitrepo"
)

// Kinds of errors, for errors.Is.
var (
	ErrAddress     = errors.New("not an address of a repository")                 // of Open
	ErrCredentials = errors.New("the remote does not accept the credentials")     // or there are none
	ErrHostKey     = errors.New("the host's key is not known")                    // or is another one than before
	ErrUnreachable = errors.New("the remote cannot be reached")                   // or does not answer in time
	ErrNoRepo      = errors.New("no such repository")                             // or none that the credentials may see
	ErrNoBranch    = errors.New("no such branch")                                 // in a repository that has others
	ErrEmpty       = errors.New("the repository has no commits")                  // and so no branch
	ErrRaced       = errors.New("somebody else changed the branch first")         // fetch, and apply the change anew
	ErrDeclined    = errors.New("the remote declined the change")                 // a protected branch, a hook, no rights
	ErrInterrupted = errors.New("the exchange broke off")                         // the branch has not changed so far; try again
	ErrUnclear     = errors.New("it is not known whether the change has arrived") // Landed tells, later
	ErrCorrupt     = errors.New("the repository is damaged")
	ErrDiskFull    = errors.New("no space left on the device")
)

// fail makes an error that the user can do something about.
func fail(kind error, hint, format string, args ...any) error {
	return gitrepo.NewError(kind, fmt.Sprintf(format, args...), hint)
}

// isOurs tells whether an error is a sentence already.
func isOurs(err error) bool {
	var e *gitrepo.Error
	return errors.As(err, &e)
}

const noSpace = "make room in the temporary directory, or set TMPDIR to another one"

// explain makes a sentence of what goes wrong on the way to a remote and back.
func explain(err error, at string) error {
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		hostname  x509.HostnameError
		pack      *packfile.Error
	)
	switch {
	case err == nil:
		return nil
	case isOurs(err):
		return unwrapOurs(err)
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, pktline.ErrInvalidPktLen):
		return notGit(at, "does not answer")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fail(ErrDiskFull, noSpace, "there is no space left for what %s sends", at)
	case errors.As(err, &authority):
		return fail(ErrUnreachable, "set SSL_CERT_FILE to the file of your own certificate authority",
			"the certificate of %s is of an authority that this machine does not trust", at)
	case errors.As(err, &invalid), errors.As(err, &hostname):
		return fail(ErrUnreachable, "the server's certificate has to be renewed, or another name used",
			"the certificate of %s is not valid: %s", at, diag.Visible(rootOf(err)))
	case errors.As(err, &dns) && dns.IsNotFound:
		return fail(ErrUnreachable, "look at the host in the address", "%s cannot be reached: there is no host %s", at, dns.Name)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fail(ErrUnreachable, "try again; if it stays so, look at the network, the proxy and the server",
			"%s does not answer in time", at)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(ErrUnreachable, "look at the host and port in the address, and whether the server runs",
			"%s cannot be reached: the connection was refused", at)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return fail(ErrUnreachable, "try again; if it stays so, look at the network, the proxy and the server",
			"%s ended the connection in the middle of its answer", at)
	case errors.As(err, &pack), errors.Is(err, packfile.ErrMalformedPackFile):
		return fail(ErrCorrupt, "try again; if it stays so, 'git fsck' in the repository there says what is wrong",
			"%s sends objects that cannot be read: %s", at, diag.Visible(rootOf(err)))
	}
	return fail(ErrUnreachable, "try again; if it stays so, look at the network, the proxy and the server",
		"%s cannot be used: %s", at, diag.Visible(rootOf(err)))
}

// notGit is what to say of an answer in another language, most often a page of a proxy that wants a login.
func notGit(at, answers string) error {
	return fail(ErrNoRepo, "the address has to be a repository's, as 'git clone' takes it, with no proxy before it that answers for it",
		"%s %s as a git server does", at, answers)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// rootOf is the text of the innermost error: those around it repeat the address, as the library writes it.
func rootOf(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// said is what a server's text comes to in one line: without the marks of progress, control characters and secrets.
func said(text string, secrets []string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	var lines []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "remote:"))
		if line != "" && strings.Trim(line, "=-*#") != "" {
			lines = append(lines, line)
		}
	}
	const most = 600
	out := strings.Join(lines, "; ")
	if len(out) > most {
		out = strings.ToValidUTF8(out[:most], "") + "…"
	}
	return diag.Visible(out)
}

// unwrapOurs gives the sentence within an error that a library has put words around.
func unwrapOurs(err error) error {
	var e *gitrepo.Error
	if errors.As(err, &e) {
		return e
	}
	return err
}
