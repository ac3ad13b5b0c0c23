package diff

import (
	"cmp"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/source"
)

// wholes says what comes, goes or stops as a whole, once for all objects that are part of it: tenants, databases and
// platform services.
func (c *comparison) wholes() {
	keys := make([]tenantKey, 0, len(c.tenants))
	for k := range c.tenants {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b tenantKey) int {
		return cmp.Or(strings.Compare(a.cluster, b.cluster), strings.Compare(a.tenant, b.tenant))
	})
	for _, k := range keys {
		c.tenantWhole(c.tenants[k])
	}
	c.services()
}

func (c *comparison) tenantWhole(t *tenancy) {
	switch {
	case t.before && !t.after:
		c.tenantDeleted(t)
		return
	case t.after && !t.before:
		c.tenantAdded(t)
		return
	case t.stateA == model.Retired && t.stateB != model.Retired:
		c.tenantRetired(t)
		return
	case t.stateA == model.Suspended && t.stateB == model.Active:
		c.tenantStops(t, "tenant-suspended", "suspended: "+c.stops(t))
	case t.stateA == model.Active && (t.stateB == model.Suspended || t.stateB == model.Retired):
		c.tenantResumed(t)
	}
	db := unit.Key{Cluster: t.cluster, Part: unit.Database, Name: t.tenant}
	switch {
	case c.around.goes(db):
		c.databaseRemoved(t)
	case c.around.comes(db):
		c.databaseAdded(t)
	}
}

// whole is an effect on a tenant, or another thing that is not one object.
func whole(rule, kind, name, text string, t *tenancy, changes []*change) effect {
	e := effect{rule: rule, kind: kind, name: name, text: text, cluster: t.cluster, tenant: t.tenant, changes: changes}
	switch {
	case t.placeA != nil:
		e.origin = t.placeA.Origin
	case t.placeB != nil:
		e.origin = t.placeB.Origin
	default:
		e.origin = firstOrigin(changes)
	}
	return e
}

// firstOrigin is the place of the Namespace, or of the first that has one.
func firstOrigin(changes []*change) (out source.Span) {
	for _, x := range changes {
		if x.Kind == "Namespace" {
			return x.Origin
		}
		if out.IsZero() {
			out = x.Origin
		}
	}
	return out
}

// tell adds an effect whose changes need no rule of their kind any more.
func (c *comparison) tell(e effect) {
	for _, x := range e.changes {
		x.told = true
	}
	c.add(e)
}

func only(changes []*change, keep func(*change) bool) (out []*change) {
	for _, x := range changes {
		if keep(x) {
			out = append(out, x)
		}
	}
	return out
}

// runs tells whether a kind runs pods.
func runs(kind string) bool {
	return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob", "Job", "Pod"}, kind)
}

// running counts what runs pods in a tenant's own namespace.
func running(changes []*change) int {
	return len(only(changes, func(x *change) bool { return runs(x.Kind) && x.Namespace == x.Tenant }))
}

// its is "its workload" or "its 2 workloads".
func its(n int, word string) string {
	if n == 1 {
		return "its " + word
	}
	return "its " + count(n, word)
}

func (c *comparison) tenantDeleted(t *tenancy) {
	gone := only(t.changes, func(x *change) bool { return x.Action == report.Delete })
	if len(gone) == 0 {
		return
	}
	var goes, stays []string
	data := false
	volumes := 0
	for _, x := range gone {
		switch {
		case x.Kind == "Application" && !finalized(x):
			stays = append(stays, "what its Application deployed")
			data = true // of which zave knows nothing
		case x.Kind == "Namespace" && kept(x):
			stays = append(stays, "its namespace")
		case x.Kind == "Namespace":
			goes = append(goes, "its namespace with all that is in it")
			data = true
		case x.Kind == "PersistentVolumeClaim" && !kept(x):
			volumes++
			data = true
		}
	}
	if n := running(gone); n > 0 {
		goes = append([]string{its(n, "workload")}, goes...)
	}
	if volumes > 0 {
		goes = append(goes, its(volumes, "volume"))
	}
	if slices.ContainsFunc(gone, func(x *change) bool { return x.unitB.Part == unit.Database }) {
		goes = append(goes, "all further backups")
		stays = append(stays, "its database")
		data = true
	}
	text := "deleted"
	if len(goes) > 0 {
		text += ", with " + and(goes)
	}
	if len(stays) > 0 {
		slices.Sort(stays)
		text += "; left behind, with nobody to look after it: " + and(slices.Compact(stays))
	}
	e := whole("tenant-deleted", "tenant", t.tenant, text, t, gone)
	e.key = only(gone, func(x *change) bool { return x.Kind == "Namespace" && x.Name == t.tenant })
	e.data = data
	switch {
	case t.retired():
	case c.elsewhere(t):
		e.why = "it leaves the cluster without having said state: retired for it, which stops everything and keeps the data"
		e.plan = []string{
			`set state: "retired" for the cluster in the overrides of its spec, and merge: its workloads stop, and its data stay`,
			"remove the cluster from its spec once nobody needs them",
		}
	default:
		e.why = "its spec goes without having said state: retired, which stops everything and keeps the data"
		e.plan = []string{
			`set state: "retired" in its spec, and merge: its workloads stop, and its data stay`,
			"remove its spec once nobody needs them",
		}
	}
	c.tell(e)
}

