package state

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// shape gives a statement with § for each quoted identifier and each string constant in it, as PostgreSQL's scanner
// sees them (scan.l), and false where one has no end.
func shape(sql string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(sql); {
		c := sql[i]
		escapes := (c == 'E' || c == 'e') && i+1 < len(sql) && sql[i+1] == '\''
		if escapes {
			i++
			c = '\''
		}
		if c != '\'' && c != '"' {
			b.WriteByte(c)
			i++
			continue
		}
		end := -1
		for j := i + 1; j < len(sql); j++ {
			if escapes && sql[j] == '\\' {
				j++
				continue
			}
			if sql[j] == c {
				if j+1 < len(sql) && sql[j+1] == c {
					j++
					continue
				}
				end = j
				break
			}
		}
		if end < 0 {
			return "", false
		}
		b.WriteString("§")
		i = end + 1
	}
	return b.String(), true
}

// named gives the example with other names in it.
func named(text string) *Desired {
	d := example()
	cut := func(suffix string) string {
		s := text
		for len(s)+len(suffix) > MaxIdentifier || !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
		return s + suffix
	}
	d.Cluster = text
	d.Instance.Role, d.Instance.Database, d.Instance.Monitors = cut("i"), cut("I"), []string{cut("e")}
	for i := range d.Tenants {
		t := &d.Tenants[i]
		n := string(rune('0' + i))
		t.Name, t.Hash, t.Database, t.Schema, t.ExtensionSchema = text+n, text, cut("d"+n), cut("s"), cut("x")
		for k, role := range []*string{
			&t.Roles.Owner, &t.Roles.Migrator, &t.Roles.App, &t.Roles.AppA, &t.Roles.AppB, &t.Roles.ReadOnly, &t.Roles.Backup,
		} {
			*role = cut(string(rune('a'+k)) + n)
		}
		if len(t.Extensions) > 0 {
			t.Extensions = []string{cut("x")}
		}
		t.StatementTimeout = text
	}
	return d
}

func shapes(t *testing.T, p Plan) []string {
	var out []string
	for _, s := range p.Steps {
		for _, sql := range []string{s.SQL, s.Unless} {
			got, ok := shape(sql)
			if !ok {
				t.Fatalf("%s has a quote without an end: %s", s.ID, sql)
			}
			out = append(out, got)
		}
	}
	slices.Sort(out) // steps for several roles stand in the order of their names
	return out
}

// uncommented gives the lines of a configuration file that mean something.
func uncommented(file string) string {
	lines := strings.Split(file, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(s string) bool { return strings.HasPrefix(s, "#") }), "\n")
}

// FuzzNames: whatever the names are, they stand in statements as identifiers and constants alone.
func FuzzNames(f *testing.F) {
	for _, s := range []string{
		"plain", `"`, `'`, `\`, `\'`, `""";--`, "$$", "\n;", `:'verifier'`, "E'", "é", "U&\"\\0041\"", strings.Repeat(`"`,
			63), `/*`, `*/`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) || strings.HasPrefix(text, "pg_") {
			return // no name that PostgreSQL could have
		}
		plain, d := named("plain"), named(text)
		if err := d.Check(); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for _, version := range versions() {
			for _, super := range []bool{false, true} {
				plan := func(d *Desired) Plan {
					user := d.Instance.Role
					if super {
						user = "postgres"
					}
					return d.Plan(Blank(version, user, super), Options{Credentials: credentials(d), Instance: super})
				}
				if got, want := shapes(t, plan(d)), shapes(t, plan(plain)); !slices.Equal(got, want) {
					for i := range want {
						if i >= len(got) || got[i] != want[i] {
							t.Fatalf("%q: %s is not %s", text, got[min(i, len(got)-1)], want[i])
						}
					}
				}
			}
		}
		again, err := Decode(d.Encode())
		if err != nil || string(again.Encode()) != string(d.Encode()) {
			t.Errorf("%q: the state is another one after it was written and read: %v", text, err)
		}
		for _, line := range strings.Split(d.HBA(), "\n") {
			if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "host") && !strings.HasPrefix(line,
				"local ") {
				t.Errorf("%q: a line of its own in pg_hba.conf: %q", text, line)
			}
		}
		if got, want := uncommented(d.Conf()), uncommented(plain.Conf()); got != want {
			t.Errorf("%q: lines of its own in postgresql.conf: %s", text, got)
		}
		for _, line := range strings.Split(strings.TrimSuffix(Comment(text), "\n"), "\n") {
			if line != "" && !strings.HasPrefix(line, "-- ") {
				t.Errorf("%q: the comment ends in %q", text, line)
			}
		}
		names := []string{text, "plain", text + `"`}
		names = slices.DeleteFunc(names, func(s string) bool { return s == "" })
		if got := splitNames(idents(names)); !slices.Equal(got, names) {
			t.Errorf("%q is read back as %q", names, got)
		}
		if table, column := splitColumn(Ident("app") + "." + Ident(text) + "." +
			Ident(text+".")); table != Ident("app")+"."+Ident(text) ||
			column != Ident(text+".") {
			t.Errorf("%q: the column %s of %s", text, column, table)
		}
	})
}

// TestStatement: a role that is named like the place of the verifier is not taken for it.
func TestStatement(t *testing.T) {
	d := named(` PASSWORD :'verifier' `)
	for _, s := range d.Plan(Blank(160000, d.Instance.Role, false), Options{Credentials: credentials(d)}).Steps {
		if s.Password == "" {
			continue
		}
		if got, want := s.Statement(" E'v'"), "ALTER ROLE "+Ident(s.Password)+" PASSWORD E'v'"; got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
