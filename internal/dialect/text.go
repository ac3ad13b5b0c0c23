package dialect

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Visible gives text that a terminal shows as what it is. What does not print by itself (control characters, the
// bidirectional ones of the Trojan Source attack, joiners, exotic spaces, line separators) becomes \n, \x1b or \u202e;
// a byte that is not UTF-8 becomes \xff.
func Visible(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !Printable(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		b.WriteString(Glyph(r, s[i:i+n]))
		i += n
	}
	return b.String()
}

// Glyph is how one character, whose bytes are raw, is shown.
func Glyph(r rune, raw string) string {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		return fmt.Sprintf(`\x%02x`, raw[0])
	case Printable(r):
		return raw
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r == '\r':
		return `\r`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}

// Printable tells whether a character shows as itself. It leaves out the variation selectors although they are marks:
// terminals disagree on the width of what they follow, and a caret would stand in the wrong place.
func Printable(r rune) bool {
	return unicode.IsPrint(r) && !(r >= 0xFE00 && r <= 0xFE0F) && !(r >= 0xE0100 && r <= 0xE01EF)
}

// Width is how many columns of a terminal visible text takes.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += RuneWidth(r)
	}
	return n
}

// RuneWidth is 0 for marks and the vowels and finals of conjoining Hangul, 2 for wide and fullwidth characters (Unicode
// Standard Annex 11), else 1.
func RuneWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me), r >= 0x1160 && r <= 0x11FF:
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// The ANSI SGR parameters in use (ECMA-48, 8.3.117).
const (
	Bold     = "1"
	Faint    = "2"
	Red      = "1;31"
	Green    = "32"
	Yellow   = "1;33"
	Magenta  = "1;35"
	Cyan     = "36"
	WhiteRed = "1;97;41" // white on red
)

// Paint puts visible text between the sequences that colour it and end the colour, if there is to be colour.
func Paint(color bool, sgr, s string) string {
	if !color || s == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}
