# What there is to do here; CI calls the same targets.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help check fmt-check clippy doc docs deny sbom unit t fix servers test race-test faults simulate load mutants fuzz compat-test demo man openapi openapi-check openapi-lint clients-test ui-test screenshots bench image-test deploy-check systemd-test deb deb-test dist clean-cache

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '%-15s %s\n' "$$name" "$$text"; done

check: fmt-check clippy doc deny ## Format, lints, documentation and dependencies, without a fault

fmt-check:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items

docs: ## Make a book of docs/, in target/book
	tests/docs build

deny: ## Hold what is linked against deny.toml
	tests/supply deny

SBOM ?= target/glance-revert.cdx.json
sbom: ## Write what is in the binary, as CycloneDX JSON [SBOM=target/glance-revert.cdx.json]
	@mkdir -p $(dir $(SBOM))
	tests/supply sbom $(abspath $(SBOM))

unit: ## Run the unit tests
	$(CARGO) test --locked --lib

t: ## Run the tests with this in their name; in the shell of `make servers` also those that need servers [NAME=]
	$(CARGO) test --locked --lib --test it -- $(if $(GLANCE_REVERT_TEST_SCHEMA),--include-ignored $(if $(shell command -v ceph-osd),,--skip ceph)) '$(NAME)'

fix: ## Format, and mend what clippy can mend
	$(CARGO) fmt
	$(CARGO) clippy --locked --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt

servers: ## Open a shell with all servers of the tests up
	tests/run --servers-only "$${SHELL:-bash}"

test: ## Run everything, with real databases and the real Glance (installs what it needs)
	tests/run

faults: ROUNDS = 100
faults: ## Break real servers, connections and processes under the real binary, for long [ROUNDS=100]
	GLANCE_REVERT_TEST_ROUNDS=$(ROUNDS) nice tests/run --test it -- real_faults:: galera_

race-test: ROUNDS = 1000
race-test: ## Give orders to one process against passes of others, on each database and on a Galera [ROUNDS=1000]
	GLANCE_REVERT_TEST_ROUNDS=$(ROUNDS) tests/run --test it -- --nocapture concurrency::processes galera_orders

SEEDS ?= 1000000
simulate: ## Run the simulation over many seeds, or tell what happens under one [SEEDS=1000000 | SEED=]
	$(if $(SEED),SEED=$(SEED)) SEEDS=$(SEEDS) nice $(CARGO) test --locked --profile simulate --test simulation -- --nocapture nothing_is_lost

OPERATIONS ?= 1000000
load: ## Everything at once over HTTP beside passes: percentiles, answers, losses, memory [OPERATIONS=1000000]
	benches/run --only mixed --operations $(OPERATIONS)

mutants: ## Change the code in small ways, and see whether a test fails; for long [ARGS="domain --shard 0/50"]
	tests/mutants $(ARGS)

demo: ## Try the service out: a small Glance database with deleted images
	$(CARGO) run --locked --release -- demo

fuzz: ## Give each parser what libFuzzer makes up [SECONDS=600 each | PARSERS=]
	FUZZ_SECONDS=$(or $(SECONDS),600) tests/fuzz $(PARSERS)

compat-test: ## Compare with the real Glance of each version that is pinned [VERSIONS=]
	tests/compat $(VERSIONS)

man: ## Write the manual pages, in target/man
	$(CARGO) run --locked -- man target/man

openapi: ## Write the documents of openapi/
	$(CARGO) run --locked -- openapi --write openapi

openapi-check: ## Fail where openapi/ is not what the code says
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && \
		$(CARGO) run --locked -- openapi --write "$$new" && \
		for file in "$$new"/*; do diff "openapi/$${file##*/}" "$$file" || exit 1; done || \
		{ echo 'openapi/ is not what the code says; run: make openapi' >&2; exit 1; }

openapi-lint: ## Hold the OpenAPI documents against Spectral, Redocly and IBM's validator
	tests/openapi/run

clients-test: ## Generate clients, and have each call every operation of a live service
	tests/clients/run

ui-test: ## Drive the page of /ui in a real Chromium (installs what it needs)
	tests/ui/run

screenshots: ## Make the screenshots of docs/images
	tests/ui/run screenshots

bench: ## Measure the promises against the real glance-scrubber
	benches/run

image-test: ## Build the images without an engine, run them, and say what could not be run
	tests/image/run

deploy-check: ## Render, validate and lint deploy/, the Dockerfile, scripts and workflows
	tests/deploy/run

systemd-test: ## Run the units under a systemd of their own (needs root)
	tests/systemd/run

deb: ## Make the Debian package, in target/debian [BINARY=the program, else it is built]
	deploy/deb/build $(BINARY)

deb-test: ## Install, run, upgrade and remove the Debian package under a systemd (needs root) [BINARY=]
	tests/systemd/run deb

dist: ## Make the files of a release, in target/dist (needs helm) [BINARY=]
	deploy/dist program $(BINARY)
	deploy/dist rest

clean-cache: ## Remove the packages, tools, schemas and layers that the tests keep
	cache="$${GLANCE_REVERT_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/glance-revert}" && \
		rm -rf "$$cache"/venv-* "$$cache"/schema-* "$$cache"/image-* "$$cache"/cargo-* "$$cache"/kubectl-* "$$cache"/npm-* "$$cache"/go-build "$$cache"/clients-target "$$cache"/systemd-* "$$cache"/sid-* "$$cache"/lock-*
