//go:build e2e

// Package e2e opens what zave prints for browsers in a real one.
//
// Invariants: the browser is the one that ZAVE_CHROMIUM names, and a test without one fails; what is opened is a golden
// whose own test keeps it current, or printed on the spot; nothing here waits for time to pass.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/zavestudios/zave/internal/diff/format"
	"github.com/zavestudios/zave/internal/diff/report"
)

const (
	everything = "../internal/diff/format/testdata/print/everything/page.html"

	wide   = 1280
	narrow = 390 // a telephone held upright
	high   = 900
)

// allocator starts one browser for all tests.
var allocator = sync.OnceValues(func() (context.Context, error) {
	path := os.Getenv("ZAVE_CHROMIUM")
	if path == "" {
		return nil, fmt.Errorf("ZAVE_CHROMIUM does not name a browser: run make e2e")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("force-device-scale-factor", "1"),
		chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("hide-scrollbars", true))
	root, _ := chromedp.NewExecAllocator(context.Background(), options...)
	browser, _ := chromedp.NewContext(root)
	return browser, chromedp.Do(browser)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if browser, err := allocator(); err == nil {
		_ = chromedp.Cancel(browser) // the browser and its profile go
	}
	os.Exit(code)
}

// tab is a page of the browser, and what it complained of.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

// open gives a tab that shows a file.
func open(t *testing.T, file string, width int64, dark bool, more ...func(context.Context) error) *tab {
	t.Helper()
	browser, err := allocator()
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	address := (&url.URL{Scheme: "file", Path: path}).String()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext()) // with no memory of other tests
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, time.Minute) // of a browser that hangs
	t.Cleanup(stop)
	p := &tab{t: t, ctx: ctx}
	err = chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			p.problem("console.%s: %v", e.Type, e.Args)
		case *runtime.EventExceptionThrown:
			p.problem("exception: %s", e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			p.problem("%s: %s", e.Entry.Level, e.Entry.Text)
		case *network.EventRequestWillBeSent:
			if got, _, _ := strings.Cut(e.Request.URL, "#"); got != address && !strings.HasPrefix(got, "data:") {
				p.problem("a request for %s", e.Request.URL)
			}
		case *page.EventJavascriptDialogOpening:
			p.problem("a dialog: %s", e.Message)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	for _, prepare := range append([]func(context.Context) error{
		func(ctx context.Context) error { return command(ctx, network.Enable, network.EnableParams{}) },
		func(ctx context.Context) error { return command(ctx, log.Enable, cdp.Empty{}) },
		func(ctx context.Context) error { return command(ctx, emulation.SetEmulatedMedia, media) },
	}, more...) {
		if err := prepare(ctx); err != nil {
			t.Fatal(err)
		}
	}
	p.run(chromedp.EmulateViewport(width, high), chromedp.Navigate(address))
	return p
}

func command[P any](ctx context.Context, c cdp.Command[P, cdp.Empty], params P) error {
	_, err := chromedp.Call(ctx, c, params)
	return err
}

func (p *tab) problem(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

func (p *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// done fails the test for what the page complained of.
func (p *tab) done() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.problems {
		p.t.Error(s)
	}
}

// eval gives the value of an expression.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	out, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%v in %s", err, expression)
	}
	return out
}

// pages are files to open: the golden that holds everything, and what is printed for the pull requests that matter.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{"everything": everything}
	cases, err := filepath.Glob("../internal/diff/testdata/cases/*.json")
	if err != nil || len(cases) < 9 {
		t.Fatalf("%d reports, %v", len(cases), err)
	}
	dir := t.TempDir()
	for _, file := range cases {
		var r report.Report
		if err := json.Unmarshal(read(t, file), &r); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := format.Print(&b, format.HTML, &r, format.Options{FailOn: report.Classes()}); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		out[name] = filepath.Join(dir, name+".html")
		write(t, out[name], b.Bytes())
	}
	return out
}

// beyond lists what sticks out of the window, but for what scrolls by itself.
const beyond = `[...document.querySelectorAll("body *")].filter((e) => {
	const r = e.getBoundingClientRect();
	return r.width > 0 && r.right > document.documentElement.clientWidth + 1 && !e.closest(".scroll");
}).map((e) => e.tagName + "." + e.className)
	.concat(document.documentElement.scrollWidth > document.documentElement.clientWidth ? ["the page"] : [])`

func TestPages(t *testing.T) {
	for name, file := range pages(t) {
		for _, width := range []int64{wide, narrow} {
			t.Run(fmt.Sprintf("%s-%d", name, width), func(t *testing.T) {
				p := open(t, file, width, false)
				for _, state := range []string{"as it opens", "expanded"} {
					if out := eval[[]string](p, beyond); len(out) > 0 {
						t.Errorf("%s, these stick out: %q", state, out)
					}
					eval[bool](p, `document.querySelectorAll("details").forEach((d) => d.open = true), true`)
				}
				p.done()
			})
		}
	}
}

