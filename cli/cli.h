/* SPDX-License-Identifier: BSD-3-Clause */
/* stintctl: what its parts share. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Exit codes, for scripts. */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1, /* the daemon answered an error */
	CLI_USAGE = 2,
	CLI_NO_CONNECTION = 3, /* cannot connect, connection lost, or no answer in time */
};

struct cli {
	const char *socket;
	double timeout_s;
	const char *column; /* print only this field, one value per line */
	bool json;
	bool details; /* all fields, one per line */
	bool help;
	bool version;
	json_t *doc; /* the OpenRPC document */
	FILE *out;
	FILE *err;
};

/* The whole program. */
int cli_main(int argc, char **argv, FILE *out, FILE *err);

/* Takes the option at argv[i] if every command has it. Returns how many arguments that took, 0 when
 * it is another one, negative after telling what is wrong with it. */
int cli_take_option(struct cli *cli, int argc, char **argv, int i);

/* Prints to cli->err what is wrong with the command line. Returns CLI_USAGE. */
int cli_usage_error(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sends a call and prints its result as the description of the method says (NULL: as JSON). Takes
 * over the reference to `params`. */
int cli_call(struct cli *cli, const char *name, const json_t *method, json_t *params);

/* The commands that are more than one call. argv begins after the command's name. */
int cli_events(struct cli *cli, int argc, char **argv);
int cli_capture(struct cli *cli, int argc, char **argv);
int cli_top(struct cli *cli, int argc, char **argv);

/* Looks for option `name` at argv[0], and stores the value, if it takes one, in *value. Returns how
 * many arguments these are, 0 when it is another option, -1 when the value is missing. */
int cli_option(int argc, char **argv, const char *name, const char **value);

/* Parses a number of seconds within bounds; false when the text is not one. */
bool cli_seconds(const char *text, double min, double max, double *seconds);

#endif
