package remote

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/gitrepo"
)

const (
	uploadPack  = "git-upload-pack"
	receivePack = "git-receive-pack"
)

// way carries the pack protocol to a server.
type way interface {
	// start begins a service. Its errors are sentences.
	start(ctx context.Context, service string) (exchange, error)
}

// exchange is one request and its answer. Errors of reading are as they come.
type exchange interface {
	io.Closer
	// advertisement is what the server says first.
	advertisement() io.Reader
	// send gives the answer to a request.
	send(request []byte) (io.Reader, error)
	// complaint is what the server says beside the protocol; it may be empty.
	complaint() string
}

// wire is a repository behind the pack protocol, version 0 (gitprotocol-pack(5)): of all versions the one that every
// server speaks, for pushes the only one.
type wire struct {
	at      address
	way     way
	secrets []string // never to be shown, whatever a server says
}

// start begins a service and reads what the server has.
func (w *wire) start(ctx context.Context, service string) (exchange, *packp.AdvRefs, error) {
	x, err := w.way.start(ctx, service)
	if err != nil {
		return nil, nil, err
	}
	adv := packp.NewAdvRefs()
	answer := &beginning{from: x.advertisement()}
	if err := adv.Decode(answer); err != nil && !errors.Is(err, packp.ErrEmptyAdvRefs) {
		defer x.Close()
		if ctx.Err() != nil {
			return nil, nil, explain(context.Cause(ctx), w.at.text)
		}
		if answer.cut() {
			err = io.ErrUnexpectedEOF
		}
		return nil, nil, w.refused(err, x.complaint())
	}
	if format := adv.Capabilities.Get(capability.Capability("object-format")); len(format) > 0 && format[0] != "sha1" {
		x.Close()
		return nil, nil, fail(ErrNoRepo, "'git init --object-format=sha1' makes one that it uses",
			"%s names its objects by %s, and zave uses SHA-1 alone", w.at.text, diag.Visible(format[0]))
	}
	return x, adv, nil
}

// beginning is a reader that knows how what it read began, and whether that ended.
type beginning struct {
	from  io.Reader
	first []byte // at most four bytes
	ended bool
}

func (b *beginning) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.first = append(b.first, p[:min(n, 4-len(b.first))]...)
	b.ended = b.ended || err != nil
	return n, err
}

// cut tells of what could not be understood that it may have begun as git servers begin, with the length of a line in
// four hexadecimal digits (gitprotocol-common, "pkt-line Format"), and then ended.
func (b *beginning) cut() bool {
	return b.ended && !slices.ContainsFunc(b.first, func(c byte) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) })
}

// refused makes a sentence of an advertisement that is none.
func (w *wire) refused(err error, complaint string) error {
	var line *pktline.ErrorLine
	if errors.As(err, &line) {
		complaint += "\n" + line.Text
	}
	text := said(complaint, w.secrets)
	low := strings.ToLower(text)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(low, p) })
	}
	const look = "look at the path in the address, and at what the credentials may see"
	switch {
	case has("does not appear to be a git repository", "not found", "does not exist", "could not be found", "no such"):
		return fail(ErrNoRepo, look, "there is no repository %s: %s", w.at.text, text)
	case has("denied", "not allowed", "forbidden", "permission", "unauthorized", "read-only"):
		return fail(ErrCredentials, look, "%s does not let these credentials in: %s", w.at.text, text)
	case text != "":
		return fail(ErrUnreachable, "", "%s says: %s", w.at.text, text)
	case errors.Is(err, packp.ErrEmptyInput):
		return explain(io.ErrUnexpectedEOF, w.at.text)
	}
	var bad *packp.ErrUnexpectedData
	if errors.As(err, &bad) || errors.Is(err, pktline.ErrInvalidPktLen) {
		return notGit(w.at.text, "does not answer")
	}
	return explain(err, w.at.text)
}

func branches(adv *packp.AdvRefs) tips {
	t := tips{of: map[string]Hash{}}
	for name, h := range adv.References {
		if branch, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			t.of[branch] = Hash(h)
		}
	}
	for _, symbolic := range adv.Capabilities.Get(capability.SymRef) {
		if branch, ok := strings.CutPrefix(symbolic, "HEAD:refs/heads/"); ok {
			t.first = branch
		}
	}
	return t
}

func (w *wire) tips(ctx context.Context, _ string) (tips, error) {
	x, adv, err := w.start(ctx, uploadPack)
	if err != nil {
		return tips{}, err
	}
	return branches(adv), x.Close()
}

