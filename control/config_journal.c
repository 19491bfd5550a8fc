/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes since the configuration file was written.
 *
 * A record holds the state of an object after a change: the call that creates it ({"set": call}),
 * or its deletion ({"delete": call}, of which only the key counts). A record replaces or removes
 * the file's call that creates the same object. This needs no knowledge of the methods, and doing
 * so twice changes nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/ip_addr.h"
#include "base/ip_prefix.h"
#include "base/log.h"
#include "control/config_impl.h"
#include "control/journal.h"
#include "control/mac_rpc.h"
#include "control/refused.h"
#include "control/security_rpc.h"

/* --- changes -----------------------------------------------------------------------------------
 */

/* The record of an object after a change: the call that creates it as it is now, or its
 * deletion. */
static json_t *object_record(const struct rpc_ctx *ctx, const struct config_kind *kind,
			     const char *name)
{
	json_t *call = kind->call_of(ctx->sw, name);

	if (call)
		return json_pack("{s:o}", "set", call);
	return json_pack("{s:o}", "delete",
			 config_call(kind->method, json_pack("{s:s}", "name", name)));
}

/* The same for a static entry. Its address is written in one form, since a call may use another. */
static json_t *entry_record(const char *verb, const json_t *params)
{
	const char *given = json_string_value(json_object_get(params, "mac"));
	char text[MAC_TEXT_SIZE];
	struct err e;
	uint64_t mac;
	json_t *entry;

	if (!given || mac_parse("mac", given, &mac, &e) < 0)
		return NULL;
	mac_format(mac, text);
	entry = json_copy((json_t *)(uintptr_t)params);
	json_object_set_new(entry, "mac", json_string(text));
	return json_pack("{s:o}", verb, config_call("fdb_add", entry));
}

/* The same for what a network has by IP address: a remote, or a neighbour. */
static json_t *address_record(const char *verb, const char *method, const json_t *params)
{
	const char *given = json_string_value(json_object_get(params, "address"));
	char text[IP_ADDR_TEXT_SIZE];
	struct ip_addr a;
	json_t *entry;

	if (!given || !ip_addr_parse(given, &a))
		return NULL;
	ip_addr_format(&a, text);
	entry = json_copy((json_t *)(uintptr_t)params);
	json_object_set_new(entry, "address", json_string(text));
	return json_pack("{s:o}", verb, config_call(method, entry));
}

/* The same for a prefix that a security group has. */
static json_t *prefix_record(const char *verb, const char *method, const json_t *params)
{
	const char *given = json_string_value(json_object_get(params, "address"));
	char text[IP_PREFIX_TEXT_SIZE];
	struct ip_prefix p;
	json_t *entry;

	if (!given || ip_prefix_parse(given, &p))
		return NULL;
	ip_prefix_format(&p, text);
	entry = json_copy((json_t *)(uintptr_t)params);
	json_object_set_new(entry, "address", json_string(text));
	return json_pack("{s:o}", verb, config_call(method, entry));
}

/* The same for the rule that was added to a security group last: the call may lack its id. */
static json_t *rule_record(const struct rpc_ctx *ctx, const json_t *params)
{
	const char *name = json_string_value(json_object_get(params, "group"));
	const struct security_group *g = name ? security_group_find(ctx->sw, name) : NULL;

	if (!g || TAILQ_EMPTY(&g->rules))
		return NULL;
	return json_pack(
		"{s:o}", "set",
		config_call("security_rule_add",
			    security_rule_conf_to_json(g, TAILQ_LAST(&g->rules, security_rules))));
}

/* The name of the object that a call changes; NULL when that is of another kind. */
static const char *changed_name(const struct config_kind *kind, const char *method,
				const json_t *params)
{
	size_t n = strlen(kind->name);

	if (strcmp(method, "budget_set") == 0)
		return json_string_value(json_object_get(params, kind->name));
	if (strncmp(method, kind->name, n) != 0 || method[n] != '_')
		return NULL;
	return json_string_value(json_object_get(params, "name"));
}

/* The record of what a call changed; NULL when that may be anything. */
static json_t *record_of(const struct rpc_ctx *ctx, const char *method, const json_t *params)
{
	for (unsigned i = 0; i < CONFIG_KINDS; i++) {
		const struct config_kind *kind = &config_kinds[i];
		const char *name = kind->name ? changed_name(kind, method, params) : NULL;

		if (name || (!kind->name && kind->call_of && strcmp(method, kind->method) == 0))
			return object_record(ctx, kind, name);
	}
	if (strcmp(method, "fdb_add") == 0)
		return entry_record("set", params);
	if (strcmp(method, "fdb_delete") == 0)
		return entry_record("delete", params);
	if (strcmp(method, "network_add_remote") == 0)
		return address_record("set", "network_add_remote", params);
	if (strcmp(method, "network_remove_remote") == 0)
		return address_record("delete", "network_add_remote", params);
	if (strcmp(method, "neighbour_add") == 0)
		return address_record("set", "neighbour_add", params);
	if (strcmp(method, "neighbour_delete") == 0)
		return address_record("delete", "neighbour_add", params);
	if (strcmp(method, "security_rule_add") == 0)
		return rule_record(ctx, params);
	if (strcmp(method, "security_rule_delete") == 0)
		return json_pack(
			"{s:o}", "delete",
			config_call("security_rule_add", json_copy((json_t *)(uintptr_t)params)));
	if (strcmp(method, "security_group_add_address") == 0)
		return prefix_record("set", "security_group_add_address", params);
	if (strcmp(method, "security_group_remove_address") == 0)
		return prefix_record("delete", "security_group_add_address", params);
	return NULL;
}

