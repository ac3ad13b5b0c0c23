package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// entry is a line of the archive's index.json: the contract with package schemas.
type entry struct {
	Kubernetes string `json:"kubernetes,omitempty"`
	Group      string `json:"group,omitempty"`
	Version    string `json:"version"`
	Kind       string `json:"kind"`
	Namespaced bool   `json:"namespaced,omitempty"`
	Source     string `json:"source"`
	File       string `json:"file"`
}

type row struct {
	source
	kinds []string
	size  int // bytes of new schemas, compressed
	rules int
}

// archive collects schemas. Equal schemas are stored once: most built-in kinds do not change from one minor to the
// next.
type archive struct {
	index  []entry
	files  map[string][]byte // by name
	byText map[string]string
	rows   []row
}

func newArchive() *archive {
	return &archive{files: map[string][]byte{}, byText: map[string]string{}}
}

func (a *archive) add(s source, kinds []kind) error {
	r := row{source: s}
	for _, k := range kinds {
		text, err := json.Marshal(k.schema) // keys sorted
		if err != nil {
			return err
		}
		file, ok := a.byText[string(text)]
		if !ok {
			group, _, _ := strings.Cut(k.group, ".")
			file = strings.ToLower(strings.Trim(k.kind+"-"+group, "-") + "-" + k.version + ".json")
			if folder := cmp.Or(k.kubernetes, k.group); folder != "" {
				file = folder + "/" + file
			}
			if _, taken := a.files[file]; taken {
				return fmt.Errorf("%s would stand twice", file)
			}
			a.byText[string(text)], a.files[file] = file, text
			small, err := deflate(text)
			if err != nil {
				return err
			}
			r.size += len(small)
		}
		a.index = append(a.index, entry{
			Kubernetes: k.kubernetes, Group: k.group, Version: k.version, Kind: k.kind, Namespaced: k.namespaced,
			Source: s.module + "@" + s.version, File: file,
		})
		r.kinds = append(r.kinds, k.kind+" "+k.version)
		r.rules += k.rules
	}
	a.rows = append(a.rows, r)
	return nil
}

func deflate(text []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// write writes schemas.zip and README.md to a folder.
func (a *archive) write(dir string) error {
	slices.SortFunc(a.index, func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.Group, y.Group), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Version, y.Version), cmp.Compare(x.Kubernetes, y.Kubernetes))
	})
	index, err := json.Marshal(a.index)
	if err != nil {
		return err
	}
	a.files["index.json"] = index
	names := make([]string, 0, len(a.files))
	for name := range a.files {
		names = append(names, name)
	}
	slices.Sort(names)

	var b bytes.Buffer
	z := zip.NewWriter(&b)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	for _, name := range names {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate}) // no time: the bytes are the content's
		if err != nil {
			return err
		}
		if _, err := w.Write(a.files[name]); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "schemas.zip"), b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "README.md"), a.readme(b.Len()), 0o644)
}

func (a *archive) readme(size int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# Schemas

`+"`schemas.zip`"+` (%d bytes, %d kinds in %d files) holds a strict JSON schema for every kind that an object in the tree may have.
It is generated, and so is this page: change `+"`gen/`"+` and run `+"`go generate ./internal/check/schemas`"+`.

| module | version | licence | kinds | bytes | CEL rules left out |
| --- | --- | --- | ---: | ---: | ---: |
`, size, len(a.index), len(a.files)-1)
	for _, r := range a.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d |\n", r.module, r.version, r.licence, len(r.kinds), r.size, r.rules)
	}
	b.WriteString(`
Bytes are compressed ones; a schema that is equal to an earlier one costs none.

What the conversion does: objects are closed (` + "`additionalProperties: false`" + `) except where the API server keeps unknown
fields; ` + "`nullable`" + `, int-or-string and quantities become lists of types; sets become unique; ` + "`apiVersion`, `kind` and `metadata`" + ` are
required. Prose and defaults are left out, and so are CEL rules (` + "`x-kubernetes-validations`" + `), unserved versions, and the
alpha and beta versions of built-in kinds, which a default API server does not serve.

## Kinds
`)
	for _, r := range a.rows {
		fmt.Fprintf(&b, "\n**%s@%s**: %s.\n", r.module, r.version, strings.Join(r.kinds, ", "))
	}
	return b.Bytes()
}
