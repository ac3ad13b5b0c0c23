package format

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/zavestudios/zave/internal/diff/report"
)

// parsed reads Markdown as GitHub does.
func parsed(src []byte) ast.Node {
	return goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(src))
}

// raw gives the raw HTML of a document, and its links.
func raw(t testing.TB, src []byte) (html []string, links []string, tables, fences int) {
	t.Helper()
	err := ast.Walk(parsed(src), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.HTMLBlock:
			var b strings.Builder
			for i := range n.Lines().Len() {
				line := n.Lines().At(i)
				b.Write(line.Value(src))
			}
			if n.HasClosure() {
				b.Write(n.ClosureLine.Value(src))
			}
			html = append(html, b.String())
		case *ast.RawHTML:
			var b strings.Builder
			for i := range n.Segments.Len() {
				segment := n.Segments.At(i)
				b.Write(segment.Value(src))
			}
			html = append(html, b.String())
		case *ast.Link:
			links = append(links, string(n.Destination))
		case *ast.AutoLink:
			links = append(links, string(n.URL(src)))
		case *ast.Image:
			links = append(links, "image "+string(n.Destination))
		case *extast.Table:
			tables++
		case *ast.FencedCodeBlock:
			fences++
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return html, links, tables, fences
}

// wellFormed checks what holds of every comment.
func wellFormed(t testing.TB, name string, src []byte) {
	t.Helper()
	html, links, _, _ := raw(t, src)
	depth := 0
	tag := regexp.MustCompile(`<[^>]*>`)
	for i, block := range html {
		if i == 0 && strings.TrimSpace(block) == options().Marker {
			continue
		}
		for _, found := range tag.FindAllString(block, -1) {
			switch found {
			case "<details>":
				depth++
			case "</details>":
				depth--
			case "<summary>", "</summary>", "<b>", "</b>":
			default:
				t.Errorf("%s: HTML that is not ours: %q in %q", name, found, block)
			}
			if depth < 0 || depth > 1 {
				t.Errorf("%s: details are not balanced at %q", name, block)
				return
			}
		}
	}
	if depth != 0 {
		t.Errorf("%s: %d details are left open", name, depth)
	}
	for _, link := range links {
		if !strings.HasPrefix(link, options().Repo+"/") {
			t.Errorf("%s: a link to %q", name, link)
		}
	}
}

func TestMarkdownRenders(t *testing.T) {
	reports := map[string]*report.Report{"everything": everything(), "small": small(), "empty": {}}
	for _, name := range caseNames(t) {
		reports[name] = caseReport(t, name)
	}
	for name, r := range reports {
		out := printed(t, Markdown, r, options())
		wellFormed(t, name, out)
		if n := units(out); n > githubComment {
			t.Errorf("%s is %d characters", name, n)
		}
		_, _, tables, _ := raw(t, out)
		if want := min(len(r.Consequences), 1); tables < want {
			t.Errorf("%s: %d tables of at least %d", name, tables, want)
		}
	}
	_, links, tables, fences := raw(t, printed(t, Markdown, everything(), options()))
	if tables != 2 || fences < 8 || len(links) < 20 {
		t.Errorf("everything has %d tables, %d fences and %d links", tables, fences, len(links))
	}
}

func units(b []byte) int { return len(utf16.Encode([]rune(string(b)))) }

// Text is shown as it is: what a reader sees is what was escaped, but for the breakers.
func TestEscape(t *testing.T) {
	alphabet := []string{"a", "b", " ", "*", "_", "`", "<", ">", "&", "[", "]", "(", ")", "!", "#", "@", "1", "://", "www.", "x.y", "|",
		"~", "$", `\`, "-", "+", "^", ":", "é", "→", "http", "amp;", "mailto:", "<b>", "\"", "'", "a@b.c", "=", "{", "}", "."}
	rng := rand.New(rand.NewPCG(4, 4))
	for range 5000 {
		var b strings.Builder
		for range 1 + rng.IntN(12) {
			b.WriteString(alphabet[rng.IntN(len(alphabet))])
		}
		s := strings.Join(strings.Fields(b.String()), " ")
		if s == "" {
			continue
		}
		for _, src := range []string{"x " + escape(s) + " y", "| x " + cell(escape(s)) + " y |\n| --- |\n", "- x " + code(s) + " y",
			"| x " + cell(code(s)) + " y |\n| --- |\n"} {
			html, links, tables, _ := raw(t, []byte(src))
			if len(html) > 0 || len(links) > 0 || (tables == 1) != strings.HasPrefix(src, "|") {
				t.Fatalf("%q became %q: HTML %q, links %q, %d tables", s, src, html, links, tables)
			}
			if got, want := strings.ReplaceAll(plain([]byte(src)), breaker, ""), "x "+s+" y"; got != want {
				t.Fatalf("%q became %q, which reads %q", s, src, got)
			}
		}
	}
	for _, s := range []string{"@zavestudios", "see #12", "a !7", "(@a)", "%1", "~bug", "&3"} {
		at := strings.IndexAny(escape(s), "@#!%~&")
		if !strings.Contains(escape(s)[at:], breaker) {
			t.Errorf("%q is left as a reference: %q", s, escape(s))
		}
	}
	if s := "ghcr.io/a@sha256:12"; escape(s) != s {
		t.Errorf("%q became %q", s, escape(s))
	}
}

// plain is what a reader sees of the first paragraph or cell.
func plain(src []byte) string {
	var b strings.Builder
	inHead := true
	_ = ast.Walk(parsed(src), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *extast.TableRow:
			inHead = false
		case *ast.Text:
			if !inHead {
				break
			}
			value := n.Value(src)
			if _, inCode := n.Parent().(*ast.CodeSpan); inCode {
				b.Write(value)
			} else {
				var out bytes.Buffer
				md := goldmark.New()
				_ = md.Renderer().Render(&out, src, n)
				s := out.String()
				s = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&amp;", "&").Replace(s)
				b.WriteString(s)
			}
		case *ast.String:
			b.Write(n.Value)
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// However much there is, the comment is short enough, the table stays, and what goes is the least dangerous.
func TestMarkdownIsShortened(t *testing.T) {
	for _, n := range []int{1, 40, 400, 4000} {
		r := everything()
		for i := range n {
			id := len(r.Changes)
			c := r.Changes[3]
			c.Name = fmt.Sprintf("added-%d", i)
			c.Fields = []report.Field{{Path: "spec.a" + strings.Repeat("𝒳", i%50), Before: fmt.Sprint(i), After: strings.Repeat("`", i%70)}}
			r.Changes = append(r.Changes, c)
			class := report.Classes()[i%6]
			r.Consequences = append(r.Consequences, report.Consequence{Class: class, Rule: "r", Kind: "Deployment",
				Text:     fmt.Sprintf("made %s %d", class, i),
				Subjects: []report.Subject{{Name: c.Name, Cluster: c.Cluster, Tenant: c.Tenant, Origin: c.Origin, Changes: []int{id}}}})
		}
		for _, limit := range []int{0, 8000, 20000, 1000000} {
			o := options()
			o.Limit = limit
			out := printed(t, Markdown, r, o)
			size, most := len(out), limit
			if limit == 0 {
				size, most = units(out), githubComment
			}
			if size > most {
				t.Errorf("%d more, limit %d: %d", n, limit, size)
			}
			name := fmt.Sprintf("%d more, limit %d", n, limit)
			wellFormed(t, name, out)
			if _, _, tables, _ := raw(t, out); tables == 0 {
				t.Errorf("%s: the table is gone", name)
			}
			s := string(out)
			first := -1 // the most dangerous class of which something is missing
			for i, class := range report.Classes() {
				want := 0
				for _, q := range r.Consequences {
					if q.Class == class && strings.HasPrefix(q.Text, "made ") {
						want++
					}
				}
				got := strings.Count(s, " made "+string(class)+" ")
				if len(r.Consequences) > 0 && strings.Contains(s[:strings.Index(s, "####")+1], " made "+string(class)+" ") {
					got-- // in the table
				}
				if got < want && first < 0 {
					first = i
				}
				if first >= 0 && i > first && got > 0 {
					t.Errorf("%s: %d of %s are there, and something of %s is missing", name, got, class, report.Classes()[first])
				}
			}
			if cut := first >= 0; cut != strings.Contains(s, "Shortened to fit") && cut {
				t.Errorf("%s: it does not say that it is shortened", name)
			}
		}
	}
}

