package link

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/source"
)

// platform links what does not depend on tenants or services.
func (l *linker) platform() {
	in := l.set.Platform
	l.out = &model.Platform{
		Subject:     model.Subject{Origin: in.Key("name"), Hash: hash(in.Name, in.Domain, in.GitOps)},
		Name:        in.Name,
		Domain:      in.Domain,
		GitOps:      model.GitOps(in.GitOps),
		Output:      in.Output,
		PullSecret:  model.PullSecret(in.PullSecret),
		SecretStore: model.SecretStore(in.SecretStore),
	}
	l.out.Sidecar = resources(spec.Resources{
		Requests: spec.ComputeBound{CPU: "20m", Memory: "64Mi"},
		Limits:   spec.ComputeBound{CPU: "500m", Memory: "256Mi"},
	})
	if in.Sidecar != nil {
		l.requestsWithinLimits(at("sidecar", "requests"), "the sidecar", *in.Sidecar)
		l.out.Sidecar = resources(*in.Sidecar)
	}
	for _, s := range in.Sizes {
		l.requestsWithinLimits(at("sizes", s.Name, "requests"), "size "+s.Name, s.Resources)
		l.sizes[s.Name] = resources(s.Resources)
	}
	for _, t := range in.Tiers {
		l.requestsWithinLimits(at("tiers", t.Name, "container", "defaultRequest"), "the default container of tier "+t.Name,
			spec.Resources{Requests: t.Container.DefaultRequest, Limits: t.Container.Default})
		l.tiers[t.Name] = tier(t)
		l.defaultWithinMax(t)
	}
	for _, c := range in.Clusters {
		l.out.Clusters = append(l.out.Clusters, l.cluster(c))
	}
	l.outputWithinRepository()
}

// outputWithinRepository refuses an output that the next run would read as specs, or that would replace them.
func (l *linker) outputWithinRepository() {
	first, _, _ := strings.Cut(l.set.Platform.Output, "/")
	if slices.Contains([]string{"tenants", "platform", "schema", "cue.mod", ".git"}, first) {
		l.report(l.platformProblem(diag.OutputPath, at("output"),
			fmt.Sprintf("output %q lies within %s/, which zave reads", l.set.Platform.Output, first),
			"choose a directory of its own, such as \"platform-gitops\""))
	}
}

func tier(t spec.Tier) *model.Tier {
	requests := compute(spec.ComputeBound{CPU: t.CPU, Memory: t.Memory})
	limits := times(requests, 2)
	if t.Limits != nil {
		limits = compute(*t.Limits)
	}
	return &model.Tier{
		Name:     t.Name,
		Requests: requests, Limits: limits,
		Storage:                quantity(t.Storage),
		Pods:                   int64(t.Pods),
		Services:               int64(t.Services),
		ConfigMaps:             int64(t.ConfigMaps),
		Secrets:                int64(t.Secrets),
		PersistentVolumeClaims: int64(t.PersistentVolumeClaims),
		Default:                compute(t.Container.Default),
		DefaultRequest:         compute(t.Container.DefaultRequest),
		Max:                    compute(t.Container.Max),
	}
}

// requestsWithinLimits, whose path is that of the requests, refuses what the API server would (core/v1 validation of ResourceRequirements).
func (l *linker) requestsWithinLimits(path []string, what string, r spec.Resources) {
	req, lim := compute(r.Requests), compute(r.Limits)
	for _, x := range []struct{ field, request, limit string }{
		{"cpu", r.Requests.CPU, r.Limits.CPU}, {"memory", r.Requests.Memory, r.Limits.Memory},
	} {
		over := req.CPU.Cmp(lim.CPU) > 0
		if x.field == "memory" {
			over = req.Memory.Cmp(lim.Memory) > 0
		}
		if over && x.request != "" && x.limit != "" {
			l.report(l.platformProblem(diag.RequestsLimits, append(slices.Clone(path), x.field),
				fmt.Sprintf("%s requests more %s (%s) than its limit (%s)", what, x.field, x.request, x.limit),
				"raise the limit or lower the request"))
		}
	}
}

