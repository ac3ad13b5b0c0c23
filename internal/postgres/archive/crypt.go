package archive

import (
	"errors"
	"io"
	"strings"

	"filippo.io/age"
)

// Recipients are who can read an archive.
type Recipients struct {
	names []string
	keys  []age.Recipient
}

const recipientHint = "a recipient is what age-keygen prints as the public key: age1…"

// ParseRecipients reads age recipients, one a line; empty lines and comments with "#" are left out.
func ParseRecipients(text string) (*Recipients, error) {
	r := &Recipients{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(strings.ToUpper(line), "AGE-SECRET-KEY-") {
			return nil, problem(Mistaken, recipientHint, "line %d is a secret key, and no recipient", i+1)
		}
		keys, err := age.ParseRecipients(strings.NewReader(line))
		if err != nil {
			return nil, problem(Mistaken, recipientHint, "line %d is no age recipient", i+1)
		}
		r.names, r.keys = append(r.names, line), append(r.keys, keys...)
	}
	if len(r.keys) == 0 {
		return nil, problem(Mistaken, recipientHint, "there is no age recipient")
	}
	// age refuses to mix recipients that a quantum computer could and could not break: better said now than after a dump.
	w, err := age.Encrypt(io.Discard, r.keys...)
	if err != nil {
		return nil, problem(Mistaken, "use recipients of one kind", "the age recipients do not go together").from(err)
	}
	return r, w.Close()
}

// Names lists the recipients as they were given.
func (r *Recipients) Names() []string { return append([]string(nil), r.names...) }

// Identities are the secret keys that open archives.
type Identities struct{ keys []age.Identity }

// ParseIdentities reads age identities, one a line, as age-keygen writes them.
func ParseIdentities(text string) (*Identities, error) {
	if strings.HasPrefix(text, "age-encryption.org/") || strings.Contains(text, "BEGIN AGE ENCRYPTED FILE") {
		return nil, problem(Mistaken, "decrypt it first, with age -d", "the identity is itself encrypted")
	}
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, strings.TrimSpace(line))
	}
	keys, err := age.ParseIdentities(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		return nil, problem(Mistaken, "an identity is what age-keygen writes: AGE-SECRET-KEY-1…",
			"there is no age identity to read")
	}
	return &Identities{keys}, nil
}

// NewIdentity makes an identity: its text, which is secret, and its recipient.
func NewIdentity() (secret, recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", err
	}
	return id.String() + "\n", id.Recipient().String(), nil
}

func (r *Recipients) encrypt(w io.Writer) (io.WriteCloser, error) { return age.Encrypt(w, r.keys...) }

// decrypt gives the plaintext. Reading it to its end without an error is proof that all of it is as it was written.
func (i *Identities) decrypt(r io.Reader) (io.Reader, error) {
	plain, err := age.Decrypt(r, i.keys...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, refuse("none of the identities opens it", "")
	}
	if err != nil {
		return nil, refuse("it is no age file", "it was tampered with, or is no backup").from(err)
	}
	return plain, nil
}
