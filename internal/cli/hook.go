package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/gitrepo"
	"github.com/zavestudios/zave/internal/leak"
	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/source"
	"github.com/zavestudios/zave/internal/tree"
)

func (a *app) hookCommand() *cobra.Command {
	hook := &cobra.Command{
		Use:   "hook",
		Short: "Regenerate the tree at every commit",
		Long: "A pre-commit hook of git: it compiles what is staged, stages the files of the tree that change with it, and " +
			"refuses a commit whose specs are wrong or that holds a secret in plain text. 'git commit -n' goes without.",
		Args: cobra.ArbitraryArgs,
	}
	hook.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return noCommand(cmd, args[0])
		}
		return usage(cmd, "'%s' needs to know what to do: install, uninstall or run", cmd.CommandPath())
	}
	var force bool
	install := &cobra.Command{
		Use:   "install [flags]",
		Short: "Install the hook in this clone",
		Long: "Install the hook where git looks for hooks in this clone, which core.hooksPath may say. It runs before a " +
			"commit and before a merge's commit. A hook that is there already is kept: it is run first, and may refuse.",
		Args:                  noArgs("it installs into the clone that it is run in"),
		DisableFlagsInUseLine: true,
		RunE:                  func(*cobra.Command, []string) error { return a.installHook(force) },
	}
	install.Flags().BoolVar(&force, "force", false, "also where another program manages the hooks")
	uninstall := &cobra.Command{
		Use:                   "uninstall",
		Short:                 "Take the hook away",
		Long:                  "Take the hook away, and put the one that was there before in its place.",
		Args:                  noArgs("it takes the hook out of the clone that it is run in"),
		DisableFlagsInUseLine: true,
		RunE:                  func(*cobra.Command, []string) error { return a.uninstallHook() },
	}
	var format string
	run := &cobra.Command{
		Use:   "run [flags]",
		Short: "Do what the hook does",
		Long: "Compile what is staged, not what is in the work tree, and stage the files of the tree that change with it; " +
			"refuse wrong specs, and secrets in plain text in what is staged. Changes that are not staged stay as they are: " +
			"of a file of the tree that holds some, only the staged version is replaced.",
		Example:               "  zave hook run",
		Args:                  noArgs("it goes by what is staged"),
		DisableFlagsInUseLine: true,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return a.runHook(cmd.Context(), format) },
	}
	formatFlag(run, &format)
	hook.AddCommand(install, uninstall, run)
	return hook
}

// runHook is what git runs before a commit.
func (a *app) runHook(ctx context.Context, format string) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200) // somebody waits: a tenth of the time for a quarter more of memory
	}
	a.stages.begin("index")
	p, err := a.openPlatform()
	if err != nil {
		return err
	}
	defer p.close()
	repo, err := p.needsGit()
	if err != nil {
		return err
	}
	s, err := repo.Staging()
	if err != nil {
		return repositoryProblem(err)
	}
	changes, err := s.Changes()
	if err != nil {
		return repositoryProblem(err)
	}
	a.stages.end()
	// What is known of git alone. It has no text to show: beside a secret there is nothing to be quoted.
	in := &input{Loaded: &load.Loaded{}}
	if in.list, err = p.conflicts(s); err != nil {
		return err
	}
	sound := !in.list.HasErrors()
	a.stages.begin("secrets")
	leaks, err := p.leaks(ctx, s, changes)
	if err != nil {
		return repositoryProblem(err)
	}
	a.stages.end()
	in.list.Merge(leaks)
	if !sound || !p.concerns(s, changes) {
		if err := a.report(format, in); err != nil {
			return err
		}
		return a.refused(in.list)
	}
	merged, err := p.mergedIndex(repo, s, changes)
	if err != nil {
		return repositoryProblem(err)
	}
	result, found, err := a.regenerate(ctx, p.staged(s, s.FS(p.prefix), merged))
	if err != nil {
		return repositoryProblem(err)
	}
	if result != nil {
		out := output{root: p.root, dir: filepath.FromSlash(result.Dir)}
		if d, refused, err := out.refuse(found); err != nil {
			return err
		} else if refused {
			found.list.Add(d)
		}
	}
	all := in.list
	all.Merge(found.list)
	in.list, found.list = quotable(in.list, found.list)
	switch {
	case in.list.Len() == 0:
		err = a.report(format, found)
	case format == string(diag.Text):
		if err = a.report(format, in); err == nil && found.list.Len() > 0 {
			fmt.Fprintln(a.stderr)
			err = a.report(format, found)
		}
	default:
		err = a.report(format, &input{in.Loaded, all})
	}
	if err != nil {
		return err
	}
	if err := a.refused(all); err != nil {
		return err
	}
	return a.stage(ctx, p, repo, s, result)
}

