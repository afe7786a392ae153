/* SPDX-License-Identifier: ISC */
/*
 * stek forget: a node of the farm that will not come back.
 *
 * Never here: evicting one; see stek rekey.
 */
#include <getopt.h>
#include <stdio.h>

#include "ask.h"
#include "farm.h"
#include "say.h"

int
verb_forget(const struct cli *cli, int argc, char **argv)
{
	char why[ASK_WHY_LEN];
	struct farm farm;
	json_t *answer;

	if (argc != 2)
		return say_usage("forget needs the name of a node");
	if (!farm_open_stekd(&farm, cli))
		return CLI_FAILED;
	answer = ask_once(farm.control,
	    json_pack("{s:s, s:s}", "do", "forget", "node", argv[1]), why);
	farm_close(&farm);
	if (answer == NULL) {
		say_error("%s", why);
		return CLI_FAILED;
	}
	json_decref(answer);
	return CLI_DONE;
}
