/* SPDX-License-Identifier: ISC */
/*
 * stek rotate: the next key ahead of its time.
 *
 * Never here: making a key, which stekd does.
 */
#include <getopt.h>
#include <stddef.h>

#include "change.h"
#include "farm.h"
#include "say.h"

int
verb_rotate(const struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"now", no_argument, NULL, 'n'},
	    {"timeout", required_argument, NULL, 't'},
	    {NULL, 0, NULL, 0},
	};
	int timeout = CHANGE_TIMEOUT, now = 0, c, status;
	struct farm farm;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'n')
			now = 1;
		else if (c == 't')
			timeout = change_timeout(optarg);
		else
			return CLI_USAGE;
		if (timeout < 0)
			return CLI_USAGE;
	}
	if (optind != argc)
		return say_usage(
		    "rotate takes no argument, found \"%s\"", argv[optind]);
	if (!farm_open_stekd(&farm, cli))
		return CLI_FAILED;
	status = change_run(farm.control,
	    json_pack("{s:s, s:b}", "do", "rotate", "now", now), timeout);
	farm_close(&farm);
	return status;
}
