package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/diag"
)

func (a *app) importCommand() *cobra.Command {
	var o tenantOptions
	var strict bool
	cmd := &cobra.Command{
		Use:   "import FILE [flags]",
		Short: "Make a tenant of an older zave.yaml",
		Long: "Make a tenant of an older contract: a zave.yaml of apiVersion zave.io/v1 and kind Workload. Flags say what a " +
			"contract does not hold.\n\n" +
			"Every field that cannot be carried over is named, with its line: as a warning, or with --strict as an error, " +
			"and then nothing is written. What zave does not know is refused. The tenant is checked together with all " +
			"others first, and a directory that is there is never written to.",
		Example: "  zave import ../shop/zave.yaml --team web --cluster dev \\\n" +
			"    --image ghcr.io/example/shop:1.0@sha256:6c1d…5df1",
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(cmd, "'%s' takes one file: a zave.yaml", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.importContract(cmd.Context(), args[0], o, strict)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.image, "image", "", "what the workload runs: `IMAGE`, with a digest")
	f.StringVar(&o.tag, "tag", "", "the `TAG` that people know the image by")
	f.StringVar(&o.description, "description", "", "what the tenant is, in one `LINE`; by default the contract's")
	a.ownerFlags(cmd, &o)
	f.IntVar(&o.port, "port", 0, "the `PORT` that it serves on; by default that of its runtime")
	f.StringSliceVar(&o.hosts, "host", nil, "a public `HOST`, by default NAME.<cluster's domain>; may be repeated")
	f.BoolVar(&strict, "strict", false, "refuse a contract with anything that cannot be carried over")
	formatFlag(cmd, &o.format)
	a.completeNames(cmd, false)
	cmd.ValidArgsFunction = nil // files
	return cmd
}

func (a *app) importContract(ctx context.Context, name string, o tenantOptions, strict bool) error {
	data, err := readContract(name)
	if err != nil {
		return err
	}
	where, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	root, err := a.enter()
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(root, where); err == nil && filepath.IsLocal(rel) {
		where = filepath.ToSlash(rel)
	}
	in, err := a.written(ctx, nil, o.format)
	if err != nil {
		return err
	}
	var sizes []string
	for _, s := range in.Set.Platform.Sizes {
		sizes = append(sizes, s.Name)
	}
	c := contract{file: where, sizes: sizes, strict: strict}
	c.read(data)
	if c.list.Len() > 0 {
		if err := a.reportContract(c, filepath.ToSlash(name), data, o.format); err != nil {
			return err
		}
	}
	if c.list.HasErrors() {
		a.say("%s: nothing was written", c.list.Summary())
		return errReported()
	}
	o.name, o.class, o.tier, o.workload, o.replicas = c.name, "tenant", "standard", "web", 1
	o.runtime, o.expose, o.size, o.database = c.runtime, c.expose, c.size, c.database
	if o.description == "" {
		o.description = c.description
	}
	if o.port == 0 && o.expose != "none" {
		o.port = c.port
	}
	o.infer(in.Set)
	missing := slices.DeleteFunc(o.missing(), func(m string) bool { return m == "NAME" })
	if o.image == "" {
		missing = append([]string{"--image"}, missing...)
	}
	if o.port == 0 && o.expose != "none" && o.runtime != "static" {
		missing = append(missing, "--port")
	}
	if len(missing) > 0 {
		return &problem{
			exit: exitUnknown, text: fmt.Sprintf("'zave import' needs %s", alternativesAnd(missing)),
			hint: "a contract does not say it",
		}
	}
	if err := o.checked(in.Set); err != nil {
		return err
	}
	t, err := o.tenant(in.Set)
	if err != nil {
		return err
	}
	return a.writeTenant(ctx, in, t, o.format)
}

// maxContract is how large a contract may be, in bytes.
const maxContract = 1 << 20

func readContract(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxContract+1))
	if err == nil && len(data) > maxContract {
		return nil, declined("a contract has a few lines", "%s is larger than a contract can be", name)
	}
	return data, err
}

// reportContract prints what is wrong with a contract, or is not carried over: as text with the path that was typed.
func (a *app) reportContract(c contract, typed string, data []byte, format string) error {
	opts := diag.PrintOptions{Version: version, Source: func(string) ([]byte, bool) { return data, true }}
	if format != string(diag.Text) {
		return diag.Print(a.stdout, diag.Format(format), &c.list, opts)
	}
	var list diag.List
	for _, d := range c.list.Sorted() {
		d.Span.File = typed
		list.Add(d)
	}
	opts.Color, opts.Width = a.colored(a.err), a.err.width
	return diag.Print(a.stderr, diag.Text, &list, opts)
}

// runtimes are the kinds of applications that a contract names. To zave all are containers but those that serve files;
// the port is the one that the framework's own server listens on by default.
func runtimes() map[string]struct {
	runtime string
	port    int
} {
	type kind = struct {
		runtime string
		port    int
	}
	return map[string]kind{
		"container": {"container", 0}, "static": {"static", 0}, "jekyll": {"static", 0}, "hugo": {"static", 0},
		"rails": {"container", 3000}, "node": {"container", 3000}, "django": {"container", 8000},
		"flask": {"container", 5000}, "python": {"container", 0}, "ruby": {"container", 0}, "go": {"container", 0},
	}
}

// exposures are the words of a contract for who may reach it.
func exposures() map[string]string {
	return map[string]string{
		"none": "none", "private": "none", "internal": "internal-http", "internal-http": "internal-http",
		"public": "public-http", "public-http": "public-http", "grpc": "grpc",
	}
}

// sizesOf are the sizes that stand for a tier of resources, the best first.
func sizesOf() map[string][]string {
	return map[string][]string{"small": {"small"}, "medium": {"medium", "standard"}, "large": {"large"}}
}

// capabilities are what a contract asks for by a word, and how a spec says it.
func capabilities() map[string]string {
	return map[string]string{
		"metrics": "add workloads.web.metrics, with the port", "secrets": "add a bundle under secrets, and name it in workloads.web.secrets",
		"cron": "add a workload with a schedule", "worker": "add a workload with a command", "redis": `add "redis" to network.services`,
		"cache": `add "redis" to network.services`, "egress": "add network.egress, with addresses and ports",
		"autoscaling": "add workloads.web.replicas, with min and max", "slo": "add observability.slo",
	}
}

// hintOf lists the words that are known, or the one that was meant.
func hintOf[V any](word string, known map[string]V) string {
	words := sortedKeys(known)
	if hint := diag.Suggest(word, words); hint != "" {
		return fmt.Sprintf("did you mean %q?", hint)
	}
	return "it is one of " + strings.Join(words, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
