/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures as control sees them: recordings, which workers fill (vswitch/capture.h) and control
 * writes into files, or hands to the client that asks for them. All of it is the control thread's.
 *
 * A recording ends by a limit, or with what it is of; then it stays, saying why, until it is
 * deleted. One that goes to a client is deleted when nobody has read from it for a while. */
#ifndef CONTROL_CAPTURE_H
#define CONTROL_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "control/capture_filter.h"
#include "control/switch.h"
#include "vswitch/capture.h"

#define CAPTURE_FILE_SIZE 128 /* of a file's name, with its NUL */
#define CAPTURE_READ_BYTES \
	262144              /* what one call reads at most, and more than the longest packet */
#define CAPTURE_IDLE_S   10 /* how long a recording waits for its reader */
#define CAPTURE_DRAIN_MS 20 /* workers' rings are emptied that often */

struct pcapng;

/* Which packets of a port or uplink. */
enum capture_where {
	CAPTURE_WHERE_BOTH, /* received and sent */
	CAPTURE_WHERE_RX,
	CAPTURE_WHERE_TX,
	CAPTURE_WHERE_DROP,
};

struct recording_params {
	const char *name;
	/* What it is of: one of these, or only a reason. NULL: not given. */
	const char *port;
	const char *vm;
	const char *network;
	const char *uplink;
	const char *reason;
	bool has_where;
	enum capture_where where;
	const char *filter; /* NULL: all packets */
	uint32_t snaplen;
	uint64_t max_packets;
	uint64_t max_bytes;
	uint32_t max_seconds;
	const char *file; /* NULL: a client reads */
};

/* A moment on three clocks. */
struct capture_moment {
	uint64_t tsc;     /* the workers', */
	uint64_t ns;      /* clock_now_ns(), */
	uint64_t wall_ns; /* since 1970 */
};

/* A port or an uplink that has packets in a recording: an interface of the file. */
struct recording_place {
	bool is_uplink;
	uint16_t place;
	uint32_t first_epoch;
};

struct recording {
	char name[NAME_SIZE];
	char of[NAME_SIZE + 16]; /* in words */
	char reason[32];         /* "": any */
	enum capture_where where;
	char filter[CAPTURE_FILTER_SIZE];
	char file[CAPTURE_FILE_SIZE]; /* "": a client reads */
	uint64_t max_packets;
	uint64_t max_bytes;
	uint32_t max_seconds;

	struct capture seen;
	const void *object;          /* control's object that it is of, as an identity; NULL: all */
	struct recording_place only; /* of one of a port or an uplink */
	bool is_running;             /* workers have it */
	bool is_finished;            /* all of it is written or read */
	bool is_cut;   /* ended by a limit: what is in the rings does not belong to it */
	char why[128]; /* it ended; "" before */
	struct capture_moment begun;
	uint64_t asked_ns; /* when the client last asked, on clock_now_ns() */

	int fd; /* -1: none */
	uint64_t packets;
	uint64_t bytes;
	uint64_t last_ns;                    /* of the last packet */
	uint64_t skipped, missed, undecided; /* when the rings are gone */
	struct recording_place *place;
	uint32_t n_places;
	TAILQ_ENTRY(recording) link;
};

struct recordings {
	TAILQ_HEAD(recording_list, recording) list;
	unsigned n;
	int folder; /* where files are made; -1: nowhere */
	int timer;  /* a timerfd that goes off while there is something to do */
	struct captures of_worker[MAX_WORKERS];
	uint8_t *buffer; /* [CAPTURE_READ_BYTES] */
};

/* Makes captures possible; files are made below `folder`, NULL: none are. NULL with *e filled. */
struct recordings *recordings_create(const char *folder, struct err *e);

/* Readable when recordings_tick() is to be called. */
int recordings_fd(const struct recordings *all);
/* Writes what was captured, and ends what is over. */
void recordings_tick(struct vswitch *sw);

/* Begins to capture. NULL with *e filled, and nothing changed. */
struct recording *recording_create(struct vswitch *sw, const struct recording_params *p,
				   struct err *e);
struct recording *recording_find(struct vswitch *sw, const char *name);
/* Ends it, writes what was captured and forgets it. */
void recording_delete(struct vswitch *sw, struct recording *r);

/* Ends a recording, for a reason: workers have it no more. What they captured can still be read, or
 * is written into its file. */
void recording_stop(struct vswitch *sw, struct recording *r, const char *why);

/* Reads what was captured since the last call: *f gets whole blocks, until it has `limit` bytes or
 * is full. r->is_finished says that nothing will follow. Keeps the recording for another
 * CAPTURE_IDLE_S, with a limit of 0 too. */
void recording_read(struct vswitch *sw, struct recording *r, struct pcapng *f, size_t limit);

/* Packets that workers had no time for, and no room, and those about which the filter could not
 * tell. */
void recording_lost(const struct recording *r, uint64_t *skipped, uint64_t *missed,
		    uint64_t *undecided);

/* --- helpers of this module (control/capture_write.c) --- */

/* Now. */
struct capture_moment capture_moment(void);

/* Appends blocks for what workers captured, as far as there is room, until *f has `limit` bytes;
 * ends the recording where it reaches one of its limits. */
void recording_drain(struct vswitch *sw, struct recording *r, struct pcapng *f, size_t limit);

#endif
