package reach

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func hbaYAML(lines ...string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: postgres-access, namespace: postgres}\ndata:\n  pg_hba.conf: |\n    " + strings.Join(lines, "\n    ")
}

func TestAccess(t *testing.T) {
	const reject = "host all all all reject"
	tenants := namespaceOf("alpha", "beta-2")
	a := `hostssl "db_alpha" "alpha_app","alpha_readonly" 10.0.0.0/16 scram-sha-256`
	tellAll(t, []told{
		{
			name: "a tenant's roles", both: tenants, base: hbaYAML(reject), head: hbaYAML("# The tenant alpha.", a, `hostssl "/^db_alpha_[0-9]+$" "alpha_app","alpha_readonly" 10.0.0.0/16 scram-sha-256`, reject),
			want: []string{
				"database-access-opened database role alpha_app may now enter databases like ^db_alpha_[0-9]+$ and db_alpha from 10.0.0.0/16 over TLS",
				"database-access-opened database role alpha_readonly may now enter databases like ^db_alpha_[0-9]+$ and db_alpha from 10.0.0.0/16 over TLS",
			},
		},
		{
			name: "from more addresses", base: hbaYAML(`hostssl db alice 10.0.0.0/24 scram-sha-256`), head: hbaYAML(`hostssl db alice 10.0.0.0/23 scram-sha-256`),
			want: []string{"database-access-opened database role alice may now enter db from 10.0.1.0/24 over TLS"},
		},
		{
			name: "without TLS", base: hbaYAML(`hostssl db alice 10.0.0.0/24 scram-sha-256`), head: hbaYAML(`hostssl db alice 10.0.0.0/24 scram-sha-256`, `hostnossl db alice 10.0.0.0 255.255.255.0 scram-sha-256`),
			want: []string{"database-access-opened database role alice may now enter db from 10.0.0.0/24 without TLS or over GSSAPI"},
		},
		{
			name: "without a password", base: hbaYAML(`hostssl db alice 10.0.0.0/24 scram-sha-256`), head: hbaYAML(`hostssl db alice 10.0.0.0/24 trust`),
			want: []string{"database-access-opened database role alice may now enter db from 10.0.0.0/24 over TLS by trust instead of scram-sha-256"},
		},
		{
			name: "what is behind a refusal", base: hbaYAML(`hostssl all alice all reject`, `hostssl db1,db2 alice,bob 10.0.0.0/24 scram-sha-256`), head: hbaYAML(`hostssl db1,db2 alice,bob 10.0.0.0/24 scram-sha-256`),
			want: []string{"database-access-opened database role alice may now enter db1 and db2 from 10.0.0.0/24 over TLS"},
		},
		{
			name: "the first that fits decides", base: hbaYAML(`hostssl db alice all reject`, `hostssl db alice all cert`), head: hbaYAML(`hostssl db alice all cert`, `hostssl db alice all reject`),
			want: []string{"database-access-opened database role alice may now enter db from 0.0.0.0/0 and ::/0 over TLS"},
		},
		{name: "a line that is never come to", base: hbaYAML(reject), head: hbaYAML(reject, `hostssl db alice all cert`)},
		{name: "what all may do anyway", base: hbaYAML(`hostssl all all all cert`), head: hbaYAML(`hostssl db alice all cert`, `hostssl all all all cert`)},
		{
			name: "all is not for replication, nor is it a name in quotes", base: hbaYAML(`hostssl all all all cert`), head: hbaYAML(`hostssl replication alice all cert`, `hostssl "all" "all" all cert`, `hostssl all all all cert`),
			want: []string{"database-access-opened database role alice may now enter replication from 0.0.0.0/0 and ::/0 over TLS"},
		},
		{
			name: "a name with a space, and a password that is not shown", base: hbaYAML(""), head: hbaYAML(`host "my db" alice 10.0.0.1/32 ldap ldapserver=x ldapbindpasswd=hunter2`),
			want: []string{"database-access-opened database role alice may now enter my db from 10.0.0.1/32 with or without TLS"},
		},
		{
			name: "closed", both: tenants, base: hbaYAML(a, `hostssl db_beta_2 beta_2_app 10.0.0.0/16 scram-sha-256`, reject), head: hbaYAML(a, reject),
			want: []string{"database-access-closed database role beta_2_app may no longer enter db_beta_2 from 10.0.0.0/16 over TLS"},
		},
		{
			name: "from the machine itself", base: hbaYAML(`local all postgres peer`), head: hbaYAML(`local all postgres peer`, `local all all trust`),
			want: []string{"database-access-opened database role all may now enter every database from the server's own machine by trust"},
		},
		{name: "comments and order of what does not meet", base: hbaYAML("# one", a, `hostssl x bob 10.0.0.0/16 cert`), head: hbaYAML(`hostssl x bob 10.0.0.0/16 cert`, "", a)},
	})
}

// TestHBAFields follows the rules of "The pg_hba.conf File": quotes, commas with spaces behind them, comments.
func TestHBAFields(t *testing.T) {
	for line, want := range map[string]string{
		`host a,b  c all trust # x`:           `[a b] [c] [all] [trust]`,
		`host a, b c`:                         `[a b] [c]`,
		`host "a b","c,d" "e#f"`:              `[a b" c,d"] [e#f"]`,
		"\t# only a comment":                  ``,
		"host all all ::1/128\tscram-sha-256": `[all] [all] [::1/128] [scram-sha-256]`,
	} {
		var got []string
		for _, f := range hbaFields(line) {
			var names []string
			for _, n := range f {
				if n.quoted {
					n.text += `"`
				}
				names = append(names, n.text)
			}
			got = append(got, fmt.Sprint(names))
		}
		got = slices.DeleteFunc(got, func(s string) bool { return s == "[host]" })
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q is %s, and should be %s", line, s, want)
		}
	}
}
