package link

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
)

// maxWorkloads is how many deployable units one tenant may have.
const maxWorkloads = 3

// databaseSecret is the Secret with a tenant's database credentials; no bundle may bear its name.
const databaseSecret = "database"

// kubernetesNames are namespaces that every cluster has.
var kubernetesNames = []string{"default", "flux-system"}

// sqlNames are names that PostgreSQL or its pg_hba.conf give a meaning of their own (PostgreSQL manual, "The pg_hba.conf
// File" and "Template Databases").
var sqlNames = []string{"all", "postgres", "replication", "samegroup", "samerole", "sameuser", "template0", "template1"}

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
	if s.Name == databaseSecret || s.Name == l.set.Platform.PullSecret.Name {
		d := t.problem(diag.DuplicateName, at("secrets", s.Name),
			fmt.Sprintf("the bundle %q would be the Secret that zave makes for the tenant's own use", s.Name), "choose another name")
		d.Span = t.spec.Key("secrets", s.Name)
		l.report(d)
	}
}

// workloadAlone checks one workload as it is written, before overrides.
func (l *linker) workloadAlone(t *tenant, w spec.Workload) {
	path := func(rest ...string) []string { return append(at("workloads", w.Name), rest...) }
	if w.Name == "default" {
		d := t.problem(diag.ReservedName, path(), `the workload name "default" is the namespace's own ServiceAccount`, "choose another name")
		d.Span = t.spec.Key(path()...)
		l.report(d)
	}
	l.image(t, path("image"), w.Image)
	// Where the spec is broken, what is not there may only have been misspelt.
	whole := !t.spec.Broken
	if w.Port == 0 && w.Runtime != "static" && whole {
		if w.Expose != model.ExposeNone && w.Expose != "" {
			l.report(t.problem(diag.NoPort, path("expose"), fmt.Sprintf("%s is exposed as %s and has no port", w.Name, w.Expose),
				"add port:, the port the container listens on"))
		} else if w.Health != nil && w.Schedule == "" {
			l.report(t.problem(diag.NoPort, path("health"), fmt.Sprintf("%s has health paths and no port to ask them on", w.Name),
				"add port:, the port the container listens on"))
		}
	}
	if len(w.Hosts) > 0 && w.Expose != model.ExposePublic && whole {
		l.report(t.problem(diag.HostNotPublic, path("hosts"), fmt.Sprintf("%s has hosts and is exposed as %s", w.Name, w.Expose),
			`write expose: "public-http", or leave hosts out`))
	}
	if w.Expose == model.ExposeGRPC && w.Health != nil {
		l.report(t.problem(diag.NoPort, path("health"), fmt.Sprintf("%s speaks gRPC, and health paths are asked over HTTP", w.Name),
			"leave health out: a gRPC workload is probed with the gRPC health protocol"))
	}
	if w.Metrics != nil && w.Metrics.Port == w.Port && w.Expose == model.ExposeGRPC {
		l.report(t.problem(diag.DuplicatePort, path("metrics", "port"),
			fmt.Sprintf("%s speaks gRPC on port %d, which Prometheus cannot scrape", w.Name, w.Port), "serve metrics on a port of their own"))
	}
	if w.Replicas.Max < w.Replicas.Min && whole {
		l.report(t.problem(diag.ReplicaRange, path("replicas", "max"),
			fmt.Sprintf("%s runs at most %d replicas and at least %d", w.Name, w.Replicas.Max, w.Replicas.Min), "raise max or lower min"))
	}
	if w.Schedule != "" {
		for _, x := range []struct {
			field string
			set   bool
		}{
			{"port", w.Port != 0}, {"expose", w.Expose != model.ExposeNone && w.Expose != ""}, {"health", w.Health != nil},
			{"metrics", w.Metrics != nil}, {"replicas", w.Replicas.Max > 1}, {"runtime", w.Runtime == "static"},
		} {
			if x.set {
				l.report(t.problem(diag.ScheduleConflict, path(x.field),
					fmt.Sprintf("%s runs on a schedule, and so cannot have %s", w.Name, x.field), "leave "+x.field+" out, or make it a workload of its own"))
			}
		}
	} else if w.Deadline != "" && whole {
		l.report(t.problem(diag.ScheduleConflict, path("deadline"), fmt.Sprintf("%s has a deadline and no schedule", w.Name),
			"add schedule:, or leave deadline out"))
	}
	l.environment(t, w)
}

