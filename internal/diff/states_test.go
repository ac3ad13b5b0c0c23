package diff_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/diff"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/tree"
)

// edited compiles this repository's specs with one replacement.
func edited(tb testing.TB, file, old, by string) *diff.Snapshot {
	tb.Helper()
	files := specs(tb)
	apply(tb, files, txtar.File{Name: file + ".edit", Data: []byte("-" + old + "\n+" + by + "\n")})
	return compiled(tb, files)
}

func compiled(tb testing.TB, files fstest.MapFS) *diff.Snapshot {
	tb.Helper()
	r := compile(tb, files)
	return &diff.Snapshot{Units: r.Units, Platform: r.Platform}
}

func compare(tb testing.TB, base, head *diff.Snapshot, o diff.Options) *report.Report {
	tb.Helper()
	r, err := diff.Compare(base, head, o)
	if err != nil {
		tb.Fatal(err)
	}
	covered(tb, r)
	return r
}

// find gives the one consequence of a rule.
func find(tb testing.TB, r *report.Report, rule string) *report.Consequence {
	tb.Helper()
	var found *report.Consequence
	for i := range r.Consequences {
		if r.Consequences[i].Rule == rule {
			if found != nil {
				tb.Fatalf("there are several of %s:\n%s", rule, told(r))
			}
			found = &r.Consequences[i]
		}
	}
	if found == nil {
		tb.Fatalf("there is no %s:\n%s", rule, told(r))
	}
	return found
}

// TestTenantStates takes a tenant through the states that a tree alone does not tell.
func TestTenantStates(t *testing.T) {
	const file = "tenants/rigoberta/tenant.cue"
	const clusters = `	clusters: ["sandbox", "aws"]`
	active := compiled(t, specs(t))
	suspended := edited(t, file, clusters, clusters+"\n+	state: \"suspended\"")
	retired := edited(t, file, clusters, clusters+"\n+	state: \"retired\"")

	if q := find(t, compare(t, active, suspended, diff.Options{}), "tenant-suspended"); q.Text != "suspended: 1 workload stopped" || len(q.Subjects) != 2 {
		t.Errorf("%+v", q)
	}
	for _, from := range []*diff.Snapshot{suspended, retired} {
		if q := find(t, compare(t, from, active, diff.Options{}), "tenant-resumed"); !strings.HasPrefix(q.Text, "running again: ") || len(q.Subjects) != 2 {
			t.Errorf("%+v", q)
		}
	}
	files := specs(t)
	for name := range files {
		if strings.HasPrefix(name, "tenants/rigoberta/") {
			delete(files, name)
		}
	}
	gone := compiled(t, files)
	for _, s := range find(t, compare(t, active, gone, diff.Options{}), "tenant-deleted").Subjects {
		if s.Pass != "" {
			t.Errorf("an active tenant that goes is let through: %s", s.Pass)
		}
	}
	for _, s := range find(t, compare(t, retired, gone, diff.Options{}), "tenant-deleted").Subjects {
		if s.Pass != "its spec says state: retired" {
			t.Errorf("a retired tenant that goes is not let through: %+v", s)
		}
	}

	files = specs(t)
	apply(t, files, txtar.File{Name: file + ".edit", Data: []byte("-" + clusters + "\n+	clusters: [\"sandbox\"]\n\n" +
		"-	overrides: aws: workloads: web: hosts: [\"rigoberta.aws.zavestudios.com\"]\n+\n")})
	r := compare(t, active, compiled(t, files), diff.Options{})
	q := find(t, r, "tenant-deleted")
	if len(q.Subjects) != 1 || q.Subjects[0].Cluster != "aws" || !strings.Contains(q.Why, "leaves the cluster") {
		t.Errorf("%+v", q)
	}
}

// TestPass acknowledges and allows what stands for a whole: the Namespace of a tenant, and not each of its objects.
func TestPass(t *testing.T) {
	base, head, o := caseSnapshots(t, "tenant-deleted")
	r := compare(t, base, head, o)
	var acks []diff.Ack
	for _, c := range r.Changes {
		if c.Kind == "Namespace" {
			acks = append(acks, diff.NewAck(c, "moved"))
		}
		if c.Kind == "Deployment" {
			acks = append(acks, diff.NewAck(c, "of no use"))
		}
	}
	passes := func(o diff.Options) (out []string) {
		for _, s := range find(t, compare(t, base, head, o), "tenant-deleted").Subjects {
			out = append(out, s.Pass)
		}
		return out
	}
	if got := passes(diff.Options{Acks: acks}); !slices.Equal(got, []string{"acknowledged: moved", "acknowledged: moved"}) {
		t.Errorf("%q", got)
	}
	if got := passes(diff.Options{Allow: []string{"Namespace/rigoberta"}}); !slices.Equal(got, []string{"allowed by --allow", "allowed by --allow"}) {
		t.Errorf("%q", got)
	}
	if got := passes(diff.Options{Allow: []string{"Deployment/rigoberta/web"}}); !slices.Equal(got, []string{"", ""}) {
		t.Errorf("%q", got)
	}
	r = compare(t, base, head, diff.Options{Acks: acks})
	for _, file := range r.Stale {
		if !strings.Contains(file, "deployment") {
			t.Errorf("%s counts", file)
		}
	}
	if len(r.Stale) != 2 {
		t.Errorf("%q", r.Stale)
	}
}

