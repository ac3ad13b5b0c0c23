package link

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
)

// workloadAlone checks one workload as it is written, before overrides.
func (l *linker) workloadAlone(t *tenant, w spec.Workload) {
	path := func(rest ...string) []string { return append(at("workloads", w.Name), rest...) }
	if w.Name == "default" {
		d := t.problem(diag.ReservedName, path(), `the workload name "default" is the namespace's own ServiceAccount`, "choose another name")
		d.Span = t.spec.Key(path()...)
		l.report(d)
	}
	l.meshOwn(t, w)
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
	if login := w.Database; (login == model.LoginMigrator || login == model.LoginReadOnly) && t.spec.Database == nil && whole {
		hint := "add database: {} to the tenant, or leave database out here"
		if l.set.Platform.Database == nil {
			hint = "leave database out here: the platform has no database service"
		}
		l.report(t.problem(diag.NoDatabase, path("database"),
			fmt.Sprintf("%s asks for the %s login of the database, and %s has none", w.Name, login, t.spec.Name), hint))
	}
	l.environment(t, w)
}

// meshOwn refuses what the mesh's proxy has for itself: by its user, its ports or its container's name a workload would
// go round it, or take its place (Istio, "Application Requirements").
func (l *linker) meshOwn(t *tenant, w spec.Workload) {
	if strings.HasPrefix(w.Name, "istio-") {
		d := t.problem(diag.MeshOwn, at("workloads", w.Name), fmt.Sprintf("the name %q is for containers of the mesh", w.Name), `choose one that does not begin with "istio-"`)
		d.Span = t.spec.Key("workloads", w.Name)
		l.report(d)
	}
	if w.RunAs == 1337 {
		l.report(t.problem(diag.MeshOwn, at("workloads", w.Name, "runAs"), "user 1337 is the mesh's proxy, whose traffic is not intercepted", "choose another, or leave runAs out"))
	}
	metrics := 0
	if w.Metrics != nil {
		metrics = w.Metrics.Port
	}
	for _, x := range []struct {
		port int
		path []string
	}{{w.Port, at("workloads", w.Name, "port")}, {metrics, at("workloads", w.Name, "metrics", "port")}} {
		if x.port >= 15000 && x.port < 15100 {
			l.report(t.problem(diag.MeshOwn, x.path, fmt.Sprintf("port %d is the mesh's: its proxy has those from 15000 to 15099", x.port), "choose another port"))
		}
	}
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
	if t.spec.Database != nil && w.Database != noLogin {
		set := databaseEnv
		if w.Database == model.LoginMigrator {
			set = append(slices.Clone(set), "PGOPTIONS")
		}
		if d := l.set.Platform.Database; d != nil && d.CA != nil {
			set = append(slices.Clone(set), "PGSSLROOTCERT")
		}
		for _, v := range set {
			from[v] = "the tenant's database"
		}
	}
	known := names(t.spec.Secrets, func(s spec.SecretBundle) string { return s.Name })
	for i, name := range w.Secrets {
		j := slices.IndexFunc(t.spec.Secrets, func(s spec.SecretBundle) bool { return s.Name == name })
		if j < 0 {
			if name != "" {
				l.report(t.problem(diag.UnknownSecret, at("workloads", w.Name, "secrets", index(i)),
					fmt.Sprintf("%s takes the secrets %q, which is no bundle of %s", w.Name, name, t.spec.Name), cmp.Or(diag.DidYouMean(name, known), "add it to secrets:")))
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
	plain := func(env []spec.EnvVar, path ...string) {
		for _, e := range env {
			if by, twice := from[e.Name]; twice {
				l.report(t.problem(diag.ReservedEnv, append(slices.Clone(path), "env", e.Name),
					fmt.Sprintf("env sets %s, which %s sets already", e.Name, by), "take one of them out"))
			}
		}
	}
	plain(w.Env, "workloads", w.Name)
	for _, o := range t.spec.Overrides {
		for _, x := range o.Workloads {
			if x.Name == w.Name {
				plain(x.Env, "overrides", o.Cluster, "workloads", w.Name)
			}
		}
	}
}

// noLogin is what a workload says that takes no login of the tenant's database.
const noLogin = "none"

// databaseEnv is what every Secret with database credentials holds.
var databaseEnv = []string{"DATABASE_URL", "PGDATABASE", "PGHOST", "PGPASSWORD", "PGPORT", "PGSSLMODE", "PGUSER"}

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
			if i := slices.Index(workloads, w.Name); i >= 0 && !t.spec.Broken {
				l.overrideApplies(t, o.Cluster, t.spec.Workloads[i], w)
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

// overrideApplies refuses to change on one cluster what the workload does not have, which would change nothing or make
// it another kind of workload there.
func (l *linker) overrideApplies(t *tenant, cluster string, w spec.Workload, over spec.WorkloadOverride) {
	for _, x := range []struct {
		field string
		set   bool
		code  diag.Code
		why   string
	}{
		{"hosts", len(over.Hosts) > 0 && w.Expose != model.ExposePublic, diag.HostNotPublic, "is exposed as " + w.Expose},
		{"schedule", over.Schedule != "" && w.Schedule == "", diag.ScheduleConflict, "runs on no schedule"},
		{"replicas", over.Replicas != (spec.Replicas{}) && w.Schedule != "", diag.ScheduleConflict, "runs on a schedule"},
	} {
		if x.set {
			path := at("overrides", cluster, "workloads", w.Name, x.field)
			d := t.problem(x.code, path, fmt.Sprintf("there is an override for %s of %s, which %s", x.field, w.Name, x.why), "take it out")
			d.Span = t.spec.Key(path...)
			l.report(d)
		}
	}
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
	if p.Database != nil && w.Database != noLogin {
		out.Login = cmp.Or(w.Database, model.LoginApp)
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
	out.Identity = model.Subject{Origin: out.Origin, Hash: hash(w.Name)}
	out.Exposure = model.Subject{Origin: out.Origin, Hash: hash(out.Port, out.Expose, out.Hosts, out.Metrics, offersOf(t.spec, w.Name))}
	out.Scale = model.Subject{Origin: t.spec.Key("workloads", w.Name, "replicas"), Hash: hash(out.Min, out.Max)}
	p.Workloads = append(p.Workloads, out)
}

// offersOf gives what a tenant offers of one workload.
func offersOf(t *spec.Tenant, workload string) []spec.Offer {
	var out []spec.Offer
	for _, o := range t.Network.Offers {
		if o.Workload == workload {
			out = append(out, o)
		}
	}
	return out
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
