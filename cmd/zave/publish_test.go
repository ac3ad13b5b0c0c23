package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
)

// gitBackend serves a directory by git http-backend, to who says the password.
func gitBackend(root, password string) (http.Handler, error) {
	out, err := exec.Command("git", "--exec-path").Output()
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env: []string{
			"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=zave", "GIT_CONFIG_COUNT=1",
			"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
		Stderr: io.Discard,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(r.Body) // the backend would wait forever for the rest of a request that was cut off
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		backend.ServeHTTP(w, r)
	}), err
}

// githttp serves the script's directory over HTTP, to who says the password, at $GIT_URL: githttp PASSWORD [FILE]. With a
// file, it says what it has, and then answers with the file instead of giving or taking it.
func githttp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: githttp PASSWORD [FILE]")
	}
	backend, err := gitBackend(ts.Getenv("WORK"), args[0])
	ts.Check(err)
	handler := backend
	if len(args) == 2 {
		answer := ts.ReadFile(args[1])
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				io.Copy(io.Discard, r.Body) // the answer is not to overtake the question
				io.WriteString(w, answer)
				return
			}
			backend.ServeHTTP(w, r)
		})
	}
	server := httptest.NewServer(handler)
	ts.Defer(server.Close)
	ts.Setenv("GIT_URL", server.URL)
}

// webpage answers every request with a file, at $WEB_URL: webpage TYPE FILE.
func webpage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: webpage TYPE FILE")
	}
	page := ts.ReadFile(args[1])
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", args[0])
		io.WriteString(w, page)
	}))
	ts.Defer(server.Close)
	ts.Setenv("WEB_URL", server.URL)
}

// gitssh serves the script's directory over ssh, to who has one of the keys, at $SSH_URL, and writes the file known_hosts:
// gitssh PUBLIC-KEY-FILE... The server is the machine's sshd, which ZAVE_SSHD may name; where there is none, one in this
// process. CI has one: installing it for a test would leave a service behind.
func gitssh(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: gitssh PUBLIC-KEY-FILE...")
	}
	for _, name := range []string{os.Getenv("ZAVE_SSHD"), "sshd", "/usr/sbin/sshd"} {
		if program, err := exec.LookPath(name); err == nil {
			openSSH(ts, program, args)
			return
		} else if name != "" && name == os.Getenv("ZAVE_SSHD") {
			ts.Fatalf("ZAVE_SSHD: %v", err)
		}
	}
	allowed := map[string]bool{}
	for _, name := range args {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(ts.ReadFile(name)))
		ts.Check(err)
		allowed[string(key.Marshal())] = true
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !allowed[string(key.Marshal())] {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	ts.Check(err)
	host, err := ssh.NewSignerFromKey(private)
	ts.Check(err)
	config.AddHostKey(host)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go serveSSH(c, config)
		}
	}()
	at := listener.Addr().String()
	ts.Setenv("SSH_URL", "ssh://git@"+at+ts.Getenv("WORK"))
	line := knownhosts.Line([]string{at}, host.PublicKey()) + "\n"
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), "known_hosts"), []byte(line), 0o666))
}

// openSSH is gitssh with sshd, which lets in nobody but the user that it runs as. It has keys of three kinds, of which
// known_hosts has the last that a client asks for by itself.
func openSSH(ts *testscript.TestScript, program string, keys []string) {
	dir := ts.MkAbs("sshd")
	ts.Check(os.Mkdir(dir, 0o700))
	me, err := user.Current()
	ts.Check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	ts.Check(err)
	at := listener.Addr().(*net.TCPAddr)
	ts.Check(listener.Close())
	config := fmt.Sprintf("ListenAddress 127.0.0.1\nPort %d\nAuthorizedKeysFile %s/keys\nPidFile none\nUsePAM no\n"+
		"StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n", at.Port, dir)
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", filepath.Join(dir, kind)).CombinedOutput()
		if err != nil {
			ts.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
		config += "HostKey " + filepath.Join(dir, kind) + "\n"
	}
	allowed := ""
	for _, name := range keys {
		allowed += ts.ReadFile(name)
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "keys"), []byte(allowed), 0o600))
	ts.Check(os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600))
	if me.Uid == "0" { // where sshd locks up what has no rights yet
		ts.Check(os.MkdirAll("/run/sshd", 0o755))
	}
	var log bytes.Buffer
	cmd := exec.Command(program, "-D", "-e", "-f", filepath.Join(dir, "config"))
	cmd.Stderr = &log
	ts.Check(cmd.Start())
	ts.Defer(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", at.String())
		if err == nil {
			c.Close()
			break
		}
		if time.Since(start) > 20*time.Second {
			cmd.Process.Kill()
			cmd.Wait()
			ts.Fatalf("sshd does not listen: %v\n%s", err, log.String())
		}
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(ts.ReadFile(filepath.Join(dir, "ed25519.pub"))))
	ts.Check(err)
	ts.Setenv("SSH_URL", "ssh://"+me.Username+"@"+at.String()+ts.Getenv("WORK"))
	line := knownhosts.Line([]string{at.String()}, host) + "\n"
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), "known_hosts"), []byte(line), 0o666))
}