// quotable moves from the second list to the first what stands on a line with a secret: that is not to be quoted.
func quotable(leaks, l diag.List) (unquoted, quoted diag.List) {
	secret := map[source.Span]bool{}
	line := func(s source.Span) source.Span { return source.Span{File: s.File, Line: s.Line} }
	for _, d := range leaks.Sorted() {
		secret[line(d.Span)] = true
	}
	for _, d := range l.Sorted() {
		if secret[line(d.Span)] || slices.ContainsFunc(d.Notes, func(n diag.Note) bool { return secret[line(n.Span)] }) {
			leaks.Add(d)
		} else {
			quoted.Add(d)
		}
	}
	return leaks, quoted
}

// refused is the end of a run in which something was wrong.
func (a *app) refused(l diag.List) error {
	if !l.HasErrors() {
		return nil
	}
	a.say("%s: nothing was staged; 'git commit -n' goes without this hook", l.Summary())
	return errReported()
}

// stage stages what was made anew.
func (a *app) stage(
	ctx context.Context, p *platformRepo, repo *gitrepo.Repo, s *gitrepo.Staging, r *regenerated,
) error {
	top := path.Join(p.prefix, r.Dir)
	if len(s.Below(top)) == 0 {
		ignored, err := repo.Ignored(top)
		if err != nil {
			return err
		}
		if ignored { // the tree is kept elsewhere
			return nil
		}
	}
	a.stages.begin("stage")
	var write []gitrepo.File
	made := map[string]bool{}
	for _, f := range r.Write {
		write = append(write, gitrepo.File{Path: path.Join(top, f.Path), Data: f.Data})
		made[path.Join(top, f.Path)] = true
	}
	var remove []string
	for _, name := range r.Remove {
		remove = append(remove, path.Join(top, name))
	}
	for _, e := range s.Below(top) { // in conflict, and no file of the tree any more
		if e.Stage != 0 && !made[e.Path] && !slices.Contains(remove, e.Path) {
			remove = append(remove, e.Path)
		}
	}
	if name, ok := setAside(func(name string) bool { return made[name] || slices.Contains(remove, name) }); ok {
		return &problem{
			exit: exitInput,
			text: diag.Visible(name) + " has edits that are not staged, and pre-commit, which has put them aside, " +
				"could not put them back over what changes",
			hint: fmt.Sprintf("stage them, or drop them with 'git restore %s': 'zave build' makes the tree anew at any time",
				diag.Visible(a.shown(r.Dir))),
		}
	}
	done, err := s.Stage(ctx, write, remove)
	if err != nil {
		return repositoryProblem(err)
	}
	a.stages.end()
	n := len(done.Written) + len(done.Removed)
	if n == 0 {
		return nil
	}
	var parts []string
	if len(done.Written) > 0 {
		parts = append(parts, fmt.Sprintf("%d written", len(done.Written)))
	}
	if len(done.Removed) > 0 {
		parts = append(parts, fmt.Sprintf("%d removed", len(done.Removed)))
	}
	a.say("staged %s of %s: %s", count(n, "file"), a.shown(r.Dir), strings.Join(parts, ", "))
	if a.verbose {
		for _, name := range done.Written {
			a.say("  written  %s", diag.Visible(name))
		}
		for _, name := range done.Removed {
			a.say("  removed  %s", diag.Visible(name))
		}
	}
	if len(done.Left) > 0 {
		a.say("%s in the work tree, with edits that are not staged:",
			counted(len(done.Left), "file was left alone", "files were left alone"))
		const most = 5
		for i, name := range done.Left {
			if i == most && !a.verbose {
				a.say("  and %d more; -v lists all", len(done.Left)-most)
				break
			}
			a.say("  %s", diag.Visible(name))
		}
	}
	return nil
}

