package postgres

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// program is one of PostgreSQL's own: pg_dump or pg_restore.
type program struct {
	name, path string
	text       string // "18.7"
	version    int    // 180007
}

func (p *program) major() int { return p.version / 10000 }

// findProgram finds a program, on the PATH where no path is given, and asks for its version.
func findProgram(ctx context.Context, name, path string) (*program, error) {
	if path == "" {
		path = name
	}
	resolved, err := exec.LookPath(path)
	if err != nil {
		return nil, &Problem{
			Text: fmt.Sprintf("there is no %s to run: %s", name, reason(err)),
			Hint: "install PostgreSQL's client programs, of the server's major version or newer; zave's image has them",
			Err:  err,
		}
	}
	cmd := exec.CommandContext(ctx, resolved, "--version")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		return nil, &Problem{Text: fmt.Sprintf("%s --version does not run: %v", resolved, err), Err: err}
	}
	// "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
	_, rest, ok := strings.Cut(string(out), "(PostgreSQL) ")
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 || !strings.HasPrefix(string(out), name+" ") {
		return nil, &Problem{Text: fmt.Sprintf("%s is not PostgreSQL's %s", resolved, name), Input: true}
	}
	return &program{name, resolved, fields[0], parseVersion(fields[0])}, nil
}

// parseVersion reads "18.7" as 180007, and "19beta1" as 190000.
func parseVersion(text string) int {
	major, minor := leadingDigits(text), ""
	if rest, ok := strings.CutPrefix(text[len(major):], "."); ok {
		minor = leadingDigits(rest)
	}
	var n, m int
	_, _ = fmt.Sscan(major, &n)
	_, _ = fmt.Sscan(minor, &m) // a beta has none
	return n*10000 + m
}

// safeMinors are the first releases whose pg_dump and pg_restore do not run what a crafted archive says (CVE-2025-8714
// and CVE-2025-8715, and those after them), by major version; all of a later one are safe.
func safeMinors() map[int]int { return map[int]int{15: 20, 16: 16, 17: 12, 18: 7} }

// safe tells whether the program may be given an archive that somebody could have crafted.
func (p *program) safe() bool {
	minor, listed := safeMinors()[p.major()]
	if !listed {
		return p.major() > 18
	}
	return p.version%10000 >= minor
}

// environment is that of a child that connects as a role to where the Server does. The password is in it, and not in
// the arguments, which everybody on the machine can see, nor in a file, which a kill would leave.
func (s *Server) environment(p *program, role, password string) ([]string, error) {
	settings, err := connectionSettings(s.config.ConnString())
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for keyword, name := range libpqVariables() {
		if v, ok := settings[keyword]; ok {
			values[name] = v
		} else if v := os.Getenv(name); v != "" {
			values[name] = v
		}
	}
	// As pgx made of all that, so that both reach the same server.
	hosts, ports := hostsOf(s.config)
	values["PGHOST"], values["PGPORT"] = strings.Join(hosts, ","), strings.Join(ports, ",")
	delete(values, "PGHOSTADDR")
	if values["PGSSLMODE"] == "" {
		// What a service file said, which libpq reads itself, goes before the environment.
		values["PGSSLMODE"] = sslMode(s.config)
	}
	if values["PGSSLMODE"] == "verify-full" && values["PGSSLROOTCERT"] == "" && p.major() >= 16 {
		values["PGSSLROOTCERT"] = "system" // libpq would look for a file of the user's
	}
	for name, value := range map[string]string{
		"PGGSSENCMODE":      "disable",
		"PGREQUIREAUTH":     "!password", // a server that asks for the password itself does not get it
		"PGCONNECT_TIMEOUT": "10",
	} {
		if values[name] == "" {
			values[name] = value
		}
	}
	values["PGUSER"], values["PGPASSWORD"], values["PGAPPNAME"] = role, password, "zave "+p.name
	var env []string
	for _, entry := range os.Environ() {
		// LC_* would change the words of errors that are looked at.
		if !strings.HasPrefix(entry, "PG") && !strings.HasPrefix(entry, "LC_") && !strings.HasPrefix(entry, "LANG") {
			env = append(env, entry)
		}
	}
	for _, name := range sortedNames(values) {
		env = append(env, name+"="+values[name])
	}
	return append(env, "LC_ALL=C"), nil
}

// sslMode is the mode that comes to what pgx made of the settings.
func sslMode(c *pgx.ConnConfig) string {
	switch {
	case c.TLSConfig == nil:
		return "disable"
	case c.TLSConfig.InsecureSkipVerify:
		return "require"
	}
	return "verify-full"
}

func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// libpqVariables are the environment variables of the connection's keywords (PostgreSQL manual, 34.15, "Environment
// Variables"), less those of who connects.
func libpqVariables() map[string]string {
	return map[string]string{
		"hostaddr": "PGHOSTADDR", "service": "PGSERVICE", "servicefile": "PGSERVICEFILE", "options": "PGOPTIONS",
		"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
		"sslcrl":    "PGSSLCRL",
		"sslcrldir": "PGSSLCRLDIR", "sslsni": "PGSSLSNI", "sslnegotiation": "PGSSLNEGOTIATION",
		"sslcertmode":              "PGSSLCERTMODE",
		"ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION", "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
		"channel_binding": "PGCHANNELBINDING", "require_auth": "PGREQUIREAUTH", "gssencmode": "PGGSSENCMODE",
		"krbsrvname": "PGKRBSRVNAME", "connect_timeout": "PGCONNECT_TIMEOUT", "target_session_attrs": "PGTARGETSESSIONATTRS",
	}
}

