package remote

import (
	"cmp"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/zavestudios/zave/internal/diag"
)

// address is where a repository is.
type address struct {
	scheme string // "https", "http", "ssh" or "file"
	user   string
	host   string // without the port
	port   string // empty: the scheme's own
	path   string // of a file: absolute
	text   string // as it is shown: without credentials
}

// scp is "host:path" and "user@host:path" as git-clone(1) has it, under GIT URLS: there is no slash before the colon.
func scp() *regexp.Regexp {
	return regexp.MustCompile(`^(?:([^@/:]+)@)?(\[[0-9a-fA-F:.]+\]|[^@/:\[\]]+):(.+)$`)
}

// secretUser is the beginning of a token, put where a user's name belongs.
func secretUser() *regexp.Regexp {
	return regexp.MustCompile(`^(gh[a-z]_|github_pat_|gl[a-z]*-|ATBB|ATCTT)`)
}

// parseAddress reads a URL, the short form of ssh, or a path, which is relative to a directory.
func parseAddress(s, dir string) (address, error) {
	const forms = "an address is https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, file:///PATH or a path"
	if s == "" {
		return address{}, fail(ErrAddress, forms, "the address of the repository is empty")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return address{}, fail(ErrAddress, forms, "the address of the repository has control characters in it")
	}
	scheme, rest, isURL := strings.Cut(s, "://")
	if !isURL {
		if m := scp().FindStringSubmatch(s); m != nil && filepath.VolumeName(s) == "" {
			a := address{scheme: "ssh", user: m[1], host: strings.Trim(m[2], "[]"), path: m[3], text: s}
			return a, a.sane()
		}
		if !filepath.IsAbs(s) {
			s = filepath.Join(dir, s)
		}
		return address{scheme: "file", path: filepath.Clean(s), text: filepath.Clean(s)}, nil
	}
	if scheme = strings.ToLower(scheme); scheme == "file" {
		path, err := url.PathUnescape(strings.TrimPrefix(rest, "localhost"))
		if err != nil || !strings.HasPrefix(path, "/") {
			return address{}, fail(ErrAddress, "write file:///PATH", "%s does not name an absolute path", diag.Visible(s))
		}
		return address{scheme: "file", path: filepath.Clean(path), text: "file://" + filepath.Clean(path)}, nil
	}
	u, err := url.Parse(s)
	if err != nil { // its text has the address, and so may have a password
		return address{}, fail(ErrAddress, forms, "the address of the repository cannot be read")
	}
	a := address{scheme: scheme, user: u.User.Username(), host: u.Hostname(), port: u.Port(), path: u.Path}
	shown := url.URL{Scheme: scheme, Host: u.Host, Path: u.Path}
	if scheme == "ssh" && a.user != "" {
		shown.User = url.User(a.user)
	}
	a.text = shown.String()
	if _, secret := u.User.Password(); secret || scheme != "ssh" && secretUser().MatchString(a.user) {
		return address{}, fail(ErrAddress, "take it out, and put it in the environment as ZAVE_GIT_TOKEN",
			"the address of the repository has a password or token in it, which would end up in logs: %s without it",
			strings.Replace(a.text, url.User(a.user).String()+"@", "", 1))
	}
	switch scheme {
	case "https", "ssh":
	case "git+ssh", "ssh+git":
		a.scheme = "ssh"
	case "http":
		if ip := net.ParseIP(a.host); a.host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return address{}, fail(ErrAddress, "use https://", "%s is not encrypted: http:// is for this machine alone", a.text)
		}
	default:
		return address{}, fail(ErrAddress, forms, "%s is of a scheme that zave does not use: %s", a.text, diag.Visible(scheme))
	}
	if u.RawQuery != "" || u.Fragment != "" || a.host == "" || strings.Trim(a.path, "/") == "" {
		return address{}, fail(ErrAddress, forms, "%s has to be a host and a path, and nothing more", a.text)
	}
	if a.scheme == "ssh" {
		if home, ok := strings.CutPrefix(a.path, "/~"); ok {
			a.path = "~" + home
		}
	}
	return a, a.sane()
}

// sane refuses what a program on the other side could take for an option.
func (a address) sane() error {
	if strings.HasPrefix(a.host, "-") || strings.HasPrefix(a.path, "-") || strings.HasPrefix(a.user, "-") {
		return fail(ErrAddress, "", "%s has a part that begins with a dash", diag.Visible(a.text))
	}
	return nil
}

// dial is the host and port to connect to.
func (a address) dial() string {
	return net.JoinHostPort(a.host, cmp.Or(a.port, map[string]string{"ssh": "22", "https": "443", "http": "80"}[a.scheme]))
}