// setAside tells whether the pre-commit framework has put edits of one of these files aside while it runs us. It does
// so with a patch in its own directory, named by its process (pre_commit/staged_files_only.py); where the patch does
// not apply afterwards, the edits are gone from the work tree.
func setAside(any func(name string) bool) (string, bool) {
	if os.Getenv("PRE_COMMIT") != "1" {
		return "", false
	}
	dir := os.Getenv("PRE_COMMIT_HOME")
	if dir == "" {
		cache := os.Getenv("XDG_CACHE_HOME")
		if cache == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", false
			}
			cache = filepath.Join(home, ".cache")
		}
		dir = filepath.Join(cache, "pre-commit")
	}
	patches, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("patch*-%d", os.Getppid())))
	if err != nil {
		return "", false
	}
	for _, patch := range patches {
		data, err := os.ReadFile(patch)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(data) {
			for _, mark := range []string{"+++ b/", "--- a/"} {
				if name, ok := strings.CutPrefix(strings.TrimRight(string(line), "\t\r\n"), mark); ok && any(name) {
					return name, true
				}
			}
		}
	}
	return "", false
}

// staged is what regenerate reads. Merged are parts of the tree's index, by path from the repository's top, which are
// to be read instead of what is staged.
func (p *platformRepo) staged(s *gitrepo.Staging, specs *gitrepo.FS, merged map[string][]byte) staged {
	top := ""
	return staged{
		Specs: specs,
		Tree: func(dir string) ([]tree.Stored, error) {
			top = path.Join(p.prefix, dir)
			var out []tree.Stored
			last := ""
			for _, e := range s.Below(top) {
				at := e.Path[len(top)+1:]
				if e.Stage != 0 && merged[e.Path] != nil && at != last { // of any bytes but the right ones
					last = at
					out = append(out, tree.Stored{Path: at, Regular: true})
				}
				if e.Stage != 0 || e.IntentToAdd {
					continue // made anew
				}
				out = append(out, tree.Stored{
					Path: at, Hash: e.Hash, Regular: e.Mode == gitrepo.Regular || e.Mode == gitrepo.Executable,
				})
			}
			return out, nil
		},
		Read: func(f tree.Stored) ([]byte, error) {
			if data := merged[path.Join(top, f.Path)]; data != nil {
				return data, nil
			}
			return s.Read(path.Join(top, f.Path), gitrepo.Hash(f.Hash))
		},
	}
}

