package state

import (
	"strconv"
	"strings"
)

// HBA gives a pg_hba.conf (PostgreSQL manual, 21.1, "The pg_hba.conf File"): TLS and SCRAM for everybody, a line for
// each tenant with its database, those that it is restored into, and its logins, and nothing for anybody else. The first
// line that fits a connection decides, so the last one refuses.
//
// Names stand in quotes, where keywords such as all and replication are names like others. One that the file cannot
// hold is left out, with a comment: its roles cannot log in, then.
func (d *Desired) HBA() string {
	b := &strings.Builder{}
	in := &d.Instance
	write := func(kind string, databases, users []string, address, method string) {
		dbs, ok := hbaNames(databases)
		roles, fine := hbaNames(users)
		if !ok || !fine {
			b.WriteString("# left out: a name that pg_hba.conf cannot hold\n")
			return
		}
		b.WriteString(kind + " " + dbs + " " + roles)
		if address != "" {
			b.WriteString(" " + address)
		}
		b.WriteString(" " + method + "\n")
	}
	networks := in.Networks
	if len(networks) == 0 {
		networks = []string{"all"}
	}
	over := func(databases, users []string) {
		for _, network := range networks {
			write("hostssl", databases, users, network, "scram-sha-256")
		}
	}
	hash := func(text string) { b.WriteString(hashComment(text)) }

	hash("pg_hba.conf of the cluster " + d.Cluster + ", made by zave. The first line that fits decides.")
	b.WriteByte('\n')
	hash("A superuser comes from the machine itself, as the operating system's user of the same name.")
	b.WriteString("local all postgres peer\n")
	b.WriteString("local all all reject\n")
	if in.Superuser != "" {
		b.WriteByte('\n')
		hash("The superuser that prepares the instance.")
		over([]string{hbaAll}, []string{in.Superuser})
	}
	b.WriteByte('\n')
	hash("The platform makes the tenants' databases and looks into them. Others' it may not enter: it lacks CONNECT.")
	over([]string{hbaAll}, []string{in.Role})
	if len(in.Monitors) > 0 {
		b.WriteByte('\n')
		hash("Monitors of the instance.")
		over([]string{"postgres"}, in.Monitors)
	}
	for i := range d.Tenants {
		t := &d.Tenants[i]
		b.WriteByte('\n')
		hash("The tenant " + t.Name + ", and what it is restored into.")
		over(t.databases(), t.Roles.Logins())
	}
	b.WriteByte('\n')
	hash("The throw-away tenants that `zave db verify` makes, attacks and removes.")
	for _, t := range Probes() {
		over([]string{t.Database}, t.Roles.Logins())
	}
	b.WriteByte('\n')
	hash("Nobody else, nothing without TLS, and no replication.")
	b.WriteString("host all all all reject\n")
	b.WriteString("host replication all all reject\n")
	return b.String()
}

// hbaAll is the keyword, which is one only without quotes.
const hbaAll = "\x00all"

// hbaNames writes a list of names. A line cannot hold a line break, and from 16 on a name that begins with a slash is a
// regular expression, in quotes too (hba.c, regcomp_auth_token).
func hbaNames(names []string) (string, bool) {
	out := make([]string, len(names))
	for i, n := range names {
		switch {
		case n == hbaAll:
			out[i] = "all"
			continue
		case n == "" || strings.HasPrefix(n, "/") || strings.ContainsAny(n, "\n\r\x00"):
			return "", false
		}
		out[i] = `"` + strings.ReplaceAll(n, `"`, `""`) + `"`
	}
	return strings.Join(out, ","), true
}

// hashComment gives a text as comments of a configuration file.
func hashComment(text string) string {
	return strings.ReplaceAll("\n"+Comment(text), "\n-- ", "\n# ")[1:]
}

// Conf gives what postgresql.conf is to have beside the server's defaults, with the reasons. It holds for versions 15
// to 18; what only some of them know stands in comments, as the server does not start with a setting that it does not
// know.
func (d *Desired) Conf() string {
	b := &strings.Builder{}
	in := &d.Instance
	b.WriteString(hashComment("postgresql.conf of the cluster " + d.Cluster +
		", made by zave: what tenants need to be kept apart. " +
		"It is to be included at the end of the server's own (include_if_exists)."))
	part := func(why string, lines ...string) {
		b.WriteByte('\n')
		b.WriteString(hashComment(why))
		for _, l := range lines {
			b.WriteString(l + "\n")
		}
	}
	part("Passwords are kept, and proven, with SCRAM. With md5 whoever reads a stored one can log in with it.",
		"password_encryption = 'scram-sha-256'")
	part("Connections are encrypted: pg_hba.conf takes no others. "+
		"Name the certificate's files in ssl_cert_file and ssl_key_file.",
		"ssl = on", "ssl_min_protocol_version = 'TLSv1.2'")
	var sum int
	for i := range d.Tenants {
		sum += d.Tenants[i].Connections
	}
	if in.MaxConnections > 0 {
		part("The tenants may hold "+strconv.Itoa(sum)+" connections in all, and "+strconv.Itoa(in.ReservedConnections)+
			" are kept for the platform, its monitors and superusers. Each database and each role has a limit of its own.",
			"max_connections = "+strconv.Itoa(in.MaxConnections), "superuser_reserved_connections = 3")
		part("From version 16 on, a role with pg_use_reserved_connections gets in when all others are taken.",
			"#reserved_connections = 2")
	}
	part("Who has not logged in after this time goes, so that nobody takes connections without a password.",
		"authentication_timeout = '15s'")
	part("A session whose machine is gone is found out within about a minute, and frees its connection and locks.",
		"tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3",
		"client_connection_check_interval = '10s'")
	part("A prepared transaction holds its locks, and old rows, after the session that made it. Nothing here needs one.",
		"max_prepared_transactions = 0")
	part("All sessions share one table of locks. A tenant can fill it with advisory locks, unless the profile is strict; "+
		"a larger one takes longer to fill, and lets dumps lock many tables.",
		"max_locks_per_transaction = 256")
	part("What a session writes to temporary files. Tenants' databases have the same limit of their own.",
		"temp_file_limit = '"+temporaryLimit+"'")
	part("Who connected when, from where, as whom, to what.",
		"log_connections = on", "log_disconnections = on", "log_line_prefix = '%m [%p] %q%u@%d %h '")
	part("Statements are not logged, as they hold tenants' data, and ALTER ROLE … PASSWORD a verifier or worse; "+
		"but those that fail are, without their parameters.",
		"log_statement = 'none'", "log_min_error_statement = 'error'", "log_parameter_max_length_on_error = 0")
	part("How one tenant slows the others down shows in waits for locks and in large temporary files.",
		"log_lock_waits = on", "log_temp_files = '64MB'")
	part("The socket is for the server's own user and group.",
		"unix_socket_permissions = 0770")
	part("From version 16 on: whoever makes a role does not become a member of it.",
		"#createrole_self_grant = ''")
	return b.String()
}
