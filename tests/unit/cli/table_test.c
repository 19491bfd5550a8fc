/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables, cells and the rates of stintctl top. */
#include "cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/doc.h"
#include "cli/top.h"

static json_t *parse(const char *text)
{
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(value);
	return value;
}

static void columns_are_aligned(void **state)
{
	struct table t;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	table_init(&t, 3);
	t.right[1] = true;
	table_add(&t, 0, "NAME");
	table_add(&t, 1, "N");
	table_add(&t, 2, "LAST");
	table_add(&t, 0, "\xc3\xa4");
	table_add(&t, 1, "100");
	table_add(&t, 2, "x\x1b[2J\n\xc2\x9b");
	table_print(&t, f);
	fclose(f);
	table_uninit(&t);
	assert_string_equal(text, "NAME    N  LAST\n\xc3\xa4     100  x?[2J???\n");
	free(text);
}

static void values_as_cells(void **state)
{
	static const struct {
		const char *json, *cell;
	} cases[] = {
		{"\"a\"", "a"},
		{"\"\"", "-"},
		{"5", "5"},
		{"1.25", "1.2"},
		{"true", "yes"},
		{"false", "no"},
		{"null", "-"},
		{"[]", "-"},
		{"[\"a\",\"b\"]", "a,b"},
		{"{}", "-"},
		{"{\"a\":1,\"b\":2}", "a=1 b=2"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *value = parse(cases[i].json);
		char *cell = table_cell(value);

		assert_string_equal(cell, cases[i].cell);
		free(cell);
		json_decref(value);
	}
}

static char *render(const char *method, const char *result, bool details)
{
	json_t *doc = doc_load(), *value = parse(result), *schema;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	schema = json_object_get(json_object_get(doc_method(doc, method), "result"), "schema");
	result_print(doc, schema, value, details, f);
	fclose(f);
	json_decref(value);
	json_decref(doc);
	return text;
}

static void results_by_schema(void **state)
{
	char *text;

	(void)state;
	text = render("fdb_list",
		      "[{\"network\":\"blue\",\"mac\":\"52:54:00:00:00:01\",\"port\":\"p\","
		      "\"static\":false,\"age_s\":12},{\"network\":\"b\",\"mac\":"
		      "\"52:54:00:00:00:02\",\"port\":\"p2\",\"static\":true}]",
		      false);
	assert_string_equal(text, "NETWORK  MAC                PORT  REMOTE  STATIC  AGE_S\n"
				  "blue     52:54:00:00:00:01  p     -       no         12\n"
				  "b        52:54:00:00:00:02  p2    -       yes         -\n");
	free(text);
	text = render("fdb_list", "[]", false);
	assert_string_equal(text, "NETWORK  MAC  PORT  REMOTE  STATIC  AGE_S\n");
	free(text);
	text = render("scheduler_get", "{\"mode\":\"time\",\"slice_us\":20}", false);
	assert_string_equal(text, "mode      time\nslice_us  20\n");
	free(text);
	text = render("port_delete", "true", false);
	assert_string_equal(text, "");
	free(text);
	text = render("events_list", "[{\"seq\":1,\"time\":\"t\",\"type\":\"x\",\"port\":\"p\"}]",
		      false);
	assert_string_equal(text, "SEQ  TIME  TYPE  WHAT\n  1  t     x     port=p\n");
	free(text);
}

static void details_show_lists_within(void **state)
{
	char *text =
		render("stats_ports",
		       "[{\"port\":\"p\",\"drops\":{\"no_receiver\":2},\"queues\":[{\"queue\":0,"
		       "\"rx_packets\":1,\"rx_bytes\":60,\"tx_packets\":2,\"tx_bytes\":120,"
		       "\"notifications\":1}]}]",
		       true);

	(void)state;
	assert_string_equal(text,
			    "port   p\n"
			    "drops  no_receiver=2\n"
			    "queues:\n"
			    "QUEUE  RX_PACKETS  RX_BYTES  TX_PACKETS  TX_BYTES  NOTIFICATIONS\n"
			    "    0           1        60           2       120              1\n");
	free(text);
}

/* Every example of the document can be shown, in both forms. */
static void all_examples_are_shown(void **state)
{
	json_t *doc = doc_load(), *method, *example, *value;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(doc, "methods"), i, method) {
		char *result, *shown;

		example = json_array_get(json_object_get(method, "examples"), 0);
		value = json_object_get(json_object_get(example, "result"), "value");
		result = json_dumps(value, JSON_ENCODE_ANY);
		for (int details = 0; details < 2; details++) {
			shown = render(json_string_value(json_object_get(method, "name")), result,
				       details);
			if (!json_is_true(value))
				assert_true(strlen(shown) > 0 && shown[strlen(shown) - 1] == '\n');
			free(shown);
		}
		free(result);
	}
	json_decref(doc);
}

