package gitrepo

import (
	"bytes"
	"container/heap"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// Commit is one commit.
type Commit struct {
	Hash    Hash
	Tree    Hash
	Parents []Hash // without those that a shallow clone has cut off
	Subject string // the first line of its message
	when    int64  // of the committer, in seconds
}

// Short gives the digits of a commit that people read.
func (c *Commit) Short() string { return c.Hash.String()[:10] }

// When is when it was committed.
func (c *Commit) When() time.Time { return time.Unix(c.when, 0).UTC() }

// Commit reads a commit.
func (r *Repo) Commit(h Hash) (*Commit, error) {
	data, err := r.object(plumbing.CommitObject, h)
	if err != nil {
		return nil, err
	}
	c := &Commit{Hash: h}
	header, message, _ := bytes.Cut(data, []byte("\n\n"))
	for line := range bytes.Lines(header) {
		key, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		switch key {
		case "tree":
			if c.Tree, err = parseHash(value); err != nil {
				return nil, fmt.Errorf("the commit %s is damaged: %w", h, err)
			}
		case "parent":
			parent, err := parseHash(value)
			if err != nil {
				return nil, fmt.Errorf("the commit %s is damaged: %w", h, err)
			}
			c.Parents = append(c.Parents, parent)
		case "committer":
			if fields := strings.Fields(value); len(fields) >= 2 {
				c.when, _ = strconv.ParseInt(fields[len(fields)-2], 10, 64) // a strange date only changes the order of the walk
			}
		}
	}
	if r.shallow[h] {
		c.Parents = nil
	}
	subject, _, _ := strings.Cut(string(message), "\n")
	c.Subject = subject
	return c, nil
}

func parseHash(s string) (Hash, error) {
	var h Hash
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("%q is not the name of an object", s)
	}
	return Hash(b), nil
}

// Resolve gives the commit that a revision means: a branch, a tag, a remote's branch, HEAD, @, the name of a commit or
// its beginning of at least four digits, @{upstream} of a branch, each followed by any number of ~N and ^N
// (gitrevisions(7)).
func (r *Repo) Resolve(rev string) (*Commit, error) {
	name, steps := rev, ""
	if i := strings.IndexAny(rev, "~^"); i >= 0 {
		name, steps = rev[:i], rev[i:]
	}
	h, err := r.name(name)
	if err != nil {
		return nil, err
	}
	c, err := r.peel(h, rev)
	for err == nil && steps != "" {
		kind, digits := steps[0], 1
		for digits < len(steps) && steps[digits] >= '0' && steps[digits] <= '9' {
			digits++
		}
		n := 1
		switch text := steps[1:digits]; {
		case text != "":
			if n, err = strconv.Atoi(text); err != nil {
				return nil, notFound("%q is not a revision", rev)
			}
		case kind == '^' && strings.HasPrefix(steps, "^{commit}"), kind == '^' && strings.HasPrefix(steps, "^{}"):
			n, digits = 0, strings.IndexByte(steps, '}')+1
		}
		steps = steps[digits:]
		if steps != "" && steps[0] != '~' && steps[0] != '^' {
			return nil, notFound("%q is not a revision that zave understands", rev)
		}
		c, err = r.step(c, kind, n, rev)
	}
	return c, err
}

// step goes back in history: ~n to the first parent n times, ^n to the n-th parent.
func (r *Repo) step(c *Commit, kind byte, n int, rev string) (*Commit, error) {
	nth, times := 1, n
	if kind == '^' {
		nth, times = n, min(n, 1)
	}
	for range times {
		if len(c.Parents) < nth {
			if r.shallow[c.Hash] {
				return nil, cutOff(fmt.Sprintf("%s lies behind the end of this shallow clone", rev))
			}
			return nil, notFound("there is no %s: %s has %s", rev, c.Short(), parents(len(c.Parents)))
		}
		next, err := r.Commit(c.Parents[nth-1])
		if err != nil {
			return nil, err
		}
		c = next
	}
	return c, nil
}

func parents(n int) string {
	switch n {
	case 0:
		return "no parent"
	case 1:
		return "one parent"
	}
	return strconv.Itoa(n) + " parents"
}