// However long names and texts are, none of them fills the comment.
func TestMarkdownClips(t *testing.T) {
	long := strings.Repeat("long@`|<\u202e ", 9000)
	r := everything()
	r.Base.Name, r.Head.Name = long, long
	r.Notes, r.Stale = []string{long, long, long, long, long, long, long}, []string{long, long, long, long, long, long, long}
	for i := range r.Changes {
		c := &r.Changes[i]
		c.Kind, c.Name, c.Namespace, c.Tenant, c.Origin.File, c.UnitBefore = long, long, long, long, long, long
		for j := range c.Fields {
			c.Fields[j] = report.Field{Path: long, Before: long, After: long}
		}
	}
	for i := range r.Consequences {
		q := &r.Consequences[i]
		q.Kind, q.Text, q.Why, q.Plan = long, long, long, []string{long, long}
		for j := range q.Subjects {
			s := &q.Subjects[j]
			s.Name, s.Tenant, s.Origin.File = fmt.Sprint(j, long), long, long
			if s.Pass != "" {
				s.Pass = long
			}
		}
	}
	for i := range r.Paths {
		r.Paths[i].From, r.Paths[i].To, r.Paths[i].Ports = long, long, long
	}
	for i := range r.Amounts {
		r.Amounts[i].What, r.Amounts[i].Cluster, r.Amounts[i].Before = long, long, long
	}
	r.Money[0].Cluster, r.Money[0].How = long, long
	for _, limit := range []int{0, 40000} {
		o := options()
		o.Limit = limit
		out := printed(t, Markdown, r, o)
		if limit == 0 && units(out) > githubComment || limit > 0 && len(out) > limit {
			t.Errorf("limit %d: %d bytes, %d characters", limit, len(out), units(out))
		}
		wellFormed(t, "long", out)
		if !strings.Contains(string(out), "destructive") {
			t.Error("nothing is said of what is destructive")
		}
	}
}

