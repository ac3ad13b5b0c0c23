package forge

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/google/go-github/v89/github"
	gitlab "gitlab.com/gitlab-org/api/client-go"
)

// longestTitle is how many characters the title of a request has at the most: 255 on GitLab, and 256 on GitHub, where
// the API says so when there are more.
const longestTitle = 255

// Review is a branch that is to be merged into another of the same project, and why.
type Review struct {
	Source, Target string // branches, the first of which has been pushed
	Title          string // shortened where it is too long
	Body           string // Markdown, within GitHubComment or GitLabComment
}

// Propose makes the open request that leads from one branch to the other have this title and body: it opens one where
// there is none, and never a second one. A request that was closed or merged stays as it is. The target's number is of
// no account. The error is an *Error, or the context's.
func Propose(ctx context.Context, t Target, r Review, o Options) (Result, error) {
	t.Token, t.Number = strings.TrimSpace(t.Token), 0
	o = o.complete()
	e := errand{
		target: t, permission: fmt.Sprintf("the token needs the permissions 'Contents: read' and 'Pull requests: write' for %s; "+
			"that of a job is for its own repository alone, and opens requests only where the settings of Actions allow it",
			t.Project),
		refused: fmt.Sprintf("look at the branches %s and %s: both have to be there, with different commits", r.Source, r.Target),
		again:   "run it again later: what is pushed stays, and is found again",
		fault:   "run it again: what is pushed stays, and is found again",
	}
	var all requests
	var err error
	if t.Kind == GitLab {
		e.permission = "the token needs the scope 'api', and its role in the project must be Developer or higher"
		var c *gitlab.Client
		c, err = openGitLab(t, o)
		all = &gitlabRequests{c, t.Project}
	} else {
		var g githubProject
		g, err = openGitHub(t, o)
		all = &githubRequests{g}
	}
	if err != nil {
		return Result{}, err
	}
	return e.persist(ctx, o, func(ctx context.Context) (Result, error) { return propose(ctx, all, r) })
}

// requests are those of a project, as a forge has them. Errors are failures.
type requests interface {
	// find gives the open one from a branch to another; nil: there is none.
	find(ctx context.Context, source, target string) (*request, error)
	// open makes one. A failure that may be due to another's being there already can be tried again.
	open(ctx context.Context, r Review) (url string, err error)
	edit(ctx context.Context, number int64, title, body string) error
}

type request struct {
	number           int64
	title, body, url string
}

// draft is how GitLab knows that a request is not to be merged yet, which is for people to say:
// https://docs.gitlab.com/user/project/merge_requests/drafts/
const draft = "Draft: "

// propose does all of it once.
func propose(ctx context.Context, all requests, r Review) (Result, error) {
	found, err := all.find(ctx, r.Source, r.Target)
	if err != nil {
		return Result{}, err
	}
	if found == nil {
		r.Title = shortened(r.Title)
		url, err := all.open(ctx, r)
		return Result{Opened, url}, err
	}
	if _, ok := all.(*gitlabRequests); ok && strings.HasPrefix(found.title, draft) {
		r.Title = draft + r.Title
	}
	r.Title = shortened(r.Title)
	if normal(found.title) == normal(r.Title) && normal(found.body) == normal(r.Body) {
		return Result{Same, found.url}, nil
	}
	return Result{Edited, found.url}, all.edit(ctx, found.number, r.Title, r.Body)
}

func shortened(title string) string {
	if utf8.RuneCountInString(title) > longestTitle {
		title = string([]rune(title)[:longestTitle-1]) + "…"
	}
	return title
}

// exists tells of a failure to open a request that there is one already, opened by another a moment ago. The forges have
// nothing but the text to tell it by.
func exists(f *failure) bool {
	return (f.status == http.StatusUnprocessableEntity || f.status == http.StatusConflict) &&
		strings.Contains(f.message, "already exists")
}

// githubRequests are pull requests: https://docs.github.com/rest/pulls/pulls
type githubRequests struct{ githubProject }

