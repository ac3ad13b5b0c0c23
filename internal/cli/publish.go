package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/mail"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/diff"
	"github.com/zavestudios/zave/internal/diff/format"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/forge"
	"github.com/zavestudios/zave/internal/gitrepo"
	"github.com/zavestudios/zave/internal/gitrepo/remote"
	"github.com/zavestudios/zave/internal/leak"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/publish"
	"github.com/zavestudios/zave/internal/tree"
)

// publishOptions are the flags of publish.
type publishOptions struct {
	repo, branch      string // empty: the platform's own
	adopt, force      bool
	dryRun            bool
	author, committer string // "Name <address>"; empty: git's own
	signKey, sshKey   string // files, absolute; empty: none
	interlocks        interlocks
	verify            bool
	format            string // of verify
	from              string // what a relative address is relative to
	pullRequest       bool
	forge             string // "github" or "gitlab"; empty: as the address tells
}

func (a *app) publishCommand() *cobra.Command {
	var o publishOptions
	cmd := &cobra.Command{
		Use:   "publish [flags]",
		Short: "Commit the tree to the GitOps repository",
		Long: "Compile the specs of HEAD and commit what changes in the tree to the branch that Flux and Argo CD watch, which " +
			"the platform's gitops names. No checkout is needed, and git is not run.\n\n" +
			"Nothing is published that 'zave check' refuses, nor specs that are not committed. What zave did not write stays as " +
			"it is; a file that was edited by hand, or one that is in the way, stops everything, unless it is forced. A " +
			"repository that zave does not manage yet is taken over with --adopt.\n\n" +
			"When somebody else publishes at the same time, what changes is found anew, and pushed again: the branch is never " +
			"forced. Of a tenant that both have changed, the newer commit of the specs wins.",
		Example: "  zave publish\n" +
			"  zave publish --dry-run                         what would be committed?\n" +
			"  zave publish --repo ../platform-gitops.git     to another repository\n" +
			"  zave publish --adopt                           for the first time\n" +
			"  zave publish --branch review --pull-request    for a review\n" +
			"  zave publish --verify                          is it as it was published?",
		Args:                  noArgs("the repository is named by --repo"),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"repo", "branch", "author", "committer", "sign-key", "ssh-key"} {
				if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
					return usage(cmd, "--%s needs a value", name)
				}
			}
			for _, who := range []struct{ name, value string }{{"author", o.author}, {"committer", o.committer}} {
				if who.value == "" {
					continue
				}
				if _, err := parsePerson(who.value); err != nil {
					return usage(cmd, "--%s %q is not of the form 'Name <address>'", who.name, who.value)
				}
			}
			if err := o.together(cmd); err != nil {
				return err
			}
			if o.verify {
				return a.publishVerify(cmd.Context(), o.verification())
			}
			return a.publish(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.repo, "repo", "", "publish to the repository at `URL`, by default the platform's gitops.url")
	f.StringVar(&o.branch, "branch", "", "publish to the branch `NAME`, by default the platform's gitops.branch")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "print the commit that would be made, and make none")
	f.BoolVar(&o.adopt, "adopt", false, "take over a repository or a branch that zave does not manage yet")
	f.BoolVar(&o.force, "force", false, "overwrite what was edited by hand or is in the way, and what newer specs published")
	o.interlocks.most = defaultDeletes()
	f.StringSliceVar(&o.interlocks.allow, "allow-delete", nil,
		"delete `NAME` for good: a tenant, a database, a service, Kind/namespace/name or Kind/name; may be repeated")
	f.Var(&o.interlocks.most, "max-delete", "refuse to delete more of a cluster's files: a number, or a percentage")
	f.BoolVar(&o.verify, "verify", false, "prove what is published instead, and list each edit by hand")
	o.format = string(diag.Text)
	f.Var(&choice{&o.format, "FORMAT", []string{"text", "json"}}, "format", "how to print --verify: text or json")
	complete(cmd, "format", func(string) []string { return []string{"text", "json"} })
	f.StringVar(&o.author, "author", "", "`PERSON` who is the commit's author: 'Name <address>'; by default as git has it")
	f.StringVar(&o.committer, "committer", "", "`PERSON` who makes the commit; by default as git has it, or the author")
	f.StringVar(&o.signKey, "sign-key", "", "sign the commit with the key in `FILE`, of SSH or OpenPGP")
	f.StringVar(&o.sshKey, "ssh-key", "", "log in over ssh with the private key in `FILE`")
	f.BoolVar(&o.pullRequest, "pull-request", false,
		"open a pull or merge request from the --branch to the platform's own, or bring it up to date; the token is read from "+
			"GITHUB_TOKEN or GITLAB_TOKEN")
	forges := []string{"github", "gitlab"}
	f.Var(&choice{&o.forge, "FORGE", forges}, "forge",
		"what the repository's server is: github or gitlab, with its API at GITHUB_API_URL or CI_API_V4_URL; by default as its name tells")
	complete(cmd, "forge", func(string) []string { return forges })
	return cmd
}

