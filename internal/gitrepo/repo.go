// Package gitrepo reads commits, the index and the work tree of a git repository as file systems, stages files, and
// commits them.
//
// Objects, references and configuration are read through go-git. The index is read and written here: go-git's encoder
// loses every extension, and what a hook writes back must be what git left there, but for the files that it stages.
//
// Invariants: it and its package remote are the only importers of go-git; nothing is fetched here, which is remote's, and
// no configuration is written; a branch is moved under git's own lock, by one commit on top of the one that it is at; an
// index is replaced whole, under git's own lock, or not at all; a file of the work tree is written only where what stands
// there is what the index has; what is not understood (another object format, reference storage, index extension) is an
// error, never a guess.
package gitrepo

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/config"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// Hash names a git object: a SHA-1, in its 20 bytes.
type Hash [20]byte

// String gives its 40 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero tells the hash of nothing.
func (h Hash) IsZero() bool { return h == Hash{} }

// Error is a state of a repository that the user can do something about.
type Error struct {
	Text string // one sentence, lower case, no full stop
	Hint string // what to do about it; may be empty
	kind error
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.kind }

// Kinds of errors, for errors.Is.
var (
	ErrNotFound   = errors.New("no such revision")          // of Resolve, MainBranch
	ErrUnrelated  = errors.New("no common ancestor")        // of MergeBase
	ErrShallow    = errors.New("the history is cut off")    // the answer lies behind the end of a shallow clone
	ErrNoGit      = errors.New("not within a repository")   // of Open
	ErrUnmerged   = errors.New("the index has conflicts")   // of Staging
	ErrIndexBusy  = errors.New("the index is locked")       // of Stage
	ErrUnbornHead = errors.New("the branch has no commits") // of Resolve
)

// Options say how to open a repository.
type Options struct {
	// Environ is the environment as os.Environ gives it: there git tells its hooks where the repository and the index are.
	Environ []string
	// Base is the directory that relative paths in the environment are relative to; empty: the one that is opened.
	Base string
}

// Repo is an open repository. Its methods may be called by several goroutines.
type Repo struct {
	gitDir    string // absolute: of this work tree
	commonDir string // absolute: of all work trees; nearly always gitDir
	workTree  string // absolute; empty: the repository is bare
	indexFile string // absolute
	partial   bool   // objects may be missing that the remote has
	merging   []Hash // commits that a merge brings in, as far as the environment tells
	env       environment

	mu      sync.Mutex // go-git's storage is for one goroutine
	refs    *filesystem.Storage
	objects []*filesystem.Storage // where to look for objects; the first is written to
	shallow map[Hash]bool         // commits whose parents are not here
}

// Open finds the repository that a directory is in, as git does: by GIT_DIR in the environment, or upwards. Close it.
func Open(dir string, o Options) (*Repo, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	env := environment{map[string]string{}, o.Base}
	if env.base == "" {
		env.base = start
	}
	r := &Repo{env: env}
	for _, v := range o.Environ {
		name, value, _ := strings.Cut(v, "=")
		env.vars[name] = value
		if digits, ok := strings.CutPrefix(name, "GITHEAD_"); ok { // what git merge merges, before it is in MERGE_HEAD
			if h, err := parseHash(digits); err == nil {
				r.merging = append(r.merging, h)
			}
		}
	}
	r.gitDir = env.path("GIT_DIR")
	switch {
	case r.gitDir != "":
		// git's own default is the current directory, which for a hook is the top of the work tree.
		r.workTree = env.base
		if r.gitDir, err = follow(r.gitDir); err != nil {
			return nil, err
		}
		if !isRepository(r.gitDir) {
			return nil, &Error{Text: fmt.Sprintf("GIT_DIR is %s, which is not a git repository", r.gitDir), kind: ErrNoGit}
		}
	default:
		if r.gitDir, r.workTree, err = discover(start); err != nil {
			return nil, err
		}
	}
	r.commonDir = env.path("GIT_COMMON_DIR")
	if r.commonDir == "" {
		if r.commonDir, err = commonDir(r.gitDir); err != nil {
			return nil, err
		}
	}
	if err := r.configure(env); err != nil {
		return nil, err
	}
	if r.indexFile = env.path("GIT_INDEX_FILE"); r.indexFile == "" {
		r.indexFile = filepath.Join(r.gitDir, "index")
	}
	if err := r.openObjects(env); err != nil {
		return nil, err
	}
	return r, r.readShallow()
}

