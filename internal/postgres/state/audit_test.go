package state

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// audited is an instance with the tenants a and b, and what an audit sees of it when nothing is wrong.
func audited() (*Desired, *Live) {
	d := &Desired{
		Cluster: "test",
		Instance: Instance{Role: "platform", Database: "zave", Monitors: []string{"watch"}, MaxConnections: 100,
			ReservedConnections: 10},
	}
	l := &Live{
		Version: 180007, User: "postgres", Superuser: true, HBA: []HBARule{},
		Roles: []Role{
			{Name: "platform", CreateRole: true, CreateDB: true, Login: true, Comment: instanceMark},
			{Name: "postgres", Superuser: true, Login: true, CreateRole: true, CreateDB: true, Replication: true, Bypass: true},
			{Name: "stranger", Login: true}, {Name: "watch", Login: true},
		},
		Databases: []Database{
			{Name: "postgres", Owner: "postgres", AllowConnections: true}, {Name: "template0", Owner: "postgres",
				Template: true},
			{Name: "template1", Owner: "postgres", Template: true, AllowConnections: true},
			{Name: "zave", Owner: "platform", AllowConnections: true},
		},
		Evidence: &Evidence{Bootstrap: "postgres"},
	}
	for _, name := range []string{"a", "b"} {
		t := Tenant{
			Name: name, Hash: "h", Database: "db_" + name, Schema: "app", ExtensionSchema: "extensions", Connections: 20,
			StatementTimeout: "30s", RowLevelSecurity: name == "a",
			Roles: Roles{
				Owner: name + "_owner", Migrator: name + "_migrator", App: name + "_app", AppA: name + "_app_a", AppB: name +
					"_app_b",
				ReadOnly: name + "_readonly", Backup: name + "_backup",
			},
		}
		d.Tenants = append(d.Tenants, t)
		for _, r := range t.Roles.All() {
			l.Roles = append(l.Roles, Role{Name: r, Login: r != t.Roles.Owner, Comment: t.mark()})
		}
		l.Databases = append(l.Databases, Database{Name: t.Database, Owner: "platform", AllowConnections: true,
			Comment: t.mark()})
		l.Evidence.Databases = append(l.Evidence.Databases, DatabaseEvidence{Database: t.Database})
	}
	rule(l, "local all postgres peer")
	rule(l, "hostssl all platform all scram-sha-256")
	for _, t := range d.Tenants {
		rule(l, "hostssl "+t.Database+" "+strings.Join(t.Roles.Logins(), ",")+" all scram-sha-256")
	}
	rule(l, "host all all all reject")
	return d, l
}

// rule adds a line of pg_hba.conf. An address with a mask is written ADDRESS&MASK, as the server tells it.
func rule(l *Live, line string) {
	f := strings.Fields(line)
	r := HBARule{
		Line: len(l.HBA) + 1, Type: f[0], Databases: strings.Split(f[1], ","), Users: strings.Split(f[2], ","),
		Method: f[len(f)-1],
	}
	if len(f) == 5 {
		r.Address, r.Mask, _ = strings.Cut(f[3], "&")
	}
	l.HBA = append(l.HBA, r)
}

// before puts a line of pg_hba.conf before the others.
func before(l *Live, line string) {
	rest := l.HBA
	l.HBA = nil
	rule(l, line)
	for _, r := range rest {
		r.Line++
		l.HBA = append(l.HBA, r)
	}
}

func within(l *Live, f ...Fact) {
	l.Evidence.Databases[0].Facts = append(l.Evidence.Databases[0].Facts, f...)
}

func configured(l *Live, name, value string) {
	l.Evidence.Settings = append(l.Evidence.Settings, ServerSetting{name, value})
}

