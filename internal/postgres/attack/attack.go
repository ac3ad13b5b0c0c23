// Package attack is what a tenant must not be able to do, what it must, and what nothing can keep it from: data, which
// the verification of an instance runs.
//
// Invariants: every check has an identifier that stays for ever and is unique; what is tried is one text of SQL, or one
// login, for every server; an expected refusal is an SQLSTATE (PostgreSQL manual, Appendix A), and a second one stands
// there only with the reason why; what proves nothing by itself has a probe or a witness; what cannot be rolled back says
// how to undo it; loading reads nothing but the embedded files.
package attack

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Suite is everything that is run against an instance, in the order of the files.
type Suite struct {
	Fixture []Statement // made in each of the two tenants before anything is tried
	Checks  []Check     // attacks, then controls, then what is inherent; each by file, and in a file as written
}

// Kind tells what a check proves.
type Kind string

const (
	Standard Kind = "attack"   // has to be refused on every instance
	Strict   Kind = "strict"   // has to be refused where the strict profile is on
	Control  Kind = "control"  // legitimate work, has to succeed
	Inherent Kind = "inherent" // no privilege of stock PostgreSQL prevents it, and so it succeeds
)

// Place is a database that a check runs in.
type Place string

const (
	Own       Place = "own"
	Neighbour Place = "neighbour"
	Postgres  Place = "postgres"
	Template1 Place = "template1"
	Template0 Place = "template0"
	Platform  Place = "platform"
)

// Mode tells how the statements of a check are run.
type Mode string

const (
	// Rollback runs them in one transaction that is rolled back, whatever comes of it.
	Rollback Mode = "rollback"
	// Autocommit runs each by itself: for what is refused in a transaction block, and for what the neighbour sees only
	// after a commit.
	Autocommit Mode = "autocommit"
)

// Check is one thing to try.
type Check struct {
	ID       string
	Kind     Kind
	Category string
	Severity string   // critical, high, medium or low: of its success
	Roles    []string // who tries it: keys of a tenant's roles
	Where    Place
	Mode     Mode
	Alone    bool // nothing else runs meanwhile
	Fresh    bool // in a session of its own, with no settings but the server's
	Login    *Login
	Setup    []Statement // before it; each commits
	Witness  *Statement  // has to give a row: what is sought exists
	SQL      []string    // the last one is the attempt
	Repeat   int         // how many sessions run it at once, and stay; 0: one
	Expect   Expect
	Probe    *Probe   // after it, while its session still stands
	Undo     []string // as the same role, should it have succeeded; Setup's as in Restore
	Restore  []Statement
	Client   string // a program to run instead of SQL: pg_dump
	// What the server has to have: "extension dblink", "tls", "client pg_dump"; or the tenant: "installed pgcrypto", and
	// "installed" for any extension.
	Requires string
	Absent   string // an extension that the tenant must not have: what would make it is refused otherwise then
	Since    int    // the first major version it applies to; 0: all
	Until    int    // the last one; 0: all
	Staged   bool   // it needs what the fixture makes, or a limit that throw-away tenants have
	Why      string
	Fix      string // of an attack: what to do should it succeed
	Limit    string // of what is inherent: what bounds it
	Detect   string // of what is inherent: a query for the platform's role that shows it
}

// Statement is run as somebody: "own.owner", "victim.app", "platform".
type Statement struct {
	As  string
	SQL string
}

// Probe asks somebody else whether an attempt that the server accepted had an effect.
type Probe struct {
	As     string // as in Statement
	SQL    string
	Want   string // the first column of the first row, as text
	Listen string // instead of SQL: a channel on which the neighbour must have heard nothing
}

// Login is a session opened otherwise than with one's own name and password.
type Login struct {
	User string // "victim.app", "platform", "superuser"; empty: the role that tries
	// "own" (of the role that tries), "victim" (of the same role of the neighbour), "right", "wrong" or "empty".
	Password   string
	TLS        string            // "off": without, on an instance that is reached with it
	Auth       string            // the one way to prove who one is that is let pass: "scram-sha-256"
	Parameters map[string]string // of the start-up packet
}

// Expect is what has to come of a check.
type Expect struct {
	States []State // the attempt ends with one of these
	None   bool    // it succeeds, and gives no row
	OK     bool    // it succeeds
	Rows   bool    // it succeeds, and gives a row
	Want   *string // it succeeds, and this is the first column of the first row
}

// State is an SQLSTATE that is expected.
type State struct {
	Code         string
	Since, Until int    // major versions; 0: no bound
	If           string // why it may come instead of the others
}

// Matches tells whether an SQLSTATE is one of the expected ones on a major version.
func (e *Expect) Matches(code string, major int) bool {
	return slices.ContainsFunc(e.States, func(s State) bool {
		return s.Code == code && (s.Since == 0 || s.Since <= major) && (s.Until == 0 || major <= s.Until)
	})
}

// Describe says what is expected on a major version: "42501", "28000 or 42501", "no row".
func (e *Expect) Describe(major int) string {
	switch {
	case e.None:
		return "no row"
	case e.Rows:
		return "a row"
	case e.Want != nil:
		return strconv.Quote(*e.Want)
	case e.OK:
		return "success"
	}
	var codes []string
	for _, s := range e.States {
		if e.Matches(s.Code, major) && !slices.Contains(codes, s.Code) {
			codes = append(codes, s.Code)
		}
	}
	slices.Sort(codes)
	return strings.Join(codes, " or ")
}

