package attack

import (
	"testing"
)

func TestLoad(t *testing.T) {
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, c := range s.Checks {
		n[string(c.Kind)]++
		for _, r := range c.Roles {
			if c.Kind == Standard {
				n[r]++
			}
		}
	}
	t.Log(n)
}
