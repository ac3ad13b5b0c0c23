package diff

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/internal/diff/typed"
)

// template is where an object of a kind describes its pods.
func template(x *change) string {
	switch x.Group + "/" + x.Kind {
	case "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "apps/ReplicaSet", "batch/Job":
		return "spec.template"
	case "batch/CronJob":
		return "spec.jobTemplate"
	}
	return ""
}

// within gives the fields below a shape, and the others.
func within(fields []typed.Field, shape string) (in, out []typed.Field) {
	for _, f := range fields {
		if rest, ok := strings.CutPrefix(f.Shape, shape); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			in = append(in, f)
		} else {
			out = append(out, f)
		}
	}
	return in, out
}

// restarts is said of a workload whose pods change: which of them, in which way, and what changes in them.
func (c *comparison) restarts(x *change, fields []typed.Field) {
	what, more := c.podChanges(x, fields)
	e := x.about("pods-restart", "")
	e.changes = append(e.changes, more...)
	switch x.Kind {
	case "CronJob":
		e.rule, e.text = "next-run", "another from its next run on: "+what
		if !active(x.a) {
			e.rule, e.text = "next-start", "another when it is no longer suspended: "+what
		}
		c.add(e)
		return
	case "Job":
		e.rule, e.text = "job-runs", "run again: "+what
		c.add(e)
		return
	}
	if !active(x.b) || !active(x.a) {
		e.rule, e.text = "next-start", "another when it is started next: "+what
		e.why = "it has no pods before or after"
		c.add(e)
		return
	}
	how, why, now := c.rollout(x)
	e.text, e.why = how+": "+what, why
	if !now {
		e.rule = "next-start"
		c.add(e)
		return
	}
	most, _ := c.pods(x)
	for _, y := range e.changes {
		y.covered = true
	}
	c.restarted = append(c.restarted, restart{e, what, most})
}

// restart is a workload whose pods are replaced, before those of one cause are joined.
type restart struct {
	effect
	what string // changes in the pods
	most int    // pods
}

// ways is in how many ways the pods of many workloads are replaced for one cause, before that is said but once.
const ways = 3

// rollouts says of each workload how its pods are replaced; of many for one cause, how many pods these are together.
func (c *comparison) rollouts() {
	type cause struct{ kind, what string }
	how := map[cause]map[string]bool{}
	pods := map[cause]int{}
	for _, r := range c.restarted {
		k := cause{r.kind, r.what}
		if how[k] == nil {
			how[k] = map[string]bool{}
		}
		how[k][r.text+"\n"+r.why] = true
		pods[k] += r.most
	}
	for _, r := range c.restarted {
		e := r.effect
		if k := (cause{r.kind, r.what}); len(how[k]) > ways {
			e.text = "restarted, by the strategy of each: " + r.what
			e.why = "they have up to " + count(pods[k], "pod") + " together, and each replaces its own by its strategy"
			if r.kind == "DaemonSet" {
				e.why = "each replaces its pods, one on every node, by its strategy"
			}
		}
		c.add(e)
	}
}

