package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/check"
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
		a.stages.begin("schemas")
		var clusters []check.Cluster
		for _, c := range result.Platform.Clusters {
			clusters = append(clusters, check.Cluster{
				Name: c.Name, Kubernetes: c.Kubernetes,
				Span: in.Set.Platform.At("clusters", c.Name, "kubernetes"),
			})
		}
		// Not abandoned at an interrupt: its schemas lie in a temporary directory, which it removes at the end.
		list, err := check.Schemas(result.Objects.All(), clusters)
		if err != nil {
			return fmt.Errorf("check the objects: %w", err)
		}
		in.list.Merge(list)
		if err := ctx.Err(); err != nil {
			return err
		}
		a.stages.begin("kustomize")
		err = a.abandonable(ctx, func() error {
			list = check.Kustomizations(result.Tree.Files(), result.Objects.All()...)
			return nil
		})
		if err != nil {
			return err
		}
		in.list.Merge(list)
		a.stages.end()
	}
	if err := a.report(format, in); err != nil {
		return err
	}
	if in.list.HasErrors() {
		a.say("%s", in.list.Summary())
		return errReported()
	}
	objects, verb := len(result.Objects.All()), "are"
	if objects == 1 {
		verb = "is"
	}
	summary := fmt.Sprintf("%s in %s %s valid", count(objects, "object"), count(len(result.Platform.Clusters), "cluster"), verb)
	if s := in.list.Summary(); s != "" {
		summary += ", with " + s
	}
	a.say("%s", summary)
	return nil
}
