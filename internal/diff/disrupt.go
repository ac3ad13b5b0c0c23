package diff

import (
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/diff/typed"
)

// ofKind says what a change of one object does, by its kind.
func (c *comparison) ofKind(x *change) {
	switch x.Action {
	case report.Delete:
		c.deletedOne(x)
	case report.Create:
		if x.Kind == "ServiceMonitor" || x.Kind == "PodMonitor" || x.Kind == "PrometheusRule" {
			c.add(x.about("watched", "watched from now on"))
		}
	case report.Replace:
		c.replaced(x)
	case report.Rename:
		c.renamedOne(x)
	case report.Move:
		if slices.ContainsFunc(x.Fields, func(f report.Field) bool { return f.Immutable }) {
			c.replaced(x)
			return
		}
		c.updated(x)
	default:
		c.updated(x)
	}
}

func (c *comparison) deletedOne(x *change) {
	if kept(x) {
		c.add(x.about("kept", "gone from the tree, and kept in the cluster"))
		return
	}
	if c.destroyed(x) {
		return
	}
	switch x.Group + "/" + x.Kind {
	case "apps/Deployment", "apps/StatefulSet", "apps/ReplicaSet":
		n := number(dig(x.b, "spec", "replicas"), 1)
		switch {
		case n == 0:
			c.add(x.about("workload-deleted", "deleted, with no pod running"))
		case n == 1:
			c.add(x.about("workload-deleted", "deleted, and its pod with it"))
		default:
			c.add(x.about("workload-deleted", "deleted, and its "+count(n, "pod")+" with it"))
		}
	case "apps/DaemonSet":
		c.add(x.about("workload-deleted", "deleted, and its pods on every node with it"))
	case "/Pod":
		c.add(x.about("workload-deleted", "deleted"))
	case "batch/Job":
		c.add(x.about("workload-deleted", "deleted, with what is left of its run"))
	case "batch/CronJob":
		if isBackup(x) {
			e := x.about("backup-stopped", "deleted, and no backup made any more")
			if component(x.b) == label.DatabaseRestore {
				e.text, e.why = "deleted, and no backup tested any more", "a backup that nobody has restored is a hope"
			}
			e.data = component(x.b) == label.DatabaseBackup
			c.add(e)
			return
		}
		c.add(x.about("cronjob-deleted", "deleted, and not run any more"+schedule(x.b)))
	case "/Service":
		c.add(x.about("service-deleted", "deleted, and its name with it"))
	case "/ConfigMap":
		c.add(x.about("config-deleted", "deleted"))
	case "/Secret":
		c.add(x.about("config-deleted", "deleted"))
	case "external-secrets.io/ExternalSecret":
		e := x.about("config-deleted", "deleted, and the Secret that it makes with it")
		switch policy, _ := dig(x.b, "spec", "target", "creationPolicy").(string); policy {
		case "", "Owner":
		default:
			e.text, e.why = "deleted, with the Secret left as it is", "nothing brings the Secret up to date any more: its creationPolicy is "+policy
		}
		c.add(e)
	case "/ServiceAccount":
		c.add(x.about("account-deleted", "deleted"))
	case "policy/PodDisruptionBudget":
		c.add(x.about("budget-deleted", "deleted"))
	case "autoscaling/HorizontalPodAutoscaler":
		c.add(x.about("scaler-deleted", "deleted, and the number of pods not adjusted any more"))
	case "monitoring.coreos.com/ServiceMonitor", "monitoring.coreos.com/PodMonitor":
		c.add(x.about("monitoring-deleted", "deleted, and nothing scraped by it any more"))
	case "monitoring.coreos.com/PrometheusRule":
		c.add(x.about("monitoring-deleted", "deleted, and its alerts with it"))
	case "kustomize.toolkit.fluxcd.io/Kustomization", "argoproj.io/Application":
		c.ownerDeleted(x)
	}
}

// component is what a CronJob or a Job of zave's works on, by the label of its pods.
func component(m map[string]any) string {
	for _, path := range [][]string{
		{"spec", "jobTemplate", "spec", "template", "metadata", "labels", label.Component},
		{"spec", "template", "metadata", "labels", label.Component},
	} {
		if s, ok := dig(m, path...).(string); ok {
			return s
		}
	}
	return ""
}

func isBackup(x *change) bool {
	part := component(x.content())
	return x.Kind == "CronJob" && (part == label.DatabaseBackup || part == label.DatabaseRestore)
}

// schedule is when a CronJob ran, behind what it says of it.
func schedule(m map[string]any) string {
	if s, ok := dig(m, "spec", "schedule").(string); ok {
		return " (" + s + ")"
	}
	return ""
}

