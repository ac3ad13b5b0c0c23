package gitrepo

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// Ignored tells whether git would pass over a directory, by its path from the work tree's top: because of a .gitignore
// above it, or of the repository's info/exclude (gitignore(5)). What a user's own configuration excludes does not
// count.
func (r *Repo) Ignored(dir string) (bool, error) {
	var patterns []gitignore.Pattern
	read := func(name string, domain []string) error {
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(data)) {
			line = strings.TrimRight(line, "\r\n")
			if line != "" && !strings.HasPrefix(line, "#") {
				patterns = append(patterns, gitignore.ParsePattern(line, domain))
			}
		}
		return nil
	}
	if err := read(filepath.Join(r.commonDir, "info", "exclude"), nil); err != nil {
		return false, err
	}
	parts := strings.Split(path.Clean(dir), "/")
	for i := range parts {
		if err := read(filepath.Join(r.workTree, filepath.Join(parts[:i]...), ".gitignore"), parts[:i]); err != nil {
			return false, err
		}
	}
	matcher := gitignore.NewMatcher(patterns)
	for i := range parts {
		if matcher.Match(parts[:i+1], true) {
			return true, nil
		}
	}
	return false, nil
}
