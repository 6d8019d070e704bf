package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Real programs, run to their end and checked, in each cache mode.
func TestRealPrograms(t *testing.T) {
	for _, cache := range []string{"auto", "none", "writeback"} {
		t.Run(cache, func(t *testing.T) {
			for _, x := range []struct {
				name string
				f    func(t *testing.T, dir string)
			}{
				{"git", gitCloneAndFsck},
				{"go", goBuild},
				{"sqlite", sqliteWAL},
				{"fio", fioVerify},
				{"tar", tarTree},
			} {
				if x.name == "go" && cache != "auto" {
					continue // builds the standard library: a minute for each
				}
				t.Run(x.name, func(t *testing.T) {
					// Served by a process of its own: a child of this one that
					// runs a program on a mount of this one's can stop us both.
					_, dir := daemonMount(t, "--cache="+cache)
					x.f(t, dir)
				})
			}
		})
	}
}

func gitCloneAndFsck(t *testing.T, dir string) {
	needTool(t, "git")
	origin := t.TempDir()
	git := func(args ...string) string {
		return run(t, "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main", "-C", origin}, args...)...)
	}
	git("init", "-q")
	for _, name := range []string{"a", "b", "c"} {
		writeFile(t, filepath.Join(origin, name), strings.Repeat(name+"\n", 50_000))
		git("add", "-A")
		git("commit", "-q", "-m", name)
	}
	clone := filepath.Join(dir, "clone")
	run(t, "git", "clone", "-q", "--no-local", "file://"+origin, clone)
	run(t, "git", "-C", clone, "fsck", "--full", "--strict")
	if s := run(t, "git", "-C", clone, "status", "--porcelain"); s != "" {
		t.Errorf("git status of a fresh clone:\n%s", s)
	}
	run(t, "git", "-C", clone, "-c", "gc.auto=0", "repack", "-adq")
	run(t, "git", "-C", clone, "fsck", "--full", "--strict")
	if got, want := run(t, "git", "-C", clone, "rev-parse", "HEAD^{tree}"), git("rev-parse", "HEAD^{tree}"); got != want {
		t.Errorf("the clone is %s, its origin %s", got, want)
	}
}

// goBuild builds and runs a small module with its build cache on the mount.
func goBuild(t *testing.T, dir string) {
	needTool(t, "go")
	src := filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(src, "go.mod"), "module example.com/hello\n\ngo 1.26\n")
	writeFile(t, filepath.Join(src, "main.go"), "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"built on the mount\\n\") }\n")
	t.Setenv("GOCACHE", filepath.Join(dir, "cache"))
	t.Setenv("GOTMPDIR", dir)
	t.Setenv("GOFLAGS", "-mod=mod")
	for range 2 { // the second time out of the cache
		runIn(t, src, "go", "build", "-o", "hello", ".")
		if got := run(t, filepath.Join(src, "hello")); got != "built on the mount\n" {
			t.Errorf("the program printed %q", got)
		}
	}
	runIn(t, src, "go", "vet", ".")
}

func sqliteWAL(t *testing.T, dir string) {
	needTool(t, "sqlite3")
	db := filepath.Join(dir, "test.db")
	sql := func(text string) string { return strings.TrimSpace(run(t, "sqlite3", "-bail", db, text)) }
	if mode := sql("PRAGMA journal_mode=WAL;"); mode != "wal" {
		t.Fatalf("journal mode %q, want wal", mode)
	}
	sql(`CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000)
		INSERT INTO t SELECT i, hex(randomblob(20)) FROM n;`)
	done := make(chan string, 2) // a writer and a reader at once
	for _, text := range []string{
		"PRAGMA busy_timeout=20000; UPDATE t SET v='x'||v WHERE id%2;",
		"PRAGMA busy_timeout=20000; SELECT count(*) FROM t;",
	} {
		go func() { done <- runQuiet("sqlite3", "-bail", db, text) }()
	}
	for range 2 {
		if bad := <-done; bad != "" {
			t.Error(bad)
		}
	}
	if got := sql("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA integrity_check; SELECT count(*) FROM t WHERE v LIKE 'x%';"); !strings.HasSuffix(got, "ok\n10000") {
		t.Errorf("integrity check: %s", got)
	}
}

// runQuiet runs a program from another goroutine; it returns what went wrong.
func runQuiet(name string, args ...string) string {
	out, err := command(name, args...).CombinedOutput()
	if err != nil {
		return name + ": " + err.Error() + "\n" + string(out)
	}
	return ""
}

func fioVerify(t *testing.T, dir string) {
	needTool(t, "fio")
	// Mixed reads and writes in blocks of one size, and writes of many sizes: fio
	// cannot verify both at once, on any file system.
	for name, args := range map[string][]string{
		"mixed": {"--rw=randrw", "--bs=4k"},
		"sizes": {"--rw=randwrite", "--bsrange=512-128k"},
	} {
		out := run(t, "fio", append(args, "--name="+name, "--directory="+dir, "--numjobs=4", "--size=16m", "--ioengine=psync",
			"--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--randrepeat=0", "--group_reporting", "--fallocate=none", "--verify_state_save=0")...)
		if !strings.Contains(out, "err= 0") {
			t.Errorf("fio:\n%s", out)
		}
	}
}

func tarTree(t *testing.T, dir string) {
	needTool(t, "tar")
	root := strings.TrimSpace(run(t, "go", "env", "GOROOT"))
	tree := filepath.Join(root, "src", "net")
	run(t, "sh", "-c", `tar -C "$1" -cf - . | tar -C "$2" -xf -`, "sh", tree, dir)
	run(t, "tar", "-C", tree, "-cf", filepath.Join(dir, "net.tar"), ".")
	run(t, "tar", "-C", dir, "--compare", "-f", filepath.Join(dir, "net.tar"))
	run(t, "diff", "-r", "--no-dereference", "--exclude=net.tar", tree, dir)
}
