package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Encode gives the file that a ConfigMap holds and that Decode reads: JSON, indented, the same for equal states.
func (d *Desired) Encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		// Strings, numbers and slices of them always encode.
		return nil
	}
	return b.Bytes()
}

// Decode reads what Encode wrote. A field that is not known, anything behind the state, and a state whose names cannot
// be kept apart are errors.
func Decode(data []byte) (*Desired, error) {
	d := &Desired{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(d); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errors.New("read the desired state: it ends too early")
		case errors.As(err, &syntax):
			return nil, fmt.Errorf("read the desired state: line %d: it is not JSON: %s", line(data, syntax.Offset), syntax)
		case errors.As(err, &kind):
			return nil, fmt.Errorf("read the desired state: line %d: %s is to be a %s, not a %s", line(data, kind.Offset),
				kind.Field, kind.Type, kind.Value)
		}
		return nil, fmt.Errorf("read the desired state: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the desired state: line %d: something stands behind it",
			line(data, decoder.InputOffset()))
	}
	if err := d.Check(); err != nil {
		return nil, fmt.Errorf("read the desired state: %w", err)
	}
	return d, nil
}

func line(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(int(offset), len(data))], []byte("\n"))
}

// Check tells whether the state can be planned: every name is one that PostgreSQL keeps as it is, and no two things
// share one. The compiler sees to that; a file could have been written by hand.
func (d *Desired) Check() error {
	problems := d.problems()
	if len(problems) == 0 {
		return nil
	}
	if n := len(problems) - 1; n > 0 {
		return fmt.Errorf("%s (and %d more)", problems[0].message, n)
	}
	return errors.New(problems[0].message)
}

// problem is a name that cannot be.
type problem struct{ object, message, hint string }

func (d *Desired) problems() []problem {
	var out []problem
	say := func(object, message, hint string) { out = append(out, problem{object, message, hint}) }
	taken := map[string]string{}
	name := func(kind, name, whose string) {
		what := "the " + kind + " of " + whose
		switch {
		case name == "":
			say(whose, what+" has no name", "name it")
			return
		case len(name) > MaxIdentifier:
			say(name, fmt.Sprintf("%s has a name of %d bytes, of which PostgreSQL keeps %d: %s",
				what, len(name), MaxIdentifier, name), "shorten it")
			return
		case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
			say(name, what+" has a name that is not text", "name it with letters, digits and _")
			return
		}
		reserved := kind == "role" && (strings.HasPrefix(name, "pg_") || name == "public" || name == "none") ||
			kind == "database" && slices.Contains([]string{"postgres", "template0", "template1"}, name)
		if reserved {
			say(name, what+" bears a name of the system's: "+name, "choose another name")
		}
		key := kind + " " + name
		if first, twice := taken[key]; twice {
			say(name, "the "+kind+" "+name+" is both of "+first+" and of "+whose, "choose another name for one of them")
		}
		taken[key] = whose
	}
	name("role", d.Instance.Role, "the instance")
	name("database", d.Instance.Database, "the instance")
	for i := range d.Instance.Monitors {
		name("role", d.Instance.Monitors[i], "the instance's monitors")
	}
	tenants := map[string]bool{}
	for i := range d.Tenants {
		t := &d.Tenants[i]
		whose := "the tenant " + t.Name
		if tenants[t.Name] {
			say(t.Name, whose+" stands twice in the state", "leave one of them out")
		}
		tenants[t.Name] = true
		name("database", t.Database, whose)
		name("database", t.RestoreDatabase(), whose+"'s restore")
		name("database", t.TestDatabase(), whose+"'s restore test")
		for _, r := range t.Roles.All() {
			name("role", r, whose)
		}
		for _, schema := range []string{t.Schema, t.ExtensionSchema} {
			switch {
			case schema == "" || len(schema) > MaxIdentifier || !utf8.ValidString(schema):
				say(schema, "a schema of "+whose+" has no name that PostgreSQL keeps", "name it with up to 63 bytes")
			case strings.HasPrefix(schema, "pg_") || schema == "public" || schema == "information_schema":
				say(schema, "a schema of "+whose+" bears a name of the system's: "+schema, "choose another name")
			}
		}
		if t.Schema == t.ExtensionSchema {
			say(t.Schema, "the schemas of "+whose+" have one name", "keep the extensions in a schema of their own")
		}
		if t.Connections < 1 {
			say(t.Name, whose+" has no connections", "give it one at least")
		}
	}
	return out
}
