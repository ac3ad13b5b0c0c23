package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// hostile gives a tenant all of whose names hold a text that would be SQL, a command of psql or a connection string, if
// it were let.
func hostile(text string) state.Tenant {
	name := func(suffix string) string { return text[:min(len(text), state.MaxIdentifier-len(suffix))] + suffix }
	return state.Tenant{
		Name: "tenant of " + text, Hash: text, Database: name("d"),
		Roles: state.Roles{
			Owner: name("o"), Migrator: name("m"), App: name("p"), AppA: name("a"), AppB: name("b"), ReadOnly: name("r"),
			Backup: name("k"),
		},
		Schema: name("s"), ExtensionSchema: name("x"), Extensions: []string{"pgcrypto"}, Connections: 5,
		StatementTimeout: "5s",
		RowLevelSecurity: true,
	}
}

func hostileTexts() []string {
	return []string{
		`"; CREATE ROLE hacked; --`,
		`'; CREATE ROLE hacked; --`,
		`\'; CREATE ROLE hacked; --`,
		"x\n\\! touch hacked\nCREATE ROLE hacked;",
		"x\r\n; CREATE ROLE hacked; /*",
		`$$; CREATE ROLE hacked; $$`,
		`:'verifier' :"x" :app_verifier`,
		`dbname=postgres host=/nowhere`,
		`postgres://nobody@nowhere/x`,
		"ünïcödé \u202e\u2028 \U0001F418",
		strings.Repeat("é", 31),
		strings.Repeat(`"`, 60),
		`%s %I %L {0} $1 ?`,
		`SELECT.all,"x" , y`,
		"tab\tand \x01\x1b[31m",
	}
}

// TestHostileNames: names are names, whatever is in them: for Apply, for the script, and for whoever reads settings
// back.
func TestHostileNames(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		want := estate("plain")
		for _, text := range hostileTexts() {
			want.Tenants = append(want.Tenants, hostile(text))
		}
		slices.SortFunc(want.Tenants, func(a, b state.Tenant) int { return strings.Compare(a.Name, b.Name) })
		again, err := state.Decode(want.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if string(again.Encode()) != string(want.Encode()) {
			t.Error("the state is another one after it was written and read")
		}
		p := prepare(t, major, want)
		for role := range passwords(want) {
			p.credentials[role] = "secret"
		}
		unhacked := func() {
			t.Helper()
			p.clean(t)
			roles := p.Rows(t, "postgres", "SELECT rolname FROM pg_roles WHERE oid >= 16384")
			if want := 1 + 7*len(want.Tenants); len(roles) != want {
				t.Errorf("there are %d roles, not %d: %q", len(roles), want, roles)
			}
		}
		p.apply(t)
		unhacked()
		// Somebody adds to what is there, and it is taken back.
		for i := range want.Tenants {
			tenant := &want.Tenants[i]
			neighbour := &want.Tenants[(i+1)%len(want.Tenants)]
			table := state.Ident(tenant.Schema) + "." + state.Ident(tenant.Database)
			role, other := state.Ident(tenant.Roles.App), state.Ident(neighbour.Roles.App)
			p.Exec(t, tenant.Database, "SET search_path = pg_catalog",
				"SET ROLE "+state.Ident(tenant.Roles.Owner),
				"CREATE TABLE "+table+" ("+role+" int)",
				"GRANT SELECT ("+role+") ON "+table+" TO "+other, "GRANT ALL ON "+table+" TO "+other,
				"ALTER DEFAULT PRIVILEGES IN SCHEMA "+state.Ident(tenant.Schema)+" GRANT ALL ON TABLES TO "+other, "RESET ROLE",
				"ALTER ROLE "+role+" SET search_path = "+state.Ident(tenant.Schema),
				"ALTER ROLE "+role+" IN DATABASE "+state.Ident(tenant.Database)+
					" SET application_name = "+state.Literal(tenant.Name),
				"GRANT CONNECT ON DATABASE "+state.Ident(tenant.Database)+" TO "+other,
			)
		}
		p.apply(t)
		unhacked()
		// The script, on a server of its own.
		p = prepare(t, major, want)
		var environment []string
		script := want.Script(state.Options{})
		for _, line := range strings.Split(script, "\n") {
			rest, ok := strings.CutPrefix(line, `\getenv `)
			if !ok {
				continue
			}
			_, name, _ := strings.Cut(rest, " ")
			v, err := NewVerifier("secret")
			if err != nil {
				t.Fatal(err)
			}
			environment = append(environment, name+"="+v)
		}
		if len(environment) != 4*len(want.Tenants) {
			t.Fatalf("%d passwords, not %d", len(environment), 4*len(want.Tenants))
		}
		for role := range passwords(want) {
			p.credentials[role] = "secret"
		}
		for range 2 {
			if code, out := runScript(t, p.platformDSN(), script, environment...); code != 0 || out != "" {
				t.Fatalf("psql ended with %d and wrote:\n%s", code, out)
			}
		}
		unhacked()
	})
}
