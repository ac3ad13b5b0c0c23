package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/diff/format"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/forge"
	"github.com/zavestudios/zave/internal/gitrepo/remote"
	"github.com/zavestudios/zave/internal/leak"
)

// together refuses flags that do not go together.
func (o publishOptions) together(cmd *cobra.Command) error {
	set := cmd.Flags().Changed
	if o.verify {
		for _, name := range []string{
			"dry-run", "adopt", "force", "allow-delete", "max-delete", "author", "committer", "sign-key", "pull-request", "forge",
		} {
			if set(name) {
				return usage(cmd, "--verify publishes nothing, and --%s is about that", name)
			}
		}
		return nil
	}
	switch {
	case set("format"):
		return usage(cmd, "--format is how --verify prints what it found")
	case o.forge != "" && !o.pullRequest:
		return usage(cmd, "--forge is where --pull-request opens one")
	case o.pullRequest && o.branch == "":
		return usage(cmd, "--pull-request needs the name of a branch for it, by --branch")
	case o.pullRequest && o.dryRun:
		return usage(cmd, "--pull-request and --dry-run exclude each other")
	}
	return nil
}

// reviewTarget finds the project on a forge that a repository's address is of, and what to reach it with. The forge is
// "github", "gitlab" or empty: as the host tells. A token goes to the forge that it is for: the address of another
// server's API counts where the forge is named, or where the server's own variables say that the repository is on it.
func reviewTarget(repo, kind string, get func(string) string) (forge.Target, error) {
	host, project := hostAndPath(repo)
	if host == "" || project == "" {
		return forge.Target{}, &problem{
			exit: exitUnknown, text: fmt.Sprintf("%s is on no forge that could open a pull request", diag.Visible(repo)),
			hint: "name the repository by its address on GitHub or GitLab: --repo https://HOST/PATH",
		}
	}
	own := func(variable string) bool {
		h, _ := hostAndPath(get(variable))
		_, on := within(repo, get(variable))
		return h != "" && strings.EqualFold(h, host) && on
	}
	named := kind != ""
	if !named {
		switch h := strings.ToLower(host); {
		case h == "github.com" || h == "ssh.github.com":
			kind = "github"
		case h == "gitlab.com" || h == "altssh.gitlab.com":
			kind = "gitlab"
		case own("GITHUB_SERVER_URL"):
			kind, named = "github", true
		case own("CI_SERVER_URL"):
			kind, named = "gitlab", true
		default:
			return forge.Target{}, &problem{
				exit: exitUnknown, text: fmt.Sprintf("it cannot be told which forge %s is", diag.Visible(host)),
				hint: "say so: --forge github or --forge gitlab, with the address of its API in GITHUB_API_URL or CI_API_V4_URL",
			}
		}
	}
	t := forge.Target{Kind: forge.GitHub, Project: project, API: "https://api.github.com", Token: get("GITHUB_TOKEN")}
	variable, address := "GITHUB_TOKEN", "GITHUB_API_URL"
	if kind == "gitlab" {
		t = forge.Target{Kind: forge.GitLab, Project: project, API: "https://gitlab.com/api/v4", Token: get("GITLAB_TOKEN")}
		variable, address = "GITLAB_TOKEN", "CI_API_V4_URL"
	}
	if api := get(address); named && api != "" {
		t.API = api
		if kind == "gitlab" {
			server := strings.TrimSuffix(strings.TrimRight(api, "/"), "/api/v4")
			if own("CI_SERVER_URL") {
				server = get("CI_SERVER_URL")
			}
			t.Project, _ = within(repo, server)
		}
	} else if named {
		return forge.Target{}, &problem{
			exit: exitUnknown, text: fmt.Sprintf("the address of %s's API on %s is not known", t.Kind, diag.Visible(host)),
			hint: "set " + address,
		}
	}
	if t.Token == "" {
		hint := "it needs a token with the permission 'Pull requests: write' for " + project
		if t.Kind == forge.GitLab {
			hint = "it needs a token with the scope 'api' and the role Developer in " + t.Project
		}
		return forge.Target{}, &problem{
			exit: exitUnknown, text: fmt.Sprintf("%s is not set, and %s opens nothing without a token", variable, t.Kind),
			hint: diag.Visible(hint),
		}
	}
	return t, nil
}

// within gives a repository's path on the server at an address, which may be below a path of its host
// (https://docs.gitlab.com/install/relative_url/): that is then what the repository's own begins with, but not over ssh.
// false: it does not begin with it, and is given whole.
func within(repo, server string) (project string, ok bool) {
	_, project = hostAndPath(repo)
	_, top := hostAndPath(server)
	if top == "" || !strings.HasPrefix(repo, "https://") && !strings.HasPrefix(repo, "http://") {
		return project, true
	}
	if rest, ok := strings.CutPrefix(project, top+"/"); ok {
		return rest, true
	}
	return project, false
}

// hostAndPath takes an address apart: https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH. Both are empty for a
// path of this machine.
func hostAndPath(address string) (host, project string) {
	if !strings.Contains(address, "://") {
		before, after, ok := strings.Cut(address, ":")
		if !ok || strings.Contains(before, "/") {
			return "", ""
		}
		host, project = before[strings.LastIndex(before, "@")+1:], after
	} else if u, err := url.Parse(address); err == nil && u.Scheme != "file" {
		host, project = u.Hostname(), u.Path
	}
	return host, strings.TrimSuffix(strings.Trim(project, "/"), ".git")
}

