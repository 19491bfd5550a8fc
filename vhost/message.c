/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the vhost-user protocol. */
#include "vhost/message.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#define ANY (-1)

enum action { PASS, OURS, REFUSE };

struct rule {
	const char *name;
	int payload;
	int fds;
	enum action action;
};

static const struct rule rules[] = {
#define X(number, name, payload, fds, action) [number] = {#name, payload, fds, action},
#include "vhost/requests.def"
#undef X
};

_Static_assert(offsetof(struct message, payload) == MESSAGE_HEADER, "as on the wire");

static const struct rule *rule_of(uint32_t request)
{
	return request < sizeof(rules) / sizeof(rules[0]) && rules[request].name ? &rules[request]
										 : NULL;
}

const char *message_name(uint32_t request)
{
	const struct rule *r = rule_of(request);

	return r ? r->name : NULL;
}

static int check_length(const struct message *m, const char *name, uint32_t due, struct err *e)
{
	if (m->size == due)
		return 0;
	return err_set(e, ERR_INVALID, NULL, "%s with %u bytes of payload, not %u", name, m->size,
		       due);
}

static int check_fds(const struct message *m, const char *name, int due, struct err *e)
{
	if (m->n_fds == due)
		return 0;
	return err_set(e, ERR_INVALID, NULL, "%s with %d descriptor%s, not %d", name, m->n_fds,
		       m->n_fds == 1 ? "" : "s", due);
}

static int check_memory(const struct message *m, const char *name, struct err *e)
{
	uint32_t n = m->payload.memory.n;

	if (m->size < 8)
		return check_length(m, name, 8, e);
	if (n == 0 || n > MESSAGE_MAX_REGIONS)
		return err_set(e, ERR_INVALID, NULL, "%s with %u regions, not 1 to %d", name, n,
			       MESSAGE_MAX_REGIONS);
	if (check_length(m, name, 8 + n * (uint32_t)sizeof(struct message_region), e) < 0)
		return -EINVAL;
	return check_fds(m, name, (int)n, e);
}

static int check_ring_fd(const struct message *m, const char *name, struct err *e)
{
	if (m->payload.u64 & ~(uint64_t)(MESSAGE_RING_MASK | MESSAGE_NO_FD))
		return err_set(e, ERR_INVALID, NULL, "%s with unknown flags 0x%llx", name,
			       (unsigned long long)m->payload.u64);
	return check_fds(m, name, m->payload.u64 & MESSAGE_NO_FD ? 0 : 1, e);
}

int message_check(const struct message *m, struct err *e)
{
	const struct rule *r = rule_of(m->request);

	if (!r)
		return err_set(e, ERR_INVALID, NULL, "request %u, which the protocol has not",
			       m->request);
	if ((m->flags & (MESSAGE_VERSION_MASK | MESSAGE_REPLY)) != MESSAGE_VERSION)
		return err_set(e, ERR_INVALID, NULL, "%s with flags 0x%x", r->name, m->flags);
	if (r->action == REFUSE)
		return err_set(e, ERR_INVALID, NULL, "%s, which is not offered", r->name);
	if (m->request == REQUEST_SET_MEM_TABLE)
		return check_memory(m, r->name, e);
	if (check_length(m, r->name, (uint32_t)r->payload, e) < 0)
		return -EINVAL;
	if (r->fds == ANY)
		return check_ring_fd(m, r->name, e);
	return check_fds(m, r->name, r->fds, e);
}

void message_close_fds(struct message *m)
{
	for (int i = 0; i < m->n_fds; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	m->n_fds = 0;
}

int message_take_fd(struct message *m, int i)
{
	int fd = m->fds[i];

	m->fds[i] = -1;
	return fd;
}
