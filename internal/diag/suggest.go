package diag

import (
	"slices"
	"strconv"
	"strings"
)

// maxListed is how many candidates DidYouMean lists when none of them is near.
const maxListed = 8

// Suggest gives the candidate that was probably meant by a mistyped word: the one with the fewest insertions,
// deletions, replacements and swapped neighbours, where one such edit is allowed for each three characters and never
// more than three. Upper and lower case, and "-" and "_", count as the same. Failing that, it gives the only candidate
// that the word abbreviates. It is empty when nothing is near. The order of the candidates does not matter, and the
// word itself is never suggested.
func Suggest(word string, candidates []string) string {
	const tooLong = 200 // bytes; nobody's typo, and the distance is quadratic
	if word == "" || len(word) > tooLong {
		return ""
	}
	w := fold(word)
	best, bestDistance := "", 0
	abbreviated, abbreviations := "", 0
	for _, c := range candidates {
		if c == "" || c == word || len(c) > tooLong {
			continue
		}
		f := fold(c)
		limit := min(max(len(w), len(f))/3, 3)
		d := distance(w, f)
		if squash(w) == squash(f) {
			d = 0
		}
		if d <= limit && (best == "" || d < bestDistance || d == bestDistance && c < best) {
			best, bestDistance = c, d
		}
		if len(w) >= 3 && len(f) > len(w) && slices.Equal(f[:len(w)], w) && c != abbreviated {
			abbreviated = c
			abbreviations++
		}
	}
	if best == "" && abbreviations == 1 {
		return abbreviated
	}
	return best
}

// DidYouMean gives a hint for a word that is not among the candidates: `did you mean "port"?`, or, when nothing is
// near and the candidates are few, `one of a, b, c` in the order given. Otherwise it is empty.
func DidYouMean(word string, candidates []string) string {
	if s := Suggest(word, candidates); s != "" {
		return "did you mean " + strconv.Quote(s) + "?"
	}
	if len(candidates) == 0 || len(candidates) > maxListed {
		return ""
	}
	if len(candidates) == 1 {
		return "the only one is " + candidates[0]
	}
	return "one of " + strings.Join(candidates, ", ")
}

func fold(s string) []rune {
	return []rune(strings.ReplaceAll(strings.ToLower(s), "_", "-"))
}

// squash makes statement-timeout and statementTimeout one word.
func squash(folded []rune) string { return strings.ReplaceAll(string(folded), "-", "") }

// distance is the optimal string alignment distance: Damerau-Levenshtein, with no edit inside a swapped pair.
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
