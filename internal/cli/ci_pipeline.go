package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/forge"
)

// pipeline is what a forge says of the run: https://docs.github.com/actions/reference/variables-reference and
// https://docs.gitlab.com/ci/variables/predefined_variables/. The zero value is a run that no forge started.
type pipeline struct {
	kind   forge.Kind // empty: none
	event  string     // "pull_request", "merge_group", "push"; "merge_request_event"
	target forge.Target
	fork   bool // the change comes from another repository, whose runs have no token, or one that only reads

	head report.Side // what is checked out; empty: the work tree

	base     string // revision to compare with; empty: what the main branch and HEAD have in common
	main     string // the branch, or the commit of it, to look for a common ancestor with; empty: the default
	baseName string // of either, for people
	// merge is the commit that the forge made of the base and the change: where it is HEAD, the base is its first parent.
	merge string

	repo    string // address of the web view of the head's files
	summary string // file to append a job summary to; empty: there is none
	outputs string // likewise, for the step's outputs
}

// request tells whether the run is of a pull or merge request.
func (p pipeline) request() bool { return p.target.Number > 0 }

// readPipeline reads the environment.
func readPipeline(get func(string) string) (pipeline, error) {
	switch {
	case get("GITHUB_ACTIONS") == "true":
		return githubPipeline(get)
	case get("GITLAB_CI") == "true":
		return gitlabPipeline(get)
	}
	return pipeline{}, nil
}

// githubEvent is what zave reads of the payload of an event: https://docs.github.com/webhooks/webhook-events-and-payloads
type githubEvent struct {
	PullRequest *struct {
		Number int64      `json:"number"`
		Base   githubSide `json:"base"`
		Head   githubSide `json:"head"`
	} `json:"pull_request"`
	MergeGroup *struct {
		BaseSHA string `json:"base_sha"`
		BaseRef string `json:"base_ref"`
	} `json:"merge_group"`
	Before string `json:"before"` // of a push: 40 zeros where the branch is new
}

type githubSide struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *struct {
		FullName string `json:"full_name"`
	} `json:"repo"` // null where the fork is gone
}

func githubPipeline(get func(string) string) (pipeline, error) {
	p := pipeline{
		kind: forge.GitHub, event: get("GITHUB_EVENT_NAME"),
		summary: get("GITHUB_STEP_SUMMARY"), outputs: get("GITHUB_OUTPUT"),
	}
	p.target = forge.Target{
		Kind: forge.GitHub, API: cmp.Or(get("GITHUB_API_URL"), "https://api.github.com"),
		Project: get("GITHUB_REPOSITORY"), Token: get("GITHUB_TOKEN"),
	}
	var event githubEvent
	if file := get("GITHUB_EVENT_PATH"); file != "" {
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, &event)
		}
		if err != nil {
			return p, &problem{
				exit: exitUnknown, text: fmt.Sprintf("GITHUB_EVENT_PATH does not name a payload: %s", diag.Visible(err.Error())),
				hint: "name the base yourself: 'zave ci --base REV'",
			}
		}
	}
	head := get("GITHUB_SHA")
	p.head = report.Side{Name: get("GITHUB_REF_NAME"), Commit: head}
	switch pr := event.PullRequest; {
	case pr != nil:
		p.target.Number = pr.Number
		p.main, p.baseName = pr.Base.SHA, pr.Base.Ref
		if strings.HasSuffix(get("GITHUB_REF"), "/merge") {
			p.merge = head
		}
		p.fork = pr.Head.Repo == nil || pr.Base.Repo != nil && pr.Head.Repo.FullName != pr.Base.Repo.FullName
		head = pr.Head.SHA
		p.head = report.Side{Name: pr.Head.Ref, Commit: head}
	case event.MergeGroup != nil:
		p.base, p.baseName = event.MergeGroup.BaseSHA, strings.TrimPrefix(event.MergeGroup.BaseRef, "refs/heads/")
	case p.event == "push" && strings.Trim(event.Before, "0") != "":
		p.base, p.baseName = event.Before, get("GITHUB_REF_NAME")+" before the push"
	}
	if server := get("GITHUB_SERVER_URL"); server != "" && head != "" {
		p.repo = server + "/" + p.target.Project + "/blob/" + head
	}
	return p, nil
}

func gitlabPipeline(get func(string) string) (pipeline, error) {
	p := pipeline{kind: forge.GitLab, event: get("CI_PIPELINE_SOURCE")}
	p.target = forge.Target{
		Kind: forge.GitLab, API: cmp.Or(get("CI_API_V4_URL"), "https://gitlab.com/api/v4"),
		Project: get("CI_MERGE_REQUEST_PROJECT_ID"), Token: get("GITLAB_TOKEN"),
	}
	if iid := get("CI_MERGE_REQUEST_IID"); iid != "" {
		n, err := strconv.ParseInt(iid, 10, 64)
		if err != nil || n <= 0 {
			return p, &problem{
				exit: exitUnknown, text: fmt.Sprintf("CI_MERGE_REQUEST_IID is no number: %s", diag.Visible(iid)),
				hint: "name the base yourself, and leave out the comment: 'zave ci --base REV --no-comment'",
			}
		}
		p.target.Number = n
		// The first is there only where the pipeline runs on the result of the merge.
		p.base = cmp.Or(get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA"), get("CI_MERGE_REQUEST_DIFF_BASE_SHA"))
		p.baseName = get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
		p.fork = get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID") != p.target.Project
	} else if before := get("CI_COMMIT_BEFORE_SHA"); p.event == "push" && strings.Trim(before, "0") != "" {
		p.base, p.baseName = before, get("CI_COMMIT_REF_NAME")+" before the push"
	}
	head := cmp.Or(get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"), get("CI_COMMIT_SHA"))
	p.head = report.Side{Name: cmp.Or(get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"), get("CI_COMMIT_REF_NAME")), Commit: head}
	if project := get("CI_PROJECT_URL"); project != "" && head != "" {
		p.repo = project + "/-/blob/" + head
	}
	return p, nil
}

// silence says why there can be no comment; empty: there can.
func (p pipeline) silence() (why, hint string) {
	switch {
	case p.target.Token != "":
		return "", ""
	case p.fork:
		return "the request comes from a fork, whose runs get no token", ""
	case p.kind == forge.GitHub:
		return "GITHUB_TOKEN is not set", "give the step 'env: GITHUB_TOKEN: ${{ github.token }}', and the job " +
			"'permissions: pull-requests: write'"
	}
	return "GITLAB_TOKEN is not set, and GitLab lets no job token (CI_JOB_TOKEN) write comments",
		"make a project access token with the scope 'api' and the role Reporter, and keep it in a masked variable GITLAB_TOKEN"
}
