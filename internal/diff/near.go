package diff

import (
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/diff/typed"
	"github.com/zavestudios/zave/internal/object"
)

// side is one of the two states.
type side int

const (
	before side = iota
	after
)

// neighbour is an object that another one's consequences depend on, changed or not.
type neighbour struct {
	*object.Object
	content map[string]any
}

// scope is a namespace on a side.
type scope struct {
	side               side
	cluster, namespace string
}

// surroundings are the objects of both sides, read where they are needed.
type surroundings struct {
	units [2]map[unit.Key]*unit.Unit // those with objects
	raw   map[scope][]*object.Object // of the kinds below
	read  map[scope][]neighbour
	err   error // the first object that could not be read
}

// neighbours are the kinds that say what runs in a namespace and what bounds it.
func neighbours() []string {
	return []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod",
		"HorizontalPodAutoscaler", "ResourceQuota", "LimitRange", "PersistentVolumeClaim"}
}

func newSurroundings(base, head *Snapshot) *surroundings {
	s := &surroundings{raw: map[scope][]*object.Object{}, read: map[scope][]neighbour{}}
	kinds := neighbours()
	for i, snapshot := range []*Snapshot{base, head} {
		s.units[i] = make(map[unit.Key]*unit.Unit, len(snapshot.Units))
		for j := range snapshot.Units {
			u := &snapshot.Units[j]
			if len(u.Objects) > 0 {
				s.units[i][u.Key] = u
			}
			for k := range u.Objects {
				if o := &u.Objects[k]; slices.Contains(kinds, o.Kind) {
					p := scope{side(i), o.Cluster, o.Namespace}
					s.raw[p] = append(s.raw[p], o)
				}
			}
		}
	}
	return s
}

// in gives the objects of a kind in a namespace, sorted by name.
func (s *surroundings) in(at side, cluster, namespace string, kinds ...string) []neighbour {
	p := scope{at, cluster, namespace}
	all, ok := s.read[p]
	if !ok {
		for _, o := range s.raw[p] {
			if m := s.decode(o); m != nil {
				all = append(all, neighbour{o, m})
			}
		}
		slices.SortFunc(all, func(a, b neighbour) int { return a.ID.Compare(b.ID) })
		s.read[p] = all
	}
	var out []neighbour
	for _, n := range all {
		if slices.Contains(kinds, n.Kind) {
			out = append(out, n)
		}
	}
	return out
}

// decode reads an object; nil where it cannot be read.
func (s *surroundings) decode(o *object.Object) map[string]any {
	m, err := typed.Decode(*o)
	if err != nil && s.err == nil {
		s.err = err
	}
	return m
}

// goes tells whether a unit is there before and not after.
func (s *surroundings) goes(k unit.Key) bool {
	return s.units[before][k] != nil && s.units[after][k] == nil
}

// comes tells whether a unit is there after and not before.
func (s *surroundings) comes(k unit.Key) bool {
	return s.units[before][k] == nil && s.units[after][k] != nil
}

// kept tells whether an object that goes from the tree is left in the cluster by its owner (Flux, "Kustomization:
// prune"; Argo CD, "Sync Options: No Prune Resources").
func kept(x *change) bool {
	annotations, _ := dig(x.b, "metadata", "annotations").(map[string]any)
	if byArgo(x.unitB) {
		return slices.Contains(syncOptions(annotations), "Prune=false")
	}
	return annotations[fluxPrune] == "disabled" || annotations[fluxReconcile] == "disabled"
}

// byArgo tells whether Argo CD owns a unit; otherwise Flux does.
func byArgo(k unit.Key) bool { return k.Part == unit.Workloads }

// Annotations that Flux and Argo CD act on.
const (
	fluxPrune     = "kustomize.toolkit.fluxcd.io/prune"
	fluxReconcile = "kustomize.toolkit.fluxcd.io/reconcile"
	fluxForce     = "kustomize.toolkit.fluxcd.io/force"
	argoOptions   = "argocd.argoproj.io/sync-options"
	argoFinalizer = "resources-finalizer.argocd.argoproj.io"
)

func syncOptions(annotations map[string]any) []string {
	text, _ := annotations[argoOptions].(string)
	options := strings.Split(text, ",")
	for i := range options {
		options[i] = strings.TrimSpace(options[i])
	}
	return options
}

// number gives a whole number as JSON has it, or another where there is none.
func number(v any, otherwise int) int {
	switch n := v.(type) {
	case float64:
		return int(n)
	case int64:
		return int(n)
	}
	return otherwise
}

// maps gives the mappings of a list.
func maps(v any) (out []map[string]any) {
	list, _ := v.([]any)
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