// elsewhere tells whether a tenant that leaves a cluster is still on another.
func (c *comparison) elsewhere(t *tenancy) bool {
	return c.head.Platform != nil && slices.ContainsFunc(c.head.Platform.Tenants, func(m *model.Tenant) bool {
		return m.Name == t.tenant && len(m.Placements) > 0
	})
}

// finalized tells whether deleting an Application deletes what it deployed (Argo CD, "App Deletion").
func finalized(x *change) bool {
	list, _ := dig(x.b, "metadata", "finalizers").([]any)
	return slices.ContainsFunc(list, func(v any) bool {
		s, _ := v.(string)
		return strings.HasPrefix(s, argoFinalizer)
	})
}

func (c *comparison) tenantAdded(t *tenancy) {
	made := only(t.changes, func(x *change) bool { return x.Action == report.Create })
	if len(made) == 0 {
		return
	}
	var with []string
	if n := running(made); n > 0 {
		with = append(with, count(n, "workload"))
	}
	if slices.ContainsFunc(made, func(x *change) bool { return x.unitA.Part == unit.Database }) {
		with = append(with, "a database")
	}
	text := "added: " + count(len(made), "object")
	if len(with) > 0 {
		text += ", among them " + and(with)
	}
	c.tell(whole("tenant-added", "tenant", t.tenant, text, t, made))
}

// stops says what no longer runs.
func (c *comparison) stops(t *tenancy) string {
	n := len(only(t.changes, func(x *change) bool { return stopped(x) && !isBackup(x) }))
	if n == 0 {
		return "nothing of it runs"
	}
	return count(n, "workload") + " stopped"
}

// tenantRetired covers what is only a part of retiring. What else the same commit does to the tenant is told as usual.
func (c *comparison) tenantRetired(t *tenancy) {
	part := only(t.changes, func(x *change) bool {
		switch x.Action {
		case report.Delete:
			return !holdsData(x)
		case report.Create:
			return x.Kind == "ConfigMap" && x.Name == "retired"
		case report.Update:
			return slices.Contains([]string{"ResourceQuota", "Application", "AppProject", "Kustomization"}, x.Kind) || stopped(x)
		}
		return false
	})
	if len(part) == 0 {
		return
	}
	text := "retired"
	if n := running(part); n > 0 {
		text += ", with " + its(n, "workload") + " deleted"
	}
	text += " and no pods admitted any more"
	e := whole("tenant-retired", "tenant", t.tenant, text, t, part)
	e.why = "its pods stop; its namespace and what is stored stay"
	if slices.ContainsFunc(part, func(x *change) bool { return x.unitB.Part == unit.Database }) {
		e.why = "its pods and its backups stop; its namespace, its database and the backups so far stay"
	}
	c.tell(e)
}

func (c *comparison) tenantStops(t *tenancy, rule, text string) {
	part := only(t.changes, func(x *change) bool { return stopped(x) && !isBackup(x) })
	if len(part) > 0 {
		c.add(whole(rule, "tenant", t.tenant, text, t, part))
		for _, x := range part {
			x.stopTold = true
		}
	}
}

func (c *comparison) tenantResumed(t *tenancy) {
	part := only(t.changes, func(x *change) bool {
		return x.Action == report.Update && started(x) || x.Action == report.Create && runs(x.Kind) ||
			x.Action == report.Delete && x.Kind == "ConfigMap" && x.Name == "retired"
	})
	if len(part) == 0 {
		return
	}
	text := "running again"
	if n := len(only(part, func(x *change) bool { return runs(x.Kind) })); n > 0 {
		text += ": " + count(n, "workload") + " started"
	}
	e := whole("tenant-resumed", "tenant", t.tenant, text, t, part)
	for _, x := range part {
		x.told, x.stopTold = x.Action != report.Update, true
	}
	c.add(e)
}

// stopped tells whether a workload ran before and is scaled to zero or suspended after.
func stopped(x *change) bool { return runs(x.Kind) && active(x.b) && !active(x.a) }

// started tells the reverse.
func started(x *change) bool { return runs(x.Kind) && !active(x.b) && active(x.a) }

