// Package object holds one Kubernetes object as it will stand in the tree: its identity, its YAML, and the line of
// the spec that caused it.
//
// Invariants: an object's bytes are made once, by the encoder of this package, and never edited; equal objects have
// equal bytes; a Set is sorted and no two of its objects have one identity.
package object

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/internal/source"
)

// ID is what makes an object itself. The API version is not part of it: an object that moves from v1beta1 to v1 is
// still the same one in the cluster (Kubernetes API concepts, "Resource URIs").
type ID struct {
	Cluster   string
	Group     string
	Kind      string
	Namespace string // empty for cluster-scoped kinds
	Name      string
}

// String gives Kind.group/namespace/name, without the cluster.
func (id ID) String() string {
	var b strings.Builder
	b.WriteString(id.Kind)
	if id.Group != "" {
		b.WriteByte('.')
		b.WriteString(id.Group)
	}
	b.WriteByte('/')
	if id.Namespace != "" {
		b.WriteString(id.Namespace)
		b.WriteByte('/')
	}
	b.WriteString(id.Name)
	return b.String()
}

// Compare orders identities by cluster, namespace, group, kind and name.
func (id ID) Compare(o ID) int {
	return cmp.Or(
		strings.Compare(id.Cluster, o.Cluster),
		strings.Compare(id.Namespace, o.Namespace),
		strings.Compare(id.Group, o.Group),
		strings.Compare(id.Kind, o.Kind),
		strings.Compare(id.Name, o.Name),
	)
}

// Object is one object of one cluster.
type Object struct {
	ID
	Version string      // the version part of apiVersion: "v1"
	Origin  source.Span // the line of the spec that caused it
	YAML    []byte      // one document, ending in a newline, with no "---"
}

// typed is what every pointer to a struct that embeds metav1.TypeMeta and metav1.ObjectMeta has.
type typed interface {
	metav1.Object
	GetObjectKind() schema.ObjectKind
}

// New encodes a pointer to a typed object: one of the Kubernetes or Flux API, or a struct of our own that embeds
// metav1.TypeMeta and metav1.ObjectMeta. An object without an apiVersion, a kind or a name is a bug of whoever
// emitted it, and New panics with its Go type; for what Marshal panics on, see there.
func New(cluster string, v any, origin source.Span) Object {
	o, ok := v.(typed)
	if !ok {
		panic(fmt.Sprintf("object: %T is not a pointer to a struct with metav1.TypeMeta and metav1.ObjectMeta", v))
	}
	gvk := o.GetObjectKind().GroupVersionKind()
	switch {
	case gvk.Version == "":
		panic(fmt.Sprintf("object: %T %q has no apiVersion", v, o.GetName()))
	case gvk.Kind == "":
		panic(fmt.Sprintf("object: %T %q has no kind", v, o.GetName()))
	case o.GetName() == "":
		panic(fmt.Sprintf("object: %T has no name", v))
	}
	return Object{
		ID:      ID{Cluster: cluster, Group: gvk.Group, Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()},
		Version: gvk.Version,
		Origin:  origin,
		YAML:    Marshal(v),
	}
}

// Decode reads the object's YAML into a typed object. A field that the type does not have, or one that stands twice,
// is an error.
func (o Object) Decode(into any) error {
	if err := yaml.UnmarshalStrict(o.YAML, into); err != nil {
		return fmt.Errorf("decode %s: %w", o.ID, err)
	}
	return nil
}

// Map reads the object's YAML as encoding/json would read its JSON: mappings are map[string]any, lists []any, and
// numbers float64.
func (o Object) Map() (map[string]any, error) {
	var m map[string]any
	if err := o.Decode(&m); err != nil {
		return nil, err
	}
	return m, nil
}

// FileName is <kind>-<name>.yaml in lower case, the object's file within its unit's directory.
func (o Object) FileName() string {
	return strings.ToLower(o.Kind) + "-" + strings.ReplaceAll(o.Name, ":", "-") + ".yaml"
}

// Set is the objects of a compile, sorted by identity.
type Set struct{ objects []Object }

// NewSet sorts the objects. Two objects of one identity are a bug of whoever emitted them, and an error here that
// names both origins.
func NewSet(objects []Object) (*Set, error) {
	s := &Set{objects: slices.Clone(objects)}
	slices.SortFunc(s.objects, func(a, b Object) int { return a.ID.Compare(b.ID) })
	for i := 1; i < len(s.objects); i++ {
		if a, b := s.objects[i-1], s.objects[i]; a.ID == b.ID {
			return nil, fmt.Errorf("%s in cluster %s is emitted twice, for %s and %s", a.ID, a.Cluster, a.Origin, b.Origin)
		}
	}
	return s, nil
}

// All gives the objects, sorted. The slice is the set's own: read it only.
func (s *Set) All() []Object { return s.objects }

// Find gives the object of that identity.
func (s *Set) Find(id ID) (Object, bool) {
	i, ok := slices.BinarySearchFunc(s.objects, id, func(o Object, id ID) int { return o.ID.Compare(id) })
	if !ok {
		return Object{}, false
	}
	return s.objects[i], true
}
