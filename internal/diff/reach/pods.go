package reach

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// runner is an object that runs pods: a Pod, what has a template of pods, or a CronJob.
type runner struct {
	Spec struct {
		corev1.PodSpec `json:",inline"`
		Template       *podTemplate `json:"template"`
		JobTemplate    *struct {
			Spec struct {
				Template podTemplate `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
}

type podTemplate struct {
	Spec corev1.PodSpec `json:"spec"`
}

func (r *runner) pod() *corev1.PodSpec {
	switch {
	case r.Spec.JobTemplate != nil:
		return &r.Spec.JobTemplate.Spec.Template.Spec
	case r.Spec.Template != nil:
		return &r.Spec.Template.Spec
	}
	return &r.Spec.PodSpec
}

// runners are the kinds of objects that run pods.
func runners() []string {
	return []string{"Pod.", "Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "ReplicaSet.apps", "Job.batch", "CronJob.batch"}
}

// changedRunner is an object that runs pods and differs, with its pods on both sides; nil where it is not.
type changedRunner struct {
	*pair
	pods [2]*corev1.PodSpec
}

func (s *state) changedRunners() (out []changedRunner, err error) {
	for _, kind := range runners() {
		for _, p := range s.byKind[kind] {
			if !p.changed || p.kept || sameBody(p) {
				continue
			}
			x := changedRunner{pair: p}
			for _, at := range [2]side{before, after} {
				r, err := decode[runner](p, at)
				if err != nil {
					return nil, err
				}
				if r != nil {
					x.pods[at] = r.pod()
				}
			}
			out = append(out, x)
		}
	}
	return out, nil
}

// pods compares what pods have of the node that they run on: what the baseline of the Pod Security Standards refuses
// because it leads out of the container.
func pods(s *state, b *builder) error {
	list, err := s.changedRunners()
	if err != nil {
		return err
	}
	for _, x := range list {
		was, is := ofNode(x.pods[before]), ofNode(x.pods[after])
		for _, o := range []struct {
			rule, text, why string
			list            []string
		}{
			{hostAccess, "with access to the node", "whoever controls such a pod may get hold of the node and of all that runs there; no NetworkPolicy holds for a pod in the node's network", without(is, was)},
			{hostAccessGone, "no longer with access to the node", "what does not need it does not have it", without(was, is)},
		} {
			if len(o.list) > 0 {
				text := o.text + ": " + strings.Join(o.list, ", ")
				b.add(consequence{o.rule, x.Kind, text, o.why}, x.Namespace+"/"+x.Name, x.Cluster, s.tenantOfID(x.ID), x.ID)
			}
		}
	}
	return nil
}

// ofNode lists what pods have of their node, sorted.
func ofNode(p *corev1.PodSpec) (out []string) {
	if p == nil {
		return nil
	}
	for _, x := range []struct {
		is   bool
		text string
	}{{p.HostNetwork, "hostNetwork"}, {p.HostPID, "hostPID"}, {p.HostIPC, "hostIPC"}} {
		if x.is {
			out = append(out, x.text)
		}
	}
	for _, v := range p.Volumes {
		if v.HostPath != nil {
			out = append(out, "hostPath "+v.HostPath.Path)
		}
	}
	for _, c := range slices.Concat(p.InitContainers, p.Containers) {
		for _, port := range c.Ports {
			if port.HostPort != 0 && !p.HostNetwork {
				out = append(out, "hostPort "+strconv.Itoa(int(port.HostPort)))
			}
		}
		if c.SecurityContext == nil {
			continue
		}
		if yes := c.SecurityContext.Privileged; yes != nil && *yes {
			out = append(out, "container "+c.Name+" privileged")
		}
		if c.SecurityContext.Capabilities == nil {
			continue
		}
		for _, k := range c.SecurityContext.Capabilities.Add {
			if !slices.Contains(harmless(), k) {
				out = append(out, "container "+c.Name+" with capability "+string(k))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// harmless are the capabilities that the baseline allows (Kubernetes, "Pod Security Standards").
func harmless() []corev1.Capability {
	return []corev1.Capability{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
		"SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
	}
}

// without gives what one list has and another has not.
func without(list, other []string) (out []string) {
	for _, x := range list {
		if !slices.Contains(other, x) {
			out = append(out, x)
		}
	}
	return out
}
