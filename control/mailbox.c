/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to the control thread. */
#include "control/mailbox.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vswitch/limits.h"

struct mailbox {
	pthread_mutex_t lock;
	int fd;
	/* Ports with a message, oldest first: a ring, in which each port is at most once. */
	uint16_t first, n;
	uint16_t queue[MAX_PORTS];
	bool waiting[MAX_PORTS];
	struct mail mail[MAX_PORTS];
};

struct mailbox *mailbox_create(void)
{
	struct mailbox *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->fd < 0) {
		free(m);
		return NULL;
	}
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void mailbox_destroy(struct mailbox *m)
{
	if (!m)
		return;
	close(m->fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

void mailbox_put(struct mailbox *m, uint16_t port, enum vdev_state state, const char *text)
{
	static const uint64_t one = 1;
	struct mail *mail = &m->mail[port];

	pthread_mutex_lock(&m->lock);
	mail->port = port;
	mail->state = state;
	snprintf(mail->text, sizeof(mail->text), "%s", text);
	if (!m->waiting[port]) {
		m->waiting[port] = true;
		m->queue[(m->first + m->n++) % MAX_PORTS] = port;
	}
	pthread_mutex_unlock(&m->lock);
	if (write(m->fd, &one, sizeof(one)) < 0)
		return; /* a full counter is readable all the same */
}

bool mailbox_take(struct mailbox *m, struct mail *mail)
{
	bool found = false;
	uint64_t count;

	pthread_mutex_lock(&m->lock);
	if (m->n > 0) {
		uint16_t port = m->queue[m->first];

		m->first = (uint16_t)((m->first + 1) % MAX_PORTS);
		m->n--;
		m->waiting[port] = false;
		*mail = m->mail[port];
		found = true;
	}
	if (!found && read(m->fd, &count, sizeof(count)) < 0)
		count = 0; /* nobody wrote since */
	pthread_mutex_unlock(&m->lock);
	return found;
}

void mailbox_forget(struct mailbox *m, uint16_t port)
{
	uint16_t n;

	pthread_mutex_lock(&m->lock);
	n = m->n;
	m->n = 0;
	for (uint16_t i = 0; i < n; i++) {
		uint16_t other = m->queue[(m->first + i) % MAX_PORTS];

		if (other != port)
			m->queue[(m->first + m->n++) % MAX_PORTS] = other;
	}
	m->waiting[port] = false;
	pthread_mutex_unlock(&m->lock);
}

int mailbox_fd(const struct mailbox *m)
{
	return m->fd;
}
