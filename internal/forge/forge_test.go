package forge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	marker = "<!-- test -->"
	token  = "ghs_0123456789"
)

// serve starts a server for one target of a kind. Each request is passed on with its number, from 1.
func serve(t *testing.T, kind Kind, handle func(n int, w http.ResponseWriter, r *http.Request)) Target {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle(int(n.Add(1)), w, r)
	}))
	t.Cleanup(s.Close)
	project := "acme/platform"
	if kind == GitLab {
		project = "42"
	}
	return Target{Kind: kind, API: s.URL, Project: project, Number: 7, Token: token}
}

func quick() Options {
	return Options{Timeout: 5 * time.Second, Pause: time.Millisecond, Agent: "zave/test"}
}

// TestRetries is what is tried again, how often, and what is said in the end.
func TestRetries(t *testing.T) {
	type answers struct {
		status  int
		headers map[string]string
		body    string
	}
	for _, test := range []struct {
		name     string
		kind     Kind
		answer   answers // to all requests
		requests int     // that reach the server
		text     string  // of the error
		hint     string  // contained in the hint
	}{
		{"no rights", GitHub, answers{403, nil, `{"message":"Resource not accessible by integration"}`}, 1,
			"GitHub does not let this token list the comments of acme/platform#7 (403: Resource not accessible by integration)",
			"pull-requests: write"},
		{"not found", GitHub, answers{404, nil, `{"message":"Not Found"}`}, 1,
			"GitHub has no acme/platform#7, or does not show it to this token (404: Not Found)", "pull-requests: write"},
		{"no token", GitHub, answers{401, nil, `{"message":"Bad credentials"}`}, 1,
			"GitHub does not accept the token (401: Bad credentials)", "GITHUB_TOKEN has expired"},
		{"invalid", GitHub, answers{422, nil, `{"message":"Validation Failed","errors":[{"message":"too long"},"odd"]}`}, 1,
			"GitHub refuses to list the comments of acme/platform#7 (422: Validation Failed: too long: odd)", "locked"},
		{"gone", GitHub, answers{410, nil, ``}, 1, "GitHub did not list the comments of acme/platform#7 (410)", "GITHUB_API_URL"},
		{"fails", GitHub, answers{500, nil, `<html>`}, 5,
			"GitHub failed to list the comments of acme/platform#7 (500), after 5 attempts", "run the job again"},
		{"too much", GitHub, answers{429, nil, `{"message":"slow down"}`}, 5,
			"GitHub asks to slow down (429: slow down), after 5 attempts", "--comment-timeout"},
		{"too much, for long", GitHub, answers{429, map[string]string{"Retry-After": "90"}, ``}, 1,
			"GitHub asks to wait 1m30s before the next request (429), which is longer than is left of 5s", "later"},
		{"a secondary limit that says how long", GitHub,
			answers{403, map[string]string{"Retry-After": "60"}, `{"message":"secondary rate limit"}`}, 1,
			"GitHub asks to wait 1m0s before the next request (403: secondary rate limit), which is longer than is left of 5s", ""},
		{"a secondary limit that does not", GitHub, answers{403, nil, `{"message":"wait","documentation_url":` +
			`"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`}, 1,
			"GitHub asks to wait 1m0s before the next request (403: wait), which is longer than is left of 5s", ""},
		{"the primary limit", GitHub, answers{403, map[string]string{
			"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(time.Now().Add(time.Hour + 500*time.Millisecond).Unix()),
		}, `{"message":"API rate limit exceeded"}`}, 1, "GitHub asks to wait ", ""},
		{"not JSON", GitHub, answers{200, nil, `<html>`}, 5, "GitHub at 127.0.0.1:", "SSL_CERT_FILE"},

		{"no rights", GitLab, answers{403, nil, `{"error":"insufficient_scope","error_description":"needs more"}`}, 1,
			"GitLab does not let this token list the comments of 42!7 (403: insufficient_scope: needs more)", "'api'"},
		{"not found", GitLab, answers{404, nil, `{"message":"404 Project Not Found"}`}, 1,
			"GitLab has no 42!7, or does not show it to this token (404)", "Reporter"},
		{"no token", GitLab, answers{401, nil, `{"message":"401 Unauthorized"}`}, 1,
			"GitLab does not accept the token (401: Unauthorized)", "GITLAB_TOKEN has expired"},
		{"invalid", GitLab, answers{400, nil, `{"message":{"note":["is too long"]}}`}, 1,
			"GitLab refuses to list the comments of 42!7 (400: note is too long)", "locked"},
		{"fails", GitLab, answers{502, nil, `<html>`}, 5, "GitLab failed to list the comments of 42!7 (502: ", "again"},
		{"too much, for long", GitLab, answers{429, map[string]string{"Retry-After": "90"}, `Retry later`}, 1,
			"GitLab asks to wait 1m30s before the next request (429: ", "later"},
		{"not JSON", GitLab, answers{200, nil, `<html>`}, 5, "GitLab at 127.0.0.1:", "CI_API_V4_URL"},
	} {
		t.Run(string(test.kind)+" "+test.name, func(t *testing.T) {
			requests := 0
			target := serve(t, test.kind, func(n int, w http.ResponseWriter, _ *http.Request) {
				requests = n
				for k, v := range test.answer.headers {
					w.Header().Set(k, v)
				}
				w.WriteHeader(test.answer.status)
				fmt.Fprint(w, test.answer.body)
			})
			_, err := Keep(t.Context(), target, marker, marker+"\ntext", quick())
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

func reply(w http.ResponseWriter, v any) { json.NewEncoder(w).Encode(v) }

// TestLostAnswer posts a comment, and the answer to that gets lost: it is found, and not posted again.
func TestLostAnswer(t *testing.T) {
	var comments []map[string]any
	posts := 0
	target := serve(t, GitHub, func(_ int, w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/user":
			w.WriteHeader(http.StatusForbidden)
		case r.Method == http.MethodPost:
			posts++
			var in map[string]any
			json.NewDecoder(r.Body).Decode(&in)
			comments = append(comments, map[string]any{
				"id": 1, "body": in["body"], "user": map[string]any{"login": "github-actions[bot]", "type": "Bot"},
			})
			w.WriteHeader(http.StatusBadGateway)
		default:
			reply(w, comments)
		}
	})
	got, err := Keep(t.Context(), target, marker, marker+"\ntext", quick())
	if err != nil || got.Outcome != Same || posts != 1 {
		t.Errorf("got %+v (%v), after %d posts", got, err, posts)
	}
}

// TestWaits waits as long as it is asked to.
func TestWaits(t *testing.T) {
	var at []time.Time
	target := serve(t, GitHub, func(n int, w http.ResponseWriter, r *http.Request) {
		at = append(at, time.Now())
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		reply(w, []any{})
	})
	got, err := Keep(t.Context(), target, marker, "", quick())
	if err != nil || got.Outcome != Nothing || len(at) != 2 || at[1].Sub(at[0]) < time.Second {
		t.Errorf("got %+v (%v), asked at %v", got, err, at)
	}
}

// TestHang ends by the limit, or with the context.
func TestHang(t *testing.T) {
	for _, kind := range []Kind{GitHub, GitLab} {
		release := make(chan struct{})
		target := serve(t, kind, func(int, http.ResponseWriter, *http.Request) { <-release })
		t.Cleanup(func() { close(release) }) // before the server closes, which waits for it
		o := quick()
		o.Timeout = 100 * time.Millisecond
		_, err := Keep(t.Context(), target, marker, "", o)
		var e *Error
		if !errors.As(err, &e) || !strings.HasSuffix(e.Text, " did not answer within 100ms") {
			t.Errorf("%s: got %v", kind, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := Keep(ctx, target, marker, "", quick()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", kind, err)
		}
	}
}

// TestRedirect follows one within a server, and never takes the token to another.
func TestRedirect(t *testing.T) {
	for _, kind := range []Kind{GitHub, GitLab} {
		var taken []string
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			taken = append(taken, fmt.Sprint(r.Header))
			reply(w, []any{})
		}))
		defer other.Close()
		target := serve(t, kind, func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		})
		_, err := Keep(t.Context(), target, marker, "", quick())
		if err == nil || !strings.Contains(err.Error(), "it leads to another server, ") || len(taken) > 0 {
			t.Errorf("%s: got %v, and the other server %v", kind, err, taken)
		}
		target = serve(t, kind, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				http.Redirect(w, r, "/moved"+r.URL.Path, http.StatusMovedPermanently)
				return
			}
			reply(w, []any{})
		})
		if got, err := Keep(t.Context(), target, marker, "", quick()); err != nil || got.Outcome != Nothing {
			t.Errorf("%s: got %+v (%v)", kind, got, err)
		}
	}
}

