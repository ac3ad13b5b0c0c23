package leak

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
	"sync"
)

// rule is a kind of secret that is known by its form.
type rule struct {
	id, kind string
	words    []string // a line without any of them is not looked at
	re       *regexp.Regexp
	group    int                 // which group is the value
	check    func(v string) bool // may be nil
	line     func(l []byte) bool // what else the line must say; may be nil
}

// tokenRules lists them. Each pattern is the one that its issuer documents, or shows in its own secret scanning.
var tokenRules = sync.OnceValue(func() []rule {
	r := func(id, kind, re string, words ...string) rule {
		return rule{id: id, kind: kind, words: words, re: regexp.MustCompile(re)}
	}
	rules := []rule{
		r("github-token", "a GitHub token",
			`\b(?:gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59})`, "ghp_", "gho_", "ghu_", "ghs_",
			"ghr_", "github_pat_"),
		r("gitlab-token", "a GitLab token",
			`\b(?:gl(?:pat|dt|ptt|rt|soat|agent|cbt|imt|ft|ffct)-[0-9A-Za-z_\-]{20,}|gloas-[0-9a-f]{64})`, "glpat-", "gldt-",
			"glptt-", "glrt-", "glsoat-", "glagent-", "glcbt-", "glimt-", "glft-", "glffct-", "gloas-"),
		r("aws-access-key", "an AWS access key", `\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b`, "AKIA", "ASIA", "ABIA", "ACCA"),
		r("gcp-api-key", "a Google API key", `\bAIza[0-9A-Za-z_\-]{35}`, "AIza"),
		r("gcp-oauth-secret", "a Google OAuth client secret", `\bGOCSPX-[0-9A-Za-z_\-]{28}`, "GOCSPX-"),
		r("azure-storage-key", "an Azure storage key", `\bAccountKey=[0-9A-Za-z+/]{86}==`, "AccountKey="),
		r("azure-client-secret", "an Azure client secret",
			`(?:^|["'\s=:])[0-9A-Za-z_~.]{3}\dQ~[0-9A-Za-z_~.\-]{31,34}(?:$|["'\s])`, "Q~"),
		r("azure-sas", "an Azure shared access signature", `[?&]sig=[0-9A-Za-z%+/]{40,}(?:%3D|=)`, "sig="),
		r("slack-token", "a Slack token", `\b(?:xox[abeoprs]-[0-9A-Za-z\-]{10,}|xapp-\d-[0-9A-Za-z\-]{20,})`, "xox", "xapp-"),
		r("slack-webhook", "a Slack webhook",
			`https://hooks\.slack\.com/(?:services|workflows)/[0-9A-Za-z]+/[0-9A-Za-z]+/[0-9A-Za-z]{16,}`, "hooks.slack.com"),
		r("teams-webhook", "a Microsoft Teams webhook",
			`https://[0-9a-z\-]+\.webhook\.office\.com/webhookb2/[0-9A-Za-z@/\-]{40,}`, "webhook.office.com"),
		r("discord-webhook", "a Discord webhook", `https://discord(?:app)?\.com/api/webhooks/\d{15,}/[0-9A-Za-z_\-]{60,}`,
			"/api/webhooks/"),
		r("stripe-key", "a Stripe key", `\b(?:(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{16,}|whsec_[0-9A-Za-z+/]{32,})`, "_live_",
			"_test_", "whsec_"),
		r("npm-token", "an npm token", `\bnpm_[0-9A-Za-z]{36}`, "npm_"),
		r("pypi-token", "a PyPI token", `\bpypi-AgEIcHlwaS5vcmc[0-9A-Za-z_\-]{50,}`, "pypi-AgEI"),
		r("rubygems-key", "a RubyGems key", `\brubygems_[0-9a-f]{48}`, "rubygems_"),
		r("jwt", "a JSON Web Token", `\beyJ[0-9A-Za-z_\-]{10,}\.eyJ[0-9A-Za-z_\-]{10,}\.[0-9A-Za-z_\-]{10,}`, "eyJ"),
		r("vault-token", "a Vault token", `\bhv[sbr]\.[0-9A-Za-z_\-]{24,}`, "hvs.", "hvb.", "hvr."),
		r("terraform-token", "a Terraform Cloud token", `\b[0-9A-Za-z]{14}\.atlasv1\.[0-9A-Za-z_\-]{60,}`, ".atlasv1."),
		r("digitalocean-token", "a DigitalOcean token", `\bdo[opr]_v1_[0-9a-f]{64}`, "_v1_"),
		r("sendgrid-key", "a SendGrid key", `\bSG\.[0-9A-Za-z_\-]{22}\.[0-9A-Za-z_\-]{43}`, "SG."),
		r("anthropic-key", "an Anthropic key", `\bsk-ant-(?:api|admin|oat|ort)\d\d-[0-9A-Za-z_\-]{80,}`, "sk-ant-"),
		r("openai-key", "an OpenAI key", `\bsk-(?:(?:proj|svcacct|admin)-)?[0-9A-Za-z_\-]{20,}T3BlbkFJ[0-9A-Za-z_\-]{20,}`,
			"T3BlbkFJ"),
		r("huggingface-token", "a Hugging Face token", `\b(?:hf_[A-Za-z]{34}|api_org_[A-Za-z]{34})\b`, "hf_", "api_org_"),
		r("dockerhub-token", "a Docker Hub token", `\bdckr_[po]at_[0-9A-Za-z_\-]{27,}`, "dckr_"),
		r("databricks-token", "a Databricks token", `\bdapi[0-9a-f]{32}\b`, "dapi"),
		r("grafana-token", "a Grafana token", `\b(?:glsa_[0-9A-Za-z]{32}_[0-9a-f]{8}|glc_eyJ[0-9A-Za-z+/]{30,})`, "glsa_",
			"glc_"),
		r("telegram-token", "a Telegram bot token", `\b\d{8,10}:AA[0-9A-Za-z_\-]{33}\b`, ":AA"),
		r("newrelic-key", "a New Relic key", `\bNRAK-[0-9A-Z]{27}\b`, "NRAK-"),
		r("shopify-token", "a Shopify token", `\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b`, "shpat_", "shpca_", "shppa_",
			"shpss_"),
		r("planetscale-token", "a PlanetScale credential", `\bpscale_(?:tkn|pw|oauth)_[0-9A-Za-z=._\-]{32,}`, "pscale_"),
		r("pulumi-token", "a Pulumi token", `\bpul-[0-9a-f]{40}\b`, "pul-"),
		r("sentry-token", "a Sentry token", `\bsntr(?:ys|yu)_[0-9A-Za-z+/=_]{40,}`, "sntrys_", "sntryu_"),
		r("tailscale-key", "a Tailscale key", `\btskey-(?:auth|api|client)-[0-9A-Za-z]+-[0-9A-Za-z]{20,}`, "tskey-"),
		r("linear-key", "a Linear key", `\blin_api_[0-9A-Za-z]{40}`, "lin_api_"),
		r("doppler-token", "a Doppler token", `\bdp\.(?:pt|st|ct|scim|audit)\.(?:[0-9A-Za-z_\-]+\.)?[0-9A-Za-z]{40,}`, "dp."),
		r("postman-key", "a Postman key", `\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}`, "PMAK-"),
		r("age-key", "an age secret key", `\bAGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{58,}`, "AGE-SECRET-KEY-"),
		r("postgres-verifier", "a PostgreSQL password verifier",
			`SCRAM-SHA-256\$\d+:[0-9A-Za-z+/=]{16,}\$[0-9A-Za-z+/=]{44}:[0-9A-Za-z+/=]{44}`, "SCRAM-SHA-256$"),
	}
	old := r("vault-token", "a Vault token", `(?:^|["'\s=:])(s\.[0-9A-Za-z]{24})(?:$|["'\s])`, "s.")
	old.group, old.line = 1, func(l []byte) bool { return bytes.Contains(bytes.ToLower(l), []byte("vault")) }
	auth := r("docker-auth", "a registry's credentials", `"auth"\s*:\s*"([0-9A-Za-z+/]{8,}={0,2})"`, `"auth"`)
	auth.group, auth.check = 1, func(v string) bool {
		b, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			return false
		}
		_, password, ok := strings.Cut(string(b), ":")
		return ok && password != "" && !placeholder(password)
	}
	url := r("url-password", "a password in an address",
		`\b[A-Za-z][0-9A-Za-z+.\-]*://[^\s/:@"'`+"`"+`<>{}\\]*:([^\s/@"'`+"`"+`<>\\]{3,})@[0-9A-Za-z\[]`, "://")
	url.group, url.check = 1, func(v string) bool { return !placeholder(v) && !dull(v) }
	pem := r("private-key", "a private key in base64", `\bLS0tLS1CRUdJTi[0-9A-Za-z+/]{40,}={0,2}`, "LS0tLS1CRUdJTi")
	pem.check = func(v string) bool {
		v = strings.TrimRight(v, "=")
		b, err := base64.RawStdEncoding.DecodeString(v[:len(v)&^3])
		return err == nil && bytes.Contains(b[:min(len(b), 60)], []byte("PRIVATE KEY"))
	}
	return append(rules, old, auth, url, pem)
})