static void one_column(void **state)
{
	json_t *list = parse("[{\"a\":\"x\"},{\"b\":1}]");
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_true(result_print_column(list, "a", f));
	assert_false(result_print_column(list, "c", f));
	fclose(f);
	assert_string_equal(text, "x\n-\n");
	free(text);
	json_decref(list);
}

static void numbers_with_suffix(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{0, "0"},         {999, "999"},       {1000, "1.00k"},
		{9994, "9.99k"},  {9996, "10.0k"},    {99960, "100k"},
		{999499, "999k"}, {1234567, "1.23M"}, {12e9, "12.0G"},
	};
	char buf[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(top_number(cases[i].value, buf), cases[i].text);
}

static void times_with_unit(void **state)
{
	static const struct {
		double us;
		const char *text;
	} cases[] = {
		{0, "0"},         {0.2, "0.20us"},   {19.5, "19.5us"},
		{999.4, "999us"}, {999.6, "1.00ms"}, {-1234, "-1.23ms"},
		{412e3, "412ms"}, {2e6, "2.00s"},    {5e9, "5000s"},
	};
	char buf[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(top_time(cases[i].us, buf), cases[i].text);
}

/* What stats_workers and stats_vms say, before and after two seconds. */
#define WORKER(cycles, lost, idle, poll)                                           \
	"[{\"worker\":1,\"tsc_hz\":1000,\"cycles\":" #cycles ",\"lost_us\":" #lost \
	",\"system\":{\"idle\":" #idle ",\"poll\":" #poll "}}]"
#define VM(name, cycles, packets, bytes, drops, used, waited, overruns, longest, balance)        \
	"{\"vm\":\"" name "\",\"tenant\":\"t\",\"worker\":1,\"cycles\":" #cycles                 \
	",\"packets\":" #packets ",\"bytes\":" #bytes ",\"drops\":" #drops ",\"used_us\":" #used \
	",\"waited_us\":" #waited ",\"overruns\":" #overruns ",\"longest_service_us\":" #longest \
	",\"longest_wait_us\":41.5,\"balance_us\":" #balance "}"
#define RATES(name, share, used, waited, overruns, longest, balance, cost, pps, bps, drops)      \
	"{\"vm\":\"" name "\",\"tenant\":\"t\",\"worker\":1,\"share_percent\":" #share           \
	",\"used_us\":" #used ",\"waited_us\":" #waited ",\"overruns\":" #overruns               \
	",\"longest_service_us\":" #longest ",\"longest_wait_us\":41.5,\"balance_us\":" #balance \
	",\"cycles_per_packet\":" #cost ",\"pps\":" #pps ",\"bps\":" #bps                        \
	",\"drops_per_s\":" #drops "}"

/* What top_print() prints. */
static char *shown(const json_t *rates, size_t rows, size_t columns)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	top_print(rates, rows, columns, f);
	fclose(f);
	return text;
}

static void rates_from_two_snapshots(void **state)
{
	json_t *before = parse("{\"workers\":" WORKER(5000, 1000, 1000, 500) ",\"vms\":[" VM(
		"a", 100, 10, 600, 0, 100000, 3000, 4, 19.5,
		1000) "," VM("reset", 900, 90, 0, 0, 900000, 9000, 9, 25.0, 0) "]}");
	json_t *after = parse("{\"workers\":" WORKER(7000, 51000, 2000, 600) ",\"vms\":[" VM(
		"a", 200, 30, 1600, 4, 200000, 3750, 6, 21.5,
		-1500) "," VM("new", 600, 0, 0, 0, 600000, 12, 0, 19.0,
			      20) "," VM("reset", 10, 1, 0, 0, 10000, 0, 1, 20.5, 0) "]}");
	json_t *rates = top_rates(before, after);
	json_t *want = parse(
		"{\"workers\":[{\"worker\":1,\"vms_percent\":45.0,\"idle_percent\":50.0,"
		"\"poll_percent\":5.0,\"lost_percent\":2.5}],\"vms\":[" RATES(
			"new", 30.0, 600000.0, 12.0, 0.0, 19.0, 20.0, 0.0, 0.0, 0.0,
			0.0) "," RATES("a", 5.0, 100000.0, 750.0, 2.0, 21.5, -1500.0, 5.0, 10.0,
				       4000.0, 2.0) "," RATES("reset", 0.5, 10000.0, 0.0, 1.0, 20.5,
							      0.0, 10.0, 0.5, 0.0,
							      0.0) "],\"uplinks\":[]}");
	char *text = shown(rates, 2, 0);

	(void)state;
	assert_true(json_equal(rates, want));
	assert_string_equal(text, "WORKER  VMS%  POLL%  CONTROL%  SCHEDULE%  IDLE%  LOST%\n"
				  "     1  45.0    5.0         -          -   50.0    2.5\n"
				  "\n"
				  "VM  TENANT CORE SHARE%  USED WAITED LONGEST BALANCE OVERRUNS "
				  "CYC/PKT PPS   BPS DROPS/S\n"
				  "new t         1   30.0 600ms 12.0us  19.0us  20.0us        0    "
				  "   0   0     0       0\n"
				  "a   t         1    5.0 100ms  750us  21.5us -1.50ms        2    "
				  "   5  10 4.00k       2\n"
				  "... and 1 more\n");
	free(text);
	json_decref(rates);
	json_decref(want);
	json_decref(before);
	json_decref(after);
}

