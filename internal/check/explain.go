package check

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/zavestudios/zave/internal/diag"
)

// problem is one thing that a schema refuses: a sentence that begins with the path of a field, and a hint.
type problem struct{ text, hint string }

// explain gives the leaves of a validation error's tree: what is wrong, and not that "allOf failed".
func (s *schema) explain(err error, value any) []problem {
	var e *jsonschema.ValidationError
	if !errors.As(err, &e) {
		return []problem{{text: oneLine(err.Error())}}
	}
	return s.leaves(e, value)
}

func (s *schema) leaves(e *jsonschema.ValidationError, value any) []problem {
	at := e.InstanceLocation
	say := func(more []string, hint, format string, args ...any) problem {
		path := pathText(append(at[:len(at):len(at)], more...), value)
		return problem{strings.TrimSpace(path + " " + fmt.Sprintf(format, args...)), hint}
	}
	var out []problem
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			out = append(out, say([]string{name}, diag.DidYouMean(name, s.properties(e.SchemaURL)), "is not a field"))
		}
	case *kind.Required:
		for _, name := range k.Missing {
			out = append(out, say([]string{name}, "", "is missing"))
		}
	case *kind.Type:
		out = append(out, say(nil, "", "is %s, and must be %s", article(k.Got), orList(k.Want)))
	case *kind.Enum:
		var names []string
		for _, w := range k.Want {
			names = append(names, fmt.Sprint(w))
		}
		out = append(out, say(nil, diag.DidYouMean(fmt.Sprint(k.Got), names), "is %s, and must be one of %s", quote(k.Got), strings.Join(names, ", ")))
	case *kind.Format:
		if k.Want == "quantity" {
			out = append(out, say(nil, "quantities look like 250m, 1.5 and 128Mi", "is %s, which is not a quantity", quote(k.Got)))
		} else {
			out = append(out, say(nil, "", "is %s, which is not a %s: %v", quote(k.Got), k.Want, k.Err))
		}
	case *kind.Pattern:
		out = append(out, say(nil, "", "is %s, and must match %s", quote(k.Got), k.Want))
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			if names := s.requiredBy(e.SchemaURL, k.Subschemas); len(names) > 1 {
				return []problem{say(nil, "", "may have only one of %s", strings.Join(names, ", "))}
			}
			return []problem{say(nil, "", "is more than one of the alternatives that exclude each other")}
		}
		return s.alternatives(e, value, say)
	case *kind.AnyOf:
		return s.alternatives(e, value, say)
	case *kind.Not:
		out = append(out, say(nil, "", "has a combination of fields that its schema excludes"))
	default:
		for _, c := range e.Causes {
			out = append(out, s.leaves(c, value)...)
		}
		if len(e.Causes) == 0 {
			out = append(out, say(nil, "", "%s", e.ErrorKind.LocalizedString(message.NewPrinter(language.English))))
		}
	}
	return out
}

// alternatives explains a value that is none of several things. Where each of them only demands a field, the fields
// are listed; otherwise it explains the alternative that came furthest, which is the one that was probably meant.
func (s *schema) alternatives(e *jsonschema.ValidationError, value any, say func([]string, string, string, ...any) problem) []problem {
	var names []string
	var furthest *jsonschema.ValidationError
	depth := -1
	for _, c := range e.Causes {
		if r, ok := c.ErrorKind.(*kind.Required); ok && len(c.InstanceLocation) == len(e.InstanceLocation) {
			names = append(names, strings.Join(r.Missing, " and "))
		}
		if d := deepest(c); d > depth {
			furthest, depth = c, d
		}
	}
	if furthest == nil || depth == len(e.InstanceLocation) && len(names) > 1 {
		if len(names) == 0 {
			return []problem{say(nil, "", "is none of the alternatives of its schema")}
		}
		return []problem{say(nil, "", "needs one of %s", strings.Join(names, ", "))}
	}
	return s.leaves(furthest, value)
}

func deepest(e *jsonschema.ValidationError) int {
	d := len(e.InstanceLocation)
	for _, c := range e.Causes {
		d = max(d, deepest(c))
	}
	return d
}

