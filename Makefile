# SPDX-License-Identifier: BSD-3-Clause
# Every entry point of the project. `make help` lists them.
#
# Sources are found by wildcard: a new .c file in a module's folder is built into libstint.a, a new
# tests/unit/<dir>/<name>_test.c becomes a test binary. Nothing here needs to be edited for either.

SHELL := /bin/bash
.DEFAULT_GOAL := all

# `make SAN=1` builds with ASan and UBSan in a folder of its own.
ifdef SAN
BUILD ?= build/asan
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT ?= -O1
endif
# `make TSAN=1` builds with ThreadSanitizer. It does not know fences, which order flags here, not data.
ifdef TSAN
BUILD ?= build/tsan
SANFLAGS := -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan -DRTE_USE_C11_MEM_MODEL
OPT ?= -O1
endif
# `make FUZZING=1` builds what libFuzzer runs.
ifdef FUZZING
CC := clang
BUILD ?= build/fuzz
SANFLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -D__SANITIZE_ADDRESS__=1
OPT ?= -O1
endif
BUILD ?= build
OPT ?= -O3
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
VERSION := $(shell cat VERSION)
# With prefetches for writing: without them a line that is about to be written is fetched twice.
MARCH ?= x86-64-v3 -mprfchw

PKGS := libdpdk jansson libsystemd libcap-ng libmnl libbpf libpcap
# `make V=1` shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))

WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith -Wvla -Wundef -Werror
# DPDK's headers come in as system headers: their warnings are not ours.
PKG_CFLAGS = $(patsubst -I%,-isystem %,$(filter-out -march=%,$(shell pkg-config --cflags $(PKGS))))
CFLAGS = -std=gnu11 -D_GNU_SOURCE -g $(OPT) -march=$(MARCH) $(WARN) $(SANFLAGS) -I. -I$(BUILD)/gen $(PKG_CFLAGS) \
	-DSTINT_VERSION='"$(VERSION)"' -DALLOW_EXPERIMENTAL_API -pthread $(EXTRA_CFLAGS)
LDLIBS = $(SANFLAGS) $(shell pkg-config --libs $(PKGS)) -lm -pthread

MODULES := base pkt tcp tunnel ring vhost policy rpc vswitch control daemon cli
SRCS := $(filter-out daemon/main.c cli/main.c,$(foreach m,$(MODULES),$(wildcard $(m)/*.c)))
# Generated from the description of the JSON-RPC methods. rpc_methods.c names the daemon's handlers, so
# only what refers to that table (stintd) gets it out of the archive; stintctl takes rpc_doc.c alone.
GEN_SRCS := $(addprefix $(BUILD)/gen/,rpc_params.c rpc_methods.c rpc_doc.c)
OBJS := $(SRCS:%.c=$(BUILD)/obj/%.o) $(GEN_SRCS:$(BUILD)/gen/%.c=$(BUILD)/obj/gen/%.o)
LIB := $(BUILD)/libstint.a

UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*/*_test.c))
FAKES := $(BUILD)/libfakes.a
FAKE_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/fake/*.c))

BINS := $(BUILD)/stintd $(BUILD)/stintctl

.PHONY: all
all: deps ## Build stintd and stintctl (installing what is missing)
	@$(MAKE) --no-print-directory build

.PHONY: build
build: $(BINS) ## Build, without looking at packages

.PHONY: deps
deps: ## Install the Debian packages that the build and the tests need
	@scripts/install-deps

$(GEN_SRCS) $(BUILD)/gen/rpc_schema.h &: rpc/schema.json scripts/gen-rpc $(wildcard scripts/genrpc/*.py)
	@mkdir -p $(BUILD)/gen
	$(call say,GEN,$@)
	$(Q)scripts/gen-rpc --c $(BUILD)/gen rpc/schema.json

# Objects wait for the generated header to exist; after that their .d files say who needs it.
$(OBJS) $(FAKE_OBJS) $(BUILD)/obj/daemon/main.o: | $(BUILD)/gen/rpc_schema.h

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(OBJS)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $(OBJS)

$(FAKES): $(FAKE_OBJS)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $(FAKE_OBJS)

$(BUILD)/stintd: $(BUILD)/obj/daemon/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^ $(LDLIBS)

$(BUILD)/stintctl: $(BUILD)/obj/cli/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^ $(SANFLAGS) $(shell pkg-config --libs jansson) -lm

# --- tests -----------------------------------------------------------------------------------

$(BUILD)/tests/%: tests/%.c $(LIB) $(FAKES) | $(BUILD)/gen/rpc_schema.h
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -o $@ $< $(FAKES) $(LIB) $(LDLIBS) -lcmocka

.PHONY: unit-tests
unit-tests: $(UNIT_TESTS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
-include mk/*.mk

.PHONY: clean
clean: ## Remove everything that was built (cached guest images too)
	rm -rf build

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