// renamedOne is said of what has another name because it has another content. What its readers do is theirs to say.
func (c *comparison) renamedOne(x *change) {
	if x.Kind == "Job" {
		c.jobRenamed(x)
	}
}

// jobRenamed is said of a Job that runs again, and of the ConfigMap that it reads.
func (c *comparison) jobRenamed(x *change) {
	in, _ := within(x.fields, template(x))
	what, more := c.podChanges(x, in)
	e := x.about("job-runs", "run again")
	if what != "" {
		e.text += ": " + what
	}
	e.changes = append(e.changes, more...)
	switch component(x.a) {
	case label.DatabaseBootstrap, label.DatabaseInstance:
		e.why = "it brings the database server to what the specs say, and drops nothing"
	}
	c.add(e)
}

// updated says what an update does; what no controller acts on, only where nothing else is said.
func (c *comparison) updated(x *change) {
	acting := c.acting(x)
	if len(acting) == 0 {
		c.plainly(x)
		return
	}
	rest := acting
	// take gives the fields below some shapes, once.
	take := func(shapes ...string) (got []typed.Field) {
		for _, s := range shapes {
			var in []typed.Field
			in, rest = within(rest, s)
			got = append(got, in...)
		}
		return got
	}
	say := func(fields []typed.Field, rule, text string, show func([]typed.Field) string) {
		if len(fields) > 0 {
			c.add(x.about(rule, text+show(fields)))
		}
	}
	c.prune(x, take(
		"metadata.annotations."+fluxPrune, "metadata.annotations."+fluxReconcile, "metadata.annotations."+argoOptions))
	if shape := template(x); shape != "" {
		c.workload(x, take)
		if in := take(shape); len(in) > 0 {
			c.restarts(x, in)
		}
	}
	switch x.Group + "/" + x.Kind {
	case "/Service":
		say(take("spec.selector"), "service-selector", "led to other pods: selector ", func([]typed.Field) string {
			return selectorText(x.b) + " → " + selectorText(x.a)
		})
		c.ports(x, take("spec.ports"))
		say(take("spec"), "service-changed", "changed: ", paths)
	case "/ConfigMap", "/Secret":
		fields := take("data", "binaryData", "stringData")
		if len(fields) == 1 && fields[0].Shape == "data.pg_hba.conf" && len(acting) == 1 {
			return // who may enter a database is for package reach to say
		}
		say(fields, "config-changed", "changed: ", dataKeys)
	case "external-secrets.io/ExternalSecret":
		say(take("spec.refreshInterval"), "timing-changed", "read at another interval: ", values)
		say(take("spec"), "secret-changed", "made otherwise: ", paths)
	case "policy/PodDisruptionBudget":
		say(take("spec"), "budget-changed", "changed: ", values)
	case "autoscaling/HorizontalPodAutoscaler":
		c.scales(x, take("spec.minReplicas", "spec.maxReplicas"))
		say(take("spec"), "scaler-changed", "changed: ", values)
	case "monitoring.coreos.com/ServiceMonitor", "monitoring.coreos.com/PodMonitor", "monitoring.coreos.com/PrometheusRule":
		say(take("spec", "metadata.labels"), "monitoring-changed", "changed: ", paths)
	case "kustomize.toolkit.fluxcd.io/Kustomization":
		c.suspension(x, take("spec.suspend"))
		say(take("spec.dependsOn", "spec.interval", "spec.retryInterval", "spec.timeout", "spec.wait", "spec.healthChecks"),
			"timing-changed", "applied at another time: ", paths)
		say(take("spec"), "delivery-changed", "changed: ", values)
	case "source.toolkit.fluxcd.io/OCIRepository", "source.toolkit.fluxcd.io/HelmRepository", "source.toolkit.fluxcd.io/GitRepository",
		"source.toolkit.fluxcd.io/HelmChart", "source.toolkit.fluxcd.io/Bucket":
		say(take("spec.interval", "spec.timeout"), "timing-changed", "looked at another time: ", values)
		say(take("spec"), "chart-changed", "changed: ", chart)
	case "helm.toolkit.fluxcd.io/HelmRelease":
		c.release(x, take)
	case "argoproj.io/Application":
		c.application(x, take)
	case "/Namespace":
		c.security(x, take("metadata.labels."+podSecurity+"enforce", "metadata.labels."+podSecurity+"enforce-version"))
	case "/ResourceQuota", "/LimitRange":
		take("spec") // what it refuses is told, and how much it is
	}
	if len(rest) > 0 && len(rest) < len(acting) {
		// One of several things; what reach or capacity tells of the object may be this one, too.
		c.leftOver = append(c.leftOver, remainder{x, rest})
	}
}

