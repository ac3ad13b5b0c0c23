package edit

import (
	"errors"
	"strings"
	"testing"

	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
)

// set is an edit of the tests below.
type set struct {
	path, value string // workloads.web.image.digest
}

func (s set) labels() []string { return strings.Split(s.path, ".") }

func TestSet(t *testing.T) {
	digest := set{"workloads.web.image.digest", "new"}
	for _, test := range []struct {
		name, src, want string
		set             set
	}{
		{"plain", `
t & {
	workloads: web: image: {
		repository: "r"
		digest:     "old" // what is pulled
	}
}
`, `
t & {
	workloads: web: image: {
		repository: "r"
		digest:     "new" // what is pulled
	}
}
`, digest},
		{"at the top, quoted labels, one line", `
workloads: "web": "image": {repository: "r", "digest": "old", tag: "t"}
`, `
workloads: "web": "image": {repository: "r", "digest": "new", tag: "t"}
`, digest},
		{"a hidden field of the package", `
_image: {digest: "old"}
t & {workloads: web: image: _image}
`, `
_image: {digest: "new"}
t & {workloads: web: image: _image}
`, digest},
		{"a definition, selected, unified", `
#Images: web: {digest: "old"}
t & {workloads: web: {image: #Images.web & {tag: "t"}}}
`, `
#Images: web: {digest: "new"}
t & {workloads: web: {image: #Images.web & {tag: "t"}}}
`, digest},
		{"an index", `
_images: "my-web": digest: "old"
workloads: web: image: _images["my-web"]
`, `
_images: "my-web": digest: "new"
workloads: web: image: _images["my-web"]
`, digest},
		{"let, in the nearest scope", `
let I = {digest: "other"}
workloads: web: {
	let I = {digest: "old"}
	image: I
}
also: I
`, `
let I = {digest: "other"}
workloads: web: {
	let I = {digest: "new"}
	image: I
}
also: I
`, digest},
		{"a reference to a string", `
_digest: "old"
workloads: web: image: digest: _digest
`, `
_digest: "new"
workloads: web: image: digest: _digest
`, digest},
		{"an alias", `
workloads: {
	worker: W={image: digest: "old"}
	web: image: W.image
}
`, `
workloads: {
	worker: W={image: digest: "old"}
	web: image: W.image
}
`, digest},
		{"a field's alias", `
workloads: {
	W=worker: {image: digest: "old"}
	web: image: W.image
}
`, `
workloads: {
	W=worker: {image: digest: "new"}
	web: image: W.image
}
`, digest},
		{"an embedded struct", `
_base: {image: digest: "old"}
workloads: web: {
	_base
	port: 1
}
`, `
_base: {image: digest: "new"}
workloads: web: {
	_base
	port: 1
}
`, digest},
		{"said twice", `
workloads: web: image: digest: "old"
workloads: web: {image: {digest: "old"}}
`, `
workloads: web: image: digest: "new"
workloads: web: {image: {digest: "new"}}
`, digest},
		{"a raw string, and layout that was never formatted", `
workloads:   web: image: {digest:"old",tag:   #"t"#}
`, `
workloads:   web: image: {digest:"old",tag:   #"v2"#}
`, set{"workloads.web.image.tag", "v2"}},
		{"alignment follows", `
workloads: web: image: {
	tag:    "t"   // people
	digest: "old" // machines
}
`, `
workloads: web: image: {
	tag:    "t"                // people
	digest: "a longer digest" // machines
}
`, set{"workloads.web.image.digest", "a longer digest"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := "package p\n" + test.src
			p, err := Parse([]File{{"p.cue", []byte(src)}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			places, err := p.Set(test.set.value, test.set.labels()...)
			if err != nil {
				t.Fatal(err)
			}
			got := src
			for _, f := range p.Files() {
				got = string(f.Data)
			}
			if want := "package p\n" + test.want; got != want {
				if formatted, err := format.Source([]byte(want)); err != nil || string(formatted) != got {
					t.Errorf("got:\n%s\nwant:\n%s", got, want)
				}
			}
			if (got != src) != (len(places) > 0) {
				t.Errorf("%d places, and the file is:\n%s", len(places), got)
			}
		})
	}
}

// TestPackages follows references into another file of the package, and into a package that is imported.
func TestPackages(t *testing.T) {
	images, err := Parse([]File{{"images/a.cue", []byte("package images\n\nWeb: digest: \"old\"\n")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse([]File{
		{"a.cue", []byte("package p\n\nimport \"m.test/m/images\"\n\nworkloads: {\n\tweb: image:    images.Web\n\tworker: image: _worker\n}\n")},
		{"b.cue", []byte("package p\n\n_worker: digest: \"old\"\n")},
	}, func(path string) (*Package, error) {
		if path != "m.test/m/images" {
			return nil, errors.New("there is no such package")
		}
		return images, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{"web", "worker"} {
		if places, err := p.Set("new", "workloads", w, "image", "digest"); err != nil || len(places) != 1 {
			t.Errorf("%s: %v, %v", w, places, err)
		}
	}
	for _, test := range []struct {
		p    *Package
		name string
	}{{p, "b.cue"}, {images, "images/a.cue"}} {
		files := test.p.Files()
		if len(files) != 1 || files[0].Name != test.name || !strings.Contains(string(files[0].Data), `digest: "new"`) {
			t.Errorf("%s: %s", test.name, files)
		}
	}
}

// TestComputed refuses what is no plain string, and says where it stands.
func TestComputed(t *testing.T) {
	for _, test := range []struct{ src, at string }{
		{"workloads: web: image: digest: \"a\\(1)\"\n", "p.cue:3:32"},
		{"workloads: web: image: digest: *\"a\" | string\n", "p.cue:3:32"},
		{"workloads: {\n\tif true {\n\t\tweb: image: digest: \"a\"\n\t}\n}\n", "p.cue:4:10"},
		{"import \"strings\"\nworkloads: web: image: digest: strings.Join([\"a\"], \"\")\n", "p.cue:4:32"},
		{"workloads: web: image: digest: \"\"\"\n\ta\n\t\"\"\"\n", "p.cue:3:32"},
	} {
		p, err := Parse([]File{{"p.cue", []byte("package p\n\n" + test.src)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var computed *Computed
		if _, err := p.Set("b", "workloads", "web", "image", "digest"); !errors.As(err, &computed) {
			t.Errorf("%s: %v", test.src, err)
		} else if got := computed.Span.String(); got != test.at {
			t.Errorf("%s: at %s, want %s", test.src, got, test.at)
		}
	}
}

func TestAddAndRemove(t *testing.T) {
	override := Field{[]string{"overrides", "aws", "workloads", "web", "image"}, Strings("tag", "v2", "digest", "d")}
	for _, test := range []struct {
		name, src, want string
		edit            func(*Package) bool
	}{
		{"into a struct of several lines", `
t & {
	name: "a"
}
`, `
t & {
	name: "a"
	overrides: aws: workloads: web: image: {tag: "v2", digest: "d"}
}
`, nil},
		{"into the deepest struct with braces", `
t & {
	overrides: aws: {
		tier: "large"
	}
}
`, `
t & {
	overrides: aws: {
		tier: "large"
		workloads: web: image: {tag: "v2", digest: "d"}
	}
}
`, nil},
		{"into one line", `
t & {
	overrides: {aws: {tier: "large"}}
}
`, `
t & {
	overrides: {aws: {tier: "large", workloads: web: image: {tag: "v2", digest: "d"}}}
}
`, nil},
		{"into an empty struct", `
t & {
	overrides: {}
}
`, `
t & {
	overrides: {aws: workloads: web: image: {tag: "v2", digest: "d"}}
}
`, nil},
		{"beside a chain", `
t & {
	overrides: aws: workloads: web: size: "large"
}
`, `
t & {
	overrides: aws: workloads: web: size: "large"
	overrides: aws: workloads: web: image: {tag: "v2", digest: "d"}
}
`, nil},
		{"not into what others share", `
_o: {
	aws: {}
}
t & {
	overrides: _o
}
`, `
_o: {
	aws: {}
}
t & {
	overrides: _o
	overrides: aws: workloads: web: image: {tag: "v2", digest: "d"}
}
`, nil},
		{"out of a line of its own, with its comment", `
t & {
	tag:    "t" // for people
	digest: "d"
}
`, `
t & {
	digest: "d"
}
`, func(p *Package) bool { s, err := p.Remove("tag"); return len(s) == 1 && err == nil }},
		{"out of the beginning of a line", `
t & {image: {tag: "t", digest: "d"}}
`, `
t & {image: {digest: "d"}}
`, func(p *Package) bool { s, err := p.Remove("image", "tag"); return len(s) == 1 && err == nil }},
		{"out of the end of a line", `
t & {image: {digest: "d", tag: "t"}}
`, `
t & {image: {digest: "d"}}
`, func(p *Package) bool { s, err := p.Remove("image", "tag"); return len(s) == 1 && err == nil }},
		{"in front of another", `
_i: {
	digest: "d"
}
t & {image: _i, other: {digest: "e"}}
`, `
_i: {
	tag:    "v2"
	digest: "d"
}
t & {image: _i, other: {tag: "v2", digest: "e"}}
`, func(p *Package) bool {
			a, _ := p.AddBefore([]string{"image", "digest"}, "tag", String("v2"))
			b, _ := p.AddBefore([]string{"other", "digest"}, "tag", String("v2"))
			return a && b
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Parse([]File{{"p.cue", []byte("package p\n" + test.src)}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.edit == nil {
				test.edit = func(p *Package) bool { _, ok := p.Add(override); return ok }
			}
			if !test.edit(p) {
				t.Error("nothing was found to edit")
			}
			files := p.Files()
			if len(files) != 1 {
				t.Fatalf("%d files changed", len(files))
			}
			if got, want := string(files[0].Data), "package p\n"+test.want; got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// FuzzSet holds that what was CUE stays CUE, that only strings change, and that references to themselves end.
func FuzzSet(f *testing.F) {
	for _, src := range []string{
		"a: b: \"c\"\n", "_x: {b: \"c\"}\na: _x\n", "a: a\n", "a: X & {b: \"c\"}\nX: a\n", "a: {b: \"c\", b: \"c\"}\n",
		"let X = X\na: X\n", "a: #\"b\"#\n", "a: b: *\"c\" | string\n", "a: [string]: b: \"c\"\na: b: \"c\" // d\n",
	} {
		f.Add("package p\n"+src, "new")
	}
	f.Fuzz(func(t *testing.T, src, value string) {
		p, err := Parse([]File{{"p.cue", []byte(src)}}, nil)
		if err != nil {
			return
		}
		if _, err := p.Set(value, "a", "b"); err != nil {
			return
		}
		for _, g := range p.Files() {
			if _, err := parser.ParseFile("p.cue", g.Data, parser.ParseComments); err != nil {
				t.Fatalf("%v in:\n%s", err, g.Data)
			}
		}
	})
}
