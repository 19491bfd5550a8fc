/* SPDX-License-Identifier: BSD-3-Clause */
/* The states of vhost-user devices in words. */
#include "vhost/vdev_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_vhost.h>

static const char *const state_names[VDEV_STATE_COUNT] = {
#define X(name, text) [VDEV_##name] = text,
#include "vhost/vdev_states.def"
#undef X
};

static const char *const feature_names[64] = {
#define X(bit, name) [bit] = name,
#include "vhost/features.def"
#undef X
};

const char *vdev_state_text(enum vdev_state state)
{
	return state_names[state];
}

const char *vdev_feature_text(unsigned bit)
{
	return bit < 64 ? feature_names[bit] : NULL;
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

void vdev_text_stuck(char text[VDEV_TEXT_SIZE], uint64_t seconds)
{
	snprintf(text, VDEV_TEXT_SIZE,
		 "negotiating for %" PRIu64
		 " s: the front end shared no memory: is the guest's memory shared "
		 "(<memoryBacking>), and has the guest a virtio-net driver?",
		 seconds);
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

void vdev_text_up(char text[VDEV_TEXT_SIZE], uint16_t pairs, uint64_t features)
{
	/* What an operator asks about first; the whole list is in the port's features. */
	static const unsigned shown[] = {VIRTIO_NET_F_MRG_RXBUF,      VIRTIO_F_IN_ORDER,
					 VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX,
					 VIRTIO_NET_F_CSUM,           VIRTIO_NET_F_HOST_TSO4};
	int used;

	used = snprintf(text, VDEV_TEXT_SIZE, "up: %u queue pair%s, %s", pairs,
			pairs == 1 ? "" : "s",
			features & (1ULL << VIRTIO_F_RING_PACKED) ? "packed" : "split");
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (features & (1ULL << shown[i]))
			used += snprintf(text + used, VDEV_TEXT_SIZE - (size_t)used, ", %s",
					 vdev_feature_text(shown[i]));
}
