package diff

import (
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
)

// holdsData tells whether an object that is deleted takes data with it, or may.
func holdsData(x *change) bool {
	m := x.b
	switch x.Group + "/" + x.Kind {
	case "/PersistentVolumeClaim", "/PersistentVolume", "/Namespace", "apiextensions.k8s.io/CustomResourceDefinition":
		return true
	case "apps/StatefulSet":
		return len(maps(dig(m, "spec", "volumeClaimTemplates"))) > 0
	case "helm.toolkit.fluxcd.io/HelmRelease":
		return chartHoldsData(m)
	}
	return false
}

// chartHoldsData tells whether a release's values speak of volumes.
func chartHoldsData(m map[string]any) bool {
	var look func(any) bool
	look = func(v any) bool {
		switch v := v.(type) {
		case map[string]any:
			for k, f := range v {
				if p, ok := f.(map[string]any); ok && volumeValue(k) {
					if p["enabled"] != false {
						return true
					}
					continue
				}
				if look(f) {
					return true
				}
			}
		case []any:
			return slices.ContainsFunc(v, look)
		}
		return false
	}
	return look(dig(m, "spec", "values"))
}

// volumeValue tells whether a chart's value of this name is about volumes, by the names that charts commonly give.
func volumeValue(name string) bool {
	return slices.Contains([]string{"persistence", "persistentVolume", "volumeClaimTemplate", "volumeClaimTemplates", "storageSpec"}, name)
}

// destroyed says what is destroyed by deleting an object, and tells whether it is.
func (c *comparison) destroyed(x *change) bool {
	var e effect
	switch x.Group + "/" + x.Kind {
	case "/Namespace":
		e = x.about("namespace-deleted", "deleted, with everything in it")
		if n := len(c.around.in(before, x.Cluster, x.Name, "PersistentVolumeClaim")); n > 0 {
			e.text = "deleted, with everything in it, " + count(n, "volume claim") + " included"
		}
		e.plan = []string{
			"move what is needed elsewhere, and take backups",
			"delete the namespace",
		}
	case "/PersistentVolumeClaim":
		e = x.about("volume-deleted", "deleted, and the files in its volume with it")
		e.plan = []string{"set the reclaim policy of its PersistentVolume to Retain, or copy the files", "delete the claim"}
	case "/PersistentVolume":
		e = x.about("volume-deleted", "deleted, and the files in it with it")
		if dig(x.b, "spec", "persistentVolumeReclaimPolicy") == "Retain" {
			e.text, e.why = "deleted, with the files left where they are stored", "its reclaim policy is Retain, and the claim that is bound to it loses it"
		}
	case "apps/StatefulSet":
		if !holdsData(x) {
			return false
		}
		return c.statefulDeleted(x)
	case "apiextensions.k8s.io/CustomResourceDefinition":
		kind, _ := dig(x.b, "spec", "names", "kind").(string)
		if kind == "" {
			kind = "its kind"
		}
		e = x.about("crd-deleted", "deleted, with every "+kind+" in the cluster")
		e.plan = []string{"delete the objects of the kind, and see that nothing needs them", "delete the definition"}
	case "helm.toolkit.fluxcd.io/HelmRelease":
		e = x.about("release-uninstalled", "deleted, and its release uninstalled")
		if dig(x.b, "spec", "suspend") == true {
			e = x.about("delivery-deleted", "deleted, with its release left installed")
			e.why = "it is suspended, and Flux uninstalls nothing that is"
			c.add(e)
			return true
		}
	case "argoproj.io/AppProject":
		e = x.about("project-deleted", "deleted, with its Applications left without one")
	default:
		return false
	}
	e.data = holdsData(x)
	c.add(e)
	return true
}

func (c *comparison) statefulDeleted(x *change) bool {
	n := len(maps(dig(x.b, "spec", "volumeClaimTemplates"))) * max(number(dig(x.b, "spec", "replicas"), 1), 1)
	e := x.about("stateful-deleted", "deleted, with "+its(n, "volume")+" left behind")
	e.why = "its pods stop; its claims stay, and a StatefulSet of the same name takes them up again"
	if dig(x.b, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") == "Delete" {
		e.text = strings.Replace(e.text, " left behind", "", 1)
		e.why = "its retention policy is whenDeleted: Delete, so that its claims are deleted with it"
		e.data = true
	}
	c.add(e)
	return true
}

