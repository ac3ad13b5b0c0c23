// Package service emits a platform service: its namespace, where its chart comes from, and its release.
//
// Invariants: a chart's version is exact; a namespace is declared by one service alone and never pruned; what the
// service needs is the order of its unit, so that nothing here repeats it.
package service

import (
	"slices"
	"strings"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/api/externalsecrets"
	"github.com/zavestudios/zave/internal/api/istio"
	"github.com/zavestudios/zave/internal/object"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Emit gives a unit for each service of the cluster.
func Emit(c *model.Cluster) []unit.Unit {
	units := make([]unit.Unit, 0, len(c.Services))
	for _, s := range c.Services {
		units = append(units, emit(s))
	}
	return units
}

func emit(s *model.Service) unit.Unit {
	c := s.Cluster
	u := unit.Unit{
		Key:     unit.Key{Cluster: c.Name, Part: unit.Service, Name: s.Name},
		Origin:  s.Origin,
		Hash:    s.Hash,
		Timeout: s.Timeout,
	}
	for _, n := range s.Needs {
		u.Needs = append(u.Needs, unit.Key{Cluster: c.Name, Part: unit.Service, Name: n.Name})
	}
	add := func(typed any) { u.Objects = append(u.Objects, object.New(c.Name, typed, s.Origin)) }
	if s.OwnsNamespace {
		add(namespace(s))
	}
	p := c.Platform
	for _, b := range s.Secrets {
		data := make([]externalsecrets.Data, 0, len(b.Keys))
		for _, k := range b.Keys {
			data = append(data, externalsecrets.Ref(k, b.Path, k))
		}
		meta := label.ForService(s, s.Namespace, b.Name)
		meta.Annotations = label.Annotations(b.Subject)
		u.Objects = append(u.Objects, object.New(c.Name,
			externalsecrets.New(meta, p.SecretStore.Kind, p.SecretStore.Name, b.Refresh, nil, data...), b.Origin))
	}
	if db := c.Database; db != nil && db.Endpoint.Service == s {
		// The bootstrap Jobs of all tenants run in this namespace and pull through it.
		add(externalsecrets.New(label.ForService(s, s.Namespace, p.PullSecret.Name), p.SecretStore.Kind, p.SecretStore.Name, "1h",
			externalsecrets.DockerConfig(), externalsecrets.Ref(externalsecrets.DockerConfigKey, p.PullSecret.Path, p.PullSecret.Key)))
	}
	if g := gateway(s); g != nil {
		add(g)
	}
	release := release(s)
	if strings.HasPrefix(s.Chart.Repository, "oci://") {
		add(ociRepository(s))
		release.Spec.ChartRef = &helmv2.CrossNamespaceSourceReference{Kind: sourcev1.OCIRepositoryKind, Name: s.Name}
	} else {
		add(helmRepository(s))
		release.Spec.Chart = &helmv2.HelmChartTemplate{Spec: helmv2.HelmChartTemplateSpec{
			Chart:     s.Chart.Name,
			Version:   s.Chart.Version,
			SourceRef: helmv2.CrossNamespaceObjectReference{Kind: sourcev1.HelmRepositoryKind, Name: s.Name},
		}}
	}
	add(release)
	return u
}

func namespace(s *model.Service) *corev1.Namespace {
	meta := label.ForService(s, "", s.Namespace)
	if s.Injection {
		meta.Labels["istio-injection"] = "enabled"
	}
	for _, mode := range []string{"enforce", "audit", "warn"} {
		meta.Labels["pod-security.kubernetes.io/"+mode] = s.PodSecurity
		meta.Labels["pod-security.kubernetes.io/"+mode+"-version"] = "v" + s.Cluster.Minor
	}
	return &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: label.Kept(meta)}
}

