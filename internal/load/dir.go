package load

import (
	"path"
	"strings"
)

// Dir gives the CUE files of one directory that were read, by path, sorted. The directory is relative to the root.
func (l *Loaded) Dir(dir string) []string {
	var out []string
	for _, f := range l.files {
		if path.Dir(f.path) == dir {
			out = append(out, f.path)
		}
	}
	return out
}

// ImportDir gives the directory of the repository that an import path stands for, and whether there is one. The schema
// is not among them: its files are zave's.
func (l *Loaded) ImportDir(imported string) (string, bool) {
	imported, _, _ = strings.Cut(imported, ":")
	best := ""
	for _, f := range l.files {
		dir := path.Dir(f.path)
		if strings.HasSuffix(imported, "/"+dir) && len(dir) > len(best) && dir != "schema" {
			best = dir
		}
	}
	return best, best != ""
}
