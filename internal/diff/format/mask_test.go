package format

import (
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/diff/report"
)

func TestMaskFields(t *testing.T) {
	const env = `spec.template.spec.containers[name="web"].env[name="`
	for _, test := range []struct{ kind, path, value, want string }{
		{"Deployment", env + `DB_PASSWORD"].value`, `"hunter2"`, masked},
		{"Deployment", env + `PGPASSWORD"].value`, `"hunter2"`, masked},
		{"Deployment", env + `API_KEY"].value`, `"hunter2"`, masked},
		{"Deployment", env + `clientSecret"].value`, `"hunter2"`, masked},
		{"Deployment", env + `GITHUB_TOKEN"]`, `{"name":"GITHUB_TOKEN","value":"hunter2"}`, `{"name":"GITHUB_TOKEN","value":"(masked)"}`},
		{"Deployment", `spec.template.spec.containers[name="web"].env`, `[{"name":"A","value":"1"},{"name":"SECRET","value":"hunter2"}]`,
			`[{"name":"A","value":"1"},{"name":"SECRET","value":"(masked)"}]`},
		{"Deployment", env + `TOKEN"]`, `{"name":"TOKEN","value":"hunter2 and mo…`, `{"name":"TOKEN","value":(masked)`},
		{"Deployment", `spec.template.spec.containers[name="web"].args[0]`, `"--password=hunter2"`, `"--password=(masked)"`},
		{"Deployment", env + `DATABASE_URL"].value`, `"postgres://app:hunter2@db:5432/app"`, `"postgres://app:(masked)@db:5432/app"`},
		{"Secret", "data", `{"a":"aHVudGVyMg=="}`, masked},
		{"Secret", `data["tls.crt"]`, `"aHVudGVyMg=="`, masked},
		{"Secret", `stringData.x`, `"hunter2"`, masked},
		{"ConfigMap", "data.APP_SECRET", `"hunter2"`, masked},
		{"ConfigMap", "data", `{"APP_SECRET":"hunter2","LOG":"debug"}`, `{"APP_SECRET":"(masked)","LOG":"debug"}`},
		{"Widget", "spec.auth.password", `"hunter2"`, masked},
		{"Widget", "spec.auth", `{"password":"hunter2","user":"app"}`, `{"password":"(masked)","user":"app"}`},

		// What is no secret stays readable.
		{"Deployment", env + `PUBLIC_KEY"].value`, `"ssh-ed25519 AAAA"`, `"ssh-ed25519 AAAA"`},
		{"Deployment", env + `DB_PASSWORD_FILE"].value`, `"/run/secrets/password"`, `"/run/secrets/password"`},
		{"Deployment", env + `DB_PASSWORD"].valueFrom.secretKeyRef.name`, `"database"`, `"database"`},
		{"Deployment", env + `DB_PASSWORD"].valueFrom.secretKeyRef.key`, `"password"`, `"password"`},
		{"Deployment", env + `TOKEN"].value`, `""`, `""`},
		{"Deployment", env + `LOG_LEVEL"].value`, `"debug"`, `"debug"`},
		{"Deployment", `spec.template.spec.containers[name="token-agent"].image`, `"ghcr.io/a/b@sha256:12"`, `"ghcr.io/a/b@sha256:12"`},
		{"Deployment", "spec.template.spec.automountServiceAccountToken", `false`, `false`},
		{"ExternalSecret", "spec.data[0].secretKey", `"password"`, `"password"`},
		{"ExternalSecret", "spec.secretStoreRef.name", `"vault"`, `"vault"`},
		{"ConfigMap", `data["pg_hba.conf"]`, `"hostssl all all"`, `"hostssl all all"`},
	} {
		f := newMasker(nil).field(test.kind, report.Field{Path: test.path, After: test.value})
		if f.After != test.want || f.Before != "" {
			t.Errorf("%s %s: %s became %q and %q, want %q", test.kind, test.path, test.value, f.Before, f.After, test.want)
		}
	}
	f := newMasker(nil).field("Secret", report.Field{Path: "data.a", Before: `"1"`, After: `"2"`})
	if f.Before == f.After {
		t.Errorf("a change of a secret does not show: %+v", f)
	}
}

// What the caller masks by its shape is masked wherever there is text.
func TestMaskReachesEverything(t *testing.T) {
	const secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
	r := small()
	r.Base.Name, r.Head.Name = secret, secret
	r.Notes = []string{"a note of " + secret}
	r.Money = []report.Money{{Cluster: "sandbox", After: 1, How: secret}}
	r.Changes[0].Fields = append(r.Changes[0].Fields, report.Field{Path: "spec.x", Before: `"` + secret + `"`, After: `{"a":"` + secret + `"}`})
	for i := range r.Consequences {
		q := &r.Consequences[i]
		q.Text, q.Why, q.Plan = secret, secret, []string{secret}
		q.Subjects[0].Name, q.Subjects[0].Pass = secret, secret
	}
	for _, f := range Formats() {
		o := options()
		o.Verbose = true
		o.Mask = func(s string) string { return strings.ReplaceAll(s, secret, masked) }
		if out := string(printed(t, f, r, o)); strings.Contains(out, secret) {
			t.Errorf("%s prints it:\n%s", f, out)
		}
	}
}
