/* SPDX-License-Identifier: BSD-3-Clause */
/* Aligned columns. */
#include "cli/table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doc.h"

/* --- tables of text --- */

void table_init(struct table *t, size_t columns)
{
	memset(t, 0, sizeof(*t));
	t->columns = columns;
	t->gap = 2;
	t->right = calloc(columns ? columns : 1, sizeof(*t->right));
	if (!t->right)
		abort();
}

void table_uninit(struct table *t)
{
	for (size_t i = 0; i < t->rows * t->columns; i++)
		free(t->cell[i]);
	free(t->cell);
	free(t->right);
}

/* Replaces control characters, which are not for terminals, by '?'. UTF-8's C2 80 to C2 9F are
 * among them. */
static char *clean(const char *text)
{
	char *copy = strdup(text);

	for (unsigned char *c = (unsigned char *)copy; c && *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
	return copy;
}

void table_add(struct table *t, size_t column, const char *text)
{
	if (column == 0) {
		char **cell = realloc(t->cell, (t->rows + 1) * t->columns * sizeof(*cell));

		if (!cell)
			abort();
		t->cell = cell;
		memset(cell + t->rows * t->columns, 0, t->columns * sizeof(*cell));
		t->rows++;
	}
	t->cell[(t->rows - 1) * t->columns + column] = clean(text);
}

/* The width in characters, not bytes. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; text && *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void table_print(const struct table *t, FILE *out)
{
	size_t *width = calloc(t->columns ? t->columns : 1, sizeof(*width));

	for (size_t i = 0; width && i < t->rows * t->columns; i++)
		if (width_of(t->cell[i]) > width[i % t->columns])
			width[i % t->columns] = width_of(t->cell[i]);
	for (size_t row = 0; width && row < t->rows; row++) {
		for (size_t column = 0; column < t->columns; column++) {
			const char *text = t->cell[row * t->columns + column];
			int pad = (int)(width[column] - width_of(text));
			bool last = column + 1 == t->columns;

			if (t->right[column])
				fprintf(out, "%*s", pad, "");
			fputs(text ? text : "", out);
			if (!t->right[column] && !last)
				fprintf(out, "%*s", pad, "");
			fprintf(out, "%*s", last ? 0 : t->gap, "");
			if (last)
				fputc('\n', out);
		}
	}
	free(width);
}

/* --- JSON in cells --- */

static void write_cell(FILE *f, const json_t *value)
{
	const char *key, *comma = "";
	json_t *item;
	size_t i;

	switch (value ? (int)json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		fputs(json_string_length(value) ? json_string_value(value) : "-", f);
		break;
	case JSON_INTEGER:
		fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		fprintf(f, "%.1f", json_real_value(value));
		break;
	case JSON_TRUE:
		fputs("yes", f);
		break;
	case JSON_FALSE:
		fputs("no", f);
		break;
	case JSON_ARRAY:
		json_array_foreach (value, i, item) {
			fputs(comma, f);
			write_cell(f, item);
			comma = ",";
		}
		fputs(i ? "" : "-", f);
		break;
	case JSON_OBJECT:
		json_object_foreach ((json_t *)value, key, item) {
			fprintf(f, "%s%s=", comma, key);
			write_cell(f, item);
			comma = " ";
		}
		fputs(*comma ? "" : "-", f);
		break;
	default:
		fputs("-", f);
	}
}

char *table_cell(const json_t *value)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	write_cell(f, value);
	if (fclose(f))
		abort();
	return text;
}

static void add_cell(struct table *t, size_t column, const json_t *value)
{
	char *text = table_cell(value);

	table_add(t, column, text);
	free(text);
}

static void add_title(struct table *t, size_t column, const char *name)
{
	char title[64];
	size_t i;

	for (i = 0; name[i] && i + 1 < sizeof(title); i++)
		title[i] = (char)toupper((unsigned char)name[i]);
	title[i] = '\0';
	table_add(t, column, title);
}

