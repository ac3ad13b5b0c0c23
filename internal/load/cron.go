package load

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// checkCron tells what is wrong with a schedule. It is read by the CronJob controller's own parser; what that says of a
// mistake is said of the one field that has it, and a schedule that never comes round is refused as well.
func checkCron(text string) error {
	schedule, err := cron.ParseStandard(text)
	if err != nil {
		return inField(text, err)
	}
	// The parser gives up after five years; a schedule that names the 29th of February has one within them from here.
	if schedule.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return fmt.Errorf("there is no such day: it never runs")
	}
	return nil
}

// inField finds the field that the parser does not take.
func inField(text string, err error) error {
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return err
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
			return fmt.Errorf("the %s is %q, and must be made of %s", f.name, fields[i], f.bounds)
		}
	}
	return err
}
