package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// maxColumns is how wide text is at the most: longer lines are hard to read.
const maxColumns = 100

// terminal is what is known of a stream.
type terminal struct {
	is    bool
	width int // in columns; 0 when it is not a terminal
}

func terminalOf(w io.Writer) terminal {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return terminal{}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 0
	}
	return terminal{is: true, width: width}
}

// columns is how wide prose may be there: as wide as the terminal, within reason, and 80 where there is none.
func (t terminal) columns() int {
	if t.width <= 0 {
		return 80
	}
	return max(min(t.width, maxColumns), 40)
}

// colored tells whether to colour what goes there. The flag is stronger than NO_COLOR (https://no-color.org), which
// counts when it is not empty.
func (a *app) colored(t terminal) bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	return t.is && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
