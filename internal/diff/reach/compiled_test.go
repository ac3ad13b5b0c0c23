package reach_test

import (
	"bytes"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/diff/reach"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/object"
)

// specs reads what people wrote in this repository.
func specs(tb testing.TB) fstest.MapFS {
	tb.Helper()
	out := fstest.MapFS{}
	root := os.DirFS("../../..")
	for _, dir := range []string{"cue.mod", "schema", "platform", "tenants"} {
		err := fs.WalkDir(root, dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := fs.ReadFile(root, name)
			out[name] = &fstest.MapFile{Data: data}
			return err
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return out
}

// compile gives all objects of specs, or of those tenants alone.
func compile(tb testing.TB, files fs.FS, only func(string) bool) (out []object.Object) {
	tb.Helper()
	l, err := load.Load(tb.Context(), ".", load.Options{FS: files})
	if err != nil {
		tb.Fatal(err)
	}
	list := l.Diags
	if !list.HasErrors() {
		r, linked, err := generator.Compile(l.Set, generator.Options{Only: only})
		if err != nil {
			tb.Fatal(err)
		}
		list.Merge(linked)
		if !list.HasErrors() {
			for _, u := range r.Units {
				out = append(out, u.Objects...)
			}
			return out
		}
	}
	var b bytes.Buffer
	if err := diag.Print(&b, diag.Text, &list, diag.PrintOptions{Source: l.Source}); err != nil {
		tb.Fatal(err)
	}
	tb.Fatal(b.String())
	return nil
}

// network tells whether a rule is about network paths.
func network(rule string) bool {
	return strings.HasPrefix(rule, "path") || strings.HasPrefix(rule, "egress-") || strings.HasPrefix(rule, "ingress-") ||
		strings.HasPrefix(rule, "isolation-") || strings.HasPrefix(rule, "request-") || strings.HasPrefix(rule, "mesh-")
}

// said gives what a comparison says of the network of one cluster.
func said(tb testing.TB, base, head []object.Object, cluster string) string {
	tb.Helper()
	r, err := reach.Compare(base, head)
	if err != nil {
		tb.Fatal(err)
	}
	for _, p := range r.Paths { // of all other namespaces the policies are known, and the mesh's say the same
		if (p.Before == report.Unknown || p.After == report.Unknown) && !strings.HasPrefix(p.To, "kube-system/") {
			tb.Errorf("nobody knows about %+v", p)
		}
	}
	var b strings.Builder
	for i, q := range r.Consequences {
		for j, s := range q.Subjects {
			if len(r.Because[i][j]) == 0 {
				tb.Errorf("nothing brings about %s %s", s.Name, q.Text)
			}
			if s.Cluster == cluster && network(q.Rule) {
				b.WriteString(q.Rule + ": " + s.Name + " " + q.Text + "\n")
			}
		}
	}
	return b.String()
}

func edited(tb testing.TB, files fstest.MapFS, name, old, now string) fstest.MapFS {
	tb.Helper()
	out := fstest.MapFS{}
	for n, f := range files {
		out[n] = f
	}
	text := string(files[name].Data)
	if strings.Count(text, old) != 1 {
		tb.Fatalf("%s has %d times %q", name, strings.Count(text, old), old)
	}
	out[name] = &fstest.MapFile{Data: []byte(strings.Replace(text, old, now, 1))}
	return out
}

func without(files fstest.MapFS, dir string) fstest.MapFS {
	out := fstest.MapFS{}
	for n, f := range files {
		if !strings.HasPrefix(n, dir) {
			out[n] = f
		}
	}
	return out
}

// TestSpecs has what is said of edits of this repository's own specs.
func TestSpecs(t *testing.T) {
	all := specs(t)
	base := compile(t, all, nil)
	const panchito, thehouseguy = "tenants/panchito/tenant.cue", "tenants/thehouseguy/tenant.cue"
	const offers = `		offers: [{workload: "web", to: ["thehouseguy"]}]` + "\n"
	rigoberta := "rigoberta with new network paths: inside; to istio-system/istiod, kube-system/kube-dns and postgres/postgresql; " +
		"from istio-gateway/public-ingressgateway and monitoring/prometheus"
	for _, x := range []struct {
		name        string
		files       fstest.MapFS
		opens, then string // what is said of it, and of its reverse
	}{
		{
			"egress to the world", edited(t, all, panchito, `cidrs: ["203.0.113.0/24"]`, `cidrs: ["0.0.0.0/0"]`), `
egress-world: panchito → 0.0.0.0/0:443 opened
egress-private: panchito → 10.0.0.0/8 less 10.42.0.0/15:443 opened
egress-private: panchito → 100.64.0.0/10:443 opened
egress-private: panchito → 172.16.0.0/12:443 opened
egress-private: panchito → 192.168.0.0/16 less 192.168.122.0/24:443 opened
`, `
egress-closed: panchito → 0.0.0.0/0 less 10.42.0.0/15, 169.254.0.0/16, 192.168.122.0/24, 203.0.113.0/24:443 closed
`,
		},
		{
			"another port, and another block", edited(t, all, panchito, `cidrs: ["203.0.113.0/24"], ports: [443]`, `cidrs: ["10.1.0.0/16", "203.0.113.0/24"], ports: [443, 80]`), `
egress-private: panchito → 10.1.0.0/16:80, 443 opened
egress-opened: panchito → 203.0.113.0/24:80 opened
`, `
egress-closed: panchito → 10.1.0.0/16:80, 443 closed
egress-closed: panchito → 203.0.113.0/24:80 closed
`,
		},
		{
			"an offer is taken back", edited(t, edited(t, all, panchito, offers, ""), thehouseguy, `uses: [{tenant: "panchito", workload: "web"}]`, ""), `
path-closed: thehouseguy → panchito/web:8000 closed
`, `
path-opened: thehouseguy → panchito/web:8000 opened
`,
		},
		{
			"a port moves", edited(t, all, panchito, "port:   8000", "port: 9000"), `
path-opened: istio-gateway/public-ingressgateway → panchito/web:9000 opened
path-opened: thehouseguy → panchito/web:9000 opened
path-closed: istio-gateway/public-ingressgateway → panchito/web:8000 closed
path-closed: thehouseguy → panchito/web:8000 closed
`, "",
		},
		{
			"a service less", edited(t, all, thehouseguy, `services: ["redis"]`, ""), `
path-closed: thehouseguy → redis/redis:6379 closed
`, `
path-opened: thehouseguy → redis/redis:6379 opened
`,
		},
		{
			"a tenant that goes", without(all, "tenants/rigoberta/"),
			"\npaths-going: " + strings.Replace(rigoberta, "with new network paths", "without network paths any more", 1) + "\n",
			"\npaths-coming: " + rigoberta + "\n",
		},
		{
			"a tenant that retires", edited(t, all, "tenants/rigoberta/tenant.cue", "owner: {", "state: \"retired\"\n\towner: {"),
			"\npaths-going: " + strings.Replace(rigoberta, "with new network paths", "without network paths any more", 1) + "\n",
			"\npaths-coming: " + rigoberta + "\n",
		},
	} {
		t.Run(x.name, func(t *testing.T) {
			head := compile(t, x.files, nil)
			if got := said(t, base, head, "sandbox"); got != strings.TrimPrefix(x.opens, "\n") {
				t.Errorf("it says\n%s", got)
			}
			if got := said(t, head, base, "sandbox"); x.then != "" && got != strings.TrimPrefix(x.then, "\n") {
				t.Errorf("its reverse says\n%s", got)
			}
		})
	}
}

// TestLeftOut has the same said of two sides without the tenants that are the same.
func TestLeftOut(t *testing.T) {
	all := specs(t)
	fewer := without(all, "tenants/rigoberta/")
	for _, x := range []struct {
		base, head fstest.MapFS
		changed    []string // whom it changes, by their fingerprints: a tenant and whom it names
	}{
		{all, edited(t, all, "tenants/panchito/tenant.cue", "port:   8000", "port: 9000"), []string{"panchito", "thehouseguy"}},
		{fewer, all, []string{"rigoberta"}},
		{all, fewer, []string{"rigoberta"}},
	} {
		some := func(tenant string) bool { return slices.Contains(x.changed, tenant) }
		base, head := compile(t, x.base, nil), compile(t, x.head, nil)
		partBase, partHead := compile(t, x.base, some), compile(t, x.head, some)
		for _, cluster := range []string{"sandbox", "aws"} {
			whole, part := said(t, base, head, cluster), said(t, partBase, partHead, cluster)
			if whole != part || whole == "" {
				t.Errorf("%s\nand of a part\n%s", whole, part)
			}
		}
	}
}
