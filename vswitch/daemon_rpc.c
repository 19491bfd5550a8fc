/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of the daemon itself: workers, log, configuration, version. */
#include <unistd.h>

#include <jansson.h>
#include <rte_version.h>

#include "base/clock.h"
#include "base/log.h"
#include "pkt/pool.h"
#include "rpc_schema.h"
#include "vswitch/config.h"
#include "vswitch/ctx_rpc.h"

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