// verification are the flags as --verify takes them.
func (o publishOptions) verification() publishVerifyOptions {
	return publishVerifyOptions{repo: o.repo, branch: o.branch, format: o.format, remote: remote.Options{KeyFile: o.sshKey}}
}

// parsePerson reads "Name <address>".
func parsePerson(s string) (remote.Person, error) {
	address, err := mail.ParseAddress(s)
	if err == nil && address.Name == "" {
		err = errors.New("there is no name")
	}
	if err != nil {
		return remote.Person{}, err
	}
	return remote.Person{Name: address.Name, Email: address.Address}, nil
}

// publication is one tree on its way to a branch.
type publication struct {
	options  publishOptions
	platform *platformRepo
	source   *gitrepo.Commit // of the specs
	origin   string          // where the specs are from, without credentials
	files    revision        // the specs
	head     *compiledSpecs
	told     bool // what is wrong with the specs was said
	remote   *remote.Remote
	branch   string

	author, committer remote.Person
	sign              remote.Signer

	forge  forge.Target  // where a pull request is opened
	onto   []remote.Hash // the branch for it, where what it leads to is merged into it
	behind []remote.Hash // the branch for it, where it is merged into what it leads to
	stands bool          // the branch has what was to be published
	pushed *change       // in the last attempt; nil: there was none

	relations map[string]publish.Relation // of commits of the specs, by ancestry
	kept      []string                    // such commits, of which parts stay that ours do not come from
	left      string                      // what was said of that
	before    *gitrepo.Commit             // of the specs that the branch has, where that is here; may be nil
}

