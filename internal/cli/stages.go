package cli

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/zavestudios/zave/internal/diag"
)

// patience is how long a run may take before it says what it is at.
const patience = time.Second

// redraw is how long a line of progress stands at the least: nobody reads faster.
const redraw = 100 * time.Millisecond

// stages knows what the run is at: for the line of progress on a terminal, and for --profile. It is also stderr:
// writing to it takes the line of progress away first.
type stages struct {
	mu       sync.Mutex
	w        io.Writer
	progress bool // whether to show any
	began    time.Time
	shown    bool   // the line stands on the terminal
	name     string // of the stage; empty between stages
	detail   string // how far the stage is; may be empty
	columns  int    // of the terminal; 0: unknown
	drawn    time.Time
	wall     time.Time
	cpu      time.Duration
	done     []stage
}

type stage struct {
	name      string
	wall, cpu time.Duration
}

func newStages(w io.Writer, progress bool) *stages {
	return &stages{w: w, progress: progress, began: time.Now()}
}

// begin ends the stage before, if there is one, and begins the next.
func (s *stages) begin(name string) {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	cpu, _ := resources()
	s.name, s.detail, s.wall, s.cpu = name, "", time.Now(), cpu
	if !s.progress {
		return
	}
	if wait := patience - time.Since(s.began); wait > 0 {
		time.AfterFunc(wait, s.show)
	} else {
		go s.show()
	}
}

func (s *stages) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name != "" {
		cpu, _ := resources()
		i := slices.IndexFunc(s.done, func(d stage) bool { return d.name == s.name })
		if i < 0 {
			i, s.done = len(s.done), append(s.done, stage{name: s.name})
		}
		s.done[i].wall += time.Since(s.wall) // a stage may come again
		s.done[i].cpu += cpu - s.cpu
		s.name = ""
	}
	s.clear()
}

// show draws the line of progress.
func (s *stages) show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due() {
		s.draw()
	}
}

// due tells whether there is something to show, and has been for long enough.
func (s *stages) due() bool { return s.name != "" && s.progress && time.Since(s.began) >= patience }

// at says how far the stage is. The text may hold names that others chose.
func (s *stages) at(detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detail = detail
	if s.due() && time.Since(s.drawn) >= redraw {
		s.draw()
	}
}

// draw writes the line, cut so that it does not go over into a second one, which could not be taken away.
func (s *stages) draw() {
	s.clear()
	line := "zave: " + s.name
	if s.detail != "" {
		line += " " + diag.Visible(s.detail)
	}
	if runes := []rune(line); s.columns > 3 && len(runes) > s.columns-3 {
		line = string(runes[:s.columns-3])
	}
	fmt.Fprint(s.w, line+" …")
	s.shown, s.drawn = true, time.Now()
}

// hide shows no progress from now on.
func (s *stages) hide() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.progress = false
}

// clear removes the line (ECMA-48, 8.3.41: erase in line).
func (s *stages) clear() {
	if s.shown {
		fmt.Fprint(s.w, "\r\x1b[K")
		s.shown = false
	}
}

func (s *stages) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	return s.w.Write(p)
}

// print says where the time went.
func (s *stages) print(w io.Writer) {
	cpu, memory := resources()
	fmt.Fprintf(w, "%-10s %10s %10s\n", "stage", "wall", "cpu")
	for _, d := range s.done {
		fmt.Fprintf(w, "%-10s %10s %10s\n", d.name, seconds(d.wall), seconds(d.cpu))
	}
	// The whole is more than the stages: it has the start of the process, and its end.
	fmt.Fprintf(w, "%-10s %10s %10s\n", "all", seconds(time.Since(s.began)), seconds(cpu))
	if memory > 0 {
		fmt.Fprintf(w, "peak memory %d MB\n", memory/1e6)
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
