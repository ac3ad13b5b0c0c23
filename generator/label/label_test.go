package label

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestVersionValue(t *testing.T) {
	for tag, want := range map[string]string{
		"sha-5df14da":                  "sha-5df14da",
		"1.0.0-":                       "1.0.0",
		"_1.0.":                        "1.0",
		strings.Repeat("a", 128):       strings.Repeat("a", 63),
		strings.Repeat("a", 62) + "-b": strings.Repeat("a", 62),
		"_":                            "",
	} {
		got := versionValue(tag)
		if got != want {
			t.Errorf("versionValue(%q) = %q, not %q", tag, got, want)
		}
		if errs := validation.IsValidLabelValue(got); len(errs) > 0 {
			t.Errorf("versionValue(%q) = %q: %v", tag, got, errs)
		}
	}
}
