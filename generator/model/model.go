// Package model is what the specs mean: names have become pointers, overrides are applied, and every tenant stands
// once for each cluster it runs on.
//
// Invariants: built by package link and read-only after it; every slice is sorted, by name where its elements have
// one; whatever an emitter needs is here, so that an emitter cannot fail.
package model

import (
	"encoding/json"
	"net/netip"
	"slices"
	"time"

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
	Free         Compute // what its nodes have for tenants: all of them, less what is reserved
	Cost         *Cost   // nil: no prices are given

	// The services that tenants are wired to, each nil where the cluster has none. Link makes sure that nothing needs
	// one that is nil.
	Mesh, Ingress, Monitoring, Delivery, Secrets *Service
}

// Cost is what a cluster costs, in US dollars. A price that is not given is zero.
type Cost struct {
	Origin      source.Span
	Monthly     float64
	Hourly      float64 // in all, while the cluster runs
	CPU, Memory float64 // of one requested core, and of one requested GiB, for a month
}

// Watched tells whether alerts would be evaluated there.
func (c *Cluster) Watched() bool {
	return c.Monitoring != nil && slices.ContainsFunc(c.Services, func(s *Service) bool {
		return slices.Contains(s.CRDs, "monitoring.coreos.com")
	})
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
	Script   bool // the Jobs run a script with psql, and not zave

	Role, Database      string // the platform's own: the role bootstraps tenants, the database holds its lock
	Monitors            []string
	Networks            []netip.Prefix
	Strict              bool
	MaxConnections      int
	ReservedConnections int

	Superuser *Superuser   // nil: a person prepares the instance
	Password  StoredValue  // of Role
	CA        *StoredValue // nil: the server is not verified
	Backup    *Archive     // nil: no tenant has one
}

// Superuser is who prepares an instance.
type Superuser struct {
	Name     string
	Password StoredValue
}

// Credentials are where a user's name and password are in the external store.
type Credentials struct{ Path, Username, Password string }

// StoredValue is one key at a path of the external store.
type StoredValue struct{ Path, Key string }

// Archive is where backups of a cluster's databases go. Either Claim is set or Bucket.
type Archive struct {
	Claim      string // a PersistentVolumeClaim beside the database service
	Bucket     *Bucket
	Recipients []string // age public keys
	Sign       StoredValue
	Verify     []string // Ed25519 public keys, in base64
	Test       *RestoreTest
}

// Bucket is S3, or what speaks like it. It is reached through either Endpoint or Egress.
type Bucket struct {
	URL         string // s3://bucket/prefix/cluster
	Address     string // https://host:port; empty: AWS's own
	Region      string
	Credentials Credentials
	CA          *StoredValue // nil: one that everybody knows
	Endpoint    *Endpoint
	Egress      *Egress
}

// RestoreTest is when archives are restored to see whether they can be.
type RestoreTest struct {
	Schedule string // empty: each tenant has an hour of its own
	Identity StoredValue
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
	Login     string // of the tenant's database: LoginApp and the like; empty for none
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
	Path             string   // of the roles' passwords in the external store
	Logins           []string // that the tenant's namespace is given, sorted
	Backup           *Backup
}

// Logins of a tenant's database, as workloads ask for them. Each is also the key of its password at Database.Path.
const (
	LoginApp      = "app"
	LoginMigrator = "migrator"
	LoginReadOnly = "readonly"
)

// Verified tells whether the tenant's workloads make sure of the server: it takes a file in their pods, which manifests
// of the tenant's own may not mount.
func (d *Database) Verified(p *Placement) bool { return d.Service.CA != nil && p.Source.Generated() }

// AppUser is the template, for External Secrets, of the name that the application logs in with: the one that a rotation
// has put into the store, or else that of its role.
func (d *Database) AppUser() string {
	return `or (index . "app-username") "` + d.Roles.App + `" | trim`
}

// BackupJob is the name of the CronJob that backs a tenant's database up.
func (p *Placement) BackupJob() string { return "backup-" + p.Tenant.Name }

// RestoreJob is the name of the CronJob that restores its newest backup, to see whether that can be done.
func (p *Placement) RestoreJob() string { return "restore-" + p.Tenant.Name }

// DatabaseSecret is the name of the Secret of a tenant's namespace with a login of its database.
func DatabaseSecret(login string) string {
	if login == LoginApp {
		return "database"
	}
	return "database-" + login
}

// The certificate authority of the database server: the Secret of a namespace that it is in, and where it is in the
// pods of workloads.
const (
	AuthoritySecret = "database-ca"
	AuthorityDir    = "/etc/zave/database"
	AuthorityFile   = "ca.crt"
)

// DatabaseSecrets are the names that Secrets with database credentials have in tenants' namespaces.
func DatabaseSecrets() []string {
	return []string{DatabaseSecret(LoginApp), DatabaseSecret(LoginMigrator), DatabaseSecret(LoginReadOnly), AuthoritySecret}
}

// Secrets of the database service's namespace that Jobs read, beside those of single tenants.
const (
	SuperuserSecret = "database-superuser" // a superuser's name and password
	PlatformSecret  = "database-platform"  // the password of the role that bootstraps tenants
	ArchiveSecret   = "database-archive"   // what writes backups: keys of the bucket, and the one that signs
	IdentitySecret  = "database-identity"  // what reads them
)

// InstanceSecrets are the names of these and of the certificate authority's.
func InstanceSecrets() []string {
	return []string{AuthoritySecret, SuperuserSecret, PlatformSecret, ArchiveSecret, IdentitySecret}
}

// Roles are the names of a tenant's database roles.
type Roles struct{ Owner, Migrator, App, AppA, AppB, ReadOnly, Backup string }

// All lists the roles, the owner first.
func (r Roles) All() []string {
	return []string{r.Owner, r.Migrator, r.App, r.AppA, r.AppB, r.ReadOnly, r.Backup}
}

// Login gives the role of a login.
func (r Roles) Login(login string) string {
	switch login {
	case LoginMigrator:
		return r.Migrator
	case LoginReadOnly:
		return r.ReadOnly
	}
	return r.App
}

// Backup is a schedule and a retention.
type Backup struct {
	Schedule      string
	Stale         time.Duration // without a new one for this long, one is missing
	Daily, Weekly int
	TestSchedule  string // of the restore; empty: none
	TestStale     time.Duration
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
