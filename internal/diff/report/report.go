// Package report is what a change of the specs does to the clusters, as data: which objects change and how, and what
// follows from it.
//
// Invariants: every change of an object is the subject of at least one consequence; consequences are sorted, the most
// dangerous first; no text holds a value that looks like a secret; equal inputs give equal reports.
package report

import (
	"strings"

	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/source"
)

// Class says how dangerous a consequence is.
type Class string

// The classes, the most dangerous first.
const (
	Destructive Class = "destructive" // what cannot be brought back by reverting: data, a namespace, an object made anew
	Disruptive  Class = "disruptive"  // pods restart, or are refused
	Exposure    Class = "exposure"    // a path, a host or a right is opened or closed
	Capacity    Class = "capacity"    // requests, quotas, replicas, money
	Additive    Class = "additive"    // something new that touches nothing that runs
	Cosmetic    Class = "cosmetic"    // no controller acts on it
)

// Classes lists them, the most dangerous first.
func Classes() []Class {
	return []Class{Destructive, Disruptive, Exposure, Capacity, Additive, Cosmetic}
}

// Action is what happens to an object.
type Action string

const (
	Create  Action = "create"
	Update  Action = "update"
	Delete  Action = "delete"
	Replace Action = "replace" // deleted and created anew, because an immutable field changes
	Rename  Action = "rename"  // the same object under another name: content-hash names, Jobs
	Move    Action = "move"    // unchanged, but another unit owns it
)

// Mark is the sign of an action as terminals show it: "+", "~", "-", "-/+", ">" and "=>".
func (a Action) Mark() string {
	switch a {
	case Create:
		return "+"
	case Delete:
		return "-"
	case Replace:
		return "-/+"
	case Rename:
		return ">"
	case Move:
		return "=>"
	default:
		return "~"
	}
}

// Side is one of the two states that are compared.
type Side struct {
	Name   string // "main", "HEAD~1", "the work tree", "golden/platform-gitops"
	Commit string // 40 hexadecimal digits; empty for what is not committed
}

// Field is one field of an object that changes. List elements are named by their keys, as server-side apply names
// them: spec.template.spec.containers[name="web"].image.
type Field struct {
	Path   string
	Before string // as JSON on one line, shortened and masked; empty: was not there
	After  string // likewise; empty: is no longer there
	// Immutable tells that the API server refuses the change, so that the object must be replaced.
	Immutable bool
}

// Change is what happens to one object.
type Change struct {
	object.ID
	Version string
	Action  Action
	From    object.ID // of Rename: what it was; otherwise the zero ID
	Tenant  string    // empty for the platform's own
	// Units are "tenancy-panchito", and empty on the side where the object is not.
	UnitBefore, UnitAfter string
	Fields                []Field     // sorted by path; of Create and Delete none
	Origin                source.Span // the line of the spec that causes it: head's, or base's where head has none
	Hash                  string      // of the patch: 16 hexadecimal digits; an acknowledgement names it
}

// Ref names the object as people type it: Kind/namespace/name, or Kind/name, without the cluster.
func (c Change) Ref() string { return Ref(c.ID) }

// Ref names an object as people type it.
func Ref(id object.ID) string {
	parts := []string{id.Kind}
	if id.Namespace != "" {
		parts = append(parts, id.Namespace)
	}
	return strings.Join(append(parts, id.Name), "/")
}

// Subject is whom a consequence is about.
type Subject struct {
	Name    string // "panchito/web", "panchito", "thehouseguy → panchito/web:8000": what stands before the text
	Cluster string
	Tenant  string      // empty for the platform's own
	Origin  source.Span // the line of the spec that causes it
	Changes []int       // indices into Report.Changes, sorted: the objects that bring it about
	// Key are those of Changes that stand for all of them: who acknowledges or allows these lets the subject through.
	// Empty: each stands for itself. See Keys.
	Key []int
	// Pass says why a destructive consequence is let through: "its spec says state: retired", "acknowledged: REASON",
	// "allowed by --allow". Empty: it is not.
	Pass string
}

