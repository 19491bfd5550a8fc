/* SPDX-License-Identifier: BSD-3-Clause */
/* The MSS option of TCP: which packets it is lowered in, and that their checksum stays right. */
#include "pkt/mss.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "tests/fake/inner_frame.h"

#define SYN 0x02
#define ACK 0x10

struct frame {
	uint8_t bytes[256];
	uint32_t len;
	uint32_t l4_at;
};

static uint16_t sum_frame(const struct frame *f)
{
	const uint8_t *tcp = f->bytes + f->l4_at;
	bool is_v6 = f->bytes[12] == 0x86;

	return plain_l4_sum(tcp - (is_v6 ? 32 : 8), is_v6, IPPROTO_TCP, tcp, f->len - f->l4_at);
}

static bool is_sum_right(const struct frame *f)
{
	return sum_frame(f) == 0xffff;
}

/* A TCP packet with the given options and flags. */
static struct frame make(bool is_v6, uint8_t flags, const uint8_t *options, uint8_t n)
{
	static const uint8_t v4[] = {8, 0, 0x45, 0,  0, 60, 0, 0,  0, 0, 64,
				     6, 0, 0,    10, 0, 0,  1, 10, 0, 0, 2};
	static const uint8_t v6[42] = {0x86, 0xdd, 0x60, 0,  0,           0,
				       0,    40,   6,    64, [10] = 0xfd, [41] = 2};
	struct frame f = {.l4_at = 14 + (is_v6 ? 40 : 20)};
	uint8_t *tcp = f.bytes + f.l4_at;

	memcpy(f.bytes + 12, is_v6 ? v6 : v4, is_v6 ? sizeof(v6) : sizeof(v4));
	f.len = f.l4_at + 20 + n;
	tcp[3] = 80;
	tcp[12] = (uint8_t)((20 + n) / 4 << 4);
	tcp[13] = flags;
	memcpy(tcp + 20, options, n);
	plain_put16(tcp + 16, (uint16_t)~sum_frame(&f));
	return f;
}

/* Clamps, and returns the bytes that differ. */
static unsigned clamp(struct frame *f, uint32_t mtu)
{
	struct frame before = *f;
	unsigned n = 0;

	mss_clamp(f->bytes, f->len, mtu);
	for (uint32_t i = 0; i < sizeof(f->bytes); i++)
		n += f->bytes[i] != before.bytes[i];
	return n;
}

static uint16_t mss_at(const struct frame *f, uint32_t option)
{
	return plain_get16(f->bytes + f->l4_at + 20 + option + 2);
}

static void test_too_large_is_lowered(void **state)
{
	/* First; behind others; on an odd offset. */
	static const uint8_t options[3][12] = {
		{2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7},
		{1, 3, 3, 7, 1, 1, 4, 2, 2, 4, 0x05, 0xb4},
		{1, 3, 3, 7, 1, 2, 4, 0x05, 0xb4, 4, 2, 0},
	};
	static const uint32_t at[] = {0, 8, 5};

	(void)state;
	for (int i = 0; i < 3; i++) {
		for (int is_v6 = 0; is_v6 < 2; is_v6++) {
			for (uint8_t flags = SYN; flags <= (SYN | ACK); flags += ACK) {
				struct frame f = make(is_v6, flags, options[i], 12);

				assert_true(is_sum_right(&f));
				assert_true(clamp(&f, 1400) > 0);
				assert_int_equal(mss_at(&f, at[i]), is_v6 ? 1340 : 1360);
				assert_true(is_sum_right(&f));
			}
		}
	}
}

static void test_what_fits_stays(void **state)
{
	static const uint8_t options[] = {2, 4, 0x05, 0xb4};
	struct frame f = make(false, SYN, options, 4);

	(void)state;
	assert_int_equal(clamp(&f, 1500), 0);
	assert_int_equal(clamp(&f, 9000), 0);
	f = make(true, SYN, options, 4);
	assert_int_equal(clamp(&f, 1520), 0);
	assert_true(clamp(&f, 1519) > 0);
}

static void test_others_stay(void **state)
{
	static const uint8_t options[] = {2, 4, 0x05, 0xb4, 1, 1, 1, 1};
	static const uint8_t bad[][8] = {
		{3, 0, 2, 4, 0x05, 0xb4, 0, 0}, {3, 9, 2, 4, 0x05, 0xb4, 0, 0},
		{0, 0, 2, 4, 0x05, 0xb4, 0, 0}, {2, 3, 0x05, 0xb4, 1, 1, 1, 1},
		{1, 1, 1, 1, 1, 1, 1, 2},
	};
	struct frame f = make(false, ACK, options, 8);

	(void)state;
	assert_int_equal(clamp(&f, 1000), 0);
	f = make(false, SYN, options, 8);
	f.bytes[21] = 1; /* a later fragment */
	assert_int_equal(clamp(&f, 1000), 0);
	f = make(false, SYN, options, 8);
	f.bytes[23] = 17;
	assert_int_equal(clamp(&f, 1000), 0);
	f = make(false, SYN, options, 8);
	assert_int_equal(clamp(&f, 40), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f = make(true, SYN, bad[i], 8);
		assert_int_equal(clamp(&f, 1300), 0);
	}
	/* Cut off at every length. */
	for (uint32_t len = 0; len < 14 + 20 + 28; len++) {
		f = make(false, SYN, options, 8);
		f.len = len;
		assert_int_equal(clamp(&f, 1000), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_too_large_is_lowered),
		cmocka_unit_test(test_what_fits_stays),
		cmocka_unit_test(test_others_stay),
	};

	return cmocka_run_group_tests_name("mss", tests, NULL, NULL);
}
