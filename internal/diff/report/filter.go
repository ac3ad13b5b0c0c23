package report

import "slices"

// Of gives the part of a report that is about some clusters and tenants; empty lists are all. What an object's change
// does elsewhere belongs to it, and so does a change elsewhere that something of theirs is affected by: a path from a
// neighbour is told where it begins and where it ends. Amounts and money are of clusters as a whole.
func (r *Report) Of(clusters, tenants []string) *Report {
	if len(clusters)+len(tenants) == 0 {
		return r
	}
	meant := func(cluster, tenant string) bool {
		return (len(clusters) == 0 || slices.Contains(clusters, cluster)) && (len(tenants) == 0 || slices.Contains(tenants,
			tenant))
	}
	out := *r
	out.Changes, out.Consequences, out.Paths, out.Amounts, out.Money = nil, nil, nil, nil, nil
	kept := make([]int, len(r.Changes)) // new index, from 1; 0: left out
	at := map[[2]int][2]int{}           // consequence and subject → where they are now
	for i, q := range r.Consequences {
		var subjects []Subject
		for j, s := range q.Subjects {
			if !meant(s.Cluster, s.Tenant) && !slices.ContainsFunc(s.Changes, func(c int) bool {
				return meant(r.Changes[c].Cluster, r.Changes[c].Tenant)
			}) {
				continue
			}
			for _, c := range s.Changes {
				kept[c] = 1
			}
			at[[2]int{i, j}] = [2]int{len(out.Consequences), len(subjects)}
			subjects = append(subjects, s)
		}
		if len(subjects) > 0 {
			q.Subjects = subjects
			out.Consequences = append(out.Consequences, q)
		}
	}
	for i, c := range r.Changes {
		if kept[i] != 0 {
			out.Changes = append(out.Changes, c)
			kept[i] = len(out.Changes)
		}
	}
	for _, q := range out.Consequences {
		for j := range q.Subjects {
			for _, list := range []*[]int{&q.Subjects[j].Changes, &q.Subjects[j].Key} {
				*list = slices.Clone(*list)
				for k, c := range *list {
					(*list)[k] = kept[c] - 1
				}
			}
		}
	}
	for _, p := range r.Paths {
		if to, ok := at[p.Subject]; ok {
			p.Subject = to
			out.Paths = append(out.Paths, p)
		}
	}
	for _, a := range r.Amounts {
		if len(clusters) == 0 || slices.Contains(clusters, a.Cluster) {
			out.Amounts = append(out.Amounts, a)
		}
	}
	for _, m := range r.Money {
		if len(clusters) == 0 || slices.Contains(clusters, m.Cluster) {
			out.Money = append(out.Money, m)
		}
	}
	return &out
}
