package object

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// style is how a string is written.
type style uint8

const (
	plainStyle   style = iota // as it is
	quotedStyle               // in double quotes, on one line
	literalStyle              // as a literal block, line by line
)

// styleOf chooses. A string is plain only where every reader, of YAML 1.1 or 1.2, gives back that string; a string
// of several lines is a literal block where each character can be seen. What unicode.IsPrint refuses (controls, a
// no-break space, U+2028, a byte order mark, text direction marks) is quoted, so that it shows as an escape.
func styleOf(s string) style {
	if s == "" {
		return quotedStyle
	}
	plain, lines := true, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c > ':' && c < 0x7f, c > '#' && c < ':': // most
		case c == '\n':
			plain, lines = false, true
		case c == '\t':
			plain = false
		case c < ' ' || c == 0x7f:
			return quotedStyle
		case c == ':':
			if i+1 == len(s) || s[i+1] == ' ' {
				plain = false
			}
		case c == '#':
			if i > 0 && s[i-1] == ' ' {
				plain = false
			}
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
				return quotedStyle
			}
			i += n - 1
		}
	}
	switch {
	case lines && strings.Trim(s, "\n") != "":
		return literalStyle
	case plain && s[0] != ' ' && s[len(s)-1] != ' ' && !startsOdd(s) && !readsAsOther(s):
		return plainStyle
	}
	return quotedStyle
}

// startsOdd tells whether the beginning of a string means something to YAML: an indicator (YAML 1.2.2, 5.3), the
// beginning of a document marker, or a key of YAML 1.1 ("=", "<<").
func startsOdd(s string) bool {
	switch s[0] {
	case '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', '=', '<', '~':
		return true
	case '-':
		return len(s) == 1 || s[1] == ' ' || strings.HasPrefix(s, "---")
	case '.':
		return strings.HasPrefix(s, "...")
	}
	return false
}

// readsAsOther tells whether some reader would take the plain string for a null, a boolean, a number or a time. It
// covers the types of YAML 1.1 (yaml.org/type), the core schema of 1.2, and what Ruby takes for a number ("1,000");
// it errs towards quotes, for instance for a version "1.34.3" and a cron schedule "0 3 * * *".
func readsAsOther(s string) bool {
	number := s
	if s[0] == '+' || s[0] == '-' {
		number = s[1:]
	}
	if number == "" || number[0] != '.' && (number[0] < '0' || number[0] > '9') {
		return isWord(s)
	}
	if len(number) > 1 && number[0] == '0' && strings.IndexByte("xXoObB", number[1]) >= 0 {
		return true
	}
	for i := range len(number) {
		switch c := number[i]; {
		case c == ' ':
			return true
		case c >= '0' && c <= '9':
		case strings.IndexByte("+-_.,:eEtTzZ", c) < 0:
			return isWord(s)
		}
	}
	return true
}

// isWord tells whether a string is one of YAML's words, in any case.
func isWord(s string) bool {
	if len(s) > len("false") || strings.IndexByte("nNtTfFyYoO~.+-", s[0]) < 0 {
		return false
	}
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "+.inf", "-.inf", ".nan":
		return true
	}
	return false
}

// appendString writes a string on one line, as a key is and most values are.
func appendString(b []byte, s string) []byte {
	if styleOf(s) == plainStyle {
		return append(b, s...)
	}
	return appendQuoted(b, s)
}

// appendQuoted writes a string in double quotes. The escapes are those of JSON, and \U for what lies beyond the
// basic plane; invalid UTF-8 becomes U+FFFD, as in encoding/json.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			i += n
			switch {
			case unicode.IsPrint(r):
				b = utf8.AppendRune(b, r)
			case r > math.MaxUint16:
				b = append(b, '\\', 'U')
				for shift := 28; shift >= 0; shift -= 4 {
					b = append(b, hex[r>>shift&0xf])
				}
			default:
				b = append(b, '\\', 'u', hex[r>>12&0xf], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf])
			}
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// appendLiteral writes a string of several lines as a literal block (YAML 1.2.2, 8.1.2) behind a key or a dash in
// column col; its lines stand two columns further in.
func appendLiteral(b []byte, s string, col int) []byte {
	body := strings.TrimRight(s, "\n")
	b = append(b, '|')
	// A reader finds the indentation from the first line that holds something, unless that line begins with white
	// space of its own.
	if first := strings.TrimLeft(body, "\n"); first[0] == ' ' || first[0] == '\t' {
		b = append(b, '2')
	}
	switch len(s) - len(body) {
	case 0:
		b = append(b, '-')
	case 1:
	default:
		b = append(b, '+')
	}
	b = append(b, '\n')
	for line := range strings.SplitSeq(body, "\n") {
		if line != "" {
			b = appendIndent(b, col+2)
			b = append(b, line...)
		}
		b = append(b, '\n')
	}
	for range len(s) - len(body) - 1 {
		b = append(b, '\n')
	}
	return b
}

func appendIndent(b []byte, n int) []byte {
	const spaces = "                                "
	for n > len(spaces) {
		b = append(b, spaces...)
		n -= len(spaces)
	}
	return append(b, spaces[:n]...)
}

// appendFloat writes a finite number as encoding/json does, exponents apart: see appendNumber.
func appendFloat(b []byte, f float64, bits int) []byte {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 {
		if bits == 64 && (abs < 1e-6 || abs >= 1e21) || bits == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21) {
			format = 'e'
		}
	}
	if format == 'f' {
		return strconv.AppendFloat(b, f, 'f', -1, bits)
	}
	return appendNumber(b, strconv.FormatFloat(f, 'e', -1, bits))
}

// appendNumber writes a number of JSON. YAML 1.1 takes 1e3 and 1.0e3 for strings: a float with an exponent needs a
// point and a sign there.
func appendNumber(b []byte, s string) []byte {
	mantissa, exponent, ok := strings.Cut(strings.ToLower(s), "e")
	b = append(b, mantissa...)
	if !ok {
		return b
	}
	if !strings.Contains(mantissa, ".") {
		b = append(b, ".0"...)
	}
	b = append(b, 'e')
	if exponent[0] != '+' && exponent[0] != '-' {
		b = append(b, '+')
	}
	return append(b, exponent...)
}
