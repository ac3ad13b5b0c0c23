// Package monitoring is the few fields of the Prometheus Operator's kinds that zave writes; their CRD schemas keep
// them honest.
//
// Invariants: field names and omission follow prometheus-operator/pkg/apis/monitoring/v1.
package monitoring

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// APIVersion of every kind here.
const APIVersion = "monitoring.coreos.com/v1"

// ServiceMonitor has the endpoints of Services scraped.
type ServiceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              ServiceMonitorSpec `json:"spec"`
}

// ServiceMonitorSpec selects Services of its namespace.
type ServiceMonitorSpec struct {
	Selector  metav1.LabelSelector `json:"selector"`
	Endpoints []Endpoint           `json:"endpoints"`
}

// Endpoint is one port to scrape.
type Endpoint struct {
	Port      string     `json:"port"`
	Path      string     `json:"path"`
	Interval  string     `json:"interval"`
	Scheme    string     `json:"scheme,omitempty"`
	TLSConfig *TLSConfig `json:"tlsConfig,omitempty"`
}

// TLSConfig is made of files in Prometheus's own pod.
type TLSConfig struct {
	CAFile             string `json:"caFile,omitempty"`
	CertFile           string `json:"certFile,omitempty"`
	KeyFile            string `json:"keyFile,omitempty"`
	InsecureSkipVerify bool   `json:"insecureSkipVerify,omitempty"`
}

// PodMonitor has the ports of pods scraped.
type PodMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              PodMonitorSpec `json:"spec"`
}

// PodMonitorSpec selects pods of its namespace.
type PodMonitorSpec struct {
	Selector            metav1.LabelSelector `json:"selector"`
	PodMetricsEndpoints []PodEndpoint        `json:"podMetricsEndpoints"`
}

// PodEndpoint is one port of a pod to scrape.
type PodEndpoint struct {
	PortNumber        int32        `json:"portNumber"`
	Path              string       `json:"path"`
	Interval          string       `json:"interval"`
	MetricRelabelings []Relabeling `json:"metricRelabelings,omitempty"`
}

// Relabeling keeps or drops what was scraped.
type Relabeling struct {
	Action       string   `json:"action"`
	SourceLabels []string `json:"sourceLabels"`
	Regex        string   `json:"regex"`
}

// PrometheusRule holds recording and alerting rules.
type PrometheusRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              PrometheusRuleSpec `json:"spec"`
}

// PrometheusRuleSpec holds groups.
type PrometheusRuleSpec struct {
	Groups []RuleGroup `json:"groups"`
}

// RuleGroup is evaluated in order.
type RuleGroup struct {
	Name  string `json:"name"`
	Rules []Rule `json:"rules"`
}

// Rule records (Record) or alerts (Alert).
type Rule struct {
	Record      string            `json:"record,omitempty"`
	Alert       string            `json:"alert,omitempty"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}