// defaultWithinMax refuses a limit range that the API server would (core/v1 validation of LimitRangeItem).
func (l *linker) defaultWithinMax(t spec.Tier) {
	d, m := compute(t.Container.Default), compute(t.Container.Max)
	for _, x := range []struct {
		field, value, limit string
		over                bool
	}{
		{"cpu", t.Container.Default.CPU, t.Container.Max.CPU, d.CPU.Cmp(m.CPU) > 0},
		{"memory", t.Container.Default.Memory, t.Container.Max.Memory, d.Memory.Cmp(m.Memory) > 0},
	} {
		if x.over && x.value != "" && x.limit != "" {
			l.report(l.platformProblem(diag.RequestsLimits, at("tiers", t.Name, "container", "default", x.field),
				fmt.Sprintf("the default container of tier %s is given more %s (%s) than a container may have (%s)", t.Name, x.field, x.value, x.limit),
				"raise max or lower default"))
		}
	}
}

func (l *linker) cluster(c spec.Cluster) *model.Cluster {
	out := &model.Cluster{
		Subject:      model.Subject{Origin: l.set.Platform.Key("clusters", c.Name), Hash: hash(c)},
		Platform:     l.out,
		Name:         c.Name,
		Kubernetes:   c.Kubernetes,
		Minor:        minor(c.Kubernetes),
		Domain:       c.Domain,
		StorageClass: c.StorageClass,
		TrustDomain:  c.TrustDomain,
		Gateway:      c.Gateway,
		TLSSecret:    c.TLSSecret,
		PodCIDR:      prefix(c.PodCIDR),
		ServiceCIDR:  prefix(c.ServiceCIDR),
		NodeCIDR:     prefix(c.NodeCIDR),
		Free:         free(c),
		Cost:         l.cost(c),
	}
	for i, h := range l.set.Platform.Hosts {
		l.claims[claim{"host on " + c.Name, h}] = holder{"the platform", l.set.Platform.At("hosts", index(i))}
	}
	ranges := []struct {
		field string
		p     netip.Prefix
	}{{"podCIDR", out.PodCIDR}, {"serviceCIDR", out.ServiceCIDR}, {"nodeCIDR", out.NodeCIDR}}
	for i, a := range ranges {
		for _, b := range ranges[:i] {
			if a.p.IsValid() && b.p.IsValid() && a.p.Overlaps(b.p) {
				l.report(l.platformProblem(diag.NetworkOverlap, at("clusters", c.Name, a.field),
					fmt.Sprintf("%s %s of cluster %s overlaps its %s %s", a.field, a.p, c.Name, b.field, b.p),
					"give each its own range",
					diag.Note{Span: l.set.Platform.At("clusters", c.Name, b.field), Text: b.field + " is set here"}))
			}
		}
	}
	return out
}

// free is what the nodes have for tenants.
func free(c spec.Cluster) model.Compute {
	var out model.Compute
	for _, n := range c.Nodes {
		out = plus(out, times(model.Compute{CPU: quantity(string(n.CPU)), Memory: quantity(n.Memory)}, int64(n.Count)))
	}
	if c.Reserved != nil {
		r := compute(*c.Reserved)
		out.CPU.Sub(r.CPU)
		out.Memory.Sub(r.Memory)
	}
	return out
}

// cost is what a cluster costs; nil where that is not said.
func (l *linker) cost(c spec.Cluster) *model.Cost {
	if c.Cost == nil {
		return nil
	}
	price := func(n json.Number) float64 {
		x, err := n.Float64()
		if err != nil {
			return 0 // left out
		}
		return x
	}
	out := &model.Cost{
		Origin:  l.set.Platform.Key("clusters", c.Name, "cost"),
		Monthly: price(c.Cost.Monthly), CPU: price(c.Cost.CPU), Memory: price(c.Cost.Memory),
	}
	for _, item := range c.Cost.Hourly {
		out.Hourly += price(item.USD)
	}
	return out
}

// minor is the part of a version that schemas and Pod Security go by: "1.34" of "v1.34.3+k3s1".
func minor(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return ""
	}
	return parts[0] + "." + parts[1]
}

func prefix(s string) netip.Prefix {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}
	}
	return p.Masked()
}

