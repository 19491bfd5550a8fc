/* SPDX-License-Identifier: BSD-3-Clause */
/* The fuzzer's bytes, taken from the front: zeroes when there are no more. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *at;
	size_t left;
};

/* What must hold whatever the input is. */
#define MUST(condition)                                                                  \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, \
				#condition);                                             \
			abort();                                                         \
		}                                                                        \
	} while (0)

static inline size_t input_bytes(struct input *in, void *to, size_t n)
{
	size_t some = n < in->left ? n : in->left;

	memset(to, 0, n);
	if (some > 0)
		memcpy(to, in->at, some);
	in->at += some;
	in->left -= some;
	return some;
}

static inline uint8_t input_u8(struct input *in)
{
	uint8_t n;

	input_bytes(in, &n, sizeof(n));
	return n;
}

static inline uint16_t input_u16(struct input *in)
{
	uint16_t n;

	input_bytes(in, &n, sizeof(n));
	return n;
}

/* libFuzzer's. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
