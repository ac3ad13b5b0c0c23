package reach

import (
	"cmp"
	"slices"

	"github.com/zavestudios/zave/internal/object"
	corev1 "k8s.io/api/core/v1"
)

// accounts compares what pods are given by their service accounts, and by their own specs: a token for the API server
// (Kubernetes, "Configure Service Accounts for Pods"), and credentials to pull images with. What a namespace that comes
// or goes has is left out.
func accounts(s *state, b *builder) error {
	a := &accountLook{s: s, b: b, tokens: map[tokenKey]bool{}}
	for _, p := range s.byKind["ServiceAccount."] {
		if !p.changed || p.kept || s.moves(p.Cluster, p.Namespace) || sameBody(p) {
			continue
		}
		if err := a.account(p); err != nil {
			return err
		}
	}
	list, err := s.changedRunners()
	if err != nil {
		return err
	}
	for _, x := range list {
		if s.moves(x.Cluster, x.Namespace) {
			continue
		}
		if err := a.runner(x); err != nil {
			return err
		}
	}
	return nil
}

type accountLook struct {
	s      *state
	b      *builder
	tokens map[tokenKey]bool // what has been said of accounts
}

type tokenKey struct{ cluster, namespace, account, rule string }

// mounts tells whether pods that use an account get a token when they do not say. Each namespace has an account named
// default, whether it is in the tree or not.
func (a *accountLook) mounts(cluster, namespace, name string, at side) (bool, error) {
	p := a.s.byID[object.ID{Cluster: cluster, Kind: "ServiceAccount", Namespace: namespace, Name: name}]
	if p == nil || p.there(at) == nil {
		return name == "default", nil
	}
	o, err := decode[corev1.ServiceAccount](p, at)
	if err != nil {
		return false, err
	}
	return o.AutomountServiceAccountToken == nil || *o.AutomountServiceAccountToken, nil
}

func (a *accountLook) account(p *pair) error {
	was, err := a.mounts(p.Cluster, p.Namespace, p.Name, before)
	if err != nil {
		return err
	}
	is, err := a.mounts(p.Cluster, p.Namespace, p.Name, after)
	if err != nil {
		return err
	}
	a.token(p, was, is, p.Name)
	var have [2][]string
	for _, at := range [2]side{before, after} {
		o, err := decode[corev1.ServiceAccount](p, at)
		if err != nil {
			return err
		}
		if o != nil {
			have[at] = pullNames(o.ImagePullSecrets)
		}
	}
	a.pull(p, have)
	return nil
}

func (a *accountLook) runner(x changedRunner) error {
	var mounted [2]bool
	var have [2][]string
	name := "default"
	for _, at := range [2]side{before, after} {
		pod := x.pods[at]
		if pod == nil {
			continue
		}
		name = accountName(pod)
		given, err := a.mounts(x.Cluster, x.Namespace, name, at)
		if err != nil {
			return err
		}
		if pod.AutomountServiceAccountToken != nil {
			given = *pod.AutomountServiceAccountToken
		}
		mounted[at] = given || projectsToken(pod)
		have[at] = pullNames(pod.ImagePullSecrets)
	}
	a.token(x.pair, mounted[before], mounted[after], name)
	a.pull(x.pair, have)
	return nil
}

// token says that pods get a token or do not any more, once for an account and all that use it.
func (a *accountLook) token(p *pair, was, is bool, account string) {
	c := consequence{tokenMounted, p.Kind, "given a token for the API server", "whoever gets into such a pod can do there what its service account may"}
	if was && !is {
		c = consequence{tokenUnmounted, p.Kind, "no longer given a token for the API server", "whoever gets into such a pod is nobody to the API server"}
	}
	k := tokenKey{p.Cluster, p.Namespace, account, c.rule}
	if was == is || a.tokens[k] {
		return
	}
	if p.Kind == "ServiceAccount" {
		a.tokens[k] = true
		c.text = "pods " + c.text
	}
	a.b.add(c, p.Namespace+"/"+p.Name, p.Cluster, a.s.tenantOfID(p.ID), p.ID)
}

// pull says which pull secrets are new, or gone, for what is there on both sides: what comes or goes has them with the rest
// of it.
func (a *accountLook) pull(p *pair, have [2][]string) {
	if p.is[before] == nil || p.is[after] == nil {
		return
	}
	for _, o := range sides() {
		for _, name := range without(have[o[1]], have[o[0]]) {
			c := consequence{pullOpened, p.Kind, "able to pull images with Secret " + name, "its registry lets in whoever has these credentials"}
			if o[1] == before {
				c.rule, c.text = pullClosed, "no longer able to pull images with Secret "+name
			}
			a.b.add(c, p.Namespace+"/"+p.Name, p.Cluster, a.s.tenantOfID(p.ID), p.ID)
		}
	}
}

func pullNames(list []corev1.LocalObjectReference) (out []string) {
	for _, x := range list {
		out = append(out, x.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// accountName is the account that pods use (core/v1 PodSpec.serviceAccountName, and its older name).
func accountName(p *corev1.PodSpec) string {
	return cmp.Or(p.ServiceAccountName, p.DeprecatedServiceAccount, "default")
}

// projectsToken tells whether pods mount a token for the API server themselves: one for no other audience.
func projectsToken(p *corev1.PodSpec) bool {
	return slices.ContainsFunc(p.Volumes, func(v corev1.Volume) bool {
		return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(x corev1.VolumeProjection) bool {
			return x.ServiceAccountToken != nil && x.ServiceAccountToken.Audience == ""
		})
	})
}