// publish is the command.
func (a *app) publish(ctx context.Context, o publishOptions) error {
	var err error
	if o.from, err = os.Getwd(); err != nil {
		return err
	}
	for _, file := range []*string{&o.signKey, &o.sshKey} {
		if *file != "" && !filepath.IsAbs(*file) {
			*file = filepath.Join(o.from, *file)
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // a tenth less of memory, for hardly any time: the estate may be large
	}
	p := &publication{options: o, relations: map[string]publish.Relation{}}
	if p.platform, err = a.openPlatform(); err != nil {
		return err
	}
	defer p.platform.close()
	if err := a.readPublication(ctx, p); err != nil {
		return repositoryProblem(err)
	}
	if err := p.connect(); err != nil {
		return repositoryProblem(err)
	}
	if o.pullRequest {
		if err := p.prepareReview(); err != nil {
			return err
		}
	}
	if err := a.land(ctx, p); err != nil || !o.pullRequest {
		return repositoryProblem(err)
	}
	return repositoryProblem(a.review(ctx, p))
}

// readPublication reads the specs of HEAD, and refuses what is not to be published and what does not link.
func (a *app) readPublication(ctx context.Context, p *publication) error {
	repo, err := p.platform.needsGit()
	if err != nil {
		return err
	}
	if p.source, err = repo.Head(); err != nil {
		return err
	}
	if p.source == nil {
		return &problem{exit: exitInput, text: "there is no commit yet to publish", hint: "commit the specs first"}
	}
	if p.origin, err = repo.Origin(); err != nil {
		return err
	}
	files := p.platform.at("HEAD", p.source)
	cache := specCache()
	defer cache.Save()
	side, err := a.read(ctx, files.files, cache)
	if err != nil {
		return err
	}
	if p.platform.root != "" {
		files.Commit = "" // the work tree has the same, whose files people can open
		now, err := load.Digest(".", load.Options{})
		if err != nil {
			return err
		}
		if !bytes.Equal(now, side.InputDigest[:]) {
			return &problem{
				exit: exitInput, text: "the specs in the work tree are not those of HEAD " + p.source.Short() + ": only what is committed is published",
				hint: "commit them, or put them aside with 'git stash'; 'git status' names them",
			}
		}
	}
	p.files = files
	if p.head = a.compilable(side); p.head == nil {
		return a.refuseSpecs(p, side)
	}
	return nil
}

// refuseSpecs reports what is wrong with the specs; nil where that is no reason not to publish them.
func (a *app) refuseSpecs(p *publication, s *side) error {
	if err := a.problems(s.input, p.files); err != nil {
		return err
	}
	if s.list.HasErrors() {
		a.say("%s: nothing was published", s.list.Summary())
		return errReported()
	}
	return nil
}

// beside gives the tree and a commit of the branch, nil for none, both without what is settled, and refuses what check
// refuses of the tree.
func (a *app) beside(ctx context.Context, p *publication, s *remote.Snapshot) (*publish.Compiled, publish.Side, error) {
	compiled, is, err := p.head.beside(ctx, a, s)
	if err == nil && (!p.told || compiled == nil) {
		p.told = true
		err = a.refuseSpecs(p, p.head.side)
	}
	return compiled, is, err
}

// connect finds out where to, and as whom. Nothing is connected to yet.
func (p *publication) connect() (err error) {
	o, gitops := p.options, p.head.Set.Platform.GitOps
	p.branch = o.branch
	if p.branch == "" {
		p.branch = gitops.Branch
	}
	at := o.repo
	if at == "" {
		at = gitops.URL
	}
	p.remote, err = remote.Open(at, remote.Options{Environ: os.Environ(), Dir: o.from, KeyFile: o.sshKey})
	if err != nil {
		return err
	}
	if p.origin = originName(p.origin); p.origin == "" {
		p.origin = p.head.Set.Platform.Name
	}
	for _, who := range []struct {
		to    *remote.Person
		role  string
		given string
	}{{&p.author, "author", o.author}, {&p.committer, "committer", o.committer}} {
		if who.given != "" {
			if *who.to, err = parsePerson(who.given); err != nil {
				return err
			}
			continue
		}
		name, email, err := p.platform.repo.Person(who.role)
		switch {
		case errors.Is(err, gitrepo.ErrNobody) && who.role == "committer" && o.author != "":
			*who.to = p.author
		case errors.Is(err, gitrepo.ErrNobody):
			return &problem{exit: exitInput, text: err.Error(), hint: "give --author 'NAME <ADDRESS>', or set user.name and user.email"}
		case err != nil:
			return err
		default:
			*who.to = remote.Person{Name: name, Email: email}
		}
	}
	// That of the author is the specs' own, so that it tells which of two publications is the newer.
	p.author.When, p.committer.When = p.source.When(), time.Now().UTC()
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		n, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil || n < 0 {
			return &problem{exit: exitInput, text: fmt.Sprintf("SOURCE_DATE_EPOCH is %q, and not a number of seconds", epoch),
				hint: "set it to the seconds since 1970-01-01 UTC, as 'git log -1 --format=%ct' prints them, or unset it"}
		}
		p.author.When = time.Unix(n, 0).UTC()
		p.committer.When = p.author.When
	}
	if o.signKey != "" {
		p.sign, err = remote.SignKey{
			File: o.signKey, Passphrase: os.Getenv("ZAVE_SIGN_PASSPHRASE"), Agent: os.Getenv("SSH_AUTH_SOCK"), When: p.committer.When,
		}.Signer()
	}
	return err
}

