// Package reach is who may reach whom and who may do what, before and after: upper bounds, told from policies and
// bindings alone and not from what happens to run.
//
// Invariants: a path is called denied only where no pod has it that the objects would let run, whatever its labels;
// consequences name the new part alone, never the whole rule; what is opened stands before what is closed; equal inputs
// give equal results. Nodes, and pods in their network, are outside of the bound: no policy holds for these (Kubernetes,
// "Network Policies"), and a pod that becomes one of them is a consequence of its own. That a pod reaches itself is no path:
// two pods with the same labels are.
package reach

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/source"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Result is what is opened and closed.
type Result struct {
	// Consequences are of the class exposure, and their subjects have no Changes. What is opened comes first, and the
	// most dangerous of that before the rest.
	Consequences []report.Consequence
	// Because gives, for each consequence and each subject thereof, the objects whose change brings it about, sorted.
	Because [][][]object.ID
	// Paths are the network paths whose verdict differs, sorted by cluster, from, to and ports. Path.Subject counts in
	// Consequences.
	Paths []report.Path
}

// Compare gives what is opened and closed between two states. Objects of both sides may leave out, on both, tenants
// that are the same: of a namespace that is in neither it is not known what it lets through. An error is an object that
// cannot be decoded.
func Compare(base, head []object.Object) (*Result, error) {
	s := newState(base, head)
	b := newBuilder(s)
	for _, look := range []func(*state, *builder) error{network, hosts, rights, accounts, projects, sources, namespaces, pods, secrets, access} {
		if err := look(s, b); err != nil {
			return nil, err
		}
	}
	return b.result(), nil
}

// side is one of the two states.
type side int

const (
	before side = iota
	after
)

// sides are what a look goes over: first what the change opens, then what it closes, which is what its reverse would
// open.
func sides() [2][2]side { return [2][2]side{{before, after}, {after, before}} }

// pair is one object on both sides; nil where it is not.
type pair struct {
	object.ID
	is      [2]*object.Object
	changed bool // the bytes differ
	kept    bool // gone from the tree with its namespace, and left in the cluster
	decoded [2]any
}

// state is the objects of both sides that matter here, by kind.
type state struct {
	byKind map[string][]*pair // "NetworkPolicy.networking.k8s.io", sorted by identity
	byID   map[object.ID]*pair
	tenant map[object.ID]string // of namespaces: whose they are
}

// kinds are those that are looked at.
func kinds() []string {
	return []string{
		"NetworkPolicy.networking.k8s.io", "Ingress.networking.k8s.io", "Namespace.", "Service.", "ServiceAccount.", "ConfigMap.",
		"Pod.", "Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "ReplicaSet.apps", "Job.batch", "CronJob.batch",
		"AuthorizationPolicy.security.istio.io", "PeerAuthentication.security.istio.io", "Gateway.networking.istio.io", "VirtualService.networking.istio.io",
		"Role.rbac.authorization.k8s.io", "ClusterRole.rbac.authorization.k8s.io", "RoleBinding.rbac.authorization.k8s.io", "ClusterRoleBinding.rbac.authorization.k8s.io",
		"AppProject.argoproj.io", "Application.argoproj.io", "ExternalSecret.external-secrets.io",
		"GitRepository.source.toolkit.fluxcd.io", "OCIRepository.source.toolkit.fluxcd.io", "HelmRepository.source.toolkit.fluxcd.io", "Bucket.source.toolkit.fluxcd.io",
		"Kustomization.kustomize.toolkit.fluxcd.io", "HelmRelease.helm.toolkit.fluxcd.io",
	}
}

