package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/internal/check"
	"github.com/zavestudios/zave/internal/diag"
)

func (a *app) checkCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "check [flags]",
		Short: "Find what the clusters would refuse",
		Long: "Compile in memory and hold every object against its schema, strictly and offline: Kubernetes at each " +
			"cluster's version, and the definitions of Flux, Argo CD, Istio, External Secrets and the Prometheus Operator. " +
			"Every kustomization.yaml must build. Nothing is written.",
		Example: "  zave check\n" +
			"  zave check --format junit > zave.xml",
		Args:                  noArgs("everything is checked"),
		DisableFlagsInUseLine: true,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return a.check(cmd.Context(), format) },
	}
	formatFlag(cmd, &format)
	return cmd
}

func (a *app) check(ctx context.Context, format string) error {
	if _, err := a.enter(); err != nil {
		return err
	}
	result, in, err := a.compile(ctx)
	if err != nil {
		return err
	}
	if result != nil {
		list, err := a.refusals(ctx, result, in, "")
		if err != nil {
			return err
		}
		in.list.Merge(list)
	}
	if err := a.report(format, in); err != nil {
		return err
	}
	if in.list.HasErrors() {
		a.say("%s", in.list.Summary())
		return errReported()
	}
	a.sayValid(result, in.list)
	return nil
}

// refusals is what the clusters would refuse of a result. The detail is shown with the stage; it may be empty.
func (a *app) refusals(ctx context.Context, result *generator.Result, in *input, detail string) (diag.List, error) {
	a.stages.begin("schemas")
	a.stages.at(detail)
	defer a.stages.end()
	var clusters []check.Cluster
	for _, c := range result.Platform.Clusters {
		clusters = append(clusters, check.Cluster{
			Name: c.Name, Kubernetes: c.Kubernetes,
			Span: in.Set.Platform.At("clusters", c.Name, "kubernetes"),
		})
	}
	// Not abandoned at an interrupt: its schemas lie in a temporary directory, which it removes at the end.
	all, err := check.Schemas(result.Objects.All(), clusters)
	if err != nil {
		return all, fmt.Errorf("check the objects: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return all, err
	}
	a.stages.begin("kustomize")
	a.stages.at(detail)
	err = a.abandonable(ctx, func() error {
		all.Merge(check.Kustomizations(result.Tree.Files(), result.Objects.All()...))
		return nil
	})
	return all, err
}

// sayValid counts what was found right.
func (a *app) sayValid(result *generator.Result, list diag.List) {
	objects, verb := len(result.Objects.All()), "are"
	if objects == 1 {
		verb = "is"
	}
	summary := fmt.Sprintf("%s in %s %s valid", count(objects, "object"), count(len(result.Platform.Clusters), "cluster"), verb)
	if s := list.Summary(); s != "" {
		summary += ", with " + s
	}
	a.say("%s", summary)
}
