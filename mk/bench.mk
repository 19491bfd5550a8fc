# SPDX-License-Identifier: BSD-3-Clause
# The load generator and the benchmarks that use it.

LOADGEN_SRCS := $(wildcard bench/loadgen/*.c) tests/fake/vhost_fe.c tests/fake/vhost_fe_ring.c
LOADGEN_OBJS := $(LOADGEN_SRCS:%.c=$(BUILD)/obj/%.o)
LOADGEN := $(BUILD)/bench/loadgen

$(LOADGEN): $(LOADGEN_OBJS)
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(SANFLAGS) $(shell pkg-config --libs libdpdk) -lm -pthread

.PHONY: loadgen
loadgen: $(LOADGEN)
