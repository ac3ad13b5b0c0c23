package workload

import "testing"

// The values on the right are what a container sees as the ones on the left (core/v1 EnvVar.value: "$$" stands for "$",
// and "$(NAME)" for another variable).
func TestEscapeReferences(t *testing.T) {
	for written, emitted := range map[string]string{
		"plain":   "plain",
		"$5":      "$5",
		"$(HOME)": "$$(HOME)",
		"$$(X)":   "$$$$(X)",
		"a$":      "a$",
		"$$":      "$$$",
	} {
		if got := escapeReferences(written); got != emitted {
			t.Errorf("escapeReferences(%q) = %q, not %q", written, got, emitted)
		}
	}
}
