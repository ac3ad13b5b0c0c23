package generator

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/zavestudios/zave/generator/spec"
)

// Fingerprint is a digest of all that the units of one tenant, on all its clusters, are a function of.
type Fingerprint [sha256.Size]byte

// Fingerprints gives those of the tenants of a set by name, from digests of what each spec was made from: of its
// directory, positions included. Those of one program can be compared: where two are equal, so is every byte of every
// object, file and Kustomization of the tenant.
//
// A tenant's units are made of its own spec, what the platform gives to tenants, and its neighbours' specs: whom it
// uses and to whom it offers, since a path opens where both agree, on the clusters that both are on, for those that are
// not retired. A tenant without a fingerprint has to be compiled: its input, or that of one of these, is not known.
func Fingerprints(set *spec.Set, input func(dir string) ([sha256.Size]byte, bool)) map[string]Fingerprint {
	if set.Platform == nil {
		return nil
	}
	platform := forTenants(set.Platform)
	dirs := make(map[string]string, len(set.Tenants))
	for _, t := range set.Tenants {
		dirs[t.Name] = t.Dir
	}
	out := make(map[string]Fingerprint, len(set.Tenants))
tenants:
	for _, t := range set.Tenants {
		own, ok := input(t.Dir)
		if !ok {
			continue
		}
		b := append(append(make([]byte, 0, 256), platform[:]...), own[:]...)
		for _, name := range neighbours(t) {
			b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
			dir, exists := dirs[name]
			if !exists { // which is an error, and nothing is compiled
				continue tenants
			}
			sum, ok := input(dir)
			if !ok {
				continue tenants
			}
			b = append(b, sum[:]...)
		}
		out[t.Name] = sha256.Sum256(b)
	}
	return out
}

// forTenants is a digest of the platform without what no tenant's unit is made of: where things stand in its files,
// since an object of a tenant leads back to the tenant's own; what only refuses specs; what nodes there are and what
// they cost; and what is deployed of a service, but not what it provides. Whatever is new in the schema counts.
func forTenants(p *spec.Platform) [sha256.Size]byte {
	out := *p
	out.Positions, out.Dir, out.Hash, out.Broken = nil, "", "", false
	out.Registries, out.Reserved, out.Hosts = nil, nil, nil
	out.Clusters = slices.Clone(p.Clusters)
	for i := range out.Clusters {
		c := &out.Clusters[i]
		c.Nodes, c.Reserved, c.Storage, c.Cost = nil, nil, "", nil
	}
	out.Services = slices.Clone(p.Services)
	for i := range out.Services {
		s := &out.Services[i]
		s.Chart, s.Interval, s.Timeout, s.Values, s.Secrets = spec.Chart{}, "", "", nil, nil
		s.Clusters = slices.Clone(s.Clusters)
		for k := range s.Clusters {
			s.Clusters[k].Version, s.Clusters[k].Values = "", nil
		}
	}
	text, err := json.Marshal(&out)
	if err != nil {
		panic(err) // specs hold strings, numbers, booleans and slices of them
	}
	return sha256.Sum256(text)
}

// neighbours are the tenants that a tenant names, sorted.
func neighbours(t *spec.Tenant) []string {
	var out []string
	for _, u := range t.Network.Uses {
		out = append(out, u.Tenant)
	}
	for _, o := range t.Network.Offers {
		out = append(out, o.To...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