// services links the services that are enabled on a cluster: their needs, their namespaces, and who plays which role.
func (l *linker) services(c *model.Cluster) {
	in := l.set.Platform
	byName := map[string]*model.Service{}
	for _, s := range in.Services {
		if l.first(c) {
			l.overrideClusters(s)
		}
		if out := l.service(c, s); out != nil {
			byName[s.Name] = out
			c.Services = append(c.Services, out)
		}
	}
	known := names(in.Services, func(s spec.Service) string { return s.Name })
	for _, s := range in.Services {
		out, on := byName[s.Name]
		for i, need := range s.Needs {
			path := at("services", s.Name, "needs", index(i))
			switch other := byName[need]; {
			case !slices.Contains(known, need):
				if l.first(c) {
					l.report(l.platformProblem(diag.UnknownService, path,
						fmt.Sprintf("service %s needs %q, which is no service", s.Name, need), diag.DidYouMean(need, known)))
				}
			case on && other == nil:
				l.report(l.platformProblem(diag.NoProvider, path,
					fmt.Sprintf("service %s needs %s, which is not enabled on cluster %s", s.Name, need, c.Name),
					fmt.Sprintf("enable %s there, or disable %s as well", need, s.Name)))
			case on:
				out.Needs = append(out.Needs, other)
			}
		}
	}
	l.cycles(c)
	l.namespaces(c)
	l.roles(c)
	l.databaseService(c, byName)
	l.serviceSecrets(c)
	for _, s := range c.Services {
		slices.SortFunc(s.Needs, func(a, b *model.Service) int { return strings.Compare(a.Name, b.Name) })
		s.Needs = slices.Compact(s.Needs)
	}
}

// first tells whether this is the cluster for which mistakes that do not depend on one are reported.
func (l *linker) first(c *model.Cluster) bool { return c == l.out.Clusters[0] }

func (l *linker) overrideClusters(s spec.Service) {
	clusters := names(l.out.Clusters, func(c *model.Cluster) string { return c.Name })
	for _, o := range s.Clusters {
		if !slices.Contains(clusters, o.Cluster) {
			d := l.platformProblem(diag.UnknownCluster, at("services", s.Name, "clusters", o.Cluster),
				fmt.Sprintf("service %s is changed for %q, which is no cluster", s.Name, o.Cluster), diag.DidYouMean(o.Cluster, clusters))
			d.Span = l.set.Platform.Key("services", s.Name, "clusters", o.Cluster)
			l.report(d)
		}
	}
}

// service applies a cluster's override; nil where the service does not run there.
func (l *linker) service(c *model.Cluster, s spec.Service) *model.Service {
	chart, values := model.Chart(s.Chart), s.Values
	for _, o := range s.Clusters {
		if o.Cluster != c.Name {
			continue
		}
		if !o.Enabled {
			return nil
		}
		if o.Version != "" {
			chart.Version = o.Version
		}
		values = mergeValues(values, o.Values)
	}
	out := &model.Service{
		Subject:     model.Subject{Origin: l.set.Platform.Key("services", s.Name), Hash: hash(s)},
		Cluster:     c,
		Name:        s.Name,
		Namespace:   s.Namespace,
		Chart:       chart,
		CRDs:        s.Provides.CRDs,
		PodSecurity: s.PodSecurity,
		Injection:   s.Injection,
		Interval:    s.Interval,
		Timeout:     s.Timeout,
		Values:      values,
	}
	for _, b := range s.Secrets {
		out.Secrets = append(out.Secrets, &model.SecretBundle{
			Subject: model.Subject{Origin: l.set.Platform.Key("services", s.Name, "secrets", b.Name), Hash: hash(b)},
			Name:    b.Name, Path: b.Path, Keys: b.Keys, Refresh: b.Refresh,
		})
	}
	for _, e := range s.Provides.Endpoints {
		ep := &model.Endpoint{
			Service: out, Name: e.Name, Port: int32(e.Port), Pods: map[string]string{}, ServiceAccount: e.ServiceAccount,
		}
		if e.Service != "" {
			ep.Host = e.Service + "." + s.Namespace + ".svc.cluster.local"
		}
		for _, p := range e.Pods {
			ep.Pods[p.Name] = p.Value
		}
		out.Endpoints = append(out.Endpoints, ep)
	}
	return out
}

