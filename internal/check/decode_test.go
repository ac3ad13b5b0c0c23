package check

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

// FuzzDecode holds decode against the way through JSON that it spares.
func FuzzDecode(f *testing.F) {
	for _, text := range good(f) {
		f.Add([]byte(text))
	}
	for _, text := range []string{
		"", "null", "3", "a: 0x1F\nb: 0o17\nc: 017\nd: 1_000\ne: -0\nf: +1", "a: 9223372036854775807\nb: 18446744073709551615\nc: 99999999999999999999",
		"a: 1.50\nb: 1e3\nc: .inf\nd: .nan", "yes: no\n1: 2\n1.5: 3\n~: 4", "a: 2001-01-01\nb: 2001-01-01T00:00:00Z\nc: 190:20:30",
		"a: &x [1, {b: c}]\nd: *x\ne:\n  <<: {k: v}\n  l: m", "a: !!binary aGk=\nb: !!binary gIA=\nc: !!str 3\nd: !!float 3", "a: 1\na: 2", "a: \"\\xff\\u2028<&>\"",
		"? [a]\n: b", "a: |\n  x\n---\nb: 1", "- a\n- ~\n-", "[]", "{}", "a: ''",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := decode(text)
		var want any
		encoded, wrong := yaml.YAMLToJSONStrict(text)
		if wrong == nil {
			want, wrong = jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
		}
		if (err != nil) != (wrong != nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, %v; want %#v, %v", got, err, want, wrong)
		}
	})
}
