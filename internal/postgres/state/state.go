// Package state says what a PostgreSQL instance with tenants is to be, what one is, and which statements lead from the
// one to the other.
//
// Invariants: everything here is a value; planning reads no clock, no socket and no secret, so that the same two states
// give the same steps in the same order; a name is an identifier only through Ident, and a text a constant only through
// Literal; nothing is dropped that was not named to be; a plan applied leaves a state whose plan is empty.
package state

import "strings"

// Desired is what an instance is to be.
type Desired struct {
	Cluster  string   `json:"cluster"`
	Instance Instance `json:"instance"`
	Tenants  []Tenant `json:"tenants,omitempty"` // sorted by name
}

// Instance is what all tenants share.
type Instance struct {
	Role     string   `json:"role"`               // bootstraps tenants; no superuser
	Database string   `json:"database"`           // the platform's own: its lock lies where no tenant can connect
	Monitors []string `json:"monitors,omitempty"` // roles of the instance's own that keep CONNECT on "postgres"
	Networks []string `json:"networks,omitempty"` // CIDRs that clients come from; none: any
	Strict   bool     `json:"strict,omitempty"`   // also close the catalogues that show other tenants; takes a superuser

	// Superuser may log in from the networks, to prepare the instance; empty: superusers come from the machine itself.
	Superuser string `json:"superuser,omitempty"`

	MaxConnections      int `json:"maxConnections"`
	ReservedConnections int `json:"reservedConnections"`
}

// Tenant is one tenant's database with all that is in it of the platform's.
type Tenant struct {
	Name             string   `json:"name"`
	Hash             string   `json:"hash"` // of the spec's part that made it
	Database         string   `json:"database"`
	Roles            Roles    `json:"roles"`
	Schema           string   `json:"schema"`          // the tenant's objects; its owner's
	ExtensionSchema  string   `json:"extensionSchema"` // the platform's
	Extensions       []string `json:"extensions,omitempty"`
	Connections      int      `json:"connections"`                // of the whole database
	StatementTimeout string   `json:"statementTimeout"`           // a PostgreSQL interval: 30s
	RowLevelSecurity bool     `json:"rowLevelSecurity,omitempty"` // the tenant keeps its own customers apart with it

	// Note says what Database is where it stands in for the tenant's own: a restore's. The comment on it ends with it.
	Note string `json:"-"`
}

// Roles are the names of a tenant's roles.
type Roles struct {
	Owner    string `json:"owner"`    // owns the schema and all in it; never logs in
	Migrator string `json:"migrator"` // may SET ROLE owner, and inherits nothing
	App      string `json:"app"`      // reads and writes rows
	AppA     string `json:"appA"`     // the two logins that rotation alternates; members of App
	AppB     string `json:"appB"`
	ReadOnly string `json:"readonly"`
	Backup   string `json:"backup"`
}

// All lists the roles, the owner first.
func (r Roles) All() []string {
	return []string{r.Owner, r.Migrator, r.App, r.AppA, r.AppB, r.ReadOnly, r.Backup}
}

// Logins lists the roles that log in.
func (r Roles) Logins() []string { return r.All()[1:] }

// Credential gives the role's file in the tenant's directory of credentials, and whether it has one: the logins of
// rotation get their passwords from `zave db rotate`.
func (r Roles) Credential(role string) (file string, ok bool) {
	switch role {
	case r.Migrator:
		return "migrator", true
	case r.App:
		return "app", true
	case r.ReadOnly:
		return "readonly", true
	case r.Backup:
		return "backup", true
	}
	return "", false
}

// MaxIdentifier is how many bytes of a name PostgreSQL keeps (NAMEDATALEN less one).
const MaxIdentifier = 63

// Ident quotes an identifier (PostgreSQL manual, 4.1.1, "Identifiers and Key Words"). No identifier has a zero byte, so
// that one is left out.
func Ident(s string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(s, "\x00", ""), `"`, `""`) + `"`
}

// Literal quotes a string constant, whatever standard_conforming_strings is (4.1.2.2, "String Constants with C-Style
// Escapes").
func Literal(s string) string {
	s = strings.ReplaceAll(s, "\x00", "")
	quoted := `'` + strings.ReplaceAll(s, `'`, `''`) + `'`
	if strings.Contains(s, `\`) {
		return ` E` + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
