package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// forgeServer speaks what zave asks of GitHub and GitLab, over HTTP on the loopback interface: the comments of one pull
// request, number 7 of acme/platform, or of one merge request, number 7 of the project 42; the requests of acme/gitops;
// and git, for the repositories below a directory.
type forgeServer struct {
	*httptest.Server
	gitlab bool

	mu       sync.Mutex
	comments []forgeComment
	last     int64
	log      []string
	answers  []forgeAnswer
	requests []map[string]any
	git      http.Handler
	quit     chan struct{} // ends what hangs
}

type forgeComment struct {
	id           int64
	author, text string
	app          bool
}

// forgeAnswer is what is answered to the next requests of a method.
type forgeAnswer struct {
	method string
	times  int
	status int // 0: no answer
	header string
	body   string
}

// The tokens that the server knows, and who they are.
const (
	forgeToken    = "ghs_script"    // of an app, as in Actions: may not ask who it is
	forgeUser     = "ghp_script"    // of a person
	forgeGitLab   = "glpat-script"  // of a project's bot
	forgeReadOnly = "ghs_read_only" // of a fork
)

// forge is the command
//
//	forge github|gitlab              start a server; FORGE_URL is its API
//	forge add AUTHOR FILE            put a comment there; an author that ends in [bot] is an app
//	forge add-many N                 put so many comments of others there
//	forge answer METHOD N STATUS [HEADER: VALUE] [BODY]  answer the next N requests so; hang: not at all
//	forge log FILE                   write what was asked, a line a request, and forget it
//	forge comments FILE              write the comments
//	forge edit OLD NEW               change all comments as their authors would
//	forge git DIR                    serve the repositories below DIR; FORGE_GIT is the address
//	forge requests FILE              write the pull or merge requests
func forge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: forge VERB ...")
	}
	holder := ts.Value(forgeKey{}).(*forgeHolder)
	verb, args := args[0], args[1:]
	if verb == "github" || verb == "gitlab" {
		f := &forgeServer{gitlab: verb == "gitlab", quit: make(chan struct{})}
		f.Server = httptest.NewServer(f)
		ts.Defer(func() {
			close(f.quit)
			f.CloseClientConnections()
			f.Close()
		})
		holder.server = f
		ts.Setenv("FORGE_URL", f.URL+map[bool]string{true: "/api/v4"}[f.gitlab])
		return
	}
	f := holder.server
	if f == nil {
		ts.Fatalf("no forge was started")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case verb == "add" && len(args) == 2:
		f.add(args[0], ts.ReadFile(args[1]))
	case verb == "add-many" && len(args) == 1:
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		for i := range n {
			f.add("someone", fmt.Sprintf("remark %d", i))
		}
	case verb == "answer" && len(args) >= 3:
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		a := forgeAnswer{method: args[0], times: n}
		if args[2] != "hang" {
			a.status, err = strconv.Atoi(args[2])
			ts.Check(err)
		}
		if len(args) > 3 {
			a.header = args[3]
		}
		if len(args) > 4 {
			a.body = args[4]
		}
		f.answers = append(f.answers, a)
	case verb == "log" && len(args) == 1:
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(append(f.log, ""), "\n")), 0o666))
		f.log, f.answers = nil, nil
	case verb == "comments" && len(args) == 1:
		var b strings.Builder
		for _, c := range f.comments {
			fmt.Fprintf(&b, "== %d by %s\n%s\n", c.id, c.author, c.text)
		}
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o666))
	case verb == "edit" && len(args) == 2:
		for i := range f.comments {
			f.comments[i].text = strings.ReplaceAll(f.comments[i].text, args[0], args[1])
		}
	case verb == "git" && len(args) == 1:
		path, err := exec.Command("git", "--exec-path").Output()
		ts.Check(err)
		f.git = &cgi.Handler{
			Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Stderr: io.Discard,
			Env: []string{"GIT_PROJECT_ROOT=" + ts.MkAbs(args[0]), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=script"},
		}
		ts.Setenv("FORGE_GIT", f.URL)
	case verb == "requests" && len(args) == 1:
		var b strings.Builder
		for i, r := range f.requests {
			fmt.Fprintf(&b, "== %d from %s to %s: %s\n%s\n", i+1, r["source"], r["target"], r["title"], r["body"])
		}
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o666))
	default:
		ts.Fatalf("usage: forge %s: see its comment", verb)
	}
}