// Keys gives the changes to acknowledge or to allow, each of them, for the subject to be let through.
func (s Subject) Keys() []int {
	if len(s.Key) > 0 {
		return s.Key
	}
	return s.Changes
}

// Consequence is what a change does. One cause that reaches many is one consequence with many subjects.
type Consequence struct {
	Class Class
	Rule  string // a name for ever, "namespace-deleted"; the rules are listed by the package that makes the report
	Kind  string // what the subjects are, singular: "Deployment", "Namespace", "tenant", "path"
	// Text goes on after a subject's name, or after "3 Deployments", and so has no verb that depends on number:
	// "restarted, one pod at a time: image sha-5df14da → sha-91c0b2e", "deleted, with the 3 volumes in it".
	Text string
	Why  string // why it is of its class, one sentence; may hold the safe way to do it
	Data bool   // data is at stake
	// Plan is the safe order of commits, where there is one, a step each.
	Plan     []string
	Subjects []Subject // sorted by cluster and name; never empty
}

// Passed tells whether all of its subjects are let through.
func (c Consequence) Passed() bool {
	for _, s := range c.Subjects {
		if s.Pass == "" {
			return false
		}
	}
	return true
}

// Verdict is what is known of a path.
type Verdict string

const (
	Allowed Verdict = "allowed"
	Denied  Verdict = "denied"
	Unknown Verdict = "unknown"
)

// Path is a network path whose verdict changes, between what pods select and not between pods: an upper bound.
type Path struct {
	Cluster  string
	From, To string // "thehouseguy/web", "panchito", "0.0.0.0/0", "internet"
	Ports    string // "8000", "443/TCP, 53/UDP", "all ports"
	Before   Verdict
	After    Verdict
	Subject  [2]int // index of the consequence that says it and of the subject therein
}

// Money is a monthly cost of a cluster, where its prices are given, in US dollars.
type Money struct {
	Cluster       string
	What          string // CostRunning or CostRequested
	Before, After float64
	How           string // what it is reckoned from
}

// What a cluster's money is for. The two are never added up: what is requested is a way to share out what runs.
const (
	CostRunning   = "cost a month"             // of the cluster, whatever it is used for
	CostRequested = "cost of requests a month" // of what its tenants request, at the prices of a core and of a GiB
)

// Amounts are what the workloads and quotas of all tenants of a cluster add up to, in canonical Kubernetes quantities.
// Both sides are whole sums, also where the report was made without what both have alike.
type Amounts struct {
	Cluster string
	// What is "pods", "requests.cpu" and the like, of the workloads that zave writes, with the fewest pods that
	// autoscalers keep and no run of a CronJob; "pods at most" and the like, with the most pods and a run of each CronJob;
	// "requests.storage", of volume claims; "quota pods" and the like, of the quotas, as far as they bound the same;
	// "nodes cpu" and "nodes memory", what the nodes have for tenants.
	What   string
	Before string
	After  string
}

// Report is a whole comparison.
type Report struct {
	Base, Head   Side
	Generator    bool // the two sides are one spec compiled by two versions of zave
	Changes      []Change
	Consequences []Consequence
	Paths        []Path    // sorted by cluster, from, to
	Amounts      []Amounts // those that differ
	Money        []Money   // of clusters whose cost differs
	Notes        []string  // what the report could not tell, a sentence each
	Stale        []string  // files of acknowledgements that acknowledge nothing any more, sorted
}

// Count gives how many subjects the consequences of a class have.
func (r *Report) Count(c Class) (n int) {
	for _, q := range r.Consequences {
		if q.Class == c {
			n += len(q.Subjects)
		}
	}
	return n
}

// Blocking gives the indices of the consequences that a policy stops at: those of the classes, less what is passed.
func (r *Report) Blocking(classes []Class) (out []int) {
	for i, q := range r.Consequences {
		for _, c := range classes {
			if q.Class == c && !q.Passed() {
				out = append(out, i)
				break
			}
		}
	}
	return out
}
