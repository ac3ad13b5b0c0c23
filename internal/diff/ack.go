package diff

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/diff/typed"
	"github.com/zavestudios/zave/internal/object"
)

// AckDir is the directory, beside the specs, that acknowledgements stand in.
const AckDir = "acknowledged"

// Ack says that somebody has seen what a change does to one object, and wants it. It names the patch by its hash, and so
// ends with it.
type Ack struct {
	Cluster string
	Object  string // Kind/namespace/name, or Kind/name
	Hash    string // of the patch, report.Change.Hash
	Reason  string
	File    string // where it was read, or where it is to be written
}

// NewAck acknowledges a change. Its file is named by what it is about.
func NewAck(c report.Change, reason string) Ack {
	a := Ack{Cluster: c.Cluster, Object: c.Ref(), Hash: c.Hash, Reason: reason}
	name := strings.Join([]string{c.Cluster, strings.ToLower(strings.ReplaceAll(c.Ref(), "/", "-")), c.Hash}, "-")
	clean := func(r rune) rune { // a name of RBAC may have a colon, which is no name of a file everywhere
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}
	a.File = AckDir + "/" + strings.Map(clean, name) + ".yaml"
	return a
}

// ackFile is how an acknowledgement is written.
type ackFile struct {
	Cluster string `json:"cluster"`
	Object  string `json:"object"`
	Hash    string `json:"hash"`
	Reason  string `json:"reason,omitempty"`
}

// ParseAck reads an acknowledgement. The error names the field that is wrong.
func ParseAck(file string, data []byte) (Ack, error) {
	var f ackFile
	if err := yaml.UnmarshalStrict(data, &f); err != nil {
		return Ack{}, fmt.Errorf("read %s: %w", file, err)
	}
	fail := func(what string) (Ack, error) { return Ack{}, fmt.Errorf("read %s: %w", file, errors.New(what)) }
	switch n := strings.Count(f.Object, "/"); {
	case f.Cluster == "":
		return fail("it names no cluster")
	case n != 1 && n != 2 || slices.Contains(strings.Split(f.Object, "/"), ""):
		return fail("object is not Kind/name or Kind/namespace/name")
	case len(f.Hash) != 16 || strings.Trim(f.Hash, "0123456789abcdef") != "":
		return fail("hash is not 16 hexadecimal digits")
	}
	return Ack{Cluster: f.Cluster, Object: f.Object, Hash: f.Hash, Reason: f.Reason, File: file}, nil
}

// Encode writes the acknowledgement as ParseAck reads it.
func (a Ack) Encode() []byte {
	text := func(s string) string { return typed.Text(s) } // a JSON string is a YAML string
	out := "# Written by `zave ack`. It ends with the change that it names, and may then be removed.\n" +
		"cluster: " + text(a.Cluster) + "\nobject: " + text(a.Object) + "\nhash: " + text(a.Hash) + "\n"
	if a.Reason != "" {
		out += "reason: " + text(a.Reason) + "\n"
	}
	return []byte(out)
}

// acknowledges tells whether an acknowledgement is of a change as it is.
func (a Ack) acknowledges(c *report.Change) bool {
	return a.Cluster == c.Cluster && a.Object == c.Ref() && a.Hash == c.Hash
}

// hash is that of the patch: what happens to which object, and how. Where in the specs it is written is left out, so that
// an edit elsewhere in the file does not end an acknowledgement; so is the tenant's hash of its spec.
func hash(x *change) string {
	h := sha256.New()
	put := func(parts ...string) {
		for _, p := range parts {
			fmt.Fprintf(h, "%d:%s", len(p), p)
		}
	}
	id := func(i object.ID) { put(i.Cluster, i.Group, i.Kind, i.Namespace, i.Name) }
	put(string(x.Action))
	id(x.ID)
	id(x.From)
	put(x.UnitBefore, x.UnitAfter)
	if x.before == nil || x.after == nil {
		put(typed.Text(plain(x.content())))
	}
	n := 0
	for _, f := range x.fields {
		if !bookkeeping(f.Shape) {
			put(f.Path, textOf(f.Before), textOf(f.After))
			n++
		}
	}
	if n == 0 {
		for _, f := range x.fields {
			put(f.Path, textOf(f.Before), textOf(f.After))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// plain is an object without what only says where it comes from.
func plain(m map[string]any) map[string]any {
	meta, ok := m["metadata"].(map[string]any)
	if !ok {
		return m
	}
	annotations, ok := meta["annotations"].(map[string]any)
	if !ok {
		return m
	}
	kept := map[string]any{}
	for k, v := range annotations {
		if !bookkeeping("metadata.annotations." + k) {
			kept[k] = v
		}
	}
	out, outMeta := map[string]any{}, map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	for k, v := range meta {
		outMeta[k] = v
	}
	outMeta["annotations"] = kept
	out["metadata"] = outMeta
	return out
}
