package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/postgres/state"
)

func (a *app) dbPlanCommand() *cobra.Command {
	var o dbOptions
	cmd := &cobra.Command{
		Use:   "plan [flags]",
		Short: "Show what differs between a server and the specs",
		Long: "Compare a server with the specs, and list what 'zave db apply' would do about it, by tenant. What would take " +
			"something away that somebody may miss comes first. Findings are what is wrong and no statement of zave's can " +
			"right, as the audit of 'zave db verify' finds it, too; -v lists the low ones. A refusal is why nothing would be " +
			"applied at all. Nothing is changed on the server.\n\n" +
			"Exit status 1 means that there is a difference, or a finding that is high or critical and not accepted by its ID " +
			"('zave explain ID' says what it means). Whether passwords are right is known with --credentials alone.",
		Example: "  zave db plan\n" +
			"  zave db plan --tenant shop -v                  with the SQL\n" +
			"  zave db plan --credentials DIR --format json\n" +
			"  zave db plan --accept superuser-role/ops       known, and lived with",
		Args:                  noArgs("for one tenant, run 'zave db plan --tenant ARG'"),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return guarded(cmd.Context(), func() error { return a.dbPlan(cmd.Context(), &o) })
		},
	}
	o.wantFlags(a, cmd, true)
	o.instanceFlag(cmd, "the instance, not the tenants")
	o.serverFlags(cmd)
	o.credentialsFlag(cmd)
	o.permissionFlags(cmd)
	o.acceptFlag(cmd)
	o.formatsFlag(cmd, "text", "json")
	return cmd
}

func (a *app) dbPlan(ctx context.Context, o *dbOptions) error {
	plan, err := a.showPlan(ctx, o)
	if err != nil {
		return err
	}
	if plan.Empty() && !slices.ContainsFunc(plan.Findings, func(f state.Finding) bool { return severe(f) && !o.accepts(f) }) {
		return nil
	}
	return errReported()
}

// acceptFlag is --accept.
func (o *dbOptions) acceptFlag(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&o.accept, "accept", nil,
		"live with the finding `ID`, such as server-minor or superuser-role/ops; may be repeated")
	complete(cmd, "accept", func(string) []string {
		var out []string
		for _, k := range state.Kinds() {
			out = append(out, k.ID)
		}
		return out
	})
}

// accepts tells whether a finding is one to live with.
func (o *dbOptions) accepts(f state.Finding) bool {
	return slices.ContainsFunc(o.accept, func(id string) bool { return state.Accepts(id, f.Name()) })
}

// severe tells whether a finding lets one tenant at another.
func severe(f state.Finding) bool { return f.Severity == state.Critical || f.Severity == state.High }

// showPlan inspects a server and prints the plan for it.
func (a *app) showPlan(ctx context.Context, o *dbOptions) (*state.Plan, error) {
	run, err := a.connectTo(ctx, o)
	if err != nil {
		return nil, err
	}
	a.stages.begin("inspect")
	plan, live, err := run.server.Review(ctx, run.want, o.options(run.want), run.credentials)
	a.stages.end()
	if err != nil {
		return nil, err
	}
	for _, id := range o.accept {
		if !slices.ContainsFunc(plan.Findings, func(f state.Finding) bool { return state.Accepts(id, f.Name()) }) {
			a.say("--accept %s: there is no such finding", id)
		}
	}
	if o.format == "json" {
		return plan, writeJSON(a.stdout, planOf(run.want, plan, live.User, o.accepts))
	}
	l := a.listing()
	l.all, l.accepted = a.verbose, o.accepts
	l.plan(plan, missing(run.want, live))
	if _, err := io.WriteString(a.stdout, l.String()); err != nil {
		return nil, err
	}
	a.say("cluster %s, PostgreSQL %d, as %s: %s", run.want.Cluster, live.Version/10000, diag.Visible(live.User), planSummary(plan))
	return plan, nil
}

// planDocument is a plan in JSON.
type planDocument struct {
	Cluster  string         `json:"cluster"`
	Empty    bool           `json:"empty"`
	Steps    []stepDocument `json:"steps"`
	Refusals []refusal      `json:"refusals"`
	Findings []finding      `json:"findings"`
}

type stepDocument struct {
	ID          string `json:"id"`
	Tenant      string `json:"tenant,omitempty"`
	Database    string `json:"database"`
	As          string `json:"as,omitempty"`
	SQL         string `json:"sql"`
	PasswordOf  string `json:"passwordOf,omitempty"`
	Why         string `json:"why"`
	Destructive bool   `json:"destructive"`
	Superuser   bool   `json:"superuser"`
}