// serveSSH runs what the client asks for in a shell.
func serveSSH(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close()
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for asked := range channels {
		session, requests, err := asked.Accept()
		if err != nil {
			return
		}
		go func() {
			defer session.Close()
			for r := range requests {
				var command struct{ Line string }
				exec := r.Type == "exec" && ssh.Unmarshal(r.Payload, &command) == nil
				r.Reply(exec, nil)
				if exec {
					status := struct{ Status uint32 }{shell(session, command.Line)}
					session.SendRequest("exit-status", false, ssh.Marshal(status))
					return
				}
			}
		}()
	}
}

// shell does not wait for the end of the input: the client waits for the end of the program.
func shell(session ssh.Channel, line string) (status uint32) {
	cmd := exec.Command("sh", "-c", line)
	cmd.Stdout, cmd.Stderr = session, session.Stderr()
	in, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return 1
	}
	go func() {
		io.Copy(in, session)
		in.Close()
	}()
	if cmd.Wait() != nil {
		return 1
	}
	return 0
}

// sshagent starts an ssh-agent, at $SSH_AUTH_SOCK, with a key that it may need a passphrase for: sshagent KEY [PASSPHRASE].
func sshagent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: sshagent KEY [PASSPHRASE]")
	}
	data := []byte(ts.ReadFile(args[0]))
	key, err := ssh.ParseRawPrivateKey(data)
	if len(args) == 2 {
		key, err = ssh.ParseRawPrivateKeyWithPassphrase(data, []byte(args[1]))
	}
	ts.Check(err)
	socket := filepath.Join(shortDir(ts), "agent")
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	conn, err := net.Dial("unix", socket)
	for range 100 {
		if err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
		conn, err = net.Dial("unix", socket)
	}
	ts.Check(err)
	defer conn.Close()
	ts.Check(agent.NewClient(conn).Add(agent.AddedKey{PrivateKey: key}))
	ts.Setenv("SSH_AUTH_SOCK", socket)
}

// gnupg makes an empty $GNUPGHOME.
func gnupg(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: gnupg")
	}
	home := shortDir(ts)
	ts.Setenv("GNUPGHOME", home)
	ts.Defer(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() })
}

// shortDir is a directory for sockets, whose paths cannot be long.
func shortDir(ts *testscript.TestScript) string {
	dir, err := os.MkdirTemp("", "zave")
	ts.Check(err)
	ts.Defer(func() { os.RemoveAll(dir) })
	return dir
}

