# pgmap: `make stress` and `make test` each work as the only command after a clone.
#
# Both stand on `make build`: a virtual environment in .venv with the release build of the package
# and its test tools. Nothing is installed outside .venv, and once it is there everything but
# `make lint`'s first run works without a network. STRESS_ARGS, BENCH_ARGS, PYTEST_ARGS and
# CARGO_TEST_ARGS are handed through:  make stress STRESS_ARGS='--for 10m --era v6.15'

PYTHON   ?= python3
VENV     := .venv
PY       := $(VENV)/bin/python
RUST_MIN := 1.88
PY_MIN   := 3.10
# The oldest glibc that a wheel runs on; one that needs a newer one is not built.
PLATFORM := manylinux_2_34

STRESS_ARGS     ?=
BENCH_ARGS      ?=
PYTEST_ARGS     ?=
WHEEL_PYTHONS   ?= $(PY)
CARGO_TEST_ARGS ?=
MUTANTS_ARGS    ?= tests/mutants/first.toml tests/mutants/second.toml

# The extension module is never linked to libpython, so neither is anything cargo builds here.
export PYO3_BUILD_EXTENSION_MODULE := 1
export PYO3_PYTHON := $(CURDIR)/$(PY)

MATURIN := $(shell sed -n 's/.*"\(maturin[<>=][^"]*\)".*/\1/p' pyproject.toml)
# Folders are listed too: their times change when a file goes away.
SOURCES := Cargo.toml $(wildcard Cargo.lock) README.md $(shell find rust python \
	\( -name target -o -name __pycache__ \) -prune -o \
	\( -type d -o -name '*.rs' -o -name '*.toml' -o -name '*.py' -o -name '*.pyi' -o -name py.typed \) -print)

# A virtual environment whose interpreter went away is no virtual environment.
$(shell if [ -d $(VENV) ] && ! $(PY) -c '' 2>/dev/null; then rm -rf $(VENV); fi)

.DEFAULT_GOAL := help
.PHONY: help build stress test thorough bench lint docs mutants wheel clean toolchain

help: ## this list
	@echo 'usage: make TARGET'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

build: $(VENV)/.installed ## .venv with the release build and the test tools

stress: build ## hammer an emulated fsdax file with real threads (STRESS_ARGS)
	@$(PY) -m pgmap.stress $(STRESS_ARGS)

test: build ## every Rust and Python test (CARGO_TEST_ARGS, PYTEST_ARGS)
	cargo test --workspace $(CARGO_TEST_ARGS)
	$(PY) -m pytest $(PYTEST_ARGS)

thorough: build ## what takes long to show: an hour of searches, and stress beside busy loops
	PGMAP_PROGRAMS=20000 cargo test -p pgmap-explore --test generated_waits
	PGMAP_RANDOM_PROGRAMS=100000 cargo test -p pgmap-explore --test random neither
	$(PY) -m pgmap.explore --hunt all --era v6.15 --for 10m
	PYTHONPATH=tests $(PY) -m thorough.drawn_races
	PYTHONPATH=tests $(PY) -m thorough.hunted_races
	PYTHONPATH=tests $(PY) -m thorough.stressed_races
	PGMAP_MACHINE_EXAMPLES=1000 $(PY) -m pytest tests/test_race_machine.py
	PYTHONPATH=tests $(PY) -m thorough.loaded_stress
	PYTHONPATH=tests $(PY) -m thorough.loaded_stress --runs 2 --wait 'for DAX entry' -- \
		--break entry-wait-key=unrounded --ops 3000000
	PYTHONPATH=tests $(PY) -m thorough.loaded_stress --runs 2 --wait 'page to become idle' -- \
		--break idle-pred=ref-zero --ops 3000000

bench: build ## costs as ratios to floors measured in the same round (BENCH_ARGS)
	@$(PY) -m pgmap.bench $(BENCH_ARGS)

