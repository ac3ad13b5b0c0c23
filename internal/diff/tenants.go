package diff

import (
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
)

// tenancy is a tenant on a cluster, on both sides.
type tenancy struct {
	tenantKey
	before, after  bool             // it has objects, or a spec, there
	stateB, stateA string           // empty: not known
	placeB, placeA *model.Placement // nil: not known
	changes        []*change
}

// retired tells whether the spec says that the tenant is to go: head's, or base's where head has none any more.
func (t *tenancy) retired() bool {
	return t.stateA == model.Retired || !t.after && t.stateB == model.Retired
}

// tenancies looks up the tenants that something changes for.
func (c *comparison) tenancies() {
	c.tenants = map[tenantKey]*tenancy{}
	for _, x := range c.changes {
		if x.Tenant == "" {
			continue
		}
		k := tenantKey{x.Cluster, x.Tenant}
		t := c.tenants[k]
		if t == nil {
			t = &tenancy{tenantKey: k}
			c.tenants[k] = t
		}
		t.changes = append(t.changes, x)
	}
	look := func(s *Snapshot, found *func(*tenancy) *bool, set func(*tenancy, *model.Placement), state func(*tenancy) *string) {
		for _, u := range s.Units {
			if u.Part == unit.Service || u.Part == unit.Entry || u.Part == unit.Instance {
				continue
			}
			if t := c.tenants[tenantKey{u.Cluster, u.Name}]; t != nil {
				*(*found)(t) = true
				for i := range u.Objects {
					if o := &u.Objects[i]; u.Part == unit.Workloads && o.Kind == "ConfigMap" && o.Name == "retired" {
						*state(t) = model.Retired
					}
				}
			}
		}
		if s.Platform == nil {
			return
		}
		for _, k := range s.Platform.Clusters {
			for _, p := range k.Placements {
				if t := c.tenants[tenantKey{k.Name, p.Tenant.Name}]; t != nil {
					*(*found)(t) = true
					*state(t) = p.State
					set(t, p)
				}
			}
		}
	}
	b, a := func(t *tenancy) *bool { return &t.before }, func(t *tenancy) *bool { return &t.after }
	look(c.base, &b, func(t *tenancy, p *model.Placement) { t.placeB = p }, func(t *tenancy) *string { return &t.stateB })
	look(c.head, &a, func(t *tenancy, p *model.Placement) { t.placeA = p }, func(t *tenancy) *string { return &t.stateA })
}