// rollout says how pods are replaced, by the strategy that the object has after the change, of how many, and whether that
// happens by itself.
func (c *comparison) rollout(x *change) (how, why string, now bool) {
	most, pods := c.pods(x)
	all := "its " + pods
	switch x.Kind {
	case "StatefulSet":
		strategy := dig(x.a, "spec", "updateStrategy")
		if dig(strategy, "type") == "OnDelete" {
			return "another as its pods are deleted by hand", all + " are replaced by nobody: its strategy is OnDelete", false
		}
		rolling := dig(strategy, "rollingUpdate")
		if p := number(dig(rolling, "partition"), 0); p > 0 {
			if p >= most {
				return "another once its partition is lower", all + " stay, by its partition " + strconv.Itoa(p), false
			}
			return "restarted, one pod at a time, from the last to number " + strconv.Itoa(p),
				all + " are replaced down to its partition, by its strategy RollingUpdate", true
		}
		n := share(dig(rolling, "maxUnavailable"), most, 1, false)
		return "restarted, " + atATime(n), all + " are replaced from the last to the first, by its strategy RollingUpdate", true
	case "DaemonSet":
		strategy := dig(x.a, "spec", "updateStrategy")
		if dig(strategy, "type") == "OnDelete" {
			return "another as its pods are deleted by hand", "its pods are replaced by nobody: its strategy is OnDelete", false
		}
		text := textOf(dig(strategy, "rollingUpdate", "maxUnavailable"))
		if text == "" {
			text = "1"
		}
		return "restarted on every node", "its pods are replaced by its strategy RollingUpdate, with at most " + text + " unavailable", true
	case "ReplicaSet":
		return "another as its pods are deleted", all + " are replaced by nobody: a ReplicaSet makes pods, and updates none", false
	}
	strategy := dig(x.a, "spec", "strategy")
	if dig(strategy, "type") == "Recreate" {
		return "restarted, all pods at once", all + " are stopped before new ones start, by its strategy Recreate", true
	}
	rolling := dig(strategy, "rollingUpdate")
	gone := share(dig(rolling, "maxUnavailable"), most, quarter(most, false), false)
	extra := share(dig(rolling, "maxSurge"), most, quarter(most, true), true)
	if gone == 0 && extra == 0 {
		gone = 1 // as the API server has it
	}
	by := "are"
	if most == 1 {
		by = "is"
	}
	atMost := func(n int) string {
		if n == 0 {
			return "none"
		}
		return "at most " + strconv.Itoa(n)
	}
	why = all + " " + by + " replaced by its strategy RollingUpdate, with " + atMost(gone) + " unavailable and " +
		atMost(extra) + " more than asked for"
	if most == 1 && gone == 0 {
		return "restarted, the new pod before the old one stops", why, true
	}
	return "restarted, " + atATime(min(gone+extra, most)), why, true
}

func atATime(n int) string {
	if n == 1 {
		return "one pod at a time"
	}
	return strconv.Itoa(n) + " pods at a time"
}

// quarter is the default of a Deployment's bounds, 25%.
func quarter(n int, up bool) int { return percent(25, n, up) }

func percent(p float64, n int, up bool) int {
	v := p * float64(n) / 100
	if up {
		return int(math.Ceil(v))
	}
	return int(math.Floor(v))
}

// share reads a number of pods, or a percentage of them.
func share(v any, of, otherwise int, up bool) int {
	switch v := v.(type) {
	case float64:
		return int(v)
	case string:
		if text, ok := strings.CutSuffix(v, "%"); ok {
			if p, err := strconv.ParseFloat(text, 64); err == nil {
				return percent(p, of, up)
			}
		}
	}
	return otherwise
}

// pods says how many pods a workload has: as many as it is given, or as its autoscaler may make of it.
func (c *comparison) pods(x *change) (most int, text string) {
	n := number(dig(x.a, "spec", "replicas"), 1)
	for _, h := range c.around.in(after, x.Cluster, x.Namespace, "HorizontalPodAutoscaler") {
		ref := dig(h.content, "spec", "scaleTargetRef")
		if dig(ref, "kind") != x.Kind || dig(ref, "name") != x.Name {
			continue
		}
		low, high := number(dig(h.content, "spec", "minReplicas"), 1), number(dig(h.content, "spec", "maxReplicas"), n)
		if low != high {
			return high, strconv.Itoa(low) + " to " + count(high, "pod")
		}
		n = high
	}
	return n, podCount(n)
}

func podCount(n int) string {
	if n == 1 {
		return "one pod"
	}
	return count(n, "pod")
}

// phrases gathers what changes in pods, in the order of how much it matters.
type phrases struct {
	image, env, resources, other []string
}

func (p *phrases) text() string {
	all := slices.Concat(p.image, p.env, p.resources, p.other)
	seen := map[string]bool{}
	all = slices.DeleteFunc(all, func(s string) bool {
		twice := seen[s]
		seen[s] = true
		return twice
	})
	return some(all, 5)
}