// replaced is said of an object that the API server does not change in place.
func (c *comparison) replaced(x *change) {
	var fields []string
	for _, f := range x.Fields {
		if f.Immutable {
			fields = append(fields, f.Path)
		}
	}
	since := "since " + and(fields) + " does not change in place"
	if len(fields) > 1 {
		since = "since " + some(fields, 3) + " do not change in place"
	}
	by := c.replacer(x)
	e := x.about("replaced", "replaced, "+since)
	e.why = by
	switch x.Group + "/" + x.Kind {
	case "/PersistentVolumeClaim":
		e.rule, e.data = "volume-replaced", true
		if slices.Contains(fields, "spec.resources.requests.storage") {
			since = "since a volume does not shrink"
			e.text = "replaced, " + since
		}
		e.why = by + "; the files in its volume go with the old claim"
		e.plan = []string{
			"add a second claim as it is to be, and copy the files",
			"have the workload mount that one",
			"remove the first claim",
		}
	case "/PersistentVolume":
		e.rule, e.data = "volume-replaced", true
		e.plan = []string{"add a second volume as it is to be, and copy the files", "bind the claim to it", "remove the first volume"}
	case "apps/StatefulSet":
		if holdsData(x) {
			e.rule, e.data = "stateful-replaced", dig(x.b, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") == "Delete"
			e.why = by + "; its claims stay as they were, and are not made anew by what is new in volumeClaimTemplates"
		}
		e.plan = []string{
			"delete it by hand and leave its pods: kubectl delete statefulset --cascade=orphan",
			"merge this: the new one takes the pods and the volumes over",
		}
	case "apps/Deployment", "apps/DaemonSet", "apps/ReplicaSet":
		e.why = by + "; none of its pods runs in between"
		e.plan = []string{
			"add a second one under another name, with the new selector, and lead the Service to both",
			"remove the first one",
		}
	case "helm.toolkit.fluxcd.io/HelmRelease":
		e.rule, e.data = "release-renamed", holdsData(x)
		e.text = "uninstalled and installed anew, since " + and(fields) + " changes"
		if len(fields) > 1 {
			e.text = "uninstalled and installed anew, since " + and(fields) + " change"
		}
		e.why = "Helm knows a release by its name and namespace, and cannot rename it: what its chart made is deleted first"
	case "apiextensions.k8s.io/CustomResourceDefinition":
		e.rule, e.data = "crd-deleted", true
		e.why = by + "; with the old definition, every object of its kind is deleted"
	case "/Service":
		e.why = by + "; connections to the old address are refused"
	case "batch/Job":
		if ttl := dig(x.a, "spec", "ttlSecondsAfterFinished"); ttl != nil || strings.Contains(by, "makes it anew") {
			in, _ := within(x.fields, template(x))
			what, _ := c.podChanges(x, in)
			e = x.about("job-runs", "run again: "+what)
			e.why = by
			if ttl != nil {
				e.why += ", or until it is deleted by itself, " + textOf(ttl) + " seconds after its run"
			}
			break
		}
		e.why = by + "; a run that is under way is stopped"
		e.plan = []string{"give it another name, so that it is another Job"}
	case "/ConfigMap", "/Secret":
		if x.b["immutable"] == true {
			e.plan = []string{"add one under another name, and have its readers name that", "remove the old one"}
		}
	case "rbac.authorization.k8s.io/RoleBinding", "rbac.authorization.k8s.io/ClusterRoleBinding":
		e.why = by + "; its subjects have no rights of it in between"
		e.plan = []string{"add a second binding under another name", "remove the first one"}
	}
	c.add(e)
}

// replacer says who makes an object anew: Flux and Argo CD do so only where they are told to (Flux, "Kustomization:
// force"; Argo CD, "Sync Options: Replace Resource Instead Of Applying Changes", "Force Sync").
func (c *comparison) replacer(x *change) string {
	annotations, _ := dig(x.a, "metadata", "annotations").(map[string]any)
	if byArgo(x.unitA) {
		if options := syncOptions(annotations); slices.Contains(options, "Force=true") {
			return "Argo CD deletes it and makes it anew, by its sync option Force=true"
		}
		return "the API server refuses the change, and Argo CD does not sync it until somebody deletes the object"
	}
	if annotations[fluxForce] == "enabled" || c.forces(x.unitA) {
		return "Flux deletes it and makes it anew, as force tells it to"
	}
	return "the API server refuses the change, and Flux applies nothing of its unit until somebody deletes the object"
}

// forces tells whether the Kustomization of a unit has Flux make anew what it cannot change.
func (c *comparison) forces(k unit.Key) bool {
	entry := unit.Key{Cluster: k.Cluster, Part: unit.Entry, Name: unit.EntryTenants}
	if k.Part == unit.Service || k.Part == unit.Instance {
		entry.Name = unit.EntryPlatform
	}
	u := c.around.units[after][entry]
	if u == nil {
		return false
	}
	i := slices.IndexFunc(u.Objects, func(o object.Object) bool { return o.Kind == "Kustomization" && o.Name == k.String() })
	return i >= 0 && strings.Contains(string(u.Objects[i].YAML), "\n  force: true\n")
}

// losesData tells whether data is lost where some objects are deleted and made anew.
func losesData(changes []*change) bool {
	return slices.ContainsFunc(changes, func(x *change) bool { return x.Action != report.Create && holdsData(x) && !kept(x) })
}
