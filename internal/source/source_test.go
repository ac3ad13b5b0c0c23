package source

import (
	"slices"
	"testing"
)

func TestString(t *testing.T) {
	for _, test := range []struct {
		span          Span
		text, place   string
		saysSomething bool
	}{
		{Span{}, "", "", false},
		{Span{File: "a.cue"}, "a.cue", "a.cue", true},
		{Span{File: "a.cue", Line: 3}, "a.cue:3", "a.cue:3", true},
		{Span{File: "a.cue", Line: 3, Col: 7, EndLine: 4, EndCol: 1}, "a.cue:3:7", "a.cue:3", true},
	} {
		if got := test.span.String(); got != test.text {
			t.Errorf("String of %+v is %q, want %q", test.span, got, test.text)
		}
		if got := test.span.Place(); got != test.place {
			t.Errorf("Place of %+v is %q, want %q", test.span, got, test.place)
		}
		if got := !test.span.IsZero(); got != test.saysSomething {
			t.Errorf("IsZero of %+v is %v", test.span, !got)
		}
	}
}

func TestCompare(t *testing.T) {
	sorted := []Span{
		{}, {File: "a"}, {File: "a", Line: 1}, {File: "a", Line: 1, Col: 2}, {File: "a", Line: 2, Col: 1}, {File: "a", Line: 10},
		{File: "b", Line: 1},
	}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := a.Compare(b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%v against %v is %d", a, b, got)
			}
		}
	}
	if !slices.IsSortedFunc(sorted, Span.Compare) {
		t.Error("not sorted")
	}
}

func TestLines(t *testing.T) {
	l := NewLines([]byte("a\r\nbc\n"))
	for n, want := range map[int32]string{1: "a", 2: "bc", 3: ""} {
		if got, ok := l.Line(n); !ok || string(got) != want {
			t.Errorf("line %d is %q, %v; want %q", n, got, ok, want)
		}
	}
	for _, n := range []int32{-1, 0, 4} {
		if _, ok := l.Line(n); ok {
			t.Errorf("there is a line %d", n)
		}
	}
	if got := NewLines([]byte("é名x")).Column(1, 6); got != 3 {
		t.Errorf("byte 6 is character %d, want 3", got)
	}
}
