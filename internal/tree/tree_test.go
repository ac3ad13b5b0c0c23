package tree

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct{ paths, want string }{
		{"", "not a path"},
		{"/a", "not a path"},
		{"../a", "not a path"},
		{"..", "not a path"},
		{"a/../b", "not a path"},
		{"a//b", "not a path"},
		{"a/", "not a path"},
		{`a\b`, "not a path"},
		{"a\x00b", "not a path"},
		{"a a", "stands twice"},
		{"a a-b a/b", "both a file and a directory"},
		{"a/b a/b-c a/b/c/d", "both a file and a directory"},
		{".zave/index.json", "place of the index"},
		{".zave", "place of the index"},
	} {
		var files []File
		for _, p := range strings.Split(tt.paths, " ") {
			files = append(files, File{Path: p})
		}
		if _, err := New(files); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%q): %v, want %q", tt.paths, err, tt.want)
		}
	}
}

func TestNewSorts(t *testing.T) {
	tr, err := New([]File{{Path: "b"}, {Path: "a/c"}, {Path: "a-b"}, {Path: "..a"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range tr.Files() {
		got = append(got, f.Path)
	}
	if want := []string{"..a", "a-b", "a/c", "b"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestIndexText(t *testing.T) {
	tr := mustNew(t, map[string]string{"a/b.yaml": "x", "c \"d\".yaml": ""})
	x := tr.Index("zave 1.0.0")
	const want = `{
  "version": 2,
  "generator": "zave 1.0.0",
  "files": [
    {"path": "a/b.yaml", "digest": "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "unit": "unit-a"},
    {"path": "c \"d\".yaml", "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "unit": ""}
  ]
}
`
	if got := string(x.Encode()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	back, err := ParseIndex(x.Encode())
	if err != nil || !reflect.DeepEqual(back, x) {
		t.Errorf("parsed back: %v, %v", back, err)
	}
	if e, ok := x.Find("a/b.yaml"); !ok || e.Unit != "unit-a" {
		t.Errorf("Find: %v %v", e, ok)
	}
	if got := string((Index{Version: 1}).Encode()); got != "{\n  \"version\": 1,\n  \"generator\": \"\",\n  \"files\": []\n}\n" {
		t.Errorf("empty index: %s", got)
	}
}

// TestParseOwn: what is read the quick way is what the slow way would give.
func TestParseOwn(t *testing.T) {
	tr := mustNew(t, map[string]string{"a/b.yaml": "x", "c \"d\".yaml": "", "é": "y", "e\n": "", `", "digest": "`: ""})
	for _, x := range []Index{tr.Index("zave 1.0.0"), tr.Index("\"quoted\""), tr.Index(""), {Version: IndexVersion, Files: []Entry{}}} {
		data := x.Encode()
		slow, err := parseJSON(data)
		if err != nil {
			t.Fatal(err)
		}
		if quick, ok := parseOwn(data); ok && !reflect.DeepEqual(quick, slow) {
			t.Errorf("%s\nis read as %+v\nand is %+v", data, quick, slow)
		}
		if got, err := ParseIndex(data); err != nil || !reflect.DeepEqual(got, slow) {
			t.Errorf("%s\nis read as %+v, %v\nand is %+v", data, got, err, slow)
		}
	}
	plain := mustNew(t, map[string]string{"a/b.yaml": "x", "c": ""}).Index("zave 1.0.0")
	if _, ok := parseOwn(plain.Encode()); !ok {
		t.Error("a plain one is not read the quick way")
	}
}

func TestParseIndexRefuses(t *testing.T) {
	const d = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
	entry := func(p string) string { return `{"path":"` + p + `","digest":"` + d + `","unit":""}` }
	index := func(files string) string { return `{"version":1,"generator":"zave","files":[` + files + `]}` }
	if _, err := ParseIndex([]byte(index(entry("a") + "," + entry("b")))); err != nil {
		t.Fatalf("a good one: %v", err)
	}
	for _, tt := range []struct{ text, want string }{
		{"", "corrupt"},
		{"null", "no version"},
		{"<<<<<<< HEAD\n" + index(""), "corrupt"},
		{index("") + "x", "corrupt"},
		{index("") + "{}", "more after its end"},
		{index("")[:20], "corrupt"},
		{`{"generator":"zave","files":[]}`, "no version"},
		{`{"version":3,"files":{"new":"form"}}`, "use the newer zave"},
		{`{"version":1,"generator":"zave","files":[],"extra":1}`, "unknown field"},
		{index(`{"path":"a","digest":"` + d + `","mode":1}`), "unknown field"},
		{index(entry("../a")), "not a path"},
		{index(entry("/etc/passwd")), "not a path"},
		{index(entry("a/../../b")), "not a path"},
		{index(entry("b") + "," + entry("a")), "out of order"},
		{index(entry("a") + "," + entry("a")), "stands twice"},
		{index(entry("a") + "," + entry("a/b")), "both a file and a directory"},
		{index(entry(".zave/index.json")), "place of the index"},
		{index(entry(".zave/dev/a.json")), "place of the index"},
		{strings.Replace(string((Index{Version: 2}).Encode()), ": 2", ": 0", 1), "no version"},
		{index(`{"path":"a","digest":"","unit":""}`), "not a digest"},
		{index(`{"path":"a","digest":"` + strings.ToUpper(d) + `","unit":""}`), "not a digest"},
	} {
		if _, err := ParseIndex([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseIndex(%s): %v, want %q", tt.text, err, tt.want)
		}
	}
}

func FuzzParseIndex(f *testing.F) {
	tr, err := New([]File{{Path: "a/b", Unit: "é\"\u2028"}, {Path: "c"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tr.Index("zave\n").Encode())
	f.Add([]byte(`{"version":1,"generator":"","files":[{"path":"..","digest":"","unit":""}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := ParseIndex(data)
		if err != nil {
			return
		}
		for _, e := range x.Files {
			if !validPath(e.Path) {
				t.Errorf("accepted the path %q", e.Path)
			}
		}
		if slow, err := parseJSON(data); err != nil || !bytes.Equal(slow.Encode(), x.Encode()) {
			t.Errorf("%q is %s the quick way, and %s the slow way (%v)", data, x.Encode(), slow.Encode(), err)
		}
		y, err := ParseIndex(x.Encode())
		if err != nil {
			t.Fatalf("does not read its own %s: %v", x.Encode(), err)
		}
		if string(x.Encode()) != string(y.Encode()) {
			t.Errorf("%s became %s", x.Encode(), y.Encode())
		}
	})
}
