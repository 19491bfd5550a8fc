/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration. */
#include "control/config_impl.h"

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
#include "control/budget_rpc.h"
#include "control/mac_rpc.h"
#include "control/neighbour_rpc.h"
#include "control/network_rpc.h"
#include "control/port_rpc.h"
#include "control/refused.h"
#include "control/switch.h"
#include "control/tunnel.h"
#include "control/uplink_rpc.h"
#include "rpc/call.h"
#include "vswitch/batch.h"

#define FORMAT_VERSION 1

/* --- what there is, as calls --------------------------------------------------------------------
 */

json_t *config_call(const char *method, json_t *params)
{
	return json_pack("{s:s, s:o}", "method", method, "params", params);
}

static json_t *scheduler_call(const struct vswitch *sw)
{
	return config_call("scheduler_set",
			   json_pack("{s:s, s:i}", "mode", sched_mode_text(sw->sched.mode),
				     "slice_us", (int)sw->sched.slice_us));
}

static json_t *tenant_call(const struct tenant *t)
{
	json_t *params = json_pack("{s:s}", "name", t->name);

	budget_to_json(params, &t->budget);
	return config_call("tenant_create", params);
}

static json_t *vm_call(const struct vm *vm)
{
	json_t *params = json_pack("{s:s, s:s}", "name", vm->name, "tenant", vm->tenant->name);

	if (vm->uuid[0])
		json_object_set_new(params, "uuid", json_string(vm->uuid));
	if (vm->pinned_core >= 0)
		json_object_set_new(params, "worker", json_integer(vm->pinned_core));
	budget_to_json(params, &vm->budget);
	return config_call("vm_create", params);
}

static json_t *uplink_call(const struct uplink *u)
{
	return config_call("uplink_create", uplink_conf_to_json(u));
}

static json_t *vtep_call(const struct vtep *v)
{
	return config_call("vtep_create", vtep_conf_to_json(v));
}

static json_t *network_call(struct network *net)
{
	return config_call("network_create", network_conf_to_json(net));
}

/* The calls that add a network's remotes. */
static void add_remotes(const struct vswitch *sw, struct network *net, json_t *calls)
{
	const struct remotes *list = atomic_load(&net->bridge.remotes);
	char address[IP_ADDR_TEXT_SIZE];

	for (uint32_t i = 0; list && i < list->n; i++) {
		ip_addr_format(&remote_at(sw, list->dest[i])->address, address);
		json_array_append_new(calls, config_call("network_add_remote",
							 json_pack("{s:s, s:s}", "network",
								   net->name, "address", address)));
	}
}

static void add_tunnel(const struct tunnel *t, json_t *calls)
{
	const struct uplink *u;
	const struct vtep *v;

	if (!t)
		return;
	TAILQ_FOREACH (u, &t->uplinks, link)
		json_array_append_new(calls, uplink_call(u));
	TAILQ_FOREACH (v, &t->vteps, link)
		json_array_append_new(calls, vtep_call(v));
}

static json_t *port_call(const struct port *port)
{
	return config_call("port_create", port_conf_to_json(port));
}

struct static_entries {
	const struct vswitch *sw;
	const struct network *net;
	json_t *calls;
};

static bool add_static(void *arg, const struct fdb_entry *entry)
{
	struct static_entries *s = arg;
	bool is_remote = dest_is_remote(entry->port);
	char mac[MAC_TEXT_SIZE], place[NAME_SIZE];

	if (!entry->is_static || (!is_remote && !s->sw->port_slot[entry->port]))
		return false;
	mac_format(entry->mac, mac);
	if (is_remote)
		ip_addr_format(&remote_at(s->sw, entry->port)->address, place);
	else
		snprintf(place, sizeof(place), "%s", s->sw->port_slot[entry->port]->name);
	json_array_append_new(
		s->calls,
		config_call("fdb_add", json_pack("{s:s, s:s, s:s}", "network", s->net->name, "mac",
						 mac, is_remote ? "remote" : "port", place)));
	return false;
}

