package diag

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// tabWidth is how wide a tab is shown: CUE indents with tabs, and eight columns would push text out of sight.
const tabWidth = 4

// Visible is visible for whoever else shows text that others wrote, such as the names on a server.
func Visible(s string) string { return visible(s) }

// visible gives text that a terminal shows as what it is. What does not print by itself (control characters, the
// bidirectional ones of the Trojan Source attack, joiners, exotic spaces, line separators) becomes \n, \x1b or \u202e; a
// byte that is not UTF-8 becomes \xff.
func visible(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !printable(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		b.WriteString(glyph(r, s[i:i+n]))
		i += n
	}
	return b.String()
}

// glyph is how one character, whose bytes are raw, is shown.
func glyph(r rune, raw string) string {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		return fmt.Sprintf(`\x%02x`, raw[0])
	case printable(r):
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

// printable leaves out the variation selectors although they are marks: terminals disagree on the width of what they
// follow, and the caret would stand in the wrong place.
func printable(r rune) bool {
	return unicode.IsPrint(r) && !(r >= 0xFE00 && r <= 0xFE0F) && !(r >= 0xE0100 && r <= 0xE01EF)
}

// textWidth is how many columns of a terminal visible text takes.
func textWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is 0 for marks and the vowels and finals of conjoining Hangul, 2 for wide and fullwidth characters (Unicode
// Standard Annex 11), else 1.
func runeWidth(r rune) int {
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
