package leak

import (
	"bytes"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// assignment is a value that is given to a name which says that it is secret: in YAML, JSON, CUE, shell, properties,
// HCL, and in most languages.
var assignment = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)([a-z0-9_.\-]*(?:password|passwd|passphrase|passwort|secret|token|api_?-?key|` +
		`access_?-?key|private_?-?key|signing_?-?key|encryption_?-?key|credential)[a-z0-9_.\-]*)` +
		`["']?\s*(?::=|=>|[:=])\s*(?:"([^"\\]*)"|'([^'\\]*)'|([^\s"'#,;]+))`)
})

// assigned are the words without which no line is an assignment of that kind, in lower case.
var assigned = []string{"passw", "passphrase", "secret", "token", "key", "credential"}

// innocent are words in a name that make it the name of something else: where the secret is, how long it lives, what it
// is called.
var innocent = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(`name names ref refs reference file files path paths dir url uri urls endpoint host id ids kind
		type class store version count length len size min max ttl expiry expires expiration expired lifetime
		duration timeout period interval age policy rule rules regex pattern format header field fields
		label prefix suffix public pub hash digest checksum sha fingerprint namespace mount volume env var
		variable schema enabled disabled required optional allowed provider source target method algorithm
		alg issuer audience scope scopes description comment title text message hint error errors bucket
		test line lines word words list index position kinds bytes limit limits refresh rotation rotate
		rotated automount template key-id keyid rotates manager operator service`) {
		out[w] = true
	}
	return out
})

// locks are files whose contents are digests.
var locks = []string{"go.sum", "go.mod", "package-lock.json", "pnpm-lock.yaml", "npm-shrinkwrap.json", "composer.lock"}

// plain are the extensions of files in which a value needs no quotes. Elsewhere, what has none is code.
var plainValues = []string{".yaml", ".yml", ".env", ".ini", ".properties", ".conf", ".cfg", ".cnf", ".toml",
	".tfvars", ".netrc", ".sh", ".bash", ".envrc", ".service"}

func (s *scan) assignments() {
	base := path.Base(s.file)
	if slices.Contains(locks, base) || path.Ext(base) == ".lock" || strings.HasSuffix(base, ".lock.hcl") ||
		strings.HasSuffix(base, ".lock.json") {
		return
	}
	unquoted := slices.Contains(plainValues, strings.ToLower(path.Ext(base))) || strings.HasPrefix(base, ".env") ||
		strings.Contains(base, "Dockerfile")
	for i, line := range s.lines {
		if !s.fresh[i] || s.isSealed(i) || len(line) > 1<<16 {
			continue
		}
		lower := bytes.ToLower(line)
		if !slices.ContainsFunc(assigned, func(w string) bool { return bytes.Contains(lower, []byte(w)) }) {
			continue
		}
		for _, m := range assignment().FindAllSubmatch(line, -1) {
			name, value := string(m[1]), string(m[2])
			switch {
			case m[3] != nil:
				value = string(m[3])
			case m[4] != nil:
				if value = string(m[4]); !unquoted {
					continue
				}
			}
			if secretName(name) && secretValue(value) {
				s.found(i, "assigned-secret", "a value of high entropy in "+shorten(name), value)
			}
		}
	}
}

// shorten keeps a name printable: it is from the file.
func shorten(name string) string {
	if len(name) > 40 {
		return name[:40] + "…"
	}
	return name
}

func (s *scan) isSealed(line int) bool {
	return slices.ContainsFunc(s.sealed, func(r [2]int) bool { return line >= r[0] && line < r[1] })
}

// secretName tells whether a name is of a secret itself: "DB_PASSWORD", and not "passwordFile" or "tokenTTL".
func secretName(name string) bool {
	words := splitWords(name)
	last := -1
	for i, w := range words {
		switch {
		case strings.Contains(w, "passw"), strings.Contains(w, "passphrase"), strings.Contains(w, "secret"),
			strings.Contains(w, "token"), strings.Contains(w, "credential"), w == "key", strings.HasSuffix(w, "apikey"):
			last = i
		}
	}
	if last < 0 {
		return false
	}
	for i, w := range words {
		// Before the word too: "public key", "hash of the password".
		if innocent()[w] && (i > last || w == "public" || w == "pub" || w == "hash" || w == "digest" || w == "checksum") {
			return false
		}
	}
	return true
}

// splitWords takes a name apart at its capitals and separators, in lower case.
func splitWords(name string) (out []string) {
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, strings.ToLower(b.String()))
			b.Reset()
		}
	}
	for i, r := range name {
		switch {
		case r == '_' || r == '-' || r == '.':
			flush()
			continue
		case r >= 'A' && r <= 'Z' && i > 0 && (name[i-1] >= 'a' && name[i-1] <= 'z' || i+1 < len(name) &&
			name[i+1] >= 'a' && name[i+1] <= 'z'):
			flush()
		}
		b.WriteRune(r)
	}
	flush()
	return out
}

