package diff

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/diff/typed"
)

// refusals says which pods the bounds of a namespace refuse from now on.
func (c *comparison) refusals(x *change) {
	if x.a == nil || x.told {
		return
	}
	switch x.Group + "/" + x.Kind {
	case "/ResourceQuota":
		c.quotaRefuses(x)
	case "/LimitRange":
		c.limitsRefuse(x)
	}
}

// quotaRefuses compares a quota that is lowered with what the workloads of its namespace ask for, with as many pods as
// their autoscalers may make.
func (c *comparison) quotaRefuses(x *change) {
	hard, _ := dig(x.a, "spec", "hard").(map[string]any)
	was, _ := dig(x.b, "spec", "hard").(map[string]any)
	var asked map[string]resource.Quantity
	var texts []string
	for _, name := range sortedKeys(hard) {
		most, ok := quantityOf(hard[name])
		if !ok {
			continue
		}
		if b, ok := quantityOf(was[name]); ok && most.Cmp(b) >= 0 {
			continue
		}
		if asked == nil {
			asked = c.asked(x.Cluster, x.Namespace)
		}
		what := name
		if what == "cpu" || what == "memory" { // short for its requests (core/v1 ResourceQuotaSpec)
			what = "requests." + what
		}
		need, ok := asked[what]
		if !ok || need.Cmp(most) <= 0 {
			continue
		}
		from := textOf(was[name])
		if from == "" {
			from = "unbounded"
		}
		texts = append(texts, name+" "+from+" → "+most.String()+", with "+need.String()+" asked for")
	}
	if len(texts) > 0 {
		c.add(x.about("quota-too-low", "lowered below what runs: "+strings.Join(texts, "; ")))
	}
}

func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func quantityOf(v any) (resource.Quantity, bool) {
	if v == nil {
		return resource.Quantity{}, false
	}
	q, err := resource.ParseQuantity(textOf(v))
	return q, err == nil
}

// asked adds up what the workloads of a namespace ask for after the change, as a quota counts it.
func (c *comparison) asked(cluster, namespace string) map[string]resource.Quantity {
	sums := map[string]resource.Quantity{}
	limits := c.around.in(after, cluster, namespace, "LimitRange")
	for _, w := range c.around.in(after, cluster, namespace, "Deployment", "StatefulSet", "ReplicaSet", "Job", "CronJob", "Pod") {
		n := 1
		spec := dig(w.content, "spec")
		switch w.Kind {
		case "Deployment", "StatefulSet", "ReplicaSet":
			n, _ = c.pods(&change{a: w.content, Change: reportOf(w)})
		case "CronJob":
			spec = dig(w.content, "spec", "jobTemplate", "spec")
			n = number(dig(spec, "parallelism"), 1)
		case "Job":
			n = number(dig(spec, "parallelism"), 1)
		}
		if !active(w.content) || n == 0 {
			continue
		}
		template := any(w.content)
		if w.Kind != "Pod" {
			template = dig(spec, "template")
		}
		pods := *resource.NewQuantity(int64(n), resource.DecimalSI)
		sum := sums["pods"]
		sum.Add(pods)
		sums["pods"] = sum
		for what, q := range podAsks(template, limits) {
			q.Mul(int64(n))
			sum := sums[what]
			sum.Add(q)
			sums[what] = sum
		}
	}
	return sums
}

// podAsks is what one pod asks for: all containers that run at once, or the one before them that asks for most, and the
// mesh's sidecar (Kubernetes, "Resource sharing within containers"; Istio, "Resource Annotations").
func podAsks(template any, limits []neighbour) map[string]resource.Quantity {
	sums, first := map[string]resource.Quantity{}, map[string]resource.Quantity{}
	plus := func(what string, v any) {
		if q, ok := quantityOf(v); ok {
			sum := sums[what]
			sum.Add(q)
			sums[what] = sum
		}
	}
	annotations, _ := dig(template, "metadata", "annotations").(map[string]any)
	if annotations["sidecar.istio.io/inject"] != "false" {
		plus("requests.cpu", annotations["sidecar.istio.io/proxyCPU"])
		plus("requests.memory", annotations["sidecar.istio.io/proxyMemory"])
		plus("limits.cpu", annotations["sidecar.istio.io/proxyCPULimit"])
		plus("limits.memory", annotations["sidecar.istio.io/proxyMemoryLimit"])
	}
	for _, container := range maps(dig(template, "spec", "initContainers")) {
		always := container["restartPolicy"] == "Always" // a sidecar, which goes on running
		for what, v := range containerAsks(container, limits) {
			q, ok := quantityOf(v)
			switch most := first[what]; {
			case always:
				plus(what, v)
			case ok && q.Cmp(most) > 0:
				first[what] = q
			}
		}
	}
	for _, container := range maps(dig(template, "spec", "containers")) {
		for what, v := range containerAsks(container, limits) {
			plus(what, v)
		}
	}
	for what, q := range first {
		if sum := sums[what]; q.Cmp(sum) > 0 {
			sums[what] = q
		}
	}
	return sums
}