void config_note(struct rpc_ctx *ctx, const char *method, const json_t *params)
{
	json_t *record;

	if (!ctx->journal || ctx->is_unsaved)
		return;
	record = record_of(ctx, method, params);
	ctx->is_unsaved = !record || journal_add(ctx->journal, record) < 0;
}

/* Writes the whole file, then empties the journal. The file comes first: a journal that is not
 * emptied after that is of an older generation, and is ignored. */
static int compact(struct rpc_ctx *ctx, unsigned *calls, struct err *e)
{
	int ret = config_write(ctx, ctx->config_file, ctx->generation + 1, calls, e);

	if (ret == 0)
		ret = journal_begin(ctx->journal, ++ctx->generation, e);
	ctx->is_unsaved = ret < 0;
	return ret;
}

/* Opens the journal. The whole file is to be written next, also when there is no journal. */
static int open_journal(struct rpc_ctx *ctx, struct err *e)
{
	ctx->journal = journal_open(ctx->config_file, e);
	ctx->is_unsaved = true;
	return ctx->journal ? 0 : -EIO;
}

int config_save_own(struct rpc_ctx *ctx, unsigned *calls, struct err *e)
{
	if (!ctx->journal && open_journal(ctx, e) < 0)
		return -EIO;
	return compact(ctx, calls, e);
}

int config_commit(struct rpc_ctx *ctx, struct err *e)
{
	unsigned calls;
	int ret;

	if (!ctx->config_file)
		return 0;
	if (!ctx->journal || ctx->is_unsaved || journal_is_long(ctx->journal))
		return config_save_own(ctx, &calls, e);
	ret = journal_commit(ctx->journal, e);
	ctx->is_unsaved = ret < 0;
	return ret;
}

int config_close(struct rpc_ctx *ctx, struct err *e)
{
	int ret;

	ctx->is_unsaved = true; /* so the whole file is written */
	ret = config_commit(ctx, e);
	if (ret == 0)
		journal_remove(ctx->journal);
	else
		journal_close(ctx->journal);
	ctx->journal = NULL;
	return ret;
}

/* --- at start ----------------------------------------------------------------------------------
 */

/* Calls with the journal's changes applied, keyed by the object that each call creates. */
struct fold {
	json_t *calls; /* by key, in order */
	unsigned n;
};

/* The key of the object that a call creates. A call that no saved configuration has gets a key of
 * its own. */
static void make_key(struct fold *f, const json_t *call, char key[256])
{
	const json_t *params = json_object_get(call, "params");
	const char *method = config_method_of(call);
	const char *name = json_string_value(json_object_get(params, "name"));
	const char *net = json_string_value(json_object_get(params, "network"));
	const char *mac = json_string_value(json_object_get(params, "mac"));
	const char *address = json_string_value(json_object_get(params, "address"));
	const char *group = json_string_value(json_object_get(params, "group"));
	const char *id = json_string_value(json_object_get(params, "id"));

	if (strcmp(method, "fdb_add") == 0 && net && mac)
		snprintf(key, 256, "fdb_add %.80s %.40s", net, mac);
	else if (strcmp(method, "network_add_remote") == 0 && net && address)
		snprintf(key, 256, "network_add_remote %.80s %.50s", net, address);
	else if (strcmp(method, "neighbour_add") == 0 && net && address)
		snprintf(key, 256, "neighbour_add %.80s %.50s", net, address);
	else if (strcmp(method, "security_rule_add") == 0 && group && id)
		snprintf(key, 256, "security_rule_add %.80s %.80s", group, id);
	else if (strcmp(method, "security_group_add_address") == 0 && group && address)
		snprintf(key, 256, "security_group_add_address %.80s %.60s", group, address);
	else if (strcmp(method, "scheduler_set") == 0)
		snprintf(key, 256, "scheduler_set");
	else if (name && strstr(method, "_create"))
		snprintf(key, 256, "%.40s %.80s", method, name);
	else
		snprintf(key, 256, "%u", f->n++);
}

/* Removes a port's static entries: they go when it is deleted, or moves to another network. */
static void drop_entries(struct fold *f, const char *port)
{
	const char *key;
	json_t *call;
	void *next;

	json_object_foreach_safe (f->calls, next, key, call) {
		const json_t *its_port = json_object_get(json_object_get(call, "params"), "port");

		if (strncmp(key, "fdb_add ", 8) == 0 && json_is_string(its_port) &&
		    strcmp(json_string_value(its_port), port) == 0)
			json_object_del(f->calls, key);
	}
}

