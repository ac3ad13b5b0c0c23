package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/source"
)

// contract is a zave.yaml of apiVersion zave.io/v1, as far as a tenant can say it. docs/import.md has the table.
type contract struct {
	file   string
	sizes  []string // of the platform
	strict bool
	list   diag.List

	name, description     string
	runtime, expose, size string
	port                  int
	database              bool
}

// read fills in what the document says. What is wrong with it, or cannot be carried over, is in the list.
func (c *contract) read(data []byte) {
	c.runtime, c.expose, c.size = "container", "none", "small"
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) {
		c.refuse(&yaml.Node{Line: 1, Column: 1}, "", "the file is empty", "it begins with apiVersion: zave.io/v1")
		return
	}
	if err == nil {
		if err = d.Decode(&more); err == nil {
			c.refuse(&more, "", "a second document begins here", "import one contract at a time")
			return
		}
	}
	if !errors.Is(err, io.EOF) {
		at := &yaml.Node{Line: 1}
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		if m := regexp.MustCompile(`^line ([0-9]+): `).FindStringSubmatch(text); m != nil {
			at.Line, _ = strconv.Atoi(m[1])
			text = strings.TrimPrefix(text, m[0])
		}
		c.refuse(at, "", "this is not YAML: "+text, "")
		return
	}
	root := c.fields(doc.Content[0], "", "apiVersion", "kind", "metadata", "spec")
	if root == nil {
		return
	}
	for _, x := range []struct{ name, want string }{{"apiVersion", "zave.io/v1"}, {"kind", "Workload"}} {
		switch n := root[x.name]; {
		case n == nil:
			c.refuse(doc.Content[0], x.name, fmt.Sprintf("the contract has no %s", x.name), fmt.Sprintf("write %s: %s", x.name, x.want))
		default:
			if got, ok := c.text(n, x.name); ok && got != x.want {
				c.refuse(n, x.name, fmt.Sprintf("%s is %q, and zave imports %s alone", x.name, got, x.want), didYouMeanOne(got, x.want))
			}
		}
	}
	if c.list.HasErrors() {
		return // of another kind of document nothing else would be right
	}
	c.metadata(root["metadata"], doc.Content[0])
	c.spec(root["spec"], doc.Content[0])
}

// didYouMeanOne is a hint where the word is nearly the other one.
func didYouMeanOne(word, want string) string {
	if diag.Suggest(word, []string{want}) != "" {
		return fmt.Sprintf("did you mean %q?", want)
	}
	return ""
}

func (c *contract) metadata(n, parent *yaml.Node) {
	if n == nil {
		c.refuse(parent, "metadata", "the contract has no metadata", "write metadata: {name: …}")
		return
	}
	f := c.fields(n, "metadata", "name", "description", "labels", "annotations")
	if f == nil {
		return
	}
	if f["name"] == nil {
		c.refuse(n, "metadata.name", "metadata has no name", "it becomes the tenant's")
	} else if name, ok := c.text(f["name"], "metadata.name"); ok {
		if c.name = name; !nameForm.MatchString(name) {
			var p *problem
			errors.As(checkName(nil, name), &p)
			c.refuse(f["name"], "metadata.name", p.text, p.hint)
		}
	}
	if f["description"] != nil {
		c.description, _ = c.text(f["description"], "metadata.description")
	}
	for _, name := range []string{"labels", "annotations"} {
		if v := f[name]; v != nil && len(v.Content) > 0 {
			c.leave(v, "metadata."+name, "a tenant has none of its own", "zave labels every object itself")
		}
	}
}

func (c *contract) spec(n, parent *yaml.Node) {
	if n == nil {
		c.refuse(parent, "spec", "the contract has no spec", "")
		return
	}
	f := c.fields(n, "spec", "runtime", "exposure", "delivery", "persistence", "capabilities", "resources")
	if word, ok := c.text(f["runtime"], "spec.runtime"); ok {
		if kind, known := runtimes()[word]; known {
			c.runtime, c.port = kind.runtime, kind.port
		} else {
			c.refuse(f["runtime"], "spec.runtime", fmt.Sprintf("the runtime %q is not known", word), hintOf(word, runtimes()))
		}
	}
	if word, ok := c.text(f["exposure"], "spec.exposure"); ok {
		if expose, known := exposures()[word]; known {
			c.expose = expose
		} else {
			c.refuse(f["exposure"], "spec.exposure", fmt.Sprintf("the exposure %q is not known", word), hintOf(word, exposures()))
		}
	}
	c.delivery(f["delivery"])
	c.persistence(f["persistence"])
	c.capabilities(f["capabilities"])
	c.resources(f["resources"])
}

func (c *contract) delivery(n *yaml.Node) {
	f := c.fields(n, "spec.delivery", "strategy")
	word, ok := c.text(f["strategy"], "spec.delivery.strategy")
	known := map[string]bool{"rolling": true, "recreate": false, "blue-green": false, "canary": false}
	switch carried, found := known[word]; {
	case !ok || carried:
	case found:
		c.leave(f["strategy"], "spec.delivery.strategy", fmt.Sprintf("the strategy %q", word), "zave's Deployments roll")
	default:
		c.refuse(f["strategy"], "spec.delivery.strategy", fmt.Sprintf("the strategy %q is not known", word), hintOf(word, known))
	}
}

