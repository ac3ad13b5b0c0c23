// Package schemas is the catalogue of strict JSON schemas for every kind of object that may stand in a tree, inside
// the binary.
//
// Invariants: nothing is read from disk or from the network; a custom resource has one schema for all Kubernetes
// versions and a built-in kind one for each minor; what README.md lists is what the archive holds.
package schemas

import (
	"archive/zip"
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:generate go run -C gen . ..

//go:embed schemas.zip
var archive string

// Kind is one version of one kind that an API server serves.
type Kind struct {
	Kubernetes string // the minor it belongs to, "1.34"; empty for custom resources
	Group      string // empty for the core group
	Version    string
	Kind       string
	Namespaced bool
	Source     string // module@version that published it
	File       string // the schema's name in the catalogue; kinds with equal schemas share one
}

// APIVersion gives group/version, or the version alone for the core group.
func (k Kind) APIVersion() string {
	if k.Group == "" {
		return k.Version
	}
	return k.Group + "/" + k.Version
}

type key struct{ kubernetes, group, version, kind string }

// Catalogue is the opened archive. It is read-only, and safe for concurrent use.
type Catalogue struct {
	zip    *zip.Reader
	kinds  []Kind
	lookup map[key]int
}

// Open reads the index of the embedded archive. An error means that the binary was built wrongly.
func Open() (*Catalogue, error) {
	z, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("embedded schemas: %w", err)
	}
	text, err := fs.ReadFile(z, "index.json")
	if err != nil {
		return nil, fmt.Errorf("embedded schemas: %w", err)
	}
	c := &Catalogue{zip: z}
	if err := json.Unmarshal(text, &c.kinds); err != nil {
		return nil, fmt.Errorf("embedded schemas: index.json: %w", err)
	}
	c.lookup = make(map[key]int, len(c.kinds))
	for i, k := range c.kinds {
		c.lookup[key{k.Kubernetes, k.Group, k.Version, k.Kind}] = i
	}
	return c, nil
}

// Kubernetes gives the minors there are schemas for, oldest first: "1.34".
func (c *Catalogue) Kubernetes() []string {
	var out []string
	for _, k := range c.kinds {
		if k.Kubernetes != "" && !slices.Contains(out, k.Kubernetes) {
			out = append(out, k.Kubernetes)
		}
	}
	slices.SortFunc(out, func(a, b string) int { // 1.9 before 1.10
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return out
}

// Find gives the kind that a cluster of a Kubernetes minor knows under an apiVersion and a name.
func (c *Catalogue) Find(kubernetes, apiVersion, kind string) (Kind, bool) {
	group, version, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group, version = "", apiVersion
	}
	for _, minor := range []string{kubernetes, ""} {
		if i, ok := c.lookup[key{minor, group, version, kind}]; ok {
			return c.kinds[i], true
		}
	}
	return Kind{}, false
}

// Kinds gives all kinds that a cluster of a Kubernetes minor knows, by group, kind and version.
func (c *Catalogue) Kinds(kubernetes string) []Kind {
	var out []Kind
	for _, k := range c.kinds {
		if k.Kubernetes == "" || k.Kubernetes == kubernetes {
			out = append(out, k)
		}
	}
	return out
}

// Schema gives the JSON schema (draft 4, every $ref within itself) of a kind's objects.
func (c *Catalogue) Schema(k Kind) ([]byte, error) {
	text, err := fs.ReadFile(c.zip, k.File)
	if err != nil {
		return nil, fmt.Errorf("embedded schemas: %w", err)
	}
	return text, nil
}
