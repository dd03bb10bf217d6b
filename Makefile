# make demo   plays an outage in a simulated house
# make test   runs all checks and tests
# Both install what they need once: a virtual environment in .venv and, for the tests, a broker and a Modbus program from
# the system's packages.

PYTHON ?= python3
VENV := .venv
JOBS ?= 4
# The folder in which test-peers keeps the programs of other makers.
PEERS := $(abspath $(or $(LOADSHED_PEERS),build/peers))
BIN := $(VENV)/bin
ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
# Debian installs servers in folders that are not in a normal user's PATH.
export PATH := $(PATH):/usr/sbin:/sbin

COMPILE := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	--no-annotate --no-strip-extras --python-version 3.11

.DELETE_ON_ERROR:
.PHONY: help demo test check docs deb tests test-appliance test-peers bench mutants mutation nights stress lock \
	lock-peers clean system-packages

help:
	@echo "make demo      play one outage in a simulated house and print its report"
	@echo "make test      run all checks and tests; JOBS=1: one at a time"
	@echo "make check     check format, lint, types and plain English only"
	@echo "make bench     measure the cost in comparison with a bare MQTT client (a few minutes)"
	@echo "make mutants   break each rule and show which test detects it"
	@echo "make mutation  change the deciding code in every small way; list changes that no test detects (half an hour)"
	@echo "make nights    play random outages with faults and crashes: N=1000 ARGS='--jobs 2'; repeat one: SEED=4711"
	@echo "make stress   kill and starve real brokers and programs: N=500 ARGS='--json FILE'; repeat one: SEED=4 HOUSE=3-2"
	@echo "make test-appliance   test the package on a virtual Pi whose power is cut: CUTS=50, ONLY=cuts (root, 5 GB, an hour)"
	@echo "make test-peers   test against the real Zigbee2MQTT and SPAN simulator (needs npm; 300 MB, a few minutes)"
	@echo "make docs      build the documentation as a web site in build/docs/site; a broken link is an error"
	@echo "make deb       build the package for Raspberry Pi OS and Debian in dist/"
	@echo "make lock      update the versions in requirements*.lock (needs uv)"
	@echo "make clean     delete all build results"

demo: $(VENV)/demo.stamp
	@$(BIN)/loadshed demo $(ARGS)

test: check tests

check: $(VENV)/all.stamp
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/mypy packaging
	$(BIN)/python -m tests.plain_english

# The tests mostly wait for processes, brokers and timeouts. Run more of them in parallel than there are cores.
tests: $(VENV)/all.stamp system-packages
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

bench: $(VENV)/all.stamp system-packages
	$(BIN)/python -m bench $(ARGS)

mutants: $(VENV)/all.stamp
	$(BIN)/python -m bench.mutants $(ARGS)

mutation: $(VENV)/mutation.stamp
	$(BIN)/python -m bench.survivors $(ARGS)

nights: $(VENV)/all.stamp
	$(BIN)/python -m tests.virtual.random_outages $(N) $(if $(SEED),--seed $(SEED)) $(ARGS)

stress: $(VENV)/all.stamp system-packages
	$(BIN)/python -m tests.stress.stress $(N) $(if $(SEED),--seed $(SEED)) $(if $(HOUSE),--house $(HOUSE)) $(ARGS)

# A virtual Pi. Large files are kept in LOADSHED_APPLIANCE (/var/tmp/appliance) for the next run.
test-appliance: $(VENV)/all.stamp deb
	@$(call command,qemu-system-x86_64,qemu-system-x86)
	@$(call command,qemu-img,qemu-utils)
	@$(call command,debootstrap,debootstrap)
	$(BIN)/python -m tests.appliance --cuts $(or $(CUTS),50) --at-once $(or $(AT_ONCE),1) $(ONLY)

