/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration. */
#include "control/config.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc/call.h"
#include "control/budget_rpc.h"
#include "control/mac_rpc.h"
#include "control/port_rpc.h"
#include "control/refused.h"

#define FORMAT_VERSION 1

static void add_call(json_t *calls, const char *method, json_t *params)
{
	json_array_append_new(calls, json_pack("{s:s, s:o}", "method", method, "params", params));
}

static void add_tenants_and_vms(struct vswitch *sw, json_t *calls)
{
	const struct tenant *t;
	const struct vm *vm;
	json_t *params;

	TAILQ_FOREACH (t, &sw->tenants, link) {
		params = json_pack("{s:s}", "name", t->name);
		budget_to_json(params, &t->budget);
		add_call(calls, "tenant_create", params);
	}
	TAILQ_FOREACH (vm, &sw->vms, link) {
		params = json_pack("{s:s, s:s}", "name", vm->name, "tenant", vm->tenant->name);
		if (vm->uuid[0])
			json_object_set_new(params, "uuid", json_string(vm->uuid));
		if (vm->pinned_core >= 0)
			json_object_set_new(params, "worker", json_integer(vm->pinned_core));
		budget_to_json(params, &vm->budget);
		add_call(calls, "vm_create", params);
	}
}

struct static_entries {
	const struct vswitch *sw;
	const struct network *net;
	json_t *calls;
};

static bool add_static(void *arg, const struct fdb_entry *entry)
{
	struct static_entries *s = arg;
	char mac[MAC_TEXT_SIZE];

	if (entry->is_static && s->sw->port_slot[entry->port]) {
		mac_format(entry->mac, mac);
		add_call(s->calls, "fdb_add",
			 json_pack("{s:s, s:s, s:s}", "network", s->net->name, "mac", mac, "port",
				   s->sw->port_slot[entry->port]->name));
	}
	return false;
}

static void add_networks_and_ports(struct vswitch *sw, json_t *calls)
{
	struct network *net;
	struct port *port;

	TAILQ_FOREACH (net, &sw->networks, link)
		add_call(calls, "network_create",
			 json_pack("{s:s, s:s, s:i, s:i, s:i, s:i}", "name", net->name, "tenant",
				   net->tenant->name, "vni", (int)net->vni, "mtu",
				   (int)atomic_load(&net->bridge.mtu), "mac_ageing_s",
				   (int)net->mac_ageing_s, "mac_table_size",
				   (int)fdb_capacity(net->bridge.fdb)));
	TAILQ_FOREACH (port, &sw->ports, link)
		add_call(calls, "port_create", port_conf_to_json(port));
	TAILQ_FOREACH (net, &sw->networks, link) {
		struct static_entries s = {sw, net, calls};

		fdb_sweep(net->bridge.fdb, add_static, &s);
	}
}

json_t *config_to_json(const struct rpc_ctx *ctx)
{
	json_t *calls = json_array();

	add_call(calls, "scheduler_set",
		 json_pack("{s:s, s:i}", "mode", sched_mode_text(ctx->sw->sched.mode), "slice_us",
			   (int)ctx->sw->sched.slice_us));
	add_tenants_and_vms(ctx->sw, calls);
	add_networks_and_ports(ctx->sw, calls);
	refused_append_calls(ctx->refused, calls);
	return json_pack("{s:i, s:o}", "version", FORMAT_VERSION, "calls", calls);
}

/* --- saving ------------------------------------------------------------------------------------
 */

static int refuse(const char *file, const char *what, struct err *e)
{
	enum err_code code = errno == EACCES || errno == EPERM || errno == EROFS ? ERR_PERMISSION
										 : ERR_INTERNAL;

	return err_set(e, code, "file", "file '%s': %s: %s", file, what, strerror(errno));
}

