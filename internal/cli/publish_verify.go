package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/diff"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/gitrepo"
	"github.com/zavestudios/zave/internal/gitrepo/remote"
	"github.com/zavestudios/zave/internal/tree"
)

// publishVerifyOptions are the flags of publish --verify.
type publishVerifyOptions struct {
	repo   string // as typed; empty: the platform's, or the repository that the process is in
	branch string // empty: the platform's, or main
	format string // "text" or "json"

	remote remote.Options
}

// What is wrong with a published tree.
const (
	brokenIndex  = "index"       // it cannot be read
	handEdited   = "hand-edited" // a file has other bytes than the index lists
	fileGone     = "missing"     // a file is not there that the index lists
	fileUnlisted = "unlisted"    // a file of ours is there that the index does not list
	untraceable  = "untraceable" // an object does not say which line of which spec it comes from, or there is no such line
	notCompiled  = "differs"     // a file is not what the specs compile to, or one of both lacks it, or a tenant is mixed
)

// verifyFinding is one thing that is wrong.
type verifyFinding struct {
	Kind   string        `json:"kind"`
	Path   string        `json:"path"`
	Object string        `json:"object,omitempty"`
	Says   string        `json:"says"`
	Last   *verifyChange `json:"lastChange,omitempty"` // of all but untraceable; absent: too far back, or too many differ
}

// verifyChange is the commit that made a file what it is.
type verifyChange struct {
	Commit  string    `json:"commit"`
	Author  string    `json:"author"`
	Email   string    `json:"email"`
	Date    time.Time `json:"date"`
	Subject string    `json:"subject"`
}

// verification is what is known of a published tree.
type verification struct {
	Repository string          `json:"repository"`
	Branch     string          `json:"branch,omitempty"` // empty: the commit that is checked out
	Commit     string          `json:"commit"`
	Source     string          `json:"source,omitempty"`  // where the specs are, as the commit says
	Kept       []string        `json:"kept,omitempty"`    // where those are that parts were left of, likewise
	Version    string          `json:"version,omitempty"` // of zave, likewise
	Files      int             `json:"files"`             // that the index lists
	Others     int             `json:"others"`            // that stand beside them, and are not ours
	Proved     string          `json:"proved"`            // "specs", "digests" or "nothing"
	Unproved   string          `json:"unproved,omitempty"`
	Findings   []verifyFinding `json:"findings"`

	exit int    // where nothing is wrong
	hint string // of what is not proved
}

func (v *verification) find(kind, file, format string, args ...any) {
	v.Findings = append(v.Findings, verifyFinding{Kind: kind, Path: file, Says: fmt.Sprintf(format, args...)})
}

// publishVerify proves what is published: the index, each file, and that it is what the specs of the recorded commit
// compile to. It writes nothing.
func (a *app) publishVerify(ctx context.Context, o publishVerifyOptions) error {
	if key := o.remote.KeyFile; key != "" {
		var err error
		if o.remote.KeyFile, err = filepath.Abs(key); err != nil {
			return err
		}
	}
	p, err := a.openPlatform()
	if err != nil {
		p = nil // no specs here: it may be the GitOps repository itself
	} else {
		defer p.close()
	}
	o.remote.Environ, o.remote.Dir = os.Environ(), a.from
	if p != nil && p.root == "" { // a bare repository, of either kind
		p = bareSpecs(p)
	}
	if p != nil && (o.repo == "" || o.branch == "") {
		if err := a.verifyTarget(ctx, p, &o); err != nil {
			return err
		}
	}
	s, v, err := a.verifySnapshot(ctx, o)
	if err != nil {
		return repositoryProblem(err)
	}
	defer s.Close()
	if err := a.verify(ctx, s, p, v); err != nil {
		return repositoryProblem(err)
	}
	return a.tellVerification(v, o.format)
}

// bareSpecs gives the repository if it holds specs.
func bareSpecs(p *platformRepo) *platformRepo {
	head, err := p.repo.Head()
	if err != nil || head == nil {
		return nil
	}
	if none, err := predates(p.repo.FS(head, p.prefix)); err != nil || none {
		return nil
	}
	return p
}

