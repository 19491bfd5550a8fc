/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of captures: parameters in, what there is in JSON out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/capture.h"
#include "control/ctx_rpc.h"
#include "control/pcapng.h"
#include "rpc_schema.h"
#include "vhost/net_lent.h"

static const char *const where_texts[] = {"both", "rx", "tx", "drop"};

_Static_assert((int)RPC_CAPTURE_POINT_BOTH == (int)CAPTURE_WHERE_BOTH &&
		       (int)RPC_CAPTURE_POINT_RX == (int)CAPTURE_WHERE_RX &&
		       (int)RPC_CAPTURE_POINT_TX == (int)CAPTURE_WHERE_TX &&
		       (int)RPC_CAPTURE_POINT_DROP == (int)CAPTURE_WHERE_DROP,
	       "in the schema's order");

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static void describe(const struct recording *r, char *text, size_t size)
{
	if (!r->is_running)
		snprintf(text, size, "ended: %s", r->why);
	else if (r->seen.reach > NET_LENT_BYTES)
		snprintf(text, size,
			 "running; its filter looks at up to %u bytes, and sees %d of packets that "
			 "are still in a guest's memory",
			 r->seen.reach, NET_LENT_BYTES);
	else
		snprintf(text, size, "running");
}

static void add_figures(json_t *o, const struct recording *r)
{
	uint64_t skipped, missed, undecided;

	recording_lost(r, &skipped, &missed, &undecided);
	json_object_set_new(o, "packets", number(r->packets));
	json_object_set_new(o, "bytes", number(r->bytes));
	json_object_set_new(o, "skipped", number(skipped));
	json_object_set_new(o, "missed", number(missed));
	json_object_set_new(o, "undecided", number(undecided));
}

static json_t *recording_to_json(const struct recording *r)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "name", r->name, "of", r->of, "point",
			      where_texts[r->where]);
	char text[192];

	if (r->reason[0])
		json_object_set_new(o, "reason", json_string(r->reason));
	if (r->filter[0])
		json_object_set_new(o, "filter", json_string(r->filter));
	json_object_set_new(o, "snaplen", number(r->seen.snaplen));
	json_object_set_new(o, "max_packets", number(r->max_packets));
	json_object_set_new(o, "max_bytes", number(r->max_bytes));
	json_object_set_new(o, "max_seconds", number(r->max_seconds));
	if (r->file[0])
		json_object_set_new(o, "file", json_string(r->file));
	json_object_set_new(o, "state", json_string(r->is_running ? "running" : "ended"));
	describe(r, text, sizeof(text));
	json_object_set_new(o, "state_text", json_string(text));
	add_figures(o, r);
	return o;
}

static struct recording *find(struct vswitch *sw, const char *name, struct err *e)
{
	struct recording *r = recording_find(sw, name);

	if (!r)
		err_set(e, ERR_NOT_FOUND, "name", "capture '%s' does not exist", name);
	return r;
}

json_t *rpc_handle_capture_create(struct rpc_ctx *ctx, const struct rpc_capture_create *p,
				  struct err *e)
{
	const struct recording_params params = {
		.name = p->name,
		.port = p->port,
		.vm = p->vm,
		.network = p->network,
		.uplink = p->uplink,
		.reason = p->reason,
		.has_where = p->has_point,
		.where = p->has_point ? (enum capture_where)p->point : CAPTURE_WHERE_BOTH,
		.filter = p->filter,
		.snaplen = (uint32_t)p->snaplen,
		.max_packets = (uint64_t)p->max_packets,
		.max_bytes = (uint64_t)p->max_bytes,
		.max_seconds = (uint32_t)p->max_seconds,
		.file = p->file,
	};
	struct recording *r = recording_create(ctx->sw, &params, e);

	return r ? recording_to_json(r) : NULL;
}

json_t *rpc_handle_capture_delete(struct rpc_ctx *ctx, const struct rpc_capture_delete *p,
				  struct err *e)
{
	struct recording *r = find(ctx->sw, p->name, e);

	if (!r)
		return NULL;
	recording_delete(ctx->sw, r);
	return json_true();
}

json_t *rpc_handle_capture_list(struct rpc_ctx *ctx, const struct rpc_capture_list *p,
				struct err *e)
{
	const struct recording *r;
	json_t *list;

	if (p->name && !find(ctx->sw, p->name, e))
		return NULL;
	list = json_array();
	TAILQ_FOREACH (r, &ctx->sw->recordings->list, link)
		if (!p->name || strcmp(r->name, p->name) == 0)
			json_array_append_new(list, recording_to_json(r));
	return list;
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* In base64 (RFC 4648, 4). `text` has room for 4 characters for each 3 bytes or part of them. */
static size_t encode(char *text, const uint8_t *bytes, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t three = (uint32_t)bytes[i] << 16;

		three |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		three |= left > 2 ? bytes[i + 2] : 0;
		text[n++] = digits[three >> 18];
		text[n++] = digits[three >> 12 & 63];
		text[n++] = left > 1 ? digits[three >> 6 & 63] : '=';
		text[n++] = left > 2 ? digits[three & 63] : '=';
	}
	return n;
}

json_t *rpc_handle_capture_read(struct rpc_ctx *ctx, const struct rpc_capture_read *p,
				struct err *e)
{
	struct recording *r = find(ctx->sw, p->name, e);
	struct pcapng f = {ctx->sw->recordings->buffer, CAPTURE_READ_BYTES, 0};
	json_t *answer;
	char *text;

	if (!r)
		return NULL;
	if (r->file[0]) {
		err_set(e, ERR_WRONG_STATE, "name", "capture '%s' goes into file '%s'", r->name,
			r->file);
		return NULL;
	}
	/* Before anything is taken out of the recording, which would be lost otherwise. */
	text = malloc(CAPTURE_READ_BYTES / 3 * 4 + 8);
	if (!text)
		return NULL;
	if (p->end)
		recording_stop(ctx->sw, r, "by its reader");
	recording_read(ctx->sw, r, &f, p->limit);
	answer = json_pack("{s:o, s:b}", "data",
			   json_stringn_nocheck(text, encode(text, f.to, f.used)), "ended",
			   r->is_finished);
	free(text);
	return answer;
}
