package diff

import (
	"github.com/zavestudios/zave/internal/diff/reach"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
)

// exposure takes over what package reach tells, and keeps where each of its subjects comes from, which its paths count
// in.
func (c *comparison) exposure() error {
	objects := func(s *Snapshot) (out []object.Object) {
		n := 0
		for i := range s.Units {
			n += len(s.Units[i].Objects)
		}
		out = make([]object.Object, 0, n)
		for i := range s.Units {
			out = append(out, s.Units[i].Objects...)
		}
		return out
	}
	if len(c.changes) == 0 {
		return nil
	}
	r, err := reach.Compare(objects(c.base), objects(c.head))
	if err != nil {
		return err
	}
	c.paths = r.Paths
	for i, q := range r.Consequences {
		for j, s := range q.Subjects {
			e := effect{
				rule: q.Rule, kind: q.Kind, name: s.Name, text: q.Text, why: q.Why, plan: q.Plan, data: q.Data,
				cluster: s.Cluster, tenant: s.Tenant, origin: s.Origin, reach: &[2]int{i, j},
			}
			for _, id := range r.Because[i][j] {
				if x := c.byID[id]; x != nil {
					e.changes = append(e.changes, x)
				}
			}
			c.add(e)
		}
	}
	return nil
}

// policy tells whether a kind says who may reach what, or who may do what.
func policy(x *change) bool {
	switch x.Group {
	case "networking.k8s.io", "rbac.authorization.k8s.io", "security.istio.io", "networking.istio.io":
		return true
	}
	return x.Group == "argoproj.io" && x.Kind == "AppProject" || x.Group == "" && x.Kind == "ServiceAccount"
}

// policies is said of a policy of which package reach tells nothing.
func (c *comparison) policies(x *change) {
	switch x.Action {
	case report.Create:
		c.add(x.about("policy-changed", "created"))
	case report.Delete:
		c.add(x.about("policy-changed", "deleted"))
	default:
		c.add(x.about("policy-changed", "changed: "+paths(c.acting(x))))
	}
}
