// Package model is what the specs mean: names have become pointers, overrides are applied, and every tenant stands
// once for each cluster it runs on.
//
// Invariants: built by package link and read-only after it; every slice is sorted, by name where its elements have
// one; whatever an emitter needs is here, so that an emitter cannot fail.
package model

import (
	"encoding/json"
	"net/netip"

	"github.com/zavestudios/zave/internal/source"
	"k8s.io/apimachinery/pkg/api/resource"
)

// States of a tenant on a cluster.
const (
	Active    = "active"
	Suspended = "suspended"
	Retired   = "retired"
)

// What may reach a workload's port, beside the tenant itself.
const (
	ExposeNone     = "none"
	ExposeInternal = "internal-http"
	ExposePublic   = "public-http"
	ExposeGRPC     = "grpc"
)

// Subject is the part of a spec that something was made from. It is embedded wherever an object can be caused.
type Subject struct {
	Origin source.Span // the line that a person would edit
	Hash   string      // 12 hexadecimal digits over the part of the spec, so that an unrelated edit moves no object
}

// Platform is the estate.
type Platform struct {
	Subject
	Name        string
	Domain      string
	GitOps      GitOps
	Output      string
	PullSecret  PullSecret
	SecretStore SecretStore
	Sidecar     Resources
	Clusters    []*Cluster
	Tenants     []*Tenant
}

// GitOps is the branch that Flux and Argo CD watch.
type GitOps struct{ URL, Branch, Secret string }

// PullSecret is where the registry's credentials are in the external store, and what their Secret is called.
type PullSecret struct{ Name, Path, Key string }

// SecretStore is the store that every ExternalSecret refers to.
type SecretStore struct{ Kind, Name string }

// Cluster is one Kubernetes cluster with the services that are enabled on it.
type Cluster struct {
	Subject
	Platform     *Platform
	Name         string
	Kubernetes   string // exact, "1.34.3"
	Minor        string // "1.34"
	Domain       string
	StorageClass string
	TrustDomain  string
	Gateway      string // namespace/name of the Istio Gateway for public hosts
	TLSSecret    string // the Secret beside it with the certificate for them
	PodCIDR      netip.Prefix
	ServiceCIDR  netip.Prefix
	NodeCIDR     netip.Prefix
	Services     []*Service
	Database     *DatabaseService // nil: no tenant here has a database
	Placements   []*Placement

	// The services that tenants are wired to, each nil where the cluster has none. Link makes sure that nothing needs
	// one that is nil.
	Mesh, Ingress, Monitoring, Delivery, Secrets *Service
}

// Service is a platform service on one cluster.
type Service struct {
	Subject
	Cluster       *Cluster
	Name          string
	Namespace     string
	OwnsNamespace bool // the one service of its namespace that declares it
	Chart         Chart
	Needs         []*Service // direct, including the owner of its namespace
	CRDs          []string   // API groups
	Endpoints     []*Endpoint
	PodSecurity   string
	Injection     bool
	Interval      string
	Timeout       string
	Values        json.RawMessage // merged, keys sorted; nil for none
	Secrets       []*SecretBundle // that its chart reads, in its own namespace
}

// Chart is one version of a Helm chart.
type Chart struct{ Repository, Name, Version string }

// Endpoint is a set of pods of a service that serve a port.
type Endpoint struct {
	Service        *Service
	Name           string
	Port           int32
	Host           string            // the Service's name in DNS, where it has one
	Pods           map[string]string // labels; encoded sorted
	ServiceAccount string
}

// DatabaseService is the shared PostgreSQL of a cluster.
type DatabaseService struct {
	Subject
	Endpoint *Endpoint
	Image    Image
	Path     string // of the superuser's credentials in the external store
	Username string // key there
	Password string // key there
}

// Tenant is one tenant, wherever it runs.
type Tenant struct {
	Subject
	Platform    *Platform
	Name        string
	Description string
	Team        string
	Contact     string
	Group       string // the team in RBAC and in Argo CD
	Class       string
	Placements  []*Placement // by cluster
}

// Placement is a tenant on one cluster. Its Subject is the name and the state, which every object depends on; parts of
// the tenant have Subjects of their own.
type Placement struct {
	Subject
	Tenant    *Tenant
	Cluster   *Cluster
	State     string
	Tier      *Tier
	Workloads []*Workload
	Database  *Database // nil for none
	Secrets   []*SecretBundle
	Uses      []*Use // of other tenants' workloads, agreed
	Endpoints []*Endpoint
	Egress    []*Egress
	Source    Source
	SLO       *SLO

	// The parts of the tenant that single concerns are made from.
	About  Subject // description, owner and class
	Bounds Subject // tier
	Rights Subject // owner
	Deploy Subject // source
	Reach  Subject // the platform services that it uses
}

