/* SPDX-License-Identifier: BSD-3-Clause */
/* stintctl events: prints events as they come, and says where some were missed. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/table.h"

struct following {
	struct cli *cli;
	struct client client;
	long long since; /* -1: from now on */
	long long count; /* -1: for ever */
	json_int_t next; /* the number that should come next */
};

static void print_event(struct following *f, const json_t *event)
{
	json_int_t seq = json_integer_value(json_object_get(event, "seq"));
	json_t *rest;
	char *time, *type, *text;
	struct table t;

	if (seq > f->next)
		fprintf(f->cli->err, "stintctl: missed events %lld to %lld\n", (long long)f->next,
			(long long)seq - 1);
	f->next = seq + 1;
	if (f->cli->json) {
		json_dumpf(event, f->cli->out, JSON_COMPACT);
		fputc('\n', f->cli->out);
		return;
	}
	rest = json_copy((json_t *)event);
	json_object_del(rest, "seq");
	json_object_del(rest, "time");
	json_object_del(rest, "type");
	time = table_cell(json_object_get(event, "time"));
	type = table_cell(json_object_get(event, "type"));
	text = table_cell(rest);
	table_init(&t, 3);
	table_add(&t, 0, time);
	table_add(&t, 1, type);
	table_add(&t, 2, text);
	fprintf(f->cli->out, "%lld  ", (long long)seq);
	table_print(&t, f->cli->out);
	table_uninit(&t);
	free(time);
	free(type);
	free(text);
	json_decref(rest);
}

static int subscribe(struct following *f)
{
	json_t *params = f->since >= 0 ? json_pack("{s:I}", "since", (json_int_t)f->since) : NULL;
	json_t *answer = client_call(&f->client, "events_subscribe", params);
	json_t *result = json_object_get(answer, "result");
	int rc = CLI_OK;

	if (!answer) {
		fprintf(f->cli->err, "stintctl: %s\n", f->client.why);
		rc = CLI_NO_CONNECTION;
	} else if (!result) {
		char *message =
			table_cell(json_object_get(json_object_get(answer, "error"), "message"));

		fprintf(f->cli->err, "stintctl: %s\n", message);
		free(message);
		rc = CLI_REFUSED;
	}
	f->next = f->since >= 0 ? (json_int_t)f->since
				: json_integer_value(json_object_get(result, "next"));
	if (f->next == 0)
		f->next = 1; /* numbers begin there */
	json_decref(answer);
	return rc;
}

static int follow(struct following *f)
{
	int rc = subscribe(f);

	while (rc == CLI_OK && f->count != 0) {
		json_t *message = client_receive(&f->client, -1);
		json_t *event = json_object_get(message, "params");

		if (!message) {
			fprintf(f->cli->err, "stintctl: %s\n", f->client.why);
			return CLI_NO_CONNECTION;
		}
		if (event) {
			print_event(f, event);
			fflush(f->cli->out);
			f->count -= f->count > 0;
		}
		json_decref(message);
	}
	return rc;
}

static bool parse_number(const char *text, long long *number)
{
	char *end;

	*number = strtoll(text, &end, 10);
	return *text && *end == '\0' && *number >= 0;
}

int cli_events(struct cli *cli, int argc, char **argv)
{
	struct following f = {.cli = cli, .since = -1, .count = -1};
	int i = 0, n, rc;

	while (i < argc) {
		const char *since = NULL, *count = NULL;

		n = cli_option(argc - i, argv + i, "--since", &since);
		if (n == 0)
			n = cli_option(argc - i, argv + i, "--count", &count);
		if (n < 0 || (since && !parse_number(since, &f.since)) ||
		    (count && !parse_number(count, &f.count)))
			return cli_usage_error(cli, "%s needs a number", argv[i]);
		if (n == 0)
			n = cli_take_option(cli, argc, argv, i);
		if (n == 0)
			cli_usage_error(cli, "unexpected argument '%s'", argv[i]);
		if (n <= 0)
			return CLI_USAGE;
		i += n;
	}
	if (cli->help) {
		fputs("usage: stintctl events [--since N] [--count N]\n\n"
		      "Prints events as they come, one line each; with --since those still kept "
		      "from\n"
		      "that number on first, with --count only so many.\n",
		      cli->out);
		return CLI_OK;
	}
	if (client_open(&f.client, cli->socket, cli->timeout_s)) {
		fprintf(cli->err, "stintctl: %s\n", f.client.why);
		rc = CLI_NO_CONNECTION;
	} else {
		rc = follow(&f);
	}
	client_close(&f.client);
	return rc;
}
