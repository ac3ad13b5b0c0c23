package remote

import (
	"cmp"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// login is what a server over HTTP is told.
type login struct {
	user, password string
	from           string // where it is from, for messages; empty: there is none
}

// findLogin looks for credentials for a host: in the environment, in the files of git's store (git-credential-store(1)),
// and in ~/.netrc. A token of a forge's CI is for that forge alone, so that no other host is ever sent it.
func findLogin(at address, env map[string]string) (login, error) {
	hostOf := func(server, otherwise string) string {
		if u, err := url.Parse(server); err == nil && u.Host != "" {
			return u.Hostname()
		}
		return otherwise
	}
	github := hostOf(env["GITHUB_SERVER_URL"], "github.com")
	gitlab := hostOf(env["CI_SERVER_URL"], "gitlab.com")
	for _, v := range []struct{ name, host, user string }{
		{"ZAVE_GIT_TOKEN", at.host, "x-access-token"}, // every forge takes any name beside a token
		{"GITHUB_TOKEN", github, "x-access-token"},
		{"GH_TOKEN", github, "x-access-token"},
		{"GITLAB_TOKEN", gitlab, "oauth2"},
		{"CI_JOB_TOKEN", gitlab, "gitlab-ci-token"},
	} {
		if token := strings.TrimSpace(env[v.name]); token != "" && strings.EqualFold(v.host, at.host) {
			return login{cmp.Or(at.user, v.user), token, v.name}, nil
		}
	}
	home := env["HOME"]
	if home == "" {
		return login{}, nil
	}
	config := cmp.Or(env["XDG_CONFIG_HOME"], filepath.Join(home, ".config"))
	for _, name := range []string{filepath.Join(home, ".git-credentials"), filepath.Join(config, "git", "credentials")} {
		data, err := readOptional(name)
		if err != nil {
			return login{}, err
		}
		if l, ok := storedLogin(at, data); ok {
			l.from = name
			return l, nil
		}
	}
	name := filepath.Join(home, ".netrc")
	data, err := readOptional(name)
	if err != nil {
		return login{}, err
	}
	if l, ok := netrcLogin(at, data); ok {
		l.from = name
		return l, nil
	}
	return login{}, nil
}

// readOptional reads a file that may be absent.
func readOptional(name string) (string, error) {
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fail(ErrCredentials, "make it readable, or remove it", "the file of credentials %s cannot be read", name)
	}
	return string(data), nil
}

// storedLogin reads URLs, one a line.
func storedLogin(at address, data string) (login, bool) {
	for line := range strings.Lines(data) {
		u, err := url.Parse(strings.TrimSpace(line))
		if err != nil || u.Scheme != at.scheme || !strings.EqualFold(u.Hostname(), at.host) || u.Port() != at.port {
			continue
		}
		password, ok := u.User.Password()
		if !ok || at.user != "" && at.user != u.User.Username() {
			continue
		}
		return login{user: u.User.Username(), password: password}, true
	}
	return login{}, false
}

// netrcLogin reads the format of ftp(1), as far as git's own client reads it.
func netrcLogin(at address, data string) (login, bool) {
	words := strings.Fields(data)
	var l login
	here := false
	for i := 0; i < len(words); i++ {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		switch words[i] {
		case "machine", "default":
			if here && l.password != "" {
				return l, true
			}
			l, here = login{}, words[i] == "default" || strings.EqualFold(value, at.host)
			if words[i] == "machine" {
				i++
			}
		case "login":
			l.user = value
			here = here && (at.user == "" || at.user == value)
			i++
		case "password":
			l.password = value
			i++
		case "account":
			i++
		}
	}
	return l, here && l.password != ""
}
