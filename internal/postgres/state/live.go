package state

// Live is what an instance is: all that a plan needs to know, read from the catalogues in one go.
type Live struct {
	Version int    // server_version_num
	User    string // who looked: session_user

	Superuser  bool // what that role is
	CreateRole bool
	CreateDB   bool
	Recovery   bool // a replica, or read-only

	Roles       []Role       // all of them, sorted by name
	Memberships []Membership // all of them, sorted
	Databases   []Database   // all of them, sorted by name
	RoleConfigs []RoleConfig // pg_db_role_setting, sorted
	Parameters  []ACL        // pg_parameter_acl; Object is the parameter
	Sessions    []Session    // in tenants' databases and in the platform's

	// Evidence is what only an audit looks at; nil where it was not read.
	Evidence *Evidence

	// HBA are the rules of pg_hba.conf, in order; nil where the role may not read them.
	HBA []HBARule

	Inside []Inside // one for each desired tenant's database that exists and could be entered; sorted by database

	// Extensions are those that the server has files of; nil where that was not read.
	Extensions []AvailableExtension
	// Unread are what the role may not read, or could not, sorted: a plan cannot speak of it.
	Unread []Unread
}

// Unread is something that could not be read, and so is not known to be right.
type Unread struct {
	Database string // a tenant's database that could not be entered; empty: What is of the instance
	What     string // the catalogue, or the database
	Why      string // what the server said
}

// AvailableExtension is a row of pg_available_extensions, with whether its default version is trusted: the owner of
// a database may create such a one without being a superuser.
type AvailableExtension struct {
	Name    string
	Trusted bool
}

// ServerSetting is a row of pg_settings that matters.
type ServerSetting struct{ Name, Value string }

// Role is a row of pg_roles.
type Role struct {
	Name                                                                 string
	Superuser, Inherit, CreateRole, CreateDB, Login, Replication, Bypass bool
	ConnectionLimit                                                      int    // -1: none
	ValidUntil                                                           string // RFC 3339 in UTC; empty: none
	Comment                                                              string
	Password                                                             Password
}

// Password is how a role's password stands to the one in its file.
type Password int

const (
	PasswordUnknown Password = iota // there is no file, or it could not be told
	PasswordRight
	PasswordWrong
)

// Membership is a row of pg_auth_members. Before version 16 a membership is inherited as its member is, and SET is
// always possible.
type Membership struct {
	Role, Member, Grantor string
	Admin, Inherit, Set   bool
}

// Database is a row of pg_database.
type Database struct {
	Name, Owner      string
	Template         bool
	AllowConnections bool
	ConnectionLimit  int
	Comment          string
	ACL              []ACL // with the defaults, where none is stored
}

// ACL is one privilege: what aclexplode gives.
type ACL struct {
	Kind      string // "database", "schema", "table", "sequence", "function", "type", "parameter", "default", …
	Object    string // as SQL names it, quoted: "app"."orders", "app"."f"(integer); of a default ACL the kind of objects
	Owner     string
	Grantee   string // empty: PUBLIC
	Grantor   string
	Privilege string // SELECT, EXECUTE, …
	Grantable bool
}

// RoleConfig is one setting of a role, of a database, or of a role in a database.
type RoleConfig struct {
	Role, Database, Name, Value string
	Restricted                  bool // the instance's role may not set it, nor reset it
}

// Session is a row of pg_stat_activity.
type Session struct {
	PID      int
	Role     string
	Database string
}

// HBARule is a row of pg_hba_file_rules.
type HBARule struct {
	Line                       int
	Type                       string
	Databases, Users           []string
	Address, Mask, Method, Err string
}

// Inside is what is in a tenant's database.
type Inside struct {
	Database   string
	Schemas    []Schema
	ACLs       []ACL        // of all schemas, and of what is in the tenant's
	Defaults   []DefaultACL // pg_default_acl
	Extensions []Extension
	Own        []Object   // the owner's in its schema: tables, sequences, functions and types, as they should be owned
	Objects    []Object   // that are not as they should be owned: not the owner's in its schema, or anybody's elsewhere
	Functions  []Function // of the schema of extensions, without those of the extensions
	// Strict is who may use what the strict profile closes, where that is asked for: see StrictRevocations. A column is a
	// kind of its own, "column".
	Strict []ACL
}

// Schema is a row of pg_namespace, without the system's.
type Schema struct{ Name, Owner string }

// DefaultACL is one entry of pg_default_acl: the privileges that objects of a kind get, made by a role in a schema (or,
// with none, in all).
type DefaultACL struct {
	Role, Schema, Kind string // Kind: TABLES, SEQUENCES, FUNCTIONS, TYPES, SCHEMAS, LARGE OBJECTS
	ACL                []ACL
}

// Extension is a row of pg_extension.
type Extension struct{ Name, Schema, Owner, Version string }

// Object is anything with an owner.
type Object struct {
	Kind, Name, Owner string // Kind as in ALTER … OWNER TO: TABLE, VIEW, FUNCTION, …
	Detail            string // what is special: SECURITY DEFINER, event trigger, foreign server, …
}
