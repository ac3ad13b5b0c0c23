package reach

import (
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/zavestudios/zave/internal/object"
)

// unmarshal decodes those fields that matter here. An object that was read from a tree may have others.
func unmarshal(o *object.Object, into any) error {
	if err := yaml.Unmarshal(o.YAML, into); err != nil {
		return fmt.Errorf("decode %s in cluster %s: %w", o.ID, o.Cluster, err)
	}
	return nil
}
