package load

import "testing"

func TestCheckCron(t *testing.T) {
	for text, want := range map[string]string{
		"0 3 * * *":        "",
		"@daily":           "",
		"0 0 29 2 *":       "",
		"0 25 * * *":       `the hour is "25", and must be made of 0 to 23`,
		"0 0 30 2 *":       "there is no such day: it never runs",
		"TZ=UTC 0 1 * *":   "schedules are in UTC",
		"CRON_TZ= 0 1 * *": "schedules are in UTC",
		"0 1 * * TZ=UTC":   "schedules are in UTC",
	} {
		if got, _ := checkCron(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
