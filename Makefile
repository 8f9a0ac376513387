# Thin names over ordinary commands. `make demo` and `make test` need Python, a C compiler and the package index, no more.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(shell find csrc -type f) $(wildcard convkit/*.pyx convkit/*.pxd)

.SECONDARY:
.PHONY: demo test bench bench-peers lint docs sanitize test-c sanitize-c test-neon test-avx512 clean

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
	$(BIN)/sphinx-build -W --keep-going -d docs/_build/doctrees -b html docs docs/_build/html

# The Python tests against a build with AddressSanitizer and UndefinedBehaviorSanitizer. TESTS=... for a part of them.
SANITIZED := $(CURDIR)/build/sanitize
TESTS ?= tests
sanitize: $(VENV)/installed
	CONVKIT_SANITIZE=1 $(BIN)/python setup.py -q build --build-base $(SANITIZED) --build-lib $(SANITIZED)/lib
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	PYTHONPATH=$(SANITIZED)/lib $(BIN)/pytest -p no:cacheprovider $(TESTS)

# ---- C tests. Each tests/c/test_*.c is a program of its own; test_simd.c makes one for each instruction set of the architecture, with
# the flags of csrc/isa/flags.txt. SAMPLE=... runs that percentage of their cases; above 100, draws more of them.
SAMPLE ?= 100
OPENMP := $(if $(filter 0,$(CONVKIT_OPENMP)),,-fopenmp)
CORE_FLAGS := -std=gnu11 -O2 -ffp-contract=fast -fwrapv -pthread $(OPENMP) -Icsrc -Itests/c
isas_of = $(shell awk '$$2 == "any" || $$2 == "$1" { print $$1 }' csrc/isa/flags.txt)
isa_flags = $(shell sed -n 's/^$1 [a-z0-9_]* *//p' csrc/isa/flags.txt)
programs = $(patsubst tests/c/%.c,$1/%,$(filter-out %/test_simd.c,$(wildcard tests/c/test_*.c))) $(patsubst %,$1/test_simd_%,$2)
run = @set -e; for program in $1; do $2 $$program -s $3; done

# The rules for the programs in directory $1, compiled with $2 and linked with $3.
define c_programs
$1/test_simd_%: tests/c/test_simd.c $(wildcard tests/c/*) $3
	@mkdir -p $1
	$2 $$(call isa_flags,$$*) -DISA_HEADER='"simd/$$*.h"' $$< $3 -lm -o $$@
$1/test_%: tests/c/test_%.c $(wildcard tests/c/*) $3
	@mkdir -p $1
	$2 $$< $3 -lm -o $$@
endef

# The rule for the objects of the core in directory $1, compiled with $2; $3: flags for all but the kernels.
define c_core
$1/csrc/%.o: csrc/%.c $(SOURCES)
	@mkdir -p $$(@D)
	$2 $$(if $$(filter isa/%,$$*),$$(call isa_flags,$$(notdir $$*)),$3) -c $$< -o $$@
endef
core = $(patsubst %.c,$1/%.o,$(filter-out csrc/isa/%,$(shell find csrc -name '*.c')) $(patsubst %,csrc/isa/%.c,$2))

ARCHITECTURE := $(shell $(CC) -dumpmachine | cut -d- -f1)
ISAS := $(call isas_of,$(ARCHITECTURE))
COMPILER := $(notdir $(firstword $(CC)))

# With the library as it has been installed.
LIBRARY := convkit/lib/libconvkit.a
C_PROGRAMS := $(call programs,build/c/$(COMPILER),$(ISAS))
$(eval $(call c_programs,build/c/$(COMPILER),$(CC) $(CORE_FLAGS),$(LIBRARY)))
$(LIBRARY): $(VENV)/installed ;
test-c: $(C_PROGRAMS)
	$(call run,$^,,$(SAMPLE))

# The core itself and the tests with AddressSanitizer and UndefinedBehaviorSanitizer; only the kernels may overflow. Not optimized:
# the checks make too much of unrolled kernels.
SANITIZE_CC := $(CC) $(CORE_FLAGS) -O0 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
SANITIZED_C := build/sanitize-c/$(COMPILER)
SANITIZED_CORE := $(call core,$(SANITIZED_C),$(ISAS))
$(eval $(call c_core,$(SANITIZED_C),$(SANITIZE_CC),-fno-wrapv))
$(eval $(call c_programs,$(SANITIZED_C),$(SANITIZE_CC),$(SANITIZED_CORE)))
sanitize-c: $(call programs,$(SANITIZED_C),$(ISAS))
	$(call run,$^,UBSAN_OPTIONS=print_stacktrace=1,$(SAMPLE))

# On 64-bit Arm, cross-compiled and run by an emulator; the core must compile there without a warning in any case.
NEON_CC ?= aarch64-linux-gnu-gcc
NEON_RUN ?= qemu-aarch64
NEON_ISAS := $(call isas_of,aarch64)
NEON_CORE := $(call core,build/neon,$(NEON_ISAS))
$(eval $(call c_core,build/neon,$(NEON_CC) $(CORE_FLAGS) -Wall -Wextra -Werror,))
$(eval $(call c_programs,build/neon,$(NEON_CC) $(CORE_FLAGS) -static,$(NEON_CORE)))
test-neon: $(call programs,build/neon,$(NEON_ISAS))
	$(call run,$^,$(NEON_RUN),$(SAMPLE))

# With AVX-512 on a machine without it, by an emulator; a sample, because it is slow.
KERNEL ?= $(lastword $(sort $(wildcard /boot/vmlinuz-*)))
EMULATED_SAMPLE ?= 5
EMULATED_ISAS := $(call isas_of,x86_64)
EMULATED_CORE := $(call core,build/emulated,$(EMULATED_ISAS))
$(eval $(call c_core,build/emulated,$(CC) $(CORE_FLAGS),))
$(eval $(call c_programs,build/emulated,$(CC) $(CORE_FLAGS) -static,$(EMULATED_CORE)))
test-avx512: $(call programs,build/emulated,$(EMULATED_ISAS))
	sh tests/emulate.sh build/emulated/pc '$(KERNEL)' $(EMULATED_SAMPLE) $^

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
