/* SPDX-License-Identifier: BSD-3-Clause */
/* Recordings: their creation, their limits, their files.
 *
 * Owns them, the workers' rings and the files. Called by the control thread. Memory: for each
 * recording that goes on, a ring for each worker; of those that are over, the words only. */
#include "control/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/log.h"
#include "control/pcapng.h"
#include "control/tunnel.h"

/* Buffers that are written for one recording at once, so that others and clients get their turn. */
#define BUFFERS_PER_TICK 4

/* --- all of them -------------------------------------------------------------------------------
 */

static int open_folder(struct recordings *all, const char *folder, struct err *e)
{
	all->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (all->folder < 0)
		return err_set(e, ERR_INVALID, "capture-dir", "--capture-dir %s: %s", folder,
			       strerror(errno));
	return 0;
}

static void free_all(struct recordings *all)
{
	if (all->folder >= 0)
		close(all->folder);
	if (all->timer >= 0)
		close(all->timer);
	free(all->buffer);
	free(all);
}

struct recordings *recordings_create(const char *folder, struct err *e)
{
	struct recordings *all = calloc(1, sizeof(*all));

	if (!all) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	capture_filter_init();
	TAILQ_INIT(&all->list);
	all->folder = -1;
	all->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	all->buffer = malloc(CAPTURE_READ_BYTES);
	if (all->timer < 0 || !all->buffer)
		err_set(e, ERR_NO_SPACE, NULL, "no captures: %s", strerror(errno));
	else if (!folder || open_folder(all, folder, e) == 0)
		return all;
	free_all(all);
	return NULL;
}

void recordings_destroy(struct vswitch *sw)
{
	struct recording *r;

	if (!sw->recordings)
		return;
	while ((r = TAILQ_FIRST(&sw->recordings->list)))
		recording_delete(sw, r);
	free_all(sw->recordings);
	sw->recordings = NULL;
}

int recordings_fd(const struct recordings *all)
{
	return all->timer;
}

/* Lets the timer run while a recording goes on, or waits for its reader. */
static void set_timer(struct recordings *all)
{
	struct itimerspec t = {0};
	const struct recording *r;

	TAILQ_FOREACH (r, &all->list, link)
		if (!r->is_finished || !r->file[0])
			t.it_value.tv_nsec = t.it_interval.tv_nsec =
				(long)(CAPTURE_DRAIN_MS * CLOCK_NS_PER_MS);
	if (timerfd_settime(all->timer, 0, &t, NULL) < 0)
		log_error("captures: the timer: %s", strerror(errno));
}

struct recording *recording_find(struct vswitch *sw, const char *name)
{
	struct recording *r;

	TAILQ_FOREACH (r, &sw->recordings->list, link)
		if (strcmp(r->name, name) == 0)
			return r;
	return NULL;
}

/* --- its end -----------------------------------------------------------------------------------
 */

static void remove_from(struct worker *w, void *arg)
{
	const struct capture *c = arg;

	capture_remove(w, c);
}

void recording_stop(struct vswitch *sw, struct recording *r, const char *why)
{
	if (!r->is_running)
		return;
	for (unsigned i = 0; i < sw->n_workers; i++)
		worker_call(sw->worker[i], remove_from, &r->seen);
	r->is_running = false;
	snprintf(r->why, sizeof(r->why), "%s", why);
	log_info("capture %s ended: %s", r->name, why);
}

void recording_lost(const struct recording *r, uint64_t *skipped, uint64_t *missed,
		    uint64_t *undecided)
{
	*skipped = r->skipped;
	*missed = r->missed;
	*undecided = r->undecided;
	for (unsigned i = 0; i < MAX_WORKERS; i++) {
		const struct capture_ring *ring = r->seen.ring[i];

		if (!ring)
			continue;
		*skipped += counter_read(&ring->skipped);
		*missed += counter_read(&ring->missed);
		*undecided += counter_read(&ring->undecided);
	}
}

