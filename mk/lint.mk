# SPDX-License-Identifier: BSD-3-Clause
# Lint: layout, includes, warnings of a second compiler, static analysis.

C_FILES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)
# cppcheck reads no system headers but this one, whose loops it has to understand.
QUEUE_H := $(firstword $(wildcard /usr/include/*/sys/queue.h /usr/include/sys/queue.h))
# Programs for the kernel are not compiled with the flags of this machine (mk/xdp.mk has theirs).
BPF_SRCS := $(filter tunnel/xdp/%.c,$(C_FILES))
LINT_SRCS := $(filter-out $(BPF_SRCS),$(filter %.c,$(filter-out tests/%,$(C_FILES))))

.PHONY: lint
lint: lint-format lint-includes lint-docs lint-clang lint-cppcheck lint-tidy ## All static checks

.PHONY: lint-format
lint-format:
	@clang-format --dry-run -Werror $(C_FILES)

.PHONY: lint-includes
lint-includes:
	@scripts/check-includes

.PHONY: lint-docs
lint-docs:
	@scripts/gen-rpc --check rpc/schema.json docs/rpc.md

# clang's warnings over everything, headers by themselves included.
.PHONY: lint-clang
lint-clang: $(BUILD)/gen/rpc_schema.h
	@for f in $(filter-out $(BPF_SRCS),$(C_FILES)); do \
		clang $(CFLAGS) -O0 -c -o /dev/null $$(case $$f in *.h) echo -xc -Wno-unused-function;; esac) $$f \
			|| exit 1; \
	done

.PHONY: lint-cppcheck
lint-cppcheck: $(BUILD)/gen/rpc_schema.h
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
		--inline-suppr --suppressions-list=.cppcheck --include=$(QUEUE_H) -I. -I$(BUILD)/gen -j2 $(LINT_SRCS)

.PHONY: lint-tidy
lint-tidy: $(BUILD)/gen/rpc_schema.h
	@printf '%s\n' $(patsubst -I.,-I$(CURDIR),$(patsubst -I$(BUILD)/gen,-I$(abspath $(BUILD)/gen),$(CFLAGS))) \
		> $(BUILD)/compile_flags.txt
	@printf '%s\n' $(LINT_SRCS) | xargs -n 4 -P 2 clang-tidy --quiet -p $(BUILD) \
		--warnings-as-errors='*' 2>/dev/null
