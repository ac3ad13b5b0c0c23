package state

// Probes are the two throw-away tenants that a verification makes, attacks and removes. Their names have spaces, which no
// tenant's has that a compiler made, so that none can be taken for another's. They are the same at every time, for
// pg_hba.conf to have lines for them.
func Probes() []Tenant {
	var out []Tenant
	for _, name := range []string{"zave probe a", "zave probe b"} {
		out = append(out, Tenant{
			Name: name, Hash: "throw-away", Database: name,
			Roles: Roles{
				Owner: name + " owner", Migrator: name + " migrator", App: name + " app", AppA: name + " app a",
				AppB: name + " app b", ReadOnly: name + " readonly", Backup: name + " backup",
			},
			Schema: "app", ExtensionSchema: "extensions",
			// As few connections as the attacks get along with, and a timeout that can be waited for.
			Connections: 16, StatementTimeout: "1s",
		})
	}
	return out
}