/* Gives up what only a recording that goes on needs. No worker may have it any more. */
static void release(struct recording *r)
{
	recording_lost(r, &r->skipped, &r->missed, &r->undecided);
	for (unsigned i = 0; i < MAX_WORKERS; i++) {
		capture_ring_destroy(r->seen.ring[i]);
		r->seen.ring[i] = NULL;
	}
	free(r->seen.filter);
	r->seen.filter = NULL;
	free(r->place);
	r->place = NULL;
	r->n_places = 0;
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Writes up to `most` buffers of what was captured into the recording's file. */
static void write_out(struct vswitch *sw, struct recording *r, unsigned most)
{
	struct pcapng f = {sw->recordings->buffer, CAPTURE_READ_BYTES, 1};
	char why[sizeof(r->why)];
	int rc;

	for (unsigned i = 0; i < most && !r->is_finished && f.used > 0; i++) {
		f.used = 0;
		recording_drain(sw, r, &f, f.size);
		rc = write_all(r->fd, f.to, f.used);
		if (rc == 0)
			continue;
		snprintf(why, sizeof(why), "cannot write its file: %s", strerror(-rc));
		recording_stop(sw, r, why);
		r->is_finished = true;
	}
	if (r->is_finished)
		release(r);
}

void recording_delete(struct vswitch *sw, struct recording *r)
{
	recording_stop(sw, r, "deleted");
	if (r->fd >= 0 && !r->is_finished)
		write_out(sw, r, UINT32_MAX);
	release(r);
	TAILQ_REMOVE(&sw->recordings->list, r, link);
	sw->recordings->n--;
	set_timer(sw->recordings);
	free(r);
}

void recordings_forget(struct vswitch *sw, const void *object)
{
	struct recording *r;

	if (!sw->recordings)
		return;
	TAILQ_FOREACH (r, &sw->recordings->list, link) {
		if (!r->is_running || r->object != object)
			continue;
		recording_stop(sw, r, "what it was of is deleted");
		if (r->fd >= 0)
			write_out(sw, r, UINT32_MAX);
	}
}

static void look_at(struct vswitch *sw, struct recording *r, uint64_t now)
{
	if (now - r->begun.ns >= r->max_seconds * CLOCK_NS_PER_S)
		recording_stop(sw, r, "max_seconds");
	if (r->fd >= 0)
		write_out(sw, r, BUFFERS_PER_TICK);
	else if (!r->file[0] && now - r->asked_ns >= CAPTURE_IDLE_S * CLOCK_NS_PER_S)
		recording_delete(sw, r);
}

void recordings_tick(struct vswitch *sw)
{
	struct recordings *all = sw->recordings;
	struct recording *r, *next;
	uint64_t times, now = clock_now_ns();

	if (read(all->timer, &times, sizeof(times)) < 0 && errno != EAGAIN)
		log_error("captures: the timer: %s", strerror(errno));
	for (r = TAILQ_FIRST(&all->list); r; r = next) {
		next = TAILQ_NEXT(r, link);
		look_at(sw, r, now);
	}
	set_timer(all);
}

void recording_read(struct vswitch *sw, struct recording *r, struct pcapng *f, size_t limit)
{
	r->asked_ns = clock_now_ns();
	if (limit > 0 && !r->is_finished)
		recording_drain(sw, r, f, limit);
	if (r->is_finished)
		release(r);
}

/* --- its beginning -----------------------------------------------------------------------------
 */

/* Finds what the recording is of. Only one of these may be given. */
static int find_object(struct vswitch *sw, const struct recording_params *p, struct recording *r,
		       struct err *e)
{
	const struct port *port = p->port ? port_find(sw, p->port) : NULL;
	const struct vm *vm = p->vm ? vm_find(sw, p->vm) : NULL;
	const struct network *net = p->network ? network_find(sw, p->network) : NULL;
	const struct uplink *u = p->uplink ? uplink_find(sw, p->uplink) : NULL;
	const struct {
		const char *field, *name;
		const void *object;
	} of[] = {{"port", p->port, port},
		  {"vm", p->vm, vm},
		  {"network", p->network, net},
		  {"uplink", p->uplink, u}};
	const char *first = NULL;

	snprintf(r->of, sizeof(r->of), "all");
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		if (!of[i].name)
			continue;
		if (first)
			return err_set(e, ERR_INVALID, of[i].field,
				       "%s: a capture is of one thing, and %s is given already",
				       of[i].field, first);
		if (!of[i].object)
			return err_set(e, ERR_NOT_FOUND, of[i].field, "%s '%s' does not exist",
				       of[i].field, of[i].name);
		first = of[i].field;
		r->object = of[i].object;
		r->seen.kind = CAPTURE_OF_PORT + (enum capture_kind)i;
		snprintf(r->of, sizeof(r->of), "%s %s", first, of[i].name);
	}
	if (!first && !p->reason)
		return err_set(e, ERR_INVALID, "port",
			       "port: one of port, vm, network, uplink and reason has to be given");
	r->seen.port = port ? &port->vport : NULL;
	r->seen.vm = vm ? vm->id : 0;
	r->seen.bridge = net ? &net->bridge : NULL;
	r->seen.device = u ? uplink_queue(u->dev, 0)->port_id : 0;
	if (port)
		r->only = (struct recording_place){false, port->vport.id, port->vport.first_epoch};
	if (u)
		r->only = (struct recording_place){true, r->seen.device, 0};
	return 0;
}

