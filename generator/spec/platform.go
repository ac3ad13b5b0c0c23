package spec

import "encoding/json"

// Platform is schema.#Platform.
type Platform struct {
	Positions
	Dir    string // "platform"
	Hash   string // as Tenant.Hash
	Broken bool

	Name        string
	Domain      string
	GitOps      GitOps
	Output      string
	Registries  []string
	PullSecret  PullSecret
	SecretStore SecretStore
	Identity    Identity
	Reserved    []string
	Hosts       []string
	Tiers       []Tier
	Sizes       []Size
	Sidecar     *Resources
	Clusters    []Cluster
	Services    []Service
	Database    *DatabaseService
}

// GitOps is schema.#GitOps.
type GitOps struct{ URL, Branch, Secret string }

// PullSecret is schema.#PullSecret.
type PullSecret struct{ Name, Path, Key string }

// SecretStore is schema.#SecretStore.
type SecretStore struct{ Kind, Name string }

// Identity is schema.#Identity.
type Identity struct{ GroupPrefix string }

// Tier is schema.#Tier. Quantities are as they were written.
type Tier struct {
	Name                   string
	CPU                    string
	Memory                 string
	Limits                 *ComputeBound
	Pods                   int
	Storage                string
	Services               int
	ConfigMaps             int
	Secrets                int
	PersistentVolumeClaims int
	Container              ContainerBounds
}

// ComputeBound is schema.#ComputeBound.
type ComputeBound struct{ CPU, Memory string }

// ContainerBounds is schema.#ContainerBounds.
type ContainerBounds struct{ Default, DefaultRequest, Max ComputeBound }

// Size is schema.#Size with its name.
type Size struct {
	Name string
	Resources
}

// Resources is schema.#Resources.
type Resources struct{ Requests, Limits ComputeBound }

// Cluster is schema.#Cluster.
type Cluster struct {
	Name         string
	Distribution string
	Kubernetes   string
	Domain       string
	Nodes        []Node
	Reserved     *ComputeBound
	StorageClass string
	Storage      string
	Gateway      string // namespace/name
	TLSSecret    string
	PodCIDR      string
	ServiceCIDR  string
	NodeCIDR     string
	TrustDomain  string
	Cost         *Cost
}

// Node is schema.#Node.
type Node struct {
	Name   string
	Role   string
	CPU    json.Number // cores
	Memory string
	Count  int
}

// Cost is schema.#Cost, in US dollars; empty numbers were left out.
type Cost struct {
	Monthly json.Number
	Hourly  []CostItem
	CPU     json.Number
	Memory  json.Number
}

// CostItem is one field of a cost's hourly.
type CostItem struct {
	Name string
	USD  json.Number
}

// Service is schema.#Service.
type Service struct {
	Name        string
	Chart       Chart
	Namespace   string
	Role        string
	Needs       []string
	Provides    Provides
	PodSecurity string
	Injection   bool
	Interval    string
	Timeout     string
	Values      json.RawMessage // nil, or an object with sorted keys
	Secrets     []SecretBundle
	Clusters    []ServiceOverride
}

// Chart is schema.#Chart.
type Chart struct{ Repository, Name, Version string }

// Provides is schema.#Provides.
type Provides struct {
	CRDs      []string
	Endpoints []Endpoint
}

// Endpoint is schema.#Endpoint.
type Endpoint struct {
	Name           string
	Port           int
	Service        string
	Pods           []Label
	ServiceAccount string
}

// Label is one field of an endpoint's pods.
type Label struct{ Name, Value string }

// ServiceOverride is schema.#ServiceOverride.
type ServiceOverride struct {
	Cluster string
	Enabled bool
	Version string
	Values  json.RawMessage
}

// DatabaseService is schema.#DatabaseService.
type DatabaseService struct {
	Service             string
	Endpoint            string
	Extensions          []string
	MaxConnections      int
	ReservedConnections int
	Role                string
	Database            string
	Monitors            []string
	ReservedRoles       []string
	Networks            []string
	Profile             string
	Bootstrap           string
	Image               Image
	CA                  *StoredValue
	SuperuserSecret     *SuperuserSecret
	BootstrapSecret     PasswordSecret
	Backup              *DatabaseBackup
}

// SuperuserSecret is schema.#SuperuserSecret.
type SuperuserSecret struct{ Path, User, Password string }

// PasswordSecret is schema.#PasswordSecret.
type PasswordSecret struct{ Path, Password string }

// StoredValue is schema.#StoredValue.
type StoredValue struct{ Path, Key string }

// DatabaseBackup is schema.#DatabaseBackup.
type DatabaseBackup struct {
	S3          *Bucket
	Claim       string
	Recipients  []string
	SigningKey  StoredValue
	VerifyKeys  []string
	RestoreTest *RestoreTest
}

// Bucket is schema.#Bucket.
type Bucket struct {
	URL         string
	Endpoint    string
	Region      string
	Credentials BucketCredentials
	Service     string
	CIDRs       []string
	Port        int
	CA          *StoredValue
}

// BucketCredentials is schema.#BucketCredentials.
type BucketCredentials struct{ Path, AccessKey, SecretKey string }

// RestoreTest is schema.#RestoreTest.
type RestoreTest struct {
	Schedule string
	Identity StoredValue
}