// Close gives file descriptors back.
func (r *Repo) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	for _, s := range r.objects {
		err = errors.Join(err, s.Close())
	}
	return err
}

// WorkTree is the absolute path of the work tree's top; empty in a bare repository.
func (r *Repo) WorkTree() string { return r.workTree }

// GitDir is the absolute path of the work tree's own git directory.
func (r *Repo) GitDir() string { return r.gitDir }

// Prefix is the path of a directory below the work tree's top, slash-separated, "." for the top itself.
func (r *Repo) Prefix(dir string) (string, error) {
	if r.workTree == "" {
		return "", &Error{Text: "the repository is bare: there is no work tree"}
	}
	top, err := filepath.EvalSymlinks(r.workTree)
	if err != nil {
		return "", err
	}
	at, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if at, err = filepath.EvalSymlinks(at); err != nil {
		return "", err
	}
	rel, err := filepath.Rel(top, at)
	if err != nil || !filepath.IsLocal(rel) {
		return "", &Error{Text: fmt.Sprintf("%s is not within the work tree %s", dir, r.workTree)}
	}
	return filepath.ToSlash(rel), nil
}

// environment is what git says to a hook.
type environment struct {
	vars map[string]string
	base string
}

func (e environment) get(name string) string { return e.vars[name] }

// path reads a variable that holds a path; empty where it is not set.
func (e environment) path(name string) string {
	v := e.get(name)
	if v == "" || filepath.IsAbs(v) {
		return v
	}
	return filepath.Join(e.base, v)
}

// discover goes upwards to a ".git", or to a bare repository.
func discover(start string) (gitDir, workTree string, err error) {
	for dir := start; ; dir = filepath.Dir(dir) {
		dot := filepath.Join(dir, ".git")
		if _, err := os.Lstat(dot); err == nil {
			gitDir, err := follow(dot)
			if err != nil {
				return "", "", err
			}
			if isRepository(gitDir) {
				return gitDir, dir, nil
			}
		}
		if isRepository(dir) {
			return dir, "", nil
		}
		if dir == filepath.Dir(dir) {
			return "", "", &Error{
				Text: fmt.Sprintf("%s is not within a git repository", start),
				Hint: "run it within one, or make one with 'git init'", kind: ErrNoGit,
			}
		}
	}
}

// follow reads a ".git" that is a file, as in linked work trees and submodules (gitrepository-layout(5)).
func follow(dot string) (string, error) {
	info, err := os.Stat(dot)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return dot, nil
	}
	data, err := os.ReadFile(dot)
	if err != nil {
		return "", err
	}
	dir, ok := strings.CutPrefix(string(data), "gitdir: ")
	if dir = strings.TrimRight(dir, "\r\n"); !ok || dir == "" {
		return "", &Error{Text: fmt.Sprintf("%s is neither a git directory nor a file that names one", dot), kind: ErrNoGit}
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(dot), dir)
	}
	if _, err := os.Stat(dir); err != nil {
		return "", &Error{
			Text: fmt.Sprintf("%s names the git directory %s, which is not there", dot, dir),
			Hint: "if the repository was moved, 'git worktree repair' mends it", kind: ErrNoGit,
		}
	}
	return filepath.Clean(dir), nil
}