// TestTokenIsNotTold has a server that gives the token back.
func TestTokenIsNotTold(t *testing.T) {
	for _, kind := range []Kind{GitHub, GitLab} {
		target := serve(t, kind, func(_ int, w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			reply(w, map[string]any{"message": "no such token: " + token})
		})
		_, err := Keep(t.Context(), target, marker, "", quick())
		if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "no such token: ***") {
			t.Errorf("%s: got %v", kind, err)
		}
		target.Token = " " + token + "\n"
		if _, err := Keep(t.Context(), target, marker, "", quick()); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("%s: got %v", kind, err)
		}
	}
}

// TestAddresses are those that cannot be.
func TestAddresses(t *testing.T) {
	for _, target := range []Target{
		{Kind: GitHub, API: "https://api.github.example", Project: "acme", Number: 1, Token: "x"},
		{Kind: GitHub, API: "https://api.github.example", Project: "acme/a/b", Number: 1, Token: "x"},
		{Kind: GitHub, API: "http://[::1", Project: "acme/a", Number: 1, Token: "x"},
		{Kind: GitLab, API: "http://[::1", Project: "1", Number: 1, Token: "x"},
	} {
		_, err := Keep(t.Context(), target, marker, "", quick())
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%+v: got %v", target, err)
		}
	}
}

// TestRetryAfter reads what servers say.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		header []string
		want   time.Duration
	}{
		{nil, 0},
		{[]string{"Retry-After", "30"}, 30 * time.Second},
		{[]string{"Retry-After", "-30"}, 0},
		{[]string{"Retry-After", "Fri, 02 Jan 2026 03:05:05 GMT"}, time.Minute},
		{[]string{"Retry-After", "Fri, 02 Jan 2026 03:00:05 GMT"}, 0},
		{[]string{"Retry-After", "soon"}, 0},
		{[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", fmt.Sprint(now.Unix() + 90)}, 90 * time.Second},
		{[]string{"X-RateLimit-Remaining", "9", "X-RateLimit-Reset", fmt.Sprint(now.Unix() + 90)}, 0},
		{[]string{"RateLimit-Remaining", "0", "RateLimit-Reset", fmt.Sprint(now.Unix() + 90)}, 90 * time.Second},
		{[]string{"Retry-After", "1", "RateLimit-Remaining", "0", "RateLimit-Reset", fmt.Sprint(now.Unix() + 90)}, time.Second},
	} {
		h := http.Header{}
		for pair := range slices.Chunk(test.header, 2) {
			h.Set(pair[0], pair[1])
		}
		if got := retryAfter(h, now); got != test.want {
			t.Errorf("%q: got %s, want %s", test.header, got, test.want)
		}
	}
}
