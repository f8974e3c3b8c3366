// probe is what the tests run inside a pod: a FROM scratch image has no shell, nslookup or curl.
//
//	probe lookup NAME        addresses of NAME, or the resolver's error and exit code 1
//	probe connect HOST:PORT  nothing, once the peer has accepted
//	probe dial HOST:PORT     what the peer sends until it closes, at most 64 KiB
//	probe serve :PORT        accept connections and answer each with this host's name
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: probe lookup NAME | connect HOST:PORT | dial HOST:PORT | serve :PORT")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	start := time.Now()
	err := fmt.Errorf("unknown command %q", os.Args[1])
	switch os.Args[1] {
	case "lookup":
		err = lookup(ctx, os.Args[2])
	case "connect":
		err = dial(ctx, os.Args[2], false)
	case "dial":
		err = dial(ctx, os.Args[2], true)
	case "serve":
		err = serve(ctx, os.Args[2])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "after %d ms: %v\n", time.Since(start).Milliseconds(), err)
		os.Exit(1)
	}
}

func lookup(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, name)
	for _, a := range addrs {
		fmt.Println(a)
	}
	return err
}

func dial(ctx context.Context, addr string, read bool) error {
	c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if !read {
		return nil
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, io.LimitReader(c, 64<<10))
	return err
}

func serve(ctx context.Context, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	fmt.Println("serving", l.Addr())
	host, _ := os.Hostname()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintln(c, host, "to", c.RemoteAddr())
		c.Close()
	}
}
