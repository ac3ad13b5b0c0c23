package pgtest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"
)

// Proxy relays connections to a server without TLS, counts the messages that clients send (PostgreSQL manual, 55,
// "Frontend/Backend Protocol"), and can cut all connections at one of them.
type Proxy struct {
	server   *Server
	listener net.Listener
	done     sync.WaitGroup

	mu       sync.Mutex
	open     map[net.Conn]bool
	messages int  // that clients have sent since the last Cut
	at       int  // the message at which to cut; 0: none
	late     bool // cut after the server has it
	cut      bool // it has been cut, and no connection is taken
	closed   bool
	seen     func(kind byte, body []byte)
}

// NewProxy gives a proxy in front of a server. It ends with the test.
func NewProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	if s.CA != "" {
		t.Fatal("a proxy cannot read what TLS hides: start the server without it")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{server: s, listener: l, open: map[net.Conn]bool{}}
	p.done.Add(1)
	go p.accept()
	t.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		l.Close()
		p.drop()
		p.done.Wait()
	})
	return p
}

// DSN is a connection URL through the proxy.
func (p *Proxy) DSN(user, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password), Path: "/" + database, RawQuery: "sslmode=disable",
		Host: "127.0.0.1:" + strconv.Itoa(p.listener.Addr().(*net.TCPAddr).Port),
	}
	return u.String()
}

// Cut starts to count the clients' messages anew, over all connections, and closes every connection in both directions
// at the n-th: before the server has it, or right after, so that what it asks for is done and no answer comes back.
// From then on no connection is taken. With n = 0 nothing is cut, and connections are taken again.
func (p *Proxy) Cut(n int, late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages, p.at, p.late, p.cut = 0, n, late, false
}

// Messages is how many messages clients have sent since the last Cut, and whether the proxy has cut.
func (p *Proxy) Messages() (n int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.messages, p.cut
}

// Watch calls seen with every message of a client's from now on, one at a time; the kind of a start-up message is 0.
func (p *Proxy) Watch(seen func(kind byte, body []byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = seen
}

func (p *Proxy) accept() {
	defer p.done.Done()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed at the end of the test
		}
		server, err := net.Dial("tcp", net.JoinHostPort(p.server.Host, strconv.Itoa(p.server.Port)))
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		refuse := p.cut || p.closed
		if !refuse {
			p.open[client], p.open[server] = true, true
			p.done.Add(2)
		}
		p.mu.Unlock()
		if refuse {
			client.Close()
			server.Close()
			continue
		}
		go p.relay(client, server, func() error { _, err := io.Copy(client, server); return err })
		go p.relay(client, server, func() error { return p.frontend(client, server) })
	}
}

// relay runs one direction. When it ends, so does the other: the protocol knows no half-closed connection.
func (p *Proxy) relay(client, server net.Conn, run func() error) {
	defer p.done.Done()
	_ = run() // how a connection ends is for the client to judge
	client.Close()
	server.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, client)
	delete(p.open, server)
}

// frontend hands the client's messages on, one by one.
func (p *Proxy) frontend(client io.Reader, server io.Writer) error {
	start := true
	for {
		// A start-up, SSL or cancel request has no type byte (55.7, "Message Formats").
		head := make([]byte, 5)
		if start {
			head = head[:4]
		}
		if _, err := io.ReadFull(client, head); err != nil {
			return err
		}
		size := int64(binary.BigEndian.Uint32(head[len(head)-4:])) - 4
		if size < 0 || size > 1<<30 {
			return fmt.Errorf("a message of %d bytes", size)
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(client, body); err != nil {
			return err
		}
		kind := byte(0)
		if !start {
			kind = head[0]
		}
		cut, late := p.count(kind, body)
		if cut && !late {
			p.drop()
			return net.ErrClosed
		}
		if _, err := server.Write(append(head, body...)); err != nil {
			return err
		}
		if cut {
			p.drop()
			return net.ErrClosed
		}
		// After an SSL (80877103) or GSSAPI (80877104) request, which this server answers with no, the start-up message
		// is still to come.
		request := uint32(0)
		if start && size >= 4 {
			request = binary.BigEndian.Uint32(body)
		}
		start = start && (request == 80877103 || request == 80877104)
	}
}

func (p *Proxy) count(kind byte, body []byte) (cut, late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return true, false
	}
	p.messages++
	if p.seen != nil {
		p.seen(kind, body)
	}
	p.cut = p.at > 0 && p.messages == p.at
	return p.cut, p.late
}

// drop closes every connection.
func (p *Proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
	}
}