func (g *githubRequests) find(ctx context.Context, source, target string) (*request, error) {
	all, resp, err := g.client.PullRequests.List(ctx, g.owner, g.name, &github.PullRequestListOptions{
		State: "open", Head: g.owner + ":" + source, Base: target, ListOptions: github.ListOptions{PerPage: perPage},
	})
	if err != nil {
		return nil, githubFailure("list the pull requests of", resp, err)
	}
	for _, p := range all {
		// An owner may have several repositories with that branch, all of the same network.
		from := p.GetHead().GetRepo().GetFullName()
		if p.GetHead().GetRef() == source && p.GetBase().GetRef() == target && strings.EqualFold(from, g.owner+"/"+g.name) {
			return &request{int64(p.GetNumber()), p.GetTitle(), p.GetBody(), p.GetHTMLURL()}, nil
		}
	}
	return nil, nil
}

func (g *githubRequests) open(ctx context.Context, r Review) (string, error) {
	p, resp, err := g.client.PullRequests.Create(ctx, g.owner, g.name, &github.NewPullRequest{
		Title: &r.Title, Body: &r.Body, Head: &r.Source, Base: &r.Target,
	})
	if err != nil {
		f := asFailure(githubFailure("open a pull request in", resp, err))
		f.again = f.again || exists(f)
		return "", f
	}
	return p.GetHTMLURL(), nil
}

func (g *githubRequests) edit(ctx context.Context, number int64, title, body string) error {
	_, resp, err := g.client.PullRequests.Edit(ctx, g.owner, g.name, int(number), &github.PullRequest{Title: &title, Body: &body})
	if err != nil {
		return githubFailure(fmt.Sprintf("edit the pull request #%d of", number), resp, err)
	}
	return nil
}

// gitlabRequests are merge requests: https://docs.gitlab.com/api/merge_requests/
type gitlabRequests struct {
	client  *gitlab.Client
	project string
}

func (g *gitlabRequests) find(ctx context.Context, source, target string) (*request, error) {
	state := "opened"
	all, resp, err := g.client.MergeRequests.ListProjectMergeRequests(g.project, &gitlab.ListProjectMergeRequestsOptions{
		ListOptions: gitlab.ListOptions{PerPage: perPage}, State: &state, SourceBranch: &source, TargetBranch: &target,
	}, gitlab.WithContext(ctx))
	if err != nil {
		return nil, gitlabFailure("list the merge requests of", resp, err)
	}
	for _, m := range all {
		if m.SourceBranch == source && m.TargetBranch == target && m.SourceProjectID == m.TargetProjectID { // and not of a fork
			return &request{m.IID, m.Title, m.Description, m.WebURL}, nil
		}
	}
	return nil, nil
}

func (g *gitlabRequests) open(ctx context.Context, r Review) (string, error) {
	// What is squashed has the title alone for a message, by default. Where the project demands it, it is done all the same:
	// https://docs.gitlab.com/user/project/merge_requests/squash_and_merge/
	squash := false
	m, resp, err := g.client.MergeRequests.CreateMergeRequest(g.project, &gitlab.CreateMergeRequestOptions{
		Title: &r.Title, Description: &r.Body, SourceBranch: &r.Source, TargetBranch: &r.Target, Squash: &squash,
	}, gitlab.WithContext(ctx))
	if err != nil {
		f := asFailure(gitlabFailure("open a merge request in", resp, err))
		f.again = f.again || exists(f)
		return "", f
	}
	return m.WebURL, nil
}

func (g *gitlabRequests) edit(ctx context.Context, number int64, title, body string) error {
	_, resp, err := g.client.MergeRequests.UpdateMergeRequest(g.project, number,
		&gitlab.UpdateMergeRequestOptions{Title: &title, Description: &body}, gitlab.WithContext(ctx))
	if err != nil {
		return gitlabFailure(fmt.Sprintf("edit the merge request !%d of", number), resp, err)
	}
	return nil
}
