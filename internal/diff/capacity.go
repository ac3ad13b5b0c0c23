package diff

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	emit "github.com/zavestudios/zave/generator/emit/tenancy"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/diff/typed"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/source"
)

// capacityRules are of the class capacity.
func capacityRules() []Rule {
	r := func(id, says, why string) Rule { return Rule{id, report.Capacity, says, why} }
	return []Rule{
		r("resized", "The pods of a workload request or may use another amount.",
			"a pod is counted as the scheduler and the quota count it: its containers and the mesh's sidecar"),
		r("scaled", "A workload has another number of pods, or an autoscaler other bounds.",
			"a pod is counted as the scheduler and the quota count it: its containers and the mesh's sidecar"),
		r("autoscaling-changed", "An autoscaler aims at something else, or moves at another pace.",
			"the number of pods follows what it aims at, within bounds that stay"),
		r("quota-lowered", "A namespace may have less than before.",
			"what goes beyond the quota is refused when it is made, and what runs stays"),
		r("quota-raised", "A namespace may have more than before.", "it is a promise, which the nodes have to keep"),
		r("bounds-changed", "What a container or a volume claim is given, or may be given, changes.",
			"it counts for what is made from now on"),
		r("volume-grown", "A volume claim requests more.",
			"the storage class has to allow it, and a volume does not shrink again"),
		r("nodes-changed", "The nodes of a cluster have more or less for tenants.", "quotas have to fit into it"),
		r("cluster-cost", "A cluster costs more or less, or what is requested on it does.",
			"it follows from the prices in the spec, and from nothing that was billed"),
	}
}

// amounts are quantities by what they are of, which is named as a ResourceQuota names it.
type amounts map[string]resource.Quantity

// add adds n times a quantity.
func (a amounts) add(what string, q resource.Quantity, n int64) {
	q = q.DeepCopy()
	q.Mul(n)
	sum := a[what].DeepCopy()
	sum.Add(q)
	a[what] = sum
}

// text gives one of them canonically.
func (a amounts) text(what, none string) string {
	q, ok := a[what]
	if !ok {
		return none
	}
	return q.String()
}

// minus gives the differences.
func (a amounts) minus(b amounts) amounts {
	out := amounts{}
	for what, q := range a {
		out.add(what, q, 1)
	}
	for what, q := range b {
		out.add(what, q, -1)
	}
	return out
}

// list gives what there are amounts of, in the order in which a report tells it.
func (a amounts) list() []string {
	out := make([]string, 0, len(a))
	for what := range a {
		out = append(out, what)
	}
	slices.SortFunc(out, inOrder)
	return out
}

// unlike gives what two differ in, by value.
func unlike(b, a amounts) []string {
	both := amounts{}
	for _, side := range []amounts{b, a} {
		for what, q := range side {
			both[what] = q
		}
	}
	return slices.DeleteFunc(both.list(), func(what string) bool {
		x, inB := b[what]
		y, inA := a[what]
		return inB == inA && x.Cmp(y) == 0
	})
}

// What amounts are of, beside what a ResourceQuota counts.
const (
	ofQuotas = "quota " // before a resource: the sum of the quotas
	ofNodes  = "nodes " // before a resource: what the nodes have for tenants
	atMost   = " at most"
)

// inOrder puts what runs before what may run, and requests before limits.
func inOrder(x, y string) int {
	rank := func(what string) (group, at int) {
		if rest, ok := strings.CutPrefix(what, ofQuotas); ok {
			group, what = 1, rest
		} else if rest, ok := strings.CutPrefix(what, ofNodes); ok {
			group, what = 2, rest
		}
		known := []string{"pods", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "requests.storage"}
		if at = slices.Index(known, strings.TrimSuffix(what, atMost)); at < 0 {
			at = len(known)
		}
		return group, at
	}
	groupX, atX := rank(x)
	groupY, atY := rank(y)
	return cmp.Or(groupX-groupY, atX-atY, strings.Compare(x, y))
}

