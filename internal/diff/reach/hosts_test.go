package reach

import (
	"strings"
	"testing"
)

// gatewayOf is a Gateway with a server for plain requests that sends on to TLS, and one with TLS.
func gatewayOf(name string, redirect bool, hosts ...string) string {
	list := "    hosts: [\"" + strings.Join(hosts, `", "`) + "\"]\n"
	text := "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata:\n  name: " + name + "\n  namespace: edge\nspec:\n  servers:\n" +
		"  - port: {number: 443, name: https, protocol: HTTPS}\n" + list + "    tls: {mode: SIMPLE, credentialName: tls}\n" +
		"  - port: {number: 80, name: http, protocol: HTTP}\n" + list
	if redirect {
		text += "    tls: {httpsRedirect: true}\n"
	}
	return text
}

// routeOf is a VirtualService that leads hosts to a Service.
func routeOf(namespace, name, gateway, service string, hosts ...string) string {
	return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: " + name + "\n  namespace: " + namespace +
		"\nspec:\n  hosts: [\"" + strings.Join(hosts, `", "`) + "\"]\n  gateways: [" + gateway + "]\n  http:\n  - route:\n" +
		"    - destination: {host: " + service + ", port: {number: 80}}\n"
}

func docs(list ...string) string { return strings.Join(list, "\n---\n") }

func TestHosts(t *testing.T) {
	const gate = "edge/public"
	two := namespaceOf("alpha", "beta")
	tellAll(t, []told{
		{
			name: "opened", both: docs(two, gatewayOf("public", true, "alpha/a.example.org")),
			head: routeOf("alpha", "web", gate, "web.alpha.svc.cluster.local", "a.example.org"),
			want: []string{"host-opened host a.example.org now routed to alpha/web, by the gateway edge/public"},
		},
		{
			name: "closed, by the Gateway alone", both: docs(two, routeOf("alpha", "web", gate, "web.alpha.svc.cluster.local", "a.example.org")),
			base: gatewayOf("public", true, "alpha/a.example.org", "alpha/b.example.org"), head: gatewayOf("public", true, "alpha/b.example.org"),
			want: []string{"host-closed host a.example.org no longer routed to alpha/web"},
		},
		{
			name: "stolen", both: docs(two, gatewayOf("public", true, "*/a.example.org")),
			base: routeOf("alpha", "web", gate, "web.alpha.svc.cluster.local", "a.example.org"),
			head: routeOf("beta", "web", gate, "web", "a.example.org"),
			want: []string{"host-stolen host a.example.org now routed to beta/web, and no longer to alpha/web"},
		},
		{
			name: "shared with a second tenant", both: docs(two, gatewayOf("public", true, "*/a.example.org"),
				routeOf("alpha", "web", gate, "web.alpha.svc.cluster.local", "a.example.org")),
			head: routeOf("beta", "web", gate, "web", "a.example.org"),
			want: []string{"host-stolen host a.example.org now routed to beta/web too, beside alpha/web"},
		},
		{
			name: "moved within a tenant", both: docs(two, gatewayOf("public", true, "alpha/a.example.org")),
			base: routeOf("alpha", "web", gate, "web.alpha.svc.cluster.local", "a.example.org"),
			head: routeOf("alpha", "web", gate, "api.alpha.svc.cluster.local", "a.example.org"),
			want: []string{"host-moved host a.example.org now routed to alpha/api, and no longer to alpha/web"},
		},
		{
			name: "a wildcard's host is taken by one that names it", both: docs(two, gatewayOf("public", true, "*/*.example.org"),
				routeOf("alpha", "all", gate, "web", "*.example.org")),
			head: routeOf("beta", "web", gate, "web", "b.example.org"),
			want: []string{"host-stolen host b.example.org now routed to beta/web, and no longer to alpha/web"},
		},
		{
			name: "a wildcard falls back on a wider one", both: docs(two, gatewayOf("public", true, "*/*"), routeOf("alpha", "all", gate, "web", "*.org")),
			base: routeOf("alpha", "some", gate, "web", "*.example.org"), head: "",
		},
		{
			name: "the narrower of both hosts", both: docs(two, gatewayOf("public", true, "alpha/a.example.org")),
			head: routeOf("alpha", "web", gate, "web", "*.example.org"),
			want: []string{"host-opened host a.example.org now routed to alpha/web, by the gateway edge/public"},
		},
		{
			name: "a Gateway lets no other namespace route its hosts", both: docs(two, gatewayOf("public", true, "alpha/a.example.org")),
			head: routeOf("beta", "web", gate, "web", "a.example.org"),
		},
		{
			name: "a Gateway lets every namespace route them", both: docs(two, routeOf("alpha", "web", gate, "web", "a.example.org")),
			base: gatewayOf("public", true, "alpha/a.example.org", "beta/b.example.org", "*/*.example.com"),
			head: gatewayOf("public", true, "a.example.org", "beta/b.example.org", "beta/c.example.com", "alpha/*.example.com"),
			want: []string{
				"host-unbound host a.example.org now open to VirtualServices of every namespace at the gateway edge/public",
				"host-bound host *.example.com no longer open to VirtualServices of every namespace at the gateway edge/public",
			},
		},
		{
			name: "within the mesh alone", both: two, head: routeOf("alpha", "web", "mesh", "web", "a.example.org"),
		},
		{
			name: "a Gateway that is not ours may list anything", both: two, head: routeOf("alpha", "web", "other/gate", "web", "a.example.org"),
			want: []string{"host-opened host a.example.org now routed to alpha/web, by the gateway other/gate"},
		},
		{
			name: "by another gateway as well", both: docs(two, gatewayOf("public", true, "*/a.example.org"), gatewayOf("internal", true, "*/a.example.org")),
			base: routeOf("alpha", "web", "edge/internal", "web", "a.example.org"),
			head: routeOf("alpha", "web", "edge/internal, edge/public", "web", "a.example.org"),
			want: []string{"host-opened host a.example.org now served by the gateway edge/public too"},
		},
		{
			name: "without TLS", both: docs(two, routeOf("alpha", "web", gate, "web", "a.example.org")),
			base: gatewayOf("public", true, "alpha/a.example.org"), head: gatewayOf("public", false, "alpha/a.example.org"),
			want: []string{"host-plain host a.example.org now served without TLS"},
		},
		{
			name: "with TLS again, of a tenant that is not in the objects",
			base: gatewayOf("public", false, "alpha/a.example.org"), head: gatewayOf("public", true, "alpha/a.example.org"),
			want: []string{"host-encrypted host a.example.org no longer served without TLS"},
		},
		{
			name: "a new one without TLS is said once", both: two,
			head: docs(gatewayOf("public", false, "alpha/a.example.org"), routeOf("alpha", "web", gate, "web", "a.example.org")),
			want: []string{"host-opened host a.example.org now routed to alpha/web, by the gateway edge/public, without TLS"},
		},
		{
			name: "a new tenant's hosts are said", both: gatewayOf("public", true, "*/*.example.org"),
			head: docs(namespaceOf("alpha"), routeOf("alpha", "web", gate, "web", "a.example.org", "b.example.org")),
			want: []string{
				"host-opened host a.example.org now routed to alpha/web, by the gateway edge/public",
				"host-opened host b.example.org now routed to alpha/web, by the gateway edge/public",
			},
		},
		{
			name: "by a delegate", both: docs(two, gatewayOf("public", true, "*/a.example.org"), `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: edge}
spec:
  hosts: [a.example.org]
  gateways: [public]
  http: [{delegate: {name: web, namespace: alpha}}]`),
			base: "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: alpha}\nspec: {http: [{route: [{destination: {host: web}}]}]}",
			head: "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: alpha}\nspec: {http: [{route: [{destination: {host: web.beta.svc.cluster.local}}]}]}",
			want: []string{"host-stolen host a.example.org now routed to beta/web, and no longer to alpha/web"},
		},
		{
			name: "what has no weight gets no request", both: docs(two, gatewayOf("public", true, "*/a.example.org")),
			base: routeOf("alpha", "web", gate, "web", "a.example.org"),
			head: `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: alpha}
spec:
  hosts: [a.example.org]
  gateways: [edge/public]
  http:
  - route:
    - {destination: {host: web}, weight: 100}
    - {destination: {host: web.beta.svc.cluster.local}, weight: 0}`,
		},
		{
			name: "an Ingress", both: two,
			base: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: alpha}
spec:
  tls: [{hosts: [a.example.org], secretName: tls}]
  rules:
  - host: a.example.org
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}`,
			head: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: alpha}
spec:
  rules:
  - host: a.example.org
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
  - http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}`,
			want: []string{
				"host-opened host * now routed to alpha/api, by the Ingress alpha/web, without TLS",
				"host-plain host a.example.org now served without TLS",
			},
		},
	})
}