/* Drops that no worker has a packet of: it was never read from the ring. */
static bool has_packet(enum drop_reason reason)
{
	switch (reason) {
	case DROP_BAD_DESCRIPTOR:
	case DROP_CHAIN_TOO_LONG:
	case DROP_TOO_LONG:
	case DROP_TOO_SHORT:
	case DROP_BAD_OFFLOAD:
	case DROP_NO_BUFFER:
		return false;
	default:
		return true;
	}
}

/* Finds the reasons, of ports and of uplinks, that have this name. */
static int find_reason(const struct recording_params *p, struct recording *r, struct err *e)
{
	r->seen.reasons = r->seen.wire_reasons = UINT64_MAX;
	if (!p->reason)
		return 0;
	r->seen.reasons = r->seen.wire_reasons = 0;
	for (int i = 0; i < DROP_COUNT; i++) {
		if (strcmp(drop_reason_text(i), p->reason) != 0)
			continue;
		if (!has_packet(i))
			return err_set(e, ERR_INVALID, "reason",
				       "reason '%s': such packets are not read, so there is "
				       "nothing to capture",
				       p->reason);
		r->seen.reasons |= UINT64_C(1) << i;
	}
	for (int i = 0; i < WIRE_DROP_COUNT; i++)
		if (strcmp(wire_drop_text(i), p->reason) == 0)
			r->seen.wire_reasons |= UINT64_C(1) << i;
	if (r->seen.reasons == 0 && r->seen.wire_reasons == 0)
		return err_set(e, ERR_NOT_FOUND, "reason",
			       "reason '%.60s': packets are not dropped for that; see stats "
			       "drop-reasons",
			       p->reason);
	snprintf(r->reason, sizeof(r->reason), "%s", p->reason);
	return 0;
}

static int find_points(const struct recording_params *p, struct recording *r, struct err *e)
{
	static const uint32_t points[] = {
		[CAPTURE_WHERE_BOTH] = 1u << CAPTURE_RX | 1u << CAPTURE_TX,
		[CAPTURE_WHERE_RX] = 1u << CAPTURE_RX,
		[CAPTURE_WHERE_TX] = 1u << CAPTURE_TX,
		[CAPTURE_WHERE_DROP] = 1u << CAPTURE_DROP,
	};

	r->where = p->reason && !p->has_where ? CAPTURE_WHERE_DROP : p->where;
	if (p->reason && r->where != CAPTURE_WHERE_DROP)
		return err_set(e, ERR_INVALID, "point",
			       "point: only dropped packets have a reason, so it can only be drop");
	r->seen.points = points[r->where];
	return 0;
}