// mergeValues lays one set of chart values over another as Helm does: objects field by field, anything else replaced.
// Fields of the result are sorted.
func mergeValues(base, over json.RawMessage) json.RawMessage {
	if len(over) == 0 {
		return base
	}
	if len(base) == 0 {
		return over
	}
	var a, b map[string]any
	if decodeNumbers(base, &a) != nil || decodeNumbers(over, &b) != nil {
		return base // not objects: the loader lets no such values through
	}
	out, err := json.Marshal(mergeMaps(a, b))
	if err != nil {
		panic(fmt.Sprintf("values that were JSON cannot be written as JSON: %v", err))
	}
	return out
}

// decodeNumbers keeps numbers as they were written.
func decodeNumbers(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(into)
}

func mergeMaps(a, b map[string]any) map[string]any {
	for k, v := range b {
		under, ok1 := a[k].(map[string]any)
		over, ok2 := v.(map[string]any)
		if ok1 && ok2 {
			a[k] = mergeMaps(under, over)
		} else {
			a[k] = v
		}
	}
	return a
}

// cycles reports each circle of needs once, at the first service of it by name.
func (l *linker) cycles(c *model.Cluster) {
	const (
		unseen = iota
		open
		done
	)
	state := map[*model.Service]int{}
	var path []*model.Service
	var visit func(s *model.Service)
	visit = func(s *model.Service) {
		state[s] = open
		path = append(path, s)
		for _, n := range slices.Clone(s.Needs) {
			switch state[n] {
			case unseen:
				visit(n)
			case open:
				circle := path[slices.Index(path, n):]
				// Without this edge the rest can still be ordered, and linking goes on.
				s.Needs = slices.DeleteFunc(s.Needs, func(x *model.Service) bool { return x == n })
				if l.first(c) {
					l.report(l.platformProblem(diag.ServiceCycle, at("services", n.Name, "needs"),
						"services need each other in a circle: "+strings.Join(append(inOrder(circle), n.Name), " → "),
						"drop one of these needs"))
				}
			}
		}
		path = path[:len(path)-1]
		state[s] = done
	}
	for _, s := range c.Services {
		if state[s] == unseen {
			visit(s)
		}
	}
}

// inOrder gives names in the order of the list.
func inOrder(list []*model.Service) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s.Name
	}
	return out
}

// namespaces gives each namespace to one service, which all others in it then need: two units that declare one
// namespace would have two owners. It is the first that no other service of the namespace comes before.
func (l *linker) namespaces(c *model.Cluster) {
	owner := map[string]*model.Service{}
	for _, s := range c.Services {
		o := owner[s.Namespace]
		if o == nil || needsAny(o, s) {
			owner[s.Namespace] = s
		}
	}
	for _, s := range c.Services {
		o := owner[s.Namespace]
		s.OwnsNamespace = o == s
		if o != s {
			s.Needs = append(s.Needs, o)
			if o.PodSecurity != s.PodSecurity && l.first(c) {
				l.report(l.platformProblem(diag.DuplicateNamespace, at("services", s.Name, "podSecurity"),
					fmt.Sprintf("services %s and %s share namespace %s at different pod security levels, %s and %s",
						o.Name, s.Name, s.Namespace, o.PodSecurity, s.PodSecurity),
					"give both the level that the more demanding one needs"))
			}
		}
		l.claims[claim{"namespace", s.Namespace}] = holder{
			what: "service " + s.Name, span: l.set.Platform.At("services", s.Name, "namespace"),
		}
	}
}

// needsAny tells whether a needs b, directly or through others.
func needsAny(a, b *model.Service) bool {
	seen := map[*model.Service]bool{}
	var walk func(*model.Service) bool
	walk = func(s *model.Service) bool {
		if seen[s] {
			return false
		}
		seen[s] = true
		for _, n := range s.Needs {
			if n == b || walk(n) {
				return true
			}
		}
		return false
	}
	return walk(a)
}

