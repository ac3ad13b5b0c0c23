package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/source"
)

// TestExit gives each kind of end to exit.
func TestExit(t *testing.T) {
	for _, tt := range []struct {
		name    string
		f       func() error
		verbose bool
		code    int
		want    string // what stderr has; "!" in front: and must not
	}{
		{name: "fine", f: func() error { return nil }, code: 0},
		{name: "reported", f: errReported, code: 1},
		{name: "problem", f: func() error { return &problem{1, "no", "do that"} }, code: 1, want: "zave: no\ndo that\n"},
		{name: "world", f: func() error { return io.ErrUnexpectedEOF }, code: 2, want: "zave: unexpected EOF\n"},
		{name: "interrupted", f: func() error { return errors.Join(io.EOF, context.Canceled) }, code: 2, want: "zave: interrupted\n"},
		{name: "bug", f: func() error { panic("at the disco") }, code: 2, want: "zave: this is a bug in zave: at the disco\n"},
		{name: "bug has a place to go", f: func() error { panic("x") }, code: 2, want: issues + "\n"},
		{name: "bug, quietly", f: func() error { panic("x") }, code: 2, want: "!goroutine"},
		{name: "bug, verbosely", f: func() error { panic("x") }, verbose: true, code: 2, want: "TestExit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			a := newApp(nil, &stdout, &stderr)
			a.verbose = tt.verbose
			if code := a.exit(a.guard(tt.f)); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if stdout.Len() > 0 {
				t.Errorf("stdout has %q", &stdout)
			}
			want, absent := strings.CutPrefix(tt.want, "!")
			if strings.Contains(stderr.String(), want) == absent {
				t.Errorf("stderr has %q, and tt.want is %q", &stderr, tt.want)
			}
		})
	}
}

