package load

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// checkCron tells what is wrong with a schedule, and what to do about it; nothing where it is right. It is read by the CronJob controller's own parser; what that says of a
// mistake is said of the one field that has it, and a schedule that never comes round is refused as well.
func checkCron(text string) (reason, hint string) {
	// The parser takes a time zone before the fields, which the API server refuses.
	if strings.Contains(text, "TZ=") {
		return "schedules are in UTC", "leave the time zone out"
	}
	schedule, err := cron.ParseStandard(text)
	if err != nil {
		return inField(text, err)
	}
	// The parser gives up after five years; a schedule that names the 29th of February has one within them from here.
	if schedule.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return "there is no such day: it never runs", ""
	}
	return "", ""
}

// inField finds the field that the parser does not take.
func inField(text string, err error) (reason, hint string) {
	hint = `the five fields are minute, hour, day of month, month and day of week, such as "0 3 * * *"`
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return err.Error(), hint
	}
	for i, f := range []struct {
		name   string
		only   cron.ParseOption
		bounds string
	}{
		{"minute", cron.Minute, "0 to 59"},
		{"hour", cron.Hour, "0 to 23"},
		{"day of month", cron.Dom, "1 to 31"},
		{"month", cron.Month, "1 to 12, or jan to dec"},
		{"day of week", cron.Dow, "0 to 6, or sun to sat"},
	} {
		if _, bad := cron.NewParser(f.only).Parse(fields[i]); bad != nil {
			if f.only == cron.Dow && strings.Contains(fields[i], "7") {
				hint = "Sunday is 0"
			}
			return fmt.Sprintf("the %s is %q, and must be made of %s", f.name, fields[i], f.bounds), hint
		}
	}
	return err.Error(), hint
}
