package format

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"reflect"
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/report"
)

var (
	//go:embed page.html
	pageTemplate string
	//go:embed style.css
	pageStyle string
	//go:embed script.js
	pageScript string
)

const (
	htmlNames   = 5000 // names of subjects that a consequence lists
	htmlPatches = 1000 // patches of objects that a consequence lists
	htmlCards   = 5000 // consequences of a group
	htmlPaths   = 2000 // rows of the table of paths
	htmlDrawn   = 40   // paths in the drawing: beyond, nobody follows a line
)

type htmlPage struct {
	Policy, Version, Title string
	Style, Script, Drawing template.HTML
	Base, Head             string
	Facts                  []string
	Verdict                *htmlVerdict
	Clusters, Tenants      []string // to choose from; none where there is one
	Groups                 []htmlGroup
	Paths                  []htmlPath
	MorePaths              string
	ManyClusters           bool
	Totals                 [][]string
	How, Notes, Stale      []string
}

type htmlVerdict struct {
	Text string
	Data bool
	Refs []string
	More string
	Ways [][2]string
}

type htmlGroup struct {
	ID, Title, Gloss, Class, Count string
	Open                           bool
	Cards                          []htmlCard
	More                           string
}

type htmlCard struct {
	Class, Mark, Sign, Who, Text, Why string
	Data                              bool
	Answers                           []htmlAnswer
	Plan                              []string
	Places                            []htmlPlace
	MorePlaces                        string
	Clusters, Tenants                 []string
	Total, MoreNames                  string
	Names                             []string
	Objects, MorePatches              string
	Patches                           []htmlPatch
}

type htmlAnswer struct {
	Text   string
	Passed bool
}

type htmlPlace struct{ Text, Link string }

type htmlPatch struct {
	Mark, Sign, Title, Hidden string
	Fields                    []report.Field
}

type htmlPath struct{ From, To, Ports, Cluster, Verb, Way string }

// html prints one file that needs no other: its style and its script stand in it, and its policy allows nothing else.
func (p *printer) html() {
	page := htmlPage{
		Version: p.o.Version, Title: "nothing changes", ManyClusters: len(p.clusters) > 1,
		Style:  template.HTML("<style>" + pageStyle + "</style>"),
		Script: template.HTML("<script>" + pageScript + "</script>"),
		Policy: "default-src 'none'; style-src '" + digest(pageStyle) + "'; script-src '" + digest(pageScript) +
			"'; img-src data:; base-uri 'none'; form-action 'none'",
		Totals: p.totals(), Notes: p.r.Notes, Stale: slices.Clone(p.r.Stale), Verdict: p.htmlVerdict(),
	}
	page.Base, page.Head = p.sides()
	if len(p.groups) > 0 {
		page.Title = strings.Join(p.counts(), ", ")
	}
	if p.r.Generator {
		page.Facts = append(page.Facts, "the same specs, by another version of zave")
	}
	if len(p.clusters) > 0 {
		page.Facts = append(page.Facts, clusterText(p.clusters))
	}
	if len(p.r.Changes) > 0 {
		page.Facts = append(page.Facts, p.objectsText())
	}
	tenants := map[string]bool{}
	for _, g := range p.groups {
		page.Groups = append(page.Groups, p.htmlGroup(g, tenants))
	}
	if len(p.clusters) > 1 {
		page.Clusters = p.clusters
	}
	for t := range tenants {
		page.Tenants = append(page.Tenants, t)
	}
	slices.Sort(page.Tenants)
	for _, path := range p.r.Paths[:min(len(p.r.Paths), htmlPaths)] {
		page.Paths = append(page.Paths, htmlPath{path.From, path.To, path.Ports, path.Cluster, verb(path), way(path)})
	}
	page.MorePaths = more(len(p.r.Paths)-htmlPaths, "path")
	page.Drawing = p.drawing()
	for _, m := range p.r.Money {
		if m.How != "" {
			page.How = append(page.How, m.What+" on "+m.Cluster+": "+m.How)
		}
	}
	makeVisible(reflect.ValueOf(&page).Elem())
	t := template.Must(template.New("page").Parse(pageTemplate))
	if err := t.Execute(p.w, page); err != nil && p.w.Flush() == nil {
		panic("format: the page does not print: " + err.Error())
	}
}