lint: build $(VENV)/.lint ## rustfmt, clippy, ruff, mypy --strict, stubtest, basedpyright
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m mypy.stubtest pgmap._core --mypy-config-file pyproject.toml
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" basedpyright --verifytypes pgmap --ignoreexternal > $(VENV)/types || { cat $(VENV)/types; exit 1; }

docs: build ## write docs/language.md and docs/rules.md anew, from the core's tables
	@$(PY) -m pgmap.explore --language > docs/language.md
	@$(PY) -m pgmap.rules --document > docs/rules.md

mutants: build ## plant known mistakes one at a time: which suite notices? (MUTANTS_ARGS)
	@PYTHONPATH=tests $(PY) -m mutants $(MUTANTS_ARGS)

wheel: $(VENV)/.tools ## dist/*.whl, which run without cargo, one for each of WHEEL_PYTHONS
	$(call BUILD_WHEEL,dist,$(WHEEL_PYTHONS),--strip --compatibility $(PLATFORM))
	@$(PY) tests/wheels.py dist/*.whl
	@ls dist/*.whl

clean: ## forget everything built, .venv included
	rm -rf target dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find python tests -name __pycache__ -prune -exec rm -rf {} +
	rm -f python/pgmap/*.so

# --- what `build` is made of ---------------------------------------------------------------------

# Prints the first thing that is missing, or nothing. `sort -VC` succeeds on ascending versions.
define MISSING
{ command -v cargo >/dev/null \
	|| echo "cargo not found: install Rust $(RUST_MIN) or newer, then run make again"; \
  said=$$(cargo --version 2>&1) \
	|| echo "cargo is installed but does not run: repair Rust, then run make again; it says: $$said"; \
  v=$$(echo "$$said" | sed -n 's/^cargo \([0-9.]*\).*/\1/p'); \
  printf '%s\n' $(RUST_MIN) "$$v" | sort -VC \
	|| echo "cargo $$v is too old: Rust $(RUST_MIN) or newer is needed"; \
  command -v cc >/dev/null \
	|| echo "cc not found: Rust links with a C compiler (Debian: apt install gcc)"; \
  command -v $(PYTHON) >/dev/null \
	|| echo "$(PYTHON) not found: install Python $(PY_MIN) or newer, or name one: make PYTHON=..."; \
  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < ($(subst .,$(,) ,$(PY_MIN))))' 2>/dev/null \
	|| echo "$(PYTHON) is older than Python $(PY_MIN): name a newer one with make PYTHON=..."; \
  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	|| echo "$(PYTHON) cannot make virtual environments (Debian: apt install python3-venv)"; \
} 2>/dev/null | head -n 1
endef
, := ,

toolchain:
	$(if $(shell $(MISSING)),$(error pgmap: $(shell $(MISSING))))@:

PIP := $(PY) -m pip install --disable-pip-version-check

# The one wheel in a folder. Built by maturin itself, because under pip cargo has nothing to say for minutes.
# $(1) is where to, $(2) for which Pythons, $(3) what else maturin is told. What is developed with keeps its
# line tables.
define BUILD_WHEEL
@rm -f $(1)/*.whl
@$(VENV)/bin/maturin build --release --locked --out $(1) --interpreter $(2) $(3)
endef

$(VENV)/.tools: pyproject.toml | toolchain
	@echo 'pgmap: preparing $(VENV)'
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) 'pip>=25.1' '$(MATURIN)'
	@touch $@

$(VENV)/.installed: $(SOURCES) $(VENV)/.tools | toolchain
	@echo 'pgmap: building (the first time takes some minutes, most of them on the last crate)'
	$(call BUILD_WHEEL,target/wheels,$(PY))
	@$(PIP) $(if $(wildcard $@),--quiet) "$$(echo target/wheels/*.whl)[test]"
	@$(PIP) --quiet --force-reinstall --no-deps target/wheels/*.whl
	@touch $@

$(VENV)/.lint: pyproject.toml $(VENV)/.tools
	@$(PIP) --group lint
	@touch $@
