package format

import (
	"fmt"
	"slices"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/source"
)

// evil holds what terminals, browsers and forges would act on.
const evil = "\x1b[31m\x07\u202e\u2066\u200d\u2028\x7f\u009b\xff\r\n::error::x <script>alert(1)</script> <!-- --> " +
	"@zavestudios #12 !7 ~bug [a](javascript:alert(1)) https://evil.example www.evil.example ``` ~~~ ]]> %0A $x$ | \" ' `"

// small is a report of a few changes, with values that are easy to follow.
func small() *report.Report {
	at := func(line int32) source.Span {
		return source.Span{File: "tenants/panchito/tenant.cue", Line: line, Col: 3, EndLine: line, EndCol: 9}
	}
	id := func(group, kind, namespace, name string) object.ID {
		return object.ID{Cluster: "sandbox", Group: group, Kind: kind, Namespace: namespace, Name: name}
	}
	return &report.Report{
		Base: report.Side{Name: "main", Commit: "24cb7a0c24cb7a0c24cb7a0c24cb7a0c24cb7a0c"}, Head: report.Side{Name: "the work tree"},
		Changes: []report.Change{
			{ID: id("apps", "Deployment", "panchito", "web"), Version: "v1", Action: report.Update, Tenant: "panchito",
				UnitBefore: "delivery-panchito", UnitAfter: "delivery-panchito", Origin: at(9), Hash: "0123456789abcdef", Fields: []report.Field{
					{Path: `metadata.annotations["zave.io/spec-hash"]`, Before: `"e473a2201f43"`, After: `"4b5277fec929"`},
					{Path: `spec.template.spec.containers[name="web"].env[name="DB_PASSWORD"].value`, Before: `"hunter2"`, After: `"hunter3"`},
					{Path: `spec.template.spec.containers[name="web"].image`, Before: `"ghcr.io/zavestudios/panchito:sha-5df14da"`,
						After: `"ghcr.io/zavestudios/panchito:sha-91c0b2e"`},
				}},
			{ID: id("", "PersistentVolumeClaim", "panchito", "uploads"), Version: "v1", Action: report.Replace, Tenant: "panchito",
				Origin: at(22), Hash: "aaaa456789abcdef", Fields: []report.Field{
					{Path: "spec.storageClassName", Before: `"standard"`, After: `"fast"`, Immutable: true},
				}},
		},
		Consequences: []report.Consequence{
			{Class: report.Destructive, Rule: "volume-replaced", Kind: "PersistentVolumeClaim", Data: true,
				Text: "replaced, since spec.storageClassName does not change in place",
				Why:  "the claim is deleted and made anew, and the volume behind it goes with it",
				Plan: []string{"add a second claim with the new class, and copy the files", "move the workload to it", "remove the first claim"},
				Subjects: []report.Subject{
					{Name: "panchito/uploads", Cluster: "sandbox", Tenant: "panchito", Origin: at(22), Changes: []int{1}},
				}},
			{Class: report.Disruptive, Rule: "pods-restart", Kind: "Deployment",
				Text: "restarted, one pod at a time: image sha-5df14da → sha-91c0b2e",
				Why:  "its 2 pods are replaced by its strategy RollingUpdate, with at most 1 unavailable",
				Subjects: []report.Subject{
					{Name: "panchito/web", Cluster: "sandbox", Tenant: "panchito", Origin: at(9), Changes: []int{0}},
				}},
		},
	}
}

