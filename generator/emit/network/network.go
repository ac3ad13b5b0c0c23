// Package network emits the NetworkPolicies of a tenant's namespace: everything is closed, then each path that the
// model holds is opened by a policy of its own. Beside the database service it does the same for the pods that work on
// databases, and for these alone: what else is in that namespace is the service's.
//
// Invariants: each policy's name is a fixed word and at most one name of the tenant's own, so that no two paths can
// share one; each names its policy types; no rule has an empty peer, which would mean everybody.
package network

import (
	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/object"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	ingress = networkingv1.PolicyTypeIngress
	egress  = networkingv1.PolicyTypeEgress

	deny = "default-deny"

	// proxyMetrics is where the mesh's proxy serves its own metrics, in plain text and past its interception (Istio,
	// "Application Requirements: ports used by Istio").
	proxyMetrics = 15090
)

// Emit gives the policies.
func Emit(p *model.Placement) []unit.Unit {
	e := &emitter{p: p}
	all := metav1.LabelSelector{}
	e.add(p.Subject, deny, networkingv1.NetworkPolicySpec{
		PodSelector: all,
		PolicyTypes: []networkingv1.PolicyType{ingress, egress},
	})
	if p.State != model.Retired {
		e.always()
		for _, w := range p.Workloads {
			e.workload(w)
		}
		e.uses()
		e.services()
		e.outside()
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

func (e *emitter) add(s model.Subject, name string, spec networkingv1.NetworkPolicySpec) {
	meta := label.ForTenant(e.p, s, name)
	if name == deny {
		meta = label.Kept(meta)
	}
	e.objects = append(e.objects, object.New(e.p.Cluster.Name, &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: meta,
		Spec:       spec,
	}, s.Origin))
}

// from opens a way in to the selected pods.
func (e *emitter) from(s model.Subject, name string, pods metav1.LabelSelector, peers []networkingv1.NetworkPolicyPeer, ports ...networkingv1.NetworkPolicyPort) {
	e.add(s, name, networkingv1.NetworkPolicySpec{
		PodSelector: pods,
		PolicyTypes: []networkingv1.PolicyType{ingress},
		Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: peers, Ports: ports}},
	})
}

// to opens a way out for every pod of the tenant.
func (e *emitter) to(s model.Subject, name string, rules ...networkingv1.NetworkPolicyEgressRule) {
	e.add(s, name, networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{},
		PolicyTypes: []networkingv1.PolicyType{egress},
		Egress:      rules,
	})
}

// EmitInstance gives the policies of the pods that work on a cluster's databases: nothing reaches them, and they reach
// names, the server, and those of them that move backups the bucket.
func EmitInstance(c *model.Cluster) []unit.Unit {
	db := c.Database
	if db == nil {
		return nil
	}
	service := db.Endpoint.Service
	u := unit.Unit{Key: unit.Key{Cluster: c.Name, Part: unit.Instance, Name: service.Name}}
	type rules []networkingv1.NetworkPolicyEgressRule
	add := func(name string, types []networkingv1.PolicyType, out rules, components ...string) {
		meta := label.ForService(service, service.Namespace, name)
		meta.Annotations = label.Annotations(db.Subject)
		u.Objects = append(u.Objects, object.New(c.Name, &networkingv1.NetworkPolicy{
			TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
			ObjectMeta: meta,
			Spec: networkingv1.NetworkPolicySpec{
				PodSelector: metav1.LabelSelector{
					MatchLabels: map[string]string{label.ManagedBy: "zave"},
					MatchExpressions: []metav1.LabelSelectorRequirement{
						{Key: label.Component, Operator: metav1.LabelSelectorOpIn, Values: components},
					},
				},
				PolicyTypes: types,
				Egress:      out,
			},
		}, db.Origin))
	}
	add("database-jobs", []networkingv1.PolicyType{ingress, egress}, rules{dns(), toEndpoint(db.Endpoint)},
		label.DatabaseBackup, label.DatabaseBootstrap, label.DatabaseInstance, label.DatabaseRestore)
	if db.Backup == nil || db.Backup.Bucket == nil {
		return []unit.Unit{u}
	}
	var rule networkingv1.NetworkPolicyEgressRule
	if b := db.Backup.Bucket; b.Endpoint != nil {
		rule = toEndpoint(b.Endpoint)
	} else {
		rule = toOutside(b.Egress)
	}
	add("database-bucket", []networkingv1.PolicyType{egress}, rules{rule}, label.DatabaseBackup, label.DatabaseRestore)
	return []unit.Unit{u}
}

// dns is the way to the cluster's names.
func dns() networkingv1.NetworkPolicyEgressRule {
	return networkingv1.NetworkPolicyEgressRule{
		To:    []networkingv1.NetworkPolicyPeer{peer("kube-system", map[string]string{"k8s-app": "kube-dns"})},
		Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolUDP, 53), port(corev1.ProtocolTCP, 53)},
	}
}

