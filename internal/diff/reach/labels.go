package reach

import (
	"slices"
	"strings"

	"github.com/zavestudios/zave/generator/label"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// answer is yes, no, or perhaps.
type answer int8

const (
	no answer = iota
	perhaps
	yes
)

// selector is a label selector; one without requirements selects everything. Values are sorted.
type selector []metav1.LabelSelectorRequirement

// newSelector makes one selector of both forms (meta/v1 LabelSelector), in an order of its own.
func newSelector(s *metav1.LabelSelector) selector {
	out := selector{}
	for k, v := range s.MatchLabels {
		out = append(out, metav1.LabelSelectorRequirement{Key: k, Operator: metav1.LabelSelectorOpIn, Values: []string{v}})
	}
	for _, r := range s.MatchExpressions {
		r.Values = slices.Sorted(slices.Values(r.Values))
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b metav1.LabelSelectorRequirement) int {
		return strings.Compare(requirementText(a), requirementText(b))
	})
	return out
}

func requirementText(r metav1.LabelSelectorRequirement) string {
	switch {
	case r.Operator == metav1.LabelSelectorOpIn && len(r.Values) == 1:
		return r.Key + "=" + r.Values[0]
	case r.Operator == metav1.LabelSelectorOpExists:
		return r.Key
	case r.Operator == metav1.LabelSelectorOpDoesNotExist:
		return "!" + r.Key
	}
	op := " in ("
	if r.Operator == metav1.LabelSelectorOpNotIn {
		op = " not in ("
	}
	return r.Key + op + strings.Join(r.Values, ", ") + ")"
}

func (s selector) String() string {
	var out []string
	for _, r := range s {
		out = append(out, requirementText(r))
	}
	return strings.Join(out, ", ")
}

// matches follows the API reference ("Labels and Selectors"): what has no such label meets NotIn.
func (s selector) matches(labels map[string]string) bool {
	for _, r := range s {
		v, ok := labels[r.Key]
		switch r.Operator {
		case metav1.LabelSelectorOpIn:
			if !ok || !slices.Contains(r.Values, v) {
				return false
			}
		case metav1.LabelSelectorOpNotIn:
			if ok && slices.Contains(r.Values, v) {
				return false
			}
		case metav1.LabelSelectorOpExists:
			if !ok {
				return false
			}
		case metav1.LabelSelectorOpDoesNotExist:
			if ok {
				return false
			}
		}
	}
	return true
}

// ofNamespace tells whether a selector selects a namespace. Of one that is not in the objects only its name is known,
// and of those that nothing names ("") only that they have another.
func (s selector) ofNamespace(name string, labels map[string]string, seen bool) answer {
	if seen {
		if s.matches(labels) {
			return yes
		}
		return no
	}
	out := yes
	for _, r := range s {
		if r.Key != corev1.LabelMetadataName {
			out = min(out, perhaps)
			continue
		}
		listed := name != "" && slices.Contains(r.Values, name)
		switch r.Operator {
		case metav1.LabelSelectorOpIn:
			if !listed {
				return no
			}
		case metav1.LabelSelectorOpNotIn:
			if listed {
				return no
			}
		case metav1.LabelSelectorOpDoesNotExist:
			return no
		}
	}
	return out
}

// other is a value that no selector names.
const other = "\x00"

// mostClasses bounds how many kinds of pods are told apart in one namespace.
const mostClasses = 4096

// classes gives a pod's labels for each way in which pods can differ to the selectors: all pods, whatever their
// labels, are like one of them. It gives nil where there are too many.
func classes(selectors []selector) []map[string]string {
	values := map[string][]string{} // by key
	exists := map[string]bool{}     // keys of which it matters whether they are there
	for _, s := range selectors {
		for _, r := range s {
			switch r.Operator {
			case metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist:
				exists[r.Key] = true
			}
			values[r.Key] = append(values[r.Key], r.Values...)
		}
	}
	keys := make([]string, 0, len(values))
	n := 1
	for k, v := range values {
		slices.Sort(v)
		v = slices.Compact(v)
		if exists[k] {
			v = append(v, other)
		}
		values[k] = v
		keys = append(keys, k)
		if n *= len(v) + 1; n > mostClasses {
			return nil
		}
	}
	slices.Sort(keys)
	seen := map[string]bool{}
	var out []map[string]string
	vector := make([]byte, len(selectors))
	index := make([]int, len(keys)) // 0: the label is not there
	for {
		labels := map[string]string{}
		for i, k := range keys {
			if index[i] > 0 {
				labels[k] = values[k][index[i]-1]
			}
		}
		for i, s := range selectors {
			vector[i] = '0'
			if s.matches(labels) {
				vector[i] = '1'
			}
		}
		if v := string(vector); !seen[v] {
			seen[v] = true
			out = append(out, labels)
		}
		i := 0
		for ; i < len(keys); i++ {
			if index[i]++; index[i] <= len(values[keys[i]]) {
				break
			}
			index[i] = 0
		}
		if i == len(keys) {
			return out
		}
	}
}

// nameKeys are the labels that say what a pod is, the best first.
func nameKeys() []string {
	return []string{label.Workload, label.Name, "app", "k8s-app", label.Component, "istio", label.Instance}
}
