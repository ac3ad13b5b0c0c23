package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/source"
)

// publishCase reads the report of a pull request that matters, which package diff keeps.
func publishCase(t *testing.T, name string) *report.Report {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "diff", "testdata", "cases", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		t.Fatal(err)
	}
	return &r
}

// ownedFiles gives so many paths of each cluster, and some that are no objects'.
func ownedFiles(n int) (out []string) {
	for _, cluster := range []string{"aws", "sandbox"} {
		for i := range n {
			out = append(out, fmt.Sprintf("platform/%s/s/%d.yaml", cluster, i))
			out = append(out, fmt.Sprintf("platform/%s/s%d/kustomization.yaml", cluster, i))
		}
	}
	return out
}

// locked gives the text and the hint of a refusal; empty where there is none.
func locked(t *testing.T, r *report.Report, owned []string, o interlocks) (text, hint string) {
	t.Helper()
	err := interlock(r, func() ([]string, error) { return owned, nil }, o)
	if err == nil {
		return "", ""
	}
	var p *problem
	if !errors.As(err, &p) || p.exit != exitInput || p.text == "" || p.hint == "" {
		t.Fatalf("error is %#v", err)
	}
	return p.text, p.hint
}

func TestInterlockCases(t *testing.T) {
	for _, c := range []struct {
		name  string
		allow []string
		text  []string // what the refusal says; none: it is let through
		hint  string
	}{
		{name: "egress-opened"}, {name: "host-stolen"}, {name: "image-bump"}, {name: "quota-lowered"}, {name: "tenant-added"},
		{name: "tenant-retired"}, {name: "tier-changed-for-all"}, {name: "zave-upgraded"},
		{
			name: "tenant-deleted",
			text: []string{
				"tenant rigoberta on aws and sandbox: deleted, with its workload",
				"    Namespace/rigoberta on aws and sandbox  tenants/rigoberta/tenant.cue:6",
				"    AppProject/argocd/rigoberta on aws and sandbox  tenants/rigoberta/tenant.cue:6",
				"    and 19 more\n    data is at stake\n", `step 1: set state: "retired" in its spec`,
			},
			hint: `where it is meant: --allow-delete rigoberta; or first publish state: "retired" in the spec of rigoberta`,
		},
		{name: "tenant-deleted", allow: []string{"rigoberta"}},
		{name: "tenant-deleted", allow: []string{"namespace/rigoberta"}},
		{name: "tenant-deleted", allow: []string{"AppProject/argocd/rigoberta", "panchito"}, text: []string{"tenant rigoberta"}},
		{
			name: "database-removed",
			text: []string{"database db_rigoberta on aws and sandbox: removed from the spec", "step 1: take a last backup"},
			hint: "where it is meant: --allow-delete db_rigoberta",
		},
		{name: "database-removed", allow: []string{"db_rigoberta"}},
		{name: "database-removed", allow: []string{"rigoberta"}},
	} {
		text, hint := locked(t, publishCase(t, c.name), ownedFiles(300), interlocks{c.allow, defaultDeletes()})
		for _, want := range c.text {
			if !strings.Contains(text, want) {
				t.Errorf("%s, allowed %q: refusal does not say %q:\n%s", c.name, c.allow, want, text)
			}
		}
		if len(c.text) == 0 && text != "" || c.hint != "" && hint != c.hint {
			t.Errorf("%s, allowed %q:\n%s\n%s", c.name, c.allow, text, hint)
		}
	}
}

