package postgres

import (
	"fmt"
	"slices"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
)

// BenchmarkEstate measures the first bootstrap of so many tenants, and runs that find nothing to do: as the platform's
// role, which logs in as each role to find out whether its password is right, without credentials, and as a superuser,
// who compares verifiers. A number per tenant stands beside each. All is done in one pass by four sessions.
func BenchmarkEstate(b *testing.B) {
	for _, n := range []int{1, 100, 500} {
		b.Run(fmt.Sprintf("tenants=%d", n), func(b *testing.B) {
			want := estate(numbered("t", n)...)
			p := prepare(b, slices.Max(pgtest.Majors()), want)
			perTenant := func(b *testing.B) {
				b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*n), "ms/tenant")
			}
			b.Run("bootstrap", func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					for _, t := range want.Tenants { // of the loop before
						if len(p.Rows(b, "postgres", "SELECT 1 FROM pg_database WHERE datname = '"+t.Database+"'")) > 0 {
							p.forget(b, t)
						}
					}
					b.StartTimer()
					p.apply(b)
				}
				perTenant(b)
			})
			for _, c := range []struct {
				name        string
				server      *Server
				credentials Credentials
			}{
				{"no-change/credentials", p.platform(b), p.credentials},
				{"no-change/no-credentials", p.platform(b), nil},
				{"no-change/superuser", p.superuser(b), p.credentials},
			} {
				b.Run(c.name, func(b *testing.B) {
					for b.Loop() {
						done, err := c.server.Apply(b.Context(), want, ApplyOptions{Credentials: c.credentials})
						if err != nil {
							b.Fatal(err)
						}
						if done.Steps > 0 {
							b.Fatalf("%d steps were done", done.Steps)
						}
					}
					perTenant(b)
				})
			}
		})
	}
}

// numbered gives so many names of tenants.
func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	return out
}

// BenchmarkVerify measures the proof that an instance of ten tenants keeps them apart: every attack and control, and
// the audit of all ten.
func BenchmarkVerify(b *testing.B) {
	want := estate(numbered("t", 10)...)
	p := prepare(b, slices.Max(pgtest.Majors()), want)
	p.apply(b)
	for b.Loop() {
		report, err := p.platform(b).Verify(b.Context(), want, VerifyOptions{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(report.Results)), "checks")
	}
}
