/* SPDX-License-Identifier: BSD-3-Clause */
/* Help, from the description of the methods. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <jansson.h>
#include <stdio.h>

/* All commands; those of one noun; one command with its parameters. */
void help_all(json_t *doc, FILE *out);
void help_noun(json_t *doc, const char *noun, FILE *out);
void help_command(const json_t *method, FILE *out);

/* The line `usage: stintctl NOUN VERB ...`. */
void help_usage(const json_t *method, FILE *out);

#endif
