/* SPDX-License-Identifier: BSD-3-Clause */
/* stintctl's command line: options that every command has, and which command it is. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "cli/help.h"
#include "cli/table.h"

#define DEFAULT_SOCKET    "/run/stint/stint.sock"
#define DEFAULT_TIMEOUT_S 10.0

int cli_usage_error(struct cli *cli, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(cli->err, "stintctl: %s\n", text);
	return CLI_USAGE;
}

bool cli_seconds(const char *text, double min, double max, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return *text && *end == '\0' && *seconds >= min && *seconds <= max;
}

int cli_option(int argc, char **argv, const char *name, const char **value)
{
	size_t len = strlen(name);

	if (strncmp(argv[0], name, len) != 0 || (argv[0][len] && argv[0][len] != '='))
		return 0;
	if (argv[0][len] == '=') {
		*value = argv[0] + len + 1;
		return 1;
	}
	if (argc < 2)
		return -1;
	*value = argv[1];
	return 2;
}

static bool take_flag(struct cli *cli, const char *text)
{
	if (strcmp(text, "--json") == 0)
		cli->json = true;
	else if (strcmp(text, "--long") == 0)
		cli->details = true;
	else if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)
		cli->help = true;
	else if (strcmp(text, "--version") == 0)
		cli->version = true;
	else
		return false;
	return true;
}

int cli_take_option(struct cli *cli, int argc, char **argv, int i)
{
	const char *timeout = NULL;
	int n;

	if (take_flag(cli, argv[i]))
		return 1;
	argc -= i;
	argv += i;
	n = cli_option(argc, argv, "--socket", &cli->socket);
	if (n == 0)
		n = cli_option(argc, argv, "-s", &cli->socket);
	if (n == 0)
		n = cli_option(argc, argv, "--column", &cli->column);
	if (n == 0)
		n = cli_option(argc, argv, "--timeout", &timeout);
	if (n < 0)
		cli_usage_error(cli, "%s needs a value", argv[0]);
	if (n > 0 && timeout && !cli_seconds(timeout, 0.001, 86400, &cli->timeout_s)) {
		cli_usage_error(cli, "--timeout: '%s' is no number of seconds", timeout);
		return -1;
	}
	return n;
}

static int print_result(struct cli *cli, const json_t *method, const json_t *result)
{
	if (cli->column) {
		if (result_print_column(result, cli->column, cli->out))
			return CLI_OK;
		return cli_usage_error(cli, "there is no field '%s'", cli->column);
	}
	if (cli->json || !method) {
		json_dumpf(result, cli->out, JSON_INDENT(2) | JSON_ENCODE_ANY);
		fputc('\n', cli->out);
	} else {
		result_print(cli->doc, json_object_get(json_object_get(method, "result"), "schema"),
			     result, cli->details, cli->out);
	}
	return CLI_OK;
}

int cli_call(struct cli *cli, const char *name, const json_t *method, json_t *params)
{
	struct client client;
	json_t *answer = NULL, *error, *result;
	int rc = CLI_NO_CONNECTION;

	if (client_open(&client, cli->socket, cli->timeout_s) == 0)
		answer = client_call(&client, name, params);
	else
		json_decref(params);
	error = json_object_get(answer, "error");
	result = json_object_get(answer, "result");
	if (!answer) {
		fprintf(cli->err, "stintctl: %s\n", client.why);
	} else if (error || !result) {
		char *message = table_cell(json_object_get(error, "message"));

		fprintf(cli->err, "stintctl: %s\n", message);
		free(message);
		if (cli->json && error) {
			json_dumpf(error, cli->out, JSON_INDENT(2));
			fputc('\n', cli->out);
		}
		rc = CLI_REFUSED;
	} else {
		rc = print_result(cli, method, result);
	}
	json_decref(answer);
	client_close(&client);
	return rc;
}

/* `stintctl NOUN VERB ...`: the method's own parameters come before options of the same name. */
static int run_method(struct cli *cli, const json_t *method, int argc, char **argv)
{
	struct args args;
	struct err e;
	int i = 0, n = 1, rc;

	args_init(&args, method);
	while (i < argc && n > 0) {
		n = args_take(&args, argc - i, argv + i, &e);
		if (n == 0 && (n = cli_take_option(cli, argc, argv, i)) == 0)
			n = err_set(&e, ERR_INVALID, NULL, "there is no option '%s'", argv[i]);
		else if (n == -1)
			break; /* told already */
		i += n;
	}
	if (cli->help) {
		help_command(method, cli->out);
		rc = CLI_OK;
	} else if (n < 0 || args_check(&args, &e)) {
		rc = n == -1 ? CLI_USAGE : cli_usage_error(cli, "%s", e.text);
		help_usage(method, cli->err);
	} else {
		rc = cli_call(cli, json_string_value(json_object_get(method, "name")), method,
			      json_incref(args.params));
	}
	args_uninit(&args);
	return rc;
}