func (l *linker) image(t *tenant, path []string, i spec.Image) {
	if i.Repository == "" {
		return // reported
	}
	if r := l.set.Platform.Registries; len(r) > 0 && !slices.ContainsFunc(r, func(p string) bool { return strings.HasPrefix(i.Repository, p) }) {
		l.report(t.problem(diag.RegistryNotAllowed, append(path, "repository"),
			fmt.Sprintf("the image %s is not under a registry of the platform", i.Repository), "use an image under "+strings.Join(r, " or ")))
	}
	if i.Digest == "" && !t.spec.Broken {
		l.report(t.problem(diag.ImageWithoutDigest, path, fmt.Sprintf("the image %s has no digest", i.Repository), digestHint))
	}
}

// environment refuses a variable that two sources would set: which one wins is decided by nobody who reads the spec.
func (l *linker) environment(t *tenant, w spec.Workload) {
	from := map[string]string{}
	if t.spec.Database != nil {
		for _, v := range databaseEnv {
			from[v] = "the tenant's database"
		}
	}
	known := names(t.spec.Secrets, func(s spec.SecretBundle) string { return s.Name })
	for i, name := range w.Secrets {
		j := slices.IndexFunc(t.spec.Secrets, func(s spec.SecretBundle) bool { return s.Name == name })
		if j < 0 {
			if name != "" {
				l.report(t.problem(diag.UnknownSecret, at("workloads", w.Name, "secrets", index(i)),
					fmt.Sprintf("%s takes the secrets %q, which is no bundle of %s", w.Name, name, t.spec.Name), orAdd(diag.DidYouMean(name, known), "add it to secrets:")))
			}
			continue
		}
		for _, k := range t.spec.Secrets[j].Keys {
			if by, twice := from[k]; twice {
				l.report(t.problem(diag.ReservedEnv, at("workloads", w.Name, "secrets", index(i)),
					fmt.Sprintf("the bundle %s sets %s, which %s sets already", name, k, by), "take one of them out"))
				continue
			}
			from[k] = "the bundle " + name
		}
	}
	for _, e := range w.Env {
		if by, twice := from[e.Name]; twice {
			l.report(t.problem(diag.ReservedEnv, at("workloads", w.Name, "env", e.Name),
				fmt.Sprintf("env sets %s, which %s sets already", e.Name, by), "take one of them out"))
		}
	}
}

// databaseEnv is what the Secret with database credentials holds.
var databaseEnv = []string{"DATABASE_URL", "PGDATABASE", "PGHOST", "PGPASSWORD", "PGPORT", "PGSSLMODE", "PGUSER"}

func orAdd(hint, otherwise string) string { return cmp.Or(hint, otherwise) }