// shown are the titles of the cards that can be seen.
const shown = `[...document.querySelectorAll(".card")].filter((e) => e.checkVisibility()).map((e) => e.querySelector("h3 b").textContent)`

func (p *tab) waitFor(condition string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Poll[bool](condition, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		p.t.Fatalf("%v: waiting for %s; found %q", err, condition, eval[string](p, `document.getElementById("found").textContent`))
	}
}

// search types a text in place of what is there.
func (p *tab) search(text string) {
	p.t.Helper()
	eval[bool](p, `(() => { const q = document.getElementById("query"); q.value = ""; q.dispatchEvent(new Event("input")); return true })()`)
	p.run(chromedp.SendKeys(chromedp.CSS("#query"), text))
}

func TestSearch(t *testing.T) {
	p := open(t, everything, wide, false)
	before := eval[[]string](p, shown)
	if len(before) < 8 {
		t.Fatalf("%d cards are open at first: %q", len(before), before)
	}
	p.run(chromedp.KeyEvent("/"))
	if got := eval[string](p, "document.activeElement.id"); got != "query" {
		t.Errorf("/ goes to %q", got)
	}
	// The protocol sends the character by itself, also where a page stops the key.
	p.search("TEAM-data  secrets")
	p.waitFor(`document.getElementById("found").textContent === "1 of 14 consequences"`)
	if got := eval[[]string](p, shown); len(got) != 1 || got[0] != "group team-data on sandbox" {
		t.Errorf("the search shows %q", got)
	}
	// What stands in folded objects is found, and unfolded.
	p.search("log_level")
	p.waitFor(`!!document.querySelector(".card:not([hidden]) .objects[open] ins")?.checkVisibility()`)
	if got := eval[string](p, `document.getElementById("found").textContent`); got != "1 of 14 consequences" {
		t.Errorf("it found %q", got)
	}
	p.search("nothing has this")
	p.waitFor(`document.getElementById("found").textContent === "0 of 14 consequences"`)
	p.search(" ")
	p.waitFor(`document.getElementById("found").textContent === ""`)
	if got := eval[[]string](p, shown); strings.Join(got, "\n") != strings.Join(before, "\n") {
		t.Errorf("after the search, %q are shown, and not %q", got, before)
	}
	if eval[bool](p, `!!document.querySelector(".objects[open]")`) {
		t.Error("objects that the search unfolded stay unfolded")
	}

	eval[bool](p, `(() => { const c = document.getElementById("cluster"); c.value = "aws"; c.dispatchEvent(new Event("change")); return true })()`)
	for _, title := range eval[[]string](p, shown) {
		if !strings.Contains(title, "aws") {
			t.Errorf("cluster aws shows %q", title)
		}
	}
	eval[bool](p, `(() => { const t = document.getElementById("tenant"); t.value = "rigoberta"; t.dispatchEvent(new Event("change")); return true })()`)
	if got := eval[[]string](p, shown); len(got) != 1 || !strings.Contains(got[0], "rigoberta/web") {
		t.Errorf("cluster aws and tenant rigoberta show %q", got)
	}
	p.done()
}

func TestFolding(t *testing.T) {
	p := open(t, everything, wide, false)
	p.run(chromedp.Click(chromedp.CSS(`a.tile.cosmetic`)))
	p.waitFor(`document.getElementById("cosmetic").open`)
	p.run(chromedp.Click(chromedp.CSS("#expand")))
	if eval[bool](p, `[...document.querySelectorAll("main details")].some((d) => !d.open)`) {
		t.Error("not all is expanded")
	}
	p.run(chromedp.Click(chromedp.CSS("#expand")))
	if eval[bool](p, `[...document.querySelectorAll("main details")].some((d) => d.open)`) {
		t.Error("not all is collapsed")
	}
	p.done()
}

const ground = `getComputedStyle(document.body).backgroundColor`

func TestTheme(t *testing.T) {
	light, dark := open(t, everything, wide, false), open(t, everything, wide, true)
	day, night := eval[string](light, ground), eval[string](dark, ground)
	if day == night {
		t.Fatalf("light and dark have the ground %s", day)
	}
	light.run(chromedp.Click(chromedp.CSS("#theme")))
	dark.run(chromedp.Click(chromedp.CSS("#theme")))
	if a, b := eval[string](light, ground), eval[string](dark, ground); a != night || b != day {
		t.Errorf("the button makes %s of %s, and %s of %s", a, day, b, night)
	}
	light.done()
	dark.done()
}

