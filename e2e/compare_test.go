//go:build e2e

package e2e

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"testing"
)

const (
	// lineHeight is by how much a box may be off for each line that another font breaks in another place.
	lineHeight = 26
	// cell is the side of the squares whose mean colours are compared, in pixels: letters are far smaller.
	cell = 32
	// cellOff is by how much a square's colour may be off, of 255; what breaks in another place moves edges of cards by a
	// part of a square.
	cellOff = 40
	// cellsOff is the share of squares that may be off by more.
	cellsOff = 0.12
)

// compareBoxes holds that the same elements are there, as wide and as far to the left as they were. They may be lower, as
// far as lines of another font add up.
func compareBoxes(t *testing.T, want, got map[string]box, width float64) {
	t.Helper()
	for name, w := range want {
		g, ok := got[name]
		if !ok {
			t.Errorf("%s is gone", name)
			continue
		}
		if math.Abs(w.X-g.X) > width*0.03 || math.Abs(w.W-g.W) > width*0.06 {
			t.Errorf("%s lies at %v, %v wide; it was at %v, %v wide", name, g.X, g.W, w.X, w.W)
		}
		if math.Abs(w.Y-g.Y) > 4*lineHeight+0.12*w.Y || math.Abs(w.H-g.H) > 3*lineHeight {
			t.Errorf("%s begins at %v, %v high; it was at %v, %v high", name, g.Y, g.H, w.Y, w.H)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is new", name)
		}
	}
}

// comparePixels compares two pictures by the mean colours of their squares, and leaves the second one in a file when they
// differ.
func comparePixels(t *testing.T, want, got []byte, file string) {
	t.Helper()
	a, b := decode(t, want), decode(t, got)
	if a.Bounds() != b.Bounds() {
		t.Errorf("the picture is %v, it was %v", b.Bounds(), a.Bounds())
		return
	}
	cells, off := 0, 0
	for y := 0; y < a.Bounds().Dy(); y += cell {
		for x := 0; x < a.Bounds().Dx(); x += cell {
			cells++
			if distance(mean(a, x, y), mean(b, x, y)) > cellOff {
				off++
			}
		}
	}
	if share := float64(off) / float64(cells); share > cellsOff {
		write(t, file, got)
		t.Errorf("%.0f%% of the picture has another colour than it had: see %s", 100*share, file)
	} else {
		_ = os.Remove(file) // of an earlier run
	}
}

func decode(t *testing.T, data []byte) image.Image {
	t.Helper()
	out, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mean(m image.Image, x0, y0 int) (out [3]float64) {
	n := 0.0
	for y := y0; y < min(y0+cell, m.Bounds().Dy()); y++ {
		for x := x0; x < min(x0+cell, m.Bounds().Dx()); x++ {
			c := color.RGBAModel.Convert(m.At(x, y)).(color.RGBA)
			out[0], out[1], out[2] = out[0]+float64(c.R), out[1]+float64(c.G), out[2]+float64(c.B)
			n++
		}
	}
	for i := range out {
		out[i] /= n
	}
	return out
}

func distance(a, b [3]float64) float64 {
	return max(math.Abs(a[0]-b[0]), math.Abs(a[1]-b[1]), math.Abs(a[2]-b[2]))
}