// overrideTargets refuses overrides of what is not there.
func (l *linker) overrideTargets(t *tenant) {
	workloads := names(t.spec.Workloads, func(w spec.Workload) string { return w.Name })
	for _, o := range t.spec.Overrides {
		key := func(path ...string) diag.Diagnostic {
			d := t.problem(diag.OverrideUnused, path, "", "")
			d.Span = t.spec.Key(path...)
			return d
		}
		if !slices.Contains(t.spec.Clusters, o.Cluster) && !t.spec.Broken {
			d := key("overrides", o.Cluster)
			d.Summary = fmt.Sprintf("there is an override for %q, and %s is not on that cluster", o.Cluster, t.spec.Name)
			d.Hint = diag.DidYouMean(o.Cluster, t.spec.Clusters)
			l.report(d)
		}
		for _, w := range o.Workloads {
			if !slices.Contains(workloads, w.Name) && !t.spec.Broken {
				d := key("overrides", o.Cluster, "workloads", w.Name)
				d.Summary = fmt.Sprintf("there is an override for workload %q, and %s has none of that name", w.Name, t.spec.Name)
				d.Hint = diag.DidYouMean(w.Name, workloads)
				l.report(d)
			}
		}
		if o.Database != nil && t.spec.Database == nil && !t.spec.Broken {
			d := key("overrides", o.Cluster, "database")
			d.Summary = fmt.Sprintf("there is an override for a database, and %s has none", t.spec.Name)
			d.Hint = "add database:, or take the override out"
			l.report(d)
		}
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
		// Where the fields are left out these fall back to the spec itself.
		TierOrigin:   in.Key("tier"),
		OwnerOrigin:  in.Key("owner"),
		SourceOrigin: in.Key("source"),
	}
	tierName := cmp.Or(over.Tier, in.Tier)
	p.Subject = model.Subject{
		Origin: in.Key("name"),
		Hash:   hash(in.Name, in.Description, in.Owner, in.Class, p.State, tierName, in.Source, in.Network.Offers, in.Network.Services),
	}
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

// workload applies the override and fills in what was left out.
func (l *linker) workload(t *tenant, p *model.Placement, w spec.Workload, over spec.WorkloadOverride) {
	out := &model.Workload{
		Subject:   model.Subject{Origin: t.spec.Key("workloads", w.Name), Hash: hash(w, over)},
		Placement: p,
		Name:      w.Name,
		Static:    w.Runtime == "static",
		Image:     model.Image(w.Image),
		Command:   w.Command, Args: w.Args,
		Port:     int32(w.Port),
		Expose:   cmp.Or(w.Expose, model.ExposeNone),
		Size:     cmp.Or(over.Size, w.Size),
		Min:      int32(w.Replicas.Min),
		Max:      int32(w.Replicas.Max),
		RunAs:    w.RunAs,
		Writable: w.Writable,
		Schedule: cmp.Or(over.Schedule, w.Schedule),
	}
	where := at("workloads", w.Name)
	overWhere := at("overrides", p.Cluster.Name, "workloads", w.Name)
	if over.Image != nil {
		out.Image.Tag, out.Image.Digest = over.Image.Tag, over.Image.Digest
	}
	if w.Health != nil {
		out.Health = model.Health(*w.Health)
	}
	if w.Metrics != nil {
		out.Metrics = &model.Metrics{Port: int32(w.Metrics.Port), Path: w.Metrics.Path}
	}
	out.Env = environment(w.Env, over.Env)
	for _, name := range w.Secrets {
		if i := slices.IndexFunc(p.Secrets, func(s *model.SecretBundle) bool { return s.Name == name }); i >= 0 {
			out.Secrets = append(out.Secrets, p.Secrets[i])
		}
	}

	l.replicas(t, out, overWhere, over.Replicas)
	sizePath := append(slices.Clone(where), "size")
	if over.Size != "" {
		sizePath = append(slices.Clone(overWhere), "size")
	}
	if r, ok := l.sizes[out.Size]; ok {
		out.Resources = r
	} else if out.Size != "" {
		t.reportOn(p.Cluster, t.problem(diag.UnknownSize, sizePath, fmt.Sprintf("%q is no size of the platform", out.Size),
			diag.DidYouMean(out.Size, names(l.set.Platform.Sizes, func(s spec.Size) string { return s.Name }))))
	}
	if out.Schedule != "" {
		out.Deadline = seconds(cmp.Or(w.Deadline, "1h"))
	}
	if out.Static {
		static(out)
	}
	out.RunAs = cmp.Or(out.RunAs, 1000)
	l.hosts(t, out, w.Hosts, over.Hosts, where, overWhere)
	p.Workloads = append(p.Workloads, out)
}

// static fills in what every static site's server needs: an unprivileged nginx keeps its cache and its pid file in
// these places, and listens on 8080.
func static(w *model.Workload) {
	w.Port = cmp.Or(w.Port, 8080)
	w.RunAs = cmp.Or(w.RunAs, 101)
	if w.Health == (model.Health{}) {
		w.Health = model.Health{Ready: "/", Live: "/"}
	}
	if len(w.Writable) == 0 {
		w.Writable = []string{"/tmp", "/var/cache/nginx", "/var/run"}
	}
}

// seconds of a duration that the loader has checked.
func seconds(s string) int64 {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0
	}
	return int64(d / time.Second)
}