static int sync_folder(const char *file)
{
	char folder[PATH_MAX];
	int fd, ret;

	snprintf(folder, sizeof(folder), "%s", file);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = fsync(fd);
	close(fd);
	return ret;
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

static int replace_file(const char *file, const char *text, struct err *e)
{
	char temporary[PATH_MAX];
	int fd, ret = 0;

	if (snprintf(temporary, sizeof(temporary), "%s.new", file) >= (int)sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return refuse(file, "cannot save", e);
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return refuse(file, "cannot save", e);
	if (write_all(fd, text, strlen(text)) < 0 || fsync(fd) < 0)
		ret = refuse(file, "cannot write", e);
	close(fd);
	if (ret == 0 && rename(temporary, file) < 0)
		ret = refuse(file, "cannot replace", e);
	if (ret < 0)
		unlink(temporary);
	else if (sync_folder(file) < 0)
		ret = refuse(file, "cannot sync its folder", e);
	return ret;
}

int config_save(const struct rpc_ctx *ctx, const char *file, unsigned *calls, struct err *e)
{
	json_t *config = config_to_json(ctx);
	char *text = json_dumps(config, JSON_INDENT(1));
	int ret;

	*calls = (unsigned)json_array_size(json_object_get(config, "calls"));
	json_decref(config);
	if (!text)
		return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	ret = replace_file(file, text, e);
	free(text);
	return ret;
}

/* --- loading -----------------------------------------------------------------------------------
 */

/* Replays one call; *e says why it was refused. */
static int replay(struct rpc_ctx *ctx, const json_t *call, struct err *e)
{
	const char *method = json_string_value(json_object_get(call, "method"));
	json_t *result;

	if (!method)
		return err_set(e, ERR_INVALID, "method", "it has no method");
	result = rpc_call(ctx, method, json_object_get(call, "params"), e);
	json_decref(result);
	return result ? 0 : -EINVAL;
}

static const char *method_of(const json_t *call)
{
	const char *method = json_string_value(json_object_get(call, "method"));

	return method ? method : "?";
}

/* The calls of a configuration file. New reference to the array, NULL with *e filled. */
static json_t *read_calls(const char *file, struct err *e)
{
	json_error_t where;
	json_t *config, *calls;

	if (access(file, R_OK) < 0) {
		err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_PERMISSION, "file",
			"file '%s': %s", file, strerror(errno));
		return NULL;
	}
	config = json_load_file(file, JSON_REJECT_DUPLICATES, &where);
	if (!config) {
		err_set(e, ERR_INVALID, "file", "file '%s': line %d: %s", file, where.line,
			where.text);
		return NULL;
	}
	calls = json_incref(json_object_get(config, "calls"));
	if (json_integer_value(json_object_get(config, "version")) != FORMAT_VERSION ||
	    !json_is_array(calls)) {
		err_set(e, ERR_INVALID, "file", "file '%s': not a configuration of version %d",
			file, FORMAT_VERSION);
		json_decref(calls);
		calls = NULL;
	}
	json_decref(config);
	return calls;
}

int config_load(struct rpc_ctx *ctx, const char *file, unsigned *done, struct err *e)
{
	json_t *calls = read_calls(file, e);
	int ret = 0;

	*done = 0;
	if (!calls)
		return -EINVAL;
	for (size_t i = 0; ret == 0 && i < json_array_size(calls); i++) {
		const json_t *call = json_array_get(calls, i);
		struct err why;

		ret = replay(ctx, call, &why);
		if (ret < 0)
			err_set(e, why.code, "file", "file '%s': call %zu, %s: %.180s", file, i,
				method_of(call), why.text);
		*done += ret == 0;
	}
	json_decref(calls);
	return ret;
}

/* Replays calls one by one; what is refused is kept. Returns how many were done. */
static unsigned replay_all(struct rpc_ctx *ctx, json_t *calls)
{
	struct err why;
	unsigned done = 0;
	json_t *call;
	size_t i;

	ctx->is_replaying = true;
	json_array_foreach (calls, i, call) {
		if (replay(ctx, call, &why) == 0) {
			done++;
			continue;
		}
		log_error("configuration: call %zu, %s: %s (kept, and shown as refused)", i,
			  method_of(call), why.text);
		refused_add(ctx->refused, call, why.text);
	}
	ctx->is_replaying = false;
	return done;
}

int config_start(struct rpc_ctx *ctx, struct err *e)
{
	json_t *calls;
	unsigned done;

	if (!ctx->config_file)
		return 0;
	if (access(ctx->config_file, F_OK) < 0 && errno == ENOENT) {
		log_info("configuration %s: not there, starting without", ctx->config_file);
		return 0;
	}
	calls = read_calls(ctx->config_file, e);
	if (!calls)
		return -EINVAL;
	done = replay_all(ctx, calls);
	log_info("configuration %s: %u calls done, %zu refused", ctx->config_file, done,
		 refused_count(ctx->refused));
	json_decref(calls);
	return 0;
}

json_t *config_retry(struct rpc_ctx *ctx)
{
	json_t *calls = refused_take(ctx->refused), *result;

	unsigned done = replay_all(ctx, calls);

	result = json_pack("{s:i, s:i}", "done", (int)done, "refused",
			   (int)refused_count(ctx->refused));
	json_decref(calls);
	return result;
}
