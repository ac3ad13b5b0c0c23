package forge

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/google/go-github/v89/github"
)

// githubComments are those of a pull request, which GitHub keeps as those of an issue:
// https://docs.github.com/rest/issues/comments
type githubComments struct {
	client      *github.Client
	owner, name string
	number      int
}

func openGitHub(t Target, client *http.Client, o Options) (comments, error) {
	owner, name, ok := strings.Cut(t.Project, "/")
	if !ok || owner == "" || name == "" || strings.ContainsAny(name, "/?#") {
		return nil, &Error{Text: "a repository on GitHub is named OWNER/NAME, and not " + t.Project}
	}
	api := strings.TrimSuffix(t.API, "/") + "/"
	c, err := github.NewClient(
		github.WithHTTPClient(client), github.WithAuthToken(t.Token), github.WithUserAgent(o.Agent),
		github.WithURLs(&api, nil), github.WithDisableRateLimitCheck(), // Keep decides when to ask again
	)
	if err != nil {
		return nil, &Error{Text: "GitHub's address cannot be used: " + err.Error(), Hint: "GITHUB_API_URL gives it"}
	}
	return &githubComments{c, owner, name, int(t.Number)}, nil
}

func (g *githubComments) list(ctx context.Context, page int) ([]comment, int, error) {
	options := github.ListOptions{Page: page, PerPage: perPage}
	all, resp, err := g.client.Issues.ListComments(ctx, g.owner, g.name, g.number,
		&github.IssueListCommentsOptions{ListOptions: options})
	if err != nil {
		return nil, 0, githubFailure("list the comments of", resp, err)
	}
	var out []comment
	for _, c := range all {
		out = append(out, comment{
			id: c.GetID(), author: c.GetUser().GetLogin(), app: c.GetUser().GetType() == "Bot", text: c.GetBody(),
			url: c.GetHTMLURL(),
		})
	}
	return out, resp.NextPage, nil
}

// self asks who the token is. That of an app's installation, such as the one of Actions, may not ask:
// https://docs.github.com/rest/users/users#get-the-authenticated-user
func (g *githubComments) self(ctx context.Context) (string, bool, error) {
	user, resp, err := g.client.Users.Get(ctx, "")
	if err == nil {
		return user.GetLogin(), true, nil
	}
	f := asFailure(githubFailure("ask who comments on", resp, err))
	if !f.again && (f.status == http.StatusForbidden || f.status == http.StatusNotFound) {
		return "", false, nil
	}
	return "", false, f
}

func (g *githubComments) post(ctx context.Context, text string) (string, error) {
	c, resp, err := g.client.Issues.CreateComment(ctx, g.owner, g.name, g.number, &github.IssueComment{Body: &text})
	if err != nil {
		return "", githubFailure("post a comment on", resp, err)
	}
	return c.GetHTMLURL(), nil
}

func (g *githubComments) edit(ctx context.Context, id int64, text string) (string, error) {
	c, resp, err := g.client.Issues.EditComment(ctx, g.owner, g.name, id, &github.IssueComment{Body: &text})
	if err != nil {
		return "", githubFailure("edit the comment on", resp, err)
	}
	return c.GetHTMLURL(), nil
}

func (g *githubComments) remove(ctx context.Context, id int64) error {
	resp, err := g.client.Issues.DeleteComment(ctx, g.owner, g.name, id)
	if err != nil {
		return githubFailure("remove the comment on", resp, err)
	}
	return nil
}

// githubFailure takes from an error what counts.
func githubFailure(doing string, resp *github.Response, err error) error {
	var answer *http.Response
	if resp != nil {
		answer = resp.Response
	}
	f := newFailure(doing, answer, err)
	var refused *github.ErrorResponse
	var primary *github.RateLimitError
	var secondary *github.AbuseRateLimitError
	switch {
	case errors.As(err, &secondary):
		f.message, f.again, f.limited = secondary.Message, true, true
		if f.wait <= 0 {
			f.wait = secondaryPause
		}
	case errors.As(err, &primary):
		f.message, f.again, f.limited = primary.Message, true, true
	case errors.As(err, &refused):
		parts := []string{refused.Message}
		for _, e := range refused.Errors {
			parts = append(parts, e.Message)
		}
		f.message = sentence(parts)
	}
	return f
}
