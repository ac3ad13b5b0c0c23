package format

import (
	"fmt"
	"io"
	"testing"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
)

// upgrade is what a new version of zave changes in an estate of so many tenants of 46 objects each.
func upgrade(tenants int) *report.Report {
	r := &report.Report{Generator: true}
	for k := range 46 {
		q := report.Consequence{Class: report.Classes()[1+k%5], Rule: fmt.Sprintf("rule-%d", k), Kind: fmt.Sprintf("Kind%d", k), Text: "changed", Why: "so"}
		for i := range tenants {
			tenant := fmt.Sprintf("tenant-%04d", i)
			origin := small().Changes[0].Origin
			origin.File = "tenants/" + tenant + "/tenant.cue"
			q.Subjects = append(q.Subjects, report.Subject{Name: tenant, Cluster: "sandbox", Tenant: tenant, Origin: origin,
				Changes: []int{len(r.Changes)}})
			r.Changes = append(r.Changes, report.Change{
				ID: object.ID{Cluster: "sandbox", Kind: q.Kind, Namespace: tenant, Name: "x"}, Version: "v1", Action: report.Update,
				Tenant: tenant, Origin: origin, Hash: "0123456789abcdef",
				Fields: []report.Field{{Path: "spec.a", Before: "1", After: "2"}, {Path: "spec.tenant", After: `"` + tenant + `"`}},
			})
		}
		r.Consequences = append(r.Consequences, q)
	}
	return r
}

func BenchmarkPrint(b *testing.B) {
	r := upgrade(1000)
	for _, f := range Formats() {
		b.Run(string(f), func(b *testing.B) {
			for b.Loop() {
				if err := Print(io.Discard, f, r, options()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
