/* SPDX-License-Identifier: BSD-3-Clause */
/* The built-in description of all methods: the commands, and the form of results. All returned
 * values but doc_load()'s are borrowed from the document. */
#ifndef CLI_DOC_H
#define CLI_DOC_H

#include <jansson.h>
#include <stdbool.h>

/* The document, a new reference. */
json_t *doc_load(void);

/* The method behind `stintctl NOUN VERB`, NULL when there is none. */
json_t *doc_command(json_t *doc, const char *noun, const char *verb);
json_t *doc_method(json_t *doc, const char *name);

/* A method's command words: 0 the noun, 1 the verb. */
const char *doc_word(const json_t *method, int i);

/* A method's parameter, '-' and '_' being the same; NULL when there is none. */
json_t *doc_param(const json_t *method, const char *name);

/* The position of a parameter that is given without its name, -1 for other parameters; and the
 * parameter at a position. */
int doc_position(const json_t *method, const char *param);
const char *doc_positional(const json_t *method, size_t i);

/* Resolves `schema` if it is a reference to one. */
json_t *doc_schema(json_t *doc, json_t *schema);

#endif