// containerAsks is what a container asks for, with what a LimitRange and the API server add: requests that are left out
// are the limits where these are given, and defaults else (Kubernetes, "Limit Ranges").
func containerAsks(container map[string]any, limits []neighbour) map[string]any {
	out := map[string]any{}
	for _, resource := range []string{"cpu", "memory"} {
		request, limit := dig(container, "resources", "requests", resource), dig(container, "resources", "limits", resource)
		if request == nil {
			request = limit
		}
		for _, l := range limits {
			for _, item := range maps(dig(l.content, "spec", "limits")) {
				if item["type"] != "Container" {
					continue
				}
				if limit == nil {
					limit = dig(item, "default", resource)
				}
				if request == nil {
					request = dig(item, "defaultRequest", resource)
				}
			}
		}
		if request == nil {
			request = limit
		}
		if request != nil {
			out["requests."+resource] = request
		}
		if limit != nil {
			out["limits."+resource] = limit
		}
	}
	return out
}

// limitsRefuse looks for containers that a LimitRange let pass before, and refuses after.
func (c *comparison) limitsRefuse(x *change) {
	var texts []string
	for _, w := range c.around.in(after, x.Cluster, x.Namespace, "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod") {
		spec := dig(w.content, "spec", "template", "spec")
		switch w.Kind {
		case "CronJob":
			spec = dig(w.content, "spec", "jobTemplate", "spec", "template", "spec")
		case "Pod":
			spec = dig(w.content, "spec")
		}
		for _, container := range slices.Concat(maps(dig(spec, "initContainers")), maps(dig(spec, "containers"))) {
			asks := containerAsks(container, []neighbour{{content: x.a}})
			now := outOfBounds(asks, x.a)
			if now != "" && outOfBounds(asks, x.b) == "" {
				texts = append(texts, w.Kind+" "+w.Name+" "+now)
				break
			}
		}
	}
	if len(texts) > 0 {
		c.add(x.about("limits-refuse", "too narrow for what runs: "+some(texts, 4)))
	}
}

// outOfBounds says what a LimitRange refuses of a container; nothing where it refuses none.
func outOfBounds(asks map[string]any, limits map[string]any) string {
	for _, item := range maps(dig(limits, "spec", "limits")) {
		if item["type"] != "Container" {
			continue
		}
		for _, what := range sortedKeys(asks) {
			_, name, _ := strings.Cut(what, ".")
			q, ok := quantityOf(asks[what])
			if !ok {
				continue
			}
			if most, ok := quantityOf(dig(item, "max", name)); ok && q.Cmp(most) > 0 {
				return what + " " + q.String() + ", at most " + most.String()
			}
			if least, ok := quantityOf(dig(item, "min", name)); ok && q.Cmp(least) < 0 {
				return what + " " + q.String() + ", at least " + least.String()
			}
		}
	}
	return ""
}

// podSecurity begins the labels by which a namespace says what pods it admits (Kubernetes, "Pod Security Admission").
const podSecurity = "pod-security.kubernetes.io/"

// security is said of a namespace that admits fewer pods; what it admits more is for package reach to say.
func (c *comparison) security(x *change, fields []typed.Field) {
	level := func(m map[string]any) (name string, rank int) {
		name, _ = dig(m, "metadata", "labels", podSecurity+"enforce").(string)
		return name, slices.Index([]string{"privileged", "baseline", "restricted"}, name)
	}
	b, was := level(x.b)
	a, is := level(x.a)
	if b == "" {
		b, was = "privileged", 0 // the API server's own default
	}
	switch {
	case len(fields) == 0:
	case is > was:
		c.add(x.about("security-refuses", "given a stricter Pod Security level: "+b+" → "+a))
	case is == was:
		c.add(x.about("security-refuses", "given another version of Pod Security: "+values(fields)))
	}
}

// reportOf makes a change of an object that is looked at as one.
func reportOf(n neighbour) report.Change { return report.Change{ID: n.ID, Version: n.Version} }