// publishers are clones of one repository of specs, with these tenants, and the repository that they publish to, which
// has the specs' first commit.
func publishers(t *testing.T, n int, tenants ...string) (clones []*publisher, gitops string) {
	t.Helper()
	top := t.TempDir()
	specs := filepath.Join(top, "specs")
	if err := merge(specs, os.DirFS(filepath.Join("testdata", "estate"))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(specs, "tenants", "blog", "tenant.cue"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tenants {
		dir := filepath.Join(specs, "tenants", name)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		own := strings.ReplaceAll(strings.ReplaceAll(string(text), `"blog"`, `"`+name+`"`), "package blog", "package "+name)
		own = strings.ReplaceAll(own, `		expose: "public-http"`+"\n", "")
		if err := os.WriteFile(filepath.Join(dir, "tenant.cue"), []byte(own), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	gitops = filepath.Join(top, "gitops.git")
	first := &publisher{dir: specs, gitops: gitops, cache: filepath.Join(top, "cache"), at: 1_700_000_000}
	first.run(t, "git", "init", "-q", "-b", "main")
	first.run(t, "git", "add", ".")
	first.run(t, "git", "commit", "-q", "-m", "first")
	first.run(t, "git", "init", "-q", "--bare", "-b", "main", gitops)
	first.run(t, "zave", "publish", "--repo", gitops, "--adopt")
	for i := range n {
		p := *first
		p.dir = filepath.Join(top, fmt.Sprintf("clone%d", i))
		first.run(t, "git", "clone", "-q", specs, p.dir)
		clones = append(clones, &p)
	}
	return clones, gitops
}

// publisher is one of them.
type publisher struct {
	dir, gitops, cache string
	at                 int64 // when it commits, in seconds
}

func (p *publisher) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "HOME="+p.cache, "XDG_CACHE_HOME="+p.cache, "GIT_CONFIG_NOSYSTEM=1",
		fmt.Sprintf("GIT_AUTHOR_DATE=%d +0000", p.at), fmt.Sprintf("GIT_COMMITTER_DATE=%d +0000", p.at))
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		cmd.Env = append(cmd.Env, "GIT_"+who+"_NAME=Test", "GIT_"+who+"_EMAIL=test@example.com")
	}
	return cmd
}

func (p *publisher) run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := p.command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit sets the port of a tenant's workload.
func (p *publisher) commit(t testing.TB, tenant string, port int) {
	t.Helper()
	file := filepath.Join(p.dir, "tenants", tenant, "tenant.cue")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), "port:   ")
	text = fmt.Appendf(nil, "%sport:   %d%s", before, port, after[4:])
	if err := os.WriteFile(file, text, 0o666); err != nil {
		t.Fatal(err)
	}
	p.run(t, "git", "commit", "-q", "-a", "-m", tenant)
}

// published gives the port of a tenant's workload in the GitOps repository.
func (p *publisher) published(t testing.TB, tenant string) string {
	t.Helper()
	text := p.run(t, "git", "-C", p.gitops, "show", "main:tenants/dev/"+tenant+"/app/deployment-web.yaml")
	_, rest, _ := strings.Cut(text, "containerPort: ")
	return rest[:4]
}

// TestPublishers has eight publish at once, again and again, each from a clone that knows nothing of the others' commits:
// five have a tenant of their own, or share it with one of the other three. Of each tenant the latest commit is what is
// published in the end, no commit is lost, and all are in one line.
func TestPublishers(t *testing.T) {
	t.Parallel()
	tenants := []string{"alpha", "beta", "gamma", "delta", "epsilon"}
	clones, gitops := publishers(t, 8, tenants...)
	const rounds = 3
	var pushed sync.Map // commits, by the beginning of their name
	says := regexp.MustCompile(`(?m)^published ([0-9a-f]{10}) to main of `)
	for round := range rounds {
		want := map[string]string{}
		for i, p := range clones {
			p.at = 1_700_000_000 + int64(100*(round+1)+i)
			port := 2000 + 100*round + i
			p.commit(t, tenants[i%len(tenants)], port)
			want[tenants[i%len(tenants)]] = fmt.Sprint(port) // the latest of those who share it
		}
		var all sync.WaitGroup
		for i, p := range clones {
			all.Go(func() {
				for range 10 {
					out, err := p.command("zave", "publish", "--repo", gitops).CombinedOutput()
					if err == nil {
						if m := says.FindSubmatch(out); m != nil {
							pushed.Store(string(m[1]), i)
						}
						return
					}
					if !bytes.Contains(out, []byte("somebody else was first 5 times over")) {
						t.Errorf("round %d, publisher %d: %v\n%s", round, i, err, out)
						return
					}
				}
				t.Errorf("round %d, publisher %d never got its turn", round, i)
			})
		}
		all.Wait()
		for name, port := range want {
			if got := clones[0].published(t, name); got != port {
				t.Errorf("round %d: %s has port %s, want %s\n%s", round, name, got, port,
					clones[0].run(t, "git", "-C", gitops, "log", "--format=%h %s%n%(trailers)", "main"))
			}
		}
	}
	p := clones[0]
	all := strings.Fields(p.run(t, "git", "-C", gitops, "rev-list", "main"))
	for _, commit := range all {
		if _, said := pushed.LoadAndDelete(commit[:10]); !said && commit != all[len(all)-1] {
			t.Errorf("nobody said that the commit %s was published", commit)
		}
	}
	pushed.Range(func(commit, who any) bool {
		t.Errorf("the commit %s of publisher %d is lost", commit, who)
		return true
	})
	if merges := p.run(t, "git", "-C", gitops, "rev-list", "--merges", "main"); merges != "" {
		t.Errorf("the history is not linear: %s", merges)
	}
	if out := p.run(t, "git", "-C", gitops, "fsck", "--strict", "--no-dangling"); out != "" {
		t.Errorf("git fsck: %s", out)
	}
	for i, p := range clones { // nobody has anything new, and nobody takes back what the others published
		if out := p.run(t, "zave", "publish", "--repo", gitops); p.run(t, "git", "-C", gitops, "rev-parse", "main") != all[0] {
			t.Errorf("publisher %d has published something again: %s", i, out)
		}
	}
	if _, err := os.Stat(filepath.Join(gitops, "refs", "heads", "main.lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lock stayed: %v", err)
	}
}

