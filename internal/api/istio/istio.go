// Package istio is the few fields of Istio's networking and security kinds that zave writes. Istio's own types are
// protocol buffers with a JSON form of their own; its CRD schemas keep these honest.
//
// Invariants: field names and omission follow istio.io/api.
package istio

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// API versions.
const (
	NetworkingVersion = "networking.istio.io/v1"
	SecurityVersion   = "security.istio.io/v1"
)

// PeerAuthentication says how proxies accept connections.
type PeerAuthentication struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              PeerAuthenticationSpec `json:"spec"`
}

// PeerAuthenticationSpec applies to the namespace where it selects nothing.
type PeerAuthenticationSpec struct {
	MTLS MTLS `json:"mtls"`
}

// MTLS has a mode: STRICT refuses plain text.
type MTLS struct {
	Mode string `json:"mode"`
}

// AuthorizationPolicy allows requests. One with an empty spec allows none, and denies all that no other one allows.
type AuthorizationPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              AuthorizationPolicySpec `json:"spec"`
}

// AuthorizationPolicySpec allows what one of its rules matches.
type AuthorizationPolicySpec struct {
	Selector *Selector `json:"selector,omitempty"`
	Action   string    `json:"action,omitempty"`
	Rules    []Rule    `json:"rules,omitempty"`
}

// Selector selects pods of the namespace.
type Selector struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

// Rule matches who asks (From) and what is asked for (To).
type Rule struct {
	From []From `json:"from,omitempty"`
	To   []To   `json:"to,omitempty"`
}

// From wraps a source.
type From struct {
	Source RequestSource `json:"source"`
}

// RequestSource is an identity proved by mutual TLS.
type RequestSource struct {
	Principals []string `json:"principals,omitempty"`
	Namespaces []string `json:"namespaces,omitempty"`
}

// To wraps an operation.
type To struct {
	Operation Operation `json:"operation"`
}

// Operation is what is asked for.
type Operation struct {
	Ports   []string `json:"ports,omitempty"`
	Methods []string `json:"methods,omitempty"`
	Paths   []string `json:"paths,omitempty"`
}

// Gateway opens ports of the gateway's pods for hosts.
type Gateway struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              GatewaySpec `json:"spec"`
}

// GatewaySpec selects pods by label.
type GatewaySpec struct {
	Selector map[string]string `json:"selector"`
	Servers  []Server          `json:"servers"`
}

// Server is one port, and the hosts it answers for: namespace/host lets no other namespace route it.
type Server struct {
	Port  Port      `json:"port"`
	Hosts []string  `json:"hosts"`
	TLS   ServerTLS `json:"tls"`
}

// Port is a port of the gateway.
type Port struct {
	Number   int32  `json:"number"`
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
}

// ServerTLS ends TLS with the Secret of that name, or sends plain requests to where TLS is.
type ServerTLS struct {
	HTTPSRedirect      bool   `json:"httpsRedirect,omitempty"`
	Mode               string `json:"mode,omitempty"`
	CredentialName     string `json:"credentialName,omitempty"`
	MinProtocolVersion string `json:"minProtocolVersion,omitempty"`
}

// VirtualService routes hosts to Services.
type VirtualService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              VirtualServiceSpec `json:"spec"`
}

// VirtualServiceSpec binds hosts to a gateway and routes.
type VirtualServiceSpec struct {
	Hosts    []string    `json:"hosts"`
	Gateways []string    `json:"gateways"`
	HTTP     []HTTPRoute `json:"http"`
}

// HTTPRoute leads to destinations.
type HTTPRoute struct {
	Name  string             `json:"name,omitempty"`
	Route []RouteDestination `json:"route"`
}

// RouteDestination wraps a destination.
type RouteDestination struct {
	Destination Destination `json:"destination"`
}

// Destination is a port of a Service.
type Destination struct {
	Host string       `json:"host"`
	Port PortSelector `json:"port"`
}

// PortSelector selects by number.
type PortSelector struct {
	Number int32 `json:"number"`
}