// Applies tells whether a check is for a major version.
func (c *Check) Applies(major int) bool {
	return (c.Since == 0 || c.Since <= major) && (c.Until == 0 || major <= c.Until)
}

// aimed tells whether a check is aimed at the neighbour.
func (c *Check) aimed() bool {
	return c.Where == Neighbour || slices.ContainsFunc(c.texts(), func(s string) bool {
		return strings.Contains(s, "victim")
	})
}

// texts lists all that a check's statements and its login say.
func (c *Check) texts() []string {
	out := slices.Concat(c.SQL, c.Undo)
	for _, s := range slices.Concat(c.Setup, c.Restore) {
		out = append(out, s.As, s.SQL)
	}
	if c.Witness != nil {
		out = append(out, c.Witness.As, c.Witness.SQL)
	}
	if c.Probe != nil {
		out = append(out, c.Probe.As, c.Probe.SQL)
	}
	if c.Login != nil {
		out = append(out, c.Login.User, c.Login.Password)
		for _, v := range c.Login.Parameters {
			out = append(out, v)
		}
	}
	return out
}

// Aimed gives the attacks that a throw-away tenant can try on a neighbour that holds a tenant's data: they are aimed at
// it, and nothing has to be made or changed there for them.
func (s *Suite) Aimed() *Suite {
	return s.filter(func(c *Check) bool {
		seeks := c.Probe != nil && (c.Probe.Listen != "" || s.furnished(c.Probe.SQL)) ||
			c.Witness != nil && s.furnished(c.Witness.SQL)
		return c.Kind != Control && c.aimed() && len(c.Setup)+len(c.Restore) == 0 && !seeks
	})
}

// Within gives what a tenant's roles can try in a database that holds the tenant's data: attacks and controls that find
// all they need there, and that are rolled back, should they succeed. None sends a password anywhere without TLS, nor
// takes all of a role's connections.
func (s *Suite) Within() *Suite {
	return s.filter(func(c *Check) bool {
		return c.Mode == Rollback && !c.Staged && len(c.Setup)+len(c.Restore) == 0 && c.Probe == nil && c.Repeat == 0 &&
			c.Client == "" && !c.Alone && (c.Login == nil || c.Login.TLS != "off")
	})
}

func (s *Suite) filter(keep func(*Check) bool) *Suite {
	out := &Suite{}
	for i := range s.Checks {
		if c := &s.Checks[i]; c.Kind != Inherent && keep(c) {
			out.Checks = append(out.Checks, *c)
		}
	}
	return out
}

// furnished tells whether a text names what the fixture makes.
func (s *Suite) furnished(text string) bool {
	for _, f := range s.Fixture {
		for _, name := range made.FindAllString(f.SQL, -1) {
			if i := strings.Index(text, name); i >= 0 && (len(text) == i+len(name) || !wordly(text[i+len(name)])) {
				return true
			}
		}
	}
	return false
}

func wordly(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// made are the names of what a fixture makes: objects in the schema, and large objects.
var made = regexp.MustCompile(`\bapp\.[a-z_0-9]+|\b[0-9]{4}\b`)

// Roles are the keys of a tenant's roles, as state.Roles orders them: the owner, who tries things as the migrator after
// SET ROLE, and the logins.
func Roles() []string {
	return []string{"owner", "migrator", "app", "app_a", "app_b", "readonly", "backup"}
}

// groups are the words that stand for several roles.
func groups(word string) []string {
	switch word {
	case "every":
		return Roles()
	case "logins":
		return Roles()[1:]
	case "apps":
		return []string{"app", "app_a", "app_b"}
	case "users": // all logins but the migrator, who may become the owner
		return []string{"app", "app_a", "app_b", "readonly", "backup"}
	}
	if slices.Contains(Roles(), word) {
		return []string{word}
	}
	return nil
}

// placeholder is @name@ for an identifier, and @'name'@ for a string constant.
var placeholder = regexp.MustCompile(`@('?)([a-z]+(?:[._][a-z]+)*)('?)@`)

// Names lists what a check's texts may name.
func Names() []string {
	out := []string{
		"me", "superuser", "marker", "platform.role", "platform.database", "platform.pid", "victim.pid",
		"victim.app_b.verifier",
	}
	for _, side := range []string{"own", "victim"} {
		for _, n := range slices.Concat(Roles(), []string{"database", "schema", "extensions", "extension"}) {
			out = append(out, side+"."+n)
		}
	}
	return out
}

// Expand puts names in the place of placeholders. An unknown name is an error.
func Expand(text string, value func(name string) (string, bool), ident, literal func(string) string) (string, error) {
	var err error
	out := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		parts := placeholder.FindStringSubmatch(m)
		v, ok := value(parts[2])
		switch {
		case !ok || parts[1] != parts[3]:
			if err == nil {
				err = fmt.Errorf("no such name: %s", m)
			}
			return m
		case parts[1] == "'":
			return literal(v)
		}
		return ident(v)
	})
	return out, err
}