// dull is a password that documents one: the word itself, or the name beside it.
func dull(v string) bool {
	switch strings.ToLower(strings.Trim(v, "-_.!*")) {
	case "password", "passwd", "pass", "pwd", "secret", "token", "user", "test", "pw", "p", "admin", "postgres", "guest",
		"s3cret", "hunter2", "root", "pass123":
		return true
	}
	return false
}

// any tells whether the text has one of the words.
func (r *rule) any(text []byte) bool {
	for _, w := range r.words {
		if bytes.Contains(text, []byte(w)) {
			return true
		}
	}
	return false
}

// matches gives the place of each value in a line.
func (r *rule) matches(line []byte) (out [][2]int) {
	for _, m := range r.re.FindAllSubmatchIndex(line, -1) {
		from, to := m[2*r.group], m[2*r.group+1]
		v := string(line[from:to])
		if exampleToken(v) || r.check != nil && !r.check(v) || r.line != nil && !r.line(line) {
			continue
		}
		out = append(out, [2]int{from, to})
	}
	return out
}

// exampleToken is one that documentation shows: AWS marks its own, others repeat a letter, or count.
func exampleToken(v string) bool {
	lower := strings.ToLower(v)
	for _, w := range []string{"example", "placeholder", "xxxxxx", "000000000", "aaaaaaaa", "your",
		"12345678901234567890", "abcdefghijklmnop", "redacted", "........"} {
		if strings.Contains(lower, w) {
			return true
		}
	}
	return false
}

