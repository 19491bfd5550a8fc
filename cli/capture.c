/* SPDX-License-Identifier: BSD-3-Clause */
/* stintctl capture -w: has the daemon capture packets, and writes them as they come. The daemon's
 * capture is gone afterwards, however this ends: either it is deleted here, or the daemon deletes
 * it when nobody reads from it any more. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "cli/help.h"
#include "cli/table.h"

#define PAUSE_MS 50
/* While the output takes nothing for so long, the daemon is told that its reader still lives. */
#define STUCK_MS  1000
#define READ_MOST 262144

static volatile sig_atomic_t was_interrupted;

struct streaming {
	struct cli *cli;
	struct client client;
	const char *name;
	int out;
	bool is_closed; /* nobody reads the output any more */
	uint8_t *data;
};

static void interrupt(int number)
{
	(void)number;
	was_interrupted = 1;
}

/* Interrupts end the capture, not the program; a closed pipe is seen when it is written to. */
static void catch_signals(void)
{
	const struct sigaction stop = {.sa_handler = interrupt}, ignore = {.sa_handler = SIG_IGN};

	was_interrupted = 0;
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

/* Calls a method; takes over the reference to `params`. The result, a new reference, or NULL with
 * *rc set after telling why. */
static json_t *call(struct streaming *s, const char *method, json_t *params, int *rc)
{
	json_t *answer = client_call(&s->client, method, params);
	json_t *result = json_object_get(answer, "result");

	if (!answer) {
		fprintf(s->cli->err, "stintctl: %s\n", s->client.why);
		*rc = CLI_NO_CONNECTION;
	} else if (!result) {
		char *message =
			table_cell(json_object_get(json_object_get(answer, "error"), "message"));

		fprintf(s->cli->err, "stintctl: %s\n", message);
		free(message);
		*rc = CLI_REFUSED;
	}
	json_incref(result);
	json_decref(answer);
	return result;
}

/* --- output ------------------------------------------------------------------------------------
 */

static int digit_of(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Decodes base64 (RFC 4648, 4). Returns the number of bytes. */
static size_t decode(uint8_t *to, size_t size, const char *text)
{
	uint32_t bits = 0;
	size_t n = 0;
	int n_bits = 0, digit;

	for (; (digit = digit_of(*text)) >= 0 && n < size; text++) {
		bits = bits << 6 | (uint32_t)digit;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			to[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	return n;
}

/* Waits for the output. False when it takes nothing now. */
static bool wait_out(struct streaming *s, short events, int ms)
{
	struct pollfd p = {.fd = s->out, .events = events};
	int n = poll(&p, 1, ms);

	s->is_closed |= n > 0 && (p.revents & (POLLERR | POLLNVAL));
	return n > 0 && (p.revents & events);
}

static json_t *read_params(const struct streaming *s, int limit, bool end)
{
	return json_pack("{s:s, s:i, s:b}", "name", s->name, "limit", limit, "end", end);
}

/* Writes, in pieces that a pipe which can be written to takes at once. */
static int write_out(struct streaming *s, const uint8_t *data, size_t len)
{
	int rc = CLI_OK;

	while (len > 0 && !s->is_closed && rc == CLI_OK) {
		size_t piece = len < PIPE_BUF ? len : PIPE_BUF;
		ssize_t n;

		if (!wait_out(s, POLLOUT, STUCK_MS)) {
			if (!s->is_closed)
				json_decref(call(s, "capture_read", read_params(s, 0, false), &rc));
			continue;
		}
		n = write(s->out, data, piece);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EPIPE) {
			s->is_closed = true;
		} else if (n < 0 && errno != EINTR && errno != EAGAIN) {
			fprintf(s->cli->err, "stintctl: cannot write: %s\n", strerror(errno));
			rc = CLI_REFUSED;
		}
	}
	return rc;
}

/* --- the capture -------------------------------------------------------------------------------
 */

/* Copies what is captured to the output, until the capture or the output ends. */
static int copy(struct streaming *s)
{
	int rc = CLI_OK;
	bool is_ended = false;

	while (!is_ended && !s->is_closed && rc == CLI_OK) {
		json_t *result =
			call(s, "capture_read", read_params(s, READ_MOST, was_interrupted), &rc);
		const char *text = json_string_value(json_object_get(result, "data"));
		size_t len = text ? decode(s->data, 2 * (size_t)READ_MOST, text) : 0;

		is_ended = json_is_true(json_object_get(result, "ended"));
		json_decref(result);
		if (rc == CLI_OK && len > 0)
			rc = write_out(s, s->data, len);
		else if (rc == CLI_OK && !is_ended && !was_interrupted)
			wait_out(s, 0, PAUSE_MS);
	}
	return rc;
}

static json_int_t figure(const json_t *capture, const char *name)
{
	return json_integer_value(json_object_get(capture, name));
}

/* Tells how it went, and has the daemon forget the capture. */
static int finish(struct streaming *s)
{
	int rc = CLI_OK;
	json_t *list = call(s, "capture_list", json_pack("{s:s}", "name", s->name), &rc);
	const json_t *c = json_array_get(list, 0);
	const char *state = json_string_value(json_object_get(c, "state_text"));

	if (c)
		fprintf(s->cli->err,
			"stintctl: %lld packets, %lld skipped, %lld missed, %lld undecided; %s\n",
			(long long)figure(c, "packets"), (long long)figure(c, "skipped"),
			(long long)figure(c, "missed"), (long long)figure(c, "undecided"),
			s->is_closed || !state ? "the output was closed" : state);
	json_decref(list);
	if (rc == CLI_OK)
		json_decref(call(s, "capture_delete", json_pack("{s:s}", "name", s->name), &rc));
	return rc;
}

/* Takes over the reference to `params`. */
static int stream(struct streaming *s, json_t *params)
{
	json_t *capture;
	int rc = CLI_OK, rc_end;

	if (client_open(&s->client, s->cli->socket, s->cli->timeout_s)) {
		fprintf(s->cli->err, "stintctl: %s\n", s->client.why);
		json_decref(params);
		return CLI_NO_CONNECTION;
	}
	catch_signals();
	capture = call(s, "capture_create", params, &rc);
	json_decref(capture);
	if (!capture)
		return rc;
	rc = copy(s);
	if (rc == CLI_NO_CONNECTION)
		return rc;
	rc_end = finish(s);
	return rc ? rc : rc_end;
}

static int run(struct cli *cli, const char *file, json_t *params)
{
	struct streaming s = {.cli = cli, .out = STDOUT_FILENO};
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "stintctl-%d", (int)getpid());
	if (!json_object_get(params, "name"))
		json_object_set_new(params, "name", json_string(name));
	s.name = json_string_value(json_object_get(params, "name"));
	if (strcmp(file, "-") != 0)
		s.out = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (s.out == STDOUT_FILENO && isatty(s.out))
		return cli_usage_error(cli, "this is for files and pipes, not for a terminal");
	if (s.out < 0)
		return cli_usage_error(cli, "%s: %s", file, strerror(errno));
	s.client.fd = -1;
	s.data = malloc(2 * (size_t)READ_MOST);
	rc = s.data ? stream(&s, json_incref(params)) : CLI_NO_CONNECTION;
	client_close(&s.client);
	free(s.data);
	if (s.out != STDOUT_FILENO)
		close(s.out);
	return rc;
}

static void show_help(struct cli *cli)
{
	fputs("usage: stintctl capture -w FILE|- [PARAMETER OF capture create]...\n\n"
	      "Captures packets into a file of yours, or to standard output, as pcapng, until a\n"
	      "limit is reached (60 s), it is interrupted, or nobody reads any more:\n\n"
	      "  stintctl capture -w - --port web1-0 | tshark -r -\n\n"
	      "Captures into files of the daemon's, and all parameters:\n",
	      cli->out);
	help_noun(cli->doc, "capture", cli->out);
}

/* Takes the argument at argv[i]. As args_take(), and -1 after telling what is wrong. */
static int take(struct cli *cli, struct args *args, int argc, char **argv, int i, const char **file)
{
	struct err e;
	int n = cli_option(argc - i, argv + i, "-w", file);

	if (n == -1)
		return cli_usage_error(cli, "-w needs a file, or -"), -1;
	if (n == 0)
		n = args_take(args, argc - i, argv + i, &e);
	if (n < 0)
		return cli_usage_error(cli, "%s", e.text), -1;
	if (n == 0)
		n = cli_take_option(cli, argc, argv, i);
	if (n == 0)
		return cli_usage_error(cli, "there is no option '%s'", argv[i]), -1;
	return n;
}

int cli_capture(struct cli *cli, int argc, char **argv)
{
	const char *file = NULL;
	struct args args;
	int i = 0, n = 1, rc;

	args_init(&args, doc_command(cli->doc, "capture", "create"));
	while (i < argc && n > 0) {
		n = take(cli, &args, argc, argv, i, &file);
		i += n;
	}
	if (n < 0) {
		rc = CLI_USAGE;
	} else if (cli->help) {
		show_help(cli);
		rc = CLI_OK;
	} else if (!file || json_object_get(args.params, "file")) {
		rc = cli_usage_error(cli, file ? "-w and --file exclude each other"
					       : "'capture' needs a verb, or -w FILE; see "
						 "stintctl capture --help");
	} else {
		rc = run(cli, file, args.params);
	}
	args_uninit(&args);
	return rc;
}
