package archive

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// entries makes good entries of some times.
func entries(times ...time.Time) []Entry {
	var out []Entry
	for _, t := range times {
		out = append(out, Entry{ID: NewID(t), Manifest: &Manifest{Taken: t}})
	}
	return out
}

func times(entries []Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Manifest.Taken.Format("01-02T15"))
	}
	slices.Sort(out)
	return out
}

// at is a time of March 2026, in which the 1st is a Sunday.
func at(day, hour int) time.Time { return time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC) }

func TestKeep(t *testing.T) {
	daily := func(from, to int) (out []time.Time) {
		for d := from; d <= to; d++ {
			out = append(out, at(d, 2))
		}
		return out
	}
	for _, test := range []struct {
		name  string
		keep  Keep
		taken []time.Time
		want  string // what goes
	}{
		{"nothing there", Keep{7, 4}, nil, ""},
		{"fewer than are kept", Keep{7, 4}, daily(1, 7), ""},
		{"days", Keep{3, 0}, daily(1, 6), "03-01T02 03-02T02 03-03T02"},
		// The 6th is a Friday: 4, 5, 6 are the days; of the week of Monday the 2nd the 3rd stays, and the Sunday before it.
		{"days and weeks", Keep{3, 2}, daily(1, 6), "03-02T02"},
		{"weeks", Keep{1, 2}, daily(1, 29), strings.Join(times(entries(slices.Concat(daily(1, 21), daily(23, 27))...)), " ")},
		{"several a day: a day's all, then the newest of each", Keep{2, 0},
			[]time.Time{at(1, 2), at(1, 10), at(2, 2), at(2, 10), at(2, 22), at(3, 2), at(3, 3)}, "03-01T02 03-01T10 03-02T02"},
		{"days without one do not count", Keep{2, 0}, []time.Time{at(1, 2), at(9, 2), at(20, 2)}, "03-01T02"},
		{"weeks without one do not count", Keep{1, 1}, []time.Time{at(1, 2), at(9, 2), at(29, 2)}, "03-01T02"},
		{"the future neither goes nor counts", Keep{1, 0}, []time.Time{at(1, 2), at(28, 2), at(30, 2), at(31, 20)}, "03-01T02 03-28T02"},
	} {
		got, err := test.keep.prune(entries(test.taken...), at(31, 1))
		if err != nil || strings.Join(times(got), " ") != test.want {
			t.Errorf("%s: %v %v, want %s", test.name, times(got), err, test.want)
		}
	}
	for _, keep := range []Keep{{0, 0}, {0, 4}, {-1, 0}, {1, -1}} {
		if got, err := keep.prune(entries(at(1, 2), at(9, 2)), at(10, 1)); err == nil || len(got) != 0 {
			t.Errorf("%+v: %v %v", keep, got, err)
		}
	}
}

// TestKeepOverTime runs a year of backups at odd times, with days left out, and holds what must hold on each of them.
func TestKeepOverTime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, keep := range []Keep{{1, 0}, {3, 0}, {7, 4}, {1, 52}, {2, 1}} {
		var have []Entry
		now := at(1, 2)
		for range 365 {
			now = now.Add(time.Duration(20+random.IntN(9)) * time.Hour)
			if random.IntN(10) == 0 {
				now = now.Add(time.Duration(random.IntN(20)*24) * time.Hour)
			}
			have = append(have, entries(now)...)
			bad := Entry{ID: NewID(now), Err: errors.New("bad"), Manifest: &Manifest{Taken: now}}
			remove, err := keep.prune(append(slices.Clone(have), bad), now)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range remove {
				if e.ID == have[len(have)-1].ID || e.ID == bad.ID {
					t.Fatalf("%+v: %s goes", keep, e.ID)
				}
				have = slices.DeleteFunc(have, func(h Entry) bool { return h.ID == e.ID })
			}
			if again, err := keep.prune(have, now); err != nil || len(again) != 0 {
				t.Fatalf("%+v: a second run removes %v: %v", keep, times(again), err)
			}
			// One more than the days, when two lie within 24 hours.
			if len(have) > keep.Daily+keep.Weekly+2 {
				t.Fatalf("%+v: %d are kept: %v", keep, len(have), times(have))
			}
		}
		if len(have) < keep.Daily+min(keep.Weekly, 40) {
			t.Errorf("%+v: only %d are kept: %v", keep, len(have), times(have))
		}
	}
}