// everything is a report that holds all that a report may hold.
func everything() *report.Report {
	r := &report.Report{
		Base:  report.Side{Name: "main", Commit: "24cb7a0c24cb7a0c24cb7a0c24cb7a0c24cb7a0c"},
		Head:  report.Side{Name: "HEAD", Commit: "91c0b2e191c0b2e191c0b2e191c0b2e191c0b2e1"},
		Notes: []string{"no schema for kind Widget: its fields were compared by structure"},
		Stale: []string{"acknowledged/sandbox-namespace-old-0011223344556677.yaml"},
	}
	change := func(cluster, group, version, kind, namespace, name string, action report.Action, tenant string, line int32, fields ...report.Field) int {
		file := "tenants/" + tenant + "/tenant.cue"
		if tenant == "" {
			file = "platform/platform.cue"
		}
		c := report.Change{
			ID: object.ID{Cluster: cluster, Group: group, Kind: kind, Namespace: namespace, Name: name}, Version: version, Action: action,
			Tenant: tenant, Fields: fields, Origin: source.Span{File: file, Line: line, Col: 2},
			Hash: fmt.Sprintf("%016x", len(r.Changes)+1),
		}
		unit := "tenancy-" + tenant
		if tenant == "" {
			unit = "platform"
		}
		if action != report.Create {
			c.UnitBefore = unit
		}
		if action != report.Delete {
			c.UnitAfter = unit
		}
		r.Changes = append(r.Changes, c)
		return len(r.Changes) - 1
	}
	subject := func(name, tenant, pass string, changes ...int) report.Subject {
		s := report.Subject{Name: name, Tenant: tenant, Pass: pass, Changes: changes}
		if len(changes) > 0 {
			s.Cluster, s.Origin = r.Changes[changes[0]].Cluster, r.Changes[changes[0]].Origin
		}
		return s
	}
	add := func(q report.Consequence) int {
		r.Consequences = append(r.Consequences, q)
		return len(r.Consequences) - 1
	}

	// Destructive.
	ns := change("sandbox", "", "v1", "Namespace", "", "rigoberta", report.Delete, "rigoberta", 6)
	add(report.Consequence{
		Class: report.Destructive, Rule: "namespace-deleted", Kind: "Namespace", Data: true,
		Text:     "deleted, with the 3 volumes and the 41 other objects in it",
		Why:      "Flux prunes it, and Kubernetes deletes all that is in it, whoever made it",
		Plan:     []string{`set state: "retired" in tenants/rigoberta/tenant.cue, and merge: backups stay`, "remove the directory once nobody needs them"},
		Subjects: []report.Subject{subject("rigoberta", "rigoberta", "", ns)},
	})
	pvc := change("sandbox", "", "v1", "PersistentVolumeClaim", "panchito", "uploads", report.Replace, "panchito", 22,
		report.Field{Path: "spec.storageClassName", Before: `"standard"`, After: `"fast"`, Immutable: true})
	pvcAWS := change("aws", "", "v1", "PersistentVolumeClaim", "panchito", "uploads", report.Replace, "panchito", 22,
		report.Field{Path: "spec.storageClassName", Before: `"gp2"`, After: `"gp3"`, Immutable: true})
	add(report.Consequence{
		Class: report.Destructive, Rule: "volume-replaced", Kind: "PersistentVolumeClaim", Data: true,
		Text: "replaced, since spec.storageClassName does not change in place",
		Why:  "the claim is deleted and made anew, and the volume behind it goes with it",
		Subjects: []report.Subject{
			subject("panchito/uploads", "panchito", "acknowledged: the files are copied, see OPS-112", pvcAWS),
			subject("panchito/uploads", "panchito", "", pvc),
		},
	})
	project := change("aws", "argoproj.io", "v1alpha1", "AppProject", "argocd", "oldshop", report.Delete, "oldshop", 4)
	add(report.Consequence{
		Class: report.Destructive, Rule: "project-deleted", Kind: "AppProject", Text: "deleted",
		Why:      "Applications of a project that is gone are no longer reconciled",
		Subjects: []report.Subject{subject("argocd/oldshop", "oldshop", "its spec says state: retired", project)},
	})

	// Disruptive.
	for _, cluster := range []string{"aws", "sandbox"} {
		change(cluster, "apps", "v1", "Deployment", "panchito", "web", report.Update, "panchito", 19,
			report.Field{Path: `metadata.annotations["zave.io/spec-hash"]`, Before: `"e473a2201f43"`, After: `"4b5277fec929"`},
			report.Field{Path: `spec.template.spec.containers[name="web"].env[name="DB_PASSWORD"].value`, Before: `"hunter2"`, After: `"hunter3"`},
			report.Field{Path: `spec.template.spec.containers[name="web"].env[name="LOG_LEVEL"].value`, After: `"debug"`},
			report.Field{Path: `spec.template.spec.containers[name="web"].image`,
				Before: `"ghcr.io/zavestudios/panchito@sha256:6c1d1f0f0a4f7f1f6ae1e4a5d6a1b7a0c9be0dc2ad5cbe8b6a2a8b1d5df14da0"`,
				After:  `"ghcr.io/zavestudios/panchito@sha256:1f0e2d3c4b5a69788796a5b4c3d2e1f0ffeeddccbbaa99887766554491c0b2e7"`})
	}
	n := len(r.Changes)
	add(report.Consequence{
		Class: report.Disruptive, Rule: "pods-restart", Kind: "Deployment",
		Text: "restarted, one pod at a time: image sha-5df14da → sha-91c0b2e, and 2 environment variables",
		Why:  "its 2 pods are replaced by its strategy RollingUpdate, with at most 1 unavailable",
		Subjects: []report.Subject{
			subject("panchito/web", "panchito", "", n-2), subject("panchito/web", "panchito", "", n-1),
		},
	})
	job := change("sandbox", "batch", "v1", "Job", "postgres", "bootstrap-panchito-326879fb52", report.Rename, "panchito", 28)
	r.Changes[job].From = object.ID{Cluster: "sandbox", Group: "batch", Kind: "Job", Namespace: "postgres", Name: "bootstrap-panchito-c4e714cc51"}
	add(report.Consequence{
		Class: report.Disruptive, Rule: "job-runs-again", Kind: "Job", Text: "run again, under another name",
		Why:      "its name is made of what it does, and that changes",
		Subjects: []report.Subject{subject("postgres/bootstrap-panchito", "panchito", "", job)},
	})
	unit := change("aws", "kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "flux-system", "delivery-shop", report.Move, "thehouseguy", 5)
	r.Changes[unit].UnitBefore, r.Changes[unit].UnitAfter = "delivery-shop", "tenancy-thehouseguy"
	add(report.Consequence{
		Class: report.Disruptive, Rule: "owner-changed", Kind: "Kustomization", Text: "owned by another unit: delivery-shop → tenancy-thehouseguy",
		Why: "the unit that loses it may prune it before the other one applies it",
		Plan: []string{"annotate it with kustomize.toolkit.fluxcd.io/prune: disabled, and wait until Flux has applied that",
			"move it, and take the annotation away"},
		Subjects: []report.Subject{subject("flux-system/delivery-shop", "thehouseguy", "", unit)},
	})

	// Exposure.
	policy := change("sandbox", "networking.k8s.io", "v1", "NetworkPolicy", "panchito", "offers-web", report.Update, "panchito", 60,
		report.Field{Path: "spec.ingress[0].from", Before: `[]`, After: `[{"namespaceSelector":{"matchLabels":{"zave.io/tenant":"thehouseguy"}}}]`})
	egress := change("sandbox", "networking.k8s.io", "v1", "NetworkPolicy", "panchito", "egress-world", report.Create, "panchito", 61)
	closed := change("aws", "networking.k8s.io", "v1", "NetworkPolicy", "rigoberta", "offers-web", report.Delete, "rigoberta", 14)
	opened := add(report.Consequence{
		Class: report.Exposure, Rule: "path-opened", Kind: "path", Text: "opened",
		Why:      "panchito's NetworkPolicy and AuthorizationPolicy both let it through now",
		Subjects: []report.Subject{subject("thehouseguy → panchito/web:8000", "panchito", "", policy)},
	})
	world := add(report.Consequence{
		Class: report.Exposure, Rule: "egress-opened", Kind: "path", Text: "opened to the whole world, 169.254.169.254 included",
		Why:      "what runs there can send anything to anybody",
		Subjects: []report.Subject{subject("panchito → 0.0.0.0/0:443", "panchito", "", egress)},
	})
	shut := add(report.Consequence{
		Class: report.Exposure, Rule: "path-closed", Kind: "path", Text: "closed",
		Subjects: []report.Subject{subject("panchito → rigoberta/web:8000", "rigoberta", "", closed)},
	})
	r.Paths = []report.Path{
		{Cluster: "aws", From: "panchito", To: "rigoberta/web", Ports: "8000", Before: report.Allowed, After: report.Denied, Subject: [2]int{shut, 0}},
		{Cluster: "sandbox", From: "panchito", To: "0.0.0.0/0", Ports: "443", Before: report.Denied, After: report.Allowed, Subject: [2]int{world, 0}},
		{Cluster: "sandbox", From: "thehouseguy", To: "panchito/web", Ports: "8000", Before: report.Denied, After: report.Allowed, Subject: [2]int{opened, 0}},
		{Cluster: "sandbox", From: "internet", To: "panchito/web", Ports: "all ports", Before: report.Denied, After: report.Unknown, Subject: [2]int{opened, 0}},
	}
	role := change("sandbox", "rbac.authorization.k8s.io", "v1", "Role", "panchito", "owner-team", report.Update, "panchito", 8,
		report.Field{Path: `rules[3]`, After: `{"apiGroups":[""],"resources":["secrets"],"verbs":["delete","get"]}`})
	add(report.Consequence{
		Class: report.Exposure, Rule: "rights-widened", Kind: "group", Text: "able to get and delete secrets in panchito",
		Why:      "whoever reads a namespace's secrets can act as any of its service accounts",
		Subjects: []report.Subject{subject("team-data", "panchito", "", role)},
	})

	// Capacity.
	quota := change("sandbox", "", "v1", "ResourceQuota", "panchito", "quota", report.Update, "panchito", 10,
		report.Field{Path: `spec.hard["requests.cpu"]`, Before: `"2"`, After: `"2500m"`})
	add(report.Consequence{
		Class: report.Capacity, Rule: "quota-raised", Kind: "ResourceQuota", Text: "raised: requests.cpu 2 → 2500m",
		Subjects: []report.Subject{subject("panchito/quota", "panchito", "", quota)},
	})
	r.Amounts = []report.Amounts{
		{Cluster: "aws", What: "pods", Before: "40", After: "36"},
		{Cluster: "sandbox", What: "requests.cpu", Before: "2", After: "2500m"},
		{Cluster: "sandbox", What: "requests.memory", Before: "", After: "512Mi"},
	}
	r.Money = []report.Money{
		{Cluster: "aws", What: report.CostRunning, Before: 1204.5, After: 1318.25, How: "$4.00 a month, and $1.80034 an hour for 730 hours"},
		{Cluster: "aws", What: report.CostRequested, Before: 81.5, After: 75.25, How: "$24.53 a core and $3.07 a GiB"},
	}

	// Additive: a tenant, and one label over many.
	var created []int
	for _, kind := range []string{"Namespace", "ResourceQuota", "LimitRange", "ServiceAccount", "NetworkPolicy"} {
		created = append(created, change("sandbox", "", "v1", kind, "casita", "x", report.Create, "casita", 5))
	}
	add(report.Consequence{
		Class: report.Additive, Rule: "tenant-added", Kind: "tenant", Text: "added: 5 objects, among them a namespace",
		Subjects: []report.Subject{subject("casita", "casita", "", created...)},
	})

	// Cosmetic, over many.
	label := report.Consequence{Class: report.Cosmetic, Rule: "label-added", Kind: "Namespace", Text: `given the label zave.io/team`}
	for i := range 12 {
		tenant := fmt.Sprintf("tenant-%03d", i)
		for _, cluster := range []string{"aws", "sandbox"} {
			c := change(cluster, "", "v1", "Namespace", "", tenant, report.Update, tenant, 3,
				report.Field{Path: `metadata.labels["zave.io/team"]`, After: `"data"`})
			label.Subjects = append(label.Subjects, subject(tenant, tenant, "", c))
		}
	}
	add(label)

	// What somebody wrote to do harm. It is no tenant's: directories have names of their own.
	harm := change("sandbox", "", "v1", "ConfigMap", "panchito", evil, report.Update, "panchito", 70,
		report.Field{Path: "data[" + evil + "]", Before: evil, After: evil + evil},
		report.Field{Path: "data.DATABASE_PASSWORD", Before: `"correct horse"`},
		report.Field{Path: "data.url", After: `"postgres://app:battery-staple@db/app"`})
	r.Changes[harm].Origin.File = "tenants/" + evil + "/tenant.cue"
	add(report.Consequence{
		Class: report.Cosmetic, Rule: "config-changed", Kind: "ConfigMap", Text: "changed: " + evil, Why: evil, Plan: []string{evil},
		Subjects: []report.Subject{subject(evil, "panchito", evil, harm)},
	})
	slices.SortStableFunc(r.Consequences, func(a, b report.Consequence) int {
		return slices.Index(report.Classes(), a.Class) - slices.Index(report.Classes(), b.Class)
	})
	return r
}
