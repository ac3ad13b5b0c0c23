package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator/link"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/edit"
	"github.com/zavestudios/zave/internal/load"
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
			"tells people which build it is.",
		Example: "  zave promote shop/web registry.example.com/shop:v1.4.2@sha256:6c1d…5df1\n" +
			"  zave promote shop/web registry.example.com/shop@sha256:6c1d…5df1 --tag v1.4.2\n" +
			"  zave promote shop/web registry.example.com/shop@sha256:6c1d…5df1 --cluster aws   on one cluster\n" +
			"  zave promote shop/web registry.example.com/shop@sha256:6c1d…5df1 --commit        and commit it",
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

// imageRef is an image as a registry names it (OCI distribution specification, "Pulling manifests"; the reference
// grammar is the one of distribution/reference).
var imageRef = regexp.MustCompile(`^([^@\s]+?)(?::([\w][\w.-]{0,127}))?(?:@(.*))?$`)

// parseImage reads REPOSITORY[:TAG]@sha256:DIGEST.
func parseImage(arg, tag string) (spec.Image, error) {
	m := imageRef.FindStringSubmatch(arg)
	if m == nil {
		return spec.Image{}, &problem{exit: exitInput, text: fmt.Sprintf("%q is not an image", arg),
			hint: "write REPOSITORY:TAG@sha256:DIGEST"}
	}
	image := spec.Image{Repository: m[1], Tag: m[2], Digest: m[3]}
	switch {
	case image.Digest == "":
		return image, &problem{exit: exitInput, text: fmt.Sprintf("%q has no digest, and a tag may mean another image tomorrow", arg),
			hint: "write REPOSITORY:TAG@sha256:DIGEST; registries and 'docker buildx imagetools inspect' show the digest"}
	case !digestForm.MatchString(image.Digest):
		return image, &problem{exit: exitInput, text: fmt.Sprintf("the digest of %q is not sha256: and 64 hexadecimal digits", arg),
			hint: "copy it whole from the registry or from the build's output"}
	case tag != "" && image.Tag != "" && tag != image.Tag:
		return image, &problem{exit: exitInput, text: fmt.Sprintf("the image says tag %q and --tag %q", image.Tag, tag),
			hint: "leave one of them out"}
	case tag != "":
		image.Tag = tag
	}
	return image, nil
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (a *app) promote(ctx context.Context, target, arg string, o promoteOptions) error {
	image, err := parseImage(arg, o.tag)
	if err != nil {
		return err
	}
	if _, err := a.enter(); err != nil {
		return err
	}
	in, err := a.load(ctx)
	if err != nil {
		return err
	}
	if in.list.HasErrors() {
		a.link(in)
		if err := a.report(o.format, in); err != nil {
			return err
		}
		a.say("%s: nothing was changed", in.list.Summary())
		return errReported()
	}
	t, w, err := findWorkload(in.Set, target)
	if err != nil {
		return err
	}
	if err := o.allowed(in.Set, t, w, image); err != nil {
		return err
	}
	p, err := openPackage(in.Loaded, t.Dir)
	if err != nil {
		return err
	}
	untagged, err := p.setImage(t, w, image, o.cluster)
	if err != nil {
		return err
	}
	files := p.files()
	was := w.Image
	if ov := overrideImage(t, o.cluster, w.Name); ov != nil {
		was.Tag, was.Digest = ov.Tag, ov.Digest
	}
	if len(files) == 0 {
		a.say("%s is at %s already", target, describe(image))
		return nil
	}
	after, err := a.recheck(ctx, files, o.format)
	if err != nil || after == nil {
		return err
	}
	if o.cluster == "" {
		if got := after.Set.Tenants[slices.Index(in.Set.Tenants, t)].Workloads[slices.IndexFunc(t.Workloads, func(x spec.Workload) bool { return x.Name == w.Name })].Image; got != image {
			return fmt.Errorf("this is a bug in zave: the edited files give %s the image %s", target, describe(got))
		}
	}
	for _, f := range files {
		if err := replaceFile(f.Name, f.Data); err != nil {
			return fmt.Errorf("%s: %w", a.shown(f.Name), err)
		}
	}
	a.sayPromoted(in.Set, after.Set, t, w, was, image, files, o)
	if untagged {
		a.say("the tag was taken out, as it named the earlier build; --tag says the new one's")
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

// allowed refuses what the linker would refuse, in the words of the command line, and what cannot be said in an
// override.
func (o promoteOptions) allowed(set *spec.Set, t *spec.Tenant, w *spec.Workload, image spec.Image) error {
	registries := set.Platform.Registries
	if !slices.ContainsFunc(registries, func(r string) bool { return strings.HasPrefix(image.Repository, r) }) {
		return &problem{exit: exitInput,
			text: fmt.Sprintf("%q is not under a registry of the platform", image.Repository),
			hint: "the platform allows " + alternatives(registries),
		}
	}
	if o.cluster == "" {
		return nil
	}
	if !slices.Contains(t.Clusters, o.cluster) {
		return &problem{exit: exitInput,
			text: fmt.Sprintf("tenant %q does not run on a cluster %q", t.Name, o.cluster),
			hint: diag.DidYouMean(o.cluster, t.Clusters),
		}
	}
	if image.Repository != w.Image.Repository {
		return &problem{exit: exitInput,
			text: fmt.Sprintf("an override cannot change the repository from %q to %q", w.Image.Repository, image.Repository),
			hint: "leave --cluster out to set it everywhere",
		}
	}
	return nil
}

// packages is a spec's package with those that it imports.
type packages struct {
	*edit.Package
	imported map[string]*edit.Package
	order    []string
}

// openPackage parses the files of a directory that was loaded.
func openPackage(l *load.Loaded, dir string) (*packages, error) {
	p := &packages{imported: map[string]*edit.Package{}}
	var open func(dir string) (*edit.Package, error)
	open = func(dir string) (*edit.Package, error) {
		var files []edit.File
		for _, name := range l.Dir(dir) {
			data, _ := l.Source(name)
			files = append(files, edit.File{Name: name, Data: data})
		}
		return edit.Parse(files, func(path string) (*edit.Package, error) {
			d, ok := l.ImportDir(path)
			if !ok {
				return nil, nil
			}
			if p.imported[d] == nil {
				i, err := open(d)
				if err != nil {
					return nil, err
				}
				p.imported[d], p.order = i, append(p.order, d)
			}
			return p.imported[d], nil
		})
	}
	var err error
	p.Package, err = open(dir)
	return p, err
}

func (p *packages) files() []edit.File {
	out := p.Files()
	for _, d := range p.order {
		out = append(out, p.imported[d].Files()...)
	}
	return out
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
			value := edit.Strings("tag", image.Tag, "digest", image.Digest)
			if _, ok := p.Add(edit.Field{Path: at, Value: value}); !ok {
				return false, notWritten(t, at)
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
		var err error
		switch {
		case f.value == "": // the old tag would be a lie
			untagged = true
			places, err = p.Remove(path...)
		case f.was == "":
			var ok bool
			if ok, err = p.AddBefore(append(slices.Clone(at), "digest"), f.name, edit.String(f.value)); err == nil {
				if !ok {
					return false, notWritten(t, path)
				}
				continue
			}
		default:
			places, err = p.Set(f.value, path...)
		}
		var computed *edit.Computed
		if errors.As(err, &computed) {
			return false, &problem{exit: exitInput,
				text: fmt.Sprintf("%s is computed at %s", strings.Join(path, "."), computed.Span),
				hint: "edit it there, or write the value as a plain string",
			}
		}
		if err != nil {
			return false, err
		}
		if len(places) == 0 {
			return false, notWritten(t, path)
		}
	}
	return untagged, nil
}

func notWritten(t *spec.Tenant, path []string) error {
	return &problem{exit: exitInput,
		text: fmt.Sprintf("%s is not written in %s as plain fields", strings.Join(path, "."), t.At(path...)),
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

// recheck compiles the repository with the files as they would be. What is wrong then is printed, and the result nil.
func (a *app) recheck(ctx context.Context, files []edit.File, format string) (*input, error) {
	root, err := os.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	l, err := load.Load(ctx, ".", load.Options{FS: overlay{root.FS(), files}})
	if err != nil {
		return nil, fmt.Errorf("read the specs: %w", err)
	}
	in := &input{l, l.Diags}
	_, list := link.Link(in.Set)
	in.list.Merge(list)
	if !in.list.HasErrors() {
		return in, nil
	}
	if err := a.report(format, in); err != nil {
		return nil, err
	}
	a.say("%s: nothing was changed", in.list.Summary())
	return nil, errReported()
}

// overlay is a file system in which some files have other bytes.
type overlay struct {
	fs.FS
	files []edit.File
}

// Open implements fs.FS.
func (o overlay) Open(name string) (fs.File, error) {
	f, err := o.FS.Open(name)
	if err != nil {
		return nil, err
	}
	for _, other := range o.files {
		if other.Name == name {
			return &overlaid{f, bytes.NewReader(other.Data)}, nil
		}
	}
	return f, nil
}

// overlaid is a file with other bytes.
type overlaid struct {
	fs.File
	data *bytes.Reader
}

func (f *overlaid) Read(p []byte) (int, error) { return f.data.Read(p) }

func (f *overlaid) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return resized{info, f.data.Size()}, err
}

// resized is what is known of such a file.
type resized struct {
	fs.FileInfo
	size int64
}

func (r resized) Size() int64 { return r.size }

// replaceFile puts other bytes in the place of a file's, in one step, and keeps its mode.
func replaceFile(name string, data []byte) error {
	name, err := filepath.EvalSymlinks(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// describe names a build as people do: by its tag, or else by the beginning of its digest.
func describe(i spec.Image) string {
	if i.Tag != "" {
		return i.Tag
	}
	return i.Digest[:min(len(i.Digest), len("sha256:")+12)]
}

func (a *app) sayPromoted(before, after *spec.Set, t *spec.Tenant, w *spec.Workload, was, image spec.Image, files []edit.File, o promoteOptions) {
	where := ""
	if o.cluster != "" {
		where = " on " + o.cluster
	}
	a.say("%s/%s%s: %s → %s in %s", t.Name, w.Name, where, describe(was), describe(image), a.shown(files[0].Name))
	if others := alsoChanged(before, after, t.Name, w.Name); len(others) > 0 {
		a.say("%s changed with it: the value is shared", alternativesAnd(others))
	}
	if o.cluster == "" {
		for _, c := range t.Clusters {
			if overrideImage(t, c, w.Name) != nil {
				a.say("%s keeps its own build, which its override sets: 'zave promote … --cluster %s' changes that", c, c)
			}
		}
	}
}

// alsoChanged lists the other workloads whose image has changed.
func alsoChanged(before, after *spec.Set, tenant, workload string) (out []string) {
	for i, t := range before.Tenants {
		for j, w := range t.Workloads {
			if (t.Name != tenant || w.Name != workload) && after.Tenants[i].Workloads[j].Image != w.Image {
				out = append(out, t.Name+"/"+w.Name)
			}
		}
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