// properties gives the fields that the schema at a location knows.
func (s *schema) properties(location string) []string {
	m, _ := s.at(location)["properties"].(map[string]any)
	return sortedKeys(m)
}

// requiredBy gives the fields that some branches of the oneOf at a location demand.
func (s *schema) requiredBy(location string, branches []int) []string {
	list, _ := s.at(location)["oneOf"].([]any)
	var names []string
	for _, i := range branches {
		if i >= len(list) {
			continue
		}
		branch, _ := list[i].(map[string]any)
		required, _ := branch["required"].([]any)
		for _, r := range required {
			names = append(names, fmt.Sprint(r))
		}
	}
	return names
}

// at gives the part of the schema that the fragment of a URL, a JSON pointer (RFC 6901, section 6), points to.
func (s *schema) at(location string) map[string]any {
	_, pointer, _ := strings.Cut(location, "#")
	v := s.text
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if token == "" {
			continue
		}
		if decoded, err := unescape(token); err == nil {
			token = decoded
		}
		switch w := v.(type) {
		case map[string]any:
			v = w[token]
		case []any:
			if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(w) {
				v = w[i]
			}
		}
	}
	m, _ := v.(map[string]any)
	return m
}

// pathText writes a location within a value as people write it, and as the API server does:
// spec.containers[0].image, metadata.labels[app.kubernetes.io/name].
func pathText(location []string, value any) string {
	var b strings.Builder
	for _, token := range location {
		switch v := value.(type) {
		case []any:
			b.WriteString("[" + token + "]")
			value = nil
			if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(v) {
				value = v[i]
			}
			continue
		case map[string]any:
			value = v[token]
		default:
			value = nil
		}
		switch {
		case strings.ContainsAny(token, "./ "):
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	return b.String()
}

// sentence writes an error of apimachinery's validation the way the errors of a schema are written.
func sentence(e *field.Error) string {
	detail := lowerFirst(oneLine(e.Detail))
	switch e.Type {
	case field.ErrorTypeRequired:
		if detail == "" {
			return e.Field + " is missing"
		}
		return e.Field + " is missing: " + detail
	case field.ErrorTypeDuplicate:
		return fmt.Sprintf("%s is %s, which is there already", e.Field, quote(e.BadValue))
	case field.ErrorTypeNotSupported:
		return fmt.Sprintf("%s is %s, and must be one of %s", e.Field, quote(e.BadValue), strings.TrimPrefix(detail, "supported values: "))
	case field.ErrorTypeForbidden:
		return e.Field + " " + detail
	}
	return fmt.Sprintf("%s is %s: %s", e.Field, quote(e.BadValue), detail)
}

// nearest gives the hint for a value that is not among those supported, which field.NotSupported quotes in its detail.
func nearest(e *field.Error) string {
	list, ok := strings.CutPrefix(e.Detail, "supported values: ")
	if !ok {
		return ""
	}
	var allowed []string
	for v := range strings.SplitSeq(list, ", ") {
		if v, err := strconv.Unquote(v); err == nil {
			allowed = append(allowed, v)
		}
	}
	if near := diag.Suggest(fmt.Sprint(e.BadValue), allowed); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// quote shows a value, cut where it is long.
func quote(v any) string {
	text := fmt.Sprint(v)
	if s, ok := v.(fmt.Stringer); ok {
		text = s.String()
	}
	const most = 60
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return strconv.Quote(text)
}

func article(noun string) string {
	switch noun {
	case "null":
		return "null"
	case "array":
		return "a list"
	case "object":
		return "a map"
	case "integer":
		return "an integer"
	}
	return "a " + noun
}

func orList(nouns []string) string {
	var out []string
	for _, n := range nouns {
		out = append(out, article(n))
	}
	return strings.Join(out, " or ")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// lowerFirst gives a detail that begins in lower case, except where its first word is an abbreviation.
func lowerFirst(s string) string {
	if len(s) < 2 || s[1] >= 'A' && s[1] <= 'Z' {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func sortedKeys[M ~map[K]V, K cmp.Ordered, V any](m M) []K { return slices.Sorted(maps.Keys(m)) }

// unescape undoes the two escapings of a token of a JSON pointer in a URL.
func unescape(token string) (string, error) {
	token, err := url.PathUnescape(token)
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(token), err
}
