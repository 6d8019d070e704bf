# make help lists the targets. demo and test want root: they mount, make
# cgroups, and install with apt what is missing of the packages named here.

PREFIX  ?= /usr/local
DESTDIR ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BENCH   ?= .
COUNT   ?= 1

# Debian packages, as PACKAGE or PACKAGE:COMMAND; where the command is there
# already, from wherever it came, the package is not asked for.
DEPS_DEMO := fuse3:fusermount3
DEPS_TEST := fuse3:fusermount3 runc:runc busybox-static fio:fio sqlite3:sqlite3 git:git \
	acl:setfacl attr:setfattr gcc:gcc libc6-dev

TOOL     := go tool -modfile=tools/go.mod
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
UNIT      = $$(go list ./... | grep -v /integration)

# sudo forgets where Go is. Stamping by the go command fails where git does not
# trust the owner of the checkout; the version comes from VERSION anyway.
export PATH    := $(PATH):/usr/local/go/bin
export GOFLAGS += -buildvcs=false

.PHONY: build demo test unit bench lint install clean help
.NOTPARALLEL:

build: ## build bin/blkfs (default)
	CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/blkfs ./cmd/blkfs

demo: build ## mount, do I/O in two cgroups, show whose it was (root)
	@scripts/deps $(DEPS_DEMO)
	@scripts/swept scripts/demo

test: ## all tests, as CI runs them (root)
	@scripts/deps $(DEPS_TEST)
	go vet ./...
	go test -race -count=1 -timeout=4m $(UNIT)
	BLKFS_TEST_STRICT=1 scripts/swept go test -race -count=1 -timeout=20m ./integration/...
	GOMAXPROCS=1 go test -count=1 -timeout=4m $(UNIT)

unit: ## the tests that need neither root nor a mount
	go test -race $(UNIT)

bench: ## micro-benchmarks; BENCH=regexp COUNT=n
	go test -run='^$$' -bench='$(BENCH)' -benchmem -count=$(COUNT) ./pool ./accounting

lint: ## formatting, modules, locks, staticcheck, import walls
	$(TOOL) gofumpt -d .
	go mod tidy -diff
	go vet -vettool="$$($(TOOL) -n checklocks)" -inferred=false ./...
	$(TOOL) staticcheck ./...
	go run $(GOLANGCI) run

install: build ## install to PREFIX (/usr/local), below DESTDIR
	install -D -m 755 bin/blkfs '$(DESTDIR)$(PREFIX)/bin/blkfs'

clean: ## remove what build made
	rm -rf bin

help: ## this list
	@awk -F ":.*## " '/^[a-z]+:.*## / {printf "%-8s %s\n", $$1, $$2}' Makefile