// editHash puts a commit, as git printed it into a file, in the place of BASE: edit-hash FILE PAYLOAD.
func editHash(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: edit-hash FILE PAYLOAD")
	}
	edit(ts, false, []string{"BASE", strings.TrimSpace(ts.ReadFile(args[0])), args[1]})
}

// envFrom sets a variable to what a file holds: env-from NAME FILE.
func envFrom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: env-from NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

type forgeKey struct{}

// forgeHolder has the server of a script.
type forgeHolder struct{ server *forgeServer }

func (f *forgeServer) add(author, text string) *forgeComment {
	f.last++
	f.comments = append(f.comments, forgeComment{f.last, author, text, strings.HasSuffix(author, "[bot]")})
	return &f.comments[len(f.comments)-1]
}

func (f *forgeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.git != nil && strings.Contains(r.URL.Path, ".git/") {
		f.git.ServeHTTP(w, r)
		return
	}
	f.log = append(f.log, r.Method+" "+r.URL.RequestURI())
	for i := range f.answers {
		a := &f.answers[i]
		if a.times == 0 || a.method != r.Method {
			continue
		}
		a.times--
		if a.status == 0 {
			f.mu.Unlock()
			select {
			case <-f.quit:
			case <-r.Context().Done():
			case <-time.After(30 * time.Second):
			}
			f.mu.Lock()
			return
		}
		if key, value, ok := strings.Cut(a.header, ": "); ok {
			w.Header().Set(key, value)
		}
		w.WriteHeader(a.status)
		fmt.Fprint(w, a.body)
		return
	}
	who := f.who(r)
	switch base, id := f.paths(r.URL.Path); {
	case who == "":
		answer(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
	case strings.HasSuffix(r.URL.Path, "/user"):
		if strings.HasPrefix(who, "github-actions") {
			answer(w, http.StatusForbidden, map[string]any{"message": "Resource not accessible by integration"})
			return
		}
		answer(w, http.StatusOK, map[string]any{"login": who, "username": who, "id": 1})
	case f.request(w, r):
	case !base:
		answer(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
	case r.Method == http.MethodGet:
		f.list(w, r)
	case who == "github-actions-read[bot]":
		answer(w, http.StatusForbidden, map[string]any{"message": "Resource not accessible by integration"})
	case r.Method == http.MethodPost && id == 0:
		c := f.add(who, body(r))
		answer(w, http.StatusCreated, f.json(*c))
	default:
		i := slices.IndexFunc(f.comments, func(c forgeComment) bool { return c.id == id })
		if i < 0 {
			answer(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
			return
		}
		if r.Method == http.MethodDelete {
			f.comments = slices.Delete(f.comments, i, i+1)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		f.comments[i].text = body(r)
		answer(w, http.StatusOK, f.json(f.comments[i]))
	}
}

// request answers what is asked of the requests of acme/gitops; false: it is about something else.
func (f *forgeServer) request(w http.ResponseWriter, r *http.Request) bool {
	all := "/repos/acme/gitops/pulls"
	names := map[string]string{"head": "source", "base": "target", "title": "title", "body": "body"}
	if f.gitlab {
		all = "/api/v4/projects/acme/gitops/merge_requests"
		names = map[string]string{"source_branch": "source", "target_branch": "target", "title": "title", "description": "body"}
	}
	rest, ok := strings.CutPrefix(r.URL.Path, all)
	if !ok {
		return false
	}
	in := map[string]any{}
	json.NewDecoder(r.Body).Decode(&in)
	number, _ := strconv.Atoi(strings.TrimPrefix(rest, "/"))
	switch {
	case r.Method == http.MethodGet:
		out := []any{}
		for i := range f.requests {
			out = append(out, f.requestJSON(i))
		}
		answer(w, http.StatusOK, out)
		return true
	case r.Method == http.MethodPost:
		f.requests = append(f.requests, map[string]any{})
		number = len(f.requests)
	}
	for name, value := range in {
		if known, ok := names[name]; ok {
			f.requests[number-1][known] = value
		}
	}
	answer(w, http.StatusOK, f.requestJSON(number-1))
	return true
}

func (f *forgeServer) requestJSON(i int) map[string]any {
	r := f.requests[i]
	if f.gitlab {
		return map[string]any{
			"iid": i + 1, "source_branch": r["source"], "target_branch": r["target"], "title": r["title"], "description": r["body"],
			"source_project_id": 42, "target_project_id": 42,
			"web_url": fmt.Sprintf("https://gitlab.example/acme/gitops/-/merge_requests/%d", i+1),
		}
	}
	return map[string]any{
		"number": i + 1, "title": r["title"], "body": r["body"], "base": map[string]any{"ref": r["target"]},
		"head":     map[string]any{"ref": r["source"], "repo": map[string]any{"full_name": "acme/gitops"}},
		"html_url": fmt.Sprintf("https://github.example/acme/gitops/pull/%d", i+1),
	}
}

// who gives the author that a request's token stands for; empty: none is known.
func (f *forgeServer) who(r *http.Request) string {
	if f.gitlab {
		return map[string]string{forgeGitLab: "project_42_bot_1"}[r.Header.Get("Private-Token")]
	}
	return map[string]string{
		"Bearer " + forgeToken: "github-actions[bot]", "Bearer " + forgeUser: "octocat",
		"Bearer " + forgeReadOnly: "github-actions-read[bot]",
	}[r.Header.Get("Authorization")]
}

// paths tells whether a path is of the comments, and of which one; 0: of all of them.
func (f *forgeServer) paths(path string) (ok bool, id int64) {
	all, one := "/repos/acme/platform/issues/7/comments", "/repos/acme/platform/issues/comments/"
	if f.gitlab {
		all = "/api/v4/projects/42/merge_requests/7/notes"
		one = all + "/"
	}
	if path == all {
		return true, 0
	}
	number, ok := strings.CutPrefix(path, one)
	if !ok {
		return false, 0
	}
	id, err := strconv.ParseInt(number, 10, 64)
	return err == nil, id
}

// list answers with a page, and says where the next one is, as each forge does.
func (f *forgeServer) list(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
	page, size = max(page, 1), min(max(size, 1), 100)
	from, to := min((page-1)*size, len(f.comments)), min(page*size, len(f.comments))
	if to < len(f.comments) {
		next := url.URL{Path: r.URL.Path, RawQuery: fmt.Sprintf("page=%d&per_page=%d", page+1, size)}
		w.Header().Set("Link", fmt.Sprintf(`<%s%s>; rel="next"`, f.URL, next.String()))
		w.Header().Set("X-Next-Page", strconv.Itoa(page+1))
	}
	out := []any{}
	for _, c := range f.comments[from:to] {
		out = append(out, f.json(c))
	}
	answer(w, http.StatusOK, out)
}

func (f *forgeServer) json(c forgeComment) map[string]any {
	if f.gitlab {
		return map[string]any{"id": c.id, "body": c.text, "system": false, "author": map[string]any{"username": c.author}}
	}
	kind := "User"
	if c.app {
		kind = "Bot"
	}
	return map[string]any{
		"id": c.id, "body": c.text, "html_url": fmt.Sprintf("https://github.example/acme/platform/pull/7#issuecomment-%d", c.id),
		"user": map[string]any{"login": c.author, "type": kind},
	}
}

func body(r *http.Request) string {
	var in struct {
		Body string `json:"body"`
	}
	json.NewDecoder(r.Body).Decode(&in)
	return in.Body
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// TestForgeServer holds the server against what the scripts take for granted: it refuses a token that it does not know.
func TestForgeServer(t *testing.T) {
	f := &forgeServer{quit: make(chan struct{})}
	f.Server = httptest.NewServer(f)
	defer f.Close()
	resp, err := http.Get(f.URL + "/repos/acme/platform/issues/7/comments")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %s", resp.Status)
	}
}
