/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors of control code: what went wrong, with the offending field named. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
	ERR_NONE = 0,
#define X(name, rpc, posix, text) ERR_##name,
#include "base/err.def"
#undef X
	ERR_COUNT
};

struct err {
	enum err_code code;
	char field[48]; /* the parameter or configuration key at fault, "" when none */
	char text[256]; /* one line for a person, naming the value at fault */
};

/* Fills *e (which may be NULL) and returns the negative errno of the code. `field` may be NULL.
 * [any] */
int err_set(struct err *e, enum err_code code, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Names the parameter at fault for an error (*e may be NULL) of code that knows no parameters, if
 * it names none. [any] */
void err_name_field(struct err *e, const char *field);

/* The JSON-RPC 2.0 error code of an error code, and its text. [any] */
int err_rpc_code(enum err_code code);
const char *err_code_text(enum err_code code);

#endif