#define QUEUE(name, n, packets, bytes, dropped)                                     \
	"{\"uplink\":\"" name "\",\"queue\":" #n ",\"tx_packets\":" #packets        \
	",\"tx_bytes\":" #bytes ",\"rx_packets\":" #packets ",\"rx_bytes\":" #bytes \
	",\"tx_dropped\":" #dropped ",\"rx_dropped\":0}"

/* The queues of an uplink are added up. */
static void top_shows_uplinks(void **state)
{
	json_t *before =
		parse("{\"workers\":" WORKER(5000, 0, 0, 0) ",\"vms\":[],\"uplinks\":[" QUEUE(
			"up0", 0, 100, 6400, 1) "," QUEUE("up0", 1, 0, 0, 0) "]}");
	json_t *after =
		parse("{\"workers\":" WORKER(7000, 0, 0, 0) ",\"vms\":[],\"uplinks\":[" QUEUE(
			"up0", 0, 300, 19200,
			5) "," QUEUE("up0", 1, 100, 6400, 0) "," QUEUE("new", 0, 20, 1000, 0) "]}");
	json_t *rates = top_rates(before, after);
	char *text = shown(rates, 0, 0);

	(void)state;
	assert_non_null(strstr(text, "\nUPLINK  TX_PPS  TX_BPS  RX_PPS  RX_BPS  DROPS/S\n"
				     "up0        150   76.8k     150   76.8k        2\n"
				     "new         10   4.00k      10   4.00k        0\n"
				     "\n"));
	free(text);
	json_decref(rates);
	json_decref(before);
	json_decref(after);
}

/* Whatever the names, and with the longest numbers there are. */
static void top_keeps_its_width(void **state)
{
	json_t *rates = parse(
		"{\"workers\":[],\"vms\":[{\"vm\":\"a-virtual-machine-of-some-name-0001\","
		"\"tenant\":\"a-tenant-of-some-name\",\"worker\":1023,\"share_percent\":100.0,"
		"\"used_us\":99900.0,\"waited_us\":99900.0,\"longest_service_us\":99900.0,"
		"\"balance_us\":-99900.0,\"overruns\":99900.0,\"cycles_per_packet\":99900.0,"
		"\"pps\":9990.0,\"bps\":9990.0,\"drops_per_s\":9990.0}]}");
	char *text = shown(rates, 0, 80);
	const char *line;

	(void)state;
	for (line = text; *line; line += strcspn(line, "\n") + 1)
		assert_in_range(strcspn(line, "\n"), 0, 100);
	assert_non_null(strstr(text, "\na-virtual-m~ a-tenan~ 1023  100.0 99.9ms 99.9ms"));
	free(text);
	text = shown(rates, 0, 160);
	assert_non_null(
		strstr(text, "\na-virtual-machine-of-some-name-0001 a-tenant-of-some-name "));
	free(text);
	json_decref(rates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_aligned),
		cmocka_unit_test(values_as_cells),
		cmocka_unit_test(results_by_schema),
		cmocka_unit_test(details_show_lists_within),
		cmocka_unit_test(all_examples_are_shown),
		cmocka_unit_test(one_column),
		cmocka_unit_test(numbers_with_suffix),
		cmocka_unit_test(times_with_unit),
		cmocka_unit_test(rates_from_two_snapshots),
		cmocka_unit_test(top_shows_uplinks),
		cmocka_unit_test(top_keeps_its_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
