/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of the daemon itself: workers, log, configuration, version. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <rte_version.h>

#include "base/clock.h"
#include "base/log.h"
#include "pkt/pool.h"
#include "rpc_schema.h"
#include "control/config.h"
#include "control/ctx_rpc.h"
#include "control/refused.h"
#include "control/tunnel.h"
#include "control/uplink_rpc.h"

#define REASON_SIZE 400

json_t *rpc_handle_log_get_level(struct rpc_ctx *ctx, const struct rpc_log_get_level *p,
				 struct err *e)
{
	(void)ctx;
	(void)p;
	(void)e;
	return json_pack("{s:s}", "level", log_level_text(log_get_level()));
}

json_t *rpc_handle_log_set_level(struct rpc_ctx *ctx, const struct rpc_log_set_level *p,
				 struct err *e)
{
	log_set_level((enum log_level)p->level);
	return rpc_handle_log_get_level(ctx, NULL, e);
}

json_t *rpc_handle_config_get(struct rpc_ctx *ctx, const struct rpc_config_get *p, struct err *e)
{
	(void)p;
	(void)e;
	return config_to_json(ctx);
}

json_t *rpc_handle_config_save(struct rpc_ctx *ctx, const struct rpc_config_save *p, struct err *e)
{
	const char *file = p->file ? p->file : ctx->config_file;
	unsigned calls;

	if (!file) {
		err_set(e, ERR_WRONG_STATE, "file",
			"no file given, and the daemon was started without --config");
		return NULL;
	}
	if (config_save(ctx, file, &calls, e) < 0)
		return NULL;
	return json_pack("{s:s, s:i}", "file", file, "calls", (int)calls);
}

json_t *rpc_handle_config_load(struct rpc_ctx *ctx, const struct rpc_config_load *p, struct err *e)
{
	unsigned calls, saved;

	if (config_load(ctx, p->file, &calls, e) < 0) {
		/* The calls before the one that was refused are in force: the daemon's file says so
		 * too. */
		if (calls > 0 && ctx->config_file)
			config_save(ctx, ctx->config_file, &saved, NULL);
		return NULL;
	}
	return json_pack("{s:s, s:i}", "file", p->file, "calls", (int)calls);
}

/* Why the first object was refused. */
static void first_reason(void *ctx, const json_t *call, const char *why)
{
	const char *method = json_string_value(json_object_get(call, "method"));
	const char *name =
		json_string_value(json_object_get(json_object_get(call, "params"), "name"));
	char *text = ctx;

	if (!text[0])
		snprintf(text, REASON_SIZE, "%.*s %.63s: %.256s",
			 method ? (int)strcspn(method, "_") : 1, method ? method : "?",
			 name ? name : "", why);
}

static void add_reason(json_t *reasons, const char *fmt, ...)
{
	char text[2 * REASON_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(reasons, json_string(text));
}

/* Uplinks that carry nothing. Returns their number. */
static unsigned add_uplinks(const struct tunnel *t, json_t *reasons)
{
	const struct uplink *u;
	char text[64];
	unsigned n = 0;

	TAILQ_FOREACH (u, &t->uplinks, link) {
		if (u->status.is_up)
			continue;
		uplink_state_text(u, text, sizeof(text));
		add_reason(reasons, "uplink %s: %s", u->name, text);
		n++;
	}
	return n;
}

/* VTEPs that can neither send nor receive. Returns their number. */
static unsigned add_vteps(const struct tunnel *t, json_t *reasons)
{
	char text[IP_ADDR_TEXT_SIZE];
	const struct vtep *v;
	unsigned n = 0;

	TAILQ_FOREACH (v, &t->vteps, link) {
		if (underlay_find_address(t->underlay, &v->address) != 0)
			continue;
		ip_addr_format(&v->address, text);
		add_reason(reasons, "vtep %s: %s is no address of this host", v->name, text);
		n++;
	}
	return n;
}

json_t *rpc_handle_status_get(struct rpc_ctx *ctx, const struct rpc_status_get *p, struct err *e)
{
	size_t refused = refused_count(ctx->refused);
	json_t *reasons = json_array();
	char first[REASON_SIZE] = "";
	struct pool_usage memory;
	const struct tunnel *t = ctx->sw->tunnel;
	unsigned displaced = 0, down, lacking;
	const struct vm *vm;

	(void)p;
	(void)e;
	refused_each(ctx->refused, first_reason, first);
	TAILQ_FOREACH (vm, &ctx->sw->vms, link)
		displaced += vm_is_displaced(vm);
	if (refused > 0)
		add_reason(reasons, "%zu object%s of the configuration %s refused: %s", refused,
			   refused == 1 ? "" : "s", refused == 1 ? "was" : "were", first);
	if (displaced > 0)
		add_reason(reasons, "%u VM%s served by another worker than was asked for",
			   displaced, displaced == 1 ? " is" : "s are");
	down = t ? add_uplinks(t, reasons) : 0;
	lacking = t ? add_vteps(t, reasons) : 0;
	if (ctx->unsaved[0])
		add_reason(reasons, "the configuration is not saved: %s", ctx->unsaved);
	pool_usage(&memory);
	return json_pack(
		"{s:s, s:o, s:I, s:I, s:I, s:I, s:b, s:I, s:I, s:I}", "state",
		json_array_size(reasons) ? "degraded" : "ok", "reasons", reasons, "refused",
		(json_int_t)refused, "displaced", (json_int_t)displaced, "uplinks_down",
		(json_int_t)down, "vteps_without_address", (json_int_t)lacking, "config_saved",
		!ctx->unsaved[0], "packet_memory", (json_int_t)memory.bytes, "packet_memory_huge",
		(json_int_t)memory.huge_bytes, "packet_memory_limit", (json_int_t)memory.limit);
}

json_t *rpc_handle_version_get(struct rpc_ctx *ctx, const struct rpc_version_get *p, struct err *e)
{
	struct pool_usage memory;

	(void)p;
	(void)e;
	pool_usage(&memory);
	return json_pack("{s:s, s:s, s:i, s:I, s:b}", "version", STINT_VERSION, "dpdk",
			 rte_version(), "pid", (int)getpid(), "uptime_s",
			 (json_int_t)((clock_now_ns() - ctx->started_ns) / CLOCK_NS_PER_S),
			 "hugepages", memory.huge_bytes > 0);
}

json_t *rpc_handle_config_retry(struct rpc_ctx *ctx, const struct rpc_config_retry *p,
				struct err *e)
{
	(void)p;
	(void)e;
	return config_retry(ctx);
}
