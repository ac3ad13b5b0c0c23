// Package generator compiles what people wrote about an estate into the tree that Flux and Argo CD reconcile.
//
// It is built like a compiler, and pure: no files, sockets, processes, environment, clock or randomness below this
// directory.
//
//	spec     what people wrote: references are names, and every value knows its place
//	link     *spec.Set → *model.Platform: resolve, apply overrides, find what clashes
//	model    what it means: pointers instead of names, a tenant once for each of its clusters
//	emit/*   *model.Placement → []unit.Unit: one package a concern, each a plain reading of the model
//	label    the metadata that all objects bear
//	unit     the smallest thing that Flux or Argo CD reconciles alone, and its directory
//	layout   []unit.Unit → *tree.Tree: files and the kustomization.yaml of each directory
//
// Compile runs them in that order. Its one result feeds every consumer: build writes the tree, check reads the objects,
// and so no two of them can disagree.
//
// # Who owns what
//
//	unit                 directory                                      owner
//	entry-cluster        clusters/<cluster>/                            Flux: the source and the root
//	entry-platform       clusters/<cluster>/platform/                   Flux: a Kustomization a service
//	entry-tenants        clusters/<cluster>/tenants/                    Flux: a Kustomization a tenant's unit
//	service-<service>    platform/<cluster>/<service>/                  Flux
//	instance-<service>   databases/<cluster>/<service>/                 Flux: the PostgreSQL instance, once for all
//	tenancy-<tenant>     tenants/<cluster>/<tenant>/platform/tenancy/   Flux: namespace, quota, rights, policies, secrets
//	database-<tenant>    tenants/<cluster>/<tenant>/platform/database/  Flux, in the database service's namespace
//	delivery-<tenant>    tenants/<cluster>/<tenant>/platform/delivery/  Flux: the Argo CD project and application, alerts
//	workloads-<tenant>   tenants/<cluster>/<tenant>/app/                Argo CD
//
// Every directory that is one cluster's has a kustomization.yaml, and each of them builds. The four above, clusters/,
// platform/, databases/ and tenants/, have none: objects of two clusters bear the same names, and cannot be built
// together.
//
// # Order
//
// A unit waits for the units it names and for the service that provides the definitions of its objects' API groups.
// Services wait for what they need and for the service that declares their namespace; tenancy for the mesh and the
// secrets operator; the instance for the database service; the database for tenancy and the instance; delivery for
// tenancy and the database, for Argo CD, and for the services that the tenant's workloads reach.
//
// # Databases
//
// emit/database makes a state.Desired of the model: what the PostgreSQL of a cluster is to be. It is the one thing that
// the database commands, the Jobs in the tree and the script for psql go by, so that what `zave db plan` shows is what
// the Job does. A Job reads its part of it from a ConfigMap that is named by its content: the instance's, as a
// superuser; each tenant's, as a role that is none.
//
// # The review loop
//
// A change is looked at by compiling twice. internal/gitrepo reads the specs of a commit, of git's index and of the work
// tree as file systems; cli/pair.go compiles both, leaving out on both sides the tenants whose inputs are the same.
//
//	internal/diff/typed    two objects → the fields that differ, as server-side apply sees them
//	internal/diff/reach    objects → who may reach whom, and who may do what: upper bounds, from policies alone
//	internal/diff          two compiles → *report.Report: changes of objects, and the consequences they have
//	internal/diff/report   that report, a noun
//	internal/diff/format   the report as text, Markdown, HTML and what machines read
//	internal/edit          a CUE file with one value changed, and nothing else; the first file of a new tenant
//	internal/leak          secrets in what is about to be committed
//	internal/forge         comments on pull requests
//
// # Publishing
//
// internal/gitrepo/remote reads the head of a branch in the GitOps repository, over https, ssh or a path, makes a commit
// of the files that change in memory, and pushes it if the branch is still where it was. internal/publish decides, without
// any of that, what a compiled tree and such a head make of each other. cli/publish_settle.go leaves out of both the
// tenants whose files at the head are known to be what they compile to, so that a publication costs what differs.
//
// # What is kept from one run to the next
//
// In the user's cache directory, by internal/reuse, and never as the truth: which files the last build left; specs as
// load decoded them, by all bytes that they were made of; and for each tenant the hashes of the files that it compiles
// to, by its fingerprint, which is all that its units are a function of (Fingerprints). By the last two a diff, the
// hook and a publication compile what changed alone. So an emitter of tenants may read of the others no more than the fingerprint covers:
// those that the tenant uses and offers to. TestFingerprints finds one that does.
//
// # Invariants
//
// Sorted slices leave functions, maps do not. Parallel work writes to its own index and is joined in input order. An
// emitter cannot fail: whatever can be wrong is found in link, where both ends of a reference are in hand. A
// unit's name begins with a word of ours that holds no "-", so that no two units can share one.
package generator
