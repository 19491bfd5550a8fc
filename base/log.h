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

/* The level of a name ("error" ... "debug"), negative errno when there is none; and the name of a
 * level. [any] */
int log_level_parse(const char *text, enum log_level *level);
const char *log_level_text(enum log_level level);

/* Writes one line. Control bytes in it become question marks, since guests and clients choose parts
 * of what is logged. Never call it from a worker's per-packet path; what a worker may reach goes
 * through counters and events. [any] */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Starts a thread that writes the lines, so that no caller waits for the reader of stderr. The
 * queue holds 64 KiB: lines that do not fit are lost, and counted in a line that follows. Before,
 * and after log_stop(), callers write their lines themselves. Negative errno. [control, once] */
int log_start(void);

/* Stops the thread: waits until the queue is written, for a second at most. [control] */
void log_stop(void);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
