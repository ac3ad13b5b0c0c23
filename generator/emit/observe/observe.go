// Package observe emits the alerts that follow from a tenant's objective, with the scrape that they are computed from,
// and those that follow from its backups.
//
// Invariants: the alerts of an objective are the multi-window, multi-burn-rate ones of the Site Reliability Workbook
// ("Alerting on SLOs"), over the mesh's own request metric, so that no workload has to be instrumented; those of
// backups go by what kube-state-metrics tells of the CronJobs, and fire for a run that never was as for one that
// failed.
package observe

import (
	"fmt"
	"strconv"
	"time"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/api/monitoring"
	"github.com/zavestudios/zave/internal/object"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Emit gives the PrometheusRule and the PodMonitor of an objective, and the PrometheusRule of backups; nothing for a
// tenant with neither, and none of the latter where nothing would read it.
func Emit(p *model.Placement) []unit.Unit {
	var out []unit.Unit
	if p.SLO != nil {
		out = append(out, unit.Unit{
			Key: unit.Key{Cluster: p.Cluster.Name, Part: unit.Delivery, Name: p.Tenant.Name},
			Objects: []object.Object{
				object.New(p.Cluster.Name, rule(p), p.SLO.Origin),
				object.New(p.Cluster.Name, scrape(p), p.SLO.Origin),
			},
		})
	}
	// A retired tenant's database is not backed up again.
	if db := p.Database; db != nil && db.Backup != nil && p.State != model.Retired && p.Cluster.Watched() {
		out = append(out, unit.Unit{
			Key:     unit.Key{Cluster: p.Cluster.Name, Part: unit.Database, Name: p.Tenant.Name},
			Objects: []object.Object{object.New(p.Cluster.Name, backupRule(p), db.Origin)},
		})
	}
	return out
}

// backupRule tells when the newest backup, or the newest restore of one, is too old, and when a run has failed.
func backupRule(p *model.Placement) *monitoring.PrometheusRule {
	db := p.Database
	ns := db.Service.Endpoint.Service.Namespace
	b := db.Backup
	rules := old(p, "TenantBackupTooOld", p.BackupJob(), b.Stale, "critical", "has not been backed up")
	rules = append(rules, failed(p, "TenantBackupFailed", p.BackupJob(), "a backup of the database of %s has failed"))
	if b.TestSchedule != "" {
		name := p.RestoreJob()
		rules = append(rules, old(p, "TenantRestoreTestTooOld", name, b.TestStale, "warning", "has not been restored for a test")...)
		rules = append(rules, failed(p, "TenantRestoreTestFailed", name, "the newest backup of the database of %s could not be restored"))
	}
	return &monitoring.PrometheusRule{
		TypeMeta:   metav1.TypeMeta{APIVersion: monitoring.APIVersion, Kind: "PrometheusRule"},
		ObjectMeta: label.ForTenantIn(p, db.Subject, ns, p.BackupJob()),
		Spec:       monitoring.PrometheusRuleSpec{Groups: []monitoring.RuleGroup{{Name: p.BackupJob(), Rules: rules}}},
	}
}

// old is the alert for a CronJob that has not succeeded for too long: since its last success, or since it was made.
func old(p *model.Placement, alert, name string, limit time.Duration, severity, what string) []monitoring.Rule {
	if limit <= 0 {
		return nil
	}
	return []monitoring.Rule{{
		Alert:  alert,
		Expr:   "time() - (" + success(p, name) + ") > " + strconv.FormatInt(int64(limit/time.Second), 10),
		For:    "15m",
		Labels: map[string]string{"severity": severity, "tenant": p.Tenant.Name, "team": p.Tenant.Team},
		Annotations: map[string]string{
			"summary": fmt.Sprintf("the database of %s %s for {{ $value | humanizeDuration }}", p.Tenant.Name, what),
		},
	}}
}

// failed is the alert for a Job of a CronJob that has failed and began after the last success.
func failed(p *model.Placement, alert, name, summary string) monitoring.Rule {
	jobs := fmt.Sprintf(`namespace="%s", job_name=~"%s-[0-9]+"`, p.Database.Service.Endpoint.Service.Namespace, name)
	return monitoring.Rule{
		Alert: alert,
		Expr: "max by (namespace) (\n  kube_job_status_start_time{" + jobs + "}\n  * on (namespace, job_name)\n  " +
			"(kube_job_failed{" + jobs + `, condition="true"} == 1)` + "\n)\n> on (namespace)\n(" + success(p, name) + ")",
		Labels:      map[string]string{"severity": "warning", "tenant": p.Tenant.Name, "team": p.Tenant.Team},
		Annotations: map[string]string{"summary": fmt.Sprintf(summary, p.Tenant.Name)},
	}
}

// success is when a CronJob has last succeeded, or else was made.
func success(p *model.Placement, name string) string {
	series := fmt.Sprintf(`{namespace="%s", cronjob="%s"}`, p.Database.Service.Endpoint.Service.Namespace, name)
	return "\n  max by (namespace) (kube_cronjob_status_last_successful_time" + series + ")" +
		"\n  or\n  max by (namespace) (kube_cronjob_created" + series + ")\n"
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
