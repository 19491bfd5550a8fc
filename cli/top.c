/* SPDX-License-Identifier: BSD-3-Clause */
/* stintctl top. */
#include "cli/top.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/table.h"

#define FRAME_ROWS   10  /* lines of the screen that are not VMs */
#define COLUMNS      100 /* the least width of VMs' lines, also on a narrower terminal */
#define NUMBERS      80  /* of these, all but the names */
#define TENANT_WIDTH 8

/* --- rates --- */

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* The element of a list whose field `key` is the same as in `like`. */
static const json_t *find(const json_t *list, const char *key, const json_t *like)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		if (json_equal(json_object_get(item, key), json_object_get(like, key)))
			return item;
	return NULL;
}

static double since(const json_t *before, const json_t *after, const char *key)
{
	double then = number(before, key), now = number(after, key);

	return now >= then ? now - then : now;
}

static double percent(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

static json_t *worker_rates(const json_t *before, const json_t *after)
{
	double passed = since(before, after, "cycles"), left = passed;
	const json_t *rows = json_object_get(after, "system");
	json_t *rates = json_object(), *value;
	const char *name;
	char key[64];

	json_object_set(rates, "worker", json_object_get(after, "worker"));
	json_object_set_new(rates, "vms_percent", json_real(0));
	json_object_foreach ((json_t *)rows, name, value) {
		double used = since(json_object_get(before, "system"), rows, name);

		(void)value;
		left -= used;
		snprintf(key, sizeof(key), "%s_percent", name);
		json_object_set_new(rates, key, json_real(percent(used, passed)));
	}
	json_object_set_new(rates, "vms_percent", json_real(percent(left > 0 ? left : 0, passed)));
	if (json_object_get(after, "lost_us"))
		json_object_set_new(rates, "lost_percent",
				    json_real(percent(since(before, after, "lost_us") *
							      number(after, "tsc_hz") / 1e6,
						      passed)));
	return rates;
}

static json_t *vm_rates(const json_t *before, const json_t *after, double passed, double seconds)
{
	double cycles = since(before, after, "cycles"), packets = since(before, after, "packets");
	double per_s = seconds > 0 ? 1 / seconds : 0;

	return json_pack(
		"{s:O, s:O, s:O, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "vm",
		json_object_get(after, "vm"), "tenant", json_object_get(after, "tenant"), "worker",
		json_object_get(after, "worker"), "share_percent", percent(cycles, passed),
		"used_us", since(before, after, "used_us"), "waited_us",
		since(before, after, "waited_us"), "overruns", since(before, after, "overruns"),
		"longest_service_us", number(after, "longest_service_us"), "longest_wait_us",
		number(after, "longest_wait_us"), "balance_us", number(after, "balance_us"),
		"cycles_per_packet", packets > 0 ? cycles / packets : 0, "pps", packets * per_s,
		"bps", 8 * since(before, after, "bytes") * per_s, "drops_per_s",
		since(before, after, "drops") * per_s);
}

static int by_share(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double more = number(y, "share_percent") - number(x, "share_percent");

	if (more != 0)
		return more > 0 ? 1 : -1;
	return strcmp(json_string_value(json_object_get(x, "vm")),
		      json_string_value(json_object_get(y, "vm")));
}

static json_t *sorted(json_t *list)
{
	size_t n = json_array_size(list);
	json_t **item = calloc(n ? n : 1, sizeof(json_t *)), *result = json_array();

	for (size_t i = 0; item && i < n; i++)
		item[i] = json_array_get(list, i);
	if (item)
		qsort(item, n, sizeof(json_t *), by_share);
	for (size_t i = 0; item && i < n; i++)
		json_array_append(result, item[i]);
	free(item);
	json_decref(list);
	return result;
}

/* The sum of a counter over all queues of an uplink. */
static double sum_queues(const json_t *queues, const json_t *uplink, const char *key)
{
	const json_t *queue;
	double sum = 0;
	size_t i;

	json_array_foreach (queues, i, queue)
		if (json_equal(json_object_get(queue, "uplink"), uplink))
			sum += number(queue, key);
	return sum;
}

static json_t *uplink_rates(const json_t *before, const json_t *after, const json_t *uplink,
			    double seconds)
{
	static const char *const keys[] = {"tx_packets", "tx_bytes",   "rx_packets",
					   "rx_bytes",   "tx_dropped", "rx_dropped"};
	double per_s = seconds > 0 ? 1 / seconds : 0, rate[6];

	for (int i = 0; i < 6; i++) {
		double then = sum_queues(before, uplink, keys[i]);
		double now = sum_queues(after, uplink, keys[i]);

		rate[i] = (now >= then ? now - then : now) * per_s;
	}
	return json_pack("{s:O, s:f, s:f, s:f, s:f, s:f}", "uplink", uplink, "tx_pps", rate[0],
			 "tx_bps", 8 * rate[1], "rx_pps", rate[2], "rx_bps", 8 * rate[3],
			 "drops_per_s", rate[4] + rate[5]);
}

/* The seconds between two snapshots, by the clock of any worker. */
static double seconds_between(const json_t *before, const json_t *after)
{
	const json_t *now = json_array_get(json_object_get(after, "workers"), 0);
	const json_t *then = find(json_object_get(before, "workers"), "worker", now);
	double hz = number(now, "tsc_hz");

	return hz > 0 ? since(then, now, "cycles") / hz : 0;
}

static json_t *all_uplink_rates(const json_t *before, const json_t *after)
{
	const json_t *queues = json_object_get(after, "uplinks"), *queue;
	json_t *list = json_array();
	size_t i;

	json_array_foreach (queues, i, queue)
		if (json_integer_value(json_object_get(queue, "queue")) == 0)
			json_array_append_new(list,
					      uplink_rates(json_object_get(before, "uplinks"),
							   queues, json_object_get(queue, "uplink"),
							   seconds_between(before, after)));
	return list;
}

json_t *top_rates(const json_t *before, const json_t *after)
{
	json_t *workers = json_array(), *vms = json_array(), *rates;
	const json_t *now;
	size_t i;

	json_array_foreach (json_object_get(after, "workers"), i, now)
		json_array_append_new(
			workers,
			worker_rates(find(json_object_get(before, "workers"), "worker", now), now));
	json_array_foreach (json_object_get(after, "vms"), i, now) {
		const json_t *worker = find(json_object_get(after, "workers"), "worker", now);
		const json_t *then = find(json_object_get(before, "workers"), "worker", now);
		double passed = since(then, worker, "cycles"), hz = number(worker, "tsc_hz");

		rates = vm_rates(find(json_object_get(before, "vms"), "vm", now), now, passed,
				 hz > 0 ? passed / hz : 0);
		if (rates)
			json_array_append_new(vms, rates);
	}
	return json_pack("{s:o, s:o, s:o}", "workers", workers, "vms", sorted(vms), "uplinks",
			 all_uplink_rates(before, after));
}

/* --- printing --- */

const char *top_number(double value, char *buf)
{
	static const char suffix[] = " kMGTP";
	int i = 0;

	for (; value >= 999.5 && suffix[i + 1]; i++)
		value /= 1000;
	if (i == 0)
		snprintf(buf, 16, "%.0f", value);
	else
		snprintf(buf, 16,
			 value < 9.995   ? "%.2f%c"
			 : value < 99.95 ? "%.1f%c"
					 : "%.0f%c",
			 value, suffix[i]);
	return buf;
}

const char *top_time(double us, char *buf)
{
	static const char *const unit[] = {"us", "ms", "s"};
	double value = us < 0 ? -us : us;
	int i = 0;

	for (; value >= 999.5 && i < 2; i++)
		value /= 1000;
	if (value < 0.005)
		snprintf(buf, 16, "0");
	else
		snprintf(buf, 16, "%s%.*f%s", us < 0 ? "-" : "",
			 value < 9.995   ? 2
			 : value < 99.95 ? 1
					 : 0,
			 value, unit[i]);
	return buf;
}

static void add_text(struct table *t, size_t column, const json_t *value)
{
	char *text = table_cell(value);

	table_add(t, column, text);
	free(text);
}

/* A name, cut where it would make the line too long. */
static void add_name(struct table *t, size_t column, const json_t *value, size_t width)
{
	const char *name = json_string_value(value);
	char text[64];

	snprintf(text, sizeof(text), "%s", name ? name : "-");
	if (strlen(text) > width && width < sizeof(text)) {
		text[width - 1] = '~';
		text[width] = '\0';
	}
	table_add(t, column, text);
}

static void print_workers(const json_t *workers, FILE *out)
{
	/* Everything that is not worth a column on the screen is in stats_workers. */
	static const char *const keys[] = {"vms_percent",      "poll_percent", "control_percent",
					   "schedule_percent", "idle_percent", "lost_percent"};
	static const char *const titles[] = {"WORKER",    "VMS%",  "POLL%", "CONTROL%",
					     "SCHEDULE%", "IDLE%", "LOST%"};
	const json_t *worker;
	struct table t;
	size_t i;

	table_init(&t, 7);
	for (i = 0; i < 7; i++) {
		t.right[i] = true;
		table_add(&t, i, titles[i]);
	}
	json_array_foreach (workers, i, worker) {
		add_text(&t, 0, json_object_get(worker, "worker"));
		for (size_t k = 0; k < 6; k++)
			add_text(&t, k + 1, json_object_get(worker, keys[k]));
	}
	table_print(&t, out);
	table_uninit(&t);
}

static void print_vm(struct table *t, const json_t *vm, size_t more)
{
	static const char *const times[] = {"used_us", "waited_us", "longest_service_us",
					    "balance_us"};
	static const char *const numbers[] = {"overruns", "cycles_per_packet", "pps", "bps",
					      "drops_per_s"};
	char buf[16];

	add_name(t, 0, json_object_get(vm, "vm"), COLUMNS - NUMBERS - TENANT_WIDTH + more / 2);
	add_name(t, 1, json_object_get(vm, "tenant"), TENANT_WIDTH + more / 2);
	add_text(t, 2, json_object_get(vm, "worker"));
	add_text(t, 3, json_object_get(vm, "share_percent"));
	for (size_t i = 0; i < 4; i++)
		table_add(t, 4 + i, top_time(number(vm, times[i]), buf));
	for (size_t i = 0; i < 5; i++)
		table_add(t, 8 + i, top_number(number(vm, numbers[i]), buf));
}

static void print_uplinks(const json_t *uplinks, FILE *out)
{
	static const char *const keys[] = {"tx_pps", "tx_bps", "rx_pps", "rx_bps", "drops_per_s"};
	static const char *const titles[] = {"UPLINK", "TX_PPS", "TX_BPS",
					     "RX_PPS", "RX_BPS", "DROPS/S"};
	const json_t *uplink;
	struct table t;
	char buf[16];
	size_t i;

	table_init(&t, 6);
	for (i = 0; i < 6; i++) {
		t.right[i] = i > 0;
		table_add(&t, i, titles[i]);
	}
	json_array_foreach (uplinks, i, uplink) {
		add_text(&t, 0, json_object_get(uplink, "uplink"));
		for (size_t k = 0; k < 5; k++)
			table_add(&t, k + 1, top_number(number(uplink, keys[k]), buf));
	}
	table_print(&t, out);
	table_uninit(&t);
}

void top_print(const json_t *rates, size_t rows, size_t columns, FILE *out)
{
	static const char *const titles[] = {"VM",     "TENANT",  "CORE",    "SHARE%",   "USED",
					     "WAITED", "LONGEST", "BALANCE", "OVERRUNS", "CYC/PKT",
					     "PPS",    "BPS",     "DROPS/S"};
	const json_t *vms = json_object_get(rates, "vms"), *vm;
	struct table t;
	size_t i;

	print_workers(json_object_get(rates, "workers"), out);
	fputc('\n', out);
	if (json_array_size(json_object_get(rates, "uplinks")) > 0) {
		print_uplinks(json_object_get(rates, "uplinks"), out);
		fputc('\n', out);
	}
	table_init(&t, 13);
	t.gap = 1;
	for (i = 0; i < 13; i++) {
		t.right[i] = i >= 2;
		table_add(&t, i, titles[i]);
	}
	json_array_foreach (vms, i, vm) {
		if (rows && i == rows)
			break;
		print_vm(&t, vm, columns > COLUMNS ? columns - COLUMNS : 0);
	}
	table_print(&t, out);
	table_uninit(&t);
	if (rows && json_array_size(vms) > rows)
		fprintf(out, "... and %zu more\n", json_array_size(vms) - rows);
}

/* --- the command --- */

struct top {
	struct cli *cli;
	struct client client;
	double interval_s;
	bool once;
	bool batch;
};

/* Takes all readings in one batch, so that they belong together. NULL after telling why. */
static json_t *take_snapshot(struct top *t)
{
	json_t *request = json_pack("[o, o, o]", client_request(1, "stats_workers", NULL),
				    client_request(2, "stats_vms", NULL),
				    client_request(3, "stats_uplinks", NULL));
	json_t *answer = NULL, *workers, *vms, *uplinks, *snapshot;

	if (client_send(&t->client, request) == 0)
		answer = client_receive(&t->client, t->cli->timeout_s);
	json_decref(request);
	workers = json_object_get(json_array_get(answer, 0), "result");
	vms = json_object_get(json_array_get(answer, 1), "result");
	if (!answer)
		fprintf(t->cli->err, "stintctl: %s\n", t->client.why);
	else if (!workers || !vms)
		fprintf(t->cli->err, "stintctl: the daemon refuses to give statistics\n");
	uplinks = json_object_get(json_array_get(answer, 2), "result");
	snapshot = workers && vms ? json_pack("{s:O, s:O, s:O*}", "workers", workers, "vms", vms,
					      "uplinks", uplinks)
				  : NULL;
	json_decref(answer);
	return snapshot;
}

static void show(struct top *t, const json_t *rates)
{
	FILE *out = t->cli->out;
	bool tty = isatty(fileno(out)) && !t->once && !t->batch;
	struct winsize size = {0};
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	if (t->cli->json) {
		json_dumpf(rates, out, t->once ? JSON_INDENT(2) : JSON_COMPACT);
		fputc('\n', out);
		return;
	}
	if (tty) {
		if (ioctl(fileno(out), TIOCGWINSZ, &size))
			size = (struct winsize){0};
		fputs("\033[H\033[J", out);
	}
	strftime(stamp, sizeof(stamp), "%H:%M:%S", localtime_r(&now, &tm));
	if (!t->once)
		fprintf(out, "stintctl top, %s, every %g s\n\n", stamp, t->interval_s);
	top_print(rates, size.ws_row > FRAME_ROWS ? size.ws_row - FRAME_ROWS : 0, size.ws_col, out);
	if (t->batch && !t->once)
		fputc('\n', out);
}

static int run(struct top *t)
{
	struct timespec pause = {(time_t)t->interval_s,
				 (long)((t->interval_s - (double)(time_t)t->interval_s) * 1e9)};
	json_t *before = take_snapshot(t), *after, *rates;

	while (before) {
		nanosleep(&pause, NULL);
		after = take_snapshot(t);
		if (after) {
			rates = top_rates(before, after);
			show(t, rates);
			fflush(t->cli->out);
			json_decref(rates);
		}
		json_decref(before);
		before = after;
		if (after && t->once) {
			json_decref(after);
			return CLI_OK;
		}
	}
	return CLI_NO_CONNECTION;
}

static int parse(struct top *t, int argc, char **argv)
{
	int i = 0, n;

	while (i < argc) {
		const char *interval = NULL;

		n = 1;
		if (strcmp(argv[i], "--once") == 0)
			t->once = true;
		else if (strcmp(argv[i], "--batch") == 0)
			t->batch = true;
		else
			n = cli_option(argc - i, argv + i, "--interval", &interval);
		if (n < 0 || (interval && !cli_seconds(interval, 0.05, 3600, &t->interval_s)))
			return cli_usage_error(t->cli, "--interval needs 0.05 to 3600 seconds");
		if (n == 0)
			n = cli_take_option(t->cli, argc, argv, i);
		if (n == 0)
			cli_usage_error(t->cli, "unexpected argument '%s'", argv[i]);
		if (n <= 0)
			return CLI_USAGE;
		i += n;
	}
	return CLI_OK;
}

int cli_top(struct cli *cli, int argc, char **argv)
{
	struct top t = {.cli = cli, .interval_s = 1};
	int rc = parse(&t, argc, argv);

	if (rc)
		return rc;
	if (cli->help) {
		fputs("usage: stintctl top [--interval SECONDS] [--once] [--batch]\n\n"
		      "Shows who uses the switch's time: workers, uplinks if there are any, then "
		      "VMs "
		      "sorted by their share "
		      "of\n"
		      "their worker, with the time that they used and waited for with work, how "
		      "many of\n"
		      "their services took longer than a slice, packets, bits and drops per "
		      "second, "
		      "all\n"
		      "over the interval; the longest service since `stats reset-peaks`; and the "
		      "balance,\n"
		      "the time that a VM may use before others go first: negative, it is in "
		      "debt.\n"
		      "--once prints one reading over one interval and ends; --batch prints one "
		      "after the\n"
		      "other without clearing the screen.\n",
		      cli->out);
		return CLI_OK;
	}
	if (client_open(&t.client, cli->socket, cli->timeout_s)) {
		fprintf(cli->err, "stintctl: %s\n", t.client.why);
		rc = CLI_NO_CONNECTION;
	} else {
		rc = run(&t);
	}
	client_close(&t.client);
	return rc;
}
