# Targets for developers; CI calls the same targets.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help check fmt-check clippy doc docs deny sbom unit t fix servers test race-test faults simulate load mutants fuzz compat-test demo man openapi openapi-check openapi-lint clients-test ui-test screenshots bench image-test deploy-check systemd-test deb deb-test dist clean-cache

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '%-15s %s\n' "$$name" "$$text"; done

check: fmt-check clippy doc deny ## Check format, lints, rustdoc and dependencies

fmt-check:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items

docs: ## Build a book from docs/, in target/book
	tests/docs build

deny: ## Check all crates against deny.toml, and that the fuzzing crate's lock file is current
	tests/supply deny
	$(CARGO) metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null

SBOM ?= target/glance-revert.cdx.json
sbom: ## Write the binary's bill of materials, as CycloneDX JSON [SBOM=target/glance-revert.cdx.json]
	@mkdir -p $(dir $(SBOM))
	tests/supply sbom $(abspath $(SBOM))

unit: ## Run the unit tests
	$(CARGO) test --locked --lib

t: ## Run tests by a part of their name; in the shell of `make servers` also those that need servers [NAME=]
	$(CARGO) test --locked --lib --test it -- $(if $(GLANCE_REVERT_TEST_SCHEMA),--include-ignored $(if $(shell command -v ceph-osd),,--skip ceph)) '$(NAME)'

fix: ## Format the code and apply clippy's fixes
	$(CARGO) fmt
	$(CARGO) clippy --locked --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt

servers: ## Open a shell with all test servers running
	tests/run --servers-only "$${SHELL:-bash}"

test: ## Run all tests, with real databases and the real Glance (installs what it needs)
	tests/run

faults: ROUNDS = 100
faults: ## Run the real binary while servers, connections and processes fail; takes long [ROUNDS=100]
	GLANCE_REVERT_TEST_ROUNDS=$(ROUNDS) nice tests/run --test it -- real_faults:: galera_

race-test: ROUNDS = 1000
race-test: ## Pause and hold in one process during passes of others, on each database and on Galera [ROUNDS=1000]
	GLANCE_REVERT_TEST_ROUNDS=$(ROUNDS) tests/run --test it -- --nocapture concurrency::processes galera_orders

SEEDS ?= 1000000
simulate: ## Run the simulation with many seeds, or show the run of one seed [SEEDS=1000000 | SEED=]
	$(if $(SEED),SEED=$(SEED)) SEEDS=$(SEEDS) nice $(CARGO) test --locked --profile simulate --test simulation -- --nocapture nothing_is_lost

OPERATIONS ?= 1000000
load: ## Load test over HTTP during passes: percentiles, answers, losses, memory [OPERATIONS=1000000]
	benches/run --only mixed --operations $(OPERATIONS)

mutants: ## Mutation tests: change the code in small ways and check that a test fails; takes long [ARGS="domain --shard 0/50"]
	tests/mutants $(ARGS)

demo: ## Run the service on a small demo database with deleted images
	$(CARGO) run --locked --release -- demo

fuzz: ## Fuzz each parser with libFuzzer [SECONDS=600 each | PARSERS=]
	FUZZ_SECONDS=$(or $(SECONDS),600) tests/fuzz $(PARSERS)

compat-test: ## Compare with each pinned version of the real Glance [VERSIONS=]
	tests/compat $(VERSIONS)

man: ## Write the manual pages, in target/man
	$(CARGO) run --locked -- man target/man

openapi: ## Write the documents of openapi/
	$(CARGO) run --locked -- openapi --write openapi

openapi-check: ## Fail if openapi/ differs from the code
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && \
		$(CARGO) run --locked -- openapi --write "$$new" && \
		for file in "$$new"/*; do diff "openapi/$${file##*/}" "$$file" || exit 1; done || \
		{ echo 'openapi/ differs from the code; run: make openapi' >&2; exit 1; }

openapi-lint: ## Check the OpenAPI documents with Spectral, Redocly and IBM's validator
	tests/openapi/run

clients-test: ## Generate clients; each calls every operation of a live service
	tests/clients/run

ui-test: ## Test the page /ui in a real Chromium (installs what it needs)
	tests/ui/run

screenshots: ## Make the screenshots of docs/images
	tests/ui/run screenshots

bench: ## Measure performance against the real glance-scrubber
	benches/run

image-test: ## Build and run the images without a container engine
	tests/image/run

deploy-check: ## Render, validate and lint deploy/, the Dockerfile, scripts and workflows
	tests/deploy/run

systemd-test: ## Run the units under their own systemd (needs root)
	tests/systemd/run

deb: ## Build the Debian package, in target/debian [BINARY=]
	deploy/deb/build $(BINARY)

deb-test: ## Install, run, upgrade and remove the Debian package under a systemd (needs root) [BINARY=]
	tests/systemd/run deb

dist: ## Make the files of a release, in target/dist (needs helm) [BINARY=]
	deploy/dist program $(BINARY)
	deploy/dist rest

clean-cache: ## Remove the test cache: packages, tools, schemas and layers
	cache="$${GLANCE_REVERT_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/glance-revert}" && \
		rm -rf "$$cache"/venv-* "$$cache"/schema-* "$$cache"/image-* "$$cache"/cargo-* "$$cache"/kubectl-* "$$cache"/npm-* "$$cache"/go-build "$$cache"/clients-target "$$cache"/systemd-* "$$cache"/sid-* "$$cache"/lock-*
