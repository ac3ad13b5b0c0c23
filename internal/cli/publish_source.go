package cli

import (
	"strings"
	"time"

	"github.com/zavestudios/zave/internal/gitrepo"
	"github.com/zavestudios/zave/internal/gitrepo/remote"
)

// published is what a commit in the GitOps repository says of the specs that it was made of.
type published struct {
	commit string    // of the specs
	kept   []string  // commits of the specs that parts were left of which the former does not come from
	when   time.Time // the specs were committed
}

const (
	sourceTrailer  = "Zave-Source"
	versionTrailer = "Zave-Version"
	keptTrailer    = "Zave-Source-Kept"
)

// publishedBy reads what a commit says; nil where it says nothing.
func (p *publication) publishedBy(h *remote.Head) (*published, error) {
	said, err := latestOf(publications(h.Message), p.platform)
	if said == "" || err != nil {
		return nil, err
	}
	out := &published{when: h.Author.When}
	_, out.commit, _ = cutLast(trailer(said, sourceTrailer), "@")
	for _, value := range trailers(said, keptTrailer) {
		_, commit, _ := cutLast(value, "@")
		out.kept = append(out.kept, commit)
	}
	return out, nil
}

// publications gives the paragraphs of a message that say where a tree is from. A commit of ours has one: the trailers
// (git-interpret-trailers(1)), which are the last paragraph, and not the first. A forge that squashes a branch lists the
// whole messages of its commits, GitHub the latest last and GitLab the latest first, and may say behind it who wrote them.
func publications(message string) (all []string) {
	text := strings.ReplaceAll("\n"+message, "\r\n", "\n")
	for _, p := range strings.Split(text, "\n\n")[1:] {
		if trailer(p, sourceTrailer) != "" {
			all = append(all, p)
		}
	}
	return all
}

// latestOf gives the paragraph whose source all the others' come from, as far as that is known here: else the last one.
func latestOf(all []string, p *platformRepo) (string, error) {
	if len(all) == 0 {
		return "", nil
	}
	latest := all[len(all)-1]
	if p == nil || p.repo == nil {
		return latest, nil
	}
	commit := func(paragraph string) *gitrepo.Commit {
		_, name, _ := cutLast(trailer(paragraph, sourceTrailer), "@")
		c, err := p.repo.Resolve(name)
		if err != nil { // which is said of the one that counts
			return nil
		}
		return c
	}
	for _, other := range all[:len(all)-1] {
		old, c := commit(latest), commit(other)
		if old == nil || c == nil || old.Hash == c.Hash {
			continue
		}
		newer, err := p.repo.Behind(old, c)
		if err != nil {
			return "", err
		}
		if newer {
			latest = other
		}
	}
	return latest, nil
}

// trailer gives the last value of a trailer in a paragraph; empty: there is none.
func trailer(paragraph, key string) string {
	all := trailers(paragraph, key)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

func trailers(paragraph, key string) (values []string) {
	for line := range strings.Lines(paragraph) {
		if name, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, key) {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}
