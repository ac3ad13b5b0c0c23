//go:build !unix

package cli

import "time"

// resources is not known here.
func resources() (cpu time.Duration, memory int64) { return 0, 0 }