// mergedIndex gives, while git merges, what the changed parts of a tree's index would be if zave had written the tree
// as it is staged. git merges files of the tree line by line, and what comes of it is neither what zave wrote nor an
// edit by hand: it is made anew. That a file is ours, one of the merged sides says.
func (p *platformRepo) mergedIndex(
	repo *gitrepo.Repo, s *gitrepo.Staging, changes []gitrepo.Change,
) (map[string][]byte, error) {
	if repo.Operation() == "" {
		return nil, nil
	}
	paths := s.Unmerged()
	for _, c := range changes {
		if c.Status != gitrepo.Deleted {
			paths = append(paths, c.Path)
		}
	}
	sides, err := repo.Sources()
	if err != nil {
		return nil, err
	}
	head, err := repo.Head()
	if err != nil {
		return nil, err
	}
	if head != nil {
		sides = append(sides, head)
	}
	out := map[string][]byte{}
	for _, name := range paths {
		top, part, ok := indexPart(name)
		if !ok {
			continue
		}
		ours := map[string]string{} // path within the tree → unit
		for _, c := range sides {
			data, err := fs.ReadFile(repo.FS(c, "."), name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			x, err := tree.ParsePart(part, data)
			if err != nil {
				continue // damaged there, too
			}
			for _, e := range x.Files {
				ours[e.Path] = e.Unit
			}
		}
		index := tree.Index{Version: tree.IndexVersion}
		for _, at := range slices.Sorted(maps.Keys(ours)) {
			data, err := fs.ReadFile(s.FS("."), path.Join(top, at))
			if err != nil {
				continue // not staged, or not a file
			}
			sum := sha256.Sum256(data)
			index.Files = append(index.Files, tree.Entry{
				Path: at, Digest: "sha256:" + hex.EncodeToString(sum[:]), Unit: ours[at], Part: part,
			})
		}
		out[name] = index.Encode()
	}
	return out, nil
}

// indexPart tells a part of a tree's index: the tree's directory, and the part's name.
func indexPart(name string) (top, part string, ok bool) {
	dir := path.Dir(tree.IndexPath) + "/"
	top, rest, ok := strings.Cut(name, "/"+dir)
	if !ok {
		return "", "", false
	}
	if dir+rest == tree.IndexPath {
		return top, "", true
	}
	part, ok = strings.CutSuffix(rest, ".json")
	return top, part, ok && strings.Count(part, "/") == 1
}

// concerns tells whether what is staged changes what is compiled, or the tree itself.
func (p *platformRepo) concerns(s *gitrepo.Staging, changes []gitrepo.Change) bool {
	var trees []string // directories with an index of zave's
	for _, e := range s.Below(p.prefix) {
		if dir, ok := strings.CutSuffix(e.Path, "/"+tree.IndexPath); ok {
			trees = append(trees, dir+"/")
		}
	}
	concerns := func(name string) bool {
		in, ok := p.within(name)
		return ok && isSpec(in) || slices.ContainsFunc(trees, func(dir string) bool { return strings.HasPrefix(name, dir) })
	}
	touches := func(c gitrepo.Change) bool { return concerns(c.Path) || c.From != "" && concerns(c.From) }
	return slices.ContainsFunc(changes, touches) ||
		slices.ContainsFunc(s.Unmerged(), concerns)
}

// conflicts names the specs in conflict, at the line where that begins.
func (p *platformRepo) conflicts(s *gitrepo.Staging) (diag.List, error) {
	var l diag.List
	for _, name := range s.Unmerged() {
		in, ok := p.within(name)
		if !ok || !isSpec(in) {
			continue
		}
		span := source.Span{File: in}
		if data, err := os.ReadFile(filepath.FromSlash(in)); err == nil {
			line := int32(0)
			for text := range bytes.Lines(data) {
				line++
				if bytes.HasPrefix(text, []byte("<<<<<<< ")) {
					span.Line = line
					break
				}
			}
		}
		l.Add(diag.Diagnostic{
			Code: diag.SpecConflict, Span: span, Summary: "merge conflict in " + diag.Visible(in),
			Hint: "resolve it, and say so with 'git add'",
		})
	}
	return l, nil
}

// leaks looks for secrets in the lines that are staged and that nobody has committed before.
func (p *platformRepo) leaks(ctx context.Context, s *gitrepo.Staging, changes []gitrepo.Change) (diag.List, error) {
	var l diag.List
	changes, err := s.Own(changes)
	if err != nil {
		return l, err
	}
	var allowed map[string]bool
	if data, err := fs.ReadFile(s.FS(p.prefix), leak.AllowFile); err == nil {
		allowed = leak.ParseAllowed(data)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return l, err
	}
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return l, err
		}
		if c.Status == gitrepo.Deleted || c.Mode != gitrepo.Regular && c.Mode != gitrepo.Executable || c.Hash == c.Old {
			continue
		}
		data, err := s.Read(c.Path, c.Hash)
		if err != nil {
			return l, err
		}
		var old []byte
		if !c.Old.IsZero() {
			if old, err = p.repo.Blob(c.Old); err != nil {
				return l, err
			}
		}
		file := c.Path
		if in, ok := p.within(c.Path); ok {
			file = in
		} else if rel, err := filepath.Rel(filepath.FromSlash(p.prefix), filepath.FromSlash(c.Path)); err == nil {
			file = filepath.ToSlash(rel)
		}
		for _, f := range leak.Scan(file, data, old, allowed) {
			l.Add(diag.Diagnostic{
				Code: diag.StagedSecret, Span: source.Span{File: f.File, Line: int32(f.Line)},
				Summary: fmt.Sprintf("%s is about to be committed", diag.Visible(f.Kind)),
				Hint: fmt.Sprintf("take it out; or, if it is none, say so with a comment %q on the line, or with %s in %s",
					leak.Comment+" REASON", f.Fingerprint, leak.AllowFile),
			})
		}
	}
	return l, nil
}