// verifyTarget takes from the specs what the command line leaves open.
func (a *app) verifyTarget(ctx context.Context, p *platformRepo, o *publishVerifyOptions) error {
	var files fs.FS
	if p.root == "" {
		head, _, err := p.resolve("HEAD")
		if err != nil {
			return err
		}
		files = pastVersion(head.files)
	}
	cache := specCache()
	defer cache.Save()
	in, err := a.read(ctx, files, cache)
	if err != nil {
		return repositoryProblem(err)
	}
	if in.Set.Platform == nil || in.Set.Platform.Broken {
		if o.repo != "" { // the branch alone is open
			return nil
		}
		if err := a.report(string(diag.Text), in.input); err != nil {
			return err
		}
		return &problem{
			exit: exitUnknown, text: "the platform's spec does not say which repository is published to",
			hint: "mend it, or name the repository with --repo URL",
		}
	}
	target := in.Set.Platform.GitOps
	o.repo, o.branch = cmp.Or(o.repo, target.URL), cmp.Or(o.branch, target.Branch)
	return nil
}

// verifySnapshot reads the head.
func (a *app) verifySnapshot(ctx context.Context, o publishVerifyOptions) (*remote.Snapshot, *verification, error) {
	a.stages.begin("fetch")
	defer a.stages.end()
	v := &verification{Findings: []verifyFinding{}}
	if o.repo == "" && o.branch == "" {
		s, err := remote.Checkout(ctx, a.from, os.Environ())
		if errors.Is(err, gitrepo.ErrNoGit) {
			return nil, nil, &problem{
				exit: exitUnknown, text: "this is neither a platform repository nor a GitOps repository",
				hint: "name one with -C DIR, or the repository with --repo URL",
			}
		}
		if err != nil {
			return nil, nil, err
		}
		v.Repository, v.Commit = "this repository", s.Hash.String()
		return s, v, nil
	}
	r, err := remote.Open(cmp.Or(o.repo, "."), o.remote)
	if err != nil {
		return nil, nil, err
	}
	v.Repository, v.Branch = r.String(), cmp.Or(o.branch, "main")
	s, err := r.Fetch(ctx, v.Branch)
	if err != nil {
		return nil, nil, err
	}
	v.Commit = s.Hash.String()
	return s, v, nil
}

// verify fills in the verification. Without specs, p is nil.
func (a *app) verify(ctx context.Context, s *remote.Snapshot, p *platformRepo, v *verification) error {
	a.stages.begin("verify")
	defer a.stages.end()
	index, ok, err := readPublished(ctx, s, v)
	if err != nil {
		return err
	}
	var ours []tree.File // as the index lists them
	if ok {
		v.Files = len(index.Files)
		if ours, err = verifyFiles(ctx, s, index, v); err != nil {
			return err
		}
	}
	source, err := v.lastChanges(ctx, s)
	if err != nil {
		return err
	}
	if !ok {
		v.Proved = "nothing"
		return nil
	}
	v.Proved = "digests"
	commits, err := v.sourceCommits(p, source)
	if err != nil {
		return err
	}
	if err := verifyTraces(ours, v, commits, p); err != nil || len(commits) == 0 {
		return err
	}
	edits := len(v.Findings)
	if err := a.verifyCompiled(ctx, s, p, commits, index, v); err != nil {
		return err
	}
	if n := len(v.Findings) - edits; n == 0 || n > mostBlamed {
		return nil
	}
	_, err = blame(ctx, s, v.Findings[edits:])
	return err
}

// mostBlamed is how many files that differ somebody may have edited by hand, index and all. More are another compiler's.
const mostBlamed = 100