func notFound(format string, args ...any) error {
	return &Error{Text: fmt.Sprintf(format, args...), Hint: "'git log --oneline' and 'git branch -a' list what there is",
		kind: ErrNotFound}
}

func cutOff(text string) error {
	return &Error{
		Text: text,
		Hint: "deepen it with 'git fetch --deepen=100' or 'git fetch --unshallow', in GitHub Actions with 'fetch-depth: 0' " +
			"for actions/checkout, in GitLab CI with 'GIT_DEPTH: 0'",
		kind: ErrShallow,
	}
}

// peel gives the commit that an object leads to: itself, or what a tag names.
func (r *Repo) peel(h Hash, rev string) (*Commit, error) {
	for range 10 {
		tag, err := r.object(plumbing.TagObject, h)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _, _ := strings.Cut(string(tag), "\n")
		if h, err = parseHash(strings.TrimPrefix(line, "object ")); err != nil {
			return nil, err
		}
	}
	c, err := r.Commit(h)
	if errors.Is(err, plumbing.ErrObjectNotFound) && r.has(h) {
		return nil, notFound("%s is not a commit", rev)
	}
	return c, err
}

// name gives the object that a name without ~ and ^ stands for.
func (r *Repo) name(name string) (Hash, error) {
	for _, suffix := range []string{"@{upstream}", "@{u}"} {
		if branch, ok := strings.CutSuffix(name, suffix); ok {
			return r.upstream(branch)
		}
	}
	switch {
	case name == "":
		return Hash{}, notFound("an empty name is not a revision")
	case name == "@":
		name = "HEAD"
	case strings.Contains(name, "@{"):
		return Hash{}, notFound("%q asks for an earlier state of a branch, which zave does not know", name)
	case strings.Contains(name, ":"):
		return Hash{}, notFound("%q names a file, and not a commit", name)
	}
	if len(name) == 40 {
		if h, err := parseHash(name); err == nil {
			if r.has(h) {
				return h, nil
			}
			if r.Shallow() {
				return Hash{}, cutOff(fmt.Sprintf("the commit %s is not in this shallow clone", name))
			}
			return Hash{}, notFound("there is no commit %s here", name)
		}
	}
	if h, ok, err := r.ref(name); ok || err != nil {
		return h, err
	}
	if name == "HEAD" {
		return Hash{}, &Error{Text: "there is no commit yet", Hint: "commit something first", kind: ErrUnbornHead}
	}
	h, ok, err := r.short(name)
	if ok || err != nil {
		return h, err
	}
	text := fmt.Sprintf("there is no revision %q", name)
	if r.Shallow() {
		return Hash{}, cutOff(text + " in this shallow clone")
	}
	return Hash{}, notFound("%s", text)
}

// ref looks a name up as gitrevisions(7) says: the first of six places.
func (r *Repo) ref(name string) (Hash, bool, error) {
	for _, format := range []string{"%s", "refs/%s", "refs/tags/%s", "refs/heads/%s", "refs/remotes/%s",
		"refs/remotes/%s/HEAD"} {
		full := fmt.Sprintf(format, name)
		if format == "%s" && !strings.HasPrefix(name, "refs/") && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
			continue // such as "config": not a reference, and a file nevertheless
		}
		h, _, ok, err := r.follow(full)
		if ok || err != nil {
			return h, ok, err
		}
	}
	return Hash{}, false, nil
}

// follow gives the object that a reference leads to, and the last reference on the way.
func (r *Repo) follow(full string) (h Hash, last string, ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := plumbing.ReferenceName(full)
	for range 10 {
		ref, err := r.refs.Reference(at)
		switch {
		case errors.Is(err, plumbing.ErrReferenceNotFound), errors.Is(err, dotgit.ErrReferenceNameEscape):
			return Hash{}, string(at), false, nil
		case err != nil:
			return Hash{}, string(at), false, fmt.Errorf("read %s: %w", at, err)
		case ref.Type() == plumbing.HashReference:
			return Hash(ref.Hash()), string(at), true, nil
		}
		at = ref.Target()
	}
	return Hash{}, string(at), false, &Error{Text: fmt.Sprintf("the reference %s leads in a circle", full)}
}

