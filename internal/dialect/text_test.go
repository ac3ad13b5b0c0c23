package dialect

import "testing"

func TestRuneWidth(t *testing.T) {
	for r, want := range map[rune]int{
		'a': 1, 'é': 1, '\u0301': 0, '名': 2, '가': 2, 'ｱ': 1, 'Ａ': 2, '🚀': 2, '…': 1, '×': 1, 0x1100: 2, 0x1161: 0,
		0x20000: 2, 'ж': 1, 'ع': 1,
	} {
		if got := RuneWidth(r); got != want {
			t.Errorf("%q is %d wide, want %d", r, got, want)
		}
	}
}
