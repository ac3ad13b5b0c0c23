package forge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	gitlab "gitlab.com/gitlab-org/api/client-go"
)

// gitlabComments are the notes of a merge request: https://docs.gitlab.com/api/notes/#merge-requests
type gitlabComments struct {
	client  *gitlab.Client
	project string
	number  int64
}

func openGitLab(t Target, client *http.Client, o Options) (comments, error) {
	c, err := gitlab.NewClient(t.Token,
		gitlab.WithHTTPClient(client), gitlab.WithUserAgent(o.Agent), gitlab.WithoutRetries(), // Keep decides when to ask again
		gitlab.WithURLWarningLogger(slog.New(slog.NewTextHandler(io.Discard, nil))), gitlab.WithBaseURL(t.API),
	)
	if err != nil {
		return nil, &Error{Text: "GitLab's address cannot be used: " + err.Error(), Hint: "CI_API_V4_URL gives it"}
	}
	return &gitlabComments{c, t.Project, t.Number}, nil
}

func (g *gitlabComments) list(ctx context.Context, page int) ([]comment, int, error) {
	orderBy, sort := "created_at", "asc"
	options := &gitlab.ListMergeRequestNotesOptions{
		ListOptions: gitlab.ListOptions{Page: int64(page), PerPage: perPage}, OrderBy: &orderBy, Sort: &sort,
	}
	all, resp, err := g.client.Notes.ListMergeRequestNotes(g.project, g.number, options, gitlab.WithContext(ctx))
	if err != nil {
		return nil, 0, gitlabFailure("list the comments of", resp, err)
	}
	var out []comment
	for _, n := range all {
		if !n.System {
			out = append(out, comment{id: n.ID, author: n.Author.Username, text: n.Body})
		}
	}
	return out, int(resp.NextPage), nil
}

// self asks who the token is: every token that may write notes may ask that.
func (g *gitlabComments) self(ctx context.Context) (string, bool, error) {
	user, resp, err := g.client.Users.CurrentUser(gitlab.WithContext(ctx))
	if err != nil {
		return "", false, gitlabFailure("ask who comments on", resp, err)
	}
	return user.Username, true, nil
}

func (g *gitlabComments) post(ctx context.Context, text string) (string, error) {
	_, resp, err := g.client.Notes.CreateMergeRequestNote(g.project, g.number,
		&gitlab.CreateMergeRequestNoteOptions{Body: &text}, gitlab.WithContext(ctx))
	if err != nil {
		return "", gitlabFailure("post a comment on", resp, err)
	}
	return "", nil
}

func (g *gitlabComments) edit(ctx context.Context, id int64, text string) (string, error) {
	_, resp, err := g.client.Notes.UpdateMergeRequestNote(g.project, g.number, id,
		&gitlab.UpdateMergeRequestNoteOptions{Body: &text}, gitlab.WithContext(ctx))
	if err != nil {
		return "", gitlabFailure("edit the comment on", resp, err)
	}
	return "", nil
}

func (g *gitlabComments) remove(ctx context.Context, id int64) error {
	resp, err := g.client.Notes.DeleteMergeRequestNote(g.project, g.number, id, gitlab.WithContext(ctx))
	if err != nil {
		return gitlabFailure("remove the comment on", resp, err)
	}
	return nil
}

// gitlabFailure takes from an error what counts.
func gitlabFailure(doing string, resp *gitlab.Response, err error) error {
	var answer *http.Response
	if resp != nil {
		answer = resp.Response
	}
	f := newFailure(doing, answer, err)
	var refused *gitlab.ErrorResponse
	if !errors.As(err, &refused) {
		return f
	}
	f.message = sentence([]string{refused.Message})
	var said struct {
		Message     any    `json:"message"` // a text, or by field: {"note": ["is too long"]}
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(refused.Body, &said) != nil {
		return f
	}
	parts := []string{said.Error, said.Description}
	switch m := said.Message.(type) {
	case string:
		parts = append(parts, m)
	case map[string]any:
		for _, field := range slices.Sorted(maps.Keys(m)) {
			parts = append(parts, field+" "+strings.Trim(fmt.Sprint(m[field]), "[]"))
		}
	}
	f.message = sentence(parts)
	return f
}
