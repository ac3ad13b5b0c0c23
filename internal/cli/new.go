package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/edit"
)

// tenantOptions are the flags of new tenant, and its argument.
type tenantOptions struct {
	name, description, team, contact string
	class, tier                      string
	clusters                         []string

	image, tag, workload, runtime string
	port                          int
	expose                        string
	hosts                         []string
	health, size                  string
	replicas                      int

	database bool
	format   string
}

func (a *app) newCommand() *cobra.Command {
	create := &cobra.Command{
		Use:   "new",
		Short: "Write the spec of a new tenant",
		Long:  "Write the spec of something new.",
		Args:  cobra.ArbitraryArgs,
	}
	create.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return noCommand(cmd, args[0])
		}
		return usage(cmd, "'%s' needs to know what to make: tenant", cmd.CommandPath())
	}
	var o tenantOptions
	tenant := &cobra.Command{
		Use:   "tenant [NAME] [flags]",
		Short: "Write the spec of a new tenant",
		Long: "Write tenants/NAME/tenant.cue: the shortest spec that says what was asked for. On a terminal zave asks for " +
			"what is not given by flags.\n\n" +
			"The spec is checked together with all others before anything is written, and a directory that is there is " +
			"never written to.",
		Example: "  zave new tenant\n" +
			"  zave new tenant shop --description 'A shop' --team web --cluster dev \\\n" +
			"    --contact web@example.com --database --port 8080 --expose public-http \\\n" +
			"    --image ghcr.io/example/shop:1.0@sha256:6c1d…5df1",
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(cmd, "'%s' takes one name, and %q is another", cmd.CommandPath(), args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.name = args[0]
			}
			return a.newTenant(cmd.Context(), o, cmd.Flags().Changed)
		},
	}
	f := tenant.Flags()
	f.SortFlags = false
	f.StringVar(&o.description, "description", "", "what the tenant is, in one `LINE`")
	a.ownerFlags(tenant, &o)
	o.class = "tenant"
	f.Var(&choice{&o.class, "CLASS", []string{"tenant", "portfolio"}}, "class", "tenant or portfolio")
	f.StringVar(&o.tier, "tier", "standard", "the quota class `TIER` of the platform")
	f.StringVar(&o.image, "image", "", "what its workload runs: `IMAGE`, with a digest; without one it has no workload")
	f.StringVar(&o.tag, "tag", "", "the `TAG` that people know the image by")
	f.StringVar(&o.workload, "workload", "web", "the workload's `NAME`")
	o.runtime, o.expose = "container", "none"
	f.Var(&choice{&o.runtime, "RUNTIME", []string{"container", "static"}}, "runtime", "container or static")
	f.IntVar(&o.port, "port", 0, "the `PORT` that the workload serves on")
	exposures := []string{"none", "internal-http", "public-http", "grpc"}
	f.Var(&choice{&o.expose, "WHOM", exposures}, "expose", "who may reach the port: "+alternatives(exposures))
	f.StringSliceVar(&o.hosts, "host", nil, "a public `HOST`, by default NAME.<cluster's domain>; may be repeated")
	f.StringVar(&o.health, "health", "", "the `PATH` that all three probes ask")
	f.StringVar(&o.size, "size", "small", "the `SIZE` of a container, of the platform's")
	f.IntVar(&o.replicas, "replicas", 1, "how many run: `N`")
	f.BoolVar(&o.database, "database", false, "with a database of its own")
	formatFlag(tenant, &o.format)
	a.completeNames(tenant, false)
	create.AddCommand(tenant)
	return create
}

// ownerFlags are those that say whose a tenant is, and where it runs.
func (a *app) ownerFlags(cmd *cobra.Command, o *tenantOptions) {
	f := cmd.Flags()
	f.StringVar(&o.team, "team", "", "the `TEAM` that answers for it, a group of the identity provider")
	f.StringVar(&o.contact, "contact", "", "an `ADDRESS` that reaches the team; by default that of its other tenants")
	f.StringSliceVar(&o.clusters, "cluster", nil, "run on `CLUSTER`; may be repeated; by default on the only one")
}

