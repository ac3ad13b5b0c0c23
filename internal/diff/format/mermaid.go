package format

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/dialect"
	"github.com/zavestudios/zave/internal/diff/report"
)

// The limits of Mermaid as forges run it: maxEdges and maxTextSize of its configuration.
const (
	mermaidEdges = 500
	mermaidText  = 50000
)

// mermaid gives the graph of the changed network paths as a fence, with a line that says what is left out; empty where
// no path changes. Paths that open come first, since they are what must not be left out.
func (p *printer) mermaid() string {
	paths := slices.Clone(p.r.Paths)
	if len(paths) == 0 {
		return ""
	}
	slices.SortStableFunc(paths, func(a, b report.Path) int { return asInt(opens(b)) - asInt(opens(a)) })
	g := &graph{nodes: map[string]string{}, several: len(p.clusters) > 1}
	shown := 0
	for _, path := range paths {
		if shown == mermaidEdges || !g.add(path, shown) {
			break
		}
		shown++
	}
	text := g.text()
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	out := fence + "mermaid\n" + text + fence + "\n"
	if left := len(paths) - shown; left > 0 {
		out += fmt.Sprintf("\n%s not drawn, those that open drawn first.\n", isAre(left, "path"))
	}
	return out
}

// graph is the text of a Mermaid flowchart as it grows.
type graph struct {
	nodes    map[string]string // id by cluster and name
	declared []string
	edges    []string
	opened   []string // numbers of edges
	closed   []string
	perhaps  []string
	size     int
	several  bool // there are several clusters
}

// add draws a path, or tells that there is no room for it.
func (g *graph) add(path report.Path, edge int) bool {
	from, declareFrom := g.node(path.Cluster, path.From, len(g.declared))
	next := len(g.declared) + asInt(declareFrom != "")
	to, declareTo := g.node(path.Cluster, path.To, next)
	if path.To == path.From {
		to, declareTo = from, ""
	}
	label := mermaidLabel(verb(path) + " " + path.Ports)
	arrow := "==>"
	if !opens(path) {
		arrow = "-.->"
	}
	line := fmt.Sprintf("  %s %s|\"%s\"| %s\n", from, arrow, label, to)
	const styles = 300 // what linkStyle lines take besides the numbers
	if g.size+len(declareFrom)+len(declareTo)+len(line)+8+styles > mermaidText {
		return false
	}
	for _, n := range []struct{ declare, name, id string }{{declareFrom, path.From, from}, {declareTo, path.To, to}} {
		if n.declare != "" {
			g.nodes[path.Cluster+"\x00"+n.name] = n.id
			g.declared = append(g.declared, n.declare)
		}
	}
	g.edges = append(g.edges, line)
	g.size += len(declareFrom) + len(declareTo) + len(line) + 8
	number := fmt.Sprint(edge)
	switch {
	case path.After == report.Allowed:
		g.opened = append(g.opened, number)
	case path.After == report.Denied:
		g.closed = append(g.closed, number)
	default:
		g.perhaps = append(g.perhaps, number)
	}
	return true
}

// node gives the id of a node and, where it is new, its declaration.
func (g *graph) node(cluster, name string, next int) (id, declare string) {
	if id, ok := g.nodes[cluster+"\x00"+name]; ok {
		return id, ""
	}
	id = fmt.Sprintf("n%d", next)
	label := mermaidLabel(name)
	if g.several && cluster != "" {
		label += "<br/>" + mermaidLabel(cluster)
	}
	return id, "  " + id + "[\"" + label + "\"]\n"
}

func (g *graph) text() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	b.WriteString(strings.Join(g.declared, "") + strings.Join(g.edges, ""))
	style := func(edges []string, css string) {
		if len(edges) > 0 {
			b.WriteString("  linkStyle " + strings.Join(edges, ",") + " " + css + "\n")
		}
	}
	style(g.opened, "stroke:#d1242f,stroke-width:3px")
	style(g.closed, "stroke:#6e7781,stroke-width:2px")
	style(g.perhaps, "stroke:#bf8700,stroke-width:2px")
	return b.String()
}

// mermaidLabel is text within a quoted label: what Mermaid acts on becomes one of its entity codes.
func mermaidLabel(s string) string {
	var b strings.Builder
	for _, r := range dialect.Visible(clip(s, 120)) {
		switch {
		case word(r), r == ' ', strings.ContainsRune("/.,:-→", r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, "#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
