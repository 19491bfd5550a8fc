/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths of the underlay: when the kernel is asked for them.
 *
 * Owns the two netlink sockets and all paths, which the caller adds and removes. Paths are in one
 * queue, in the order in which they were asked: those that were asked before the last change that
 * concerns all, or longer ago than RECHECK_NS, are at its front, behind those that a change of
 * their own concerns. A call handles so many of them only, and the descriptor stays readable for
 * the rest. Memory: what the caller adds, and one struct for each link of the host. [control] */
#include "tunnel/underlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/clock.h"
#include "tunnel/underlay_impl.h"

#define MAX_ASKED     256 /* paths of a call: a millisecond or two */
#define MAX_DATAGRAMS 64  /* of a call */
#define RECHECK_NS    (10 * CLOCK_NS_PER_S)

static const char *const state_texts[UNDERLAY_STATE_COUNT] = {
#define X(name, text) [UNDERLAY_##name] = text,
#include "tunnel/underlay_states.def"
#undef X
};

const char *underlay_state_text(enum underlay_state state)
{
	return state_texts[state];
}

/* The descriptor that is readable when either of the two others is. */
static int watch(struct underlay *u, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	return epoll_ctl(u->poll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static int open_fds(struct underlay *u, struct err *e)
{
	u->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	u->more_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->poll_fd < 0 || u->more_fd < 0 || watch(u, u->more_fd) < 0 ||
	    watch(u, netlink_fd(u->events)) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "descriptors of the underlay: %s",
			       strerror(errno));
	return 0;
}

struct underlay *underlay_create(void (*changed)(void *ctx, struct underlay_path *path), void *ctx,
				 struct err *e)
{
	struct underlay *u = calloc(1, sizeof(*u));
	int ret;

	if (!u) {
		err_set(e, ERR_NO_SPACE, NULL, "no memory");
		return NULL;
	}
	u->changed = changed;
	u->ctx = ctx;
	u->poll_fd = -1;
	u->more_fd = -1;
	TAILQ_INIT(&u->paths);
	TAILQ_INIT(&u->unasked);
	u->events = netlink_listen(e);
	u->requests = u->events ? netlink_open(e) : NULL;
	if (!u->requests || open_fds(u, e) < 0) {
		underlay_destroy(u);
		return NULL;
	}
	ret = underlay_load_links(u);
	if (ret < 0) {
		err_set(e, ERR_INTERNAL, NULL, "list of links: %s", strerror(-ret));
		underlay_destroy(u);
		return NULL;
	}
	return u;
}

void underlay_destroy(struct underlay *u)
{
	if (!u)
		return;
	while (!TAILQ_EMPTY(&u->paths))
		underlay_remove(u, TAILQ_FIRST(&u->paths));
	underlay_drop_holders(u);
	netlink_close(u->requests);
	netlink_close(u->events);
	if (u->more_fd >= 0)
		close(u->more_fd);
	if (u->poll_fd >= 0)
		close(u->poll_fd);
	free(u->links);
	free(u);
}

int underlay_fd(const struct underlay *u)
{
	return u->poll_fd;
}

/* --- paths -------------------------------------------------------------------------------------*/

static void mark_asked(struct underlay *u, struct underlay_path *p, uint64_t now)
{
	p->asked_ns = now;
	p->round = u->round;
	TAILQ_INSERT_TAIL(&u->paths, p, queue);
}

struct underlay_path *underlay_add(struct underlay *u, const struct underlay_conf *conf,
				   struct err *e)
{
	struct underlay_path *p = calloc(1, sizeof(*p));
	int ret = -ENOMEM;

	if (p) {
		p->conf = *conf;
		p->origin = underlay_get_origin(u, &conf->src);
	}
	if (p && p->origin)
		ret = underlay_find_way(u, p, &p->way);
	if (ret < 0) {
		err_set(e, ret == -ENOMEM ? ERR_NO_SPACE : ERR_INTERNAL, NULL,
			"way through the underlay: %s", strerror(-ret));
		if (p && p->origin)
			underlay_put_origin(p->origin);
		free(p);
		return NULL;
	}
	mark_asked(u, p, clock_now_ns());
	return p;
}

void underlay_remove(struct underlay *u, struct underlay_path *path)
{
	underlay_detach_neigh(u, path);
	underlay_put_origin(path->origin);
	TAILQ_REMOVE(&u->paths, path, queue);
	free(path);
}

const struct underlay_way *underlay_way_of(const struct underlay_path *path)
{
	return &path->way;
}

const struct underlay_conf *underlay_conf_of(const struct underlay_path *path)
{
	return &path->conf;
}

void underlay_ask_soon(struct underlay *u, struct underlay_path *p)
{
	p->asked_ns = 0;
	TAILQ_REMOVE(&u->paths, p, queue);
	TAILQ_INSERT_HEAD(&u->paths, p, queue);
}

void underlay_ask_all(struct underlay *u)
{
	u->round++;
}

static struct underlay_path *next_due(const struct underlay *u, uint64_t now)
{
	struct underlay_path *p = TAILQ_FIRST(&u->paths);

	if (p && (p->asked_ns == 0 || p->round != u->round || now - p->asked_ns >= RECHECK_NS))
		return p;
	return NULL;
}

/* Asks for paths that are due. Returns whether there are more, which can be asked at once. */
static bool ask_due(struct underlay *u)
{
	uint64_t now = clock_now_ns();

	for (int n = 0; n < MAX_ASKED; n++) {
		struct underlay_path *p = next_due(u, now);
		struct underlay_way way;

		/* A kernel that does not answer is asked again by the next tick. */
		if (!p || underlay_find_way(u, p, &way) < 0)
			return false;
		TAILQ_REMOVE(&u->paths, p, queue);
		mark_asked(u, p, now);
		if (underlay_same_way(&way, &p->way))
			continue;
		p->way = way;
		u->changed(u->ctx, p); /* which may remove it */
	}
	return next_due(u, now) != NULL;
}

/* The other descriptor's readability. */
static void set_more(struct underlay *u, bool more)
{
	uint64_t count = 1;

	if (more == u->more)
		return;
	u->more = more;
	if (more ? write(u->more_fd, &count, sizeof(count)) < 0
		 : read(u->more_fd, &count, sizeof(count)) < 0)
		return; /* an eventfd of ours that is set only while it is not, cannot fail */
}

/* --- notifications -----------------------------------------------------------------------------*/

static bool is_within(const struct ip_addr *a, const struct netlink_route *r)
{
	unsigned whole = r->dst_len / 8, rest = r->dst_len % 8;

	if (a->is_v6 != r->is_v6 || memcmp(a->bytes, r->dst.bytes, whole) != 0)
		return false;
	return rest == 0 || (a->bytes[whole] ^ r->dst.bytes[whole]) >> (8 - rest) == 0;
}

/* A route that came, changed or went concerns the addresses in its prefix. */
static void heard_route(struct underlay *u, const struct nlmsghdr *m)
{
	struct underlay_path *p, *next;
	struct netlink_route r;

	if (!netlink_parse_route(m, &r))
		return;
	for (p = TAILQ_FIRST(&u->paths); p; p = next) {
		next = TAILQ_NEXT(p, queue);
		if (is_within(&p->conf.dst, &r))
			underlay_ask_soon(u, p);
	}
}

static void heard(void *ctx, const struct nlmsghdr *m)
{
	struct underlay *u = ctx;

	if (u->lost)
		return; /* it may be older than what is read anew */
	switch (m->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		heard_route(u, m);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		underlay_ask_all(u);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		underlay_heard_link(u, m);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		underlay_heard_addr(u, m);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		underlay_heard_neigh(u, m);
		break;
	default:
		break;
	}
}

/* Takes some notifications. Returns whether none is left. */
static bool take_notifications(struct underlay *u)
{
	for (int n = 0; n < MAX_DATAGRAMS; n++) {
		int ret = netlink_receive(u->events, heard, u);

		if (ret == 0)
			return true;
		if (ret < 0)
			u->lost = true;
	}
	return false;
}

/* Reads all that notifications would have told, once those from before are gone: theirs is older.
 * What fails is tried again by the next tick. */
static void recover(struct underlay *u)
{
	u->lost = false;
	underlay_ask_all(u);
	if (underlay_load_links(u) < 0 || underlay_load_origins(u) < 0 ||
	    underlay_load_neighs(u) < 0)
		u->lost = true;
}

void underlay_read(struct underlay *u)
{
	if (take_notifications(u) && u->lost)
		recover(u);
	set_more(u, ask_due(u));
}

void underlay_tick(struct underlay *u)
{
	underlay_check_holders(u);
	underlay_check_neighs(u);
	underlay_read(u);
}
