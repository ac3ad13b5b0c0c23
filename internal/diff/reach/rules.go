package reach

// Rule is a kind of consequence.
type Rule struct {
	ID   string // for ever
	Says string // what has happened, one sentence
}

// The rules.
const (
	hostStolen        = "host-stolen"
	isolationLost     = "isolation-lost"
	rightEverybody    = "right-everybody"
	rightEscalates    = "right-escalates"
	egressWorld       = "egress-world"
	pathFromAll       = "path-from-all"
	hostAccess        = "host-access"
	secretOfAnother   = "secret-of-another"
	egressMetadata    = "egress-metadata"
	egressPrivate     = "egress-private"
	hostOpened        = "host-opened"
	hostPlain         = "host-plain"
	hostUnbound       = "host-unbound"
	serviceExposed    = "service-exposed"
	projectOpened     = "project-opened"
	sourceChanged     = "source-changed"
	podSecurityLower  = "pod-security-lowered"
	meshLeft          = "mesh-left"
	pathOpened        = "path-opened"
	egressOpened      = "egress-opened"
	ingressOpened     = "ingress-opened"
	rightOpened       = "right-opened"
	secretOpened      = "secret-opened"
	tokenMounted      = "token-mounted"
	pullOpened        = "pull-secret-opened"
	requestOpened     = "request-opened"
	databaseOpened    = "database-access-opened"
	hostMoved         = "host-moved"
	pathsComing       = "paths-coming"
	isolationGained   = "isolation-gained"
	hostClosed        = "host-closed"
	hostEncrypted     = "host-encrypted"
	hostBound         = "host-bound"
	serviceHidden     = "service-hidden"
	pathClosed        = "path-closed"
	egressClosed      = "egress-closed"
	ingressClosed     = "ingress-closed"
	rightClosed       = "right-closed"
	projectClosed     = "project-closed"
	podSecurityHigher = "pod-security-raised"
	meshJoined        = "mesh-joined"
	hostAccessGone    = "host-access-gone"
	secretClosed      = "secret-closed"
	tokenUnmounted    = "token-unmounted"
	pullClosed        = "pull-secret-closed"
	requestClosed     = "request-closed"
	databaseClosed    = "database-access-closed"
	pathsGoing        = "paths-going"
)

// Rules lists them in the order in which consequences stand: what opens before what closes, the most dangerous first.
func Rules() []Rule {
	return []Rule{
		{hostStolen, "A host leads to another tenant than before, or to a second one."},
		{isolationLost, "No policy isolates some pods any more, or some new ones at all: everything may reach them, or be reached by them."},
		{rightEverybody, "Everybody gets a right, or everybody who has logged in, or every service account."},
		{rightEscalates, "Somebody gets a right that leads to more than it says: to Secrets, to other identities, or to giving rights."},
		{egressWorld, "A way out to all of the internet, or a good part of it, opens."},
		{pathFromAll, "A port opens to every pod and every address."},
		{hostAccess, "Pods get at the node that they run on."},
		{secretOfAnother, "A path of the secret store that is another's is read."},
		{egressMetadata, "The metadata service opens, which gives out the node's credentials in clouds."},
		{egressPrivate, "A way out to private addresses opens, where nodes, offices and other networks are."},
		{hostOpened, "A host leads into the cluster that did not."},
		{hostPlain, "A host is served without TLS."},
		{hostUnbound, "A Gateway lets every namespace route a host that was one namespace's."},
		{serviceExposed, "A Service is reached from outside of the cluster, past the gateway."},
		{projectOpened, "An Argo CD project allows what it did not."},
		{sourceChanged, "What is deployed comes from another place, or goes to another one."},
		{podSecurityLower, "A namespace admits pods that it refused."},
		{meshLeft, "The mesh no longer protects some pods, or protects them less."},
		{pathOpened, "A network path opens, as far as both ends and the mesh let it."},
		{egressOpened, "A way out to addresses opens."},
		{ingressOpened, "A way in from addresses opens."},
		{rightOpened, "Somebody may do in the API what they could not."},
		{secretOpened, "More of the secret store is read."},
		{tokenMounted, "Pods are given a token for the API server."},
		{pullOpened, "Pods may pull images with credentials that they did not have."},
		{requestOpened, "The mesh lets requests through a path that it refused."},
		{databaseOpened, "The database server lets in whom it did not."},
		{hostMoved, "A host leads to another workload of the same tenant."},
		{pathsComing, "Something new brings network paths to what the platform offers."},
		{isolationGained, "A policy isolates pods that none did."},
		{hostClosed, "A host no longer leads into the cluster."},
		{hostEncrypted, "A host is no longer served without TLS."},
		{hostBound, "A Gateway no longer lets every namespace route a host."},
		{serviceHidden, "A Service is no longer reached from outside of the cluster."},
		{pathClosed, "A network path closes."},
		{egressClosed, "A way out to addresses closes."},
		{ingressClosed, "A way in from addresses closes."},
		{rightClosed, "Somebody may no longer do something in the API."},
		{projectClosed, "An Argo CD project no longer allows something."},
		{podSecurityHigher, "A namespace refuses pods that it admitted."},
		{meshJoined, "The mesh protects pods that it did not, or protects them more."},
		{hostAccessGone, "Pods no longer get at the node that they run on."},
		{secretClosed, "Less of the secret store is read."},
		{tokenUnmounted, "Pods are no longer given a token for the API server."},
		{pullClosed, "Pods may no longer pull images with some credentials."},
		{requestClosed, "The mesh refuses requests through a path that it let through."},
		{databaseClosed, "The database server no longer lets somebody in."},
		{pathsGoing, "Something goes, and with it its network paths to what the platform offers."},
	}
}