// isRepository tells whether git would take a directory for its own (setup.c, is_git_directory).
func isRepository(dir string) bool {
	head, err := os.Lstat(filepath.Join(dir, "HEAD"))
	if err != nil || head.IsDir() {
		return false
	}
	common, err := commonDir(dir)
	if err != nil {
		return false
	}
	for _, name := range []string{"objects", "refs"} {
		if info, err := os.Stat(filepath.Join(common, name)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// commonDir is where a linked work tree's git directory has its objects and branches.
func commonDir(gitDir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(gitDir, "commondir"))
	if errors.Is(err, fs.ErrNotExist) {
		return gitDir, nil
	}
	if err != nil {
		return "", err
	}
	dir := strings.TrimRight(string(data), "\r\n")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(gitDir, dir)
	}
	return filepath.Clean(dir), nil
}

// configure reads what the repository's own configuration says of its form, and of its work tree.
func (r *Repo) configure(env environment) error {
	cfg, err := readConfig(filepath.Join(r.commonDir, "config"))
	if err != nil {
		return err
	}
	extensions, core := cfg.Section("extensions"), cfg.Section("core")
	if v := core.Option("repositoryformatversion"); v != "" && v != "0" && v != "1" {
		return &Error{Text: fmt.Sprintf("the repository has format version %s, and zave knows 0 and 1", v)}
	}
	for _, o := range extensions.Options {
		value := strings.ToLower(o.Value)
		switch strings.ToLower(o.Key) {
		case "noop", "noop-v1", "preciousobjects", "relativeworktrees":
		case "partialclone":
			r.partial = true
		case "worktreeconfig":
			more, err := readConfig(filepath.Join(r.gitDir, "config.worktree"))
			if err != nil {
				return err
			}
			if section := more.Section("core"); len(section.Options) > 0 {
				core = &config.Section{Name: "core", Options: append(core.Options[:len(core.Options):len(core.Options)],
					section.Options...)}
			}
		case "objectformat":
			if value != "sha1" {
				return &Error{
					Text: fmt.Sprintf("the repository names its objects by %s, and zave reads SHA-1 alone", value),
					Hint: "'git init --object-format=sha1' makes one that it reads",
				}
			}
		case "refstorage":
			if value != "files" {
				return &Error{
					Text: fmt.Sprintf("the repository keeps its branches in the form %q, and zave reads files alone", value),
					Hint: "'git refs migrate --ref-format=files' changes it, and changes nothing else",
				}
			}
		default:
			return &Error{Text: fmt.Sprintf("the repository has the extension %q, which zave does not know", o.Key)}
		}
	}
	for _, remote := range cfg.Section("remote").Subsections {
		r.partial = r.partial || boolean(remote.Option("promisor"), false)
	}
	bare := core.Option("bare")
	switch tree := core.Option("worktree"); {
	case env.get("GIT_WORK_TREE") != "":
		r.workTree = env.path("GIT_WORK_TREE")
	case tree != "" && filepath.IsAbs(tree):
		r.workTree = filepath.Clean(tree)
	case tree != "":
		r.workTree = filepath.Join(r.gitDir, tree)
	case boolean(bare, false) && r.gitDir == r.commonDir: // of a linked work tree, the main one may be bare
		r.workTree = ""
	}
	return nil
}

// readConfig reads one file of configuration, without those that it includes. It may be absent.
func readConfig(name string) (*config.Config, error) {
	cfg := config.New()
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, nil
	}
	if err != nil {
		return nil, err
	}
	if err := config.NewDecoder(bytes.NewReader(data)).Decode(cfg); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return cfg, nil
}

// boolean reads a value as git-config(1) does.
func boolean(v string, missing bool) bool {
	switch strings.ToLower(v) {
	case "":
		return missing
	case "false", "no", "off", "0":
		return false
	}
	return true
}

