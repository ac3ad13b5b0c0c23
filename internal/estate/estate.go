// Package estate makes synthetic repositories of any size.
//
// Invariants: equal arguments give equal bytes, and a tenant's file does not depend on how many others there are, but
// for the last ones, whose neighbours may be missing; what it makes compiles with no diagnostic; ten tenants in a row
// have ten different shapes, and every shape comes to at least 25 objects.
package estate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/zavestudios/zave/schema"
)

// File is one file of a repository.
type File struct {
	Path string // relative to the repository's root, slash-separated
	Data []byte
}

// Files gives a repository with that many tenants: cue.mod, the schema, a platform with two clusters, and
// tenants/tenant-0000 and on, in this order.
func Files(tenants int) []File {
	out := []File{{"cue.mod/module.cue", []byte(module)}}
	entries, err := fs.ReadDir(schema.Files, ".")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		data, err := fs.ReadFile(schema.Files, e.Name())
		if err != nil {
			panic(err)
		}
		out = append(out, File{"schema/" + e.Name(), data})
	}
	out = append(out, File{"platform/platform.cue", []byte(platform)})
	for i := range tenants {
		out = append(out, File{"tenants/" + name(i) + "/tenant.cue", tenant(i, tenants)})
	}
	return out
}

// Write writes Files into a directory, which is made if it is not there. Files of the same names are overwritten.
func Write(dir string, tenants int) error {
	for _, f := range Files(tenants) {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Data, 0o666); err != nil {
			return err
		}
	}
	return nil
}

const module = `module: "estate.test/platform@v0"
language: version: "v0.15.0"
source: kind: "self"
`

func name(i int) string { return fmt.Sprintf("tenant-%04d", i) }

// tenant writes the spec of tenant i of n: the shape of its number's last digit, with paths to and from those of its
// neighbours that are there.
func tenant(i, n int) []byte {
	me := name(i)
	shape := shapes[i%len(shapes)]
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\nimport \"estate.test/platform/schema\"\n\n", strings.ReplaceAll(me, "-", "_"))
	fmt.Fprintf(&b, "schema.#Tenant & {\n\tname:        %q\n\tdescription: %q\n", me, shape.description)
	fmt.Fprintf(&b, "\towner: {team: \"team-%02d\", contact: \"team-%02d@estate.test\"}\n", i%37, i%37)
	b.WriteString(strings.NewReplacer(
		"{name}", me,
		"{digest}", digest(me),
		"{minute}", strconv.Itoa(i%60),
		"{hour}", strconv.Itoa(i/60%24),
		"{cidr}", fmt.Sprintf("203.0.113.%d/32", i%256),
	).Replace(shape.body))
	var network []string
	if shape.offers != "" && i+1 < n {
		network = append(network, fmt.Sprintf("\t\toffers: [{workload: %q, to: [%q]}]\n", shape.offers, name(i+1)))
	}
	if i > 0 {
		if offered := shapes[(i-1)%len(shapes)].offers; offered != "" {
			network = append(network, fmt.Sprintf("\t\tuses: [{tenant: %q, workload: %q}]\n", name(i-1), offered))
		}
	}
	if len(network) > 0 {
		b.WriteString("\tnetwork: {\n" + strings.Join(network, "") + "\t}\n")
	}
	b.WriteString("}\n")
	return []byte(b.String())
}

// digest is that of no image: 64 hexadecimal digits that differ from one name to the next.
func digest(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "sha256:" + hex.EncodeToString(sum[:])
}
