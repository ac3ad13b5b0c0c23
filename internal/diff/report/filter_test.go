package report

import (
	"reflect"
	"testing"

	"github.com/zavestudios/zave/internal/object"
)

// TestOf keeps what is meant, and every index within it.
func TestOf(t *testing.T) {
	change := func(cluster, tenant, name string) Change {
		return Change{ID: object.ID{Cluster: cluster, Kind: "NetworkPolicy", Namespace: tenant, Name: name}, Tenant: tenant}
	}
	r := &Report{
		Changes: []Change{change("aws", "a", "1"), change("aws", "b", "2"), change("home", "a", "3"), change("aws", "", "4")},
		Consequences: []Consequence{
			{Rule: "x", Subjects: []Subject{{Name: "b", Cluster: "aws", Tenant: "b", Changes: []int{1}}}},
			{Rule: "y", Subjects: []Subject{
				{Name: "b → a", Cluster: "aws", Tenant: "b", Changes: []int{0, 1}},
				{Name: "other", Cluster: "aws", Changes: []int{3}},
				{Name: "a", Cluster: "home", Tenant: "a", Changes: []int{2}},
			}},
		},
		Paths: []Path{{Cluster: "aws", From: "b", To: "a", Subject: [2]int{1, 0}}, {Cluster: "aws", From: "b",
			Subject: [2]int{0, 0}}},
		Amounts: []Amounts{{Cluster: "aws"}, {Cluster: "home"}},
		Money:   []Money{{Cluster: "home"}},
		Notes:   []string{"n"},
	}
	before := *r
	got := r.Of([]string{"aws"}, []string{"a"})
	want := &Report{
		Changes: []Change{r.Changes[0], r.Changes[1]},
		Consequences: []Consequence{
			{Rule: "y", Subjects: []Subject{{Name: "b → a", Cluster: "aws", Tenant: "b", Changes: []int{0, 1}}}},
		},
		Paths:   []Path{{Cluster: "aws", From: "b", To: "a", Subject: [2]int{0, 0}}},
		Amounts: []Amounts{{Cluster: "aws"}},
		Notes:   []string{"n"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := r.Of(nil, []string{"a"}); len(got.Consequences[0].Subjects) != 2 ||
		!reflect.DeepEqual(got.Consequences[0].Subjects[1].Changes, []int{2}) {
		t.Errorf("%+v", got)
	}
	if r.Of(nil, nil) != r || !reflect.DeepEqual(*r, before) || len(r.Consequences[1].Subjects) != 3 {
		t.Error("the report itself was changed")
	}
}