func (a *app) newTenant(ctx context.Context, o tenantOptions, given func(flag string) bool) error {
	if _, err := a.enter(); err != nil {
		return err
	}
	in, err := a.written(ctx, nil, o.format)
	if err != nil {
		return err
	}
	o.infer(in.Set)
	if err := o.checked(in.Set); err != nil {
		return err
	}
	if missing := o.missing(); len(missing) > 0 {
		if !a.canAsk() {
			return &problem{
				exit: exitUnknown, text: fmt.Sprintf("'zave new tenant' needs %s", alternativesAnd(missing)),
				hint: "on a terminal it asks for them",
			}
		}
		if err := a.askTenant(ctx, in.Set, &o, given); err != nil {
			return err
		}
		o.infer(in.Set)
		if err := o.checked(in.Set); err != nil {
			return err
		}
	}
	t, err := o.tenant(in.Set)
	if err != nil {
		return err
	}
	return a.writeTenant(ctx, in, t, o.format)
}

// infer fills in what the estate leaves no choice of.
func (o *tenantOptions) infer(set *spec.Set) {
	o.contact = cmp.Or(o.contact, contactOf(set, o.team))
	if len(o.clusters) == 0 && len(set.Platform.Clusters) == 1 {
		o.clusters = []string{set.Platform.Clusters[0].Name}
	}
}

// contactOf gives how a team is reached, where its tenants agree about that.
func contactOf(set *spec.Set, team string) string {
	var found []string
	for _, t := range set.Tenants {
		if t.Owner.Team == team && team != "" {
			found = append(found, t.Owner.Contact)
		}
	}
	if found = slices.Compact(found); len(found) != 1 {
		return ""
	}
	return found[0]
}

// missing lists what has to be said and is not, as the command line has it.
func (o *tenantOptions) missing() (out []string) {
	for _, x := range []struct{ name, value string }{
		{"NAME", o.name}, {"--description", o.description}, {"--team", o.team}, {"--contact", o.contact},
		{"--cluster", strings.Join(o.clusters, " ")},
	} {
		if x.value == "" {
			out = append(out, x.name)
		}
	}
	return out
}

// The forms of names, as schema/types.cue has them.
var (
	nameForm  = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)
	hostForm  = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	emailForm = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
	pathForm  = regexp.MustCompile(`^/[^\s?#]*$`)
)

// checked refuses values that cannot be right, each in the words of the command line. What is empty is not looked at;
// what depends on other tenants the linker finds.
func (o *tenantOptions) checked(set *spec.Set) error {
	check := func(value string, f func(*spec.Set, string) error) error {
		if value == "" {
			return nil
		}
		return f(set, value)
	}
	errs := []error{
		check(o.name, checkTenantName), check(o.description, checkDescription), check(o.team, checkName),
		check(o.contact, checkContact), check(o.tier, checkTier), check(o.workload, checkName), check(o.health, checkPath),
		check(o.size, checkSize),
	}
	for _, c := range o.clusters {
		errs = append(errs, checkCluster(set, c))
	}
	for _, h := range o.hosts {
		errs = append(errs, checkHost(set, h))
	}
	if o.image != "" {
		_, err := o.parsedImage(set, o.image)
		errs = append(errs, err)
	}
	switch {
	case o.port < 0 || o.port > 65535:
		errs = append(errs, declined("a port is a number from 1 to 65535", "%d is not a port", o.port))
	case o.replicas < 1 || o.replicas > 100:
		errs = append(errs, declined("from 1 to 100 can run", "%d replicas cannot run", o.replicas))
	case o.database && set.Platform.Database == nil:
		errs = append(errs, declined("describe one in platform/, or leave --database out", "the platform has no database service"))
	}
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

func checkName(_ *spec.Set, name string) error {
	if nameForm.MatchString(name) {
		return nil
	}
	hint := `a name is lower-case letters, digits and "-", at most 40, beginning with a letter`
	if better := betterName(name); nameForm.MatchString(better) {
		hint = fmt.Sprintf("did you mean %q?", better)
	}
	return declined(hint, "%q is not a name", name)
}

// betterName makes a name of other words.
func betterName(s string) string {
	s = regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(s), "-")
	return strings.TrimRight(strings.TrimLeft(s, "-0123456789")[:min(len(strings.TrimLeft(s, "-0123456789")), 40)], "-")
}

