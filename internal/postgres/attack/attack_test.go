package attack

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func suite(t *testing.T) *Suite {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestShape holds what the suite promises: enough attempts as each role on each version, over all categories, and enough
// controls.
func TestShape(t *testing.T) {
	s := suite(t)
	if len(s.Fixture) == 0 {
		t.Error("there is nothing to seek")
	}
	for major := 15; major <= 18; major++ {
		attempts, kinds, categories := map[string]int{}, map[Kind]int{}, map[string]int{}
		for _, c := range s.Checks {
			if !c.Applies(major) {
				continue
			}
			kinds[c.Kind]++
			if c.Kind == Standard {
				categories[c.Category]++
				for _, r := range c.Roles {
					attempts[r]++
				}
			}
		}
		for _, role := range Roles() {
			if attempts[role] < 200 {
				t.Errorf("on version %d, %s makes %d attempts", major, role, attempts[role])
			}
		}
		for kind, least := range map[Kind]int{Standard: 330, Strict: 41, Control: 40, Inherent: 20} {
			if kinds[kind] < least {
				t.Errorf("on version %d, there are %d of kind %s, and are to be %d", major, kinds[kind], kind, least)
			}
		}
		for _, category := range strings.Fields(`connection authentication roles ddl ownership default-privileges functions settings
			catalogues large-objects temporary notify advisory-locks extensions foreign files replication prepared-transactions
			signals row-security resources tables`) {
			if categories[category] == 0 {
				t.Errorf("on version %d, there is nothing of the category %s", major, category)
			}
			delete(categories, category)
		}
		for category := range categories {
			t.Errorf("the category %s is a new one", category)
		}
	}
}

// TestTexts holds how checks are written.
func TestTexts(t *testing.T) {
	for _, c := range suite(t).Checks {
		category, _, _ := strings.Cut(c.ID, "/")
		if category != c.Category {
			t.Errorf("%s is of the category %s", c.ID, c.Category)
		}
		for name, text := range map[string]string{"why": c.Why, "fix": c.Fix, "limit": c.Limit} {
			if strings.HasSuffix(text, ".") || strings.Contains(text, "$each") || strings.TrimSpace(text) != text ||
				strings.Contains(text, "placeholder") {
				t.Errorf("%s, %s: %q", c.ID, name, text)
			}
		}
		if c.Kind == Standard || c.Kind == Strict {
			for _, sql := range slices.Concat(c.SQL, c.Undo) {
				if strings.HasSuffix(strings.TrimSpace(sql), ";") {
					t.Errorf("%s ends in a semicolon: %s", c.ID, sql)
				}
			}
		}
		if len(c.Roles) == 0 {
			t.Errorf("%s is tried by nobody", c.ID)
		}
	}
}

// TestLoadRefuses seeds each rule of the files with a break of it.
func TestLoadRefuses(t *testing.T) {
	const head = "category: roles\nkind: attack\ndefaults: {severity: high, fix: f}\nchecks:\n"
	whole := "  - {id: roles/a, sql: SELECT 1, expect: 42501, why: w}\n"
	for _, test := range []struct{ name, text, want string }{
		{"a sound one", head + whole, ""},
		{"two of a name", head + whole + whole, "there are two of that name"},
		{"an unknown field", head + "  - {id: roles/a, sql: SELECT 1, expect: 42501, why: w, wherefore: x}\n", "field wherefore not found"},
		{"two documents", head + whole + "---\nchecks: []\n", "more than one document"},
		{"no identifier", head + "  - {sql: SELECT 1, expect: 42501, why: w}\n", "an identifier is category/name"},
		{"a strange identifier", head + "  - {id: Roles/A, sql: SELECT 1, expect: 42501, why: w}\n", "an identifier is category/name"},
		{"no reason", head + "  - {id: roles/a, sql: SELECT 1, expect: 42501}\n", "it does not say why"},
		{"nothing tried", head + "  - {id: roles/a, expect: 42501, why: w}\n", "it tries nothing"},
		{"nothing expected", head + "  - {id: roles/a, sql: SELECT 1, why: w}\n", "it expects one thing"},
		{"two things expected", head + "  - {id: roles/a, sql: SELECT 1, expect: [ok, rows], why: w}\n", "it expects one thing"},
		{"no SQLSTATE", head + "  - {id: roles/a, sql: SELECT 1, expect: 4250, why: w}\n", "no SQLSTATE of a refusal"},
		{"success as a refusal", head + "  - {id: roles/a, sql: SELECT 1, expect: \"00000\", why: w}\n", "no SQLSTATE of a refusal"},
		{"two states", head + "  - {id: roles/a, sql: SELECT 1, expect: [42501, 42704], why: w}\n", "2 states without a reason"},
		{"two states with a reason", head + "  - {id: roles/a, sql: SELECT 1, expect: [42501, 42704 if there is none], why: w}\n", ""},
		{"two states by version", head + "  - {id: roles/a, sql: SELECT 1, expect: [42501 until 15, 42704 since 16], why: w}\n", ""},
		{"a gap of versions", head + "  - {id: roles/a, sql: SELECT 1, expect: [42501 until 15, 42704 since 17], why: w}\n", "0 states without"},
		{"a bad bound", head + "  - {id: roles/a, sql: SELECT 1, expect: 42501 after 16, why: w}\n", "what follows the first word"},
		{"a bad version", head + "  - {id: roles/a, sql: SELECT 1, expect: 42501 since sixteen, why: w}\n", "a major version stands after"},
		{"accepted, and no probe", head + "  - {id: roles/a, sql: SELECT 1, expect: ok, why: w}\n", "needs a probe"},
		{"an attack that gives rows", head + "  - {id: roles/a, sql: SELECT 1, expect: rows, why: w}\n", "is not refused"},
		{"nothing found, and no witness", head + "  - {id: roles/a, sql: SELECT 1, expect: none, why: w}\n", "needs a witness"},
		{"a commit without an undo", head + "  - {id: roles/a, mode: autocommit, sql: SELECT 1, expect: 42501, why: w}\n", "how to undo it"},
		{"an unknown role", head + "  - {id: roles/a, roles: [root], sql: SELECT 1, expect: 42501, why: w}\n", "no such role"},
		{"an unknown place", head + "  - {id: roles/a, where: there, sql: SELECT 1, expect: 42501, why: w}\n", "no such place"},
		{"an unknown mode", head + "  - {id: roles/a, mode: quick, sql: SELECT 1, expect: 42501, why: w}\n", "no such mode"},
		{"an unknown severity", head + "  - {id: roles/a, severity: bad, sql: SELECT 1, expect: 42501, why: w}\n", "no such severity"},
		{"an unknown name", head + "  - {id: roles/a, sql: SET ROLE @victim.boss@, expect: 42501, why: w}\n", "no such name"},
		{"half a constant", head + "  - {id: roles/a, sql: \"SELECT @'me@\", expect: 42501, why: w}\n", "no such name"},
		{"an unknown person", head + "  - {id: roles/a, sql: SELECT 1, expect: 42501, why: w, setup: [{as: root, sql: SELECT 1}]}\n", "nobody is"},
		{"an unknown password", head + "  - {id: roles/a, login: {password: theirs}, expect: 42501, why: w}\n", "no such password"},
		{"$each without a list", head + "  - {id: roles/a, sql: SELECT $each, expect: 42501, why: w}\n", "$each without a list"},
		{"a reason in a list of words", head + "  - {id: roles/$each, each: [a if b], sql: SELECT 1, expect: 42501, why: w}\n", "has no reason"},
		{"a map for a text", head + "  - {id: roles/a, sql: {a: b}, expect: 42501, why: w}\n", "a text, or a list of texts"},
		{"no fix", "kind: attack\nchecks:\n  - {id: roles/a, severity: low, sql: SELECT 1, expect: 42501, why: w}\n", "what to do when it succeeds"},
		{"an unknown kind", "kind: trick\nchecks:\n  - {id: roles/a, severity: low, sql: SELECT 1, expect: 42501, why: w}\n", "no such kind"},
		{"a control that is refused", "kind: control\nchecks:\n  - {id: c/a, severity: low, sql: SELECT 1, expect: 42501, why: w}\n", "what has to succeed"},
		{"inherent without a limit", "kind: inherent\nchecks:\n  - {id: i/a, severity: low, sql: SELECT 1, expect: ok, why: w}\n", "has a limit"},
	} {
		_, err := load(fstest.MapFS{"data/a.yaml": {Data: []byte(test.text)}})
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, and was to hold %q", test.name, err, test.want)
		}
	}
}