// originName is a repository as a commit names it: "github.com/OWNER/NAME"; empty for a directory of this machine.
func originName(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host + strings.TrimSuffix(strings.TrimRight(u.Path, "/"), ".git")
	}
	host, name, ok := strings.Cut(address, ":") // as ssh has it
	if !ok || strings.Contains(host, "/") {
		return ""
	}
	_, host, _ = cutLast("@"+host, "@")
	return host + "/" + strings.TrimSuffix(strings.Trim(name, "/"), ".git")
}

// attempts is how often a commit is made anew because somebody else was first.
const attempts = 5

// land makes a commit of what changes, and pushes it.
func (a *app) land(ctx context.Context, p *publication) error {
	for attempt := 1; ; attempt++ {
		err := a.attempt(ctx, p)
		again := errors.Is(err, remote.ErrRaced) || errors.Is(err, remote.ErrInterrupted)
		if !again || attempt == attempts {
			if errors.Is(err, remote.ErrRaced) {
				return &problem{
					exit: exitUnknown, hint: "run it again: nothing of this one was published",
					text: fmt.Sprintf("somebody else was first %d times over on the branch %s of %s", attempts, p.branch, p.remote),
				}
			}
			return err
		}
		a.stages.begin("wait")
		a.stages.at("for another publication")
		const step = 100 * time.Millisecond
		wait := time.NewTimer(step<<attempt/2 + rand.N(step<<attempt))
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
		a.stages.end()
	}
}

