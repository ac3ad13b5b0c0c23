// Package archive keeps encrypted, signed backups of tenants' databases in a directory or an S3-compatible store.
//
// Invariants: an archive is a payload and a manifest, and without its manifest it does not exist: the payload is stored
// first, the manifest last, and removed in the other order; nothing readable is written to any disk; whatever can be
// known of an archive is known before its reader gets a byte: who signed it, whose it is, that all of it arrived; the
// memory that is used does not grow with the data; nothing is removed that this package did not write, and never the
// newest archive that is good. It is the only importer of age and of an S3 client.
package archive

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind tells what to make of a Problem.
type Kind int

const (
	Unusable Kind = iota // the world: a store that cannot be reached, a disk that is full
	Missing              // there is no such archive, bucket or directory
	Refused              // the archive must not be restored: tampered with, another's, from the future
	Mistaken             // what was asked for makes no sense: a key that is none, a URL that cannot be
)

// Problem is what is wrong with an archive, a store or a key, and what to do about it. No Problem holds a secret.
type Problem struct {
	Kind Kind
	Text string // one sentence, lower case, no full stop
	Hint string // likewise; may be empty
	Err  error  // what it comes from; may be nil
}

// Error gives the sentence.
func (p *Problem) Error() string {
	if p.Err != nil {
		return p.Text + ": " + p.Err.Error()
	}
	return p.Text
}

// Unwrap gives the cause.
func (p *Problem) Unwrap() error { return p.Err }

func problem(kind Kind, hint, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Text: fmt.Sprintf(format, args...), Hint: hint}
}

func (p *Problem) from(err error) *Problem {
	p.Err = err
	return p
}

// IsRefused tells whether the error is a refusal of an archive.
func IsRefused(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Kind == Refused
}

// Skew is how far the clock of who made an archive may be ahead of the clock of who reads it.
const Skew = 5 * time.Minute

// idTime is how the time stands in an ID: ISO 8601's basic format, in UTC, which sorts as it passes.
const idTime = "20060102T150405Z"

// NewID names an archive that is taken at a time: 20261124T012847Z-5e0c91ab. What follows the time is random, so that
// two backups of one second do not meet.
func NewID(taken time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return taken.UTC().Format(idTime) + "-" + hex.EncodeToString(b[:])
}

// ParseID gives the time in an ID, in full seconds.
func ParseID(id string) (time.Time, error) {
	stamp, suffix, ok := strings.Cut(id, "-")
	raw, err := hex.DecodeString(suffix)
	if ok && err == nil && len(raw) == 4 && hex.EncodeToString(raw) == suffix {
		if t, err := time.Parse(idTime, stamp); err == nil && t.Format(idTime) == stamp {
			return t, nil
		}
	}
	return time.Time{}, problem(Mistaken, "an ID is a time in UTC with a suffix: 20261124T012847Z-5e0c91ab",
		"%q is no ID of an archive", id)
}

// Set is where the archives of one database lie.
type Set struct {
	Tenant   string
	Database string
}

const (
	payloadSuffix  = ".dump.age"
	manifestSuffix = ".json"
)

// prefix is the directory of the set's archives, with a slash at its end.
func (s Set) prefix() string { return escape(s.Tenant) + "/" + escape(s.Database) + "/" }

func (s Set) payload(id string) string  { return s.prefix() + id + payloadSuffix }
func (s Set) manifest(id string) string { return s.prefix() + id + manifestSuffix }

// escape makes one path segment of a name, injectively: what is not a letter, a digit, "_", "-" or "." inside becomes
// %XX.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
