package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zavestudios/zave/internal/diag"
)

// smartHTTP carries the pack protocol as gitprotocol-http(5) says.
type smartHTTP struct {
	at     address
	login  login
	client *http.Client
}

func newHTTP(at address, o Options, env map[string]string) (*smartHTTP, error) {
	l, err := findLogin(at, env)
	if err != nil {
		return nil, err
	}
	dial := patient(o)
	return &smartHTTP{at: at, login: l, client: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dial, TLSHandshakeTimeout: 30 * time.Second,
			DisableKeepAlives: true, // an exchange is two requests, and a push must not begin on a connection that is half dead
			ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			from := via[0].URL
			sameHost := req.URL.Host == from.Host || from.Scheme == "http" && req.URL.Scheme == "https" && req.URL.Hostname() == from.Hostname()
			if len(via) > 5 || !sameHost || from.Scheme == "https" && req.URL.Scheme != "https" || req.Method != http.MethodGet {
				to := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: strings.TrimSuffix(req.URL.Path, "/info/refs")}
				return fail(ErrUnreachable, "if that is where the repository is now, give its address",
					"%s sends on to %s, which is not followed with credentials in hand", at.text, diag.Visible(to.String()))
			}
			return nil
		},
	}}, nil
}

// httpExchange is one service over HTTP: a GET, and a POST.
type httpExchange struct {
	h       *smartHTTP
	ctx     context.Context
	service string
	base    string // of the repository, after redirects
	bodies  []io.ReadCloser
}

func (h *smartHTTP) start(ctx context.Context, service string) (exchange, error) {
	host := h.at.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if h.at.port != "" {
		host = net.JoinHostPort(h.at.host, h.at.port)
	}
	x := &httpExchange{h: h, ctx: ctx, service: service}
	x.base = (&url.URL{Scheme: h.at.scheme, Host: host, Path: strings.TrimRight(h.at.path, "/")}).String()
	res, err := x.do(http.MethodGet, x.base+"/info/refs?service="+service, nil)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, explain(err, h.at.text)
	}
	x.base = strings.TrimSuffix((&url.URL{Scheme: res.Request.URL.Scheme, Host: res.Request.URL.Host, Path: res.Request.URL.Path}).String(),
		"/info/refs")
	x.bodies = append(x.bodies, res.Body)
	if got := res.Header.Get("Content-Type"); got != "application/x-"+service+"-advertisement" {
		x.Close()
		answers := "does not answer"
		if kind, _, err := mime.ParseMediaType(got); err == nil {
			answers = "answers with " + diag.Visible(kind) + ", and not"
		}
		return nil, notGit(h.at.text, answers)
	}
	return x, nil
}

func (x *httpExchange) do(method, to string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(x.ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "git/"+agentName) // some servers know git by it
	if body != nil {
		req.Header.Set("Content-Type", "application/x-"+x.service+"-request")
		req.Header.Set("Accept", "application/x-"+x.service+"-result")
	}
	if x.h.login.password != "" {
		req.SetBasicAuth(x.h.login.user, x.h.login.password)
	}
	res, err := x.h.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	return nil, x.h.status(res, x.service)
}

// status makes a sentence of an answer that is none.
func (h *smartHTTP) status(res *http.Response, service string) error {
	message := ""
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		b, _ := io.ReadAll(io.LimitReader(res.Body, 2000)) // it is only there to help
		if text := said(string(b), []string{h.login.password}); text != "" {
			message = ": " + text
		}
	}
	from := h.login.from
	switch {
	case res.StatusCode == http.StatusUnauthorized && from == "":
		return fail(ErrCredentials, "set ZAVE_GIT_TOKEN to a token, or put one into ~/.git-credentials",
			"%s asks for credentials, and there are none for its host", h.at.text)
	case res.StatusCode == http.StatusUnauthorized:
		return fail(ErrCredentials, "look whether it has expired, and at what it may do",
			"%s does not accept the credentials from %s%s", h.at.text, from, message)
	case res.StatusCode == http.StatusForbidden && service == receivePack && from != "":
		return fail(ErrCredentials, "a token has to have the right to write the repository's contents",
			"%s does not let the credentials from %s write%s", h.at.text, from, message)
	case res.StatusCode == http.StatusForbidden:
		return fail(ErrCredentials, "set ZAVE_GIT_TOKEN to a token that has the right to it", "%s does not allow that%s", h.at.text, message)
	case res.StatusCode == http.StatusNotFound, res.StatusCode == http.StatusGone:
		hint := "look at the path in the address; a private repository also needs credentials, in ZAVE_GIT_TOKEN or ~/.git-credentials"
		if from != "" {
			hint = "look at the path in the address, and whether the credentials from " + from + " may see it"
		}
		return fail(ErrNoRepo, hint, "there is no repository %s%s", h.at.text, message)
	case res.StatusCode == http.StatusRequestEntityTooLarge:
		return fail(ErrDeclined, "raise the limit for the body of a request, in the server or the proxy before it",
			"%s does not take as much as the commit has", h.at.text)
	case res.StatusCode == http.StatusInsufficientStorage:
		return fail(ErrDiskFull, "make room on the server", "%s has no space left%s", h.at.text, message)
	}
	return fail(ErrUnreachable, "try again; if it stays so, look at the server and the proxy before it",
		"%s answers with status %d%s", h.at.text, res.StatusCode, message)
}

func (x *httpExchange) advertisement() io.Reader { return x.bodies[0] }
func (x *httpExchange) complaint() string        { return "" }

func (x *httpExchange) send(request []byte) (io.Reader, error) {
	res, err := x.do(http.MethodPost, x.base+"/"+x.service, request)
	if err != nil {
		return nil, err
	}
	x.bodies = append(x.bodies, res.Body)
	return res.Body, nil
}

func (x *httpExchange) Close() error {
	var err error
	for _, b := range x.bodies {
		err = errors.Join(err, b.Close())
	}
	if err != nil {
		return fmt.Errorf("close the connection: %w", err)
	}
	return nil
}

// patient dials, and ends a connection on which the other side is silent for too long.
func patient(o Options) func(context.Context, string, string) (net.Conn, error) {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: min(o.Patience, 30*time.Second)}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &patientConn{c, o.Patience}, nil
	}
}

type patientConn struct {
	net.Conn
	patience time.Duration
}

// Read gives up after silence. What is written puts that off: a server says nothing while it is being sent something.
func (c *patientConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *patientConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
