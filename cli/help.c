/* SPDX-License-Identifier: BSD-3-Clause */
/* Help texts. */
#include "cli/help.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doc.h"
#include "cli/table.h"

static void put_upper(const char *name, FILE *out)
{
	for (; *name; name++)
		fputc(toupper((unsigned char)*name), out);
}

static void put_option(const char *name, FILE *out)
{
	fputs("--", out);
	for (const char *c = name; *c; c++)
		fputc(*c == '_' ? '-' : *c, out);
	fputc(' ', out);
	put_upper(name, out);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void put_param(const json_t *param, bool is_positional, FILE *out)
{
	bool required = json_is_true(json_object_get(param, "required"));
	const char *name = text_of(param, "name");

	fputs(required ? " " : " [", out);
	if (is_positional)
		put_upper(name, out);
	else
		put_option(name, out);
	fputs(required ? "" : "]", out);
}

void help_usage(const json_t *method, FILE *out)
{
	const char *name;
	json_t *param;
	size_t i;

	fprintf(out, "usage: stintctl %s %s", doc_word(method, 0), doc_word(method, 1));
	for (i = 0; (name = doc_positional(method, i)); i++)
		put_param(doc_param(method, name), true, out);
	json_array_foreach (json_object_get(method, "params"), i, param)
		if (doc_position(method, text_of(param, "name")) < 0)
			put_param(param, false, out);
	fputc('\n', out);
}

/* Writes the values that a parameter may have, after its description. */
static void put_bounds(const json_t *param, const json_t *schema, FILE *f)
{
	const json_t *values = json_object_get(schema, "enum");
	const json_t *fallback = json_object_get(schema, "default");
	const char *comma = "";
	char *text;
	json_t *value;
	size_t i;

	fputs(" (", f);
	json_array_foreach (values, i, value)
		fprintf(f, "%s%s", i ? " or " : "", json_string_value(value));
	if (!values && strcmp(text_of(schema, "type"), "integer") == 0)
		fprintf(f, "%" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT "%s%s",
			json_integer_value(json_object_get(schema, "minimum")),
			json_integer_value(json_object_get(schema, "maximum")),
			*text_of(schema, "x-unit") ? " " : "", text_of(schema, "x-unit"));
	else if (!values)
		fputs(text_of(schema, "type"), f);
	comma = ", ";
	if (json_is_true(json_object_get(param, "required")))
		fprintf(f, "%srequired", comma);
	if (fallback) {
		text = table_cell(fallback);
		fprintf(f, "%sdefault %s", comma, text);
		free(text);
	}
	fputc(')', f);
}

static void add_param(struct table *t, const json_t *method, const json_t *param)
{
	const json_t *schema = json_object_get(param, "schema");
	const char *name = text_of(param, "name");
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	fputs("  ", f);
	if (doc_position(method, name) >= 0)
		put_upper(name, f);
	else
		put_option(name, f);
	fflush(f);
	table_add(t, 0, text);
	rewind(f);
	fputs(text_of(schema, "description"), f);
	put_bounds(param, schema, f);
	fclose(f);
	table_add(t, 1, text);
	free(text);
}

void help_command(const json_t *method, FILE *out)
{
	const char *description = text_of(method, "description");
	json_t *param;
	struct table t;
	size_t i;

	help_usage(method, out);
	fprintf(out, "\n%s.\n", text_of(method, "summary"));
	if (*description)
		fprintf(out, "%s\n", description);
	fprintf(out, "JSON-RPC method: %s\n", text_of(method, "name"));
	if (json_array_size(json_object_get(method, "params")) == 0)
		return;
	fputs("\nParameters:\n", out);
	table_init(&t, 2);
	json_array_foreach (json_object_get(method, "params"), i, param)
		add_param(&t, method, param);
	table_print(&t, out);
	table_uninit(&t);
}

static void add_command(struct table *t, const json_t *method)
{
	char words[96];

	snprintf(words, sizeof(words), "  %s %s", doc_word(method, 0), doc_word(method, 1));
	table_add(t, 0, words);
	table_add(t, 1, text_of(method, "summary"));
}

static bool is_shown(const json_t *method)
{
	/* Subscribing and reading are for connections that stay: `stintctl events` and `stintctl
	 * capture -w` do it. */
	if (strcmp(text_of(method, "name"), "capture_read") == 0)
		return false;
	return strncmp(text_of(method, "name"), "events_", 7) != 0 ||
	       strcmp(text_of(method, "name"), "events_list") == 0;
}

void help_noun(json_t *doc, const char *noun, FILE *out)
{
	json_t *method;
	struct table t;
	size_t i;

	table_init(&t, 2);
	json_array_foreach (json_object_get(doc, "methods"), i, method)
		if (is_shown(method) && (!noun || strcmp(doc_word(method, 0), noun) == 0))
			add_command(&t, method);
	table_print(&t, out);
	table_uninit(&t);
}

void help_all(json_t *doc, FILE *out)
{
	fputs("usage: stintctl [OPTION...] COMMAND [ARGUMENT...]\n"
	      "\n"
	      "Manages the virtual switch stintd.\n"
	      "\n"
	      "Options:\n"
	      "  --socket PATH, -s   the daemon's socket (STINT_SOCKET, or /run/stint/stint.sock)\n"
	      "  --timeout SECONDS   how long to wait for an answer (10)\n"
	      "  --json              print the result as JSON\n"
	      "  --long              print all fields, one per line\n"
	      "  --column FIELD      print one field only, a line for each object\n"
	      "  --help              this, or a command's help behind its name\n"
	      "  --version\n"
	      "\n"
	      "Commands:\n",
	      out);
	help_noun(doc, NULL, out);
	fputs("  capture -w FILE|- [PARAMETER...]                capture packets and stream them\n"
	      "  events [--since N] [--count N]                  follow events\n"
	      "  top [--interval SECONDS] [--once] [--batch]     who uses the switch's time now\n"
	      "  call METHOD [JSON]                              call any method, print JSON\n"
	      "\n"
	      "Exit status: 0 done, 1 refused by the daemon, 2 wrong usage, 3 no connection or no\n"
	      "answer in time.\n",
	      out);
}
