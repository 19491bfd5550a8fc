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
#include "control/neighbour.h"
#include "control/neighbour_rpc.h"
#include "control/network_rpc.h"
#include "control/port_rpc.h"
#include "control/refused.h"
#include "control/security_rpc.h"
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

static void add_call(json_t *calls, const char *method, json_t *params)
{
	json_array_append_new(calls, config_call(method, params));
}

static json_t *scheduler_call(const struct vswitch *sw)
{
	return config_call("scheduler_set",
			   json_pack("{s:s, s:i}", "mode", sched_mode_text(sw->sched.mode),
				     "slice_us", (int)sw->sched.slice_us));
}

static json_t *scheduler_of(struct vswitch *sw, const char *name)
{
	(void)name;
	return scheduler_call(sw);
}

static void add_scheduler(struct vswitch *sw, json_t *calls)
{
	json_array_append_new(calls, scheduler_call(sw));
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
	json_object_set_new(params, "max_connections", json_integer(vm->max_connections));
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

static json_t *security_group_call(const struct security_group *g)
{
	return config_call("security_group_create", security_group_conf_to_json(g));
}

static json_t *port_call(const struct port *port)
{
	return config_call("port_create", port_conf_to_json(port));
}

/* Functions of a kind of objects with names: the call of one, and those of all in a list. */
#define NAMED(kind, has_list, list)                                    \
	static json_t *kind##_of(struct vswitch *sw, const char *name) \
	{                                                              \
		struct kind *o = kind##_find(sw, name);                \
                                                                       \
		return o ? kind##_call(o) : NULL;                      \
	}                                                              \
                                                                       \
	static void add_##kind##s(struct vswitch *sw, json_t *calls)   \
	{                                                              \
		struct kind *o;                                        \
                                                                       \
		if (!(has_list))                                       \
			return;                                        \
		TAILQ_FOREACH (o, list, link)                          \
			json_array_append_new(calls, kind##_call(o));  \
	}

NAMED(tenant, true, &sw->tenants)
NAMED(vm, true, &sw->vms)
NAMED(uplink, sw->tunnel, &sw->tunnel->uplinks)
NAMED(vtep, sw->tunnel, &sw->tunnel->vteps)
NAMED(network, true, &sw->networks)
NAMED(security_group, true, &sw->security->groups)
NAMED(port, true, &sw->ports)

static void add_remotes_of(struct vswitch *sw, struct network *net, json_t *calls)
{
	const struct remotes *list = atomic_load(&net->bridge.remotes);
	char address[IP_ADDR_TEXT_SIZE];

	for (uint32_t i = 0; list && i < list->n; i++) {
		ip_addr_format(&remote_at(sw, list->dest[i])->address, address);
		add_call(calls, "network_add_remote",
			 json_pack("{s:s, s:s}", "network", net->name, "address", address));
	}
}

static void add_remotes(struct vswitch *sw, json_t *calls)
{
	struct network *net;

	TAILQ_FOREACH (net, &sw->networks, link)
		add_remotes_of(sw, net, calls);
}

static void add_rules(struct vswitch *sw, json_t *calls)
{
	struct security_group *g;
	struct security_rule *r;

	TAILQ_FOREACH (g, &sw->security->groups, link)
		TAILQ_FOREACH (r, &g->rules, link)
			add_call(calls, "security_rule_add", security_rule_conf_to_json(g, r));
}

static void add_group_addresses(struct vswitch *sw, json_t *calls)
{
	struct security_group *g;
	struct security_address *a;

	TAILQ_FOREACH (g, &sw->security->groups, link)
		TAILQ_FOREACH (a, &g->addresses, link)
			add_call(calls, "security_group_add_address",
				 security_address_conf_to_json(g, a));
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
	add_call(s->calls, "fdb_add",
		 json_pack("{s:s, s:s, s:s}", "network", s->net->name, "mac", mac,
			   is_remote ? "remote" : "port", place));
	return false;
}

static void add_statics(struct vswitch *sw, json_t *calls)
{
	struct network *net;

	TAILQ_FOREACH (net, &sw->networks, link) {
		struct static_entries s = {sw, net, calls};

		fdb_sweep(net->bridge.fdb, add_static, &s);
	}
}

static bool add_neighbour(void *arg, const struct neigh *n)
{
	struct static_entries *s = arg;

	if (n->is_static)
		add_call(s->calls, "neighbour_add", neighbour_conf_to_json(s->net, n));
	return false;
}

static void add_neighbours(struct vswitch *sw, json_t *calls)
{
	struct network *net;

	TAILQ_FOREACH (net, &sw->networks, link) {
		struct static_entries s = {sw, net, calls};

		neighbour_each(net, add_neighbour, &s);
	}
}

const struct config_kind config_kinds[CONFIG_KINDS] = {
	{NULL, "scheduler_set", add_scheduler, scheduler_of},
	{"tenant", "tenant_create", add_tenants, tenant_of},
	{"vm", "vm_create", add_vms, vm_of},
	{"uplink", "uplink_create", add_uplinks, uplink_of},
	{"vtep", "vtep_create", add_vteps, vtep_of},
	{"network", "network_create", add_networks, network_of},
	{NULL, "network_add_remote", add_remotes, NULL},
	{"security_group", "security_group_create", add_security_groups, security_group_of},
	{NULL, "security_rule_add", add_rules, NULL},
	{NULL, "security_group_add_address", add_group_addresses, NULL},
	{"port", "port_create", add_ports, port_of},
	{NULL, "fdb_add", add_statics, NULL},
	{NULL, "neighbour_add", add_neighbours, NULL},
};

/* All objects as calls, in an order that can be replayed. */
static json_t *all_calls(const struct rpc_ctx *ctx)
{
	json_t *calls = json_array();

	for (unsigned i = 0; i < CONFIG_KINDS; i++)
		config_kinds[i].add_all(ctx->sw, calls);
	refused_append_calls(ctx->refused, calls);
	return calls;
}

json_t *config_to_json(const struct rpc_ctx *ctx)
{
	return json_pack("{s:i, s:o}", "version", FORMAT_VERSION, "calls", all_calls(ctx));
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
		/* One publishing for all of them, before anything that needs it. */
		security_defer_members(
			ctx->sw, strcmp(config_method_of(call), "security_group_add_address") == 0);
		if (replay(ctx, call, &why) == 0) {
			done++;
			continue;
		}
		log_error("configuration: call %zu, %s: %s (kept, and shown as refused)", i,
			  config_method_of(call), why.text);
		refused_add(ctx->refused, call, why.text);
	}
	security_defer_members(ctx->sw, false);
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
