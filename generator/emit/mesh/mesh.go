// Package mesh emits the Istio side of a tenant: mutual TLS, the identities that may speak to its workloads, and the
// routes from the gateway.
//
// Invariants: every way in that emit/network opens to a workload has its AuthorizationPolicy here, under the same name, and no policy here
// opens a path that has none there; hosts are listed one by one.
package mesh

import (
	"strconv"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/api/istio"
	"github.com/zavestudios/zave/internal/object"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// deny is the name of the policy that allows nothing.
const deny = "default-deny"

// Emit gives the PeerAuthentication, the AuthorizationPolicies and the VirtualServices.
func Emit(p *model.Placement) []unit.Unit {
	e := &emitter{p: p}
	e.objects = append(e.objects, object.New(p.Cluster.Name, &istio.PeerAuthentication{
		TypeMeta:   metav1.TypeMeta{APIVersion: istio.SecurityVersion, Kind: "PeerAuthentication"},
		ObjectMeta: label.Kept(label.ForTenant(p, p.Subject, "default")),
		Spec:       istio.PeerAuthenticationSpec{MTLS: istio.MTLS{Mode: "STRICT"}},
	}, p.Origin))
	// A policy that allows nothing makes everything that no other policy allows denied (Istio, "Authorization Policy").
	e.policy(p.Subject, deny, istio.AuthorizationPolicySpec{})
	if p.State != model.Retired {
		e.policy(p.Subject, "allow-same-namespace", istio.AuthorizationPolicySpec{
			Action: "ALLOW",
			Rules:  []istio.Rule{{From: namespaces(p.Namespace())}},
		})
	}
	for _, w := range p.Workloads {
		e.workload(w)
	}
	return []unit.Unit{{
		Key:     unit.Key{Cluster: p.Cluster.Name, Part: unit.Tenancy, Name: p.Tenant.Name},
		Objects: e.objects,
	}}
}

type emitter struct {
	p       *model.Placement
	objects []object.Object
}

func (e *emitter) policy(s model.Subject, name string, spec istio.AuthorizationPolicySpec) {
	meta := label.ForTenant(e.p, s, name)
	if name == deny {
		meta = label.Kept(meta)
	}
	e.objects = append(e.objects, object.New(e.p.Cluster.Name, &istio.AuthorizationPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: istio.SecurityVersion, Kind: "AuthorizationPolicy"},
		ObjectMeta: meta,
		Spec:       spec,
	}, s.Origin))
}

// allow lets identities speak to a port of one workload.
func (e *emitter) allow(w *model.Workload, name string, from []istio.From, op istio.Operation) {
	e.policy(w.Exposure, name, istio.AuthorizationPolicySpec{
		Selector: &istio.Selector{MatchLabels: label.Select(w)},
		Action:   "ALLOW",
		Rules:    []istio.Rule{{From: from, To: []istio.To{{Operation: op}}}},
	})
}

func (e *emitter) workload(w *model.Workload) {
	c := e.p.Cluster
	if w.Public() && c.Ingress != nil {
		e.allow(w, "gateway-"+w.Name, e.principal(c.Ingress.Endpoints[0]), istio.Operation{Ports: ports(w.Port)})
		e.route(w)
	}
	if w.Metrics != nil && c.Monitoring != nil {
		e.allow(w, "metrics-"+w.Name, e.principal(c.Monitoring.Endpoints[0]),
			istio.Operation{Ports: ports(w.Metrics.Port), Methods: []string{"GET"}, Paths: []string{w.Metrics.Path}})
	}
	if len(w.Offers) > 0 {
		var from []string
		for _, o := range w.Offers {
			from = append(from, o.Namespace())
		}
		e.allow(w, "offers-"+w.Name, namespaces(from...), istio.Operation{Ports: ports(w.Port)})
	}
}

// route leads each listed host from the cluster's one gateway to the workload's Service.
func (e *emitter) route(w *model.Workload) {
	host := w.Name + "." + e.p.Namespace() + ".svc.cluster.local"
	e.objects = append(e.objects, object.New(e.p.Cluster.Name, &istio.VirtualService{
		TypeMeta:   metav1.TypeMeta{APIVersion: istio.NetworkingVersion, Kind: "VirtualService"},
		ObjectMeta: label.ForWorkload(w, w.Exposure),
		Spec: istio.VirtualServiceSpec{
			Hosts:    w.Hosts,
			Gateways: []string{e.p.Cluster.Gateway},
			HTTP: []istio.HTTPRoute{{
				Route: []istio.RouteDestination{{Destination: istio.Destination{Host: host, Port: istio.PortSelector{Number: w.Port}}}},
			}},
		},
	}, w.Exposure.Origin))
}

// principal is the identity that the mesh gives a service account (SPIFFE, as Istio writes it).
func (e *emitter) principal(s *model.Endpoint) []istio.From {
	id := e.p.Cluster.TrustDomain + "/ns/" + s.Service.Namespace + "/sa/" + s.ServiceAccount
	return []istio.From{{Source: istio.RequestSource{Principals: []string{id}}}}
}

func namespaces(names ...string) []istio.From {
	return []istio.From{{Source: istio.RequestSource{Namespaces: names}}}
}

func ports(n int32) []string { return []string{strconv.Itoa(int(n))} }