static bool is_number(json_t *schema, const char *name)
{
	json_t *property = json_object_get(json_object_get(schema, "properties"), name);
	const char *type = json_string_value(json_object_get(property, "type"));

	return type && (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0);
}

/* Column "*" shows the fields that the schema does not name. */
static void add_others(struct table *t, size_t column, json_t *schema, const json_t *object)
{
	json_t *others = json_copy((json_t *)object);
	const char *name;
	json_t *property;

	json_object_foreach (json_object_get(schema, "properties"), name, property)
		json_object_del(others, name);
	add_cell(t, column, others);
	json_decref(others);
}

static void print_list(json_t *schema, const json_t *list, FILE *out)
{
	json_t *columns = json_object_get(schema, "x-table"), *object;
	struct table t;
	size_t i, c;

	table_init(&t, json_array_size(columns));
	for (c = 0; c < t.columns; c++) {
		const char *name = json_string_value(json_array_get(columns, c));

		t.right[c] = is_number(schema, name);
		add_title(&t, c, strcmp(name, "*") == 0 ? "what" : name);
	}
	json_array_foreach (list, i, object)
		for (c = 0; c < t.columns; c++) {
			const char *name = json_string_value(json_array_get(columns, c));

			if (strcmp(name, "*") == 0)
				add_others(&t, c, schema, object);
			else
				add_cell(&t, c, json_object_get(object, name));
		}
	table_print(&t, out);
	table_uninit(&t);
}

/* Whether a value, a list of objects, needs a table of its own. */
static bool is_object_list(const json_t *value)
{
	return json_is_object(json_array_get(value, 0));
}

static void print_object(json_t *doc, json_t *schema, const json_t *object, FILE *out)
{
	const char *name;
	json_t *value, *property;
	struct table t;

	table_init(&t, 2);
	json_object_foreach ((json_t *)object, name, value)
		if (!is_object_list(value)) {
			table_add(&t, 0, name);
			add_cell(&t, 1, value);
		}
	table_print(&t, out);
	table_uninit(&t);
	json_object_foreach ((json_t *)object, name, value) {
		property = json_object_get(json_object_get(schema, "properties"), name);
		if (!is_object_list(value))
			continue;
		property = doc_schema(doc, json_object_get(property, "items"));
		fprintf(out, "%s:\n", name);
		if (json_object_get(property, "x-table")) {
			print_list(property, value, out);
		} else {
			json_dumpf(value, out, JSON_INDENT(2));
			fputc('\n', out);
		}
	}
}

void result_print(json_t *doc, json_t *schema, const json_t *result, bool details, FILE *out)
{
	json_t *items, *object;
	size_t i;

	schema = doc_schema(doc, schema);
	items = doc_schema(doc, json_object_get(schema, "items"));
	if (json_is_true(result))
		return; /* done: nothing to tell */
	if (json_is_array(result) && json_object_get(items, "x-table") && !details) {
		print_list(items, result, out);
	} else if (json_is_array(result)) {
		json_array_foreach (result, i, object) {
			fputs(i ? "\n" : "", out);
			print_object(doc, items, object, out);
		}
	} else if (json_is_object(result) &&
		   json_object_size(json_object_get(schema, "properties"))) {
		print_object(doc, schema, result, out);
	} else {
		json_dumpf(result, out, JSON_INDENT(2) | JSON_ENCODE_ANY);
		fputc('\n', out);
	}
}

static void print_field(const json_t *object, const char *name, FILE *out)
{
	char *text = table_cell(json_object_get(object, name));
	char *line = clean(text);

	fprintf(out, "%s\n", line ? line : "");
	free(line);
	free(text);
}

bool result_print_column(const json_t *result, const char *column, FILE *out)
{
	json_t *object;
	bool known = json_object_get(result, column) != NULL;
	size_t i;

	json_array_foreach (result, i, object)
		known = known || json_object_get(object, column);
	if (!known)
		return json_is_array(result) && i == 0;
	if (json_is_object(result))
		print_field(result, column, out);
	json_array_foreach (result, i, object)
		print_field(object, column, out);
	return true;
}
