package diff

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/generator/label"
	"github.com/zavestudios/zave/generator/layout"
	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/object"
	"github.com/zavestudios/zave/internal/source"
	"github.com/zavestudios/zave/internal/tree"
)

// FromTree reads a tree back: the unit of an object is that of its directory, and its origin what its annotation
// zave.io/source says. Lists of directories are no objects, and what is no YAML is left out. The error names the file
// that cannot be read as objects.
func FromTree(files []tree.File) (*Snapshot, error) {
	at := map[unit.Key]int{}
	s := &Snapshot{}
	for _, f := range files {
		if ext := path.Ext(f.Path); ext != ".yaml" && ext != ".yml" || path.Base(f.Path) == layout.Kustomization {
			continue
		}
		if strings.HasPrefix(f.Path, path.Dir(tree.IndexPath)+"/") {
			continue
		}
		k := unitOf(f.Path)
		for _, doc := range documents(f.Data) {
			o, err := read(k.Cluster, doc)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", f.Path, err)
			}
			if o == nil {
				continue
			}
			i, ok := at[k]
			if !ok {
				i = len(s.Units)
				at[k] = i
				s.Units = append(s.Units, unit.Unit{Key: k})
			}
			s.Units[i].Objects = append(s.Units[i].Objects, *o)
		}
	}
	slices.SortFunc(s.Units, func(a, b unit.Unit) int { return a.Key.Compare(b.Key) })
	seen := map[object.ID]string{}
	for _, u := range s.Units {
		for _, o := range u.Objects {
			if first, twice := seen[o.ID]; twice {
				return nil, fmt.Errorf("%s stands twice on cluster %s, in %s and in %s", o.ID, o.Cluster, first, u.Dir())
			}
			seen[o.ID] = u.Dir()
		}
	}
	return s, nil
}

// unitOf is the inverse of unit.Key.Dir: the unit whose directory a file stands in.
func unitOf(file string) unit.Key {
	parts := strings.Split(path.Dir(file), "/")
	at := func(i int) string {
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	k := unit.Key{Cluster: at(1)}
	switch {
	case at(0) == "clusters" && len(parts) == 2:
		k.Part, k.Name = unit.Entry, unit.EntryCluster
	case at(0) == "clusters" && len(parts) == 3:
		k.Part, k.Name = unit.Entry, at(2)
	case at(0) == "platform" && len(parts) == 3:
		k.Part, k.Name = unit.Service, at(2)
	case at(0) == "databases" && len(parts) == 3:
		k.Part, k.Name = unit.Instance, at(2)
	case at(0) == "tenants" && len(parts) == 4 && at(3) == "app":
		k.Part, k.Name = unit.Workloads, at(2)
	case at(0) == "tenants" && len(parts) == 5 && at(3) == "platform":
		k.Part, k.Name = unit.Part(at(4)), at(2)
	}
	if k.Name != "" && k.Dir() == path.Dir(file) {
		return k
	}
	return unit.Key{Cluster: at(1), Part: "files", Name: path.Dir(file)} // not laid out by us
}

// documents splits a YAML stream.
func documents(data []byte) [][]byte {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if !bytes.Contains(data, []byte("---")) {
		return [][]byte{data}
	}
	var out [][]byte
	for _, d := range bytes.Split(append([]byte("\n"), data...), []byte("\n---")) {
		// What stands behind the mark on its line belongs to the document, and is nothing or a comment with us.
		out = append(out, append(bytes.TrimLeft(d, " \t"), '\n'))
	}
	return out
}

// read gives the object that a document holds; nil where it holds nothing.
func read(cluster string, doc []byte) (*object.Object, error) {
	h, ok := head(doc)
	if !ok {
		var m struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Name        string            `json:"name"`
				Namespace   string            `json:"namespace"`
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
		}
		if err := yaml.Unmarshal(doc, &m); err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(doc)) == 0 {
			return nil, nil
		}
		h = header{m.APIVersion, m.Kind, m.Metadata.Namespace, m.Metadata.Name, m.Metadata.Annotations[label.Source]}
		if h == (header{}) {
			var any any
			if err := yaml.Unmarshal(doc, &any); err != nil || any == nil {
				return nil, err // comments alone
			}
		}
	}
	if h.apiVersion == "" || h.kind == "" || h.name == "" {
		return nil, fmt.Errorf("is no Kubernetes object: it needs an apiVersion, a kind and a name")
	}
	o := &object.Object{
		ID:      object.ID{Cluster: cluster, Kind: h.kind, Namespace: h.namespace, Name: h.name},
		Version: h.apiVersion, Origin: place(h.source), YAML: doc,
	}
	if group, version, ok := strings.Cut(h.apiVersion, "/"); ok {
		o.Group, o.Version = group, version
	}
	return o, nil
}

// header is what an object's first lines say.
type header struct{ apiVersion, kind, namespace, name, source string }

// head reads the first lines of an object as package object writes them, without a YAML parser: a tree of a thousand
// tenants has 46,000 files, of which all but a few are as they were. It gives up on anything else.
func head(doc []byte) (h header, ok bool) {
	inMeta, inAnnotations := false, false
	for line := range bytes.Lines(doc) {
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		indent := len(line) - len(bytes.TrimLeft(line, " "))
		key, value, found := strings.Cut(string(line[indent:]), ":")
		if !found {
			return header{}, false
		}
		value = strings.TrimPrefix(value, " ")
		var into *string
		switch {
		case indent == 0:
			if inMeta {
				return h, h.apiVersion != "" && h.kind != "" && h.name != ""
			}
			switch key {
			case "apiVersion":
				into = &h.apiVersion
			case "kind":
				into = &h.kind
			case "metadata":
				if value != "" {
					return header{}, false
				}
				inMeta = true
				continue
			default:
				return header{}, false
			}
		case !inMeta:
			return header{}, false
		case indent == 2:
			inAnnotations = key == "annotations"
			switch key {
			case "name":
				into = &h.name
			case "namespace":
				into = &h.namespace
			case "labels", "annotations":
				if value != "" {
					return header{}, false
				}
				continue
			default:
				return header{}, false // a list, or what we do not know
			}
		case indent == 4 && inAnnotations && key == label.Source:
			into = &h.source
		case indent == 4:
			if value == "" || strings.ContainsAny(value[:1], "|>") {
				return header{}, false // goes on on lines that may look like anything
			}
			continue
		default:
			return header{}, false
		}
		if !bare(value) || *into != "" {
			return header{}, false
		}
		*into = value
	}
	return h, inMeta && h.apiVersion != "" && h.kind != "" && h.name != ""
}

// bare tells whether a value stands in YAML as it is and is a string.
func bare(s string) bool {
	letter := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letter = true
		case c == '-', c == '.', c == '/', c == ':':
			if i == 0 || i == len(s)-1 {
				return false
			}
		case c >= '0' && c <= '9':
		default:
			return false
		}
	}
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return false
	}
	// 1e3, 0x1f and their like are numbers.
	return letter && (s[0] < '0' || s[0] > '9')
}

// place reads what source.Span.Place wrote.
func place(s string) source.Span {
	file, line, ok := cutLast(s, ":")
	if n, err := strconv.ParseInt(line, 10, 32); ok && err == nil && n > 0 {
		return source.Span{File: file, Line: int32(n)}
	}
	return source.Span{File: s}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
