package reach

import (
	"slices"
	"strings"
)

// nul ends a part of what consists of several: a server and a namespace, a group and a kind. No pattern crosses it.
const nul = '\x00'

// otherRune stands for all characters that no pattern names.
const otherRune = '\uFFFF'

// token is one step of a pattern.
type token struct {
	any     bool   // any character, or one of the ranges if there are some
	star    bool   // as often as it likes
	all     bool   // separators too
	negated bool   // none of the ranges
	ranges  []rune // pairs
	literal rune
}

// glob is a pattern as Argo CD knows them (github.com/gobwas/glob): * and ? stand for what is no separator, ** for
// anything, [a-z] for a class and {a,b} for one of several. It holds its alternatives.
type glob [][]token

// parts makes a pattern of several that stand one behind the other, each ended by nul. A part that is "*" alone stands
// for anything, as it does in Argo CD.
func parts(separators string, list ...string) glob {
	out := glob{nil}
	for _, text := range list {
		var next glob
		for _, alternative := range alternatives(text) {
			tokens := tokensOf(alternative, separators)
			if text == "*" {
				tokens = []token{{any: true, star: true, all: true}}
			}
			for _, before := range out {
				next = append(next, slices.Concat(before, tokens, []token{{literal: nul}}))
			}
		}
		out = next
	}
	return out
}

// alternatives writes out what braces say.
func alternatives(text string) []string {
	open := strings.IndexByte(text, '{')
	if open < 0 {
		return []string{text}
	}
	depth, begin := 0, open+1
	var middle []string
	for i := open; i < len(text); i++ {
		switch c := text[i]; {
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				middle = append(middle, text[begin:i])
				var out []string
				for _, m := range middle {
					out = append(out, alternatives(text[:open]+m+text[i+1:])...)
				}
				return out
			}
		case c == ',' && depth == 1:
			middle = append(middle, text[begin:i])
			begin = i + 1
		}
	}
	return []string{text} // never closed, and so no pattern
}

func tokensOf(text, separators string) []token {
	var out []token
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		switch c := runes[i]; {
		case c == '\\' && i+1 < len(runes):
			i++
			out = append(out, token{literal: runes[i]})
		case c == '*' && i+1 < len(runes) && runes[i+1] == '*':
			i++
			out = append(out, token{any: true, star: true, all: true})
		case c == '*':
			out = append(out, token{any: true, star: true, all: separators == ""})
		case c == '?':
			out = append(out, token{any: true, all: separators == ""})
		case c == '[':
			end := slices.Index(runes[i:], ']')
			if end < 0 {
				out = append(out, token{literal: c})
				continue
			}
			class := token{any: true, all: true}
			inside := runes[i+1 : i+end]
			if len(inside) > 0 && (inside[0] == '!' || inside[0] == '^') {
				class.negated, inside = true, inside[1:]
			}
			for j := 0; j < len(inside); j++ {
				last := inside[j]
				if j+2 < len(inside) && inside[j+1] == '-' {
					last = inside[j+2]
					class.ranges = append(class.ranges, inside[j], last)
					j += 2
					continue
				}
				class.ranges = append(class.ranges, last, last)
			}
			out = append(out, class)
			i += end
		default:
			out = append(out, token{literal: c})
		}
	}
	return out
}

func (t token) takes(c rune, separators string) bool {
	if !t.any {
		return c == t.literal
	}
	if c == nul || !t.all && strings.ContainsRune(separators, c) {
		return false
	}
	if len(t.ranges) == 0 {
		return true
	}
	in := false
	for i := 0; i < len(t.ranges); i += 2 {
		in = in || t.ranges[i] <= c && c <= t.ranges[i+1]
	}
	return in != t.negated
}

// globs is a set of patterns that are asked about together.
type globs struct {
	separators string
	patterns   []glob
}

// add takes in a pattern and gives its number.
func (g *globs) add(list ...string) int {
	g.patterns = append(g.patterns, parts(g.separators, list...))
	return len(g.patterns) - 1
}

// mostStates bounds a search. What is not decided within it counts as found.
const mostStates = 1 << 15

// some tells whether there is a text that all of the patterns in must match, and of whose matches want says yes. It
// goes over all texts there are, as far as the patterns tell them apart.
func (g *globs) some(must []int, want func(matches []bool) bool) bool {
	type state [][]int // of each alternative of each pattern: the tokens that may come next
	var flat [][]token
	var of []int // whose alternative it is
	for i, p := range g.patterns {
		for _, a := range p {
			flat = append(flat, a)
			of = append(of, i)
		}
	}
	close := func(a []token, at []int) []int { // a star may be left out
		for i := 0; i < len(at); i++ {
			if n := at[i]; n < len(a) && a[n].star && !slices.Contains(at, n+1) {
				at = append(at, n+1)
			}
		}
		slices.Sort(at)
		return at
	}
	key := func(s state) string {
		var b strings.Builder
		for _, at := range s {
			for _, n := range at {
				b.WriteRune(rune(n) + 1)
			}
			b.WriteByte(0)
		}
		return b.String()
	}
	start := make(state, len(flat))
	for i, a := range flat {
		start[i] = close(a, []int{0})
	}
	queue := []state{start}
	seen := map[string]bool{key(start): true}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		matches, alive := make([]bool, len(g.patterns)), make([]bool, len(g.patterns))
		letters := map[rune]bool{otherRune: true}
		for _, c := range g.separators {
			letters[c] = true
		}
		for i, at := range s {
			for _, n := range at {
				alive[of[i]] = true
				if n == len(flat[i]) {
					matches[of[i]] = true
					continue
				}
				t := flat[i][n]
				if !t.any {
					letters[t.literal] = true
				}
				for j := 0; j < len(t.ranges); j += 2 {
					for _, c := range []rune{t.ranges[j] - 1, t.ranges[j], t.ranges[j+1], t.ranges[j+1] + 1} {
						letters[c] = true
					}
				}
			}
		}
		if slices.ContainsFunc(must, func(i int) bool { return !alive[i] }) {
			continue
		}
		if !slices.ContainsFunc(must, func(i int) bool { return !matches[i] }) && want(matches) {
			return true
		}
		for c := range letters {
			next := make(state, len(flat))
			for i, at := range s {
				var to []int
				for _, n := range at {
					if n < len(flat[i]) && flat[i][n].takes(c, g.separators) {
						if !flat[i][n].star {
							n++
						}
						if !slices.Contains(to, n) {
							to = append(to, n)
						}
					}
				}
				next[i] = close(flat[i], to)
			}
			if k := key(next); !seen[k] {
				if seen[k] = true; len(seen) > mostStates {
					return true
				}
				queue = append(queue, next)
			}
		}
	}
	return false
}
