package link

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/postgres/state"
	"github.com/zavestudios/zave/internal/source"
)

// database links the tenant's database and claims its names on the cluster's server.
func (l *linker) database(t *tenant, p *model.Placement, over *spec.DatabaseOverride) {
	in := t.spec.Database
	if in == nil || t.spec.Name == "" {
		return
	}
	if p.Cluster.Database == nil {
		if d := l.set.Platform.Database; d != nil && !l.set.Platform.Broken {
			t.reportOn(p.Cluster, t.problem(diag.NoDatabaseService, at("database"),
				fmt.Sprintf("%s asks for a database, and the service %s does not run", t.spec.Name, d.Service),
				"leave the cluster out of clusters:, or enable the service there"))
		}
		return
	}
	sql := strings.ReplaceAll(t.spec.Name, "-", "_")
	out := &model.Database{
		Subject: model.Subject{Origin: t.spec.Key("database"), Hash: hash(in, over)},
		Service: p.Cluster.Database,
		Name:    cmp.Or(in.Name, "db_"+sql),
		Roles: model.Roles{
			Owner: sql + "_owner", Migrator: sql + "_migrator",
			App: sql + "_app", AppA: sql + "_app_a", AppB: sql + "_app_b",
			ReadOnly: sql + "_readonly", Backup: sql + "_backup",
		},
		Extensions:       slices.Sorted(slices.Values(in.Extensions)),
		Connections:      in.Connections,
		StatementTimeout: in.StatementTimeout,
		RowLevelSecurity: in.RowLevelSecurity,
		Path:             "tenants/" + t.spec.Name + "/database",
		Logins:           logins(t.spec, p),
	}
	out.Extensions = slices.Compact(out.Extensions)
	backup, path := in.Backup, at("database", "backup")
	if over != nil {
		out.Connections = cmp.Or(over.Connections, out.Connections)
		out.StatementTimeout = cmp.Or(over.StatementTimeout, out.StatementTimeout)
		if over.Backup != nil {
			backup, path = over.Backup, at("overrides", p.Cluster.Name, "database", "backup")
		}
	}
	if backup != nil {
		out.Backup = l.backup(t, p, out, backup, path)
	}
	l.databaseNames(t, p, out, sql)
	where, credentials := secretsOf(p.Cluster, p.Cluster.Database.Endpoint.Service.Namespace), "bootstrap-"+t.spec.Name
	d := t.problem(diag.DuplicateName, at("name"), "the Secret "+credentials+" beside the database service",
		"choose another name for one of them")
	if !l.claim(where, credentials, holder{"tenant " + t.spec.Name, t.spec.At("name")}, &d) {
		t.reportOn(p.Cluster, d)
	}
	p.Database = out
}

// databaseNames claims the names of the database and its roles, as PostgreSQL would cut them off: a longer one would
// name somebody else's (PostgreSQL manual, 4.1.1, "Identifiers and Key Words").
func (l *linker) databaseNames(t *tenant, p *model.Placement, db *model.Database, sql string) {
	me := "tenant " + t.spec.Name
	leaveOut := "leave name out, and it is db_" + sql
	if reason := notSQL(db.Name); reason != "" {
		t.reportOn(p.Cluster, t.problem(diag.ReservedName, at("database", "name"),
			fmt.Sprintf("the database name %q %s", db.Name, reason), leaveOut))
	}
	cut := func(s string) string { return s[:min(len(s), state.MaxIdentifier)] }
	d := t.problem(diag.DuplicateDatabase, at("database", "name"), "the database name "+db.Name, leaveOut)
	if !l.claim("database on "+p.Cluster.Name, cut(db.Name), holder{me, t.spec.At("database", "name")}, &d) {
		t.reportOn(p.Cluster, d)
	}
	for _, role := range db.Roles.All() {
		if reason := notSQL(role); reason != "" {
			t.reportOn(p.Cluster, t.problem(diag.ReservedName, at("name"),
				fmt.Sprintf("the database role %q %s", role, reason), "choose another name for the tenant"))
			return // the others' names are no better
		}
		d := t.problem(diag.DuplicateRole, at("name"), "the database role "+role, "choose another name for the tenant")
		if !l.claim("role on "+p.Cluster.Name, cut(role), holder{me, t.spec.At("name")}, &d) {
			t.reportOn(p.Cluster, d)
		}
	}
}

