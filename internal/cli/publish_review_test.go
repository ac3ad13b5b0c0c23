package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/forge"
)

// TestReviewTarget finds the project, and sends a token to no other server than the one that it is for.
func TestReviewTarget(t *testing.T) {
	own := map[string]string{
		"GITHUB_SERVER_URL": "https://git.acme.example", "GITHUB_API_URL": "https://git.acme.example/api/v3",
		"GITHUB_TOKEN": "gh", "CI_SERVER_URL": "https://lab.acme.example:8443", "CI_API_V4_URL": "https://lab.acme.example:8443/api/v4",
		"GITLAB_TOKEN": "gl",
	}
	below := map[string]string{ // of a GitLab below a path of its host
		"CI_SERVER_URL": "https://acme.example/gitlab", "CI_API_V4_URL": "https://acme.example/gitlab/api/v4/", "GITLAB_TOKEN": "gl",
	}
	at := func(project string) forge.Target {
		return forge.Target{Kind: forge.GitLab, API: below["CI_API_V4_URL"], Project: project, Token: "gl"}
	}
	for _, test := range []struct {
		repo, kind string
		env        map[string]string
		want       forge.Target
		fails      string
	}{
		{repo: "https://github.com/acme/gitops.git", env: own,
			want: forge.Target{Kind: forge.GitHub, API: "https://api.github.com", Project: "acme/gitops", Token: "gh"}},
		{repo: "git@github.com:acme/gitops.git", env: own,
			want: forge.Target{Kind: forge.GitHub, API: "https://api.github.com", Project: "acme/gitops", Token: "gh"}},
		{repo: "ssh://git@ssh.github.com:443/acme/gitops", env: own,
			want: forge.Target{Kind: forge.GitHub, API: "https://api.github.com", Project: "acme/gitops", Token: "gh"}},
		{repo: "https://git.acme.example/acme/gitops", env: own,
			want: forge.Target{Kind: forge.GitHub, API: "https://git.acme.example/api/v3", Project: "acme/gitops", Token: "gh"}},
		{repo: "https://gitlab.com/acme/platform/gitops/", env: own,
			want: forge.Target{Kind: forge.GitLab, API: "https://gitlab.com/api/v4", Project: "acme/platform/gitops", Token: "gl"}},
		{repo: "git@lab.acme.example:acme/gitops.git", env: own,
			want: forge.Target{Kind: forge.GitLab, API: "https://lab.acme.example:8443/api/v4", Project: "acme/gitops", Token: "gl"}},
		{repo: "https://code.example/acme/gitops", kind: "gitlab", env: own,
			want: forge.Target{Kind: forge.GitLab, API: "https://lab.acme.example:8443/api/v4", Project: "acme/gitops", Token: "gl"}},

		{repo: "https://acme.example/gitlab/group/gitops.git", env: below, want: at("group/gitops")},
		{repo: "https://acme.example/gitlab/gitlab/gitops", env: below, want: at("gitlab/gitops")},
		{repo: "git@acme.example:gitlab/gitops.git", env: below, want: at("gitlab/gitops")},
		{repo: "ssh://git@acme.example:2222/gitlab/sub/gitops.git", env: below, want: at("gitlab/sub/gitops")},
		{repo: "https://other.example/gitlab/group/gitops", kind: "gitlab", env: below, want: at("group/gitops")},
		{repo: "https://acme.example/group/gitops", kind: "gitlab", env: below, want: at("group/gitops")},
		{repo: "https://acme.example/gitlab-old/gitops", env: below, fails: "it cannot be told which forge acme.example is"},
		{repo: "https://acme.example/gitlab/group/gitops", kind: "gitlab",
			env:  map[string]string{"CI_SERVER_URL": "https://ci.example", "CI_API_V4_URL": below["CI_API_V4_URL"], "GITLAB_TOKEN": "gl"},
			want: at("group/gitops")},
		{repo: "https://acme.example/gitlab/group/gitops",
			env:  map[string]string{"CI_SERVER_URL": "https://acme.example/gitlab", "CI_API_V4_URL": "http://10.0.0.1/api/v4", "GITLAB_TOKEN": "gl"},
			want: forge.Target{Kind: forge.GitLab, API: "http://10.0.0.1/api/v4", Project: "group/gitops", Token: "gl"}},
		{repo: "https://gitlab.com/gitlab/group/gitops", env: below,
			want: forge.Target{Kind: forge.GitLab, API: "https://gitlab.com/api/v4", Project: "gitlab/group/gitops", Token: "gl"}},

		{repo: "https://code.example/acme/gitops", env: own, fails: "it cannot be told which forge code.example is"},
		{repo: "https://code.example/acme/gitops", kind: "github", env: map[string]string{"GITHUB_TOKEN": "gh"},
			fails: "the address of GitHub's API on code.example is not known"},
		{repo: "https://github.com/acme/gitops", fails: "GITHUB_TOKEN is not set"},
		{repo: "https://gitlab.com/acme/gitops", fails: "GITLAB_TOKEN is not set"},
		{repo: "/srv/gitops.git", env: own, fails: "/srv/gitops.git is on no forge"},
		{repo: "file:///srv/gitops.git", kind: "github", env: own, fails: "is on no forge"},
	} {
		got, err := reviewTarget(test.repo, test.kind, func(name string) string { return test.env[name] })
		switch {
		case test.fails != "":
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: got %+v (%v), want %s", test.repo, got, err, test.fails)
			}
		case err != nil || got != test.want:
			t.Errorf("%s: got %+v (%v), want %+v", test.repo, got, err, test.want)
		}
	}
}

// TestPublications reads what git interpret-trailers reads, and what is left of it where a forge squashed a branch.
func TestPublications(t *testing.T) {
	for message, want := range map[string][]string{
		"s\n\nZave-Source: a@b\n":                                         {"a@b"},
		"s\n\nbody\n\nZave-Version: 1\nzave-source:  a@b \n\n\n":          {"a@b"},
		"s\r\n\r\nbody\r\n\r\nZave-Source: a@b\r\n":                       {"a@b"},
		"Zave-Source: a@b\n":                                              nil,
		"s\n\nnone\n":                                                     nil,
		"s\n\nZave-Source: a@b\nZave-Source: c@d\n":                       {"c@d"},
		"s\n\n* one\n\nZave-Source: a@b\n\n* two\n\nZave-Source: c@d":     {"a@b", "c@d"},
		"s\n\nZave-Source: a@b\n\n---------\n\nCo-authored-by: X <x@y>\n": {"a@b"},
		"": nil,
	} {
		var got []string
		for _, p := range publications(message) {
			got = append(got, trailer(p, "Zave-Source"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", message, got, want)
		}
	}
}