// fetch reads the branch's tip. The server is asked for it within the exchange in which it says what that is: a moment
// later, it may have moved on and give it no more.
func (w *wire) fetch(ctx context.Context, branch string, depth int) (s *Snapshot, err error) {
	dir, err := scratch()
	if err != nil {
		return nil, explain(err, w.at.text)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	var tip Hash
	whole, err := w.receive(ctx, dir, depth, packp.FilterBlobNone(), func(t tips) ([]Hash, error) {
		tip, err = t.tip(w.at, branch)
		return []Hash{tip}, err
	})
	if errors.Is(err, ErrRaced) {
		// Nobody was first where the branch has not moved: the commit is damaged there, or not on each of its servers yet.
		if t, e := w.tips(ctx, branch); e == nil && t.of[branch] == tip {
			err = fail(ErrInterrupted, "try again; if it stays so, 'git fsck' in the repository there says what is wrong",
				"%s says that its branch %s is at %s, and does not give that commit", w.at.text, branch, tip)
		}
	}
	if err != nil {
		return nil, err
	}
	repo, err := openScratch(dir)
	if err != nil {
		return nil, err
	}
	if s, err = open(ctx, repo, w.at, tip); err != nil {
		repo.Close()
		return nil, err
	}
	s.wire, s.dir, s.branch, s.whole = w, dir, branch, whole
	return s, nil
}

func openScratch(dir string) (*gitrepo.Repo, error) {
	return gitrepo.Open(dir, gitrepo.Options{Environ: []string{"GIT_DIR=" + dir}})
}

// more fetches blobs of a snapshot, whose lock is held: those alone, or all of its commit where the server does not let
// objects be asked for by name.
func (w *wire) more(ctx context.Context, s *Snapshot, blobs []Hash) error {
	_, err := w.receive(ctx, s.dir, 0, "", func(tips) ([]Hash, error) { return blobs, nil })
	if errors.Is(err, errNotByName) {
		_, err = w.receive(ctx, s.dir, 1, "", func(t tips) ([]Hash, error) {
			if t.of[s.branch] != s.Hash {
				return nil, raced(w.at, s.branch)
			}
			return []Hash{s.Hash}, nil
		})
		s.whole = err == nil
	}
	if err != nil {
		return err
	}
	repo, err := openScratch(s.dir) // it lists the packs once
	if err != nil {
		return err
	}
	s.repo.Close()
	s.repo = repo
	return nil
}

var errNotByName = errors.New("the server gives no objects by name")

// receive fetches objects into a git directory, and tells whether all below them came, or what the filter let through.
// A depth of 0 asks for single objects, which are not the tips of branches.
func (w *wire) receive(
	ctx context.Context, dir string, depth int, filter packp.Filter, choose func(tips) ([]Hash, error),
) (whole bool, err error) {
	x, adv, err := w.start(ctx, uploadPack)
	if err != nil {
		return false, err
	}
	defer x.Close()
	wants, err := choose(branches(adv))
	if err != nil {
		return false, err
	}
	caps := adv.Capabilities
	req := packp.NewUploadRequest()
	for _, c := range []capability.Capability{capability.OFSDelta, capability.NoProgress, capability.Sideband64k, capability.Shallow} {
		if caps.Supports(c) {
			req.Capabilities.Set(c)
		}
	}
	switch {
	case !caps.Supports(capability.Sideband64k), !caps.Supports(capability.Shallow):
		return false, fail(ErrUnreachable, "", "%s is a git server too old for zave: it lacks side-band-64k or shallow", w.at.text)
	case depth == 0 && !caps.Supports(capability.AllowReachableSHA1InWant) && !caps.Supports("allow-any-sha1-in-want"):
		return false, errNotByName
	case filter != "" && caps.Supports(capability.Filter):
		req.Capabilities.Set(capability.Filter)
		req.Filter = filter
	default:
		whole = true
	}
	req.Capabilities.Set(capability.Agent, agentName)
	for _, h := range wants {
		req.Wants = append(req.Wants, plumbing.Hash(h))
	}
	req.Depth = packp.DepthCommits(depth)
	var request bytes.Buffer
	if err := req.Encode(&request); err != nil {
		return false, err
	}
	if err := pktline.NewEncoder(&request).EncodeString("done\n"); err != nil {
		return false, err
	}
	messages := &limited{most: 64 << 10}
	broken := func(err error) error {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		var line *pktline.ErrorLine
		if errors.As(err, &line) {
			if depth == 0 {
				return errNotByName
			}
			if strings.Contains(line.Text, "not our ref") { // over HTTP, the server forgets what it has just said
				return fail(ErrRaced, "run it again", "a branch of %s was changed while it was read", w.at.text)
			}
			return fail(ErrUnreachable, "look at the server", "%s says: %s", w.at.text, said(line.Text, w.secrets))
		}
		if text, ok := strings.CutPrefix(rootOf(err), "unexpected error: "); ok { // so the demuxer passes on what ends the server
			return fail(ErrCorrupt, "look at the server; 'git fsck' in the repository there says what is wrong",
				"%s cannot give its objects: %s", w.at.text, said(messages.String()+"\n"+strings.TrimRight(text, "\x00\n."), w.secrets))
		}
		return explain(err, w.at.text)
	}
	answer, err := x.send(request.Bytes())
	if err != nil {
		return false, broken(err)
	}
	for lines := pktline.NewScanner(answer); ; { // the end of the history, and that nothing is in common
		if !lines.Scan() {
			return false, broken(cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
		}
		if line := string(lines.Bytes()); strings.HasPrefix(line, "NAK") || strings.HasPrefix(line, "ACK ") {
			break
		}
	}
	pack := sideband.NewDemuxer(sideband.Sideband64k, answer)
	pack.Progress = messages
	err = packStore(dir, func(to io.Writer) error {
		n, err := io.Copy(to, pack)
		if n == 0 && err == nil {
			return io.ErrUnexpectedEOF
		}
		return err
	})
	if err != nil {
		return false, broken(fmt.Errorf("read the objects that it sends: %w", err))
	}
	return whole, nil
}

const agentName = "zave"

func (w *wire) push(ctx context.Context, branch string, old Hash, c *Commit) error {
	x, adv, err := w.start(ctx, receivePack)
	if err != nil {
		return err
	}
	defer x.Close()
	switch now := branches(adv).of[branch]; now {
	case c.Hash:
		return nil
	case old:
	default:
		return raced(w.at, branch)
	}
	caps := adv.Capabilities
	if !caps.Supports(capability.ReportStatus) {
		return fail(ErrUnreachable, "", "%s is a git server too old for zave: it lacks report-status", w.at.text)
	}
	req := packp.NewReferenceUpdateRequest()
	req.Capabilities.Set(capability.ReportStatus)
	req.Capabilities.Set(capability.Agent, agentName)
	for _, c := range []capability.Capability{capability.Sideband64k, capability.Quiet} {
		if caps.Supports(c) {
			req.Capabilities.Set(c)
		}
	}
	req.Commands = []*packp.Command{{
		Name: plumbing.NewBranchReferenceName(branch), Old: plumbing.Hash(old), New: plumbing.Hash(c.Hash),
	}}
	var request bytes.Buffer
	if err := req.Encode(&request); err != nil {
		return err
	}
	if _, err := c.pack(&request, !caps.Supports("no-thin"), nil); err != nil {
		return err
	}
	messages := &limited{most: 64 << 10}
	interrupted := func(err error) error {
		if isOurs(err) {
			return err
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		why := said(messages.String()+"\n"+x.complaint(), w.secrets)
		if why == "" {
			why = strings.Replace(diag.Visible(explain(err, w.at.text).Error()), w.at.text, "it", 1)
		}
		return fail(ErrInterrupted, "try again; if it stays so, look at the network, the proxy and the server",
			"the push to %s broke off, and the branch %s is as it was: %s", w.at.text, branch, why)
	}
	answer, err := x.send(request.Bytes())
	if err != nil {
		return interrupted(err)
	}
	if caps.Supports(capability.Sideband64k) {
		d := sideband.NewDemuxer(sideband.Sideband64k, answer)
		d.Progress = messages
		answer = d
	}
	report := packp.NewReportStatus()
	if err := report.Decode(answer); err != nil {
		return interrupted(err)
	}
	io.Copy(io.Discard, answer) // what the hooks say may come after the report, which stands whatever becomes of them
	if report.Error() == nil && len(report.CommandStatuses) == 1 {
		return nil
	}
	return w.declined(branch, report, said(messages.String()+"\n"+x.complaint(), w.secrets))
}

// declined makes a sentence of a report that all did not go well.
func (w *wire) declined(branch string, report *packp.ReportStatus, messages string) error {
	if report.UnpackStatus != "ok" {
		why := said(report.UnpackStatus, w.secrets)
		if messages != "" {
			why += ": " + messages
		}
		if strings.Contains(strings.ToLower(why), "no space left") {
			return fail(ErrDiskFull, "make room on the server", "%s has no space left for the commit: %s", w.at.text, why)
		}
		return fail(ErrDeclined, "look at the server, and at what it logs", "%s could not take the commit: %s", w.at.text, why)
	}
	if len(report.CommandStatuses) != 1 {
		return fail(ErrDeclined, "look at the server, and at what it logs", "%s reported of %d branches, where one was pushed",
			w.at.text, len(report.CommandStatuses))
	}
	why := said(report.CommandStatuses[0].Status, w.secrets)
	if messages != "" {
		why += ": " + messages
	}
	return fail(ErrDeclined, "push to a review branch and open a pull request, or have the rule changed for whoever publishes",
		"%s declined the change of the branch %s: %s", w.at.text, branch, why)
}

// limited keeps the beginning of what is written to it.
type limited struct {
	bytes.Buffer
	most int
}

func (l *limited) Write(p []byte) (int, error) {
	if room := l.most - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}
