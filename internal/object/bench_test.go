package object

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// BenchmarkMarshal compares the encoder with the library that is its oracle, kind by kind.
func BenchmarkMarshal(b *testing.B) {
	seen := make(map[string]bool)
	for _, v := range corpus() {
		name := fmt.Sprintf("%T", v)
		name = name[strings.LastIndexByte(name, '.')+1:]
		switch name {
		case "Deployment", "NetworkPolicy", "ConfigMap", "HelmRelease", "ResourceQuota":
		default:
			continue
		}
		if seen[name] && name != "NetworkPolicy" {
			continue
		}
		if seen[name] {
			name += "WithRules"
		}
		seen[name] = true
		b.Run(name+"/zave", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Marshal(v)
			}
		})
		b.Run(name+"/sigs", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := yaml.Marshal(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
