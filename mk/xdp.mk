# SPDX-License-Identifier: BSD-3-Clause
# The XDP program of uplinks. It runs in the kernel, so it is compiled by clang, and with flags of its own, whatever
# compiler the rest is built with.

XDP_OBJ := $(BUILD)/xdp/uplink.o
# The kernel's headers for programs of this machine, which BPF's target does not look for.
BPF_CFLAGS = -std=gnu11 -O2 -g -target bpf -Wall -Wextra -Wshadow -Werror -I. \
	-isystem /usr/include/$(shell gcc -print-multiarch)

$(BUILD)/xdp/%.o: tunnel/xdp/%.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)clang $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

build unit-tests lint: $(XDP_OBJ)