# The real Zigbee2MQTT over a radio without hardware, and the real SPAN simulator. Both are installed once, from lock
# files with a hash for each file, and run none of their installation scripts. Set LOADSHED_PEERS to keep them elsewhere.
test-peers: $(VENV)/all.stamp system-packages $(PEERS)/zigbee2mqtt/installed $(PEERS)/panel/installed
	LOADSHED_PEERS=$(PEERS) $(BIN)/python -m pytest tests/peers -n $(JOBS) $(ARGS)

# The bundled libraries are pure Python, and pip verifies each by its hash. Needs no root.
deb: $(VENV)/run.stamp
	@$(BIN)/python packaging/build_deb.py $(ARGS)

# README and docs/ side by side, as in the project: their links to each other stay as they are.
docs: $(VENV)/docs.stamp
	rm -rf build/docs && mkdir -p build/docs/pages
	cp -R README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE docs build/docs/pages/
	$(BIN)/mkdocs build
	@echo build/docs/site/index.html

lock:
	$(COMPILE) tests/peers/panel/requirements.in -o tests/peers/panel/requirements.lock
	$(COMPILE) --extra demo --extra dev pyproject.toml -o requirements.lock
	$(COMPILE) --extra demo --constraint requirements.lock pyproject.toml -o requirements-demo.lock
	$(COMPILE) --constraint requirements.lock pyproject.toml -o requirements-run.lock
	$(COMPILE) --extra mutation --constraint requirements.lock pyproject.toml -o requirements-mutation.lock
	$(COMPILE) --extra docs --constraint requirements.lock pyproject.toml -o requirements-docs.lock

# A package-lock.json without addresses serves any registry.
lock-peers:
	cd tests/peers/zigbee && npm install --package-lock-only --omit-lockfile-registry-resolved $(NPM_QUIETLY)
	$(PYTHON) tests/peers/zigbee/shorten_lock.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -r {} +

# --- requirements ---------------------------------------------------------------------------------------------------

# $(call apt,PACKAGE): install the package. If this fails, update the package lists, which may be outdated or missing.
apt = { echo "installing the system package $(1)" >&2; \
	$(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1) >&2 \
	|| { $(ROOT) apt-get update -qq >&2 \
	&& $(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1) >&2; } \
	|| { echo "$(1) is missing and could not be installed. Install it manually, then run make again." >&2; exit 1; }; }

# $(call command,NAME,PACKAGE): install the package if the command is missing.
command = command -v $(1) >/dev/null || $(call apt,$(2))

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is required. Run: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(call apt,python3-venv)
	$(PYTHON) -m venv $(VENV)

# Every installed file is verified by its hash. The locked setuptools builds the loadshed package.
$(VENV)/demo.stamp: requirements-demo.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-demo.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/run.stamp: requirements-run.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-run.lock
	@touch $@

$(VENV)/all.stamp: requirements.lock $(VENV)/demo.stamp
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@touch $@

$(VENV)/mutation.stamp: requirements-mutation.lock $(VENV)/all.stamp
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-mutation.lock
	@touch $@

$(VENV)/docs.stamp: requirements-docs.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-docs.lock
	@touch $@

NPM_QUIETLY := --ignore-scripts --no-audit --no-fund --loglevel=error

# Node.js of the right version is one of the packages: npm itself may run on an older one.
$(PEERS)/zigbee2mqtt/installed: tests/peers/zigbee/package.json tests/peers/zigbee/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js with npm, then run make again." >&2; exit 1; }
	mkdir -p $(@D)
	cp $^ $(@D)
	npm ci --prefix $(@D) $(NPM_QUIETLY)
	@test -x $(@D)/node_modules/.bin/node \
		|| { echo "npm has no Node.js 22 for this machine: use one with x86-64 or arm64." >&2; exit 1; }
	@touch $@

$(PEERS)/panel/installed: tests/peers/panel/requirements.lock | $(BIN)/python
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --require-hashes -r $<
	@touch $@

system-packages:
	@$(call command,mosquitto,mosquitto)
	@$(call command,mosquitto_sub,mosquitto-clients)
	@$(call command,mbpoll,mbpoll)