static const char *network_of(const json_t *call)
{
	const char *name =
		json_string_value(json_object_get(json_object_get(call, "params"), "network"));

	return name ? name : "";
}

/* Removes a network's remotes, and static addresses behind them: they go when it is deleted, or
 * leaves its VTEP. */
static void drop_remotes(struct fold *f, const char *network)
{
	const char *key;
	json_t *call;
	void *next;

	json_object_foreach_safe (f->calls, next, key, call) {
		const json_t *params = json_object_get(call, "params");
		bool is_remote = strncmp(key, "network_add_remote ", 19) == 0 ||
				 json_object_get(params, "remote");

		if (is_remote && strcmp(network_of(call), network) == 0)
			json_object_del(f->calls, key);
	}
}

/* Removes a network's static neighbours, which go with it. */
static void drop_neighbours(struct fold *f, const char *network)
{
	const char *key;
	json_t *call;
	void *next;

	json_object_foreach_safe (f->calls, next, key, call) {
		if (strncmp(key, "neighbour_add ", 14) == 0 &&
		    strcmp(network_of(call), network) == 0)
			json_object_del(f->calls, key);
	}
}

static const char *vtep_of(const json_t *call)
{
	const char *name =
		json_string_value(json_object_get(json_object_get(call, "params"), "vtep"));

	return name ? name : "";
}

static void fold_record(void *arg, const json_t *record)
{
	json_t *set = json_object_get(record, "set");
	json_t *call = set ? set : json_object_get(record, "delete");
	const json_t *name = json_object_get(json_object_get(call, "params"), "name");
	struct fold *f = arg;
	const json_t *before;
	char key[256];

	make_key(f, call, key);
	before = json_object_get(f->calls, key);
	if (before && strcmp(config_method_of(call), "port_create") == 0 && json_is_string(name) &&
	    (!set || strcmp(network_of(before), network_of(set)) != 0))
		drop_entries(f, json_string_value(name));
	if (before && strcmp(config_method_of(call), "network_create") == 0 &&
	    json_is_string(name) && (!set || strcmp(vtep_of(before), vtep_of(set)) != 0))
		drop_remotes(f, json_string_value(name));
	if (!set && strcmp(config_method_of(call), "network_create") == 0 && json_is_string(name))
		drop_neighbours(f, json_string_value(name));
	if (set)
		json_object_set(f->calls, key, set);
	else
		json_object_del(f->calls, key);
}

/* The calls, sorted by kind for replay. An object that was created late may be needed by one that
 * was changed since. */
static json_t *ordered(const json_t *by_key)
{
	json_t *calls = json_array(), *call;
	const char *key;

	for (unsigned i = 0; i <= CONFIG_KINDS; i++) {
		json_object_foreach ((json_t *)(uintptr_t)by_key, key, call) {
			unsigned k = 0;

			while (k < CONFIG_KINDS &&
			       strcmp(config_method_of(call), config_kinds[k].method) != 0)
				k++;
			if (k == i)
				json_array_append(calls, call);
		}
	}
	return calls;
}

/* The file's calls with the journal applied. Takes over the reference to the file's calls. */
static json_t *apply_journal(struct rpc_ctx *ctx, json_t *calls, struct err *e)
{
	struct fold f = {.calls = json_object()};
	char key[256];
	json_t *call;
	size_t i;
	int ret;

	json_array_foreach (calls, i, call) {
		make_key(&f, call, key);
		json_object_set(f.calls, key, call);
	}
	ret = journal_read(ctx->journal, ctx->generation, fold_record, &f, e);
	json_decref(calls);
	calls = ret < 0 ? NULL : ordered(f.calls);
	json_decref(f.calls);
	return calls;
}

/* The calls to replay at start. New reference, NULL with *e filled. */
static json_t *initial_calls(struct rpc_ctx *ctx, struct err *e)
{
	json_t *calls;

	if (access(ctx->config_file, F_OK) < 0 && errno == ENOENT) {
		log_info("configuration %s: not there, starting without", ctx->config_file);
		return json_array();
	}
	calls = config_read_calls(ctx->config_file, &ctx->generation, e);
	return calls && ctx->generation > 0 && ctx->journal ? apply_journal(ctx, calls, e) : calls;
}

int config_start(struct rpc_ctx *ctx, struct err *e)
{
	json_t *calls;
	unsigned done;

	if (!ctx->config_file)
		return 0;
	/* A journal that exists must be readable: it may hold changes that were acknowledged. */
	if (open_journal(ctx, e) < 0 && journal_is_there(ctx->config_file))
		return -EIO;
	calls = initial_calls(ctx, e);
	if (!calls)
		return -EINVAL;
	done = config_replay(ctx, calls);
	log_info("configuration %s: %u calls done, %zu refused", ctx->config_file, done,
		 refused_count(ctx->refused));
	json_decref(calls);
	return 0;
}
