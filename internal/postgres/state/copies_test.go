package state

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestBeside: the databases that tenants are restored into have names that PostgreSQL keeps, and no two share one.
func TestBeside(t *testing.T) {
	x := strings.Repeat("x", 61)
	seen := map[string]string{}
	for _, name := range []string{
		"db", "db_panchito", "db_panchito_restore", "db_panchito_test", strings.Repeat("x", 54), strings.Repeat("x", 55),
		strings.Repeat("x", 56), x + "ab", x + "ac", strings.Repeat("ü", 31), "x" + strings.Repeat("ü", 31), `a b"c`, "all",
	} {
		tenant := Tenant{Database: name}
		for _, got := range tenant.databases() {
			if len(got) > MaxIdentifier || !utf8.ValidString(got) || seen[got] != "" {
				t.Errorf("%q: %q (%d bytes), as of %q", name, got, len(got), seen[got])
			}
			seen[got] = name
		}
	}
	for _, c := range []struct{ got, want string }{
		{(&Tenant{Database: "db_panchito"}).RestoreDatabase(), "db_panchito-restore"},
		{(&Tenant{Database: "db_panchito"}).TestDatabase(), "db_panchito-test"},
		{(&Tenant{Database: x + "ab"}).TestDatabase(), strings.Repeat("x", 41) + "_2756a65581f24547-test"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
	// One that was written by hand may be another's all the same, and is told of.
	d := example()
	d.Tenants[1].Database = d.Tenants[0].TestDatabase()
	if err := d.Check(); err == nil || !strings.Contains(err.Error(), d.Tenants[1].Database+" is both of") {
		t.Errorf("%v", err)
	}
}
