package load

import (
	"context"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zavestudios/zave/internal/diag"
)

// FuzzLoad gives arbitrary bytes for a tenant's file: whatever they are, there is a tenant, and either nothing is
// wrong with it or something is said, at a place in its own file.
func FuzzLoad(f *testing.F) {
	names, err := filepath.Glob("testdata/mistakes/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name == "tenants/acme/tenant.cue" {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		files := fstest.MapFS{
			"cue.mod/module.cue":      {Data: []byte("module: \"zavestudios.com/platform@v0\"\n")},
			"tenants/acme/tenant.cue": {Data: data},
		}
		start := time.Now()
		l, err := Load(context.Background(), "", Options{FS: files, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("it took %s", d)
		}
		if len(l.Set.Tenants) != 1 {
			t.Fatalf("%d tenants", len(l.Set.Tenants))
		}
		said := false
		for _, d := range l.Diags.Sorted() {
			if d.Code == diag.NotARepository { // there is no platform here
				continue
			}
			said = true
			if d.Span.File != "tenants/acme/tenant.cue" {
				t.Errorf("%s %s is not in the tenant's file", d.Span, d.Summary)
			}
		}
		if tenant := l.Set.Tenants[0]; tenant.Broken != said || tenant.Name != "acme" {
			t.Errorf("broken is %t, and something was said is %t", tenant.Broken, said)
		}
	})
}