// logins are those that Secrets of the tenant's namespace are made for: the application's, and the others that a
// workload asks for. What manifests of the tenant's own ask for is not known here.
func logins(t *spec.Tenant, p *model.Placement) []string {
	if !p.Source.Generated() {
		return []string{model.LoginApp, model.LoginMigrator, model.LoginReadOnly}
	}
	out := []string{model.LoginApp}
	for _, w := range t.Workloads {
		if w.Database == model.LoginMigrator || w.Database == model.LoginReadOnly {
			out = append(out, w.Database)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// backup links the schedule and the retention.
func (l *linker) backup(t *tenant, p *model.Placement, db *model.Database, in *spec.Backup, path []string) *model.Backup {
	archive := p.Cluster.Database.Backup
	if archive == nil {
		if !l.set.Platform.Broken {
			d := t.problem(diag.NoBackupTarget, path,
				fmt.Sprintf("%s asks for backups, and the platform has nowhere to put them", t.spec.Name),
				"leave backup out, or add database: backup: to the platform")
			d.Span = t.spec.Key(path...)
			t.reportOn(p.Cluster, d)
		}
		return nil
	}
	if least := 3; db.Connections > 0 && db.Connections < least {
		t.reportOn(p.Cluster, t.problem(diag.Connections, at("database", "connections"),
			fmt.Sprintf("%s may open %s, and a backup takes two of them while the application runs", t.spec.Name,
				plural(db.Connections, "connection")),
			fmt.Sprintf("write connections: %d or more, or leave backup out", least)))
	}
	out := &model.Backup{
		Schedule: in.Schedule, Stale: l.longest(in.Schedule) + grace,
		Daily: in.Keep.Daily, Weekly: in.Keep.Weekly,
	}
	if archive.Test != nil {
		out.TestSchedule = cmp.Or(archive.Test.Schedule, ownHour(t.spec.Name))
		out.TestStale = l.longest(out.TestSchedule) + grace
	}
	return out
}

// grace is how long a run may take, and be late, before it counts as missing.
const grace = 3 * time.Hour

// longest is the longest time between two runs of a schedule, over forty days of it or three runs if these are further
// apart. It is zero for what the loader has refused.
func (l *linker) longest(schedule string) time.Duration {
	if d, known := l.gaps[schedule]; known {
		return d
	}
	longest, plain := regular(schedule)
	if !plain {
		longest = longestGap(schedule)
	}
	l.gaps[schedule] = longest
	return longest
}

// regular gives the time between runs once an hour, a day or a week, which is what most schedules are; any other takes
// a thousand times as long to work out.
func regular(schedule string) (time.Duration, bool) {
	fields := strings.Fields(schedule)
	number := func(i, most int) bool {
		n, err := strconv.Atoi(fields[i])
		return err == nil && n >= 0 && n <= most && fields[i][0] != '+' && fields[i][0] != '-'
	}
	if len(fields) != 5 || !number(0, 59) || fields[2] != "*" || fields[3] != "*" {
		return 0, false
	}
	const day = 24 * time.Hour
	switch {
	case fields[1] == "*" && fields[4] == "*":
		return time.Hour, true
	case number(1, 23) && fields[4] == "*":
		return day, true
	case number(1, 23) && number(4, 6):
		return 7 * day, true
	}
	return 0, false
}

// longestGap counts.
func longestGap(schedule string) (longest time.Duration) {
	if s, err := cron.ParseStandard(schedule); err == nil {
		start := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
		const most = 3000 // a week of every five minutes
		for n, last := 0, s.Next(start); n < most && !last.IsZero() && (n < 3 || last.Sub(start) < 40*24*time.Hour); n++ {
			next := s.Next(last)
			if next.IsZero() { // the 29th of February, across a year of a hundred that has none
				break
			}
			longest = max(longest, next.Sub(last))
			last = next
		}
	}
	return longest
}

// ownHour is a weekly schedule that tenants share as little as their names do: restores of all at once would be a load
// that nothing else is.
func ownHour(tenant string) string {
	sum := sha256.Sum256([]byte(tenant))
	return fmt.Sprintf("%d %d * * %d", sum[0]%60, sum[1]%24, sum[2]%7)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "one " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// providers makes sure that the cluster has what the tenant's objects are for.
func (l *linker) providers(t *tenant, p *model.Placement) {
	if t.spec.Broken || l.set.Platform.Broken {
		return
	}
	c, name := p.Cluster, t.spec.Key("name")
	public, watched := name, name
	for _, w := range p.Workloads {
		if w.Expose == model.ExposePublic && public == name {
			public = t.spec.At("workloads", w.Name, "expose")
		}
		if w.Metrics != nil && watched == name {
			watched = t.spec.Key("workloads", w.Name, "metrics")
		}
	}
	if p.SLO != nil && watched == name {
		watched = p.SLO.Origin
	}
	for _, x := range []struct {
		role    string
		have    *model.Service
		need    bool
		because source.Span
		why     string
		groups  []string
	}{
		{"mesh", c.Mesh, true, name, "every tenant is in the mesh", []string{"networking.istio.io", "security.istio.io"}},
		{"secrets", c.Secrets, true, name, "every tenant reads its image pull secret through it", []string{"external-secrets.io"}},
		{"delivery", c.Delivery, true, name, "every tenant's workloads are deployed by it", []string{"argoproj.io"}},
		{"gateway", c.Ingress, public != name, public, "a workload is exposed as public-http", nil},
		{"monitoring", c.Monitoring, watched != name, watched, "a workload has metrics or an objective", []string{"monitoring.coreos.com"}},
	} {
		switch {
		case !x.need:
		case x.have == nil:
			l.noProvider(c, x.role, fmt.Sprintf("cluster %s runs no service with role %q, and %s", c.Name, x.role, x.why),
				fmt.Sprintf("give role: %q to the service that is it, and enable it there", x.role), x.because)
		default:
			for _, g := range x.groups {
				if !slices.ContainsFunc(c.Services, func(s *model.Service) bool { return slices.Contains(s.CRDs, g) }) {
					l.noProvider(c, g, fmt.Sprintf("no service on cluster %s provides the kinds of %s, and %s", c.Name, g, x.why),
						fmt.Sprintf("write provides: crds: [%q] at the service that installs them", g), x.because)
				}
			}
		}
	}
}