// active tells whether a workload is to have pods, now or by its schedule.
func active(m map[string]any) bool {
	return m != nil && dig(m, "spec", "suspend") != true && number(dig(m, "spec", "replicas"), 1) != 0
}

// databaseOf gives a name for a tenant's database.
func databaseOf(t *tenancy, p *model.Placement) string {
	if p != nil && p.Database != nil {
		return p.Database.Name
	}
	return t.tenant
}

// ofDatabase tells whether an object is there for a tenant's database: its unit, what Flux reconciles that by, and the
// logins in the tenant's namespace.
func ofDatabase(x *change) bool {
	k := x.unit()
	if x.Action == report.Delete {
		k = x.unitB
	}
	return k.Part == unit.Database || k.Part == unit.Entry && x.Name == string(unit.Database)+"-"+x.Tenant ||
		k.Part == unit.Tenancy && x.Kind == "ExternalSecret" && slices.Contains(model.DatabaseSecrets(), x.Name)
}

func (c *comparison) databaseRemoved(t *tenancy) {
	part := only(t.changes, func(x *change) bool { return x.Action == report.Delete && ofDatabase(x) })
	name := databaseOf(t, t.placeB)
	e := whole("database-removed", "database", name, "removed from the spec: no more backups, and no login for its tenant", t, part)
	e.origin = firstOrigin(part)
	e.key = only(part, func(x *change) bool { return x.Kind == "Kustomization" })
	e.data = true
	e.why = "zave drops no database: its data stay on the server, where nothing backs them up, until they are dropped by hand"
	e.plan = []string{
		"take a last backup, and see that it can be restored: zave db backup, zave db restore --test",
		"merge this",
		"drop the database once nobody needs it: zave db apply --allow-drop " + name,
	}
	if name == t.tenant {
		e.plan[2] = "drop the database once nobody needs it: zave db apply --allow-drop with its name"
	}
	c.tell(e)
}

func (c *comparison) databaseAdded(t *tenancy) {
	part := only(t.changes, func(x *change) bool { return x.Action == report.Create && ofDatabase(x) })
	text := "added"
	if slices.ContainsFunc(part, func(x *change) bool { return x.Kind == "CronJob" }) {
		text = "added, with backups"
	}
	e := whole("database-added", "database", databaseOf(t, t.placeA), text, t, part)
	e.origin = firstOrigin(part)
	c.tell(e)
}

// services tells the platform services that come or go.
func (c *comparison) services() {
	byUnit := map[unit.Key][]*change{}
	var keys []unit.Key
	for _, x := range c.changes {
		if x.told || x.Action != report.Create && x.Action != report.Delete {
			continue
		}
		k := x.unit()
		if k.Part == unit.Entry && k.Name == unit.EntryPlatform && x.Kind == "Kustomization" {
			for _, p := range []unit.Part{unit.Service, unit.Instance} {
				if name, ok := strings.CutPrefix(x.Name, string(p)+"-"); ok {
					k = unit.Key{Cluster: x.Cluster, Part: p, Name: name}
				}
			}
		}
		if k.Part == unit.Instance { // part of the database service
			k.Part = unit.Service
		}
		if k.Part != unit.Service {
			continue
		}
		if byUnit[k] == nil {
			keys = append(keys, k)
		}
		byUnit[k] = append(byUnit[k], x)
	}
	for _, k := range keys {
		t := &tenancy{tenantKey: tenantKey{cluster: k.Cluster}}
		part := byUnit[k]
		// A unit whose objects were in another one before, or are in another one now, has another name.
		if slices.ContainsFunc(c.changes, func(x *change) bool { return x.Action == report.Move && (x.unitA == k || x.unitB == k) }) {
			continue
		}
		switch {
		case c.around.comes(k):
			c.tell(whole("service-added", "service", k.Name, "added: "+count(len(part), "object"), t, part))
		case c.around.goes(k):
			c.serviceRemoved(k, t, part)
		}
	}
}

func (c *comparison) serviceRemoved(k unit.Key, t *tenancy, part []*change) {
	text := "removed: " + count(len(part), "object") + " deleted"
	data := false
	for _, x := range part {
		switch {
		case x.Kind == "HelmRelease":
			text = "removed, and its chart uninstalled"
			data = data || chartHoldsData(x.b)
		case x.Kind == "Namespace" && !kept(x):
			data = true
		}
	}
	e := whole("service-removed", "service", k.Name, text, t, part)
	e.key = only(part, func(x *change) bool { return x.Kind == "HelmRelease" })
	e.data = data
	switch {
	case data:
		e.why = "what the chart made is deleted; whether its volumes stay is for the chart and their reclaim policy to say"
	case slices.ContainsFunc(part, func(x *change) bool { return x.Kind == "Namespace" && kept(x) }):
		e.why = "what the chart made is deleted; the namespace is kept, with what else is in it"
	}
	c.tell(e)
}
