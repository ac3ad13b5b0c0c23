package link

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"k8s.io/apimachinery/pkg/api/resource"
)

// capacity does the arithmetic from workload to quota, and from quota to cluster.
func (l *linker) capacity() {
	if l.set.Platform.Broken {
		return // sums of what was misspelt
	}
	for _, t := range l.order {
		for _, p := range t.model.Placements {
			if p.Tier != nil && p.State != model.Retired {
				l.fitsTier(t, p)
			}
		}
	}
	for _, c := range l.out.Clusters {
		i := slices.IndexFunc(l.set.Platform.Clusters, func(s spec.Cluster) bool { return s.Name == c.Name })
		l.fitsCluster(c, l.set.Platform.Clusters[i])
		l.connections(c)
	}
}

// ownConfigMaps are in every namespace: the API server's certificate, the mesh's, and the marker of a retired tenant.
const ownConfigMaps = 3

// amount is one line of a sum: what is needed against what there is.
type amount struct {
	name        string
	need, limit resource.Quantity
}

// fitsTier checks that the tenant's own workloads fit its quota, sidecars, the largest scale and one surge pod a
// Deployment included: else the quota would stop a rollout half way.
func (l *linker) fitsTier(t *tenant, p *model.Placement) {
	var requests, limits model.Compute
	var pods, services int64
	sidecar := l.out.Sidecar
	for _, w := range p.Workloads {
		n := int64(1) // a scheduled run never overlaps the one before
		if w.Schedule == "" {
			n = int64(max(w.Max, w.Min)) + 1
		}
		requests = plus(requests, times(plus(w.Resources.Requests, sidecar.Requests), n))
		limits = plus(limits, times(plus(w.Resources.Limits, sidecar.Limits), n))
		pods += n
		if w.Port != 0 || w.Metrics != nil {
			services++
		}
		l.fitsContainer(t, p, w)
	}
	count := func(n int64) resource.Quantity { return *resource.NewQuantity(n, resource.DecimalSI) }
	secrets := int64(len(p.Secrets)) + 1
	if p.Database != nil {
		secrets += int64(len(p.Database.Logins))
		if p.Database.Verified(p) {
			secrets++ // the certificate authority
		}
	}
	tier := p.Tier
	var short []string
	for _, a := range []amount{
		{"cpu requests", requests.CPU, tier.Requests.CPU},
		{"memory requests", requests.Memory, tier.Requests.Memory},
		{"cpu limits", limits.CPU, tier.Limits.CPU},
		{"memory limits", limits.Memory, tier.Limits.Memory},
		{"pods", count(pods), count(tier.Pods)},
		{"services", count(services), count(tier.Services)},
		{"secrets", count(secrets), count(tier.Secrets)},
		{"configmaps", count(ownConfigMaps), count(tier.ConfigMaps)},
	} {
		if a.need.Cmp(a.limit) > 0 {
			short = append(short, fmt.Sprintf("%s %s of %s", a.name, a.need.String(), a.limit.String()))
		}
	}
	if len(short) == 0 {
		return
	}
	d := t.problem(diag.QuotaTooSmall, at("tier"), fmt.Sprintf("%s does not fit tier %s: %s", t.spec.Name, tier.Name, strings.Join(short, ", ")),
		"choose a larger tier, smaller sizes or fewer replicas; each pod counts its sidecar, each Deployment one pod more while it rolls out")
	d.Span = t.spec.Key("tier")
	if d.Span == t.spec.Key() { // the tier was left out: what is too much stands here
		d.Span = t.spec.Key("workloads")
	}
	t.reportOn(p.Cluster, d)
}

// fitsContainer checks a container and its sidecar against the tier's limit range.
func (l *linker) fitsContainer(t *tenant, p *model.Placement, w *model.Workload) {
	for _, x := range []struct {
		what string
		lim  model.Compute
	}{
		{"size " + w.Size + " of " + w.Name, w.Resources.Limits},
		{"the mesh's sidecar in " + w.Name, l.out.Sidecar.Limits},
	} {
		for _, a := range []amount{{"cpu", x.lim.CPU, p.Tier.Max.CPU}, {"memory", x.lim.Memory, p.Tier.Max.Memory}} {
			if a.need.Cmp(a.limit) > 0 {
				t.reportOn(p.Cluster, t.problem(diag.SizeExceedsTier, at("workloads", w.Name, "size"),
					fmt.Sprintf("%s may take %s %s, and tier %s allows one container %s", x.what, a.need.String(), a.name, p.Tier.Name, a.limit.String()),
					"choose a smaller size or a larger tier"))
			}
		}
	}
}

// fitsCluster adds up the quotas. Quotas are promises: more of them than the nodes can keep is found here, not by the
// tenant whose pods stay pending.
func (l *linker) fitsCluster(c *model.Cluster, in spec.Cluster) {
	var promised model.Compute
	var storage resource.Quantity
	placed := 0
	for _, p := range c.Placements {
		if p.Tier == nil || p.State == model.Retired {
			continue
		}
		placed++
		promised = plus(promised, p.Tier.Requests)
		storage.Add(p.Tier.Storage)
	}
	sums := []amount{{"cpu", promised.CPU, c.Free.CPU}, {"memory", promised.Memory, c.Free.Memory}}
	if in.Storage != "" {
		sums = append(sums, amount{"storage", storage, quantity(in.Storage)})
	}
	for _, a := range sums {
		if a.need.Cmp(a.limit) > 0 {
			d := l.platformProblem(diag.ClusterFull, at("clusters", c.Name),
				fmt.Sprintf("the quotas of %d tenants on cluster %s promise %s %s, and its nodes have %s left for them", placed, c.Name, a.need.String(), a.name, a.limit.String()),
				"add nodes, lower tiers, or move a tenant to another cluster")
			d.Span = l.set.Platform.Key("clusters", c.Name)
			l.report(d)
		}
	}
}

// connections checks the promise of the database service.
func (l *linker) connections(c *model.Cluster) {
	in := l.set.Platform.Database
	if in == nil || c.Database == nil || in.MaxConnections == 0 {
		return
	}
	sum, n := 0, 0
	for _, p := range c.Placements {
		// A retired tenant's database is still there, and its logins with it, which may be used up to its limit.
		if p.Database != nil {
			sum += p.Database.Connections
			n++
		}
	}
	if free := in.MaxConnections - in.ReservedConnections; sum > free {
		d := l.platformProblem(diag.Connections, at("database", "maxConnections"),
			fmt.Sprintf("on cluster %s, %d tenants may open %d database connections, and the service has %d for them (%d less %d reserved)",
				c.Name, n, sum, free, in.MaxConnections, in.ReservedConnections),
			"raise maxConnections with the server's max_connections, or lower the tenants' connections")
		if d.Span == l.set.Platform.At("database") { // left out
			d.Span = l.set.Platform.Key("database")
		}
		l.report(d)
	}
}