/* All objects as calls, in an order that can be replayed. */
static json_t *all_calls(const struct rpc_ctx *ctx)
{
	struct vswitch *sw = ctx->sw;
	json_t *calls = json_array();
	const struct tenant *t;
	const struct port *port;
	const struct vm *vm;
	struct network *net;

	json_array_append_new(calls, scheduler_call(sw));
	TAILQ_FOREACH (t, &sw->tenants, link)
		json_array_append_new(calls, tenant_call(t));
	TAILQ_FOREACH (vm, &sw->vms, link)
		json_array_append_new(calls, vm_call(vm));
	add_tunnel(sw->tunnel, calls);
	TAILQ_FOREACH (net, &sw->networks, link)
		json_array_append_new(calls, network_call(net));
	TAILQ_FOREACH (net, &sw->networks, link)
		add_remotes(sw, net, calls);
	TAILQ_FOREACH (port, &sw->ports, link)
		json_array_append_new(calls, port_call(port));
	TAILQ_FOREACH (net, &sw->networks, link) {
		struct static_entries s = {sw, net, calls};

		fdb_sweep(net->bridge.fdb, add_static, &s);
	}
	TAILQ_FOREACH (net, &sw->networks, link)
		neighbour_append_calls(net, calls);
	refused_append_calls(ctx->refused, calls);
	return calls;
}

json_t *config_to_json(const struct rpc_ctx *ctx)
{
	return json_pack("{s:i, s:o}", "version", FORMAT_VERSION, "calls", all_calls(ctx));
}

json_t *config_call_of(const struct rpc_ctx *ctx, const char *kind, const char *name)
{
	struct vswitch *sw = ctx->sw;

	if (strcmp(kind, "scheduler") == 0)
		return scheduler_call(sw);
	if (strcmp(kind, "tenant") == 0)
		return tenant_find(sw, name) ? tenant_call(tenant_find(sw, name)) : NULL;
	if (strcmp(kind, "vm") == 0)
		return vm_find(sw, name) ? vm_call(vm_find(sw, name)) : NULL;
	if (strcmp(kind, "uplink") == 0)
		return uplink_find(sw, name) ? uplink_call(uplink_find(sw, name)) : NULL;
	if (strcmp(kind, "vtep") == 0)
		return vtep_find(sw, name) ? vtep_call(vtep_find(sw, name)) : NULL;
	if (strcmp(kind, "network") == 0)
		return network_find(sw, name) ? network_call(network_find(sw, name)) : NULL;
	return port_find(sw, name) ? port_call(port_find(sw, name)) : NULL;
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

int config_write(const struct rpc_ctx *ctx, const char *file, json_int_t generation,
		 unsigned *calls, struct err *e)
{
	json_t *config = config_to_json(ctx);
	char *text;
	int ret;

	if (generation)
		json_object_set_new(config, "generation", json_integer(generation));
	text = json_dumps(config, JSON_INDENT(1));
	*calls = (unsigned)json_array_size(json_object_get(config, "calls"));
	json_decref(config);
	if (!text)
		return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	ret = replace_file(file, text, e);
	free(text);
	return ret;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return strcmp(a, b) == 0 || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
				     x.st_ino == y.st_ino);
}

int config_save(struct rpc_ctx *ctx, const char *file, unsigned *calls, struct err *e)
{
	if (ctx->config_file && is_same_file(file, ctx->config_file))
		return config_save_own(ctx, calls, e);
	return config_write(ctx, file, 0, calls, e);
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

const char *config_method_of(const json_t *call)
{
	const char *method = json_string_value(json_object_get(call, "method"));

	return method ? method : "?";
}

json_t *config_read_calls(const char *file, json_int_t *generation, struct err *e)
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
	*generation = json_integer_value(json_object_get(config, "generation"));
	json_decref(config);
	return calls;
}

int config_load(struct rpc_ctx *ctx, const char *file, unsigned *done, struct err *e)
{
	json_int_t generation;
	json_t *calls = config_read_calls(file, &generation, e);
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
				config_method_of(call), why.text);
		*done += ret == 0;
	}
	json_decref(calls);
	return ret;
}

unsigned config_replay(struct rpc_ctx *ctx, json_t *calls)
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
			  config_method_of(call), why.text);
		refused_add(ctx->refused, call, why.text);
	}
	ctx->is_replaying = false;
	return done;
}

json_t *config_retry(struct rpc_ctx *ctx)
{
	json_t *calls = refused_take(ctx->refused), *result;

	unsigned done = config_replay(ctx, calls);

	result = json_pack("{s:i, s:i}", "done", (int)done, "refused",
			   (int)refused_count(ctx->refused));
	json_decref(calls);
	return result;
}