// podChanges says what changes in a pod template, and gives the ConfigMaps and the like whose new names are among it.
func (c *comparison) podChanges(x *change, fields []typed.Field) (text string, more []*change) {
	shape := template(x)
	pod := shape + ".spec"
	if x.Kind == "CronJob" {
		pod = shape + ".spec.template.spec"
	}
	image := slices.ContainsFunc(fields, func(f typed.Field) bool { return strings.HasSuffix(f.Shape, "ontainers[].image") })
	renamed := c.renamed(x)
	var p phrases
	type names struct{ added, removed, changed []string }
	var env names
	for _, f := range fields {
		if y := renamed(f); y != nil {
			name, _ := stemOf(y.Name)
			name = y.Kind + " " + name
			if own, _ := stemOf(x.Name); name == y.Kind+" "+own || name == y.Kind+" "+x.Name {
				name = "its " + y.Kind
			}
			p.other = append(p.other, name)
			more = append(more, y)
			continue
		}
		rest, inPod := strings.CutPrefix(f.Shape, pod+".")
		if !inPod {
			rest = strings.TrimPrefix(strings.TrimPrefix(f.Shape, shape+"."), "spec.template.")
			switch {
			case rest == "metadata.labels."+label.Version && image:
			case rest == "metadata.labels."+label.Version && f.Before != nil && f.After != nil: // the tag without the digest
				p.image = append(p.image, "version"+fromTo(f)+" of the same image")
			case strings.HasPrefix(rest, "metadata.labels"):
				p.other = append(p.other, "label "+keyOf(rest, "metadata.labels"))
			case strings.HasPrefix(rest, "metadata.annotations"):
				p.other = append(p.other, "annotation "+keyOf(rest, "metadata.annotations"))
			default:
				p.other = append(p.other, f.Path)
			}
			continue
		}
		list, in, isContainer := strings.Cut(rest, "[]")
		if list != "containers" && list != "initContainers" && list != "ephemeralContainers" {
			isContainer = false
		}
		if !isContainer {
			p.other = append(p.other, podField(rest, f))
			continue
		}
		container := ""
		if len(f.Keys) > 0 {
			container = f.Keys[0]
		}
		in = strings.TrimPrefix(in, ".")
		of := ""
		if c.several(x, pod) && container != x.Name {
			of = " of " + container
		}
		first, _, _ := strings.Cut(strings.ReplaceAll(in, "[]", "."), ".")
		switch {
		case in == "" && f.Before == nil:
			p.image = append(p.image, "container "+container+" added")
		case in == "":
			p.image = append(p.image, "container "+container+" removed")
		case in == "image":
			p.image = append(p.image, "image"+of+" "+c.images(x, f))
		case first == "env" && len(f.Keys) > 1:
			switch name := f.Keys[1] + of; {
			case f.Before == nil && strings.HasSuffix(in, "env[]"):
				env.added = append(env.added, name)
			case f.After == nil && strings.HasSuffix(in, "env[]"):
				env.removed = append(env.removed, name)
			case !slices.Contains(env.changed, name):
				env.changed = append(env.changed, name)
			}
		case first == "env":
			p.env = append(p.env, "env"+of)
		case first == "envFrom":
			p.env = append(p.env, envFrom(f)+of)
		case first == "resources":
			p.resources = append(p.resources, strings.TrimPrefix(strings.TrimPrefix(in, "resources."), "claims.")+of+fromTo(f))
		default:
			p.other = append(p.other, first+of)
		}
	}
	for _, e := range []struct {
		names []string
		verb  string
	}{{env.changed, "changed"}, {env.added, "added"}, {env.removed, "removed"}} {
		if len(e.names) > 0 {
			p.env = append(p.env, "env "+some(e.names, 4)+" "+e.verb)
		}
	}
	return p.text(), more
}

// keyOf is the key of a label or an annotation, or nothing where all of them come or go.
func keyOf(shape, of string) string {
	if key, ok := strings.CutPrefix(shape, of+"."); ok {
		return key
	}
	return "of all keys"
}

