package format

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
)

// commitOptions are those of a publish.
func commitOptions() CommitOptions {
	return CommitOptions{
		Source:  "github.com/zavestudios/platform@91c0b2e191c0b2e191c0b2e191c0b2e191c0b2e1",
		Version: "0.1.0", SpecHash: "sha256:5df14da05df14da05df14da05df14da05df14da05df14da05df14da05df14da0",
	}
}

// checkMessage holds a commit message to what CommitMessage says of it, and gives its subject.
func checkMessage(tb testing.TB, message string, trailers ...string) string {
	tb.Helper()
	lines := strings.Split(strings.TrimSuffix(message, "\n"), "\n")
	if !strings.HasSuffix(message, "\n") || strings.HasSuffix(message, "\n\n") || !fits(lines[0], commitWidth) || lines[0] == "" {
		tb.Fatalf("subject, or end, of\n%s", message)
	}
	if len(lines) > 1 && lines[1] != "" {
		tb.Errorf("no empty line behind the subject of\n%s", message)
	}
	last := len(lines) - len(trailers)
	if got := lines[last:]; !slices.Equal(got, trailers) {
		tb.Errorf("trailers are %q, want %q", got, trailers)
	}
	if len(trailers) > 0 && lines[last-1] != "" {
		tb.Errorf("no empty line before the trailers of\n%s", message)
	}
	if last > commitLines+2 {
		tb.Errorf("the body has %d lines", last-2)
	}
	for i, line := range lines[:last] {
		if r, _ := utf8.DecodeRuneInString(line); line != "" && i > 0 && !word(r) && !strings.ContainsRune("* (", r) || strings.HasPrefix(line, "#") ||
			strings.HasPrefix(line, "---") {
			tb.Errorf("line %d begins otherwise than ours: %q", i, line)
		}
		if dialect.Width(line) > commitWidth || strings.TrimRight(line, " ") != line || line == "" && i > 0 && lines[i-1] == "" {
			tb.Errorf("line %d is too long, or blank at the end: %q", i, line)
		}
		if token, _, found := strings.Cut(line, ":"); i > 0 && found && !strings.ContainsAny(token, "* ") {
			tb.Errorf("line %d is a trailer: %q", i, line)
		}
	}
	for _, r := range message {
		if r != '\n' && !dialect.Printable(r) {
			tb.Errorf("%q is in %q", r, message)
		}
	}
	return lines[0]
}

// trailersOf gives what options come to.
func trailersOf(o CommitOptions) (out []string) {
	for _, t := range [][2]string{{"Zave-Source", o.Source}, {"Zave-Version", o.Version}, {"Zave-Spec-Hash", o.SpecHash}} {
		if t[1] != "" {
			out = append(out, t[0]+": "+t[1])
		}
	}
	return out
}

// git reads the trailers, and no others.
func TestCommitTrailers(t *testing.T) {
	reports := map[string]*report.Report{"everything": everything(), "small": small(), "empty": {}}
	for _, name := range caseNames(t) {
		reports[name] = caseReport(t, name)
	}
	want := trailersOf(commitOptions())
	for name, r := range reports {
		message := CommitMessage(r, commitOptions())
		checkMessage(t, message, want...)
		cmd := exec.CommandContext(t.Context(), "git", "interpret-trailers", "--parse")
		cmd.Stdin = strings.NewReader(message)
		out, err := cmd.Output()
		if err != nil || string(out) != strings.Join(want, "\n")+"\n" {
			t.Errorf("%s: git reads %q, %v of\n%s", name, out, err, message)
		}
	}
}

