package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zavestudios/zave/internal/postgres/archive"
	"github.com/zavestudios/zave/internal/postgres/pgtest"
)

// TestDrill: an estate comes back on a blank server, tenant for tenant; one that has no backup and one whose backup is
// damaged do not stop the others, and the report says which, how long it took and how old the data are.
func TestDrill(t *testing.T) {
	onEach(t, func(t *testing.T, major int) {
		source := prepare(t, major, estate("alpha", "beta", "delta", "gamma"))
		source.apply(t)
		furnish(t, source, "alpha")
		source.apply(t)
		stock(t, source, "delta")
		stock(t, source, "gamma")
		v := newVault(t, major)
		taken := v.backup(t, source, "alpha").Manifest.Taken
		damaged := v.backup(t, source, "delta").Manifest.ID
		v.backup(t, source, "gamma")
		path := filepath.Join(v.dir, "delta", "db_delta", damaged+".dump.age")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)-1] ^= 1
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}

		p := &prepared{pgtest.Start(t, major), source.want, source.credentials}
		began := taken.Add(36*time.Hour + 10*time.Second)
		now := began
		o := DrillOptions{RestoreOptions: v.restoreOptions(p), Now: func() time.Time { defer func() { now = now.Add(time.Second) }(); return now }}
		o.Replace, o.AllowDrop, o.Keep = true, []string{"db_alpha"}, true // which do not count
		var order []string
		o.Restored = func(done, total int, d Drilled) {
			if order = append(order, d.Tenant); done != len(order) || total != 4 {
				t.Errorf("%d of %d: %+v", done, total, d)
			}
		}
		report, err := p.superuser(t).Drill(t.Context(), p.want, o)
		if err != nil {
			t.Fatal(err)
		}
		if report.OK() || len(report.Tenants) != 4 || !slices.Equal(order, []string{"alpha", "beta", "delta", "gamma"}) {
			t.Fatalf("%+v", report)
		}
		alpha, beta, delta, gamma := report.Tenants[0], report.Tenants[1], report.Tenants[2], report.Tenants[3]
		if alpha.Problem != "" || alpha.Loss != Seconds(began.Sub(taken)) || alpha.Took <= 0 || alpha.Back < alpha.Took || alpha.Rows < 100 || !alpha.Taken.Equal(taken) {
			t.Errorf("%+v", alpha)
		}
		if gamma.Problem != "" || gamma.Back <= alpha.Back || gamma.Rows != 10 {
			t.Errorf("%+v", gamma)
		}
		if beta.Problem != "there is no backup" || beta.Hint == "" || !strings.Contains(delta.Problem, "its digest is not the one in the manifest") {
			t.Errorf("%+v %+v", beta, delta)
		}
		if a, b := inventory(t, source, "db_alpha"), inventory(t, p, "db_alpha"); !slices.Equal(a, b) {
			t.Errorf("alpha differs:\n%s", difference(a, b))
		}
		if got := p.databases(t); len(got) != 4 {
			t.Errorf("databases %q", got)
		}
		p.clean(t)
		// It is no longer blank.
		_, err = p.superuser(t).Drill(t.Context(), p.want, o)
		says(t, err, "the server is not blank: it has the database db_alpha of the tenant alpha", "zave db restore")
		// Nor is one with a tenant's database under another name.
		third := pgtest.Start(t, major)
		third.Exec(t, "postgres", "CREATE DATABASE old", "COMMENT ON DATABASE old IS 'zave: tenant beta, spec x'")
		before := catalogueOf(t, third)
		_, err = reach(t, third.SuperuserDSN("postgres")).Drill(t.Context(), p.want, o)
		says(t, err, "it has the database old of the tenant beta", "")
		if after := catalogueOf(t, third); !slices.Equal(before, after) {
			t.Errorf("it has changed:\n%s", difference(before, after))
		}
		third.Exec(t, "postgres", "DROP DATABASE old")
		// Two at once, of those that are asked for, and interrupted after the first.
		ctx, cancel := context.WithCancel(t.Context())
		o.Tenants, o.Parallel, o.Now = []string{"gamma", "alpha"}, 1, nil
		o.Restored = func(int, int, Drilled) { cancel() }
		report, err = reach(t, third.SuperuserDSN("postgres")).Drill(ctx, p.want, o)
		if !errors.Is(err, context.Canceled) || len(report.Tenants) != 2 || report.Tenants[1].Tenant != "gamma" || report.Tenants[1].Problem != "" ||
			report.Tenants[0].Problem == "" || report.OK() {
			t.Errorf("%+v %v", report, err)
		}
	})
}