func newState(base, head []object.Object) *state {
	s := &state{byKind: map[string][]*pair{}, byID: make(map[object.ID]*pair, len(head)), tenant: map[object.ID]string{}}
	for _, k := range kinds() {
		s.byKind[k] = nil
	}
	for at, objects := range [2][]object.Object{base, head} {
		for i := range objects {
			o := &objects[i]
			kind := o.Kind + "." + o.Group
			if _, ok := s.byKind[kind]; !ok {
				continue
			}
			p := s.byID[o.ID]
			if p == nil {
				p = &pair{ID: o.ID}
				s.byID[o.ID] = p
				s.byKind[kind] = append(s.byKind[kind], p)
			}
			p.is[at] = o
		}
	}
	for _, list := range s.byKind {
		slices.SortFunc(list, func(a, b *pair) int { return a.ID.Compare(b.ID) })
		for _, p := range list {
			p.changed = p.is[before] == nil || p.is[after] == nil || !bytes.Equal(p.is[before].YAML, p.is[after].YAML)
			p.kept = s.stays(p)
		}
	}
	return s
}

// stays tells whether an object that goes from the tree together with its Namespace is left in the cluster, where it
// keeps confining what is left there. One that goes alone is gone: a cluster that is made anew will not have it.
func (s *state) stays(p *pair) bool {
	if p.is[before] == nil || p.is[after] != nil || !s.leaves(p.Cluster, cmp.Or(p.Namespace, p.Name)) {
		return false
	}
	text := string(p.is[before].YAML)
	return strings.Contains(text, "kustomize.toolkit.fluxcd.io/prune: disabled\n") ||
		strings.Contains(text, "argocd.argoproj.io/sync-options: Prune=false\n")
}

func (s *state) namespace(cluster, name string) *pair {
	return s.byID[object.ID{Cluster: cluster, Kind: "Namespace", Name: name}]
}

// leaves tells whether a namespace goes from the tree.
func (s *state) leaves(cluster, name string) bool {
	p := s.namespace(cluster, name)
	return p != nil && p.is[after] == nil
}

// comes tells whether a namespace is new in the tree.
func (s *state) comes(cluster, name string) bool {
	p := s.namespace(cluster, name)
	return p != nil && p.is[before] == nil
}

// moves tells whether a namespace comes or goes, so that all in it does.
func (s *state) moves(cluster, name string) bool {
	return s.comes(cluster, name) || s.leaves(cluster, name)
}

// there gives the object on a side, in effect: what is kept is there after, too.
func (p *pair) there(at side) *object.Object {
	if at == after && p.kept {
		return p.is[before]
	}
	return p.is[at]
}

// decode gives the object on a side as a T, or nil where it is not. Objects with equal bytes are decoded once, so that
// what is the same is the same pointer.
func decode[T any](p *pair, at side) (*T, error) {
	o := p.there(at)
	if o == nil {
		return nil, nil
	}
	if v, ok := p.decoded[at].(*T); ok {
		return v, nil
	}
	if !p.changed || p.kept {
		if same, ok := p.decoded[1-at].(*T); ok {
			return same, nil
		}
	}
	v := new(T)
	if err := unmarshal(o, v); err != nil {
		return nil, err
	}
	p.decoded[at] = v
	return v, nil
}

// meta is what all objects have.
type meta struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
}

// tenantOf gives whose an object is, by its label.
func tenantOf(o *object.Object) string {
	const key = "\n    " + label.Tenant + ": "
	text := string(o.YAML)
	i := strings.Index(text, key)
	if i < 0 {
		return ""
	}
	value, _, _ := strings.Cut(text[i+len(key):], "\n")
	return strings.Trim(strings.TrimSpace(value), `"'`)
}

// tenantIn gives whose a namespace is; empty for the platform's own.
func (s *state) tenantIn(cluster, namespace string) string {
	p := s.namespace(cluster, namespace)
	if p == nil {
		return ""
	}
	t, ok := s.tenant[p.ID]
	if !ok {
		for _, o := range []*object.Object{p.is[after], p.is[before]} {
			if o != nil && t == "" {
				t = tenantOf(o)
			}
		}
		s.tenant[p.ID] = t
	}
	return t
}

// origin gives the line that causes an object: head's, or base's where head has none.
func (s *state) origin(id object.ID) source.Span {
	p := s.byID[id]
	if p == nil {
		return source.Span{}
	}
	if p.is[after] != nil {
		return p.is[after].Origin
	}
	return p.is[before].Origin
}