// several tells whether a pod has more than one container.
func (c *comparison) several(x *change, pod string) bool {
	spec := any(x.content())
	for _, name := range strings.Split(pod, ".") {
		spec = dig(spec, name)
	}
	return len(maps(dig(spec, "containers")))+len(maps(dig(spec, "initContainers"))) > 1
}

// fromTo gives the two sides of a plain value.
func fromTo(f typed.Field) string {
	for _, v := range []any{f.Before, f.After} {
		switch v.(type) {
		case map[string]any, []any:
			return ""
		}
	}
	switch {
	case f.Before == nil:
		return " " + textOf(f.After) + " given"
	case f.After == nil:
		return " " + textOf(f.Before) + " taken away"
	}
	return " " + textOf(f.Before) + " → " + textOf(f.After)
}

// podField names a field of a pod by the part that people know.
func podField(rest string, f typed.Field) string {
	first, _, _ := strings.Cut(strings.ReplaceAll(rest, "[]", "."), ".")
	if first == "volumes" && len(f.Keys) > 0 {
		return "volume " + f.Keys[0]
	}
	switch rest {
	case "terminationGracePeriodSeconds", "serviceAccountName", "priorityClassName", "restartPolicy":
		return rest + fromTo(f)
	}
	return first
}

// envFrom says which Secret or ConfigMap gives the environment.
func envFrom(f typed.Field) string {
	name := func(v any) string {
		for _, kind := range []struct{ field, kind string }{{"secretRef", "Secret"}, {"configMapRef", "ConfigMap"}} {
			if s, ok := dig(v, kind.field, "name").(string); ok {
				return kind.kind + " " + s
			}
		}
		return ""
	}
	switch b, a := name(f.Before), name(f.After); {
	case b == "" && a != "":
		return "env of " + a + " added"
	case a == "" && b != "":
		return "env of " + b + " removed"
	}
	return "envFrom"
}

// images says from which image to which: by the versions that the labels tell, by tags, or by the beginning of digests.
func (c *comparison) images(x *change, f typed.Field) string {
	b, a := splitImage(textOf(f.Before)), splitImage(textOf(f.After))
	version := func(m map[string]any) string {
		path := []string{"spec", "template", "metadata", "labels", label.Version}
		if x.Kind == "CronJob" {
			path = append([]string{"spec", "jobTemplate"}, path...)
		}
		v, _ := dig(m, path...).(string)
		return v
	}
	from, to := b.tag, a.tag
	if from == "" && to == "" && !strings.Contains(f.Path, "initContainers") {
		from, to = version(x.b), version(x.a)
	}
	if from == to || from == "" || to == "" {
		from, to = b.short(), a.short()
	}
	if b.repository != a.repository {
		from, to = b.repository+":"+from, a.repository+":"+to
		from, to = strings.Replace(from, ":sha256:", "@sha256:", 1), strings.Replace(to, ":sha256:", "@sha256:", 1)
	}
	return from + " → " + to
}

// image is a reference to a container image.
type image struct{ repository, tag, digest string }

func splitImage(ref string) (i image) {
	i.repository, i.digest, _ = strings.Cut(ref, "@")
	if at := strings.LastIndexByte(i.repository, ':'); at > strings.LastIndexByte(i.repository, '/') {
		i.repository, i.tag = i.repository[:at], i.repository[at+1:]
	}
	return i
}

// short is what tells two images of one repository apart.
func (i image) short() string {
	switch {
	case len(i.digest) > len("sha256:")+12:
		return i.digest[:len("sha256:")+12]
	case i.digest != "":
		return i.digest
	case i.tag != "":
		return i.tag
	}
	return "latest"
}

// renamed gives a function that tells of which renamed object a field holds the name, within a namespace.
func (c *comparison) renamed(x *change) func(typed.Field) *change {
	all := c.renamedIn[scope{after, x.Cluster, x.Namespace}]
	return func(f typed.Field) *change {
		if b, ok := f.Before.(string); ok {
			for _, y := range all {
				if y != x && b == y.From.Name && f.After == y.Name {
					return y
				}
			}
		}
		return nil
	}
}
