package archive

import (
	"slices"
	"testing"
)

func TestCompare(t *testing.T) {
	evidence := func() *Evidence {
		return &Evidence{
			Encoding: "UTF8",
			Tables:   []Table{{Name: `"app"."a"`, Rows: 1, Digest: "x"}, {Name: `"app"."b"`, Rows: 2, Digest: "y", RLS: true}},
			Sequences: []Sequence{
				{Name: `"app"."s"`, At: Position{5, true}, Until: Position{5, true}},
				{Name: `"app"."u"`, At: Position{10, true}, Until: Position{20, true}},
			},
			LargeObjects: LargeObjects{Count: 2, Bytes: 9, Digest: "z", Owned: []LargeOwned{{Owner: "old_app", OIDs: []uint32{7, 8}}}},
			Extensions:   []Extension{{Name: "citext", Version: "1.6", Schema: "extensions"}},
			Objects:      []string{"index app.a_pkey"},
			Policies:     []Policy{{Table: `"app"."b"`, Name: "p", Command: "SELECT", Permissive: true, Roles: []string{"old_app"}, Using: "true"}},
			Grants:       []Granted{{On: "TABLE a", To: "old_app", Privileges: []string{"INSERT", "SELECT*"}}, {On: "TABLE a", Privileges: []string{"SELECT"}}},
		}
	}
	rename := map[string]string{"old_app": "new_app"}
	for _, test := range []struct {
		name   string
		change func(*Evidence)
		want   []string
	}{
		{"nothing", func(*Evidence) {}, nil},
		{"encoding", func(e *Evidence) { e.Encoding = "LATIN1" }, []string{"the encoding is LATIN1, and was UTF8"}},
		{"table missing", func(e *Evidence) { e.Tables = e.Tables[1:] }, []string{`table "app"."a" is missing, with 1 row`}},
		{"table added", func(e *Evidence) { e.Tables = append(e.Tables, Table{Name: "c"}) }, []string{"table c was not there"}},
		{"rows", func(e *Evidence) { e.Tables[1].Rows = 1 }, []string{`table "app"."b" has 1 row, and had 2`}},
		{"digest", func(e *Evidence) { e.Tables[1].Digest = "?" },
			[]string{`table "app"."b" has other rows: their number is right, 2, and their digest is not`}},
		{"rls", func(e *Evidence) { e.Tables[1].RLS = false }, []string{`row-level security of table "app"."b" is off, and was on`}},
		{"sequence", func(e *Evidence) { e.Sequences[0].At = Position{4, true} }, []string{`sequence "app"."s" stands at 4, and stood at 5`}},
		{"sequence not called", func(e *Evidence) { e.Sequences[0].At.Called = false },
			[]string{`sequence "app"."s" stands at 5 (not yet used), and stood at 5`}},
		{"sequence missing", func(e *Evidence) { e.Sequences = e.Sequences[1:] }, []string{`sequence "app"."s" is missing`}},
		{"sequence in use, within", func(e *Evidence) { e.Sequences[1].At = Position{15, true} }, nil},
		{"sequence in use, without", func(e *Evidence) { e.Sequences[1].At = Position{21, true} },
			[]string{`sequence "app"."u" stands at 21, and stood at 10 to 20`}},
		{"large object missing", func(e *Evidence) { e.LargeObjects.Count = 1 }, []string{"there are 1 large object, and there were 2"}},
		{"large object changed", func(e *Evidence) { e.LargeObjects.Digest = "?" },
			[]string{"large objects are others: their number is right, 2, and their digest is not"}},
		{"large object's owner", func(e *Evidence) {
			e.LargeObjects.Owned = []LargeOwned{{Owner: "new_app", OIDs: []uint32{7}}, {Owner: "new_owner", OIDs: []uint32{8}}}
		}, []string{"large object 8 is owned by new_owner, not by new_app"}},
		{"extension missing", func(e *Evidence) { e.Extensions = nil }, []string{"extension citext is missing"}},
		{"extension of another version", func(e *Evidence) { e.Extensions[0].Version = "2.0" }, nil},
		{"index missing", func(e *Evidence) { e.Objects = nil }, []string{"index app.a_pkey is missing"}},
		{"index added", func(e *Evidence) { e.Objects = append(e.Objects, "index app.b") }, []string{"index app.b was not there"}},
		{"policy for all", func(e *Evidence) { e.Policies[0].Roles = nil }, []string{`policy "p" of "app"."b" is another`}},
		{"policy restrictive", func(e *Evidence) { e.Policies[0].Permissive = false }, []string{`policy "p" of "app"."b" is another`}},
		{"policy missing", func(e *Evidence) { e.Policies = nil }, []string{`policy "p" of "app"."b" is missing`}},
		{"a privilege missing", func(e *Evidence) { e.Grants[0].Privileges = []string{"SELECT*"} },
			[]string{"the grant of INSERT on TABLE a to new_app is missing"}},
		{"a grant option lost", func(e *Evidence) { e.Grants[0].Privileges[1] = "SELECT" },
			[]string{"the grant of SELECT on TABLE a to new_app was not there", "the grant of SELECT* on TABLE a to new_app is missing"}},
		{"what everybody had gone", func(e *Evidence) { e.Grants = e.Grants[:1] }, nil},
		{"a column more", func(e *Evidence) {
			e.Grants = append(e.Grants, Granted{On: "TABLE a", Column: "c", To: "new_app", Privileges: []string{"UPDATE"}})
		}, []string{"the grant of UPDATE on TABLE a (c) to new_app was not there"}},
	} {
		found := evidence()
		found.Grants[0].To = "new_app"
		found.Policies[0].Roles = []string{"new_app"}
		found.LargeObjects.Owned[0].Owner = "new_app"
		test.change(found)
		got := evidence().Compare(found, rename)
		got = append(got, CompareGrants(evidence().Grants, found.Grants, rename)...)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	went := Sequence{At: Position{90, true}, Until: Position{10, true}, Cycle: true}
	if !went.between(Position{99, true}) || !went.between(Position{1, true}) {
		t.Error("a sequence that went round was not there")
	}
}
