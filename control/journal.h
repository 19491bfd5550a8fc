/* SPDX-License-Identifier: BSD-3-Clause */
/* A journal beside the configuration file: what changed since that was written, a line of JSON for
 * each change. A change costs a line and a share of one fdatasync instead of the whole file.
 *
 * The configuration file has a generation, and the journal says to which one it belongs: after a
 * crash between writing the file and emptying the journal, or when somebody put another file in its
 * place, the journal is of an older one, and left aside. The control thread's. */
#ifndef CONTROL_JOURNAL_H
#define CONTROL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

struct journal;

/* Whether there is something in the place of CONFIG_FILE.journal. */
bool journal_is_there(const char *config_file);

/* Opens CONFIG_FILE.journal, which is made where it is missing. NULL with *e filled. */
struct journal *journal_open(const char *config_file, struct err *e);
void journal_close(struct journal *j);

/* The same, of one whose records the configuration file holds: its file goes too. NULL is fine. */
void journal_remove(struct journal *j);

/* Calls fn for each record, in order, if they belong to this generation. A last line that is not
 * whole was never answered, and is left out. Negative errno with *e naming a line that is damaged.
 */
int journal_read(struct journal *j, json_int_t generation,
		 void (*fn)(void *ctx, const json_t *record), void *ctx, struct err *e);

/* Empties it, for what follows this generation of the configuration file. */
int journal_begin(struct journal *j, json_int_t generation, struct err *e);

/* Adds a record, whose reference it takes over, in memory. -ENOMEM. */
int journal_add(struct journal *j, json_t *record);

/* Writes what was added and waits until it is on the disk. Where that fails nothing of it is in the
 * file, and all of it is forgotten. */
int journal_commit(struct journal *j, struct err *e);

/* Whether it is long enough to be worth a new configuration file. */
bool journal_is_long(const struct journal *j);

#endif
