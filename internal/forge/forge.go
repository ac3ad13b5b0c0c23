// Package forge keeps one comment on a pull request of GitHub's or a merge request of GitLab's: posts it, edits it in
// place, and removes it when there is nothing to say. And it keeps one such request for a branch: opens it, and says
// anew what it is for.
//
// Invariants: a comment is found again by a marker, and only one that the same author wrote: another's is never touched,
// whatever stands in it; nothing waits beyond the time limit; an answer that got lost does not lead to a second comment
// or request, as each attempt looks first; a token goes to the server that it is for and nowhere else, and into no text;
// it is the only importer of the forges' libraries.
package forge

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kind is a forge.
type Kind string

// The forges.
const (
	GitHub Kind = "GitHub"
	GitLab Kind = "GitLab"
)

// How long a comment may be. GitHub means characters, and so does GitLab
// (https://docs.gitlab.com/administration/instance_limits/, "size of comments and descriptions").
const (
	GitHubComment = 65536
	GitLabComment = 1000000
)

// Target is a pull or merge request, and the way to it.
type Target struct {
	Kind    Kind
	API     string // base address of its REST API: "https://api.github.com", "https://gitlab.example/api/v4"
	Project string // OWNER/NAME on GitHub; the number or the path of a project on GitLab
	Number  int64  // of the request, within its project; 0: the project itself is meant
	Token   string
}

// String names the request as its forge writes it: "OWNER/NAME#7", "7!12".
func (t Target) String() string {
	if t.Number == 0 {
		return t.Project
	}
	sign := "#"
	if t.Kind == GitLab {
		sign = "!"
	}
	return fmt.Sprintf("%s%s%d", t.Project, sign, t.Number)
}

// Options say how to go about it. The zero value is fine.
type Options struct {
	Timeout time.Duration // of all together; 0: a minute
	Pause   time.Duration // before the second attempt, and twice as long before each further one; 0: a second
	Agent   string        // the User-Agent
}

// Outcome is what became of it.
type Outcome string

// The outcomes.
const (
	Posted  Outcome = "posted"
	Opened  Outcome = "opened" // of a request
	Edited  Outcome = "edited"
	Same    Outcome = "up to date"
	Removed Outcome = "removed"
	Nothing Outcome = "" // there is none, and none is wanted
)

// Result is the comment, or the request, as it is now.
type Result struct {
	Outcome Outcome
	URL     string // on the web, where the forge says so
}

const (
	attempts = 5
	// once is how long one request may take: a hang leaves time for another attempt.
	once = 20 * time.Second
	// perPage and mostPages bound how many comments are read: 100 a page is what both forges give at the most.
	perPage   = 100
	mostPages = 100
)

// Keep makes the comment on a request that begins with the marker be this text, which begins with it too; an empty text
// removes it. The marker is an HTML comment. The error is an *Error, or the context's.
func Keep(ctx context.Context, t Target, marker, text string, o Options) (Result, error) {
	t.Token = strings.TrimSpace(t.Token)
	o = o.complete()
	c, err := open(t, o)
	if err != nil {
		return Result{}, err
	}
	e := errand{
		target: t, permission: "the job needs 'permissions: pull-requests: write', and a request from a fork has a token " +
			"that only reads",
		refused: "its discussion may be locked, or too much was posted within a short time",
		again:   "run the job again later, or allow more time with --comment-timeout",
		fault:   "nothing is wrong with the change: run the job again",
	}
	if t.Kind == GitLab {
		e.permission = "the token needs the scope 'api', and its role in the project must be Reporter or higher"
	}
	k := keeper{c, marker, text}
	return e.persist(ctx, o, k.attempt)
}

func (o Options) complete() Options {
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.Pause <= 0 {
		o.Pause = time.Second
	}
	return o
}

// persist makes attempts until one succeeds, the last is made, or the time is up.
func (k errand) persist(ctx context.Context, o Options, attempt func(context.Context) (Result, error)) (Result, error) {
	limited, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	for n := 1; ; n++ {
		result, err := attempt(limited)
		if err == nil {
			return result, nil
		}
		if ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		f := asFailure(err)
		wait := f.wait
		if wait <= 0 {
			wait = o.Pause << (n - 1)
		}
		deadline, _ := limited.Deadline()
		if !f.again || n == attempts || time.Until(deadline) <= wait {
			return Result{}, k.explain(f, n, o.Timeout)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return Result{}, ctx.Err()
		}
	}
}

// comments are those of one request, as a forge has them. Errors are failures.
type comments interface {
	// list gives a page of them, oldest first, and the number of the next; 0: there is none.
	list(ctx context.Context, page int) (all []comment, next int, err error)
	// self gives the author that the token stands for; false: it is an app, which cannot ask.
	self(ctx context.Context) (author string, known bool, err error)
	post(ctx context.Context, text string) (url string, err error)
	edit(ctx context.Context, id int64, text string) (url string, err error)
	remove(ctx context.Context, id int64) error
}

type comment struct {
	id     int64
	author string
	app    bool // its author is no person
	text   string
	url    string
}

func open(t Target, o Options) (comments, error) {
	if t.Kind == GitLab {
		c, err := openGitLab(t, o)
		return &gitlabComments{c, t.Project, t.Number}, err
	}
	c, err := openGitHub(t, o)
	return &githubComments{c, int(t.Number)}, err
}

// newClient is how a forge is talked to.
func newClient(o Options) *http.Client {
	return &http.Client{
		Timeout: min(once, o.Timeout),
		// A redirect to another server would take the token along: the libraries set it on each request.
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if first := via[0].URL; req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
				return &astray{fmt.Sprintf("it leads to another server, %s", req.URL.Host)}
			}
			if len(via) >= 5 {
				return &astray{fmt.Sprintf("%d redirects", len(via))}
			}
			return nil
		},
	}
}

// keeper is one call of Keep.
type keeper struct {
	comments
	marker, text string
}

// attempt does all of it once.
func (k keeper) attempt(ctx context.Context) (Result, error) {
	found, err := k.find(ctx)
	if err != nil {
		return Result{}, err
	}
	if len(found) == 0 {
		if k.text == "" {
			return Result{}, nil
		}
		url, err := k.post(ctx, k.text)
		return Result{Posted, url}, err
	}
	keep := found[:1]
	if k.text == "" {
		keep = nil
	}
	for _, c := range found[len(keep):] { // two runs at once may have left a second one
		if err := k.remove(ctx, c.id); err != nil && asFailure(err).status != http.StatusNotFound {
			return Result{}, err
		}
	}
	switch {
	case len(keep) == 0:
		return Result{Outcome: Removed}, nil
	case normal(keep[0].text) == normal(k.text):
		return Result{Same, keep[0].url}, nil
	}
	url, err := k.edit(ctx, keep[0].id, k.text)
	return Result{Edited, url}, err
}

// find gives our comments, oldest first.
func (k keeper) find(ctx context.Context) (found []comment, err error) {
	for page, n := 1, 0; page != 0 && n < mostPages; n++ {
		var all []comment
		if all, page, err = k.list(ctx, page); err != nil {
			return nil, err
		}
		for _, c := range all {
			if strings.HasPrefix(c.text, k.marker) {
				found = append(found, c)
			}
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	self, known, err := k.self(ctx)
	if err != nil {
		return nil, err
	}
	var ours []comment
	for _, c := range found {
		if known && c.author == self || !known && c.app {
			ours = append(ours, c)
		}
	}
	return ours, nil
}

// normal is a text as forges may give it back.
func normal(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
