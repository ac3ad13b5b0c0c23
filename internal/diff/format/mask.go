package format

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/zavestudios/zave/internal/diff/report"
)

// masked stands for a value that looks like a secret. It is no JSON, so that it cannot be taken for the value.
const (
	masked    = "(masked)"
	maskedToo = "(masked, another value)"
)

// masker takes secrets out of a report. It is the one door that values pass on their way out.
type masker struct {
	shape func(string) string // what looks like a secret by its shape; may be nil
	// argument is "--password=x" and "PGPASSWORD=x" within a text, as commands have them; the value is its last group.
	argument *regexp.Regexp
	// userinfo is the password of an address (RFC 3986, 3.2.1), its second group.
	userinfo *regexp.Regexp
	// named is an environment variable as JSON that was cut off, and so cannot be read as JSON.
	named *regexp.Regexp
}

func newMasker(shape func(string) string) *masker {
	return &masker{
		shape: shape,
		argument: regexp.MustCompile(`([A-Za-z0-9_-]*(?i:password|passwd|passphrase|secret|token|credential|api[-_]?key)` +
			`[A-Za-z0-9_-]*=)([^\s"'\\,;)\]}]+)`),
		userinfo: regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@"']*:)([^\s/@"']+)(@)`),
		named:    regexp.MustCompile(`("name":"([^"]*)","value":)(".*)`),
	}
}

// report gives a copy of a report with its texts masked. The lists of indices are shared with the original.
func (m *masker) report(r *report.Report) *report.Report {
	out := *r
	out.Base.Name, out.Head.Name = m.text(r.Base.Name), m.text(r.Head.Name)
	out.Changes = slices.Clone(r.Changes)
	for i := range out.Changes {
		c := &out.Changes[i]
		c.Fields = slices.Clone(c.Fields)
		for j := range c.Fields {
			c.Fields[j] = m.field(c.Kind, c.Fields[j])
		}
	}
	out.Consequences = slices.Clone(r.Consequences)
	for i := range out.Consequences {
		q := &out.Consequences[i]
		q.Text, q.Why, q.Plan = m.text(q.Text), m.text(q.Why), m.texts(q.Plan)
		q.Subjects = slices.Clone(q.Subjects)
		for j := range q.Subjects {
			s := &q.Subjects[j]
			s.Name, s.Pass = m.text(s.Name), m.text(s.Pass)
		}
	}
	out.Money = slices.Clone(r.Money)
	for i := range out.Money {
		out.Money[i].How = m.text(out.Money[i].How)
	}
	out.Notes = m.texts(r.Notes)
	return &out
}

func (m *masker) texts(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = m.text(s)
	}
	return out
}

// text masks what looks like a secret anywhere in a text.
func (m *masker) text(s string) string {
	if strings.Contains(s, "=") {
		s = m.argument.ReplaceAllStringFunc(s, func(hit string) string {
			at := strings.IndexByte(hit, '=') + 1
			if hit[at] == '/' { // a file that holds it
				return hit
			}
			return hit[:at] + masked
		})
	}
	if strings.Contains(s, "://") {
		s = m.userinfo.ReplaceAllString(s, "${1}"+masked+"${3}")
	}
	if m.shape != nil {
		s = m.shape(s)
	}
	return s
}

// field masks the values of one field of an object of a kind.
func (m *masker) field(kind string, f report.Field) report.Field {
	last, element := ends(f.Path)
	hide := kind == "Secret" && (under(f.Path, "data") || under(f.Path, "stringData")) ||
		kind == "ConfigMap" && under(f.Path, "data") && secretName(last) ||
		element != "" && last == "value" && secretName(element) ||
		secretField(last)
	f.Before, f.After = m.value(kind, last, f.Before, hide), m.value(kind, last, f.After, hide)
	if f.Before == masked && f.After == masked {
		f.After = maskedToo
	}
	return f
}

