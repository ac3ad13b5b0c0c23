package pgtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certify makes an authority, and the server's certificate from it.
func (s *Server) certify(names []string) error {
	authority, authorityKey, err := newAuthority()
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(names) > 0 {
		leaf.DNSNames, leaf.IPAddresses = names, nil
	}
	cert, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, authorityKey)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	s.CA = filepath.Join(s.base, "ca.crt")
	return errors.Join(
		writePEM(s.CA, "CERTIFICATE", authority.Raw, 0o644),
		writePEM(filepath.Join(s.Dir, "server.crt"), "CERTIFICATE", cert, 0o644),
		writePEM(filepath.Join(s.Dir, "server.key"), "PRIVATE KEY", der, 0o600),
		s.user.own(filepath.Join(s.Dir, "server.crt")),
		s.user.own(filepath.Join(s.Dir, "server.key")),
	)
}

// OtherCA writes the certificate of an authority that has issued nothing to a file in dir, and gives its path.
func OtherCA(dir string) (string, error) {
	authority, _, err := newAuthority()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "other-ca.crt")
	return path, writePEM(path, "CERTIFICATE", authority.Raw, 0o644)
}

func newAuthority() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	// A day either way: clocks of virtual machines jump.
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "zave test authority"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
