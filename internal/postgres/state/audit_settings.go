package state

import (
	"slices"
	"strconv"
	"strings"
)

// judged is a setting of the server and when it is wrong (PostgreSQL manual, "Server Configuration").
type judged struct {
	name     string
	severity Severity
	wrong    func(value string) bool
	why      string // completes "the setting NAME is VALUE: "
	right    string // a value, or in several words what values are
}

const socketPermissions = "unix_socket_permissions"

// settingID is the ID of findings about a setting.
func settingID(name string) string { return "setting-" + strings.ReplaceAll(name, "_", "-") }

// prose tells whether what is right is said in words.
func (j *judged) prose() bool { return strings.Contains(j.right, " ") }

// advice says what to do, as the reference has it.
func (j *judged) advice() string {
	switch {
	case j.right == "":
		return "Leave it empty"
	case j.prose():
		return "Set it to " + j.right
	}
	return "Set it to `" + j.right + "`"
}

func not(values ...string) func(string) bool {
	return func(v string) bool { return !slices.Contains(values, v) }
}

func is(values ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(values, v) }
}

func filled(v string) bool { return v != "" }

func positive(v string) bool { n, err := strconv.Atoi(v); return err == nil && n > 0 }

// judgedSettings are those that are dangerous with some values. What is a matter of size or of taste is not among them.
func judgedSettings() []judged {
	return []judged{
		// Who comes in.
		{"password_encryption", Medium, not("scram-sha-256"), "new passwords are kept as MD5, and whoever reads one of " +
			"those can log in",
			"scram-sha-256"},
		{"ssl", Medium, is("off"), "nobody can connect with TLS", "on"},
		{"ssl_min_protocol_version", Medium, not("TLSv1.2", "TLSv1.3"), "old versions of TLS can be broken", "TLSv1.2"},
		{"db_user_namespace", Medium, is("on"), "role names mean another thing in each database, and passwords are sent as " +
			"MD5", "off"},
		{"krb_caseins_users", Low, is("on"), "names of roles that differ in case are taken for one", "off"},
		{"oauth_validator_libraries", Low, filled, "code beside the server's decides who may log in", ""},

		// What roles can become.
		{"createrole_self_grant", Medium, filled, "a role with CREATEROLE becomes a member of the roles that it makes", ""},
		{"lo_compat_privileges", High, is("on"), "no privilege holds for large objects: every role of a database may read " +
			"and write them",
			"off"},
		{"allow_system_table_mods", Medium, is("on"), "a slip of a superuser's changes the system's own tables", "off"},
		{"row_security", Low, is("off"), "queries of tables with row-level security fail instead of showing the rows that " +
			"are allowed",
			"on"},
		{"event_triggers", Low, is("off"), "event triggers that guard something do not run", "on"},

		// Which code is loaded.
		{"session_preload_libraries", Medium, filled, "every session loads this code, the platform's too", ""},
		{"local_preload_libraries", Medium, filled, "every session loads this code, the platform's too", ""},
		{"shared_preload_libraries", Medium, func(v string) bool { return strings.Contains(v, "/") },
			"the server loads code from a directory of somebody's", "names of installed libraries alone"},
		{"dynamic_library_path", Medium, not("$libdir"), "functions in C are looked for in other directories", "$libdir"},
		{"extension_control_path", Medium, not("$system"), "extensions are looked for in other directories", "$system"},

		// What harms all tenants at once.
		{"autovacuum", High, is("off"), "nothing cleans up, until the server stops every tenant to prevent transaction ID " +
			"wraparound", "on"},
		{"track_counts", High, is("off"), "autovacuum does not know what to clean up", "on"},
		{"fsync", High, is("off"), "a crash of the machine destroys every tenant's data", "on"},
		{"full_page_writes", High, is("off"), "a crash of the machine destroys every tenant's data", "on"},
		{"zero_damaged_pages", High, is("on"), "damaged data is silently overwritten with nothing", "off"},
		{"ignore_checksum_failure", High, is("on"), "damaged data is taken for good", "off"},
		{"ignore_system_indexes", Medium, is("on"), "every query searches the catalogues from end to end", "off"},
		{"max_prepared_transactions", High, positive,
			"any login may leave a transaction behind that holds its locks and keeps the instance from cleaning up", "0"},
		{"superuser_reserved_connections", High, is("0"), "when all connections are taken, nobody can come in to help", "3"},
		{"synchronous_commit", Low, is("off"), "the last transactions before a crash are lost", "on"},

		// What the log keeps.
		{"log_statement", Medium, not("none"), "ALTER ROLE … PASSWORD goes to the log with the password, if a tenant sets " +
			"one so", "none"},
		{"log_min_duration_statement", Low, is("0"), "every statement goes to the log, with the tenants' data in it",
			"a time, or -1"},
		{"log_min_error_statement", Low, is("debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning"),
			"statements go to the log that merely led to a notice, with the tenants' data in it", "error"},
		{"debug_print_parse", Low, is("on"), "statements go to the log, with the tenants' data in it", "off"},
		{"debug_print_rewritten", Low, is("on"), "statements go to the log, with the tenants' data in it", "off"},
		{"debug_print_plan", Low, is("on"), "statements go to the log, with the tenants' data in it", "off"},
		{"log_parameter_max_length_on_error", Low, not("0"), "the values of failed statements go to the log", "0"},
	}
}

