package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// DrillOptions say how a whole estate is restored to a blank server.
type DrillOptions struct {
	// RestoreOptions hold for each tenant. Credentials hold all tenants' and, where the platform's role is to log in, its
	// password. Verify is done once, when all tenants are there. At, From.Tenant, From.Database, Replace, AllowDrop and
	// Keep do not count.
	RestoreOptions
	Tenants  []string                         // restore these alone; none: all
	Parallel int                              // how many at once; 0: 1
	Now      func() time.Time                 // the clock that times are measured with; nil: the machine's
	Restored func(done, total int, t Drilled) // called when a tenant is done, one call at a time
}

// Drilled is what became of one tenant.
type Drilled struct {
	Tenant  string    `json:"tenant"`
	Archive string    `json:"archive,omitempty"` // its ID
	Taken   time.Time `json:"taken,omitzero"`    // when the data were as they are now
	Loss    Seconds   `json:"dataLossSeconds"`   // from then to the drill's beginning
	Took    Seconds   `json:"recoverySeconds"`   // its own restore, verified
	Back    Seconds   `json:"backAfterSeconds"`  // from the drill's beginning until it was there
	Rows    int64     `json:"rows"`
	Bytes   int64     `json:"bytes"` // of the archive
	Problem string    `json:"problem,omitempty"`
	Hint    string    `json:"hint,omitempty"`

	Warnings []string `json:"warnings,omitempty"`
}

// Seconds is a duration that JSON has as a number of seconds.
type Seconds time.Duration

// MarshalJSON gives seconds with three places.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", time.Duration(s).Seconds()), nil
}

func (s Seconds) String() string {
	switch d := time.Duration(s); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	case d >= time.Minute:
		return d.Round(time.Second).String()
	default:
		return d.Round(10 * time.Millisecond).String()
	}
}

// DrillReport is what became of all.
type DrillReport struct {
	Cluster  string    `json:"cluster"`
	Server   string    `json:"server"` // "PostgreSQL 17.10"
	Began    time.Time `json:"began"`
	Prepared Seconds   `json:"preparedAfterSeconds"` // the instance and all tenants, still empty
	Took     Seconds   `json:"tookSeconds"`
	Tenants  []Drilled `json:"tenants"` // sorted by name
	Report   *Report   `json:"verification,omitempty"`
}

// OK tells whether every tenant is back, and the verification holds that was asked for.
func (r *DrillReport) OK() bool {
	if r.Report != nil && r.Report.Verdict() != Holds {
		return false
	}
	return len(r.Tenants) > 0 && !slices.ContainsFunc(r.Tenants, func(d Drilled) bool { return d.Problem != "" })
}

// Drill prepares a blank server for the estate, restores every tenant from its newest archive, each verified as by
// Restore, and reports how long it took and how old the data are. What keeps one tenant from coming back is in the
// report and does not stop the others.
//
// A server that has any of the databases is refused: a drill is never run where there is something to lose. Who
// connects is a superuser, or whoever may prepare an instance.
func (s *Server) Drill(ctx context.Context, want *state.Desired, o DrillOptions) (*DrillReport, error) {
	report, err := s.drill(ctx, want, o)
	return report, explainArchive(err)
}