// Nothing that a forge or an editor would act on leaves, and no secret.
func TestCommitEscapes(t *testing.T) {
	o := commitOptions()
	o.Source = "https://bot:hunter2@git.example/platform.git"
	out := CommitMessage(everything(), o)
	for _, secret := range []string{"hunter2", "hunter3", "correct horse", "battery-staple"} {
		if strings.Contains(out, secret) {
			t.Errorf("%q is in\n%s", secret, out)
		}
	}
	for text, want := range map[string]string{
		"fixes #12":                 "fixes # 12",
		"closes zavestudios/zave#1": "closes zavestudios/zave# 1",
		"@octocat, look":            "@ octocat, look",
		"image web@sha256:ab":       "image web@sha256:ab",
		"[skip ci] and [CI skip]":   "[ skip ci] and [ CI skip]",
		"containers[0]":             "containers[0]",
		" a\n\tb ":                  `a\n\tb`,
		"a\x1b[31m":                 `a\x1b[31m`,
	} {
		if got := quiet(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestCommitSubject has the subjects of what the cases leave out.
func TestCommitSubject(t *testing.T) {
	type say struct{ class, rule, kind, name, cluster, tenant, text string }
	for want, all := range map[string][]say{
		"panchito: image sha-5df14da → sha-91c0b2e (aws, sandbox)": {
			{"disruptive", "pods-restart", "Deployment", "panchito/web", "sandbox", "panchito", "restarted: image sha-5df14da → sha-91c0b2e"},
			{"disruptive", "next-run", "CronJob", "panchito/nightly", "aws", "panchito", "other: image sha-5df14da → sha-91c0b2e"},
		},
		"3 tenants, 1 removed (aws)": {
			{"destructive", "tenant-deleted", "tenant", "a", "aws", "a", "deleted"},
			{"disruptive", "scaled-to-zero", "Deployment", "b/web", "aws", "b", "scaled to zero"},
			{"disruptive", "scaled-to-zero", "Deployment", "c/web", "aws", "c", "scaled to zero"},
		},
		"tenant a added (aws)": { // and not on the other cluster
			{"disruptive", "pods-restart", "Deployment", "a/web", "sandbox", "a", "restarted: image 1 → 2"},
			{"additive", "tenant-added", "tenant", "a", "aws", "a", "added: 3 objects"},
		},
		"tenant a removed (aws), added (sandbox)": {
			{"destructive", "tenant-deleted", "tenant", "a", "aws", "a", "deleted"},
			{"additive", "tenant-added", "tenant", "a", "sandbox", "a", "added: 3 objects"},
		},
		"tenants a and b added (aws)": {
			{"additive", "tenant-added", "tenant", "a", "aws", "a", "added: 3 objects"},
			{"additive", "tenant-added", "tenant", "b", "aws", "b", "added: 3 objects"},
		},
		"2 tenants and 2 services added (aws)": {
			{"additive", "service-added", "service", "istiod", "aws", "", "added: 3 objects"},
			{"additive", "service-added", "service", "kyverno", "aws", "", "added: 3 objects"},
			{"additive", "tenant-added", "tenant", "a", "aws", "a", "added: 3 objects"},
			{"additive", "tenant-added", "tenant", "b", "aws", "b", "added: 3 objects"},
		},
		"platform: istiod 1.29 → 1.30 (aws)": {
			{"disruptive", "chart-changed", "HelmRelease", "istio-system/istiod", "aws", "", "upgraded: chart 1.29 → 1.30"},
		},
		"platform: kyverno removed (aws)": {
			{"destructive", "service-removed", "service", "kyverno", "aws", "", "removed, and its chart uninstalled"},
		},
		"a and the platform: Deployments and HelmReleases changed (aws)": {
			{"disruptive", "pods-restart", "Deployment", "a/web", "aws", "a", "restarted: image 1 → 2"},
			{"disruptive", "chart-changed", "HelmRelease", "istio-system/istiod", "aws", "", "upgraded: chart 1.29 → 1.30"},
		},
		"a and b: image 1 → 2 (5 clusters)": {
			{"disruptive", "pods-restart", "Deployment", "a/web", "c1", "a", "restarted: image 1 → 2"},
			{"disruptive", "pods-restart", "Deployment", "b/web", "c2", "b", "restarted: image 1 → 2"},
			{"disruptive", "pods-restart", "Deployment", "b/web", "c3", "b", "restarted: image 1 → 2"},
			{"disruptive", "pods-restart", "Deployment", "b/web", "c4", "b", "restarted: image 1 → 2"},
			{"disruptive", "pods-restart", "Deployment", "b/web", "c5", "b", "restarted: image 1 → 2"},
		},
		"a: bookkeeping (aws)": {
			{"cosmetic", "bookkeeping", "object", "Role/a/x", "aws", "a", "the same but for annotations of zave's own"},
		},
		"a: ConfigMap web changed (aws)": {
			{"disruptive", "config-changed", "ConfigMap", "a/web", "aws", "a", "changed: " + strings.Repeat("x", 99)},
		},
		"a: ConfigMap " + strings.Repeat("x", 52) + "… (aws)": {
			{"disruptive", "config-changed", "ConfigMap", "a/" + strings.Repeat("x", 99), "aws", "a", "changed"},
		},
		"changed: # and b: Widgets changed (aws)": {
			{"disruptive", "changed", "Widget", "#/x", "aws", "#", "changed"},
			{"disruptive", "changed", "Widget", "b/y", "aws", "b", "changed otherwise"},
		},
	} {
		r := &report.Report{}
		for _, s := range all {
			r.Consequences = append(r.Consequences, report.Consequence{
				Class: report.Class(s.class), Rule: s.rule, Kind: s.kind, Text: s.text,
				Subjects: []report.Subject{{Name: s.name, Cluster: s.cluster, Tenant: s.tenant, Changes: []int{len(r.Changes)}}},
			})
			r.Changes = append(r.Changes, report.Change{ID: object.ID{Cluster: s.cluster, Kind: s.kind, Name: s.name}, Tenant: s.tenant})
		}
		if got := checkMessage(t, CommitMessage(r, CommitOptions{})); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// A report of a thousand consequences has a message that people read.
func TestCommitMany(t *testing.T) {
	r := &report.Report{}
	for i := range 1000 {
		tenant := fmt.Sprintf("tenant-%d", i)
		r.Consequences = append(r.Consequences, report.Consequence{
			Class: report.Disruptive, Rule: "pods-restart", Kind: "Deployment", Text: fmt.Sprintf("restarted: image 1 → %d", i),
			Subjects: []report.Subject{{Name: tenant + "/web", Cluster: "aws", Tenant: tenant}},
		})
	}
	out := CommitMessage(r, CommitOptions{})
	if got := checkMessage(t, out); got != "1,000 tenants: new image (aws)" {
		t.Error(got)
	}
	if !strings.HasSuffix(out, "\n\nAnd 966 more consequences.\n") {
		t.Errorf("the rest is not counted:\n%s", out)
	}
}

// TestCommitForm puts together what matters to git, to forges and to our own cutting, at random.
func TestCommitForm(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 9))
	parts := []string{
		"a", "web", "panchito", "image ", " ", ":", ": ", ", ", "; ", "#", "@", "-", "/", "*", "(", "0", "…", " → ", "世", "\u0301", "\n", "\xff",
		"[skip ci]", "Signed-off-by: x",
	}
	text := func(most int) string {
		var b strings.Builder
		for range random.IntN(most + 1) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		return b.String()
	}
	rules := []string{
		"pods-restart", "tenant-added", "tenant-deleted", "chart-changed", "bookkeeping", "changed", "service-added", "database-removed",
	}
	for range 1000 {
		r := &report.Report{Generator: random.IntN(9) == 0}
		for i := range random.IntN(6) {
			tenant := []string{"", "a", "b", text(5), text(30)}[random.IntN(5)]
			c := report.Change{ID: object.ID{Cluster: text(6), Kind: text(3), Name: text(4)}, Tenant: tenant, Action: actions()[random.IntN(6)]}
			if random.IntN(20) == 0 {
				c.Fields = []report.Field{{Path: `metadata.annotations["zave.io/generator-version"]`, Before: text(40) + "0", After: text(40) + "1"}}
			}
			q := report.Consequence{
				Class: report.Classes()[random.IntN(6)], Rule: rules[random.IntN(len(rules))], Text: text(60), Data: random.IntN(2) == 0,
				Kind: []string{"path", "Deployment", "cluster", "service", text(4)}[random.IntN(5)],
			}
			for range 1 + random.IntN(3) {
				s := report.Subject{Name: tenant + "/" + text(8), Cluster: c.Cluster, Tenant: tenant, Changes: []int{i}, Pass: text(2)}
				q.Subjects = append(q.Subjects, s)
			}
			r.Changes, r.Consequences = append(r.Changes, c), append(r.Consequences, q)
		}
		message := CommitMessage(r, CommitOptions{Version: "1"})
		if checkMessage(t, message, "Zave-Version: 1"); t.Failed() || message != CommitMessage(r, CommitOptions{Version: "1"}) {
			t.Fatalf("not the form of a message, or another one than before:\n%s", message)
		}
	}
}

// Whatever a report holds, the message has its form, and equal reports have equal ones.
func FuzzCommitMessage(f *testing.F) {
	f.Add("panchito", "panchito/web", "aws", "Deployment", "restarted: image 1 → 2", 3)
	f.Add("#", "---", "Zave-Version: 9", "", ": x\n\nSigned-off-by: nobody", 9)
	f.Add("a b", strings.Repeat("世", 90), "\u202e", "path", strings.Repeat("x ", 900), 200)
	f.Add("", strings.Repeat("\u0301", 90), strings.Repeat("c", 90), "tenant", "", 1)
	f.Fuzz(func(t *testing.T, tenant, name, cluster, kind, text string, n int) {
		rules := []string{"pods-restart", "tenant-added", "tenant-deleted", "chart-changed", "bookkeeping", "changed", "service-added"}
		r := &report.Report{}
		for i := range max(n, 0) % 64 {
			s := report.Subject{Name: name, Cluster: cluster, Tenant: tenant, Changes: []int{i}}
			if i%3 == 1 {
				s.Tenant, s.Pass = name, text
			}
			r.Changes = append(r.Changes, report.Change{ID: object.ID{Cluster: cluster, Kind: kind, Name: name}, Tenant: s.Tenant})
			r.Consequences = append(r.Consequences, report.Consequence{
				Class: report.Classes()[i%6], Rule: rules[(i+n)%len(rules)], Kind: kind, Text: text, Data: i%2 == 0, Subjects: []report.Subject{s},
			})
		}
		o := CommitOptions{Source: text + "@" + name, Version: "1"}
		out := CommitMessage(r, o)
		want := []string{"Zave-Source: " + oneLine(newMasker(nil).text(o.Source)), "Zave-Version: 1"}
		checkMessage(t, out, want...)
		if again := CommitMessage(r, o); again != out {
			t.Errorf("another message:\n%s\n%s", out, again)
		}
	})
}
