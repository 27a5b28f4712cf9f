# Two commands: `make demo` shows it, `make test` proves it. The rest is for people who work on it.
.PHONY: demo test chaos bench fmt needs needs-test

demo: needs
	@scripts/stage "building credwatch (the first time takes about 15 minutes on 2 cores)" \
	  cargo build --quiet --bin credwatch
	@exec target/debug/credwatch demo $(DEMO)

test: needs-test
	@scripts/test

chaos: needs-test
	@scripts/chaos $(N)

bench: needs-test
	@scripts/bench

fmt:
	cargo fmt --all

needs:
	@scripts/needs build

needs-test:
	@scripts/needs build test
