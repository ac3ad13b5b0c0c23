package reach

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/pod-security-admission/api"
)

// namespaces compares what a Namespace's labels let in (Kubernetes, "Pod Security Admission"), and whether the mesh puts
// its proxy into what starts there (Istio, "Installing the Sidecar" and "Ambient mode").
func namespaces(s *state, b *builder) error {
	for _, p := range s.byKind["Namespace."] {
		if !p.changed || p.kept || p.is[before] == nil || p.is[after] == nil {
			continue
		}
		if keys, ok := changedKeys(p); ok && !slices.ContainsFunc(slices.Collect(maps.Keys(keys)), func(k string) bool {
			return k == api.EnforceLevelLabel || strings.HasPrefix(k, "istio")
		}) {
			continue
		}
		was, err := decode[meta](p, before)
		if err != nil {
			return err
		}
		is, err := decode[meta](p, after)
		if err != nil {
			return err
		}
		say := func(rule, text, why string) {
			b.add(consequence{rule, "Namespace", text, why}, p.Name, p.Cluster, s.tenantIn(p.Cluster, p.Name), p.ID)
		}
		if x, y := enforced(was.Metadata.Labels), enforced(is.Metadata.Labels); x != y {
			text := "pod security " + string(x) + " → " + string(y)
			if strictness(y) < strictness(x) {
				say(podSecurityLower, text, "what "+string(x)+" refuses can be run there now, such as "+refused(y))
			} else {
				say(podSecurityHigher, text, "what "+string(y)+" refuses cannot be started there any more, such as "+refused(x))
			}
		}
		x, y := injection(was.Metadata.Labels), injection(is.Metadata.Labels)
		switch {
		case x != "" && y == "":
			say(meshLeft, "no longer in the mesh: "+x+" → no such label",
				"pods that start there have no proxy, so that no AuthorizationPolicy and no PeerAuthentication holds for them")
		case x == "" && y != "":
			say(meshJoined, "in the mesh from now on: "+y, "pods that start there are behind a proxy, which asks for identities")
		}
	}
	return nil
}

// enforced is the level that pods are held to. No label is what the API server is configured with, privileged unless
// somebody changed that; one that cannot be read is restricted (pod-security-admission, ParseLevel).
func enforced(labels map[string]string) api.Level {
	text, ok := labels[api.EnforceLevelLabel]
	if !ok {
		return api.LevelPrivileged
	}
	level, err := api.ParseLevel(text)
	if err != nil {
		return api.LevelRestricted
	}
	return level
}

func strictness(l api.Level) int {
	return slices.Index([]api.Level{api.LevelPrivileged, api.LevelBaseline, api.LevelRestricted}, l)
}

// refused is an example of what a level lets through and the next one refuses.
func refused(l api.Level) string {
	if l == api.LevelPrivileged {
		return "privileged containers and mounts of the node's files"
	}
	return "containers that run as root"
}

// injection is the label that brings the pods of a namespace into the mesh, or nothing.
func injection(labels map[string]string) string {
	const sidecar, revision, ambient = "istio-injection", "istio.io/rev", "istio.io/dataplane-mode"
	switch {
	case labels[ambient] == "ambient":
		return ambient + "=ambient"
	case labels[sidecar] == "enabled":
		return sidecar + "=enabled"
	case labels[sidecar] == "" && labels[revision] != "":
		return revision + "=" + labels[revision]
	}
	return ""
}