func (s *scan) tokens() {
	for _, r := range tokenRules() {
		if !r.any(s.data) {
			continue
		}
		for i, line := range s.lines {
			if !s.fresh[i] || !r.any(line) {
				continue
			}
			for _, m := range r.matches(line) {
				s.found(i, r.id, r.kind, string(line[m[0]:m[1]]))
			}
		}
	}
}

// keyHeader begins a private key. What follows it must be one: a header alone is code, or text about keys.
var keyHeader = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`-----BEGIN (?:(RSA|DSA|EC|OPENSSH|ENCRYPTED|SSH2 ENCRYPTED|ANY) )?PRIVATE KEY-----|` +
		`-----BEGIN (PGP) PRIVATE KEY BLOCK-----|(PuTTY)-User-Key-File-\d:|` +
		`untrusted comment: (minisign|signify) (?:encrypted )?secret key`)
})

// keyBody is a line of such a key, or the rest of its header's line where line ends are written as \n.
var keyBody = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:^|\\n|["'\s|>])[0-9A-Za-z+/]{40,}={0,2}`)
})

func (s *scan) keys() {
	if !bytes.Contains(s.data, []byte("PRIVATE KEY")) && !bytes.Contains(s.data, []byte("PuTTY-User-Key-File")) &&
		!bytes.Contains(s.data, []byte("secret key")) {
		return
	}
	kinds := map[string]string{
		"OPENSSH": "an OpenSSH private key", "PGP": "a PGP private key", "PuTTY": "a PuTTY private key",
		"minisign": "a minisign secret key",
		"signify":  "a signify secret key", "ENCRYPTED": "an encrypted private key",
	}
	for i, line := range s.lines {
		m := keyHeader().FindSubmatchIndex(line)
		if m == nil {
			continue
		}
		// The key's own lines: up to the first that has the form of one, past headers such as those of PGP.
		for j := i; j < min(i+12, len(s.lines)); j++ {
			text := s.lines[j]
			if j == i {
				text = line[m[1]:]
			}
			if !keyBody().Match(text) || exampleToken(string(text)) {
				continue
			}
			kind := "a private key"
			for g := 2; g < len(m); g += 2 {
				if m[g] >= 0 && kinds[string(line[m[g]:m[g+1]])] != "" {
					kind = kinds[string(line[m[g]:m[g+1]])]
				}
			}
			if s.fresh[j] && !s.excused(i) {
				s.fresh[i] = true // the key is new, even where another one stood
				s.found(i, "private-key", kind, string(text))
			}
			break
		}
	}
}

// Mask takes what looks like a secret by its form out of a text, and leaves the rest.
func Mask(text string) string {
	data := []byte(text)
	changed := false
	if m := keyHeader(); bytes.Contains(data, []byte("PRIVATE KEY")) || bytes.Contains(data,
		[]byte("PuTTY-User-Key-File")) {
		if at := m.FindIndex(data); at != nil && keyBody().Match(data[at[1]:]) {
			end := len(data)
			if i := bytes.Index(data[at[1]:], []byte("-----END ")); i >= 0 {
				end = at[1] + i
			}
			return Mask(text[:at[0]]) + text[at[0]:at[1]] + masked + Mask(text[end:])
		}
	}
	for _, r := range tokenRules() {
		if !r.any(data) {
			continue
		}
		matches := r.matches(data)
		for i := len(matches) - 1; i >= 0; i-- {
			m := matches[i]
			data = append(data[:m[0]:m[0]], append([]byte(masked), data[m[1]:]...)...)
			changed = true
		}
	}
	if !changed {
		return text
	}
	return string(data)
}

// masked stands for a secret.
const masked = "(masked)"
