package state

import (
	"cmp"
	"slices"
	"strings"
)

// Evidence is what an audit looks at beside what a plan does: things that have no place in a desired state, and are
// dangerous by being there.
type Evidence struct {
	Bootstrap string             // the superuser that initdb made (its OID is 10)
	Verifiers []Verified         // of all roles, sorted; none where pg_authid cannot be read
	Facts     []Fact             // of the instance: slots, tablespaces, …; sorted
	Grants    []ACL              // on tablespaces, to others than their owners; sorted
	Databases []DatabaseEvidence // sorted by name
	Settings  []ServerSetting    // of AuditedSettings, as a new session gets them; sorted
	Withheld  []Withheld         // what the role that looked may not read, sorted
}

// DatabaseEvidence is Evidence from inside of a database: of a desired tenant's, and of those of the instance that the
// role that looked can connect to.
type DatabaseEvidence struct {
	Database string
	Facts    []Fact // sorted
	// Grants are those that the server did not come with, on what is the system's, and all on foreign-data wrappers,
	// foreign servers, languages and the schema "public", to others than the owner; sorted.
	Grants []ACL
}

// Verified is how a role's password is kept.
type Verified struct {
	Role string
	Kind Secret
}

// Secret is a kind of what pg_authid.rolpassword holds.
type Secret string

const (
	NoSecret    Secret = "none"
	MD5Secret   Secret = "md5"
	SCRAMSecret Secret = "scram-sha-256"
)

// Fact is something that is there. What its parts are depends on the kind:
//
//	kind         name           owner          detail                          flags
//	cast         source → target                                               without-function implicit
//	code         of the trigger, rule, default or check; owner: of what it is on, detail: what it is and on what
//	collation    version that the database was made with; detail: the one that is installed (of the instance)
//	event        event trigger  its function's its event                       disabled
//	extension    extension                     its version
//	function     with arguments owner          language                        definer leakproof path untrusted system
//	language     language       owner                                          untrusted system
//	large        an example     owner          how many there are that the backup role cannot read
//	mapping      server         mapped role (empty: PUBLIC)
//	object       object         owner          as in ALTER … OWNER TO
//	policy       table          a role of its  the policy's name and command
//	prepared     GID            owner          its database (of the instance)
//	publication  publication    owner                                          all
//	schema       schema         owner
//	server       server         owner          its foreign-data wrapper
//	slot         slot           its plugin     its database (of the instance)  active physical temporary
//	subscription subscription   owner          its database (of the instance)  enabled
//	table        table          owner                                          rls forced
//	system       object         owner, who is not the one that initdb made
//	view         view           owner          the table with row-level security materialized forced
//	wrapper      foreign-data wrapper owner
type Fact struct {
	Kind   string
	Schema string // not quoted; empty where the kind has none
	Name   string // as SQL names it, quoted where it has to be
	Owner  string // not quoted
	Detail string
	Flags  []string
}

// Withheld is something that the role that looked may not read.
type Withheld struct {
	Database string // empty: the instance
	What     string // "the password verifiers"
	Grant    string // what would allow it
}

// Compare orders facts by all they say.
func (f Fact) Compare(g Fact) int {
	return cmp.Or(strings.Compare(f.Kind, g.Kind), strings.Compare(f.Schema, g.Schema), strings.Compare(f.Name, g.Name),
		strings.Compare(f.Owner, g.Owner), strings.Compare(f.Detail, g.Detail), slices.Compare(f.Flags, g.Flags))
}
