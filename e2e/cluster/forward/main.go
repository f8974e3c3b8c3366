// forward makes a TCP port inside a network namespace reachable from this one.
//
//	forward --netns NAME|PATH --to IP:PORT [--listen 127.0.0.1:0] [--port-file PATH]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxForwarded   = 1024
	forwardTimeout = 5 * time.Second
)

// forwarder carries connections from the host's loopback into a network namespace. Nothing else crosses that
// border: the namespaces have no route out and no interface that the host could meet.
type forwarder struct {
	netns string
	to    string
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on; port 0 chooses a free one")
	netns := flag.String("netns", "", "name or path of the network namespace to dial in")
	to := flag.String("to", "", "IP:PORT to dial")
	portFile := flag.String("port-file", "", "where to write the port, once it accepts connections")
	flag.Parse()
	if filepath.Base(*netns) == *netns {
		*netns = filepath.Join("/run/netns", *netns)
	}
	if _, err := netip.ParseAddrPort(*to); err != nil || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "forward: --to must be IP:PORT, and nothing may follow the flags")
		os.Exit(2)
	}
	if err := (&forwarder{netns: *netns, to: *to}).serve(*listen, *portFile); err != nil {
		fmt.Fprintln(os.Stderr, "forward:", err)
		os.Exit(1)
	}
}

func (f *forwarder) serve(listen, portFile string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	port := l.Addr().(*net.TCPAddr).Port
	if portFile != "" {
		if err := writeWhole(portFile, fmt.Sprintf("%d\n", port)); err != nil {
			return err
		}
	}
	fmt.Printf("forwarding %s to %s in %s\n", l.Addr(), f.to, f.netns)
	slots := make(chan struct{}, maxForwarded)
	for {
		slots <- struct{}{}
		c, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			<-slots
			time.Sleep(50 * time.Millisecond) // out of descriptors: others will end
			continue
		}
		go func() {
			defer func() { <-slots }()
			f.carry(c.(*net.TCPConn))
		}()
	}
}

// carry ends when both directions have. A client sees a refused target as a reset, as it would without us.
func (f *forwarder) carry(c *net.TCPConn) {
	defer c.Close()
	peer, err := f.dial()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		_ = c.SetLinger(0)
		return
	}
	defer peer.Close()
	var both sync.WaitGroup
	both.Add(2)
	go func() { defer both.Done(); pump(peer, c) }()
	go func() { defer both.Done(); pump(c, peer) }()
	both.Wait()
}

// pump copies until EOF and passes that on as a half close, so that request-then-EOF protocols work. An error
// closes both, or the other direction would wait for ever on a dead connection.
func pump(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close()
		_ = from.Close()
		return
	}
	_ = to.CloseWrite()
}

// dial opens a socket in the namespace. A socket stays where it was made, so only its thread has to be there;
// the thread is given up afterwards (never unlocked), so no other goroutine can find itself in the namespace.
func (f *forwarder) dial() (*net.TCPConn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		ns, err := os.Open(f.netns)
		if err != nil {
			done <- result{err: err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{err: fmt.Errorf("enter %s: %w", f.netns, err)}
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), forwardTimeout)
		defer cancel()
		conn, err := (&net.Dialer{KeepAlive: 10 * time.Second}).DialContext(ctx, "tcp", f.to)
		done <- result{conn, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, r.err
	}
	return r.conn.(*net.TCPConn), nil
}

func writeWhole(path, text string) error {
	part := path + ".part"
	if err := os.WriteFile(part, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(part, path)
}