// always is what every tenant has: names, the mesh, and itself.
func (e *emitter) always() {
	p := e.p
	e.to(p.Subject, "allow-dns", dns())
	if p.SLO != nil && p.Cluster.Monitoring != nil {
		e.from(p.SLO.Subject, "metrics-mesh", metav1.LabelSelector{}, []networkingv1.NetworkPolicyPeer{endpoint(p.Cluster.Monitoring.Endpoints[0])}, tcp(proxyMetrics))
	}
	if m := p.Cluster.Mesh; m != nil {
		e.to(p.Subject, "allow-mesh", toEndpoint(m.Endpoints[0]))
	}
	self := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}}
	e.add(p.Subject, "allow-same-namespace", networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{},
		PolicyTypes: []networkingv1.PolicyType{ingress, egress},
		Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{self}}},
		Egress:      []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{self}}},
	})
}

// workload opens the ways in to one workload: the gateway, Prometheus, and the tenants it is offered to.
func (e *emitter) workload(w *model.Workload) {
	c := e.p.Cluster
	pods := metav1.LabelSelector{MatchLabels: label.Select(w)}
	if w.Public() && c.Ingress != nil {
		e.from(w.Exposure, "gateway-"+w.Name, pods, []networkingv1.NetworkPolicyPeer{endpoint(c.Ingress.Endpoints[0])}, tcp(w.Port))
	}
	if w.Metrics != nil && c.Monitoring != nil {
		e.from(w.Exposure, "metrics-"+w.Name, pods, []networkingv1.NetworkPolicyPeer{endpoint(c.Monitoring.Endpoints[0])}, tcp(w.Metrics.Port))
	}
	var peers []networkingv1.NetworkPolicyPeer
	for _, o := range w.Offers {
		peers = append(peers, networkingv1.NetworkPolicyPeer{NamespaceSelector: namespace(o.Namespace())})
	}
	if len(peers) > 0 {
		e.from(w.Exposure, "offers-"+w.Name, pods, peers, tcp(w.Port))
	}
}

// uses opens the ways out to other tenants, one policy a tenant.
func (e *emitter) uses() {
	for i := 0; i < len(e.p.Uses); {
		first := e.p.Uses[i]
		other := first.Workload.Placement
		var rules []networkingv1.NetworkPolicyEgressRule
		for ; i < len(e.p.Uses) && e.p.Uses[i].Workload.Placement == other; i++ {
			w := e.p.Uses[i].Workload
			rules = append(rules, networkingv1.NetworkPolicyEgressRule{
				To:    []networkingv1.NetworkPolicyPeer{peer(other.Namespace(), label.Select(w))},
				Ports: []networkingv1.NetworkPolicyPort{tcp(w.Port)},
			})
		}
		e.to(first.Subject, "uses-"+other.Tenant.Name, rules...)
	}
}

// services opens the ways out to the platform: the database, and what the tenant names.
func (e *emitter) services() {
	if db := e.p.Database; db != nil {
		e.to(db.Subject, "allow-database", toEndpoint(db.Service.Endpoint))
	}
	for _, s := range e.p.Endpoints {
		e.to(e.p.Reach, "service-"+s.Name, toEndpoint(s))
	}
}

// outside opens the ways out of the cluster.
func (e *emitter) outside() {
	for _, x := range e.p.Egress {
		e.to(x.Subject, "egress-"+x.Name, toOutside(x))
	}
}

func toOutside(x *model.Egress) networkingv1.NetworkPolicyEgressRule {
	rule := networkingv1.NetworkPolicyEgressRule{}
	for i, cidr := range x.CIDRs {
		block := &networkingv1.IPBlock{CIDR: cidr.String()}
		for _, ex := range x.Except[i] {
			block.Except = append(block.Except, ex.String())
		}
		rule.To = append(rule.To, networkingv1.NetworkPolicyPeer{IPBlock: block})
	}
	for _, n := range x.Ports {
		rule.Ports = append(rule.Ports, port(corev1.Protocol(x.Protocol), n))
	}
	return rule
}

func toEndpoint(s *model.Endpoint) networkingv1.NetworkPolicyEgressRule {
	return networkingv1.NetworkPolicyEgressRule{
		To:    []networkingv1.NetworkPolicyPeer{endpoint(s)},
		Ports: []networkingv1.NetworkPolicyPort{tcp(s.Port)},
	}
}

func endpoint(s *model.Endpoint) networkingv1.NetworkPolicyPeer {
	return peer(s.Service.Namespace, s.Pods)
}

// peer is the pods with these labels in one namespace.
func peer(ns string, pods map[string]string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{
		NamespaceSelector: namespace(ns),
		PodSelector:       &metav1.LabelSelector{MatchLabels: pods},
	}
}

// namespace selects by the label that the API server itself sets and guards (Kubernetes, "Namespaces": automatic
// labelling).
func namespace(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: name}}
}

func tcp(n int32) networkingv1.NetworkPolicyPort { return port(corev1.ProtocolTCP, n) }

func port(protocol corev1.Protocol, n int32) networkingv1.NetworkPolicyPort {
	v := intstr.FromInt32(n)
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: &v}
}