// hostsOf lists the hosts in the order in which they are tried, each with its port.
func hostsOf(c *pgx.ConnConfig) (hosts, ports []string) {
	seen := map[string]bool{}
	add := func(host string, port uint16) {
		if p := fmt.Sprint(port); !seen[host+" "+p] {
			seen[host+" "+p] = true
			hosts, ports = append(hosts, host), append(ports, p)
		}
	}
	add(c.Host, c.Port)
	for _, f := range c.Fallbacks {
		add(f.Host, f.Port)
	}
	return hosts, ports
}

// connectionSettings reads a connection string's keywords (PostgreSQL manual, 34.1.1, "Connection Strings"). It has
// been parsed before; an error quotes nothing of it.
func connectionSettings(dsn string) (map[string]string, error) {
	bad := func(why string) error {
		return &Problem{Text: "the connection settings cannot be read: " + why, Input: true}
	}
	out := map[string]string{}
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		u, err := url.Parse(dsn)
		if err != nil {
			return nil, bad("they are no URL")
		}
		for name, values := range u.Query() {
			out[name] = values[len(values)-1]
		}
		return out, nil
	}
	for rest := strings.TrimSpace(dsn); rest != ""; rest = strings.TrimSpace(rest) {
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, bad("a keyword has no value")
		}
		value = strings.TrimLeft(value, " \t\n\r")
		var b strings.Builder
		quoted, end := strings.HasPrefix(value, "'"), false
		i := 0
		if quoted {
			i = 1
		}
		for ; i < len(value) && !end; i++ {
			switch c := value[i]; {
			case c == '\\' && i+1 < len(value):
				i++
				b.WriteByte(value[i])
			case quoted && c == '\'', !quoted && strings.IndexByte(" \t\n\r", c) >= 0:
				end = true
			default:
				b.WriteByte(c)
			}
		}
		if quoted && !end {
			return nil, bad("a quotation has no end")
		}
		out[strings.TrimSpace(name)], rest = b.String(), value[i:]
	}
	return out, nil
}

// conninfo names a database and a role for an argument, so that neither can be read as anything else, and a service
// file does not go before.
func conninfo(database, role string) string {
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	return "dbname=" + quote(database) + " user=" + quote(role)
}

// running is a program under way.
type running struct {
	cmd  *exec.Cmd
	said tailBuffer
}

// command makes a child that is asked to end when the context does, so that it can tell the server, and killed if it
// does not.
func (p *program) command(ctx context.Context, env []string, args ...string) *running {
	c := &running{cmd: exec.CommandContext(ctx, p.path, args...)}
	c.cmd.Env = env
	c.cmd.Stderr = &c.said
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = 5 * time.Second
	return c
}

// failed says why a child ended with an error.
func (c *running) failed(name string, err error) error {
	// "pg_dump: error: query failed: ERROR:  …" and then "pg_dump: detail: …" and the like.
	var first string
	lines := strings.Split(c.said.String(), "\n")
	for i, line := range lines {
		if _, text, ok := strings.Cut(line, "error: "); ok && (i+1 == len(lines) || lines[i+1] != ignoredCommand) {
			first = strings.TrimSpace(text)
			break
		}
	}
	p := &Problem{Text: fmt.Sprintf("%s ended: %v", name, err), Err: err}
	if first != "" {
		p.Text = fmt.Sprintf("%s failed: %s", name, first)
	}
	return p
}

// tailBuffer keeps the beginning and the end of what is written to it.
type tailBuffer struct {
	head, tail []byte
	cut        bool
}

const tailHalf = 32 << 10

func (t *tailBuffer) Write(p []byte) (int, error) {
	n := len(p)
	if room := tailHalf - len(t.head); room > 0 {
		take := min(room, len(p))
		t.head, p = append(t.head, p[:take]...), p[take:]
	}
	t.tail = append(t.tail, p...)
	if over := len(t.tail) - tailHalf; over > 0 {
		t.tail, t.cut = append(t.tail[:0], t.tail[over:]...), true
	}
	return n, nil
}

func (t *tailBuffer) String() string {
	if t.cut {
		return string(t.head) + "\n…\n" + string(t.tail)
	}
	return string(t.head) + string(t.tail)
}

// warnings lists what a program said that is not why it failed.
func (t *tailBuffer) warnings() []string {
	var out []string
	scan := bufio.NewScanner(bytes.NewReader([]byte(t.String())))
	for scan.Scan() {
		if _, text, ok := strings.Cut(scan.Text(), "warning: "); ok {
			out = append(out, text)
		}
	}
	return out
}

// isBrokenPipe tells whether writing failed because the reader had enough.
func isBrokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}
