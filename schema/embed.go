// Package schema is the CUE schema of what people write, as this binary knows it.
//
// Invariants: the files here are the ones `cue vet` sees in the repository; nothing else says what a field is.
package schema

import "embed"

// Files are the schema's CUE files.
//
//go:embed *.cue
var Files embed.FS
