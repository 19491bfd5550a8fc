/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole of stintctl against a server in a process of its own: arguments, output, exit codes. */
#include "cli/cli.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "rpc/server.h"
#include "rpc_schema.h"

/* --- the server's side --- */

struct rpc_ctx {
	struct rpc_server *server;
};

static json_t *network_create(struct rpc_ctx *ctx, const void *params, struct err *e)
{
	const struct rpc_network_create *p = params;

	if (strcmp(p->tenant, "nobody") == 0) {
		err_set(e, ERR_NOT_FOUND, "tenant", "tenant '%s' does not exist", p->tenant);
		return NULL;
	}
	rpc_server_event(ctx->server, "made", json_pack("{s:s}", "network", p->name));
	return json_pack("{s:s, s:s, s:i, s:i}", "name", p->name, "tenant", p->tenant, "vni",
			 (int)p->vni, "mtu", (int)p->mtu);
}

static json_t *network_list(struct rpc_ctx *ctx, const void *params, struct err *e)
{
	(void)ctx;
	(void)params;
	(void)e;
	return json_pack("[{s:s, s:s, s:i, s:i, s:i, s:i, s:i}]", "name", "blue", "tenant", "acme",
			 "vni", 7, "mtu", 1500, "mac_ageing_s", 300, "mac_table_size", 4096,
			 "ports", 2);
}

static json_t *version_get(struct rpc_ctx *ctx, const void *params, struct err *e)
{
	(void)ctx;
	(void)params;
	(void)e;
	sleep(3); /* slower than the client's patience */
	return json_null();
}

static json_t *stats_workers(struct rpc_ctx *ctx, const void *params, struct err *e)
{
	static int calls;

	(void)ctx;
	(void)params;
	(void)e;
	calls++;
	return json_pack("[{s:i, s:i, s:i, s:i, s:{s:i}}]", "worker", 1, "tsc_hz", 1000, "cycles",
			 1000 * calls, "lost_us", 20000 * calls, "system", "idle", 500 * calls);
}

static json_t *stats_vms(struct rpc_ctx *ctx, const void *params, struct err *e)
{
	static int calls;

	(void)ctx;
	(void)params;
	(void)e;
	calls++;
	return json_pack("[{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:i}]", "vm",
			 "web1", "tenant", "acme", "worker", 1, "cycles", 250 * calls, "packets",
			 10 * calls, "bytes", 600 * calls, "drops", 0, "used_us", 250000 * calls,
			 "waited_us", 41 * calls, "overruns", 3 * calls, "longest_service_us", 21.5,
			 "balance_us", -7);
}

static json_t *subscribe(struct rpc_conn *c, const void *p, struct err *e)
{
	return rpc_serve_events_subscribe(c, p, e);
}

static const struct rpc_method methods[] = {
	{"network_create", &rpc_params_network_create, network_create, NULL, true, false},
	{"network_list", &rpc_params_network_list, network_list, NULL, false, true},
	{"version_get", &rpc_params_version_get, version_get, NULL, false, true},
	{"stats_workers", &rpc_params_stats_workers, stats_workers, NULL, false, true},
	{"stats_vms", &rpc_params_stats_vms, stats_vms, NULL, false, true},
	{"events_subscribe", &rpc_params_events_subscribe, NULL, subscribe, false, true},
};

static char folder[] = "/tmp/cli_testXXXXXX";
static char path[64];
static pid_t server;

static void serve(int ready)
{
	struct rpc_ctx ctx = {0};
	const struct rpc_server_conf conf = {
		.path = path,
		.methods = methods,
		.n_methods = sizeof(methods) / sizeof(methods[0]),
		.ctx = &ctx,
	};
	sigset_t set;
	sd_event *loop;
	struct err e;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	log_set_level(LOG_ERROR);
	if (sd_event_new(&loop) < 0 || sd_event_add_signal(loop, NULL, SIGTERM, NULL, NULL) < 0)
		_exit(1);
	ctx.server = rpc_server_create(loop, &conf, &e);
	if (!ctx.server || write(ready, "x", 1) != 1)
		_exit(1);
	sd_event_loop(loop);
	rpc_server_destroy(ctx.server);
	sd_event_unref(loop);
	_exit(0);
}