// roles finds the services that tenants are wired to.
func (l *linker) roles(c *model.Cluster) {
	for _, s := range l.set.Platform.Services {
		i := slices.IndexFunc(c.Services, func(m *model.Service) bool { return m.Name == s.Name })
		if s.Role == "" || i < 0 {
			continue
		}
		var slot **model.Service
		switch s.Role {
		case "mesh":
			slot = &c.Mesh
		case "gateway":
			slot = &c.Ingress
		case "monitoring":
			slot = &c.Monitoring
		case "delivery":
			slot = &c.Delivery
		case "secrets":
			slot = &c.Secrets
		default:
			continue
		}
		path := at("services", s.Name, "role")
		if first := *slot; first != nil {
			l.report(l.platformProblem(diag.DuplicateName, path,
				fmt.Sprintf("services %s and %s both have role %q", first.Name, s.Name, s.Role),
				"leave the role to one of them",
				diag.Note{Span: l.set.Platform.At("services", first.Name, "role"), Text: "first taken here"}))
			continue
		}
		*slot = c.Services[i]
		if s.Role != "delivery" && s.Role != "secrets" && len(c.Services[i].Endpoints) == 0 {
			l.report(l.platformProblem(diag.NoProvider, path,
				fmt.Sprintf("service %s has role %q and provides no endpoint that tenants could be given a path to", s.Name, s.Role),
				"add provides: endpoints: with its port, pods and serviceAccount"))
		}
	}
}

func (l *linker) databaseService(c *model.Cluster, services map[string]*model.Service) {
	in := l.set.Platform.Database
	if in == nil || in.Service == "" {
		return
	}
	known := names(l.set.Platform.Services, func(s spec.Service) string { return s.Name })
	if !slices.Contains(known, in.Service) {
		if l.first(c) {
			l.report(l.platformProblem(diag.UnknownService, at("database", "service"),
				fmt.Sprintf("the database is run by %q, which is no service", in.Service), diag.DidYouMean(in.Service, known)))
		}
		return
	}
	s := services[in.Service]
	if s == nil {
		return // not on this cluster: a tenant that asks for a database here is told
	}
	i := slices.IndexFunc(s.Endpoints, func(e *model.Endpoint) bool { return e.Name == in.Endpoint })
	if i < 0 {
		if l.first(c) {
			l.report(l.platformProblem(diag.UnknownService, at("database", "endpoint"),
				fmt.Sprintf("service %s provides no endpoint %q", s.Name, in.Endpoint),
				diag.DidYouMean(in.Endpoint, names(s.Endpoints, func(e *model.Endpoint) string { return e.Name }))))
		}
		return
	}
	if in.Image.Digest == "" && in.Image.Repository != "" && l.first(c) {
		l.report(l.platformProblem(diag.ImageWithoutDigest, at("database", "image"),
			fmt.Sprintf("the database's image %s has no digest", in.Image.Repository), digestHint))
	}
	out := &model.DatabaseService{
		Subject:             model.Subject{Origin: l.set.Platform.Key("database"), Hash: hash(in)},
		Endpoint:            s.Endpoints[i],
		Image:               model.Image(in.Image),
		Script:              in.Bootstrap == "psql",
		Role:                in.Role,
		Database:            in.Database,
		Monitors:            slices.Compact(slices.Sorted(slices.Values(in.Monitors))),
		Strict:              in.Profile == "strict",
		MaxConnections:      in.MaxConnections,
		ReservedConnections: in.ReservedConnections,
		Password:            model.StoredValue{Path: in.BootstrapSecret.Path, Key: in.BootstrapSecret.Password},
		CA:                  (*model.StoredValue)(in.CA),
	}
	if s := in.SuperuserSecret; s != nil {
		out.Superuser = &model.Superuser{Name: s.User, Password: model.StoredValue{Path: s.Path, Key: s.Password}}
	}
	for _, n := range in.Networks {
		if p := prefix(n); p.IsValid() {
			out.Networks = append(out.Networks, p)
		}
	}
	if len(in.Networks) == 0 && c.PodCIDR.IsValid() {
		out.Networks = []netip.Prefix{c.PodCIDR}
	}
	slices.SortFunc(out.Networks, netip.Prefix.Compare)
	out.Networks = slices.Compact(out.Networks)
	l.instanceNames(c, in)
	l.beyondScript(c, in)
	l.archive(c, in, out)
	c.Database = out
}