// hookNames are the hooks of git that run zave: before a commit, and before the commit of a merge without conflicts
// (githooks(5)).
func hookNames() []string { return []string{"pre-commit", "pre-merge-commit"} }

const (
	hookMark   = "# Installed by 'zave hook install'"
	hookBefore = ".before-zave" // the hook that was there, which ours runs first
)

// hookScript is the hook. It finds zave where it is run, and falls back on the one that installed it: a program with
// windows that runs git may have another PATH.
func hookScript(dir, program string) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	fallback := ""
	if program != "" {
		fallback = "[ -x " + quote(program) + " ] && exec " + quote(program) + ` -C "$dir" hook run` + "\n"
	}
	return "#!/bin/sh\n" + hookMark + "; 'zave hook uninstall' takes it away.\n" +
		"# It stages the files of the tree that change with what is staged, and refuses wrong specs and secrets.\n" +
		"if [ -x \"$0" + hookBefore + "\" ]; then \"$0" + hookBefore + "\" \"$@\" || exit; fi\n" +
		"dir=" + quote(dir) + "\n" +
		"[ -d \"$dir/cue.mod\" ] && [ -d \"$dir/platform\" ] || exit 0\n" +
		"command -v zave >/dev/null 2>&1 && exec zave -C \"$dir\" hook run\n" + fallback +
		"echo \"zave is not on the PATH, and the hook of this repository needs it: 'git commit -n' goes without\" >&2\n" +
		"exit 1\n"
}

// manager tells which program keeps the hooks of a directory, and how zave is run by it.
func manager(dir string, hook []byte) (name, hint string) {
	slash := filepath.ToSlash(dir)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(hook, []byte(w)) })
	}
	switch {
	case strings.HasSuffix(slash, ".husky/_"):
		return "husky", "write 'zave hook run' into .husky/pre-commit"
	case has("File generated by pre-commit", "pre-commit.com"):
		return "pre-commit", "add the hook zave to .pre-commit-config.yaml"
	case has("lefthook"):
		return "lefthook", "add the command 'zave hook run' to lefthook.yml"
	case has("overcommit"):
		return "overcommit", "add the command 'zave hook run' to .overcommit.yml"
	}
	return "", ""
}

// hooksDir asks git where it looks for hooks, and who else does: core.hooksPath may name a directory for all
// repositories of a user.
func (a *app) hooksDir() (p *platformRepo, dir, scope string, err error) {
	if p, err = a.openPlatform(); err != nil {
		return nil, "", "", err
	}
	if _, err := p.needsGit(); err != nil {
		return p, "", "", err
	}
	if p.root == "" {
		return p, "", "", &problem{exit: exitUnknown, text: "the repository is bare: nobody commits in it"}
	}
	out, err := exec.Command("git", "rev-parse", "--git-path", "hooks").Output()
	if err != nil {
		return p, "", "", fmt.Errorf("ask git where its hooks are: %w", err)
	}
	if dir, err = filepath.Abs(strings.TrimRight(string(out), "\r\n")); err != nil {
		return p, "", "", err
	}
	if out, err := exec.Command("git", "config", "--show-scope", "--get", "core.hooksPath").Output(); err == nil {
		scope, _, _ = strings.Cut(string(out), "\t")
	}
	return p, dir, scope, nil
}

