# burst: make setup, make demo, make test, make lint, make bench. Everything lands in .venv; `make clean` removes it.
SHELL := /bin/bash
PYTHON ?= $(shell command -v /usr/bin/python3 || command -v python3)
BIN := .venv/bin
PYTEST_ARGS ?=

# What the program needs to make clusters here, and what the tests and examples need beside it.
PACKAGES := slurmctld slurmd slurm-client munge libpmix-dev openmpi-bin bubblewrap openssh-client python3-venv
TEST_PACKAGES := lammps gcc libc6-dev libopenmpi-dev fio python3-numpy python3-sklearn python3-matplotlib cloud-init openssh-server busybox systemd-container mmdebstrap debian-archive-keyring iproute2 nftables slirp4netns
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: setup setup-dev setup-clouds demo test lint bench docs lock clean

setup: $(BIN)/burst

$(BIN)/burst: requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory packages-installed WANTED="$(PACKAGES)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BIN)/uv pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@
	@$(BIN)/burst doctor

# The clouds' SDKs, Pulumi's and what their tests need: about a gigabyte.
setup-clouds: .venv/.clouds

.venv/.clouds: $(BIN)/burst requirements-clouds.lock
	$(BIN)/uv pip install --quiet --require-hashes --requirement requirements-clouds.lock
	@touch $@

setup-dev: setup-clouds
	@$(MAKE) --no-print-directory packages-installed WANTED="$(TEST_PACKAGES)"

# Installs only what is missing, so that it asks for no rights where nothing is.
.PHONY: packages-installed
packages-installed:
	@missing=$$(for p in $(WANTED); do dpkg-query --show --showformat='$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  echo "installing:" $$missing; \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null || \
	  { echo "could not install; as root: apt-get install --no-install-recommends" $$missing; exit 1; }; \
	fi

demo: setup
	$(BIN)/burst run examples/hello/burst.yaml

# Clusters mostly wait: two at a time, which is what two cores and the usual fs.inotify.max_user_instances have room for. Those of
# ordinary processes are one after the other (tests/e2e/conftest.py): they share this machine's ports.
test: setup-dev
ifeq ($(PYTEST_ARGS),)
	$(BIN)/python -m pytest tests/unit tests/stacks tests/engine -n 2
	$(BIN)/python -m pytest tests/e2e tests/machines -n 2 --dist loadgroup
else
	$(BIN)/python -m pytest $(PYTEST_ARGS)
endif

lint: setup-clouds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory -j 2 $(STACKS)
	$(BIN)/lint-imports
	$(BIN)/shellcheck cloud-init/*.sh benchmarks/*.sh .ci/run
	$(BIN)/python docs/make.py --check

# Each by itself: their modules have the same names.
STACKS := lint-aws lint-gcp lint-azure
.PHONY: $(STACKS)
$(STACKS): lint-%:
	MYPYPATH=stacks/$* $(BIN)/mypy --cache-dir .mypy_cache/$* stacks/$*/*.py

bench: setup
	$(BIN)/python benchmarks/bench.py --out bench.json

docs: setup
	$(BIN)/python docs/make.py

# Renews the lock from pyproject.toml.
lock:
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --group dev pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --group dev --group clouds --extra aws --extra gcp --extra azure --constraint requirements.lock pyproject.toml --output-file requirements-clouds.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis bench.json