// readPublished reads the index, all parts of it; false: it cannot be understood, which the findings say.
func readPublished(ctx context.Context, s *remote.Snapshot, v *verification) (tree.Index, bool, error) {
	files, err := s.List(path.Dir(tree.IndexPath))
	if err != nil {
		return tree.Index{}, false, err
	}
	if !slices.ContainsFunc(files, func(f tree.Stored) bool { return f.Path == tree.IndexPath }) {
		return tree.Index{}, false, &problem{
			exit: exitUnknown,
			text: fmt.Sprintf("%s has no %s at %.10s: nothing was published there", v.place(), tree.IndexPath, v.Commit),
			hint: "look at the repository and the branch; 'zave publish --adopt' takes one over",
		}
	}
	if err := s.Need(ctx, files); err != nil {
		return tree.Index{}, false, err
	}
	var parts []tree.Index
	for _, f := range files {
		part := strings.TrimSuffix(strings.TrimPrefix(f.Path, path.Dir(tree.IndexPath)+"/"), ".json")
		switch {
		case f.Path == tree.IndexPath:
			part = ""
		case !f.Regular || part+".json" != strings.TrimPrefix(f.Path, path.Dir(tree.IndexPath)+"/") || strings.Count(part, "/") != 1:
			v.Others++
			continue
		}
		data, err := s.Read(f)
		if err != nil {
			return tree.Index{}, false, err
		}
		x, err := tree.ParsePart(part, data)
		if err != nil {
			v.find(brokenIndex, f.Path, "%s", diag.Visible(err.Error()))
			continue
		}
		parts = append(parts, x)
	}
	if len(v.Findings) > 0 {
		return tree.Index{}, false, nil
	}
	index, err := tree.Join(parts)
	if err != nil {
		v.find(brokenIndex, tree.IndexPath, "%s", diag.Visible(err.Error()))
		return tree.Index{}, false, nil
	}
	return index, true, nil
}

// place names what is verified.
func (v *verification) place() string {
	if v.Branch == "" {
		return v.Repository
	}
	return v.Repository + ", branch " + v.Branch
}

// verifyFiles holds the files against the index, and gives those that are as it lists them.
func verifyFiles(ctx context.Context, s *remote.Snapshot, index tree.Index, v *verification) ([]tree.File, error) {
	var tops []string // the directories that are ours
	for _, e := range index.Files {
		if top, _, ok := strings.Cut(e.Path, "/"); ok && !slices.Contains(tops, top) {
			tops = append(tops, top)
		} else if !ok {
			tops = append(tops, e.Path)
		}
	}
	stored, err := s.List(tops...)
	if err != nil {
		return nil, err
	}
	if err := s.Need(ctx, slices.DeleteFunc(slices.Clone(stored), func(f tree.Stored) bool { return !f.Regular })); err != nil {
		return nil, err
	}
	there := map[string]tree.Stored{}
	for _, f := range stored {
		there[f.Path] = f
	}
	var ours []tree.File
	for _, e := range index.Files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, ok := there[e.Path]
		delete(there, e.Path)
		switch {
		case !ok:
			v.find(fileGone, e.Path, "the index lists it, and it is not there")
			continue
		case !f.Regular:
			v.find(handEdited, e.Path, "it is a symbolic link or a submodule, and no file")
			continue
		}
		data, err := s.Read(f)
		if err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(data); "sha256:"+hex.EncodeToString(sum[:]) != e.Digest {
			v.find(handEdited, e.Path, "it was edited by hand since zave wrote it")
			continue
		}
		ours = append(ours, tree.File{Path: e.Path, Data: data, Unit: e.Unit})
	}
	for _, f := range stored { // in their order
		if _, ok := there[f.Path]; !ok {
			continue
		}
		if f.Regular && isManifest(f.Path) {
			data, err := s.Read(f)
			if err != nil {
				return nil, err
			}
			if bytes.Contains(data, []byte(label.Generator+":")) {
				v.find(fileUnlisted, f.Path, "zave wrote it, and the index does not list it: nothing would ever remove it")
				continue
			}
		}
		v.Others++
	}
	return ours, nil
}

func isManifest(file string) bool {
	return (path.Ext(file) == ".yaml" || path.Ext(file) == ".yml") && path.Base(file) != layout.Kustomization
}

