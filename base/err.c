/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors of control code. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
	int rpc;
	int posix;
	const char *text;
} codes[ERR_COUNT] = {
	[ERR_NONE] = {0, 0, "no error"},
#define X(name, rpc, posix, text) [ERR_##name] = {rpc, posix, text},
#include "base/err.def"
#undef X
};

int err_set(struct err *e, enum err_code code, const char *field, const char *fmt, ...)
{
	if (e) {
		va_list ap;

		e->code = code;
		snprintf(e->field, sizeof(e->field), "%s", field ? field : "");
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	return -codes[code].posix;
}

void err_name_field(struct err *e, const char *field)
{
	if (e && !e->field[0])
		snprintf(e->field, sizeof(e->field), "%s", field);
}

int err_rpc_code(enum err_code code)
{
	return codes[code].rpc;
}

const char *err_code_text(enum err_code code)
{
	return codes[code].text;
}
