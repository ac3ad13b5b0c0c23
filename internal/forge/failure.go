package forge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Error is why a comment or a request is not what it should be: one sentence, and what to do about it. What the forge
// says in it is not to be trusted on a terminal.
type Error struct {
	Text, Hint string
	Status     int // of HTTP; 0: there was no answer
}

func (e *Error) Error() string { return e.Text }

// secondaryPause is how long to wait where GitHub says that it is too much, and not for how long:
// https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately
const secondaryPause = time.Minute

// longestMessage is how many bytes of what a forge says are passed on.
const longestMessage = 300

// failure is a request that failed.
type failure struct {
	doing   string // "post a comment on", before the request's name
	status  int    // 0: there was no answer
	message string // the forge's own
	err     error
	again   bool          // another attempt may succeed
	limited bool          // the forge asks to slow down
	wait    time.Duration // before the next attempt, where the forge says so
}

func (f *failure) Error() string { return f.err.Error() }

func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return &failure{err: err}
}

// astray is a redirect that is not followed.
type astray struct{ text string }

func (a *astray) Error() string { return a.text }

// newFailure reads the answer, of which there may be none.
func newFailure(doing string, answer *http.Response, err error) *failure {
	f := &failure{doing: doing, err: err}
	if answer == nil || answer.StatusCode < 400 { // not reached, cut off, or not what it should be
		var wrong *astray
		f.again = !errors.As(err, &wrong)
		return f
	}
	f.status = answer.StatusCode
	f.wait = retryAfter(answer.Header, time.Now())
	switch {
	case f.status == http.StatusTooManyRequests, f.status == http.StatusForbidden && f.wait > 0:
		f.again, f.limited = true, true
	case f.status >= 500, f.status == http.StatusRequestTimeout:
		f.again = true
	default:
		f.wait = 0
	}
	return f
}

// retryAfter is how long a server asks to wait: by Retry-After, in seconds or as a date (RFC 9110, 10.2.3), or, where a
// limit is used up, by the moment at which it begins anew (X-RateLimit-Reset of GitHub, RateLimit-Reset of GitLab); 0:
// it does not say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if v := h.Get("Retry-After"); v != "" {
		if n, err := strconv.Atoi(v); err == nil {
			return max(time.Duration(n)*time.Second, 0)
		}
		if at, err := http.ParseTime(v); err == nil {
			return max(at.Sub(now), 0)
		}
	}
	for _, prefix := range []string{"X-Ratelimit-", "Ratelimit-"} {
		if h.Get(prefix+"Remaining") != "0" {
			continue
		}
		if at, err := strconv.ParseInt(h.Get(prefix+"Reset"), 10, 64); err == nil {
			return max(time.Unix(at, 0).Sub(now), 0)
		}
	}
	return 0
}

// sentence joins what a forge says, shortened.
func sentence(parts []string) string {
	var out []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	s := strings.Join(out, ": ")
	if len(s) > longestMessage {
		s = strings.ToValidUTF8(s[:longestMessage], "") + "…"
	}
	return s
}

// errand is what a call is for, in the words of its errors.
type errand struct {
	target     Target
	permission string // what the token needs
	refused    string // why a forge refuses what is allowed
	again      string // what to do when it is busy
	fault      string // what to do when it fails
}

// explain puts a failure, after so many attempts, in words.
func (k errand) explain(f *failure, n int, limit time.Duration) *Error {
	t := k.target
	if already := (*Error)(nil); errors.As(f.err, &already) {
		return already
	}
	e := &Error{Status: f.status}
	says := strconv.Itoa(f.status)
	if text := strings.TrimPrefix(f.message, says+" "); text != "" { // GitLab's begins with the status
		says += ": " + text
	}
	tries := ""
	if n > 1 {
		tries = fmt.Sprintf(", after %d attempts", n)
	}
	variable, address := "GITHUB_TOKEN", "GITHUB_API_URL"
	if t.Kind == GitLab {
		variable, address = "GITLAB_TOKEN", "CI_API_V4_URL"
	}
	switch {
	case f.status == 0:
		e.Text, e.Hint = k.unreachable(f, limit), address+" gives the address; proxies are taken from HTTPS_PROXY, and "+
			"certificate authorities from SSL_CERT_FILE"
	case f.limited && f.wait > 0:
		e.Text = fmt.Sprintf("%s asks to wait %s before the next request (%s), which is longer than is left of %s",
			t.Kind, f.wait.Round(time.Second), says, limit)
		e.Hint = k.again
	case f.limited:
		e.Text = fmt.Sprintf("%s asks to slow down (%s)%s", t.Kind, says, tries)
		e.Hint = k.again
	case f.status == http.StatusUnauthorized:
		e.Text = fmt.Sprintf("%s does not accept the token (%s)", t.Kind, says)
		e.Hint = variable + " has expired, was revoked, or is of another server"
	case f.status == http.StatusForbidden:
		e.Text = fmt.Sprintf("%s does not let this token %s %s (%s)", t.Kind, f.doing, t, says)
		e.Hint = k.permission
	case f.status == http.StatusNotFound:
		e.Text = fmt.Sprintf("%s has no %s, or does not show it to this token (%s)", t.Kind, t, says)
		e.Hint = k.permission
	case f.status == http.StatusUnprocessableEntity, f.status == http.StatusBadRequest, f.status == http.StatusConflict:
		e.Text = fmt.Sprintf("%s refuses to %s %s (%s)", t.Kind, f.doing, t, says)
		e.Hint = k.refused
	case f.status >= 500:
		e.Text = fmt.Sprintf("%s failed to %s %s (%s)%s", t.Kind, f.doing, t, says, tries)
		e.Hint = k.fault
	default:
		e.Text = fmt.Sprintf("%s did not %s %s (%s)", t.Kind, f.doing, t, says)
		e.Hint = address + " gives the address of its API"
	}
	if t.Token != "" {
		e.Text = strings.ReplaceAll(e.Text, t.Token, "***")
	}
	return e
}

// unreachable says why there was no answer.
func (k errand) unreachable(f *failure, limit time.Duration) string {
	at := k.target.API
	if u, err := url.Parse(at); err == nil && u.Host != "" {
		at = u.Host
	}
	err := f.err
	var timeout interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Sprintf("%s at %s did not answer within %s", k.target.Kind, at, limit)
	}
	for u := (*url.Error)(nil); errors.As(err, &u); { // which would name the whole address
		err = u.Err
	}
	return fmt.Sprintf("%s at %s gives no answer: %s", k.target.Kind, at, cmp.Or(sentence([]string{err.Error()}), "unknown"))
}
