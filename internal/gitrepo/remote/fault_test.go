package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zavestudios/zave/internal/tree"
)

// cutter is a network that fails after a number of bytes, both directions together, and is then gone for good, or
// comes back.
type cutter struct {
	left  atomic.Int64
	stays bool // later connections work again
	cut   atomic.Bool
}

var errCut = errors.New("the cable is cut")

func (c *cutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	broken := c.cut.Load()
	if broken && !c.stays {
		return nil, errCut
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil || broken {
		return conn, err
	}
	return &cutConn{conn, c}, nil
}

type cutConn struct {
	net.Conn
	c *cutter
}

// take gives how many of n bytes still pass.
func (c *cutConn) take(n int) int {
	left := c.c.left.Add(int64(-n))
	if left >= 0 {
		return n
	}
	c.c.cut.Store(true)
	return max(0, n+int(left))
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if passed := c.take(n); passed < n {
		c.Conn.Close()
		return passed, errCut
	}
	return n, err
}

func (c *cutConn) Write(p []byte) (int, error) {
	passed := c.take(len(p))
	n, err := c.Conn.Write(p[:passed])
	if passed < len(p) {
		c.Conn.Close()
		return n, errCut
	}
	return n, err
}

// TestCut cuts the connection of a push at every step of the exchange. The branch is where it was, or has the whole
// commit; the error tells which; and the next push works.
func TestCut(t *testing.T) {
	bare := bareRepo(t, map[string]string{"counter": "start", "d/other": "o"})
	for _, p := range places(t, bare)[2:] {
		t.Run(p.name, func(t *testing.T) {
			sound := mustOpen(t, p)
			attempt := func(limit int64, stays bool) (used int64) {
				t.Helper()
				s, err := sound.Fetch(t.Context(), "main")
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				noise := make([]byte, 1500)
				for i := range noise {
					noise[i] = byte(rand.IntN(256))
				}
				c := change(fmt.Sprintf("cut after %d", limit))
				c.Write = []File{{"counter", noise}, {"e/f/new", fmt.Append(nil, limit)}}
				commit := mustCommit(t, s, c)
				cable := &cutter{stays: stays}
				cable.left.Store(limit)
				cut := p
				cut.options.Dial = cable.dial
				err = mustOpen(t, cut).Push(t.Context(), "main", s.Hash, commit)
				now, e := sound.Head(t.Context(), "main")
				if e != nil {
					t.Fatal(e)
				}
				// A server that has lost its client may still be at work: it has what it needs.
				for wait := time.Now().Add(300 * time.Millisecond); errors.Is(err, ErrInterrupted) && now != commit.Hash && time.Now().Before(wait); {
					time.Sleep(50 * time.Millisecond)
					if now, e = sound.Head(t.Context(), "main"); e != nil {
						t.Fatal(e)
					}
				}
				switch {
				case now != commit.Hash && now != s.Hash:
					t.Errorf("after %d bytes, the branch is at %s", limit, now)
				case err == nil && now != commit.Hash:
					t.Errorf("after %d bytes, the push went well, and the branch is as it was", limit)
				case err != nil && !errors.Is(err, ErrInterrupted) && !errors.Is(err, ErrUnclear) && !errors.Is(err, ErrUnreachable):
					t.Errorf("after %d bytes: %v", limit, err)
				case errors.Is(err, ErrUnreachable) && now == commit.Hash:
					t.Errorf("after %d bytes, the push gives %v, and the commit is there", limit, err)
				}
				landed, e := sound.Landed(t.Context(), "main", commit.Hash)
				if landed && now != commit.Hash { // the server was at work until now
					now, e = sound.Head(t.Context(), "main")
				}
				if e != nil || landed != (now == commit.Hash) {
					t.Errorf("after %d bytes, landed is %v, %v", limit, landed, e)
				}
				if out := git(t, bare, "fsck", "--strict", "--connectivity-only"); strings.Contains(out, "error") || strings.Contains(out, "missing") {
					t.Errorf("after %d bytes: %s", limit, out)
				}
				if err != nil && now == s.Hash {
					err := sound.Push(t.Context(), "main", s.Hash, commit)
					if errors.Is(err, ErrRaced) { // by the push that was cut
						if landed, e := sound.Landed(t.Context(), "main", commit.Hash); landed && e == nil {
							err = nil
						}
					}
					if err != nil {
						t.Errorf("after %d bytes, the next push gives %v", limit, err)
					}
				}
				return limit - cable.left.Load()
			}
			whole := attempt(1<<30, true)
			const steps = 20
			for i := range int64(steps) {
				attempt(i*whole/steps+rand.Int64N(whole/steps), i%2 == 0)
			}
			for i := range int64(8) { // the end, where the answer is lost
				attempt(whole-1-i*40, i%2 == 0)
			}
			clone(t, bare, "main")
		})
	}
}

// TestCutFetch cuts the connection of a fetch: it fails, or has all.
func TestCutFetch(t *testing.T) {
	files := map[string]string{}
	for i := range 50 {
		files[fmt.Sprintf("d%d/f%d", i%5, i)] = strings.Repeat(fmt.Sprint(i, " "), i)
	}
	bare := bareRepo(t, files)
	git(t, bare, "config", "uploadpack.allowFilter", "true")
	git(t, bare, "config", "uploadpack.allowAnySHA1InWant", "true")
	for _, p := range places(t, bare)[2:] {
		read := func(cable *cutter) error {
			cut := p
			cut.options.Dial = cable.dial
			s, err := mustOpen(t, cut).Fetch(t.Context(), "main")
			if err != nil {
				return err
			}
			defer s.Close()
			listed, err := s.List(".")
			if err != nil {
				return err
			}
			if err := s.Need(t.Context(), listed); err != nil {
				return err
			}
			for _, f := range listed {
				data, err := s.Read(f)
				if err != nil {
					return err
				}
				if string(data) != files[f.Path] {
					t.Errorf("%s: %s has %q", p.name, f.Path, data)
				}
			}
			if len(listed) != len(files) {
				t.Errorf("%s: listed %d files", p.name, len(listed))
			}
			return nil
		}
		cable := &cutter{}
		cable.left.Store(1 << 30)
		if err := read(cable); err != nil {
			t.Fatal(err)
		}
		whole := 1<<30 - cable.left.Load()
		for i := range int64(20) {
			cable := &cutter{}
			limit := i*whole/20 + rand.Int64N(whole/20)
			cable.left.Store(limit)
			if err := read(cable); err != nil && !errors.Is(err, ErrUnreachable) || err == nil && limit < whole*9/10 {
				t.Errorf("%s, cut after %d of %d bytes: %v", p.name, limit, whole, err)
			}
		}
	}
}

// TestCancelled ends a push that waits for a server which says nothing.
func TestCancelled(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := serveSSH(t)
	for _, scheme := range []string{"http", "ssh"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		start := time.Now()
		_, err := mustOpen(t, place{at: scheme + "://" + silent.Addr().String() + "/x", options: s.options}).Fetch(ctx, "main")
		if err == nil || time.Since(start) > 20*time.Second {
			t.Errorf("%s: %v after %v", scheme, err, time.Since(start))
		}
		cancel()
		if _, err = mustOpen(t, place{at: scheme + "://" + silent.Addr().String() + "/x", options: s.options}).Fetch(ctx, "main"); err == nil {
			t.Errorf("%s: a fetch that has ended before it began", scheme)
		}
	}
}

// TestRace has eight publishers push in a loop, each to a file of its own and to one of all. Nothing is lost.
func TestRace(t *testing.T) {
	for i, rounds := range []int{4, 0, 2, 2} { // by place; file is path
		if rounds == 0 {
			continue
		}
		bare := bareRepo(t, map[string]string{"shared": ""})
		p := places(t, bare)[i]
		t.Run(p.name, func(t *testing.T) {
			const publishers = 8
			var all sync.WaitGroup
			var lost atomic.Int64
			for who := range publishers {
				all.Go(func() {
					r := mustOpen(t, p)
					for round := range rounds {
						if err := publishLine(t.Context(), r, who, round, &lost); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			got := clone(t, bare, "main")
			if lines := strings.Count(got["shared"], "\n"); lines != publishers*rounds {
				t.Errorf("%d lines, want %d", lines, publishers*rounds)
			}
			for who := range publishers {
				for round := range rounds {
					if !strings.Contains(got["shared"], fmt.Sprintf("%d/%d\n", who, round)) {
						t.Errorf("the line of %d, round %d is lost", who, round)
					}
				}
				if got[fmt.Sprintf("own/%d", who)] != fmt.Sprint(rounds-1) {
					t.Errorf("the file of %d has %q", who, got[fmt.Sprintf("own/%d", who)])
				}
			}
			if n := git(t, bare, "rev-list", "--count", "main"); n != fmt.Sprint(1+publishers*rounds) {
				t.Errorf("%s commits, want %d", n, 1+publishers*rounds)
			}
			if merges := git(t, bare, "rev-list", "--merges", "main"); merges != "" {
				t.Errorf("merges: %s", merges)
			}
			if lost.Load() == 0 {
				t.Error("nobody was ever late: the test shows nothing")
			}
		})
	}
}

// publishLine adds a line to the file of all, until it is there.
func publishLine(ctx context.Context, r *Remote, who, round int, lost *atomic.Int64) error {
	for {
		err := func() error {
			s, err := r.Fetch(ctx, "main")
			if err != nil {
				return err
			}
			defer s.Close()
			listed, err := s.List("shared")
			if err != nil {
				return err
			}
			data, err := s.Read(tree.Stored(listed[0]))
			if err != nil {
				return err
			}
			c := change(fmt.Sprintf("%d/%d", who, round))
			c.Write = []File{{"shared", fmt.Appendf(data, "%d/%d\n", who, round)}, {fmt.Sprintf("own/%d", who), fmt.Append(nil, round)}}
			commit, err := NewCommit(s, c)
			if err != nil {
				return err
			}
			return r.Push(ctx, "main", s.Hash, commit)
		}()
		if !errors.Is(err, ErrRaced) {
			return err
		}
		lost.Add(1)
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
	}
}
