/* SPDX-License-Identifier: BSD-3-Clause */
/* pcapng. Each block is its type, its length, a body, options, and its length again; everything is
 * padded to 32 bits. */
#include "control/pcapng.h"

#include <string.h>

enum {
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
	BLOCK_SECTION = 0x0a0d0d0a,
};
#define BYTE_ORDER_MAGIC  0x1a2b3c4d
#define LINKTYPE_ETHERNET 1
#define RESOLUTION_NS     9 /* 10^-9 s */

enum {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	SECTION_APPLICATION = 4,
	INTERFACE_NAME = 2,
	INTERFACE_DESCRIPTION = 3,
	INTERFACE_RESOLUTION = 9,
	INTERFACE_FILTER = 11,
	PACKET_FLAGS = 2,
	STATISTICS_RECEIVED = 4,
	STATISTICS_INTERFACE_DROPPED = 5,
	STATISTICS_SYSTEM_DROPPED = 7,
};
#define FLAG_INBOUND  1
#define FLAG_OUTBOUND 2

/* A block in the making. */
struct block {
	struct pcapng *f;
	size_t begin;
	bool is_too_long;
};

static void put(struct block *b, const void *bytes, size_t len)
{
	static const uint8_t padding[4];
	size_t pad = -len & 3;

	if (b->is_too_long || len + pad > b->f->size - b->f->used) {
		b->is_too_long = true;
		return;
	}
	if (len > 0)
		memcpy(b->f->to + b->f->used, bytes, len);
	memcpy(b->f->to + b->f->used + len, padding, pad);
	b->f->used += len + pad;
}

static void put_u32(struct block *b, uint32_t value)
{
	put(b, &value, sizeof(value));
}

/* Times are written high word first, whatever the byte order. */
static void put_time(struct block *b, uint64_t ns)
{
	put_u32(b, (uint32_t)(ns >> 32));
	put_u32(b, (uint32_t)ns);
}

static void put_option(struct block *b, uint16_t code, const void *value, size_t len)
{
	const uint16_t head[2] = {code, (uint16_t)len};

	put(b, head, sizeof(head));
	put(b, value, len);
}

static void put_text(struct block *b, uint16_t code, const char *text)
{
	if (text && *text)
		put_option(b, code, text, strnlen(text, PCAPNG_MAX_TEXT));
}

static struct block begin(struct pcapng *f, uint32_t type)
{
	struct block b = {.f = f, .begin = f->used};

	put_u32(&b, type);
	put_u32(&b, 0);
	return b;
}

/* Ends the block and its options. */
static bool end(struct block *b)
{
	uint32_t len;

	put_option(b, OPTION_END, NULL, 0);
	put_u32(b, 0);
	if (b->is_too_long) {
		b->f->used = b->begin;
		return false;
	}
	len = (uint32_t)(b->f->used - b->begin);
	memcpy(b->f->to + b->begin + 4, &len, sizeof(len));
	memcpy(b->f->to + b->f->used - 4, &len, sizeof(len));
	return true;
}

bool pcapng_section(struct pcapng *f, const char *application)
{
	const uint16_t version[2] = {1, 0};
	const int64_t unknown_length = -1;
	struct block b = begin(f, BLOCK_SECTION);

	put_u32(&b, BYTE_ORDER_MAGIC);
	put(&b, version, sizeof(version));
	put(&b, &unknown_length, sizeof(unknown_length));
	put_text(&b, SECTION_APPLICATION, application);
	return end(&b);
}

/* A filter's first byte says that it is a text. */
static void put_filter(struct block *b, const char *filter)
{
	const uint16_t head[2] = {INTERFACE_FILTER, (uint16_t)(1 + strlen(filter))};
	size_t len = strlen(filter);
	uint8_t first[4] = {0};

	memcpy(first + 1, filter, len < 3 ? len : 3);
	put(b, head, sizeof(head));
	put(b, first, len < 3 ? 1 + len : 4);
	if (len > 3)
		put(b, filter + 3, len - 3);
}

bool pcapng_interface(struct pcapng *f, const struct pcapng_interface *i)
{
	const uint16_t link[2] = {LINKTYPE_ETHERNET, 0};
	const uint8_t resolution = RESOLUTION_NS;
	struct block b = begin(f, BLOCK_INTERFACE);

	put(&b, link, sizeof(link));
	put_u32(&b, i->snaplen);
	put_text(&b, INTERFACE_NAME, i->name);
	put_text(&b, INTERFACE_DESCRIPTION, i->description);
	put_option(&b, INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	if (i->filter)
		put_filter(&b, i->filter);
	return end(&b);
}

bool pcapng_packet(struct pcapng *f, const struct pcapng_packet *p)
{
	const uint32_t flags = p->is_sent ? FLAG_OUTBOUND : FLAG_INBOUND;
	struct block b = begin(f, BLOCK_PACKET);

	put_u32(&b, p->interface);
	put_time(&b, p->ns);
	put_u32(&b, p->kept);
	put_u32(&b, p->len);
	put(&b, p->bytes, p->kept);
	put_option(&b, PACKET_FLAGS, &flags, sizeof(flags));
	put_text(&b, OPTION_COMMENT, p->comment);
	return end(&b);
}

bool pcapng_statistics(struct pcapng *f, const struct pcapng_statistics *s)
{
	struct block b = begin(f, BLOCK_STATISTICS);

	put_u32(&b, s->interface);
	put_time(&b, s->ns);
	put_option(&b, STATISTICS_RECEIVED, &s->received, sizeof(s->received));
	put_option(&b, STATISTICS_INTERFACE_DROPPED, &s->dropped, sizeof(s->dropped));
	put_option(&b, STATISTICS_SYSTEM_DROPPED, &s->missed, sizeof(s->missed));
	put_text(&b, OPTION_COMMENT, s->comment);
	return end(&b);
}
