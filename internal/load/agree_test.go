package load

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"cuelang.org/go/cue"

	"github.com/zavestudios/zave/internal/diag"
)

// TestShapesAgree replaces each value of a tenant by each of many others, and holds what the shapes say of it against
// what CUE says with the schema: which of the two is asked must not matter.
func TestShapesAgree(t *testing.T) {
	text, err := os.ReadFile("../../tenants/panchito/tenant.cue")
	if err != nil {
		t.Fatal(err)
	}
	snap := &snapshot{module: []byte(`module: "zavestudios.com/platform@v0"`)}
	repo, err := open(snap, &diag.List{})
	if err != nil {
		t.Fatal(err)
	}
	values := []string{
		`""`, `"x"`, `"X y"`, `'x'`, `0`, `1`, `-1`, `1.0`, `70000`, `99.5`, `1e400`, `true`, `null`, `[]`, `["x"]`, `[1]`, `{}`, `{x: 1}`, `"/x"`,
		`"none"`, `"10Mi"`, `"1h"`, `"0 3 * * *"`, `"@daily"`, `_image`, `"a.b"`, `{min: 1}`, `{_h: 1}`,
	}
	leaves := regexp.MustCompile(`: *("[^"]*"|[0-9][0-9.]*|\[[^\[\]{}]*\]|\{[^{}]*\}|_image)`).FindAllSubmatchIndex(text, -1)
	if len(leaves) < 30 {
		t.Fatal(len(leaves))
	}
	beyond := []diag.Code{diag.BadCIDR, diag.BadCron, diag.NameDirectory} // what CUE does not look at
	b, made := newBuilder(repo), 0
	for i, at := range leaves {
		for k, v := range values {
			if testing.Short() && (i+k)%7 != 0 {
				continue
			}
			if made++; made%200 == 0 {
				b = newBuilder(repo)
			}
			changed := slices.Concat(text[:at[2]], []byte(v), text[at[3]:])
			j := job{dir: &dir{path: "tenants/panchito", files: []file{{path: "tenants/panchito/tenant.cue", data: changed}}}, tenant: "panchito", definition: "#Tenant"}
			r := &reporter{}
			p := b.parse(j.dir, j.definition, r)
			if len(r.diags) > 0 || !b.plain(p, j.definition) {
				t.Fatalf("%s for %s is not plain", v, text[at[2]:at[3]])
			}
			j.dir.path += fmt.Sprint(made) // a package is evaluated once
			truth, err := b.strict(j, p)
			if err == nil {
				err = truth.Validate(cue.Concrete(true))
			}
			got, bug := b.compile(job{dir: &dir{path: "tenants/panchito", files: j.dir.files}, tenant: "panchito", definition: "#Tenant"})
			if bug != nil {
				t.Fatal(bug)
			}
			said := slices.DeleteFunc(got.diags, func(d diag.Diagnostic) bool { return slices.Contains(beyond, d.Code) && err == nil })
			if (err != nil) != (len(said) > 0) {
				line := bytes.Count(text[:at[2]], []byte("\n")) + 1
				t.Errorf("line %d, %s for %s: CUE says %v, the shapes %v", line, v, text[at[2]:at[3]], err, said)
			}
		}
	}
}
