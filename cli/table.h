/* SPDX-License-Identifier: BSD-3-Clause */
/* Results for people: aligned columns for lists, one field per line for single objects. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* A table that grows by rows; columns are as wide as their widest cell. */
struct table {
	size_t columns;
	size_t rows;
	char **cell;
	bool *right; /* columns of numbers */
	int gap;     /* spaces between columns: 2 unless changed */
};

/* Cells are copied; control bytes in them, which could command a terminal, become '?'. */
void table_init(struct table *t, size_t columns);
void table_uninit(struct table *t);
void table_add(struct table *t, size_t column, const char *text); /* column 0 begins a row */
void table_print(const struct table *t, FILE *out);

/* A value as a cell, to be freed: names joined by commas, counters as name=count, "-" for nothing.
 */
char *table_cell(const json_t *value);

/* Prints a result by its schema; with `details` lists too have one field per line. */
void result_print(json_t *doc, json_t *schema, const json_t *result, bool details, FILE *out);

/* Prints one field of a result's objects, a line each. False when none of them has such a field. */
bool result_print_column(const json_t *result, const char *column, FILE *out);

#endif
