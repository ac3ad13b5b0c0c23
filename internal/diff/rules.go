package diff

import (
	"slices"

	"github.com/zavestudios/zave/internal/diff/reach"
	"github.com/zavestudios/zave/internal/diff/report"
)

// Rule is one thing that a change may bring about.
type Rule struct {
	ID    string // for ever
	Class report.Class
	Says  string // what it tells, one sentence
	Why   string // why it is of its class, one sentence; a consequence may say it more exactly
}

// Rules lists them, the most dangerous first: it is the order in which a report tells them.
func Rules() []Rule {
	return slices.Concat(destroyRules(), disruptRules(), exposureRules(), capacityRules(), plainRules())
}

// destroyRules are of the class destructive.
func destroyRules() []Rule {
	r := func(id, says, why string) Rule { return Rule{id, report.Destructive, says, why} }
	return []Rule{
		r("tenant-deleted", "A tenant goes from a cluster.", "all that is its own goes at once, and nothing looks after what stays"),
		r("namespace-deleted", "A Namespace is deleted.", "Kubernetes deletes all that is in it, whoever made it"),
		r("database-removed", "A tenant's database is taken out of its spec.", "its backups end, and nothing looks after its data any more"),
		r("service-removed", "A platform service goes from a cluster.", "its chart is uninstalled, with what the chart keeps"),
		r("crd-deleted", "The definition of a kind is deleted.", "the API server deletes every object of a kind that it no longer knows, in all namespaces"),
		r("release-uninstalled", "A Helm release is uninstalled.", "what its chart made is deleted"),
		r("release-renamed", "A Helm release is uninstalled, and installed by another name or elsewhere.", "Helm knows a release by its name and namespace, and cannot rename it"),
		r("volume-deleted", "A volume or a claim to one is deleted.", "by the reclaim policy Delete, which is the default of storage classes, the files go with it"),
		r("volume-replaced", "A volume or a claim to one must be made anew.", "the API server refuses the change in place, and what is deleted to make it anew takes the files with it"),
		r("stateful-deleted", "A StatefulSet with volumes is deleted.", "its pods stop, and its volumes are nobody's"),
		r("stateful-replaced", "A StatefulSet with volumes must be made anew.", "the API server refuses the change in place"),
		r("project-deleted", "An Argo CD project is deleted.", "Argo CD neither syncs nor shows the Applications of a project that is gone"),
		r("replaced", "An object must be made anew, since a field of it does not change in place.", "the API server refuses the change in place"),
		r("owner-renamed", "What Flux or Argo CD reconcile objects by gets another name, and the objects stay the same.", "the old owner deletes what it owns, unless the new one was there first"),
		r("owner-deleted", "What Flux or Argo CD reconcile objects by is deleted, and the objects with it.", "it deletes what it owns when it goes"),
		r("object-moved", "An object goes from one owner to another, and the old one deletes it.", "it is deleted and made anew"),
	}
}

