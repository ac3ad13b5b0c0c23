package reach

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/object"
	"sigs.k8s.io/yaml"
)

// told is a comparison of objects that are given as YAML, and what is to be said of it: "rule Kind name text".
type told struct {
	name       string
	both       string // on both sides
	base, head string
	want       []string
}

func tellAll(t *testing.T, cases []told) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			base, head := objectsOf(t, c.both+"\n---\n"+c.base), objectsOf(t, c.both+"\n---\n"+c.head)
			if got := tell(t, base, head); !slices.Equal(got, c.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
			}
			for _, same := range [][]object.Object{base, head} {
				if got := tell(t, same, same); len(got) > 0 {
					t.Errorf("of what is the same it says\n\t%s", strings.Join(got, "\n\t"))
				}
			}
		})
	}
}

// tell gives the consequences but for those of the network and of pods, and fails where one has no cause that changes.
func tell(t *testing.T, base, head []object.Object) []string {
	t.Helper()
	s := newState(base, head)
	b := newBuilder(s)
	for _, look := range []func(*state, *builder) error{hosts, rights, projects, sources, secrets, access} {
		if err := look(s, b); err != nil {
			t.Fatal(err)
		}
	}
	r := b.result()
	yamlOf := func(list []object.Object, id object.ID) []byte {
		for _, o := range list {
			if o.ID == id {
				return o.YAML
			}
		}
		return nil
	}
	var out []string
	for i, c := range r.Consequences {
		if c.Why == "" {
			t.Errorf("%s says no reason", c.Rule)
		}
		for j, s := range c.Subjects {
			out = append(out, c.Rule+" "+c.Kind+" "+s.Name+" "+c.Text)
			if len(r.Because[i][j]) == 0 {
				t.Errorf("%s of %s has no cause", c.Rule, s.Name)
			}
			for _, id := range r.Because[i][j] {
				if bytes.Equal(yamlOf(base, id), yamlOf(head, id)) {
					t.Errorf("%s of %s is said to come of %s, which does not change", c.Rule, s.Name, id)
				}
			}
		}
	}
	return out
}

// objectsOf reads objects of the cluster "home".
func objectsOf(t *testing.T, text string) []object.Object {
	t.Helper()
	var out []object.Object
	for doc := range strings.SplitSeq(text, "\n---\n") {
		if doc = strings.TrimSpace(doc); doc == "" {
			continue
		}
		var m struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Name      string `json:"name"`
				Namespace string `json:"namespace"`
			} `json:"metadata"`
		}
		if err := yaml.Unmarshal([]byte(doc), &m); err != nil || m.Kind == "" || m.Metadata.Name == "" {
			t.Fatalf("%v in\n%s", err, doc)
		}
		group, version, ok := strings.Cut(m.APIVersion, "/")
		if !ok {
			group, version = "", m.APIVersion
		}
		out = append(out, object.Object{
			ID:      object.ID{Cluster: "home", Group: group, Kind: m.Kind, Namespace: m.Metadata.Namespace, Name: m.Metadata.Name},
			Version: version, YAML: []byte(doc + "\n"),
		})
	}
	return out
}

// namespaceOf gives namespaces that belong to tenants of their names.
func namespaceOf(names ...string) string {
	var docs []string
	for _, n := range names {
		docs = append(docs, "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: "+n+"\n  labels:\n    zave.io/tenant: "+n)
	}
	return strings.Join(docs, "\n---\n")
}
