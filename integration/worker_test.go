package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// workerVariable makes the test binary a worker: a process that does what the
// test tells it, line by line, in the cgroup where the test put it.
const workerVariable = "BLKFS_TEST_WORKER"

// order is one thing for a worker to do.
type order struct {
	Do    string // write, read, join
	Path  string
	Bytes int // in all
	Chunk int // of each system call; default: Bytes
	Flags int // of open(2), beyond what Do needs
}

// answer is how it went.
type answer struct {
	Bytes int
	Errno syscall.Errno
	Text  string
}

type worker struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start starts a worker in the cgroup. It ends with the test.
func (c *cgroup) start() *worker {
	c.t.Helper()
	w := startWorker(c.t)
	c.add(w.cmd.Process.Pid)
	return w
}

func startWorker(t testing.TB) *worker {
	t.Helper()
	w := &worker{t: t, cmd: exec.Command("/proc/self/exe")}
	w.cmd.Env = append(os.Environ(), workerVariable+"=1")
	w.cmd.Stderr = os.Stderr
	var err error
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.out = bufio.NewScanner(out)
	t.Cleanup(w.stop)
	return w
}

func (w *worker) stop() {
	_ = w.in.Close() // the worker ends when there are no more orders
	_ = w.cmd.Wait()
}

// do gives an order and returns the answer.
func (w *worker) do(o order) answer {
	w.t.Helper()
	b, _ := json.Marshal(o)
	if _, err := w.in.Write(append(b, '\n')); err != nil {
		w.t.Fatal("order a worker: ", err)
	}
	if !w.out.Scan() {
		w.t.Fatal("the worker is gone: ", w.out.Err())
	}
	var a answer
	if err := json.Unmarshal(w.out.Bytes(), &a); err != nil {
		w.t.Fatal(err)
	}
	return a
}

// must is do for what has to work.
func (w *worker) must(o order) {
	w.t.Helper()
	if a := w.do(o); a.Text != "" {
		w.t.Fatalf("%s %s: %s", o.Do, o.Path, a.Text)
	}
}

// workerMain is the worker's side.
func workerMain() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var o order
		var a answer
		err := json.Unmarshal(in.Bytes(), &o)
		if err == nil {
			a.Bytes, err = o.carryOut()
		}
		if err != nil {
			a.Text = err.Error()
			_ = errors.As(err, &a.Errno)
		}
		b, _ := json.Marshal(a)
		fmt.Println(string(b))
	}
}

func (o order) carryOut() (int, error) {
	if o.Chunk == 0 {
		o.Chunk = o.Bytes
	}
	switch o.Do {
	case "join":
		return 0, os.WriteFile(o.Path+"/cgroup.procs", []byte("0"), 0)
	case "write":
		return o.transfer(os.O_WRONLY|os.O_CREATE, syscall.Write)
	case "read":
		return o.transfer(os.O_RDONLY, syscall.Read)
	}
	return 0, fmt.Errorf("unknown order %q", o.Do)
}

// transfer uses plain system calls: how many, and of which size, is the test's choice.
func (o order) transfer(flags int, call func(int, []byte) (int, error)) (n int, err error) {
	fd, err := syscall.Open(o.Path, flags|o.Flags|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, syscall.Close(fd)) }()
	buf := make([]byte, o.Chunk)
	for n < o.Bytes {
		k, err := call(fd, buf[:min(o.Chunk, o.Bytes-n)])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		if k == 0 {
			return n, io.ErrUnexpectedEOF
		}
		n += k
	}
	return n, nil
}
