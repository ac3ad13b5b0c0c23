// Package observe emits the alerts that follow from a tenant's objective, and the scrape that they are computed from.
//
// Invariants: the alerts are the multi-window, multi-burn-rate ones of the Site Reliability Workbook ("Alerting on
// SLOs"), over the mesh's own request metric, so that no workload has to be instrumented.
package observe

import (
	"fmt"
	"strconv"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/api/monitoring"
	"github.com/zavestudios/zave/internal/object"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Emit gives the PrometheusRule and the PodMonitor; nothing for a tenant without an objective.
func Emit(p *model.Placement) []unit.Unit {
	if p.SLO == nil {
		return nil
	}
	return []unit.Unit{{
		Key: unit.Key{Cluster: p.Cluster.Name, Part: unit.Delivery, Name: p.Tenant.Name},
		Objects: []object.Object{
			object.New(p.Cluster.Name, rule(p), p.SLO.Origin),
			object.New(p.Cluster.Name, scrape(p), p.SLO.Origin),
		},
	}}
}

// scrape reads the requests that the proxies count (Istio, "Integrations: Prometheus"); of all that a proxy tells, only
// what the rules need.
func scrape(p *model.Placement) *monitoring.PodMonitor {
	return &monitoring.PodMonitor{
		TypeMeta:   metav1.TypeMeta{APIVersion: monitoring.APIVersion, Kind: "PodMonitor"},
		ObjectMeta: label.ForTenant(p, p.SLO.Subject, "mesh"),
		Spec: monitoring.PodMonitorSpec{
			Selector: metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: label.Workload, Operator: metav1.LabelSelectorOpExists},
			}},
			PodMetricsEndpoints: []monitoring.PodEndpoint{{
				PortNumber: 15090, Path: "/stats/prometheus", Interval: "30s",
				MetricRelabelings: []monitoring.Relabeling{{Action: "keep", SourceLabels: []string{"__name__"}, Regex: "istio_requests_total"}},
			}},
		},
	}
}

// burn is one pair of windows: at this multiple of the allowed rate of errors, the given part of the budget is gone
// within the long window.
type burn struct {
	long, short, wait, severity string
	hours                       float64 // the long window
	budget                      float64 // the part of it
}

var burns = []burn{
	{"1h", "5m", "2m", "critical", 1, 0.02},
	{"6h", "30m", "15m", "critical", 6, 0.05},
	{"3d", "6h", "1h", "warning", 72, 0.10},
}

func rule(p *model.Placement) *monitoring.PrometheusRule {
	ns := p.Namespace()
	allowed := 1 - p.SLO.Availability/100
	rules := []monitoring.Rule{}
	for _, window := range []string{"5m", "30m", "1h", "6h", "3d"} {
		all := fmt.Sprintf(`sum(rate(istio_requests_total{reporter="destination", destination_workload_namespace="%s"}[%s]))`, ns, window)
		bad := fmt.Sprintf(`sum(rate(istio_requests_total{reporter="destination", destination_workload_namespace="%s", response_code=~"5.."}[%s]))`, ns, window)
		rules = append(rules, monitoring.Rule{
			Record: "tenant:request_errors:ratio_rate" + window,
			Expr:   bad + "\n/\n" + all,
			Labels: map[string]string{"tenant": ns},
		})
	}
	for _, b := range burns {
		factor := b.budget * float64(p.SLO.Days) * 24 / b.hours
		limit := strconv.FormatFloat(factor*allowed, 'g', 6, 64)
		series := func(window string) string {
			return fmt.Sprintf(`tenant:request_errors:ratio_rate%s{tenant="%s"} > %s`, window, ns, limit)
		}
		rules = append(rules, monitoring.Rule{
			Alert:  "TenantErrorBudgetBurn",
			Expr:   series(b.long) + "\nand\n" + series(b.short),
			For:    b.wait,
			Labels: map[string]string{"severity": b.severity, "tenant": ns, "team": p.Tenant.Team, "window": b.long},
			Annotations: map[string]string{
				"summary": fmt.Sprintf("%s fails requests fast enough to use %s%% of its %d-day error budget within %s",
					ns, strconv.FormatFloat(b.budget*100, 'g', -1, 64), p.SLO.Days, b.long),
			},
		})
	}
	return &monitoring.PrometheusRule{
		TypeMeta:   metav1.TypeMeta{APIVersion: monitoring.APIVersion, Kind: "PrometheusRule"},
		ObjectMeta: label.ForTenant(p, p.SLO.Subject, "slo"),
		Spec: monitoring.PrometheusRuleSpec{Groups: []monitoring.RuleGroup{{
			Name:  "slo-" + ns,
			Rules: rules,
		}}},
	}
}
