package state

import (
	"cmp"
	"slices"
	"strings"
)

// Kind is what the ID of findings stands for. A finding itself names the object, and its hint the statement.
type Kind struct {
	ID         string
	Part       string     // of the instance that it is about: a heading
	Severities []Severity // that such findings come with, the worst first
	Means      string     // a sentence
	Do         string     // one or more
}

// Kinds are those of all findings, by part and then by ID.
func Kinds() []Kind {
	const (
		server   = "The server"
		hba      = "pg_hba.conf"
		roles    = "Roles"
		instance = "Databases, sessions and what the instance holds"
		inside   = "Inside a database"
		rows     = "Row-level security"
		settings = "Settings of the server"
		unknown  = "What could not be done or told"
	)
	order := []string{unknown, server, hba, roles, instance, inside, rows, settings}
	worst := func(s ...Severity) []Severity { return s }
	out := []Kind{
		{"needs-superuser", unknown, worst(Critical, High, Medium, Low),
			"A step of the plan takes a superuser, and who connected is none.",
			"Run `zave db apply` once as a superuser, or the statement of the hint."},
		{"password-unchecked", unknown, worst(Low),
			"Whether a role's password is the one in its file could not be told: the role cannot log in from where zave runs.",
			"Let it in from there, or plan as a superuser, who compares what is stored."},
		{"unread", unknown, worst(High, Low),
			"Something could not be read, and is not known to be right. High is a tenant's database that nobody could enter.",
			"Look again when the database can be entered; or as a superuser; or grant what the hint says."},

		{"collation-version", server, worst(Medium),
			"The system's collation is another version than when the database was made: indexes on text may be out of order.",
			"Reindex the database, and then refresh its collation's version."},
		{"createrole-15", server, worst(Medium),
			"Before PostgreSQL 16 the platform's role may make itself a member of any role that is no superuser's, and so " +
				"read all tenants' data.",
			"Upgrade. Until then guard its password like a superuser's, and accept the finding with --accept."},
		{"max-connections", server, worst(High, Low),
			"The server takes fewer connections than the specs count on. High: tenants can shut each other out.",
			"Raise max_connections and restart, or give the tenants fewer."},
		{"server-minor", server, worst(Medium),
			"The minor release lacks security fixes that matter for tenants or for restores.",
			"Update to a later minor release: the data stays as it is."},
		{"setting-of", server, worst(High, Medium, Low),
			"A role, a database or every role has a setting that the plan does not know. High: it says which code is loaded " +
				"or what a name means.",
			"Reset it with the statement of the hint, unless somebody needs it."},
		{"setting-pending", server, worst(Low),
			"A setting was changed, and the change waits for a restart.",
			"Restart the server, or take the change back."},

		{"hba-error", hba, worst(High),
			"A line cannot be read: the server goes on with the rules that it had, and would not start anew.",
			"Correct the line and reload."},
		{"hba-ident", hba, worst(Critical, Medium),
			"A rule believes what the client's machine says about who it is.",
			"Use hostssl and scram-sha-256."},
		{"hba-md5", hba, worst(Medium),
			"A rule takes MD5 hashes, with which one can log in without the password.",
			"Use scram-sha-256."},
		{"hba-method", hba, worst(Medium),
			"A rule leaves it to something else than a password who a tenant's login is.",
			"Use scram-sha-256 for the tenants' logins."},
		{"hba-missing", hba, worst(Medium),
			"No rule lets a tenant's login into the tenant's database: its application cannot connect.",
			"Give the server what `zave db config pg_hba` prints, and reload it."},
		{"hba-network", hba, worst(Medium),
			"A rule lets tenants in from beyond the networks of the specs.",
			"Narrow its address."},
		{"hba-password", hba, worst(High, Medium),
			"A rule has the client send the password itself.",
			"Use scram-sha-256."},
		{"hba-plain", hba, worst(Medium),
			"A rule takes connections without TLS from other machines.",
			"Make it hostssl."},
		{"hba-reject", hba, worst(Low),
			"No rule at the end rejects everybody: what is appended to the file takes effect.",
			"End the file with: host all all all reject."},
		{"hba-replication", hba, worst(Medium, Low),
			"A rule lets every role, or tenants' roles, begin to replicate.",
			"Name the role that replicates, and no other."},
		{"hba-superuser", hba, worst(Medium),
			"A rule lets a superuser in from every address.",
			"Narrow its address."},
		{"hba-trust", hba, worst(Critical, Medium),
			"A rule asks for no password.",
			"Use scram-sha-256, or peer for the server's own socket."},
		{"hba-unreachable", hba, worst(Low),
			"A rule has no effect, because one before it rejects all that it could match.",
			"Remove it, or move it up if it is meant."},
		{"hba-wide", hba, worst(Medium, Low),
			"A rule lets tenants' roles connect to databases that are not theirs: only the privilege CONNECT stands behind it.",
			"Give each tenant a rule of its own, as `zave db config pg_hba` does."},

		{"bypassrls-role", roles, worst(Medium),
			"Row-level security does not hold for a role that is no tenant's.",
			"Take BYPASSRLS from it."},
		{"createdb-role", roles, worst(Low),
			"A role that is no tenant's may make databases, which are open to every tenant at first.",
			"Take CREATEDB from it."},
		{"createrole-role", roles, worst(High, Medium),
			"A role beside the platform's may make roles. High: before PostgreSQL 16 it can become any that is no superuser.",
			"Take CREATEROLE from it."},
		{"left-role", roles, worst(Low),
			"A role was made for a tenant that no spec has any more.",
			"Take LOGIN from it, and drop it when nothing belongs to it: `zave db apply --allow-drop ROLE`."},
		{"monitor-missing", roles, worst(Low),
			"A role that is to monitor the instance does not exist.",
			"Create it, or take it off the monitors of the database service."},
		{"parameter-grant", roles, worst(Critical, High, Medium, Low),
			"A role may set what only superusers set otherwise. Critical: it may change the server's configuration.",
			"Revoke it."},
		{"password-md5", roles, worst(Medium),
			"A password is kept as MD5: whoever reads the hash can log in with it.",
			"Set it anew, with password_encryption = 'scram-sha-256'."},
		{"password-missing", roles, worst(Low),
			"A login has no password, so that nobody can log in as it.",
			"Run `zave db apply --credentials DIR`."},
		{"password-owner", roles, worst(Medium),
			"A tenant's owner, which never logs in, has a password.",
			"Take it away with the statement of the hint."},
		{"platform-admin", roles, worst(Low),
			"A role made the platform's role and may make itself a member of it.",
			"Guard it like the platform's role."},
		{"platform-member", roles, worst(Critical),
			"A role is a member of the platform's, and may do to all tenants what that may.",
			"Revoke the membership."},
		{"platform-membership", roles, worst(Medium),
			"The platform's role is a member of one that it has no use for.",
			"Revoke the membership."},
		{"predefined-member", roles, worst(Critical, High, Medium, Low),
			"A role is a member of one that the server came with, such as pg_read_all_data.",
			"Revoke the membership if the role need not have it; accept the finding if it must."},
		{"replication-role", roles, worst(Medium),
			"A role that is no tenant's may copy the data of all of them.",
			"Take REPLICATION from it, unless it replicates."},
		{"rotated-password", roles, worst(Medium),
			"The password of a login of rotation is not the one in its file, or is no longer valid.",
			"Run `zave db rotate TENANT`, with --lost to give this very login another password."},
		{"superuser-member", roles, worst(Critical),
			"A role is a member of a superuser, and may become it.",
			"Revoke the membership."},
		{"superuser-role", roles, worst(High, Medium),
			"There is a superuser beside the first one. Medium: it cannot log in.",
			"Take SUPERUSER from it, or say in the platform's spec that it prepares the instance."},

		{"database-open", instance, worst(High, Medium, Low),
			"Tenants hold privileges on a database that is nobody's: they meet there. High: they can connect to it.",
			"Revoke them, and drop the database if nobody needs it."},
		{"database-owner", instance, worst(High),
			"A tenant's role owns a database that is not the tenant's.",
			"Give it to the platform's role."},
		{"left-database", instance, worst(Medium, Low),
			"A database was made for a tenant, and no spec has it any more.",
			"Back it up, and drop it: `zave db apply --allow-drop DATABASE`."},
		{"prepared-transaction", instance, worst(High),
			"A prepared transaction holds its locks, and keeps the instance from cleaning up, until somebody ends it.",
			"Roll it back, and set max_prepared_transactions = 0."},
		{"replication-slot", instance, worst(High),
			"Nobody reads a replication slot, so that the server's log fills the disk; or it decodes a database's changes.",
			"Drop it if nobody needs it."},
		{"restore-database", instance, worst(Medium, Low),
			"A database has a tenant's data beside the tenant's own: a restore fills it, has left it, or has kept it as " +
				"what was there before. Medium: it is a template, so that it can be copied.",
			"Wait for a restore that is under way; put what was restored in place with `zave db restore --replace`, or drop " +
				"what nobody needs: `zave db apply --allow-drop DATABASE`."},
		{"session", instance, worst(Medium, Low),
			"A tenant has a session in a database that is not its own, or somebody has one in a template, where it stops " +
				"whoever creates a database from it.",
			"End the session."},
		{"subscription", instance, worst(High),
			"A subscription has the server connect elsewhere, and write what it gets.",
			"Drop it if nobody needs it."},
		{"tablespace-grant", instance, worst(High, Low),
			"Somebody beside a superuser may put objects on a tablespace. High: a tenant can fill the disk that it is on.",
			"Revoke it."},
		{"template-database", instance, worst(High, Medium),
			"A database is a template that should be none, or the other way round: templates can be copied.",
			"Set it right with the statement of the hint."},
		{"template0-open", instance, worst(Medium),
			"template0 takes connections: what is put there is in every new database.",
			"ALTER DATABASE template0 ALLOW_CONNECTIONS false."},
		{"unknown-database", instance, worst(Medium, Low),
			"No spec knows a database. Medium: it is a template, so that it can be copied.",
			"Drop it if nobody needs it."},

		{"definer-other", inside, worst(High),
			"A function runs with the rights of a role that is not the tenant's owner, whoever calls it.",
			"Make it SECURITY INVOKER, or drop it."},
		{"definer-path", inside, worst(Medium),
			"A SECURITY DEFINER function leaves it to its caller's search_path what the names in it mean.",
			"Set the function's search_path in a migration."},
		{"definer-platform", inside, worst(Critical),
			"A function runs with the rights of the platform or of a superuser, whoever calls it.",
			"Make it SECURITY INVOKER, or drop it."},
		{"definer-system", inside, worst(Critical),
			"A function of the system's runs with its owner's rights, whoever calls it.",
			"Make it SECURITY INVOKER again, and ask who changed it."},
		{"event-trigger", inside, worst(Critical, High),
			"An event trigger runs a function with the rights of whoever does what it waits for: the platform's too.",
			"Drop it."},
		{"extension-dangerous", inside, worst(High, Medium),
			"An extension leads out of the database, to files, other servers or below the privileges. Medium: it is on the " +
				"tenant's list, or in a database that no tenant has.",
			"Drop it, or take it off the platform's list of extensions."},
		{"extension-extra", inside, worst(Medium),
			"An extension is installed that is not on the tenant's list.",
			"Put it on the list, or drop it: `zave db apply --allow-drop DATABASE/EXTENSION`."},
		{"extension-missing", inside, worst(Medium),
			"The server has no files of an extension that is on the tenant's list.",
			"Install its package on the server, or take it off the list."},
		{"extension-schema", inside, worst(Medium),
			"An extension lies in another schema than that for extensions.",
			"Move it with the statement of the hint."},
		{"foreign-server", inside, worst(High, Medium),
			"A foreign server leads out of the database. High: it belongs to a tenant's role.",
			"Drop it."},
		{"foreign-usage", inside, worst(High, Medium),
			"A role may use a foreign-data wrapper or a foreign server. High: a tenant's.",
			"Revoke it."},
		{"foreign-wrapper", inside, worst(High),
			"A foreign-data wrapper belongs to a tenant's role.",
			"Drop it."},
		{"language-untrusted", inside, worst(Critical, High),
			"Functions of a language do in the server what they like. Critical: the language is marked as if they did not.",
			"Drop the language, or mark it as untrusted."},
		{"large-object", inside, worst(Medium, Low),
			"The tenant's backups cannot read large objects and fail; or a database that no tenant has holds some.",
			"Grant SELECT on them to the role for backups, or remove them."},
		{"leakproof-function", inside, worst(High, Medium),
			"A function is marked LEAKPROOF: it sees rows before row-level security has hidden them. High: the spec asks for " +
				"that.",
			"Take the mark away."},
		{"platform-code", inside, worst(High),
			"A trigger, a rule, a check or the like runs code on an object that is not the tenant's: the platform's " +
				"statements may run it.",
			"Drop it, with what it is on."},
		{"platform-object", inside, worst(Medium),
			"An object in a tenant's database belongs to the platform or to a superuser.",
			"Drop it, or give it to the tenant's owner."},
		{"publication", inside, worst(Medium),
			"A publication offers tables to whoever may replicate.",
			"Drop it if nobody needs it."},
		{"shared-object", inside, worst(Medium, Low),
			"There is an object in a database that no tenant has, where nothing is to be kept. Medium: a tenant's.",
			"Drop it."},
		{"stray-object", inside, worst(High, Medium),
			"An object lies outside of the tenant's schema, where neither privileges nor backups are planned. High: it " +
				"belongs to somebody who has nothing to do with the tenant.",
			"Move it to the tenant's schema in a migration, or drop it."},
		{"stray-schema", inside, worst(Medium, Low),
			"No plan knows a schema. Medium: it belongs to somebody who has nothing to do with the database.",
			"Drop it, or move what is in it."},
		{"system-cast", inside, worst(High),
			"A cast between the system's types changes what statements mean, the platform's too.",
			"Drop it."},
		{"system-grant", inside, worst(Critical, High, Medium, Low),
			"A privilege on an object of the system's was granted that the server did not come with. Low: what it shows is " +
				"for who looks after the server.",
			"Revoke it, grantor by grantor."},
		{"system-object", inside, worst(Critical),
			"An object lies among the system's own: a name in anybody's statement may mean it.",
			"Drop it."},
		{"system-owner", inside, worst(Critical),
			"What came with the server belongs to another role than the first superuser.",
			"Give it back."},
		{"untrusted-function", inside, worst(Critical),
			"A function does in the server what it likes, with the rights of the operating system's account.",
			"Drop it, or have it come with an extension."},
		{"user-mapping", inside, worst(High, Medium),
			"A role connects to a foreign server with what stands in a user mapping. High: a tenant's.",
			"Drop the mapping."},

		{"rls-missing", rows, worst(Medium),
			"A table has no row-level security, and the spec asks for it.",
			"Call the helper `protect` in a migration: see row-level-security.md."},
		{"rls-not-forced", rows, worst(Medium, Low),
			"Row-level security of a table does not hold for its owner. Low: the spec does not ask for any.",
			"FORCE it in a migration."},
		{"rls-policy-open", rows, worst(High, Low),
			"A policy looks at no column: it allows every customer's rows alike. Low: the spec does not ask for any.",
			"Drop the policy, or have it compare the key."},
		{"rls-view", rows, worst(High, Medium, Low),
			"A view reads a table with its owner's rights, so that row-level security does not hold as there. Low: the spec " +
				"does not ask for any.",
			"Set security_invoker on it. A materialized view has none: keep it from roles that serve customers."},
	}
	for _, j := range judgedSettings() {
		out = append(out, Kind{
			ID: settingID(j.name), Part: settings, Severities: worst(j.severity),
			Means: "The value that `" + j.name + "` has is dangerous: " + j.why + ".",
			Do:    j.advice() + ".",
		})
	}
	out = append(out, Kind{
		ID: settingID(socketPermissions), Part: settings, Severities: worst(Medium),
		Means: "Every account of the server's machine reaches the socket, and pg_hba.conf asks for no password there.",
		Do:    "Set `unix_socket_permissions` to 0700, and have pg_hba.conf ask who it is.",
	})
	slices.SortFunc(out, func(a, b Kind) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Part), slices.Index(order, b.Part)), strings.Compare(a.ID, b.ID))
	})
	return out
}

// KindOf finds what a finding's ID stands for. It may be written as a report of `zave db verify` has it, with "audit/"
// before and the object behind.
func KindOf(id string) (Kind, bool) {
	id, _, _ = strings.Cut(strings.TrimPrefix(id, "audit/"), "/")
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.ID == id })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// Name is the finding as reports name it, and as --accept takes it: "audit/hba-missing/db_shop".
func (f *Finding) Name() string {
	name := "audit/" + f.ID
	if f.Object != "" {
		name += "/" + f.Object
	}
	return name
}

// Accepts tells whether an ID that a person wrote is that of something in a report, or a part of it, which goes on
// behind it: "audit/hba-missing" is that of every "audit/hba-missing/…". The "audit/" need not be written.
func Accepts(id, name string) bool {
	id = "audit/" + strings.TrimPrefix(id, "audit/")
	return name == id || strings.HasPrefix(name, id+"/")
}
