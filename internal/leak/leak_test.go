package leak

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	alnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	hex16 = "0123456789abcdef"
)

// fill makes characters by chance, always the same ones: no token stands in this file, and none is anybody's.
func fill(n int, set string) string {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = set[rng.IntN(len(set))]
	}
	return string(b)
}

func rules(found []Finding) (out []string) {
	for _, f := range found {
		out = append(out, fmt.Sprintf("%d %s", f.Line, f.Rule))
	}
	return out
}

// secrets are lines with one of each kind, and the part that must not be shown.
func secrets() map[string][][2]string {
	one := func(prefix string, n int, set string) [][2]string {
		return [][2]string{{"x " + prefix + fill(n, set) + " y", fill(n, set)}}
	}
	jwt := "eyJ" + fill(20, alnum) + ".eyJ" + fill(40, alnum) + "." + fill(43, alnum)
	auth := base64.StdEncoding.EncodeToString([]byte("robot:" + fill(12, alnum)))
	key := base64.StdEncoding.EncodeToString([]byte("-----BEGIN EC PRIVATE KEY-----\n" + fill(64,
		alnum) + "\n-----END EC PRIVATE KEY-----\n"))
	verifier := fill(22, alnum) + "==$" + fill(43, alnum) + "=:" + fill(43, alnum) + "="
	return map[string][][2]string{
		"github-token":        append(one("ghp_", 36, alnum), one("github_pat_"+fill(22, alnum)+"_", 59, alnum)...),
		"gitlab-token":        one("glpat-", 20, alnum),
		"aws-access-key":      one("AKIA", 16, upper),
		"gcp-api-key":         one("AIza", 35, alnum),
		"gcp-oauth-secret":    one("GOCSPX-", 28, alnum),
		"azure-storage-key":   {{"AccountName=a;AccountKey=" + fill(86, alnum) + "==;", fill(86, alnum)}},
		"azure-client-secret": {{`"` + fill(3, alnum) + "8Q~" + fill(34, alnum) + `"`, fill(34, alnum)}},
		"azure-sas": {{"https://a.blob.core.windows.net/c?sv=2022&sig=" + fill(43, alnum) + "%3D", fill(43,
			alnum)}},
		"slack-token":        one("xoxb-", 40, alnum),
		"slack-webhook":      one("https://hooks.slack.com/services/T012/B345/", 24, alnum),
		"teams-webhook":      one("https://team.webhook.office.com/webhookb2/", 60, alnum),
		"discord-webhook":    one("https://discord.com/api/webhooks/123456789012345678/", 68, alnum),
		"stripe-key":         one("sk_live_", 24, alnum),
		"npm-token":          one("npm_", 36, alnum),
		"pypi-token":         one("pypi-AgEIcHlwaS5vcmc", 70, alnum),
		"rubygems-key":       one("rubygems_", 48, hex16),
		"jwt":                {{"Authorization: Bearer " + jwt, jwt}},
		"vault-token":        append(one("hvs.", 24, alnum), [2]string{"VAULT_TOKEN=s." + fill(24, alnum), fill(24, alnum)}),
		"terraform-token":    one(fill(14, alnum)+".atlasv1.", 60, alnum),
		"digitalocean-token": one("dop_v1_", 64, hex16),
		"sendgrid-key":       one("SG."+fill(22, alnum)+".", 43, alnum),
		"anthropic-key":      one("sk-ant-api03-", 93, alnum),
		"openai-key":         one("sk-proj-"+fill(20, alnum)+"T3BlbkFJ", 20, alnum),
		"huggingface-token":  one("hf_", 34, alnum[:52]),
		"dockerhub-token":    one("dckr_pat_", 27, alnum),
		"databricks-token":   one("dapi", 32, hex16),
		"grafana-token":      one("glsa_"+fill(32, alnum)+"_", 8, hex16),
		"telegram-token":     one("1234567890:AA", 33, alnum),
		"newrelic-key":       one("NRAK-", 27, upper),
		"shopify-token":      one("shpat_", 32, hex16),
		"planetscale-token":  one("pscale_tkn_", 43, alnum),
		"pulumi-token":       one("pul-", 40, hex16),
		"sentry-token":       one("sntrys_", 80, alnum),
		"tailscale-key":      one("tskey-auth-"+fill(12, alnum)+"-", 32, alnum),
		"linear-key":         one("lin_api_", 40, alnum),
		"doppler-token":      one("dp.pt.", 43, alnum),
		"postman-key":        one("PMAK-"+fill(24, hex16)+"-", 34, hex16),
		"age-key":            one("AGE-SECRET-KEY-1", 58, upper),
		"postgres-verifier":  {{"'SCRAM-SHA-256$4096:" + verifier + "'", verifier}},
		"docker-auth":        {{`{"auths": {"ghcr.io": {"auth": "` + auth + `"}}}`, auth}},
		"url-password": {
			{"url: postgres://app:" + fill(9, alnum) + "@db:5432/app", fill(9, alnum)},
			{"amqp://u:" + fill(14, alnum) + "@[::1]/", fill(14, alnum)},
		},
		"private-key": {
			{"tls.key: " + key, key},
			{`"private_key": "-----BEGIN PRIVATE KEY-----\n` + fill(64, alnum) + `\n-----END PRIVATE KEY-----\n"`, fill(64,
				alnum)},
		},
		"assigned-secret": {
			{`password: "` + fill(12, alnum) + `"`, fill(12, alnum)},
			{`DB_PASSWORD='` + fill(10, alnum) + `'`, fill(10, alnum)},
			{`apiKey := "` + fill(32, hex16) + `"`, fill(32, hex16)},
			{`"clientSecret" : "` + fill(24, alnum) + `",`, fill(24, alnum)},
			{`env: SESSION_TOKEN: "` + fill(20, alnum) + `"`, fill(20, alnum)},
			{`secret_key_base = "` + fill(64, hex16) + `"`, fill(64, hex16)},
			{`smtp.password = "Tr0ub4dor&3x"`, "Tr0ub4dor&3x"},          // zave:allow-secret nobody's
			{`passphrase => 'Kx7Fq2mZ9w'`, "Kx7Fq2mZ9w"},                // zave:allow-secret nobody's
			{`MY_SUPER_PASSWORD: "MyPassword2024!"`, "MyPassword2024!"}, // zave:allow-secret nobody's
		},
	}
}

