package archive

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
)

// domain keeps a signature of a manifest from being one of anything else.
const domain = "zave backup manifest v1\n"

// Signer holds the private key that manifests are signed with.
type Signer struct{ key ed25519.PrivateKey }

const signerHint = "make one with: openssl genpkey -algorithm ed25519 -out sign.pem"

// ParseSigner reads an Ed25519 private key as openssl genpkey writes it: PKCS #8 in PEM (RFC 8410).
func ParseSigner(text []byte) (*Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, problem(Mistaken, signerHint, "the signing key is not in PEM")
	}
	if block.Type != "PRIVATE KEY" {
		return nil, problem(Mistaken, signerHint, "the signing key is a PEM block of type %q, not \"PRIVATE KEY\"",
			block.Type)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, problem(Mistaken, signerHint, "the signing key cannot be read") // no cause: it may quote the key
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, problem(Mistaken, signerHint, "the signing key is not an Ed25519 one")
	}
	return &Signer{private}, nil
}

// NewSigner makes a key. Its text is what ParseSigner reads.
func NewSigner() (*Signer, []byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return &Signer{private}, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Public gives the key that goes with it.
func (s *Signer) Public() PublicKey { return publicKey(s.key.Public().(ed25519.PublicKey)) }

func (s *Signer) sign(manifest []byte) []byte {
	return ed25519.Sign(s.key, append([]byte(domain), manifest...))
}

// PublicKey is an Ed25519 public key as one line: the base64 of its SubjectPublicKeyInfo, which is the one line between
// those of a PEM file (RFC 8410). Only ParsePublicKeys and Public give one that verifies anything.
type PublicKey string

func publicKey(key ed25519.PublicKey) PublicKey {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	return PublicKey(base64.StdEncoding.EncodeToString(der))
}

func (k PublicKey) verify(manifest, sig []byte) bool {
	der, err := base64.StdEncoding.DecodeString(string(k))
	if err != nil {
		return false
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return false
	}
	public, ok := key.(ed25519.PublicKey)
	return ok && ed25519.Verify(public, append([]byte(domain), manifest...), sig)
}

const publicHint = "give what this prints: openssl pkey -in sign.pem -pubout"

// ParsePublicKeys reads Ed25519 public keys: PEM files as openssl pkey -pubout writes them, one after the other, or
// just the line between those of PEM, one a line. Empty lines and comments with "#" are left out. Keys are sorted,
// each once.
func ParsePublicKeys(text string) ([]PublicKey, error) {
	var out []PublicKey
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "#"), line == "-----BEGIN PUBLIC KEY-----",
			line == "-----END PUBLIC KEY-----":
			continue
		case strings.Contains(line, "PRIVATE KEY"):
			return nil, problem(Mistaken, publicHint, "that is a private key, which only the one who signs should have")
		}
		der, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return nil, problem(Mistaken, publicHint, "line %d is no public key", i+1)
		}
		key, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, problem(Mistaken, publicHint, "line %d is no public key", i+1)
		}
		public, ok := key.(ed25519.PublicKey)
		if !ok {
			return nil, problem(Mistaken, signerHint, "the public key in line %d is not an Ed25519 one", i+1)
		}
		out = append(out, publicKey(public))
	}
	if len(out) == 0 {
		return nil, problem(Mistaken, publicHint, "there is no public key")
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Text gives the key in PEM.
func (k PublicKey) Text() string {
	return fmt.Sprintf("-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n", string(k))
}
