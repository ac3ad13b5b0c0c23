// Package externalsecrets is the few fields of External Secrets' ExternalSecret that zave writes; its CRD schema keeps
// them honest.
//
// Invariants: field names and omission follow external-secrets/apis/externalsecrets/v1.
package externalsecrets

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// APIVersion of the kind.
const APIVersion = "external-secrets.io/v1"

// ExternalSecret makes a Secret of what is in an external store. It names paths and keys; it holds no value.
type ExternalSecret struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              Spec `json:"spec"`
}

// Spec says what is read from where, and what becomes of it.
type Spec struct {
	RefreshInterval string   `json:"refreshInterval"`
	SecretStoreRef  StoreRef `json:"secretStoreRef"`
	Target          Target   `json:"target"`
	Data            []Data   `json:"data,omitempty"`

	// DataFrom reads all properties of a path, for templates that can do without one of them.
	DataFrom []DataFrom `json:"dataFrom,omitempty"`
}

// StoreRef names a store.
type StoreRef struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// Target is the Secret that is made.
type Target struct {
	Name           string    `json:"name"`
	CreationPolicy string    `json:"creationPolicy"`
	DeletionPolicy string    `json:"deletionPolicy"`
	Template       *Template `json:"template,omitempty"`
}

// Template shapes the Secret.
type Template struct {
	Type string            `json:"type,omitempty"`
	Data map[string]string `json:"data,omitempty"`
}

// Data is one key of the Secret.
type Data struct {
	SecretKey string    `json:"secretKey"`
	RemoteRef RemoteRef `json:"remoteRef"`
}

// RemoteRef is a property at a path of the store.
type RemoteRef struct {
	Key      string `json:"key"`
	Property string `json:"property"`
}

// DataFrom reads a path.
type DataFrom struct {
	Extract Extract `json:"extract"`
}

// Extract is a path of the store.
type Extract struct {
	Key string `json:"key"`
}

// New is an ExternalSecret whose Secret bears its own name. The Secret is kept when the source is gone from the store:
// losing credentials there must not stop what runs.
func New(meta metav1.ObjectMeta, storeKind, storeName, refresh string, template *Template, data ...Data) *ExternalSecret {
	return &ExternalSecret{
		TypeMeta:   metav1.TypeMeta{APIVersion: APIVersion, Kind: "ExternalSecret"},
		ObjectMeta: meta,
		Spec: Spec{
			RefreshInterval: refresh,
			SecretStoreRef:  StoreRef{Kind: storeKind, Name: storeName},
			Target:          Target{Name: meta.Name, CreationPolicy: "Owner", DeletionPolicy: "Retain", Template: template},
			Data:            data,
		},
	}
}

// Ref reads one property of one path into one key.
func Ref(key, path, property string) Data {
	return Data{SecretKey: key, RemoteRef: RemoteRef{Key: path, Property: property}}
}

// DockerConfigKey is the name that DockerConfig knows the registry's credentials by.
const DockerConfigKey = "config"

// DockerConfig makes an image pull secret of what is read as DockerConfigKey (Kubernetes, "Pull an Image from a Private
// Registry").
func DockerConfig() *Template {
	return &Template{
		Type: "kubernetes.io/dockerconfigjson",
		Data: map[string]string{".dockerconfigjson": "{{ ." + DockerConfigKey + " }}"},
	}
}
