/* SPDX-License-Identifier: BSD-3-Clause */
/* stintctl: manages stintd. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv, stdout, stderr);
}