// TestScan finds every kind, on its line, and in no finding is anything of the value.
func TestScan(t *testing.T) {
	all := secrets()
	for _, r := range tokenRules() {
		if all[r.id] == nil {
			t.Errorf("no test has the rule %s", r.id)
		}
	}
	for id, lines := range all {
		for _, l := range lines {
			text := "first\n" + l[0] + "\nlast\n"
			found := Scan("a.txt", []byte(text), nil, nil)
			if got := rules(found); !slices.Equal(got, []string{"2 " + id}) {
				t.Errorf("%q: got %q, want %s", l[0], got, id)
				continue
			}
			if s := fmt.Sprintf("%+v", found); strings.Contains(s, l[1]) {
				t.Errorf("the finding shows the value: %s", s)
			}
			// A line that was there is not new, nor is one that is allowed.
			if got := Scan("a.txt", []byte(text), []byte(l[0]+"\r\n"), nil); got != nil {
				t.Errorf("%q is not new: %q", l[0], rules(got))
			}
			if got := Scan("a.txt", []byte(text), nil, map[string]bool{found[0].Fingerprint: true}); got != nil {
				t.Errorf("%q is allowed: %q", l[0], rules(got))
			}
			for _, comment := range []string{l[0] + " # zave:allow-secret a test", "// zave:allow-secret a test\n" + l[0]} {
				if got := Scan("a.txt", []byte("first\n"+comment), nil, nil); got != nil {
					t.Errorf("%q is allowed: %q", comment, rules(got))
				}
			}
			if got := Scan("a.txt", []byte(l[0]+" # zave:allow-secret"), nil, nil); got == nil {
				t.Errorf("%q is allowed without a reason", l[0])
			}
		}
	}
}

