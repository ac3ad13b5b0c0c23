package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// contents is an archive's table of contents, as pg_restore lists it, with what is not to be loaded commented out.
type contents struct {
	list    []byte
	entries int      // that are loaded
	left    []string // what is left out although the tenant made it: it takes rights that a tenant has not
	outside []string // what lies in schemas that are not the tenant's
}

// chooser says which entries are loaded.
type chooser struct {
	schema     string          // the tenant's
	extensions string          // the platform's schema
	policies   bool            // load policies as they stand
	large      map[uint32]bool // large objects that are the owner's
}

// kinds are the kinds of entries whose name has more than one word (pg_dump.c, pg_backup_archiver.c), so that they can
// be told from what follows.
func kinds() []string {
	return []string{
		"ACCESS METHOD", "ACL LANGUAGE", "BLOB METADATA", "CHECK CONSTRAINT", "DATABASE PROPERTIES", "DEFAULT ACL",
		"EVENT TRIGGER",
		"FK CONSTRAINT", "FOREIGN DATA WRAPPER", "FOREIGN TABLE", "INDEX ATTACH", "MATERIALIZED VIEW DATA",
		"MATERIALIZED VIEW",
		"OPERATOR CLASS", "OPERATOR FAMILY", "PROCEDURAL LANGUAGE", "PUBLICATION TABLES IN SCHEMA", "PUBLICATION TABLE",
		"ROW SECURITY", "SECURITY LABEL", "SEQUENCE OWNED BY", "SEQUENCE SET", "SHELL TYPE", "STATISTICS DATA",
		"SUBSCRIPTION TABLE",
		"TABLE ATTACH", "TABLE DATA", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "TEXT SEARCH PARSER",
		"TEXT SEARCH TEMPLATE",
		"USER MAPPING",
	}
}

// choose comments out entries of a list. An entry is `215; 1259 16397 TABLE app orders panchito_owner`: a number, two
// OIDs, the kind, the schema or "-", the name and the owner. A name that is made to look like something else can have
// an entry left out or kept, which a comparison with the evidence finds; either way it runs as the tenant alone.
func (c chooser) choose(list string) (*contents, error) {
	out := &contents{}
	var b bytes.Buffer
	for _, line := range strings.Split(list, "\n") {
		number, rest, ok := strings.Cut(line, "; ")
		if _, err := strconv.ParseUint(number, 10, 31); !ok || err != nil {
			continue // a comment
		}
		fields := strings.SplitN(rest, " ", 3)
		if len(fields) < 3 {
			return nil, fmt.Errorf("an entry of the archive cannot be read: %q", line)
		}
		kind, name, _ := strings.Cut(fields[2], " ")
		for _, k := range kinds() {
			if after, ok := strings.CutPrefix(fields[2], k+" "); ok {
				kind, name = k, after
				break
			}
		}
		switch c.judge(kind, name) {
		case load:
			out.entries++
			b.WriteString(line + "\n")
			continue
		case leave:
			out.left = append(out.left, strings.ToLower(kind)+" "+strings.TrimPrefix(name, "- "))
		case refuse:
			out.outside = append(out.outside, strings.ToLower(kind)+" "+strings.TrimPrefix(name, "- "))
		}
		b.WriteString(";" + line + "\n")
	}
	out.list = b.Bytes()
	return out, nil
}

type verdict int

const (
	load   verdict = iota
	skip           // the platform has made it already
	leave          // nobody makes it, and it is said
	refuse         // it cannot be made, and holds data
)