static int run_call(struct cli *cli, int argc, char **argv)
{
	const char *word[2] = {NULL, NULL};
	int i = 0, words = 0;
	json_t *params = NULL;
	json_error_t error;

	while (i < argc) {
		int n = argv[i][0] == '-' ? cli_take_option(cli, argc, argv, i) : 0;

		if (n < 0)
			return CLI_USAGE;
		if (n == 0 && (argv[i][0] == '-' || words == 2))
			return cli_usage_error(cli, "unexpected argument '%s'", argv[i]);
		if (n == 0)
			word[words++] = argv[i];
		i += n ? n : 1;
	}
	if (!word[0])
		return cli_usage_error(cli, "usage: stintctl call METHOD [JSON]");
	if (word[1]) {
		params = json_loads(word[1], JSON_REJECT_DUPLICATES, &error);
		if (!params)
			return cli_usage_error(cli, "the parameters are not JSON: %s", error.text);
	}
	return cli_call(cli, word[0], NULL, params);
}

static int run_noun(struct cli *cli, const char *noun, int argc, char **argv)
{
	const json_t *method = argc > 0 ? doc_command(cli->doc, noun, argv[0]) : NULL;

	if (method)
		return run_method(cli, method, argc - 1, argv + 1);
	if (!doc_command(cli->doc, noun, NULL))
		return cli_usage_error(cli, "there is no command '%s': see stintctl --help", noun);
	if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
		help_noun(cli->doc, noun, cli->out);
		return CLI_OK;
	}
	if (argc > 0)
		cli_usage_error(cli, "there is no command '%s %s'; there are:", noun, argv[0]);
	else
		cli_usage_error(cli, "'%s' needs one of:", noun);
	help_noun(cli->doc, noun, cli->err);
	return CLI_USAGE;
}

static int run_command(struct cli *cli, int argc, char **argv)
{
	const char *noun = argv[0];

	argc--;
	argv++;
	if (strcmp(noun, "call") == 0)
		return run_call(cli, argc, argv);
	if (strcmp(noun, "top") == 0)
		return cli_top(cli, argc, argv);
	if (strcmp(noun, "capture") == 0 && argc > 0 && argv[0][0] == '-')
		return cli_capture(cli, argc, argv);
	if (strcmp(noun, "events") == 0 && (argc == 0 || argv[0][0] == '-'))
		return cli_events(cli, argc, argv);
	if (strcmp(noun, "trace-packet") == 0)
		return run_method(cli, doc_command(cli->doc, "packet", "trace"), argc, argv);
	return run_noun(cli, noun, argc, argv);
}

int cli_main(int argc, char **argv, FILE *out, FILE *err)
{
	const char *from_environment = getenv("STINT_SOCKET");
	struct cli cli = {
		.socket = from_environment && *from_environment ? from_environment : DEFAULT_SOCKET,
		.timeout_s = DEFAULT_TIMEOUT_S,
		.out = out,
		.err = err,
	};
	int i = 1, n, rc;

	while (i < argc && argv[i][0] == '-') {
		n = cli_take_option(&cli, argc, argv, i);
		if (n == 0)
			cli_usage_error(&cli, "there is no option '%s': see stintctl --help",
					argv[i]);
		if (n <= 0)
			return CLI_USAGE;
		i += n;
	}
	cli.doc = doc_load();
	if (cli.version) {
		fprintf(out, "stintctl %s\n", STINT_VERSION);
		rc = CLI_OK;
	} else if (cli.help || i == argc) {
		help_all(cli.doc, cli.help ? out : err);
		rc = cli.help ? CLI_OK : CLI_USAGE;
	} else {
		rc = run_command(&cli, argc - i, argv + i);
	}
	json_decref(cli.doc);
	return rc;
}