// attempt reads the branch, decides, and pushes once.
func (a *app) attempt(ctx context.Context, p *publication) error {
	defer a.stages.end()
	a.stages.begin("fetch")
	snapshot, err := p.remote.Fetch(ctx, p.branch)
	if errors.Is(err, remote.ErrEmpty) || errors.Is(err, remote.ErrNoBranch) {
		if !p.options.adopt && !(p.options.pullRequest && errors.Is(err, remote.ErrNoBranch)) {
			return &problem{exit: exitInput, text: err.Error(), hint: "check --repo and --branch; to begin there, add --adopt"}
		}
		snapshot, err = nil, nil
	}
	if err != nil {
		return err
	}
	var old remote.Hash
	if snapshot != nil {
		old = snapshot.Hash
	}
	if p.options.pullRequest {
		if snapshot, err = a.reviewBase(ctx, p, snapshot); err != nil {
			return err
		}
	}
	if snapshot != nil {
		defer snapshot.Close()
	}
	c, err := a.decide(ctx, p, snapshot)
	if c == nil || err != nil {
		return err
	}
	if p.options.dryRun {
		return a.printCommit(c)
	}
	a.stages.begin("push")
	p.pushed = c
	err = p.remote.Push(ctx, p.branch, old, c.made)
	if errors.Is(err, remote.ErrRaced) || errors.Is(err, remote.ErrUnclear) {
		// It may have arrived all the same, and somebody else's on top of it.
		if landed, e := p.remote.Landed(ctx, p.branch, c.made.Hash); e == nil && landed {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	a.stages.end()
	p.stands = true
	a.sayPublished(p, c)
	return nil
}

// change is a commit that is to be pushed.
type change struct {
	made    *remote.Commit
	message string
	plan    *publish.Plan
}

// decide compares with the head of the branch, nil where there is none, and makes the commit; nil: there is nothing to
// do, and that was said.
func (a *app) decide(ctx context.Context, p *publication, snapshot *remote.Snapshot) (*change, error) {
	at, was, err := a.beside(ctx, p, snapshot)
	if err != nil {
		return nil, err
	}
	a.stages.begin("compare")
	if snapshot != nil {
		if !managed(was) && !p.options.adopt {
			return nil, &problem{
				exit: exitInput, text: fmt.Sprintf("the branch %s of %s is not managed by zave: it has no %s", p.branch, p.remote, tree.IndexPath),
				hint: "look at what would be committed with --adopt --dry-run, and take it over with --adopt, once",
			}
		}
		if managed(was) && !p.options.force {
			if at, err = a.meet(ctx, p, snapshot, at, was); at == nil || err != nil {
				return nil, err
			}
		}
	}
	plan, err := at.Against(was, p.options.force)
	if err != nil {
		return nil, err
	}
	if plan.Blocked() && !p.options.force {
		return nil, a.blocked(ctx, p, snapshot, plan)
	}
	if len(plan.Write)+len(plan.Remove) == 0 {
		p.stands = true
		if c := p.pushed; c != nil { // in an attempt that broke off, and was thought to have failed
			landed, err := p.remote.Landed(ctx, p.branch, c.made.Hash)
			if err != nil {
				return nil, err
			}
			if landed {
				a.sayPublished(p, c)
				return nil, nil
			}
		}
		a.say("%s of %s is up to date: %s", p.branch, p.remote, estate(p.head.Set))
		return nil, nil
	}
	r, err := p.compare(was, at, plan)
	if err != nil {
		return nil, err
	}
	owned := func() ([]string, error) { return indexedFiles(ctx, snapshot) }
	if err := interlock(r, owned, p.options.interlocks); err != nil {
		return nil, err
	}
	a.sayUnusedDeletes(r, p.options.interlocks.allow)
	c := &change{plan: plan, message: p.message(r)}
	a.stages.begin("commit")
	edit := remote.Change{
		Remove: plan.Remove, Author: p.author, Committer: p.committer, Message: c.message, Sign: p.sign, Onto: p.onto, Behind: p.behind,
	}
	for _, f := range plan.Write {
		edit.Write = append(edit.Write, remote.File{Path: f.Path, Data: f.Data})
	}
	c.made, err = remote.NewCommit(snapshot, edit)
	return c, err
}

// cutLast cuts at the last separator.
func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// knows gives a commit of the specs, where it is here; nil where it is not.
func (p *publication) knows(commit string) (*gitrepo.Commit, error) {
	raw, err := hex.DecodeString(commit)
	if err != nil || len(raw) != len(gitrepo.Hash{}) || !p.platform.repo.Has(gitrepo.Hash(raw)) {
		return nil, nil
	}
	return p.platform.repo.Commit(gitrepo.Hash(raw))
}

// relation tells what a commit of the specs, of that time, is to the one that is published.
func (p *publication) relation(commit string, when time.Time) (publish.Relation, error) {
	known, ok := p.relations[commit]
	if !ok {
		var err error
		if known, err = p.ancestry(commit); err != nil {
			return known, err
		}
		p.relations[commit] = known
	}
	if known != publish.Earlier {
		return known, nil
	}
	later := when.After(p.source.When())
	switch shallow := p.platform.repo.Shallow(); { // where it is most likely behind the end of the clone, or ahead of it
	case shallow && later:
		return publish.Descendant, nil
	case shallow:
		return publish.Ancestor, nil
	case later:
		return publish.Later, nil
	}
	return publish.Earlier, nil
}

// ancestry is relation without the time: Earlier where neither commit comes from the other, as far as that is known here.
func (p *publication) ancestry(commit string) (publish.Relation, error) {
	c, err := p.knows(commit)
	if c == nil || err != nil {
		return publish.Earlier, err
	}
	if older, err := p.platform.repo.Behind(c, p.source); older || err != nil {
		return publish.Ancestor, err
	}
	if newer, err := p.platform.repo.Behind(p.source, c); newer || err != nil {
		return publish.Descendant, err
	}
	return publish.Earlier, nil
}

// meet decides what to publish where the branch has a publication already; nil: nothing, which was said. What the branch
// has of specs that ours come from is replaced, and what it has of specs that come from ours stays. Where neither is so,
// it is decided by tenant and shared file.
func (a *app) meet(
	ctx context.Context, p *publication, s *remote.Snapshot, ours *publish.Compiled, is publish.Side,
) (*publish.Compiled, error) {
	p.kept, p.before = nil, nil
	by, err := p.publishedBy(&s.Head)
	if err != nil {
		return nil, err
	}
	var history *remote.History
	read := func() (err error) {
		if history == nil {
			history, err = s.History(ctx)
		}
		return err
	}
	defer func() {
		if history != nil {
			history.Close()
		}
	}()
	if by == nil { // somebody committed something else since
		if err := read(); err != nil {
			return nil, err
		}
		var last *remote.Head
		for _, last = range history.Commits {
			if by, err = p.publishedBy(last); by != nil || err != nil {
				break
			}
		}
		if by == nil || err != nil { // nil: the tree was put there otherwise
			return ours, err
		}
		if err := p.since(ctx, s, history, last, ours, is); err != nil {
			return nil, err
		}
	}
	var unrelated []string
	for _, commit := range slices.Concat([]string{by.commit}, by.kept) {
		switch r, err := p.relation(commit, by.when); {
		case err != nil:
			return nil, err
		case r == publish.Descendant:
			a.say("nothing to do: %s of %s has the specs of %.10s, which is newer than HEAD %s", p.branch, p.remote, commit, p.source.Short())
			return nil, nil
		case r != publish.Ancestor:
			unrelated = append(unrelated, commit)
		}
	}
	if p.before, err = p.knows(by.commit); err != nil {
		return nil, err
	}
	if len(unrelated) == 0 {
		return ours, nil
	}
	if err := read(); err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	for _, group := range ours.Differing(is) {
		past, err := p.past(history, group, ours, is)
		if err != nil {
			return nil, err
		}
		if publish.Keeps(past) {
			keep[group] = true
		}
	}
	if len(keep) == 0 {
		return ours, nil
	}
	p.kept = unrelated
	left := fmt.Sprintf("left as it was published from %.10s, which HEAD %s does not come from: %s", unrelated[0], p.source.Short(),
		someOf(namesOf(keep)))
	if left != p.left { // of the branch for review, and of the one that it leads to
		a.say("%s", left)
		p.left = left
	}
	merged, stops, err := ours.Merge(is, keep)
	if err == nil && stops.Blocked() {
		err = a.blocked(ctx, p, s, stops)
	}
	return merged, err
}

// since refuses to go back behind a commit that changed the index since the last publication and does not say of which
// specs it is, such as a branch for review that was squashed. Specs that were committed after it are taken for newer.
func (p *publication) since(
	ctx context.Context, s *remote.Snapshot, history *remote.History, last *remote.Head, ours *publish.Compiled, is publish.Side,
) error {
	index := path.Dir(tree.IndexPath)
	now, err := history.Find(&s.Head, index)
	if err != nil {
		return err
	}
	then, err := history.Find(last, index)
	if err != nil || now == then {
		return err
	}
	changed, err := s.LastChange(ctx, []string{index})
	c := changed[index]
	if err != nil || c == nil || !c.Committer.When.After(p.source.When()) || len(ours.Differing(is)) == 0 {
		return err
	}
	return &problem{
		exit: exitInput, text: fmt.Sprintf("%s of %s was changed by %s in %.10s, after HEAD %s was committed, and it is not said of which specs that is (%s)",
			p.branch, p.remote, diag.Visible(c.Author.Name), c.Hash, p.source.Short(), sourceTrailer),
		hint: "publish newer specs, or these with --force, which puts them in its place; a branch for review that is merged without squashing says it",
	}
}

// past is what the branch's publications have of a part.
func (p *publication) past(
	history *remote.History, group string, tree *publish.Compiled, is publish.Side,
) ([]publish.Past, error) {
	marks := tree.Marks(group, is)
	state := func(i int) (hashes []remote.Hash, err error) {
		hashes = make([]remote.Hash, len(marks))
		for k := range marks {
			if i < len(history.Commits) {
				hashes[k], err = history.Find(history.Commits[i], marks[k])
			}
			if err != nil {
				return nil, err
			}
		}
		return hashes, nil
	}
	ours := make([]remote.Hash, len(marks))
	for k, name := range marks {
		ours[k] = tree.Hash(name)
	}
	now, err := state(0)
	if err != nil {
		return nil, err
	}
	var out []publish.Past
	for i, h := range history.Commits {
		before, err := state(i + 1)
		if err != nil {
			return nil, err
		}
		last := i == len(history.Commits)-1
		x := publish.Past{Same: slices.Equal(now, before) || last && !history.Whole, Ours: slices.Equal(now, ours)}
		by, err := p.publishedBy(h)
		if err != nil {
			return nil, err
		}
		if by != nil {
			if x.Relation, err = p.relation(by.commit, by.when); err != nil {
				return nil, err
			}
		}
		out = append(out, x)
		now = before
	}
	if history.Whole { // and before it, there was nothing
		out = append(out, publish.Past{Ours: slices.Equal(now, ours)})
	}
	return out, nil
}

// namesOf are the parts as people call them.
func namesOf(parts map[string]bool) []string {
	var out []string
	for g := range parts {
		out = append(out, strings.TrimSuffix(g, "/"))
	}
	slices.Sort(out)
	return out
}

// someOf names the first few.
func someOf(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return diag.Visible(strings.Join(names[:most], ", ")) + fmt.Sprintf(" and %d more", more)
	}
	return diag.Visible(strings.Join(names, ", "))
}

// blocked names what stops a publication, with who was last at it.
func (a *app) blocked(ctx context.Context, p *publication, s *remote.Snapshot, plan *publish.Plan) error {
	var edited, deleted []string
	for _, e := range plan.HandEdited {
		edited = append(edited, e.Path)
	}
	gone := map[string]int{} // how many files are gone with what was deleted: a file, or a directory as a whole
	for _, e := range plan.Deleted {
		top := e.Path
		for dir := path.Dir(top); dir != "."; dir = path.Dir(dir) {
			_, there, err := s.Find(dir)
			if err != nil {
				return err
			}
			if there {
				break
			}
			top = dir
		}
		if gone[top]++; gone[top] == 1 {
			deleted = append(deleted, top)
		}
	}
	by, err := s.LastChange(ctx, slices.Concat(edited, deleted, plan.Foreign))
	if err != nil {
		return err
	}
	in := &input{Loaded: p.head.Loaded}
	add := func(name string, d diag.Diagnostic) {
		d.Span.File = name
		if c := by[name]; c != nil {
			d.Summary += fmt.Sprintf(", last by %s in %s", diag.Visible(c.Author.Name), c.Hash.String()[:10])
		}
		if at, ok := origin(p.head.result, name); ok {
			d.Notes = append(d.Notes, diag.Note{Span: at, Text: "it comes from here"})
		}
		in.list.Add(d)
	}
	for _, name := range edited {
		add(name, diag.Diagnostic{
			Code: diag.HandEdited, Summary: "this file was edited by hand since zave wrote it",
			Hint: "change the spec that it comes from, or let zave publish --force discard the edit",
		})
	}
	for _, name := range deleted {
		what := "this file"
		if _, isFile := slices.BinarySearchFunc(plan.Deleted, name, func(e tree.Entry, p string) int { return strings.Compare(e.Path, p) }); !isFile {
			what = "this directory, with " + count(gone[name], "file") + " of zave's,"
		}
		add(name, diag.Diagnostic{
			Code: diag.HandEdited, Summary: what + " was deleted by hand since zave wrote it",
			Hint: "change the spec that it comes from, or let zave publish --force write it again",
		})
	}
	for _, name := range plan.Foreign {
		add(name, diag.Diagnostic{
			Code: diag.ForeignFile, Summary: "this is in the way: zave did not write it",
			Hint: "move it away, or let zave publish --force replace it",
		})
	}
	if err := a.report(string(diag.Text), in); err != nil {
		return err
	}
	a.say("%s: nothing was published to %s of %s", in.list.Summary(), p.branch, p.remote)
	return errReported()
}

// compare says what a plan does to the clusters: it reads the files, as the head has them, of the tenants and shared units
// that change.
func (p *publication) compare(was publish.Side, is *publish.Compiled, plan *publish.Plan) (*report.Report, error) {
	tenants, dirs := map[string]bool{}, map[string]bool{}
	touch := func(name string) {
		if _, tenant := layout.Owner(name); tenant != "" {
			tenants[tenant] = true
		} else {
			dirs[path.Dir(name)] = true
		}
	}
	for _, f := range plan.Write {
		touch(f.Path)
	}
	for _, name := range plan.Remove {
		touch(name)
	}
	meant := func(name string) bool {
		_, tenant := layout.Owner(name)
		return tenants[tenant] || dirs[path.Dir(name)] // of entry-tenants, the files of some tenants
	}
	var before []tree.File
	for _, f := range was.Files {
		e, ok := was.Index.Find(f.Path)
		if !ok || !f.Regular || !meant(f.Path) {
			continue
		}
		data, err := was.Read(f)
		if err != nil {
			return nil, err
		}
		before = append(before, tree.File{Path: f.Path, Data: data, Unit: e.Unit})
	}
	base, err := diff.FromTree(before)
	if err != nil {
		return nil, err
	}
	head := &diff.Snapshot{}
	if len(p.kept) > 0 { // not all of it is of our specs
		if head, err = diff.FromTree(is.Select(meant)); err != nil {
			return nil, err
		}
	} else {
		for _, u := range p.head.result.Units {
			dir := u.Dir()
			u.Objects = slices.DeleteFunc(slices.Clone(u.Objects), func(o object.Object) bool { return !meant(dir + "/" + o.FileName()) })
			if len(u.Objects) > 0 {
				head.Units = append(head.Units, u)
			}
		}
	}
	head.Platform = p.head.result.Platform
	var then fs.FS // an acknowledgement that came with what is published is spent
	if p.before != nil {
		then = p.platform.at("", p.before).files
	}
	acks, _, _, err := acknowledgements(then, p.platform.at("", p.source).files)
	if err != nil {
		return nil, err
	}
	return diff.Compare(base, head, diff.Options{
		Base: report.Side{Name: p.branch}, Head: report.Side{Name: "HEAD", Commit: p.source.Hash.String()}, Acks: acks,
	})
}

// message is the commit's.
func (p *publication) message(r *report.Report) string {
	text := format.CommitMessage(r, format.CommitOptions{
		Source: p.origin + "@" + p.source.Hash.String(), Version: version,
		SpecHash: "sha256:" + hex.EncodeToString(p.head.InputDigest[:]), Mask: leak.Mask,
	})
	for _, commit := range p.kept { // its last paragraph is that of trailers
		text += keptTrailer + ": " + p.origin + "@" + commit + "\n"
	}
	return text
}

// printCommit is --dry-run.
func (a *app) printCommit(c *change) error {
	var b strings.Builder
	b.WriteString(c.message + "\n")
	for _, line := range c.lines() {
		b.WriteString(line + "\n")
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}

// lines are the files of a commit, a line each.
func (c *change) lines() []string {
	written := map[string]bool{}
	for _, f := range c.plan.Write {
		written[f.Path] = true
	}
	var out []string
	for _, name := range c.made.Changed {
		verb := "removed"
		if written[name] {
			verb = "written"
		}
		out = append(out, fmt.Sprintf("  %s  %s", verb, diag.Visible(name)))
	}
	return out
}

func (a *app) sayPublished(p *publication, c *change) {
	if a.verbose {
		for _, line := range c.lines() {
			a.say("%s", line)
		}
	}
	var parts []string
	for _, part := range []struct {
		n    int
		name string
	}{
		{len(c.plan.Write) - c.plan.Missing, "changed"}, {c.plan.Missing, "added"}, {len(c.plan.Remove), "removed"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.name))
		}
	}
	a.say("published %s to %s of %s: %s", c.made.Hash.String()[:10], p.branch, p.remote,
		count(len(c.made.Changed), "file")+", "+strings.Join(parts, ", "))
}