// tenantOfID gives whose an object is.
func (s *state) tenantOfID(id object.ID) string {
	p := s.byID[id]
	for _, o := range []*object.Object{p.is[after], p.is[before]} {
		if o != nil {
			if t := tenantOf(o); t != "" {
				return t
			}
		}
	}
	return ""
}

// builder gathers consequences.
type builder struct {
	s     *state
	rank  map[string]int
	items map[consequence]*item
	paths []pathOf
}

// consequence is what subjects have in common.
type consequence struct{ rule, kind, text, why string }

type item struct {
	consequence
	subjects map[string]*subject
}

type subject struct {
	report.Subject
	because []object.ID
}

type pathOf struct {
	report.Path
	item    *item
	subject *subject
}

func newBuilder(s *state) *builder {
	b := &builder{s: s, rank: map[string]int{}, items: map[consequence]*item{}}
	for i, r := range Rules() {
		b.rank[r.ID] = i
	}
	return b
}

// add says a consequence of one subject. The first of the objects that bring it about gives its line; one subject that
// is added twice is one, with all objects of both.
func (b *builder) add(c consequence, name, cluster, tenant string, because ...object.ID) (*item, *subject) {
	it := b.items[c]
	if it == nil {
		it = &item{consequence: c, subjects: map[string]*subject{}}
		b.items[c] = it
	}
	key := cluster + "\x00" + name
	s := it.subjects[key]
	if s == nil {
		s = &subject{Subject: report.Subject{Name: name, Cluster: cluster, Tenant: tenant}}
		it.subjects[key] = s
	}
	if s.Origin.IsZero() && len(because) > 0 {
		s.Origin = b.s.origin(because[0])
	}
	s.because = append(s.because, because...)
	return it, s
}

func (b *builder) path(p report.Path, it *item, s *subject) {
	b.paths = append(b.paths, pathOf{p, it, s})
}

func (b *builder) result() *Result {
	r := &Result{}
	var items []*item
	for _, it := range b.items {
		items = append(items, it)
	}
	slices.SortFunc(items, func(x, y *item) int {
		return cmp.Or(b.rank[x.rule]-b.rank[y.rule], strings.Compare(x.text, y.text), strings.Compare(x.kind, y.kind), strings.Compare(x.why, y.why))
	})
	type place struct {
		item    *item
		subject *subject
	}
	where := map[place][2]int{}
	for i, it := range items {
		var subjects []*subject
		for _, s := range it.subjects {
			subjects = append(subjects, s)
		}
		slices.SortFunc(subjects, func(x, y *subject) int {
			return cmp.Or(strings.Compare(x.Cluster, y.Cluster), strings.Compare(x.Name, y.Name))
		})
		c := report.Consequence{Class: report.Exposure, Rule: it.rule, Kind: it.kind, Text: it.text, Why: it.why}
		var because [][]object.ID
		for j, s := range subjects {
			slices.SortFunc(s.because, object.ID.Compare)
			c.Subjects = append(c.Subjects, s.Subject)
			because = append(because, slices.Compact(s.because))
			where[place{it, s}] = [2]int{i, j}
		}
		r.Consequences = append(r.Consequences, c)
		r.Because = append(r.Because, because)
	}
	for _, p := range b.paths {
		p.Subject = where[place{p.item, p.subject}]
		r.Paths = append(r.Paths, p.Path)
	}
	slices.SortFunc(r.Paths, func(x, y report.Path) int {
		return cmp.Or(strings.Compare(x.Cluster, y.Cluster), strings.Compare(x.From, y.From), strings.Compare(x.To, y.To),
			strings.Compare(x.Ports, y.Ports), strings.Compare(string(x.After), string(y.After)), x.Subject[0]-y.Subject[0], x.Subject[1]-y.Subject[1])
	})
	r.Paths = slices.CompactFunc(r.Paths, func(x, y report.Path) bool {
		x.Subject, y.Subject = [2]int{}, [2]int{}
		return x == y
	})
	return r
}
