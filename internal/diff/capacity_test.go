package diff_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/diff"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/golden"
	"github.com/zavestudios/zave/internal/tree"
)

// capacityText gives what a report says of capacity and cost, a line each.
func capacityText(r *report.Report) string {
	var b strings.Builder
	for _, q := range r.Consequences {
		if q.Class != report.Capacity {
			continue
		}
		var names []string
		for _, s := range q.Subjects {
			names = append(names, s.Cluster+":"+s.Name)
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", q.Rule, q.Kind, strings.Join(names, ","), q.Text)
	}
	for _, a := range r.Amounts {
		fmt.Fprintf(&b, "sum %s %s: %s → %s\n", a.Cluster, a.What, a.Before, a.After)
	}
	for _, m := range r.Money {
		fmt.Fprintf(&b, "%s %s: %.2f → %.2f, %s\n", m.What, m.Cluster, m.Before, m.After, m.How)
	}
	return b.String()
}

// tenantTree is a tree of one tenant's workloads.
func tenantTree(t *testing.T, objects ...string) *diff.Snapshot {
	t.Helper()
	var files []tree.File
	for i, o := range objects {
		files = append(files, tree.File{Path: fmt.Sprintf("tenants/main/shop/app/%02d.yaml", i), Data: []byte(o)})
	}
	s, err := diff.FromTree(files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func deployment(replicas, resources string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  replicas: " + replicas +
		"\n  template: {spec: {containers: [{name: web, resources: " + resources + "}]}}\n"
}

func autoscaler(least, most, metrics string) string {
	return "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web, namespace: shop}\nspec:\n" +
		"  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n  minReplicas: " + least +
		"\n  maxReplicas: " + most + "\n  metrics: [" + metrics + "]\n"
}

func template(spec string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {template: " + spec + "}\n"
}

func quota(hard string) string {
	return "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: quota, namespace: shop}\nspec: {hard: " + hard + "}\n"
}

func bounds(limits string) string {
	return "apiVersion: v1\nkind: LimitRange\nmetadata: {name: limits, namespace: shop}\nspec: {limits: [" + limits + "]}\n"
}

func volume(size string) string {
	return "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: files, namespace: shop}\n" +
		"spec: {resources: {requests: {storage: " + size + "}}}\n"
}

func cronJob(spec string) string {
	return "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly, namespace: shop}\nspec: " + spec + "\n"
}

func cpuAt(percent string) string {
	return "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: " + percent + "}}}"
}

// Each row is what leads from one tree to another, and all that is said of capacity.
func TestCapacity(t *testing.T) {
	const small = "{requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: 250m, memory: 256Mi}}"
	run := func(template string) string { return "{jobTemplate: {spec: {template: " + template + "}}}" }
	for _, c := range []struct {
		name          string
		before, after []string
		want          string
	}{
		{
			"another amount for each of three pods",
			[]string{deployment("3", small)},
			[]string{deployment("3", "{requests: {cpu: 250m, memory: 128Mi}, limits: {cpu: 250m, memory: 256Mi}}")},
			`resized Deployment main:shop/web resized: requests.cpu 100m → 250m a pod, 300m → 750m in all
sum main requests.cpu: 300m → 750m
`,
		},
		{
			"quantities are compared by value",
			[]string{deployment("1", "{requests: {cpu: 1000m, memory: 1Gi}}"), quota("{requests.cpu: 2000m, pods: 5}"), volume("1Gi")},
			[]string{deployment("1", "{requests: {cpu: 1, memory: 1024Mi}}"), quota("{requests.cpu: 2, pods: '5'}"), volume("1024Mi")},
			"",
		},
		{
			"requests that are left out are the limits",
			[]string{deployment("1", "{limits: {cpu: 1}}")},
			[]string{deployment("1", "{requests: {cpu: 1}, limits: {cpu: 1}}")},
			"",
		},
		{
			"one pod, from no requests at all",
			[]string{deployment("1", "{}")},
			[]string{deployment("1", "{requests: {memory: 1Gi}}")},
			`resized Deployment main:shop/web resized: requests.memory none → 1Gi a pod
sum main requests.memory: 0 → 1Gi
`,
		},
		{
			"scaled",
			[]string{deployment("2", small)},
			[]string{deployment("3", small)},
			`scaled Deployment main:shop/web scaled: pods 2 → 3, requests.cpu 200m → 300m, requests.memory 256Mi → 384Mi
sum main pods: 2 → 3
sum main requests.cpu: 200m → 300m
sum main requests.memory: 256Mi → 384Mi
sum main limits.cpu: 500m → 750m
sum main limits.memory: 512Mi → 768Mi
`,
		},
		{
			"scaled to zero is told by the rule about what stops",
			[]string{deployment("1", "{requests: {cpu: 1}}")},
			[]string{deployment("0", "{requests: {cpu: 1}}")},
			`sum main pods: 1 → 0
sum main requests.cpu: 1 → 0
`,
		},
		{
			"an autoscaler has the say, and comes",
			[]string{deployment("2", "{requests: {cpu: 100m}}")},
			[]string{deployment("2", "{requests: {cpu: 100m}}"), autoscaler("2", "6", cpuAt("75"))},
			`scaled Deployment main:shop/web scaled: pods 2 → 2 to 6, requests.cpu 200m → 200m to 600m
sum main pods at most: 2 → 6
sum main requests.cpu at most: 200m → 600m
`,
		},
		{
			"what replicas say is nothing beside an autoscaler",
			[]string{deployment("2", small), autoscaler("2", "6", cpuAt("75"))},
			[]string{deployment("3", small), autoscaler("2", "6", cpuAt("75"))},
			"",
		},
		{
			"an autoscaler leaves alone what is scaled to zero",
			[]string{deployment("0", small), autoscaler("2", "6", cpuAt("75"))},
			[]string{deployment("0", small), autoscaler("3", "6", cpuAt("75"))},
			"",
		},
		{
			"an autoscaler aims at something else, and within other bounds",
			[]string{deployment("1", "{requests: {cpu: 100m}}"), autoscaler("1", "3", cpuAt("75"))},
			[]string{deployment("1", "{requests: {cpu: 100m}}"), autoscaler("2", "3", cpuAt("60"))},
			`scaled Deployment main:shop/web scaled: pods 1 to 3 → 2 to 3, requests.cpu 100m to 300m → 200m to 300m
autoscaling-changed HorizontalPodAutoscaler main:shop/web aimed at something else: cpu at 75% → cpu at 60%
sum main pods: 1 → 2
sum main requests.cpu: 100m → 200m
`,
		},
		{
			"an init container that needs more than all that run, and a sidecar that goes on running",
			[]string{template("{spec: {containers: [{name: web, resources: {requests: {cpu: 1}}}]}}")},
			[]string{template("{spec: {containers: [{name: web, resources: {requests: {cpu: 1}}}], initContainers: [" +
				"{name: log, restartPolicy: Always, resources: {requests: {cpu: 200m}}}, " +
				"{name: load, resources: {requests: {cpu: 3}}}]}}")},
			`resized Deployment main:shop/web resized: requests.cpu 1 → 3200m a pod
sum main requests.cpu: 1 → 3200m
`,
		},
		{
			"the mesh's proxy counts, unless it is not injected",
			[]string{template("{metadata: {annotations: {sidecar.istio.io/proxyCPU: 20m}}, spec: {containers: [" +
				"{name: web, resources: {requests: {cpu: 1}}}]}}")},
			[]string{template("{metadata: {annotations: {sidecar.istio.io/proxyCPU: 20m, sidecar.istio.io/inject: 'false'}}, " +
				"spec: {containers: [{name: web, resources: {requests: {cpu: 1}}}]}}")},
			`resized Deployment main:shop/web resized: requests.cpu 1020m → 1 a pod
sum main requests.cpu: 1020m → 1
`,
		},
		{
			"a CronJob runs at times",
			[]string{cronJob(run("{spec: {containers: [{name: etl, resources: {requests: {cpu: 1}}}]}}"))},
			[]string{cronJob(run("{spec: {containers: [{name: etl, resources: {requests: {cpu: 2}}}]}}"))},
			`resized CronJob main:shop/nightly resized: requests.cpu 1 → 2 a pod
sum main requests.cpu at most: 1 → 2
`,
		},
		{
			"a quota is raised and lowered",
			[]string{quota("{requests.cpu: 2, pods: 30, secrets: 10, limits.cpu: 4}")},
			[]string{quota("{requests.cpu: 2500m, pods: 20, secrets: 12, requests.storage: 1Gi}")},
			`quota-lowered ResourceQuota main:shop/quota lowered: pods 30 → 20, requests.storage unbounded → 1Gi
quota-raised ResourceQuota main:shop/quota raised: requests.cpu 2 → 2500m, limits.cpu 4 → unbounded, secrets 10 → 12
sum main quota pods: 30 → 20
sum main quota requests.cpu: 2 → 2500m
sum main quota limits.cpu: 4 → 0
sum main quota requests.storage: 0 → 1Gi
`,
		},
		{
			"bounds of single containers",
			[]string{bounds("{type: Container, max: {cpu: 1}, default: {cpu: 500m}}")},
			[]string{bounds("{type: Container, max: {cpu: 2}, default: {cpu: 0.5}}, {type: PersistentVolumeClaim, max: {storage: 1Gi}}")},
			`bounds-changed LimitRange main:shop/limits given other bounds: Container max.cpu 1 → 2, ` +
				`PersistentVolumeClaim max.storage none → 1Gi
`,
		},
		{
			"a volume grows",
			[]string{volume("10Gi")},
			[]string{volume("20Gi")},
			`volume-grown PersistentVolumeClaim main:shop/files grown: 10Gi → 20Gi
sum main requests.storage: 10Gi → 20Gi
`,
		},
		{
			"a volume that shrinks is made anew",
			[]string{volume("20Gi")},
			[]string{volume("10Gi")},
			`sum main requests.storage: 20Gi → 10Gi
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := diff.Compare(tenantTree(t, c.before...), tenantTree(t, c.after...), diff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := capacityText(r); got != c.want {
				t.Errorf("it says\n%swant\n%s", got, c.want)
			}
		})
	}
}

// What else changes in an object is for other rules: a label beside a quota is not lost.
func TestCapacityLeavesTheRest(t *testing.T) {
	named := func(label, hard string) string {
		return strings.Replace(quota(hard), "namespace: shop", "namespace: shop, labels: {a: "+label+"}", 1)
	}
	r, err := diff.Compare(tenantTree(t, named("x", "{pods: 1}")), tenantTree(t, named("y", "{pods: 2}")), diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Consequences) != 2 {
		t.Errorf("a label and a quota are %d consequences: %+v", len(r.Consequences), r.Consequences)
	}
}

// Edits of this repository's own specs, and what they say of capacity.
func TestCapacityOfSpecs(t *testing.T) {
	files, err := filepath.Glob("testdata/capacity/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			base, head := capacityCase(t, f)
			r, err := diff.Compare(base, head, diff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			golden.File(t, strings.TrimSuffix(f, ".txtar")+".txt", []byte(capacityText(r)))
			sameCapacity(t, base, head)
		})
	}
}

func capacityCase(t *testing.T, file string) (base, head *diff.Snapshot) {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before := specs(t)
	for _, f := range a.Files {
		if name, ok := strings.CutPrefix(f.Name, "base/"); ok {
			apply(t, before, txtar.File{Name: name, Data: f.Data})
		}
	}
	after := fstest.MapFS{}
	for name, f := range before {
		after[name] = f
	}
	for _, f := range a.Files {
		if !strings.HasPrefix(f.Name, "base/") {
			apply(t, after, f)
		}
	}
	b, h := compile(t, before), compile(t, after)
	return &diff.Snapshot{Units: b.Units, Platform: b.Platform}, &diff.Snapshot{Units: h.Units, Platform: h.Platform}
}

// sameCapacity compares the whole with what says the same in less: without the tenants that both sides have alike, and
// without the model, where the sums are those of the objects.
func sameCapacity(t *testing.T, base, head *diff.Snapshot) {
	t.Helper()
	whole, err := diff.Compare(base, head, diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, h := *base, *head
	dropped := dropAlike(&b, &h)
	part, err := diff.Compare(&b, &h, diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := capacityText(part), capacityText(whole); got != want {
		t.Errorf("without %v, it says\n%sand with them\n%s", dropped, got, want)
	}
	trees, err := diff.Compare(&diff.Snapshot{Units: base.Units}, &diff.Snapshot{Units: head.Units}, diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ofObjects := slices.DeleteFunc(slices.Clone(whole.Amounts), func(a report.Amounts) bool {
		return strings.HasPrefix(a.What, "nodes ")
	})
	if !slices.Equal(ofObjects, trees.Amounts) {
		t.Errorf("by the model, the sums are\n%+v\nand by the objects\n%+v", ofObjects, trees.Amounts)
	}
}

// dropAlike leaves the units of those tenants out of both sides that are the same on all clusters.
func dropAlike(base, head *diff.Snapshot) (dropped []string) {
	tenants := func(s *diff.Snapshot) map[string][]unit.Unit {
		out := map[string][]unit.Unit{}
		for _, u := range s.Units {
			switch u.Part {
			case unit.Tenancy, unit.Database, unit.Delivery, unit.Workloads:
				out[u.Name] = append(out[u.Name], u)
			}
		}
		return out
	}
	b, h := tenants(base), tenants(head)
	alike := func(u unit.Unit) bool { return b[u.Name] != nil && reflect.DeepEqual(b[u.Name], h[u.Name]) }
	for name := range b {
		if alike(b[name][0]) {
			dropped = append(dropped, name)
		}
	}
	slices.Sort(dropped)
	base.Units = slices.DeleteFunc(slices.Clone(base.Units), alike)
	head.Units = slices.DeleteFunc(slices.Clone(head.Units), alike)
	return dropped
}

// The reports of the pull requests that matter say the same of capacity, whatever is left out of the snapshots.
func TestCapacityOfParts(t *testing.T) {
	left := 0
	for _, name := range caseNames(t) {
		if name == "zave-upgraded" {
			continue // one side is a tree, which is read whole
		}
		base, head, _ := caseSnapshots(t, name)
		sameCapacity(t, base, head)
		b, h := *base, *head
		left += len(dropAlike(&b, &h))
	}
	if left == 0 {
		t.Error("nothing was ever left out")
	}
}

// All tenants come at once: what the model adds up to is what the objects do, and nothing was before.
func TestCapacityOfAll(t *testing.T) {
	r := compile(t, specs(t))
	head := &diff.Snapshot{Units: r.Units, Platform: r.Platform}
	got, err := diff.Compare(&diff.Snapshot{}, head, diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Amounts) == 0 {
		t.Error("there are no sums")
	}
	for _, a := range got.Amounts {
		if a.Before != "0" {
			t.Errorf("before there was anything, %s of %s were %s", a.What, a.Cluster, a.Before)
		}
	}
	read, err := diff.FromTree(r.Tree.Files())
	if err != nil {
		t.Fatal(err)
	}
	again, err := diff.Compare(read, head, diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if text := capacityText(again); text != "" {
		t.Errorf("the tree that was written asks for something else:\n%s", text)
	}
}
