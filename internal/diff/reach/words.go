package reach

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/internal/object"
)

// enumerate is "a", "a and b" or "a, b and c"; of more than most, the rest is counted.
func enumerate(list []string, most int) string {
	if n := len(list); n > most {
		return strings.Join(list[:most-1], ", ") + " and " + strconv.Itoa(n-most+1) + " more"
	}
	switch n := len(list); n {
	case 0:
		return ""
	case 1:
		return list[0]
	default:
		return strings.Join(list[:n-1], ", ") + " and " + list[n-1]
	}
}

// address gives a URL as it may be shown: without the user and the password that may stand in it.
func address(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		if i := strings.LastIndexByte(text, '@'); i >= 0 {
			return text[i+1:]
		}
		return text
	}
	if u.User == nil {
		return text
	}
	if _, secret := u.User.Password(); !secret && u.Scheme == "ssh" {
		return text // git@ names nobody
	}
	u.User = nil
	return u.String()
}

// changedOf gives the identities of those pairs that differ, in the order given, each once.
func changedOf(pairs ...*pair) []object.ID {
	var out []object.ID
	seen := map[object.ID]bool{}
	for _, p := range pairs {
		if p != nil && p.changed && !seen[p.ID] {
			seen[p.ID] = true
			out = append(out, p.ID)
		}
	}
	return out
}
