/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring of the last events. */
#include "rpc/events.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void rpc_events_init(struct rpc_events *r)
{
	memset(r, 0, sizeof(*r));
	r->next = 1;
}

void rpc_events_uninit(struct rpc_events *r)
{
	for (unsigned i = 0; i < RPC_EVENTS_KEPT; i++)
		json_decref(r->event[i]);
	rpc_events_init(r);
}

static json_t *now_text(void)
{
	struct timespec now;
	struct tm tm;
	char day[32], text[64];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%06ldZ", day, now.tv_nsec / 1000);
	return json_string(text);
}

void rpc_events_add(struct rpc_events *r, const char *type, json_t *fields)
{
	json_t *event = json_object();
	json_t **slot = &r->event[r->next % RPC_EVENTS_KEPT];

	json_object_set_new(event, "seq", json_integer((json_int_t)r->next));
	json_object_set_new(event, "time", now_text());
	json_object_set_new(event, "type", json_string(type));
	if (fields)
		json_object_update_missing(event, fields);
	json_decref(fields);
	json_decref(*slot);
	*slot = event;
	r->next++;
}

uint64_t rpc_events_first(const struct rpc_events *r)
{
	return r->next > RPC_EVENTS_KEPT ? r->next - RPC_EVENTS_KEPT : 1;
}

json_t *rpc_events_get(const struct rpc_events *r, uint64_t seq)
{
	if (seq < rpc_events_first(r) || seq >= r->next)
		return NULL;
	return r->event[seq % RPC_EVENTS_KEPT];
}