// Without a script, everything can be read: what is folded unfolds, and nothing that would not work is shown.
func TestWithoutScript(t *testing.T) {
	p := open(t, everything, narrow, false, func(ctx context.Context) error {
		return command(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	})
	// The evaluation of the tests themselves goes on: it is not the page's.
	for _, id := range []string{"tools", "theme"} {
		if eval[bool](p, `document.getElementById("`+id+`").checkVisibility()`) {
			t.Errorf("#%s is shown, and does nothing", id)
		}
	}
	if n := len(eval[[]string](p, shown)); n < 8 {
		t.Errorf("%d cards are shown", n)
	}
	p.run(chromedp.Click(chromedp.CSS("#cosmetic > summary")))
	p.waitFor(`document.querySelector("#cosmetic .card").checkVisibility()`)
	if out := eval[[]string](p, beyond); len(out) > 0 {
		t.Errorf("these stick out: %q", out)
	}
	p.done()
}

// contrasts gives for all text that is seen the ratio of its colour to its ground (WCAG 2.2, 1.4.3), where it is too low.
const contrasts = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const rgba = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
	const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((n, v, i) => n + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255, 255]; };
	const out = new Set();
	for (const e of document.querySelectorAll("body *")) {
		if (!e.checkVisibility() || e.closest("svg, .aural, .skip, option") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		const a = light(rgba(getComputedStyle(e).color)), b = light(ground(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) out.add(e.tagName + "." + e.className + " " + ratio.toFixed(2));
	}
	return [...out];
})()`

// unnamed lists what can be operated and has no name, and headings that skip a level.
const unnamed = `[...document.querySelectorAll("button, a, input, select, summary, [role=region], svg")].filter((e) =>
	!(e.labels && e.labels.length) && !e.getAttribute("aria-label") && !e.textContent.trim()).map((e) => e.outerHTML.slice(0, 80))
	.concat([...document.querySelectorAll("h1, h2, h3, h4")].map((e) => +e.tagName[1])
		.flatMap((n, i, all) => n > (i ? all[i - 1] : 0) + 1 ? ["h" + n + " follows h" + all[i - 1]] : []))
	.concat(document.documentElement.lang ? [] : ["no language"])
	.concat(new Set([...document.querySelectorAll("[id]")].map((e) => e.id)).size === document.querySelectorAll("[id]").length ? [] : ["an id is there twice"])`

func TestAccessible(t *testing.T) {
	for _, dark := range []bool{false, true} {
		p := open(t, everything, wide, dark)
		eval[bool](p, `document.querySelectorAll("details").forEach((d) => d.open = true), true`)
		if out := eval[[]string](p, contrasts); len(out) > 0 {
			t.Errorf("dark %v, too little contrast: %q", dark, out)
		}
		if out := eval[[]string](p, unnamed); len(out) > 0 {
			t.Errorf("dark %v: %q", dark, out)
		}
		p.done()
	}
}

// box is where an element is, in CSS pixels.
type box struct{ X, Y, W, H float64 }

const boxes = `Object.fromEntries([...document.querySelectorAll("h1, .tiles, .tile, .verdict, #tools, .group > summary, .card")]
	.filter((e) => e.checkVisibility()).slice(0, 24).map((e, i) => {
		const r = e.getBoundingClientRect();
		return [String(i).padStart(2, "0") + " " + e.tagName.toLowerCase() + (e.className ? "." + e.className.replaceAll(" ", ".") : ""),
			{ X: Math.round(r.x), Y: Math.round(r.y), W: Math.round(r.width), H: Math.round(r.height) }];
	}))`

// TestScreenshots compares what is seen with what a person looked at: where things are, and their colours in the large.
// Fonts differ from machine to machine, and so not a pixel is compared as it is. UPDATE_GOLDEN=1 takes new ones.
func TestScreenshots(t *testing.T) {
	for _, width := range []int64{wide, narrow} {
		for _, dark := range []bool{false, true} {
			name := fmt.Sprintf("%d-light", width)
			if dark {
				name = fmt.Sprintf("%d-dark", width)
			}
			t.Run(name, func(t *testing.T) {
				p := open(t, everything, width, dark)
				got := eval[map[string]box](p, boxes)
				png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
				if err != nil {
					t.Fatal(err)
				}
				p.done()
				image, places := filepath.Join("testdata", name+".png"), filepath.Join("testdata", name+".json")
				if os.Getenv("UPDATE_GOLDEN") == "1" {
					text, err := json.MarshalIndent(got, "", "  ")
					if err != nil {
						t.Fatal(err)
					}
					write(t, image, png)
					write(t, places, append(text, '\n'))
					return
				}
				var want map[string]box
				if err := json.Unmarshal(read(t, places), &want); err != nil {
					t.Fatal(err)
				}
				compareBoxes(t, want, got, float64(width))
				comparePixels(t, read(t, image), png, filepath.Join("testdata", name+".got.png"))
			})
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (UPDATE_GOLDEN=1 make e2e takes the pictures: look at them before they are committed)", err)
	}
	return data
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
