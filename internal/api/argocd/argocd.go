// Package argocd is the few fields of Argo CD's Application and AppProject that zave writes. Argo CD's own types would
// bring all of Kubernetes with them; its CRD schema keeps these honest.
//
// Invariants: field names and omission follow argo-cd/pkg/apis/application/v1alpha1.
package argocd

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// APIVersion of every kind here.
const APIVersion = "argoproj.io/v1alpha1"

// Finalizer makes the deletion of an Application delete what it deployed.
const Finalizer = "resources-finalizer.argocd.argoproj.io"

// AppProject bounds what its Applications may deploy, from where and to where.
type AppProject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              AppProjectSpec `json:"spec"`
}

// AppProjectSpec lists what is allowed. An empty ClusterResourceWhitelist allows no cluster-scoped kind.
type AppProjectSpec struct {
	Description                string             `json:"description,omitempty"`
	SourceRepos                []string           `json:"sourceRepos"`
	Destinations               []Destination      `json:"destinations"`
	ClusterResourceWhitelist   []metav1.GroupKind `json:"clusterResourceWhitelist"`
	NamespaceResourceWhitelist []metav1.GroupKind `json:"namespaceResourceWhitelist,omitempty"`
	NamespaceResourceBlacklist []metav1.GroupKind `json:"namespaceResourceBlacklist,omitempty"`
	Roles                      []ProjectRole      `json:"roles,omitempty"`
}

// Destination is a cluster and a namespace.
type Destination struct {
	Server    string `json:"server"`
	Namespace string `json:"namespace"`
}

// ProjectRole gives groups rights within the project.
type ProjectRole struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Policies    []string `json:"policies"`
	Groups      []string `json:"groups,omitempty"`
}

// Application deploys one source to one destination.
type Application struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              ApplicationSpec `json:"spec"`
}

// ApplicationSpec says what goes where, and how it is kept there.
type ApplicationSpec struct {
	Project              string             `json:"project"`
	Source               Source             `json:"source"`
	Destination          Destination        `json:"destination"`
	SyncPolicy           SyncPolicy         `json:"syncPolicy"`
	IgnoreDifferences    []IgnoreDifference `json:"ignoreDifferences,omitempty"`
	RevisionHistoryLimit *int64             `json:"revisionHistoryLimit,omitempty"`
}

// IgnoreDifference names fields of an object that others decide.
type IgnoreDifference struct {
	Group        string   `json:"group,omitempty"`
	Kind         string   `json:"kind"`
	Name         string   `json:"name,omitempty"`
	JSONPointers []string `json:"jsonPointers"`
}

// Source is a directory of a repository, or a chart.
type Source struct {
	RepoURL        string `json:"repoURL"`
	TargetRevision string `json:"targetRevision"`
	Path           string `json:"path,omitempty"`
	Chart          string `json:"chart,omitempty"`
	Helm           *Helm  `json:"helm,omitempty"`
}

// Helm holds a chart's values.
type Helm struct {
	ReleaseName  string          `json:"releaseName,omitempty"`
	ValuesObject json.RawMessage `json:"valuesObject,omitempty"`
}

// SyncPolicy says when and how to apply.
type SyncPolicy struct {
	Automated   *Automated `json:"automated,omitempty"`
	SyncOptions []string   `json:"syncOptions,omitempty"`
	Retry       *Retry     `json:"retry,omitempty"`
}

// Automated applies without being asked.
type Automated struct {
	Prune      bool `json:"prune"`
	SelfHeal   bool `json:"selfHeal"`
	AllowEmpty bool `json:"allowEmpty,omitempty"`
}

// Retry tries a failed sync again.
type Retry struct {
	Limit   int64   `json:"limit"`
	Backoff Backoff `json:"backoff"`
}

// Backoff grows from Duration by Factor up to MaxDuration.
type Backoff struct {
	Duration    string `json:"duration"`
	Factor      int64  `json:"factor"`
	MaxDuration string `json:"maxDuration"`
}
