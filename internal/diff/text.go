package diff

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zavestudios/zave/internal/diff/typed"
	"github.com/zavestudios/zave/internal/object"
)

// longest is how many bytes of a value a report shows.
const longest = 400

// context is how much of what two long values have in common is shown around what they have not.
const context = 60

// texts gives the two sides of a field as a report shows them: as JSON, with what both have in common left out of long
// ones, and nothing of a Secret.
func texts(o *object.Object, f typed.Field) (before, after string) {
	secret := o.Group == "" && o.Kind == "Secret" && (strings.HasPrefix(f.Shape, "data") || strings.HasPrefix(f.Shape, "stringData"))
	text := func(v any) string {
		switch {
		case v == nil:
			return ""
		case secret:
			return `"(hidden)"`
		}
		return typed.Text(v)
	}
	before, after = text(f.Before), text(f.After)
	if len(before) <= longest && len(after) <= longest {
		return before, after
	}
	if before == "" || after == "" {
		return shorten(before, 0, 0), shorten(after, 0, 0)
	}
	start := 0
	for start < len(before) && start < len(after) && before[start] == after[start] {
		start++
	}
	end := 0
	for end < len(before)-start && end < len(after)-start && before[len(before)-1-end] == after[len(after)-1-end] {
		end++
	}
	return shorten(before, start, end), shorten(after, start, end)
}

// shorten leaves out most of the first and of the last bytes, which the other side has too, and of what is too long.
func shorten(s string, start, end int) string {
	from, to := 0, len(s)
	if start > 2*context {
		from = start - context
	}
	if end > 2*context {
		to = len(s) - end + context
	}
	from, to = boundary(s, from), boundary(s, max(from, min(to, len(s))))
	out := s[from:to]
	if len(out) > longest {
		out = out[:boundary(out, longest)] + "…"
	}
	if from > 0 {
		out = "…" + out
	}
	if to < len(s) && !strings.HasSuffix(out, "…") {
		out += "…"
	}
	return out
}

// boundary is the first rune that begins at or behind an index.
func boundary(s string, i int) int {
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return i
}

// count is "1 pod" or "2 pods".
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	switch {
	case strings.HasSuffix(word, "cy"), strings.HasSuffix(word, "ry"), strings.HasSuffix(word, "ty"):
		word = strings.TrimSuffix(word, "y") + "ie"
	case strings.HasSuffix(word, "ss"):
		word += "e"
	}
	return strconv.Itoa(n) + " " + word + "s"
}

// and joins the last of a list with "and".
func and(list []string) string {
	switch n := len(list); n {
	case 0:
		return ""
	case 1:
		return list[0]
	default:
		return strings.Join(list[:n-1], ", ") + " and " + list[n-1]
	}
}

// some joins a list and leaves out what is beyond a few.
func some(list []string, most int) string {
	if len(list) <= most {
		return and(list)
	}
	return strings.Join(list[:most-1], ", ") + " and " + strconv.Itoa(len(list)-most+1) + " more"
}