func checkTenantName(set *spec.Set, name string) error {
	if err := checkName(set, name); err != nil {
		return err
	}
	if slices.Contains(set.Platform.Reserved, name) {
		return declined("choose another; platform/ lists the names that it keeps", "the name %q is reserved", name)
	}
	_, err := os.Lstat(filepath.Join("tenants", name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return cmp.Or(err, declined("choose another name, or edit its spec", "there is a tenant %q already, in tenants/%s", name, name))
}

func checkDescription(_ *spec.Set, text string) error {
	if strings.ContainsAny(text, "\n\r") || strings.TrimSpace(text) == "" || len([]rune(text)) > 255 {
		return declined("say in one line what the tenant is, in at most 255 characters", "the description is not one line")
	}
	return nil
}

func checkContact(_ *spec.Set, address string) error {
	if !emailForm.MatchString(address) {
		return declined("such as team@example.com", "%q is not an e-mail address", address)
	}
	return nil
}

func checkPath(_ *spec.Set, p string) error {
	if !pathForm.MatchString(p) {
		return declined(`a path begins with "/"`, "%q is not a path", p)
	}
	return nil
}

func checkHost(_ *spec.Set, host string) error {
	if !hostForm.MatchString(host) {
		return declined("such as shop.example.com, in lower case, without a scheme or a port", "%q is not a host name", host)
	}
	return nil
}

func checkCluster(set *spec.Set, name string) error {
	var names []string
	for _, c := range set.Platform.Clusters {
		names = append(names, c.Name)
	}
	return known("cluster", name, names)
}

func checkTier(set *spec.Set, name string) error {
	var names []string
	for _, t := range set.Platform.Tiers {
		names = append(names, t.Name)
	}
	return known("tier", name, names)
}

func checkSize(set *spec.Set, name string) error {
	var names []string
	for _, s := range set.Platform.Sizes {
		names = append(names, s.Name)
	}
	return known("size", name, names)
}

func known(noun, name string, names []string) error {
	if slices.Contains(names, name) {
		return nil
	}
	return declined(cmp.Or(diag.DidYouMean(name, names), "the platform has "+alternativesAnd(names)), "there is no %s %q", noun, name)
}

func (o *tenantOptions) parsedImage(set *spec.Set, text string) (spec.Image, error) {
	image, err := parseImage(text, o.tag)
	if err == nil {
		err = allowedRegistry(set, image)
	}
	return image, err
}

// tenant gives what is to be written.
func (o *tenantOptions) tenant(set *spec.Set) (edit.NewTenant, error) {
	t := edit.NewTenant{
		Name: o.name, Description: o.description, Owner: spec.Owner{Team: o.team, Contact: o.contact},
		Class: o.class, Clusters: o.clusters, Tier: o.tier, Database: o.database,
	}
	if o.image == "" {
		if o.port != 0 || o.expose != "none" || len(o.hosts) > 0 || o.health != "" || o.replicas > 1 {
			return t, declined("add --image", "there is no workload without an image, and nothing to expose or to run")
		}
		return t, nil
	}
	image, err := o.parsedImage(set, o.image)
	if err != nil {
		return t, err
	}
	hosts := o.hosts
	if i := slices.IndexFunc(set.Platform.Clusters, func(c spec.Cluster) bool { return slices.Equal(o.clusters, []string{c.Name}) }); i >= 0 &&
		slices.Equal(hosts, []string{o.name + "." + set.Platform.Clusters[i].Domain}) {
		hosts = nil // it is what it would be anyhow
	}
	t.Workload = &edit.NewWorkload{
		Name: o.workload, Runtime: o.runtime, Image: image, Port: o.port, Expose: o.expose, Hosts: hosts, Health: o.health,
		Size: o.size, Replicas: o.replicas,
	}
	return t, nil
}

// writeTenant writes a spec that compiles with all others, and never over another.
func (a *app) writeTenant(ctx context.Context, in *input, t edit.NewTenant, format string) error {
	t.Module = in.Module
	data, err := t.Encode()
	if err != nil {
		return err
	}
	file := edit.File{Name: path.Join("tenants", t.Name, "tenant.cue"), Data: data}
	if _, err := a.recheck(ctx, nil, []edit.File{file}, format); err != nil {
		return err
	}
	dir := filepath.Join("tenants", t.Name)
	if err := os.MkdirAll("tenants", 0o777); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.FromSlash(file.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err == nil {
		_, err = f.Write(data)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	a.say("wrote %s", a.shown(file.Name))
	return nil
}
