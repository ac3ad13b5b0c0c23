package diag

// The codes, by hundreds: 0 files and CUE, 1 one value, 2 between specs, 3 capacity, 4 the tree on disk, 5 the
// compiled objects, 6 what is staged in git. A code is never reused for another mistake.
const (
	// Files and the CUE language (internal/load).
	Syntax         Code = "ZAV001" // not CUE
	Import         Code = "ZAV002" // an import that cannot be resolved
	ImportCycle    Code = "ZAV003" // packages that import each other
	FileEscapes    Code = "ZAV004" // a symbolic link out of the repository
	FileSize       Code = "ZAV005" // empty, or larger than a spec can be
	FileUnreadable Code = "ZAV006" // not readable, not a regular file, or not UTF-8
	PackageClause  Code = "ZAV007" // no package clause, or not the directory's
	NotARepository Code = "ZAV008" // no platform/ here, or no cue.mod
	SchemaDiffers  Code = "ZAV009" // the repository's schema/ is not the one this binary knows
	NoDefinition   Code = "ZAV010" // a tenant's directory that holds no #Tenant, platform/ no #Platform
	Evaluation     Code = "ZAV011" // CUE could not evaluate it, for a reason with no code of its own
	Contract       Code = "ZAV012" // a zave.yaml to import that is none, or says what zave does not know
	NotCarried     Code = "ZAV013" // a field of a zave.yaml to import that a spec cannot say

	// One value (internal/load).
	UnknownField  Code = "ZAV101" // no such field
	MissingField  Code = "ZAV102" // a required field is not set
	WrongType     Code = "ZAV103" // a string where a number belongs, and the like
	NotAllowed    Code = "ZAV104" // a value that is not in the list
	OutOfRange    Code = "ZAV105" // a number beyond its bounds
	BadName       Code = "ZAV106" // not a DNS label
	BadHost       Code = "ZAV107" // not a host name, or a wildcard
	BadDigest     Code = "ZAV108" // not sha256: and 64 hexadecimal digits
	BadQuantity   Code = "ZAV109" // not a Kubernetes quantity
	BadCIDR       Code = "ZAV110" // not a CIDR
	BadCron       Code = "ZAV111" // not a cron schedule
	BadFormat     Code = "ZAV112" // any other string that does not have its form
	Conflict      Code = "ZAV113" // two places set one field to different values
	NotConcrete   Code = "ZAV114" // a value is still open: a reference to nothing, a type with no value
	NameDirectory Code = "ZAV115" // name is not the directory's

	// Between fields and specs (generator/link).
	UnknownCluster     Code = "ZAV201"
	UnknownTier        Code = "ZAV202"
	UnknownSize        Code = "ZAV203"
	UnknownExtension   Code = "ZAV204"
	UnknownTenant      Code = "ZAV205"
	UnknownWorkload    Code = "ZAV206"
	UnknownSecret      Code = "ZAV207"
	UnknownService     Code = "ZAV208"
	DuplicateHost      Code = "ZAV209"
	DuplicateNamespace Code = "ZAV210"
	DuplicateDatabase  Code = "ZAV211"
	DuplicateRole      Code = "ZAV212"
	DuplicateName      Code = "ZAV213" // a name within a tenant or a platform that stands twice, or that zave uses itself
	ReservedName       Code = "ZAV214"
	UseWithoutOffer    Code = "ZAV215"
	OfferWithoutUse    Code = "ZAV216" // a warning: half of a path opens nothing
	RegistryNotAllowed Code = "ZAV217"
	ImageWithoutDigest Code = "ZAV218"
	TooManyWorkloads   Code = "ZAV219"
	EgressOverlap      Code = "ZAV220" // into another tenant, the pod, service or node range, or the metadata service
	ServiceCycle       Code = "ZAV221"
	NoPort             Code = "ZAV222" // exposed, offered or probed, and no port
	HostNotPublic      Code = "ZAV223" // hosts on a workload that is not public-http
	ReplicaRange       Code = "ZAV224" // max below min
	ScheduleConflict   Code = "ZAV225" // a scheduled workload that is also exposed, scaled or probed
	SourceConflict     Code = "ZAV226" // source.git and source.helm at once
	NoDatabaseService  Code = "ZAV227" // a database, and no service that runs it
	DuplicatePort      Code = "ZAV228" // metrics on a port that speaks gRPC
	OverrideUnused     Code = "ZAV229" // an override for a cluster the tenant is not in, or of nothing
	NoProvider         Code = "ZAV230" // objects that need a service which no cluster service provides
	ReservedEnv        Code = "ZAV231" // an environment variable that is set twice, or that zave sets
	StateConflict      Code = "ZAV233" // a state that another tenant, or the tenant's own source, does not go with
	NetworkOverlap     Code = "ZAV234" // pod, service and node ranges of one cluster overlap
	SecretPath         Code = "ZAV235" // a bundle outside tenants/<tenant>/ of the external store
	MeshOwn            Code = "ZAV236" // a port, user or name that the mesh's proxy has for itself
	NoBackupTarget     Code = "ZAV237" // a backup, and nowhere to put it
	BackupTarget       Code = "ZAV238" // a place for backups that is none, or two
	NoDatabase         Code = "ZAV239" // a workload that logs in to a database that the tenant has not
	BeyondScript       Code = "ZAV240" // what takes zave, where the database's Jobs run psql

	// Capacity (generator/link).
	ClusterFull     Code = "ZAV301" // the quotas add up to more than the cluster has
	QuotaTooSmall   Code = "ZAV302" // the tenant's own workloads do not fit its quota
	SizeExceedsTier Code = "ZAV303" // one container is larger than the tier's limit range allows
	RequestsLimits  Code = "ZAV304" // a request above its limit
	Connections     Code = "ZAV305" // connection limits add up to more than the database service has

	// The tree on disk (internal/tree).
	HandEdited  Code = "ZAV401" // a file of ours was edited by hand
	ForeignFile Code = "ZAV402" // a file that is not ours stands where one of ours belongs
	OutOfDate   Code = "ZAV403" // build --check: the tree is not what the specs compile to
	OutputPath  Code = "ZAV404" // the output would leave the repository, or hold the specs

	// The compiled objects (internal/check).
	InvalidObject   Code = "ZAV501" // an object that its schema refuses
	UnknownKind     Code = "ZAV502" // no schema for that kind
	KustomizeFails  Code = "ZAV503" // a kustomization.yaml does not build
	PlaintextSecret Code = "ZAV504" // a Secret in the tree
	TwoOwners       Code = "ZAV505" // an object in two units

	// What is about to be committed (internal/leak, internal/gitrepo).
	StagedSecret Code = "ZAV601" // a secret in plain text
	SpecConflict Code = "ZAV602" // a spec in conflict
)