func TestAudit(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(d *Desired, l *Live)
		want string // severity, ID and object of each finding, separated by semicolons
	}{
		{"nothing wrong", func(*Desired, *Live) {}, ""},
		{"no evidence", func(d *Desired, l *Live) { l.Evidence = nil; l.HBA = nil; l.Version = 150000 }, ""},

		// The server.
		{"old minor", func(d *Desired, l *Live) { l.Version = 170011 }, "medium server-minor server 17.11"},
		{"new minor", func(d *Desired, l *Live) { l.Version = 170012 }, ""},
		{"unknown major", func(d *Desired, l *Live) { l.Version = 190000 }, ""},
		{"15", func(d *Desired, l *Live) { l.Version = 150020 }, "medium createrole-15 platform"},

		// pg_hba.conf.
		{"rules not readable", func(d *Desired, l *Live) { l.HBA = nil }, "low unread pg_hba.conf"},
		{"no rules", func(d *Desired, l *Live) { l.HBA = []HBARule{} },
			"medium hba-missing db_a; medium hba-missing db_b; low hba-reject pg_hba.conf"},
		{"trust", func(d *Desired, l *Live) { before(l, "hostssl all stranger all trust") },
			"critical hba-trust pg_hba.conf line 1"},
		{"trust at home", func(d *Desired, l *Live) { before(l, "host all stranger 127.0.0.1&255.255.255.255 trust") },
			"medium hba-trust pg_hba.conf line 1"},
		{"trust at home, IPv6",
			func(d *Desired, l *Live) {
				before(l, "host all stranger ::1&ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff trust")
			},
			"medium hba-trust pg_hba.conf line 1"},
		{"trust on the socket", func(d *Desired, l *Live) { before(l, "local all stranger trust") },
			"medium hba-trust pg_hba.conf line 1"},
		{"everybody everywhere", func(d *Desired, l *Live) { before(l, "hostssl all all 0.0.0.0&0.0.0.0 scram-sha-256") },
			"medium hba-wide pg_hba.conf line 1"},
		{"behind the rejection", func(d *Desired, l *Live) { rule(l, "hostssl all all 0.0.0.0&0.0.0.0 trust") },
			"low hba-unreachable pg_hba.conf line 6"},
		{"rejection of another family", func(d *Desired, l *Live) {
			l.HBA = l.HBA[:4]
			rule(l, "host all all 0.0.0.0&0.0.0.0 reject")
			rule(l, "hostssl all stranger ::&:: scram-sha-256")
		}, "low hba-reject pg_hba.conf"},
		{"rejection by family", func(d *Desired, l *Live) {
			l.HBA = l.HBA[:4]
			rule(l, "host all all 0.0.0.0&0.0.0.0 reject")
			rule(l, "host all all ::&:: reject")
			rule(l, "hostssl all stranger 10.0.0.0&255.0.0.0 scram-sha-256")
		}, "low hba-unreachable pg_hba.conf line 7"},
		{"replication behind the rejection", func(d *Desired, l *Live) { rule(l, "host replication all all reject") }, ""},
		{"a replica", func(d *Desired, l *Live) { before(l, "hostssl replication stranger 10.0.0.0&255.0.0.0 cert") }, ""},
		{"replication for all", func(d *Desired, l *Live) {
			before(l, "hostssl replication all 10.0.0.0&255.0.0.0 scram-sha-256")
		},
			"medium hba-replication pg_hba.conf line 1"},
		{"replication for a tenant",
			func(d *Desired, l *Live) {
				before(l, "hostssl replication a_backup 10.0.0.0&255.0.0.0 scram-sha-256")
			},
			"medium hba-replication pg_hba.conf line 1"},
		{"a group that a tenant is in", func(d *Desired, l *Live) {
			l.Memberships = []Membership{{Role: "g", Member: "h"}, {Role: "h", Member: "a_app"}}
			before(l, "hostssl db_b +g all scram-sha-256")
		}, "medium hba-wide pg_hba.conf line 1"},
		{"a group without tenants", func(d *Desired, l *Live) {
			l.Memberships = []Membership{{Role: "g", Member: "stranger"}}
			before(l, "hostssl all +g all scram-sha-256")
		}, ""},
		{"roles by a pattern", func(d *Desired, l *Live) { before(l, "hostssl db_b /^a_.*$ all scram-sha-256") },
			"medium hba-wide pg_hba.conf line 1"},
		{"a pattern that Go does not read", func(d *Desired, l *Live) {
			before(l,
				`hostssl db_b /\mfoo(?=x) all scram-sha-256`)
		},
			"medium hba-wide pg_hba.conf line 1"},
		{"databases by a pattern", func(d *Desired, l *Live) { before(l, "hostssl /^db_ a_app all scram-sha-256") },
			"medium hba-wide pg_hba.conf line 1"},
		{"one's own database by a pattern", func(d *Desired, l *Live) {
			before(l,
				"hostssl /^db_a$ a_app all scram-sha-256")
		}, ""},
		{"what one is restored into", func(d *Desired, l *Live) {
			before(l, "hostssl db_a-restore,db_a-test a_app all scram-sha-256")
		}, ""},
		{"what a neighbour is restored into", func(d *Desired, l *Live) {
			before(l, "hostssl db_b-test a_app all scram-sha-256")
		}, "medium hba-wide pg_hba.conf line 1"},
		{"a database of one's own name", func(d *Desired, l *Live) {
			before(l,
				"hostssl sameuser,samerole all all scram-sha-256")
		}, ""},
		{"shut out", func(d *Desired, l *Live) { before(l, "host db_a all 0.0.0.0&0.0.0.0 reject") },
			"medium hba-missing db_a"},
		{"one login shut out", func(d *Desired, l *Live) { l.HBA[2].Users = l.HBA[2].Users[1:] }, "medium hba-missing db_a"},
		{"error", func(d *Desired, l *Live) { l.HBA = append(l.HBA, HBARule{Line: 9, Err: "invalid connection type"}) },
			"high hba-error pg_hba.conf line 9"},
		{"without TLS", func(d *Desired, l *Live) { before(l, "hostnossl all stranger 10.0.0.0&255.0.0.0 scram-sha-256") },
			"medium hba-plain pg_hba.conf line 1"},
		{"with Kerberos' encryption", func(d *Desired, l *Live) {
			before(l, "hostgssenc all stranger 10.0.0.0&255.0.0.0 gss")
		}, ""},
		{"a tenant by LDAP", func(d *Desired, l *Live) { before(l, "hostssl db_a a_app all ldap") },
			"medium hba-method pg_hba.conf line 1"},
		{"a stranger by LDAP", func(d *Desired, l *Live) { before(l, "hostssl all stranger all ldap") }, ""},
		{"within the networks", func(d *Desired, l *Live) {
			d.Instance.Networks = []string{"10.0.0.0/8", "fd00::/8"}
			for i, m := range map[int][2]string{2: {"10.1.0.0", "255.255.0.0"}, 3: {"fd00:1::", "ffff:ffff::"}} {
				l.HBA[i].Address, l.HBA[i].Mask = m[0], m[1]
			}
		}, ""},
		{"beyond the networks", func(d *Desired, l *Live) {
			d.Instance.Networks = []string{"10.0.0.0/8"}
			l.HBA[2].Address, l.HBA[2].Mask = "10.0.0.0", "254.0.0.0"
			l.HBA[3].Address = "db.example.org"
		}, "medium hba-network pg_hba.conf line 3; medium hba-network pg_hba.conf line 4"},
		{"superuser from everywhere", func(d *Desired, l *Live) { before(l, "hostssl all postgres all scram-sha-256") },
			"medium hba-superuser pg_hba.conf line 1"},
		{"superuser as planned", func(d *Desired, l *Live) {
			d.Instance.Superuser = "postgres"
			before(l, "hostssl all postgres all scram-sha-256")
		}, ""},

		// Settings.
		{"settings in order", func(d *Desired, l *Live) {
			for _, s := range strings.Fields("fsync=on ssl=on createrole_self_grant= autovacuum=on max_connections=100 " +
				"row_security=on log_statement=none dynamic_library_path=$libdir superuser_reserved_connections=3 " +
				"reserved_connections=2") {
				name, value, _ := strings.Cut(s, "=")
				configured(l, name, value)
			}
		}, ""},
		{"settings out of order", func(d *Desired, l *Live) {
			configured(l, "fsync", "off")
			configured(l, "password_encryption", "md5")
			configured(l, "synchronous_commit", "off")
		}, "high setting-fsync fsync; medium setting-password-encryption password_encryption; low " +
			"setting-synchronous-commit synchronous_commit"},
		{"too few connections", func(d *Desired, l *Live) { configured(l, "max_connections", "49") },
			"high max-connections max_connections"},
		{"enough connections", func(d *Desired, l *Live) {
			d.Instance.MaxConnections = 50
			configured(l, "max_connections",
				"50")
		}, ""},
		{"fewer than planned", func(d *Desired, l *Live) { configured(l, "max_connections", "60") },
			"low max-connections max_connections"},
		{"the server keeps more than planned", func(d *Desired, l *Live) {
			configured(l, "max_connections", "55")
			configured(l, "superuser_reserved_connections", "10")
			configured(l, "reserved_connections", "10")
		}, "high max-connections max_connections"},
		{"the socket", func(d *Desired, l *Live) {
			configured(l, "unix_socket_permissions", "0777")
			before(l, "local all postgres trust")
		}, "medium hba-trust pg_hba.conf line 1; medium setting-unix-socket-permissions unix_socket_permissions"},
		{"every role's", func(d *Desired, l *Live) { l.RoleConfigs = []RoleConfig{{Name: "work_mem", Value: "1GB"}} },
			"medium setting-of ALL work_mem"},
		{"the platform's own", func(d *Desired, l *Live) {
			l.RoleConfigs = []RoleConfig{
				{Role: "platform", Name: "search_path", Value: "pg_catalog, pg_temp"}, {Role: "platform",
					Name: "createrole_self_grant"},
			}
		}, ""},
		{"others' and tenants'", func(d *Desired, l *Live) {
			l.RoleConfigs = []RoleConfig{
				{Role: "a_app", Name: "x.y", Value: "z"}, {Database: "db_a", Name: "x.y"}, {Role: "stranger", Name: "search_path"},
				{Database: "postgres", Name: "x.y"},
			}
		}, ""},
		{"the platform in one database",
			func(d *Desired, l *Live) {
				l.RoleConfigs = []RoleConfig{{Role: "platform", Database: "db_a", Name: "search_path", Value: "app"}}
			},
			"high setting-of platform in db_a search_path"},

		// Roles.
		{"a second superuser", func(d *Desired, l *Live) { l.Roles[2].Superuser, l.Roles[2].Bypass = true, true },
			"high superuser-role stranger"},
		{"a group of superusers", func(d *Desired, l *Live) { l.Roles[2].Superuser, l.Roles[2].Login = true, false },
			"medium superuser-role stranger"},
		{"the planned superuser", func(d *Desired,
			l *Live) {
			l.Roles[2].Superuser = true
			d.Instance.Superuser = "stranger"
		}, ""},
		{"attributes", func(d *Desired, l *Live) {
			r := &l.Roles[2]
			r.Replication, r.Bypass, r.CreateRole, r.CreateDB = true, true, true, true
		}, "medium bypassrls-role stranger; medium createrole-role stranger; medium replication-role stranger; low " +
			"createdb-role stranger"},
		{"CREATEROLE on 15", func(d *Desired, l *Live) { l.Version = 150020; l.Roles[2].CreateRole = true },
			"high createrole-role stranger; medium createrole-15 platform"},
		{"attributes that a plan rights", func(d *Desired, l *Live) {
			for i := range l.Roles {
				if r := &l.Roles[i]; r.Name == "a_app" || r.Name == "platform" {
					r.Superuser, r.Bypass, r.Replication = true, true, true
				}
			}
		}, ""},
		{"a tenant that is gone", func(d *Desired, l *Live) {
			l.Roles = append(l.Roles, Role{Name: "c_app", Comment: "zave: tenant c, spec h"})
		}, "low left-role c_app"},
		{"a provider's roles", func(d *Desired, l *Live) {
			l.Evidence.Bootstrap = "rdsadmin"
			l.Roles = append(l.Roles[:1:1], append(l.Roles[2:], Role{Name: "rdsadmin", Superuser: true},
				Role{Name: "rds_superuser", CreateRole: true},
				Role{Name: "rdsrepladmin", Replication: true})...)
			l.Databases = append(l.Databases, Database{Name: "rdsadmin", AllowConnections: true})
			l.Memberships = []Membership{{Role: "pg_monitor", Member: "rds_superuser"}}
		}, ""},
		{"a provider's name elsewhere", func(d *Desired, l *Live) {
			l.Roles[2].Name, l.Roles[2].Superuser = "rds_superuser",
				true
		},
			"high superuser-role rds_superuser"},

		// Memberships.
		{"memberships of tenants are planned", func(d *Desired, l *Live) {
			l.Memberships = []Membership{{Role: "postgres", Member: "a_app"}, {Role: "a_owner", Member: "stranger"}}
		}, ""},
		{"of the superuser", func(d *Desired, l *Live) {
			l.Memberships = []Membership{{Role: "postgres",
				Member: "stranger"}}
		},
			"critical superuser-member stranger"},
		{"of the platform", func(d *Desired, l *Live) {
			l.Memberships = []Membership{{Role: "platform", Member: "stranger", Grantor: "postgres", Admin: true, Set: true}}
		}, "critical platform-member stranger"},
		{"who made the platform's role", func(d *Desired, l *Live) {
			l.Memberships = []Membership{{Role: "platform", Member: "stranger", Grantor: "postgres", Admin: true}}
		}, "low platform-admin stranger"},
		{"of predefined roles", func(d *Desired, l *Live) {
			l.Memberships = []Membership{
				{Role: "pg_write_server_files", Member: "stranger"}, {Role: "pg_monitor", Member: "stranger"}, {Role: "pg_monitor",
					Member: "watch"},
				{Role: "pg_signal_backend", Member: "platform"}, {Role: "pg_read_all_data", Member: "watch"},
				{Role: "pg_read_all_stats", Member: "pg_monitor"}, {Role: "pg_new_in_19", Member: "stranger"},
			}
		}, "critical predefined-member stranger; high predefined-member watch; low predefined-member stranger; low " +
			"predefined-member stranger"},
		{"of the platform in others", func(d *Desired, l *Live) {
			l.Memberships = []Membership{{Role: "g",
				Member: "platform"}}
		},
			"medium platform-membership g"},

		// Passwords.
		{"passwords in order", func(d *Desired, l *Live) {
			l.Evidence.Verifiers = []Verified{{"a_app", SCRAMSecret}, {"a_app_a", NoSecret}, {"a_owner", NoSecret}, {"stranger",
				NoSecret}}
		}, ""},
		{"passwords out of order", func(d *Desired, l *Live) {
			l.Evidence.Verifiers = []Verified{{"a_app", MD5Secret}, {"a_backup", NoSecret}, {"a_owner", SCRAMSecret},
				{"stranger", "unknown"}}
		}, "medium password-md5 stranger; medium password-md5 a_app; medium password-owner a_owner; low password-missing " +
			"a_backup"},

		// Parameters.
		{"parameters", func(d *Desired, l *Live) {
			l.Parameters = []ACL{
				{Object: "temp_file_limit", Grantee: "platform", Privilege: "SET"}, {Object: "temp_file_limit", Grantee: "a_app",
					Privilege: "SET"},
				{Object: "work_mem", Grantee: "stranger", Privilege: "SET"}, {Object: "log_statement", Grantee: "postgres",
					Privilege: "ALTER SYSTEM"},
				{Object: "archive_command", Grantee: "watch", Privilege: "ALTER SYSTEM"},
				{Object: "log_statement", Grantee: "platform", Privilege: "SET", Grantable: true},
			}
		}, "critical parameter-grant archive_command; medium parameter-grant log_statement; low parameter-grant work_mem; " +
			"high parameter-grant temp_file_limit"},

		// Databases.
		{"others' databases", func(d *Desired, l *Live) {
			all := []ACL{{Privilege: "CONNECT"}, {Privilege: "TEMPORARY"}}
			l.Databases = append(l.Databases,
				Database{Name: "open", Owner: "stranger", AllowConnections: true, ACL: all},
				Database{Name: "shut", Owner: "stranger", ACL: all},
				Database{Name: "tenant's", Owner: "a_owner", AllowConnections: true, ACL: []ACL{{Grantee: "a_owner",
					Privilege: "CONNECT"}}},
				Database{Name: "temp", Owner: "stranger", AllowConnections: true, ACL: []ACL{{Privilege: "TEMPORARY"}}},
				Database{Name: "model", Template: true},
				Database{Name: "old", Comment: "zave: tenant c, spec h"},
			)
		}, "high database-open open; medium unknown-database model; low left-database old; low unknown-database shut; low " +
			"database-open temp; low unknown-database tenant's; high database-owner tenant's"},
		{"templates", func(d *Desired, l *Live) {
			for i := range l.Databases {
				switch db := &l.Databases[i]; db.Name {
				case "template0":
					db.AllowConnections = true
				case "template1", "db_a", "zave":
					db.Template = !db.Template
				}
			}
		}, "medium template-database template1; medium template-database zave; medium template0-open template0; high " +
			"template-database db_a"},

		// The instance's facts.
		{"slots", func(d *Desired, l *Live) {
			l.Evidence.Facts = []Fact{
				{Kind: "slot", Name: "replica", Flags: []string{"active", "physical"}}, {Kind: "slot", Name: "lost",
					Flags: []string{"physical"}},
				{Kind: "slot", Name: "decode", Detail: "db_a", Flags: []string{"active"}}, {Kind: "slot", Name: "brief",
					Flags: []string{"temporary"}},
			}
		}, "high replication-slot lost; high replication-slot decode"},
		{"what else there is", func(d *Desired, l *Live) {
			l.Evidence.Facts = []Fact{
				{Kind: "prepared", Name: "p", Owner: "a_app", Detail: "db_a"}, {Kind: "subscription", Name: "s", Owner: "stranger",
					Detail: "zave"},
				{Kind: "collation", Name: "1", Owner: "db_b", Detail: "2"}, {Kind: "pending", Name: "ssl"},
			}
			l.Evidence.Grants = []ACL{
				{Object: "fast", Privilege: "CREATE"}, {Object: "fast", Grantee: "stranger", Privilege: "CREATE"},
				{Object: "fast", Grantee: "b_owner", Privilege: "CREATE"},
			}
		}, "high subscription s; high tablespace-grant fast; low setting-pending ssl; low tablespace-grant fast; high " +
			"prepared-transaction p; high tablespace-grant fast; medium collation-version db_b"},
		{"sessions", func(d *Desired, l *Live) {
			l.Sessions = []Session{
				{1, "a_app", "db_a"}, {2, "a_app", "postgres"}, {3, "stranger", "template1"}, {4, "a_app", "db_b"}, {5, "stranger",
					"postgres"},
			}
		}, "low session stranger; medium session a_app"},
		// What a restore makes holds a tenant's data a second time, and may be left over: that is told, low, as most often one
		// is under way. The tenant's own logins belong there, a neighbour's do not.
		{"sessions in what one is restored into", func(d *Desired, l *Live) {
			l.Databases = append(l.Databases, restored(&d.Tenants[0], "db_a-test", ", being restored"),
				restored(&d.Tenants[1], "db_b-test", ", being restored"))
			l.Sessions = []Session{{1, "a_app", "db_a-test"}, {2, "b_app", "db_a-test"}, {3, "b_backup", "db_b-test"}}
		}, "medium session b_app; low restore-database db_a-test; low restore-database db_b-test"},
		{"databases beside a tenant's own", func(d *Desired, l *Live) {
			t := &d.Tenants[0]
			open, strange := restored(t, "db_a-test", ", being restored"), restored(t, "db_a_x", ", being restored")
			open.ACL = append(open.ACL, ACL{Grantee: "b_app", Privilege: "CONNECT"})
			strange.Owner = "stranger" // so that anybody could have written the comment
			before := restored(t, "db_a_before", ", from before the restore of y")
			before.AllowConnections = false
			l.Databases = append(l.Databases, open, strange, before, restored(t, "db_a-restore", ", restored from y"),
				restored(t, "db_old", "")) // the spec has another name
		}, "high database-open db_a-test; high database-open db_a_x; low left-database db_old; low restore-database " +
			"db_a-restore; low restore-database db_a_before"},
		{"where the one that is restored into is desired", func(d *Desired, l *Live) {
			l.Databases = append(l.Databases, restored(&d.Tenants[0], "db_a_really", ""),
				restored(&d.Tenants[0], "db_a-restore", ", restored from y"))
			d.Tenants[0].Note = ", being restored"
		}, ""},
		{"withheld", func(d *Desired, l *Live) {
			l.Evidence.Withheld = []Withheld{{What: "the weather"}, {Database: "db_b", What: "large objects", Grant: "GRANT …"}}
		}, "low unread the weather; low unread large objects"},

		// Inside of a tenant's database.
		{"objects in order", func(d *Desired, l *Live) {
			within(l, Fact{Kind: "object", Schema: "app", Name: "app.x", Owner: "a_app", Detail: "TABLE"},
				// the plan gives it to the owner
				Fact{Kind: "object", Schema: "extensions", Name: `extensions.protect("table" regclass, key name)`,
					Owner: "platform", Detail: "FUNCTION"},
				Fact{Kind: "schema", Name: "app", Owner: "a_owner"}, Fact{Kind: "extension", Name: "pgcrypto"},
				Fact{Kind: "function", Name: "app.f()", Owner: "a_owner", Flags: []string{"definer", "path"}},
				Fact{Kind: "wrapper", Name: "w", Owner: "postgres"}, Fact{Kind: "language", Name: "plperl", Owner: "postgres"})
		}, ""},
		{"objects out of order", func(d *Desired, l *Live) {
			within(l,
				Fact{Kind: "object", Schema: "pg_catalog", Name: "pg_catalog.x", Owner: "a_owner", Detail: "FUNCTION"},
				Fact{Kind: "object", Schema: "public", Name: "public.x", Owner: "b_owner", Detail: "TABLE"},
				Fact{Kind: "object", Schema: "public", Name: "public.y", Owner: "a_owner", Detail: "TABLE"},
				Fact{Kind: "object", Schema: "public", Name: "public.z", Owner: "postgres", Detail: "TABLE"},
				Fact{Kind: "object", Schema: "extensions", Name: "extensions.protect(text)", Owner: "a_owner", Detail: "FUNCTION"})
		}, "critical system-object pg_catalog.x; high stray-object public.x; medium platform-object public.z; medium " +
			"stray-object extensions.protect(text); medium stray-object public.y"},
		{"functions", func(d *Desired, l *Live) {
			within(l,
				Fact{Kind: "function", Name: "pg_catalog.f()", Owner: "postgres", Flags: []string{"definer", "system"}},
				Fact{Kind: "function", Name: "app.p()", Owner: "platform", Flags: []string{"definer", "path"}},
				Fact{Kind: "function", Name: "app.b()", Owner: "b_owner", Flags: []string{"definer", "path"}},
				Fact{Kind: "function", Name: "app.o()", Owner: "a_owner", Flags: []string{"definer"}},
				Fact{Kind: "function", Name: "app.c()", Owner: "a_owner", Detail: "c", Flags: []string{"untrusted"}},
				Fact{Kind: "function", Name: "app.l()", Owner: "a_owner", Flags: []string{"leakproof"}})
		}, "critical definer-platform app.p(); critical definer-system pg_catalog.f(); critical untrusted-function " +
			"app.c(); high definer-other app.b(); high leakproof-function app.l(); medium definer-path app.o()"},
		{"languages and extensions", func(d *Desired, l *Live) {
			d.Tenants[0].Extensions = []string{"dblink"}
			within(l, Fact{Kind: "language", Name: "plperlu", Flags: []string{"untrusted"}},
				Fact{Kind: "language", Name: "c", Flags: []string{"system"}},
				Fact{Kind: "extension", Name: "dblink"}, Fact{Kind: "extension", Name: "file_fdw"})
		}, "critical language-untrusted c; high extension-dangerous file_fdw; high language-untrusted plperlu; medium " +
			"extension-dangerous dblink"},
		{"ways out", func(d *Desired, l *Live) {
			within(l, Fact{Kind: "event", Name: "e", Owner: "postgres", Detail: "login"}, Fact{Kind: "event", Name: "f",
				Owner: "a_owner"},
				Fact{Kind: "wrapper", Name: "w", Owner: "a_owner"}, Fact{Kind: "server", Name: "s", Owner: "postgres"},
				Fact{Kind: "mapping", Name: "s", Owner: ""}, Fact{Kind: "mapping", Name: "t", Owner: "stranger"},
				Fact{Kind: "publication", Name: "p", Owner: "postgres"}, Fact{Kind: "cast", Name: "a → b"}, Fact{Kind: "system",
					Name: "now"},
				Fact{Kind: "code", Name: "t", Owner: "postgres", Detail: "trigger on x"},
				Fact{Kind: "large", Name: "7", Owner: "a_app", Detail: "3"}, Fact{Kind: "schema", Name: "s", Owner: "b_owner"},
				Fact{Kind: "schema", Name: "t", Owner: "a_owner"})
			l.Evidence.Databases[0].Grants = []ACL{
				{Kind: "foreign server", Object: "server s", Grantee: "a_app", Privilege: "USAGE"},
				{Kind: "foreign-data wrapper", Object: "foreign-data wrapper w", Grantee: "stranger", Privilege: "USAGE"},
			}
		}, "critical event-trigger f; critical system-owner now; high event-trigger e; high foreign-usage server s; high " +
			"foreign-wrapper w; high platform-code t trigger on x; high system-cast a → b; high user-mapping s; medium " +
			"foreign-server s; medium foreign-usage foreign-data wrapper w; medium large-object large object 7; medium " +
			"publication p; medium stray-schema s; medium user-mapping t; low stray-schema t"},
		{"system's grants", func(d *Desired, l *Live) {
			l.Evidence.Databases[0].Grants = []ACL{
				{Kind: "table", Object: "table pg_authid", Privilege: "SELECT"},
				{Kind: "column", Object: "column rolpassword of table pg_authid", Grantee: "a_app", Privilege: "SELECT"},
				{Kind: "function", Object: "function pg_read_file(text)", Grantee: "stranger", Privilege: "EXECUTE"},
				{Kind: "function", Object: "function pg_hba_file_rules()", Grantee: "platform", Privilege: "EXECUTE"},
				{Kind: "table", Object: "table pg_authid", Grantee: "platform", Privilege: "SELECT"},
				{Kind: "function", Object: "function pg_ls_waldir()", Grantee: "watch", Privilege: "EXECUTE"},
				{Kind: "function", Object: "function pg_ls_waldir()", Grantee: "a_app", Privilege: "EXECUTE"},
				{Kind: "function", Object: "function pg_stat_reset()", Grantee: "a_app", Privilege: "EXECUTE"},
				{Kind: "schema", Object: "schema public", Grantee: "", Privilege: "CREATE"}, // the plan's
			}
		}, "critical system-grant function pg_stat_reset(); critical system-grant table pg_authid; critical system-grant " +
			"table pg_authid; critical system-grant table pg_authid, column rolpassword; medium system-grant function " +
			"pg_read_file(text); low system-grant function pg_ls_waldir()"},
		{"row-level security", func(d *Desired, l *Live) {
			within(l, Fact{Kind: "table", Name: "app.none"}, Fact{Kind: "table", Name: "app.lax", Flags: []string{"rls"}},
				Fact{Kind: "table", Name: "app.ok", Flags: []string{"rls", "forced"}},
				Fact{Kind: "policy", Name: "app.ok", Owner: "a_backup", Detail: "zave_backup FOR SELECT"},
				Fact{Kind: "policy", Name: "app.ok", Owner: "a_backup", Detail: "p FOR ALL"},
				Fact{Kind: "policy", Name: "app.ok", Owner: "", Detail: "q FOR SELECT"},
				Fact{Kind: "policy", Name: "app.none", Owner: "", Detail: "r FOR SELECT"}, // without effect
				Fact{Kind: "view", Name: "app.v", Detail: "app.lax"}, Fact{Kind: "view", Name: "app.w", Detail: "app.ok",
					Flags: []string{"forced"}},
				Fact{Kind: "view", Name: "app.m", Detail: "app.ok", Flags: []string{"forced", "materialized"}})
		}, "high rls-policy-open p on app.ok; high rls-policy-open q on app.ok; high rls-view app.m; high rls-view app.v; " +
			"medium rls-missing app.none; medium rls-not-forced app.lax; medium rls-view app.w"},
		{"row-level security of the tenant's own", func(d *Desired, l *Live) {
			d.Tenants[0].RowLevelSecurity = false
			within(l, Fact{Kind: "table", Name: "app.lax", Flags: []string{"rls"}}, Fact{Kind: "view", Name: "app.v",
				Detail: "app.lax"})
		}, "low rls-not-forced app.lax; low rls-view app.v"},
		{"in the instance's databases", func(d *Desired, l *Live) {
			l.Evidence.Databases = []DatabaseEvidence{{Database: "postgres", Facts: []Fact{
				{Kind: "object", Schema: "public", Name: "public.x", Owner: "stranger", Detail: "TABLE"},
				{Kind: "object", Schema: "public", Name: "public.y", Owner: "a_app", Detail: "TABLE"},
				{Kind: "extension", Name: "dblink"}, {Kind: "large", Name: "1", Owner: "a_app", Detail: "1"},
				{Kind: "large", Name: "2", Owner: "postgres", Detail: "1"}, {Kind: "schema", Name: "s", Owner: "a_owner"},
				{Kind: "table", Name: "public.x"},
			}, Grants: []ACL{
				{Kind: "function", Object: "function pg_ls_dir(text)", Privilege: "EXECUTE"},
				{Kind: "schema", Object: "schema public", Privilege: "CREATE"},
			}}}
		}, "high system-grant function pg_ls_dir(text); high system-grant schema public; medium extension-dangerous " +
			"dblink; medium large-object large object 1; medium shared-object public.y; medium stray-schema s; low " +
			"large-object large object 2; low shared-object public.x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, l := audited()
			c.make(d, l)
			var got []string
			for _, f := range Audit(d, l) {
				got = append(got, fmt.Sprintf("%s %s %s", f.Severity, f.ID, f.Object))
				if f.Message == "" || f.Hint == "" || strings.HasSuffix(f.Message, ".") {
					t.Errorf("%s: the message %q or the hint %q is not as it should be", f.ID, f.Message, f.Hint)
				}
			}
			want := strings.Split(c.want, "; ")
			if c.want == "" {
				want = nil
			}
			// The order is another test's: severities first, then tenants.
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("found\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		})
	}
}

// restored is a database beside a tenant's own, as a restore makes it.
func restored(t *Tenant, name, note string) Database {
	return Database{
		Name: name, Owner: "platform", AllowConnections: true, Comment: t.mark() + note,
		ACL: []ACL{{Grantee: t.Roles.App, Grantor: "platform", Privilege: "CONNECT"}},
	}
}

// TestAuditOrder holds that what is found does not depend on the order in which it was read, and comes the worst first.
func TestAuditOrder(t *testing.T) {
	look := func(r *rand.Rand) []Finding {
		d, l := audited()
		l.Roles[2].Superuser = true
		l.Memberships = []Membership{{Role: "postgres", Member: "stranger"}, {Role: "platform", Member: "stranger"}}
		configured(l, "fsync", "off")
		configured(l, "ssl", "off")
		configured(l, "row_security", "off")
		within(l, Fact{Kind: "extension", Name: "dblink"}, Fact{Kind: "cast", Name: "a → b"}, Fact{Kind: "publication",
			Name: "p"},
			Fact{Kind: "table", Name: "app.t"}, Fact{Kind: "table", Name: "app.u"})
		if r != nil {
			shuffle(r, l.Memberships)
			shuffle(r, l.Evidence.Settings)
			shuffle(r, l.Evidence.Databases)
			for i := range l.Evidence.Databases {
				shuffle(r, l.Evidence.Databases[i].Facts)
			}
		}
		return Audit(d, l)
	}
	want := look(nil)
	if len(want) < 9 {
		t.Fatalf("only %d findings", len(want))
	}
	if !slices.IsSortedFunc(want, func(a, b Finding) int { return a.Severity.rank() - b.Severity.rank() }) {
		t.Error("a finding stands before a worse one")
	}
	for seed := range uint64(20) {
		if got := look(rand.New(rand.NewPCG(seed, 0))); !reflect.DeepEqual(got, want) {
			t.Fatalf("in another order, the same gives\n%v\nnot\n%v", got, want)
		}
	}
}

func shuffle[T any](r *rand.Rand, s []T) {
	r.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}

// TestJudgedSettings holds the table of settings: each has a reason, its own right value is not wrong, and its name is
// asked for.
func TestJudgedSettings(t *testing.T) {
	asked := AuditedSettings()
	if !slices.IsSorted(asked) || len(slices.Compact(slices.Clone(asked))) != len(asked) {
		t.Errorf("the names are not sorted, or one is there twice: %q", asked)
	}
	for _, j := range judgedSettings() {
		if j.why == "" || j.severity.rank() < 0 {
			t.Errorf("%s has no reason or no severity", j.name)
		}
		if !strings.Contains(j.right, " ") && j.wrong(j.right) {
			t.Errorf("%s = %s is to be right, and is wrong", j.name, j.right)
		}
		if !slices.Contains(asked, j.name) {
			t.Errorf("%s is not asked for", j.name)
		}
	}
}
