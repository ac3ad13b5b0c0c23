package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/edit"
	"github.com/zavestudios/zave/internal/source"
)

// promoteOptions are the flags of promote.
type promoteOptions struct {
	tag     string
	cluster string
	commit  bool
	format  string
}

func (a *app) promoteCommand() *cobra.Command {
	var o promoteOptions
	cmd := &cobra.Command{
		Use:   "promote TENANT/WORKLOAD IMAGE [flags]",
		Short: "Set a workload's image in its CUE file",
		Long: "Set a workload's image in its CUE file, where it is written: behind a reference, or in the override of a " +
			"cluster. Only that value changes; comments and layout stay. The result is checked before the file is " +
			"replaced, and nothing is written when it would not compile.\n\n" +
			"IMAGE is REPOSITORY@sha256:DIGEST or REPOSITORY:TAG@sha256:DIGEST. The digest is what is pulled; the tag " +
			"tells people which build it is.\n\n" +
			"With --commit the last commit's spec is changed, the tree is made anew from it, and both are committed on the " +
			"current branch, without anything else that is staged or edited. No hook of git's is run.",
		Example: "  zave promote shop/web ghcr.io/example/shop:v1.4.2@sha256:6c1d…5df1\n" +
			"  zave promote shop/web ghcr.io/example/shop@sha256:6c1d…5df1 --tag v1.4.2\n" +
			"  zave promote shop/web ghcr.io/example/shop:v1.4.2@sha256:6c1d…5df1 \\\n" +
			"    --cluster prod --commit",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage(cmd, "'%s' takes a workload and an image: TENANT/WORKLOAD REPOSITORY@sha256:DIGEST", cmd.CommandPath())
			}
			return nil
		},
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.promote(cmd.Context(), args[0], args[1], o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.tag, "tag", "", "the `TAG` that people know the build by")
	f.StringVar(&o.cluster, "cluster", "", "set it on `CLUSTER` alone, in the tenant's overrides")
	f.BoolVar(&o.commit, "commit", false, "commit the change and the tree that it compiles to")
	formatFlag(cmd, &o.format)
	a.completeNames(cmd, false)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
		if in := a.loadToComplete(cmd); in != nil && len(args) == 0 {
			for _, t := range in.Set.Tenants {
				for _, w := range t.Workloads {
					out = append(out, cobra.Completion(t.Name+"/"+w.Name))
				}
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// The parts of an image, as schema/types.cue has them.
var (
	imageRef       = regexp.MustCompile(`^([^@]*?)(?::([^@:/]*))?(?:@(.*))?$`)
	repositoryForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$`)
	tagForm        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	digestForm     = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// declined is a value that cannot be taken, and why.
func declined(hint, format string, args ...any) error {
	return &problem{exit: exitInput, text: fmt.Sprintf(format, args...), hint: hint}
}

// parseImage reads REPOSITORY[:TAG]@sha256:DIGEST, with a tag that may also be given apart.
func parseImage(arg, tag string) (spec.Image, error) {
	refuse := func(hint, format string, args ...any) (spec.Image, error) {
		return spec.Image{}, declined(hint, format, args...)
	}
	m := imageRef.FindStringSubmatch(arg)
	if m == nil || !repositoryForm.MatchString(m[1]) {
		return refuse("write REPOSITORY:TAG@sha256:DIGEST, without a scheme, the repository in lower case", "%q is not an image", arg)
	}
	image := spec.Image{Repository: m[1], Tag: m[2], Digest: m[3]}
	switch {
	case image.Digest == "":
		return refuse("write REPOSITORY:TAG@sha256:DIGEST; registries and 'docker buildx imagetools inspect' show the digest",
			"%q has no digest, and a tag may mean another image tomorrow", arg)
	case !digestForm.MatchString(image.Digest):
		return refuse("copy it whole from the registry or from the build's output",
			"the digest of %q is not sha256: and 64 lower-case hexadecimal digits", arg)
	case tag != "" && image.Tag != "" && tag != image.Tag:
		return refuse("leave one of them out", "the image says tag %q and --tag %q", image.Tag, tag)
	case tag != "":
		image.Tag = tag
	}
	if image.Tag != "" && !tagForm.MatchString(image.Tag) {
		return refuse(`a tag is at most 128 letters, digits, "_", "." and "-"`, "%q is not a tag", image.Tag)
	}
	return image, nil
}

func (a *app) promote(ctx context.Context, target, arg string, o promoteOptions) error {
	image, err := parseImage(arg, o.tag)
	if err != nil {
		return err
	}
	var c *commission
	var specs fs.FS // nil: the work tree
	if o.commit {
		if c, err = a.commission(); err != nil {
			return err
		}
		defer c.platform.close()
		specs = c.specs
	} else if _, err := a.enter(); err != nil {
		return err
	}
	in, err := a.written(ctx, specs, o.format)
	if err != nil {
		return err
	}
	t, w, err := findWorkload(in.Set, target)
	if err != nil {
		return err
	}
	if err := allowedRegistry(in.Set, image); err != nil {
		return err
	}
	if err := o.allowed(t, w, image); err != nil {
		return err
	}
	p, err := a.openPackage(in.Loaded, t.Dir)
	if err != nil {
		return err
	}
	untagged, err := p.setImage(t, w, image, o.cluster)
	if err != nil {
		return err
	}
	files := p.files()
	if len(files) == 0 {
		a.say("%s is at %s already", promotion{target: target, cluster: o.cluster}.subject(), buildName(image))
		return nil
	}
	var after *input
	if c != nil {
		after, err = a.prepare(ctx, c, in, files, o.format)
	} else {
		after, err = a.recheck(ctx, specs, files, o.format)
	}
	if err != nil {
		return err
	}
	done := promotion{target: target, cluster: o.cluster, image: image, files: files, others: changedImages(in.Set, after.Set)}
	at := slices.IndexFunc(done.others, func(ch imageChange) bool {
		return ch.tenant == t.Name && ch.workload == w.Name && ch.cluster == o.cluster
	})
	want := image
	if o.cluster != "" {
		want.Repository = "" // which an override does not say
	}
	if at < 0 || done.others[at].now != want {
		return fmt.Errorf("this is a bug in zave: the edited files do not set the image of %s", target)
	}
	done.was = done.others[at].was
	if done.was.Digest == "" { // an override where there was none
		done.was = w.Image
	}
	done.others = slices.Delete(done.others, at, at+1)
	if err := done.confined(); err != nil {
		return err
	}
	if c == nil {
		for _, f := range files {
			if err := replaceFile(f.Name, f.Data); err != nil {
				return fmt.Errorf("%s: %w", a.shown(f.Name), err)
			}
		}
	} else if err := a.commit(ctx, c, files, done.message()); err != nil {
		return err
	}
	for _, line := range done.lines(a.shown, in.Set, after.Set) {
		a.say("%s", line)
	}
	if untagged {
		a.say("the tag was taken out, as it named the earlier build; --tag says the new one's")
	}
	if o.cluster == "" {
		for _, cluster := range t.Clusters {
			if overrideImage(t, cluster, w.Name) != nil {
				a.say("%s has a build of its own, which an override sets: --cluster %s changes that", cluster, cluster)
			}
		}
	}
	if c != nil {
		return a.sayCommitted(c, len(files))
	}
	return nil
}

// findWorkload reads TENANT/WORKLOAD.
func findWorkload(set *spec.Set, target string) (*spec.Tenant, *spec.Workload, error) {
	name, workload, ok := strings.Cut(target, "/")
	if !ok || name == "" || workload == "" {
		return nil, nil, &problem{exit: exitInput, text: fmt.Sprintf("%q does not name a workload", target),
			hint: "write TENANT/WORKLOAD, such as shop/web"}
	}
	var names []string
	for _, t := range set.Tenants {
		names = append(names, t.Name)
		if t.Name != name {
			continue
		}
		var workloads []string
		for i := range t.Workloads {
			if t.Workloads[i].Name == workload {
				return t, &t.Workloads[i], nil
			}
			workloads = append(workloads, t.Workloads[i].Name)
		}
		hint := diag.DidYouMean(workload, workloads)
		if len(workloads) == 0 {
			hint = "it has none"
		}
		return nil, nil, &problem{exit: exitInput, text: fmt.Sprintf("tenant %q has no workload %q", name, workload), hint: hint}
	}
	return nil, nil, &problem{exit: exitInput, text: fmt.Sprintf("there is no tenant %q", name), hint: diag.DidYouMean(name, names)}
}

// allowedRegistry refuses what the linker would refuse, in the words of the command line.
func allowedRegistry(set *spec.Set, image spec.Image) error {
	registries := set.Platform.Registries
	if slices.ContainsFunc(registries, func(r string) bool { return strings.HasPrefix(image.Repository, r) }) {
		return nil
	}
	return &problem{exit: exitInput,
		text: fmt.Sprintf("%q is not under a registry of the platform", image.Repository),
		hint: "the platform allows " + alternatives(registries),
	}
}

// allowed refuses what cannot be said in an override.
func (o promoteOptions) allowed(t *spec.Tenant, w *spec.Workload, image spec.Image) error {
	switch {
	case o.cluster == "":
	case !slices.Contains(t.Clusters, o.cluster):
		return &problem{exit: exitInput,
			text: fmt.Sprintf("tenant %q does not run on a cluster %q", t.Name, o.cluster),
			hint: cmp.Or(diag.DidYouMean(o.cluster, t.Clusters), "it runs on "+alternativesAnd(t.Clusters)),
		}
	case image.Repository != w.Image.Repository:
		return &problem{exit: exitInput,
			text: fmt.Sprintf("an override cannot change the repository from %q to %q", w.Image.Repository, image.Repository),
			hint: "leave --cluster out to set it everywhere",
		}
	}
	return nil
}

// setImage changes the syntax, and tells whether a tag had to go.
func (p *packages) setImage(t *spec.Tenant, w *spec.Workload, image spec.Image, cluster string) (untagged bool, err error) {
	at := []string{"workloads", w.Name, "image"}
	was := w.Image
	if cluster != "" {
		at = append([]string{"overrides", cluster}, at...)
		ov := overrideImage(t, cluster, w.Name)
		if ov == nil {
			if was == image {
				return false, nil
			}
			if _, ok := p.Add(edit.Field{Path: at, Value: edit.Strings("tag", image.Tag, "digest", image.Digest)}); !ok {
				return false, p.notWritten(t, at)
			}
			return false, nil
		}
		was.Tag, was.Digest = ov.Tag, ov.Digest
	}
	for _, f := range []struct{ name, was, value string }{
		{"repository", was.Repository, image.Repository},
		{"tag", was.Tag, image.Tag},
		{"digest", was.Digest, image.Digest},
	} {
		if f.was == f.value {
			continue
		}
		path := append(slices.Clone(at), f.name)
		var places []source.Span
		ok := false
		switch {
		case f.value == "": // the old tag would be a lie
			untagged = true
			places, err = p.Remove(path...)
		case f.was == "" && f.name == "tag" && was.Digest != "":
			ok, err = p.AddBefore(append(slices.Clone(at), "digest"), f.name, edit.String(f.value))
		case f.was == "":
			_, ok = p.Add(edit.Field{Path: path, Value: edit.String(f.value)})
		default:
			places, err = p.Set(f.value, path...)
		}
		var computed *edit.Computed
		if errors.As(err, &computed) {
			return false, &problem{exit: exitInput,
				text: fmt.Sprintf("%s is computed at %s", strings.Join(path, "."), p.place(computed.Span)),
				hint: "edit it there, or write the value as a plain string",
			}
		}
		if err != nil {
			return false, err
		}
		if !ok && len(places) == 0 {
			return false, p.notWritten(t, path)
		}
	}
	return untagged, nil
}

func (p *packages) notWritten(t *spec.Tenant, path []string) error {
	return &problem{exit: exitInput,
		text: fmt.Sprintf("%s is not written in %s as plain fields", strings.Join(path, "."), p.place(t.At(path...))),
		hint: "write the image as a struct of strings: image: {repository: \"…\", tag: \"…\", digest: \"sha256:…\"}",
	}
}

// overrideImage gives the image that a tenant's override for a cluster sets, or nil.
func overrideImage(t *spec.Tenant, cluster, workload string) *spec.Image {
	for _, o := range t.Overrides {
		if o.Cluster != cluster {
			continue
		}
		for _, w := range o.Workloads {
			if w.Name == workload {
				return w.Image
			}
		}
	}
	return nil
}

// buildName names a build as people do: by its tag, or else by the beginning of its digest.
func buildName(i spec.Image) string {
	if i.Tag != "" {
		return i.Tag
	}
	return i.Digest[:min(len(i.Digest), len("sha256:")+12)]
}

// imageChange is an image that is another one than before: a workload's, or what an override says on a cluster.
type imageChange struct {
	tenant, workload, cluster string
	was, now                  spec.Image
}

func (c imageChange) String() string {
	if c.cluster != "" {
		return c.tenant + "/" + c.workload + " on " + c.cluster
	}
	return c.tenant + "/" + c.workload
}

// changedImages lists the images that differ between two versions of the same tenants, in their order.
func changedImages(before, after *spec.Set) (out []imageChange) {
	was, now := imagesOf(before), imagesOf(after)
	for _, c := range now {
		i := slices.IndexFunc(was, func(w imageChange) bool {
			return w.tenant == c.tenant && w.workload == c.workload && w.cluster == c.cluster
		})
		if i >= 0 {
			c.was = was[i].now
		}
		if c.was != c.now {
			out = append(out, c)
		}
	}
	return out
}

func imagesOf(set *spec.Set) (out []imageChange) {
	for _, t := range set.Tenants {
		for _, w := range t.Workloads {
			out = append(out, imageChange{tenant: t.Name, workload: w.Name, now: w.Image})
		}
		for _, o := range t.Overrides {
			for _, w := range o.Workloads {
				if w.Image != nil {
					out = append(out, imageChange{tenant: t.Name, workload: w.Name, cluster: o.Cluster, now: *w.Image})
				}
			}
		}
	}
	return out
}

// beyondImages lists what else differs between two versions: a string that an image shares with something else.
func beyondImages(before, after *spec.Set) (out []string) {
	for i, t := range after.Tenants {
		was := before.Tenants[i]
		if t.Hash == was.Hash {
			continue
		}
		for j, w := range t.Workloads {
			w.Image = was.Workloads[j].Image
			if !reflect.DeepEqual(w, was.Workloads[j]) {
				out = append(out, t.Name+"/"+w.Name)
			}
		}
		if !reflect.DeepEqual(withoutImages(t), withoutImages(was)) {
			out = append(out, t.Name)
		}
	}
	if before.Platform.Hash != after.Platform.Hash {
		out = append(out, "the platform")
	}
	return out
}

// withoutImages gives a tenant without its workloads, and without the images of its overrides.
func withoutImages(t *spec.Tenant) spec.Tenant {
	out := *t
	out.Positions, out.Hash, out.Workloads, out.Overrides = nil, "", nil, nil
	for _, o := range t.Overrides {
		var workloads []spec.WorkloadOverride
		for _, w := range o.Workloads {
			w.Image = nil
			if !reflect.DeepEqual(w, spec.WorkloadOverride{Name: w.Name}) {
				workloads = append(workloads, w)
			}
		}
		o.Workloads = workloads
		if !reflect.DeepEqual(o, spec.Override{Cluster: o.Cluster}) {
			out.Overrides = append(out.Overrides, o)
		}
	}
	return out
}

// promotion is what was done.
type promotion struct {
	target, cluster string
	was, image      spec.Image
	files           []edit.File
	others          []imageChange // that came with it
}

// confined refuses to change on other clusters what was asked for on one.
func (p promotion) confined() error {
	for _, c := range p.others {
		if p.cluster != "" && c.cluster != p.cluster {
			return &problem{exit: exitInput,
				text: fmt.Sprintf("what %s runs on %s is written where %s has it too: both would change", p.target, p.cluster, c),
				hint: "write the override's image out, or leave --cluster out to set it everywhere",
			}
		}
	}
	return nil
}

// step says from what to what: by tags, where these tell the builds apart.
func (p promotion) step() string {
	was, now := p.was, p.image
	if was.Tag == now.Tag {
		was.Tag, now.Tag = "", ""
	}
	if was.Repository != "" && was.Repository != now.Repository {
		return fmt.Sprintf("%s %s → %s %s", was.Repository, buildName(was), now.Repository, buildName(now))
	}
	return buildName(was) + " → " + buildName(now)
}

// subject names what changed, and on which cluster.
func (p promotion) subject() string {
	if p.cluster != "" {
		return p.target + " on " + p.cluster
	}
	return p.target
}

// message is that of the commit.
func (p promotion) message() string {
	image := p.image.Repository + "@" + p.image.Digest
	if p.image.Tag != "" {
		image = p.image.Repository + ":" + p.image.Tag + "@" + p.image.Digest
	}
	text := fmt.Sprintf("%s: image %s\n\n%s\n", p.subject(), p.step(), image)
	if len(p.others) > 0 {
		text += wrap(p.shared()+".", 72) + "\n"
	}
	return text
}

// shared says what changed with it.
func (p promotion) shared() string {
	var names []string
	for _, c := range p.others {
		names = append(names, c.String())
	}
	if len(names) == 1 {
		return names[0] + " changes with it: the value is shared"
	}
	return alternativesAnd(names) + " change with it: the value is shared"
}

func (p promotion) lines(shown func(string) string, before, after *spec.Set) []string {
	var files []string
	for _, f := range p.files {
		files = append(files, shown(f.Name))
	}
	out := []string{fmt.Sprintf("%s: %s in %s", p.subject(), p.step(), alternativesAnd(files))}
	if len(p.others) > 0 {
		out = append(out, p.shared())
	}
	if beyond := beyondImages(before, after); len(beyond) > 0 {
		out = append(out, fmt.Sprintf("the value also stands in other fields of %s, which have changed with it", alternativesAnd(beyond)))
	}
	return out
}

// alternativesAnd gives "a, b and c".
func alternativesAnd(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
