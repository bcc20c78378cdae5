# Two commands: `make demo` shows a takeover, `make test` passes every test.
# Both install what they need (Debian or Ubuntu, root, a Rust toolchain).

.PHONY: demo explore faults hunt rehearse-check test verify setup lint generate bench

setup:
	@bash scripts/setup.sh

demo:
	@bash scripts/demo.sh $(ARGS)

# Ten faults, rehearsed and for real: they must agree.
rehearse-check:
	@bash scripts/demo.sh --rehearse $(ARGS)

# Every real fault, those that stand still also for 20 and 40 s; writes docs/fault-table.md.
# About seven minutes; `make faults ARGS=keeper-killed,deaf` plays those alone.
faults:
ifdef ARGS
	@bash scripts/demo.sh --faults $(ARGS)
else
	@bash scripts/demo.sh --faults short,long --table docs/fault-table.md
endif

# Every state of two and three servers within larger bounds than `make test` has.
# `make explore ARGS="servers=2 arbiter=Lease crashes=1 cuts=1"` explores those alone.
explore:
	STEAD_BOUNDS="$(if $(ARGS),$(ARGS),large)" cargo test --profile simulate --features simulate \
		--test sim exploration::every -- --nocapture

test:
	@bash scripts/test.sh $(ARGS)

# Wide schedules of the simulator, nine minutes in a call: `make hunt ARGS="--from 1 --count 50000"`.
hunt:
	@bash scripts/hunt.sh $(ARGS)

# Everything that CI checks besides the tests; never writes.
lint:
	cargo fmt --check
	cargo clippy --all-targets --features lease,etcd,aws --quiet -- -D warnings
	cargo clippy --features simulate --test sim --quiet -- -D warnings
	cargo check --quiet
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet \
		--features lease,etcd,aws
	bash scripts/deny.sh

verify: lint test

# Rewrites what is generated from the types: crds/ and docs/.
generate:
	cargo run --quiet -- generate crds crds
	cargo run --quiet -- generate docs docs

bench:
	@bash scripts/bench.sh $(ARGS)