func (c *contract) persistence(n *yaml.Node) {
	f := c.fields(n, "spec.persistence", "engine", "size", "backup")
	word, ok := c.text(f["engine"], "spec.persistence.engine")
	known := map[string]bool{
		"none": true, "postgres": true, "postgresql": true, "mysql": false, "mariadb": false, "mongodb": false, "redis": false,
		"sqlite": false, "volume": false,
	}
	switch carried, found := known[word]; {
	case !ok:
	case carried:
		c.database = word != "none"
	case found:
		hint := "a tenant has a database in the platform's PostgreSQL, or none"
		if word == "redis" {
			hint = `add "redis" to network.services`
		}
		c.leave(f["engine"], "spec.persistence.engine", fmt.Sprintf("the engine %q", word), hint)
	default:
		c.refuse(f["engine"], "spec.persistence.engine", fmt.Sprintf("the engine %q is not known", word), hintOf(word, known))
	}
	if v := f["size"]; v != nil {
		c.leave(v, "spec.persistence.size", "a size of the data", "databases share the instance's disk; database.connections is what a tenant is given")
	}
	if v := f["backup"]; v != nil && v.Value != "false" {
		c.leave(v, "spec.persistence.backup", "a backup", "add database.backup, with a schedule and what to keep")
	}
}

func (c *contract) capabilities(n *yaml.Node) {
	if n == nil || n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		c.refuse(n, "spec.capabilities", "spec.capabilities is not a list", "write capabilities: [metrics]")
		return
	}
	for i, item := range n.Content {
		field := fmt.Sprintf("spec.capabilities.%d", i)
		word, ok := c.text(item, field)
		if !ok {
			continue
		}
		hint, known := capabilities()[word]
		if !known {
			hint = "say in the tenant's spec what it stands for"
		}
		c.leave(item, field, fmt.Sprintf("the capability %q", word), hint)
	}
}

func (c *contract) resources(n *yaml.Node) {
	f := c.fields(n, "spec.resources", "tier")
	word, ok := c.text(f["tier"], "spec.resources.tier")
	if !ok {
		return
	}
	candidates, known := sizesOf()[word]
	if !known {
		c.refuse(f["tier"], "spec.resources.tier", fmt.Sprintf("the tier %q is not known", word), hintOf(word, sizesOf()))
		return
	}
	for _, size := range candidates {
		if slices.Contains(c.sizes, size) {
			c.size = size
			return
		}
	}
	c.leave(f["tier"], "spec.resources.tier", fmt.Sprintf("the tier %q", word), "choose a size of the platform's for workloads.web.size: "+alternatives(c.sizes))
}

// fields gives the fields of a mapping by name, and refuses those that are not known or stand twice. Nothing has none.
func (c *contract) fields(n *yaml.Node, path string, known ...string) map[string]*yaml.Node {
	if n == nil || n.Tag == "!!null" && path != "" {
		return nil
	}
	if n = resolve(n); n.Kind != yaml.MappingNode {
		what := "the contract"
		if path != "" {
			what = path
		}
		c.refuse(n, path, what+" is not a mapping", "it has the fields "+alternativesAnd(known))
		return nil
	}
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		field := strings.TrimPrefix(path+"."+key.Value, ".")
		switch {
		case !slices.Contains(known, key.Value):
			hint := "it has " + alternativesAnd(known)
			if better := diag.Suggest(key.Value, known); better != "" {
				hint = fmt.Sprintf("did you mean %q?", better)
			}
			where := path
			if where == "" {
				where = "a contract"
			}
			c.refuse(key, field, fmt.Sprintf("%s has no field %q", where, key.Value), hint)
		case out[key.Value] != nil:
			c.refuse(key, field, field+" stands twice", "keep one of the two")
		default:
			out[key.Value] = value
		}
	}
	return out
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// text gives a word, and refuses what is none. Nothing is not said.
func (c *contract) text(n *yaml.Node, path string) (string, bool) {
	if n == nil || n.Tag == "!!null" {
		return "", false
	}
	if n = resolve(n); n.Kind != yaml.ScalarNode || n.Value == "" {
		c.refuse(n, path, path+" is not a word", "")
		return "", false
	}
	return n.Value, true
}

func (c *contract) add(severity diag.Severity, code diag.Code, n *yaml.Node, field, summary, hint string) {
	span := source.Span{File: c.file, Line: int32(n.Line), Col: int32(n.Column)}
	if n.Kind == yaml.ScalarNode && !strings.Contains(n.Value, "\n") && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		width := len(n.Value)
		if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
			width += 2
		}
		span.EndLine, span.EndCol = span.Line, span.Col+int32(width)
	}
	c.list.Add(diag.Diagnostic{Code: code, Severity: severity, Span: span, Field: field, Summary: summary, Hint: hint})
}

// refuse is about what zave does not know.
func (c *contract) refuse(n *yaml.Node, field, summary, hint string) {
	c.add(diag.Error, diag.Contract, n, field, diag.Visible(summary), diag.Visible(hint))
}

// leave is about what a tenant cannot say, or not from what the contract says.
func (c *contract) leave(n *yaml.Node, field, what, hint string) {
	severity := diag.Warning
	if c.strict {
		severity = diag.Error
	}
	c.add(severity, diag.NotCarried, n, field, diag.Visible(fmt.Sprintf("%s is not carried over: %s", field, what)), hint)
}