// value masks one side of a field, which is JSON unless it was shortened.
func (m *masker) value(kind, key, s string, hide bool) string {
	if s == "" {
		return ""
	}
	var v any
	err := json.Unmarshal([]byte(s), &v)
	if hide {
		if text, ok := v.(string); err == nil && (v == nil || ok && (text == "" || strings.HasPrefix(text, "/"))) {
			return s // nothing, or the file that holds it
		}
		return masked
	}
	if err != nil {
		return m.text(m.named.ReplaceAllStringFunc(s, func(hit string) string {
			parts := m.named.FindStringSubmatch(hit)
			if !secretName(parts[2]) {
				return hit
			}
			return parts[1] + masked
		}))
	}
	changed := m.walk(kind, key, &v)
	if !changed {
		return m.text(s)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return masked // of what was just decoded: cannot be
	}
	return m.text(strings.TrimSuffix(b.String(), "\n"))
}

// walk masks within a decoded value what stands under a name that looks like a secret's, and tells whether there was
// anything.
func (m *masker) walk(kind, key string, v *any) (changed bool) {
	switch x := (*v).(type) {
	case map[string]any:
		name, _ := x["name"].(string)
		for k, val := range x {
			text, isText := val.(string)
			secret := k == "value" && secretName(name) || secretField(k) ||
				kind == "Secret" && (key == "data" || key == "stringData") || kind == "ConfigMap" && key == "data" && secretName(k)
			if secret && isText && text != "" && !strings.HasPrefix(text, "/") {
				x[k] = masked
				changed = true
				continue
			}
			if m.walk(kind, k, &val) {
				x[k] = val
				changed = true
			}
		}
	case []any:
		for i := range x {
			if m.walk(kind, key, &x[i]) {
				changed = true
			}
		}
	}
	return changed
}

// ends gives the last name of a path, and the key of the last list element in it that is chosen by name:
// "value" and "DB_PASSWORD" for spec.containers[name="web"].env[name="DB_PASSWORD"].value.
func ends(path string) (last, element string) {
	last = path
	if i := strings.LastIndexAny(path, ".]"); i >= 0 && path[i] == '.' {
		last = path[i+1:]
	} else if i >= 0 { // data["a.key"], or an element itself
		open := strings.LastIndexByte(path, '[')
		last = strings.Trim(path[open+1:i], `"`)
	}
	if open := strings.LastIndex(path, `[name="`); open >= 0 {
		rest := path[open+len(`[name="`):]
		if end := strings.IndexByte(rest, '"'); end >= 0 {
			element = rest[:end]
		}
	}
	return last, element
}

func under(path, field string) bool {
	return path == field || strings.HasPrefix(path, field+".") || strings.HasPrefix(path, field+"[")
}

// secretName tells whether an environment variable, or a key of a ConfigMap, is named as those are that hold secrets.
func secretName(name string) bool {
	var words []string
	for _, w := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		words = append(words, splitCamel(w)...)
	}
	if slices.Contains(words, "public") {
		return false
	}
	for _, w := range words {
		switch w {
		case "key", "keys", "pass", "pwd", "auth", "credential", "credentials", "dsn":
			return true
		}
		for _, part := range []string{"password", "passwd", "passphrase", "secret", "token", "apikey"} {
			if strings.Contains(w, part) {
				return true
			}
		}
	}
	return false
}

// splitCamel gives the words of "clientSecret" in lower case; "PGPASSWORD" is one.
func splitCamel(s string) (out []string) {
	start := 0
	runes := []rune(s)
	for i := 1; i <= len(runes); i++ {
		if i == len(runes) || unicode.IsUpper(runes[i]) && unicode.IsLower(runes[i-1]) {
			out = append(out, strings.ToLower(string(runes[start:i])))
			start = i
		}
	}
	return out
}

// secretField tells whether a field of an API holds a secret itself. Those that name one, as secretName, secretKeyRef
// and External Secrets' secretKey do, are not among them.
func secretField(name string) bool {
	switch strings.ToLower(name) {
	case "password", "passwd", "passphrase", "token", "bearertoken", "clientsecret", "privatekey", "apikey",
		"secretaccesskey":
		return true
	}
	return false
}