// manifest is what counts of the kinds that ask for something, or bound it.
type manifest struct {
	Spec struct {
		Replicas             *int64  `json:"replicas"`
		Parallelism          *int64  `json:"parallelism"`
		Suspend              bool    `json:"suspend"`
		Template             pod     `json:"template"`
		VolumeClaimTemplates []claim `json:"volumeClaimTemplates"`
		JobTemplate          struct {
			Spec struct {
				Parallelism *int64 `json:"parallelism"`
				Template    pod    `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
		ScaleTargetRef struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicas *int64                  `json:"minReplicas"`
		MaxReplicas int64                   `json:"maxReplicas"`
		Hard        corev1.ResourceList     `json:"hard"`
		Limits      []corev1.LimitRangeItem `json:"limits"`
	} `json:"spec"`
}

type claim struct {
	Spec struct {
		Resources struct {
			Requests corev1.ResourceList `json:"requests"`
		} `json:"resources"`
	} `json:"spec"`
}

type pod struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
		Labels      map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Containers     []container `json:"containers"`
		InitContainers []container `json:"initContainers"`
	} `json:"spec"`
}

type container struct {
	RestartPolicy string `json:"restartPolicy"`
	Resources     struct {
		Requests corev1.ResourceList `json:"requests"`
		Limits   corev1.ResourceList `json:"limits"`
	} `json:"resources"`
}

// amounts are what one container asks for. Requests that are left out are the limits (core/v1 ResourceRequirements).
func (c container) amounts() amounts {
	out := amounts{}
	for name, q := range c.Resources.Limits {
		out["limits."+string(name)] = q
		out["requests."+string(name)] = q
	}
	for name, q := range c.Resources.Requests {
		out["requests."+string(name)] = q
	}
	return out
}

// amounts are what a pod asks for, the mesh's proxy among it: all that runs at once, or what one of those containers
// needs that come before (Kubernetes, "Init Containers: resource sharing"; Istio, "Resource Annotations").
func (p pod) amounts() (amounts, error) {
	out, first := amounts{}, amounts{}
	plus := func(to, from amounts) {
		for what, q := range from {
			to.add(what, q, 1)
		}
	}
	if injected(p) {
		for _, x := range []struct{ what, annotation string }{
			{"requests.cpu", "proxyCPU"}, {"requests.memory", "proxyMemory"},
			{"limits.cpu", "proxyCPULimit"}, {"limits.memory", "proxyMemoryLimit"},
		} {
			text := p.Metadata.Annotations["sidecar.istio.io/"+x.annotation]
			if text == "" {
				continue
			}
			q, err := resource.ParseQuantity(text)
			if err != nil {
				return nil, fmt.Errorf("sidecar.istio.io/%s: %w", x.annotation, err)
			}
			out.add(x.what, q, 1)
		}
	}
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy == "Always" { // a sidecar, which goes on running
			plus(out, c.amounts())
			continue
		}
		peak := amounts{}
		plus(peak, out)
		plus(peak, c.amounts())
		for what, q := range peak {
			if most := first[what]; q.Cmp(most) > 0 {
				first[what] = q
			}
		}
	}
	for _, c := range p.Spec.Containers {
		plus(out, c.amounts())
	}
	for what, q := range first {
		if sum := out[what]; q.Cmp(sum) > 0 {
			out[what] = q
		}
	}
	return out, nil
}

// injected tells whether the mesh gives a pod its proxy, in a namespace where it does that at all.
func injected(p pod) bool {
	const name = "sidecar.istio.io/inject"
	return p.Metadata.Annotations[name] != "false" && p.Metadata.Labels[name] != "false"
}

// load is a workload as the scheduler and the quota see it.
type load struct {
	pod    amounts
	claims amounts // of each pod
	// least and most are how many pods there are: between an autoscaler's bounds, and of what runs at times none and all.
	least, most int64
}

// into adds a workload to the sums of its cluster.
func (l load) into(sums amounts) {
	one := *resource.NewQuantity(1, resource.DecimalSI)
	sums.add("pods", one, l.least)
	sums.add("pods"+atMost, one, l.most)
	for what, q := range l.pod {
		sums.add(what, q, l.least)
		if strings.HasPrefix(what, "requests.") {
			sums.add(what+atMost, q, l.most)
		}
	}
	for what, q := range l.claims {
		sums.add(what, q, l.least)
	}
}

// span is what the pods of a workload ask for in all: "300m", or "300m to 900m" between an autoscaler's bounds.
func (l load) span(what string) string {
	all := amounts{}
	all.add("least", l.pod[what], l.least)
	all.add("most", l.pod[what], l.most)
	return between(all.text("least", ""), all.text("most", ""))
}

func between(least, most string) string {
	if least == most {
		return least
	}
	return least + " to " + most
}

// tally is what the tenants of one side ask for, or those of some units.
type tally struct {
	loads   map[object.ID]load
	scalers map[object.ID]object.ID // of workloads: their autoscalers
	sums    map[string]amounts      // by cluster
}

// of gives the sums of a cluster.
func (t *tally) of(cluster string) amounts {
	if t.sums[cluster] == nil {
		t.sums[cluster] = amounts{}
	}
	return t.sums[cluster]
}

// counted tells whether a kind asks for something, or bounds what is asked for in all.
func counted(id object.ID) bool {
	switch id.Group + "/" + id.Kind {
	case "apps/Deployment", "apps/StatefulSet", "batch/CronJob", "batch/Job", "autoscaling/HorizontalPodAutoscaler",
		"/PersistentVolumeClaim", "/ResourceQuota":
		return true
	}
	return false
}

// tally adds up the units of tenants that are meant.
func (c *comparison) tally(s *Snapshot, meant func(unit.Key) bool) (*tally, error) {
	t := &tally{loads: map[object.ID]load{}, scalers: map[object.ID]object.ID{}, sums: map[string]amounts{}}
	for i := range s.Units {
		u := &s.Units[i]
		if u.Part != unit.Workloads && u.Part != unit.Tenancy || !meant(u.Key) {
			continue
		}
		var loads []object.ID
		bounds := map[object.ID][2]int64{} // by the workload
		for j := range u.Objects {
			o := &u.Objects[j]
			if !counted(o.ID) {
				continue
			}
			m, err := c.manifest(o)
			if err != nil {
				return nil, err
			}
			switch o.Kind {
			case "ResourceQuota":
				promised(t.of(o.Cluster), m.Spec.Hard, 1)
			case "PersistentVolumeClaim":
				q, err := c.storage(o)
				if err != nil {
					return nil, err
				}
				t.of(o.Cluster).add("requests.storage", q, 1)
			case "HorizontalPodAutoscaler":
				target := object.ID{
					Cluster: o.Cluster, Group: "apps", Kind: m.Spec.ScaleTargetRef.Kind, Namespace: o.Namespace,
					Name: m.Spec.ScaleTargetRef.Name,
				}
				t.scalers[target] = o.ID
				bounds[target] = [2]int64{or(m.Spec.MinReplicas, 1), m.Spec.MaxReplicas}
			default:
				l, err := m.load(o.Kind)
				if err != nil {
					return nil, fmt.Errorf("read %s: %w", o.ID, err)
				}
				t.loads[o.ID] = l
				loads = append(loads, o.ID)
			}
		}
		for _, id := range loads {
			l := t.loads[id]
			// An autoscaler leaves alone what was scaled to zero (Kubernetes, "Horizontal Pod Autoscaling").
			if b, ok := bounds[id]; ok && l.least > 0 {
				l.least, l.most = b[0], max(b[0], b[1])
				t.loads[id] = l
			}
			l.into(t.of(id.Cluster))
		}
	}
	return t, nil
}

// promised adds the quotas of tenants to the sums, as far as it is about what nodes have. How many Secrets there may be is not.
func promised(sums amounts, hard corev1.ResourceList, tenants int64) {
	for name, q := range hard {
		what, _, _ := strings.Cut(string(name), ".")
		if what == "pods" || what == "requests" || what == "limits" {
			sums.add(ofQuotas+string(name), q, tenants)
		}
	}
}

// manifest reads an object, from what was decoded of it already where it changes.
func (c *comparison) manifest(o *object.Object) (*manifest, error) {
	m := &manifest{}
	if err := c.decode(o, m); err != nil {
		return nil, err
	}
	return m, nil
}

// storage is what a volume claim requests.
func (c *comparison) storage(o *object.Object) (resource.Quantity, error) {
	var m claim
	err := c.decode(o, &m)
	return m.Spec.Resources.Requests[corev1.ResourceStorage], err
}

func (c *comparison) decode(o *object.Object, into any) error {
	var content map[string]any
	if x := c.byID[o.ID]; x != nil && x.before == o {
		content = x.b
	} else if x != nil && x.after == o {
		content = x.a
	} else {
		var err error
		if content, err = typed.Decode(*o); err != nil {
			return err
		}
	}
	text, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("read %s: %w", o.ID, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s: %w", o.ID, err)
	}
	return nil
}

// load gives what a workload asks for by itself.
func (m *manifest) load(kind string) (l load, err error) {
	s := &m.Spec
	switch kind {
	case "CronJob": // runs at times, and one run at a time
		l.pod, err = s.JobTemplate.Spec.Template.amounts()
		l.most = or(s.JobTemplate.Spec.Parallelism, 1)
	case "Job":
		l.pod, err = s.Template.amounts()
		l.most = or(s.Parallelism, 1)
	default:
		l.pod, err = s.Template.amounts()
		l.least = or(s.Replicas, 1)
		l.most = l.least
	}
	if s.Suspend {
		l.most = 0
	}
	l.claims = amounts{}
	for _, v := range s.VolumeClaimTemplates {
		l.claims.add("requests.storage", v.Spec.Resources.Requests[corev1.ResourceStorage], 1)
	}
	return l, err
}

func or(n *int64, otherwise int64) int64 {
	if n == nil {
		return otherwise
	}
	return *n
}

// capacity tells what changes in what tenants ask for and in what they may have, and what it costs.
func (c *comparison) capacity() error {
	touched := map[unit.Key]bool{}
	for _, x := range c.changes {
		if counted(x.ID) {
			touched[x.unitB], touched[x.unitA] = true, true
		}
	}
	meant := func(k unit.Key) bool { return touched[k] }
	b, err := c.tally(c.base, meant)
	if err != nil {
		return err
	}
	a, err := c.tally(c.head, meant)
	if err != nil {
		return err
	}
	asked := c.workloads(b, a)
	for _, x := range c.changes {
		if x.before == nil || x.after == nil || x.told {
			continue
		}
		switch x.Group + "/" + x.Kind {
		case "/ResourceQuota":
			err = c.quota(x)
		case "/LimitRange":
			err = c.bounds(x)
		case "/PersistentVolumeClaim":
			err = c.volume(x)
		case "autoscaling/HorizontalPodAutoscaler":
			c.targets(x)
		}
		if err != nil {
			return err
		}
	}
	return c.clusters(b, a, asked)
}

// part keeps an effect that is about some fields of its changes. Where others change too, it is for other rules to tell
// these.
func (c *comparison) part(e effect, told func(shape string) bool) {
	for _, x := range e.changes {
		switch x.Action {
		case report.Create, report.Update, report.Delete:
			if !slices.ContainsFunc(x.fields, func(f typed.Field) bool { return !told(f.Shape) && !bookkeeping(f.Shape) }) {
				x.covered = true
			}
		}
	}
	c.effects = append(c.effects, e)
}

// ofLoad tells whether a field of a workload or of its autoscaler says how much it asks for.
func ofLoad(shape string) bool {
	switch shape {
	case "spec.replicas", "spec.minReplicas", "spec.maxReplicas":
		return true
	}
	return strings.Contains(shape, "ontainers[].resources") ||
		strings.Contains(shape, ".annotations.sidecar.istio.io/proxy")
}

// workloads tells what changes for those that both sides have, and gives the changes by which more or less is requested
// than before, by cluster. What comes and what goes is told by the rules about that.
func (c *comparison) workloads(b, a *tally) (asked map[string][]*change) {
	asked = map[string][]*change{}
	ids := make([]object.ID, 0, len(a.loads))
	for id := range a.loads {
		ids = append(ids, id)
	}
	for id := range b.loads {
		if _, both := a.loads[id]; !both {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, object.ID.Compare)
	for _, id := range ids {
		x, y := b.loads[id], a.loads[id]
		var own, scalers []*change
		if change := c.byID[id]; change != nil {
			own = append(own, change)
		}
		for _, t := range []*tally{b, a} {
			if change := c.byID[t.scalers[id]]; change != nil && !slices.Contains(scalers, change) {
				scalers = append(scalers, change)
			}
		}
		sums := [2]amounts{{}, {}}
		x.into(sums[0])
		y.into(sums[1])
		d := sums[1].minus(sums[0])
		if !zero(d["requests.cpu"]) || !zero(d["requests.memory"]) {
			asked[id.Cluster] = append(asked[id.Cluster], slices.Concat(own, scalers)...)
		}
		if x.pod == nil || y.pod == nil {
			continue
		}
		resized := unlike(x.pod, y.pod)
		if len(resized) > 0 && len(own) > 0 {
			c.part(own[0].about("resized", "resized: "+resizing(x, y, resized)), ofLoad)
		}
		// What is scaled to zero, and from it, stops and starts, which is told as that.
		if (x.least != y.least || x.most != y.most) && y.most > 0 && x.most > 0 {
			changes := slices.Concat(scalers, own)
			if len(changes) == 0 {
				continue // a load moves, and an autoscaler of another unit does not follow
			}
			e := changes[0].about("scaled", "scaled: "+scaling(x, y, len(resized) == 0))
			e.kind, e.name, e.changes = id.Kind, id.Namespace+"/"+id.Name, changes
			c.part(e, ofLoad)
		}
	}
	return asked
}

func zero(q resource.Quantity) bool { return q.Sign() == 0 }

// resizing is "requests.cpu 100m → 250m a pod, 300m → 750m in all". Limits may add up to more than there is.
func resizing(b, a load, what []string) string {
	var out []string
	for _, w := range what {
		text := w + " " + b.pod.text(w, "none") + " → " + a.pod.text(w, "none") + " a pod"
		if strings.HasPrefix(w, "requests.") && (b.most > 1 || a.most > 1) {
			text += ", " + b.span(w) + " → " + a.span(w) + " in all"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// scaling is "pods 1 to 3 → 2 to 6, requests.cpu 100m to 300m → 200m to 600m".
func scaling(b, a load, alike bool) string {
	n := func(x int64) string { return strconv.FormatInt(x, 10) }
	out := []string{"pods " + between(n(b.least), n(b.most)) + " → " + between(n(a.least), n(a.most))}
	for _, what := range []string{"requests.cpu", "requests.memory"} {
		if q, ok := a.pod[what]; ok && alike && !zero(q) {
			out = append(out, what+" "+b.span(what)+" → "+a.span(what))
		}
	}
	return strings.Join(out, ", ")
}

// quota tells what a namespace may have less of, and what more.
func (c *comparison) quota(x *change) error {
	b, a, err := c.both(x, func(m *manifest) amounts {
		out := amounts{}
		for name, q := range m.Spec.Hard {
			out[string(name)] = q
		}
		return out
	})
	if err != nil {
		return err
	}
	var lowered, raised []string
	for _, what := range unlike(b, a) {
		text := what + " " + b.text(what, "unbounded") + " → " + a.text(what, "unbounded")
		before, wasBound := b[what]
		after, isBound := a[what]
		if isBound && (!wasBound || after.Cmp(before) < 0) {
			lowered = append(lowered, text)
		} else {
			raised = append(raised, text)
		}
	}
	told := func(shape string) bool { return strings.HasPrefix(shape, "spec.hard") }
	if len(lowered) > 0 {
		c.part(x.about("quota-lowered", "lowered: "+strings.Join(lowered, ", ")), told)
	}
	if len(raised) > 0 {
		c.part(x.about("quota-raised", "raised: "+strings.Join(raised, ", ")), told)
	}
	return nil
}

// bounds tells what a LimitRange changes.
func (c *comparison) bounds(x *change) error {
	b, a, err := c.both(x, func(m *manifest) amounts {
		out := amounts{}
		for _, l := range m.Spec.Limits {
			for _, bound := range []struct {
				name string
				list corev1.ResourceList
			}{
				{"min", l.Min}, {"max", l.Max}, {"default", l.Default}, {"defaultRequest", l.DefaultRequest},
				{"maxLimitRequestRatio", l.MaxLimitRequestRatio},
			} {
				for name, q := range bound.list {
					out[string(l.Type)+" "+bound.name+"."+string(name)] = q
				}
			}
		}
		return out
	})
	if err != nil {
		return err
	}
	var texts []string
	for _, what := range unlike(b, a) {
		texts = append(texts, what+" "+b.text(what, "none")+" → "+a.text(what, "none"))
	}
	if len(texts) > 0 {
		c.part(x.about("bounds-changed", "given other bounds: "+strings.Join(texts, ", ")),
			func(shape string) bool { return strings.HasPrefix(shape, "spec.limits") })
	}
	return nil
}

// both reads amounts out of both sides of a change.
func (c *comparison) both(x *change, of func(*manifest) amounts) (b, a amounts, err error) {
	before, err := c.manifest(x.before)
	if err != nil {
		return nil, nil, err
	}
	after, err := c.manifest(x.after)
	if err != nil {
		return nil, nil, err
	}
	return of(before), of(after), nil
}

// volume tells that a claim grows. One that shrinks has to be made anew, which is told as that.
func (c *comparison) volume(x *change) error {
	b, err := c.storage(x.before)
	if err != nil {
		return err
	}
	a, err := c.storage(x.after)
	if err != nil {
		return err
	}
	if a.Cmp(b) > 0 {
		c.part(x.about("volume-grown", "grown: "+b.String()+" → "+a.String()),
			func(shape string) bool { return shape == "spec.resources.requests.storage" })
	}
	return nil
}

// targets tells what an autoscaler aims at.
func (c *comparison) targets(x *change) {
	told := func(shape string) bool {
		return ofLoad(shape) || strings.HasPrefix(shape, "spec.metrics") || strings.HasPrefix(shape, "spec.behavior")
	}
	differ := func(prefix string) bool {
		return slices.ContainsFunc(x.fields, func(f typed.Field) bool { return strings.HasPrefix(f.Shape, prefix) })
	}
	if differ("spec.metrics") {
		b, a := aims(x.b), aims(x.a)
		text := "aimed at something else: " + b + " → " + a
		if b == a {
			text = "aimed at something else, by the same name: " + a
		}
		c.part(x.about("autoscaling-changed", text), told)
	}
	if differ("spec.behavior") {
		c.part(x.about("autoscaling-changed", "moved at another pace"), told)
	}
}

// aims is what an autoscaler aims at: "cpu of container web at 75%".
func aims(content map[string]any) string {
	list, _ := dig(content, "spec", "metrics").([]any)
	var out []string
	for _, m := range list {
		kind := textOf(dig(m, "type"))
		if kind == "" {
			continue
		}
		of := dig(m, strings.ToLower(kind[:1])+kind[1:])
		text := cmp.Or(textOf(dig(of, "name")), textOf(dig(of, "metric", "name")))
		if name := textOf(dig(of, "container")); name != "" {
			text += " of container " + name
		}
		if name := textOf(dig(of, "describedObject", "name")); name != "" {
			text += " of " + textOf(dig(of, "describedObject", "kind")) + " " + name
		}
		if percent := textOf(dig(of, "target", "averageUtilization")); percent != "" {
			text += " at " + percent + "%"
		} else if each := textOf(dig(of, "target", "averageValue")); each != "" {
			text += " at " + each + " a pod"
		} else {
			text += " at " + textOf(dig(of, "target", "value"))
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return "nothing"
	}
	slices.Sort(out)
	return and(out)
}

// clusters gives the sums that differ, and what that costs.
//
// A difference is exact whatever the snapshots leave out, since that is alike. A sum is the model's, which has all
// tenants; a snapshot without one is a tree, which was read whole. So what was before is what is less the difference.
func (c *comparison) clusters(b, a *tally, asked map[string][]*change) error {
	names := map[string]bool{}
	for _, t := range []*tally{b, a} {
		for name := range t.sums {
			names[name] = true
		}
	}
	was, is := clustersOf(c.base.Platform), clustersOf(c.head.Platform)
	for _, side := range []map[string]*model.Cluster{was, is} {
		for name := range side {
			names[name] = true
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	totals := map[string]amounts{}
	if c.head.Platform == nil {
		all, err := c.tally(c.head, func(unit.Key) bool { return true })
		if err != nil {
			return err
		}
		totals = all.sums
	}
	for _, name := range sorted {
		total := func() amounts {
			if totals[name] == nil {
				totals[name] = ofCluster(is[name])
			}
			return totals[name]
		}
		delta := a.of(name).minus(b.of(name))
		for _, what := range delta.list() {
			d := delta[what]
			if base, ok := strings.CutSuffix(what, atMost); zero(d) || ok && d.Cmp(delta[base]) == 0 {
				continue
			}
			after := total()[what].DeepCopy()
			before := after.DeepCopy()
			before.Sub(d)
			c.amounts = append(c.amounts, report.Amounts{
				Cluster: name, What: what, Before: before.String(), After: after.String(),
			})
		}
		c.nodes(name, was[name], is[name])
		c.running(name, was[name], is[name])
		c.requested(name, was[name], is[name], total, delta, asked[name])
	}
	return nil
}

func clustersOf(p *model.Platform) map[string]*model.Cluster {
	out := map[string]*model.Cluster{}
	if p != nil {
		for _, k := range p.Clusters {
			out[k.Name] = k
		}
	}
	return out
}

// ofCluster adds up all tenants of a cluster, as tally does from what they compile to. Zave writes no volume claims.
// There are thousands of tenants, and a few tiers and sizes: these are counted first.
func ofCluster(k *model.Cluster) amounts {
	sums := amounts{}
	if k == nil {
		return sums
	}
	type bound struct {
		tier    *model.Tier
		retired bool
	}
	quotas := map[bound]int{}
	var tenants []*model.Placement // the first of each bound
	loads := map[model.Resources]*load{}
	var sizes []*load // in the order of the model, as the sums take after the first in how they are written
	for _, p := range k.Placements {
		q := bound{p.Tier, p.State == model.Retired}
		if quotas[q]++; quotas[q] == 1 {
			tenants = append(tenants, p)
		}
		if !p.Running() || !p.Source.Generated() {
			continue
		}
		for _, w := range p.Workloads {
			l := loads[w.Resources]
			if l == nil {
				l = &load{pod: amounts{}}
				for _, r := range []model.Resources{w.Resources, k.Platform.Sidecar} {
					l.pod.add("requests.cpu", r.Requests.CPU, 1)
					l.pod.add("requests.memory", r.Requests.Memory, 1)
					l.pod.add("limits.cpu", r.Limits.CPU, 1)
					l.pod.add("limits.memory", r.Limits.Memory, 1)
				}
				loads[w.Resources] = l
				sizes = append(sizes, l)
			}
			if w.Schedule != "" {
				l.most++
				continue
			}
			l.least += int64(w.Min)
			l.most += int64(max(w.Min, w.Max))
		}
	}
	for _, p := range tenants {
		promised(sums, emit.Quota(p).Spec.Hard, int64(quotas[bound{p.Tier, p.State == model.Retired}]))
	}
	for _, l := range sizes {
		l.into(sums)
	}
	return sums
}

// onCluster makes an effect on a cluster as a whole.
func onCluster(name, rule, text string, origin source.Span, changes []*change) effect {
	return effect{rule: rule, kind: "cluster", name: name, text: text, cluster: name, origin: origin, changes: changes}
}

// nodes tells what the nodes of a cluster have more or less.
func (c *comparison) nodes(name string, b, a *model.Cluster) {
	if b == nil || a == nil {
		return
	}
	of := func(k *model.Cluster) amounts {
		return amounts{ofNodes + "cpu": k.Free.CPU, ofNodes + "memory": k.Free.Memory}
	}
	was, is := of(b), of(a)
	var texts []string
	for _, what := range unlike(was, is) {
		before, after := was.text(what, ""), is.text(what, "")
		c.amounts = append(c.amounts, report.Amounts{Cluster: name, What: what, Before: before, After: after})
		texts = append(texts, strings.TrimPrefix(what, ofNodes)+" "+before+" → "+after)
	}
	if len(texts) > 0 {
		c.effects = append(c.effects,
			onCluster(name, "nodes-changed", "with other room for tenants: "+strings.Join(texts, ", "), a.Origin, nil))
	}
}

// hours are those of a month, on average: a year's by twelve.
const hours = 8760 / 12

// running tells what a cluster costs more or less, whatever it is used for. A cost that is told for the first time, or
// no more, is none that changes.
func (c *comparison) running(name string, b, a *model.Cluster) {
	cost := func(k *model.Cluster) float64 {
		if k == nil {
			return 0
		}
		return k.Cost.Monthly + hours*k.Cost.Hourly
	}
	if c.base.Platform == nil || c.head.Platform == nil || b != nil && b.Cost == nil || a != nil && a.Cost == nil {
		return
	}
	m := report.Money{Cluster: name, What: report.CostRunning, Before: cents(cost(b)), After: cents(cost(a))}
	if m.Before == m.After {
		return
	}
	k := a
	if k == nil {
		k = b
	}
	m.How = usd(k.Cost.Monthly) + " a month"
	if k.Cost.Hourly != 0 {
		m.How += fmt.Sprintf(", and %s an hour if it runs for all %d hours of a month", usd(k.Cost.Hourly), hours)
	}
	c.money = append(c.money, m)
	c.effects = append(c.effects, onCluster(name, "cluster-cost",
		"with a cost of "+usd(m.Before)+" → "+usd(m.After)+" a month, whatever it is used for", k.Cost.Origin, nil))
}

// requested tells what it costs more or less what the tenants of a cluster request.
func (c *comparison) requested(
	name string, b, a *model.Cluster, total func() amounts, delta amounts, changes []*change,
) {
	if a == nil || a.Cost == nil || a.Cost.CPU == 0 && a.Cost.Memory == 0 {
		return
	}
	before, after := a.Cost, a.Cost
	if b != nil { // otherwise the prices of then are not known, or there were none
		if before = b.Cost; before == nil || before.CPU == 0 && before.Memory == 0 {
			return
		}
	}
	alike := before.CPU == after.CPU && before.Memory == after.Memory
	if alike && zero(delta["requests.cpu"]) && zero(delta["requests.memory"]) {
		return
	}
	sums := total()
	was := sums.minus(delta)
	cost := func(p *model.Cost, sums amounts) float64 {
		cpu, memory := sums["requests.cpu"], sums["requests.memory"]
		return cents(p.CPU*cpu.AsApproximateFloat64() + p.Memory*memory.AsApproximateFloat64()/(1<<30))
	}
	m := report.Money{Cluster: name, What: report.CostRequested, Before: cost(before, was), After: cost(after, sums)}
	if m.Before == m.After {
		return
	}
	m.How = fmt.Sprintf("what all tenants request, with the fewest pods, at %s a core and %s a GiB",
		usd(after.CPU), usd(after.Memory))
	if !alike {
		m.How += fmt.Sprintf(" (before: %s and %s)", usd(before.CPU), usd(before.Memory))
	}
	if after.Monthly != 0 || after.Hourly != 0 {
		m.How += "; it is a way to share out what the cluster costs, and not to be added to it"
	}
	c.money = append(c.money, m)
	origin := after.Origin
	if alike && len(changes) > 0 {
		origin = changes[0].Origin
	}
	c.effects = append(c.effects, onCluster(name, "cluster-cost",
		"with requests that cost "+usd(m.Before)+" → "+usd(m.After)+" a month, by the core and the GiB", origin, changes))
}

// cents rounds an amount of dollars, so that what differs by less is alike.
func cents(x float64) float64 { return math.Round(x*100) / 100 }

// usd is a price as people write it, "$1,107.40": with cents, and with more where it has more.
func usd(x float64) string {
	text := strconv.FormatFloat(math.Round(x*1e6)/1e6, 'f', -1, 64)
	whole, rest, _ := strings.Cut(text, ".")
	for len(rest) < 2 {
		rest += "0"
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return "$" + whole + "." + rest
}