// short finds the object whose name begins with at least four hexadecimal digits.
func (r *Repo) short(digits string) (Hash, bool, error) {
	digits = strings.ToLower(digits)
	if len(digits) < 4 || len(digits) > 40 || strings.Trim(digits, "0123456789abcdef") != "" {
		return Hash{}, false, nil
	}
	prefix, err := hex.DecodeString(digits[:len(digits)&^1])
	if err != nil {
		return Hash{}, false, nil
	}
	var found []Hash
	r.mu.Lock()
	for _, s := range r.objects {
		hashes, err := s.HashesWithPrefix(prefix)
		if err != nil {
			r.mu.Unlock()
			return Hash{}, false, err
		}
		for _, h := range hashes {
			if strings.HasPrefix(h.String(), digits) && !slices.Contains(found, Hash(h)) {
				found = append(found, Hash(h))
			}
		}
	}
	r.mu.Unlock()
	if len(found) > 1 { // only commits and tags are meant
		found = slices.DeleteFunc(found, func(h Hash) bool {
			_, err := r.peel(h, digits)
			return err != nil
		})
	}
	switch len(found) {
	case 0:
		return Hash{}, false, nil
	case 1:
		return found[0], true, nil
	}
	return Hash{}, false, notFound("%s is the beginning of %d commits: give more digits", digits, len(found))
}

// upstream gives what a branch is set to follow.
func (r *Repo) upstream(branch string) (Hash, error) {
	if branch == "" || branch == "@" || branch == "HEAD" {
		head, err := r.Branch()
		if err != nil {
			return Hash{}, err
		}
		if branch = head; branch == "" {
			return Hash{}, notFound("HEAD is not on a branch, and so follows none")
		}
	}
	cfg, err := readConfig(filepath.Join(r.commonDir, "config"))
	if err != nil {
		return Hash{}, err
	}
	section := cfg.Section("branch").Subsection(branch)
	remote, merge := section.Option("remote"), section.Option("merge")
	if remote == "" || merge == "" {
		return Hash{}, notFound("the branch %s follows no other", branch)
	}
	full := merge
	if remote != "." {
		full = "refs/remotes/" + remote + "/" + strings.TrimPrefix(merge, "refs/heads/")
	}
	h, _, ok, err := r.follow(full)
	if err == nil && !ok {
		err = notFound("the branch %s follows %s, which is not here", branch, full)
	}
	return h, err
}

// Branch gives the branch that HEAD is on, without refs/heads/; empty where it is on none.
func (r *Repo) Branch() (string, error) {
	_, last, _, err := r.follow("HEAD")
	if err != nil {
		return "", err
	}
	name, ok := strings.CutPrefix(last, "refs/heads/")
	if !ok {
		return "", nil
	}
	return name, nil
}

// Head gives the commit that HEAD is at; nil where there is none yet.
func (r *Repo) Head() (*Commit, error) {
	c, err := r.Resolve("HEAD")
	if errors.Is(err, ErrUnbornHead) {
		return nil, nil
	}
	return c, err
}

// MainBranch finds the branch that changes are made against: what the remote's HEAD is, or else main, or master, on the
// remote or here. The name is as people type it: "origin/main".
func (r *Repo) MainBranch() (name string, c *Commit, err error) {
	_, last, ok, err := r.follow("refs/remotes/origin/HEAD")
	if err != nil {
		return "", nil, err
	}
	candidates := []string{"refs/remotes/origin/main", "refs/heads/main", "refs/remotes/origin/master",
		"refs/heads/master"}
	if ok {
		candidates = append([]string{last}, candidates...)
	}
	for _, full := range candidates {
		h, _, ok, err := r.follow(full)
		if err != nil {
			return "", nil, err
		}
		if !ok {
			continue
		}
		name := strings.TrimPrefix(strings.TrimPrefix(full, "refs/remotes/"), "refs/heads/")
		c, err := r.peel(h, name)
		return name, c, err
	}
	hint := "name the base: 'zave diff BASE', or the main branch with --main"
	if r.Shallow() {
		hint = "fetch it: 'git fetch origin main', in GitHub Actions with 'fetch-depth: 0' for actions/checkout; or " + hint
	}
	return "", nil, &Error{
		Text: "there is no main branch: neither origin/HEAD nor main nor master is here", Hint: hint, kind: ErrNotFound,
	}
}