// TestMask leaves nothing of a value that has a form, and the rest as it was.
func TestMask(t *testing.T) {
	for id, lines := range secrets() {
		if id == "assigned-secret" { // what it is, only its name tells
			continue
		}
		for _, l := range lines {
			text := "ä “before”\n" + l[0] + "\nafter " + l[0]
			got := Mask(text)
			if strings.Contains(got, l[1]) || !strings.HasPrefix(got, "ä “before”\n") ||
				!strings.Contains(got, "(masked)") ||
				!strings.Contains(got, "\nafter ") {
				t.Errorf("%s: %q became %q", id, text, got)
			}
			if Mask(got) != got {
				t.Errorf("%s: %q became %q", id, got, Mask(got))
			}
		}
	}
	for _, text := range []string{"", "image sha-5df14da → sha-91c0b2e", `"postgres://db:5432/app"`, `["a","b"]`,
		"https://user@example.com", "-----BEGIN PRIVATE KEY-----"} {
		if got := Mask(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// TestHarmless is what only looks like a secret.
func TestHarmless(t *testing.T) {
	public := base64.StdEncoding.EncodeToString([]byte("-----BEGIN CERTIFICATE-----\n" + fill(64, alnum)))
	for file, lines := range map[string][]string{
		"a.yaml": {
			"digest: sha256:" + fill(64, hex16), "token_id: 6f9619ff-8b86-d011-b42d-00cf4fc964ff",
			"passwordFile: /run/secrets/db-1",
			"secretName: shop-db-credentials-2024a", "tokenTTL: 3600s", "token: ${API_TOKEN_2}",
			"password: {{ .Values.password1 }}", "password: changeme123",
			"sshPublicKey: ssh-ed25519 " + fill(68, alnum), "recipient: age1" + fill(58, "023456789acdefghjklmnpqrstuvwxyz"),
			"caBundle: " + public,
			"secretRef: {name: abc-1}", "password: $2b$12$" + fill(53, alnum),
			"encryptedToken: ENC[AES256_GCM,data:" + fill(12, alnum) + "]",
			"url: postgres://app:${PASSWORD}@db/app", "url: postgres://user:password@localhost/app",
			"url: https://user@example.com:8080/x@y", "secret: projects/1234567/secrets/db-2/versions/1",
			"passwordPolicy: 12chars-1upper-1digit", "tokens: 4096", "keyId: AKIAIOSFODNN7EXAMPLE",
			"api_key: AIzaSyExampleExampleExampleExampleExamp", "password: \"\"", "secret_key: 'YOUR-SECRET-KEY-123'",
			"access_key_id: minio-user-1", "keySelector: 0a1b2c3d4e5f6a7b8c9d", "hash_of_token: " + fill(64, hex16),
			"public_key: " + fill(44, alnum),
		},
		"a.go": {
			`password := os.Getenv("DB_PASSWORD_1")`, `token = s.tokens[i2]`, `secretKey: key1.Data["x"]`,
			`const header = "-----BEGIN PRIVATE KEY-----"`,
			`if token != "application/json; v=1" {`, `tokenURL := "https://login.example.com/oauth2/v2"`,
			`password: "the word of 3 tests"`, `credentialsFile = "testdata/creds1.json"`,
			`token: IDENT2,`, `secretKind = "ExternalSecretV1Beta1"`,
		},
		"go.sum":            {"github.com/token/secret v1.0.0 h1:" + fill(43, alnum) + "="},
		"package-lock.json": {`"resolved-token": "` + fill(44, alnum) + `"`},
		"flake.lock":        {`"secret": "` + fill(44, alnum) + `"`},
	} {
		for _, line := range lines {
			if got := Scan(file, []byte(line+"\n"), nil, nil); got != nil {
				t.Errorf("%s: %q: %q", file, line, rules(got))
			}
		}
	}
}

// TestManifests tells Secrets from what only bears their name.
func TestManifests(t *testing.T) {
	value := fill(11, alnum)
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"stringData", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  a: " + value +
			"\n  b: |\n    x\n    " + value + "\n", []string{"5 kubernetes-secret", "6 kubernetes-secret"}},
		{"json", `{"kind": "Secret", "apiVersion": "v1", "data": {"a": "` + value + `"}}`, []string{"1 kubernetes-secret"}},
		{"list", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  data:\n    a: YWJj\n",
			[]string{"7 kubernetes-secret"}},
		{"second document", "kind: ConfigMap\napiVersion: v1\n---\nkind: Secret\napiVersion: v1\ndata: {a: YWJj}\n",
			[]string{"6 kubernetes-secret"}},
		{"template", "kind: Secret\napiVersion: v1\n{{ if x }}\ndata:\n  a: YWJjZGVm\n  b: {{ .b }}\n{{ end }}\n",
			[]string{"5 kubernetes-secret"}},
		{"empty", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/service-account-token\n", nil},
		{"no value", "apiVersion: v1\nkind: Secret\nstringData: {a: '', b: '${B}', c: '<path:secret/data/c#c>'}\n", nil},
		{"external", "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\n" +
			"spec: {target: {template: {data: {password: '{{ .p }}'}}}}\n", nil},
		{"sealed", "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\n" +
			"spec:\n  encryptedData:\n    password: " + fill(60, alnum) + "\n", nil},
		{"sops", "apiVersion: v1\nkind: Secret\ndata:\n  password: ENC[AES256_GCM,data:" + value + "]\nsops:\n  mac: x\n",
			nil},
		{"reference", "kind: HelmRelease\nspec:\n  valuesFrom:\n  - kind: Secret\n    name: a-1\n", nil},
		{"allowed", "# zave:allow-secret for a test\napiVersion: v1\nkind: Secret\nstringData:\n  a: " + value + "\n", nil},
	} {
		name := "a.yaml"
		if test.name == "json" {
			name = "a.json"
		}
		if got := rules(Scan(name, []byte(test.text), nil, nil)); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	// One value changes: it is new, and the others are not.
	old := "apiVersion: v1\nkind: Secret\nstringData:\n  a: one-1\n  b: two-2\n"
	if got := rules(Scan("a.yaml", []byte(strings.Replace(old, "two-2", "three-3", 1)), []byte(old),
		nil)); !slices.Equal(got, []string{"5 kubernetes-secret"}) {
		t.Errorf("%q", got)
	}
	if got := Scan("a.yaml", []byte(old+"immutable: true\n"), []byte(old), nil); got != nil {
		t.Errorf("%q", rules(got))
	}
}

// TestKeys finds the forms that private keys are kept in; a header alone is none, nor is a key that was there.
func TestKeys(t *testing.T) {
	body := fill(64, alnum) + "\n" + fill(63, alnum) + "=\n"
	for header, kind := range map[string]string{
		"-----BEGIN PRIVATE KEY-----\n":                                "a private key",
		"-----BEGIN RSA PRIVATE KEY-----\r\n":                          "a private key",
		"-----BEGIN OPENSSH PRIVATE KEY-----\n":                        "an OpenSSH private key",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\n":                      "an encrypted private key",
		"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n":        "a PGP private key",
		"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nC: x\n": "a PuTTY private key",
		"untrusted comment: minisign encrypted secret key\n":           "a minisign secret key",
		"  key: |\n    -----BEGIN EC PRIVATE KEY-----\n    ":           "a private key",
	} {
		found := Scan("key", []byte(header+body), nil, nil)
		if len(found) != 1 || found[0].Rule != "private-key" || found[0].Kind != kind {
			t.Errorf("%q: %+v, want %s", header, found, kind)
		}
		if found := Scan("key", []byte(header+"not a key\n"), nil, nil); found != nil {
			t.Errorf("%q alone: %+v", header, found)
		}
		if found := Scan("key", []byte("new\n"+header+body), []byte(header+body), nil); found != nil {
			t.Errorf("%q was there: %+v", header, found)
		}
		// Another key behind the same header is new.
		if found := Scan("key", []byte(header+body), []byte(header+"x"+body[1:]), nil); len(found) != 1 {
			t.Errorf("%q with another key: %+v", header, found)
		}
	}
	if found := Scan("cert.pem", []byte("-----BEGIN CERTIFICATE-----\n"+body), nil, nil); found != nil {
		t.Errorf("a certificate: %+v", found)
	}
	store := append([]byte("PK\x00\x01"), fill(200, alnum)...)
	if got := rules(Scan("a/tls.p12", store, nil, nil)); !slices.Equal(got, []string{"0 key-store"}) {
		t.Errorf("%q", got)
	}
	if got := Scan("a/tls.p12", store, store, nil); got != nil {
		t.Errorf("%q", rules(got))
	}
	if got := Scan("a/logo.png", store, nil, nil); got != nil {
		t.Errorf("%q", rules(got))
	}
}

// TestFingerprint differs by file, rule and value, and is not the value's digest.
func TestFingerprint(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range [][3]string{{"a", "b", "c"}, {"x", "b", "c"}, {"a", "x", "c"}, {"a", "b", "x"}} {
		seen[Fingerprint(p[0], p[1], p[2])] = true
	}
	if len(seen) != 4 {
		t.Errorf("%v", seen)
	}
	if got := ParseAllowed([]byte("# all of them\nabc # why\n\n  def\n")); len(got) != 2 || !got["abc"] || !got["def"] {
		t.Errorf("%v", got)
	}
}

// TestRepository looks through this repository's own files: what is found is a key that is made for a test.
func TestRepository(t *testing.T) {
	root := filepath.Join("..", "..")
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"internal/postgres/archive/archive_test.go": "a private key",
		"internal/diff/format/everything_test.go":   "",
		"internal/diff/format/mask_test.go":         "",
		// Scripts whose subject this is.
		"cmd/zave/testdata/script/hook-merge.txtar":   "a GitHub token",
		"cmd/zave/testdata/script/hook-install.txtar": "a GitHub token",
		"cmd/zave/testdata/script/hook-secrets.txtar": "",
	}
	files := 0
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			continue // removed, and that is not staged
		}
		files++
		for _, f := range Scan(name, data, nil, nil) {
			if kind, ok := want[name]; !ok || kind != "" && kind != f.Kind {
				t.Errorf("%s:%d: %s", f.File, f.Line, f.Kind)
			}
		}
	}
	if files < 1000 {
		t.Errorf("only %d files were looked through", files)
	}
}

// FuzzScan takes any bytes, and neither panics nor shows them.
func FuzzScan(f *testing.F) {
	for _, lines := range secrets() {
		f.Add([]byte(lines[0][0]))
	}
	f.Add([]byte("apiVersion: v1\nkind: Secret\ndata:\n  a: |\n    b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{"a.yaml", "a.go"} {
			for _, found := range Scan(name, data, nil, nil) {
				if lines := bytes.Count(data, []byte("\n")) + 1; found.Line < 0 || found.Line > lines {
					t.Errorf("line %d of %d", found.Line, lines)
				}
			}
		}
		Mask(string(data))
	})
}

// BenchmarkScan is a spec, as the hook looks through it.
func BenchmarkScan(b *testing.B) {
	data, err := os.ReadFile(filepath.Join("..", "..", "tenants", "panchito", "tenant.cue"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Scan("tenants/panchito/tenant.cue", data, nil, nil)
	}
}
