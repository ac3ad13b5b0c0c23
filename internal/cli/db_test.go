package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zavestudios/zave/internal/postgres"
	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/state"
)

func TestHoldsPassword(t *testing.T) {
	for dsn, want := range map[string]bool{
		"":                                        false,
		"postgres://db.example.com/":              false,
		"postgres://me@db.example.com/":           false,
		"postgres://me:@db.example.com/":          true,
		"postgres://me:secret@db.example.com/":    true,
		"postgresql:///?host=/run&password=x":     true,
		"postgres://me@a,b:5433/?passfile=x":      false,
		"postgres://me:p%zz@db.example.com/":      true, // net/url reads no such thing, nor the next one
		"postgres://me:p/w@db.example.com/":       true,
		"host=db user=me":                         false,
		"host=db password=secret":                 true,
		"password = 'sec ret' host=db":            true,
		"host=db\tpassword\t=x":                   true,
		"host=db passfile=/run/secrets/password":  false,
		"host=password user=password dbname=x":    false,
		"host=db PASSWORD=secret":                 true, // refused by libpq, but in the list of processes all the same
		"host=db user=me sslpassword=secret":      true, // of the client's key
		"postgres://db.example.com/?sslpassword=": true,
	} {
		if got := holdsPassword(dsn); got != want {
			t.Errorf("%q: %v", dsn, got)
		}
	}
}

func TestPeriod(t *testing.T) {
	for _, tt := range []struct {
		text string
		want time.Duration // -1: refused
		back string
	}{
		{"60d", 60 * day, "60d"},
		{"1d", day, "24h"},
		{"24h", day, "24h"},
		{"48h", 2 * day, "2d"},
		{"90m", 90 * time.Minute, "1h30m0s"},
		{"0s", 0, "0s"},
		{"0d", 0, "0s"},
		{"-1d", -1, ""},
		{"-1h", -1, ""},
		{"5y", -1, ""},
		{"d", -1, ""},
		{"", -1, ""},
		{"999999999999d", -1, ""},
		{"106752d", -1, ""}, // more nanoseconds than there are
	} {
		var d time.Duration
		p := &period{&d}
		err := p.Set(tt.text)
		if (err != nil) != (tt.want < 0) || err == nil && (d != tt.want || p.String() != tt.back) {
			t.Errorf("%q: %v (%s), %v", tt.text, d, p, err)
		}
	}
}

// TestGuarded gives each kind of error to guarded.
func TestGuarded(t *testing.T) {
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		exit int
		want string
	}{
		{"none", t.Context(), nil, 0, ""},
		{"ours", t.Context(), &problem{exit: 1, text: "no"}, 1, "no"},
		{"input", t.Context(), fmt.Errorf("x: %w", &postgres.Problem{Text: "no", Input: true}), 1, "no"},
		{"world", t.Context(), &postgres.Problem{Text: "no"}, 2, "no"},
		{"refused", t.Context(), &archive.Problem{Kind: archive.Refused, Text: "no"}, 1, "no"},
		{"store", t.Context(), &archive.Problem{Kind: archive.Unusable, Text: "no"}, 2, "no"},
		{"steers the terminal", t.Context(), &postgres.Problem{Text: "a\x1b[31m\nb"}, 2, `a\x1b[31m` + "\nb"},
		{"interrupted", stopped, &postgres.Problem{Text: "two tenants", Err: context.Canceled}, 2, context.Canceled.Error()},
		{"interrupted, and more", stopped, &postgres.Problem{Text: "disk full", Err: errors.New("x")}, 2, "disk full"},
	} {
		err := guarded(tt.ctx, func() error { return tt.err })
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
		a := newApp(nil, &strings.Builder{}, &strings.Builder{})
		if code := a.exit(err); code != tt.exit {
			t.Errorf("%s: exit code %d", tt.name, code)
		}
	}
}

// TestAccept: what the audit found is accepted by its ID or the beginning of one, and nothing else is.
func TestAccept(t *testing.T) {
	report := func() *postgres.Report {
		return &postgres.Report{Results: []postgres.Result{
			{ID: "audit/server-minor/server 15.18", Kind: "audit", Outcome: postgres.Failed},
			{ID: "audit/server-minor-too", Kind: "audit", Outcome: postgres.Failed},
			{ID: "audit/tenant", Kind: "audit", Outcome: postgres.Passed},
			{ID: "connection/neighbour", Kind: "attack", Outcome: postgres.Failed},
		}}
	}
	for id, want := range map[string]int{
		"audit/server-minor": 1, "audit/server-minor/server 15.18": 1, "server-minor": 1, "audit/server": 0, "audit": 0, "audit/tenant": 0,
		"connection/neighbour": 0, "connection": 0,
	} {
		r := report()
		if got := accept(r, id); got != want {
			t.Errorf("%s: %d", id, got)
		}
		if r.Results[3].Outcome != postgres.Failed || r.Results[2].Outcome != postgres.Passed {
			t.Errorf("%s changed more than findings: %+v", id, r.Results)
		}
	}
}

// TestListing: lines are broken under their beginning, statements are not, and nothing steers the terminal.
func TestListing(t *testing.T) {
	l := &listing{columns: 24, accepted: func(f state.Finding) bool { return f.ID == "known" }}
	l.plan(&state.Plan{
		Steps: []state.Step{
			{Tenant: "a", Why: "one two three four five six", SQL: "REVOKE x FROM y WHICH IS LONG\n\tAND y", Destructive: true},
			{Tenant: "a", Why: "new", SQL: "GRANT"},
			{Tenant: "b", Why: "made", SQL: "CREATE"},
			{Why: "set", SQL: "ALTER"},
		},
		Refusals: []state.Refusal{{Tenant: "b", Message: "\x1b[31mred", Hint: "look"}},
		Findings: []state.Finding{
			{ID: "known", Severity: state.High}, {ID: "less", Severity: state.Low},
			{ID: "meanwhile", Severity: state.Medium, Message: "ajar"},
			{ID: "open", Severity: state.High, Tenant: "a", Message: "open to the world", Hint: "close it"},
		},
	}, map[string]bool{"b": true})
	want := `Refused; nothing is applied before this is settled:
  x b: \x1b[31mred
    = hint: look

Takes something away:
  ! a: one two three
    four five six
    REVOKE x FROM y WHICH IS LONG
      AND y;

a: 2 steps
  ! one two three four
    five six
  * new

b: 1 step makes it; -v lists them

instance: 1 step
  * set

Found, and not for a statement of zave's to right:
  high      a: open to the world
            [open]
            = hint: close it
  medium    ajar [meanwhile]
  1 finding is low, 1
  finding is accepted;
  -v lists them
`
	if got := l.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1000: "1.0 kB", 12_345: "12.3 kB", 1_500_000: "1.5 MB", 1e15: "1.0 PB", 5e18: "5000.0 PB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