// instanceNames claims the names of the platform's own roles and of its database before any tenant can.
func (l *linker) instanceNames(c *model.Cluster, in *spec.DatabaseService) {
	for _, x := range []struct{ what, name, hint string }{
		{"role", in.Role, `leave role out, and it is platform_bootstrap`},
		{"database", in.Database, `leave database out, and it is zave`},
	} {
		if reason := notSQL(x.name); reason != "" && l.first(c) {
			l.report(l.platformProblem(diag.ReservedName, at("database", x.what),
				fmt.Sprintf("the name %q of the platform's %s %s", x.name, x.what, reason), x.hint))
		}
	}
	mine := func(where, name string, path ...string) {
		span := l.set.Platform.At(path...)
		if span == l.set.Platform.At("database") { // left out
			span = l.set.Platform.Key("database")
		}
		key := claim{where + " on " + c.Name, name}
		if _, taken := l.claims[key]; !taken && name != "" {
			l.claims[key] = holder{"the platform", span}
		}
	}
	mine("database", in.Database, "database", "database")
	mine("role", in.Role, "database", "role")
	if in.SuperuserSecret != nil {
		mine("role", in.SuperuserSecret.User, "database", "superuserSecret", "user")
	}
	for i, role := range in.Monitors {
		mine("role", role, "database", "monitors", index(i))
	}
	for i, role := range in.ReservedRoles {
		mine("role", role, "database", "reservedRoles", index(i))
	}
}

// beyondScript refuses what a script for psql does not do.
func (l *linker) beyondScript(c *model.Cluster, in *spec.DatabaseService) {
	if in.Bootstrap != "psql" || !l.first(c) {
		return
	}
	for _, x := range []struct {
		set   bool
		field string
		what  string
	}{
		{in.Backup != nil, "backup", "backups are taken by zave"},
		{in.Profile == "strict", "profile", "the strict profile is brought about by zave, in each tenant's database"},
	} {
		if x.set {
			d := l.platformProblem(diag.BeyondScript, at("database", x.field), x.what+", and the Jobs run psql",
				fmt.Sprintf(`leave bootstrap: "psql" out and name zave's image, or leave %s out`, x.field))
			d.Span = l.set.Platform.Key("database", x.field)
			l.report(d)
		}
	}
}

// archive links where backups go.
func (l *linker) archive(c *model.Cluster, in *spec.DatabaseService, db *model.DatabaseService) {
	b := in.Backup
	if b == nil {
		return
	}
	wrong := func(summary, hint string, path ...string) {
		if !l.first(c) || l.set.Platform.Broken {
			return
		}
		path = append(at("database", "backup"), path...)
		d := l.platformProblem(diag.BackupTarget, path, summary, hint)
		d.Span = l.set.Platform.Key(path...)
		l.report(d)
	}
	switch {
	case b.S3 == nil && b.Claim == "":
		wrong("the backups go nowhere", `add s3: {url: "s3://…", …}, or claim: with the name of a PersistentVolumeClaim`)
	case b.S3 != nil && b.Claim != "":
		wrong("the backups go both to a bucket and to a claim", "keep one of them", "claim")
	}
	out := &model.Archive{
		Claim:      b.Claim,
		Recipients: slices.Sorted(slices.Values(b.Recipients)),
		Sign:       model.StoredValue(b.SigningKey),
		Verify:     slices.Sorted(slices.Values(b.VerifyKeys)),
	}
	if b.RestoreTest != nil {
		out.Test = &model.RestoreTest{Schedule: b.RestoreTest.Schedule, Identity: model.StoredValue(b.RestoreTest.Identity)}
	}
	if s3 := b.S3; s3 != nil {
		out.Bucket = &model.Bucket{
			URL:     s3.URL + "/" + c.Name, // the same tenant on two clusters has two databases
			Address: s3.Endpoint,
			Region:  s3.Region,
			Credentials: model.Credentials{
				Path: s3.Credentials.Path, Username: s3.Credentials.AccessKey, Password: s3.Credentials.SecretKey,
			},
			CA: (*model.StoredValue)(s3.CA),
		}
		switch {
		case s3.Service == "" && len(s3.CIDRs) == 0:
			wrong("nothing says where the bucket is, and so no network policy can let backups reach it",
				"add cidrs: with its addresses, or service: with the endpoint of a platform service", "s3")
		case s3.Service != "" && len(s3.CIDRs) > 0:
			wrong("the bucket is both an endpoint of a platform service and outside the cluster", "keep one of them", "s3", "service")
		case s3.Service != "":
			out.Bucket.Endpoint = l.bucketEndpoint(c, s3.Service)
		default:
			out.Bucket.Egress = l.bucketEgress(c, s3)
		}
	}
	db.Backup = out
}

