/* SPDX-License-Identifier: BSD-3-Clause */
/* The states of vhost-user devices in words. */
#include "vhost/vdev_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[VDEV_STATE_COUNT] = {
#define X(name, text) [VDEV_##name] = text,
#include "vhost/vdev_states.def"
#undef X
};

const char *vdev_state_text(enum vdev_state state)
{
	return state_names[state];
}

void vdev_text_waiting(char text[VDEV_TEXT_SIZE], bool is_client, const char *last)
{
	snprintf(text, VDEV_TEXT_SIZE, "waiting for front end (%s)%s%s",
		 is_client ? "connecting to its socket" : "listening", last ? "; last: " : "",
		 last ? last : "");
}

void vdev_text_negotiating(char text[VDEV_TEXT_SIZE], bool has_memory, unsigned known,
			   unsigned enabled)
{
	if (has_memory)
		snprintf(text, VDEV_TEXT_SIZE, "negotiating: %u rings known, %u enabled", known,
			 enabled);
	else
		snprintf(text, VDEV_TEXT_SIZE, "negotiating: the front end shared no memory yet");
}

void vdev_text_stuck(char text[VDEV_TEXT_SIZE], uint64_t seconds, const char *driver)
{
	snprintf(text, VDEV_TEXT_SIZE,
		 "negotiating for %" PRIu64
		 " s: the front end shared no memory: is the guest's memory shared "
		 "(<memoryBacking>), and has the guest a %s driver?",
		 seconds, driver);
}

void vdev_text_down(char text[VDEV_TEXT_SIZE], const char *why)
{
	snprintf(text, VDEV_TEXT_SIZE, "down: %s", why);
}

void vdev_text_add_refused(char text[VDEV_TEXT_SIZE], const char *refused)
{
	size_t used = strlen(text);

	if (refused[0])
		snprintf(text + used, VDEV_TEXT_SIZE - used, "; refused %s", refused);
}