// openObjects opens the object directories: the repository's, and those it borrows from. go-git would look through the
// latter anew for every object that is not in the former.
func (r *Repo) openObjects(env environment) error {
	own := env.path("GIT_OBJECT_DIRECTORY")
	if own == "" {
		own = filepath.Join(r.commonDir, "objects")
	}
	dirs, err := alternates(own, nil, 0)
	if err != nil {
		return err
	}
	for _, dir := range filepath.SplitList(env.get("GIT_ALTERNATE_OBJECT_DIRECTORIES")) {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(env.base, dir)
		}
		if dirs, err = alternates(dir, dirs, 0); err != nil {
			return err
		}
	}
	lru := cache.NewObjectLRUDefault()
	options := filesystem.Options{
		KeepDescriptors: true,
		AlternatesFS:    osfs.New(filepath.Join(r.gitDir, "no-such-directory")),
	}
	for i, dir := range dirs {
		if filepath.Base(dir) != "objects" {
			if i > 0 {
				continue
			}
			return &Error{Text: fmt.Sprintf("the object directory %s is not called objects, and zave cannot use it", dir)}
		}
		r.objects = append(r.objects, filesystem.NewStorageWithOptions(osfs.New(filepath.Dir(dir)), lru, options))
	}
	files := osfs.New(r.gitDir)
	refs := dotgit.NewRepositoryFilesystem(files, nil)
	if r.commonDir != r.gitDir {
		refs = dotgit.NewRepositoryFilesystem(files, osfs.New(r.commonDir))
	}
	r.refs = filesystem.NewStorageWithOptions(refs, lru, options)
	return nil
}

// alternates adds an object directory and those it borrows from, each once. git follows them to a depth of five.
func alternates(dir string, dirs []string, depth int) ([]string, error) {
	dir = filepath.Clean(dir)
	for _, d := range dirs {
		if d == dir {
			return dirs, nil
		}
	}
	dirs = append(dirs, dir)
	f, err := os.Open(filepath.Join(dir, "info", "alternates"))
	if errors.Is(err, fs.ErrNotExist) || depth > 5 {
		return dirs, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		at := lines.Text()
		if at == "" || strings.HasPrefix(at, "#") {
			continue
		}
		if !filepath.IsAbs(at) {
			at = filepath.Join(dir, at)
		}
		if info, err := os.Stat(at); err != nil || !info.IsDir() {
			continue // git warns, and goes on
		}
		if dirs, err = alternates(at, dirs, depth+1); err != nil {
			return nil, err
		}
	}
	return dirs, lines.Err()
}

// readShallow reads where the history was cut off (shallow(5)).
func (r *Repo) readShallow() error {
	hashes, err := r.refs.Shallow()
	if err != nil {
		return fmt.Errorf("read the end of the shallow clone's history: %w", err)
	}
	r.shallow = map[Hash]bool{}
	for _, h := range hashes {
		r.shallow[Hash(h)] = true
	}
	return nil
}

// Shallow tells whether the history is cut off somewhere.
func (r *Repo) Shallow() bool { return len(r.shallow) > 0 }

// object reads an object of that type.
func (r *Repo) object(t plumbing.ObjectType, h Hash) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.objects {
		o, err := s.EncodedObject(t, plumbing.Hash(h))
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the %s %s: %w", t, h, err)
		}
		return content(o)
	}
	if r.partial {
		return nil, &Error{
			Text: fmt.Sprintf("the %s %s is not here: the clone is partial, and zave fetches nothing", t, h),
			Hint: fmt.Sprintf("'git cat-file -e %s' fetches it, 'git fetch --refetch --no-filter' all", h),
			kind: plumbing.ErrObjectNotFound,
		}
	}
	return nil, &Error{
		Text: fmt.Sprintf("the %s %s is not here: the repository is damaged or incomplete", t, h),
		Hint: "'git fsck' says what is wrong with it", kind: plumbing.ErrObjectNotFound,
	}
}

func content(o plumbing.EncodedObject) ([]byte, error) {
	in, err := o.Reader()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data := make([]byte, o.Size())
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, err
	}
	return data, nil
}

// has tells whether there is an object of that name.
func (r *Repo) has(h Hash) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.objects {
		if s.HasEncodedObject(plumbing.Hash(h)) == nil {
			return true
		}
	}
	return false
}

// Blob reads a file's content by its name.
func (r *Repo) Blob(h Hash) ([]byte, error) { return r.object(plumbing.BlobObject, h) }