// disruptRules are of the class disruptive, those that say what zave does not know last.
func disruptRules() []Rule {
	r := func(id, says, why string) Rule { return Rule{id, report.Disruptive, says, why} }
	return []Rule{
		r("tenant-retired", "A tenant is retired.", "its pods stop, and its data stay"),
		r("tenant-suspended", "A tenant is suspended.", "its pods stop"),
		r("backup-stopped", "A database is no longer backed up, or its backups no longer tested.", "what is written from now on is in no backup"),
		r("quota-too-low", "A quota becomes less than what the workloads in its namespace request.", "pods that are over it are refused when they are made next, and those that run stay until then"),
		r("limits-refuse", "The limits of a namespace refuse pods that run in it.", "they stay until they are made next, and are then refused"),
		r("security-refuses", "A namespace's Pod Security level is raised.", "pods that do not meet it are refused when they are made next, and those that run stay until then"),
		r("workload-deleted", "What runs pods is deleted.", "its pods stop"),
		r("cronjob-deleted", "A CronJob is deleted.", "it does not run any more, and a run that is under way is stopped"),
		r("scaled-to-zero", "A workload is scaled to zero.", "its pods stop"),
		r("suspended", "A CronJob, a Job or a reconciliation is suspended.", "nothing starts it until that is undone"),
		r("pods-restart", "Pods restart, because their template changes.", "its pods are replaced"),
		r("next-run", "The next run of a CronJob is another one.", "a run that is under way goes on as it was"),
		r("job-runs", "A Job runs again.", "its name is made of what is in it, so that another content is another Job"),
		r("schedule-changed", "A CronJob runs at other times, or otherwise.", "it is started by its schedule alone"),
		r("rollout-changed", "How a workload's pods are replaced changes.", "nothing restarts now, and the next change is rolled out otherwise"),
		r("service-selector", "A Service leads to other pods.", "connections go to the new ones at once"),
		r("service-ports", "A Service's ports change.", "who uses the old ones is refused"),
		r("service-deleted", "A Service is deleted.", "its name resolves no longer, and its address is given up"),
		r("service-changed", "A Service is otherwise changed.", "what reaches its pods may be led otherwise"),
		r("release-upgraded", "A Helm release is upgraded.", "what its chart makes of it is not known here: it may restart pods"),
		r("release-volumes", "A Helm release is given other volumes.", "where they are of a StatefulSet, the API server refuses them, and Flux rolls the upgrade back"),
		r("chart-changed", "A chart's version or place changes.", "the release is upgraded, which may restart pods"),
		r("source-revision", "An Application deploys another revision.", "what it deploys of it is not known here: it may restart pods"),
		r("delivery-changed", "How Flux or Argo CD apply what they own changes.", "what is applied, or deleted, is another than before"),
		r("delivery-deleted", "What Flux or Argo CD reconcile objects by is deleted, and the objects stay.", "nothing brings what it owned up to date any more"),
		r("config-changed", "A ConfigMap or a Secret changes.", "pods that mount it see it within minutes, and those that read it when they start see it when they start next"),
		r("config-deleted", "A ConfigMap or a Secret is deleted, or what makes it.", "pods that name it do not start any more"),
		r("secret-changed", "A Secret is made otherwise.", "pods that mount it see it within minutes, and those that read it when they start see it when they start next"),
		r("account-deleted", "A ServiceAccount is deleted.", "pods of it do not start any more, and its tokens end"),
		r("budget-changed", "A PodDisruptionBudget is changed.", "draining a node may take more pods away, or wait longer"),
		r("budget-deleted", "A PodDisruptionBudget is deleted.", "draining a node may take all pods away at once"),
		r("scaler-changed", "An autoscaler is changed.", "it may make or remove pods at once"),
		r("scaler-deleted", "An autoscaler is deleted.", "the number of pods stays where it is"),
		r("monitoring-deleted", "Something is no longer watched.", "what would have been noticed is not"),
		r("monitoring-changed", "Something is watched otherwise.", "what would have been noticed may not be"),
		r("prune-enabled", "An object is no longer kept when it goes from the tree.", "a later mistake in a spec may delete it"),
		r("deleted", "An object of a kind that no other rule knows goes.", "what acts on it stops, and zave does not know what that is"),
		r("changed", "A field changes that no other rule knows.", "zave does not know what acts on it"),
	}
}

// exposureRules are those of package reach, and one for what it finds nothing in.
func exposureRules() []Rule {
	var out []Rule
	for _, r := range reach.Rules() {
		out = append(out, Rule{r.ID, report.Exposure, r.Says, "who may reach what, or may do what, is not who could before"})
	}
	return append(out, Rule{"policy-changed", report.Exposure, "A policy, a route or a right changes, and nothing is known to open or close by it.",
		"it was looked at, and nothing was found that opens or closes"})
}

// plainRules are of the classes additive and cosmetic.
func plainRules() []Rule {
	return []Rule{
		{"tenant-added", report.Additive, "A tenant comes to a cluster.", "nothing that runs is touched"},
		{"tenant-resumed", report.Additive, "A tenant runs again that did not.", "its pods start, and no others are touched"},
		{"database-added", report.Additive, "A tenant is given a database.", "nothing that runs is touched"},
		{"service-added", report.Additive, "A platform service comes to a cluster.", "nothing that runs is touched"},
		{"resumed", report.Additive, "Something starts again that was suspended or scaled to zero.", "nothing that runs is touched"},
		{"next-start", report.Additive, "The template changes of pods of which none runs.", "it counts when they are started next"},
		{"port-added", report.Additive, "A Service has one more port.", "the others are as they were"},
		{"watched", report.Additive, "Something more is watched.", "nothing that runs is touched"},
		{"created", report.Additive, "An object is created.", "nothing that runs is touched"},

		{"object-moved-kept", report.Cosmetic, "An object goes from one owner to another, and the old one leaves it alone.", "it is kept when it goes from the tree, so that the new owner takes it over as it is"},
		{"owner-renamed-kept", report.Cosmetic, "What Flux or Argo CD reconcile objects by gets another name, and leaves the objects alone.", "the new owner takes over what the old one leaves"},
		{"kept", report.Cosmetic, "An object goes from the tree and stays in the cluster.", "it is marked to be kept, so that no mistake in a spec deletes it; who wants it gone deletes it by hand"},
		{"prune-disabled", report.Cosmetic, "An object is kept when it goes from the tree.", "it counts when the object goes"},
		{"timing-changed", report.Cosmetic, "How often, how long or in which order changes are applied, and not what.", "nothing is applied that was not"},
		{"history-changed", report.Cosmetic, "How many old revisions or runs are kept changes.", "nothing that runs is touched"},
		{"described", report.Cosmetic, "Labels, annotations or descriptions change that no controller acts on.", "no controller acts on it"},
		{"renamed", report.Cosmetic, "An object goes by another name, since its content is another.", "what reads it says what that does"},
		{"version-changed", report.Cosmetic, "An object is written in another version of its API.", "the API server converts it"},
		{"bookkeeping", report.Cosmetic, "Only what zave notes about an object for itself changes.", "it says where an object comes from, and no controller acts on it"},
	}
}
