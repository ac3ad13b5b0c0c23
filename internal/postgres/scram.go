package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// scramIterations is PostgreSQL's own count (scram_iterations, new in 16; 4096 before), which is the least of RFC 7677.
// Passwords of machines are random, so that more rounds would cost every login and protect nothing.
const scramIterations = 4096

// MaxPassword is how many bytes a password may have. PostgreSQL takes longer ones, drivers and stores may not.
const MaxPassword = 1024

// NewVerifier gives the SCRAM-SHA-256 verifier of a password, with a new random salt, as PostgreSQL keeps it in
// pg_authid.rolpassword: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> (PostgreSQL manual, 53.8,
// "pg_authid"; RFC 5802, section 3; RFC 7677).
//
// A password that SASLprep (RFC 4013) would change is an error: PostgreSQL's own client changes it, some drivers do
// not, and others change it in part, so that it would work with some of them alone. So is one that PostgreSQL or its
// files cannot hold: empty, longer than MaxPassword, not UTF-8, or with a control character.
func NewVerifier(password string) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	return verifier(password, salt, scramIterations)
}

func verifier(password string, salt []byte, iterations int) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive a key: %w", err)
	}
	mac := func(key []byte, message string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(message))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return "SCRAM-SHA-256$" + strconv.Itoa(iterations) + ":" + b64(salt) + "$" +
		b64(stored[:]) + ":" + b64(mac(salted, "Server Key")), nil
}

// verifies tells whether a password is the one of a verifier in PostgreSQL's form. A verifier of another form, such as
// one of MD5, is nobody's.
func verifies(stored, password string) bool {
	rest, ok := strings.CutPrefix(stored, "SCRAM-SHA-256$")
	if !ok {
		return false
	}
	parameters, _, ok := strings.Cut(rest, "$")
	if !ok {
		return false
	}
	count, encoded, _ := strings.Cut(parameters, ":")
	iterations, err := strconv.Atoi(count)
	if err != nil || iterations < 1 || iterations > 10_000_000 {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return false
	}
	again, err := verifier(password, salt, iterations)
	return err == nil && subtle.ConstantTimeCompare([]byte(again), []byte(stored)) == 1
}

// checkPassword says what is wrong with a password, without the password.
func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case len(password) > MaxPassword:
		return fmt.Errorf("the password is longer than %d bytes", MaxPassword)
	case !utf8.ValidString(password):
		return errors.New("the password is not UTF-8")
	}
	for _, r := range password {
		switch {
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			return errors.New("the password has a control character, such as a line break within it")
		case mapped(r):
			return errors.New("the password has a character that SASLprep maps to another one or to nothing")
		}
	}
	if !norm.NFKC.IsNormalString(password) {
		return errors.New("the password has a character that SASLprep writes in another way")
	}
	return nil
}

// mapped tells whether SASLprep's first step changes a character: a space that is not ASCII's (RFC 3454, C.1.2), or one
// that is commonly mapped to nothing (B.1). The third step is the normalisation NFKC; what the fourth and fifth forbid
// needs no table here: PostgreSQL takes such a password as it is (saslprep.c, scram-common.c), and so does everybody.
func mapped(r rune) bool {
	switch {
	case r == 0x00a0, r == 0x1680, r >= 0x2000 && r <= 0x200b, r == 0x202f, r == 0x205f, r == 0x3000: // C.1.2
		return true
	case r == 0x00ad, r == 0x034f, r == 0x1806, r >= 0x180b && r <= 0x180d, r >= 0x200b && r <= 0x200d, r == 0x2060,
		r >= 0xfe00 && r <= 0xfe0f, r == 0xfeff: // B.1
		return true
	}
	return false
}
