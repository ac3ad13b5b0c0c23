package postgres

import (
	"regexp"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
)

// TestVerifierForm: a verifier has the form that pg_authid wants, another salt every time, and is its password's alone.
func TestVerifierForm(t *testing.T) {
	form := regexp.MustCompile(`^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$`)
	a, err := NewVerifier("secret")
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewVerifier("secret")
	if err != nil {
		t.Fatal(err)
	}
	if !form.MatchString(a) || a == b {
		t.Errorf("verifiers of one password: %s and %s", a, b)
	}
	if !verifies(a, "secret") || verifies(a, "secret ") || verifies("md5"+strings.Repeat("0", 32), "secret") ||
		verifies("", "") || verifies("SCRAM-SHA-256$x", "secret") {
		t.Error("a verifier is not its password's alone")
	}
}

// goodPasswords are taken as they are by us, by the server and by pgx.
func goodPasswords() []string {
	return []string{
		"secret", `'"\$%:` + "`", " with spaces ", "über-geheim", "пароль", "密码", "composed: \u00e9",
		strings.Repeat("x", MaxPassword), "emoji 🔑", "SCRAM-SHA-256$4096:abc", "md5" + strings.Repeat("a", 32),
	}
}

func TestVerifierLogsIn(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		pg := pgtest.Shared(t, major)
		pg.Exec(t, "postgres", "CREATE ROLE scram LOGIN", "CREATE ROLE scram_server LOGIN")
		s := reach(t, pg.SuperuserDSN("postgres"))
		for _, password := range goodPasswords() {
			v, err := NewVerifier(password)
			if err != nil {
				t.Errorf("%q: %v", password, err)
				continue
			}
			pg.Exec(t, "postgres", "ALTER ROLE scram PASSWORD '"+v+"'")
			if err := login(s, "postgres", "scram", password); err != nil {
				t.Errorf("%q: %v", password, err)
			}
			if err := login(s, "postgres", "scram", password+"x"); code(err) != codeInvalidPassword {
				t.Errorf("%q with a letter more: %v", password, err)
			}
			if strings.HasPrefix(password, "SCRAM-SHA-256$") || strings.HasPrefix(password, "md5") {
				continue // the server would take the text for a verifier's
			}
			// And what the server makes of the password is the same to us.
			pg.Exec(t, "postgres", "ALTER ROLE scram_server PASSWORD "+quoteLiteral(password))
			stored := pg.Rows(t, "postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'scram_server'")
			if len(stored) != 1 || !verifies(stored[0], password) || verifies(stored[0], password+"x") {
				t.Errorf("%q: the server's verifier %q is not the password's", password, stored)
			}
		}
	})
}

func quoteLiteral(s string) string {
	return ` E'` + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + `'`
}

func TestVerifierRefuses(t *testing.T) {
	for password, want := range map[string]string{
		"":                                 "empty",
		strings.Repeat("x", MaxPassword+1): "longer than 1024 bytes",
		"\xff":                             "not UTF-8",
		"two\nlines":                       "control character",
		"zero\x00":                         "control character",
		"\u0085":                           "control character",
		"no-break\u00a0space":              "maps to another",
		"soft\u00adhyphen":                 "maps to another",
		"zero\u200bwidth":                  "maps to another",
		"\ufb01 ligature":                  "in another way",
		"e\u0301 decomposed":               "in another way",
		"\uff21 full width":                "in another way",
	} {
		v, err := NewVerifier(password)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v; want an error with %q", password, v, err, want)
		}
		if err != nil && password != "" && strings.Contains(err.Error(), password) {
			t.Errorf("%q: the error holds the password: %v", password, err)
		}
	}
}
