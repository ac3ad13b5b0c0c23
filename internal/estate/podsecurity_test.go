package estate_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/object"
)

// TestPodsAreRestricted asks Kubernetes' own Pod Security evaluator, at each cluster's minor version, about every pod
// that the tree would run.
func TestPodsAreRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	estates(t, func(t *testing.T, _ *load.Loaded, r *generator.Result) {
		restricted := map[string]api.LevelVersion{}
		for _, c := range r.Platform.Clusters {
			version, err := api.ParseVersion("v" + c.Minor)
			if err != nil {
				t.Fatal(err)
			}
			restricted[c.Name] = api.LevelVersion{Level: api.LevelRestricted, Version: version}
		}
		pods := 0
		for _, o := range r.Objects.All() {
			template := podTemplate(t, o)
			if template == nil {
				continue
			}
			pods++
			verdict := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted[o.Cluster], &template.ObjectMeta, &template.Spec))
			if !verdict.Allowed {
				t.Errorf("%s on %s: %s", o.ID, o.Cluster, verdict.ForbiddenDetail())
			}
		}
		if pods < len(r.Platform.Tenants) {
			t.Errorf("only %d pods for %d tenants", pods, len(r.Platform.Tenants))
		}
	})
}

// podTemplate is what an object would run; nil for one that runs nothing.
func podTemplate(t *testing.T, o object.Object) *corev1.PodTemplateSpec {
	t.Helper()
	var deployment appsv1.Deployment
	var cronJob batchv1.CronJob
	var job batchv1.Job
	for _, x := range []struct {
		kind     string
		into     any
		template *corev1.PodTemplateSpec
	}{
		{"Deployment", &deployment, &deployment.Spec.Template},
		{"CronJob", &cronJob, &cronJob.Spec.JobTemplate.Spec.Template},
		{"Job", &job, &job.Spec.Template},
	} {
		if o.Kind != x.kind {
			continue
		}
		if err := o.Decode(x.into); err != nil {
			t.Fatal(err)
		}
		return x.template
	}
	return nil
}
