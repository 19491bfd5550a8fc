/* SPDX-License-Identifier: BSD-3-Clause */
/* What to generate: VMs and the streams between them, read from a file or from flags.
 *
 *   vm 0-3 socket=/tmp/x/p%d.sock type=virtio queues=1 ring=256 packed=0
 *   vm 9 type=wire socket=/tmp/x/wire address=10.9.0.1 mac=02:00:00:00:00:01
 *   vm 4 type=remote wire=9 vni=1 address=10.9.0.2
 *   stream name=ab from=0 to=1 mode=closed window=128 size=64 flows=1
 *   phase quiet streams=ab attacks=0
 *
 * `vm` takes the number or range of numbers that follow, %d is the number. Without phases the whole
 * run is one. docs/benchmarks.md lists the keys. */
#ifndef LOADGEN_SPEC_H
#define LOADGEN_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_VMS     96
#define MAX_STREAMS 256
#define MAX_SIZES   4096
#define MAX_FLOWS   65536
#define MAX_PHASES  16

enum vm_type {
	VM_VIRTIO,
	VM_FE,
	VM_ATTACK,
	VM_WIRE,  /* no VM, but the other end of the switch's uplink; */
	VM_REMOTE /* and one of another host, beyond it */
};

struct vm_spec {
	bool present;
	enum vm_type type;
	char socket[100];
	char attack[24];
	uint16_t queues, ring;
	bool packed, server, mergeable, in_order, tso, kick_always;
	double rate;      /* attack steps a second */
	uint16_t peer;    /* whom it attacks; MAX_VMS: its neighbour */
	uint16_t macs;    /* attack `macs`: addresses that it sends to */
	uint32_t flows;   /* attack `flows`: how many; 0: as many as there are packets */
	double rx_rate;   /* of a wire: packets that it takes in a second; 0: no limit */
	double look_us;   /* of a wire: time from one look at what came in to the next */
	char address[16]; /* IPv4: of the remote's host, and of the VTEP that a wire leads to, */
	char mac[18];     /* whose MAC address this is */
	uint32_t vni;
	uint16_t wire; /* number of that which a remote is behind */
};

enum stream_mode { MODE_CLOSED, MODE_OPEN, MODE_SATURATE, MODE_REQUEST };
enum stream_target { TARGET_VM, TARGET_BROADCAST, TARGET_UNKNOWN };

struct size_step {
	uint32_t len;
	uint16_t segments;
};

struct stream_spec {
	char name[32];
	uint16_t from_first, from_last;
	uint16_t to_first, to_last;
	enum stream_target target;
	bool all; /* each sender goes round all of `to`; else they pair up */
	enum stream_mode mode;
	uint32_t window; /* closed: packets per direction; request: outstanding */
	double rate;     /* packets a second of each sender; 0: as its mode says */
	bool poisson;
	double period_us, on_us, phase_us; /* bursts; period 0: always on */
	double phase_step_us;              /* added to the phase from sender to sender */
	double timeout_us;
	uint32_t flows;
	bool fresh; /* write each packet's header anew */
	bool check; /* number and checksum each packet, and verify on arrival */
	bool tso;
	uint32_t faults; /* every so many-th packet is made wrong; 0: none */
	uint64_t limit;  /* packets of each sender; 0: no limit */
	struct size_step sizes[MAX_SIZES];
	uint32_t n_sizes;
	uint32_t max_len;
	uint16_t max_segments;
};

/* A part of the run that is measured by itself. */
struct phase_spec {
	char name[24];
	char streams[64]; /* those that send, joined by '+'; empty: all */
	bool attacks;     /* whether hostile VMs act */
};

struct spec {
	struct vm_spec vm[MAX_VMS];
	uint16_t n_vms; /* one more than the highest number */
	struct stream_spec *stream[MAX_STREAMS];
	uint16_t n_streams;
	struct phase_spec phase[MAX_PHASES];
	uint16_t n_phases;
};

/* Reads one line ("vm ...", "stream ..." or "phase ..."), or a file of them. Returns 0, or -1 with
 * the reason on standard error. */
int spec_line(struct spec *s, const char *line);
int spec_file(struct spec *s, const char *path);
/* Whether all that was read goes together; the same way of failing. */
int spec_check(const struct spec *s);
void spec_free(struct spec *s);

#endif