func TestInterlock(t *testing.T) {
	at := source.Span{File: "tenants/a/tenant.cue", Line: 7}
	change := func(action report.Action, kind, name string) report.Change {
		return report.Change{ID: object.ID{Cluster: "aws", Kind: kind, Namespace: "a", Name: name}, Tenant: "a", Action: action, Origin: at}
	}
	subject := func(name, pass string, changes ...int) report.Subject {
		return report.Subject{Name: name, Cluster: "aws", Tenant: "a", Origin: at, Changes: changes, Pass: pass}
	}
	one := func(q report.Consequence, changes ...report.Change) *report.Report {
		return &report.Report{Changes: changes, Consequences: []report.Consequence{q}}
	}
	moved := one(report.Consequence{Class: report.Destructive, Rule: "object-moved", Kind: "Role", Text: "moved from x to y",
		Plan: []string{"annotate it", "move it"}, Subjects: []report.Subject{subject("a/r", "", 0)}}, change(report.Move, "Role", "r"))
	kept := one(report.Consequence{Class: report.Cosmetic, Rule: "object-moved-kept", Kind: "Role", Text: "moved from x to y",
		Subjects: []report.Subject{subject("a/r", "", 0)}}, change(report.Move, "Role", "r"))
	volume := func(pass string) *report.Report {
		return one(report.Consequence{Class: report.Destructive, Rule: "volume-deleted", Kind: "PersistentVolumeClaim", Text: "deleted",
			Subjects: []report.Subject{subject("a/v", pass, 0)}}, change(report.Delete, "PersistentVolumeClaim", "v"))
	}
	replaced := one(report.Consequence{Class: report.Destructive, Rule: "replaced", Kind: "Role", Text: "replaced",
		Subjects: []report.Subject{subject("a/r", "", 0)}}, change(report.Replace, "Role", "r"))
	backups := one(report.Consequence{Class: report.Disruptive, Rule: "backup-stopped", Kind: "CronJob", Text: "no longer backed up",
		Subjects: []report.Subject{subject("a/b", "", 0)}}, change(report.Delete, "CronJob", "b"))
	roles := &report.Report{}
	for i := range 3 {
		roles.Changes = append(roles.Changes, change(report.Delete, "Role", fmt.Sprint("r", i)))
	}
	for _, c := range []struct {
		what       string
		r          *report.Report
		files      int
		o          interlocks
		text, hint string
	}{
		{what: "nothing", r: &report.Report{}},
		{
			what: "a move", r: moved,
			text: "this publish would move objects to another owner while the old one deletes them:\n" +
				"  Role a/r on aws: moved from x to y  tenants/a/tenant.cue:7\n    step 1: annotate it\n    step 2: move it",
			hint: "publish the steps one by one; where deleting them is meant: --allow-delete Role/a/r",
		},
		{what: "a move that is allowed", r: moved, o: interlocks{allow: []string{"Role/a/r"}}},
		{what: "a move that is kept", r: kept},
		{
			what: "a volume", r: volume(""),
			text: "this publish would delete what reverting it does not bring back:\n" +
				"  PersistentVolumeClaim a/v on aws: deleted  tenants/a/tenant.cue:7",
			hint: "where it is meant: --allow-delete PersistentVolumeClaim/a/v",
		},
		{what: "a volume that is acknowledged", r: volume("acknowledged: moved")},
		{what: "what is made anew", r: replaced},
		{
			what: "backups", r: backups,
			text: "this publish would delete what reverting it does not bring back:\n" +
				"  CronJob a/b on aws: no longer backed up  tenants/a/tenant.cue:7",
			hint: "where it is meant: --allow-delete CronJob/a/b",
		},
		{
			what: "too many", r: roles, files: 14, o: interlocks{most: defaultDeletes()},
			text: "this publish would delete 3 of the 14 files of cluster aws, and --max-delete is 20%:\n" +
				"  Role/a/r0 on aws  tenants/a/tenant.cue:7\n  Role/a/r1 on aws  tenants/a/tenant.cue:7\n" +
				"  Role/a/r2 on aws  tenants/a/tenant.cue:7",
			hint: "where it is meant: --max-delete 22%, or --allow-delete with the name of a tenant or of an object",
		},
		{what: "not too many", r: roles, files: 15, o: interlocks{most: defaultDeletes()}},
		{what: "as many", r: roles, files: 3, o: interlocks{most: deleteLimit{n: 3}}},
		{
			what: "one too many", r: roles, files: 900, o: interlocks{most: deleteLimit{n: 2}},
			text: "this publish would delete 3 of the 900 files of cluster aws, and --max-delete is 2:\n" +
				"  Role/a/r0 on aws  tenants/a/tenant.cue:7\n  Role/a/r1 on aws  tenants/a/tenant.cue:7\n" +
				"  Role/a/r2 on aws  tenants/a/tenant.cue:7",
			hint: "where it is meant: --max-delete 3, or --allow-delete with the name of a tenant or of an object",
		},
		{what: "fewer by name", r: roles, files: 3, o: interlocks{[]string{"Role/a/r1"}, deleteLimit{n: 2}}},
		{what: "none by name", r: roles, files: 3, o: interlocks{[]string{"a"}, deleteLimit{}}},
	} {
		text, hint := locked(t, c.r, ownedFiles(c.files), c.o)
		if text != c.text || hint != c.hint {
			t.Errorf("%s:\n%s\n%s\nwant\n%s\n%s", c.what, text, hint, c.text, c.hint)
		}
	}
}

// A tenant that goes by its spec or by name takes its files with it, however many of the cluster's they are.
func TestInterlockShares(t *testing.T) {
	for _, c := range []struct {
		name  string
		allow []string
	}{{"tenant-retired", nil}, {"tenant-deleted", []string{"rigoberta"}}} {
		if text, _ := locked(t, publishCase(t, c.name), ownedFiles(10), interlocks{c.allow, defaultDeletes()}); text != "" {
			t.Errorf("%s:\n%s", c.name, text)
		}
	}
}

func TestDeleteLimit(t *testing.T) {
	for s, want := range map[string]deleteLimit{"20%": {20, true}, "0%": {0, true}, "100%": {100, true}, "7": {n: 7}, "0": {}} {
		var l deleteLimit
		if err := l.Set(s); err != nil || l != want || l.String() != s {
			t.Errorf("%s: %+v, %v", s, l, err)
		}
	}
	for _, s := range []string{"", "%", "-1", "101%", "a", "1.5", "20 %", "99999999999"} {
		if err := new(deleteLimit).Set(s); err == nil {
			t.Errorf("%q is a limit", s)
		}
	}
}

func TestSayUnusedDeletes(t *testing.T) {
	var out bytes.Buffer
	newApp(nil, &out, &out).sayUnusedDeletes(publishCase(t, "database-removed"), []string{
		"rigoberta", "db_rigoberta", "kustomization/flux-system/database-rigoberta", "rigobertta",
	})
	if got, want := out.String(), "--allow-delete rigobertta allows nothing: it does not change: did you mean \"rigoberta\"?\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
