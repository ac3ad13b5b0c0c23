package link

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// maxWorkloads is how many deployable units one tenant may have.
const maxWorkloads = 3

// kubernetesNames are namespaces that every cluster has.
var kubernetesNames = []string{"default", "flux-system"}

// sqlNames are names that PostgreSQL or its pg_hba.conf give a meaning of their own, and those that it makes itself
// (PostgreSQL manual, 20.1, "The pg_hba.conf File"; 23.3, "Template Databases"; GRANT; ALTER ROLE).
var sqlNames = []string{
	"all", "current_role", "current_user", "none", "postgres", "public", "replication", "samegroup", "samerole", "sameuser",
	"session_user", "template0", "template1", "user",
}

// notSQL tells why a database or a role may not bear a name; nothing where it may. Roles that begin with pg_ are
// PostgreSQL's own; "+", "@" and "/" begin something else than a name in pg_hba.conf; a name that is too long is cut
// off, and could then be another one's (4.1.1, "Identifiers and Key Words").
func notSQL(name string) string {
	switch {
	case slices.Contains(sqlNames, name), strings.HasPrefix(name, "pg_"), strings.ContainsAny(name[:min(len(name), 1)], "+@/"):
		return "means something else to PostgreSQL"
	case len(name) > state.MaxIdentifier:
		return fmt.Sprintf("has %d bytes, of which PostgreSQL keeps %d", len(name), state.MaxIdentifier)
	}
	return ""
}

// eachTenant links every tenant without the paths between them.
func (l *linker) eachTenant() {
	for _, in := range l.set.Tenants {
		t := &tenant{
			spec: in,
			model: &model.Tenant{
				Subject:     model.Subject{Origin: in.Key("name"), Hash: hash(in.Name, in.Description, in.Owner, in.Class)},
				Platform:    l.out,
				Name:        in.Name,
				Description: in.Description,
				Team:        in.Owner.Team,
				Contact:     in.Owner.Contact,
				Group:       l.set.Platform.Identity.GroupPrefix + in.Owner.Team,
				Class:       in.Class,
			},
			on: map[string]*model.Placement{},
		}
		l.tenantName(t)
		l.tenantAlone(t)
		l.order = append(l.order, t)
		l.tenants[in.Name] = t
		if in.Name != "" {
			l.out.Tenants = append(l.out.Tenants, t.model)
		}
		l.overrideTargets(t)
		for i, name := range in.Clusters {
			l.place(t, i, name)
		}
	}
	for _, c := range l.out.Clusters {
		slices.SortFunc(c.Placements, func(a, b *model.Placement) int { return strings.Compare(a.Tenant.Name, b.Tenant.Name) })
	}
}

// tenantName refuses names that mean something else somewhere.
func (l *linker) tenantName(t *tenant) {
	name := t.spec.Name
	reserved := slices.Contains(kubernetesNames, name) || strings.HasPrefix(name, "kube-") ||
		slices.Contains(l.set.Platform.Reserved, name) || slices.Contains(sqlNames, name)
	if name != "" && reserved {
		l.report(t.problem(diag.ReservedName, at("name"), fmt.Sprintf("the name %q is reserved", name),
			"choose another; Kubernetes, PostgreSQL and the platform's reserved list keep some for themselves"))
		return
	}
	d := t.problem(diag.DuplicateNamespace, at("name"), fmt.Sprintf("the namespace %q", name), "choose another name")
	if !l.claim("namespace", name, holder{"tenant " + name, t.spec.At("name")}, &d) {
		l.report(d)
	}
}

// tenantAlone checks what does not depend on a cluster.
func (l *linker) tenantAlone(t *tenant) {
	in := t.spec
	if n := len(in.Workloads); n > maxWorkloads {
		d := t.problem(diag.TooManyWorkloads, at("workloads"),
			fmt.Sprintf("%s has %d workloads, and a tenant has at most %d", in.Name, n, maxWorkloads),
			"split it into two tenants that offer each other what they share")
		d.Span = in.Key("workloads")
		l.report(d)
	}
	if in.Source.Git != nil && in.Source.Helm != nil {
		l.report(t.problem(diag.SourceConflict, at("source"), "the source is both a Git directory and a Helm chart", "keep one of them"))
	}
	for _, s := range in.Secrets {
		l.secretBundle(t, s)
	}
	for _, w := range in.Workloads {
		l.workloadAlone(t, w)
	}
	seen := map[string]int{}
	for i, e := range in.Network.Egress {
		if first, twice := seen[e.Name]; twice && e.Name != "" {
			l.report(t.problem(diag.DuplicateName, at("network", "egress", index(i), "name"),
				fmt.Sprintf("two egress paths are called %q", e.Name), "give each a name of its own",
				diag.Note{Span: in.At("network", "egress", index(first), "name"), Text: "first taken here"}))
			continue
		}
		seen[e.Name] = i
	}
	if db := in.Database; db != nil {
		if p := l.set.Platform.Database; p == nil && !l.set.Platform.Broken {
			l.report(t.problem(diag.NoDatabaseService, at("database"), "the platform has no database service",
				"leave database out, or add database: to the platform"))
		} else if p != nil {
			for i, e := range db.Extensions {
				if e != "" && !slices.Contains(p.Extensions, e) {
					l.report(t.problem(diag.UnknownExtension, at("database", "extensions", index(i)),
						fmt.Sprintf("the extension %q is not on the platform's list", e), diag.DidYouMean(e, p.Extensions)))
				}
			}
		}
	}
}