static int check_file(const struct recordings *all, const char *file, struct err *e)
{
	if (!file)
		return 0;
	if (all->folder < 0)
		return err_set(e, ERR_WRONG_STATE, "file",
			       "file: stintd was started without --capture-dir");
	if (file[0] == '\0' || file[0] == '.' || strchr(file, '/') ||
	    strlen(file) >= CAPTURE_FILE_SIZE)
		return err_set(e, ERR_INVALID, "file",
			       "file '%.60s': must be the name of a file in --capture-dir, not "
			       "beginning with '.'",
			       file);
	return 0;
}

static int check(struct vswitch *sw, const struct recording_params *p, struct err *e)
{
	if (switch_check_name("name", p->name, e) < 0 || check_file(sw->recordings, p->file, e) < 0)
		return -1;
	if (recording_find(sw, p->name))
		return err_set(e, ERR_EXISTS, "name", "capture '%s' exists already", p->name);
	if (sw->recordings->n == CAPTURES_MAX)
		return err_set(e, ERR_NO_SPACE, "name",
			       "capture '%s': there are %d already, and those that ended count "
			       "until they are deleted",
			       p->name, CAPTURES_MAX);
	return 0;
}

static int make_rings(const struct vswitch *sw, struct recording *r, struct err *e)
{
	for (unsigned i = 0; i < sw->n_workers; i++) {
		r->seen.ring[i] = capture_ring_create();
		if (!r->seen.ring[i])
			return err_set(e, ERR_NO_SPACE, "name", "capture '%s': out of memory",
				       r->name);
	}
	return 0;
}

static int make_file(const struct recordings *all, struct recording *r, struct err *e)
{
	if (!r->file[0])
		return 0;
	r->fd = openat(all->folder, r->file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       0600);
	if (r->fd >= 0)
		return 0;
	return err_set(e, errno == EEXIST ? ERR_EXISTS : ERR_PERMISSION, "file", "file '%s': %s",
		       r->file, errno == EEXIST ? "exists already" : strerror(errno));
}

static void note_params(struct recording *r, const struct recording_params *p)
{
	r->fd = -1;
	snprintf(r->name, sizeof(r->name), "%s", p->name);
	snprintf(r->filter, sizeof(r->filter), "%s", p->filter ? p->filter : "");
	snprintf(r->file, sizeof(r->file), "%s", p->file ? p->file : "");
	r->max_packets = p->max_packets;
	r->max_bytes = p->max_bytes;
	r->max_seconds = p->max_seconds;
	r->seen.snaplen = p->snaplen;
	r->begun = capture_moment();
	r->asked_ns = r->begun.ns;
}

struct add_call {
	struct recordings *all;
	const struct capture *c;
};

static void add_to(struct worker *w, void *arg)
{
	const struct add_call *call = arg;

	capture_add(w, &call->all->of_worker[w->index], call->c);
}

struct recording *recording_create(struct vswitch *sw, const struct recording_params *p,
				   struct err *e)
{
	struct recordings *all = sw->recordings;
	struct add_call call = {.all = all};
	struct recording *r;

	if (check(sw, p, e) < 0)
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r) {
		err_set(e, ERR_NO_SPACE, "name", "capture '%s': out of memory", p->name);
		return NULL;
	}
	note_params(r, p);
	if (find_object(sw, p, r, e) < 0 || find_reason(p, r, e) < 0 || find_points(p, r, e) < 0 ||
	    capture_filter_compile(r->filter, &r->seen.filter, &r->seen.reach, e) < 0 ||
	    make_rings(sw, r, e) < 0 || make_file(all, r, e) < 0) {
		release(r);
		free(r);
		return NULL;
	}
	call.c = &r->seen;
	for (unsigned i = 0; i < sw->n_workers; i++)
		worker_call(sw->worker[i], add_to, &call);
	r->is_running = true;
	TAILQ_INSERT_TAIL(&all->list, r, link);
	all->n++;
	set_timer(all);
	log_info("capture %s of %s begun", r->name, r->of);
	return r;
}