// remainder is what of a change no rule has spoken of.
type remainder struct {
	*change
	fields []typed.Field
}

// prune is said of marks that keep an object when it goes from the tree.
func (c *comparison) prune(x *change, fields []typed.Field) {
	if len(fields) == 0 {
		return
	}
	switch was, is := kept(x), keptAfter(x); {
	case was && !is:
		c.add(x.about("prune-enabled", "no longer kept when it goes from the tree"))
	case is && !was:
		c.add(x.about("prune-disabled", "kept when it goes from the tree"))
	default:
		c.add(x.about("delivery-changed", "applied otherwise: "+values(fields)))
	}
}

func keptAfter(x *change) bool { return kept(&change{b: x.a, unitB: x.unitA}) }

// workload says what happens to a workload apart from its pods' template.
func (c *comparison) workload(x *change, take func(...string) []typed.Field) {
	scale := take("spec.replicas", "spec.suspend")
	switch {
	case x.stopTold:
	case stopped(x) && isBackup(x):
		e := x.about("backup-stopped", "suspended, and no backup made any more")
		e.data = component(x.a) == label.DatabaseBackup
		if !e.data {
			e.text, e.why = "suspended, and no backup tested any more", "a backup that nobody has restored is a hope"
		}
		c.add(e)
	case stopped(x) && dig(x.a, "spec", "suspend") == true:
		c.add(x.about("suspended", "suspended"))
	case stopped(x):
		c.add(x.about("scaled-to-zero", "scaled to zero: "+podCount(number(dig(x.b, "spec", "replicas"), 1))+" stopped"))
	case started(x):
		c.add(x.about("resumed", "started again"))
	default:
		c.scales(x, scale)
	}
	if fields := take("spec.revisionHistoryLimit", "spec.successfulJobsHistoryLimit", "spec.failedJobsHistoryLimit",
		"spec.ttlSecondsAfterFinished"); len(fields) > 0 {
		c.add(x.about("history-changed", "changed: "+values(fields)))
	}
	if fields := take("spec.schedule", "spec.timeZone", "spec.concurrencyPolicy", "spec.startingDeadlineSeconds"); len(fields) > 0 {
		c.add(x.about("schedule-changed", "started otherwise: "+values(fields)))
	}
	if fields := take("spec.strategy", "spec.updateStrategy", "spec.minReadySeconds", "spec.progressDeadlineSeconds",
		"spec.podManagementPolicy", "spec.paused"); len(fields) > 0 {
		c.add(x.about("rollout-changed", "rolled out otherwise from now on: "+values(fields)))
	}
}

// scales leaves a number of pods to the sums of the cluster; where nothing is said of it there, it is a change like others.
func (c *comparison) scales(x *change, fields []typed.Field) {
	if len(fields) > 0 {
		c.leftOver = append(c.leftOver, remainder{x, fields})
	}
}

// suspension is said of what Flux no longer reconciles.
func (c *comparison) suspension(x *change, fields []typed.Field) {
	if len(fields) == 0 {
		return
	}
	if dig(x.a, "spec", "suspend") == true {
		c.add(x.about("suspended", "suspended, and nothing of it applied any more"))
		return
	}
	c.add(x.about("resumed", "reconciled again"))
}

// release is said of a Helm release.
func (c *comparison) release(x *change, take func(...string) []typed.Field) {
	c.suspension(x, take("spec.suspend"))
	if fields := take("spec.interval", "spec.timeout", "spec.dependsOn", "spec.maxHistory"); len(fields) > 0 {
		c.add(x.about("timing-changed", "reconciled at another time: "+values(fields)))
	}
	var volumes, others []typed.Field
	for _, f := range take("spec.values") {
		if slices.ContainsFunc(strings.FieldsFunc(f.Shape, func(r rune) bool { return r == '.' || r == '[' || r == ']' }), volumeValue) {
			volumes = append(volumes, f)
		} else {
			others = append(others, f)
		}
	}
	if len(volumes) > 0 {
		e := x.about("release-volumes", "given other volumes: "+values(volumes))
		e.plan = []string{
			"resize the claims by hand where that is all, or copy the files to new ones",
			"delete the StatefulSet and leave its pods: kubectl delete statefulset --cascade=orphan",
			"merge this: the chart makes the StatefulSet anew, and takes the pods and the claims over",
		}
		c.add(e)
	}
	if len(others) > 0 {
		c.add(x.about("release-upgraded", "upgraded with other values: "+paths(others)))
	}
	if fields := take("spec.chart", "spec.chartRef"); len(fields) > 0 {
		e := x.about("chart-changed", "upgraded: "+chart(fields))
		e.why = "what the chart makes of it is not known here: it may restart pods"
		c.add(e)
	}
	if fields := take("spec"); len(fields) > 0 {
		c.add(x.about("delivery-changed", "installed or upgraded otherwise: "+values(fields)))
	}
}

