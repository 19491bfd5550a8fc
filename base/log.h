/* SPDX-License-Identifier: BSD-3-Clause */
/* The log: one line per event on stderr, with journald's level prefix when systemd reads it. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
#define X(name, text) LOG_##name,
#include "base/log_levels.def"
#undef X
	LOG_LEVEL_COUNT
};

/* Lines above this level are not written. Atomic: any thread may read and set it. [any] */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* A level from its name ("error" ... "debug"), negative errno when there is none; and back. [any]
 */
int log_level_parse(const char *text, enum log_level *level);
const char *log_level_text(enum log_level level);

/* Writes one line. Control bytes in it are escaped: guests and clients choose parts of what is
 * logged. Never call it from a worker's per-packet path; what a worker may reach goes through
 * counters and events. [any] */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* For a line that others can provoke as often as they like: one a second at most, with the number
 * of those that were left out. */
struct log_pace {
	bool was_written;
	uint64_t written_ns;
	uint64_t left_out;
};

/* Whether to write a line now; then *left_out are those that were not written since the last. A
 * pace belongs to one thread at a time. [any] */
bool log_pace_allows(struct log_pace *pace, uint64_t now_ns, uint64_t *left_out);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
