# The two commands of the README are `make demo` and `make test`. The rest is for people who work on it.

# The same selection of packages as in scripts/test: otherwise cargo would build most dependencies twice.
build = cargo build --quiet --workspace --all-targets

.PHONY: demo test chaos bench build fmt needs needs-test

demo: needs
	@scripts/stage "building credwatch (the first time takes up to 25 minutes on 2 cores)" \
	  $(build)
	@exec target/debug/credwatch demo $(ARGS)

test: needs-test
	@scripts/test

build: needs
	@scripts/stage "building credwatch (the first time takes up to 25 minutes on 2 cores)" \
	  $(build)

# The long form of the proofs, with numbers to choose: make chaos N=200 EVENTS=300000 SEED=7
chaos: needs-test
	@N=$(N) EVENTS=$(EVENTS) SEED=$(SEED) PROFILE=$(PROFILE) scripts/chaos

bench: needs-test
	@target/venv/bin/pip install -q confluent-kafka==2.12.1 chdb==4.4.0
	@scripts/stage "building the bench (the first time takes up to 25 minutes on 2 cores)" \
	  cargo build --quiet --profile fast --bins
	@target/fast/bench $(or $(EVENTS),5000000) $(PARTS)

fmt:
	cargo fmt --all

needs:
	@scripts/needs build

needs-test:
	@scripts/needs build test
