// Package argo emits how Argo CD deploys a tenant: an AppProject that bounds it and an Application that does it.
//
// Invariants: a project allows one repository, one namespace and no cluster-scoped kind; nothing that bounds a tenant
// (quota, limits, policies, rights, mesh and secret wiring) can be deployed through it.
package argo

import (
	"strings"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/api/argocd"
	"github.com/zavestudios/zave/internal/object"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// inCluster is the cluster that Argo CD itself runs in.
const inCluster = "https://kubernetes.default.svc"

// Emit gives the AppProject and, where there is something to deploy, the Application.
func Emit(p *model.Placement) []unit.Unit {
	if p.Cluster.Delivery == nil {
		return nil
	}
	key := func(part unit.Part, name string) unit.Key {
		return unit.Key{Cluster: p.Cluster.Name, Part: part, Name: name}
	}
	u := unit.Unit{
		Key:    key(unit.Delivery, p.Tenant.Name),
		Origin: p.Origin,
		Hash:   p.Hash,
		Needs: []unit.Key{
			key(unit.Service, p.Cluster.Delivery.Name),
			key(unit.Tenancy, p.Tenant.Name),
		},
	}
	if p.Database != nil {
		u.Needs = append(u.Needs, key(unit.Database, p.Tenant.Name))
	}
	for _, w := range p.Workloads {
		if w.Public() && p.Cluster.Ingress != nil {
			u.Needs = append(u.Needs, key(unit.Service, p.Cluster.Ingress.Name))
		}
	}
	for _, e := range p.Endpoints {
		u.Needs = append(u.Needs, key(unit.Service, e.Service.Name))
	}
	u.Objects = append(u.Objects, object.New(p.Cluster.Name, project(p), p.About.Origin))
	if deploys(p) {
		u.Objects = append(u.Objects, object.New(p.Cluster.Name, application(p), p.Deploy.Origin))
	}
	if p.Source.Generated() {
		for _, w := range p.Workloads {
			if w.Metrics != nil {
				u.Groups = []string{"monitoring.coreos.com"}
			}
		}
	}
	return []unit.Unit{u}
}

// deploys tells whether there is anything at the source.
func deploys(p *model.Placement) bool {
	return p.State == model.Retired || !p.Source.Generated() || len(p.Workloads) > 0
}

func project(p *model.Placement) *argocd.AppProject {
	meta := label.ForTenantIn(p, p.About, p.Cluster.Delivery.Namespace, p.Tenant.Name)
	// Argo CD keeps a project that bears this until no Application is left in it: a tenant that goes away takes its
	// workloads with it, and not its project before them.
	meta.Finalizers = []string{argocd.Finalizer}
	name := p.Tenant.Name
	policy := func(resource, action string) string {
		return "p, proj:" + name + ":owner, " + resource + ", " + action + ", " + name + "/*, allow"
	}
	spec := argocd.AppProjectSpec{
		Description:                p.Tenant.Description,
		SourceRepos:                []string{repository(p)},
		Destinations:               []argocd.Destination{{Server: inCluster, Namespace: p.Namespace()}},
		ClusterResourceWhitelist:   []metav1.GroupKind{},
		NamespaceResourceWhitelist: allowed(p),
		NamespaceResourceBlacklist: forbidden(),
		Roles: []argocd.ProjectRole{{
			Name:        "owner",
			Description: "What team " + p.Tenant.Team + " may do",
			Policies:    []string{policy("applications", "get"), policy("applications", "sync"), policy("logs", "get")},
			Groups:      []string{p.Tenant.Group},
		}},
	}
	return &argocd.AppProject{
		TypeMeta:   metav1.TypeMeta{APIVersion: argocd.APIVersion, Kind: "AppProject"},
		ObjectMeta: meta,
		Spec:       spec,
	}
}

// generated tells whether the manifests are ours; what a retired tenant's source was is of no concern any more.
func generated(p *model.Placement) bool { return p.Source.Generated() || p.State == model.Retired }

func repository(p *model.Placement) string {
	switch {
	case generated(p):
		return p.Tenant.Platform.GitOps.URL
	case p.Source.Git != nil:
		return p.Source.Git.URL
	default:
		return chartRepository(p.Source.Helm)
	}
}

// allowed are the kinds that a tenant may deploy: those that emit/workload writes or, from a source of the tenant's own,
// the ordinary kinds that run something and keep its data. All else is refused by being left out. A ServiceMonitor is
// not among the latter: it could have Prometheus send its credentials anywhere.
func allowed(p *model.Placement) []metav1.GroupKind {
	if generated(p) {
		return []metav1.GroupKind{
			{Group: "", Kind: "ConfigMap"},
			{Group: "", Kind: "Service"},
			{Group: "apps", Kind: "Deployment"},
			{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"},
			{Group: "batch", Kind: "CronJob"},
			{Group: "monitoring.coreos.com", Kind: "ServiceMonitor"},
			{Group: "policy", Kind: "PodDisruptionBudget"},
		}
	}
	return []metav1.GroupKind{
		{Group: "", Kind: "ConfigMap"},
		{Group: "", Kind: "PersistentVolumeClaim"},
		{Group: "", Kind: "Service"},
		{Group: "apps", Kind: "Deployment"},
		{Group: "apps", Kind: "StatefulSet"},
		{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"},
		{Group: "batch", Kind: "CronJob"},
		{Group: "batch", Kind: "Job"},
		{Group: "policy", Kind: "PodDisruptionBudget"},
	}
}

// forbidden are the kinds that bound a tenant, or that would act with rights which are not its own. None of them is
// allowed above; they are named so that no later addition there can open one. With an ExternalSecret of its own a tenant could read every other one's paths in the store, with a VirtualService take their
// hosts, with a Flux or Argo CD object deploy anything.
func forbidden() []metav1.GroupKind {
	return []metav1.GroupKind{
		{Group: "", Kind: "Endpoints"},
		{Group: "", Kind: "LimitRange"},
		{Group: "", Kind: "ResourceQuota"},
		{Group: "", Kind: "Secret"},
		{Group: "", Kind: "ServiceAccount"},
		{Group: "argoproj.io", Kind: "*"},
		{Group: "discovery.k8s.io", Kind: "EndpointSlice"},
		{Group: "external-secrets.io", Kind: "*"},
		{Group: "generators.external-secrets.io", Kind: "*"},
		{Group: "helm.toolkit.fluxcd.io", Kind: "*"},
		{Group: "kustomize.toolkit.fluxcd.io", Kind: "*"},
		{Group: "networking.istio.io", Kind: "*"},
		{Group: "networking.k8s.io", Kind: "Ingress"},
		{Group: "networking.k8s.io", Kind: "NetworkPolicy"},
		{Group: "rbac.authorization.k8s.io", Kind: "Role"},
		{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"},
		{Group: "security.istio.io", Kind: "*"},
		{Group: "source.toolkit.fluxcd.io", Kind: "*"},
	}
}

func application(p *model.Placement) *argocd.Application {
	meta := label.ForTenantIn(p, p.Deploy, p.Cluster.Delivery.Namespace, p.Tenant.Name)
	if p.Source.Generated() && p.State != model.Retired {
		// What zave writes holds no data. A chart or a directory of the tenant's own may: deleting its Application must
		// not delete its volumes.
		meta.Finalizers = []string{argocd.Finalizer}
	}
	return &argocd.Application{
		TypeMeta:   metav1.TypeMeta{APIVersion: argocd.APIVersion, Kind: "Application"},
		ObjectMeta: meta,
		Spec: argocd.ApplicationSpec{
			Project:     p.Tenant.Name,
			Source:      source(p),
			Destination: argocd.Destination{Server: inCluster, Namespace: p.Namespace()},
			SyncPolicy: argocd.SyncPolicy{
				Automated: &argocd.Automated{Prune: true, SelfHeal: true},
				SyncOptions: []string{
					"CreateNamespace=false",
					"ApplyOutOfSyncOnly=true",
					"PruneLast=true",
					"ServerSideApply=true",
					"RespectIgnoreDifferences=true",
				},
				Retry: &argocd.Retry{Limit: 5, Backoff: argocd.Backoff{Duration: "10s", Factor: 2, MaxDuration: "5m"}},
			},
			IgnoreDifferences:    scaled(p),
			RevisionHistoryLimit: new(int64(5)),
		},
	}
}

// scaled are the fields that an autoscaler decides, which a sync must leave as they are. They are in the manifests all
// the same: where an autoscaler goes or comes, the API server would make a field that is taken away one replica.
func scaled(p *model.Placement) []argocd.IgnoreDifference {
	var out []argocd.IgnoreDifference
	if !generated(p) || !p.Running() {
		return nil
	}
	for _, w := range p.Workloads {
		if w.Schedule == "" && w.Max > w.Min {
			out = append(out, argocd.IgnoreDifference{Group: "apps", Kind: "Deployment", Name: w.Name, JSONPointers: []string{"/spec/replicas"}})
		}
	}
	return out
}

// chartRepository is how Argo CD writes where a chart is: an OCI registry without its scheme (Argo CD, "Helm").
func chartRepository(s *model.HelmSource) string { return strings.TrimPrefix(s.Repository, "oci://") }

func source(p *model.Placement) argocd.Source {
	g := p.Tenant.Platform.GitOps
	switch {
	case generated(p):
		return argocd.Source{RepoURL: g.URL, TargetRevision: g.Branch, Path: unit.Key{Cluster: p.Cluster.Name, Part: unit.Workloads, Name: p.Tenant.Name}.Dir()}
	case p.Source.Git != nil:
		s := p.Source.Git
		return argocd.Source{RepoURL: s.URL, TargetRevision: s.Revision, Path: s.Path}
	default:
		s := p.Source.Helm
		return argocd.Source{
			RepoURL: chartRepository(s), TargetRevision: s.Version, Chart: s.Chart,
			Helm: &argocd.Helm{ReleaseName: p.Tenant.Name, ValuesObject: s.Values},
		}
	}
}
