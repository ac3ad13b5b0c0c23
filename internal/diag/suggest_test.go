package diag

import (
	"slices"
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) {
	workload := []string{
		"runtime", "image", "command", "args", "port", "expose", "hosts", "health", "metrics", "env", "secrets", "size",
		"replicas", "runAs", "writable", "schedule", "deadline",
	}
	database := []string{"name", "extensions", "connections", "statementTimeout", "rowLevelSecurity", "backup"}
	for _, test := range []struct {
		word       string
		candidates []string
		want       string
	}{
		{"prot", workload, "port"},
		{"Port", workload, "port"},
		{"PORTS", workload, "port"},
		{"replica", workload, "replicas"},
		{"relpicas", workload, "replicas"},
		{"helth", workload, "health"},
		{"host", workload, "hosts"},
		{"run-as", workload, "runAs"},
		{"run_as", workload, "runAs"},
		{"cmd", workload, ""},
		{"com", workload, "command"},
		{"volumes", workload, ""},
		{"statement_timeout", database, "statementTimeout"},
		{"statement-timeout", database, "statementTimeout"},
		{"statmentTimeuot", database, "statementTimeout"},
		{"ext", database, "extensions"},
		{"a", []string{"b"}, ""},
		{"cat", []string{"car", "bat"}, "bat"},
		{"db", []string{"dc"}, ""},
		{"thehousguy", []string{"panchito", "thehouseguy"}, "thehouseguy"},
		{"the_house_guy", []string{"panchito", "thehouseguy"}, "thehouseguy"},
		{"sandbx", []string{"aws", "sandbox"}, "sandbox"},
		{"app", []string{"apply", "append"}, ""},
		{"post", []string{"postgres-a", "postgres-b"}, ""},
		{"port", []string{"port"}, ""},
		{"", []string{"port"}, ""},
		{"port", nil, ""},
		{strings.Repeat("x", 1<<20), []string{"x"}, ""},
	} {
		got := Suggest(test.word, test.candidates)
		if got != test.want {
			t.Errorf("Suggest(%.20q) = %q, want %q", test.word, got, test.want)
		}
		reversed := slices.Clone(test.candidates)
		slices.Reverse(reversed)
		if again := Suggest(test.word, reversed); again != got {
			t.Errorf("Suggest(%.20q) depends on the order: %q and %q", test.word, got, again)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	for _, test := range []struct {
		word       string
		candidates []string
		want       string
	}{
		{"prot", []string{"expose", "port"}, `did you mean "port"?`},
		{"medium", []string{"small", "standard", "large"}, "one of small, standard, large"},
		{"medium", []string{"small"}, "the only one is small"},
		{"medium", nil, ""},
		{"medium", strings.Split("abcdefghi", ""), ""},
	} {
		if got := DidYouMean(test.word, test.candidates); got != test.want {
			t.Errorf("DidYouMean(%q, %q) = %q, want %q", test.word, test.candidates, got, test.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "abcd", 1},
		{"abc", "axc", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3}, {"名前", "前名", 1},
	} {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			if got := distance([]rune(pair[0]), []rune(pair[1])); got != test.want {
				t.Errorf("distance(%q, %q) = %d, want %d", pair[0], pair[1], got, test.want)
			}
		}
	}
}