// TestMany says one cause once, however many it reaches and whatever these are called.
func TestMany(t *testing.T) {
	const n = 412
	var base, head []tree.File
	for i := range n {
		name := fmt.Sprintf("tenant-%03d", i)
		file := func(label, image string) tree.File {
			return tree.File{Path: "tenants/main/" + name + "/platform/tenancy/a.yaml", Data: fmt.Appendf(nil, `apiVersion: v1
kind: Namespace
metadata: {name: %[1]s, labels: {%[2]s}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: %[1]s}
spec: {replicas: 2, template: {spec: {containers: [{name: web, image: "a:%[3]s"}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: %[1]s, namespace: %[1]s}
data: {%[1]s.conf: "%[3]s"}
`, name, label, image)}
		}
		base, head = append(base, file("", "1")), append(head, file(`zave.io/team: `+name, "2"))
	}
	r := compare(t, snapshot(t, base), snapshot(t, head), diff.Options{})
	if len(r.Consequences) != 3 {
		t.Fatalf("%d consequences:\n%.4000s", len(r.Consequences), told(r))
	}
	for _, q := range r.Consequences {
		if len(q.Subjects) != n {
			t.Errorf("%s has %d subjects", q.Rule, len(q.Subjects))
		}
	}
	if q := find(t, r, "config-changed"); q.Text != "changed: <tenant>.conf" {
		t.Error(q.Text)
	}
}

// TestSame compares snapshots with themselves, and with what formatting and order make of them.
func TestSame(t *testing.T) {
	s := compiled(t, specs(t))
	if r := compare(t, s, s, diff.Options{}); len(r.Changes)+len(r.Consequences)+len(r.Paths)+len(r.Notes) != 0 {
		t.Errorf("%d changes, %d consequences of nothing", len(r.Changes), len(r.Consequences))
	}
	other := &diff.Snapshot{Platform: s.Platform}
	for _, u := range s.Units {
		u.Objects = slices.Clone(u.Objects)
		for i := range u.Objects {
			u.Objects[i].YAML = reformatted(t, u.Objects[i].YAML)
		}
		slices.Reverse(u.Objects)
		other.Units = append(other.Units, u)
	}
	slices.Reverse(other.Units)
	if r := compare(t, s, other, diff.Options{}); len(r.Changes)+len(r.Consequences)+len(r.Paths) != 0 {
		t.Errorf("formatting and order are %d changes:\n%s", len(r.Changes), told(r))
	}
}

// reformatted writes an object in another order of keys and another style.
func reformatted(tb testing.TB, data []byte) []byte {
	tb.Helper()
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		tb.Fatal(err)
	}
	return append([]byte("# another style\n"), append(text, '\n')...)
}

// TestOrder gives equal reports whatever the order of units and of objects in them.
func TestOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"database-removed", "tenant-deleted", "zave-upgraded"} {
		base, head, o := caseSnapshots(t, name)
		want := told(compare(t, base, head, o))
		all, err := diff.Compare(base, head, o)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			got := compare(t, shuffled(random, base), shuffled(random, head), o)
			if !bytes.Equal(told(got), want) || fmt.Sprint(got) != fmt.Sprint(all) {
				t.Errorf("%s: another order gives another report", name)
			}
		}
	}
}

func shuffled(random *rand.Rand, s *diff.Snapshot) *diff.Snapshot {
	out := &diff.Snapshot{Platform: s.Platform, Units: slices.Clone(s.Units)}
	for i := range out.Units {
		objects := slices.Clone(out.Units[i].Objects)
		random.Shuffle(len(objects), func(a, b int) { objects[a], objects[b] = objects[b], objects[a] })
		out.Units[i].Objects = objects
	}
	random.Shuffle(len(out.Units), func(a, b int) { out.Units[a], out.Units[b] = out.Units[b], out.Units[a] })
	return out
}

// TestUnreadable names the object that cannot be read.
func TestUnreadable(t *testing.T) {
	o := object.Object{ID: object.ID{Cluster: "main", Kind: "ConfigMap", Namespace: "shop", Name: "broken"}, Version: "v1", YAML: []byte("a: [")}
	s := &diff.Snapshot{Units: []unit.Unit{{Key: unit.Key{Cluster: "main", Part: unit.Tenancy, Name: "shop"}, Objects: []object.Object{o}}}}
	if _, err := diff.Compare(&diff.Snapshot{}, s, diff.Options{}); err == nil || !strings.Contains(err.Error(), "shop/broken") {
		t.Errorf("error is %v", err)
	}
}

// TestRulesAreDocumented keeps the list of rules whole: each has an ID of its own, a class and both sentences.
func TestRulesAreDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range diff.Rules() {
		if seen[r.ID] || r.ID == "" || !slices.Contains(report.Classes(), r.Class) || !strings.HasSuffix(r.Says, ".") || r.Why == "" || strings.HasSuffix(r.Why, ".") {
			t.Errorf("%+v", r)
		}
		seen[r.ID] = true
	}
}