type refusal struct {
	ID      string `json:"id"`
	Tenant  string `json:"tenant,omitempty"`
	Object  string `json:"object"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

type finding struct {
	ID       string         `json:"id"`
	Severity state.Severity `json:"severity"`
	Tenant   string         `json:"tenant,omitempty"`
	Database string         `json:"database,omitempty"`
	Object   string         `json:"object,omitempty"`
	Message  string         `json:"message"`
	Hint     string         `json:"hint,omitempty"`
	Accepted bool           `json:"accepted,omitempty"`
}

// planOf gives the document; user is who would apply it.
func planOf(want *state.Desired, plan *state.Plan, user string, accepted func(state.Finding) bool) planDocument {
	doc := planDocument{
		Cluster: want.Cluster, Empty: plan.Empty(),
		Steps: []stepDocument{}, Refusals: []refusal{}, Findings: []finding{},
	}
	for _, s := range plan.Steps {
		doc.Steps = append(doc.Steps, stepDocument{
			ID: s.ID, Tenant: s.Tenant, Database: databaseOf(want, s), As: roleOf(want, s, user), SQL: s.SQL, PasswordOf: s.Password,
			Why: s.Why, Destructive: s.Destructive, Superuser: s.Superuser,
		})
	}
	for _, r := range plan.Refusals {
		doc.Refusals = append(doc.Refusals, refusal(r))
	}
	for _, f := range plan.Findings {
		doc.Findings = append(doc.Findings, finding{
			ID: f.ID, Severity: f.Severity, Tenant: f.Tenant, Database: f.Database, Object: f.Object, Message: f.Message,
			Hint: f.Hint, Accepted: accepted(f),
		})
	}
	return doc
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// listing writes lists for people.
type listing struct {
	strings.Builder
	color   bool
	columns int  // 0: lines are not broken
	all     bool // every step with its statement, and not the destructive ones' alone; and every finding

	accepted func(state.Finding) bool // which findings are lived with; nil: none
}

// listing gives one for stdout.
func (a *app) listing() *listing {
	l := &listing{color: a.colored(a.out)}
	if a.out.is {
		l.columns = a.out.columns()
	}
	return l
}

// The ANSI SGR parameters in use (ECMA-48, 8.3.117).
const (
	sgrBold   = "1"
	sgrRed    = "1;31"
	sgrYellow = "1;33"
	sgrGreen  = "32"
)

func (l *listing) paint(sgr, s string) string {
	if !l.color || s == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

// heading begins a part, apart from the one before.
func (l *listing) heading(format string, args ...any) {
	if l.Len() > 0 {
		l.WriteByte('\n')
	}
	l.WriteString(l.paint(sgrBold, fmt.Sprintf(format, args...)) + "\n")
}

// item writes a mark of two columns and a text beside it.
func (l *listing) item(mark, sgr, text string) {
	l.block("  "+l.paint(sgr, fmt.Sprintf("%-2s", mark)), 4, text)
}

// below writes a text that belongs to the item above.
func (l *listing) below(text string) { l.block("    ", 4, text) }

// statement writes SQL below an item, with its own lines and no others, so that it can be copied.
func (l *listing) statement(sql string) {
	for line := range strings.SplitSeq(strings.TrimSuffix(sql, "\n")+";", "\n") {
		l.WriteString(strings.TrimRight("    "+diag.Visible(strings.ReplaceAll(line, "\t", "  ")), " ") + "\n")
	}
}

// block writes a text behind a lead of so many columns, under which it goes on where it has to be broken. What a server
// says is shown so that it cannot steer the terminal.
func (l *listing) block(lead string, indent int, text string) {
	text = diag.Visible(text)
	if l.columns > 0 {
		text = strings.ReplaceAll(wrap(text, max(l.columns-indent, 20)), "\n", "\n"+strings.Repeat(" ", indent))
	}
	l.WriteString(lead + text + "\n")
}

// whose puts a tenant before a text.
func whose(tenant, text string) string {
	if tenant == "" {
		return text
	}
	return tenant + ": " + text
}

// missing gives the tenants that have no database yet.
func missing(want *state.Desired, live *state.Live) map[string]bool {
	there := map[string]bool{}
	for _, d := range live.Databases {
		there[d.Name] = true
	}
	out := map[string]bool{}
	for _, t := range want.Tenants {
		out[t.Name] = !there[t.Database]
	}
	return out
}

// plan lists a plan. Of a tenant that is missing it counts the steps, all of which make something.
func (l *listing) plan(plan *state.Plan, missing map[string]bool) {
	if len(plan.Refusals) > 0 {
		l.heading("Refused; nothing is applied before this is settled:")
		for _, r := range plan.Refusals {
			l.item("x", sgrRed, whose(r.Tenant, r.Message))
			if r.Hint != "" {
				l.below("= hint: " + r.Hint)
			}
		}
	}
	first := true
	for _, s := range plan.Steps {
		if s.Destructive {
			if first {
				l.heading("Takes something away:")
				first = false
			}
			l.item("!", sgrYellow, whose(s.Tenant, s.Why))
			l.statement(s.SQL)
		}
	}
	for _, g := range grouped(plan.Steps) {
		if missing[g.name] && !l.all {
			l.heading("%s: %s; -v lists them", g.name, counted(len(g.steps), "step makes it", "steps make it"))
			continue
		}
		l.heading("%s: %s", g.name, count(len(g.steps), "step"))
		for _, s := range g.steps {
			mark, sgr := "*", ""
			if s.Destructive {
				mark, sgr = "!", sgrYellow
			}
			l.item(mark, sgr, s.Why)
			if l.all {
				l.statement(s.SQL)
			}
		}
	}
	if len(plan.Findings) > 0 {
		l.heading("Found, and not for a statement of zave's to right:")
		if left := l.findings(plan.Findings); left != "" {
			l.block("  ", 2, left+"; -v lists them")
		}
	}
}

// findings lists the findings, the worst first, and says what it leaves out unless all are to be listed: the low, and
// those that are accepted.
func (l *listing) findings(list []state.Finding) (left string) {
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b state.Finding) int {
		switch {
		case a.Severity.Worse(b.Severity):
			return -1
		case b.Severity.Worse(a.Severity):
			return 1
		}
		return 0
	})
	low, accepted := 0, 0
	for _, f := range sorted {
		known := l.accepted != nil && l.accepted(f)
		switch {
		case l.all:
			l.finding(f, known)
		case known:
			accepted++
		case f.Severity == state.Low:
			low++
		default:
			l.finding(f, false)
		}
	}
	var parts []string
	if low > 0 {
		parts = append(parts, counted(low, "finding is low", "findings are low"))
	}
	if accepted > 0 {
		parts = append(parts, counted(accepted, "finding is accepted", "findings are accepted"))
	}
	return strings.Join(parts, ", ")
}

// group is what is done for a tenant, or for the instance.
type group struct {
	name  string
	steps []state.Step
}

// grouped puts steps together by tenant, in the order of the first of each.
func grouped(steps []state.Step) []group {
	var out []group
	index := map[string]int{}
	for _, s := range steps {
		i, ok := index[s.Tenant]
		if !ok {
			i = len(out)
			index[s.Tenant] = i
			name := s.Tenant
			if name == "" {
				name = "instance"
			}
			out = append(out, group{name: name})
		}
		out[i].steps = append(out[i].steps, s)
	}
	return out
}

// finding writes one with its ID, for which there is an entry in the reference.
func (l *listing) finding(f state.Finding, accepted bool) {
	sgr, word := sgrYellow, string(f.Severity)
	switch {
	case accepted:
		sgr, word = "", "accepted"
	case severe(f):
		sgr = sgrRed
	}
	const wide = len("critical")
	l.block("  "+l.paint(sgr, fmt.Sprintf("%-*s", wide, word))+"  ", 2+wide+2,
		whose(f.Tenant, f.Message)+" ["+f.ID+"]")
	if f.Hint != "" {
		l.block(strings.Repeat(" ", 2+wide+2), 2+wide+2, "= hint: "+f.Hint)
	}
}

// planSummary counts what a plan has.
func planSummary(plan *state.Plan) string {
	var tenants []string
	destructive := 0
	for _, s := range plan.Steps {
		if s.Tenant != "" && !slices.Contains(tenants, s.Tenant) {
			tenants = append(tenants, s.Tenant)
		}
		if s.Destructive {
			destructive++
		}
	}
	out := "nothing to do"
	if len(plan.Steps) > 0 {
		out = count(len(plan.Steps), "step")
		if len(tenants) > 0 {
			out += " for " + count(len(tenants), "tenant")
		}
		if destructive > 0 {
			out += fmt.Sprintf(", %d of them taking something away", destructive)
		}
	}
	if n := len(plan.Refusals); n > 0 {
		out += ", " + count(n, "refusal")
	}
	if n := len(plan.Findings); n > 0 {
		out += ", " + count(n, "finding")
	}
	return out
}