func TestAbandonable(t *testing.T) {
	a := newApp(nil, io.Discard, io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	if err := a.abandonable(ctx, func() error { return io.EOF }); err != io.EOF {
		t.Errorf("got %v", err)
	}
	var b *bug
	if err := a.abandonable(ctx, func() error { panic("x") }); !errors.As(err, &b) {
		t.Errorf("got %v", err)
	}
	forever := make(chan error)
	cancel()
	if err := a.abandonable(ctx, func() error { return <-forever }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestColored(t *testing.T) {
	for _, tt := range []struct {
		flag, noColor, term string
		terminal, want      bool
	}{
		{"auto", "", "xterm", true, true},
		{"auto", "", "xterm", false, false},
		{"auto", "1", "xterm", true, false},
		{"auto", "", "dumb", true, false},
		{"always", "1", "dumb", false, true},
		{"never", "", "xterm", true, false},
	} {
		t.Setenv("NO_COLOR", tt.noColor)
		t.Setenv("TERM", tt.term)
		if got := (&app{color: tt.flag}).colored(terminal{is: tt.terminal}); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// TestHelp looks at the help of every command: no line is wider than the terminal, none ends in a space, and whoever
// reads it learns how to call the command.
func TestHelp(t *testing.T) {
	a := newApp(nil, io.Discard, io.Discard)
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, columns := range []int{80, maxColumns} {
			var b bytes.Buffer
			if err := a.writeHelp(&b, cmd, columns); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				line = strings.TrimSuffix(line, "\n")
				if n := len([]rune(line)); n > columns {
					t.Errorf("%s: %d columns in a line of %d: %s", cmd.CommandPath(), columns, n, line)
				}
				if strings.TrimRight(line, " ") != line {
					t.Errorf("%s: a space at the end of %q", cmd.CommandPath(), line)
				}
			}
			if !strings.Contains(b.String(), "Usage:\n  "+cmd.CommandPath()) {
				t.Errorf("%s: no usage in %s", cmd.CommandPath(), &b)
			}
		}
		if strings.HasSuffix(cmd.Short, ".") || cmd.Short == "" {
			t.Errorf("%s: short help is %q", cmd.CommandPath(), cmd.Short)
		}
		for _, c := range cmd.Commands() {
			visit(c)
		}
	}
	visit(a.command())
}

// TestExplainWidth: every page fits a terminal of 80 columns.
func TestExplainWidth(t *testing.T) {
	for _, e := range diag.Catalogue() {
		var b bytes.Buffer
		a := newApp(nil, &b, io.Discard)
		if err := a.explain(string(e.Code)); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%s: a line of %d columns: %s", e.Code, n, line)
			}
		}
	}
}

func TestShown(t *testing.T) {
	for _, tt := range []struct{ from, file, want string }{
		{"/repo", "tenants/a/tenant.cue", "tenants/a/tenant.cue"},
		{"/repo/tenants/a", "tenants/a/tenant.cue", "tenant.cue"},
		{"/repo/tenants/a", "platform/platform.cue", "../../platform/platform.cue"},
		{"/repo/tenants", "/elsewhere/x.yaml", "/elsewhere/x.yaml"},
		{"/repository", "tenants/a/tenant.cue", "tenants/a/tenant.cue"},
		{"/", "tenants/a/tenant.cue", "tenants/a/tenant.cue"},
		{"", "tenants/a/tenant.cue", "tenants/a/tenant.cue"},
	} {
		a := &app{root: filepath.FromSlash("/repo"), from: filepath.FromSlash(tt.from)}
		if got := a.shown(tt.file); got != tt.want {
			t.Errorf("from %s: %s, want %s", tt.from, got, tt.want)
		}
	}
}

// spans is a spec's positions, all in one place.
type spans struct{}

func (spans) At(...string) source.Span  { return source.Span{File: "platform/platform.cue", Line: 7} }
func (spans) Key(...string) source.Span { return source.Span{} }

func TestOutput(t *testing.T) {
	base := t.TempDir()
	root := filepath.Join(base, "repo")
	for _, dir := range []string{"repo/tenants/shop", "repo/platform", "away"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"inside": "tenants", "outside": "../away", "self": ".", "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(root)
	in := &input{Loaded: &load.Loaded{Set: &spec.Set{Platform: &spec.Platform{Positions: spans{}}}}}
	const fine, fails = "fine", "fails"
	for _, tt := range []struct{ dir, specs, flag string }{ // what becomes of it in the specs, and on the command line
		{"out", fine, fine},
		{"out/tenants", fine, fine},
		{"tenants2", fine, fine},
		{"...", fine, fine},
		{".", "is the repository itself", "is the repository itself"},
		{"self", "is the repository itself", "is the repository itself"},
		{base, "holds the repository", "holds the repository"},
		{"/", "holds the repository", "holds the repository"},
		{"tenants", "lies within tenants/", "lies within tenants/"},
		{"tenants/shop/new/er", "lies within tenants/", "lies within tenants/"},
		{"inside/shop", "lies within tenants/", "lies within tenants/"},
		{".git/x", "lies within .git/", "lies within .git/"},
		{"outside", "leads out of the repository", fine},
		{"outside/new", "leads out of the repository", fine},
		{filepath.Join(base, "away"), "leads out of the repository", fine},
		{"loop", fails, fails},
	} {
		for given, want := range map[bool]string{false: tt.specs, true: tt.flag} {
			d, refused, err := output{root: root, dir: tt.dir, given: given}.refuse(in)
			got := fine
			if err != nil {
				got = fails
			} else if refused {
				got = d.Summary
			}
			if !strings.Contains(got, want) {
				t.Errorf("output %s, given %v: %s, want %s", tt.dir, given, got, want)
			}
			if refused && (d.Code != diag.OutputPath || d.Span.IsZero() != given) {
				t.Errorf("output %s, given %v: %+v", tt.dir, given, d)
			}
		}
	}
}

// TestProgress: the line appears after a while on a terminal, and goes away before anything else is written.
func TestProgress(t *testing.T) {
	var b bytes.Buffer
	s := newStages(&b, true)
	s.begin("load")
	s.show()
	if b.Len() > 0 {
		t.Fatalf("too early: %q", &b)
	}
	s.began = time.Now().Add(-patience)
	s.show()
	if _, err := s.Write([]byte("text\n")); err != nil {
		t.Fatal(err)
	}
	s.end()
	s.show()
	if got, want := b.String(), "zave: load …\r\x1b[Ktext\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	// How far it is, cut to the width, and what others named does not steer the terminal.
	b.Reset()
	s.columns, s.name, s.drawn = 20, "apply", time.Time{}
	s.at("2 of 3: \x1b[31mred")
	if got, want := b.String(), "zave: apply 2 of  …"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s.at("3 of 3") // too soon to be read
	s.columns, s.drawn = 0, time.Time{}
	s.at("3 of 3: \x1b[31mred")
	s.end()
	if got, want := b.String(), "zave: apply 2 of  …\r\x1b[Kzave: apply 3 of 3: \\x1b[31mred …\r\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	b.Reset()
	quiet := newStages(&b, false)
	quiet.began = time.Now().Add(-patience)
	quiet.begin("load")
	quiet.show()
	quiet.end()
	if b.Len() > 0 {
		t.Errorf("on a pipe: %q", &b)
	}
}

func FuzzUsage(f *testing.F) {
	for _, s := range []string{"biuld", "build --chek", "explain 108", "help help", "-C x vet", "version --format=", "--", "build -o", "docs man", "-vvq", "--=", "completion bash", "db", "db sql --server-version 14", "db plan --dsn x --tenant a,b", "db rotate x", "db verifier a b"} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		for _, a := range args {
			if a == "man" || strings.HasPrefix(a, "-") && strings.ContainsAny(a, "Co") {
				return // it would write, or go somewhere else
			}
		}
		t.Chdir(dir)
		var stdout, stderr bytes.Buffer
		code := Main(args, nil, &stdout, &stderr)
		if code != 0 && stderr.Len() == 0 || strings.Contains(stderr.String(), "bug in zave") {
			t.Errorf("%q: exit code %d and %q", args, code, &stderr)
		}
		if code == 2 && stdout.Len() > 0 {
			t.Errorf("%q: exit code 2, and stdout has %q", args, &stdout)
		}
	})
}
