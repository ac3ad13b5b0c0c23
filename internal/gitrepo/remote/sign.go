package remote

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/zavestudios/zave/internal/diag"
)

// Signer signs commits.
type Signer interface {
	// Sign gives the armoured signature of a commit that has none.
	Sign(commit []byte) (string, error)
}

// SignKey says what to sign with.
type SignKey struct {
	// File has a private key, of ssh or OpenPGP, or a public key of ssh whose private one an agent has.
	File string
	// Passphrase opens a private key that has one.
	Passphrase string
	// Agent is the agent's socket, as SSH_AUTH_SOCK has it.
	Agent string
	// When is the time of signatures of OpenPGP: the committer's.
	When time.Time
}

// ErrSignKey is that a key cannot sign.
var ErrSignKey = errors.New("the key cannot sign")

// Signer reads the key.
func (k SignKey) Signer() (Signer, error) {
	data, err := os.ReadFile(k.File)
	if err != nil {
		return nil, fail(ErrSignKey, "look at the path, and at who may read it", "the signing key %s cannot be read: %s", k.File,
			diag.Visible(rootOf(err)))
	}
	if bytes.Contains(data, []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----")) {
		return k.openPGP(data)
	}
	if public, _, options, _, err := ssh.ParseAuthorizedKey(data); err == nil && len(options) == 0 {
		return &agentSigner{public, k}, nil
	}
	key, err := ssh.ParsePrivateKey(data)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if k.Passphrase == "" {
			return nil, fail(ErrSignKey, "set ZAVE_SIGN_PASSPHRASE, or name its public key and have an agent sign",
				"the signing key %s has a passphrase", k.File)
		}
		if key, err = ssh.ParsePrivateKeyWithPassphrase(data, []byte(k.Passphrase)); err != nil {
			return nil, fail(ErrSignKey, "look at ZAVE_SIGN_PASSPHRASE", "the passphrase does not open the signing key %s", k.File)
		}
	}
	if err != nil {
		return nil, fail(ErrSignKey, "give a private key of ssh or OpenPGP (armoured), or a public one of ssh whose private one an agent has",
			"the signing key %s is of no kind that zave reads", k.File)
	}
	sign, ok := key.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fail(ErrSignKey, "", "the signing key %s is of a kind that cannot sign commits: %s", k.File, key.PublicKey().Type())
	}
	return sshSigner{key.PublicKey(), func(data []byte) (*ssh.Signature, error) {
		return sign.SignWithAlgorithm(rand.Reader, data, algorithm(key.PublicKey()))
	}}, nil
}

// algorithm is the one that SSHSIG allows for a kind of key: SHA-1 is not.
func algorithm(key ssh.PublicKey) string {
	if key.Type() == ssh.KeyAlgoRSA {
		return ssh.KeyAlgoRSASHA512
	}
	return key.Type()
}

// sshSigner signs as OpenSSH's PROTOCOL.sshsig says, in the namespace that git checks.
type sshSigner struct {
	public ssh.PublicKey
	sign   func([]byte) (*ssh.Signature, error)
}

const (
	sshMagic     = "SSHSIG"
	sshNamespace = "git"
	sshHash      = "sha512"
)