func catalogueOf(t testing.TB, s *pgtest.Server) []string {
	t.Helper()
	return s.Rows(t, "postgres", `SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles ORDER BY 1`)
}

// TestDrillAll restores all tenants at once, from the platform's own clock.
func TestDrillAll(t *testing.T) {
	major := slices.Max(pgtest.Majors())
	source := prepare(t, major, estate("alpha", "beta", "gamma"))
	source.apply(t)
	v := newVault(t, major)
	for _, name := range []string{"alpha", "beta", "gamma"} {
		stock(t, source, name)
		v.backup(t, source, name)
	}
	p := &prepared{pgtest.Start(t, major), source.want, source.credentials}
	o := DrillOptions{RestoreOptions: v.restoreOptions(p), Parallel: 3}
	report, err := p.superuser(t).Drill(t.Context(), p.want, o)
	if err != nil || !report.OK() {
		t.Fatalf("%+v %v", report, err)
	}
	p.clean(t)
	for _, name := range []string{"db_alpha", "db_beta", "db_gamma"} {
		if got := goods(t, p, name); got != "10" {
			t.Errorf("%s has %s rows", name, got)
		}
	}
}

func TestDrillReport(t *testing.T) {
	began := time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)
	r := &DrillReport{
		Cluster: "dev", Server: "PostgreSQL 17.10", Began: began, Prepared: Seconds(2500 * time.Millisecond), Took: Seconds(200 * time.Second),
		Tenants: []Drilled{
			{Tenant: "alpha", Archive: archive.NewID(began)[:16] + "-00000000", Taken: began.Add(-23 * time.Hour), Loss: Seconds(23 * time.Hour),
				Took: Seconds(12340 * time.Millisecond), Back: Seconds(15 * time.Second), Rows: 1234},
			{Tenant: "beta", Problem: "there is no backup", Hint: "check the store"},
			{Tenant: "gamma", Archive: "20261121T010000Z-00000000", Taken: began.AddDate(0, 0, -3), Loss: Seconds(72 * time.Hour), Took: Seconds(185 * time.Second),
				Back: Seconds(200 * time.Second), Rows: 5, Warnings: []string{"left out: publication p"}},
		},
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	const want = `TENANT  BACK         RESTORE  DATA LOSS  ROWS  BACKUP
alpha   after 15s    12.34s   23h0m0s    1234  20261124T010000Z-00000000
beta    no           -        -          -     -
gamma   after 3m20s  3m5s     3.0 days   5     20261121T010000Z-00000000

beta is not back: there is no backup
  hint: check the store

gamma: warning: left out: publication p

2 of 3 tenants are back on PostgreSQL 17.10, in 3m20s, of which 2.5s until the empty databases stood; the last was gamma, and the most data would be lost of gamma: 3.0 days
`
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
	text.Reset()
	if err := r.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	var back struct {
		PreparedAfterSeconds float64
		Tenants              []struct {
			Tenant          string
			Taken           *time.Time
			DataLossSeconds float64
			RecoverySeconds float64
			Problem         string
		}
	}
	if err := json.Unmarshal(text.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.PreparedAfterSeconds != 2.5 || back.Tenants[0].DataLossSeconds != 82800 || back.Tenants[0].RecoverySeconds != 12.34 ||
		back.Tenants[1].Taken != nil || back.Tenants[1].Problem == "" {
		t.Errorf("%+v\n%s", back, text.String())
	}
}