func serviceOf(spec string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: alpha}\nspec:\n  " + strings.ReplaceAll(spec, "\n", "\n  ")
}

func TestServices(t *testing.T) {
	inside := serviceOf("ports: [{port: 80}]")
	tellAll(t, []told{
		{
			name: "a port of every node", base: inside, head: serviceOf("type: NodePort\nports: [{port: 80, nodePort: 30080}]"),
			want: []string{"service-exposed Service alpha/web now reached from outside at port 30080 of every node"},
		},
		{
			name: "closed", base: serviceOf("type: NodePort\nports: [{port: 80}]"), head: inside,
			want: []string{"service-hidden Service alpha/web no longer reached from outside at a port of every node for its port 80"},
		},
		{
			name: "from more addresses", base: serviceOf("type: LoadBalancer\nallocateLoadBalancerNodePorts: false\nloadBalancerSourceRanges: [192.0.2.0/25]\nports: [{port: 53, protocol: UDP}]"),
			head: serviceOf("type: LoadBalancer\nallocateLoadBalancerNodePorts: false\nloadBalancerSourceRanges: [192.0.2.0/24]\nports: [{port: 53, protocol: UDP}]"),
			want: []string{"service-exposed Service alpha/web now reached from outside at port 53/UDP of a load balancer from 192.0.2.128/25"},
		},
		{
			name: "an address of its own", base: inside, head: serviceOf("ports: [{port: 80}]\nexternalIPs: [198.51.100.7]"),
			want: []string{"service-exposed Service alpha/web now reached from outside at port 80 of the address 198.51.100.7"},
		},
		{name: "another port within", base: inside, head: serviceOf("ports: [{port: 81}]")},
		{name: "a name outside", base: inside, head: serviceOf("type: ExternalName\nexternalName: example.org\nports: [{port: 80}]")},
	})
}
