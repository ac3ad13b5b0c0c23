package edit

import (
	"cmp"
	"fmt"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/literal"

	"github.com/zavestudios/zave/generator/spec"
)

// NewTenant is what a new spec says. What is empty, or what the schema has by default, is not written.
type NewTenant struct {
	Module      string // the repository's, without its major version
	Name        string
	Description string
	Owner       spec.Owner
	Class       string
	Clusters    []string
	Tier        string
	Workload    *NewWorkload // nil: none
	Database    bool
}

// NewWorkload is the tenant's one workload.
type NewWorkload struct {
	Name     string
	Runtime  string
	Image    spec.Image
	Port     int
	Expose   string
	Hosts    []string
	Health   string // the path that all three probes ask
	Size     string
	Replicas int
	Schedule string
}

// Encode writes the shortest file that says it, as `cue fmt` would lay it out. The defaults that it leaves out are those
// of schema/tenant.cue.
func (t NewTenant) Encode() ([]byte, error) {
	var b strings.Builder
	name := strings.ReplaceAll(t.Name, "-", "_")
	if !ast.IsValidIdent(name) {
		return nil, fmt.Errorf("%q is no name for a tenant", t.Name)
	}
	fmt.Fprintf(&b, "package %s\n\nimport %s\n\nschema.#Tenant & {\n", name, String(t.Module+"/schema"))
	field(&b, "name", t.Name)
	field(&b, "description", t.Description)
	fmt.Fprintf(&b, "owner: %s\n", Strings("team", t.Owner.Team, "contact", t.Owner.Contact))
	field(&b, "class", t.Class, "tenant")
	fmt.Fprintf(&b, "clusters: %s\n", list(t.Clusters))
	field(&b, "tier", t.Tier, "standard")
	if w := t.Workload; w != nil {
		fmt.Fprintf(&b, "\nworkloads: %s: {\n", label(w.Name))
		w.encode(&b)
		b.WriteString("}\n")
	}
	if t.Database {
		b.WriteString("\ndatabase: {}\n")
	}
	b.WriteString("}\n")
	return format.Source([]byte(b.String()))
}

func (w *NewWorkload) encode(b *strings.Builder) {
	field(b, "runtime", w.Runtime, "container")
	b.WriteString("image: {\n")
	field(b, "repository", w.Image.Repository)
	field(b, "tag", w.Image.Tag)
	field(b, "digest", w.Image.Digest)
	b.WriteString("}\n")
	if w.Port != 0 && !(w.Runtime == "static" && w.Port == 8080) {
		fmt.Fprintf(b, "port: %d\n", w.Port)
	}
	field(b, "expose", w.Expose, "none")
	if len(w.Hosts) > 0 {
		fmt.Fprintf(b, "hosts: %s\n", list(w.Hosts))
	}
	if w.Health != "" {
		fmt.Fprintf(b, "health: %s\n", Strings("startup", w.Health, "ready", w.Health, "live", w.Health))
	}
	field(b, "size", w.Size, "small")
	if w.Replicas > 1 {
		fmt.Fprintf(b, "replicas: min: %d\n", w.Replicas)
	}
	field(b, "schedule", w.Schedule)
}

// field writes a string, unless it is empty or the schema's default.
func field(b *strings.Builder, name, value string, standard ...string) {
	if value != cmp.Or(standard...) && value != "" {
		fmt.Fprintf(b, "%s: %s\n", name, String(value))
	}
}

func list(values []string) string {
	var quoted []string
	for _, v := range values {
		quoted = append(quoted, literal.String.Quote(v))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