func (s sshSigner) Sign(commit []byte) (string, error) {
	sum := sha512.Sum512(commit)
	message := append([]byte(sshMagic), ssh.Marshal(struct{ Namespace, Reserved, HashAlgorithm, Hash string }{
		sshNamespace, "", sshHash, string(sum[:]),
	})...)
	signature, err := s.sign(message)
	if err != nil {
		return "", fail(ErrSignKey, "", "the key %s did not sign: %s", ssh.FingerprintSHA256(s.public), diag.Visible(err.Error()))
	}
	blob := append([]byte(sshMagic), ssh.Marshal(struct {
		Version                                                  uint32
		PublicKey, Namespace, Reserved, HashAlgorithm, Signature string
	}{1, string(s.public.Marshal()), sshNamespace, "", sshHash, string(ssh.Marshal(signature))})...)
	var b strings.Builder
	b.WriteString("-----BEGIN SSH SIGNATURE-----\n")
	const width = 70
	for text := base64.StdEncoding.EncodeToString(blob); text != ""; {
		n := min(width, len(text))
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	b.WriteString("-----END SSH SIGNATURE-----\n")
	return b.String(), nil
}

// agentSigner has an agent sign.
type agentSigner struct {
	public ssh.PublicKey
	key    SignKey
}

func (s *agentSigner) Sign(commit []byte) (string, error) {
	const hint = "start ssh-agent, and give it the key with 'ssh-add'"
	if s.key.Agent == "" {
		return "", fail(ErrSignKey, hint, "the signing key %s is a public one, and there is no agent that has the private one", s.key.File)
	}
	conn, err := net.Dial("unix", s.key.Agent)
	if err != nil {
		return "", fail(ErrSignKey, hint, "the agent for the signing key %s cannot be reached", s.key.File)
	}
	defer conn.Close()
	client := agent.NewClient(conn)
	has, err := client.List()
	if err != nil {
		return "", fail(ErrSignKey, hint, "the agent for the signing key %s does not say what keys it has: %s", s.key.File,
			diag.Visible(err.Error()))
	}
	if !slices.ContainsFunc(has, func(k *agent.Key) bool { return bytes.Equal(k.Blob, s.public.Marshal()) }) {
		return "", fail(ErrSignKey, "give it the key with 'ssh-add'; 'ssh-add -L' lists those that it has",
			"the agent does not have the private key of the signing key %s", s.key.File)
	}
	var flags agent.SignatureFlags
	if s.public.Type() == ssh.KeyAlgoRSA {
		flags = agent.SignatureFlagRsaSha512
	}
	return sshSigner{s.public, func(data []byte) (*ssh.Signature, error) {
		return client.SignWithFlags(s.public, data, flags)
	}}.Sign(commit)
}

// openPGPSigner signs as RFC 4880 says.
type openPGPSigner struct {
	entity *openpgp.Entity
	when   time.Time
}

func (k SignKey) openPGP(data []byte) (Signer, error) {
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(data))
	if err != nil || len(ring) != 1 {
		return nil, fail(ErrSignKey, "'gpg --armor --export-secret-keys ID' writes such a file", "the signing key %s is not one armoured key of OpenPGP",
			k.File)
	}
	entity := ring[0]
	key, ok := entity.SigningKey(k.When)
	if !ok {
		return nil, fail(ErrSignKey, "give one that was made before then, and is neither expired nor revoked",
			"the signing key %s has no part that may sign at the time of the commit, %s", k.File, k.When.UTC().Format(time.DateOnly))
	}
	if key.PrivateKey == nil || key.PrivateKey.Dummy() {
		return nil, fail(ErrSignKey, "export it with its secret part", "the signing key %s lacks the secret part that signs", k.File)
	}
	if key.PrivateKey.Encrypted {
		if k.Passphrase == "" {
			return nil, fail(ErrSignKey, "set ZAVE_SIGN_PASSPHRASE", "the signing key %s has a passphrase", k.File)
		}
		if err := entity.DecryptPrivateKeys([]byte(k.Passphrase)); err != nil {
			return nil, fail(ErrSignKey, "look at ZAVE_SIGN_PASSPHRASE", "the passphrase does not open the signing key %s", k.File)
		}
	}
	return openPGPSigner{entity, k.When}, nil
}

func (s openPGPSigner) Sign(commit []byte) (string, error) {
	var b bytes.Buffer
	plain := false // no random notation in the signature: the same commit is signed the same way
	err := openpgp.ArmoredDetachSign(&b, s.entity, bytes.NewReader(commit), &packet.Config{
		Time: func() time.Time { return s.when }, NonDeterministicSignaturesViaNotation: &plain,
	})
	if err != nil {
		return "", fail(ErrSignKey, "", "the key did not sign: %s", diag.Visible(err.Error()))
	}
	return fmt.Sprintln(strings.TrimRight(b.String(), "\n")), nil
}