func (a *app) installHook(force bool) error {
	p, dir, scope, err := a.hooksDir()
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return err
	}
	program := a.program()
	if rel, err := filepath.Rel(p.repo.WorkTree(), dir); err == nil && filepath.IsLocal(rel) &&
		!strings.HasPrefix(filepath.ToSlash(rel)+"/", ".git/") {
		program = "" // the hooks are committed: others have it elsewhere
	}
	script := []byte(hookScript(filepath.FromSlash(p.prefix), program))
	for _, name := range hookNames() {
		file := filepath.Join(dir, name)
		was, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if bytes.Contains(was, []byte(hookMark)) {
			if other := p.otherPlatform(was); other != "" && !force {
				return &problem{
					exit: exitUnknown, text: fmt.Sprintf("the hook in %s is for the platform in %s", dir, other),
					hint: fmt.Sprintf("let a hook of your own call 'zave -C %s hook run' too, or use --force",
						filepath.FromSlash(p.prefix)),
				}
			}
			continue
		}
		if by, hint := manager(dir, was); by != "" && !force {
			return &problem{exit: exitUnknown, text: fmt.Sprintf("%s keeps the hooks of this repository: %s is its", by, file),
				hint: hint + "; or use --force"}
		}
		if _, err := os.Lstat(file + hookBefore); err == nil {
			return &problem{
				exit: exitUnknown, text: fmt.Sprintf("%s is not zave's, and %s is there too", file, file+hookBefore),
				hint: "keep one of the two, and remove or rename the other",
			}
		}
	}
	if by, hint := manager(dir, nil); by != "" && !force {
		return &problem{exit: exitUnknown, text: fmt.Sprintf("%s keeps the hooks of this repository, in %s", by, dir),
			hint: hint + "; or use --force"}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	changed := false
	for _, name := range hookNames() {
		file := filepath.Join(dir, name)
		was, err := os.ReadFile(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case bytes.Equal(was, script):
			continue
		case !bytes.Contains(was, []byte(hookMark)):
			if err := os.Rename(file, file+hookBefore); err != nil {
				return err
			}
			a.say("kept the hook that was there: %s runs first", file+hookBefore)
		}
		if err := writeHook(file, script); err != nil {
			return err
		}
		changed = true
	}
	if !changed {
		a.say("the hook is installed already in %s", dir)
		return nil
	}
	a.say("installed the hook in %s", dir)
	if scope == "global" || scope == "system" {
		a.say("core.hooksPath is %s: every repository that uses it runs the hook, "+
			"which does nothing where there is no platform", scope)
	}
	return nil
}

// otherPlatform gives the directory that a hook of ours is for, if that is another one than this, and still a platform.
func (p *platformRepo) otherPlatform(script []byte) string {
	_, rest, _ := strings.Cut(string(script), "\ndir='")
	dir, _, _ := strings.Cut(rest, "'\n")
	dir = strings.ReplaceAll(dir, `'\''`, "'")
	if dir == "" || filepath.ToSlash(dir) == p.prefix {
		return ""
	}
	if info, err := os.Stat(filepath.Join(p.repo.WorkTree(), dir, "platform")); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}

// program is where this zave is, as it was called: behind a link that package managers renew there is the next version.
// Empty: that cannot be told.
func (a *app) program() string {
	name, err := exec.LookPath(os.Args[0])
	if err != nil {
		return ""
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(a.from, name)
	}
	return name
}

// writeHook writes a file that git can run, in one step.
func writeHook(file string, script []byte) error {
	temp := file + ".zave-new"
	if err := os.WriteFile(temp, script, 0o777); err != nil {
		return err
	}
	err := os.Chmod(temp, 0o755)
	if err == nil {
		err = os.Rename(temp, file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

func (a *app) uninstallHook() error {
	p, dir, _, err := a.hooksDir()
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return err
	}
	removed := false
	for _, name := range hookNames() {
		file := filepath.Join(dir, name)
		was, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Contains(was, []byte(hookMark)) {
			continue
		}
		if err != nil {
			return err
		}
		if _, e := os.Lstat(file + hookBefore); e == nil {
			err = os.Rename(file+hookBefore, file)
		} else {
			err = os.Remove(file)
		}
		if err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		a.say("there is no hook of zave's in %s", dir)
		return nil
	}
	a.say("took the hook out of %s", dir)
	return nil
}