// AuditedSettings are the names of all settings that Audit looks at, sorted.
func AuditedSettings() []string {
	out := []string{"max_connections", "reserved_connections", socketPermissions}
	for _, j := range judgedSettings() {
		out = append(out, j.name)
	}
	slices.Sort(out)
	return out
}

func (a *auditor) settings() {
	value := map[string]string{}
	for _, s := range a.e.Settings {
		value[s.Name] = s.Value
	}
	for _, j := range judgedSettings() {
		v, ok := value[j.name]
		if !ok || !j.wrong(v) {
			continue
		}
		f := Finding{
			ID: settingID(j.name), Severity: j.severity, Object: j.name,
			Message: "the setting " + j.name + " is " + strings.TrimSpace(Literal(v)) + ": " + j.why,
			Hint:    "set " + j.name + " = " + strings.TrimSpace(Literal(j.right)),
		}
		if j.prose() {
			f.Hint = "set " + j.name + " to " + j.right
		}
		a.find(f)
	}
	a.connections(value)
	if v, ok := value[socketPermissions]; ok && strings.HasSuffix(v, "7") &&
		slices.ContainsFunc(a.l.HBA, func(r HBARule) bool { return r.Type == "local" && r.Method == "trust" }) {
		a.find(Finding{
			ID: settingID(socketPermissions), Severity: Medium, Object: socketPermissions,
			Message: "the setting unix_socket_permissions is " + v + ": every account of the server's machine reaches the " +
				"socket, and pg_hba.conf asks for no password there",
			Hint: "set unix_socket_permissions = 0700, and have pg_hba.conf ask who it is",
		})
	}
}

// connections compares what the tenants may hold at once with what the server has.
func (a *auditor) connections(value map[string]string) {
	most, err := strconv.Atoi(value["max_connections"])
	if err != nil {
		return
	}
	kept := 0
	for _, name := range []string{"superuser_reserved_connections", "reserved_connections"} {
		n, _ := strconv.Atoi(value[name])
		kept += n
	}
	sum := 0
	for _, t := range a.d.Tenants {
		sum += t.Connections
	}
	need := sum + max(kept, a.d.Instance.ReservedConnections)
	if sum > 0 && need > most {
		a.find(Finding{
			ID: "max-connections", Severity: High, Object: "max_connections",
			Message: "the server takes " + strconv.Itoa(most) + " connections, and the tenants may hold " + strconv.Itoa(sum) +
				" beside the " +
				strconv.Itoa(need-sum) + " that are kept: some of them can shut out the others",
			Hint: "set max_connections = " + strconv.Itoa(max(need, a.d.Instance.MaxConnections)) +
				" and restart the server, or give the tenants fewer",
		})
	} else if most < a.d.Instance.MaxConnections {
		a.find(Finding{
			ID: "max-connections", Severity: Low, Object: "max_connections",
			Message: "the server takes " + strconv.Itoa(most) + " connections, and the platform's spec says " +
				strconv.Itoa(a.d.Instance.MaxConnections),
			Hint: "set max_connections = " + strconv.Itoa(a.d.Instance.MaxConnections) + " and restart the server",
		})
	}
}