func (l *linker) secretBundle(t *tenant, s spec.SecretBundle) {
	name := t.spec.Name
	if prefix := "tenants/" + name + "/"; s.Path != "" && name != "" && !strings.HasPrefix(s.Path, prefix) {
		l.report(t.problem(diag.SecretPath, at("secrets", s.Name, "path"),
			fmt.Sprintf("the bundle %s reads %q, which is not under %s", s.Name, s.Path, prefix),
			fmt.Sprintf("write path: %q", prefix+s.Name)))
	}
	if own := "tenants/" + name + "/database"; s.Path == own && t.spec.Database != nil {
		l.report(t.problem(diag.SecretPath, at("secrets", s.Name, "path"),
			fmt.Sprintf("the bundle %s reads %q, where the passwords of all the tenant's database roles are", s.Name, own),
			"workloads are given the application's own by having a database; leave the bundle out"))
	}
	if slices.Contains(model.DatabaseSecrets(), s.Name) || s.Name == l.set.Platform.PullSecret.Name {
		d := t.problem(diag.DuplicateName, at("secrets", s.Name),
			fmt.Sprintf("the bundle %q would be the Secret that zave makes for the tenant's own use", s.Name), "choose another name")
		d.Span = t.spec.Key("secrets", s.Name)
		l.report(d)
	}
}

// place puts a tenant on one cluster.
func (l *linker) place(t *tenant, i int, name string) {
	in := t.spec
	ci := slices.IndexFunc(l.out.Clusters, func(c *model.Cluster) bool { return c.Name == name })
	if ci < 0 {
		if name != "" && len(l.out.Clusters) > 0 {
			known := names(l.out.Clusters, func(c *model.Cluster) string { return c.Name })
			l.report(t.problem(diag.UnknownCluster, at("clusters", index(i)), fmt.Sprintf("%q is no cluster", name), diag.DidYouMean(name, known)))
		}
		return
	}
	if t.on[name] != nil {
		l.report(t.problem(diag.DuplicateName, at("clusters", index(i)), fmt.Sprintf("the cluster %s is listed twice", name), "list it once"))
		return
	}
	c := l.out.Clusters[ci]
	over := spec.Override{}
	if j := slices.IndexFunc(in.Overrides, func(o spec.Override) bool { return o.Cluster == name }); j >= 0 {
		over = in.Overrides[j]
	}
	p := &model.Placement{
		Tenant: t.model, Cluster: c,
		State: cmp.Or(over.State, in.State, model.Active),
	}
	tierName := cmp.Or(over.Tier, in.Tier)
	// Where a field is left out its place is the spec's own.
	p.Subject = model.Subject{Origin: in.Key("name"), Hash: hash(in.Name, p.State)}
	p.About = model.Subject{Origin: in.Key("name"), Hash: t.model.Hash}
	p.Bounds = model.Subject{Origin: in.Key("tier"), Hash: hash(tierName, p.State)}
	p.Rights = model.Subject{Origin: in.Key("owner"), Hash: hash(in.Owner)}
	p.Deploy = model.Subject{Origin: in.Key("source"), Hash: hash(in.Source, p.State)}
	p.Reach = model.Subject{Origin: in.Key("network", "services"), Hash: hash(in.Network.Services)}
	p.Tier = l.tiers[tierName]
	if p.Tier == nil && tierName != "" {
		path := at("tier")
		if over.Tier != "" {
			path = at("overrides", name, "tier")
		}
		t.reportOn(c, t.problem(diag.UnknownTier, path, fmt.Sprintf("%q is no tier of the platform", tierName),
			diag.DidYouMean(tierName, names(l.set.Platform.Tiers, func(t spec.Tier) string { return t.Name }))))
	}
	l.source(p, in)
	if p.State != model.Active && !p.Source.Generated() {
		path := at("state")
		if over.State != "" {
			path = at("overrides", name, "state")
		}
		t.reportOn(c, t.problem(diag.StateConflict, path,
			fmt.Sprintf("%s is %s, and zave cannot stop workloads whose manifests come from the tenant's own source", in.Name, p.State),
			"stop them at their source, then take source: out"))
	}
	if s := in.Observability.SLO; s != nil && p.State == model.Active {
		p.SLO = slo(s)
		p.SLO.Subject = model.Subject{Origin: in.Key("observability", "slo"), Hash: hash(s)}
	}
	for _, s := range in.Secrets {
		p.Secrets = append(p.Secrets, &model.SecretBundle{
			Subject: model.Subject{Origin: in.Key("secrets", s.Name), Hash: hash(s)},
			Name:    s.Name, Path: s.Path, Keys: s.Keys, Refresh: s.Refresh,
		})
	}
	l.database(t, p, over.Database)
	if p.State != model.Retired {
		for _, w := range in.Workloads {
			j := slices.IndexFunc(over.Workloads, func(o spec.WorkloadOverride) bool { return o.Name == w.Name })
			var wo spec.WorkloadOverride
			if j >= 0 {
				wo = over.Workloads[j]
			}
			l.workload(t, p, w, wo)
		}
		l.endpoints(t, p)
		l.egress(t, p)
	}
	l.providers(t, p)
	t.on[name] = p
	t.model.Placements = append(t.model.Placements, p)
	c.Placements = append(c.Placements, p)
}

func (l *linker) source(p *model.Placement, in *spec.Tenant) {
	if g := in.Source.Git; g != nil {
		p.Source.Git = &model.GitSource{URL: g.URL, Path: g.Path, Revision: g.Revision}
	}
	if h := in.Source.Helm; h != nil {
		p.Source.Helm = &model.HelmSource{Repository: h.Repository, Chart: h.Chart, Version: h.Version, Values: h.Values}
	}
}

func slo(s *spec.SLO) *model.SLO {
	availability, _ := s.Availability.Float64()
	days, _ := strconv.Atoi(strings.TrimSuffix(s.Window, "d"))
	return &model.SLO{Availability: availability, Days: days}
}