static int start_server(void **state)
{
	int ready[2];
	char byte;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	assert_int_equal(pipe(ready), 0);
	server = fork();
	if (server == 0)
		serve(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	setenv("STINT_SOCKET", path, 1);
	return 0;
}

static int stop_server(void **state)
{
	int status;

	(void)state;
	kill(server, SIGTERM);
	assert_int_equal(waitpid(server, &status, 0), server);
	return rmdir(folder);
}

/* --- the client's side --- */

static char *out_text, *err_text;

/* Runs a command line, words parted by single blanks. Returns the exit code. */
static int run(const char *line)
{
	char *words = strdup(line), *argv[32] = {"stintctl"}, *save;
	size_t out_size, err_size;
	FILE *out, *err;
	int argc = 1, rc;

	free(out_text);
	free(err_text);
	out_text = err_text = NULL;
	out = open_memstream(&out_text, &out_size);
	err = open_memstream(&err_text, &err_size);
	for (char *w = strtok_r(words, " ", &save); w && argc < 31; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	rc = cli_main(argc, argv, out, err);
	fclose(out);
	fclose(err);
	free(words);
	return rc;
}

static void expect(const char *line, int rc, const char *out, const char *err)
{
	int got = run(line);

	if (got != rc || (out && !strstr(out_text, out)) || (err && !strstr(err_text, err)))
		fail_msg("'%s' exits with %d, prints '%s' and '%s'", line, got, out_text, err_text);
}

static void lists_and_creates(void **state)
{
	(void)state;
	assert_int_equal(run("network list"), 0);
	assert_string_equal(
		out_text,
		"NAME  TENANT  VNI   MTU  MAC_AGEING_S  MAC_TABLE_SIZE  PORTS  VTEP  REMOTES  "
		"REFUSED\n"
		"blue  acme      7  1500           300            4096      2  -           -  -\n");
	expect("network create red --tenant acme --vni 9", 0, "vni     9\n", NULL);
	expect("network create red --tenant=acme --vni=9 --mtu 9000", 0, "mtu     9000\n", NULL);
	expect("network create --name red --tenant acme --vni 9", 0, "name    red\n", NULL);
	expect("--json network list", 0, "\"mac_ageing_s\": 300", NULL);
	expect("network list --json", 0, "\"mac_ageing_s\": 300", NULL);
	expect("network list --long", 0, "mac_ageing_s    300\n", NULL);
	expect("network list --column name", 0, "blue\n", NULL);
	expect("--column mtu call network_list", 0, "1500\n", NULL);
	expect("call network_list", 0, "\"name\": \"blue\"", NULL);
	expect("call network_create {\"name\":\"n\",\"tenant\":\"t\",\"vni\":1}", 0, "\"vni\": 1",
	       NULL);
}

static void refusals_exit_with_1(void **state)
{
	(void)state;
	expect("network create red --tenant nobody --vni 9", 1, NULL,
	       "stintctl: tenant 'nobody' does not exist\n");
	expect("network create red --tenant t --vni 0", 1, NULL,
	       "stintctl: vni: 0 is out of range 1 to 16777215\n");
	expect("network create a/b --tenant t --vni 1", 1, NULL, "name: 'a/b'");
	expect("--json network create red --tenant t --vni 0", 1, "\"field\": \"vni\"", NULL);
	expect("call nix", 1, NULL, "no method 'nix'");
	expect("call network_list {\"x\":1}", 1, NULL, "x: unknown parameter");
	expect("port list", 1, NULL, "no method 'port_list'");
	expect("network list --column nix", 2, NULL, "no field 'nix'");
}

static void bad_usage_exits_with_2(void **state)
{
	(void)state;
	expect("", 2, NULL, "usage: stintctl");
	expect("nix", 2, NULL, "no command 'nix'");
	expect("network", 2, NULL, "network create");
	expect("network nix", 2, NULL, "no command 'network nix'");
	expect("network create", 2, NULL, "name is missing");
	expect("network create red --tenant acme --vni x", 2, NULL, "vni: 'x' is no valid integer");
	expect("network create red --tenant acme --vni", 2, NULL, "--vni needs a value");
	expect("network create red blue --tenant acme --vni 1", 2, NULL, "one argument too many");
	expect("network create red --name blue --tenant acme --vni 1", 2, NULL, "given twice");
	expect("network create red --colour blue", 2, NULL, "no option '--colour'");
	expect("network create red --vni 99999999999999999999", 2, NULL, "no valid integer");
	expect("--nix", 2, NULL, "no option '--nix'");
	expect("--timeout x network list", 2, NULL, "--timeout");
	expect("network list --timeout 0", 2, NULL, "--timeout");
	expect("--socket", 2, NULL, "--socket needs a value");
	expect("call", 2, NULL, "usage");
	expect("call network_list {", 2, NULL, "not JSON");
	expect("call a b c", 2, NULL, "unexpected");
	expect("top --interval x", 2, NULL, "--interval");
	expect("top nix", 2, NULL, "unexpected");
	expect("events --since x", 2, NULL, "--since");
}

static void no_daemon_exits_with_3(void **state)
{
	(void)state;
	expect("--socket /nonexistent/s network list", 3, NULL, "cannot connect to /nonexistent/s");
	expect("network list --socket /nonexistent/s", 3, NULL, "cannot connect to /nonexistent/s");
	expect("-s /nonexistent/s top --once", 3, NULL, "cannot connect");
	expect("-s /nonexistent/s events", 3, NULL, "cannot connect");
	expect("--timeout 0.1 version get", 3, NULL, "no answer in time");
}

/* Where a command has a parameter of the same name as a general option, it means the parameter. */
static void own_parameters_come_first(void **state)
{
	(void)state;
	expect("port create p --vm v --network n --socket /run/p.sock", 1, NULL,
	       "no method 'port_create'");
	expect("-s /nonexistent/s port create p --vm v --network n --socket /run/p.sock", 3, NULL,
	       "/nonexistent/s");
}

static void helps(void **state)
{
	(void)state;
	expect("--help", 0, "network create", NULL);
	expect("--version", 0, "stintctl ", NULL);
	expect("network --help", 0, "network set", NULL);
	expect("network create --help", 0,
	       "usage: stintctl network create NAME --tenant TENANT --vni VNI [--mtu MTU]", NULL);
	expect("network create --help", 0, "(68 to 9000 bytes, default 1500)", NULL);
	expect("top --help", 0, "usage: stintctl top", NULL);
	expect("events --help", 0, "usage: stintctl events", NULL);
}

static void top_shows_rates(void **state)
{
	(void)state;
	assert_int_equal(run("top --once --interval 0.05"), 0);
	assert_string_equal(out_text,
			    "WORKER  VMS%  POLL%  CONTROL%  SCHEDULE%  IDLE%  LOST%\n"
			    "     1  50.0      -         -          -   50.0    2.0\n"
			    "\n"
			    "VM   TENANT CORE SHARE%  USED WAITED LONGEST BALANCE OVERRUNS "
			    "CYC/PKT PPS   BPS DROPS/S\n"
			    "web1 acme      1   25.0 250ms 41.0us  21.5us -7.00us        3 "
			    "     25  10 4.80k       0\n");
	expect("top --once --interval 0.05 --json", 0, "\"share_percent\": 25.0", NULL);
	expect("top --once --interval 0.05 --json", 0, "\"waited_us\": 41.0", NULL);
	expect("top --once --interval 0.05 --json", 0, "\"overruns\": 3.0", NULL);
}

static void events_are_followed(void **state)
{
	(void)state;
	assert_int_equal(run("network create e1 --tenant t --vni 1"), 0);
	expect("events --since 0 --count 1", 0, "made  network=", NULL);
	assert_string_equal(err_text, "");
	expect("events --since 1 --count 1 --json", 0, "{\"seq\":1,", NULL);
	expect("events --since 100000 --count 1", 1, NULL, "since");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_and_creates),
		cmocka_unit_test(refusals_exit_with_1),
		cmocka_unit_test(bad_usage_exits_with_2),
		cmocka_unit_test(own_parameters_come_first),
		cmocka_unit_test(helps),
		cmocka_unit_test(top_shows_rates),
		cmocka_unit_test(events_are_followed),
		cmocka_unit_test(no_daemon_exits_with_3), /* last: leaves the server busy */
	};
	int failed = cmocka_run_group_tests(tests, start_server, stop_server);

	free(out_text);
	free(err_text);
	return failed;
}
