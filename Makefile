# Targets that check do not write; targets that write say so.

GO ?= go
export GOFLAGS += -trimpath

.PHONY: help build postgres test e2e lint vet bench generate golden man

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## write bin/zave
	$(GO) build -o bin/zave ./cmd/zave

# The major versions of PostgreSQL that the tests run on. 15 alone takes minutes; CI names all four.
export ZAVE_POSTGRES ?= 15

postgres: ## install what the tests need of PostgreSQL in the user's cache
	$(GO) test -count=1 -run '^Test(Clients)?Installed$$' ./internal/postgres/pgtest

test: postgres ## run every test, on PostgreSQL 15 or on what ZAVE_POSTGRES names: 15,16,17,18
	$(GO) test -timeout 80m ./...

e2e: ## open the HTML of zave diff in Chromium, which it installs by apt where there is none
	$(GO) vet -tags e2e ./e2e
	browser="$$(sh e2e/chromium)" && ZAVE_CHROMIUM="$$browser" $(GO) test -count=1 -timeout 10m -tags e2e ./e2e

lint: ## gofmt, go vet, staticcheck and the vetting of the repository's own CUE
	@files="$$(gofmt -l .)"; test -z "$$files" || { echo "$$files" >&2; echo 'run gofmt -w .' >&2; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) tool cue vet -c ./...

bench: ## run the benchmarks; compare two outputs with benchstat
	$(GO) test -timeout 60m -run '^$$' -bench . -benchmem ./...

generate: ## write the embedded schemas anew, from the published modules
	$(GO) generate ./...

golden: ## write golden/ and every golden file anew
	$(GO) run ./cmd/zave build --force
	UPDATE_GOLDEN=1 ZAVE_POSTGRES=15,16,17,18 $(GO) test -timeout 60m ./...

man: ## write man pages to bin/man
	$(GO) run ./cmd/zave docs man bin/man