// TestInterruptedPublish interrupts at some points in time: the branch is where it was, or has the whole commit, and the
// next publish works.
func TestInterruptedPublish(t *testing.T) {
	t.Parallel()
	clones, gitops := publishers(t, 1)
	p := clones[0]
	for i := range 12 {
		p.at++
		p.commit(t, "blog", 3000+i)
		before := p.run(t, "git", "-C", gitops, "rev-parse", "main")
		cmd := p.command("zave", "publish", "--repo", gitops)
		var out bytes.Buffer
		cmd.Stderr = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 40 * time.Millisecond)
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		err := cmd.Wait()
		after := p.run(t, "git", "-C", gitops, "rev-parse", "main")
		var exit *exec.ExitError
		switch {
		case err == nil && after == before, err != nil && (!errors.As(err, &exit) || after != before):
			t.Errorf("after %d ms: %v, and the branch went from %s to %s\n%s", 40*i, err, before, after, &out)
		case err != nil && exit.ExitCode() == 2 && !strings.Contains(out.String(), "zave: interrupted\n"):
			t.Errorf("after %d ms: %s", 40*i, &out)
		}
		p.run(t, "zave", "publish", "--repo", gitops)
		if got, want := p.published(t, "blog"), fmt.Sprint(3000+i); got != want {
			t.Errorf("port %s, want %s", got, want)
		}
	}
	if out := p.run(t, "git", "-C", gitops, "fsck", "--strict", "--no-dangling"); out != "" {
		t.Errorf("git fsck: %s", out)
	}
}

// cable carries requests to a server, and breaks at pushes.
type cable struct {
	server string
	passes func(size int64) int64 // how many bytes of a push get through; more than it has: and the answer does not
	breaks atomic.Int64           // at how many pushes
	gone   bool                   // and nothing gets through afterwards
	broken atomic.Bool
}

func (c *cable) carry(client net.Conn) {
	defer client.Close()
	var head bytes.Buffer
	r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(client, &head)))
	if err != nil || c.gone && c.broken.Load() {
		return
	}
	size := int64(bytes.Index(head.Bytes(), []byte("\r\n\r\n"))+4) + r.ContentLength
	request := io.MultiReader(&head, client)
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	if push := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/git-receive-pack"); !push || c.breaks.Add(-1) < 0 {
		go io.Copy(server, request)
		io.Copy(client, server)
		return
	}
	c.broken.Store(true)
	passes := c.passes(size)
	io.CopyN(server, request, min(passes, size))
	if passes > size {
		server.Read(make([]byte, 1)) // the server is done
	}
}

