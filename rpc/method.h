/* SPDX-License-Identifier: BSD-3-Clause */
/* A JSON-RPC method as the server sees it. The generated tables (rpc_schema.h) consist of these. */
#ifndef RPC_METHOD_H
#define RPC_METHOD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct rpc_conn; /* a client's connection, to methods that the server answers itself */
struct rpc_ctx;  /* what handlers work on, opaque to the server */

enum rpc_type {
	RPC_STRING, /* const char *, NULL when absent; valid until the handler returns */
	RPC_ENUM,   /* int: the index into `texts` */
	RPC_BOOL,   /* bool */
	RPC_U32,    /* uint32_t */
	RPC_U64,    /* uint64_t */
	RPC_I64,    /* int64_t */
};

#define RPC_NO_OFFSET SIZE_MAX

/* A parameter: how it is checked and where its value goes. */
struct rpc_param {
	const char *name;
	enum rpc_type type;
	bool required;
	bool has_default;
	size_t offset;
	size_t has_offset; /* of the bool that tells whether it was given; RPC_NO_OFFSET: none */
	int64_t min;       /* of the value, or of a string's length in bytes */
	int64_t max;
	const char *pattern;      /* POSIX extended regular expression, NULL: any */
	const char *const *texts; /* an enum's values, ended by NULL */
	int64_t default_number;
	const char *default_text;
};

struct rpc_params {
	const struct rpc_param *param;
	size_t n;
	size_t size; /* of the struct that they are decoded into */
};

struct rpc_method {
	const char *name;
	const struct rpc_params *params;
	/* Exactly one of the two. The answer is a new reference, or NULL with *e filled. */
	json_t *(*handle)(struct rpc_ctx *ctx, const void *params, struct err *e);
	json_t *(*serve)(struct rpc_conn *conn, const void *params, struct err *e);
	bool mutates;      /* changes what a saved configuration holds */
	bool read_only_ok; /* changes nothing: allowed on the read-only socket */
};

/* Parameters never need more room than this (checked when the tables are compiled). */
#define RPC_PARAMS_MAX 512

#endif