// lastChanges finds the commits of what is wrong, and the one that says where the tree comes from: the latest that
// changed the index.
func (v *verification) lastChanges(ctx context.Context, s *remote.Snapshot) (source *remote.Head, err error) {
	if len(publications(s.Message)) > 0 {
		_, err = blame(ctx, s, v.Findings)
		return &s.Head, err
	}
	indexDir := path.Dir(tree.IndexPath)
	last, err := blame(ctx, s, v.Findings, indexDir)
	return last[indexDir], err
}

// blame finds the commits that made the files of findings, and further paths, what they are.
func blame(ctx context.Context, s *remote.Snapshot, of []verifyFinding, paths ...string) (map[string]*remote.Head, error) {
	for _, f := range of {
		paths = append(paths, f.Path)
	}
	if len(paths) == 0 {
		return nil, nil
	}
	last, err := s.LastChange(ctx, paths)
	if err != nil {
		return nil, err
	}
	for i := range of {
		if c := last[of[i].Path]; c != nil {
			subject, _, _ := strings.Cut(c.Message, "\n")
			of[i].Last = &verifyChange{
				c.Hash.String(), diag.Visible(c.Author.Name), diag.Visible(c.Author.Email), c.Author.When, diag.Visible(subject),
			}
		}
	}
	return last, nil
}