func (l *linker) replicas(t *tenant, w *model.Workload, path []string, over spec.Replicas) {
	if over == (spec.Replicas{}) {
		return
	}
	fixed := w.Min == w.Max // one number: a new minimum moves the maximum with it
	if over.Min > 0 {
		w.Min = int32(over.Min)
	}
	switch {
	case over.Max > 0:
		w.Max = int32(over.Max)
	case fixed:
		w.Max = w.Min
	}
	if w.Max < w.Min && !t.spec.Broken {
		t.reportOn(w.Placement.Cluster, t.problem(diag.ReplicaRange, append(path, "replicas"),
			fmt.Sprintf("%s runs at most %d replicas and at least %d", w.Name, w.Max, w.Min),
			"set both bounds in the override"))
	}
}

// environment lays the override's variables over the workload's own; the result is sorted.
func environment(base, over []spec.EnvVar) []model.EnvVar {
	out := make([]model.EnvVar, 0, len(base)+len(over))
	for _, e := range base {
		out = append(out, model.EnvVar(e))
	}
	for _, e := range over {
		if i := slices.IndexFunc(out, func(x model.EnvVar) bool { return x.Name == e.Name }); i >= 0 {
			out[i].Value = e.Value
			continue
		}
		out = append(out, model.EnvVar(e))
	}
	slices.SortFunc(out, func(a, b model.EnvVar) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// hosts gives a public workload its hosts, and each host to one workload.
func (l *linker) hosts(t *tenant, w *model.Workload, own, over []string, where, overWhere []string) {
	if w.Expose != model.ExposePublic {
		return
	}
	hosts, path := own, append(slices.Clone(where), "hosts")
	if len(over) > 0 {
		hosts, path = over, append(slices.Clone(overWhere), "hosts")
	}
	element := func(i int) []string { return append(slices.Clone(path), index(i)) }
	if len(hosts) == 0 && t.spec.Name != "" && w.Placement.Cluster.Domain != "" {
		hosts = []string{t.spec.Name + "." + w.Placement.Cluster.Domain}
		element = func(int) []string { return append(slices.Clone(where), "expose") }
	}
	for i, h := range hosts {
		d := t.problem(diag.DuplicateHost, element(i), fmt.Sprintf("the host %s", h), "give each workload hosts of its own")
		me := holder{fmt.Sprintf("workload %s of tenant %s", w.Name, t.spec.Name), t.spec.At(element(i)...)}
		if !l.claim("host on "+w.Placement.Cluster.Name, h, me, &d) {
			t.reportOn(w.Placement.Cluster, d)
		}
	}
	w.Hosts = slices.Clone(hosts)
}

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
	p.Database = out
}

// providers makes sure that the cluster has what the tenant's objects are for.
func (l *linker) providers(t *tenant, p *model.Placement) {
	if t.spec.Broken || l.set.Platform.Broken {
		return
	}
	c, because := p.Cluster, t.spec.Key("name")
	for _, x := range []struct {
		role string
		have *model.Service
		need bool
		why  string
	}{
		{"mesh", c.Mesh, true, "every tenant is in the mesh"},
		{"secrets", c.Secrets, true, "every tenant reads its image pull secret through it"},
		{"delivery", c.Delivery, true, "every tenant's workloads are deployed by it"},
		{"gateway", c.Ingress, slices.ContainsFunc(p.Workloads, func(w *model.Workload) bool { return w.Expose == model.ExposePublic }), "a workload is exposed as public-http"},
		{"monitoring", c.Monitoring, slices.ContainsFunc(p.Workloads, func(w *model.Workload) bool { return w.Metrics != nil }) || p.SLO != nil, "a workload has metrics or an objective"},
	} {
		if x.need && x.have == nil {
			l.noProvider(c, x.role, x.why, because)
		}
	}
}
