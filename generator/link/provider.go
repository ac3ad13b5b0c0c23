package link

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
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
			Owner: sql + "_owner", Migrator: sql + "_migrator", App: sql + "_app", ReadOnly: sql + "_readonly", Backup: sql + "_backup",
		},
		Extensions:       slices.Sorted(slices.Values(in.Extensions)),
		Connections:      in.Connections,
		StatementTimeout: in.StatementTimeout,
		RowLevelSecurity: in.RowLevelSecurity,
		Path:             "tenants/" + t.spec.Name + "/database",
	}
	out.Extensions = slices.Compact(out.Extensions)
	backup := in.Backup
	if over != nil {
		out.Connections = cmp.Or(over.Connections, out.Connections)
		out.StatementTimeout = cmp.Or(over.StatementTimeout, out.StatementTimeout)
		if over.Backup != nil {
			backup = over.Backup
		}
	}
	if backup != nil {
		out.Backup = &model.Backup{Schedule: backup.Schedule, Daily: backup.Keep.Daily, Weekly: backup.Keep.Weekly}
	}
	if slices.Contains(sqlNames, out.Name) || strings.HasPrefix(out.Name, "pg_") {
		t.reportOn(p.Cluster, t.problem(diag.ReservedName, at("database", "name"), fmt.Sprintf("the database name %q means something else to PostgreSQL", out.Name), "leave name out, and it is db_"+sql))
	}
	me := "tenant " + t.spec.Name
	d := t.problem(diag.DuplicateDatabase, at("database", "name"), "the database name "+out.Name, "leave name out, and it is db_"+sql)
	if !l.claim("database on "+p.Cluster.Name, out.Name, holder{me, t.spec.At("database", "name")}, &d) {
		t.reportOn(p.Cluster, d)
	}
	for _, role := range []string{out.Roles.Owner, out.Roles.Migrator, out.Roles.App, out.Roles.ReadOnly, out.Roles.Backup} {
		d := t.problem(diag.DuplicateRole, at("name"), "the database role "+role, "choose another name for the tenant")
		if !l.claim("role on "+p.Cluster.Name, role, holder{me, t.spec.At("name")}, &d) {
			t.reportOn(p.Cluster, d)
		}
	}
	where, credentials := secretsOf(p.Cluster, p.Cluster.Database.Endpoint.Service.Namespace), "bootstrap-"+t.spec.Name
	d = t.problem(diag.DuplicateName, at("name"), "the Secret "+credentials+" beside the database service", "choose another name for one of them")
	if !l.claim(where, credentials, holder{me, t.spec.At("name")}, &d) {
		t.reportOn(p.Cluster, d)
	}
	p.Database = out
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
