// Package leak finds plaintext secrets in files that are about to be committed, and masks them in text that is printed.
//
// It is one of our own and not gitleaks v8.30.1, which was weighed: that brings seventy modules (a configuration
// reader, a logger, archive formats, a terminal library), and its 3,200 lines of rules take 40 ms and 38 MB at every
// start, where the whole hook has 300 ms. It also knows neither what a Secret of Kubernetes is, nor that one of SOPS,
// of Sealed Secrets or of External Secrets is none. The patterns here are those that the issuers of tokens document.
//
// Invariants: a finding never holds the value, nor anything from which it could be told; only lines that are new are
// reported; equal inputs give equal findings, sorted; what is public by design (digests, public keys, recipients,
// placeholders, references to a secret kept elsewhere) is no finding.
package leak

import (
	"bytes"
	"cmp"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Comment is what a line says that has something which only looks like a secret, followed by a reason. It may also
// stand on the line before.
const Comment = "zave:allow-secret"

// AllowFile lists, at the platform's root, the fingerprints of findings that are none, one a line. What follows a "#"
// is a comment.
const AllowFile = ".zave-allowed-secrets"

// Finding is one place that seems to hold a secret.
type Finding struct {
	File string
	Line int    // from 1; 0: the file as a whole
	Rule string // a name for ever, "github-token"
	Kind string // what it is, "a GitHub token"
	// Fingerprint names the finding in AllowFile: of the file, the rule and the value, through a hash that is slow on
	// purpose.
	Fingerprint string
}

// maxFile is how much of a file is looked at, in bytes.
const maxFile = 16 << 20

// Scan looks through one file. Lines that old has, too, are not new and not reported; old may be nil. Allowed are
// fingerprints.
func Scan(file string, data, old []byte, allowed map[string]bool) []Finding {
	s := &scan{file: file, data: data[:min(len(data), maxFile)], allowed: allowed}
	if bytes.IndexByte(s.data[:min(len(s.data), 8000)], 0) >= 0 { // as git tells text from what is not
		s.binary(old)
		return s.out
	}
	s.lines = bytes.Split(s.data, []byte("\n"))
	s.fresh = make([]bool, len(s.lines))
	was := make(map[string]bool)
	for line := range bytes.Lines(old) {
		was[strings.TrimRight(string(line), "\r\n")] = true
	}
	for i, line := range s.lines {
		s.fresh[i] = !was[string(bytes.TrimRight(line, "\r"))]
	}
	s.keys()
	s.tokens()
	s.manifests()
	s.assignments()
	slices.SortFunc(s.out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), strings.Compare(a.Rule, b.Rule))
	})
	return s.out
}

// scan is the work on one file.
type scan struct {
	file    string
	data    []byte
	lines   [][]byte
	fresh   []bool
	allowed map[string]bool
	sealed  [][2]int // lines, from and to, of documents whose values are encrypted
	out     []Finding
}

// found reports what stands on a line, counted from 0, unless it is allowed or a more telling rule has it already.
func (s *scan) found(line int, rule, kind, value string) {
	if line >= 0 && (!s.fresh[line] || s.excused(line)) {
		return
	}
	for _, f := range s.out {
		if f.Line == line+1 {
			return
		}
	}
	print := Fingerprint(s.file, rule, value)
	if s.allowed[print] {
		return
	}
	s.out = append(s.out, Finding{File: s.file, Line: line + 1, Rule: rule, Kind: kind, Fingerprint: print})
}

// excused tells whether a comment allows what stands on the line. It has to give a reason.
func (s *scan) excused(line int) bool {
	for i := max(line-1, 0); i <= line; i++ {
		if _, reason, ok := strings.Cut(string(s.lines[i]), Comment); ok && strings.ContainsFunc(reason, isLetter) {
			return true
		}
	}
	return false
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 127 }

// Fingerprint names a finding: 16 hexadecimal digits.
func Fingerprint(file, rule, value string) string {
	// Whoever reads a log with a fingerprint in it shall not try passwords against it by the million.
	key, err := pbkdf2.Key(sha256.New, value, []byte("zave "+rule+"\x00"+file), 50_000, 8)
	if err != nil {
		panic(fmt.Sprintf("pbkdf2: %v", err)) // only for lengths that do not exist
	}
	return hex.EncodeToString(key)
}

// ParseAllowed reads AllowFile.
func ParseAllowed(data []byte) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			out[line] = true
		}
	}
	return out
}

// binary knows stores of keys by their names.
func (s *scan) binary(old []byte) {
	kinds := map[string]string{
		".p12": "a PKCS #12 key store", ".pfx": "a PKCS #12 key store", ".jks": "a Java key store",
		".keystore": "a Java key store",
		".kdbx":     "a KeePass database", ".gpg-key": "a PGP key",
	}
	if kind := kinds[strings.ToLower(path.Ext(s.file))]; kind != "" && !bytes.Equal(s.data, old) {
		s.found(-1, "key-store", kind, string(s.data[:min(len(s.data), 1024)]))
	}
}