func TestFencesAreLonger(t *testing.T) {
	r := small()
	r.Changes[0].Fields = []report.Field{{Path: "data.x", Before: "``` @zavestudios <b> `````", After: "~~~"}}
	out := printed(t, Markdown, r, options())
	wellFormed(t, "backticks", out)
	if !bytes.Contains(out, []byte("``````diff\n")) {
		t.Errorf("the fence is not longer than the run in it:\n%s", out)
	}
}

func TestMermaid(t *testing.T) {
	r := &report.Report{}
	if out := string(printed(t, Markdown, r, options())); strings.Contains(out, "mermaid") {
		t.Error("a graph of nothing")
	}
	for _, n := range []int{1, 499, 600, 3000} {
		r := &report.Report{}
		for i := range n {
			path := report.Path{Cluster: "sandbox", From: fmt.Sprintf("tenant-%d/%s", i, strings.Repeat("x", i%90)), To: evil, Ports: `8000"]`,
				Before: report.Allowed, After: report.Denied}
			if i == n-1 {
				path.Before, path.After, path.From = report.Denied, report.Allowed, "thief"
			}
			r.Paths = append(r.Paths, path)
		}
		p := newPrinter(nil, r, Options{})
		out := p.mermaid()
		edges := strings.Count(out, "==>") + strings.Count(out, "-.->")
		if edges > mermaidEdges || len(out) > mermaidText || edges == 0 {
			t.Errorf("%d paths: %d edges in %d characters", n, edges, len(out))
		}
		if !strings.Contains(out, `["thief"]`) {
			t.Errorf("%d paths: the one that opens is left out", n)
		}
		if left := n - edges; left > 0 && !strings.Contains(out, isAre(left, "path")+" not drawn") {
			t.Errorf("%d paths: it does not say that %d are left out", n, left)
		}
		if i := strings.IndexAny(strings.ReplaceAll(out, "\n", ""), "<`@"); i >= 0 && strings.Contains(out, "<script") {
			t.Errorf("%d paths: markup in %q", n, out[i:min(len(out), i+40)])
		}
		line := regexp.MustCompile(`^(flowchart LR|  n\d+\["[^"\[\]<>]*"\]|  n\d+ (==>|-\.->)\|"[^"|<>]*"\| n\d+|  linkStyle [\d,]+ [a-z0-9:#,-]+)$`)
		for l := range strings.Lines(out[strings.Index(out, "\n")+1 : strings.LastIndex(out, "```")]) {
			if !line.MatchString(strings.TrimSuffix(l, "\n")) {
				t.Fatalf("not a line of a flowchart: %q", l)
			}
		}
	}
}