// gateway is the cluster's one Gateway for public hosts, each listed with the namespace that alone may route it; nil
// for other services, and where nothing is public.
func gateway(s *model.Service) *istio.Gateway {
	c := s.Cluster
	ns, name, _ := strings.Cut(c.Gateway, "/")
	if s != c.Ingress || ns != s.Namespace {
		return nil
	}
	var hosts []string
	for _, p := range c.Placements {
		for _, w := range p.Workloads {
			if w.Public() {
				for _, h := range w.Hosts {
					hosts = append(hosts, p.Namespace()+"/"+h)
				}
			}
		}
	}
	if len(hosts) == 0 {
		return nil
	}
	slices.Sort(hosts)
	return &istio.Gateway{
		TypeMeta:   metav1.TypeMeta{APIVersion: istio.NetworkingVersion, Kind: "Gateway"},
		ObjectMeta: label.ForService(s, ns, name),
		Spec: istio.GatewaySpec{
			Selector: s.Endpoints[0].Pods,
			Servers: []istio.Server{
				{
					Port:  istio.Port{Number: 80, Name: "http", Protocol: "HTTP"},
					Hosts: hosts,
					TLS:   istio.ServerTLS{HTTPSRedirect: true},
				},
				{
					Port:  istio.Port{Number: 443, Name: "https", Protocol: "HTTPS"},
					Hosts: hosts,
					TLS:   istio.ServerTLS{Mode: "SIMPLE", CredentialName: c.TLSSecret, MinProtocolVersion: "TLSV1_2"},
				},
			},
		},
	}
}

func helmRepository(s *model.Service) *sourcev1.HelmRepository {
	return &sourcev1.HelmRepository{
		TypeMeta:   metav1.TypeMeta{APIVersion: sourcev1.GroupVersion.String(), Kind: sourcev1.HelmRepositoryKind},
		ObjectMeta: label.ForService(s, s.Namespace, s.Name),
		Spec:       sourcev1.HelmRepositorySpec{URL: s.Chart.Repository, Interval: duration("1h")},
	}
}

// ociRepository takes the chart itself out of the artifact (Flux, "OCIRepository: layer selector").
func ociRepository(s *model.Service) *sourcev1.OCIRepository {
	return &sourcev1.OCIRepository{
		TypeMeta:   metav1.TypeMeta{APIVersion: sourcev1.GroupVersion.String(), Kind: sourcev1.OCIRepositoryKind},
		ObjectMeta: label.ForService(s, s.Namespace, s.Name),
		Spec: sourcev1.OCIRepositorySpec{
			URL:       strings.TrimSuffix(s.Chart.Repository, "/") + "/" + s.Chart.Name,
			Reference: &sourcev1.OCIRepositoryRef{Tag: s.Chart.Version},
			LayerSelector: &sourcev1.OCILayerSelector{
				MediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
				Operation: sourcev1.OCILayerCopy,
			},
			Interval: duration("1h"),
		},
	}
}

// release installs and upgrades with retries, and rolls a failed upgrade back.
func release(s *model.Service) *helmv2.HelmRelease {
	timeout := duration(s.Timeout)
	out := &helmv2.HelmRelease{
		TypeMeta:   metav1.TypeMeta{APIVersion: helmv2.GroupVersion.String(), Kind: helmv2.HelmReleaseKind},
		ObjectMeta: label.ForService(s, s.Namespace, s.Name),
		Spec: helmv2.HelmReleaseSpec{
			Interval:    duration(s.Interval),
			ReleaseName: s.Name,
			Timeout:     &timeout,
			MaxHistory:  new(5),
			Install: &helmv2.Install{
				CRDs:        helmv2.Create,
				Remediation: &helmv2.InstallRemediation{Retries: 3},
			},
			Upgrade: &helmv2.Upgrade{
				CRDs:        helmv2.CreateReplace,
				Remediation: &helmv2.UpgradeRemediation{Retries: 3, RemediateLastFailure: new(true)},
			},
		},
	}
	if len(s.Values) > 0 {
		out.Spec.Values = &apiextensionsv1.JSON{Raw: s.Values}
	}
	return out
}

// duration of a text that the loader has checked.
func duration(s string) metav1.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		d = 0
	}
	return metav1.Duration{Duration: d}
}
