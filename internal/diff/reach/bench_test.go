package reach

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/object"
)

// many gives the objects of a real tenant of the golden tree, n times under other names.
func many(tb testing.TB, n int) (out []object.Object) {
	tb.Helper()
	files, err := filepath.Glob("../../../golden/platform-gitops/tenants/sandbox/panchito/platform/tenancy/*.yaml")
	if err != nil || len(files) == 0 {
		tb.Fatal(err, len(files))
	}
	for _, f := range files {
		if filepath.Base(f) == "kustomization.yaml" {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		for i := range n {
			out = append(out, documents(tb, strings.ReplaceAll(string(data), "panchito", fmt.Sprintf("tenant-%d", i)))...)
		}
	}
	return out
}

// BenchmarkCompare has what must not take long in an estate of 1,000 tenants.
func BenchmarkCompare(b *testing.B) {
	base := many(b, 1000)
	edit := func(kind, old, now string) []object.Object {
		var out []object.Object
		for _, o := range base {
			if kind == "" || o.Kind == kind {
				o.YAML = bytes.Replace(o.YAML, []byte(old), []byte(now), 1)
			}
			out = append(out, o)
		}
		return out
	}
	var less []object.Object
	for _, o := range base {
		if o.Namespace != "tenant-7" && o.Name != "tenant-7" {
			less = append(less, o)
		}
	}
	for _, x := range []struct {
		name       string
		base, head []object.Object
	}{
		{"a tenant added", less, base},
		{"a label for all", base, edit("", "labels:\n", "labels:\n    a: b\n")},
		{"a label for all namespaces", base, edit("Namespace", "labels:\n", "labels:\n    a: b\n")},
		{"a port for all", base, edit("NetworkPolicy", "port: 15012", "port: 15013")},
	} {
		b.Run(x.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Compare(x.base, x.head); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