// sourceCommits finds the commit of the specs, and after it those that parts of the tree were left of. Where one cannot
// be had, v says why; exit says whether that was to be expected.
func (v *verification) sourceCommits(p *platformRepo, from *remote.Head) ([]*gitrepo.Commit, error) {
	unknown := func(exit int, hint, format string, args ...any) ([]*gitrepo.Commit, error) {
		v.Unproved, v.hint, v.exit = fmt.Sprintf(format, args...), hint, exit
		return nil, nil
	}
	var names []string // of the commits
	if from != nil {
		said, err := latestOf(publications(from.Message), p)
		if err != nil {
			return nil, err
		}
		source, kept := trailer(said, sourceTrailer), trailers(said, keptTrailer)
		v.Source, v.Version = diag.Visible(source), diag.Visible(trailer(said, versionTrailer))
		for _, at := range kept {
			v.Kept = append(v.Kept, diag.Visible(at))
		}
		for _, at := range slices.Concat([]string{source}, kept) {
			_, name, _ := cutLast(at, "@")
			names = append(names, name)
		}
	}
	switch {
	case p == nil:
		return unknown(exitFine, "run it in the platform repository to prove that it is what the specs compile to",
			"there are no specs here to compare with")
	case p.repo == nil:
		return unknown(exitUnknown, "run it in a clone of the platform repository", "the specs here are in no git repository")
	case from == nil:
		return unknown(exitUnknown, "a clone with more of its history has it",
			"the commit that changed the index last is too far back to say where the tree comes from")
	case names[0] == "":
		return unknown(exitUnknown,
			"'zave publish' says so in its commits, and a squash merge may lose it: merge the commits as they are",
			"the commit %.10s, which changed the index last, does not say where the tree comes from (Zave-Source)", from.Hash)
	}
	var out []*gitrepo.Commit
	for i, name := range names {
		c, err := p.repo.Resolve(name)
		missing := len(name) != 40 || errors.Is(err, gitrepo.ErrNotFound) || errors.Is(err, gitrepo.ErrShallow)
		switch {
		case missing && i > 0:
			return unknown(exitUnknown,
				"fetch the branch that it is on; once the two are merged, 'zave publish' leaves no such part",
				"the commit %s, of whose specs parts were left, is not in this repository", diag.Visible(name))
		case missing:
			return unknown(exitUnknown, "fetch all of its history ('git fetch --unshallow'; 'fetch-depth: 0' in Actions, "+
				"'GIT_DEPTH: 0' in GitLab CI), or look whether it is the right repository",
				"the source commit %s is not in this repository", diag.Visible(name))
		case err != nil:
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// verifyTraces holds each object to the line of the spec that it names, in one of the source commits. Without any, it has
// to name one.
func verifyTraces(files []tree.File, v *verification, commits []*gitrepo.Commit, p *platformRepo) error {
	lines := map[string]int{} // of each spec file, at the most; -1: it is not there
	count := func(file string) (int, error) {
		if n, known := lines[file]; known {
			return n, nil
		}
		lines[file] = -1
		for _, c := range commits {
			n, err := lineCount(p.repo.FS(c, p.prefix), file)
			if err != nil {
				return 0, err
			}
			lines[file] = max(lines[file], n)
		}
		return lines[file], nil
	}
	for _, f := range files {
		if !isManifest(f.Path) {
			continue
		}
		read, err := diff.FromTree([]tree.File{f})
		if err != nil {
			v.find(untraceable, f.Path, "%s", diag.Visible(err.Error()))
			continue
		}
		for _, u := range read.Units {
			for _, object := range u.Objects {
				at, before := object.Origin, len(v.Findings)
				if at.File == "" || at.Line == 0 {
					v.find(untraceable, f.Path, "it does not say which line of which spec it comes from (%s)", label.Source)
				} else if len(commits) > 0 {
					n, err := count(at.File)
					if err != nil {
						return err
					}
					if n < int(at.Line) {
						v.find(untraceable, f.Path, "it comes from %s, which is not there at %s",
							diag.Visible(at.Place()), oneOf(commits))
					}
				}
				if len(v.Findings) > before {
					v.Findings[before].Object = object.ID.String()
				}
			}
		}
	}
	return nil
}

// oneOf names commits.
func oneOf(commits []*gitrepo.Commit) string {
	var names []string
	for _, c := range commits {
		names = append(names, c.Short())
	}
	return strings.Join(names, " or ")
}

// lineCount gives how many lines a file has; -1: there is none.
func lineCount(files fs.FS, name string) (int, error) {
	if !fs.ValidPath(name) {
		return -1, nil
	}
	data, err := fs.ReadFile(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	n := bytes.Count(data, []byte("\n"))
	if len(data) > 0 && data[len(data)-1] != '\n' {
		n++
	}
	return n, err
}

// verifyCompiled compiles the specs of the source commits and holds the index against what comes out.
func (a *app) verifyCompiled(
	ctx context.Context, s *remote.Snapshot, p *platformRepo, commits []*gitrepo.Commit, index tree.Index, v *verification,
) error {
	if v.Version != version {
		v.Unproved = fmt.Sprintf("it was published by zave %s, and this is %s: whether the specs compile to it cannot be told",
			cmp.Or(v.Version, "of an unknown version"), version)
		v.hint = "run the zave that published it"
		return nil
	}
	if other, err := otherVersion(ctx, s, commits[1:]); other != "" || err != nil {
		v.Unproved = fmt.Sprintf("parts of it were published by zave %s, and this is %s: "+
			"whether the specs compile to them cannot be told", diag.Visible(other), version)
		v.hint = "once the specs are merged and published, all of it is by one zave"
		return err
	}
	h := holder{v: v, commits: commits, said: map[string]bool{}}
	for _, c := range commits {
		in, err := a.one(ctx, p, revision{report.Side{Commit: c.Hash.String()}, pastVersion(p.repo.FS(c, p.prefix))})
		if in == nil || in.result == nil {
			if in != nil && errors.As(err, new(*problem)) {
				err = nil
				v.Unproved, v.exit = fmt.Sprintf("the specs at %s do not compile (%s)", c.Short(), in.list.Summary()), exitUnknown
			}
			return err
		}
		h.made = append(h.made, in.result.Tree.Index(generatorName()))
	}
	for _, f := range v.Findings {
		h.said[f.Path] = true
	}
	if err := h.hold(index); err != nil {
		return err
	}
	v.Proved = "specs"
	return nil
}

// otherVersion gives the version of another zave that published from one of these commits; empty: as far as the history
// goes, this one did.
func otherVersion(ctx context.Context, s *remote.Snapshot, commits []*gitrepo.Commit) (other string, err error) {
	if len(commits) == 0 {
		return "", nil
	}
	history, err := s.History(ctx)
	if err != nil {
		return "", err
	}
	defer history.Close()
	for _, h := range history.Commits {
		for _, p := range publications(h.Message) {
			_, source, _ := cutLast(trailer(p, sourceTrailer), "@")
			ours := slices.ContainsFunc(commits, func(c *gitrepo.Commit) bool { return c.Hash.String() == source })
			if by := trailer(p, versionTrailer); ours && by != version {
				return cmp.Or(by, "of an unknown version"), nil
			}
		}
	}
	return "", nil
}

// holder holds an index against what several commits of the specs compile to.
//
// There is more than one where publications did not know each other: each then has left parts as the other had them. A
// part is all that is of a tenant, on every cluster, or a shared file; it is of one of the commits as a whole. The lists
// of shared directories are made anew for what there is.
type holder struct {
	v       *verification
	commits []*gitrepo.Commit
	made    []tree.Index
	said    map[string]bool // files that something else is wrong with
}

func (h *holder) find(file, format string, args ...any) {
	if !h.said[file] {
		h.v.find(notCompiled, file, format, args...)
	}
}

func (h *holder) hold(index tree.Index) error {
	several := len(h.made) > 1
	if several {
		if err := h.holdLists(index); err != nil {
			return err
		}
	}
	type part map[string]string // digests by path
	parts := func(x tree.Index) map[string]part {
		out := map[string]part{}
		for _, e := range x.Files {
			name := e.Path
			if _, tenant := layout.Owner(e.Path); tenant != "" {
				name = tenant + "/"
			} else if several && sharedList(e.Path) {
				continue
			}
			if out[name] == nil {
				out[name] = part{}
			}
			out[name][e.Path] = e.Digest
		}
		return out
	}
	stands, names := parts(index), map[string]bool{}
	var compiled []map[string]part // by commit
	for _, x := range h.made {
		compiled = append(compiled, parts(x))
	}
	for _, side := range append(compiled, stands) {
		for name := range side {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		is, nearest, least := stands[name], 0, []string(nil)
		for i, side := range compiled {
			if d := differing(is, side[name]); i == 0 || len(d) < len(least) {
				nearest, least = i, d
			}
		}
		for _, file := range least {
			digest, there := is[file]
			at := h.commits[nearest].Short()
			other := slices.IndexFunc(compiled, func(side map[string]part) bool { return side[name][file] == digest })
			switch known := slices.ContainsFunc(compiled, func(side map[string]part) bool { return side[name][file] != "" }); {
			case !there:
				h.find(file, "the specs at %s compile to it, and it was not published", at)
			case other >= 0:
				h.find(file, "it is what the specs at %s compile to, and the rest of the tenant %s is of those at %s: "+
					"a tenant is of one commit", h.commits[other].Short(), strings.TrimSuffix(name, "/"), at)
			case known:
				h.find(file, "it is not what the specs at %s compile to", oneOf(h.commits))
			default:
				h.find(file, "the specs at %s do not compile to it", oneOf(h.commits))
			}
		}
	}
	return nil
}

// differing gives the files that are not the same in two parts, sorted.
func differing(a, b map[string]string) []string {
	var out []string
	for file, digest := range a {
		if b[file] != digest {
			out = append(out, file)
		}
	}
	for file := range b {
		if a[file] == "" {
			out = append(out, file)
		}
	}
	slices.Sort(out)
	return out
}

// sharedList tells whether a file lists a directory that is no single tenant's.
func sharedList(file string) bool {
	_, tenant := layout.Owner(file)
	return tenant == "" && path.Base(file) == layout.Kustomization
}

// holdLists holds the lists of shared directories against what the index has there.
func (h *holder) holdLists(index tree.Index) error {
	var listed []string
	for _, e := range index.Files {
		if !sharedList(e.Path) {
			listed = append(listed, e.Path)
		}
	}
	none, err := tree.New(nil)
	if err != nil {
		return err
	}
	complete, err := layout.Complete(none, listed)
	if err != nil {
		return err
	}
	want := complete.Index(generatorName())
	for _, e := range want.Files {
		if is, ok := index.Find(e.Path); !ok {
			h.find(e.Path, "it is to list what is in its directory, and it was not published")
		} else if is.Digest != e.Digest {
			h.find(e.Path, "it does not list exactly what is in its directory")
		}
	}
	for _, e := range index.Files {
		if _, ok := want.Find(e.Path); !ok && sharedList(e.Path) {
			h.find(e.Path, "there is nothing in its directory that it could list")
		}
	}
	return nil
}

// tellVerification prints it, and gives the exit code.
func (a *app) tellVerification(v *verification, format string) error {
	order := []string{brokenIndex, handEdited, fileGone, fileUnlisted, untraceable, notCompiled}
	slices.SortStableFunc(v.Findings, func(x, y verifyFinding) int {
		return cmp.Or(cmp.Compare(slices.Index(order, x.Kind), slices.Index(order, y.Kind)), cmp.Compare(x.Path, y.Path))
	})
	for _, f := range v.Findings {
		if f.Kind != untraceable && f.Kind != notCompiled {
			v.Proved = "nothing"
		} else if v.Proved == "specs" {
			v.Proved = "digests"
		}
	}
	if format == string(diag.JSON) {
		if err := writeJSON(a.stdout, v); err != nil {
			return err
		}
	} else {
		fmt.Fprint(a.stdout, v.text())
	}
	switch {
	case len(v.Findings) > 0:
		n := map[string]int{}
		for _, f := range v.Findings {
			n[f.Kind]++
		}
		var parts []string
		for _, k := range order {
			if n[k] > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n[k], k))
			}
		}
		hint := "change the specs where an edit is to stay, and publish again: 'zave publish --force' discards it"
		if v.Proved == "digests" {
			hint = "'zave publish' makes it what the specs compile to"
		}
		return &problem{
			exit: exitInput, text: "what is published is not as zave published it: " + strings.Join(parts, ", "), hint: hint,
		}
	case v.exit != exitFine:
		return &problem{exit: v.exit, text: v.Unproved, hint: v.hint}
	}
	return nil
}

// text is the verification for people.
func (v *verification) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %.10s: %s of ours", v.place(), v.Commit, count(v.Files, "file"))
	if v.Others > 0 {
		fmt.Fprintf(&b, ", %d of others beside them", v.Others)
	}
	b.WriteString("\n")
	if v.Source != "" {
		fmt.Fprintf(&b, "published from %s by zave %s\n", v.Source, cmp.Or(v.Version, "of an unknown version"))
	}
	for _, kept := range v.Kept {
		fmt.Fprintf(&b, "parts of it were left as they were published from %s\n", kept)
	}
	for _, f := range v.Findings {
		name := diag.Visible(f.Path)
		if f.Object != "" {
			name += ", " + diag.Visible(f.Object)
		}
		fmt.Fprintf(&b, "%s: %s\n", name, f.Says)
		if c := f.Last; c != nil {
			fmt.Fprintf(&b, "  last changed by %s <%s> in %.10s, %s\n", c.Author, c.Email, c.Commit, c.Subject)
		}
	}
	switch {
	case len(v.Findings) > 0:
	case v.Proved == "specs" && len(v.Kept) > 0:
		b.WriteString("proved: the index is complete, every digest is right, and each tenant and shared file is exactly what " +
			"the specs of one of these commits compile to\n")
	case v.Proved == "specs":
		b.WriteString("proved: the index is complete, every digest is right, and the specs compile to exactly this\n")
	default:
		fmt.Fprintf(&b, "proved: the index is complete, and every digest is right\nnot proved: %s\n", v.Unproved)
		if v.exit == exitFine {
			b.WriteString(v.hint + "\n")
		}
	}
	return b.String()
}
