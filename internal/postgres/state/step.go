package state

import "strings"

// Plan is what has to be done, and what is wrong that no statement of ours can right.
type Plan struct {
	Steps    []Step
	Findings []Finding
	Refusals []Refusal // if there is one, nothing is applied
}

// Empty tells whether the instance is as desired. Findings do not count: applying would not change them.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 && len(p.Refusals) == 0 }

// Step is one statement, and where and why it is run.
type Step struct {
	ID       string // what it rights, stable over runs: "role/panchito_app/limit"
	Tenant   string // empty: the instance
	Database string // where it is run; empty: the platform's own, or "postgres" before there is one
	As       string // SET ROLE to it; empty: the instance's role
	SQL      string // one statement, without a semicolon; Verifier stands where the verifier of Password's role goes
	Password string // the role whose password it sets
	Why      string // "panchito_app may hold 18 connections, not 50"
	// Unless is a query that gives a row where the step is not needed, or cannot be. A script asks it; a plan knows.
	Unless      string
	Destructive bool // takes something away that somebody may miss: a grant, a session, a database
	Superuser   bool // needs one
}

// Verifier is what stands in a Step's SQL for the SCRAM verifier.
const Verifier = ":'verifier'"

// Statement gives the SQL with a verifier in its place, for a step that sets a password: a Literal, or what stands for
// one. A role's name that looks like the place stays as it is.
func (s Step) Statement(verifier string) string {
	const place = " PASSWORD " + Verifier
	i := strings.LastIndex(s.SQL, place)
	if s.Password == "" || i < 0 {
		return s.SQL
	}
	return s.SQL[:i] + " PASSWORD " + strings.TrimLeft(verifier, " ") + s.SQL[i+len(place):]
}

// Finding is a deviation that a person has to right.
type Finding struct {
	ID       string // what kind: "hba-open", "bypassrls-role", …
	Severity Severity
	Tenant   string
	Database string
	Object   string
	Message  string // one sentence, lower case, no full stop
	Hint     string
}

// Severity is how bad a finding is.
type Severity string

const (
	Critical Severity = "critical" // a tenant can read, write or become what is not its own
	High     Severity = "high"     // a tenant can stop or starve another
	Medium   Severity = "medium"   // a barrier is missing that another one stands behind
	Low      Severity = "low"      // a tenant learns what it need not
)

// Refusal is why a plan must not be applied.
type Refusal struct {
	ID, Tenant, Object string
	Message, Hint      string
}

// Options are what a person allows beyond the safe.
type Options struct {
	AllowDrop   []string        // names of databases and roles that may be dropped
	Adopt       []string        // names of databases and roles that are not ours, and become so
	Credentials map[string]bool // roles whose password is at hand
	Instance    bool            // plan the instance too; without it, the tenants alone
	Tenants     []string        // plan these alone; none: all
}
