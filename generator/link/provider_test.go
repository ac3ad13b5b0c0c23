package link

import (
	"fmt"
	"testing"
)

// TestRegular: what is known of plain schedules is what counting gives.
func TestRegular(t *testing.T) {
	for _, minute := range []string{"0", "7", "59", "60", "-1", "+1", "*", "*/5", "01", "1-2", ""} {
		for _, hour := range []string{"0", "23", "24", "02", "*/2", "1,13", "*"} {
			for _, rest := range []string{"* * *", "* * 0", "* * 6", "* * 7", "* * MON", "* * 1-5", "1 * *", "* 2 *", "*/2 * *", "? * *", "* *", "* * * *"} {
				schedule := fmt.Sprintf("%s %s %s", minute, hour, rest)
				got, plain := regular(schedule)
				if want := longestGap(schedule); plain && got != want {
					t.Errorf("%q: %s, and counting gives %s", schedule, got, want)
				}
			}
		}
	}
	for schedule, want := range map[string]bool{"30 2 * * *": true, "5 04 * * 0": true, "5 * * * *": true, "5 * * * 1": false, "@daily": false, "0 0 1 * *": false, "": false} {
		if _, plain := regular(schedule); plain != want {
			t.Errorf("%q: %v", schedule, plain)
		}
	}
}
