package leak

import (
	"bytes"
	"errors"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// manifests finds Secrets of Kubernetes in YAML and JSON.
func (s *scan) manifests() {
	switch strings.ToLower(path.Ext(s.file)) {
	case ".yaml", ".yml", ".json":
	default:
		return
	}
	if !bytes.Contains(s.data, []byte("Secret")) && !bytes.Contains(s.data, []byte("sops")) {
		return
	}
	d := yaml.NewDecoder(bytes.NewReader(s.data))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil { // a template, or a mistake that is not ours to report
			s.manifestLines()
			return
		}
		if len(doc.Content) == 1 {
			s.manifest(doc.Content[0], 0)
		}
	}
}

// manifest looks at one mapping, and at those of a List.
func (s *scan) manifest(n *yaml.Node, depth int) {
	if n.Kind != yaml.MappingNode || depth > 3 {
		return
	}
	fields := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		fields[n.Content[i].Value] = n.Content[i+1]
	}
	scalar := func(name string) string {
		if f := fields[name]; f != nil && f.Kind == yaml.ScalarNode {
			return f.Value
		}
		return ""
	}
	if scalar("kind") == "SealedSecret" || fields["sops"] != nil {
		s.sealed = append(s.sealed, [2]int{n.Line - 1, lastLine(n)})
	}
	if items := fields["items"]; items != nil && items.Kind == yaml.SequenceNode && strings.HasSuffix(scalar("kind"),
		"List") {
		for _, item := range items.Content {
			s.manifest(item, depth+1)
		}
	}
	if scalar("kind") != "Secret" || scalar("apiVersion") != "v1" {
		return
	}
	for _, name := range []string{"data", "stringData"} {
		data := fields[name]
		if data == nil || data.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(data.Content); i += 2 {
			key, value := data.Content[i], data.Content[i+1]
			if value.Kind != yaml.ScalarNode || value.Value == "" || elsewhere(value.Value) {
				continue
			}
			// Where the value is new. That of a block begins on the line after.
			for line := key.Line - 1; line < min(max(lastLine(value), key.Line), len(s.lines)); line++ {
				if s.fresh[line] && !s.excused(key.Line-1) && !s.excused(n.Line-1) {
					s.found(line, "kubernetes-secret", "a Secret in plain text", value.Value)
					break
				}
			}
		}
	}
}

// elsewhere tells a value that stands for one which is kept elsewhere, or that is encrypted.
func elsewhere(v string) bool {
	v = strings.TrimSpace(v)
	for _, prefix := range []string{"ENC[", "{{", "${", "$(", "<path:", "ref+", "vault:", "op://", "avp.", "<"} {
		if strings.HasPrefix(v, prefix) {
			return true
		}
	}
	return false
}

// lastLine is the number of a node's last line, from 1.
func lastLine(n *yaml.Node) int {
	last := n.Line
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		last += strings.Count(strings.TrimRight(n.Value, "\n"), "\n") + 1
	}
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

// secretLine and dataLine tell a Secret where YAML cannot be read.
var secretLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^kind:\s*["']?Secret["']?\s*$`) })
var dataLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s+[\w.\-]+:\s*["']?([0-9A-Za-z+/=_\-.!@#%^&*]{6,})["']?\s*$`)
})

func (s *scan) manifestLines() {
	document := 0
	for i := 0; i <= len(s.lines); i++ {
		if i < len(s.lines) && !bytes.HasPrefix(s.lines[i], []byte("---")) {
			continue
		}
		lines := s.lines[document:i]
		if slices.ContainsFunc(lines, func(l []byte) bool { return secretLine().Match(bytes.TrimRight(l, "\r")) }) {
			in := false
			for j, l := range lines {
				if len(l) > 0 && l[0] != ' ' && l[0] != '#' {
					in = bytes.HasPrefix(l, []byte("data:")) || bytes.HasPrefix(l, []byte("stringData:"))
				}
				if m := dataLine().FindSubmatch(bytes.TrimRight(l, "\r")); in && m != nil && !elsewhere(string(m[1])) {
					s.found(document+j, "kubernetes-secret", "a Secret in plain text", string(m[1]))
				}
			}
		}
		document = i + 1
	}
}