// judge decides on one entry. rest begins with its schema.
func (c chooser) judge(kind, rest string) verdict {
	within := func(schema string) bool { return strings.HasPrefix(rest, schema+" ") }
	switch kind {
	case "ACL", "ACL LANGUAGE", "DEFAULT ACL", "EXTENSION", "DATABASE", "DATABASE PROPERTIES", "BLOB", "BLOB METADATA",
		"STATISTICS DATA":
		return skip // privileges and large objects are made from the manifest, the others by the bootstrap
	case "EVENT TRIGGER", "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "SUBSCRIPTION",
		"SUBSCRIPTION TABLE",
		"SECURITY LABEL", "SERVER", "FOREIGN DATA WRAPPER", "USER MAPPING", "PROCEDURAL LANGUAGE", "ACCESS METHOD":
		return leave
	case "SCHEMA":
		for _, s := range []string{c.schema, c.extensions, "public"} {
			if strings.HasPrefix(rest, "- "+s+" ") || rest == "- "+s {
				return skip
			}
		}
		return refuse
	case "COMMENT":
		for _, of := range []string{"SCHEMA", "EXTENSION", "DATABASE", "EVENT TRIGGER", "PUBLICATION", "SUBSCRIPTION",
			"SERVER",
			"FOREIGN DATA WRAPPER", "LANGUAGE", "ACCESS METHOD"} {
			if strings.HasPrefix(rest, "- "+of+" ") {
				return skip
			}
		}
		if number, ok := strings.CutPrefix(rest, "- LARGE OBJECT "); ok {
			number, _, _ = strings.Cut(number, " ")
			if oid, err := strconv.ParseUint(number, 10, 32); err != nil || !c.large[uint32(oid)] {
				return leave // only its owner may
			}
			return load
		}
	case "POLICY":
		if !c.policies {
			return skip // made from the manifest, for other roles
		}
	}
	switch {
	case within(c.schema), within("-"):
		return load
	case within(c.extensions):
		return skip
	}
	return refuse
}

// contents reads an archive to its end, so that all of it is known to be whole, and has pg_restore read its table of
// contents.
func (p *program) contents(ctx context.Context, spool *archive.Spool, ids *archive.Identities, c chooser) (*contents,
	error) {
	var list bytes.Buffer
	child := p.command(ctx, append(os.Environ(), "LC_ALL=C"), "--list")
	child.cmd.Stdout = &list
	in, err := child.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := child.cmd.Start(); err != nil {
		return nil, fmt.Errorf("run pg_restore: %w", err)
	}
	// It ends when it has seen the table of contents; what comes after is read all the same.
	checked := spool.Check(ctx, ids, &untilFull{w: in})
	closed := in.Close()
	ended := child.cmd.Wait()
	switch {
	case checked != nil:
		return nil, checked
	case ended != nil:
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		err := &Problem{
			Text:  fmt.Sprintf("the backup %s is refused: it is no archive that %s reads", spool.Manifest.ID, p.name),
			Hint:  fmt.Sprintf("it was made by pg_dump %s, and this is pg_restore %s", spool.Manifest.Client, p.text),
			Input: true, Err: ended,
		}
		var said *Problem
		if errors.As(child.failed(p.name, ended), &said) {
			err.Text += ": " + said.Text
		}
		return nil, err
	case closed != nil && !errors.Is(closed, os.ErrClosed) && !isBrokenPipe(closed):
		return nil, closed
	}
	return c.choose(list.String())
}

// untilFull passes on what is written to it until its reader has enough.
type untilFull struct {
	w    io.Writer
	full bool
}

func (u *untilFull) Write(p []byte) (int, error) {
	if !u.full {
		if _, err := u.w.Write(p); err != nil {
			if !isBrokenPipe(err) && !errors.Is(err, os.ErrClosed) {
				return 0, err
			}
			u.full = true
		}
	}
	return len(p), nil
}

