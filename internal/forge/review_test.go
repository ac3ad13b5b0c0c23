package forge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// stand is a server with the requests of one project. To begin with, the branch review leads from a fork to main, and from
// the project to another branch.
type stand struct {
	kind  Kind
	all   []map[string]any
	posts int
	// before is asked first, and answers what it likes to.
	before func(w http.ResponseWriter, r *http.Request) (done bool)
}

func (s *stand) request(number int, source, target, title, body, project string) map[string]any {
	if s.kind == GitLab {
		return map[string]any{
			"iid": number, "source_branch": source, "target_branch": target, "title": title, "description": body,
			"source_project_id": map[bool]int{true: 42, false: 43}[project == "acme/platform"], "target_project_id": 42,
			"web_url": fmt.Sprintf("https://gitlab.example/acme/platform/-/merge_requests/%d", number),
		}
	}
	return map[string]any{
		"number": number, "title": title, "body": body, "base": map[string]any{"ref": target},
		"head":     map[string]any{"ref": source, "repo": map[string]any{"full_name": project}},
		"html_url": fmt.Sprintf("https://github.example/acme/platform/pull/%d", number),
	}
}

func (s *stand) serve(_ int, w http.ResponseWriter, r *http.Request) {
	if s.before != nil && s.before(w, r) {
		return
	}
	var in map[string]any
	json.NewDecoder(r.Body).Decode(&in)
	text := func(key string) string { v, _ := in[key].(string); return v }
	switch r.Method {
	case http.MethodGet:
		reply(w, s.all)
	case http.MethodPost:
		s.posts++
		source, target, body := text("head"), text("base"), text("body")
		if s.kind == GitLab {
			source, target, body = text("source_branch"), text("target_branch"), text("description")
		}
		s.all = append(s.all, s.request(len(s.all)+1, source, target, text("title"), body, "acme/platform"))
		s.all[len(s.all)-1]["squash"] = in["squash"]
		w.WriteHeader(http.StatusCreated)
		reply(w, s.all[len(s.all)-1])
	default:
		for _, one := range s.all {
			if strings.HasSuffix(r.URL.Path, fmt.Sprintf("/%v", one["number"])) || strings.HasSuffix(r.URL.Path, fmt.Sprintf("/%v", one["iid"])) {
				for key, value := range in {
					one[key] = value
				}
				reply(w, one)
				return
			}
		}
		w.WriteHeader(http.StatusNotFound)
	}
}

func newStand(t *testing.T, kind Kind) (*stand, Target) {
	s := &stand{kind: kind}
	s.all = []map[string]any{
		s.request(1, "review", "release", "ours, to another branch", "", "acme/platform"),
		s.request(2, "review", "main", "from a fork", "", "acme/fork"),
	}
	target := serve(t, kind, s.serve)
	return s, target
}

func kinds() []Kind { return []Kind{GitHub, GitLab} }

// TestPropose opens a request, leaves it, and changes it, and touches none that leads elsewhere.
func TestPropose(t *testing.T) {
	for _, kind := range kinds() {
		s, target := newStand(t, kind)
		r := Review{"review", "main", "shop: a new image", "# what changes\n"}
		for _, step := range []struct {
			title, body string
			want        Outcome
		}{
			{r.Title, r.Body, Opened}, {r.Title, r.Body, Same}, {r.Title, "another", Edited}, {"retitled", "another", Edited},
			{strings.Repeat("ü", 300), "another", Edited}, {strings.Repeat("ü", 300), "another", Same},
		} {
			r.Title, r.Body = step.title, step.body
			got, err := Propose(t.Context(), target, r, quick())
			if err != nil || got.Outcome != step.want || !strings.HasSuffix(got.URL, "/3") {
				t.Errorf("%s %s: got %+v (%v), want %s", kind, step.title, got, err, step.want)
			}
		}
		body := map[Kind]string{GitHub: "body", GitLab: "description"}[kind]
		if len(s.all) != 3 || s.posts != 1 || s.all[0]["title"] != "ours, to another branch" || s.all[1]["title"] != "from a fork" ||
			s.all[2][body] != "another" || s.all[2]["title"] != strings.Repeat("ü", 254)+"…" {
			t.Errorf("%s: there are %v, after %d posts", kind, s.all, s.posts)
		}
	}
}

// TestProposeSquash has a merge request keep its commits, whose messages say where they come from.
func TestProposeSquash(t *testing.T) {
	s, target := newStand(t, GitLab)
	if _, err := Propose(t.Context(), target, Review{"review", "main", "new", "text"}, quick()); err != nil {
		t.Fatal(err)
	}
	if squash, ok := s.all[2]["squash"].(bool); !ok || squash {
		t.Errorf("got %v", s.all[2])
	}
}

// TestProposeDraft leaves a merge request a draft.
func TestProposeDraft(t *testing.T) {
	s, target := newStand(t, GitLab)
	s.all = append(s.all, s.request(3, "review", "main", "Draft: old", "", "acme/platform"))
	r := Review{"review", "main", "new", "text"}
	for _, want := range []Outcome{Edited, Same} {
		if got, err := Propose(t.Context(), target, r, quick()); err != nil || got.Outcome != want {
			t.Errorf("got %+v (%v), want %s", got, err, want)
		}
	}
	if s.all[2]["title"] != "Draft: new" {
		t.Errorf("got %v", s.all[2])
	}
}