// Namespace is where all of the tenant's objects live.
func (p *Placement) Namespace() string { return p.Tenant.Name }

// Running tells whether workloads run at all.
func (p *Placement) Running() bool { return p.State == Active }

// Tier is a quota class.
type Tier struct {
	Name                   string
	Requests, Limits       Compute
	Storage                resource.Quantity
	Pods                   int64
	Services               int64
	ConfigMaps             int64
	Secrets                int64
	PersistentVolumeClaims int64
	Default                Compute
	DefaultRequest         Compute
	Max                    Compute
}

// Compute is an amount of cpu and memory.
type Compute struct{ CPU, Memory resource.Quantity }

// Resources are requests and limits.
type Resources struct{ Requests, Limits Compute }

// Workload is one deployable unit on one cluster.
type Workload struct {
	Subject
	Placement *Placement
	Name      string
	Static    bool
	Image     Image
	Command   []string
	Args      []string
	Port      int32 // zero: serves nothing
	Expose    string
	Hosts     []string // only where Expose is public-http
	Health    Health
	Metrics   *Metrics
	Env       []EnvVar
	Secrets   []*SecretBundle
	Size      string
	Resources Resources
	Min, Max  int32
	RunAs     int64
	Writable  []string
	Schedule  string // a CronJob where it is set
	Deadline  int64  // seconds, of a CronJob's run
	Offers    []*Placement

	// The parts of the workload that single concerns are made from: a new image moves none of these.
	Identity Subject // its name
	Exposure Subject // ports, hosts, metrics and offers
	Scale    Subject // replicas
}

// GRPC tells how the port is spoken to.
func (w *Workload) GRPC() bool { return w.Expose == ExposeGRPC }

// Public tells whether the gateway leads to it now: a tenant that does not run has no routes.
func (w *Workload) Public() bool { return w.Expose == ExposePublic && w.Placement.Running() }

// Image is a container image by digest.
type Image struct{ Repository, Tag, Digest string }

// Ref is what is pulled.
func (i Image) Ref() string { return i.Repository + "@" + i.Digest }

// Health holds the paths of the probes.
type Health struct{ Startup, Ready, Live string }

// Metrics is where Prometheus scrapes.
type Metrics struct {
	Port int32
	Path string
}

// EnvVar is one variable.
type EnvVar struct{ Name, Value string }

// SecretBundle is one path of the external store.
type SecretBundle struct {
	Subject
	Name    string
	Path    string
	Keys    []string
	Refresh string
}

// Use is a path to a workload of another tenant on the same cluster, which that tenant offers.
type Use struct {
	Subject
	Workload *Workload
}

// Egress is a path out of the cluster. Except are the parts of each CIDR that are never reached, by index.
type Egress struct {
	Subject
	Name     string
	CIDRs    []netip.Prefix
	Except   [][]netip.Prefix
	Ports    []int32
	Protocol string
}

// Database is a tenant's database. Role names are unquoted SQL identifiers.
type Database struct {
	Subject
	Service          *DatabaseService
	Name             string
	Roles            Roles
	Extensions       []string
	Connections      int
	StatementTimeout string
	RowLevelSecurity bool
	Path             string // of the roles' passwords in the external store
	Backup           *Backup
}

// Roles are the names of a tenant's database roles.
type Roles struct{ Owner, Migrator, App, ReadOnly, Backup string }

// Backup is a schedule and a retention.
type Backup struct {
	Schedule      string
	Daily, Weekly int
}

// Source is where the workloads' manifests come from. The zero value: from zave.
type Source struct {
	Git  *GitSource
	Helm *HelmSource
}

// Generated tells whether zave writes the workloads' manifests.
func (s Source) Generated() bool { return s.Git == nil && s.Helm == nil }

// GitSource is a directory in a repository.
type GitSource struct{ URL, Path, Revision string }

// HelmSource is a chart.
type HelmSource struct {
	Repository, Chart, Version string
	Values                     json.RawMessage
}

// SLO is an objective.
type SLO struct {
	Subject
	Availability float64 // per cent
	Days         int
}