// MergeBase gives the best common ancestor of two commits, the youngest where there are several. Where none is found
// and the history is cut off, the error is ErrShallow: there may be one.
func (r *Repo) MergeBase(a, b *Commit) (*Commit, error) {
	if a.Hash == b.Hash {
		return a, nil
	}
	// As git's paint_down_to_common does it: the youngest commit first, each side in its colour, until all that is left
	// lies behind what both sides have.
	const (
		left = 1 << iota
		right
		stale
		listed
	)
	colour := map[Hash]int{a.Hash: left, b.Hash: right}
	queue := &commits{a, b}
	heap.Init(queue)
	var found []*Commit
	cut := false
	fresh := func() bool {
		return slices.ContainsFunc(*queue, func(c *Commit) bool { return colour[c.Hash]&stale == 0 })
	}
	for queue.Len() > 0 && fresh() {
		c := heap.Pop(queue).(*Commit)
		cut = cut || r.shallow[c.Hash]
		paint := colour[c.Hash] & (left | right | stale)
		if paint == left|right {
			if colour[c.Hash]&listed == 0 {
				colour[c.Hash] |= listed
				found = append(found, c)
			}
			paint |= stale
		}
		for _, p := range c.Parents {
			if colour[p]&paint == paint {
				continue
			}
			colour[p] |= paint
			parent, err := r.Commit(p)
			if err != nil {
				return nil, err
			}
			heap.Push(queue, parent)
		}
	}
	// With clocks that went wrong, a commit is found before one that comes after it.
	found = slices.DeleteFunc(found, func(c *Commit) bool { return colour[c.Hash]&stale != 0 })
	for i := 0; i < len(found) && len(found) > 1; {
		older, err := r.behind(found[i], found)
		if err != nil {
			return nil, err
		}
		if older {
			found = slices.Delete(found, i, i+1)
		} else {
			i++
		}
	}
	if len(found) > 0 {
		return slices.MaxFunc(found, func(a, b *Commit) int { return int(min(max(a.when-b.when, -1), 1)) }), nil
	}
	if cut {
		return nil, cutOff(fmt.Sprintf("%s and %s have no common ancestor in this shallow clone", a.Short(), b.Short()))
	}
	return nil, &Error{
		Text: fmt.Sprintf("%s and %s have no common ancestor", a.Short(), b.Short()),
		Hint: "name the base to compare with: 'zave diff BASE'", kind: ErrUnrelated,
	}
}

// Behind tells whether a commit is the other one or an ancestor of it. What a shallow clone has cut off is none.
func (r *Repo) Behind(a, b *Commit) (bool, error) {
	if a.Hash == b.Hash {
		return true, nil
	}
	return r.behind(a, []*Commit{b})
}

// behind tells whether a commit is an ancestor of another one of these.
func (r *Repo) behind(c *Commit, others []*Commit) (bool, error) {
	seen, queue := map[Hash]bool{}, []Hash{}
	for _, o := range others {
		if o.Hash != c.Hash {
			queue = append(queue, o.Parents...)
		}
	}
	for len(queue) > 0 {
		h := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if h == c.Hash {
			return true, nil
		}
		if seen[h] {
			continue
		}
		seen[h] = true
		o, err := r.Commit(h)
		if err != nil {
			return false, err
		}
		queue = append(queue, o.Parents...)
	}
	return false, nil
}

// commits is a heap with the youngest commit on top.
type commits []*Commit

func (q commits) Len() int { return len(q) }
func (q commits) Less(i, j int) bool {
	if q[i].when != q[j].when {
		return q[i].when > q[j].when
	}
	return bytes.Compare(q[i].Hash[:], q[j].Hash[:]) < 0
}
func (q commits) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *commits) Push(c any)   { *q = append(*q, c.(*Commit)) }
func (q *commits) Pop() any {
	old := *q
	c := old[len(old)-1]
	*q = old[:len(old)-1]
	return c
}
