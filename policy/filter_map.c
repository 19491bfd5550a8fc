/* SPDX-License-Identifier: BSD-3-Clause */
/* Maps from numbers to values, by ranges. */
#include "policy/filter_map.h"

void filter_ranges_take(struct filter_ranges *r, struct filter_block *b, uint32_t most)
{
	r->n = 0;
	r->first = filter_block_take(b, most * sizeof(r->first[0]));
	r->value = filter_block_take(b, most * sizeof(r->value[0]));
}

void filter_map_place(struct filter_map *m, struct filter_block *b, const struct filter_ranges *r,
		      bool is_wide)
{
	struct filter_map made = {.n = r->n};

	if (is_wide)
		made.wide = filter_block_take(b, r->n * sizeof(made.wide[0]));
	else
		made.narrow = filter_block_take(b, r->n * sizeof(made.narrow[0]));
	made.value = filter_block_take(b, r->n * sizeof(made.value[0]));
	if (!b->base)
		return;
	for (uint32_t i = 0; i < r->n; i++) {
		if (is_wide)
			made.wide[i] = r->first[i];
		else
			made.narrow[i] = (uint32_t)r->first[i];
		made.value[i] = r->value[i];
	}
	*m = made;
}