func (s *Server) drill(ctx context.Context, want *state.Desired, o DrillOptions) (*DrillReport, error) {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	desired := *want
	if len(o.Tenants) > 0 {
		desired.Tenants = nil
		for _, name := range o.Tenants {
			t, err := tenantOf(want, name)
			if err != nil {
				return nil, err
			}
			desired.Tenants = append(desired.Tenants, t)
		}
	}
	if len(desired.Tenants) == 0 {
		return nil, &Problem{Text: "no tenant has a database", Input: true}
	}
	var restores []*restore
	for _, t := range desired.Tenants {
		each := o.RestoreOptions
		each.At, each.Replace, each.AllowDrop, each.Keep, each.Verify, each.Progress = "", false, nil, false, nil, nil
		each.From = Source{Cluster: o.From.Cluster}
		r, err := s.newRestore(&desired, t.Name, each)
		if err != nil {
			return nil, err
		}
		r.inPlace, r.note = true, ""
		restores = append(restores, r)
	}
	doing := o.Progress
	if doing == nil {
		doing = func(string) {}
	}
	report := &DrillReport{Cluster: want.Cluster, Began: now().UTC()}
	since := func(t time.Time) Seconds { return Seconds(now().Sub(t)) }
	doing("looking whether the server is blank")
	live, err := s.Inspect(ctx, &desired)
	if err != nil {
		return nil, err
	}
	report.Server = "PostgreSQL " + versionName(live.Version)
	for _, d := range live.Databases {
		if i := slices.IndexFunc(want.Tenants,
			func(t state.Tenant) bool { return t.Database == d.Name || t.Owns(d.Comment) }); i >= 0 {
			return nil, &Problem{
				Text: fmt.Sprintf("the server is not blank: it has the database %s of the tenant %s", d.Name,
					want.Tenants[i].Name),
				Hint:  "a drill restores everything to a server of its own; to bring back one tenant, use `zave db restore`",
				Input: true,
			}
		}
	}
	doing("preparing the instance")
	alone := desired
	alone.Tenants = nil
	if _, err := s.Apply(ctx, &alone,
		ApplyOptions{Options: state.Options{Instance: true}, Credentials: o.Credentials}); err != nil {
		return nil, err
	}
	doing("preparing the tenants")
	if _, err := s.Apply(ctx, &desired, ApplyOptions{Credentials: o.Credentials}); err != nil && ctx.Err() != nil {
		return nil, err
	}
	// What goes wrong with a tenant now goes wrong again when it is restored, and is told there.
	report.Prepared = since(report.Began)
	report.Tenants = make([]Drilled, len(restores))
	for i, r := range restores {
		report.Tenants[i] = Drilled{Tenant: r.tenant.Name, Problem: "the drill was interrupted before its turn"}
	}
	var mu sync.Mutex
	done := 0
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(1, min(o.Parallel, len(restores))) {
		workers.Go(func() {
			for i := range next {
				r := restores[i]
				d := &report.Tenants[i]
				r.doing = func(what string) { mu.Lock(); defer mu.Unlock(); doing(r.tenant.Name + ": " + what) }
				began := now()
				d.record(ctx, r)
				d.Took, d.Back = since(began), since(report.Began)
				if !d.Taken.IsZero() {
					d.Loss = Seconds(report.Began.Sub(d.Taken))
				}
				mu.Lock()
				if done++; o.Restored != nil {
					o.Restored(done, len(restores), *d)
				}
				mu.Unlock()
			}
		})
	}
	for i := range restores {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	report.Took = since(report.Began)
	slices.SortFunc(report.Tenants, func(a, b Drilled) int { return strings.Compare(a.Tenant, b.Tenant) })
	if o.Verify != nil && ctx.Err() == nil {
		doing("attacking")
		if report.Report, err = s.Verify(ctx, &desired, *o.Verify); err != nil {
			return report, err
		}
	}
	return report, ctx.Err()
}

// record restores one tenant and writes down what came of it.
func (d *Drilled) record(ctx context.Context, r *restore) {
	_, err := r.run(ctx)
	if m := r.out.Manifest; m != nil {
		d.Archive, d.Taken, d.Rows, d.Bytes = m.ID, m.Taken, m.Evidence.Rows(), m.Payload.Size
	}
	d.Warnings, d.Problem = r.out.Warnings, ""
	if err == nil {
		return
	}
	err = explainArchive(err)
	d.Problem = err.Error()
	var p *Problem
	if errors.As(err, &p) {
		d.Hint = p.Hint
	}
}

// WriteJSON writes the report as one JSON value.
func (r *DrillReport) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the report for people: a line a tenant, then what went wrong, then the sum.
func (r *DrillReport) WriteText(w io.Writer) error {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TENANT\tBACK\tRESTORE\tDATA LOSS\tROWS\tBACKUP")
	lost := 0
	for _, d := range r.Tenants {
		if d.Problem != "" {
			lost++
			fmt.Fprintf(table, "%s\tno\t-\t-\t-\t%s\n", d.Tenant, orDash(d.Archive))
			continue
		}
		fmt.Fprintf(table, "%s\tafter %s\t%s\t%s\t%d\t%s\n", d.Tenant, d.Back, d.Took, d.Loss, d.Rows, d.Archive)
	}
	_ = table.Flush() // to memory
	for _, d := range r.Tenants {
		if d.Problem != "" {
			fmt.Fprintf(&b, "\n%s is not back: %s\n", d.Tenant, d.Problem)
			if d.Hint != "" {
				fmt.Fprintf(&b, "  hint: %s\n", d.Hint)
			}
		}
		for _, warning := range d.Warnings {
			fmt.Fprintf(&b, "\n%s: warning: %s\n", d.Tenant, warning)
		}
	}
	fmt.Fprintf(&b, "\n%d of %d tenants are back on %s, in %s, of which %s until the empty databases stood",
		len(r.Tenants)-lost,
		len(r.Tenants), r.Server, r.Took, r.Prepared)
	var longest, oldest Drilled
	for _, d := range r.Tenants {
		if d.Problem != "" {
			continue
		}
		if d.Back > longest.Back {
			longest = d
		}
		if oldest.Tenant == "" || d.Loss > oldest.Loss {
			oldest = d
		}
	}
	if oldest.Tenant != "" {
		fmt.Fprintf(&b, "; the last was %s, and the most data would be lost of %s: %s", longest.Tenant, oldest.Tenant,
			oldest.Loss)
	}
	b.WriteString("\n")
	if r.Report != nil {
		fmt.Fprintf(&b, "%s\n", r.Report.Verdict())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Backups lists a tenant's archives in a store, the newest first, for people who choose one.
func Backups(ctx context.Context, want *state.Desired, tenant string, store archive.Store,
	trust archive.Trust) ([]archive.Entry, error) {
	t, err := tenantOf(want, tenant)
	if err != nil {
		return nil, err
	}
	entries, err := archive.List(ctx, store, archive.Set{Tenant: t.Name, Database: t.Database}, want.Cluster, trust)
	return entries, explainArchive(err)
}