// TestCutPublish breaks the connection in the middle of a push: the branch has all of the commit or nothing of it, what is
// said is true, and the next publish leaves the branch as build writes the tree, with no commit more than one.
func TestCutPublish(t *testing.T) {
	t.Parallel()
	const (
		whole  = "^published [0-9a-f]{10} to main of "
		broke  = `^zave: the push to \S+/gitops\.git broke off, and the branch main is as it was: it ended the connection in the middle of its answer\n`
		open   = `^zave: the push to \S+/gitops\.git broke off, and it is not known whether the commit arrived\n`
		always = 1000
	)
	byte0 := func(int64) int64 { return 0 }
	head := func(int64) int64 { return 60 }
	half := func(size int64) int64 { return size / 2 }
	most := func(size int64) int64 { return size - 1 }
	all := func(size int64) int64 { return size }
	done := func(size int64) int64 { return size + 1 }
	clones, gitops := publishers(t, 1)
	p := clones[0]
	p.run(t, "git", "-C", gitops, "config", "http.receivepack", "true")
	backend, err := gitBackend(filepath.Dir(gitops), "")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(backend)
	defer server.Close()
	for i, c := range []struct {
		name   string
		passes func(int64) int64
		breaks int64
		gone   bool
		exit   int
		says   string
	}{
		{"once, at once", byte0, 1, false, 0, whole},
		{"once, in the head of the request", head, 1, false, 0, whole},
		{"once, in the middle", half, 1, false, 0, whole},
		{"once, before the last byte", most, 1, false, 0, whole},
		{"once, while the server is at work", all, 1, false, 0, whole},
		{"once, before the answer", done, 1, false, 0, whole},
		{"for good, in the middle", half, 1, true, 2, open},
		{"for good, before the answer", done, 1, true, 2, open},
		{"at each push, in the middle", half, always, false, 2, broke},
		{"at each push, before the last byte", most, always, false, 2, broke},
		{"at each push, before the answer", done, always, false, 0, whole},
	} {
		p.at++
		p.commit(t, "blog", 4000+i)
		before := p.run(t, "git", "-C", gitops, "rev-parse", "main")
		line := &cable{server: server.Listener.Addr().String(), passes: c.passes, gone: c.gone}
		line.breaks.Store(c.breaks)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				client, err := listener.Accept()
				if err != nil {
					return
				}
				go line.carry(client)
			}
		}()
		cmd := p.command("zave", "publish", "--repo", "http://"+listener.Addr().String()+"/gitops.git")
		out, err := cmd.CombinedOutput()
		listener.Close()
		if !line.broken.Load() {
			t.Errorf("%s: nothing broke", c.name)
		}
		lines := 1
		if c.exit != 0 {
			lines = 2 // a sentence and a hint
		}
		if cmd.ProcessState.ExitCode() != c.exit || !regexp.MustCompile(c.says).Match(out) || bytes.Count(out, []byte("\n")) != lines {
			t.Errorf("%s: %v\n%s", c.name, err, out)
		}
		want := "0"
		if c.exit == 0 || c.says == open && c.passes(1) > 1 {
			want = "1"
		}
		if n := p.run(t, "git", "-C", gitops, "rev-list", "--count", before+"..main"); n != want {
			t.Errorf("%s: the branch has %s new commits, want %s\n%s", c.name, n, want, out)
		}
		if out := p.run(t, "git", "-C", gitops, "fsck", "--strict", "--no-dangling"); out != "" {
			t.Errorf("%s: git fsck: %s", c.name, out)
		}
		p.run(t, "zave", "publish", "--repo", server.URL+"/gitops.git")
		if n := p.run(t, "git", "-C", gitops, "rev-list", "--count", before+"..main"); n != "1" {
			t.Errorf("%s: after the next publish, the branch has %s new commits", c.name, n)
		}
		tree, clone := filepath.Join(t.TempDir(), "tree"), filepath.Join(t.TempDir(), "clone")
		p.run(t, "zave", "build", "-q", "-o", tree)
		p.run(t, "git", "clone", "-q", gitops, clone)
		p.run(t, "diff", "-r", "--exclude=.git", clone, tree)
		if got, want := p.published(t, "blog"), fmt.Sprint(4000+i); got != want {
			t.Errorf("%s: port %s, want %s", c.name, got, want)
		}
	}
}
