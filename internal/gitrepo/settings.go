package gitrepo

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/go-git/gcfg"
)

// settings reads git's configuration into a map from "section.key", in lower case, to what is said last: by the system,
// the user, the repository, the work tree (git-config(1), "Files"). Subsections are left out.
func (r *Repo) settings(into map[string]string) error {
	home := cmp.Or(r.env.get("HOME"), r.env.get("USERPROFILE"))
	var files []string
	if !boolean(r.env.get("GIT_CONFIG_NOSYSTEM"), false) {
		files = append(files, cmp.Or(r.env.path("GIT_CONFIG_SYSTEM"), "/etc/gitconfig"))
	}
	if global, ok := r.env.vars["GIT_CONFIG_GLOBAL"]; ok {
		files = append(files, global)
	} else if home != "" {
		xdg := cmp.Or(r.env.get("XDG_CONFIG_HOME"), filepath.Join(home, ".config"))
		files = append(files, filepath.Join(xdg, "git", "config"), filepath.Join(home, ".gitconfig"))
	}
	files = append(files, filepath.Join(r.commonDir, "config"), filepath.Join(r.gitDir, "config.worktree"))
	for _, name := range files {
		if name == "" {
			continue
		}
		if err := r.readSettings(name, home, into, 0); err != nil {
			return err
		}
	}
	return nil
}

// maxIncludes is how deep files may include each other (config.c, MAX_INCLUDE_DEPTH).
const maxIncludes = 10

func (r *Repo) readSettings(name, home string, into map[string]string, depth int) error {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if depth > maxIncludes {
		return &Error{Text: fmt.Sprintf("%s is included by files that include each other", name)}
	}
	err = gcfg.ReadWithCallback(bytes.NewReader(data), func(section, sub, key, value string, blank bool) error {
		section, key = strings.ToLower(section), strings.ToLower(key)
		switch {
		case key == "": // the section's own line
			return nil
		case section == "include" && key == "path":
		case section == "includeif" && key == "path":
			if ok, err := r.included(sub, filepath.Dir(name), home); err != nil || !ok {
				return err
			}
		case sub == "" && blank: // a name alone is true
			into[section+"."+key] = "true"
			return nil
		case sub == "":
			into[section+"."+key] = value
			return nil
		default:
			return nil
		}
		return r.readSettings(expand(value, filepath.Dir(name), home), home, into, depth+1)
	})
	var e *Error
	if err != nil && !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// expand gives a path that stands in a file of configuration.
func expand(p, dir, home string) string {
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		return filepath.Join(home, rest)
	}
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(dir, p)
}

// included tells whether a condition holds (git-config(1), "Conditional includes").
func (r *Repo) included(condition, dir, home string) (bool, error) {
	kind, pattern, _ := strings.Cut(condition, ":")
	switch kind {
	case "gitdir", "gitdir/i":
		switch {
		case strings.HasPrefix(pattern, "~/"):
			pattern = home + pattern[1:]
		case strings.HasPrefix(pattern, "./"):
			pattern = dir + pattern[1:]
		case !strings.HasPrefix(pattern, "/"):
			pattern = "**/" + pattern
		}
		if strings.HasSuffix(pattern, "/") {
			pattern += "**"
		}
		real, err := filepath.EvalSymlinks(r.gitDir)
		if err != nil {
			return false, err
		}
		return matches(pattern, filepath.ToSlash(r.gitDir), kind == "gitdir/i") ||
			matches(pattern, filepath.ToSlash(real), kind == "gitdir/i"), nil
	case "onbranch":
		branch, err := r.Branch()
		if strings.HasSuffix(pattern, "/") {
			pattern += "**"
		}
		return branch != "" && matches(pattern, branch, false), err
	}
	return false, &Error{
		Text: fmt.Sprintf("git's configuration has the condition %q, which zave does not know", condition),
		Hint: "leave the commit to git",
	}
}

// matches holds a path against a pattern of git's, in which ** stands for any directories (gitglossary(7), "pathspec").
func matches(pattern, name string, fold bool) bool {
	var b strings.Builder
	if fold {
		b.WriteString("(?i)")
	}
	b.WriteString("^")
	for pattern != "" {
		switch {
		case strings.HasPrefix(pattern, "**/"):
			b.WriteString("(?:.*/)?")
			pattern = pattern[3:]
		case strings.HasPrefix(pattern, "**"):
			b.WriteString(".*")
			pattern = pattern[2:]
		case pattern[0] == '*':
			b.WriteString("[^/]*")
			pattern = pattern[1:]
		case pattern[0] == '?':
			b.WriteString("[^/]")
			pattern = pattern[1:]
		default:
			b.WriteString(regexp.QuoteMeta(pattern[:1]))
			pattern = pattern[1:]
		}
	}
	re, err := regexp.Compile(b.String() + "$")
	return err == nil && re.MatchString(name)
}
