# Thin names over ordinary commands. `make demo` and `make test` need Python, a C compiler and the package index, no more.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(shell find csrc -type f) $(wildcard convkit/*.pyx convkit/*.pxd)

.PHONY: demo test bench bench-peers lint docs sanitize test-c test-neon clean

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

test: $(VENV)/installed
	$(BIN)/pytest tests

bench: $(VENV)/installed-bench
	$(BIN)/pytest bench

# Side by side with other libraries, in an environment of its own; one that cannot be installed is left out. PEERS_ARGS='--help'.
PEERS_VENV ?= .venv-peers
PEERS ?= torch onnxruntime onnx openvino ncnn opencv-python-headless
PEERS_ARGS ?= --family pointwise,dense,dense3x3
# Where torch comes without the libraries of graphics cards.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
bench-peers: $(PEERS_VENV)/installed
	$(PEERS_VENV)/bin/python -m bench.peers $(PEERS_ARGS)

$(PEERS_VENV)/peers:
	$(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/python -m pip install -q --upgrade pip "setuptools>=77" "Cython>=3.1"
	for peer in $(PEERS); do \
	  { [ $$peer = torch ] && $(PEERS_VENV)/bin/python -m pip install -q --index-url $(TORCH_INDEX) torch; } \
	  || $(PEERS_VENV)/bin/python -m pip install -q $$peer || echo "$$peer cannot be installed, and is left out"; done
	touch $@

$(PEERS_VENV)/installed: $(PEERS_VENV)/peers pyproject.toml setup.py $(SOURCES)
	$(PEERS_VENV)/bin/python -m pip install -q --no-build-isolation -e '.[bench]'
	touch $@

# Style, types, spelling, and the C core compiled with many warnings as errors.
lint: $(VENV)/installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(abspath $(BIN)):$$PATH" cython-lint convkit
	$(BIN)/codespell
	CONVKIT_WERROR=1 $(BIN)/python setup.py -q build_ext --build-temp build/strict --build-lib build/strict

docs: $(VENV)/installed-docs
	$(BIN)/sphinx-build -d docs/_build/doctrees -b html docs docs/_build/html

# The Python tests against a build with AddressSanitizer and UndefinedBehaviorSanitizer. TESTS=... for a part of them.
SANITIZED := $(CURDIR)/build/sanitize
TESTS ?= tests
sanitize: $(VENV)/installed
	CONVKIT_SANITIZE=1 $(BIN)/python setup.py -q build --build-base $(SANITIZED) --build-lib $(SANITIZED)/lib
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	PYTHONPATH=$(SANITIZED)/lib $(BIN)/pytest -p no:cacheprovider $(TESTS)

# Each tests/c/test_*.c is a program of its own, linked with the core.
C_TESTS := $(wildcard tests/c/test_*.c)
CORE_FLAGS := -std=gnu11 -O2 -ffp-contract=fast -fwrapv -pthread -fopenmp -Icsrc
test-c: $(VENV)/installed
	@mkdir -p build/c
	@set -e; for source in $(C_TESTS); do program=build/c/$$(basename $$source .c); echo $$program; \
	  $(CC) $(CORE_FLAGS) $$source convkit/lib/libconvkit.a -lm -o $$program; $$program; done

# The same on 64-bit Arm, cross-compiled and run by an emulator; the core must compile there without a warning in any case.
NEON_CC ?= aarch64-linux-gnu-gcc
NEON_RUN ?= qemu-aarch64
NEON_CORE := $(filter-out csrc/isa/avx%,$(shell find csrc -name '*.c'))
NEON_OBJECTS := $(NEON_CORE:%.c=build/neon/%.o)
build/neon/%.o: %.c $(SOURCES)
	@mkdir -p $(@D)
	$(NEON_CC) $(CORE_FLAGS) -Wall -Wextra -Werror -c $< -o $@
test-neon: $(NEON_OBJECTS)
	@set -e; for source in $(C_TESTS); do program=build/neon/$$(basename $$source .c); echo $$program; \
	  $(NEON_CC) $(CORE_FLAGS) -static $$source $(NEON_OBJECTS) -lm -o $$program; $(NEON_RUN) $$program; done

clean:
	rm -rf build dist *.egg-info convkit/_core.c convkit/*.so convkit/include convkit/lib docs/_build $(VENV)/installed* $(PEERS_VENV)/installed

# The environment: an editable installation, so that the tree is what runs; made anew when something that is compiled has changed.
$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip "setuptools>=77" "Cython>=3.1"
	touch $@

$(VENV)/installed: $(VENV)/python pyproject.toml setup.py $(SOURCES)
	$(BIN)/python -m pip install -q --no-build-isolation -e '.[test,demo]'
	touch $@

$(VENV)/installed-%: $(VENV)/installed
	$(BIN)/python -m pip install -q --no-build-isolation -e '.[$*]'
	touch $@
