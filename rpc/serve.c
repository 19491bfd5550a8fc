/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods that the server answers itself: events and the description of all methods. */
#include "rpc/conn.h"
#include "rpc_schema.h"

static json_t *subscription(const struct rpc_events *events, bool subscribed)
{
	return json_pack("{s:b, s:I, s:I}", "subscribed", subscribed, "first",
			 (json_int_t)rpc_events_first(events), "next", (json_int_t)events->next);
}

json_t *rpc_serve_events_subscribe(struct rpc_conn *conn, const struct rpc_events_subscribe *p,
				   struct err *e)
{
	struct rpc_events *events = rpc_conn_events(conn);

	/* A number in the future is refused. It would mean silence until then, and comes from a
	 * client that counted the events of the daemon before a restart. */
	if (p->has_since && p->since > events->next) {
		err_set(e, ERR_INVALID, "since",
			"since: %llu is above the next event's number, %llu",
			(unsigned long long)p->since, (unsigned long long)events->next);
		return NULL;
	}
	rpc_conn_subscribe(conn, p->has_since ? p->since : events->next);
	return subscription(events, true);
}

json_t *rpc_serve_events_unsubscribe(struct rpc_conn *conn, const struct rpc_events_unsubscribe *p,
				     struct err *e)
{
	(void)p;
	(void)e;
	rpc_conn_unsubscribe(conn);
	return subscription(rpc_conn_events(conn), false);
}

json_t *rpc_serve_events_list(struct rpc_conn *conn, const struct rpc_events_list *p, struct err *e)
{
	const struct rpc_events *events = rpc_conn_events(conn);
	uint64_t first = rpc_events_first(events);
	uint64_t seq = p->has_since && p->since > first ? p->since : first;
	json_t *list = json_array();

	(void)e;
	for (uint32_t i = 0; i < p->limit && seq < events->next; i++, seq++)
		json_array_append(list, rpc_events_get(events, seq));
	return list;
}

json_t *rpc_serve_rpc_discover(struct rpc_conn *conn, const struct rpc_rpc_discover *p,
			       struct err *e)
{
	(void)conn;
	(void)p;
	(void)e;
	return json_loadb(rpc_doc, rpc_doc_size, 0, NULL);
}
