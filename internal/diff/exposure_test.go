package diff_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/zavestudios/zave/generator/unit"
	"github.com/zavestudios/zave/internal/diff/reach"
	"github.com/zavestudios/zave/internal/object"
)

// TestExposure says of edits of this repository's own specs who may do what that they could not: hosts, rights, projects,
// sources, secrets and databases. What the network lets through is told elsewhere.
func TestExposure(t *testing.T) {
	for name, want := range map[string][]string{
		"host-stolen": {
			"host-stolen sandbox host panchito.zavestudios.com now routed to thehouseguy/web, and no longer to panchito/web [thehouseguy]",
			"host-opened sandbox host etl.zavestudios.com now routed to panchito/web, by the gateway istio-gateway/public-ingressgateway [panchito]",
		},
		"tenant-added": {
			"host-opened sandbox host casita.zavestudios.com now routed to casita/web, by the gateway istio-gateway/public-ingressgateway [casita]",
			"secret-opened sandbox ExternalSecret casita/ghcr-secret may now read .dockerconfigjson of platform/ghcr in vault-kv [casita]",
			"database-access-opened sandbox database role casita_app may now enter DATABASES from 10.42.0.0/16 over TLS [casita]",
		},
		"database-removed": {
			"secret-closed aws ExternalSecret postgres/bootstrap-rigoberta may no longer read all of tenants/rigoberta/database in vault-kv [rigoberta]",
			"secret-closed aws ExternalSecret rigoberta/database may no longer read all of tenants/rigoberta/database in vault-kv [rigoberta]",
			"secret-closed sandbox ExternalSecret postgres/bootstrap-rigoberta may no longer read all of tenants/rigoberta/database in vault-kv [rigoberta]",
			"secret-closed sandbox ExternalSecret rigoberta/database may no longer read all of tenants/rigoberta/database in vault-kv [rigoberta]",
			"database-access-closed aws database role rigoberta_app may no longer enter DATABASES from 10.128.0.0/16 over TLS [rigoberta]",
			"database-access-closed sandbox database role rigoberta_app may no longer enter DATABASES from 10.42.0.0/16 over TLS [rigoberta]",
		},
		"image-bump":    nil,
		"quota-lowered": nil,
	} {
		t.Run(name, func(t *testing.T) {
			base, head, _ := caseSnapshots(t, name)
			got := exposure(t, base.Units, head.Units)
			if !slices.Equal(got, want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
			b, h := unalike(base.Units, head.Units)
			if len(b) == len(base.Units) {
				t.Error("no tenant could be left out")
			}
			if part := exposure(t, b, h); !slices.Equal(part, got) {
				t.Errorf("without the tenants that are the same it says\n\t%s", strings.Join(part, "\n\t"))
			}
			if same := exposure(t, head.Units, head.Units); len(same) > 0 {
				t.Errorf("of what is the same it says\n\t%s", strings.Join(same, "\n\t"))
			}
		})
	}
}

// exposure gives what is said: rule, cluster, kind, name, text and tenant. Of a tenant's roles it gives one, and of its
// databases none.
func exposure(t *testing.T, base, head []unit.Unit) (out []string) {
	t.Helper()
	r, err := reach.Compare(objectsOf(base), objectsOf(head))
	if err != nil {
		t.Fatal(err)
	}
	ours := []string{"host-opened", "host-closed", "host-stolen", "host-moved", "host-plain", "host-encrypted", "service-", "right-", "project-", "source-", "secret-", "database-"}
	for i, c := range r.Consequences {
		if !slices.ContainsFunc(ours, func(p string) bool { return strings.HasPrefix(c.Rule, p) }) {
			continue
		}
		for j, s := range c.Subjects {
			if s.Origin.IsZero() || len(r.Because[i][j]) == 0 {
				t.Errorf("%s of %s has no cause", c.Rule, s.Name)
			}
			text := c.Text
			if c.Kind == "database role" {
				if !strings.HasSuffix(s.Name, "_app") {
					continue
				}
				before, rest, _ := strings.Cut(text, " enter ")
				_, rest, _ = strings.Cut(rest, " from ")
				text = before + " enter DATABASES from " + rest
			}
			out = append(out, strings.Join([]string{c.Rule, s.Cluster, c.Kind, s.Name, text, "[" + s.Tenant + "]"}, " "))
		}
	}
	return out
}

func objectsOf(units []unit.Unit) (out []object.Object) {
	for _, u := range units {
		out = append(out, u.Objects...)
	}
	return out
}

// unalike leaves out, of both, the tenants that are the same on a cluster.
func unalike(base, head []unit.Unit) (b, h []unit.Unit) {
	type tenant struct{ cluster, name string }
	of := func(u unit.Unit) (tenant, bool) {
		switch u.Part {
		case unit.Tenancy, unit.Database, unit.Delivery, unit.Workloads:
			return tenant{u.Cluster, u.Name}, true
		}
		return tenant{}, false
	}
	content := func(units []unit.Unit) map[tenant]string {
		out := map[tenant]string{}
		for _, u := range units {
			if k, ok := of(u); ok {
				for _, o := range u.Objects {
					out[k] += o.ID.String() + "\n" + string(bytes.TrimSpace(o.YAML)) + "\n"
				}
			}
		}
		return out
	}
	was, is := content(base), content(head)
	maps.DeleteFunc(is, func(k tenant, text string) bool { return was[k] != text })
	leave := func(units []unit.Unit) []unit.Unit {
		return slices.DeleteFunc(slices.Clone(units), func(u unit.Unit) bool {
			k, ok := of(u)
			_, same := is[k]
			return ok && same
		})
	}
	return leave(base), leave(head)
}