func TestPrune(t *testing.T) {
	b := newBench(t)
	var made []*Manifest
	for d := 1; d <= 5; d++ {
		made = append(made, b.write(alpha(), at(d, 2), "x"))
	}
	// All that must stay: another's, another cluster's, what is not good, what has a name that is not ours.
	b.write(Set{"beta", "db_beta"}, at(1, 2), "x")
	foreign := b.manifest(alpha(), at(1, 3))
	foreign.Cluster = "prod"
	if err := b.writer().Write(t.Context(), foreign, says("x")); err != nil {
		t.Fatal(err)
	}
	planted := *b
	planted.signer, _, _ = NewSigner()
	plant := planted.write(alpha(), at(31, 2), "x")
	cut := b.write(alpha(), at(6, 2), "x") // the newest, and no good: the one before it is the newest good one
	b.change(alpha().payload(cut.ID), func(p []byte) []byte { return p[:3] })
	for _, name := range []string{"README", "old.dump.age", "20260101T000000Z.dump.age", "x.json"} {
		put(t, b.store, alpha().prefix()+name, "a person's")
	}
	put(t, b.store, alpha().payload(NewID(at(1, 2))), "of a backup that was killed before its manifest was written")
	running := alpha().payload(NewID(at(6, 2)))
	put(t, b.store, running, "of a backup that may still be running")

	var want []string
	removed, err := Prune(t.Context(), b.store, alpha(), "dev", b.trust, Keep{Daily: 2}, at(6, 3))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range made[:3] {
		want = append(want, m.ID)
	}
	if !slices.Equal(removed, want) {
		t.Errorf("removed %v, want %v", removed, want)
	}
	left := []string{running}
	for _, name := range []string{"README", "old.dump.age", "20260101T000000Z.dump.age", "x.json"} {
		left = append(left, alpha().prefix()+name)
	}
	for _, m := range []*Manifest{made[3], made[4], foreign, plant, cut} {
		left = append(left, alpha().payload(m.ID), alpha().manifest(m.ID))
	}
	slices.Sort(left)
	var got []string
	for _, o := range list(t, b.store, alpha().prefix()) {
		got = append(got, o.Name)
	}
	if !slices.Equal(got, left) {
		t.Errorf("left\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(left, "\n"))
	}
	if got := list(t, b.store, Set{"beta", "db_beta"}.prefix()); len(got) != 2 {
		t.Errorf("of beta: %v", got)
	}
}

// TestPruneKilled stops at each call to the store: there is never a manifest without its payload, and the next run does
// the rest.
func TestPruneKilled(t *testing.T) {
	for n := 1; ; n++ {
		b := newBench(t)
		for d := 1; d <= 5; d++ {
			b.write(alpha(), at(d, 2), "x")
		}
		prune := func(s Store) error {
			_, err := Prune(t.Context(), s, alpha(), "dev", b.trust, Keep{Daily: 2}, at(9, 2))
			return err
		}
		err := prune(&faulty{b.store, n})
		list, e := List(context.Background(), b.store, alpha(), "dev", b.trust)
		if e != nil {
			t.Fatal(e)
		}
		for _, e := range list {
			if e.Err != nil {
				t.Errorf("killed at %d: %v", n, e.Err)
			}
		}
		if err == nil {
			if n < 8 {
				t.Errorf("only %d calls were cut", n-1)
			}
			return
		}
		if !errors.Is(err, errFault) {
			t.Fatal(err)
		}
		if err := prune(b.store); err != nil {
			t.Fatal(err)
		}
		objects, err := b.store.List(t.Context(), alpha().prefix())
		if err != nil || len(objects) != 4 {
			t.Errorf("killed at %d, then run again: %v %v", n, objects, err)
		}
	}
}
