# A thin front to CMake. BUILD=folder changes where things are built.
BUILD ?= build
JOBS ?= $(shell nproc)
# Of ctest: most tests wait for most of their time, and what takes a core takes two slots.
SLOTS ?= $(shell echo $$((2 * $(JOBS))))
SECONDS ?= 60
PREFIX ?= /usr/local
CMAKE_FLAGS ?=
CTEST_FLAGS ?=

# Lines for the stack traces, and no more: a debugger's tables take a quarter of the time to compile and link.
SANITIZED = -DCMAKE_C_FLAGS=-O1 -DCMAKE_C_FLAGS_DEBUG=-g1

.PHONY: all program configure test unit asan tsan lint format fuzz bench install clean

all: configure
	cmake --build $(BUILD) -j $(JOBS)

# The program alone, without tests and benchmarks.
program: configure
	cmake --build $(BUILD) -j $(JOBS) --target squall

configure:
	@mkdir -p $(BUILD)
	@cmake -S . -B $(BUILD) $(CMAKE_FLAGS) > $(BUILD)/configure.log 2>&1 || (cat $(BUILD)/configure.log; exit 1)

test: all
	ctest --test-dir $(BUILD) --output-on-failure -j $(SLOTS) $(CTEST_FLAGS)

unit: all
	ctest --test-dir $(BUILD) --output-on-failure -j $(SLOTS) $(CTEST_FLAGS) -L unit

asan:
	$(MAKE) all BUILD=build-asan CMAKE_FLAGS="-DSQ_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=Debug $(SANITIZED)"
	ctest --test-dir build-asan --output-on-failure -j $(SLOTS) $(CTEST_FLAGS)

tsan:
	$(MAKE) all BUILD=build-tsan CMAKE_FLAGS="-DSQ_SANITIZE=thread -DCMAKE_BUILD_TYPE=Debug $(SANITIZED)"
	ctest --test-dir build-tsan --output-on-failure -j $(SLOTS) $(CTEST_FLAGS)

lint: configure
	tools/lint.sh $(BUILD)

format:
	git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

fuzz:
	tools/fuzz.sh $(SECONDS)

bench: all
	bench/run.sh

# Builds nothing, so that `sudo make install` leaves no file of root's in the way of the next `make`.
install:
	@test -x $(BUILD)/squall || { echo "Nothing to install yet: run make first." >&2; exit 1; }
	cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf build build-asan build-tsan build-fuzz
