# `make test` proves it. The rest is for people who work on it.
.PHONY: build test fmt needs needs-test

build: needs
	@scripts/stage "building credwatch (the first time takes about 10 minutes on 2 cores)" \
	  cargo build --quiet --bin credwatch

test: needs-test
	@scripts/test

fmt:
	cargo fmt --all

needs:
	@scripts/needs build

needs-test:
	@scripts/needs build test
