package check

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	yamlv2 "go.yaml.in/yaml/v2"
	"sigs.k8s.io/yaml"
)

// decode reads a document as the API server's clients do, which is sigs.k8s.io/yaml: YAML 1.1, and no key twice in a
// mapping. Mappings are map[string]any, lists []any, and numbers json.Number.
//
// That package writes JSON, which is then to be read again. The values that nearly all documents are made of need
// neither; a document with any other is read that way.
func decode(text []byte) (any, error) {
	var v any
	if err := yamlv2.UnmarshalStrict(text, &v); err != nil {
		return nil, err
	}
	if out, ok := plain(v); ok {
		return out, nil
	}
	encoded, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
}

// plain gives what a value would be after a way through JSON, unless there is more to that than it knows.
func plain(v any) (_ any, ok bool) {
	switch v := v.(type) {
	case nil, bool:
		return v, true
	case string:
		return v, utf8.ValidString(v) // JSON replaces bytes that are none
	case int:
		return json.Number(strconv.Itoa(v)), true
	case []any:
		for i := range v {
			if v[i], ok = plain(v[i]); !ok {
				return nil, false
			}
		}
		return v, true
	case map[any]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			name, ok := key.(string)
			if !ok || !utf8.ValidString(name) {
				return nil, false
			}
			if out[name], ok = plain(value); !ok {
				return nil, false
			}
		}
		return out, true
	}
	return nil, false
}
