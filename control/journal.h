/* SPDX-License-Identifier: BSD-3-Clause */
/* A journal beside the configuration file: the changes since the file was written, one line of JSON
 * each. A change costs a line and a share of one fdatasync instead of the whole file.
 *
 * The configuration file has a generation, and the journal says to which one it belongs. When they
 * differ the journal is ignored: there was a crash between writing the file and emptying the
 * journal, or somebody put another file in its place. The control thread's. */
#ifndef CONTROL_JOURNAL_H
#define CONTROL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

struct journal;

/* Whether CONFIG_FILE.journal exists. */
bool journal_is_there(const char *config_file);

/* Opens CONFIG_FILE.journal, and creates it where it is missing. NULL with *e filled. */
struct journal *journal_open(const char *config_file, struct err *e);
void journal_close(struct journal *j);

/* Closes a journal whose records the configuration file holds, and removes its file. NULL is
 * fine. */
void journal_remove(struct journal *j);

/* Calls fn for each record, in order, if the journal belongs to this generation. An incomplete last
 * line is skipped, since its change was never acknowledged. Negative errno with *e naming a line
 * that is damaged. */
int journal_read(struct journal *j, json_int_t generation,
		 void (*fn)(void *ctx, const json_t *record), void *ctx, struct err *e);

/* Empties the journal, for changes to this generation of the configuration file. */
int journal_begin(struct journal *j, json_int_t generation, struct err *e);

/* Adds a record, whose reference it takes over, in memory. -ENOMEM. */
int journal_add(struct journal *j, json_t *record);

/* Writes the added records and waits until they are on the disk. If that fails, none of them is in
 * the file, and all are forgotten. */
int journal_commit(struct journal *j, struct err *e);

/* Whether the journal is long enough to be worth a new configuration file. */
bool journal_is_long(const struct journal *j);

#endif