// loadInto loads an archive into a database, logged in as the tenant's migrator and acting as its owner, so that what
// the archive says is run with no other rights than the tenant's.
func (s *Server) loadInto(
	ctx context.Context, p *program, spool *archive.Spool, ids *archive.Identities, toc *contents, t state.Tenant,
	database, password string, version int,
) ([]string, error) {
	env, err := s.environment(p, t.Roles.Migrator, password)
	if err != nil {
		return nil, err
	}
	// pg_restore 17 and later turn off transaction_timeout, which servers before 17 do not know. With --exit-on-error,
	// that would be the end; without, errors are counted, and every other one ends it here.
	lenient := p.major() >= 17 && version < 170000
	args := []string{
		"--format=custom", "--no-password", "--role=" + t.Roles.Owner, "--no-owner", "--no-privileges", "--no-publications",
		"--no-subscriptions", "--no-security-labels", "--no-tablespaces", "--use-list=/dev/fd/3", "--dbname=" +
			conninfo(database, t.Roles.Migrator),
	}
	if !lenient {
		args = append(args, "--exit-on-error")
	}
	if spool.Manifest.Evidence.RowSecurity() {
		// Tables are filled before their row-level security is enabled. What is filled after that are materialized views,
		// with what the owner sees.
		args = append(args, "--enable-row-security")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	child := p.command(ctx, env, args...)
	watch := &watcher{tailBuffer: &child.said, lenient: lenient, fatal: cancel}
	child.cmd.Stderr = watch
	plain, err := spool.Open(ids)
	if err != nil {
		return nil, err
	}
	child.cmd.Stdin = plain
	// The list holds the names of what the tenant has, and passes through no file either.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	child.cmd.ExtraFiles = []*os.File{r}
	if err := child.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("run pg_restore: %w", err), r.Close(), w.Close())
	}
	_ = r.Close() // the child has its own
	go func() {
		_, _ = w.Write(toc.list) // a child that ended says why itself
		_ = w.Close()
	}()
	err = child.cmd.Wait()
	if err == nil || lenient && !watch.failed && watch.ignored > 0 && child.cmd.ProcessState.ExitCode() == 1 {
		var warnings []string
		for _, text := range child.said.warnings() {
			if !strings.HasPrefix(text, "errors ignored on restore") {
				warnings = append(warnings, text)
			}
		}
		return warnings, nil
	}
	if !watch.failed && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, loadFailed(child.failed(p.name, err), t)
}

// loadFailed gives a hint where the archive can be right and yet not be loaded.
func loadFailed(err error, t state.Tenant) error {
	var p *Problem
	if !errors.As(err, &p) {
		return err
	}
	switch {
	case strings.Contains(p.Text, "does not exist"):
		p.Hint = "a dump is loaded with an empty search_path: functions that checks, defaults, indexes, generated columns " +
			"or materialized views call have to name their schemas, or to have a search_path of their own (ALTER FUNCTION … " +
			"SET search_path)"
	case strings.Contains(p.Text, "permission denied"):
		p.Hint = fmt.Sprintf("it is loaded with the rights of %s alone: what takes more does not belong in a tenant's schema",
			t.Roles.Owner)
	case strings.Contains(p.Text, "too many connections for role"):
		p.Hint = fmt.Sprintf("end the sessions of %s, such as a migration's, and run the same again", t.Roles.Migrator)
	case strings.Contains(p.Text, "No space left"), strings.Contains(p.Text, "could not extend file"):
		p.Hint = "make room on the server's disk, and run the same again"
	}
	p.Input = true
	return p
}

// watcher reads what pg_restore says, line by line, and ends it at the first error that matters.
type watcher struct {
	*tailBuffer
	lenient bool
	fatal   func()

	partial string
	pending bool // the last line was an error that may be the one that is ignored
	ignored int
	failed  bool
}

const ignoredCommand = "Command was: SET transaction_timeout = 0;"

func (w *watcher) Write(p []byte) (int, error) {
	n, err := w.tailBuffer.Write(p)
	if !w.lenient {
		return n, err
	}
	w.partial += string(p)
	for {
		line, rest, ok := strings.Cut(w.partial, "\n")
		if !ok {
			return n, err
		}
		w.partial = rest
		switch {
		case w.pending:
			w.pending = false
			if line == ignoredCommand {
				w.ignored++
				continue
			}
			w.fail()
		case strings.HasPrefix(line, "pg_restore: error: could not execute query: ") &&
			strings.Contains(line, "transaction_timeout"):
			w.pending = true
		case strings.HasPrefix(line, "pg_restore: error: "), strings.HasPrefix(line, "pg_restore: fatal: "):
			w.fail()
		}
	}
}

func (w *watcher) fail() {
	if !w.failed {
		w.failed = true
		w.fatal()
	}
}