// secretValue tells whether a value can be a secret: long enough, of more than one kind of character, and not of a form
// that something public has.
func secretValue(v string) bool {
	if len(v) < 8 || len(v) > 4096 || placeholder(v) || public(v) {
		return false
	}
	var digits, letters, upper, lower, other int
	for _, r := range v {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r >= 'a' && r <= 'z':
			letters++
			lower++
		case r >= 'A' && r <= 'Z':
			letters++
			upper++
		case r == ' ' || r > 126 || r < 32:
			return false // a sentence
		default:
			other++
		}
	}
	switch {
	case letters == 0:
		return false // a number, a date, a version
	case digits == 0 && len(v) < 20, digits == 0 && (upper == 0 || lower == 0):
		return false // words
	case digits == 0 && words(v):
		return false
	case len(v) < 12:
		return entropy(v) >= 2.75 && digits > 0 && !identifier(v)
	case len(v) < 20:
		return entropy(v) >= 3 && !identifier(v)
	default:
		return entropy(v) >= 3.3 && !identifier(v)
	}
}

// words tells a CamelCase name: on average, a capital begins a word of at least four letters.
func words(v string) bool {
	capitals := 0
	for _, r := range v {
		if r >= 'A' && r <= 'Z' {
			capitals++
		}
	}
	return capitals == 0 || len(v)/capitals >= 4
}

// identifier tells what is made of words and a few numbers: "shop-db-credentials-2", "config.auth.token1", "v1beta1".
func identifier(v string) bool {
	parts := strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune("-_./:,()[]{}*|&", r) })
	long := 0
	for _, p := range parts {
		digits, switches := 0, 0
		for i := range len(p) {
			isDigit := p[i] >= '0' && p[i] <= '9'
			if isDigit {
				digits++
			}
			if i > 0 && isDigit != (p[i-1] >= '0' && p[i-1] <= '9') {
				switches++
			}
		}
		if digits > 0 && digits < len(p) && (switches > 2 || digits > 4) || len(p) > 24 || digits == 0 && !words(p) {
			long++
		}
	}
	return len(parts) > 1 && long == 0 || len(parts) == 1 && len(v) < 20 && long == 0 && strings.Trim(v,
		"abcdefghijklmnopqrstuvwxyz0123456789") == "" && tail(v)
}

// tail tells letters that are followed by at most two digits: "panchito1".
func tail(v string) bool {
	head := strings.TrimRight(v, "0123456789")
	return len(v)-len(head) <= 2 && strings.Trim(head, "abcdefghijklmnopqrstuvwxyz") == ""
}

// placeholder tells a value that stands for one.
func placeholder(v string) bool {
	lower := strings.ToLower(v)
	for _, w := range []string{
		"example", "changeme", "change-me", "change_me", "placeholder", "dummy", "xxxx", "****", "....", "…", "your",
		"todo", "redacted",
		"masked", "insert", "replace", "sample", "fixme", "hunter2", "${", "$(", "{{", "<%", "%s", "%v", "%q", "<", ">",
		"notreal", "not-real", "fake", "foobar",
		"correct-horse", "letmein",
	} {
		if strings.Contains(lower, w) {
			return true
		}
	}
	if elsewhere(v) {
		return true
	}
	switch v[:min(len(v), 1)] {
	case "$", "@", "%", "/", "~", "&", "*", "!", "(", "[", "\\":
		return true // a variable, a path, an anchor, code
	}
	return strings.HasPrefix(v, "./") || strings.HasPrefix(v, "../") || strings.ContainsAny(v, "()") &&
		strings.Contains(v, ".") || distinct(lower) <= 3
}

func distinct(v string) int {
	seen := map[rune]bool{}
	for _, r := range v {
		seen[r] = true
	}
	return len(seen)
}

// publicForm are values that are meant to be seen.
var publicForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(?:sha(?:1|256|384|512)[:\-]|md5:|SHA256:|` +
		`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$|age1[0-9a-z]{20,}|ssh-|ecdsa-|sk-ssh-|` +
		`arn:|projects/|https?://|file:|env:|data:|urn:|oci://|git@|\$(?:2[aby]|argon2|5|6|scrypt)|` +
		`\d{4}-\d\d-\d\d|v?\d+\.\d+|[\w.\-]+@[\w.\-]+\.\w+$|` +
		`[\w.\-]+\.(?:ya?ml|json|pem|key|crt|txt|cue|go|sh|conf|toml)$|` +
		`-----BEGIN (?:PUBLIC|CERT|SSH|PGP PUBLIC)|MII[A-Z][0-9A-Za-z+/]{20,}|vault:v\d+:|AgA|AgB)`)
})

func public(v string) bool { return publicForm().MatchString(v) }

// entropy is Shannon's, in bits a character.
func entropy(v string) float64 {
	n := map[rune]float64{}
	total := 0.0
	for _, r := range v {
		n[r]++
		total++
	}
	// In a fixed order, so that equal values have equal sums.
	counts := make([]float64, 0, len(n))
	for _, c := range n {
		counts = append(counts, c)
	}
	slices.Sort(counts)
	h := 0.0
	for _, c := range counts {
		h -= c / total * math.Log2(c/total)
	}
	return h
}