func TestEach(t *testing.T) {
	s, err := load(fstest.MapFS{"data/a.yaml": {Data: []byte(`
kind: attack
category: roles
defaults: {severity: high, fix: f, expect: 42501}
checks:
  - id: roles/set-$each
    each: [PG_one, pg_two since 16, a/b until 17]
    sql: [SET ROLE $each, SELECT '$each']
    why: of $each
`)}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range s.Checks {
		got = append(got, fmt.Sprintf("%s %d-%d %q of %d roles: %s", c.ID, c.Since, c.Until, c.SQL, len(c.Roles), c.Why))
	}
	want := []string{
		`roles/set-pg_one 0-0 ["SET ROLE PG_one" "SELECT 'PG_one'"] of 7 roles: of PG_one`,
		`roles/set-pg_two 16-0 ["SET ROLE pg_two" "SELECT 'pg_two'"] of 7 roles: of pg_two`,
		`roles/set-a-b 0-17 ["SET ROLE a/b" "SELECT 'a/b'"] of 7 roles: of a/b`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestExpand(t *testing.T) {
	values := map[string]string{"me": `o"x`, "victim.app": "it's"}
	value := func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	ident := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	literal := func(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }
	for text, want := range map[string]string{
		"SET ROLE @me@": `SET ROLE "o""x"`, "SELECT @'victim.app'@, @me@": `SELECT 'it''s', "o""x"`,
		"SELECT 'a@b', 1 @> 2": "SELECT 'a@b', 1 @> 2", "": "",
	} {
		if got, err := Expand(text, value, ident, literal); got != want || err != nil {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	if _, err := Expand("SET ROLE @nobody@", value, ident, literal); err == nil {
		t.Error("an unknown name was put in")
	}
}

func TestExpect(t *testing.T) {
	want := "x"
	for _, test := range []struct {
		e        Expect
		major    int
		describe string
		matches  []string
	}{
		{Expect{States: []State{{Code: "42501"}, {Code: "28000", If: "hba"}}}, 15, "28000 or 42501", []string{"28000", "42501"}},
		{Expect{States: []State{{Code: "42501", Until: 15}, {Code: "42704", Since: 16}}}, 15, "42501", []string{"42501"}},
		{Expect{States: []State{{Code: "42501", Until: 15}, {Code: "42704", Since: 16}}}, 16, "42704", []string{"42704"}},
		{Expect{None: true}, 15, "no row", nil},
		{Expect{OK: true}, 15, "success", nil},
		{Expect{Rows: true}, 15, "a row", nil},
		{Expect{Want: &want}, 15, `"x"`, nil},
	} {
		if got := test.e.Describe(test.major); got != test.describe {
			t.Errorf("%+v is described as %q", test.e, got)
		}
		var got []string
		for _, code := range []string{"28000", "42501", "42704", "00000"} {
			if test.e.Matches(code, test.major) {
				got = append(got, code)
			}
		}
		if !slices.Equal(got, test.matches) {
			t.Errorf("%+v matches %q", test.e, got)
		}
	}
}

// TestHarmless holds that an attack which succeeds does no harm: it is rolled back, or says how it is undone, and what it
// would do outside of the two tenants is nothing that others would notice.
func TestHarmless(t *testing.T) {
	for _, c := range suite(t).Checks {
		for _, sql := range c.SQL {
			upper := strings.ToUpper(sql)
			if c.Mode == Rollback && (strings.HasPrefix(upper, "CREATE DATABASE") || strings.HasPrefix(upper, "ALTER SYSTEM") ||
				strings.HasPrefix(upper, "DROP DATABASE") || strings.HasPrefix(upper, "CREATE TABLESPACE")) {
				t.Errorf("%s is refused in a transaction for another reason: %s", c.ID, sql)
			}
			for _, name := range []string{"postgres", "template0", "template1"} {
				if c.Mode == Autocommit && strings.Contains(upper, "DATABASE "+strings.ToUpper(name)) {
					t.Errorf("%s would change %s: %s", c.ID, name, sql)
				}
			}
		}
	}
}
