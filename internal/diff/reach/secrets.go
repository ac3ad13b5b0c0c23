package reach

import (
	"cmp"
	"slices"
	"strings"
)

// externalSecret is what matters of an ExternalSecret (External Secrets, API reference).
type externalSecret struct {
	Spec struct {
		SecretStoreRef storeRef `json:"secretStoreRef"`
		Data           []struct {
			RemoteRef remoteRef       `json:"remoteRef"`
			SourceRef *externalSource `json:"sourceRef"`
		} `json:"data"`
		DataFrom []struct {
			Extract *remoteRef `json:"extract"`
			Find    *struct {
				Path *string `json:"path"`
				Name *struct {
					RegExp string `json:"regexp"`
				} `json:"name"`
				Tags map[string]string `json:"tags"`
			} `json:"find"`
			SourceRef *externalSource `json:"sourceRef"`
		} `json:"dataFrom"`
	} `json:"spec"`
}

type externalSource struct {
	StoreRef *storeRef `json:"storeRef"`
}

type storeRef struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

type remoteRef struct {
	Key      string `json:"key"`
	Property string `json:"property"`
}

// secretRead is what is read: a property of a path, all of it where there is no property, or all below it.
type secretRead struct {
	store    storeRef
	path     string
	property string
	below    bool // found by a search
}

// includes tells whether who reads x reads y as well.
func (x secretRead) includes(y secretRead) bool {
	switch {
	case x.store != y.store:
		return false
	case x.below:
		return x == y || x.property == "" && strings.HasPrefix(y.path, x.path)
	}
	return x.path == y.path && !y.below && (x.property == "" || x.property == y.property)
}

// text names what is read: "SECRET_KEY", "all", "all that matches ^app".
func (x secretRead) text() string {
	switch {
	case x.property == "":
		return "all"
	case x.below:
		return "all that matches " + x.property
	}
	return x.property
}

// secrets tells what of the secret store is read into a namespace that was not. Whose a path is says its name, as zave
// has it: tenants/<tenant>/….
func secrets(s *state, b *builder) error {
	type reader struct {
		pair  *pair
		reads [2][]secretRead
	}
	spaces := map[place][]reader{}
	for _, p := range s.byKind["ExternalSecret.external-secrets.io"] {
		k := place{p.Cluster, p.Namespace}
		spaces[k] = append(spaces[k], reader{pair: p})
	}
	for _, k := range sortedKeys(spaces, place.compare) {
		list := spaces[k]
		if !slices.ContainsFunc(list, func(r reader) bool { return r.pair.changed }) {
			continue
		}
		var all [2][]secretRead
		for i := range list {
			for at := range all {
				v, err := decode[externalSecret](list[i].pair, side(at))
				if err != nil {
					return err
				}
				if v != nil {
					list[i].reads[at] = v.reads()
				}
				all[at] = append(all[at], list[i].reads[at]...)
			}
		}
		for _, r := range list {
			if !r.pair.changed {
				continue
			}
			for _, d := range sides() {
				s.secret(b, r.pair, slices.DeleteFunc(slices.Clone(r.reads[d[1]]), func(x secretRead) bool {
					return slices.ContainsFunc(all[d[0]], func(y secretRead) bool { return y.includes(x) })
				}), d[1] == after)
			}
		}
	}
	return nil
}

func (k place) compare(o place) int {
	return cmp.Or(strings.Compare(k.cluster, o.cluster), strings.Compare(k.namespace, o.namespace))
}

// secret says what one ExternalSecret reads that nothing of its namespace read.
func (s *state) secret(b *builder, p *pair, reads []secretRead, opened bool) {
	tenant := cmp.Or(s.tenantOfID(p.ID), s.tenantIn(p.Cluster, p.Namespace))
	home := cmp.Or(tenant, p.Namespace)
	type path struct {
		store storeRef
		path  string
	}
	properties := map[path][]string{}
	for _, x := range reads {
		k := path{x.store, x.path}
		properties[k] = append(properties[k], x.text())
	}
	for _, k := range sortedKeys(properties, func(a, b path) int {
		return cmp.Or(strings.Compare(a.path, b.path), strings.Compare(a.store.Kind, b.store.Kind),
			strings.Compare(a.store.Name, b.store.Name))
	}) {
		whose := tenantOfPath(k.path)
		another := tenant != "" && whose != "" && whose != tenant
		switch {
		case !opened && (s.leaves(p.Cluster, p.Namespace) || s.leaves(p.Cluster, home)):
			continue
		case opened && whose == home && (s.comes(p.Cluster, p.Namespace) || s.comes(p.Cluster, home)):
			continue // a new tenant's own
		}
		list := properties[k]
		slices.Sort(list)
		list = slices.Compact(list)
		if slices.Contains(list, "all") {
			list = []string{"all"}
		}
		at := k.path
		if at == "" {
			at = "the whole store"
		}
		text := enumerate(list, 5) + " of " + at + " in " + k.store.Name
		name := p.Namespace + "/" + p.Name
		add := func(rule, text, why string) {
			b.add(consequence{rule, p.Kind, text, why}, name, p.Cluster, tenant, p.ID)
		}
		switch {
		case !opened:
			add(secretClosed, "may no longer read "+text,
				"the Secret that it made goes or stays by its deletionPolicy, and is no longer kept up to date")
		case another:
			who := "the tenant " + whose
			if whose == everyTenant {
				who = "other tenants"
			}
			add(secretOfAnother, "may now read "+text, "it belongs to "+who+", and becomes a Secret of the namespace "+p.Namespace)
		default:
			add(secretOpened, "may now read "+text,
				"it becomes a Secret of the namespace "+p.Namespace+", for whoever may read or mount Secrets there")
		}
	}
}

// everyTenant is the owner of paths that include several tenants'.
const everyTenant = "*"

// tenantOfPath gives whose a path is.
func tenantOfPath(path string) string {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	i := slices.Index(segments, "tenants")
	switch {
	case path == "":
		return everyTenant
	case i < 0:
		return ""
	case i+1 == len(segments):
		return everyTenant
	}
	return segments[i+1]
}

// reads gives all that an ExternalSecret reads.
func (v *externalSecret) reads() []secretRead {
	var out []secretRead
	store := func(from *externalSource) storeRef {
		r := v.Spec.SecretStoreRef
		if from != nil && from.StoreRef != nil {
			r = *from.StoreRef
		}
		r.Kind = cmp.Or(r.Kind, "SecretStore")
		return r
	}
	for _, d := range v.Spec.Data {
		out = append(out, secretRead{store(d.SourceRef), d.RemoteRef.Key, d.RemoteRef.Property, false})
	}
	for _, d := range v.Spec.DataFrom {
		switch {
		case d.Extract != nil:
			out = append(out, secretRead{store(d.SourceRef), d.Extract.Key, d.Extract.Property, false})
		case d.Find != nil:
			x := secretRead{store: store(d.SourceRef), below: true}
			if d.Find.Path != nil {
				x.path = *d.Find.Path
			}
			if d.Find.Name != nil {
				x.property = d.Find.Name.RegExp
			}
			for _, k := range sortedKeys(d.Find.Tags, strings.Compare) {
				x.property += " " + k + "=" + d.Find.Tags[k]
			}
			out = append(out, x)
		}
	}
	return out
}
