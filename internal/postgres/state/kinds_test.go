package state

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/golden"
)

// TestKindsPage holds that the reference in the documentation is the code's.
func TestKindsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(`# Findings of databases

What 'zave db plan' and 'zave db verify' find on a server that no statement of a plan rights, by ID. This page is made
from the code; 'zave explain ID' prints one entry of it.

'zave db verify' names a finding 'audit/ID/OBJECT', and '--accept' takes that, or 'audit/ID' for all of a kind; 'audit/'
may be left out. What a finding itself says goes further than this page: it names the object, and its hint the statement.

| severity | it means |
| --- | --- |
| critical | a tenant can read, write or become what is not its own |
| high | a tenant can stop or starve another, or all may lose something |
| medium | a barrier is missing that another one stands behind |
| low | a tenant learns what it need not, or something is not as it was meant |

Beside findings, 'zave db verify' reports what a plan would do, 'audit/step/…', and why it would do nothing,
'audit/refusal/…': 'zave db apply' does the one, and the message says what the other needs.
`, "'", "`"))
	part := ""
	for _, k := range Kinds() {
		if k.Part != part {
			part = k.Part
			fmt.Fprintf(&b, "\n## %s\n\n| ID | severity | what it means | what to do |\n| --- | --- | --- | --- |\n", part)
		}
		var severities []string
		for _, s := range k.Severities {
			severities = append(severities, string(s))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.ID, strings.Join(severities, ", "), k.Means, k.Do)
	}
	golden.File(t, filepath.FromSlash("../../../docs/database-findings.md"), []byte(b.String()))
}

// TestKinds holds that every ID in the code has an entry, and every entry an ID.
func TestKinds(t *testing.T) {
	entries := map[string]bool{}
	for _, k := range Kinds() {
		if entries[k.ID] {
			t.Errorf("%s has two entries", k.ID)
		}
		entries[k.ID] = true
		if !slices.IsSortedFunc(k.Severities, func(a, b Severity) int { return a.rank() - b.rank() }) ||
			len(k.Severities) == 0 || k.Severities[0].rank() < 0 {
			t.Errorf("%s has the severities %v: not the worst first", k.ID, k.Severities)
		}
		for _, text := range []string{k.Means, k.Do} {
			if !strings.HasSuffix(text, ".") || strings.ContainsAny(text, "\n|") {
				t.Errorf("%s: %q is no sentence in a cell of a table", k.ID, text)
			}
		}
	}
	ids := literals(t)
	for _, j := range judgedSettings() {
		ids[settingID(j.name)] = true
	}
	ids[settingID(socketPermissions)] = true
	for id := range ids {
		if !entries[id] {
			t.Errorf("the finding %q has no entry", id)
		}
	}
	for id := range entries {
		if !ids[id] {
			t.Errorf("no code finds %q", id)
		}
	}
}

// literals gives the IDs of findings that stand in this package's code and in that of package postgres: those of
// composite literals, of assignments to a finding's ID, and the arguments of functions that make findings.
func literals(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	text := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			s, err := strconv.Unquote(l.Value)
			if err != nil {
				t.Fatal(err)
			}
			out[s] = true
		}
	}
	var files []string
	for _, pattern := range []string{"*.go", "../*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, names...)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if typeName(n.Type) != "Finding" {
					return true
				}
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok && typeName(kv.Key) == "ID" {
						text(kv.Value)
					}
				}
			case *ast.AssignStmt:
				for i, l := range n.Lhs {
					if s, ok := l.(*ast.SelectorExpr); ok && s.Sel.Name == "ID" && i < len(n.Rhs) &&
						(typeName(s.X) == "f" || typeName(s.X) == "out") {
						text(n.Rhs[i])
					}
				}
			case *ast.CallExpr:
				switch f := n.Fun.(type) {
				case *ast.SelectorExpr: // in.found(id, …) and h.found(rule, id, …)
					if f.Sel.Name == "found" && len(n.Args) > 1 {
						text(n.Args[0])
						if typeName(f.X) == "h" {
							text(n.Args[1])
						}
					}
				case *ast.Ident: // add(id, severity, …)
					if f.Name == "add" && len(n.Args) == 5 {
						text(n.Args[0])
					}
				}
			}
			return true
		})
	}
	return out
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// TestKindOf holds how an ID may be written.
func TestKindOf(t *testing.T) {
	for id, want := range map[string]string{
		"hba-missing": "hba-missing", "audit/hba-missing": "hba-missing", "audit/hba-missing/db_shop": "hba-missing",
		"setting-fsync": "setting-fsync", "hba": "", "audit/step/role/x": "", "": "",
	} {
		if k, ok := KindOf(id); k.ID != want || ok != (want != "") {
			t.Errorf("%q is %q, want %q", id, k.ID, want)
		}
	}
	f := Finding{ID: "hba-missing", Object: "db_shop"}
	for id, want := range map[string]bool{
		"audit/hba-missing": true, "hba-missing": true, "audit/hba-missing/db_shop": true, "hba-missing/db_shop": true,
		"audit/hba": false, "hba-miss": false, "audit/hba-missing/db": false, "": false, "audit": false,
	} {
		if Accepts(id, f.Name()) != want {
			t.Errorf("%q accepts %s: %t, want %t", id, f.Name(), !want, want)
		}
	}
}