// TestProposeBelow asks a GitLab that is below a path of its host for a project by its own path.
func TestProposeBelow(t *testing.T) {
	s, target := newStand(t, GitLab)
	var asked []string
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		asked = append(asked, r.Method+" "+r.URL.EscapedPath())
		return false
	}
	target.API, target.Project = target.API+"/gitlab/api/v4", "group/platform-gitops"
	if _, err := Propose(t.Context(), target, Review{"review", "main", "new", "text"}, quick()); err != nil {
		t.Error(err)
	}
	const at = "/gitlab/api/v4/projects/group%2Fplatform-gitops/merge_requests"
	if want := []string{"GET " + at, "POST " + at}; !slices.Equal(asked, want) {
		t.Errorf("got %q, want %q", asked, want)
	}
}

// TestProposeRace has another open the request between the look and the post, and an answer that gets lost.
func TestProposeRace(t *testing.T) {
	for _, kind := range kinds() {
		for _, answer := range []struct {
			status int
			body   map[Kind]string
		}{
			{422, map[Kind]string{GitHub: `{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom",` +
				`"message":"A pull request already exists for acme:review."}]}`,
				GitLab: `{"message":["Another open merge request already exists for this source branch: !3"]}`}},
			{409, map[Kind]string{GitHub: `{"message":"already exists"}`,
				GitLab: `{"message":["Another open merge request already exists for this source branch: !3"]}`}},
			{502, nil},
		} {
			s, target := newStand(t, kind)
			s.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost || len(s.all) > 2 {
					return false
				}
				s.all = append(s.all, s.request(3, "review", "main", "theirs", "", "acme/platform"))
				w.WriteHeader(answer.status)
				fmt.Fprint(w, answer.body[kind])
				return true
			}
			got, err := Propose(t.Context(), target, Review{"review", "main", "ours", "text"}, quick())
			if err != nil || got.Outcome != Edited || s.posts != 0 || len(s.all) != 3 || s.all[2]["title"] != "ours" {
				t.Errorf("%s %d: got %+v (%v), of %v", kind, answer.status, got, err, s.all)
			}
		}
	}
}

// TestProposeFails is what is said of each fault, and how often it is tried.
func TestProposeFails(t *testing.T) {
	for _, test := range []struct {
		kind     Kind
		method   string
		status   int
		body     string
		requests int // of that method
		text     string
		hint     string // contained in the hint
	}{
		{GitHub, "GET", 401, `{"message":"Bad credentials"}`, 1, "GitHub does not accept the token (401: Bad credentials)", "GITHUB_TOKEN"},
		{GitHub, "GET", 404, `{"message":"Not Found"}`, 1,
			"GitHub has no acme/platform, or does not show it to this token (404: Not Found)", "'Pull requests: write' for acme/platform;"},
		{GitHub, "GET", 500, ``, 5, "GitHub failed to list the pull requests of acme/platform (500), after 5 attempts", "what is pushed stays"},
		{GitHub, "POST", 403, `{"message":"Resource not accessible by integration"}`, 1,
			"GitHub does not let this token open a pull request in acme/platform (403: Resource not accessible by integration)",
			"that of a job is for its own repository alone"},
		{GitHub, "POST", 422, `{"message":"Validation Failed","errors":[{"message":"No commits between main and review"}]}`, 1,
			"GitHub refuses to open a pull request in acme/platform (422: Validation Failed: No commits between main and review)",
			"look at the branches review and main"},
		{GitHub, "POST", 422, `{"message":"Validation Failed","errors":[{"message":"A pull request already exists for acme:review."}]}`, 5,
			"GitHub refuses to open a pull request in acme/platform (422: ", "look at the branches"},
		{GitHub, "POST", 429, `{"message":"slow down"}`, 5, "GitHub asks to slow down (429: slow down), after 5 attempts", "is found again"},
		{GitHub, "PATCH", 403, `{"message":"no"}`, 1, "GitHub does not let this token edit the pull request #3 of acme/platform (403: no)", "write"},

		{GitLab, "GET", 401, `{"message":"401 Unauthorized"}`, 1, "GitLab does not accept the token (401: Unauthorized)", "GITLAB_TOKEN"},
		{GitLab, "GET", 404, `{"message":"404 Project Not Found"}`, 1, "GitLab has no 42, or does not show it to this token (404)", "Developer"},
		{GitLab, "POST", 403, `{"error":"insufficient_scope"}`, 1,
			"GitLab does not let this token open a merge request in 42 (403: insufficient_scope)", "scope 'api'"},
		{GitLab, "POST", 400, `{"message":{"source_branch":["does not exist"]}}`, 1,
			"GitLab refuses to open a merge request in 42 (400: source_branch does not exist)", "look at the branches review and main"},
		{GitLab, "POST", 409, `{"message":["Another open merge request already exists for this source branch: !3"]}`, 5,
			"GitLab refuses to open a merge request in 42 (409: Another open merge request already exists", "look at the branches"},
		{GitLab, "POST", 502, ``, 5, "GitLab failed to open a merge request in 42 (502", "what is pushed stays"},
		{GitLab, "PUT", 403, `{"message":"403 Forbidden"}`, 1,
			"GitLab does not let this token edit the merge request !3 of 42 (403: Forbidden)", "Developer"},
	} {
		t.Run(fmt.Sprint(test.kind, " ", test.method, " ", test.status), func(t *testing.T) {
			s, target := newStand(t, test.kind)
			if test.method == "PATCH" || test.method == "PUT" {
				s.all = append(s.all, s.request(3, "review", "main", "old", "", "acme/platform"))
			}
			requests := 0
			s.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != test.method {
					return false
				}
				requests++
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
				return true
			}
			_, err := Propose(t.Context(), target, Review{"review", "main", "ours", "text"}, quick())
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(e.Text, test.text) || !strings.Contains(e.Hint, test.hint) {
				t.Errorf("got  %s\n     %s\nwant %s", e.Text, e.Hint, test.text)
			}
			if requests != test.requests {
				t.Errorf("%d requests, want %d", requests, test.requests)
			}
		})
	}
}
