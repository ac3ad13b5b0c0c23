// Package spec is what people wrote about an estate, with the schema's defaults filled in: references are still
// names, and every value knows where it stands.
//
// Invariants: the Go fields mirror schema/*.cue one to one, under the same names; maps of the schema are slices here,
// sorted by name, so that nothing downstream can depend on an order; a Set is read-only once it is loaded. A spec
// that has mistakes may still be in the Set, with the mistaken fields at their zero value and Broken set, so that the
// linker can report what else is wrong in the same run.
package spec

import (
	"encoding/json"

	"github.com/zavestudios/zave/internal/source"
)

// Set is a whole repository.
type Set struct {
	Platform *Platform
	Tenants  []*Tenant // sorted by name
}

// Positions finds where the fields of one spec stand. A path is given label by label, unquoted, with list indexes in
// decimal: At("network", "egress", "0", "cidrs", "1").
type Positions interface {
	// At gives the span of the value at the path, or of its nearest parent that was written, or of the spec itself.
	At(path ...string) source.Span
	// Key gives the span of the field's name instead of its value, with the same fallback.
	Key(path ...string) source.Span
}

// Tenant is schema.#Tenant.
type Tenant struct {
	Positions
	Dir    string // "tenants/panchito"
	Hash   string // hexadecimal SHA-256 of the normalised spec: equal specs, however written, have equal hashes
	Broken bool   // it has mistakes that were reported already

	Name          string
	Description   string
	Owner         Owner
	Class         string
	State         string
	Clusters      []string
	Tier          string
	Workloads     []Workload
	Database      *Database
	Secrets       []SecretBundle
	Network       Network
	Source        Source
	Observability Observability
	Overrides     []Override
}

// Owner is schema.#Owner.
type Owner struct{ Team, Contact string }

// Workload is schema.#Workload.
type Workload struct {
	Name     string
	Runtime  string
	Image    Image
	Command  []string
	Args     []string
	Port     int
	Expose   string
	Hosts    []string
	Health   *Health
	Metrics  *Metrics
	Env      []EnvVar
	Secrets  []string
	Database string
	Size     string
	Replicas Replicas
	RunAs    int64 // zero: not set
	Writable []string
	Schedule string
	Deadline string
}

// Image is schema.#Image.
type Image struct{ Repository, Tag, Digest string }

// Health is schema.#Health.
type Health struct{ Startup, Ready, Live string }

// Metrics is schema.#Metrics.
type Metrics struct {
	Port int
	Path string
}

// EnvVar is one field of a workload's env.
type EnvVar struct{ Name, Value string }

// Replicas is schema.#Replicas; Min is 1 and Max is Min where they are left out.
type Replicas struct{ Min, Max int }

// Database is schema.#Database.
type Database struct {
	Name             string
	Extensions       []string
	Connections      int
	StatementTimeout string
	RowLevelSecurity bool
	Backup           *Backup
}

// Backup is schema.#Backup.
type Backup struct {
	Schedule string
	Keep     Keep // daily 7 and weekly 4 where it is left out
}

// Keep is schema.#Keep.
type Keep struct{ Daily, Weekly int }

// SecretBundle is schema.#SecretBundle.
type SecretBundle struct {
	Name    string
	Path    string
	Keys    []string
	Refresh string
}

// Network is schema.#Network.
type Network struct {
	Offers   []Offer
	Uses     []Use
	Services []string
	Egress   []Egress
}

// Offer is schema.#Offer.
type Offer struct {
	Workload string
	To       []string
}

// Use is schema.#Use.
type Use struct{ Tenant, Workload string }

// Egress is schema.#Egress.
type Egress struct {
	Name     string
	CIDRs    []string
	Ports    []int
	Protocol string
	Nodes    bool
}

// Source is schema.#Source.
type Source struct {
	Git  *GitSource
	Helm *HelmSource
}

// GitSource is schema.#GitSource.
type GitSource struct{ URL, Path, Revision string }

// HelmSource is schema.#HelmSource.
type HelmSource struct {
	Repository, Chart, Version string
	Values                     json.RawMessage // nil, or an object with sorted keys
}

// Observability is schema.#Observability.
type Observability struct{ SLO *SLO }

// SLO is schema.#SLO.
type SLO struct {
	Availability json.Number // per cent, as it was written
	Window       string
}

// Override is schema.#Override. Zero values say nothing.
type Override struct {
	Cluster   string
	State     string
	Tier      string
	Workloads []WorkloadOverride
	Database  *DatabaseOverride
}

// WorkloadOverride is schema.#WorkloadOverride.
type WorkloadOverride struct {
	Name     string
	Image    *Image // its Repository is empty
	Hosts    []string
	Env      []EnvVar
	Size     string
	Replicas Replicas // zero bounds stay as they are
	Schedule string
}

// DatabaseOverride is schema.#DatabaseOverride.
type DatabaseOverride struct {
	Connections      int
	StatementTimeout string
	Backup           *Backup
}
