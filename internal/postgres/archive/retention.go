package archive

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Keep is how many archives are kept.
type Keep struct {
	Daily  int // of as many days, the newest
	Weekly int // of as many weeks before those, the newest
}

// prune chooses what is to go. All that is not older than a day before the newest stays, then the newest of each of
// the last Daily days that have one, then the newest of each of the last Weekly weeks (ISO 8601, in UTC) that have
// one. Days and weeks without a backup do not count, so that backups that stopped do not wear the old ones away. Times
// are those of the manifests. Entries that are not good, and those from after now, neither go nor count. The result is
// sorted by time.
func (k Keep) prune(entries []Entry, now time.Time) ([]Entry, error) {
	if k.Daily < 1 || k.Weekly < 0 {
		return nil, problem(Mistaken, "keep one daily backup at the least", "%d daily and %d weekly backups cannot be kept",
			k.Daily, k.Weekly)
	}
	var good []Entry
	for _, e := range entries {
		if e.Err == nil && !e.Manifest.Taken.After(now.Add(Skew)) {
			good = append(good, e)
		}
	}
	slices.SortFunc(good, func(a, b Entry) int {
		return cmp.Or(b.Manifest.Taken.Compare(a.Manifest.Taken), cmp.Compare(b.ID, a.ID))
	})
	var remove []Entry
	days, weeks := map[string]bool{}, map[string]bool{}
	for _, e := range good {
		t := e.Manifest.Taken.UTC()
		day := t.Format(time.DateOnly)
		year, number := t.ISOWeek()
		week := fmt.Sprintf("%d-W%02d", year, number)
		switch {
		case good[0].Manifest.Taken.Sub(t) < 24*time.Hour:
			days[day] = true
		case days[day]: // an older one of a day that has its own
			remove = append(remove, e)
		case len(days) < k.Daily:
			days[day] = true
		case !weeks[week] && len(weeks) < k.Weekly:
			weeks[week] = true
		default:
			remove = append(remove, e)
		}
	}
	slices.Reverse(remove)
	return remove, nil
}
