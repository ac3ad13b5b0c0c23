package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/postgres"
)

func (a *app) dbRotateCommand() *cobra.Command {
	var o dbOptions
	r := postgres.RotateOptions{Valid: postgres.DefaultValid, Grace: postgres.DefaultGrace}
	var newPassword string
	cmd := &cobra.Command{
		Use:   "rotate TENANT [flags]",
		Short: "Give a tenant's application a new password, without downtime",
		Long: "Two logins take turns. The idle one gets a new password, which is proven by logging in with it and written to " +
			"--out; only then does the one in use get an end, after a grace in which clients read the new one. What was " +
			"written, app-username and app, goes into the secret store.\n\n" +
			"Which login is in use is read from the server, and all times are the server's. A rotation that was stopped is " +
			"brought to its end by the next one; asked for with a shorter grace, the next one also cuts short a grace that is " +
			"not over, and gives no new password but with --force. Sessions that are open go on: a password is asked for at " +
			"log-in alone. No password is printed.",
		Example: "  zave db rotate shop --out credentials\n" +
			"  zave db rotate shop --out credentials --grace 1h --end-sessions\n" +
			"  zave db rotate shop --new-password app        one that the store has made",
		Args:                  oneTenant,
		ValidArgsFunction:     a.completeTenant,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.tenants = args
			return guarded(cmd.Context(), func() error { return a.dbRotate(cmd.Context(), &o, r, newPassword) })
		},
	}
	o.wantFlags(a, cmd, false)
	o.serverFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&r.Out, "out", "", "write the new name and password to `DIR`/TENANT/{app-username,app}")
	f.StringVar(&newPassword, "new-password", "", "take the new password from `FILE`, not from chance")
	f.Var(&period{&r.Valid}, "valid", "how long the new password lets somebody log in")
	f.Var(&period{&r.Grace}, "grace", "how long the previous one still does")
	f.BoolVar(&r.Force, "force", false, "give a login another password although clients may still use it")
	f.BoolVar(&r.Lost, "lost", false, "what the last rotation wrote was lost: give that login another password")
	f.BoolVar(&r.EndSessions, "end-sessions", false, "end the sessions of the previous login")
	o.formatsFlag(cmd, "text", "json")
	completeDir(cmd, "out")
	return cmd
}

func (a *app) dbRotate(ctx context.Context, o *dbOptions, r postgres.RotateOptions, newPassword string) error {
	if r.Out != "" {
		var err error
		if r.Out, err = filepath.Abs(r.Out); err != nil {
			return err
		}
	}
	if newPassword != "" {
		var err error
		if r.Password, err = passwordFrom("--new-password", newPassword); err != nil {
			return err
		}
	}
	if r.Out == "" && newPassword == "" {
		return &problem{
			exit: exitUnknown,
			text: "the new password has nowhere to go, and none is printed",
			hint: "name a directory for it with --out, or bring one with --new-password FILE",
		}
	}
	tenant := o.tenants[0]
	run, err := a.connectTo(ctx, o)
	if err != nil {
		return err
	}
	a.stages.begin("rotate")
	r.Progress = a.stages.at
	done, err := run.server.Rotate(ctx, run.want, tenant, r)
	a.stages.end()
	if err != nil {
		return err
	}
	if o.format == "json" {
		return writeJSON(a.stdout, rotatedOf(done))
	}
	a.sayRotated(done, r)
	return nil
}

// rotatedDocument is a rotation in JSON.
type rotatedDocument struct {
	Tenant        string     `json:"tenant"`
	Login         string     `json:"login"`
	ValidUntil    time.Time  `json:"validUntil"`
	Previous      []string   `json:"previous"`
	PreviousUntil *time.Time `json:"previousUntil,omitempty"`
	Files         []string   `json:"files"`
	Resumed       bool       `json:"resumed"`
	Found         string     `json:"found,omitempty"`
	Sessions      int        `json:"sessions"`
	Ended         int        `json:"ended"`
}

func rotatedOf(r *postgres.Rotated) rotatedDocument {
	doc := rotatedDocument{
		Tenant: r.Tenant, Login: r.Login, ValidUntil: r.ValidUntil, Previous: append([]string{}, r.Previous...),
		Files: append([]string{}, r.Files...), Resumed: r.Resumed, Found: r.Found, Sessions: r.Sessions,
		Ended: r.Ended,
	}
	if !r.PreviousUntil.IsZero() {
		doc.PreviousUntil = &r.PreviousUntil
	}
	return doc
}

func (a *app) sayRotated(r *postgres.Rotated, o postgres.RotateOptions) {
	if r.Found != "" {
		a.say("%s", r.Found)
	}
	a.say("%s logs in as %s, until %s", r.Tenant, r.Login, moment(r.ValidUntil))
	if len(r.Previous) > 0 {
		if o.Grace == 0 {
			a.say("%s can log in no longer", list(r.Previous))
		} else {
			a.say("%s can log in until %s", list(r.Previous), moment(r.PreviousUntil))
		}
	}
	for _, name := range r.Files {
		a.say("wrote %s", a.near(name))
	}
	if r.Ended > 0 {
		a.say("ended %s of the previous login", count(r.Ended, "session"))
	}
	if r.Sessions > 0 {
		a.say("%s of the previous login until their clients end them: --end-sessions ends them at once",
			counted(r.Sessions, "session goes on", "sessions go on"))
	}
}

// near gives a path relative to where the user is, if it lies below.
func (a *app) near(name string) string {
	if rel, err := filepath.Rel(a.from, name); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return name
}

// moment gives a time of a server.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// period is a flag that takes a length of time, in days too.
type period struct{ value *time.Duration }

const day = 24 * time.Hour

func (p *period) Type() string { return "TIME" }

// String gives "60d" or "24h", and "0s" for nothing.
func (p *period) String() string {
	d := *p.value
	if d >= 2*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	if d >= time.Hour && d%time.Hour == 0 {
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	}
	return d.String()
}

func (p *period) Set(s string) error {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * day
		if n > 36500 {
			err = errors.New("too long")
		}
	}
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a length of time: write 60d, 24h or 30m", s)
	}
	*p.value = d
	return nil
}