// bucketEndpoint finds the endpoint of a platform service.
func (l *linker) bucketEndpoint(c *model.Cluster, name string) *model.Endpoint {
	for _, s := range c.Services {
		if i := slices.IndexFunc(s.Endpoints, func(e *model.Endpoint) bool { return e.Name == name }); i >= 0 {
			return s.Endpoints[i]
		}
	}
	path := at("database", "backup", "s3", "service")
	var known []string
	for _, s := range l.set.Platform.Services {
		for _, e := range s.Provides.Endpoints {
			if e.Name == name {
				l.report(l.platformProblem(diag.NoProvider, path,
					fmt.Sprintf("backups go to %s of service %s, which is not enabled on cluster %s", name, s.Name, c.Name),
					"enable it there, or name the bucket's addresses with cidrs:"))
				return nil
			}
			known = append(known, e.Name)
		}
	}
	if l.first(c) {
		slices.Sort(known)
		l.report(l.platformProblem(diag.UnknownService, path,
			fmt.Sprintf("%q is no endpoint of a platform service", name), diag.DidYouMean(name, known)))
	}
	return nil
}

// bucketEgress gives the path to a bucket outside the cluster, which leaves out what is never reached.
func (l *linker) bucketEgress(c *model.Cluster, s3 *spec.Bucket) *model.Egress {
	out := &model.Egress{Name: "bucket", Ports: []int32{int32(s3.Port)}, Protocol: "TCP"}
	for i, s := range s3.CIDRs {
		cidr := prefix(s)
		if !cidr.IsValid() {
			continue
		}
		except, inside := exceptions(c, cidr, false)
		for _, f := range inside {
			l.report(l.platformProblem(diag.EgressOverlap, at("database", "backup", "s3", "cidrs", index(i)),
				fmt.Sprintf("%s lies in %s of cluster %s, %s", cidr, f.prefix, c.Name, f.what),
				"name the platform service that serves the bucket with service:"))
		}
		out.CIDRs = append(out.CIDRs, cidr)
		out.Except = append(out.Except, except)
	}
	return out
}

// serviceSecrets gives each Secret of a service's namespace to one owner. In that of the database service are also the
// image pull secret, those that Jobs read and, by tenant, the credentials of the bootstrap.
func (l *linker) serviceSecrets(c *model.Cluster) {
	if c.Database != nil {
		where := secretsOf(c, c.Database.Endpoint.Service.Namespace)
		l.claims[claim{where, l.out.PullSecret.Name}] = holder{"the image pull secret", l.set.Platform.At("pullSecret")}
		for _, name := range model.InstanceSecrets() {
			d := l.platformProblem(diag.DuplicateName, at("pullSecret", "name"),
				fmt.Sprintf("the Secret %s in namespace %s", name, c.Database.Endpoint.Service.Namespace), "choose another name")
			if !l.claim(where, name, holder{"the database's Jobs", l.set.Platform.Key("database")}, &d) && l.first(c) {
				l.report(d)
			}
		}
	}
	for _, s := range c.Services {
		for _, b := range s.Secrets {
			d := l.platformProblem(diag.DuplicateName, at("services", s.Name, "secrets", b.Name),
				fmt.Sprintf("the Secret %s in namespace %s", b.Name, s.Namespace), "choose another name")
			d.Span = b.Origin
			if !l.claim(secretsOf(c, s.Namespace), b.Name, holder{"service " + s.Name, b.Origin}, &d) && l.first(c) {
				l.report(d)
			}
		}
	}
}

// secretsOf is the scope of Secrets' names.
func secretsOf(c *model.Cluster, namespace string) string {
	return "secret on " + c.Name + " in " + namespace
}

const digestHint = "add digest: \"sha256:…\", as `crane digest` or the registry's page prints it"

// noProvider reports, once a cluster and thing, that tenants need what is not there.
func (l *linker) noProvider(c *model.Cluster, thing, summary, hint string, because source.Span) {
	key := claim{"no provider on " + c.Name, thing}
	if _, said := l.claims[key]; said {
		return
	}
	l.claims[key] = holder{}
	d := l.platformProblem(diag.NoProvider, at("clusters", c.Name), summary, hint, diag.Note{Span: because, Text: "needed from here"})
	d.Span = l.set.Platform.Key("clusters", c.Name)
	l.report(d)
}
