package pgtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// s3Server is the S3-compatible server of the tests: a Go program that keeps objects in a directory.
const s3Server = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// S3 is a running S3-compatible server with one bucket.
type S3 struct {
	Endpoint          string // https://127.0.0.1:PORT
	Bucket            string
	AccessKey, Secret string
	CA                string // the file with the authority's certificate
	Credentials       string // a directory with the files access-key-id and secret-access-key
	Objects           string // the directory that holds the bucket's objects as files, to break them
}

// s3Guard is to an S3 server what guardScript is to PostgreSQL.
const s3Guard = `while read -r _; do :; done
kill -KILL "$2" 2>/dev/null
i=0
until rm -rf "$1" 2>/dev/null || [ $i -ge 20 ]; do sleep 0.1; i=$((i+1)); done`

// StartS3 starts an S3 server, over TLS on the loopback interface, that is stopped at the end of the test. Its program
// is built with the go command where this machine has not yet done so.
func StartS3(t testing.TB) *S3 {
	t.Helper()
	root, err := once("s3-v1.8.0", func(dir string) error {
		cmd := exec.Command("go", "install", s3Server)
		cmd.Dir = dir // outside of the module, whose versions are not its
		cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go install %s: %w\n%s", s3Server, err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for try := 0; ; try++ {
		s, stop, err := runS3(filepath.Join(root, "versitygw"))
		if err == nil {
			t.Cleanup(func() {
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
			return s
		}
		if try == 4 { // somebody else may have taken the port, but not five times
			t.Fatal(err)
		}
	}
}

// runS3 starts the server in a directory of its own and waits until it takes connections.
func runS3(program string) (_ *S3, stop func() error, err error) {
	base, err := os.MkdirTemp("", "zs3")
	if err != nil {
		return nil, nil, err
	}
	guarded := false
	defer func() {
		if err != nil && !guarded {
			err = errors.Join(err, os.RemoveAll(base))
		}
	}()
	s := &S3{
		Bucket: "backups", AccessKey: "tester", Secret: rand.Text(),
		CA: filepath.Join(base, "ca.crt"), Credentials: filepath.Join(base, "credentials"),
	}
	files := filepath.Join(base, "files")
	s.Objects = filepath.Join(files, s.Bucket)
	sidecar := filepath.Join(base, "sidecar") // not all file systems have extended attributes
	err = errors.Join(
		os.MkdirAll(s.Objects, 0o755), os.Mkdir(sidecar, 0o755), os.Mkdir(s.Credentials, 0o700),
		os.WriteFile(filepath.Join(s.Credentials, "access-key-id"), []byte(s.AccessKey+"\n"), 0o600),
		os.WriteFile(filepath.Join(s.Credentials, "secret-access-key"), []byte(s.Secret+"\n"), 0o600),
		certifyS3(base, s.CA),
	)
	if err != nil {
		return nil, nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	log, err := os.Create(filepath.Join(base, "log"))
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, "--port", address, "--cert", filepath.Join(base, "s3.crt"), "--key",
		filepath.Join(base, "s3.key"),
		"posix", "--sidecar", sidecar, files)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+s.AccessKey, "ROOT_SECRET_ACCESS_KEY="+s.Secret)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, base
	cmd.SysProcAttr = apart(account{})
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start the S3 server: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	in, out, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, cmd.Process.Kill())
	}
	guard := exec.Command("/bin/sh", "-c", s3Guard, "sh", base, strconv.Itoa(cmd.Process.Pid))
	guard.Stdin, guard.Dir, guard.SysProcAttr = in, "/", apart(account{})
	err = guard.Start()
	in.Close()
	if err != nil {
		return nil, nil, errors.Join(err, out.Close(), cmd.Process.Kill())
	}
	guarded = true
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	ca, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, nil, errors.Join(err, out.Close(), guard.Wait())
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Second}, Config: &tls.Config{RootCAs: pool}}
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		// With its certificate, so that it is this server and not another that was quicker to take the port.
		if conn, err := dialer.DialContext(ctx, "tcp", address); err == nil {
			conn.Close()
			tick.Stop()
			s.Endpoint = "https://" + address
			return s, func() error { return errors.Join(out.Close(), guard.Wait()) }, nil
		}
		select {
		case err := <-exited:
			text, _ := os.ReadFile(filepath.Join(base, "log"))
			return nil, nil, errors.Join(fmt.Errorf("the S3 server did not start: %v\n%s", err, text), out.Close(), guard.Wait())
		case <-ctx.Done():
			return nil, nil, errors.Join(errors.New("the S3 server did not get ready"), out.Close(), guard.Wait())
		case <-tick.C:
		}
	}
}

// certifyS3 writes an authority's certificate, and beside it the server's with its key.
func certifyS3(base, ca string) error {
	authority, authorityKey, err := newAuthority()
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, authorityKey)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(ca, "CERTIFICATE", authority.Raw, 0o644),
		writePEM(filepath.Join(base, "s3.crt"), "CERTIFICATE", cert, 0o644),
		writePEM(filepath.Join(base, "s3.key"), "PRIVATE KEY", der, 0o600),
	)
}