// makeVisible replaces every string within a value by text that prints. Markup is of a type of its own, and stays.
func makeVisible(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() {
			v.SetString(dialect.Visible(v.String()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			makeVisible(v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			makeVisible(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			makeVisible(v.Elem())
		}
	}
}

// digest is how a policy names what may stand in the page (CSP Level 3, 2.3.1).
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// more gives "12 more paths" for what is left out, or nothing.
func more(n int, noun string) string {
	if n <= 0 {
		return ""
	}
	return counted(n, "more "+noun)
}

func (p *printer) htmlVerdict() *htmlVerdict {
	if len(p.blocking) == 0 {
		return nil
	}
	v := &htmlVerdict{
		Text: isAre(len(p.blocking), "consequence") + " of the classes that this check stops at: " + p.failOn() + ".",
		Data: slices.ContainsFunc(p.blocking, func(i int) bool { return p.r.Consequences[i].Data }),
	}
	refs, tenants := p.blockers()
	for _, b := range refs[:min(len(refs), listed)] {
		v.Refs = append(v.Refs, p.blockerText(b))
	}
	if left := len(refs) - listed; left > 0 {
		v.More = number(left)
	}
	if len(refs) > 0 {
		v.Ways = ways(refs[0], tenants)
	}
	return v
}

func (p *printer) htmlGroup(g group, tenants map[string]bool) htmlGroup {
	out := htmlGroup{
		ID: g.title, Title: g.title, Gloss: g.gloss, Class: string(g.class), Count: number(g.subjects),
		Open: dangerous(g.class), More: more(len(g.all)-htmlCards, "consequence"),
	}
	for _, i := range g.all[:min(len(g.all), htmlCards)] {
		out.Cards = append(out.Cards, p.htmlCard(i, tenants))
	}
	return out
}

func (p *printer) htmlCard(i int, tenants map[string]bool) htmlCard {
	q := p.r.Consequences[i]
	mark := p.mark(i)
	c := htmlCard{
		Class: string(q.Class), Mark: mark, Sign: sign(mark), Who: p.who(q.Kind, q.Subjects), Text: q.Text, Why: q.Why,
		Data: q.Data, Plan: q.Plan,
	}
	if path, ok := p.paths[i]; ok && q.Kind == "path" {
		c.Sign = "closed"
		if opens(path) {
			c.Sign = "opened"
		}
	}
	names, clusters := nouns(q.Subjects)
	c.Clusters = clusters
	seen := map[string]bool{}
	for _, s := range q.Subjects {
		if s.Tenant != "" && !seen[s.Tenant] {
			seen[s.Tenant], tenants[s.Tenant] = true, true
			c.Tenants = append(c.Tenants, s.Tenant)
		}
	}
	if len(names) > sampled+1 {
		c.Total = number(len(names))
		c.Names = names[:min(len(names), htmlNames)]
		if left := len(names) - htmlNames; left > 0 {
			c.MoreNames = number(left)
		}
	}
	answers := passes(q)
	for _, x := range answers {
		if text := p.passText(i, x, len(answers) > 1); text != "" {
			c.Answers = append(c.Answers, htmlAnswer{text, x.why != ""})
		}
	}
	all := origins(q.Subjects)
	for _, s := range all[:min(len(all), listed)] {
		c.Places = append(c.Places, htmlPlace{s.Place(), p.link(s)})
	}
	if left := len(all) - listed; left > 0 {
		c.MorePlaces = number(left)
	}
	indices := p.changes(q.Subjects)
	patches := p.patches(indices)
	if len(indices) > 0 {
		c.Objects = counted(len(indices), "object")
	}
	c.MorePatches = more(len(patches)-htmlPatches, "patch")
	for _, x := range patches[:min(len(patches), htmlPatches)] {
		mark := x.change.Action.Mark()
		h := htmlPatch{Mark: mark, Sign: sign(mark), Title: p.title(x)}
		h.Fields, h.Hidden = shownFields(x.change.Fields)
		c.Patches = append(c.Patches, h)
	}
	return c
}

// sign is a mark in words, for those who hear the page.
func sign(mark string) string {
	switch mark {
	case "+":
		return "created"
	case "-":
		return "deleted"
	case "-/+":
		return "replaced"
	case ">":
		return "renamed"
	case "=>":
		return "moved"
	default:
		return "updated"
	}
}

func way(path report.Path) string {
	if opens(path) {
		return "open"
	}
	return "shut"
}

// drawing gives the changed paths as lines from the left to the right; empty where there are none, or so many that the
// table says it better.
func (p *printer) drawing() template.HTML {
	if n := len(p.r.Paths); n == 0 || n > htmlDrawn {
		return ""
	}
	const row, width, box = 44, 760, 250
	var from, to []string
	label := func(cluster, name string) string {
		if len(p.clusters) > 1 {
			return name + " · " + cluster
		}
		return name
	}
	place := func(all *[]string, s string) int {
		i := slices.Index(*all, s)
		if i < 0 {
			i = len(*all)
			*all = append(*all, s)
		}
		return i
	}
	var lines strings.Builder
	text := func(s string) string { return template.HTMLEscapeString(dialect.Visible(s)) }
	for _, path := range p.r.Paths {
		a := place(&from, label(path.Cluster, path.From))*row + row/2
		b := place(&to, label(path.Cluster, path.To))*row + row/2
		fmt.Fprintf(&lines, `<path class="%s" d="M%d %d C%d %d %d %d %d %d"/>`,
			way(path), box, a, width/2, a, width/2, b, width-box, b)
		fmt.Fprintf(&lines, `<text class="ports" x="%d" y="%d">%s</text>`, width/2, (a+b)/2-6, text(clip(path.Ports, 24)))
	}
	var boxes strings.Builder
	for side, all := range [][]string{from, to} {
		for i, name := range all {
			x := side * (width - box)
			fmt.Fprintf(&boxes, `<rect x="%d" y="%d" width="%d" height="30" rx="7"/><text x="%d" y="%d">%s</text>`,
				x, i*row+7, box, x+10, i*row+27, text(clip(name, 28)))
		}
	}
	return template.HTML(fmt.Sprintf(`<div class="scroll drawing" tabindex="0" role="region" `+
		`aria-label="Drawing of the network paths"><svg viewBox="0 0 %d %d" role="img" `+
		`aria-label="%s; the table below has them">%s%s</svg></div>`+"\n",
		width, max(len(from), len(to))*row, text(counted(len(p.r.Paths), "network path")), lines.String(), boxes.String()))
}
