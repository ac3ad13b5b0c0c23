package state

import (
	"strconv"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/golden"
)

// example is an estate with one tenant of each kind.
func example() *Desired {
	named := func(name string) Tenant {
		return Tenant{
			Name: name, Hash: "c0ffee", Database: "db_" + name,
			Roles: Roles{
				Owner: name + "_owner", Migrator: name + "_migrator", App: name + "_app", AppA: name + "_app_a", AppB: name +
					"_app_b",
				ReadOnly: name + "_readonly", Backup: name + "_backup",
			},
			Schema: "app", ExtensionSchema: "extensions", Connections: 20, StatementTimeout: "30s",
		}
	}
	d := &Desired{
		Cluster: "main",
		Instance: Instance{
			Role: "platform_bootstrap", Database: "zave", Monitors: []string{"exporter"}, Networks: []string{"10.0.0.0/8",
				"fd00::/8"},
			Superuser: "admin", MaxConnections: 200, ReservedConnections: 20,
		},
		Tenants: []Tenant{named("books"), named("maps")},
	}
	d.Tenants[0].Extensions = []string{"pgcrypto"}
	d.Tenants[1].RowLevelSecurity = true
	d.Tenants[1].Connections = 1
	return d
}

// all are the roles that have credentials.
func credentials(d *Desired) map[string]bool {
	out := map[string]bool{d.Instance.Role: true}
	for _, t := range d.Tenants {
		for _, r := range t.Roles.Logins() {
			if _, ok := t.Roles.Credential(r); ok {
				out[r] = true
			}
		}
	}
	return out
}

// written gives a plan as a person reads it.
func written(p Plan) []byte {
	var b strings.Builder
	for _, r := range p.Refusals {
		b.WriteString("refused: " + r.Message + "\n  " + r.Hint + "\n")
	}
	for _, s := range p.Steps {
		b.WriteString(Comment(s.ID + ": " + s.Why))
		var notes []string
		if s.Database != "" {
			notes = append(notes, "in "+s.Database)
		}
		if s.As != "" {
			notes = append(notes, "as "+s.As)
		}
		if s.Superuser {
			notes = append(notes, "as a superuser")
		}
		if s.Destructive {
			notes = append(notes, "destructive")
		}
		if len(notes) > 0 {
			b.WriteString("-- (" + strings.Join(notes, ", ") + ")\n")
		}
		b.WriteString(s.SQL + ";\n\n")
	}
	for _, f := range p.Findings {
		b.WriteString("found: " + string(f.Severity) + " " + f.ID + ": " + f.Message + "\n  " + f.Hint + "\n")
	}
	return []byte(b.String())
}

// TestGoldens: everything that an empty server is told, for a reader to see.
func TestGoldens(t *testing.T) {
	d := example()
	got := map[string][]byte{
		"desired.json":        d.Encode(),
		"pg_hba.conf":         []byte(d.HBA()),
		"postgresql.conf":     []byte(d.Conf()),
		"script/instance.sql": []byte((&Desired{Cluster: d.Cluster, Instance: d.Instance}).Script(Options{Instance: true})),
		"script/books.sql":    []byte(d.Script(Options{Tenants: []string{"books"}})),
	}
	for _, version := range versions() {
		o := Options{Credentials: credentials(d), Instance: true}
		got["plan/"+strconv.Itoa(version/10000)+".sql"] = written(d.Plan(Blank(version, "postgres", true), o))
	}
	golden.Dir(t, "testdata/golden", got)
}