// reviewed is the branch that a publication is to be merged into: the platform's own.
func (p *publication) reviewed() string { return p.head.Set.Platform.GitOps.Branch }

// prepareReview finds out, before anything is pushed, what would keep the request from being opened.
func (p *publication) prepareReview() error {
	if p.branch == p.reviewed() {
		return &problem{
			exit: exitUnknown, text: "--pull-request cannot lead from the branch " + diag.Visible(p.branch) + " to itself",
			hint: "name another one with --branch, such as review/" + p.source.Short(),
		}
	}
	var err error
	p.forge, err = reviewTarget(p.remote.String(), p.options.forge, os.Getenv)
	return err
}

// reviewBase gives what a commit for review is made on: the branch as it is, or the one that it leads to, where it does
// not exist yet, or has been merged. Where the other one has gone on, or took over what was on the branch as another
// commit, the branch goes on with both, so that the request has no conflict. It takes over the snapshot of the branch,
// nil where there is none.
func (a *app) reviewBase(ctx context.Context, p *publication, branch *remote.Snapshot) (*remote.Snapshot, error) {
	p.onto, p.behind = nil, nil
	into, err := p.remote.Fetch(ctx, p.reviewed())
	if branch == nil {
		return into, err
	}
	var merged, current bool
	if err == nil {
		merged, err = p.remote.Landed(ctx, p.reviewed(), branch.Hash)
	}
	if err == nil && !merged {
		current, err = p.remote.Landed(ctx, p.branch, into.Hash)
	}
	if err == nil && current {
		return branch, into.Close()
	}
	if err == nil && !merged {
		p.onto = []remote.Hash{branch.Hash}
		err = a.untouched(ctx, p, branch)
	}
	if merged {
		p.behind = []remote.Hash{branch.Hash}
	}
	if err = errors.Join(err, branch.Close()); err != nil && into != nil {
		into.Close()
		into = nil
	}
	return into, err
}

// untouched refuses a branch that has what zave did not write where it writes.
func (a *app) untouched(ctx context.Context, p *publication, branch *remote.Snapshot) error {
	if p.options.force {
		return nil
	}
	tree, is, err := a.beside(ctx, p, branch)
	if err != nil {
		return err
	}
	plan, err := tree.Against(is, false)
	if err == nil && plan.Blocked() {
		err = a.blocked(ctx, p, branch, plan)
	}
	return err
}

// review opens the request that leads from the branch to the platform's own, or brings it up to date. What it says is
// what a merge would do.
func (a *app) review(ctx context.Context, p *publication) error {
	if !p.stands { // which was said
		return nil
	}
	defer a.stages.end()
	a.stages.begin("fetch")
	into, err := p.remote.Fetch(ctx, p.reviewed())
	if err != nil {
		return err
	}
	defer into.Close()
	tree, was, err := a.beside(ctx, p, into)
	if err != nil {
		return err
	}
	a.stages.begin("review")
	if managed(was) && !p.options.force { // as on the branch
		if tree, err = a.meet(ctx, p, into, tree, was); tree == nil || err != nil {
			return err
		}
	}
	plan, err := tree.Against(was, true)
	if err != nil {
		return err
	}
	if len(plan.Write)+len(plan.Remove) == 0 {
		a.say("no request: %s of %s has all of it already", p.reviewed(), p.remote)
		return nil
	}
	r, err := p.compare(was, tree, plan)
	if err != nil {
		return err
	}
	message := p.message(r) // of all commits of the branch together
	title, _, _ := strings.Cut(message, "\n")
	body, err := p.reviewBody(r, message)
	if err != nil {
		return err
	}
	result, err := forge.Propose(ctx, p.forge, forge.Review{Source: p.branch, Target: p.reviewed(), Title: title, Body: body},
		forge.Options{Agent: "zave/" + version})
	var f *forge.Error
	switch {
	case errors.As(err, &f):
		return &problem{
			exit: exitUnknown, text: diag.Visible("the branch " + p.branch + " is pushed, and has no request: " + f.Text),
			hint: diag.Visible(f.Hint),
		}
	case err != nil:
		return err
	}
	a.say("%s request %s, from %s to %s", map[forge.Kind]string{forge.GitHub: "pull", forge.GitLab: "merge"}[p.forge.Kind],
		result.Outcome, p.branch, p.reviewed())
	fmt.Fprintln(a.stdout, diag.Visible(result.URL))
	return nil
}

// reviewBody is a report as a forge takes it, and what a commit of it says of the specs: a forge that squashes the branch
// may make the message of that.
func (p *publication) reviewBody(r *report.Report, message string) (string, error) {
	limit := forge.GitHubComment
	if p.forge.Kind == forge.GitLab {
		limit = forge.GitLabComment
	}
	said := ""
	for _, paragraph := range publications(message) {
		said += "\n" + paragraph
	}
	var b bytes.Buffer
	err := format.Print(&b, format.Markdown, r, format.Options{
		Version: version, Source: p.head.Source, Mask: leak.Mask, Describe: describeRule, Limit: limit - len(said),
	})
	return b.String() + said, err
}
