package reach

import (
	"cmp"
	"slices"
	"strings"
)

// application is what matters of an Application.
type application struct {
	Spec struct {
		Project     string              `json:"project"`
		Source      *applicationSource  `json:"source"`
		Sources     []applicationSource `json:"sources"`
		Destination struct {
			Server    string `json:"server"`
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"destination"`
	} `json:"spec"`
}

type applicationSource struct {
	RepoURL        string `json:"repoURL"`
	TargetRevision string `json:"targetRevision"`
	Path           string `json:"path"`
	Chart          string `json:"chart"`
	Ref            string `json:"ref"`
}

// fluxSource is what matters of a GitRepository, an OCIRepository, a HelmRepository and a Bucket.
type fluxSource struct {
	Spec struct {
		URL        string `json:"url"`
		Endpoint   string `json:"endpoint"`
		BucketName string `json:"bucketName"`
		Insecure   bool   `json:"insecure"`
		Ref        *struct {
			Branch string `json:"branch"`
			Tag    string `json:"tag"`
			SemVer string `json:"semver"`
			Name   string `json:"name"`
			Commit string `json:"commit"`
			Digest string `json:"digest"`
		} `json:"ref"`
		Verify *struct{} `json:"verify"`
	} `json:"spec"`
}

// fluxDelivery is what matters of a Kustomization and a HelmRelease.
type fluxDelivery struct {
	Spec struct {
		SourceRef          *sourceRef `json:"sourceRef"`
		Path               string     `json:"path"`
		TargetNamespace    string     `json:"targetNamespace"`
		ServiceAccountName string     `json:"serviceAccountName"`
		KubeConfig         *struct {
			SecretRef struct {
				Name string `json:"name"`
			} `json:"secretRef"`
			ConfigMapRef struct {
				Name string `json:"name"`
			} `json:"configMapRef"`
		} `json:"kubeConfig"`
		ChartRef *sourceRef `json:"chartRef"`
		Chart    *struct {
			Spec struct {
				Chart     string    `json:"chart"`
				SourceRef sourceRef `json:"sourceRef"`
				Verify    *struct{} `json:"verify"`
			} `json:"spec"`
		} `json:"chart"`
	} `json:"spec"`
}

type sourceRef struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

func (r *sourceRef) String() string {
	if r == nil {
		return ""
	}
	name := r.Name
	if r.Namespace != "" {
		name = r.Namespace + "/" + name
	}
	return r.Kind + " " + name
}

// origin is one thing that says where something comes from, where it goes, or by whose rights.
type origin struct {
	group int    // fromWhere and the like
	field string // as the object calls it
	value string // empty: not given
}

const (
	fromWhere = iota
	toWhere
	byWhom
	unverified // the value says what is not checked
)

// sources tells what is deployed from another place, to another one, or with another's rights, of what is there on both
// sides. What is new comes with a project, a namespace or rights that are told on their own. Another version of a chart is
// no other place.
func sources(s *state, b *builder) error {
	for _, kind := range []string{
		"Application.argoproj.io", "GitRepository.source.toolkit.fluxcd.io", "OCIRepository.source.toolkit.fluxcd.io",
		"HelmRepository.source.toolkit.fluxcd.io", "Bucket.source.toolkit.fluxcd.io",
		"Kustomization.kustomize.toolkit.fluxcd.io", "HelmRelease.helm.toolkit.fluxcd.io",
	} {
		for _, p := range s.byKind[kind] {
			if !p.changed || p.there(before) == nil || p.there(after) == nil {
				continue
			}
			was, err := originsOf(p, before)
			if err != nil {
				return err
			}
			now, err := originsOf(p, after)
			if err != nil {
				return err
			}
			s.source(b, p, was, now)
		}
	}
	return nil
}

// source says what is another in one object.
func (s *state) source(b *builder, p *pair, was, now []origin) {
	texts := map[int][]string{}
	var fields []origin
	for _, x := range slices.Concat(now, was) {
		if x.value = ""; !slices.Contains(fields, x) {
			fields = append(fields, x)
		}
	}
	for _, f := range fields {
		old, next := valueOf(was, f), valueOf(now, f)
		switch {
		case old == next:
			continue
		case f.group == unverified:
			if next != "" {
				texts[f.group] = append(texts[f.group], next)
			}
			continue
		}
		texts[f.group] = append(texts[f.group], f.field+" "+cmp.Or(old, "none")+" → "+cmp.Or(next, "none"))
	}
	for _, x := range []struct {
		group     int
		text, why string
	}{
		{fromWhere, "deployed from elsewhere: ", "whoever may write there decides what runs here"},
		{toWhere, "deployed to elsewhere: ",
			"what was deployed there is pruned or left alone, and what is made here is under other rules"},
		{byWhom, "deployed with other rights: ", "whoever writes what is deployed can do all that these rights allow"},
		{unverified, "deployed without a check: ", "nothing tells any more that it is what its authors made"},
	} {
		if len(texts[x.group]) == 0 {
			continue
		}
		b.add(consequence{sourceChanged, p.Kind, x.text + strings.Join(texts[x.group], ", "), x.why}, p.Namespace+"/"+p.Name, p.Cluster,
			s.tenantOfID(p.ID), p.ID)
	}
}

func valueOf(list []origin, f origin) string {
	for _, x := range list {
		if x.group == f.group && x.field == f.field {
			return x.value
		}
	}
	return ""
}

// originsOf reads an object that is there on a side.
func originsOf(p *pair, at side) ([]origin, error) {
	var out []origin
	add := func(group int, field, value string) {
		out = append(out, origin{group, field, value})
	}
	switch p.Kind {
	case "Application":
		v, err := decode[application](p, at)
		if err != nil {
			return nil, err
		}
		list := v.Spec.Sources
		if len(list) == 0 && v.Spec.Source != nil {
			list = []applicationSource{*v.Spec.Source}
		}
		var from []string
		for _, x := range list {
			from = append(from, x.String())
		}
		if len(list) == 1 && list[0].Chart == "" {
			add(fromWhere, "repoURL", address(list[0].RepoURL))
			add(fromWhere, "targetRevision", cmp.Or(list[0].TargetRevision, "HEAD"))
			add(fromWhere, "path", list[0].Path)
		} else {
			add(fromWhere, "sources", enumerate(from, len(from)+1))
		}
		add(toWhere, "cluster", address(cmp.Or(v.Spec.Destination.Server, v.Spec.Destination.Name)))
		add(toWhere, "namespace", v.Spec.Destination.Namespace)
		add(byWhom, "project", cmp.Or(v.Spec.Project, "default"))
	case "Kustomization", "HelmRelease":
		v, err := decode[fluxDelivery](p, at)
		if err != nil {
			return nil, err
		}
		add(fromWhere, "sourceRef", v.Spec.SourceRef.String())
		add(fromWhere, "path", strings.Trim(strings.TrimPrefix(v.Spec.Path, "./"), "/"))
		add(fromWhere, "chartRef", v.Spec.ChartRef.String())
		if c := v.Spec.Chart; c != nil {
			add(fromWhere, "chart", c.Spec.Chart+" of "+c.Spec.SourceRef.String())
			if c.Spec.Verify == nil {
				add(unverified, "verify", "no verify")
			}
		}
		add(toWhere, "targetNamespace", v.Spec.TargetNamespace)
		if k := v.Spec.KubeConfig; k != nil {
			add(toWhere, "kubeConfig", cmp.Or(k.SecretRef.Name, k.ConfigMapRef.Name))
		}
		add(byWhom, "serviceAccountName", v.Spec.ServiceAccountName)
	default:
		v, err := decode[fluxSource](p, at)
		if err != nil {
			return nil, err
		}
		add(fromWhere, "url", address(cmp.Or(v.Spec.URL, v.Spec.Endpoint)))
		add(fromWhere, "bucketName", v.Spec.BucketName)
		if r := v.Spec.Ref; r != nil && p.Kind == "GitRepository" {
			for _, x := range [][2]string{{"branch", r.Branch}, {"tag", r.Tag}, {"semver", r.SemVer}, {"name", r.Name},
				{"commit", r.Commit}} {
				add(fromWhere, "ref."+x[0], x[1])
			}
		}
		if p.Kind == "OCIRepository" && (v.Spec.Ref == nil || v.Spec.Ref.Digest == "") {
			add(unverified, "digest", "no ref.digest")
		}
		if v.Spec.Verify == nil {
			add(unverified, "verify", "no verify")
		}
		if v.Spec.Insecure {
			add(unverified, "insecure", "insecure: true")
		}
	}
	return out, nil
}

func (x applicationSource) String() string {
	text := address(x.RepoURL)
	switch {
	case x.Chart != "":
		return "chart " + x.Chart + " of " + text
	case x.Ref != "" && x.Path == "":
		return text + " as " + x.Ref
	}
	return "path " + x.Path + " of " + text + " at " + cmp.Or(x.TargetRevision, "HEAD")
}