// application is said of an Application of Argo CD.
func (c *comparison) application(x *change, take func(...string) []typed.Field) {
	if fields := take("spec.source", "spec.sources"); len(fields) > 0 {
		c.add(x.about("source-revision", "deployed otherwise: "+values(fields)))
	}
	if fields := take("spec.revisionHistoryLimit"); len(fields) > 0 {
		c.add(x.about("history-changed", "changed: "+values(fields)))
	}
	if fields := take("metadata.finalizers"); len(fields) > 0 {
		e := x.about("delivery-changed", "set to delete what it deployed when it is deleted itself")
		e.why = "it has the finalizer " + argoFinalizer
		if !finalized(&change{b: x.a}) {
			e.text, e.why = "set to leave what it deployed when it is deleted itself", "it has no finalizer any more"
		}
		c.add(e)
	}
	if fields := take("spec.syncPolicy", "spec.ignoreDifferences"); len(fields) > 0 {
		c.add(x.about("delivery-changed", "synced otherwise: "+values(fields)))
	}
}

// ports says which of a Service's ports go, come or change.
func (c *comparison) ports(x *change, fields []typed.Field) {
	var added, removed, changed []string
	for _, f := range fields {
		name := strings.TrimSuffix(strings.Join(f.Keys, "/"), "/TCP")
		switch {
		case !strings.HasSuffix(f.Shape, "[]"):
			if !slices.Contains(changed, name) {
				changed = append(changed, name)
			}
		case f.Before == nil:
			added = append(added, name)
		default:
			removed = append(removed, name)
		}
	}
	var parts []string
	for _, p := range []struct {
		names []string
		verb  string
	}{{removed, "removed"}, {changed, "changed"}, {added, "added"}} {
		if len(p.names) > 0 {
			parts = append(parts, some(p.names, 4)+" "+p.verb)
		}
	}
	if len(parts) == 0 {
		return
	}
	rule := "service-ports"
	if len(removed)+len(changed) == 0 {
		rule = "port-added"
	}
	word := "ports "
	if len(added)+len(removed)+len(changed) == 1 {
		word = "port "
	}
	c.add(x.about(rule, "of other ports: "+word+strings.Join(parts, ", ")))
}

// selectorText is a Service's selector as kubectl prints it.
func selectorText(m map[string]any) string {
	labels, _ := dig(m, "spec", "selector").(map[string]any)
	var out []string
	for k, v := range labels {
		out = append(out, k+"="+textOf(v))
	}
	if len(out) == 0 {
		return "none"
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

// dataKeys names the keys of a ConfigMap that differ.
func dataKeys(fields []typed.Field) string {
	var keys []string
	for _, f := range fields {
		_, key, ok := strings.Cut(f.Shape, ".")
		if !ok {
			key = f.Shape
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return some(slices.Compact(keys), 4)
}

// paths names fields, with what their items are called by.
func paths(fields []typed.Field) string {
	var out []string
	for _, f := range fields {
		out = append(out, f.Path)
	}
	slices.Sort(out)
	return some(slices.Compact(out), 4)
}

// values names fields with both of their sides, where these are short and no place for secrets.
func values(fields []typed.Field) string {
	var out []string
	for _, f := range fields {
		text := f.Path
		if by := fromTo(f); len(by) <= 120 && !private(f.Shape) {
			text += by
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return some(slices.Compact(out), 4)
}

// private tells whether people put secrets into a field, whatever it is called.
func private(shape string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(shape, func(r rune) bool { return r == '.' || r == '[' || r == ']' }), func(name string) bool {
		return slices.Contains([]string{"values", "valuesObject", "valuesInline", "parameters", "postBuild", "env", "args", "command",
			"data", "stringData", "annotations", "patches"}, name) || slices.ContainsFunc([]string{"password", "passwd", "passphrase",
			"token", "secret", "key", "credential"}, func(word string) bool { return strings.Contains(strings.ToLower(name), word) })
	})
}

// chart says which version of a chart, where that is what changes.
func chart(fields []typed.Field) string {
	for _, f := range fields {
		switch f.Shape {
		case "spec.ref.tag", "spec.ref.semver", "spec.chart.spec.version", "spec.version":
			if len(fields) == 1 {
				return "chart" + fromTo(f)
			}
		}
	}
	return values(fields)
}
