package object

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zavestudios/zave/internal/source"
)

// application stands for the small types of our own.
type application struct {
	metav1.TypeMeta
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Project string `json:"project"`
	} `json:"spec"`
}

func TestNew(t *testing.T) {
	app := &application{
		TypeMeta:   metav1.TypeMeta{APIVersion: "argoproj.io/v1alpha1", Kind: "Application"},
		ObjectMeta: metav1.ObjectMeta{Name: "panchito", Namespace: "argocd"},
	}
	app.Spec.Project = "panchito"
	origin := source.Span{File: "tenants/panchito/tenant.cue", Line: 5}
	got := New("sandbox", app, origin)
	want := Object{
		ID:      ID{Cluster: "sandbox", Group: "argoproj.io", Kind: "Application", Namespace: "argocd", Name: "panchito"},
		Version: "v1alpha1",
		Origin:  origin,
		YAML:    []byte("apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: panchito\n  namespace: argocd\nspec:\n  project: panchito\n"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\n%s\nwant %+v", got, got.YAML, want)
	}
	var back application
	if err := got.Decode(&back); err != nil || !reflect.DeepEqual(&back, app) {
		t.Errorf("Decode gave %+v, %v", back, err)
	}
	m, err := got.Map()
	if err != nil || !reflect.DeepEqual(m["spec"], map[string]any{"project": "panchito"}) {
		t.Errorf("Map gave %v, %v", m, err)
	}
	core := New("sandbox", &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: "panchito"}}, origin)
	if core.Group != "" || core.Version != "v1" || core.Namespace != "" {
		t.Errorf("the core group's Namespace is %+v", core.ID)
	}
}

func TestNewPanics(t *testing.T) {
	kind := metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}
	for _, test := range []struct {
		v    any
		want string
	}{
		{&corev1.Namespace{TypeMeta: kind}, "*v1.Namespace has no name"},
		{&corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace"}}, "no apiVersion"},
		{&corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "a/b/c", Kind: "Namespace"}}, "no apiVersion"},
		{&corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1"}}, "no kind"},
		{corev1.Namespace{TypeMeta: kind}, "v1.Namespace is not a pointer"},
		{map[string]any{}, "map[string]interface {} is not"},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, test.want) {
					t.Errorf("%T: %s, want %q", test.v, got, test.want)
				}
			}()
			New("sandbox", test.v, source.Span{})
		}()
	}
}

func TestDecodeIsStrict(t *testing.T) {
	o := Object{ID: ID{Kind: "NetworkPolicy", Name: "a"}, YAML: []byte("kind: NetworkPolicy\nspec:\n  podSelectr: {}\n")}
	err := o.Decode(&networkingv1.NetworkPolicy{})
	if err == nil || !strings.Contains(err.Error(), "podSelectr") || !strings.Contains(err.Error(), "NetworkPolicy/a") {
		t.Errorf("an unknown field gave %v", err)
	}
	o.YAML = []byte("a: 1\na: 2\n")
	if m, err := o.Map(); err == nil {
		t.Errorf("a key that stands twice gave %v", m)
	}
}

func TestSet(t *testing.T) {
	a := Object{ID: ID{Cluster: "sandbox", Kind: "Role", Namespace: "a", Name: "x"}, Origin: source.Span{File: "one.cue", Line: 1}}
	b := Object{ID: ID{Cluster: "sandbox", Kind: "Role", Namespace: "a", Name: "system:y"}}
	c := Object{ID: ID{Cluster: "aws", Kind: "Role", Namespace: "b", Name: "x"}}
	s, err := NewSet([]Object{a, b, c})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.All(); !reflect.DeepEqual(got, []Object{c, b, a}) {
		t.Errorf("sorted: %v", got)
	}
	if got, ok := s.Find(a.ID); !ok || got.Origin != a.Origin {
		t.Errorf("Find gave %v, %v", got, ok)
	}
	if _, ok := s.Find(ID{Cluster: "aws"}); ok {
		t.Error("Find found what is not there")
	}
	if got := b.FileName(); got != "role-system-y.yaml" {
		t.Errorf("FileName gave %s", got)
	}
	twin := a
	twin.Origin, twin.Version = source.Span{File: "two.cue", Line: 2}, "v2"
	if _, err := NewSet([]Object{a, b, twin}); err == nil || !strings.Contains(err.Error(), "one.cue:1") || !strings.Contains(err.Error(), "two.cue:2") {
		t.Errorf("a twin gave %v", err)
	}
}
